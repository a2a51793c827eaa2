//! Mapped custom fields (V-19): which custom field of iVvy is which field of the CRM, how a value goes
//! over, and the versions of a module's map.
//!
//! A mapped field comes from the configuration file or from a [`FieldMap`] in the store; the catalogue
//! does not know which. Whether two *particular* fields fit each other is `merge::mapping`'s business: here
//! stands only what can be said of a field by itself.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString, IntoStaticStr};

use super::{Actor, FieldDef, FieldKind, Flow, ModuleId, Side, Timestamp, Value};

/// One custom field and what it is called on either side (V-19).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomField {
    /// Short name: `a-z`, digits and `_`. In records and decisions the field is `custom.<ivvy>`, because
    /// that number never changes.
    pub name: String,
    /// What a person reads; the short name when absent.
    pub title: Option<String>,
    /// Its type. Values of another type are refused on either side.
    pub kind: CustomKind,
    /// iVvy's number of the custom field.
    pub ivvy: u64,
    /// The CRM's field name (`x_diet`, `Diet__c`).
    pub crm: String,
    /// Where it may be written.
    #[serde(default = "both_ways")]
    pub flow: Flow,
    /// What becomes of a value on its way.
    #[serde(default, skip_serializing_if = "Transform::is_none")]
    pub transform: Transform,
    /// What a new record gets where the record it is made from has no value; in iVvy's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

/// Characters a name or a title may have.
const MOST_NAME: usize = 120;

fn both_ways() -> Flow {
    Flow::Both
}

impl CustomField {
    /// Its name in the catalogue.
    pub fn field(&self) -> String {
        format!("custom.{}", self.ivvy)
    }

    /// What a person reads.
    pub fn title(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.name)
    }

    /// The field as the catalogue knows it.
    pub fn def(&self) -> FieldDef {
        FieldDef {
            name: self.field().into(),
            title: self.title().to_owned().into(),
            kind: self.kind.into(),
            flow: self.flow,
            required_on: None,
            at_creation: false,
            enforced: false,
            membership: None,
            transform: self.transform.clone(),
            default: self.default.clone(),
        }
    }

    /// What is wrong with the field by itself: a sentence, and what to do.
    pub fn fault(&self, module: ModuleId) -> Option<Fault> {
        let name = &self.name;
        for (what, text) in [("name", Some(name)), ("title", self.title.as_ref())] {
            let long = text.map_or(0, |text| text.chars().count());
            if long > MOST_NAME {
                return Some((format!("the {what} has {long} characters"), "at most 120 characters"));
            }
        }
        let well_formed = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            && name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        if !well_formed {
            return Some((format!("`{name}` is not a field name"), "small letters, digits and _, a letter first"));
        }
        if module.def().field(name).is_some() {
            return Some((format!("`{name}` is a built-in field of {module}"), "choose another name"));
        }
        if self.crm.trim().is_empty() {
            return Some(("`crm` is empty".to_owned(), "the CRM's own name of the field"));
        }
        if !self.transform.suits(self.kind) {
            return Some((
                format!("{} does not go with the type {}", self.transform, self.kind),
                "trim, upper and lower are for text; a value table is for choice and choices",
            ));
        }
        if let Transform::Values(table) = &self.transform {
            return table_fault(table);
        }
        let default = self.default.as_ref()?;
        (!self.kind.holds(default))
            .then(|| (format!("the default of `{name}` is not of the type {}", self.kind), "a value of that type"))
    }

    /// What of the two would be there twice, if anything.
    pub fn clashes_with(&self, other: &Self) -> Option<String> {
        if self.name == other.name {
            Some(format!("the name `{}`", self.name))
        } else if self.ivvy == other.ivvy {
            Some(format!("iVvy's field {}", self.ivvy))
        } else if self.crm == other.crm {
            Some(format!("the CRM's field `{}`", self.crm))
        } else {
            None
        }
    }
}

