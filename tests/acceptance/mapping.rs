//! Custom fields mapped while the daemon runs, through its socket (acceptance C: V-19).

mod operators;
mod words;

use serde_json::json;
use tandem::client::Client;
use tandem::error::ErrorKind;
use tandem::model::{
    AuditEvent, Choice, CustomField, CustomKind, Flow, ModuleId, Reason, RunEnd, RunKind, RunRow, Side, State,
    Transform, Verb, Verdict,
};
use tandem::sim::fault::{FaultKind, FaultSpec};
use tandem::store::Reads as _;
use tandem::wire::{Answer, CheckRow, Event, MapChange, MapChanged, MapVerb, MapView, Request};

use super::hand::CrmHand;
use super::population::Shape;
use super::socket::Daemon;
use super::world::{Pair, Setup, World, choose, operator};

const CONTACTS: ModuleId = ModuleId::Contacts;
const DIET: &str = "custom.101";

/// A world whose configuration says nothing of diets, and a socket to say it through.
struct Mapping {
    world: World,
    client: Client,
    daemon: Daemon,
}

impl Mapping {
    async fn begin() -> Self {
        let setup = Setup { unmapped: vec![DIET], conflicts: 1000, ..Setup::salesforce(Shape::pairs(8)) };
        let world = World::in_step(setup).await;
        let daemon = Daemon::over(&world);
        let client = daemon.console().await;
        Self { world, client, daemon }
    }

    async fn end(self) {
        drop(self.client);
        self.daemon.end().await;
        self.world.end().await;
    }

    async fn show(&self) -> MapView {
        match self.client.call(Request::MapShow { module: CONTACTS }).await.unwrap() {
            Answer::Map(view) => *view,
            other => panic!("{other:?}"),
        }
    }

    async fn change(&self, expect: u32, verb: MapVerb) -> Result<MapChanged, tandem::error::Error> {
        let change = MapChange { module: CONTACTS, expect, verb, dry_run: false, reason: Some("asked for".to_owned()) };
        match self.client.call(Request::MapChange(change)).await {
            Ok(Answer::MapChanged(changed)) => Ok(changed),
            Ok(other) => panic!("{other:?}"),
            Err(failed) => Err(failed.error),
        }
    }

    /// Changes the map and waits until it is in force and both sides have been read under it.
    async fn take_up(&self, expect: u32, verb: MapVerb) -> MapChanged {
        let changed = self.change(expect, verb).await.unwrap();
        let world = &self.world;
        world.until("in force", async || world.engine.map_in_force(CONTACTS) == changed.version).await;
        world.sweep(true).await;
        world.idle().await;
        changed
    }

    async fn resync(&self, dry_run: bool) -> String {
        let request = Request::MapResync { module: CONTACTS, field: "diet".to_owned(), dry_run };
        match self.client.call(request).await.unwrap() {
            Answer::Done { message } => message,
            other => panic!("{other:?}"),
        }
    }

    async fn check(&self) -> Vec<CheckRow> {
        match self.client.call(Request::Check).await.unwrap() {
            Answer::Check { rows } => rows,
            other => panic!("{other:?}"),
        }
    }

    /// What both sides hold of a pair.
    async fn diets(&self, pair: &super::world::Pair) -> [String; 2] {
        let ivvy = self.world.ivvy.read(CONTACTS, &pair.ivvy)[DIET].clone();
        [ivvy, self.world.crm.read(CONTACTS, &pair.crm).await[DIET].clone()]
    }
}

