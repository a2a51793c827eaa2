//! What single objects insist on beyond the types of their fields: campaign members, opportunities with
//! their contacts, converted leads; and which records go, or move, with another one.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::error::Refusal;
use super::id::SfId;
use super::org::{Author, Org, Version};
use super::schema::{MEMBER_STATUSES, Object};
use crate::model::Timestamp;

type Fields = BTreeMap<String, Value>;

/// Gives a new record its defaults and its owner.
pub(super) fn complete(org: &Org, object: &Object, fields: &mut Fields, creator: &SfId) {
    for field in &object.fields {
        if let Some(default) = &field.default {
            fields.entry(field.name.clone()).or_insert_with(|| default.clone());
        }
    }
    if object.field("OwnerId").is_some() {
        fields.entry("OwnerId".to_owned()).or_insert_with(|| json!(creator.as_str()));
    }
    if object.name == "CampaignMember" && fields.get("Status").is_none_or(Value::is_null) {
        let default = id(fields, "CampaignId").and_then(|campaign| {
            let mut statuses = statuses(org, &campaign);
            statuses.find(|status| status.get("IsDefault") == Some(&json!(true)))?.get("Label").cloned()
        });
        fields.extend(default.map(|label| ("Status".to_owned(), label)));
    }
}

/// The rules of a new record's object.
///
/// # Errors
/// In Salesforce's codes.
pub(super) fn check_new(org: &Org, object: &str, fields: &Fields) -> Result<(), Refusal> {
    match object {
        "CampaignMember" => new_member(org, fields),
        "Task" => unconverted(org, fields, "WhoId"),
        "OpportunityContactRole" => new_role(org, fields),
        _ => Ok(()),
    }
}

/// Whether the record takes changes at all.
///
/// # Errors
/// `CANNOT_UPDATE_CONVERTED_LEAD`.
pub(super) fn check_open(org: &Org, object: &str, id: &SfId) -> Result<(), Refusal> {
    if object == "Lead" && is_converted(org, id) {
        return Err(Refusal::new("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead"));
    }
    Ok(())
}

/// The rules of a change.
///
/// # Errors
/// In Salesforce's codes.
pub(super) fn check_change(org: &Org, object: &str, own: &SfId, fields: &Fields) -> Result<(), Refusal> {
    match object {
        "CampaignMember" => {
            let member = org.committed(object, own);
            let campaign = member.and_then(|member| id(&member.fields, "CampaignId"));
            match (campaign, fields.get("Status")) {
                (Some(campaign), Some(status)) => known_status(org, &campaign, status),
                _ => Ok(()),
            }
        }
        "Task" => unconverted(org, fields, "WhoId"),
        "Account" => no_circle(org, own, fields),
        _ => Ok(()),
    }
}

/// An account stands neither above itself nor beside itself in its own line of parents.
fn no_circle(org: &Org, own: &SfId, fields: &Fields) -> Result<(), Refusal> {
    let mut above = id(fields, "ParentId");
    while let Some(account) = above {
        if account == *own {
            let text = "attempt to create a circular account hierarchy";
            return Err(Refusal::of_fields("CIRCULAR_DEPENDENCY", text, &["ParentId"]));
        }
        above = org.committed("Account", &account).and_then(|account| id(&account.fields, "ParentId"));
    }
    Ok(())
}

