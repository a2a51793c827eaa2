//! Contacts: what the account keeps, how a write overlays it, and how it is shown (contract 9).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::answer::{Refusal, loose_list, loose_text, or_null, plain, suffixed};
use super::custom::{self, CONTACT_FIELDS};
use super::params::{Form, Params, whole};
use super::world::{GROUPS, Record, World};
use crate::model::Timestamp;

/// A contact. Empty text means not set.
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
    /// Links kept by other systems, at most three, as written.
    pub external_urls: Vec<Value>,
    /// When consent to data processing was given, if it was.
    pub consent: Option<Timestamp>,
    /// Whether personal data was erased for good.
    pub anonymised: bool,
    /// `createdDate`, whole seconds.
    pub created: Timestamp,
    /// `modifiedDate`, whole seconds.
    pub modified: Timestamp,
}

/// Parameters of addOrUpdateContact. The documented table prints `LastName`; the examples, and this, do not.
pub(super) const PARAMS: &[&str] = &[
    "id",
    "externalId",
    "firstName",
    "lastName",
    "email",
    "phone",
    "groups",
    "customFields",
    "companies",
    "status",
    "smsStatus",
    "updateIfExists",
    "externalUrls",
    "privacyConsent",
];

impl Record for Contact {
    const OBJECT: &'static str = "contact";

    fn id(&self) -> u64 {
        self.id
    }

    fn set_id(&mut self, id: u64) {
        self.id = id;
    }

    fn external_id(&self) -> &str {
        &self.external_id
    }

    fn modified(&self) -> Timestamp {
        self.modified
    }

    fn stamp(&mut self, at: Timestamp, new: bool) {
        self.modified = at;
        if new {
            self.created = at;
        }
    }

    fn content(&self) -> Value {
        json!({
            "firstName": self.first_name,
            "lastName": self.last_name,
            "email": self.email,
            "phone": self.phone,
            "externalId": self.external_id,
            "status": self.status,
            "smsStatus": self.sms_status,
            "companies": self.companies,
            "groups": self.groups.keys().collect::<Vec<_>>(),
            "customFields": self.custom.iter().map(|(id, value)| json!([id, value])).collect::<Vec<_>>(),
            "externalUrls": self.external_urls,
            "privacyConsent": self.consent.is_some(),
            "isAnonymised": self.anonymised,
        })
    }
}

impl Contact {
    /// Whether the two are the same identity to iVvy: first name, last name and email, in any case.
    pub(super) fn same_identity(&self, other: &Self) -> bool {
        let folded = |text: &str| text.trim().to_lowercase();
        // The address first: it settles nearly every comparison without an allocation.
        self.email.trim().eq_ignore_ascii_case(other.email.trim())
            && folded(&self.first_name) == folded(&other.first_name)
            && folded(&self.last_name) == folded(&other.last_name)
    }

    /// Overlays what `params` names. Nothing is kept by the caller when this fails.
    pub(super) fn overlay(&mut self, params: &Params<'_>, world: &World, now: Timestamp) -> Result<(), Refusal> {
        let texts = [
            ("externalId", Form::Key, &mut self.external_id),
            ("firstName", Form::Filled, &mut self.first_name),
            ("lastName", Form::Filled, &mut self.last_name),
            ("email", Form::Email, &mut self.email),
            ("phone", Form::Phone, &mut self.phone),
        ];
        for (name, form, slot) in texts {
            if let Some(text) = params.text(name, form)? {
                *slot = text;
            }
        }
        if let Some(groups) = params.items("groups")? {
            self.groups = joined(groups, &self.groups, now)?;
        }
        custom::take(params, CONTACT_FIELDS, &mut self.custom)?;
        if let Some(companies) = params.ids("companies")? {
            if let Some(unknown) = companies.iter().find(|id| world.companies.get(**id).is_none()) {
                return Err(Refusal::invalid("companies", format!("companies: company {unknown} does not exist")));
            }
            self.companies = companies;
        }
        if let Some(status) = params.one_of("status", &[1, 2, 3, 5])? {
            self.status = status;
        }
        if let Some(status) = params.one_of("smsStatus", &[1, 2, 3, 4])? {
            self.sms_status = status;
        }
        links(params, &mut self.external_urls)?;
        match params.flag("privacyConsent")? {
            Some(true) => self.consent = Some(now.floor_second()),
            Some(false) => self.consent = None,
            None => {}
        }
        Ok(())
    }

