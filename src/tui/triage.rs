//! One item under triage: its fields, the operator's choices that are not sent yet, and where the
//! cursor is.
//!
//! Choices stay here until the operator approves. They are bound to the exact three values they were
//! made on: when the item comes back changed, a choice survives only where its values did not move.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Choice, FieldPlan, ItemId, Side, State, Value, Verb, Verdict};
use crate::wire::ItemView;

/// Which part of the pane has the cursor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pane {
    /// The fields.
    #[default]
    Fields,
    /// Possible counterparts.
    Candidates,
    /// What happened to the item.
    History,
}

/// A choice that was not sent yet, with the values it was made on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Draft {
    choice: Choice,
    on: Values,
}

/// The values a choice depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Values {
    base: (Option<Value>, Option<Value>),
    ivvy: Option<Value>,
    crm: Option<Value>,
}

impl Values {
    fn of(row: &FieldPlan) -> Self {
        Self { base: (row.base_ivvy.clone(), row.base_crm.clone()), ivvy: row.ivvy.clone(), crm: row.crm.clone() }
    }
}

/// The diff pane's state.
#[derive(Clone, Debug, Default)]
pub struct Triage {
    /// The item to show; what is loaded may still be another one.
    wanted: Option<ItemId>,
    view: Option<ItemView>,
    drafts: BTreeMap<ItemId, BTreeMap<String, Draft>>,
    /// Where the cursor is.
    pub pane: Pane,
    cursor: usize,
    top: usize,
    /// Fields that a refusal is about. They are shown though nothing differs, and the cursor goes there first.
    refused: BTreeSet<String>,
    /// Show the last agreed values where they are usually hidden, and the other way round.
    pub flip_base: bool,
    /// Whether fields without a difference are shown.
    pub show_same: bool,
}

/// What became of the local choices when an item came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Fields whose choice still stands.
    pub kept: usize,
    /// Fields whose values moved, so that the choice was dropped.
    pub dropped: Vec<String>,
}

impl Triage {
    /// The item wanted.
    pub fn wanted(&self) -> Option<ItemId> {
        self.wanted
    }

    /// The loaded item, if it is the wanted one.
    pub fn view(&self) -> Option<&ItemView> {
        self.view.as_ref().filter(|view| Some(view.item.id) == self.wanted)
    }

    /// Turns to another item.
    pub fn open(&mut self, id: ItemId) {
        if self.wanted != Some(id) {
            self.wanted = Some(id);
            self.pane = Pane::Fields;
            self.cursor = 0;
            self.top = 0;
        }
    }

    /// Takes the item as it is now. Choices whose values moved are dropped and named.
    /// `refused` are the fields its refusal is about.
    pub fn receive(&mut self, view: ItemView, refused: BTreeSet<String>) -> Carried {
        if Some(view.item.id) != self.wanted {
            return Carried::default();
        }
        let newly = refused.iter().any(|field| !self.refused.contains(field));
        let before = self.selected().map(|row| row.field.clone());
        let first = self.view().is_none();
        let mut carried = Carried::default();
        if let Some(drafts) = self.drafts.get_mut(&view.item.id) {
            let plan = &view.item.plan;
            drafts.retain(|field, draft| {
                let stands = plan.field(field).is_some_and(|row| Values::of(row) == draft.on);
                match stands {
                    true => carried.kept += 1,
                    false => carried.dropped.push(field.clone()),
                }
                stands
            });
            if drafts.is_empty() {
                self.drafts.remove(&view.item.id);
            }
        }
        // Where the question is "which one", the candidates are the answer's place, not the fields.
        if first && !view.item.plan.candidates.is_empty() && view.item.plan.unsolved() == 0 {
            self.pane = Pane::Candidates;
        }
        self.view = Some(view);
        self.refused = refused;
        if first || (newly && self.pane == Pane::Fields) {
            self.cursor = self.first_open();
        } else if let Some(field) = before {
            let same = self.rows().position(|row| row.field == field);
            self.cursor = same.unwrap_or(self.cursor);
        }
        self.cursor = self.cursor.min(self.length().saturating_sub(1));
        carried
    }

    /// The field rows shown: those that differ, or all.
    pub fn rows(&self) -> impl Iterator<Item = &FieldPlan> {
        let show_same = self.show_same;
        let fields = self.view().map(|view| view.item.plan.fields.as_slice()).unwrap_or_default();
        fields.iter().filter(move |row| {
            show_same || row.verdict != Verdict::Same || row.moved || row.choice.is_some() || self.asked_for(row)
        })
    }

    fn asked_for(&self, row: &FieldPlan) -> bool {
        self.refused.contains(&row.field)
    }

