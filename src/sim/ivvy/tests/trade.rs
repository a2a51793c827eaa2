//! What holds for every object: lists in every order, edits, permissions, faults, the invented trade.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;
use strum::IntoEnumIterator as _;

use super::*;
use crate::sim::control::Simulated;
use crate::sim::fault::{FaultKind, FaultSpec};
use crate::sim::ivvy::Order;
use crate::sim::ivvy::actions::Action;
use crate::sim::ivvy::objects;
use crate::sim::ledger::Op;
use crate::sim::people::Population;

/// Every list a module reads, with the parameters it needs beside a page.
fn lists(event: u64) -> Vec<(&'static str, Value)> {
    vec![
        ("account/getUserList", json!({})),
        ("account/getIndustryList", json!({})),
        ("account/getEmailLogList", json!({})),
        ("contact/getContactList", json!({})),
        ("contact/getCompanyList", json!({})),
        ("crm/getLeadSourceList", json!({})),
        ("crm/getLeadStageList", json!({})),
        ("crm/getLeadTypeList", json!({})),
        ("crm/getLeadList", json!({})),
        ("crm/getOpportunityList", json!({})),
        ("crm/getTaskList", json!({})),
        ("crm/getActivityList", json!({})),
        ("event/getEventList", json!({})),
        ("event/getInvitedContactList", json!({"eventId": event})),
        ("event/getRegistrationList", json!({"eventId": event})),
        ("event/getAttendeeList", json!({"eventId": event})),
        ("venue/getVenueList", json!({})),
        ("venue/getBookingListForAccount", json!({})),
        ("venue/getBookingList", json!({"venueId": 2})),
    ]
}

/// An account of 120 people with a trade.
fn town(order: Order, hostile: bool) -> (Bench, u64) {
    let bench = Bench::new(Settings { order, ..Settings::default() });
    bench.sim.load(&Population::generate(5, 120, 12));
    bench.sim.furnish(hostile);
    let event = bench.sim.world().table("event").live().next().unwrap().id;
    (bench, event)
}

