//! The account's answers to what consoles ask: a translation between the wire and the engine.
//!
//! No rule lives here. What may be decided is the engine's business, who may ask is
//! [`roles`](super::roles)', and what a reply looks like is the wire's.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::{BoxFuture, join_all};
use tokio::sync::broadcast;

use super::account::Account;
use super::push::Sender;
use super::streams::Streams;
use super::{Service, ServiceError, approval, beside, mapping, matching, names, preview, report, streams};
use crate::config::Origin;
use crate::error::{Error, ErrorKind, Result};
use crate::inbound::Counts;
use crate::model::{Actor, Decision, Fingerprint, Item, ItemId, ModuleId, PairKey, Seq, Side, Timestamp, Verb};
use crate::store::{Changes, Reads as _, StoreError, doctor};
use crate::sync::{Ask, Engine, Held, Refusal, Release};
use crate::wire::{self, Answer, AuditQuery, CheckRow, Decide, DecideResult, Event, Hello, ItemView, Request};

/// History rows that come with an item.
const HISTORY: u32 = 50;
/// Rows per page at most, whatever is asked.
const LARGEST_PAGE: u32 = 1000;

/// One account as consoles see it.
#[derive(Debug)]
pub struct AccountService {
    account: Account,
    name: String,
    environment: String,
    started_at: Timestamp,
    events: broadcast::Sender<Event>,
    notifications: Option<Arc<Counts>>,
    streams: Streams,
    names: wire::SideNames,
    sender: Option<Arc<Sender>>,
}

impl AccountService {
    /// The service of `account`. Call [`AccountService::announce`] to feed its live events.
    pub fn new(account: Account, name: impl Into<String>, environment: impl Into<String>) -> Self {
        let started_at = account.engine.now();
        let (events, _) = broadcast::channel(256);
        let streams = Streams::of(account.blueprint.config(), Arc::clone(account.blueprint.clock()));
        let (name, environment) = (name.into(), environment.into());
        let names = match account.blueprint.config().origin {
            Origin::Ivvy(_) => wire::SideNames::default(),
            Origin::S360(_) => wire::SideNames::with_origin("S-360"),
        };
        Self { account, name, environment, started_at, events, notifications: None, streams, names, sender: None }
    }

    /// The same, also telling of the notifications counted there.
    #[must_use]
    pub fn counting(mut self, notifications: Arc<Counts>) -> Self {
        self.notifications = Some(notifications);
        self
    }

    /// The same, also having the sender make a run when somebody asks for a sync.
    #[must_use]
    pub fn sending(mut self, sender: Arc<Sender>) -> Self {
        self.sender = Some(sender);
        self
    }

    /// The engine behind it.
    pub fn engine(&self) -> &Engine {
        &self.account.engine
    }

