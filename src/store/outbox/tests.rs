//! The outbox against a model: whatever fails, is given up, comes back or crashes, bytes stay, states are told in
//! their order, and nothing is lost.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::model::StreamState;
use crate::store::{Options, Reads, Store, doctor};

const STREAM: StreamKind = StreamKind::PushContacts;
const TRIES: u32 = 3;

fn store() -> Store {
    Store::open_backend(redb::backends::InMemoryBackend::new(), Options::default()).unwrap()
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_secs(1_795_000_000 + i64::try_from(second).unwrap())
}

fn shelved(id: &str, body: &str) -> Shelved {
    Shelved {
        module: ModuleId::Contacts,
        side: Side::Crm,
        id: id.into(),
        key: None,
        at: Timestamp::EPOCH,
        gone: false,
        body: body.to_owned(),
    }
}

fn hand_over(store: &Store, id: &str, version: u64) -> Handed {
    let (row, body) = (shelved(id, &version.to_string()), format!(r#"{{"id":"{id}","v":{version}}}"#));
    store.write_blocking(move |tx| tx.hand_over(STREAM, &row, &body, None, at(1))).unwrap()
}

fn freeze(store: &Store, limit: usize) -> Option<Post> {
    store.write_blocking(move |tx| tx.freeze(STREAM, limit, at(2))).unwrap()
}

fn settle(store: &Store, number: u64, end: PostEnd) -> Option<Post> {
    let tried = PostTry { run: at(3), at: at(4), tries: TRIES, end };
    store.write_blocking(move |tx| tx.settle_post(STREAM, number, &tried)).unwrap()
}

fn fail(store: &Store, number: u64) -> Option<Post> {
    settle(store, number, PostEnd::Failed("answered 503".to_owned()))
}

fn body(store: &Store, number: u64) -> String {
    store.read(|view| view.post_body(STREAM, number)).unwrap().unwrap()
}

fn counts(store: &Store) -> (u64, u64, u64) {
    let counts = store.read(|view| view.outbox_counts(STREAM)).unwrap();
    (counts.pending, counts.unfinished, counts.dead)
}

fn numbers(store: &Store, dead: bool) -> Vec<u64> {
    let posts = store.read(|view| view.posts(STREAM, dead, None, 1000)).unwrap();
    posts.into_iter().map(|post| post.number).collect()
}

fn in_order(store: &Store) {
    assert_eq!(store.read(doctor::check).unwrap(), Vec::<String>::new());
}

#[test]
fn the_newest_state_waits_in_the_place_of_the_first_change_s13() {
    let store = store();
    for (id, version) in [("a", 1), ("b", 1), ("a", 2), ("c", 1)] {
        assert!(matches!(hand_over(&store, id, version), Handed::Over { created, .. } if created == (version == 1)));
    }
    assert!(matches!(hand_over(&store, "a", 2), Handed::Over { created: false, .. }), "the same again is nothing new");
    assert_eq!(counts(&store), (3, 0, 0));
    let first = freeze(&store, 2).unwrap();
    assert_eq!(body(&store, first.number), r#"[{"id":"a","v":2},{"id":"b","v":1}]"#);
    assert_eq!(first.bytes, body(&store, first.number).len() as u64);
    let second = freeze(&store, 2).unwrap();
    assert_eq!(body(&store, second.number), r#"[{"id":"c","v":1}]"#);
    assert_eq!((freeze(&store, 2), counts(&store)), (None, (0, 2, 0)));
    assert_eq!(settle(&store, first.number, PostEnd::Taken), None);
    assert_eq!((numbers(&store, false), counts(&store)), (vec![second.number], (0, 1, 0)));
    assert_eq!(store.read(|view| view.post_body(STREAM, first.number)).unwrap(), None, "its bytes are forgotten");
    in_order(&store);
}

#[test]
fn a_record_handed_over_on_another_belief_is_refused() {
    let store = store();
    let Handed::Over { at: first, .. } = hand_over(&store, "a", 1) else { panic!("not handed over") };
    hand_over(&store, "a", 2);
    let row = shelved("a", "3");
    let moved = store.write_blocking(move |tx| tx.hand_over(STREAM, &row, "{}", Some(first), at(9))).unwrap();
    assert_eq!(moved, Handed::Moved);
    let waiting = store.read(|view| view.outgoing(STREAM, None, 9)).unwrap();
    assert_eq!(waiting[0].body, r#"{"id":"a","v":2}"#);
    let inbound = store
        .write_blocking(|tx| tx.hand_over(StreamKind::S360Contacts, &shelved("a", "1"), "{}", None, at(1)).map(drop));
    assert!(inbound.is_err(), "what is posted to us is no stream of ours");
}

#[test]
fn what_is_given_up_is_kept_and_shown_and_comes_back_as_it_was_s17() {
    let store = store();
    hand_over(&store, "a", 1);
    let number = freeze(&store, 9).unwrap().number;
    let frozen = body(&store, number);
    for tries in 1..TRIES {
        let post = fail(&store, number).unwrap();
        assert_eq!((post.tries, post.dead, post.last_error.as_deref()), (tries, false, Some("answered 503")));
    }
    assert!(fail(&store, number).unwrap().dead);
    assert_eq!((numbers(&store, false), numbers(&store, true)), (vec![], vec![number]));
    assert_eq!(fail(&store, number), None, "it is not sent any more");
    in_order(&store);
    let state = store.read(|view| view.stream(&StreamId::new(STREAM, ""))).unwrap();
    let run = PushRun { started_at: at(3), last_at: at(4), posts: 3, records: 3 };
    let expected = StreamState {
        repeated: 2,
        unstored: 3,
        run: Some(run),
        last_error: Some("answered 503".to_owned()),
        last_error_at: Some(at(4)),
        ..StreamState::default()
    };
    assert_eq!(state, expected);

    let revive = |number| store.write_blocking(move |tx| tx.revive_post(STREAM, number)).unwrap();
    assert_eq!(revive(number + 1), None);
    assert_eq!(revive(number), Some(Revived::Whole));
    assert_eq!(revive(number), None, "it lives");
    assert_eq!((body(&store, number), counts(&store)), (frozen, (0, 1, 0)));
    for _ in 0..TRIES {
        fail(&store, number);
    }
    let dropped = |number| store.write_blocking(move |tx| tx.drop_post(STREAM, number)).unwrap();
    assert_eq!(dropped(number).map(|post| post.number), Some(number));
    assert_eq!((dropped(number), counts(&store)), (None, (0, 0, 0)));
    in_order(&store);
}

#[test]
fn a_revived_payload_leaves_out_what_was_told_anew() {
    let store = store();
    for id in ["a", "é", "c"] {
        hand_over(&store, id, 1);
    }
    let number = freeze(&store, 9).unwrap().number;
    hand_over(&store, "a", 2);
    assert_eq!(freeze(&store, 9), None, "a payload that holds it is still sent");
    for _ in 0..TRIES {
        fail(&store, number);
    }
    let newer = freeze(&store, 9).unwrap();
    assert_eq!(body(&store, newer.number), r#"[{"id":"a","v":2}]"#, "whoever is given up holds nobody up");
    settle(&store, newer.number, PostEnd::Taken);
    let revived = store.write_blocking(move |tx| tx.revive_post(STREAM, number)).unwrap();
    assert_eq!((revived, counts(&store)), (Some(Revived::Parts(2)), (2, 0, 0)));
    let rest = freeze(&store, 9).unwrap();
    assert_eq!(body(&store, rest.number), r#"[{"id":"é","v":1},{"id":"c","v":1}]"#);
    for id in ["é", "c"] {
        hand_over(&store, id, 2);
    }
    for _ in 0..TRIES {
        fail(&store, rest.number);
    }
    let revived = store.write_blocking(move |tx| tx.revive_post(STREAM, rest.number)).unwrap();
    assert_eq!((revived, counts(&store)), (Some(Revived::Outdated), (2, 0, 0)));
    in_order(&store);
}

#[test]
fn what_is_revived_a_second_time_comes_back_record_by_record_s17() {
    let store = store();
    for id in ["a", "é", "c"] {
        hand_over(&store, id, 1);
    }
    let number = freeze(&store, 9).unwrap().number;
    let dies = |number| (0..TRIES).for_each(|_| drop(fail(&store, number)));
    let revive = |number| store.write_blocking(move |tx| tx.revive_post(STREAM, number)).unwrap();
    dies(number);
    assert_eq!(revive(number), Some(Revived::Whole));
    dies(number);
    hand_over(&store, "c", 2);
    assert_eq!((revive(number), counts(&store)), (Some(Revived::Apart(2)), (1, 2, 0)));
    let alone: Vec<(u32, String)> = store
        .read(|view| view.posts(STREAM, false, None, 9))
        .unwrap()
        .iter()
        .map(|post| (post.tries, body(&store, post.number)))
        .collect();
    assert_eq!(alone, [(0, r#"[{"id":"a","v":1}]"#.to_owned()), (0, r#"[{"id":"é","v":1}]"#.to_owned())]);
    in_order(&store);
    // One that nobody takes is alone with its trouble.
    let numbers = numbers(&store, false);
    assert_eq!(settle(&store, numbers[1], PostEnd::Taken), None);
    dies(numbers[0]);
    assert_eq!((revive(numbers[0]), counts(&store)), (Some(Revived::Whole), (1, 1, 0)));
    in_order(&store);
}

#[derive(Clone, Debug)]
enum Step {
    Change(u8),
    Freeze(usize),
    /// Sent and taken: which of the unfinished ones.
    Take(usize),
    /// Sent, perhaps taken, and not answered with 200.
    Fail(usize),
    Revive(usize),
    Drop(usize),
    Rebuild,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..5_u8).prop_map(Step::Change),
        4 => (1..4_usize).prop_map(Step::Freeze),
        2 => (0..4_usize).prop_map(Step::Take),
        6 => (0..4_usize).prop_map(Step::Fail),
        2 => (0..4_usize).prop_map(Step::Revive),
        1 => (0..4_usize).prop_map(Step::Drop),
        1 => Just(Step::Rebuild),
    ]
}

/// What the receiver saw: it takes notes of every payload that reaches it.
#[derive(Default)]
struct Receiver {
    /// The newest version seen of each record.
    seen: BTreeMap<String, u64>,
}

impl Receiver {
    fn reads(&mut self, payload: &str) {
        let records: Vec<serde_json::Value> = serde_json::from_str(payload).unwrap();
        let mut ids = BTreeSet::new();
        for record in records {
            let (id, version) = (record["id"].as_str().unwrap().to_owned(), record["v"].as_u64().unwrap());
            assert!(ids.insert(id.clone()), "{id} twice in a payload");
            let before = self.seen.insert(id.clone(), version).unwrap_or(0);
            assert!(version >= before, "{id} went back from {before} to {version}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_bytes_stay_and_states_are_told_in_order_and_none_is_lost(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let store = store();
        let mut newest: BTreeMap<String, u64> = BTreeMap::new();
        let mut frozen: BTreeMap<u64, String> = BTreeMap::new();
        let mut dropped: BTreeSet<(String, u64)> = BTreeSet::new();
        let mut receiver = Receiver::default();
        for step in steps {
            let (alive, dead) = (numbers(&store, false), numbers(&store, true));
            for number in alive.iter().chain(&dead) {
                prop_assert_eq!(&body(&store, *number), &frozen[number]);
            }
            match step {
                Step::Change(n) => {
                    let id = ["a", "ab", "é\"", "", "z"][usize::from(n)];
                    let id = format!("k{}", id.replace('"', ""));
                    let version = newest.entry(id.clone()).or_default();
                    *version += 1;
                    hand_over(&store, &id, *version);
                }
                Step::Freeze(limit) => {
                    if let Some(post) = freeze(&store, limit) {
                        prop_assert!(post.records.len() <= limit);
                        frozen.insert(post.number, body(&store, post.number));
                    }
                }
                Step::Take(n) => {
                    if let Some(number) = alive.get(n) {
                        receiver.reads(&frozen[number]);
                        prop_assert_eq!(settle(&store, *number, PostEnd::Taken), None);
                    }
                }
                Step::Fail(n) => {
                    if let Some(number) = alive.get(n) {
                        receiver.reads(&frozen[number]);
                        prop_assert!(fail(&store, *number).is_some());
                    }
                }
                Step::Revive(n) => {
                    if let Some(number) = dead.get(n).copied() {
                        store.write_blocking(move |tx| tx.revive_post(STREAM, number)).unwrap().unwrap();
                        for number in numbers(&store, false) {
                            frozen.entry(number).or_insert_with(|| body(&store, number));
                        }
                    }
                }
                Step::Drop(n) => {
                    if let Some(number) = dead.get(n).copied() {
                        let post = store.write_blocking(move |tx| tx.drop_post(STREAM, number)).unwrap().unwrap();
                        let gone: Vec<serde_json::Value> = serde_json::from_str(&frozen[&number]).unwrap();
                        prop_assert_eq!(gone.len(), post.records.len());
                        dropped.extend(gone.iter().map(|record| {
                            (record["id"].as_str().unwrap().to_owned(), record["v"].as_u64().unwrap())
                        }));
                    }
                }
                Step::Rebuild => {
                    doctor::rebuild(&store).unwrap();
                }
            }
            in_order(&store);
        }
        // In the end everything gets through.
        for number in numbers(&store, true) {
            store.write_blocking(move |tx| tx.revive_post(STREAM, number)).unwrap();
        }
        loop {
            for number in numbers(&store, false) {
                receiver.reads(&body(&store, number));
                settle(&store, number, PostEnd::Taken);
            }
            if freeze(&store, 3).is_none() {
                break;
            }
        }
        in_order(&store);
        prop_assert_eq!(counts(&store), (0, 0, 0));
        for (id, version) in newest {
            let told = receiver.seen.get(&id) == Some(&version) || dropped.contains(&(id.clone(), version));
            prop_assert!(told, "{} was never told of version {}", id, version);
        }
    }
}
