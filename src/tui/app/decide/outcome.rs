//! What came of a single decision: taken, refused, moved on meanwhile, and later written or not.
//!
//! Decides nothing anew but one thing: an undo follows its item as long as nobody else has decided since.

use super::{Details, decide, inverse, target_of};
use crate::error::{Error, ErrorKind};
use crate::model::{Item, ItemId, Kind, State, Verb};
use crate::text::Safe;
use crate::tui::action::ActionId;
use crate::tui::app::{App, Effect, Tab, Tag, Target, Undoable};
use crate::tui::queue::{Direction, Found};
use crate::tui::toast::Severity;
use crate::wire::Request;

/// Decided items whose end is watched at most: beyond that the queue shows it anyway.
const AWAITED: usize = 256;

impl App {
    /// A single decision was taken.
    pub(in crate::tui::app) fn decided(&mut self, verb: Verb, target: &Target, item: &Item) {
        self.refresh.all_now();
        self.queue.marks.remove(&target.id);
        if !matches!(verb, Verb::Claim | Verb::Hold) {
            self.triage.forget(target.id);
        }
        if let Some(inverse) = inverse(verb) {
            self.journal.push(Undoable { verb: inverse, targets: vec![target_of(item)] });
        }
        if item.state == State::Ready {
            self.await_outcome(item.id);
        }
        let undo = match (verb, target.kind) {
            // A record that was made stays: nothing is ever deleted.
            (Verb::Approve, Kind::Link | Kind::Create) => format!("{} until it is written", self.undo_hint(verb)),
            _ => self.undo_hint(verb),
        };
        let now = match item.state {
            _ if item.id != target.id => {
                format!(": #{} proposes the reverse, now {}; approve it to write it", item.id, item.state)
            }
            State::Held if verb == Verb::Approve => "; a second person must confirm".to_owned(),
            state => format!(", now {state}"),
        };
        self.toast(Severity::Good, &format!("{verb}: #{} {}{now}{undo}", target.id, name(&target.title)));
        let advance = std::mem::take(&mut self.advance);
        if advance && self.tab == Tab::Diff && self.triage.wanted() == Some(target.id) {
            let height = self.list_height();
            if self.queue.select(target.id, height) && self.queue.seek(Direction::Next, height) == Found::Here {
                self.sought(Found::Here);
            }
        }
    }

    /// An undo found its item further on, which is the rule once the engine has carried the decision
    /// out. While nobody else decided since, it is still one's own decision, and is taken back as the
    /// item stands now. Answers whether that settles the refusal.
    pub(in crate::tui::app) fn undo_moved_on(
        &mut self,
        target: &Target,
        error: &Error,
        current: Option<&Item>,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let Some(item) = current.filter(|_| error.kind == ErrorKind::Stale) else { return false };
        if item.decided_by.as_ref() != Some(&self.hello.operator) || item.ver == target.version {
            return false;
        }
        let now = target_of(item);
        if Verb::Undo.accepts(item.state) {
            let decision = decide(Verb::Undo, &now, &Details::default());
            effects.push(Effect::Call(Tag::Decide { verb: Verb::Undo, target: now }, Request::Decide(decision)));
            return true;
        }
        self.refresh.all_now();
        let (id, title) = (item.id, name(&item.title));
        let text = if item.state.has_intent() {
            self.journal.push(Undoable { verb: Verb::Undo, targets: vec![now] });
            let key = self.key_hint(ActionId::Undo);
            format!("#{id} {title} is being written just now; {key} again in a moment takes it back")
        } else {
            format!("#{id} {title} is {} again; there is nothing to take back", item.state)
        };
        self.toast(Severity::Warn, &text);
        true
    }

    /// An item decided here moved on: says so if it was not written after all.
    pub(in crate::tui::app) fn outcome(&mut self, item: &Item) {
        match (item.state, &item.error) {
            (State::Held | State::Dead, Some(error)) => {
                let text = format!("#{} {} was not written: {}", item.id, name(&item.title), error.message);
                self.toast(Severity::Error, &text);
            }
            (State::New | State::Blocked | State::Ready | State::Inflight | State::Unknown | State::Retry, _) => {
                self.await_outcome(item.id);
            }
            _ => {}
        }
    }

    fn await_outcome(&mut self, id: ItemId) {
        if self.awaited.len() < AWAITED {
            self.awaited.insert(id);
        }
    }

    /// A single decision was refused; for a stale one the row as it is now came along.
    pub(in crate::tui::app) fn refused(&mut self, target: &Target, error: &Error, current: Option<&Item>) {
        self.advance = false;
        self.refresh.all_now();
        let text = match (error.kind, current) {
            (ErrorKind::Stale, Some(item)) => {
                let who = match &item.decided_by {
                    Some(name) if *name != self.hello.operator => format!("{name} was faster"),
                    _ => "the item changed meanwhile".to_owned(),
                };
                format!(
                    "{who}: #{} {} is now {} (version {}, you saw {}). Choices whose values did not move are kept.",
                    item.id,
                    name(&item.title),
                    item.state,
                    item.ver,
                    target.version
                )
            }
            _ => {
                let hint = error.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
                format!("#{} {}: {error}{hint}", target.id, name(&target.title))
            }
        };
        self.toast(Severity::Error, &text);
    }
}

/// A record's name as a message has room for it.
fn name(title: &str) -> Safe {
    Safe::limited(title, 40)
}
