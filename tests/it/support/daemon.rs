//! A running daemon, as a person would start it.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::chown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use serde_json::Value;

use super::client;
use super::folder::Folder;
use super::privacy::{assert_folder_gives_nobody_away, assert_gives_nobody_away};
use super::process::{self, Ended, Process, tool};
use super::setup::Setup;
use super::status::Status;
use super::tls::TlsClient;

/// The binary under test.
pub const WAPROXY: &str = env!("CARGO_BIN_EXE_waproxy");

/// How long a daemon may take for what takes it no time.
const SOON: Duration = Duration::from_secs(30);

pub struct Daemon {
    process: Process,
    folder: Folder,
    setup: Setup,
    /// The program, with what comes before it.
    program: Vec<String>,
}

impl Daemon {
    /// Starts a daemon and waits until it answers.
    pub fn start(setup: &Setup) -> Self {
        Self::start_under(&[], setup)
    }

    /// The same by way of a command that starts another, such as `prlimit` or `ip netns exec`.
    pub fn start_under(prefix: &[&str], setup: &Setup) -> Self {
        let words = prefix.iter().chain(&[WAPROXY]);
        let program = words.map(ToString::to_string).collect();
        Self::start_in(Folder::new(), program, setup)
    }

    /// The same as a user who has nothing but the daemon's folder, and no capability. Needs root.
    pub fn start_as(user: u32, setup: &Setup) -> Self {
        let folder = Folder::new();
        chown(folder.path(), Some(user), Some(user)).unwrap();
        // The way to the one that cargo made may be closed to others.
        let program = folder.join(PROGRAM);
        fs::copy(WAPROXY, &program).unwrap();
        let mut words = as_user(user);
        words.push(program.to_str().unwrap().to_owned());
        Self::start_in(folder, words, setup)
    }

    fn start_in(folder: Folder, program: Vec<String>, setup: &Setup) -> Self {
        folder.write(FILE, setup.text());
        let process = Process::start(&mut run_command(&program, &folder));
        let mut daemon = Self {
            process,
            folder,
            setup: setup.clone(),
            program,
        };
        daemon.wait_until_it_answers();
        daemon
    }

