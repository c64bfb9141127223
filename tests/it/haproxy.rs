//! PROXY headers with the program that invented them, in front of us and behind.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;

use crate::support::authority::{ECDSA, self_signed};
use crate::support::client::{self, connect, connect_v6};
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::haproxy::Haproxy;
use crate::support::port;
use crate::support::setup::{Setup, listener, upstream};
use crate::support::stand_in::StandIn;
use crate::support::tls::TlsClient;

/// One way through HAProxy to one of our listeners.
struct Way {
    frontend: u16,
    listener: &'static str,
    /// Whether TLS ends at HAProxy, so that its header has something to say about it.
    tls_in_front: bool,
}

#[test]
fn addresses_arrive_through_haproxy_in_front() {
    let (stand_in, accepted) = StandIn::handing_over();
    let setup = Setup::new()
        .main_list("trusted_proxy", "127.0.0.1")
        .main_list("trusted_proxy", "::1/128")
        .with(listener("chat_lb", "chat").option("accept_proxy", 1))
        .with(listener("web_lb", "web").option("accept_proxy", 1))
        .with(
            listener("chat_tls_lb", "chat")
                .option("accept_proxy", 1)
                .option("tls", 1),
        )
        .with(upstream("chat", stand_in.address(), "v1"))
        .with(upstream("web", stand_in.address(), "v1"));
    let daemon = Daemon::start(&setup);

    let folder = Folder::new();
    let pair = self_signed(&folder, "balancer", ECDSA);
    let both = [&pair.cert, &pair.key]
        .map(|path| fs::read(path).unwrap())
        .concat();
    let pem = folder.write("both.pem", both);

    let mut sections = String::new();
    let mut ways = Vec::new();
    for send in ["send-proxy", "send-proxy-v2", "send-proxy-v2-ssl"] {
        for listener in ["chat_lb", "web_lb", "chat_tls_lb"] {
            for to in ["127.0.0.1", "[::1]"] {
                let tls_in_front = send == "send-proxy-v2-ssl" && listener != "chat_tls_lb";
                let way = Way {
                    frontend: port::fresh(),
                    listener,
                    tls_in_front,
                };
                let ssl = if tls_in_front {
                    format!("ssl crt {}", pem.display())
                } else {
                    String::new()
                };
                let (frontend, port) = (way.frontend, daemon.port(listener));
                writeln!(sections, "listen in_{frontend}\n    mode tcp").unwrap();
                writeln!(
                    sections,
                    "    bind 127.0.0.1:{frontend} {ssl}\n    bind [::1]:{frontend} {ssl}"
                )
                .unwrap();
                writeln!(sections, "    server us {to}:{port} {send}").unwrap();
                ways.push(way);
            }
        }
    }
    let first = ways[0].frontend;
    let _haproxy = Haproxy::start_in(folder, &sections, first);

    for Way {
        frontend,
        listener,
        tls_in_front,
    } in ways
    {
        for over_ipv6 in [false, true] {
            let socket = if over_ipv6 {
                connect_v6(frontend)
            } else {
                connect(frontend)
            };
            let source = socket.local_addr().unwrap().port();
            let expected = if over_ipv6 {
                format!("PROXY TCP6 ::1 ::1 {source} {frontend}")
            } else {
                format!("PROXY TCP4 127.66.0.1 127.0.0.1 {source} {frontend}")
            };
            let heard = if tls_in_front || listener == "chat_tls_lb" {
                let mut client = TlsClient::over(socket).unwrap();
                client.write_all(b"hello").unwrap();
                client.flush().unwrap();
                accepted.recv_timeout(client::PATIENCE)
            } else {
                let mut client = socket;
                client.write_all(b"hello").unwrap();
                client.shutdown(Shutdown::Write).unwrap();
                accepted.recv_timeout(client::PATIENCE)
            };
            let mut heard = heard
                .unwrap_or_else(|_| panic!("nothing arrives through {listener} from {expected}"));
            assert_eq!(heard.header, expected, "by way of {listener}");
            let mut bytes = [0; 5];
            heard.stream.read_exact(&mut bytes).unwrap();
            assert_eq!(&bytes, b"hello");
        }
    }
}

#[test]
fn addresses_arrive_at_haproxy_behind() {
    let mut sections = String::new();
    let mut setup = Setup::new();
    let (first, second) = (port::fresh(), port::fresh());
    for (port, host) in [(first, "127.0.0.1"), (second, "[::1]")] {
        writeln!(
            sections,
            "frontend at_{port}\n    mode http\n    bind {host}:{port} accept-proxy"
        )
        .unwrap();
        let said = "\"%[src] %[src_port] %[dst] %[dst_port]\"";
        writeln!(
            sections,
            "    http-request return status 200 content-type text/plain lf-string {said}"
        )
        .unwrap();
        for version in ["v1", "v2"] {
            let name = format!("{version}_{port}");
            setup = setup.with(listener(&name, &name)).with(upstream(
                &name,
                format!("{host}:{port}"),
                version,
            ));
        }
    }
    let _haproxy = Haproxy::start(&sections, first);
    let daemon = Daemon::start(&setup);
    for port in [first, second] {
        for version in ["v1", "v2"] {
            let ours = daemon.port(&format!("{version}_{port}"));
            let mut client = connect(ours);
            let source = client.local_addr().unwrap().port();
            assert_eq!(
                ask(&mut client),
                format!("127.66.0.1 {source} 127.0.0.1 {ours}"),
                "{version}"
            );
            let mut client = connect_v6(ours);
            let source = client.local_addr().unwrap().port();
            assert_eq!(
                ask(&mut client),
                format!("::1 {source} ::1 {ours}"),
                "{version}"
            );
        }
    }
}

/// The body of the answer to a request.
fn ask(client: &mut (impl Read + Write)) -> String {
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let (answer, _) = client::read_to_end(client);
    let answer = String::from_utf8(answer).unwrap();
    let (_, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer, but {answer:?}"));
    body.to_owned()
}
