use proptest::prelude::*;

use super::*;

/// A server's hello with fields of these lengths, framed.
fn answer_of(ephemeral: usize, sealed: usize, payload: usize) -> Vec<u8> {
    let fields = [
        (EPHEMERAL, vec![1; ephemeral]),
        (STATIC, vec![2; sealed]),
        (PAYLOAD, vec![3; payload]),
    ];
    let hello = fields
        .map(|(number, bytes)| written(number, &bytes))
        .concat();
    framed(&written(SERVER_HELLO, &hello))
}

fn written(number: u8, bytes: &[u8]) -> Vec<u8> {
    // A length of two bytes, however short.
    let (low, high) = (bytes.len() % 128, bytes.len() / 128);
    let length = [low | 0x80, high].map(|byte| u8::try_from(byte).unwrap());
    [&[number << 3 | BYTES], &length[..], bytes].concat()
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&length[1..], message].concat()
}

const HELLO: Answer<'_> = Answer::Hello {
    ephemeral: &[1; KEY],
    sealed: &[2; KEY + TAG],
};

#[test]
fn the_greeting_is_a_header_and_a_framed_key() {
    let key = [7; KEY];
    let bytes = greeting(&key);
    assert_eq!(bytes[..11], *b"WA\x06\x03\0\0\x24\x12\x22\x0a\x20");
    assert_eq!(bytes[11..], key);
}

#[test]
fn an_answer_is_known_by_its_last_byte_and_not_before() {
    let bytes = answer_of(KEY, KEY + TAG, 300);
    for end in 0..bytes.len() {
        assert_eq!(answer(&bytes[..end]), None, "{end}");
    }
    assert_eq!(answer(&bytes), Some(HELLO));
    assert_eq!(answer(&[&bytes[..], b"more"].concat()), Some(HELLO));
}

#[test]
fn fields_that_nobody_knows_are_skipped_and_the_last_one_counts() {
    let message = &answer_of(KEY, KEY + TAG, 300)[3..];
    let strange = [
        &[
            9 << 3 | VARINT,
            0xff,
            0xff,
            0xff,
            0xff,
            0xff,
            0xff,
            0xff,
            0xff,
            0xff,
            1,
        ][..],
        &[9 << 3 | FIXED_64, 0, 0, 0, 0, 0, 0, 0, 0],
        &[9 << 3 | FIXED_32, 0, 0, 0, 0],
        &[9 << 3 | BYTES, 2, 0xff, 0xff],
        &[0xfa, 0xff, 0xff, 0xff, 0x0f, 1, 0],
    ]
    .concat();
    let first = written(SERVER_HELLO, b"another");
    let message = [&strange, &first, message, &strange].concat();
    assert_eq!(answer(&framed(&message)), Some(HELLO));
}

#[test]
fn what_whatsapp_would_not_say_is_known_at_once() {
    let echo = greeting(&[7; KEY]);
    for bytes in [
        &echo[..],
        &echo[HEADER.len()..],
        b"HTTP/1.1 400 Bad Request\r\n",
        b"SSH-2.0-dropbear\r\n",
        b"\x15\x03\x01\0\x02\x02\x46",
        b"220 mail.example ESMTP\r\n",
        &[0, 0, 0],
        &answer_of(KEY - 1, KEY + TAG, 300),
        &answer_of(KEY, KEY + TAG + 1, 300),
        &answer_of(KEY, KEY + TAG, TAG - 1),
        // A number of eleven bytes, a kind of field that is no more, a field that goes on too long.
        &framed(&[0xff; 11]),
        &framed(&[SERVER_HELLO << 3 | 3]),
        &framed(&[SERVER_HELLO << 3 | BYTES, 2, 0]),
    ] {
        assert_eq!(answer(bytes), Some(Answer::Other), "{bytes:x?}");
    }
}

proptest! {
    #[test]
    fn nothing_that_comes_is_too_much(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = answer(&bytes);
        let _ = answer(&framed(&written(SERVER_HELLO, &bytes)));
        let _ = answer(&framed(&bytes));
    }
}