/// What is wrong, and what to do about it.
pub type Fault = (String, &'static str);

/// A value that stands for two others, or that two others stand for, could not be carried back.
fn table_fault(table: &BTreeMap<String, String>) -> Option<Fault> {
    if table.is_empty() {
        return Some(("the value table is empty".to_owned(), "pairs of an iVvy option and a CRM option"));
    }
    for (side, values) in [("iVvy", table.keys().collect::<Vec<_>>()), ("CRM", table.values().collect())] {
        let mut seen = BTreeSet::new();
        for value in values {
            if value.trim().is_empty() {
                return Some((format!("the value table has an empty {side} option"), "leave the pair out"));
            }
            if !seen.insert(value.trim().to_lowercase()) {
                return Some((
                    format!("the value table has the {side} option `{value}` twice"),
                    "every option has one counterpart, or it could not be carried back",
                ));
            }
        }
    }
    None
}

/// Types a custom field may have: those both sides can hold. References and ids are not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Display, EnumString, EnumIter, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum CustomKind {
    /// One line of text.
    Text,
    /// Several lines of text.
    LongText,
    /// An e-mail address.
    Email,
    /// A telephone number.
    Phone,
    /// A web address.
    Url,
    /// A flag.
    Bool,
    /// A whole number.
    Int,
    /// A calendar date.
    Date,
    /// One value of a list.
    Choice,
    /// Several values of a list.
    Choices,
}

impl CustomKind {
    /// The type of a remote's field, if custom fields may have it.
    pub fn of(kind: FieldKind) -> Option<Self> {
        Some(match kind {
            FieldKind::Text => Self::Text,
            FieldKind::LongText => Self::LongText,
            FieldKind::Email => Self::Email,
            FieldKind::Phone => Self::Phone,
            FieldKind::Url => Self::Url,
            FieldKind::Bool => Self::Bool,
            FieldKind::Int => Self::Int,
            FieldKind::Date => Self::Date,
            FieldKind::Choice => Self::Choice,
            FieldKind::Choices => Self::Choices,
            _ => return None,
        })
    }

    /// The type in words, with its article.
    pub fn words(self) -> &'static str {
        match self {
            Self::Text => "a line of text",
            Self::LongText => "lines of text",
            Self::Email => "an e-mail address",
            Self::Phone => "a telephone number",
            Self::Url => "a web address",
            Self::Bool => "a flag",
            Self::Int => "a whole number",
            Self::Date => "a date",
            Self::Choice => "one of a list of options",
            Self::Choices => "several of a list of options",
        }
    }

    /// Whether it is text that somebody types.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::LongText | Self::Email | Self::Phone | Self::Url)
    }

    /// Whether it is taken from a list.
    pub fn is_list(self) -> bool {
        matches!(self, Self::Choice | Self::Choices)
    }

    /// How a side of type `there` goes with it as the type of the mapping.
    pub fn fit(self, there: Self) -> Fit {
        use CustomKind::{Choice, Choices, LongText, Text};
        match (self, there) {
            (kind, there) if kind == there => Fit::Well,
            (Choices, _) | (_, Choices) => Fit::Not,
            (kind, LongText) if kind.is_text() => Fit::Well,
            (LongText, there) if there.is_text() => Fit::Some,
            (kind, Text) if kind.is_text() => Fit::Well,
            (kind, there) if kind.is_text() && there.is_text() => Fit::Some,
            // Text takes anything, but not everything in it can be read as the type.
            (_, there) if there.is_text() => Fit::Some,
            (kind, Choice) if kind.is_text() => Fit::Some,
            _ => Fit::Not,
        }
    }

    /// Whether a value is of the type.
    fn holds(self, value: &Value) -> bool {
        match (self, value) {
            (_, empty) if empty.is_empty() => false,
            (Self::Bool, Value::Bool(_)) | (Self::Int, Value::Int(_)) | (Self::Choices, Value::Set(_)) => true,
            (Self::Date, Value::Text(text)) => text.parse::<chrono::NaiveDate>().is_ok(),
            (Self::Bool | Self::Int | Self::Choices | Self::Date, _) => false,
            (_, value) => value.as_text().is_some(),
        }
    }

    /// Reads a value as it is typed; several options are parted by `;`.
    ///
    /// # Errors
    /// What the type takes, when the text is not that.
    pub fn parse(self, text: &str) -> Result<Value, &'static str> {
        let text = text.trim();
        let value = match self {
            Self::Bool => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "1" => Value::Bool(true),
                "false" | "no" | "0" => Value::Bool(false),
                _ => return Err("yes or no"),
            },
            Self::Int => Value::Int(text.parse().map_err(|_| "a whole number")?),
            Self::Choices => Value::Set(text.split(';').map(|one| one.trim().to_owned()).collect()),
            _ => Value::text(text),
        };
        match self.holds(&value) {
            true => Ok(value),
            false if self == Self::Date => Err("a date like 2026-01-31"),
            false => Err("something that is not empty"),
        }
    }
}

