//! Companies: what the account keeps, how a write overlays it, and how it is shown (contract 9).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::answer::{Refusal, loose_text, or_null, plain, suffixed};
use super::contact::links;
use super::custom::{self, COMPANY_FIELDS};
use super::params::{Form, Params};
use super::world::{Record, World};
use crate::model::Timestamp;

/// A company. Empty text means not set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Company {
    /// iVvy's id; 0 before it is stored.
    pub id: u64,
    /// `externalId`: the counterpart's id.
    pub external_id: String,
    /// `businessName`.
    pub business_name: String,
    /// `tradingName`.
    pub trading_name: String,
    /// `businessNumber`.
    pub business_number: String,
    /// `phone`.
    pub phone: String,
    /// `otherPhone`.
    pub other_phone: String,
    /// `fax`.
    pub fax: String,
    /// `website`.
    pub website: String,
    /// `email`.
    pub email: String,
    /// `address`.
    pub address: Address,
    /// The contact in charge.
    pub primary_contact: Option<u64>,
    /// Whether it is a travel agent.
    pub agent: bool,
    /// `iataNumber`.
    pub iata_number: String,
    /// Custom field values by field id.
    pub custom: BTreeMap<u64, Value>,
    /// Links kept by other systems, at most three, as written.
    pub external_urls: Vec<Value>,
    /// `createdDate`, whole seconds.
    pub created: Timestamp,
    /// `modifiedDate`, whole seconds.
    pub modified: Timestamp,
}

/// A postal address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// `line1` to `line4`.
    pub lines: [String; 4],
    /// `city`.
    pub city: String,
    /// `stateCode`.
    pub state_code: String,
    /// `countryCode`, ISO 3166 alpha-2.
    pub country_code: String,
    /// `postalCode`.
    pub postal_code: String,
}

/// Parameters of addOrUpdateCompany that this simulator holds.
pub(super) const PARAMS: &[&str] = &[
    "id",
    "externalId",
    "businessName",
    "tradingName",
    "businessNumber",
    "phone",
    "otherPhone",
    "fax",
    "website",
    "email",
    "address",
    "primaryContactId",
    "isAgent",
    "iataNumber",
    "updateIfExists",
    "customFields",
    "externalUrls",
];

const ADDRESS_PARAMS: &[&str] =
    &["line1", "line2", "line3", "line4", "city", "stateCode", "stateName", "countryCode", "countryName", "postalCode"];

impl Record for Company {
    const OBJECT: &'static str = "company";

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
            "externalId": self.external_id,
            "businessName": self.business_name,
            "tradingName": self.trading_name,
            "businessNumber": self.business_number,
            "phone": self.phone,
            "otherPhone": self.other_phone,
            "fax": self.fax,
            "website": self.website,
            "email": self.email,
            "address": self.address.shown(),
            "primaryContactId": self.primary_contact,
            "isAgent": self.agent,
            "iataNumber": self.iata_number,
            "customFields": self.custom.iter().map(|(id, value)| json!([id, value])).collect::<Vec<_>>(),
            "externalUrls": self.external_urls,
        })
    }
}

impl Company {
    /// Overlays what `params` names. Nothing is kept by the caller when this fails.
    pub(super) fn overlay(&mut self, params: &Params<'_>, world: &World) -> Result<(), Refusal> {
        let texts = [
            ("externalId", Form::Key, &mut self.external_id),
            ("businessName", Form::Filled, &mut self.business_name),
            ("tradingName", Form::Free, &mut self.trading_name),
            ("businessNumber", Form::Free, &mut self.business_number),
            ("phone", Form::Phone, &mut self.phone),
            ("otherPhone", Form::Phone, &mut self.other_phone),
            ("fax", Form::Phone, &mut self.fax),
            ("website", Form::Free, &mut self.website),
            ("email", Form::MaybeEmail, &mut self.email),
            ("iataNumber", Form::Free, &mut self.iata_number),
        ];
        for (name, form, slot) in texts {
            if let Some(text) = params.text(name, form)? {
                *slot = text;
            }
        }
        if let Some(address) = params.object("address")? {
            self.address.overlay(&address)?;
        }
        if let Some(id) = params.whole("primaryContactId")? {
            if world.contacts.get(id).is_none() {
                return Err(Refusal::invalid("primaryContactId", "primaryContactId: contact does not exist"));
            }
            self.primary_contact = Some(id);
        }
        if let Some(agent) = params.flag("isAgent")? {
            self.agent = agent;
        }
        custom::take(params, COMPANY_FIELDS, &mut self.custom)?;
        links(params, &mut self.external_urls)
    }

