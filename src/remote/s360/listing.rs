//! Listing: a sweep over the shelf, where what S-360 posted lies (contract 2.2, 2.6).
//!
//! Nothing of a stream takes part before somebody has said from which day on (S-28), and no order that was made before
//! that day (S-29). S-360 itself leaves out contacts that were not changed since, so all of those are taken.
//! Refuses to read absence as deletion: what is not on the shelf is never spoken of (S-30).

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::orders::{self, Created};
use super::{Place, S360};
use crate::model::{FirstSync, ModuleId, RecordId, Shelved, StreamId, StreamKind, Timestamp};
use crate::remote::{Class, Page, PageRequest, RemoteError};

/// Rows read from the shelf at a time.
pub(super) const PAGE: usize = 200;
/// Pages of the shelf read for one answer: most may hold nothing that takes part.
const MOST_PAGES: usize = 20;
/// Calls made for one answer, for parents nobody has told us of (S-26).
const MOST_CALLS: usize = 20;

/// From when on each institution's records of a module take part. Institutions without an entry do not yet.
pub(super) type Since = BTreeMap<String, FirstSync>;

impl S360 {
    /// From when on records of `module` take part.
    pub(super) fn since(&self, module: ModuleId) -> Result<Since, RemoteError> {
        let mut since = Since::new();
        for (code, place) in &self.places {
            let kind = match module {
                ModuleId::Orders => StreamKind::S360Orders,
                _ if place.contacts_posted => StreamKind::S360Contacts,
                // Only what orders need is known of its contacts, and takes part with them.
                _ => StreamKind::S360Orders,
            };
            let state = self.shelf.stream(&StreamId::new(kind, code)).map_err(|why| disk("read the shelf", &why))?;
            since.extend(state.first_sync.map(|first| (code.clone(), first)));
        }
        Ok(since)
    }

    pub(super) async fn page(&self, module: ModuleId, request: &PageRequest) -> Result<Page, RemoteError> {
        let since = self.since(module)?;
        // What lay there when the day was said was passed over by the sweeps before.
        let late = request.from.is_some_and(|from| since.values().any(|first| first.at >= from));
        let from = request.from.filter(|_| !late);
        let mut after = match &request.position {
            None => None,
            Some(position) => Some(Timestamp::from_millis(position.parse().map_err(|_| {
                super::fail("list", Class::Malformed, "the stored position is not one of this adapter's")
            })?)),
        };
        // Before anything is read: what is put there meanwhile is later.
        let mut page = Page { server_time: Some(self.clock.now()), ..Page::default() };
        let mut calls = 0;
        for _ in 0..MOST_PAGES {
            let rows = self.shelf.page(module, from, after, PAGE).map_err(|why| disk("list", &why))?;
            let whole = rows.len() == PAGE;
            for row in rows {
                if request.to.is_some_and(|to| row.at > to) {
                    return Ok(page);
                }
                if calls >= MOST_CALLS {
                    page.next = after.map(position);
                    return Ok(page);
                }
                after = Some(row.at);
                let Some((place, _)) = self.place(&row.id) else { continue };
                if !takes_part(&since, place, &row) {
                    continue;
                }
                calls += self.ask_for_parents(place, &row).await?;
                page.records.push(self.record(place, &row)?);
            }
            if !whole {
                return Ok(page);
            }
            if page.records.len() >= PAGE {
                break;
            }
        }
        page.next = after.map(position);
        Ok(page)
    }

    /// Asks S-360 for whoever a record belongs to, if they are on no shelf: how many calls that took. S-360 not
    /// answering holds the page back, so that no order is left behind for good; its saying no does not.
    async fn ask_for_parents(&self, place: &Place, row: &Shelved) -> Result<usize, RemoteError> {
        if place.client.is_none() || row.gone {
            return Ok(0);
        }
        let Some(parent) = super::records::parent(place, row) else { return Ok(0) };
        if self.shelved_contact(&parent)?.is_some() {
            return Ok(0);
        }
        match self.fetch_contact(place, &parent).await {
            Ok(_) => Ok(1),
            Err(error) if matches!(error.class, Class::Rejected | Class::Forbidden | Class::Unsupported) => {
                tracing::warn!(institution = %place.code, %error, "S-360 does not tell who an order belongs to");
                Ok(1)
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether a record takes part by now (S-28, S-29).
pub(super) fn takes_part(since: &Since, place: &Place, row: &Shelved) -> bool {
    let Some(first) = since.get(&place.code) else { return false };
    if row.module != ModuleId::Orders {
        return true;
    }
    // One that does not tell when it was made was posted by S-360, which knows.
    let body = serde_json::from_str(&row.body).unwrap_or_default();
    match orders::created(&body) {
        None => true,
        Some(Created::At(at, _)) => at >= first.from,
        Some(Created::Local(at)) => match entered(first) {
            Some(day) => at.date() >= day,
            None => Timestamp::from(at.and_utc()) >= first.from,
        },
    }
}

/// The day as it was entered: clocks of the institution that tell no zone are compared with it.
fn entered(first: &FirstSync) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(first.entered.get(..10)?, "%Y-%m-%d").ok()
}

fn position(at: Timestamp) -> String {
    at.millis().to_string()
}

pub(super) fn disk(action: &str, why: &str) -> RemoteError {
    super::fail(action, Class::Server, &format!("the shelf cannot be read: {why}"))
}

/// The institution and number in the id of a record: institution codes hold no hyphen.
pub(super) fn split(id: &RecordId) -> Option<(&str, &str)> {
    id.as_str().split_once('-').filter(|(code, number)| !code.is_empty() && !number.is_empty())
}
