//! A simulated remote at the port: what it holds, what it shows when, and what became of each call.
//!
//! One of the two may list by offset, as iVvy does, in an office where people keep saving records without
//! changing them: every save moves the record to the front of the list.
//!
//! A request has *left* the moment it is made: dropping the caller does not recall it. It is lost, or
//! arrives after a delay, possibly after the caller has given up; the answer may be lost as well.

#![allow(clippy::result_large_err, reason = "the port's own error; only this simulator returns it outside a future")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;

use crate::merge::canonical::same;
use crate::model::module::{EXTERNAL_ID, IVVY_KEY};
use crate::model::{FieldKind, Fields, ModuleId, Record, RecordId, Side, Timestamp, Value};
use crate::remote::{
    Capabilities, Class, ConditionalWrite, DeleteEvidence, FieldDefinition, IdempotentCreate, Listing, Page,
    PageRequest, Probe, Read, Remote, RemoteError, Sent, WriteAck,
};
use crate::seam::{Clock, Entropy};

/// How long a caller waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(4);
/// A write shows in listings and look-ups at the latest after this.
pub(super) const MAX_LAG: Duration = Duration::from_secs(5);
/// A request arrives at the latest after this, if it arrives.
const MAX_DELAY: Duration = Duration::from_secs(6);
/// What the remotes declare: nothing sent is still invisible after this.
pub(super) const SETTLE: Duration = Duration::from_secs(12);
const PAGE: usize = 3;
/// What a page of a listing by offset takes at most: long enough for somebody to save meanwhile.
const SLOW_PAGE: Duration = Duration::from_secs(2);

/// One side of the world.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub side: Side,
    pub listing: Listing,
    state: Arc<Mutex<State>>,
    clock: Arc<dyn Clock>,
    entropy: Entropy,
}

#[derive(Debug, Default)]
struct State {
    rows: BTreeMap<(ModuleId, RecordId), Row>,
    next_id: u64,
    in_transit: Vec<Request>,
    next_request: u64,
    answers: BTreeMap<u64, Result<WriteAck, RemoteError>>,
    faults: bool,
    effects: Vec<Effect>,
    slices: usize,
    saved_at: Timestamp,
}

/// A stored record: its history is what listings show late.
#[derive(Debug)]
struct Row {
    versions: Vec<Version>,
}

#[derive(Clone, Debug)]
struct Version {
    fields: Fields,
    modified: Timestamp,
    number: u64,
    shows_at: Timestamp,
    /// Merged into this record, and gone.
    master: Option<RecordId>,
}

#[derive(Debug)]
struct Request {
    number: u64,
    arrives_at: Timestamp,
    write: Write,
}

#[derive(Clone, Debug)]
enum Write {
    Create { module: ModuleId, key: String, fields: Fields },
    Update { module: ModuleId, id: RecordId, patch: Fields, expected: Option<String> },
}

/// One accepted write by the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Effect {
    pub module: ModuleId,
    pub id: RecordId,
    pub created: bool,
    /// Field, value before, value after.
    pub fields: Vec<(String, Value, Value)>,
}

impl World {
    pub fn new(side: Side, listing: Listing, clock: Arc<dyn Clock>, entropy: Entropy) -> Self {
        Self { side, listing, state: Arc::default(), clock, entropy }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.deliver(&mut state);
        state
    }

    /// Turns faults on or off.
    pub fn set_faults(&self, on: bool) {
        self.state().faults = on;
    }

    /// Every write the engine made, in order.
    pub fn effects(&self) -> Vec<Effect> {
        self.state().effects.clone()
    }

    /// How many pages of slices of time were asked for.
    pub fn slices(&self) -> usize {
        self.state().slices
    }

    /// All records as they are now.
    pub fn records(&self, module: ModuleId) -> Vec<Record> {
        let state = self.state();
        let live = state.rows.iter().filter(|((of, _), row)| *of == module && row.latest().master.is_none());
        live.map(|((_, id), row)| record(id, row.latest())).collect()
    }

    /// Another user creates a record.
    pub fn user_creates(&self, module: ModuleId, fields: Fields) -> RecordId {
        let mut state = self.state();
        state.insert(self, module, fields, self.clock.now())
    }

