//! A record as readers see it: in JSON, and cell by cell for SOQL.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::id::SfId;
use super::org::{Org, Version};
use super::rules;
use super::schema::Kind;
use super::soql::{Cell, Column, Rows};
use super::stamp;
use crate::model::Timestamp;

/// One state of one record, with the org around it.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// For parents.
    pub org: &'a Org,
    /// Its object.
    pub object: &'static str,
    /// Its id.
    pub id: &'a SfId,
    /// The state.
    pub version: &'a Version,
    /// When it is read.
    pub now: Timestamp,
}

impl<'a> View<'a> {
    /// The value of an own field, by API name.
    fn field(&self, name: &str, kind: &Kind) -> Cell<'a> {
        let version = self.version;
        let id = |id: &'a SfId| Cell::Text(Cow::Borrowed(id.as_str()));
        match name {
            "Id" => id(self.id),
            "CreatedDate" => Cell::Time(version.created),
            "LastModifiedDate" | "SystemModstamp" => Cell::Time(version.modified),
            "CreatedById" => id(&version.created_by),
            "LastModifiedById" => id(&version.modified_by),
            "IsDeleted" => Cell::Bool(version.deleted),
            "MasterRecordId" => version.master.as_ref().map_or(Cell::Null, id),
            "Name" if matches!(self.object, "Contact" | "Lead" | "User") => full_name(version),
            "HasResponded" if self.object == "CampaignMember" => Cell::Bool(rules::has_responded(self.org, version)),
            _ => match version.fields.get(name) {
                Some(Value::Bool(flag)) => Cell::Bool(*flag),
                Some(Value::Number(number)) => number.as_f64().map_or(Cell::Null, Cell::Number),
                Some(Value::String(text)) if *kind == Kind::DateTime => {
                    stamp::from_text(text).map_or(Cell::Null, Cell::Time)
                }
                Some(Value::String(text)) => Cell::Text(Cow::Borrowed(text)),
                _ if *kind == Kind::Boolean => Cell::Bool(false),
                _ => Cell::Null,
            },
        }
    }

    /// The record a reference leads to, as this reader sees it.
    fn parent(&self, reference: &str, object: &'static str) -> Option<View<'a>> {
        let Cell::Text(id) = self.field(reference, &Kind::Id) else { return None };
        let id = SfId::parse(&id)?;
        let (id, version) = self.org.visible_entry(object, &id, self.now)?;
        Some(View { object, id, version, ..*self })
    }

    fn attributes(&self, api: &str) -> Value {
        json!({ "type": self.object, "url": format!("/services/data/v{api}/sobjects/{}/{}", self.object, self.id) })
    }

    /// The record with these columns, as a query or a read answers it under API version `api`.
    pub fn render(&self, columns: &[Column], api: &str) -> Value {
        let mut shown = Map::new();
        shown.insert("attributes".to_owned(), self.attributes(api));
        for column in columns {
            let Some((reference, relationship, object)) = &column.hop else {
                shown.insert(column.field.clone(), to_json(self.field(&column.field, &column.kind)));
                continue;
            };
            let parent = self.parent(reference, object);
            let entry = shown.entry(*relationship).or_insert_with(|| match parent {
                Some(parent) => json!({ "attributes": parent.attributes(api) }),
                None => Value::Null,
            });
            if let (Some(parent), Value::Object(inner)) = (parent, entry) {
                inner.insert(column.field.clone(), to_json(parent.field(&column.field, &column.kind)));
            }
        }
        Value::Object(shown)
    }

    /// All fields, as a read by id answers them.
    pub fn whole(&self, api: &str) -> Value {
        let fields = self.org.schema.object(self.object).map(|object| object.fields.as_slice()).unwrap_or_default();
        let column =
            |field: &super::schema::Field| Column { hop: None, field: field.name.clone(), kind: field.kind.clone() };
        self.render(&fields.iter().map(column).collect::<Vec<_>>(), api)
    }
}

impl Rows for View<'_> {
    fn cell(&self, column: &Column) -> Cell<'_> {
        match &column.hop {
            None => self.field(&column.field, &column.kind),
            Some((reference, _, object)) => match self.parent(reference, object) {
                Some(parent) => parent.field(&column.field, &column.kind),
                None if column.kind == Kind::Boolean => Cell::Bool(false),
                None => Cell::Null,
            },
        }
    }
}

/// First and last name as one, which Salesforce computes and nobody can write.
fn full_name(version: &Version) -> Cell<'_> {
    let part = |name: &str| version.fields.get(name).and_then(Value::as_str);
    match (part("FirstName"), part("LastName")) {
        (Some(first), Some(last)) => Cell::Text(Cow::Owned(format!("{first} {last}"))),
        (Some(one), None) | (None, Some(one)) => Cell::Text(Cow::Borrowed(one)),
        (None, None) => Cell::Null,
    }
}

fn to_json(cell: Cell<'_>) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Bool(flag) => json!(flag),
        Cell::Number(number) => json!(number),
        Cell::Time(at) => json!(stamp::to_json(at)),
        Cell::Text(text) => json!(text),
    }
}
