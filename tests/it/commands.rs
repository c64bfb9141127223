//! The commands that look at a daemon, and the first one of the README.

use std::env;
use std::fs;
use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::chown;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::client::{Ending, read_to_end};
use crate::support::daemon::{Daemon, WAPROXY, command_at};
use crate::support::folder::Folder;
use crate::support::namespace::Namespace;
use crate::support::process::{Process, run};
use crate::support::random::Random;
use crate::support::setup::{Setup, listener, upstream};
use crate::support::stand_in::StandIn;

#[test]
fn status_is_a_table_that_fits_a_terminal() {
    let daemon = used();
    let table = daemon.ask("status", &[]).success();
    println!("{table}");
    for line in table.lines() {
        assert!(line.chars().count() <= 80, "longer than 80 columns: {line}");
        assert_eq!(line, line.trim_end(), "blanks at the end");
    }
    for word in ["chat_tls", "media_main", "running", "from outside", "today"] {
        assert!(table.contains(word), "no {word}");
    }
    assert!(
        table.contains(&daemon.port("media_main").to_string()),
        "no port"
    );
}

#[test]
fn status_as_json_has_every_part_of_the_schema() {
    let daemon = used();
    let status = daemon.status();
    let json = &status.0;
    for part in [
        "schema",
        "version",
        "uptime_seconds",
        "state",
        "configuration_errors",
        "host",
        "workers",
        "memory_bytes",
        "connections",
        "last_outside_seconds",
        "today",
        "listeners",
        "upstreams",
        "certificate",
    ] {
        assert!(json.get(part).is_some(), "no {part} in {json:#}");
    }
    for part in ["now", "peak", "cap", "bound_by", "accepted"] {
        assert!(
            json["connections"].get(part).is_some(),
            "no {part} in {:#}",
            json["connections"]
        );
    }
    for part in ["bytes_up", "bytes_down", "connections"] {
        assert!(json["today"].get(part).is_some(), "no {part} in {json:#}");
    }
    for part in [
        "name",
        "port",
        "bind_port",
        "service",
        "tls",
        "accept_proxy",
        "active",
        "accepted",
        "refused",
        "ended",
        "accept_errors",
        "bytes_up",
        "bytes_down",
    ] {
        let listener = status.listener("media_main");
        assert!(listener.get(part).is_some(), "no {part} in {listener:#}");
    }
    for part in ["name", "health", "addresses", "last_error"] {
        let upstream = status.upstream("media");
        assert!(upstream.get(part).is_some(), "no {part} in {upstream:#}");
    }
    for part in ["names", "sha256", "not_after", "whose"] {
        assert!(
            json["certificate"].get(part).is_some(),
            "no {part} in {:#}",
            json["certificate"]
        );
    }
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(json["workers"], 2);
    assert_eq!(json["host"], "proxy.example.org");
}

#[test]
fn share_prints_the_link_of_the_running_ports() {
    let daemon = used();
    let link = daemon.ask("share", &[]).success();
    let (chat, media) = (daemon.port("chat_tls"), daemon.port("media_main"));
    let expected = format!(
        "https://wa.me/proxy?host=proxy.example.org&chatPort={chat}&mediaPort={media}&chatTLS=true"
    );
    assert_eq!(link.trim_end(), expected);
}

#[test]
fn metrics_are_openmetrics() {
    let python = env::var("WAPROXY_TEST_PYTHON")
        .expect("WAPROXY_TEST_PYTHON names a Python with prometheus_client");
    let daemon = used();
    let folder = Folder::new();
    let metrics = folder.write("metrics", daemon.ask("metrics", &[]).success());
    let families = run(Command::new(python).arg("-c").arg(PARSE).arg(&metrics)).success();
    println!("{families}");
    let connections = families
        .lines()
        .filter(|line| line.contains("media_main"))
        .count();
    assert!(connections > 0, "nothing about the listener media");
}

/// Prints every sample; fails where the text is not OpenMetrics.
const PARSE: &str = "
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
for family in text_string_to_metric_families(open(sys.argv[1]).read()):
    for sample in family.samples:
        print(sample.name, sample.labels, sample.value)
";

#[test]
fn commands_say_so_when_the_daemon_does_not_run() {
    let folder = Folder::new();
    folder.write("waproxy.config", two_listeners("127.0.0.1:1").text());
    for command in ["status", "share", "metrics", "certificate"] {
        let ended = run(&mut command_at(folder.path(), command, &[]));
        assert_eq!(ended.status.code(), Some(1), "{command}: {ended:?}");
        assert!(ended.stdout.is_empty(), "{command}: {ended:?}");
        assert!(ended.stderr.contains("running"), "{command}: {ended:?}");
    }
}

