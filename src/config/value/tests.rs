use super::*;

fn refused<T>(parse: impl Fn(&str) -> Parsed<T>, texts: &[&str]) {
    for text in texts {
        let message = parse(text)
            .err()
            .unwrap_or_else(|| panic!("'{text}' is taken"));
        assert!(message.contains("allowed"), "{message}");
    }
}

#[test]
fn a_flag_is_what_openwrt_takes() {
    for text in ["1", "on", "true", "yes", "enabled"] {
        assert_eq!(flag(text), Ok(true));
    }
    for text in ["0", "off", "false", "no", "disabled"] {
        assert_eq!(flag(text), Ok(false));
    }
    refused(flag, &["2", "On", "TRUE", "y", "disable", " 1", "01"]);
}

#[test]
fn ports() {
    assert_eq!(port("1").map(NonZeroU16::get), Ok(1));
    assert_eq!(port("65535").map(NonZeroU16::get), Ok(65535));
    refused(
        port,
        &[
            "0", "65536", "70000", "+80", "-1", "080", "0x50", "8o", "443 ", "٤٤٣",
        ],
    );
    refused(port, &["18446744073709551617", "4294967739"]);
}

#[test]
fn a_decoy_is_a_file_or_a_web_server_but_never_luci() {
    assert_eq!(decoy("/www/a.html"), Ok(Decoy::Page("/www/a.html".into())));
    for server in ["192.168.1.10:80", "[fd00::1]:8080", "127.0.0.1:8080"] {
        assert_eq!(decoy(server), Ok(Decoy::Server(server.parse().unwrap())));
    }
    for luci in [
        "127.0.0.1:80",
        "127.1.2.3:443",
        "[::1]:80",
        "[::ffff:127.0.0.1]:443",
    ] {
        assert!(decoy(luci).unwrap_err().starts_with("LuCI"), "{luci}");
    }
    refused(
        decoy,
        &[
            "a.html",
            "/etc/shadow",
            "/www/",
            "nas.lan:80",
            "192.168.1.10",
            "192.168.1.10:0",
            "0.0.0.0:80",
            "224.0.0.1:80",
        ],
    );
}

#[test]
fn amounts_have_the_units_of_providers() {
    for (text, bytes) in [
        ("50GB", 50_000_000_000),
        ("1kB", 1_000),
        ("7 mb", 7_000_000),
        ("18446744TB", 18_446_744_000_000_000_000),
    ] {
        let amount = bytes_or_off(text).unwrap().unwrap();
        assert_eq!(amount.0.get(), bytes, "{text}");
    }
    assert_eq!(bytes_or_off("0"), Ok(None));
    let wrong = ["", "50", "GB", "0GB", "050GB", "1.5GB", "50GiB", "-1GB"];
    refused(bytes_or_off, &wrong);
    refused(bytes_or_off, &["18446745TB", "4294967296kB"]);
}

#[test]
fn hours_go_from_one_time_to_another() {
    let parsed = |text| hours(text).map(|Hours { from, minutes }| (from, minutes));
    assert_eq!(parsed("07:00-23:00"), Ok((420, 960)));
    assert_eq!(parsed("22:30-06:00"), Ok((1_350, 450)));
    assert_eq!(parsed("00:00-24:00"), Ok((0, 1_440)));
    assert_eq!(parsed("08:00-08:00"), Ok((480, 1_440)));
    for text in ["07:00-23:00", "22:30-06:00", "12:00-24:00", "12:00-00:00"] {
        let shown = hours(text).unwrap().to_string();
        assert_eq!(hours(&shown), hours(text), "{text}");
    }
    refused(
        hours,
        &[
            "07:00",
            "7:00-8:00",
            "07:60-08:00",
            "24:00-06:00",
            "07:00-24:01",
            "+7:00-08:00",
        ],
    );
}

#[test]
fn times() {
    let parse = seconds(1..=90);
    assert_eq!(parse("1"), Ok(Duration::from_secs(1)));
    assert_eq!(parse("90"), Ok(Duration::from_secs(90)));
    assert_eq!(seconds(0..=9)("0"), Ok(Duration::ZERO));
    refused(parse, &["0", "91", "1.5", "5s", "1e1", ""]);
}

#[test]
fn counts() {
    let n = |n| NonZeroU32::new(n).unwrap();
    assert_eq!(count_or_off(9)("0"), Ok(None));
    assert_eq!(count_or_off(9)("9"), Ok(Some(n(9))));
    refused(count_or_off(9), &["10", "off", "auto", "00"]);
    assert_eq!(count_or_auto(9)("auto"), Ok(Auto::Auto));
    assert_eq!(count_or_auto(9)("9"), Ok(Auto::Fixed(n(9))));
    refused(count_or_auto(9), &["0", "10", "Auto", "-1"]);
}

