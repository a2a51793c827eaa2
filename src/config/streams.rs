//! The sections about systems that post to us or are posted to: S-360 as origin, the Connector and any other CRM
//! that takes POSTed arrays (`contracts/connector_s360.md`). Values are checked here; what is done with them is
//! not known.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use serde::Deserialize;
use url::Url;

use super::schema::some_base_url;
use super::{CrmKind, Modules, Origin, SecretSource, Wrong, duration};
use crate::model::module::BOOKING;
use crate::model::{Flow, ModuleDef, ModuleId, Rhythm, Side, StreamKind};

/// `[s360]`: S-360 in iVvy's place, one section per institution.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S360 {
    /// The partner's name that S-360 knows us by; part of every token.
    pub partner: String,
    /// `[s360.institutions.CODE]`, by institution code.
    pub institutions: BTreeMap<String, Institution>,
}

/// `[s360.institutions.CODE]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Institution {
    /// Base address of its services; `https://CODE.ws.secutix.com`, in small letters, when absent (S-20).
    #[serde(default, deserialize_with = "some_base_url")]
    pub url: Option<Url>,
    /// The virtual operator we write as. Without it nothing is ever written to or read from S-360.
    pub operator: Option<String>,
    /// Its secret, which signs every call.
    pub secret: Option<SecretSource>,
    /// Calls a minute at most, over all services (S-10).
    #[serde(default = "calls_per_minute")]
    pub calls_per_minute: NonZeroU32,
    /// The currency of its orders; S-360 does not tell.
    pub currency: Option<String>,
    /// `[s360.institutions.CODE.bookings]`: whether opportunities may ask for bookings there (S-07).
    pub bookings: Option<Bookings>,
    /// How contacts are posted to us, if they are.
    pub contacts: Option<Inflow>,
    /// How finalized orders are.
    pub orders: Option<Inflow>,
    /// How checks at the gates are.
    pub access: Option<Inflow>,
}

impl Institution {
    /// What is posted to us for it, by stream and by the key of its section.
    pub fn inflows(&self) -> impl Iterator<Item = (StreamKind, &'static str, &Inflow)> {
        let named = [
            (StreamKind::S360Contacts, "contacts", &self.contacts),
            (StreamKind::S360Orders, "orders", &self.orders),
            (StreamKind::S360Access, "access", &self.access),
        ];
        named.into_iter().filter_map(|(kind, name, inflow)| Some((kind, name, inflow.as_ref()?)))
    }

    /// Whether anything is posted to us for it.
    pub fn is_posted(&self) -> bool {
        self.contacts.is_some() || self.orders.is_some() || self.access.is_some()
    }
}

/// `[s360.institutions.CODE.bookings]`: where bookings are made. Both are S-360's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bookings {
    /// The point of sale that bookings are made at.
    pub point_of_sales: u64,
    /// What sales are paid with. Without it nothing is sold: orders are left open, reserved or optioned.
    pub payment_method: Option<u64>,
}

fn calls_per_minute() -> NonZeroU32 {
    // Invariant: not zero. What the newer of two vendor pages says (contract 2.5).
    NonZeroU32::new(180).unwrap_or(NonZeroU32::MIN)
}

/// A stream that is posted to us: who may, and in which rhythm they said they would (S-09, S-23).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inflow {
    /// How the sender proves who they are (S-18, S-19).
    pub auth: Auth,
    /// Time between two runs of the sender's.
    #[serde(default = "cadence", deserialize_with = "duration::required")]
    pub every: Duration,
    /// Records in a run at most: a run this large means that more is waiting there.
    #[serde(default = "per_run")]
    pub per_run: u32,
    /// Records in a post at most, as agreed; more are taken all the same.
    #[serde(default = "per_payload")]
    pub per_payload: u32,
    /// Runs after which the sender gives a record up (S-17).
    #[serde(default = "tries")]
    pub tries: u32,
}

impl Inflow {
    /// The rhythm its sender said it would post in.
    pub fn rhythm(&self) -> Rhythm {
        let Self { every, per_run, per_payload, tries, .. } = *self;
        Rhythm { every, per_run, per_payload, tries }
    }
}

