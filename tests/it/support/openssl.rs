//! `openssl s_client` as the phone's side of a connection in TLS.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::client::{PATIENCE, SOURCE};
use super::port;
use super::process::Process;

/// Connects from a port of the test's choice at [`SOURCE`].
pub fn s_client(port: u16, source: u16, options: &[&str]) -> Process {
    let mut openssl = Command::new("openssl");
    openssl.args([
        "s_client",
        "-connect",
        &format!("127.0.0.1:{port}"),
        "-bind",
        &format!("{SOURCE}:{source}"),
    ]);
    Process::start(openssl.args(options))
}

/// Says something to an upstream that echoes, waits for the echo and closes; what openssl printed.
pub fn greet(port: u16, options: &[&str]) -> String {
    let mut openssl = s_client(port, port::fresh(), options);
    openssl.tell(b"greetings\n");
    let deadline = Instant::now() + PATIENCE;
    while !openssl.said().contains("greetings") {
        assert!(Instant::now() < deadline, "no echo:\n{}", openssl.said());
        thread::sleep(Duration::from_millis(10));
    }
    openssl.close_stdin();
    openssl.wait(PATIENCE);
    openssl.said()
}
