//! `waproxy doctor HOST`: what it says of proxies that work, and of those that do not.

use std::io::{Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::support::authority::{ECDSA, Pair, self_signed, signed_by};
use crate::support::daemon::{Daemon, WAPROXY};
use crate::support::dnsmasq::dnsmasq;
use crate::support::faketime;
use crate::support::folder::Folder;
use crate::support::namespace::Namespace;
use crate::support::port;
use crate::support::process::{Ended, run_within};
use crate::support::resolver::{Record, Resolver};
use crate::support::setup::{Section, Setup, listener, upstream};
use crate::support::stand_in::{BlackHole, StandIn, refusing};
use crate::support::whatsapp;

const MEDIA_HOST: &str = "mmg.whatsapp.net";

/// More than all steps may take together.
const PATIENCE: Duration = Duration::from_secs(90);

#[test]
fn a_proxy_that_works_is_said_to_work_step_by_step() {
    let stage = Stage::new(|setup| setup);
    let ended = stage.doctor(&["--chat-port", &stage.port("chat_tls")]);
    let text = ended.success();
    println!("{text}");
    let lines: Vec<_> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let lines: Vec<Vec<&str>> = lines;
    let begins = |at: usize, word: &str, name: &str| {
        let line = &lines[at];
        assert_eq!(line[..2], [word, name], "{text}");
        assert!(line[2].parse::<u64>().is_ok() && line[3] == "ms", "{text}");
    };
    begins(0, "warning", "name");
    assert!(
        lines[1]
            .join(" ")
            .contains("people outside cannot reach it"),
        "{text}"
    );
    for (at, name) in STEPS.iter().enumerate().skip(1) {
        begins(at + 1, "ok", name);
    }
    assert!(
        text.ends_with("\n\nThis proxy works, but mind the warnings.\n"),
        "{text}"
    );
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");
}

#[test]
fn a_proxy_that_works_finds_itself_well() {
    let stage = Stage::new(|setup| setup.main("host", "proxy.example"));
    let ended = stage.daemon.ask("doctor", &[]);
    let text = ended.success();
    for part in [
        "ok       configuration ",
        "ok       clock ",
        "ok       certificate ",
        "ok       route ",
        "ok       upstreams ",
        "ok       chat_noise ",
        "ok       media_tls ",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    // Where this machine's own address is private, that is a warning.
    let last = if text.contains("\nwarning ") {
        "\n\nIt works within, but mind the warnings. From outside another place can tell.\n"
    } else {
        "\n\nAll is well within. From outside only another place can tell.\n"
    };
    assert!(text.ends_with(last), "{text}");
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    let json = stage.daemon.ask("doctor", &["--json"]).success();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["works"], true);
    assert_eq!(json["host"], Value::Null);
    assert_eq!(json["steps"].as_array().unwrap().len(), 12);
}

#[test]
fn what_is_wrong_with_the_configuration_is_a_warning_while_people_are_served() {
    let stage = Stage::new(|setup| setup.main("host", "proxy.example"));
    let warned = |what: &str, cause: &str| {
        let text = stage.daemon.ask("doctor", &[]).success();
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        assert!(text.contains("warning  configuration "), "{text}");
        let words: Vec<_> = text.split_whitespace().collect();
        let text = words.join(" ");
        for part in [what, cause, "It works within, but mind the warnings."] {
            assert!(text.contains(part), "{text}");
        }
    };
    let problem = "warning: /etc/config/waproxy: waproxy 'main': unknown option 'colour'\n";
    stage.daemon.folder().write("problems", problem);
    warned(
        "unknown option 'colour'",
        "not everything could be set up as it says",
    );
    stage.daemon.reload_text("");
    stage.daemon.until("it is read", |status| {
        status.0["configuration_errors"][0].is_string()
    });
    warned("no listener", "the configuration from before stays in use");
}

#[test]
fn who_cannot_begin_is_told_why_and_nothing_has_begun() {
    let stage = Stage::new(|setup| setup);
    let nothing = json!({"doctor": {"running": false, "steps": []}});
    let found = |stage: &Stage| stage.daemon.request(&json!({"request": "doctor"}));
    assert_eq!(found(&stage), nothing);
    let ended = stage.daemon.ask("doctor", &["--router", "/nowhere"]);
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(
        (&*ended.stdout, &*ended.stderr),
        (
            "",
            "error: /nowhere: No such file or directory (os error 2)\n"
        )
    );
    let text = "a".repeat((64 << 10) + 1);
    let refused = stage
        .daemon
        .request(&json!({"request": "doctor", "begin": true, "text": text}));
    assert_eq!(
        refused,
        json!({"error": "the text is longer than 65536 bytes"})
    );
    assert_eq!(found(&stage), nothing);
}

#[test]
fn who_begins_while_it_looks_at_itself_begins_nothing() {
    // WhatsApp is silent, which takes a while to find out.
    let silent = StandIn::new(|mut stream| stream.read_to_end(&mut Vec::new()).map(drop));
    let stage = Stage::new(|setup| setup.with(upstream("chat", silent.address(), "none")));
    let ask = |begin: bool| {
        let request = json!({"request": "doctor", "begin": begin, "text": "rules 1 4\n"});
        stage.daemon.request(&request)["doctor"].clone()
    };
    assert_eq!(ask(true)["running"], true);
    assert_eq!(ask(true)["running"], true);
    let deadline = Instant::now() + PATIENCE;
    let mut found = ask(false);
    while found["running"] != false {
        assert!(Instant::now() < deadline, "{found:#}");
        thread::sleep(Duration::from_millis(100));
        found = ask(false);
    }
    let steps = found["steps"].as_array().unwrap();
    for name in ["clock", "firewall", "media_tls"] {
        let count = steps.iter().filter(|step| step["name"] == name).count();
        assert_eq!(count, 1, "{name}: {found:#}");
    }
}

#[test]
fn a_proxy_on_one_address_looks_at_itself_there() {
    let bound = |chat: &str, media: &str| {
        let stage = Stage::new(|setup| {
            let chat = listener("chat_tls", "chat").option("bind_address", chat);
            setup
                .main("host", "proxy.example")
                .with(chat.option("tls", 1))
                .with(listener("media_in", "media").option("bind_address", media))
        });
        stage.daemon.ask("doctor", &[]).success()
    };
    for address in ["127.0.0.1", "127.0.0.9"] {
        let text = bound(address, address);
        assert!(text.contains("ok       chat_noise "), "{text}");
        assert!(text.contains("ok       media_tls "), "{text}");
    }
    for (chat, media) in [("127.0.0.9", "127.0.0.1"), ("::1", "::1")] {
        let text = bound(chat, media);
        assert!(text.contains("warning  ports "), "{text}");
        assert!(text.contains("not looked at from within"), "{text}");
        assert!(!text.contains("chat_port"), "{text}");
    }
}

#[test]
fn a_proxy_whose_upstreams_are_away_says_so() {
    let away = refusing();
    let stage = Stage::new(|setup| {
        setup
            .with(upstream("chat", away, "none"))
            .with(upstream("media", away, "none"))
    });
    stage.daemon.until("they are seen to be down", |status| {
        status.upstream("chat")["health"] == "down" && status.upstream("media")["health"] == "down"
    });
    let ended = stage.daemon.ask("doctor", &[]);
    assert_eq!(ended.status.code(), Some(1));
    let text = ended.stdout;
    assert!(text.contains("failed   upstreams "), "{text}");
    assert!(
        text.contains("the router is offline, or its network blocks WhatsApp"),
        "{text}"
    );
    assert!(
        text.ends_with("\n\nPeople cannot use this proxy as it is.\n"),
        "{text}"
    );
}

#[test]
fn a_proxy_that_lets_nobody_in_just_now_says_so_and_others_say_that_it_may_be_so() {
    let hour = |later: u64| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        (now.as_secs() / 3_600 + later) % 24
    };
    let hours = format!("{:02}:00-{:02}:00", hour(2), hour(3));
    let closed = Stage::new(|setup| {
        let budget = Section::new("budget", "budget");
        setup.with(budget.option("hours", &hours))
    });
    let full = Stage::new(|setup| setup.main("max_connections", 1));
    let _only = full.daemon.connect("chat_plain");
    full.daemon
        .until("it is full", |status| status.0["connections"]["now"] == 1);
    for (stage, what, why) in [
        (&closed, "closed until 20", "it is outside of the hours"),
        (
            &full,
            "1 of 1 connections are open",
            "before one of them ends",
        ),
    ] {
        let ended = stage.daemon.ask("doctor", &[]);
        assert_eq!(ended.status.code(), Some(1));
        let text = ended.stdout;
        assert!(text.contains("failed   ports "), "{text}");
        assert!(text.contains(what) && text.contains(why), "{text}");
        assert!(!text.contains("chat_"), "{text}");
        for words in [
            &["--chat-port", &stage.port("chat_tls")][..],
            &["--chat-port", &stage.port("chat_plain"), "--plain"],
        ] {
            let report = stage.report(words);
            let steps = report["steps"].as_array().unwrap().iter();
            let failed: Vec<_> = steps.filter(|step| step["result"] == "failed").collect();
            assert_eq!(failed.len(), 2, "{report:#}");
            for step in failed {
                let cause = step["cause"].as_str().unwrap();
                assert!(cause.contains("lets nobody in just now"), "{report:#}");
            }
        }
    }
}

