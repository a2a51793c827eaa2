//! Sending what a matched lead source is here to its counterpart: its name, and whether it is active (P-09).
//!
//! Nothing is sent unasked: a person asks, for what they saw. It is on disk before the call leaves and is sent once;
//! the next listing proves it, or says that it does not show. What the other system does not let us change is
//! refused before any call. Changes take turns with creations, because both depend on which names are free.

use std::sync::Arc;

use super::create::{failure, passes, settle_time};
use super::operate::MatchRefusal;
use super::{MatchMode, is_cut, list, lists, mode, record};
use crate::merge::matching::fold;
use crate::merge::people;
use crate::model::matching::{MatchRow, SourceChange, SourceSent};
use crate::model::{Actor, AuditEvent, MatchKind, RecordId, Side, Timestamp};
use crate::remote::{Lane, RemoteError, Sent};
use crate::store::{Reads as _, StoreError, Tx};
use crate::sync::core::Core;
use crate::sync::decide::account_note;

const KIND: MatchKind = MatchKind::LeadSource;

/// What was sent, or why nothing was.
type Updated = Result<Result<SourceChange, MatchRefusal>, StoreError>;

/// How a lead source differs from its counterpart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MatchDifference {
    /// What of it can be sent there.
    pub change: Option<SourceChange>,
    /// What differs, why the rest of it cannot be sent, and what became of what was sent; one sentence. Remote text:
    /// sanitise before display.
    pub because: String,
}

/// Whether the counterparts of `side`'s sources can be changed at all.
fn may_update(core: &Core, side: Side) -> Result<(), String> {
    match mode(core, KIND) {
        MatchMode::Off(why) => Err(why),
        MatchMode::Master(master) if master != side => Err(format!("lead sources are made in {} only", master.title())),
        MatchMode::Both | MatchMode::Master(_) => Ok(()),
    }
}

/// The part of `change` that the other side of `ours` takes, and why not the rest.
fn sendable(core: &Core, ours: &MatchRow, change: &SourceChange) -> (SourceChange, Option<String>) {
    if let Err(why) = may_update(core, ours.side) {
        return (SourceChange::default(), Some(why));
    }
    let there = ours.side.other();
    let takes = core.remotes.declared(there).match_support(KIND).update;
    let nameable = !is_cut(&ours.name) && !fold(&ours.name).is_empty();
    let can = SourceChange {
        name: change.name.clone().filter(|_| takes.name && nameable),
        active: change.active.filter(|_| takes.active),
    };
    let rest = SourceChange {
        name: change.name.clone().filter(|_| can.name.is_none()),
        active: change.active.filter(|_| can.active.is_none()),
    };
    let why = match (rest.is_empty(), takes.name && rest.name.is_some()) {
        (true, _) => None,
        (false, true) => Some("this name is no name for any system".to_owned()),
        (false, false) if takes.because.is_empty() => {
            Some(format!("the {} cannot be changed in {}", rest.what(), there.title()))
        }
        (false, false) => {
            Some(format!("the {} cannot be changed in {}: {}", rest.what(), there.title(), takes.because))
        }
    };
    (can, why)
}

/// How `ours` differs from its counterpart `other`, for a person.
pub(super) fn difference(core: &Core, ours: &MatchRow, other: &MatchRow) -> MatchDifference {
    let Some(change) = people::difference(ours, other) else { return MatchDifference::default() };
    let (can, why) = sendable(core, ours, &change);
    let mut parts = Vec::new();
    if change.name.is_some() {
        parts.push("the names differ".to_owned());
    }
    if change.active.is_some() {
        let (on, off) = if ours.active { (ours.side, other.side) } else { (other.side, ours.side) };
        parts.push(format!("active in {}, inactive in {}", on.title(), off.title()));
    }
    match ours.sent.as_ref().map(|sent| &sent.failed) {
        Some(Some(failed)) => parts.push(format!("sent, but {failed}")),
        Some(None) => parts.push("sent; the next listing shows whether it arrived".to_owned()),
        None => {}
    }
    parts.extend(why);
    MatchDifference { change: Some(can).filter(|can| !can.is_empty()), because: parts.join("; ") }
}

