//! How many connections there may be: of all clients together and of each, at once and a second,
//! and in their handshakes. All that workers share; a connection touches it when it opens, shakes
//! hands and closes.

mod cap;
mod handshakes;
mod headroom;
mod rate;
mod visits;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

pub use self::cap::{Bound, Cap, wanted_files};
use self::handshakes::Handshakes;
pub use self::handshakes::{Handshake, PushedOut};
use self::rate::Rates;
use self::visits::Visits;
use crate::address;
use crate::config::Limits;
use crate::shortage::Shortage;

static FULL: Shortage = Shortage::new("no more connections for now");

/// Counts the connections of all workers.
#[derive(Debug)]
pub struct Admission {
    cap: AtomicU32,
    now: AtomicU32,
    peak: AtomicU32,
    /// Connections of each client that has any, so never more entries than connections.
    clients: Mutex<HashMap<Client, u32>>,
    rates: Mutex<Rates>,
    /// Rates want fractions of a second, and the same time on all workers: ticks have neither.
    start: Instant,
    handshakes: Arc<Handshakes>,
    visits: Visits,
}

/// The right to be connected; dropped, it is free for the next.
#[derive(Debug)]
pub struct Permit {
    admission: Arc<Admission>,
    /// Whose it is, once he is known.
    client: Client,
    /// Whether it is counted as one of his.
    is_counted: bool,
    /// Whether he was seen to be served.
    is_served: bool,
}

/// Why nobody may have one more connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Full {
    /// There are as many as there may be.
    Connections,
    /// The machine has little memory left.
    Memory,
}

/// Why a client may not have one more connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// New ones come faster than they may.
    #[error("connections from one client come too fast")]
    TooFast,
    /// There are as many as one client may have.
    #[error("too many connections from one client")]
    TooMany,
}

/// Who counts as one client: an IPv4 address, or the /64 of an IPv6 address, within which a
/// client can choose freely (RFC 6177). Both as one number: nobody has a network of IPv6 that
/// begins with 32 zeros (RFC 4291, 2.4), or is client 0.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
struct Client(u64);

// === impl Admission ===

impl Admission {
    /// No connections yet, and at most `cap`.
    pub fn new(cap: u32) -> Arc<Self> {
        Arc::new(Self {
            cap: AtomicU32::new(cap),
            now: AtomicU32::new(0),
            peak: AtomicU32::new(0),
            clients: Mutex::default(),
            rates: Mutex::new(Rates::new()),
            start: Instant::now(),
            handshakes: Arc::default(),
            visits: Visits::new(),
        })
    }

    /// Changes the cap for connections to come.
    pub fn set_cap(&self, cap: u32) {
        self.cap.store(cap, Relaxed);
    }

    /// A permit for one more connection, unless there are as many as may be.
    pub fn admit(self: &Arc<Self>) -> Result<Permit, Full> {
        if !headroom::is_enough() {
            return Err(Full::Memory);
        }
        let cap = self.cap.load(Relaxed);
        let before = self.now.fetch_update(Relaxed, Relaxed, |now| {
            (now < cap).then_some(now.saturating_add(1))
        });
        let Ok(before) = before else {
            FULL.log(format_args!(
                "{cap} are open, and status says why that is all"
            ));
            return Err(Full::Connections);
        };
        self.peak.fetch_max(before.saturating_add(1), Relaxed);
        Ok(Permit {
            admission: Arc::clone(self),
            client: Client::default(),
            is_counted: false,
            is_served: false,
        })
    }

    /// Connections open now.
    pub fn now(&self) -> u32 {
        self.now.load(Relaxed)
    }

    /// The most connections that were open at once.
    pub fn peak(&self) -> u32 {
        self.peak.load(Relaxed)
    }

    /// How many clients from outside were served today, roughly.
    pub fn people(&self) -> u32 {
        self.visits.count()
    }

    /// Forgets who came and may come again as if he had not. To be called every few seconds.
    pub fn forget(&self) {
        lock(&self.rates).forget(self.start.elapsed());
    }

    /// Forgets who was served: a day begins.
    pub fn begin_day(&self) {
        self.visits.forget();
    }
}

// === impl Full ===

impl Full {
    /// Its name in status and metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Connections => "max_connections",
            Self::Memory => "memory",
        }
    }
}

// === impl Permit ===

impl Permit {
    /// Says whose connection it is, and asks whether that client may have it.
    pub fn identify(&mut self, address: SocketAddr, limits: &Limits) -> Result<(), Refusal> {
        let client = Client::from(address.ip());
        self.client = client;
        if let Some(rate) = limits.max_rate_per_client {
            let now = self.admission.start.elapsed();
            if !lock(&self.admission.rates).admit(client, rate, now) {
                return Err(Refusal::TooFast);
            }
        }
        let Some(max) = limits.max_connections_per_client else {
            return Ok(());
        };
        let mut clients = lock(&self.admission.clients);
        let count = clients.entry(client).or_default();
        if *count >= max.get() {
            return Err(Refusal::TooMany);
        }
        *count = count.saturating_add(1);
        self.is_counted = true;
        Ok(())
    }

