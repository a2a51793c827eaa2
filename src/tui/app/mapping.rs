//! The field map of the module under the dashboard's cursor: what its keys do (V-19).

use std::collections::BTreeMap;

use super::{App, Effect, Tag};
use crate::model::mapping::{flow_for, kind_for, short_name};
use crate::model::{CustomField, CustomKind, FieldDefinition, FieldMap, Flow, Side, Transform, Value};
use crate::seam::Zone;
use crate::text::Safe;
use crate::tui::action::{ActionId, Tier};
use crate::tui::dialog::{Dialog, Field, Form, Input, Purpose, Report};
use crate::tui::mapping::{Choosing, Chose, Mapping, Row, Seen};
use crate::tui::toast::Severity;
use crate::wire::{MapChange, MapOrigin, MapVerb, Request};

/// What is asked of a value's way, in the order of [`TRANSFORMS`].
const TRANSFORMS: [(&str, Transform); 4] =
    [("none", Transform::None), ("trim", Transform::Trim), ("upper", Transform::Upper), ("lower", Transform::Lower)];

/// Versions that are shown; older ones are for the command line.
const VERSIONS: u32 = 50;

const FLOWS: [(&str, Flow); 3] = [("both", Flow::Both), ("to CRM", Flow::ToCrm), ("to iVvy", Flow::ToIvvy)];

/// Label of the value table, which is told from the default by it.
const TABLE: &str = "iVvy=CRM pairs";

impl App {
    /// The map that is shown, if one is.
    pub(in crate::tui) fn mapping(&self) -> Option<&Mapping> {
        self.dialogs.iter().rev().find_map(|dialog| match dialog {
            Dialog::Mapping(mapping) => Some(&**mapping),
            _ => None,
        })
    }

    pub(super) fn mapping_mut(&mut self) -> Option<&mut Mapping> {
        self.dialogs.iter_mut().rev().find_map(|dialog| match dialog {
            Dialog::Mapping(mapping) => Some(&mut **mapping),
            _ => None,
        })
    }

    /// Asks for the map that is shown when it is stale.
    pub(super) fn pump_map(&mut self, effects: &mut Vec<Effect>) {
        if let Some(module) = self.mapping().map(|mapping| mapping.module)
            && self.refresh.map.due(self.now)
        {
            self.refresh.map.ask();
            effects.push(Effect::Call(Tag::Map, Request::MapShow { module }));
        }
    }

    /// Why an action on the map is not possible now.
    pub(super) fn map_refusal(&self, id: ActionId) -> Option<String> {
        use ActionId as A;
        let no = |why: &str| Some(why.to_owned());
        if id == A::FieldMap {
            return self.current_module().is_none().then(|| "no module is chosen".to_owned());
        }
        let Some(mapping) = self.mapping() else { return no("open the field map of a module first") };
        if id == A::MapHistory {
            return None;
        }
        let (Some(view), Some(row)) = (&mapping.view, mapping.current()) else { return no("there is no field here") };
        match (id, row) {
            (_, Row::Mapped(line)) if line.origin == MapOrigin::Configuration && id != A::MapResync => {
                no("it comes from the configuration: change it there, then restart the daemon")
            }
            (A::MapField, Row::Mapped(_)) => None,
            (A::MapField, _) if !view.errors.is_empty() => no("one side does not tell its fields now"),
            (A::MapField, Row::Ivvy(definition, _) | Row::Crm(definition)) => {
                let kind = definition.kind.and_then(CustomKind::of);
                kind.is_none().then(|| "fields of its type cannot be kept in step".to_owned())
            }
            (_, Row::Mapped(_)) => None,
            _ => no("it is not mapped"),
        }
    }