fn new_member(org: &Org, fields: &Fields) -> Result<(), Refusal> {
    let people = ["ContactId", "LeadId"].map(|name| id(fields, name).map(|person| (name, person)));
    let (name, person) = match people {
        [Some(one), None] | [None, Some(one)] => one,
        [None, None] => {
            let text = "Required fields are missing: [ContactId or LeadId]";
            return Err(Refusal::of_fields("REQUIRED_FIELD_MISSING", text, &["ContactId", "LeadId"]));
        }
        [Some(_), Some(_)] => {
            let text = "A campaign member is a contact or a lead, not both";
            return Err(Refusal::of_fields("FIELD_INTEGRITY_EXCEPTION", text, &["ContactId", "LeadId"]));
        }
    };
    unconverted(org, fields, "LeadId")?;
    let Some(campaign) = id(fields, "CampaignId") else { return Ok(()) };
    let twin = org.children("CampaignMember", &person).into_iter().find(|member| {
        org.committed("CampaignMember", member).is_some_and(|member| {
            id(&member.fields, "CampaignId").as_ref() == Some(&campaign)
                && id(&member.fields, name).as_ref() == Some(&person)
        })
    });
    if twin.is_some() {
        return Err(Refusal::new("DUPLICATE_VALUE", "Already a campaign member."));
    }
    known_status(org, &campaign, fields.get("Status").unwrap_or(&Value::Null))
}

fn known_status(org: &Org, campaign: &SfId, status: &Value) -> Result<(), Refusal> {
    if statuses(org, campaign).any(|known| known.get("Label") == Some(status)) {
        return Ok(());
    }
    let text = format!("Status: bad value for restricted picklist field: {}", status.as_str().unwrap_or("null"));
    Err(Refusal::of_fields("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", text, &["Status"]))
}

fn new_role(org: &Org, fields: &Fields) -> Result<(), Refusal> {
    let (Some(opportunity), contact) = (id(fields, "OpportunityId"), id(fields, "ContactId")) else { return Ok(()) };
    let roles = org.children("OpportunityContactRole", &opportunity);
    let held =
        |role: &SfId| org.committed("OpportunityContactRole", role).and_then(|role| id(&role.fields, "ContactId"));
    if roles.iter().any(|role| held(role) == contact) {
        return Err(Refusal::new("DUPLICATE_VALUE", "duplicate value found: the contact has a role already"));
    }
    Ok(())
}

/// A converted lead can no longer be pointed at.
fn unconverted(org: &Org, fields: &Fields, name: &str) -> Result<(), Refusal> {
    if id(fields, name).is_some_and(|lead| is_converted(org, &lead)) {
        return Err(Refusal::of_fields("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead", &[name]));
    }
    Ok(())
}

fn is_converted(org: &Org, lead: &SfId) -> bool {
    org.committed("Lead", lead).is_some_and(|lead| lead.fields.get("IsConverted") == Some(&json!(true)))
}

/// What the org does of itself when a record was made: a campaign gets its answers, an opportunity the
/// role of its contact, and a primary role the opportunity.
pub(super) fn after_creation(org: &mut Org, object: &'static str, new: &SfId, author: &Author, now: Timestamp) {
    let mark = org.mark();
    match object {
        "Campaign" => {
            for (order, (label, responded)) in MEMBER_STATUSES.into_iter().enumerate() {
                let fields = [
                    ("CampaignId", json!(new.as_str())),
                    ("Label", json!(label)),
                    ("HasResponded", json!(responded)),
                    ("IsDefault", json!(order == 0)),
                    ("SortOrder", json!(order + 1)),
                ];
                org.insert("CampaignMemberStatus", named(fields), author, now);
            }
        }
        "Opportunity" => {
            let contact = org.committed(object, new).and_then(|made| id(&made.fields, "ContactId"));
            if let Some(contact) = contact {
                let role = [
                    ("OpportunityId", json!(new.as_str())),
                    ("ContactId", json!(contact.as_str())),
                    ("IsPrimary", json!(true)),
                ];
                org.insert("OpportunityContactRole", named(role), author, now);
            }
        }
        "OpportunityContactRole" => become_primary(org, new, author, now),
        _ => {}
    }
    org.derive_from(mark);
}

/// What the org does of itself when a record was changed: a role may have become the primary one.
pub(super) fn after_change(org: &mut Org, object: &'static str, changed: &SfId, author: &Author, now: Timestamp) {
    if object == "OpportunityContactRole" {
        let mark = org.mark();
        become_primary(org, changed, author, now);
        org.derive_from(mark);
    }
}

