//! Companies (contract 9).

use serde_json::{Map, Value, json};

use super::super::actions::Action;
use super::super::answer::{Refusal, loose_text, or_null};
use super::super::object::{Codes, Field, Kind, Look, Object, PLAIN, Property, Scene};
use super::super::params::{Form, Params};
use super::super::row::Row;
use super::super::world::World;
use super::custom::{self, COMPANY_FIELDS};
use super::links;
use crate::model::Timestamp;

pub(in super::super) static COMPANY: Object = Object {
    name: "company",
    first_id: 501,
    fields: &[&[
        Field::of("id", Kind::Id).single(Look::Text),
        Field::of("externalId", Kind::Text(Form::Key)).look(Look::OrNull),
        Field::of("businessName", Kind::Text(Form::Filled)).required(),
        Field::text("tradingName").look(Look::OrNull),
        Field::text("businessNumber").look(Look::Digits),
        Field::of("phone", Kind::Text(Form::Phone)).look(Look::Digits),
        Field::of("otherPhone", Kind::Text(Form::Phone)).look(Look::Digits).only_single(),
        Field::of("fax", Kind::Text(Form::Phone)),
        Field::text("website").look(Look::OrNull),
        Field::of("email", Kind::Text(Form::MaybeEmail)),
        Field::of("address", Kind::Own(take_address, show_address)),
        Field::of("createdDate", Kind::Created).single(Look::Utc),
        Field::of("modifiedDate", Kind::Modified).look(Look::Utc).single(Look::Plain),
        Field::of("primaryAccountManagerId", Kind::Link("user")).look(Look::Absent),
        Field::shown("primaryAccountManager", |row, world| manager(row, world, "primaryAccountManagerId")),
        Field::of("secondaryAccountManagerId", Kind::Link("user")).look(Look::Absent),
        Field::shown("secondaryAccountManager", |row, world| manager(row, world, "secondaryAccountManagerId")),
        Field::of("industryId", Kind::Link("industry")).look(Look::Absent),
        Field::shown("industry", show_industry),
        Field::of("primaryContactId", Kind::Link("contact")).look(Look::Absent),
        Field::shown("primaryContact", |row, world| {
            world.linked("contact", row, "primaryContactId").map_or(Value::Null, Row::person)
        }),
        Field::of("isAgent", Kind::Flag).look(Look::Bit).single(Look::Plain),
        // No documented write takes it; people arrange companies in iVvy's own screens.
        Field::of("parentCompanyId", Kind::Link("company")).fixed(),
        Field::shown("leftValue", |row, world| json!(place_in_tree(row, world))),
        Field::shown("rightValue", |row, world| json!(place_in_tree(row, world) + 1)),
        Field::shown("depth", |_, _| json!("0")),
        Field::shown("rootId", |row, _| json!(row.id)),
        Field::text("iataNumber").look(Look::OrNull),
        Field::of("customFields", Kind::Own(take_custom, show_custom)),
        Field::of("externalUrls", Kind::Own(links::take, links::show)).only_single(),
    ]],
    filters: &[
        Property::From("fromModifiedDate", "modifiedDate"),
        Property::To("toModifiedDate", "modifiedDate"),
        Property::Foreign("venueId"),
        Property::Foreign("venueGroupId"),
    ],
    codes: Codes { missing: 24153, ..PLAIN.codes },
    same: Some(|one, other| {
        let folded = |row: &Row| row.text("businessName").trim().to_lowercase();
        folded(one) == folded(other)
    }),
    ..PLAIN
};

pub(in super::super) const ACTIONS: &[Action] = &[
    Action::list("contact", "getCompanyList", &COMPANY).requiring(&["perPage", "start"]),
    Action::read("contact", "getCompany", &COMPANY),
    Action::write("contact", "addOrUpdateCompany", &COMPANY),
];

const ADDRESS_PARAMS: &[&str] =
    &["line1", "line2", "line3", "line4", "city", "stateCode", "stateName", "countryCode", "countryName", "postalCode"];

