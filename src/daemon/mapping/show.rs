//! A module's map as consoles see it: what is mapped, what could be, which versions there were.
//!
//! Changes nothing. A remote may have any number of fields and options: what has no room in an answer is left out,
//! what is mapped last of all.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Definitions, crm_name, flow_of};
use crate::daemon::ServiceError;
use crate::daemon::account::Account;
use crate::merge::mapping as rules;
use crate::model::mapping::{flow_for, kind_for};
use crate::model::{CustomField, FieldDefinition, FieldMap, Flow, ModuleId, Side};
use crate::store::{Reads as _, StoreError};
use crate::wire::{Answer, MAX_FRAME, MapLeftOut, MapLine, MapOrigin, MapSuggestion, MapView};

/// Bytes of an answer's longest parts: the frame has room for the rest.
const MOST_BYTES: usize = MAX_FRAME / 2;

/// Fields per side, options per field and characters per label in an answer.
const MOST_FIELDS: usize = 2_000;
const MOST_OPTIONS: usize = 100;
const MOST_LABEL: usize = 120;

/// Fields per side that are compared for suggestions: each with each takes its time.
const MOST_COMPARED: usize = 600;

/// Versions in an answer.
const MOST_VERSIONS: u32 = 50;

/// A module's map with the definitions of both sides.
pub(in crate::daemon) async fn show(account: &Account, module: ModuleId) -> Result<Answer, ServiceError> {
    let flow = flow_of(account, module)?;
    let remotes = account.engine.remotes();
    let definitions = Definitions::read(&remotes, module).await;
    let crm = crm_name(&remotes);
    let map = account.engine.store().read(|view| view.newest_field_map(module))?;
    let configured = account.blueprint.configured(module).iter().map(|field| (field, MapOrigin::Configuration));
    let stored = map.iter().flat_map(|map| &map.fields).map(|mapped| (&mapped.field, MapOrigin::Store));
    let mapped: Vec<MapLine> = configured
        .chain(stored)
        .map(|(field, origin)| MapLine { field: field.clone(), origin, findings: definitions.check(field, flow, &crm) })
        .collect();
    let suggestions = suggestions(&definitions, &mapped, flow, &crm);
    let fitted = fitted(&definitions, &mapped, suggestions);
    Ok(Answer::Map(Box::new(MapView {
        module,
        version: map.as_ref().map_or(0, |map| map.version),
        in_force: account.engine.map_in_force(module),
        last: map.map(|map| FieldMap { fields: Vec::new(), ..map }),
        mapped: fitted.mapped,
        definitions: fitted.definitions,
        errors: definitions.errors,
        suggestions: fitted.suggestions,
        left_out: fitted.left_out,
    })))
}

/// What of a map an answer has room for, and how much it has not.
struct Fitted {
    mapped: Vec<MapLine>,
    suggestions: Vec<MapSuggestion>,
    definitions: BTreeMap<Side, Vec<FieldDefinition>>,
    left_out: MapLeftOut,
}

fn fitted(definitions: &Definitions, mapped: &[MapLine], suggestions: Vec<MapSuggestion>) -> Fitted {
    let left = |all: usize, shown: usize| all.saturating_sub(shown) as u64;
    let mut left_out = MapLeftOut::default();
    // Half of the room at most: a map may hold long tables of options. A line without its table would be a lie.
    let mut room = MOST_BYTES / 2;
    let lines = within(&mut room, mapped.iter().cloned(), MapLine::clone);
    left_out.mapped = left(mapped.len(), lines.len());
    room += MOST_BYTES - MOST_BYTES / 2;
    let suggested = suggestions.len();
    let suggestions = within(&mut room, suggestions, MapSuggestion::clone);
    left_out.suggestions = left(suggested, suggestions.len());
    // What one side leaves free the other may use.
    let mut shown = BTreeMap::new();
    for (side, parts) in Side::BOTH.into_iter().zip([2, 1]) {
        let all = definitions.on(side);
        let mut share = room / parts;
        room -= share;
        let fields = shortened(all, mapped, side, &mut share);
        room += share;
        if fields.len() < all.len() {
            left_out.fields.insert(side, left(all.len(), fields.len()));
        }
        shown.insert(side, fields);
    }
    Fitted { mapped: lines, suggestions, definitions: shown, left_out }
}

