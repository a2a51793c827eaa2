//! The module catalogue: which kinds of record Tandem keeps in step, and with which fields.
//!
//! A module ties one iVvy object to one CRM object (V-01, V-02). Queue, console tabs, config, CLI
//! and docs are generated from this table, so a module is described once: one file here, one in each
//! adapter. Custom fields are added to a copy at run time (V-19). The catalogue refuses to know any
//! remote's wire format.

mod attendees;
mod companies;
mod contact_emails;
mod contacts;
mod events;
mod leads;
mod orders;
mod quotes_and_bookings;
mod registrations;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString, IntoStaticStr};

use super::{Fields, Transform, Value};

/// The two ends of a link.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    EnumIter,
    IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[repr(u8)]
pub enum Side {
    /// The origin system, iVvy ("A" in `engine.md`).
    Ivvy = 0,
    /// The customer relationship system ("B").
    Crm = 1,
}

impl Side {
    /// Both sides, iVvy first.
    pub const BOTH: [Self; 2] = [Self::Ivvy, Self::Crm];

    /// The opposite end.
    pub fn other(self) -> Self {
        match self {
            Self::Ivvy => Self::Crm,
            Self::Crm => Self::Ivvy,
        }
    }

    /// The name a person reads.
    pub fn title(self) -> &'static str {
        match self {
            Self::Ivvy => "iVvy",
            Self::Crm => "CRM",
        }
    }
}

/// Which module. The number is stored in keys, so it never changes; the order is the sync order
/// (parents first, `engine.md` 5.9).
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    EnumIter,
    IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[repr(u8)]
pub enum ModuleId {
    /// iVvy companies and CRM accounts (V-70 to V-73).
    Companies = 1,
    /// iVvy contacts and CRM contacts (V-10 to V-21).
    Contacts = 2,
    /// iVvy leads and CRM leads, with owner and source from the match tables.
    Leads = 3,
    /// iVvy events become CRM campaigns (V-50 to V-52).
    Events = 4,
    /// Invited and registered people become campaign members (V-60 to V-67). Part of Events.
    Attendees = 5,
    /// Event registrations become opportunities (V-40 to V-47).
    Registrations = 6,
    /// Venue quotes and bookings become opportunities (V-80 to V-84).
    QuotesAndBookings = 7,
    /// E-mails sent by iVvy become history of the CRM contact (V-30 to V-34).
    ContactEmails = 8,
    /// What S-360 sells, refunds and reserves becomes opportunities (S-05, S-06).
    Orders = 9,
}

/// Parts of the catalogue as iVvy sells them (V-02, V-03).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Display)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// For every account.
    Common,
    /// Accounts with the Events product.
    Events,
    /// Accounts with the Venues product.
    Venues,
    /// Institutions on S-360. Short, for a narrow column.
    #[strum(to_string = "Tickets")]
    Ticketing,
}

/// What never changes about a module.
#[derive(Debug)]
struct Facts {
    /// What a person reads (V-02).
    title: &'static str,
    /// One record of it, as in external keys (`contact`). Never changes: it is written into CRMs.
    singular: &'static str,
    group: Group,
    /// Where the module may write.
    flow: Flow,
    /// Why nothing is ever written to iVvy; empty for two-way modules.
    one_way: &'static str,
    on_by_default: bool,
    /// The module whose switch this one obeys.
    follows: Option<ModuleId>,
    /// Records are history: created once, never compared or changed afterwards.
    appends: bool,
    /// Fields that together identify a record at first pairing (V-11). Empty: only constant ids pair.
    identity: &'static [&'static str],
    /// Fields whose values name the record in the queue, joined; the e-mail stands in for empty ones.
    titled_by: &'static [&'static str],
    /// Records are first carried over only with one of these values, unless configured otherwise.
    only: &'static [(&'static str, &'static [&'static str])],
    fields: fn() -> Vec<FieldDef>,
}

impl Facts {
    /// A two-way module with nothing particular about it.
    const fn two_way(title: &'static str, singular: &'static str, group: Group, fields: fn() -> Vec<FieldDef>) -> Self {
        Self {
            title,
            singular,
            group,
            flow: Flow::Both,
            one_way: "",
            on_by_default: false,
            follows: None,
            appends: false,
            identity: &[],
            titled_by: &["name"],
            only: &[],
            fields,
        }
    }

    /// A module that only ever writes to the CRM, and why.
    const fn one_way(
        title: &'static str,
        singular: &'static str,
        group: Group,
        fields: fn() -> Vec<FieldDef>,
        one_way: &'static str,
    ) -> Self {
        Self { flow: Flow::ToCrm, one_way, ..Self::two_way(title, singular, group, fields) }
    }
}

