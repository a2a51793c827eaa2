//! Campaigns, who belongs to them, and the answers each of them knows.

use super::{Field, Kind, Object, ivvy_key, owner, system_fields};

/// The answers an administrator prepares for every campaign: label, whether it is a response.
pub const MEMBER_STATUSES: [(&str, bool); 7] = [
    ("Invited", false),
    ("Accepted", true),
    ("Declined", true),
    ("Registered", true),
    ("Attended", true),
    ("Session attended", true),
    ("No-show", false),
];

const CAMPAIGN: Kind = Kind::Reference { to: "Campaign", relationship: "Campaign" };

pub(super) fn campaign() -> Object {
    let status = Kind::picklist(&["Planned", "In Progress", "Completed", "Aborted"]);
    let mut fields = vec![
        Field::system("Id", Kind::Id),
        Field::new("Name", Kind::Text(80)).required(),
        Field::new("Status", status).or("Planned"),
        Field::new("StartDate", Kind::Date),
        Field::new("EndDate", Kind::Date),
        Field::new("IsActive", Kind::Boolean),
        Field::new("Description", Kind::TextArea(32_000)),
        owner(),
        Field::new("Ivvy_Code__c", Kind::Text(80)),
        Field::new("Ivvy_Website__c", Kind::Url),
        Field::new("Ivvy_Starts__c", Kind::DateTime),
        Field::new("Ivvy_Ends__c", Kind::DateTime),
        ivvy_key(),
    ];
    fields.extend(system_fields());
    Object { name: "Campaign", plural: "Campaigns", prefix: "701", read_only: false, fields }
}

pub(super) fn member() -> Object {
    let person = |name: &str, to, relationship| Field::new(name, Kind::Reference { to, relationship }).at_creation();
    let mut fields = vec![
        Field::system("Id", Kind::Id),
        Field::new("CampaignId", CAMPAIGN).required().at_creation(),
        person("ContactId", "Contact", "Contact"),
        person("LeadId", "Lead", "Lead"),
        // One of the campaign's own labels: `rules` knows which.
        Field::new("Status", Kind::Text(255)),
        Field::system("HasResponded", Kind::Boolean),
        Field::new("Ivvy_Invited__c", Kind::Boolean),
        ivvy_key(),
    ];
    fields.extend(system_fields());
    Object { name: "CampaignMember", plural: "Campaign Members", prefix: "00v", read_only: false, fields }
}

pub(super) fn member_status() -> Object {
    let mut fields = vec![
        Field::system("Id", Kind::Id),
        Field::new("CampaignId", CAMPAIGN).required().at_creation(),
        Field::new("Label", Kind::Text(255)).required(),
        Field::new("HasResponded", Kind::Boolean),
        Field::new("IsDefault", Kind::Boolean),
        Field::new("SortOrder", Kind::Double),
    ];
    fields.extend(system_fields());
    let plural = "Campaign Member Statuses";
    Object { name: "CampaignMemberStatus", plural, prefix: "01Y", read_only: true, fields }
}
