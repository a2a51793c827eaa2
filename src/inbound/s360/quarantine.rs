//! Records that were set aside: taken after all, or let go, by a person (S-15). Both leave a trace in the audit.

use super::decode::record;
use super::take::{Put, put_record};
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
            if let Some(module) = identified.module
                && let Some(known) = tx.shelved(module, Side::Ivvy, &record_id(&stream.tenant, &identified.number))?
                && known.at > row.at
                && let Ok(newer) = serde_json::from_str(&known.body)
            {
                value = merge(value, newer);
            }
            if let Put::Refused(why) = put_record(tx, &stream, &identified, &value, now)? {
                return Ok((Retried::StillBroken(why.to_owned()), None));
            }
            tx.release_quarantined(&stream, number)?;
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
            tx.release_quarantined(&stream, number)?;
            note(tx, &row, "let go", now, &actor)?;
            Ok(true)
        })
        .await
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
