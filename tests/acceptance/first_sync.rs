//! The first meeting of two systems that both have a past (acceptance A and G).

use std::collections::BTreeMap;

use strum::IntoEnumIterator as _;
use tandem::model::{ModuleId, Reason, Side, State, Timestamp};
use tandem::sim::ivvy::{Company, Contact, Order};
use tandem::sim::ledger::Op;
use tandem::sim::people::Population;

use super::hand::Plain;
use super::population::{Known, Shape, identity};
use super::world::{Setup, World};

/// Every person and company exists once on each side, and the two know of each other.
pub async fn everybody_exists_once_on_each_side_and_is_linked(world: &World) {
    let (ivvy, crm) = (world.ivvy.all(ModuleId::Contacts), world.crm.all(ModuleId::Contacts).await);
    let who = |row: &Plain| identity(&row["first_name"], &row["last_name"], &row["email"]);
    let census = |rows: &BTreeMap<String, Plain>| {
        let mut census: BTreeMap<_, Vec<String>> = BTreeMap::new();
        for (id, row) in rows {
            census.entry(who(row)).or_default().push(id.clone());
        }
        census
    };
    let (by_ivvy, by_crm) = (census(&ivvy), census(&crm));
    let links: BTreeMap<String, String> =
        world.pairs(ModuleId::Contacts).into_iter().map(|pair| (pair.ivvy, pair.crm)).collect();
    let firms: BTreeMap<String, String> =
        world.pairs(ModuleId::Companies).into_iter().map(|pair| (pair.ivvy, pair.crm)).collect();
    for person in &world.known.everybody {
        let who = identity(&person.first_name, &person.last_name, &person.email);
        let here = by_ivvy.get(&who).map(Vec::as_slice).unwrap_or_default();
        let there = by_crm.get(&who).map(Vec::as_slice).unwrap_or_default();
        assert_eq!((here.len(), there.len()), (1, 1), "person {} exists once on each side", person.origin);
        assert_eq!(links.get(&here[0]), Some(&there[0]), "person {} is linked", person.origin);
        let (row, twin) = (&ivvy[&here[0]], &crm[&there[0]]);
        assert_eq!(row["external_id"], there[0], "iVvy names the counterpart (V-13)");
        assert_eq!(row["phone"], twin["phone"]);
        // V-74: the contact's company is the company's counterpart.
        let employer = Some(&row["company"]).filter(|id| !id.is_empty());
        assert_eq!(employer.map(|id| &firms[id]), Some(&twin["company"]).filter(|id| !id.is_empty()));
        let expected = person.company.map(|index| world.known.every_company[index].name.as_str());
        let named = employer.map(|id| world.ivvy.read(ModuleId::Companies, id)["name"].clone());
        assert_eq!(named.as_deref(), expected, "person {} works where they did", person.origin);
    }
    let (ivvy, crm) = (world.ivvy.all(ModuleId::Companies), world.crm.all(ModuleId::Companies).await);
    for company in &world.known.every_company {
        let named = |rows: &BTreeMap<String, Plain>| -> Vec<String> {
            rows.iter().filter(|(_, row)| row["name"] == company.name).map(|(id, _)| id.clone()).collect()
        };
        let (here, there) = (named(&ivvy), named(&crm));
        assert_eq!((here.len(), there.len()), (1, 1), "company {} exists once on each side", company.origin);
        assert_eq!(firms.get(&here[0]), Some(&there[0]), "company {} is linked", company.origin);
    }
    if !world.is_odoo() {
        assert_eq!(links.len(), world.known.everybody.len(), "and there is nobody else");
        assert_eq!(by_ivvy.values().map(Vec::len).sum::<usize>(), links.len());
        assert_eq!(by_crm.values().map(Vec::len).sum::<usize>(), links.len());
    }
}

/// No key was ever used for two records (I1), and companies came before their people (V-74).
pub fn nothing_was_created_twice(world: &World) {
    for side in Side::BOTH {
        let mut by_key: BTreeMap<(String, String), Vec<u64>> = BTreeMap::new();
        for effect in world.effects(side).into_iter().filter(|effect| effect.op == Op::Create) {
            let key = effect.external_id.expect("every record we create carries its key");
            by_key.entry((effect.object, key)).or_default().push(effect.seq);
        }
        for (key, created) in by_key {
            assert_eq!(created.len(), 1, "{side}: {key:?} was created more than once");
        }
    }
}

