//! Decisions by people: compare-and-set on what they saw, in one transaction with the audit row
//! (`engine.md` 5.3, 5.12). Exactly one decision per version (I5); the loser is told who was faster.

mod choice;
mod second;
mod undo;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::core::Core;
use super::plan::{self, Cause, Counterparts, Planned, link_records, put, supersede};
use crate::model::{
    Actor, AuditEvent, Choice, Decision, Fingerprint, Item, Kind, LinkState, ModuleDef, PairKey, Reason, Reasons,
    Record, Side, State, Timestamp, Verb, Verdict, item::Assignment,
};
use crate::store::{Note, Reads as _, StoreError, Tx};

/// Priority of a snoozed item.
const SNOOZED: u8 = 9;

/// How long an advisory claim lasts.
const CLAIM: std::time::Duration = std::time::Duration::from_secs(5 * 60);

/// Why a decision was not taken.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// No such item.
    Unknown,
    /// The item moved on since the operator looked; here it is now.
    Stale(Box<Item>),
    /// The verb does not fit, and why; here is the item.
    Invalid(Box<Item>, String),
}

/// A decision as asked for: `ver` and `seen` are compared when given.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The version seen; `None` takes whatever is there now.
    pub ver: Option<u32>,
    /// The fingerprint seen.
    pub seen: Option<Fingerprint>,
    /// Everything else. Its own `ver` and `seen` are filled in from the item.
    pub decision: Decision,
}

/// Takes one decision.
pub(super) async fn decide(core: &Arc<Core>, ask: Ask) -> Result<Result<Item, Refusal>, StoreError> {
    let shared = Arc::clone(core);
    let decided = core.store.write(move |tx| decide_in(&shared, tx, &ask)).await?;
    if decided.is_ok() {
        core.signals.push.notify_one();
        core.signals.plan.notify_one();
        core.signals.due.notify_one();
    }
    Ok(decided)
}

fn decide_in(core: &Core, tx: &mut Tx<'_>, ask: &Ask) -> Result<Result<Item, Refusal>, StoreError> {
    let Some(item) = tx.item(ask.decision.item)? else {
        return Ok(Err(Refusal::Unknown));
    };
    let verb = ask.decision.verb;
    let moved = ask.ver.is_some_and(|ver| ver != item.ver) || ask.seen.is_some_and(|seen| seen != item.seen);
    if moved {
        return Ok(Err(Refusal::Stale(Box::new(item))));
    }
    if !verb.accepts(item.state) {
        let why = if item.state.has_intent() {
            "a write is under way; it takes no verb until its outcome is known".to_owned()
        } else {
            format!("{verb} does not apply to an item that is {}", item.state)
        };
        return Ok(Err(Refusal::Invalid(Box::new(item), why)));
    }
    let decision = Decision { ver: item.ver, seen: item.seen, at: core.now(), ..ask.decision.clone() };
    let mut step = Step { core, tx, now: decision.at, decision: &decision, looked: ask.ver.is_some() };
    match step.carry_out(item.clone())? {
        Ok(after) => Ok(Ok(after)),
        Err(why) => Ok(Err(Refusal::Invalid(Box::new(item), why))),
    }
}

/// One decision being carried out. Checks come before writes: a refusal leaves nothing behind.
struct Step<'a, 'tx> {
    core: &'a Core,
    tx: &'a mut Tx<'tx>,
    now: Timestamp,
    decision: &'a Decision,
    /// They said which version they looked at.
    looked: bool,
}

/// The item afterwards, or why not.
type Taken = Result<Result<Item, String>, StoreError>;

impl Step<'_, '_> {
    fn carry_out(&mut self, mut item: Item) -> Taken {
        // Whatever else is decided, nobody waits for a second person's word on the earlier decision.
        if !matches!(self.decision.verb, Verb::Approve | Verb::Claim) && item.pending.take().is_some() {
            item.reasons = item.reasons.without(Reason::SecondPerson);
        }
        match self.decision.verb {
            Verb::Approve => self.approve(item),
            Verb::Force => self.force(item),
            Verb::Edit => self.edit(item),
            Verb::Skip => self.skip(item),
            Verb::Snooze => self.snooze(item),
            Verb::Hold => self.hold(item),
            Verb::Undo => self.undo(item),
            Verb::Retry => self.retry(item),
            Verb::Reopen => self.reopen(item),
            Verb::Pair => self.pair(item),
            Verb::Arrived => self.arrived(item),
            Verb::Resend => self.resend(item),
            Verb::Claim => self.claim(item),
        }
    }

