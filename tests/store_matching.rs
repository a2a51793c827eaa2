//! Match tables in the store: rows, list index, counters and pairs against a plain model; older files.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod store_support;

use std::collections::BTreeMap;

use proptest::prelude::*;
use redb::{Database, TableDefinition};
use store_support::{at, memory, options};
use tandem::model::matching::{Entry, MatchRow, MatchState, SourceIntent};
use tandem::model::{Actor, MatchKind, RecordId, Side};
use tandem::store::{MatchFilter, Reads as _, Store, StoreError, doctor};

const KIND: MatchKind = MatchKind::LeadSource;

fn row(side: Side, id: &str, name: &str) -> MatchRow {
    let entry = Entry { id: id.into(), name: name.to_owned(), email: None, active: true };
    MatchRow::new(KIND, side, &entry, at(0))
}

fn pair(ivvy: &str, crm: &str) -> [MatchRow; 2] {
    [(Side::Ivvy, ivvy, crm), (Side::Crm, crm, ivvy)].map(|(side, id, other)| MatchRow {
        state: MatchState::Matched,
        other: Some(other.into()),
        ..row(side, id, id)
    })
}

fn put(store: &Store, rows: Vec<MatchRow>) -> Result<(), StoreError> {
    store.write_blocking(move |tx| tx.put_match_rows(&rows))
}

fn intent(folded: &str, of: &str) -> SourceIntent {
    SourceIntent {
        side: Side::Crm,
        folded: folded.to_owned(),
        of: of.into(),
        name: folded.to_owned(),
        actor: Actor::engine(),
        at: at(1),
        unknown_since: None,
    }
}

#[test]
fn half_a_pair_is_refused_and_nothing_is_written() {
    let store = memory();
    let [ivvy, crm] = pair("1", "a");
    assert!(matches!(put(&store, vec![ivvy.clone()]), Err(StoreError::Invariant(_))));
    assert_eq!(store.read(|view| view.match_table(KIND)).unwrap(), []);
    put(&store, vec![ivvy, crm]).unwrap();
    let stolen = pair("2", "a");
    assert!(matches!(put(&store, stolen.to_vec()), Err(StoreError::Invariant(_))), "1 would be left with nothing");
    assert!(matches!(put(&store, vec![row(Side::Ivvy, "1", "1")]), Err(StoreError::Invariant(_))));
    put(&store, vec![row(Side::Ivvy, "1", "1"), row(Side::Crm, "a", "a")]).unwrap();
}

#[test]
fn only_what_is_alive_on_both_sides_is_a_counterpart() {
    let store = memory();
    let [ivvy, crm] = pair("1", "a");
    put(&store, vec![ivvy.clone(), crm.clone()]).unwrap();
    let counterpart = |side, id: &str| store.read(|view| view.counterpart_of(KIND, side, &id.into())).unwrap();
    assert_eq!(counterpart(Side::Ivvy, "1"), Some("a".into()));
    assert_eq!(counterpart(Side::Crm, "a"), Some("1".into()));
    assert_eq!(counterpart(Side::Ivvy, "a"), None);
    for dead in [MatchRow { active: false, ..crm.clone() }, MatchRow { gone: true, ..crm }] {
        put(&store, vec![ivvy.clone(), dead]).unwrap();
        assert_eq!((counterpart(Side::Ivvy, "1"), counterpart(Side::Crm, "a")), (None, None));
    }
}

#[test]
fn one_creation_per_name_is_under_way() {
    let store = memory();
    let write = |intent: SourceIntent| store.write_blocking(move |tx| tx.put_source_intent(&intent));
    write(intent("web", "1")).unwrap();
    write(SourceIntent { unknown_since: Some(at(2)), ..intent("web", "1") }).unwrap();
    assert!(matches!(write(intent("web", "2")), Err(StoreError::Invariant(_))));
    write(SourceIntent { side: Side::Ivvy, ..intent("web", "a") }).unwrap();
    assert_eq!(store.read(|view| view.source_intents()).unwrap().len(), 2);
    assert!(store.write_blocking(|tx| tx.remove_source_intent(Side::Crm, "web")).unwrap());
    assert_eq!(store.read(|view| view.source_intent(Side::Crm, "web")).unwrap(), None);
}

#[test]
fn a_store_of_an_older_program_gets_the_tables_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme.redb");
    drop(Store::open(&path, options()).unwrap());
    let db = Database::open(&path).unwrap();
    let txn = db.begin_write().unwrap();
    for name in ["match_rows", "match_names", "match_intents"] {
        let table: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new(name);
        assert!(txn.delete_table(table).unwrap());
    }
    txn.commit().unwrap();
    drop(db);
    let store = Store::open(&path, options()).unwrap();
    assert_eq!(store.read(|view| view.match_table(KIND)).unwrap(), []);
    assert_eq!(store.read(doctor::check).unwrap(), Vec::<String>::new());
    put(&store, pair("1", "a").to_vec()).unwrap();
}

