//! A person of the Connector's: the elements of `userInfo` (contract 1.4) ⇄ catalogue fields, and the form in which
//! people lie on the shelf.
//!
//! Elements nobody knows are kept and sent back with a save, which is the whole record there: the names of
//! some (a trial's dates) are not public.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::xml::Element;
use crate::error::Error;
use crate::model::module::IVVY_KEY;
use crate::model::{Fields, Fingerprint, ModuleId, Record, RecordId, Timestamp, Value};

/// Elements of `userInfo` in the order of the contract's samples.
const ORDER: &[&str] = &[
    "firstname",
    "lastname",
    "birthdate",
    "gender",
    USER_STATUS,
    USER_TYPE,
    "address1",
    "address2",
    "city",
    "zipcode",
    "state",
    "country",
    "mobile",
    "email",
    "homePhone",
    "workPhone",
    "company",
];
/// Elements only the Connector writes.
const READ_ONLY: [&str; 4] = ["createdBy", "createdDate", MODIFIED_BY, MODIFIED_DATE];
const MODIFIED_BY: &str = "modifiedBy";
const MODIFIED_DATE: &str = "modifiedDate";
const USER_TYPE: &str = "userType";
const USER_STATUS: &str = "userStatus";
/// Where a telephone number may stand, first things first.
const PHONES: [&str; 3] = ["mobile", "homePhone", "workPhone"];

const PROSPECT: &str = "PROSPECT";
const MEMBER: &str = "MEMBER";
/// The contract knows the concept, not the token (1.4).
const EX_MEMBER: &str = "EX_MEMBER";

/// Catalogue fields with an element of their own.
const TEXTS: [(&str, &str); 3] = [("first_name", "firstname"), ("last_name", "lastname"), ("email", "email")];

/// How the hub calls itself when it speaks for InTouch (contract 1.4).
pub const HUB: &str = "INTOUCH";

/// Names of the elements the contract does not tell; absent where they were not agreed on (C-07).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elements {
    /// Holds a prospect's owner.
    pub owner: Option<String>,
    /// Holds a prospect's lead source.
    pub source: Option<String>,
}

impl Elements {
    /// Refuses names that are none, or are taken.
    pub(super) fn check(&self) -> Result<(), Error> {
        for (key, name) in [("owner_element", &self.owner), ("source_element", &self.source)] {
            let Some(name) = name else { continue };
            let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            let letter = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
            if !plain || !letter || ORDER.contains(&name.as_str()) || READ_ONLY.contains(&name.as_str()) {
                return Err(Error::config(format!("crm.{key} is not the name of an element of its own"))
                    .hint("letters, digits and _, as InTouch said: owner_element = \"leadOwnerID\""));
            }
        }
        if self.owner.is_some() && self.owner == self.source {
            return Err(Error::config("crm.owner_element and crm.source_element are one name"));
        }
        Ok(())
    }

    fn of(&self, field: &str) -> Option<&str> {
        match field {
            "owner" => self.owner.as_deref(),
            "source" => self.source.as_deref(),
            _ => None,
        }
    }
}

/// Catalogue fields of `module` that the Connector holds.
pub(super) fn fields_of(module: ModuleId, elements: &Elements) -> Vec<String> {
    let mut names: Vec<&str> = TEXTS.iter().map(|(field, _)| *field).chain(["phone"]).collect();
    if module == ModuleId::Leads {
        names.push("company_name");
        names.extend(["owner", "source"].into_iter().filter(|field| elements.of(field).is_some()));
    }
    names.into_iter().map(str::to_owned).collect()
}

/// Whether a `userType` is a member's: one who was a member is still somebody we keep as a contact. `None` for a
/// type nobody knows.
pub fn member_type(user_type: &str) -> Option<bool> {
    match user_type.trim() {
        PROSPECT => Some(false),
        MEMBER | EX_MEMBER => Some(true),
        _ => None,
    }
}

/// The name under which a sender's own record lies on the shelf: provider, client, club and its id, so that none
/// is ever taken for another's.
pub fn kept_id(provider: &str, client: &str, club: &str, record: &str) -> String {
    // As JSON, because ids are opaque: no character separates them safely.
    serde_json::json!([provider, client, club, record]).to_string()
}

/// A person as they lie on the shelf.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// The elements of `userInfo` that hold something, by name. Owner and source are ids on the CRM side.
    pub values: BTreeMap<String, String>,
    /// The Connector's own id, as it answered a save. Never an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// The Connector saved this person with us.
    pub told: bool,
    /// The prospect has become a member.
    pub converted: bool,
}

impl Kept {
    /// A row of the shelf; `None` if it is none of ours.
    pub fn read(body: &str) -> Option<Self> {
        serde_json::from_str(body).ok()
    }

