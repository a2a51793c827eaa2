//! The account's streams as consoles see them, and what people do about them.
//!
//! Which streams there are says the configuration; how they are doing says the store. What came in a stream
//! is not understood here, but for checks at gates, which nobody else reads; and no secret gets this far: only how
//! many there are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::NaiveDate;
use tokio::task::JoinSet;

mod known;

use super::ServiceError;
use super::push::Sender;
use crate::config::Config;
use crate::error::{Error, ErrorKind};
use crate::inbound::s360::{self as quarantine, Retried};
use crate::model::{
    Actor, AuditEvent, FirstSync, ModuleId, OutboxCounts, Post, Quarantined, RecordId, Revived, Side, StreamId,
    StreamKind, StreamState, Timestamp,
};
use crate::remote::Lane;
use crate::remote::s360::access;
use crate::seam::{Clock, zone};
use crate::store::{Note, Reads as _, StoreError, Tx};
use crate::sync::{Engine, Unread};
use crate::text;
use crate::wire::{
    AccessChecks, AccessQuery, Answer, Preview, PreviewAs, PreviewOf, StreamItem, StreamItems, StreamPart, StreamRow,
    StreamVerb,
};

pub(crate) use known::check;
use known::{Known, known};

/// Items per answer at most.
const LARGEST_PAGE: u32 = 500;
/// Checks at gates per answer at most: as many as fit a frame, whatever they hold.
const MOST_CHECKS: u32 = 200;
/// Bytes of a body in a list; the rest is read in parts.
const MOST_BODY: usize = 2 * 1024;
/// Records a reconciliation asks for at a time.
const CHUNK: usize = 100;
/// How often a reconciliation looks whether the last chunk has been read.
const BREATH: Duration = Duration::from_millis(500);

/// The streams of an account that runs.
#[derive(Debug)]
pub(super) struct Streams {
    known: Vec<Known>,
    clock: Arc<dyn Clock>,
    /// Reconciliations under way: how many records were asked for, of how many.
    running: Arc<Mutex<BTreeMap<StreamId, (u64, u64)>>>,
    /// Their tasks, which end with this.
    tasks: Mutex<JoinSet<()>>,
}

impl Streams {
    /// Those of `config`.
    pub(super) fn of(config: &Config, clock: Arc<dyn Clock>) -> Self {
        Self { known: known(config), clock, running: Arc::default(), tasks: Mutex::default() }
    }

    fn find(&self, id: &StreamId) -> Result<&Known, ServiceError> {
        self.known.iter().find(|known| known.id == *id).ok_or_else(|| {
            Error::new(ErrorKind::Refused, format!("there is no stream {id} in this account"))
                .hint("`tandem streams` lists them")
                .into()
        })
    }

