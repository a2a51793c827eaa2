//! The store against the reference model: the same operations give the same answers, whatever the
//! order, from snapshots and from inside a transaction.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod store_support;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use store_support::model::{Model, Op, Refused, compare, compare_pages, compare_snapshot, run};
use store_support::{at, decision, item, link, lone, memory, note, observation};
use strum::IntoEnumIterator as _;
use tandem::model::item::Assignment;
use tandem::model::link::{BaseField, PairKey};
use tandem::model::{
    Base, Intent, Item, ItemError, ItemId, LinkId, LinkState, ModuleId, Operation, Reason, Reasons, RecordId, Side,
    State, Timestamp, Value,
};
use tandem::store::{Reads, Store, StoreError, TEXT_BUDGET, doctor};
use tandem::wire::{Anchor, Filter, PageQuery};

/// One random step; resolved against the model, so that most of them are legal.
#[derive(Clone, Debug)]
enum Step {
    /// A new or changed item: id, change.
    Item(u64, Change),
    Claim(u64, Option<u8>),
    Settle(u64, State),
    Intent(u64, u8),
    Decide(u64, u32),
    Link(u64, u8, u8, bool),
    Alias(u8, Side, u64),
    Base(u64, u8),
    Observe(Side, u8, Option<u8>, Option<u8>),
    Mark(Side, u8),
    Unmark(Side, u8),
    Forget(u64),
    Fail(u64),
}

#[derive(Clone, Debug)]
struct Change {
    record: u8,
    linked: bool,
    state: State,
    reasons: Vec<Reason>,
    bump: u8,
    priority: u8,
    ready: u64,
    updated: u64,
    waits: Option<u8>,
    title: bool,
    assigned: bool,
    failed: bool,
}

fn change() -> impl Strategy<Value = Change> {
    let states = prop::sample::select(State::iter().filter(|state| !state.has_intent()).collect::<Vec<_>>());
    let reasons =
        prop::collection::vec(prop::sample::select(vec![Reason::Guard, Reason::Parked, Reason::Conflict]), 0..3);
    let first = (0..5_u8, any::<bool>(), states, reasons, prop::sample::select(vec![0_u8, 1, 1, 1, 1, 2, 255]));
    let second = (0..3_u8, 0..6_u64, 0..6_u64, prop::option::weighted(0.2, 0..5_u8));
    (first, second, any::<[bool; 3]>()).prop_map(|(first, second, flags)| Change {
        record: first.0,
        linked: first.1,
        state: first.2,
        reasons: first.3,
        bump: first.4,
        priority: second.0,
        ready: second.1,
        updated: second.2,
        waits: second.3,
        title: flags[0],
        assigned: flags[1],
        failed: flags[2],
    })
}

fn step() -> impl Strategy<Value = Step> {
    let side = || prop::sample::select(Side::BOTH.to_vec());
    let id = 1..13_u64;
    let after = prop::sample::select(vec![State::New, State::Retry, State::Done, State::Held, State::Ready]);
    let record = 0..5_u8;
    prop_oneof![
        10 => (id.clone(), change()).prop_map(|(id, change)| Step::Item(id, change)),
        3 => (id.clone(), prop::option::weighted(0.8, record.clone())).prop_map(|(id, r)| Step::Claim(id, r)),
        2 => (id.clone(), after).prop_map(|(id, state)| Step::Settle(id, state)),
        1 => (id.clone(), record.clone()).prop_map(|(id, record)| Step::Intent(id, record)),
        1 => (id.clone(), 1..3_u32).prop_map(|(id, ver)| Step::Decide(id, ver)),
        2 => (1..6_u64, record.clone(), record.clone(), any::<bool>()).prop_map(|(id, a, b, on)| Step::Link(id, a, b, on)),
        1 => (record.clone(), side(), 1..6_u64).prop_map(|(record, side, link)| Step::Alias(record, side, link)),
        1 => (1..6_u64, 0..4_u8).prop_map(|(link, value)| Step::Base(link, value)),
        3 => (side(), record.clone(), prop::option::of(0..4_u8), prop::option::of(0..4_u8))
            .prop_map(|(side, record, identity, key)| Step::Observe(side, record, identity, key)),
        2 => (side(), record.clone()).prop_map(|(side, record)| Step::Mark(side, record)),
        1 => (side(), record).prop_map(|(side, record)| Step::Unmark(side, record)),
        2 => id.clone().prop_map(Step::Forget),
        1 => id.prop_map(Step::Fail),
    ]
}

