//! The made-up daemon: what it knows, what it answers, and what it was asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tandem::error::{Error, ErrorKind};
use tandem::model::{
    AccessCheck, AuditRow, Fingerprint, ItemId, MatchKind, MatchRow, ModuleId, RunRow, Seq, Side, State, StreamId,
};
use tandem::tui::{Backend, BackendEvent, CallError};
use tandem::wire::{
    AccessChecks, Anchor, Answer, CheckRow, DaemonStatus, DecideResult, GuardPlan, HeldLane, Hello, ItemView,
    MapChanged, MapView, MatchLine, MatchPage, MatchQuery, ModuleStatus, PageQuery, Preview, PreviewAs, PreviewOf,
    PreviewQuery, Quota, Rate, RemoteStatus, Request, Row, Rows, Status, StreamItem, StreamItems,
};
use tokio::sync::mpsc;

use crate::fixture;

/// What the made-up daemon knows and what it was asked.
#[derive(Default)]
pub struct World {
    pub rows: Vec<Row>,
    pub views: BTreeMap<ItemId, ItemView>,
    pub audit: Vec<AuditRow>,
    pub status: Status,
    pub matches: Vec<MatchRow>,
    /// Newest first; of every module.
    pub runs: Vec<RunRow>,
    /// The field map of contacts.
    pub map: Option<MapView>,
    pub items: Vec<(StreamId, StreamItem)>,
    /// Who has to have agreed to what the guard holds.
    pub approval: Option<String>,
    /// Checks at the gates, newest first.
    pub checks: Vec<AccessCheck>,
    /// The whole of what `body` fields hold.
    pub bodies: BTreeMap<ItemId, String>,
    pub asked: Vec<Request>,
    /// Answers the next decision with "stale", and who was faster.
    pub faster: Option<String>,
    pub silent: bool,
    /// Every call fails with this.
    pub broken: Option<Error>,
}

/// A made-up daemon.
pub struct Fake {
    hello: Hello,
    pub world: Mutex<World>,
    events: Mutex<Option<mpsc::Receiver<BackendEvent>>>,
    pub(super) sender: mpsc::Sender<BackendEvent>,
}

impl Fake {
    pub fn new(hello: Hello, world: World) -> Arc<Self> {
        let (sender, events) = mpsc::channel(64);
        Arc::new(Self { hello, world: Mutex::new(world), events: Mutex::new(Some(events)), sender })
    }

    /// With `count` contacts in conflict, of which the first ones can be opened.
    pub fn with_conflicts(count: u64) -> Arc<Self> {
        Self::new(fixture::hello(), conflicts(count))
    }

    pub fn asked(&self) -> Vec<Request> {
        self.world.lock().unwrap().asked.clone()
    }
}

/// One e-mail with this body, waiting for a look.
pub fn mail(body: &str) -> Arc<Fake> {
    let mut world = conflicts(1);
    let start = &body[..body.floor_char_boundary(200)];
    let cut = format!("{start}… ({} bytes, 0011aabb; open the preview)", body.len());
    let mut row = fixture::field("body", "", &cut, "");
    (row.base_ivvy, row.base_crm, row.crm) = (None, None, None);
    let mut view = fixture::view(1, "Your booking", vec![fixture::field("subject", "", "Your booking", ""), row]);
    view.item.module = ModuleId::ContactEmails;
    view.cut = BTreeMap::from([("body".to_owned(), body.len() as u64)]);
    world.views.insert(ItemId(1), view);
    world.bodies.insert(ItemId(1), body.to_owned());
    let modules = vec![ModuleId::Contacts.def(), ModuleId::ContactEmails.def()];
    Fake::new(Hello { modules, ..fixture::hello() }, world)
}

/// Rows, views and figures for `count` contacts in conflict.
pub fn conflicts(count: u64) -> World {
    World {
        rows: (1..=count).map(fixture::row).collect(),
        views: (1..=count.min(50)).map(|id| (ItemId(id), fixture::conflict(id))).collect(),
        audit: (0..count.min(300)).rev().map(fixture::audit_row).collect(),
        status: status(count),
        runs: fixture::runs(120),
        ..World::default()
    }
}

