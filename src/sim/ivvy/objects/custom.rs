//! Custom field definitions and their values (contract 4 and 9).

use serde_json::{Map, Value, json};

use super::super::actions::{Action, Context};
use super::super::answer::{Refusal, parse_stamp};
use super::super::params::{Params, whole};

pub(super) const ACTIONS: &[Action] = &[
    Action::call("contact", "getCustomFieldDefinition", |params, context| {
        definitions(params, &context, CONTACT_FIELDS)
    }),
    Action::call("contact", "getCompanyCustomFieldDefinition", |params, context| {
        definitions(params, &context, COMPANY_FIELDS)
    }),
];

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
fn definitions(params: &Params<'_>, context: &Context<'_>, fields: &[Definition]) -> Result<Value, Refusal> {
    if context.settings.strict_params {
        params.only(&[])?;
    }
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
    Ok(fields.iter().enumerate().map(row).collect())
}

/// `customFields` of a record: every active field, unset ones in their odd shapes.
pub(super) fn shown(fields: &[Definition], kept: &Value) -> Value {
    let row = |field: &Definition| {
        let unset = match field.kind {
            3 => json!([""]),
            5 => json!(""),
            _ => Value::Null,
        };
        let value = kept.get(field.id.to_string()).cloned().unwrap_or(unset);
        json!({"fieldId": field.id, "displayName": field.title, "value": value})
    };
    fields.iter().filter(|field| field.active).map(row).collect()
}

/// Takes `customFields` of a write over what is kept; fields not named stay.
pub(super) fn take(params: &Params<'_>, fields: &[Definition], kept: &Value) -> Result<Option<Value>, Refusal> {
    let refuse = |why: String| Refusal::invalid("customFields", why);
    let Some(items) = params.items("customFields")? else { return Ok(None) };
    let mut values = kept.as_object().cloned().unwrap_or_default();
    for item in items {
        let id = item.get("fieldId").and_then(whole);
        let field = id.and_then(|id| fields.iter().find(|field| field.id == id && field.active));
        let Some(field) = field else { return Err(refuse("customFields: no such field".into())) };
        let Some(value) = item.get("value") else { return Err(refuse(format!("{}: has no value", field.title))) };
        let value = checked(field, value).ok_or_else(|| refuse(format!("{}: is not an allowed value", field.title)))?;
        if value.as_str() == Some("") || value.as_array().is_some_and(Vec::is_empty) {
            values.remove(&field.id.to_string());
        } else {
            values.insert(field.id.to_string(), value);
        }
    }
    // Equal contents are equal whatever the order of the writes that led there.
    values.sort_keys();
    Ok(Some(Value::Object(values)))
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
