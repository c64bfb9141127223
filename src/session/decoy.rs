//! A browser is shown the listener's decoy: a client who asks for HTTP enters, his connection is over
//! after. Never lasts long, and never carries much.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, ready};

use tokio::net::TcpStream;

use super::client::{Client, close};
use super::{Outcome, Settings, seconds};
use crate::allowance::LINE;
use crate::deadline::Deadline;
use crate::decoy::{self, Decoy, Request};
use crate::relay::{Patience, Relay};
use crate::side::{Plain, READ, Side, with_buffer};
use crate::stats::Counters;
use crate::tls::Tls;

/// What a browser's connection may take, in seconds and in bytes both ways.
const MOST_TIME: u32 = 60;
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// How long a browser may think between two requests, in seconds.
const PATIENCE: u16 = 15;

// === impl Settings ===

impl Settings {
    /// Shows `decoy` to a browser.
    pub(super) async fn show(&self, decoy: &Decoy, client: Client) -> Outcome {
        // The configuration has no other.
        if let Client::Tls(client) = client {
            let deadline = Deadline::after(MOST_TIME);
            let counters = Rc::new(Counters::default());
            // However it ends, nobody is carried.
            let _ = match decoy {
                Decoy::Page(page) => {
                    let shown = self.show_page(client, page, &counters);
                    deadline.within(shown).await
                }
                Decoy::Server(server) => {
                    let shown = self.show_server(client, *server, &counters);
                    deadline.within(shown).await
                }
            };
            // The line has carried it, whatever it was.
            self.counters.bytes_up.add(counters.bytes_up.value());
            self.counters.bytes_down.add(counters.bytes_down.value());
        }
        Outcome::Decoy
    }

    /// Answers one request, and no more.
    async fn show_page(
        &self,
        mut client: Box<Tls>,
        page: &[u8],
        counters: &Counters,
    ) -> io::Result<()> {
        let deadline = Deadline::after(seconds(self.config.timeouts.handshake));
        let request = deadline.within(request(&mut client, counters)).await;
        let request = request.ok_or(ErrorKind::TimedOut)??;
        let (head, body) = decoy::answer(request, page);
        let mut ticket = None;
        for mut rest in [head.as_bytes(), body] {
            while !rest.is_empty() {
                poll_fn(|cx| client.poll_drained(cx)).await?;
                let turn = poll_fn(|cx| {
                    let most = ready!(LINE.poll_turn(&mut ticket, cx));
                    let turn = rest.len().min(most).min(READ);
                    LINE.take(turn, &mut ticket, cx);
                    Poll::Ready(turn)
                });
                let (part, after) = rest.split_at(turn.await);
                client.send(part)?;
                counters.bytes_down.add(part.len() as u64);
                rest = after;
            }
        }
        close(&mut client).await;
        Ok(())
    }

    /// Lets him talk with the web server at `address`.
    async fn show_server(
        &self,
        client: Box<Tls>,
        address: SocketAddr,
        counters: &Rc<Counters>,
    ) -> io::Result<()> {
        if is_luci(address) {
            if self.counters.odd.is_due() {
                let label = self.listener.label();
                log::warn!(
                    "{label}, option decoy '{address}': LuCI answers there, for the home alone"
                );
            }
            return Ok(());
        }
        let patience = Patience {
            idle: PATIENCE.into(),
            half_close: PATIENCE,
            drain: PATIENCE,
        };
        let server = TcpStream::connect(address).await?;
        let server = Plain::new(server);
        let mut relay = pin!(Relay::new(client, server, patience, Rc::clone(counters)));
        let carried = || {
            let (up, down) = (&counters.bytes_up, &counters.bytes_down);
            up.value().saturating_add(down.value())
        };
        poll_fn(|cx| match relay.as_mut().poll(cx) {
            Poll::Pending if carried() < MOST_BYTES => Poll::Pending,
            _ => Poll::Ready(()),
        })
        .await;
        Ok(())
    }
}

/// What a browser asks for, once he has said it.
async fn request(client: &mut Box<Tls>, counters: &Counters) -> io::Result<Request> {
    let mut bytes = Vec::new();
    loop {
        if let Some(request) = decoy::request(&bytes) {
            return Ok(request);
        }
        let read = poll_fn(|cx| {
            with_buffer(|buffer| {
                let read = ready!(client.poll_read(cx, READ, buffer))?;
                bytes.extend_from_slice(buffer.get(..read).unwrap_or_default());
                counters.bytes_up.add(read as u64);
                Poll::Ready(io::Result::Ok(read))
            })
        });
        if read.await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Whether `server` is this router, at a port where LuCI answers. To be bound is for a machine's own
/// addresses alone, whichever of them it would call from.
fn is_luci(server: SocketAddr) -> bool {
    let is_own = UdpSocket::bind((server.ip(), 0)).is_ok();
    is_own && matches!(server.port(), 80 | 443)
}
