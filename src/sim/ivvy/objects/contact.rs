//! Contacts (contract 9).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::actions::Action;
use super::super::answer::{Refusal, loose_list, parse_stamp, plain, suffixed};
use super::super::object::{Codes, Field, Kind, Look, Object, PLAIN, Property, Scene};
use super::super::params::{Form, Params, whole};
use super::super::row::Row;
use super::super::world::World;
use super::custom::{self, CONTACT_FIELDS};
use super::{event, links};
use crate::model::Timestamp;

/// The documented table prints `LastName`; the examples, and this, do not.
pub(in super::super) static CONTACT: Object = Object {
    name: "contact",
    first_id: 25_001,
    fields: &[&[
        Field::of("id", Kind::Id).single(Look::Text),
        Field::of("externalId", Kind::Text(Form::Key)).look(Look::OrNull),
        Field::of("firstName", Kind::Text(Form::Filled)).required(),
        Field::of("lastName", Kind::Text(Form::Filled)).required(),
        Field::of("email", Kind::Text(Form::Email)).required(),
        Field::of("phone", Kind::Text(Form::Phone)).look(Look::Digits),
        Field::of("groups", Kind::Own(join_groups, show_groups)),
        Field::of("customFields", Kind::Own(take_custom, show_custom)),
        Field::of("companies", Kind::Links("company")),
        Field::shown("companiesData", show_companies),
        Field::of("status", Kind::Code(&[1, 2, 3, 5])).single(Look::Text),
        Field::of("smsStatus", Kind::Code(&[1, 2, 3, 4])).only_single(),
        Field::of("externalUrls", Kind::Own(links::take, links::show)).only_single(),
        Field::of("privacyConsent", Kind::Own(take_consent, |_, _| Value::Null)).look(Look::Absent),
        Field::shown("privacyConsentData", show_consent),
        Field::of("createdDate", Kind::Created).look(Look::Utc),
        Field::of("modifiedDate", Kind::Modified).single(Look::Utc),
        Field::of("isAnonymised", Kind::Flag).fixed().look(Look::Bit).single(Look::Plain),
        Field::shown("eventInvitations", event::invitations_of).only_single(),
        Field::shown("eventRegistrations", event::registrations_of).only_single(),
    ]],
    filters: &[
        Property::From("fromModifiedDate", "modifiedDate"),
        Property::To("toModifiedDate", "modifiedDate"),
        Property::Field("externalId"),
        Property::Foreign("venueId"),
        Property::Foreign("venueGroupId"),
        Property::Linked("companyId", "companies"),
    ],
    codes: Codes { missing: 24096, ..PLAIN.codes },
    same: Some(same_identity),
    rules: |row, before, scene| {
        if before.is_none() {
            row.default_to("status", 1);
            row.default_to("smsStatus", 1);
        }
        if !row.flag("isAnonymised") {
            return Ok(());
        }
        if scene.by_user {
            anonymise(row);
            return Ok(());
        }
        Err(Refusal::polite("The contact is anonymised"))
    },
};

pub(in super::super) const ACTIONS: &[Action] = &[
    Action::list("contact", "getContactList", &CONTACT).requiring(&["perPage", "start"]),
    Action::read("contact", "getContact", &CONTACT).taking(&["useEventSortOrder"]),
    Action::write("contact", "addOrUpdateContact", &CONTACT),
];

/// Whether the two are the same identity to iVvy: first name, last name and email, in any case.
fn same_identity(one: &Row, other: &Row) -> bool {
    let folded = |row: &Row, name: &str| row.text(name).trim().to_lowercase();
    // The address first: it settles nearly every comparison without an allocation.
    one.text("email").trim().eq_ignore_ascii_case(other.text("email").trim())
        && folded(one, "firstName") == folded(other, "firstName")
        && folded(one, "lastName") == folded(other, "lastName")
}

/// Erases what identifies the person.
fn anonymise(row: &mut Row) {
    row.clear();
    row.set("firstName", "Anonymised");
    row.set("lastName", "Anonymised");
    row.set("status", 2);
    row.set("isAnonymised", true);
}

/// `groups`: the ones named, all others left; a group kept keeps its join date.
fn join_groups(params: &Params<'_>, row: &Row, scene: &Scene<'_>) -> Result<Option<Value>, Refusal> {
    let Some(items) = params.items("groups")? else { return Ok(None) };
    let mut groups = Map::new();
    for item in items {
        let id = item.get("groupId").and_then(whole).filter(|id| scene.world.get("group", *id).is_some());
        let Some(id) = id else { return Err(Refusal::invalid("groups", "groups: no such group")) };
        groups.insert(id.to_string(), joined(row, id, scene.now));
    }
    groups.sort_keys();
    Ok(Some(Value::Object(groups)))
}

/// When the contact joined the group, which is now unless it is a member.
pub(super) fn joined(row: &Row, group: u64, now: Timestamp) -> Value {
    row.get("groups").get(group.to_string()).cloned().unwrap_or_else(|| json!(plain(now)))
}

