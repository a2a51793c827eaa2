//! Taking note of what a remote shows: the only way an observation enters the store.
//!
//! A listing may lag behind our own writes and behind direct reads, and stamps are coarse. So a row
//! that could be older than what we know is never believed: it is ignored when its stamp is older,
//! and read again directly when the stamps are equal and the contents differ (`engine.md` 5.6).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::core::Core;
use super::plan::guest;
use crate::merge::matching;
use crate::model::module::{EXTERNAL_ID, IVVY_KEY};
use crate::model::record::Source;
use crate::model::{Flow, ModuleId, Observation, Record, RecordId, Side, Timestamp, Value};
use crate::store::{Reads, StoreError, Tx};

/// Records looked at again per transaction.
const CHUNK: usize = 500;

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nothing new.
    Unchanged,
    /// New or changed content; the record is marked for planning.
    Changed,
    /// Could be older than what we know: must be read directly.
    Recheck,
}

/// Compares a row with what is known, without writing.
pub(super) fn weigh(known: Option<&Observation>, record: &Record, source: Source, asked_at: Timestamp) -> Seen {
    let Some(known) = known else {
        return Seen::Changed;
    };
    if known.hash == record.fingerprint() && !known.absent {
        return Seen::Unchanged;
    }
    match (known.record.modified, record.modified) {
        (Some(then), Some(now)) if now < then => Seen::Unchanged,
        // Strictly newer by the remote's own stamp: whatever else was read meanwhile was older.
        (Some(then), Some(now)) if now > then => Seen::Changed,
        // It says more than was asked before, and the same otherwise: a field was mapped meanwhile.
        _ if widens(&known.record, record) => Seen::Changed,
        // Equal or unknown stamps cannot order the two: only a direct read that began after we last
        // looked can.
        _ if source != Source::Poll && asked_at > known.seen_at => Seen::Changed,
        _ => Seen::Recheck,
    }
}

/// Whether `now` is `then` with fields that were not asked for when that was read.
fn widens(then: &Record, now: &Record) -> bool {
    let kept = then.fields.iter().all(|(name, value)| now.fields.get(name) == Some(value));
    kept && now.fields.len() > then.fields.len() && (then.anonymised, then.archived) == (now.anonymised, now.archived)
}

/// Stores a row that was weighed as changed (or confirmed), and marks it for planning if it changed.
/// `asked_at` is when the call that showed it was made.
pub(super) fn observe(
    core: &Core,
    tx: &mut Tx<'_>,
    module: ModuleId,
    side: Side,
    record: &Record,
    source: Source,
    asked_at: Timestamp,
) -> Result<Seen, StoreError> {
    let known = tx.observation(module, side, &record.id)?;
    if known.is_none() && foreign(core, module, side, record) {
        return Ok(Seen::Unchanged);
    }
    let seen = weigh(known.as_ref(), record, source, asked_at);
    match seen {
        Seen::Changed => {
            let now = observation(core, module, side, record.clone(), source);
            tx.put_observation(&now)?;
            for identity in [known.and_then(|known| known.identity), now.identity].into_iter().flatten() {
                guest::wake(tx, module, side, &identity)?;
            }
            if wanted(core, tx, module, side, record)? {
                tx.mark_dirty(module, side, &record.id)?;
            }
        }
        Seen::Unchanged => refresh_stamp(tx, known, record)?,
        Seen::Recheck => {}
    }
    Ok(seen)
}

/// Whether a CRM record of a one-way module is not one of ours: the CRM's own campaigns and opportunities
/// are none of Tandem's business, and several modules share one object there. One that asks for a booking is.
fn foreign(core: &Core, module: ModuleId, side: Side, record: &Record) -> bool {
    let key = record.fields.get(IVVY_KEY).and_then(Value::as_text).map(str::trim);
    side == Side::Crm
        && module.flow() == Flow::ToCrm
        && key.is_none_or(|key| core.ivvy_id_in(module, key).is_none())
        && !core.def(module).is_some_and(|def| def.requested(&record.fields))
}

