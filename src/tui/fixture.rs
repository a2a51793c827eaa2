//! Made-up items and answers for tests. Also compiled into the integration tests, which see only the
//! library's public face; hence nothing here uses more than that.

use std::collections::BTreeMap;

use crate::model::{
    Actor, AuditEvent, AuditRow, Choice, CustomField, CustomKind, FieldDefinition, FieldKind, FieldMap, FieldPlan,
    Finding, Fingerprint, Flow, Item, ItemId, Kind, ModuleId, PairKey, Plan, Reason, Reasons, RecordId, Role, RunEnd,
    RunKind, RunRow, Seq, Side, State, Timestamp, Transform, Value, Verb, Verdict, Why,
};
use crate::model::{FirstSync, Gap, Health, PushRun, Rhythm, StreamId, StreamKind, StreamState};
use crate::wire::{
    Failures, GuardLimit, Hello, ItemView, MapLine, MapOrigin, MapSuggestion, MapView, ModuleSettings, ModuleStatus,
    ModuleView, Row, StreamAuth, StreamItem, StreamRow,
};

/// The moment every fixture is about.
pub fn now() -> Timestamp {
    Timestamp::from_secs(1_795_000_000)
}

/// A daemon that takes us for an administrator.
#[allow(dead_code)] // only the integration tests start a whole console
pub fn hello() -> Hello {
    Hello {
        protocol: crate::wire::PROTOCOL,
        version: "0.1.0".into(),
        account: "Harbour Events".into(),
        environment: "sandbox".into(),
        operator: "anna".into(),
        role: Role::Admin,
        crm: "odoo".into(),
        sides: crate::wire::SideNames::default(),
        guarantees: BTreeMap::from([
            (Side::Ivvy, "iVvy cannot refuse a stale write; we read just before".to_owned()),
            (Side::Crm, "odoo cannot refuse a stale write; we read just before".to_owned()),
        ]),
        modules: ModuleId::PEOPLE.into_iter().map(ModuleId::def).collect(),
        impossible: Vec::new(),
    }
}

/// Streams in every state there is: two institutions of S-360, the Connector, a pushed CRM.
#[allow(dead_code)] // only the integration tests show a dashboard
pub fn streams(now: Timestamp) -> Vec<StreamRow> {
    let minutes = |count: u64| std::time::Duration::from_secs(count * 60);
    let rhythm = Rhythm { every: minutes(15), per_run: 500, per_payload: 50, tries: 12 };
    let row = |id: &str, title: &str, auth: StreamAuth| {
        let at = now.minus(minutes(3));
        let run = PushRun { started_at: now.minus(minutes(4)), last_at: at, posts: 10, records: 500 };
        let first = FirstSync { from: now, entered: "2026-01-31 Europe/Paris".into(), by: "anna".into(), at };
        let state = StreamState {
            payloads: 41,
            records: 1_204,
            repeated: 2,
            last_at: Some(at),
            run: Some(run),
            first_sync: Some(first),
            tested_at: Some(now.minus(minutes(90))),
            ..StreamState::default()
        };
        StreamRow {
            id: id.parse().unwrap_or(StreamId::new(StreamKind::S360Access, id)),
            title: title.into(),
            inbound: true,
            auth,
            secrets: 1,
            place: format!("/{}", id.replace('_', "/")),
            operator: true,
            needs_first_sync: id.starts_with("s360"),
            modules: vec![ModuleId::Contacts],
            rhythm: Some(rhythm),
            health: Health { next_expected: Some(now.plus(minutes(11))), ..Health::default() },
            aside: 0,
            pending: 0,
            unfinished: 0,
            dead: 0,
            reconciling: None,
            state,
        }
    };
    let mut contacts = row("s360_contacts/ACME", "S-360 contacts", StreamAuth::Basic);
    (contacts.secrets, contacts.aside) = (2, 3);
    contacts.health.backlog_likely = true;
    let mut orders = row("s360_orders/ACME", "S-360 orders", StreamAuth::None);
    orders.health = Health { waits_for_first_sync: true, silent: true, next_expected: None, ..orders.health };
    (orders.state.first_sync, orders.state.tested_at, orders.operator) = (None, None, false);
    let mut lost = row("s360_contacts/GLOBE", "S-360 contacts", StreamAuth::ApiKey);
    lost.health.possible_loss = true;
    lost.state.possible_loss = Some(Gap { from: now.minus(minutes(400)), to: now.minus(minutes(40)) });
    lost.reconciling = Some((120, 1_200));
    let mut people = row("connector_people/HARBOUR", "Connector people", StreamAuth::ApiKey);
    (people.rhythm, people.health, people.state.run) = (None, Health::default(), None);
    let mut pushed = row("push_orders", "Pushed orders", StreamAuth::Basic);
    (pushed.inbound, pushed.dead, pushed.unfinished, pushed.pending) = (false, 2, 1, 12);
    pushed.place = "https://crm.example.com/orders".into();
    vec![contacts, orders, lost, people, pushed]
}

