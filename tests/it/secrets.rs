//! Private keys: in nothing that the daemon says, and readable to nobody else.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::support::authority::{ECDSA, RSA, self_signed};
use crate::support::client::talk;
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::openssl::greet;
use crate::support::process::tool;
use crate::support::setup::{Setup, listener, upstream};
use crate::support::stand_in::StandIn;

#[test]
fn no_key_is_in_anything_that_the_daemon_says() {
    let echo = StandIn::echo();
    let folder = Folder::new();
    let own = Setup::new()
        .main("log_level", "trace")
        .with(listener("plain", "chat"))
        .with(listener("tls", "chat").option("tls", 1))
        .with(upstream("chat", echo.address(), "none"));
    let mut daemon = Daemon::start(&own);
    let file = daemon.state_folder().join("self-signed.pem");
    let mut secrets = secrets_of(&folder, &file);
    let mut said = everything_asked(&daemon);
    daemon.ask("certificate", &["--new"]).success();
    secrets.extend(secrets_of(&folder, &file));
    said += &everything_asked(&daemon);
    let metadata = fs::metadata(&file).unwrap();
    assert_eq!(metadata.mode() & 0o7777, 0o600);
    assert_eq!(
        fs::metadata(daemon.state_folder()).unwrap().mode() & 0o7777,
        0o700
    );

    let pairs =
        [ECDSA, RSA].map(|kind| self_signed(&folder, kind[0].split(':').next().unwrap(), kind));
    for pair in &pairs {
        secrets.extend(secrets_of(&folder, &pair.key));
        daemon.reload(
            &own.clone()
                .main("cert", pair.cert.display())
                .main("key", pair.key.display()),
        );
        daemon.until("it is shown", |status| {
            status.0["certificate"]["whose"] == "operator"
        });
        said += &everything_asked(&daemon);
    }
    // What is wrong with a key is told too.
    let wrong = [
        (&pairs[0].cert, &pairs[1].key),
        (&pairs[1].key, &pairs[1].key),
        (
            &pairs[0].cert,
            &folder.write("half.key", half_of(&pairs[0].key)),
        ),
    ];
    for (cert, key) in wrong {
        daemon.reload(
            &own.clone()
                .main("cert", cert.display())
                .main("key", key.display()),
        );
        daemon.until("it is told", |status| {
            status.0["certificate"]["error"].is_string()
        });
        said += &everything_asked(&daemon);
        daemon.reload(&own);
        daemon.until("it is mended", |status| {
            status.0["certificate"]["error"].is_null()
        });
    }
    said += &daemon.log();

    assert!(said.len() > 10_000, "it said little: {said}");
    for secret in secrets {
        assert!(!said.contains(&secret), "it said {secret}");
    }
}

/// What the daemon answers to all that it can be asked, while it has been used.
fn everything_asked(daemon: &Daemon) -> String {
    talk(daemon.connect("plain"), b"bytes");
    greet(daemon.port("tls"), &["-tls1_2"]);
    greet(daemon.port("tls"), &["-tls1_3"]);
    let mut said = String::new();
    for (command, options) in [
        ("status", &[][..]),
        ("status", &["--json"]),
        ("metrics", &[]),
        ("certificate", &[]),
        ("share", &[]),
    ] {
        let ended = daemon.ask(command, options);
        said += &ended.stdout;
        said += &ended.stderr;
    }
    for request in ["history", "status", "certificate", "nonsense"] {
        let mut socket = UnixStream::connect(daemon.control()).unwrap();
        writeln!(socket, "{{\"request\":\"{request}\"}}").unwrap();
        BufReader::new(socket).read_line(&mut said).unwrap();
    }
    said
}

/// A key file's secrets, in every form in which a program might print them: the lines of its PEM, and
/// all that it is made of as numbers, in digits of ten and of sixteen.
fn secrets_of(folder: &Folder, key: &Path) -> Vec<String> {
    let pem = folder.join("secret.pem");
    let der = folder.join("secret.der");
    let [key, pem, der] = [key, &pem, &der].map(|path| path.to_str().unwrap());
    tool(&["openssl", "pkey", "-in", key, "-out", pem]);
    tool(&[
        "openssl", "pkey", "-in", key, "-outform", "der", "-out", der,
    ]);
    let text = fs::read_to_string(pem).unwrap();
    // Not the last, which may be short.
    let lines = text
        .lines()
        .filter(|line| line.len() == 64)
        .map(str::to_owned);
    let mut secrets: Vec<_> = lines.collect();
    let bytes = fs::read(der).unwrap();
    // The secret number: of elliptic curves (RFC 5915), or within the exponent of RSA (RFC 8017).
    let secret = if bytes.len() < 256 { 36..68 } else { 320..352 };
    for bytes in bytes[secret].chunks(16) {
        let lower = bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        });
        let pairs: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        secrets.extend([
            lower.to_uppercase(),
            lower,
            pairs.join(":"),
            pairs.join(" "),
            format!("{bytes:?}").trim_matches(['[', ']']).to_owned(),
            format!("{bytes:x?}").trim_matches(['[', ']']).to_owned(),
        ]);
    }
    secrets
}

fn half_of(key: &Path) -> String {
    let text = fs::read_to_string(key).unwrap();
    text[..text.len() / 2].to_owned()
}
