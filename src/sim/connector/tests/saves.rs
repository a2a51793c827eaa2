//! Saves and fetches that are in order.

use std::time::Duration;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_save_is_an_upsert_by_the_four_ids_and_a_fetch_shows_it_c03_p02() {
    let bench = Bench::new(Settings::default());
    let (status, first) = bench.post("user", bytes(&user("7", ANN).in_namespace())).await;
    assert_eq!((status, first.name.as_str(), first.namespaced), (200, "response", true));
    let uuid = first.text_of("uuid").unwrap().to_owned();
    tokio::time::advance(Duration::from_secs(60)).await;
    let body = bytes(&user("7", &ann(&[("lastname", "Lim"), ("address2", "Flat 2")])));
    let (_, second) = bench.post("user", body).await;
    assert_eq!(second.text_of("uuid"), Some(uuid.as_str()), "the same record");
    let mut elsewhere = user("7", ANN);
    elsewhere.children[0].children[2].text = "club-2".into();
    let (_, third) = bench.post("user", bytes(&elsewhere)).await;
    assert_ne!(third.text_of("uuid"), Some(uuid.as_str()), "another club, another record");

    let (status, shown) = bench.get(&target_of("7")).await;
    let info = shown.child("userInfo").unwrap();
    assert_eq!((status, info.text_of("lastname"), info.text_of("address2")), (200, Some("Lim"), None));
    assert_eq!(info.text_of("createdBy"), Some("TANDEM"));
    assert_eq!(info.text_of("createdDate"), Some("2012-04-10T04:11:07.023Z"));
    assert_eq!(info.text_of("modifiedDate"), Some("2012-04-10T04:12:07.023Z"));
    assert_eq!(shown.child("providerInfo").unwrap().text_of("recordID"), Some("7"));
    assert!(shown.child("extraProviderIDs").is_none(), "only when InTouch enabled it");

    let ledger = bench.sim.ledger();
    assert_eq!((ledger.count("user", Op::Create), ledger.count("user", Op::Update)), (2, 1));
    assert_eq!(ledger.count("staff", Op::Create), 0);
}