/// Record ids that could be confused by a careless key: prefixes of each other, zero bytes, non-ASCII.
fn record(n: u8) -> RecordId {
    RecordId::from(["1", "12", "1\0\0\0\0\0\0\0\0", "é", ""][usize::from(n)])
}

/// Identities, one of them too long to be kept in a key as it is.
fn text(n: u8) -> String {
    match n {
        0 => String::new(),
        1 => "jane|doe".to_owned(),
        2 => "jane".to_owned(),
        _ => "x".repeat(600),
    }
}

fn module_of(id: u64) -> ModuleId {
    ModuleId::PEOPLE[(id % 2) as usize]
}

fn changed(old: Option<&Item>, id: u64, change: &Change) -> Item {
    let base = old.cloned().unwrap_or_else(|| item(id, module_of(id), "1", State::New));
    let pair = match change.linked {
        true => PairKey::Link(LinkId(u64::from(change.record))),
        false => PairKey::Lone(Side::Crm, record(change.record)),
    };
    let who = |who: &str| Assignment { who: who.to_owned(), until: at(60) };
    let error = |message: &str| ItemError { message: message.to_owned(), hint: None, at: at(1) };
    Item {
        // Most changes stay with their pair; the rest moves to a link, as after a create.
        pair: if old.is_some() && change.bump != 2 { base.pair } else { pair },
        state: change.state,
        reasons: change.reasons.iter().copied().collect(),
        ver: base.ver.wrapping_add(if change.bump == 255 { u32::MAX } else { u32::from(change.bump) }).max(1),
        priority: change.priority,
        ready_at: if change.ready == 0 { Timestamp::EPOCH } else { at(change.ready) },
        updated_at: at(change.updated),
        waits_for: change.waits.map(|n| (module_of(id + 1), PairKey::Lone(Side::Crm, record(n)))),
        title: format!("Person {id}{}", if change.title { " ÉÈ" } else { "" }),
        assigned: change.assigned.then(|| who("ann")),
        error: change.failed.then(|| error("refused")),
        ..base
    }
}

fn intent(item: u64, n: Option<u8>) -> Intent {
    let operation = match n {
        Some(n) => Operation::Update { id: record(n), patch: Default::default(), pre_image: Default::default() },
        None => Operation::Create {
            key: format!("contact-{item}"),
            fields: [("email".to_owned(), Value::Null)].into(),
            source: record(0),
        },
    };
    Intent {
        item: ItemId(item),
        module: module_of(item),
        side: Side::Crm,
        operation,
        source_values: Default::default(),
        attempt: 1,
        claimed_at: at(2),
        unknown_since: None,
        decided: false,
    }
}

fn resolve(step: &Step, model: &Model) -> Op {
    let current = |id: u64| model.items.get(&ItemId(id));
    let to = |id: u64, state: State| {
        let old = current(id).cloned().unwrap_or_else(|| item(id, module_of(id), "9", State::New));
        Box::new(Item { state, ver: old.ver + 1, ..old })
    };
    let module = ModuleId::Contacts;
    match step {
        Step::Item(id, change) => Op::Item(Box::new(changed(current(*id), *id, change))),
        Step::Claim(id, record) => Op::Claim(to(*id, State::Inflight), Box::new(intent(*id, *record))),
        Step::Settle(id, state) => Op::Settle(to(*id, *state)),
        Step::Intent(id, record) => {
            let mut intent = model.intents.get(&ItemId(*id)).cloned().unwrap_or_else(|| intent(*id, Some(*record)));
            intent.unknown_since = Some(at(3));
            Op::Intent(Box::new(intent))
        }
        Step::Decide(id, ver) => Op::Decide(decision(*id, *ver)),
        Step::Link(id, ivvy, crm, on) => {
            let mut link = link(*id, module_of(*id), record(*ivvy).as_str(), record(*crm).as_str());
            link.state = if *on { LinkState::Linked } else { LinkState::Tombstone };
            Op::Link(link)
        }
        Step::Alias(old, side, link) => Op::Alias(module_of(*link), *side, record(*old), LinkId(*link)),
        Step::Base(link, n) => {
            let values = [None, Some(Value::Null), Some(Value::text("")), Some(Value::Int(7))];
            let field =
                BaseField { ivvy: values[usize::from(*n)].clone(), crm: Some(Value::Null), ..BaseField::default() };
            Op::Base(
                LinkId(*link),
                Base { fields: [("email".to_owned(), field)].into(), agreed_at: at(1), ..Base::default() },
            )
        }
        Step::Observe(side, n, identity, key) => {
            let mut seen = observation(module, *side, record(*n).as_str());
            seen.identity = identity.map(text);
            seen.external_key = key.map(text);
            Op::Observe(Box::new(seen))
        }
        Step::Mark(side, n) => Op::Mark(module, *side, record(*n)),
        Step::Unmark(side, n) => Op::Unmark(module, *side, record(*n)),
        Step::Forget(id) => Op::Forget(ItemId(*id)),
        Step::Fail(id) => Op::Fail(to(*id, State::Superseded)),
    }
}

