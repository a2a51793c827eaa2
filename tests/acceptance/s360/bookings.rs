//! Bookings asked for in the CRM: off unless set up, never made without a person's word, made once whatever is lost
//! on the way, and followed afterwards like any other order (S-07, S-27).

use tandem::model::{Choice, Decision, Item, Reason, Reasons, Verb};
use tandem::sync::Ask;

use super::*;

const ORDERS: ModuleId = ModuleId::Orders;

impl House {
    /// A person of ACME's with an opportunity that asks for two seats; the opportunity's id.
    async fn wish(&self, booking: &str) -> String {
        let number = self.person("ACME", "Ada");
        self.post().await;
        let contact = self.crm("Contact", &format!("contact-ACME-{number}"));
        let wish = json!({
            "Name": "Annual gala", "StageName": "Prospecting", "CloseDate": "2027-01-31", "ContactId": contact["Id"],
            "Description": "Likes the front row",
            "Booking__c": booking, "Product__c": "12", "Quantity__c": 2, "Unit_Price__c": 60.25,
        });
        let id = self.crm.insert("Opportunity", wish).unwrap();
        self.settle().await;
        id
    }

    fn opportunity(&self, id: &str) -> Json {
        self.crm.records("Opportunity").unwrap().into_iter().find(|row| row["Id"] == id).unwrap()
    }

    fn booked(&self) -> Vec<Json> {
        self.s360.records("ACME.order").unwrap()
    }

    /// The one held order, and why it is.
    fn asked(&self, reason: Reason) -> Item {
        let held = self.engine.store().read(|view| view.in_state(ORDERS, State::Held, None, 9)).unwrap();
        assert_eq!(held.len(), 1, "{}", self.describe());
        let item = self.engine.store().read(|view| view.item(held[0])).unwrap().unwrap();
        assert_eq!(item.reasons, Reasons::one(reason), "{}", self.describe());
        item
    }

    fn decision(&self, item: &Item, verb: Verb, choices: &[(&str, Choice)]) -> Decision {
        Decision {
            item: item.id,
            ver: item.ver,
            seen: item.seen,
            verb,
            choices: choices.iter().map(|(field, choice)| ((*field).to_owned(), choice.clone())).collect(),
            side: None,
            until: None,
            record: None,
            reason: None,
            actor: operator("ada"),
            at: self.engine.now(),
        }
    }

    pub(super) async fn decide(&self, item: &Item, verb: Verb, choices: &[(&str, Choice)]) {
        let ask = Ask { ver: Some(item.ver), seen: Some(item.seen), decision: self.decision(item, verb, choices) };
        self.engine.decide(ask).await.unwrap().unwrap();
    }

    async fn approve(&self, item: &Item, choices: &[(&str, Choice)]) {
        self.decide(item, Verb::Approve, choices).await;
    }

    /// The reservation of a new wish, made.
    async fn reserved(&self) -> String {
        let id = self.wish("reservation").await;
        self.approve(&self.asked(Reason::Rule), &[]).await;
        self.until("the reservation", async || self.links(ORDERS).len() == 1).await;
        self.settle().await;
        id
    }
}

/// Where bookings are not set up the same opportunity is nobody's business.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_booked_unless_bookings_are_set_up_s07() {
    let house = House::open().await;
    let id = house.wish("sale").await;
    house.settle().await;
    assert_eq!((house.booked(), house.links(ORDERS)), (Vec::new(), Vec::new()));
    let held = house.engine.store().read(|view| view.in_state(ORDERS, State::Held, None, 9)).unwrap();
    assert!(held.is_empty() && house.opportunity(&id)["Name"] == "Annual gala");
    house.end().await;
}

