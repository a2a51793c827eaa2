//! Records as S-360 posts them: whose they are, and what is known after another one came
//! (`contracts/connector_s360.md` 2.2, 2.3). Shared by whoever receives them and the adapter that reads them.
//!
//! It knows which member names a record and nothing of what the others mean. It never makes a number up, never
//! rounds one, and never takes "was not sent" for "was erased".

use serde_json::{Map, Value};

use crate::model::{ModuleId, RecordId, StreamKind};

/// Longest contact number (contract 2.3).
const LONGEST_NUMBER: usize = 20;
/// What an order may be wrapped in.
const WRAPPED: &str = "orderDetailsData";

/// Which record one of a payload's is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identified {
    /// The module it belongs to; none for checks at the gates, which no module keeps in step.
    pub module: Option<ModuleId>,
    /// Its number within its institution: `contactNumber`, `orderId` or `ticket_check_id`.
    pub number: String,
}

/// The id of a record on the origin side. It begins with the institution, so that two institutions' records
/// never meet in any table, queue or key.
pub fn record_id(institution: &str, number: &str) -> RecordId {
    RecordId::from(format!("{institution}-{number}"))
}

/// The record itself: an order comes flat, or wrapped in `orderDetailsData`.
pub fn unwrapped(stream: StreamKind, mut record: Value) -> Value {
    if stream == StreamKind::S360Orders
        && let Some(inner) = record.get_mut(WRAPPED)
        && inner.is_object()
    {
        return inner.take();
    }
    record
}

/// Whether a record (unwrapped) is one of this stream's at all, good or broken: an order on the contacts'
/// address is not.
pub fn belongs(stream: StreamKind, record: &Value) -> bool {
    let has = |names: &[&str]| names.iter().any(|name| record.get(name).is_some());
    match stream {
        StreamKind::S360Contacts => {
            has(&["contactNumber", "individualContact", "structureContact", "contactId"])
                && !has(&["orderId", "ticket_check_id", WRAPPED])
        }
        StreamKind::S360Orders => has(&["orderId", "orderState", "operationDatas", WRAPPED]),
        StreamKind::S360Access => has(&["ticket_check_id", "check_flow", "access_time"]),
        _ => false,
    }
}

/// Which record this is (unwrapped), in the module it belongs to.
///
/// # Errors
/// Why it cannot be told: one sentence without the record's values.
pub fn identify(stream: StreamKind, record: &Value) -> Result<Identified, &'static str> {
    let Value::Object(members) = record else { return Err("it is not an object") };
    if !belongs(stream, record) {
        return Err("it is not a record of this stream");
    }
    match stream {
        StreamKind::S360Contacts => {
            Ok(Identified { module: Some(kind_of_contact(members)?), number: contact_number(members)? })
        }
        StreamKind::S360Orders => {
            let number = whole(members, "orderId").map_err(|wrong| match wrong {
                Wrong::Missing => "it has no orderId",
                Wrong::NotWhole => "its orderId is not a whole positive number below 2^63",
            })?;
            Ok(Identified { module: Some(ModuleId::Orders), number })
        }
        StreamKind::S360Access => {
            let number = whole(members, "ticket_check_id").map_err(|wrong| match wrong {
                Wrong::Missing => "it has no ticket_check_id",
                Wrong::NotWhole => "its ticket_check_id is not a whole positive number below 2^63",
            })?;
            Ok(Identified { module: None, number })
        }
        _ => Err("S-360 posts nothing on this stream"),
    }
}

/// A structure is a company; a person, and the person who speaks for a structure (a *relay*), a contact (S-03).
fn kind_of_contact(members: &Map<String, Value>) -> Result<ModuleId, &'static str> {
    let has = |name: &str| members.get(name).is_some_and(Value::is_object);
    match (has("individualContact"), has("structureContact")) {
        (true, false) => return Ok(ModuleId::Contacts),
        (false, true) => return Ok(ModuleId::Companies),
        (true, true) => return Err("it says that it is both a person and a structure"),
        (false, false) => {}
    }
    // The flat form; and what comes with other parts only is told by nothing else.
    let named = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default().to_ascii_uppercase();
    if named("type") == "STRUCTURE" { Ok(ModuleId::Companies) } else { Ok(ModuleId::Contacts) }
}

fn contact_number(members: &Map<String, Value>) -> Result<String, &'static str> {
    const WRONG: &str = "its contactNumber is not 1 to 20 letters, digits, - and _";
    let number = match members.get("contactNumber") {
        None | Some(Value::Null) => return Err("it has no contactNumber"),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(_)) => whole(members, "contactNumber").map_err(|_| WRONG)?,
        Some(_) => return Err(WRONG),
    };
    let fits = (1..=LONGEST_NUMBER).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if fits { Ok(number) } else { Err(WRONG) }
}

enum Wrong {
    Missing,
    NotWhole,
}

/// A 64-bit id, exactly: with a fraction or an exponent it would have gone through a float, here or there.
fn whole(members: &Map<String, Value>, name: &str) -> Result<String, Wrong> {
    let number = match members.get(name) {
        None | Some(Value::Null) => return Err(Wrong::Missing),
        Some(Value::Number(number)) => number.as_i64(),
        // Now and then spelled as text; then as it would be as a number.
        Some(Value::String(text)) => text.parse().ok().filter(|number: &i64| number.to_string() == *text),
        Some(_) => None,
    };
    number.filter(|number| *number > 0).map(|number| number.to_string()).ok_or(Wrong::NotWhole)
}

