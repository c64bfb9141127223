//! Keeps an upstream's addresses and their health fresh, on the main thread. Never on a worker.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use std::vec;

use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::answer::Answer;
use super::race::Race;
use super::{Health, Upstream};
use crate::aside::aside;
use crate::config::{Host, HostPort};

/// Between two good answers, and between two checks of an address that is up.
const PERIOD: Duration = Duration::from_mins(1);

/// How long an answer that turned out bad in use is kept at least.
const ANSWER_HELD: Duration = Duration::from_secs(5);

/// How long the resolver may take before its silence counts as a bad answer.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// After the first bad answer; each further one doubles it.
const RETRY_FIRST: Duration = Duration::from_secs(1);

/// After any number of bad answers.
const RETRY_LAST: Duration = Duration::from_secs(16);

/// Between two checks of an address that is failing; no address is ever checked more often.
const CHECK_FAILING: Duration = Duration::from_secs(1);

/// Between two checks of an address that is down.
const CHECK_DOWN: Duration = Duration::from_secs(3);

impl Upstream {
    /// Looks the names up and checks the addresses, again and again, and logs what changes. Each
    /// check gets `connect_timeout`. Never ends; when the future is dropped all of it stops, but for
    /// a lookup under way, which holds one thread of the runtime until the resolver gives up.
    pub async fn keep_fresh(self: Arc<Self>, connect_timeout: Duration) {
        let mut tasks = JoinSet::new();
        for (entry, address) in self.config.addresses.iter().enumerate() {
            tasks.spawn(Arc::clone(&self).keep_found(entry, address.clone()));
        }

        let mut checks: Vec<(Arc<Notify>, AbortHandle)> = Vec::new();
        loop {
            let changed = self.answered.notified();
            let wanted = self.lock().checks();
            checks.retain(|(early, task)| {
                let stays = wanted.iter().any(|(_, wanted)| Arc::ptr_eq(wanted, early));
                if !stays {
                    task.abort();
                }
                stays
            });
            for (address, early) in wanted {
                if checks.iter().all(|(known, _)| !Arc::ptr_eq(known, &early)) {
                    let upstream = Arc::clone(&self);
                    let task = upstream.keep_checked(address, Arc::clone(&early), connect_timeout);
                    checks.push((early, tasks.spawn(task)));
                }
            }
            // The set keeps a task that ended until somebody takes it out.
            while tasks.try_join_next().is_some() {}
            changed.await;
        }
    }

    async fn keep_found(self: Arc<Self>, entry: usize, address: HostPort) {
        let Some(doubted) = self.doubted.get(entry) else {
            return;
        };
        let mut retry = RETRY_FIRST;
        loop {
            let good = self.find(entry, &address).await;
            let found = Instant::now();
            let (pause, least) = if good {
                (PERIOD, ANSWER_HELD)
            } else {
                (retry, RETRY_FIRST)
            };
            retry = if good {
                RETRY_FIRST
            } else {
                RETRY_LAST.min(retry.saturating_mul(2))
            };
            let _ = timeout(pause, doubted.notified()).await;
            sleep_until(found + least).await;
        }
    }

    /// Finds where a configured address leads. False where the answer was bad.
    async fn find(&self, entry: usize, address: &HostPort) -> bool {
        let port = address.port.get();
        let name = match &address.host {
            Host::Address(ip) => return self.answer_literal(entry, SocketAddr::new(*ip, port)),
            Host::Name(name) => name.as_str(),
        };
        let mut lookup = pin!(look_up(name, port));
        let answer = if let Ok(answer) = timeout(LOOKUP_TIMEOUT, &mut lookup).await {
            answer
        } else {
            self.answer(entry, Err("the resolver does not answer".to_owned()));
            // No second lookup beside one that hangs: each holds a thread.
            lookup.await
        };
        let answer = answer.map(|found| Answer::new(found, self.config.allow_private));
        self.answer(entry, answer.map_err(|error| error.to_string()))
    }

    async fn keep_checked(
        self: Arc<Self>,
        address: SocketAddr,
        early: Arc<Notify>,
        connect_timeout: Duration,
    ) {
        loop {
            let pause = match self.check(address, connect_timeout).await {
                Health::Up | Health::Unknown => PERIOD,
                Health::Failing => CHECK_FAILING,
                Health::Down => CHECK_DOWN,
            };
            let checked = Instant::now();
            let _ = timeout(pause, early.notified()).await;
            sleep_until(checked + CHECK_FAILING).await;
        }
    }

    /// Connects to `address` once, and says how it does.
    async fn check(&self, address: SocketAddr, connect_timeout: Duration) -> Health {
        let patience = pin!(sleep(connect_timeout));
        let mut race = Race::new(Arc::from([address]), patience, &self.config);
        let Some(ended) = race.next().await else {
            return Health::Unknown;
        };
        let before = self.lock().health_of(address);
        match ended.result {
            Ok((_, took)) => self.tell(address, |record| record.connected(took)),
            Err(error) => self.tell(address, |record| record.check_failed(&error)),
        }
        let health = self.lock().health_of(address);
        if health == Health::Down && before != health {
            // Perhaps the name leads elsewhere by now.
            self.doubt();
        }
        health
    }
}

/// Where `name` leads, as the system says.
async fn look_up(name: &str, port: u16) -> io::Result<vec::IntoIter<SocketAddr>> {
    let name = name.to_owned();
    aside(move || (name.as_str(), port).to_socket_addrs()).await?
}

#[cfg(test)]
mod tests;
