//! Pipes, through which the kernel moves bulk from socket to socket without a copy. The thread
//! keeps a few; one is borrowed for as long as bytes are in it, and who finds none copies instead.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::LazyLock;

use rustix::buffer::spare_capacity;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

use super::kept;
use crate::deadline;
use crate::memory;
use crate::shortage::Shortage;

/// Pipes of a thread, of two file descriptors each. Linux lets a user have 64 MiB of them in all
/// (pipe(7)): where that is used up, there are fewer.
pub const MOST: usize = 32;

/// The most of what waits in a pipe that is taken back into memory, in bytes. More stays in there
/// until the peer takes it, or its connection ends.
pub(super) const MOST_KEPT: usize = 64 * 1024;

/// What a pipe takes on the smallest machines, in bytes.
const SMALLEST: usize = 64 * 1024;

/// What Linux lets anybody have in one pipe, in bytes.
const LARGEST: usize = 1024 * 1024;

/// Bytes that are moved at once. More at once wakes all who wait for them less often; but it is the
/// kernel's memory while a peer does not take them, so small machines move less.
static CAPACITY: LazyLock<usize> = LazyLock::new(|| capacity_for(memory::allowed()));

static SHORTAGE: Shortage = Shortage::new("bulk is copied, for want of pipes");

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { idle: Vec::new(), made: 0, refused: None }) };
}

#[derive(Debug)]
struct Pool {
    idle: Vec<Ends>,
    /// How many there are, borrowed ones included.
    made: usize,
    /// The second, as the thread counts, in which the system had no more.
    refused: Option<u32>,
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
        if self.made == MOST || self.refused == Some(deadline::now()) {
            return None;
        }
        match Ends::new() {
            Ok(ends) => {
                self.made = self.made.saturating_add(1);
                Some(ends)
            }
            Err(error) => {
                self.refused = Some(deadline::now());
                SHORTAGE.log(error);
                None
            }
        }
    }
}

// === impl Ends ===

impl Ends {
    fn new() -> io::Result<Self> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // Fails where the user has too much in pipes: then this one would be next to nothing.
        fcntl_setpipe_size(&write, *CAPACITY)?;
        Ok(Self { read, write })
    }
}

// === impl Pipe ===

impl Pipe {
    /// An empty pipe, unless all are lent, the system has no more, or the thread keeps too much
    /// already to take back what may get stuck in it.
    pub fn borrow() -> Option<Self> {
        if kept::is_much() {
            return None;
        }
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

    /// Bytes in it.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Moves what `source` has into it, as far as there is room and no more than `most`, and returns how
    /// much that was.
    pub fn fill(&mut self, source: impl AsFd, most: usize) -> io::Result<usize> {
        let most = most.min(*CAPACITY);
        let moved = splice(source, None, &self.ends().write, None, most, FLAGS)?;
        self.len = self.len.saturating_add(moved);
        Ok(moved)
    }

    /// Moves into `sink` what it takes.
    pub fn empty(&mut self, sink: impl AsFd) -> io::Result<()> {
        let moved = splice(&self.ends().read, None, sink, None, self.len, FLAGS)?;
        self.len = self.len.saturating_sub(moved);
        Ok(())
    }

    /// Copies out all that is in it.
    pub fn take_bytes(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.len);
        while self.len > 0 {
            let room = spare_capacity(&mut bytes);
            let read = rustix::io::read(&self.ends().read, room)?;
            self.len = self.len.saturating_sub(read);
        }
        Ok(bytes)
    }

    #[expect(clippy::expect_used, reason = "taken out by drop alone")]
    fn ends(&self) -> &Ends {
        self.ends.as_ref().expect("there until it is dropped")
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let ends = self.ends.take();
        POOL.with_borrow_mut(|pool| match ends {
            Some(ends) if self.len == 0 => pool.idle.push(ends),
            _ => pool.made = pool.made.saturating_sub(1),
        });
    }
}

/// A 4,096th of a machine's `memory`, in bytes, within bounds.
fn capacity_for(memory: usize) -> usize {
    (memory / 4_096).clamp(SMALLEST, LARGEST)
}

/// Without `MORE`, which would hold back the last bytes of what is sent.
const FLAGS: SpliceFlags = SpliceFlags::MOVE.union(SpliceFlags::NONBLOCK);

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    use super::*;

    #[test]
    fn small_machines_move_less_at_once() {
        const MIB: usize = 1 << 20;
        for (memory, capacity) in [
            (0, SMALLEST),
            (64 * MIB, SMALLEST),
            (256 * MIB, SMALLEST),
            (1_024 * MIB, 256 * 1024),
            (usize::MAX, LARGEST),
        ] {
            assert_eq!(capacity_for(memory), capacity, "{memory}");
        }
    }

    #[test]
    fn emptied_pipe_is_lent_again_and_a_lost_one_replaced() {
        let (mut from, mut into) = connection();
        let pipes: Vec<_> = (0..MOST).map(|_| Pipe::borrow().unwrap()).collect();
        assert!(Pipe::borrow().is_none(), "no more than there may be");
        drop(pipes);
        for _ in 0..2 * MOST {
            let mut lost = Pipe::borrow().unwrap();
            from.write_all(b"lost").unwrap();
            assert_eq!(lost.fill(&into, usize::MAX).unwrap(), 4);
        }
        let mut pipe = Pipe::borrow().unwrap();
        from.write_all(b"kept").unwrap();
        assert_eq!(pipe.fill(&into, usize::MAX).unwrap(), 4);
        pipe.empty(&into).unwrap();
        let mut kept = [0; 4];
        from.read_exact(&mut kept).unwrap();
        assert_eq!(&kept, b"kept");
        assert!(pipe.is_empty());
        into.write_all(b"end").unwrap();
    }

    #[test]
    fn bytes_are_taken_back_in_their_order() {
        let (mut from, into) = connection();
        let bytes: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        from.write_all(&bytes).unwrap();
        let mut pipe = Pipe::borrow().unwrap();
        while pipe.len() < bytes.len() {
            pipe.fill(&into, usize::MAX).unwrap();
        }
        assert_eq!(pipe.take_bytes().unwrap(), bytes);
        assert!(pipe.is_empty());
    }

    fn connection() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let from = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (from, listener.accept().unwrap().0)
    }
}