    /// Every stream and how it is doing, as of one moment.
    pub(super) fn rows(&self, engine: &Engine) -> Result<Vec<StreamRow>, StoreError> {
        if self.known.is_empty() {
            return Ok(Vec::new());
        }
        let now = engine.now();
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).clone();
        engine.store().read(|view| {
            let row = |known: &Known| {
                let state = view.stream(&known.id)?;
                let posts = match known.id.kind.is_inbound() {
                    true => OutboxCounts::default(),
                    false => view.outbox_counts(known.id.kind)?,
                };
                Ok(StreamRow {
                    id: known.id.clone(),
                    title: known.title.to_owned(),
                    inbound: known.id.kind.is_inbound(),
                    auth: known.auth,
                    secrets: known.secrets,
                    place: known.place.clone(),
                    operator: known.operator,
                    needs_first_sync: known.needs_first_sync(),
                    modules: known.modules.clone(),
                    rhythm: known.rhythm,
                    health: known.health(&state, now),
                    aside: view.count_quarantined(&known.id)?,
                    pending: posts.pending,
                    unfinished: posts.unfinished,
                    dead: posts.dead,
                    reconciling: running.get(&known.id).copied(),
                    state,
                })
            };
            self.known.iter().map(row).collect()
        })
    }

    /// A window of what a stream set aside.
    pub(super) fn items(
        &self,
        engine: &Engine,
        stream: &StreamId,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Answer, ServiceError> {
        self.find(stream)?;
        let limit = limit.clamp(1, LARGEST_PAGE) as usize;
        let mut items: Vec<StreamItem> = engine.store().read(|view| match stream.kind.is_inbound() {
            true => Ok(view.quarantined(stream, after, limit + 1)?.into_iter().map(item).collect()),
            false => {
                let dead = view.posts(stream.kind, true, after, limit + 1)?.into_iter();
                dead.map(|post| Ok(dead_post(&view.post_body(stream.kind, post.number)?.unwrap_or_default(), post)))
                    .collect()
            }
        })?;
        let more = items.len() > limit;
        items.truncate(limit);
        // An answer fits a frame, whatever the bodies are.
        for most in [MOST_BODY, MOST_BODY / 8, 0] {
            let bytes: usize = items.iter().map(|item| item.body.len() * 2 + item.why.len() + 200).sum();
            if bytes <= crate::wire::MAX_FRAME / 2 {
                break;
            }
            items.iter_mut().for_each(|item| item.body.truncate(item.body.floor_char_boundary(most)));
        }
        Ok(Answer::StreamItems(StreamItems { items, more }))
    }

    /// A window of the checks at gates.
    pub(super) fn checks(&self, engine: &Engine, query: &AccessQuery) -> Result<Answer, ServiceError> {
        let stream = query.institution.as_ref().map(|code| StreamId::new(StreamKind::S360Access, code));
        if let Some(stream) = &stream {
            self.find(stream)?;
        }
        let limit = query.limit.clamp(1, MOST_CHECKS) as usize;
        let (since, before) = (query.since, query.before.as_deref());
        let page = engine.store().read(|view| view.access_checks(stream.as_ref(), since, before, limit))?;
        let read =
            |(of, number, at, body): (StreamId, u64, Timestamp, String)| access::read(&of.tenant, number, at, &body);
        Ok(Answer::AccessChecks(AccessChecks { checks: page.rows.into_iter().map(read).collect(), more: page.more }))
    }

    /// A part of a body.
    pub(super) fn part(
        &self,
        engine: &Engine,
        part: &StreamPart,
        mode: PreviewAs,
        from: u64,
    ) -> Result<Answer, ServiceError> {
        self.find(&part.id)?;
        let body = engine.store().read(|view| match part.id.kind.is_inbound() {
            true => Ok(view.quarantined_one(&part.id, part.number)?.map(|row| row.body)),
            false => view.post_body(part.id.kind, part.number),
        })?;
        let body = body.ok_or_else(|| gone(&part.id, part.number))?;
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(body.len());
        let page = match mode {
            PreviewAs::Links => text::address_page(&body, from),
            PreviewAs::Text | PreviewAs::Html => text::source_page(&body, from),
        };
        Ok(Answer::Preview(Preview {
            of: PreviewOf::Result,
            ver: 0,
            text: page.text,
            total_bytes: body.len() as u64,
            next: page.next.map(|at| at as u64),
        }))
    }

    /// Does what a person asked for, with a row in the audit log.
    pub(super) async fn act(
        &self,
        engine: &Engine,
        sender: Option<&Sender>,
        actor: &Actor,
        stream: &StreamId,
        verb: StreamVerb,
    ) -> Result<Answer, ServiceError> {
        let known = self.find(stream)?;
        let message = match verb {
            StreamVerb::Retry { number } => match quarantine::retry(engine, &known.id, number, actor.clone()).await? {
                Retried::Taken => format!("record {number} is taken now"),
                Retried::Missing => return Err(gone(&known.id, number)),
                Retried::StillBroken(why) => {
                    return Err(refuse(
                        format!("{}: record {number} still cannot be taken: {why}", known.id),
                        "have it corrected and sent again, then dismiss it here",
                    ));
                }
            },
            StreamVerb::Dismiss { number } => {
                if !quarantine::dismiss(engine, &known.id, number, actor.clone()).await? {
                    return Err(gone(&known.id, number));
                }
                format!("record {number} is dismissed")
            }
            StreamVerb::FirstSync { date, zone } => self.first_sync(engine, actor, known, &date, &zone).await?,
            StreamVerb::Test => self.test(engine, actor, known).await?,
            StreamVerb::Reconcile => self.reconcile(engine, actor, known).await?,
            StreamVerb::LossSettled => {
                let (id, now) = (known.id.clone(), engine.now());
                let left = unread(engine, known, Timestamp::EPOCH)?;
                let settled = self.change(engine, actor, known, "possible loss settled".to_owned(), move |tx| {
                    let mut state = tx.stream(&id)?;
                    let was = state.settle_loss(now);
                    if was {
                        tx.put_stream(&id, &state)?;
                    }
                    Ok(was)
                });
                if !settled.await? {
                    return Err(refuse(format!("{}: no loss is suspected", known.id), "there is nothing to settle"));
                }
                let mut message = "the possible loss is settled".to_owned();
                if left.waiting > 0 {
                    message.push_str(&format!("; {} records still wait to be read again", left.waiting));
                }
                if left.failed > 0 {
                    message.push_str(&format!("; {} could not be read", left.failed));
                }
                message
            }
            StreamVerb::RunNow => {
                if known.modules.is_empty() {
                    return Err(refuse(
                        format!("{}: none of its modules is on", known.id),
                        "switch one on in the configuration",
                    ));
                }
                self.change(engine, actor, known, "run now".to_owned(), |_| Ok(true)).await?;
                if let Some(sender) = sender.filter(|_| !known.id.kind.is_inbound()) {
                    sender.ask();
                }
                known.modules.iter().for_each(|module| engine.sync_now(Some(*module), false));
                "the run starts now".to_owned()
            }
            StreamVerb::Revive { number } | StreamVerb::Drop { number } => {
                let none = || {
                    let hint = "`tandem streams show STREAM --dead` lists them";
                    refuse(format!("{}: there is no dead post {number}", known.id), hint)
                };
                let sender = sender.filter(|_| !known.id.kind.is_inbound()).ok_or_else(none)?;
                if matches!(verb, StreamVerb::Revive { .. }) {
                    match sender.revive(known.id.kind, number, actor.clone()).await?.ok_or_else(none)? {
                        Revived::Whole => format!("post {number} goes again at the next run"),
                        Revived::Parts(records) => {
                            format!("{records} records of post {number} go again; of the others there is newer news")
                        }
                        Revived::Apart(records) => {
                            format!("{records} records of post {number} go again, each as a post of its own")
                        }
                        Revived::Outdated => {
                            format!("post {number} is let go: of all its records there is newer news")
                        }
                    }
                } else if sender.give_up(known.id.kind, number, actor.clone()).await? {
                    format!("post {number} is dropped: its records go again when they change")
                } else {
                    return Err(none());
                }
            }
        };
        Ok(Answer::Done { message })
    }

    /// Changes something in one transaction with its audit row; neither if `change` says that there was nothing.
    async fn change(
        &self,
        engine: &Engine,
        actor: &Actor,
        known: &Known,
        what: String,
        change: impl Fn(&mut Tx<'_>) -> Result<bool, StoreError> + Send + 'static,
    ) -> Result<bool, ServiceError> {
        let (at, actor) = (engine.now(), actor.clone());
        let what = format!("stream {}: {what}", known.id);
        let write = move |tx: &mut Tx<'_>| {
            let changed = change(tx)?;
            if changed {
                let what = AuditEvent::Operated { what: what.clone() };
                tx.audit(Note { at, actor: actor.clone(), module: None, item: None, link: None, what })?;
            }
            Ok(changed)
        };
        Ok(engine.store().write(write).await?)
    }

    /// S-28, S-29: from which day on, in which zone; after a test, once and for all to see.
    async fn first_sync(
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
        let day = day(date).map_err(|(wrong, hint)| refuse(wrong, hint))?;
        let zone = zone.trim();
        if zone.is_empty() {
            return Err(refuse("the day's zone is not said".to_owned(), "an IANA name: --zone Europe/Paris"));
        }
        let Some(from) = zone::start_of_day(day, zone) else {
            return Err(refuse(format!("`{zone}` is not a zone"), "an IANA name: Europe/Paris, Australia/Sydney, UTC"));
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

    async fn test(&self, engine: &Engine, actor: &Actor, known: &Known) -> Result<String, ServiceError> {
        let found = if known.operator {
            let probe = engine.remotes().on(known.side(), Lane::Operator).probe().await;
            let probe = probe.map_err(|error| {
                Error::new(ErrorKind::Unavailable, format!("{}: the connection test failed: {error}", known.id))
                    .hint("see `tandem check`")
            })?;
            format!("{} answered in {} ms", probe.system, probe.round_trip_ms)
        } else {
            let state = engine.store().read(|view| view.stream(&known.id))?;
            if state.last_at.is_none() {
                return Err(refuse(
                    format!("{}: no post has come yet that was let in", known.id),
                    "it is receive-only: have its sender post one, an empty array will do, then test again",
                ));
            }
            "a post came and was let in".to_owned()
        };
        let (id, at) = (known.id.clone(), engine.now());
        self.change(engine, actor, known, format!("connection test passed: {found}"), move |tx| {
            let state = StreamState { tested_at: Some(at), ..tx.stream(&id)? };
            tx.put_stream(&id, &state)?;
            Ok(true)
        })
        .await?;
        Ok(format!("the connection test passed: {found}"))
    }

    /// S-17: has every record read again that we know of the stream.
    async fn reconcile(&self, engine: &Engine, actor: &Actor, known: &Known) -> Result<String, ServiceError> {
        let id = known.id.clone();
        if !known.operator || !known.id.kind.is_inbound() {
            return Err(refuse(
                format!("{id}: there is no operator to read with, so nothing can be read again"),
                "ask its sender to send that time again, then settle the loss",
            ));
        }
        if known.modules.is_empty() {
            return Err(refuse(format!("{id}: none of its modules is on"), "switch one on in the configuration"));
        }
        if known.needs_first_sync() && engine.store().read(|view| view.stream(&id))?.first_sync.is_none() {
            return Err(refuse(
                format!("{id}: nothing takes part before its first-sync date is set"),
                "set it first: `tandem streams first-sync STREAM DATE --zone ZONE`",
            ));
        }
        let total = count(engine, known)?;
        {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            if running.contains_key(&id) {
                return Err(refuse(format!("{id} is being reconciled already"), "wait for its end"));
            }
            running.insert(id.clone(), (0, total));
        }
        self.change(engine, actor, known, format!("reconcile {total} records"), |_| Ok(true)).await?;
        let (engine, known, running) = (engine.clone(), known.clone(), Arc::clone(&self.running));
        let clock = Arc::clone(&self.clock);
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            let done = |count: u64| {
                let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
                running.insert(known.id.clone(), (count, total));
            };
            if let Err(error) = read_again(&engine, clock.as_ref(), &known, done).await {
                tracing::warn!(stream = %known.id, %error, "the reconciliation broke off");
            }
            running.lock().unwrap_or_else(PoisonError::into_inner).remove(&known.id);
        });
        Ok(format!("{total} records are read again"))
    }
}

