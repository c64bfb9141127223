//! The life of one connection, from accept to its [`Outcome`]: the only place that knows the
//! order of the stages. `opening` has all but the last, `welcome` what the client says before that.

mod client;
mod decoy;
mod opening;
mod outcome;
mod welcome;

use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::TcpStream;

use self::client::Client;
use self::opening::{Open, open};
pub use self::outcome::Outcome;
use crate::admission::Permit;
use crate::config::{Config, Listener};
use crate::decoy::Decoy;
use crate::relay::{End, Patience, Relay};
use crate::side::Plain;
use crate::socket;
use crate::stats::Counters;
use crate::tls::Tls;
use crate::upstream::Upstream;

/// What a session needs to know; it keeps what it began with through reloads.
#[derive(Debug)]
pub struct Settings {
    /// Limits and timeouts.
    pub config: Arc<Config>,
    /// The listener that accepted.
    pub listener: Listener,
    /// Where it leads.
    pub upstream: Arc<Upstream>,
    /// Where media leads that comes to a listener for everything.
    pub media: Option<Arc<Upstream>>,
    /// How TLS is terminated, where it is.
    pub tls: Option<Arc<ServerConfig>>,
    /// What browsers find.
    pub decoy: Option<Decoy>,
    /// Where it is counted.
    pub counters: Rc<Counters>,
}

/// Carries the connection of `client`, who calls from `peer`, and counts what became of it. `None`
/// if it was turned away at once: a flood must not cost a task for each.
pub fn run(
    client: TcpStream,
    peer: SocketAddr,
    mut permit: Permit,
    settings: Rc<Settings>,
) -> Option<impl Future<Output = ()>> {
    let Counters {
        active, refused, ..
    } = &*settings.counters;
    if !settings.listener.accept_proxy
        && let Err(refusal) = permit.identify(peer, &settings.config.limits)
    {
        refused.count(refuse(&client, refusal.into()).reason());
        return None;
    }
    active.set(active.get().saturating_add(1));
    let opening = open(client, peer, permit, Rc::clone(&settings));
    Some(Session {
        stage: Stage::Opening(Box::pin(opening)),
        settings,
    })
}

/// A connection, as small as can be: routers hold thousands of them.
struct Session<O> {
    stage: Stage<O>,
    settings: Rc<Settings>,
}

/// Where a connection is in its life. What only its beginning needs is boxed, and freed after.
enum Stage<O> {
    Opening(Pin<Box<O>>),
    Plain {
        relay: Relay<Plain, Plain>,
        permit: Permit,
    },
    Tls {
        relay: Relay<Box<Tls>, Plain>,
        permit: Permit,
    },
}

// === impl Session ===

impl<O: Future<Output = Result<Open, Outcome>>> Future for Session<O> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let session = self.get_mut();
        let outcome = loop {
            match &mut session.stage {
                Stage::Opening(opening) => match ready!(opening.as_mut().poll(cx)) {
                    Ok(open) => session.stage = session.settings.relay(open),
                    Err(outcome) => break outcome,
                },
                Stage::Plain { relay, permit } => {
                    break ready!(session.settings.carry(relay, permit, cx)).into();
                }
                Stage::Tls { relay, permit } => {
                    break ready!(session.settings.carry(relay, permit, cx)).into();
                }
            }
        };
        session.settings.count(outcome);
        Poll::Ready(())
    }
}

/// Turns a client away.
fn refuse(client: &TcpStream, outcome: Outcome) -> Outcome {
    socket::reset_on_close(client);
    outcome
}

fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}

/// The same of hours at most.
fn short(time: Duration) -> u16 {
    u16::try_from(time.as_secs()).unwrap_or(u16::MAX)
}

// === impl Settings ===

impl Settings {
    fn relay<O>(&self, open: Open) -> Stage<O> {
        let patience = Patience {
            idle: seconds(self.config.timeouts.idle),
            half_close: short(self.config.timeouts.half_close),
            drain: short(self.config.timeouts.drain),
        };
        let counters = Rc::clone(&self.counters);
        let Open {
            client,
            upstream,
            permit,
        } = open;
        match client {
            Client::Plain(client) => Stage::Plain {
                relay: Relay::new(client, upstream, patience, counters),
                permit,
            },
            Client::Tls(client) => Stage::Tls {
                relay: Relay::new(client, upstream, patience, counters),
                permit,
            },
        }
    }

    /// Lets the relay carry what there is, and sees whether its client is served.
    fn carry(
        &self,
        relay: &mut (impl Future<Output = End> + Unpin),
        permit: &mut Permit,
        cx: &mut Context<'_>,
    ) -> Poll<End> {
        let down = &self.counters.bytes_down;
        let before = down.value();
        let polled = Pin::new(relay).poll(cx);
        if down.value() != before {
            permit.note_served();
        }
        polled
    }

    /// Counts a connection that has ended.
    fn count(&self, outcome: Outcome) {
        let Counters {
            active,
            refused,
            ended,
            ..
        } = &*self.counters;
        active.set(active.get().saturating_sub(1));
        let tally = if outcome.is_refusal() { refused } else { ended };
        tally.count(outcome.reason());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// tokio rounds a task up to a multiple of 128 bytes, and routers hold thousands of them.
    #[test]
    fn session_future_stays_small() {
        fn size_of_output<A, B, C, D, F>(_: impl Fn(A, B, C, D) -> Option<F>) -> usize {
            size_of::<F>()
        }
        let size = size_of_output(run);
        assert!(size <= 160, "{size} bytes");
    }
}
