//! The link that fills in WhatsApp's proxy form: listeners and a host in, the link out; a link in, what
//! the form holds then out.

use std::fmt::Write as _;
use std::num::NonZeroU16;

use crate::control::{ListenerStatus, Share};

/// No listener of a service that phones can use.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "nothing to share: no listener of service '{0}' runs that phones can use (chat without accept_proxy; media without accept_proxy and tls)"
)]
pub struct NoListener(&'static str);

/// What every link begins with.
const BEGINNING: &str = "https://wa.me/proxy?";

/// What WhatsApp's form for a proxy takes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Form {
    /// A name or an IPv4 address, if the one who filled it in did so well.
    pub host: String,
    /// The port for chat.
    pub chat_port: NonZeroU16,
    /// Whether chat goes through TLS.
    pub chat_tls: bool,
    /// The port for media.
    pub media_port: NonZeroU16,
}

/// A text is no link to a proxy.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadLink {
    /// It is a link to something else.
    #[error("not a link to a proxy: it would begin with {BEGINNING}")]
    Beginning,
    /// It leads nowhere.
    #[error("the link names no host")]
    NoHost,
    /// A parameter makes no sense.
    #[error("the link's {0} makes no sense")]
    Parameter(&'static str),
}

/// The link to the proxy on `host`, with the public ports for chat and for media.
pub fn share(listeners: &[ListenerStatus], host: &str) -> Result<Share, NoListener> {
    let (chat, media) = find(listeners)?;
    Ok(Share {
        link: format!(
            "{BEGINNING}host={}&chatPort={}&mediaPort={}&chatTLS={}",
            encode(host),
            chat.port,
            media.port,
            chat.tls
        ),
        host: host.to_owned(),
        chat_port: chat.port,
        media_port: media.port,
        chat_tls: chat.tls,
        hints: Vec::new(),
    })
}

/// The listeners that people are given: the first for chat, TLS before raw, and the first for media.
/// One that wants a PROXY header is for a load balancer, not for people.
pub fn find(
    listeners: &[ListenerStatus],
) -> Result<(&ListenerStatus, &ListenerStatus), NoListener> {
    let first = |service: &str, tls: bool| {
        let mut listeners = listeners.iter().filter(|one| !one.accept_proxy);
        listeners.find(|one| one.service == service && one.tls == tls)
    };
    let auto = first("auto", true);
    let chat = first("chat", true).or(auto).or(first("chat", false));
    let chat = chat.ok_or(NoListener("chat"))?;
    // Who opens one port for all shares one.
    let media = if chat.service == "auto" {
        auto
    } else {
        first("media", false).or(auto)
    };
    let media = media.ok_or(NoListener("media"))?;
    Ok((chat, media))
}

// === impl Form ===

impl Form {
    /// The form with nothing but a host filled in.
    pub fn new(host: String) -> Self {
        const CHAT: NonZeroU16 = NonZeroU16::new(443).expect("not zero");
        const MEDIA: NonZeroU16 = NonZeroU16::new(587).expect("not zero");
        Self {
            host,
            chat_port: CHAT,
            chat_tls: true,
            media_port: MEDIA,
        }
    }

    /// The form as a link fills it in, which people may write without `https://`. What the link says
    /// beside is not for proxies.
    pub fn from_link(link: &str) -> Result<Self, BadLink> {
        let bare = BEGINNING.trim_start_matches("https://");
        let query = link.strip_prefix(BEGINNING).or(link.strip_prefix(bare));
        let query = query.ok_or(BadLink::Beginning)?;
        let mut form = Self::new(String::new());
        for parameter in query.split('&') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = decode(value);
            let bad = |name| BadLink::Parameter(name);
            let port = |name| {
                let port = value.as_ref().and_then(|port| port.parse().ok());
                port.ok_or(bad(name))
            };
            match name {
                "host" => form.host = value.ok_or(bad("host"))?,
                "chatPort" => form.chat_port = port("chatPort")?,
                "mediaPort" => form.media_port = port("mediaPort")?,
                "chatTLS" => form.chat_tls = value.as_deref() != Some("false"),
                _ => {}
            }
        }
        if form.host.is_empty() {
            return Err(BadLink::NoHost);
        }
        Ok(form)
    }
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

