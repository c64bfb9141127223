//! What a browser finds at a port of chat: a page, or what a web server at home says. A request's
//! first bytes in, what is answered out. Never reads a socket, and knows no file but that page.

use std::fs::File;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use crate::config::{self, Listener};

/// The largest page, in bytes.
const MOST_PAGE: u64 = 64 * 1024;

/// The longest request that is read, in bytes.
const MOST_REQUEST: usize = 8 * 1024;

/// What a browser finds.
#[derive(Clone, Debug)]
pub enum Decoy {
    /// This page of HTML.
    Page(Arc<[u8]>),
    /// Whatever the web server there says.
    Server(SocketAddr),
}

/// Why there is no page to show.
#[derive(Debug, thiserror::Error)]
#[error("{listener}, option decoy: {page}: {source}")]
pub struct Error {
    listener: String,
    page: String,
    source: io::Error,
}

/// What an HTTP client asks for (RFC 9112, 3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Request {
    /// The page.
    Page,
    /// What a page's answer says of itself.
    PageHead,
    /// Anything else at this place.
    Elsewhere,
    /// To do something else than to look.
    Otherwise,
    /// Nothing that could be understood.
    Broken,
}

// === impl Decoy ===

impl Decoy {
    /// What `listener` has for browsers, its page read.
    pub fn of(listener: &Listener) -> Result<Option<Self>, Error> {
        match &listener.decoy {
            None => Ok(None),
            Some(config::Decoy::Server(address)) => Ok(Some(Self::Server(*address))),
            Some(config::Decoy::Page(path)) => match page(path) {
                Ok(page) => Ok(Some(Self::Page(page.into()))),
                Err(source) => Err(Error {
                    listener: listener.label(),
                    page: path.display().to_string(),
                    source,
                }),
            },
        }
    }
}

fn page(path: &Path) -> io::Result<Vec<u8>> {
    // A pipe could keep a reload waiting for ever.
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut page = Vec::new();
    File::open(path)?
        .take(MOST_PAGE + 1)
        .read_to_end(&mut page)?;
    if page.len() as u64 > MOST_PAGE {
        return Err(io::Error::other(format!(
            "it is larger than {MOST_PAGE} bytes"
        )));
    }
    Ok(page)
}

/// What is asked for. `None` where more must come.
pub fn request(bytes: &[u8]) -> Option<Request> {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let ended = lines.any(|line| matches!(line, b"\r\n" | b"\n"));
    if !ended && bytes.len() < MOST_REQUEST {
        return None;
    }
    let mut words = first.trim_ascii_end().split(|byte| *byte == b' ');
    let (method, target, version) = (words.next(), words.next(), words.next());
    let is_http = version.is_some_and(|version| version.starts_with(b"HTTP/1."));
    let (Some(method), Some(target), true, None) = (method, target, is_http && ended, words.next())
    else {
        return Some(Request::Broken);
    };
    let path = target.split(|byte| *byte == b'?').next();
    let is_page = matches!(path, Some(b"/" | b"/index.html"));
    Some(match (method, is_page) {
        (b"GET", true) => Request::Page,
        (b"HEAD", true) => Request::PageHead,
        (b"GET" | b"HEAD", false) => Request::Elsewhere,
        _ => Request::Otherwise,
    })
}

/// What is answered: the head, and the body (RFC 9110, 15; RFC 9112, 6).
pub fn answer(request: Request, page: &[u8]) -> (String, &[u8]) {
    let (status, body) = match request {
        Request::Page | Request::PageHead => ("200 OK", page),
        Request::Elsewhere => ("404 Not Found", NOT_FOUND),
        Request::Otherwise => ("405 Method Not Allowed\r\nAllow: GET, HEAD", NOT_ALLOWED),
        Request::Broken => ("400 Bad Request", BAD_REQUEST),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    let is_head = request == Request::PageHead;
    (head, if is_head { &[] } else { body })
}

const NOT_FOUND: &[u8] = b"<h1>Not Found</h1>\n";
const NOT_ALLOWED: &[u8] = b"<h1>Method Not Allowed</h1>\n";
const BAD_REQUEST: &[u8] = b"<h1>Bad Request</h1>\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_at_the_root_alone() {
        for (line, expected) in [
            ("GET / HTTP/1.1", Request::Page),
            ("GET /?a=b HTTP/1.0", Request::Page),
            ("GET /index.html HTTP/1.1", Request::Page),
            ("HEAD / HTTP/1.1", Request::PageHead),
            ("GET /favicon.ico HTTP/1.1", Request::Elsewhere),
            ("POST / HTTP/1.1", Request::Otherwise),
            ("GET /", Request::Broken),
            ("GET  / HTTP/1.1", Request::Broken),
            ("GET / HTTP/1.1 x", Request::Broken),
            ("PRI * HTTP/2.0", Request::Broken),
        ] {
            let asked = format!("{line}\r\nHost: a.example\r\n\r\nand more");
            assert_eq!(request(asked.as_bytes()), Some(expected), "{line}");
        }
    }

    #[test]
    fn a_request_is_waited_for_up_to_its_end_or_8_kib() {
        let asked = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
        for end in 0..asked.len() {
            assert_eq!(request(&asked[..end]), None, "{end}");
        }
        let mut long = asked[..asked.len() - 2].to_vec();
        long.resize(MOST_REQUEST, b'x');
        assert_eq!(request(&long[1..]), None);
        assert_eq!(request(&long), Some(Request::Broken));
    }

    #[test]
    fn an_answer_says_how_long_it_is() {
        let (head, body) = answer(Request::Page, b"<p>Hello");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains("\r\nContent-Length: 8\r\n") && head.ends_with("\r\n\r\n"));
        assert_eq!(body, b"<p>Hello");
        assert_eq!(answer(Request::PageHead, b"<p>Hello"), (head, &[][..]));
        let (head, body) = answer(Request::Otherwise, b"<p>Hello");
        assert!(head.contains("\r\nAllow: GET, HEAD\r\n"), "{head}");
        assert_eq!(body, NOT_ALLOWED);
    }
}