    pub(super) fn map_action(&mut self, id: ActionId, effects: &mut Vec<Effect>) {
        match id {
            ActionId::FieldMap => {
                let Some(module) = self.current_module() else { return };
                let flow = self.hello.modules.iter().find(|def| def.id == module).map_or(Flow::Both, |def| def.flow);
                self.dialogs.push(Dialog::Mapping(Box::new(Mapping::new(module, flow))));
                self.refresh.map.forget();
            }
            ActionId::MapField => self.ask_field(),
            ActionId::MapRemove => self.ask_removal(),
            ActionId::MapResync => self.ask_resync(),
            ActionId::MapHistory => {
                if let Some(module) = self.mapping().map(|mapping| mapping.module) {
                    effects.push(Effect::Call(
                        Tag::MapHistory,
                        Request::MapHistory { module, before: None, limit: VERSIONS },
                    ));
                }
            }
            _ => {}
        }
    }

    /// A field that is mapped is changed; for another one the counterpart is chosen first.
    fn ask_field(&mut self) {
        let Some((mapping, view)) = self.mapping().and_then(|map| Some((map, map.view.as_ref()?))) else { return };
        let choosing = |side: Side, definition: &FieldDefinition| {
            let offers = mapping.counterparts(side, &definition.name);
            Dialog::Choosing(Box::new(Choosing::new(side, definition, offers, view.version)))
        };
        let dialog = match mapping.current() {
            None => return,
            Some(Row::Mapped(line)) => {
                let seen = Seen { change: true, version: view.version };
                Dialog::Form(Box::new(way_form(&line.field, seen, mapping.flow)))
            }
            Some(Row::Ivvy(definition, _)) => choosing(Side::Ivvy, definition),
            Some(Row::Crm(definition)) => choosing(Side::Crm, definition),
        };
        self.dialogs.push(dialog);
    }

    /// What a key did to the dialog that asks for the counterpart.
    pub(super) fn chose(&mut self, chose: Chose) {
        match chose {
            Chose::Open => {}
            Chose::Closed => drop(self.dialogs.pop()),
            Chose::Field(other) => {
                let Some(Dialog::Choosing(choosing)) = self.dialogs.pop() else { return };
                match self.field_of(&choosing, &other) {
                    Ok((field, flow)) => {
                        let seen = Seen { change: false, version: choosing.version };
                        self.dialogs.push(Dialog::Form(Box::new(way_form(&field, seen, flow))));
                    }
                    Err(why) => self.toast(Severity::Warn, &why),
                }
            }
        }
    }

    /// The field that two definitions make, with the widest direction they allow.
    fn field_of(&self, choosing: &Choosing, other: &str) -> Result<(CustomField, Flow), String> {
        let mapping = self.mapping().ok_or("the map was closed")?;
        let (ivvy, crm) = match choosing.side {
            Side::Ivvy => (choosing.name.as_str(), other),
            Side::Crm => (other, choosing.name.as_str()),
        };
        let found = mapping.definition(Side::Ivvy, ivvy).zip(mapping.definition(Side::Crm, crm));
        let (here, there) = found.ok_or("one of the two fields is gone")?;
        let words = |kind: Option<CustomKind>| kind.map_or("of a type that cannot be kept in step", CustomKind::words);
        let kinds = [here, there].map(|definition| definition.kind.and_then(CustomKind::of));
        let kind = kind_for(here, there).ok_or_else(|| {
            format!(
                "{}'s is {}, the CRM's {}: they do not go together",
                self.hello.sides.of(Side::Ivvy),
                words(kinds[0]),
                words(kinds[1])
            )
        })?;
        let flow = flow_for(mapping.flow, here, there).ok_or("neither side can be written")?;
        let number = ivvy.parse().map_err(|_| "iVvy's field has no number")?;
        let field = CustomField {
            name: short_name(mapping.module, &here.title, number),
            title: Some(here.title.clone()),
            kind,
            ivvy: number,
            crm: crm.to_owned(),
            flow,
            transform: Transform::None,
            default: None,
        };
        Ok((field, flow))
    }

