//! The send direction: we save prospects and members with the hub, and use its staff and lead sources.

use serde_json::{Value as Json, json};
use tandem::model::link::LinkState;
use tandem::model::{MatchKind, MatchState, ModuleId, Side, State};
use tandem::sim::connector::{ConnectorSim, Resource};
use tandem::sim::control::Edit;
use tandem::sim::ivvy::IvvySim;
use tandem::store::Reads as _;
use tandem::sync::MatchMode;

use super::{Club, agreed, enter, lead, user};
use crate::world::operator;

const KEYS: [&str; 2] = ["leadOwnerID", "leadSourceID"];

fn lists_everything() -> Json {
    agreed("send", json!({"list_staff": true, "list_sources": true, "create_source": true}))
}

fn nothing(_: &IvvySim, _: &ConnectorSim) {}

/// Scenario 1: a lead whose owner has no match is sent at once, without the element; a match made later is offered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_01_a_prospect_without_a_matched_owner_is_sent_without_one_and_offered_again_c12_to_c15() {
    let mut people = (0, 0, 0, 0);
    let club = Club::open(lists_everything(), |ivvy, sim| {
        sim.set(|settings| settings.staff_list = true);
        sim.add_staff("STAFF/1 a", "Ada", "Staff", "ADA@club.example");
        let (ada, ben) = (user(ivvy, "Ada", "ada@club.example"), user(ivvy, "Ben", "ben@club.example"));
        let source = enter(ivvy, "leadSource", json!({"name": "Walk-in"}));
        people = (ada, ben, lead(ivvy, "Mia", Some(ada), source).0, lead(ivvy, "Noa", Some(ben), source).0);
    })
    .await;
    let (ada, ben, owned, orphan) = people;
    club.drain().await;
    assert_eq!(club.state(MatchKind::Staff, Side::Ivvy, ada), Some(MatchState::Matched), "case does not count");
    assert_eq!(club.state(MatchKind::Staff, Side::Ivvy, ben), Some(MatchState::Unmatched));
    let sent = |lead: u64| club.saves(&format!("lead-{lead}")).pop().expect("sent at once");
    assert_eq!(sent(owned).text("leadOwnerID"), Some("STAFF/1 a"));
    assert!(!sent(orphan).has("leadOwnerID"), "absent, not empty");
    club.nothing_open();
    let counts = club.engine.match_counts(MatchKind::Staff, Side::Ivvy).unwrap();
    assert!(counts[&MatchState::Unmatched] >= 1, "the dashboard counts him: {counts:?}");

    club.sim.add_staff("ben", "Ben", "Staff", "ben@club.example");
    club.refresh(MatchKind::Staff).await;
    assert_eq!(club.state(MatchKind::Staff, Side::Ivvy, ben), Some(MatchState::Matched));
    club.drain().await;
    assert!(!sent(orphan).has("leadOwnerID"), "nothing by itself");
    let id = ben.to_string().as_str().into();
    assert_eq!(club.engine.match_without(MatchKind::Staff, Side::Ivvy, &id).unwrap(), 1, "offered");
    club.engine.match_resend(MatchKind::Staff, Side::Ivvy, id, operator("ada")).await.unwrap().unwrap();
    club.drain().await;
    assert_eq!(sent(orphan).text("leadOwnerID"), Some("ben"));
    assert_eq!(club.sim.records(Resource::Staff).len(), 2, "nobody was made a member of staff (P-07)");
    club.end().await;
}

/// Scenario 2: without a list of its staff there are no owners, and leads go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_02_without_a_staff_list_owners_are_off_and_prospects_flow_c09() {
    let mut sent = 0;
    let club = Club::open(agreed("send", json!({"list_sources": true, "create_source": true})), |ivvy, _| {
        let ada = user(ivvy, "Ada", "ada@club.example");
        let source = enter(ivvy, "leadSource", json!({"name": "Walk-in"}));
        sent = lead(ivvy, "Mia", Some(ada), source).0;
    })
    .await;
    club.drain().await;
    assert!(matches!(club.engine.match_status(MatchKind::Staff).mode, MatchMode::Off(_)));
    let save = club.saves(&format!("lead-{sent}")).pop().expect("the lead goes");
    assert!(!save.has("leadOwnerID") && save.has("leadSourceID"));
    let asked = club.sim.calls().into_iter().filter(|call| call.resource == Some(Resource::Staff)).count();
    assert_eq!(asked, 0, "a list that was not agreed on is not asked for");
    club.nothing_open();
    club.end().await;
}

