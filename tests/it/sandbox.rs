//! What the daemon gave up, as the kernel tells it, and as who would look into it finds. What its
//! filter stops is tried in `tests/sandbox/trial.rs`.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use crate::support::client::talk;
use crate::support::daemon::{Daemon, as_user};
use crate::support::process::{Ended, Process, run};
use crate::support::setup::{Setup, listener, upstream};
use crate::support::stand_in::StandIn;

/// A user who owns nothing.
const USER: u32 = 64_451;

#[test]
fn every_thread_is_in_the_sandbox_and_without_a_capability() {
    let echo = StandIn::echo();
    let daemon = Daemon::start_as(USER, &setup(&echo));
    talk(daemon.connect("plain"), b"bytes");
    daemon.ask("certificate", &["--new"]).success();

    let mut threads = 0;
    for task in fs::read_dir(format!("/proc/{}/task", daemon.id())).unwrap() {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        for (name, value) in [
            ("Uid", "64451\t64451\t64451\t64451"),
            ("Gid", "64451\t64451\t64451\t64451"),
            ("Groups", " "),
            ("CapInh", NO_CAPABILITY),
            ("CapPrm", NO_CAPABILITY),
            ("CapEff", NO_CAPABILITY),
            ("CapBnd", NO_CAPABILITY),
            ("CapAmb", NO_CAPABILITY),
            ("NoNewPrivs", "1"),
            ("Seccomp", "2"),
        ] {
            assert!(
                status.contains(&format!("\n{name}:\t{value}\n")),
                "not {name} {value}:\n{status}"
            );
        }
        threads += 1;
    }
    assert!(threads >= 3, "only {threads} threads");
    assert!(!daemon.log().contains("gap"), "{}", daemon.log());
}

const NO_CAPABILITY: &str = "0000000000000000";

#[test]
fn its_own_user_cannot_look_into_it() {
    let echo = StandIn::echo();
    let daemon = Daemon::start_as(USER, &setup(&echo));
    // One of his that has no sandbox shows that it is this that keeps him out.
    let mut other = Command::new("setpriv");
    let other = Process::start(other.args(&as_user(USER)[1..]).args(["sleep", "60"]));
    let ways = [
        "auxv", "environ", "maps", "mem", "smaps", "stack", "syscall",
    ];
    for file in ways {
        let open =
            |process: u32| as_that_user(&["head", "-c0", &format!("/proc/{process}/{file}")]);
        let ended = open(daemon.id());
        assert!(
            ended.stderr.contains("Permission denied"),
            "{file}: {ended:?}"
        );
        // What these two tell is for root alone.
        if !["stack", "syscall"].contains(&file) {
            open(other.id()).success();
        }
    }
    let list = |process: u32| as_that_user(&["ls", &format!("/proc/{process}/fd")]);
    assert!(list(daemon.id()).stderr.contains("Permission denied"));
    list(other.id()).success();

    let attach =
        |process: u32| as_that_user(&["/usr/bin/python3", "-c", ATTACH, &process.to_string()]);
    assert_eq!(attach(daemon.id()).status.code(), Some(EPERM));
    // Where the kernel lets nobody attach to what is not his child, it is no different.
    if !Path::new("/proc/sys/kernel/yama").exists() {
        attach(other.id()).success();
    }
    talk(daemon.connect("plain"), b"bytes");
}

const EPERM: i32 = 1;

/// Attaches (16) and goes away.
const ATTACH: &str = "import ctypes, sys
kernel = ctypes.CDLL(None, use_errno=True)
sys.exit(ctypes.get_errno() if kernel.ptrace(16, int(sys.argv[1]), None, None) else 0)";

#[test]
fn a_crash_leaves_no_core_file() {
    let echo = StandIn::echo();
    // What a limit of its own would forbid, were it not for the sandbox.
    let dumps = ["prlimit", "--core=unlimited"];
    for signal in [Signal::ABORT, Signal::ILL] {
        let mut daemon = Daemon::start_under(&dumps, &setup(&echo));
        let limits = fs::read_to_string(format!("/proc/{}/limits", daemon.id())).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core"));
        let words: Vec<_> = core.unwrap().split_ascii_whitespace().collect();
        assert_eq!(words[4..6], ["0", "0"], "{limits}");
        daemon.signal(signal);
        let status = daemon.wait();
        assert_eq!(status.signal(), Some(signal.as_raw()));
        assert!(!status.core_dumped(), "{status}");
    }
}

fn setup(echo: &StandIn) -> Setup {
    Setup::new()
        .with(listener("plain", "chat"))
        .with(listener("tls", "chat").option("tls", 1))
        .with(upstream("chat", echo.address(), "none"))
}

fn as_that_user(words: &[&str]) -> Ended {
    let user = as_user(USER);
    let words = user.iter().map(String::as_str).chain(words.iter().copied());
    let words: Vec<_> = words.collect();
    run(Command::new(words[0]).args(&words[1..]).env("LC_ALL", "C"))
}