/// The ids of one chunk of a stream's shelf, and where it goes on.
fn chunk(
    engine: &Engine,
    known: &Known,
    module: ModuleId,
    after: Option<Timestamp>,
) -> Result<(Vec<RecordId>, Option<Timestamp>), StoreError> {
    let rows = engine.store().read(|view| view.shelf(module, known.side(), None, after, CHUNK))?;
    let next = rows.last().map(|row| row.at);
    let ids = rows.into_iter().filter(|row| is_of(known, &row.id)).map(|row| row.id);
    Ok((ids.collect(), next))
}

/// Ids of S-360 begin with the institution, and codes hold no `-`; a Connector has one club.
fn is_of(known: &Known, id: &RecordId) -> bool {
    known.side() == Side::Crm || id.as_str().split_once('-').is_some_and(|(tenant, _)| tenant == known.id.tenant)
}

fn count(engine: &Engine, known: &Known) -> Result<u64, StoreError> {
    let mut total = 0;
    for module in &known.modules {
        let mut after = None;
        loop {
            let (ids, next) = chunk(engine, known, *module, after)?;
            total += ids.len() as u64;
            match next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
    }
    Ok(total)
}

/// Direct reads of this stream's records that did not come to pass.
fn unread(engine: &Engine, known: &Known, since: Timestamp) -> Result<Unread, StoreError> {
    engine.unread(since, |module, side, id| side == known.side() && known.modules.contains(&module) && is_of(known, id))
}

/// Asks for one chunk after the other, and for the next one when all of the last has been read; ends when nothing
/// waits any more, and says what could not be read. What is read moves to the end of the shelf if it changed; such
/// a record is read once more, never left out.
async fn read_again(engine: &Engine, clock: &dyn Clock, known: &Known, done: impl Fn(u64)) -> Result<(), StoreError> {
    let (mut asked, began) = (0_u64, engine.now());
    for module in &known.modules {
        let mut after = None;
        loop {
            let (ids, next) = chunk(engine, known, *module, after)?;
            let asking = ids.into_iter().map(|id| engine.look_at(*module, known.side(), id));
            let asking = futures::future::try_join_all(asking).await?;
            asked += asking.len() as u64;
            loop {
                let left = unread(engine, known, began)?.waiting;
                done(asked.saturating_sub(left));
                if left == 0 {
                    break;
                }
                clock.sleep(BREATH).await;
            }
            match next {
                // What came since is newer than the outage.
                Some(next) if next <= began => after = Some(next),
                _ => break,
            }
        }
    }
    let failed = unread(engine, known, began)?.failed;
    let (id, at) = (known.id.clone(), engine.now());
    let ended = move |tx: &mut Tx<'_>| {
        if failed > 0 {
            let last_error = Some(format!("{failed} of {asked} records could not be read again"));
            let state = StreamState { last_error, ..tx.stream(&id)? };
            tx.put_stream(&id, &state)?;
        }
        let what = format!("stream {id}: {asked} records were read again, and {failed} of them could not be");
        let what = AuditEvent::Operated { what };
        tx.audit(Note { at, actor: Actor::engine(), module: None, item: None, link: None, what }).map(drop)
    };
    engine.store().write(ended).await
}

