//! The section `budget`: a rate that all share, bytes that are used up, and hours.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::support::client::{Ending, read_exactly, read_to_end};
use crate::support::faketime::FakeClock;
use crate::support::namespace::Namespace;
use crate::support::relayed::{Kind, Stage};
use crate::support::setup::{Section, Setup};

/// Mbit/s, and the bytes that it lets pass in a second.
const RATE: u64 = 40;
const BYTES: u64 = RATE * 125_000;

fn budget() -> Section {
    Section::new("budget", "budget")
}

#[test]
fn one_connection_gets_the_rate_in_either_direction() {
    let stage = Stage::new(Setup::new().with(budget().option("rate", RATE)));
    for kind in Kind::BOTH {
        for way in [Way::Up, Way::Down] {
            let [moved] = move_bulk(&stage, [(kind, way)]);
            assert_near(moved, BYTES, &format!("{kind:?} {way:?}"));
        }
    }
}

#[test]
fn many_connections_share_the_rate_fairly() {
    let stage = Stage::new(Setup::new().with(budget().option("rate", RATE)));
    let (plain, tls) = (Kind::Plain, Kind::Tls);
    let moved = move_bulk(
        &stage,
        [
            (plain, Way::Up),
            (plain, Way::Up),
            (plain, Way::Down),
            (plain, Way::Down),
            (tls, Way::Up),
            (tls, Way::Up),
            (tls, Way::Down),
            (tls, Way::Down),
        ],
    );
    assert_near(moved.iter().sum(), BYTES, "all");
    for one in moved {
        let share = BYTES / 8;
        assert!((share / 2..share * 2).contains(&one), "{moved:?}");
    }
}

#[test]
fn who_sends_little_is_not_kept_waiting_by_who_sends_much() {
    // At the lowest rate one turn takes a quarter of a second.
    for rate in [8, 1] {
        beside_greed(rate, |stage| {
            let (mut client, mut upstream) = stage.connect_plain();
            let mut slowest = Duration::ZERO;
            for _ in 0..50 {
                let start = Instant::now();
                client.write_all(b"ping").unwrap();
                assert_eq!(read_exactly(&mut upstream, 4), b"ping");
                slowest = slowest.max(start.elapsed());
                // The messages come at any time of a turn.
                thread::sleep(Duration::from_millis(20));
            }
            println!("{slowest:?} at most beside twenty who send all they can, at {rate}");
            assert!(slowest < Duration::from_secs(2), "{slowest:?}");
        });
    }
}

#[test]
fn the_first_words_of_a_newcomer_pass_where_many_begin_at_once() {
    // A round of turns takes five seconds. On a machine that is too busy to let all read whose turn it is,
    // turns add up, and who comes just then waits for a round.
    let passed = (0..3).any(|_| slowest_newcomer() < Duration::from_secs(1));
    assert!(passed, "as the lines above say");
}

/// The longest of first words there and back beside twenty who begin to send all they can.
fn slowest_newcomer() -> Duration {
    let stage = Stage::new(Setup::new().with(budget().option("rate", 1)));
    let over = AtomicBool::new(false);
    let mut greedy: Vec<_> = (0..20).map(|_| stage.connect_plain()).collect();
    let begin = &Barrier::new(greedy.len() + 1);
    let slowest = thread::scope(|scope| {
        let _over = AtTheEnd(&over);
        for (client, upstream) in &mut greedy {
            let over = &over;
            scope.spawn(move || {
                begin.wait();
                pour(client, over);
            });
            scope.spawn(move || drink(upstream, &AtomicU64::new(0)));
        }
        begin.wait();
        let newcomer = |i: usize| {
            let start = Instant::now();
            let (mut client, mut upstream) = stage.connect(Kind::BOTH[i % 2]);
            client.write_all(b"ping").unwrap();
            assert_eq!(read_exactly(&mut upstream, 4), b"ping");
            upstream.write_all(b"pong").unwrap();
            assert_eq!(read_exactly(&mut *client, 4), b"pong");
            start.elapsed()
        };
        let slowest = (0..20).map(newcomer).max().unwrap();
        stage.daemon.terminate();
        slowest
    });
    println!("{slowest:?} at most beside twenty who begin at once");
    slowest
}

