//! A router that is asked by UPnP: finds what of it is connected to the Internet, and asks that. A
//! port and who wants it enter, the router's word leaves. Never talks to another host than the gateway,
//! but for the one question that finds it, and knows none of the texts.

mod message;

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use self::message::{Place, Service};
use super::{Answer, Granted, Path, Wanted, again};

/// Where routers listen for who looks for them, and the group that they all belong to (UPnP Device
/// Architecture 1.1, 1.2.2).
const PORT: u16 = 1900;
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 255, 250);

/// How long a router may take for an answer over HTTP.
const PATIENCE: Duration = Duration::from_secs(3);

/// The longest of those answers: more than descriptions of routers have.
const ANSWER_MAX: u64 = 64 * 1024;

/// A connection to the Internet that opens ports.
pub(super) struct Connection {
    path: Path,
    service: Service,
}

impl Connection {
    /// Finds that of the gateway.
    pub(super) async fn find(path: Path) -> io::Result<Self> {
        let gateway = path.gateway;
        let place = search(path).await?;
        let description = exchange(gateway, place.port, &message::get(gateway, &place)).await?;
        let services = message::services(&description, gateway, &place);
        let mut found = None;
        for service in services {
            let connection = Self { path, service };
            // Some describe two, one for each way to a provider, of which one is in use.
            if matches!(connection.external().await, Ok(Some(_))) {
                return Ok(connection);
            }
            found = found.or(Some(connection));
        }
        found.ok_or_else(|| io::Error::other("it speaks UPnP, but opens no ports"))
    }

    /// The router's address toward the Internet, while it has one (`WANIPConnection`:1, 2.4.18).
    pub(super) async fn external(&self) -> io::Result<Option<Ipv4Addr>> {
        let answer = self.call("GetExternalIPAddress", "").await?;
        let address = message::element(&answer, "NewExternalIPAddress");
        let address = address.and_then(|(text, _)| text.trim().parse().ok());
        Ok(address.filter(|address: &Ipv4Addr| !address.is_unspecified()))
    }

    /// Gives a port back (2.4.17).
    pub(super) async fn unmap(&self, external: u16) -> io::Result<()> {
        let port = message::port(external);
        self.call("DeletePortMapping", &port).await.map(drop)
    }

    /// Asks for a port for `lifetime` seconds (2.4.16).
    pub(super) async fn map(&self, wanted: Wanted, lifetime: u32) -> io::Result<Answer> {
        let (mut external_port, mut lease) = (wanted.external, lifetime);
        loop {
            let arguments = message::mapping(external_port, self.path.own, wanted.internal, lease);
            let answer = self.call("AddPortMapping", &arguments).await?;
            match message::error(&answer) {
                None => {
                    return Ok(Ok(Granted {
                        external_port,
                        external: None,
                        lifetime,
                    }));
                }
                // It opens ports for good, or not at all.
                Some(402 | 725) if lease != 0 => lease = 0,
                // Somebody has that port, or nobody may have one below 1024, or another than ours.
                Some(_) if external_port != wanted.internal => external_port = wanted.internal,
                Some(error) => return Ok(Err(words(error))),
            }
        }
    }

    /// The answer to a question.
    async fn call(&self, action: &str, arguments: &str) -> io::Result<String> {
        let request = message::call(self.path.gateway, &self.service, action, arguments);
        let answer = exchange(self.path.gateway, self.service.place.port, &request).await?;
        if message::is_answer(&answer, action) {
            Ok(answer)
        } else {
            Err(io::Error::other("it answers UPnP with something else"))
        }
    }
}

/// Where the gateway describes itself. What others answer is passed over.
async fn search(Path { gateway, own }: Path) -> io::Result<Place> {
    let socket = UdpSocket::bind((own, 0)).await?;
    let ask = async || {
        // Firewalls let in what comes from where we asked; and some routers hear the group alone.
        for host in [gateway, GROUP] {
            let _ = socket.send_to(message::SEARCH, (host, PORT)).await;
        }
        Ok(())
    };
    let hear = async || {
        let mut room = [0; 1500];
        loop {
            let (length, from) = socket.recv_from(&mut room).await?;
            let bytes = room.get(..length).unwrap_or_default();
            if from.ip() == gateway
                && let Some(place) = message::location(bytes, gateway)
            {
                return Ok(place);
            }
        }
    };
    again(ask, hear).await
}

/// What the gateway says to a request over HTTP.
async fn exchange(gateway: Ipv4Addr, port: u16, request: &str) -> io::Result<String> {
    let mut answer = Vec::new();
    let exchange = async {
        let mut stream = TcpStream::connect(SocketAddrV4::new(gateway, port)).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut stream = stream.take(ANSWER_MAX);
        // Some say all and do not hang up.
        while stream.read_buf(&mut answer).await? > 0 && !message::is_whole(&answer) {}
        io::Result::Ok(())
    };
    let ended = timeout(PATIENCE, exchange).await;
    if answer.is_empty() {
        ended??;
    }
    Ok(message::body(&answer))
}

/// The errors (UPnP Device Architecture 1.1, 3.2.6; `WANIPConnection`:2, 2.5.16) that say more than
/// that it failed.
fn words(error: u16) -> &'static str {
    match error {
        606 | 733 => "it does not allow that",
        501 | 718 | 724 | 729 => "it cannot give that port away",
        728 => "it has no room for more",
        _ => "it refuses",
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn an_answer_without_end_is_cut() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 9]).unwrap();
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            while stream.write_all(&[b'<'; 1000]).is_ok() {}
        });
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let answer = runtime.block_on(exchange(
            Ipv4Addr::LOCALHOST,
            port,
            "GET / HTTP/1.1\r\n\r\n",
        ));
        let said = answer.unwrap().len();
        assert!(
            said > 0 && u64::try_from(said).unwrap() < ANSWER_MAX,
            "{said}"
        );
        server.join().unwrap();
    }
}