/// A record that was set aside.
#[allow(dead_code)] // as above
pub fn stream_item(number: u64, id: &str, why: &str) -> StreamItem {
    StreamItem {
        number,
        index: Some(7),
        at: now(),
        id: Some(id.into()),
        why: why.into(),
        bytes: 36,
        body: format!("{{\"contactNumber\":\"{id}\",\"n\":{number}}}"),
    }
}

/// One field with both sides changed.
pub fn field(name: &str, base: &str, ivvy: &str, crm: &str) -> FieldPlan {
    let value = |text: &str| Some(Value::text(text));
    let (verdict, why) = match (ivvy == base, crm == base) {
        (true, true) => (Verdict::Same, Why::Unchanged),
        (false, true) => (Verdict::ToCrm, Why::IvvyChanged),
        (true, false) => (Verdict::ToIvvy, Why::CrmChanged),
        (false, false) => (Verdict::Conflict, Why::BothChanged),
    };
    FieldPlan {
        field: name.into(),
        base_ivvy: value(base),
        base_crm: value(base),
        ivvy: value(ivvy),
        crm: value(crm),
        verdict,
        why,
        merged: None,
        choice: None::<Choice>,
        moved: false,
    }
}

/// A held contact with two conflicting fields, one decided by the rules and one unchanged.
pub fn conflict(id: u64) -> ItemView {
    let fields = vec![
        field("first_name", "Anna", "Anna", "Anna"),
        field("last_name", "Smith", "Smith-Lee", "Smith"),
        field("email", "anna@old.example", "anna@ivvy.example", "anna.smith@crm.example"),
        field("phone", "+61 2 5550 1000", "+61 2 5550 1234", "+61 2 5550 9999"),
    ];
    view(id, "Anna Smith", fields)
}

/// A held contact with these fields.
pub fn view(id: u64, title: &str, fields: Vec<FieldPlan>) -> ItemView {
    let item = Item {
        state: State::Held,
        reasons: Reasons::one(Reason::Conflict),
        ver: 3,
        seen: Fingerprint(u128::from(id) * 1_000 + 3),
        priority: 1,
        title: title.into(),
        plan: Plan {
            fields,
            ivvy: Some(RecordId::from("8812")),
            crm: Some(RecordId::from("4411")),
            candidates: Vec::new(),
            summary: "2 fields differ on both sides".into(),
            mapping_version: 1,
        },
        ..Item::new(
            ItemId(id),
            ModuleId::Contacts,
            PairKey::Lone(Side::Ivvy, RecordId::from("8812")),
            Kind::Update,
            now(),
        )
    };
    let possible = [Verb::Approve, Verb::Skip, Verb::Snooze, Verb::Force, Verb::Edit, Verb::Claim];
    ItemView {
        item,
        ivvy_modified: Some(now()),
        crm_modified: Some(now()),
        authors: BTreeMap::from([(Side::Crm, "Bob".to_owned())]),
        verbs: possible.into_iter().map(|verb| (verb, None)).collect(),
        history: vec![audit_row(41), audit_row(40)],
        cut: BTreeMap::new(),
        candidates: Vec::new(),
        waits_for: None,
    }
}

/// A row of the queue for [`conflict`].
pub fn row(id: u64) -> Row {
    Row {
        token: format!("t{id:08}"),
        id: ItemId(id),
        module: ModuleId::Contacts,
        kind: Kind::Update,
        state: State::Held,
        reasons: Reasons::one(Reason::Conflict),
        version: 3,
        title: format!("Contact {id}"),
        priority: 1,
        since: now(),
        ready_at: now(),
        summary: "2 fields differ on both sides".into(),
        unsolved: 2,
        assigned: None,
        waits_for: None,
    }
}

/// A module that runs, and has not run yet.
pub fn module_view(module: ModuleId) -> ModuleView {
    let limit = |what: &str, count| GuardLimit { what: what.into(), count, per_mille: 50, allowed: count };
    ModuleView {
        status: ModuleStatus {
            name: module,
            state: "running".into(),
            direction: module.flow().to_string(),
            cursor_lag_s: Some(12),
            next_run_s: Some(48),
            counts: BTreeMap::from([(State::Held, 3), (State::Done, 9)]),
            reasons: BTreeMap::from([(Reason::Conflict, 3)]),
            drifted: 0,
            rate_per_min: 7,
            rates: vec![0, 1, 3, 7],
            progress: None,
            guard: None,
            last_error: None,
            waits: None,
        },
        def: module.def(),
        settings: ModuleSettings {
            interval_s: 900,
            full_interval_s: 86_400,
            first_sync: Some(now()),
            guard: vec![limit("creates", 200), limit("emptied", 20)],
            guard_window_s: 3_600,
            shrink_percent: 50,
        },
        failures: Failures { writes_minute: 1, writes_hour: 3, written_hour: 57, sweeps_minute: 0, sweeps_hour: 2 },
        runs: Vec::new(),
        more: false,
    }
}

