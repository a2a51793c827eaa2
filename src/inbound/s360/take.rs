//! Taking a batch: one transaction for everything it brings (S-14 to S-16).

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::decode::{Batch, Record};
use super::quarantine::Asides;
use super::{Inner, Unwritten, short};
use crate::model::{ModuleId, Quarantined, RecordId, Rhythm, Shelved, Side, StreamId, StreamKind, Timestamp};
use crate::remote::s360::payload::{Identified, merge, record_id};
use crate::store::{Reads as _, StoreError, Tx};

/// Records that are set aside, as far as they are looked through for one that came again.
const MOST_WAITING: usize = 10_000;
/// Why a record is set aside whose payload was taken before.
const CAME_AGAIN: &str = "it came again after other news of it: late, or changed back, and nobody can be asked";

/// What a batch changed.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// It had been taken before: nothing was done.
    pub repeated: bool,
    /// Modules with something new on the shelf.
    pub modules: BTreeSet<ModuleId>,
    /// Records that were told otherwise since this batch first came, or may have been while posts failed. Either
    /// it came late, or they were changed back; only S-360 knows.
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
    let (what, operator) = (unwritten.clone(), desk.stream.operator);
    let how = move |tx: &mut Tx<'_>| write(tx, &stream, &batch, &Moment { now, rhythm, operator }, &what);
    let taken = inner.engine.store().write(how).await;
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

/// When a batch came, on what kind of stream.
struct Moment {
    now: Timestamp,
    rhythm: Rhythm,
    /// Its institution can be asked.
    operator: bool,
}

fn write(
    tx: &mut Tx<'_>,
    stream: &StreamId,
    batch: &Batch,
    moment: &Moment,
    unwritten: &Unwritten,
) -> Result<Taken, StoreError> {
    let Moment { now, rhythm, operator } = moment;
    let now = *now;
    let mut state = tx.stream(stream)?;
    let mut asides = Asides::read(tx, stream)?;
    let mut taken = Taken::default();
    let count = u32::try_from(batch.records.len()).unwrap_or(u32::MAX);
    unwritten.write(&mut state);
    state.took(now, count, rhythm);
    let late = *operator && state.failed_lately(now, rhythm);
    state.failing.taken(short(&batch.digest));
    if count == 0 {
        // Nothing was said, except that the sender is there.
        state.payloads += 1;
    } else if tx.take_payload(stream, &batch.digest, now)? {
        state.payloads += 1;
        state.records += u64::from(count);
        state.bare += u64::from(batch.bare);
        for record in &batch.records {
            let known = if late { known(tx, stream, record)? } else { None };
            match put(tx, stream, record, now)? {
                Put::New(module) => {
                    asides.told(record, now);
                    taken.modules.extend(module);
                    // A post that had to wait may be older than what came meanwhile.
                    taken.doubtful.extend(known);
                }
                Put::Known => asides.told(record, now),
                Put::Refused(why) => {
                    let row = set_aside(stream, record, why, now);
                    asides.set_aside(&row);
                    tx.quarantine(&row)?;
                    state.quarantined += 1;
                }
            }
        }
    } else {
        state.repeated += 1;
        taken.repeated = true;
        let mut waiting: Option<BTreeSet<String>> = None;
        for record in &batch.records {
            let Ok((identified, value)) = &record.read else { continue };
            let Ok(identified) = place(tx, stream, identified, value)? else { continue };
            let Some(module) = identified.module else { continue };
            match told(tx, stream, &identified, value)? {
                Told::New(_) if *operator => {
                    taken.doubtful.push((module, record_id(&stream.tenant, &identified.number)));
                }
                Told::New(_) => {
                    // Nobody can be asked, and it must not vanish: a person decides. Once, however often it comes.
                    if waiting.is_none() {
                        let rows = tx.quarantined(stream, None, MOST_WAITING)?;
                        waiting = Some(rows.into_iter().map(|row| row.body).collect());
                    }
                    if waiting.get_or_insert_default().insert(record.raw.to_string()) {
                        let row = set_aside(stream, record, CAME_AGAIN, now);
                        asides.set_aside(&row);
                        tx.quarantine(&row)?;
                        state.quarantined += 1;
                    }
                }
                Told::Known => asides.told(record, now),
                Told::Other => {}
            }
        }
    }
    asides.write(tx, stream)?;
    tx.put_stream(stream, &state)?;
    Ok(taken)
}

/// A record that is on the shelf already, whatever it says there.
fn known(tx: &Tx<'_>, stream: &StreamId, record: &Record) -> Result<Option<(ModuleId, RecordId)>, StoreError> {
    let Ok((identified, value)) = &record.read else { return Ok(None) };
    let Ok(Identified { module: Some(module), number }) = place(tx, stream, identified, value)? else {
        return Ok(None);
    };
    let id = record_id(&stream.tenant, &number);
    Ok(tx.shelved(module, Side::Ivvy, &id)?.map(|_| (module, id)))
}

/// Which module a contact belongs to that does not say whether it is a person or a structure: the one that has its
/// number. Others are as they say.
///
/// # Errors
/// The store fails. Inside: why nobody can tell.
pub(super) fn place(
    tx: &Tx<'_>,
    stream: &StreamId,
    identified: &Identified,
    value: &Value,
) -> Result<Result<Identified, &'static str>, StoreError> {
    let part = |name: &str| value.get(name).is_some_and(Value::is_object);
    let named = value.get("type").and_then(Value::as_str).is_some_and(|kind| !kind.trim().is_empty());
    if stream.kind != StreamKind::S360Contacts || part("individualContact") || part("structureContact") || named {
        return Ok(Ok(identified.clone()));
    }
    let id = record_id(&stream.tenant, &identified.number);
    for module in [ModuleId::Contacts, ModuleId::Companies] {
        if tx.shelved(module, Side::Ivvy, &id)?.is_some() {
            return Ok(Ok(Identified { module: Some(module), number: identified.number.clone() }));
        }
    }
    Ok(Err("it does not say whether it is a person or a structure, and its number is not known yet"))
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
    let identified = match place(tx, stream, identified, value)? {
        Ok(identified) => identified,
        Err(why) => return Ok(Put::Refused(why)),
    };
    let Some(module) = identified.module else {
        // Invariant: such numbers are whole and fit.
        let number = identified.number.parse().unwrap_or_default();
        let new = tx.put_check(stream, number, &value.to_string(), now)?;
        return Ok(if new { Put::New(None) } else { Put::Known });
    };
    Ok(match told(tx, stream, &identified, value)? {
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
