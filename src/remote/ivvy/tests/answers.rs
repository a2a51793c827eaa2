//! Four shapes of success, and every way to fail (`contracts/ivvy.md` 6).

use super::*;

async fn get(reply: Reply) -> Result<Read, RemoteError> {
    let (ivvy, _) = ivvy([reply]);
    ivvy.get(ModuleId::Contacts, &"5".into()).await
}

async fn write(reply: Reply) -> Result<WriteAck, RemoteError> {
    let (ivvy, _) = ivvy([reply]);
    ivvy.update(ModuleId::Contacts, &"5".into(), &fields(&[("phone", "1".into())]), None).await
}

fn error(code: impl Into<Json>, specific: impl Into<Json>) -> Json {
    json!({"errorCode": code.into(), "specificCode": specific.into(), "message": "no", "additionalMessages": []})
}

#[tokio::test]
async fn a_collection_a_bare_object_a_bare_array_and_a_write_result_are_success() {
    let (ivvy, _) = ivvy([
        ok(json!({"meta": {"totalResults": 1}, "results": [{"id": 5}]})),
        ok(json!({"id": 5, "firstName": "Ann"})),
        ok(json!([{"fieldId": 1, "fieldType": 0, "displayName": "Diet"}])),
        ok(json!({"success": true, "id": 5})),
        ok(json!({"id": 33884})),
    ]);
    let list = ivvy.list(ModuleId::Contacts, &PageRequest::default()).await.unwrap();
    assert_eq!((list.records.len(), list.total, list.next), (1, Some(1), None));
    assert!(matches!(ivvy.get(ModuleId::Contacts, &"5".into()).await, Ok(Read::Found(_))));
    assert_eq!(ivvy.definitions(ModuleId::Contacts).await.unwrap()[0].title, "Diet");
    let ack = ivvy.update(ModuleId::Contacts, &"5".into(), &Fields::new(), None).await.unwrap();
    assert_eq!(ack, WriteAck { id: "5".into(), created: None });
    let ack = ivvy.create(ModuleId::Companies, "C1", &fields(&[("name", "Acme".into())])).await.unwrap();
    assert_eq!(ack.id, "33884".into());
}

#[tokio::test]
async fn success_false_inside_200_is_a_refusal_with_details() {
    for no in [json!(false), json!(0), json!("0")] {
        let body = json!({"success": no, "id": 0, "message": "contact exists", "additionalMessages": ["email: taken"]});
        let error = write(ok(body)).await.unwrap_err();
        assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No));
        assert_eq!(error.message, "contact exists");
        assert_eq!(error.details, ["email: taken"]);
    }
}

#[tokio::test]
async fn codes_are_numbers_or_texts() {
    for code in [json!(400), json!("400")] {
        let error = write(status(400, error(code, "23016"))).await.unwrap_err();
        assert_eq!((error.class, error.sent, error.code.as_deref()), (Class::Rejected, Sent::No, Some("23016")));
    }
    let without = json!({"errorCode": 400, "message": "'id' is required"});
    assert_eq!(write(status(400, without)).await.unwrap_err().code.as_deref(), Some("400"));
}

#[tokio::test]
async fn every_error_code_has_its_class_and_proof() {
    use Class::{Conflict, Forbidden, Missing, Rejected, Server, Throttled, Unauthorized, Unsupported};
    let table = [
        (400, 23017, Rejected, Sent::No),
        (401, 0, Unauthorized, Sent::No),
        (403, 0, Forbidden, Sent::No),
        (404, 0, Missing, Sent::No),
        (405, 0, Unsupported, Sent::No),
        (406, 0, Unsupported, Sent::No),
        (409, 0, Conflict, Sent::No),
        (413, 0, Rejected, Sent::No),
        (429, 0, Throttled, Sent::No),
        (429, 24299, Throttled, Sent::No),
        (500, 24299, Throttled, Sent::No),
        (400, 24096, Missing, Sent::No),
        (460, 0, Server, Sent::Maybe),
        (461, 0, Server, Sent::Maybe),
        (462, 0, Unauthorized, Sent::No),
        (463, 0, Unauthorized, Sent::No),
        (499, 0, Server, Sent::Maybe),
        (500, 0, Server, Sent::Maybe),
        (501, 0, Unsupported, Sent::No),
        (503, 0, Server, Sent::Maybe),
    ];
    for (code, specific, class, sent) in table {
        for http_status in [code, 200] {
            let error = write(status(http_status, error(code, specific))).await.unwrap_err();
            assert_eq!((error.class, error.sent), (class, sent), "{code}/{specific} under HTTP {http_status}");
        }
    }
}

