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
        let mut wish = wish(&buyer, booking);
        assert_eq!(bench.s360.find_made(ORDERS, key, &wish).await.unwrap(), Some(Vec::new()));
        wish.insert("performance".to_owned(), Value::text("77"));
        let ack = bench.s360.create(ORDERS, key, &wish).await.unwrap();
        let order = bench.orders().pop().unwrap();
        assert_eq!((order["orderType"].as_str(), order["orderState"].as_str()), (Some(kind), Some(state)));
        assert_eq!(order["externalReference"], format!("tandem/house/1a2b3/{key}"));
        assert_eq!(order["purchaserContactNumber"], buyer.split_once('-').unwrap().1);
        let operation = &order["operationDatas"][0];
        assert_eq!((&operation["unitPrice"], &operation["quantity"]), (&json!(60_255), &json!(2)));
        assert_eq!(operation["productId"], json!(9_007_199_254_740_993_i64), "to the last digit");

        let found = bench.s360.find_made(ORDERS, key, &wish).await.unwrap().unwrap();
        assert_eq!(found.iter().map(|record| &record.id).collect::<Vec<_>>(), [&ack.id]);
        let record = bench.found(ORDERS, ack.id.as_str()).await;
        let text = |name: &str| record.fields.get(name).map(ToString::to_string);
        assert_eq!((text(EXTERNAL_ID).as_deref(), text(BOOKING).as_deref()), (Some(key), Some(shown)));
        assert_eq!(text("unit_price").as_deref(), Some("60.255"));
        assert_eq!((text("performance").as_deref(), text("quantity").as_deref()), (Some("77"), Some("2")));
        for name in ["name", "contact", "company", "currency", "lines"] {
            assert_eq!(text(name), None, "the opportunity keeps its own {name}");
        }
        assert!(record.version.is_some() && text("amount").is_some());
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
        let found = bench.s360.find_made(ORDERS, "006A", &wish(&buyer, "reservation")).await.unwrap().unwrap();
        assert_eq!(found.len(), 1, "{kind}");
        assert_eq!(bench.sim.ledger().count("ACME.order", Op::Create), 1, "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sale_is_paid_for_once_and_only_what_somebody_saw_s27() {
    for begun in ["open", "reservation", "option"] {
        let bench = Bench::open();
        let buyer = bench.buyer("ACME");
        let id = bench.s360.create(ORDERS, "006A", &wish(&buyer, begun)).await.unwrap().id;
        let seen = bench.found(ORDERS, id.as_str()).await.version;
        let mut patch = fields(&[(BOOKING, "sale")]);
        patch.insert("quantity".to_owned(), Value::Int(3));
        bench.s360.update(ORDERS, &id, &patch, seen.as_deref()).await.unwrap();
        let order = bench.orders().pop().unwrap();
        assert_ne!(order["orderState"], "CLOSED", "what three cost nobody has seen yet");
        assert_eq!(order["operationDatas"].as_array().unwrap().len(), 1, "changed, not added");
        assert_eq!(order["operationDatas"][0]["productId"], json!(9_007_199_254_740_993_i64), "the rest as it was");
        assert_eq!(order["externalReference"], "tandem/house/1a2b3/006A");

        let sale = fields(&[(BOOKING, "sale")]);
        let error = bench.s360.update(ORDERS, &id, &sale, seen.as_deref()).await.unwrap_err();
        assert_eq!((error.class, error.sent), (Class::Conflict, Sent::No), "it moved since: {error}");
        let seen = bench.found(ORDERS, id.as_str()).await.version;
        bench.s360.update(ORDERS, &id, &sale, seen.as_deref()).await.unwrap();
        let order = bench.orders().pop().unwrap();
        assert_eq!((&order["orderState"], &order["saleAmount"]), (&json!("CLOSED"), &json!(3 * 60_255)), "{begun}");
        let record = bench.found(ORDERS, id.as_str()).await;
        assert_eq!((record.fields.get(BOOKING), &record.version), (None, &None), "what is final is S-360's alone");
        assert_eq!(record.fields["stage"], Value::text("won"));

        let error = bench.s360.update(ORDERS, &id, &sale, None).await.unwrap_err();
        assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No), "{error}");
        assert!(error.message.contains("final"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_theirs_never_means_that_nothing_was_done_s07() {
    for (code, method) in [("500", "createOrUpdateOrder"), ("503", "createPaymentsAndCloseOrder")] {
        let bench = Bench::meddled(move |called, _| (called == method).then(|| json!({"statusCode": code})));
        let buyer = bench.buyer("ACME");
        let mut error = bench.s360.create(ORDERS, "006A", &wish(&buyer, "open")).await.err();
        if error.is_none() {
            let order = bench.orders().pop().unwrap();
            let id = RecordId::from(format!("ACME-{}", order["orderId"]));
            error = bench.s360.update(ORDERS, &id, &fields(&[(BOOKING, "sale")]), None).await.err();
            assert_eq!(bench.orders()[0]["orderState"], "CLOSED", "done all the same");
        }
        assert_eq!(error.unwrap().sent, Sent::Maybe, "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_that_could_not_be_read_back_is_not_taken_for_paid_s07() {
    let bench = Bench::meddled(|called, _| (called == "getOrderDetails").then(|| json!({"statusCode": "500"})));
    let buyer = bench.buyer("ACME");
    let id = bench.s360.create(ORDERS, "006A", &wish(&buyer, "sale")).await.unwrap().id;
    let listed = bench.sweep(ORDERS, None).await;
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0].id, &listed[0].fields[BOOKING]), (&id, &Value::text("open")), "the sweep asks about it");
    assert_eq!(listed[0].fields[EXTERNAL_ID], Value::text("006A"));
}

#[tokio::test(start_paused = true)]
async fn what_carries_our_reference_is_ours_only_if_it_is_what_was_asked_for_s07() {
    let bench = Bench::open();
    let buyer = bench.buyer("ACME");
    bench.s360.create(ORDERS, "006A", &wish(&buyer, "reservation")).await.unwrap();
    let somebody = format!("ACME-{}", bench.person("ACME", "Bea", "bea@x.example"));
    let mut other_product = wish(&buyer, "reservation");
    other_product.insert("product".to_owned(), Value::text("13"));
    for asked in [wish(&somebody, "reservation"), other_product] {
        let error = bench.s360.find_made(ORDERS, "006A", &asked).await.unwrap_err();
        assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No), "{error}");
    }
    let ours = OurReference { account: "house".to_owned(), crm: "1a2b3".to_owned() };
    assert_eq!(ours.asker("tandem/house/1a2b3/006A"), Some("006A"));
    for other in ["tandem/house-2/1a2b3/006A", "tandem/house/1a2b4/006A", "tandem/house/1a2b3/", "tandem/house", "006A"]
    {
        assert_eq!(ours.asker(other), None, "{other}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_buyer_is_one_and_the_one_who_is_shown_s07() {
    let bench = Bench::open();
    let hall = bench.structure("ACME", "Harbour Hall");
    let mut relay = json!({"individualContact": {"title": "MRS", "firstName": "Ada", "lastName": "King"}});
    relay["structureContactNumber"] = json!(hall);
    let relay = bench.sim.add_contact("ACME", relay, bench.clock.now()).unwrap();
    let (hall, relay, public) = (format!("ACME-{hall}"), format!("ACME-{relay}"), bench.buyer("ACME"));
    for id in [&relay, &public] {
        bench.found(ModuleId::Contacts, id).await;
    }
    let with = |contact: &str, company: &str| {
        let mut fields = wish(contact, "reservation");
        fields.insert("company".to_owned(), Value::text(company));
        fields
    };
    let told = bench.refused("006A", &with(&public, &hall)).await;
    assert!(told.contains("does not belong to that company"), "{told}");
    for (key, asked, number) in [("006B", with(&relay, &hall), &relay), ("006C", with("", &hall), &hall)] {
        bench.s360.create(ORDERS, key, &asked).await.unwrap();
        let order = bench.orders().pop().unwrap();
        assert_eq!(order["purchaserContactNumber"], number.split_once('-').unwrap().1);
    }
    // Merged into another, as we know by now.
    let head = bench.person("ACME", "Augusta", "augusta@x.example");
    let buried = json!({"contactNumber": public.split_once('-').unwrap().1, "tandemMergedInto": head});
    bench.shelf.tell(ModuleId::Contacts, &public, bench.clock.now(), &buried);
    bench.shelf.rows.lock().unwrap().get_mut(&(ModuleId::Contacts, public.as_str().into())).unwrap().gone = true;
    bench.s360.create(ORDERS, "006D", &wish(&public, "reservation")).await.unwrap();
    assert_eq!(bench.orders().pop().unwrap()["purchaserContactNumber"], head);

    let mut dollars = wish(&relay, "open");
    dollars.insert("currency".to_owned(), Value::text("USD"));
    let told = bench.refused("006E", &dollars).await;
    assert!(told.contains("currency"), "{told}");
    dollars.insert("currency".to_owned(), Value::text("EUR"));
    bench.s360.create(ORDERS, "006E", &dollars).await.unwrap();
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
    for reference in [json!(null), json!("box-office-1"), json!("tandem/other/1a2b3/006A")] {
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
    let found = bench.s360.find_made(ORDERS, "006A", &wish(&buyer, "open")).await.unwrap();
    assert_eq!(found, Some(Vec::new()), "another account's");
    assert_eq!(
        bench.sim.ledger().effects().iter().filter(|effect| effect.by == crate::sim::ledger::By::Api).count(),
        0
    );
}

#[tokio::test(start_paused = true)]
async fn an_order_that_was_made_is_never_called_not_made_for_trouble_of_ours_s07() {
    let shelf: Arc<Mutex<Option<Arc<MemoryShelf>>>> = Arc::default();
    let breaking = Arc::clone(&shelf);
    let bench = Bench::meddled(move |called, _| {
        if called == "createOrUpdateOrder" {
            breaking.lock().unwrap().as_ref().unwrap().broken.store(true, std::sync::atomic::Ordering::Relaxed);
        }
        None
    });
    let buyer = bench.buyer("ACME");
    *shelf.lock().unwrap() = Some(Arc::clone(&bench.shelf));
    let error = bench.s360.create(ORDERS, "006A", &wish(&buyer, "reservation")).await.unwrap_err();
    assert_eq!((bench.orders().len(), error.sent), (1, Sent::Maybe), "{error}");
}
