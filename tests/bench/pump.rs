//! The physical limit: two threads a connection, each of which moves the bytes of one direction
//! through a pipe with `splice` and does nothing else. No limits, no timeouts, no accounting.

use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

/// Serves for ever.
pub fn run(port: u16, upstream: u16) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    loop {
        let (client, _) = listener.accept()?;
        let upstream = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream))?;
        client.set_nodelay(true)?;
        upstream.set_nodelay(true)?;
        let (client, upstream) = (Arc::new(client), Arc::new(upstream));
        for (source, sink) in [(client.clone(), upstream.clone()), (upstream, client)] {
            thread::spawn(move || {
                // An error is an end too.
                let _ = direction(&source, &sink);
                sink.shutdown(Shutdown::Write)
            });
        }
    }
}

fn direction(source: &TcpStream, sink: &TcpStream) -> io::Result<()> {
    let (out, into) = pipe_with(PipeFlags::CLOEXEC)?;
    fcntl_setpipe_size(&into, PIPE)?;
    loop {
        let mut rest = splice(source, None, &into, None, PIPE, SpliceFlags::MOVE)?;
        if rest == 0 {
            return Ok(());
        }
        while rest > 0 {
            rest -= splice(&out, None, sink, None, rest, SpliceFlags::MOVE)?;
        }
    }
}

/// As large as users may have it; less made it slower, and `SPLICE_F_MORE` holds back the last bytes.
const PIPE: usize = 1024 * 1024;
