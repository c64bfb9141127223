//! What ends TLS: the identity that is shown, and the acceptor made from it.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;

use super::Error;
use crate::config::{self, Config};
use crate::control::{CertificateStatus, Whose};
use crate::timestamp::Timestamp;
use crate::tls::acceptor::acceptor;
use crate::tls::identity::Identity;

/// An identity in use.
#[derive(Clone, Debug)]
pub(super) struct Terminator {
    identity: Identity,
    whose: Whose,
    acceptor: Arc<ServerConfig>,
    /// Why the pair that the configuration names is not this one.
    pub(super) error: Option<String>,
}

// === impl Terminator ===

impl Terminator {
    /// What `config` of `file` asks for, where it has a TLS listener. Where the identity has not
    /// changed it is `running` again, so that session tickets stay good.
    pub(super) fn of(
        config: &Config,
        file: &Path,
        running: Option<&Self>,
        state_dir: &Path,
    ) -> Result<Option<Self>, Error> {
        if !config.listeners.iter().any(|listener| listener.tls) {
            return Ok(None);
        }
        let (identity, whose) = match &config.certificate {
            config::Certificate::Operator { cert, key } => {
                let pair = Identity::load(cert, key).map_err(|source| Error::Pair {
                    file: file.to_owned(),
                    source: Box::new(source),
                });
                (pair?, Whose::Operator)
            }
            config::Certificate::Own => match running {
                // The state folder may have been unwritable: what is shown stays.
                Some(running) if running.whose == Whose::Own => {
                    (running.identity.clone(), Whose::Own)
                }
                _ => (Identity::own(state_dir)?, Whose::Own),
            },
        };
        match running {
            Some(running) if running.identity.is(&identity) => Ok(Some(Self {
                error: None,
                whose,
                ..running.clone()
            })),
            _ => Ok(Some(Self::new(identity, whose)?)),
        }
    }

    /// Replaces our own pair with a new one.
    pub(super) fn renew(&mut self, state_dir: &Path) -> Result<(), String> {
        if self.whose == Whose::Operator {
            return Err(
                "the pair of options cert and key is in use: renew it where you got it".into(),
            );
        }
        let identity = Identity::make(state_dir).map_err(|error| error.to_string())?;
        *self = Self::new(identity, Whose::Own).map_err(|error| error.to_string())?;
        Ok(())
    }

    /// Tries again to keep a pair of our own that could not be kept. To be called now and then.
    pub(super) fn keep(&mut self) {
        self.identity.keep();
    }

    /// What handshakes need.
    pub(super) fn acceptor(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.acceptor)
    }

    /// What is told about it.
    pub(super) fn status(&self) -> CertificateStatus {
        let not_after = self.identity.not_after();
        CertificateStatus {
            names: self.identity.names().to_vec(),
            sha256: self.identity.sha256(),
            not_after: Timestamp(not_after).to_string(),
            not_after_unix: not_after.unix_timestamp(),
            whose: self.whose,
            error: self.error.clone(),
            unkept: self.identity.unkept().map(str::to_owned),
        }
    }

    fn new(identity: Identity, whose: Whose) -> Result<Self, rustls::Error> {
        Ok(Self {
            acceptor: acceptor(&identity)?,
            identity,
            whose,
            error: None,
        })
    }
}
