//! What matches, what stays, and what is never guessed; and that all of it holds for any listing.

use proptest::prelude::*;

use super::*;

fn source(id: &str, name: &str) -> Entry {
    Entry { id: id.into(), name: name.to_owned(), email: None, active: true }
}

fn person(id: &str, email: &str) -> Entry {
    Entry { id: id.into(), name: format!("Person {id}"), email: Some(email.to_owned()), active: true }
}

fn inactive(entry: Entry) -> Entry {
    Entry { active: false, ..entry }
}

fn at(n: i64) -> Timestamp {
    Timestamp::from_secs(1_795_000_000 + n)
}

fn sources(ivvy: &[Entry], crm: &[Entry], before: &[MatchRow]) -> Vec<MatchRow> {
    rematch(MatchKind::LeadSource, ivvy, crm, before, at(1))
}

fn staff(ivvy: &[Entry], crm: &[Entry], before: &[MatchRow]) -> Vec<MatchRow> {
    rematch(MatchKind::Staff, ivvy, crm, before, at(1))
}

fn find<'a>(rows: &'a [MatchRow], side: Side, id: &str) -> &'a MatchRow {
    rows.iter().find(|row| row.side == side && row.id.as_str() == id).unwrap()
}

fn stands(rows: &[MatchRow], side: Side, id: &str) -> (MatchState, Option<String>) {
    let row = find(rows, side, id);
    (row.state, row.other.as_ref().map(ToString::to_string))
}

fn with(id: &str) -> Option<String> {
    Some(id.to_owned())
}

#[test]
fn sources_match_without_regard_to_case_spacing_and_accents_c21() {
    for (ours, theirs) in [("Facebook", "FACEBOOK"), (" Trade  show", "trade Show"), ("Café", "CAFE\u{301}")] {
        let rows = sources(&[source("1", ours)], &[source("a", theirs)], &[]);
        assert_eq!(stands(&rows, Side::Ivvy, "1"), (MatchState::Matched, with("a")), "{ours} / {theirs}");
        assert_eq!(stands(&rows, Side::Crm, "a"), (MatchState::Matched, with("1")));
    }
    for (ours, theirs) in [("Facebook", "Face book"), ("Straße", "Strasse"), ("", " ")] {
        let rows = sources(&[source("1", ours)], &[source("a", theirs)], &[]);
        assert_eq!(stands(&rows, Side::Ivvy, "1"), (MatchState::Unmatched, None), "{ours} / {theirs}");
    }
}

#[test]
fn matched_sources_differ_in_their_name_case_apart_and_their_state_p09() {
    let rows = sources(&[source("1", "Web")], &[source("a", "WEB")], &[]);
    let rows = |ivvy: Entry, crm: Entry| sources(&[ivvy], &[crm], &rows);
    let differ = |rows: &[MatchRow], side: Side| {
        let (ours, there) = if side == Side::Ivvy { ("1", "a") } else { ("a", "1") };
        difference(find(rows, side, ours), find(rows, side.other(), there))
    };
    let same = rows(source("1", "Web"), source("a", " wEB "));
    assert_eq!((differ(&same, Side::Ivvy), differ(&same, Side::Crm)), (None, None));
    let renamed = rows(source("1", " Internet "), source("a", "WEB"));
    let named = |name: &str| Some(SourceChange { name: Some(name.to_owned()), active: None });
    assert_eq!((differ(&renamed, Side::Ivvy), differ(&renamed, Side::Crm)), (named("Internet"), named("WEB")));
    let hidden = rows(inactive(source("1", "Internet")), source("a", "Web"));
    let both = SourceChange { name: Some("Internet".to_owned()), active: Some(false) };
    assert_eq!(differ(&hidden, Side::Ivvy), Some(both.clone()));
    assert!(is_like(find(&hidden, Side::Ivvy, "1"), &both) && !is_like(find(&hidden, Side::Crm, "a"), &both));
    // Neither a pair nor staff.
    let apart = sources(&[source("1", "Web")], &[source("a", "TV")], &[]);
    assert_eq!(differ(&apart, Side::Ivvy), None);
    let people =
        staff(&[person("1", "ann@x.example")], &[Entry { name: "Anna".into(), ..person("a", "ann@x.example") }], &[]);
    assert_eq!(differ(&people, Side::Ivvy), None);
}

