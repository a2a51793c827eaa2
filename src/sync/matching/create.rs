//! Creating a lead source on the other side, once (C-23).
//!
//! The intent is on disk before the call leaves, under the folded name. While it is there the outcome is
//! not known, and the other side is listed before anything else is sent, after the time a write may take to
//! show. Creations take turns, and each looks at a fresh listing first: what is there by now is matched,
//! not doubled. Where there is no list, an unclear outcome is a person's to settle.
//!
//! Nothing is created unasked before the first sync of a module that carries sources was released: until
//! then a lost store, whose memory would be missing, looks like a new one (C-19).

use std::sync::Arc;
use std::time::Duration;

use super::operate::MatchRefusal;
use super::{Listed, MASTERED, MatchMode, is_cut, list, lists, mode, record, store_changes, users};
use crate::merge::matching::fold;
use crate::merge::people;
use crate::model::matching::{Entry, MatchRow, MatchState, SourceIntent};
use crate::model::{Actor, AuditEvent, ItemError, MatchKind, ModuleId, PairKey, RecordId, Side, State, Timestamp};
use crate::remote::{Class, Lane, RemoteError, Sent};
use crate::store::{Reads as _, StoreError, Tx};
use crate::sync::core::Core;
use crate::sync::decide::account_note;
use crate::sync::wait::Shutdown;

const KIND: MatchKind = MatchKind::LeadSource;

/// Waiting items handled at a time.
const CHUNK: usize = 200;

/// How old a listing may be for a creation to rely on it.
const FRESH: Duration = Duration::from_secs(60);

/// The id of the counterpart, or why there is none yet.
type Created = Result<Result<RecordId, MatchRefusal>, StoreError>;

/// What a record can be given for its lead source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceNeed {
    /// This entry of the other side.
    Counterpart(RecordId),
    /// Nothing yet: it is being created there. The planner is woken once that has an outcome.
    Coming,
    /// Nothing: the record travels without (C-24).
    Without,
}

/// Whether the row could be created on the other side: nothing there is, or might be, it.
pub(super) fn is_open(row: &MatchRow) -> bool {
    let free = row.state == MatchState::Unmatched && row.alive();
    free && !is_cut(&row.name)
        && row.error.is_none()
        && row.parted.is_empty()
        && row.candidates.is_empty()
        && !fold(&row.name).is_empty()
}

/// Whether the other side of `side` takes new lead sources.
fn may_create(core: &Core, side: Side) -> Result<(), String> {
    let there = core.remotes.declared(side.other()).match_support(KIND);
    match mode(core, KIND) {
        MatchMode::Off(why) => Err(why),
        MatchMode::Master(master) if master != side => Err(format!("lead sources are made in {} only", master.title())),
        _ if !there.create => Err(format!("{} takes no new lead sources", side.other().title())),
        _ => Ok(()),
    }
}

/// [`SourceNeed`] of the entry `id` of `side`, inside the planner's transaction. After [`SourceNeed::Coming`]
/// wake `core.matching.wake` once it has been committed.
pub(in crate::sync) fn need(core: &Core, tx: &mut Tx<'_>, side: Side, id: &RecordId) -> Result<SourceNeed, StoreError> {
    if let Some(other) = tx.counterpart_of(KIND, side, id)? {
        return Ok(SourceNeed::Counterpart(other));
    }
    let Some(row) = tx.match_row(KIND, side, id)? else {
        core.matching.ask(KIND, core.now());
        return Ok(SourceNeed::Without);
    };
    // First of all: who has switched it off does not wait for what was wanted before (ADR 0012).
    if !core.settings.create_lead_sources || may_create(core, side).is_err() {
        return Ok(SourceNeed::Without);
    }
    if row.wanted && row.state == MatchState::Unmatched {
        return Ok(SourceNeed::Coming);
    }
    if !is_open(&row) {
        return Ok(SourceNeed::Without);
    }
    tx.put_match_rows(&[MatchRow { wanted: true, at: core.now(), ..row }])?;
    Ok(SourceNeed::Coming)
}

/// [`need`] in a transaction of its own.
pub(super) async fn ensure_source(core: &Arc<Core>, side: Side, id: RecordId) -> Result<SourceNeed, StoreError> {
    let shared = Arc::clone(core);
    let need = core.store.write(move |tx| self::need(&shared, tx, side, &id)).await?;
    core.matching.wake.notify_one();
    Ok(need)
}

