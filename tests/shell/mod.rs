//! A daemon without an engine, for the tests of socket, client and command line.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![allow(dead_code, reason = "every test binary uses another part of it")]

use std::collections::BTreeMap;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use tandem::config::Operator;
use tandem::daemon::{self, DaemonHandle, Limits, Options, Roster, Service, ServiceError};
use tandem::error::{Error, ErrorKind};
use tandem::model::matching::Entry;
use tandem::model::plan::Candidate;
use tandem::model::query::Awaited;
use tandem::model::*;
use tandem::seam::{Clock as _, SystemClock};
use tandem::wire::*;
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;

pub const AT: i64 = 1_795_000_000_000;

/// Answers from memory and remembers what it was asked.
pub struct Fake {
    pub items: Mutex<BTreeMap<ItemId, Item>>,
    pub asked: Mutex<Vec<(String, Request)>>,
    pub events: broadcast::Sender<Event>,
    /// Calls of `Check` wait for this.
    pub gate: Notify,
    pub gated: std::sync::atomic::AtomicBool,
    /// Overrides the state of the contacts module.
    pub module_state: Mutex<String>,
    pub broken_at: Mutex<Option<Seq>>,
    pub syncs: std::sync::atomic::AtomicU32,
}

impl Fake {
    pub fn new() -> Arc<Self> {
        let items = (1..=5).map(|number| (ItemId(number), item(number))).collect();
        Arc::new(Self {
            items: Mutex::new(items),
            asked: Mutex::new(Vec::new()),
            events: broadcast::Sender::new(64),
            gate: Notify::new(),
            gated: false.into(),
            module_state: Mutex::new("running".to_owned()),
            broken_at: Mutex::new(None),
            syncs: 0.into(),
        })
    }

    pub fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().iter().map(|(_, request)| request.clone()).collect()
    }

    fn decide(&self, actor: &Actor, decide: &Decide) -> Result<Item, ServiceError> {
        let mut items = self.items.lock().unwrap();
        let Some(item) = items.get_mut(&decide.item) else {
            return Err(Error::new(ErrorKind::Refused, format!("there is no item {}", decide.item))
                .hint("list")
                .into());
        };
        if decide.ver.is_some_and(|ver| ver != item.ver) {
            let error = Error::new(ErrorKind::Stale, format!("item {} moved on", item.id)).hint("look again");
            return Err(ServiceError { error, current: Some(Box::new(item.clone())) });
        }
        item.ver += 1;
        item.decided_by = Some(actor.name.clone());
        item.state = match decide.verb {
            Verb::Skip => State::Skipped,
            Verb::Approve | Verb::Force => State::Ready,
            _ => item.state,
        };
        Ok(item.clone())
    }

    fn status(&self) -> Status {
        let modules = ModuleId::PEOPLE.map(|module| ModuleStatus {
            name: module,
            state: match module {
                ModuleId::Contacts => self.module_state.lock().unwrap().clone(),
                _ => "running".to_owned(),
            },
            direction: "both".to_owned(),
            cursor_lag_s: Some(if self.syncs.load(std::sync::atomic::Ordering::SeqCst) > 0 { 0 } else { 60 }),
            next_run_s: Some(840),
            counts: BTreeMap::from([(State::Held, 5)]),
            reasons: BTreeMap::from([(Reason::Conflict, 5)]),
            drifted: 0,
            rate_per_min: 3,
            rates: vec![1, 2, 3],
            progress: None,
            guard: None,
            last_error: None,
            waits: None,
        });
        Status {
            account: "acme".to_owned(),
            daemon: DaemonStatus { version: "0.1.0".to_owned(), pid: 1, now: SystemClock.now(), ..Default::default() },
            modules: modules.to_vec(),
            matches: Vec::new(),
            remotes: vec![RemoteStatus { name: "ivvy".to_owned(), breaker: "closed".to_owned(), ..Default::default() }],
            streams: streams(),
            notifications: None,
            seq: Seq(9),
        }
    }

    fn page(&self, query: &PageQuery) -> Rows {
        let after = match &query.anchor {
            Anchor::After(token) => token.parse().unwrap(),
            _ => 0,
        };
        let items = self.items.lock().unwrap();
        let all: Vec<&Item> = items
            .values()
            .filter(|item| query.filter.module.is_none_or(|module| item.module == module))
            .filter(|item| query.filter.text.as_ref().is_none_or(|text| item.title.contains(text.as_str())))
            .filter(|item| item.id.0 > after)
            .collect();
        let limit = query.limit as usize;
        Rows { more_after: all.len() > limit, rows: all.into_iter().take(limit).map(row).collect(), ..Rows::default() }
    }
}

