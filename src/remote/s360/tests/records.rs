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
        let again = bench.s360.create(CONTACTS, "003A", &ada()).await.unwrap();
        assert_eq!(again.created, Some(false), "{kind}");
        assert_eq!(bench.sim.ledger().count("ACME.contact", Op::Create), 1, "{kind}");
        assert_eq!(bench.found(CONTACTS, again.id.as_str()).await.fields, ada(), "{kind}");
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
    assert_eq!(bench.s360.create(ModuleId::Companies, "001A", &hall).await.unwrap().id, made.id);
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
    for nobody in ["ACME-1", "ACME-x", "ELSE-1", "ACME", "-1"] {
        assert_eq!(bench.s360.get(ModuleId::Orders, &nobody.into()).await.unwrap(), Read::Missing, "{nobody}");
    }
    let error = bench.s360.update(ModuleId::Orders, &id.as_str().into(), &Fields::new(), None).await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Unsupported, Sent::No), "orders are made there");
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
