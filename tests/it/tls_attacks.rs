//! What no TLS library would send: messages cut in two, answers asked for without end, records
//! that are none.

mod forger;

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use rustls::{ClientConnection, ContentType};

use self::forger::Forger;
use crate::support::client::{self, Ending, read_exactly, read_to_end};
use crate::support::random::Random;
use crate::support::relayed::{Kind, Stage};
use crate::support::setup::Setup;
use crate::support::tls::{any_certificate, server_name};

#[test]
fn an_alert_amid_a_client_hello_is_an_error_of_tls() {
    let stage = Stage::new(Setup::new());
    let mut client = stage.daemon.connect("tls");
    client
        .write_all(&[0x16, 3, 1, 0, 5, 1, 0, 0x10, 0, 3])
        .unwrap();
    thread::sleep(A_MOMENT);
    client.write_all(&[0x15, 3, 1, 0, 2, 2, 0x28]).unwrap();
    let _ = read_to_end(&mut client);
    assert_serves(&stage);
    stage
        .daemon
        .until("tls is counted", |status| status.ended("tls", "tls") == 1);
}

#[test]
fn a_client_may_break_the_protocol_and_be_gone_while_the_upstream_speaks() {
    let stage = Stage::new(Setup::new());
    for _ in 0..200 {
        let (mut client, mut upstream) = Forger::connect(&stage);
        let half = client.seal(ContentType::Handshake, &HALF_A_KEY_UPDATE);
        let mut broken = client.seal(ContentType::ApplicationData, b"no more");
        *broken.last_mut().unwrap() ^= 1;
        // Who is told what depends on who is first; that the daemon lives does not.
        let _ = upstream.write_all(b"hello");
        let _ = client.socket.write_all(&[half, broken].concat());
        client::reset(client.socket);
        let _ = read_to_end(&mut upstream);
    }
    assert_serves(&stage);
}

#[test]
fn an_end_in_the_middle_of_a_record_is_no_end() {
    let stage = Stage::new(Setup::new());
    let (mut client, mut upstream) = Forger::connect(&stage);
    let whole = client.seal(ContentType::ApplicationData, b"first half, ");
    let cut = client.seal(ContentType::ApplicationData, b"second half");
    client.socket.write_all(&whole).unwrap();
    client.socket.write_all(&cut[..cut.len() - 3]).unwrap();
    client.socket.shutdown(Shutdown::Write).unwrap();
    assert_eq!(
        read_to_end(&mut upstream),
        (b"first half, ".to_vec(), Ending::Reset)
    );
}

#[test]
fn plain_http_is_answered_by_an_alert() {
    let stage = Stage::new(Setup::new());
    let mut client = stage.daemon.connect("tls");
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let (answer, _) = read_to_end(&mut client);
    assert_eq!(answer.first(), Some(&ALERT), "{answer:?}");
    stage
        .daemon
        .until("tls is counted", |status| status.ended("tls", "tls") == 1);
}

#[test]
fn broken_hellos_leave_the_daemon_alive() {
    let stage = Stage::new(Setup::new());
    let mut random = Random::new(1);
    for _ in 0..400 {
        let mut client = stage.daemon.connect("tls");
        for record in broken_hello(&mut random) {
            // The daemon may have left already.
            let _ = client.write_all(&record);
            thread::sleep(Duration::from_millis(random.below(3)));
        }
        let _ = client.shutdown(Shutdown::Write);
        let _ = read_to_end(&mut client);
    }
    assert_serves(&stage);
    let status = stage.daemon.until("all ended", |status| status.open() == 0);
    assert!(status.ended("tls", "tls") > 100, "{status:?}");
}

#[test]
fn broken_messages_after_a_handshake_leave_the_daemon_alive() {
    let stage = Stage::new(Setup::new());
    let mut random = Random::new(2);
    for _ in 0..100 {
        let (mut client, mut upstream) = Forger::connect(&stage);
        for _ in 0..=random.below(3) {
            let kind = ContentType::from(any_type(&mut random));
            let record = client.seal(kind, &random.bytes(0, 20));
            let _ = client.socket.write_all(&record);
            let _ = upstream.write_all(b"hello");
            thread::sleep(Duration::from_millis(random.below(3)));
        }
        client::reset(client.socket);
        let _ = read_to_end(&mut upstream);
    }
    assert_serves(&stage);
    stage.daemon.until("all ended", |status| status.open() == 0);
}

#[test]
fn half_a_message_of_the_client_keeps_back_nothing_of_the_upstream() {
    let stage = Stage::new(Setup::new());
    let (mut client, mut upstream) = Forger::connect(&stage);
    let (first, rest) = KEY_UPDATE.split_at(1);
    client.send(ContentType::Handshake, first);
    thread::sleep(A_MOMENT);
    upstream.write_all(b"hello").unwrap();
    let hello = (ContentType::ApplicationData, b"hello".to_vec());
    assert_eq!(client.receive(), hello);

    client.send(ContentType::Handshake, rest);
    client.change_key();
    client.send(ContentType::ApplicationData, b"understood");
    assert_eq!(read_exactly(&mut upstream, 10), b"understood");

    client.send(ContentType::Handshake, first);
    thread::sleep(A_MOMENT);
    upstream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(
        client.receive(),
        (ContentType::Alert, CLOSE_NOTIFY.to_vec())
    );
    assert_eq!(
        read_to_end(&mut client.socket),
        (Vec::new(), Ending::Closed)
    );
    assert_serves(&stage);
}

