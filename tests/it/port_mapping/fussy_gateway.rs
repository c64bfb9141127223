//! A stand-in of our own for a router that knows UPnP alone and is fussy as real ones are, each in one
//! thing: it hears the group alone, answers from another port and also where another host describes
//! itself, describes two ways to a provider of which one is in use, and in chunks without hanging up,
//! opens ports for good or not at all, keeps 443 for itself and refuses one port. It forwards nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::home::{GATEWAY, OUTSIDE, OWN};
use super::old_gateway::REFUSED;
use crate::support::namespace::Namespace;

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 255, 250);

const DESCRIPTION: &str = r#"<?xml version="1.0"?>
<root xmlns="urn:schemas-upnp-org:device-1-0"><device><deviceList><device><serviceList>
<service><serviceType>urn:schemas-upnp-org:service:Layer3Forwarding:1</serviceType><controlURL>/l3f</controlURL></service>
<service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType><controlURL>control?way=ip</controlURL></service>
<service><serviceType>urn:schemas-upnp-org:service:WANPPPConnection:1</serviceType><controlURL>control?way=ppp&amp;x=1</controlURL></service>
</serviceList></device></deviceList></device></root>"#;

pub struct FussyGateway {
    end: Arc<AtomicBool>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    open: Vec<Open>,
    /// An action to which so many times something else is answered.
    busy: (&'static str, u32),
}

/// A public port, and to which port of whom it leads.
pub type Open = (u16, u16, String);

impl FussyGateway {
    pub fn start(place: &Namespace) -> Self {
        let (heard, said, listener) = place.inside(|| {
            let heard = UdpSocket::bind((GROUP, 1900)).unwrap();
            let gateway = GATEWAY.parse().unwrap();
            heard.join_multicast_v4(&GROUP, &gateway).unwrap();
            let said = UdpSocket::bind((gateway, 0)).unwrap();
            (heard, said, TcpListener::bind((gateway, 0)).unwrap())
        });
        let port = listener.local_addr().unwrap().port();
        let end = Arc::new(AtomicBool::new(false));
        let state = Arc::<Mutex<State>>::default();

        let ended = end.clone();
        heard
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        thread::spawn(move || {
            let mut room = [0; 1500];
            while !ended.load(Ordering::Relaxed) {
                let Ok((length, from)) = heard.recv_from(&mut room) else {
                    continue;
                };
                assert!(room[..length].starts_with(b"M-SEARCH * HTTP/1.1\r\n"));
                for host in [OWN, GATEWAY] {
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\nLocation: http://{host}:{port}/device/description.xml\r\n\r\n"
                    );
                    said.send_to(answer.as_bytes(), from).unwrap();
                }
            }
        });

        let (ended, known) = (end.clone(), state.clone());
        listener.set_nonblocking(true).unwrap();
        thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                let Ok((stream, _)) = listener.accept() else {
                    thread::sleep(Duration::from_millis(20));
                    continue;
                };
                stream.set_nonblocking(false).unwrap();
                let known = known.clone();
                thread::spawn(move || answer(stream, &known));
            }
        });
        Self { end, state }
    }

    /// What is open.
    pub fn open(&self) -> Vec<Open> {
        let mut open = self.state.lock().unwrap().open.clone();
        open.sort_unstable();
        open
    }

    /// Has it answer something else to an action so many times.
    pub fn be_busy(&self, action: &'static str, times: u32) {
        self.state.lock().unwrap().busy = (action, times);
    }
}

impl Drop for FussyGateway {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
    }
}

/// Answers, and hangs up when the other side has.
fn answer(mut stream: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let said = said(&mut reader, state);
    let _ = stream.write_all(said.as_bytes());
    let _ = reader.read_to_end(&mut Vec::new());
}

fn said(reader: &mut impl BufRead, state: &Mutex<State>) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
    }
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "));
    let length = length.map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let body = String::from_utf8(body).unwrap();

    if head.starts_with("GET /device/description.xml ") {
        let (first, second) = DESCRIPTION.split_at(200);
        return format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
             {:x}\r\n{first}\r\n{:X};x=y\r\n{second}\r\n0\r\n\r\n",
            first.len(),
            second.len(),
        );
    }
    let is_in_use = head.starts_with("POST /device/control?way=ppp&x=1 HTTP/1.1\r\n");
    let is_idle = head.starts_with("POST /device/control?way=ip HTTP/1.1\r\n");
    assert!(is_in_use || is_idle, "{head}");
    let (_, action) = head.split_once("Connection:1#").unwrap();
    let (action, _) = action.split_once('"').unwrap();
    let mut state = state.lock().unwrap();
    if state.busy.0 == action && state.busy.1 > 0 {
        state.busy.1 -= 1;
        return "HTTP/1.1 503 Service Unavailable\r\n\r\n<root>busy</root>".to_owned();
    }
    let (status, said) = match done(action, &body, is_in_use, &mut state.open) {
        Ok(said) => (
            "200 OK",
            format!("<u:{action}Response xmlns:u=\"urn\">{said}</u:{action}Response>"),
        ),
        Err(code) => (
            "500 Internal Server Error",
            format!(
                "<s:Fault><detail><UPnPError><errorCode>{code}</errorCode></UPnPError></detail></s:Fault>"
            ),
        ),
    };
    format!(
        "HTTP/1.1 {status}\r\n\r\n<?xml version=\"1.0\"?><s:Envelope><s:Body>{said}</s:Body></s:Envelope>"
    )
}

/// Does what is asked for, or refuses with an error's code.
fn done(action: &str, body: &str, is_in_use: bool, open: &mut Vec<Open>) -> Result<String, u16> {
    let argument = |name: &str| {
        let (_, value) = body.split_once(&format!("<{name}>")).unwrap();
        let (value, _) = value.split_once(&format!("</{name}>")).unwrap();
        value.to_owned()
    };
    let number = |name: &str| argument(name).parse::<u16>().unwrap();
    match action {
        "GetExternalIPAddress" => {
            let address = if is_in_use { OUTSIDE } else { "0.0.0.0" };
            Ok(format!(
                "<NewExternalIPAddress>{address}</NewExternalIPAddress>"
            ))
        }
        _ if !is_in_use => Err(501),
        "AddPortMapping" if argument("NewLeaseDuration") != "0" => Err(725),
        "AddPortMapping" => {
            assert_eq!(argument("NewProtocol"), "TCP");
            let client = argument("NewInternalClient");
            let port = number("NewExternalPort");
            let is_anothers = |open: &Open| open.0 == port && open.2 != client;
            match port {
                REFUSED => return Err(606),
                443 => return Err(718),
                _ if open.iter().any(is_anothers) => return Err(718),
                _ => {}
            }
            open.retain(|known| known.0 != port);
            open.push((port, number("NewInternalPort"), client));
            Ok(String::new())
        }
        "DeletePortMapping" => {
            let port = number("NewExternalPort");
            open.retain(|known| known.0 != port);
            Ok(String::new())
        }
        _ => Err(401),
    }
}
