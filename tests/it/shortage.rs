//! Threads, ports, pipes and memory: where the system has no more of them, the log says so, all that
//! can go on goes on, and the end of the shortage is the end of it all. Needs root.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::client::{Ending, PATIENCE, SOURCE, connect_from, read_to_end};
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::namespace::Namespace;
use crate::support::process::Process;
use crate::support::random::Pattern;
use crate::support::setup::{Section, Setup, listener, upstream};
use crate::support::stand_in::{StandIn, echo};

#[test]
fn a_name_is_looked_up_again_once_there_are_threads() {
    let echo = StandIn::echo();
    let name = format!("localhost:{}", echo.address().port());
    let daemon = Daemon::start_as(fresh_user(), &setup(upstream("chat", name, "none")));
    let old = daemon.connect("plain");
    ping(&old).unwrap();

    daemon.limit("nproc", 1);
    // A reload looks up anew.
    daemon.hang_up();
    let what = "there is no thread";
    daemon.until(what, |status| {
        let error = &status.upstream("chat")["last_error"];
        error.as_str().is_some_and(|error| error.contains("thread"))
    });
    ping(&old).unwrap();
    ping(&daemon.connect("plain")).unwrap();
    // It is tried once more each second at first.
    thread::sleep(Duration::from_secs(4));
    assert_eq!(lines_with(&daemon, "no thread to be had"), 1);

    daemon.limit("nproc", 100);
    daemon.until("found again", |status| {
        status.upstream("chat")["last_error"].is_null()
    });
    assert_eq!(lines_with(&daemon, "found again"), 1);
}

#[test]
fn a_start_with_few_threads_is_one_with_fewer_workers() {
    let echo = StandIn::echo();
    let mut daemon = Daemon::start_as(
        fresh_user(),
        &setup(upstream("chat", echo.address(), "none")),
    );
    assert_eq!(daemon.status().workers(), 2, "this test wants two cores");
    daemon.terminate();
    daemon.wait();
    daemon.start_again_under(&["prlimit", "--nproc=2"]);
    assert_eq!(daemon.status().workers(), 1);
    assert_eq!(lines_with(&daemon, "only 1 of 2 workers"), 1);
    ping(&daemon.connect("plain")).unwrap();
}

#[test]
fn ports_that_run_out_are_no_fault_of_the_upstream() {
    let network = Namespace::new();
    let set_ports = |range: &str| {
        let write = format!("echo {range} > /proc/sys/net/ipv4/ip_local_port_range");
        network.tool(&["sh", "-c", &write]);
    };
    let echo = network.inside(|| {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 5222)).unwrap();
        StandIn::on(socket, echo)
    });
    let setup = setup(upstream("chat", echo.address(), "none"));
    let daemon = Daemon::start_under(&network.prefix(), &setup);
    daemon.until("the upstream is up", |status| {
        status.upstream("chat")["health"] == "up"
    });
    // Each client has ports of its own address.
    let port = daemon.port("plain");
    let connect = |host| {
        let source = IpAddr::from([127, 66, 1, host]);
        network.inside(|| connect_from(source, (Ipv4Addr::LOCALHOST, port)))
    };

    set_ports("40000 40007");
    let mut held: Vec<TcpStream> = Vec::new();
    for host in 1..=20 {
        // The daemon may be gone before the connection is known to be there.
        held.extend(connect(host).ok().filter(|client| ping(client).is_ok()));
    }
    assert!((1..=8).contains(&held.len()), "{} are served", held.len());
    let turned_away = 20 - held.len() as u64;
    let status = daemon.until("counted", |status| {
        status.ended("plain", "shortage") == turned_away
    });
    assert_eq!(status.upstream("chat")["health"], "up");
    assert_eq!(lines_with(&daemon, "cannot connect to upstreams"), 1);
    for client in &held {
        ping(client).unwrap();
    }

    set_ports("40000 40100");
    ping(&connect(30).unwrap()).unwrap();
    for client in &held {
        ping(client).unwrap();
    }
}

