//! PROXY headers: who may send one to us, and what we send on.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;

use crate::support::client::{self, Ending, connect_from, ending_of, read_to_end};
use crate::support::daemon::{Daemon, command_at};
use crate::support::folder::Folder;
use crate::support::process::run;
use crate::support::setup::{Setup, listener, upstream};
use crate::support::stand_in::{Recording, StandIn};
use crate::support::tls::TlsClient;

#[test]
fn upstreams_get_the_header_of_their_configuration_and_then_the_bytes() {
    let (stand_in, recordings) = StandIn::recorder();
    let mut setup = Setup::new();
    for version in ["none", "v1", "v2"] {
        let service = format!("to_{version}");
        setup = setup.with(listener(version, &service)).with(upstream(
            &service,
            stand_in.address(),
            version,
        ));
    }
    let daemon = Daemon::start(&setup);
    for version in ["none", "v1", "v2"] {
        let mut client = daemon.connect(version);
        let source = client.local_addr().unwrap().port();
        let port = daemon.port(version);
        client.write_all(b"WA\x06\x03 hello").unwrap();
        client::read_to_end(&mut finished(client));
        let header = match version {
            "none" => Vec::new(),
            "v1" => format!("PROXY TCP4 127.66.0.1 127.0.0.1 {source} {port}\r\n").into_bytes(),
            _ => v2(
                &[0x21, 0x11, 0, 12, 127, 66, 0, 1, 127, 0, 0, 1],
                source,
                port,
            ),
        };
        let recording = recordings.recv_timeout(client::PATIENCE).unwrap();
        assert_eq!(
            recording.bytes,
            [&header[..], b"WA\x06\x03 hello"].concat(),
            "{version}"
        );
        assert_eq!(recording.ending, Ending::Closed);
    }
}

#[test]
fn ipv6_clients_are_named_as_such() {
    let (stand_in, recordings) = StandIn::recorder();
    let mut setup = Setup::new();
    for version in ["v1", "v2"] {
        let service = format!("to_{version}");
        setup = setup.with(listener(version, &service)).with(upstream(
            &service,
            stand_in.address(),
            version,
        ));
    }
    let daemon = Daemon::start(&setup);
    for version in ["v1", "v2"] {
        let mut client = client::connect_v6(daemon.port(version));
        let source = client.local_addr().unwrap().port();
        let port = daemon.port(version);
        client.write_all(b"x").unwrap();
        client::read_to_end(&mut finished(client));
        let mut localhost = [0; 16];
        localhost[15] = 1;
        let header = match version {
            "v1" => format!("PROXY TCP6 ::1 ::1 {source} {port}\r\n").into_bytes(),
            _ => v2(
                &[&[0x21, 0x21, 0, 36], &localhost[..], &localhost].concat(),
                source,
                port,
            ),
        };
        let recording = recordings.recv_timeout(client::PATIENCE).unwrap();
        assert_eq!(recording.bytes, [&header[..], b"x"].concat(), "{version}");
    }
}

#[test]
fn an_accepted_header_says_who_the_client_is() {
    let (daemon, _stand_in, recordings) = behind_a_balancer();
    let tlv = [4, 0, 3, 1, 2, 3];
    let v2_with_tlv = v2_body(
        &[
            0x21,
            0x11,
            0,
            12 + 6,
            203,
            0,
            113,
            7,
            192,
            0,
            2,
            1,
            0x30,
            0x39,
            1,
            0xbb,
        ],
        &tlv,
    );
    let mapped = "PROXY TCP6 ::ffff:203.0.113.7 ::ffff:192.0.2.1 12345 443\r\n";
    let cases: [(&[u8], &str); 4] = [
        (
            b"PROXY TCP4 203.0.113.7 192.0.2.1 12345 443\r\n",
            "PROXY TCP4 203.0.113.7 192.0.2.1 12345 443\r\n",
        ),
        (
            b"PROXY TCP6 2001:db8::7 2001:db8::1 12345 443\r\n",
            "PROXY TCP6 2001:db8::7 2001:db8::1 12345 443\r\n",
        ),
        (
            &v2_with_tlv,
            "PROXY TCP4 203.0.113.7 192.0.2.1 12345 443\r\n",
        ),
        (
            mapped.as_bytes(),
            "PROXY TCP4 203.0.113.7 192.0.2.1 12345 443\r\n",
        ),
    ];
    for (sent, expected) in cases {
        let mut client = daemon.connect("behind");
        client.write_all(&[sent, b"hello"].concat()).unwrap();
        client::read_to_end(&mut finished(client));
        let recording = recordings.recv_timeout(client::PATIENCE).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&recording.bytes),
            format!("{expected}hello")
        );
    }
}

