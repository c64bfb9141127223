//! How many people are helped, and what was carried each day: numbers, and nothing of anybody.

use std::fs;
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::support::client::{read_to_end, talk};
use crate::support::daemon::Daemon;
use crate::support::setup::{Setup, listener, upstream};
use crate::support::stand_in::{StandIn, refusing};
use crate::support::tls::hello_for;

#[test]
fn people_from_outside_who_were_answered_are_counted_each_once() {
    let stage = Stage::new(&Setup::new());
    for visit in 0..3 {
        for person in 0..40 {
            let listener = if visit == 0 { "behind" } else { "other" };
            stage.call(listener, &format!("203.0.113.{person}"));
        }
    }
    // Of one home, and none of outside.
    stage.call("behind", "2a00:1:2:3::1");
    stage.call("behind", "2a00:1:2:3::2");
    for inside in ["192.168.1.7", "100.64.0.7", "fd00::7", "127.66.0.9"] {
        stage.call("behind", inside);
    }
    // As who looks for proxies does, and no phone: media's servers answer anybody.
    for person in 0..40 {
        stage.call("media_in", &format!("198.41.7.{person}"));
        let header = header_of(&format!("198.41.8.{person}"));
        let said = [header, hello_for("mmg.whatsapp.net")].concat();
        talk(stage.daemon.connect("all"), &said);
    }
    // WhatsApp does not answer: nobody is helped.
    let mut client = stage.daemon.connect("dead");
    client.write_all(&hello_of("203.0.113.200")).unwrap();
    read_to_end(&mut client);
    let status = stage.daemon.until("all are over", |status| {
        status.open() == 0 && status.ended("dead", "upstream_connect") == 1
    });
    let today = status.0["people_today"].as_u64().unwrap();
    assert!((36..=46).contains(&today), "{today} of 41");
    assert_eq!(status.0["people_week"], today);
    let table = stage.daemon.ask("status", &[]).success();
    let line = format!("people         about {today} today, {today} in seven days");
    assert!(table.contains(&line), "{table}");
    let metrics = stage.daemon.ask("metrics", &[]).success();
    let line = format!("waproxy_people_today {today}\n");
    assert!(metrics.contains(&line), "{metrics}");
    let days = stage.days();
    assert_eq!(days.len(), 1);
    assert_eq!(days[0]["people"], today);
    assert_eq!(days[0]["connections"], 207);
}

#[test]
fn days_are_kept_on_disk_only_where_that_is_wanted() {
    let setup = Setup::new().main("keep_history", 1);
    let mut stage = Stage::new(&setup);
    let file = stage.daemon.state_folder().join("history");
    // Of months ago, the newest, and nonsense.
    let mut text = String::from("nonsense\n");
    let line = |day| format!("{day} 1000000000 2000000000 50000 60\n");
    text.extend((100..140).map(line));
    stage.restart_with(&text);
    stage.call("behind", "203.0.113.1");
    talk(stage.daemon.connect("plain"), &[7; 10_240]);
    stage
        .daemon
        .until("counted", |status| status.ended("plain", "closed") == 1);
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        text,
        "once an hour at most"
    );
    stage.daemon.terminate();
    stage.daemon.wait();

    let kept = fs::read_to_string(&file).unwrap();
    assert!(kept.len() < 1_200 && kept.lines().count() == 30, "{kept}");
    assert!(
        kept.starts_with("111 1000000000 2000000000 50000 60\n"),
        "{kept}"
    );
    let today = kept.lines().last().unwrap();
    assert!(today.ends_with(" 10 10 2 1"), "{today}");
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );

    // After a restart the day goes on.
    stage.daemon.start_again();
    stage.call("behind", "203.0.113.2");
    talk(stage.daemon.connect("plain"), &[7; 1_000]);
    let status = stage
        .daemon
        .until("counted", |status| status.ended("plain", "closed") == 1);
    assert_eq!(status.0["today"]["bytes_up"], 10_240 + 1_000 + 5);
    assert_eq!(status.0["people_today"], 1);
    assert_eq!(stage.days().len(), 30);

    let off = stage.setup(&Setup::new());
    stage.daemon.reload(&off);
    stage.daemon.until("it is removed", |_| !file.exists());
    stage.daemon.terminate();
    stage.daemon.wait();
    assert!(!file.exists());
}

#[test]
fn without_room_for_the_days_the_service_goes_on() {
    let mut stage = Stage::new(&Setup::new().main("keep_history", 1));
    let file = stage.daemon.state_folder().join("history");
    fs::create_dir_all(&file).unwrap();
    fs::write(file.join("x"), "").unwrap();
    stage.daemon.terminate();
    assert!(stage.daemon.wait().success());
    let log = stage.daemon.log();
    assert!(log.contains("warning: cannot keep the history: "), "{log}");
}

/// A daemon behind a load balancer, that may say who calls.
struct Stage {
    daemon: Daemon,
    echo: StandIn,
}

impl Stage {
    fn new(setup: &Setup) -> Self {
        let echo = StandIn::echo();
        let daemon = Daemon::start(&with_listeners(setup, &echo));
        Self { daemon, echo }
    }

    fn setup(&self, setup: &Setup) -> Setup {
        with_listeners(setup, &self.echo)
    }

    /// Has it find `text` as its history.
    fn restart_with(&mut self, text: &str) {
        self.daemon.terminate();
        self.daemon.wait();
        fs::write(self.daemon.state_folder().join("history"), text).unwrap();
        self.daemon.start_again();
    }

    /// Says something as who calls from `source`.
    fn call(&self, listener: &str, source: &str) {
        talk(self.daemon.connect(listener), &hello_of(source));
    }

    fn days(&self) -> Vec<Value> {
        let answer = self.daemon.request(&json!({"request": "days"}));
        answer["days"].as_array().unwrap().clone()
    }
}

fn with_listeners(setup: &Setup, echo: &StandIn) -> Setup {
    let behind = |name, service| listener(name, service).option("accept_proxy", 1);
    setup
        .clone()
        .main_list("trusted_proxy", "127.64.0.0/10")
        .main("max_rate_per_client", 0)
        .with(listener("plain", "chat"))
        .with(behind("behind", "chat"))
        .with(behind("other", "chat"))
        .with(behind("media_in", "media"))
        .with(behind("all", "auto").option("tls", 1))
        .with(behind("dead", "web"))
        .with(upstream("chat", echo.address(), "none"))
        .with(upstream("media", echo.address(), "none"))
        .with(upstream("web", refusing(), "none"))
}

/// What a load balancer says of who calls from `source`.
fn header_of(source: &str) -> Vec<u8> {
    let (family, target) = match source.parse::<Ipv4Addr>() {
        Ok(_) => ("TCP4", "192.0.2.1"),
        Err(_) => ("TCP6", "2001:db8::1"),
    };
    format!("PROXY {family} {source} {target} 12345 443\r\n").into_bytes()
}

/// The same, and five bytes of his.
fn hello_of(source: &str) -> Vec<u8> {
    [&header_of(source)[..], b"hello"].concat()
}
