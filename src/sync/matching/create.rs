//! Creating a lead source on the other side, once (C-23).
//!
//! The intent is on disk before the call leaves, under the folded name. While it is there the outcome is
//! not known, and the other side is listed before anything else is sent, after the time a write may take to
//! show. Creations take turns, and each looks at a fresh listing first: what is there by now is matched,
//! not doubled. Where there is no list, an unclear outcome is a person's to settle.
//!
//! Which sources are created at all, and when, is `wanted`; what is done about an unclear outcome is `unclear`.

mod unclear;
mod wanted;

use std::sync::Arc;
use std::time::Duration;

use self::unclear::settle;
pub(super) use self::unclear::{recover, settle_time};
pub use self::wanted::SourceNeed;
use self::wanted::may_create;
pub(super) use self::wanted::{all_wanted, ensure_source, is_open, wake_waiting, warning};
pub(in crate::sync) use self::wanted::{need, under_way, why_waiting};
use super::operate::MatchRefusal;
use super::{Listed, MASTERED, MatchMode, is_cut, list, lists, mode, record, store_changes};
use crate::merge::matching::fold;
use crate::merge::people;
use crate::model::matching::{Entry, MatchRow, MatchState, SourceIntent};
use crate::model::{Actor, AuditEvent, MatchKind, RecordId, Side, Timestamp};
use crate::remote::{Class, Lane, RemoteError, Sent};
use crate::store::{Reads as _, StoreError, Tx};
use crate::sync::core::Core;
use crate::sync::decide::account_note;

/// How old a listing may be for a creation to rely on it.
const FRESH: Duration = Duration::from_secs(60);

const KIND: MatchKind = MatchKind::LeadSource;

/// The id of the counterpart, or why there is none yet.
type Created = Result<Result<RecordId, MatchRefusal>, StoreError>;

/// Creates the counterpart of one entry, unless there is one by now.
pub(super) async fn create(
    core: &Arc<Core>,
    kind: MatchKind,
    side: Side,
    id: &RecordId,
    actor: Actor,
    lane: Lane,
) -> Created {
    if kind == MatchKind::Staff {
        let why = "staff are never created: ask an administrator of the other system, then refresh";
        return Ok(Err(MatchRefusal::Refused(why.to_owned())));
    }
    if let Err(why) = may_create(core, side) {
        return Ok(Err(MatchRefusal::Refused(why)));
    }
    let _turn = core.matching.creating.lock().await;
    let there = side.other();
    let row = match standing(core, side, id)? {
        Ok(row) => row,
        Err(answer) => return Ok(answer),
    };
    if let Err(refusal) = settle(core, there, &fold(&row.name), lane, &actor).await? {
        if lane == Lane::Operator {
            // The schedule learns when to look again.
            core.matching.wake.notify_one();
        }
        return Ok(Err(refusal));
    }
    if let Err(refusal) = look_first(core, there, lane).await? {
        return Ok(Err(refusal));
    }
    // What the listings showed may have answered the question.
    let row = match standing(core, side, id)? {
        Ok(row) => row,
        Err(answer) => return Ok(answer),
    };
    let folded = fold(&row.name);
    if !people::named(&core.store.read(|view| view.match_table(KIND))?, there, &folded).is_empty() {
        let why =
            format!("{} has a lead source of this name that is inactive or taken: pair it by hand", there.title());
        return Ok(Err(MatchRefusal::Refused(why)));
    }
    send(core, row, folded, actor, lane).await
}

/// The row, if there is something to be done about it; otherwise the answer.
fn standing(
    core: &Core,
    side: Side,
    id: &RecordId,
) -> Result<Result<MatchRow, Result<RecordId, MatchRefusal>>, StoreError> {
    let Some(row) = core.store.read(|view| view.match_row(KIND, side, id))? else {
        return Ok(Err(Err(MatchRefusal::Unknown { side, id: id.clone() })));
    };
    if let Some(other) = &row.other {
        return Ok(Err(Ok(other.clone())));
    }
    let refusal = match row.state {
        _ if !row.alive() => row.because(true),
        MatchState::Unmatched if fold(&row.name).is_empty() => "it has no name",
        MatchState::Unmatched if is_cut(&row.name) => "its name is too long for any system",
        MatchState::Unmatched => return Ok(Ok(row)),
        _ => row.because(true),
    };
    Ok(Err(Err(MatchRefusal::Refused(refusal.to_owned()))))
}

