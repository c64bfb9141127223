use std::num::NonZeroU32;
use std::time::Duration;

use super::*;
use crate::config::{Auto, DEFAULT, Decoy, Loaded, Problems, parse};

const LISTENER: &str = "\nconfig listener 'l'\noption port '443'\noption service 'chat'\n";

fn loaded(text: &str) -> Loaded {
    parse("f", text).unwrap_or_else(|problems| panic!("{problems}"))
}

fn config(text: &str) -> Config {
    loaded(text).config
}

/// Every problem but for the file's name.
fn problems(text: &str) -> Vec<String> {
    let problems = parse("f", text).err();
    let problems = problems.iter().flat_map(Problems::iter);
    problems
        .map(|problem| problem.to_string().replacen("f: ", "", 1))
        .collect()
}

/// The only problem of `main` with an option that reads so.
fn problem_of_main(option: &str) -> String {
    let problems = problems(&format!("config waproxy 'main'\n{option}{LISTENER}"));
    assert_eq!(problems.len(), 1, "{option}: {problems:?}");
    problems[0].clone()
}

/// The same of a listener.
fn problem_of_listener(options: &str) -> String {
    let problems = problems(&format!("{LISTENER}{options}"));
    assert_eq!(problems.len(), 1, "{options}: {problems:?}");
    problems[0].clone()
}

fn port(port: u16) -> NonZeroU16 {
    NonZeroU16::new(port).unwrap()
}

#[test]
fn the_shipped_file_says_what_the_design_says() {
    let Loaded { config, warnings } = loaded(DEFAULT);
    assert_eq!(warnings, []);
    assert!(!config.enabled);
    assert_eq!(config.workers, Auto::Auto);
    assert_eq!(config.limits.max_connections, Auto::Auto);
    assert_eq!(config.timeouts.idle, Duration::from_secs(200));
    assert_eq!(config.certificate, Certificate::Own);
    let listeners = config.listeners.iter();
    let listeners: Vec<_> = listeners
        .map(|l| (l.name.as_str(), l.port, l.bind_port, l.tls))
        .collect();
    assert_eq!(
        listeners,
        [
            ("chat_tls", port(443), port(10443), true),
            ("media_main", port(587), port(10587), false),
        ]
    );
    let [chat, media] = &config.upstreams[..] else {
        panic!("{:?}", config.upstreams)
    };
    assert_eq!(chat.addresses.len(), 2);
    assert_eq!(
        (chat.proxy_header, media.proxy_header),
        (ProxyHeader::V1, ProxyHeader::None)
    );
}

#[test]
fn every_listener_of_the_shipped_file_can_be_switched_on() {
    let text = DEFAULT.replace("enabled '0'", "enabled '1'");
    let text = text.replacen("workers 'auto'", "trusted_proxy '192.0.2.1'", 1);
    let config = config(&text);
    assert_eq!(config.listeners.len(), 8);
    assert_eq!(
        config.listeners.iter().filter(|l| l.accept_proxy).count(),
        3
    );
    assert_eq!(config.upstreams.len(), 3);
}

#[test]
fn a_listener_is_enough_and_the_rest_is_as_shipped() {
    let config = config(LISTENER);
    let shipped = self::config(DEFAULT);
    assert_eq!(config.listeners.len(), 1);
    assert_eq!(config.upstreams, shipped.upstreams[..1]);
    let rest = Config {
        listeners: Vec::new(),
        upstreams: Vec::new(),
        ..config
    };
    assert_eq!(
        rest,
        Config {
            listeners: Vec::new(),
            upstreams: Vec::new(),
            ..shipped
        }
    );
}

#[test]
fn an_upstream_keeps_what_its_section_does_not_say() {
    let text = "config upstream 'media'\nlist address 'localhost:1'\n\
                config listener\noption port 1\noption service media\n";
    let media = &config(text).upstreams[0];
    assert_eq!(media.addresses[0].to_string(), "localhost:1");
    assert_eq!(
        (media.addresses.len(), media.proxy_header),
        (1, ProxyHeader::None)
    );
}

#[test]
fn absent_and_empty_mean_the_same() {
    let empty = "config waproxy 'main'\noption workers ''\noption host ''\nlist trusted_proxy ''\n\
                 config upstream 'chat'\nlist address ''\noption allow_private";
    assert_eq!(
        loaded(&format!("{empty}{LISTENER}option bind_port ''\n")),
        loaded(LISTENER)
    );
}

