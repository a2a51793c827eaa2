//! Odoo 19 and later as a CRM: contacts and companies are both `res.partner` (`contracts/crm.md` 6).
//!
//! What is particular about it, all measured on a real 19.0 server:
//!
//! * No conditional write. The adapter writes what it is told; the engine reads before and after.
//! * Creates go through `load` with the external id `__tandem__.<key>`, which Odoo keeps unique, so the
//!   same create twice is one record. Adding such an id to an *existing* record needs write access to
//!   `ir.model.data`, an administrator's table, so the key is never stamped and is no field here.
//! * A look-up by key uses `ir.model.data.check_object_reference`, which plain sales users may call.
//! * Hard deletes leave nothing behind; archiving shows as [`Record::archived`](crate::model::Record).
//!
//! Refuses to speak the older JSON-RPC wire, and to repeat anything by itself.

mod fields;
mod listing;
mod name;
mod refusal;
mod settings;
mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::{Map, Value as Json, json};
use tokio::sync::OnceCell;

use self::fields::{Countries, FieldMap, HalfFields, arguments, malformed};
use self::listing::Position;
use self::name::Halves;
pub use self::settings::{NameFields, Settings};
use self::wire::Wire;
use super::exchange::{self, Effect, failure, without_values};
use super::transport::Transport;
use super::{
    Capabilities, Class, ConditionalWrite, DeleteEvidence, FieldDefinition, IdempotentCreate, Listing, Page,
    PageRequest, Probe, Read, Remote, RemoteError, Sent, WriteAck,
};
use crate::error::Error;
use crate::model::{FieldKind, Fields, ModuleId, Record, RecordId, Value};
use crate::seam::Clock;

const SYSTEM: &str = "odoo";
const PARTNER: &str = "res.partner";
/// Module part of the external ids Tandem gives.
const KEY_SPACE: &str = "__tandem__";
/// Records per page.
const PAGE_SIZE: u32 = 200;

/// An Odoo database.
#[derive(Debug)]
pub struct Odoo {
    wire: Wire,
    clock: Arc<dyn Clock>,
    maps: BTreeMap<ModuleId, FieldMap>,
    configured_names: NameFields,
    /// The fields with the halves of a name, once detected.
    detected_names: OnceCell<Option<(String, String)>>,
    countries: RwLock<Arc<Countries>>,
    settle: Duration,
    overlap: Duration,
}

impl Odoo {
    /// An adapter for the database `settings` names. Makes no call.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::error::ErrorKind::Config) when the address is neither https nor
    /// this machine, or a field mapping cannot work.
    pub fn new(settings: Settings, transport: Arc<dyn Transport>, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        settings.check()?;
        let maps = ModuleId::ALL.map(|module| {
            let custom = settings.custom.get(&module).map(Vec::as_slice).unwrap_or_default();
            (module, FieldMap::new(module, custom))
        });
        Ok(Self {
            wire: Wire::new(&settings.base_url, &settings.database, settings.key, settings.limits, transport)?,
            clock,
            maps: BTreeMap::from(maps),
            configured_names: settings.name_fields,
            detected_names: OnceCell::new(),
            countries: RwLock::default(),
            settle: settings.settle,
            overlap: settings.overlap,
        })
    }