    fn approve(&mut self, mut item: Item) -> Taken {
        if item.reasons.contains(Reason::Guard) {
            return Ok(Err("the bulk guard holds it: release the guard first".to_owned()));
        }
        if item.reasons.contains(Reason::Unproven) {
            return Ok(Err("settle the unproven write first: `arrived` or `resend`".to_owned()));
        }
        if item.reasons.contains(Reason::Anonymised) {
            return Ok(Err("the person was anonymised: nothing can be written; skip it".to_owned()));
        }
        if !self.looked && self.core.def(item.module).is_some_and(|def| def.request.is_some()) {
            return Ok(Err(format!(
                "what is booked is approved as it was seen: look at it, then give its version ({})",
                item.ver
            )));
        }
        if let Some(pending) = item.pending.take()
            && self.decision.choices.is_empty()
            && self.decision.side.is_none()
        {
            return self.confirm(item, pending);
        }
        if matches!(item.kind, Kind::Delete | Kind::Merge) {
            return if self.core.settings.second_person.close_pair {
                self.ask_second(item, BTreeMap::new())
            } else {
                self.close_pair(item)
            };
        }
        let references = self.references(&item)?;
        if let Err(why) = self.choose(&mut item, &references) {
            return Ok(Err(why));
        }
        if let Some(why) = self.unanswered(&item, &references) {
            return Ok(Err(why));
        }
        self.make_ready(&mut item);
        self.store(item)
    }

    fn force(&mut self, item: Item) -> Taken {
        let Some(side) = self.decision.side else {
            return Ok(Err("say which side wins".to_owned()));
        };
        if self.decision.reason.as_deref().is_none_or(|reason| reason.trim().is_empty()) {
            return Ok(Err("a force-push needs a reason".to_owned()));
        }
        if item.kind != Kind::Update && item.kind != Kind::Undo {
            return Ok(Err("only a linked pair can be forced".to_owned()));
        }
        if item.reasons.contains(Reason::Anonymised) || item.reasons.contains(Reason::Unproven) {
            return Ok(Err("it cannot be forced in this state".to_owned()));
        }
        let Some(def) = self.core.def(item.module) else {
            return Ok(Err("the module is switched off".to_owned()));
        };
        if let Some(why) = never_written(def, side.other()) {
            return Ok(Err(why));
        }
        let (choices, overwritten) = match choice::forced(def, &item, side, &self.references(&item)?) {
            Ok(forced) => forced,
            Err(why) => return Ok(Err(why)),
        };
        if self.core.settings.second_person.force.is_some_and(|fields| overwritten >= fields) {
            return self.ask_second(item, choices);
        }
        self.force_through(item, side, choices)
    }

    fn force_through(&mut self, mut item: Item, side: Side, choices: BTreeMap<String, Choice>) -> Taken {
        for row in &mut item.plan.fields {
            match choices.get(&row.field) {
                Some(choice) => row.choice = Some(choice.clone()),
                // It stays a question, whatever had been drafted for it.
                None if row.verdict == Verdict::Conflict => row.choice = None,
                None => {}
            }
        }
        self.make_ready(&mut item);
        item.forced = Some(side);
        self.store(item)
    }

    fn edit(&mut self, mut item: Item) -> Taken {
        // What is drafted from here on nobody has approved.
        undo::forget_force(&mut item);
        item.decided = false;
        let references = self.references(&item)?;
        if let Err(why) = self.choose(&mut item, &references) {
            return Ok(Err(why));
        }
        item.state = State::Held;
        if item.reasons.is_empty() {
            item.reasons = Reasons::one(Reason::Parked);
        }
        self.store(item)
    }

    fn skip(&mut self, mut item: Item) -> Taken {
        undo::forget_force(&mut item);
        item.decided = false;
        item.skipped_seen = Some(item.seen);
        item.state = State::Skipped;
        item.reasons = Reasons::NONE;
        item.guard_pass = false;
        let survivor = item.waits_for.take().filter(|_| item.kind == Kind::Merge);
        let taken = self.store(item)?;
        plan::release(self.core, self.tx, survivor)?;
        Ok(taken)
    }

    fn snooze(&mut self, mut item: Item) -> Taken {
        let Some(until) = self.decision.until.filter(|until| *until > self.now) else {
            return Ok(Err("say until when, in the future".to_owned()));
        };
        item.state = State::Held;
        item.reasons = item.reasons.with(Reason::Parked);
        item.ready_at = until;
        // Below everything that waits now; the end of the snooze lifts it again.
        item.priority = SNOOZED;
        item.decided = false;
        undo::forget_force(&mut item);
        self.store(item)
    }

