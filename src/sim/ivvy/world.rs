//! What the simulated account holds, and the one way to change it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::batch::Batch;
use super::notices::Notices;
use super::object::{Face, Object};
use super::objects;
use super::post::Outbox;
use super::row::Row;
use super::settings::Settings;
use crate::model::Timestamp;
use crate::sim::ledger::{By, Ledger, NewEffect, Op};

/// Versions of one record that some reader may still see, oldest first; `None` is a deletion.
#[derive(Clone, Debug)]
struct Timeline(Vec<(Timestamp, Option<Row>)>);

/// All records of a kind.
#[derive(Clone, Debug)]
pub(super) struct Table {
    rows: BTreeMap<u64, Timeline>,
    next_id: u64,
}

impl Table {
    fn starting_at(next_id: u64) -> Self {
        Self { rows: BTreeMap::new(), next_id }
    }

    /// The record as of now, unless it is deleted.
    pub(super) fn get(&self, id: u64) -> Option<&Row> {
        self.rows.get(&id)?.0.last()?.1.as_ref()
    }

    /// How many records there ever were.
    pub(super) fn ever(&self) -> u64 {
        self.rows.len() as u64
    }

    /// All records as of now, by id.
    pub(super) fn live(&self) -> impl DoubleEndedIterator<Item = &Row> {
        self.rows.values().filter_map(|timeline| timeline.0.last()?.1.as_ref())
    }

    /// All records as lists saw them at `then`, by id.
    pub(super) fn seen_at(&self, then: Timestamp) -> impl Iterator<Item = &Row> {
        self.rows.values().filter_map(move |timeline| {
            timeline.0.iter().rev().find(|(written, _)| *written <= then).and_then(|(_, version)| version.as_ref())
        })
    }

    fn put(&mut self, id: u64, version: Option<Row>, now: Timestamp, visibility: Duration) {
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
    /// Whether it leaves `modifiedDate` where it is.
    pub silent: bool,
}

/// The account.
#[derive(Debug)]
pub(super) struct World {
    tables: BTreeMap<&'static str, Table>,
    pub ledger: Ledger,
    pub batches: BTreeMap<String, Batch>,
    pub outbox: Outbox,
    pub notices: Notices,
    visibility: Duration,
    noop_bumps: bool,
}

impl World {
    /// An account with its offices: staff, venues, groups and the lists that leads choose from.
    pub(super) fn new(settings: &Settings) -> Self {
        let tables = objects::ALL.iter().map(|object| (object.name, Table::starting_at(object.first_id)));
        let mut world = Self {
            tables: tables.collect(),
            ledger: Ledger::new(),
            batches: BTreeMap::new(),
            outbox: Outbox::default(),
            notices: Notices::default(),
            visibility: settings.visibility,
            noop_bumps: settings.noop_bumps,
        };
        objects::furnish(&mut world);
        world
    }

    /// The table of an object. Every name in the descriptions is an object's, which a test proves; and
    /// every object has its table from the start.
    pub(super) fn table(&self, object: &str) -> &Table {
        &self.tables[object]
    }

    fn table_mut(&mut self, object: &'static Object) -> &mut Table {
        self.tables.entry(object.name).or_insert_with(|| Table::starting_at(object.first_id))
    }

    /// One record as of now, unless it is deleted.
    pub(super) fn get(&self, object: &str, id: u64) -> Option<&Row> {
        self.table(object).get(id)
    }

    /// The record a field links to.
    pub(super) fn linked(&self, object: &str, row: &Row, field: &str) -> Option<&Row> {
        self.get(object, row.whole(field)?)
    }

    /// What lists and filters see at `now`: the world some time ago.
    pub(super) fn horizon(&self, now: Timestamp) -> Timestamp {
        now.minus(self.visibility)
    }

    /// Puts a record in place without a trace in the ledger, visible at once, stamped `at` unless it has
    /// stamps. Gives it an id if it has none.
    pub(super) fn seed(&mut self, object: &'static Object, mut row: Row, at: Timestamp) -> u64 {
        let table = self.table_mut(object);
        if row.id == 0 {
            row.id = table.next_id;
        }
        let id = row.id;
        table.next_id = table.next_id.max(id + 1);
        if row.modified == Timestamp::EPOCH {
            row.modified = at.floor_second();
        }
        if row.created == Timestamp::EPOCH {
            row.created = row.modified;
        }
        table.rows.insert(id, Timeline(vec![(Timestamp::EPOCH, Some(row))]));
        id
    }

    /// Commits a new (id 0, or one that never was) or changed record and records the effect. Returns its id.
    pub(super) fn commit(&mut self, object: &'static Object, mut row: Row, write: Write) -> u64 {
        let (visibility, noop_bumps) = (self.visibility, self.noop_bumps);
        let table = self.table_mut(object);
        if row.id == 0 {
            row.id = table.next_id;
        }
        let id = row.id;
        table.next_id = table.next_id.max(id + 1);
        let before = table.get(id);
        let new = before.is_none();
        let unchanged = before.is_some_and(|before| before.same_content(&row));
        if new || (!write.silent && (!unchanged || noop_bumps)) {
            row.modified = write.now.floor_second();
        }
        if new {
            row.created = row.modified;
        }
        let content = row.content();
        let external_id = key(&row);
        table.put(id, Some(row), write.now, visibility);
        self.ledger.record(NewEffect {
            at: write.now,
            by: write.by,
            op: if new { Op::Create } else { Op::Update },
            object: object.name,
            id: id.to_string(),
            external_id,
            content: &content,
            fields: write.fields,
        });
        self.tell(object, if new { Op::Create } else { Op::Update }, id, write.by, write.now);
        id
    }

    /// Tells whoever subscribed.
    fn tell(&mut self, object: &'static Object, op: Op, id: u64, by: By, now: Timestamp) {
        if !self.notices.wants(object.name) {
            return;
        }
        let data = self.get(object.name, id).map(|row| object.show(row, self, Face::Single));
        self.notices.tell(object.name, op, id, by, now, data.unwrap_or_default());
    }

    /// Deletes a record and records the effect. False when there is none.
    pub(super) fn delete(&mut self, object: &'static Object, id: u64, write: Write) -> bool {
        let visibility = self.visibility;
        let table = self.table_mut(object);
        let Some(before) = table.get(id) else { return false };
        let external_id = key(before);
        table.put(id, None, write.now, visibility);
        self.ledger.record(NewEffect {
            at: write.now,
            by: write.by,
            op: Op::Delete,
            object: object.name,
            id: id.to_string(),
            external_id,
            content: &Value::Null,
            fields: Vec::new(),
        });
        self.tell(object, Op::Delete, id, write.by, write.now);
        true
    }
}

/// The counterpart's key, for the kinds that have one.
fn key(row: &Row) -> Option<String> {
    Some(row.text("externalId").to_owned()).filter(|key| !key.is_empty())
}
