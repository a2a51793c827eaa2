//! Opening long values and pages of HTML, and loading what comes near the screen.

use super::{App, Effect, Tag};
use crate::model::{Choice, FieldKind, FieldPlan};
use crate::tui::action::ActionId;
use crate::tui::dialog::{Dialog, Preview};
use crate::tui::view::layout;
use crate::wire::{self, PreviewAs, PreviewOf, PreviewQuery, Request};

impl App {
    /// Opens the preview if the field under the cursor needs one; answers whether it does.
    pub(super) fn open_preview(&mut self) -> bool {
        let (Some(row), Some(view)) = (self.triage.selected(), self.triage.view()) else { return false };
        let module = view.item.module;
        let def = self.hello.modules.iter().find(|def| def.id == module).and_then(|def| def.field(&row.field));
        let is_html = def.is_some_and(|def| def.kind == FieldKind::Html);
        let values = values(row);
        if !(is_html || view.cut.contains_key(&row.field)) || values.is_empty() {
            return false;
        }
        let title = format!("{} of #{}", self.field_title(module, &row.field), view.item.id);
        let preview = Preview::new(view.item.id, &row.field, &title, values);
        self.dialogs.push(Dialog::Preview(Box::new(preview)));
        true
    }

    /// Whether the field under the cursor is shown cut, so that editing it would lose the rest.
    pub(in crate::tui) fn is_cut(&self, row: &FieldPlan) -> bool {
        self.triage.view().is_some_and(|view| view.cut.contains_key(&row.field))
    }

    pub(super) fn preview_action(&mut self, id: ActionId) {
        let Some(Dialog::Preview(preview)) = self.dialogs.last_mut() else { return };
        match id {
            ActionId::PreviewText => preview.show_as(PreviewAs::Text),
            ActionId::PreviewSource => preview.show_as(PreviewAs::Html),
            ActionId::PreviewLinks => preview.show_as(PreviewAs::Links),
            ActionId::PreviewValue => preview.next_value(),
            _ => {}
        }
    }

    pub(super) fn preview_refusal(&self, id: ActionId) -> Option<String> {
        match self.dialogs.last() {
            Some(Dialog::Preview(preview)) if id == ActionId::PreviewValue && !preview.has_others() => {
                Some("the field has one value only".to_owned())
            }
            Some(Dialog::Preview(_)) => None,
            _ => Some("open a long value first (Enter on its field)".to_owned()),
        }
    }

    fn preview(&mut self) -> Option<&mut Preview> {
        self.dialogs.iter_mut().rev().find_map(|dialog| match dialog {
            Dialog::Preview(preview) => Some(&mut **preview),
            _ => None,
        })
    }

    /// Lays out what is near the screen and asks for what is missing there; part of every update.
    pub(super) fn pump_preview(&mut self, effects: &mut Vec<Effect>) {
        let room = layout::preview_room(self.size);
        if let Some(query) = self.preview().and_then(|preview| preview.prepare(room)) {
            effects.push(Effect::Call(Tag::Preview(query.clone()), Request::Preview(query)));
        }
    }

    pub(super) fn previewed(&mut self, query: &PreviewQuery, part: wire::Preview) {
        if let Some(preview) = self.preview() {
            preview.receive(query, part);
        }
    }

    pub(super) fn preview_failed(&mut self, query: &PreviewQuery) {
        if let Some(preview) = self.preview() {
            preview.failed(query);
        }
    }
}

/// The values of a field there is something to read in. What will be written is one of them, unless it
/// was typed.
fn values(row: &FieldPlan) -> Vec<PreviewOf> {
    let base = row.base_ivvy.as_ref().or(row.base_crm.as_ref());
    let typed = matches!(row.choice, Some(Choice::Custom(_) | Choice::Each { .. }));
    let result = row.result_on(crate::model::Side::Crm).filter(|_| typed);
    [(PreviewOf::Ivvy, row.ivvy.as_ref()), (PreviewOf::Crm, row.crm.as_ref())]
        .into_iter()
        .chain([(PreviewOf::Result, result), (PreviewOf::Base, base)])
        .filter(|(_, value)| value.is_some_and(|value| !value.is_empty()))
        .map(|(of, _)| of)
        .collect()
}
