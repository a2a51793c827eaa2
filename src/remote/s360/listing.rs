//! Listing: a sweep over the shelf, where what S-360 posted lies (contract 2.2, 2.6).
//!
//! Nothing of a stream takes part before somebody has said from which day on (S-28), and no order that was made before
//! that day (S-29). S-360 itself leaves out contacts that were not changed since, so all of those are taken.
//! Refuses to read absence as deletion: what is not on the shelf is never spoken of (S-30).

use std::collections::{BTreeMap, VecDeque};
use std::sync::PoisonError;

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
/// Failures after which one listing leaves an institution alone.
const MOST_FAILURES: usize = 3;
/// Records remembered because their parents could not be asked for.
const MOST_LATE: usize = 1000;

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
        if request.position.is_none() && request.to.is_none() {
            calls = self.ask_again(module, &since, &mut page).await?;
        }
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
                calls += self.ask_for_parent(place, &row).await?;
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

    /// Begins a listing: asks once more for those that could not be asked for, and shows again whatever belongs to
    /// one who is there now. Returns how many calls that took.
    async fn ask_again(&self, module: ModuleId, since: &Since, page: &mut Page) -> Result<usize, RemoteError> {
        let late = self.asking(module, Asking::begin);
        let mut calls = 0;
        for id in late {
            if calls >= MOST_CALLS / 2 {
                self.asking(module, |asking| asking.wait(id));
                continue;
            }
            let Some((place, _)) = self.place(&id) else { continue };
            let row = self.shelf.get(module, &id).map_err(|why| disk("list", &why))?;
            let Some(row) = row.filter(|row| !row.gone && takes_part(since, place, row)) else { continue };
            calls += self.ask_for_parent(place, &row).await?;
            let Some(parent) = super::records::parent(place, &row) else { continue };
            if let (_, Some(known)) = self.head(parent)? {
                // Who it belongs to is news about it, as of when that was told.
                let mut record = self.record(place, &row)?;
                record.modified = record.modified.max(Some(known.at));
                page.records.push(record);
            }
        }
        Ok(calls)
    }

    /// Asks S-360 for whoever a record belongs to, if they are on no shelf: how many calls that took. Nobody's failing
    /// to be told holds up the page: the record waits for its parent in the engine, and the next listing asks again.
    async fn ask_for_parent(&self, place: &Place, row: &Shelved) -> Result<usize, RemoteError> {
        if place.client.is_none() || row.gone {
            return Ok(0);
        }
        let Some(parent) = super::records::parent(place, row) else { return Ok(0) };
        let (parent, known) = self.head(parent)?;
        if known.is_some() {
            return Ok(0);
        }
        if !self.asking(row.module, |asking| asking.may_ask(&place.code, &parent, &row.id)) {
            return Ok(0);
        }
        if let Err(error) = self.fetch_contact(place, &parent).await {
            // Free text of S-360's is no business of the log's.
            let (class, code) = (error.class, error.code.as_deref().unwrap_or("none"));
            tracing::warn!(institution = %place.code, %class, code, "S-360 does not tell who a record belongs to");
            let final_word = matches!(class, Class::Rejected | Class::Forbidden | Class::Unsupported);
            if !final_word {
                self.asking(row.module, |asking| asking.failed(&place.code, parent, row.id.clone()));
            }
        }
        Ok(1)
    }

    fn asking<T>(&self, module: ModuleId, act: impl FnOnce(&mut Asking) -> T) -> T {
        let mut all = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        act(all.entry(module).or_default())
    }
}

/// Whom the listing under way has asked for, and what waits for the next. Kept in memory: after a restart the next
/// full listing finds the same again.
#[derive(Debug, Default)]
pub(super) struct Asking {
    /// Asked for by this listing, and whether S-360 failed to answer.
    asked: BTreeMap<RecordId, bool>,
    /// How often each institution has failed to answer it.
    failures: BTreeMap<String, usize>,
    /// Records whose parents are to be asked for again, the longest waiting first.
    late: VecDeque<RecordId>,
}

impl Asking {
    /// A new listing: what waited for it.
    fn begin(&mut self) -> VecDeque<RecordId> {
        self.asked.clear();
        self.failures.clear();
        std::mem::take(&mut self.late)
    }

    fn wait(&mut self, child: RecordId) {
        if self.late.len() < MOST_LATE && !self.late.contains(&child) {
            self.late.push_back(child);
        }
    }

    /// Whether `parent` is to be asked for now: once per listing, and nobody of an institution that keeps failing.
    fn may_ask(&mut self, code: &str, parent: &RecordId, child: &RecordId) -> bool {
        match self.asked.get(parent) {
            Some(true) => self.wait(child.clone()),
            Some(false) => {}
            None if self.failures.get(code).is_some_and(|failures| *failures >= MOST_FAILURES) => {
                self.wait(child.clone());
            }
            None => {
                self.asked.insert(parent.clone(), false);
                return true;
            }
        }
        false
    }

    fn failed(&mut self, code: &str, parent: RecordId, child: RecordId) {
        self.asked.insert(parent, true);
        *self.failures.entry(code.to_owned()).or_default() += 1;
        self.wait(child);
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
