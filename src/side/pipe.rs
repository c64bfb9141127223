//! Pipes, through which the kernel moves bulk from socket to socket without a copy. The thread keeps
//! a few; one is borrowed for as long as bytes are in it, and whoever finds none copies instead.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::pipe::{PipeFlags, SpliceFlags, pipe_with, splice};

/// The most that a pipe takes at once, in bytes. That is how much a stalled direction keeps.
const CAPACITY: usize = 64 * 1024;

/// Pipes of a thread. Linux allows a user 64 MiB in all, and each takes two file descriptors.
pub const MOST: usize = 64;

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { idle: Vec::new(), made: 0 }) };
}

#[derive(Debug)]
struct Pool {
    idle: Vec<Ends>,
    /// How many there are, borrowed ones included.
    made: usize,
}

#[derive(Debug)]
struct Ends {
    read: OwnedFd,
    write: OwnedFd,
}

/// A pipe on loan. Dropped, it goes back; or is closed, with the bytes that are still in it.
#[derive(Debug)]
pub struct Pipe {
    /// There until it is dropped.
    ends: Option<Ends>,
    /// Bytes in it.
    len: usize,
}

// === impl Pool ===

impl Pool {
    fn take(&mut self) -> Option<Ends> {
        if let Some(ends) = self.idle.pop() {
            return Some(ends);
        }
        if self.made == MOST {
            return None;
        }
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
        self.made += 1;
        Some(Ends { read, write })
    }
}

// === impl Pipe ===

impl Pipe {
    /// An empty pipe, unless all are lent or the system has no more.
    pub fn borrow() -> Option<Self> {
        let ends = POOL.with_borrow_mut(Pool::take)?;
        Some(Self {
            ends: Some(ends),
            len: 0,
        })
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Moves what `source` has into it, if it is empty, and returns how much that was.
    pub fn fill(&mut self, source: impl AsFd) -> io::Result<usize> {
        let moved = splice(source, None, &self.ends().write, None, CAPACITY, FLAGS)?;
        self.len += moved;
        Ok(moved)
    }

    /// Moves into `sink` what it takes.
    pub fn empty(&mut self, sink: impl AsFd) -> io::Result<()> {
        self.len -= splice(&self.ends().read, None, sink, None, self.len, FLAGS)?;
        Ok(())
    }

    /// Copies out all that is in it.
    pub fn take_bytes(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.len);
        while self.len > 0 {
            let room = spare_capacity(&mut bytes);
            self.len -= rustix::io::read(&self.ends().read, room)?;
        }
        Ok(bytes)
    }

    fn ends(&self) -> &Ends {
        self.ends.as_ref().expect("there until it is dropped")
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let ends = self.ends.take();
        POOL.with_borrow_mut(|pool| match ends {
            Some(ends) if self.len == 0 => pool.idle.push(ends),
            _ => pool.made -= 1,
        });
    }
}

const FLAGS: SpliceFlags = SpliceFlags::MOVE.union(SpliceFlags::NONBLOCK);
