//! Decisions: which items, what is asked before, and what is sent. What came of it is `outcome` and `bulk`.
//!
//! A decision names the version the operator saw. Several at once are frozen when the question is
//! asked: what changes meanwhile is left out by the daemon and reported by name, never swept along.

mod bulk;
mod outcome;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

pub use self::bulk::Bulk;
use super::{App, Effect, Tab, Tag, Target};
use crate::model::{Choice, FieldPlan, Item, Kind, PairKey, RecordId, Side, Timestamp, Verb};
use crate::text::Safe;
use crate::tui::action::{Action, ActionId, Tier};
use crate::tui::dialog::{Dialog, Field, Form, Input, Purpose};
use crate::tui::triage::choosable;
use crate::wire::{Decide, Request};

/// From this many records on, the count must be typed.
const TYPED_ABOVE: usize = 100;

/// How long a snooze lasts: what is offered, and the time.
const SNOOZES: [(&str, Duration); 4] = [
    ("1 hour", Duration::from_secs(3_600)),
    ("4 hours", Duration::from_secs(4 * 3_600)),
    ("1 day", Duration::from_secs(24 * 3_600)),
    ("1 week", Duration::from_secs(7 * 24 * 3_600)),
];

/// What goes along with a verb.
#[derive(Clone, Debug, Default)]
struct Details {
    choices: BTreeMap<String, Choice>,
    side: Option<Side>,
    until: Option<Timestamp>,
    record: Option<RecordId>,
    reason: Option<String>,
}

/// Why a side's value cannot be chosen for a field.
pub(super) fn side_refusal(row: &FieldPlan, side: Side) -> Option<String> {
    choosable(row, side).err()
}

impl App {
    /// The items an action is about: the open one, the marked ones, or the one under the cursor.
    fn targets(&self, verb: Verb) -> Vec<Target> {
        if self.tab == Tab::Diff {
            return self.triage.view().map(|view| target_of(&view.item)).into_iter().collect();
        }
        if self.queue.marks.is_empty() {
            let row = self.queue.current().map(|entry| &entry.row);
            let target = row.map(|row| Target {
                id: row.id,
                version: row.version,
                seen: None,
                title: row.title.clone(),
                module: row.module,
                kind: row.kind,
            });
            return target.into_iter().collect();
        }
        let fitting = self.queue.marks.iter().filter(|(_, mark)| verb.accepts(mark.state));
        fitting
            .map(|(id, mark)| Target {
                id: *id,
                version: mark.version,
                seen: None,
                title: mark.title.clone(),
                module: mark.module,
                kind: mark.kind,
            })
            .collect()
    }

    fn production(&self) -> bool {
        self.hello.environment.eq_ignore_ascii_case("production")
    }

    pub(super) fn decide_action(&mut self, id: ActionId, effects: &mut Vec<Effect>) {
        let action = Action::of(id);
        let Some(verb) = action.verb else { return };
        let targets = self.targets(verb);
        // Where candidates wait for an answer, "approve" means "none of them": that makes a record for good.
        let makes = verb == Verb::Approve && targets.iter().any(|target| target.kind == Kind::Link);
        let many = targets.len() > 1 || (self.tab == Tab::Queue && !self.queue.marks.is_empty());
        let tier = match (many, targets.len()) {
            (true, count) if count > TYPED_ABOVE || self.production() => action.tier.max(Tier::T3),
            (true, _) => action.tier.max(Tier::T2),
            (false, _) if makes => action.tier.max(Tier::T2),
            (false, _) => action.tier,
        };
        let extra = matches!(verb, Verb::Snooze | Verb::Arrived | Verb::Force);
        if tier < Tier::T2 && !extra {
            self.send(verb, targets, Details::default(), effects);
            return;
        }
        let form = self.question(action, verb, targets, tier);
        self.dialogs.push(Dialog::Form(Box::new(form)));
    }

