//! Single records: read, created once, changed in their part.

use super::*;

const CONTACTS: ModuleId = ModuleId::Contacts;

#[tokio::test(start_paused = true)]
async fn what_is_read_goes_on_the_shelf_over_what_was_posted_s22() {
    let bench = Bench::open();
    let number = bench.person("ACME", "Ada", "ada@x.example");
    let id = format!("ACME-{number}");
    let posted = json!({"contactNumber": number, "individualContact": {"firstName": "Old"}, "indicators": [1]});
    let before = bench.shelf.tell(CONTACTS, &id, bench.clock.now(), &posted);
    let record = bench.found(CONTACTS, &id).await;
    assert_eq!(record.fields["first_name"], Value::text("Ada"));
    assert!(record.modified.unwrap() > before);
    let shelved = bench.shelf.body(CONTACTS, &id).unwrap();
    assert_eq!(shelved["individualContact"]["firstName"], "Ada");
    assert_eq!(shelved["indicators"], json!([1]), "a part that was not asked for stays");
    assert_eq!(bench.found(CONTACTS, &id).await.modified, record.modified, "nothing new: nothing moves");
    assert_eq!(bench.s360.get(ModuleId::Companies, &id.as_str().into()).await.unwrap(), Read::Missing);

    let edit = crate::sim::control::Edit::delete("ACME.contact", &number);
    bench.sim.edit(&edit).unwrap();
    assert_eq!(bench.s360.get(CONTACTS, &id.as_str().into()).await.unwrap(), Read::Missing);
    let listed = bench.sweep(CONTACTS, None).await;
    assert!(listed[0].archived, "and the listing says so from now on");
}

#[tokio::test(start_paused = true)]
async fn a_create_whose_answer_is_lost_is_not_doubled_s24() {
    for kind in [FaultKind::DropAfter, FaultKind::ErrorAfter, FaultKind::Truncate] {
        let bench = Bench::with(&["ACME"]);
        bench.sim.faults().arm(FaultSpec::times(kind, "saveIndividual", 1)).unwrap();
        let error = bench.s360.create(CONTACTS, "003A", &ada()).await.unwrap_err();
        assert_eq!(error.sent, Sent::Maybe, "{kind}");
        let made = bench.s360.find_alike(CONTACTS, &ada()).await.unwrap().unwrap();
        assert_eq!((made.len(), &made[0].fields), (1, &ada()), "{kind}");
        assert_eq!(bench.sim.ledger().count("ACME.contact", Op::Create), 1, "{kind}");
    }
    let bench = Bench::with(&["ACME"]);
    assert_eq!(bench.s360.find_alike(CONTACTS, &ada()).await.unwrap(), Some(Vec::new()), "it did not arrive");
    assert_eq!(bench.s360.find_alike(ModuleId::Orders, &ada()).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn somebody_who_is_there_already_is_not_taken_for_a_create_s24() {
    let bench = Bench::with(&["ACME"]);
    let number = bench.person("ACME", "ADA", "ada@x.example");
    let error = bench.s360.create(CONTACTS, "003A", &ada()).await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No), "a person decides: {error}");
    assert!(error.message.contains(&number) && error.message.contains("pair the two"), "{error}");
    assert_eq!(bench.sim.ledger().count("ACME.contact", Op::Create), 0);
}