impl Service for Fake {
    fn hello(&self, _actor: &Actor) -> Hello {
        Hello {
            protocol: PROTOCOL,
            version: "0.1.0".to_owned(),
            account: "acme".to_owned(),
            environment: "sandbox".to_owned(),
            operator: "not to be believed".to_owned(),
            role: Role::Admin,
            sides: Default::default(),
            crm: "odoo".to_owned(),
            guarantees: BTreeMap::from([(Side::Crm, "verified afterwards".to_owned())]),
            modules: ModuleId::PEOPLE.map(ModuleId::def).to_vec(),
            impossible: Vec::new(),
        }
    }

    fn answer<'a>(&'a self, actor: &'a Actor, request: Request) -> BoxFuture<'a, Result<Answer, ServiceError>> {
        self.asked.lock().unwrap().push((actor.name.clone(), request.clone()));
        Box::pin(async move {
            Ok(match request {
                Request::Status => Answer::Status(self.status()),
                Request::Page(query) => Answer::Rows(self.page(&query)),
                Request::Item { id } => match self.items.lock().unwrap().get(&id) {
                    Some(item) => Answer::Item(Box::new(view(item.clone()))),
                    None => return Err(Error::new(ErrorKind::Refused, format!("there is no item {id}")).into()),
                },
                Request::Preview(query) => {
                    // A page that attacks the terminal, in two parts that meet in the middle of a line.
                    let page = match query.from {
                        0 => "Dear Ann\u{1b}]0;owned\u{7},\nsee the \u{202e}",
                        _ => "programme\u{9b}2J.\n<script>x</script>",
                    };
                    Answer::Preview(Preview {
                        of: query.of.unwrap_or(PreviewOf::Crm),
                        ver: if query.from > 0 && query.field == "moving" { 4 } else { 3 },
                        text: page.to_owned(),
                        total_bytes: 60,
                        next: (query.from == 0).then_some(30),
                    })
                }
                Request::Decide(decide) => Answer::Decided(Box::new(self.decide(actor, &decide)?)),
                Request::DecideMany { decisions } => Answer::DecidedMany {
                    results: decisions
                        .iter()
                        .map(|decide| DecideResult {
                            item: decide.item,
                            error: self.decide(actor, decide).err().map(|failed| failed.error),
                        })
                        .collect(),
                },
                Request::Audit(query) => Answer::Audit {
                    rows: [audit_row(8), audit_row(7)]
                        .into_iter()
                        .filter(|row| query.before.is_none_or(|before| row.seq < before))
                        .take(query.limit as usize)
                        .collect(),
                },
                Request::AuditVerify => Answer::AuditVerified { rows: 8, broken_at: *self.broken_at.lock().unwrap() },
                Request::GuardPlan { module } => Answer::Guard(GuardPlan {
                    module,
                    tripped: (module == ModuleId::Contacts).then(|| "first sync".to_owned()),
                    held: 5,
                    ready: 0,
                    as_of: None,
                    creates: BTreeMap::from([(Side::Crm, 4)]),
                    updates: BTreeMap::from([(Side::Ivvy, 1)]),
                    conflicts: 1,
                    approval: (module == ModuleId::Contacts).then(|| "S-360 must have agreed".to_owned()),
                    samples: vec![row(&item(1))],
                    hash: Fingerprint(0xabc),
                }),
                Request::GuardRelease { expect, .. } | Request::GuardDiscard { expect, .. } if expect != 5 => {
                    return Err(Error::new(ErrorKind::Stale, "5 items are held").hint("look again").into());
                }
                Request::Check => {
                    if self.gated.load(std::sync::atomic::Ordering::SeqCst) {
                        self.gate.notified().await;
                    }
                    let row = |ok: bool| CheckRow {
                        what: "ivvy ping".to_owned(),
                        ok,
                        found: "200 in 12 ms".to_owned(),
                        hint: (!ok).then(|| "check the key".to_owned()),
                    };
                    Answer::Check { rows: vec![row(true), row(*self.module_state.lock().unwrap() == "running")] }
                }
                Request::Doctor { rebuild } => {
                    Answer::Doctor { findings: vec!["index held differs".to_owned()], rebuilt: rebuild }
                }
                Request::Sync { .. } => {
                    self.syncs.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    Answer::Done { message: "started".to_owned() }
                }
                Request::Module { module: ModuleId::Leads, .. } => {
                    return Err(Error::new(ErrorKind::Refused, "Leads is off").hint("switch it on").into());
                }
                Request::Module { module, before, limit } => {
                    let begin = |number: u64| RunRow {
                        number,
                        rows: number,
                        ..RunRow::begin(module, Side::Ivvy, RunKind::Full, false, Timestamp::from_millis(AT))
                    };
                    let hostile = Some("503 \u{1b}]0;owned\u{7}".to_owned());
                    let newest =
                        RunRow { error: hostile, times: 3, ..begin(30).ended(RunEnd::Failed, SystemClock.now()) };
                    let done = (1..30).rev().map(|number| begin(number).ended(RunEnd::Done, SystemClock.now()));
                    let mut runs: Vec<RunRow> = std::iter::once(newest).chain(done).collect();
                    runs.retain(|run| before.is_none_or(|before| run.number < before));
                    let more = runs.len() > limit as usize;
                    runs.truncate(limit as usize);
                    let mut def = module.def();
                    let custom =
                        FieldDef { name: "shoe_size".into(), title: "Shoe size".into(), ..def.fields[0].clone() };
                    def.fields.push(custom);
                    let status = self.status().modules.into_iter().find(|status| status.name == module).unwrap();
                    let failures = Failures { writes_hour: 2, written_hour: 38, ..Failures::default() };
                    let settings = ModuleSettings { interval_s: 900, ..ModuleSettings::default() };
                    Answer::Module(Box::new(ModuleView { status, def, settings, failures, runs, more }))
                }
                Request::Matches(query) => {
                    let entry = Entry { id: "7".into(), name: "Ada".into(), email: None, active: true };
                    let row = MatchRow::new(query.kind, query.side, &entry, SystemClock.now());
                    let because = row.because(true).to_owned();
                    let rows = vec![MatchLine { row, other: None, because, change: None }];
                    match (query.kind, query.after) {
                        (MatchKind::Staff, _) => Answer::Matches(MatchPage { rows, ..MatchPage::default() }),
                        (_, None) => {
                            Answer::Matches(MatchPage { rows, more: Some("7".to_owned()), ..MatchPage::default() })
                        }
                        // A source that differs from its counterpart, beyond the first window.
                        (kind, Some(_)) => {
                            let entry =
                                Entry { id: "8".into(), name: "Fair\u{1b}[31m".into(), email: None, active: false };
                            let row = MatchRow::new(kind, query.side, &entry, SystemClock.now());
                            let change = SourceChange { name: Some(entry.name), active: Some(false) };
                            let (other, change) = (Some("Fete".to_owned()), Some(change));
                            let rows = vec![MatchLine { row, other, because: String::new(), change }];
                            Answer::Matches(MatchPage { rows, ..MatchPage::default() })
                        }
                    }
                }
                Request::MatchOptions { .. } => Answer::MatchOptions { options: Vec::new(), without: Some(3) },
                Request::MapShow { module } => Answer::Map(Box::new(map(module))),
                Request::MapChange(change) if change.expect != 3 => {
                    return Err(Error::new(ErrorKind::Stale, "bob made version 4").hint("look again").into());
                }
                Request::MapChange(_) => Answer::MapChanged(MapChanged {
                    version: 4,
                    findings: Vec::new(),
                    message: "old values are not touched".to_owned(),
                }),
                // Of ten versions at most three at once.
                Request::MapHistory { before, limit, .. } => {
                    let version = |version| FieldMap {
                        version,
                        fields: Vec::new(),
                        what: format!("version {version}"),
                        reason: None,
                        by: Actor::engine(),
                        at: Timestamp::from_millis(AT),
                    };
                    let newest = before.map_or(10, |before| before - 1);
                    let versions: Vec<FieldMap> = (1..=newest).rev().take(limit.min(3) as usize).map(version).collect();
                    let more = versions.last().map_or(0, |oldest| oldest.version - 1);
                    Answer::MapHistory { versions, more }
                }
                Request::MapResync { .. }
                | Request::MatchDecide { .. }
                | Request::MatchUpdate { .. }
                | Request::MatchRefresh { .. }
                | Request::Pause { .. }
                | Request::Resume { .. }
                | Request::GuardRelease { .. }
                | Request::GuardDiscard { .. } => Answer::Done { message: "done".to_owned() },
                Request::Streams => Answer::Streams { rows: streams() },
                Request::StreamItems { stream, after, limit } => {
                    let item = |number: u64| StreamItem {
                        number,
                        index: Some(7),
                        at: Timestamp::from_millis(AT),
                        id: Some("10\u{1b}[31m7".to_owned()),
                        why: "it has no number".to_owned(),
                        bytes: 2,
                        body: "{}".to_owned(),
                    };
                    let of = if stream.kind.is_inbound() { 1..=3 } else { 9..=9 };
                    let mut items: Vec<StreamItem> =
                        of.filter(|number| after.is_none_or(|after| *number > after)).map(item).collect();
                    let more = items.len() > limit as usize;
                    items.truncate(limit as usize);
                    Answer::StreamItems(StreamItems { items, more })
                }
                // Two checks in a window at most; the third is somebody else's, which leaves a window empty.
                Request::AccessChecks(query) => {
                    let check = |number: u64| AccessCheck {
                        number,
                        institution: "ACME".to_owned(),
                        told_at: Timestamp::from_millis(AT),
                        at: Some("2026-02-09 18:25:10".to_owned()),
                        flow: Some("IN".to_owned()),
                        result: Some("FAIL".to_owned()),
                        failure: Some("NO_\u{1b}[31mENTRY".to_owned()),
                        ticket: Some(format!("77{number}")),
                        barcode: Some("…6789".to_owned()),
                    };
                    let from = query.before.as_ref().map_or(5, |place| place.parse::<u64>().unwrap() - 1);
                    let most = if from == 3 { 0 } else { u64::from(query.limit.min(2)) };
                    let numbers: Vec<u64> = (1..=from).rev().take(usize::try_from(most).unwrap()).collect();
                    let last = numbers.last().copied().unwrap_or(3);
                    let checks = numbers.into_iter().map(check).collect();
                    Answer::AccessChecks(AccessChecks { checks, more: (last > 1).then(|| last.to_string()) })
                }
                Request::StreamDo { verb: StreamVerb::FirstSync { date, .. }, .. } if date.contains('/') => {
                    return Err(Error::new(ErrorKind::Refused, "it is ambiguous").hint("2026-01-31").into());
                }
                Request::StreamDo { .. } => Answer::Done { message: "done".to_owned() },
                Request::Watch | Request::Shutdown => unreachable!("the daemon answers these itself"),
            })
        })
    }