#[test]
fn a_gate_that_takes_other_names_of_media_is_told_as_a_cause() {
    let stage = Stage::new(|setup| {
        let setup = setup.main_list("media_name", "other.example");
        setup.with(listener("media_in", "media").option("gate", "enforce"))
    });
    let report = stage.expect(
        &["--chat-port", &stage.port("chat_tls")],
        &["warning", "ok", "ok", "ok", "ok", "failed"],
    );
    let cause = cause(&report, "media_tls");
    assert!(cause.ends_with("takes other names only"), "{cause}");
}

#[test]
fn one_port_for_all_works_and_so_does_chat_without_tls() {
    let stage = Stage::new(|setup| setup);
    let all = stage.port("all");
    stage.expect(&["--chat-port", &all, "--media-port", &all], &WORKS);
    let ended = stage.run(&["127.0.0.1/", "--chat-port", &all, "--media-port", &all]);
    ended.success();
    let plain = stage.report(&["--chat-port", &stage.port("chat_plain"), "--plain"]);
    assert_eq!(plain["works"], true, "{plain:#}");
    let names: Vec<_> = plain["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| &step["name"])
        .collect();
    let expected: Vec<_> = STEPS
        .into_iter()
        .filter(|name| *name != "chat_tls")
        .collect();
    assert_eq!(names, expected);
}

#[test]
fn the_link_of_the_proxy_is_enough() {
    let stage = Stage::new(|setup| setup.main("host", "127.0.0.1"));
    let link = stage.daemon.ask("share", &[]).success();
    let report = stage.run(&[link.trim(), "--json"]);
    let report: Value = serde_json::from_str(&report.success()).unwrap();
    assert_eq!(report["host"], "127.0.0.1");
    assert_eq!(report["chat_port"], stage.daemon.port("chat_tls"));
    assert_eq!(report["media_port"], stage.daemon.port("media_in"));
    assert_eq!(
        (&report["chat_tls"], &report["works"]),
        (&true.into(), &true.into())
    );

    let bare = link.trim().trim_start_matches("https://");
    let report = stage.run(&[bare, "--json"]).success();
    assert_eq!(
        serde_json::from_str::<Value>(&report).unwrap()["works"],
        true
    );

    let bad = stage.run(&["https://wa.me/proxy?host=h&chatPort=x"]);
    assert!(!bad.status.success());
    assert_eq!(bad.stderr, "error: the link's chatPort makes no sense\n");
}

#[test]
fn a_proxy_that_is_off_is_said_to_be_off_and_the_other_port_is_tried_all_the_same() {
    let stage = Stage::new(|setup| setup);
    let (off, chat) = (port::fresh().to_string(), stage.port("chat_tls"));
    let refused = "nothing listens there: the proxy is off, or the port is not forwarded to it";
    let report = stage.expect(
        &["--chat-port", &off],
        &["warning", "failed", "skipped", "skipped", "ok", "ok"],
    );
    assert_eq!(cause(&report, "chat_port"), refused);
    let report = stage.expect(
        &["--chat-port", &chat, "--media-port", &off],
        &["warning", "ok", "ok", "ok", "failed", "skipped"],
    );
    assert_eq!(cause(&report, "media_port"), refused);

    let ended = stage.doctor(&["--chat-port", &chat, "--media-port", &off]);
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        ended.stdout.contains("People can write through this proxy"),
        "{}",
        ended.stdout
    );
    let ended = stage.doctor(&["--chat-port", &off]);
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        ended.stdout.contains("ms  Connection refused"),
        "{}",
        ended.stdout
    );
    assert!(
        ended
            .stdout
            .ends_with("\n\nPeople cannot use this proxy.\n"),
        "{}",
        ended.stdout
    );
}