    /// The dialog that stands before a verb.
    fn question(&self, action: &'static Action, verb: Verb, targets: Vec<Target>, tier: Tier) -> Form {
        let count = targets.len();
        let what = match targets.as_slice() {
            [one] => format!("{} #{} {}", one.module.singular(), one.id, one.title),
            many => format!("{} items", many.len()),
        };
        let creates = targets.iter().filter(|target| verb == Verb::Approve && target.kind == Kind::Link).count();
        let (title, submit) = match (count, creates) {
            (1, 1) => (format!("Create a new record? {what}"), "create"),
            _ => (format!("{}: {what}", action.title), action.title),
        };
        let purpose = Purpose::Verb { verb, targets: targets.clone() };
        let mut form = Form::new(&title, submit, tier, purpose);
        if creates > 0 {
            form = form.line(&self.creation(&targets, creates));
            form = form.line("Once written this cannot be undone: Tandem deletes no record of another system.");
        }
        if count > 1 {
            let names: Vec<String> =
                targets.iter().take(5).map(|target| Safe::limited(&target.title, 40).to_string()).collect();
            let more = if count > names.len() { format!(" and {} more", count - names.len()) } else { String::new() };
            form = form.line(&format!("{}{more}", names.join(", ")));
            let left = self.queue.marks.len().saturating_sub(count);
            if left > 0 {
                form =
                    form.line(&format!("{left} marked item(s) are left out: {verb} is not possible in their state."));
            }
            form = form.line("Each on the version you saw; what changed meanwhile is left out and named.");
        }
        match verb {
            Verb::Force => {
                form = form.line("The side you choose wins on every field; the other side's values go to the log.");
                for side in Side::BOTH {
                    if let Some(words) = self.hello.guarantees.get(&side.other()) {
                        form = form.line(&format!("{} wins: {words}", self.hello.sides.of(side)));
                    }
                }
                form = form.field(Field::Side(None));
            }
            Verb::Snooze => {
                let options = SNOOZES.iter().map(|(name, _)| *name).collect();
                form = form.field(Field::Options { label: "for", options, selected: 0 });
            }
            Verb::Arrived => {
                form = form.line("Look in the remote system. Which record did the write arrive as?");
                let input = Input::new("", false);
                form = form.field(Field::Text { label: "record id", input, required: true });
            }
            Verb::Resend => form = form.line("If the first write did arrive after all, this can make a duplicate."),
            _ => {}
        }
        if tier == Tier::T3 {
            let expect = match targets.as_slice() {
                [one] => one.id.to_string(),
                many => many.len().to_string(),
            };
            let reason = Field::Text { label: "reason", input: Input::new("", false), required: true };
            form = form.field(Field::Typed { expect, input: Input::new("", false) }).field(reason);
        }
        form
    }

    /// What approving makes where there are candidates, or several could be meant.
    fn creation(&self, targets: &[Target], creates: usize) -> String {
        if targets.len() > 1 {
            let records = if creates == 1 { "1 new record".to_owned() } else { format!("{creates} new records") };
            return format!("{records} would be made that may be there already: open the item to see the candidates.");
        }
        let open = self.triage.view().filter(|view| self.tab == Tab::Diff && view.item.kind == Kind::Link);
        let Some(view) = open else {
            return "A new record is made on the other side. Open the item (Enter) to see what could be meant instead."
                .to_owned();
        };
        let there = match &view.item.pair {
            PairKey::Lone(side, _) => self.hello.sides.of(side.other()),
            PairKey::Link(_) => "the other system",
        };
        let what = format!("A new {} \"{}\" is made in {there}", view.item.module.singular(), view.item.title);
        match view.item.plan.candidates.len() {
            0 => format!("{what}."),
            1 => format!("{what}, beside the 1 that may be the same. To pair with that: Esc, Tab, Enter."),
            many => format!("{what}, beside the {many} that may be the same. To pair with one: Esc, Tab, Enter."),
        }
    }

    pub(super) fn ask_pair(&mut self) {
        let Some(view) = self.triage.view() else { return };
        let Some(candidate) = view.item.plan.candidates.get(self.triage.cursor()) else { return };
        let (target, record) = (target_of(&view.item), candidate.id.clone());
        let form = Form::new("Pair these two records?", "pair", Tier::T2, Purpose::Pair { target, record })
            .line(&format!(
                "{} with {} {} in {}",
                view.item.title,
                candidate.title,
                candidate.id,
                self.hello.sides.of(candidate.side)
            ))
            .line("They are kept in step from then on.");
        self.dialogs.push(Dialog::Form(Box::new(form)));
    }

