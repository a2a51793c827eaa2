//! Filters of lists: which there are, what they mean, and which rows they admit (contract 7).

use std::cmp::Ordering;

use serde_json::Value;
use strum::EnumString;

use super::answer::{Refusal, parse_stamp, plain};
use super::object::Property;
use super::params::{Params, whole};
use super::row::Row;
use super::settings::{Filtering, Settings};
use crate::model::Timestamp;

/// All conditions of one call; a row has to meet every one.
#[derive(Debug, Default)]
pub(super) struct Filter {
    conditions: Vec<Condition>,
    inclusive: bool,
}

#[derive(Debug)]
struct Condition {
    field: &'static str,
    test: Test,
}

#[derive(Debug)]
enum Test {
    From(Timestamp),
    To(Timestamp),
    Holds(u64),
    Among(Vec<u64>),
    Unset,
    Never,
    /// A modifier and its operand.
    Modified(Modifier, String),
}

/// What follows the double underscore of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString)]
#[strum(serialize_all = "UPPERCASE")]
enum Modifier {
    Contains,
    NotContains,
    Begins,
    Ends,
    LessThan,
    GreaterThan,
    Not,
    Empty,
    /// No modifier.
    #[strum(disabled)]
    Is,
}

impl Filter {
    /// Reads the `filter` of a call whose list knows these properties.
    pub(super) fn read(filter: &Params<'_>, known: &[Property], settings: &Settings) -> Result<Self, Refusal> {
        let mut conditions = Vec::new();
        for name in filter.written(&[]) {
            let Some(value) = filter.get(&name) else { continue };
            conditions.extend(Condition::read(&name, value, known, settings)?);
        }
        Ok(Self { conditions, inclusive: settings.inclusive_bounds })
    }

    pub(super) fn admits(&self, row: &Row) -> bool {
        self.conditions.iter().all(|condition| condition.admits(row, self.inclusive))
    }
}

impl Condition {
    /// Nothing when the property is ignored.
    fn read(name: &str, value: &Value, known: &[Property], settings: &Settings) -> Result<Option<Self>, Refusal> {
        let refuse = |why: String| Err(Refusal::invalid("filter", why));
        let stamp = || match value.as_str().and_then(parse_stamp) {
            Some(at) => Ok(at),
            None => Err(Refusal::invalid("filter", format!("{name}: is not a date"))),
        };
        let id = || whole(value).ok_or_else(|| Refusal::invalid("filter", format!("{name}: is not a whole number")));
        let (property, modifier) = name.split_once("__").unwrap_or((name, ""));
        for candidate in known {
            let (field, test) = match *candidate {
                Property::From(own, field) if own == name => (field, Test::From(stamp()?)),
                Property::To(own, field) if own == name => (field, Test::To(stamp()?)),
                Property::Linked(own, field) if own == name => (field, Test::Holds(id()?)),
                Property::Foreign(own) if own == name => (own, Test::Never),
                Property::Among(own, field) if own == name => {
                    let codes: Option<Vec<u64>> = value.as_array().and_then(|codes| codes.iter().map(whole).collect());
                    match codes {
                        Some(codes) => (field, Test::Among(codes)),
                        None => return refuse(format!("{name}: is not a list of whole numbers")),
                    }
                }
                Property::Inferred(field) if field == property => match settings.inferred_filters {
                    Filtering::Honour => (field, Test::read(field, modifier, value)?),
                    Filtering::Ignore => return Ok(None),
                    Filtering::Reject => return refuse(format!("{name}: cannot be filtered by")),
                },
                Property::Field(field) if field == property => (field, Test::read(field, modifier, value)?),
                _ => continue,
            };
            return Ok(Some(Self { field, test }));
        }
        refuse("filter: unknown property".into())
    }

    fn admits(&self, row: &Row, inclusive: bool) -> bool {
        let bound = |from: Timestamp, to: Timestamp| if inclusive { from <= to } else { from < to };
        let time = || match self.field {
            "modifiedDate" => Some(row.modified),
            "createdDate" => Some(row.created),
            field => parse_stamp(row.text(field)),
        };
        match &self.test {
            Test::From(from) => time().is_some_and(|at| bound(*from, at)),
            Test::To(to) => time().is_some_and(|at| bound(at, *to)),
            Test::Holds(id) => row.holds(self.field, *id),
            Test::Among(codes) => row.whole(self.field).is_some_and(|code| codes.contains(&code)),
            Test::Never => false,
            Test::Unset => row.get(self.field).is_null(),
            Test::Modified(modifier, operand) => {
                let own = match self.field {
                    "id" => row.id.to_string(),
                    "modifiedDate" => plain(row.modified),
                    "createdDate" => plain(row.created),
                    field => spelled(row.get(field)),
                };
                modifier.admits(&own, operand)
            }
        }
    }
}

impl Test {
    fn read(field: &str, modifier: &str, value: &Value) -> Result<Self, Refusal> {
        if modifier.is_empty() && value == "__ISNULL__" {
            return Ok(Self::Unset);
        }
        let modifier = match modifier {
            "" => Modifier::Is,
            other => other.parse().map_err(|_| Refusal::invalid("filter", format!("{field}: unknown modifier")))?,
        };
        if !(value.is_string() || value.is_number() || value.is_boolean()) {
            return Err(Refusal::invalid("filter", format!("{field}: is not a single value")));
        }
        Ok(Self::Modified(modifier, spelled(value)))
    }
}

impl Modifier {
    fn admits(self, own: &str, operand: &str) -> bool {
        match self {
            Self::Is => own == operand,
            Self::Not => own != operand,
            Self::Contains => own.contains(operand),
            Self::NotContains => !own.contains(operand),
            Self::Begins => own.starts_with(operand),
            Self::Ends => own.ends_with(operand),
            Self::Empty => own.is_empty() == !matches!(operand, "0" | "false"),
            // The contract: up to and including, from and including.
            Self::LessThan => compared(own, operand).is_le(),
            Self::GreaterThan => compared(own, operand).is_ge(),
        }
    }
}

/// A value as filters compare it: times without their suffix.
fn spelled(value: &Value) -> String {
    match value {
        Value::String(text) => text.strip_suffix(" UTC").unwrap_or(text).to_owned(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Numbers by value, anything else as text.
pub(super) fn compared(a: &str, b: &str) -> Ordering {
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => a.total_cmp(&b),
        _ => a.cmp(b),
    }
}
