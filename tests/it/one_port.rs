//! One port for chat and media: what the first bytes say decides where a connection goes.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustls::pki_types::ServerName;

use crate::support::client::{PATIENCE, read_to_end, reset};
use crate::support::daemon::Daemon;
use crate::support::setup::{Section, Setup, listener, upstream};
use crate::support::stand_in::{Recording, StandIn};
use crate::support::tls::{TlsClient, any_certificate, hello_for};

#[test]
fn tls_for_any_other_name_or_none_is_terminated_as_chat() {
    let stage = Stage::new(Setup::new());
    for name in [
        "proxy.example",
        "192.0.2.1",
        "whatsapp.net.example",
        "g.whatsapp.net",
    ] {
        let mut client = stage.connect_tls(name);
        client.write_all(b"WA\x06\x03").unwrap();
        client.finish().unwrap();
        let said = stage.chat.recv_timeout(PATIENCE).unwrap();
        let (header, said) = split_header(&said.bytes);
        assert!(
            header.starts_with("PROXY TCP4 127.66.0.1 127.0.0.1 "),
            "{name}: {header}"
        );
        assert_eq!(said, b"WA\x06\x03", "{name}");
    }
}

#[test]
fn tls_for_a_name_of_media_goes_on_unopened_and_without_a_header() {
    let stage = Stage::new(Setup::new());
    for name in [
        "mmg.whatsapp.net",
        "Static.WhatsApp.Net",
        "web.whatsapp.com",
        "a.b.fbcdn.net",
    ] {
        let hello = hello_for(name);
        let mut client = stage.connect();
        client.write_all(&hello).unwrap();
        client.write_all(b"and more").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let said = stage.media.recv_timeout(PATIENCE).unwrap();
        assert_eq!(said.bytes, [&hello[..], b"and more"].concat(), "{name}");
    }
    let sum = stage
        .daemon
        .until("all have ended", |status| status.open() == 0);
    assert_eq!(sum.ended("all", "closed"), 4);
}

#[test]
fn names_of_media_are_those_of_the_configuration() {
    let stage = Stage::new(Setup::new().main_list("media_name", "cdn.example"));
    let mut client = stage.connect();
    client.write_all(&hello_for("cdn.example")).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert!(stage.media.recv_timeout(PATIENCE).is_ok());
    for name in ["a.cdn.example", "mmg.whatsapp.net"] {
        let mut client = stage.connect_tls(name);
        client.write_all(b"WA").unwrap();
        client.finish().unwrap();
        assert!(stage.chat.recv_timeout(PATIENCE).is_ok(), "{name}");
    }
}

#[test]
fn tls_in_tls_is_media() {
    let stage = Stage::new(Setup::new());
    let inner = hello_for("mmg.whatsapp.net");
    let mut client = stage.connect_tls("proxy.example");
    client.write_all(&inner).unwrap();
    client.finish().unwrap();
    assert_eq!(stage.media.recv_timeout(PATIENCE).unwrap().bytes, inner);
}

#[test]
fn a_hello_that_drips_is_waited_for_and_arrives_whole() {
    let stage = Stage::new(Setup::new());
    let hello = hello_for("mmg.whatsapp.net");
    let mut client = stage.connect();
    for byte in &hello {
        client.write_all(&[*byte]).unwrap();
        thread::sleep(Duration::from_millis(2));
    }
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(stage.media.recv_timeout(PATIENCE).unwrap().bytes, hello);
    let status = stage
        .daemon
        .until("it has ended", |status| status.open() == 0);
    assert_eq!(status.listener("all")["bytes_up"], hello.len());
}

#[test]
fn who_says_nothing_or_not_enough_reaches_no_upstream() {
    let stage = Stage::new(Setup::new().main("handshake_timeout", 2));
    let hello = hello_for("mmg.whatsapp.net");
    let (mut left, mut stays) = (stage.connect(), stage.connect());
    left.write_all(&hello[..100]).unwrap();
    left.shutdown(Shutdown::Write).unwrap();
    let _ = read_to_end(&mut left);
    stays.write_all(&hello[..100]).unwrap();
    let silent = stage.connect_tls("proxy.example");
    stage.daemon.until("nobody is waited for", |status| {
        status.ended("all", "client_left") == 1 && status.ended("all", "handshake_timeout") == 2
    });
    drop(silent);
    for recordings in [&stage.chat, &stage.media] {
        let none = recordings.recv_timeout(Duration::from_millis(100));
        assert_eq!(none.unwrap_err(), RecvTimeoutError::Timeout);
    }
}

#[test]
fn what_is_no_tls_is_told_so() {
    let stage = Stage::new(Setup::new());
    let mut client = stage.connect();
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let (alert, _) = read_to_end(&mut client);
    assert_eq!(alert[..3], [21, 3, 3], "an alert of TLS (RFC 8446, 5.1)");
    stage
        .daemon
        .until("it is counted", |status| status.ended("all", "tls") == 1);
}

