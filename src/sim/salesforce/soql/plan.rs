//! A query checked against the schema: which columns to show, which records to admit, how to order them.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::check::Checker;
use super::lexer::Glyph;
use super::{Operator, Query};
use crate::model::Timestamp;
use crate::sim::salesforce::error::Refusal;
use crate::sim::salesforce::id::SfId;
use crate::sim::salesforce::schema::{Kind, Schema};

/// Salesforce's bound on `OFFSET`.
const MAX_OFFSET: u64 = 2000;

/// A resolved field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The reference field to follow first, its relationship name, and the object it leads to.
    pub hop: Option<(String, &'static str, &'static str)>,
    /// The field's API name.
    pub field: String,
    /// What it holds.
    pub kind: Kind,
}

/// The value of one column in one record.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// A tick.
    Bool(bool),
    /// A number.
    Number(f64),
    /// An instant.
    Time(Timestamp),
    /// Text, ids, picklist values.
    Text(Cow<'a, str>),
}

/// A record as a plan looks at it.
pub trait Rows {
    /// Its value in `column`.
    fn cell(&self, column: &Column) -> Cell<'_>;
}

/// A value folded for comparing: Salesforce ignores case in text, never in ids.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Key {
    Null,
    Bool(bool),
    Number(f64),
    Time(Timestamp),
    Text(String),
}

impl Key {
    fn of(cell: Cell<'_>, kind: &Kind) -> Self {
        match cell {
            Cell::Null => Self::Null,
            Cell::Bool(flag) => Self::Bool(flag),
            Cell::Number(number) => Self::Number(number + 0.0),
            Cell::Time(at) => Self::Time(at),
            Cell::Text(text) if matches!(kind, Kind::Id | Kind::Reference { .. } | Kind::Polymorphic(_)) => {
                Self::Text(text.into_owned())
            }
            Cell::Text(text) => Self::Text(text.to_lowercase()),
        }
    }

    /// A total order; nulls first, kinds never mix within a column.
    pub(super) fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Time(a), Self::Time(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Number(_) => 2,
            Self::Time(_) => 3,
            Self::Text(_) => 4,
        }
    }
}

/// A condition with resolved names and folded values.
#[derive(Clone, Debug)]
pub(super) enum Test {
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
    Compare { column: Column, operator: Operator, key: Key },
    Like { column: Column, glyphs: Vec<Glyph> },
    In { column: Column, negated: bool, keys: Vec<Key> },
    Includes { column: Column, negated: bool, choices: Vec<Vec<String>> },
}

#[derive(Clone, Debug)]
struct SortKey {
    column: Column,
    descending: bool,
    nulls_last: bool,
}

/// Where to look for an answer. See [`Plan::narrow`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Narrow {
    /// Everywhere.
    Any,
    /// Among these.
    Ids(Vec<SfId>),
    /// Among those with one of these lower-case values in this field.
    Values(String, Vec<String>),
    /// Among those stamped at or after this.
    StampedFrom(Timestamp),
}

/// A checked query.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The object asked.
    pub object: &'static str,
    /// The columns to show; empty for `COUNT()`.
    pub columns: Vec<Column>,
    /// At most so many records.
    pub limit: Option<u64>,
    /// Leaving out so many.
    pub offset: u64,
    test: Option<Test>,
    order: Vec<SortKey>,
}

