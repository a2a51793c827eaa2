//! Whether an action is possible now, and if not, why not. Actions are never hidden for a reason:
//! the reason is shown.

use super::{App, Link, Tab};
use crate::model::{ModuleId, Verb};
use crate::tui::action::{Action, ActionId, Tier};
use crate::tui::dialog::Dialog;
use crate::tui::triage::Pane;

impl App {
    /// Why an action is not possible now; `None` when it is.
    pub fn refusal(&self, id: ActionId) -> Option<String> {
        let action = Action::of(id);
        if action.role > self.hello.role {
            return Some(format!("needs the role {}; you are {}", action.role, self.hello.role));
        }
        let asks = action.tier > Tier::T0
            || matches!(
                id,
                ActionId::Check | ActionId::VerifyAudit | ActionId::Doctor | ActionId::FieldMap | ActionId::MapHistory
            );
        if asks && let Link::Lost(_) = self.link {
            return Some("there is no connection to the daemon".to_owned());
        }
        match (action.verb, self.tab) {
            (Some(Verb::Undo), _) => self.undo_refusal(),
            (Some(Verb::Pair), _) => self.triage.refusal(Verb::Pair).or_else(|| self.taken()).or_else(|| {
                self.triage
                    .view()
                    .filter(|view| !view.item.plan.candidates.is_empty())
                    .is_none()
                    .then(|| "there are no candidates".to_owned())
            }),
            (Some(verb), Tab::Diff) => self.triage.refusal(verb),
            (Some(verb), Tab::Queue) => self.queue_refusal(verb),
            (Some(_), _) => Some("choose an item in the queue first".to_owned()),
            (None, _) => self.local_refusal(id),
        }
    }

    fn queue_refusal(&self, verb: Verb) -> Option<String> {
        if self.bulk.is_some() {
            return Some("a bulk decision is still under way".to_owned());
        }
        if !self.queue.marks.is_empty() {
            let fitting = self.queue.marks.values().filter(|mark| verb.accepts(mark.state)).count();
            return (fitting == 0).then(|| format!("{verb} is possible for none of the marked items"));
        }
        let Some(entry) = self.queue.current() else { return Some("the queue is empty here".to_owned()) };
        let row = &entry.row;
        if entry.gone {
            return Some("the item has left this list meanwhile".to_owned());
        }
        if !verb.accepts(row.state) {
            return Some(format!("not possible while the item is {}", row.state));
        }
        if verb == Verb::Approve && self.is_asked_for(row.module) {
            return Some("open the item: what is booked is approved as it was seen".to_owned());
        }
        if verb == Verb::Approve && row.unsolved > 0 {
            let fields = if row.unsolved == 1 { "field still needs" } else { "fields still need" };
            return Some(format!("{} {fields} a choice; open the item", row.unsolved));
        }
        None
    }

    /// Why the candidate under the cursor cannot be chosen.
    fn taken(&self) -> Option<String> {
        let view = self.triage.view().filter(|_| self.triage.pane == Pane::Candidates)?;
        let other = view.candidates.get(self.triage.cursor())?.paired.as_ref()?;
        let side = self.hello.sides.of(other.side);
        Some(format!("it is paired with {side} {} {} already", other.id, other.title))
    }

    fn undo_refusal(&self) -> Option<String> {
        let here = self.tab == Tab::Diff && self.triage.view().is_some() && self.triage.refusal(Verb::Undo).is_none();
        (!here && !self.has_undo()).then(|| "nothing was decided in this session".to_owned())
    }

    fn local_refusal(&self, id: ActionId) -> Option<String> {
        use ActionId as A;
        let no = |why: &str| Some(why.to_owned());
        match id {
            A::TakeIvvy | A::TakeCrm | A::Edit | A::ClearChoice => {
                let Some(view) = self.triage.view() else { return no("no item is open") };
                if let Some(why) = Self::edit_refusal(view.item.state) {
                    return Some(self.triage.explained(&why));
                }
                match self.triage.selected() {
                    None => no("the cursor is not on a field"),
                    Some(row) if id == A::TakeIvvy => super::decide::side_refusal(row, crate::model::Side::Ivvy),
                    Some(row) if id == A::TakeCrm => super::decide::side_refusal(row, crate::model::Side::Crm),
                    Some(row) if id == A::Edit && self.is_cut(row) => {
                        no("the value is too long to be edited here; take iVvy's or the CRM's")
                    }
                    Some(row) if id == A::ClearChoice && self.triage.draft(row).is_none() => {
                        no("there is no choice of yours to take back")
                    }
                    Some(_) => None,
                }
            }
            A::TakeAllIvvy | A::TakeAllCrm => match self.triage.view() {
                Some(view) if id == A::TakeAllCrm && self.one_way(view.item.module).is_some() => {
                    self.one_way(view.item.module).map(str::to_owned)
                }
                Some(view) => Self::edit_refusal(view.item.state).map(|why| self.triage.explained(&why)),
                None => no("no item is open"),
            },
            A::MatchPair
            | A::MatchUnpair
            | A::MatchIgnore
            | A::MatchCreate
            | A::MatchUpdate
            | A::MatchResend
            | A::MatchAgain => self.match_refusal(id),
            A::StreamRetry
            | A::StreamDismiss
            | A::StreamFirstSync
            | A::StreamTest
            | A::StreamReconcile
            | A::StreamSettle
            | A::StreamRunNow => self.stream_refusal(id),
            A::FieldMap | A::MapField | A::MapRemove | A::MapResync | A::MapHistory => self.map_refusal(id),
            A::PreviewText | A::PreviewSource | A::PreviewLinks | A::PreviewValue => self.preview_refusal(id),
            A::ClearMarks if self.queue.marks.is_empty() => no("nothing is marked"),
            A::Mark | A::Range | A::MarkAll if self.queue.rows().is_empty() => no("the queue is empty here"),
            A::Sync | A::SyncFull | A::PauseModule | A::Plan if self.current_module().is_none() => {
                no("no module is chosen")
            }
            A::GuardRelease | A::GuardSample | A::GuardDiscard => match self.dialogs.last() {
                Some(Dialog::Guard(guard)) => match &guard.plan {
                    None => no("the plan is not loaded yet"),
                    Some(plan) if plan.held == 0 => no("the guard holds nothing"),
                    Some(_) => None,
                },
                _ => no("open the guard of a module first (dry run, on the dashboard)"),
            },
            _ => None,
        }
    }

    /// Whether records of the module are made in the origin because somebody asks for them (S-07).
    fn is_asked_for(&self, module: ModuleId) -> bool {
        self.hello.modules.iter().any(|def| def.id == module && def.request.is_some())
    }

    /// Why nothing of the module is ever written to iVvy, as the daemon has it configured.
    fn one_way(&self, module: ModuleId) -> Option<&'static str> {
        match self.hello.modules.iter().find(|def| def.id == module) {
            Some(def) => def.one_way(),
            None => module.one_way(),
        }
    }

    fn edit_refusal(state: crate::model::State) -> Option<String> {
        (!Verb::Edit.accepts(state)).then(|| format!("fields cannot be chosen while the item is {state}"))
    }
}