    /// Whether a refusal is about the field, and nothing was chosen since.
    pub fn is_refused(&self, row: &FieldPlan) -> bool {
        self.asked_for(row) && self.draft(row).is_none()
    }

    /// Shows or hides fields that do not differ; the cursor stays on its field.
    pub fn toggle_same(&mut self) {
        let before = self.selected().map(|row| row.field.clone());
        self.show_same = !self.show_same;
        if self.pane == Pane::Fields {
            let same = before.and_then(|field| self.rows().position(|row| row.field == field));
            self.cursor = same.unwrap_or_else(|| self.first_open());
        }
    }

    /// Whether `n` stops at the field.
    fn needs_someone(&self, row: &FieldPlan) -> bool {
        self.unsolved(row) || self.is_refused(row)
    }

    /// Index of the first field that was refused or needs a choice, or of the first one.
    fn first_open(&self) -> usize {
        let refused = self.rows().position(|row| self.is_refused(row));
        refused.or_else(|| self.rows().position(|row| self.unsolved(row))).unwrap_or(0)
    }

    /// The field under the cursor.
    pub fn selected(&self) -> Option<&FieldPlan> {
        (self.pane == Pane::Fields).then(|| self.rows().nth(self.cursor)).flatten()
    }

    /// Index of the cursor in the pane.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// Rows in the focused pane.
    pub fn length(&self) -> usize {
        match (self.pane, self.view()) {
            (_, None) => 0,
            (Pane::Fields, _) => self.rows().count(),
            (Pane::Candidates, Some(view)) => view.item.plan.candidates.len(),
            (Pane::History, Some(view)) => view.history.len(),
        }
    }

    /// Moves the cursor.
    pub fn step(&mut self, rows: isize) {
        self.cursor = self.cursor.saturating_add_signed(rows).min(self.length().saturating_sub(1));
    }

    /// Goes to the next or previous pane that has something in it.
    pub fn cycle_pane(&mut self, by: isize) {
        let has_candidates = self.view().is_some_and(|view| !view.item.plan.candidates.is_empty());
        let panes: &[Pane] = match has_candidates {
            true => &[Pane::Fields, Pane::Candidates, Pane::History],
            false => &[Pane::Fields, Pane::History],
        };
        let count = isize::try_from(panes.len()).unwrap_or(1);
        let at = panes.iter().position(|pane| *pane == self.pane).and_then(|at| isize::try_from(at).ok()).unwrap_or(0);
        let next = usize::try_from((at + by).rem_euclid(count)).unwrap_or(0);
        self.pane = panes.get(next).copied().unwrap_or_default();
        self.cursor = if self.pane == Pane::Fields { self.first_open() } else { 0 };
    }

    /// Goes to a pane.
    pub fn focus(&mut self, pane: Pane) {
        self.pane = pane;
        self.cursor = 0;
    }

    /// The choice for a field: the local one, else the one stored with the item.
    pub fn choice<'a>(&'a self, row: &'a FieldPlan) -> Option<&'a Choice> {
        self.draft(row).or(row.choice.as_ref())
    }

    /// The local choice for a field.
    pub fn draft(&self, row: &FieldPlan) -> Option<&Choice> {
        let drafts = self.drafts.get(&self.wanted?)?;
        drafts.get(&row.field).map(|draft| &draft.choice)
    }

    /// Whether a person must still choose.
    pub fn unsolved(&self, row: &FieldPlan) -> bool {
        row.verdict == Verdict::Conflict && self.choice(row).is_none()
    }

    /// The value both sides will hold, with local choices applied.
    pub fn result<'a>(&'a self, row: &'a FieldPlan) -> Option<&'a Value> {
        match self.draft(row) {
            Some(Choice::Ivvy) => row.ivvy.as_ref(),
            Some(Choice::Crm) => row.crm.as_ref(),
            Some(Choice::Custom(value)) => Some(value),
            Some(Choice::Each { .. } | Choice::Keep) => None,
            None => row.result(),
        }
    }

    /// Names of the fields that still need a choice.
    pub fn open_fields(&self) -> Vec<String> {
        let fields = self.view().map(|view| view.item.plan.fields.as_slice()).unwrap_or_default();
        fields.iter().filter(|row| self.unsolved(row)).map(|row| row.field.clone()).collect()
    }

    /// The local choices for the item, as they are sent.
    pub fn choices(&self) -> BTreeMap<String, Choice> {
        let drafts = self.wanted.and_then(|id| self.drafts.get(&id));
        drafts.into_iter().flatten().map(|(field, draft)| (field.clone(), draft.choice.clone())).collect()
    }

    /// Items with choices that were not sent.
    pub fn items_with_drafts(&self) -> usize {
        self.drafts.len()
    }

    /// Forgets the choices of an item: they were sent, or it was settled otherwise.
    pub fn forget(&mut self, id: ItemId) {
        self.drafts.remove(&id);
    }