/// A dashboard with something of everything.
pub fn status(held: u64) -> Status {
    let module = |name: ModuleId, counts: BTreeMap<State, u64>| ModuleStatus {
        name,
        state: "running".into(),
        direction: "both".into(),
        cursor_lag_s: Some(12),
        next_run_s: Some(48),
        counts,
        reasons: BTreeMap::new(),
        drifted: 0,
        rate_per_min: 7,
        rates: vec![0, 1, 3, 7, 4, 2, 7],
        progress: None,
        guard: None,
        last_error: None,
        waits: None,
    };
    let mut companies = module(ModuleId::Companies, BTreeMap::from([(State::Ready, 3)]));
    companies.state = "tripped".into();
    companies.guard = Some("first sync: 1,240 creates on the CRM wait for a look".into());
    let contacts =
        module(ModuleId::Contacts, BTreeMap::from([(State::Held, held), (State::Dead, 1), (State::Done, 9)]));
    let remote = |name: &str, breaker: &str, error: Option<&str>| RemoteStatus {
        name: name.into(),
        breaker: breaker.into(),
        calls_per_min: 31,
        errors_per_min: u32::from(error.is_some()),
        last_error: error.map(str::to_owned),
        rate: Some(Rate { now_per_min: 240, configured_per_min: 240 }),
        calls_today: 1_204,
        ..RemoteStatus::default()
    };
    Status {
        account: "Harbour Events".into(),
        daemon: DaemonStatus {
            version: "0.1.0".into(),
            pid: 1,
            started_at: fixture::now(),
            now: fixture::now().plus(std::time::Duration::from_secs(7_260)),
            clients: 2,
            last_error: None,
        },
        modules: vec![companies, contacts],
        remotes: vec![
            remote("ivvy", "closed", None),
            RemoteStatus {
                rate: Some(Rate { now_per_min: 120, configured_per_min: 240 }),
                quota: Some(Quota { used: 30_120, limit: 50_000 }),
                held: vec![HeldLane {
                    lane: "backfill".into(),
                    until: fixture::now().plus(std::time::Duration::from_secs(36_000)),
                }],
                ..remote("odoo", "open", Some("503 Service Unavailable"))
            },
        ],
        streams: Vec::new(),
        notifications: None,
        matches: Vec::new(),
        seq: Seq(1),
    }
}

impl Backend for Fake {
    fn hello(&self) -> &Hello {
        &self.hello
    }

    fn call(&self, request: Request) -> BoxFuture<'_, std::result::Result<Answer, CallError>> {
        let mut world = self.world.lock().unwrap();
        world.asked.push(request.clone());
        if world.silent {
            return futures::future::pending().boxed();
        }
        let answer = match &world.broken {
            Some(error) => Err(error.clone().into()),
            None => world.answer(request),
        };
        async move { answer }.boxed()
    }

    fn events(&self) -> mpsc::Receiver<BackendEvent> {
        self.events.lock().unwrap().take().expect("asked once")
    }
}

