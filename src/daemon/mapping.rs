//! What consoles ask of field maps: reading both sides' definitions, checking, storing a new version, and
//! having the engine go on with it (V-19, `docs/decisions/0014`).
//!
//! Nothing is mapped unchecked: when a side does not tell its fields, a change is refused, not guessed.

use std::collections::BTreeMap;

use futures::future::join_all;
use serde::Serialize;

use super::ServiceError;
use super::account::Account;
use crate::error::{Error, ErrorKind, Result};
use crate::merge::mapping as rules;
use crate::model::mapping::{flow_for, kind_for};
use crate::model::{
    Actor, AuditEvent, CustomField, FieldDefinition, FieldMap, FieldMaps, Finding, Flow, MappedField, ModuleId, Side,
};
use crate::remote::Lane;
use crate::store::{Note, Reads as _, Store, StoreError};
use crate::sync::Remotes;
use crate::wire::{
    Answer, CheckRow, MAX_FRAME, MapChange, MapChanged, MapLeftOut, MapLine, MapOrigin, MapSuggestion, MapVerb, MapView,
};

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

/// Characters of a reason.
const MOST_REASON: usize = 1_000;

/// The newest maps of all modules.
pub(super) fn stored_maps(store: &Store) -> Result<FieldMaps, StoreError> {
    store.read(|view| {
        let mut maps = FieldMaps::new();
        for module in ModuleId::ALL {
            maps.extend(view.newest_field_map(module)?.map(|map| (module, map)));
        }
        Ok(maps)
    })
}

/// The fields of both sides that could be mapped, or why they are not known.
#[derive(Default)]
struct Definitions {
    found: [Vec<FieldDefinition>; 2],
    errors: BTreeMap<Side, String>,
}

impl Definitions {
    async fn read(remotes: &Remotes, module: ModuleId) -> Self {
        let asked = Side::BOTH.map(|side| remotes.on(side, Lane::Operator).definitions(module));
        let mut read = Self::default();
        for (side, answer) in Side::BOTH.into_iter().zip(join_all(asked).await) {
            match answer {
                Ok(found) => read.found[side as usize] = found,
                Err(error) => drop(read.errors.insert(side, error.to_string())),
            }
        }
        read
    }

    fn on(&self, side: Side) -> &[FieldDefinition] {
        &self.found[side as usize]
    }

    /// What the type check finds; nothing when a side does not answer.
    fn check(&self, field: &CustomField, flow: Flow, crm: &str) -> Vec<Finding> {
        let names = [field.ivvy.to_string(), field.crm.clone()];
        let find = |side: Side| self.on(side).iter().find(|found| found.name == names[side as usize]);
        match self.errors.is_empty() {
            true => rules::check(field, flow, Side::BOTH.map(find), crm),
            false => Vec::new(),
        }
    }
}

/// The CRM's name as people write it.
fn crm_name(remotes: &Remotes) -> String {
    let name = remotes.declared(Side::Crm).system();
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + letters.as_str())
}

fn flow_of(account: &Account, module: ModuleId) -> Result<Flow, ServiceError> {
    let found = account.engine.modules().into_iter().find(|def| def.id == module);
    found.map(|def| def.flow).ok_or_else(|| {
        Error::new(ErrorKind::Refused, format!("{module} is not switched on"))
            .hint("fields are mapped for modules that are on; see `tandem status`")
            .into()
    })
}