    /// The form about a field's way was completed: one more question, with what it means. What is sent names
    /// the version seen when it was opened, for the map may have been read anew below it since.
    pub(super) fn submit_field(&mut self, field: &CustomField, seen: Seen, mut form: Form) {
        let Some(module) = self.mapping().map(|mapping| mapping.module) else { return };
        let field = match filled(field, &form) {
            Ok(field) => field,
            Err(why) => {
                form.complaint = Some(Safe::limited(&why, 200));
                self.dialogs.push(Dialog::Form(Box::new(form)));
                return;
            }
        };
        if let Some((wrong, hint)) = field.fault(module) {
            form.complaint = Some(Safe::limited(&format!("{wrong}: {hint}"), 200));
            self.dialogs.push(Dialog::Form(Box::new(form)));
            return;
        }
        let title = format!("Map {} to {}?", field.title(), field.crm);
        let way = format!("{} · {}{}", flow_words(field.flow), field.kind.words(), transform_words(&field.transform));
        let (verb, submit) = match seen.change {
            true => (MapVerb::Change(field), "change"),
            false => (MapVerb::Add(field), "map"),
        };
        let change = MapChange { module, expect: seen.version, verb, dry_run: false, reason: None };
        let form = Form::new(&title, submit, Tier::T2, Purpose::Map(Box::new(change)))
            .line("Old values are not touched: what is edited from now on goes over. Plan a resync for the rest.")
            .line(&way);
        self.dialogs.push(Dialog::Form(Box::new(form)));
    }

    fn ask_removal(&mut self) {
        let Some((mapping, view)) = self.mapping().and_then(|map| Some((map, map.view.as_ref()?))) else { return };
        let Some(Row::Mapped(line)) = mapping.current() else { return };
        let verb = MapVerb::Remove(line.field.name.clone());
        let change = MapChange { module: mapping.module, expect: view.version, verb, dry_run: false, reason: None };
        let title = format!("No longer map {}?", line.field.title());
        let form = Form::new(&title, "remove", Tier::T2, Purpose::Map(Box::new(change)))
            .line("Both sides keep their values; nothing of the field goes over any more.");
        self.dialogs.push(Dialog::Form(Box::new(form)));
    }

    fn ask_resync(&mut self) {
        let Some(mapping) = self.mapping() else { return };
        let Some(Row::Mapped(line)) = mapping.current() else { return };
        let (module, field) = (mapping.module, line.field.name.clone());
        let title = format!("Plan a resync of {}?", line.field.title());
        let form = Form::new(&title, "plan", Tier::T2, Purpose::MapResync { module, field })
            .line("What differs now is planned and held by the guard, with all else the module plans, until released.");
        self.dialogs.push(Dialog::Form(Box::new(form)));
    }

    /// Versions to read.
    pub(super) fn show_versions(&mut self, versions: Vec<FieldMap>, more: u32) {
        let mut lines: Vec<String> = match versions.is_empty() {
            true => vec!["The map in the store has never been changed.".to_owned()],
            false => versions.iter().map(|map| version_line(map, &self.settings.zone)).collect(),
        };
        if let Some(oldest) = versions.last().filter(|_| more > 0) {
            lines.push(format!("{more} more: tandem map history MODULE --before {}", oldest.version));
        }
        let title = format!("Versions of the map, newest first; {}", self.settings.zone.label(self.now));
        self.dialogs.push(Dialog::Report(Report::new(&title, lines)));
    }
}

fn version_line(map: &FieldMap, zone: &Zone) -> String {
    let reason = map.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let at = zone.at(map.at).format("%Y-%m-%d %H:%M");
    format!("{}  {at}  {}: {}{reason}", map.version, map.by.name, map.what)
}