#[test]
fn status_works_while_the_file_is_broken() {
    let daemon = used();
    daemon.reload_text("config waproxy 'main\n");
    daemon.until("the error shows", |status| {
        !status.configuration_errors().is_empty()
    });
    let table = daemon.ask("status", &[]).success();
    assert!(
        table.lines().all(|line| line.chars().count() <= 80),
        "{table}"
    );
    assert!(daemon.ask("share", &[]).status.success());
}

#[test]
fn run_warns_of_an_unknown_option_and_listens() {
    let echo = StandIn::echo();
    let setup = two_listeners(&echo.address().to_string()).main("idle_timout", 5);
    let daemon = Daemon::start(&setup);
    let log = daemon.log();
    let warning = log
        .lines()
        .find(|line| line.contains("option idle_timout '5'"));
    assert!(
        warning.is_some_and(|line| line.contains("did you mean 'idle_timeout'?")),
        "{log}"
    );
    let mut client = daemon.connect("media_main");
    client.write_all(b"hello").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&mut client).0, b"hello");
}

#[test]
fn wrong_usage_is_exit_2() {
    for words in [&["frobnicate"][..], &["status", "--jason"], &["run", "-c"]] {
        assert_eq!(
            run(Command::new(WAPROXY).args(words)).status.code(),
            Some(2),
            "{words:?}"
        );
    }
}

#[test]
fn an_ordinary_user_without_a_file_has_a_running_proxy() {
    // In a network of its own the ports are free, and WhatsApp is out of reach.
    let network = Namespace::new();
    let folder = Folder::new();
    let binary = folder.join("waproxy");
    fs::copy(WAPROXY, &binary).unwrap();
    let home = Folder::new();
    chown(home.path(), Some(NOBODY), Some(NOBODY)).unwrap();

    let as_nobody = |words: &[&str]| {
        let mut command = Command::new("ip");
        command.args(&network.prefix()[1..]);
        command.args([
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "env",
            "-i",
        ]);
        command
            .arg(format!("HOME={}", home.path().display()))
            .arg("PATH=/usr/bin:/bin");
        command.arg(&binary).args(words);
        command
    };
    let mut daemon = Process::start(&mut as_nobody(&["run"]));
    let deadline = Instant::now() + Duration::from_secs(30);
    let status = loop {
        let status = run(&mut as_nobody(&["status"]));
        if status.status.success() {
            break status.stdout;
        }
        assert!(daemon.has_ended().is_none(), "it ended:\n{}", daemon.said());
        assert!(
            Instant::now() < deadline,
            "no status: {status:?}\n{}",
            daemon.said()
        );
        thread::sleep(Duration::from_millis(50));
    };
    println!("{}\n{status}", daemon.said());
    assert!(
        daemon.said().contains("the built-in configuration"),
        "{}",
        daemon.said()
    );
    for port in ["10443", "10587"] {
        let lines = daemon
            .said()
            .lines()
            .filter(|line| line.contains(port))
            .count();
        assert_eq!(
            lines,
            1,
            "one line for the listener on {port}:\n{}",
            daemon.said()
        );
        assert!(
            network
                .inside(|| TcpStream::connect(format!("127.0.0.1:{port}")))
                .is_ok()
        );
        assert!(
            network
                .inside(|| TcpStream::connect(format!("[::1]:{port}")))
                .is_ok()
        );
    }
    assert!(status.contains("443") && status.contains("587"), "{status}");

    daemon.signal(Signal::TERM);
    assert!(daemon.wait(Duration::from_secs(30)).success());
}

const NOBODY: u32 = 65534;

/// A daemon that has something to show: a listener of each kind and one past connection.
fn used() -> Daemon {
    let echo = StandIn::echo();
    let daemon = Daemon::start(&two_listeners(&echo.address().to_string()));
    let mut client = daemon.connect("media_main");
    client
        .write_all(&Random::new(1).bytes(10_000, 10_000))
        .unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&mut client).1, Ending::Closed);
    daemon.until("the connection is counted", |status| {
        status.ended("media_main", "closed") == 1
    });
    daemon
}

fn two_listeners(address: &str) -> Setup {
    Setup::new()
        .main("host", "proxy.example.org")
        .with(listener("chat_tls", "chat").option("tls", 1))
        .with(listener("media_main", "media"))
        .with(upstream("chat", address, "v1"))
        .with(upstream("media", address, "none"))
}
