//! `waproxy share`: the link that fills in WhatsApp's proxy form, and the QR code of that link.

use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use qrcodegen::{QrCode, QrCodeEcc};

use super::{Error, Options, complain, print, status_of_daemon};
use crate::control::Status;

/// Prints the link; with `qr`, the QR code too.
pub fn run(options: &Options, qr: bool) -> Result<(), Error> {
    let status = status_of_daemon(options)?;
    let host = match &status.host {
        Some(host) => host.clone(),
        None => own_host()?,
    };
    let link = link(&status, &host)?;
    let mut text = format!("{link}\n");
    if qr {
        text.push('\n');
        text += &qr_code(&link, io::stdout().is_terminal())?;
    }
    print(&text)
}

/// The link to the proxy on `host`, with the public ports of the first chat listener, TLS before
/// raw, and the first media listener. One that wants a PROXY header is for a load balancer, not for
/// people.
pub fn link(status: &Status, host: &str) -> Result<String, Error> {
    let first = |service: &str, tls: bool| {
        let mut listeners = status.listeners.iter().filter(|one| !one.accept_proxy);
        listeners.find(|one| one.service == service && one.tls == tls)
    };
    let auto = first("auto", true);
    let chat = first("chat", true).or(auto).or(first("chat", false));
    let media = first("media", false).or(auto);
    let chat = chat.ok_or(Error::NoListener("chat"))?;
    let media = media.ok_or(Error::NoListener("media"))?;
    Ok(format!(
        "https://wa.me/proxy?host={}&chatPort={}&mediaPort={}&chatTLS={}",
        encode(host),
        chat.port,
        media.port,
        chat.tls
    ))
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
    let (first, end) = (-BORDER, code.size() + BORDER);
    let mut text = String::new();
    for y in (first..end).step_by(2) {
        text += before;
        text.extend((first..end).map(|x| {
            match (code.get_module(x, y), code.get_module(x, y + 1)) {
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
    if is_inside(address) {
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

/// Whether nobody outside reaches an address: private, link-local, the carrier's translation's or
/// one for documentation.
fn is_inside(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    address.is_private()
        || address.is_link_local()
        || address.is_documentation()
        || (a == 100 && b & 0xc0 == 64)
}

/// `text` as the value of a link's parameter.
fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The link of these listeners: service, public port, TLS, PROXY header.
    fn link_of(listeners: &[(&str, u16, bool, bool)]) -> Result<String, Error> {
        let json = include_str!("../control/status.json");
        let mut status: Status = serde_json::from_str(json).unwrap();
        let example = status.listeners.remove(0);
        let listener = |(service, port, tls, accept_proxy): &(&str, u16, bool, bool)| {
            let mut listener = example.clone();
            listener.service = (*service).into();
            (listener.port, listener.tls, listener.accept_proxy) = (*port, *tls, *accept_proxy);
            listener
        };
        status.listeners = listeners.iter().map(listener).collect();
        link(&status, "h")
    }

    #[test]
    fn the_link_has_the_first_listener_of_each_kind_and_tls_before_raw() {
        let link = link_of(&[
            ("web", 80, false, false),
            ("chat", 5222, false, false),
            ("media", 7777, false, true),
            ("chat", 8443, true, true),
            ("chat", 443, true, false),
            ("chat", 444, true, false),
            ("auto", 445, true, false),
            ("media", 587, false, false),
        ]);
        let expected = "https://wa.me/proxy?host=h&chatPort=443&mediaPort=587&chatTLS=true";
        assert_eq!(link.unwrap(), expected);
        let link = link_of(&[("chat", 5222, false, false), ("media", 7777, false, false)]);
        let expected = "https://wa.me/proxy?host=h&chatPort=5222&mediaPort=7777&chatTLS=false";
        assert_eq!(link.unwrap(), expected);
    }

    #[test]
    fn one_automatic_port_serves_both() {
        let link = link_of(&[("chat", 5222, false, false), ("auto", 443, true, false)]);
        let expected = "https://wa.me/proxy?host=h&chatPort=443&mediaPort=443&chatTLS=true";
        assert_eq!(link.unwrap(), expected);
    }

    #[test]
    fn what_is_missing_is_named() {
        let no_chat = link_of(&[("media", 587, false, false), ("chat", 443, true, true)]);
        assert!(matches!(no_chat, Err(Error::NoListener("chat"))));
        let no_media = link_of(&[("chat", 443, true, false)]);
        assert!(matches!(no_media, Err(Error::NoListener("media"))));
    }

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

    #[test]
    fn a_host_cannot_add_parameters() {
        assert_eq!(encode("a-b.example"), "a-b.example");
        assert_eq!(encode("a&b=ä/"), "a%26b%3D%C3%A4%2F");
    }

    #[test]
    fn addresses_that_nobody_outside_reaches_are_known() {
        for inside in [
            "10.0.0.1",
            "192.168.1.1",
            "172.31.0.1",
            "100.64.0.1",
            "100.127.9.9",
            "169.254.1.1",
            "192.0.2.2",
        ] {
            assert!(is_inside(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["100.63.0.1", "100.128.0.1", "172.32.0.1", "1.2.3.4"] {
            assert!(!is_inside(outside.parse().unwrap()), "{outside}");
        }
    }
}