/// Sends what the entry `id` of `side` is to its counterpart. With `expect`, only if that is still what would be sent.
pub(super) async fn update(
    core: &Arc<Core>,
    kind: MatchKind,
    side: Side,
    id: &RecordId,
    expect: Option<SourceChange>,
    actor: Actor,
) -> Updated {
    let refused = |why: &str| Ok(Err(MatchRefusal::Refused(why.to_owned())));
    if kind == MatchKind::Staff {
        return refused("staff are never changed: ask an administrator of the other system");
    }
    if let Err(why) = may_update(core, side) {
        return refused(&why);
    }
    // Before any call: what can never be done needs none.
    if let Err(refusal) = standing(core, side, id)? {
        return Ok(Err(refusal));
    }
    let _turn = core.matching.creating.lock().await;
    let there = side.other();
    for listed in [side, there].into_iter().filter(|side| lists(core, KIND, *side)) {
        match list(core, KIND, listed, Lane::Operator, false).await? {
            Some(listed) => record(core, KIND, vec![listed], None).await?,
            None => return Ok(Err(MatchRefusal::Later(failure(core, listed)))),
        }
    }
    let (row, other, change) = match standing(core, side, id)? {
        Ok(found) => found,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if expect.is_some_and(|expect| expect != change) {
        return refused("it is not what you saw any more: look again");
    }
    let unproven = row.sent.as_ref().is_some_and(|sent| sent.failed.is_none());
    if unproven && lists(core, KIND, there) {
        let why = "it was sent and does not show yet: the next listing tells whether it arrived";
        return Ok(Err(MatchRefusal::Unclear(why.to_owned())));
    }
    if let Some(name) = &change.name {
        let table = core.store.read(|view| view.match_table(KIND))?;
        if people::named(&table, there, &fold(name)).iter().any(|named| named.id != other.id) {
            return refused(&format!("{} has another lead source of this name", there.title()));
        }
    }
    send(core, row, other.id, change, actor).await
}

/// The row, its counterpart, and what can be sent there; or why nothing can.
fn standing(
    core: &Core,
    side: Side,
    id: &RecordId,
) -> Result<Result<(MatchRow, MatchRow, SourceChange), MatchRefusal>, StoreError> {
    let refused = |why: &str| Ok(Err(MatchRefusal::Refused(why.to_owned())));
    let found = core.store.read(|view| {
        let Some(row) = view.match_row(KIND, side, id)? else { return Ok(None) };
        let other = match &row.other {
            Some(other) => view.match_row(KIND, side.other(), other)?,
            None => None,
        };
        Ok::<_, StoreError>(Some((row, other)))
    })?;
    let Some((row, other)) = found else { return Ok(Err(MatchRefusal::Unknown { side, id: id.clone() })) };
    let Some(other) = other else { return refused("it has no counterpart; pair it first") };
    if row.gone || other.gone {
        return refused("it, or its counterpart, is no longer listed by its system");
    }
    let Some(change) = people::difference(&row, &other) else {
        return refused("it is like its counterpart: there is nothing to send");
    };
    let (can, why) = sendable(core, &row, &change);
    match why {
        Some(why) if can.is_empty() => refused(&why),
        _ => Ok(Ok((row, other, can))),
    }
}

/// On record, call, outcome.
async fn send(core: &Arc<Core>, row: MatchRow, other: RecordId, change: SourceChange, actor: Actor) -> Updated {
    let (side, there, id) = (row.side, row.side.other(), row.id.clone());
    let sent = SourceSent { change: change.clone(), at: core.now(), by: actor.name.clone(), failed: None };
    let what =
        format!("send {} of lead source {id} of {} to {other} of {}", change.what(), side.title(), there.title());
    let (of, noted, by) = (id.clone(), sent.clone(), actor.clone());
    let written = core
        .store
        .write(move |tx| {
            let Some(row) = tx.match_row(KIND, side, &of)? else { return Ok(false) };
            tx.put_match_rows(&[MatchRow { sent: Some(noted.clone()), at: noted.at, ..row }])?;
            tx.audit(account_note(AuditEvent::Operated { what: what.clone() }, noted.at, by.clone()))?;
            Ok(true)
        })
        .await?;
    if !written {
        return Ok(Err(MatchRefusal::Unknown { side, id }));
    }
    let remote = core.remotes.on(there, Lane::Operator);
    let outcome = remote.update_lead_source(&other, change.name.as_deref(), change.active).await;
    let outcome = match outcome {
        Err(error) if error.sent == Sent::No => return failed(core, (side, id), error, actor).await,
        other => other,
    };
    let listed = lists(core, KIND, there);
    match &outcome {
        Ok(()) if !listed => remember(core, (side, id), (there, other), sent, actor).await?,
        Ok(()) => {}
        Err(error) => {
            tracing::warn!(class = %error.class, "whether a lead source was changed is not known");
            if !listed {
                let why = "it is not known whether it arrived, and that system cannot be asked: look there";
                note(core, (side, id), why.to_owned(), format!("outcome unknown ({})", error.class), actor).await?;
            }
        }
    }
    // The proof is not left to the schedule.
    let shows_at = core.now().plus(settle_time(core, there));
    core.matching.change(KIND, |progress| progress.next_at = progress.next_at.min(shows_at));
    core.matching.wake.notify_one();
    Ok(outcome.map(|()| change).map_err(|error| MatchRefusal::Unclear(error.to_string())))
}

/// Where nothing can be listed the answer is all there is: the memory of the other side says what was sent.
async fn remember(
    core: &Arc<Core>,
    (side, id): (Side, RecordId),
    (there, other): (Side, RecordId),
    sent: SourceSent,
    actor: Actor,
) -> Result<(), StoreError> {
    let at = core.now();
    core.store
        .write(move |tx| {
            if let Some(row) = tx.match_row(KIND, side, &id)? {
                tx.put_match_rows(&[MatchRow { sent: None, at, ..row }])?;
            }
            if let Some(mut row) = tx.match_row(KIND, there, &other)? {
                row.name = sent.change.name.clone().unwrap_or(row.name);
                (row.active, row.at) = (sent.change.active.unwrap_or(row.active), at);
                tx.put_match_rows(&[row])?;
            }
            let what = format!("Lead source {other} of {}: took {}", there.title(), sent.change.what());
            tx.audit(account_note(AuditEvent::Operated { what }, at, actor.clone())).map(drop)
        })
        .await
}

/// A refusal stays on the row until a person asks again or the two agree.
async fn failed(core: &Arc<Core>, (side, id): (Side, RecordId), error: RemoteError, actor: Actor) -> Updated {
    let message = error.to_string();
    let outcome = format!("refused ({})", error.class);
    note(core, (side, id), format!("not taken: {message}"), outcome, actor).await?;
    Ok(Err(if passes(error.class) { MatchRefusal::Later(message) } else { MatchRefusal::Refused(message) }))
}

/// What went wrong, on the row, and the bare outcome in the audit log.
async fn note(
    core: &Arc<Core>,
    (side, id): (Side, RecordId),
    why: String,
    outcome: String,
    actor: Actor,
) -> Result<(), StoreError> {
    let at = core.now();
    core.store
        .write(move |tx| {
            if let Some(mut row) = tx.match_row(KIND, side, &id)? {
                row.sent = row.sent.map(|sent| SourceSent { failed: Some(why.clone()), ..sent });
                tx.put_match_rows(&[MatchRow { at, ..row }])?;
            }
            let what = format!("Lead source {id} of {}: what was sent is {outcome}", side.title());
            tx.audit(account_note(AuditEvent::Operated { what }, at, actor.clone())).map(drop)
        })
        .await
}

/// What a listing says about changes that were sent: those it shows are done; those it should show by now and does
/// not are a person's to look at. `listed` is when each side's listing was asked for.
pub(super) fn prove(
    core: &Core,
    tx: &mut Tx<'_>,
    rows: &mut [MatchRow],
    listed: &[(Side, Timestamp)],
) -> Result<(), StoreError> {
    let now = core.now();
    for at in 0..rows.len() {
        let (Some(sent), side) = (rows[at].sent.clone(), rows[at].side) else { continue };
        let there = side.other();
        let Some((_, asked_at)) = listed.iter().find(|(listed, asked)| *listed == there && *asked >= sent.at) else {
            continue;
        };
        let other = rows[at].other.clone();
        let Some(other) = rows.iter().find(|row| row.side == there && Some(&row.id) == other.as_ref()) else {
            continue;
        };
        let arrived = people::is_like(other, &sent.change);
        let due = *asked_at >= sent.at.plus(settle_time(core, there));
        if !arrived && (!due || sent.failed.is_some()) {
            continue;
        }
        let shows = if arrived { "shows" } else { "does not show" };
        let what = format!(
            "Lead source {} of {}: {} of {} {shows} the {} that {} sent",
            rows[at].id,
            side.title(),
            other.id,
            there.title(),
            sent.change.what(),
            sent.by
        );
        let failed = format!("{} does not show it", there.title());
        rows[at].sent = (!arrived).then_some(SourceSent { failed: Some(failed), ..sent });
        rows[at].at = now;
        tx.audit(account_note(AuditEvent::Operated { what }, now, Actor::engine()))?;
    }
    Ok(())
}
