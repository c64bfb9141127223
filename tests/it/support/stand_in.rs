//! Stand-ins for WhatsApp's hosts, on loopback, most with a thread for each connection.
//!
//! The daemon looks whether an upstream is well by connecting and leaving. Such a connection
//! brings no bytes; every stand-in lets it go by.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncWriteExt, copy};
use tokio::runtime;
use tokio::time::timeout;

use super::client::{self, Ending, patient};

/// A host that accepts until it is dropped.
pub struct StandIn {
    address: SocketAddr,
    closed: Arc<AtomicBool>,
}

impl StandIn {
    /// Gives every connection to `serve`.
    pub fn new(serve: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(), serve)
    }

    /// The same on a socket of the test's making.
    pub fn on(
        listener: TcpListener,
        serve: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        // Polling, not blocking: the thread must see the end also where no one can connect.
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let closed = Arc::new(AtomicBool::new(false));
        let end = closed.clone();
        let serve = Arc::new(serve);
        thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                let Ok((stream, _)) = listener.accept() else {
                    thread::sleep(Duration::from_millis(1));
                    continue;
                };
                let serve = serve.clone();
                thread::spawn(move || {
                    stream.set_nonblocking(false)?;
                    patient(&stream);
                    serve(stream)
                });
            }
        });
        Self { address, closed }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends back what it gets; closes when the client has closed.
    pub fn echo() -> Self {
        Self::new(echo)
    }

    /// The same for thousands of connections at once, on one thread and with a queue as long.
    pub fn busy_echo() -> Self {
        let listener = long_queue();
        let address = listener.local_addr().unwrap();
        let closed = Arc::new(AtomicBool::new(false));
        let end = closed.clone();
        thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                while !end.load(Ordering::Relaxed) {
                    let accepted = timeout(Duration::from_millis(100), listener.accept());
                    if let Ok(Ok((mut stream, _))) = accepted.await {
                        tokio::spawn(async move {
                            let (mut from, mut to) = stream.split();
                            copy(&mut from, &mut to).await?;
                            to.shutdown().await
                        });
                    }
                }
            });
        });
        Self { address, closed }
    }

    /// Ends every connection with a reset as soon as a byte has come.
    pub fn resetter() -> Self {
        Self::new(|mut stream| {
            if stream.read(&mut [0])? > 0 {
                client::reset(stream);
            }
            Ok(())
        })
    }

    /// Takes everything and tells what came once the client is done.
    pub fn recorder() -> (Self, Receiver<Recording>) {
        let (report, recordings) = mpsc::channel();
        let stand_in = Self::new(move |mut stream| {
            let (bytes, ending) = client::read_to_end(&mut stream);
            if !bytes.is_empty() {
                // The test may be over.
                let _ = report.send(Recording { bytes, ending });
            }
            Ok(())
        });
        (stand_in, recordings)
    }

    /// Reads the PROXY header v1 and hands the connection to the test.
    pub fn handing_over() -> (Self, Receiver<Accepted>) {
        let (report, accepted) = mpsc::channel();
        let stand_in = Self::new(move |mut stream| {
            if let Some(header) = read_line(&mut stream)? {
                let _ = report.send(Accepted { header, stream });
            }
            Ok(())
        });
        (stand_in, accepted)
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
    }
}

/// What a recorder got.
#[derive(Debug)]
pub struct Recording {
    pub bytes: Vec<u8>,
    pub ending: Ending,
}

/// A connection as the upstream sees it.
#[derive(Debug)]
pub struct Accepted {
    /// The PROXY header, without its line end.
    pub header: String,
    pub stream: TcpStream,
}

/// An address to which connecting takes forever: its queue is full and nobody empties it.
pub struct BlackHole {
    address: SocketAddr,
    _listener: Socket,
    _queue: Vec<Socket>,
}

impl BlackHole {
    pub fn new() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener
            .bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
            .unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let queue = (0..4).map(|_| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&address);
            socket
        });
        let queue = queue.collect();
        Self {
            address: address.as_socket().unwrap(),
            _listener: listener,
            _queue: queue,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A socket in which thousands may wait, for a runtime.
pub fn long_queue() -> TcpListener {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket
        .bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
        .unwrap();
    socket.listen(4096).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket.into()
}

/// An address on which nobody listens.
pub fn refusing() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, super::port::fresh()).into()
}

/// Sends back what comes, and the end of it.
pub fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        match stream.read(&mut buffer)? {
            0 => return stream.shutdown(Shutdown::Write),
            length => stream.write_all(&buffer[..length])?,
        }
    }
}

/// A line without its end; `None` where the connection ended before one began.
fn read_line(stream: &mut TcpStream) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\r\n") {
        if stream.read(&mut byte)? == 0 {
            return if line.is_empty() {
                Ok(None)
            } else {
                Err(io::ErrorKind::UnexpectedEof.into())
            };
        }
        line.push(byte[0]);
    }
    line.truncate(line.len() - 2);
    Ok(Some(String::from_utf8_lossy(&line).into_owned()))
}
