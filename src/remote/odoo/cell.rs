//! A value on its way into Odoo. `write` and `load` spell the same value differently.

use serde_json::{Number, Value as Json, json};

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// No value.
    Empty,
    Flag(bool),
    Number(i64),
    /// A decimal number as text.
    Decimal(String),
    Text(String),
    /// The database id of a related record.
    Related(i64),
    /// What becomes of single related records: Odoo's command and the id. Only `write` knows these.
    Commands(Vec<(u8, i64)>),
}

impl Cell {
    /// As `write` takes it.
    pub(super) fn for_write(&self) -> Json {
        match self {
            Self::Empty => json!(false),
            Self::Flag(flag) => json!(flag),
            Self::Number(number) | Self::Related(number) => json!(number),
            Self::Decimal(text) => text.parse().ok().and_then(Number::from_f64).map_or(json!(text), Json::Number),
            Self::Text(text) => json!(text),
            Self::Commands(commands) => json!(commands),
        }
    }

    /// As `load` takes it: text throughout.
    pub(super) fn for_load(&self) -> String {
        match self {
            Self::Empty | Self::Commands(_) => String::new(),
            Self::Flag(flag) => u8::from(*flag).to_string(),
            Self::Number(number) | Self::Related(number) => number.to_string(),
            Self::Decimal(text) | Self::Text(text) => text.clone(),
        }
    }

    /// The column that carries it in `load`: related records are named by database id.
    pub(super) fn load_column(&self, field: &str, related: bool) -> String {
        if related || matches!(self, Self::Related(_)) { format!("{field}/.id") } else { field.to_owned() }
    }
}
