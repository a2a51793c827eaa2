//! A stream looked at closely: opening it, what was set aside in it, and what can be done about it.

use super::{App, Effect, Tab, Tag};
use crate::model::StreamId;
use crate::tui::action::{ActionId, Tier};
use crate::tui::dialog::{Dialog, Field, Form, Input, Preview, Purpose};
use crate::tui::stream::{Pane, Screen};
use crate::tui::view::stream::furthest;
use crate::wire::{Request, StreamPart, StreamRow, StreamVerb};

/// Labels of the form for the first-sync date.
const DAY: &str = "first day (2026-01-31)";
const ZONE: &str = "zone (Europe/Paris)";

impl App {
    /// The streams of the account.
    pub(in crate::tui) fn streams(&self) -> &[StreamRow] {
        self.status.as_ref().map_or(&[], |status| &status.streams)
    }

    /// The stream that is looked at, or else the one under the cursor of the dashboard.
    pub(in crate::tui) fn current_stream(&self) -> Option<&StreamRow> {
        if let Some(screen) = &self.stream {
            return self.streams().iter().find(|row| row.id == screen.stream);
        }
        if self.screen.is_some() {
            return None;
        }
        let modules = self.status.as_ref().map_or(0, |status| status.modules.len());
        self.module.checked_sub(modules).and_then(|at| self.streams().get(at))
    }

    /// Opens the stream under the cursor or, on its screen, the record under the cursor there.
    pub(super) fn open_stream(&mut self) {
        if let Some(screen) = &self.stream {
            let Some(item) = screen.current() else { return };
            let part = StreamPart { id: screen.stream.clone(), number: item.number };
            let what = if screen.stream.kind.is_inbound() { "Record" } else { "Post" };
            let title = format!("{what} {} of {}", item.number, screen.stream);
            self.dialogs.push(Dialog::Preview(Box::new(Preview::of_stream(part, &title))));
            return;
        }
        if let Some(id) = self.current_stream().map(|row| row.id.clone()) {
            self.stream = Some(Screen::new(id));
            self.refresh.stream.forget();
        }
    }

    /// Asks for what is listed of the stream when that is stale, and for more near its end.
    pub(super) fn pump_stream(&mut self, effects: &mut Vec<Effect>) {
        let live = self.live();
        let (due, more) = (self.refresh.stream.due(self.now), self.may_ask_for_more());
        let Some(screen) = &mut self.stream else { return };
        let request = match due && (live || !screen.loaded()) {
            true => screen.newest(),
            false if more => screen.prefetch(),
            false => None,
        };
        let Some(request) = request else { return };
        let (tag, first) = match &request {
            Request::StreamItems { stream, after, .. } => {
                (Tag::StreamItems { stream: stream.clone(), after: *after }, after.is_none())
            }
            Request::AccessChecks(query) => {
                let (stream, before) = (screen.stream.clone(), query.before.clone());
                let first = before.is_none();
                (Tag::AccessChecks { stream, before }, first)
            }
            _ => return,
        };
        if first {
            self.refresh.stream.ask();
        }
        effects.push(Effect::Call(tag, request));
    }

    /// What is listed of a stream could not be had: further rows, or the first ones.
    pub(super) fn stream_failed(&mut self, stream: &StreamId, further: bool, again: bool) {
        if let Some(screen) = self.stream.as_mut().filter(|screen| screen.stream == *stream) {
            screen.failed();
        }
        let at = self.retry_at();
        match further {
            true => self.more_failed(),
            false if again => self.refresh.stream.retry(at),
            false => self.stream_answered(),
        }
    }

    pub(super) fn step_stream(&mut self, lines: isize) {
        let Some(mut screen) = self.stream.take() else { return };
        let furthest = self.row_of(&screen.stream).map_or(0, |row| furthest(self, row));
        screen.step(lines, furthest);
        self.stream = Some(screen);
    }

    /// Gives the room to the next list, or to the settings.
    pub(super) fn turn_stream(&mut self, by: isize) {
        if let Some(screen) = &mut self.stream {
            screen.turn(by);
            self.refresh.stream.now();
        }
    }

    fn row_of(&self, stream: &StreamId) -> Option<&StreamRow> {
        self.streams().iter().find(|row| row.id == *stream)
    }

