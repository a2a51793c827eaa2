//! Quotes and bookings are opportunities of the company's account. As with registrations the contact is
//! given once.

use super::{Mapped, Place};
use crate::remote::salesforce::Settings;
use crate::remote::salesforce::shape::Shape;

pub(super) fn place(settings: &Settings) -> Place {
    let fields = vec![
        Mapped::text("name", "Name"),
        Mapped::text("contact", "ContactId").once(),
        Mapped::text("company", "AccountId"),
        Mapped::new("stage", "StageName", Shape::Words(settings.stages.clone())),
        Mapped::new("amount", "Amount", Shape::Decimal),
        Mapped::new("close_date", "CloseDate", Shape::Day),
    ];
    Place {
        optional: vec![
            ("code", Shape::Text),
            ("status", Shape::Text),
            ("outstanding", Shape::Decimal),
            // `CurrencyIsoCode` in an org with several currencies; in any other it does not exist.
            ("currency", Shape::Text),
            ("starts_at", Shape::Instant),
            ("ends_at", Shape::Instant),
            ("confidential", Shape::Boolean),
        ],
        ..Place::new("Opportunity", fields)
    }
}
