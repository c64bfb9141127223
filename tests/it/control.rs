//! The control socket, as LuCI asks it: a line there, a line back.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use crate::support::client::{PATIENCE, talk};
use crate::support::daemon::{Daemon, WAPROXY};
use crate::support::namespace::Namespace;
use crate::support::process::run;
use crate::support::setup::{Setup, listener, upstream};
use crate::support::stand_in::StandIn;

#[test]
fn history_tells_what_each_interval_carried() {
    let echo = StandIn::echo();
    let daemon = Daemon::start(&setup(&echo));
    talk(daemon.connect("media_main"), &[7; 12_345]);
    let _open = daemon.connect("media_main");
    let history = history_of(&daemon, 2);
    assert_eq!(history["interval_seconds"], 5);
    for name in ["bytes_up", "bytes_down"] {
        let bytes: Vec<_> = numbers(&history[name]).collect();
        assert_eq!(bytes.iter().sum::<u64>(), 12_345, "{history}");
        assert!(bytes.contains(&12_345), "all at once: {history}");
    }
    assert_eq!(numbers(&history["connections"]).last(), Some(1));
}

#[test]
fn today_begins_at_midnight_of_the_zone_that_was_handed_over() {
    let echo = StandIn::echo();
    let setup = setup(&echo)
        .main_list("trusted_proxy", "127.64.0.0/10")
        .with(listener("behind", "chat").option("accept_proxy", 1));
    let daemon = Daemon::start(&setup);
    talk(daemon.connect("media_main"), &[7; 1000]);
    let somebody = b"PROXY TCP4 203.0.113.1 192.0.2.1 12345 443\r\nhello";
    talk(daemon.connect("behind"), somebody);
    let status = daemon.until("counted", |status| {
        status.ended("media_main", "closed") == 1 && status.ended("behind", "closed") == 1
    });
    let day = json!({"bytes_up": 1005, "bytes_down": 1005, "connections": 2});
    assert_eq!(status.0["today"], day);
    assert_eq!(status.0["people_today"], 1);
    let table = daemon.ask("status", &[]).success();
    let line = "today          1005B up and 1005B down in 2 connections\n";
    assert!(table.contains(line), "{table}");

    // A zone in which it is a minute to midnight or less, but not so little that this takes longer.
    let seconds = || {
        let since_1970 = SystemTime::UNIX_EPOCH.elapsed().unwrap();
        since_1970.as_secs()
    };
    while seconds() % 60 > 50 {
        thread::sleep(Duration::from_millis(100));
    }
    let offset = 24 * 60 - 1 - seconds() / 60 % (24 * 60);
    let text = format!("HERE-{}:{:02}\n", offset / 60, offset % 60);
    daemon.folder().write("zone", text);
    daemon.hang_up();
    talk(daemon.connect("media_main"), &[7; 100]);
    let status = daemon.until("counted", |status| {
        status.ended("media_main", "closed") == 2
    });
    assert_eq!(
        status.0["today"]["bytes_up"], 1105,
        "another zone costs nothing"
    );

    let deadline = Instant::now() + Duration::from_mins(1) + PATIENCE;
    while daemon.status().0["today"]["connections"] != 0 {
        assert!(Instant::now() < deadline, "midnight does not come");
        thread::sleep(Duration::from_millis(200));
    }
    talk(daemon.connect("media_main"), &[7; 10]);
    let status = daemon.until("counted", |status| {
        status.ended("media_main", "closed") == 3
    });
    let day = json!({"bytes_up": 10, "bytes_down": 10, "connections": 1});
    assert_eq!(status.0["today"], day);
    let days = daemon.request(&json!({"request": "days"}));
    let days = days["days"].as_array().unwrap();
    let bytes: Vec<_> = days.iter().map(|day| &day["bytes_up"]).collect();
    assert_eq!(bytes, [1105, 10]);
    let people: Vec<_> = days.iter().map(|day| &day["people"]).collect();
    assert_eq!(people, [1, 0]);
    assert_eq!(
        (&status.0["people_today"], &status.0["people_week"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(status.listener("media_main")["bytes_up"], 1110);
}

#[test]
fn share_gives_the_link_that_the_command_prints() {
    let echo = StandIn::echo();
    let daemon = Daemon::start(&setup(&echo).main("host", "proxy.example.org"));
    let share = |host: Value| daemon.request(&json!({"request": "share", "host": host}));
    let (chat, media) = (daemon.port("chat_tls"), daemon.port("media_main"));
    let link = daemon.ask("share", &[]).success();
    assert_eq!(
        share("proxy.example.org".into()),
        json!({"share": {
            "link": link.trim_end(),
            "host": "proxy.example.org",
            "chat_port": chat,
            "media_port": media,
            "chat_tls": true,
            "hints": [],
        }})
    );
    assert_eq!(share("192.0.2.7".into())["share"]["host"], "192.0.2.7");
    for host in [
        "",
        " ",
        "a b",
        "a&b",
        "a/b",
        "a_b.example",
        "ä.example",
        "a.example:443",
        "-a.example",
        "1.2.3",
        "2001:db8::1",
        "[2001:db8::1]",
        "a\nb",
        "https://a.example",
    ] {
        let error = error_of(&share(host.into()));
        assert!(
            error.contains("DNS name or an IPv4 address"),
            "{host:?}: {error}"
        );
    }
    let long = error_of(&share(format!("{}example", "a.".repeat(200)).into()));
    assert!(long.contains("DNS name"), "{long}");
    for wrong in [json!(7), json!(["a.example"]), json!({})] {
        let error = error_of(&share(wrong));
        assert!(error.starts_with("invalid type"), "{error}");
    }
    // The configuration's.
    for none in [
        json!({"request": "share"}),
        json!({"request": "share", "host": null}),
    ] {
        assert_eq!(daemon.request(&none), share("proxy.example.org".into()));
    }
    // Where there is nothing but loopback.
    let nowhere = Namespace::new();
    let hostless = Daemon::start_under(&nowhere.prefix(), &setup(&echo));
    let error = error_of(&hostless.request(&json!({"request": "share"})));
    assert!(error.starts_with("no host"), "{error}");
}

#[test]
fn share_says_what_there_is_not() {
    let echo = StandIn::echo();
    let setup = Setup::new()
        .with(listener("chat_tls", "chat").option("tls", 1))
        .with(upstream("chat", echo.address(), "none"));
    let daemon = Daemon::start(&setup);
    let error = error_of(&daemon.request(&json!({"request": "share", "host": "a.example"})));
    assert!(error.contains("no listener of service 'media'"), "{error}");
}

#[test]
fn check_says_what_the_command_says() {
    let echo = StandIn::echo();
    let daemon = Daemon::start(&setup(&echo));
    let before = daemon.status();
    let right = setup(&echo).text();
    let wrong = right.replace(
        "option workers '2'",
        "option workers 'many'\n\toption bogus 'x'",
    );
    let unreadable = format!("{right}\nnonsense\n");
    for text in [&right, &wrong, &unreadable, &String::new()] {
        let answer = check(&daemon, text);
        let file = daemon.folder().write("candidate", text);
        let mut command = Command::new(WAPROXY);
        let said = run(command.arg("check").arg("-c").arg(&file)).stderr;
        let expected: Vec<_> = said
            .lines()
            .map(|line| line.trim_start_matches("error: "))
            .map(|line| line.replace(file.to_str().unwrap(), "/etc/config/waproxy"))
            .collect();
        assert_eq!(
            answer,
            json!({"check": {"errors": expected, "warnings": []}})
        );
        assert_eq!(expected.is_empty(), *text == right, "{said}");
    }

    let odd = right.replace(
        "option workers '2'",
        "option workers '2'\n\toption colour 'x'",
    );
    let answer = check(&daemon, &odd);
    assert_eq!(answer["check"]["errors"], json!([]));
    let warning = answer["check"]["warnings"][0].as_str().unwrap();
    assert!(warning.contains("option colour 'x'"), "{warning}");

    // None of it has changed what runs.
    talk(daemon.connect("media_main"), b"hello");
    let after = daemon.status();
    for part in [
        "configuration_errors",
        "configuration_file",
        "host",
        "workers",
        "certificate",
    ] {
        assert_eq!(after.0[part], before.0[part], "{part}");
    }
    assert_eq!(after.listener("chat_tls"), before.listener("chat_tls"));
}

#[test]
fn check_does_not_look_at_certificates() {
    let echo = StandIn::echo();
    let daemon = Daemon::start(&setup(&echo));
    let pair = setup(&echo)
        .main("cert", "/nowhere/cert.pem")
        .main("key", "/nowhere/key.pem");
    let nothing = json!({"check": {"errors": [], "warnings": []}});
    assert_eq!(check(&daemon, &pair.text()), nothing);
}

#[test]
fn a_text_is_taken_up_to_64_kib() {
    let echo = StandIn::echo();
    let daemon = Daemon::start(&setup(&echo));
    let mut text = setup(&echo).text();
    // Each of them is two on the line.
    text += &"\n".repeat((64 << 10) - text.len());
    let nothing = json!({"check": {"errors": [], "warnings": []}});
    assert_eq!(check(&daemon, &text), nothing);
    text.push('\n');
    let error = error_of(&check(&daemon, &text));
    assert_eq!(error, "the text is longer than 65536 bytes");
    let error = error_of(&check(&daemon, &"\n".repeat(100 << 10)));
    assert!(error.starts_with("the request is longer than "), "{error}");
    for wrong in [json!(7), json!([text])] {
        let error = error_of(&daemon.request(&json!({"request": "check", "text": wrong})));
        assert!(error.starts_with("invalid type"), "{error}");
    }
    let error = error_of(&daemon.request(&json!({"request": "check"})));
    assert_eq!(error, "missing field `text`");
    assert!(daemon.ask("status", &[]).status.success());
}

fn setup(echo: &StandIn) -> Setup {
    Setup::new()
        .with(listener("chat_tls", "chat").option("tls", 1))
        .with(listener("media_main", "media"))
        .with(upstream("chat", echo.address(), "none"))
        .with(upstream("media", echo.address(), "none"))
}

fn check(daemon: &Daemon, text: &str) -> Value {
    daemon.request(&json!({"request": "check", "text": text}))
}

fn numbers(list: &Value) -> impl Iterator<Item = u64> {
    let list = list.as_array().unwrap().iter();
    list.map(|number| number.as_u64().unwrap())
}

/// The history, once there are so many samples.
fn history_of(daemon: &Daemon, samples: usize) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let history = daemon.request(&json!({"request": "history"}))["history"].clone();
        let length = |name: &str| history[name].as_array().unwrap().len();
        assert_eq!(length("bytes_up"), length("bytes_down"));
        assert_eq!(length("bytes_up"), length("connections"));
        if length("bytes_up") >= samples {
            return history;
        }
        assert!(Instant::now() < deadline, "no {samples} samples: {history}");
        thread::sleep(Duration::from_millis(100));
    }
}

fn error_of(answer: &Value) -> String {
    let fields = answer.as_object().unwrap();
    assert_eq!(fields.len(), 1, "{answer}");
    answer["error"].as_str().unwrap().to_owned()
}
