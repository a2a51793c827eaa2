//! The simulated org's records: every committed state of each, what readers may already see of it,
//! and the undo log of the call in progress.
//!
//! A query or a look-up by external id reads an index that may lag behind ([`Knobs::visibility_delay`]);
//! a read by id and the uniqueness check never do, as in the real system.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Map, Value};

use super::id::SfId;
use super::schema::{Access, Kind, Object, Schema};
use crate::model::Timestamp;
use crate::sim::ledger::{By, Ledger, NewEffect, Op};

/// Behaviours that tests turn on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knobs {
    /// How long a committed write stays invisible to queries, feeds and look-ups by external id.
    pub visibility_delay: Duration,
    /// Other users' edits carry a stamp this much older than the moment they become visible, as those
    /// of long transactions do.
    pub commit_late: Duration,
    /// Whether creating a second record like an existing one is refused.
    pub duplicate_rule: Option<DuplicateRule>,
    /// For the next so many creating upserts somebody else creates the same key first.
    pub upsert_races: u32,
    /// API calls allowed in a rolling day.
    pub daily_calls: u64,
    /// How long an access token lives.
    pub session_life: Duration,
    /// Deletions before this are gone from the feed.
    pub deletes_known_from: Option<Timestamp>,
    /// Whether an upsert that updates answers 204 without a body, as older versions did.
    pub upsert_answers_204: bool,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            visibility_delay: Duration::ZERO,
            commit_late: Duration::ZERO,
            duplicate_rule: None,
            upsert_races: 0,
            daily_calls: 1_000_000,
            session_life: Duration::from_secs(2 * 60 * 60),
            deletes_known_from: None,
            upsert_answers_204: false,
        }
    }
}

/// What a duplicate rule does on a match (same e-mail of contacts, same name of accounts).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DuplicateRule {
    /// Refuses, whatever the caller says.
    Block,
    /// Refuses unless the call carries `Sforce-Duplicate-Rule-Header: allowSave=true`.
    Alert,
}

/// One committed state of a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// When it was committed, by the org's clock.
    pub committed: Timestamp,
    /// Writable fields that have a value, by API name; references as 18-character ids, instants in
    /// Salesforce's own form.
    pub fields: BTreeMap<String, Value>,
    /// `CreatedDate`.
    pub created: Timestamp,
    /// `CreatedById`.
    pub created_by: SfId,
    /// `LastModifiedDate` and `SystemModstamp`, whole seconds.
    pub modified: Timestamp,
    /// `LastModifiedById`.
    pub modified_by: SfId,
    /// `IsDeleted`.
    pub deleted: bool,
    /// `MasterRecordId`: the survivor, when this one was merged away.
    pub master: Option<SfId>,
}

/// A record's states, oldest first, as far back as a lagging reader may look. Never empty.
type Row = Vec<Version>;

#[derive(Clone, Debug, Default)]
struct Table {
    rows: BTreeMap<SfId, Row>,
    /// Field → value in lower case → living records that have it; for external id fields.
    keys: BTreeMap<String, BTreeMap<String, BTreeSet<SfId>>>,
    /// Every record by the stamp of its latest state.
    stamps: BTreeSet<(Timestamp, SfId)>,
    serial: u64,
}

/// Who writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The user whose id the stamps carry.
    pub user: SfId,
    /// Through which door.
    pub by: By,
}

#[derive(Debug)]
struct Change {
    object: &'static str,
    id: SfId,
    op: Op,
    by: By,
    fields: Vec<String>,
    before: Option<Row>,
    /// Part of another change, and no effect of its own.
    derived: bool,
}

/// All records.
#[derive(Debug)]
pub struct Org {
    /// What exists.
    pub schema: Schema,
    /// How it behaves.
    pub knobs: Knobs,
    tables: BTreeMap<&'static str, Table>,
    journal: Vec<Change>,
}

