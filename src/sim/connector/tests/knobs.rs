//! Switches and faults.

use super::*;
use crate::sim::fault::FaultSpec;
use strum::IntoEnumIterator as _;

const CLUB: &str = "provider=TANDEM&client_id=client-1&club_id=club-1";

#[tokio::test]
async fn lead_source_calls_can_be_switched_off_in_both_ways_c18_c19() {
    let bench = Bench::new(Settings::default());
    let (one, list) = ("leadsource?provider=TANDEM&identifier=Q-1", format!("leadsource?{CLUB}"));
    let (status, shown) = bench.get(one).await;
    assert_eq!((status, shown.child("leadInfo").unwrap().text_of("name")), (200, Some("Facebook")));
    let (status, shown) = bench.get(&list).await;
    let names: Vec<_> = shown.children.iter().map(|row| row.child("leadInfo").unwrap().text_of("name")).collect();
    assert_eq!((status, shown.name.as_str(), names), (200, "leadSources", vec![Some("Facebook"), Some("Import")]));
    for (offered, expected) in [(Offered::NotFound, 404), (Offered::OtherPayload, 200)] {
        bench.sim.set(|settings| (settings.source_one, settings.source_list) = (offered, offered));
        for target in [one, &list] {
            let (status, body) = bench.get(target).await;
            assert_eq!(status, expected, "{target}");
            assert!(!["leadSource", "leadSources"].contains(&body.name.as_str()), "{target}");
        }
    }
}

#[tokio::test]
async fn staff_can_be_listed_and_looked_up_only_where_that_is_on_c09_c11() {
    let bench = Bench::new(Settings::default());
    let (list, by_email) = (format!("staff?{CLUB}"), format!("staff?{CLUB}&email=MAYA%40club.example"));
    assert_eq!((bench.get(&list).await.0, bench.get(&by_email).await.0), (404, 404));
    assert_eq!(bench.get(&format!("staff?{CLUB}&recordID=S-1")).await.0, 200);
    bench.sim.set(|settings| (settings.staff_list, settings.staff_by_email) = (true, true));
    let (status, all) = bench.get(&list).await;
    assert_eq!((status, all.name.as_str(), all.children.len()), (200, "staffList", 1));
    let (status, one) = bench.get(&by_email).await;
    assert_eq!((status, one.child("providerInfo").unwrap().text_of("recordID")), (200, Some("S-1")));
    bench.sim.add_staff("S-2", "Mia", "Okafor", "Maya@Club.example");
    assert_eq!(bench.get(&by_email).await.0, 404, "two of one address are nobody");
}

#[tokio::test]
async fn what_is_missing_may_be_a_404_or_another_payload() {
    let bench = Bench::new(Settings { missing: Missing::OtherPayload, ..Settings::default() });
    let (status, body) = bench.get(&target_of("404")).await;
    assert_eq!((status, body.child("userInfo")), (200, None));
}

#[tokio::test]
async fn element_names_wrapper_and_absence_are_knobs() {
    let settings = Settings {
        owner_element: "ownerRef".into(),
        source_element: "sourceRef".into(),
        staff_wrapper: "employee".into(),
        absent_keeps: true,
        ..Settings::default()
    };
    let bench = Bench::new(settings);
    let more = [("ownerRef", "S-1"), ("sourceRef", "Q-1"), ("mobile", "1")];
    assert_eq!(bench.post("user", bytes(&user("1", &ann(&more)))).await.0, 200);
    assert_eq!(bench.post("user", bytes(&user("1", ANN))).await.0, 200);
    assert_eq!(bench.sim.record(Resource::User, "1").unwrap().value("ownerRef"), "S-1", "absent keeps");
    bench.sim.set(|settings| settings.absent_keeps = false);
    bench.post("user", bytes(&user("1", ANN))).await;
    assert_eq!(bench.sim.record(Resource::User, "1").unwrap().value("ownerRef"), "", "absent takes away");
    assert_eq!(bench.post("user", bytes(&user("1", &ann(&[("leadOwnerID", "S-1")])))).await.0, 400);
    let staff = wrapped("employee", "userInfo", "S-5", &ann(&[("userType", "STAFF")]));
    assert_eq!(bench.post("staff", bytes(&staff)).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn every_fault_speaks_connector() {
    for kind in FaultKind::iter() {
        let bench = Bench::new(Settings::default());
        bench.sim.faults().arm(FaultSpec::times(kind, "POST /connector/api/2011-11/user", 1)).unwrap();
        let request = http::Request::post(format!("http://sim.test{BASE}user")).header("Content-Type", "text/xml");
        let answer = bench.send(request.body(bytes(&user("1", ANN)).into()).unwrap()).await;
        let effect = bench.sim.ledger().len() == 1;
        let told = |answer: Result<(u16, String), TransportError>| {
            let (status, body) = answer.unwrap();
            let root = Element::read(body.as_bytes(), &[]).unwrap();
            (status, root.text_of("reason").unwrap_or_default().to_owned())
        };
        let error = |status, reason: &str| (status, reason.to_owned());
        match kind {
            FaultKind::Race => assert!(told(answer) == error(500, "DATABASE") && !effect),
            FaultKind::ErrorBefore => assert!(told(answer) == error(500, "UNKNOWN") && !effect),
            FaultKind::ErrorAfter => assert!(told(answer) == error(500, "UNKNOWN") && effect),
            FaultKind::NotFound => assert!(told(answer) == error(404, "UNKNOWN") && !effect),
            FaultKind::Throttle => assert!(told(answer) == error(503, "UNKNOWN") && !effect),
            FaultKind::Forbid => assert!(told(answer) == error(403, "UNKNOWN") && !effect),
            FaultKind::Unauthorized => assert!(told(answer) == error(401, "UNKNOWN") && !effect),
            FaultKind::OtherSuccess => {
                let body = answer.unwrap();
                assert!(body.0 == 200 && !body.1.contains("uuid") && effect);
            }
            FaultKind::Html => assert!(answer.unwrap().1.starts_with("<!DOCTYPE") && !effect),
            FaultKind::Slow => {
                assert!(told(answer).0 == 200 && effect);
                assert_eq!(bench.clock.now().millis(), 1_334_031_069_023);
            }
            FaultKind::DropBefore => assert!(answer.is_err() && !effect),
            FaultKind::DropAfter | FaultKind::Truncate => assert!(answer.is_err() && effect, "{kind}"),
        }
    }
}

#[tokio::test]
async fn error_messages_are_as_hostile_as_a_stack_trace_may_be() {
    let bench = Bench::new(Settings::default());
    let (_, error) = bench.post("user", "<user>").await;
    let message = error.text_of("message").unwrap();
    for part in ["<b>", "&amp;", "]]>", "\u{9b}", "\u{202e}", "\n\tat "] {
        assert!(message.contains(part), "{part:?}");
    }
    assert!(message.len() > 2000);
}
