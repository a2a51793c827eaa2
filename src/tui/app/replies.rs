//! Answers and events from the daemon.

use std::collections::BTreeSet;

use super::{App, Effect, Link, Tab, Tag};
use crate::error::{Error, ErrorKind};
use crate::model::{Item, Reason, Verb};
use crate::tui::backend::{BackendEvent, CallError};
use crate::tui::dialog::{Dialog, Report};
use crate::tui::queue::Load;
use crate::tui::toast::Severity;
use crate::wire::{Answer, Event, Request};

impl App {
    pub(super) fn reply(&mut self, tag: Tag, reply: Result<Answer, CallError>, effects: &mut Vec<Effect>) {
        match reply {
            Ok(answer) => self.answer(tag, answer, effects),
            Err(error) => self.failure(tag, &error, effects),
        }
    }

    fn answer(&mut self, tag: Tag, answer: Answer, effects: &mut Vec<Effect>) {
        let height = self.list_height();
        match (tag, answer) {
            (Tag::Watch, _) => {}
            (Tag::Status, Answer::Status(status)) => {
                self.status_answered();
                self.trouble = false;
                self.take_status(status);
            }
            (Tag::Page { generation, load }, Answer::Rows(rows)) => {
                let current = self.queue.receive(generation, load, rows, height);
                if current && matches!(load, Load::Start | Load::End | Load::Refresh) {
                    self.queue_answered();
                }
                if self.queue.seeking() {
                    let found = self.queue.continue_seek(height);
                    self.sought(found);
                } else if self.tab == Tab::Diff && self.triage.wanted().is_none() {
                    self.open_first_unsolved();
                }
            }
            (Tag::Item(id), Answer::Item(view)) => {
                self.item_answered();
                if self.triage.wanted() == Some(id) {
                    let refused = self.refused_fields(&view.item);
                    let carried = self.triage.receive(*view, refused);
                    if !carried.dropped.is_empty() {
                        let fields = carried.dropped.join(", ");
                        self.toast(
                            Severity::Warn,
                            &format!("the values of {fields} moved, so your choice was dropped"),
                        );
                    }
                }
            }
            (Tag::Preview(query), Answer::Preview(part)) => self.previewed(&query, part),
            (Tag::Outcome(_), Answer::Item(view)) => self.outcome(&view.item),
            (Tag::Audit { generation, before }, Answer::Audit { rows }) => {
                if before.is_none() {
                    self.log_answered();
                }
                self.log.receive(generation, before, rows, height);
            }
            (Tag::Matches { generation, further }, Answer::Matches(page)) => {
                if !further {
                    self.matches_answered();
                }
                self.matching.receive(generation, further, page, height);
            }
            (Tag::Module { module, before }, Answer::Module(view)) => {
                if before.is_none() {
                    self.module_answered();
                }
                if let Some(screen) = self.screen.as_mut().filter(|screen| screen.module == module) {
                    screen.receive(before, *view);
                    self.scroll_module(0);
                }
            }
            (Tag::StreamItems { stream, after }, Answer::StreamItems(page)) => {
                if after.is_none() {
                    self.stream_answered();
                }
                if let Some(screen) = self.stream.as_mut().filter(|screen| screen.stream == stream) {
                    screen.receive(after, page);
                }
            }
            (Tag::AccessChecks { stream, before }, Answer::AccessChecks(page)) => {
                if before.is_none() {
                    self.stream_answered();
                }
                if let Some(screen) = self.stream.as_mut().filter(|screen| screen.stream == stream) {
                    screen.checks.receive(before.as_deref(), page);
                }
            }
            (Tag::MatchOptions(entry, text), Answer::MatchOptions { options, without }) => {
                self.match_options((&entry, &text), options, without);
            }
            (Tag::Map, Answer::Map(view)) => {
                self.map_answered();
                if let Some(mapping) = self.mapping_mut() {
                    mapping.receive(*view);
                }
            }
            (Tag::MapChanged, Answer::MapChanged(changed)) => {
                self.refresh.map.now();
                self.toast(Severity::Good, &format!("map version {}. {}", changed.version, changed.message));
            }
            (Tag::MapHistory, Answer::MapHistory { versions, more }) => self.show_versions(versions, more),
            (Tag::Decide { verb, target }, Answer::Decided(item)) => self.decided(verb, &target, &item),
            (Tag::Bulk, Answer::DecidedMany { results }) => self.bulk_answered(results, effects),
            (Tag::Guard(module), Answer::Guard(plan)) => {
                if let Some(guard) = self.guard_dialog().filter(|guard| guard.module == module) {
                    guard.plan = Some(plan);
                }
            }
            (Tag::Done, Answer::Done { message }) => {
                self.refresh.all_now();
                self.toast(Severity::Good, &message);
            }
            (Tag::Report(title), answer) => self.report(title, answer),
            (tag, _) => {
                let error = Error::internal("the daemon answered something else than was asked");
                self.failure(tag, &error.into(), effects);
            }
        }
    }