#[test]
fn key_updates_of_a_client_that_does_not_read_take_no_memory() {
    let stage = Stage::new(Setup::new());
    let (mut client, mut upstream) = Forger::connect(&stage);
    fill(&mut upstream);
    let memory_before = stage.daemon.status().memory_bytes();
    for _ in 0..1000 {
        // More of them without a byte in between are an error.
        for _ in 0..30 {
            client.send(ContentType::Handshake, &KEY_UPDATE_WITH_ANSWER);
            client.change_key();
        }
        client.send(ContentType::ApplicationData, b"x");
        assert_eq!(read_exactly(&mut upstream, 1), b"x");
    }
    let memory = stage.daemon.status().memory_bytes();
    let growth = memory.saturating_sub(memory_before);
    assert!(growth < 1 << 20, "30,000 key updates took {growth} bytes");
    assert_serves(&stage);
}

#[test]
fn bytes_before_a_broken_record_arrive_and_then_a_reset() {
    let stage = Stage::new(Setup::new());
    let (mut client, mut upstream) = Forger::connect(&stage);
    let good = client.seal(ContentType::ApplicationData, b"last words");
    let mut broken = client.seal(ContentType::ApplicationData, b"and no more");
    *broken.last_mut().unwrap() ^= 1;
    client.socket.write_all(&[good, broken].concat()).unwrap();
    assert_eq!(
        read_to_end(&mut upstream),
        (b"last words".to_vec(), Ending::Reset)
    );
    assert_eq!(client.receive().0, ContentType::Alert);
    assert_serves(&stage);
}

#[test]
fn a_client_may_break_the_protocol_while_the_upstream_speaks() {
    let stage = Stage::new(Setup::new());
    for more in [&b""[..], b"as if nothing had been"] {
        let (mut client, mut upstream) = Forger::connect(&stage);
        let mut broken = client.seal(ContentType::ApplicationData, b"no more");
        *broken.last_mut().unwrap() ^= 1;
        let after = client.seal(ContentType::ApplicationData, more);
        // Asleep, so that it finds all of it at once.
        stage.daemon.pause();
        client.socket.write_all(&[broken, after].concat()).unwrap();
        upstream.write_all(b"hello").unwrap();
        stage.daemon.resume();
        assert_eq!(read_to_end(&mut upstream), (Vec::new(), Ending::Reset));
        assert_serves(&stage);
    }
}

/// Long enough for the daemon to have read what was sent.
const A_MOMENT: Duration = Duration::from_millis(300);

// RFC 8446, 4.6.3 and 6.1.
const KEY_UPDATE: [u8; 5] = [24, 0, 0, 1, 0];
const KEY_UPDATE_WITH_ANSWER: [u8; 5] = [24, 0, 0, 1, 1];
const CLOSE_NOTIFY: [u8; 2] = [1, 0];

// RFC 8446, 5.1.
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

/// Whether the daemon carries bytes for a proper client, on any of its workers.
fn assert_serves(stage: &Stage) {
    for _ in 0..4 {
        let (mut client, mut upstream) = stage.connect(Kind::Tls);
        client.write_all(b"hello").unwrap();
        assert_eq!(read_exactly(&mut upstream, 5), b"hello");
    }
}

/// Sends until no more is taken.
fn fill(upstream: &mut TcpStream) {
    upstream
        .set_write_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    let chunk = vec![0; 64 * 1024];
    let taken = (0..1000).any(|_| upstream.write_all(&chunk).is_err());
    assert!(taken, "64 MB went to a reader that does not read");
}

/// A `ClientHello` with some wrong bytes, of which a part comes, cut into records that are
/// proper ones, some of them with another record behind.
fn broken_hello(random: &mut Random) -> Vec<Vec<u8>> {
    let mut hello = Vec::new();
    let mut connection = ClientConnection::new(any_certificate(), server_name()).unwrap();
    connection.write_tls(&mut hello).unwrap();
    let mut message = hello.split_off(5);
    for _ in 0..random.below(3) {
        // Mostly one of the first: type, length, version.
        let place = random.size(message.len() as u64 - 1);
        message[usize::try_from(place).unwrap()] ^= 1 << random.below(8);
    }
    message.truncate(one_of(message.len(), random));
    let mut records = Vec::new();
    while !message.is_empty() {
        let rest = message.split_off(one_of(message.len(), random));
        records.push(record(HANDSHAKE, &message));
        if random.below(2) == 0 {
            records.push(record(any_type(random), &random.bytes(0, 20)));
        }
        message = rest;
    }
    records
}

/// From 1 to `count`.
fn one_of(count: usize, random: &mut Random) -> usize {
    1 + usize::try_from(random.below(count as u64)).unwrap()
}

/// A content type: `change_cipher_spec`, alert, handshake, data, or none.
fn any_type(random: &mut Random) -> u8 {
    20 + u8::try_from(random.below(5)).unwrap()
}

fn record(content_type: u8, body: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&[content_type, 3, 1, high, low], body].concat()
}

/// The beginning of a message whose rest does not come.
const HALF_A_KEY_UPDATE: [u8; 2] = [24, 0];
