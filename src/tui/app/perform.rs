//! What each action does. Which ones are possible was checked before.

use strum::IntoEnumIterator as _;

use super::{App, Effect, Tab, Tag};
use crate::model::{Choice, FieldKind, ItemId, Reason, Side, State};
use crate::text::Safe;
use crate::tui::action::{Action, ActionId, Tier};
use crate::tui::dialog::picker::{Picker, Use};
use crate::tui::dialog::{Dialog, Field, Form, Input, Purpose, Report};
use crate::tui::queue::{Direction, Found, Load};
use crate::tui::toast::Severity;
use crate::tui::triage::Pane;
use crate::wire::Request;

/// The states offered as filters, most wanted first. "All open" comes before them.
pub(in crate::tui) const STATE_FILTERS: [State; 10] = [
    State::Held,
    State::Dead,
    State::Ready,
    State::Retry,
    State::Unknown,
    State::Blocked,
    State::Inflight,
    State::New,
    State::Skipped,
    State::Done,
];

impl App {
    pub(super) fn perform(&mut self, id: ActionId, effects: &mut Vec<Effect>) {
        use ActionId as A;
        let height = self.list_height();
        let page = isize::try_from(height.max(1)).unwrap_or(1);
        match id {
            A::Quit => self.quit(effects),
            A::Back => self.back(),
            A::Help => self.open_picker(Use::Help),
            A::Palette => self.open_picker(Use::Palette),
            A::Menu => self.open_picker(Use::Menu),
            A::Dashboard => {
                (self.screen, self.stream) = (None, None);
                self.go(Tab::Dashboard);
            }
            A::Queue => self.go(Tab::Queue),
            A::Diff => self.go_diff(),
            A::Log => self.go(Tab::Log),
            A::Match => self.go(Tab::Match),
            A::NextPane => self.next_pane(1),
            A::PreviousPane => self.next_pane(-1),
            A::Freeze => self.frozen = !self.frozen,
            A::Refresh => {
                self.refresh.all_now();
                effects.push(Effect::Repaint);
            }
            A::Messages => self.show_messages(),
            A::Suspend => effects.push(Effect::Suspend),
            A::Down => self.step(1, height),
            A::Up => self.step(-1, height),
            A::HalfDown => self.page(page / 2, height),
            A::HalfUp => self.page(-(page / 2), height),
            A::PageDown => self.page(page, height),
            A::PageUp => self.page(-page, height),
            A::Top => self.edge(Load::Start, height, effects),
            A::End => self.edge(Load::End, height, effects),
            A::Left => self.sideways(-1),
            A::Right => self.sideways(1),
            A::Open => self.open(effects),
            A::Goto => self.ask_goto(),
            A::FilterText => self.ask_filter(),
            A::FilterModule => {
                let modules: Vec<_> = self.hello.modules.iter().map(|def| def.id).collect();
                self.queue.cycle_module(&modules);
                self.refilter();
            }
            A::FilterReason => {
                self.queue.cycle_reason(&Reason::iter().collect::<Vec<_>>());
                self.refilter();
            }
            A::ClearFilter => {
                self.queue.filter = crate::wire::Filter::default();
                self.refilter();
            }
            A::Mark => match self.queue.ranging() {
                true => self.queue.toggle_range(),
                false => self.queue.toggle_mark(height),
            },
            A::Range => self.queue.toggle_range(),
            A::MarkAll => self.mark_all(),
            A::ClearMarks => self.queue.marks.clear(),
            A::NextUnsolved => self.seek(Direction::Next),
            A::PreviousUnsolved => self.seek(Direction::Previous),
            A::TakeIvvy => self.triage.choose(Choice::Ivvy),
            A::TakeCrm => self.triage.choose(Choice::Crm),
            A::TakeAllIvvy => self.triage.choose_all(Side::Ivvy),
            A::TakeAllCrm => self.triage.choose_all(Side::Crm),
            A::ClearChoice => self.triage.unchoose(),
            A::Edit => self.ask_value(),
            A::ShowBase => self.triage.flip_base = !self.triage.flip_base,
            A::ShowSame => self.triage.toggle_same(),
            A::History => self.show_history(),
            A::Undo => self.undo(effects),
            A::PreviewText | A::PreviewSource | A::PreviewLinks | A::PreviewValue => self.preview_action(id),
            A::Pair => self.ask_pair(),
            A::Approve
            | A::Skip
            | A::Snooze
            | A::Force
            | A::Retry
            | A::Reopen
            | A::Hold
            | A::Claim
            | A::Arrived
            | A::Resend => self.decide_action(id, effects),
            A::MatchTable
            | A::MatchSide
            | A::MatchFilter
            | A::MatchPair
            | A::MatchUnpair
            | A::MatchIgnore
            | A::MatchCreate
            | A::MatchUpdate
            | A::MatchResend
            | A::MatchAgain => self.match_action(id, effects),
            A::StreamRetry
            | A::StreamDismiss
            | A::StreamFirstSync
            | A::StreamTest
            | A::StreamReconcile
            | A::StreamSettle
            | A::StreamRunNow => self.stream_action(id, effects),
            A::FieldMap | A::MapField | A::MapRemove | A::MapResync | A::MapHistory => self.map_action(id, effects),
            A::Sync
            | A::SyncFull
            | A::PauseModule
            | A::Plan
            | A::Check
            | A::VerifyAudit
            | A::Doctor
            | A::GuardRelease
            | A::GuardSample
            | A::GuardDiscard => self.operate(id, effects),
        }
    }

