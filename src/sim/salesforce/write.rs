//! Creating, updating, upserting, deleting and merging records under Salesforce's rules.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::body::{Purpose, accept};
use super::error::Refusal;
use super::id::SfId;
use super::org::{Author, DuplicateRule, Org};
use super::rules;
use super::schema::Object;
use crate::model::Timestamp;
use crate::sim::ledger::By;

/// One writing call.
#[derive(Clone, Debug)]
pub struct Writer {
    /// Who writes.
    pub author: Author,
    /// Who creates the same key first when a race is arranged ([`Knobs::upsert_races`](super::org::Knobs)).
    pub rival: Author,
    /// When.
    pub now: Timestamp,
    /// `Sforce-Duplicate-Rule-Header: allowSave=true`.
    pub allow_duplicates: bool,
}

/// What an upsert did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upserted {
    /// A new record.
    Created(SfId),
    /// An existing one was changed.
    Updated(SfId),
    /// Several carry the key; nothing was written.
    Several(Vec<SfId>),
}

/// An upsert's address.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// The external id field.
    pub field: &'a str,
    /// Its value.
    pub value: &'a str,
    /// Never create.
    pub update_only: bool,
}

impl Writer {
    /// Creates a record from `body`.
    ///
    /// # Errors
    /// In Salesforce's codes.
    pub fn create(&self, org: &mut Org, object: &str, body: &Map<String, Value>) -> Result<SfId, Refusal> {
        let object = writable(org, object, &self.author)?;
        if body.contains_key("Id") || body.contains_key("id") {
            let text = "cannot specify Id in an insert call";
            return Err(Refusal::of_fields("INVALID_FIELD_FOR_INSERT_UPDATE", text, &["Id"]));
        }
        let mut fields = accept(org, object, body, Purpose::Create, self.now)?;
        let name = object.name;
        rules::complete(org, object, &mut fields, &self.author.user);
        rules::check_new(org, name, &fields)?;
        unique(org, object, None, &fields)?;
        self.check_duplicates(org, name, &fields)?;
        let fields = fields.into_iter().filter(|(_, value)| !value.is_null()).collect();
        let id = org.insert(name, fields, &self.author, self.now);
        rules::after_creation(org, name, &id, &self.author, self.now);
        Ok(id)
    }

    /// Changes the fields of `body` on a living record.
    ///
    /// # Errors
    /// In Salesforce's codes.
    pub fn update(&self, org: &mut Org, object: &str, id: &SfId, body: &Map<String, Value>) -> Result<(), Refusal> {
        let object = writable(org, object, &self.author)?;
        alive(org, object.name, id)?;
        if body.contains_key("Id") || body.contains_key("id") {
            let text = "The Id field should not be specified in the sobject data.";
            return Err(Refusal::of_fields("INVALID_FIELD", text, &["Id"]));
        }
        let name = object.name;
        rules::check_open(org, name, id)?;
        let fields = accept(org, object, body, Purpose::Update, self.now)?;
        rules::check_change(org, name, id, &fields)?;
        unique(org, object, Some(id), &fields)?;
        org.change(name, id, fields, &self.author, self.now);
        rules::after_change(org, name, id, &self.author, self.now);
        Ok(())
    }

    /// Creates or changes the record that `key` addresses.
    ///
    /// # Errors
    /// In Salesforce's codes.
    pub fn upsert(
        &self,
        org: &mut Org,
        object: &str,
        key: Key<'_>,
        body: &Map<String, Value>,
    ) -> Result<Upserted, Refusal> {
        let name = writable(org, object, &self.author)?.name;
        external_id_field(org, name, key.field)?;
        if body.contains_key(key.field) {
            let text = format!("The {} field should not be specified in the sobject data.", key.field);
            return Err(Refusal::of_fields("INVALID_FIELD", text, &[key.field]));
        }
        if body.contains_key("Id") || body.contains_key("id") {
            let text = "The Id field should not be specified in the sobject data.";
            return Err(Refusal::of_fields("INVALID_FIELD", text, &["Id"]));
        }
        match org.look_up(name, key.field, key.value, self.now).as_slice() {
            [id] => {
                let id = id.clone();
                self.update(org, name, &id, body).map(|()| Upserted::Updated(id))
            }
            [] if key.update_only => Err(Refusal::new(
                "NOT_FOUND",
                format!("Provided external ID field does not exist or is not accessible: {}", key.field),
            )
            .status(StatusCode::NOT_FOUND)),
            [] => {
                let mut keyed = body.clone();
                keyed.insert(key.field.to_owned(), json!(key.value));
                if org.knobs.upsert_races > 0 {
                    org.knobs.upsert_races -= 1;
                    let rival = Self { author: self.rival.clone(), ..self.clone() };
                    rival.create(org, name, &keyed)?;
                }
                self.create(org, name, &keyed).map(Upserted::Created)
            }
            several => Ok(Upserted::Several(several.to_vec())),
        }
    }

    /// Deletes a living record, and what cannot be without it.
    ///
    /// # Errors
    /// In Salesforce's codes.
    pub fn delete(&self, org: &mut Org, object: &str, id: &SfId) -> Result<(), Refusal> {
        let name = writable(org, object, &self.author)?.name;
        alive(org, name, id)?;
        self.remove_whole(org, name, id);
        Ok(())
    }

