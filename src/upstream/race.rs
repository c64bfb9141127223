//! Several addresses are connected to, one shortly after the other, until one answers: RFC 8305 in
//! spirit. Addresses and patience enter, the end of each attempt leaves as it comes.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use super::{DialError, refused};
use crate::address::is_home_of;
use crate::config;
use crate::shortage::Shortage;
use crate::socket;

/// How long an address may keep quiet before the next one is tried beside it.
const HEAD_START: Duration = Duration::from_millis(250);

static SHORTAGE: Shortage = Shortage::new("cannot connect to upstreams");

/// A race of addresses. Dropping it gives up what is under way.
pub(super) struct Race<'a, P> {
    candidates: Arc<[SocketAddr]>,
    /// How many of them were started.
    started: usize,
    running: Vec<Attempt>,
    next_start: Instant,
    /// Ends when no more time is given.
    patience: P,
    is_late: bool,
    config: &'a config::Upstream,
}

/// An attempt that has ended.
pub(super) struct Ended {
    pub(super) address: SocketAddr,
    /// The connection, and how long it took.
    pub(super) result: Result<(TcpStream, Duration), DialError>,
}

/// A connection that is being made.
struct Attempt {
    address: SocketAddr,
    started: Instant,
    stream: TcpStream,
}

impl<'a, P: Future<Output = ()> + Unpin> Race<'a, P> {
    pub(super) fn new(
        candidates: Arc<[SocketAddr]>,
        patience: P,
        config: &'a config::Upstream,
    ) -> Self {
        Self {
            candidates,
            started: 0,
            running: Vec::new(),
            next_start: Instant::now(),
            patience,
            is_late: false,
            config,
        }
    }

    /// The next attempt to end; `None` when all have, or when the time is up and each that was
    /// still running has been told as timed out.
    pub(super) async fn next(&mut self) -> Option<Ended> {
        loop {
            if self.is_late {
                let late = self.running.pop()?;
                return Some(late.end(Some(DialError::TimedOut)));
            }
            // No timer for the last one: the kernel would set an alarm at each wait of the thread.
            let head_start = match self.candidates.get(self.started) {
                None if self.running.is_empty() => return None,
                None => None,
                Some(&address) if Instant::now() >= self.next_start => {
                    if let Err(error) = self.start(address) {
                        let result = Err(error);
                        return Some(Ended { address, result });
                    }
                    continue;
                }
                Some(_) => Some(sleep_until(self.next_start)),
            };

            let mut head_start = pin!(head_start);
            let ended = poll_fn(|cx| {
                if let Poll::Ready(ended) = self.poll_end(cx) {
                    return Poll::Ready(Some(ended));
                }
                self.is_late = Pin::new(&mut self.patience).poll(cx).is_ready();
                let next = head_start.as_mut().as_pin_mut();
                if self.is_late || next.is_some_and(|next| next.poll(cx).is_ready()) {
                    return Poll::Ready(None);
                }
                Poll::Pending
            });
            if let Some(ended) = ended.await {
                self.next_start = Instant::now();
                return Some(ended);
            }
        }
    }

    /// Those that had their head start and have not answered.
    pub(super) fn overtaken(&self) -> impl Iterator<Item = SocketAddr> {
        let slow = |attempt: &&Attempt| attempt.started.elapsed() >= HEAD_START;
        self.running
            .iter()
            .filter(slow)
            .map(|attempt| attempt.address)
    }

    fn start(&mut self, address: SocketAddr) -> Result<(), DialError> {
        self.started = self.started.saturating_add(1);
        let started = Instant::now();
        let stream = connect(address, self.config).inspect_err(|error| {
            if let DialError::Shortage(error) = error {
                SHORTAGE.log(error);
            }
        })?;
        self.next_start = started + HEAD_START;
        self.running.push(Attempt {
            address,
            started,
            stream,
        });
        Ok(())
    }

    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<Ended> {
        for (index, attempt) in self.running.iter().enumerate() {
            if let Poll::Ready(ready) = attempt.stream.poll_write_ready(context) {
                let attempt = self.running.swap_remove(index);
                let failure = match ready.and_then(|()| attempt.stream.take_error()) {
                    Ok(failure) => failure,
                    Err(failure) => Some(failure),
                };
                return Poll::Ready(attempt.end(failure.map(DialError::Connect)));
            }
        }
        Poll::Pending
    }
}

impl Attempt {
    fn end(self, failure: Option<DialError>) -> Ended {
        let result = match failure {
            None => Ok((self.stream, self.started.elapsed())),
            Some(error) => Err(error),
        };
        Ended {
            address: self.address,
            result,
        }
    }
}

/// Starts to connect; the stream becomes writable when that has ended, well or badly.
fn connect(address: SocketAddr, config: &config::Upstream) -> Result<TcpStream, DialError> {
    // Addresses of ours may have changed since the name was looked up.
    if refused::reason(address.ip(), config.allow_private)?.is_some() {
        return Err(DialError::Forbidden);
    }
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    socket::tune(&socket)?;
    let device = config.interface.as_deref();
    bind(&socket, device)?;
    if let Err(error) = socket.connect(&address.into()) {
        match Errno::from_io_error(&error) {
            Some(Errno::INPROGRESS) => {}
            // Which also says that no address of ours fits, but that is so without a port too.
            Some(Errno::ADDRNOTAVAIL) if has_route(address, device) => {
                return Err(DialError::Shortage(error));
            }
            _ => return Err(error.into()),
        }
    }
    let stream = TcpStream::from_std(socket.into())?;
    // At home by the routes alone, or since a moment ago: not one byte goes there.
    if !config.allow_private && is_home_of(stream.local_addr()?.ip(), address.ip()) {
        return Err(DialError::Forbidden);
    }
    Ok(stream)
}

/// Keeps all that `socket` sends to one network device, where there is a choice. The only way out: no
/// route leads by another one, not even while that device is gone.
fn bind<'a>(socket: impl Into<SockRef<'a>>, device: Option<&str>) -> io::Result<()> {
    let Some(device) = device else {
        return Ok(());
    };
    let bound = socket.into().bind_device(Some(device.as_bytes()));
    bound.map_err(|error| io::Error::other(format!("network device {device}: {error}")))
}

/// Whether there is an address of ours from which `address` can be reached. Sends nothing.
fn has_route(address: SocketAddr, device: Option<&str>) -> bool {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    UdpSocket::bind((any, 0))
        .is_ok_and(|socket| bind(&socket, device).is_ok() && socket.connect(address).is_ok())
}
