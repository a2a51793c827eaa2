//! Arbitrary JSON in every place where iVvy's answers are read: nothing may panic.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::remote::ivvy::action::Action;

const WRITE: Action = Action::write("contact", "addOrUpdateContact").missing("24096");

/// Names the parsers look for, so that arbitrary values land where they matter.
const NAMES: [&str; 31] = [
    "id",
    "meta",
    "results",
    "totalResults",
    "errorCode",
    "specificCode",
    "message",
    "additionalMessages",
    "success",
    "companies",
    "customFields",
    "fieldId",
    "value",
    "address",
    "modifiedDate",
    "isAnonymised",
    "selectValues",
    "0",
    "currentStatus",
    "completedDate",
    "invoiceTotalCost",
    "startDateTime",
    "endDateTime",
    "contactId",
    "response",
    "registrationStatus",
    "venueId",
    "dateEventStart",
    "body",
    "ownerUser",
    "contact",
];

/// Answers everything with the same.
#[derive(Debug)]
struct Parrot(Json);

impl Transport for Parrot {
    fn send(&self, _: http::Request<Bytes>, _: Limits) -> BoxFuture<'_, Result<http::Response<Bytes>, TransportError>> {
        let body = Bytes::from(self.0.to_string());
        Box::pin(std::future::ready(Ok(http::Response::new(body))))
    }
}

/// A page of `row`, which may be anything.
fn page_of(row: &Json) -> Json {
    json!({"meta": {"totalResults": 1}, "results": [row], "id": 1})
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        ".{0,12}".prop_map(Json::from),
        "[0-9]{1,4}-[0-9]{1,2}-[0-9]{1,2}( [0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2})?( ?UTC)?".prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        let name = prop_oneof![proptest::sample::select(NAMES.to_vec()).prop_map(str::to_owned), ".{0,4}"];
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Json::from),
            vec((name, inner), 0..6).prop_map(|pairs| Json::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn loose_parsers_never_panic(json in json()) {
        let _ = (loose::as_text(&json), loose::as_id(&json), loose::as_int(&json), loose::as_flag(&json));
        let _ = (loose::as_stamp(&json), loose::as_list(&json), loose::as_pairs(&json), loose::as_object(&json));
    }

    #[test]
    fn answers_of_any_shape_never_panic_in_any_module(json in json(), row in json()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            for answer in [&json, &row, &page_of(&row)] {
                let clock = Arc::new(TokioClock::starting_at(now()));
                let ivvy = Ivvy::new(settings("http://localhost"), Arc::new(Parrot(answer.clone())), clock).unwrap();
                for module in ModuleId::ALL {
                    let mut request = PageRequest::default();
                    for _ in 0..3 {
                        let Ok(page) = ivvy.list(module, &request).await else { break };
                        request.position = page.next;
                    }
                    let _ = ivvy.get(module, &"1".into()).await;
                    let _ = ivvy.get(module, &"1-1".into()).await;
                    let _ = ivvy.definitions(module).await;
                }
                for kind in MatchKind::ALL {
                    let _ = ivvy.entries(kind).await;
                }
            }
        });
    }

    #[test]
    fn positions_of_any_text_never_panic(position in ".{0,40}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (ivvy, script) = ivvy([]);
            let request = PageRequest { position: Some(position), ..PageRequest::default() };
            for module in ModuleId::ALL.into_iter().filter(|module| *module != ModuleId::Orders) {
                assert_eq!(ivvy.list(module, &request).await.unwrap_err().class, Class::Shifted);
            }
            assert!(script.seen().is_empty());
        });
    }

    /// A write is only ever acknowledged, or its error says what is known; bytes are never fatal.
    #[test]
    fn judging_never_panics(status in 200_u16..600, bytes in vec(any::<u8>(), 0..64), json in json()) {
        for body in [bytes, json.to_string().into_bytes()] {
            let response = http::Response::builder().status(status).body(body).unwrap();
            if let Ok(answer) = answer::judge(&WRITE, &json, &response, now()) {
                prop_assert!((200..300).contains(&status));
                let _ = answer::acknowledgement(&WRITE, &answer, Some(&"5".into()));
            }
        }
    }
}