    fn hold(&mut self, mut item: Item) -> Taken {
        item.state = State::Held;
        item.reasons = Reasons::one(Reason::Parked);
        item.ready_at = Timestamp::EPOCH;
        item.decided = false;
        undo::forget_force(&mut item);
        self.store(item)
    }

    fn retry(&mut self, mut item: Item) -> Taken {
        item.state = State::Ready;
        item.ready_at = self.now;
        (item.attempts, item.claims) = (0, 0);
        self.store(item)
    }

    fn reopen(&mut self, mut item: Item) -> Taken {
        item.state = State::New;
        item.skipped_seen = None;
        self.store_and_replan(item)
    }

    /// Pairs a lone record with one of its candidates (or any unlinked record the operator names).
    fn pair(&mut self, item: Item) -> Taken {
        let (PairKey::Lone(side, record), Some(other)) = (item.pair.clone(), self.decision.record.clone()) else {
            return Ok(Err("name the record to pair with".to_owned()));
        };
        let there = self.tx.observation(item.module, side.other(), &other)?;
        if there.is_none_or(|known| known.absent) {
            return Ok(Err(format!("{} has no record {other} that Tandem has seen", side.other().title())));
        }
        if self.tx.link_of(item.module, side.other(), &other)?.is_some() {
            return Ok(Err(format!("{} record {other} is paired already", side.other().title())));
        }
        self.tx.put_decision(self.decision)?;
        let (ivvy, crm) = if side == Side::Ivvy { (&record, &other) } else { (&other, &record) };
        let reason = format!("paired by {}", self.decision.actor.name);
        self.audit_only(&item)?;
        let link = link_records(self.tx, item.module, ivvy, crm, &reason, self.now)?;
        plan::by_key(self.core, self.tx, item.module, &PairKey::Link(link), Cause::Reopened)?;
        let after = self.tx.item(item.id)?.unwrap_or(item);
        Ok(Ok(after))
    }

    /// The remote has the write: an operator says so, and names the record for a create.
    fn arrived(&mut self, mut item: Item) -> Taken {
        if !item.reasons.contains(Reason::Unproven) {
            return Ok(Err("its outcome is not in doubt".to_owned()));
        }
        if let (PairKey::Lone(..), None) = (&item.pair, &self.decision.record) {
            return Ok(Err("name the record that was created".to_owned()));
        }
        if matches!(item.pair, PairKey::Lone(..)) {
            return self.pair(item);
        }
        item.state = State::New;
        item.reasons = Reasons::NONE;
        self.store_and_replan(item)
    }

    fn resend(&mut self, mut item: Item) -> Taken {
        if !item.reasons.contains(Reason::Unproven) {
            return Ok(Err("its outcome is not in doubt".to_owned()));
        }
        item.state = State::Ready;
        item.reasons = Reasons::NONE;
        item.ready_at = self.now;
        item.claims = 0;
        self.store(item)
    }

    fn claim(&mut self, mut item: Item) -> Taken {
        item.assigned = Some(Assignment { who: self.decision.actor.name.clone(), until: self.now.plus(CLAIM) });
        self.store(item)
    }

    /// The counterpart is gone: the pair is closed for good, and what is left stays as it is. Is it gone
    /// by a merge, the survivor's pair goes on by itself.
    fn close_pair(&mut self, mut item: Item) -> Taken {
        let PairKey::Link(id) = item.pair else {
            return Ok(Err("there is no pair to close".to_owned()));
        };
        if let Some(mut link) = self.tx.link(id)? {
            link.state = LinkState::Tombstone;
            let reason = format!("closed by {}", self.decision.actor.name);
            let note = Note {
                at: self.now,
                actor: self.decision.actor.clone(),
                module: Some(item.module),
                item: Some(item.id),
                link: Some(id),
                what: AuditEvent::Unlinked { reason },
            };
            self.tx.put_link(&link, note)?;
        }
        item.state = State::Done;
        item.reasons = Reasons::NONE;
        let survivor = item.waits_for.take().filter(|_| item.kind == Kind::Merge);
        let taken = self.store(item)?;
        plan::release(self.core, self.tx, survivor)?;
        Ok(taken)
    }

    // --- shared steps ---------------------------------------------------------------------------

