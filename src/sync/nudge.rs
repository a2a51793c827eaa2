//! Looking at a record because somebody said that it changed (N-07).
//!
//! A nudge is a hint and proves nothing: the record is read directly, and noted as any other read is. It
//! waits on disk with the message that brought it, so that neither a crash nor a repetition makes it count
//! twice or not at all. What cannot be read is left to the next sweep, which would have found it anyway.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::Engine;
use super::core::Core;
use super::look;
use super::retention::KEEP_DELIVERIES;
use super::wait::{self, Outcome, Shutdown};
use crate::model::{ModuleId, RecordId, Side};
use crate::remote::Lane;
use crate::store::{Nudge, Reads as _, StoreError};

/// Nudges taken up per round.
const BATCH: usize = 64;
/// Direct reads under way at a time; the gate makes them share the live lane's part with the sweeps.
const AT_ONCE: usize = 4;

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was new, and is on disk.
    New,
    /// It was delivered before; nothing was done.
    Known,
}

impl Engine {
    /// How long a message that was delivered is known again.
    pub const KEEP_DELIVERIES: std::time::Duration = KEEP_DELIVERIES;

    /// Has a record read directly, soon and in the live lane. Returns once that is on disk; asking again
    /// before it was read changes nothing. A module that is off, or a side that is never read, is ignored.
    ///
    /// # Errors
    /// The store fails.
    pub async fn look_at(&self, module: ModuleId, side: Side, id: RecordId) -> Result<(), StoreError> {
        self.take_delivery(Vec::new(), Some((module, side, id))).await.map(drop)
    }

    /// Takes a message that bears these ids and is about this record: both are on disk, in one transaction,
    /// before this returns, and the record is read directly ([`Engine::look_at`]). One known by any of its
    /// ids is not taken again.
    ///
    /// # Errors
    /// The store fails: then the message was not taken, and may be delivered again.
    pub async fn take_delivery(
        &self,
        ids: Vec<String>,
        about: Option<(ModuleId, Side, RecordId)>,
    ) -> Result<Taken, StoreError> {
        let core = self.core();
        let about =
            about.filter(|(module, side, _)| core.def(*module).is_some() && module.swept_sides().contains(side));
        let at = core.now();
        let taken = core
            .store
            .write(move |tx| {
                for id in &ids {
                    if tx.is_delivered(id)? {
                        return Ok(Taken::Known);
                    }
                }
                for id in &ids {
                    tx.put_delivery(id, at)?;
                }
                if let Some((module, side, id)) = &about {
                    tx.put_nudge(*module, *side, id)?;
                }
                Ok(Taken::New)
            })
            .await?;
        core.signals.look.notify_one();
        Ok(taken)
    }
}

/// Looks at what it is told to until shutdown, beginning with what a crash left over.
pub(super) async fn run(core: &Arc<Core>, shutdown: &Shutdown) -> Result<(), StoreError> {
    // Round and round by id, so that a record that is nudged without end keeps nobody else waiting.
    let mut last: Option<Nudge> = None;
    loop {
        let after = last.as_ref().map(|nudge| (nudge.module, nudge.side, &nudge.id));
        let nudges = core.store.read(|view| view.nudges(after, BATCH))?;
        if nudges.is_empty() {
            if last.take().is_none() && wait::for_signal(&core.signals.look, shutdown).await == Outcome::Shutdown {
                return Ok(());
            }
            continue;
        }
        last = nudges.last().cloned();
        let looking = stream::iter(nudges)
            .map(|nudge| answer(core, nudge))
            .buffer_unordered(AT_ONCE)
            .try_for_each(|()| std::future::ready(Ok(())));
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            looked = looking => looked?,
        }
    }
}

/// Reads one record, notes what was read and settles the nudge, in one transaction.
async fn answer(core: &Arc<Core>, nudge: Nudge) -> Result<(), StoreError> {
    let Nudge { module, side, .. } = nudge;
    let idle = core.def(module).is_none() || core.is_paused(module) || core.stopped(module).is_some();
    let looks = match idle {
        // What is not to be called is swept once it may be again.
        true => Vec::new(),
        false => look::look(core, module, side, Lane::Live, &nudge.id).await.unwrap_or_else(|error| {
            tracing::debug!(%module, %side, class = ?error.class, "not read on a hint; the next sweep will");
            Vec::new()
        }),
    };
    let shared = Arc::clone(core);
    core.store
        .write(move |tx| {
            looks.iter().try_for_each(|look| look::note(&shared, tx, module, look))?;
            tx.settle_nudge(&nudge).map(drop)
        })
        .await?;
    core.signals.plan.notify_one();
    Ok(())
}
