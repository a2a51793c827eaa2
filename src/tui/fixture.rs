//! Made-up items and answers for tests. Also compiled into the integration tests, which see only the
//! library's public face; hence nothing here uses more than that.

use std::collections::BTreeMap;

use crate::model::{
    Actor, AuditEvent, AuditRow, Choice, FieldPlan, Fingerprint, Item, ItemId, Kind, ModuleId, PairKey, Plan, Reason,
    Reasons, RecordId, Role, Seq, Side, State, Timestamp, Value, Verb, Verdict, Why,
};
use crate::wire::{Hello, ItemView, Row};

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
        guarantees: BTreeMap::from([
            (Side::Ivvy, "iVvy cannot refuse a stale write; we read just before".to_owned()),
            (Side::Crm, "odoo cannot refuse a stale write; we read just before".to_owned()),
        ]),
        modules: ModuleId::PEOPLE.into_iter().map(ModuleId::def).collect(),
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
    }
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
