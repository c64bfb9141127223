//! The certificate that TLS listeners show, with its private key: the operator's, loaded from his
//! files, or our own, made on first start and kept in the state folder.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::pem::{EncodeConfig, LineEnding, Pem, encode_config};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use time::{Duration, OffsetDateTime};

use super::kept::{FILE, Kept};
use super::provider::load_key;
use super::x509;

/// How long our own certificate is valid, as the reference's is.
const VALIDITY: Duration = Duration::days(3_650);

/// 2026-01-01. A router without a set clock believes in 1970, or in the day its firmware was
/// built; a certificate made then must be valid all the same once the clock is right.
const EARLIEST: i64 = 1_767_225_600;

/// 2100-01-01. A clock beyond is broken.
const LATEST: i64 = 4_102_444_800;

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file holds no certificate.
    #[error("{path}: no PEM certificate in it", path = .0.display())]
    NoCertificate(PathBuf),
    /// A file cannot be read, or is not PEM.
    #[error("{path}: {source}", path = .path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// A private key of no kind that can be used.
    #[error(
        "{path}: not a private key of RSA with 2048 to 4096 bits, nor of ECDSA with P-256 or P-384",
        path = .0.display()
    )]
    Key(PathBuf),
    /// The key is not that of the certificate.
    #[error("{key} is not the key of {cert}", key = .key.display(), cert = .cert.display())]
    Pair {
        /// The file of the certificate.
        cert: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// A certificate that cannot be understood.
    #[error("{path}: cannot be understood as an X.509 certificate of version 3", path = .0.display())]
    Malformed(PathBuf),
    /// Our own pair cannot be made.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rustls::Error),
    /// There are no random numbers.
    #[error("cannot make a certificate: no random numbers")]
    Random,
}

/// A certificate chain with its private key.
#[derive(Clone, Debug)]
pub struct Identity {
    key: Arc<CertifiedKey>,
    names: Vec<String>,
    not_after: OffsetDateTime,
    kept: Kept,
}

// === impl Identity ===

