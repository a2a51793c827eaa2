//! Power cuts: whatever was acknowledged is there afterwards, whatever was not is there whole or not
//! at all, and every index still fits.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod store_support;

use store_support::disk::Disk;
use store_support::model::{Model, Op, compare_snapshot, run};
use store_support::{at, item, link, note, observation, options};
use tandem::model::{Base, Fingerprint, Intent, Item, ItemId, LinkId, ModuleId, Operation, RecordId, Side, State};
use tandem::seam::Entropy;
use tandem::store::{Reads, Store, StoreError, doctor};

/// The next thing an engine might write, legal on `model`.
fn next_op(model: &Model, entropy: &Entropy) -> Op {
    let module = ModuleId::Contacts;
    let n = entropy.below(6);
    let known = RecordId::from(format!("r{n}"));
    let to = |item: &Item, state: State| Box::new(Item { state, ver: item.ver + 1, ..item.clone() });
    let of = |state: State| model.items.values().find(|item| item.state == state);
    match entropy.below(8) {
        0 | 1 => {
            let id = model.items.len() as u64 + 1;
            Op::Item(Box::new(item(id, module, &format!("p{id}"), State::Ready)))
        }
        2 => match of(State::Ready) {
            Some(ready) => Op::Claim(to(ready, State::Inflight), Box::new(update(ready.id))),
            None => Op::Mark(module, Side::Ivvy, known),
        },
        3 | 4 => match of(State::Inflight) {
            Some(inflight) => Op::Settle(to(inflight, State::Done)),
            None => Op::Unmark(module, Side::Ivvy, known),
        },
        5 => {
            let id = model.links.len() as u64 + 1;
            Op::Link(link(id, module, &format!("a{id}"), &format!("b{id}")))
        }
        6 => {
            let mut seen = observation(module, Side::Crm, known.as_str());
            seen.identity = Some(format!("identity {}", entropy.below(4)));
            seen.hash = Fingerprint(u128::from(entropy.next()));
            Op::Observe(Box::new(seen))
        }
        _ => match model.links.len() as u64 {
            0 => Op::Mark(module, Side::Ivvy, known),
            links => Op::Base(LinkId(1 + entropy.below(links)), Base { agreed_at: at(n), ..Base::default() }),
        },
    }
}

fn update(item: ItemId) -> Intent {
    Intent {
        item,
        module: ModuleId::Contacts,
        side: Side::Crm,
        operation: Operation::Update {
            id: RecordId::from(format!("c{item}")),
            patch: Default::default(),
            pre_image: Default::default(),
        },
        source_values: Default::default(),
        attempt: 1,
        claimed_at: at(0),
        unknown_since: None,
        decided: false,
    }
}

fn write(store: &Store, op: &Op) -> Result<(), StoreError> {
    let op = op.clone();
    store.write_blocking(move |tx| run(&op, tx))
}

/// Whether the store holds exactly what the model does, by its audit position, queue and records.
fn holds(store: &Store, model: &Model) -> bool {
    let same = store.read(|view| {
        let items = model.items.values().all(|item| view.item(item.id).ok().flatten().as_ref() == Some(item));
        let links = model.links.values().all(|link| view.link(link.id).ok().flatten().as_ref() == Some(link));
        let bases = model.bases.iter().all(|(link, base)| view.base(*link).ok().as_ref() == Some(base));
        let seen = model.observations.values().all(|seen| {
            let found = view.observation(seen.module, seen.side, &seen.record.id);
            found.ok().flatten().as_ref() == Some(seen)
        });
        let marks: Vec<_> = model.marks.iter().map(|(_, side, record)| (*side, record.clone())).collect();
        let intents: Vec<Intent> = model.intents.values().cloned().collect();
        let seen_ids: Vec<_> = model.observations.values().map(|seen| seen.record.id.clone()).collect();
        Ok(view.seq()?.0 == model.audit.len() as u64
            && view.observed_ids(ModuleId::Contacts, Side::Crm, None, 1000)? == seen_ids
            && view.dirty(ModuleId::Contacts, 1000)? == marks
            && view.intents()? == intents
            && items
            && links
            && bases
            && seen)
    });
    same.unwrap()
}

