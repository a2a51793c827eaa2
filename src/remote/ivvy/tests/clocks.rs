//! The five-minute rule: measuring the skew, and signing anew (`contracts/ivvy.md` 3, 5).

use super::*;

const STALE: &str = r#"{"errorCode":401,"message":"Request is stale","specificCode":23005}"#;

fn stale() -> Json {
    serde_json::from_str(STALE).unwrap()
}

/// One hour after [`now`].
const AHEAD: &str = "Wed, 18 Nov 2026 12:06:40 GMT";

fn dates(script: &Script) -> Vec<String> {
    script.seen().into_iter().map(|seen| seen.date).collect()
}

#[tokio::test(start_paused = true)]
async fn ping_measures_the_skew_by_its_acknowledgement_first() {
    for ack in ["2026-11-18 12:06:40", "2026-11-18 12:06:40 UTC"] {
        let (ivvy, script) =
            ivvy([dated(200, "Wed, 18 Nov 2026 11:06:40 GMT", json!({"ack": ack})), ok(json!({"id": 5}))]);
        assert_eq!(ivvy.probe().await.unwrap().clock_skew_ms, Some(3_600_000));
        ivvy.get(ModuleId::Contacts, &"5".into()).await.unwrap();
        assert_eq!(dates(&script), ["2026-11-18 11:06:40", "2026-11-18 12:06:40"]);
        assert_eq!(script.seen()[0].body, json!({}));
    }
}

#[tokio::test(start_paused = true)]
async fn ping_falls_back_to_the_date_header_and_to_nothing() {
    let (ivvy, _) = ivvy([dated(200, AHEAD, json!({"ack": "hello"})), ok(json!({"ack": ""})), ok(json!({"pong": 1}))]);
    assert_eq!(ivvy.probe().await.unwrap().clock_skew_ms, Some(3_600_000));
    assert_eq!(ivvy.probe().await.unwrap().clock_skew_ms, None);
    assert_eq!(ivvy.probe().await.unwrap_err().class, Class::Malformed);
}

#[tokio::test(start_paused = true)]
async fn a_stale_write_is_signed_anew_by_the_refusals_date_and_sent_once_more() {
    let (ivvy, script) = ivvy([dated(401, AHEAD, stale()), ok(json!({"id": 5}))]);
    ivvy.update(ModuleId::Contacts, &"5".into(), &fields(&[("phone", "1".into())]), None).await.unwrap();
    assert_eq!(dates(&script), ["2026-11-18 11:06:40", "2026-11-18 12:06:40"]);
    let bodies = script.bodies();
    assert_eq!(bodies[0], bodies[1]);
}

#[tokio::test(start_paused = true)]
async fn without_a_date_header_a_ping_measures() {
    let (ivvy, script) = ivvy([status(401, stale()), ok(json!({"ack": "2026-11-18 10:06:40"})), ok(json!({"id": 5}))]);
    ivvy.get(ModuleId::Contacts, &"5".into()).await.unwrap();
    let actions: Vec<String> = script.seen().into_iter().map(|seen| seen.action).collect();
    let get = "/api/1.0/contact?action=getContact";
    assert_eq!(actions, [get, "/api/1.0/test?action=ping", get]);
    assert_eq!(dates(&script)[2], "2026-11-18 10:06:40");
}

#[tokio::test(start_paused = true)]
async fn it_tries_again_only_once_and_only_if_it_could_measure() {
    let (ivvy, script) = ivvy([dated(401, AHEAD, stale()), dated(401, AHEAD, stale())]);
    let error = ivvy.get(ModuleId::Contacts, &"5".into()).await.unwrap_err();
    assert_eq!((error.class, error.code.as_deref()), (Class::Unauthorized, Some("23005")));
    assert_eq!(script.seen().len(), 2);

    let (ivvy, script) = super::ivvy([status(401, stale()), status(401, stale())]);
    let error = ivvy.get(ModuleId::Contacts, &"5".into()).await.unwrap_err();
    assert_eq!(error.class, Class::Unauthorized);
    assert_eq!(script.seen().len(), 2, "the call and a ping that told nothing");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_key_is_not_tried_again() {
    let (ivvy, script) = ivvy([dated(401, AHEAD, json!({"errorCode": 401, "message": "Unauthorized"}))]);
    let error = ivvy.probe().await.unwrap_err();
    assert_eq!((error.class, error.code.as_deref()), (Class::Unauthorized, Some("401")));
    assert_eq!(script.seen().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_after_signing_anew_is_still_unknown() {
    let (ivvy, _) = ivvy([dated(401, AHEAD, stale()), Reply::Fails(TransportError::Unknown("reset".into()))]);
    let error = ivvy.create(ModuleId::Contacts, "K", &Fields::new()).await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Unreachable, Sent::Maybe));
}