    fn title(&self, item: &Item, field: &str) -> String {
        let title =
            self.core.def(item.module).and_then(|def| def.field(field)).map(|def| def.title.clone().into_owned());
        title.unwrap_or_else(|| field.to_owned())
    }

    /// What the records of the item refer to, as the other side knows it now.
    fn references(&self, item: &Item) -> Result<Counterparts, StoreError> {
        let Some(def) = self.core.def(item.module) else { return Ok(Counterparts::default()) };
        let [ivvy, crm] = Side::BOTH.map(|side| Record {
            fields: item
                .plan
                .fields
                .iter()
                .filter_map(|row| Some((row.field.clone(), row.on(side)?.clone())))
                .collect(),
            ..Record::default()
        });
        Counterparts::of(self.tx, def, Some(&ivvy), Some(&crm))
    }

    fn make_ready(&self, item: &mut Item) {
        // The marks say what moved since somebody last looked, and somebody just did.
        for row in &mut item.plan.fields {
            row.moved = false;
        }
        item.state = State::Ready;
        item.reasons = Reasons::NONE;
        // An undo takes one decision back, not those before it on the same item.
        item.pushed.clear();
        item.decided = true;
        item.priority = 0;
        item.ready_at = self.now;
        item.waits_for = None;
        (item.attempts, item.claims) = (0, 0);
    }

    fn store(&mut self, mut item: Item) -> Taken {
        let overridden = overridden(&item);
        item.ver += 1;
        item.updated_at = self.now;
        item.decided_by = Some(self.decision.actor.name.clone());
        self.tx.put_decision(self.decision)?;
        self.audit(&item, overridden)?;
        Ok(Ok(item))
    }

    fn store_and_replan(&mut self, item: Item) -> Taken {
        let item = match self.store(item)? {
            Ok(item) => item,
            refused @ Err(_) => return Ok(refused),
        };
        let planned = plan::by_key(self.core, self.tx, item.module, &item.pair, Cause::Reopened)?;
        let mut after = self.tx.item(item.id)?.unwrap_or(item);
        if after.state == State::New && planned == Planned::Settled {
            supersede(self.tx, after.clone(), self.now, "its records no longer stand")?;
            after.state = State::Superseded;
        }
        Ok(Ok(after))
    }

    fn audit(&mut self, item: &Item, overridden: Vec<(String, Side, Fingerprint)>) -> Result<(), StoreError> {
        let what = AuditEvent::Decided {
            verb: self.decision.verb,
            ver: self.decision.ver,
            reason: self.decision.reason.clone(),
            overridden,
        };
        put(self.tx, item, self.decision.actor.clone(), self.now, what)
    }

    /// The audit row of a decision that closes its item through another step.
    fn audit_only(&mut self, item: &Item) -> Result<(), StoreError> {
        let note = Note {
            at: self.now,
            actor: self.decision.actor.clone(),
            module: Some(item.module),
            item: Some(item.id),
            link: None,
            what: AuditEvent::Decided {
                verb: self.decision.verb,
                ver: self.decision.ver,
                reason: self.decision.reason.clone(),
                overridden: Vec::new(),
            },
        };
        self.tx.audit(note).map(|_| ())
    }
}

/// The values a decision overrides, as fingerprints: the losing side of every chosen field.
fn overridden(item: &Item) -> Vec<(String, Side, Fingerprint)> {
    let mut lost = Vec::new();
    for row in &item.plan.fields {
        let losers: &[Side] = match &row.choice {
            Some(Choice::Ivvy) => &[Side::Crm],
            Some(Choice::Crm) => &[Side::Ivvy],
            Some(Choice::Custom(_) | Choice::Each { .. }) => &Side::BOTH,
            Some(Choice::Keep) | None => &[],
        };
        for side in losers {
            if let Some(value) = row.on(*side) {
                lost.push((row.field.clone(), *side, Fingerprint::of(value)));
            }
        }
    }
    lost
}

/// Why nothing of a module is ever written on `side`: a direction is a property of the module, whoever asks
/// (V-30, V-43, V-50, V-81).
fn never_written(def: &ModuleDef, side: Side) -> Option<String> {
    let why = def.one_way().map(|why| format!(": {why}")).unwrap_or_default();
    (!def.flow.may_write(side)).then(|| format!("{} are never written to {}{why}", def.id.title(), side.title()))
}

/// A note in the audit log about the account as a whole.
pub(super) fn account_note(what: AuditEvent, at: Timestamp, actor: Actor) -> Note {
    Note { at, actor, module: None, item: None, link: None, what }
}