impl Plan {
    /// Checks `query`, which was parsed from `soql`.
    ///
    /// # Errors
    /// `INVALID_TYPE`, `INVALID_FIELD`, `INVALID_QUERY_FILTER_OPERATOR`, `NUMBER_OUTSIDE_VALID_RANGE`.
    pub fn new(query: &Query, soql: &str, schema: &Schema) -> Result<Self, Refusal> {
        let object = schema
            .object_folded(&query.from)
            .ok_or_else(|| Refusal::new("INVALID_TYPE", format!("sObject type '{}' is not supported.", query.from)))?;
        let checker = Checker { soql, schema, object };
        let mut columns: Vec<Column> = Vec::new();
        for path in &query.select {
            let column = checker.column(path)?;
            if columns.contains(&column) {
                return Err(checker.refuse("INVALID_FIELD", path, &format!("duplicate field selected: {}", path.text)));
            }
            columns.push(column);
        }
        if query.select.is_empty() && !query.order.is_empty() {
            return Err(Refusal::new("MALFORMED_QUERY", "COUNT() cannot be ordered"));
        }
        let offset = query.offset.unwrap_or(0);
        if offset > MAX_OFFSET {
            let text = format!("Maximum SOQL offset allowed is {MAX_OFFSET}");
            return Err(Refusal::new("NUMBER_OUTSIDE_VALID_RANGE", text));
        }
        let test = query.filter.as_ref().map(|filter| checker.test(filter)).transpose()?;
        let order = query
            .order
            .iter()
            .map(|order| {
                let column = checker.column(&order.path)?;
                if matches!(column.kind, Kind::MultiPicklist { .. } | Kind::TextArea(256..)) {
                    return Err(checker.cannot(&order.path, "sorted"));
                }
                Ok(SortKey { column, descending: order.descending, nulls_last: order.nulls_last })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { object: object.name, columns, limit: query.limit, offset, test, order })
    }

    /// Whether the record belongs to the answer.
    pub fn admits(&self, row: &impl Rows) -> bool {
        self.test.as_ref().is_none_or(|test| test.holds(row))
    }

    /// The records the answer must be among, if the conditions name them so plainly that an index can
    /// find them.
    pub fn narrow(&self) -> Narrow {
        let Some(test) = &self.test else { return Narrow::Any };
        let parts = if let Test::All(parts) = test { parts.as_slice() } else { std::slice::from_ref(test) };
        let named = parts.iter().filter_map(Test::named);
        let narrowest = named.min_by_key(|(column, _)| column.kind != Kind::Id);
        if let Some((column, keys)) = narrowest {
            let text = |key: &Key| if let Key::Text(text) = key { Some(text.clone()) } else { None };
            // A search for null finds records that no index holds.
            if let Some(values) = keys.iter().map(text).collect::<Option<Vec<_>>>() {
                return if column.kind == Kind::Id {
                    Narrow::Ids(values.iter().filter_map(|text| SfId::parse(text)).collect())
                } else {
                    Narrow::Values(column.field.clone(), values)
                };
            }
        }
        test.stamped_from().map_or(Narrow::Any, Narrow::StampedFrom)
    }

    /// Whether the answer is ordered by stamp and id, ascending: the order of the stamp index.
    pub fn in_stamp_order(&self) -> bool {
        let ascending = |by: &SortKey, name: &str| by.column.is_own(name) && !by.descending;
        matches!(self.order.as_slice(), [stamp, id] if ascending(stamp, "SystemModstamp") && ascending(id, "Id"))
    }

    /// Sorts records. What `ORDER BY` leaves open comes out newest id first: Salesforce promises no
    /// order there, and a reader who relies on one must notice.
    pub fn sort<R: Rows>(&self, rows: &mut Vec<(SfId, R)>) {
        let mut keyed: Vec<(Vec<Key>, (SfId, R))> = std::mem::take(rows)
            .into_iter()
            .map(|row| (self.order.iter().map(|by| Key::of(row.1.cell(&by.column), &by.column.kind)).collect(), row))
            .collect();
        keyed.sort_by(|(a, row), (b, other)| {
            let by = self.order.iter().zip(a.iter().zip(b)).map(|(by, (a, b))| by.cmp(a, b));
            by.fold(Ordering::Equal, Ordering::then).then_with(|| other.0.cmp(&row.0))
        });
        rows.extend(keyed.into_iter().map(|(_, row)| row));
    }
}

impl Column {
    fn is_own(&self, name: &str) -> bool {
        self.hop.is_none() && self.field == name
    }
}

impl SortKey {
    fn cmp(&self, a: &Key, b: &Key) -> Ordering {
        match (a == &Key::Null, b == &Key::Null) {
            (true, true) => Ordering::Equal,
            (true, false) if self.nulls_last => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, true) => self.cmp(b, a).reverse(),
            (false, false) if self.descending => b.cmp(a),
            (false, false) => a.cmp(b),
        }
    }
}

