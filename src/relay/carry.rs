//! Moves bytes once from one side to the other: through a buffer of the worker, or past it.

use std::task::{Context, Poll};

use super::direction::Fault;
use crate::side::{Pipe, Plain, READ, Side, with_buffer};

/// Bytes of one read below which a direction is taken for messages, which are copied. Bulk is
/// recognised by filling a buffer, and from then on the kernel moves it.
const MESSAGE: usize = 2_048;

/// Reads once, some `most` bytes, and sends what was read: past us where it comes in bulk, sides have it
/// as it is, and there is a pipe; through a buffer otherwise.
pub(super) fn carry(
    source: &mut impl Side,
    sink: &mut impl Side,
    bulk: &mut bool,
    most: usize,
    cx: &mut Context<'_>,
) -> Result<Poll<usize>, Fault> {
    if *bulk
        && let (Some(source), Some(sink)) = (source.as_plain(), sink.as_plain())
        && let Some(pipe) = Pipe::borrow()
    {
        match splice(source, sink, pipe, most, cx)? {
            // An end, or a byte that is marked as urgent, which splice does not pass: reading tells.
            Poll::Ready(0) => {}
            Poll::Ready(bytes) => {
                *bulk = bytes >= MESSAGE;
                return Ok(Poll::Ready(bytes));
            }
            Poll::Pending => return Ok(Poll::Pending),
        }
    }
    let copied = copy(source, sink, most, cx)?;
    if let Poll::Ready(bytes) = copied {
        *bulk = bytes >= READ;
    }
    Ok(copied)
}

fn splice(
    source: &mut Plain,
    sink: &mut Plain,
    mut pipe: Pipe,
    most: usize,
    cx: &mut Context<'_>,
) -> Result<Poll<usize>, Fault> {
    let Poll::Ready(read) = source.poll_splice(cx, &mut pipe, most) else {
        return Ok(Poll::Pending);
    };
    let read = read.map_err(|_| Fault::Source)?;
    sink.send_piped(pipe).map_err(|e| Fault::sink(&e))?;
    Ok(Poll::Ready(read))
}

fn copy(
    source: &mut impl Side,
    sink: &mut impl Side,
    most: usize,
    cx: &mut Context<'_>,
) -> Result<Poll<usize>, Fault> {
    with_buffer(|buffer| {
        let Poll::Ready(read) = source.poll_read(cx, most, buffer) else {
            return Ok(Poll::Pending);
        };
        let read = read.map_err(|_| Fault::Source)?;
        let bytes = buffer.get(..read).ok_or(Fault::Source)?;
        sink.send(bytes).map_err(|e| Fault::sink(&e))?;
        Ok(Poll::Ready(read))
    })
}