impl ModuleId {
    /// Every module in sync order.
    pub const ALL: [Self; 9] = [
        Self::Companies,
        Self::Contacts,
        Self::Leads,
        Self::Events,
        Self::Attendees,
        Self::Registrations,
        Self::QuotesAndBookings,
        Self::ContactEmails,
        Self::Orders,
    ];
    /// The main job: what is kept in step both ways for every account with venues.
    pub const PEOPLE: [Self; 2] = [Self::Companies, Self::Contacts];

    fn facts(self) -> &'static Facts {
        match self {
            Self::Companies => &companies::FACTS,
            Self::Contacts => &contacts::FACTS,
            Self::Leads => &leads::FACTS,
            Self::Events => &events::FACTS,
            Self::Attendees => &attendees::FACTS,
            Self::Registrations => &registrations::FACTS,
            Self::QuotesAndBookings => &quotes_and_bookings::FACTS,
            Self::ContactEmails => &contact_emails::FACTS,
            Self::Orders => &orders::FACTS,
        }
    }

    /// The number used in store keys.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The module with this store number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|module| module.number() == number)
    }

    /// Which part of the catalogue it belongs to (V-02).
    pub fn group(self) -> Group {
        self.facts().group
    }

    /// Whether it is kept in step when the configuration does not say so: optional means off (V-03).
    pub fn on_by_default(self) -> bool {
        self.facts().on_by_default
    }

    /// The module whose switch this one obeys instead of one of its own (V-61).
    pub fn follows(self) -> Option<Self> {
        self.facts().follows
    }

    /// Where the module may write (E4: a property of the module, enforced by the engine).
    pub fn flow(self) -> Flow {
        self.facts().flow
    }

    /// Why nothing is ever written to iVvy, for one-way modules.
    pub fn one_way(self) -> Option<&'static str> {
        Some(self.facts().one_way).filter(|why| !why.is_empty())
    }

    /// Whether records are history: created once in the CRM, never read back, compared or changed (V-31).
    pub fn appends(self) -> bool {
        self.facts().appends
    }

    /// The sides whose records are swept: not one that is only ever appended to.
    pub fn swept_sides(self) -> &'static [Side] {
        if self.appends() { &[Side::Ivvy] } else { &Side::BOTH }
    }

    /// Fields whose values name a record in the queue.
    pub fn titled_by(self) -> &'static [&'static str] {
        self.facts().titled_by
    }

    /// The static definition, without custom fields.
    pub fn def(self) -> ModuleDef {
        let facts = self.facts();
        ModuleDef {
            id: self,
            group: facts.group,
            flow: facts.flow,
            identity: facts.identity.iter().map(|name| Cow::Borrowed(*name)).collect(),
            fields: (facts.fields)(),
            only: facts
                .only
                .iter()
                .map(|(field, values)| ((*field).to_owned(), values.iter().map(|value| (*value).to_owned()).collect()))
                .collect(),
            drift: Drift::default(),
            request: None,
            mapping_version: 1,
        }
    }

    /// Fields that exist only where the configuration names a place for them in the CRM: reading them costs
    /// more calls, or nobody has a standard field for them.
    pub fn fields_on_request(self) -> Vec<FieldDef> {
        match self {
            Self::Contacts => vec![contacts::email_opt_out()],
            Self::Orders => orders::bookings(),
            _ => Vec::new(),
        }
    }

    /// The name used in ids and keys for one record of this module (`contact`).
    pub fn singular(self) -> &'static str {
        self.facts().singular
    }

    /// The name a person reads ("Contacts").
    pub fn title(self) -> &'static str {
        self.facts().title
    }
}

/// What becomes of a CRM edit of a field that iVvy owns (V-43, V-50).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Display, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Drift {
    /// It stays, and is shown as drift, until iVvy's own value changes: then that is written over it.
    #[default]
    Ignore,
    /// iVvy's value is put back.
    Revert,
    /// A person decides.
    Hold,
}

/// What is matched between the systems without being synced: kept in match tables.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    EnumIter,
    IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[repr(u8)]
pub enum MatchKind {
    /// People who own leads: iVvy users, CRM users. Matched on e-mail, never created (C-08 to C-15, P-07).
    Staff = 1,
    /// Where leads come from. Matched on the name without regard to case (C-16 to C-24).
    LeadSource = 2,
}

impl MatchKind {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Staff, Self::LeadSource];

    /// What a person reads.
    pub fn title(self) -> &'static str {
        match self {
            Self::Staff => "Staff",
            Self::LeadSource => "Lead sources",
        }
    }
}

/// Where a field or module may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Display, EnumString, EnumIter, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Flow {
    /// Either side's change reaches the other.
    Both,
    /// iVvy owns it; the CRM is never read back into iVvy.
    ToCrm,
    /// The CRM owns it.
    ToIvvy,
}

