//! What tokio takes: a task a connection that reads and writes, and nothing else. No limits, no
//! timeouts, no accounting, no options of sockets. Where a new connection through it costs more than
//! through the bare loop, that is the price of the runtime.

use std::io;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::net::{Shutdown, shutdown};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::{Builder, LocalOptions};

/// Serves for ever.
pub fn run(port: u16, upstream: u16) -> io::Result<()> {
    let runtime = Builder::new_current_thread()
        .enable_io()
        .build_local(LocalOptions::default())?;
    runtime.block_on(async {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
        let listener = socket.listen(BACKLOG)?;
        let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, upstream));
        loop {
            let (client, _) = listener.accept().await?;
            tokio::task::spawn_local(serve(client, upstream));
        }
    })
}

const BACKLOG: u32 = 4096;

async fn serve(client: TcpStream, upstream: SocketAddr) -> io::Result<()> {
    let upstream = TcpStream::connect(upstream).await?;
    let mut sockets = [client, upstream];
    let mut ways = [Way::default(), Way::default()];
    std::future::poll_fn(|cx| {
        for from in 0..2 {
            let last = ways[1 - from].ended;
            let [client, upstream] = &mut sockets;
            let (source, sink) = match from {
                0 => (client, upstream),
                _ => (upstream, client),
            };
            if let Poll::Ready(Err(error)) = ways[from].poll_pump(cx, source, sink, last) {
                return Poll::Ready(Err(error));
            }
        }
        if ways.iter().all(|way| way.ended) {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    })
    .await
}

/// One direction.
#[derive(Default)]
struct Way {
    ended: bool,
    /// What the sink would not take.
    rest: Vec<u8>,
}

impl Way {
    /// `last` says that the other way has ended, so that a close ends this one.
    fn poll_pump(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut TcpStream,
        sink: &mut TcpStream,
        last: bool,
    ) -> Poll<io::Result<()>> {
        while !self.ended {
            if !self.rest.is_empty() {
                let sent = ready!(Pin::new(&mut *sink).poll_write(cx, &self.rest))?;
                self.rest.drain(..sent);
                continue;
            }
            let mut space = [const { MaybeUninit::uninit() }; SPACE];
            let mut buffer = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut *source).poll_read(cx, &mut buffer))?;
            let read = buffer.filled();
            if read.is_empty() {
                self.ended = true;
                if !last {
                    shutdown(&*sink, Shutdown::Write)?;
                }
                continue;
            }
            let sent = match Pin::new(&mut *sink).poll_write(cx, read) {
                Poll::Ready(sent) => sent?,
                Poll::Pending => 0,
            };
            self.rest.extend_from_slice(&read[sent..]);
        }
        Poll::Ready(Ok(()))
    }
}

/// As much as may well be on the stack.
const SPACE: usize = 16 * 1024;
