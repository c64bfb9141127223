//! Configurations from end to end: any text is judged, a right one means what it says, and the
//! command `check` tells people.

mod spelling;
#[path = "../fuzz/targets/uci_text.rs"]
mod uci_text;

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::{NonZeroU16, NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use log::LevelFilter;
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use waproxy::config::{
    self, Auto, Budget, Bytes, Certificate, Config, DEFAULT, Decoy, Gate, Host, HostPort, Hours,
    Limits, Listener, Period, ProxyHeader, Timeouts, Upstream, Weekdays,
};

use self::spelling::spelt;
use self::uci_text::{sections_of, text_of};
use crate::support::uci;

// === Any text ===

proptest! {
    #[test]
    fn any_text_is_judged(text in any::<String>()) {
        let _ = config::parse("f", &text);
    }

    #[test]
    fn anything_like_uci_is_judged_in_one_line_a_problem(words in vec(word(), 0..60)) {
        if let Err(problems) = config::parse("f", &words.concat()) {
            prop_assert_eq!(problems.to_string().lines().count(), problems.iter().count());
            prop_assert!(problems.iter().count() > 0);
        }
    }

    #[test]
    fn a_configuration_means_what_it_says_however_it_is_spelt(config in config(), seed: u64) {
        let sections = sections_of(&config);
        for text in [text_of(&sections), spelt(&sections, seed)] {
            let loaded = config::parse("f", &text);
            let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}\n{text}"));
            prop_assert_eq!(&loaded.warnings, &[]);
            prop_assert_eq!(&loaded.config, &config, "{}", text);
        }
    }
}

#[test]
fn a_configuration_that_uci_has_written_means_the_same() {
    let mut runner = TestRunner::deterministic();
    let mut draw = || {
        (config(), any::<u64>())
            .new_tree(&mut runner)
            .unwrap()
            .current()
    };
    let drawn: Vec<_> = (0..300).map(|_| draw()).collect();
    let text = |(config, seed): &(Config, u64)| spelt(&sections_of(config), *seed).into_bytes();
    let texts: Vec<_> = drawn.iter().map(text).collect();
    let exported = String::from_utf8(uci::export(&texts).unwrap()).unwrap();
    for (i, (config, _)) in drawn.iter().enumerate() {
        let start = format!("package {}\n", uci::package(i));
        let (_, text) = exported.split_once(&start).unwrap();
        let (text, _) = text.split_once("\npackage ").unwrap_or((text, ""));
        let loaded = config::parse("f", text);
        let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}\n{text}"));
        assert_eq!(
            (&loaded.config, &loaded.warnings[..]),
            (config, &[][..]),
            "{text}"
        );
    }
}

/// What UCI files are made of, and what has no place there.
fn word() -> impl Strategy<Value = String> {
    let known = select(vec![
        "config",
        "option",
        "list",
        "package",
        "waproxy",
        "'main'",
        "listener",
        "upstream",
        "chat",
        "port",
        "443",
        "service",
        "'",
        "\"",
        "\\",
        "#",
        ";",
        "''",
        " ",
        " ",
        " ",
        "\n",
        "\n",
        "\n",
        "\nconfig listener\n\toption port '443'\n\toption service 'chat'\n",
        "\nlist address ",
        "\u{1b}",
        "\u{85}",
        "\u{2028}",
    ]);
    prop_oneof![9 => known.prop_map(str::to_owned), 1 => any::<String>()]
}

// === Configurations ===

prop_compose! {
    fn config()(
        main in main(),
        budget in budget(),
        upstreams in vec(upstream(), 3),
        autos in vec(any::<bool>(), 6),
        gates in vec(select(vec![Gate::Off, Gate::Log, Gate::Enforce]), 6),
        decoys in vec(option::of(decoy()), 6),
        listeners in vec(listener(), 1..6),
        ports in btree_set(1..=u16::MAX, 6),
        bind_ports in btree_set(1..=u16::MAX, 6),
    ) -> Config {
        let upstreams: Vec<_> = upstreams
            .into_iter()
            .zip(["chat", "media", "u_3"])
            .map(|(upstream, name)| Arc::new(Upstream {
                name: name.to_owned(),
                interface: main.upstream_interface.clone(),
                ..upstream
            }))
            .collect();
        let ports = ports.into_iter().zip(bind_ports);
        let listeners: Vec<_> = (0..)
            .zip(listeners.into_iter().zip(ports).zip(autos.into_iter().zip(gates).zip(decoys)))
            .map(|(i, (((service, tls, accept_proxy, bind_address), (port, bind_port)), ((auto, gate), decoy)))| {
                let auto = auto && tls;
                Listener {
                    name: if i % 2 == 0 { format!("l{i}") } else { format!("@listener[{i}]") },
                    port: NonZeroU16::new(port).unwrap(),
                    bind_port: NonZeroU16::new(bind_port).unwrap(),
                    bind_address,
                    upstream: Arc::clone(&upstreams[if auto { 0 } else { service }]),
                    media: auto.then(|| Arc::clone(&upstreams[1])),
                    tls,
                    accept_proxy: accept_proxy && !main.trusted_proxies.is_empty(),
                    gate: if auto || service < 2 { gate } else { Gate::Off },
                    decoy: decoy.filter(|_| auto || tls && service == 0),
                }
            })
            .collect();
        let used = |upstream: &Arc<Upstream>| {
            listeners.iter().any(|listener| {
                let mut all = listener.media.iter().chain([&listener.upstream]);
                all.any(|one| Arc::ptr_eq(one, upstream))
            })
        };
        let upstreams = upstreams.into_iter().filter(used).collect();
        Config { listeners, upstreams, budget, ..main }
    }
}