/// Runs one step on both and compares the verdict.
fn apply(store: &Store, model: &mut Model, op: Op) {
    let expected = model.apply(&op);
    let shown = format!("{op:?}");
    let result = store.write_blocking(move |tx| run(&op, tx));
    match result {
        Ok(()) => assert_eq!(expected, Ok(()), "the store took {shown}"),
        Err(StoreError::Invariant(why)) => assert_eq!(expected, Err(Refused), "the store refused {shown}: {why}"),
        Err(other) => panic!("{other}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn redb_and_the_model_agree_i2_i3_i4_i5_i22_i23_i24(steps in prop::collection::vec(step(), 1..60)) {
        let store = memory();
        let mut model = Model::default();
        for step in &steps {
            let op = resolve(step, &model);
            apply(&store, &mut model, op);
        }
        compare_snapshot(&store, &model);
        // The same questions inside a transaction, which sees its own writes.
        let mut inside = model.clone();
        let op = resolve(&Step::Mark(Side::Ivvy, 3), &model);
        inside.apply(&op).unwrap();
        store
            .write_blocking(move |tx| {
                run(&op, tx)?;
                compare(tx, &inside, at(3));
                Err::<(), _>(StoreError::Invariant("only looking".to_owned()))
            })
            .unwrap_err();
        let dangling: BTreeSet<_> = model.bases.keys().filter(|link| !model.links.contains_key(link)).collect();
        let undecidable = model.decisions.keys().filter(|(id, ver)| {
            model.items.get(id).is_none_or(|item| item.ver < *ver)
        });
        let expected = dangling.len() + undecidable.count();
        prop_assert_eq!(store.read(doctor::check).unwrap().len(), expected, "what the steps left dangling, no more");
        // Writing everything derivable anew changes no answer.
        doctor::rebuild(&store).unwrap();
        compare_snapshot(&store, &model);
    }
}

#[test]
fn a_walk_over_a_changing_queue_shows_every_row_that_did_not_move_once_i23() {
    let store = memory();
    let entropy = tandem::seam::Entropy::seeded(7);
    for id in 1..=200 {
        let item = item(id, module_of(id), &id.to_string(), State::Held);
        store.write_blocking(move |tx| tx.put_item(&item, note())).unwrap();
    }
    for _ in 0..10 {
        let mut moved = BTreeSet::new();
        let mut seen: BTreeMap<ItemId, u32> = BTreeMap::new();
        let mut anchor = Anchor::Start;
        let before: BTreeSet<ItemId> = held(&store);
        loop {
            let query = PageQuery { filter: Filter::default(), anchor: anchor.clone(), limit: 7 };
            let rows = store.read(|view| view.page(&query)).unwrap();
            for row in &rows.rows {
                *seen.entry(row.id).or_default() += 1;
            }
            let Some(last) = rows.rows.last().filter(|_| rows.more_after) else { break };
            anchor = Anchor::After(last.token.clone());
            for _ in 0..5 {
                let id = ItemId(1 + entropy.below(200));
                let priority = u8::try_from(entropy.below(3)).unwrap();
                moved.insert(id);
                let change = move |tx: &mut tandem::store::Tx<'_>| {
                    let item = tx.item(id)?.unwrap();
                    let ver = item.ver + 1;
                    tx.put_item(&Item { priority, ver, ..item }, note())
                };
                store.write_blocking(change).unwrap();
            }
        }
        for id in before.difference(&moved) {
            assert_eq!(seen.get(id), Some(&1), "item {id} did not move");
        }
    }
}

fn held(store: &Store) -> BTreeSet<ItemId> {
    let walk = |module| store.read(|view| view.in_state(module, State::Held, None, 1000)).unwrap();
    ModuleId::PEOPLE.into_iter().flat_map(walk).collect()
}

