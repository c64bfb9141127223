//! Both ends of one connection through a relay. The load holds the client's and the upstream's, so
//! it knows what was sent and what came without asking anybody.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection, StreamOwned};
use socket2::{Domain, SockRef, Socket, Type};

use crate::relay::Relay;
use crate::tls;

/// How long a thing that must happen may take, also on an emulated router.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Where all relays lead to.
#[derive(Debug)]
pub struct Upstream {
    listener: TcpListener,
}

impl Upstream {
    pub fn new(port: u16) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
        socket.listen(BACKLOG)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let listener = socket.into();
        Ok(Self { listener })
    }

    /// The listener, for who accepts by himself and without waiting.
    pub fn listener(&self) -> &TcpListener {
        &self.listener
    }

    /// The connection on which these bytes come first. Others are of those who looked whether we
    /// are there.
    fn accept(&self, first: [u8; 4]) -> io::Result<TcpStream> {
        loop {
            let (mut stream, _) = self.listener.accept()?;
            patient(&stream)?;
            let mut bytes = [0; 4];
            if stream.read_exact(&mut bytes).is_ok() && bytes == first {
                return Ok(stream);
            }
        }
    }
}

const BACKLOG: i32 = 4096;

/// A connection through a relay.
#[derive(Debug)]
pub struct Pair {
    pub client: Client,
    pub upstream: TcpStream,
}

impl Pair {
    /// Opens one, over TLS with a configuration for it.
    pub fn open(
        relay: &Relay,
        upstream: &Upstream,
        tls: Option<&Arc<ClientConfig>>,
    ) -> io::Result<Self> {
        let mut client = Client::connect(relay, tls)?;
        let first = NEXT.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        client.write_all(&first)?;
        let upstream = upstream.accept(first)?;
        Ok(Self { client, upstream })
    }
}

static NEXT: AtomicU32 = AtomicU32::new(1);

/// The phone's end.
#[derive(Debug)]
pub enum Client {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Client {
    fn connect(relay: &Relay, tls: Option<&Arc<ClientConfig>>) -> io::Result<Self> {
        let address = tls.map_or(relay.plain(), |_| relay.tls());
        let stream = TcpStream::connect(address)?;
        patient(&stream)?;
        let Some(config) = tls else {
            return Ok(Self::Plain(stream));
        };
        let connection =
            ClientConnection::new(config.clone(), tls::server_name(0)).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self::Tls(Box::new(stream)))
    }

    pub fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &stream.sock,
        }
    }

    /// Ends what it sends; on TLS, with a `close_notify` before.
    pub fn finish(&mut self) -> io::Result<()> {
        if let Self::Tls(stream) = self {
            stream.conn.send_close_notify();
            while stream.conn.wants_write() {
                stream.conn.write_tls(&mut stream.sock)?;
            }
        }
        self.socket().shutdown(Shutdown::Write)
    }
}

impl Read for Client {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(bytes),
            Self::Tls(stream) => stream.read(bytes),
        }
    }
}

impl Write for Client {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// Makes every wait end, and every write leave at once.
fn patient(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))
}
