//! Taking a decision back: before its push, and afterwards as a new item that proposes the reverse.
//!
//! An undo is a proposal like any other: it is shown, approved, and pushed by the ordinary protocol.

use super::{Step, Taken};
use crate::merge::canonical::same;
use crate::merge::transform::carry;
use crate::model::{
    Choice, FieldDef, FieldKind, FieldPlan, Item, Kind, PairKey, Reason, Reasons, Side, State, Timestamp, Transform,
    Value, Verdict, Why, item::PushedField,
};
use crate::store::Reads as _;
use crate::sync::plan;

impl Step<'_, '_> {
    /// Before the push: back to held with the choices kept. Afterwards: a new item that would put the
    /// old values back, as far as nobody changed them since.
    pub(super) fn undo(&mut self, item: Item) -> Taken {
        if item.state == State::Ready { self.hold(item) } else { self.undo_pushed(item) }
    }

    fn undo_pushed(&mut self, item: Item) -> Taken {
        let PairKey::Link(link) = item.pair else {
            return Ok(Err("nothing was written that could be undone".to_owned()));
        };
        if item.pushed.is_empty() {
            return Ok(Err("only changes to existing records can be undone, and this item made none".to_owned()));
        }
        let mut standing = plan::standing(self.tx, item.module, &item.pair)?;
        if let Some(drift) =
            standing.take_if(|item| item.state == State::Skipped && item.reasons.contains(Reason::Drift))
        {
            // Nobody's decision: it is noted again when the undo is through, if it is still there.
            plan::supersede(self.tx, drift, self.now, "an undo takes its place")?;
        }
        if let Some(standing) = standing {
            let first = if standing.state.is_open() { "an open item: settle" } else { "a skipped difference: reopen" };
            return Ok(Err(format!("the pair has {first} that first")));
        }
        let (Some(view), Some(def)) =
            (plan::view_of_link(self.core, self.tx, item.module, link)?, self.core.def(item.module))
        else {
            return Ok(Err("the pair no longer stands".to_owned()));
        };
        if !view.gone.is_empty() {
            return Ok(Err("one of the two records is gone".to_owned()));
        }
        if view.ivvy.anonymised {
            return Ok(Err("the person was anonymised: personal data is not written back".to_owned()));
        }
        let base = self.tx.base(link)?;
        let counterparts = plan::Counterparts::of(self.tx, def, Some(&view.ivvy), Some(&view.crm))?;
        let mut fresh = crate::merge::plan::of_pair(def, &view.ivvy, &view.crm, &base, &counterparts, &[]);
        for row in &mut fresh.fields {
            let pushed: Vec<&PushedField> = item.pushed.iter().filter(|pushed| pushed.field == row.field).collect();
            if let (Some(field), [first, ..]) = (def.field(&row.field), pushed.as_slice()) {
                propose_before(field, row, first, &pushed);
            } else {
                // An undo does what it says, and nothing besides.
                (row.verdict, row.why) = (Verdict::Same, Why::Unchanged);
            }
        }
        fresh.summary = format!("undo of item {}", item.id);
        let id = self.tx.new_item_id()?;
        let undo = Item {
            state: State::Held,
            reasons: Reasons::one(Reason::Parked),
            ver: 1,
            seen: plan::seen_of(view.ivvy_hash, view.crm_hash, &base, def.mapping_version),
            ready_at: Timestamp::EPOCH,
            title: item.title,
            plan: fresh,
            ..Item::new(id, item.module, item.pair, Kind::Undo, self.now)
        };
        self.tx.put_decision(self.decision)?;
        self.audit(&undo, Vec::new())?;
        Ok(Ok(undo))
    }
}

/// Takes a force-push back with the results it set: they are not somebody's choices, and whoever
/// approves next must not carry them out unawares.
pub(super) fn forget_force(item: &mut Item) {
    if item.forced.take().is_some() {
        item.plan.fields.iter_mut().for_each(|row| row.choice = None);
    }
}

/// Turns a row of an undo's plan to what was there before `pushed`, the item's writes of its field in
/// order. A change that had gone over by itself goes back on both sides. Where a person had decided, each
/// side gets its own value back. A value that moved since is a question (I25).
fn propose_before(field: &FieldDef, row: &mut FieldPlan, first: &PushedField, pushed: &[&PushedField]) {
    let of = |side: Side| pushed.iter().filter(move |pushed| pushed.side == side);
    let untouched = Side::BOTH.into_iter().all(|side| {
        let last = of(side).next_back();
        let expected = last.map(|last| &last.after).or_else(|| row.base_on(side));
        expected.is_none_or(|expected| row.on(side).is_some_and(|now| same(field.kind, now, expected)))
    });
    row.verdict = Verdict::Conflict;
    row.why = Why::BothChanged;
    row.moved = !untouched;
    row.choice = None;
    if !untouched {
        return;
    }
    if !first.decided {
        // A reference's old id means something on its own side only.
        let plain = !matches!(field.kind, FieldKind::Reference(_) | FieldKind::Match(_));
        row.choice = in_ivvys_words(field, first).filter(|_| plain).map(Choice::Custom);
        return;
    }
    let before = |side: Side| of(side).next().map(|pushed| pushed.before.clone()).or_else(|| row.on(side).cloned());
    if let (Some(ivvy), Some(crm)) = (before(Side::Ivvy), before(Side::Crm)) {
        row.choice = Some(Choice::Each { ivvy, crm });
        (row.base_ivvy, row.base_crm) = (first.base.ivvy.clone(), first.base.crm.clone());
    }
}

/// What was there before, as somebody would type it. Nothing if the field's value table does not know it (any
/// more): half of an undo is none.
fn in_ivvys_words(field: &FieldDef, first: &PushedField) -> Option<Value> {
    let Transform::Values(_) = field.transform else { return Some(first.before.clone()) };
    let there = carry(field, first.side, &first.before)?;
    Some(if first.side == Side::Crm { there } else { first.before.clone() })
}
