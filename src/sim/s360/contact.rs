//! One contact, in the shape of `getContactData` (contract 2.3).
//!
//! Known from the contract: the outer members, those of an address and of an authorization, and `firstName`,
//! `lastName`, `title` of a person. Our own choice: `individualContact.dateOfBirth`,
//! `structureContact.name`, `structureContactNumber` (on a relay: its structure), the members of a
//! communication means (`type`, `value`, `main`), all lengths the contract does not give, times as RFC 3339 in
//! UTC, the words in `createdFrom`, the role `RELAY`. When saving, an absent member stays, null empties it, and a list replaces the list.
//!
//! It refuses to show when a contact was changed: no document knows such a member.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use strum::{EnumIter, EnumString, IntoStaticStr};

use super::answer::Refusal;
use super::shape::{Holds, Member, may, must, overlay, read_list};
use crate::model::Timestamp;

/// A part of a contact that can be asked for, and the member it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, EnumString, EnumIter, IntoStaticStr)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum Detail {
    /// Everything that is not a part of its own.
    General,
    /// `addresses`.
    Addresses,
    /// `authorizations`: opt-ins.
    Authorizations,
    /// `contactCriteria`: the institution's own classification.
    Criteria,
    /// `contactConnections`.
    Connections,
    /// `contactQualities`.
    Qualities,
    /// `indicators`.
    Indicators,
    /// `advantages`.
    Advantages,
    /// `financialData`.
    Financial,
    /// `communicationMeans`: email addresses and telephone numbers.
    ComMeans,
}

impl Detail {
    /// The member it is; `None` for [`Detail::General`].
    fn member(self) -> Option<&'static str> {
        match self {
            Self::General => None,
            Self::Addresses => Some("addresses"),
            Self::Authorizations => Some("authorizations"),
            Self::Criteria => Some("contactCriteria"),
            Self::Connections => Some("contactConnections"),
            Self::Qualities => Some("contactQualities"),
            Self::Indicators => Some("indicators"),
            Self::Advantages => Some("advantages"),
            Self::Financial => Some("financialData"),
            Self::ComMeans => Some("communicationMeans"),
        }
    }

    /// The part `member` belongs to.
    fn of(member: &str) -> Self {
        use strum::IntoEnumIterator as _;
        Self::iter().find(|detail| detail.member() == Some(member)).unwrap_or(Self::General)
    }
}

/// A person or a structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Individual,
    Structure,
}

impl Kind {
    /// The member that holds what only this kind has.
    pub fn member(self) -> &'static str {
        match self {
            Self::Individual => "individualContact",
            Self::Structure => "structureContact",
        }
    }

    fn shape(self) -> &'static [Member] {
        match self {
            Self::Individual => INDIVIDUAL,
            Self::Structure => STRUCTURE,
        }
    }
}

const INDIVIDUAL: &[Member] = &[
    may("title", Holds::Title),
    may("firstName", Holds::Text(200)),
    must("lastName", Holds::Text(200)),
    may("dateOfBirth", Holds::Day),
];

const STRUCTURE: &[Member] = &[must("name", Holds::Text(200))];

const ADDRESS: &[Member] = &[
    may("contactAddressId", Holds::Whole),
    may("main", Holds::Flag),
    may("billingAddress", Holds::Flag),
    may("shippingAddress", Holds::Flag),
    may("name", Holds::Text(100)),
    may("street1", Holds::Text(100)),
    may("street2", Holds::Text(100)),
    may("street3", Holds::Text(100)),
    may("street4", Holds::Text(100)),
    may("town", Holds::Text(100)),
    may("zipCode", Holds::Text(8)),
    must("countryCode", Holds::Country),
];

const AUTHORIZATION: &[Member] = &[must("authorizationCode", Holds::Text(8)), must("allowed", Holds::Flag)];

const MEANS: &[Member] = &[
    must("type", Holds::OneOf(&["EMAIL", "MOBILE", "PHONE"])),
    must("value", Holds::Text(200)),
    may("main", Holds::Flag),
];

/// What only other users can change, kept as it is.
const BY_USER: &[&str] = &[
    "contactCriteria",
    "contactConnections",
    "contactQualities",
    "indicators",
    "advantages",
    "financialData",
    "createdFrom",
    "endValidityDate",
    "hasWarning",
    "hasAdvantages",
];

/// A contact as stored.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Contact {
    /// `contactNumber`, the public key.
    pub number: String,
    pub kind: Kind,
    /// When it was changed last. Never shown.
    pub modified: Timestamp,
    /// All its members.
    doc: Map<String, Value>,
}

/// A change about to be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change<'a> {
    pub given: &'a Map<String, Value>,
    /// Whether another user makes it, who may touch more members.
    pub by_user: bool,
    pub at: Timestamp,
    /// The next address gets this id.
    pub address_id: i64,
}

impl Contact {
    /// An empty contact that lacks its name still.
    pub fn new(number: String, id: u64, kind: Kind, at: Timestamp, from: &str) -> Self {
        let mut doc = Map::new();
        doc.insert("contactNumber".into(), json!(number));
        doc.insert("contactId".into(), json!(id));
        doc.insert("role".into(), json!("PUBLIC"));
        doc.insert(kind.member().into(), json!({}));
        for (name, value) in [
            ("createdFrom", json!(from)),
            ("creationDate", json!(at)),
            ("endValidityDate", Value::Null),
            ("hasWarning", json!(false)),
            ("hasAdvantages", json!(false)),
            ("financialData", json!({})),
        ] {
            doc.insert(name.into(), value);
        }
        for list in ["addresses", "authorizations", "contactCriteria", "contactConnections", "contactQualities"] {
            doc.insert(list.into(), json!([]));
        }
        for list in ["indicators", "advantages", "communicationMeans"] {
            doc.insert(list.into(), json!([]));
        }
        Self { number, kind, modified: at, doc }
    }