#[test]
fn lists_and_options_stand_in_for_each_other() {
    let list = "config waproxy main\nlist trusted_proxy 10.0.0.0/8\nlist trusted_proxy ::1\n";
    let option = "config waproxy main\noption trusted_proxy '10.0.0.0/8  ::1'\n";
    let blanks = "config waproxy main\nlist trusted_proxy '10.0.0.0/8 ::1'\nlist workers auto\n";
    let trusted = |text| config(&format!("{text}{LISTENER}")).trusted_proxies;
    assert_eq!(trusted(list).len(), 2);
    assert_eq!(trusted(list), trusted(option));
    assert_eq!(trusted(list), trusted(blanks));
    assert_eq!(
        problem_of_main("list workers '1'\nlist workers '2'"),
        "waproxy 'main', option workers '1 2': one value is allowed, not a list"
    );
}

#[test]
fn a_low_port_is_bound_ten_thousand_above() {
    for (text, bound) in [
        ("1023", 11023),
        ("1024", 1024),
        ("80", 10080),
        ("65535", 65535),
    ] {
        let text = format!("config listener\noption service chat\noption port {text}\n");
        assert_eq!(config(&text).listeners[0].bind_port, port(bound));
        let text = format!("{text}option bind_port 7\n");
        assert_eq!(config(&text).listeners[0].bind_port, port(7));
    }
}

#[test]
fn every_wrong_value_is_reported_with_its_place() {
    let text = "
        config waproxy 'main'
            option enabled 'maybe'
            option workers '0'
            option max_connections '27501'
            option max_connections_per_client '27501'
            option connect_timeout '0'
            option handshake_timeout '121'
            option idle_timeout '1h'
            option half_close_timeout '3601'
            option drain_timeout '301'
            option max_rate_per_client '-1'
            option max_handshakes 'none'
            option firewall '2'
            option src_zone 'wan lan'
            option log_level 'warned'
            option host '2001:db8::1'
            option cert 'cert.pem'
            option key '~/key.pem'
            list trusted_proxy '10.0.0.0/8'
            list trusted_proxy '10.0.0.0/33'
            list trusted_proxy 'lan'
        config listener
            option enabled 'x'
            option port '0'
            option service 'chatt'
            option tls 'x'
            option accept_proxy 'x'
            option bind_port '65536'
            option bind_address '::'
        config upstream 'chat'
            list address 'g.whatsapp.net'
            option proxy_header 'v3'
            option allow_private 'x'";
    let problems = problems(text);
    let places: Vec<_> = problems
        .iter()
        .map(|problem| {
            problem
                .split_once(": ")
                .unwrap()
                .0
                .split_once(", option ")
                .unwrap()
        })
        .collect();
    let main = [
        "enabled 'maybe'",
        "workers '0'",
        "max_connections '27501'",
        "max_connections_per_client '27501'",
        "max_rate_per_client '-1'",
        "max_handshakes 'none'",
        "connect_timeout '0'",
        "handshake_timeout '121'",
        "idle_timeout '1h'",
        "half_close_timeout '3601'",
        "drain_timeout '301'",
        "firewall '2'",
        "src_zone 'wan lan'",
        "log_level 'warned'",
        "host '2001:db8::1'",
        "cert 'cert.pem'",
        "key '~/key.pem'",
        "trusted_proxy '10.0.0.0/33'",
        "trusted_proxy 'lan'",
    ];
    let upstream = [
        "address 'g.whatsapp.net'",
        "proxy_header 'v3'",
        "allow_private 'x'",
    ];
    let listener = [
        "enabled 'x'",
        "port '0'",
        "service 'chatt'",
        "tls 'x'",
        "accept_proxy 'x'",
        "bind_port '65536'",
        "bind_address '::'",
    ];
    let expected = main
        .map(|option| ("waproxy 'main'", option))
        .into_iter()
        .chain(upstream.map(|option| ("upstream 'chat'", option)))
        .chain(listener.map(|option| ("@listener[0]", option)));
    assert_eq!(places, expected.collect::<Vec<_>>());
}

#[test]
fn what_is_missing_is_named() {
    assert_eq!(
        problems("config listener 'l'\nconfig upstream 'mine'\n"),
        [
            "upstream 'mine', option address: at least one address is needed",
            "listener 'l', option port: this option is missing",
            "listener 'l', option service: this option is missing",
        ]
    );
    assert_eq!(
        problems(""),
        ["no listener is enabled, and at least one is needed"]
    );
    let off = LISTENER.replace("'l'\n", "'l'\noption enabled off\n");
    assert_eq!(problems(&off), problems(""));
}

