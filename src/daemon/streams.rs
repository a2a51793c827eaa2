//! The account's streams as consoles see them, and what people do about them.
//!
//! Which streams there are says the configuration; how they are doing says the store. What came in a stream
//! is not understood here, and no secret gets this far: only how many there are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::NaiveDate;
use tokio::task::JoinSet;

use super::ServiceError;
use super::push::Sender;
use crate::config::{Auth, Config, CrmSystem, Inflow, Origin};
use crate::error::{Error, ErrorKind};
use crate::inbound::s360::{self as quarantine, Retried};
use crate::model::{
    Actor, AuditEvent, FirstSync, Health, ModuleId, OutboxCounts, Post, Quarantined, RecordId, Revived, Rhythm, Side,
    StreamId, StreamKind, StreamState, Timestamp,
};
use crate::remote::Lane;
use crate::seam::{Clock, zone};
use crate::store::{Note, Reads as _, StoreError, Tx};
use crate::sync::Engine;
use crate::text;
use crate::wire::{
    Answer, CheckRow, Preview, PreviewAs, PreviewOf, StreamAuth, StreamItem, StreamItems, StreamPart, StreamRow,
    StreamVerb,
};

/// Items per answer at most.
const LARGEST_PAGE: u32 = 500;
/// Bytes of a body in a list; the rest is read in parts.
const MOST_BODY: usize = 2 * 1024;
/// Records a reconciliation asks for at a time.
const CHUNK: usize = 100;
/// How often a reconciliation looks whether the last chunk has been read.
const BREATH: Duration = Duration::from_millis(500);

/// What the configuration says about a stream.
#[derive(Clone, Debug)]
struct Known {
    id: StreamId,
    title: &'static str,
    auth: StreamAuth,
    secrets: u32,
    place: String,
    operator: bool,
    rhythm: Option<Rhythm>,
    modules: Vec<ModuleId>,
}

impl Known {
    fn side(&self) -> Side {
        match self.id.kind {
            StreamKind::S360Contacts | StreamKind::S360Orders | StreamKind::S360Access => Side::Ivvy,
            _ => Side::Crm,
        }
    }

    /// S-29 speaks of contacts and orders.
    fn needs_first_sync(&self) -> bool {
        matches!(self.id.kind, StreamKind::S360Contacts | StreamKind::S360Orders)
    }

    fn health(&self, state: &StreamState, now: Timestamp) -> Health {
        let health = match &self.rhythm {
            Some(rhythm) => state.health(now, rhythm),
            None => Health { possible_loss: state.possible_loss.is_some(), ..Health::default() },
        };
        let inbound = self.id.kind.is_inbound();
        Health {
            waits_for_first_sync: self.needs_first_sync() && state.first_sync.is_none(),
            // A sender that has nothing to say is quiet; we know whether we have.
            silent: health.silent && inbound,
            backlog_likely: health.backlog_likely && inbound,
            ..health
        }
    }
}

fn auth_of(auth: &Auth) -> (StreamAuth, u32) {
    let kind = match auth {
        Auth::None { .. } => StreamAuth::None,
        Auth::Basic { .. } => StreamAuth::Basic,
        Auth::ApiKey { .. } => StreamAuth::ApiKey,
    };
    (kind, u32::try_from(auth.secrets().len()).unwrap_or(u32::MAX))
}