#[test]
fn ports_that_swallow_everything_are_given_up() {
    let stage = Stage::new(|setup| setup);
    let silent = StandIn::new(|mut stream| stream.read_to_end(&mut Vec::new()).map(drop));
    let report = stage.expect(
        &at(BlackHole::new().address(), silent.address())
            .each_ref()
            .map(String::as_str),
        &["warning", "failed", "skipped", "skipped", "ok", "failed"],
    );
    assert_eq!(
        cause(&report, "chat_port"),
        "the port is not forwarded, or something on the way blocks it"
    );
    assert_eq!(
        cause(&report, "media_tls"),
        "the proxy cannot reach WhatsApp's media servers"
    );
}

#[test]
fn chat_waits_for_no_acknowledgement() {
    let stage = Stage::new(|setup| setup);
    let took = || {
        let report = stage.report(&["--chat-port", &stage.port("chat_tls")]);
        report["steps"][3]["milliseconds"].as_u64().unwrap()
    };
    // Linux delays one by 40 ms or more. A busy machine may take as long, but not each time.
    assert!((0..9).any(|_| took() < 40));
}

#[test]
fn something_else_that_answers_is_told_from_a_proxy() {
    let stage = Stage::new(|setup| setup);
    let web = StandIn::new(|mut stream| {
        if stream.read(&mut [0; 1024])? > 0 {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")?;
        }
        Ok(())
    });
    let web = at(web.address(), web.address());
    let mut words = web.each_ref().map(String::as_str).to_vec();
    let report = stage.expect(
        &words,
        &["warning", "ok", "failed", "skipped", "ok", "failed"],
    );
    let other = "something else answers on this port";
    assert_eq!(cause(&report, "chat_tls"), other);
    assert_eq!(cause(&report, "media_tls"), other);
    words.push("--plain");
    let report = stage.report(&words);
    assert_eq!(cause(&report, "chat_noise"), IN_BETWEEN);
}

