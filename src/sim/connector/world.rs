//! What the hub keeps: records by key, and who they are in InTouch.
//!
//! Upserts, Smart Match (contract 1.8) and the rules that need other records. It deletes nothing by itself
//! and never makes staff or sources out of ids it does not know.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::call::Recorded;
use super::error::Refusal;
use super::settings::Settings;
use super::shape::{Key, Resource, Save};
use crate::model::Timestamp;

/// Calls remembered; the oldest go first.
pub(super) const REMEMBERED: usize = 100_000;

/// One record as the hub keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    /// What it is.
    pub resource: Resource,
    /// Whose, and the provider's id of it.
    #[serde(flatten)]
    pub key: Key,
    /// The hub's own id, answered to every save.
    pub uuid: String,
    /// The person in InTouch; two records that Smart Match joined have the same.
    pub in_touch_id: String,
    /// Its values by element name; `address2` is dropped.
    pub values: BTreeMap<String, String>,
    /// Provider id of who saved it first.
    pub created_by: String,
    /// When that was.
    pub created_at: Timestamp,
    /// Provider id of who saved it last.
    pub modified_by: String,
    /// When that was.
    pub modified_at: Timestamp,
    /// A source InTouch itself defines, which cannot be edited.
    pub system: bool,
}

impl Record {
    /// One of its values; empty when it has none.
    pub fn value(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    /// Its values as JSON, for ledger and control API.
    pub fn content(&self) -> Value {
        Value::Object(self.values.iter().map(|(name, value)| (name.clone(), json!(value))).collect::<Map<_, _>>())
    }
}

/// Fresh ids of a record that may be new.
#[derive(Debug)]
pub(super) struct Fresh {
    pub uuid: String,
    pub in_touch_id: String,
}

#[derive(Debug, Default)]
pub(super) struct World {
    pub records: BTreeMap<(Resource, Key), Record>,
    pub calls: std::collections::VecDeque<Recorded>,
    pub called: u64,
}

impl World {
    /// The records of one resource in one club.
    pub fn of_club(&self, resource: Resource, key: &Key) -> impl Iterator<Item = &Record> {
        let (identifier, client, club) = (key.identifier.clone(), key.client.clone(), key.club.clone());
        self.records.values().filter(move |record| {
            record.resource == resource
                && record.key.identifier == identifier
                && record.key.client == client
                && record.key.club == club
        })
    }

    fn knows(&self, resource: Resource, key: &Key, id: &str) -> bool {
        self.records.contains_key(&(resource, Key { record: id.to_owned(), ..key.clone() }))
    }

    /// What forbids the save, given what is there already.
    pub fn admits(&self, resource: Resource, save: &Save, settings: &Settings) -> Result<(), Refusal> {
        if settings.clients.get(&save.key.client).is_none_or(|clubs| !clubs.contains(&save.key.club))
            || save.key.identifier != settings.provider
        {
            return Err(Refusal {
                status: axum::http::StatusCode::FORBIDDEN,
                ..Refusal::validation("unknown provider, client or club")
            });
        }
        let links = [(&settings.owner_element, Resource::Staff), (&settings.source_element, Resource::LeadSource)];
        for (element, of) in links {
            if let Some(id) = save.values.get(element)
                && !self.knows(of, &save.key, id)
            {
                return Err(Refusal::validation(format!("<{element}> names nobody")));
            }
        }
        let before = self.records.get(&(resource, save.key.clone()));
        match before {
            Some(before) if before.system => Err(Refusal::validation("a system source cannot be edited")),
            Some(before)
                if resource == Resource::LeadSource && before.values.get("name") != save.values.get("name") =>
            {
                Err(Refusal::validation("the name of a lead source cannot change"))
            }
            _ => Ok(()),
        }
    }

    /// Saves, and returns the record with whether it is new.
    pub fn save(
        &mut self,
        resource: Resource,
        save: Save,
        by: &str,
        now: Timestamp,
        settings: &Settings,
        fresh: Fresh,
    ) -> (Record, bool) {
        let mut values = save.values;
        values.remove("address2");
        let slot = (resource, save.key.clone());
        if let Some(record) = self.records.get_mut(&slot) {
            if settings.absent_keeps {
                record.values.extend(values);
            } else {
                record.values = values;
            }
            record.modified_by = by.to_owned();
            record.modified_at = now;
            return (record.clone(), false);
        }
        let mut record = Record {
            resource,
            key: save.key,
            uuid: fresh.uuid,
            in_touch_id: fresh.in_touch_id,
            values,
            created_by: by.to_owned(),
            created_at: now,
            modified_by: by.to_owned(),
            modified_at: now,
            system: false,
        };
        if let Some(prospect) = self.smart_match(&record) {
            // One person in InTouch from now on, a member; who owns the lead stays as it is.
            if let Some(prospect) = self.records.get_mut(&(resource, prospect)) {
                prospect.values.insert("userType".into(), "MEMBER".into());
                prospect.modified_at = now;
                record.in_touch_id.clone_from(&prospect.in_touch_id);
            }
        }
        self.records.insert(slot, record.clone());
        (record, true)
    }

    /// The one prospect of the club a new member turns out to be: by full name, email and mobile, else by
    /// full name and email, else by full name and mobile. None or several is nobody.
    fn smart_match(&self, member: &Record) -> Option<Key> {
        if member.resource != Resource::User || member.value("userType") != "MEMBER" {
            return None;
        }
        let full =
            |record: &Record| format!("{} {}", record.value("firstname"), record.value("lastname")).to_lowercase();
        let email = |record: &Record| record.value("email").to_lowercase();
        let mobile = |record: &Record| record.value("mobile").chars().filter(char::is_ascii_digit).collect::<String>();
        let same = |one: String, other: String| !one.is_empty() && one == other;
        let steps: [&dyn Fn(&Record) -> bool; 3] = [
            &|other| same(email(member), email(other)) && same(mobile(member), mobile(other)),
            &|other| same(email(member), email(other)),
            &|other| same(mobile(member), mobile(other)),
        ];
        steps.iter().find_map(|step| {
            let mut hits = self
                .of_club(Resource::User, &member.key)
                .filter(|other| other.value("userType") == "PROSPECT" && full(member) == full(other) && step(other));
            match (hits.next(), hits.next()) {
                (Some(only), None) => Some(only.key.clone()),
                _ => None,
            }
        })
    }

    /// Keeps a note of a call.
    pub fn note(&mut self, call: Recorded) {
        self.called += 1;
        if self.calls.len() == REMEMBERED {
            self.calls.pop_front();
        }
        self.calls.push_back(Recorded { seq: self.called, ..call });
    }
}
