//! X.509 certificates (RFC 5280) in DER: what a server must know of one, and one that signs itself.
//! With that little of the standard and [`super::provider`] a program for MIPS is 104 KB smaller than
//! with libraries that know it all.

#![expect(clippy::redundant_closure_for_method_calls)] // the methods are less general

use std::net::IpAddr;
use std::ops::Range;

use rustls::SignatureScheme;
use rustls::sign::SigningKey;
use time::OffsetDateTime;
use yasna::models::{GeneralizedTime, ObjectIdentifier, UTCTime};
use yasna::tags::TAG_UTCTIME;
use yasna::{ASN1Result, BERReader, DERWriter, Tag, TagClass, construct_der, parse_der};

const COMMON_NAME: &[u64] = &[2, 5, 4, 3];
const SUBJECT_ALT_NAME: &[u64] = &[2, 5, 29, 17];
const ECDSA_WITH_SHA256: &[u64] = &[1, 2, 840, 10_045, 4, 3, 2];

/// The tags of a certificate's fields: version, extensions (RFC 5280, 4.1).
const VERSION: Tag = context(0);
const EXTENSIONS: Tag = context(3);

/// The tags of names: DNS, IP address (RFC 5280, 4.2.1.6).
const DNS_NAME: Tag = context(2);
const IP_ADDRESS: Tag = context(7);

const fn context(tag_number: u64) -> Tag {
    Tag {
        tag_class: TagClass::ContextSpecific,
        tag_number,
    }
}

/// What a server must know of its certificate.
pub(super) struct Certificate {
    /// The DNS names and addresses that it is for.
    pub(super) names: Vec<String>,
    /// The last moment of its validity.
    pub(super) not_after: OffsetDateTime,
    /// The public key, as a `SubjectPublicKeyInfo` in DER.
    pub(super) public_key: Vec<u8>,
}

/// Reads a certificate of version 3.
pub(super) fn read(der: &[u8]) -> ASN1Result<Certificate> {
    parse_der(der, |reader| {
        reader.read_sequence(|certificate| {
            let read = certificate.next().read_sequence(|fields| {
                for _version_serial_signature_issuer in 0..4 {
                    fields.next().read_der()?;
                }
                let not_after = fields.next().read_sequence(|validity| {
                    validity.next().read_der()?;
                    read_time(validity.next())
                })?;
                let _subject = fields.next().read_der()?;
                let public_key = fields.next().read_der()?;
                let mut names = Vec::new();
                while fields
                    .read_optional(|field| {
                        if field.lookahead_tag()? == EXTENSIONS {
                            names = field.read_tagged(EXTENSIONS, read_extensions)?;
                        } else {
                            field.read_der()?;
                        }
                        Ok(())
                    })?
                    .is_some()
                {}
                Ok(Certificate {
                    names,
                    not_after,
                    public_key,
                })
            })?;
            for _algorithm_signature in 0..2 {
                certificate.next().read_der()?;
            }
            Ok(read)
        })
    })
}

fn read_time(reader: BERReader<'_, '_>) -> ASN1Result<OffsetDateTime> {
    if reader.lookahead_tag()? == TAG_UTCTIME {
        Ok(*reader.read_utctime()?.datetime())
    } else {
        Ok(*reader.read_generalized_time()?.datetime())
    }
}

/// The names of the extension that has them.
fn read_extensions(reader: BERReader<'_, '_>) -> ASN1Result<Vec<String>> {
    let subject_alt_name = construct_der(|writer| write_oid(writer, SUBJECT_ALT_NAME));
    let mut names = Vec::new();
    reader.read_sequence_of(|extension| {
        extension.read_sequence(|fields| {
            let oid = fields.next().read_der()?;
            let _critical = fields.read_optional(|field| field.read_bool())?;
            let value = fields.next().read_bytes()?;
            if oid == subject_alt_name {
                names = parse_der(&value, read_names)?;
            }
            Ok(())
        })
    })?;
    Ok(names)
}

