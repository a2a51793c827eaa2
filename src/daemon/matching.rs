//! What consoles ask of the match tables: a translation between the wire and the engine.

use super::ServiceError;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Actor, MatchKind, MatchRow, RecordId, Side, SourceChange};
use crate::store::{MatchFilter, Reads as _, StoreError};
use crate::sync::{Engine, MatchMode, MatchRefusal};
use crate::wire::{Answer, MatchEntry, MatchLine, MatchPage, MatchQuery, MatchStatus, MatchVerb};

/// Rows per answer at most.
const LARGEST_PAGE: u32 = 1000;
/// Entries offered as counterparts at most.
const OPTIONS: usize = 50;

/// A window of a table.
pub(super) fn page(engine: &Engine, query: &MatchQuery) -> Result<Answer, StoreError> {
    let MatchQuery { kind, side, state, text, after, limit } = query;
    let limit = (*limit).clamp(1, LARGEST_PAGE) as usize;
    let after = after.clone().map(RecordId::from);
    let filter = MatchFilter { state: *state, needle: text.as_deref() };
    let rows = engine.match_rows(*kind, *side, filter, after.as_ref(), limit)?;
    let more = rows.last().filter(|_| rows.len() == limit).map(|row| row.id.0.clone());
    let counts = engine.match_counts(*kind, *side)?;
    let rows = lines(engine, rows)?;
    let status = engine.match_status(*kind);
    let failed = status.errors.into_iter().flatten().next().map(|why| format!("last listing failed: {why}"));
    let error = failed.or(status.warning);
    Ok(Answer::Matches(MatchPage { rows, more, counts, off: off(engine, *kind), error }))
}

/// What an entry could be paired with: the most similar, or those that contain `text`.
///
/// # Errors
/// There is no such entry, or the store fails.
pub(super) fn options(engine: &Engine, entry: &MatchEntry, text: &str) -> Result<Answer, ServiceError> {
    let MatchEntry { kind, side, id } = entry;
    in_use(engine, *kind)?;
    if engine.store().read(|view| view.match_row(*kind, *side, id))?.is_none() {
        return Err(refused(&MatchRefusal::Unknown { side: *side, id: id.clone() }));
    }
    let rows: Vec<MatchRow> = if text.trim().is_empty() {
        engine.match_suggest(*kind, *side, id)?.into_iter().map(|(row, _)| row).collect()
    } else {
        let filter = MatchFilter { state: None, needle: Some(text.trim()) };
        engine.match_rows(*kind, side.other(), filter, None, OPTIONS)?
    };
    let without = if text.trim().is_empty() { Some(engine.match_without(*kind, *side, id)?) } else { None };
    Ok(Answer::MatchOptions { options: lines(engine, rows)?, without })
}

/// A decision about one entry.
pub(super) async fn decide(
    engine: &Engine,
    actor: &Actor,
    entry: MatchEntry,
    verb: MatchVerb,
    other: Option<RecordId>,
) -> Result<Answer, ServiceError> {
    let MatchEntry { kind, side, id } = entry;
    in_use(engine, kind)?;
    let actor = actor.clone();
    let changed = |row: std::result::Result<MatchRow, MatchRefusal>, what: &str| {
        row.map(|_| what.to_owned()).map_err(|refusal| refused(&refusal))
    };
    let message = match verb {
        MatchVerb::Pair => {
            let Some(other) = other else {
                return Err(Error::new(ErrorKind::Refused, "name the entry of the other side to pair with").into());
            };
            let (ivvy, crm) = if side == Side::Ivvy { (id.clone(), other) } else { (other, id.clone()) };
            changed(engine.match_pair(kind, ivvy, crm, actor).await?, "paired by hand")?
        }
        MatchVerb::Unpair => changed(engine.match_unpair(kind, side, id.clone(), actor).await?, "parted")?,
        MatchVerb::Ignore => changed(engine.match_ignore(kind, side, id.clone(), true, actor).await?, "set aside")?,
        MatchVerb::Include => changed(
            engine.match_ignore(kind, side, id.clone(), false, actor).await?,
            "takes part in the matching again",
        )?,
        MatchVerb::Create => {
            let created = engine.match_create(kind, side, id.clone(), actor).await?.map_err(|e| refused(&e))?;
            format!("it is {created} in {} now", side.other().title())
        }
        MatchVerb::Resend => {
            let count = engine.match_resend(kind, side, id.clone(), actor).await?.map_err(|e| refused(&e))?;
            format!("{count} records are looked at again")
        }
    };
    let offer = match verb {
        MatchVerb::Pair | MatchVerb::Create => engine.match_without(kind, side, &id)?,
        _ => 0,
    };
    let offer = if offer == 0 { String::new() } else { format!("; {offer} records went without it: send them again?") };
    Ok(Answer::Done { message: format!("{message}{offer}") })
}