fn item(row: Quarantined) -> StreamItem {
    let Quarantined { number, at, index, id, why, mut body, .. } = row;
    let bytes = body.len() as u64;
    body.truncate(body.floor_char_boundary(MOST_BODY));
    let id = id.map(|mut id| {
        id.truncate(id.floor_char_boundary(200));
        id
    });
    StreamItem { number, index: Some(index), at, id, why, bytes, body }
}

fn dead_post(body: &str, post: Post) -> StreamItem {
    let count = post.records.len();
    let records = if count == 1 { "record" } else { "records" };
    let why = post.last_error.unwrap_or_else(|| "it was not answered 200".to_owned());
    StreamItem {
        number: post.number,
        index: None,
        at: post.last_try_at.unwrap_or(post.created_at),
        id: None,
        why: format!("{count} {records}, {} tries: {why}", post.tries),
        bytes: post.bytes,
        body: body[..body.floor_char_boundary(MOST_BODY)].to_owned(),
    }
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

fn gone(stream: &StreamId, number: u64) -> ServiceError {
    refuse(format!("{stream}: there is no record {number} set aside"), "`tandem streams show STREAM` lists them")
}

fn refuse(message: String, hint: &str) -> ServiceError {
    Error::new(ErrorKind::Refused, message).hint(hint).into()
}

#[cfg(test)]
mod tests;
