//! Which core runs what: the relay has one, the load the other. A machine with one core, and a
//! bench that was not told to, leaves it to the kernel.

use std::fs;
use std::io;

use rustix::io::Errno;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// A core for each.
#[derive(Clone, Copy, Debug)]
pub struct Cores {
    load: usize,
    relay: usize,
}

impl Cores {
    /// The first two that this process may use; the calling thread moves to the first. All threads
    /// and processes that it starts from now on stay there too.
    pub fn claim() -> io::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core));
        let (Some(load), Some(relay)) = (cores.next(), cores.next()) else {
            return Err(io::Error::other("the bench wants two cores"));
        };
        move_thread(None, load)?;
        Ok(Self { load, relay })
    }

    /// Starts what belongs on the relay's core.
    pub fn on_relay_core<T>(self, start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        move_thread(None, self.relay)?;
        let started = start();
        move_thread(None, self.load)?;
        started
    }

    /// Brings processes to the core of the load while something runs.
    pub fn together<T>(
        self,
        processes: &[u32],
        work: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        move_processes(processes, self.load)?;
        let done = work();
        move_processes(processes, self.relay)?;
        done
    }
}

fn move_processes(processes: &[u32], core: usize) -> io::Result<()> {
    for process in processes {
        for thread in fs::read_dir(format!("/proc/{process}/task"))? {
            let id = thread?.file_name();
            let id = id.to_str().and_then(|id| id.parse().ok());
            match move_thread(id.and_then(Pid::from_raw), core) {
                // It has ended meanwhile.
                Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => {}
                moved => moved?,
            }
        }
    }
    Ok(())
}

fn move_thread(thread: Option<Pid>, core: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(thread, &set)?)
}
