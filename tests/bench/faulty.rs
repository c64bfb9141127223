//! Relays that do what none may, so that the proof can be proven: it must refuse each of them.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

/// What is wrong with one.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Fault {
    /// Ends both directions when the first one ends.
    Cuts,
    /// Takes whatever comes, whether or not the other side reads.
    Hoards,
    /// Leaves out one byte of many.
    Loses,
}

impl Fault {
    pub const ALL: [Self; 3] = [Self::Cuts, Self::Hoards, Self::Loses];
}

/// Serves for ever.
pub fn run(port: u16, upstream: u16, fault: Fault) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    loop {
        let (client, _) = listener.accept()?;
        let upstream = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream))?;
        let back = (upstream.try_clone()?, client.try_clone()?);
        for (source, sink) in [(client, upstream), back] {
            thread::spawn(move || match fault {
                Fault::Hoards => hoard(source, sink),
                _ => copy(source, sink, fault),
            });
        }
    }
}

fn copy(mut source: TcpStream, mut sink: TcpStream, fault: Fault) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    let mut copied = 0;
    loop {
        let length = source.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        let mut bytes = &buffer[..length];
        let lost = (copied..copied + length).contains(&LOST);
        copied += length;
        if lost && fault == Fault::Loses {
            bytes = &bytes[1..];
        }
        sink.write_all(bytes)?;
    }
    sink.shutdown(Shutdown::Write)?;
    if fault == Fault::Cuts {
        source.shutdown(Shutdown::Both)?;
    }
    Ok(())
}

fn hoard(mut source: TcpStream, mut sink: TcpStream) -> io::Result<()> {
    let (put, take) = mpsc::channel::<Vec<u8>>();
    thread::spawn(move || {
        for bytes in take {
            sink.write_all(&bytes)?;
        }
        sink.shutdown(Shutdown::Write)
    });
    let mut buffer = vec![0; 64 * 1024];
    while let length @ 1.. = source.read(&mut buffer)? {
        if put.send(buffer[..length].to_vec()).is_err() {
            break;
        }
    }
    Ok(())
}

const LOST: usize = 100_000;