fn suggestions(definitions: &Definitions, mapped: &[MapLine], flow: Flow, crm: &str) -> Vec<MapSuggestion> {
    let free = |side: Side| -> Vec<&FieldDefinition> {
        let free = |definition: &&FieldDefinition| !is_mapped(definition, mapped, side);
        // What is no plain name no adapter takes, and whoever copies it into a shell shall not be surprised.
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let named = |definition: &&FieldDefinition| definition.name.chars().all(plain);
        definitions.on(side).iter().take(MOST_COMPARED).filter(free).filter(named).collect()
    };
    let (ivvy, there) = (free(Side::Ivvy), free(Side::Crm));
    let suggested = rules::suggest(flow, &ivvy, &there).into_iter().take(MOST_COMPARED);
    suggested
        .filter_map(|suggested| {
            let left = ivvy.iter().find(|found| found.name == suggested.ivvy)?;
            let right = there.iter().find(|found| found.name == suggested.crm)?;
            let (kind, flow) = (kind_for(left, right)?, flow_for(flow, left, right)?);
            let field = CustomField {
                name: String::new(),
                title: None,
                kind,
                ivvy: left.name.parse().ok()?,
                crm: right.name.clone(),
                flow,
                transform: Default::default(),
                default: None,
            };
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 100")]
            let alike = (suggested.alike.clamp(0.0, 1.0) * 100.0).round() as u8;
            let findings = definitions.check(&field, flow, crm);
            Some(MapSuggestion { ivvy: field.ivvy, crm: field.crm, alike, kind, flow, findings })
        })
        .collect()
}

fn is_mapped(definition: &FieldDefinition, mapped: &[MapLine], side: Side) -> bool {
    mapped.iter().any(|line| match side {
        Side::Ivvy => line.field.ivvy.to_string() == definition.name,
        Side::Crm => line.field.crm == definition.name,
    })
}

/// As much of `all` as there is room for, in its order: of every one what is `bare`, and of those in front,
/// which are asked for first, all of it as far as that goes.
fn within<T: Serialize>(room: &mut usize, all: impl IntoIterator<Item = T>, bare: impl Fn(&T) -> T) -> Vec<T> {
    // With the comma after it. What cannot be written has no room.
    let size = |one: &T| serde_json::to_vec(one).map_or(usize::MAX, |json| json.len() + 1);
    let mut kept = Vec::new();
    for whole in all {
        let small = bare(&whole);
        let bytes = size(&small);
        let Some(left) = room.checked_sub(bytes) else { break };
        *room = left;
        kept.push((whole, small, bytes));
    }
    let restored = kept.into_iter().map(|(whole, small, bytes)| {
        let more = size(&whole).saturating_sub(bytes);
        match room.checked_sub(more) {
            Some(left) => {
                *room = left;
                whole
            }
            None => small,
        }
    });
    restored.collect()
}

/// The definitions there is room for: those that are mapped first, then as the side lists them.
fn shortened(
    definitions: &[FieldDefinition],
    mapped: &[MapLine],
    side: Side,
    room: &mut usize,
) -> Vec<FieldDefinition> {
    let cut = |text: &str| text.chars().take(MOST_LABEL).collect::<String>();
    let short = |definition: &FieldDefinition| FieldDefinition {
        title: cut(&definition.title),
        options: definition.options.iter().take(MOST_OPTIONS).map(|(value, label)| (cut(value), cut(label))).collect(),
        ..definition.clone()
    };
    let (needed, others): (Vec<_>, Vec<_>) =
        definitions.iter().partition(|definition| is_mapped(definition, mapped, side));
    let all = needed.into_iter().chain(others).take(MOST_FIELDS).map(short);
    within(room, all, |definition| FieldDefinition { options: Vec::new(), ..definition.clone() })
}

/// Versions before one, or from the newest on, newest first; without their fields where those would be too much
/// for an answer.
pub(in crate::daemon) fn history(
    account: &Account,
    module: ModuleId,
    before: Option<u32>,
    limit: u32,
) -> Result<Answer, StoreError> {
    let limit = limit.clamp(1, MOST_VERSIONS) as usize;
    let found = account.engine.store().read(|view| view.field_maps(module, before, limit))?;
    let newest = found.first().map_or(0, |newest| newest.version);
    let versions = bounded(found);
    // No number is ever left out, and the first is 1.
    let more = versions.last().map_or(newest, |oldest| oldest.version.saturating_sub(1));
    Ok(Answer::MapHistory { versions, more })
}

