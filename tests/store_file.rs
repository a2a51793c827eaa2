//! The file itself: who may open it, what it looks like from outside, and what damage is found.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod store_support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::mpsc;

use futures::future::join_all;
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use store_support::{at, item, link, note, observation, options};
use tandem::error::{Error, ErrorKind};
use tandem::model::{Intent, Item, ItemId, ModuleId, Operation, Reason, Reasons, RecordId, Seq, Side, State};
use tandem::store::{Options, Reads, SCHEMA, Store, StoreError, Tx, doctor};

fn open(path: &Path) -> Store {
    Store::open(path, options()).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn table(name: &str) -> TableDefinition<'_, &'static [u8], &'static [u8]> {
    TableDefinition::new(name)
}

/// Edits the file behind the store's back.
fn tamper(path: &Path, edit: impl FnOnce(&redb::WriteTransaction)) {
    let db = Database::open(path).unwrap();
    let txn = db.begin_write().unwrap();
    edit(&txn);
    txn.commit().unwrap();
}

/// The first row of a table.
fn first(txn: &redb::WriteTransaction, name: &str) -> (Vec<u8>, Vec<u8>) {
    let table = txn.open_table(table(name)).unwrap();
    let (key, value) = table.first().unwrap().unwrap();
    (key.value().to_vec(), value.value().to_vec())
}

#[test]
fn only_the_owner_can_read_it_and_nothing_half_made_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/acme.redb");
    drop(open(&path));
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    assert_eq!(mode(path.parent().unwrap().parent().unwrap()), 0o700);
    let names: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["acme.redb"]);

    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    drop(open(&path));
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn what_a_crash_left_while_first_creating_it_is_no_obstacle() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme.redb");
    let leftover = folder.path().join(format!("acme.redb.{}.tmp", std::process::id()));
    fs::write(&leftover, vec![0; 4096]).unwrap();
    drop(open(&path));
    assert!(!leftover.exists());
}

#[test]
fn a_second_open_is_told_it_is_locked_until_the_last_handle_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme.redb");
    let store = open(&path);
    let clone = store.clone();
    let second = Store::open(&path, options());
    assert!(matches!(second, Err(StoreError::Locked { .. })), "{second:?}");
    let told = Error::from(second.unwrap_err());
    assert_eq!(told.kind, ErrorKind::Unavailable);
    assert!(told.hint.unwrap().contains("daemon"));
    drop(store);
    assert!(matches!(Store::open(&path, options()), Err(StoreError::Locked { .. })));
    clone.write_blocking(|tx| tx.new_item_id()).unwrap();
    drop(clone);
    drop(open(&path));
}

#[test]
fn many_first_opens_at_once_make_one_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme.redb");
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| Store::open(&path, options()))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(results.iter().any(Result::is_ok));
    for error in results.iter().filter_map(|result| result.as_ref().err()) {
        assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    }
    drop(results);
    assert_eq!(open(&path).read(doctor::check).unwrap(), [""; 0]);
}

#[test]
fn a_newer_format_is_refused_and_not_touched_i32() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme.redb");
    drop(open(&path));
    tamper(&path, |txn| {
        let newer = (SCHEMA + 1).to_be_bytes();
        txn.open_table(table("meta")).unwrap().insert(&b"schema"[..], &newer[..]).unwrap();
    });
    let before = fs::read(&path).unwrap();
    let refused = Store::open(&path, options()).unwrap_err();
    assert!(matches!(refused, StoreError::Newer { found, supported } if found == SCHEMA + 1 && supported == SCHEMA));
    assert_eq!(Error::from(refused).kind, ErrorKind::Config);
    assert!(before == fs::read(&path).unwrap(), "the file was changed");
}

#[test]
fn another_accounts_store_is_refused_i30() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme.redb");
    drop(open(&path));
    let other = Options { instance: "globex".to_owned(), ..options() };
    assert!(matches!(Store::open(&path, other), Err(StoreError::OtherInstance { .. })));
    drop(Store::open(&path, Options::default()).unwrap());
}