#[tokio::test(start_paused = true)]
async fn a_search_that_tells_too_little_is_read_or_left_to_a_person_s24() {
    for told in [true, false] {
        let bench = Bench::meddled(move |method, _| match method {
            "searchContact" => Some(json!({"statusCode": "success", "contacts": [{"contactNumber": "100001"}]})),
            "getContactData" if !told => {
                Some(json!({"statusCode": "success", "contactData": {"contactNumber": "100001"}}))
            }
            _ => None,
        });
        let number = bench.person("ACME", "Ada", "ada@x.example");
        let mut ada = ada();
        ada.insert("company".to_owned(), Value::text("ACME-9"));
        let error = bench.s360.create(CONTACTS, "003A", &ada).await.unwrap_err();
        assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No), "{error}");
        assert_eq!(error.message.contains(&number), told, "{error}");
        assert_eq!(bench.sim.ledger().count("ACME.contact", Op::Create), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_posted_while_an_answer_is_under_way_stands_s22() {
    let shelf: Arc<Mutex<Option<Arc<MemoryShelf>>>> = Arc::default();
    let posting = Arc::clone(&shelf);
    let bench = Bench::meddled(move |method, _| {
        if let ("getContactData", Some(shelf)) = (method, posting.lock().unwrap().take()) {
            let newer = json!({"contactNumber": "100001", "role": "MEMBER",
                "individualContact": {"firstName": "Newer", "lastName": "King"}});
            shelf.tell(CONTACTS, "ACME-100001", NOW.parse().unwrap(), &newer);
        }
        None
    });
    let number = bench.person("ACME", "Ada", "ada@x.example");
    assert_eq!(number, "100001");
    bench.shelf.tell(CONTACTS, "ACME-100001", bench.clock.now(), &json!({"contactNumber": number, "role": "PUBLIC"}));
    *shelf.lock().unwrap() = Some(Arc::clone(&bench.shelf));
    let record = bench.found(CONTACTS, "ACME-100001").await;
    assert_eq!(record.fields["first_name"], Value::text("Newer"));
    assert_eq!(record.fields["email"], Value::text("ada@x.example"), "what was not posted is as it was read");
    assert_eq!(bench.shelf.body(CONTACTS, "ACME-100001").unwrap()["role"], "MEMBER");

    // S-360's "there is none" is older than a post, too.
    bench.shelf.tell(CONTACTS, "ACME-100001", bench.clock.now(), &json!({"contactNumber": number, "role": "PUBLIC"}));
    bench.sim.edit(&crate::sim::control::Edit::delete("ACME.contact", &number)).unwrap();
    *shelf.lock().unwrap() = Some(Arc::clone(&bench.shelf));
    assert_eq!(bench.found(CONTACTS, "ACME-100001").await.fields["first_name"], Value::text("Newer"));
    assert_eq!(
        bench.s360.get(CONTACTS, &"ACME-100001".into()).await.unwrap(),
        Read::Missing,
        "asked again, it is gone"
    );
}

#[tokio::test(start_paused = true)]
async fn a_buyer_who_was_merged_away_is_followed_to_the_head_s26() {
    let bench = Bench::meddled(|method, body| {
        (method == "getContactData" && body["contactNumber"] == "100007").then(|| {
            let head = json!({"contactNumber": "100001", "individualContact": {"firstName": "Ada"}});
            json!({"statusCode": "success", "contactData": head})
        })
    });
    let head = bench.person("ACME", "Ada", "ada@x.example");
    let order = json!({"orderId": 1, "orderType": "SALE", "orderState": "CLOSED", "purchaserContactNumber": "100007",
        "creationDateTime": "2026-02-01T10:00:00Z"});
    bench.shelf.tell(ModuleId::Orders, "ACME-1", bench.clock.now(), &order);
    let orders = bench.sweep(ModuleId::Orders, None).await;
    assert_eq!(orders[0].fields["contact"], Value::text(format!("ACME-{head}")));
    let gone = bench.sweep(CONTACTS, None).await.into_iter().find(|record| record.id.as_str() == "ACME-100007");
    assert!(gone.unwrap().archived, "the old number is known to be gone");
    let merged = bench.s360.get(CONTACTS, &"ACME-100007".into()).await.unwrap();
    assert_eq!(merged, Read::MergedInto("ACME-100001".into()));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_or_read_before_the_first_day_is_said_and_that_proves_no_deletion_s28() {
    let bench = Bench::with(&["ACME"]);
    let id = RecordId::from(format!("ACME-{}", bench.person("ACME", "Ada", "ada@x.example")));
    bench.found(CONTACTS, id.as_str()).await;
    bench.shelf.streams.lock().unwrap().clear();
    let update = bench.s360.update(CONTACTS, &id, &fields(&[("first_name", "X")]), None).await.unwrap_err();
    let create = bench.s360.create(CONTACTS, "003A", &ada()).await.unwrap_err();
    for error in [update, create] {
        assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No));
        assert!(error.message.contains("first sync"), "{error}");
    }
    assert!(bench.sim.ledger().effects().is_empty());
    for module in [CONTACTS, ModuleId::Companies, ModuleId::Orders] {
        for id in [id.as_str(), "GLOBE-1", "ELSE-1"] {
            let error = bench.s360.get(module, &id.into()).await.unwrap_err();
            assert_eq!(error.class, Class::Unsupported, "{module} {id}: {error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_alone_makes_nobody_the_same_and_two_alike_are_for_a_person_to_tell_s24() {
    let bench = Bench::with(&["ACME"]);
    bench.person("ACME", "Ada Maria", "ada@x.example");
    bench.person("GLOBE", "Ada", "ada@x.example");
    let made = bench.s360.create(CONTACTS, "003A", &ada()).await.unwrap();
    assert_eq!(made.created, Some(true), "families share addresses, and GLOBE is another's");
    bench.person("ACME", "Ada", "ADA@x.example");
    let error = bench.s360.create(CONTACTS, "003B", &ada()).await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No));
    assert!(error.message.contains("pair one by hand"), "{error}");
    assert_eq!(bench.sim.ledger().count("ACME.contact", Op::Create), 1);

    let nameless = fields(&[("name", "Hall")]);
    let error = bench.s360.create(ModuleId::Companies, "001A", &nameless).await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No), "it could not be proved: {error}");
    let hall = fields(&[("name", "Hall"), ("email", "hall@x.example"), ("city", "Lyon"), ("country", "FR")]);
    let made = bench.s360.create(ModuleId::Companies, "001A", &hall).await.unwrap();
    let again = bench.s360.find_alike(ModuleId::Companies, &hall).await.unwrap().unwrap();
    assert_eq!(again[0].id, made.id);
    let there = bench.found(ModuleId::Companies, made.id.as_str()).await.fields;
    assert!(hall.iter().all(|(name, value)| there.get(name) == Some(value)), "{there:?}");
}

