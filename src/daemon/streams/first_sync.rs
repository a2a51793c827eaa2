//! From which day on a stream of S-360 takes part (S-28, S-29).
//!
//! A day is taken only as it is to be written, with its zone: one that could be read in two ways is refused, not
//! guessed.

use chrono::NaiveDate;

use super::{Known, Streams, refuse};
use crate::daemon::ServiceError;
use crate::error::Error;
use crate::model::{Actor, FirstSync};
use crate::seam::zone;
use crate::store::Reads as _;
use crate::sync::Engine;

impl Streams {
    /// S-28, S-29: from which day on, in which zone; after a test, once and for all to see.
    pub(super) async fn first_sync(
        &self,
        engine: &Engine,
        actor: &Actor,
        known: &Known,
        date: &str,
        zone: &str,
    ) -> Result<String, ServiceError> {
        let id = &known.id;
        if !known.needs_first_sync() {
            return Err(refuse(format!("{id} has no first-sync date"), "only S-360's contacts and orders have one"));
        }
        let day = day(date).map_err(|(message, hint)| wrong(message, hint))?;
        let zone = zone.trim();
        if zone.is_empty() {
            return Err(wrong("the day's zone is not said".to_owned(), "an IANA name: --zone Europe/Paris"));
        }
        let Some(from) = zone::start_of_day(day, zone) else {
            return Err(wrong(format!("`{zone}` is not a zone"), "an IANA name: Europe/Paris, Australia/Sydney, UTC"));
        };
        let now = engine.now();
        if from > now {
            return Err(refuse(format!("{day} has not begun in {zone}"), "a day that is past, or today"));
        }
        let entered = format!("{day} {zone}");
        let set = FirstSync { from, entered: entered.clone(), by: actor.name.clone(), at: now };
        let stream = id.clone();
        let tested = self.change(engine, actor, known, format!("first sync from {entered}"), move |tx| {
            let mut state = tx.stream(&stream)?;
            if state.tested_at.is_none() {
                return Ok(false);
            }
            state.first_sync = Some(set.clone());
            tx.put_stream(&stream, &state)?;
            Ok(true)
        });
        if !tested.await? {
            return Err(refuse(
                format!("{id}: no connection test has passed yet"),
                "test first: `tandem streams test STREAM`",
            ));
        }
        known.modules.iter().for_each(|module| engine.sync_now(Some(*module), true));
        Ok(format!("records take part from {entered} on; everything that came so far is read now"))
    }
}

/// The command was put wrongly: nothing was decided.
fn wrong(message: String, hint: &str) -> ServiceError {
    Error::config(message).hint(hint).into()
}

/// A day as it is to be written. Others are told why theirs will not do.
fn day(text: &str) -> Result<NaiveDate, (String, &'static str)> {
    let text = text.trim();
    let hint = "year, month, day: 2026-01-31";
    if text.is_empty() {
        return Err(("the first-sync date is empty".to_owned(), hint));
    }
    let shown: String = text.chars().take(20).filter(|c| !c.is_control()).collect();
    let iso = text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    match NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        Ok(day) if iso => Ok(day),
        _ if text.contains(['/', '.']) => Err((
            format!("`{shown}` is ambiguous: some read the day first, others the month"),
            "year, month, day, with dashes: 2026-01-31",
        )),
        _ => Err((format!("`{shown}` is not a date"), hint)),
    }
}
