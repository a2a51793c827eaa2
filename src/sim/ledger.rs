//! The ledger: every effect a simulator accepted, in order. The truth that tests compare the engine's
//! own story with.
//!
//! Only effects enter: a refused write leaves no row, a write whose answer was lost does. Seed data is
//! not an effect.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use strum::Display;

use crate::model::Timestamp;

/// What was done to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Op {
    /// A new record.
    Create,
    /// A write onto an existing record, also one that changed nothing.
    Update,
    /// The record is gone.
    Delete,
}

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A call to the system's API: the engine under test.
    Api,
    /// Another user of the system: the control API or an editor.
    User,
}

/// One accepted effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// Position in the ledger, from 1, without gaps.
    pub seq: u64,
    /// The simulator's clock when the effect was committed.
    pub at: Timestamp,
    /// Object type as the system names it (`contact`, `Account`).
    pub object: String,
    /// The system's id of the record.
    pub id: String,
    /// The counterpart key the record carries after the effect.
    pub external_id: Option<String>,
    /// What was done.
    pub op: Op,
    /// Hash of the resulting content, see [`content_hash`].
    pub hash: String,
    /// Who did it.
    pub by: By,
    /// Names of the fields the write carried, sorted.
    pub fields: Vec<String>,
}

/// An effect about to be recorded; the ledger adds the number and the hash.
#[derive(Clone, Debug)]
pub struct NewEffect<'a> {
    /// See [`Effect::at`].
    pub at: Timestamp,
    /// See [`Effect::by`].
    pub by: By,
    /// See [`Effect::op`].
    pub op: Op,
    /// See [`Effect::object`].
    pub object: &'a str,
    /// See [`Effect::id`].
    pub id: String,
    /// See [`Effect::external_id`].
    pub external_id: Option<String>,
    /// The record after the effect, without stamps the system sets itself. `Null` after a deletion.
    pub content: &'a Value,
    /// See [`Effect::fields`].
    pub fields: Vec<String>,
}

/// Totals over effects by [`By::Api`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Effects per kind.
    pub by_op: BTreeMap<Op, u64>,
    /// Effects per object and kind.
    pub by_object: BTreeMap<String, BTreeMap<Op, u64>>,
    /// Creations per object and counterpart key: anything above 1 is a duplicate.
    pub creations: BTreeMap<String, BTreeMap<String, u64>>,
}

/// The answer of `GET /_sim/ledger` (`docs/CLI.md`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Every effect, oldest first.
    pub effects: Vec<Effect>,
    /// Totals of the API's effects.
    pub counts: Counts,
}

/// A shared, append-only list of effects with running totals.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Arc<Mutex<Report>>);

impl Ledger {
    /// An empty ledger.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends `effect` and returns its number.
    pub fn record(&self, effect: NewEffect<'_>) -> u64 {
        let mut report = self.lock();
        let seq = report.effects.len() as u64 + 1;
        if effect.by == By::Api {
            let counts = &mut report.counts;
            *counts.by_op.entry(effect.op).or_default() += 1;
            *counts.by_object.entry(effect.object.to_owned()).or_default().entry(effect.op).or_default() += 1;
            if let (Op::Create, Some(key)) = (effect.op, &effect.external_id) {
                *counts.creations.entry(effect.object.to_owned()).or_default().entry(key.clone()).or_default() += 1;
            }
        }
        let mut fields = effect.fields;
        fields.sort_unstable();
        report.effects.push(Effect {
            seq,
            at: effect.at,
            object: effect.object.to_owned(),
            id: effect.id,
            external_id: effect.external_id,
            op: effect.op,
            hash: content_hash(effect.content),
            by: effect.by,
            fields,
        });
        seq
    }

    /// Everything so far.
    pub fn report(&self) -> Report {
        self.lock().clone()
    }

    /// Every effect so far, oldest first.
    pub fn effects(&self) -> Vec<Effect> {
        self.lock().effects.clone()
    }

    /// Number of effects so far, by anybody.
    pub fn len(&self) -> usize {
        self.lock().effects.len()
    }

    /// Whether nothing happened yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How often the API did `op` to `object`.
    pub fn count(&self, object: &str, op: Op) -> u64 {
        self.lock().counts.by_object.get(object).and_then(|ops| ops.get(&op)).copied().unwrap_or(0)
    }

    /// How many records of `object` the API created under `external_id`.
    pub fn creations(&self, object: &str, external_id: &str) -> u64 {
        self.lock().counts.creations.get(object).and_then(|keys| keys.get(external_id)).copied().unwrap_or(0)
    }

    fn lock(&self) -> MutexGuard<'_, Report> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// First 16 hex digits of the SHA-256 of `content` written as compact JSON with sorted keys.
pub fn content_hash(content: &Value) -> String {
    let digest = Sha256::digest(sorted(content).to_string().as_bytes());
    let mut hex = HEXLOWER.encode(&digest);
    hex.truncate(16);
    hex
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let ordered: BTreeMap<&String, Value> = map.iter().map(|(name, value)| (name, sorted(value))).collect();
            Value::Object(ordered.into_iter().map(|(name, value)| (name.clone(), value)).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn effect<'a>(by: By, op: Op, key: &str, content: &'a Value) -> NewEffect<'a> {
        NewEffect {
            at: Timestamp::EPOCH,
            by,
            op,
            object: "contact",
            id: "7".into(),
            external_id: Some(key.into()),
            content,
            fields: vec!["phone".into(), "email".into()],
        }
    }

    #[test]
    fn counts_only_the_api_and_shows_duplicates() {
        let ledger = Ledger::new();
        let content = json!({});
        for by in [By::Api, By::Api, By::User] {
            ledger.record(effect(by, Op::Create, "003A", &content));
        }
        ledger.record(effect(By::Api, Op::Update, "003A", &content));
        assert_eq!(ledger.len(), 4);
        assert_eq!(ledger.count("contact", Op::Create), 2);
        assert_eq!(ledger.count("contact", Op::Update), 1);
        assert_eq!(ledger.count("contact", Op::Delete), 0);
        assert_eq!(ledger.creations("contact", "003A"), 2);
        let seqs: Vec<u64> = ledger.effects().iter().map(|effect| effect.seq).collect();
        assert_eq!(seqs, [1, 2, 3, 4]);
    }

    #[test]
    fn report_has_the_documented_shape() {
        let ledger = Ledger::new();
        ledger.record(effect(By::Api, Op::Create, "003A", &json!({"a": 1})));
        let report = serde_json::to_value(ledger.report()).unwrap();
        let row = &report["effects"][0];
        assert_eq!(row["seq"], 1);
        assert_eq!(row["object"], "contact");
        assert_eq!(row["id"], "7");
        assert_eq!(row["external_id"], "003A");
        assert_eq!(row["op"], "create");
        assert_eq!(row["by"], "api");
        assert_eq!(row["fields"], json!(["email", "phone"]));
        assert_eq!(report["counts"]["by_op"]["create"], 1);
        assert_eq!(report["counts"]["creations"]["contact"]["003A"], 1);
    }

    #[test]
    fn hash_ignores_key_order_and_sees_values() {
        let one = json!({"a": 1, "b": {"x": [1, 2], "y": null}});
        let same = json!({"b": {"y": null, "x": [1, 2]}, "a": 1});
        assert_eq!(content_hash(&one), content_hash(&same));
        assert_ne!(content_hash(&one), content_hash(&json!({"a": 1, "b": {"x": [2, 1], "y": null}})));
        assert_eq!(content_hash(&one).len(), 16);
    }
}
