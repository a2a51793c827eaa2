//! Items that ended long ago, and messages and payloads taken long ago, are forgotten; the audit log keeps what
//! happened (`engine.md` 6).
//!
//! Nothing that is open, and no skip, is ever touched.

use std::sync::Arc;
use std::time::Duration;

use super::core::Core;
use super::decide::account_note;
use super::wait::Shutdown;
use crate::model::{Actor, AuditEvent, ModuleId, State};
use crate::store::{Reads as _, StoreError};

/// Time between two looks: an item may outstay its time by so much.
const PAUSE: Duration = Duration::from_secs(60 * 60);
/// How long a delivered message is known again.
pub(super) const KEEP_DELIVERIES: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// How long a payload that was taken is known again: well beyond the last of its sender's tries
/// (`contracts/connector_s360.md` 3).
pub(super) const KEEP_PAYLOADS: Duration = Duration::from_secs(8 * 24 * 60 * 60);
/// How long a check at a gate is kept: they are many, say who was where, and nothing is made of them yet.
pub(super) const KEEP_CHECKS: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// Items per transaction, so that nobody waits long for the writer.
const CHUNK: usize = 200;

/// Forgets what is due, now and then, until shutdown.
pub(super) async fn run(core: &Arc<Core>, shutdown: &Shutdown) -> Result<(), StoreError> {
    loop {
        for module in core.modules().collect::<Vec<_>>() {
            for state in [State::Done, State::Superseded] {
                while !shutdown.is_cancelled() && forget(core, module, state).await? == CHUNK {}
            }
        }
        while !shutdown.is_cancelled() && forget_deliveries(core).await? == CHUNK {}
        while !shutdown.is_cancelled() && forget_inbox(core).await? == CHUNK {}
        let pause = PAUSE.min(core.settings.keep_done);
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            () = core.clock.sleep(pause) => {}
        }
    }
}

/// Messages whose senders have long given up repeating them.
async fn forget_deliveries(core: &Arc<Core>) -> Result<usize, StoreError> {
    let until = core.now().minus(KEEP_DELIVERIES);
    core.store.write(move |tx| tx.forget_deliveries(until, CHUNK)).await
}

/// Payloads that are not going to come again, and checks at the gates. Returns the larger number of both.
async fn forget_inbox(core: &Arc<Core>) -> Result<usize, StoreError> {
    let (payloads, checks) = (core.now().minus(KEEP_PAYLOADS), core.now().minus(KEEP_CHECKS));
    core.store.write(move |tx| Ok(tx.forget_payloads(payloads, CHUNK)?.max(tx.forget_checks(checks, CHUNK)?))).await
}

/// One transaction; returns how many went.
async fn forget(core: &Arc<Core>, module: ModuleId, state: State) -> Result<usize, StoreError> {
    let now = core.now();
    let until = now.minus(core.settings.keep_done);
    if core.store.read(|view| view.ended(module, state, until, 1))?.is_empty() {
        return Ok(0);
    }
    core.store
        .write(move |tx| {
            let ended = tx.ended(module, state, until, CHUNK)?;
            for id in &ended {
                tx.forget_item(*id)?;
            }
            if !ended.is_empty() {
                let what = format!("forget {} {state} {module} that ended before {until}", ended.len());
                tx.audit(account_note(AuditEvent::Operated { what }, now, Actor::engine()))?;
            }
            Ok(ended.len())
        })
        .await
}