fn cadence() -> Duration {
    Duration::from_secs(15 * 60)
}

fn per_run() -> u32 {
    500
}

fn per_payload() -> u32 {
    50
}

fn tries() -> u32 {
    12
}

/// How a sender proves who they are. Of several secrets each is valid: the old and the new one while they are
/// being changed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Auth {
    /// Not at all: whoever reaches the address is believed. Needs saying that this is meant.
    None {
        /// Must be true.
        #[serde(default)]
        unprotected: bool,
    },
    /// HTTP Basic.
    Basic {
        /// User name.
        user: String,
        /// One or two passwords.
        passwords: Vec<SecretSource>,
    },
    /// A header with a key in it.
    ApiKey {
        /// Its name.
        #[serde(default = "api_key_header")]
        header: String,
        /// One or two keys.
        keys: Vec<SecretSource>,
    },
}

fn api_key_header() -> String {
    "X-API-Key".to_owned()
}

impl Auth {
    /// Where its secrets are.
    pub fn secrets(&self) -> &[SecretSource] {
        match self {
            Self::None { .. } => &[],
            Self::Basic { passwords, .. } => passwords,
            Self::ApiKey { keys, .. } => keys,
        }
    }

    fn check(&self, at: &str) -> Result<(), Wrong> {
        match self {
            Self::None { unprotected: false } => Err((
                format!("{at}: kind = \"none\" lets anybody write who reaches the address"),
                "use \"basic\" or \"api_key\", or say unprotected = true",
            )),
            Self::None { unprotected: true } => Ok(()),
            _ if self.secrets().is_empty() || self.secrets().len() > 2 => Err((
                format!("{at}: needs one secret, or two while they are being changed"),
                "a list of places: [{ file = \"…\" }]",
            )),
            Self::Basic { user, .. } if user.is_empty() || user.contains(':') => {
                Err((format!("{at}.user: a user name without `:`"), "as the sender was told"))
            }
            Self::ApiKey { header, .. } if !is_header(header) => Err((
                format!("{at}.header: `{header}` is not the name of a header"),
                "\"X-API-Key\" unless said otherwise",
            )),
            _ => Ok(()),
        }
    }
}

fn is_header(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// `[crm]` with kind "connector": the InTouch Connector, and what was agreed with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connector {
    /// The version in the path of its service ("2011-11").
    pub version: String,
    /// Our name there.
    pub provider: String,
    /// The client all records belong to.
    pub client: String,
    /// The club of that client.
    pub club: String,
    /// What was agreed (C-04).
    pub profile: Profile,
    /// What the Connector may call here, if it may.
    pub facade: Option<Facade>,
    /// The element that holds a prospect's owner; the contract does not tell its name.
    pub owner_element: Option<String>,
    /// The element that holds a prospect's lead source.
    pub source_element: Option<String>,
}

/// `[crm.profile]`: the level of functionality that was agreed before any technical work (C-04). There are no
/// defaults: what nobody has agreed to is not assumed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Who agreed to it.
    pub agreed_by: String,
    /// When: `yyyy-mm-dd`.
    pub agreed_on: String,
    /// Which way records go (C-05).
    pub direction: Direction,
    /// Which people are part of it (C-06).
    pub entities: BTreeSet<Entity>,
    /// Whether prospects come with their owner (C-07).
    pub owner: bool,
    /// Whether prospects come with their lead source (C-07).
    pub source: bool,
    /// What its side can do with staff and lead sources.
    #[serde(default)]
    pub can: Abilities,
}