fn read_names(reader: BERReader<'_, '_>) -> ASN1Result<Vec<String>> {
    let mut names = Vec::new();
    reader.read_sequence_of(|name| {
        match name.lookahead_tag()? {
            DNS_NAME => {
                let dns = name.read_tagged_implicit(DNS_NAME, |name| name.read_bytes())?;
                names.extend(String::from_utf8(dns));
            }
            IP_ADDRESS => {
                let address = name.read_tagged_implicit(IP_ADDRESS, |name| name.read_bytes())?;
                names.extend(ip_address(&address).map(|address| address.to_string()));
            }
            _ => drop(name.read_der()?),
        }
        Ok(())
    })?;
    Ok(names)
}

fn ip_address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

/// Makes a certificate of version 3 for the DNS name `name`, issued and signed by itself. `key` is
/// one of ECDSA with P-256; `serial` is to be random.
pub(super) fn self_signed(
    name: &str,
    serial: [u8; 16],
    validity: Range<OffsetDateTime>,
    key: &dyn SigningKey,
) -> Result<Vec<u8>, rustls::Error> {
    let unusable = || rustls::Error::General("not an ECDSA key with P-256".into());
    let signer = key
        .choose_scheme(&[SignatureScheme::ECDSA_NISTP256_SHA256])
        .ok_or_else(unusable)?;
    let public_key = key.public_key().ok_or_else(unusable)?;
    let to_sign = construct_der(|writer| {
        writer.write_sequence(|fields| {
            fields
                .next()
                .write_tagged(VERSION, |version| version.write_u8(2));
            fields.next().write_bigint_bytes(&serial, true);
            write_algorithm(fields.next());
            write_name(fields.next(), name);
            fields.next().write_sequence(|times| {
                write_time(times.next(), validity.start);
                write_time(times.next(), validity.end);
            });
            write_name(fields.next(), name);
            fields.next().write_der(&public_key);
            fields.next().write_tagged(EXTENSIONS, |extensions| {
                extensions.write_sequence(|extensions| write_names(extensions.next(), name));
            });
        });
    });
    let signature = signer.sign(&to_sign)?;
    Ok(construct_der(|writer| {
        writer.write_sequence(|fields| {
            fields.next().write_der(&to_sign);
            write_algorithm(fields.next());
            fields
                .next()
                .write_bitvec_bytes(&signature, signature.len().saturating_mul(8));
        });
    }))
}

fn write_algorithm(writer: DERWriter<'_>) {
    writer.write_sequence(|fields| write_oid(fields.next(), ECDSA_WITH_SHA256));
}

fn write_oid(writer: DERWriter<'_>, oid: &[u64]) {
    writer.write_oid(&ObjectIdentifier::from_slice(oid));
}

/// A distinguished name that is a common name alone.
fn write_name(writer: DERWriter<'_>, name: &str) {
    writer.write_sequence(|parts| {
        parts.next().write_set(|attributes| {
            attributes.next().write_sequence(|attribute| {
                write_oid(attribute.next(), COMMON_NAME);
                attribute.next().write_utf8_string(name);
            });
        });
    });
}

fn write_names(writer: DERWriter<'_>, name: &str) {
    writer.write_sequence(|extension| {
        write_oid(extension.next(), SUBJECT_ALT_NAME);
        extension.next().write_bytes(&construct_der(|writer| {
            writer.write_sequence(|names| {
                names
                    .next()
                    .write_tagged_implicit(DNS_NAME, |writer| writer.write_ia5_string(name));
            });
        }));
    });
}

