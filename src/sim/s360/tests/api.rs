//! The public API: what it takes, what it refuses, what it leaves in the ledger.

use super::*;
use crate::sim::fault::{FaultKind, FaultSpec};
use crate::sim::ledger::Op;

fn save() -> String {
    format!("{CONTACTS}/saveIndividualContactData")
}

async fn read(sim: &Arc<S360Sim>, number: &str) -> Value {
    let details = ["GENERAL", "ADDRESSES", "AUTHORIZATIONS", "COM_MEANS"];
    done(sim, &format!("{CONTACTS}/getContactData"), json!({"contactNumber": number, "details": details})).await["contactData"].clone()
}

#[tokio::test(start_paused = true)]
async fn only_the_documented_address_verb_and_type_are_answered_s20() {
    let sim = sim(|_| ());
    sim.edit(&Edit::create("ACME.contact", person("Okafor"))).unwrap();
    let call = |verb: &str, host: &str, path: &str, kind: &str| {
        let request = Request::builder().method(verb).uri(path).header("Host", host).header("Content-Type", kind);
        let token = forged(&sim, "ACME");
        let request = request.header("Authorization", format!("Bearer {token}"));
        let request = request.body(Body::from(r#"{"contactNumber":"100001","details":["GENERAL"]}"#)).unwrap();
        let router = sim.router();
        async move { router.oneshot(request).await.unwrap().status().as_u16() }
    };
    let good = format!("{CONTACTS}/getContactData");
    let bare = good.replace("/acme", "");
    let json = "application/json; charset=utf-8";
    for (verb, host, path, kind, wanted) in [
        ("POST", "127.0.0.1", good.as_str(), json, 200),
        ("POST", "127.0.0.1", &good.replace("contactInf", "ContactInf"), json, 200),
        ("POST", "acme.ws.secutix.com", &bare, json, 200),
        ("POST", "acme.pp-ws.secutix.com:443", &bare, json, 200),
        ("POST", "acme.ws.example.com", &bare, json, 404),
        ("POST", "ACME.ws.secutix.com", &bare, json, 404),
        ("POST", "127.0.0.1", &good.replace("/acme", "/ACME"), json, 404),
        ("POST", "127.0.0.1", &good.replace("/acme", "/nobody"), json, 404),
        ("POST", "127.0.0.1", &good.replace("tnco", "tnseb"), json, 404),
        ("POST", "127.0.0.1", &good.replace("v2_21", "v2_20"), json, 404),
        ("POST", "127.0.0.1", &good.replace("getContactData", "getcontactdata"), json, 404),
        ("GET", "127.0.0.1", &good, json, 405),
        ("POST", "127.0.0.1", &good, "text/plain", 415),
        ("POST", "127.0.0.1", &good, "", 415),
    ] {
        assert_eq!(call(verb, host, path, kind).await, wanted, "{verb} {host} {path} {kind}");
    }
    assert_eq!(post(&sim, &good, &forged(&sim, "ACME"), "[]").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(post(&sim, &good, &forged(&sim, "ACME"), "{").await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test(start_paused = true)]
async fn a_contact_is_made_read_changed_and_found_s24() {
    let sim = sim(|_| ());
    let answer = done(&sim, &save(), json!({
        "individualContact": {"title": "DR_PROF", "firstName": "Ines", "lastName": "Okafor", "dateOfBirth": "1980-02-29"},
        "addresses": [{"street1": "1 Quay", "town": "Genève", "zipCode": "1201", "countryCode": "CH"}],
        "communicationMeans": [{"type": "EMAIL", "value": "Ines@Mail.example"}],
        "authorizations": [{"authorizationCode": "NEWS", "allowed": true}],
    })).await;
    let number = answer["contactNumber"].as_str().unwrap();
    assert!(answer["contactId"].as_u64().unwrap() > u64::from(u32::MAX));
    let contact = read(&sim, number).await;
    assert_eq!(contact["individualContact"]["title"], "UNDEFINED", "an unknown title");
    assert_eq!((&contact["role"], &contact["createdFrom"]), (&json!("PUBLIC"), &json!("WEBSERVICE")));
    assert_eq!(contact["addresses"][0]["main"], true);
    assert!(contact["addresses"][0]["contactAddressId"].as_i64().unwrap() >= 1 << 32);
    // Absent stays, null empties, a list replaces the list.
    let change = json!({"contactNumber": number, "individualContact": {"title": "MRS", "firstName": null}, "authorizations": []});
    done(&sim, &save(), change).await;
    let changed = read(&sim, number).await;
    assert_eq!(
        changed["individualContact"],
        json!({"title": "MRS", "lastName": "Okafor", "dateOfBirth": "1980-02-29"})
    );
    assert_eq!((&changed["authorizations"], &changed["addresses"]), (&json!([]), &contact["addresses"]));
    // Email is no key: a second person may share it.
    let twin = json!({"individualContact": {"lastName": "Okafor"}, "communicationMeans": [{"type": "EMAIL", "value": "ines@mail.example"}]});
    done(&sim, &save(), twin).await;
    let found =
        done(&sim, &format!("{CONTACTS}/searchContact"), json!({"criteria": {"email": "INES@mail.example"}})).await;
    assert_eq!(found["contacts"].as_array().unwrap().len(), 2);
    let page = json!({"criteria": {"email": "ines@mail.example"}, "minIndex": 1, "nbMaxResults": 1});
    let page = done(&sim, &format!("{CONTACTS}/searchContact"), page).await;
    assert_eq!(page["contacts"][0]["contactNumber"], "100002");
    assert_eq!(sim.ledger().count("ACME.contact", Op::Create), 2);
    assert_eq!(sim.ledger().creations("ACME.contact", "ines@mail.example"), 2);
    assert_eq!(sim.queue("ACME", Stream::Contacts).unwrap().fresh, ["100001", "100002"], "our own writes come back");
    assert!(sim.records("GLOBE.contact").unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn structures_and_their_relays_s03() {
    let sim = sim(|_| ());
    let path = format!("{CONTACTS}/saveStructureContactData");
    let structure =
        done(&sim, &path, json!({"structureContact": {"name": "Harbour Choir"}})).await["contactNumber"].clone();
    let relay = json!({"individualContact": {"lastName": "Lindqvist"}, "role": "RELAY", "function": "Chair", "structureContactNumber": structure});
    let relay = done(&sim, &save(), relay).await["contactNumber"].clone();
    let shown = read(&sim, relay.as_str().unwrap()).await;
    assert_eq!((&shown["structureContactNumber"], &shown["function"]), (&structure, &json!("Chair")));
    assert_eq!(
        refused(&sim, &save(), json!({"contactNumber": structure, "individualContact": {"lastName": "x"}})).await,
        "badstate"
    );
    assert_eq!(
        refused(&sim, &path, json!({"contactNumber": relay, "structureContact": {"name": "x"}})).await,
        "badstate"
    );
    let loop_ = json!({"individualContact": {"lastName": "x"}, "structureContactNumber": relay});
    assert_eq!(refused(&sim, &save(), loop_).await, "notfound");
    assert_eq!(refused(&sim, &path, json!({"structureContact": {"name": "x"}, "function": "Chair"})).await, "badparam");
}

#[tokio::test(start_paused = true)]
async fn what_is_unknown_or_breaks_a_rule_is_refused_inside_200() {
    let sim = sim(|_| ());
    let with = |name: &str, value: Value| {
        let mut fields = person("Okafor");
        fields[name] = value;
        fields
    };
    let address = |name: &str, value: Value| {
        let mut address = json!({"countryCode": "CH"});
        address[name] = value;
        with("addresses", json!([address]))
    };
    for (body, code) in [
        (json!({}), "badparam"),
        (json!({"individualContact": {"firstName": "Ines"}}), "badparam"),
        (json!({"individualContact": {"lastName": ""}}), "badvalue"),
        (json!({"individualContact": {"lastName": 7}}), "badparam"),
        (json!({"individualContact": {"lastName": "x", "lastname": "x"}}), "badparam"),
        (json!({"individualContact": {"lastName": "x", "dateOfBirth": "1981-02-29"}}), "badvalue"),
        (json!({"individualContact": {"lastName": "x", "dateOfBirth": "01/02/1981"}}), "badvalue"),
        (with("contactNumber", json!("999999")), "notfound"),
        (with("contactNumber", json!(100_001)), "badparam"),
        (with("contactNumber", Value::Null), "badparam"),
        (with("contactCriteria", json!([])), "badparam"),
        (with("modificationDate", json!("2026-01-01")), "badparam"),
        (with("addresses", Value::Null), "badparam"),
        (address("countryCode", json!("France")), "badvalue"),
        (address("countryCode", json!("fr")), "badvalue"),
        (address("countryCode", json!("UK")), "badvalue"),
        (address("countryCode", Value::Null), "badparam"),
        (address("zipCode", json!("123456789")), "badvalue"),
        (address("contactAddressId", json!(5)), "notfound"),
        (address("formattedAddress", json!("x")), "badparam"),
        (
            with("addresses", json!([{"countryCode": "CH", "main": true}, {"countryCode": "CH", "main": true}])),
            "badvalue",
        ),
        (with("communicationMeans", json!([{"type": "FAX", "value": "1"}])), "badvalue"),
        (with("communicationMeans", json!([{"type": "EMAIL", "value": "nobody"}])), "badvalue"),
        (with("authorizations", json!([{"authorizationCode": "NEWSLETTER", "allowed": true}])), "badvalue"),
        (with("authorizations", json!([{"authorizationCode": "NEWS"}])), "badparam"),
    ] {
        assert_eq!(refused(&sim, &save(), body.clone()).await, code, "{body}");
    }
    let get = format!("{CONTACTS}/getContactData");
    for body in [
        json!({"contactNumber": "1"}),
        json!({"contactNumber": "1", "details": []}),
        json!({"contactNumber": "1", "details": ["general"]}),
    ] {
        assert_eq!(refused(&sim, &get, body).await, "badparam");
    }
    assert!(sim.ledger().is_empty() && sim.records("ACME.contact").unwrap().is_empty());
}

async fn new_order(sim: &Arc<S360Sim>, kind: &str, price: i64, reference: &str) -> Value {
    done(
        sim,
        &format!("{FACADE}/createOrUpdateOrder"),
        json!({
            "pointOfSalesId": 5, "orderType": kind, "externalReference": reference,
            "purchasersInfo": [{"contactReference": "100001"}],
            "operations": [{"productId": 10_229_000_001_i64, "quantity": 1, "unitPrice": price}],
        }),
    )
    .await["orderId"]
        .clone()
}

#[tokio::test(start_paused = true)]
async fn an_order_is_made_closed_once_and_pushed_s07() {
    let sim = sim(|_| ());
    sim.edit(&Edit::create("ACME.contact", person("Okafor"))).unwrap();
    let id = new_order(&sim, "SALE", i64::MAX, "T-1").await;
    let order = done(&sim, &format!("{ORDERS}/getOrderDetails"), json!({"externalReference": "T-1"})).await;
    assert_eq!(
        (&order["orderDetailsData"]["orderId"], &order["orderDetailsData"]["orderState"]),
        (&id, &json!("RUNNING"))
    );
    assert!(order.to_string().contains(r#""saleAmount":9223372036854775807"#));
    let close = format!("{FACADE}/createPaymentsAndCloseOrder");
    let closing = |amount: i64| json!({"orderId": id, "orderType": "SALE", "payments": [{"amount": amount, "paymentMethodId": 9}]});
    assert_eq!(refused(&sim, &close, closing(i64::MAX - 1)).await, "badvalue");
    done(&sim, &close, closing(i64::MAX)).await;
    let effects = sim.ledger().len();
    done(&sim, &close, closing(i64::MAX)).await;
    assert_eq!(sim.ledger().len(), effects, "a repetition changes nothing");
    assert_eq!(refused(&sim, &close, closing(1)).await, "badstate");
    assert_eq!(refused(&sim, &format!("{FACADE}/abandonMovements"), json!({"orderId": id})).await, "badstate");
    assert_eq!(sim.queue("ACME", Stream::Orders).unwrap().fresh, [id.to_string()]);
    assert_eq!(sim.ledger().creations("ACME.order", "T-1"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_reservation_is_held_changed_and_given_up_s07() {
    let sim = sim(|_| ());
    sim.edit(&Edit::create("ACME.contact", person("Okafor"))).unwrap();
    let id = new_order(&sim, "RESERVATION", 4000, "T-2").await;
    let update =
        json!({"orderId": id, "pointOfSalesId": 5, "orderType": "OPTION", "expirationDate": "2026-12-01T00:00:00Z"});
    done(&sim, &format!("{FACADE}/createOrUpdateOrder"), update).await;
    let order = &sim.records("ACME.order").unwrap()[0];
    assert_eq!(
        (&order["orderState"], &order["optionAmount"], &order["reservationAmount"]),
        (&json!("IN_OPTION"), &json!(4000), &json!(0))
    );
    let abandon = format!("{FACADE}/abandonMovements");
    done(&sim, &abandon, json!({"externalReference": "T-2"})).await;
    let effects = sim.ledger().len();
    assert_eq!(done(&sim, &abandon, json!({"orderId": id})).await["orderDetailsData"]["orderState"], "ABANDONNED");
    assert_eq!(sim.ledger().len(), effects);
}

#[tokio::test(start_paused = true)]
async fn strange_orders_are_refused() {
    let sim = sim(|_| ());
    sim.edit(&Edit::create("ACME.contact", person("Okafor"))).unwrap();
    let good = json!({
        "pointOfSalesId": 5, "orderType": "SALE", "purchasersInfo": [{"contactReference": "100001"}],
        "operations": [{"productId": 1, "quantity": 2, "unitPrice": 10}],
    });
    let line = |quantity: Value, price: Value| json!([{"productId": 1, "quantity": quantity, "unitPrice": price}]);
    for (name, value, code) in [
        ("pointOfSalesId", Value::Null, "badparam"),
        ("orderType", json!("REFUND_CLIENT"), "badvalue"),
        ("orderId", json!(7), "notfound"),
        ("orderId", json!("7"), "badparam"),
        ("purchasersInfo", json!([]), "badvalue"),
        ("purchasersInfo", json!([{"contactReference": "100009"}]), "notfound"),
        ("operations", json!([]), "badparam"),
        ("operations", line(json!(1), json!(10.5)), "badparam"),
        ("operations", line(json!(1), json!("10")), "badparam"),
        ("operations", line(json!(2), json!(i64::MAX)), "badvalue"),
        ("operations", line(json!(1), json!(u64::MAX)), "badparam"),
        ("expirationDate", json!("tomorrow"), "badvalue"),
        ("comment", json!("x"), "badparam"),
    ] {
        let mut body = good.clone();
        body[name] = value;
        assert_eq!(refused(&sim, &format!("{FACADE}/createOrUpdateOrder"), body.clone()).await, code, "{body}");
    }
    for body in [json!({}), json!({"orderId": 1, "externalReference": "x"}), json!({"orderId": 1, "tickets": true})] {
        assert_eq!(refused(&sim, &format!("{ORDERS}/getOrderDetails"), body).await, "badparam");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_leaves_its_effect_and_a_second_attempt_doubles_s24() {
    let sim = sim(|_| ());
    sim.edit(&Edit::create("ACME.contact", person("Okafor"))).unwrap();
    sim.faults().arm(FaultSpec::times(FaultKind::ErrorAfter, "createOrUpdateOrder", 1)).unwrap();
    let body = json!({
        "pointOfSalesId": 5, "orderType": "SALE", "externalReference": "T-3",
        "purchasersInfo": [{"contactReference": "100001"}], "operations": [{"productId": 1, "quantity": 1, "unitPrice": 1}],
    });
    let path = format!("{FACADE}/createOrUpdateOrder");
    let (status, _) = post(&sim, &path, &forged(&sim, "ACME"), &body.to_string()).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    done(&sim, &format!("{ORDERS}/getOrderDetails"), json!({"externalReference": "T-3"})).await;
    sim.set_knobs(|knobs| knobs.unique_references = true);
    done(&sim, &path, body.clone()).await;
    assert_eq!(sim.ledger().creations("ACME.order", "T-3"), 1);
    sim.set_knobs(|knobs| knobs.unique_references = false);
    done(&sim, &path, body).await;
    assert_eq!(sim.ledger().creations("ACME.order", "T-3"), 2, "which is what tests look for");
    assert_eq!(
        refused(&sim, &format!("{ORDERS}/getOrderDetails"), json!({"externalReference": "T-3"})).await,
        "badstate"
    );
}