#[tokio::test(start_paused = true)]
async fn every_list_pages_completely_in_every_stable_order_7() {
    for order in Order::iter().filter(|order| *order != Order::Shuffled) {
        let (bench, event) = town(order, false);
        for (action, more) in lists(event) {
            let whole: BTreeSet<String> = bench.rows(action, more.clone()).await.iter().map(Value::to_string).collect();
            let (mut seen, mut start, mut total) = (BTreeSet::new(), 0, 1);
            while start < total {
                let mut body = more.clone();
                body["perPage"] = json!(4);
                body["start"] = json!(start);
                let page = bench.ok(action, body).await;
                total = page["meta"]["totalResults"].as_u64().unwrap();
                let rows = page["results"].as_array().unwrap();
                assert_eq!(page["meta"]["count"], rows.len());
                start += rows.len() as u64;
                seen.extend(rows.iter().map(Value::to_string));
            }
            assert!(total > 0, "{action} shows nothing");
            assert_eq!(seen.len() as u64, total, "{action} in order {order}");
            assert!(whole.is_subset(&seen), "{action} in order {order}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_list_refuses_parameters_and_filters_it_does_not_have_7() {
    let (bench, event) = town(Order::Id, false);
    for (action, more) in lists(event) {
        for wrong in [json!({"filter": {"shoeSize": 9}}), json!({"shoeSize": 9}), json!({"perPage": 0})] {
            let mut body = more.clone();
            body["perPage"] = json!(9);
            body["start"] = json!(0);
            body.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
            assert_eq!(bench.refused(action, body).await, (400, 23016), "{action} {wrong}");
        }
        let (namespace, name) = action.split_once('/').unwrap();
        let elsewhere = if namespace == "crm" { "venue" } else { "crm" };
        assert_eq!(bench.refused(&format!("{elsewhere}/{name}"), more).await, (404, 0), "{action}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_object_can_be_edited_deleted_and_read_by_others() {
    let (bench, _) = town(Order::Id, false);
    tokio::time::advance(Duration::from_millis(1700)).await;
    for object in objects::ALL {
        let id = bench.sim.world().table(object.name).live().next().map(|row| row.id);
        let id = id.unwrap_or_else(|| bench.add(object.name, json!({})));
        let before = bench.sim.ledger().len();
        bench.sim.edit(&Edit::update(object.name, id, json!({}))).unwrap();
        let made = bench.sim.edit(&Edit::create(object.name, json!({}))).unwrap();
        bench.sim.edit(&Edit::delete(object.name, &made)).unwrap();
        assert!(bench.sim.edit(&Edit::delete(object.name, &made)).is_err());
        assert!(bench.sim.edit(&Edit::update(object.name, id, json!({"shoeSize": 9}))).is_err());
        let effects = bench.sim.ledger().effects().split_off(before);
        let seen: Vec<(&str, Op, By)> =
            effects.iter().map(|effect| (effect.object.as_str(), effect.op, effect.by)).collect();
        let name = object.name;
        assert_eq!(seen, [(name, Op::Update, By::User), (name, Op::Create, By::User), (name, Op::Delete, By::User)]);
        let stamp = bench.sim.world().get(name, id).unwrap().modified;
        assert_eq!(stamp, start().plus(Duration::from_secs(1)), "{name}: one second's resolution");
    }
}

#[test]
fn every_table_names_what_exists() {
    let names: BTreeSet<&str> = objects::ALL.iter().map(|object| object.name).collect();
    assert_eq!(names.len(), objects::ALL.len(), "two objects of one name");
    for object in objects::ALL {
        let fields: Vec<&str> = object.every_field().map(|field| field.name).collect();
        let once: BTreeSet<&&str> = fields.iter().collect();
        assert_eq!(once.len(), fields.len(), "{}: two fields of one name", object.name);
        assert!(object.links().all(|target| names.contains(target)), "{}: a link to nowhere", object.name);
    }
    let mut seen = BTreeMap::new();
    for action in Action::all() {
        assert!(seen.insert((action.namespace, action.name), ()).is_none(), "{} twice", action.name);
        assert!(action.object.is_none_or(|object| names.contains(object)));
    }
}

#[tokio::test(start_paused = true)]
async fn one_object_can_be_forbidden_and_one_action_broken_while_others_work() {
    let (bench, event) = town(Order::Id, false);
    bench.sim.permit_object("registration", false);
    let page = json!({"eventId": event, "perPage": 9, "start": 0});
    assert_eq!(bench.refused("event/getRegistrationList", page.clone()).await, (403, 0));
    assert_eq!(bench.refused("event/getRegistration", json!({})).await, (403, 0), "before any parameter");
    bench.ok("event/getAttendeeList", page.clone()).await;
    bench.sim.permit_object("registration", true);
    bench.ok("event/getRegistrationList", page).await;
    for (kind, status) in [(FaultKind::Throttle, 429), (FaultKind::ErrorBefore, 500), (FaultKind::Forbid, 403)] {
        bench.sim.faults().arm(FaultSpec::times(kind, "action=getTaskList", 1)).unwrap();
        bench.ok("crm/getActivityList", json!({})).await;
        assert_eq!(bench.refused("crm/getTaskList", json!({})).await.0, status);
        bench.ok("crm/getTaskList", json!({})).await;
    }
    bench.sim.faults().arm(FaultSpec::times(FaultKind::ErrorAfter, "addOrUpdateLeadSource", 1)).unwrap();
    assert_eq!(bench.refused("crm/addOrUpdateLeadSource", json!({"name": "x"})).await.0, 500);
    assert_eq!(bench.sim.ledger().count("leadSource", Op::Create), 1, "done, though the answer was lost");
}

#[tokio::test(start_paused = true)]
async fn the_invented_trade_is_believable_and_the_same_for_a_seed() {
    let (bench, event) = town(Order::Id, false);
    assert!(bench.sim.ledger().is_empty(), "not an effect");
    let (again, _) = town(Order::Id, false);
    for object in objects::ALL {
        let of = |bench: &Bench| Simulated::records(&*bench.sim, object.name).unwrap();
        assert_eq!(of(&bench), of(&again), "{}", object.name);
    }
    let registrations = bench.rows("event/getRegistrationList", json!({"eventId": event})).await;
    let statuses: BTreeSet<u64> = registrations.iter().filter_map(|row| row["currentStatus"].as_u64()).collect();
    assert!(statuses.is_superset(&[1, 2, 3, 4, 5, 6, 7].into()) && statuses.len() > 7, "{statuses:?}");
    let bookings = bench.rows("venue/getBookingListForAccount", json!({})).await;
    let statuses: BTreeSet<u64> = bookings.iter().filter_map(|row| row["currentStatus"].as_u64()).collect();
    assert!(statuses.is_superset(&[1, 2, 3, 4, 5, 6, 8, 9].into()) && statuses.len() > 8, "{statuses:?}");
    let codes: BTreeSet<&str> = bookings.iter().filter_map(|row| row["code"].as_str()).collect();
    assert!(codes.len() < bookings.len(), "codes repeat from venue to venue");
    // Most parents exist; some do not, and some come without one.
    let parents: Vec<bool> = bookings.iter().map(|row| row["contact"].is_object()).collect();
    assert!(parents.iter().filter(|there| **there).count() * 2 > parents.len());
    let mail = bench.rows("account/getEmailLogList", json!({})).await;
    let orphan = |row: &&Value| {
        let id = row["contactId"].as_str().and_then(|id| id.parse().ok());
        id.is_some_and(|id: u64| bench.sim.contact(id).is_none())
    };
    assert!(mail.iter().find(orphan).is_some() && mail.iter().any(|row| row["contactId"].is_null()));
    assert!(mail.iter().all(|row| !row["body"].as_str().unwrap().contains("<script>")));
    let (hostile, _) = town(Order::Id, true);
    let mail = hostile.rows("account/getEmailLogList", json!({})).await;
    let bodies: String = mail.iter().map(|row| row["body"].as_str().unwrap()).collect();
    assert!(bodies.contains("<script>") && bodies.contains('\u{1b}') && bodies.contains('\u{202e}'));
}
