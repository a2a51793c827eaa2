//! Orders made because an opportunity asks for one (S-07, S-27).

use super::*;
use crate::model::module::{BOOKING, EXTERNAL_ID};

const ORDERS: ModuleId = ModuleId::Orders;

/// Two seats for `buyer`, as `booking`.
fn wish(buyer: &str, booking: &str) -> Fields {
    let mut fields = fields(&[("contact", buyer), (BOOKING, booking), ("product", "9007199254740993")]);
    fields.insert("quantity".to_owned(), Value::Int(2));
    fields.insert("unit_price".to_owned(), Value::text("60.255"));
    fields
}

impl Bench {
    /// Somebody at `code` who buys; their id.
    fn buyer(&self, code: &str) -> String {
        format!("{code}-{}", self.person(code, "Ada", "ada@x.example"))
    }

    fn orders(&self) -> Vec<Json> {
        self.sim.records("ACME.order").unwrap()
    }

    async fn refused(&self, key: &str, fields: &Fields) -> String {
        let error = self.s360.create(ORDERS, key, fields).await.unwrap_err();
        assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No), "{error}");
        error.message
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_is_made_with_our_reference_and_found_by_it_s07_s27() {
    let bench = Bench::open();
    let buyer = bench.buyer("ACME");
    for (key, booking, kind, state, shown) in [
        ("006A", "reservation", "RESERVATION", "IN_RESERVATION", "reservation"),
        ("006B", "option", "OPTION", "IN_OPTION", "option"),
        ("006C", "open", "SALE", "RUNNING", "open"),
        // Made first; paid for later, in a call of its own.
        ("006D", "sale", "SALE", "RUNNING", "open"),
    ] {
        assert_eq!(bench.s360.find_by_key(ORDERS, key).await.unwrap(), Some(Vec::new()));
        let mut wish = wish(&buyer, booking);
        wish.insert("performance".to_owned(), Value::text("77"));
        let ack = bench.s360.create(ORDERS, key, &wish).await.unwrap();
        let order = bench.orders().pop().unwrap();
        assert_eq!((order["orderType"].as_str(), order["orderState"].as_str()), (Some(kind), Some(state)));
        assert_eq!(order["externalReference"], format!("tandem-house-{key}"));
        assert_eq!(order["purchaserContactNumber"], buyer.split_once('-').unwrap().1);
        let operation = &order["operationDatas"][0];
        assert_eq!((&operation["unitPrice"], &operation["quantity"]), (&json!(60_255), &json!(2)));
        assert_eq!(operation["productId"], json!(9_007_199_254_740_993_i64), "to the last digit");

        let found = bench.s360.find_by_key(ORDERS, key).await.unwrap().unwrap();
        assert_eq!(found.iter().map(|record| &record.id).collect::<Vec<_>>(), [&ack.id]);
        let record = bench.found(ORDERS, ack.id.as_str()).await;
        let text = |name: &str| record.fields.get(name).map(ToString::to_string);
        assert_eq!((text(EXTERNAL_ID).as_deref(), text(BOOKING).as_deref()), (Some(key), Some(shown)));
        assert_eq!(text("unit_price").as_deref(), Some("60.255"));
        assert_eq!((text("performance").as_deref(), text("quantity").as_deref()), (Some("77"), Some("2")));
        assert_eq!(text("name"), None, "the opportunity keeps its own");
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_whose_answer_is_lost_is_found_again_s07() {
    for kind in [FaultKind::DropAfter, FaultKind::ErrorAfter, FaultKind::Truncate] {
        let bench = Bench::open();
        let buyer = bench.buyer("ACME");
        bench.sim.faults().arm(FaultSpec::times(kind, "createOrUpdateOrder", 1)).unwrap();
        let error = bench.s360.create(ORDERS, "006A", &wish(&buyer, "reservation")).await.unwrap_err();
        assert_eq!(error.sent, Sent::Maybe, "{kind}");
        assert_eq!(bench.s360.find_by_key(ORDERS, "006A").await.unwrap().unwrap().len(), 1, "{kind}");
        assert_eq!(bench.sim.ledger().count("ACME.order", Op::Create), 1, "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sale_is_paid_for_once_and_only_what_it_costs_s27() {
    for begun in ["open", "reservation", "option"] {
        let bench = Bench::open();
        let buyer = bench.buyer("ACME");
        let id = bench.s360.create(ORDERS, "006A", &wish(&buyer, begun)).await.unwrap().id;
        let mut patch = fields(&[(BOOKING, "sale")]);
        patch.insert("quantity".to_owned(), Value::Int(3));
        bench.s360.update(ORDERS, &id, &patch, None).await.unwrap();
        let order = bench.orders().pop().unwrap();
        assert_eq!((&order["orderState"], &order["saleAmount"]), (&json!("CLOSED"), &json!(3 * 60_255)), "{begun}");
        assert_eq!(order["operationDatas"][0]["productId"], json!(9_007_199_254_740_993_i64), "the rest as it was");
        let record = bench.found(ORDERS, id.as_str()).await;
        assert_eq!(record.fields.get(BOOKING), None, "what is final is S-360's alone");
        assert_eq!(record.fields["stage"], Value::text("won"));

        let error = bench.s360.update(ORDERS, &id, &fields(&[(BOOKING, "sale")]), None).await.unwrap_err();
        assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No), "{error}");
        assert!(error.message.contains("final"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn half_of_a_change_is_never_called_nothing_s07() {
    let bench = Bench::open();
    let buyer = bench.buyer("ACME");
    let id = bench.s360.create(ORDERS, "006A", &wish(&buyer, "reservation")).await.unwrap().id;
    bench.sim.faults().arm(FaultSpec::times(FaultKind::ErrorBefore, "createPayments", 1)).unwrap();
    let mut patch = fields(&[(BOOKING, "sale")]);
    patch.insert("quantity".to_owned(), Value::Int(3));
    let error = bench.s360.update(ORDERS, &id, &patch, None).await.unwrap_err();
    assert_eq!(error.sent, Sent::Maybe, "the seats were changed: {error}");
    assert_eq!(bench.found(ORDERS, id.as_str()).await.fields["quantity"], Value::Int(3));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_booked_is_refused_before_anything_is_sent_s07() {
    let bench = Bench::open();
    let (here, there) = (bench.buyer("ACME"), bench.buyer("GLOBE"));
    let with = |name: &str, value: Value| {
        let mut fields = wish(&here, "sale");
        fields.insert(name.to_owned(), value);
        fields
    };
    for (wish, why) in [
        (wish(&there, "reservation"), "GLOBE takes no bookings"),
        (wish("", "reservation"), "nobody of an institution"),
        (wish("NOWHERE-1", "reservation"), "nobody of an institution"),
        (wish(&here, "gift"), "not something that can be booked"),
        (with("product", Value::text("A12")), "product of S-360's"),
        (with("quantity", Value::Int(0)), "above zero"),
        (with("quantity", Value::Int(-1)), "above zero"),
        (with("unit_price", Value::text("-1")), "below zero"),
        (with("unit_price", Value::text("1.0001")), "whole thousandths"),
        (with("unit_price", Value::text("9223372036854775.808")), "whole thousandths"),
        (with("performance", Value::text("tonight")), "performance of S-360's"),
    ] {
        let told = bench.refused("006A", &wish).await;
        assert!(told.contains(why), "{told}");
    }
    let told = bench.refused(&"k".repeat(60), &wish(&here, "open")).await;
    assert!(told.contains("too long"), "{told}");
    assert_eq!(bench.orders(), Vec::<Json>::new());
}

#[tokio::test(start_paused = true)]
async fn nobody_elses_order_is_touched_s07() {
    let bench = Bench::open();
    let buyer = bench.buyer("ACME");
    for reference in [json!(null), json!("box-office-1"), json!("tandem-other-006A")] {
        let fields = json!({
            "orderType": "RESERVATION", "orderState": "IN_RESERVATION", "externalReference": reference,
            "purchaserContactNumber": buyer.split_once('-').unwrap().1, "reservationAmount": 4000,
        });
        let number = bench.sim.edit(&crate::sim::control::Edit::create("ACME.order", fields)).unwrap();
        let id = format!("ACME-{number}");
        let record = bench.found(ORDERS, &id).await;
        assert!([BOOKING, EXTERNAL_ID].iter().all(|name| !record.fields.contains_key(*name)), "{reference}");
        assert!(record.fields.contains_key("name"));
        let patch = super::fields(&[(BOOKING, "sale")]);
        let error = bench.s360.update(ORDERS, &id.as_str().into(), &patch, None).await.unwrap_err();
        assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No), "{error}");
        assert!(error.message.contains("not made by Tandem"), "{error}");
    }
    assert_eq!(bench.s360.find_by_key(ORDERS, "006A").await.unwrap(), Some(Vec::new()), "another account's");
    assert_eq!(
        bench.sim.ledger().effects().iter().filter(|effect| effect.by == crate::sim::ledger::By::Api).count(),
        0
    );
}
