//! The task that asks the router: what is wanted enters, what the router says leaves, in turn with
//! its renewals. Knows neither protocol's bytes.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::upnp::Connection;
use super::{
    Answer, Path, PortStatus, Protocol, Refusal, Said, Shared, Status, Wanted, again, gateway,
    nat_pmp, pcp,
};
use crate::address::range;

/// Where a router listens for PCP and NAT-PMP: RFC 6886 1.1, RFC 6887 19.1.
const PORT: u16 = 5351;

/// Seconds that a port is asked for. Short: a router that forgot us or got another address is noticed
/// at the next renewal, and nothing stays open for long where we end without a word.
const LIFETIME: u32 = 120;

/// No mapping is renewed more often, RFC 6887 11.2.1.
const RENEWAL_LEAST: Duration = Duration::from_secs(4);

/// Until a router is asked again that gave less than all.
const RETRY: Duration = Duration::from_secs(30);

/// The longest answer, RFC 6887 7.
const ANSWER_MAX: usize = 1100;

/// What the task alone knows.
pub(super) struct Mapper {
    shared: Rc<Shared>,
    /// By which PCP knows us again, RFC 6887 11.1.
    nonce: pcp::Nonce,
    path: Option<Path>,
    protocol: Protocol,
    /// Whom to ask by UPnP, once it is found.
    connection: Option<Connection>,
    held: Vec<Held>,
}

/// A port that was granted, and is to be given back.
#[derive(Clone, Copy)]
struct Held {
    wanted: Wanted,
    /// What people use.
    external: u16,
    by: Protocol,
}

impl Mapper {
    pub(super) fn new(shared: Rc<Shared>) -> Self {
        Self {
            shared,
            nonce: nonce(),
            path: None,
            protocol: Protocol::Pcp,
            connection: None,
            held: Vec::new(),
        }
    }

    /// Asks again and again, until it is to end and has given all back.
    pub(super) async fn keep(mut self) {
        loop {
            let is_last = self.shared.ending.get();
            let mut status = Status::default();
            let pause = match self.ask(&mut status).await {
                Ok(pause) => pause,
                Err(error) => {
                    status.error = Some(if is_silence(&error) {
                        "it answers neither PCP, NAT-PMP nor UPnP".to_owned()
                    } else {
                        error.to_string()
                    });
                    RETRY
                }
            };
            self.tell(&status);
            if is_last {
                return;
            }
            let _ = timeout(pause, self.shared.changed.notified()).await;
        }
    }

    /// Asks for all that is wanted and gives back what is not. How long that is good for.
    async fn ask(&mut self, status: &mut Status) -> io::Result<Duration> {
        let gateway = gateway::find()?;
        status.gateway = Some(gateway);
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
        // Who is asked alone can answer.
        socket.connect((gateway, PORT)).await?;
        let IpAddr::V4(own) = socket.local_addr()?.ip() else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let path = Path { gateway, own };
        if self.path != Some(path) {
            self.begin_anew(path).await;
        }
        if range(own.into()).is_none() {
            // Nothing translates: people reach this machine itself.
            return Ok(RETRY);
        }

        let wanted = self.shared.wanted.borrow().clone();
        let mut pause = Duration::from_secs((LIFETIME / 2).into());
        let is_surplus = |held: &mut Held| !wanted.contains(&held.wanted);
        for surplus in self.held.extract_if(.., is_surplus).collect::<Vec<_>>() {
            if self.give_back(&socket, path, surplus).await.is_err() {
                self.held.push(surplus);
                pause = RETRY;
            }
        }
        for wanted in wanted {
            let held = self.held.iter().find(|held| held.wanted == wanted);
            // A renewal names what was granted (RFC 6886 3.7, RFC 6887 11.2.1).
            let external = held.map_or(wanted.external, |held| held.external);
            let asked = Wanted { external, ..wanted };
            let answer = match self.map(&socket, path, asked).await {
                // It does answer, but not to all.
                Err(error) if is_silence(&error) && status.grants() => Err("it does not answer"),
                answer => {
                    let answer = answer?;
                    status.protocol = Some(self.protocol);
                    answer
                }
            };
            let mut port = PortStatus {
                port: wanted.external,
                internal_port: wanted.internal,
                external_port: None,
                error: None,
            };
            match answer {
                Ok(granted) => {
                    port.external_port = Some(granted.external_port);
                    status.external = status.external.or(granted.external);
                    let half = Duration::from_secs((granted.lifetime / 2).into());
                    pause = pause.min(half).max(RENEWAL_LEAST);
                    self.held.retain(|held| held.wanted != wanted);
                    self.held.push(Held {
                        wanted,
                        external: granted.external_port,
                        by: self.protocol,
                    });
                }
                Err(refusal) => {
                    port.error = Some(refusal.to_owned());
                    pause = pause.min(RETRY);
                }
            }
            status.ports.push(port);
        }
        // PCP says it with each port.
        match (status.protocol, &self.connection) {
            (Some(Protocol::NatPmp), _) => {
                let answer = exchange(&socket, &nat_pmp::EXTERNAL, &nat_pmp::external).await;
                let address = answer.ok().and_then(Result::ok);
                status.external = address.and_then(|granted| granted.external);
            }
            (Some(Protocol::Upnp), Some(connection)) => {
                status.external = connection.external().await.ok().flatten();
            }
            _ => {}
        }
        Ok(pause)
    }