/// The last `count` sweeps of contacts, newest first, with one of every way to end.
#[allow(dead_code)] // only the integration tests show them
pub fn runs(count: u64) -> Vec<RunRow> {
    let at = |number: u64| now().minus(std::time::Duration::from_secs((count - number) * 450));
    (1..=count)
        .rev()
        .map(|number| {
            let side = if number % 2 == 0 { Side::Ivvy } else { Side::Crm };
            let kind = if number % 9 == 1 { RunKind::Full } else { RunKind::Changes };
            let run = RunRow::begin(ModuleId::Contacts, side, kind, number % 7 == 0, at(number));
            let run = RunRow { number, rows: 40 + number, changed: number % 3, total: Some(1_200), ..run };
            let ended = at(number).plus(std::time::Duration::from_secs(3));
            let error = Some("odoo search_read: 503 Service Unavailable".to_owned());
            match count - number {
                0 => run,
                2 => RunRow { error, times: 4, rows: 0, changed: 0, ..run.ended(RunEnd::Failed, ended) },
                4 => RunRow { end: RunEnd::Interrupted, ..run },
                _ => RunRow { total: Some(40 + number), ..run.ended(RunEnd::Done, ended) },
            }
        })
        .collect()
}

/// A row of the audit log.
pub fn audit_row(seq: u64) -> AuditRow {
    AuditRow {
        seq: Seq(seq),
        at: now(),
        actor: Actor::engine(),
        module: Some(ModuleId::Contacts),
        item: Some(ItemId(seq % 7)),
        link: None,
        what: AuditEvent::Planned { state: State::Held, summary: "2 fields differ on both sides".into() },
        hash: String::new(),
    }
}

/// The field map of contacts: one field of the configuration, one of the store that fits, one that no longer
/// does; and fields on both sides that are not mapped, one with a suggestion.
#[allow(dead_code)] // only the integration tests show it
pub fn field_map() -> MapView {
    let definition = |name: &str, title: &str, kind: Option<FieldKind>| FieldDefinition {
        name: name.into(),
        title: title.into(),
        kind,
        writable: kind.is_some(),
        options: Vec::new(),
    };
    let line = |name: &str, ivvy: u64, crm: &str, origin: MapOrigin, findings: &[(bool, &str)]| MapLine {
        field: CustomField {
            name: name.into(),
            title: None,
            kind: CustomKind::Text,
            ivvy,
            crm: crm.into(),
            flow: Flow::Both,
            transform: Transform::None,
            default: None,
        },
        origin,
        findings: findings.iter().map(|(fault, text)| Finding { fault: *fault, text: (*text).into() }).collect(),
    };
    let mut seats =
        line("seats", 14, "x_seats", MapOrigin::Store, &[(true, "iVvy has no field 14 that could be mapped")]);
    seats.field.flow = Flow::ToCrm;
    let note = "Odoo takes only one of a list of options: other values are refused there and held";
    MapView {
        module: ModuleId::Contacts,
        version: 3,
        in_force: 3,
        last: Some(FieldMap {
            version: 3,
            fields: Vec::new(),
            what: "`seats` maps iVvy's 14 to `x_seats`".into(),
            reason: Some("the venue asked".into()),
            by: Actor { name: "anna".into(), uid: None, role: Role::Admin },
            at: now(),
        }),
        mapped: vec![
            line("birthday", 11, "x_birthday", MapOrigin::Configuration, &[]),
            line("diet", 12, "x_diet", MapOrigin::Store, &[(false, note)]),
            seats,
        ],
        definitions: BTreeMap::from([
            (
                Side::Ivvy,
                vec![
                    definition("11", "Birthday", Some(FieldKind::Date)),
                    definition("12", "Dietary needs", Some(FieldKind::Text)),
                    definition("13", "Badge", Some(FieldKind::Choice)),
                    definition("15", "Shoe size", Some(FieldKind::Int)),
                    definition("16", "Portrait", None),
                ],
            ),
            (
                Side::Crm,
                vec![
                    definition("x_birthday", "Birthday", Some(FieldKind::Date)),
                    definition("x_diet", "Diet", Some(FieldKind::Choice)),
                    definition("x_seats", "Seats", Some(FieldKind::Int)),
                    definition("x_badge", "Badge", Some(FieldKind::Choice)),
                    definition("x_shoes", "Shoes", Some(FieldKind::Int)),
                ],
            ),
        ]),
        errors: BTreeMap::new(),
        suggestions: vec![MapSuggestion {
            ivvy: 13,
            crm: "x_badge".into(),
            alike: 100,
            kind: CustomKind::Choice,
            flow: Flow::Both,
            findings: Vec::new(),
        }],
        left_out: Default::default(),
    }
}