/// Lines and codes overlay one by one; names of states and countries follow from their codes.
fn take_address(params: &Params<'_>, row: &Row, _: &Scene<'_>) -> Result<Option<Value>, Refusal> {
    let Some(given) = params.object("address")? else { return Ok(None) };
    given.only(ADDRESS_PARAMS)?;
    let mut address = row.get("address").as_object().cloned().unwrap_or_default();
    for name in ADDRESS_PARAMS.iter().filter(|name| !name.ends_with("Name")) {
        match given.text(name, Form::Free)? {
            None => {}
            Some(text) if text.is_empty() => {
                address.remove(*name);
            }
            Some(text) => {
                address.insert((*name).into(), json!(text));
            }
        }
    }
    address.sort_keys();
    let country = address.get("countryCode").and_then(Value::as_str).unwrap_or_default();
    if !matches!(country.len(), 0 | 2) || !country.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err(Refusal::invalid("address", "countryCode: is not a country code"));
    }
    Ok(Some(Value::Object(address)))
}

/// The address object, or `[]` when nothing is set.
pub(super) fn show_address(row: &Row, _: &World) -> Value {
    let Some(address) = row.get("address").as_object() else { return json!([]) };
    let text = |name: &str| address.get(name).and_then(Value::as_str).unwrap_or_default();
    json!({
        "line1": text("line1"),
        "line2": text("line2"),
        "line3": or_null(text("line3")),
        "line4": or_null(text("line4")),
        "city": text("city"),
        "postalCode": loose_text(text("postalCode")),
        "countryCode": text("countryCode"),
        "stateCode": or_null(text("stateCode")),
        "stateName": null,
    })
}

/// The tree numbers move whenever any company is added.
fn place_in_tree(row: &Row, world: &World) -> u64 {
    row.id * 2 + world.table("company").ever()
}

fn manager(row: &Row, world: &World, field: &str) -> Value {
    let mut manager = world.linked("user", row, field).map_or(Value::Null, Row::person);
    if let Value::Object(manager) = &mut manager {
        manager.remove("phone");
    }
    manager
}

fn show_industry(row: &Row, world: &World) -> Value {
    let industry = world.linked("industry", row, "industryId");
    industry.map_or(Value::Null, |industry| json!({"id": industry.id, "name": industry.text("name")}))
}

fn take_custom(params: &Params<'_>, row: &Row, _: &Scene<'_>) -> Result<Option<Value>, Refusal> {
    custom::take(params, COMPANY_FIELDS, row.get("customFields"))
}

fn show_custom(row: &Row, _: &World) -> Value {
    custom::shown(COMPANY_FIELDS, row.get("customFields"))
}

/// A company as tests and demonstrations see it. Empty text means not set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Company {
    /// iVvy's id; 0 before it is stored.
    pub id: u64,
    /// `externalId`: the counterpart's id.
    pub external_id: String,
    /// `businessName`.
    pub business_name: String,
    /// `phone`.
    pub phone: String,
    /// `website`.
    pub website: String,
    /// `email`.
    pub email: String,
    /// `address`.
    pub address: Address,
    /// `parentCompanyId`, which no call of the API can set.
    pub parent: Option<u64>,
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

impl From<Company> for Row {
    fn from(company: Company) -> Self {
        Row::new(company.id, company.created, company.modified)
            .with("externalId", company.external_id)
            .with("businessName", company.business_name)
            .with("phone", company.phone)
            .with("website", company.website)
            .with("email", company.email)
            .with("address", Value::from(company.address))
            .with("parentCompanyId", json!(company.parent))
    }
}

impl From<&Row> for Company {
    fn from(row: &Row) -> Self {
        let text = |name: &str| row.text(name).to_owned();
        Self {
            id: row.id,
            external_id: text("externalId"),
            business_name: text("businessName"),
            phone: text("phone"),
            website: text("website"),
            email: text("email"),
            address: Address::from(row.get("address")),
            parent: row.whole("parentCompanyId"),
            created: row.created,
            modified: row.modified,
        }
    }
}

impl From<Address> for Value {
    fn from(address: Address) -> Self {
        let [line1, line2, line3, line4] = address.lines;
        let parts = [
            ("city", address.city),
            ("countryCode", address.country_code),
            ("line1", line1),
            ("line2", line2),
            ("line3", line3),
            ("line4", line4),
            ("postalCode", address.postal_code),
            ("stateCode", address.state_code),
        ];
        let set = parts.into_iter().filter(|(_, text)| !text.is_empty());
        Value::Object(set.map(|(name, text)| (name.to_owned(), json!(text))).collect::<Map<_, _>>())
    }
}

impl From<&Value> for Address {
    fn from(address: &Value) -> Self {
        let text = |name: &str| address.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            lines: ["line1", "line2", "line3", "line4"].map(text),
            city: text("city"),
            state_code: text("stateCode"),
            country_code: text("countryCode"),
            postal_code: text("postalCode"),
        }
    }
}