    /// As a row of the shelf holds it.
    pub fn body(&self) -> String {
        // Invariant: maps of text serialise without error.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The person in a `userInfo` element: what holds text, read-only elements but the last author and time
    /// left out.
    pub fn of_info(info: &Element) -> Self {
        let held = info.children.iter().filter(|element| element.children.is_empty());
        let values =
            held.map(|element| (element.name.clone(), element.text.trim().to_owned())).filter(|(name, text)| {
                let last = name == MODIFIED_BY || name == MODIFIED_DATE;
                !text.is_empty() && (last || !READ_ONLY.contains(&name.as_str()))
            });
        Self { values: values.collect(), ..Self::default() }
    }

    /// One value; empty when there is none.
    pub fn value(&self, element: &str) -> &str {
        self.values.get(element).map_or("", String::as_str)
    }

    /// Whether they are, or were, a member.
    pub fn is_member(&self) -> bool {
        member_type(self.value(USER_TYPE)).unwrap_or_default()
    }

    /// Whether their type is one we know.
    pub(super) fn has_type(&self) -> bool {
        member_type(self.value(USER_TYPE)).is_some()
    }

    /// Whether the Connector says that this is an older state than `other`. Not where either has no time.
    pub(super) fn is_older_than(&self, other: &Self) -> bool {
        let time = |kept: &Self| kept.value(MODIFIED_DATE).parse::<Timestamp>().ok();
        matches!((time(self), time(other)), (Some(own), Some(other)) if own < other)
    }

    /// A token of what can be changed of the person: another one, and somebody has changed it.
    pub(super) fn version(&self) -> String {
        let own = self.values.iter().filter(|(name, _)| !READ_ONLY.contains(&name.as_str()));
        let own: BTreeMap<&String, &String> = own.collect();
        // Invariant: maps of text serialise without error.
        Fingerprint::of_bytes(&serde_json::to_vec(&own).unwrap_or_default()).to_string()
    }

    /// Everything personal of them, as it may come back in an error's text.
    pub(super) fn values_sent(&self) -> Fields {
        let own = self.values.iter().filter(|(name, _)| ![USER_TYPE, USER_STATUS].contains(&name.as_str()));
        own.map(|(name, value)| (name.clone(), Value::text(value.as_str()))).collect()
    }

    /// Makes sure of the type of `module`, and of a status.
    pub(super) fn make(&mut self, module: ModuleId) {
        let user_type = if module == ModuleId::Leads { PROSPECT } else { MEMBER };
        self.values.insert(USER_TYPE.to_owned(), user_type.to_owned());
        self.values.entry(USER_STATUS.to_owned()).or_insert_with(|| "ACTIVE".to_owned());
    }

    /// Lays values of ours over the person. Of what is empty the element goes: the Connector is told nothing
    /// rather than an empty owner (C-13).
    pub(super) fn lay(&mut self, module: ModuleId, patch: &Fields, elements: &Elements) -> Result<(), String> {
        for (field, value) in patch {
            let element = self.element(module, field, elements).ok_or(format!("{field} has no place there"))?;
            let text = match value {
                Value::Null => String::new(),
                Value::Text(text) => text.trim().to_owned(),
                _ => return Err(format!("{field} must be text")),
            };
            match text.is_empty() {
                true => self.values.remove(&element),
                false => self.values.insert(element, text),
            };
        }
        // The four the Connector insists on: the other two are always there.
        for (element, title) in [("firstname", "a first name"), ("lastname", "a last name")] {
            if self.value(element).is_empty() {
                return Err(format!("{title} is missing, and the Connector takes nobody without"));
            }
        }
        Ok(())
    }

    /// The element that holds `field`, for a change.
    fn element(&self, module: ModuleId, field: &str, elements: &Elements) -> Option<String> {
        if let Some((_, element)) = TEXTS.iter().find(|(name, _)| *name == field) {
            return Some((*element).to_owned());
        }
        match field {
            "phone" => Some(self.phone().unwrap_or(PHONES[0]).to_owned()),
            "company_name" => Some("company".to_owned()),
            _ if module == ModuleId::Leads => elements.of(field).map(str::to_owned),
            _ => None,
        }
    }

    /// The element with the telephone number that counts.
    fn phone(&self) -> Option<&'static str> {
        PHONES.into_iter().find(|element| !self.value(element).is_empty())
    }

    /// The person as a record of `module`. A save is the whole person, so what is not there is empty.
    pub(super) fn record(&self, module: ModuleId, id: &RecordId, at: Timestamp, elements: &Elements) -> Record {
        let mut fields = Fields::new();
        for field in fields_of(module, elements) {
            let text = self.element(module, &field, elements).map(|element| self.value(&element)).unwrap_or_default();
            fields.insert(field, if text.is_empty() { Value::Null } else { Value::text(text) });
        }
        fields.insert(IVVY_KEY.to_owned(), Value::text(id.as_str()));
        let converted = module == ModuleId::Leads && (self.converted || self.is_member());
        Record {
            id: id.clone(),
            fields,
            modified: Some(at),
            version: Some(self.version()),
            author: self.values.get(MODIFIED_BY).cloned(),
            archived: self.value(USER_STATUS) == "INACTIVE",
            person: converted.then(|| id.clone()),
            converted,
            ..Record::default()
        }
    }

    /// `userInfo` for a save: the known elements in the contract's order, then the rest.
    pub(super) fn info(&self, elements: &Elements) -> Element {
        let own = [elements.owner.as_deref(), elements.source.as_deref()];
        let first: Vec<&str> = ORDER.iter().copied().chain(own.into_iter().flatten()).collect();
        let rest = self.values.keys().map(String::as_str).filter(|name| !first.contains(name));
        let rest: Vec<&str> = rest.filter(|name| !READ_ONLY.contains(name)).collect();
        let leaves = first.iter().chain(&rest).filter(|name| !self.value(name).is_empty());
        Element::parent("userInfo", leaves.map(|name| Element::leaf(name, self.value(name))))
    }
}