#[test]
fn a_lost_index_is_found_and_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme.redb");
    let store = Store::open(&path, options()).unwrap();
    put(&store, pair("1", "a").to_vec()).unwrap();
    drop(store);
    let db = Database::open(&path).unwrap();
    let txn = db.begin_write().unwrap();
    for name in ["match_names", "counters"] {
        let table: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new(name);
        txn.delete_table(table).unwrap();
        txn.open_table(table).unwrap();
    }
    txn.commit().unwrap();
    drop(db);
    let store = Store::open(&path, options()).unwrap();
    let findings = store.read(doctor::check).unwrap();
    assert!(findings.iter().any(|finding| finding.contains("match_names")), "{findings:?}");
    assert!(findings.iter().any(|finding| finding.starts_with("counter ")), "{findings:?}");
    assert_eq!(doctor::rebuild(&store).unwrap().match_rows, 2);
    assert_eq!(store.read(doctor::check).unwrap(), Vec::<String>::new());
    let counts = store.read(|view| view.match_counts(KIND, Side::Crm)).unwrap();
    assert_eq!(counts, BTreeMap::from([(MatchState::Matched, 1)]));
}

/// One entry as a test makes it up: id, name, e-mail, state, wanted.
type Made = (u8, String, Option<String>, u8, bool);

fn made() -> impl Strategy<Value = Made> {
    let name = prop::sample::select(vec!["Web", "web", "TV", "Ünïcode", "", "nul\u{0}byte", "a", "ab"]);
    let email = prop::option::of(prop::sample::select(vec!["Ann@x.example", "bob@x.example"]));
    (0_u8..8, name, email, 0_u8..5, any::<bool>())
        .prop_map(|(id, name, email, state, wanted)| (id, name.to_owned(), email.map(str::to_owned), state, wanted))
}

/// The row made up, and the other half if it is one of a pair: `n` of iVvy only ever pairs with `n`.
fn rows_of(side: Side, (id, name, email, state, wanted): &Made) -> Vec<MatchRow> {
    let state = MatchState::ALL[usize::from(*state)];
    let id = RecordId::from(id.to_string());
    let here = MatchRow {
        name: name.clone(),
        email: email.clone(),
        wanted: *wanted,
        state,
        other: state.is_paired().then(|| id.clone()),
        ..row(side, id.as_str(), "")
    };
    let there = if state.is_paired() { state } else { MatchState::Unmatched };
    let other = MatchRow { side: side.other(), state: there, wanted: false, ..here.clone() };
    vec![here, other]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn lists_counts_and_index_agree_with_a_plain_map_i22(
        steps in prop::collection::vec((any::<bool>(), made()), 1..25),
        limit in 1_usize..5,
    ) {
        let store = memory();
        let mut model: BTreeMap<(Side, RecordId), MatchRow> = BTreeMap::new();
        for (ivvy, made) in steps {
            let rows = rows_of(if ivvy { Side::Ivvy } else { Side::Crm }, &made);
            for row in &rows {
                model.insert((row.side, row.id.clone()), row.clone());
            }
            put(&store, rows).unwrap();
        }
        let findings = store.read(doctor::check).unwrap();
        prop_assert!(findings.is_empty(), "{findings:?}");
        for side in Side::BOTH {
            let mut all: Vec<&MatchRow> = model.values().filter(|row| row.side == side).collect();
            all.sort_by_key(|row| (row.sort_name(), row.id.clone()));
            let mut counts = BTreeMap::new();
            for row in &all {
                *counts.entry(row.state).or_insert(0_u64) += 1;
            }
            prop_assert_eq!(store.read(|view| view.match_counts(KIND, side)).unwrap(), counts);
            let wanted = store.read(|view| view.wanted_rows(KIND, side)).unwrap();
            prop_assert_eq!(wanted.len(), all.iter().filter(|row| row.wanted).count());
            for state in [None].into_iter().chain(MatchState::ALL.map(Some)) {
                for needle in [None, Some("WEB"), Some("ann@")] {
                    let filter = MatchFilter { state, needle };
                    let mut found: Vec<MatchRow> = Vec::new();
                    loop {
                        let after = found.last().map(|row| row.id.clone());
                        let page = store
                            .read(|view| view.match_rows(KIND, side, filter, after.as_ref(), limit))
                            .unwrap();
                        let end = page.len() < limit;
                        found.extend(page);
                        if end {
                            break;
                        }
                    }
                    let has = |text: &str| text.to_lowercase().contains(&needle.unwrap_or_default().to_lowercase());
                    let expected: Vec<MatchRow> = all
                        .iter()
                        .filter(|row| state.is_none_or(|state| row.state == state))
                        .filter(|row| has(&row.name) || row.email.as_deref().is_some_and(has))
                        .map(|row| (*row).clone())
                        .collect();
                    prop_assert_eq!(found, expected);
                }
            }
        }
    }
}
