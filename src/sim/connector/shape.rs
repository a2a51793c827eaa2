//! What a save must look like (contract 1.4), element by element.
//!
//! The real hub validates little and expects its senders to. This one refuses everything a sender should
//! have caught. It looks nothing up: whether an owner exists is asked elsewhere.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::Serialize;
use strum::{Display, EnumIter, EnumString};

use super::error::Refusal;
use super::settings::Settings;
use super::xml::Element;

/// Elements of `userInfo` anybody may send, in the order of the samples.
pub const USER_ELEMENTS: &[&str] = &[
    "firstname",
    "lastname",
    "birthdate",
    "gender",
    "userStatus",
    "userType",
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
/// The only mandatory ones.
pub const MANDATORY: &[&str] = &["firstname", "lastname", "userStatus", "userType"];
/// The four ids of `providerInfo`.
const PROVIDER_INFO: &[&str] = &["identifier", "clientID", "clubID", "recordID"];

/// What the hub keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Display, EnumString, EnumIter, Serialize)]
#[serde(rename_all = "camelCase")]
#[strum(serialize_all = "camelCase")]
pub enum Resource {
    /// A prospect, member or former member.
    User,
    /// Somebody who works there.
    Staff,
    /// Where a lead came from.
    LeadSource,
}

impl Resource {
    /// Its name in the path.
    pub fn path(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Staff => "staff",
            Self::LeadSource => "leadsource",
        }
    }

    /// The element its bodies begin with.
    pub fn wrapper(self, settings: &Settings) -> &str {
        match self {
            Self::User => "user",
            Self::Staff => &settings.staff_wrapper,
            Self::LeadSource => "leadSource",
        }
    }

    /// The element its own values are in.
    pub fn body(self) -> &'static str {
        match self {
            Self::User | Self::Staff => "userInfo",
            // Not `leadSourceInfo` (contract 1.4).
            Self::LeadSource => "leadInfo",
        }
    }

    fn allowed(self, settings: &Settings) -> Vec<&str> {
        match self {
            Self::User => {
                let own = [settings.owner_element.as_str(), settings.source_element.as_str()];
                USER_ELEMENTS.iter().copied().chain(own).collect()
            }
            Self::Staff => USER_ELEMENTS.to_vec(),
            Self::LeadSource => vec!["name", "active"],
        }
    }
}

/// Whose record, and which: what a save is an upsert by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Key {
    /// The provider.
    pub identifier: String,
    /// Its client.
    pub client: String,
    /// The club of that client.
    pub club: String,
    /// The provider's own id of the record.
    pub record: String,
}

/// A save that has the right shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Save {
    /// Which record.
    pub key: Key,
    /// The values, by element name. Absent elements are absent here.
    pub values: BTreeMap<String, String>,
}

impl Save {
    /// Checks a body.
    ///
    /// # Errors
    /// VALIDATION for a wrong wrapper, unknown or missing elements and values that cannot be.
    pub fn read(root: &Element, resource: Resource, settings: &Settings) -> Result<Self, Refusal> {
        let wrapper = resource.wrapper(settings);
        if root.name != wrapper {
            return Err(Refusal::validation(format!("the body is no <{wrapper}>")));
        }
        only(root, &["providerInfo", resource.body()])?;
        let provider = root.child("providerInfo").ok_or_else(|| absent("providerInfo"))?;
        let key = key(provider)?;
        let body = root.child(resource.body()).ok_or_else(|| absent(resource.body()))?;
        only(body, &resource.allowed(settings))?;
        let mut values = BTreeMap::new();
        for element in &body.children {
            if !element.children.is_empty() {
                return Err(Refusal::validation(format!("<{}> holds elements", element.name)));
            }
            check(element, resource, settings)?;
            values.insert(element.name.clone(), element.text.clone());
        }
        let mandatory: &[&str] = if resource == Resource::LeadSource { &["name", "active"] } else { MANDATORY };
        for name in mandatory {
            if values.get(*name).is_none_or(|value| value.trim().is_empty()) {
                return Err(absent(name));
            }
        }
        Ok(Self { key, values })
    }
}

fn key(provider: &Element) -> Result<Key, Refusal> {
    only(provider, PROVIDER_INFO)?;
    let text = |name: &str| {
        let found = provider.text_of(name).filter(|text| !text.trim().is_empty());
        found.map(str::to_owned).ok_or_else(|| absent(name))
    };
    Ok(Key {
        identifier: text("identifier")?,
        client: text("clientID")?,
        club: text("clubID")?,
        record: text("recordID")?,
    })
}

fn check(element: &Element, resource: Resource, settings: &Settings) -> Result<(), Refusal> {
    let (name, text) = (element.name.as_str(), element.text.as_str());
    let fine = match name {
        "userStatus" => ["ACTIVE", "INACTIVE"].contains(&text),
        "userType" if resource == Resource::Staff => text == "STAFF",
        "userType" => ["PROSPECT", "MEMBER", "EX_MEMBER"].contains(&text),
        "birthdate" => text.len() == 10 && NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok(),
        "gender" => ["M", "F"].contains(&text),
        "country" => text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase()),
        "active" => ["true", "false"].contains(&text),
        // Without an owner the element is absent; an empty one says nothing.
        _ if name == settings.owner_element || name == settings.source_element => !text.trim().is_empty(),
        _ => true,
    };
    if fine { Ok(()) } else { Err(Refusal::validation(format!("<{name}> does not hold what it may"))) }
}

fn only(element: &Element, names: &[&str]) -> Result<(), Refusal> {
    match element.children.iter().find(|child| !names.contains(&child.name.as_str())) {
        Some(_) => Err(Refusal::validation(format!("<{}> has an element it does not know", element.name))),
        None if !element.text.trim().is_empty() => Err(Refusal::validation(format!("<{}> holds text", element.name))),
        None => Ok(()),
    }
}

fn absent(name: &str) -> Refusal {
    Refusal::validation(format!("<{name}> is missing or empty"))
}
