//! The actions, after the gate has admitted the call.

use serde_json::{Map, Value, json};
use strum::{EnumString, IntoStaticStr};

use super::answer::{Refusal, plain, suffixed};
use super::company::{self, Company};
use super::contact::{self, Contact};
use super::custom::{self, COMPANY_FIELDS, CONTACT_FIELDS};
use super::directory;
use super::listing::Query;
use super::params::Params;
use super::settings::{DuplicateAdd, Order, Settings};
use super::world::{GROUPS, World, Write};
use crate::model::Timestamp;
use crate::sim::ledger::By;

/// Every namespace the contract counts; unknown ones are 404 before the method is looked at.
const NAMESPACES: [&str; 9] = ["account", "batch", "contact", "crm", "event", "invoice", "partner", "test", "venue"];

/// Parameters that steer a write and are no fields.
const STEERING: &[&str] = &["id", "updateIfExists"];

/// An action this simulator offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr)]
#[strum(serialize_all = "camelCase")]
pub(super) enum Action {
    Ping,
    GetContactList,
    GetContact,
    AddOrUpdateContact,
    GetCompanyList,
    GetCompany,
    AddOrUpdateCompany,
    GetCustomFieldDefinition,
    GetCompanyCustomFieldDefinition,
    GetSubscriptionGroupList,
    GetUserList,
    GetLeadSourceList,
}

impl Action {
    /// The namespaces that exist.
    pub(super) fn namespaces() -> impl Iterator<Item = &'static str> {
        NAMESPACES.into_iter()
    }

    /// The action of that exact name in that namespace.
    pub(super) fn find(namespace: &str, name: &str) -> Option<Self> {
        let action: Self = name.parse().ok()?;
        let home = match action {
            Self::Ping => "test",
            Self::GetUserList => "account",
            Self::GetLeadSourceList => "crm",
            _ => "contact",
        };
        (home == namespace).then_some(action)
    }

    pub(super) fn name(self) -> &'static str {
        self.into()
    }
}

/// What an action works with.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub world: &'a mut World,
    pub settings: &'a Settings,
    pub now: Timestamp,
    /// Number of this call, for what must differ between calls.
    pub turn: u64,
}

/// Runs `action`.
pub(super) fn run(action: Action, map: &Map<String, Value>, context: Context<'_>) -> Result<Value, Refusal> {
    let params = Params::of_call(map);
    let Context { world, settings, now, turn } = context;
    let salt = settings.seed.wrapping_add(if settings.order == Order::Shuffled { turn } else { 0 });
    match action {
        Action::Ping => Ok(json!({"ack": if turn % 2 == 0 { plain(now) } else { suffixed(now) }})),
        Action::GetContactList => {
            let query = Query::read::<Contact>(&params, settings)?;
            let rows = world.contacts.seen_at(world.horizon(now));
            Ok(query.page(rows, settings.order, salt, |contact| contact.row(world)))
        }
        Action::GetCompanyList => {
            let query = Query::read::<Company>(&params, settings)?;
            let rows = world.companies.seen_at(world.horizon(now));
            Ok(query.page(rows, settings.order, salt, |company| company.row(world)))
        }
        Action::GetContact => {
            let id = asked(&params, settings, &["id", "useEventSortOrder"])?;
            let found = world.contacts.get(id).map(|contact| contact.detail(world));
            found.ok_or_else(no_contact)
        }
        Action::GetCompany => {
            let id = asked(&params, settings, &["id"])?;
            let found = world.companies.get(id).map(|company| company.detail(world));
            found.ok_or_else(no_company)
        }
        Action::AddOrUpdateContact => write_contact(&params, world, settings, now),
        Action::AddOrUpdateCompany => write_company(&params, world, settings, now),
        Action::GetCustomFieldDefinition => Ok(custom::definitions(CONTACT_FIELDS)),
        Action::GetCompanyCustomFieldDefinition => Ok(custom::definitions(COMPANY_FIELDS)),
        Action::GetSubscriptionGroupList => Ok(groups(world)),
        Action::GetUserList => directory::users(&params, settings, now),
        Action::GetLeadSourceList => directory::lead_sources(&params, settings),
    }
}

fn no_contact() -> Refusal {
    Refusal::missing("contact", 24096)
}

fn no_company() -> Refusal {
    Refusal::missing("company", 24153)
}

