//! The link that fills in WhatsApp's proxy form: listeners and a host in, the link out.

use std::fmt::Write as _;

use crate::control::{ListenerStatus, Share};

/// No listener of a service that phones can use.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "nothing to share: no listener of service '{0}' runs that phones can use (chat without accept_proxy; media without accept_proxy and tls)"
)]
pub struct NoListener(&'static str);

/// The link to the proxy on `host`, with the public ports of the first chat listener, TLS before
/// raw, and the first media listener. One that wants a PROXY header is for a load balancer, not for
/// people.
pub fn share(listeners: &[ListenerStatus], host: &str) -> Result<Share, NoListener> {
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
    Ok(Share {
        link: format!(
            "https://wa.me/proxy?host={}&chatPort={}&mediaPort={}&chatTLS={}",
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
}