    /// Another user edits a record.
    pub fn user_edits(&self, module: ModuleId, id: &RecordId, field: &str, value: Value) {
        let mut state = self.state();
        let patch = [(field.to_owned(), value)].into();
        state.change(self, module, id, &patch, self.clock.now());
    }

    /// Another user merges a record into another; whoever referred to it refers to the survivor.
    pub fn user_merges(&self, module: ModuleId, loser: &RecordId, survivor: &RecordId) {
        let people = self.records(ModuleId::Contacts);
        let firms = self.records(ModuleId::Companies);
        let mut state = self.state();
        let now = self.clock.now();
        if module == ModuleId::Companies {
            let employer =
                |record: &&Record| record.fields.get("company").and_then(Value::as_text) == Some(loser.as_str());
            for person in people.iter().filter(employer) {
                let moved = [("company".to_owned(), Value::text(survivor.as_str()))].into();
                state.change(self, ModuleId::Contacts, &person.id, &moved, now);
            }
            let below = |record: &&Record| record.fields.get("parent").and_then(Value::as_text) == Some(loser.as_str());
            for firm in firms.iter().filter(below) {
                // What stood below the loser cannot stand below itself.
                let above = if firm.id == *survivor { "" } else { survivor.as_str() };
                let moved = [("parent".to_owned(), Value::text(above))].into();
                state.change(self, ModuleId::Companies, &firm.id, &moved, now);
            }
        }
        state.change(self, module, survivor, &Fields::new(), now);
        state.change(self, module, loser, &Fields::new(), now);
        if let Some(gone) = state.rows.get_mut(&(module, loser.clone())).and_then(|row| row.versions.last_mut()) {
            gone.master = Some(survivor.clone());
        }
    }

    /// Executes every request whose time has come.
    fn deliver(&self, state: &mut State) {
        loop {
            let now = self.clock.now();
            let due = state.in_transit.iter().enumerate().filter(|(_, request)| request.arrives_at <= now);
            let Some((index, _)) = due.min_by_key(|(_, request)| (request.arrives_at, request.number)) else {
                return;
            };
            let request = state.in_transit.remove(index);
            let answer = state.execute(self, request.write, request.arrives_at);
            state.answers.insert(request.number, answer);
        }
    }

    fn error(&self, action: &str, class: Class, sent: Sent) -> RemoteError {
        RemoteError {
            system: self.system().to_owned(),
            action: action.to_owned(),
            class,
            sent,
            code: None,
            message: "simulated".to_owned(),
            details: Vec::new(),
            retry_after: None,
        }
    }

    /// Sends a write and waits for its answer.
    async fn send(&self, action: &str, write: Write) -> Result<WriteAck, RemoteError> {
        let (faulty, number) = {
            let mut state = self.state();
            state.next_request += 1;
            (state.faults, state.next_request)
        };
        if faulty && self.entropy.chance(1, 40) {
            return Err(self.error(action, Class::Unreachable, Sent::No));
        }
        if faulty && self.entropy.chance(1, 40) {
            return Err(self.error(action, Class::Throttled, Sent::No));
        }
        let lost = faulty && self.entropy.chance(1, 25);
        let late = faulty && self.entropy.chance(1, 20);
        let limit = if late { MAX_DELAY } else { Duration::from_millis(80) };
        let arrives_at = self.clock.now().plus(self.entropy.duration_up_to(limit));
        if !lost {
            self.state().in_transit.push(Request { number, arrives_at, write });
        }
        let gives_up_at = self.clock.now().plus(TIMEOUT);
        let answer_lost = faulty && self.entropy.chance(1, 20);
        let wait = if lost || answer_lost { TIMEOUT } else { arrives_at.since(self.clock.now()) };
        self.clock.sleep(wait.min(TIMEOUT) + Duration::from_millis(1)).await;
        if lost || answer_lost || arrives_at > gives_up_at {
            return Err(self.error(action, Class::Unreachable, Sent::Maybe));
        }
        let answer = self.state().answers.remove(&number);
        // Travel time of the answer.
        self.clock.sleep(self.entropy.duration_up_to(Duration::from_millis(40))).await;
        answer.unwrap_or_else(|| Err(self.error(action, Class::Unreachable, Sent::Maybe)))
    }