fn bounded(versions: Vec<FieldMap>) -> Vec<FieldMap> {
    let mut room = MOST_BYTES;
    within(&mut room, versions, |map| FieldMap { fields: Vec::new(), ..map.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Actor, CustomKind, FieldKind, MappedField, Role, Timestamp, Transform};

    fn field(options: usize) -> CustomField {
        let table = (0..options).map(|number| (format!("ivvy {number}"), format!("crm {number}"))).collect();
        CustomField {
            name: "diet".to_owned(),
            title: None,
            kind: CustomKind::Choice,
            ivvy: 12,
            crm: "x_diet".to_owned(),
            flow: Flow::Both,
            transform: Transform::Values(table),
            default: None,
        }
    }

    fn bytes<T: Serialize>(all: &T) -> usize {
        serde_json::to_vec(all).unwrap().len()
    }

    #[test]
    fn a_history_beyond_a_frame_keeps_every_version_and_the_newest_ones_whole_v19() {
        let version = |version: u32| FieldMap {
            version,
            fields: vec![MappedField { field: field(4_000), since: 1 }],
            what: "`diet` maps iVvy's 12 to `x_diet`, otherwise than before".to_owned(),
            reason: None,
            by: Actor { name: "anna".to_owned(), uid: None, role: Role::Admin },
            at: Timestamp::EPOCH,
        };
        let all: Vec<FieldMap> = (1..=50).rev().map(version).collect();
        assert!(bytes(&all) > 4 * MAX_FRAME);
        let kept = bounded(all.clone());
        assert!(bytes(&kept) <= MOST_BYTES + 2 && kept.len() == 50, "{} bytes, {} versions", bytes(&kept), kept.len());
        let whole = kept.iter().take_while(|map| !map.fields.is_empty()).count();
        assert!(whole > 0 && kept[..whole] == all[..whole] && kept[whole..].iter().all(|map| map.fields.is_empty()));
        let wordy = |version: &FieldMap| FieldMap { what: "\u{1}".repeat(5_000), ..version.clone() };
        let kept = bounded(all.iter().map(wordy).collect());
        assert!(bytes(&kept) <= MOST_BYTES + 2 && !kept.is_empty() && kept.len() < 50, "the oldest are left out");
        assert_eq!(kept[0].version, 50);
    }

    #[test]
    fn a_map_beyond_a_frame_says_how_much_of_it_is_left_out_v19() {
        let line = |number: u64| MapLine {
            field: CustomField { ivvy: number, ..field(4_000) },
            origin: MapOrigin::Store,
            findings: Vec::new(),
        };
        let mapped: Vec<MapLine> = (1..=50).map(line).collect();
        assert!(bytes(&mapped) > 4 * MAX_FRAME);
        let definition = |number: usize| FieldDefinition {
            name: number.to_string(),
            title: "x".repeat(100),
            kind: Some(FieldKind::Text),
            writable: true,
            options: Vec::new(),
        };
        let found = [(1..=60).map(definition).collect(), (1..=2_500).map(definition).collect()];
        let definitions = Definitions { found, ..Definitions::default() };
        let fit = fitted(&definitions, &mapped, Vec::new());
        assert!(bytes(&(&fit.mapped, &fit.definitions)) <= MOST_BYTES + 50, "it has its place in a frame");
        assert!(!fit.mapped.is_empty() && fit.mapped[..] == mapped[..fit.mapped.len()], "whole lines only");
        assert_eq!(fit.left_out.mapped, 50 - fit.mapped.len() as u64);
        let shown = fit.definitions[&Side::Crm].len() as u64;
        assert_eq!(fit.left_out.fields, BTreeMap::from([(Side::Crm, 2_500 - shown)]), "iVvy's are all there");
        let small = fitted(&definitions, &mapped[..1], Vec::new());
        assert_eq!((small.mapped.len(), small.left_out.mapped), (1, 0));
    }

    #[test]
    fn definitions_beyond_a_frame_lose_options_first_and_never_the_mapped_fields_v19() {
        let definition = |number: usize| FieldDefinition {
            name: number.to_string(),
            title: format!("Field {number}"),
            kind: Some(FieldKind::Choice),
            writable: true,
            options: (0..300).map(|option| (option.to_string(), "\u{1b}".repeat(200))).collect(),
        };
        let all: Vec<FieldDefinition> = (1..=3_000).map(definition).collect();
        let mapped = [MapLine {
            field: CustomField { ivvy: 2_999, ..field(1) },
            origin: MapOrigin::Store,
            findings: Vec::new(),
        }];
        let mut room = MOST_BYTES;
        let shown = shortened(&all, &mapped, Side::Ivvy, &mut room);
        assert!(bytes(&shown) <= MOST_BYTES + 2, "{}", bytes(&shown));
        assert_eq!((shown.len(), shown[0].name.as_str(), shown[0].options.len()), (MOST_FIELDS, "2999", MOST_OPTIONS));
        assert!(shown.iter().any(|definition| definition.options.is_empty()));
    }
}
