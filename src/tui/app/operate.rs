//! Operations on modules: sync, pause, guard, checks.

use super::{App, Effect, Tag};
use crate::tui::action::{ActionId, Tier};
use crate::tui::dialog::{Dialog, Field, Form, Input, Purpose};
use crate::wire::Request;

/// The note of a release: where somebody has to have agreed, and elsewhere.
const AGREED: &str = "who agreed, and when";
const NOTED: &str = "note for the log (may stay empty)";

impl App {
    pub(super) fn operate(&mut self, id: ActionId, effects: &mut Vec<Effect>) {
        let module = self.current_module();
        match (id, module) {
            (ActionId::Check, _) => effects.push(Effect::Call(Tag::Report("Check"), Request::Check)),
            (ActionId::VerifyAudit, _) => effects.push(Effect::Call(Tag::Report("Audit log"), Request::AuditVerify)),
            (ActionId::Doctor, _) => {
                effects.push(Effect::Call(Tag::Report("Doctor"), Request::Doctor { rebuild: false }));
            }
            (ActionId::Sync, Some(_)) => {
                effects.push(Effect::Call(Tag::Done, Request::Sync { module, full: false }));
            }
            (ActionId::SyncFull, Some(module)) => {
                let form = Form::new(
                    &format!("Read every {} on both sides?", module.singular()),
                    "sync in full",
                    Tier::T2,
                    Purpose::SyncFull { module },
                )
                .line("It reads everything and can take long; nothing is written without the usual rules.");
                self.dialogs.push(Dialog::Form(Box::new(form)));
            }
            (ActionId::PauseModule, Some(module)) => {
                let mut all = self.status.iter().flat_map(|status| &status.modules);
                let paused = all.any(|row| row.name == module && row.state == "paused");
                let (word, line) = match paused {
                    true => ("resume", "Reading and writing go on."),
                    false => ("pause", "Nothing is read or written until someone resumes it."),
                };
                let title = format!("{word} {}?", module.title());
                let form = Form::new(&title, word, Tier::T2, Purpose::Pause { module, paused }).line(line);
                self.dialogs.push(Dialog::Form(Box::new(form)));
            }
            (ActionId::Plan, Some(module)) => self.open_guard(module, effects),
            (ActionId::GuardRelease | ActionId::GuardSample | ActionId::GuardDiscard, _) => self.ask_guard(id),
            _ => {}
        }
    }

    fn ask_guard(&mut self, id: ActionId) {
        let Some(plan) = self.guard_dialog().and_then(|guard| guard.plan.clone()) else { return };
        let (module, expect) = (plan.module, plan.held);
        let (title, submit, purpose) = match id {
            ActionId::GuardRelease => (
                "Release everything the guard holds",
                "release",
                Purpose::GuardRelease { module, expect, sample: false },
            ),
            ActionId::GuardSample => {
                ("Release the oldest few", "release", Purpose::GuardRelease { module, expect, sample: true })
            }
            _ => ("Discard what the guard holds", "discard", Purpose::GuardDiscard { module, expect }),
        };
        let mut form = Form::new(title, submit, Tier::T3, purpose)
            .line(&format!("{}: {expect} items are held.", module.title()))
            .line(&plan.tripped.unwrap_or_default());
        if id == ActionId::GuardSample {
            form = form.field(Field::Text { label: "how many", input: Input::new("", false), required: true });
        }
        form = form.field(Field::Typed { expect: expect.to_string(), input: Input::new("", false) });
        if id != ActionId::GuardDiscard {
            let required = plan.approval.is_some();
            form = match plan.approval {
                Some(approval) => form.line(&format!("{approval}.")),
                None => form,
            };
            let label = if required { AGREED } else { NOTED };
            form = form.field(Field::Text { label, input: Input::new("", false), required });
        }
        self.dialogs.push(Dialog::Form(Box::new(form)));
    }

    /// An operation's form was completed.
    pub(super) fn submit_operation(&mut self, purpose: &Purpose, form: &Form, effects: &mut Vec<Effect>) {
        let request = match *purpose {
            Purpose::GuardRelease { module, expect, sample } => {
                let sample = if sample { form.first_text().trim().parse().ok() } else { None };
                let note = Some(form.last_text().trim().to_owned()).filter(|note| !note.is_empty());
                Request::GuardRelease { module, sample, expect, plan: None, note }
            }
            Purpose::GuardDiscard { module, expect } => Request::GuardDiscard { module, expect },
            Purpose::Pause { module, paused: true } => Request::Resume { module: Some(module) },
            Purpose::Pause { module, paused: false } => Request::Pause { module: Some(module) },
            Purpose::SyncFull { module } => Request::Sync { module: Some(module), full: true },
            Purpose::MapResync { module, ref field } => {
                Request::MapResync { module, field: field.clone(), dry_run: false }
            }
            Purpose::Match { ref entry, verb } => Request::MatchDecide { entry: entry.clone(), verb, other: None },
            Purpose::MatchUpdate { ref entry, ref change } => {
                Request::MatchUpdate { entry: entry.clone(), expect: Some(change.clone()) }
            }
            _ => return,
        };
        if matches!(purpose, Purpose::GuardRelease { .. } | Purpose::GuardDiscard { .. }) {
            // What the dialog below shows is no longer true.
            self.dialogs.retain(|dialog| !matches!(dialog, Dialog::Guard(_)));
        }
        effects.push(Effect::Call(Tag::Done, request));
    }
}