    /// Why an action on the stream is not possible now.
    pub(super) fn stream_refusal(&self, id: ActionId) -> Option<String> {
        use ActionId as A;
        let no = |why: &str| Some(why.to_owned());
        let Some(row) = self.current_stream().filter(|_| self.tab == Tab::Dashboard) else {
            return no("choose a stream on the dashboard first");
        };
        match id {
            A::StreamRetry | A::StreamDismiss => match &self.stream {
                None => no("open the stream first and choose which"),
                Some(screen) if screen.pane == Pane::Checks => {
                    no("checks are only looked at; Tab shows what was set aside")
                }
                Some(screen) if screen.current().is_none() && row.inbound => no("nothing is set aside"),
                Some(screen) if screen.current().is_none() => no("no post is dead"),
                Some(_) => None,
            },
            A::StreamFirstSync if !row.needs_first_sync => {
                no("only S-360's contacts and orders have a first-sync date")
            }
            A::StreamFirstSync if row.state.tested_at.is_none() => no("test the connection first"),
            A::StreamReconcile if row.reconciling.is_some() => no("it is being reconciled already"),
            A::StreamReconcile if !row.inbound => no("nothing comes in here"),
            A::StreamReconcile if !row.operator => {
                no("there is no operator to read with: ask the sender to send that time again")
            }
            A::StreamSettle if !row.health.possible_loss => no("no loss is suspected"),
            _ => None,
        }
    }

    pub(super) fn stream_action(&mut self, id: ActionId, effects: &mut Vec<Effect>) {
        let Some((stream, inbound)) = self.current_stream().map(|row| (row.id.clone(), row.inbound)) else { return };
        let number = self.stream.as_ref().and_then(|screen| screen.current()).map(|item| item.number);
        let ask = |title: String, submit, line: &str, verb| {
            let purpose = Purpose::Stream { stream: stream.clone(), verb };
            Dialog::Form(Box::new(Form::new(&title, submit, Tier::T2, purpose).line(line)))
        };
        let verb = match (id, number) {
            (ActionId::StreamRetry, Some(number)) if inbound => StreamVerb::Retry { number },
            (ActionId::StreamRetry, Some(number)) => StreamVerb::Revive { number },
            (ActionId::StreamTest, _) => StreamVerb::Test,
            (ActionId::StreamRunNow, _) => StreamVerb::RunNow,
            (ActionId::StreamDismiss, Some(number)) => {
                let (what, verb) = match inbound {
                    true => ("record", StreamVerb::Dismiss { number }),
                    false => ("post", StreamVerb::Drop { number }),
                };
                let line = "It does not come back by itself; the audit log keeps that it was there.";
                return self.dialogs.push(ask(format!("Throw {what} {number} away?"), "throw away", line, verb));
            }
            (ActionId::StreamReconcile, _) => {
                let line = "Every record of this stream that we know is read again, within the rate that is allowed.";
                return self.dialogs.push(ask(
                    "Reconcile this stream?".into(),
                    "reconcile",
                    line,
                    StreamVerb::Reconcile,
                ));
            }
            (ActionId::StreamSettle, _) => {
                let line = "Say so when what may have been lost was read again, or sent again.";
                let verb = StreamVerb::LossSettled;
                return self.dialogs.push(ask("Was the possible loss dealt with?".into(), "settle", line, verb));
            }
            (ActionId::StreamFirstSync, _) => return self.ask_first_sync(stream),
            _ => return,
        };
        effects.push(Effect::Call(Tag::Done, Request::StreamDo { stream, verb }));
    }

    fn ask_first_sync(&mut self, stream: StreamId) {
        let (day, zone) = match self.row_of(&stream).and_then(|row| row.state.first_sync.as_ref()) {
            Some(set) => set.entered.split_once(' ').map_or((set.entered.as_str(), ""), |both| both),
            None => ("", ""),
        };
        let form = Form::new("From which day on do records take part?", "set", Tier::T2, Purpose::FirstSync { stream })
            .line("Contacts changed before that day and orders created before it are left out. The day itself is in.")
            .field(Field::Text { label: DAY, input: Input::new(day, false), required: true })
            .field(Field::Text { label: ZONE, input: Input::new(zone, false), required: true });
        self.dialogs.push(Dialog::Form(Box::new(form)));
    }

    /// The form for the first-sync date was completed. Whether it is a date is the daemon's to say.
    pub(super) fn submit_first_sync(&self, stream: StreamId, form: &Form, effects: &mut Vec<Effect>) {
        let text = |wanted: &str| {
            let found = form.fields.iter().find_map(|field| match field {
                Field::Text { label, input, .. } if *label == wanted => Some(input.text().trim().to_owned()),
                _ => None,
            });
            found.unwrap_or_default()
        };
        let verb = StreamVerb::FirstSync { date: text(DAY), zone: text(ZONE) };
        effects.push(Effect::Call(Tag::Done, Request::StreamDo { stream, verb }));
    }
}
