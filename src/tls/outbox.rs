//! What a TLS connection is about to send: records enter, packets leave.

use std::io;

use crate::side::{Plain, Side};

/// When to send.
#[derive(Clone, Copy)]
pub(super) enum Haste {
    Now,
    /// With what comes next: the peer does not wait for it.
    WithNext,
}

/// Gathers records, so that a flight of them is sent with one call.
pub(super) struct Outbox<'a> {
    socket: &'a mut Plain,
    buffer: &'a mut [u8],
    filled: usize,
}

// === impl Outbox ===

impl<'a> Outbox<'a> {
    pub(super) fn new(socket: &'a mut Plain, buffer: &'a mut [u8]) -> Self {
        Self {
            socket,
            buffer,
            filled: 0,
        }
    }

    /// Adds what `encode` writes, which is at most `size` bytes, after making room if need be.
    pub(super) fn fill<E: std::error::Error + Send + Sync + 'static>(
        &mut self,
        size: usize,
        encode: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> io::Result<()> {
        if self.buffer.len().saturating_sub(self.filled) < size {
            self.send(Haste::WithNext)?;
        }
        let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
        let encoded = encode(room).map_err(io::Error::other)?;
        self.filled = self.filled.saturating_add(encoded);
        Ok(())
    }

    pub(super) fn send(&mut self, haste: Haste) -> io::Result<()> {
        let filled = std::mem::take(&mut self.filled);
        let records = self.buffer.get(..filled).unwrap_or_default();
        match haste {
            Haste::Now => self.socket.send(records),
            Haste::WithNext => self.socket.send_lazily(records),
        }
    }
}