fn asked(params: &Params<'_>, settings: &Settings, known: &[&str]) -> Result<u64, Refusal> {
    params.require(&["id"])?;
    if settings.strict_params {
        params.only(known)?;
    }
    params.whole("id")?.ok_or_else(|| Refusal::required("id"))
}

fn write_contact(
    params: &Params<'_>,
    world: &mut World,
    settings: &Settings,
    now: Timestamp,
) -> Result<Value, Refusal> {
    let id = params.whole("id");
    if matches!(id, Ok(None)) {
        params.require(&["firstName", "lastName", "email"])?;
    }
    if settings.strict_params {
        params.only(contact::PARAMS)?;
    }
    let id = id?;
    let overlaid = |base: Contact| {
        let mut contact = base;
        contact.overlay(params, world, now)?;
        if settings.normalise_emails {
            contact.email = contact.email.trim().to_lowercase();
        }
        Ok::<Contact, Refusal>(contact)
    };
    let fresh = Contact { status: 1, sms_status: 1, ..Contact::default() };
    let update_if_exists = params.flag("updateIfExists")?.unwrap_or(false);
    let contact = match id {
        // Validity is judged before existence.
        Some(id) => match world.contacts.get(id) {
            Some(before) => overlaid(before.clone())?,
            None => overlaid(fresh).and_then(|_| Err(no_contact()))?,
        },
        None => {
            let added = overlaid(fresh)?;
            match world.contacts.live().find(|other| other.same_identity(&added)).cloned() {
                Some(before) if update_if_exists => overlaid(before)?,
                Some(_) => match settings.duplicate_add {
                    DuplicateAdd::Allow => added,
                    DuplicateAdd::Refuse => return Ok(refused("A contact with this name and email exists already")),
                    DuplicateAdd::BadRequest => {
                        return Err(Refusal::new(400, "A contact with this name and email exists already"));
                    }
                },
                None => added,
            }
        }
    };
    if contact.anonymised {
        return Ok(refused("The contact is anonymised"));
    }
    let write = Write { by: By::Api, now, fields: params.written(STEERING) };
    Ok(written(world.commit(contact, write)))
}

fn write_company(
    params: &Params<'_>,
    world: &mut World,
    settings: &Settings,
    now: Timestamp,
) -> Result<Value, Refusal> {
    let id = params.whole("id");
    if matches!(id, Ok(None)) {
        params.require(&["businessName"])?;
    }
    if settings.strict_params {
        params.only(company::PARAMS)?;
    }
    let id = id?;
    let overlaid = |base: Company| {
        let mut company = base;
        company.overlay(params, world)?;
        if settings.normalise_emails {
            company.email = company.email.trim().to_lowercase();
        }
        Ok::<Company, Refusal>(company)
    };
    let update_if_exists = params.flag("updateIfExists")?.unwrap_or(false);
    let company = match id {
        Some(id) => match world.companies.get(id) {
            Some(before) => overlaid(before.clone())?,
            None => overlaid(Company::default()).and_then(|_| Err(no_company()))?,
        },
        None => {
            let added = overlaid(Company::default())?;
            let name = added.business_name.trim().to_lowercase();
            let same = |other: &&Company| other.business_name.trim().to_lowercase() == name;
            match world.companies.live().find(same).cloned() {
                Some(before) if update_if_exists => overlaid(before)?,
                Some(_) => match settings.duplicate_add {
                    DuplicateAdd::Allow => added,
                    DuplicateAdd::Refuse => return Ok(refused("A company with this name exists already")),
                    DuplicateAdd::BadRequest => {
                        return Err(Refusal::new(400, "A company with this name exists already"));
                    }
                },
                None => added,
            }
        }
    };
    let write = Write { by: By::Api, now, fields: params.written(STEERING) };
    Ok(written(world.commit(company, write)))
}

/// The answer of a write; `success` is missing for some ids.
fn written(id: u64) -> Value {
    if id.is_multiple_of(3) { json!({"id": id}) } else { json!({"success": true, "id": id}) }
}

/// A write refused with HTTP 200.
fn refused(message: &str) -> Value {
    json!({"success": false, "id": 0, "message": message})
}

fn groups(world: &World) -> Value {
    let row = |(id, name, colour): &(u64, &str, &str)| {
        let members = world.contacts.live().filter(|contact| contact.groups.contains_key(id)).count();
        json!({"id": id.to_string(), "groupName": name, "memberCount": members, "tagColour": colour})
    };
    GROUPS.iter().map(row).collect()
}
