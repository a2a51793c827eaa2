//! E-mails are completed tasks of the contact, of the subtype Salesforce gives its own e-mails. The page
//! becomes text, and of the moment only the day is kept unless there is a custom field for it: nobody
//! compares an e-mail afterwards.

use serde_json::json;

use super::{Mapped, Place};
use crate::remote::salesforce::shape::Shape;

pub(super) fn place() -> Place {
    let fields = vec![
        Mapped::text("contact", "WhoId"),
        Mapped::text("subject", "Subject"),
        Mapped::new("sent_at", "ActivityDate", Shape::DayOf),
        Mapped::new("body", "Description", Shape::Page),
    ];
    Place {
        optional: vec![
            ("from", Shape::Text),
            ("to", Shape::Text),
            ("sent_at", Shape::Instant),
            ("success", Shape::Boolean),
        ],
        initial: vec![("Status", json!("Completed")), ("TaskSubtype", json!("Email"))],
        ..Place::new("Task", fields)
    }
}