#[test]
fn a_header_that_names_nobody_leaves_the_addresses_of_the_socket() {
    let (daemon, _stand_in, recordings) = behind_a_balancer();
    let local = v2_body(&[0x20, 0x00, 0, 0], &[]);
    let unknown = b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n";
    for sent in [&local[..], unknown, b"PROXY UNKNOWN\r\n"] {
        let mut client = daemon.connect("behind");
        let source = client.local_addr().unwrap().port();
        client.write_all(&[sent, b"hello"].concat()).unwrap();
        client::read_to_end(&mut finished(client));
        let recording = recordings.recv_timeout(client::PATIENCE).unwrap();
        let port = daemon.port("behind");
        let expected = format!("PROXY TCP4 127.66.0.1 127.0.0.1 {source} {port}\r\nhello");
        assert_eq!(String::from_utf8_lossy(&recording.bytes), expected);
    }
}

#[test]
fn a_header_that_comes_byte_by_byte_is_read() {
    let (daemon, _stand_in, recordings) = behind_a_balancer();
    let mut client = daemon.connect("behind");
    client.set_nodelay(true).unwrap();
    for byte in b"PROXY TCP4 203.0.113.7 192.0.2.1 12345 443\r\nhello" {
        client.write_all(&[*byte]).unwrap();
        thread::sleep(Duration::from_millis(5));
    }
    client::read_to_end(&mut finished(client));
    let recording = recordings.recv_timeout(client::PATIENCE).unwrap();
    assert_eq!(
        recording.bytes,
        b"PROXY TCP4 203.0.113.7 192.0.2.1 12345 443\r\nhello"
    );
}

#[test]
fn the_header_comes_before_tls() {
    let (daemon, _stand_in, recordings) = behind_a_balancer();
    let mut client = daemon.connect("behind_tls");
    client
        .write_all(b"PROXY TCP4 203.0.113.7 192.0.2.1 12345 443\r\n")
        .unwrap();
    let mut client = TlsClient::over(client).unwrap();
    client.write_all(b"hello").unwrap();
    client.finish().unwrap();
    client::read_to_end(&mut client);
    let recording = recordings.recv_timeout(client::PATIENCE).unwrap();
    assert_eq!(
        recording.bytes,
        b"PROXY TCP4 203.0.113.7 192.0.2.1 12345 443\r\nhello"
    );
}

#[test]
fn a_header_of_a_stranger_is_refused_and_counted() {
    let (daemon, _stand_in, _recordings) = behind_a_balancer();
    let stranger = Ipv4Addr::new(127, 1, 2, 3);
    let target = (Ipv4Addr::LOCALHOST, daemon.port("behind"));
    // The reset may come as early as before the first byte is sent.
    let answer = connect_from(stranger, target).and_then(|mut client| {
        client.write_all(b"PROXY TCP4 203.0.113.7 192.0.2.1 12345 443\r\nhello")?;
        client.read(&mut [0])
    });
    let ending = answer.map_err(|error| ending_of(&error));
    assert_eq!(ending, Err(Some(Ending::Reset)));
    daemon.until("counted", |status| {
        status.refused("behind", "untrusted_proxy") == 1 && status.open() == 0
    });
    assert!(
        !daemon.log().contains("127.1.2.3"),
        "a client's address is in the log:\n{}",
        daemon.log()
    );
}

