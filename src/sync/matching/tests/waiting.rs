//! Records that wait for something that will not come: a source nobody creates any more, and leads that cannot
//! be read (P-05). And what is left of a pair whose lead was converted.

use super::world::{World, source};
use super::{MatchMode, SOURCE};
use crate::model::record::Source;
use crate::model::{
    Actor, AuditEvent, FieldKind, Item, Kind, Link, LinkState, ModuleId, PairKey, Reason, Reasons, Record, RecordId,
    Side, State, Value,
};
use crate::remote::Class;
use crate::remote::port::MatchSupport;
use crate::store::{Note, Reads as _, Tx};
use crate::sync::observe;

fn note(world: &World) -> Note {
    let (at, what) = (world.engine.now(), AuditEvent::Operated { what: "set up".to_owned() });
    Note { at, actor: Actor::engine(), module: None, item: None, link: None, what }
}

/// A record as a system shows it, with these fields and no others.
fn record(id: &str, fields: &[(&str, &str)]) -> Record {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), Value::text(*value))).collect();
    Record { id: id.into(), fields, ..Record::default() }
}

/// It has been seen, and is to be planned.
fn see(world: &World, module: ModuleId, side: Side, record: Record) {
    let core = world.engine.core();
    let seen = observe::observation(&core, module, side, record, Source::Read);
    let write = move |tx: &mut Tx<'_>| {
        tx.put_observation(&seen)?;
        tx.mark_dirty(module, side, &seen.record.id)
    };
    world.engine.store().write_blocking(write).unwrap();
    core.signals.plan.notify_one();
}

fn last(world: &World, module: ModuleId, side: Side, id: &str) -> Option<Item> {
    let key = PairKey::Lone(side, RecordId::from(id));
    world
        .engine
        .store()
        .read(|view| match view.last_item(module, &key)? {
            Some(item) => view.item(item),
            None => Ok(None),
        })
        .unwrap()
}

fn blocked(world: &World) -> bool {
    last(world, ModuleId::Leads, Side::Ivvy, "l1").is_some_and(|item| item.state == State::Blocked)
}

/// A lead of iVvy that waits for its source to be created in the CRM, which has other ones.
async fn with_a_lead_that_waits() -> World {
    let world = World::started(&[source("s1", "Web")], &[source("t9", "Other")]).await;
    let fields = [
        ("name", "Mia"),
        ("first_name", "Mia"),
        ("last_name", "Prospect"),
        ("email", "mia@x.example"),
        ("source", "s1"),
    ];
    see(&world, ModuleId::Leads, Side::Ivvy, record("l1", &fields));
    world.until(blocked).await;
    world
}

/// The list the creation relies on is refused from now on: nothing is created, so nobody waits for it.
#[tokio::test(start_paused = true)]
async fn a_lead_does_not_wait_for_a_source_that_nobody_can_create_any_more_c24() {
    let world = with_a_lead_that_waits().await;
    world.on(Side::Crm).lists_fail = Some(Class::Forbidden);
    world.engine.match_refresh(SOURCE, false).unwrap();
    world.until(|world| matches!(world.engine.match_status(SOURCE).mode, MatchMode::Off(_))).await;
    world.until(|world| !blocked(world)).await;
    assert_eq!(world.called(Side::Crm), 0);
}

/// Owner and source are switched off, or the systems give nothing away any more, while it waits.
#[tokio::test(start_paused = true)]
async fn a_lead_does_not_wait_for_what_is_not_matched_since_the_restart_c07_c09() {
    let mut world = with_a_lead_that_waits().await;
    let leads = world.settings.modules.get_mut(&ModuleId::Leads).unwrap();
    leads.fields.retain(|field| !matches!(field.kind, FieldKind::Match(_)));
    world.crash().await;
    world.until(|world| !blocked(world)).await;

    let mut world = with_a_lead_that_waits().await;
    world.on(Side::Crm).staff_support = MatchSupport::default();
    world.on(Side::Crm).source_support = MatchSupport::default();
    world.crash().await;
    world.until(|world| !blocked(world)).await;
}

/// The day's calls are used up before the leads have been read: a new contact does not wait for tomorrow.
#[tokio::test(start_paused = true)]
async fn a_contact_does_not_wait_for_leads_that_the_day_has_no_calls_for_p05() {
    let mut world = World::new(&[], &[]);
    world.on(Side::Crm).leads_held = true;
    world.settings.modules = [ModuleId::Contacts, ModuleId::Leads].map(|module| (module, module.def())).into();
    world.crash().await;
    world.until(|world| world.engine.waits_for_quota(ModuleId::Leads).is_some()).await;
    let fields = [("first_name", "Ann"), ("last_name", "Lee"), ("email", "ann@x.example")];
    let began = world.engine.now();
    see(&world, ModuleId::Contacts, Side::Crm, record("c1", &fields));
    world.until(|world| last(world, ModuleId::Contacts, Side::Crm, "c1").is_some()).await;
    assert!(world.engine.now().since(began) < 3 * world.settings.interval);
}

/// What had drifted before the lead was converted is not counted for ever.
#[tokio::test(start_paused = true)]
async fn the_drift_of_a_pair_at_rest_is_forgotten_p05() {
    let world = World::started(&[], &[]).await;
    let leads = ModuleId::Leads;
    let now = world.engine.now();
    let note = note(&world);
    let setup = move |tx: &mut Tx<'_>| {
        let (ivvy, crm) = (RecordId::from("l1"), RecordId::from("t1"));
        let id = tx.new_link_id()?;
        let state = LinkState::Linked;
        tx.put_link(
            &Link { id, module: leads, ivvy, crm, state, created_at: now, reason: String::new() },
            note.clone(),
        )?;
        let mut drift = Item::new(tx.new_item_id()?, leads, PairKey::Link(id), Kind::Update, now);
        (drift.state, drift.reasons) = (State::Skipped, Reasons::one(Reason::Drift));
        tx.put_item(&drift, note.clone())
    };
    world.engine.store().write_blocking(setup).unwrap();
    let became = Record { converted: true, ..record("t1", &[("name", "Mia"), ("description", "a barn")]) };
    see(&world, leads, Side::Crm, became);
    see(&world, leads, Side::Ivvy, record("l1", &[("name", "Mia"), ("description", "a ballroom")]));
    let count = |world: &World, state: State| {
        world.engine.store().read(|view| view.in_state(leads, state, None, 10)).unwrap().len()
    };
    world.until(|world| count(world, State::Done) == 1).await;
    assert_eq!(count(&world, State::Skipped), 0);
    assert_eq!(count(&world, State::Superseded), 1);
}
