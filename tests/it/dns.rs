//! A router boots before its WAN is up: names that cannot be resolved yet. Needs root.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::client::{SOURCE, connect_from};
use crate::support::daemon::Daemon;
use crate::support::dnsmasq::dnsmasq;
use crate::support::namespace::Namespace;
use crate::support::setup::{Setup, listener, upstream};
use crate::support::stand_in::{StandIn, echo};

#[test]
fn dns_that_is_dead_at_start_heals_without_a_restart() {
    let network = Namespace::new();
    network.write_etc(
        "resolv.conf",
        "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
    );
    let echo = network.inside(|| {
        StandIn::on(
            TcpListener::bind((Ipv4Addr::LOCALHOST, 5222)).unwrap(),
            echo,
        )
    });
    let setup = Setup::new()
        .main("connect_timeout", 2)
        .with(listener("chat_in", "chat"))
        .with(upstream(
            "chat",
            format!("chat.whatsapp.test:{}", echo.address().port()),
            "none",
        ));
    let daemon = Daemon::start_under(&network.prefix(), &setup);
    let connect = || {
        let target = (Ipv4Addr::LOCALHOST, daemon.port("chat_in"));
        network.inside(|| connect_from(SOURCE, target).unwrap())
    };

    assert!(!ping(connect()), "it works without DNS");
    daemon.until("counted", |status| {
        status.ended("chat_in", "upstream_unresolved") == 1
    });
    let error = daemon.status().upstream("chat")["last_error"].to_string();
    assert!(
        error.contains("chat.whatsapp.test"),
        "the status does not say what is wrong: {error}"
    );

    let answer = "--address=/chat.whatsapp.test/127.0.0.1";
    let mut dnsmasq = dnsmasq(&network, &["--listen-address=127.0.0.1", answer]);

    // A minute is the time between two tries where nothing asks for more.
    let deadline = Instant::now() + Duration::from_secs(90);
    while !ping(connect()) {
        assert!(dnsmasq.has_ended().is_none(), "{}", dnsmasq.said());
        assert!(
            Instant::now() < deadline,
            "it does not heal:\n{}",
            daemon.log()
        );
        thread::sleep(Duration::from_millis(250));
    }
}

fn ping(mut stream: TcpStream) -> bool {
    let mut answer = [0; 4];
    stream
        .write_all(b"ping")
        .and_then(|()| stream.read_exact(&mut answer))
        .is_ok()
}