#[test]
fn a_text_filter_hands_back_after_its_budget_and_goes_on_where_it_stopped() {
    let store = memory();
    let total = TEXT_BUDGET as u64 * 2 + 10;
    store
        .write_blocking(move |tx| {
            for id in 1..=total {
                let mut item = item(id, module_of(id), &id.to_string(), State::Held);
                item.title = if id == total { "Needle".to_owned() } else { "hay".to_owned() };
                tx.put_item(&item, note())?;
            }
            Ok(())
        })
        .unwrap();
    let filter = Filter { text: Some("nEEd".to_owned()), ..Filter::default() };
    let mut asked = 0;
    let mut anchor = Anchor::Start;
    let found = loop {
        let query = PageQuery { filter: filter.clone(), anchor: anchor.clone(), limit: 50 };
        let rows = store.read(|view| view.page(&query)).unwrap();
        assert_eq!(rows.total, None);
        asked += 1;
        match rows.continue_at {
            Some(token) => {
                assert!(rows.rows.is_empty() && rows.more_after);
                anchor = Anchor::After(token);
            }
            None => break rows,
        }
    };
    assert_eq!(asked, 3);
    assert_eq!(found.rows.len(), 1);
    assert!(!found.more_after);
    let query = PageQuery { filter, anchor: Anchor::End, limit: 1 };
    let last = store.read(|view| view.page(&query)).unwrap();
    assert_eq!(last.rows[0].id, ItemId(total));
}

#[test]
fn a_walk_goes_on_where_an_item_stood_that_has_left_the_state() {
    let store = memory();
    let module = ModuleId::Contacts;
    for id in 1..=6 {
        let mut item = item(id, module, &id.to_string(), State::Held);
        item.reasons = Reasons::one(Reason::Guard);
        store.write_blocking(move |tx| tx.put_item(&item, note())).unwrap();
    }
    let mut released = Vec::new();
    loop {
        let after = released.last().copied();
        let next = store.read(|view| view.held_by(module, Reason::Guard, after, 2)).unwrap();
        if next.is_empty() {
            break;
        }
        for id in next {
            let release = move |tx: &mut tandem::store::Tx<'_>| {
                let item = tx.item(id)?.unwrap();
                let ver = item.ver + 1;
                tx.put_item(&Item { state: State::Ready, reasons: Reasons::NONE, ver, ..item }, note())
            };
            store.write_blocking(release).unwrap();
            released.push(id);
        }
    }
    assert_eq!(released, (1..=6).map(ItemId).collect::<Vec<_>>());
}

#[test]
fn an_expired_claim_is_not_shown_and_what_went_wrong_is() {
    let store = memory();
    let mut held = item(1, ModuleId::Contacts, "1", State::Held);
    held.assigned = Some(Assignment { who: "ann".to_owned(), until: at(10) });
    held.error = Some(ItemError { message: "the remote refused".to_owned(), hint: None, at: at(1) });
    store.write_blocking(move |tx| tx.put_item(&held, note())).unwrap();
    let query = PageQuery { filter: Filter::default(), anchor: Anchor::Start, limit: 1 };
    let row = |now| store.read(|view| view.page_at(&query, now)).unwrap().rows.remove(0);
    assert_eq!(row(at(9)).assigned.as_deref(), Some("ann"));
    assert_eq!(row(at(10)).assigned, None);
    assert_eq!(row(at(10)).summary, "the remote refused");
}

#[test]
fn ids_are_never_handed_out_twice_even_after_one_was_chosen_by_hand() {
    let store = memory();
    let chosen = item(41, ModuleId::Contacts, "1", State::Held);
    store.write_blocking(move |tx| tx.put_item(&chosen, note())).unwrap();
    assert_eq!(store.write_blocking(|tx| tx.new_item_id()).unwrap(), ItemId(42));
    assert_eq!(store.write_blocking(|tx| tx.new_item_id()).unwrap(), ItemId(43));
    assert_eq!(store.write_blocking(|tx| tx.bump_epoch()).unwrap(), 1);
    assert_eq!(store.write_blocking(|tx| tx.bump_epoch()).unwrap(), 2);
    assert_eq!(store.read(|view| view.epoch()).unwrap(), 2);
}

