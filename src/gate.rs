//! What the first bytes of a connection say that it is: all that came so far in, a judgement or the
//! wish for more out. Never reads a socket, and looks no further than it must.

/// The most of a ClientHello that is waited for, in bytes. Browsers' have some 2,000.
const MOST: usize = 16_384;

/// What the headers of a TLS record and of a handshake message have, in bytes (RFC 8446, 5.1 and 4).
const RECORD: usize = 5;
const MESSAGE: usize = 4;

/// What stands in a place of a TLS message (RFC 8446, 4 and 5.1; RFC 6066, 3).
const HANDSHAKE: u8 = 22;
const MAJOR: u8 = 3;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;

/// What a client says first to who speaks TLS.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Hello {
    /// A ClientHello, and the name that it asks for, in small letters.
    Client(Option<String>),
    /// Something else.
    Other,
}

/// Whether these bytes begin chat: WhatsApp's greeting, or what leads to a server and then that
/// greeting. `None` where more must come.
pub fn is_chat(bytes: &[u8]) -> Option<bool> {
    const BEGINNINGS: [&[u8]; 2] = [b"WA", b"\xed\x00\x01"];
    if BEGINNINGS.iter().any(|chat| bytes.starts_with(chat)) {
        return Some(true);
    }
    let may_become = BEGINNINGS.iter().any(|chat| chat.starts_with(bytes));
    (!may_become).then_some(false)
}

/// Finds the server's name in the ClientHello that a connection begins with. `None` where more must
/// come. One that is broken or very long has no name: that is for TLS to say.
pub fn hello(bytes: &[u8]) -> Option<Hello> {
    // However the bytes came, the judgement is the same.
    let bytes = bytes.get(..MOST).unwrap_or(bytes);
    if !is_tls(bytes)? {
        return Some(Hello::Other);
    }
    // What is too long is not waited for, and what is too short not put together.
    if let &[_, _, _, high, low, ref message @ ..] = bytes
        && usize::from(u16::from_be_bytes([high, low])) >= MESSAGE
        && let Some(length) = length(message)
    {
        let least = length.saturating_add(RECORD + MESSAGE);
        if least > MOST {
            return Some(Hello::Client(None));
        }
        if bytes.len() < least {
            return None;
        }
    }
    // Records may cut the message anywhere.
    let mut message = Vec::new();
    let mut rest = bytes;
    while let Some((header, after)) = rest.split_at_checked(RECORD) {
        let [HANDSHAKE, MAJOR, _, high, low] = *header else {
            break;
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        message.extend_from_slice(after.get(..length).unwrap_or(after));
        if let Some(body) = whole(&message) {
            return Some(Hello::Client(server_name(body)));
        }
        match after.get(length..) {
            Some(next) => rest = next,
            None => return more(bytes),
        }
    }
    if rest.len() < RECORD {
        return more(bytes);
    }
    Some(Hello::Client(None))
}

/// Whether these bytes begin a request of HTTP: a method in capitals, which a blank follows (RFC 9112,
/// 3). `None` where more must come.
pub fn is_http(bytes: &[u8]) -> Option<bool> {
    // CONNECT and OPTIONS.
    const LONGEST: usize = 7;
    let method = bytes.iter().take_while(|b| b.is_ascii_uppercase()).count();
    match bytes.get(method) {
        Some(b' ') => Some((1..=LONGEST).contains(&method)),
        Some(_) => Some(false),
        None => (method > LONGEST).then_some(false),
    }
}

/// Whether these bytes begin TLS, as far as they go; `None` where there are none.
pub fn is_tls(bytes: &[u8]) -> Option<bool> {
    let &first = bytes.first()?;
    let second = bytes.get(1).copied().unwrap_or(MAJOR);
    let sixth = bytes.get(RECORD).copied().unwrap_or(CLIENT_HELLO);
    Some((first, second, sixth) == (HANDSHAKE, MAJOR, CLIENT_HELLO))
}

/// Whether `name` is one of `domains`, or, where that begins with a dot, is of it or under it.
pub fn is_among(name: &str, domains: &[String]) -> bool {
    domains.iter().any(|domain| match domain.strip_prefix('.') {
        Some(parent) => name == parent || name.ends_with(domain.as_str()),
        None => name == domain,
    })
}

fn more(bytes: &[u8]) -> Option<Hello> {
    (bytes.len() >= MOST).then_some(Hello::Client(None))
}

/// The body of a handshake message, where all of it has come.
fn whole(message: &[u8]) -> Option<&[u8]> {
    message.get(MESSAGE..)?.get(..length(message)?)
}

/// What follows the header of a handshake message, in bytes.
fn length(message: &[u8]) -> Option<usize> {
    let &[_, high, middle, low] = message.first_chunk()?;
    usize::try_from(u32::from_be_bytes([0, high, middle, low])).ok()
}

/// The name in the body of a ClientHello, where that is in order.
fn server_name(body: &[u8]) -> Option<String> {
    const VERSION_AND_RANDOM: usize = 2 + 32;
    let mut body = Reader(body.get(VERSION_AND_RANDOM..)?);
    let _session_id = body.short_vector()?;
    let _cipher_suites = body.vector()?;
    let _compression_methods = body.short_vector()?;
    let mut extensions = Reader(body.vector()?);
    while let Some(kind) = extensions.number() {
        let data = extensions.vector()?;
        if kind == SERVER_NAME {
            let mut names = Reader(Reader(data).vector()?);
            return match names.byte()? {
                HOST_NAME => {
                    let name = std::str::from_utf8(names.vector()?).ok()?;
                    Some(name.to_ascii_lowercase())
                }
                _ => None,
            };
        }
    }
    None
}

/// What is left of a message to be read (RFC 8446, 3).
struct Reader<'a>(&'a [u8]);

// === impl Reader ===

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    fn number(&mut self) -> Option<u16> {
        let (&bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_be_bytes(bytes))
    }

    /// A vector whose length takes one byte.
    fn short_vector(&mut self) -> Option<&'a [u8]> {
        let length = self.byte()?;
        self.take(length.into())
    }

    /// A vector whose length takes two.
    fn vector(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(length.into())
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests;
