//! What must hold when everything has come to rest.

use std::collections::{BTreeMap, BTreeSet};

use super::drive::Drive;
use super::remote::{Effect, World};
use crate::merge::canonical::{canonical, same};
use crate::merge::compare::equal_across;
use crate::model::module::{EXTERNAL_ID, IVVY_KEY};
use crate::model::{
    AuditEvent, AuditRow, Fingerprint, Flow, Link, ModuleId, PairKey, RecordId, Side, State, Value, query::AuditQuery,
};
use crate::store::{Reads, Store, StoreError, View, doctor};
use crate::sync::plan::Counterparts;

/// The end of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Report {
    /// What did not hold.
    pub violations: Vec<String>,
    /// Writes the engine made.
    pub writes: usize,
    /// Pages of slices of time the engine fell back to.
    pub slices: usize,
    /// What is left for people, by state.
    pub left: String,
}

/// Counts by state, for messages.
pub(super) fn describe(store: &Store) -> String {
    let counts = |module| store.read(|view| view.counts(module));
    format!("{:?}", ModuleId::PEOPLE.map(counts))
}

/// Checks everything.
pub(super) fn all(drive: &Drive, store: &Store, mut violations: Vec<String>) -> Report {
    let effects = [drive.ivvy.effects(), drive.crm.effects()];
    match store.read(|view| checks(drive, view, &effects)) {
        Ok(found) => violations.extend(found),
        Err(error) => violations.push(format!("the store failed: {error}")),
    }
    if !violations.is_empty() && std::env::var_os("TANDEM_TRACE").is_some() {
        trace(store);
    }
    let writes = effects.iter().map(Vec::len).sum();
    let bound = 6 * (drive.typed.len() as u64 + drive.merges + drive.decisions) + 200;
    if writes as u64 > bound {
        violations.push(format!(
            "I11: {writes} writes for {} edits and {} decisions",
            drive.typed.len(),
            drive.decisions
        ));
    }
    Report { violations, writes, slices: drive.ivvy.slices(), left: describe(store) }
}

/// Prints the audit log, for looking into a failing seed (`TANDEM_TRACE=1`).
fn trace(store: &Store) {
    for row in store.read(audit_log).unwrap_or_default().into_iter().rev() {
        let pair = row.item.and_then(|id| store.read(|view| view.item(id)).ok().flatten()).map(|item| item.pair);
        println!("{} {} item {:?} {pair:?} {:?}", row.seq, row.at, row.item.map(|id| id.0), row.what);
    }
}

/// The whole audit log, newest first.
fn audit_log(view: &impl Reads) -> Result<Vec<AuditRow>, StoreError> {
    let mut rows: Vec<AuditRow> = Vec::new();
    loop {
        let before = rows.last().map(|row| row.seq);
        let page = view.audit(&AuditQuery { item: None, before, limit: 1000 })?;
        if page.is_empty() {
            return Ok(rows);
        }
        rows.extend(page);
    }
}

fn checks(drive: &Drive, view: &View, effects: &[Vec<Effect>; 2]) -> Result<Vec<String>, StoreError> {
    let mut found = Vec::new();
    found.extend(doctor::check(view)?.into_iter().map(|finding| format!("I3 I4 I22: {finding}")));
    if let (_, Some(seq)) = view.audit_verify()? {
        found.push(format!("I24: the audit chain breaks at {seq}"));
    }
    for module in ModuleId::PEOPLE {
        one_counterpart(drive, module, &mut found);
        all_observed(drive, view, module, &mut found)?;
        at_rest(drive, view, module, &mut found)?;
    }
    let overridden = overridden(view)?;
    for (world, effects) in [&drive.ivvy, &drive.crm].into_iter().zip(effects) {
        no_lost_update(drive, view, world, effects, &overridden, &mut found)?;
    }
    Ok(found)
}

/// I1: at most one record per constant id on each remote.
fn one_counterpart(drive: &Drive, module: ModuleId, found: &mut Vec<String>) {
    for (world, key) in [(&drive.ivvy, EXTERNAL_ID), (&drive.crm, IVVY_KEY)] {
        let mut seen = BTreeMap::<String, RecordId>::new();
        for record in world.records(module) {
            let Some(Value::Text(id)) = record.fields.get(key).filter(|value| !value.is_empty()) else {
                continue;
            };
            if let Some(first) = seen.insert(id.clone(), record.id.clone()) {
                found.push(format!("I1: {module} {} and {first} on {} both carry {id}", record.id, world.side));
            }
        }
    }
}

