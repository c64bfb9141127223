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
            let len = bytes.len().saturating_sub(line.0.len());
            Ok(Parsed::Complete { header, len })
        }
        Err(Stop::End) if bytes.len() < MAX_LEN => Ok(Parsed::Incomplete),
        Err(Stop::End) => Err(Error::TooLong),
        Err(Stop::Wrong(error)) => Err(error),
    }
}

/// `addresses` are of one family.
#[expect(clippy::expect_used, reason = "writing into an array does not fail")]
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

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::super::tests::proxied;
    use super::*;

    fn complete(line: &str, header: Header) {
        let len = line.len();
        assert_eq!(
            parse(line.as_bytes()),
            Ok(Parsed::Complete { header, len }),
            "{line:?}"
        );
    }

    #[test]
    fn the_specification_s_lines_are_read() {
        complete(
            "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n",
            Header::Proxied(proxied("192.168.0.1:56324", "192.168.0.11:443")),
        );
        complete(
            "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
            Header::Proxied(proxied("255.255.255.255:65535", "255.255.255.255:65535")),
        );
        let all = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        let same = format!("[{all}]:65535");
        complete(
            &format!("PROXY TCP6 {all} {all} 65535 65535\r\n"),
            Header::Proxied(proxied(&same, &same)),
        );
        complete("PROXY UNKNOWN\r\n", Header::Unspecified);
        complete(
            &format!("PROXY UNKNOWN {all} {all} 65535 65535\r\n"),
            Header::Unspecified,
        );
    }

    #[test]
    fn ipv6_is_read_in_all_its_forms() {
        for (text, address) in [
            ("::", "::"),
            ("2001:DB8::A", "2001:db8::a"),
            ("2001:0db8:0:0:0:0:0:000a", "2001:db8::a"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
        ] {
            let ip: IpAddr = address.parse().unwrap();
            let address = SocketAddr::new(ip, 0);
            let addresses = Addresses {
                source: address,
                destination: address,
            };
            complete(
                &format!("PROXY TCP6 {text} {text} 0 0\r\n"),
                Header::Proxied(addresses),
            );
        }
    }

    #[test]
    fn every_departure_from_the_syntax_is_refused_where_it_stands() {
        for (line, error) in [
            ("p", Error::Missing),
            ("PROXY  ", Error::Protocol),
            ("PROXY\r", Error::Missing),
            ("PROXY t", Error::Protocol),
            ("PROXY TCP5", Error::Protocol),
            ("PROXY UD", Error::Protocol),
            ("PROXY TCP4\r", Error::Protocol),
            ("PROXY UNKNOWNS", Error::Protocol),
            ("PROXY UNKNOWN\n", Error::Protocol),
            ("PROXY UNKNOWN \n", Error::LineEnd),
            ("PROXY UNKNOWN \rx", Error::LineEnd),
            ("PROXY TCP4  ", Error::Address),
            ("PROXY TCP4 \r", Error::Address),
            ("PROXY TCP4 :", Error::Address),
            ("PROXY TCP4 256", Error::Address),
            ("PROXY TCP4 1.2.3.4.", Error::Address),
            ("PROXY TCP4 1.2.3 ", Error::Address),
            ("PROXY TCP4 01", Error::Address),
            ("PROXY TCP4 1..", Error::Address),
            ("PROXY TCP4 -", Error::Address),
            ("PROXY TCP4 \u{661}", Error::Address),
            ("PROXY TCP4 1.2.3.4 :", Error::Address),
            ("PROXY TCP6 1.", Error::Address),
            ("PROXY TCP6 [", Error::Address),
            ("PROXY TCP6 12345", Error::Address),
            ("PROXY TCP6 1::2::", Error::Address),
            ("PROXY TCP6 fe80::1%", Error::Address),
            ("PROXY TCP6 1:2:3:4:5:6:7:8:", Error::Address),
            ("PROXY TCP4 1.2.3.4 1.2.3.4  ", Error::Port),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 +", Error::Port),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 08", Error::Port),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 00", Error::Port),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 65536", Error::Port),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 8a", Error::Port),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 80 80 ", Error::Port),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 80 80\n", Error::Port),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 80 80\r\r", Error::LineEnd),
        ] {
            assert_eq!(parse(line.as_bytes()), Err(error), "{line:?}");
            let mut end = line.len();
            while end > 0 {
                end = line.floor_char_boundary(end - 1);
                assert_eq!(
                    parse(&line.as_bytes()[..end]),
                    Ok(Parsed::Incomplete),
                    "{end} of {line:?}"
                );
            }
        }
    }

    #[test]
    fn a_line_may_have_536_bytes_and_not_one_more() {
        let line = |len: usize| format!("PROXY UNKNOWN {:x<1$}\r\n", "", len - 16);
        complete(&line(536), Header::Unspecified);
        assert_eq!(parse(line(537).as_bytes()), Err(Error::TooLong));
        assert_eq!(parse(&line(537).as_bytes()[..535]), Ok(Parsed::Incomplete));
        assert_eq!(parse(&line(537).as_bytes()[..536]), Err(Error::TooLong));
    }

    proptest! {
        #[test]
        fn no_beginning_of_an_address_is_refused(v4: Ipv4Addr, v6: Ipv6Addr, shift in 0..128u32) {
            let zeroes = Ipv6Addr::from_bits(v6.to_bits() >> shift);
            let [a, b, c, d, e, f, ..] = v6.segments();
            let texts = [
                v6.to_string(),
                zeroes.to_string(),
                format!("{a:x}:{b:x}:{c:04x}:{d:x}:{e:x}:{f:X}:{v4}"),
                format!("{a:x}:{b:x}:{c:x}:{d:x}::{v4}"),
                format!("::{a:x}:{v4}"),
                format!("{a:x}:{b:x}:{c:x}:{d:x}:{e:x}:{f:x}:{a:x}::"),
                format!("::{a:x}:{b:x}:{c:x}:{d:x}:{e:x}:{f:x}:{a:x}"),
            ];
            for line in texts.map(|text| format!("PROXY TCP6 {text} ")) {
                for end in 0..=line.len() {
                    prop_assert_eq!(parse(&line.as_bytes()[..end]), Ok(Parsed::Incomplete));
                }
            }
            let line = format!("PROXY TCP4 {v4} {v4} ");
            for end in 0..=line.len() {
                prop_assert_eq!(parse(&line.as_bytes()[..end]), Ok(Parsed::Incomplete));
            }
        }
    }
}