#[test]
fn what_waits_for_its_turn_arrives_whole_after_both_ends_have_closed() {
    // A round of turns takes five times as long as a side may be silent.
    let bytes = vec![7; 70_000];
    beside_greed(1, |stage| {
        thread::scope(|scope| {
            for kind in Kind::BOTH {
                let (mut client, mut upstream) = stage.connect(kind);
                let bytes = &bytes;
                scope.spawn(move || {
                    upstream.write_all(bytes).unwrap();
                    upstream.shutdown(Shutdown::Write).unwrap();
                    client.finish().unwrap();
                    let (read, end) = read_to_end(&mut *client);
                    assert_eq!((read.len(), end), (bytes.len(), Ending::Closed), "{kind:?}");
                });
            }
        });
    });
}

#[test]
fn what_is_given_up_while_it_waits_for_its_turn_does_not_look_whole() {
    let setup = Setup::new().main("idle_timeout", 1);
    let stage = Stage::new(setup.with(budget().option("rate", 1)));
    let bytes = vec![7; 100_000];
    let mut cut = 0;
    thread::scope(|scope| {
        let downloads: Vec<_> = (0..20)
            .map(|i| {
                let (mut client, mut upstream) = stage.connect(Kind::BOTH[i % 2]);
                let bytes = &bytes;
                scope.spawn(move || {
                    upstream.write_all(bytes).unwrap();
                    upstream.shutdown(Shutdown::Write).unwrap();
                    read_to_end(&mut *client)
                })
            })
            .collect();
        for download in downloads {
            let (read, end) = download.join().unwrap();
            assert_eq!(end == Ending::Closed, read.len() == bytes.len(), "{end:?}");
            cut += usize::from(end != Ending::Closed);
        }
    });
    assert!(cut > 0, "all had their turns in time");
}

#[test]
fn a_reload_sets_changes_and_lifts_the_rate_of_connections_that_are_open() {
    let mut stage = Stage::new(Setup::new());
    let setup = stage.setup().clone();
    let (over, moved) = (AtomicBool::new(false), AtomicU64::new(0));
    let (mut client, mut upstream) = stage.connect_plain();
    thread::scope(|scope| {
        let _over = AtTheEnd(&over);
        scope.spawn(|| {
            pour(&mut client, &over);
            client.shutdown(Shutdown::Write).unwrap();
        });
        scope.spawn(|| drink(&mut upstream, &moved));
        let mut measured = Vec::new();
        for rate in [0, RATE, RATE / 4, 0] {
            let with_rate = setup.clone().with(budget().option("rate", rate));
            stage.daemon.reload(&with_rate);
            let expected = (rate > 0).then_some(rate * 1_000_000);
            stage.daemon.until("the rate is set", |status| {
                status.0["budget"]["rate"].as_u64() == expected
            });
            thread::sleep(Duration::from_secs(1));
            let (before, start) = (moved.load(Ordering::Relaxed), Instant::now());
            thread::sleep(Duration::from_secs(2));
            measured.push(per_second(moved.load(Ordering::Relaxed) - before, start));
        }
        let [free, limited, less, free_again] = measured[..] else {
            unreachable!()
        };
        assert_near(limited, BYTES, "limited");
        assert_near(less, BYTES / 4, "less");
        assert!(free > 4 * BYTES && free_again > 4 * BYTES, "{measured:?}");
    });
}

#[test]
fn what_the_home_takes_of_the_line_is_left_to_it() {
    assert_the_home_goes_first(
        &["route add default via 192.0.2.66 dev wan"],
        "192.0.2.66:9",
    );
}

#[test]
fn what_the_home_takes_of_a_line_with_ipv6_alone_is_left_to_it() {
    assert_the_home_goes_first(&[IPV6_ROUTE], "[2001:db8::66]:9");
}

