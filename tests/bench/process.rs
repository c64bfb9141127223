//! Programs that the bench starts, none of which outlives it, not even one that is killed. What they
//! say goes to a file.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getppid, kill_process, set_parent_process_death_signal};

#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    pub fn start(command: &Command, log: &Path) -> io::Result<Self> {
        let said = File::create(log)?;
        let child = Command::new(env::current_exe()?)
            .arg("leash")
            .arg(process::id().to_string())
            .arg(command.get_program())
            .args(command.get_args())
            .envs(
                command
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said)
            .spawn()?;
        let log = log.to_owned();
        Ok(Self { child, log })
    }

    /// This process and all that it has started.
    pub fn ids(&self) -> Vec<u32> {
        let mut ids = vec![self.child.id()];
        let mut next = 0;
        while let Some(&parent) = ids.get(next) {
            ids.extend(children(parent));
            next += 1;
        }
        ids
    }

    /// How it ended, if it has.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// The end of what it said.
    pub fn last_words(&self) -> String {
        let said = fs::read(&self.log).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<_> = said.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("; ")
    }
}

impl Drop for Process {
    /// SIGTERM first: a master that is killed leaves its workers behind.
    fn drop(&mut self) {
        if self.has_ended().is_some() {
            return;
        }
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let deadline = Instant::now() + GRACE;
        while self.has_ended().is_none() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Becomes another program, which is told to end when the process `parent` has ended, however that
/// came.
pub fn leash(parent: u32, words: &[OsString]) -> io::Error {
    if let Err(error) = set_parent_process_death_signal(Some(Signal::TERM)) {
        return error.into();
    }
    if process_id(getppid()) != Some(parent) {
        return io::Error::other("the parent has ended already");
    }
    let [program, arguments @ ..] = words else {
        return io::Error::other("no program");
    };
    let error = Command::new(program).args(arguments).exec();
    io::Error::other(format!("{} does not start: {error}", program.display()))
}

fn process_id(pid: Option<Pid>) -> Option<u32> {
    u32::try_from(pid?.as_raw_nonzero().get()).ok()
}

const GRACE: Duration = Duration::from_secs(5);

fn children(parent: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let ids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|&id| parent_of(id) == Some(parent)).collect()
}

fn parent_of(id: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name of the program, in parentheses, may contain anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok()
}
