//! What a relay asks of the kernel at the least: one thread, one `epoll`, a call to read and one to
//! write. No limits, no timeouts, no accounting, no options of sockets, nothing of a runtime. Where a
//! round trip or a new connection through it is no cheaper, the rest is the kernel's.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, accept_with, connect,
    listen, recv, send, shutdown, socket_with,
};

/// Serves for ever.
pub fn run(port: u16, upstream: u16) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    // Once more, for as many that wait as with the others.
    listen(&listener, BACKLOG)?;
    let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, upstream));
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(
        &poll,
        &listener,
        EventData::new_u64(LISTENER),
        EventFlags::IN,
    )?;

    let mut buffer = vec![0; 32 * 1024];
    let mut pairs: Vec<Option<Pair>> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    let mut closed = Vec::new();
    let mut events = Vec::with_capacity(1024);
    loop {
        epoll::wait(&poll, spare_capacity(&mut events), None)?;
        for event in events.drain(..) {
            let data = event.data.u64();
            if data == LISTENER {
                let Ok(client) = accept_with(&listener, SocketFlags::NONBLOCK) else {
                    continue;
                };
                let index = free.pop().unwrap_or(pairs.len());
                let pair = Pair::open(client, upstream, &poll, index)?;
                if index == pairs.len() {
                    pairs.push(Some(pair));
                } else {
                    pairs[index] = Some(pair);
                }
                continue;
            }
            let place = usize::try_from(data).map_err(io::Error::other)?;
            let (index, side) = (place / 2, place % 2);
            // There may be a second event of one that this very turn has closed.
            if let Some(pair) = &mut pairs[index]
                && !pair.goes_on(side, event.flags, &mut buffer)
            {
                pairs[index] = None;
                closed.push(index);
            }
        }
        free.append(&mut closed);
    }
}

const LISTENER: u64 = u64::MAX;
const BACKLOG: i32 = 4096;

const CLIENT: usize = 0;
const UPSTREAM: usize = 1;

/// Two sockets, and the way from each to the other.
struct Pair {
    sockets: [OwnedFd; 2],
    ways: [Way; 2],
    connected: bool,
}

/// One direction.
#[derive(Default)]
struct Way {
    /// There may be something to read.
    readable: bool,
    /// The kernel has told of the end, which comes behind all bytes.
    told: bool,
    ended: bool,
    /// What the sink would not take.
    rest: Vec<u8>,
}

impl Pair {
    fn open(
        client: OwnedFd,
        upstream: SocketAddr,
        poll: &OwnedFd,
        index: usize,
    ) -> io::Result<Self> {
        let flags = SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        match connect(&socket, &upstream) {
            Err(Errno::INPROGRESS) => {}
            connected => connected?,
        }
        let pair = Self {
            sockets: [client, socket],
            ways: Default::default(),
            connected: false,
        };
        let wanted = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        for (side, socket) in pair.sockets.iter().enumerate() {
            let data = EventData::new_u64((index * 2 + side) as u64);
            epoll::add(poll, socket, data, wanted)?;
        }
        Ok(pair)
    }

    /// Moves what can be moved after an event of `side`, and says whether there is more to come.
    fn goes_on(&mut self, side: usize, flags: EventFlags, buffer: &mut [u8]) -> bool {
        let end = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
        self.ways[side].told |= flags.intersects(end);
        self.ways[side].readable |= flags.intersects(end | EventFlags::IN);
        self.connected |= side == UPSTREAM;
        if !self.connected {
            return true;
        }
        for from in [CLIENT, UPSTREAM] {
            let last = self.ways[1 - from].ended;
            let [source, sink] = [&self.sockets[from], &self.sockets[1 - from]];
            if self.ways[from].pump(source, sink, last, buffer).is_err() {
                return false;
            }
        }
        !self.ways.iter().all(|way| way.ended)
    }
}

impl Way {
    /// `last` says that the other way has ended, so that a close ends this one.
    fn pump(
        &mut self,
        source: &OwnedFd,
        sink: &OwnedFd,
        last: bool,
        buffer: &mut [u8],
    ) -> rustix::io::Result<()> {
        while !self.ended {
            if !self.rest.is_empty() {
                let sent = send_some(sink, &self.rest)?;
                self.rest.drain(..sent);
                if !self.rest.is_empty() {
                    break;
                }
            }
            if !self.readable {
                break;
            }
            match recv(source, &mut *buffer, RecvFlags::empty()) {
                Ok((0, _)) => {
                    self.ended = true;
                    if !last {
                        shutdown(sink, Shutdown::Write)?;
                    }
                }
                Ok((read, _)) => {
                    self.readable = self.told || read == buffer.len();
                    let sent = send_some(sink, &buffer[..read])?;
                    self.rest.extend_from_slice(&buffer[sent..read]);
                }
                Err(Errno::WOULDBLOCK) => self.readable = false,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// How much the sink has taken.
fn send_some(sink: &OwnedFd, bytes: &[u8]) -> rustix::io::Result<usize> {
    match send(sink, bytes, SendFlags::NOSIGNAL) {
        Err(Errno::WOULDBLOCK) => Ok(0),
        sent => sent,
    }
}