#[test]
fn a_proxy_whose_upstreams_are_down_is_said_not_to_reach_whatsapp() {
    let stage = Stage::new(|setup| {
        setup
            .with(upstream("chat", refusing(), "none"))
            .with(upstream("media", refusing(), "none"))
    });
    for chat in ["chat_tls", "all"] {
        let report = stage.report(&["--chat-port", &stage.port(chat)]);
        let results = results(&report);
        assert_eq!(
            results[..4],
            ["warning", "ok", "ok", "failed"],
            "{report:#}"
        );
        assert_eq!(
            cause(&report, "chat_noise"),
            "the proxy cannot reach WhatsApp"
        );
        // Who is quick on the way finds the connection made, and who is not finds it gone.
        let last = if results[4] == "ok" {
            "media_tls"
        } else {
            "media_port"
        };
        let cause = cause(&report, last);
        assert!(
            cause.starts_with("the proxy cannot reach WhatsApp"),
            "{cause}"
        );
    }
}

#[test]
fn who_answers_in_whatsapp_s_place_is_found_out() {
    let echo = StandIn::echo();
    let imitation = whatsapp::imitation();
    for host in [&echo, &imitation] {
        let stage = Stage::new(|setup| setup.with(upstream("chat", host.address(), "none")));
        let report = stage.expect(
            &["--chat-port", &stage.port("chat_tls")],
            &["warning", "ok", "ok", "failed", "ok", "ok"],
        );
        assert_eq!(cause(&report, "chat_noise"), IN_BETWEEN);
    }
}

#[test]
fn media_must_come_with_whatsapp_s_certificate() {
    let mut stage = Stage::new(|setup| setup);
    let expect = |stage: &Stage, cause: &str| {
        let expected = ["warning", "ok", "ok", "ok", "ok", "failed"];
        let report = stage.expect(&["--chat-port", &stage.port("chat_tls")], &expected);
        assert_eq!(self::cause(&report, "media_tls"), cause);
    };
    let stranger = self_signed(&stage.folder, "stranger", ECDSA);
    let authority = std::mem::replace(&mut stage.authorities, stranger.cert);
    expect(&stage, "something in between answers, and not WhatsApp");
    stage.authorities = authority;

    let clock = "the clock of this machine is wrong, or something in between answers";
    for day in ["-60d", "+60d"] {
        stage.day = Some(day);
        expect(&stage, clock);
    }
    stage.day = None;

    let another = signed_by(&stage.authority, &stage.folder, "static.example");
    let another = whatsapp::media(&another);
    let behind = Stage::new(|setup| setup.with(upstream("media", another.address(), "none")));
    let stage = Stage {
        authorities: stage.authorities,
        ..behind
    };
    expect(
        &stage,
        "another server than WhatsApp's answers: the port leads elsewhere",
    );
}