    fn remove_whole(&self, org: &mut Org, name: &'static str, id: &SfId) {
        for part in rules::parts(name) {
            for child in org.children(part, id) {
                self.remove_whole(org, part, &child);
            }
        }
        rules::let_go(org, name, id, &self.author, self.now);
        org.remove(name, id, None, &self.author, self.now);
    }

    /// Merges `loser` into `master`: the loser is deleted and names the survivor, its children move.
    ///
    /// # Errors
    /// When either is missing or deleted.
    pub fn merge(&self, org: &mut Org, object: &str, master: &SfId, loser: &SfId) -> Result<(), Refusal> {
        let name = writable(org, object, &self.author)?.name;
        alive(org, name, master)?;
        alive(org, name, loser)?;
        rules::move_children(org, loser, master, &self.author, self.now);
        org.remove(name, loser, Some(master.clone()), &self.author, self.now);
        org.change(name, master, BTreeMap::new(), &self.author, self.now);
        Ok(())
    }

    /// The duplicate rule, on creations only.
    fn check_duplicates(
        &self,
        org: &Org,
        object: &'static str,
        fields: &BTreeMap<String, Value>,
    ) -> Result<(), Refusal> {
        let Some(rule) = org.knobs.duplicate_rule else { return Ok(()) };
        if rule == DuplicateRule::Alert && self.allow_duplicates {
            return Ok(());
        }
        let field = if object == "Account" { "Name" } else { "Email" };
        let Some(wanted) = fields.get(field).and_then(Value::as_str).map(str::to_lowercase) else { return Ok(()) };
        let alike: Vec<&SfId> = org
            .all_visible(object, self.now)
            .filter(|(_, version)| !version.deleted)
            .filter(|(_, version)| {
                version.fields.get(field).and_then(Value::as_str).is_some_and(|held| held.to_lowercase() == wanted)
            })
            .map(|(id, _)| id)
            .collect();
        if alike.is_empty() { Ok(()) } else { Err(duplicates(object, rule, &alike)) }
    }
}

fn duplicates(object: &str, rule: DuplicateRule, alike: &[&SfId]) -> Refusal {
    let message = "Use one of these records?";
    let records: Vec<Value> = alike
        .iter()
        .map(|id| {
            json!({
                "additionalInformation": [],
                "fieldDiffs": [],
                "matchConfidence": 100.0,
                "record": { "attributes": { "type": object }, "Id": id.as_str() },
            })
        })
        .collect();
    let mut refusal = Refusal::new("DUPLICATES_DETECTED", message);
    for reason in &mut refusal.reasons {
        reason.duplicates = Some(json!({
            "allowSave": rule == DuplicateRule::Alert,
            "duplicateRule": format!("Standard_{object}_Duplicate_Rule"),
            "duplicateRuleEntityType": object,
            "errorMessage": message,
            "matchResults": [{
                "entityType": object,
                "errors": [],
                "matchEngine": "FuzzyMatchEngine",
                "matchRecords": records,
                "rule": format!("Standard_{object}_Match_Rule_v1_0"),
                "size": alike.len(),
                "success": true,
            }],
        }));
    }
    refusal
}

/// The object, if it exists and callers may write it.
fn writable<'a>(org: &'a Org, object: &str, author: &Author) -> Result<&'a Object, Refusal> {
    let object = org.schema.object(object).ok_or_else(Refusal::not_found)?;
    // An administrator prepares lists by hand; nobody writes users here.
    if object.read_only && (author.by == By::Api || object.name == "User") {
        return Err(Refusal::new("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object")
            .status(StatusCode::FORBIDDEN));
    }
    Ok(object)
}

/// Whether `field` addresses records of `object`.
///
/// # Errors
/// 404, as Salesforce answers for any other field.
pub fn external_id_field(org: &Org, object: &str, field: &str) -> Result<(), Refusal> {
    let known = org.schema.object(object).and_then(|object| object.field(field));
    if known.is_some_and(|field| field.external_id) {
        return Ok(());
    }
    let text = format!("Provided external ID field does not exist or is not accessible: {field}");
    Err(Refusal::new("NOT_FOUND", text).status(StatusCode::NOT_FOUND))
}

fn alive(org: &Org, object: &str, id: &SfId) -> Result<(), Refusal> {
    match org.committed(object, id) {
        None => Err(Refusal::not_found()),
        Some(version) if version.deleted => Err(Refusal::deleted()),
        Some(_) => Ok(()),
    }
}

/// No other living record has the value, seen by readers or not.
fn unique(org: &Org, object: &Object, own: Option<&SfId>, fields: &BTreeMap<String, Value>) -> Result<(), Refusal> {
    for field in object.fields.iter().filter(|field| field.unique) {
        let Some(value) = fields.get(&field.name).and_then(Value::as_str) else { continue };
        if let Some(holder) = org.holders(object.name, &field.name, value).find(|id| Some(*id) != own) {
            return Err(Refusal::duplicate_value(&field.name, holder.as_str()));
        }
    }
    Ok(())
}