fn diet() -> CustomField {
    CustomField {
        name: "diet".to_owned(),
        title: Some("Diet".to_owned()),
        kind: CustomKind::Text,
        ivvy: 101,
        crm: "Diet__c".to_owned(),
        flow: Flow::Both,
        transform: Transform::None,
        default: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_field_mapped_at_run_time_carries_new_edits_and_touches_no_old_value_v19() {
    let mapping = Mapping::begin().await;
    let world = &mapping.world;
    let (both, half, quiet) = (world.take(), world.take(), world.take());
    world.ivvy.edit(CONTACTS, &both.ivvy, &[(DIET, "Vegan")]);
    world.crm.edit(CONTACTS, &both.crm, &[(DIET, "Halal")]).await;
    world.ivvy.edit(CONTACTS, &half.ivvy, &[(DIET, "Kosher")]);
    world.settle().await;

    let before = mapping.show().await;
    assert_eq!((before.version, before.mapped.len()), (0, 3));
    let found = before.suggestions.iter().find(|found| found.ivvy == 101).expect("alike by name");
    assert_eq!(found.crm, "Diet__c");

    let mut events = mapping.client.events();
    mapping.client.call(Request::Watch).await.unwrap();
    let changed = mapping.change(0, MapVerb::Add(diet())).await.unwrap();
    assert_eq!(changed.version, 1);
    assert!(changed.message.contains("are not touched"), "{}", changed.message);
    while !matches!(events.next().await.expect("goodbye"), Event::Bye { .. }) {}
    let again = mapping.daemon.console().await;
    let fields = |client: &Client| -> Vec<String> {
        let modules = &client.hello().modules;
        let def = modules.iter().find(|def| def.id == CONTACTS).unwrap();
        def.fields.iter().map(|field| field.name.to_string()).collect()
    };
    assert!(fields(&again).contains(&DIET.to_owned()) && !fields(&mapping.client).contains(&DIET.to_owned()));
    let mapping = Mapping { client: again, ..mapping };
    let world = &mapping.world;

    // Both sides are read whole, by themselves; nothing is written for it, and nothing is asked.
    world.until("read whole", async || world.engine.resync_of(CONTACTS, DIET).unwrap().unread == 0).await;
    world.writes_nothing(async { world.sweep(true).await }).await;
    world.idle().await;
    assert!(world.items(CONTACTS, State::Held).is_empty());
    assert_eq!(mapping.diets(&both).await, ["Vegan", "Halal"]);

    // An edit of another field carries the old values nowhere.
    world.ivvy.edit(CONTACTS, &half.ivvy, &[("phone", "+61 2 5550 7070")]);
    world.settle().await;
    assert_eq!(mapping.diets(&half).await, ["Kosher", ""]);
    // New edits go over, in both directions.
    world.ivvy.edit(CONTACTS, &both.ivvy, &[(DIET, "Vegetarian")]);
    world.crm.edit(CONTACTS, &quiet.crm, &[(DIET, "Kosher")]).await;
    world.settle().await;
    assert_eq!(mapping.diets(&both).await, ["Vegetarian", "Vegetarian"]);
    assert_eq!(mapping.diets(&quiet).await, ["Kosher", "Kosher"]);

    // Somebody who looked before is told who was faster, and nothing is stored.
    let stale = mapping.change(0, MapVerb::Remove("diet".to_owned())).await.unwrap_err();
    assert_eq!(stale.kind, ErrorKind::Stale, "{stale:?}");
    let twice = mapping.change(1, MapVerb::Add(CustomField { name: "food".to_owned(), ..diet() })).await.unwrap_err();
    assert_eq!((twice.kind, twice.message.contains("iVvy's field 101")), (ErrorKind::Refused, true), "{twice:?}");
    let rows = world.engine.store().read(|view| view.audit(&audit())).unwrap();
    let row = rows.iter().find(|row| matches!(row.what, AuditEvent::Mapped { .. })).expect("in the audit");
    assert!(matches!(&row.what, AuditEvent::Mapped { version: 1, reason: Some(why), .. } if why == "asked for"));
    assert_eq!((row.module, row.actor.name.as_str()), (Some(CONTACTS), mapping.client.hello().operator.as_str()));
    mapping.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resync_is_a_plan_that_somebody_releases_v19() {
    let mapping = Mapping::begin().await;
    let world = &mapping.world;
    let (both, half) = (world.take(), world.take());
    world.ivvy.edit(CONTACTS, &both.ivvy, &[(DIET, "Vegan")]);
    world.crm.edit(CONTACTS, &both.crm, &[(DIET, "Halal")]).await;
    world.ivvy.edit(CONTACTS, &half.ivvy, &[(DIET, "Kosher")]);
    mapping.take_up(0, MapVerb::Add(diet())).await;
    let looked = mapping.resync(true).await;
    assert!(looked.contains("differ in 2 pairs"), "{looked}");
    world
        .writes_nothing(async {
            mapping.resync(false).await;
            world.idle().await;
        })
        .await;
    world.held(&half, Reason::Guard);
    let question = world.held(&both, Reason::FirstSync);
    world.engine.guard_release(CONTACTS, None, operator("ada")).await.unwrap();
    world.idle().await;
    assert_eq!(mapping.diets(&half).await, ["Kosher", "Kosher"]);
    let question = world.item(question.id);
    world.decide(&question, Verb::Approve, choose(DIET, Choice::Crm)).await.unwrap();
    world.idle().await;
    assert_eq!(mapping.diets(&both).await, ["Halal", "Halal"]);
    mapping.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_in_the_queue_outlives_a_change_of_the_map_v19() {
    let mapping = Mapping::begin().await;
    let world = &mapping.world;
    let (pair, other) = (world.take(), world.take());
    let item = world.quarrel(&pair, "phone", "+61 2 5550 1111", "+61 2 5550 2222").await;
    mapping.take_up(0, MapVerb::Add(diet())).await;
    let now = world.held(&pair, Reason::Conflict);
    assert!(now.id == item.id && now.plan.mapping_version != item.plan.mapping_version, "planned anew: {now:?}");
    // What is waiting in a field that is mapped otherwise is not taken for an old value.
    world.ivvy.edit(CONTACTS, &other.ivvy, &[(DIET, "Vegan")]);
    world.crm.edit(CONTACTS, &other.crm, &[(DIET, "Halal")]).await;
    world.settle().await;
    world.held(&other, Reason::Conflict);
    let titled = CustomField { title: Some("Food".to_owned()), ..diet() };
    mapping.take_up(1, MapVerb::Change(titled)).await;
    let question = world.held(&other, Reason::Conflict);
    world.decide(&question, Verb::Approve, choose(DIET, Choice::Ivvy)).await.unwrap();
    world.decide(&world.held(&pair, Reason::Conflict), Verb::Approve, choose("phone", Choice::Crm)).await.unwrap();
    world.idle().await;
    assert_eq!(mapping.diets(&other).await, ["Vegan", "Vegan"]);
    assert_eq!(world.ivvy.read(CONTACTS, &pair.ivvy)["phone"], "+61 2 5550 2222");
    mapping.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_field_taken_out_and_mapped_again_begins_anew_v19() {
    let mapping = Mapping::begin().await;
    let world = &mapping.world;
    let pair = world.take();
    mapping.take_up(0, MapVerb::Add(diet())).await;
    world.ivvy.edit(CONTACTS, &pair.ivvy, &[(DIET, "Vegan")]);
    world.settle().await;
    assert_eq!(mapping.diets(&pair).await, ["Vegan", "Vegan"]);
    // Nothing is read meanwhile: what was read before must not pass for what stands.
    let in_force = async |version: u32| {
        world.until("in force", async || world.engine.map_in_force(CONTACTS) == version).await;
    };
    world.engine.set_paused(Some(CONTACTS), true, operator("ada")).await.unwrap();
    mapping.change(1, MapVerb::Remove("diet".to_owned())).await.unwrap();
    in_force(2).await;
    world.ivvy.edit(CONTACTS, &pair.ivvy, &[(DIET, "Halal")]);
    let back = mapping.change(2, MapVerb::Add(diet())).await.unwrap();
    assert_eq!(back.version, 3);
    in_force(3).await;
    let all = world.pairs(CONTACTS).len() as u64;
    world.until("forgotten", async || world.engine.resync_of(CONTACTS, DIET).unwrap().unread == all).await;
    world.engine.set_paused(Some(CONTACTS), false, operator("ada")).await.unwrap();
    world.sweep(true).await;
    world.idle().await;
    assert_eq!(mapping.diets(&pair).await, ["Halal", "Vegan"], "the edit that nobody watched is an old value");
    world.crm.edit(CONTACTS, &pair.crm, &[(DIET, "Kosher")]).await;
    world.settle().await;
    assert_eq!(mapping.diets(&pair).await, ["Kosher", "Kosher"]);
    mapping.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_field_mapped_onto_another_one_carries_none_of_its_old_values_v19() {
    const CITY: &str = "MailingCity";
    let mapping = Mapping::begin().await;
    let world = &mapping.world;
    let CrmHand::Salesforce(sim) = &world.crm else { panic!("this is about Salesforce") };
    let city_of = |pair: &Pair| {
        let rows = sim.records("Contact").unwrap();
        rows.iter().find(|row| row["Id"] == pair.crm.as_str()).unwrap()[CITY].clone()
    };
    let (busy, asked) = (world.take(), world.take());
    mapping.take_up(0, MapVerb::Add(diet())).await;
    world.ivvy.edit(CONTACTS, &busy.ivvy, &[(DIET, "Vegan")]);
    world.settle().await;
    let item = world.quarrel(&busy, "phone", "+61 2 5550 3331", "+61 2 5550 3332").await;
    world.quarrel(&asked, DIET, "Kosher", "Halal").await;
    for pair in [&busy, &asked] {
        sim.edit("Contact", &pair.crm, json!({CITY: "Perth"})).unwrap();
    }
    mapping.take_up(1, MapVerb::Change(CustomField { crm: CITY.to_owned(), ..diet() })).await;
    // Something else of the pair waits: that makes no edit of what the other field held all along.
    let now = world.held(&busy, Reason::Conflict);
    assert_eq!((now.id, now.plan.field(DIET).unwrap().verdict), (item.id, Verdict::Same), "{now:?}");
    world.decide(&now, Verb::Approve, choose("phone", Choice::Ivvy)).await.unwrap();
    world.idle().await;
    // Nor is the question about the other field one about this.
    assert!(world.items(CONTACTS, State::Held).is_empty());
    assert_eq!(mapping.diets(&busy).await, ["Vegan", "Vegan"]);
    assert_eq!(mapping.diets(&asked).await, ["Kosher", "Halal"]);
    assert_eq!([city_of(&busy), city_of(&asked)], ["Perth", "Perth"]);
    sim.edit("Contact", &busy.crm, json!({CITY: "Hobart"})).unwrap();
    world.settle().await;
    assert_eq!(mapping.diets(&busy).await, ["Hobart", "Vegan"], "an edit from then on goes over");
    mapping.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_that_a_new_map_cuts_off_is_told_and_made_again_v19() {
    let mapping = Mapping::begin().await;
    let world = &mapping.world;
    mapping.take_up(0, MapVerb::Add(diet())).await;
    let runs = |number: Option<u64>| -> Vec<RunRow> {
        let all = world.engine.store().read(|view| view.runs(CONTACTS, None, 500)).unwrap();
        let wanted = |run: &RunRow| number.is_none_or(|number| run.number == number);
        all.into_iter().filter(|run| run.side == Side::Ivvy && wanted(run)).collect()
    };
    let asked_for = || runs(None).iter().filter(|run| run.asked && run.kind == RunKind::Full).count();
    let half = RunRow::begin(CONTACTS, Side::Ivvy, RunKind::Changes, false, world.engine.now());
    let half = world.engine.store().write(move |tx| tx.put_run(&half)).await.unwrap();
    let before = asked_for();
    let faults = world.ivvy.0.faults();
    faults.arm(FaultSpec { ms: Some(60_000), ..FaultSpec::times(FaultKind::Slow, "getContactList", 1) }).unwrap();
    world.engine.sync_now(Some(CONTACTS), true);
    world
        .until("an asked sweep stands still", async || {
            let stands = faults.armed().is_empty();
            stands && asked_for() == before
        })
        .await;
    mapping.change(1, MapVerb::Remove("diet".to_owned())).await.unwrap();
    world.until("in force", async || world.engine.map_in_force(CONTACTS) == 2).await;
    world.until("read whole after all", async || asked_for() > before).await;
    assert_eq!(runs(Some(half.number))[0].end, RunEnd::Interrupted, "nothing can be under way at a start");
    mapping.end().await;
}

fn audit() -> tandem::wire::AuditQuery {
    tandem::wire::AuditQuery { item: None, before: None, limit: 1000 }
}
