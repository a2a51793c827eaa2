//! Contacts are contacts.

use super::{Mapped, Place};
use crate::remote::salesforce::shape::Shape;

pub(super) fn place() -> Place {
    let fields = vec![
        Mapped::text("first_name", "FirstName"),
        Mapped::text("last_name", "LastName"),
        Mapped::text("email", "Email"),
        Mapped::text("phone", "Phone"),
        Mapped::text("company", "AccountId"),
    ];
    // The standard field is `HasOptedOutOfEmail`, which an administrator must have made visible.
    Place { mergeable: true, optional: vec![("email_opt_out", Shape::Boolean)], ..Place::new("Contact", fields) }
}
