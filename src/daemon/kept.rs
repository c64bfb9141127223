//! An upstream of the configuration in, the same with the task that keeps it fresh out. Ends the task
//! when it is dropped.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::config;
use crate::upstream::Upstream;

/// An upstream with the task that keeps it fresh.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) upstream: Arc<Upstream>,
    task: JoinHandle<()>,
}

// === impl Kept ===

impl Kept {
    /// Keeps `upstream` fresh from now on. Wants a `LocalRuntime` around it.
    pub(super) fn start(upstream: Arc<Upstream>, connect_timeout: Duration) -> Self {
        let fresh = Arc::clone(&upstream).keep_fresh(connect_timeout);
        let task = tokio::task::spawn_local(fresh);
        Self { upstream, task }
    }

    /// Whether it leads where `config` leads; what is sent there is the session's.
    pub(super) fn leads_as(&self, config: &config::Upstream) -> bool {
        let ours = self.upstream.config();
        ours.name == config.name
            && ours.addresses == config.addresses
            && ours.allow_private == config.allow_private
            && ours.interface == config.interface
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.task.abort();
    }
}