    fn changes(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }
}

/// A stream of S-360 that set records aside, and a pushed one that is fine.
fn streams() -> Vec<StreamRow> {
    let row = |id: &str, inbound: bool| StreamRow {
        id: id.parse().unwrap(),
        title: "S-360 contacts".to_owned(),
        inbound,
        auth: StreamAuth::Basic,
        secrets: 2,
        place: "/s360/contacts/ACME".to_owned(),
        operator: true,
        needs_first_sync: inbound,
        modules: vec![ModuleId::Contacts],
        rhythm: Some(Rhythm { every: std::time::Duration::from_secs(900), per_run: 500, per_payload: 50, tries: 12 }),
        state: StreamState { payloads: 4, records: 200, ..StreamState::default() },
        health: Health { waits_for_first_sync: inbound, ..Health::default() },
        aside: if inbound { 3 } else { 0 },
        pending: 0,
        unfinished: 0,
        dead: 0,
        reconciling: None,
    };
    vec![row("s360_contacts/ACME", true), row("push_orders", false)]
}

pub fn item(number: u64) -> Item {
    let email = FieldPlan {
        field: "email".to_owned(),
        base_ivvy: Some("old@example.com".into()),
        base_crm: Some("old@example.com".into()),
        ivvy: Some("ann@example.com".into()),
        crm: Some("anna@example.com".into()),
        verdict: Verdict::Conflict,
        why: Why::BothChanged,
        merged: None,
        choice: None,
        moved: false,
    };
    let module = if number == 5 { ModuleId::Companies } else { ModuleId::Contacts };
    let pair = PairKey::Link(LinkId(number));
    Item {
        state: State::Held,
        reasons: Reasons::one(Reason::Conflict),
        ver: 3,
        seen: Fingerprint(7),
        priority: 1,
        // A record that tries to paint the operator's terminal and to reverse the line.
        title: format!("Ann {number}\u{1b}[31m\u{202e}\u{9b}"),
        plan: Plan { fields: vec![email], summary: "1 conflict".to_owned(), mapping_version: 1, ..Plan::default() },
        ..Item::new(ItemId(number), module, pair, Kind::Update, Timestamp::from_millis(AT))
    }
}