#[test]
fn staff_match_on_the_address_and_plus_tags_are_other_people_c10() {
    let rows = staff(
        &[person("1", "Ann@X.example "), person("2", "bob+ivvy@x.example"), person("3", "  "), person("4", "none")],
        &[person("a", "ann@x.example"), person("b", "bob@x.example"), person("c", ""), person("d", "none")],
        &[],
    );
    assert_eq!(stands(&rows, Side::Ivvy, "1"), (MatchState::Matched, with("a")));
    for id in ["2", "3", "4"] {
        assert_eq!(stands(&rows, Side::Ivvy, id), (MatchState::Unmatched, None), "{id}");
    }
    assert_eq!(find(&rows, Side::Ivvy, "3").because(true), "no e-mail address: it cannot be matched");
}

#[test]
fn doubles_are_ambiguous_and_none_is_used_p12() {
    let rows = staff(&[person("1", "a@x.example")], &[person("a", "a@x.example"), person("b", "A@x.example")], &[]);
    for (side, id) in [(Side::Ivvy, "1"), (Side::Crm, "a"), (Side::Crm, "b")] {
        assert_eq!(stands(&rows, side, id), (MatchState::Ambiguous, None), "{id}");
    }
    assert_eq!(find(&rows, Side::Ivvy, "1").candidates, ["a".into(), "b".into()]);

    let mut decided = rows;
    let double = decided.iter_mut().find(|row| row.id.as_str() == "b").unwrap();
    double.state = MatchState::Ignored;
    let entries = [person("a", "a@x.example"), person("b", "A@x.example")];
    let rows = staff(&[person("1", "a@x.example")], &entries, &decided);
    assert_eq!(stands(&rows, Side::Ivvy, "1"), (MatchState::Matched, with("a")), "the other one is set aside");
}

#[test]
fn a_renamed_source_keeps_its_pair_and_a_double_does_not_break_it_c25() {
    let first = sources(&[source("1", "Web")], &[source("a", "web")], &[]);
    let crm = [source("a", "Internet"), source("b", "Web")];
    let rows = sources(&[source("1", "Web")], &crm, &first);
    assert_eq!(stands(&rows, Side::Ivvy, "1"), (MatchState::Matched, with("a")));
    assert_eq!(stands(&rows, Side::Crm, "b"), (MatchState::Unmatched, None));
    assert_eq!(find(&rows, Side::Crm, "b").candidates, ["1".into()], "its namesake is taken");

    let rows = sources(&[source("1", "Web")], &[source("a", "web"), source("b", "Web")], &first);
    assert_eq!(stands(&rows, Side::Ivvy, "1"), (MatchState::Matched, with("a")));
    assert_eq!(stands(&rows, Side::Crm, "b"), (MatchState::Ambiguous, None));
}

#[test]
fn an_address_that_moved_ends_a_match_of_people_p12() {
    let first = staff(&[person("1", "ann@x.example")], &[person("a", "ann@x.example")], &[]);
    let rows = staff(&[person("1", "new.hire@x.example")], &[person("a", "ann@x.example")], &first);
    assert_eq!(stands(&rows, Side::Ivvy, "1"), (MatchState::Unmatched, None));
    assert_eq!(stands(&rows, Side::Crm, "a"), (MatchState::Unmatched, None));
}

#[test]
fn who_left_stays_known_and_matches_nothing_c10() {
    let first = staff(&[person("1", "ann@x.example")], &[person("a", "ann@x.example")], &[]);
    let left = staff(&[person("1", "ann@x.example")], &[inactive(person("a", "ann@x.example"))], &first);
    assert_eq!(stands(&left, Side::Ivvy, "1"), (MatchState::Unmatched, None));
    assert_eq!(find(&left, Side::Ivvy, "1").candidates, ["a".into()]);
    assert_eq!(find(&left, Side::Crm, "a").because(true), "inactive: not used for new leads");

    let gone = staff(&[person("1", "ann@x.example")], &[person("b", "ann@x.example")], &left);
    assert!(find(&gone, Side::Crm, "a").gone);
    assert_eq!(stands(&gone, Side::Ivvy, "1"), (MatchState::Matched, with("b")), "a new account of the same person");
}

#[test]
fn an_inactive_source_keeps_its_pair_unless_an_active_one_has_its_name() {
    let first = sources(&[source("1", "Web")], &[source("a", "Web")], &[]);
    let resting = sources(&[source("1", "Web")], &[inactive(source("a", "Web"))], &first);
    assert_eq!(stands(&resting, Side::Ivvy, "1"), (MatchState::Matched, with("a")));
    let replaced = sources(&[source("1", "Web")], &[inactive(source("a", "Web")), source("b", "web")], &resting);
    assert_eq!(stands(&replaced, Side::Ivvy, "1"), (MatchState::Matched, with("b")));
    assert_eq!(stands(&replaced, Side::Crm, "a"), (MatchState::Unmatched, None));
    let deleted = sources(&[source("1", "Web")], &[], &resting);
    assert_eq!(stands(&deleted, Side::Ivvy, "1"), (MatchState::Unmatched, None));
}

