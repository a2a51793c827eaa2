//! Taking up a new version of a field map (V-19, `docs/decisions/0014`).
//!
//! Old values are not touched: for every pair that is linked already, what the two sides hold when both have
//! been read is agreed *as it stands*, be it equal or not. From then on edits flow by the ordinary rules.
//! What differed before is carried over only when a person asks for a resync, and then it is a plan that
//! the bulk guard holds, to be looked at before it is released.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::Engine;
use super::core::Core;
use super::plan::{Counterparts, LinkedView, view_of_link};
use super::{decide, guard};
use crate::merge::compare::equal_across;
use crate::model::{
    Actor, AuditEvent, Base, BaseField, FieldMap, FieldPlan, Link, LinkId, LinkState, ModuleDef, ModuleId, PairKey,
    RecordId, Side, State, Timestamp, Verdict, Why,
};
use crate::store::{Reads, StoreError, Tx};

/// Records or links handled per transaction.
const CHUNK: usize = 250;

/// States of items whose plans are made anew.
const OPEN: [State; 6] = [State::New, State::Blocked, State::Held, State::Ready, State::Retry, State::Dead];

/// The version of a module's map that the store's records and links are prepared for, and since when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct TakenUp {
    version: u32,
    at: Timestamp,
}

impl fmt::Display for TakenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.version, self.at.millis())
    }
}

impl TakenUp {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (version, at) = std::str::from_utf8(bytes).ok()?.split_once(' ')?;
        Some(Self { version: version.parse().ok()?, at: Timestamp::from_millis(at.parse().ok()?) })
    }
}

fn meta_key(module: ModuleId) -> String {
    format!("field_map.{module}")
}

fn taken_up(reads: &impl Reads, module: ModuleId) -> Result<TakenUp, StoreError> {
    let stored = reads.meta(&meta_key(module))?;
    Ok(stored.and_then(|bytes| TakenUp::parse(&bytes)).unwrap_or_default())
}

/// Since when a field has been mapped that a full sweep must show first; `None` when no map has changed.
pub(super) fn read_since(core: &Core, module: ModuleId) -> Option<Timestamp> {
    core.settings.maps.get(&module)?;
    // A store that cannot be read is met by the sweep that follows.
    core.store.read(|view| taken_up(view, module)).ok().map(|taken| taken.at).filter(|at| *at > Timestamp::EPOCH)
}

/// Prepares the store for the newest map of `module`, if that has not been done. A crash on the way leaves
/// it to the next start; done twice it is as done once.
pub(super) async fn take_up(core: &Arc<Core>, module: ModuleId) -> Result<(), StoreError> {
    let (Some(map), Some(def)) = (core.settings.maps.get(&module), core.def(module)) else { return Ok(()) };
    let done = core.store.read(|view| taken_up(view, module))?;
    if done.version >= map.version {
        return Ok(());
    }
    let before = core.store.read(|view| view.field_map(module, done.version))?;
    let fresh = Fresh::of(map, before.as_ref(), done.version);
    for side in Side::BOTH {
        forget_values(core, def, side, &fresh).await?;
    }
    mark_pairs(core, module, &fresh).await?;
    plan_again(core, module).await?;
    let taken = TakenUp { version: map.version, at: core.now() };
    let bytes = taken.to_string().into_bytes();
    core.store.write(move |tx| tx.put_meta(&meta_key(module), &bytes)).await?;
    if !fresh.fields.is_empty() {
        for side in module.swept_sides() {
            core.request_sweep(module, *side, true);
        }
    }
    Ok(())
}

/// Fields that a version maps as they were not mapped before.
#[derive(Clone, Debug)]
struct Fresh {
    /// Their names in the catalogue; the value says whether the two places were mapped onto each other before,
    /// otherwise. What was agreed on with another field of the CRM says nothing about this one.
    fields: BTreeMap<String, bool>,
}

impl Fresh {
    fn of(map: &FieldMap, before: Option<&FieldMap>, done: u32) -> Self {
        let known: BTreeMap<String, &str> = before
            .into_iter()
            .flat_map(|map| &map.fields)
            .map(|mapped| (mapped.field.field(), mapped.field.crm.as_str()))
            .collect();
        let fresh = map.fields.iter().filter(|mapped| mapped.since > done).map(|mapped| &mapped.field);
        let fields = fresh.map(|field| {
            let name = field.field();
            let same_places = known.get(&name) == Some(&field.crm.as_str());
            (name, same_places)
        });
        Self { fields: fields.collect() }
    }
}

