//! Quotes and bookings of a key that is bound to venues (V-82), in their venue's currency (V-41), and what
//! nobody is to know of them (V-84).

use serde_json::{Value as Json, json};
use tandem::model::ModuleId;

use super::first_sync::two_idle_sweeps_write_nothing;
use super::modules::people;
use super::population::Shape;
use super::world::{Setup, World, operator};

const BOOKINGS: [ModuleId; 1] = [ModuleId::QuotesAndBookings];

fn setup(more: Json) -> Setup {
    Setup::salesforce(Shape::pairs(3)).also(&BOOKINGS).saying(more)
}

fn enter(world: &World, venue: u64, more: Json) -> u64 {
    let mut row = json!({
        "venueId": venue, "name": "Spring dinner", "code": "B-7", "currentStatus": 1, "totalAmount": 9000,
        "dateEventStart": "2027-03-01", "dateEventEnd": "2027-03-01",
    });
    row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    world.enter("booking", row)
}

fn there(world: &World, booking: u64) -> Option<Json> {
    world.keyed("Opportunity", &format!("booking-{booking}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_bound_to_venues_reads_them_one_by_one_and_says_so_where_it_does_not_v82() {
    let world = World::in_step(setup(json!({}))).await;
    let venue = |currency: Json| world.enter("venue", json!({"businessName": "Pier", "currencyCode": currency}));
    let [north, south, foreign] = ["AUD", "NZD", "JPY"].map(|currency| venue(json!(currency)));
    world.ivvy.0.bind_key([north, south]);
    let bookings: Vec<u64> = (0..205).map(|n| enter(&world, [north, south][n % 2], json!({}))).collect();
    let hidden = enter(&world, foreign, json!({}));
    let module = ModuleId::QuotesAndBookings;
    world.engine.sync_now(Some(module), false);
    world.until("the refusal", async || world.engine.stopped(module).is_some()).await;
    let why = world.engine.stopped(module).unwrap();
    assert!(why.contains("bound to a venue") && why.contains("[ivvy] venues"), "{why}");

    let place = json!({
        "ivvy": {"venues": [north, south]},
        "modules": {"quotes_and_bookings": {"crm_fields": {"currency": "CurrencyIsoCode"}}},
    });
    let world = world.reconfigured(|setup| setup.saying(place)).await;
    world.engine.set_paused(Some(module), false, operator("ada")).await.unwrap();
    world.drain().await;
    assert_eq!(world.org("Opportunity").len(), bookings.len(), "every booking of both venues, in pages");
    assert!(there(&world, hidden).is_none());
    let currencies = [0, 1].map(|n| there(&world, bookings[n]).unwrap()["CurrencyIsoCode"].clone());
    assert_eq!(currencies, ["AUD", "NZD"], "each in its venue's currency (V-41)");
    world.change("booking", bookings[204], json!({"currentStatus": 3}));
    world.drain().await;
    assert_eq!(there(&world, bookings[204]).unwrap()["StageName"], "Closed Won");
    two_idle_sweeps_write_nothing(&world).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn confidential_bookings_are_masked_when_asked_for_v84() {
    let policy = |policy: &str| json!({"modules": {"quotes_and_bookings": {"confidential": policy}}});
    let world = World::in_step(setup(policy("mask"))).await;
    let person = people(&world, 1).remove(0);
    let firm = world.pairs(ModuleId::Companies).remove(0);
    let company: u64 = firm.ivvy.parse().unwrap();
    let venue = world.enter("venue", json!({"businessName": "Pier One"}));
    let secret = json!({
        "contactId": person.0, "companyId": company, "isConfidential": 1, "name": "Merger of A and B",
    });
    // Without a contact: Salesforce does not take one back.
    let open = json!({"companyId": company});
    let nobodys = json!({"companyId": company, "isConfidential": 1, "name": "Merger of A and B"});
    let [open, secret, nobodys] = [open, secret, nobodys].map(|more| enter(&world, venue, more));
    world.drain().await;
    assert_eq!(there(&world, open).unwrap()["AccountId"], firm.crm.as_str());
    let masked = there(&world, secret).unwrap();
    assert_eq!((&masked["Name"], &masked["Amount"]), (&json!("Confidential booking B-7"), &json!(9000.0)));
    assert_eq!((&masked["ContactId"], &masked["AccountId"]), (&Json::Null, &Json::Null), "nobody behind it");
    // Nor anywhere in Tandem: what is not read cannot be shown.
    let everything = world.org("Opportunity");
    assert!(everything.iter().all(|row| !row.to_string().contains("Merger")));
    for pair in world.pairs(ModuleId::QuotesAndBookings) {
        assert!(!format!("{:?}", world.last(&pair)).contains("Merger"));
    }
    // One that becomes confidential later is masked where it is.
    world.change("booking", open, json!({"isConfidential": true}));
    world.drain().await;
    let masked = there(&world, open).unwrap();
    assert_eq!((&masked["Name"], &masked["AccountId"]), (&json!("Confidential booking B-7"), &Json::Null));
    two_idle_sweeps_write_nothing(&world).await;

    let world = world.reconfigured(|setup| setup.saying(policy("send"))).await;
    world.change("booking", nobodys, json!({"totalAmount": 9100}));
    world.drain().await;
    let told = there(&world, nobodys).unwrap();
    assert_eq!((&told["Name"], &told["AccountId"]), (&json!("Merger of A and B"), &json!(firm.crm)));
    world.end().await;
}