    fn quit(&mut self, effects: &mut Vec<Effect>) {
        if self.dialogs.pop().is_some() {
            return;
        }
        let drafts = self.triage.items_with_drafts();
        if drafts == 0 {
            effects.push(Effect::Quit);
            return;
        }
        let form = Form::new("Leave the console?", "leave", Tier::T2, Purpose::Quit)
            .line(&format!("Choices for {drafts} item(s) were not sent and would be lost."))
            .line("Approve them first, or leave without them.");
        self.dialogs.push(Dialog::Form(Box::new(form)));
    }

    fn back(&mut self) {
        if self.dialogs.pop().is_some() || self.toasts.dismiss(self.now) || self.queue.cancel_range() {
            return;
        }
        match self.tab {
            Tab::Dashboard => (self.screen, self.stream) = (None, None),
            Tab::Diff if self.triage.pane != Pane::Fields => self.triage.focus(Pane::Fields),
            Tab::Diff => self.go(Tab::Queue),
            Tab::Log if self.log.item.is_some() => self.show_history(),
            Tab::Queue if self.queue.filter != crate::wire::Filter::default() => {
                self.queue.filter = crate::wire::Filter::default();
                self.refilter();
            }
            _ => self.go(Tab::Dashboard),
        }
    }

    pub(super) fn go(&mut self, tab: Tab) {
        self.dialogs.clear();
        self.tab = tab;
    }

    /// The diff tab with the open item, or with the one under the queue's cursor.
    fn go_diff(&mut self) {
        if self.triage.wanted().is_none()
            && let Some(id) = self.queue.current().map(|entry| entry.row.id)
        {
            self.open_item(id);
        }
        self.go(Tab::Diff);
    }

    pub(super) fn open_item(&mut self, id: ItemId) {
        self.triage.open(id);
        self.refresh.item.forget();
        self.go(Tab::Diff);
    }

    fn next_pane(&mut self, by: isize) {
        if self.tab == Tab::Diff && self.triage.view().is_some() {
            self.triage.cycle_pane(by);
            return;
        }
        if self.tab == Tab::Dashboard && self.screen.is_some() {
            self.other_half();
            return;
        }
        if self.tab == Tab::Dashboard && self.stream.is_some() {
            self.turn_stream(by);
            return;
        }
        let tabs: Vec<Tab> = Tab::iter().collect();
        let at = tabs.iter().position(|tab| *tab == self.tab).unwrap_or(0);
        let next = (at as isize + by).rem_euclid(tabs.len() as isize);
        match tabs.get(next as usize) {
            Some(Tab::Diff) => self.go_diff(),
            Some(tab) => self.go(*tab),
            None => {}
        }
    }

    pub(super) fn open_picker(&mut self, used_as: Use) {
        let chain = self.chain();
        self.dialogs.push(Dialog::Picker(Box::new(Picker::new(used_as, &chain))));
    }

    fn show_messages(&mut self) {
        let lines: Vec<String> = self
            .toasts
            .history()
            .map(|toast| {
                format!(
                    "{}  {:5}  {}",
                    self.settings.zone.at(toast.at).format("%H:%M:%S"),
                    toast.severity.word(),
                    toast.text
                )
            })
            .collect();
        self.dialogs.push(Dialog::Report(Report::new("Messages, newest first", lines)));
    }

