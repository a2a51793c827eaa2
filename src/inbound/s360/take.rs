//! Taking a batch: one transaction for everything it brings (S-14 to S-16).

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::decode::{Batch, Record};
use super::{Inner, Unwritten};
use crate::model::{ModuleId, Quarantined, RecordId, Rhythm, Shelved, Side, StreamId, Timestamp};
use crate::remote::s360::payload::{Identified, merge, record_id};
use crate::store::{Reads as _, StoreError, Tx};

/// What a batch changed.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// It had been taken before: nothing was done.
    pub repeated: bool,
    /// Modules with something new on the shelf.
    pub modules: BTreeSet<ModuleId>,
    /// Of a repeated batch: records that were told otherwise since. Either it came late, or they were changed
    /// back; only S-360 knows.
    pub doubtful: Vec<(ModuleId, RecordId)>,
}

/// What became of one record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// It says something new.
    New(Option<ModuleId>),
    /// All of it was known.
    Known,
    /// It cannot be taken.
    Refused(&'static str),
}

/// Takes a batch, or says that it was taken before. Once this returns it is on disk.
///
/// # Errors
/// The store fails: then nothing was taken, as far as anybody can tell, and it has to come again.
pub(super) async fn take(inner: &Inner, id: &StreamId, batch: Batch) -> Result<Taken, StoreError> {
    // Invariant: whoever found the desk for this stream found it here.
    let Some(desk) = inner.desks.get(id) else { return Err(StoreError::Closed) };
    let (now, rhythm) = (inner.clock.now(), desk.stream.rhythm);
    let (stream, batch, unwritten) = (id.clone(), Arc::new(batch), desk.unwritten());
    let what = unwritten.clone();
    let taken = inner.engine.store().write(move |tx| write(tx, &stream, &batch, now, &rhythm, &what)).await;
    match taken {
        Ok(taken) => {
            inner.came_for(taken.modules.clone());
            for (module, id) in &taken.doubtful {
                inner.engine.look_at(*module, Side::Ivvy, id.clone()).await?;
            }
            Ok(taken)
        }
        Err(error) => {
            desk.give_back(unwritten);
            Err(error)
        }
    }
}

fn write(
    tx: &mut Tx<'_>,
    stream: &StreamId,
    batch: &Batch,
    now: Timestamp,
    rhythm: &Rhythm,
    unwritten: &Unwritten,
) -> Result<Taken, StoreError> {
    let mut state = tx.stream(stream)?;
    let mut taken = Taken::default();
    let count = u32::try_from(batch.records.len()).unwrap_or(u32::MAX);
    unwritten.write(&mut state);
    state.took(now, count, rhythm);
    if count == 0 {
        // Nothing was said, except that the sender is there.
        state.payloads += 1;
    } else if tx.take_payload(stream, &batch.digest, now)? {
        state.payloads += 1;
        state.records += u64::from(count);
        state.bare += u64::from(batch.bare);
        for record in &batch.records {
            match put(tx, stream, record, now)? {
                Put::New(module) => taken.modules.extend(module),
                Put::Known => {}
                Put::Refused(why) => {
                    tx.quarantine(&set_aside(stream, record, why, now))?;
                    state.quarantined += 1;
                }
            }
        }
    } else {
        state.repeated += 1;
        taken.repeated = true;
        for (identified, value) in batch.records.iter().filter_map(|record| record.read.as_ref().ok()) {
            if let Some(module) = identified.module
                && let Told::New(_) = told(tx, stream, identified, value)?
            {
                taken.doubtful.push((module, record_id(&stream.tenant, &identified.number)));
            }
        }
    }
    tx.put_stream(stream, &state)?;
    Ok(taken)
}

fn put(tx: &mut Tx<'_>, stream: &StreamId, record: &Record, now: Timestamp) -> Result<Put, StoreError> {
    match &record.read {
        Ok((identified, value)) => put_record(tx, stream, identified, value, now),
        Err(broken) => Ok(Put::Refused(broken.why)),
    }
}

/// Puts a record where its readers look for it: on the shelf of its module, or with the checks.
pub(super) fn put_record(
    tx: &mut Tx<'_>,
    stream: &StreamId,
    identified: &Identified,
    value: &Value,
    now: Timestamp,
) -> Result<Put, StoreError> {
    let Some(module) = identified.module else {
        // Invariant: such numbers are whole and fit.
        let number = identified.number.parse().unwrap_or_default();
        let new = tx.put_check(stream, number, &value.to_string(), now)?;
        return Ok(if new { Put::New(None) } else { Put::Known });
    };
    Ok(match told(tx, stream, identified, value)? {
        Told::Known => Put::Known,
        Told::Other => Put::Refused("its number is known as a person's and it is a structure, or the other way round"),
        Told::New(body) => {
            let id = record_id(&stream.tenant, &identified.number);
            let row = Shelved { module, side: Side::Ivvy, id, key: None, at: now, gone: false, body };
            tx.shelve(&row, now)?;
            Put::New(Some(module))
        }
    })
}

/// What a record says beside what is known of it.
enum Told {
    /// Nothing new.
    Known,
    /// Something: all that is known now.
    New(String),
    /// That it is of another kind.
    Other,
}

fn told(tx: &Tx<'_>, stream: &StreamId, identified: &Identified, value: &Value) -> Result<Told, StoreError> {
    let Some(module) = identified.module else { return Ok(Told::Known) };
    let id = record_id(&stream.tenant, &identified.number);
    let other = match module {
        ModuleId::Contacts => Some(ModuleId::Companies),
        ModuleId::Companies => Some(ModuleId::Contacts),
        _ => None,
    };
    if let Some(other) = other
        && tx.shelved(other, Side::Ivvy, &id)?.is_some_and(|known| !known.gone)
    {
        return Ok(Told::Other);
    }
    let Some(known) = tx.shelved(module, Side::Ivvy, &id)? else { return Ok(Told::New(value.to_string())) };
    // What cannot be read is replaced.
    let old: Value = serde_json::from_str(&known.body).unwrap_or_default();
    let merged = merge(old.clone(), value.clone());
    // Compared as values: the order of members says nothing.
    let same = merged == old && !known.gone;
    Ok(if same { Told::Known } else { Told::New(merged.to_string()) })
}

fn set_aside(stream: &StreamId, record: &Record, why: &str, now: Timestamp) -> Quarantined {
    let id = match &record.read {
        Ok((identified, _)) => Some(identified.number.clone()),
        Err(broken) => broken.id.clone(),
    };
    Quarantined {
        number: 0,
        stream: stream.clone(),
        at: now,
        index: record.index,
        id,
        why: why.to_owned(),
        body: record.raw.to_string(),
    }
}
