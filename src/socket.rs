//! What TCP sockets of ours are set to. Those of clients inherit it from the listening socket;
//! those of upstreams are told one by one, so they are told no more than they need.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// How long a connection may be silent before the kernel asks whether the peer is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_mins(1);

/// Between two such questions.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// How many of them may stay without an answer.
const KEEPALIVE_RETRIES: u32 = 6;

/// How long bytes, or a question of keepalive, may stay without an acknowledgement. The kernel
/// counts a peer that is there but takes nothing as well, so a phone that sleeps in the middle of
/// a download must be given time.
const USER_TIMEOUT: Duration = Duration::from_mins(2);

/// Where nothing is sent for longer than this, it is worth asking whether a peer is still there.
/// Where patience ends sooner, it ends with those who are gone.
pub const LONG_SILENCE: Duration = Duration::from_mins(5);

/// Has bytes leave at once, and a peer noticed to be gone that does not acknowledge them.
pub fn tune<'a>(socket: impl Into<SockRef<'a>>) -> io::Result<()> {
    let socket = socket.into();
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))
}

/// Has a peer noticed to be gone to whom nothing is sent, two minutes after its last sign of life.
pub fn watch<'a>(socket: impl Into<SockRef<'a>>) -> io::Result<()> {
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_RETRIES);
    socket.into().set_tcp_keepalive(&keepalive)
}

/// Makes the close of `socket`, which follows when it is dropped, a reset: the peer learns at once
/// that nothing more will come, and the kernel keeps nothing for it.
pub fn reset_on_close<'a>(socket: impl Into<SockRef<'a>>) {
    // Cannot fail on a TCP socket; and if it did, an ordinary close would follow.
    let _ = socket.into().set_linger(Some(Duration::ZERO));
}

#[cfg(test)]
mod tests {
    use socket2::{Domain, Socket, Type};

    use super::*;

    #[test]
    fn every_option_is_set() {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        tune(&socket).unwrap();
        watch(&socket).unwrap();
        assert!(socket.tcp_nodelay().unwrap());
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), KEEPALIVE_IDLE);
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), KEEPALIVE_INTERVAL);
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), KEEPALIVE_RETRIES);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(USER_TIMEOUT));
    }
}
