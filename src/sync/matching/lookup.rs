//! One person looked up by e-mail, where a system can do that (C-11).
//!
//! A lead names an owner whose counterpart is not in the table: somebody may have been hired since the other
//! side was last listed. The one call is made at once instead of waiting for the next listing, and its
//! answer goes into the table as a listing's would. The lead waits for that call and no longer: when it
//! fails the lead goes without, the call is made again later, and a match is then offered (C-15). "Nobody"
//! is believed only of an answer, and remembered for [`TTL`]; so is a refusal, which is not asked again unasked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{MatchMode, create, mode, store_changes};
use crate::merge::people;
use crate::model::matching::{Entry, MatchState};
use crate::model::{Actor, MatchKind, RecordId, Side, Timestamp};
use crate::remote::Lane;
use crate::store::{Reads as _, StoreError, Tx};
use crate::sync::core::Core;
use crate::sync::wait::Shutdown;

const KIND: MatchKind = MatchKind::Staff;

/// How long an answer, or a complete listing, is relied on.
const TTL: Duration = Duration::from_secs(10 * 60);
/// Most people remembered; the oldest answers are forgotten first.
const MOST: usize = 1_000;

/// Look-ups by side and folded e-mail address.
#[derive(Debug, Default)]
pub(super) struct Lookups(BTreeMap<(Side, String), Lookup>);

#[derive(Clone, Copy, Debug)]
struct Lookup {
    state: State,
    /// Answered: when. Otherwise when to ask.
    at: Timestamp,
    failures: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Somebody waits for it.
    Asked,
    /// It failed and is tried again; nobody waits.
    Failed,
    /// There is an answer, or a refusal that asking again would not change.
    Answered,
}

impl Lookups {
    /// When the next call is due.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.0.values().filter(|lookup| lookup.state != State::Answered).map(|lookup| lookup.at).min()
    }

    /// Whether anybody waits.
    pub(super) fn under_way(&self) -> bool {
        self.0.values().any(|lookup| lookup.state == State::Asked)
    }

    fn forget_old(&mut self, now: Timestamp) {
        self.0.retain(|_, lookup| lookup.state != State::Answered || lookup.at.plus(TTL) > now);
        while self.0.len() > MOST {
            self.0.pop_first();
        }
    }
}

/// Whether a lead that carries the person `id` of `side` is to wait for a look-up, inside the planner's
/// transaction. After `true` wake `core.matching.wake` once it has been committed.
pub(in crate::sync) fn need(core: &Core, tx: &mut Tx<'_>, side: Side, id: &RecordId) -> Result<bool, StoreError> {
    if tx.counterpart_of(KIND, side, id)?.is_some() {
        return Ok(false);
    }
    let now = core.now();
    let Some(row) = tx.match_row(KIND, side, id)? else {
        // Not even its own system has shown it yet.
        core.matching.ask(KIND, now);
        return Ok(false);
    };
    let there = side.other();
    let able = core.remotes.declared(there).match_support(KIND).staff_by_email && mode(core, KIND) == MatchMode::Both;
    let open = row.alive() && row.state == MatchState::Unmatched && row.candidates.is_empty() && row.parted.is_empty();
    let Some(email) = people::match_key(KIND, &row.name, row.email.as_deref()).filter(|_| able && open) else {
        return Ok(false);
    };
    if core.matching.of(KIND).listed_at[there as usize].is_some_and(|at| at.plus(TTL) > now) {
        return Ok(false);
    }
    let mut lookups = core.matching.lookups();
    lookups.forget_old(now);
    let asked = Lookup { state: State::Asked, at: now, failures: 0 };
    Ok(lookups.0.entry((there, email)).or_insert(asked).state == State::Asked)
}

/// Makes the calls that are due.
pub(super) async fn all_due(core: &Arc<Core>, shutdown: &Shutdown) -> Result<(), StoreError> {
    loop {
        let now = core.now();
        let due = |(key, lookup): (&(Side, String), &Lookup)| {
            (lookup.state != State::Answered && lookup.at <= now).then(|| (key.clone(), *lookup))
        };
        let Some(((side, email), lookup)) = core.matching.lookups().0.iter().find_map(due) else { return Ok(()) };
        if shutdown.is_cancelled() {
            return Ok(());
        }
        let answer = core.remotes.on(side, Lane::Live).find_staff(&email).await;
        let outcome = match &answer {
            Ok(_) => Lookup { state: State::Answered, at: core.now(), failures: 0 },
            Err(error) if !create::passes(error.class) => {
                tracing::warn!(%side, class = %error.class, "a look-up by e-mail was refused");
                Lookup { state: State::Answered, at: core.now(), failures: 0 }
            }
            Err(error) => {
                tracing::warn!(%side, class = %error.class, "a look-up by e-mail failed");
                let failures = lookup.failures + 1;
                let wait = core.settings.retry.ceiling(failures).max(error.retry_after.unwrap_or_default());
                Lookup { state: State::Failed, at: core.now().plus(wait), failures }
            }
        };
        // Before the table changes, so that whoever is woken by that does not ask again.
        core.matching.lookups().0.insert((side, email), outcome);
        match answer {
            Ok(found) => take(core, side, found).await?,
            // An error says nothing about whether there is such a person, but nobody waits any longer.
            Err(_) => core.store.write(create::wake_waiting).await?,
        }
        core.signals.plan.notify_one();
    }
}

/// Adds what was found to the table, and wakes whoever waited.
async fn take(core: &Arc<Core>, side: Side, found: Vec<Entry>) -> Result<(), StoreError> {
    let shared = Arc::clone(core);
    core.store
        .write(move |tx| {
            let before = tx.match_table(KIND)?;
            let mut entries = Side::BOTH.map(|side| people::entries_of(&before, side));
            let there = &mut entries[side as usize];
            there.retain(|known| found.iter().all(|entry| entry.id != known.id));
            there.extend(found.iter().cloned());
            let after = people::rematch(KIND, &entries[0], &entries[1], &before, shared.now());
            store_changes(tx, KIND, &before, &after, &Actor::engine(), "looked up")?;
            create::wake_waiting(tx)
        })
        .await
}