/// I12: what a remote holds has been observed as it is.
fn all_observed(drive: &Drive, view: &View, module: ModuleId, found: &mut Vec<String>) -> Result<(), StoreError> {
    for world in [&drive.ivvy, &drive.crm] {
        for record in world.records(module) {
            let known = view.observation(module, world.side, &record.id)?;
            if known.is_none_or(|known| known.hash != record.fingerprint()) {
                found.push(format!("I12: {module} {} on {} was missed", record.id, world.side));
            }
        }
    }
    Ok(())
}

/// I9, I12: every record is linked, or stands in the queue, or was skipped; every linked pair means
/// the same, or its difference is an open or skipped item.
fn at_rest(drive: &Drive, view: &View, module: ModuleId, found: &mut Vec<String>) -> Result<(), StoreError> {
    for world in [&drive.ivvy, &drive.crm] {
        for record in world.records(module) {
            match view.link_of(module, world.side, &record.id)? {
                Some(_) => {}
                None if accounted(view, module, &PairKey::Lone(world.side, record.id.clone()))? => {}
                None if named_as_candidate(view, module, world.side, &record.id)? => {}
                None => {
                    found.push(format!("I9: {module} {} on {} is neither linked nor queued", record.id, world.side))
                }
            }
        }
    }
    let ivvy: BTreeMap<_, _> =
        drive.ivvy.records(module).into_iter().map(|record| (record.id.clone(), record)).collect();
    let crm: BTreeMap<_, _> = drive.crm.records(module).into_iter().map(|record| (record.id.clone(), record)).collect();
    let def = module.def();
    for link in view.links(module, None, 10_000)?.into_iter().filter(Link::stands) {
        let (Some(x), Some(y)) = (ivvy.get(&link.ivvy), crm.get(&link.crm)) else {
            if !accounted(view, module, &PairKey::Link(link.id))? {
                found.push(format!("I2: link {} names a record that does not exist, and nobody is asked", link.id));
            }
            continue;
        };
        let counterparts = Counterparts::of(view, &def, Some(x), Some(y))?;
        let base = view.base(link.id)?;
        let differs =
            def.fields.iter().filter(|field| field.name != EXTERNAL_ID && field.name != IVVY_KEY).any(|field| {
                let (x, y) = (x.fields.get(field.name.as_ref()), y.fields.get(field.name.as_ref()));
                // What the CRM made of a field that iVvy owns stands while iVvy's own value does (V-43).
                let then = base.fields.get(field.name.as_ref()).and_then(|agreed| agreed.ivvy.as_ref());
                let drift = field.flow == Flow::ToCrm && x.zip(then).is_some_and(|(x, then)| same(field.kind, x, then));
                let key = (module, PairKey::Link(link.id), field.name.clone().into_owned());
                let agreed = |side: Side, now: Option<&Value>| {
                    let then = base.fields.get(field.name.as_ref()).and_then(|agreed| agreed.on(side));
                    then.zip(now).is_some_and(|(then, now)| same(field.kind, then, now))
                };
                let left = drive.left.contains(&key) && agreed(Side::Ivvy, x) && agreed(Side::Crm, y);
                !drift && !left && x.zip(y).is_some_and(|(x, y)| equal_across(field, x, y, &counterparts) != Some(true))
            });
        let carried = x.fields.get(EXTERNAL_ID);
        // Another system's id stays where somebody said so.
        let left = base.fields.get(EXTERNAL_ID).and_then(|agreed| agreed.ivvy.as_ref());
        let stamped = carried.and_then(Value::as_text) == Some(link.crm.as_str()) || left.is_some() && left == carried;
        if (differs || !stamped) && !accounted(view, module, &PairKey::Link(link.id))? {
            found.push(format!("I9: {module} {} and {} differ and nothing says so: {x:?} {y:?}", link.ivvy, link.crm));
        }
    }
    Ok(())
}

