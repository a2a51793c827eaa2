//! Opportunities, the contacts in them, and what has been done with people: tasks.

use super::{Field, Kind, Object, ivvy_key, owner, system_fields};

pub(super) fn opportunity() -> Object {
    let stages = Kind::picklist(&[
        "Prospecting",
        "Qualification",
        "Needs Analysis",
        "Value Proposition",
        "Id. Decision Makers",
        "Perception Analysis",
        "Proposal/Price Quote",
        "Negotiation/Review",
        "Closed Won",
        "Closed Lost",
    ]);
    let mut fields = vec![
        Field::system("Id", Kind::Id),
        Field::new("Name", Kind::Text(120)).required(),
        Field::new("StageName", stages).required(),
        Field::new("CloseDate", Kind::Date).required(),
        Field::new("Amount", Kind::Currency),
        Field::new("AccountId", Kind::Reference { to: "Account", relationship: "Account" }),
        Field::new("CampaignId", Kind::Reference { to: "Campaign", relationship: "Campaign" }),
        // Makes the primary contact role; afterwards only the role can be changed.
        Field::new("ContactId", Kind::Reference { to: "Contact", relationship: "Contact" }).at_creation(),
        Field::new("Description", Kind::TextArea(32_000)),
        owner(),
        Field::new("Ivvy_Code__c", Kind::Text(80)),
        Field::new("Ivvy_Status__c", Kind::Text(40)),
        Field::new("Ivvy_Paid__c", Kind::Currency),
        Field::new("Ivvy_Outstanding__c", Kind::Currency),
        Field::new("Ivvy_Currency__c", Kind::Text(3)),
        Field::new("Ivvy_Kind__c", Kind::Text(40)),
        Field::new("Ivvy_Created__c", Kind::DateTime),
        Field::new("Ivvy_Starts__c", Kind::DateTime),
        Field::new("Ivvy_Ends__c", Kind::DateTime),
        Field::new("Ivvy_Exhibitor__c", Kind::Boolean),
        Field::new("Ivvy_Confidential__c", Kind::Boolean),
        ivvy_key(),
    ];
    fields.extend(system_fields());
    Object { name: "Opportunity", plural: "Opportunities", prefix: "006", read_only: false, fields }
}

pub(super) fn contact_role() -> Object {
    let point = |name: &str, to, relationship| Field::new(name, Kind::Reference { to, relationship }).required();
    let mut fields = vec![
        Field::system("Id", Kind::Id),
        point("OpportunityId", "Opportunity", "Opportunity").at_creation(),
        point("ContactId", "Contact", "Contact").at_creation(),
        Field::new("Role", Kind::picklist(&["Business User", "Decision Maker", "Evaluator", "Influencer", "Other"])),
        Field::new("IsPrimary", Kind::Boolean),
    ];
    fields.extend(system_fields());
    let plural = "Opportunity Contact Roles";
    Object { name: "OpportunityContactRole", plural, prefix: "00K", read_only: false, fields }
}

pub(super) fn task() -> Object {
    let status = Kind::picklist(&["Not Started", "In Progress", "Completed", "Waiting on someone else", "Deferred"]);
    let mut fields = vec![
        Field::system("Id", Kind::Id),
        Field::new("WhoId", Kind::Polymorphic(&["Contact", "Lead"])),
        Field::new("WhatId", Kind::Polymorphic(&["Account", "Opportunity", "Campaign"])),
        Field::new("Subject", Kind::Text(255)),
        Field::new("Description", Kind::TextArea(32_000)),
        Field::new("ActivityDate", Kind::Date),
        Field::new("Status", status).required().or("Not Started"),
        Field::new("Priority", Kind::picklist(&["High", "Normal", "Low"])).required().or("Normal"),
        Field::new("TaskSubtype", Kind::picklist(&["Task", "Email", "Call", "ListEmail"])).at_creation().or("Task"),
        owner(),
        Field::new("Ivvy_Sent__c", Kind::DateTime),
        Field::new("Ivvy_From__c", Kind::Text(255)),
        Field::new("Ivvy_To__c", Kind::TextArea(255)),
        ivvy_key(),
    ];
    fields.extend(system_fields());
    Object { name: "Task", plural: "Tasks", prefix: "00T", read_only: false, fields }
}
