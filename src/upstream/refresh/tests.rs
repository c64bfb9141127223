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
        upstream.dial(sleep(TIMEOUT)).await.unwrap_err();
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
        let error = upstream.dial(sleep(TIMEOUT)).await.unwrap_err();
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
        upstream.dial(sleep(TIMEOUT)).await.unwrap();

        // A name that moves: asked for by a dial that fails everywhere.
        dns.say(&["127.0.0.9"]);
        drop(listener);
        upstream.dial(sleep(TIMEOUT)).await.unwrap_err();
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
        upstream.dial(sleep(TIMEOUT)).await.unwrap();

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
        let error = upstream.dial(sleep(TIMEOUT)).await.unwrap_err();
        assert!(matches!(error, DialError::Forbidden));
        let addresses = upstream.status().addresses;
        assert_eq!(addresses.len(), 7, "{addresses:?}");
        for address in addresses {
            let reason = address.last_error.unwrap();
            assert!(reason.starts_with("refused: "), "{reason}");
        }

        // An address that became ours after the name was looked up.
        let ended = Race::new(Arc::from([own]), pin!(sleep(TIMEOUT)), upstream.config())
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