    fn step(&mut self, rows: isize, height: usize) {
        match (self.dialogs.last_mut(), self.tab) {
            (Some(Dialog::Report(report)), _) => {
                report.scroll = report.scroll.saturating_add_signed(rows).min(report.lines.len().saturating_sub(1));
            }
            (Some(Dialog::Preview(preview)), _) => preview.scroll(rows),
            (Some(Dialog::Mapping(mapping)), _) => mapping.step(rows),
            (Some(Dialog::Guard(guard)), _) => {
                let samples = guard.plan.as_ref().map_or(0, |plan| plan.samples.len());
                guard.scroll = guard.scroll.saturating_add_signed(rows).min(samples.saturating_sub(1));
            }
            (Some(_), _) => {}
            (None, Tab::Dashboard) if self.screen.is_some() => self.scroll_module(rows),
            (None, Tab::Dashboard) if self.stream.is_some() => self.step_stream(rows),
            (None, Tab::Dashboard) => {
                let count = self.status.as_ref().map_or(0, |status| status.modules.len() + status.streams.len());
                self.module = self.module.saturating_add_signed(rows).min(count.saturating_sub(1));
            }
            (None, Tab::Queue) => self.queue.step(rows, height),
            (None, Tab::Diff) => self.triage.step(rows),
            (None, Tab::Log) => self.log.step(rows, height),
            (None, Tab::Match) => self.matching.step(rows, height),
        }
    }

    fn page(&mut self, rows: isize, height: usize) {
        match (self.dialogs.is_empty(), self.tab) {
            (true, Tab::Queue) => self.queue.page(rows, height),
            _ => self.step(rows, height),
        }
    }

    fn edge(&mut self, load: Load, height: usize, effects: &mut Vec<Effect>) {
        let far = if load == Load::Start { isize::MIN } else { isize::MAX };
        if self.tab != Tab::Queue || !self.dialogs.is_empty() {
            self.step(far, height);
            return;
        }
        if self.queue.reaches(load) {
            self.queue.step(far, height);
            return;
        }
        let (generation, load, page) = self.queue.jump(load, height);
        effects.push(Effect::Call(Tag::Page { generation, load }, Request::Page(page)));
    }

    fn sideways(&mut self, by: isize) {
        match self.tab {
            _ if !self.dialogs.is_empty() => {}
            Tab::Queue => {
                self.queue.cycle_state(&STATE_FILTERS, by);
                self.refilter();
            }
            Tab::Match => {
                self.matching.cycle_state(by);
                self.refresh.matches.forget();
            }
            _ => {}
        }
    }

    pub(super) fn refilter(&mut self) {
        self.queue.reset();
        self.refresh.queue.forget();
    }

    fn open(&mut self, effects: &mut Vec<Effect>) {
        if let Some(Dialog::Mapping(_)) = self.dialogs.last() {
            self.try_perform(ActionId::MapField, effects);
        }
        if !self.dialogs.is_empty() {
            return;
        }
        match self.tab {
            Tab::Dashboard => match self.current_module() {
                Some(module) => self.open_module(module),
                None => self.open_stream(),
            },
            Tab::Queue => {
                if let Some(id) = self.queue.current().map(|entry| entry.row.id) {
                    self.open_item(id);
                }
            }
            Tab::Diff if self.triage.pane == Pane::Candidates => self.try_perform(ActionId::Pair, effects),
            Tab::Diff => {
                if !self.open_preview() {
                    self.show_values();
                }
            }
            Tab::Match => self.try_perform(ActionId::MatchPair, effects),
            Tab::Log => {
                if let Some(id) = self.log.current().and_then(|row| row.item) {
                    self.open_item(id);
                }
            }
        }
    }

    /// The values of a field at full length.
    fn show_values(&mut self) {
        let Some(row) = self.triage.selected().cloned() else { return };
        let module = self.triage.view().map(|view| view.item.module);
        let title = module.map_or_else(|| row.field.clone(), |module| self.field_title(module, &row.field));
        let shown =
            |value: Option<&crate::model::Value>| value.map_or_else(|| "(not sent)".to_owned(), |v| v.to_string());
        let base = row.base_ivvy.as_ref().or(row.base_crm.as_ref());
        let result = self.triage.result(&row);
        let lines = [
            ("Base", shown(base)),
            (self.hello.sides.of(Side::Ivvy), shown(row.ivvy.as_ref())),
            ("CRM", shown(row.crm.as_ref())),
            ("Result", result.map_or_else(|| "(not decided)".to_owned(), |value| value.to_string())),
        ];
        let lines = lines.into_iter().flat_map(|(name, text)| [format!("{name}:"), text, String::new()]);
        self.dialogs.push(Dialog::Report(Report::new(&title, lines)));
    }

    fn ask_goto(&mut self) {
        let field = Field::Text { label: "item number", input: Input::new("", false), required: true };
        let form = Form::new("Go to an item", "go", Tier::T0, Purpose::Goto).field(field);
        self.dialogs.push(Dialog::Form(Box::new(form)));
    }

