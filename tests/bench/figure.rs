//! The figures: what is measured, what its columns are, and what this project wants to reach.

use std::io;
use std::time::Duration;

use crate::cost::as_f64;
use crate::relay::{Kind, Limits, Relay};
use crate::site::{Site, handshake};
use crate::work::bulk::{Way, bulk};
use crate::work::connections::{Handshake, connections};
use crate::work::flood::{Attack, flood};
use crate::work::memory::{at_start, held, stalled};
use crate::work::round_trips::round_trips;

pub struct Figure {
    /// For the command line.
    pub name: &'static str,
    /// The table it belongs to; figures of one table follow one another.
    pub table: &'static str,
    /// What stands before its columns in that table.
    pub label: &'static str,
    pub columns: &'static [Column],
    pub work: Work,
    pub targets: &'static [Target],
}

pub struct Column {
    pub title: &'static str,
    /// Digits after the point.
    pub digits: usize,
}

/// What is to be reached in one column.
pub struct Target {
    pub column: usize,
    pub reach: Reach,
}

pub enum Reach {
    /// At most so many times what another relay takes.
    Times(f64, Kind),
    /// At least as much as another relay.
    NotBelow(Kind),
    /// Less than every other relay takes.
    BelowPeers,
    /// At most so much.
    Value(f64),
    /// At least so much.
    AtLeast(f64),
}

/// Of a limit that is held, in Mbit/s.
const RATE: u32 = 400;

/// What to do with a relay.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Work {
    Bulk {
        tls: bool,
        way: Way,
    },
    Connect,
    Shake {
        resumed: bool,
        tls13: bool,
    },
    RoundTrip {
        tls: bool,
        size: usize,
        connections: usize,
    },
    Flood(Attack),
    /// As fast as a limit lets it.
    Rate {
        tls: bool,
    },
    Start,
    Held {
        tls: bool,
    },
    HeldMany,
    Stalled {
        tls: bool,
        way: Way,
    },
}

impl Work {
    /// Whether it can be asked of a relay.
    pub fn suits(self, kind: Kind) -> bool {
        match self {
            Self::Shake {
                resumed: false,
                tls13: true,
            } => kind.has_tls(),
            _ if kind == Kind::HaproxyRsa => false,
            Self::HeldMany | Self::Rate { .. } => kind == Kind::Waproxy,
            Self::Flood(_) => matches!(kind, Kind::Waproxy | Kind::Haproxy | Kind::Nginx),
            Self::Start | Self::Held { .. } | Self::Stalled { .. } => kind.has_tls(),
            // A pump that starts threads for each connection is no limit of anything there.
            Self::Connect => kind != Kind::Pump,
            _ => !self.is_tls() || kind.has_tls(),
        }
    }

    pub fn is_tls(self) -> bool {
        match self {
            Self::Bulk { tls, .. }
            | Self::Rate { tls }
            | Self::RoundTrip { tls, .. }
            | Self::Held { tls }
            | Self::Stalled { tls, .. } => tls,
            Self::Shake { .. } => true,
            Self::Connect | Self::Flood(_) | Self::Start | Self::HeldMany => false,
        }
    }

    /// Whether it wants a relay that has done nothing yet. One round says as much as five then: memory has no moods.
    pub fn is_memory(self) -> bool {
        matches!(
            self,
            Self::Start | Self::Held { .. } | Self::HeldMany | Self::Stalled { .. }
        )
    }

    /// Whether the machine's mood decides as much as the relay.
    pub fn is_moody(self) -> bool {
        matches!(self, Self::Connect | Self::Shake { .. })
    }

    /// Does it; the values are those of the figure's columns.
    pub fn measure(self, site: &Site, relay: &Relay) -> io::Result<Vec<f64>> {
        let (amounts, upstream) = (&site.amounts, &site.upstream);
        let tls = self.is_tls().then_some(&site.full);
        Ok(match self {
            Self::Bulk { tls: over_tls, way } => {
                let bytes = if over_tls {
                    amounts.tls_bytes
                } else {
                    amounts.bytes
                };
                let moved = bulk(relay, upstream, tls, way, bytes)?;
                vec![moved.cpu_seconds_a_gigabyte(), moved.gigabits_a_second()]
            }
            Self::Connect | Self::Shake { .. } => {
                let (how, count) = match self {
                    Self::Shake { resumed, tls13 } => {
                        let count = match relay.kind {
                            Kind::HaproxyRsa => amounts.handshakes / 8,
                            _ => amounts.handshakes,
                        };
                        (handshake(resumed, tls13)?, count)
                    }
                    _ => (Handshake::None, amounts.connections),
                };
                let done = connections(relay, upstream, &how, count)?;
                vec![
                    microseconds(done.cpu_each()),
                    done.a_second(),
                    microseconds(quantile(&done.waits, 0.5)),
                    microseconds(quantile(&done.waits, 0.99)),
                    microseconds(quantile(&done.waits, 0.999)),
                    100.0 * done.busy(),
                ]
            }
            Self::RoundTrip {
                size, connections, ..
            } => {
                let count = amounts.round_trips / u32::try_from(connections).unwrap_or(1);
                let done = site.cores.together(&relay.processes, || {
                    round_trips(relay, upstream, tls, size, connections, count)
                })?;
                vec![
                    microseconds(done.cpu_each()),
                    microseconds(quantile(&done.times, 0.5)),
                    microseconds(quantile(&done.times, 0.99)),
                ]
            }
            Self::Flood(attack) => {
                let limited = site.limited(relay.kind, Limits::AS_SHIPPED)?;
                let relay = limited.as_ref().unwrap_or(relay);
                let flood = flood(relay, upstream, &site.full, attack, amounts.flood)?;
                vec![100.0 * flood.kept, flood.attacks_a_second]
            }
            Self::Rate { .. } => {
                let limited = site.limited(relay.kind, Limits::rate(RATE))?;
                let relay = limited.as_ref().unwrap_or(relay);
                let moved = bulk(relay, upstream, tls, Way::Up, amounts.rate_bytes)?;
                vec![moved.gigabits_a_second() * 100_000.0 / f64::from(RATE)]
            }
            Self::Start => {
                let memory = at_start(relay, amounts.pause)?;
                vec![memory.pss / 1024.0, memory.private_dirty / 1024.0]
            }
            Self::Held { .. } | Self::HeldMany => {
                let count = match self {
                    Self::HeldMany => amounts.held_many,
                    _ => amounts.held,
                };
                let held = held(relay, upstream, tls, count, amounts.pause)?;
                vec![
                    held.each / 1024.0,
                    held.left / 1024.0,
                    held.slab_each / 1024.0,
                ]
            }
            Self::Stalled { way, .. } => {
                let stalled = stalled(relay, upstream, tls, way, amounts.stalled, amounts.pause)?;
                vec![stalled.each / 1024.0, stalled.sent_each / 1024.0]
            }
        })
    }
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Of sorted times.
fn quantile(times: &[Duration], part: f64) -> Duration {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let place = (as_f64(times.len() as u64) * part) as usize;
    times
        .get(place)
        .or(times.last())
        .copied()
        .unwrap_or_default()
}