#[test]
fn a_certificate_needs_its_key_and_a_key_its_certificate() {
    assert_eq!(
        problem_of_main("option cert '/a.pem'"),
        "waproxy 'main', option key: this option is missing, cert needs it"
    );
    assert_eq!(
        problem_of_main("option key '/a.pem'"),
        "waproxy 'main', option cert: this option is missing, key needs it"
    );
    let pair = "config waproxy main\noption cert /a.pem\noption key /b.pem";
    let certificate = config(&format!("{pair}{LISTENER}")).certificate;
    let (cert, key) = ("/a.pem".into(), "/b.pem".into());
    assert_eq!(certificate, Certificate::Operator { cert, key });
}

#[test]
fn a_header_is_accepted_only_where_somebody_is_trusted() {
    assert_eq!(
        problem_of_listener("option accept_proxy '1'"),
        "listener 'l', option accept_proxy '1': \
         waproxy 'main' needs a list trusted_proxy of those who may send a header"
    );
    let trusting = "config waproxy main\nlist trusted_proxy 192.0.2.1\n";
    let config = config(&format!("{trusting}{LISTENER}option accept_proxy '1'"));
    assert!(config.listeners[0].accept_proxy);
}

#[test]
fn a_service_is_the_name_of_an_upstream() {
    let listener = |service| format!("config listener\noption port 1\noption service {service}\n");
    assert_eq!(
        problems(&(listener("wab") + "config upstream mine\nlist address a:1\n")),
        ["@listener[0], option service 'wab': \
             auto or the name of an upstream is allowed: mine, chat, web, media; did you mean 'web'?"]
    );
    assert_eq!(
        problems(&(listener("chat") + "config upstream auto\nlist address a:1\n")),
        ["upstream 'auto': this name is a service's own, no upstream may have it"]
    );
    assert_eq!(
        problems(&(listener("chat") + "config upstream\nlist address a:1\n")),
        ["@upstream[0]: an upstream needs a name, by which listeners find it"]
    );
    let config = config(&(listener("mine") + "config upstream mine\nlist address a:1\n"));
    assert_eq!(config.upstreams[0].name, "mine");
    assert_eq!(config.upstreams[0].proxy_header, ProxyHeader::V1);
}

#[test]
fn service_auto_leads_to_chat_and_media_and_needs_tls() {
    let listener = "config listener\noption port 1\noption service auto\n";
    assert_eq!(
        problems(listener),
        ["@listener[0], option service 'auto': this service needs option tls '1'"]
    );
    let config = config(&format!("{listener}option tls 1\n"));
    let [listener] = &config.listeners[..] else {
        panic!("{:?}", config.listeners)
    };
    let media = listener.media.as_ref().map(|media| media.name.as_str());
    assert_eq!(
        (listener.upstream.name.as_str(), media),
        ("chat", Some("media"))
    );
    assert_eq!(listener.service(), "auto");
    let upstreams: Vec<_> = config
        .upstreams
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(upstreams, ["chat", "media"]);
    assert_eq!(
        config.media_names,
        [".whatsapp.net", ".whatsapp.com", ".fbcdn.net"]
    );
}

#[test]
fn a_budget_is_none_unless_the_file_has_one() {
    assert_eq!(config(LISTENER).budget, Budget::default());
    let text = format!("{LISTENER}config budget budget\noption rate 20\nlist weekday sun\n");
    let budget = config(&text).budget;
    assert_eq!(budget.rate, NonZeroU32::new(20));
    assert_eq!(budget.weekdays.names().collect::<Vec<_>>(), ["sun"]);
}

#[test]
fn there_is_one_budget_and_the_family_comes_first_within_its_rate() {
    assert_eq!(
        problems(&format!("{LISTENER}config budget other\n")),
        ["budget 'other': the one section of this type is called 'budget'"]
    );
    assert_eq!(
        problems(&format!(
            "{LISTENER}config budget budget\noption family_first 1\n"
        )),
        [
            "budget 'budget', option family_first '1': this option needs a rate, which then gives way"
        ]
    );
}

#[test]
fn only_chat_over_tls_has_a_decoy() {
    let listener = |service, tls| {
        format!(
            "config listener\noption port 1\noption service {service}\noption tls {tls}\n\
             option decoy '/www/page.html'\n"
        )
    };
    for service in ["chat", "auto"] {
        let decoy = &config(&listener(service, 1)).listeners[0].decoy;
        assert_eq!(*decoy, Some(Decoy::Page("/www/page.html".into())));
    }
    for (service, tls) in [("chat", 0), ("media", 1)] {
        assert_eq!(
            problems(&listener(service, tls)),
            [
                "@listener[0], option decoy '/www/page.html': only chat and auto over TLS have a decoy"
            ]
        );
    }
}