impl Test {
    /// The own text field and the values it must have one of.
    fn named(&self) -> Option<(&Column, &[Key])> {
        let (column, keys) = match self {
            Self::Compare { column, operator: Operator::Equal, key } => (column, std::slice::from_ref(key)),
            Self::In { column, negated: false, keys } => (column, keys.as_slice()),
            _ => return None,
        };
        (column.hop.is_none() && matches!(column.kind, Kind::Id | Kind::Text(_))).then_some((column, keys))
    }

    /// A bound below which no admitted record is stamped.
    fn stamped_from(&self) -> Option<Timestamp> {
        match self {
            Self::All(parts) => parts.iter().filter_map(Self::stamped_from).max(),
            Self::Any(parts) => parts.iter().map(Self::stamped_from).min().flatten(),
            Self::Compare { column, operator, key: Key::Time(at) } if column.is_own("SystemModstamp") => {
                let bound = [Operator::Equal, Operator::Greater, Operator::GreaterOrEqual].contains(operator);
                bound.then_some(*at)
            }
            _ => None,
        }
    }

    fn holds(&self, row: &impl Rows) -> bool {
        match self {
            Self::All(tests) => tests.iter().all(|test| test.holds(row)),
            Self::Any(tests) => tests.iter().any(|test| test.holds(row)),
            Self::Not(test) => !test.holds(row),
            Self::Compare { column, operator, key } => {
                let found = Key::of(row.cell(column), &column.kind);
                let order = found.cmp(key);
                let comparable = found != Key::Null && *key != Key::Null;
                match operator {
                    Operator::Equal => order == Ordering::Equal,
                    Operator::NotEqual => order != Ordering::Equal,
                    Operator::Less => comparable && order == Ordering::Less,
                    Operator::LessOrEqual => comparable && order != Ordering::Greater,
                    Operator::Greater => comparable && order == Ordering::Greater,
                    Operator::GreaterOrEqual => comparable && order != Ordering::Less,
                    // `Checker::test` turns LIKE into its own variant.
                    Operator::Like => false,
                }
            }
            Self::Like { column, glyphs } => match row.cell(column) {
                Cell::Text(text) => like(&text.to_lowercase().chars().collect::<Vec<_>>(), glyphs),
                _ => false,
            },
            Self::In { column, negated, keys } => {
                let found = Key::of(row.cell(column), &column.kind);
                keys.binary_search_by(|key| key.cmp(&found)).is_ok() != *negated
            }
            Self::Includes { column, negated, choices } => {
                let Cell::Text(text) = row.cell(column) else { return *negated };
                let chosen: Vec<String> = text.split(';').map(str::to_lowercase).collect();
                choices.iter().any(|all| all.iter().all(|one| chosen.contains(one))) != *negated
            }
        }
    }
}

/// Greedy matching with one remembered `%`: never worse than text times pattern.
fn like(text: &[char], glyphs: &[Glyph]) -> bool {
    let (mut at, mut glyph, mut retry) = (0, 0, None);
    while at < text.len() {
        match glyphs.get(glyph) {
            Some(Glyph::AnyMany) => {
                retry = Some((at, glyph));
                glyph += 1;
            }
            Some(Glyph::AnyOne) => (at, glyph) = (at + 1, glyph + 1),
            Some(Glyph::One(letter)) if *letter == text[at] => (at, glyph) = (at + 1, glyph + 1),
            _ => match retry {
                Some((from, many)) => {
                    retry = Some((from + 1, many));
                    (at, glyph) = (from + 1, many + 1);
                }
                None => return false,
            },
        }
    }
    glyphs[glyph..].iter().all(|glyph| *glyph == Glyph::AnyMany)
}