/// At start: whatever was under way when the process ended has an unknown outcome from now on.
pub(super) async fn recover(core: &Arc<Core>) -> Result<(), StoreError> {
    let shared = Arc::clone(core);
    core.store
        .write(move |tx| {
            for mut intent in tx.source_intents()? {
                intent.unknown_since = Some(shared.now());
                tx.put_source_intent(&intent)?;
            }
            // What waited for a look-up waits for nothing now.
            wake_waiting(tx)
        })
        .await
}

/// Settles what is unclear, and creates what is wanted and may be.
pub(super) async fn all_wanted(core: &Arc<Core>, shutdown: &Shutdown) -> Result<(), StoreError> {
    if core.matching.of(KIND).create_at > core.now() {
        return Ok(());
    }
    for intent in core.store.read(|view| view.source_intents())? {
        let _turn = core.matching.creating.lock().await;
        // Settled meanwhile, or not yet: either way the next round looks again.
        let _ = settle(core, intent.side, &intent.folded, Lane::Live, &Actor::engine()).await?;
    }
    if !core.settings.create_lead_sources || !released(core)? {
        return Ok(());
    }
    for side in Side::BOTH.into_iter().filter(|side| may_create(core, *side).is_ok()) {
        for row in core.store.read(|view| view.wanted_rows(KIND, side))? {
            if shutdown.is_cancelled() {
                return Ok(());
            }
            let created = create(core, KIND, side, &row.id, Actor::engine(), Lane::Live).await?;
            match created {
                Ok(_) | Err(MatchRefusal::Unknown { .. }) => {}
                Err(MatchRefusal::Refused(why)) => give_up(core, side, &row.id, why, &Actor::engine()).await?,
                // What is in the way of one is in the way of the next.
                Err(MatchRefusal::Later(_) | MatchRefusal::Unclear(_)) => break,
            }
        }
    }
    Ok(())
}

/// What to know before creation begins where nothing can be looked up (C-19): a lost store looks like a new
/// one. `None` once something was created there, or it can be asked.
pub(super) fn warning(core: &Core, kind: MatchKind) -> Result<Option<String>, StoreError> {
    let MatchMode::Master(master) = mode(core, kind) else { return Ok(None) };
    if users(core, kind).next().is_none() || !core.settings.create_lead_sources || released(core)? {
        return Ok(None);
    }
    let (there, table) = (master.other().title(), core.store.read(|view| view.match_table(kind))?);
    if table.iter().any(|row| row.side == master.other()) {
        return Ok(None);
    }
    let count = table.iter().filter(|row| row.side == master && is_open(row)).count();
    Ok(Some(format!(
        "{there} does not tell which lead sources it has, and this store knows of none: releasing the first sync of \
         leads creates {count} there. If an earlier store was lost they may be there already: restore it, or pair \
         them by hand first"
    )))
}

/// Whether any source is about to be created, or being created, or a person being looked up.
pub(in crate::sync) fn under_way(core: &Core) -> Result<bool, StoreError> {
    if core.matching.lookups().under_way() {
        return Ok(true);
    }
    if !core.settings.create_lead_sources || users(core, KIND).next().is_none() || !released(core)? {
        return Ok(false);
    }
    for side in Side::BOTH.into_iter().filter(|side| may_create(core, *side).is_ok()) {
        if !core.store.read(|view| view.wanted_rows(KIND, side))?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Has everything looked at again that waits for a source or an owner.
pub(super) fn wake_waiting(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let module = ModuleId::Leads;
    let mut after = None;
    loop {
        let waiting = tx.in_state(module, State::Blocked, after, CHUNK)?;
        let Some(last) = waiting.last().copied() else { return Ok(()) };
        after = Some(last);
        for item in waiting {
            let Some(item) = tx.item(item)? else { continue };
            let (side, record) = match item.pair {
                PairKey::Lone(side, record) => (side, record),
                PairKey::Link(link) => match tx.link(link)? {
                    Some(link) => (Side::Ivvy, link.ivvy),
                    None => continue,
                },
            };
            tx.mark_dirty(module, side, &record)?;
        }
    }
}

/// Why a record waits for its source to be created, or its owner to be looked up, for a person.
pub(in crate::sync) fn why_waiting(
    core: &Core,
    kind: MatchKind,
    there: Side,
    now: Timestamp,
) -> Result<ItemError, StoreError> {
    if kind == MatchKind::Staff {
        let message = format!("waits for its owner to be looked up in {}", there.title());
        return Ok(ItemError { message, hint: None, at: now });
    }
    let hint = match released(core)? {
        true => "see `tandem match list`: an unmatched source says what is in the way",
        false => "nothing is created before the first sync of leads is released",
    };
    Ok(ItemError {
        message: format!("waits for its lead source to be created in {}", there.title()),
        hint: Some(hint.to_owned()),
        at: now,
    })
}

/// Whether a person has let the first sync of a module that carries sources through.
fn released(core: &Core) -> Result<bool, StoreError> {
    core.store.read(|view| {
        for module in users(core, KIND) {
            if view.guard(module)?.is_some_and(|guard| guard.first_released.is_some()) {
                return Ok(true);
            }
        }
        Ok(false)
    })
}

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
        _ if !row.alive() => row.because(),
        MatchState::Unmatched if fold(&row.name).is_empty() => "it has no name",
        MatchState::Unmatched if is_cut(&row.name) => "its name is too long for any system",
        MatchState::Unmatched => return Ok(Ok(row)),
        _ => row.because(),
    };
    Ok(Err(Err(MatchRefusal::Refused(refusal.to_owned()))))
}

