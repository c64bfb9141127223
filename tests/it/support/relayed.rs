//! One connection through the daemon with both of its ends in the hands of the test.

use std::net::TcpStream;
use std::sync::mpsc::Receiver;

use super::client;
use super::daemon::Daemon;
use super::duplex::Duplex;
use super::namespace::Namespace;
use super::setup::{Setup, listener, upstream};
use super::stand_in::{Accepted, StandIn};
use super::tls::TlsClient;

/// A daemon with a plain and a TLS listener, in front of an upstream that the test plays.
pub struct Stage {
    pub daemon: Daemon,
    setup: Setup,
    accepted: Receiver<Accepted>,
    _upstream: StandIn,
}

/// Which of the two listeners.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    Plain,
    Tls,
}

impl Kind {
    pub const BOTH: [Self; 2] = [Self::Plain, Self::Tls];

    /// The name of the listener.
    pub fn listener(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tls => "tls",
        }
    }
}

impl Stage {
    pub fn new(setup: Setup) -> Self {
        Self::of(&[], setup, StandIn::handing_over())
    }

    /// The same by way of a command that starts another.
    pub fn under(prefix: &[&str], setup: Setup) -> Self {
        Self::of(prefix, setup, StandIn::handing_over())
    }

    /// The same in a network of its own.
    pub fn inside(place: &Namespace, setup: Setup) -> Self {
        let stand_in = place.inside(StandIn::handing_over);
        Self::of(&place.prefix(), setup, stand_in)
    }

    fn of(
        prefix: &[&str],
        setup: Setup,
        (stand_in, accepted): (StandIn, Receiver<Accepted>),
    ) -> Self {
        let setup = setup
            .with(listener("plain", "chat"))
            .with(listener("tls", "chat").option("tls", 1))
            .with(upstream("chat", stand_in.address(), "v1"));
        Self {
            daemon: Daemon::start_under(prefix, &setup),
            setup,
            accepted,
            _upstream: stand_in,
        }
    }

    /// The whole configuration of it.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Connects and waits for the upstream's end.
    pub fn connect(&self, kind: Kind) -> (Box<dyn Duplex>, TcpStream) {
        let client = client::connect(self.daemon.port(kind.listener()));
        let client: Box<dyn Duplex> = match kind {
            Kind::Plain => Box::new(client),
            Kind::Tls => Box::new(TlsClient::over(client).unwrap()),
        };
        (client, self.accepted().stream)
    }

    /// The same without TLS.
    pub fn connect_plain(&self) -> (TcpStream, TcpStream) {
        let client = client::connect(self.daemon.port(Kind::Plain.listener()));
        (client, self.accepted().stream)
    }

    /// The next connection at the upstream.
    pub fn accepted(&self) -> Accepted {
        self.accepted
            .recv_timeout(client::PATIENCE)
            .expect("a connection arrives at the upstream")
    }
}
