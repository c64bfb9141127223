use std::sync::Arc;

use proptest::prelude::*;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::*;

#[test]
fn the_name_of_a_real_hello_is_found_however_it_is_cut() {
    let hello = real_hello("mmg.WhatsApp.net");
    let named = Some(Hello::Client(Some("mmg.whatsapp.net".to_owned())));
    for records in [
        hello.clone(),
        in_records_of(&hello, 1),
        in_records_of(&hello, 100),
    ] {
        for length in 0..records.len() {
            assert_eq!(super::hello(&records[..length]), None, "{length} bytes");
        }
        assert_eq!(super::hello(&records), named);
        let more = [&records[..], b"and more"].concat();
        assert_eq!(super::hello(&more), named);
    }
}

#[test]
fn a_hello_without_a_name_has_none() {
    let hello = real_hello("192.0.2.1");
    assert_eq!(super::hello(&hello), Some(Hello::Client(None)));
}

#[test]
fn what_is_no_hello_is_told_by_the_first_byte_that_none_has() {
    for bytes in [
        &b"W"[..],
        b"\xed",
        b"GET / HTTP/1.1",
        b"\x16\x02",
        b"\x16\x03\x01\x00\x10\x02",
        b"\x15\x03\x03\x00\x02",
    ] {
        assert_eq!(super::hello(bytes), Some(Hello::Other), "{bytes:?}");
    }
}

#[test]
fn nobody_is_waited_for_without_end() {
    let long = b"\x16\x03\x01\x40\x00\x01\x00\xff\xff";
    assert_eq!(super::hello(long), Some(Hello::Client(None)));
    let slow = [
        &b"\x16\x03\x01\x00\x00\x01\x00\x3f\x00"[..],
        &vec![0; 16_128],
    ]
    .concat();
    let slow = in_records_of(&slow, 1);
    assert_eq!(super::hello(&slow[..MOST - 1]), None);
    assert_eq!(super::hello(&slow[..MOST]), Some(Hello::Client(None)));
    let broken = in_records_of(&real_hello("a.example"), 100);
    let broken = [&broken[..105], b"\x17\x03\x03\x00\x01", &[0; 600]].concat();
    assert_eq!(super::hello(&broken), Some(Hello::Client(None)));
}

#[test]
fn chat_begins_with_its_greeting_or_the_way_to_a_server() {
    for chat in [&b"WA\x06\x03"[..], b"WA", b"\xed\x00\x01\x00\x00\x04"] {
        assert_eq!(is_chat(chat), Some(true), "{chat:?}");
    }
    for beginning in [&b""[..], b"W", b"\xed", b"\xed\x00"] {
        assert_eq!(is_chat(beginning), None, "{beginning:?}");
    }
    for other in [
        &b"w"[..],
        b"GET / HTTP/1.1",
        b"WB",
        b"\x16\x03\x01",
        b"\xed\x00\x02",
    ] {
        assert_eq!(is_chat(other), Some(false), "{other:?}");
    }
}

#[test]
fn a_domain_with_a_dot_has_all_that_is_under_it() {
    let domains = [".whatsapp.net".to_owned(), "cdn.example".to_owned()];
    for name in [
        "whatsapp.net",
        "mmg.whatsapp.net",
        "a.b.whatsapp.net",
        "cdn.example",
    ] {
        assert!(is_among(name, &domains), "{name}");
    }
    for name in [
        "",
        "net",
        "notwhatsapp.net",
        "whatsapp.net.example",
        "a.cdn.example",
    ] {
        assert!(!is_among(name, &domains), "{name}");
    }
}

proptest! {
    #[test]
    fn a_judgement_stays_whatever_follows(
        tail in prop::collection::vec(any::<u8>(), 0..600),
        cut in 0_usize..300,
    ) {
        let hello = real_hello("a.example");
        let bytes = [&hello[..cut.min(hello.len())], &tail].concat();
        let whole = super::hello(&bytes);
        for length in 0..bytes.len() {
            let judged = super::hello(&bytes[..length]);
            prop_assert!(judged.is_none() || judged == whole, "{} bytes: {:?}", length, judged);
        }
    }
}

/// The first flight of a client that asks for `name`.
fn real_hello(name: &str) -> Vec<u8> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

/// The message of one record in several.
fn in_records_of(hello: &[u8], size: usize) -> Vec<u8> {
    let records = hello[RECORD..].chunks(size).flat_map(|part| {
        let length = u16::try_from(part.len()).unwrap().to_be_bytes();
        [&hello[..3], &length, part].concat()
    });
    records.collect()
}

#[test]
fn a_request_of_http_begins_with_a_method() {
    for (bytes, expected) in [
        (&b""[..], None),
        (b"G", None),
        (b"OPTIONS", None),
        (b"GET ", Some(true)),
        (b"OPTIONS * HTTP/1.1", Some(true)),
        (b"WA\x06\x03", Some(false)),
        (b"\xed\x00\x01", Some(false)),
        (b" GET", Some(false)),
        (b"get / HTTP/1.1", Some(false)),
        (b"SOMETHING", Some(false)),
    ] {
        assert_eq!(is_http(bytes), expected, "{bytes:?}");
    }
}