#[tokio::test]
async fn a_status_without_error_object_counts_by_itself() {
    let table = [
        (502, Class::Server, Sent::Maybe),
        (504, Class::Server, Sent::Maybe),
        (429, Class::Throttled, Sent::No),
        (302, Class::Unsupported, Sent::Maybe),
        (404, Class::Unsupported, Sent::No),
        (413, Class::Rejected, Sent::No),
    ];
    for (code, class, sent) in table {
        for body in ["<html>oops</html>", "", "{}"] {
            let error = write(raw(code, body)).await.unwrap_err();
            assert_eq!((error.class, error.sent), (class, sent), "{code} {body}");
        }
    }
}

#[tokio::test]
async fn when_body_and_status_disagree_the_less_certain_one_counts() {
    let error = write(status(500, error(400, 23016))).await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Rejected, Sent::Maybe));
    let error = write(ok(json!({"errorCode": "E?", "message": "x"}))).await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Server, Sent::Maybe));
}

#[tokio::test]
async fn reads_have_no_effect_whatever_happens() {
    for reply in [
        status(500, error(500, 0)),
        status(461, error(461, 0)),
        raw(200, "{\"id\":"),
        Reply::Fails(TransportError::Unknown("reset".into())),
        Reply::Fails(TransportError::TooLarge(9)),
    ] {
        assert_eq!(get(reply.clone()).await.unwrap_err().sent, Sent::No, "{reply:?}");
    }
}

#[tokio::test]
async fn transport_failures_keep_their_proof_on_writes() {
    let failed = |error| write(Reply::Fails(error));
    let error = failed(TransportError::NotSent("refused".into())).await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Unreachable, Sent::No));
    let error = failed(TransportError::Unknown("reset".into())).await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Unreachable, Sent::Maybe));
    let error = failed(TransportError::TooLarge(9)).await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Malformed, Sent::Maybe));
}

#[tokio::test]
async fn an_unreadable_answer_to_a_write_proves_nothing() {
    for reply in [
        raw(200, "{\"success\":true,\"id\":3"),
        raw(200, ""),
        raw(200, "<html>"),
        ok(json!({"success": true, "id": 99})),
        ok(json!({"message": "done"})),
        ok(json!([])),
        ok(json!(null)),
    ] {
        let error = write(reply.clone()).await.unwrap_err();
        assert_eq!((error.class, error.sent), (Class::Malformed, Sent::Maybe), "{reply:?}");
    }
}

#[tokio::test]
async fn a_create_must_name_the_new_record() {
    let (ivvy, _) = ivvy([ok(json!({"success": true}))]);
    let error = ivvy.create(ModuleId::Contacts, "K", &Fields::new()).await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Malformed, Sent::Maybe));
}

#[tokio::test]
async fn only_ivvys_own_word_makes_a_record_missing() {
    for reply in [status(404, error(404, 0)), status(400, error("400", "24096")), ok(error(400, 24096))] {
        assert_eq!(get(reply.clone()).await.unwrap(), Read::Missing, "{reply:?}");
    }
    // A company's code says nothing about a contact; a gateway's 404 says nothing about a record.
    for reply in [
        status(400, error(400, 24153)),
        raw(404, "<h1>Not Found</h1>"),
        status(404, json!({"error": "no such route"})),
        ok(json!([])),
        ok(json!({"id": 6})),
    ] {
        assert!(get(reply.clone()).await.is_err(), "{reply:?}");
    }
    let (ivvy, _) = ivvy([status(400, error(400, 24153))]);
    assert_eq!(ivvy.get(ModuleId::Companies, &"5".into()).await.unwrap(), Read::Missing);
}

#[tokio::test]
async fn an_unknown_list_action_is_unsupported_not_missing() {
    let (ivvy, _) = ivvy([status(404, error(404, 0))]);
    let error = ivvy.list(ModuleId::Contacts, &PageRequest::default()).await.unwrap_err();
    assert_eq!((error.class, error.action.as_str()), (Class::Unsupported, "getContactList"));
}

#[tokio::test]
async fn retry_after_is_handed_on() {
    let body = error(429, 0).to_string().into_bytes();
    let error = get(Reply::Body(429, vec![("retry-after", "17".into())], body)).await.unwrap_err();
    assert_eq!(error.retry_after, Some(Duration::from_secs(17)));
}

#[tokio::test]
async fn remote_messages_lose_the_values_that_were_sent_i33() {
    let body = json!({"errorCode": 400, "specificCode": 23016, "message": "Zoë Quux has ann@example.com already",
        "additionalMessages": ["phone: +61 400 000 001 is not valid"]});
    let (ivvy, _) = ivvy([status(400, body)]);
    let patch =
        fields(&[("last_name", "Quux".into()), ("first_name", "Zoë".into()), ("phone", "+61 400 000 001".into())]);
    let error = ivvy.update(ModuleId::Contacts, &"5".into(), &patch, None).await.unwrap_err();
    assert_eq!(error.message, "… … has … already");
    assert_eq!(error.details, ["phone: … is not valid"]);
    let long = json!({"errorCode": 400, "message": "x".repeat(5000)});
    assert_eq!(write(status(400, long)).await.unwrap_err().message.len(), 300);
}