#[test]
fn what_the_home_takes_of_the_line_beside_a_tunnel_for_ipv4_is_left_to_it() {
    let tunnel = [
        "link add tunnel type veth peer name far",
        "link set far up",
        "link set tunnel up",
        "route add default dev tunnel",
    ];
    assert_the_home_goes_first(&[&tunnel[..], &[IPV6_ROUTE]].concat(), "[2001:db8::66]:9");
}

const IPV6_ROUTE: &str = "-6 route add default via 2001:db8::66 dev wan";

/// The home sends to `address`, on a router with these `ways` to the Internet.
fn assert_the_home_goes_first(ways: &[&str], address: &str) {
    let (router, phone) = (Namespace::new(), Namespace::new());
    router.join_phone(&phone);
    for way in ways {
        router.ip(way);
    }
    let first = budget().option("rate", RATE).option("family_first", 1);
    let stage = Stage::inside(&router, Setup::new().with(first));
    let rate = |bits: u64| {
        stage.daemon.until("the rate is as it should be", |status| {
            status.0["budget"]["rate"] == bits
        })
    };
    rate(RATE * 1_000_000);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let _over = AtTheEnd(&over);
        scope.spawn(|| {
            router.inside(|| {
                let socket = UdpSocket::bind("[::]:0").unwrap();
                while !over.load(Ordering::Relaxed) {
                    for _ in 0..100 {
                        // Nobody has to get it.
                        let _ = socket.send_to(&[0; 1_400], address);
                    }
                    thread::sleep(Duration::from_millis(5));
                }
            });
        });
        rate(RATE * 100_000);
    });
    rate(RATE * 1_000_000);
}

#[test]
fn when_the_bytes_are_used_up_all_end_and_nobody_is_let_in() {
    let mut stage = Stage::new(Setup::new());
    let setup = stage.setup().clone();
    let little = budget().option("bytes", "4MB").option("period", "day");
    stage.daemon.reload(&setup.clone().with(little));
    stage.daemon.until("the file was read", |status| {
        status.0["budget"]["bytes"] == 4_000_000
    });
    let mut ends = Kind::BOTH.map(|kind| stage.connect(kind));
    let bytes = vec![7; 1_100_000];
    for (client, upstream) in &mut ends {
        thread::scope(|scope| {
            scope.spawn(|| client.write_all(&bytes).unwrap());
            assert!(read_exactly(upstream, bytes.len()) == bytes);
        });
    }
    assert_all_end(&mut ends);
    let status = stage
        .daemon
        .until("none is open", |status| status.open() == 0);
    let told = &status.0["budget"];
    let carried: u64 = ["plain", "tls"]
        .map(|name| status.listener(name)["bytes_up"].as_u64().unwrap())
        .iter()
        .sum();
    assert_eq!(told["pause"], "budget");
    assert_eq!(told["used_bytes"], carried * 2);
    assert!(
        told["until"].as_str().unwrap().ends_with(" 00:00"),
        "{told}"
    );
    assert_eq!(told["until_unix"], told["anew_unix"]);
    for kind in Kind::BOTH {
        assert_eq!(status.ended(kind.listener(), "budget"), 1);
        assert_turned_away(&stage, kind);
    }
    let status = stage.daemon.status();
    assert_eq!(status.refused("plain", "budget"), 1);
    assert_eq!(status.refused("tls", "budget"), 1);
    let metrics = stage.daemon.ask("metrics", &[]).success();
    assert!(
        metrics.contains("waproxy_paused{reason=\"budget\"} 1"),
        "{metrics}"
    );
    let text = stage.daemon.ask("status", &[]).success();
    assert!(text.contains("the budget is used up"), "{text}");
    assert_eq!(
        stage.daemon.log().matches("nobody is let in until").count(),
        1
    );

    let more = budget().option("bytes", "1GB").option("period", "day");
    stage.daemon.reload(&setup.with(more));
    stage.daemon.until("people are let in", |status| {
        status.0["budget"]["pause"].is_null()
    });
    assert!(stage.daemon.log().contains("people are let in again"));
    for kind in Kind::BOTH {
        let (mut client, mut upstream) = stage.connect(kind);
        client.write_all(b"again").unwrap();
        assert_eq!(read_exactly(&mut upstream, 5), b"again");
    }
}