    fn report(&mut self, title: &str, answer: Answer) {
        let lines = match answer {
            Answer::Check { rows } => rows
                .into_iter()
                .flat_map(|row| {
                    let word = if row.ok { "ok  " } else { "FAIL" };
                    let hint = row.hint.map(|hint| format!("       {hint}"));
                    std::iter::once(format!("{word}  {}: {}", row.what, row.found)).chain(hint)
                })
                .collect(),
            Answer::Doctor { findings, .. } if findings.is_empty() => vec!["Everything fits.".to_owned()],
            Answer::Doctor { findings, .. } => findings,
            Answer::AuditVerified { rows, broken_at: None } => {
                vec![format!("{rows} rows checked; the chain is whole.")]
            }
            Answer::AuditVerified { rows, broken_at: Some(at) } => {
                vec![format!("{rows} rows checked; the chain breaks at row {at}.")]
            }
            _ => vec!["The daemon answered something else than was asked.".to_owned()],
        };
        self.dialogs.push(Dialog::Report(Report::new(title, lines)));
    }

    fn open_first_unsolved(&mut self) {
        let first = self.queue.rows().iter().find(|entry| crate::tui::queue::needs_person(&entry.row));
        if let Some(id) = first.map(|entry| entry.row.id) {
            self.open_item(id);
        } else if let Some(id) = self.queue.current().map(|entry| entry.row.id) {
            self.open_item(id);
        }
    }

    fn failure(&mut self, tag: Tag, failed: &CallError, effects: &mut Vec<Effect>) {
        let error = &failed.error;
        // What is not available now is asked again later; what was refused is not.
        let again = error.kind == ErrorKind::Unavailable;
        let at = self.retry_at();
        let asked_again = matches!(
            tag,
            Tag::Status
                | Tag::Map
                | Tag::Item(_)
                | Tag::Page { .. }
                | Tag::Audit { .. }
                | Tag::Matches { .. }
                | Tag::Module { .. }
                | Tag::StreamItems { .. }
                | Tag::AccessChecks { .. }
        );
        match tag {
            Tag::Status if again => self.refresh.status.retry(at),
            Tag::Status => self.status_answered(),
            Tag::Item(_) if again => self.refresh.item.retry(at),
            Tag::Item(_) => self.item_answered(),
            Tag::Page { generation, load } => {
                match load {
                    Load::Before | Load::After => self.more_failed(),
                    _ if again => self.refresh.queue.retry(at),
                    _ => self.queue_answered(),
                }
                self.queue.failed(generation);
            }
            Tag::Audit { before, .. } => {
                match before {
                    Some(_) => self.more_failed(),
                    None if again => self.refresh.log.retry(at),
                    None => self.log_answered(),
                }
                self.log.failed();
            }
            Tag::Matches { further, .. } => {
                match further {
                    true => self.more_failed(),
                    false if again => self.refresh.matches.retry(at),
                    false => self.matches_answered(),
                }
                self.matching.failed();
            }
            Tag::Module { module, before } => {
                let screen = self.screen.as_mut().filter(|screen| screen.module == module);
                if let Some(screen) = screen {
                    screen.failed();
                    // What is not kept in step any more has nothing to show.
                    if error.kind == ErrorKind::Refused {
                        self.screen = None;
                    }
                }
                match before {
                    Some(_) => self.more_failed(),
                    None if again => self.refresh.module.retry(at),
                    None => self.module_answered(),
                }
            }
            Tag::StreamItems { stream, after } => self.stream_failed(&stream, after.is_some(), again),
            Tag::AccessChecks { stream, before } => self.stream_failed(&stream, before.is_some(), again),
            Tag::Map if again => self.refresh.map.retry(at),
            Tag::Map => {
                self.map_answered();
                self.dialogs.retain(|dialog| !matches!(dialog, Dialog::Mapping(_)));
            }
            // Whoever was faster has made another version.
            Tag::MapChanged => self.refresh.map.now(),
            Tag::MatchOptions(entry, text) => {
                if !self.match_options_failed((&entry, &text), again) {
                    return;
                }
            }
            Tag::Bulk => return self.bulk_failed(error),
            Tag::Decide { verb, target } => {
                let current = failed.current.as_deref();
                if verb != Verb::Undo || !self.undo_moved_on(&target, error, current, effects) {
                    self.refused(&target, error, current);
                }
                return;
            }
            Tag::Guard(_) => self.dialogs.retain(|dialog| !matches!(dialog, Dialog::Guard(_))),
            Tag::Preview(query) => self.preview_failed(&query),
            Tag::Outcome(_) => return,
            Tag::Watch | Tag::Done | Tag::Report(_) | Tag::MapHistory => {}
        }
        let hint = error.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        let severity = match (asked_again && again, self.trouble, &self.link) {
            // Told once until it works again, and not at all when the status line says it already.
            (true, true, _) | (true, _, Link::Lost(_)) => return,
            (true, false, Link::Up) => {
                self.trouble = true;
                Severity::Warn
            }
            (false, ..) => Severity::Error,
        };
        self.toast(severity, &format!("{error}{hint}"));
    }

