//! The pair that TLS listeners show: our own, or the operator's.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::support::authority::{ECDSA, Pair, RSA, self_signed, signed_by};
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::openssl::greet;
use crate::support::process::run;
use crate::support::setup::tls_chat;
use crate::support::stand_in::StandIn;

#[test]
fn our_own_pair_is_made_once_and_kept_to_ourselves() {
    let echo = StandIn::echo();
    let mut daemon = Daemon::start(&tls_chat(&echo).main("host", "volunteer.example.org"));
    let first = daemon.connect_tls("chat_in").certificate();
    let fingerprint = daemon.status().0["certificate"]["sha256"].clone();

    let folder = Folder::new();
    let shown = text_of(&folder, &first);
    assert!(shown.contains("prime256v1"), "{shown}");
    assert!(
        !shown.contains("volunteer"),
        "the host is in the certificate:\n{shown}"
    );
    for entry in fs::read_dir(daemon.state_folder()).unwrap() {
        let entry = entry.unwrap();
        let is_secret = fs::read(entry.path())
            .unwrap()
            .windows(11)
            .any(|words| words == b"PRIVATE KEY");
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert!(
            !is_secret || mode == 0o600,
            "{} has mode {mode:o}",
            entry.path().display()
        );
    }

    daemon.terminate();
    assert!(daemon.wait().success());
    daemon.start_again();
    assert_eq!(
        daemon.connect_tls("chat_in").certificate(),
        first,
        "a new pair at the second start"
    );
    assert_eq!(daemon.status().0["certificate"]["sha256"], fingerprint);
}

#[test]
fn our_own_certificate_is_one_by_the_book() {
    let echo = StandIn::echo();
    let daemon = Daemon::start(&tls_chat(&echo));
    let folder = Folder::new();
    let der = daemon.connect_tls("chat_in").certificate();
    let text = text_of(&folder, &der);
    let name = &daemon.status().0["certificate"]["names"][0];
    let name = name.as_str().unwrap();
    for part in [
        "Version: 3 (0x2)",
        "Signature Algorithm: ecdsa-with-SHA256",
        &format!("Issuer: CN = {name}\n"),
        &format!("Subject: CN = {name}\n"),
        &format!("X509v3 Subject Alternative Name: \n                DNS:{name}\n"),
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    let pem = fs::read_dir(daemon.state_folder()).unwrap();
    let pem = pem
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|e| e == "pem"));
    let pem = pem.unwrap().display().to_string();
    for check in [
        &["verify", "-check_ss_sig", "-CAfile", &pem, &pem][..],
        &["pkey", "-check", "-noout", "-in", &pem],
    ] {
        let ended = run(Command::new("openssl").args(check));
        assert!(ended.status.success(), "{ended:?}");
    }
}

#[test]
fn two_installations_have_nothing_in_common() {
    let echo = StandIn::echo();
    let folder = Folder::new();
    let subjects = [0, 1].map(|_| {
        let daemon = Daemon::start(&tls_chat(&echo));
        let text = text_of(&folder, &daemon.connect_tls("chat_in").certificate());
        text.lines()
            .find(|line| line.trim_start().starts_with("Subject:"))
            .unwrap()
            .to_owned()
    });
    assert_ne!(subjects[0], subjects[1]);
}

#[test]
fn the_pair_of_the_operator_is_shown_and_read_again() {
    let echo = StandIn::echo();
    let folder = Folder::new();
    let [ecdsa, rsa] = [("ecdsa.example", ECDSA), ("rsa.example", RSA)]
        .map(|(name, kind)| self_signed(&folder, name, kind));
    let in_use = Pair {
        cert: folder.join("cert.pem"),
        key: folder.join("key.pem"),
    };
    ecdsa.copy_to(&in_use);
    let with_pair = tls_chat(&echo)
        .main("cert", in_use.cert.display())
        .main("key", in_use.key.display());
    let daemon = Daemon::start(&with_pair);
    assert!(shown(&daemon, &folder).contains("CN = ecdsa.example"));

    let mut old = daemon.connect_tls("chat_in");
    rsa.copy_to(&in_use);
    daemon.hang_up();
    daemon.until("the new names show", |status| {
        status.0["certificate"].to_string().contains("rsa.example")
    });
    assert!(shown(&daemon, &folder).contains("CN = rsa.example"));
    old.write_all(b"ping").unwrap();
    old.read_exact(&mut [0; 4]).unwrap();
}