#[test]
fn a_restart_begins_no_budget_anew() {
    let mut stage = Stage::new(Setup::new());
    let setup = stage.setup().clone();
    let little = budget().option("bytes", "4MB").option("period", "day");
    let limited = setup.clone().with(little);
    let file = stage.daemon.state_folder().join("budget");
    assert!(!file.exists(), "there is nothing to keep");
    stage.daemon.reload(&limited);
    let used = |stage: &Stage, bytes: u64| {
        stage.daemon.until("so much is used", |status| {
            status.0["budget"]["used_bytes"].as_u64() >= Some(bytes)
        })
    };
    let send = |stage: &Stage, bytes: usize| {
        let (mut client, mut upstream) = stage.connect_plain();
        thread::scope(|scope| {
            scope.spawn(|| client.write_all(&vec![7; bytes]).unwrap());
            read_exactly(&mut upstream, bytes);
        });
    };
    send(&stage, 1_000_000);
    used(&stage, 2_000_000);
    assert!(!file.exists(), "once an hour at most");
    stage.daemon.terminate();
    stage.daemon.wait();
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    stage.daemon.start_again();
    used(&stage, 2_000_000);
    send(&stage, 1_100_000);
    stage.daemon.until("it is used up", |status| {
        status.0["budget"]["pause"] == "budget"
    });
    // Nor does one that nobody is told of.
    stage.daemon.kill();
    stage.daemon.start_again();
    used(&stage, 4_200_000);
    assert_turned_away(&stage, Kind::Plain);
    assert_eq!(stage.daemon.status().refused("plain", "budget"), 1);

    stage.daemon.reload(&setup);
    stage.daemon.until("it is removed", |_| !file.exists());
}

#[test]
fn outside_of_the_hours_nobody_is_let_in_and_then_again() {
    let clock = FakeClock::new();
    let set = |hour: i64, minute: i64, second: i64| {
        let wanted = hour * 3_600 + minute * 60 + second;
        clock.set(&format!("{:+}", wanted - second_of_day()));
    };
    set(12, 0, 0);
    let hours = budget().option("hours", "07:00-23:00");
    let stage = Stage::under(&clock.prefix(), Setup::new().with(hours));
    let pause = |pause: &str| {
        let what = format!("pause is '{pause}'");
        stage.daemon.until(&what, |status| {
            status.0["budget"]["pause"].as_str().unwrap_or_default() == pause
        })
    };
    pause("");
    let mut ends = Kind::BOTH.map(|kind| stage.connect(kind));
    set(23, 0, 1);
    let status = pause("hours");
    let until = status.0["budget"]["until"].as_str().unwrap();
    assert!(until.ends_with(" 07:00"), "{until}");
    assert!(
        stage
            .daemon
            .log()
            .contains(&format!("nobody is let in until {until}"))
    );
    assert_all_end(&mut ends);
    for kind in Kind::BOTH {
        assert_turned_away(&stage, kind);
    }
    assert_eq!(stage.daemon.status().refused("tls", "hours"), 1);
    set(6, 59, 30);
    pause("hours");
    set(7, 0, 1);
    pause("");
    for kind in Kind::BOTH {
        let (mut client, mut upstream) = stage.connect(kind);
        client.write_all(b"morning").unwrap();
        assert_eq!(read_exactly(&mut upstream, 7), b"morning");
    }
}

