//! What chat begins with: a key in, the bytes of the greeting out; the bytes of an answer in, the
//! keys of a server out. Never reads a socket.

use super::noise::{KEY, TAG};

/// What stands before the first message, and is the prologue of the handshake: `WA`, and the
/// versions of protocol and dictionary that open clients announce (whatsmeow, Baileys, Cobalt).
pub(super) const HEADER: [u8; 4] = *b"WA\x06\x03";

/// The longest answer that is waited for, in bytes. WhatsApp's have some 400.
const MOST: usize = 8 * 1024;

// Fields of WhatsApp's HandshakeMessage, and of the hellos in it.
const CLIENT_HELLO: u8 = 2;
const SERVER_HELLO: u8 = 3;
const EPHEMERAL: u8 = 1;
const STATIC: u8 = 2;
const PAYLOAD: u8 = 3;

// How a field is written (Protocol Buffers, "Encoding").
const VARINT: u8 = 0;
const FIXED_64: u8 = 1;
const BYTES: u8 = 2;
const FIXED_32: u8 = 5;

/// What answers.
#[derive(Debug, Eq, PartialEq)]
pub enum Answer<'a> {
    /// A server's hello.
    Hello {
        /// Its ephemeral key.
        ephemeral: &'a [u8],
        /// Its static key, encrypted.
        sealed: &'a [u8],
    },
    /// Nothing that WhatsApp would say.
    Other,
}

/// The header, and in a frame of three bytes of length a client's hello with its ephemeral key.
pub(super) fn greeting(ephemeral: &[u8; KEY]) -> Vec<u8> {
    // Each field has its key and its length before it.
    const HELLO: u8 = 2 + 32;
    const MESSAGE: u8 = 2 + HELLO;
    let frame = [0, 0, MESSAGE];
    let fields = [CLIENT_HELLO << 3 | BYTES, HELLO, EPHEMERAL << 3 | BYTES, 32];
    [&HEADER[..], &frame, &fields, ephemeral].concat()
}

/// What all that came so far is. `None` where more must come.
pub fn answer(bytes: &[u8]) -> Option<Answer<'_>> {
    let (&[high, middle, low], rest) = bytes.split_first_chunk()?;
    let length = u32::from_be_bytes([0, high, middle, low]);
    let Some(length) = usize::try_from(length)
        .ok()
        .filter(|length| *length <= MOST)
    else {
        return Some(Answer::Other);
    };
    let message = rest.get(..length)?;
    Some(hello(message).unwrap_or(Answer::Other))
}

fn hello(message: &[u8]) -> Option<Answer<'_>> {
    let hello = field(message, SERVER_HELLO)?;
    let ephemeral = field(hello, EPHEMERAL)?;
    let sealed = field(hello, STATIC)?;
    let fits = ephemeral.len() == KEY && sealed.len() == KEY + TAG;
    // What it proves itself with, and not looked at.
    let payload = field(hello, PAYLOAD)?;
    (fits && payload.len() >= TAG).then_some(Answer::Hello { ephemeral, sealed })
}

/// The bytes of the last field of that number, as is the rule for one that is there more than once.
/// None where it is missing, or the message is broken.
fn field(message: &[u8], wanted: u8) -> Option<&[u8]> {
    let mut found = None;
    let mut rest = message;
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        match u8::try_from(key & 7).ok()? {
            VARINT => {
                varint(&mut rest)?;
            }
            FIXED_64 => {
                take(&mut rest, 8)?;
            }
            BYTES => {
                let length = varint(&mut rest)?;
                let bytes = take(&mut rest, usize::try_from(length).ok()?)?;
                if key >> 3 == u32::from(wanted) {
                    found = Some(bytes);
                }
            }
            FIXED_32 => {
                take(&mut rest, 4)?;
            }
            _ => return None,
        }
    }
    found
}

/// A number of up to ten bytes, of which the lowest 32 bits are kept: no key and no length has more.
fn varint(rest: &mut &[u8]) -> Option<u32> {
    let mut number = 0;
    for place in (0..70).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        let bits = u32::from(byte & 0x7f);
        number |= bits.checked_shl(place).unwrap_or_default();
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

#[cfg(test)]
mod tests;