/// How a side's type goes with the type of the mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Every value fits there.
    Well,
    /// Not every value fits there.
    Some,
    /// They have nothing to do with each other.
    Not,
}

impl From<CustomKind> for FieldKind {
    fn from(kind: CustomKind) -> Self {
        match kind {
            CustomKind::Text => Self::Text,
            CustomKind::LongText => Self::LongText,
            CustomKind::Email => Self::Email,
            CustomKind::Phone => Self::Phone,
            CustomKind::Url => Self::Url,
            CustomKind::Bool => Self::Bool,
            CustomKind::Int => Self::Int,
            CustomKind::Date => Self::Date,
            CustomKind::Choice => Self::Choice,
            CustomKind::Choices => Self::Choices,
        }
    }
}

/// What becomes of a value on its way to the other side. A closed list: whatever stands here must also say
/// when two values mean the same (`merge::transform`).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    /// It goes as it is.
    #[default]
    None,
    /// Without the space around it.
    Trim,
    /// In capitals. Values that differ in nothing else mean the same.
    Upper,
    /// In small letters. Values that differ in nothing else mean the same.
    Lower,
    /// By a table of iVvy's options and the CRM's, one to one. What is not in it is never guessed.
    Values(BTreeMap<String, String>),
}

impl Transform {
    /// Whether values go as they are.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// Whether it can be done to values of this type.
    pub fn suits(&self, kind: CustomKind) -> bool {
        match self {
            Self::None => true,
            Self::Trim | Self::Upper | Self::Lower => matches!(kind, CustomKind::Text | CustomKind::LongText),
            Self::Values(_) => kind.is_list(),
        }
    }
}

impl std::fmt::Display for Transform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Trim => f.write_str("trim"),
            Self::Upper => f.write_str("upper"),
            Self::Lower => f.write_str("lower"),
            Self::Values(table) => write!(f, "a table of {} values", table.len()),
        }
    }
}

/// A custom field of the store's map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappedField {
    /// The field.
    pub field: CustomField,
    /// The version that mapped it as it is. What the two sides held then is not touched.
    pub since: u32,
}

/// One version of a module's map in the store, whole. Versions are appended, never rewritten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldMap {
    /// Which version; the first is 1.
    pub version: u32,
    /// Every field mapped in the store.
    pub fields: Vec<MappedField>,
    /// What this version changed, in a sentence.
    pub what: String,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who made it.
    pub by: Actor,
    /// When.
    pub at: Timestamp,
}

/// The newest version of every module that has one.
pub type FieldMaps = BTreeMap<ModuleId, FieldMap>;

/// A field the remote has, for the mapping of custom fields (V-19).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldDefinition {
    /// The remote's name or id of the field.
    pub name: String,
    /// Its label (remote text).
    pub title: String,
    /// Our reading of its type; `None` for types that cannot be synced (files, static text).
    pub kind: Option<FieldKind>,
    /// Whether values may be written.
    pub writable: bool,
    /// Closed list of values: (value, label).
    pub options: Vec<(String, String)>,
}

/// The type under which two fields are kept in step, if there is one: the stricter of the two.
pub fn kind_for(ivvy: &FieldDefinition, crm: &FieldDefinition) -> Option<CustomKind> {
    let (ivvy, crm) = (CustomKind::of(ivvy.kind?)?, CustomKind::of(crm.kind?)?);
    let candidates = [ivvy, crm];
    let strict = candidates.into_iter().find(|kind| !kind.is_text() && !kind.is_list());
    let special = candidates.into_iter().find(|kind| !matches!(kind, CustomKind::Text | CustomKind::LongText));
    let kind =
        strict.or(special).unwrap_or(if candidates.contains(&CustomKind::Text) { CustomKind::Text } else { ivvy });
    candidates.into_iter().all(|there| kind.fit(there) != Fit::Not).then_some(kind)
}