    /// The delay and the faults of a read.
    async fn travel(&self, action: &str) -> Result<(), RemoteError> {
        self.clock.sleep(self.entropy.duration_up_to(Duration::from_millis(60))).await;
        let faulty = self.state().faults;
        if faulty && self.entropy.chance(1, 30) {
            return Err(self.error(action, Class::Unreachable, Sent::No));
        }
        Ok(())
    }
}

impl World {
    /// What a listing shows now, by (stamp, id).
    fn shown(&self, module: ModuleId) -> Vec<(Timestamp, String, Record)> {
        let (now, state) = (self.clock.now(), self.state());
        let mut shown: Vec<_> = state
            .rows
            .iter()
            .filter(|((of, _), _)| *of == module)
            .filter_map(|((_, id), row)| {
                row.shown(now).map(|version| (version.modified, id.0.clone(), record(id, version)))
            })
            .collect();
        shown.sort_by(|left, right| (left.0, &left.1).cmp(&(right.0, &right.1)));
        shown
    }

    /// By (stamp, id); the position is the last pair of the page before.
    fn page_by_key(&self, module: ModuleId, request: &PageRequest) -> Page {
        let after = request.position.as_deref().and_then(|position| position.split_once('|'));
        let after = after.map(|(stamp, id)| (Timestamp::from_millis(stamp.parse().unwrap_or(0)), id.to_owned()));
        let mut shown = self.shown(module);
        shown.retain(|(stamp, id, _)| {
            request.from.is_none_or(|from| *stamp >= from)
                && after.as_ref().is_none_or(|after| (*stamp, id.clone()) > *after)
        });
        let more = shown.len() > PAGE;
        shown.truncate(PAGE);
        let next = shown.last().filter(|_| more).map(|(stamp, id, _)| format!("{}|{id}", stamp.millis()));
        let records = shown.into_iter().map(|(_, _, record)| record).collect();
        Page { records, next, total: None, server_time: Some(self.clock.now()) }
    }

    /// By offset, the newest first, bounds not included: the position is where the next page starts, the
    /// row before it, and the total. If one of the last two is another, rows have shifted.
    fn page_by_offset(&self, module: ModuleId, request: &PageRequest) -> Result<Page, RemoteError> {
        self.somebody_saves(module);
        self.state().slices += usize::from(request.to.is_some());
        let mut shown = self.shown(module);
        shown.retain(|(stamp, ..)| {
            request.from.is_none_or(|from| *stamp > from) && request.to.is_none_or(|to| *stamp < to)
        });
        shown.reverse();
        let total = shown.len();
        let place = request.position.as_deref().map(|position| {
            let mut parts = position.splitn(3, '|');
            let number = |part: Option<&str>| part.and_then(|part| part.parse::<usize>().ok()).unwrap_or(0);
            (number(parts.next()), number(parts.next()), parts.next().unwrap_or_default().to_owned())
        });
        let start = match place {
            None => 0,
            Some((start, then, anchor)) => {
                if then != total || shown.get(start - 1).is_none_or(|(_, id, _)| *id != anchor) {
                    return Err(self.error("list", Class::Shifted, Sent::No));
                }
                start
            }
        };
        let page: Vec<Record> = shown.into_iter().skip(start).take(PAGE).map(|(_, _, record)| record).collect();
        let end = start + page.len();
        let next = page.last().filter(|_| end < total).map(|last| format!("{end}|{total}|{}", last.id));
        Ok(Page { records: page, next, total: Some(total as u64), server_time: Some(self.clock.now()) })
    }

    /// Once a second, if anybody looks, somebody saves a record as it is.
    fn somebody_saves(&self, module: ModuleId) {
        let (now, records) = (self.clock.now(), self.records(module));
        let mut state = self.state();
        if records.is_empty() || now.since(state.saved_at) < Duration::from_secs(1) {
            return;
        }
        state.saved_at = now;
        let id = &records[self.entropy.below(records.len() as u64) as usize].id;
        state.change(self, module, id, &Fields::new(), now);
    }
}