/// At most one role of an opportunity is primary, and the opportunity shows whose.
fn become_primary(org: &mut Org, role: &SfId, author: &Author, now: Timestamp) {
    const ROLE: &str = "OpportunityContactRole";
    let Some(fields) = org.committed(ROLE, role).map(|role| role.fields.clone()) else { return };
    let (true, Some(opportunity), Some(contact)) =
        (fields.get("IsPrimary") == Some(&json!(true)), id(&fields, "OpportunityId"), id(&fields, "ContactId"))
    else {
        return;
    };
    for other in org.children(ROLE, &opportunity).into_iter().filter(|other| other != role) {
        org.change(ROLE, &other, named([("IsPrimary", json!(false))]), author, now);
    }
    org.change("Opportunity", &opportunity, named([("ContactId", json!(contact.as_str()))]), author, now);
}

/// Whether a member's status counts as a response.
pub(super) fn has_responded(org: &Org, member: &Version) -> bool {
    let Some(campaign) = id(&member.fields, "CampaignId") else { return false };
    statuses(org, &campaign).any(|status| {
        status.get("Label") == member.fields.get("Status") && status.get("HasResponded") == Some(&json!(true))
    })
}

fn statuses<'a>(org: &'a Org, campaign: &SfId) -> impl Iterator<Item = &'a Fields> {
    let statuses = org.children("CampaignMemberStatus", campaign).into_iter();
    statuses.filter_map(|status| Some(&org.committed("CampaignMemberStatus", &status)?.fields))
}

/// The objects whose records go with one of `object` that they point at.
pub(super) fn parts(object: &str) -> &'static [&'static str] {
    match object {
        "Account" => &["Contact", "Opportunity"],
        "Contact" => &["CampaignMember", "OpportunityContactRole", "Task"],
        "Lead" => &["CampaignMember", "Task"],
        "Campaign" => &["CampaignMember", "CampaignMemberStatus"],
        "Opportunity" => &["OpportunityContactRole"],
        _ => &[],
    }
}

/// Before a deletion: accounts below the one that goes stand for themselves.
pub(super) fn let_go(org: &mut Org, object: &str, parent: &SfId, author: &Author, now: Timestamp) {
    if object == "Account" {
        for child in org.children(object, parent) {
            org.change("Account", &child, named([("ParentId", Value::Null)]), author, now);
        }
    }
}

/// After a merge of people or companies: what pointed at the loser points at the survivor, except where
/// the survivor has the same already.
pub(super) fn move_children(org: &mut Org, loser: &SfId, survivor: &SfId, author: &Author, now: Timestamp) {
    for part in ["Account", "Contact", "Opportunity", "CampaignMember", "OpportunityContactRole", "Task"] {
        for child in org.children(part, loser) {
            if child == *survivor {
                // What stood below the loser cannot stand below itself.
                org.change(part, &child, named([("ParentId", Value::Null)]), author, now);
                continue;
            }
            let Some(fields) = org.committed(part, &child).map(|child| child.fields.clone()) else { continue };
            let pointing = fields.iter().filter(|(_, value)| value.as_str() == Some(loser.as_str()));
            let moved: Fields = pointing.map(|(name, _)| (name.clone(), json!(survivor.as_str()))).collect();
            let mut after = fields.clone();
            after.extend(moved.clone());
            let doubled = matches!(part, "CampaignMember" | "OpportunityContactRole")
                && check_new(org, part, &after).is_err_and(|refusal| refusal.reasons[0].code == "DUPLICATE_VALUE");
            if doubled {
                org.remove(part, &child, None, author, now);
            } else {
                org.change(part, &child, moved, author, now);
            }
        }
    }
}

fn named<const N: usize>(fields: [(&str, Value); N]) -> Fields {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn id(fields: &Fields, name: &str) -> Option<SfId> {
    SfId::parse(fields.get(name)?.as_str()?)
}
