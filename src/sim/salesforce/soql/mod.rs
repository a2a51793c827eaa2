//! SOQL: the subset that synchronisation needs, read by a strict parser.
//!
//! `SELECT` fields (also one step to a parent, `Account.Name`) or `COUNT()`, `FROM` one object,
//! `WHERE` with `AND`, `OR`, `NOT`, parentheses, comparisons, `LIKE`, `IN`, `INCLUDES`, `ORDER BY`,
//! `LIMIT`, `OFFSET`. Aggregates, subqueries, aliases, `FIELDS()` and date words such as `TODAY` are
//! refused as malformed. As in the real grammar, `AND` and `OR` do not mix without parentheses and
//! `NOT` stands alone in its parentheses.
//!
//! [`parse`] turns text into a [`Query`], [`Plan::new`] checks it against the schema, and the plan
//! judges and orders rows.

mod check;
mod lexer;
mod parser;
mod plan;

pub use parser::parse;
pub use plan::{Cell, Column, Narrow, Plan, Rows};

use super::error::Refusal;
use chrono::NaiveDate;

use crate::model::Timestamp;

/// A parsed query; names are not yet checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// What to return; empty for `COUNT()`.
    pub select: Vec<Path>,
    /// The object asked.
    pub from: String,
    /// Which records.
    pub filter: Option<Condition>,
    /// In which order.
    pub order: Vec<Order>,
    /// At most so many.
    pub limit: Option<u64>,
    /// Leaving out so many.
    pub offset: Option<u64>,
}

/// A field, perhaps through relationships: `Account.Name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// As written.
    pub text: String,
    /// Where it starts in the query, in bytes.
    pub at: usize,
}

/// A condition tree.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Every one holds.
    All(Vec<Condition>),
    /// At least one holds.
    Any(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// A field against one value.
    Compare(Path, Operator, Literal),
    /// A field against a list; negated for `NOT IN`.
    In(Path, bool, Vec<Literal>),
    /// A multi-select field against lists of values that must all be chosen; negated for `EXCLUDES`.
    Includes(Path, bool, Vec<Literal>),
}

/// How a field is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `=`
    Equal,
    /// `!=` or `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `LIKE`
    Like,
}

/// A value as written.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(f64),
    /// Quoted text, still with its escapes: `LIKE` reads them differently.
    Text(String),
    /// An unquoted instant.
    Instant(Timestamp),
    /// An unquoted day.
    Day(NaiveDate),
}

/// One sort key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// By which field.
    pub path: Path,
    /// Largest first.
    pub descending: bool,
    /// Whether records without a value come last (default: first).
    pub nulls_last: bool,
}

/// A refusal that points into the query, as Salesforce words it.
fn refuse_at(code: &'static str, soql: &str, at: usize, message: &str) -> Refusal {
    let before = &soql[..soql.floor_char_boundary(at)];
    let row = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|letter| *letter != '\n').count() + 1;
    let excerpt: String = soql.lines().nth(row - 1).unwrap_or_default().chars().take(120).collect();
    let pointer = " ".repeat(column.min(120) - 1);
    Refusal::new(code, format!("\n{excerpt}\n{pointer}^\nERROR at Row:{row}:Column:{column}\n{message}"))
}
