//! Events are campaigns. A campaign knows days, not instants: start and end are kept faithfully only in
//! custom fields, and then shown in the campaign's own days too.

use super::{Mapped, Place};
use crate::remote::salesforce::Settings;
use crate::remote::salesforce::shape::Shape;

pub(super) fn place(settings: &Settings) -> Place {
    let fields = vec![
        Mapped::text("name", "Name"),
        Mapped::new("status", "Status", Shape::Words(settings.event_statuses.clone())),
    ];
    Place {
        optional: vec![
            ("code", Shape::Text),
            ("starts_at", Shape::Instant),
            ("ends_at", Shape::Instant),
            ("website", Shape::Text),
        ],
        days: vec![("starts_at", "StartDate"), ("ends_at", "EndDate")],
        ..Place::new("Campaign", fields)
    }
}
