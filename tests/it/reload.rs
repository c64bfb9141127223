//! SIGHUP: what changed changes, what did not lives on.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::client::{PATIENCE, SOURCE, connect_from, read_exactly};
use crate::support::daemon::Daemon;
use crate::support::random::Random;
use crate::support::setup::{Setup, listener, listener_on, upstream};
use crate::support::stand_in::StandIn;
use crate::support::tls::{TlsClient, hello_for};
use crate::support::transfer::Transfers;

#[test]
fn transfers_survive_good_and_bad_files_and_the_end_of_their_listener() {
    let echo = StandIn::echo();
    let setup = Setup::new()
        .with(listener("plain", "chat"))
        .with(listener("tls", "chat").option("tls", 1))
        .with(listener("leaving", "chat"))
        .with(listener("leaving_tls", "chat").option("tls", 1))
        .with(upstream("chat", echo.address(), "none"));
    let mut daemon = Daemon::start(&setup);
    let mut running = Vec::new();
    for (plain, tls) in [("plain", "tls"), ("leaving", "leaving_tls")] {
        running.push(Transfers::start(25, || Box::new(daemon.connect(plain))));
        running.push(Transfers::start(25, || Box::new(daemon.connect_tls(tls))));
    }
    daemon.until("100 are open", |status| status.open() == 100);

    let quicker = setup.clone().main("idle_timeout", 100);
    daemon.reload(&quicker);
    thread::sleep(A_WHILE);

    daemon.reload_text(
        &quicker
            .text()
            .replace("option idle_timeout '100'", "option idle_timeout 'soon'"),
    );
    let status = daemon.until("the error shows", |status| {
        !status.configuration_errors().is_empty()
    });
    let error = status.configuration_errors()[0].to_string();
    assert!(
        error.contains("idle_timeout") && error.contains("soon"),
        "{error}"
    );
    assert!(
        daemon.log().contains("idle_timeout"),
        "the error is not in the log:\n{}",
        daemon.log()
    );
    assert!(
        status.find("leaving").is_some(),
        "the running configuration stays"
    );
    thread::sleep(A_WHILE);

    daemon.reload(&quicker);
    daemon.until("the error is gone", |status| {
        status.configuration_errors().is_empty()
    });

    daemon.reload(&quicker.clone().without("leaving").without("leaving_tls"));
    wait_until_closed(setup.port("leaving"));
    wait_until_closed(setup.port("leaving_tls"));
    thread::sleep(A_WHILE);

    for transfers in running {
        assert!(transfers.finish() > 0);
    }
    daemon.until("none is open", |status| status.open() == 0);
}

#[test]
fn listeners_that_stay_lose_no_connection_in_a_hundred_reloads() {
    let echo = StandIn::echo();
    let base = Setup::new()
        .with(listener("untouched", "chat"))
        .with(listener("changing", "chat"))
        .with(listener("coming", "chat"))
        .with(upstream("chat", echo.address(), "none"))
        .with(upstream("other", echo.address(), "none"));
    let mut daemon = Daemon::start(&base);
    let port = |name: &str| SocketAddr::from((Ipv4Addr::LOCALHOST, base.port(name)));
    let changed_on = base.port("changing");
    let storm = Storm::default();
    thread::scope(|scope| {
        let calm = Calm(&storm);
        let tallies = ["untouched", "changing", "coming"].map(|name| {
            let (target, storm) = (port(name), &storm);
            (
                name,
                [1, 2].map(|seed| scope.spawn(move || storm.blow(target, seed, Ok))),
            )
        });
        for round in 0..100 {
            let coming = round % 2 == 1;
            let service = if coming { "chat" } else { "other" };
            let changing = listener_on(changed_on, "changing", service);
            let setup = base.clone().with(changing);
            daemon.reload(&if coming {
                setup
            } else {
                setup.without("coming")
            });
            daemon.until("the file was read", |status| {
                status.listener("changing")["service"] == service
            });
        }
        drop(calm);
        for (name, storms) in tallies {
            let tallies = storms.map(|storm| storm.join().unwrap());
            let Tally {
                good,
                lost,
                refused,
            } = tallies[0].plus(tallies[1]);
            println!("{name}: {good} good, {lost} lost, {refused} found the port closed");
            assert!(good > 100, "hardly any connection came to {name}: {good}");
            if name != "coming" {
                assert_eq!((lost, refused), (0, 0), "lost on {name}, which stayed");
            }
        }
    });
    daemon.until("none is open", |status| status.open() == 0);
}

