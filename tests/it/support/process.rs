//! Programs that a test runs, none of which outlives it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A program that runs in the background; what it says is kept.
pub struct Process {
    child: Child,
    said: Arc<Mutex<Vec<u8>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    pub fn start(command: &mut Command) -> Self {
        let mut child = spawn(command, Stdio::piped());
        let said = Arc::new(Mutex::new(Vec::new()));
        let stdout = keep(child.stdout.take().unwrap(), said.clone());
        let stderr = keep(child.stderr.take().unwrap(), said.clone());
        Self {
            child,
            said,
            readers: vec![stdout, stderr],
        }
    }

    /// A program that serves on a port of loopback, once it does.
    pub fn start_listening(command: &mut Command, port: u16) -> Self {
        let mut server = Self::start(command);
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let ended = server.has_ended();
            assert!(ended.is_none(), "{command:?} ended:\n{}", server.said());
            let is_late = Instant::now() > deadline;
            assert!(!is_late, "{command:?} does not listen:\n{}", server.said());
            thread::sleep(Duration::from_millis(20));
        }
        server
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote until now, stdout and stderr.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&self.said.lock().unwrap()).into_owned()
    }

    /// Writes to its stdin.
    pub fn tell(&mut self, bytes: &[u8]) {
        self.child
            .stdin
            .as_mut()
            .expect("stdin is open")
            .write_all(bytes)
            .unwrap();
    }

    /// Ends its stdin.
    pub fn close_stdin(&mut self) {
        self.child.stdin = None;
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(pid(&self.child), signal).unwrap();
    }

    /// How it ended, if it has; all that it said is there then.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().unwrap()?;
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        Some(status)
    }

    /// Waits for its end.
    pub fn wait(&mut self, patience: Duration) -> ExitStatus {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.has_ended() {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "still runs after {patience:?}; it said:\n{}",
                self.said()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// What a program that ended left.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Its stdout, where it did what it should.
    pub fn success(self) -> String {
        assert!(
            self.status.success(),
            "{}: {}{}",
            self.status,
            self.stdout,
            self.stderr
        );
        self.stdout
    }
}

/// Runs a program to its end.
///
/// # Panics
///
/// When it takes longer than `patience`.
pub fn run_within(patience: Duration, command: &mut Command) -> Ended {
    let mut child = spawn(command, Stdio::null());
    let stdout = Arc::new(Mutex::new(Vec::new()));
    let stderr = Arc::new(Mutex::new(Vec::new()));
    let readers = [
        keep(child.stdout.take().unwrap(), stdout.clone()),
        keep(child.stderr.take().unwrap(), stderr.clone()),
    ];
    let deadline = Instant::now() + patience;
    let text =
        |bytes: &Mutex<Vec<u8>>| String::from_utf8_lossy(&bytes.lock().unwrap()).into_owned();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            let said = text(&stdout) + &text(&stderr);
            panic!("{command:?} takes longer than {patience:?}; it said:\n{said}");
        }
        thread::sleep(Duration::from_millis(5));
    };
    for reader in readers {
        reader.join().unwrap();
    }
    Ended {
        status,
        stdout: text(&stdout),
        stderr: text(&stderr),
    }
}

/// Runs a program that ends soon.
pub fn run(command: &mut Command) -> Ended {
    run_within(Duration::from_secs(30), command)
}

/// Runs words as a command that must succeed, and gives its stdout.
pub fn tool(words: &[&str]) -> String {
    run(Command::new(words[0]).args(&words[1..])).success()
}

fn keep(mut source: impl Read + Send + 'static, said: Arc<Mutex<Vec<u8>>>) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = source.read(&mut buffer) {
            said.lock().unwrap().extend_from_slice(&buffer[..length]);
        }
    })
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// Starts a program of which all that it says is read.
fn spawn(command: &mut Command, stdin: Stdio) -> Child {
    command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!(
                "{} does not start: {error}",
                command.get_program().display()
            )
        })
}
