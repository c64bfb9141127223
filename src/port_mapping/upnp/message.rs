//! The texts of UPnP: what is asked of a router, and what its answers say, which are believed nothing
//! but ports and paths of its own. Sans-I/O.
//!
//! Of XML only elements are looked for, by name: an XML library would take 44 KB, and one that speaks
//! UPnP 845.

use std::iter;
use std::net::Ipv4Addr;

/// Where something of the gateway's is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Place {
    pub(super) port: u16,
    /// With its slash.
    path: String,
}

/// What can be asked for ports.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Service {
    /// Its type, which has its version.
    kind: String,
    pub(super) place: Place,
}

/// Looks for a router, of whatever version (UPnP Device Architecture 1.1, 1.3.2).
pub(super) const SEARCH: &[u8] = b"M-SEARCH * HTTP/1.1\r\n\
    HOST: 239.255.255.250:1900\r\n\
    MAN: \"ssdp:discover\"\r\n\
    MX: 1\r\n\
    ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n";

/// What can open ports, each followed by its version.
const KINDS: [&str; 2] = [
    "urn:schemas-upnp-org:service:WANIPConnection:",
    "urn:schemas-upnp-org:service:WANPPPConnection:",
];

/// More ways to a provider than a router describes.
const SERVICES_MAX: usize = 4;

/// Where the gateway that answers a search describes itself (1.3.3); `None` where that is no answer to
/// it, or leads to another host.
pub(super) fn location(bytes: &[u8], gateway: Ipv4Addr) -> Option<Place> {
    let text = str::from_utf8(bytes).ok()?;
    let url = header(text.strip_prefix("HTTP/")?, "location")?;
    place(url, gateway)
}

/// Asks for what is at a place.
pub(super) fn get(gateway: Ipv4Addr, Place { port, path }: &Place) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {gateway}:{port}\r\nConnection: close\r\n\r\n")
}

/// What of a description (2.3) can open ports.
pub(super) fn services(description: &str, gateway: Ipv4Addr, from: &Place) -> Vec<Service> {
    let base = element(description, "URLBase").and_then(|(url, _)| place(url.trim(), gateway));
    let base = base.as_ref().unwrap_or(from);
    let mut rest = description;
    let services = iter::from_fn(|| {
        let (service, after) = element(rest, "service")?;
        rest = after;
        Some(service)
    });
    let service = |text: &str| {
        let kind = element(text, "serviceType")?.0.trim();
        let url = element(text, "controlURL")?.0.trim().replace("&amp;", "&");
        // It becomes a part of what we say.
        let is_known = KINDS.iter().any(|known| {
            let version = kind.strip_prefix(known);
            version.is_some_and(|version| version.parse::<u8>().is_ok())
        });
        is_known.then_some(Service {
            kind: kind.to_owned(),
            place: beside(base, &url, gateway)?,
        })
    };
    services.filter_map(service).take(SERVICES_MAX).collect()
}

/// Asks a service to do something (3.2.1).
pub(super) fn call(
    gateway: Ipv4Addr,
    Service { kind, place }: &Service,
    action: &str,
    arguments: &str,
) -> String {
    let Place { port, path } = place;
    let body = format!(
        "<?xml version=\"1.0\"?>\r\n\
         <s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\">\
         <s:Body><u:{action} xmlns:u=\"{kind}\">{arguments}</u:{action}></s:Body></s:Envelope>\r\n"
    );
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: {gateway}:{port}\r\nConnection: close\r\n\
         Content-Type: text/xml; charset=\"utf-8\"\r\nContent-Length: {length}\r\n\
         SOAPAction: \"{kind}#{action}\"\r\n\r\n{body}"
    )
}

/// What names a port (`WANIPConnection`:1, 2.4.17).
pub(super) fn port(external: u16) -> String {
    format!(
        "<NewRemoteHost></NewRemoteHost><NewExternalPort>{external}</NewExternalPort>\
         <NewProtocol>TCP</NewProtocol>"
    )
}

/// Where a port is to lead, for `lease` seconds or for good (2.4.16). Providers read this too, so it does
/// not tell more than it must.
pub(super) fn mapping(external: u16, own: Ipv4Addr, internal: u16, lease: u32) -> String {
    let port = port(external);
    format!(
        "{port}<NewInternalPort>{internal}</NewInternalPort><NewInternalClient>{own}</NewInternalClient>\
         <NewEnabled>1</NewEnabled><NewPortMappingDescription>proxy</NewPortMappingDescription>\
         <NewLeaseDuration>{lease}</NewLeaseDuration>"
    )
}

/// Whether that answers an action: it was done (3.2.2), or there is an error.
pub(super) fn is_answer(body: &str, action: &str) -> bool {
    element(body, &format!("{action}Response")).is_some() || error(body).is_some()
}

/// The error of an answer (3.2.2).
pub(super) fn error(body: &str) -> Option<u16> {
    let (code, _) = element(body, "errorCode")?;
    // One that is no number is one all the same.
    Some(code.trim().parse().unwrap_or_default())
}