/// A remote may move stamp and version without changing anything; the next conditional write and the
/// next comparison need the newest.
fn refresh_stamp(tx: &mut Tx<'_>, known: Option<Observation>, record: &Record) -> Result<(), StoreError> {
    let Some(mut known) = known else {
        return Ok(());
    };
    let newer = record.modified > known.record.modified && known.hash == record.fingerprint();
    let told = known.record.person != record.person && known.hash == record.fingerprint();
    if newer || told || known.missed_sweeps > 0 {
        if told {
            // What an older program did not take note of, or another contact than before.
            known.record.person.clone_from(&record.person);
            if tx.link_of(known.module, known.side, &record.id)?.is_some() {
                tx.mark_dirty(known.module, known.side, &record.id)?;
            }
        }
        if newer {
            known.record.modified = record.modified;
            known.record.version.clone_from(&record.version);
            known.record.author.clone_from(&record.author);
        }
        known.missed_sweeps = 0;
        tx.put_observation(&known)?;
    }
    Ok(())
}

/// Builds the observation of a record as seen now.
pub(super) fn observation(core: &Core, module: ModuleId, side: Side, record: Record, source: Source) -> Observation {
    let key_field = if side == Side::Ivvy { EXTERNAL_ID } else { IVVY_KEY };
    let external_key =
        record.fields.get(key_field).and_then(Value::as_text).map(str::trim).filter(|key| !key.is_empty());
    Observation {
        module,
        side,
        hash: record.fingerprint(),
        seen_at: core.now(),
        source,
        identity: matching::identity(module, &record.fields),
        external_key: external_key.map(str::to_owned),
        missed_sweeps: 0,
        absent: false,
        merged_into: None,
        record,
    }
}

/// Whether the record takes part: linked ones always, others from the first-sync date on.
fn wanted(core: &Core, tx: &Tx<'_>, module: ModuleId, side: Side, record: &Record) -> Result<bool, StoreError> {
    let old = match (core.settings.first_sync(module), record.modified) {
        (Some(first), Some(modified)) => modified < first,
        _ => false,
    };
    Ok(!old || tx.link_of(module, side, &record.id)?.is_some())
}

/// Marks every record of `module` that is not paired, and takes part, for planning.
pub(super) async fn look_again(core: &Arc<Core>, module: ModuleId) -> Result<(), StoreError> {
    for side in module.swept_sides() {
        let mut after: Option<RecordId> = None;
        loop {
            let page = core.store.read(|view| view.observed_ids(module, *side, after.as_ref(), CHUNK))?;
            let Some(last) = page.last().cloned() else { break };
            let shared = Arc::clone(core);
            core.store
                .write(move |tx| {
                    for id in &page {
                        let known = tx.observation(module, *side, id)?.filter(|known| !known.absent);
                        let lone = tx.link_of(module, *side, id)?.is_none();
                        if let Some(known) = known.filter(|_| lone)
                            && wanted(&shared, tx, module, *side, &known.record)?
                        {
                            tx.mark_dirty(module, *side, id)?;
                        }
                    }
                    Ok(())
                })
                .await?;
            after = Some(last);
        }
    }
    Ok(())
}

/// Notes that a direct read answered "no such record", or that it was merged into `survivor`.
pub(super) fn observe_gone(
    tx: &mut Tx<'_>,
    module: ModuleId,
    side: Side,
    id: &RecordId,
    survivor: Option<&RecordId>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let survivor = survivor.filter(|survivor| *survivor != id);
    if let Some(mut known) = tx.observation(module, side, id)?
        && (!known.absent || known.merged_into.as_ref() != survivor)
    {
        known.absent = true;
        known.merged_into = survivor.cloned();
        known.seen_at = now;
        tx.put_observation(&known)?;
        tx.mark_dirty(module, side, id)?;
    }
    Ok(())
}