impl Identity {
    /// Loads the operator's pair: `cert` is the chain, leaf first; both are PEM.
    pub fn load(cert: &Path, key: &Path) -> Result<Self, Error> {
        let pem = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Pem { path, source }
        };
        let chain = CertificateDer::pem_file_iter(cert)
            .map_err(pem(cert))?
            .collect::<Result<Vec<_>, _>>()
            .map_err(pem(cert))?;
        // Before the key is looked for: with the wrong files this is what helps.
        let leaf = leaf(&chain, cert)?;
        let private = PrivateKeyDer::from_pem_file(key).map_err(|error| match error {
            pem::Error::NoItemsFound => Error::Key(key.to_owned()),
            error => pem(key)(error),
        })?;
        Self::new(chain, leaf, &private, cert, key)
    }

    /// Our own pair from `state_dir`; a new one, as [`Identity::make`] has it, where there is
    /// none that can be used.
    pub fn own(state_dir: &Path) -> Result<Self, Error> {
        let file = state_dir.join(FILE);
        match Self::load(&file, &file) {
            Ok(kept) if kept.not_after > clock() => return Ok(kept),
            Ok(_) => log::info!("the certificate in {} has expired", file.display()),
            Err(Error::Pem {
                source: pem::Error::Io(e),
                ..
            }) if e.kind() == io::ErrorKind::NotFound => {}
            Err(error) => log::warn!("{error}; making a new pair"),
        }
        Self::make(state_dir)
    }

    /// Makes a new pair of our own and keeps it in `state_dir`, in a file that nobody else can
    /// read. Where it cannot be kept it serves all the same; see [`Identity::keep`].
    pub fn make(state_dir: &Path) -> Result<Self, Error> {
        let random = SystemRandom::new();
        // Some time within the last weeks, or all proxies would tell when they were set up.
        let age = i64::from(u32::from_ne_bytes(random_bytes(&random)?) % (60 * 86_400));
        let not_before = clock().saturating_sub(Duration::seconds(age));
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random)
            .map_err(|_| Error::Random)?;
        let key = PrivateKeyDer::Pkcs8(key.as_ref().to_vec().into());
        let certificate = x509::self_signed(
            &plausible_name(&random)?,
            random_bytes(&random)?,
            not_before..not_before.saturating_add(VALIDITY),
            &*load_key(&key).ok_or(Error::Random)?,
        )?;

        let pem = pem("PRIVATE KEY", key.secret_der()) + &pem("CERTIFICATE", &certificate);
        let file = state_dir.join(FILE);
        let chain = vec![certificate.into()];
        let leaf = leaf(&chain, &file)?;
        let mut identity = Self::new(chain, leaf, &key, &file, &file)?;
        identity.kept = Kept::new(state_dir, pem);
        Ok(identity)
    }

    /// Tries once more to keep a pair of our own that could not be kept, if it is time for that.
    pub fn keep(&mut self) {
        self.kept.try_again();
    }

    /// Why a pair of our own is not kept, so that it ends with the process.
    pub fn unkept(&self) -> Option<&str> {
        self.kept.error()
    }

    /// The chain with its key.
    pub(super) fn key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }

    /// The DNS names that the certificate is for.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The last moment of the certificate's validity.
    pub fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }

    /// SHA-256 over the certificate's DER, in lowercase hexadecimal digits.
    pub fn sha256(&self) -> String {
        let leaf = self.key.cert.first().map_or(&[][..], AsRef::as_ref);
        digest(&SHA256, leaf)
            .as_ref()
            .iter()
            .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    }

    /// Whether both show the same certificate.
    pub fn is(&self, other: &Self) -> bool {
        self.key.cert == other.key.cert
    }

    fn new(
        chain: Vec<CertificateDer<'static>>,
        leaf: x509::Certificate,
        private: &PrivateKeyDer<'_>,
        cert: &Path,
        key: &Path,
    ) -> Result<Self, Error> {
        let private = load_key(private).ok_or_else(|| Error::Key(key.to_owned()))?;
        if private
            .public_key()
            .is_none_or(|its| *its != *leaf.public_key)
        {
            return Err(Error::Pair {
                cert: cert.to_owned(),
                key: key.to_owned(),
            });
        }
        Ok(Self {
            key: Arc::new(CertifiedKey::new(chain, private)),
            names: leaf.names,
            not_after: leaf.not_after,
            kept: Kept::default(),
        })
    }
}