/// Sends what a lead source is here to its counterpart.
pub(super) async fn update(
    engine: &Engine,
    actor: &Actor,
    entry: MatchEntry,
    expect: Option<SourceChange>,
) -> Result<Answer, ServiceError> {
    let MatchEntry { kind, side, id } = entry;
    in_use(engine, kind)?;
    let sent = engine.match_update(kind, side, id, expect, actor.clone()).await?.map_err(|e| refused(&e))?;
    let state = match sent.active {
        Some(true) => " (active)",
        Some(false) => " (inactive)",
        None => "",
    };
    let message = format!("{}{state} sent to {}; the next listing proves it", sent.what(), side.other().title());
    Ok(Answer::Done { message })
}

/// Lists both sides again.
pub(super) fn refresh(engine: &Engine, kind: Option<MatchKind>, accept: bool) -> Result<Answer, ServiceError> {
    let kinds: Vec<MatchKind> = kind.map_or_else(|| MatchKind::ALL.to_vec(), |kind| vec![kind]);
    let asked: Vec<_> = kinds.into_iter().map(|kind| engine.match_refresh(kind, accept)).collect();
    match asked.iter().find_map(|asked| asked.as_ref().err()) {
        Some(refusal) if asked.iter().all(std::result::Result::is_err) => Err(refused(refusal)),
        _ => Ok(Answer::Done { message: "both systems are listed again and matched anew".to_owned() }),
    }
}

/// The rows of the dashboard.
pub(super) fn status(engine: &Engine) -> Result<Vec<MatchStatus>, StoreError> {
    let mut rows = Vec::new();
    for kind in MatchKind::ALL.into_iter().filter(|kind| engine.match_status(*kind).unused.is_none()) {
        for side in Side::BOTH {
            rows.push(MatchStatus { kind, side, counts: engine.match_counts(kind, side)?, off: off(engine, kind) });
        }
    }
    Ok(rows)
}

/// Why a table is not in use.
fn off(engine: &Engine, kind: MatchKind) -> Option<String> {
    let status = engine.match_status(kind);
    match (status.unused, status.mode) {
        (Some(why), _) | (None, MatchMode::Off(why)) => Some(why),
        (None, _) => None,
    }
}

/// A table that is not in use has no entries, and says why before anything else is looked for.
fn in_use(engine: &Engine, kind: MatchKind) -> Result<(), ServiceError> {
    match engine.match_status(kind).unused {
        Some(why) => Err(Error::new(ErrorKind::Refused, format!("the table of {kind} is not in use: {why}")).into()),
        None => Ok(()),
    }
}

/// Rows as they are shown, with the names of their counterparts as of one moment.
fn lines(engine: &Engine, rows: Vec<MatchRow>) -> Result<Vec<MatchLine>, StoreError> {
    engine.store().read(|view| {
        let line = |row: MatchRow| {
            let there = match &row.other {
                Some(other) => view.match_row(row.kind, row.side.other(), other)?,
                None => None,
            };
            let differs = there.as_ref().map(|there| engine.match_difference(&row, there)).unwrap_or_default();
            let listed = engine.match_lists(row.kind, row.side.other());
            let because = [row.because(listed), &differs.because].into_iter().filter(|part| !part.is_empty());
            let because = because.collect::<Vec<_>>().join("; ");
            Ok(MatchLine { row, other: there.map(|there| there.name), because, change: differs.change })
        };
        rows.into_iter().map(line).collect()
    })
}

fn refused(refusal: &MatchRefusal) -> ServiceError {
    let kind = match refusal {
        MatchRefusal::Unknown { .. } | MatchRefusal::Refused(_) => ErrorKind::Refused,
        MatchRefusal::Later(_) | MatchRefusal::Unclear(_) => ErrorKind::Unavailable,
    };
    Error::new(kind, refusal.to_string()).hint("see `tandem match list`").into()
}