impl World {
    fn answer(&mut self, request: Request) -> std::result::Result<Answer, CallError> {
        let done = |message: &str| Ok(Answer::Done { message: message.to_owned() });
        match request {
            Request::Status => Ok(Answer::Status(self.status.clone())),
            Request::Page(query) => Ok(Answer::Rows(self.page(&query))),
            Request::Item { id } => match self.views.get(&id) {
                Some(view) => Ok(Answer::Item(Box::new(view.clone()))),
                None => Err(Error::new(ErrorKind::Refused, format!("there is no item {id}")).into()),
            },
            Request::StreamItems { stream, after, limit } => {
                let of = self.items.iter().filter(|(of, item)| *of == stream && Some(item.number) > after);
                let items: Vec<StreamItem> = of.map(|(_, item)| item.clone()).take(limit as usize).collect();
                Ok(Answer::StreamItems(StreamItems { items, more: false }))
            }
            Request::AccessChecks(query) => {
                let from = query.before.map_or(0, |place| place.parse::<usize>().unwrap());
                let to = self.checks.len().min(from + query.limit as usize);
                let more = (to < self.checks.len()).then(|| to.to_string());
                Ok(Answer::AccessChecks(AccessChecks { checks: self.checks[from..to].to_vec(), more }))
            }
            Request::StreamDo { .. } => done("noted"),
            Request::Preview(PreviewQuery { stream: Some(part), .. }) => {
                let found = self.items.iter().find(|(of, item)| (of, item.number) == (&part.id, part.number));
                let text = found.map(|(_, item)| item.body.clone()).unwrap_or_default();
                Ok(Answer::Preview(Preview { of: PreviewOf::Result, ver: 0, text, total_bytes: 36, next: None }))
            }
            Request::Preview(query) => {
                let Some(body) = self.bodies.get(&query.item) else {
                    return Err(Error::new(ErrorKind::Refused, "there is no such value").into());
                };
                let from = usize::try_from(query.from).unwrap();
                let page = match query.mode {
                    PreviewAs::Text => tandem::text::html_page(body, from),
                    PreviewAs::Html => tandem::text::source_page(body, from),
                    PreviewAs::Links => tandem::text::address_page(body, from),
                };
                Ok(Answer::Preview(Preview {
                    of: query.of.unwrap_or(PreviewOf::Ivvy),
                    ver: self.views[&query.item].item.ver,
                    text: page.text,
                    total_bytes: body.len() as u64,
                    next: page.next.map(|at| at as u64),
                }))
            }
            Request::Decide(decide) => {
                let Some(view) = self.views.get_mut(&decide.item) else {
                    return Err(Error::new(ErrorKind::Refused, "no such item").into());
                };
                if let Some(who) = self.faster.take() {
                    view.item.ver += 1;
                    view.item.decided_by = Some(who);
                    let error = Error::new(ErrorKind::Stale, "the item moved on");
                    return Err(CallError { error, current: Some(Box::new(view.item.clone())) });
                }
                assert_eq!(decide.ver, Some(view.item.ver), "a decision names the version that was seen");
                view.item.ver += 1;
                view.item.state = State::Ready;
                self.rows.retain(|row| row.id != decide.item);
                Ok(Answer::Decided(Box::new(view.item.clone())))
            }
            Request::DecideMany { decisions } => {
                let results = decisions
                    .into_iter()
                    .map(|decide| {
                        let row = self.rows.iter().find(|row| row.id == decide.item);
                        let fits = row.is_some_and(|row| decide.ver == Some(row.version));
                        let error = (!fits).then(|| Error::new(ErrorKind::Stale, "the item moved on"));
                        if fits {
                            self.rows.retain(|row| row.id != decide.item);
                        }
                        DecideResult { item: decide.item, error }
                    })
                    .collect();
                Ok(Answer::DecidedMany { results })
            }
            Request::Audit(query) => {
                let older = self.audit.iter().filter(|row| query.before.is_none_or(|before| row.seq < before));
                let rows = older.filter(|row| query.item.is_none() || row.item == query.item);
                Ok(Answer::Audit { rows: rows.take(query.limit as usize).cloned().collect() })
            }
            Request::GuardPlan { module } => Ok(Answer::Guard(GuardPlan {
                module,
                tripped: Some("first sync: 1,240 creates on the CRM wait for a look".into()),
                held: 1_240,
                ready: 0,
                as_of: Some(fixture::now()),
                creates: BTreeMap::from([(Side::Crm, 1_240)]),
                updates: BTreeMap::new(),
                conflicts: 3,
                approval: self.approval.clone(),
                samples: (1..6).map(fixture::row).collect(),
                hash: Fingerprint(0x1234_5678_9abc_def0_1234_5678_9abc_def0),
            })),
            Request::Module { module, before, limit } => {
                let mut view = fixture::module_view(module);
                if let Some(status) = self.status.modules.iter().find(|status| status.name == module) {
                    view.status = status.clone();
                }
                let older = self.runs.iter().filter(|run| before.is_none_or(|before| run.number < before));
                view.runs = older.clone().take(limit as usize).cloned().collect();
                view.more = older.count() > limit as usize;
                Ok(Answer::Module(Box::new(view)))
            }
            Request::Matches(query) => Ok(Answer::Matches(self.match_page(&query))),
            Request::MatchOptions { entry, text } => {
                let others = self.matches.iter().filter(|row| row.kind == entry.kind && row.side != entry.side);
                let options = others.filter(|row| row.name.contains(&text)).take(5).map(|row| self.line(row)).collect();
                Ok(Answer::MatchOptions { options, without: text.is_empty().then_some(12) })
            }
            Request::MapShow { module } => match self.map.clone().filter(|map| map.module == module) {
                Some(map) => Ok(Answer::Map(Box::new(map))),
                None => Err(Error::new(ErrorKind::Refused, format!("{module} is not switched on")).into()),
            },
            Request::MapChange(change) => {
                let map = self.map.as_mut().unwrap();
                if let Some(who) = self.faster.take() {
                    map.version += 1;
                    return Err(Error::new(ErrorKind::Stale, format!("the map moved on: {who} was faster")).into());
                }
                assert_eq!(change.expect, map.version, "a change names the version that was seen");
                (map.version, map.in_force) = (map.version + 1, map.version + 1);
                let message = "Values that are there already are not touched.".to_owned();
                Ok(Answer::MapChanged(MapChanged { version: map.version, findings: Vec::new(), message }))
            }
            Request::MapHistory { .. } => {
                let versions = self.map.iter().filter_map(|map| map.last.clone()).collect();
                Ok(Answer::MapHistory { versions, more: 2 })
            }
            Request::Check => Ok(Answer::Check {
                rows: vec![CheckRow {
                    what: "ivvy clock".into(),
                    ok: false,
                    found: "6 minutes ahead".into(),
                    hint: Some("set the clock by NTP".into()),
                }],
            }),
            Request::AuditVerify => Ok(Answer::AuditVerified { rows: 300, broken_at: None }),
            Request::Doctor { .. } => Ok(Answer::Doctor { findings: vec![], rebuilt: false }),
            Request::Sync { .. } => done("a sweep was started"),
            Request::Pause { .. } => done("paused"),
            Request::GuardRelease { .. } => done("released"),
            _ => done("ok"),
        }
    }