    /// The parts asked for. The number is always among them.
    pub fn show(&self, details: &[Detail]) -> Value {
        let wanted = |name: &str| name == "contactNumber" || details.contains(&Detail::of(name));
        let members = self.doc.iter().filter(|(name, _)| wanted(name));
        Value::Object(members.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// All of it.
    pub fn whole(&self) -> Value {
        Value::Object(self.doc.clone())
    }

    /// The structure a relay belongs to.
    pub fn structure(&self) -> Option<&str> {
        self.doc.get("structureContactNumber").and_then(Value::as_str)
    }

    /// Makes it the relay of another structure, for merges.
    pub fn relay_of(&mut self, structure: &str) {
        self.doc.insert("structureContactNumber".into(), json!(structure));
    }

    /// Its email addresses.
    pub fn emails(&self) -> impl Iterator<Item = &str> {
        let means = self.doc.get("communicationMeans").and_then(Value::as_array).into_iter().flatten();
        means.filter(|one| one["type"] == "EMAIL").filter_map(|one| one["value"].as_str())
    }

    /// Changes it. Ids of addresses are taken from `change.address_id` on; returns how many.
    ///
    /// # Errors
    /// Whatever is unknown, missing or breaks a rule; the contact is then half changed and to be thrown away.
    pub fn change(&mut self, change: Change<'_>) -> Result<i64, Refusal> {
        let mut taken = 0;
        self.modified = change.at;
        for (name, value) in change.given {
            match name.as_str() {
                name if name == self.kind.member() => {
                    let members =
                        value.as_object().ok_or_else(|| Refusal::parameter(format!("'{name}' is no object")))?;
                    let kept = self.doc.get(name).and_then(Value::as_object).cloned();
                    let mut kept = kept.unwrap_or_default();
                    overlay(&mut kept, members, self.kind.shape())?;
                    self.doc.insert(name.into(), Value::Object(kept));
                }
                "addresses" => taken = self.put_addresses(value, change.address_id)?,
                "authorizations" => {
                    let list = read_list(name, value, AUTHORIZATION)?;
                    self.doc.insert(name.clone(), json!(list));
                }
                "communicationMeans" => {
                    let list = read_list(name, value, MEANS)?;
                    let bad = |one: &Map<String, Value>| {
                        one["type"] == "EMAIL" && !one["value"].as_str().is_some_and(is_email)
                    };
                    if list.iter().any(bad) {
                        return Err(Refusal::value("'value' is no email address"));
                    }
                    self.doc.insert(name.clone(), json!(list));
                }
                "role" | "function" | "structureContactNumber" => {
                    let one = Map::from_iter([(name.clone(), value.clone())]);
                    let role = Member { name: "role", holds: Holds::Text(20), required: name == "role" };
                    let relay = self.kind == Kind::Individual;
                    let shape =
                        [role, may("function", Holds::Text(100)), may("structureContactNumber", Holds::Text(20))];
                    if !relay && name != "role" {
                        return Err(Refusal::parameter(format!("'{name}' is for individuals")));
                    }
                    // The other two are not asked for here, so only what was given is looked at.
                    let shape: Vec<Member> = shape.into_iter().filter(|member| member.name == name).collect();
                    overlay(&mut self.doc, &one, &shape)?;
                }
                name if change.by_user && BY_USER.contains(&name) => {
                    self.doc.insert(name.into(), value.clone());
                }
                name => return Err(Refusal::parameter(format!("unknown parameter '{name}'"))),
            }
        }
        let own = self.doc.get(self.kind.member()).and_then(Value::as_object);
        match self
            .kind
            .shape()
            .iter()
            .find(|member| member.required && own.is_none_or(|own| !own.contains_key(member.name)))
        {
            Some(member) => Err(Refusal::parameter(format!("'{}' is missing", member.name))),
            None => Ok(taken),
        }
    }

    /// Replaces the addresses. One that names an id must be there already and keeps it.
    fn put_addresses(&mut self, value: &Value, next: i64) -> Result<i64, Refusal> {
        let mut list = read_list("addresses", value, ADDRESS)?;
        let known: Vec<i64> = self
            .doc
            .get("addresses")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|address| address["contactAddressId"].as_i64())
            .collect();
        let (mut taken, mut named) = (0, Vec::new());
        for address in &mut list {
            match address.get("contactAddressId").and_then(Value::as_i64) {
                Some(id) if known.contains(&id) && !named.contains(&id) => named.push(id),
                Some(id) => return Err(Refusal::missing(format!("address {id} does not exist here"))),
                None => {
                    address.insert("contactAddressId".into(), json!(next.saturating_add(taken)));
                    taken += 1;
                }
            }
            for flag in ["main", "billingAddress", "shippingAddress"] {
                address.entry(flag).or_insert(json!(false));
            }
        }
        match list.iter().filter(|address| address["main"] == true).count() {
            0 => list.iter_mut().take(1).for_each(|address| {
                address.insert("main".into(), json!(true));
            }),
            1 => {}
            _ => return Err(Refusal::value("more than one main address")),
        }
        self.doc.insert("addresses".into(), json!(list));
        Ok(taken)
    }
}

fn is_email(text: &str) -> bool {
    let parts: Vec<&str> = text.split('@').collect();
    let plain = text.chars().all(|letter| letter.is_ascii_graphic());
    plain && parts.len() == 2 && parts.iter().all(|part| !part.is_empty()) && parts[1].contains('.')
}