impl State {
    fn insert(&mut self, world: &World, module: ModuleId, fields: Fields, at: Timestamp) -> RecordId {
        self.next_id += 1;
        let id = match world.side {
            Side::Ivvy => RecordId(self.next_id.to_string()),
            Side::Crm => RecordId(format!("C{:04}", self.next_id)),
        };
        let version = self.version(world, fields, 1, at);
        self.rows.insert((module, id.clone()), Row { versions: vec![version] });
        id
    }

    fn change(&mut self, world: &World, module: ModuleId, id: &RecordId, patch: &Fields, at: Timestamp) {
        let Some(row) = self.rows.get(&(module, id.clone())) else {
            return;
        };
        let mut fields = row.latest().fields.clone();
        let number = row.latest().number + 1;
        fields.extend(patch.clone());
        let version = self.version(world, fields, number, at);
        if let Some(row) = self.rows.get_mut(&(module, id.clone())) {
            row.versions.push(version);
        }
    }

    /// Stamps have one second; e-mail addresses are respelled, as many systems do.
    fn version(&self, world: &World, mut fields: Fields, number: u64, at: Timestamp) -> Version {
        if let Some(Value::Text(email)) = fields.get("email") {
            let respelled = if world.side == Side::Crm { email.to_lowercase() } else { email.trim().to_owned() };
            fields.insert("email".to_owned(), Value::Text(respelled));
        }
        let lag = if self.faults { world.entropy.duration_up_to(MAX_LAG) } else { Duration::ZERO };
        Version { fields, modified: at.floor_second(), number, shows_at: at.plus(lag), master: None }
    }

    fn execute(&mut self, world: &World, write: Write, at: Timestamp) -> Result<WriteAck, RemoteError> {
        let (Write::Create { fields: written, .. } | Write::Update { patch: written, .. }) = &write;
        let employer =
            written.get("company").and_then(Value::as_text).map(|id| (ModuleId::Companies, RecordId::from(id)));
        if employer.and_then(|id| self.rows.get(&id)).is_some_and(|row| row.latest().master.is_some()) {
            return Err(world.error("write", Class::Rejected, Sent::No));
        }
        match write {
            Write::Create { module, key, mut fields } => {
                let key_field = if world.side == Side::Ivvy { EXTERNAL_ID } else { IVVY_KEY };
                fields.insert(key_field.to_owned(), Value::Text(key));
                let after = fields.iter().map(|(name, value)| (name.clone(), Value::Null, value.clone())).collect();
                let id = self.insert(world, module, fields, at);
                self.effects.push(Effect { module, id: id.clone(), created: true, fields: after });
                Ok(WriteAck { id, created: Some(true) })
            }
            Write::Update { module, id, patch, expected } => {
                let live = self.rows.get(&(module, id.clone())).filter(|row| row.latest().master.is_none());
                let Some(row) = live else {
                    return Err(world.error("update", Class::Missing, Sent::No));
                };
                let latest = row.latest();
                if expected.is_some_and(|expected| expected != latest.number.to_string()) {
                    return Err(world.error("update", Class::Conflict, Sent::No));
                }
                let before = |name: &String| latest.fields.get(name).cloned().unwrap_or_default();
                let fields = patch.iter().map(|(name, value)| (name.clone(), before(name), value.clone())).collect();
                self.effects.push(Effect { module, id: id.clone(), created: false, fields });
                self.change(world, module, &id, &patch, at);
                Ok(WriteAck { id, created: Some(false) })
            }
        }
    }
}

impl Row {
    fn latest(&self) -> &Version {
        self.versions.last().expect("a row has at least one version")
    }

    /// What listings and look-ups show at `now`.
    fn shown(&self, now: Timestamp) -> Option<&Version> {
        self.versions.iter().rev().find(|version| version.shows_at <= now)
    }
}

fn record(id: &RecordId, version: &Version) -> Record {
    Record {
        id: id.clone(),
        fields: version.fields.clone(),
        version: Some(version.number.to_string()),
        modified: Some(version.modified),
        archived: version.master.is_some(),
        ..Record::default()
    }
}

