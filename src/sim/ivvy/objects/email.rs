//! The log of emails the account sent (contract 10). Nothing can be written into it.

use serde_json::{Value, json};

use super::super::actions::Action;
use super::super::answer::Refusal;
use super::super::object::{Field, Kind, Look, Object, PLAIN, Property, Scene};
use super::super::params::Params;
use super::super::row::Row;

pub(in super::super) static EMAIL: Object = Object {
    name: "email",
    first_id: 90_001,
    fields: &[&[
        Field::of("id", Kind::Id).look(Look::Text),
        Field::of("contactId", Kind::Whole).look(Look::Text),
        Field::of("userId", Kind::Whole),
        Field::of("eventId", Kind::Whole),
        Field::of("type", Kind::Whole),
        Field::of("refType", Kind::Whole).look(Look::Text),
        Field::of("refId", Kind::Whole),
        Field::text("from"),
        Field::text("to"),
        Field::text("bcc"),
        Field::text("subject"),
        Field::html("body"),
        // Another user can order a body of so many bytes, more than a control call could carry.
        Field::of("bodyBytes", Kind::Own(take_size, |_, _| Value::Null)).look(Look::Absent),
        Field::of("sentTime", Kind::Stamp).look(Look::Utc),
        Field::of("success", Kind::Flag).look(Look::Bit),
    ]],
    filters: &[Property::Inferred("sentTime"), Property::Inferred("id"), Property::Inferred("contactId")],
    rules: |row, _, _| {
        if let Some(bytes) = row.whole("bodyBytes") {
            row.set("body", body_of(bytes));
            row.set("bodyBytes", Value::Null);
        }
        Ok(())
    },
    ..PLAIN
};

pub(in super::super) const ACTIONS: &[Action] = &[Action::list("account", "getEmailLogList", &EMAIL)];

/// Largest body made to order.
const LARGEST: u64 = 64 * 1024 * 1024;

fn take_size(params: &Params<'_>, _: &Row, _: &Scene<'_>) -> Result<Option<Value>, Refusal> {
    match params.whole("bodyBytes")? {
        Some(bytes) if bytes > LARGEST => Err(Refusal::invalid("bodyBytes", "bodyBytes: too large")),
        bytes => Ok(bytes.map(|bytes| json!(bytes))),
    }
}

/// HTML of exactly that many bytes.
fn body_of(bytes: u64) -> String {
    const FRAME: (&str, &str) = ("<html><body><p>", "</p></body></html>");
    let filling = usize::try_from(bytes).unwrap_or(0).saturating_sub(FRAME.0.len() + FRAME.1.len());
    let words = "Thank you for your enquiry. ";
    let mut body = String::from(FRAME.0);
    body.extend(words.chars().cycle().take(filling));
    body + FRAME.1
}