fn view(item: Item) -> ItemView {
    let facts = |candidate: &Candidate| CandidateView {
        facts: vec!["ann@else.example".to_owned(), "\u{1b}[31m+49 7".to_owned()],
        paired: Some(Candidate { side: candidate.side.other(), id: "77".into(), title: "Ann".to_owned() }),
    };
    let candidates = item.plan.candidates.iter().map(facts).collect();
    let waits_for = awaited(&item);
    ItemView {
        item,
        ivvy_modified: Some(Timestamp::from_millis(AT)),
        crm_modified: None,
        authors: BTreeMap::new(),
        verbs: BTreeMap::from([(Verb::Approve, Some("1 field needs a choice".to_owned()))]),
        history: vec![audit_row(7)],
        cut: BTreeMap::new(),
        candidates,
        waits_for,
    }
}

/// What an item waits for, as its record is called here.
fn awaited(item: &Item) -> Option<Awaited> {
    let (module, _) = item.waits_for.as_ref()?;
    Some(Awaited {
        module: *module,
        item: Some(ItemId(4)),
        state: Some(State::Held),
        title: "Acme\u{1b}[2J".to_owned(),
    })
}

fn row(item: &Item) -> Row {
    Row {
        token: item.id.to_string(),
        id: item.id,
        module: item.module,
        kind: item.kind,
        state: item.state,
        reasons: item.reasons,
        version: item.ver,
        title: item.title.clone(),
        priority: item.priority,
        since: item.created_at,
        ready_at: item.ready_at,
        summary: item.plan.summary.clone(),
        unsolved: 1,
        assigned: None,
        waits_for: awaited(item),
    }
}