#[test]
fn a_machine_without_authorities_cannot_verify_and_says_so() {
    let mut stage = Stage::new(|setup| setup);
    stage.authorities = stage.folder.join("none.pem");
    let report = stage.expect(
        &["--chat-port", &stage.port("chat_tls")],
        &["warning", "ok", "ok", "ok", "ok", "warning"],
    );
    assert_eq!(
        cause(&report, "media_tls"),
        "no certificate authorities on this machine: cannot verify"
    );
}

#[test]
fn what_phones_take_no_host_for_is_not_even_tried() {
    let skipped = [
        "failed", "skipped", "skipped", "skipped", "skipped", "skipped",
    ];
    for (host, cause) in [
        (
            "::1",
            "WhatsApp takes no IPv6 address: use a name or an IPv4 address",
        ),
        (
            "[2001:db8::1]",
            "WhatsApp takes no IPv6 address: use a name or an IPv4 address",
        ),
        ("127.0.0.1:443", "it has a typing error"),
        ("a proxy", "it has a typing error"),
    ] {
        let report = report(&mut command(&[host, "--json"]));
        assert_eq!(results(&report), skipped, "{report:#}");
        assert_eq!(self::cause(&report, "name"), cause);
    }
}

#[test]
fn a_name_is_dialled_by_its_ipv4_address_or_not_at_all() {
    let network = Namespace::new();
    let resolver = Resolver::new(&network);
    let (v4, v6) = ("127.0.0.2".parse().unwrap(), "2001:db8::1".parse().unwrap());
    let (v4, v6) = (Record::Address(v4), Record::Address(v6));
    resolver.say("both.example", &[v6.clone(), v4]);
    resolver.say("v6.example", &[v6]);
    let look = |host: &str| {
        let mut words = network.prefix();
        words.extend([WAPROXY, "doctor", host, "--json"]);
        report(Command::new(words[0]).args(&words[1..]))
    };
    let both = look("both.example");
    assert_eq!(both["steps"][0]["what"], "127.0.0.2");
    assert_eq!(results(&both)[..2], ["warning", "failed"]);
    let v6 = look("v6.example");
    assert_eq!(
        cause(&v6, "name"),
        "the name has IPv6 addresses only, which WhatsApp does not use: give it an A record"
    );
    let none = look("none.example");
    assert_eq!(
        cause(&none, "name"),
        "there is no such name, or this machine's DNS does not work"
    );
}

#[test]
fn what_this_router_s_dns_makes_of_whatsapp_s_names_is_told() {
    const NAME: &str = "chat.whatsapp.test";
    let upstream = |name: &str| {
        let upstream = Section::new("upstream", name).list("address", format!("{NAME}:443"));
        upstream.option("proxy_header", "none")
    };
    let setup = Setup::new()
        .main("connect_timeout", 1)
        .with(listener("chat_tls", "chat").option("tls", 1))
        .with(listener("media_in", "media"))
        .with(upstream("chat"))
        .with(upstream("media"));
    let look = |network: &Namespace, verdict: &str, cause: &str| {
        let daemon = Daemon::start_under(&network.prefix(), &setup);
        if verdict == "failed" {
            daemon.until("it is known", |status| {
                status.upstream("chat")["health"] == "down"
            });
        }
        let ended = daemon.ask("doctor", &["--json"]);
        let report: Value = serde_json::from_str(&ended.stdout).unwrap();
        let mut steps = report["steps"].as_array().unwrap().iter();
        let step = steps.find(|step| step["name"] == "upstreams").unwrap();
        assert_eq!(step["result"], verdict, "{step:#}");
        let told = step["cause"].as_str().unwrap();
        assert!(told.contains(cause), "{step:#}");
    };

    let network = Namespace::new();
    let resolver = Resolver::new(&network);
    resolver.say(NAME, &[Record::Address("192.168.1.5".parse().unwrap())]);
    look(&network, "failed", "gives private addresses");

    let options = [
        "--listen-address=127.0.0.2",
        "--server=127.0.0.1",
        "--stop-dns-rebind",
    ];
    let _dnsmasq = dnsmasq(&network, &options);
    network.write_etc("resolv.conf", "nameserver 127.0.0.2\n");
    look(&network, "failed", "against rebinding, swallows the answer");

    let silent = Namespace::new();
    let _socket = silent.inside(|| UdpSocket::bind("127.0.0.1:53").unwrap());
    let patience = "nameserver 127.0.0.1\noptions timeout:3 attempts:1\n";
    silent.write_etc("resolv.conf", patience);
    look(&silent, "warning", ": has not answered yet");
    look(&silent, "failed", "DNS does not answer");
}