    /// A row of getCompanyList. The tree numbers move whenever any company is added.
    pub(super) fn row(&self, world: &World) -> Value {
        let left = self.id * 2 + world.companies.ever();
        let contact = self.primary_contact.and_then(|id| world.contacts.get(id)).map(|contact| {
            json!({
                "id": contact.id.to_string(),
                "firstName": contact.first_name,
                "lastName": contact.last_name,
                "email": contact.email,
                "phone": loose_text(&contact.phone),
            })
        });
        json!({
            "id": self.id,
            "externalId": or_null(&self.external_id),
            "businessName": self.business_name,
            "tradingName": or_null(&self.trading_name),
            "businessNumber": loose_text(&self.business_number),
            "phone": loose_text(&self.phone),
            "fax": self.fax,
            "website": or_null(&self.website),
            "email": self.email,
            "address": self.address.shown(),
            "modifiedDate": suffixed(self.modified),
            "createdDate": plain(self.created),
            "primaryAccountManager": null,
            "secondaryAccountManager": null,
            "industry": null,
            "primaryContact": contact,
            "isAgent": u8::from(self.agent),
            "parentCompanyId": null,
            "leftValue": left,
            "rightValue": left + 1,
            "depth": "0",
            "rootId": self.id,
            "iataNumber": or_null(&self.iata_number),
            "customFields": custom::shown(COMPANY_FIELDS, &self.custom),
        })
    }

    /// The object of getCompany: id as text, the other date suffix.
    pub(super) fn detail(&self, world: &World) -> Value {
        let mut detail = self.row(world);
        let more = json!({
            "id": self.id.to_string(),
            "modifiedDate": plain(self.modified),
            "createdDate": suffixed(self.created),
            "otherPhone": loose_text(&self.other_phone),
            "isAgent": self.agent,
            "externalUrls": self.external_urls,
        });
        if let (Value::Object(detail), Value::Object(more)) = (&mut detail, more) {
            detail.extend(more);
        }
        detail
    }
}

impl Address {
    fn overlay(&mut self, params: &Params<'_>) -> Result<(), Refusal> {
        params.only(ADDRESS_PARAMS)?;
        let [line1, line2, line3, line4] = &mut self.lines;
        let slots = [
            ("line1", line1),
            ("line2", line2),
            ("line3", line3),
            ("line4", line4),
            ("city", &mut self.city),
            ("stateCode", &mut self.state_code),
            ("countryCode", &mut self.country_code),
            ("postalCode", &mut self.postal_code),
        ];
        for (name, slot) in slots {
            if let Some(text) = params.text(name, Form::Free)? {
                *slot = text;
            }
        }
        let country = &self.country_code;
        if !matches!(country.len(), 0 | 2) || !country.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(Refusal::invalid("address", "countryCode: is not a country code"));
        }
        Ok(())
    }

    /// The address object, or `[]` when nothing is set.
    fn shown(&self) -> Value {
        if *self == Self::default() {
            return json!([]);
        }
        json!({
            "line1": self.lines[0],
            "line2": self.lines[1],
            "line3": or_null(&self.lines[2]),
            "line4": or_null(&self.lines[3]),
            "city": self.city,
            "postalCode": loose_text(&self.postal_code),
            "countryCode": self.country_code,
            "stateCode": or_null(&self.state_code),
            "stateName": null,
        })
    }
}