#[test]
fn a_listener_that_nobody_may_speak_to_is_an_error_of_the_configuration() {
    let folder = Folder::new();
    let setup = Setup::new()
        .with(listener("behind", "chat").option("accept_proxy", 1))
        .with(upstream("chat", "127.0.0.1:1", "none"));
    folder.write("waproxy.config", setup.text());
    let ended = run(&mut command_at(folder.path(), "run", &[]));
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("trusted_proxy"), "{ended:?}");
}

#[test]
fn a_bad_header_ends_the_connection_and_is_counted() {
    let (daemon, _stand_in, recordings) = behind_a_balancer();
    let endless = [&b"PROXY TCP4 "[..], &[b'1'; 600]].concat();
    let bad: [&[u8]; 7] = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"WA\x06\x03 no header at all, but chat at once",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 12345 99999\r\n",
        b"PROXY TCP4 203.0.113.7.9 192.0.2.1 12345 443\r\n",
        b"PROXY TCP9 203.0.113.7 192.0.2.1 12345 443\r\n",
        &endless,
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c123456789012",
    ];
    for (count, bytes) in (1..).zip(bad) {
        let mut client = daemon.connect("behind");
        let _ = client.write_all(bytes);
        let (answer, _) = read_to_end(&mut client);
        assert!(answer.is_empty());
        daemon.until("counted", |status| {
            status.ended("behind", "proxy_header") == count
        });
    }
    assert!(
        recordings.try_recv().is_err(),
        "something of a bad header reached the upstream"
    );
}

#[test]
fn a_header_on_a_listener_that_expects_none_is_the_clients_own_business() {
    let (stand_in, recordings) = StandIn::recorder();
    let setup = Setup::new().main_list("trusted_proxy", "127.64.0.0/10");
    let setup =
        setup
            .with(listener("plain", "chat"))
            .with(upstream("chat", stand_in.address(), "none"));
    let daemon = Daemon::start(&setup);
    let mut client = daemon.connect("plain");
    client
        .write_all(b"PROXY TCP4 203.0.113.7 192.0.2.1 12345 443\r\n")
        .unwrap();
    client::read_to_end(&mut finished(client));
    let recording = recordings.recv_timeout(client::PATIENCE).unwrap();
    assert_eq!(
        recording.bytes,
        b"PROXY TCP4 203.0.113.7 192.0.2.1 12345 443\r\n"
    );
}

/// A daemon that takes headers from [`client::SOURCE`], in front of a recorder that gets v1.
fn behind_a_balancer() -> (Daemon, StandIn, Receiver<Recording>) {
    let (stand_in, recordings) = StandIn::recorder();
    let setup = Setup::new()
        .main_list("trusted_proxy", "127.64.0.0/10")
        .with(listener("behind", "chat").option("accept_proxy", 1))
        .with(
            listener("behind_tls", "chat")
                .option("accept_proxy", 1)
                .option("tls", 1),
        )
        .with(upstream("chat", stand_in.address(), "v1"));
    (Daemon::start(&setup), stand_in, recordings)
}

fn finished(client: TcpStream) -> TcpStream {
    client.shutdown(Shutdown::Write).unwrap();
    client
}

/// A header v2 of what stands before the ports, and the ports.
fn v2(head: &[u8], source_port: u16, destination_port: u16) -> Vec<u8> {
    v2_body(
        &[
            head,
            &source_port.to_be_bytes(),
            &destination_port.to_be_bytes(),
        ]
        .concat(),
        &[],
    )
}

fn v2_body(head: &[u8], tlvs: &[u8]) -> Vec<u8> {
    [b"\r\n\r\n\0\r\nQUIT\n", head, tlvs].concat()
}