/// Drops what was once read of fields that are no longer mapped, or are mapped anew: it is of another time
/// and perhaps of another type, and would pass for what is there now.
async fn forget_values(core: &Arc<Core>, def: &ModuleDef, side: Side, fresh: &Fresh) -> Result<(), StoreError> {
    let module = def.id;
    let mut after: Option<RecordId> = None;
    loop {
        let page = core.store.read(|view| view.observed_ids(module, side, after.as_ref(), CHUNK))?;
        let Some(last) = page.last().cloned() else { return Ok(()) };
        after = Some(last);
        let (def, fresh) = (def.clone(), fresh.clone());
        core.store
            .write(move |tx| {
                for id in &page {
                    let Some(mut known) = tx.observation(module, side, id)? else { continue };
                    let before = known.record.fields.len();
                    known.record.fields.retain(|name, _| {
                        !name.starts_with("custom.") || def.field(name).is_some() && !fresh.fields.contains_key(name)
                    });
                    if known.record.fields.len() != before {
                        known.hash = known.record.fingerprint();
                        tx.put_observation(&known)?;
                    }
                }
                Ok(())
            })
            .await?;
    }
}

/// Marks the fields on every pair, at rest or not, as to be agreed as they stand. A field whose places were
/// mapped onto each other before and that itself waits in the queue keeps its agreement: what waits is planned
/// anew, not dropped.
async fn mark_pairs(core: &Arc<Core>, module: ModuleId, fresh: &Fresh) -> Result<(), StoreError> {
    if fresh.fields.is_empty() {
        return Ok(());
    }
    let fresh = fresh.clone();
    each_link(core, module, Link::stands, move |tx, link| {
        let open = match tx.open_item(module, &PairKey::Link(link))? {
            Some(open) => tx.item(open)?,
            None => None,
        };
        let waits = |name: &str| open.as_ref().and_then(|item| item.plan.field(name)).is_some_and(in_question);
        let mut base = tx.base(link)?;
        for (name, same_places) in &fresh.fields {
            if !(*same_places && waits(name)) {
                base.fields.insert(name.clone(), BaseField { adopts: true, ..BaseField::default() });
            }
        }
        tx.put_base(link, &base).map(|()| 0)
    })
    .await
    .map(drop)
}

/// Whether the row is more than context to what its item is about. One that has not been read under the map
/// before this one may be.
fn in_question(row: &FieldPlan) -> bool {
    row.verdict != Verdict::Same || row.why == Why::Absent
}

/// Does something with every link that is `among` those meant, in chunks; returns the sum.
async fn each_link(
    core: &Arc<Core>,
    module: ModuleId,
    among: fn(&Link) -> bool,
    each: impl Fn(&mut Tx<'_>, LinkId) -> Result<u64, StoreError> + Send + Sync + Clone + 'static,
) -> Result<u64, StoreError> {
    let (mut after, mut sum) = (None, 0);
    loop {
        let page = core.store.read(|view| view.links(module, after, CHUNK))?;
        let Some(last) = page.last() else { return Ok(sum) };
        after = Some(last.id);
        let links: Vec<LinkId> = page.iter().filter(|link| among(link)).map(|link| link.id).collect();
        let each = each.clone();
        sum += core
            .store
            .write(move |tx| links.iter().try_fold(0, |sum, link| each(tx, *link).map(|count| sum + count)))
            .await?;
    }
}

/// Has everything that is open planned under the new map.
async fn plan_again(core: &Arc<Core>, module: ModuleId) -> Result<(), StoreError> {
    for state in OPEN {
        let mut after = None;
        loop {
            let page = core.store.read(|view| view.in_state(module, state, after, CHUNK))?;
            let Some(last) = page.last().copied() else { break };
            after = Some(last);
            core.store
                .write(move |tx| {
                    for id in &page {
                        let Some(item) = tx.item(*id)? else { continue };
                        let (side, record) = match &item.pair {
                            PairKey::Lone(side, record) => (*side, record.clone()),
                            PairKey::Link(link) => match tx.link(*link)? {
                                Some(link) => (Side::Ivvy, link.ivvy),
                                None => continue,
                            },
                        };
                        tx.mark_dirty(module, side, &record)?;
                    }
                    Ok(())
                })
                .await?;
        }
    }
    Ok(())
}

/// Agrees to what both sides hold of fields that were mapped after the pair was linked. Returns whether
/// anything was agreed.
pub(super) fn adopt(def: &ModuleDef, base: &mut Base, view: &LinkedView) -> bool {
    let mut moved = false;
    for field in &def.fields {
        let name = field.name.as_ref();
        if base.fields.get(name).is_some_and(|agreed| agreed.adopts)
            && let (Some(ivvy), Some(crm)) = (view.ivvy.fields.get(name), view.crm.fields.get(name))
        {
            base.fields.insert(name.to_owned(), BaseField::agreed(ivvy.clone(), crm.clone()));
            moved = true;
        }
    }
    moved
}

/// What a resync of one field would look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resync {
    /// Pairs in which the two sides hold different values.
    pub differ: u64,
    /// Pairs in which the field has not been read on both sides since it was mapped.
    pub unread: u64,
}