/// Lists `there` unless that was done just now, where it can be done.
async fn look_first(core: &Arc<Core>, there: Side, lane: Lane) -> Result<Result<(), MatchRefusal>, StoreError> {
    let last = core.matching.of(KIND).listed_at[there as usize];
    let fresh = last.is_some_and(|at| at.plus(FRESH) > core.now());
    if fresh || !lists(core, KIND, there) {
        return Ok(Ok(()));
    }
    let Some(listed): Option<Listed> = list(core, KIND, there, lane, false).await? else {
        put_off(core, None);
        return Ok(Err(MatchRefusal::Later(failure(core, there))));
    };
    record(core, KIND, vec![listed], None).await?;
    Ok(Ok(()))
}

pub(super) fn failure(core: &Core, side: Side) -> String {
    let error = core.matching.of(KIND).errors[side as usize].clone();
    error.unwrap_or_else(|| format!("{} could not be listed", side.title()))
}

/// The next creation waits, longer each time.
fn put_off(core: &Core, asked: Option<Duration>) {
    let now = core.now();
    core.matching.change(KIND, |progress| {
        progress.create_failures += 1;
        let ceiling = core.settings.retry.ceiling(progress.create_failures);
        progress.create_at = now.plus(ceiling.max(asked.unwrap_or_default()));
    });
}

/// Intent, call, outcome.
async fn send(core: &Arc<Core>, row: MatchRow, folded: String, actor: Actor, lane: Lane) -> Created {
    let (name, side, id) = (row.name.trim().to_owned(), row.side, row.id.clone());
    let intent = SourceIntent {
        side: side.other(),
        folded,
        of: id.clone(),
        name: name.clone(),
        actor,
        at: core.now(),
        unknown_since: None,
    };
    let (noted, of) = (intent.clone(), id.clone());
    core.store
        .write(move |tx| {
            tx.put_source_intent(&noted)?;
            if let Some(row) = tx.match_row(KIND, side, &of)? {
                tx.put_match_rows(&[MatchRow { wanted: true, error: None, at: noted.at, ..row }])?;
            }
            let what = format!("create lead source {of} of {} in {}", side.title(), side.other().title());
            tx.audit(account_note(AuditEvent::Operated { what }, noted.at, noted.actor.clone())).map(drop)
        })
        .await?;
    match core.remotes.on(intent.side, lane).create_lead_source(&name).await {
        Ok(new) => created(core, intent, new).await,
        Err(error) => failed(core, intent, error).await,
    }
}

/// The rows of the pair, in one transaction with the end of the intent.
async fn created(core: &Arc<Core>, intent: SourceIntent, new: RecordId) -> Created {
    let (shared, mode) = (Arc::clone(core), mode(core, KIND));
    let outcome = core
        .store
        .write(move |tx| {
            let now = shared.now();
            let there = intent.side;
            let before = tx.match_table(KIND)?;
            let mut rows = before.clone();
            if !rows.iter().any(|row| row.side == there && row.id == new) {
                let entry = Entry { id: new.clone(), name: intent.name.clone(), email: None, active: true };
                rows.push(MatchRow::new(KIND, there, &entry, now));
            }
            // A person may have decided otherwise while the call was under way: then both stay as they are.
            let place = |side: Side, id: &RecordId| {
                let free = |row: &MatchRow| !row.state.is_paired() && row.state != MatchState::Ignored;
                rows.iter().position(|row| row.side == side && row.id == *id && free(row))
            };
            if let (Some(ours), Some(theirs)) = (place(there.other(), &intent.of), place(there, &new)) {
                for (at, other) in [(ours, &new), (theirs, &intent.of)] {
                    let row = &mut rows[at];
                    (row.state, row.other, row.at) = (MatchState::Matched, Some(other.clone()), now);
                    (row.gone, row.wanted, row.error) = (false, false, None);
                    row.candidates.clear();
                }
            }
            let [ivvy, crm] = Side::BOTH.map(|side| people::entries_of(&rows, side));
            let mut after = people::rematch(KIND, &ivvy, &crm, &rows, now);
            let ours = after.iter_mut().find(|row| row.side == there.other() && row.id == intent.of);
            let other = ours.as_ref().and_then(|row| row.other.clone());
            if let Some(row) = ours.filter(|row| row.other.is_none()) {
                (row.wanted, row.at) = (false, now);
                row.error = Some(format!("{} answered with {new}, which is not free", there.title()));
            }
            tx.remove_source_intent(there, &intent.folded)?;
            if mode == MatchMode::Master(there.other()) {
                // From now on what is known of that side is known from here.
                tx.put_meta(MASTERED, &[there as u8])?;
            }
            store_changes(tx, KIND, &before, &after, &intent.actor, "created")?;
            Ok(other.ok_or_else(|| MatchRefusal::Refused(format!("{new} was created, but not paired"))))
        })
        .await?;
    core.matching.change(KIND, |progress| progress.create_failures = 0);
    core.signals.plan.notify_one();
    Ok(outcome)
}