/// Scenarios 3 and 6: a source that is missing there is created once, however many leads carry it; one that differs
/// in case only is not missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_03_and_06_a_missing_source_is_created_once_and_case_does_not_count_c21_c23() {
    let mut leads = Vec::new();
    let club = Club::open(lists_everything(), |ivvy, sim| {
        sim.add_source("FACEBOOK", "FACEBOOK", true, true);
        let [facebook, fair] = ["Facebook", "R&D <Fair>"].map(|name| enter(ivvy, "leadSource", json!({"name": name})));
        leads.push(lead(ivvy, "Zoe", None, facebook).0);
        leads.extend((0..10).map(|number| lead(ivvy, &format!("Mia{number}"), None, fair).0));
    })
    .await;
    club.drain().await;
    let of = |lead: u64| club.saves(&format!("lead-{lead}")).pop().unwrap().text("leadSourceID").map(str::to_owned);
    assert_eq!(of(leads[0]).as_deref(), Some("FACEBOOK"));
    let sources = club.sim.records(Resource::LeadSource);
    let made: Vec<_> = sources.iter().filter(|source| source.value("name") == "R&D <Fair>").collect();
    assert_eq!(made.len(), 1, "created once");
    assert_eq!(club.saves(&made[0].key.record).len(), 1, "with one call");
    for lead in &leads[1..] {
        assert_eq!(of(*lead).as_ref(), Some(&made[0].key.record));
    }
    club.nothing_open();
    club.end().await;
}

/// Scenario 4: no match and no call to create one: the element is absent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_04_without_a_create_call_the_prospect_goes_without_a_source_c24() {
    let mut sent = 0;
    let club = Club::open(agreed("send", json!({"list_sources": true})), |ivvy, sim| {
        sim.add_source("S-1", "Web", true, false);
        let source = enter(ivvy, "leadSource", json!({"name": "Nobody's"}));
        sent = lead(ivvy, "Mia", None, source).0;
    })
    .await;
    club.drain().await;
    let save = club.saves(&format!("lead-{sent}")).pop().expect("the lead goes");
    assert!(!KEYS.iter().any(|key| save.has(key)), "absent, not empty: {:?}", save.elements);
    assert_eq!(club.sim.records(Resource::LeadSource).len(), 1);
    club.nothing_open();
    club.end().await;
}

/// Scenario 5: it can create lead sources and not list them: ours is the master, and a new process makes nothing twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_05_with_create_and_no_list_our_side_is_master_and_nothing_is_made_twice_c19() {
    let mut source = 0;
    let mut club = Club::open(agreed("send", json!({"create_source": true})), |ivvy, _| {
        source = enter(ivvy, "leadSource", json!({"name": "Fair"}));
        lead(ivvy, "Mia", None, source);
    })
    .await;
    club.drain().await;
    assert_eq!(club.engine.match_status(MatchKind::LeadSource).mode, MatchMode::Master(Side::Ivvy));
    let made = club.sim.records(Resource::LeadSource);
    assert!(made.len() > 1, "all of them, not only the one that is carried");
    club.restart().await;
    club.refresh(MatchKind::LeadSource).await;
    lead(&club.ivvy, "Noa", None, source);
    club.drain().await;
    let after = club.sim.records(Resource::LeadSource);
    assert_eq!(after.len(), made.len(), "the ids are remembered");
    for one in &after {
        assert_eq!(club.saves(&one.key.record).len(), 1, "{}", one.value("name"));
    }
    assert_eq!(club.sim.records(Resource::User).len(), 2);
    assert!(club.sim.records(Resource::User).iter().all(|user| !user.value("leadSourceID").is_empty()));
    club.nothing_open();
    club.end().await;
}