#[test]
fn what_is_not_a_store_is_said_to_be_none() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    fs::write(&text, "not a database, but long enough to be mistaken for one".repeat(100)).unwrap();
    let empty = folder.path().join("empty");
    fs::write(&empty, "").unwrap();
    let foreign = folder.path().join("foreign.redb");
    let db = Database::create(&foreign).unwrap();
    let txn = db.begin_write().unwrap();
    txn.open_table(TableDefinition::<&str, u64>::new("meta")).unwrap();
    txn.commit().unwrap();
    drop(db);
    for path in [&text, &empty, &foreign] {
        let before = fs::read(path).unwrap();
        let refused = Store::open(path, options());
        assert!(matches!(refused, Err(StoreError::NotAStore { .. })), "{}: {refused:?}", path.display());
        assert!(before == fs::read(path).unwrap(), "{} was changed", path.display());
    }
}

#[test]
fn the_writer_answers_after_the_commit_and_announces_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme.redb");
    let store = open(&path);
    let seq = store.seq_watch();
    let mut changes = store.changes();
    store.write_blocking(|tx| tx.put_item(&item(1, ModuleId::Contacts, "1", State::Held), note())).unwrap();
    assert_eq!(*seq.borrow(), Seq(1));
    let change = changes.try_recv().unwrap();
    assert_eq!((change.seq, change.items.as_slice()), (Seq(1), &[ItemId(1)][..]));
    // An operation that writes nothing is no news.
    assert_eq!(store.write_blocking(|tx| tx.item(ItemId(9))).unwrap(), None);
    assert!(changes.try_recv().is_err());
    drop(store);
    let store = open(&path);
    assert_eq!(*store.seq_watch().borrow(), Seq(1));
}

/// Operations that arrive while a commit runs share the next one; one that fails reports its own
/// error and leaves no trace, and the others do not notice.
#[tokio::test]
async fn a_failed_operation_in_a_group_does_not_touch_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("acme.redb"));
    let mut changes = store.changes();
    for failing in [1_u64, 20] {
        let (release, gate) = mpsc::channel::<()>();
        let (running, runs) = tokio::sync::oneshot::channel();
        let mut running = Some(running);
        let blocking = store.clone();
        let first = tokio::spawn(async move {
            let block = move |_: &mut Tx<'_>| {
                running.take().map(|running| running.send(()));
                gate.recv().ok();
                Ok(())
            };
            blocking.write(block).await
        });
        // Its group is closed once it runs: what is asked for from now on goes into the next.
        runs.await.unwrap();
        let base = failing * 1000;
        let group = (1..=40_u64).map(|n| {
            let item = item(base + n, ModuleId::Contacts, &(base + n).to_string(), State::Held);
            store.write(move |tx| {
                tx.put_item(&item, note())?;
                if n <= failing {
                    return Err(StoreError::Invariant(format!("operation {n}")));
                }
                assert!(n != 40, "a defect in one operation");
                Ok(n)
            })
        });
        // The first poll of each puts it in line behind the first; then the gate opens.
        let all = join_all(group);
        let gate = async move { drop(release) };
        let (first, results, ()) = futures::join!(first, all, gate);
        first.unwrap().unwrap();
        for (n, result) in (1..=40_u64).zip(results) {
            match result {
                Ok(value) => assert!(value == n && n > failing && n < 40),
                Err(StoreError::Invariant(why)) if n <= failing => assert_eq!(why, format!("operation {n}")),
                Err(StoreError::Invariant(why)) if n == 40 => assert!(why.contains("panicked")),
                Err(other) => panic!("{n}: {other}"),
            }
        }
        store
            .read(|view| {
                for n in 1..=40 {
                    assert_eq!(view.item(ItemId(base + n))?.is_some(), n > failing && n < 40);
                }
                assert_eq!(doctor::check(view)?, [""; 0]);
                Ok(())
            })
            .unwrap();
    }
    // The round with few failures went out in one commit.
    assert_eq!(changes.recv().await.unwrap().items.len(), 38);
}

