//! What the simulated account holds, and the one way to change it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::company::Company;
use super::contact::Contact;
use super::settings::Settings;
use crate::model::Timestamp;
use crate::sim::ledger::{By, Ledger, NewEffect, Op};

/// A kind of record.
pub(super) trait Record: Clone {
    /// Name in the ledger and the control API.
    const OBJECT: &'static str;
    fn id(&self) -> u64;
    fn set_id(&mut self, id: u64);
    fn external_id(&self) -> &str;
    fn modified(&self) -> Timestamp;
    /// Sets `modifiedDate`, and `createdDate` on a new record.
    fn stamp(&mut self, at: Timestamp, new: bool);
    /// Everything a user can change.
    fn content(&self) -> Value;
}

/// Versions of one record that some reader may still see, oldest first; `None` is a deletion.
#[derive(Clone, Debug)]
struct Timeline<T>(Vec<(Timestamp, Option<T>)>);

/// All records of a kind.
#[derive(Clone, Debug)]
pub(super) struct Table<T> {
    rows: BTreeMap<u64, Timeline<T>>,
    next_id: u64,
}

impl<T: Record> Table<T> {
    fn starting_at(next_id: u64) -> Self {
        Self { rows: BTreeMap::new(), next_id }
    }

    /// The record as of now, unless it is deleted.
    pub(super) fn get(&self, id: u64) -> Option<&T> {
        self.rows.get(&id)?.0.last()?.1.as_ref()
    }

    /// How many records there ever were.
    pub(super) fn ever(&self) -> u64 {
        self.rows.len() as u64
    }

    /// All records as of now, by id.
    pub(super) fn live(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.rows.values().filter_map(|timeline| timeline.0.last()?.1.as_ref())
    }

    /// All records as lists saw them at `then`, by id.
    pub(super) fn seen_at(&self, then: Timestamp) -> impl Iterator<Item = &T> {
        self.rows.values().filter_map(move |timeline| {
            timeline.0.iter().rev().find(|(written, _)| *written <= then).and_then(|(_, version)| version.as_ref())
        })
    }

    fn put(&mut self, id: u64, version: Option<T>, now: Timestamp, visibility: Duration) {
        let versions = &mut self.rows.entry(id).or_insert_with(|| Timeline(Vec::new())).0;
        versions.push((now, version));
        // A version is over once its successor is visible to everyone.
        let newest_seen = versions.iter().rposition(|(written, _)| *written <= now.minus(visibility)).unwrap_or(0);
        versions.drain(..newest_seen);
    }
}

/// Who writes what when; see [`World::commit`].
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub by: By,
    pub now: Timestamp,
    /// Names of the fields the write carries.
    pub fields: Vec<String>,
}

/// The account.
#[derive(Debug)]
pub(super) struct World {
    pub contacts: Table<Contact>,
    pub companies: Table<Company>,
    pub ledger: Ledger,
    visibility: Duration,
    noop_bumps: bool,
}

/// Subscription groups: id, name, colour.
pub(super) const GROUPS: &[(u64, &str, &str)] =
    &[(1, "Newsletter", "#3366cc"), (2, "VIP", "#cc9900"), (3, "Presse & Média", "")];

/// Gives access to the table of a kind.
pub(super) trait Holds<T> {
    fn table(&mut self) -> &mut Table<T>;
}

impl Holds<Contact> for World {
    fn table(&mut self) -> &mut Table<Contact> {
        &mut self.contacts
    }
}

impl Holds<Company> for World {
    fn table(&mut self) -> &mut Table<Company> {
        &mut self.companies
    }
}

impl World {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            contacts: Table::starting_at(25_001),
            companies: Table::starting_at(501),
            ledger: Ledger::new(),
            visibility: settings.visibility,
            noop_bumps: settings.noop_bumps,
        }
    }

    /// What lists and filters see at `now`: the world some time ago.
    pub(super) fn horizon(&self, now: Timestamp) -> Timestamp {
        now.minus(self.visibility)
    }

    /// Puts a record in place without a trace in the ledger, visible at once, stamped `at`. Gives it an
    /// id if it has none.
    pub(super) fn seed<T: Record>(&mut self, mut record: T, at: Timestamp) -> u64
    where
        Self: Holds<T>,
    {
        let table = self.table();
        if record.id() == 0 {
            record.set_id(table.next_id);
        }
        let id = record.id();
        table.next_id = table.next_id.max(id + 1);
        record.stamp(at.floor_second(), true);
        table.rows.insert(id, Timeline(vec![(Timestamp::EPOCH, Some(record))]));
        id
    }

    /// Commits a new (id 0) or changed record and records the effect. Returns its id.
    pub(super) fn commit<T: Record>(&mut self, mut record: T, write: Write) -> u64
    where
        Self: Holds<T>,
    {
        let (visibility, noop_bumps) = (self.visibility, self.noop_bumps);
        let table = self.table();
        let new = record.id() == 0;
        if new {
            record.set_id(table.next_id);
            table.next_id += 1;
        }
        let id = record.id();
        let content = record.content();
        let unchanged = table.get(id).is_some_and(|before| before.content() == content);
        if !unchanged || noop_bumps {
            record.stamp(write.now.floor_second(), new);
        }
        let external_id = Some(record.external_id().to_owned()).filter(|key| !key.is_empty());
        table.put(id, Some(record), write.now, visibility);
        self.ledger.record(NewEffect {
            at: write.now,
            by: write.by,
            op: if new { Op::Create } else { Op::Update },
            object: T::OBJECT,
            id: id.to_string(),
            external_id,
            content: &content,
            fields: write.fields,
        });
        id
    }

    /// Deletes a record and records the effect. False when there is none.
    pub(super) fn delete<T: Record>(&mut self, id: u64, write: Write) -> bool
    where
        Self: Holds<T>,
    {
        let visibility = self.visibility;
        let table = self.table();
        let Some(before) = table.get(id) else { return false };
        let external_id = Some(before.external_id().to_owned()).filter(|key| !key.is_empty());
        table.put(id, None, write.now, visibility);
        self.ledger.record(NewEffect {
            at: write.now,
            by: write.by,
            op: Op::Delete,
            object: T::OBJECT,
            id: id.to_string(),
            external_id,
            content: &Value::Null,
            fields: Vec::new(),
        });
        true
    }
}