/// What is known of a record after `new` came over `old` (both unwrapped). A part that was not sent stays as it
/// is, and so does one that was sent as null: S-360 sends the parts that were chosen in its settings, which may
/// change (S-22). A part that was sent replaces the whole part, lists too: within it, absent is gone.
pub fn merge(old: Value, new: Value) -> Value {
    let Value::Object(mut known) = old else { return new };
    let Value::Object(told) = new else { return Value::Object(known) };
    for (name, value) in told {
        let is_part = known.get(&name).is_some_and(|part| part.is_object() || part.is_array());
        if !(value.is_null() && is_part) {
            known.insert(name, value);
        }
    }
    Value::Object(known)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const CONTACTS: StreamKind = StreamKind::S360Contacts;
    const ORDERS: StreamKind = StreamKind::S360Orders;
    const ACCESS: StreamKind = StreamKind::S360Access;

    fn known(stream: StreamKind, text: &str) -> Option<(Option<ModuleId>, String)> {
        let record = unwrapped(stream, serde_json::from_str(text).unwrap());
        identify(stream, &record).ok().map(|found| (found.module, found.number))
    }

    fn some(module: ModuleId, number: &str) -> Option<(Option<ModuleId>, String)> {
        Some((Some(module), number.to_owned()))
    }

    #[test]
    fn persons_relays_and_structures_are_told_apart_s03() {
        let person = r#"{"contactNumber":"1-23_A","individualContact":{}}"#;
        assert_eq!(known(CONTACTS, person), some(ModuleId::Contacts, "1-23_A"));
        let relay = r#"{"contactNumber":"5","individualContact":{},"structureContactNumber":"9"}"#;
        assert_eq!(known(CONTACTS, relay), some(ModuleId::Contacts, "5"));
        let structure = r#"{"contactNumber":"9","structureContact":{"name":"Hall"}}"#;
        assert_eq!(known(CONTACTS, structure), some(ModuleId::Companies, "9"));
        let flat = r#"{"contactNumber":9,"type":"STRUCTURE"}"#;
        assert_eq!(known(CONTACTS, flat), some(ModuleId::Companies, "9"));
        assert_eq!(known(CONTACTS, r#"{"contactNumber":"7","type":"INDIVIDUAL"}"#), some(ModuleId::Contacts, "7"));
        assert_eq!(known(CONTACTS, r#"{"contactNumber":"7","individualContact":{},"structureContact":{}}"#), None);
    }

    #[test]
    fn ids_are_exact_to_the_last_digit_or_refused_s25() {
        let great = r#"{"orderId":9007199254740993,"orderState":"CLOSED"}"#;
        assert_eq!(known(ORDERS, great), some(ModuleId::Orders, "9007199254740993"));
        let wrapped = r#"{"orderDetailsData":{"orderId":9223372036854775807}}"#;
        assert_eq!(known(ORDERS, wrapped), some(ModuleId::Orders, "9223372036854775807"));
        assert_eq!(known(ACCESS, r#"{"ticket_check_id":"17"}"#), Some((None, "17".to_owned())));
        for id in ["1.0", "1e3", "9223372036854775808", "99999999999999999999", "0", "-4", "\"007\"", "\"1e3\"", "true"]
        {
            assert_eq!(known(ORDERS, &format!("{{\"orderId\":{id}}}")), None, "{id}");
            assert_eq!(known(ACCESS, &format!("{{\"ticket_check_id\":{id}}}")), None, "{id}");
        }
        for id in ["\"\"", "\"a b\"", "\"123456789012345678901\"", "\"../x\"", "1.5", "{}", "null"] {
            assert_eq!(known(CONTACTS, &format!("{{\"contactNumber\":{id}}}")), None, "{id}");
        }
    }

    #[test]
    fn a_record_of_another_stream_is_none_of_this_s12() {
        let order = json!({"orderId": 7, "contactNumber": "5"});
        assert!(belongs(ORDERS, &order) && !belongs(CONTACTS, &order) && !belongs(ACCESS, &order));
        assert!(!belongs(CONTACTS, &json!({"orderDetailsData": {"orderId": 7}})));
        assert!(belongs(CONTACTS, &json!({"individualContact": {}})), "broken, but a contact");
    }

    #[test]
    fn an_absent_part_never_erases_a_known_one_s22() {
        let old = json!({"contactNumber": "5", "role": "PUBLIC", "individualContact": {"firstName": "Ada", "title": "MRS"},
            "addresses": [{"town": "Oslo"}]});
        let new =
            json!({"contactNumber": "5", "role": null, "individualContact": {"firstName": "Ada"}, "addresses": null});
        let after = merge(old.clone(), new);
        assert_eq!(after["addresses"], old["addresses"], "null is not sent either");
        assert_eq!(after["individualContact"], json!({"firstName": "Ada"}), "within a part, absent is gone");
        assert_eq!(after["role"], Value::Null);
        assert_eq!(merge(old, json!({"addresses": []}))["addresses"], json!([]), "an empty list was sent");
    }

    fn record() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<u8>().prop_map(Value::from),
            Just(json!([])),
            Just(json!([1])),
            Just(json!({"a": 1})),
            Just(json!({})),
        ];
        proptest::collection::btree_map("[a-e]", leaf, 0..5).prop_map(|map| Value::Object(map.into_iter().collect()))
    }

    proptest! {
        #[test]
        fn merging_the_same_again_changes_nothing_and_loses_no_part_s16_s22(old in record(), new in record()) {
            let once = merge(old.clone(), new.clone());
            prop_assert_eq!(merge(once.clone(), new.clone()), once.clone());
            for (name, value) in old.as_object().unwrap() {
                let part = value.is_object() || value.is_array();
                let sent = new.get(name).is_some_and(|new| !new.is_null());
                prop_assert!(!part || sent || once[name] == *value);
            }
        }
    }
}
