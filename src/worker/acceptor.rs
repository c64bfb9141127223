//! Accepts from one listening socket and starts a session for each connection, until it is told
//! to stop. No error of accept ends it, and none makes it spin.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::net::{self, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use rustix::io::Errno;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::admission::Admission;
use crate::allowance::LINE;
use crate::session::{self, Settings};
use crate::shortage::Shortage;
use crate::socket;

/// How long to wait where the system is short of something, and only connections that end can
/// help.
const SHORTAGE_PAUSE: Duration = Duration::from_millis(100);

/// As many connections as can wait in a socket that is about to be closed; more are new ones.
const MOST_WAITING: usize = 4_096;

static SHORTAGE: Shortage = Shortage::new("cannot accept connections");

/// What accepts.
#[derive(Debug)]
pub(super) struct Acceptor {
    settings: RefCell<Rc<Settings>>,
    admission: Arc<Admission>,
    stopped: Cell<bool>,
    wake: Notify,
}

// === impl Acceptor ===

impl Acceptor {
    /// Accepts from `socket`, in a task of its own.
    pub(super) fn start(
        socket: net::TcpListener,
        settings: Rc<Settings>,
        admission: &Arc<Admission>,
    ) -> io::Result<Rc<Self>> {
        let socket = TcpListener::from_std(socket)?;
        let acceptor = Rc::new(Self {
            settings: RefCell::new(settings),
            admission: Arc::clone(admission),
            stopped: Cell::new(false),
            wake: Notify::new(),
        });
        tokio::task::spawn_local(Rc::clone(&acceptor).run(socket));
        Ok(acceptor)
    }

    /// Changes the settings for connections to come.
    pub(super) fn change(&self, settings: Rc<Settings>) {
        *self.settings.borrow_mut() = settings;
    }

    /// Accepts what waits, and then no more.
    pub(super) fn stop(&self) {
        self.stopped.set(true);
        self.wake.notify_one();
    }

    async fn run(self: Rc<Self>, listener: TcpListener) {
        while let Some(accepted) = self.next(&listener).await {
            match accepted {
                Ok((client, peer)) => self.admit(client, peer),
                Err(error) => self.pause_after(&error).await,
            }
        }
        self.drain(listener).await;
    }

    /// The next connection, or `None` after `stop`.
    async fn next(&self, listener: &TcpListener) -> Option<io::Result<(TcpStream, SocketAddr)>> {
        let mut woken = pin!(self.wake.notified());
        poll_fn(|cx| {
            if self.stopped.get() || woken.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            listener.poll_accept(cx).map(Some)
        })
        .await
    }

    /// Accepts all that waits in a socket before it is closed: the kernel resets the rest.
    async fn drain(&self, listener: TcpListener) {
        let Ok(listener) = listener.into_std() else {
            return;
        };
        for _ in 0..MOST_WAITING {
            let accepted = listener.accept().and_then(|(client, peer)| {
                client.set_nonblocking(true)?;
                Ok((TcpStream::from_std(client)?, peer))
            });
            match accepted {
                Ok((client, peer)) => self.admit(client, peer),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) => self.pause_after(&e).await,
            }
        }
    }

    fn admit(&self, client: TcpStream, peer: SocketAddr) {
        let settings = Rc::clone(&self.settings.borrow());
        settings.counters.accepted.add(1);
        if let Some(pause) = LINE.pause() {
            settings.counters.refused.count(pause.reason());
            socket::reset_on_close(&client);
            return;
        }
        let permit = match self.admission.admit() {
            Ok(permit) => permit,
            Err(full) => {
                settings.counters.refused.count(full.reason());
                socket::reset_on_close(&client);
                return;
            }
        };
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        if let Some(session) = session::run(client, peer, permit, settings) {
            tokio::task::spawn_local(session);
        }
    }

    async fn pause_after(&self, error: &io::Error) {
        let settings = Rc::clone(&self.settings.borrow());
        settings.counters.accept_errors.count(name(error));
        if is_of_one_connection(error) {
            return;
        }
        SHORTAGE.log(error);
        sleep(SHORTAGE_PAUSE).await;
    }
}

/// Whether only the connection that would have been accepted is lost: accept(2) hands on errors
/// of the network too.
fn is_of_one_connection(error: &io::Error) -> bool {
    use Errno as E;
    Errno::from_io_error(error).is_some_and(|errno| {
        [
            E::CONNABORTED,
            E::INTR,
            E::PERM,
            E::PROTO,
            E::NETDOWN,
            E::NOPROTOOPT,
            E::HOSTDOWN,
            E::NONET,
            E::HOSTUNREACH,
            E::OPNOTSUPP,
            E::NETUNREACH,
            E::TIMEDOUT,
        ]
        .contains(&errno)
    })
}

/// The reason that it is counted under.
fn name(error: &io::Error) -> &'static str {
    match Errno::from_io_error(error) {
        Some(Errno::CONNABORTED) => "ECONNABORTED",
        Some(Errno::MFILE) => "EMFILE",
        Some(Errno::NFILE) => "ENFILE",
        Some(Errno::NOBUFS) => "ENOBUFS",
        Some(Errno::NOMEM) => "ENOMEM",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortage_is_told_from_the_loss_of_one_connection() {
        for (errno, reason, lost) in [
            (Errno::CONNABORTED, "ECONNABORTED", true),
            (Errno::MFILE, "EMFILE", false),
            (Errno::NFILE, "ENFILE", false),
            (Errno::NOBUFS, "ENOBUFS", false),
            (Errno::NOMEM, "ENOMEM", false),
            (Errno::NETUNREACH, "other", true),
        ] {
            let error = io::Error::from(errno);
            assert_eq!((name(&error), is_of_one_connection(&error)), (reason, lost));
        }
    }
}
