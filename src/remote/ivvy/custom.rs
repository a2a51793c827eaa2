//! Custom field values and definitions (`contracts/ivvy.md` 4 and 9).
//!
//! Only fields named in the configuration (`custom.<fieldId>`) enter a record. A value whose shape
//! does not fit its declared kind is kept raw when it is text and left absent otherwise.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

use super::loose;
use crate::model::{FieldDef, FieldKind, Fields, Value};
use crate::remote::FieldDefinition;

/// What stands before the field id in a catalogue name.
const PREFIX: &str = "custom.";

/// Reads `customFields` of one row into `fields`.
pub(super) fn read(rows: &[Json], known: &[FieldDef], fields: &mut Fields) {
    for row in rows {
        let Some(id) = row.get("fieldId").and_then(loose::as_id) else { continue };
        let name = format!("{PREFIX}{id}");
        let Some(def) = known.iter().find(|def| def.name == name.as_str()) else { continue };
        if let Some(value) = row.get("value").and_then(|json| read_value(def.kind, json)) {
            fields.insert(name, value);
        }
    }
}

fn read_value(kind: FieldKind, json: &Json) -> Option<Value> {
    match kind {
        FieldKind::Choices => {
            if let Json::String(text) = json {
                return Some(Value::Set(BTreeSet::from_iter((!text.is_empty()).then(|| text.clone()))));
            }
            // An unset multi-select arrives as `[""]`.
            let members = loose::as_list(json)?.into_iter().filter_map(|item| match loose::as_text(item)? {
                Value::Text(text) if !text.is_empty() => Some(text),
                _ => None,
            });
            Some(Value::Set(members.collect()))
        }
        FieldKind::Bool => loose::as_flag(json).map(Value::Bool).or_else(|| loose::as_text(json)),
        FieldKind::Int => loose::as_int(json).map(Value::Int).or_else(|| loose::as_text(json)),
        // A date arrives as a UTC timestamp. Midnight is the date itself; any other time is some
        // zone's midnight, and which zone is not told, so the text stays as it is.
        FieldKind::Date => match loose::as_stamp(json) {
            Some(at) if at.to_datetime().time() == chrono::NaiveTime::MIN => {
                Some(Value::Text(at.to_datetime().format("%Y-%m-%d").to_string()))
            }
            _ => loose::as_text(json),
        },
        _ => match json {
            Json::Object(map) if !map.is_empty() => Some(Value::Text(address_lines(map))),
            _ => loose::as_text(json),
        },
    }
}

/// An address as people write it, one part a line.
fn address_lines(map: &Map<String, Json>) -> String {
    const PARTS: [&str; 9] =
        ["line1", "line2", "line3", "line4", "city", "stateCode", "stateName", "postalCode", "countryCode"];
    let parts = PARTS.iter().filter_map(|part| match loose::as_text(map.get(*part)?)? {
        Value::Text(text) if !text.trim().is_empty() => Some(text),
        _ => None,
    });
    parts.collect::<Vec<_>>().join("\n")
}

/// The field id behind a configured catalogue name.
pub(super) fn field_id<'a>(name: &'a str, known: &[FieldDef]) -> Option<(&'a str, FieldKind)> {
    let id = name.strip_prefix(PREFIX)?;
    known.iter().find(|def| def.name == name).map(|def| (id, def.kind))
}

/// One entry of `customFields` in a write. Clearing sends `""`, and `[]` for a set; that iVvy reads
/// both as "no value" is unverified (`contracts/ivvy.md` 17.11) and proved by the read-back.
pub(super) fn write(id: &str, kind: FieldKind, value: &Value) -> Json {
    let value = match (kind, value) {
        (FieldKind::Choices, value) if value.is_empty() => json!([]),
        (FieldKind::Choices, Value::Text(text)) => json!([text]),
        (_, Value::Null) => json!(""),
        (_, value) => json!(value),
    };
    json!({ "fieldId": super::number_or_text(id), "value": value })
}

/// Reads the answer of either definition action. Definitions without an id are left out.
pub(super) fn definitions(answer: &Json) -> Option<Vec<FieldDefinition>> {
    Some(loose::as_list(answer)?.into_iter().filter_map(definition).collect())
}

fn definition(row: &Json) -> Option<FieldDefinition> {
    let id = row.get("fieldId").and_then(loose::as_id)?;
    let title = row.get("displayName").and_then(loose::as_text);
    let number = row.get("fieldType").and_then(loose::as_int);
    let kind = number.and_then(kind_of);
    let active = row.get("isActive").and_then(loose::as_flag).unwrap_or(true);
    let options = row.get("selectValues").and_then(loose::as_pairs).unwrap_or_default();
    Some(FieldDefinition {
        title: title.as_ref().and_then(Value::as_text).unwrap_or(id.as_str()).to_owned(),
        kind,
        writable: active && kind.is_some() && number != Some(ADDRESS),
        options: options
            .into_iter()
            .map(|(value, label)| {
                let label = loose::as_text(label).map(|label| label.to_string()).unwrap_or_default();
                (value, label)
            })
            .collect(),
        name: id.0,
    })
}