#[tokio::test]
async fn the_inline_writer_yields_before_and_after_so_that_a_crash_can_fall_there() {
    let store = store_support::memory();
    let write = store.write(|tx| tx.new_item_id());
    futures::pin_mut!(write);
    assert!(futures::poll!(&mut write).is_pending(), "not begun");
    assert_eq!(store.write_blocking(|tx| tx.new_item_id()).unwrap(), ItemId(1));
    assert!(futures::poll!(&mut write).is_pending(), "committed, not yet told");
    assert_eq!(store.write_blocking(|tx| tx.new_item_id()).unwrap(), ItemId(3));
    assert_eq!(write.await.unwrap(), ItemId(2));
}

/// A store with a bit of everything.
fn furnished(path: &Path) -> Store {
    let store = open(path);
    store
        .write_blocking(|tx| {
            let mut held = item(1, ModuleId::Contacts, "1", State::Held);
            held.reasons = [Reason::Parked, Reason::Guard].into_iter().collect();
            held.ready_at = at(5);
            held.waits_for = Some((ModuleId::Companies, store_support::lone(Side::Ivvy, "7")));
            tx.put_item(&held, note())?;
            tx.put_item(&item(2, ModuleId::Contacts, "2", State::Ready), note())?;
            let inflight = Item {
                state: State::Inflight,
                ver: 2,
                reasons: Reasons::NONE,
                ..item(2, ModuleId::Contacts, "2", State::Ready)
            };
            tx.put_item(&inflight, note())?;
            tx.put_intent(&Intent {
                item: ItemId(2),
                module: ModuleId::Contacts,
                side: Side::Crm,
                operation: Operation::Create {
                    key: "contact-2".to_owned(),
                    fields: Default::default(),
                    source: RecordId::from("2"),
                },
                source_values: Default::default(),
                attempt: 1,
                claimed_at: at(1),
                unknown_since: None,
                decided: false,
            })?;
            tx.put_link(&link(1, ModuleId::Contacts, "a", "b"), note())?;
            let mut seen = observation(ModuleId::Contacts, Side::Crm, "b");
            seen.identity = Some("jane".to_owned());
            seen.external_key = Some("contact-a".to_owned());
            tx.put_observation(&seen)?;
            tx.mark_dirty(ModuleId::Contacts, Side::Crm, &RecordId::from("b"))
        })
        .unwrap();
    store
}

#[test]
fn doctor_finds_every_derived_row_that_is_missing_wrong_or_too_many_and_writes_them_anew_i22() {
    let derived = [
        "items",
        "queue",
        "reasons",
        "counters",
        "open_pairs",
        "pair_items",
        "due",
        "waiting",
        "link_sides",
        "module_links",
        "identities",
        "external_keys",
        "dirty_at",
        "intent_records",
        "item_audit",
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme.redb");
    drop(furnished(&path));
    let whole = fs::read(&path).unwrap();
    for name in derived {
        for damage in ["missing", "wrong", "too many"] {
            fs::write(&path, &whole).unwrap();
            tamper(&path, |txn| {
                let (mut key, value) = first(txn, name);
                let mut table = txn.open_table(table(name)).unwrap();
                match damage {
                    "missing" => drop(table.remove(&key[..]).unwrap()),
                    "wrong" => drop(table.insert(&key[..], &[9_u8; 8][..]).unwrap()),
                    _ => {
                        *key.last_mut().unwrap() ^= 0x40;
                        table.insert(&key[..], &value[..]).unwrap();
                    }
                }
            });
            let store = open(&path);
            assert!(!store.read(doctor::check).unwrap().is_empty(), "{name}: {damage}");
            let rebuilt = doctor::rebuild(&store).unwrap();
            assert_eq!((rebuilt.items, rebuilt.links, rebuilt.intents, rebuilt.audit_rows), (2, 1, 1, 4));
            assert_eq!(store.read(doctor::check).unwrap(), [""; 0], "{name}: {damage}");
        }
    }
}

#[test]
fn doctor_finds_what_cannot_be_derived_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme.redb");
    drop(furnished(&path));
    let whole = fs::read(&path).unwrap();
    let damaged = |edit: &dyn Fn(&redb::WriteTransaction)| {
        fs::write(&path, &whole).unwrap();
        tamper(&path, edit);
        open(&path).read(doctor::check).unwrap().join("\n")
    };
    let lost_intent = damaged(&|txn| {
        let (key, _) = first(txn, "intents");
        txn.open_table(table("intents")).unwrap().remove(&key[..]).unwrap();
    });
    assert!(lost_intent.contains("I4"), "{lost_intent}");
    let lost_item = damaged(&|txn| {
        let mut bodies = txn.open_table(table("bodies")).unwrap();
        bodies.remove(&2_u64.to_be_bytes()[..]).unwrap();
    });
    assert!(lost_item.contains("I22"), "{lost_item}");
    let garbled = damaged(&|txn| {
        let mut bodies = txn.open_table(table("bodies")).unwrap();
        bodies.insert(&1_u64.to_be_bytes()[..], &b"\x01{\"secret\":"[..]).unwrap();
    });
    assert!(garbled.contains("bodies") && !garbled.contains("secret"), "{garbled}");
    let lost_link = damaged(&|txn| {
        let mut links = txn.open_table(table("links")).unwrap();
        links.remove(&1_u64.to_be_bytes()[..]).unwrap();
    });
    assert!(lost_link.contains("link_sides"), "{lost_link}");
}