    /// Chooses for the field under the cursor and goes to the next open one.
    pub fn choose(&mut self, choice: Choice) {
        let Some(row) = self.selected().cloned() else { return };
        self.put(&row, choice);
        let cursor = self.cursor;
        let next = self.rows().enumerate().skip(cursor + 1).find(|(_, row)| self.needs_someone(row)).map(|(at, _)| at);
        if let Some(at) = next {
            self.cursor = at;
        }
    }

    /// Chooses one side for every field that differs.
    pub fn choose_all(&mut self, side: Side) {
        let fields = self.view().map(|view| view.item.plan.fields.clone()).unwrap_or_default();
        for row in fields.iter().filter(|row| choosable(row, side).is_ok() && row.verdict != Verdict::Same) {
            self.put(row, Choice::side(side));
        }
    }

    /// Takes the local choice for the field under the cursor back.
    pub fn unchoose(&mut self) {
        let (Some(row), Some(id)) = (self.selected().cloned(), self.wanted) else { return };
        if let Some(drafts) = self.drafts.get_mut(&id) {
            drafts.remove(&row.field);
            if drafts.is_empty() {
                self.drafts.remove(&id);
            }
        }
    }

    fn put(&mut self, row: &FieldPlan, choice: Choice) {
        let Some(id) = self.wanted else { return };
        let draft = Draft { choice, on: Values::of(row) };
        self.drafts.entry(id).or_default().insert(row.field.clone(), draft);
    }

    /// Goes to the next or previous open field; answers whether there was one.
    pub fn seek(&mut self, forward: bool) -> bool {
        if self.pane != Pane::Fields {
            return false;
        }
        let open: Vec<usize> =
            self.rows().enumerate().filter(|(_, row)| self.needs_someone(row)).map(|(at, _)| at).collect();
        let hit = match forward {
            true => open.into_iter().find(|at| *at > self.cursor),
            false => open.into_iter().rev().find(|at| *at < self.cursor),
        };
        if let Some(at) = hit {
            self.cursor = at;
        }
        hit.is_some()
    }

    /// Why a verb is not possible now, by what the daemon said of this item.
    pub fn refusal(&self, verb: Verb) -> Option<String> {
        let Some(view) = self.view() else { return Some("the item is not loaded yet".to_owned()) };
        let state = view.item.state;
        if verb == Verb::Approve && verb.accepts(state) {
            // The daemon does not know the local choices, so whether all fields are solved is judged here.
            let open = self.open_fields();
            match open.as_slice() {
                [] if !self.choices().is_empty() => return None,
                [] => {}
                [one] => return Some(format!("the field {one} still needs a choice")),
                many => return Some(format!("{} fields still need a choice: {}", many.len(), many.join(", "))),
            }
        }
        match view.verbs.get(&verb) {
            Some(reason) => reason.as_ref().map(|reason| self.explained(reason)),
            None => Some(self.explained(&format!("not possible while the item is {state}"))),
        }
    }

    /// A refusal of a blocked item, with what would end it.
    pub fn explained(&self, why: &str) -> String {
        let blocked = self.view().filter(|view| view.item.state == State::Blocked);
        match blocked.and_then(|view| view.waits_for.as_ref()) {
            Some(awaited) => format!("{why}; it {}", awaited.sentence()),
            None => why.to_owned(),
        }
    }
}