/// Whether an answer over HTTP has all that it needs, be it a description or what was called for.
pub(super) fn is_whole(answer: &[u8]) -> bool {
    let body = body(answer);
    ["root", "Envelope"]
        .iter()
        .any(|name| element(&body, name).is_some())
}

/// What an answer over HTTP says, without its head.
pub(super) fn body(answer: &[u8]) -> String {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, body) = answer.split_at(end.unwrap_or(answer.len()));
    let head = String::from_utf8_lossy(head);
    let body = body.get(4..).unwrap_or_default();
    let is_chunked = header(&head, "transfer-encoding")
        .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
    if is_chunked {
        String::from_utf8_lossy(&joined(body)).into_owned()
    } else {
        String::from_utf8_lossy(body).into_owned()
    }
}

/// The chunks of a body (RFC 9112, 7.1), as far as they go.
fn joined(mut body: &[u8]) -> Vec<u8> {
    let mut joined = Vec::new();
    let mut chunk = || {
        let end = body.windows(2).position(|two| two == b"\r\n")?;
        let (size, rest) = body.split_at(end);
        let size = size.split(|byte| *byte == b';').next()?;
        let size = usize::from_str_radix(str::from_utf8(size).ok()?.trim(), 16).ok()?;
        let (chunk, rest) = rest.get(2..)?.split_at_checked(size)?;
        body = rest.get(2..)?;
        (size > 0).then_some(chunk)
    };
    while let Some(chunk) = chunk() {
        joined.extend(chunk);
    }
    joined
}

/// What is between the first start of an element and its end, and what follows. Its prefix does not
/// matter.
pub(super) fn element<'a>(xml: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let mut rest = xml;
    loop {
        let (_, after) = rest.split_once('<')?;
        let (tag, content) = after.split_once('>')?;
        let (tag, is_whole) = tag
            .strip_suffix('/')
            .map_or((tag, false), |tag| (tag, true));
        let tag = tag.split_ascii_whitespace().next().unwrap_or_default();
        if tag.rsplit(':').next() == Some(name) {
            return if is_whole {
                Some(("", content))
            } else {
                content.split_once(&format!("</{tag}>"))
            };
        }
        rest = content;
    }
}

/// The value of a header, whatever its case.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut headers = head.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = headers.find(|(known, _)| known.trim().eq_ignore_ascii_case(name))?;
    Some(value.trim())
}

/// Where an URL leads, if that is to the gateway.
fn place(url: &str, gateway: Ipv4Addr) -> Option<Place> {
    let (scheme, rest) = url.split_once("://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = authority.split_once(':').unwrap_or((authority, "80"));
    if !scheme.eq_ignore_ascii_case("http") || host.parse() != Ok(gateway) {
        return None;
    }
    let path = if path.is_empty() { "/" } else { path };
    // It becomes a part of what we say.
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic());
    is_plain.then_some(Place {
        port: port.parse().ok()?,
        path: path.to_owned(),
    })
}