/// What the first certificate of a chain says.
fn leaf(chain: &[CertificateDer<'_>], file: &Path) -> Result<x509::Certificate, Error> {
    let leaf = chain.first();
    let leaf = leaf.ok_or_else(|| Error::NoCertificate(file.to_owned()))?;
    x509::read(leaf).map_err(|_| Error::Malformed(file.to_owned()))
}

/// The time, or the nearest that can be true.
fn clock() -> OffsetDateTime {
    plausible(OffsetDateTime::now_utc())
}

fn plausible(now: OffsetDateTime) -> OffsetDateTime {
    let now = now.unix_timestamp();
    let now = if now > LATEST {
        EARLIEST
    } else {
        now.max(EARLIEST)
    };
    OffsetDateTime::from_unix_timestamp(now).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// A name as somebody's small server might have. Never the operator's: it would give him away.
fn plausible_name(random: &SystemRandom) -> Result<String, Error> {
    const CONSONANTS: &str = "bcdfghjklmnprstv";
    const VOWELS: &str = "aeio";
    const ENDINGS: [&str; 4] = [".net", ".com", ".org", ".net"];
    let [ending, more, syllables @ ..]: [u8; 12] = random_bytes(random)?;
    let mut name = String::new();
    let count = usize::from(more % 3).saturating_add(3);
    for pair in syllables.chunks_exact(2).take(count) {
        for (letters, byte) in [CONSONANTS, VOWELS].iter().zip(pair) {
            name.extend(letters.chars().cycle().nth((*byte).into()));
        }
    }
    name.extend(ENDINGS.into_iter().cycle().nth(ending.into()));
    Ok(name)
}

fn random_bytes<const N: usize>(random: &SystemRandom) -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    random.fill(&mut bytes).map_err(|_| Error::Random)?;
    Ok(bytes)
}

/// `der` as text (RFC 7468).
fn pem(label: &str, der: &[u8]) -> String {
    encode_config(
        &Pem::new(label, der),
        EncodeConfig::new().set_line_ending(LineEnding::LF),
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::tls::acceptor::acceptor;

    #[test]
    fn own_pair_is_made_once_and_kept_private() {
        let dir = folder("kept");
        let made = Identity::own(&dir).expect("made");
        let kept = Identity::own(&dir).expect("kept");
        assert!(made.is(&kept));
        assert_eq!(made.names(), kept.names());
        let metadata = fs::metadata(dir.join(FILE)).expect("file");
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn new_pair_replaces_the_kept_one() {
        let dir = folder("new");
        let first = Identity::own(&dir).expect("made");
        let second = Identity::make(&dir).expect("made");
        assert!(!first.is(&second));
        assert!(second.is(&Identity::own(&dir).expect("kept")));
    }

    #[test]
    fn broken_file_is_replaced() {
        let dir = folder("broken");
        Identity::own(&dir).expect("made");
        fs::write(dir.join(FILE), "-----BEGIN CERTIFICATE-----\nnonsense").expect("written");
        let mended = Identity::own(&dir).expect("made");
        assert!(mended.is(&Identity::own(&dir).expect("kept")));
    }

    #[test]
    fn folder_that_cannot_be_written_does_not_stop_us() {
        assert!(Identity::own(Path::new("/proc/nowhere")).is_ok());
    }

    #[test]
    fn planted_link_is_not_followed() {
        let dir = folder("link");
        let victim = dir.join("victim");
        fs::write(&victim, "precious").expect("written");
        for name in [FILE.to_owned(), format!("{FILE}.new")] {
            std::os::unix::fs::symlink(&victim, dir.join(name)).expect("linked");
        }
        Identity::make(&dir).expect("made");
        assert_eq!(fs::read(&victim).expect("read"), b"precious");
    }

    #[test]
    fn validity_begins_before_now_and_lasts_for_years() {
        let identity = Identity::make(&folder("validity")).expect("made");
        let left = identity.not_after() - clock();
        assert!(left > Duration::days(3_500), "{left}");
        assert!(left <= VALIDITY, "{left}");
    }

    #[test]
    fn clock_that_cannot_be_right_is_not_believed() {
        let at = |seconds| OffsetDateTime::UNIX_EPOCH + Duration::seconds(seconds);
        for (now, believed) in [
            (0, EARLIEST),
            (EARLIEST - 1, EARLIEST),
            (EARLIEST + 1, EARLIEST + 1),
            (LATEST, LATEST),
            (LATEST + 1, EARLIEST),
        ] {
            assert_eq!(plausible(at(now)), at(believed));
        }
    }

    /// A panic shows what it stumbled over.
    #[test]
    fn nothing_that_has_the_key_shows_it() {
        let dir = folder("shown");
        let identity = Identity::make(&dir).expect("made");
        let config = acceptor(&identity).expect("an acceptor");
        let key = PrivateKeyDer::from_pem_file(dir.join(FILE)).expect("kept");
        // The secret number (RFC 5915) within its PKCS #8 wrapping.
        let secret = key.secret_der().get(36..52).expect("a key of P-256");
        let hex = secret.iter().map(|byte| format!("{byte:02x}"));
        let secrets = [
            hex.collect::<String>(),
            format!("{secret:?}").trim_matches(['[', ']']).to_owned(),
            format!("{secret:x?}").trim_matches(['[', ']']).to_owned(),
        ];
        let shown = format!("{identity:?} {config:?} {key:?}").to_lowercase();
        assert!(shown.len() > 1000, "{shown}");
        for secret in secrets {
            assert!(!shown.contains(&secret), "{secret} in {shown}");
        }
    }

    #[test]
    fn key_of_another_certificate_is_refused() {
        let (one, two) = (folder("one"), folder("two"));
        Identity::own(&one).expect("made");
        Identity::own(&two).expect("made");
        let error = Identity::load(&one.join(FILE), &two.join(FILE)).expect_err("no pair");
        assert!(matches!(error, Error::Pair { .. }), "{error}");
    }

    fn folder(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("waproxy-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).expect("a temporary folder");
        dir
    }
}