#[test]
fn words_are_suggested() {
    assert_eq!(log_level("warn"), Ok(LevelFilter::Warn));
    assert_eq!(log_level("off"), Ok(LevelFilter::Off));
    let message = log_level("warning").unwrap_err();
    assert!(message.ends_with("is allowed"), "{message}");
    assert!(
        log_level("dbug")
            .unwrap_err()
            .ends_with("did you mean 'debug'?")
    );
    assert_eq!(proxy_header("none"), Ok(ProxyHeader::None));
    assert_eq!(proxy_header("v2"), Ok(ProxyHeader::V2));
    assert!(
        proxy_header("V1")
            .unwrap_err()
            .ends_with("did you mean 'v1'?")
    );
}

#[test]
fn zones_and_paths() {
    assert_eq!(zone("wan_6.a-b"), Ok("wan_6.a-b".to_owned()));
    refused(zone, &["*", "wan lan", "wan;reboot", "$x", &"w".repeat(33)]);
    assert_eq!(
        path("/etc/ssl/acme/a.pem"),
        Ok(PathBuf::from("/etc/ssl/acme/a.pem"))
    );
    refused(path, &["a.pem", "./a.pem", "~/a.pem", "/etc/"]);
}

#[test]
fn a_public_host_is_a_name_or_an_ipv4_address() {
    let longest = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61));
    for text in [
        "example.net",
        "my-router",
        "xn--bcher-kva.example",
        "192.0.2.1",
        &longest,
    ] {
        assert_eq!(public_host(text), Ok(text.to_owned()));
    }
    refused(
        public_host,
        &[
            "a..b",
            "a.",
            ".a",
            "-a.net",
            "a-.net",
            "a_b.net",
            "bücher.de",
        ],
    );
    refused(
        public_host,
        &["256.1.1.1", "1.2.3", "a b", "a:443", "http://a", "a/b", "*"],
    );
    refused(public_host, &[&format!("{longest}b"), &"a".repeat(64)]);
    for text in ["2001:db8::1", "[2001:db8::1]", "::ffff:192.0.2.1"] {
        assert!(public_host(text).unwrap_err().contains("IPv6"), "{text}");
    }
}

#[test]
fn a_bind_address_is_one_address() {
    assert_eq!(bind_address("192.0.2.1"), Ok("192.0.2.1".parse().unwrap()));
    assert_eq!(
        bind_address("2001:db8::1"),
        Ok("2001:db8::1".parse().unwrap())
    );
    assert_eq!(
        bind_address("::ffff:192.0.2.1"),
        Ok("192.0.2.1".parse().unwrap())
    );
    refused(
        bind_address,
        &[
            "0.0.0.0",
            "::",
            "lan",
            "224.0.0.1",
            "ff02::1",
            "192.0.2.1:80",
        ],
    );
    refused(
        bind_address,
        &["192.0.2.0/24", "255.255.255.255", "[::1]", "fe80::1%br-lan"],
    );
}

#[test]
fn a_network_is_a_range_or_an_address() {
    for (text, expected) in [
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("192.0.2.9/24", "192.0.2.0/24"),
        ("192.0.2.1", "192.0.2.1/32"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("2001:db8::1", "2001:db8::1/128"),
        ("::ffff:192.0.2.1", "192.0.2.1/32"),
    ] {
        assert_eq!(network(text), Ok(expected.parse().unwrap()), "{text}");
    }
    refused(
        network,
        &[
            "192.0.2.0/33",
            "192.0.2/24",
            "example.net",
            "10.0.0.0/255.0.0.0",
            "/8",
        ],
    );
}

#[test]
fn a_host_with_its_port() {
    let address = |text: &str| Host::Address(text.parse().unwrap());
    for (text, host, port) in [
        (
            "g.whatsapp.net:5222",
            Host::Name("g.whatsapp.net".to_owned()),
            5222,
        ),
        ("192.0.2.1:443", address("192.0.2.1"), 443),
        ("[2001:db8::1]:80", address("2001:db8::1"), 80),
    ] {
        let port = NonZeroU16::new(port).unwrap();
        assert_eq!(host_port(text), Ok(HostPort { host, port }), "{text}");
    }
    refused(
        host_port,
        &[
            "g.whatsapp.net",
            "g.whatsapp.net:",
            ":443",
            "a:b:443",
            "[a]:443",
        ],
    );
    refused(
        host_port,
        &[
            "2001:db8::1",
            "[2001:db8::1]",
            "[192.0.2.1]:443",
            "[::1:443",
            "a:0",
        ],
    );
    refused(
        host_port,
        &["http://a:80", "a:70000", "[::1]443", "1.2.3:443"],
    );
}