    /// Passes every commit of the store on as events, until the store is closed.
    pub async fn announce(&self) {
        let store = self.engine().store();
        let mut changes = store.changes();
        let mut told = store.read(|view| view.seq()).unwrap_or_default();
        let mut renewals = self.engine().renewals();
        loop {
            let change = tokio::select! {
                change = changes.recv() => change,
                // The engine is never gone before this is: it holds it.
                _ = renewals.changed() => {
                    // Whoever is attached knows the catalogue of before; they attach again by themselves.
                    let reason = "the field map changed; it is back at once".to_owned();
                    let _ = self.events.send(Event::Bye { reason });
                    continue;
                }
            };
            let (seq, items, overflow) = match change {
                Ok(changes) => listed(&changes),
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    (store.read(|view| view.seq()).unwrap_or(told), Vec::new(), true)
                }
                Err(broadcast::error::RecvError::Closed) => return,
            };
            if self.events.receiver_count() > 0 {
                self.announce_rows(told, seq);
                // Nobody listening is not an error.
                let _ = self.events.send(Event::Changed { seq, items, overflow });
            }
            told = told.max(seq);
        }
    }

    /// Sends the audit rows after `told`, as far as a console could want to read them one by one.
    fn announce_rows(&self, told: Seq, seq: Seq) {
        let count = u32::try_from(seq.0.saturating_sub(told.0)).unwrap_or(u32::MAX);
        if count == 0 || count > 64 {
            return;
        }
        let query = AuditQuery { item: None, before: Some(Seq(seq.0 + 1)), limit: count };
        if let Ok(rows) = self.engine().store().read(|view| view.audit(&query)) {
            for row in rows.into_iter().rev() {
                let _ = self.events.send(Event::Audit(row));
            }
        }
    }

    /// What people call the two sides.
    fn names(&self) -> &wire::SideNames {
        &self.names
    }

    async fn respond(&self, actor: &Actor, request: Request) -> Result<Answer, ServiceError> {
        let engine = self.engine();
        match request {
            Request::Status => {
                let mut status = report::status(&self.account, &self.name, self.started_at)?;
                status.streams = self.streams.rows(engine)?;
                status.notifications = self.notifications.as_ref().map(|counts| report::notifications(counts.seen()));
                Ok(Answer::Status(status))
            }
            Request::Page(mut query) => {
                query.limit = query.limit.clamp(1, LARGEST_PAGE);
                let now = engine.now();
                let rows = engine.store().read(|view| {
                    let mut rows = view.page_at(&query, now)?;
                    beside::of_rows(view, &mut rows)?;
                    Ok(rows)
                })?;
                Ok(Answer::Rows(rows))
            }
            Request::Item { id } => self.item(actor, id),
            Request::Preview(wire::PreviewQuery { stream: Some(part), mode, from, .. }) => {
                self.streams.part(engine, &part, mode, from)
            }
            Request::Preview(query) => {
                let (store, modules) = (engine.store().clone(), engine.modules());
                let item = query.item;
                let found = blocking(move || {
                    let item = store.read(|view| view.item(query.item))?;
                    Ok(item.map(|item| preview::part(&item, &modules, &query)))
                });
                Ok(Answer::Preview(found.await?.ok_or_else(|| refused(item, None, Refusal::Unknown))??))
            }
            Request::Decide(decide) => {
                let item = self.decide(actor, decide).await?;
                Ok(Answer::Decided(Box::new(item)))
            }
            Request::DecideMany { decisions } => {
                // All at once, so that the store takes them in one or two commits; answers keep their order.
                let many = decisions.len() > 1;
                let decided = decisions.into_iter().map(|decide| async {
                    let item = decide.item;
                    let error = match many && decide.verb == Verb::Approve && self.is_asked_for(item)? {
                        true => Some(
                            Error::new(ErrorKind::Refused, "what is booked is approved one by one")
                                .hint("open it, look at it, and approve it there"),
                        ),
                        false => self.decide(actor, decide).await.err().map(|failed| failed.error),
                    };
                    Ok::<_, ServiceError>(DecideResult { item, error })
                });
                let results = join_all(decided).await.into_iter().collect::<Result<_, _>>()?;
                Ok(Answer::DecidedMany { results })
            }
            Request::Audit(mut query) => {
                query.limit = query.limit.clamp(1, LARGEST_PAGE);
                let rows = engine.store().read(|view| view.audit(&query))?;
                Ok(Answer::Audit { rows })
            }
            Request::AuditVerify => {
                let store = engine.store().clone();
                let (rows, broken_at) = blocking(move || store.read(|view| view.audit_verify())).await?;
                Ok(Answer::AuditVerified { rows, broken_at })
            }
            Request::Module { module, before, limit } => {
                Ok(Answer::Module(Box::new(super::module::view(engine, module, before, limit)?)))
            }
            Request::Sync { module, full } => {
                let paused = |id: &ModuleId| engine.is_paused(*id);
                let asked: Vec<ModuleId> =
                    module.map_or_else(|| engine.modules().iter().map(|def| def.id).collect(), |id| vec![id]);
                if asked.iter().all(paused) {
                    let what = module.map_or_else(|| "every module".to_owned(), |id| id.to_string());
                    return Err(Error::new(ErrorKind::Refused, format!("{what} is paused"))
                        .hint("resume it first: a paused module reads and writes nothing")
                        .into());
                }
                engine.sync_now(module, full);
                if let Some(sender) = &self.sender {
                    sender.ask();
                }
                Ok(done("the sweep starts now"))
            }
            Request::Pause { module } => {
                engine.set_paused(module, true, actor.clone()).await?;
                Ok(done("paused: nothing is read or written until someone resumes"))
            }
            Request::Resume { module } => {
                engine.set_paused(module, false, actor.clone()).await?;
                Ok(done("resumed"))
            }
            Request::GuardPlan { module } => {
                let engine = engine.clone();
                let mut plan = blocking(move || report::guard_plan(&engine, module)).await?;
                if plan.tripped.is_some() {
                    plan.approval = self.approval(&plan.creates, &plan.updates).map(str::to_owned);
                }
                Ok(Answer::Guard(plan))
            }
            Request::GuardRelease { module, sample, expect, plan, note } => {
                let held = self.expect_held(module, expect, plan, "release").await?;
                if held.held == 0 {
                    self.streams.expect_read(engine, module)?;
                }
                let note = approval::note(note.as_deref(), self.approval(&held.creates, &held.updates))?;
                Ok(match engine.guard_release_noted(module, sample, note, actor.clone()).await? {
                    Release::Moved(items) => done(format!("{items} items released")),
                    Release::NeedsSecond => done("noted: nothing goes before a second person releases it too"),
                })
            }
            Request::GuardDiscard { module, expect } => {
                self.expect_held(module, expect, None, "discard").await?;
                let moved = engine.guard_discard(module, actor.clone()).await?;
                Ok(done(format!("{moved} items set aside; each comes back when its records change")))
            }
            Request::Matches(query) => {
                let engine = engine.clone();
                blocking(move || matching::page(&engine, &query)).await
            }
            Request::MatchOptions { entry, text } => {
                let engine = engine.clone();
                blocking(move || Ok(matching::options(&engine, &entry, &text))).await?
            }
            Request::MatchDecide { entry, verb, other } => matching::decide(engine, actor, entry, verb, other).await,
            Request::MatchUpdate { entry, expect } => matching::update(engine, actor, entry, expect).await,
            Request::MatchRefresh { kind, accept } => matching::refresh(engine, kind, accept),
            Request::MapShow { module } => mapping::show(&self.account, module).await,
            Request::MapChange(change) => mapping::change(&self.account, actor, change).await,
            Request::MapHistory { module, before, limit } => {
                Ok(mapping::history(&self.account, module, before, limit)?)
            }
            Request::MapResync { module, field, dry_run } => {
                mapping::resync(&self.account, actor, module, &field, dry_run).await
            }
            Request::Streams => Ok(Answer::Streams { rows: self.streams.rows(engine)? }),
            Request::StreamItems { stream, after, limit } => self.streams.items(engine, &stream, after, limit),
            Request::AccessChecks(query) => self.streams.checks(engine, &query),
            Request::StreamDo { stream, verb } => {
                self.streams.act(engine, self.sender.as_deref(), actor, &stream, verb).await
            }
            Request::Check => Ok(Answer::Check { rows: check(&self.account).await? }),
            Request::Doctor { rebuild } => {
                let store = engine.store().clone();
                let findings = blocking(move || {
                    let findings = store.read(doctor::check)?;
                    if rebuild {
                        doctor::rebuild(&store)?;
                    }
                    Ok(findings)
                })
                .await?;
                Ok(Answer::Doctor { findings, rebuilt: rebuild })
            }
            Request::Watch | Request::Shutdown => Err(Error::internal("the session answers this itself").into()),
        }
    }

    async fn decide(&self, actor: &Actor, decide: Decide) -> Result<Item, ServiceError> {
        let decision = Decision {
            item: decide.item,
            ver: 0,
            seen: Default::default(),
            verb: decide.verb,
            choices: decide.choices,
            side: decide.side,
            until: decide.until,
            record: decide.record,
            reason: decide.reason,
            actor: actor.clone(),
            at: self.engine().now(),
        };
        let ask = Ask { ver: decide.ver, seen: decide.seen, decision };
        match self.engine().decide(ask).await? {
            Ok(item) => Ok(item),
            Err(refusal) => Err(refused(decide.item, Some(decide.verb), refusal)),
        }
    }

    fn item(&self, actor: &Actor, id: ItemId) -> Result<Answer, ServiceError> {
        let engine = self.engine();
        let defs = engine.modules();
        let view = engine.store().read(|view| {
            let Some(item) = view.item(id)? else {
                return Ok(None);
            };
            let mut stamps = BTreeMap::new();
            let mut authors = BTreeMap::new();
            for side in Side::BOTH {
                let record = match &item.pair {
                    PairKey::Link(link) => view.link(*link)?.map(|link| link.on(side).clone()),
                    PairKey::Lone(of, record) => (*of == side).then(|| record.clone()),
                };
                let Some(record) = record else {
                    continue;
                };
                if let Some(seen) = view.observation(item.module, side, &record)? {
                    stamps.extend(seen.record.modified.map(|at| (side, at)));
                    authors.extend(seen.record.author.map(|author| (side, author)));
                }
            }
            let history = view.audit(&AuditQuery { item: Some(id), before: None, limit: HISTORY })?;
            let beside = (beside::candidates(view, &defs, &item)?, beside::awaited(view, &item)?);
            Ok(Some((item, stamps, authors, history, beside)))
        })?;
        let Some((item, stamps, authors, history, (candidates, waits_for))) = view else {
            return Err(refused(id, None, Refusal::Unknown));
        };
        let verbs = report::verbs(actor, &item);
        Ok(Answer::Item(Box::new(ItemView {
            ivvy_modified: stamps.get(&Side::Ivvy).copied(),
            crm_modified: stamps.get(&Side::Crm).copied(),
            authors,
            verbs,
            history,
            item,
            candidates,
            waits_for,
            cut: BTreeMap::new(),
        })))
    }

    /// Who has to have agreed before this is written.
    fn approval(&self, creates: &BTreeMap<Side, u64>, updates: &BTreeMap<Side, u64>) -> Option<&'static str> {
        approval::needed(&self.account.blueprint.config().origin, creates, updates)
    }

    /// Whether the item is about a record that is made in the origin because somebody asks for it (S-07).
    fn is_asked_for(&self, item: ItemId) -> Result<bool, ServiceError> {
        let engine = self.engine();
        let module = engine.store().read(|view| view.item(item))?.map(|item| item.module);
        Ok(engine.modules().iter().any(|def| Some(def.id) == module && def.request.is_some()))
    }

    /// What the guard holds now: the number an operator typed, and the plan they saw if they say which, must be that.
    async fn expect_held(
        &self,
        module: ModuleId,
        expect: u64,
        plan: Option<Fingerprint>,
        verb: &str,
    ) -> Result<Held, ServiceError> {
        let engine = self.engine().clone();
        let held = blocking(move || engine.guard_held(module)).await?;
        if held.tripped.is_none() && held.held == 0 {
            return Err(
                Error::new(ErrorKind::Refused, format!("the guard of {module} is open and holds nothing")).into()
            );
        }
        let message = if held.held != expect {
            format!("the guard of {module} holds {} items now, not {expect}", held.held)
        } else if plan.is_some_and(|plan| plan != held.hash) {
            format!("the plan of {module} is another one by now")
        } else {
            return Ok(held);
        };
        let hint = format!("look at the plan again before you {verb} it");
        Err(Error::new(ErrorKind::Stale, message).hint(hint).into())
    }
}