/// Every stream of a configuration, in its order.
fn known(config: &Config) -> Vec<Known> {
    let mut all = Vec::new();
    let on = |modules: &[ModuleId]| -> Vec<ModuleId> {
        modules.iter().copied().filter(|module| config.modules.enabled(*module)).collect()
    };
    if let Origin::S360(s360) = &config.origin {
        for (code, institution) in &s360.institutions {
            let inflows: [(StreamKind, &str, &'static str, &Option<Inflow>, &[ModuleId]); 3] = [
                (
                    StreamKind::S360Contacts,
                    "contacts",
                    "S-360 contacts",
                    &institution.contacts,
                    &[ModuleId::Companies, ModuleId::Contacts],
                ),
                (StreamKind::S360Orders, "orders", "S-360 orders", &institution.orders, &[ModuleId::Orders]),
                (StreamKind::S360Access, "access", "S-360 access checks", &institution.access, &[]),
            ];
            for (kind, path, title, inflow, modules) in inflows {
                let Some(inflow) = inflow else { continue };
                let (auth, secrets) = auth_of(&inflow.auth);
                let rhythm = inflow.rhythm();
                all.push(Known {
                    id: StreamId::new(kind, code),
                    title,
                    auth,
                    secrets,
                    place: format!("/s360/{path}/{code}"),
                    operator: institution.operator.is_some(),
                    rhythm: Some(rhythm),
                    modules: on(modules),
                });
            }
        }
    }
    match &config.crm.system {
        CrmSystem::Connector(connector) => {
            let Some(facade) = &connector.facade else { return all };
            let (auth, secrets) = auth_of(&facade.auth);
            let stream = |kind, title, modules: &[ModuleId]| Known {
                id: StreamId::new(kind, &connector.club),
                title,
                auth,
                secrets,
                place: format!("/connector/api/{}/", connector.version),
                operator: connector.profile.direction.sends(),
                rhythm: None,
                modules: on(modules),
            };
            let people = [ModuleId::Leads, ModuleId::Contacts];
            all.push(stream(StreamKind::ConnectorPeople, "Connector people", &people));
            if facade.offers.create_source || facade.offers.update_source {
                all.push(stream(StreamKind::ConnectorSources, "Connector lead sources", &[]));
            }
        }
        CrmSystem::Push(push) => {
            let (auth, secrets) = auth_of(&push.auth);
            let rhythm =
                Rhythm { every: push.every, per_run: push.per_run, per_payload: push.per_payload, tries: push.tries };
            let orders = [ModuleId::Registrations, ModuleId::QuotesAndBookings, ModuleId::Orders];
            let streams: [(StreamKind, &'static str, &Option<url::Url>, &[ModuleId]); 2] = [
                (
                    StreamKind::PushContacts,
                    "Pushed contacts",
                    &push.contacts,
                    &[ModuleId::Companies, ModuleId::Contacts],
                ),
                (StreamKind::PushOrders, "Pushed orders", &push.orders, &orders),
            ];
            for (kind, title, url, modules) in streams {
                let Some(url) = url else { continue };
                all.push(Known {
                    id: StreamId::new(kind, ""),
                    title,
                    auth,
                    secrets,
                    place: url.to_string(),
                    operator: true,
                    rhythm: Some(rhythm),
                    modules: on(modules),
                });
            }
        }
        CrmSystem::Odoo { .. } | CrmSystem::Salesforce { .. } => {}
    }
    all
}

/// What `check` says about streams from the configuration alone, with what the store adds where there is one.
pub(crate) fn check(config: &Config, state: impl Fn(&StreamId) -> Option<StreamState>) -> Vec<CheckRow> {
    let mut rows = Vec::new();
    if let Origin::S360(s360) = &config.origin {
        for (code, institution) in &s360.institutions {
            let streams = [
                ("contacts", institution.contacts.is_some()),
                ("orders", institution.orders.is_some()),
                ("access", institution.access.is_some()),
            ];
            let named: Vec<&str> = streams.iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect();
            let streams = if named.is_empty() { "nothing".to_owned() } else { named.join(", ") };
            let way = match &institution.operator {
                Some(operator) => format!("read and written as operator {operator}"),
                None => "receive-only: nothing is ever written to S-360 or read from it".to_owned(),
            };
            rows.push(fine(format!("s360: institution {code}"), format!("{streams} posted to us; {way}")));
        }
    }
    if let CrmSystem::Connector(connector) = &config.crm.system {
        let profile = &connector.profile;
        let entities: Vec<String> = profile.entities.iter().map(ToString::to_string).collect();
        let mut off = Vec::new();
        for (on, what) in [(profile.owner, "owners"), (profile.source, "lead sources")] {
            if !on {
                off.push(what.to_owned());
            }
        }
        let all = [(crate::config::Entity::Prospects, "prospects"), (crate::config::Entity::Members, "members")];
        off.extend(all.iter().filter(|(which, _)| !profile.entities.contains(which)).map(|(_, w)| (*w).to_owned()));
        if !profile.direction.sends() {
            off.push("writing to the Connector".to_owned());
        }
        if !profile.direction.receives() {
            off.push("receiving from the Connector".to_owned());
        }
        let off = if off.is_empty() { "nothing".to_owned() } else { off.join(", ") };
        rows.push(fine(
            "connector: agreed profile".to_owned(),
            format!(
                "{} with {}, by {} on {}; switched off: {off}",
                profile.direction,
                entities.join(" and "),
                profile.agreed_by,
                profile.agreed_on
            ),
        ));
        let can = &profile.can;
        let calls = [
            (can.list_staff, "list staff"),
            (can.staff_by_email, "find staff by e-mail"),
            (can.list_sources, "list lead sources"),
            (can.create_source, "create lead sources"),
            (can.update_source, "update lead sources"),
        ];
        let calls: Vec<&str> = calls.iter().filter(|(can, _)| *can).map(|(_, what)| *what).collect();
        let found = if calls.is_empty() { "none of the optional calls".to_owned() } else { calls.join(", ") };
        rows.push(fine("connector: declared abilities".to_owned(), found));
    }
    for known in known(config) {
        let way = if known.id.kind.is_inbound() { "comes in at" } else { "goes to" };
        let rotating = if known.secrets > 1 { ", two secrets valid" } else { "" };
        let unprotected = known.id.kind.is_inbound() && known.auth == StreamAuth::None;
        let auth = if unprotected { "UNPROTECTED".to_owned() } else { format!("{}{rotating}", known.auth) };
        let state = state(&known.id);
        let missing = known.needs_first_sync() && state.as_ref().is_some_and(|state| state.first_sync.is_none());
        let date = match state.and_then(|state| state.first_sync) {
            Some(first) => format!("; from {} on", first.entered),
            None if missing => "; first-sync date missing: nothing is taken over".to_owned(),
            None => String::new(),
        };
        rows.push(CheckRow {
            what: format!("stream {}", known.id),
            ok: !missing,
            found: format!("{way} {}; auth {auth}{date}", known.place),
            hint: match (missing, unprotected) {
                (true, _) => {
                    let id = &known.id;
                    Some(format!("tandem streams test {id}, then tandem streams first-sync {id} DATE --zone ZONE"))
                }
                (false, true) => {
                    Some("anybody who reaches the address is believed: use \"basic\" or \"api_key\"".into())
                }
                (false, false) => None,
            },
        });
    }
    rows
}

fn fine(what: String, found: String) -> CheckRow {
    CheckRow { what, ok: true, found, hint: None }
}

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
                let id = known.id.clone();
                let settled = self.change(engine, actor, known, "possible loss settled".to_owned(), move |tx| {
                    let mut state = tx.stream(&id)?;
                    let was = state.possible_loss.take().is_some();
                    if was {
                        tx.put_stream(&id, &state)?;
                    }
                    Ok(was)
                });
                if !settled.await? {
                    return Err(refuse(format!("{}: no loss is suspected", known.id), "there is nothing to settle"));
                }
                "the possible loss is settled".to_owned()
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

/// Asks for one chunk after the other, and for the next one when most of the last has been read. What is read
/// moves to the end of the shelf if it changed; such a record is read once more, never left out.
async fn read_again(engine: &Engine, clock: &dyn Clock, known: &Known, done: impl Fn(u64)) -> Result<(), StoreError> {
    let (mut asked, began) = (0, engine.now());
    for module in &known.modules {
        let mut after = None;
        loop {
            let (ids, next) = chunk(engine, known, *module, after)?;
            let asking = ids.into_iter().map(|id| engine.look_at(*module, known.side(), id));
            let asking = futures::future::try_join_all(asking).await?;
            asked += asking.len() as u64;
            done(asked);
            match next {
                // What came since is newer than the outage.
                Some(next) if next <= began => after = Some(next),
                _ => break,
            }
            while engine.store().read(|view| view.nudges(None, CHUNK))?.len() >= CHUNK {
                clock.sleep(BREATH).await;
            }
        }
    }
    Ok(())
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