    fn wait_until_it_answers(&mut self) {
        let deadline = Instant::now() + SOON;
        while !self.ask("status", &["--json"]).status.success() {
            if let Some(status) = self.process.has_ended() {
                panic!("the daemon ended with {status}; it said:\n{}", self.log());
            }
            assert!(
                Instant::now() < deadline,
                "the daemon does not answer; it said:\n{}",
                self.log()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts again in the same place, once it has been stopped.
    pub fn start_again(&mut self) {
        self.process = Process::start(&mut run_command(&self.program, &self.folder));
        self.wait_until_it_answers();
    }

    /// The same by way of a command that starts another.
    pub fn start_again_under(&mut self, prefix: &[&str]) {
        let prefix = prefix.iter().map(ToString::to_string);
        let place = self.program.len() - 1;
        self.program.splice(place..place, prefix);
        self.start_again();
    }

    /// Connects to a listener by its name, from [`client::SOURCE`].
    pub fn connect(&self, listener: &str) -> TcpStream {
        client::connect(self.setup.port(listener))
    }

    pub fn connect_tls(&self, listener: &str) -> TlsClient {
        TlsClient::connect(self.setup.port(listener))
    }

    /// The public port of a listener.
    pub fn port(&self, listener: &str) -> u16 {
        self.setup.port(listener)
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn state_folder(&self) -> PathBuf {
        self.folder.join("state")
    }

    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    pub fn control(&self) -> PathBuf {
        self.folder.join(CONTROL)
    }

    /// Asks the running daemon by a command.
    pub fn ask(&self, command: &str, options: &[&str]) -> Ended {
        process::run(&mut command_at(self.folder.path(), command, options))
    }

    pub fn status(&self) -> Status {
        Status(serde_json::from_str(&self.ask("status", &["--json"]).success()).unwrap())
    }

    /// Waits until the status is as it should be, and gives it.
    pub fn until(&self, what: &str, condition: impl Fn(&Status) -> bool) -> Status {
        let deadline = Instant::now() + SOON;
        loop {
            let status = self.status();
            if condition(&status) {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "not: {what}\n{:#}\nlog:\n{}",
                status.0,
                self.log()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Writes another configuration and has it read.
    pub fn reload(&mut self, setup: &Setup) {
        self.setup = setup.clone();
        self.reload_text(&setup.text());
    }

    /// Writes any text as configuration and has it read.
    pub fn reload_text(&self, text: &str) {
        self.folder.write(FILE, text);
        self.hang_up();
    }

    pub fn hang_up(&self) {
        self.process.signal(Signal::HUP);
    }

    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Puts it to sleep, and waits until every thread of it sleeps.
    pub fn pause(&self) {
        self.process.signal(Signal::STOP);
        let is_asleep = |task: &Path| {
            let stat = fs::read_to_string(task.join("stat")).unwrap();
            stat.rsplit(')').next().unwrap().starts_with(" T")
        };
        let deadline = Instant::now() + SOON;
        let tasks = || fs::read_dir(format!("/proc/{}/task", self.id())).unwrap();
        while !tasks().all(|task| is_asleep(&task.unwrap().path())) {
            assert!(Instant::now() < deadline, "the daemon does not fall asleep");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Wakes it up again.
    pub fn resume(&self) {
        self.process.signal(Signal::CONT);
    }

    /// Ends it without a chance to tidy up.
    pub fn kill(&mut self) {
        self.process.signal(Signal::KILL);
        self.wait();
    }

    /// What it answers at its control socket.
    pub fn request(&self, request: &Value) -> Value {
        let mut stream = UnixStream::connect(self.control()).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        // The end of a line that is too long is not read.
        let _ = stream.write_all(format!("{request}\n").as_bytes());
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        self.process.wait(SOON)
    }

    pub fn log(&self) -> String {
        self.process.said()
    }

    /// Looks at all that it tells anyone. One that is ending may tell nothing any more.
    fn assert_answers_give_nobody_away(&self) {
        for request in [
            r#"{"request":"status"}"#,
            r#"{"request":"status_text"}"#,
            r#"{"request":"metrics"}"#,
            r#"{"request":"history"}"#,
            r#"{"request":"days"}"#,
            r#"{"request":"certificate"}"#,
            r#"{"request":"check","text":"config listener"}"#,
            // Of a name, for without one it is this machine's address.
            r#"{"request":"share","host":"proxy.example"}"#,
            "nonsense",
        ] {
            let mut answer = Vec::new();
            let _ = UnixStream::connect(self.control()).and_then(|mut socket| {
                socket.set_read_timeout(Some(SOON))?;
                socket.write_all(request.as_bytes())?;
                socket.write_all(b"\n")?;
                socket.read_to_end(&mut answer)
            });
            assert_gives_nobody_away(&answer, request);
        }
    }

    /// Changes a limit of it, as `prlimit` calls it, until it is changed again.
    pub fn limit(&self, resource: &str, soft: u32) {
        let pid = format!("--pid={}", self.id());
        let limit = format!("--{resource}={soft}:");
        // As the same user: that takes no capability.
        let mut words: Vec<_> = self.program[..self.program.len() - 1]
            .iter()
            .map(String::as_str)
            .collect();
        words.extend(["prlimit", &pid, &limit]);
        tool(&words);
    }

    /// The number of files that it has open, but for pipes: it keeps some for the next bulk.
    pub fn open_files(&self) -> usize {
        self.files().filter(|file| !is_pipe(file)).count()
    }

    /// What the daemon has used of the processors.
    pub fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let ticks: u64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|field| field.parse::<u64>().unwrap())
            .sum();
        // A tick is a hundredth of a second on every Linux of today.
        Duration::from_millis(ticks * 10)
    }

    /// The number of pipes of which it has both ends.
    pub fn open_pipes(&self) -> u64 {
        let mut ends: Vec<_> = self.files().filter(|file| is_pipe(file)).collect();
        ends.sort();
        ends.chunk_by(|one, other| one == other)
            .filter(|ends| ends.len() == 2)
            .count() as u64
    }

    fn files(&self) -> impl Iterator<Item = PathBuf> {
        fs::read_dir(format!("/proc/{}/fd", self.id()))
            .unwrap()
            // One that was just closed leads nowhere.
            .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
    }
}

fn is_pipe(file: &Path) -> bool {
    file.to_string_lossy().starts_with("pipe:")
}

impl Drop for Daemon {
    /// Ends the daemon and looks at what it said, as every test wants it to have been.
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the daemon said:\n{}", self.log());
            return;
        }
        if self.process.has_ended().is_none() {
            self.assert_answers_give_nobody_away();
            self.process.signal(Signal::TERM);
            self.process.wait(SOON);
        }
        let log = self.log();
        assert!(!log.contains("panicked"), "the daemon panicked:\n{log}");
        assert_gives_nobody_away(log.as_bytes(), "the log");
        let folder = self.folder.path();
        assert_folder_gives_nobody_away(folder, &[FILE, PROGRAM].map(|name| folder.join(name)));
    }
}

/// The words that start a program as another user. Needs root.
pub fn as_user(user: u32) -> Vec<String> {
    [
        "setpriv",
        &format!("--reuid={user}"),
        &format!("--regid={user}"),
        "--clear-groups",
        "--bounding-set=-all",
        "--inh-caps=-all",
    ]
    .map(str::to_owned)
    .into()
}

/// A command that finds the daemon of a folder.
pub fn command_at(folder: &Path, command: &str, options: &[&str]) -> Command {
    let mut words = Command::new(WAPROXY);
    words.arg(command).args(options);
    add_places(&mut words, folder);
    words
}

const FILE: &str = "waproxy.config";
/// A copy for another user.
const PROGRAM: &str = "waproxy";
const CONTROL: &str = "control.sock";

fn run_command(program: &[String], folder: &Folder) -> Command {
    let mut command = Command::new(&program[0]);
    command.args(&program[1..]).arg("run");
    add_places(&mut command, folder.path());
    command
}

fn add_places(command: &mut Command, folder: &Path) {
    let place = |option: &str, path: &str| {
        [
            OsStr::new(option).to_owned(),
            folder.join(path).into_os_string(),
        ]
    };
    command
        .args(place("-c", FILE))
        .args(place("--state-dir", "state"))
        .args(place("--control", CONTROL));
}
