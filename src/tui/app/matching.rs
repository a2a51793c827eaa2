//! The match tables: what the keys of tab 5 do.

use super::{App, Effect, Tag};
use crate::model::{MatchKind, MatchState};
use crate::tui::action::{ActionId, Tier};
use crate::tui::dialog::pairing::Chosen;
use crate::tui::dialog::{Dialog, Field, Form, Input, Pairing, Purpose};
use crate::wire::{MatchEntry, MatchVerb, Request};

impl App {
    /// Why an action on the match tables is not possible now.
    pub(super) fn match_refusal(&self, id: ActionId) -> Option<String> {
        use ActionId as A;
        let no = |why: &str| Some(why.to_owned());
        if let (Some(off), A::MatchPair | A::MatchCreate | A::MatchUpdate | A::MatchAgain) = (&self.matching.off, id) {
            return Some(off.clone());
        }
        if matches!(id, A::MatchTable | A::MatchSide | A::MatchFilter | A::MatchAgain) {
            return None;
        }
        let Some(line) = self.matching.current() else { return no("the table is empty here") };
        let (row, paired) = (&line.row, line.row.state.is_paired());
        match id {
            A::MatchPair if paired => no("it has a counterpart; unpair it first"),
            A::MatchPair if row.state == MatchState::Ignored => no("it is set aside; let it take part again first"),
            A::MatchUnpair if !paired => no("it has no counterpart"),
            A::MatchCreate if row.kind == MatchKind::Staff => no("staff are never created by Tandem"),
            A::MatchCreate if paired => no("it has a counterpart"),
            A::MatchUpdate if row.kind == MatchKind::Staff => no("staff are never changed by Tandem"),
            A::MatchUpdate if !paired => no("it has no counterpart"),
            A::MatchUpdate if line.change.is_none() && line.because.is_empty() => no("it is like its counterpart"),
            A::MatchUpdate if line.change.is_none() => Some(line.because.clone()),
            A::MatchCreate if !row.alive() => no("it is inactive or gone"),
            _ => None,
        }
    }

    pub(super) fn match_action(&mut self, id: ActionId, effects: &mut Vec<Effect>) {
        use ActionId as A;
        match id {
            A::MatchTable => {
                self.matching.kind = match self.matching.kind {
                    MatchKind::Staff => MatchKind::LeadSource,
                    MatchKind::LeadSource => MatchKind::Staff,
                };
                self.rematch_filter();
            }
            A::MatchSide => {
                self.matching.side = self.matching.side.other();
                self.rematch_filter();
            }
            A::MatchFilter => {
                let now = self.matching.text.clone().unwrap_or_default();
                let field =
                    Field::Text { label: "name or address contains", input: Input::new(&now, false), required: false };
                let form = Form::new("Filter the table", "filter", Tier::T0, Purpose::MatchFilter).field(field);
                self.dialogs.push(Dialog::Form(Box::new(form)));
            }
            A::MatchAgain => {
                effects.push(Effect::Call(
                    Tag::Done,
                    Request::MatchRefresh { kind: Some(self.matching.kind), accept: false },
                ));
            }
            A::MatchPair => self.open_pairing(effects),
            A::MatchUnpair => self.match_decide(MatchVerb::Unpair, effects),
            A::MatchIgnore => {
                let ignored = self.matching.current().is_some_and(|line| line.row.state == MatchState::Ignored);
                self.match_decide(if ignored { MatchVerb::Include } else { MatchVerb::Ignore }, effects);
            }
            A::MatchCreate => self.ask_match(MatchVerb::Create, "Create it in the other system?", "create"),
            A::MatchUpdate => self.ask_update(),
            A::MatchResend => {
                self.ask_match(MatchVerb::Resend, "Look again at what was sent without it?", "send again");
            }
            _ => {}
        }
    }

    /// Shows other rows.
    pub(super) fn rematch_filter(&mut self) {
        self.matching.reset();
        self.refresh.matches.forget();
    }

    fn match_decide(&mut self, verb: MatchVerb, effects: &mut Vec<Effect>) {
        if let Some(entry) = self.matching.entry() {
            effects.push(Effect::Call(Tag::Done, Request::MatchDecide { entry, verb, other: None }));
        }
    }