#[test]
fn after_a_power_cut_at_any_call_what_was_acknowledged_is_there_and_nothing_is_half_there_i14() {
    let (mut cuts, mut recovery_cuts, mut unacknowledged_but_durable) = (0, 0, 0);
    for seed in 0..120 {
        let entropy = Entropy::seeded(seed);
        let mut disk = Disk::new(seed + 1_000);
        let mut store = Store::open_backend(disk.clone(), options()).unwrap();
        let mut model = Model::default();
        for _ in 0..4 {
            disk.arm(1 + entropy.below(120));
            let mut written = 0;
            let pending = loop {
                written += 1;
                assert!(written < 1_000, "seed {seed}: acknowledged, yet nothing ever reaches the disk");
                let op = next_op(&model, &entropy);
                match write(&store, &op) {
                    Ok(()) => model.apply(&op).unwrap(),
                    Err(error) => {
                        assert!(error.is_fatal(), "{error}");
                        assert!(disk.is_dead());
                        break op;
                    }
                }
            };
            drop(store);
            cuts += 1;
            disk = disk.after_the_cut();
            // The power may go again while the store recovers, as often as it likes.
            store = loop {
                disk.arm(1 + entropy.below(16));
                match Store::open_backend(disk.clone(), options()) {
                    Ok(store) if !disk.is_dead() => break store,
                    opened => {
                        // Only a cut is an excuse for not opening.
                        assert!(disk.is_dead(), "seed {seed}: {opened:?}");
                        drop(opened);
                        recovery_cuts += 1;
                        disk = disk.after_the_cut();
                    }
                }
            };
            disk.disarm();
            let mut with_pending = model.clone();
            with_pending.apply(&pending).unwrap();
            if !holds(&store, &model) {
                assert!(holds(&store, &with_pending), "seed {seed}: neither before nor after {pending:?}");
                model = with_pending;
                unacknowledged_but_durable += 1;
            }
            assert_eq!(store.read(doctor::check).unwrap(), [""; 0], "seed {seed}");
        }
        compare_snapshot(&store, &model);
    }
    // The test is worth something only if cuts fell everywhere.
    assert_eq!(cuts, 480);
    assert!(recovery_cuts > 10, "{recovery_cuts}");
    assert!(unacknowledged_but_durable > 0);
}

#[test]
fn a_full_disk_is_named_and_loses_nothing_that_was_acknowledged() {
    let disk = Disk::limited(2 * 1024 * 1024);
    let store = Store::open_backend(disk.clone(), options()).unwrap();
    let mut acknowledged = 0;
    let error = loop {
        let id = acknowledged + 1;
        let mut item = item(id, ModuleId::Contacts, &id.to_string(), State::Ready);
        item.plan.summary = "x".repeat(20_000);
        match store.write_blocking(move |tx| tx.put_item(&item, note())) {
            Ok(_) => acknowledged = id,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Full), "{error:?}");
    assert!(acknowledged > 10);
    let told = tandem::error::Error::from(error);
    assert_eq!(told.kind, tandem::error::ErrorKind::Unavailable);
    assert!(told.hint.unwrap().contains("free some space"));

    // The handle is dead and goes on naming the cause, for writers and readers.
    let again = store.write_blocking(|tx| tx.new_item_id());
    assert!(matches!(again, Err(StoreError::Full)));
    assert!(store.latched_error().unwrap().contains("full"));
    drop(store);

    let store = Store::open_backend(disk.moved_to(None), options()).unwrap();
    assert_eq!(store.latched_error(), None);
    store
        .read(|view| {
            assert_eq!(view.seq()?.0, acknowledged);
            assert!(view.item(ItemId(acknowledged))?.is_some());
            assert_eq!(doctor::check(view)?, [""; 0]);
            Ok(())
        })
        .unwrap();
    store.write_blocking(|tx| tx.new_item_id()).unwrap();
}
