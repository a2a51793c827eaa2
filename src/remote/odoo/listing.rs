//! Reading a model in the order of `write_date` without skipping a row.
//!
//! Two facts shape this (`contracts/crm.md` 6). `write_date` has microseconds inside but is told in
//! whole seconds, so a position cannot name the exact row a page ended with; and of all comparisons
//! only `>=` means the same in every version. Hence two ways of walking:
//!
//! * **by stamp**: everything from a second on, by (`write_date`, `id`). The next page starts at the
//!   second of the last row *again*, so rows repeat but none is passed over;
//! * **within one second**, when a whole page carries the same one (an import, a mass edit): that
//!   second's rows by `id`, then by stamp from the next second on.

use std::fmt;
use std::str::FromStr;

use serde_json::{Value as Json, json};

use super::place::Place;
use super::values::{parse_stamp, stamp_text};
use crate::model::Timestamp;
use crate::remote::PageRequest;

/// Where a listing goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    /// By stamp, from this second on.
    Stamp(Timestamp),
    /// Within this second, behind this id.
    Second(Timestamp, i64),
}

impl Position {
    /// Where `request` starts. A position that is not ours is no position.
    pub(super) fn of(request: &PageRequest) -> Option<Self> {
        match &request.position {
            Some(text) => text.parse().ok(),
            None => Some(Self::Stamp(request.from.unwrap_or(Timestamp::EPOCH).floor_second())),
        }
    }

    /// The search domain of this page.
    pub(super) fn domain(self, place: &Place, to: Option<Timestamp>) -> Json {
        let mut domain = Vec::new();
        if place.archives {
            domain.push(json!(["active", "in", [true, false]]));
        }
        domain.extend(place.domain.iter().cloned());
        let (from, until) = match self {
            Self::Stamp(from) => (from, None),
            Self::Second(second, after) => {
                domain.push(json!(["id", ">", after]));
                (second, Some(next_second(second)))
            }
        };
        domain.push(json!(["write_date", ">=", stamp_text(from)]));
        // Upper bounds are written as "not from there on", because `<` and `<=` differ by version.
        for bound in [until, to.map(next_second)].into_iter().flatten() {
            domain.push(json!("!"));
            domain.push(json!(["write_date", ">=", stamp_text(bound)]));
        }
        Json::Array(domain)
    }

    /// The sort order of this page.
    pub(super) fn order(self) -> &'static str {
        match self {
            Self::Stamp(_) => "write_date,id",
            Self::Second(..) => "id",
        }
    }

    /// Where to go on after a page whose last row is `last`; `full` if it held as many rows as were
    /// asked for.
    pub(super) fn next(self, last: Option<(Timestamp, i64)>, full: bool) -> Option<Self> {
        match (self, last, full) {
            (Self::Stamp(_), _, false) | (Self::Stamp(_), None, _) => None,
            // A whole page of one second: by stamp it would come again for ever.
            (Self::Stamp(from), Some((stamp, _)), true) if stamp <= from => Some(Self::Second(from, 0)),
            (Self::Stamp(_), Some((stamp, _)), true) => Some(Self::Stamp(stamp)),
            (Self::Second(second, _), Some((_, id)), true) => Some(Self::Second(second, id)),
            (Self::Second(second, _), _, _) => Some(Self::Stamp(next_second(second))),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stamp(from) => write!(f, "{}", stamp_text(*from)),
            Self::Second(second, after) => write!(f, "{},{after}", stamp_text(*second)),
        }
    }
}

impl FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(',') {
            None => parse_stamp(text).map(Self::Stamp).ok_or(()),
            Some((stamp, id)) => Ok(Self::Second(parse_stamp(stamp).ok_or(())?, id.parse().map_err(|_| ())?)),
        }
    }
}

fn next_second(at: Timestamp) -> Timestamp {
    at.floor_second().plus(std::time::Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModuleId;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_secs(1_790_000_000 + second)
    }

    #[test]
    fn positions_survive_the_store() {
        for position in [Position::Stamp(at(0)), Position::Second(at(5), 77)] {
            assert_eq!(position.to_string().parse(), Ok(position));
        }
        for junk in ["", "x", "2026-01-01 00:00:00,", "2026-01-01 00:00:00,1;drop"] {
            assert_eq!(junk.parse::<Position>(), Err(()), "{junk}");
        }
    }

    #[test]
    fn only_the_one_comparison_every_version_agrees_on_is_used() {
        let place = Place::new(ModuleId::Contacts, "res.partner");
        let domain = Position::Second(at(0), 9).domain(&place, Some(at(60))).to_string();
        assert_eq!(domain.matches(r#""write_date",">=""#).count(), 3);
        assert!(!domain.contains(r#""write_date","<"#) && !domain.contains(r#""write_date",">","#));
    }

    /// Walks a table of (second, microsecond, id) as Odoo would answer, and returns the ids seen.
    fn walk(table: &[(i64, i64, i64)], page: usize) -> std::collections::BTreeSet<i64> {
        let mut seen = std::collections::BTreeSet::new();
        let mut position = Some(Position::Stamp(at(0)));
        let mut calls = 0;
        while let Some(here) = position {
            let mut rows: Vec<_> = table
                .iter()
                .filter(|(second, _, id)| match here {
                    Position::Stamp(from) => at(*second) >= from,
                    Position::Second(only, after) => at(*second) == only && *id > after,
                })
                .copied()
                .collect();
            match here {
                Position::Stamp(_) => rows.sort_unstable(),
                Position::Second(..) => rows.sort_unstable_by_key(|row| row.2),
            }
            rows.truncate(page);
            seen.extend(rows.iter().map(|row| row.2));
            position = here.next(rows.last().map(|row| (at(row.0), row.2)), rows.len() == page);
            calls += 1;
            assert!(calls < 1000, "the walk does not end");
        }
        seen
    }

    proptest::proptest! {
        #[test]
        fn no_row_is_skipped_whatever_the_stamps_i12(
            rows in proptest::collection::vec((0_i64..4, 0_i64..3), 0..60),
            page in 1_usize..7,
        ) {
            // Ids against the order of stamps, as after a mass edit of old records.
            let count = rows.len() as i64;
            let table: Vec<_> = rows.iter().enumerate().map(|(n, (s, us))| (*s, *us, count - n as i64)).collect();
            proptest::prop_assert_eq!(walk(&table, page).len(), table.len());
        }
    }
}
