//! Match tables for the console's tests.

use tandem::model::matching::Entry;
use tandem::model::{MatchKind, MatchRow, MatchState, RecordId, Side};

use crate::fixture;

/// Two pairs of lead sources; the first has another name and another state in iVvy.
pub fn sources_that_differ() -> Vec<MatchRow> {
    let row = |side: Side, id: &str, name: &str, active: bool, other: &str| {
        let entry = Entry { id: id.into(), name: name.to_owned(), email: None, active };
        let row = MatchRow::new(MatchKind::LeadSource, side, &entry, fixture::now());
        MatchRow { state: MatchState::Matched, other: Some(other.into()), ..row }
    };
    vec![
        row(Side::Ivvy, "1", "Internet", false, "web"),
        row(Side::Ivvy, "2", "TV", true, "tv"),
        row(Side::Crm, "tv", "tv", true, "2"),
        row(Side::Crm, "web", "Web", true, "1"),
    ]
}

/// Staff of either side, of which some match; every tenth name attacks the terminal.
pub fn staff(count: usize) -> Vec<MatchRow> {
    let mut rows = Vec::new();
    for side in Side::BOTH {
        for number in 0..count {
            let name = match number % 10 {
                7 => format!("Eve\u{202e}live \x1b]0;owned\x07 {number:04}"),
                _ => format!("Person {number:04}"),
            };
            let entry = Entry {
                id: RecordId(format!("{}{number}", if side == Side::Ivvy { "" } else { "005" })),
                name,
                email: (number % 5 != 3).then(|| format!("person{number}@example.org")),
                active: number % 11 != 5,
            };
            let mut row = MatchRow::new(MatchKind::Staff, side, &entry, fixture::now());
            row.state = match number % 5 {
                0 | 1 => MatchState::Matched,
                2 => MatchState::Ambiguous,
                3 => MatchState::Unmatched,
                _ => MatchState::Ignored,
            };
            let other = if side == Side::Ivvy { format!("005{number}") } else { number.to_string() };
            row.other = row.state.is_paired().then_some(RecordId(other));
            rows.push(row);
        }
    }
    rows
}