#[test]
fn a_decoy_is_at_home() {
    let listener = |decoy| {
        format!(
            "config listener\noption port 1\noption service chat\noption tls 1\noption decoy '{decoy}'\n"
        )
    };
    for server in ["192.168.1.10:80", "[fd00::7]:443", "127.0.0.1:8080"] {
        let expected = Decoy::Server(server.parse().unwrap());
        assert_eq!(config(&listener(server)).listeners[0].decoy, Some(expected));
    }
    for server in [
        "8.8.8.8:80",
        "169.254.169.254:80",
        "[2a00::7]:80",
        "[64:ff9b::c0a8:10a]:80",
        "0.0.0.0:80",
        "www.example.org:80",
    ] {
        let problems = problems(&listener(server));
        assert!(problems[0].contains("a web server at home"), "{problems:?}");
    }
}

#[test]
fn only_what_begins_in_a_known_way_has_a_gate() {
    let listener = |service| {
        format!("config listener\noption port 1\noption service {service}\noption gate enforce\n")
    };
    for service in ["chat", "media", "auto\noption tls 1"] {
        assert_eq!(config(&listener(service)).listeners[0].gate, Gate::Enforce);
    }
    assert_eq!(
        problems(&listener("web")),
        ["@listener[0], option gate 'enforce': only chat, media and auto have a gate"]
    );
}

#[test]
fn two_listeners_never_want_the_same_port() {
    let second = |options: &str| format!("config listener 'm'\noption service 'chat'\n{options}");
    assert_eq!(
        problem_of_listener(&second("option port 443\noption bind_port 444\n")),
        "listener 'm', option port '443': listener 'l' has this public port already"
    );
    assert_eq!(
        problem_of_listener(&second("option port 10443\n")),
        "listener 'm', option bind_port '10443': listener 'l' listens on this port already"
    );
    let one = second("option port 444\noption bind_port 10443\noption bind_address 192.0.2.1\n");
    assert!(problem_of_listener(&one).contains("listener 'l' listens on this port already"));
    for fine in [
        format!("option bind_address 192.0.2.2\n{one}"),
        second("option port 443\noption enabled 0\n"),
        second("option port 10443\noption bind_port 20443\n"),
    ] {
        assert_eq!(problems(&format!("{LISTENER}{fine}")), [""; 0], "{fine}");
    }
}

#[test]
fn a_listener_that_is_off_is_checked_all_the_same() {
    let text = format!("{LISTENER}config listener\noption enabled 0\noption port x\n");
    assert_eq!(
        problems(&text),
        [
            "@listener[1], option port 'x': a port from 1 to 65535 is allowed",
            "@listener[1], option service: this option is missing",
        ]
    );
}

#[test]
fn the_section_of_the_daemon_is_called_main() {
    assert_eq!(
        problems(&format!(
            "config waproxy 'other'\nconfig waproxy\nconfig waproxy main{LISTENER}"
        )),
        [
            "waproxy 'other': the one section of this type is called 'main'",
            "@waproxy[1]: the one section of this type is called 'main'",
        ]
    );
}

#[test]
fn unknown_names_are_warnings_until_something_is_wrong() {
    let odd = format!("{LISTENER}option prot '444'\nconfig lisener 'x'\noption a b\n");
    let expected = [
        "listener 'l', option prot '444': this option is unknown; did you mean 'port'?",
        "lisener 'x': this type of section is unknown; did you mean 'listener'?",
    ];
    let warnings: Vec<_> = loaded(&odd)
        .warnings
        .iter()
        .map(|w| w.to_string()[3..].to_owned())
        .collect();
    assert_eq!(warnings, expected);
    let problems = problems(&odd.replace("option port '443'\n", ""));
    assert_eq!(
        problems[0],
        "listener 'l', option port: this option is missing"
    );
    assert_eq!(problems[1..], expected);
}

#[test]
fn beside_a_broken_line_only_what_is_there_is_judged() {
    assert_eq!(
        problems("config listener 'l'\noption port '443\noption service 'chat'\noption tls 'x'"),
        [
            "f:2: the quote ' must be closed on its line; a value over several lines is not taken",
            "listener 'l', option tls 'x': \
             1 (on, true, yes, enabled) or 0 (off, false, no, disabled) is allowed",
        ]
    );
}