prop_compose! {
    /// All but budget, listeners and upstreams.
    fn main()(
        (enabled, firewall, keep_history) in any::<(bool, bool, bool)>(),
        workers in auto(256),
        max_connections in auto(27_500),
        counts in [0..=27_500_u32, 0..=27_500, 0..=27_500],
        timeouts in [1..=60_u64, 1..=120, 1..=86_400, 1..=3_600, 0..=300],
        src_zone in "[a-zA-Z0-9_.-]{1,32}",
        port_mapping in any::<bool>(),
        upstream_interface in option::of("[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,14}"),
        log_level in select(LevelFilter::iter().collect::<Vec<_>>()),
        host in option::of(name().prop_union(any::<Ipv4Addr>().prop_map(|a| a.to_string()).boxed())),
        pair in option::of(["/[ -\\[\\]-~]{0,20}[a-z]", "/[a-z '#;]{0,20}[a-z]"]),
        media_names in btree_set("\\.?[a-z0-9]{1,9}\\.[a-z]{2,9}", 1..4),
        trusted_proxies in btree_set(network(), 0..3),
    ) -> Config {
        let [per_client, rate, handshakes] = counts.map(NonZeroU32::new);
        let [connect, handshake, idle, half_close, drain] = timeouts.map(Duration::from_secs);
        Config {
            enabled,
            workers,
            limits: Limits {
                max_connections,
                max_connections_per_client: per_client,
                max_rate_per_client: rate,
                max_handshakes: handshakes,
            },
            timeouts: Timeouts { connect, handshake, idle, half_close, drain },
            firewall,
            keep_history,
            src_zone,
            port_mapping,
            log_level,
            upstream_interface,
            host,
            certificate: pair.map_or(Certificate::Own, |[cert, key]| Certificate::Operator {
                cert: cert.replace('"', "").into(),
                key: key.into(),
            }),
            media_names: media_names.into_iter().collect(),
            trusted_proxies: trusted_proxies.into_iter().collect(),
            budget: Budget::default(),
            listeners: Vec::new(),
            upstreams: Vec::new(),
        }
    }
}

prop_compose! {
    fn budget()(
        amount in option::of((1..=u32::MAX, select(vec![1_000, 1_000_000, 1_000_000_000_u64]))),
        period in select(vec![Period::Day, Period::Month]),
        reset_day in 1..=28_u8,
        rate in 0..=10_000_u32,
        family_first in any::<bool>(),
        hours in option::of((0..1_440_u16, 1..=1_440_u16)),
        weekdays in 1..0x80_u8,
    ) -> Budget {
        let rate = NonZeroU32::new(rate);
        Budget {
            bytes: amount.map(|(n, unit)| Bytes(NonZeroU64::new(unit * u64::from(n)).unwrap())),
            period,
            reset_day,
            rate,
            family_first: family_first && rate.is_some(),
            hours: hours.map(|(from, minutes)| Hours { from, minutes }),
            weekdays: Weekdays(weekdays),
        }
    }
}

prop_compose! {
    fn upstream()(
        addresses in vec((host(), 1..=u16::MAX), 1..4),
        proxy_header in select(vec![ProxyHeader::None, ProxyHeader::V1, ProxyHeader::V2]),
        allow_private in any::<bool>(),
    ) -> Upstream {
        let addresses = addresses.into_iter().map(|(host, port)| HostPort {
            host,
            port: NonZeroU16::new(port).unwrap(),
        });
        // A list counts once what it has twice.
        let mut addresses: Vec<_> = addresses.collect();
        addresses.dedup();
        Upstream { name: String::new(), addresses, proxy_header, allow_private, interface: None }
    }
}

/// Service, TLS, PROXY header, address.
fn listener() -> impl Strategy<Value = (usize, bool, bool, Option<IpAddr>)> {
    let v4 = any::<u16>().prop_map(|n| Ipv4Addr::from(0x0A00_0000 + u32::from(n)).into());
    let v6 = any::<u16>().prop_map(|n| Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, n).into());
    (
        0..3_usize,
        any::<bool>(),
        any::<bool>(),
        option::of(prop_oneof![v4, v6]),
    )
}

