//! Contacts are contacts.

use super::{Mapped, Place};

pub(super) fn place() -> Place {
    let fields = vec![
        Mapped::text("first_name", "FirstName"),
        Mapped::text("last_name", "LastName"),
        Mapped::text("email", "Email"),
        Mapped::text("phone", "Phone"),
        Mapped::text("company", "AccountId"),
    ];
    Place { mergeable: true, ..Place::new("Contact", fields) }
}