/// Scenario 25: iVvy converts a lead. There the person goes on under the prospect's `recordID`, as a member: nobody is
/// made a second time, and while the lead is open the person is a prospect and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_25_a_converted_lead_goes_on_as_a_member_under_its_record_id_p05() {
    let mut ids = (0, 0, 0);
    let club = Club::open(lists_everything(), |ivvy, _| {
        let source = enter(ivvy, "leadSource", json!({"name": "Fair"}));
        let (lead, person) = lead(ivvy, "Mia", None, source);
        ids = (lead, person, source);
        enter(ivvy, "contact", json!({"firstName": "Ada", "lastName": "Member", "email": "ada@member.example"}));
    })
    .await;
    let (lead, person, source) = ids;
    club.drain().await;
    let record = format!("lead-{lead}");
    let types = |club: &Club| -> Vec<(String, String)> {
        let users = club.sim.records(Resource::User);
        users.iter().map(|user| (user.key.record.clone(), user.value("userType").to_owned())).collect()
    };
    let ada = types(&club).into_iter().find(|(record, _)| record.starts_with("contact-")).expect("a member");
    assert_eq!(ada.1, "MEMBER");
    assert_eq!(types(&club).len(), 2, "the prospect is not a member as well: {:?}", types(&club));
    assert!(types(&club).contains(&(record.clone(), "PROSPECT".to_owned())));

    club.ivvy.edit(&Edit::delete("lead", lead)).unwrap();
    let opportunity = json!({
        "id": lead, "name": "Mia's wedding", "contactId": person, "sourceId": source, "typeId": 1, "venueId": 1,
    });
    assert_eq!(club.ivvy.add("opportunity", opportunity).unwrap(), lead);
    club.engine.look_at(ModuleId::Leads, Side::Ivvy, lead.to_string().as_str().into()).await.unwrap();
    club.until("the conversion is seen", || {
        let links = club.engine.store().read(|view| view.links(ModuleId::Leads, None, 10)).unwrap();
        links.iter().any(|link| link.state == LinkState::Converted)
    })
    .await;
    club.drain().await;
    assert_eq!(types(&club).len(), 2, "one person, not two: {:?}", types(&club));
    assert!(types(&club).contains(&(record.clone(), "MEMBER".to_owned())));
    let saved = club.saves(&record).pop().unwrap();
    assert_eq!(saved.text("leadSourceID"), club.saves(&record)[0].text("leadSourceID"), "what was known stays");
    let links = club.engine.store().read(|view| view.links(ModuleId::Contacts, None, 10)).unwrap();
    let pair = links.iter().find(|link| link.ivvy.0 == person.to_string()).expect("the person has its pair");
    assert_eq!(pair.crm.0, record);
    // The member is followed under that id from now on, and two quiet sweeps write nothing.
    club.ivvy.edit(&Edit::update("contact", person, json!({"phone": "+41 44 555 01 01"}))).unwrap();
    club.drain().await;
    assert_eq!(club.saves(&record).pop().unwrap().text("mobile"), Some("+41 44 555 01 01"));
    let writes = club.sim.ledger().len();
    club.settle().await;
    club.settle().await;
    assert_eq!(club.sim.ledger().len(), writes);
    club.nothing_open();
    club.end().await;
}

/// P-15 and the hostile ones: names reach the hub as they are, whole and once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_names_reach_the_hub_as_they_are_p15() {
    let long = "x".repeat(5_000);
    let names = ["R&D <x>", "a ]]> b", "東京", "👩‍👩‍👧", "\u{202e}drow", "&amp;", long.as_str()];
    let club = Club::open(lists_everything(), |ivvy, _| {
        for (number, name) in names.iter().enumerate() {
            let person = json!({"firstName": name, "lastName": "Member", "email": format!("m{number}@x.example")});
            enter(ivvy, "contact", person);
        }
    })
    .await;
    club.drain().await;
    let mut there: Vec<String> =
        club.sim.records(Resource::User).iter().map(|user| user.value("firstname").to_owned()).collect();
    let mut wanted: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    there.sort();
    wanted.sort();
    assert_eq!(there, wanted);
    club.nothing_open();
    club.end().await;
}

/// An edit is laid over what is there: what somebody entered at the hub stays, and who is inactive stays so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_is_the_whole_record_with_our_change_laid_over_it_p01() {
    let club = Club::open(lists_everything(), nothing).await;
    let person = json!({"firstName": "Ada", "lastName": "Member", "email": "ada@x.example"});
    let ada = club.enter("contact", person);
    club.drain().await;
    let there = json!({"birthdate": "1990-02-03", "userStatus": "INACTIVE", "userType": "EX_MEMBER"});
    let edit: Edit = Edit { id: Some(format!("contact-{ada}")), ..Edit::create("user", there) };
    tandem::sim::control::Simulated::edit(&*club.sim, &edit).unwrap();
    club.ivvy.edit(&Edit::update("contact", ada, json!({"lastName": "Changed"}))).unwrap();
    club.drain().await;
    let user = club.sim.record(Resource::User, &format!("contact-{ada}")).unwrap();
    assert_eq!((user.value("lastname"), user.value("birthdate")), ("Changed", "1990-02-03"));
    assert_eq!((user.value("userStatus"), user.value("userType")), ("INACTIVE", "EX_MEMBER"));
    assert_eq!(club.items(ModuleId::Contacts, State::Dead), []);
    club.end().await;
}