fn decoy() -> impl Strategy<Value = Decoy> {
    let page = "/[a-z '#;]{0,20}\\.html".prop_map(|path| Decoy::Page(path.into()));
    let server = (any::<u16>(), 1..=u16::MAX).prop_map(|(n, port)| {
        Decoy::Server((Ipv4Addr::from(0x0A00_0000 + u32::from(n)), port).into())
    });
    prop_oneof![page, server]
}

fn auto(most: u32) -> impl Strategy<Value = Auto<NonZeroU32>> {
    (0..=most).prop_map(|n| NonZeroU32::new(n).map_or(Auto::Auto, Auto::Fixed))
}

fn name() -> BoxedStrategy<String> {
    "[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\\.[a-z0-9]{1,9}){0,3}\\.[a-z]{2,9}".boxed()
}

fn host() -> impl Strategy<Value = Host> {
    let address = any::<IpAddr>().prop_map(Host::Address);
    prop_oneof![name().prop_map(Host::Name), address]
}

fn network() -> impl Strategy<Value = IpNet> {
    (any::<IpAddr>(), 0..=32_u8).prop_map(|(a, n)| IpNet::new(a, n).unwrap().trunc())
}

// === Files ===

fn problem_of(path: &Path) -> String {
    config::load(path).unwrap_err().to_string()
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem() {
    let folder = folder("unreadable");
    let file = folder.join("waproxy");
    let said = |what: &str| format!("{}: this file cannot be read: {what}", file.display());

    assert!(
        problem_of(&file).starts_with(&said("No such file")),
        "{}",
        problem_of(&file)
    );
    fs::write(&file, b"config waproxy 'm\xFFin'\n").unwrap();
    assert_eq!(
        problem_of(&file),
        said("stream did not contain valid UTF-8")
    );
    fs::write(&file, "#".repeat(256 * 1024 + 1)).unwrap();
    assert_eq!(problem_of(&file), said("it is larger than 262144 bytes"));
    fs::write(
        &file,
        DEFAULT.to_owned() + &"#".repeat(256 * 1024 - DEFAULT.len()),
    )
    .unwrap();
    assert!(config::load(&file).is_ok());
    assert!(problem_of(&folder).ends_with("it is no regular file"));

    // Nobody ever writes into it: opened, it would wait for ever.
    let pipe = folder.join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    assert!(problem_of(&pipe).ends_with("it is no regular file"));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn check_says_what_would_run() {
    let folder = folder("check_right");
    let file = folder.join("waproxy");
    fs::write(&file, DEFAULT).unwrap();
    let Output {
        status,
        stdout,
        stderr,
    } = check(&file);
    let (stdout, stderr) = (
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    );
    assert_eq!((status.code(), stderr.as_str()), (Some(0), ""));
    for part in [
        "chat_tls",
        "10443",
        "g-fallback.whatsapp.net:5222",
        "whatsapp.net:443",
    ] {
        assert!(stdout.contains(part), "{stdout}");
    }
    assert!(!stdout.contains("web_plain"), "{stdout}");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn check_says_all_that_is_wrong() {
    let folder = folder("check_wrong");
    let file = folder.join("waproxy");
    let wrong = [
        (
            "option port '443'",
            "option port '70000'",
            "listener 'chat_tls', option port '70000': a port",
        ),
        (
            "service 'web'",
            "service 'wbe'",
            "option service 'wbe': auto or the name of an upstream is allowed",
        ),
        (
            "drain_timeout",
            "drian_timeout",
            "option drian_timeout '3': this option is unknown",
        ),
    ];
    let mut text = DEFAULT.to_owned();
    for (right, wrong, _) in wrong {
        text = text.replacen(right, wrong, 1);
    }
    fs::write(&file, text).unwrap();
    let Output {
        status,
        stdout,
        stderr,
    } = check(&file);
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!((status.code(), stdout.as_slice()), (Some(1), &[][..]));
    assert_eq!(stderr.lines().count(), wrong.len(), "{stderr}");
    for (.., said) in wrong {
        assert!(stderr.contains(said), "{stderr}");
    }

    // Where it is the only thing that is wrong, too.
    fs::write(&file, DEFAULT.replace("drain_timeout", "drian_timeout")).unwrap();
    let Output { status, stderr, .. } = check(&file);
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1));
    assert!(stderr.contains("did you mean 'drain_timeout'?"), "{stderr}");
    fs::remove_dir_all(folder).unwrap();
}

fn check(file: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_waproxy"))
        .arg("check")
        .arg("-c")
        .arg(file)
        .output()
        .unwrap()
}

/// An empty folder of a test.
fn folder(test: &str) -> PathBuf {
    let name = format!("config-{test}-{}", std::process::id());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}