#[test]
fn a_listener_that_becomes_one_for_all_and_is_one_no_more_loses_no_connection() {
    let echo = StandIn::echo();
    let chat = Setup::new()
        .with(listener("chat_tls", "chat").option("tls", 1))
        .with(upstream("chat", echo.address(), "none"))
        .with(upstream("media", echo.address(), "none"));
    let port = chat.port("chat_tls");
    let all = listener_on(port, "chat_tls", "auto").option("tls", 1);
    let all = chat.clone().with(all);
    let mut daemon = Daemon::start(&chat);
    let transfers = Transfers::start(10, || Box::new(daemon.connect_tls("chat_tls")));
    let mut media = Vec::new();
    let storm = Storm::default();
    let Tally {
        good,
        lost,
        refused,
    } = thread::scope(|scope| {
        let calm = Calm(&storm);
        let target = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let storms = [1, 2].map(|seed| {
            let storm = &storm;
            scope.spawn(move || storm.blow(target, seed, TlsClient::over))
        });
        for (setup, service) in [(&all, "auto"), (&chat, "chat")].repeat(10) {
            daemon.reload(setup);
            daemon.until("the file was read", |status| {
                status.listener("chat_tls")["service"] == service
            });
            if service == "auto" {
                let hello = hello_for("mmg.whatsapp.net");
                let mut client = daemon.connect("chat_tls");
                client.write_all(&hello).unwrap();
                assert_eq!(read_exactly(&mut client, hello.len()), hello);
                media.push(client);
            }
        }
        drop(calm);
        let [first, second] = storms.map(|storm| storm.join().unwrap());
        first.plus(second)
    });
    println!("{good} good, {lost} lost, {refused} found the port closed");
    assert!(good > 100, "hardly any connection came: {good}");
    assert_eq!((lost, refused), (0, 0));
    for mut client in media {
        ping(&mut client).unwrap();
    }
    assert!(transfers.finish() > 0);
    daemon.until("none is open", |status| status.open() == 0);
}

#[test]
fn a_listener_keeps_its_connections_and_gives_new_ones_its_new_settings() {
    let (first, second) = (named("first "), named("second"));
    let setup = Setup::new()
        .with(listener("chat_in", "one"))
        .with(upstream("one", first.address(), "none"))
        .with(upstream("two", second.address(), "none"));
    let mut daemon = Daemon::start(&setup);
    let port = daemon.port("chat_in");
    let mut old = daemon.connect("chat_in");
    assert_eq!(name_of(&mut old), "first ");

    let tls = listener_on(port, "chat_in", "two").option("tls", 1);
    daemon.reload(&setup.with(tls));
    daemon.until("the file was read", |status| {
        status.listener("chat_in")["tls"] == true
    });
    let mut new = daemon.connect_tls("chat_in");
    assert_eq!(name_of(&mut new), "second");
    assert_eq!(name_of(&mut old), "first ");
}

#[test]
fn a_new_listener_whose_port_is_taken_leaves_the_others_alone() {
    let echo = StandIn::echo();
    let setup = Setup::new()
        .with(listener("chat_in", "chat"))
        .with(upstream("chat", echo.address(), "none"));
    let mut daemon = Daemon::start(&setup);
    let late = listener("late", "chat");
    let with_late = setup.clone().with(late);
    let port = with_late.port("late");
    let taken = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).unwrap();
    daemon.reload(&with_late);
    daemon.until("the log names the port", |_| {
        daemon.log().contains(&port.to_string())
    });
    echo_through(&daemon, "chat_in");

    drop(taken);
    daemon.until("it listens", |status| {
        // Again and again: a program that another test is about to start has our socket for a
        // moment longer.
        daemon.hang_up();
        status.find("late").is_some() && connects(port)
    });
    echo_through(&daemon, "late");
}