/// A module's map with the definitions of both sides.
pub(super) async fn show(account: &Account, module: ModuleId) -> Result<Answer, ServiceError> {
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
pub(super) fn history(
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

/// Checks a change and, unless it is a dry run, stores it and has the engine go on with it.
pub(super) async fn change(account: &Account, actor: &Actor, change: MapChange) -> Result<Answer, ServiceError> {
    let flow = flow_of(account, change.module)?;
    let long = change.reason.as_ref().map_or(0, |reason| reason.chars().count());
    if long > MOST_REASON {
        return Err(Error::new(ErrorKind::Refused, format!("the reason has {long} characters"))
            .hint(format!("at most {MOST_REASON} characters"))
            .into());
    }
    let findings = match &change.verb {
        MapVerb::Add(field) | MapVerb::Change(field) => type_check(account, change.module, flow, field).await?,
        MapVerb::Remove(_) => Vec::new(),
    };
    let message = meaning(&change);
    let (account, actor, dry_run) = (account.clone(), actor.clone(), change.dry_run);
    // Not in the caller's hands: a version that is stored is also taken up, whether or not they wait for it.
    let version = tokio::spawn(async move { store(&account, actor, change).await });
    let version = version.await.map_err(|_| Error::internal("a change of the map was broken off"))??;
    let message = if dry_run { format!("checked only; nothing was changed. {message}") } else { message };
    Ok(Answer::MapChanged(MapChanged { version, findings, message }))
}

/// The findings, if none of them is a fault.
async fn type_check(
    account: &Account,
    module: ModuleId,
    flow: Flow,
    field: &CustomField,
) -> Result<Vec<Finding>, ServiceError> {
    if let Some((wrong, hint)) = field.fault(module) {
        return Err(Error::new(ErrorKind::Refused, wrong).hint(hint).into());
    }
    let remotes = account.engine.remotes();
    let definitions = Definitions::read(&remotes, module).await;
    if let Some((side, error)) = definitions.errors.first_key_value() {
        return Err(Error::unavailable(format!(
            "{}'s fields are not known, so nothing is mapped: {error}",
            side.title()
        ))
        .hint("try again when it answers; see `tandem check`")
        .into());
    }
    let findings = definitions.check(field, flow, &crm_name(&remotes));
    let faults: Vec<&str> =
        findings.iter().filter(|finding| finding.fault).map(|finding| finding.text.as_str()).collect();
    if faults.is_empty() {
        return Ok(findings);
    }
    Err(Error::new(ErrorKind::Refused, faults.join("; "))
        .hint(format!("`tandem map show {module}` lists the fields and types of both sides"))
        .into())
}

/// What a change means, in sentences.
fn meaning(change: &MapChange) -> String {
    let module = change.module;
    match &change.verb {
        MapVerb::Add(field) | MapVerb::Change(field) => format!(
            "Values that are there already are not touched: both sides are read once, and what is edited after that \
             goes over. `tandem map resync {module} {}` plans what differs now.",
            field.name
        ),
        MapVerb::Remove(_) => {
            "Both sides keep the values they have; nothing of the field goes over any more.".to_owned()
        }
    }
}

/// The map after a change, and the change in a sentence.
fn changed(
    before: Option<&FieldMap>,
    configured: &[CustomField],
    change: &MapChange,
) -> Result<(Vec<MappedField>, String)> {
    let mut fields = before.map(|map| map.fields.clone()).unwrap_or_default();
    let since = before.map_or(0, |map| map.version) + 1;
    let refused = |message: String, hint: &str| Error::new(ErrorKind::Refused, message).hint(hint);
    let named = |fields: &[MappedField], name: &str| -> Result<usize> {
        fields.iter().position(|mapped| mapped.field.name == name).ok_or_else(|| {
            match configured.iter().any(|field| field.name == name) {
                true => refused(
                    format!("`{name}` comes from the configuration"),
                    "change it there: [[modules.NAME.fields]], then restart the daemon",
                ),
                false => refused(format!("no field `{name}` is mapped"), "see `tandem map show`"),
            }
        })
    };
    let what = match &change.verb {
        MapVerb::Remove(name) => {
            let gone = fields.remove(named(&fields, name)?).field;
            format!("`{name}` is no longer mapped (iVvy's {} and `{}`)", gone.ivvy, gone.crm)
        }
        MapVerb::Add(field) => {
            fields.push(MappedField { field: field.clone(), since });
            format!("`{}` maps iVvy's {} to `{}`", field.name, field.ivvy, field.crm)
        }
        MapVerb::Change(field) => {
            let at = named(&fields, &field.name)?;
            if fields[at].field == *field {
                return Err(refused(format!("`{}` is mapped like that already", field.name), "nothing to do"));
            }
            fields[at] = MappedField { field: field.clone(), since };
            format!("`{}` maps iVvy's {} to `{}`, otherwise than before", field.name, field.ivvy, field.crm)
        }
    };
    let mut all: Vec<&CustomField> = configured.iter().collect();
    for mapped in &fields {
        if let Some(twice) = all.iter().find_map(|field| mapped.field.clashes_with(field)) {
            return Err(refused(
                format!("{twice} is mapped already"),
                "every field is mapped once; see `tandem map show`",
            ));
        }
        all.push(&mapped.field);
    }
    Ok((fields, what))
}

/// Stores the next version and asks the engine to go on with it; the version now.
async fn store(account: &Account, actor: Actor, change: MapChange) -> Result<u32, ServiceError> {
    let Account { engine, blueprint, gates, .. } = account;
    // One at a time: maps are taken up in the order in which they are stored.
    let _turn = blueprint.turn().await;
    let mut maps = stored_maps(engine.store())?;
    let before = maps.get(&change.module);
    let version = before.map_or(0, |map| map.version);
    if version != change.expect {
        let who = before.map_or_else(String::new, |map| format!(": {} made version {version}", map.by.name));
        return Err(Error::new(
            ErrorKind::Stale,
            format!("the map of {} moved on since you looked{who}", change.module),
        )
        .hint("look at it again, then change it")
        .into());
    }
    let (fields, what) = changed(before, blueprint.configured(change.module), &change)?;
    let map = FieldMap {
        version: version + 1,
        fields,
        what: what.clone(),
        reason: change.reason.clone(),
        by: actor.clone(),
        at: engine.now(),
    };
    maps.insert(change.module, map.clone());
    // What an adapter cannot hold is refused before it is stored.
    let remotes = blueprint.remotes(&maps, gates).map_err(|error| {
        Error::new(ErrorKind::Refused, error.to_string()).hint("choose another field, or another type")
    })?;
    if change.dry_run {
        return Ok(version);
    }
    let module = change.module;
    let what = AuditEvent::Mapped { version: map.version, what, reason: change.reason };
    let note = Note { at: map.at, actor, module: Some(module), item: None, link: None, what };
    let stored = map.version;
    engine.store().write(move |tx| tx.append_field_map(module, &map, note.clone()).map(drop)).await?;
    engine.renew(remotes, blueprint.modules(&maps), maps);
    Ok(stored)
}

/// Plans what differs in one field anew, or counts it.
pub(super) async fn resync(
    account: &Account,
    actor: &Actor,
    module: ModuleId,
    name: &str,
    dry_run: bool,
) -> Result<Answer, ServiceError> {
    flow_of(account, module)?;
    let engine = &account.engine;
    let maps = stored_maps(engine.store())?;
    let fields = account.blueprint.custom_fields(module, &maps);
    let Some(field) = fields.iter().find(|field| field.name == name) else {
        return Err(Error::new(ErrorKind::Refused, format!("no field `{name}` is mapped"))
            .hint(format!("see `tandem map show {module}`"))
            .into());
    };
    let (walker, catalogued) = (engine.clone(), field.field());
    let counted = tokio::task::spawn_blocking(move || walker.resync_of(module, &catalogued)).await;
    let found = counted.map_err(|_| Error::internal("a walk through the store was broken off"))??;
    let unread = match found.unread {
        0 => String::new(),
        pairs => format!(" In {pairs} pairs it has not been read on both sides since it was mapped."),
    };
    let message = if found.differ == 0 && found.unread == 0 {
        "both sides hold the same everywhere: there is nothing to plan".to_owned()
    } else if dry_run {
        format!("the two sides differ in {} pairs; nothing was changed.{unread}", found.differ)
    } else {
        let (worker, actor, catalogued) = (engine.clone(), actor.clone(), field.field());
        let marked = tokio::spawn(async move { worker.resync(module, &catalogued, actor).await });
        let marked = marked.await.map_err(|_| Error::internal("a resync was broken off"))??;
        format!(
            "{marked} pairs are planned anew and held by the guard of {module}, with everything else it plans. Look with \
             `tandem sync {module} --plan`, let it go with `tandem sync {module} --approve HASH`.{unread}"
        )
    };
    Ok(Answer::Done { message })
}

/// A row of `tandem check` for every mapped field that no longer fits, and one when all do.
pub(crate) async fn check(
    remotes: &Remotes,
    flows: &[(ModuleId, Flow)],
    fields: impl Fn(ModuleId) -> Vec<CustomField>,
) -> Vec<CheckRow> {
    let crm = crm_name(remotes);
    let mut rows = Vec::new();
    for (module, flow) in flows {
        let fields = fields(*module);
        if fields.is_empty() {
            continue;
        }
        let definitions = Definitions::read(remotes, *module).await;
        let what = |name: &str| format!("map of {module}{name}");
        let row = |what: String, ok: bool, found: String, hint: Option<&str>| CheckRow {
            what,
            ok,
            found,
            hint: hint.map(str::to_owned),
        };
        if let Some((side, error)) = definitions.errors.first_key_value() {
            let found = format!("{}'s fields are not known: {error}", side.title());
            rows.push(row(what(""), false, found, Some("give the key permission to read field definitions")));
            continue;
        }
        let before = rows.len();
        for field in &fields {
            let findings = definitions.check(field, *flow, &crm);
            let texts: Vec<&str> = findings.iter().map(|finding| finding.text.as_str()).collect();
            let faulty = findings.iter().any(|finding| finding.fault);
            if !findings.is_empty() {
                let hint = faulty.then_some("`tandem map` shows both sides; correct the field there, or map it anew");
                rows.push(row(what(&format!(": {}", field.name)), !faulty, texts.join("; "), hint));
            }
        }
        if rows.len() == before {
            rows.push(row(what(""), true, format!("{} custom fields fit on both sides", fields.len()), None));
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CustomKind, FieldKind, Role, Timestamp, Transform};

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
