//! The real HAProxy.

use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::folder::Folder;
use super::process::Process;

pub struct Haproxy {
    _process: Process,
    _folder: Folder,
}

impl Haproxy {
    /// Runs it with these sections, and waits until the port answers.
    pub fn start(sections: &str, port: u16) -> Self {
        Self::start_in(Folder::new(), sections, port)
    }

    /// The same with files, such as certificates, that the sections name.
    pub fn start_in(folder: Folder, sections: &str, port: u16) -> Self {
        let file = folder.write("haproxy.cfg", format!("{BASICS}{sections}"));
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
