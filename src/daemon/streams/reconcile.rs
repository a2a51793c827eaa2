//! Reading every record again that we know of a stream, after a loss (S-17).
//!
//! Asks chunk by chunk and leaves the reading itself to the engine; what could not be read is counted and said,
//! never passed over.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::{Known, Streams, refuse};
use crate::daemon::ServiceError;
use crate::model::{Actor, AuditEvent, ModuleId, RecordId, Side, Timestamp};
use crate::seam::Clock;
use crate::store::{Note, Reads as _, StoreError, Tx};
use crate::sync::{Engine, Unread};

/// Records a reconciliation asks for at a time.
pub(super) const CHUNK: usize = 100;
/// How often a reconciliation looks whether the last chunk has been read.
const BREATH: Duration = Duration::from_millis(500);
/// How often at the least, while nothing of it can be read: that may take days.
const LONGEST_BREATH: Duration = Duration::from_secs(10);

impl Streams {
    /// S-17: has every record read again that we know of the stream.
    pub(super) async fn reconcile(
        &self,
        engine: &Engine,
        actor: &Actor,
        known: &Known,
    ) -> Result<String, ServiceError> {
        let id = known.id.clone();
        if !known.id.kind.is_inbound() {
            return Err(refuse(
                format!("{id}: we post there and nothing is read from it, so nothing can be read again"),
                "posts that were given up: `tandem streams show STREAM --dead`, then `revive` each",
            ));
        }
        if !known.operator {
            return Err(refuse(
                format!("{id}: there is no operator to read with, so nothing can be read again"),
                "ask its sender to send that time again, then settle the loss",
            ));
        }
        if known.modules.is_empty() {
            return Err(refuse(format!("{id}: none of its modules is on"), "switch one on in the configuration"));
        }
        if known.needs_first_sync() && engine.store().read(|view| view.stream(&id))?.first_sync.is_none() {
            return Err(refuse(
                format!("{id}: nothing takes part before its first-sync date is set"),
                "set it first: `tandem streams first-sync STREAM DATE --zone ZONE`",
            ));
        }
        let total = count(engine, known)?;
        {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            if running.contains_key(&id) {
                return Err(refuse(format!("{id} is being reconciled already"), "wait for its end"));
            }
            running.insert(id.clone(), (0, total));
        }
        self.change(engine, actor, known, format!("reconcile {total} records"), |_| Ok(true)).await?;
        let (engine, known, running) = (engine.clone(), known.clone(), Arc::clone(&self.running));
        let clock = Arc::clone(&self.clock);
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            let done = |count: u64| {
                let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
                running.insert(known.id.clone(), (count, total));
            };
            if let Err(error) = read_again(&engine, clock.as_ref(), &known, done).await {
                tracing::warn!(stream = %known.id, %error, "the reconciliation broke off");
            }
            running.lock().unwrap_or_else(PoisonError::into_inner).remove(&known.id);
        });
        Ok(format!("{total} records are read again"))
    }
}

/// The ids of one chunk of a stream's shelf, and where it goes on.
fn chunk(
    engine: &Engine,
    known: &Known,
    module: ModuleId,
    after: Option<Timestamp>,
) -> Result<(Vec<RecordId>, Option<Timestamp>), StoreError> {
    let rows = engine.store().read(|view| view.shelf(module, known.side(), None, after, CHUNK))?;
    let next = rows.last().map(|row| row.at);
    let ids = rows.into_iter().filter(|row| is_of(known, &row.id)).map(|row| row.id);
    Ok((ids.collect(), next))
}

/// Ids of S-360 begin with the institution, and codes hold no `-`; a Connector has one club.
fn is_of(known: &Known, id: &RecordId) -> bool {
    known.side() == Side::Crm || id.as_str().split_once('-').is_some_and(|(tenant, _)| tenant == known.id.tenant)
}

fn count(engine: &Engine, known: &Known) -> Result<u64, StoreError> {
    let mut total = 0;
    for module in &known.modules {
        let mut after = None;
        loop {
            let (ids, next) = chunk(engine, known, *module, after)?;
            total += ids.len() as u64;
            match next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
    }
    Ok(total)
}

/// Direct reads of this stream's records that did not come to pass.
pub(super) fn unread(engine: &Engine, known: &Known, since: Timestamp) -> Result<Unread, StoreError> {
    engine.unread(since, |module, side, id| side == known.side() && known.modules.contains(&module) && is_of(known, id))
}

/// Asks for one chunk after the other, and for the next one when all of the last has been read; ends when nothing
/// waits any more, and says what could not be read. What is read moves to the end of the shelf if it changed; such
/// a record is read once more, never left out.
async fn read_again(engine: &Engine, clock: &dyn Clock, known: &Known, done: impl Fn(u64)) -> Result<(), StoreError> {
    let (mut asked, began) = (0_u64, engine.now());
    for module in &known.modules {
        let mut after = None;
        loop {
            let (ids, next) = chunk(engine, known, *module, after)?;
            let asking = ids.into_iter().map(|id| engine.look_at(*module, known.side(), id));
            let asking = futures::future::try_join_all(asking).await?;
            asked += asking.len() as u64;
            let (mut before, mut breath) = (u64::MAX, BREATH);
            loop {
                let left = unread(engine, known, began)?.waiting;
                done(asked.saturating_sub(left));
                if left == 0 {
                    break;
                }
                breath = if left < before { BREATH } else { (2 * breath).min(LONGEST_BREATH) };
                before = left;
                clock.sleep(breath).await;
            }
            match next {
                // What came since is newer than the outage.
                Some(next) if next <= began => after = Some(next),
                _ => break,
            }
        }
    }
    let failed = unread(engine, known, began)?.failed;
    let (id, at) = (known.id.clone(), engine.now());
    let ended = move |tx: &mut Tx<'_>| {
        if failed > 0 {
            let mut state = tx.stream(&id)?;
            state.fail(format!("{failed} of {asked} records could not be read again"), at);
            tx.put_stream(&id, &state)?;
        }
        let what = format!("stream {id}: reconciled {asked} records, of which {failed} could not be read");
        let what = AuditEvent::Operated { what };
        tx.audit(Note { at, actor: Actor::engine(), module: None, item: None, link: None, what }).map(drop)
    };
    engine.store().write(ended).await
}