#[test]
fn a_file_that_switches_the_proxy_off_is_an_error_and_it_runs_on() {
    let echo = StandIn::echo();
    let setup = Setup::new()
        .with(listener("chat_in", "chat"))
        .with(upstream("chat", echo.address(), "none"));
    let mut daemon = Daemon::start(&setup);
    let mut old = daemon.connect("chat_in");
    ping(&mut old).unwrap();

    daemon.reload(&setup.clone().main("enabled", 0));
    let status = daemon.until("the error shows", |status| {
        !status.configuration_errors().is_empty()
    });
    let error = status.configuration_errors()[0].to_string();
    assert!(error.contains("option enabled '0'"), "{error}");
    ping(&mut old).unwrap();
    echo_through(&daemon, "chat_in");

    daemon.reload(&setup);
    daemon.until("the error is gone", |status| {
        status.configuration_errors().is_empty()
    });
}

/// Connections that come and go as fast as they can.
#[derive(Default)]
struct Storm {
    over: AtomicBool,
}

/// Ends a storm when it is dropped, as also by a panic.
struct Calm<'a>(&'a Storm);

impl Drop for Calm<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

/// What became of the connections of a storm.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    good: u64,
    /// Accepted, but not served.
    lost: u64,
    /// Not accepted.
    refused: u64,
}

impl Storm {
    /// On connections of which `begin` makes what is spoken over.
    fn blow<S: Read + Write>(
        &self,
        target: SocketAddr,
        seed: u64,
        begin: impl Fn(TcpStream) -> io::Result<S>,
    ) -> Tally {
        let mut random = Random::new(seed);
        let mut tally = Tally::default();
        while !self.over.load(Ordering::Relaxed) {
            // Many sources, or the ports of one would run out.
            let [.., third, fourth] = random.next().to_be_bytes();
            match connect_from(Ipv4Addr::new(127, 66, third, fourth), target) {
                Err(_) => {
                    tally.refused += 1;
                    thread::sleep(Duration::from_millis(1));
                }
                Ok(stream) => match begin(stream).and_then(|mut stream| ping(&mut stream)) {
                    Ok(()) => tally.good += 1,
                    Err(_) => tally.lost += 1,
                },
            }
        }
        tally
    }
}

impl Tally {
    fn plus(self, other: Self) -> Self {
        Self {
            good: self.good + other.good,
            lost: self.lost + other.lost,
            refused: self.refused + other.refused,
        }
    }
}

const A_WHILE: Duration = Duration::from_secs(1);

fn ping(stream: &mut (impl Read + Write)) -> io::Result<()> {
    stream.write_all(b"ping")?;
    stream.read_exact(&mut [0; 4])
}

fn echo_through(daemon: &Daemon, listener: &str) {
    ping(&mut daemon.connect(listener)).unwrap();
}

fn connects(port: u16) -> bool {
    connect_from(SOURCE, (Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Waits until nobody listens on a port.
fn wait_until_closed(port: u16) {
    let deadline = Instant::now() + PATIENCE;
    while connects(port) {
        assert!(Instant::now() < deadline, "a removed listener accepts");
        thread::sleep(Duration::from_millis(20));
    }
}

/// An upstream that answers everything with its name.
fn named(name: &'static str) -> StandIn {
    StandIn::new(move |mut stream| {
        let mut question = [0];
        while stream.read(&mut question)? > 0 {
            stream.write_all(name.as_bytes())?;
        }
        Ok(())
    })
}

/// Asks the [`named`] upstream behind a connection.
fn name_of(client: &mut (impl Read + Write)) -> String {
    client.write_all(b"?").unwrap();
    client.flush().unwrap();
    String::from_utf8(read_exactly(client, NAME_LENGTH)).unwrap()
}

const NAME_LENGTH: usize = 6;