impl Service for AccountService {
    fn hello(&self, actor: &Actor) -> Hello {
        let engine = self.engine();
        let mut modules = engine.modules();
        names::fields(self.names(), &mut modules);
        let guarantee = |side: Side| {
            let module = modules.first().map_or(ModuleId::Contacts, |def| def.id);
            (side, engine.capabilities(module, side).conditional_write.explain().to_owned())
        };
        Hello {
            protocol: wire::PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            account: self.name.clone(),
            environment: self.environment.clone(),
            operator: actor.name.clone(),
            role: actor.role,
            crm: engine.remotes().declared(Side::Crm).system().to_owned(),
            sides: self.names().clone(),
            guarantees: Side::BOTH.into_iter().map(guarantee).collect(),
            modules,
            impossible: report::impossible(&engine.remotes()),
        }
    }

    fn answer<'a>(&'a self, actor: &'a Actor, request: Request) -> BoxFuture<'a, Result<Answer, ServiceError>> {
        Box::pin(async move {
            let answer = names::said(self.names(), self.respond(actor, request).await);
            preview::bounded(answer, || self.engine().modules())
        })
    }

    fn changes(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }
}

fn listed(changes: &Arc<Changes>) -> (Seq, Vec<ItemId>, bool) {
    let overflow = changes.items.len() > 256;
    let items = if overflow { Vec::new() } else { changes.items.clone() };
    (changes.seq, items, overflow)
}

