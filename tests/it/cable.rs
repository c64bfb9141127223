//! A cable is pulled, on the side of the client or of the upstream: who is gone without a word is
//! noticed within the bounds of `src/socket.rs`, and others are not disturbed. Needs root.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::client::patient;
use crate::support::daemon::Daemon;
use crate::support::namespace::Namespace;
use crate::support::setup::{Setup, listener_on, upstream};
use crate::support::stand_in::StandIn;

/// Of `src/socket.rs`, with time for a busy machine.
const GONE_WITHIN: Duration = Duration::from_secs(150);

#[test]
fn who_is_behind_a_pulled_cable_is_gone_within_the_user_timeout() {
    let (router, phone, home) = (Namespace::new(), Namespace::new(), Namespace::new());
    router.join_phone(&phone);
    router.ip(&format!(
        "link add far type veth peer name near netns {}",
        home.name()
    ));
    for (namespace, device, host) in [(&router, "far", 1), (&home, "near", 2)] {
        namespace.ip(&format!("addr add 198.51.100.{host}/24 dev {device}"));
        namespace.ip(&format!("link set {device} up"));
    }
    let talker = |place: &Namespace, address: Ipv4Addr| {
        place.inside(|| StandIn::on(TcpListener::bind((address, 5222)).unwrap(), talk))
    };
    let local = talker(&router, Ipv4Addr::LOCALHOST);
    let far = talker(&home, Ipv4Addr::new(198, 51, 100, 2));
    let setup = Setup::new()
        .main("idle_timeout", 3600)
        .with(listener_on(10443, "by_local", "chat"))
        .with(listener_on(10444, "by_far", "web"))
        .with(upstream("chat", local.address(), "none"))
        .with(upstream("web", far.address(), "none"));
    let daemon = Daemon::start_under(&router.prefix(), &setup);
    let connect = |place: &Namespace, host: Ipv4Addr, port: u16, word: &[u8]| {
        let mut client = place.inside(|| TcpStream::connect((host, port)).unwrap());
        patient(&client);
        client.write_all(word).unwrap();
        client.read_exact(&mut [0; 1]).unwrap();
        if word == b"b" {
            let mut bulk = client.try_clone().unwrap();
            // Until the end, which comes late to who is behind the cable.
            thread::spawn(move || while let Ok(1..) = bulk.read(&mut [0; 16_384]) {});
        }
        client
    };
    let wan = Ipv4Addr::new(192, 0, 2, 1);
    let mut clients = Vec::new();
    for word in [b"i", b"b"] {
        // Behind the cable of the phone, behind that of the upstream, and behind none.
        clients.push(connect(&phone, wan, 10443, word));
        clients.push(connect(&router, Ipv4Addr::LOCALHOST, 10444, word));
    }
    let mut untouched = connect(&router, Ipv4Addr::LOCALHOST, 10443, b"i");
    assert_eq!(daemon.status().open(), 5);

    router.ip("link set wan down");
    router.ip("link set far down");
    let pulled = Instant::now();
    while daemon.status().open() > 1 {
        assert!(
            pulled.elapsed() < GONE_WITHIN,
            "{:#}\n{}",
            daemon.status().0,
            daemon.log()
        );
        thread::sleep(Duration::from_millis(500));
    }
    println!("all gone after {:?}", pulled.elapsed());
    let status = daemon.status();
    assert_eq!(
        status.ended("by_local", "reset_by_client"),
        2,
        "{:#}",
        status.0
    );
    assert_eq!(
        status.ended("by_far", "reset_by_upstream"),
        2,
        "{:#}",
        status.0
    );
    untouched.write_all(b"i").unwrap();
    untouched.read_exact(&mut [0; 1]).unwrap();
}

/// Answers an `i` with a byte, and a `b` with bulk without end.
fn talk(mut stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(None)?;
    stream.set_write_timeout(None)?;
    let mut word = [0];
    while stream.read(&mut word)? == 1 {
        stream.write_all(&word)?;
        if &word == b"b" {
            loop {
                stream.write_all(&[0; 16_384])?;
            }
        }
    }
    Ok(())
}