#[test]
fn what_a_person_parted_is_not_matched_again() {
    let mut rows = sources(&[source("1", "Web")], &[source("a", "Web")], &[]);
    for row in &mut rows {
        row.parted = row.other.take().into_iter().collect();
        row.state = MatchState::Unmatched;
    }
    let rows = sources(&[source("1", "Web")], &[source("a", "Web")], &rows);
    assert_eq!(stands(&rows, Side::Ivvy, "1"), (MatchState::Unmatched, None));
    assert_eq!(find(&rows, Side::Ivvy, "1").because(true), "parted by a person");
}

#[test]
fn a_refusal_is_kept_until_the_name_changes() {
    let mut rows = sources(&[source("1", "Web")], &[], &[]);
    (rows[0].error, rows[0].wanted) = (Some("too long".to_owned()), true);
    let again = sources(&[source("1", "Web")], &[], &rows);
    assert_eq!(again, rows);
    let renamed = sources(&[source("1", "W")], &[], &rows);
    assert_eq!((renamed[0].error.as_deref(), renamed[0].wanted), (None, true));
    let matched = sources(&[source("1", "Web")], &[source("a", "Web")], &rows);
    assert_eq!((matched[0].error.as_deref(), matched[0].wanted), (None, false));
}

#[test]
fn suggestions_are_the_most_alike_and_never_somebody_taken() {
    let crm = [source("a", "Trade shows"), source("b", "Tradeshow"), source("c", "Television"), source("d", "Web")];
    let rows = sources(&[source("1", "Trade show"), source("2", "web")], &crm, &[]);
    let found = suggest(find(&rows, Side::Ivvy, "1"), &rows);
    let ids: Vec<&str> = found.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["a", "b"]);
    assert!(suggest(find(&rows, Side::Crm, "c"), &rows).iter().all(|(id, _)| id.as_str() != "2"), "2 is matched");
}

#[test]
fn people_are_suggested_by_name_and_mailbox() {
    let mut ann = person("1", "ann.lee@hotel.example");
    ann.name = "A. L.".to_owned();
    let mut there = person("a", "reception@crm.example");
    there.name = "Ann Lee".to_owned();
    let rows = staff(&[ann], &[there, person("b", "zed@crm.example")], &[]);
    assert_eq!(suggest(find(&rows, Side::Ivvy, "1"), &rows)[0].0.as_str(), "a");
}

/// Everybody in one group, and everybody in a group of their own: neither may take quadratic time.
#[test]
fn five_thousand_on_each_side_are_matched_at_once() {
    let list = |prefix: &str, name: &dyn Fn(usize) -> String| -> Vec<Entry> {
        (0..5_000).map(|n| source(&format!("{prefix}{n}"), &name(n))).collect()
    };
    let own = |n: usize| format!("Source {n}");
    let rows = sources(&list("i", &own), &list("c", &own), &[]);
    assert!(rows.iter().all(|row| row.state == MatchState::Matched));
    let again = sources(&list("i", &own), &list("c", &own), &rows);
    assert_eq!(changes(&rows, &again), []);
    let one = |_: usize| "Web".to_owned();
    let rows = sources(&list("i", &one), &list("c", &one), &[]);
    assert!(rows.iter().all(|row| row.state == MatchState::Ambiguous && row.candidates.len() == MAX_CANDIDATES));
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let keys = prop::sample::select(vec!["web", "WEB", " Web", "Café", "cafe\u{301}", "tv", "", "Ⅳ", "iv"]);
    prop::collection::btree_map(0_u8..6, (keys, any::<bool>(), prop::bool::weighted(0.8)), 0..6).prop_map(|by_id| {
        by_id
            .into_iter()
            .map(|(id, (key, has_email, active))| Entry {
                id: id.to_string().into(),
                name: key.to_owned(),
                email: has_email.then(|| format!("{}@x.example", key.trim())),
                active,
            })
            .collect()
    })
}

fn listing() -> impl Strategy<Value = (Vec<Entry>, Vec<Entry>)> {
    (entries(), entries())
}