pub fn audit_row(seq: u64) -> AuditRow {
    AuditRow {
        seq: Seq(seq),
        at: Timestamp::from_millis(AT),
        actor: Actor::engine(),
        module: Some(ModuleId::Contacts),
        item: Some(ItemId(1)),
        link: None,
        what: AuditEvent::Planned { state: State::Held, summary: "1 conflict".to_owned() },
        hash: "00".repeat(32),
    }
}

/// A directory of our own with a socket path in it.
pub struct Place {
    pub directory: tempfile::TempDir,
    pub socket: PathBuf,
}

pub fn place() -> Place {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let socket = directory.path().join("t.sock");
    Place { directory, socket }
}

/// Us, in this role.
pub fn roster(role: Role) -> Roster {
    let me = Operator { uid: Some(uzers::get_effective_uid()), login: None, role };
    Roster::of(BTreeMap::from([("tess".to_owned(), me)]), None)
}

pub fn options(socket: &Path, role: Role) -> Options {
    Options {
        socket: socket.to_owned(),
        group: None,
        roster: roster(role),
        limits: Limits::default(),
        clock: Arc::new(SystemClock),
        shutdown: CancellationToken::new(),
    }
}

pub fn start(fake: &Arc<Fake>, socket: &Path, role: Role) -> DaemonHandle {
    daemon::start(Arc::clone(fake) as Arc<dyn Service>, options(socket, role)).unwrap()
}

/// Waits until `condition` holds.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(std::time::Duration::from_secs(20), async {
        while !condition() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "never happened: {what}");
}

pub fn make_directory(path: &Path, mode: u32) {
    std::fs::DirBuilder::new().mode(mode).create(path).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// A map of one field that no longer fits, with names that attack the terminal.
fn map(module: ModuleId) -> MapView {
    let hostile = "Di\u{1b}]0;owned\u{7}et\u{202e}";
    let definition = |name: &str| FieldDefinition {
        name: name.to_owned(),
        title: hostile.to_owned(),
        kind: Some(FieldKind::Text),
        writable: true,
        options: Vec::new(),
    };
    let field = CustomField {
        name: "diet".to_owned(),
        title: Some(hostile.to_owned()),
        kind: CustomKind::Text,
        ivvy: 12,
        crm: hostile.to_owned(),
        flow: Flow::Both,
        transform: Transform::Trim,
        default: Some(hostile.into()),
    };
    let findings = vec![Finding { fault: true, text: format!("odoo has no field {hostile}") }];
    MapView {
        module,
        version: 3,
        in_force: 3,
        last: None,
        mapped: vec![MapLine { field, origin: MapOrigin::Store, findings }],
        definitions: BTreeMap::from([
            (Side::Ivvy, vec![definition("12"), definition("13")]),
            (Side::Crm, vec![definition("x_tier"), definition(hostile)]),
        ]),
        errors: BTreeMap::new(),
        suggestions: Vec::new(),
        left_out: MapLeftOut { mapped: 2, fields: BTreeMap::from([(Side::Crm, 7)]), suggestions: 0 },
    }
}