/// The widest direction in which both sides can be written; `None` if neither can.
pub fn flow_for(module: Flow, ivvy: &FieldDefinition, crm: &FieldDefinition) -> Option<Flow> {
    let allowed = |side: Side, definition: &FieldDefinition| module.may_write(side) && definition.writable;
    match (allowed(Side::Ivvy, ivvy), allowed(Side::Crm, crm)) {
        (true, true) => Some(Flow::Both),
        (true, false) => Some(Flow::ToIvvy),
        (false, true) => Some(Flow::ToCrm),
        (false, false) => None,
    }
}

/// A short name made of a label; one that no built-in field has.
pub fn short_name(module: ModuleId, label: &str, ivvy: u64) -> String {
    let letters: String =
        label.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { ' ' }).collect();
    let words: Vec<&str> = letters.split_whitespace().take(4).collect();
    let name = words.join("_");
    let usable = name.starts_with(|c: char| c.is_ascii_lowercase()) && module.def().field(&name).is_none();
    if usable { name } else { format!("f{ivvy}") }
}

/// Something the type check found. Holds names of fields and options, which are remote text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Whether it stands in the way of the mapping.
    pub fault: bool,
    /// What was found, in a sentence.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field() -> CustomField {
        CustomField {
            name: "diet".to_owned(),
            title: None,
            kind: CustomKind::Choice,
            ivvy: 12,
            crm: "Diet__c".to_owned(),
            flow: Flow::Both,
            transform: Transform::None,
            default: None,
        }
    }

    fn table(pairs: &[(&str, &str)]) -> Transform {
        Transform::Values(pairs.iter().map(|(ivvy, crm)| ((*ivvy).to_owned(), (*crm).to_owned())).collect())
    }

    #[test]
    fn a_value_table_that_cannot_be_read_backwards_is_refused_v19() {
        let module = ModuleId::Contacts;
        let with = |transform| CustomField { transform, ..field() }.fault(module);
        assert_eq!(with(table(&[("1", "Vegan"), ("2", "Halal")])), None);
        for bad in [&[][..], &[("1", "Vegan"), ("2", "vegan ")], &[("a", "1"), ("A", "2")], &[("1", " ")]] {
            assert!(with(table(bad)).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn transforms_and_defaults_must_suit_the_type_v19() {
        let module = ModuleId::Contacts;
        let of = |kind, transform, default| CustomField { kind, transform, default, ..field() }.fault(module);
        assert!(of(CustomKind::Int, Transform::Upper, None).is_some());
        assert!(of(CustomKind::Text, table(&[("1", "2")]), None).is_some());
        assert_eq!(of(CustomKind::Text, Transform::Upper, Some("x".into())), None);
        assert!(of(CustomKind::Int, Transform::None, Some("x".into())).is_some());
        assert!(of(CustomKind::Text, Transform::None, Some(" ".into())).is_some());
        assert!(of(CustomKind::Date, Transform::None, Some("tomorrow".into())).is_some());
    }

    #[test]
    fn names_and_titles_are_bounded_v19() {
        let module = ModuleId::Contacts;
        let long = |count: usize| "ä".repeat(count);
        let titled = |title: String| CustomField { title: Some(title), ..field() }.fault(module);
        assert_eq!(titled(long(120)), None, "characters, not bytes");
        assert!(titled(long(121)).is_some_and(|(wrong, _)| wrong.contains("title has 121")));
        let named = CustomField { name: "n".repeat(121), ..field() }.fault(module);
        assert!(named.is_some_and(|(wrong, hint)| wrong.contains("name has 121") && hint.contains("120")));
    }

    #[test]
    fn values_are_read_as_they_are_typed() {
        assert_eq!(CustomKind::Choices.parse("a; b"), Ok(Value::Set(["a".to_owned(), "b".to_owned()].into())));
        assert_eq!(CustomKind::Bool.parse("Yes"), Ok(Value::Bool(true)));
        assert_eq!(CustomKind::Date.parse("2026-02-30"), Err("a date like 2026-01-31"));
        assert_eq!(CustomKind::Int.parse("7.5"), Err("a whole number"));
        assert!(CustomKind::Text.parse("  ").is_err());
    }

    #[test]
    fn a_map_of_an_older_program_still_opens() {
        let json = r#"{"name":"diet","title":null,"kind":"text","ivvy":12,"crm":"x_diet"}"#;
        let read: CustomField = serde_json::from_str(json).unwrap();
        assert_eq!((read.flow, read.transform, read.default), (Flow::Both, Transform::None, None));
    }
}
