//! How to reach one Odoo database and which of its fields to use.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use secrecy::SecretString;

use super::{modules, stage};
use crate::error::Error;
use crate::model::{FieldDef, FieldKind, ModuleId};
use crate::remote::transport::Limits;

/// Where the tenant has events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EventsIn {
    /// The Events app (`event.event`, with people in `event.registration`).
    #[default]
    EventsApp,
    /// Campaigns (`utm.campaign`), which every Odoo with CRM has. They hold a title and no people, so
    /// attendees have no place.
    Campaigns,
}

/// Where Odoo keeps the two halves of a person's name. Odoo itself has one `name`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NameFields {
    /// `x_first_name` and `x_last_name` if the model (`res.partner`, `crm.lead`) has both, else
    /// [`NameFields::Split`]. Asked once per module, at first use.
    #[default]
    Detect,
    /// No fields of their own: `name` is split at its last space. A last name of several words reads
    /// back differently from how it was written, so this suits tenants where iVvy owns the names.
    Split,
    /// Two char fields of `res.partner`; of `crm.lead` too if it has them. Both halves survive; a rename
    /// in Odoo's own screens, which touches only `name`, is fitted to the halves known before.
    Custom {
        /// Technical name of the field with the first name.
        first: String,
        /// Technical name of the field with the last name.
        last: String,
    },
}

/// Settings of an [`Odoo`](super::Odoo) adapter.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address of the server, without a path unless it is served under one.
    pub base_url: String,
    /// Database name.
    pub database: String,
    /// API key of the integration user: one of its own, so that its writes can be told apart.
    pub key: SecretString,
    /// Catalogue fields that are neither read nor written, by module (C-07).
    pub left_out: BTreeSet<(ModuleId, String)>,
    /// Custom fields per module: catalogue field → technical name of the model's field
    /// (char, text, integer, boolean, date or selection).
    pub custom: BTreeMap<ModuleId, Vec<(FieldDef, String)>>,
    /// Catalogue fields for which Odoo has no field of its own, by module and name: technical name of the
    /// field that holds them. Which ones a module knows stands in its file under `modules`.
    pub extra_fields: BTreeMap<(ModuleId, String), String>,
    /// Where the halves of a name live.
    pub name_fields: NameFields,
    /// Where the tenant has events.
    pub events: EventsIn,
    /// Char field of `event.registration` for iVvy's own word on an attendee: Odoo's four states cannot
    /// hold it. An administrator makes it, like any custom field.
    pub attendee_status: String,
    /// The catalogue's stage words `open`, `quote`, `tentative` and `won` → name of the stage in Odoo. A
    /// lost opportunity has no stage of its own: Odoo archives it.
    pub stages: BTreeMap<String, String>,
    /// Subscription groups that are kept in step: iVvy's number of each and the name of its tag.
    pub groups: BTreeMap<u64, String>,
    /// How long a write may take to become visible to a look-up.
    pub settle: Duration,
    /// Overlap of two sweeps. `write_date` is the *start* of a transaction, so a slow one appears
    /// behind the cursor (`contracts/crm.md` 6).
    pub overlap: Duration,
    /// Bounds of one exchange.
    pub limits: Limits,
}

impl Settings {
    /// Defaults for everything but the access: no custom fields, names detected, events in the
    /// Events app, attendees' status in `x_ivvy_status`, the stages of a fresh Odoo, 5 s to settle, 120 s of
    /// overlap.
    pub fn new(base_url: impl Into<String>, database: impl Into<String>, key: SecretString) -> Self {
        Self {
            base_url: base_url.into(),
            database: database.into(),
            key,
            left_out: BTreeSet::new(),
            custom: BTreeMap::new(),
            extra_fields: BTreeMap::new(),
            name_fields: NameFields::default(),
            events: EventsIn::default(),
            attendee_status: "x_ivvy_status".to_owned(),
            stages: stage::default_names(),
            groups: BTreeMap::new(),
            settle: Duration::from_secs(5),
            overlap: Duration::from_secs(120),
            limits: Limits::default(),
        }
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        if self.database.trim().is_empty() {
            return Err(Error::config("the Odoo database has no name"));
        }
        if let NameFields::Custom { first, last } = &self.name_fields {
            check_field_name(first)?;
            check_field_name(last)?;
        }
        check_field_name(&self.attendee_status)?;
        stage::check_names(&self.stages)?;
        self.check_extra()?;
        for (module, fields) in &self.custom {
            let (mut names, mut targets) = (BTreeSet::new(), BTreeSet::new());
            for (def, odoo) in fields {
                check_field_name(odoo)?;
                if module.def().field(&def.name).is_some() || !names.insert(&def.name) || !targets.insert(odoo) {
                    return Err(Error::config(format!("{module}: {} or {odoo} is mapped twice", def.name)));
                }
                if matches!(def.kind, FieldKind::Choices | FieldKind::Reference(_) | FieldKind::ConstantId) {
                    return Err(Error::config(format!(
                        "{module}: {} has a type the Odoo adapter cannot map",
                        def.name
                    ))
                    .hint("map text, number, flag, date or selection fields"));
                }
            }
        }
        Ok(())
    }

    /// Every extra field is one that the module can use, in a field that nothing else is kept in.
    fn check_extra(&self) -> Result<(), Error> {
        for ((module, name), odoo) in &self.extra_fields {
            check_field_name(odoo)?;
            let Some(place) = modules::place(*module, self) else { continue };
            if !place.optional.iter().any(|(known, _)| known == name) {
                let known: Vec<&str> = place.optional.iter().map(|(name, _)| *name).collect();
                return Err(Error::config(format!("{module}: {name} cannot be kept in a field of its own"))
                    .hint(format!("fields that can: {}", known.join(", "))));
            }
            if place.mapped.iter().filter(|mapped| mapped.odoo == *odoo).count() > 1 {
                return Err(Error::config(format!("{module}: two fields are mapped to {odoo}"))
                    .hint("give each a field of its own"));
            }
        }
        Ok(())
    }
}

fn check_field_name(name: &str) -> Result<(), Error> {
    let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if plain { Ok(()) } else { Err(Error::config(format!("{name:?} is not the technical name of an Odoo field"))) }
}
