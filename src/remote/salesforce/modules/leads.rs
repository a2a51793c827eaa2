//! Leads are leads. Salesforce wants a company and an owner for each, and has no name apart from the
//! person's: the name of an iVvy lead is kept only in a custom field.
//!
//! A lead that somebody converted can still be read, and names the contact it became; Salesforce refuses to
//! change it.

use serde_json::json;

use super::{Mapped, Place};
use crate::remote::salesforce::shape::Shape;

/// What Salesforce users write for a lead without a company.
const NO_COMPANY: &str = "[not provided]";

pub(super) fn place() -> Place {
    let fields = vec![
        Mapped::text("first_name", "FirstName"),
        Mapped::text("last_name", "LastName"),
        Mapped::text("email", "Email"),
        Mapped::text("phone", "Phone"),
        Mapped::new("company_name", "Company", Shape::Filled(NO_COMPANY)),
        Mapped::text("description", "Description"),
        Mapped::new("owner", "OwnerId", Shape::Owner),
        Mapped::text("source", "LeadSource"),
    ];
    Place {
        mergeable: true,
        optional: vec![("name", Shape::Text)],
        initial: vec![("Company", json!(NO_COMPANY))],
        also_read: &["IsConverted", "ConvertedContactId"],
        ..Place::new("Lead", fields)
    }
}
