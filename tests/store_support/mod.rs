//! What the store's tests share: builders, a reference model and hostile disks.

#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod disk;
pub mod model;

use std::time::Duration;

use tandem::model::link::PairKey;
use tandem::model::record::Source;
use tandem::model::{
    Actor, AuditEvent, Decision, Fingerprint, Item, ItemId, Kind, Link, LinkId, LinkState, ModuleId, Observation, Plan,
    Record, RecordId, Side, State, Timestamp, Verb,
};
use tandem::store::{Note, Options, Store};

/// Options for one test account.
pub fn options() -> Options {
    Options { instance: "acme".to_owned(), ..Options::default() }
}

/// A store in memory, without a thread.
pub fn memory() -> Store {
    Store::open_backend(redb::backends::InMemoryBackend::new(), options()).unwrap()
}

/// `n` seconds after some morning.
pub fn at(n: u64) -> Timestamp {
    Timestamp::from_secs(1_795_000_000).plus(Duration::from_secs(n))
}

pub fn lone(side: Side, id: &str) -> PairKey {
    PairKey::Lone(side, RecordId::from(id))
}

/// A new item of a lone iVvy record.
pub fn item(id: u64, module: ModuleId, record: &str, state: State) -> Item {
    Item {
        state,
        ver: 1,
        seen: Fingerprint::of_bytes(record.as_bytes()),
        priority: 1,
        ready_at: Timestamp::EPOCH,
        title: format!("Person {record}"),
        plan: Plan { summary: format!("create {record} in the CRM"), ..Plan::default() },
        ..Item::new(ItemId(id), module, lone(Side::Ivvy, record), Kind::Create, at(id))
    }
}

/// A note nobody reads twice.
pub fn note() -> Note {
    Note {
        at: at(0),
        actor: Actor::engine(),
        module: None,
        item: None,
        link: None,
        what: AuditEvent::Operated { what: "test".to_owned() },
    }
}

pub fn link(id: u64, module: ModuleId, ivvy: &str, crm: &str) -> Link {
    Link {
        id: LinkId(id),
        module,
        ivvy: RecordId::from(ivvy),
        crm: RecordId::from(crm),
        state: LinkState::Linked,
        created_at: at(id),
        reason: "same e-mail".to_owned(),
    }
}

pub fn observation(module: ModuleId, side: Side, id: &str) -> Observation {
    let record = Record { id: RecordId::from(id), ..Record::default() };
    Observation {
        module,
        side,
        hash: record.fingerprint(),
        record,
        seen_at: at(0),
        source: Source::Poll,
        identity: None,
        external_key: None,
        missed_sweeps: 0,
        absent: false,
        merged_into: None,
    }
}

pub fn decision(item: u64, ver: u32) -> Decision {
    Decision {
        item: ItemId(item),
        ver,
        seen: Fingerprint::default(),
        verb: Verb::Approve,
        choices: Default::default(),
        side: None,
        until: None,
        record: None,
        reason: None,
        actor: Actor::engine(),
        at: at(0),
    }
}