/// Finds out what became of a creation whose outcome is not on record, if there is one under this name.
async fn settle(
    core: &Arc<Core>,
    there: Side,
    folded: &str,
    lane: Lane,
    actor: &Actor,
) -> Result<Result<(), MatchRefusal>, StoreError> {
    let Some(mut intent) = core.store.read(|view| view.source_intent(there, folded))? else {
        return Ok(Ok(()));
    };
    let now = core.now();
    if !lists(core, KIND, there) {
        return unprovable(core, intent, actor).await;
    }
    let since = match intent.unknown_since {
        Some(since) => since,
        None => {
            // Whoever sent it went away before the answer came; the call may still be under way.
            intent.unknown_since = Some(now);
            core.store.write(move |tx| tx.put_source_intent(&intent)).await?;
            now
        }
    };
    let shows_at = since.plus(settle_time(core, there));
    if shows_at > now {
        core.matching.change(KIND, |progress| progress.create_at = progress.create_at.max(shows_at));
        let why = "it is not known yet whether it was created; it is being looked up".to_owned();
        return Ok(Err(MatchRefusal::Unclear(why)));
    }
    match list(core, KIND, there, lane, false).await? {
        Some(listed) => {
            record(core, KIND, vec![listed], Some((there, folded.to_owned()))).await?;
            Ok(Ok(()))
        }
        None => {
            put_off(core, None);
            Ok(Err(MatchRefusal::Unclear(failure(core, there))))
        }
    }
}

/// Without a list nothing can be looked up: a person who asks again has looked, the engine gives up.
async fn unprovable(
    core: &Arc<Core>,
    intent: SourceIntent,
    actor: &Actor,
) -> Result<Result<(), MatchRefusal>, StoreError> {
    let known = core.store.read(|view| view.match_row(KIND, intent.side.other(), &intent.of))?;
    let answered = known.as_ref().is_some_and(|row| row.state.is_paired());
    if answered || actor.name != Actor::engine().name {
        let (at, actor) = (core.now(), actor.clone());
        core.store
            .write(move |tx| {
                tx.remove_source_intent(intent.side, &intent.folded)?;
                let by = if answered { "was paired by hand" } else { "is sent again, its outcome unknown" };
                let what = format!("Lead source {} {by}", intent.of);
                tx.audit(account_note(AuditEvent::Operated { what }, at, actor.clone())).map(drop)
            })
            .await?;
        return Ok(Ok(()));
    }
    let why = format!(
        "it is not known whether it was created, and {} cannot be asked: look there, then pair or create by hand",
        intent.side.title()
    );
    if known.is_some_and(|row| row.wanted) {
        give_up(core, intent.side.other(), &intent.of, why.clone(), actor).await?;
    }
    Ok(Err(MatchRefusal::Unclear(why)))
}

/// How long a sent write may stay invisible on `side`.
pub(super) fn settle_time(core: &Core, side: Side) -> Duration {
    users(core, KIND).map(|module| core.settle_time(module, side)).max().unwrap_or_default()
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
