//! Contact e-mails: `mail.message` in the history of the contact, created as a record: nothing is sent.
//! `message_post` would escape the body (`contracts/crm.md` 6) and could notify followers.
//!
//! Measured: unless the sender is given, if only as empty, the message comes "from" the integration user;
//! Odoo takes scripts and event handlers out of the body. Whether iVvy delivered it has no place.

use super::super::place::{Mapped, Place};
use super::super::values::Shape;
use crate::model::ModuleId;

pub(super) fn place() -> Place {
    Place {
        archives: false,
        mapped: vec![
            Mapped::new("contact", "res_id", Shape::Document),
            Mapped::new("subject", "subject", Shape::Text),
            Mapped::new("from", "email_from", Shape::Text),
            Mapped::new("to", "outgoing_email_to", Shape::Text),
            Mapped::new("sent_at", "date", Shape::Instant),
            Mapped::new("body", "body", Shape::Text),
        ],
        at_creation: vec![
            ("model", "res.partner"),
            ("message_type", "email_outgoing"),
            ("email_from", ""),
            ("author_id/.id", ""),
        ],
        ..Place::new(ModuleId::ContactEmails, "mail.message")
    }
}