    /// The fields that the refusal of an item names: by their titles, or by their own names.
    fn refused_fields(&self, item: &Item) -> BTreeSet<String> {
        let Some(error) = item.error.as_ref().filter(|_| item.reasons.contains(Reason::Validation)) else {
            return BTreeSet::new();
        };
        let fields = item.plan.fields.iter().map(|row| (row.field.as_str(), self.field_title(item.module, &row.field)));
        crate::tui::triage::named_in(&error.message, fields)
    }

    pub(super) fn backend_event(&mut self, event: BackendEvent, effects: &mut Vec<Effect>) {
        match event {
            BackendEvent::Event(Event::Changed { items, overflow, .. }) => {
                self.refresh.status.soon();
                self.refresh.queue.soon();
                self.refresh.log.soon();
                self.refresh.matches.soon();
                self.refresh.module.soon();
                self.refresh.stream.soon();
                let (awaited, others) = std::mem::take(&mut self.awaited)
                    .into_iter()
                    .partition::<BTreeSet<_>, _>(|id| overflow || items.contains(id));
                self.awaited = others;
                effects.extend(awaited.into_iter().map(|id| Effect::Call(Tag::Outcome(id), Request::Item { id })));
                if overflow || self.triage.wanted().is_some_and(|id| items.contains(&id)) {
                    self.refresh.item.soon();
                }
            }
            BackendEvent::Event(Event::Audit(_)) => self.refresh.log.soon(),
            BackendEvent::Event(Event::Bye { reason }) => {
                self.toast(Severity::Warn, &format!("the daemon is going away: {reason}"));
            }
            BackendEvent::Disconnected(reason) => {
                self.link = Link::Lost(reason);
                // Calls that were open will not be answered usefully; what they asked is asked again.
                self.refresh.everything();
            }
            BackendEvent::Reconnected(hello) => {
                self.hello = *hello;
                self.link = Link::Up;
                self.refresh.everything();
                self.queue.connection_lost();
                self.log.failed();
                self.matching.failed();
                if let Some(screen) = &mut self.screen {
                    screen.failed();
                }
                if let Some(screen) = &mut self.stream {
                    screen.failed();
                }
                self.toast(Severity::Info, "connected again");
                effects.push(Effect::Call(Tag::Watch, Request::Watch));
            }
        }
    }
}
