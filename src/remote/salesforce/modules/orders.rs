//! Orders are opportunities of whoever bought: a person's or a company's. As with registrations the contact is
//! given once. What an opportunity asks to be booked has no standard field (S-07).

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
        Mapped::text("lines", "Description"),
    ];
    Place {
        optional: vec![
            ("kind", Shape::Text),
            ("status", Shape::Text),
            // `CurrencyIsoCode` in an org with several currencies; in any other it does not exist.
            ("currency", Shape::Text),
            ("created_at", Shape::Instant),
            ("booking", Shape::Text),
            ("product", Shape::Text),
            ("performance", Shape::Text),
            ("quantity", Shape::Integer),
            ("unit_price", Shape::Decimal),
        ],
        ..Place::new("Opportunity", fields)
    }
}