/// Asked for, approved, made once; what S-360 makes of it later is shown in the same opportunity.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reservation_waits_for_a_person_and_lapses_into_the_same_opportunity_s07_s27() {
    let house = House::booking().await;
    let plain = json!({"Name": "No wish", "StageName": "Prospecting", "CloseDate": "2027-01-31"});
    let plain = house.crm.insert("Opportunity", plain).unwrap();
    let id = house.wish("reservation").await;
    house.settle().await;
    assert_eq!(house.booked(), Vec::<Json>::new(), "nothing without a person's word");
    let item = house.asked(Reason::Rule);

    let blind = Ask { ver: None, seen: None, decision: house.decision(&item, Verb::Approve, &[]) };
    assert!(house.engine.decide(blind).await.unwrap().is_err(), "nor without a look");

    // What was approved is what was shown: an edit since is shown first.
    house.crm.edit("Opportunity", &id, json!({"Quantity__c": 3})).unwrap();
    house.approve(&item, &[]).await;
    house.settle().await;
    assert_eq!(house.booked(), Vec::<Json>::new(), "nobody has approved three");
    house.approve(&house.asked(Reason::Rule), &[]).await;
    house.until("the reservation", async || house.links(ORDERS).len() == 1).await;
    house.settle().await;
    let order = house.booked().remove(0);
    assert_eq!((&order["orderState"], &order["reservationAmount"]), (&json!("IN_RESERVATION"), &json!(180_750)));
    let reference = order["externalReference"].as_str().unwrap();
    assert!(reference.starts_with("tandem/house/") && reference.ends_with(&format!("/{id}")), "{reference}");
    let shown = house.opportunity(&id);
    assert_eq!((&shown["Name"], &shown["Amount"]), (&json!("Annual gala"), &json!(180.75)), "{}", house.describe());
    assert_eq!(shown["Description"], "Likes the front row", "whatever was asked, their notes are theirs");
    assert_eq!(shown["Ivvy_Id__c"], format!("order-ACME-{}", order["orderId"]));

    // The hold lapses: S-360 gives it up and posts it.
    let number = order["orderId"].to_string();
    house.edit(&Edit::update("ACME.order", &number, json!({"orderState": "ABANDONNED"})));
    house.post().await;
    let shown = house.opportunity(&id);
    assert_eq!((&shown["StageName"], &shown["Name"]), (&json!("Closed Lost"), &json!("Annual gala")));
    assert_eq!(house.crm.records("Opportunity").unwrap().len(), 2, "one order, one opportunity");
    assert_eq!(house.opportunity(&plain)["Ivvy_Id__c"], Json::Null, "one that asks for nothing stays alone");
    let held = house.engine.store().read(|view| view.in_state(ORDERS, State::Held, None, 9)).unwrap();
    assert!(held.is_empty(), "{}", house.describe());
    house.end().await;
}

/// A sale is an order first. That it is paid for is decided on its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_takes_two_decisions_s07_s27() {
    let house = House::booking().await;
    let id = house.wish("sale").await;
    house.approve(&house.asked(Reason::Rule), &[]).await;
    house.until("the order", async || house.links(ORDERS).len() == 1).await;
    house.settle().await;
    assert_eq!(house.booked()[0]["orderState"], "RUNNING", "made, not paid for");
    let item = house.asked(Reason::Conflict);
    house.approve(&item, &[("booking", Choice::Crm)]).await;
    house.until("the payment", async || house.booked()[0]["orderState"] == "CLOSED").await;
    house.post().await;
    assert_eq!(house.booked()[0]["saleAmount"], json!(120_500));
    assert_eq!(house.opportunity(&id)["StageName"], "Closed Won", "{}", house.describe());
    assert_eq!(house.crm.records("Opportunity").unwrap().len(), 1);
    let held = house.engine.store().read(|view| view.in_state(ORDERS, State::Held, None, 9)).unwrap();
    assert!(held.is_empty(), "{}", house.describe());
    house.end().await;
}

/// Every later change asks again, also after the first was approved.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_a_booking_is_approved_by_itself_s07() {
    let house = House::booking().await;
    let id = house.reserved().await;
    house.crm.edit("Opportunity", &id, json!({"Quantity__c": 5})).unwrap();
    house.settle().await;
    assert_eq!(house.booked()[0]["operationDatas"][0]["quantity"], 2, "not yet");
    house.approve(&house.asked(Reason::Rule), &[]).await;
    house.until("five seats", async || house.booked()[0]["operationDatas"][0]["quantity"] == 5).await;
    house.crm.edit("Opportunity", &id, json!({"Booking__c": "sale"})).unwrap();
    house.settle().await;
    assert_eq!(house.booked()[0]["orderState"], "IN_RESERVATION", "not yet");
    house.approve(&house.asked(Reason::Rule), &[]).await;
    house.until("the sale", async || house.booked()[0]["orderState"] == "CLOSED").await;
    house.settle().await;
    assert_eq!(house.s360.ledger().count("ACME.order", Op::Create), 1);
    house.end().await;
}

