//! Custom field definitions and their values (contract 4 and 9).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::answer::{Refusal, parse_stamp};
use super::params::{Params, whole};

/// A custom field of contacts or of companies.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    pub id: u64,
    /// 0 small text, 1 large text, 2 single select, 3 multi select, 4 address, 5 date, 6 file, 7 static
    /// text, 8 whole number, 9 large select.
    pub kind: u8,
    pub title: &'static str,
    pub active: bool,
    pub options: &'static [(&'static str, &'static str)],
}

/// Contact fields, one per kind that behaves differently.
pub(super) const CONTACT_FIELDS: &[Definition] = &[
    Definition { id: 101, kind: 0, title: "Dietary needs", active: true, options: &[] },
    Definition {
        id: 102,
        kind: 2,
        title: "Badge",
        active: true,
        options: &[("g", "Guest"), ("s", "Speaker"), ("c", "Crew")],
    },
    Definition { id: 103, kind: 3, title: "Interests", active: true, options: &[("1", "Wine"), ("2", "Golf & Spa")] },
    Definition { id: 104, kind: 5, title: "Birthday", active: true, options: &[] },
    Definition { id: 105, kind: 8, title: "Loyalty points", active: true, options: &[] },
    Definition { id: 106, kind: 7, title: "Please fill in everything", active: true, options: &[] },
    Definition { id: 107, kind: 6, title: "Portrait", active: true, options: &[] },
    Definition { id: 108, kind: 1, title: "Retired remark", active: false, options: &[] },
];

/// Company fields.
pub(super) const COMPANY_FIELDS: &[Definition] = &[
    Definition { id: 201, kind: 0, title: "Cost code", active: true, options: &[] },
    Definition { id: 202, kind: 9, title: "Segment", active: true, options: &[("mice", "MICE"), ("wed", "Weddings")] },
    Definition { id: 203, kind: 1, title: "House rules", active: true, options: &[] },
];

/// The bare array of the definition actions.
pub(super) fn definitions(fields: &[Definition]) -> Value {
    let row = |(index, field): (usize, &Definition)| {
        let options: Map<String, Value> = field.options.iter().map(|(v, label)| ((*v).into(), json!(label))).collect();
        let select = matches!(field.kind, 2 | 3 | 9);
        json!({
            // Ids as text on this endpoint.
            "fieldId": field.id.to_string(),
            "fieldType": field.kind,
            "displayName": field.title,
            "isRequired": 0,
            "isActive": field.active,
            "sortOrder": index + 1,
            "selectValues": if select { Value::Object(options) } else if field.kind == 0 { Value::Null } else { json!([]) },
            "fileTypes": if field.kind == 6 { json!(["jpg", "png"]) } else { Value::Null },
        })
    };
    fields.iter().enumerate().map(row).collect()
}

/// `customFields` of a record: every active field, unset ones in their odd shapes.
pub(super) fn shown(fields: &[Definition], values: &BTreeMap<u64, Value>) -> Value {
    let row = |field: &Definition| {
        let unset = match field.kind {
            3 => json!([""]),
            5 => json!(""),
            _ => Value::Null,
        };
        let value = values.get(&field.id).cloned().unwrap_or(unset);
        json!({"fieldId": field.id, "displayName": field.title, "value": value})
    };
    fields.iter().filter(|field| field.active).map(row).collect()
}

/// Takes `customFields` of a write into `values`; fields not named stay.
pub(super) fn take(
    params: &Params<'_>,
    fields: &[Definition],
    values: &mut BTreeMap<u64, Value>,
) -> Result<(), Refusal> {
    let refuse = |why: String| Refusal::invalid("customFields", why);
    for item in params.items("customFields")?.into_iter().flatten() {
        let id = item.get("fieldId").and_then(whole);
        let field = id.and_then(|id| fields.iter().find(|field| field.id == id && field.active));
        let Some(field) = field else { return Err(refuse("customFields: no such field".into())) };
        let Some(value) = item.get("value") else { return Err(refuse(format!("{}: has no value", field.title))) };
        let value = checked(field, value).ok_or_else(|| refuse(format!("{}: is not an allowed value", field.title)))?;
        if value.as_str() == Some("") || value.as_array().is_some_and(Vec::is_empty) {
            values.remove(&field.id);
        } else {
            values.insert(field.id, value);
        }
    }
    Ok(())
}

/// The value as kept, or nothing if the field cannot hold it.
fn checked(field: &Definition, value: &Value) -> Option<Value> {
    let offered = |text: &str| text.is_empty() || field.options.iter().any(|(option, _)| *option == text);
    match field.kind {
        0 | 1 => value.as_str().map(|text| json!(text)),
        2 | 9 => value.as_str().filter(|text| offered(text)).map(|text| json!(text)),
        3 => {
            let texts: Option<Vec<&str>> = value.as_array()?.iter().map(Value::as_str).collect();
            let texts: Vec<&str> = texts?.into_iter().filter(|text| !text.is_empty()).collect();
            texts.iter().all(|text| offered(text)).then(|| json!(texts))
        }
        4 => value.as_object().map(|address| Value::Object(address.clone())),
        5 => {
            let text = value.as_str()?;
            let full = if text.len() == 10 { format!("{text} 00:00:00") } else { text.to_owned() };
            // Kept as a time stamp even for dates, with the suffix, as the real one answers.
            (text.is_empty() || parse_stamp(&full).is_some()).then(|| match text.is_empty() {
                true => json!(""),
                false => json!(format!("{} UTC", full.trim_end_matches(" UTC"))),
            })
        }
        8 => match value.as_str() {
            Some("") => Some(json!("")),
            _ => whole(value).map(|number| json!(number.to_string())),
        },
        _ => None,
    }
}