impl Flow {
    /// Whether values may be written on `side`.
    pub fn may_write(self, side: Side) -> bool {
        match self {
            Self::Both => true,
            Self::ToCrm => side == Side::Crm,
            Self::ToIvvy => side == Side::Ivvy,
        }
    }
}

/// What a field holds; decides its canonical form (`merge::canonical`) and its type check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// One line of text.
    Text,
    /// Several lines of text.
    LongText,
    /// An e-mail address, compared without regard to case.
    Email,
    /// A telephone number, compared by its digits.
    Phone,
    /// A web address.
    Url,
    /// A flag.
    Bool,
    /// A whole number.
    Int,
    /// A calendar date `yyyy-mm-dd`.
    Date,
    /// An instant, RFC 3339 in UTC (`2026-11-21T09:30:00Z`).
    DateTime,
    /// An amount of money as decimal text (`1234.50`), without its currency.
    Money,
    /// A page of HTML. Hostile: shown only through `text`.
    Html,
    /// One value of a closed list.
    Choice,
    /// Several values of a list, unordered.
    Choices,
    /// The id of one record of another module, compared through its link.
    Reference(ModuleId),
    /// The id of one entry of a match table. Unmatched means sent without one: it never holds a record up
    /// (C-13, C-24).
    Match(MatchKind),
    /// The id of the record's own counterpart (V-13): only the empty value may be filled unasked.
    ConstantId,
}

/// One field of a module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldDef {
    /// Stable name in records, config and JSON (`first_name`).
    pub name: Cow<'static, str>,
    /// What a person reads ("First name").
    pub title: Cow<'static, str>,
    /// Its type.
    pub kind: FieldKind,
    /// Where it may be written.
    pub flow: Flow,
    /// Needed to create the record on this side (V-11: iVvy needs the whole triple).
    pub required_on: Option<Side>,
    /// Given when the record is created, even on a side where it may not be changed later.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_creation: bool,
    /// iVvy's value is put back, unasked, where the CRM differs, also in a module that goes both ways
    /// (V-21).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub enforced: bool,
    /// For a set of groups the record belongs to: it is brought together group by group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub membership: Option<Membership>,
    /// What becomes of a value on its way to the other side (mapped custom fields).
    #[serde(default, skip_serializing_if = "Transform::is_none")]
    pub transform: Transform,
    /// What a new record gets where the one it is made from has no value; in iVvy's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

/// How groups that a record belongs to are brought together (V-18): each is joined and left by itself on
/// iVvy's side, so two different sets are never a question, not even the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Whether who leaves a group in the CRM leaves it in iVvy too. Otherwise the CRM is shown again what
    /// iVvy holds: towards iVvy the set only grows.
    pub mirror_removals: bool,
}

impl FieldDef {
    pub(crate) const fn new(name: &'static str, title: &'static str, kind: FieldKind) -> Self {
        Self {
            name: Cow::Borrowed(name),
            title: Cow::Borrowed(title),
            kind,
            flow: Flow::Both,
            required_on: None,
            at_creation: false,
            enforced: false,
            membership: None,
            transform: Transform::None,
            default: None,
        }
    }

    /// A field of a one-way module, or one that iVvy owns.
    pub(crate) const fn to_crm(name: &'static str, title: &'static str, kind: FieldKind) -> Self {
        Self::new(name, title, kind).flow(Flow::ToCrm)
    }

    pub(crate) const fn flow(mut self, flow: Flow) -> Self {
        self.flow = flow;
        self
    }

    pub(crate) const fn at_creation(mut self) -> Self {
        self.at_creation = true;
        self
    }

    pub(crate) const fn enforced(mut self) -> Self {
        self.enforced = true;
        self
    }

    pub(crate) const fn membership(mut self, membership: Membership) -> Self {
        self.membership = Some(membership);
        self
    }

    pub(crate) const fn required_on(mut self, side: Side) -> Self {
        self.required_on = Some(side);
        self
    }
}

/// A module with all its fields, custom ones included once the configuration has been applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleDef {
    /// Which module.
    pub id: ModuleId,
    /// Which part of the catalogue (V-02).
    pub group: Group,
    /// Where the module may write.
    pub flow: Flow,
    /// Field names that together identify a record at first pairing (V-11), in title order.
    pub identity: Vec<Cow<'static, str>>,
    /// Fields in display order.
    pub fields: Vec<FieldDef>,
    /// A record is first carried over only while each of these fields has one of these values (V-45, V-47,
    /// V-52); once it has a counterpart it is followed whatever becomes of it.
    #[serde(default)]
    pub only: BTreeMap<String, BTreeSet<String>>,
    /// What becomes of CRM edits of fields that iVvy owns.
    #[serde(default)]
    pub drift: Drift,
    /// The field by which a CRM record asks to be made on iVvy's side, in a module that otherwise only goes to the
    /// CRM. Records without it are none of ours, and whatever is written there waits for a person first (S-07).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Cow<'static, str>>,
    /// Grows with every change of the field map; part of every plan's fingerprint.
    pub mapping_version: u32,
}

