//! Listening sockets: a configured listener in, one bound socket for each worker out. The sockets
//! share the port (`SO_REUSEPORT`), and the kernel spreads connections over them.

mod holder;

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::TcpStream;

use crate::config::Listener;
use crate::socket;

/// Connections that may wait to be accepted, a socket. The kernel cuts it to `somaxconn`.
const BACKLOG: i32 = 4_096;

/// Why a port cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The socket could not be made or bound.
    #[error("listener '{name}': cannot listen on {address}: {source}")]
    Bind {
        /// The listener.
        name: String,
        /// What was to be bound.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// Somebody else listens there.
    #[error("listener '{name}': port {port} is taken{by}", by = by(holder.as_deref()))]
    Taken {
        /// The listener.
        name: String,
        /// What was to be bound.
        port: u16,
        /// Whose it is, where /proc tells.
        holder: Option<String>,
    },
}

/// Where a listener is bound. Two listeners of the same place can follow each other on the same
/// sockets.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Place {
    address: Option<IpAddr>,
    port: u16,
}

/// Binds `listener` `workers` times. `ours` says that a socket of this process may still have
/// the port.
pub fn bind(listener: &Listener, workers: usize, ours: bool) -> Result<Vec<TcpListener>, Error> {
    let place = Place::from(listener);
    let address = place.socket_address();
    let error = |source: io::Error| match source.kind() {
        ErrorKind::AddrInUse => Error::Taken {
            name: listener.name.clone(),
            port: place.port,
            holder: holder::of_port(place.port),
        },
        _ => Error::Bind {
            name: listener.name.clone(),
            address,
            source,
        },
    };
    // With SO_REUSEPORT a second daemon of the same user would share the port, and take half of
    // the connections. Without, it learns that the port is taken.
    if !ours {
        open(address, false).map_err(error)?;
    }
    (0..workers)
        .map(|_| {
            let socket = open(address, true)?;
            socket.listen(BACKLOG)?;
            Ok(TcpListener::from(socket))
        })
        .collect::<io::Result<_>>()
        .map_err(error)
}

/// Where the client of an accepted connection wanted to go: the public port, where a redirect of
/// the firewall lies between.
pub fn destination(client: &TcpStream) -> io::Result<SocketAddr> {
    let local = client.local_addr()?;
    let socket = SockRef::from(client);
    let original = if local.ip().to_canonical().is_ipv4() {
        socket.original_dst_v4()
    } else {
        socket.original_dst_v6()
    };
    // An error means that the firewall does not track this connection, so has not redirected it.
    Ok(original
        .ok()
        .and_then(|original| original.as_socket())
        .unwrap_or(local))
}

/// A bound socket with all that accepted sockets inherit from it.
fn open(address: SocketAddr, share: bool) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share)?;
    socket::tune(&socket)?;
    socket::watch(&socket)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn by(holder: Option<&str>) -> String {
    holder.map_or_else(String::new, |holder| format!(" by {holder}"))
}

// === impl Place ===

impl From<&Listener> for Place {
    fn from(listener: &Listener) -> Self {
        Self {
            address: listener.bind_address,
            port: listener.bind_port.get(),
        }
    }
}

impl Place {
    /// What to bind: without an address of its own, all of IPv6 with IPv4 mapped into it, or
    /// all of IPv4 where the kernel has no IPv6.
    fn socket_address(self) -> SocketAddr {
        let any = || {
            if Socket::new(Domain::IPV6, Type::STREAM, None).is_ok() {
                IpAddr::V6(Ipv6Addr::UNSPECIFIED)
            } else {
                IpAddr::V4(Ipv4Addr::UNSPECIFIED)
            }
        };
        SocketAddr::new(self.address.unwrap_or_else(any), self.port)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::num::NonZeroU16;
    use std::sync::Arc;

    use super::*;
    use crate::config::{Gate, Host, HostPort, ProxyHeader, Upstream};

    #[test]
    fn ipv4_and_ipv6_arrive_at_one_listener() {
        let listener = listener(free_port(), None);
        let sockets = bind(&listener, 1, false).expect("bound");
        let port = listener.bind_port.get();
        for address in ["127.0.0.1", "::1"] {
            sockets[0].set_nonblocking(false).expect("blocking");
            let address: IpAddr = address.parse().expect("address");
            let client = TcpStream::connect((address, port)).expect("connected");
            let (_, peer) = sockets[0].accept().expect("accepted");
            assert_eq!(peer.port(), client.local_addr().expect("address").port());
        }
    }

    #[test]
    fn taken_port_is_named_with_who_has_it() {
        let listener = listener(free_port(), Some("127.0.0.1"));
        let _held = bind(&listener, 2, false).expect("bound");
        let error = bind(&listener, 2, false).expect_err("taken").to_string();
        let port = listener.bind_port.to_string();
        assert!(error.contains(&port), "{error}");
        assert!(
            error.contains(&format!("(pid {})", std::process::id())),
            "{error}"
        );
    }

    #[test]
    fn accepted_sockets_inherit_the_options() {
        let listener = listener(free_port(), Some("127.0.0.1"));
        let sockets = bind(&listener, 1, false).expect("bound");
        sockets[0].set_nonblocking(false).expect("blocking");
        let _client = TcpStream::connect(("127.0.0.1", listener.bind_port.get()));
        let (accepted, _) = sockets[0].accept().expect("accepted");
        let accepted = SockRef::from(&accepted);
        assert!(accepted.tcp_nodelay().expect("option"));
        assert!(accepted.keepalive().expect("option"));
        assert!(accepted.tcp_user_timeout().expect("option").is_some());
    }

    fn listener(port: u16, address: Option<&str>) -> Listener {
        let port = NonZeroU16::new(port).expect("a port");
        Listener {
            name: "test".into(),
            port,
            bind_port: port,
            bind_address: address.map(|address| address.parse().expect("address")),
            upstream: Arc::new(Upstream {
                interface: None,
                name: "chat".into(),
                addresses: vec![HostPort {
                    host: Host::Name("chat.invalid".into()),
                    port,
                }],
                proxy_header: ProxyHeader::None,
                allow_private: false,
            }),
            media: None,
            tls: false,
            accept_proxy: false,
            gate: Gate::Off,
            decoy: None,
        }
    }

    fn free_port() -> u16 {
        let socket = TcpListener::bind(("::", 0)).expect("bound");
        socket.local_addr().expect("address").port()
    }
}