    /// Notes that its client was served: WhatsApp has answered him, as it does no scanner.
    pub fn note_served(&mut self) {
        if !std::mem::replace(&mut self.is_served, true)
            && address::is_outside(self.client.address())
        {
            self.admission.visits.note(self.client);
        }
    }

    /// Leaves its client out of those who were served, whoever answers.
    pub fn leave_out(&mut self) {
        self.is_served = true;
    }

    /// Begins a handshake with `address`. `max` is how many there may be at once; `None` is any
    /// number.
    pub fn handshake(&self, address: SocketAddr, max: Option<NonZeroU32>) -> Option<Handshake> {
        let client = Client::from(address.ip());
        max.map(|max| self.admission.handshakes.begin(client, max))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.now.fetch_sub(1, Relaxed);
        if !self.is_counted {
            return;
        }
        let mut clients = lock(&self.admission.clients);
        if let Some(count) = clients.get_mut(&self.client) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                clients.remove(&self.client);
            }
        }
    }
}

/// What a mutex guards; nothing that holds one of these leaves it half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Client ===

impl Client {
    /// His address, or the first of his network.
    fn address(self) -> IpAddr {
        match u32::try_from(self.0) {
            Ok(v4) => Ipv4Addr::from_bits(v4).into(),
            Err(_) => Ipv6Addr::from_bits(u128::from(self.0) << 64).into(),
        }
    }
}

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(v4) => v4.to_bits().into(),
            IpAddr::V6(v6) => (v6.to_bits() >> 64) as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Auto;

    const TWO: &Limits = &Limits {
        max_connections: Auto::Auto,
        max_connections_per_client: NonZeroU32::new(2),
        max_rate_per_client: None,
        max_handshakes: None,
    };

    #[test]
    fn cap_holds_and_a_closed_connection_makes_room() {
        let admission = Admission::new(2);
        let first = admission.admit();
        let _second = admission.admit().expect("room for two");
        assert_eq!(admission.admit().err(), Some(Full::Connections));
        drop(first);
        assert!(admission.admit().is_ok());
        assert_eq!(admission.peak(), 2);
    }

    #[test]
    fn lowered_cap_lets_nobody_in_until_enough_have_left() {
        let admission = Admission::new(3);
        let mut permits: Vec<_> = (0..3).map(|_| admission.admit().expect("room")).collect();
        admission.set_cap(1);
        permits.truncate(1);
        assert_eq!(admission.admit().err(), Some(Full::Connections));
        permits.clear();
        assert!(admission.admit().is_ok());
    }

    #[test]
    fn one_client_cannot_take_the_place_of_all() {
        let admission = Admission::new(10);
        let mut permits = open(&admission, &["192.0.2.1:1", "[::ffff:192.0.2.1]:2"]);
        let mut third = admission.admit().expect("room");
        assert!(
            third
                .identify("192.0.2.1:3".parse().expect("address"), TWO)
                .is_err()
        );
        assert!(
            third
                .identify("192.0.2.2:3".parse().expect("address"), TWO)
                .is_ok()
        );
        permits.pop();
        let mut again = admission.admit().expect("room");
        assert!(
            again
                .identify("192.0.2.1:4".parse().expect("address"), TWO)
                .is_ok()
        );
    }

    #[test]
    fn ipv6_client_is_its_64() {
        let admission = Admission::new(10);
        let _permits = open(&admission, &["[2001:db8::1]:1", "[2001:db8::2]:1"]);
        let mut third = admission.admit().expect("room");
        assert!(
            third
                .identify("[2001:db8::3]:1".parse().expect("address"), TWO)
                .is_err()
        );
        assert!(
            third
                .identify("[2001:db8:0:1::3]:1".parse().expect("address"), TWO)
                .is_ok()
        );
    }

    #[test]
    fn table_holds_nobody_who_has_left() {
        let admission = Admission::new(10);
        drop(open(
            &admission,
            &["192.0.2.1:1", "192.0.2.2:1", "[2001:db8::1]:1"],
        ));
        assert_eq!(admission.now(), 0);
        assert!(admission.clients.lock().expect("lock").is_empty());
    }

    #[test]
    fn a_client_too_fast_is_refused_and_another_is_not() {
        let admission = Admission::new(100);
        let limits = &Limits {
            max_connections_per_client: None,
            max_rate_per_client: NonZeroU32::new(1),
            ..*TWO
        };
        let identify = |address: &str| {
            let mut permit = admission.admit().expect("room");
            permit.identify(address.parse().expect("address"), limits)
        };
        for _ in 0..3 {
            assert_eq!(identify("192.0.2.1:1"), Ok(()));
        }
        assert_eq!(identify("[::ffff:192.0.2.1]:1"), Err(Refusal::TooFast));
        assert_eq!(identify("192.0.2.2:1"), Ok(()));
    }

    fn open(admission: &Arc<Admission>, addresses: &[&str]) -> Vec<Permit> {
        let permit = |address: &&str| {
            let mut permit = admission.admit().expect("room");
            let address = address.parse().expect("address");
            permit.identify(address, TWO).expect("room for this client");
            permit
        };
        addresses.iter().map(permit).collect()
    }
}
