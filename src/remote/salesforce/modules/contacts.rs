//! Contacts are contacts. Subscription groups are values of a multi-select picklist an administrator makes,
//! beside values that are none of ours.

use super::{Mapped, Place};
use crate::model::module::GROUPS;
use crate::remote::salesforce::Settings;
use crate::remote::salesforce::shape::Shape;

pub(super) fn place(settings: &Settings) -> Place {
    let fields = vec![
        Mapped::text("first_name", "FirstName"),
        Mapped::text("last_name", "LastName"),
        Mapped::text("email", "Email"),
        Mapped::text("phone", "Phone"),
        Mapped::text("company", "AccountId"),
    ];
    // The standard field is `HasOptedOutOfEmail`, which an administrator must have made visible.
    let optional = vec![("email_opt_out", Shape::Boolean), (GROUPS, Shape::SomeOf(settings.groups.clone()))];
    Place { mergeable: true, optional, ..Place::new("Contact", fields) }
}
