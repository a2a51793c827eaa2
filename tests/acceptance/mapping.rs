//! Custom fields mapped while the daemon runs, through its socket (acceptance C: V-19).

use std::sync::Arc;

use serde_json::json;
use tandem::client::Client;
use tandem::error::ErrorKind;
use tandem::model::{
    AuditEvent, Choice, CustomField, CustomKind, Decision, FieldMap, Flow, Item, MappedField, ModuleId, Reason, RunEnd,
    RunKind, RunRow, Side, State, Transform, Value, Verb, Verdict,
};
use tandem::seam::SystemClock;
use tandem::sim::fault::{FaultKind, FaultSpec};
use tandem::store::{Note, Reads as _};
use tandem::sync::Refusal;
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
async fn options_travel_by_their_table_and_unknown_ones_are_held_v19() {
    let mapping = Mapping::begin().await;
    let world = &mapping.world;
    let (pair, other, lone) = (world.take(), world.take(), world.take());
    let pairs = [("g", "Vegan"), ("s", "Halal")].map(|(ivvy, crm)| (ivvy.to_owned(), crm.to_owned()));
    let badge = CustomField {
        name: "badge".to_owned(),
        kind: CustomKind::Choice,
        ivvy: 102,
        transform: Transform::Values(pairs.into()),
        default: Some(Value::text("s")),
        ..diet()
    };
    let changed = mapping.take_up(0, MapVerb::Add(badge)).await;
    assert!(changed.findings.iter().any(|finding| finding.text.contains("`c`")), "{:?}", changed.findings);
    let badge_of = |id: &str| {
        let all = world.ivvy.0.contacts();
        let contact = all.into_iter().find(|contact| contact.id.to_string() == id).unwrap();
        contact.custom.get(&102).and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
    };
    world.ivvy.edit(CONTACTS, &pair.ivvy, &[("custom.102", "g")]);
    world.crm.edit(CONTACTS, &other.crm, &[(DIET, "Halal")]).await;
    world.settle().await;
    assert_eq!(world.crm.read(CONTACTS, &pair.crm).await[DIET], "Vegan");
    assert_eq!(badge_of(&other.ivvy), "s");
    world.ivvy.edit(CONTACTS, &lone.ivvy, &[("custom.102", "c")]);
    world.settle().await;
    let item = world.held(&lone, Reason::Conflict);
    assert_eq!(item.plan.field("custom.102").unwrap().why, tandem::model::Why::OptionUnknown);
    assert_eq!(world.crm.read(CONTACTS, &lone.crm).await[DIET], "");
    // A new record gets the default, in the other side's words, and its source stays as it is.
    let fields = [("first_name", "Nora"), ("last_name", "Newcomer"), ("email", "nora@example.net")];
    let id = world.ivvy.insert(CONTACTS, &fields);
    world.settle().await;
    let made = world.pair_of(CONTACTS, Side::Ivvy, &id).expect("created");
    assert_eq!(world.crm.read(CONTACTS, &made.crm).await[DIET], "Halal");
    world.settle().await;
    assert_eq!(badge_of(&id), "");
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decisions_speak_the_words_of_each_side_and_what_has_no_word_is_refused_v19() {
    const BADGE: &str = "custom.102";
    let mapping = Mapping::begin().await;
    let world = &mapping.world;
    let (pair, odd) = (world.take(), world.take());
    let pairs = [("g", "Vegan"), ("s", "Halal")].map(|(ivvy, crm)| (ivvy.to_owned(), crm.to_owned()));
    let transform = Transform::Values(pairs.into());
    let badge = CustomField { name: "badge".to_owned(), kind: CustomKind::Choice, ivvy: 102, transform, ..diet() };
    mapping.take_up(0, MapVerb::Add(badge)).await;
    let badges = async |pair: &Pair| -> [String; 2] {
        let all = world.ivvy.0.contacts();
        let contact = all.into_iter().find(|contact| contact.id.to_string() == pair.ivvy).unwrap();
        let here = contact.custom.get(&102).and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default();
        [here, world.crm.read(CONTACTS, &pair.crm).await[DIET].clone()]
    };

    // What an undo puts back was read in the CRM, and goes to both.
    for option in ["g", "s"] {
        world.ivvy.edit(CONTACTS, &pair.ivvy, &[(BADGE, option)]);
        world.settle().await;
    }
    assert_eq!(badges(&pair).await, ["s", "Halal"]);
    let undo = world.decide(&world.last(&pair).unwrap(), Verb::Undo, |_| {}).await.unwrap();
    assert_eq!(undo.plan.field(BADGE).unwrap().choice, Some(Choice::Custom(Value::text("g"))));
    world.decide(&undo, Verb::Approve, |_| {}).await.unwrap();
    world.idle().await;
    assert_eq!(badges(&pair).await, ["g", "Vegan"]);

    // An option that cannot be carried over is not agreed on in silence.
    let phone = "+61 2 5550 4441";
    world.ivvy.edit(CONTACTS, &odd.ivvy, &[(BADGE, "c"), ("phone", phone)]);
    world.crm.edit(CONTACTS, &odd.crm, &[("phone", "+61 2 5550 4442")]).await;
    world.settle().await;
    let item = world.held(&odd, Reason::Conflict);
    let lacks = |refused: Result<Item, Refusal>| match refused {
        Err(Refusal::Invalid(_, why)) => assert!(why.contains("the value table of Diet"), "{why}"),
        other => panic!("{other:?}"),
    };
    let ours = |decision: &mut Decision| {
        decision.side = Some(Side::Ivvy);
        decision.reason = Some("we asked them".to_owned());
    };
    for choice in [Choice::Ivvy, Choice::Custom(Value::text("c"))] {
        lacks(world.decide(&item, Verb::Edit, choose(BADGE, choice)).await);
    }
    lacks(world.decide(&item, Verb::Approve, ours).await);
    // Of a whole record, the rest is taken and that stays a question.
    let drafted = world.decide(&item, Verb::Edit, ours).await.unwrap();
    assert_eq!(drafted.plan.field("phone").unwrap().choice, Some(Choice::Ivvy));
    assert!(drafted.plan.field(BADGE).unwrap().unsolved());
    world.decide(&drafted, Verb::Force, ours).await.unwrap();
    world.idle().await;
    assert_eq!(world.crm.read(CONTACTS, &odd.crm).await["phone"], phone);
    let left = world.held(&odd, Reason::Conflict);
    assert_eq!((left.plan.unsolved(), badges(&odd).await), (1, ["c".to_owned(), String::new()]));
    lacks(world.decide(&left, Verb::Force, ours).await);
    world.decide(&left, Verb::Approve, choose(BADGE, Choice::Custom(Value::text("s")))).await.unwrap();
    world.idle().await;
    assert_eq!(badges(&odd).await, ["s", "Halal"]);
    mapping.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_mapped_is_refused_and_what_vanished_is_told_v19() {
    let mapping = Mapping::begin().await;
    let world = &mapping.world;
    let refused = async |field: CustomField| mapping.change(0, MapVerb::Add(field)).await.unwrap_err();
    let list = refused(CustomField { kind: CustomKind::Int, ivvy: 103, name: "n".to_owned(), ..diet() }).await;
    assert!(list.kind == ErrorKind::Refused, "103 is mapped in the configuration: {list:?}");
    let vanished = refused(CustomField { ivvy: 999, ..diet() }).await;
    assert!(vanished.message.contains("iVvy has no field 999"), "{vanished:?}");
    let injected = refused(CustomField { crm: "Diet__c FROM User".to_owned(), ..diet() }).await;
    assert_eq!(injected.kind, ErrorKind::Refused);
    let configured = mapping.change(0, MapVerb::Remove("f103".to_owned())).await.unwrap_err();
    assert!(configured.message.contains("comes from the configuration"), "{configured:?}");
    let long = refused(CustomField { title: Some("x".repeat(121)), ..diet() }).await;
    assert!(long.message.contains("title has 121 characters"), "{long:?}");
    let verb = MapVerb::Add(diet());
    let wordy = MapChange { module: CONTACTS, expect: 0, verb, dry_run: false, reason: Some("x".repeat(1_001)) };
    let wordy = mapping.client.call(Request::MapChange(wordy)).await.unwrap_err().error;
    assert_eq!((wordy.kind, wordy.message.contains("1001 characters")), (ErrorKind::Refused, true), "{wordy:?}");
    assert_eq!(mapping.show().await.version, 0, "nothing was stored");

    // A field that was there when it was mapped, and is gone since.
    let map = FieldMap {
        version: 1,
        fields: vec![MappedField { field: CustomField { ivvy: 999, ..diet() }, since: 1 }],
        what: "mapped".to_owned(),
        reason: None,
        by: operator("ada"),
        at: world.engine.now(),
    };
    let what = AuditEvent::Mapped { version: 1, what: "mapped".to_owned(), reason: None };
    let note = Note { at: map.at, actor: operator("ada"), module: None, item: None, link: None, what };
    let stored = move |tx: &mut tandem::store::Tx<'_>| tx.append_field_map(CONTACTS, &map, note.clone()).map(drop);
    world.engine.store().write(stored).await.unwrap();
    let view = mapping.show().await;
    let line = view.mapped.iter().find(|line| line.field.name == "diet").unwrap();
    assert!(line.findings.iter().any(|finding| finding.fault && finding.text.contains("999")), "{line:?}");
    let row = mapping.check().await.into_iter().find(|row| row.what == "map of contacts: diet").expect("a row");
    assert!(!row.ok && row.found.contains("999") && row.hint.is_some(), "{row:?}");
    mapping.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_maps_and_its_exit_codes_are_the_documented_ones_v19() {
    let mapping = Mapping::begin().await;
    let world = &mapping.world;
    let text = |code: i32, args: &[&str]| -> String {
        let output = mapping.daemon.run(args);
        let all = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{args:?}: {all}");
        all
    };
    let shown = text(0, &["map", "contacts"]);
    assert!(
        shown.contains("configuration") && shown.contains("tandem map add contacts --ivvy 101 --crm Diet__c"),
        "{shown}"
    );
    let add = ["map", "add", "contacts", "--ivvy", "101", "--crm", "Diet__c"];
    let only_checked = text(0, &[&add[..], &["--dry-run"]].concat());
    assert!(only_checked.contains("nothing was changed"), "{only_checked}");
    let mapped = text(0, &[&add[..], &["--reason", "the kitchen asked"]].concat());
    assert!(
        mapped.contains("are not touched") && mapped.contains("tandem map resync contacts dietary_needs"),
        "{mapped}"
    );
    world.until("in force", async || world.engine.map_in_force(CONTACTS) == 1).await;
    let line = text(0, &["--json", "map", "show", "contacts"]);
    let view: serde_json::Value = serde_json::from_str(line.trim()).unwrap();
    let field = view["mapped"].as_array().unwrap().iter().find(|field| field["name"] == "dietary_needs").unwrap();
    // Text on one side, a list on the other: the stricter of the two, both ways.
    assert_eq!((&field["kind"], &field["flow"], &field["origin"]), (&"choice".into(), &"both".into(), &"store".into()));
    let upper =
        ["map", "change", "contacts", "--ivvy", "101", "--crm", "Diet__c", "--kind", "text", "--transform", "upper"];
    let late = text(5, &[&upper[..], &["--version", "0"]].concat());
    assert!(late.contains("moved on") && late.contains(&mapping.client.hello().operator), "{late}");
    text(0, &upper);
    // What a change is not told stays as it was.
    text(0, &["map", "change", "contacts", "--ivvy", "101", "--crm", "Diet__c", "--title", "Meals"]);
    let line = text(0, &["--json", "map", "show", "contacts"]);
    let view: serde_json::Value = serde_json::from_str(line.trim()).unwrap();
    let field = view["mapped"].as_array().unwrap().iter().find(|field| field["name"] == "dietary_needs").unwrap();
    assert_eq!(
        (&field["title"], &field["kind"], &field["transform"]),
        (&"Meals".into(), &"text".into(), &"upper".into())
    );
    text(1, &["map", "add", "contacts", "--ivvy", "104", "--crm", "Fax"]);
    text(2, &["map", "add", "contacts", "--ivvy", "101", "--crm", "Fax", "--kind", "int", "--default", "many"]);
    let history = text(0, &["map", "history", "contacts"]);
    assert!(history.contains("the kitchen asked") && history.contains("otherwise than before"), "{history}");
    let nothing = text(0, &["map", "resync", "contacts", "dietary_needs", "--dry-run"]);
    assert!(nothing.contains("nothing"), "{nothing}");
    text(0, &["map", "remove", "contacts", "dietary_needs"]);
    text(1, &["map", "remove", "contacts", "dietary_needs"]);
    mapping.end().await;
}

#[tokio::test]
async fn a_map_is_there_after_a_restart_and_a_field_of_the_file_as_well_is_a_clear_error_v19() {
    let place = tempfile::tempdir().unwrap();
    let configure = |fields: &str| {
        let text = format!(
            "version = 1\naccount = \"kept\"\ndata_dir = \"{0}\"\nsocket = \"{0}/tandem.sock\"\n\
             [ivvy]\nurl = \"http://127.0.0.1:1\"\nkey = \"k\"\nsecret = {{ env = \"NONE\" }}\n\
             [crm]\nkind = \"salesforce\"\nurl = \"http://127.0.0.1:1\"\nclient_id = \"c\"\nsecret = {{ env = \"NONE\" }}\n\
             [modules.contacts]\nenabled = true\n{fields}",
            place.path().display()
        );
        tandem::config::Config::parse(&text, &place.path().join("tandem.toml")).unwrap()
    };
    let open = |config: &tandem::config::Config| {
        let secret = || secrecy::SecretString::from("x".to_owned());
        let secrets = tandem::config::Secrets::default().with("ivvy.secret", secret()).with("crm.secret", secret());
        let clock: Arc<dyn tandem::seam::Clock> = Arc::new(SystemClock);
        tandem::daemon::account::Account::open(config, secrets, &clock, &tandem::seam::Entropy::seeded(1))
    };
    let names = |account: &tandem::daemon::account::Account| -> Vec<String> {
        let modules = account.engine.modules();
        let def = modules.into_iter().find(|def| def.id == CONTACTS).unwrap();
        def.fields.into_iter().map(|field| field.name.into_owned()).filter(|name| name.starts_with("custom.")).collect()
    };
    let diets = "[[modules.contacts.fields]]\nname = \"food\"\nkind = \"text\"\nivvy = 101\ncrm = \"Food__c\"\n";
    let other = diets.replace("101", "102");
    let account = open(&configure(&other)).unwrap();
    let before = account.engine.modules();
    let map = FieldMap {
        version: 1,
        fields: vec![MappedField { field: diet(), since: 1 }],
        what: "mapped".to_owned(),
        reason: None,
        by: operator("ada"),
        at: account.engine.now(),
    };
    let what = AuditEvent::Mapped { version: 1, what: "mapped".to_owned(), reason: None };
    let note = Note { at: map.at, actor: operator("ada"), module: None, item: None, link: None, what };
    let stored = move |tx: &mut tandem::store::Tx<'_>| tx.append_field_map(CONTACTS, &map, note.clone()).map(drop);
    account.engine.store().write(stored).await.unwrap();
    drop(account);
    let account = open(&configure(&other)).unwrap();
    assert_eq!(names(&account), ["custom.102", "custom.101"], "the file's first, the store's after them");
    let after = account.engine.modules();
    let versions =
        |modules: &[tandem::model::ModuleDef]| modules.iter().map(|def| def.mapping_version).collect::<Vec<_>>();
    assert_ne!(versions(&before), versions(&after), "plans of before are made anew");
    drop(account);
    let twice = open(&configure(diets)).unwrap_err();
    assert!(
        twice.message.contains("iVvy's field 101 is used twice") && twice.message.contains("in the store"),
        "{twice:?}"
    );
}

fn audit() -> tandem::wire::AuditQuery {
    tandem::wire::AuditQuery { item: None, before: None, limit: 1000 }
}
