//! What the port's methods come down to on `res.partner`: which calls, in which order.

use std::sync::{Arc, PoisonError};

use serde_json::{Map, Value as Json, json};

use super::fields::{self, Cell, Countries, FieldMap, HalfFields, arguments, malformed};
use super::listing::Position;
use super::name::{self, Halves};
use super::{NameFields, Odoo, PAGE_SIZE, SYSTEM, refusal};
use crate::model::{FieldKind, Fields, ModuleId, Record, RecordId, Value};
use crate::remote::exchange::{self, Effect, failure};
use crate::remote::{Class, FieldDefinition, Page, PageRequest, Probe, RemoteError, Sent, WriteAck};

const PARTNER: &str = "res.partner";
/// Module part of the external ids Tandem gives.
const KEY_SPACE: &str = "__tandem__";

impl Odoo {
    /// The field map of `module`.
    pub(super) fn map(&self, module: ModuleId) -> &FieldMap {
        // Invariant: `new` fills the map for every module.
        &self.maps[&module]
    }

    /// The fields that hold the halves of a name, asked for once.
    async fn half_fields(&self) -> Result<HalfFields<'_>, RemoteError> {
        let (first, last) = match &self.configured_names {
            NameFields::Split => return Ok(None),
            NameFields::Custom { first, last } => return Ok(Some((first, last))),
            NameFields::Detect => ("x_first_name", "x_last_name"),
        };
        let detect = async || {
            let question = arguments([("allfields", json!([first, last])), ("attributes", json!(["type"]))]);
            let answer = self.wire.call(PARTNER, "fields_get", question, Effect::Reads).await?;
            let is_char = |field: &str| answer.body[field]["type"] == "char";
            Ok((is_char(first) && is_char(last)).then(|| (first.to_owned(), last.to_owned())))
        };
        let detected = self.detected_names.get_or_try_init(detect).await?;
        Ok(detected.as_ref().map(|(first, last)| (first.as_str(), last.as_str())))
    }

    /// The table of countries, read again when `sufficient` finds something missing.
    async fn countries(
        &self,
        module: ModuleId,
        sufficient: impl Fn(&Countries) -> bool,
    ) -> Result<Arc<Countries>, RemoteError> {
        let known = Arc::clone(&self.countries.read().unwrap_or_else(PoisonError::into_inner));
        if !self.map(module).has_country() || (!known.is_empty() && sufficient(&known)) {
            return Ok(known);
        }
        let question = arguments([("domain", json!([])), ("fields", json!(["code"]))]);
        let answer = self.wire.call("res.country", "search_read", question, Effect::Reads).await?;
        let fresh: Countries = answer
            .body
            .as_array()
            .ok_or_else(|| malformed("res.country.search_read", "the answer is not a list"))?
            .iter()
            .filter_map(|row| Some((row.get("id")?.as_i64()?, row.get("code")?.as_str()?.to_owned())))
            .collect();
        let fresh = Arc::new(fresh);
        *self.countries.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&fresh);
        Ok(fresh)
    }

    /// Rows as `read` and `search_read` give them, as records.
    async fn decode(&self, module: ModuleId, action: &str, rows: &Json) -> Result<Vec<Record>, RemoteError> {
        let rows = rows.as_array().ok_or_else(|| malformed(action, "the answer is not a list"))?;
        let halves = self.half_fields().await?;
        let country_of = |row: &Json| row.get("country_id").and_then(|pair| pair.get(0)?.as_i64());
        let countries = self
            .countries(module, |known| rows.iter().filter_map(country_of).all(|id| known.contains_key(&id)))
            .await?;
        rows.iter().map(|row| self.map(module).decode(action, row, halves, &countries)).collect()
    }

    /// One page of the listing.
    pub(super) async fn page(&self, module: ModuleId, request: &PageRequest) -> Result<Page, RemoteError> {
        let action = "res.partner.search_read";
        let position = Position::of(request)
            .ok_or_else(|| malformed(action, "the stored position is not one of this adapter's"))?;
        let domain = position.domain(module, request.to);
        let question = arguments([
            ("domain", domain.clone()),
            ("fields", json!(self.map(module).to_read(self.half_fields().await?))),
            ("order", json!(position.order())),
            ("limit", json!(PAGE_SIZE)),
        ]);
        let answer = self.wire.call(PARTNER, "search_read", question, Effect::Reads).await?;
        let records = self.decode(module, action, &answer.body).await?;
        let last = match records.last() {
            None => None,
            Some(record) => {
                let id = record.id.as_str().parse().map_err(|_| malformed(action, "an id is not a number"))?;
                Some((record.modified.ok_or_else(|| malformed(action, "a row without write_date"))?, id))
            }
        };
        let next = position.next(last, records.len() >= PAGE_SIZE as usize);
        let first_of_all = request.position.is_none() && request.from.is_none();
        let total = match next {
            Some(_) if first_of_all => {
                let count = arguments([("domain", domain)]);
                self.wire.call(PARTNER, "search_count", count, Effect::Reads).await?.body.as_u64()
            }
            _ => None,
        };
        Ok(Page { records, next: next.map(|next| next.to_string()), total, server_time: answer.server_time })
    }

    /// The record with this id, if it exists.
    pub(super) async fn read(&self, module: ModuleId, id: i64) -> Result<Option<Record>, RemoteError> {
        let question =
            arguments([("ids", json!([id])), ("fields", json!(self.map(module).to_read(self.half_fields().await?)))]);
        let answer = self.wire.call(PARTNER, "read", question, Effect::Reads).await?;
        Ok(self.decode(module, "res.partner.read", &answer.body).await?.pop())
    }

    /// The records that carry this key: one or none.
    pub(super) async fn by_key(&self, module: ModuleId, key: &str) -> Result<Vec<Record>, RemoteError> {
        exchange::check_key(SYSTEM, "ir.model.data.search_read", key)?;
        let owner = json!([["module", "=", KEY_SPACE], ["name", "=", key], ["model", "=", PARTNER]]);
        let question = arguments([("domain", owner), ("fields", json!(["res_id"]))]);
        let id = match self.wire.call("ir.model.data", "search_read", question, Effect::Reads).await {
            Ok(answer) => answer.body.get(0).and_then(|row| row["res_id"].as_i64()),
            Err(error) if error.class == Class::Forbidden => self.reference(key).await?,
            Err(error) => return Err(error),
        };
        match id {
            Some(id) => Ok(self.read(module, id).await?.into_iter().collect()),
            None => Ok(Vec::new()),
        }
    }

    /// The look-up by key that plain users may make. It goes through a cache which Odoo also fills
    /// from calls it then rolls back, and then answers `[model, false]` although there is no such
    /// record; a record hidden from the user looks the same. Taking both for "not found" is safe:
    /// the create that may follow carries the same key, and Odoo refuses it or finds the record.
    async fn reference(&self, key: &str) -> Result<Option<i64>, RemoteError> {
        let question = arguments([("module", json!(KEY_SPACE)), ("xml_id", json!(key))]);
        match self.wire.call("ir.model.data", "check_object_reference", question, Effect::Reads).await {
            Ok(answer) if answer.body[0] == PARTNER => Ok(answer.body[1].as_i64()),
            Ok(_) => {
                Err(malformed("ir.model.data.check_object_reference", "the key belongs to another kind of record"))
            }
            Err(error) if refusal::is_unknown_external_id(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates the record under its key, or finds the one that has it.
    pub(super) async fn load(&self, module: ModuleId, key: &str, fields: &Fields) -> Result<WriteAck, RemoteError> {
        let action = "res.partner.load";
        exchange::check_key(SYSTEM, action, key)?;
        let halves = self.half_fields().await?;
        let map = self.map(module);
        let mut cells = self.encode(module, action, fields).await?;
        if map.has_person_name() {
            cells.extend(fields::encode_halves(&halves_in(fields, &Halves::default()), halves));
        }
        let is_company = module == ModuleId::Companies;
        let mut columns = vec!["id".to_owned(), "is_company".to_owned()];
        let mut row = vec![format!("{KEY_SPACE}.{key}"), u8::from(is_company).to_string()];
        for (field, cell) in &cells {
            columns.push(cell.load_column(field, map.is_related(field)));
            row.push(cell.for_load());
        }
        let call = arguments([("fields", json!(columns)), ("data", json!([row]))]);
        let answer = self.wire.call(PARTNER, "load", call, Effect::Writes).await?.body;
        match answer["ids"].get(0).and_then(Json::as_i64) {
            // `load` does not tell a new record from one that had the key already.
            Some(id) => Ok(WriteAck { id: RecordId(id.to_string()), created: None }),
            None if answer["ids"] == Json::Bool(false) => {
                Err(refusal::of_load(action, &answer["messages"], |field| map.name_of(field, halves)))
            }
            None => Err(failure(SYSTEM, action, Class::Malformed, Sent::Maybe, "the answer names no record")),
        }
    }

    /// Writes `patch` onto an existing record.
    pub(super) async fn write(&self, module: ModuleId, id: &RecordId, patch: &Fields) -> Result<WriteAck, RemoteError> {
        let action = "res.partner.write";
        let number = number(action, id)?;
        let mut cells = self.encode(module, action, patch).await?;
        if self.map(module).has_person_name() && (patch.contains_key("first_name") || patch.contains_key("last_name")) {
            cells.extend(self.name_patch(action, number, patch).await?);
        }
        let values: Map<String, Json> = cells.into_iter().map(|(field, cell)| (field, cell.for_write())).collect();
        if !values.is_empty() {
            let call = arguments([("ids", json!([number])), ("vals", Json::Object(values))]);
            self.wire.call(PARTNER, "write", call, Effect::Writes).await?;
        }
        Ok(WriteAck { id: id.clone(), created: Some(false) })
    }

    /// The cells that bring the name to what `patch` says; a half it leaves out is read first.
    async fn name_patch(&self, action: &str, id: i64, patch: &Fields) -> Result<Vec<(String, Cell)>, RemoteError> {
        let halves = self.half_fields().await?;
        if patch.contains_key("first_name") && patch.contains_key("last_name") {
            return Ok(fields::encode_halves(&halves_in(patch, &Halves::default()), halves));
        }
        let mut wanted = vec!["name"];
        wanted.extend(halves.iter().flat_map(|(first, last)| [*first, *last]));
        let question = arguments([("ids", json!([id])), ("fields", json!(wanted))]);
        let answer = self.wire.call(PARTNER, "read", question, Effect::Reads).await?;
        let row = answer.body.get(0).ok_or_else(|| {
            failure(SYSTEM, action, Class::Missing, Sent::No, "the record does not exist or has been deleted")
        })?;
        let name = row["name"].as_str().unwrap_or_default();
        if halves.is_none() && name::is_ambiguous(name) {
            let why = "the name has more than two words and Odoo does not keep its halves apart; \
                       write both, or add the fields x_first_name and x_last_name to res.partner";
            return Err(failure(SYSTEM, action, Class::Rejected, Sent::No, why));
        }
        Ok(fields::encode_halves(&halves_in(patch, &fields::decode_halves(row, halves)), halves))
    }

    async fn encode(
        &self,
        module: ModuleId,
        action: &str,
        fields: &Fields,
    ) -> Result<Vec<(String, Cell)>, RemoteError> {
        let code = fields.get("country").and_then(Value::as_text).unwrap_or_default().trim();
        let countries = if code.is_empty() {
            Arc::default()
        } else {
            self.countries(module, |known| known.values().any(|known| known.eq_ignore_ascii_case(code))).await?
        };
        self.map(module).encode(action, fields, &countries)
    }

    /// The fields that could be mapped.
    pub(super) async fn describe(&self, module: ModuleId) -> Result<Vec<FieldDefinition>, RemoteError> {
        let halves = self.half_fields().await?;
        let question = arguments([("attributes", json!(["string", "type", "readonly", "selection", "store"]))]);
        let answer = self.wire.call(PARTNER, "fields_get", question, Effect::Reads).await?;
        let all = answer.body.as_object().ok_or_else(|| malformed("res.partner.fields_get", "not an object"))?;
        Ok(all
            .iter()
            .filter(|(name, field)| field["store"] == true && !self.map(module).maps(name, halves))
            .map(|(name, field)| definition(name, field))
            // What cannot be synced is only worth showing where somebody made the field on purpose.
            .filter(|definition| definition.kind.is_some() || definition.name.starts_with("x_"))
            .collect())
    }

    /// Tests address, key and database.
    pub(super) async fn ping(&self) -> Result<Probe, RemoteError> {
        let sent = self.clock.now();
        let answer = self.wire.version().await.map_err(|error| match error.class {
            Class::Unsupported => {
                RemoteError { message: "this is not an Odoo server of version 19 or later".to_owned(), ..error }
            }
            _ => error,
        })?;
        let received = self.clock.now();
        let version =
            answer.body["version"].as_str().ok_or_else(|| malformed("version", "no version in the answer"))?;
        // The version is public; this proves the key and the database name.
        self.wire.call("res.users", "context_get", Map::new(), Effect::Reads).await?;
        Ok(Probe {
            system: exchange::cut(&format!("Odoo {version}")),
            clock_skew_ms: answer.server_time.map(|server| exchange::clock_skew(server, sent, received)),
            round_trip_ms: u64::try_from(received.since(sent).as_millis()).unwrap_or(u64::MAX),
        })
    }
}

/// The halves of a name as `fields` gives them, with `other` for what it leaves out.
fn halves_in(fields: &Fields, other: &Halves) -> Halves {
    let half = |name: &str, other: &str| match fields.get(name) {
        None => other.to_owned(),
        Some(value) => value.as_text().unwrap_or_default().to_owned(),
    };
    Halves { first: half("first_name", &other.first), last: half("last_name", &other.last) }
}

/// One entry of `fields_get`.
fn definition(name: &str, field: &Json) -> FieldDefinition {
    let kind = match field["type"].as_str().unwrap_or_default() {
        "char" => Some(FieldKind::Text),
        "text" => Some(FieldKind::LongText),
        "integer" => Some(FieldKind::Int),
        "boolean" => Some(FieldKind::Bool),
        "date" => Some(FieldKind::Date),
        "selection" => Some(FieldKind::Choice),
        _ => None,
    };
    let options = field["selection"].as_array().into_iter().flatten();
    FieldDefinition {
        name: name.to_owned(),
        title: field["string"].as_str().unwrap_or(name).to_owned(),
        kind,
        writable: field["readonly"] != true,
        options: options
            .filter_map(|option| Some((option.get(0)?.as_str()?.to_owned(), option.get(1)?.as_str()?.to_owned())))
            .collect(),
    }
}

/// An id of ours as Odoo's number.
pub(super) fn number(action: &str, id: &RecordId) -> Result<i64, RemoteError> {
    let number = id.as_str().parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| failure(SYSTEM, action, Class::Rejected, Sent::No, "this is not the id of an Odoo record"))
}