    /// Goes another way from now on. What UPnP has granted on the one before would lead there for longer
    /// than is good.
    async fn begin_anew(&mut self, path: Path) {
        let before = self.path.replace(path);
        self.protocol = Protocol::Pcp;
        let held = std::mem::take(&mut self.held);
        if let Some(connection) = self.connection.take()
            && before.is_some_and(|before| before.gateway == path.gateway)
        {
            for held in held.iter().filter(|held| held.by == Protocol::Upnp) {
                let _ = connection.unmap(held.external).await;
            }
        }
    }

    /// Gives a port back, by the protocol that granted it.
    async fn give_back(&self, socket: &UdpSocket, path: Path, held: Held) -> io::Result<()> {
        let wanted = held.wanted;
        match (held.by, &self.connection) {
            (Protocol::Pcp, _) => {
                let request = pcp::request(path.own, &self.nonce, wanted, 0);
                let parse = |bytes: &[u8]| pcp::answer(bytes, &self.nonce, wanted);
                exchange(socket, &request, &parse).await.map(drop)
            }
            (Protocol::NatPmp, _) => {
                let request = nat_pmp::request(wanted, 0);
                let parse = |bytes: &[u8]| nat_pmp::answer(bytes, wanted);
                exchange(socket, &request, &parse).await.map(drop)
            }
            (Protocol::Upnp, Some(connection)) => connection.unmap(held.external).await,
            (Protocol::Upnp, None) => Ok(()),
        }
    }

    /// Asks for a port, by the protocol that was answered last, and from there on by each that is left.
    async fn map(&mut self, socket: &UdpSocket, path: Path, wanted: Wanted) -> io::Result<Answer> {
        if self.protocol == Protocol::Pcp {
            let request = pcp::request(path.own, &self.nonce, wanted, LIFETIME);
            let parse = |bytes: &[u8]| pcp::answer(bytes, &self.nonce, wanted);
            if let Some(answer) = understood(exchange(socket, &request, &parse).await)? {
                return Ok(answer);
            }
            self.protocol = Protocol::NatPmp;
        }
        if self.protocol == Protocol::NatPmp {
            let request = nat_pmp::request(wanted, LIFETIME);
            let parse = |bytes: &[u8]| nat_pmp::answer(bytes, wanted);
            if let Some(answer) = understood(exchange(socket, &request, &parse).await)? {
                return Ok(answer);
            }
            self.protocol = Protocol::Upnp;
        }
        let answer = self.map_by_upnp(path, wanted).await;
        if answer.is_err() {
            // It may be another router by now, or know more than it did.
            self.protocol = Protocol::Pcp;
        }
        answer
    }

    async fn map_by_upnp(&mut self, path: Path, wanted: Wanted) -> io::Result<Answer> {
        if let Some(connection) = &self.connection
            && let Ok(answer) = connection.map(wanted, LIFETIME).await
        {
            return Ok(answer);
        }
        // It may have started again, and be elsewhere since.
        let connection = self.connection.insert(Connection::find(path).await?);
        connection.map(wanted, LIFETIME).await
    }

    /// Makes it known; the log has what changed.
    fn tell(&self, status: &Status) {
        self.shared.holds.set(!self.held.is_empty());
        let before = self.shared.status.replace(status.clone());
        if before == *status {
            return;
        }
        let gateway = status.gateway.map(|gateway| gateway.to_string());
        let gateway = gateway.as_deref().unwrap_or("none");
        let failed = status.ports.iter().find_map(|port| port.error.as_ref());
        if let Some(error) = status.error.as_ref().or(failed) {
            log::warn!("the router in front ({gateway}) does not let people in: {error}");
        } else if status.grants() {
            log::info!("the router in front ({gateway}) lets people in");
        }
    }
}

/// One question, asked again until it is answered. An answer to another one is passed over.
async fn exchange(
    socket: &UdpSocket,
    request: &[u8],
    answer: &dyn Fn(&[u8]) -> Option<Said>,
) -> io::Result<Said> {
    let ask = async || socket.send(request).await.map(drop);
    let hear = async || {
        let mut room = [0; ANSWER_MAX];
        loop {
            let length = socket.recv(&mut room).await?;
            if let Some(answer) = answer(room.get(..length).unwrap_or_default()) {
                return Ok(answer);
            }
        }
    };
    again(ask, hear).await
}

/// The router's word, unless it does not know the protocol or is silent to it.
fn understood(answer: io::Result<Said>) -> io::Result<Option<Answer>> {
    match answer {
        Ok(Ok(granted)) => Ok(Some(Ok(granted))),
        Ok(Err(Refusal::Other(words))) => Ok(Some(Err(words))),
        Ok(Err(Refusal::Version)) => Ok(None),
        Err(error) if is_silence(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether nobody answered, or a firewall did.
fn is_silence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::TimedOut
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
    )
}

fn nonce() -> pcp::Nonce {
    let mut nonce = pcp::Nonce::default();
    // Without randomness it is still one, and only keeps strangers at home from giving our ports back.
    let _ = SystemRandom::new().fill(&mut nonce);
    nonce
}
