//! What people decide about match rows: pair, part, set aside. One transaction each, with who did it, and
//! the whole table matched anew in it, so that nothing waits for the next listing.

use std::sync::Arc;

use super::operate::MatchRefusal;
use super::{MatchMode, mode, store_changes};
use crate::merge::people;
use crate::model::matching::{Entry, MatchRow, MatchState};
use crate::model::{Actor, MatchKind, RecordId, Side, Timestamp};
use crate::store::{Reads as _, StoreError, Tx};
use crate::sync::core::Core;

/// The row afterwards, or why not.
pub(super) type Decided = Result<Result<MatchRow, MatchRefusal>, StoreError>;

/// Pairs two entries by hand.
pub(super) async fn pair(core: &Arc<Core>, kind: MatchKind, ivvy: RecordId, crm: RecordId, actor: Actor) -> Decided {
    let mode = mode(core, kind);
    change(core, kind, (Side::Ivvy, ivvy.clone()), actor, "paired", move |table| {
        if let MatchMode::Master(master) = mode {
            table.remember(master, &ivvy, &crm);
        }
        for (side, id, other) in [(Side::Ivvy, &ivvy, &crm), (Side::Crm, &crm, &ivvy)] {
            let row = table.find(side, id)?;
            if row.gone {
                return Err(MatchRefusal::Refused(format!("{} does not list {id} any longer", side.title())));
            }
            if row.other.as_ref().is_some_and(|with| with != other) {
                return Err(MatchRefusal::Refused(format!(
                    "{id} of {} is paired already: part it first",
                    side.title()
                )));
            }
        }
        for (side, id, other) in [(Side::Ivvy, &ivvy, &crm), (Side::Crm, &crm, &ivvy)] {
            table.decide(side, id, |row| {
                (row.state, row.other) = (MatchState::Manual, Some(other.clone()));
                row.parted.retain(|parted| parted != other);
            })?;
        }
        Ok(())
    })
    .await
}

/// Parts a pair; the two are not matched again unasked.
pub(super) async fn unpair(core: &Arc<Core>, kind: MatchKind, side: Side, id: RecordId, actor: Actor) -> Decided {
    change(core, kind, (side, id.clone()), actor, "parted", move |table| {
        let Some(other) = table.find(side, &id)?.other.clone() else {
            return Err(MatchRefusal::Refused(format!("{id} of {} is not paired", side.title())));
        };
        for (side, id, other) in [(side, &id, &other), (side.other(), &other, &id)] {
            table.decide(side, id, |row| {
                (row.state, row.other) = (MatchState::Unmatched, None);
                row.parted.push(other.clone());
            })?;
        }
        Ok(())
    })
    .await
}

/// Sets an entry aside, or takes it back into matching. A pair it was part of ends.
pub(super) async fn ignore(
    core: &Arc<Core>,
    kind: MatchKind,
    side: Side,
    id: RecordId,
    ignored: bool,
    actor: Actor,
) -> Decided {
    let cause = if ignored { "set aside" } else { "taken back" };
    change(core, kind, (side, id.clone()), actor, cause, move |table| {
        let row = table.find(side, &id)?;
        let (is_ignored, other) = (row.state == MatchState::Ignored, row.other.clone());
        if ignored == is_ignored {
            return Ok(());
        }
        if let Some(other) = other {
            table.decide(side.other(), &other, |row| (row.state, row.other) = (MatchState::Unmatched, None))?;
        }
        let state = if ignored { MatchState::Ignored } else { MatchState::Unmatched };
        table.decide(side, &id, |row| (row.state, row.other) = (state, None))
    })
    .await
}

/// The rows of a kind while a person changes them.
struct Draft {
    kind: MatchKind,
    rows: Vec<MatchRow>,
    who: String,
    now: Timestamp,
}

impl Draft {
    fn find(&self, side: Side, id: &RecordId) -> Result<&MatchRow, MatchRefusal> {
        let found = self.rows.iter().find(|row| row.side == side && row.id == *id);
        found.ok_or_else(|| MatchRefusal::Unknown { side, id: id.clone() })
    }

    fn decide(&mut self, side: Side, id: &RecordId, change: impl FnOnce(&mut MatchRow)) -> Result<(), MatchRefusal> {
        let found = self.rows.iter_mut().find(|row| row.side == side && row.id == *id);
        let row = found.ok_or_else(|| MatchRefusal::Unknown { side, id: id.clone() })?;
        change(row);
        row.decided_by = Some(self.who.clone());
        row.at = self.now;
        Ok(())
    }

    /// On the side that cannot be listed a person's word is all there is: the id is taken as said.
    fn remember(&mut self, master: Side, ivvy: &RecordId, crm: &RecordId) {
        let (ours, theirs) = if master == Side::Ivvy { (ivvy, crm) } else { (crm, ivvy) };
        let Ok(name) = self.find(master, ours).map(|row| row.name.clone()) else { return };
        if self.find(master.other(), theirs).is_err() {
            let entry = Entry { id: theirs.clone(), name, email: None, active: true };
            self.rows.push(MatchRow::new(self.kind, master.other(), &entry, self.now));
        }
    }
}

async fn change(
    core: &Arc<Core>,
    kind: MatchKind,
    of: (Side, RecordId),
    actor: Actor,
    cause: &'static str,
    alter: impl Fn(&mut Draft) -> Result<(), MatchRefusal> + Send + 'static,
) -> Decided {
    let shared = Arc::clone(core);
    let decided = core
        .store
        .write(move |tx: &mut Tx<'_>| {
            let now = shared.now();
            let before = tx.match_table(kind)?;
            let mut draft = Draft { kind, rows: before.clone(), who: actor.name.clone(), now };
            if let Err(refusal) = alter(&mut draft) {
                return Ok(Err(refusal));
            }
            let [ivvy, crm] = Side::BOTH.map(|side| people::entries_of(&draft.rows, side));
            let after = people::rematch(kind, &ivvy, &crm, &draft.rows, now);
            store_changes(tx, kind, &before, &after, &actor, cause)?;
            let (side, id) = &of;
            let row = tx.match_row(kind, *side, id)?;
            Ok(row.ok_or_else(|| MatchRefusal::Unknown { side: *side, id: id.clone() }))
        })
        .await?;
    if decided.is_ok() {
        core.signals.plan.notify_one();
        core.matching.wake.notify_one();
    }
    Ok(decided)
}