    fn ask_match(&mut self, verb: MatchVerb, question: &str, submit: &'static str) {
        let (Some(entry), Some(line)) = (self.matching.entry(), self.matching.current()) else { return };
        let name = line.row.name.clone();
        let form = Form::new(question, submit, Tier::T2, Purpose::Match { entry, verb }).line(&name);
        self.dialogs.push(Dialog::Form(Box::new(form)));
    }

    /// Shows what the counterpart is and what it would become.
    fn ask_update(&mut self) {
        let (Some(entry), Some(line)) = (self.matching.entry(), self.matching.current()) else { return };
        let Some(change) = line.change.clone() else { return };
        let names = &self.hello.sides;
        let question = format!("Change the counterpart in {}?", names.of(entry.side.other()));
        let there = line.other.clone().unwrap_or_default();
        let mut lines = vec![format!("{} of {}: its counterpart {there}", line.row.name, names.of(entry.side))];
        if let Some(name) = &change.name {
            lines.push(format!("name: {there} > {name}"));
        }
        if let Some(active) = change.active {
            let word = |active: bool| if active { "active" } else { "inactive" };
            lines.push(format!("state: {} > {}", word(!active), word(active)));
        }
        if line.row.sent.is_some() {
            lines.push(line.because.clone());
        }
        let form = Form::new(&question, "send", Tier::T2, Purpose::MatchUpdate { entry, change });
        let form = lines.iter().fold(form, |form, line| form.line(line));
        self.dialogs.push(Dialog::Form(Box::new(form)));
    }

    pub(super) fn open_pairing(&mut self, effects: &mut Vec<Effect>) {
        let (Some(entry), Some(line)) = (self.matching.entry(), self.matching.current()) else { return };
        let pairing = Pairing::new(entry.clone(), line.row.name.clone());
        self.dialogs.push(Dialog::Pairing(Box::new(pairing)));
        search(entry, String::new(), effects);
    }

    /// What a key or a paste did to the pairing dialog.
    pub(super) fn chosen(&mut self, chosen: Chosen, effects: &mut Vec<Effect>) {
        let entry = match self.dialogs.last() {
            Some(Dialog::Pairing(pairing)) => pairing.entry.clone(),
            _ => return,
        };
        match chosen {
            Chosen::Open => {}
            Chosen::Closed => drop(self.dialogs.pop()),
            Chosen::Search(text) => search(entry, text, effects),
            Chosen::Option(other) => {
                self.dialogs.pop();
                let request = Request::MatchDecide { entry, verb: MatchVerb::Pair, other: Some(other) };
                effects.push(Effect::Call(Tag::Done, request));
            }
        }
    }

    /// What the daemon found for the pairing dialog, if it still asks that.
    pub(super) fn match_options(
        &mut self,
        (entry, text): (&MatchEntry, &str),
        options: Vec<crate::wire::MatchLine>,
        without: Option<u64>,
    ) {
        if let Some(Dialog::Pairing(pairing)) = self.dialogs.last_mut()
            && pairing.entry == *entry
        {
            pairing.without = without.or(pairing.without);
            // Answers to what was typed before may come late.
            if pairing.input.text() != text {
                return;
            }
            pairing.options = Some(options);
            pairing.failed = false;
            pairing.selected = None;
        }
    }

    /// The daemon did not say what could be paired. What it refuses ends the dialog; what is only not
    /// available now may be asked again. Answers whether somebody still waits for it.
    pub(super) fn match_options_failed(&mut self, (entry, text): (&MatchEntry, &str), again: bool) -> bool {
        let waiting = self.dialogs.iter().position(
            |dialog| matches!(dialog, Dialog::Pairing(pairing) if pairing.entry == *entry && pairing.input.text() == text),
        );
        let Some(at) = waiting else { return false };
        match &mut self.dialogs[at] {
            Dialog::Pairing(pairing) if again => pairing.failed = true,
            _ => drop(self.dialogs.remove(at)),
        }
        true
    }
}

fn search(entry: MatchEntry, text: String, effects: &mut Vec<Effect>) {
    let tag = Tag::MatchOptions(entry.clone(), text.clone());
    effects.push(Effect::Call(tag, Request::MatchOptions { entry, text }));
}
