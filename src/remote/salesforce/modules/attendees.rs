//! Attendees are campaign members: one per campaign and contact, both of which are given once. Their
//! status is one of the labels an administrator has prepared for the campaign; nobody else can add one.

use super::{Mapped, Place};
use crate::remote::salesforce::Settings;
use crate::remote::salesforce::shape::Shape;

pub(super) fn place(settings: &Settings) -> Place {
    let fields = vec![
        Mapped::text("event", "CampaignId").once(),
        Mapped::text("contact", "ContactId").once(),
        Mapped::new("status", "Status", Shape::Words(settings.member_statuses.clone())),
    ];
    Place {
        optional: vec![("name", Shape::Text), ("email", Shape::Text), ("invited", Shape::Boolean)],
        unique: &["event", "contact"],
        ..Place::new("CampaignMember", fields)
    }
}