/// The fields, each with its title, that a sentence names in whole words. A longer name goes before one that is
/// part of it: "first name" is not "name".
pub fn named_in<'a>(sentence: &str, fields: impl Iterator<Item = (&'a str, String)>) -> BTreeSet<String> {
    let words = |text: &str| {
        let bare: String = text.to_lowercase().chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
        bare.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let mut said = format!(" {} ", words(sentence));
    let mut names: Vec<(String, &str)> = Vec::new();
    for (field, title) in fields {
        for name in [words(&title), words(field)] {
            // Systems write `LastName` where we say "Last name".
            names.push((name.replace(' ', ""), field));
            names.push((name, field));
        }
    }
    names.retain(|(name, _)| !name.is_empty());
    names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    let mut found = BTreeSet::new();
    for (name, field) in names {
        let name = format!(" {name} ");
        if said.contains(&name) {
            said = said.replace(&name, " | ");
            found.insert(field.to_owned());
        }
    }
    found
}

/// Whether a side's value can be taken for a field.
///
/// # Errors
/// Why not, in words.
pub fn choosable(row: &FieldPlan, side: Side) -> Result<(), String> {
    match row.on(side) {
        Some(_) => Ok(()),
        None => Err(format!("{} did not send this field, so there is no value to take", side.title())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::fixture;

    fn opened(view: ItemView) -> Triage {
        let mut triage = Triage::default();
        triage.open(view.item.id);
        triage.receive(view, BTreeSet::new());
        triage
    }

    #[test]
    fn choices_are_local_and_approval_waits_for_all_of_them() {
        let mut triage = opened(fixture::conflict(7));
        assert_eq!(triage.selected().unwrap().field, "email", "the cursor starts on the first open field");
        assert!(triage.refusal(Verb::Approve).unwrap().contains("2 fields"));
        triage.choose(Choice::Ivvy);
        assert_eq!(triage.selected().unwrap().field, "phone", "and goes to the next one by itself");
        triage.choose(Choice::Custom(Value::text("+61 2")));
        assert_eq!(triage.refusal(Verb::Approve), None);
        assert_eq!(triage.choices().len(), 2);
    }

    #[test]
    fn a_choice_survives_only_where_its_values_did_not_move() {
        let mut triage = opened(fixture::conflict(7));
        triage.choose(Choice::Ivvy);
        triage.choose(Choice::Crm);
        let mut moved = fixture::conflict(7);
        moved.item.ver += 1;
        moved.item.plan.fields.iter_mut().find(|row| row.field == "phone").unwrap().crm = Some(Value::text("+61 999"));
        let carried = triage.receive(moved, BTreeSet::new());
        assert_eq!(carried, Carried { kept: 1, dropped: vec!["phone".into()] });
        assert_eq!(triage.open_fields(), ["phone"]);
    }

    #[test]
    fn showing_all_fields_keeps_the_cursor_on_its_field() {
        let mut view = fixture::conflict(7);
        let open = view.item.plan.fields.iter().position(|row| row.field == "email").unwrap();
        for row in &mut view.item.plan.fields[..open] {
            (row.verdict, row.moved, row.choice) = (Verdict::Same, false, None);
        }
        let mut triage = opened(view);
        for _ in 0..2 {
            assert_eq!(triage.selected().unwrap().field, "email");
            triage.toggle_same();
        }
        assert_eq!(triage.selected().unwrap().field, "email");
    }

    #[test]
    fn a_missing_value_cannot_be_taken() {
        let mut view = fixture::conflict(7);
        view.item.plan.fields[2].crm = None;
        assert!(choosable(&view.item.plan.fields[2], Side::Crm).is_err());
        let mut triage = opened(view);
        triage.choose_all(Side::Crm);
        assert_eq!(triage.choices().len(), 2, "{:?}", triage.choices());
    }

    #[test]
    fn answers_for_another_item_are_ignored() {
        let mut triage = opened(fixture::conflict(7));
        triage.open(ItemId(8));
        assert!(triage.view().is_none());
        triage.receive(fixture::conflict(7), BTreeSet::new());
        assert!(triage.view().is_none());
    }

    #[test]
    fn a_refusal_names_fields_by_title_or_name_and_the_longer_one_wins() {
        let fields = [("name", "Name"), ("first_name", "First name"), ("last_name", "Last name"), ("email", "E-mail")];
        let named = |sentence: &str| {
            let fields = fields.iter().map(|(field, title)| (*field, (*title).to_owned()));
            named_in(sentence, fields).into_iter().collect::<Vec<_>>().join(",")
        };
        assert_eq!(named("a first name is missing, and the Connector takes nobody without"), "first_name");
        assert_eq!(named("REQUIRED_FIELD_MISSING: Required fields are missing: [LastName]"), "last_name");
        assert_eq!(named("incomplete: First name, E-mail needed in iVvy"), "email,first_name");
        assert_eq!(named("the name is too long, and renamed emails"), "name");
        assert_eq!(named("no such place"), "");
    }

    #[test]
    fn a_refused_field_is_shown_and_has_the_cursor_until_a_value_is_chosen() {
        let mut view = fixture::view(
            7,
            "Anna",
            vec![fixture::field("email", "a", "b", "c"), fixture::field("first_name", "", "", "")],
        );
        view.item.reasons = crate::model::Reasons::one(crate::model::Reason::Validation);
        let refused = BTreeSet::from(["first_name".to_owned()]);
        let mut triage = Triage::default();
        triage.open(view.item.id);
        triage.receive(view.clone(), BTreeSet::new());
        assert_eq!((triage.length(), triage.selected().unwrap().field.as_str()), (1, "email"));
        triage.receive(view.clone(), refused.clone());
        assert_eq!((triage.length(), triage.selected().unwrap().field.as_str()), (2, "first_name"));
        triage.choose(Choice::Custom(Value::text("Anna")));
        assert!(!triage.rows().any(|row| triage.is_refused(row)));
        triage.step(-1);
        triage.receive(view, refused);
        assert_eq!(triage.selected().unwrap().field, "email", "the cursor stays once it was there");
    }
}