/// Every pair of living records with nothing open, skipped or set aside.
pub(super) fn in_order(view: &View) -> Result<Vec<(ModuleId, Link)>, StoreError> {
    let mut found = Vec::new();
    for module in ModuleId::PEOPLE {
        'links: for link in view.links(module, None, 10_000)?.into_iter().filter(Link::stands) {
            for side in Side::BOTH {
                if view.observation(module, side, link.on(side))?.is_none_or(|seen| seen.absent) {
                    continue 'links;
                }
            }
            let last = match view.last_item(module, &PairKey::Link(link.id))? {
                Some(id) => view.item(id)?,
                None => None,
            };
            if last.is_none_or(|item| !item.state.is_open() && item.state != State::Skipped) {
                found.push((module, link));
            }
        }
    }
    Ok(found)
}

/// V-13, I9: what was in order asks at most about the one field that was edited since.
pub(super) fn asked_again(view: &View, settled: &[(ModuleId, Link)], edited: &str) -> Result<Vec<String>, StoreError> {
    let mut found = Vec::new();
    for (module, link) in settled {
        let Some(id) = view.open_item(*module, &PairKey::Link(link.id))? else { continue };
        let rows = view.item(id)?.map(|item| item.plan.fields).unwrap_or_default();
        let asked = rows.iter().filter(|row| row.unsolved() && row.field != edited);
        found.extend(
            asked.map(|row| {
                format!("V-13: {module} link {}: {} is asked about again ({:?})", link.id, row.field, row.why)
            }),
        );
    }
    Ok(found)
}

fn accounted(view: &impl Reads, module: ModuleId, pair: &PairKey) -> Result<bool, StoreError> {
    let Some(id) = view.last_item(module, pair)? else {
        return Ok(false);
    };
    Ok(view.item(id)?.is_some_and(|item| matches!(item.state, State::Held | State::Blocked | State::Skipped)))
}

/// A lone record may wait as a candidate of another record's question.
fn named_as_candidate(view: &impl Reads, module: ModuleId, side: Side, id: &RecordId) -> Result<bool, StoreError> {
    for item in view.in_state(module, State::Held, None, 1000)? {
        let named = view.item(item)?.is_some_and(|item| {
            item.plan.candidates.iter().any(|candidate| candidate.side == side && candidate.id == *id)
        });
        if named {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Every value an operator's decision overrode, from the audit.
fn overridden(view: &impl Reads) -> Result<BTreeSet<(String, Side, Fingerprint)>, StoreError> {
    Ok(audit_log(view)?
        .into_iter()
        .filter_map(|row| match row.what {
            AuditEvent::Decided { overridden, .. } => Some(overridden),
            _ => None,
        })
        .flatten()
        .collect())
}

/// I7: a value a user typed is overwritten by the engine only after it has reached the other side, or
/// after an operator overrode it.
fn no_lost_update(
    drive: &Drive,
    view: &View,
    world: &World,
    effects: &[Effect],
    overridden: &BTreeSet<(String, Side, Fingerprint)>,
    found: &mut Vec<String>,
) -> Result<(), StoreError> {
    let typed: BTreeSet<(&RecordId, &str, &Value)> = drive
        .typed
        .iter()
        .filter(|(side, ..)| *side == world.side)
        .map(|(_, id, field, value)| (id, field.as_str(), value))
        .collect();
    let other_effects = if world.side == Side::Ivvy { drive.crm.effects() } else { drive.ivvy.effects() };
    for effect in effects.iter().filter(|effect| !effect.created) {
        for (name, before, _) in &effect.fields {
            let Some(field) = effect.module.def().field(name).cloned() else {
                continue;
            };
            let ours = typed
                .iter()
                .find(|(id, of, value)| **id == effect.id && *of == name && same(field.kind, value, before));
            if ours.is_none() {
                continue;
            }
            let carried = other_effects
                .iter()
                .any(|other| other.fields.iter().any(|(of, _, after)| of == name && same(field.kind, after, before)));
            let decided = overridden.contains(&(name.clone(), world.side, Fingerprint::of(before)));
            if !carried && !decided {
                let link = view.link_of(effect.module, world.side, &effect.id)?;
                found.push(format!(
                    "I7: {} {} on {}: {name} {:?} was overwritten unseen (link {link:?})",
                    effect.module,
                    effect.id,
                    world.side,
                    canonical(field.kind, before),
                ));
            }
        }
    }
    Ok(())
}