impl Engine {
    /// Takes up new field maps: what runs comes to its end, writes under way included, and goes on with them.
    /// What was asked for, paused and noted stays. Returns at once; [`Engine::renewals`] counts.
    pub fn renew(
        &self,
        remotes: super::Remotes,
        modules: BTreeMap<ModuleId, ModuleDef>,
        maps: crate::model::FieldMaps,
    ) {
        self.0.renewal.ask(remotes, modules, maps);
    }

    /// How often new maps have been taken up.
    pub fn renewals(&self) -> tokio::sync::watch::Receiver<u64> {
        self.0.renewal.done.subscribe()
    }

    /// Version of the store's map of `module` that is in force; 0 without one.
    pub fn map_in_force(&self, module: ModuleId) -> u32 {
        self.core().settings.maps.get(&module).map_or(0, |map| map.version)
    }

    /// What a resync of `field` would look at.
    ///
    /// # Errors
    /// The store fails.
    pub fn resync_of(&self, module: ModuleId, field: &str) -> Result<Resync, StoreError> {
        let core = self.core();
        core.store.read(|view| {
            let (mut found, mut after) = (Resync::default(), None);
            loop {
                let page = view.links(module, after, CHUNK)?;
                let Some(last) = page.last() else { return Ok(found) };
                after = Some(last.id);
                for link in page.iter().filter(|link| in_step(link)) {
                    match differs(&core, view, module, link.id, field)? {
                        Some(true) => found.differ += 1,
                        Some(false) => {}
                        None => found.unread += 1,
                    }
                }
            }
        })
    }

    /// Has what differs in `field` planned as if it had never been agreed on, held by the guard until a
    /// person has looked.
    ///
    /// # Errors
    /// The store fails.
    pub async fn resync(&self, module: ModuleId, field: &str, actor: Actor) -> Result<u64, StoreError> {
        let core = self.core();
        let title = core.def(module).and_then(|def| def.field(field)).map(|def| def.title.to_string());
        guard::hold_resync(&core, module, title.unwrap_or_default()).await?;
        let (shared, name) = (Arc::clone(&core), field.to_owned());
        let marked = each_link(&core, module, in_step, move |tx, link| {
            if differs(&shared, tx, module, link, &name)? == Some(false) {
                return Ok(0);
            }
            let mut base = tx.base(link)?;
            base.fields.remove(&name);
            tx.put_base(link, &base)?;
            if let Some(link) = tx.link(link)? {
                tx.mark_dirty(module, Side::Ivvy, &link.ivvy)?;
            }
            Ok(1)
        })
        .await?;
        let (at, what) = (core.now(), format!("resync of {field}: {marked} pairs to be looked at"));
        core.store
            .write(move |tx| {
                let event = AuditEvent::Operated { what: what.clone() };
                let note = decide::account_note(event, at, actor.clone());
                tx.audit(crate::store::Note { module: Some(module), ..note }).map(drop)
            })
            .await?;
        core.signals.plan.notify_one();
        Ok(marked)
    }
}

/// Whether values are carried between the two: a resync leaves pairs at rest alone.
fn in_step(link: &Link) -> bool {
    link.state == LinkState::Linked
}

/// Whether the two sides of a pair hold different values of a field; `None` before both have been read.
fn differs(
    core: &Core,
    reads: &impl Reads,
    module: ModuleId,
    link: LinkId,
    field: &str,
) -> Result<Option<bool>, StoreError> {
    let Some(def) = core.def(module) else { return Ok(Some(false)) };
    let (Some(field), Some(view)) = (def.field(field), view_of_link(core, reads, module, link)?) else {
        return Ok(Some(false));
    };
    let name = field.name.as_ref();
    let (Some(ivvy), Some(crm)) = (view.ivvy.fields.get(name), view.crm.fields.get(name)) else {
        return Ok(None);
    };
    let counterparts = Counterparts::of(reads, def, Some(&view.ivvy), Some(&view.crm))?;
    Ok(Some(equal_across(field, ivvy, crm, &counterparts) != Some(true)))
}