impl Remote for World {
    fn system(&self) -> &'static str {
        match self.side {
            Side::Ivvy => "ivvy",
            Side::Crm => "crm",
        }
    }

    fn capabilities(&self, _: ModuleId) -> Capabilities {
        Capabilities {
            conditional_write: ConditionalWrite::Strong,
            idempotent_create: IdempotentCreate::LookupFirst,
            listing: self.listing,
            deletes: if self.side == Side::Crm { DeleteEvidence::Feed } else { DeleteEvidence::SetDifference },
            stamp_key: true,
            page_size: PAGE as u32,
            stamp_resolution: Duration::from_secs(1),
            min_overlap: Duration::from_secs(30),
            settle: SETTLE,
            max_in_flight: 4,
        }
    }

    fn fields(&self, module: ModuleId) -> Vec<String> {
        let key_field = if self.side == Side::Ivvy { EXTERNAL_ID } else { IVVY_KEY };
        let own = |name: &str| (name != EXTERNAL_ID && name != IVVY_KEY) || name == key_field;
        module.def().fields.iter().map(|field| field.name.clone().into_owned()).filter(|name| own(name)).collect()
    }

    fn probe(&self) -> BoxFuture<'_, Result<Probe, RemoteError>> {
        Box::pin(async { Ok(Probe { system: "simulated".to_owned(), ..Probe::default() }) })
    }

    fn definitions(&self, _: ModuleId) -> BoxFuture<'_, Result<Vec<FieldDefinition>, RemoteError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn list<'a>(&'a self, module: ModuleId, request: &'a PageRequest) -> BoxFuture<'a, Result<Page, RemoteError>> {
        Box::pin(async move {
            self.travel("list").await?;
            match self.listing {
                Listing::Keyset => Ok(self.page_by_key(module, request)),
                Listing::Offset => {
                    self.clock.sleep(self.entropy.duration_up_to(SLOW_PAGE)).await;
                    self.page_by_offset(module, request)
                }
            }
        })
    }

    fn get<'a>(&'a self, module: ModuleId, id: &'a RecordId) -> BoxFuture<'a, Result<Read, RemoteError>> {
        Box::pin(async move {
            self.travel("get").await?;
            let found = {
                let state = self.state();
                let latest = state.rows.get(&(module, id.clone())).map(Row::latest);
                latest.map(|latest| match &latest.master {
                    Some(survivor) => Read::MergedInto(survivor.clone()),
                    None => Read::Found(Box::new(record(id, latest))),
                })
            };
            self.clock.sleep(self.entropy.duration_up_to(Duration::from_millis(30))).await;
            Ok(found.unwrap_or(Read::Missing))
        })
    }

    /// Lags like a listing. iVvy companies cannot be looked up by key at all.
    fn find_by_key<'a>(
        &'a self,
        module: ModuleId,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<Record>>, RemoteError>> {
        Box::pin(async move {
            if self.side == Side::Ivvy && module == ModuleId::Companies {
                return Ok(None);
            }
            self.travel("find").await?;
            let key_field = if self.side == Side::Ivvy { EXTERNAL_ID } else { IVVY_KEY };
            let now = self.clock.now();
            let state = self.state();
            let found = state.rows.iter().filter(|((of, _), _)| *of == module).filter_map(|((_, id), row)| {
                let carried = row.shown(now)?.fields.get(key_field).filter(|_| row.latest().master.is_none())?;
                same(FieldKind::ConstantId, carried, &Value::text(key)).then(|| record(id, row.latest()))
            });
            Ok(Some(found.collect()))
        })
    }

    fn create<'a>(
        &'a self,
        module: ModuleId,
        key: &'a str,
        fields: &'a Fields,
    ) -> BoxFuture<'a, Result<WriteAck, RemoteError>> {
        let write = Write::Create { module, key: key.to_owned(), fields: fields.clone() };
        Box::pin(async move { self.send("create", write).await })
    }

    fn update<'a>(
        &'a self,
        module: ModuleId,
        id: &'a RecordId,
        patch: &'a Fields,
        expected: Option<&'a str>,
    ) -> BoxFuture<'a, Result<WriteAck, RemoteError>> {
        let expected = expected.map(str::to_owned);
        let write = Write::Update { module, id: id.clone(), patch: patch.clone(), expected };
        Box::pin(async move { self.send("update", write).await })
    }
}
