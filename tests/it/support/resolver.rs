//! A hostile DNS server, in as few words as a resolver takes: it says of a name whatever the test
//! wants, and another time something else.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::namespace::Namespace;

// RFC 1035 and 3596.
const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;

/// One record of a name.
#[derive(Clone)]
pub enum Record {
    Address(IpAddr),
    Alias(&'static str),
}

/// Answers in a namespace, of which it is the only resolver, until it is dropped.
pub struct Resolver {
    zone: Arc<Mutex<Zone>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What is said of each name from now on: one answer after the other, the last of them for ever.
#[derive(Default)]
struct Zone {
    answers: HashMap<String, Vec<Vec<Record>>>,
    /// How often each type of each name was asked for.
    asked: HashMap<(String, u16), usize>,
}

impl Resolver {
    pub fn new(network: &Namespace) -> Self {
        network.write_etc(
            "resolv.conf",
            "nameserver 127.0.0.1\noptions timeout:1 attempts:2\n",
        );
        let socket = network.inside(|| UdpSocket::bind((Ipv4Addr::LOCALHOST, 53)).unwrap());
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        let zone = Arc::new(Mutex::new(Zone::default()));
        let over = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let (zone, over) = (zone.clone(), over.clone());
            move || {
                let mut query = [0; 512];
                while !over.load(Ordering::Relaxed) {
                    if let Ok((length, peer)) = socket.recv_from(&mut query) {
                        let answer = zone.lock().unwrap().answer(&query[..length]);
                        socket.send_to(&answer, peer).unwrap();
                    }
                }
            }
        });
        Self {
            zone,
            over,
            thread: Some(thread),
        }
    }

    /// Says `answer` of `name` from now on.
    pub fn say(&self, name: &str, answer: &[Record]) {
        self.say_in_turn(name, &[answer]);
    }

    /// Says one answer at the first query for a type of `name`, the next at the second.
    pub fn say_in_turn(&self, name: &str, answers: &[&[Record]]) {
        let mut zone = self.zone.lock().unwrap();
        let answers = answers.iter().map(|answer| answer.to_vec()).collect();
        zone.answers.insert(name.to_owned(), answers);
        zone.asked.retain(|(asked, _), _| asked != name);
    }

    /// How often it was asked for the IPv4 addresses of `name` since it last got something to say.
    pub fn asked(&self, name: &str) -> usize {
        let zone = self.zone.lock().unwrap();
        let asked = zone.asked.get(&(name.to_owned(), A));
        asked.copied().unwrap_or_default()
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let ended = self.thread.take().unwrap().join();
        assert!(
            ended.is_ok() || thread::panicking(),
            "the resolver panicked"
        );
    }
}

impl Zone {
    fn answer(&mut self, query: &[u8]) -> Vec<u8> {
        let (name, end) = read_name(query);
        let kind = u16::from_be_bytes([query[end], query[end + 1]]);
        let mut records = Vec::new();
        let mut next = Some(name);
        while let Some(name) = next.take() {
            for record in self.turn(&name, kind) {
                match record {
                    Record::Address(IpAddr::V4(ip)) if kind == A => {
                        records.push(resource(&name, A, &ip.octets()));
                    }
                    Record::Address(IpAddr::V6(ip)) if kind == AAAA => {
                        records.push(resource(&name, AAAA, &ip.octets()));
                    }
                    Record::Address(_) => {}
                    Record::Alias(alias) => {
                        records.push(resource(&name, CNAME, &write_name(alias)));
                        next = Some(alias.to_owned());
                    }
                }
            }
        }
        let count = u16::try_from(records.len()).unwrap().to_be_bytes();
        // An authoritative answer to one question.
        let head = [&query[..2], &[0x85, 0x80, 0, 1], &count, &[0; 4]].concat();
        [head, query[12..end + 4].to_vec(), records.concat()].concat()
    }

    fn turn(&mut self, name: &str, kind: u16) -> Vec<Record> {
        let name = name.to_ascii_lowercase();
        let Some(answers) = self.answers.get(&name) else {
            return Vec::new();
        };
        let asked = self.asked.entry((name, kind)).or_default();
        let answer = answers[(*asked).min(answers.len() - 1)].clone();
        *asked += 1;
        answer
    }
}

/// The name that a query asks for, and where it ends.
fn read_name(query: &[u8]) -> (String, usize) {
    let mut labels = Vec::new();
    let mut at = 12;
    while query[at] != 0 {
        let end = at + 1 + usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..end]));
        at = end;
    }
    (labels.join("."), at + 1)
}

fn write_name(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

/// One record, which may not be kept for a second.
fn resource(name: &str, kind: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap();
    let mut bytes = write_name(name);
    bytes.extend(kind.to_be_bytes());
    bytes.extend([0, 1, 0, 0, 0, 0]);
    bytes.extend(length.to_be_bytes());
    bytes.extend(data);
    bytes
}
