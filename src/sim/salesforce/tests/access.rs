//! Log-in, sessions, quota, faults, and what the org says of itself.

use data_encoding::BASE64;

use super::*;
use crate::sim::fault::FaultSpec;
use crate::sim::people::Population;

#[tokio::test(start_paused = true)]
async fn credentials_come_in_the_body_or_in_a_basic_header() {
    let desk = Desk::standard().await;
    let Settings { client_id, client_secret, .. } = desk.sim.settings().clone();
    let client_secret = client_secret.expose_secret();
    let basic = format!("Basic {}", BASE64.encode(format!("{client_id}:{client_secret}").as_bytes()));
    let granted = desk.post_form("grant_type=client_credentials", &[("authorization", &basic)]).await.json();
    assert_eq!(granted["token_type"], "Bearer");
    assert_eq!(granted["instance_url"], "http://org.example");
    assert!(granted["id"].as_str().unwrap().contains("/id/00D"));
    assert_eq!(granted.get("expires_in"), None);
    assert_eq!(granted.get("refresh_token"), None);

    let both = format!("client_id={client_id}&client_secret={client_secret}");
    for (form, error) in [
        ("grant_type=client_credentials".to_owned(), "invalid_client"),
        (format!("grant_type=client_credentials&client_id={client_id}&client_secret=x"), "invalid_client"),
        ("grant_type=client_credentials&client_id=x&client_secret=x".to_owned(), "invalid_client_id"),
        (format!("grant_type=password&{both}"), "unsupported_grant_type"),
        (both, "unsupported_grant_type"),
    ] {
        let refused = desk.post_form(&form, &[]).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["error"]), (400, &json!(error)), "{form}");
        assert!(refused.json()["error_description"].is_string());
    }
}

