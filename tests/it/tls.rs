//! TLS as openssl speaks it.

use std::net::Ipv4Addr;
use std::sync::mpsc::Receiver;

use crate::support::client::{PATIENCE, SOURCE};
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::openssl::{greet, s_client};
use crate::support::port;
use crate::support::setup::{Setup, listener, upstream};
use crate::support::stand_in::{Recording, StandIn};

const CHAT: &[u8] = b"\xed\x00\x01\x00\x00\x04abcdWA\x06\x03\x00\x00\x2b and what follows";

#[test]
fn openssl_reaches_the_upstream_with_every_version_name_and_protocol() {
    let (daemon, _stand_in, recordings) = chat();
    let names: [&[&str]; 7] = [
        &["-noservername"],
        &["-servername", "g.whatsapp.net"],
        &["-servername", "x"],
        &["-servername", "mmg.whatsapp.net"],
        // What no server name may be, and what a user may yet have typed.
        &["-servername", "foo_bar.example"],
        &["-servername", "192.0.2.7"],
        &["-servername", "g.whatsapp.net."],
    ];
    let protocols: [&[&str]; 3] = [&[], &["-alpn", "h2,http/1.1"], &["-alpn", "anything"]];
    for version in ["-tls1_2", "-tls1_3"] {
        for name in names {
            for protocol in protocols {
                let options = [&[version], name, protocol].concat();
                let header = say_by_openssl(&daemon, "v1", &options);
                let recording = recordings.recv_timeout(PATIENCE).unwrap();
                assert_eq!(
                    recording.bytes,
                    [header.as_bytes(), CHAT].concat(),
                    "{options:?}"
                );
            }
        }
    }
    let counted = daemon.until("42 were closed", |status| {
        status.ended("v1", "closed") == 42
    });
    assert_eq!(counted.ended("v1", "tls"), 0);
}

#[test]
fn openssl_reaches_an_upstream_that_wants_no_header_or_the_binary_one() {
    let (daemon, _stand_in, recordings) = chat();
    for version in ["none", "v2"] {
        let header = say_by_openssl(&daemon, version, &["-servername", "g.whatsapp.net"]);
        let words: Vec<&str> = header.split_whitespace().collect();
        let ports = [words[4], words[5]]
            .map(|port| port.parse::<u16>().unwrap().to_be_bytes())
            .concat();
        let binary = [
            &b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\x7f\x42\x00\x01\x7f\x00\x00\x01"[..],
            &ports,
        ]
        .concat();
        let expected = if version == "v2" { binary } else { Vec::new() };
        let recording = recordings.recv_timeout(PATIENCE).unwrap();
        assert_eq!(recording.bytes, [&expected, CHAT].concat(), "{version}");
    }
}

#[test]
fn sessions_are_resumed() {
    let echo = StandIn::echo();
    let setup = Setup::new().with(listener("chat_in", "chat").option("tls", 1));
    let daemon = Daemon::start(&setup.with(upstream("chat", echo.address(), "none")));
    let folder = Folder::new();
    for version in ["-tls1_2", "-tls1_3"] {
        let session = folder.join(version);
        let session = session.to_str().unwrap();
        let first = greet(daemon.port("chat_in"), &[version, "-sess_out", session]);
        assert!(first.contains("New, TLSv1"), "{version}:\n{first}");
        // Any worker may get the next connections.
        for _ in 0..4 {
            let again = greet(daemon.port("chat_in"), &[version, "-sess_in", session]);
            assert!(again.contains("Reused, TLSv1"), "{version}:\n{again}");
        }
    }
}

#[test]
fn old_versions_are_refused() {
    let (daemon, _stand_in, _recordings) = chat();
    for version in ["-tls1", "-tls1_1"] {
        let mut openssl = s_client(
            daemon.port("v1"),
            port::fresh(),
            &[version, "-cipher", "ALL:@SECLEVEL=0"],
        );
        openssl.close_stdin();
        let status = openssl.wait(PATIENCE);
        assert!(
            !status.success(),
            "{version} is spoken:\n{}",
            openssl.said()
        );
    }
    daemon.until("both are counted", |status| {
        status.ended("v1", "tls") == 2 && status.open() == 0
    });
}

/// A daemon with a TLS listener for each form of the PROXY header, named as the form is.
fn chat() -> (Daemon, StandIn, Receiver<Recording>) {
    let (stand_in, recordings) = StandIn::recorder();
    let mut setup = Setup::new();
    for version in ["none", "v1", "v2"] {
        let service = format!("to_{version}");
        setup = setup
            .with(listener(version, &service).option("tls", 1))
            .with(upstream(&service, stand_in.address(), version));
    }
    (Daemon::start(&setup), stand_in, recordings)
}

/// Sends [`CHAT`] and closes; the PROXY header v1 that is right for this connection.
fn say_by_openssl(daemon: &Daemon, listener: &str, options: &[&str]) -> String {
    let (port, source) = (daemon.port(listener), port::fresh());
    let mut openssl = s_client(
        port,
        source,
        &[options, &["-quiet", "-no_ign_eof"]].concat(),
    );
    openssl.tell(CHAT);
    openssl.close_stdin();
    let status = openssl.wait(PATIENCE);
    assert!(
        status.success(),
        "{options:?}: {status}\n{}",
        openssl.said()
    );
    format!(
        "PROXY TCP4 {SOURCE} {} {source} {port}\r\n",
        Ipv4Addr::LOCALHOST
    )
}
