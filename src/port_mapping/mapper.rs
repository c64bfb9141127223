//! The task that asks the router: what is wanted enters, what the router says leaves, in turn with
//! its renewals. Knows neither protocol's bytes.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::{Answer, PortStatus, Protocol, Refusal, Shared, Status, Wanted, gateway, nat_pmp, pcp};
use crate::address::range;

/// Where a router listens for both protocols: RFC 6886 1.1, RFC 6887 19.1.
const PORT: u16 = 5351;

/// Seconds that a port is asked for. Short: a router that forgot us or got another address is noticed
/// at the next renewal, and nothing stays open for long where we end without a word.
const LIFETIME: u32 = 120;

/// No mapping is renewed more often, RFC 6887 11.2.1.
const RENEWAL_LEAST: Duration = Duration::from_secs(4);

/// Until a router is asked again that gave less than all.
const RETRY: Duration = Duration::from_secs(30);

/// How long each try of a question waits for the answer, as RFC 6886 3.1 begins.
const TRIES: [Duration; 4] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

/// The longest answer, RFC 6887 7.
const ANSWER_MAX: usize = 1100;

/// What the task alone knows.
pub(super) struct Mapper {
    shared: Rc<Shared>,
    /// By which PCP knows us again, RFC 6887 11.1.
    nonce: pcp::Nonce,
    /// The gateway, and our own address toward it.
    path: Option<(Ipv4Addr, Ipv4Addr)>,
    protocol: Protocol,
    /// What was granted there, each with the port that people use.
    held: Vec<(Wanted, u16)>,
}

impl Mapper {
    pub(super) fn new(shared: Rc<Shared>) -> Self {
        Self {
            shared,
            nonce: nonce(),
            path: None,
            protocol: Protocol::Pcp,
            held: Vec::new(),
        }
    }

    /// Asks again and again, until it is to end and has given all back.
    pub(super) async fn keep(mut self) {
        loop {
            let is_last = *self.shared.ending.borrow();
            let mut status = Status::default();
            let pause = match self.ask(&mut status).await {
                Ok(pause) => pause,
                Err(error) => {
                    status.error = Some(match error.kind() {
                        io::ErrorKind::TimedOut | io::ErrorKind::ConnectionRefused => {
                            "it answers neither PCP nor NAT-PMP".to_owned()
                        }
                        _ => error.to_string(),
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
        if self.path != Some((gateway, own)) {
            self.path = Some((gateway, own));
            self.protocol = Protocol::Pcp;
            self.held.clear();
        }
        if range(own.into()).is_none() {
            // Nothing translates: people reach this machine itself.
            return Ok(RETRY);
        }

        let wanted = self.shared.wanted.borrow().clone();
        let is_surplus = |(held, _): &(Wanted, u16)| !wanted.contains(held);
        while let Some(surplus) = self.held.iter().position(is_surplus) {
            let (surplus, _) = self.held.swap_remove(surplus);
            let _ = self.map(&socket, own, surplus, 0).await?;
        }
        let mut pause = Duration::from_secs((LIFETIME / 2).into());
        for wanted in wanted {
            let held = self.held.iter().position(|(held, _)| *held == wanted);
            let held = held.map(|index| self.held.swap_remove(index));
            // A renewal names what was granted (RFC 6886 3.7, RFC 6887 11.2.1).
            let external = held.map_or(wanted.external, |(_, granted)| granted);
            let asked = Wanted { external, ..wanted };
            let answer = match self.map(&socket, own, asked, LIFETIME).await {
                // It does answer, but not to all.
                Err(error) if error.kind() == io::ErrorKind::TimedOut && status.grants() => {
                    Err(Refusal::Other("it does not answer"))
                }
                Err(error) => {
                    self.held.extend(held);
                    return Err(error);
                }
                Ok(answer) => answer,
            };
            status.protocol = Some(self.protocol);
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
                    self.held.push((wanted, granted.external_port));
                }
                Err(refusal) => {
                    port.error = Some(refusal.words().to_owned());
                    pause = pause.min(RETRY);
                }
            }
            status.ports.push(port);
        }
        if self.protocol == Protocol::NatPmp && !status.ports.is_empty() {
            let address = exchange(&socket, &nat_pmp::EXTERNAL, &nat_pmp::external).await?;
            status.external = address.ok().and_then(|granted| granted.external);
        }
        Ok(pause)
    }

    /// Asks for a port, or with a lifetime of nothing gives it back.
    async fn map(
        &mut self,
        socket: &UdpSocket,
        own: Ipv4Addr,
        wanted: Wanted,
        lifetime: u32,
    ) -> io::Result<Answer> {
        if self.protocol == Protocol::Pcp {
            let request = pcp::request(own, &self.nonce, wanted, lifetime);
            let parse = |bytes: &[u8]| pcp::answer(bytes, &self.nonce, wanted);
            match exchange(socket, &request, &parse).await {
                Ok(Err(Refusal::Version)) => self.protocol = Protocol::NatPmp,
                Err(error) if error.kind() == io::ErrorKind::TimedOut && self.held.is_empty() => {
                    // Perhaps it is silent to what it does not know.
                    self.protocol = Protocol::NatPmp;
                }
                answered => return answered,
            }
        }
        let request = nat_pmp::request(wanted, lifetime);
        let answer = exchange(socket, &request, &|bytes| nat_pmp::answer(bytes, wanted)).await;
        if matches!(answer, Ok(Err(Refusal::Version)) | Err(_)) {
            // It may be another router by now, or know more than it did.
            self.protocol = Protocol::Pcp;
        }
        answer
    }

    /// Makes it known; the log has what changed.
    fn tell(&self, status: &Status) {
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
    answer: &dyn Fn(&[u8]) -> Option<Answer>,
) -> io::Result<Answer> {
    let mut room = [0; ANSWER_MAX];
    for patience in TRIES {
        socket.send(request).await?;
        let heard = async {
            loop {
                let length = socket.recv(&mut room).await?;
                let bytes = room.get(..length).unwrap_or_default();
                if let Some(answer) = answer(bytes) {
                    return Ok(answer);
                }
            }
        };
        if let Ok(heard) = timeout(patience, heard).await {
            return heard;
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

fn nonce() -> pcp::Nonce {
    let mut nonce = pcp::Nonce::default();
    // Without randomness it is still one, and only keeps strangers at home from giving our ports back.
    let _ = SystemRandom::new().fill(&mut nonce);
    nonce
}
