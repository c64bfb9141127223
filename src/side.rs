//! One side of a connection: a TCP stream, plain or with TLS on top (`tls.rs`). Bytes go in and out
//! through buffers of the worker; a side owns memory only for what its peer would not take yet.

mod kept;
mod pipe;
mod plain;
mod stream;

use std::cell::RefCell;
use std::io;
use std::task::{Context, Poll};

pub use self::pipe::{MOST as MOST_PIPES, Pipe};
pub use self::plain::Plain;

/// How much of a stream is read at once, in bytes: two full records for a side with TLS
/// (RFC 8446, 5.1).
pub const READ: usize = 2 * 16_384;

/// How much is read at once in a handshake and for a first look, and while the thread keeps much for
/// peers that take nothing: so much more may each of them make it keep.
pub const READ_LITTLE: usize = 2_048;

/// Size of a worker's buffers in bytes: what was read, and what encryption adds to it. The largest
/// TLS record there is, one of TLS 1.2 (RFC 5246, 6.2.3), fits in as well.
pub const BUFFER: usize = READ + 2 * (5 + 256);

/// What the relay needs of a side of a connection.
pub trait Side {
    /// Reads some `most` bytes into `buffer`, which holds [`BUFFER`]. Zero is the end of the stream;
    /// [`READ`] or more is bulk.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>>;

    /// Ready when the peer has reset the connection; for a side from which nothing is read just
    /// now. What arrived before the reset can still be read.
    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Bytes that were sent and that the peer would not take yet.
    fn waiting(&self) -> usize;

    /// Ready when the peer has taken all that was sent.
    fn poll_drained(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Sends `bytes` at once and keeps what the peer would not take. Call it on a drained side,
    /// or memory is not bounded.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Ends this direction after all that was sent; the peer may go on sending. Where he has ended
    /// too, so that the side will be `dropped` at once, that is what ends it.
    fn poll_finish(&mut self, dropped: bool, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Makes the close, which follows when the side is dropped, a reset.
    fn reset(&self);

    /// The stream itself, where bytes pass as they are and the kernel can move them.
    fn as_plain(&mut self) -> Option<&mut Plain>;
}

thread_local! {
    static BUFFERS: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// Lends one of the thread's buffers, of [`BUFFER`] bytes, to `work`.
pub fn with_buffer<T>(work: impl FnOnce(&mut [u8]) -> T) -> T {
    let mut buffer = BUFFERS
        .with_borrow_mut(Vec::pop)
        .unwrap_or_else(|| vec![0; BUFFER].into_boxed_slice());
    let result = work(&mut buffer);
    BUFFERS.with_borrow_mut(|buffers| buffers.push(buffer));
    result
}
