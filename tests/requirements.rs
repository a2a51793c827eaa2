//! `docs/REQUIREMENTS.md` is complete and claims nothing that is not there: every requirement has one
//! row, every state is one of four, every test named exists, and what is called done names one.

mod rust_source;

use std::collections::{BTreeMap, BTreeSet};

use rust_source::{Source, read_tree};

const TABLE: &str = include_str!("../docs/REQUIREMENTS.md");

/// The numbers in use; the gaps leave room inside the sources' sections.
fn expected() -> BTreeSet<String> {
    let venue = [1..=3, 10..=21, 30..=34, 40..=47, 50..=52, 60..=67, 70..=74, 80..=84].into_iter().flatten();
    let all = [("V", venue.collect::<Vec<_>>()), ("N", (1..=10).collect()), ("C", (1..=25).collect())];
    let more = [("P", (1..=16).collect::<Vec<_>>()), ("S", (1..=32).collect())];
    all.into_iter()
        .chain(more)
        .flat_map(|(letter, numbers)| numbers.into_iter().map(move |n| format!("{letter}-{n:02}")))
        .collect()
}

struct Row<'a> {
    id: &'a str,
    state: &'a str,
    place: &'a str,
    /// Test functions in back quotes.
    tests: Vec<&'a str>,
}

/// Rows `| id | summary | state | where | tests |`.
fn rows(table: &str) -> Vec<Row<'_>> {
    let row = |line| -> Option<Row<'_>> {
        let cells = str::strip_prefix(line, "| ")?.trim_end().trim_end_matches('|').split(" | ").map(str::trim);
        let [id, _, state, place, tests] = cells.collect::<Vec<_>>()[..] else { return None };
        let numbered = id.split_once('-').is_some_and(|(_, number)| number.parse::<u32>().is_ok());
        let tests = tests.split('`').skip(1).step_by(2).collect();
        numbered.then_some(Row { id, state, place, tests })
    };
    table.lines().filter_map(row).collect()
}

#[test]
fn every_requirement_has_exactly_one_row() {
    let expected = expected();
    assert_eq!(expected.len(), 132);
    let mut seen = BTreeMap::<&str, u32>::new();
    let rows = rows(TABLE);
    rows.iter().for_each(|row| *seen.entry(row.id).or_default() += 1);
    let twice = seen.iter().filter(|(_, count)| **count > 1).map(|(id, _)| *id).collect::<Vec<_>>();
    assert_eq!(twice, Vec::<&str>::new());
    assert_eq!(seen.into_keys().map(str::to_owned).collect::<BTreeSet<_>>(), expected);
}

#[test]
fn every_test_named_exists_and_what_is_done_names_one() {
    let sources = read_tree(&["src", "tests"]);
    let functions = sources.iter().flat_map(Source::tests).collect::<BTreeSet<_>>();
    let paths = sources.iter().map(|source| source.path.as_str()).collect::<BTreeSet<_>>();
    for row in rows(TABLE) {
        let Row { id, state, place, tests } = row;
        assert!(["done", "partly", "not yet", "other issue"].contains(&state), "{id}: `{state}` is no state");
        assert!(state != "done" || !tests.is_empty(), "{id} is called done and names no test");
        assert!(!["not yet", "other issue"].contains(&state) || tests.is_empty(), "{id} is {state} and names a test");
        for test in tests {
            assert!(functions.contains(test), "{id}: there is no test `{test}`");
        }
        for part in place.split('`').skip(1).step_by(2) {
            let exists = paths.contains(part) || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(part).exists();
            assert!(exists, "{id}: there is no `{part}`");
        }
    }
}

/// The totals at the top are those of the table.
#[test]
fn the_totals_are_right() {
    let mut totals = BTreeMap::<&str, u32>::new();
    rows(TABLE).iter().for_each(|row| *totals.entry(row.state).or_default() += 1);
    let of = |state: &str| totals.get(state).copied().unwrap_or_default();
    let line = format!(
        "{} done, {} partly, {} not yet, {} other issue.",
        of("done"),
        of("partly"),
        of("not yet"),
        of("other issue")
    );
    assert!(TABLE.contains(&line), "the totals are: {line}");
}