#[tokio::test(start_paused = true)]
async fn sessions_end() {
    let mut desk = Desk::standard().await;
    let expired = (401, "INVALID_SESSION_ID".to_owned());
    assert_eq!(desk.get("/limits").await.status, StatusCode::OK);
    advance(2 * 60 * 60).await;
    assert_eq!(desk.get("/limits").await.refused(), expired);
    desk.log_in().await;
    assert_eq!(desk.get("/limits").await.status, StatusCode::OK);
    desk.sim.expire_sessions();
    assert_eq!(desk.get("/limits").await.refused(), expired);
    desk.token = "nonsense".into();
    assert_eq!(desk.post("/sobjects/Contact", json!({"LastName": "A"})).await.refused(), expired);
    assert!(desk.sim.ledger().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_quota_is_told_and_kept() {
    let desk = Desk::standard().await;
    desk.sim.set_knobs(|knobs| knobs.daily_calls = 2);
    let first = desk.get("/limits").await;
    assert_eq!(first.headers["sforce-limit-info"], "api-usage=1/2");
    assert_eq!(first.headers["date"], "Sat, 21 Nov 2026 08:00:00 GMT", "the org's clock, not the machine's");
    assert_eq!(first.json()["DailyApiRequests"], json!({"Max": 2, "Remaining": 1}));
    desk.get("/limits").await;
    let refused = desk.get("/limits").await;
    assert_eq!(refused.refused(), (403, "REQUEST_LIMIT_EXCEEDED".into()));
    assert_eq!(refused.headers.get("retry-after"), None);
    desk.sim.set_knobs(|knobs| knobs.session_life = Duration::from_secs(30 * 60 * 60));
    let mut desk = desk;
    desk.log_in().await;
    advance(24 * 60 * 60 + 60).await;
    assert_eq!(desk.get("/limits").await.status, StatusCode::OK, "the day rolls");
}

#[tokio::test(start_paused = true)]
async fn faults_speak_salesforce() {
    let desk = Desk::standard().await;
    for (kind, status, code) in [
        (FaultKind::Throttle, 403, "REQUEST_LIMIT_EXCEEDED"),
        (FaultKind::Race, 400, "UNABLE_TO_LOCK_ROW"),
        (FaultKind::Forbid, 403, "INSUFFICIENT_ACCESS_OR_READONLY"),
        (FaultKind::Unauthorized, 401, "INVALID_SESSION_ID"),
        (FaultKind::ErrorBefore, 500, "UNKNOWN_EXCEPTION"),
    ] {
        desk.sim.faults().arm(FaultSpec::times(kind, "PATCH", 1)).unwrap();
        let answer = desk.patch("/sobjects/Contact/Ivvy_Id__c/contact-1", json!({"LastName": "A"})).await;
        assert_eq!(answer.refused(), (status, code.into()));
    }
    assert!(desk.sim.ledger().is_empty());
    desk.sim.faults().arm(FaultSpec::times(FaultKind::ErrorAfter, "Ivvy_Id__c/contact-1", 1)).unwrap();
    let answer = desk.patch("/sobjects/Contact/Ivvy_Id__c/contact-1", json!({"LastName": "A"})).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(desk.sim.ledger().creations("Contact", "contact-1"), 1, "the effect happened all the same");
    desk.sim.faults().arm(FaultSpec::times(FaultKind::DropAfter, "/sobjects/Contact", 1)).unwrap();
    let request = Request::post("http://org.example/services/data/v60.0/sobjects/Contact")
        .header("authorization", format!("Bearer {}", desk.token))
        .header("content-type", "application/json");
    let transport = InProcess { router: desk.sim.router() };
    let sent = transport.send(request.body(Bytes::from(r#"{"LastName":"A"}"#)).unwrap(), Limits::default()).await;
    assert!(matches!(sent, Err(crate::remote::transport::TransportError::Unknown(_))), "{sent:?}");
    assert_eq!(desk.sim.ledger().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_org_describes_itself() {
    let desk = Desk::standard().await;
    let versions = desk.get("/services/data/").await.json();
    assert_eq!(versions[14]["version"], "60.0");
    assert_eq!(versions[14]["label"], "Spring '24");
    assert!(desk.get("/services/data/v60.0/").await.json()["query"].is_string());
    assert_eq!(desk.get("/sobjects").await.json()["sobjects"].as_array().unwrap().len(), 10);
    let fields = desk.get("/sobjects/Contact/describe/").await.json()["fields"].clone();
    let key = fields.as_array().unwrap().iter().find(|field| field["name"] == "Ivvy_Id__c").unwrap().clone();
    assert_eq!((&key["externalId"], &key["unique"]), (&json!(true), &json!(true)));
    let user = desk.get("/services/oauth2/userinfo").await.json();
    let id = desk.contact(json!({"LastName": "A"})).await;
    assert_eq!(desk.get(&format!("/sobjects/Contact/{id}")).await.json()["LastModifiedById"], user["user_id"]);
    let pretty = desk.call(Method::GET, "/limits", &[("x-prettyprint", "1")], None).await;
    assert!(pretty.text.contains("\n  "));
    let staff = desk.query("SELECT Name, Email, IsActive FROM User WHERE IsActive = true").await.json();
    assert_eq!(staff["totalSize"], 4);
    let refused = desk.post("/sobjects/User", json!({"LastName": "A"})).await;
    assert_eq!(refused.refused(), (403, "INSUFFICIENT_ACCESS_OR_READONLY".into()));
}

#[tokio::test(start_paused = true)]
async fn a_population_moves_in_without_a_trace_and_within_the_limits() {
    let desk = Desk::standard().await;
    let population = Population::generate(3, 300, 40).hostile(3);
    let ids = desk.sim.load(&population);
    assert_eq!(ids.len(), 300);
    assert!(desk.sim.ledger().is_empty());
    let count = desk.query("SELECT COUNT() FROM Account").await.json();
    assert_eq!(count["totalSize"], 40);
    let records = desk.sim.records("Contact").unwrap();
    for record in &records {
        let length = |name: &str| record[name].as_str().unwrap_or_default().chars().count();
        assert!((1..=80).contains(&length("LastName")) && length("FirstName") <= 40, "{record}");
        assert!(record["SystemModstamp"].as_str().unwrap() < "2026-11-21", "nothing looks fresh");
    }
}

#[tokio::test(start_paused = true)]
async fn the_editor_keeps_colleagues_busy() {
    let desk = Desk::standard().await;
    desk.sim.load(&Population::generate(3, 50, 8));
    let cancel = tokio_util::sync::CancellationToken::new();
    let editing = tokio::spawn(Editor::new(&desk.sim, 60).run(cancel.clone()));
    // Paused time runs by itself while every task waits.
    tokio::time::sleep(Duration::from_secs(300)).await;
    cancel.cancel();
    editing.await.unwrap();
    let effects = desk.sim.ledger().effects();
    assert!((200..400).contains(&effects.len()), "about one a second: {}", effects.len());
    assert!(effects.iter().all(|effect| effect.by == By::User));
    let objects: std::collections::BTreeSet<&str> = effects.iter().map(|effect| effect.object.as_str()).collect();
    assert_eq!(objects.into_iter().collect::<Vec<_>>(), ["Account", "Contact"]);
}