fn companies_came_first(world: &World) {
    for (side, company, contact) in [(Side::Ivvy, "company", "contact"), (Side::Crm, "Account", "Contact")] {
        let creates: Vec<_> = world.effects(side).into_iter().filter(|effect| effect.op == Op::Create).collect();
        let (mut firms, mut people) = (Vec::new(), Vec::new());
        for effect in creates {
            if effect.object == company {
                firms.push(effect.seq);
            } else {
                assert_eq!(effect.object, contact);
                people.push(effect.seq);
            }
        }
        assert!(firms.iter().max() < people.iter().min(), "{side}: companies before contacts (V-74)");
    }
}

/// Two sweeps in which nobody changed anything write nothing at all (I10, V-20).
pub async fn two_idle_sweeps_write_nothing(world: &World) {
    world
        .writes_nothing(async {
            world.settle().await;
            world.sweep(true).await;
            world.idle().await;
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_people_a_side_meet_once_and_then_nothing_is_written_v10_v20_i1_i10() {
    let world = World::begin(Setup::salesforce(Shape::ISSUE)).await;
    assert_eq!(world.writes(), 0, "the first sync waits for a person");
    for module in ModuleId::PEOPLE {
        assert!(world.engine.guard_held(module).unwrap().tripped.is_some());
    }
    world.release().await;
    everybody_exists_once_on_each_side_and_is_linked(&world).await;
    nothing_was_created_twice(&world);
    companies_came_first(&world);
    for module in ModuleId::PEOPLE {
        assert_eq!(world.items(module, State::Held), [], "nothing waits for a person");
    }
    two_idle_sweeps_write_nothing(&world).await;
    for side in Side::BOTH {
        println!("{side}: {:?}", world.calls(side));
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_pass_succeeds_in_every_stable_order_of_ivvys_pages() {
    for order in Order::iter().filter(|order| *order != Order::Shuffled) {
        // More than two pages of people, so that the order of pages matters.
        let shape = Shape { only_ivvy: 150, only_crm: 20, ..Shape::pairs(90) };
        let world = World::in_step(Setup { order, ..Setup::salesforce(shape) }).await;
        everybody_exists_once_on_each_side_and_is_linked(&world).await;
        nothing_was_created_twice(&world);
        // Edits while a sweep runs move rows between pages when the last edited come first.
        let people: Vec<_> = world.pairs(ModuleId::Contacts);
        let edited: Vec<_> = people.iter().step_by(7).collect();
        world.engine.sync_now(None, true);
        for (number, pair) in edited.iter().enumerate() {
            world.ivvy.edit(ModuleId::Contacts, &pair.ivvy, &[("phone", &format!("+61 2 5551 {number:04}"))]);
            tokio::task::yield_now().await;
        }
        world.settle().await;
        for (number, pair) in edited.iter().enumerate() {
            let there = world.crm.read(ModuleId::Contacts, &pair.crm).await;
            assert_eq!(there["phone"], format!("+61 2 5551 {number:04}"), "{order}");
        }
        two_idle_sweeps_write_nothing(&world).await;
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_older_than_the_first_sync_date_stay_out_until_they_are_edited() {
    let known = Known::of(Shape::pairs(3), 11);
    let day = |days: u64| {
        let now = chrono::Utc::now() - chrono::TimeDelta::days(i64::try_from(days).unwrap());
        now.format("%Y-%m-%d").to_string()
    };
    let setup = Setup { first_sync: Some(day(30)), ..Setup::salesforce(Shape::pairs(3)) };
    let mut world = World::prepare(setup, known.clone()).await;
    let [old, recent, twin] = [0, 1, 2].map(|index| known.everybody[index].clone());
    let contact = |person: &tandem::sim::people::Person, days: u64| Contact {
        first_name: person.first_name.clone(),
        last_name: person.last_name.clone(),
        email: person.email.clone(),
        modified: Timestamp::from(chrono::Utc::now() - chrono::TimeDelta::days(i64::try_from(days).unwrap())),
        status: 1,
        sms_status: 1,
        ..Contact::default()
    };
    let old = world.ivvy.0.add_contact(contact(&old, 200)).to_string();
    world.ivvy.0.add_contact(contact(&recent, 2));
    // Known to both; recently modified in iVvy, more than a year ago in the CRM.
    let renewed = world.ivvy.0.add_contact(contact(&twin, 2)).to_string();
    let firm = Company { business_name: "Old Mill".into(), modified: Timestamp::from_secs(1), ..Company::default() };
    world.ivvy.0.add_company(firm);
    let bare = tandem::sim::people::Person { company: None, ..twin };
    let (_, there) = world.crm.load(&Population { people: vec![bare], companies: Vec::new() }).await;
    world.start();
    world.first_plan().await;
    world.release().await;

    let crm = world.crm.all(ModuleId::Contacts).await;
    assert_eq!(crm.len(), 2, "the recent one was created, the old one stayed out");
    let pair = world.pair_of(ModuleId::Contacts, Side::Ivvy, &renewed).unwrap();
    assert_eq!(pair.crm, there[0], "an old counterpart is found, not doubled");
    assert!(world.crm.all(ModuleId::Companies).await.is_empty());
    let old_item = world.open(ModuleId::Contacts, &tandem::model::PairKey::Lone(Side::Ivvy, super::world::id(&old)));
    assert_eq!(old_item, None);

    world.sweep(true).await;
    world.idle().await;
    assert_eq!(world.crm.all(ModuleId::Contacts).await.len(), 2, "a full sweep does not bring it in either");

    world.ivvy.edit(ModuleId::Contacts, &old, &[("phone", "+61 2 5550 0000")]);
    world.settle().await;
    let pair = world.pair_of(ModuleId::Contacts, Side::Ivvy, &old).expect("an edit brings the old record in");
    assert_eq!(world.crm.read(ModuleId::Contacts, &pair.crm).await["phone"], "+61 2 5550 0000");
    assert_eq!(world.items(ModuleId::Contacts, State::Held), []);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn incomplete_people_and_doubles_wait_for_a_person_v11() {
    let known = Known::of(Shape::pairs(4), 3);
    let mut world = World::prepare(Setup::salesforce(Shape::pairs(4)), known.clone()).await;
    let mut crm = Population { companies: Vec::new(), ..known.crm.clone() };
    for person in &mut crm.people {
        person.company = None;
    }
    let mut ivvy = crm.clone();
    // Twice in the CRM: nobody can tell which is meant. And one without an address, only in the CRM.
    crm.people.push(crm.people[0].clone());
    crm.people[1].email = String::new();
    ivvy.people.remove(1);
    world.ivvy.0.load(&ivvy);
    let (_, there) = world.crm.load(&crm).await;
    world.start();
    world.first_plan().await;
    world.release().await;
    assert_eq!(world.pairs(ModuleId::Contacts).len(), 2, "only the clear cases were paired");
    let held = world.items(ModuleId::Contacts, State::Held);
    let with = |reason| held.iter().filter(|item| item.reasons.contains(reason)).count();
    assert_eq!((with(Reason::Ambiguous), with(Reason::Validation)), (3, 1), "{held:?}");
    assert_eq!((world.ivvy.all(ModuleId::Contacts).len(), world.crm.all(ModuleId::Contacts).await.len()), (3, 5));

    // The operator says which is meant; the other double stays a question.
    let ours = held.iter().find(|item| matches!(item.pair, tandem::model::PairKey::Lone(Side::Ivvy, _))).unwrap();
    assert_eq!(ours.plan.candidates.len(), 2);
    let paired = world
        .decide(ours, tandem::model::Verb::Pair, |decision| decision.record = Some(super::world::id(&there[4])))
        .await
        .unwrap();
    world.settle().await;
    assert_eq!(world.pairs(ModuleId::Contacts).len(), 3, "{paired:?}");
    assert!(world.pair_of(ModuleId::Contacts, Side::Crm, &there[4]).is_some());
    world.end().await;
}