/// The standard wants years from 2050 on, and no others, in the longer form.
fn write_time(writer: DERWriter<'_>, time: OffsetDateTime) {
    let time = time.truncate_to_second();
    if time.year() < 2050 {
        writer.write_utctime(&UTCTime::from_datetime(time));
    } else {
        writer.write_generalized_time(&GeneralizedTime::from_datetime(time));
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PublicKeyData, SanType};

    use super::*;

    #[test]
    fn names_addresses_key_and_end_are_read_and_what_is_none_of_ours_is_skipped() {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([
            "*.example.org".to_owned(),
            "192.0.2.1".to_owned(),
            "2001:db8::1".to_owned(),
        ])
        .unwrap();
        let mail = SanType::Rfc822Name("a@example.org".try_into().unwrap());
        params.subject_alt_names.insert(0, mail);
        params.is_ca = rcgen::IsCa::ExplicitNoCa;
        // Either side of the year 2050, from which on years have four digits.
        for seconds in [2_524_607_999, 2_524_608_000] {
            let not_after = OffsetDateTime::from_unix_timestamp(seconds).unwrap();
            params.not_after = not_after;
            let der = params.self_signed(&key).unwrap();
            let certificate = read(der.der()).unwrap();
            assert_eq!(
                certificate.names,
                ["*.example.org", "192.0.2.1", "2001:db8::1"]
            );
            assert_eq!(certificate.not_after, not_after);
            assert_eq!(certificate.public_key, key.subject_public_key_info());
        }
        params.subject_alt_names.clear();
        let der = params.self_signed(&key).unwrap();
        assert!(read(der.der()).unwrap().names.is_empty());
    }

    #[test]
    fn what_is_odd_in_a_certificate_is_passed_over() {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["example.org".to_owned()]).unwrap();
        // An identifier beyond 64 bits, as those made of UUIDs are.
        let big = rcgen::CustomExtension::from_oid_content(&[2, 25, u64::MAX], vec![5, 0]);
        params.custom_extensions.push(big);
        let mut der = params.self_signed(&key).unwrap().der().to_vec();
        assert_eq!(read(&der).unwrap().names, ["example.org"]);
        // The last one is that of the extension, after the subject's and the issuer's.
        let at = der
            .windows(11)
            .rposition(|part| part == b"example.org")
            .unwrap();
        der[at] = 0xff;
        assert!(read(&der).unwrap().names.is_empty());
    }

    #[test]
    fn what_signs_itself_passes_the_strictest_of_openssl() {
        let random = ring::rand::SystemRandom::new();
        let algorithm = &ring::signature::ECDSA_P256_SHA256_ASN1_SIGNING;
        let key = ring::signature::EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::Pkcs8(key.as_ref().to_vec().into());
        let key = crate::tls::provider::load_key(&key).unwrap();
        let begin = OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap();
        let file = std::env::temp_dir().join(format!("waproxy-{}-x509.pem", std::process::id()));
        for serial in [[0xff; 16], [0x80; 16], [0x7f; 16], [0; 16].map(|_: u8| 1)] {
            for seconds in [2_524_607_999, 2_524_608_000] {
                let end = OffsetDateTime::from_unix_timestamp(seconds).unwrap();
                let der = self_signed("example.org", serial, begin..end, &*key).unwrap();
                let read = read(&der).unwrap();
                assert_eq!(
                    (read.names, read.not_after),
                    (vec!["example.org".to_owned()], end)
                );
                std::fs::write(&file, pem::encode(&pem::Pem::new("CERTIFICATE", der))).unwrap();
                let mut openssl = std::process::Command::new("openssl");
                openssl.args(["verify", "-x509_strict", "-check_ss_sig", "-CAfile"]);
                assert!(openssl.arg(&file).arg(&file).status().unwrap().success());
            }
        }
        std::fs::remove_file(&file).unwrap();
    }

    #[test]
    fn a_certificate_that_is_cut_or_goes_on_is_refused() {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["example.org".to_owned()]).unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        for end in 0..der.len() {
            assert!(read(&der[..end]).is_err(), "{end}");
        }
        assert!(read(&[der, vec![0]].concat()).is_err());
    }
}
