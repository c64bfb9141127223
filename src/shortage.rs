//! What the system has too little of. The error of a call enters; whether it says so, and a line in
//! the log once a minute, leave. Never says for whom the call was.

use std::fmt::Display;
use std::io;

use rustix::io::Errno;

use crate::seldom::Seldom;

/// Something that cannot be done now and then for want of descriptors, memory and the like.
#[derive(Debug)]
pub struct Shortage {
    what: &'static str,
    logged: Seldom,
}

/// Whether `error` says that we, or the system, lack something; not that a peer does.
pub fn is(error: &io::Error) -> bool {
    let shortage = [
        Errno::AGAIN,
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOBUFS,
        Errno::NOMEM,
        // Of what epoll may watch (epoll(7)).
        Errno::NOSPC,
    ];
    Errno::from_io_error(error).is_some_and(|errno| shortage.contains(&errno))
}

// === impl Shortage ===

impl Shortage {
    /// A shortage of which the log says `what` cannot be done, or is done instead.
    pub const fn new(what: &'static str) -> Self {
        Self {
            what,
            logged: Seldom::never(),
        }
    }

    /// Logs that it could not be done because of `error`, unless that has just been said.
    pub fn log(&self, error: impl Display) {
        if self.logged.is_due() {
            log::warn!("{}: {error}", self.what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_lack_is_told_from_what_peers_do() {
        for errno in [Errno::MFILE, Errno::NOBUFS, Errno::NOMEM] {
            assert!(is(&errno.into()), "{errno}");
        }
        for errno in [Errno::CONNREFUSED, Errno::NETUNREACH, Errno::ADDRNOTAVAIL] {
            assert!(!is(&errno.into()), "{errno}");
        }
    }
}