#[test]
fn a_hello_too_long_to_be_looked_into_is_terminated_as_chat() {
    let stage = Stage::new(Setup::new());
    let mut config = (*any_certificate()).clone();
    // Some 25,000 bytes, in two records.
    config.alpn_protocols = vec![vec![b'x'; 250]; 100];
    let name = ServerName::try_from("mmg.whatsapp.net").unwrap();
    let mut client = TlsClient::over_as(stage.connect(), name, Arc::new(config)).unwrap();
    client.write_all(b"WA\x06\x03").unwrap();
    client.finish().unwrap();
    let said = stage.chat.recv_timeout(PATIENCE).unwrap();
    assert_eq!(split_header(&said.bytes).1, b"WA\x06\x03");
}

#[test]
fn a_hello_that_promises_more_than_it_has_is_not_waited_for_without_end() {
    let stage = Stage::new(Setup::new().main("handshake_timeout", 2));
    // Of 32 KB, of which a record of 16 KB has come, and of 16 MB.
    let start = |length: [u8; 3]| {
        let record = [&[22, 3, 1, 0x40, 0, 1][..], &length, &[0; 16_380]].concat();
        let mut client = stage.connect();
        client.write_all(&record).unwrap();
        client
    };
    let mut clients = [[0, 0x80, 0], [0xff; 3]].map(start);
    for client in &mut clients {
        let _ = read_to_end(client);
    }
    let status = stage
        .daemon
        .until("both have ended", |status| status.open() == 0);
    let ended = ["handshake_timeout", "tls"].map(|reason| status.ended("all", reason));
    assert_eq!(ended, [1, 1]);
}

#[test]
fn who_resets_amid_a_hello_frees_his_place_and_is_counted() {
    let stage = Stage::new(Setup::new().main("max_handshakes", 1));
    let hello = hello_for("mmg.whatsapp.net");
    for count in 1..=3 {
        let mut client = stage.connect();
        client.write_all(&hello[..100]).unwrap();
        stage
            .daemon
            .until("he is there", |status| status.open() == 1);
        reset(client);
        stage.daemon.until("he is counted", |status| {
            status.open() == 0 && status.ended("all", "client_left") == count
        });
    }
    let status = stage.daemon.status();
    assert_eq!(status.refused("all", "max_handshakes"), 0);
}

#[test]
fn behind_a_balancer_the_header_comes_before_what_decides() {
    let stage = Stage::with(
        Setup::new().main_list("trusted_proxy", "127.66.0.0/16"),
        listener("all", "auto")
            .option("tls", 1)
            .option("accept_proxy", 1),
    );
    let header = "PROXY TCP4 203.0.113.7 192.0.2.1 12345 443";
    let connect = || {
        let mut client = stage.connect();
        client
            .write_all(format!("{header}\r\n").as_bytes())
            .unwrap();
        client
    };
    let hello = hello_for("mmg.whatsapp.net");
    let mut media = connect();
    media.write_all(&hello).unwrap();
    media.shutdown(Shutdown::Write).unwrap();
    assert_eq!(stage.media.recv_timeout(PATIENCE).unwrap().bytes, hello);

    let mut chat = TlsClient::over(connect()).unwrap();
    chat.write_all(b"WA\x06\x03").unwrap();
    chat.finish().unwrap();
    let said = stage.chat.recv_timeout(PATIENCE).unwrap();
    assert_eq!(split_header(&said.bytes), (header, &b"WA\x06\x03"[..]));
}

#[test]
fn the_link_says_one_port_for_both() {
    let setup = Setup::new().with(listener("media_main", "media"));
    let stage = Stage::new(setup.main("host", "proxy.example"));
    let port = stage.daemon.port("all");
    let link = stage.daemon.ask("share", &[]).success();
    let both = format!("host=proxy.example&chatPort={port}&mediaPort={port}&chatTLS=true");
    assert!(link.contains(&both), "{link}");
    assert_eq!(stage.daemon.status().listener("all")["service"], "auto");
}

/// A daemon with one listener for all, in front of two recorders.
struct Stage {
    daemon: Daemon,
    chat: Receiver<Recording>,
    media: Receiver<Recording>,
    _hosts: [StandIn; 2],
}

impl Stage {
    fn new(setup: Setup) -> Self {
        Self::with(setup, listener("all", "auto").option("tls", 1))
    }

    fn with(setup: Setup, all: Section) -> Self {
        let ((chat_host, chat), (media_host, media)) = (StandIn::recorder(), StandIn::recorder());
        let setup = setup
            .with(all)
            .with(
                upstream("chat", chat_host.address(), "v1")
                    // Never reached: the first is there.
                    .list("address", "g.whatsapp.net:5222"),
            )
            .with(upstream("media", media_host.address(), "none"));
        Self {
            daemon: Daemon::start(&setup),
            chat,
            media,
            _hosts: [chat_host, media_host],
        }
    }

    fn connect(&self) -> TcpStream {
        self.daemon.connect("all")
    }

    fn connect_tls(&self, name: &'static str) -> TlsClient {
        let name = ServerName::try_from(name).unwrap();
        TlsClient::over_for(self.connect(), name).unwrap()
    }
}

/// The line of the PROXY header, and what follows it.
fn split_header(bytes: &[u8]) -> (&str, &[u8]) {
    let end = bytes.windows(2).position(|two| two == b"\r\n").unwrap();
    (str::from_utf8(&bytes[..end]).unwrap(), &bytes[end + 2..])
}