impl Profile {
    /// What was agreed, line by line, for `check` and whoever reads along (C-04).
    pub fn lines(&self) -> Vec<String> {
        let yes = |on: bool| if on { "yes" } else { "no" };
        let entities: Vec<String> = self.entities.iter().map(ToString::to_string).collect();
        let Abilities { list_staff, staff_by_email, list_sources, create_source, update_source } = self.can;
        let owner = match self.owner {
            false => "no: the element is neither read nor written".to_owned(),
            true if self.direction.sends() && !list_staff && !staff_by_email && !self.direction.receives() => {
                "agreed, but its staff cannot be looked up: prospects go without an owner".to_owned()
            }
            true => format!("yes; it lists staff: {}, looks up by e-mail: {}", yes(list_staff), yes(staff_by_email)),
        };
        let source = match (self.source, list_sources, create_source) {
            (false, ..) => "no: the element is neither read nor written".to_owned(),
            (true, false, true) => "yes; it creates and does not list: our side is the master".to_owned(),
            (true, false, false) if !self.direction.receives() => {
                "agreed, but it neither lists nor creates: prospects go without a source".to_owned()
            }
            (true, list, create) => {
                format!("yes; it lists: {}, creates: {}, hides: {}", yes(list), yes(create), yes(update_source))
            }
        };
        vec![
            format!("agreed by {} on {}", self.agreed_by, self.agreed_on),
            format!("direction: {}", self.direction),
            format!("people: {}", entities.join(", ")),
            format!("owner: {owner}"),
            format!("lead source: {source}"),
        ]
    }
}

/// `[crm.profile.can]`: calls the other side offers. Declared, never guessed (C-09, C-18, C-19).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a call that is there or not")]
pub struct Abilities {
    /// List all staff.
    pub list_staff: bool,
    /// Look a person up by e-mail.
    pub staff_by_email: bool,
    /// List all lead sources.
    pub list_sources: bool,
    /// Create a lead source.
    pub create_source: bool,
    /// Hide a lead source, or show it again. Names are fixed once saved (P-09).
    pub update_source: bool,
}

/// Which way records go between us and the Connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Direction {
    /// It saves records with us; nothing is ever written there.
    Receive,
    /// We save records there; it calls nothing here.
    Send,
    /// Both.
    Both,
}

impl Direction {
    /// Whether it may call us.
    pub fn receives(self) -> bool {
        self != Self::Send
    }

    /// Whether we may call it.
    pub fn sends(self) -> bool {
        self != Self::Receive
    }

    /// Narrows a module to the direction that was agreed: the engine then plans nothing that would go the other
    /// way (C-05).
    pub(super) fn confine(self, def: &mut ModuleDef) {
        let flow = match self {
            Self::Both => return,
            Self::Receive => Flow::ToIvvy,
            Self::Send => Flow::ToCrm,
        };
        def.flow = flow;
        if self == Self::Send {
            def.fields.retain(|field| field.flow != Flow::ToIvvy);
        }
        for field in def.fields.iter_mut().filter(|field| field.flow == Flow::Both) {
            field.flow = flow;
        }
    }
}

/// A kind of people the Connector knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Entity {
    /// People who may become members: our leads.
    Prospects,
    /// Members: our contacts.
    Members,
}

/// `[crm.facade]`: the calls the Connector makes here (P-01 to P-12).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facade {
    /// How it proves who it is.
    pub auth: Auth,
    /// Which of the calls about staff and lead sources are there; all of them unless said otherwise.
    #[serde(default = "every_call")]
    pub offers: Abilities,
}

fn every_call() -> Abilities {
    Abilities { list_staff: true, staff_by_email: true, list_sources: true, create_source: true, update_source: true }
}

/// `[crm]` with kind "push": any CRM that takes arrays of contacts and orders at an address each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// Where contacts are posted to.
    pub contacts: Option<Url>,
    /// Where orders and opportunities are posted to.
    pub orders: Option<Url>,
    /// How we prove who we are. The first secret is used.
    pub auth: Auth,
    /// Time between two runs.
    pub every: Duration,
    /// Records in a run at most, per stream.
    pub per_run: u32,
    /// Records in a post at most.
    pub per_payload: u32,
    /// Runs after which a post that was never answered 200 is dead.
    pub tries: u32,
}