/// A person pairs, ignores or parts what stands at `pick`.
fn decide(rows: &mut [MatchRow], pick: usize, how: u8) {
    if rows.is_empty() {
        return;
    }
    let at = pick % rows.len();
    let (side, id, other) = (rows[at].side, rows[at].id.clone(), rows[at].other.clone());
    let release = |rows: &mut [MatchRow], part: bool| {
        if let Some(other) = &other
            && let Some(row) = rows.iter_mut().find(|row| row.side != side && row.id == *other)
        {
            (row.state, row.other) = (MatchState::Unmatched, None);
            row.parted.extend(part.then(|| id.clone()));
        }
    };
    match how % 3 {
        0 => {
            release(rows, false);
            (rows[at].state, rows[at].other) = (MatchState::Ignored, None);
        }
        1 => {
            release(rows, true);
            rows[at].parted.extend(other.clone());
            (rows[at].state, rows[at].other) = (MatchState::Unmatched, None);
        }
        _ => {
            let Some(there) = rows.iter().position(|row| row.side != side && row.other.is_none()) else { return };
            release(rows, false);
            let partner = rows[there].id.clone();
            (rows[at].state, rows[at].other) = (MatchState::Manual, Some(partner));
            (rows[there].state, rows[there].other) = (MatchState::Manual, Some(id.clone()));
        }
    }
}

proptest! {
    #[test]
    fn matches_are_symmetric_certain_and_stable(
        kind in prop::sample::select(MatchKind::ALL.to_vec()),
        rounds in prop::collection::vec((listing(), any::<usize>(), any::<u8>()), 1..5),
    ) {
        let mut before: Vec<MatchRow> = Vec::new();
        for (n, ((ivvy, crm), pick, how)) in rounds.into_iter().enumerate() {
            let now = at(i64::try_from(n).unwrap());
            let rows = rematch(kind, &ivvy, &crm, &before, now);
            let row = |side: Side, id: &RecordId| rows.iter().find(|row| row.side == side && row.id == *id);

            for known in &before {
                let after = row(known.side, &known.id).unwrap();
                if matches!(known.state, MatchState::Manual | MatchState::Ignored) {
                    prop_assert_eq!((after.state, &after.other), (known.state, &known.other), "a decision stays");
                }
            }
            for listed in ivvy.iter().map(|e| (Side::Ivvy, e)).chain(crm.iter().map(|e| (Side::Crm, e))) {
                prop_assert!(row(listed.0, &listed.1.id).is_some_and(|row| !row.gone && row.entry() == *listed.1));
            }
            for one in &rows {
                prop_assert_eq!(one.state.is_paired(), one.other.is_some());
                prop_assert!(one.candidates.is_empty() || !one.state.is_paired());
                let Some(other) = &one.other else { continue };
                let partner = row(one.side.other(), other).unwrap();
                prop_assert_eq!(partner.other.as_ref(), Some(&one.id), "symmetric");
                prop_assert_eq!(partner.state, one.state);
                if one.state == MatchState::Matched {
                    prop_assert!(!one.gone);
                    prop_assert!(!parted(one, partner));
                    let kept = before.iter().any(|old| {
                        old.side == one.side && old.id == one.id && old.state == one.state && old.other == one.other
                    });
                    let key = |row: &MatchRow| match_key(kind, &row.name, row.email.as_deref());
                    let same = key(one).is_some() && key(one) == key(partner);
                    prop_assert!(same || (kept && kind == MatchKind::LeadSource));
                    if kind == MatchKind::Staff {
                        prop_assert!(one.alive() && partner.alive());
                        let namesakes = rows.iter().filter(|row| {
                            row.side == one.side && row.alive() && row.state != MatchState::Ignored && key(row) == key(one)
                        });
                        prop_assert_eq!(namesakes.count(), 1, "never one of several");
                    }
                }
            }
            prop_assert_eq!(&rematch(kind, &ivvy, &crm, &rows, at(999)), &rows, "matching twice changes nothing");
            before = rows;
            decide(&mut before, pick, how);
        }
    }

    #[test]
    fn spellings_of_a_source_that_differ_in_case_or_composition_meet(name in "[a-zA-Zà-ÿÀ-Ý0-9 ]{1,12}") {
        use unicode_normalization::UnicodeNormalization as _;
        prop_assume!(!fold(&name).is_empty());
        let variants = [name.to_lowercase(), name.nfd().collect::<String>(), format!("  {name} ")];
        for variant in variants {
            let rows = sources(&[source("1", &name)], &[source("a", &variant)], &[]);
            prop_assert_eq!(rows[0].state, MatchState::Matched, "{:?}", variant);
        }
    }
}