    fn map(&self, module: ModuleId) -> &FieldMap {
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

    async fn page(&self, module: ModuleId, request: &PageRequest) -> Result<Page, RemoteError> {
        let action = "res.partner.search_read";
        let position =
            Position::of(request).ok_or_else(|| malformed(action, "the stored position is not one of this adapter's"))?;
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

    async fn read(&self, module: ModuleId, id: i64) -> Result<Option<Record>, RemoteError> {
        let question = arguments([
            ("ids", json!([id])),
            ("fields", json!(self.map(module).to_read(self.half_fields().await?))),
        ]);
        let answer = self.wire.call(PARTNER, "read", question, Effect::Reads).await?;
        Ok(self.decode(module, "res.partner.read", &answer.body).await?.pop())
    }

    async fn by_key(&self, module: ModuleId, key: &str) -> Result<Vec<Record>, RemoteError> {
        check_key("find", key)?;
        let question = arguments([("module", json!(KEY_SPACE)), ("xml_id", json!(key))]);
        let found = match self.wire.call("ir.model.data", "check_object_reference", question, Effect::Reads).await {
            Ok(answer) => answer.body,
            Err(error) if refusal::is_unknown_external_id(&error) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        // [model, id], or [model, false] for a record this user may not see.
        match (found.get(0).and_then(Json::as_str), found.get(1).and_then(Json::as_i64)) {
            (Some(PARTNER), Some(id)) => Ok(self.read(module, id).await?.into_iter().collect()),
            (Some(PARTNER), None) => {
                let message = "the record with this key is hidden from the integration user";
                Err(failure(SYSTEM, "ir.model.data.check_object_reference", Class::Forbidden, Sent::No, message))
            }
            _ => Err(malformed("ir.model.data.check_object_reference", "the key belongs to another kind of record")),
        }
    }

    async fn create(&self, module: ModuleId, key: &str, fields: &Fields) -> Result<WriteAck, RemoteError> {
        let action = "res.partner.load";
        check_key(action, key)?;
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

    async fn update(&self, module: ModuleId, id: &RecordId, patch: &Fields) -> Result<WriteAck, RemoteError> {
        let action = "res.partner.write";
        let number = partner_id(action, id)?;
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
    async fn name_patch(
        &self,
        action: &str,
        id: i64,
        patch: &Fields,
    ) -> Result<Vec<(String, fields::Cell)>, RemoteError> {
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
    ) -> Result<Vec<(String, fields::Cell)>, RemoteError> {
        let code = fields.get("country").and_then(Value::as_text).unwrap_or_default().trim();
        let countries = if code.is_empty() {
            Arc::default()
        } else {
            self.countries(module, |known| known.values().any(|known| known.eq_ignore_ascii_case(code))).await?
        };
        self.map(module).encode(action, fields, &countries)
    }

    async fn definitions(&self, module: ModuleId) -> Result<Vec<FieldDefinition>, RemoteError> {
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

    async fn probe(&self) -> Result<Probe, RemoteError> {
        let sent = self.clock.now();
        let answer = self.wire.version().await.map_err(|error| match error.class {
            Class::Unsupported => RemoteError { message: "this is not an Odoo server of version 19 or later".to_owned(), ..error },
            _ => error,
        })?;
        let received = self.clock.now();
        let version = answer.body["version"].as_str().ok_or_else(|| malformed("version", "no version in the answer"))?;
        // The version is public; this proves the key and the database name.
        self.wire.call("res.users", "context_get", Map::new(), Effect::Reads).await?;
        Ok(Probe {
            system: exchange::cut(&format!("Odoo {version}")),
            clock_skew_ms: answer.server_time.map(|server| exchange::clock_skew(server, sent, received)),
            round_trip_ms: u64::try_from(received.since(sent).as_millis()).unwrap_or(u64::MAX),
        })
    }
}

impl Remote for Odoo {
    fn system(&self) -> &'static str {
        SYSTEM
    }

    fn capabilities(&self, _module: ModuleId) -> Capabilities {
        Capabilities {
            conditional_write: ConditionalWrite::VerifiedAfter,
            idempotent_create: IdempotentCreate::NativeKey,
            listing: Listing::Keyset,
            deletes: DeleteEvidence::ArchivedFlag,
            stamp_key: false,
            page_size: PAGE_SIZE,
            stamp_resolution: Duration::from_secs(1),
            min_overlap: self.overlap,
            settle: self.settle,
            max_in_flight: 4,
        }
    }

    fn fields(&self, module: ModuleId) -> Vec<String> {
        self.map(module).names()
    }

    fn probe(&self) -> BoxFuture<'_, Result<Probe, RemoteError>> {
        Box::pin(self.probe())
    }

    fn definitions(&self, module: ModuleId) -> BoxFuture<'_, Result<Vec<FieldDefinition>, RemoteError>> {
        Box::pin(self.definitions(module))
    }

    fn list<'a>(&'a self, module: ModuleId, request: &'a PageRequest) -> BoxFuture<'a, Result<Page, RemoteError>> {
        Box::pin(self.page(module, request))
    }

    fn get<'a>(&'a self, module: ModuleId, id: &'a RecordId) -> BoxFuture<'a, Result<Read, RemoteError>> {
        Box::pin(async move {
            let found = self.read(module, partner_id("res.partner.read", id)?).await?;
            Ok(found.map_or(Read::Missing, |record| Read::Found(Box::new(record))))
        })
    }

    fn find_by_key<'a>(
        &'a self,
        module: ModuleId,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<Record>>, RemoteError>> {
        Box::pin(async move { self.by_key(module, key).await.map(Some) })
    }

    fn create<'a>(
        &'a self,
        module: ModuleId,
        key: &'a str,
        fields: &'a Fields,
    ) -> BoxFuture<'a, Result<WriteAck, RemoteError>> {
        Box::pin(async move { self.create(module, key, fields).await.map_err(|error| without_values(error, fields)) })
    }

    /// `expected` is not used: Odoo has no conditional write.
    fn update<'a>(
        &'a self,
        module: ModuleId,
        id: &'a RecordId,
        patch: &'a Fields,
        _expected: Option<&'a str>,
    ) -> BoxFuture<'a, Result<WriteAck, RemoteError>> {
        Box::pin(async move { self.update(module, id, patch).await.map_err(|error| without_values(error, patch)) })
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

fn partner_id(action: &str, id: &RecordId) -> Result<i64, RemoteError> {
    let number = id.as_str().parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| failure(SYSTEM, action, Class::Rejected, Sent::No, "this is not the id of an Odoo record"))
}

/// External ids may hold only what every system accepts (`contracts/crm.md` 9).
fn check_key(action: &str, key: &str) -> Result<(), RemoteError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !key.is_empty() && key.len() <= 100 && key.bytes().all(plain) {
        return Ok(());
    }
    Err(failure(SYSTEM, action, Class::Rejected, Sent::No, "the external key may hold letters, digits, - and _ only"))
}