impl ModuleDef {
    /// The field with this name.
    pub fn field(&self, name: &str) -> Option<&FieldDef> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Whether a record of iVvy with these fields is carried over; otherwise the field that keeps it out.
    ///
    /// # Errors
    /// The name of the first field in [`ModuleDef::only`] whose value is not admitted.
    pub fn admits(&self, fields: &Fields) -> Result<(), &str> {
        let value = |name: &str| fields.get(name).map(ToString::to_string).unwrap_or_default();
        match self.only.iter().find(|(name, values)| !values.is_empty() && !values.contains(&value(name))) {
            None => Ok(()),
            Some((name, _)) => Err(name),
        }
    }

    /// Whether a CRM record with these fields asks to be made on iVvy's side.
    pub fn requested(&self, fields: &Fields) -> bool {
        let asked = self.request.as_ref().and_then(|name| fields.get(name.as_ref()));
        asked.is_some_and(|value| !value.is_empty())
    }

    /// Why nothing is ever written to iVvy, where the module as configured goes to the CRM only.
    pub fn one_way(&self) -> Option<&'static str> {
        if self.flow.may_write(Side::Ivvy) { None } else { self.id.one_way() }
    }

    /// Lets CRM records ask for bookings (S-07): they are given whoever buys, in which currency, and what they ask for.
    pub fn take_bookings(&mut self) {
        self.flow = Flow::Both;
        self.request = Some(Cow::Borrowed(BOOKING));
        for field in &mut self.fields {
            field.at_creation |= ["contact", "company", "currency"].contains(&field.name.as_ref());
        }
    }
}

/// Name of the field of a contact that says that no marketing may be sent to them (V-21).
pub const EMAIL_OPT_OUT: &str = "email_opt_out";

/// Name of the optional field of an order by which an opportunity asks for a booking: an order that is left open
/// (`open`), one that is only held (`reservation`, `option`), one that is paid (`sale`) (S-07, S-27).
pub const BOOKING: &str = "booking";

/// The words for what an opportunity has come to (V-41, V-83).
pub const STAGES: [&str; 5] = ["open", "quote", "tentative", "won", "lost"];

/// Name of the virtual field that holds the counterpart's constant id on the iVvy side (V-13).
/// On the CRM side its value is the CRM record's own id.
pub const EXTERNAL_ID: &str = "external_id";

/// Name of the virtual field that holds our external key on the CRM side (`contact-123`).
/// On the iVvy side its value is derived from the iVvy id.
pub const IVVY_KEY: &str = "ivvy_key";

/// Name of the optional field that holds the subscription groups of a contact (V-18). Its members are the
/// names the configuration gives the groups, the same on both sides; other groups are no part of it.
pub const GROUPS: &str = "groups";

/// [`GROUPS`], as the catalogue has it once groups are configured.
pub fn groups_field(membership: Membership) -> FieldDef {
    FieldDef::new(GROUPS, "Subscription groups", FieldKind::Choices).membership(membership)
}

/// The external key Tandem writes into the CRM for an iVvy record: `contact-123`, or
/// `acme-contact-123` when several accounts share one CRM. Characters `[A-Za-z0-9_-]` only
/// (`contracts/crm.md` 9).
pub fn external_key(scope: Option<&str>, module: ModuleId, ivvy_id: &str) -> String {
    match scope {
        Some(scope) => format!("{scope}-{}-{ivvy_id}", module.singular()),
        None => format!("{}-{ivvy_id}", module.singular()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seven_modules_have_these_names_and_groups_and_two_are_more_v02() {
        let named = |group: Group| -> Vec<&str> {
            ModuleId::ALL.into_iter().filter(|id| id.group() == group).map(ModuleId::title).collect()
        };
        assert_eq!(named(Group::Common), ["Contacts", "Leads", "Contact Emails"]);
        assert_eq!(named(Group::Events), ["Events", "Attendees", "Registrations"]);
        assert_eq!(named(Group::Venues), ["Companies", "Quotes & Bookings"]);
        assert_eq!(named(Group::Ticketing), ["Orders"]);
        let stable: Vec<&str> = ModuleId::ALL.into_iter().map(Into::into).collect();
        let expected = [
            "companies",
            "contacts",
            "leads",
            "events",
            "attendees",
            "registrations",
            "quotes_and_bookings",
            "contact_emails",
            "orders",
        ];
        assert_eq!(stable, expected, "as configuration, command line and logs call them");
        for id in ModuleId::ALL {
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!((id.def().group, id.def().flow), (id.group(), id.flow()));
        }
    }
}