/// Does something where twenty others send all they can, at `rate`.
fn beside_greed(rate: u64, act: impl FnOnce(&Stage)) {
    let setup = Setup::new().main("half_close_timeout", 1);
    let stage = Stage::new(setup.with(budget().option("rate", rate)));
    let over = AtomicBool::new(false);
    let mut greedy: Vec<_> = (0..20).map(|_| stage.connect_plain()).collect();
    thread::scope(|scope| {
        let _over = AtTheEnd(&over);
        for (client, upstream) in &mut greedy {
            let over = &over;
            scope.spawn(move || pour(client, over));
            scope.spawn(move || drink(upstream, &AtomicU64::new(0)));
        }
        // Until all of them wait for their turn.
        thread::sleep(Duration::from_secs(2));
        act(&stage);
        stage.daemon.terminate();
    });
}

/// Tells other threads that it is over, also when an assertion has failed.
struct AtTheEnd<'a>(&'a AtomicBool);

impl Drop for AtTheEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug)]
enum Way {
    Up,
    Down,
}

/// Moves all that goes over each of some connections, and gives the bytes a second of each.
fn move_bulk<const N: usize>(stage: &Stage, over: [(Kind, Way); N]) -> [u64; N] {
    let mut ends = over.map(|(kind, way)| (stage.connect(kind), way));
    let counts = [const { AtomicU64::new(0) }; N];
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for (((client, upstream), way), count) in ends.iter_mut().zip(&counts) {
            let stop = &stop;
            match way {
                Way::Up => {
                    scope.spawn(move || {
                        pour(&mut **client, stop);
                        let _ = client.finish();
                    });
                    scope.spawn(move || drink(upstream, count));
                }
                Way::Down => {
                    scope.spawn(move || {
                        pour(upstream, stop);
                        let _ = upstream.shutdown(Shutdown::Write);
                    });
                    scope.spawn(move || drink(&mut **client, count));
                }
            }
        }
        thread::sleep(Duration::from_secs(1));
        let now = || counts.each_ref().map(|count| count.load(Ordering::Relaxed));
        let (before, start) = (now(), Instant::now());
        thread::sleep(Duration::from_secs(4));
        let mut moved = now();
        for (moved, before) in moved.iter_mut().zip(before) {
            *moved = per_second(*moved - before, start);
        }
        stop.store(true, Ordering::Relaxed);
        let all: u64 = moved.iter().sum();
        println!("{over:?}: {moved:?}, {all} of {BYTES}");
        moved
    })
}

fn per_second(bytes: u64, start: Instant) -> u64 {
    bytes * 1_000 / u64::try_from(start.elapsed().as_millis()).unwrap()
}

/// Sends as much as goes until it is over.
fn pour(into: &mut (impl Write + ?Sized), over: &AtomicBool) {
    let bytes = vec![7; 64 * 1024];
    while !over.load(Ordering::Relaxed) {
        if into.write_all(&bytes).is_err() {
            return;
        }
    }
}

/// Reads to the end, and counts meanwhile.
fn drink(from: &mut (impl Read + ?Sized), count: &AtomicU64) {
    let mut buffer = vec![0; 256 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        count.fetch_add(read as u64, Ordering::Relaxed);
    }
}

/// Loosely: a machine may have other things to do.
fn assert_near(bytes: u64, expected: u64, what: &str) {
    let near = expected * 3 / 4..expected * 5 / 4;
    assert!(near.contains(&bytes), "{what}: {bytes} for {expected}");
}

/// Both sides are told of the end in order, and nothing is cut.
fn assert_all_end<D: Read + Write + ?Sized>(ends: &mut [(Box<D>, TcpStream)]) {
    for (client, upstream) in ends {
        assert_eq!(read_to_end(&mut **client), (Vec::new(), Ending::Closed));
        assert_eq!(read_to_end(upstream), (Vec::new(), Ending::Closed));
    }
}

fn assert_turned_away(stage: &Stage, kind: Kind) {
    let mut late = stage.daemon.connect(kind.listener());
    let _ = late.write_all(b"hello?");
    assert!(!matches!(late.read(&mut [0]), Ok(1..)), "let in");
}

fn second_of_day() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs() % 86_400).unwrap()
}
