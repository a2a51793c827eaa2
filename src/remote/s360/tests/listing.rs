//! Sweeps over the shelf: what takes part, from when on, and who an order belongs to.

use super::*;

const CONTACTS: ModuleId = ModuleId::Contacts;
const ORDERS: ModuleId = ModuleId::Orders;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn sale(created: &str) -> Json {
    json!({"orderId": 1, "orderType": "SALE", "orderState": "CLOSED", "creationDateTime": created, "saleAmount": 4000,
        "referenceDate": "2026-03-01T10:00:00Z"})
}

#[tokio::test(start_paused = true)]
async fn what_is_on_the_shelf_is_listed_once_in_order_across_institutions_and_pages_s01() {
    let bench = Bench::with(&[]);
    for serial in 0..450 {
        let code = if serial % 2 == 0 { "ACME" } else { "GLOBE" };
        let body = json!({"contactNumber": "7", "individualContact": {"lastName": "King"}});
        bench.shelf.tell(CONTACTS, &format!("{code}-{serial}"), at(NOW), &body);
    }
    bench.shelf.tell(CONTACTS, "ELSEWHERE-1", at(NOW), &json!({"contactNumber": "1"}));
    let records = bench.sweep(CONTACTS, None).await;
    assert_eq!(records.len(), 450, "an institution that is not configured is nobody's");
    assert!(records.is_sorted_by_key(|record| record.modified) && records[0].id.as_str() == "ACME-0");
    let late = bench.sweep(CONTACTS, records[440].modified).await;
    assert_eq!(late.len(), 10, "the bound is inclusive");
    let request = PageRequest { to: records[2].modified, ..PageRequest::default() };
    assert_eq!(bench.s360.list(CONTACTS, &request).await.unwrap().records.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn nothing_takes_part_before_the_first_day_is_said_s28() {
    let bench = Bench::with(&[]);
    bench.shelf.streams.lock().unwrap().clear();
    for code in ["ACME", "GLOBE"] {
        bench.shelf.tell(CONTACTS, &format!("{code}-7"), at(NOW), &json!({"contactNumber": "7", "role": "PUBLIC"}));
        bench.shelf.tell(ORDERS, &format!("{code}-1"), at(NOW), &sale("2026-02-01T10:00:00Z"));
    }
    assert!(bench.ids(CONTACTS).await.is_empty() && bench.ids(ORDERS).await.is_empty());
    let seen_up_to = at(NOW).plus(Duration::from_secs(60));
    bench.shelf.begin(StreamKind::S360Contacts, "ACME", "2026-01-01T00:00:00Z", seen_up_to);
    assert_eq!(bench.ids(CONTACTS).await, ["ACME-7"], "each institution and stream for itself");
    assert!(bench.ids(ORDERS).await.is_empty());
    // The sweeps before passed it over; the next one does not, whatever it has seen up to.
    assert_eq!(bench.sweep(CONTACTS, Some(seen_up_to)).await.len(), 1);
    let later = seen_up_to.plus(Duration::from_millis(1));
    assert!(bench.sweep(CONTACTS, Some(later)).await.is_empty(), "then it goes on where it was");
    bench.shelf.begin(StreamKind::S360Orders, "GLOBE", "2026-01-01T00:00:00Z", seen_up_to);
    assert_eq!(bench.ids(ORDERS).await, ["GLOBE-1"]);
}

#[tokio::test(start_paused = true)]
async fn orders_of_before_the_first_day_are_left_out_and_old_contacts_are_not_scenario_13_s29() {
    let bench = Bench::with(&[]);
    // The day begins at midnight in Paris, an hour before it does in UTC.
    let first = FirstSync {
        from: at("2025-12-31T23:00:00Z"),
        entered: "2026-01-01 Europe/Paris".to_owned(),
        by: "ada".to_owned(),
        at: at(NOW),
    };
    let state = StreamState { first_sync: Some(first), ..StreamState::default() };
    for kind in [StreamKind::S360Contacts, StreamKind::S360Orders] {
        bench.shelf.streams.lock().unwrap().insert(StreamId::new(kind, "ACME"), state.clone());
    }
    let told = |number: &str, created: &str| {
        bench.shelf.tell(ORDERS, &format!("ACME-{number}"), at(NOW), &sale(created));
    };
    told("1", "2025-12-31T22:59:59.999Z");
    told("2", "2025-12-31T23:00:00.000Z");
    told("3", "2026-01-01T00:00:00.000+01:00");
    told("4", "2025-12-31T23:59:59.999+01:00");
    told("5", "2025-12-31 23:59:59");
    told("6", "2026-01-01 00:00:00");
    let mut late = sale("2025-12-01T00:00:00Z");
    late["referenceDate"] = json!("2026-06-01T00:00:00Z");
    bench.shelf.tell(ORDERS, "ACME-7", at(NOW), &late);
    assert_eq!(bench.ids(ORDERS).await, ["ACME-2", "ACME-3", "ACME-6"], "made before and closed after is left out");
    for left_out in ["ACME-1", "ACME-7"] {
        let error = bench.s360.get(ORDERS, &left_out.into()).await.unwrap_err();
        assert_eq!(error.class, Class::Unsupported, "a look finds no more, and proves no deletion");
    }
    let old = json!({"contactNumber": "9", "creationDate": "2001-01-01T00:00:00Z", "individualContact": {}});
    bench.shelf.tell(CONTACTS, "ACME-9", at(NOW), &old);
    assert_eq!(bench.ids(CONTACTS).await, ["ACME-9"], "an old contact that was changed since");
}

#[tokio::test(start_paused = true)]
async fn an_order_before_its_contact_has_it_fetched_s26() {
    let bench = Bench::open();
    let (person, hall) = (bench.person("ACME", "Ada", "ada@x.example"), bench.structure("ACME", "Hall"));
    for (order, buyer) in [("1", &person), ("2", &hall), ("3", &"999999".to_owned())] {
        let mut body = sale("2026-02-01T10:00:00Z");
        body["purchaserContactNumber"] = json!(buyer);
        bench.shelf.tell(ORDERS, &format!("ACME-{order}"), at(NOW), &body);
    }
    let orders = bench.sweep(ORDERS, None).await;
    let of = |index: usize, name: &str| orders[index].fields.get(name).and_then(Value::as_text).map(str::to_owned);
    assert_eq!((of(0, "contact"), of(0, "company")), (Some(format!("ACME-{person}")), None));
    assert_eq!((of(1, "contact"), of(1, "company")), (None, Some(format!("ACME-{hall}"))), "a structure bought");
    assert_eq!(of(2, "contact").as_deref(), Some("ACME-999999"), "gone there: the order waits, and is not lost");
    assert_eq!(bench.ids(CONTACTS).await, [format!("ACME-{person}")]);
    assert_eq!(bench.ids(ModuleId::Companies).await, [format!("ACME-{hall}")]);
    assert_eq!((of(0, "amount").as_deref(), of(0, "currency").as_deref()), (Some("4.00"), Some("EUR")));
}

#[tokio::test(start_paused = true)]
async fn an_order_whose_contact_cannot_be_asked_for_now_is_not_passed_over_s26() {
    let bench = Bench::open();
    let person = bench.person("ACME", "Ada", "ada@x.example");
    let mut body = sale("2026-02-01T10:00:00Z");
    body["purchaserContactNumber"] = json!(person);
    bench.shelf.tell(ORDERS, "ACME-1", at(NOW), &body);
    bench.sim.faults().arm(FaultSpec::times(FaultKind::ErrorBefore, "getContactData", 1)).unwrap();
    assert_eq!(bench.ids(ORDERS).await, ["ACME-1"], "it waits for its contact in the engine");
    assert!(bench.ids(CONTACTS).await.is_empty());
    // The next listing asks again, also when the order itself is long listed.
    let later = at(NOW).plus(Duration::from_secs(60));
    assert_eq!(bench.sweep(ORDERS, Some(later)).await.len(), 1);
    assert_eq!(bench.ids(CONTACTS).await, [format!("ACME-{person}")]);
    assert!(bench.sweep(ORDERS, Some(later)).await.is_empty(), "once");
    // A relay's structure is asked for in the same way.
    let hall = bench.structure("ACME", "Hall");
    let relay = json!({"contactNumber": "5", "individualContact": {}, "structureContactNumber": hall});
    bench.shelf.tell(CONTACTS, "ACME-5", at(NOW), &relay);
    bench.ids(CONTACTS).await;
    assert_eq!(bench.ids(ModuleId::Companies).await, [format!("ACME-{hall}")]);
}

#[tokio::test(start_paused = true)]
async fn a_buyer_who_cannot_be_told_holds_up_nobody_else_s01_s26() {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&calls);
    let bench = Bench::meddled(move |_, body| {
        seen.lock().unwrap().push(body["contactNumber"].as_str().unwrap_or_default().to_owned());
        Some(json!({"statusCode": "500", "statusDetail": "broken"}))
    });
    let hall = bench.structure("GLOBE", "Hall");
    let told = |id: &str, buyer: &str| {
        let mut body = sale("2026-02-01T10:00:00Z");
        body["purchaserContactNumber"] = json!(buyer);
        bench.shelf.tell(ORDERS, id, at(NOW), &body);
    };
    for order in 1..=30 {
        told(&format!("ACME-{order}"), &format!("9{}", order % 10));
    }
    told("GLOBE-1", &hall);
    let first = bench.sweep(ORDERS, None).await;
    assert_eq!(first.len(), 31, "every row, whoever fails");
    assert_eq!(first[30].fields["company"], Value::text(format!("GLOBE-{hall}")), "GLOBE answers");
    assert_eq!(*calls.lock().unwrap(), ["91", "92", "93"], "each once, and then ACME is left alone");
    calls.lock().unwrap().clear();
    let later = at(NOW).plus(Duration::from_secs(60));
    bench.sweep(ORDERS, Some(later)).await;
    assert_eq!(calls.lock().unwrap().len(), 3, "and asked again by the next listing");
}

#[tokio::test(start_paused = true)]
async fn a_structure_told_late_is_shown_as_the_orders_company_s26() {
    let bench = Bench::open();
    let hall = bench.structure("ACME", "Hall");
    let mut body = sale("2026-02-01T10:00:00Z");
    body["purchaserContactNumber"] = json!(hall);
    bench.shelf.tell(ORDERS, "ACME-1", at(NOW), &body);
    bench.sim.faults().arm(FaultSpec::times(FaultKind::DropBefore, "getContactData", 1)).unwrap();
    let before = bench.sweep(ORDERS, None).await.remove(0);
    assert!(before.fields.contains_key("contact"), "nothing is known of it yet");
    let after = bench.sweep(ORDERS, Some(at(NOW).plus(Duration::from_secs(60)))).await.remove(0);
    assert_eq!(after.fields["company"], Value::text(format!("ACME-{hall}")));
    assert!(!after.fields.contains_key("contact") && after.modified > before.modified);
}

/// Buyers nobody has told us of are asked for a few at a time, over as many pages as it takes, and each once.
#[tokio::test(start_paused = true)]
async fn many_unknown_buyers_are_asked_for_page_by_page_s26() {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&calls);
    let bench = Bench::meddled(move |_, body| {
        seen.lock().unwrap().push(body["contactNumber"].as_str().unwrap_or_default().to_owned());
        None
    });
    let people: Vec<String> =
        (0..45).map(|number| bench.person("ACME", "Ada", &format!("a{number}@x.example"))).collect();
    for (order, buyer) in people.iter().enumerate() {
        let mut body = sale("2026-02-01T10:00:00Z");
        body["purchaserContactNumber"] = json!(buyer);
        bench.shelf.tell(ORDERS, &format!("ACME-{order}"), at(NOW), &body);
    }
    let mut request = PageRequest::default();
    let (mut listed, mut asked) = (Vec::new(), Vec::new());
    loop {
        let page = bench.s360.list(ORDERS, &request).await.unwrap();
        listed.extend(page.records.into_iter().map(|record| record.id.0));
        let now = std::mem::take(&mut *calls.lock().unwrap());
        assert!(now.len() <= 20, "one page makes so many calls at most: {}", now.len());
        asked.extend(now);
        request.position = page.next;
        if request.position.is_none() {
            break;
        }
    }
    assert_eq!(listed, (0..45).map(|order| format!("ACME-{order}")).collect::<Vec<_>>());
    assert_eq!(asked, people, "each once");
    assert_eq!(bench.ids(CONTACTS).await.len(), 45);
}

