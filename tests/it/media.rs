//! Media: the phone's own TLS goes through us untouched, end to end.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::authority::{ECDSA, Pair, self_signed, signed_by};
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::port;
use crate::support::process::{Ended, Process, run};
use crate::support::random::Random;
use crate::support::setup::{Setup, listener, upstream};

const HOST: &str = "mmg.whatsapp.net";

#[test]
fn curl_verifies_the_certificate_of_the_media_server_through_us() {
    let folder = Folder::new();
    let authority = self_signed(&folder, "authority", ECDSA);
    let stranger = self_signed(&folder, "stranger", ECDSA);
    let server = signed_by(&authority, &folder, HOST);
    let photo = Random::new(1).bytes(1_000_000, 1_000_000);
    folder.write("photo.jpg", &photo);
    let (_server, port) = serve(&folder, &server);

    let upstream = upstream("media", format!("127.0.0.1:{port}"), "none");
    let daemon = Daemon::start(
        &Setup::new()
            .with(listener("media_main", "media"))
            .with(listener("all", "auto").option("tls", 1))
            .with(upstream),
    );

    for listener in ["media_main", "all"] {
        let copy = folder.join(listener);
        let good = curl(daemon.port(listener), &authority, &copy);
        assert!(good.status.success(), "{listener}: {good:?}");
        assert!(
            fs::read(&copy).unwrap() == photo,
            "{listener}: the photo is not what was sent"
        );

        // It is the server's certificate that curl looks at, so another authority will not do.
        let bad = curl(daemon.port(listener), &stranger, &copy);
        assert_eq!(bad.status.code(), Some(60), "{listener}: {bad:?}");
    }
}

fn curl(port: u16, authority: &Pair, output: &Path) -> Ended {
    let through_us = format!("{HOST}:443:127.0.0.1:{port}");
    let mut curl = Command::new("curl");
    curl.args([
        "--silent",
        "--show-error",
        "--fail",
        "--noproxy",
        "*",
        "--connect-to",
        &through_us,
    ]);
    curl.arg("--cacert")
        .arg(&authority.cert)
        .arg("--output")
        .arg(output);
    run(curl.arg(format!("https://{HOST}/photo.jpg")))
}

/// A web server for the files of a folder, and its port.
fn serve(folder: &Folder, pair: &Pair) -> (Process, u16) {
    let port = port::fresh();
    let mut openssl = Command::new("openssl");
    openssl.current_dir(folder.path()).args([
        "s_server",
        "-quiet",
        "-WWW",
        "-accept",
        &format!("127.0.0.1:{port}"),
    ]);
    openssl.arg("-cert").arg(&pair.cert);
    openssl.arg("-key").arg(&pair.key);
    (Process::start_listening(&mut openssl, port), port)
}