    fn line(&self, row: &MatchRow) -> MatchLine {
        let other = self.matches.iter().find(|other| other.side != row.side && Some(&other.id) == row.other.as_ref());
        let change = other.and_then(|other| tandem::merge::people::difference(row, other));
        let name = other.map(|other| other.name.clone());
        MatchLine { row: row.clone(), other: name, because: row.because(true).to_owned(), change }
    }

    fn match_page(&self, query: &MatchQuery) -> MatchPage {
        let mut counts = BTreeMap::new();
        let of_side = || self.matches.iter().filter(|row| row.kind == query.kind && row.side == query.side);
        of_side().for_each(|row| *counts.entry(row.state).or_default() += 1);
        let rows: Vec<MatchLine> = of_side()
            .filter(|row| query.state.is_none_or(|state| row.state == state))
            .filter(|row| query.text.as_ref().is_none_or(|text| row.name.to_lowercase().contains(&text.to_lowercase())))
            .map(|row| self.line(row))
            .collect();
        let after = query.after.as_ref().and_then(|id| rows.iter().position(|line| line.row.id.0 == *id));
        let from = after.map_or(0, |at| at + 1);
        let to = (from + query.limit as usize).min(rows.len());
        let more = (to < rows.len()).then(|| rows[to - 1].row.id.0.clone());
        // Whoever gives the world sources has a CRM that lists them.
        let unlisted = query.kind == MatchKind::LeadSource && of_side().next().is_none();
        let off = unlisted.then(|| "odoo does not list its lead sources".to_owned());
        MatchPage { rows: rows[from..to].to_vec(), more, counts, off, error: None }
    }

    fn page(&self, query: &PageQuery) -> Rows {
        let filter = &query.filter;
        let rows: Vec<&Row> = self
            .rows
            .iter()
            .filter(|row| filter.state.is_none_or(|state| row.state == state))
            .filter(|row| filter.module.is_none_or(|module| row.module == module))
            .filter(|row| {
                filter.text.as_ref().is_none_or(|text| row.title.to_lowercase().contains(&text.to_lowercase()))
            })
            .collect();
        let limit = query.limit as usize;
        let (from, to) = match &query.anchor {
            Anchor::Start => (0, limit),
            Anchor::End => (rows.len().saturating_sub(limit), rows.len()),
            Anchor::At(token) => {
                let at = rows.partition_point(|row| row.token < *token);
                (at, at + limit)
            }
            Anchor::After(token) => {
                let at = rows.partition_point(|row| row.token <= *token);
                (at, at + limit)
            }
            Anchor::Before(token) => {
                let at = rows.partition_point(|row| row.token < *token);
                (at.saturating_sub(limit), at)
            }
        };
        let to = to.min(rows.len());
        Rows {
            rows: rows[from..to].iter().map(|row| (*row).clone()).collect(),
            more_before: from > 0,
            more_after: to < rows.len(),
            total: Some(rows.len() as u64),
            continue_at: None,
            seq: Seq(1),
        }
    }
}