#[test]
fn the_audit_chain_shows_a_changed_missing_or_swapped_row_and_another_accounts_name_i24() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme.redb");
    drop(furnished(&path));
    let whole = fs::read(&path).unwrap();
    let broken_at = |edit: &dyn Fn(&redb::WriteTransaction)| {
        fs::write(&path, &whole).unwrap();
        tamper(&path, edit);
        let store = Store::open(&path, Options::default()).unwrap();
        store.read(|view| view.audit_verify()).unwrap().1
    };
    let row = |txn: &redb::WriteTransaction, seq: u64| {
        let audit = txn.open_table(table("audit")).unwrap();
        audit.get(&seq.to_be_bytes()[..]).unwrap().unwrap().value().to_vec()
    };
    let put = |txn: &redb::WriteTransaction, seq: u64, row: &[u8]| {
        txn.open_table(table("audit")).unwrap().insert(&seq.to_be_bytes()[..], row).unwrap();
    };
    assert_eq!(broken_at(&|_| {}), None);
    let changed = broken_at(&|txn| {
        let row = String::from_utf8_lossy(&row(txn, 2)[33..]).replace("engine", "nobody");
        let whole = [&self::row_head(txn, 2)[..], row.as_bytes()].concat();
        put(txn, 2, &whole);
    });
    assert_eq!(changed, Some(Seq(2)));
    let missing = broken_at(&|txn| {
        txn.open_table(table("audit")).unwrap().remove(&2_u64.to_be_bytes()[..]).unwrap();
    });
    assert_eq!(missing, Some(Seq(3)));
    let swapped = broken_at(&|txn| {
        let (second, third) = (row(txn, 2), row(txn, 3));
        put(txn, 2, &third);
        put(txn, 3, &second);
    });
    assert_eq!(swapped, Some(Seq(2)));
    let renamed = broken_at(&|txn| {
        txn.open_table(table("meta")).unwrap().insert(&b"instance"[..], &b"globex"[..]).unwrap();
    });
    assert_eq!(renamed, Some(Seq(1)));
}

/// Version byte and hash of an audit row.
fn row_head(txn: &redb::WriteTransaction, seq: u64) -> Vec<u8> {
    let audit = txn.open_table(table("audit")).unwrap();
    audit.get(&seq.to_be_bytes()[..]).unwrap().unwrap().value()[..33].to_vec()
}

#[test]
fn every_table_is_there_from_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme.redb");
    drop(open(&path));
    let db = Database::open(&path).unwrap();
    assert_eq!(db.begin_read().unwrap().list_tables().unwrap().count(), 50);
}