    /// Erases what identifies the person.
    pub(super) fn anonymise(&mut self) {
        *self = Self {
            id: self.id,
            created: self.created,
            modified: self.modified,
            first_name: "Anonymised".into(),
            last_name: "Anonymised".into(),
            anonymised: true,
            status: 2,
            ..Self::default()
        };
    }

    /// A row of getContactList.
    pub(super) fn row(&self, world: &World) -> Value {
        let companies: Vec<_> = self.companies.iter().filter_map(|id| world.companies.get(*id)).collect();
        let group = |(id, at): (&u64, &Timestamp)| {
            let name = GROUPS.iter().find(|group| group.0 == *id).map(|group| group.1);
            json!({"contactId": self.id.to_string(), "groupId": id, "groupName": name, "joinDate": plain(*at)})
        };
        json!({
            "id": self.id,
            "firstName": self.first_name,
            "lastName": self.last_name,
            "email": self.email,
            "phone": loose_text(&self.phone),
            "privacyConsentData": match self.consent {
                Some(at) => json!({"source": "5", "dateTime": suffixed(at)}),
                None => json!({"source": null, "dateTime": ""}),
            },
            "customFields": custom::shown(CONTACT_FIELDS, &self.custom),
            "groups": loose_list(self.id, self.groups.iter().map(group).collect()),
            "companies": loose_list(self.id, companies.iter().map(|company| json!(company.id)).collect()),
            "companiesData": companies
                .iter()
                .map(|company| json!({"id": company.id.to_string(), "businessName": company.business_name}))
                .collect::<Vec<_>>(),
            "externalId": or_null(&self.external_id),
            "status": self.status,
            "createdDate": suffixed(self.created),
            "modifiedDate": plain(self.modified),
            "isAnonymised": u8::from(self.anonymised),
        })
    }

    /// The object of getContact: id as text, real booleans, the other date suffix.
    pub(super) fn detail(&self, world: &World) -> Value {
        let mut detail = self.row(world);
        let more = json!({
            "id": self.id.to_string(),
            "status": self.status.to_string(),
            "smsStatus": self.sms_status,
            "modifiedDate": suffixed(self.modified),
            "isAnonymised": self.anonymised,
            "eventInvitations": [],
            "eventRegistrations": [],
            "externalUrls": self.external_urls,
        });
        if let (Value::Object(detail), Value::Object(more)) = (&mut detail, more) {
            detail.extend(more);
        }
        detail
    }
}

/// The groups named, all others left; a group kept keeps its join date.
fn joined(
    items: &[Value],
    before: &BTreeMap<u64, Timestamp>,
    now: Timestamp,
) -> Result<BTreeMap<u64, Timestamp>, Refusal> {
    let mut groups = BTreeMap::new();
    for item in items {
        let id = item.get("groupId").and_then(whole).filter(|id| GROUPS.iter().any(|group| group.0 == *id));
        let Some(id) = id else { return Err(Refusal::invalid("groups", "groups: no such group")) };
        groups.insert(id, before.get(&id).copied().unwrap_or_else(|| now.floor_second()));
    }
    Ok(groups)
}

/// Takes `externalUrls`: null clears all, an entry without url removes its ref, at most three stay.
pub(super) fn links(params: &Params<'_>, urls: &mut Vec<Value>) -> Result<(), Refusal> {
    if !params.names("externalUrls") {
        return Ok(());
    }
    let Some(items) = params.items("externalUrls")? else {
        urls.clear();
        return Ok(());
    };
    for item in items {
        let Some(reference) = item.get("ref").and_then(Value::as_str) else {
            return Err(Refusal::invalid("externalUrls", "ref: is required"));
        };
        urls.retain(|url| url["ref"] != reference);
        if let Some(url) = item.get("url").and_then(Value::as_str) {
            urls.push(json!({"ref": reference, "url": url, "label": item.get("label")}));
        }
    }
    if urls.len() > 3 {
        return Err(Refusal::invalid("externalUrls", "externalUrls: at most three"));
    }
    Ok(())
}