/// The answer is lost, the box office closes the order at once and S-360 posts it: still one order and one
/// opportunity.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_booking_whose_answer_is_lost_is_made_once_and_shown_once_s07_i17() {
    let house = House::booking().await;
    let id = house.wish("open").await;
    house.s360.faults().arm(FaultSpec::times(FaultKind::DropAfter, "createOrUpdateOrder", 1)).unwrap();
    house.approve(&house.asked(Reason::Rule), &[]).await;
    house.until("the order", async || house.booked().len() == 1).await;
    // Nobody can look until S-360 has posted it.
    house.s360.faults().arm(FaultSpec::times(FaultKind::ErrorBefore, "getOrderDetails", 1_000)).unwrap();
    let number = house.booked()[0]["orderId"].to_string();
    house.edit(&Edit::update("ACME.order", &number, json!({"orderState": "CLOSED"})));
    let run = house.pusher.run_once("ACME", Stream::Orders).await;
    assert!(run.posts.iter().all(|post| post.status == 200), "{run:?}");
    // Both sides are read, and read again: by now the posted order has been planned, were it taken for a new one.
    let sweeps = || Side::BOTH.map(|side| house.engine.store().read(|view| view.cursor(ORDERS, side)).unwrap().sweeps);
    let before = sweeps();
    house
        .until("swept", async || {
            house.engine.sync_now(Some(ORDERS), false);
            sweeps().iter().zip(&before).all(|(now, before)| *now >= before + 3)
        })
        .await;
    let there = RecordId::from(format!("ACME-{number}"));
    assert!(house.engine.store().read(|view| view.observation(ORDERS, Side::Ivvy, &there)).unwrap().is_some());
    house.s360.faults().clear();
    house.post().await;
    house.until("the pair", async || house.links(ORDERS).len() == 1).await;
    house.settle().await;
    assert_eq!(house.s360.ledger().count("ACME.order", Op::Create), 1, "{}", house.describe());
    assert_eq!(house.crm.records("Opportunity").unwrap().len(), 1, "{}", house.describe());
    let shown = house.opportunity(&id);
    assert_eq!((&shown["StageName"], &shown["Name"]), (&json!("Closed Won"), &json!("Annual gala")));
    let held = house.engine.store().read(|view| view.in_state(ORDERS, State::Held, None, 9)).unwrap();
    assert!(held.is_empty(), "{}", house.describe());
    house.end().await;
}

/// Seats and payment asked for at once are two steps: nobody pays for what they have not seen the price of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_seats_and_their_payment_are_two_questions_s07_s27() {
    let house = House::booking().await;
    let id = house.reserved().await;
    house.crm.edit("Opportunity", &id, json!({"Quantity__c": 3, "Booking__c": "sale"})).unwrap();
    house.settle().await;
    house.approve(&house.asked(Reason::Rule), &[]).await;
    house.until("three seats", async || house.booked()[0]["operationDatas"][0]["quantity"] == 3).await;
    house.settle().await;
    assert_eq!(house.booked()[0]["orderState"], "IN_RESERVATION", "not paid for");
    house.approve(&house.asked(Reason::Conflict), &[("booking", Choice::Crm)]).await;
    house.until("the payment", async || house.booked()[0]["orderState"] == "CLOSED").await;
    assert_eq!(house.booked()[0]["saleAmount"], json!(180_750));
    house.end().await;
}

/// A payment that may be under way is never sent again by itself, however little of it shows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_whose_answer_is_lost_waits_for_a_person_s07_i17() {
    let house = House::booking().await;
    let id = house.reserved().await;
    let calls = || house.s360.faults().fired(FaultKind::ErrorBefore);
    house.s360.faults().arm(FaultSpec::times(FaultKind::ErrorBefore, "createPayments", 1_000)).unwrap();
    house.crm.edit("Opportunity", &id, json!({"Booking__c": "sale"})).unwrap();
    house.settle().await;
    house.approve(&house.asked(Reason::Rule), &[]).await;
    house.until("a payment", async || calls() == 1).await;
    house.settle().await;
    let item = house.asked(Reason::Unproven);
    house.settle().await;
    assert_eq!((calls(), house.booked()[0]["orderState"].as_str()), (1, Some("IN_RESERVATION")), "once");
    house.s360.faults().clear();
    house.decide(&item, Verb::Resend, &[]).await;
    house.until("the sale", async || house.booked()[0]["orderState"] == "CLOSED").await;
    house.end().await;
}

/// That an order is not found proves nothing: nobody knows whether S-360 finds orders by their reference.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_not_found_is_not_made_again_unasked_s07_i17() {
    let house = House::booking().await;
    house.wish("reservation").await;
    house.s360.faults().arm(FaultSpec::times(FaultKind::ErrorBefore, "createOrUpdateOrder", 1)).unwrap();
    house.approve(&house.asked(Reason::Rule), &[]).await;
    house.until("a try", async || house.s360.faults().fired(FaultKind::ErrorBefore) == 1).await;
    house.settle().await;
    let item = house.asked(Reason::Unproven);
    assert_eq!(house.booked(), Vec::<Json>::new());
    house.decide(&item, Verb::Resend, &[]).await;
    house.until("the order", async || house.links(ORDERS).len() == 1).await;
    assert_eq!(house.booked().len(), 1);
    house.end().await;
}