/// Where an URL leads that stands in a text from `base` (RFC 3986, 5.2, of which routers use no more).
fn beside(base: &Place, url: &str, gateway: Ipv4Addr) -> Option<Place> {
    if url.contains("://") {
        return place(url, gateway);
    }
    let folder = if url.starts_with('/') {
        ""
    } else {
        base.path.get(..=base.path.rfind('/')?)?
    };
    let port = base.port;
    place(&format!("http://{gateway}:{port}{folder}{url}"), gateway)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 168, 178, 1);

    fn at(port: u16, path: &str) -> Place {
        Place {
            port,
            path: path.to_owned(),
        }
    }

    #[test]
    fn a_router_says_where_it_describes_itself() {
        let answer = |url: &str| format!("HTTP/1.1 200 OK\r\nST: x:y\r\nLOCATION: {url}\r\n\r\n");
        let location = |url: &str| location(answer(url).as_bytes(), GATEWAY);
        let place = location("http://192.168.178.1:49000/igd.xml?a=1");
        assert_eq!(place, Some(at(49000, "/igd.xml?a=1")));
        assert_eq!(location("HTTP://192.168.178.1"), Some(at(80, "/")));
        for other in [
            "http://192.168.178.2:49000/igd.xml",
            "http://192.168.178.1.example.org/",
            "http://192.168.178.1@192.168.178.2/",
            "http://fritz.box/igd.xml",
            "https://192.168.178.1/",
            "http://192.168.178.1:x/",
            "http://192.168.178.1:99999/",
            "http://192.168.178.1/a b",
            "http://192.168.178.1/a\tb",
            "http://192.168.178.1/\u{e4}",
            "/igd.xml",
            "",
        ] {
            assert_eq!(location(other), None, "{other}");
        }
        for no_answer in [
            &b"NOTIFY * HTTP/1.1\r\nLOCATION: http://192.168.178.1/\r\n\r\n"[..],
            b"\xff",
            b"",
        ] {
            assert_eq!(super::location(no_answer, GATEWAY), None);
        }
    }

    #[test]
    fn a_description_says_what_opens_ports() {
        let service = |kind: &str, url: &str| {
            format!(
                "<service>\n<serviceType>{kind}</serviceType><controlURL> {url} </controlURL></service>"
            )
        };
        let ip = "urn:schemas-upnp-org:service:WANIPConnection:2";
        let ppp = "urn:schemas-upnp-org:service:WANPPPConnection:1";
        let found = |from: &str| services(from, GATEWAY, &at(80, "/a/b.xml"));
        let one = |kind: &str, place: Place| Service {
            kind: kind.to_owned(),
            place,
        };
        let text = [
            "<?xml version=\"1.0\"?><root><device><serviceList/>".to_owned(),
            service("urn:schemas-upnp-org:service:Layer3Forwarding:1", "/no"),
            service(ppp, "ctl?x=1&amp;y=2"),
            service(ip, "/ctl/ip"),
            service(ip, "http://192.168.178.1:5000/ip"),
            service(ip, "http://192.168.178.2/other"),
            service(
                "urn:schemas-upnp-org:service:WANIPConnection:1\"\r\n",
                "/said",
            ),
        ];
        let expected = [
            one(ppp, at(80, "/a/ctl?x=1&y=2")),
            one(ip, at(80, "/ctl/ip")),
            one(ip, at(5000, "/ip")),
        ];
        assert_eq!(found(&text.concat()), expected);
        let base = "<URLBase>http://192.168.178.1:49000</URLBase>";
        let based = found(&format!("{base}{}", service(ip, "ctl")));
        assert_eq!(based, [one(ip, at(49000, "/ctl"))]);
        assert_eq!(found(&service(ip, "/ip").repeat(99)).len(), SERVICES_MAX);
        for end in 0..text.concat().len() {
            assert!(found(&text.concat()[..end]).len() <= expected.len());
        }
    }

    #[test]
    fn an_element_has_any_prefix_and_attributes_or_nothing_in_it() {
        let inside = |xml: &'static str| element(xml, "a").map(|(inside, _)| inside);
        assert_eq!(inside("<b>1</b><a>2</a>"), Some("2"));
        assert_eq!(inside("<u:a xmlns:u=\"x\">2</u:a>"), Some("2"));
        assert_eq!(inside("<b><u:a xmlns:u=\"x\"/></b>"), Some(""));
        assert_eq!(inside("<ab>1</ab><a>2</a>"), Some("2"));
        assert_eq!(inside("<a>1"), None);
        assert_eq!(inside("<a"), None);
    }

    #[test]
    fn a_call_is_answered_or_refused() {
        let done = "<s:Body><u:AddPortMappingResponse xmlns:u=\"x\"/></s:Body>";
        assert!(is_answer(done, "AddPortMapping") && error(done).is_none());
        assert!(!is_answer(done, "DeletePortMapping"));
        let refused = "<UPnPError><errorCode> 718 </errorCode></UPnPError>";
        assert!(is_answer(refused, "AddPortMapping"));
        assert_eq!(error(refused), Some(718));
        assert_eq!(error("<errorCode>many</errorCode>"), Some(0));
        assert!(!is_answer("<html>404</html>", "AddPortMapping"));
    }

    #[test]
    fn chunks_are_joined() {
        let answer = |body: &str| {
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n";
            super::body(format!("{head}{body}").as_bytes())
        };
        assert_eq!(
            answer("3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n"),
            "abc0123456789"
        );
        // What is whole of one that was cut.
        assert_eq!(answer("3\r\nabc\r\n5\r\n0123"), "abc");
        assert_eq!(answer("ffffffffffffffff\r\nabc"), "");
        assert_eq!(answer("no\r\nabc"), "");
        assert_eq!(super::body(b"HTTP/1.1 200 OK\r\n\r\n3\r\nabc"), "3\r\nabc");
        assert_eq!(super::body(b"HTTP/1.1 200 OK"), "");
    }

    proptest! {
        #[test]
        fn any_answer_is_withstood(
            words in prop::collection::vec(
                prop::sample::select(vec![
                    "<", ">", "/", "service", "serviceType", "controlURL", "URLBase", KINDS[0], "1", "a:",
                    "http://", "192.168.178.1", ":80", " ", "\r\n", "Transfer-Encoding: chunked", "\u{e4}",
                ]),
                0..60,
            )
        ) {
            let said = words.concat();
            let _ = location(said.as_bytes(), GATEWAY);
            let text = body(said.as_bytes());
            prop_assert!(text.len() <= said.len());
            for service in services(&said, GATEWAY, &at(80, "/")) {
                let asked = call(GATEWAY, &service, "A", "");
                let (head, _) = asked.split_once("\r\n\r\n").unwrap();
                prop_assert_eq!(head.lines().count(), 6);
            }
        }
    }
}
