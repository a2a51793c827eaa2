//! The module catalogue: which kinds of record Tandem keeps in step, and with which fields.
//!
//! A module ties one iVvy object to one CRM object (V-01, V-02). Queue, console tabs, config, CLI
//! and docs are generated from this table, so a module is described once. The static definitions
//! live in `contacts` and `companies`; custom fields are added to a copy at run time (V-19).

mod companies;
mod contacts;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString, IntoStaticStr};

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
}

impl ModuleId {
    /// Every module in sync order.
    pub const ALL: [Self; 2] = [Self::Companies, Self::Contacts];

    /// The number used in store keys.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The module with this store number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|module| module.number() == number)
    }

    /// Whether it is kept in step when the configuration does not say so: optional means off (V-03).
    pub fn on_by_default(self) -> bool {
        self == Self::Contacts
    }

    /// The static definition, without custom fields.
    pub fn def(self) -> ModuleDef {
        match self {
            Self::Companies => companies::definition(),
            Self::Contacts => contacts::definition(),
        }
    }

    /// The name used in ids and keys for one record of this module (`contact`).
    pub fn singular(self) -> &'static str {
        match self {
            Self::Companies => "company",
            Self::Contacts => "contact",
        }
    }

    /// The name a person reads ("Contacts").
    pub fn title(self) -> &'static str {
        match self {
            Self::Companies => "Companies",
            Self::Contacts => "Contacts",
        }
    }
}

/// Where a field or module may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Display, EnumString)]
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
    /// One value of a closed list.
    Choice,
    /// Several values of a list, unordered.
    Choices,
    /// The id of one record of another module, compared through its link.
    Reference(ModuleId),
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
    /// Needed to create the record on these sides (V-11: iVvy needs the whole triple).
    pub required_on: Option<Side>,
}

impl FieldDef {
    pub(crate) const fn new(name: &'static str, title: &'static str, kind: FieldKind) -> Self {
        Self { name: Cow::Borrowed(name), title: Cow::Borrowed(title), kind, flow: Flow::Both, required_on: None }
    }

    pub(crate) const fn flow(mut self, flow: Flow) -> Self {
        self.flow = flow;
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
    /// "Common", "Events" or "Venues" (V-02).
    pub group: Cow<'static, str>,
    /// Where the module may write.
    pub flow: Flow,
    /// Field names that together identify a record at first pairing (V-11), in title order.
    pub identity: Vec<Cow<'static, str>>,
    /// Fields in display order.
    pub fields: Vec<FieldDef>,
    /// Grows with every change of the field map; part of every plan's fingerprint.
    pub mapping_version: u32,
}

impl ModuleDef {
    /// The field with this name.
    pub fn field(&self, name: &str) -> Option<&FieldDef> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// Name of the virtual field that holds the counterpart's constant id on the iVvy side (V-13).
/// On the CRM side its value is the CRM record's own id.
pub const EXTERNAL_ID: &str = "external_id";

/// Name of the virtual field that holds our external key on the CRM side (`contact-123`).
/// On the iVvy side its value is derived from the iVvy id.
pub const IVVY_KEY: &str = "ivvy_key";

/// The external key Tandem writes into the CRM for an iVvy record: `contact-123`, or
/// `acme-contact-123` when several accounts share one CRM. Characters `[A-Za-z0-9_-]` only
/// (`contracts/crm.md` 9).
pub fn external_key(scope: Option<&str>, module: ModuleId, ivvy_id: &str) -> String {
    match scope {
        Some(scope) => format!("{scope}-{}-{ivvy_id}", module.singular()),
        None => format!("{}-{ivvy_id}", module.singular()),
    }
}