    /// A form was completed.
    pub(super) fn submit(&mut self, form: Form, effects: &mut Vec<Effect>) {
        match form.purpose.clone() {
            Purpose::Verb { verb, targets } => {
                let text = Some(form.first_text()).filter(|text| !text.trim().is_empty());
                let until = (verb == Verb::Snooze)
                    .then(|| form.option().and_then(|at| SNOOZES.get(at)).map(|(_, time)| self.now.plus(*time)))
                    .flatten();
                let mut details = Details { side: form.side(), until, ..Details::default() };
                match verb {
                    Verb::Arrived => details.record = text.map(|text| RecordId(text.trim().to_owned())),
                    _ => details.reason = text,
                }
                self.send(verb, targets, details, effects);
            }
            Purpose::Pair { target, record } => {
                let details = Details { record: Some(record), ..Details::default() };
                self.send(Verb::Pair, vec![target], details, effects);
            }
            Purpose::EditField { kind } => {
                if let Some(choice) = form.value(kind) {
                    self.triage.choose(choice);
                }
            }
            Purpose::FilterText => {
                let text = form.first_text();
                self.queue.filter.text = Some(text.trim().to_owned()).filter(|text| !text.is_empty());
                self.refilter();
            }
            Purpose::MatchFilter => {
                let text = form.first_text();
                self.matching.text = Some(text.trim().to_owned()).filter(|text| !text.is_empty());
                self.rematch_filter();
            }
            Purpose::Goto => {
                if let Ok(id) = form.first_text().trim().parse() {
                    self.open_item(id);
                }
            }
            Purpose::MapField { field, seen } => self.submit_field(&field, seen, form),
            Purpose::Map(change) => effects.push(Effect::Call(Tag::MapChanged, Request::MapChange(*change))),
            Purpose::Stream { stream, verb } => {
                effects.push(Effect::Call(Tag::Done, Request::StreamDo { stream, verb }));
            }
            Purpose::FirstSync { stream } => self.submit_first_sync(stream, &form, effects),
            Purpose::Quit => effects.push(Effect::Quit),
            purpose => self.submit_operation(&purpose, &form, effects),
        }
    }

    fn send(&mut self, verb: Verb, targets: Vec<Target>, mut details: Details, effects: &mut Vec<Effect>) {
        if verb == Verb::Approve && self.tab == Tab::Diff {
            details.choices = self.triage.choices();
        }
        let decisions: VecDeque<Decide> = targets.iter().map(|target| decide(verb, target, &details)).collect();
        match (targets.as_slice(), decisions.front()) {
            ([target], Some(decision)) => {
                self.advance =
                    self.tab == Tab::Diff && matches!(verb, Verb::Approve | Verb::Skip | Verb::Snooze | Verb::Force);
                let tag = Tag::Decide { verb, target: target.clone() };
                effects.push(Effect::Call(tag, Request::Decide(decision.clone())));
            }
            _ => {
                self.bulk = Some(Bulk::new(verb, decisions, targets));
                self.next_batch(effects);
            }
        }
    }

    fn undo_hint(&self, verb: Verb) -> String {
        match inverse(verb) {
            Some(_) => format!("; {} takes it back", self.key_hint(ActionId::Undo)),
            None => String::new(),
        }
    }

    pub(super) fn has_undo(&self) -> bool {
        !self.journal.is_empty()
    }

    pub(super) fn undo(&mut self, effects: &mut Vec<Effect>) {
        let open = (self.tab == Tab::Diff && self.triage.refusal(Verb::Undo).is_none())
            .then(|| self.triage.view().map(|view| target_of(&view.item)))
            .flatten();
        if let Some(target) = open {
            self.journal.retain(|entry| !entry.targets.iter().any(|known| known.id == target.id));
            self.send(Verb::Undo, vec![target], Details::default(), effects);
        } else if let Some(entry) = self.journal.pop() {
            self.send(entry.verb, entry.targets, Details::default(), effects);
        }
    }
}

fn target_of(item: &Item) -> Target {
    let (title, seen) = (item.title.clone(), Some(item.seen));
    Target { id: item.id, version: item.ver, seen, title, module: item.module, kind: item.kind }
}

/// The verb that takes another one back.
fn inverse(verb: Verb) -> Option<Verb> {
    match verb {
        Verb::Approve | Verb::Force => Some(Verb::Undo),
        Verb::Skip => Some(Verb::Reopen),
        _ => None,
    }
}

fn decide(verb: Verb, target: &Target, details: &Details) -> Decide {
    Decide {
        item: target.id,
        ver: Some(target.version),
        seen: target.seen,
        verb,
        choices: details.choices.clone(),
        side: details.side,
        until: details.until,
        record: details.record.clone(),
        reason: details.reason.clone(),
    }
}
