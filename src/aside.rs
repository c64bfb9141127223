//! Work that blocks in, its result out: it is done on a thread of its own. tokio would lend one, and
//! panic where the system has none to give.

use std::io;
use std::thread;

use tokio::sync::oneshot;

/// Bytes of stack: what the C library's resolver needs, several times over.
const STACK: usize = 256 * 1024;

/// What `work` gives. Whoever waits no longer leaves the thread to end by itself.
pub(crate) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (result, done) = oneshot::channel();
    thread::Builder::new()
        .stack_size(STACK)
        .spawn(move || {
            // Nobody may want it any more.
            let _ = result.send(work());
        })
        .map_err(|error| io::Error::other(format!("no thread to be had: {error}")))?;
    done.await.map_err(io::Error::other)
}
