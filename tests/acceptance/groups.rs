//! Subscription groups: joined one by one in iVvy, a set in the CRM, and refused one by one (V-18).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};
use tandem::model::{ModuleId, Reason, Side, State, Verb};
use tandem::sim::control::Edit;
use tandem::sim::fault::{FaultKind, FaultSpec};
use tandem::sim::ledger::Effect;

use super::first_sync::{nothing_was_created_twice, two_idle_sweeps_write_nothing};
use super::hand::CrmHand;
use super::population::Shape;
use super::world::{Setup, World};

const PEOPLE: ModuleId = ModuleId::Contacts;
/// The groups that are kept in step: iVvy's number and the CRM's name. The first three every simulated account
/// has.
const GROUPS: [(u64, &str); 4] = [(1, "Newsletter"), (2, "VIP"), (3, "Press"), (11, "Alumni")];
/// A group of iVvy's that nobody configured.
const FOREIGN: u64 = 12;

/// Switches them on in the section of contacts.
pub fn configure(contacts: &mut Json, mirror: bool, odoo: bool) {
    let names: BTreeMap<String, &str> = GROUPS.map(|(number, name)| (number.to_string(), name)).into();
    contacts["groups"] = json!(names);
    contacts["mirror_group_removals"] = json!(mirror);
    if !odoo {
        contacts["crm_fields"] = json!({"groups": "Tags__c"});
    }
}

/// Two systems in step, with all groups of [`GROUPS`] and a foreign one.
async fn club(mirror: bool) -> World {
    let world = World::in_step(Setup { groups: Some(mirror), ..Setup::salesforce(Shape::pairs(4)) }).await;
    world.found_groups();
    world
}

impl World {
    /// The groups that a simulated account does not begin with: the last of [`GROUPS`] and a foreign one.
    pub fn found_groups(&self) {
        for (name, number) in [("Alumni", GROUPS[3].0), ("Members of the board", FOREIGN)] {
            let id = self.ivvy.0.edit(&Edit::create("group", json!({"groupName": name}))).unwrap();
            assert_eq!(id, number.to_string());
        }
    }

    pub fn join_in_ivvy(&self, contact: &str, groups: &[u64]) {
        let groups: Vec<_> = groups.iter().map(|group| json!({"groupId": group})).collect();
        self.ivvy.0.edit(&Edit::update("contact", contact, json!({"groups": groups}))).unwrap();
    }

    pub fn groups_in_ivvy(&self, contact: &str) -> BTreeSet<u64> {
        self.ivvy.0.contact(contact.parse().unwrap()).unwrap().groups.into_keys().collect()
    }

    fn tag(&self, contact: &str, tags: &str) {
        let CrmHand::Salesforce(sim) = &self.crm else { panic!("these tests look into the simulated org") };
        sim.edit("Contact", contact, json!({"Tags__c": tags})).unwrap();
    }

    fn tags(&self, contact: &str) -> BTreeSet<String> {
        let CrmHand::Salesforce(sim) = &self.crm else { panic!("these tests look into the simulated org") };
        let row = sim.records("Contact").unwrap().into_iter().find(|row| row["Id"] == contact).unwrap();
        row["Tags__c"].as_str().unwrap_or_default().split(';').filter(|t| !t.is_empty()).map(str::to_owned).collect()
    }

    /// Whether iVvy's group takes the contact.
    fn takes(&self, group: u64, contact: &str, takes: bool) {
        let mut refused = self.ivvy.0.settings().refused_by_group.lock().unwrap();
        let entry = (group, contact.parse().unwrap());
        if takes {
            refused.remove(&entry)
        } else {
            refused.insert(entry)
        };
    }

    /// What Tandem did to memberships in iVvy.
    fn memberships(&self) -> Vec<Effect> {
        self.effects(Side::Ivvy).into_iter().filter(|effect| effect.fields == ["groups"]).collect()
    }

