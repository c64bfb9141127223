//! Listeners and a host in: a byte with the number of listeners, four bytes for each, and the
//! host. The link that comes out has exactly its four parameters, and says what went in. The host as a
//! link is read without harm.

use std::collections::BTreeMap;

use waproxy::config::public_host;
use waproxy::control::ListenerStatus;
use waproxy::share::{Form, share};

const SERVICES: [&str; 4] = ["chat", "web", "media", "auto"];

pub fn run(data: &[u8]) {
    let Some((count, rest)) = data.split_first() else {
        return;
    };
    let most = rest.len() / 4;
    let (listeners, host) = rest.split_at(4 * most.min((count % 8).into()));
    let listeners: Vec<_> = listeners.chunks_exact(4).map(listener).collect();
    let Ok(host) = str::from_utf8(host) else {
        return;
    };
    let _ = Form::from_link(host);
    let _ = Form::from_link(&format!("https://wa.me/proxy?{host}"));
    let Ok(shared) = share(&listeners, host) else {
        let fits = |one: &&ListenerStatus| {
            !one.accept_proxy && (one.service == "auto" && one.tls || one.service == "chat")
        };
        let carries_media = |one: &ListenerStatus| {
            !one.accept_proxy
                && one.tls == (one.service == "auto")
                && ["auto", "media"].contains(&one.service.as_str())
        };
        assert!(
            !listeners.iter().any(|one| fits(&one)) || !listeners.iter().any(carries_media),
            "nothing to share, with {listeners:?}"
        );
        return;
    };

    let query = shared.link.strip_prefix("https://wa.me/proxy?").unwrap();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%=&".contains(&byte);
    assert!(query.bytes().all(plain), "{query}");
    let pairs: Vec<_> = query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap())
        .collect();
    let [
        ("host", name),
        ("chatPort", chat),
        ("mediaPort", media),
        ("chatTLS", tls),
    ] = pairs[..]
    else {
        panic!("other parameters in {query}");
    };
    assert_eq!(decoded(name), host.as_bytes());
    assert_eq!(shared.host, host);
    assert_eq!(chat.parse(), Ok(shared.chat_port));
    assert_eq!(media.parse(), Ok(shared.media_port));
    assert_eq!(tls.parse(), Ok(shared.chat_tls));
    if !host.is_empty() && shared.chat_port != 0 && shared.media_port != 0 {
        let form = Form::from_link(&shared.link).unwrap();
        assert_eq!(form.host, host);
        assert_eq!(form.chat_port.get(), shared.chat_port);
        assert_eq!(form.media_port.get(), shared.media_port);
        assert_eq!(form.chat_tls, shared.chat_tls);
    }
    let mut phones = listeners.iter().filter(|one| !one.accept_proxy);
    assert!(phones.clone().any(|one| one.port == shared.chat_port
        && one.tls == shared.chat_tls
        && ["auto", "chat"].contains(&one.service.as_str())));
    assert!(phones.any(|one| one.port == shared.media_port
        && one.tls == (one.service == "auto")
        && ["auto", "media"].contains(&one.service.as_str())));
    if let Ok(valid) = public_host(host) {
        assert_eq!(valid, host);
        assert_eq!(name, host, "a name that people enter is changed");
    }
}

fn listener(bytes: &[u8]) -> ListenerStatus {
    ListenerStatus {
        name: "listener".into(),
        port: u16::from_be_bytes([bytes[0], bytes[1]]),
        bind_port: 1,
        bind_address: None,
        service: SERVICES[usize::from(bytes[2] % 4)].into(),
        tls: bytes[3] & 1 > 0,
        accept_proxy: bytes[3] & 2 > 0,
        active: 0,
        accepted: 0,
        refused: BTreeMap::new(),
        ended: BTreeMap::new(),
        accept_errors: BTreeMap::new(),
        bytes_up: 0,
        bytes_down: 0,
    }
}

/// What a percent-encoded text stands for (RFC 3986, 2.1).
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        out.push(if byte == b'%' {
            let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
            u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap()
        } else {
            byte
        });
    }
    out
}