fn done(message: impl Into<String>) -> Answer {
    Answer::Done { message: message.into() }
}

fn store_error(error: StoreError) -> ServiceError {
    Error::from(error).into()
}

/// Long walks through the store stay off the runtime's threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, ServiceError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(store_error),
        Err(_) => Err(Error::internal("a walk through the store was broken off").into()),
    }
}

/// A refusal in words, with the item as it is now.
fn refused(id: ItemId, verb: Option<Verb>, refusal: Refusal) -> ServiceError {
    match refusal {
        Refusal::Unknown => Error::new(ErrorKind::Refused, format!("there is no item {id}"))
            .hint("list the queue with `tandem queue list`")
            .into(),
        Refusal::Stale(current) => {
            let who = current.decided_by.clone().filter(|_| !current.state.has_intent() || current.decided);
            let message = match who {
                Some(who) => format!("item {id} moved on: {who} was faster; it is {} now", current.state),
                None => format!("item {id} moved on since you looked; it is {} now", current.state),
            };
            ServiceError {
                error: Error::new(ErrorKind::Stale, message).hint("look at the new values, then decide again"),
                current: Some(current),
            }
        }
        Refusal::Invalid(current, why) => {
            let mut error = Error::new(ErrorKind::Refused, format!("item {id}: {why}"));
            if verb == Some(Verb::Undo) && Verb::Reopen.accepts(current.state) && !Verb::Undo.accepts(current.state) {
                error = error.hint(format!(
                    "nothing was written, so there is nothing to undo: `tandem queue reopen {id}` has it decided anew"
                ));
            }
            ServiceError { error, current: Some(current) }
        }
    }
}

