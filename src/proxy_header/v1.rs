//! Version 1: one line of text.

use std::fmt::{self, Write};
use std::net::{IpAddr, SocketAddr};

use super::{Addresses, Encoded, Error, Header, Parsed};

/// A line that fits in the smallest segment that every host takes; the specification asks for 107.
const MAX_LEN: usize = 536;

/// What, put behind the beginning of an address or port, makes a whole one of it if anything does:
/// the rest of a dotted quad, or of an IPv6 address that breaks off within a group or at a colon.
const ENDINGS: [&str; 10] = [
    "", "0", ":", "::", ".0", "0.0", ".0.0", "0.0.0", ".0.0.0", "0.0.0.0",
];

pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, Error> {
    let bytes = bytes.get(..MAX_LEN).unwrap_or(bytes);
    let mut line = Line(bytes);
    match line.header() {
        Ok(header) => {
            let len = bytes.len() - line.0.len();
            Ok(Parsed::Complete { header, len })
        }
        Err(Stop::End) if bytes.len() < MAX_LEN => Ok(Parsed::Incomplete),
        Err(Stop::End) => Err(Error::TooLong),
        Err(Stop::Wrong(error)) => Err(error),
    }
}

/// `addresses` are of one family.
pub(super) fn encode(addresses: &Addresses) -> Encoded {
    let Addresses {
        source,
        destination,
    } = addresses;
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let mut line = Encoded::new();
    write!(
        line,
        "PROXY {family} {} {} {} {}\r\n",
        source.ip(),
        destination.ip(),
        source.port(),
        destination.port(),
    )
    .expect("writing into an array does not fail");
    line
}

/// What is left of a line.
struct Line<'a>(&'a [u8]);

/// Why reading a line stopped before its end.
enum Stop {
    /// No more bytes, and none of them wrong.
    End,
    /// No header can go on like this.
    Wrong(Error),
}

impl Line<'_> {
    fn header(&mut self) -> Result<Header, Stop> {
        self.word(&[b"PROXY "], Error::Missing)?;
        let family = self.word(&[b"TCP4 ", b"TCP6 ", b"UNKNOWN"], Error::Protocol)?;
        if family == b"UNKNOWN" {
            self.ignored()?;
            return Ok(Header::Unspecified);
        }

        let address = |text: &str| {
            let address = text.parse::<IpAddr>().ok()?;
            (address.is_ipv4() == (family == b"TCP4 ")).then_some(address)
        };
        let source = self.field(b' ', address, Error::Address)?;
        let destination = self.field(b' ', address, Error::Address)?;
        let source_port = self.field(b' ', port, Error::Port)?;
        let destination_port = self.field(b'\r', port, Error::Port)?;
        self.word(&[b"\n"], Error::LineEnd)?;

        let addresses = Addresses {
            source: SocketAddr::new(source, source_port),
            destination: SocketAddr::new(destination, destination_port),
        };
        Ok(Header::Proxied(addresses.canonical()))
    }

    /// Takes one of `words`.
    fn word(&mut self, words: &[&'static [u8]], wrong: Error) -> Result<&'static [u8], Stop> {
        for word in words {
            if let Some(rest) = self.0.strip_prefix(*word) {
                self.0 = rest;
                return Ok(word);
            }
        }
        if words.iter().any(|word| word.starts_with(self.0)) {
            return Err(Stop::End);
        }
        Err(Stop::Wrong(wrong))
    }

    /// Takes a field and the byte that ends it.
    fn field<T>(
        &mut self,
        end: u8,
        read: impl Fn(&str) -> Option<T>,
        wrong: Error,
    ) -> Result<T, Stop> {
        let mut parts = self.0.splitn(2, |byte| *byte == end);
        let text = parts.next().unwrap_or_default();
        let text = str::from_utf8(text).map_err(|_| Stop::Wrong(wrong))?;
        if let Some(rest) = parts.next() {
            self.0 = rest;
            return read(text).ok_or(Stop::Wrong(wrong));
        }

        let may_go_on = ENDINGS
            .iter()
            .any(|ending| read(&format!("{text}{ending}")).is_some());
        Err(if may_go_on {
            Stop::End
        } else {
            Stop::Wrong(wrong)
        })
    }

    /// Takes what may stand behind UNKNOWN, and the end of the line.
    fn ignored(&mut self) -> Result<(), Stop> {
        if !matches!(self.0.first(), None | Some(b' ' | b'\r')) {
            return Err(Stop::Wrong(Error::Protocol));
        }
        let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let end = self.0.iter().position(is_end).ok_or(Stop::End)?;
        self.0 = self.0.get(end..).unwrap_or_default();
        self.word(&[b"\r\n"], Error::LineEnd).map(|_| ())
    }
}

impl Write for Encoded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

/// Only the one way to write a number: neither `+80` nor `080`.
fn port(text: &str) -> Option<u16> {
    let port: u16 = text.parse().ok()?;
    (port.to_string() == text).then_some(port)
}