    fn ask_filter(&mut self) {
        let now = self.queue.filter.text.clone().unwrap_or_default();
        let field = Field::Text { label: "title contains", input: Input::new(&now, false), required: false };
        let form = Form::new("Filter the queue", "filter", Tier::T0, Purpose::FilterText).field(field);
        self.dialogs.push(Dialog::Form(Box::new(form)));
    }

    fn ask_value(&mut self) {
        let (Some(row), Some(view)) = (self.triage.selected().cloned(), self.triage.view()) else { return };
        let module = view.item.module;
        let def = self.hello.modules.iter().find(|def| def.id == module).and_then(|def| def.field(&row.field));
        let kind = def.map_or(FieldKind::Text, |def| def.kind);
        let now = self.triage.result(&row).or(row.ivvy.as_ref()).or(row.crm.as_ref());
        let text = now.map(ToString::to_string).unwrap_or_default();
        let input = Input::new(&text, kind == FieldKind::LongText);
        let title = format!("Value of {} on both sides", self.field_title(module, &row.field));
        let mut form = Form::new(&title, "choose", Tier::T0, Purpose::EditField { kind });
        if input.cleaned {
            form.lines.push(Safe::new("Invisible characters were left out of the text below."));
        }
        if input.multiline {
            form.lines.push(Safe::new("Enter makes a new line; Ctrl-D accepts."));
        }
        form.fields.push(Field::Text { label: "value", input, required: false });
        self.dialogs.push(Dialog::Form(Box::new(form)));
    }

    fn mark_all(&mut self) {
        let marked = self.queue.mark_loaded();
        let total = self.queue.total();
        let text = match total.filter(|total| *total > marked as u64) {
            Some(total) => format!("{marked} of {total} matching rows are loaded and marked"),
            None => format!("{marked} rows are marked"),
        };
        self.toast(Severity::Info, &text);
    }

    pub(super) fn seek(&mut self, direction: Direction) {
        if self.tab == Tab::Diff {
            if self.triage.seek(direction == Direction::Next) {
                return;
            }
            if let Some(id) = self.triage.wanted() {
                self.queue.select(id, self.list_height());
            }
        }
        let height = self.list_height();
        let found = self.queue.seek(direction, height);
        self.sought(found);
    }

    /// Follows up on a search of the queue.
    pub(super) fn sought(&mut self, found: Found) {
        match found {
            Found::Here => {
                if self.tab == Tab::Diff
                    && let Some(id) = self.queue.current().map(|entry| entry.row.id)
                {
                    self.open_item(id);
                }
            }
            Found::Loading => {}
            Found::Nothing => self.toast(Severity::Info, "nothing more needs a person in this direction"),
            Found::GaveUp => self.toast(Severity::Info, "nothing found in many rows; filter by state held (h l)"),
        }
    }

    fn show_history(&mut self) {
        let item = match self.tab {
            Tab::Queue => self.queue.current().map(|entry| entry.row.id),
            Tab::Diff => self.triage.wanted(),
            Tab::Log if self.log.item.is_some() => None,
            Tab::Log => self.log.current().and_then(|row| row.item),
            Tab::Dashboard | Tab::Match => None,
        };
        if item != self.log.item {
            self.log.item = item;
            self.log.reset();
            self.refresh.log.forget();
        }
        self.go(Tab::Log);
    }

    pub(super) fn open_guard(&mut self, module: crate::model::ModuleId, effects: &mut Vec<Effect>) {
        self.dialogs.push(Dialog::Guard(crate::tui::dialog::Guard { module, plan: None, scroll: 0 }));
        effects.push(Effect::Call(Tag::Guard(module), Request::GuardPlan { module }));
    }

    /// The title of an action with its key, for the footer.
    pub(in crate::tui) fn labelled(&self, id: ActionId) -> Option<(String, &'static str)> {
        if id == ActionId::Open && self.stream.as_ref().is_some_and(|screen| screen.lists_checks()) {
            // There is nothing in a check but its row.
            return None;
        }
        let title = match (id, self.tab, &self.screen) {
            (ActionId::Open, Tab::Dashboard, None) if self.stream.is_some() => "read",
            (ActionId::StreamRetry, ..) if self.current_stream().is_some_and(|row| !row.inbound) => "revive",
            (ActionId::Open, Tab::Dashboard, None) => "open",
            (ActionId::Open, Tab::Dashboard, Some(_)) => "queue",
            (ActionId::Open, Tab::Diff, _) if self.triage.pane == Pane::Candidates => "pair",
            _ => Action::of(id).title,
        };
        self.keymap.key(id).map(|key| (key, title))
    }
}