/// Who could not be asked for is asked for by the next listings, a part each, until all have been; a refusal for good
/// is not repeated.
#[tokio::test(start_paused = true)]
async fn whoever_had_to_wait_is_asked_for_by_the_next_listings_and_a_refusal_is_final_s26() {
    let fails = Arc::new(Mutex::new(Some("500")));
    let answer = Arc::clone(&fails);
    let calls = Arc::new(Mutex::new(0_usize));
    let counted = Arc::clone(&calls);
    let bench = Bench::meddled(move |_, _| {
        *counted.lock().unwrap() += 1;
        answer.lock().unwrap().map(|code| json!({"statusCode": code, "statusDetail": "no"}))
    });
    let people: Vec<String> =
        (0..25).map(|number| bench.person("ACME", "Ada", &format!("a{number}@x.example"))).collect();
    for (order, buyer) in people.iter().enumerate() {
        let mut body = sale("2026-02-01T10:00:00Z");
        body["purchaserContactNumber"] = json!(buyer);
        bench.shelf.tell(ORDERS, &format!("ACME-{order}"), at(NOW), &body);
    }
    let later = Some(at(NOW).plus(Duration::from_secs(60)));
    let listing = async |from| {
        let records = bench.sweep(ORDERS, from).await.len();
        (records, std::mem::take(&mut *calls.lock().unwrap()))
    };
    assert_eq!(listing(None).await, (25, 3), "all of them, after three tries");
    *fails.lock().unwrap() = None;
    for shown in [10, 10, 5, 0] {
        assert_eq!(listing(later).await, (shown, shown), "a part of those who waited, shown with whom they belong to");
    }
    assert_eq!(bench.ids(CONTACTS).await.len(), 25);
    // An institution that refuses for good is not asked again by itself.
    let stranger = bench.person("ACME", "Eve", "eve@x.example");
    let mut body = sale("2026-02-01T10:00:00Z");
    body["purchaserContactNumber"] = json!(stranger);
    bench.shelf.tell(ORDERS, "ACME-99", at(NOW).plus(Duration::from_secs(120)), &body);
    *fails.lock().unwrap() = Some("403");
    assert_eq!(listing(later).await, (1, 1));
    *fails.lock().unwrap() = None;
    let after = Some(at(NOW).plus(Duration::from_secs(180)));
    assert_eq!(listing(after).await, (0, 0), "not by a later listing of what is new");
}
