//! What can change while the daemon runs: the configuration and what was made from it, swapped as
//! one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;

use crate::admin::Token;
use crate::config::Config;
use crate::route::Routes;
use crate::secret::Stamp;

/// The configuration in force. Loaded once per use, so that nobody sees half of a change.
pub(crate) struct Live {
    now: ArcSwap<Generation>,
    /// The newest configuration was refused: what is in force is not what the file says.
    refused: AtomicBool,
}

/// One configuration with the routes that were built from it.
pub(crate) struct Generation {
    pub(crate) config: Arc<Config>,
    pub(crate) routes: Routes,
    /// The admin API's, when the configuration names one.
    pub(crate) admin_token: Option<Token>,
    /// The states of its own file and of the secrets' files when they were read.
    pub(crate) stamps: Vec<Option<Stamp>>,
}

impl Live {
    pub(crate) fn new(generation: Generation) -> Self {
        Self { now: ArcSwap::from_pointee(generation), refused: AtomicBool::new(false) }
    }

    pub(crate) fn load(&self) -> Arc<Generation> {
        self.now.load_full()
    }

    pub(crate) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.now.load().config)
    }

    /// Whether the file says something else, which was refused.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    pub(crate) fn set_refused(&self, refused: bool) {
        self.refused.store(refused, Ordering::Relaxed);
    }

    /// Puts another generation in force and returns the one that was.
    pub(crate) fn swap(&self, generation: Arc<Generation>) -> Arc<Generation> {
        self.now.swap(generation)
    }
}
