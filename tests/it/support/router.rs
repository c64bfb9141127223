//! A router, as far as the init script looks: its files in a mount namespace, the stand-ins of
//! `tests/router` for rc.common and procd, the real `uci`. Needs root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::daemon::WAPROXY;
use super::folder::Folder;
use super::namespace::Namespace;
use super::privacy::assert_gives_nobody_away;
use super::process::{self, Ended, Process};
use super::setup::Setup;
use super::status::Status;
use super::uci;

/// How long anything may take.
const SOON: Duration = Duration::from_secs(30);

pub struct Router {
    pub network: Namespace,
    /// Lives as long as the mount namespace.
    keeper: Process,
    _folder: Folder,
}

impl Router {
    pub fn new() -> Self {
        let network = Namespace::new();
        let folder = Folder::new();
        let mut words = Command::new("ip");
        words
            .args(&network.prefix()[1..])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/router/furnish"))
            .args([folder.path(), Path::new(WAPROXY), uci::program()]);
        let keeper = Process::start(&mut words);
        let router = Self {
            network,
            keeper,
            _folder: folder,
        };
        router.until("it is furnished", |router| {
            router.keeper.said().contains("furnished")
        });
        router
    }

    /// Where a file of the router is for the test.
    pub fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.keeper.id()))
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    pub fn write(&self, path: &str, text: &str) {
        fs::write(self.path(path), text).unwrap();
    }

    /// Writes what root configured.
    pub fn configure(&self, setup: &Setup) {
        self.write("/etc/config/waproxy", &setup.text());
    }

    /// Writes what root configured while the service runs, and reloads it.
    pub fn follow(&self, setup: &Setup) {
        self.configure(setup);
        self.service("reload").success();
    }

    /// Runs a command on the router.
    pub fn run(&self, words: &[&str]) -> Ended {
        let target = self.keeper.id().to_string();
        let enter = ["--target", &target, "--mount", "--net", "--"];
        process::run(Command::new("nsenter").args(enter).args(words))
    }

    /// Runs `/etc/init.d/waproxy`.
    pub fn service(&self, action: &str) -> Ended {
        self.run(&["/etc/init.d/waproxy", action])
    }

    /// Starts the service, which answers from then on.
    pub fn start(&self) {
        self.service("start").success();
        assert!(self.status().is_some(), "no answer\n{}", self.said());
    }

    /// What the running daemon says; none where none runs.
    pub fn status(&self) -> Option<Status> {
        let ended = self.run(&["waproxy", "status", "--json"]);
        let status = ended.status.success();
        status.then(|| Status(serde_json::from_str(&ended.stdout).unwrap()))
    }

    /// What the running daemon says that the init script could not do.
    pub fn problems(&self) -> String {
        let status = self.status().expect("it runs");
        status.0["service_problems"].to_string()
    }

    /// The process that the stand-in of procd keeps.
    pub fn daemon(&self) -> String {
        self.read("/var/run/procd/waproxy/pid")
    }

    /// What fw4 would be told: a rule a line, none once the service is stopped.
    pub fn rules(&self) -> String {
        fs::read_to_string(self.path("/var/run/procd/waproxy/data")).unwrap_or_default()
    }

    /// Waits until something is so.
    pub fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + SOON;
        while !condition(self) {
            assert!(Instant::now() < deadline, "not: {what}\n{}", self.said());
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn said(&self) -> String {
        let log = fs::read_to_string(self.path("/var/run/procd/waproxy/log"));
        format!("{}{}", self.keeper.said(), log.unwrap_or_default())
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the service said:\n{}", self.said());
            self.service("stop");
            return;
        }
        let status = self.run(&["waproxy", "status", "--json"]).stdout;
        self.service("stop");
        let rest = [status, self.said(), self.rules()].concat();
        assert_gives_nobody_away(rest.as_bytes(), "what the service wrote");
    }
}
