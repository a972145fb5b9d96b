//! The configuration of a running service, which a reload replaces as a whole.

use std::sync::Arc;

use tokio::sync::watch;

use super::model::Config;

/// The current configuration. Clones share it.
///
/// Code takes [`SharedConfig::now`] once at the start of an interaction, a step or a round and keeps that value until the end, so
/// a reload never changes settings in the middle of one.
#[derive(Clone, Debug)]
pub struct SharedConfig(watch::Sender<Arc<Config>>);

impl SharedConfig {
    /// The current configuration.
    pub fn now(&self) -> Arc<Config> {
        Arc::clone(&self.0.borrow())
    }

    /// Replaces the configuration. Work that has already started keeps the previous one.
    pub fn replace(&self, config: Arc<Config>) {
        self.0.send_replace(config);
    }
}

impl From<Arc<Config>> for SharedConfig {
    fn from(config: Arc<Config>) -> Self {
        Self(watch::Sender::new(config))
    }
}