#[test]
fn free_values_guards_and_cursors_come_back_and_cannot_hit_ours() {
    let store = memory();
    store.write_blocking(|tx| tx.put_meta("schema", b"mine")).unwrap();
    let cursor = tandem::model::Cursor { watermark: at(5), sweeps: 3, ..Default::default() };
    let kept = cursor.clone();
    store.write_blocking(move |tx| tx.put_cursor(ModuleId::Contacts, Side::Crm, &kept)).unwrap();
    let guard = tandem::model::guard::Guard {
        module: ModuleId::Companies,
        tripped: None,
        first_released: Some((at(1), "ann".to_owned())),
        window_start: at(0),
        creates: 1,
        updates: 2,
        conflicts: 3,
        fields: std::collections::BTreeMap::new(),
        mapping: None,
    };
    let kept = guard.clone();
    store.write_blocking(move |tx| tx.put_guard(&kept)).unwrap();
    store
        .read(|view| {
            assert_eq!(view.meta("schema")?.as_deref(), Some(&b"mine"[..]));
            assert_eq!(view.meta("other")?, None);
            assert_eq!(view.cursor(ModuleId::Contacts, Side::Crm)?, cursor);
            assert_eq!(view.cursor(ModuleId::Contacts, Side::Ivvy)?, Default::default());
            assert_eq!(view.guard(ModuleId::Companies)?, Some(guard));
            assert_eq!(view.guard(ModuleId::Contacts)?, None);
            Ok(())
        })
        .unwrap();
}

#[test]
fn record_ids_no_key_should_hold_are_refused() {
    let store = memory();
    let long = observation(ModuleId::Contacts, Side::Crm, &"9".repeat(2000));
    let refused = store.write_blocking(move |tx| tx.put_observation(&long));
    assert!(matches!(refused, Err(StoreError::Invariant(_))));
}

#[test]
fn a_walk_by_token_survives_a_change_of_filter_and_bad_tokens_are_refused() {
    let store = memory();
    let mut model = Model::default();
    for id in 1..=20 {
        apply(&store, &mut model, Op::Item(Box::new(item(id, module_of(id), &id.to_string(), State::Held))));
    }
    store
        .read(|view| {
            compare_pages(view, &model, &Filter::default());
            let all = view.page(&PageQuery { filter: Filter::default(), anchor: Anchor::Start, limit: 5 })?;
            let filter = Filter { module: Some(module_of(1)), ..Filter::default() };
            let anchor = Anchor::After(all.rows[3].token.clone());
            let narrowed = view.page(&PageQuery { filter: filter.clone(), anchor, limit: 1 })?;
            assert_eq!(narrowed.rows[0].id, ItemId(5), "the next one of that module");
            for token in ["", "zz", "00", "é"] {
                let bad =
                    view.page(&PageQuery { filter: filter.clone(), anchor: Anchor::At(token.to_owned()), limit: 1 });
                assert!(matches!(bad, Err(StoreError::BadToken)));
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(store.read(|view| view.open_item(module_of(1), &lone(Side::Ivvy, "1"))).unwrap(), Some(ItemId(1)));
}

#[test]
fn a_link_that_moves_to_a_survivor_keeps_its_old_id_as_an_alias_i2() {
    let store = memory();
    let (module, side) = (ModuleId::Contacts, Side::Crm);
    store
        .write_blocking(move |tx| {
            tx.put_link(&link(1, module, "1", "old"), note())?;
            tx.put_link(&link(1, module, "1", "new"), note())?;
            tx.put_alias(module, side, &RecordId::from("old"), LinkId(1))
        })
        .unwrap();
    for id in ["old", "new"] {
        let found = store.read(|view| view.link_of(module, side, &RecordId::from(id))).unwrap();
        assert_eq!(found, Some(LinkId(1)), "{id}");
    }
    // Neither id can come to stand in a second link, and an alias leads to a link, never to an alias.
    for taken in ["old", "new"] {
        let second = link(2, module, "2", taken);
        let refused = store.write_blocking(move |tx| tx.put_link(&second, note())).unwrap_err();
        assert!(matches!(refused, StoreError::Invariant(_)), "{taken}: {refused}");
    }
    let other = link(2, module, "2", "two");
    store.write_blocking(move |tx| tx.put_link(&other, note()).map(drop)).unwrap();
    let refused = store.write_blocking(move |tx| tx.put_alias(module, side, &RecordId::from("two"), LinkId(1)));
    assert!(matches!(refused, Err(StoreError::Invariant(_))), "{refused:?}");
    assert!(store.read(doctor::check).unwrap().is_empty());
}
