//! Registrations are opportunities of the event's campaign. The contact is given once: Salesforce makes
//! it the primary contact role, which is changed in the roles from then on.

use super::{Mapped, Place};
use crate::remote::salesforce::Settings;
use crate::remote::salesforce::shape::Shape;

pub(super) fn place(settings: &Settings) -> Place {
    let fields = vec![
        Mapped::text("name", "Name"),
        Mapped::text("contact", "ContactId").once(),
        Mapped::text("event", "CampaignId"),
        Mapped::new("stage", "StageName", Shape::Words(settings.stages.clone())),
        Mapped::new("amount", "Amount", Shape::Decimal),
        Mapped::new("close_date", "CloseDate", Shape::Day),
    ];
    Place {
        optional: vec![
            ("status", Shape::Text),
            ("exhibitor", Shape::Boolean),
            ("paid", Shape::Decimal),
            ("paid_in_full", Shape::Boolean),
            // `CurrencyIsoCode` in an org with several currencies; in any other it does not exist.
            ("currency", Shape::Text),
        ],
        ..Place::new("Opportunity", fields)
    }
}