/// Field type of an address: shown as lines of text, but only written as an object, which no
/// catalogue field can hold.
const ADDRESS: i64 = 4;

fn kind_of(number: i64) -> Option<FieldKind> {
    match number {
        0 => Some(FieldKind::Text),
        1 | ADDRESS => Some(FieldKind::LongText),
        2 | 9 => Some(FieldKind::Choice),
        3 => Some(FieldKind::Choices),
        5 => Some(FieldKind::Date),
        8 => Some(FieldKind::Int),
        // 6 file, 7 static text, and whatever comes later.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(members: &[&str]) -> Value {
        Value::Set(members.iter().map(|&member| member.to_owned()).collect())
    }

    #[test]
    fn values_are_read_by_their_declared_kind() {
        let cases = [
            (FieldKind::Text, json!("x"), Some(Value::text("x"))),
            (FieldKind::Text, json!(7), Some(Value::text("7"))),
            (FieldKind::Text, json!(null), Some(Value::Null)),
            (FieldKind::Choices, json!(["b", "a"]), Some(set(&["a", "b"]))),
            (FieldKind::Choices, json!({"0": "a", "2": 5}), Some(set(&["5", "a"]))),
            (FieldKind::Choices, json!([""]), Some(set(&[]))),
            (FieldKind::Choices, json!("a"), Some(set(&["a"]))),
            (FieldKind::Choices, json!(7), None),
            (FieldKind::Int, json!("12"), Some(Value::Int(12))),
            (FieldKind::Int, json!("twelve"), Some(Value::text("twelve"))),
            (FieldKind::Bool, json!("0"), Some(Value::Bool(false))),
            (FieldKind::Date, json!("1985-03-17 00:00:00 UTC"), Some(Value::text("1985-03-17"))),
            (FieldKind::Date, json!("1985-03-17 23:00:00 UTC"), Some(Value::text("1985-03-17 23:00:00 UTC"))),
            (FieldKind::Date, json!(""), Some(Value::text(""))),
            (FieldKind::LongText, json!({"line1": "1 Ann St", "city": "Perth"}), Some(Value::text("1 Ann St\nPerth"))),
        ];
        for (kind, json, expected) in cases {
            assert_eq!(read_value(kind, &json), expected, "{kind:?} {json}");
        }
    }

    #[test]
    fn only_configured_fields_enter_a_record() {
        let known = [FieldDef::new("custom.12", "Diet", FieldKind::Text)];
        let rows = [json!({"fieldId": "12", "value": "vegan"}), json!({"fieldId": 13, "value": "x"}), json!(null)];
        let mut fields = Fields::new();
        read(&rows, &known, &mut fields);
        assert_eq!(fields, Fields::from([("custom.12".into(), "vegan".into())]));
    }

    #[test]
    fn writing_clears_with_an_empty_value() {
        assert_eq!(write("12", FieldKind::Text, &Value::Null), json!({"fieldId": 12, "value": ""}));
        assert_eq!(write("12", FieldKind::Choices, &set(&[])), json!({"fieldId": 12, "value": []}));
        assert_eq!(write("12", FieldKind::Choices, &set(&["a"])), json!({"fieldId": 12, "value": ["a"]}));
        assert_eq!(write("12", FieldKind::Int, &Value::Int(4)), json!({"fieldId": 12, "value": 4}));
    }

    #[test]
    fn every_field_type_has_its_kind() {
        let rows: Vec<Json> = (0..=10)
            .map(|number| json!({"fieldId": number + 1, "fieldType": number, "displayName": "F", "isActive": 1}))
            .collect();
        let kinds: Vec<_> =
            definitions(&json!(rows)).unwrap().iter().map(|field| (field.kind, field.writable)).collect();
        use FieldKind::{Choice, Choices, Date, Int, LongText, Text};
        assert_eq!(
            kinds,
            [
                (Some(Text), true),
                (Some(LongText), true),
                (Some(Choice), true),
                (Some(Choices), true),
                (Some(LongText), false),
                (Some(Date), true),
                (None, false),
                (None, false),
                (Some(Int), true),
                (Some(Choice), true),
                (None, false),
            ]
        );
    }

    #[test]
    fn options_keep_their_order_and_inactive_fields_are_not_writable() {
        let answer = json!([{"fieldId": "7", "fieldType": "2", "displayName": "Tier", "isActive": "0",
            "selectValues": {"z": "Gold", "a": 2}}, {"fieldId": 8, "fieldType": 2, "selectValues": ["No", "Yes"]}]);
        let fields = definitions(&answer).unwrap();
        assert_eq!(fields[0].options, [("z".into(), "Gold".into()), ("a".into(), "2".into())]);
        assert!(!fields[0].writable);
        assert_eq!(fields[1].options, [("0".into(), "No".into()), ("1".into(), "Yes".into())]);
        assert_eq!(fields[1].title, "8");
    }
}
