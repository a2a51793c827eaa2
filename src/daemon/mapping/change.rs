//! A change of a module's map: checked, stored as the next version, and taken up by the engine.
//!
//! Refuses what was decided on another version than the newest, what an adapter cannot hold, and everything while a
//! side does not tell its fields.

use super::{Definitions, crm_name, flow_of, stored_maps};
use crate::daemon::ServiceError;
use crate::daemon::account::Account;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Actor, AuditEvent, CustomField, FieldMap, Finding, Flow, MappedField, ModuleId};
use crate::store::Note;
use crate::wire::{Answer, MapChange, MapChanged, MapVerb};

/// Characters of a reason.
const MOST_REASON: usize = 1_000;

/// Checks a change and, unless it is a dry run, stores it and has the engine go on with it.
pub(in crate::daemon) async fn change(
    account: &Account,
    actor: &Actor,
    change: MapChange,
) -> Result<Answer, ServiceError> {
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