#[tokio::test]
async fn every_call_is_noted_with_its_elements_c13() {
    let bench = Bench::new(Settings::default());
    bench.post("user", bytes(&user("1", &ann(&[("leadOwnerID", "S-1"), ("leadSourceID", "Q-1")])))).await;
    bench.post("user", bytes(&user("2", ANN))).await;
    bench.post("user", bytes(&user("3", &ann(&[("leadOwnerID", "")])))).await;
    bench.post("user", "<user>").await;
    let calls = bench.sim.calls();
    assert_eq!(calls.iter().map(|call| call.seq).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(calls.iter().map(|call| call.status).collect::<Vec<_>>(), [200, 200, 400, 400]);
    assert_eq!((calls[0].text("leadOwnerID"), calls[0].text("recordID")), (Some("S-1"), Some("1")));
    assert!(calls[1].saved() && !calls[1].has("leadOwnerID") && !calls[1].has("leadSourceID"));
    assert!(!calls[2].saved() && calls[2].has("leadOwnerID"), "an empty element is an element");
    assert!(calls[3].elements.is_empty());
    assert_eq!(calls[3].reason.as_deref(), Some("VALIDATION"));
    let json = bench.send(http::Request::get("http://sim.test/_sim/calls").body(Bytes::new()).unwrap()).await.unwrap();
    assert!(json.1.contains(r#"["user/userInfo/leadOwnerID","S-1"]"#), "{}", json.1);
}

#[tokio::test]
async fn hostile_names_come_back_as_they_went_p15() {
    let long = "Ünïcødé ".repeat(1250);
    assert_eq!(long.chars().count(), 10_000);
    let names = [
        "R&D <x>",
        "&amp;",
        "]]>",
        "<![CDATA[x]]>",
        "\"'",
        "田中 美咲",
        "🦀\u{202e}abc",
        "tab\tline\nreturn\rend",
        "a\u{85}b\u{2028}c",
        "a \u{feff} b",
        &long,
    ];
    for name in names {
        let bench = Bench::new(Settings::default());
        bench.post("user", bytes(&user("1", &ann(&[("firstname", name)])))).await;
        let (_, shown) = bench.get(&target_of("1")).await;
        assert_eq!(shown.child("userInfo").unwrap().text_of("firstname"), Some(name));
        assert_eq!(bench.sim.record(Resource::User, "1").unwrap().value("firstname"), name);
        bench.post("leadsource", bytes(&source("L", name, "true"))).await;
        let (_, shown) = bench.get("leadsource?provider=TANDEM&identifier=L").await;
        assert_eq!(shown.child("leadInfo").unwrap().text_of("name"), Some(name));
    }
}

#[tokio::test]
async fn ids_with_slashes_and_blanks_are_decoded_in_a_fetch_p16() {
    let bench = Bench::new(Settings::default());
    for id in ["a/b c", "a+b", "ä&recordID=x", "{0F0A}", "%20", "1111"] {
        let (status, saved) = bench.post("user", bytes(&user(id, ANN))).await;
        assert_eq!(status, 200, "{id}");
        let (status, shown) = bench.get(&target_of(id)).await;
        assert_eq!((status, shown.child("providerInfo").unwrap().text_of("recordID")), (200, Some(id)));
        assert_eq!(bench.sim.record(Resource::User, id).unwrap().uuid, saved.text_of("uuid").unwrap());
    }
}

#[tokio::test]
async fn lead_sources_keep_their_name_and_may_be_hidden_p09() {
    let bench = Bench::new(Settings::default());
    assert_eq!(bench.post("leadsource", bytes(&source("L", "Expo", "true"))).await.0, 200);
    assert_eq!(bench.post("leadsource", bytes(&source("L", "Expo", "false"))).await.0, 200);
    assert_eq!(bench.sim.record(Resource::LeadSource, "L").unwrap().value("active"), "false");
    for (renamed, of) in [(source("L", "expo", "false"), "Expo"), (source("Q-9", "Import", "false"), "Import")] {
        let (status, error) = bench.post("leadsource", bytes(&renamed)).await;
        assert_eq!((status, error.text_of("reason")), (400, Some("VALIDATION")), "{of}");
    }
    assert_eq!(bench.sim.record(Resource::LeadSource, "L").unwrap().value("name"), "Expo");
    assert_eq!(bench.sim.record(Resource::LeadSource, "Q-9").unwrap().value("active"), "true");
}

#[tokio::test]
async fn a_new_member_who_is_one_prospect_takes_their_place() {
    let bench = Bench::new(Settings { shows_in_touch_id: true, ..Settings::default() });
    let contact = [("email", "Ann@x.example"), ("mobile", "+64 21 000 001"), ("leadOwnerID", "S-1")];
    bench.post("user", bytes(&user("p1", &ann(&contact)))).await;
    bench.post("user", bytes(&user("p2", &ann(&[("email", "ann@x.example"), ("mobile", "9")])))).await;
    let own = |id: &str| bench.sim.record(Resource::User, id).unwrap().in_touch_id;
    let member =
        |more: &[(&'static str, &'static str)]| ann(&[&[("userType", "MEMBER"), ("firstname", "ANN")], more].concat());
    // All three agree with one; email alone with two.
    bench.post("user", bytes(&user("m1", &member(&[("email", "ann@X.example"), ("mobile", "6421000001")])))).await;
    assert_eq!(own("m1"), own("p1"));
    let prospect = bench.sim.record(Resource::User, "p1").unwrap();
    assert_eq!((prospect.value("userType"), prospect.value("leadOwnerID")), ("MEMBER", "S-1"), "the owner stays");
    // Only p2 is left, by name and email.
    bench.post("user", bytes(&user("m2", &member(&[("email", "ann@x.example")])))).await;
    assert_eq!(own("m2"), own("p2"));
    // Nobody is left: somebody new.
    bench.post("user", bytes(&user("m3", &member(&[("email", "ann@x.example")])))).await;
    assert!(own("m3") != own("p1") && own("m3") != own("p2"));
    let (_, shown) = bench.get(&target_of("m1")).await;
    assert_eq!(shown.child("extraProviderIDs").unwrap().text_of("inTouchID"), Some(own("p1").as_str()));
}

#[tokio::test]
async fn somebody_works_in_intouch() {
    let bench = Bench::new(Settings::default());
    bench.post("user", bytes(&user("1", ANN))).await;
    let edit = |edit: &Edit| Simulated::edit(&*bench.sim, edit);
    edit(&Edit::update("user", "1", json!({"mobile": "+64 1"}))).unwrap();
    let (_, shown) = bench.get(&target_of("1")).await;
    let info = shown.child("userInfo").unwrap();
    assert_eq!((info.text_of("mobile"), info.text_of("firstname")), (Some("+64 1"), Some("Ann")));
    assert_eq!((info.text_of("createdBy"), info.text_of("modifiedBy")), (Some("TANDEM"), Some("INTOUCH")));
    edit(&Edit::create("staff", json!({"recordID": "S-2", "email": "b@c.example"}))).unwrap();
    edit(&Edit::delete("staff", "S-2")).unwrap();
    assert_eq!(Simulated::records(&*bench.sim, "staff").unwrap().len(), 1);
    assert!(edit(&Edit::delete("staff", "S-2")).is_err() && edit(&Edit::delete("club", "1")).is_err());
    let by_user = bench.sim.ledger().effects().iter().filter(|effect| effect.by == By::User).count();
    assert_eq!(by_user, 3);
}