/// Direction, transform and default of a field; what the type does not have is not asked.
fn way_form(field: &CustomField, seen: Seen, widest: Flow) -> Form {
    let flows: Vec<_> = FLOWS.into_iter().filter(|(_, flow)| widest == Flow::Both || *flow == widest).collect();
    let selected = flows.iter().position(|(_, flow)| *flow == field.flow).unwrap_or(0);
    let options = flows.into_iter().map(|(word, _)| word).collect();
    let title = format!("{} = {}", field.title(), field.crm);
    let purpose = Purpose::MapField { field: Box::new(field.clone()), seen };
    let mut form =
        Form::new(&title, "go on", Tier::T0, purpose).field(Field::Options { label: "goes", options, selected });
    if field.kind.is_list() {
        let table = match &field.transform {
            Transform::Values(table) => {
                table.iter().map(|(ivvy, crm)| format!("{ivvy}={crm}")).collect::<Vec<_>>().join("; ")
            }
            _ => String::new(),
        };
        form = form
            .line("Options that are called otherwise there: pairs like g=Guest; h=Host. Others are held, not guessed.")
            .field(Field::Text { label: TABLE, input: Input::new(&table, false), required: false });
    } else if Transform::Trim.suits(field.kind) {
        let options = TRANSFORMS.iter().map(|(word, _)| *word).collect();
        let selected = TRANSFORMS.iter().position(|(_, how)| *how == field.transform).unwrap_or(0);
        form = form.field(Field::Options { label: "written", options, selected });
    }
    let default = match &field.default {
        Some(Value::Set(members)) => members.iter().cloned().collect::<Vec<_>>().join("; "),
        Some(value) => value.to_string(),
        None => String::new(),
    };
    form.line("The default is what new records get where there is no value, in iVvy's words.").field(Field::Text {
        label: "default",
        input: Input::new(&default, false),
        required: false,
    })
}

/// The field as the form has it.
fn filled(field: &CustomField, form: &Form) -> Result<CustomField, String> {
    let mut field = field.clone();
    for asked in &form.fields {
        match asked {
            Field::Options { label: "goes", options, selected } => {
                let word = options.get(*selected).copied().unwrap_or_default();
                let flow = FLOWS.into_iter().find(|(known, _)| *known == word).map(|(_, flow)| flow);
                field.flow = flow.unwrap_or(field.flow);
            }
            Field::Options { selected, .. } => {
                field.transform = TRANSFORMS.get(*selected).map(|(_, how)| how.clone()).unwrap_or_default();
            }
            Field::Text { label, input, .. } if *label == TABLE => field.transform = table_of(&input.text())?,
            Field::Text { input, .. } => {
                let text = input.text();
                let typed = Some(text.trim()).filter(|text| !text.is_empty());
                let default = typed.map(|text| field.kind.parse(text)).transpose();
                field.default = default.map_err(|takes| format!("the default is {takes}"))?;
            }
            _ => {}
        }
    }
    Ok(field)
}

fn table_of(text: &str) -> Result<Transform, String> {
    let mut table = BTreeMap::new();
    for pair in text.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (ivvy, crm) = pair.split_once('=').ok_or_else(|| format!("`{pair}` is no pair like g=Guest"))?;
        if table.insert(ivvy.trim().to_owned(), crm.trim().to_owned()).is_some() {
            return Err(format!("`{}` is there twice", ivvy.trim()));
        }
    }
    Ok(if table.is_empty() { Transform::None } else { Transform::Values(table) })
}

/// A direction in words.
pub(in crate::tui) fn flow_words(flow: Flow) -> &'static str {
    match flow {
        Flow::Both => "both ways",
        Flow::ToCrm => "to the CRM only",
        Flow::ToIvvy => "to iVvy only",
    }
}

/// What is done to values, in words; nothing when they go as they are.
pub(in crate::tui) fn transform_words(transform: &Transform) -> String {
    match transform {
        Transform::None => String::new(),
        other => format!(" · {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_typed_as_pairs() {
        let table = [("g", "Guest"), ("h", "Host=VIP")].map(|(ivvy, crm)| (ivvy.to_owned(), crm.to_owned()));
        assert_eq!(table_of(" g = Guest ;h=Host=VIP;"), Ok(Transform::Values(table.into())));
        assert_eq!(table_of("  "), Ok(Transform::None));
        assert!(table_of("g").is_err() && table_of("g=1;g=2").is_err());
    }

    #[test]
    fn a_version_is_dated_in_the_operators_zone_n08() {
        let last = crate::tui::fixture::field_map().last.unwrap();
        let dated = |zone: &Zone| version_line(&last, zone).split("  ").nth(1).unwrap().to_owned();
        let (here, utc) = (dated(&Zone::fixed("AEST", 10 * 3600)), dated(&Zone::Utc));
        let read = |text: &str| chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap();
        assert_eq!(read(&here) - read(&utc), chrono::TimeDelta::hours(10));
    }
}
