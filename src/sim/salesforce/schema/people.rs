//! People and the companies they work for: accounts, contacts, leads and the org's users.

use super::{Field, Kind, Object, ivvy_key, owner, suggestions, system_fields};

pub(super) fn account() -> Object {
    let mut fields = vec![
        Field::system("Id", Kind::Id),
        Field::system("MasterRecordId", Kind::Reference { to: "Account", relationship: "MasterRecord" }),
        Field::new("Name", Kind::Text(255)).required(),
        Field::new("ParentId", Kind::Reference { to: "Account", relationship: "Parent" }),
        Field::new("Phone", Kind::Phone),
        Field::new("Website", Kind::Url),
        Field::new("Description", Kind::TextArea(32_000)),
        Field::new("BillingStreet", Kind::TextArea(255)),
        Field::new("BillingCity", Kind::Text(40)),
        Field::new("BillingState", Kind::Text(80)),
        Field::new("BillingPostalCode", Kind::Text(20)),
        Field::new("BillingCountry", Kind::Text(80)),
        Field::new("NumberOfEmployees", Kind::Double),
        Field::new("Email__c", Kind::Email),
        ivvy_key(),
    ];
    fields.extend(system_fields());
    Object { name: "Account", plural: "Accounts", prefix: "001", read_only: false, fields }
}

pub(super) fn contact() -> Object {
    let mut fields = vec![
        Field::system("Id", Kind::Id),
        Field::system("MasterRecordId", Kind::Reference { to: "Contact", relationship: "MasterRecord" }),
        Field::new("AccountId", Kind::Reference { to: "Account", relationship: "Account" }),
        Field::new("LastName", Kind::Text(80)).required(),
        Field::new("FirstName", Kind::Text(40)),
        Field::system("Name", Kind::Text(121)),
        Field::new("Title", Kind::Text(128)),
        Field::new("Email", Kind::Email),
        Field::new("Phone", Kind::Phone),
        Field::new("MobilePhone", Kind::Phone),
        Field::new("Description", Kind::TextArea(32_000)),
        Field::new("MailingStreet", Kind::TextArea(255)),
        Field::new("MailingCity", Kind::Text(40)),
        Field::new("MailingState", Kind::Text(80)),
        Field::new("MailingPostalCode", Kind::Text(20)),
        Field::new("MailingCountry", Kind::Text(80)),
        Field::new("HasOptedOutOfEmail", Kind::Boolean),
        lead_source(),
        Field::new("Diet__c", Kind::picklist(&["None", "Vegetarian", "Vegan", "Gluten free", "Halal", "Kosher"])),
        Field::new("Tags__c", Kind::multi_picklist(&["VIP", "Speaker", "Sponsor", "Press", "Alumni", "Newsletter"])),
        ivvy_key(),
    ];
    fields.extend(system_fields());
    Object { name: "Contact", plural: "Contacts", prefix: "003", read_only: false, fields }
}

pub(super) fn lead() -> Object {
    let converted = |name: &str, to, relationship| Field::system(name, Kind::Reference { to, relationship });
    let status = Kind::picklist(&["Open - Not Contacted", "Working - Contacted", "Closed - Converted"]);
    let mut fields = vec![
        Field::system("Id", Kind::Id),
        Field::system("MasterRecordId", Kind::Reference { to: "Lead", relationship: "MasterRecord" }),
        Field::new("LastName", Kind::Text(80)).required(),
        Field::new("FirstName", Kind::Text(40)),
        Field::system("Name", Kind::Text(121)),
        Field::new("Company", Kind::Text(255)).required(),
        Field::new("Email", Kind::Email),
        Field::new("Phone", Kind::Phone),
        Field::new("Description", Kind::TextArea(32_000)),
        Field::new("Status", status).required().or("Open - Not Contacted"),
        lead_source(),
        owner(),
        Field::system("IsConverted", Kind::Boolean),
        Field::system("ConvertedDate", Kind::Date),
        converted("ConvertedAccountId", "Account", "ConvertedAccount"),
        converted("ConvertedContactId", "Contact", "ConvertedContact"),
        converted("ConvertedOpportunityId", "Opportunity", "ConvertedOpportunity"),
        Field::new("Ivvy_Name__c", Kind::Text(255)),
        ivvy_key(),
    ];
    fields.extend(system_fields());
    Object { name: "Lead", plural: "Leads", prefix: "00Q", read_only: false, fields }
}

/// Not restricted, unless a test replaces it by one that is.
fn lead_source() -> Field {
    let kind =
        suggestions(&["Web", "Website", "Trade Show", "Phone Inquiry", "Partner Referral", "Purchased List", "Other"]);
    Field { inactive: vec!["Fax".to_owned()], ..Field::new("LeadSource", kind) }
}

pub(super) fn user() -> Object {
    let mut fields = vec![
        Field::system("Id", Kind::Id),
        Field::system("Username", Kind::Text(80)),
        Field::system("LastName", Kind::Text(80)),
        Field::system("FirstName", Kind::Text(40)),
        Field::system("Name", Kind::Text(121)),
        Field::system("Email", Kind::Email),
        Field::system("IsActive", Kind::Boolean),
    ];
    // A User is never deleted, only deactivated, so it has no IsDeleted.
    fields.extend(system_fields().into_iter().filter(|field| field.name != "IsDeleted"));
    Object { name: "User", plural: "Users", prefix: "005", read_only: true, fields }
}
