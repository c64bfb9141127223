//! What processes have cost until now, as the kernel counts it: time on a core, and memory.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Time on a core of each thread that lives. Exact while they sleep; a thread that runs is counted
/// up to the last tick.
#[derive(Debug)]
pub struct Cpu(BTreeMap<OsString, Duration>);

impl Cpu {
    pub fn of(processes: &[u32]) -> io::Result<Self> {
        let mut threads = BTreeMap::new();
        for process in processes {
            for thread in fs::read_dir(format!("/proc/{process}/task"))? {
                let thread = thread?;
                let folder = thread.path();
                match of_thread(&folder) {
                    // It has ended meanwhile.
                    Err(_) if !folder.exists() => {}
                    time => {
                        threads.insert(thread.file_name(), time?);
                    }
                }
            }
        }
        Ok(Self(threads))
    }

    /// What was spent since an earlier look by those that still live. That thread by thread: one
    /// that has ended in between must not be taken off the others.
    pub fn since(&self, earlier: &Self) -> Duration {
        let spent = self.0.iter().map(|(thread, time)| {
            let before = earlier.0.get(thread).copied().unwrap_or_default();
            time.saturating_sub(before)
        });
        spent.sum()
    }
}

fn of_thread(folder: &Path) -> io::Result<Duration> {
    match fs::read_to_string(folder.join("schedstat")) {
        Ok(text) => Ok(Duration::from_nanos(first_number(&text)?)),
        // Not every kernel has it.
        Err(_) => ticks(&fs::read_to_string(folder.join("stat"))?),
    }
}

/// Memory of processes, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Shared pages in proportion.
    pub pss: f64,
    pub private_dirty: f64,
}

impl Memory {
    pub fn of(processes: &[u32]) -> io::Result<Self> {
        let mut sum = Self::default();
        for process in processes {
            let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
            sum.pss += kibibytes(&text, "Pss:")?;
            sum.private_dirty += kibibytes(&text, "Private_Dirty:")?;
        }
        Ok(sum)
    }
}

/// Memory of the kernel's own objects, of the whole machine, in bytes.
pub fn slab() -> io::Result<f64> {
    kibibytes(&fs::read_to_string("/proc/meminfo")?, "Slab:")
}

fn kibibytes(text: &str, name: &str) -> io::Result<f64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .ok_or_else(|| io::Error::other(format!("no {name} of the kernel")))?;
    Ok(as_f64(first_number(line)?) * 1024.0)
}

fn first_number(text: &str) -> io::Result<u64> {
    let word = text.split_whitespace().next().unwrap_or_default();
    word.parse()
        .map_err(|_| io::Error::other(format!("the kernel says {text:?}")))
}

/// User and system time of a `stat` file. The kernel's ticks are a hundredth of a second on all
/// machines that this runs on.
fn ticks(stat: &str) -> io::Result<Duration> {
    let (_, rest) = stat.rsplit_once(") ").unwrap_or_default();
    let mut words = rest.split(' ').skip(11);
    let mut next = || first_number(words.next().unwrap_or_default());
    Ok(Duration::from_millis(10 * (next()? + next()?)))
}

/// As a number to calculate with. No count here comes near 2^53.
#[allow(clippy::cast_precision_loss)]
pub fn as_f64(count: u64) -> f64 {
    count as f64
}