/// The text that a parameter's value stands for (RFC 3986, 2.1). None where it stands for none.
fn decode(value: &str) -> Option<String> {
    let mut parts = value.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, plain) = part.split_at_checked(2)?;
        let digit = |at: usize| char::from(*digits.as_bytes().get(at)?).to_digit(16);
        bytes.push(u8::try_from(digit(0)? << 4 | digit(1)?).ok()?);
        bytes.extend_from_slice(plain.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Status;

    /// The link of these listeners: service, public port, TLS, PROXY header.
    fn link_of(listeners: &[(&str, u16, bool, bool)]) -> Result<String, NoListener> {
        let json = include_str!("control/status.json");
        let mut status: Status = serde_json::from_str(json).unwrap();
        let example = status.listeners.remove(0);
        let listener = |(service, port, tls, accept_proxy): &(&str, u16, bool, bool)| {
            let mut listener = example.clone();
            listener.service = (*service).into();
            (listener.port, listener.tls, listener.accept_proxy) = (*port, *tls, *accept_proxy);
            listener
        };
        let listeners: Vec<_> = listeners.iter().map(listener).collect();
        share(&listeners, "h").map(|share| share.link)
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
        let link = link_of(&[
            ("chat", 5222, false, false),
            ("media", 587, false, false),
            ("auto", 443, true, false),
        ]);
        let expected = "https://wa.me/proxy?host=h&chatPort=443&mediaPort=443&chatTLS=true";
        assert_eq!(link.unwrap(), expected);
    }

    #[test]
    fn what_is_missing_is_named() {
        let no_chat = link_of(&[("media", 587, false, false), ("chat", 443, true, true)]);
        assert_eq!(no_chat, Err(NoListener("chat")));
        let no_media = link_of(&[("chat", 443, true, false)]);
        assert_eq!(no_media, Err(NoListener("media")));
    }

    #[test]
    fn a_host_cannot_add_parameters() {
        assert_eq!(encode("a-b.example"), "a-b.example");
        assert_eq!(encode("a&b=ä/"), "a%26b%3D%C3%A4%2F");
    }

    #[test]
    fn a_link_fills_the_form_in_as_a_phone_does() {
        let form = |link: &str| {
            let form = Form::from_link(link)?;
            Ok((
                form.host,
                form.chat_port.get(),
                form.media_port.get(),
                form.chat_tls,
            ))
        };
        let h = || "h".to_owned();
        assert_eq!(
            form("https://wa.me/proxy?host=h"),
            Ok((h(), 443, 587, true))
        );
        assert_eq!(
            form("https://wa.me/proxy?host=h&chatPort=5222&mediaPort=7777&chatTLS=false"),
            Ok((h(), 5222, 7777, false))
        );
        assert_eq!(
            form("wa.me/proxy?host=h&chatPort=1"),
            Ok((h(), 1, 587, true))
        );
        assert_eq!(
            form("https://wa.me/proxy?x=y&chatTLS=true&host=a%26%c3%A4%2f&&z"),
            Ok(("a&ä/".to_owned(), 443, 587, true))
        );
        for (link, bad) in [
            ("https://wa.me/proxy", BadLink::Beginning),
            ("http://wa.me/proxy?host=h", BadLink::Beginning),
            ("https://wa.me/proxy?", BadLink::NoHost),
            ("https://wa.me/proxy?host=", BadLink::NoHost),
            ("https://wa.me/proxy?host=%", BadLink::Parameter("host")),
            ("https://wa.me/proxy?host=%+1", BadLink::Parameter("host")),
            ("https://wa.me/proxy?host=%ff", BadLink::Parameter("host")),
            ("https://wa.me/proxy?host=%äa", BadLink::Parameter("host")),
            (
                "https://wa.me/proxy?host=h&chatPort=0",
                BadLink::Parameter("chatPort"),
            ),
            (
                "https://wa.me/proxy?host=h&mediaPort=65536",
                BadLink::Parameter("mediaPort"),
            ),
        ] {
            assert_eq!(form(link), Err(bad), "{link}");
        }
    }
}