/// Whether a verb could be asked for at all, used by [`report::verbs`] and the console alike.
pub(super) fn applies(verb: Verb, item: &Item) -> Result<(), String> {
    if item.state.has_intent() {
        return Err("a write is under way".to_owned());
    }
    if verb.accepts(item.state) { Ok(()) } else { Err(format!("not while it is {}", item.state)) }
}

async fn check(account: &Account) -> Result<Vec<CheckRow>, StoreError> {
    let engine = &account.engine;
    let (remotes, modules) = (engine.remotes(), engine.modules());
    let ids: Vec<ModuleId> = modules.iter().map(|def| def.id).collect();
    let mut rows = report::check(&remotes, &ids, Some(engine)).await;
    let maps = mapping::stored_maps(engine.store())?;
    let flows: Vec<_> = modules.iter().map(|def| (def.id, def.flow)).collect();
    rows.extend(mapping::check(&remotes, &flows, |module| account.blueprint.custom_fields(module, &maps)).await);
    let states: BTreeMap<_, _> = engine.store().read(|view| view.streams())?.into_iter().collect();
    rows.extend(streams::check(account.blueprint.config(), |id| Some(states.get(id).cloned().unwrap_or_default())));
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Kind, PairKey, RecordId, State, Timestamp};

    #[test]
    fn undo_of_what_was_never_written_leads_to_reopen() {
        let pair = PairKey::Lone(Side::Ivvy, RecordId::from("7"));
        let skipped = Item {
            state: State::Skipped,
            ..Item::new(ItemId(4), ModuleId::Contacts, pair, Kind::Create, Timestamp::EPOCH)
        };
        let hint = |verb| {
            let refusal = Refusal::Invalid(Box::new(skipped.clone()), "it does not apply".to_owned());
            refused(ItemId(4), Some(verb), refusal).error.hint.unwrap_or_default()
        };
        assert!(hint(Verb::Undo).contains("tandem queue reopen 4"), "{}", hint(Verb::Undo));
        assert_eq!(hint(Verb::Approve), "");
    }
}
