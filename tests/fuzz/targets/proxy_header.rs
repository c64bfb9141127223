//! The beginning of a connection in. A header is known by its last byte and not before; what is
//! wrong is known by its first wrong byte and stays wrong; what is read can be written and read
//! again.

use waproxy::proxy_header::{Header, MAX_LEN, Parsed, Version, encode, parse};

pub fn run(data: &[u8]) {
    let whole = parse(data);
    if let Ok(Parsed::Complete { len, .. }) = whole {
        assert!(
            len <= data.len() && len <= MAX_LEN,
            "takes what is not its own"
        );
    }
    let ends = 0..=data.len().min(MAX_LEN);
    let mut verdicts = ends.map(|end| (end, parse(&data[..end])));
    match verdicts.find(|(_, verdict)| *verdict != Ok(Parsed::Incomplete)) {
        Some((end, verdict)) => {
            assert_eq!(verdict, whole, "changes its mind after {end} bytes");
            if let Ok(Parsed::Complete { len, .. }) = verdict {
                assert_eq!(len, end, "waits for more than the header");
            }
        }
        None => assert_eq!(whole, Ok(Parsed::Incomplete), "decides without a byte"),
    }
    assert!(
        data.len() < MAX_LEN || whole != Ok(Parsed::Incomplete),
        "waits for ever"
    );

    if let Ok(Parsed::Complete {
        header: Header::Proxied(addresses),
        ..
    }) = whole
    {
        for version in [Version::V1, Version::V2] {
            let encoded = encode(version, &addresses);
            let expected = Parsed::Complete {
                header: Header::Proxied(addresses),
                len: encoded.as_ref().len(),
            };
            assert_eq!(parse(encoded.as_ref()), Ok(expected), "{addresses:?}");
        }
    }
}