/// Keys of `[crm]` that only the Connector and pushed CRMs have, as they are written.
#[derive(Debug, Default)]
pub(super) struct StreamKeys {
    pub version: Option<String>,
    pub provider: Option<String>,
    pub client: Option<String>,
    pub club: Option<String>,
    pub profile: Option<Profile>,
    pub facade: Option<Facade>,
    pub owner_element: Option<String>,
    pub source_element: Option<String>,
    pub contacts_url: Option<Url>,
    pub orders_url: Option<Url>,
    pub auth: Option<Auth>,
    pub every: Option<Duration>,
    pub per_run: Option<u32>,
    pub per_payload: Option<u32>,
    pub tries: Option<u32>,
}

impl StreamKeys {
    /// Keys of the Connector's that are given.
    pub fn of_connector(&self) -> [(&'static str, bool); 8] {
        [
            ("version", self.version.is_some()),
            ("provider", self.provider.is_some()),
            ("client", self.client.is_some()),
            ("club", self.club.is_some()),
            ("profile", self.profile.is_some()),
            ("facade", self.facade.is_some()),
            ("owner_element", self.owner_element.is_some()),
            ("source_element", self.source_element.is_some()),
        ]
    }

    /// Keys of a pushed CRM's that are given.
    pub fn of_push(&self) -> [(&'static str, bool); 7] {
        [
            ("contacts_url", self.contacts_url.is_some()),
            ("orders_url", self.orders_url.is_some()),
            ("auth", self.auth.is_some()),
            ("every", self.every.is_some()),
            ("per_run", self.per_run.is_some()),
            ("per_payload", self.per_payload.is_some()),
            ("tries", self.tries.is_some()),
        ]
    }

    pub fn connector(self) -> Result<Connector, Wrong> {
        let missing = |key: &str, hint: &'static str| {
            (format!("crm: `{key}` is missing, which kind = \"connector\" needs"), hint)
        };
        let id = |key: &str, value: Option<String>| match value {
            Some(value) if !value.trim().is_empty() => Ok(value),
            _ => Err(missing(key, "provider, client and club as InTouch gave them")),
        };
        let connector = Connector {
            version: self.version.unwrap_or_else(|| "2011-11".to_owned()),
            provider: id("provider", self.provider)?,
            client: id("client", self.client)?,
            club: id("club", self.club)?,
            profile: self.profile.ok_or_else(|| {
                missing("profile", "agree the level of functionality first and write it down in [crm.profile]")
            })?,
            facade: self.facade,
            owner_element: self.owner_element,
            source_element: self.source_element,
        };
        let Profile { agreed_by, agreed_on, direction, entities, .. } = &connector.profile;
        if agreed_by.trim().is_empty() || super::parse_day(agreed_on).is_err() {
            return Err((
                "crm.profile: who agreed to it, and when, is not said".to_owned(),
                "agreed_by = \"a name\" and agreed_on = \"2026-01-31\"",
            ));
        }
        if entities.is_empty() {
            return Err((
                "crm.profile.entities is empty: nothing would be kept in step".to_owned(),
                "entities = [\"prospects\", \"members\"], or one of them",
            ));
        }
        match &connector.facade {
            None if direction.receives() => Err((
                format!("crm.profile.direction is \"{direction}\", but there is no [crm.facade] for it to call"),
                "say with which authentication: [crm.facade] auth = { kind = \"basic\", … }",
            )),
            Some(_) if !direction.receives() => Err((
                format!("crm.profile.direction is \"{direction}\", but there is a [crm.facade]"),
                "remove the section, or correct the direction",
            )),
            Some(facade) => facade.auth.check("crm.facade.auth").map(|()| connector),
            None => Ok(connector),
        }
    }

    pub fn push(self) -> Result<Push, Wrong> {
        if self.contacts_url.is_none() && self.orders_url.is_none() {
            return Err((
                "crm: neither `contacts_url` nor `orders_url` is there, and kind = \"push\" needs one".to_owned(),
                "the addresses that take arrays of contacts and of orders",
            ));
        }
        let auth = self.auth.ok_or_else(|| {
            (
                "crm: `auth` is missing, which kind = \"push\" needs".to_owned(),
                "auth = { kind = \"basic\", user = \"…\", passwords = [{ file = \"…\" }] }",
            )
        })?;
        auth.check("crm.auth")?;
        let push = Push {
            contacts: self.contacts_url,
            orders: self.orders_url,
            auth,
            every: self.every.unwrap_or_else(cadence),
            per_run: self.per_run.unwrap_or_else(per_run),
            per_payload: self.per_payload.unwrap_or_else(per_payload),
            tries: self.tries.unwrap_or_else(tries),
        };
        if push.every < Duration::from_secs(1) {
            return Err(("crm.every is below a second".to_owned(), "time between two runs, \"15m\" by default"));
        }
        if push.per_payload == 0 || push.per_run < push.per_payload || push.tries == 0 {
            return Err((
                "crm: per_run, per_payload and tries are at least 1, and a run holds a payload".to_owned(),
                "500, 50 and 12 unless agreed otherwise",
            ));
        }
        Ok(push)
    }
}

/// A module of a CRM that is only posted to: nothing can be read back from there, so nothing goes to the origin.
pub(super) fn only_push(def: &mut ModuleDef) {
    def.flow = Flow::ToCrm;
    def.fields.retain(|field| field.flow.may_write(Side::Crm));
    def.fields.iter_mut().for_each(|field| field.flow = Flow::ToCrm);
}

/// Whether `code` can be an institution's: it is part of addresses, ids and keys.
pub fn is_institution_code(code: &str) -> bool {
    (1..=20).contains(&code.len())
        && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Bookings are asked for in fields of the CRM's own, and need somewhere to be made (S-07).
pub(super) fn check_bookings(origin: &Origin, crm: CrmKind, modules: &Modules) -> Result<(), Wrong> {
    let asked = &modules.of(ModuleId::Orders).crm_fields;
    let made = match origin {
        Origin::S360(s360) => s360.institutions.iter().find(|(_, institution)| institution.bookings.is_some()),
        Origin::Ivvy(_) => None,
    };
    let Some((code, _)) = made else {
        return match asked.contains_key(BOOKING) {
            false => Ok(()),
            true => Err((
                format!("modules.orders.crm_fields.{BOOKING} is set, but no institution takes bookings"),
                "[s360.institutions.CODE.bookings] with point_of_sales = 12, or remove the field",
            )),
        };
    };
    if !matches!(crm, CrmKind::Odoo | CrmKind::Salesforce) {
        return Err((
            format!("s360.institutions.{code}.bookings: a CRM of kind = \"{crm}\" cannot ask for bookings"),
            "remove the section",
        ));
    }
    let needed = [BOOKING, "product", "quantity", "unit_price"];
    match needed.into_iter().find(|name| !asked.contains_key(*name)) {
        None => Ok(()),
        Some(name) => Err((
            format!("s360.institutions.{code}.bookings: no CRM field is named for `{name}`"),
            "[modules.orders.crm_fields] names one for booking, product, quantity and unit_price, and for performance",
        )),
    }
}

pub(super) fn check_s360(s360: &S360) -> Result<(), Wrong> {
    if s360.partner.trim().is_empty() || s360.institutions.is_empty() {
        return Err((
            "s360 names no partner or no institution".to_owned(),
            "partner = \"…\" and a section [s360.institutions.CODE] for each",
        ));
    }
    for (code, institution) in &s360.institutions {
        let at = format!("s360.institutions.{code}");
        if !is_institution_code(code) {
            return Err((format!("{at}: not an institution code"), "up to 20 capital letters, digits and _"));
        }
        if institution.operator.is_some() != institution.secret.is_some() {
            return Err((
                format!("{at}: `operator` and `secret` belong together"),
                "both, or neither if nothing is ever written to S-360",
            ));
        }
        if institution.bookings.is_some() && institution.operator.is_none() {
            return Err((
                format!("{at}.bookings: nothing can be booked without an `operator`"),
                "the virtual operator and its secret, as S-360 gave them; or remove the section",
            ));
        }
        if institution.currency.as_ref().is_some_and(|currency| !super::own::is_currency(currency)) {
            return Err((format!("{at}.currency is not a currency code"), "three capital letters: currency = \"EUR\""));
        }
        let inflows =
            [("contacts", &institution.contacts), ("orders", &institution.orders), ("access", &institution.access)];
        for (name, inflow) in inflows.into_iter().filter_map(|(name, inflow)| Some((name, inflow.as_ref()?))) {
            inflow.auth.check(&format!("{at}.{name}.auth"))?;
            if inflow.every.is_zero() || inflow.per_run == 0 || inflow.per_payload == 0 || inflow.tries == 0 {
                return Err((
                    format!("{at}.{name}: every, per_run, per_payload and tries are at least 1"),
                    "\"15m\", 500, 50 and 12 unless agreed otherwise",
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod pushed {
    use std::path::Path;

    use super::super::{Config, CrmKind, CrmSystem};
    use crate::model::module::EXTERNAL_ID;
    use crate::model::{Flow, ModuleId};

    fn pushed(crm: &str, modules: &str) -> crate::error::Result<Config> {
        let text = format!(
            r#"version = 1
account = "acme"
[ivvy]
url = "https://api.us-west-2.ivvy.com"
key = "abc"
secret = {{ file = "ivvy.secret" }}
[crm]
kind = "push"
contacts_url = "https://crm.example/contacts"
auth = {{ kind = "api_key", keys = [{{ file = "crm.key" }}] }}
{crm}
[modules.companies]
enabled = true
{modules}
"#
        );
        Config::parse(&text, Path::new("/etc/tandem/acme.toml"))
    }

    #[test]
    fn everything_goes_to_a_pushed_crm_and_nothing_back() {
        let modules = r#"
[modules.contacts]
groups = { "1" = "News" }
fields = [{ name = "diet", kind = "text", ivvy = 7, crm = "diet" }]
[modules.quotes_and_bookings]
enabled = true
"#;
        let config = pushed("", modules).unwrap();
        assert_eq!(config.crm.kind(), CrmKind::Push);
        for def in config.catalogue() {
            assert_eq!(def.flow, Flow::ToCrm, "{}", def.id);
            assert!(def.field(EXTERNAL_ID).is_none(), "our key is the only one");
            assert!(def.fields.iter().all(|field| field.flow == Flow::ToCrm && field.membership.is_none()));
        }
        let contacts = config.catalogue().into_iter().find(|def| def.id == ModuleId::Contacts).unwrap();
        assert!(["groups", "custom.7", "first_name"].iter().all(|name| contacts.field(name).is_some()));
    }

    #[test]
    fn the_documented_section_is_accepted() {
        let section = include_str!("../../docs/PUSH.md").split("```").find_map(|part| part.strip_prefix("toml"));
        let text = format!(
            "version = 1\naccount = \"acme\"\n[ivvy]\nurl = \"https://api.us-west-2.ivvy.com\"\nkey = \"abc\"\n\
             secret = {{ file = \"ivvy.secret\" }}\n{}",
            section.unwrap()
        );
        let config = Config::parse(&text, Path::new("/etc/tandem/acme.toml")).unwrap();
        let CrmSystem::Push(push) = config.crm.system else { panic!("another CRM") };
        let CrmSystem::Push(default) = pushed("", "").unwrap().crm.system else { panic!("another CRM") };
        let rhythm = |push: &super::Push| (push.every, push.per_run, push.per_payload, push.tries);
        assert_eq!(rhythm(&push), rhythm(&default), "it shows the defaults");
    }

    #[test]
    fn a_pushed_crm_keeps_its_own_rhythm_s13() {
        let CrmSystem::Push(push) = pushed("", "").unwrap().crm.system else { panic!("another CRM") };
        assert_eq!((push.every.as_secs(), push.per_run, push.per_payload, push.tries), (900, 500, 50, 12));
        for wrong in [
            "every = \"1ms\"",
            "tries = 0",
            "per_payload = 0",
            "per_run = 49",
            "daily_calls = 5000",
            "url = \"https://x.example\"",
        ] {
            assert!(pushed(wrong, "").is_err(), "{wrong}");
        }
    }
}
