//! The real HAProxy.

use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::folder::Folder;
use super::port;
use super::process::Process;

pub struct Haproxy {
    _process: Process,
    _folder: Folder,
}

impl Haproxy {
    /// Runs it with these sections, and waits until it listens.
    pub fn start(sections: &str) -> Self {
        Self::start_in(Folder::new(), sections)
    }

    /// The same with files, such as certificates, that the sections name.
    pub fn start_in(folder: Folder, sections: &str) -> Self {
        // A port of its own, so that asking whether it listens is no connection to anybody else.
        let port = port::fresh();
        let ready = format!("frontend ready\n    mode http\n    bind 127.0.0.1:{port}\n");
        let file = folder.write("haproxy.cfg", format!("{BASICS}{ready}{sections}"));
        let mut process = Process::start(Command::new("haproxy").arg("-db").arg("-f").arg(file));
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if let Some(status) = process.has_ended() {
                panic!("haproxy ended with {status}; it said:\n{}", process.said());
            }
            assert!(
                Instant::now() < deadline,
                "haproxy does not listen; it said:\n{}",
                process.said()
            );
            thread::sleep(Duration::from_millis(20));
        }
        Self {
            _process: process,
            _folder: folder,
        }
    }
}

const BASICS: &str = "\
global
    maxconn 1000
    nbthread 1
defaults
    timeout connect 5s
    timeout client 30s
    timeout server 30s
";
