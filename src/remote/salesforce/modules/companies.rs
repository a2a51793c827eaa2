//! Companies are accounts. Salesforce has no e-mail address for them, and two ways of keeping a country.

use super::{Mapped, Place};
use crate::remote::salesforce::Settings;

pub(super) fn place(settings: &Settings) -> Place {
    let mut fields = vec![
        Mapped::text("name", "Name"),
        Mapped::text("phone", "Phone"),
        Mapped::text("website", "Website"),
        Mapped::text("street", "BillingStreet"),
        Mapped::text("city", "BillingCity"),
        Mapped::text("postal_code", "BillingPostalCode"),
        Mapped::text("country", &settings.country_field),
        Mapped::text("parent", "ParentId"),
    ];
    fields.extend(settings.email_field.as_ref().map(|field| Mapped::text("email", field)));
    Place { mergeable: true, ..Place::new("Account", fields) }
}
