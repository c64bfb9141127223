//! `waproxy share`: the link that fills in WhatsApp's proxy form, and the QR code of that link.

use std::io::{self, IsTerminal};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use qrcodegen::{QrCode, QrCodeEcc};

use super::{Error, Options, complain, print};
use crate::address::range;
use crate::control::{self, NO_HOST};

/// Prints the link; with `qr`, the QR code too.
pub fn run(options: &Options, qr: bool) -> Result<(), Error> {
    let control = options.control()?;
    let link = match control::link(&control, None) {
        Err(control::Error::Refused(why)) if why == NO_HOST => {
            control::link(&control, Some(own_host()?))?
        }
        answered => answered?,
    };
    let mut text = format!("{link}\n");
    if qr {
        text.push('\n');
        text += &qr_code(&link, io::stdout().is_terminal())?;
    }
    print(&text)
}

/// The QR code of `link`, two modules a character, with the border of four modules that readers
/// need. With `colours`, black on white whatever the terminal's own colours are; without, the
/// blocks are the dark modules, for dark text on a light page.
pub fn qr_code(link: &str, colours: bool) -> Result<String, Error> {
    let code = QrCode::encode_text(link, QrCodeEcc::Low).map_err(|_| Error::QrCode)?;
    let (before, after) = if colours {
        (BLACK_ON_WHITE, RESET)
    } else {
        ("", "")
    };
    let (first, end) = (-BORDER, code.size().saturating_add(BORDER));
    let mut text = String::new();
    for y in (first..end).step_by(2) {
        text += before;
        text.extend((first..end).map(|x| {
            match (
                code.get_module(x, y),
                code.get_module(x, y.saturating_add(1)),
            ) {
                (false, false) => ' ',
                (false, true) => '▄',
                (true, false) => '▀',
                (true, true) => '█',
            }
        }));
        text += after;
        text.push('\n');
    }
    Ok(text)
}

/// Modules around a QR code.
const BORDER: i32 = 4;

/// Black and white of the 256 colours, which no theme changes, unlike those of the first 16.
const BLACK_ON_WHITE: &str = "\x1b[38;5;16;48;5;231m";

/// The terminal's own colours.
const RESET: &str = "\x1b[0m";

/// The address of this machine, with a warning where the Internet cannot reach it.
fn own_host() -> Result<String, Error> {
    let address = own_address().ok_or(Error::NoHost)?;
    if range(address.into()).is_some() {
        let warning = format!("people outside cannot reach {address}: set option host");
        complain("warning", &warning);
    }
    Ok(address.to_string())
}

/// The IPv4 address that this machine has toward the Internet. Phones take no IPv6 address.
fn own_address() -> Option<Ipv4Addr> {
    // Connecting a datagram socket sends nothing, it only picks the route. The address belonged to
    // the relays of 6to4, which are no more (RFC 7526): no network at home has it, and no VPN or
    // provider has a route of its own to it, as they may to a well-known server.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 88, 99, 1), 443)).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(address) if !address.is_loopback() && !address.is_unspecified() => Some(address),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_change_nothing_but_the_colours() {
        let plain = qr_code("https://example.org", false).unwrap();
        let coloured = qr_code("https://example.org", true).unwrap();
        assert!(!plain.contains('\x1b'));
        let stripped = coloured.replace(BLACK_ON_WHITE, "").replace(RESET, "");
        assert_eq!(stripped, plain);
        let whole = |line: &str| line.starts_with(BLACK_ON_WHITE) && line.ends_with(RESET);
        assert!(coloured.lines().all(whole));
    }
}
