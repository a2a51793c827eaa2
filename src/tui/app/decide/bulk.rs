//! One decision on many items: sent in batches, answered one by one, told at the end.
//!
//! Frozen when the question was asked. What failed in the middle is never tried again by itself: what was not
//! answered may have happened.

use std::collections::{BTreeMap, VecDeque};

use super::{Details, decide, inverse};
use crate::error::{Error, ErrorKind};
use crate::model::{ItemId, Verb};
use crate::tui::app::{App, Effect, Tag, Target, Undoable};
use crate::tui::dialog::{Dialog, Report};
use crate::tui::toast::Severity;
use crate::wire::{Decide, DecideResult, Request};

/// Decisions sent in one call. Small enough to stay far below the longest frame and to show progress.
const BATCH: usize = 200;

/// A bulk decision under way.
#[derive(Clone, Debug)]
pub struct Bulk {
    verb: Verb,
    rest: VecDeque<Decide>,
    targets: BTreeMap<ItemId, Target>,
    done: Vec<ItemId>,
    left_out: Vec<(ItemId, Error)>,
}

impl Bulk {
    /// One that is to be sent from its first decision on.
    pub(super) fn new(verb: Verb, decisions: VecDeque<Decide>, targets: Vec<Target>) -> Self {
        let targets = targets.into_iter().map(|target| (target.id, target)).collect();
        Self { verb, rest: decisions, targets, done: Vec::new(), left_out: Vec::new() }
    }

    /// Decisions answered, and all of them.
    pub fn progress(&self) -> (usize, usize) {
        (self.done.len() + self.left_out.len(), self.targets.len())
    }
}

impl App {
    pub(super) fn next_batch(&mut self, effects: &mut Vec<Effect>) {
        let Some(bulk) = &mut self.bulk else { return };
        let count = bulk.rest.len().min(BATCH);
        let decisions: Vec<Decide> = bulk.rest.drain(..count).collect();
        if !decisions.is_empty() {
            effects.push(Effect::Call(Tag::Bulk, Request::DecideMany { decisions }));
            return;
        }
        if let Some(bulk) = self.bulk.take() {
            self.bulk_finished(bulk, effects);
        }
    }

    /// One part of a bulk decision was answered.
    pub(in crate::tui::app) fn bulk_answered(&mut self, results: Vec<DecideResult>, effects: &mut Vec<Effect>) {
        let Some(bulk) = &mut self.bulk else { return };
        for result in results {
            self.queue.marks.remove(&result.item);
            match result.error {
                None => bulk.done.push(result.item),
                Some(error) => bulk.left_out.push((result.item, error)),
            }
        }
        self.next_batch(effects);
    }

    /// The connection or the daemon failed in the middle: what was not answered may have happened.
    pub(in crate::tui::app) fn bulk_failed(&mut self, error: &Error) {
        let Some(bulk) = self.bulk.take() else { return };
        let (answered, all) = bulk.progress();
        self.toast(
            Severity::Error,
            &format!(
                "{} stopped after {answered} of {all}: {error}. Look at the queue before trying again.",
                bulk.verb
            ),
        );
        self.refresh.all_now();
    }

    fn bulk_finished(&mut self, mut bulk: Bulk, effects: &mut Vec<Effect>) {
        self.refresh.all_now();
        if bulk.verb == Verb::Undo {
            // What was pushed meanwhile has another version; one by one the answer tells which.
            let (moved, left) = bulk.left_out.into_iter().partition(|(_, error)| error.kind == ErrorKind::Stale);
            bulk.left_out = left;
            let moved: Vec<(ItemId, Error)> = moved;
            for target in moved.iter().filter_map(|(id, _)| bulk.targets.get(id)) {
                let tag = Tag::Decide { verb: Verb::Undo, target: target.clone() };
                effects.push(Effect::Call(tag, Request::Decide(decide(Verb::Undo, target, &Details::default()))));
            }
            if bulk.done.is_empty() && bulk.left_out.is_empty() {
                return;
            }
        }
        let (done, verb) = (bulk.done.len(), bulk.verb);
        if let Some(inverse) = inverse(verb) {
            let targets: Vec<Target> = bulk.done.iter().filter_map(|id| bulk.targets.get(id)).map(after).collect();
            if !targets.is_empty() {
                self.journal.push(Undoable { verb: inverse, targets });
            }
        }
        if bulk.left_out.is_empty() {
            let undo = self.undo_hint(verb);
            self.toast(Severity::Good, &format!("{verb}: {done} items{undo}"));
            return;
        }
        let stale = bulk.left_out.iter().filter(|(_, error)| error.kind == ErrorKind::Stale).count();
        let left = bulk.left_out.len();
        let mut lines = vec![
            format!("{done} done, {left} left out, {stale} of these because they changed after you marked them."),
            String::new(),
        ];
        lines.extend(bulk.left_out.iter().map(|(id, error)| {
            let title = bulk.targets.get(id).map(|target| target.title.as_str()).unwrap_or_default();
            format!("#{id} {title}: {error}")
        }));
        self.dialogs.push(Dialog::Report(Report::new(&format!("{verb}: {done} of {}", done + left), lines)));
        self.toast(Severity::Warn, &format!("{verb}: {done} done, {left} left out"));
    }
}

/// The target after exactly one decision. If anything else happened to it, the version is wrong and
/// the daemon refuses, which is what is wanted.
fn after(target: &Target) -> Target {
    Target { version: target.version + 1, seen: None, ..target.clone() }
}
