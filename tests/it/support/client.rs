//! The phone's side of a connection, plain.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

/// Where clients come from unless a test says otherwise. Nothing else has an address of
/// `127.66.0.0/16`, so one in a log is a client's.
pub const SOURCE: Ipv4Addr = Ipv4Addr::new(127, 66, 0, 1);
/// What nothing that a daemon writes may contain.
pub const SOURCES: &str = "127.66.";

/// How long a test waits for bytes that must come.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Connects to a port of this machine from [`SOURCE`].
pub fn connect(port: u16) -> TcpStream {
    connect_from(SOURCE, (Ipv4Addr::LOCALHOST, port)).unwrap()
}

/// Connects over IPv6.
pub fn connect_v6(port: u16) -> TcpStream {
    connect_from(Ipv6Addr::LOCALHOST, (Ipv6Addr::LOCALHOST, port)).unwrap()
}

/// Connects from an address of the test's choice. A reset that follows at once may come out here
/// or at the first read or write.
pub fn connect_from(
    source: impl Into<IpAddr>,
    target: impl Into<SocketAddr>,
) -> io::Result<TcpStream> {
    let target = target.into();
    let socket = Socket::new(Domain::for_address(target), Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(source.into(), 0).into())?;
    let stream = TcpStream::from(socket);
    patient(&stream);
    SockRef::from(&stream).connect(&target.into())?;
    Ok(stream)
}

/// Sends all of it, and waits for the end.
pub fn talk(mut client: TcpStream, bytes: &[u8]) {
    client.write_all(bytes).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&mut client).1, Ending::Closed);
}

/// Makes every read and write of a stream end.
pub fn patient(stream: &TcpStream) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
}

/// Ends a connection with a reset.
pub fn reset(stream: TcpStream) {
    SockRef::from(&stream)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(stream);
}

/// How the far side ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ending {
    /// With a FIN (TLS: `close_notify`).
    Closed,
    /// With a reset.
    Reset,
    /// TLS: with a FIN and no `close_notify`.
    Truncated,
}

/// Reads to the end: what came, and how it ended.
///
/// # Panics
///
/// When the end does not come.
pub fn read_to_end(stream: &mut (impl Read + ?Sized)) -> (Vec<u8>, Ending) {
    let mut all = Vec::new();
    let ending = match stream.read_to_end(&mut all) {
        Ok(_) => Ending::Closed,
        Err(error) => {
            ending_of(&error).unwrap_or_else(|| panic!("neither bytes nor an end: {error}"))
        }
    };
    (all, ending)
}

/// The ending that an error stands for.
pub fn ending_of(error: &io::Error) -> Option<Ending> {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Some(Ending::Reset),
        io::ErrorKind::UnexpectedEof => Some(Ending::Truncated),
        _ => None,
    }
}

/// Reads exactly `length` bytes.
pub fn read_exactly(stream: &mut (impl Read + ?Sized), length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}