/// The living record that `id` was merged into, as far as has been read; `None` if it was not merged.
pub(super) fn survivor(
    reads: &impl Reads,
    module: ModuleId,
    side: Side,
    id: &RecordId,
) -> Result<Option<Observation>, StoreError> {
    let mut passed = BTreeSet::new();
    let mut known = reads.observation(module, side, id)?;
    while let Some(next) = known.as_ref().and_then(|known| known.merged_into.clone()) {
        if !passed.insert(next.clone()) {
            return Ok(None);
        }
        known = reads.observation(module, side, &next)?;
    }
    Ok(known.filter(|known| !passed.is_empty() && !known.absent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Fingerprint;

    fn record(phone: &str, second: i64) -> Record {
        Record {
            id: "1".into(),
            fields: [("phone".to_owned(), Value::text(phone))].into(),
            modified: Some(Timestamp::from_secs(second)),
            ..Record::default()
        }
    }

    fn known(phone: &str, second: i64, seen_at: i64) -> Observation {
        let record = record(phone, second);
        Observation {
            module: ModuleId::Contacts,
            side: Side::Ivvy,
            hash: record.fingerprint(),
            seen_at: Timestamp::from_secs(seen_at),
            source: Source::ReadBack,
            identity: None,
            external_key: None,
            missed_sweeps: 0,
            absent: false,
            merged_into: None,
            record,
        }
    }

    #[test]
    fn a_listing_that_lags_behind_our_own_write_is_not_believed() {
        let ours = known("new", 10, 12);
        let at = Timestamp::from_secs(20);
        assert_eq!(weigh(Some(&ours), &record("old", 9), Source::Poll, at), Seen::Unchanged);
        assert_eq!(weigh(Some(&ours), &record("old", 10), Source::Poll, at), Seen::Recheck, "same second");
        assert_eq!(weigh(Some(&ours), &record("old", 10), Source::Read, at), Seen::Changed, "read after");
        assert_eq!(weigh(Some(&ours), &record("x", 10), Source::Read, Timestamp::from_secs(12)), Seen::Recheck);
        assert_eq!(weigh(Some(&ours), &record("x", 11), Source::Poll, Timestamp::from_secs(1)), Seen::Changed);
        assert_eq!(weigh(Some(&ours), &record("new", 30), Source::Poll, at), Seen::Unchanged, "only the stamp");
        assert_eq!(weigh(None, &record("x", 1), Source::Poll, at), Seen::Changed);
    }

    /// After a mapping every row says more than before: reading each once more would double the calls.
    #[test]
    fn a_row_that_only_says_more_is_believed_and_one_that_says_less_is_read_again_v19() {
        let (ours, at) = (known("new", 10, 12), Timestamp::from_secs(20));
        let with_diet = |mut record: Record| {
            record.fields.insert("custom.12".to_owned(), Value::text("vegan"));
            record
        };
        assert_eq!(weigh(Some(&ours), &with_diet(record("new", 10)), Source::Poll, at), Seen::Changed);
        assert_eq!(weigh(Some(&ours), &with_diet(record("old", 10)), Source::Poll, at), Seen::Recheck, "and else");
        assert_eq!(weigh(Some(&ours), &with_diet(record("new", 9)), Source::Poll, at), Seen::Unchanged, "older");
        let wider = Observation { record: with_diet(ours.record.clone()), hash: Fingerprint::default(), ..ours };
        assert_eq!(weigh(Some(&wider), &record("new", 10), Source::Poll, at), Seen::Recheck);
    }

    #[test]
    fn a_chain_of_merges_ends_at_the_living_and_a_circle_nowhere_i2() {
        let disk = crate::sync::simulation::disk::Disk::default();
        let store = crate::store::Store::open_backend(disk.open(), crate::store::Options::default()).unwrap();
        let (module, side) = (ModuleId::Contacts, Side::Crm);
        let put = |id: &str, merged_into: Option<&str>| {
            let mut seen = known("1", 1, 1);
            seen.side = side;
            seen.record.id = id.into();
            seen.absent = merged_into.is_some();
            seen.merged_into = merged_into.map(RecordId::from);
            store.write_blocking(move |tx| tx.put_observation(&seen)).unwrap();
        };
        let end = |id: &str| {
            let found = store.read(|view| survivor(view, module, side, &id.into())).unwrap();
            found.map(|found| found.record.id.0)
        };
        put("a", Some("b"));
        assert_eq!(end("a"), None, "a survivor nobody has read is none yet");
        put("b", Some("c"));
        put("c", None);
        assert_eq!((end("a").as_deref(), end("b").as_deref(), end("c")), (Some("c"), Some("c"), None));
        put("c", Some("a"));
        assert_eq!((end("a"), end("b")), (None, None));
    }
}