fn show_groups(row: &Row, world: &World) -> Value {
    let group = |(id, at): (&String, &Value)| {
        let id: u64 = id.parse().unwrap_or_default();
        let name = world.get("group", id).map(|group| group.text("groupName"));
        json!({"contactId": row.id.to_string(), "groupId": id, "groupName": name, "joinDate": at})
    };
    loose_list(row.id, row.get("groups").as_object().into_iter().flatten().map(group).collect())
}

fn show_companies(row: &Row, world: &World) -> Value {
    let companies = row.items("companies").iter().filter_map(|id| world.get("company", id.as_u64()?));
    companies
        .map(|company| json!({"id": company.id.to_string(), "businessName": company.text("businessName")}))
        .collect()
}

fn take_custom(params: &Params<'_>, row: &Row, _: &Scene<'_>) -> Result<Option<Value>, Refusal> {
    custom::take(params, CONTACT_FIELDS, row.get("customFields"))
}

fn show_custom(row: &Row, _: &World) -> Value {
    custom::shown(CONTACT_FIELDS, row.get("customFields"))
}

/// Consent is kept as the moment it was given.
fn take_consent(params: &Params<'_>, row: &Row, scene: &Scene<'_>) -> Result<Option<Value>, Refusal> {
    let given = params.flag("privacyConsent")?;
    Ok(given.map(|given| match given {
        true if row.get("privacyConsent").is_null() => json!(plain(scene.now)),
        true => row.get("privacyConsent").clone(),
        false => Value::Null,
    }))
}

fn show_consent(row: &Row, _: &World) -> Value {
    match parse_stamp(row.text("privacyConsent")) {
        Some(at) => json!({"source": "5", "dateTime": suffixed(at)}),
        None => json!({"source": null, "dateTime": ""}),
    }
}

/// A contact as tests and demonstrations see it. Empty text means not set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contact {
    /// iVvy's id; 0 before it is stored.
    pub id: u64,
    /// `firstName`.
    pub first_name: String,
    /// `lastName`.
    pub last_name: String,
    /// `email`.
    pub email: String,
    /// `phone`.
    pub phone: String,
    /// `externalId`: the counterpart's id.
    pub external_id: String,
    /// 1 subscribed, 2 unsubscribed, 3 bounced, 4 registering, 5 no marketing.
    pub status: u64,
    /// 1 subscribed, 2 unsubscribed, 3 failed, 4 no marketing.
    pub sms_status: u64,
    /// Companies linked, in order.
    pub companies: Vec<u64>,
    /// Subscription groups and when the contact joined.
    pub groups: BTreeMap<u64, Timestamp>,
    /// Custom field values by field id.
    pub custom: BTreeMap<u64, Value>,
    /// Whether personal data was erased for good.
    pub anonymised: bool,
    /// `createdDate`, whole seconds.
    pub created: Timestamp,
    /// `modifiedDate`, whole seconds.
    pub modified: Timestamp,
}

impl From<Contact> for Row {
    fn from(contact: Contact) -> Self {
        let groups: Map<String, Value> =
            contact.groups.iter().map(|(id, at)| (id.to_string(), json!(plain(*at)))).collect();
        let custom: Map<String, Value> =
            contact.custom.into_iter().map(|(id, value)| (id.to_string(), value)).collect();
        Row::new(contact.id, contact.created, contact.modified)
            .with("firstName", contact.first_name)
            .with("lastName", contact.last_name)
            .with("email", contact.email)
            .with("phone", contact.phone)
            .with("externalId", contact.external_id)
            .with("status", contact.status)
            .with("smsStatus", contact.sms_status)
            .with("companies", contact.companies)
            .with("groups", groups)
            .with("customFields", custom)
            .with("isAnonymised", contact.anonymised)
    }
}

impl From<&Row> for Contact {
    fn from(row: &Row) -> Self {
        let text = |name: &str| row.text(name).to_owned();
        let group = |(id, at): (&String, &Value)| Some((id.parse().ok()?, parse_stamp(at.as_str()?)?));
        let custom = |(id, value): (&String, &Value)| Some((id.parse().ok()?, value.clone()));
        Self {
            id: row.id,
            first_name: text("firstName"),
            last_name: text("lastName"),
            email: text("email"),
            phone: text("phone"),
            external_id: text("externalId"),
            status: row.whole("status").unwrap_or_default(),
            sms_status: row.whole("smsStatus").unwrap_or_default(),
            companies: row.items("companies").iter().filter_map(Value::as_u64).collect(),
            groups: row.get("groups").as_object().into_iter().flatten().filter_map(group).collect(),
            custom: row.get("customFields").as_object().into_iter().flatten().filter_map(custom).collect(),
            anonymised: row.flag("isAnonymised"),
            created: row.created,
            modified: row.modified,
        }
    }
}
