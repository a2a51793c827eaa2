//! Everything that waits for a time: retries, snoozes, and the proof of unknown outcomes.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;

use super::core::Core;
use super::plan::{self, Cause, put};
use super::prove;
use super::wait::{self, Outcome, Shutdown};
use crate::model::{Actor, AuditEvent, ItemId, Reason, Reasons, State};
use crate::store::{Reads as _, StoreError};

/// Items looked at per round.
const BATCH: usize = 16;
/// Longest sleep: a wake-up a minute costs nothing and forgives a clock that was set back.
const LONGEST: Duration = Duration::from_secs(60);

/// Handles due items until shutdown.
pub(super) async fn run(core: &Arc<Core>, shutdown: &Shutdown) -> Result<(), StoreError> {
    loop {
        let now = core.now();
        let due = core.store.read(|view| view.due(now, BATCH))?;
        if due.is_empty() {
            let next = core.store.read(|view| view.next_due())?;
            let pause = next.map_or(LONGEST, |next| next.since(core.now())).clamp(Duration::from_millis(1), LONGEST);
            if wait::until(core, &core.signals.due, pause, shutdown).await == Outcome::Shutdown {
                return Ok(());
            }
            continue;
        }
        if shutdown.is_cancelled() {
            return Ok(());
        }
        for handled in join_all(due.into_iter().map(|id| handle(core, id))).await {
            handled?;
        }
        core.signals.push.notify_one();
        core.signals.plan.notify_one();
    }
}

async fn handle(core: &Arc<Core>, id: ItemId) -> Result<(), StoreError> {
    let Some(item) = core.store.read(|view| view.item(id))? else {
        return Ok(());
    };
    match item.state {
        State::Unknown => prove::prove(core, id).await,
        State::Retry => move_on(core, id, State::Retry).await,
        State::Held => move_on(core, id, State::Held).await,
        _ => Ok(()),
    }
}

/// A retry becomes ready; a snoozed item is planned anew.
async fn move_on(core: &Arc<Core>, id: ItemId, from: State) -> Result<(), StoreError> {
    let shared = Arc::clone(core);
    core.store
        .write(move |tx| {
            let Some(mut item) = tx.item(id)?.filter(|item| item.state == from) else {
                return Ok(());
            };
            let now = shared.now();
            let (state, cause) = match from {
                State::Retry => (State::Ready, "its wait is over"),
                _ => (State::New, "its snooze is over"),
            };
            if state == State::New {
                item.priority = 1;
            }
            item.state = state;
            item.reasons = Reasons::NONE.without(Reason::Parked);
            item.ver += 1;
            item.updated_at = now;
            put(tx, &item, Actor::engine(), now, AuditEvent::Moved { state, cause: cause.to_owned() })?;
            if state == State::New {
                plan::by_key(&shared, tx, item.module, &item.pair, Cause::Reopened)?;
            }
            Ok(())
        })
        .await
}