#[test]
fn the_chain_of_the_operator_is_shown_whole() {
    let echo = StandIn::echo();
    let folder = Folder::new();
    let root = self_signed(&folder, "root.example", ECDSA);
    let between = signed_by(&root, &folder, "between.example");
    let leaf = signed_by(&between, &folder, "leaf.example");
    let [leaf_text, between_text] =
        [&leaf, &between].map(|pair| fs::read_to_string(&pair.cert).unwrap());
    let chain = folder.write("chain.pem", leaf_text.clone() + &between_text);
    let with_chain = tls_chat(&echo)
        .main("cert", chain.display())
        .main("key", leaf.key.display());
    let daemon = Daemon::start(&with_chain);

    for version in ["-tls1_2", "-tls1_3"] {
        let said = greet(daemon.port("chat_in"), &[version, "-showcerts"]);
        assert_eq!(said.matches("BEGIN CERTIFICATE").count(), 2, "{said}");
        let place = |text: &str| said.find(text.trim()).expect("the certificate is shown");
        assert!(place(&leaf_text) < place(&between_text), "{said}");
    }
}

#[test]
fn a_bad_pair_is_an_error_and_the_old_one_stays() {
    let echo = StandIn::echo();
    let folder = Folder::new();
    let [good, other] =
        ["good.example", "other.example"].map(|name| self_signed(&folder, name, ECDSA));
    let in_use = Pair {
        cert: folder.join("cert.pem"),
        key: folder.join("key.pem"),
    };
    good.copy_to(&in_use);
    let with_pair = tls_chat(&echo)
        .main("cert", in_use.cert.display())
        .main("key", in_use.key.display());
    let daemon = Daemon::start(&with_pair);

    let mismatch = Pair {
        cert: other.cert.clone(),
        key: good.key.clone(),
    };
    let nonsense = folder.write("nonsense.pem", "this is no certificate\n");
    let nonsense = Pair {
        cert: nonsense.clone(),
        key: nonsense,
    };
    let rare = self_signed(&folder, "rare.example", &["ed25519"]);
    for (bad, why) in [
        (mismatch, "key.pem is not the key of "),
        (nonsense, "cert.pem: no PEM certificate in it"),
        (
            rare,
            "key.pem: not a private key of RSA with 2048 to 4096 bits, nor of ECDSA",
        ),
    ] {
        bad.copy_to(&in_use);
        daemon.hang_up();
        daemon.until("the error shows", |status| {
            let error = &status.0["certificate"]["error"];
            error.as_str().is_some_and(|error| error.contains(why))
        });
        assert!(shown(&daemon, &folder).contains("CN = good.example"));
        good.copy_to(&in_use);
        daemon.hang_up();
        daemon.until("the error is gone", |status| {
            status.0["certificate"]["error"].is_null()
        });
    }
    fs::remove_file(&in_use.key).unwrap();
    daemon.hang_up();
    daemon.until("the error shows", |status| {
        status.0["certificate"]["error"].is_string()
    });
    assert!(shown(&daemon, &folder).contains("CN = good.example"));
}

/// The certificate of a new connection, in openssl's words.
fn shown(daemon: &Daemon, folder: &Folder) -> String {
    text_of(folder, &daemon.connect_tls("chat_in").certificate())
}

fn text_of(folder: &Folder, certificate: &[u8]) -> String {
    let path = folder.write("shown.der", certificate);
    run(Command::new("openssl")
        .args(["x509", "-inform", "der", "-noout", "-text", "-in"])
        .arg(path))
    .success()
}
