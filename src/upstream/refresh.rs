//! Keeps an upstream's addresses and their health fresh, on the main thread. Never on a worker.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

use super::answer::Answer;
use super::race::Race;
use super::{Health, Upstream};
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
                RETRY_LAST.min(retry * 2)
            };
            let _ = timeout(pause, self.doubted[entry].notified()).await;
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
        let mut lookup = pin!(lookup_host((name, port)));
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
        let deadline = Instant::now() + connect_timeout;
        let mut race = Race::new(Arc::from([address]), deadline, self.config.allow_private);
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

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, TcpListener, UdpSocket};
    use std::process::Command;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::{env, fs, thread};

    use tokio::time::sleep;

    use super::super::DialError;
    use super::super::tests::{listener, runtime, upstream};
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(5);

    #[test]
    fn an_address_goes_down_and_comes_up_by_checks_alone() {
        let (listener, address) = listener();
        let upstream = upstream(&[&address], true);
        runtime().block_on(async {
            let task = tokio::spawn(Arc::clone(&upstream).keep_fresh(TIMEOUT));
            until("up", || upstream.status().health == Health::Up).await;

            drop(listener);
            upstream.dial(TIMEOUT).await.unwrap_err();
            assert_eq!(upstream.status().health, Health::Failing);
            let fell = Instant::now();
            until("down", || upstream.status().health == Health::Down).await;
            // The check that the dial asked for, and two more, each a second after the one before.
            assert!(
                (1900..4000).contains(&fell.elapsed().as_millis()),
                "{:?}",
                fell.elapsed()
            );

            let _listener = TcpListener::bind(&address).unwrap();
            until("up again", || upstream.status().health == Health::Up).await;
            task.abort();
        });
    }

    #[test]
    fn a_dropped_task_leaves_nothing_behind() {
        let (listener, address) = listener();
        let upstream = upstream(&[&address], true);
        runtime().block_on(async {
            let task = tokio::spawn(Arc::clone(&upstream).keep_fresh(TIMEOUT));
            until("up", || upstream.status().health == Health::Up).await;
            assert!(Arc::strong_count(&upstream) > 1);
            task.abort();
            until("alone", || Arc::strong_count(&upstream) == 1).await;
        });
        drop(listener);
    }

    #[test]
    fn a_start_without_dns_heals() {
        if !own_world("a_start_without_dns_heals", "attempts:1") {
            return;
        }
        let (listener, address) = listener();
        let port = address.rsplit_once(':').unwrap().1;
        let upstream = upstream(&[&format!("chat.test:{port}")], true);
        let runtime = runtime();
        runtime.block_on(async {
            tokio::spawn(Arc::clone(&upstream).keep_fresh(TIMEOUT));
            let start = Instant::now();
            let error = upstream.dial(TIMEOUT).await.unwrap_err();
            assert!(matches!(error, DialError::Unresolved));
            assert!(
                start.elapsed() < Duration::from_secs(1),
                "{:?}",
                start.elapsed()
            );
            assert!(
                upstream
                    .status()
                    .last_error
                    .unwrap()
                    .starts_with("chat.test:")
            );

            let dns = Dns::start();
            dns.say(&["127.0.0.1"]);
            until("up", || upstream.status().health == Health::Up).await;
            upstream.dial(TIMEOUT).await.unwrap();

            // A name that moves: asked for by a dial that fails everywhere.
            dns.say(&["127.0.0.9"]);
            drop(listener);
            upstream.dial(TIMEOUT).await.unwrap_err();
            let moved = || upstream.status().addresses[0].address.ip().to_string() == "127.0.0.9";
            until("moved", moved).await;
            // The test, the task, its lookups, and the check of the one address that is left.
            until("followed", || Arc::strong_count(&upstream) == 4).await;
        });
        runtime.shutdown_background();
    }

    #[test]
    fn a_resolver_that_hangs_holds_one_thread_and_nothing_else() {
        if !own_world(
            "a_resolver_that_hangs_holds_one_thread_and_nothing_else",
            "timeout:30 attempts:1",
        ) {
            return;
        }
        let dns = Dns::start();
        let (_listener, address) = listener();
        let upstream = upstream(&["silent.test:443", &address], true);
        let before = threads();
        let runtime = runtime();
        runtime.block_on(async {
            tokio::spawn(Arc::clone(&upstream).keep_fresh(TIMEOUT));
            until("up", || upstream.status().health == Health::Up).await;
            upstream.dial(TIMEOUT).await.unwrap();

            until("told", || upstream.status().last_error.is_some()).await;
            let told = upstream.status().last_error.unwrap();
            assert_eq!(told, "silent.test:443: the resolver does not answer");
            for _ in 0..25 {
                upstream.doubt();
                sleep(Duration::from_millis(100)).await;
            }
            assert_eq!(threads(), before + 1);
            // One for each family.
            assert_eq!(dns.queries.load(Ordering::Relaxed), 2);
        });
        runtime.shutdown_background();
    }

    #[test]
    fn a_poisoned_name_opens_no_home() {
        if !own_world("a_poisoned_name_opens_no_home", "attempts:1") {
            return;
        }
        let own: SocketAddr = "198.41.0.4:443".parse().unwrap();
        let listener = TcpListener::bind(own).unwrap();
        listener.set_nonblocking(true).unwrap();
        let dns = Dns::start();
        dns.say(&[
            "10.0.0.1",
            "198.41.0.4",
            "::1",
            "::ffff:192.168.1.1",
            "64:ff9b::c0a8:101",
            "2a00:1:2:300::1",
            "2a00:1:2:3ff::99",
        ]);
        let upstream = upstream(&["chat.test:443"], false);
        let runtime = runtime();
        runtime.block_on(async {
            tokio::spawn(Arc::clone(&upstream).keep_fresh(TIMEOUT));
            let error = upstream.dial(TIMEOUT).await.unwrap_err();
            assert!(matches!(error, DialError::Forbidden));
            let addresses = upstream.status().addresses;
            assert_eq!(addresses.len(), 7, "{addresses:?}");
            for address in addresses {
                let reason = address.last_error.unwrap();
                assert!(reason.starts_with("refused: "), "{reason}");
            }

            // An address that became ours after the name was looked up.
            let deadline = Instant::now() + TIMEOUT;
            let ended = Race::new(Arc::from([own]), deadline, false)
                .next()
                .await
                .unwrap();
            assert!(matches!(ended.result, Err(DialError::Forbidden)));
        });
        runtime.shutdown_background();
    }

    async fn until(what: &str, condition: impl Fn() -> bool) {
        let late = Instant::now() + Duration::from_secs(15);
        while !condition() {
            assert!(Instant::now() < late, "never {what}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    fn threads() -> usize {
        fs::read_dir("/proc/self/task").unwrap().count()
    }

    /// Runs the calling test once more, alone in a network of its own, where the resolver is whoever
    /// takes port 53 and where 198.41.0.4 and `2a00:1:2:300::1` are at home. True in that run.
    fn own_world(test: &str, resolver_options: &str) -> bool {
        const INSIDE: &str = "WAPROXY_TEST_WORLD";
        const SETUP: &str = "ip link set lo up && ip address add 198.41.0.4/32 dev lo &&
            ip address add 2a00:1:2:300::1/56 dev lo nodad &&
            mount -t tmpfs none /mnt && echo \"nameserver 127.0.0.1\noptions $2\" >/mnt/resolv.conf &&
            mount --bind /mnt/resolv.conf /etc/resolv.conf &&
            exec \"$0\" --exact \"$1\" --nocapture";
        if env::var_os(INSIDE).is_some() {
            return true;
        }
        let output = Command::new("unshare")
            .args([
                "--map-root-user",
                "--user",
                "--mount",
                "--net",
                "sh",
                "-c",
                SETUP,
            ])
            .arg(env::current_exe().unwrap())
            .arg(format!("upstream::refresh::tests::{test}"))
            .arg(resolver_options)
            .env(INSIDE, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("1 passed"), "{said}\n{complained}");
        false
    }

    /// A DNS server. Silent until it is told what to say, which it then says of every name.
    struct Dns {
        answer: Arc<Mutex<Option<Vec<IpAddr>>>>,
        queries: Arc<AtomicUsize>,
    }

    impl Dns {
        fn start() -> Self {
            let dns = Self {
                answer: Arc::default(),
                queries: Arc::default(),
            };
            let (answer, queries) = (Arc::clone(&dns.answer), Arc::clone(&dns.queries));
            let socket = UdpSocket::bind("127.0.0.1:53").unwrap();
            thread::spawn(move || {
                let mut query = [0; 512];
                while let Ok((len, from)) = socket.recv_from(&mut query) {
                    queries.fetch_add(1, Ordering::Relaxed);
                    if let Some(addresses) = &*answer.lock().unwrap() {
                        socket
                            .send_to(&reply(&query[..len], addresses), from)
                            .unwrap();
                    }
                }
            });
            dns
        }

        fn say(&self, addresses: &[&str]) {
            let addresses = addresses.iter().map(|address| address.parse().unwrap());
            *self.answer.lock().unwrap() = Some(addresses.collect());
        }
    }

    /// The addresses of the family that was asked for.
    fn reply(query: &[u8], addresses: &[IpAddr]) -> Vec<u8> {
        let name_len = query[12..].iter().position(|byte| *byte == 0).unwrap() + 1;
        let question = &query[12..12 + name_len + 4];
        let kind = question[name_len + 1];
        let records: Vec<_> = addresses
            .iter()
            .filter_map(|address| match (address, kind) {
                (IpAddr::V4(ip), 1) => Some(ip.octets().to_vec()),
                (IpAddr::V6(ip), 28) => Some(ip.octets().to_vec()),
                _ => None,
            })
            .collect();
        let count = u8::try_from(records.len()).unwrap();
        let mut reply = query[..2].to_vec();
        reply.extend([0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0]);
        reply.extend(question);
        for record in records {
            reply.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 0, 0]);
            reply.push(u8::try_from(record.len()).unwrap());
            reply.extend(record);
        }
        reply
    }
}