/// Whether a failure passes by itself.
pub(super) fn passes(class: Class) -> bool {
    match class {
        Class::Unreachable | Class::Throttled | Class::Quota | Class::Server | Class::Unauthorized => true,
        Class::Rejected
        | Class::Conflict
        | Class::Missing
        | Class::Forbidden
        | Class::Shifted
        | Class::Malformed
        | Class::Unsupported => false,
    }
}

/// An unclear outcome keeps its intent; a refusal keeps the error with the unmatched row.
async fn failed(core: &Arc<Core>, intent: SourceIntent, error: RemoteError) -> Created {
    let unclear = error.sent == Sent::Maybe;
    let later = unclear || passes(error.class);
    tracing::warn!(class = %error.class, unclear, "a lead source was not created");
    if later {
        put_off(core, error.retry_after);
    }
    if unclear {
        let since = core.now();
        let unknown = SourceIntent { unknown_since: Some(since), ..intent.clone() };
        core.store.write(move |tx| tx.put_source_intent(&unknown)).await?;
        // Not before it must show, and not before the back-off is over.
        let shows_at = since.plus(settle_time(core, intent.side));
        core.matching.change(KIND, |progress| progress.create_at = progress.create_at.max(shows_at));
        core.matching.wake.notify_one();
        return Ok(Err(MatchRefusal::Unclear(error.to_string())));
    }
    let (message, now, class) = (error.to_string(), core.now(), error.class);
    core.store
        .write(move |tx| {
            tx.remove_source_intent(intent.side, &intent.folded)?;
            let error = Some(error.to_string());
            note_error(tx, intent.side.other(), &intent.of, error, later, now)?;
            let what = format!("Lead source {}: not created in {} ({class})", intent.of, intent.side.title());
            tx.audit(account_note(AuditEvent::Operated { what }, now, intent.actor.clone())).map(drop)
        })
        .await?;
    core.signals.plan.notify_one();
    Ok(Err(if later { MatchRefusal::Later(message) } else { MatchRefusal::Refused(message) }))
}

/// Nobody tries again by themselves: the row says why.
async fn give_up(core: &Arc<Core>, side: Side, id: &RecordId, why: String, actor: &Actor) -> Result<(), StoreError> {
    let (now, id, actor) = (core.now(), id.clone(), actor.clone());
    core.store
        .write(move |tx| {
            if note_error(tx, side, &id, Some(why.clone()), false, now)? {
                let what = format!("Lead source {id} of {}: given up", side.title());
                tx.audit(account_note(AuditEvent::Operated { what }, now, actor.clone()))?;
            }
            Ok(())
        })
        .await?;
    core.signals.plan.notify_one();
    Ok(())
}

/// Notes on an unmatched row why it was not created, and whether it still is to be; false if that is
/// what it says already.
fn note_error(
    tx: &mut Tx<'_>,
    side: Side,
    id: &RecordId,
    error: Option<String>,
    wanted: bool,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let Some(row) = tx.match_row(KIND, side, id)?.filter(|row| row.state == MatchState::Unmatched) else {
        return Ok(false);
    };
    if (&row.error, row.wanted) == (&error, wanted) {
        return Ok(false);
    }
    tx.put_match_rows(&[MatchRow { error, wanted, at, ..row }])?;
    if !wanted {
        wake_waiting(tx)?;
    }
    Ok(true)
}
