//! Records that were set aside: taken after all, or let go, by a person (S-15). Both leave a trace in the audit.

use std::collections::BTreeMap;

use super::decode::{Record, record};
use super::take::{Put, place, put_record};
use crate::model::{Actor, AuditEvent, Quarantined, Side, StreamId, StreamKind, Timestamp};
use crate::remote::s360::payload::{merge, record_id};
use crate::store::{Note, Reads as _, StoreError, Tx};
use crate::sync::Engine;

/// What became of a record that was tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retried {
    /// It is taken now.
    Taken,
    /// It is as it was: why.
    StillBroken(String),
    /// There is no such record.
    Missing,
}

/// Reads a record that was set aside once more, and takes it if that can be done now: this program may know more
/// than the one that set it aside. What was told of the same record since stays as it is.
///
/// # Errors
/// The store fails: then nothing changed.
pub async fn retry(engine: &Engine, stream: &StreamId, number: u64, actor: Actor) -> Result<Retried, StoreError> {
    let (stream, now) = (stream.clone(), engine.now());
    let (retried, module) = engine
        .store()
        .write(move |tx| {
            let Some(row) = find(tx, &stream, number)? else { return Ok((Retried::Missing, None)) };
            if !matches!(stream.kind, StreamKind::S360Contacts | StreamKind::S360Orders | StreamKind::S360Access) {
                return Ok((Retried::StillBroken("it is none of S-360's".to_owned()), None));
            }
            let (identified, mut value) = match record(stream.kind, &row.body).1 {
                Ok(read) => read,
                Err(broken) => return Ok((Retried::StillBroken(broken.why.to_owned()), None)),
            };
            let identified = match place(tx, &stream, &identified, &value)? {
                Ok(identified) => identified,
                Err(why) => return Ok((Retried::StillBroken(why.to_owned()), None)),
            };
            if let Some(module) = identified.module
                && let Some(known) = tx.shelved(module, Side::Ivvy, &record_id(&stream.tenant, &identified.number))?
            {
                if known.gone {
                    return Ok((Retried::StillBroken("its record is no longer there".to_owned()), None));
                }
                // Told again counts as told, though it changed nothing.
                let told = Asides::read(tx, &stream)?.0.get(&identified.number).copied();
                if told.unwrap_or_default().max(known.at) > row.at
                    && let Ok(newer) = serde_json::from_str(&known.body)
                {
                    value = merge(value, newer);
                }
            }
            if let Put::Refused(why) = put_record(tx, &stream, &identified, &value, now)? {
                return Ok((Retried::StillBroken(why.to_owned()), None));
            }
            release(tx, &stream, number)?;
            note(tx, &row, "take after all", now, &actor)?;
            Ok((Retried::Taken, identified.module))
        })
        .await?;
    if let Some(module) = module {
        engine.told(module, Side::Ivvy);
    }
    Ok(retried)
}

/// Lets a record go that was set aside, on any stream. Returns whether it was there.
///
/// # Errors
/// The store fails: then nothing changed.
pub async fn dismiss(engine: &Engine, stream: &StreamId, number: u64, actor: Actor) -> Result<bool, StoreError> {
    let (stream, now) = (stream.clone(), engine.now());
    engine
        .store()
        .write(move |tx| {
            let Some(row) = find(tx, &stream, number)? else { return Ok(false) };
            release(tx, &stream, number)?;
            note(tx, &row, "let go", now, &actor)?;
            Ok(true)
        })
        .await
}

fn release(tx: &mut Tx<'_>, stream: &StreamId, number: u64) -> Result<(), StoreError> {
    tx.release_quarantined(stream, number)?;
    if tx.quarantined(stream, None, 1)?.is_empty() {
        tx.put_meta(&Asides::place(stream), b"{}")?;
    }
    Ok(())
}

/// Records of a stream of which something is set aside, by their numbers, and when they were last told since, even
/// if that changed nothing: what is on the shelf then is newer than what was set aside.
#[derive(Debug)]
pub(super) struct Asides(BTreeMap<String, Timestamp>, bool);

impl Asides {
    /// Numbers that are kept; of more it is only known when they last changed.
    const MOST: usize = 1_000;

    fn place(stream: &StreamId) -> String {
        format!("s360_aside {stream}")
    }

    /// Those of this stream.
    pub fn read(tx: &Tx<'_>, stream: &StreamId) -> Result<Self, StoreError> {
        let bytes = tx.meta(&Self::place(stream))?.unwrap_or_default();
        Ok(Self(serde_json::from_slice(&bytes).unwrap_or_default(), false))
    }

    /// Something of this record is set aside.
    pub fn set_aside(&mut self, row: &Quarantined) {
        let Some(number) = &row.id else { return };
        if self.0.len() < Self::MOST && !self.0.contains_key(number) {
            self.0.insert(number.clone(), Timestamp::default());
            self.1 = true;
        }
    }

    /// A record was told.
    pub fn told(&mut self, record: &Record, now: Timestamp) {
        if let Ok((identified, _)) = &record.read
            && let Some(at) = self.0.get_mut(&identified.number)
        {
            *at = now;
            self.1 = true;
        }
    }

    /// Writes them, if anything changed.
    pub fn write(&self, tx: &mut Tx<'_>, stream: &StreamId) -> Result<(), StoreError> {
        if !self.1 {
            return Ok(());
        }
        // Invariant: texts and whole numbers can always be written as JSON.
        let bytes = serde_json::to_vec(&self.0).unwrap_or_default();
        tx.put_meta(&Self::place(stream), &bytes)
    }
}

fn find(tx: &Tx<'_>, stream: &StreamId, number: u64) -> Result<Option<Quarantined>, StoreError> {
    let after = number.checked_sub(1);
    Ok(tx.quarantined(stream, after, 1)?.into_iter().find(|row| row.number == number))
}

/// Who did what, when; nothing of the record itself, not even the id it claims.
fn note(tx: &mut Tx<'_>, row: &Quarantined, verb: &str, now: Timestamp, actor: &Actor) -> Result<(), StoreError> {
    let what = format!("{verb} record {} that was set aside on {} at {}", row.number, row.stream, row.at);
    let (at, actor) = (now, actor.clone());
    tx.audit(Note { at, actor, module: None, item: None, link: None, what: AuditEvent::Operated { what } }).map(drop)
}
