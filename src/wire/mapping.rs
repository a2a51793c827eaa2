//! What is said of field maps (V-19).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{CustomField, CustomKind, FieldDefinition, FieldMap, Finding, Flow, ModuleId, Side};

/// A change of a module's map in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapChange {
    /// Which module.
    pub module: ModuleId,
    /// The version seen; 0 before the first. Another one by now is not changed.
    pub expect: u32,
    /// What to do.
    pub verb: MapVerb,
    /// Only check it: nothing is stored.
    #[serde(default)]
    pub dry_run: bool,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What can be done to a map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MapVerb {
    /// Map a field.
    Add(CustomField),
    /// Map a field that is mapped otherwise; it is known by its name.
    Change(CustomField),
    /// Take a field out of the map, by its name.
    Remove(String),
}

/// Where a mapped field comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum MapOrigin {
    /// The configuration file: not to be changed here.
    Configuration,
    /// The store.
    Store,
}

/// A mapped field as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapLine {
    /// The field.
    pub field: CustomField,
    /// Where it comes from.
    pub origin: MapOrigin,
    /// What the type check found. Remote text.
    pub findings: Vec<Finding>,
}

/// Two fields that might be meant for each other. Never applied by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapSuggestion {
    /// iVvy's number of the field.
    pub ivvy: u64,
    /// The CRM's field name. Remote text.
    pub crm: String,
    /// How alike their names are, in per cent.
    pub alike: u8,
    /// The type they would be kept in step as.
    pub kind: CustomKind,
    /// The widest direction both allow.
    pub flow: Flow,
    /// What the type check finds. Remote text.
    pub findings: Vec<Finding>,
}

/// A module's map with the definitions of both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapView {
    /// Which module.
    pub module: ModuleId,
    /// Version of the store's map; 0 before the first.
    pub version: u32,
    /// The version the engine works with: another one only for a moment.
    pub in_force: u32,
    /// Who made the version, when and what it changed. Without its fields, which stand in `mapped`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<FieldMap>,
    /// What is mapped.
    pub mapped: Vec<MapLine>,
    /// The fields that could be mapped, by side, mapped ones among them; long lists of options are cut.
    pub definitions: BTreeMap<Side, Vec<FieldDefinition>>,
    /// Why a side's fields could not be asked for. Remote text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub errors: BTreeMap<Side, String>,
    /// Pairs of unmapped fields with names alike, best first.
    pub suggestions: Vec<MapSuggestion>,
    /// What there was no room for.
    #[serde(default, skip_serializing_if = "MapLeftOut::is_empty")]
    pub left_out: MapLeftOut,
}

/// How much of a map an answer has no room for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MapLeftOut {
    /// Mapped fields.
    pub mapped: u64,
    /// Fields that could be mapped, by side.
    pub fields: BTreeMap<Side, u64>,
    /// Suggestions.
    pub suggestions: u64,
}

impl MapLeftOut {
    /// Whether everything is there.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a change of a map came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapChanged {
    /// The version now; the one there was after a dry run.
    pub version: u32,
    /// What the type check found, none of it a fault. Remote text.
    pub findings: Vec<Finding>,
    /// What it means, in sentences.
    pub message: String,
}
