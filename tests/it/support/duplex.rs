//! What plain and TLS clients have in common, so that one test can speak both.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};

use super::client;
use super::tls::TlsClient;

pub trait Duplex: Read + Write + Send {
    /// Closes the sending side.
    fn finish(&mut self) -> io::Result<()>;

    /// Ends both sides with a reset.
    fn reset(self: Box<Self>);

    fn socket(&self) -> &TcpStream;
}

impl Duplex for TcpStream {
    fn finish(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn reset(self: Box<Self>) {
        client::reset(*self);
    }

    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Duplex for TlsClient {
    fn finish(&mut self) -> io::Result<()> {
        TlsClient::finish(self)
    }

    fn reset(self: Box<Self>) {
        client::reset(self.into_socket());
    }

    fn socket(&self) -> &TcpStream {
        TlsClient::socket(self)
    }
}
