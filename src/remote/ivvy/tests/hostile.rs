//! Arbitrary JSON in every place where iVvy's answers are read: nothing may panic.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::remote::ivvy::action::CONTACTS;

/// Names the parsers look for, so that arbitrary values land where they matter.
const NAMES: [&str; 18] = [
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
];

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
    fn rows_pages_and_definitions_never_panic(json in json()) {
        let custom = custom_fields();
        let _ = contacts::record(&json, &custom[&ModuleId::Contacts]);
        let _ = companies::record(&json, &custom[&ModuleId::Companies]);
        let _ = contacts::companies(&json);
        let _ = custom::definitions(&json);
        let resumed = PageRequest {
            position: Some(r#"{"start":1,"anchor":"1","total":2}"#.into()),
            ..PageRequest::default()
        };
        for request in [PageRequest::default(), resumed] {
            let _ = listing::Paging::resume(&request).unwrap().take(&json);
        }
    }

    #[test]
    fn positions_of_any_text_never_panic(position in ".{0,40}") {
        let request = PageRequest { position: Some(position), ..PageRequest::default() };
        let _ = listing::Paging::resume(&request);
    }

    /// A write is only ever acknowledged, or its error says what is known; bytes are never fatal.
    #[test]
    fn judging_never_panics(status in 200_u16..600, bytes in vec(any::<u8>(), 0..64), json in json()) {
        for body in [bytes, json.to_string().into_bytes()] {
            let response = http::Response::builder().status(status).body(body).unwrap();
            if let Ok(answer) = answer::judge(&CONTACTS.update, &json, &response, now()) {
                prop_assert!((200..300).contains(&status));
                let _ = answer::acknowledgement(&CONTACTS.update, &answer, Some(&"5".into()));
            }
        }
    }
}