const STEPS: [&str; 6] = [
    "name",
    "chat_port",
    "chat_tls",
    "chat_noise",
    "media_port",
    "media_tls",
];

/// All is well, but that loopback is for nobody else.
const WORKS: [&str; 6] = ["warning", "ok", "ok", "ok", "ok", "ok"];

const IN_BETWEEN: &str = "something in between answers, or the port leads elsewhere";

/// A daemon in front of stand-ins for WhatsApp, and a machine that trusts who signed for them.
struct Stage {
    daemon: Daemon,
    folder: Folder,
    authority: Pair,
    /// The file of authorities that the machine trusts.
    authorities: PathBuf,
    /// What the machine's clock says, in words of `faketime`.
    day: Option<&'static str>,
    _hosts: [StandIn; 2],
}

impl Stage {
    fn new(change: impl FnOnce(Setup) -> Setup) -> Self {
        let folder = Folder::new();
        let authority = self_signed(&folder, "authority", ECDSA);
        let chat = whatsapp::chat();
        let media = whatsapp::media(&signed_by(&authority, &folder, MEDIA_HOST));
        let trusts = format!("SSL_CERT_FILE={}", authority.cert.display());
        let setup = Setup::new()
            .with(upstream("chat", chat.address(), "none"))
            .with(upstream("media", media.address(), "none"))
            .with(listener("chat_tls", "chat").option("tls", 1))
            .with(listener("chat_plain", "chat"))
            .with(listener("media_in", "media"))
            .with(listener("all", "auto").option("tls", 1));
        Self {
            // For when it looks at itself.
            daemon: Daemon::start_under(&["env", &trusts], &change(setup)),
            folder,
            authorities: authority.cert.clone(),
            authority,
            day: None,
            _hosts: [chat, media],
        }
    }

    fn port(&self, listener: &str) -> String {
        self.daemon.port(listener).to_string()
    }

    fn run(&self, words: &[&str]) -> Ended {
        let mut command = command(words);
        command.env("SSL_CERT_FILE", &self.authorities);
        if let Some(day) = self.day {
            command
                .env("LD_PRELOAD", faketime::library())
                .env("FAKETIME", day);
        }
        run_within(PATIENCE, &mut command)
    }

    /// Looks at the daemon's ports, or those of `words`.
    fn doctor(&self, words: &[&str]) -> Ended {
        let media = self.port("media_in");
        let mut all = vec!["127.0.0.1"];
        if !words.contains(&"--media-port") {
            all.extend(["--media-port", &media]);
        }
        all.extend(words);
        self.run(&all)
    }

    fn report(&self, words: &[&str]) -> Value {
        let ended = self.doctor(&[words, &["--json"]].concat());
        let report: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(report["works"], ended.status.success(), "{report:#}");
        report
    }

    /// What it finds out, step by step.
    fn expect(&self, words: &[&str], expected: &[&str; 6]) -> Value {
        let report = self.report(words);
        assert_eq!(results(&report), expected, "{report:#}");
        report
    }
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(WAPROXY);
    command.arg("doctor").args(words);
    command
}

fn report(command: &mut Command) -> Value {
    let ended = run_within(PATIENCE, command);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap()
}

/// The words for the two ports of these.
fn at(chat: SocketAddr, media: SocketAddr) -> [String; 4] {
    let (chat, media) = (chat.port().to_string(), media.port().to_string());
    ["--chat-port".into(), chat, "--media-port".into(), media]
}

fn results(report: &Value) -> Vec<&str> {
    let steps = report["steps"].as_array().unwrap();
    let names: Vec<_> = steps
        .iter()
        .map(|step| step["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, STEPS);
    steps
        .iter()
        .map(|step| step["result"].as_str().unwrap())
        .collect()
}

fn cause<'a>(report: &'a Value, name: &str) -> &'a str {
    let mut steps = report["steps"].as_array().unwrap().iter();
    let step = steps.find(|step| step["name"] == name).unwrap();
    step["cause"]
        .as_str()
        .unwrap_or_else(|| panic!("no cause: {report:#}"))
}