impl Org {
    /// An org without records.
    pub fn new(schema: Schema, knobs: Knobs) -> Self {
        let tables = schema.objects().iter().map(|object| (object.name, Table::default())).collect();
        Self { schema, knobs, tables, journal: Vec::new() }
    }

    /// The latest committed state, deleted or not.
    pub fn committed(&self, object: &str, id: &SfId) -> Option<&Version> {
        self.tables.get(object)?.rows.get(id)?.last()
    }

    /// The state a query sees.
    pub fn visible(&self, object: &str, id: &SfId, now: Timestamp) -> Option<&Version> {
        self.visible_entry(object, id, now).map(|(_, version)| version)
    }

    /// The state a query sees, with the id as the org holds it.
    pub fn visible_entry(&self, object: &str, id: &SfId, now: Timestamp) -> Option<(&SfId, &Version)> {
        let (id, row) = self.tables.get(object)?.rows.get_key_value(id)?;
        Some((id, self.seen(row, now)?))
    }

    /// Every record a query sees, deleted ones too, in id order.
    pub fn all_visible(&self, object: &str, now: Timestamp) -> impl Iterator<Item = (&SfId, &Version)> {
        let rows = self.tables.get(object).map(|table| &table.rows).into_iter().flatten();
        rows.filter_map(move |(id, row)| Some((id, self.seen(row, now)?)))
    }

    /// The latest committed state of every record, deleted ones too, in id order.
    pub fn all_committed(&self, object: &str) -> impl Iterator<Item = (&SfId, &Version)> {
        let rows = self.tables.get(object).map(|table| &table.rows).into_iter().flatten();
        rows.filter_map(|(id, row)| Some((id, row.last()?)))
    }

    /// Whether readers see every committed state at once, so that the indexes speak for them.
    pub fn indexes_are_current(&self) -> bool {
        self.knobs.visibility_delay.is_zero()
    }

    /// Whether values of `field` are indexed.
    pub fn is_key(&self, object: &str, field: &str) -> bool {
        self.schema.object(object).and_then(|object| object.field(field)).is_some_and(|field| field.external_id)
    }

    /// Ids of all records, deleted ones too, stamped at or after `from`, by stamp and id.
    pub fn stamped_from(&self, object: &str, from: Timestamp) -> impl Iterator<Item = &SfId> {
        let table = self.tables.get(object).into_iter();
        table.flat_map(move |table| table.stamps.range((from, SfId::lowest())..)).map(|(_, id)| id)
    }