    /// Groups need not move iVvy's stamps: only a full sweep is sure to see them (`contracts/ivvy.md` 17.7).
    pub async fn settle_whole(&self) {
        self.sweep(true).await;
        self.idle().await;
    }
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_23_a_refused_group_takes_nothing_else_down_with_it_v18() {
    let world = club(false).await;
    let pair = world.take();
    let (ivvy, crm) = (pair.ivvy.clone(), pair.crm.clone());
    world.join_in_ivvy(&ivvy, &[FOREIGN]);
    world.takes(2, &ivvy, false);
    world.tag(&crm, "Newsletter;VIP;Press;Alumni;Speaker");
    world.crm.edit(PEOPLE, &crm, &[("phone", "+61 2 5550 1111")]).await;
    world.settle().await;

    // Three of four joined, each by a call of its own; the phone arrived; the fourth is a question.
    assert_eq!(world.groups_in_ivvy(&ivvy), BTreeSet::from([1, 3, 11, FOREIGN]));
    assert_eq!(world.memberships().len(), 3);
    assert_eq!(world.ivvy.read(PEOPLE, &ivvy)["phone"], "+61 2 5550 1111");
    let held = world.held(&pair, Reason::Validation);
    let error = held.error.as_ref().expect("why");
    assert!(error.message.contains("VIP") && !error.message.contains("Newsletter"), "{}", error.message);
    assert!(error.hint.is_some());
    assert_eq!(world.items(PEOPLE, State::Held).len(), 1);
    two_idle_sweeps_write_nothing(&world).await;

    // The question holds nothing else of the person up, and nothing is done twice.
    world.crm.edit(PEOPLE, &crm, &[("phone", "+61 2 5550 2222")]).await;
    world.settle().await;
    assert_eq!(world.ivvy.read(PEOPLE, &ivvy)["phone"], "+61 2 5550 2222");
    assert_eq!(world.memberships().len(), 3);
    let held = world.held(&pair, Reason::Validation);

    // The refusal is lifted: another try sends that group alone.
    world.takes(2, &ivvy, true);
    let before = world.effects(Side::Ivvy).len();
    world.decide(&held, Verb::Approve, |_| ()).await.unwrap();
    world.idle().await;
    let since = world.effects(Side::Ivvy).split_off(before);
    assert_eq!(since.len(), 1, "{since:?}");
    assert_eq!(world.groups_in_ivvy(&ivvy), BTreeSet::from([1, 2, 3, 11, FOREIGN]));
    assert!(world.in_order(&pair));
    assert_eq!(world.tags(&crm), set(["Newsletter", "VIP", "Press", "Alumni", "Speaker"]));
    two_idle_sweeps_write_nothing(&world).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_meet_as_one_set_and_what_nobody_configured_is_left_alone_v18() {
    let world = club(false).await;
    let pair = world.take();
    world.join_in_ivvy(&pair.ivvy, &[1, FOREIGN]);
    world.tag(&pair.crm, "VIP;Speaker");
    world.settle_whole().await;
    assert_eq!(world.groups_in_ivvy(&pair.ivvy), BTreeSet::from([1, 2, FOREIGN]));
    assert_eq!(world.tags(&pair.crm), set(["Newsletter", "VIP", "Speaker"]));
    assert!(world.in_order(&pair), "two sets are not a question");

    // Who leaves in iVvy leaves in the CRM, and what else the CRM knows stays.
    world.join_in_ivvy(&pair.ivvy, &[2]);
    world.settle_whole().await;
    assert_eq!(world.tags(&pair.crm), set(["VIP", "Speaker"]));

    // Not the other way: the CRM is shown again what iVvy holds.
    let before = world.memberships().len();
    world.tag(&pair.crm, "Sponsor");
    world.settle_whole().await;
    assert_eq!(world.tags(&pair.crm), set(["VIP", "Sponsor"]));
    assert_eq!(world.groups_in_ivvy(&pair.ivvy), BTreeSet::from([2]));
    assert_eq!(world.memberships().len(), before);
    two_idle_sweeps_write_nothing(&world).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaving_a_group_in_the_crm_is_carried_when_removals_are_mirrored_v18() {
    let world = club(true).await;
    let pair = world.take();
    world.join_in_ivvy(&pair.ivvy, &[1, 2, FOREIGN]);
    world.settle_whole().await;
    assert_eq!(world.tags(&pair.crm), set(["Newsletter", "VIP"]));
    world.tag(&pair.crm, "VIP;Press");
    world.settle_whole().await;
    assert_eq!(world.groups_in_ivvy(&pair.ivvy), BTreeSet::from([2, 3, FOREIGN]));
    assert_eq!(world.tags(&pair.crm), set(["VIP", "Press"]));
    two_idle_sweeps_write_nothing(&world).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_to_a_join_is_proved_by_a_look_and_never_repeated_v18() {
    for kind in [FaultKind::DropAfter, FaultKind::ErrorAfter, FaultKind::DropBefore] {
        let world = club(false).await;
        let pair = world.take();
        world.ivvy.0.faults().arm(FaultSpec::times(kind, "addContactsToSubscriptionGroup", 1)).unwrap();
        world.tag(&pair.crm, "Newsletter;VIP");
        world.settle().await;
        assert_eq!(world.ivvy.0.faults().fired(kind), 1);
        assert_eq!(world.groups_in_ivvy(&pair.ivvy), BTreeSet::from([1, 2]));
        assert_eq!(world.memberships().len(), 2, "{kind:?}");
        assert!(world.in_order(&pair));
        two_idle_sweeps_write_nothing(&world).await;
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_contact_is_created_once_and_then_joins_v18() {
    let world = club(false).await;
    let new = [("first_name", "Ada"), ("last_name", "Byron"), ("email", "ada@byron.example")];
    let there = world.crm.insert(PEOPLE, &new).await;
    world.tag(&there, "Newsletter;VIP;Speaker");
    let new = [("first_name", "Ben"), ("last_name", "Byron"), ("email", "ben@byron.example")];
    let here = world.ivvy.insert(PEOPLE, &new);
    world.join_in_ivvy(&here, &[3, FOREIGN]);
    // One of the two groups refuses her: she is there all the same, and in the other one.
    let next = (here.parse::<u64>().unwrap() + 1).to_string();
    world.takes(2, &next, false);
    world.settle().await;
    let ada = world.pair_of(PEOPLE, Side::Crm, &there).expect("created in iVvy");
    assert_eq!(ada.ivvy, next);
    assert_eq!(world.groups_in_ivvy(&ada.ivvy), BTreeSet::from([1]));
    assert!(world.held(&ada, Reason::Validation).error.unwrap().message.contains("VIP"));
    assert_eq!(world.tags(&there), set(["Newsletter", "VIP", "Speaker"]), "not taken for one that was left");
    let ben = world.pair_of(PEOPLE, Side::Ivvy, &here).expect("created in the CRM");
    assert_eq!(world.tags(&ben.crm), set(["Press"]));
    nothing_was_created_twice(&world);
    two_idle_sweeps_write_nothing(&world).await;
    // Taking the tag away answers the question, too.
    world.tag(&there, "Newsletter;Speaker");
    world.settle().await;
    assert!(world.in_order(&ada));
    world.end().await;
}
