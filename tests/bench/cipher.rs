//! The cipher of TLS alone, through ring as rustls uses it: records sealed and opened, without
//! kernel, relay or peer. No relay that uses it takes less.

use std::io;
use std::time::{Duration, Instant};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::error::Unspecified;

/// What a MB takes, in the largest records that there are.
pub fn megabyte() -> io::Result<Duration> {
    Ok(record(16_384)?.mul_f64(1e6 / 16_384.0))
}

/// What 64 bytes there and back take: one record opened, one sealed.
pub fn round_trip() -> io::Result<Duration> {
    Ok(record(64)? * 2)
}

/// What a record takes, of many sealed and opened in turn. Nothing else runs meanwhile, so the
/// clock on the wall will do.
fn record(payload: usize) -> io::Result<Duration> {
    let start = Instant::now();
    turns(payload).map_err(|Unspecified| io::Error::other("the cipher refuses"))?;
    Ok(start.elapsed() / (2 * TURNS))
}

const TURNS: u32 = 100;

fn turns(payload: usize) -> Result<(), Unspecified> {
    let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &[7; 32])?);
    let nonce = || Nonce::assume_unique_for_key([7; NONCE_LEN]);
    // The header of a record.
    let aad = || Aad::from([7; 5]);
    // TLS 1.3 appends the type of what is within.
    let length = payload + 1;
    let mut record = vec![7; length];
    for _ in 0..TURNS {
        key.seal_in_place_append_tag(nonce(), aad(), &mut record)?;
        key.open_in_place(nonce(), aad(), &mut record)?;
        record.truncate(length);
    }
    Ok(())
}