    fn seen<'a>(&self, row: &'a Row, now: Timestamp) -> Option<&'a Version> {
        row.iter().rev().find(|version| version.committed.plus(self.knobs.visibility_delay) <= now)
    }

    /// The living records that a look-up by external id finds.
    pub fn look_up(&self, object: &str, field: &str, value: &str, now: Timestamp) -> Vec<SfId> {
        let has = |id: &&SfId| {
            self.visible(object, id, now).is_some_and(|version| {
                let found = version.fields.get(field).and_then(Value::as_str);
                !version.deleted && found.is_some_and(|found| fold(found) == fold(value))
            })
        };
        self.holders(object, field, value).filter(has).cloned().collect()
    }

    /// The living records that truly carry `value`, whoever can see them yet.
    pub fn holders(&self, object: &str, field: &str, value: &str) -> impl Iterator<Item = &SfId> {
        let keys = self.tables.get(object).and_then(|table| table.keys.get(field));
        keys.and_then(|keys| keys.get(&fold(value))).into_iter().flatten()
    }

    /// Adds a record and returns its id.
    pub fn insert(
        &mut self,
        object: &'static str,
        fields: BTreeMap<String, Value>,
        who: &Author,
        now: Timestamp,
    ) -> SfId {
        let prefix = self.schema.object(object).map_or("000", |object| object.prefix);
        let table = self.tables.entry(object).or_default();
        table.serial += 1;
        let id = SfId::mint(prefix, table.serial);
        let names = fields.keys().cloned().collect();
        let at = self.stamp(who.by, None, now);
        let version = Version {
            committed: now,
            fields,
            created: at,
            created_by: who.user.clone(),
            modified: at,
            modified_by: who.user.clone(),
            deleted: false,
            master: None,
        };
        self.push(object, &id, version, Op::Create, who.by, names, now);
        id
    }

    /// Sets `fields` (null clears) on the latest state of a living record.
    pub fn change(
        &mut self,
        object: &'static str,
        id: &SfId,
        fields: BTreeMap<String, Value>,
        who: &Author,
        now: Timestamp,
    ) {
        let names = fields.keys().cloned().collect();
        self.succeed(object, id, Op::Update, names, who, now, |version| {
            for (name, value) in fields {
                if value.is_null() {
                    version.fields.remove(&name)
                } else {
                    version.fields.insert(name, value)
                };
            }
        });
    }

    /// Puts a living record into the recycle bin; `master` survives when it is merged away.
    pub fn remove(&mut self, object: &'static str, id: &SfId, master: Option<SfId>, who: &Author, now: Timestamp) {
        self.succeed(object, id, Op::Delete, Vec::new(), who, now, |version| {
            version.deleted = true;
            version.master = master;
        });
    }

    #[allow(clippy::too_many_arguments, reason = "the private common end of three writes")]
    fn succeed(
        &mut self,
        object: &'static str,
        id: &SfId,
        op: Op,
        names: Vec<String>,
        who: &Author,
        now: Timestamp,
        edit: impl FnOnce(&mut Version),
    ) {
        let Some(mut version) = self.committed(object, id).cloned() else { return };
        edit(&mut version);
        version.modified = self.stamp(who.by, Some(version.modified), now);
        version.modified_by = who.user.clone();
        version.committed = now;
        self.push(object, id, version, op, who.by, names, now);
    }

    /// Stamps never run backwards within a record: its row lock is held until the commit.
    fn stamp(&self, by: By, before: Option<Timestamp>, now: Timestamp) -> Timestamp {
        let late = if by == By::User { self.knobs.commit_late } else { Duration::ZERO };
        let at = now.minus(late).floor_second();
        match before {
            Some(before) if !late.is_zero() && at <= before => {
                before.plus(Duration::from_secs(1)).min(now.floor_second()).max(before)
            }
            Some(before) => at.max(before),
            None => at,
        }
    }

    #[allow(clippy::too_many_arguments, reason = "the private common end of all writes")]
    fn push(
        &mut self,
        object: &'static str,
        id: &SfId,
        version: Version,
        op: Op,
        by: By,
        fields: Vec<String>,
        now: Timestamp,
    ) {
        let delay = self.knobs.visibility_delay;
        let table = self.tables.entry(object).or_default();
        let before = table.rows.get(id).cloned();
        let mut row = before.clone().unwrap_or_default();
        // What no reader can look back to any more is dropped.
        let oldest = row.iter().rposition(|known| known.committed.plus(delay) <= now).unwrap_or(0);
        row.drain(..oldest);
        row.push(version);
        self.store(object, id, Some(row));
        self.journal.push(Change { object, id: id.clone(), op, by, fields, before, derived: false });
    }

    /// Replaces a record's states and keeps the external id index in step.
    fn store(&mut self, object: &'static str, id: &SfId, row: Option<Row>) {
        let key_fields =
            self.schema.object(object).map(|object| object.fields.iter().filter(|field| field.external_id));
        let names: Vec<String> = key_fields.into_iter().flatten().map(|field| field.name.clone()).collect();
        let table = self.tables.entry(object).or_default();
        let latest = |row: Option<&Row>, name: &str| {
            let version = row?.last().filter(|version| !version.deleted)?;
            version.fields.get(name)?.as_str().map(fold)
        };
        for name in names {
            let (old, new) = (latest(table.rows.get(id), &name), latest(row.as_ref(), &name));
            let keys = table.keys.entry(name).or_default();
            if let Some(holders) = old.and_then(|old| keys.get_mut(&old)) {
                holders.remove(id);
            }
            if let Some(new) = new {
                keys.entry(new).or_default().insert(id.clone());
            }
        }
        let new = row.as_ref().and_then(|row| row.last()).map(|version| version.modified);
        let old = match row {
            Some(row) => table.rows.insert(id.clone(), row),
            None => table.rows.remove(id),
        };
        if let Some(version) = old.as_ref().and_then(|row| row.last()) {
            table.stamps.remove(&(version.modified, id.clone()));
        }
        table.stamps.extend(new.map(|at| (at, id.clone())));
    }

    /// How many changes the call in progress has made: a point to [roll back](Self::roll_back) to.
    pub fn mark(&self) -> usize {
        self.journal.len()
    }

    /// Says that everything since `mark` belongs to what came before it: the ledger will not show it.
    pub fn derive_from(&mut self, mark: usize) {
        for change in self.journal.iter_mut().skip(mark) {
            change.derived = true;
        }
    }

    /// Takes back everything since `mark`.
    pub fn roll_back(&mut self, mark: usize) {
        while self.journal.len() > mark {
            if let Some(change) = self.journal.pop() {
                self.store(change.object, &change.id, change.before);
            }
        }
    }

    /// Makes the call's changes final and writes them into `ledger`.
    pub fn commit(&mut self, ledger: &Ledger, now: Timestamp) {
        for change in std::mem::take(&mut self.journal).into_iter().filter(|change| !change.derived) {
            let version = self.committed(change.object, &change.id);
            let content: Map<String, Value> = version.iter().flat_map(|version| version.fields.clone()).collect();
            let external_id = content.get("Ivvy_Id__c").and_then(Value::as_str).map(str::to_owned);
            let content = if change.op == Op::Delete { Value::Null } else { Value::Object(content) };
            ledger.record(NewEffect {
                at: now,
                by: change.by,
                op: change.op,
                object: change.object,
                id: change.id.to_string(),
                external_id,
                content: &content,
                fields: change.fields,
            });
        }
    }

    /// Makes the changes final without a trace: seed data is no effect.
    pub fn commit_silently(&mut self) {
        self.journal.clear();
    }

    /// How many records of `object` there ever were.
    pub fn ever(&self, object: &str) -> u64 {
        self.tables.get(object).map_or(0, |table| table.serial)
    }

    /// The id of the record made as number `index` (from zero), if it still lives.
    pub fn living(&self, object: &str, index: u64) -> Option<SfId> {
        let id = SfId::mint(self.schema.object(object)?.prefix, index + 1);
        self.committed(object, &id).is_some_and(|version| !version.deleted).then_some(id)
    }

    /// The object whose ids start like `id`.
    pub fn object_of(&self, id: &SfId) -> Option<&Object> {
        self.schema.objects().iter().find(|object| object.prefix == id.prefix())
    }

    /// Living records of `object` that point at `parent` through an own reference field.
    pub fn children(&self, object: &str, parent: &SfId) -> Vec<SfId> {
        let Some(table) = self.tables.get(object) else { return Vec::new() };
        let points = |field: &&super::schema::Field| {
            matches!(field.kind, Kind::Reference { .. } | Kind::Polymorphic(_))
                && field.access != Access::Read
                && field.name != "OwnerId"
        };
        let fields: Vec<&str> = self
            .schema
            .object(object)
            .into_iter()
            .flat_map(|object| object.fields.iter().filter(points).map(|field| field.name.as_str()))
            .collect();
        let living = |row: &Row| {
            row.last().is_some_and(|version| {
                let held = |name: &&str| version.fields.get(*name).and_then(Value::as_str) == Some(parent.as_str());
                !version.deleted && fields.iter().any(held)
            })
        };
        table.rows.iter().filter(|(_, row)| living(row)).map(|(id, _)| id.clone()).collect()
    }
}

/// External ids are compared without regard to case.
fn fold(value: &str) -> String {
    value.to_lowercase()
}
