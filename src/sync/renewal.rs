//! Going on with other remotes and field maps, without a restart of the process.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::{Notify, watch};

use super::core::Remotes;
use crate::model::{FieldMaps, ModuleDef, ModuleId};

/// What the engine is to go on with.
#[derive(Debug)]
pub(super) struct Next {
    pub remotes: Remotes,
    pub modules: BTreeMap<ModuleId, ModuleDef>,
    pub maps: FieldMaps,
}

/// What has been asked for, and how often it has been taken up.
#[derive(Debug)]
pub(super) struct Renewal {
    next: Mutex<Option<Next>>,
    wake: Notify,
    pub done: watch::Sender<u64>,
}

impl Renewal {
    pub fn new() -> Self {
        Self { next: Mutex::default(), wake: Notify::new(), done: watch::Sender::new(0) }
    }

    /// Asks for it; what was asked for before and not taken up yet is replaced.
    pub fn ask(&self, remotes: Remotes, modules: BTreeMap<ModuleId, ModuleDef>, maps: FieldMaps) {
        *self.lock() = Some(Next { remotes, modules, maps });
        self.wake.notify_one();
    }

    /// Takes what was asked for.
    pub fn take(&self) -> Option<Next> {
        self.lock().take()
    }

    /// Waits until something is asked for.
    pub async fn asked(&self) {
        while self.lock().is_none() {
            self.wake.notified().await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Next>> {
        // A poisoned lock only means a panic elsewhere; what it guards is replaced as a whole.
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