#[tokio::test(start_paused = true)]
async fn a_change_leaves_everything_else_as_it_was_s24() {
    let bench = Bench::open();
    let number = bench.person("ACME", "Ada", "ada@x.example");
    let id = RecordId::from(format!("ACME-{number}"));
    for change in [("first_name", "Augusta"), ("phone", "+33 7"), ("phone", "")] {
        bench.s360.update(CONTACTS, &id, &fields(&[change]), None).await.unwrap();
    }
    let row = bench.sim.records("ACME.contact").unwrap().remove(0);
    let person = json!({"title": "MRS", "firstName": "Augusta", "lastName": "King", "dateOfBirth": "1980-12-31"});
    assert_eq!(row["individualContact"], person);
    assert_eq!(row["communicationMeans"], json!([{"type": "EMAIL", "value": "ada@x.example", "main": true}]));
    let missing = bench.s360.update(CONTACTS, &"ACME-999999".into(), &fields(&[("phone", "1")]), None).await;
    assert_eq!(missing.unwrap_err().class, Class::Missing);
    let nothing = bench.s360.update(CONTACTS, &id, &Fields::new(), None).await.unwrap();
    assert_eq!(nothing.id, id);
}

#[tokio::test(start_paused = true)]
async fn an_order_is_read_by_its_exact_number_s25() {
    let bench = Bench::open();
    let order = json!({"orderState": "CLOSED", "orderType": "REFUND_CLIENT", "saleAmount": i64::MAX});
    let number = bench.sim.add_order("ACME", order).unwrap();
    assert!(number > 1 << 53);
    let id = format!("ACME-{number}");
    let record = bench.found(ModuleId::Orders, &id).await;
    assert_eq!(record.fields["amount"], Value::text("-9223372036854775.807"));
    assert_eq!(record.fields["name"], Value::text(format!("Refund {number}")));
    assert!(bench.shelf.body(ModuleId::Orders, &id).is_some());
    for nobody in ["ACME-1", "ACME-x"] {
        assert_eq!(bench.s360.get(ModuleId::Orders, &nobody.into()).await.unwrap(), Read::Missing, "{nobody}");
    }
    for nobody in ["ELSE-1", "ACME", "-1"] {
        let error = bench.s360.get(ModuleId::Orders, &nobody.into()).await.unwrap_err();
        assert_eq!(error.class, Class::Unsupported, "{nobody}: nobody can tell whether it is gone");
    }
}

#[tokio::test(start_paused = true)]
async fn two_institutions_with_the_same_numbers_never_meet_s01() {
    let bench = Bench::open();
    let (here, there) = (bench.person("ACME", "Ada", "a@x.example"), bench.person("GLOBE", "Bea", "b@x.example"));
    assert_eq!(here, there);
    let (here, there) = (format!("ACME-{here}"), format!("GLOBE-{there}"));
    assert_eq!(bench.found(CONTACTS, &here).await.fields["first_name"], Value::text("Ada"));
    assert_eq!(bench.found(CONTACTS, &there).await.fields["first_name"], Value::text("Bea"));
    bench.s360.update(CONTACTS, &there.as_str().into(), &fields(&[("first_name", "Bea Maria")]), None).await.unwrap();
    assert_eq!(bench.sim.ledger().count("ACME.contact", Op::Update), 0);
    assert_eq!(bench.found(CONTACTS, &here).await.fields["first_name"], Value::text("Ada"));
    let error = bench.s360.create(CONTACTS, "003A", &ada()).await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No), "nothing says whose: {error}");
    let hall = bench.structure("GLOBE", "Hall");
    let mut relay = ada();
    relay.insert("company".to_owned(), Value::text(format!("GLOBE-{hall}")));
    let made = bench.s360.create(CONTACTS, "003A", &relay).await.unwrap();
    assert!(made.id.as_str().starts_with("GLOBE-"), "where its company is");
    assert_eq!(bench.found(CONTACTS, made.id.as_str()).await.fields, relay);
}