/// How much the machine has left is told by a file in the place of the kernel's: to take what it has
/// would be to take it from all tests.
#[test]
fn nobody_more_comes_in_while_the_machine_has_little_memory() {
    let folder = Folder::new();
    let meminfo = folder.join("meminfo");
    let tell = |kib| fs::write(&meminfo, format!("MemAvailable: {kib} kB\n")).unwrap();
    tell(100_000);
    let script = r#"mount --bind "$0" /proc/meminfo; exec "$@""#;
    let prefix = ["unshare", "--mount", "sh", "-ec", script];
    let prefix = [&prefix[..], &[meminfo.to_str().unwrap()]].concat();
    let echo = StandIn::echo();
    let daemon = Daemon::start_under(&prefix, &setup(upstream("chat", echo.address(), "none")));
    let target = (Ipv4Addr::LOCALHOST, daemon.port("plain"));
    let is_served = || connect_from(SOURCE, target).is_ok_and(|client| ping(&client).is_ok());
    let old = daemon.connect("plain");
    ping(&old).unwrap();

    tell(1_000);
    // Each worker looks once a second.
    thread::sleep(Duration::from_secs(2));
    for _ in 0..20 {
        assert!(!is_served());
    }
    ping(&old).unwrap();
    assert_eq!(daemon.status().refused("plain", "memory"), 20);
    assert_eq!(lines_with(&daemon, "1024000 bytes of memory left"), 1);

    tell(100_000);
    thread::sleep(Duration::from_secs(2));
    for _ in 0..20 {
        assert!(is_served());
    }
    ping(&old).unwrap();
}

#[test]
fn bulk_without_pipes_is_copied() {
    let (stand_in, accepted) = StandIn::handing_over();
    let user = fresh_user();
    let daemon = Daemon::start_as(user, &setup(upstream("chat", stand_in.address(), "v1")));
    let carry = || {
        let mut client = daemon.connect("plain");
        let mut upstream = accepted.recv_timeout(PATIENCE).unwrap().stream;
        thread::scope(|scope| {
            scope.spawn(move || send(&mut upstream));
            check(&mut client);
        });
    };

    let mut eater = eater_of_pipes(user);
    for _ in 0..3 {
        carry();
        assert_eq!(daemon.open_pipes(), 0);
        // It tries again each second.
        thread::sleep(Duration::from_secs(2));
    }
    assert_eq!(lines_with(&daemon, "for want of pipes"), 1);

    eater.close_stdin();
    eater.wait(PATIENCE);
    carry();
    assert!(daemon.open_pipes() > 0, "no pipe is used any more");
}

/// Takes all that Linux lets `user` have in pipes (pipe(7)), until its stdin is closed.
fn eater_of_pipes(user: u32) -> Process {
    const PROGRAM: &str = "
import fcntl, os, sys
pipes = []
for size in 1 << 20, 1 << 16:
    try:
        while True:
            pipes.append(os.pipe())
            fcntl.fcntl(pipes[-1][1], 1031, size)
    except OSError as error:
        print(error, flush=True)
print('full', flush=True)
sys.stdin.read()
";
    let mut command = Command::new("setpriv");
    command.args([
        &format!("--reuid={user}"),
        "--clear-groups",
        "prlimit",
        "--nofile=4096",
    ]);
    let eater = Process::start(command.args(["python3", "-c", PROGRAM]));
    let deadline = Instant::now() + PATIENCE;
    while !eater.said().contains("full") {
        assert!(Instant::now() < deadline, "{}", eater.said());
        thread::sleep(Duration::from_millis(20));
    }
    eater
}

fn setup(upstream: Section) -> Setup {
    Setup::new().with(listener("plain", "chat")).with(upstream)
}

/// A user whom nobody else is.
fn fresh_user() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    100_000_000 + process::id() * 16 + NEXT.fetch_add(1, Ordering::Relaxed)
}

fn lines_with(daemon: &Daemon, words: &str) -> usize {
    let log = daemon.log();
    log.lines().filter(|line| line.contains(words)).count()
}

fn ping(mut stream: &TcpStream) -> io::Result<()> {
    stream.write_all(b"ping")?;
    stream.read_exact(&mut [0; 4])
}

const SEED: u64 = 3;
const SIZE: usize = 20_000_000;

fn send(upstream: &mut TcpStream) {
    let mut bytes = vec![0; SIZE];
    Pattern::new(SEED).fill(&mut bytes);
    upstream.write_all(&bytes).unwrap();
}

fn check(client: &mut TcpStream) {
    let (bytes, ending) = read_to_end(client);
    assert_eq!((bytes.len(), ending), (SIZE, Ending::Closed));
    Pattern::new(SEED).check(&bytes).unwrap();
}
