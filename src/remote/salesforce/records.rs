//! What the port's methods come down to in Salesforce: which calls, in which order.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value as Json;
use url::form_urlencoded;

use super::fields::{FieldMap, Purpose, parse_stamp};
use super::session::{Answer, Call};
use super::soql::{self, Position};
use super::{PAGE_SIZE, SYSTEM, Salesforce, refusal};
use crate::model::{Fields, ModuleId, Record, RecordId};
use crate::remote::exchange::{self, failure};
use crate::remote::{Class, FieldDefinition, Page, PageRequest, Probe, Read, RemoteError, Sent, WriteAck};

impl Salesforce {
    /// The field map of `module`.
    pub(super) fn map(&self, module: ModuleId) -> &FieldMap {
        // Invariant: `new` fills the map for every module.
        &self.maps[&module]
    }

    /// Runs a query: `resource` is `query`, or `queryAll` to see the recycle bin too.
    pub(super) async fn query(&self, action: &str, resource: &str, soql: &str) -> Result<Answer, RemoteError> {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("q", soql).finish();
        self.session.call(&Call::get(action, format!("/{resource}?{query}"))).await
    }

    /// One page of the listing.
    pub(super) async fn page(&self, module: ModuleId, request: &PageRequest) -> Result<Page, RemoteError> {
        let map = self.map(module);
        let action = "queryAll";
        let malformed = |what: &str| failure(SYSTEM, action, Class::Malformed, Sent::No, what);
        let mut conditions = Vec::new();
        conditions.extend(map.ours());
        if let Some(from) = request.from {
            // Stamps are whole seconds, so the second that has begun is asked for as a whole.
            conditions.push(format!("SystemModstamp >= {}", soql::datetime(from.floor_second())));
        }
        if let Some(to) = request.to {
            conditions.push(format!("SystemModstamp <= {}", soql::datetime(to)));
        }
        if let Some(position) = &request.position {
            let position: Position =
                position.parse().map_err(|()| malformed("the stored position is not one of this adapter's"))?;
            conditions.push(position.condition());
        }
        let condition =
            if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
        let soql = format!(
            "SELECT {} FROM {}{condition} ORDER BY SystemModstamp, Id LIMIT {PAGE_SIZE}",
            map.selection(),
            map.object
        );
        let answer = self.query(action, action, &soql).await?;
        let records = decode_all(map, action, &answer.body)?;
        // Wide rows make Salesforce answer with fewer than asked for and `done: false`. Going on from
        // the last row is as good as its own cursor, and outlives it.
        let more = records.len() >= PAGE_SIZE || answer.body["done"] == false;
        let next = match records.last() {
            Some(Record { id, modified: Some(stamp), .. }) if more => {
                let position = Position { stamp: *stamp, id: id.to_string() };
                // Read back at once: a strange id must not surface only with the next page.
                position.to_string().parse::<Position>().map_err(|()| malformed("an Id of unknown form"))?;
                Some(position.to_string())
            }
            Some(_) => None,
            None if more => return Err(malformed("an empty page that claims to go on")),
            None => None,
        };
        Ok(Page { records, next, total: None, server_time: answer.server_time })
    }

    /// One record, from the recycle bin too: that is where merges show.
    pub(super) async fn read(&self, module: ModuleId, id: &RecordId) -> Result<Read, RemoteError> {
        let map = self.map(module);
        check_id("queryAll", id)?;
        let soql = format!("SELECT {} FROM {} WHERE Id = {}", map.selection(), map.object, soql::string(id.as_str()));
        let answer = self.query("queryAll", "queryAll", &soql).await?;
        let Some(record) = decode_all(map, "queryAll", &answer.body)?.pop() else {
            return Ok(Read::Missing);
        };
        if !record.archived {
            return Ok(Read::Found(Box::new(record)));
        }
        match answer.body["records"][0]["MasterRecordId"].as_str() {
            Some(survivor) => Ok(Read::MergedInto(RecordId::from(survivor))),
            None => Ok(Read::Missing),
        }
    }

    /// The living records that carry this key: more than one only if the field is not unique.
    pub(super) async fn by_key(&self, module: ModuleId, key: &str) -> Result<Vec<Record>, RemoteError> {
        let map = self.map(module);
        let (field, key) = (&self.key_field, soql::string(key));
        let soql = format!("SELECT {} FROM {} WHERE {field} = {key} LIMIT 10", map.selection(), map.object);
        let answer = self.query("query", "query", &soql).await?;
        decode_all(map, "query", &answer.body)
    }

    /// Creates the record under its key, or writes the one that has it.
    pub(super) async fn upsert(&self, module: ModuleId, key: &str, fields: &Fields) -> Result<WriteAck, RemoteError> {
        let map = self.map(module);
        let action = "upsert";
        exchange::check_key(SYSTEM, action, key)?;
        let body = map.encode(action, fields, Purpose::Create)?;
        let path = format!("/sobjects/{}/{}/{key}", map.object, self.key_field);
        let mut answer = self.session.call(&Call::patch(action, path.clone(), &body)).await;
        let refused = answer.as_ref().err().cloned();
        match refused.as_ref().and_then(|error| error.code.as_deref()) {
            Some(refusal::GIVEN_ONCE) if map.has_once() => {
                answer = self.write_again(map, path, fields).await.unwrap_or(answer);
            }
            Some(refusal::DUPLICATE_VALUE) => {
                if let (Some(condition), Some(refused)) = (map.twin_of(fields), refused) {
                    return self.adopt(map, &condition, key, fields, refused).await;
                }
            }
            _ => {}
        }
        let answer = answer.map_err(|error| match error.class {
            // An upsert cannot miss a record; it is the key's field that is not there.
            Class::Missing => RemoteError { class: Class::Unsupported, ..error },
            _ => map.translate(error),
        })?;
        if let Some(id) = answer.body["id"].as_str() {
            let created = answer.body["created"].as_bool().unwrap_or(answer.status == 201);
            return Ok(WriteAck { id: RecordId::from(id), created: Some(created) });
        }
        // 204: an existing record was written, and older API versions do not say which.
        let mut found = self.by_key(module, key).await.map_err(|error| RemoteError { sent: Sent::Maybe, ..error })?;
        match (found.pop(), found.is_empty()) {
            (Some(record), true) => Ok(WriteAck { id: record.id, created: Some(false) }),
            _ => {
                Err(failure(SYSTEM, action, Class::Malformed, Sent::Maybe, "the record written cannot be found again"))
            }
        }
    }

    /// The upsert was refused for fields that are given only once: perhaps because the record is there.
    /// `None` if it is not, and the refusal stands.
    async fn write_again(&self, map: &FieldMap, path: String, fields: &Fields) -> Option<Result<Answer, RemoteError>> {
        let body = map.encode("upsert", fields, Purpose::Again).ok()?;
        let call = Call::patch("upsert", format!("{path}?updateOnly=true"), &body);
        match self.session.call(&call).await {
            Err(error) if error.class == Class::Missing => None,
            other => Some(other),
        }
    }

    /// Another record has the values that no two may share. If somebody made it by hand, it is the record we
    /// were to create, and gets our key; if it carries another key, a person must look.
    async fn adopt(
        &self,
        map: &FieldMap,
        condition: &str,
        key: &str,
        fields: &Fields,
        refused: RemoteError,
    ) -> Result<WriteAck, RemoteError> {
        let action = "upsert";
        let key_field = &self.key_field;
        let soql = format!("SELECT Id, LastModifiedDate, {key_field} FROM {} WHERE {condition} LIMIT 2", map.object);
        let answer = self.query("query", "query", &soql).await?;
        let [row] = answer.body["records"].as_array().map(Vec::as_slice).unwrap_or_default() else {
            return Err(refused);
        };
        let id = RecordId::from(row["Id"].as_str().unwrap_or_default());
        check_id(action, &id)?;
        match row[key_field].as_str() {
            // Ours, and not yet found by its key: to be proved, as any lost race.
            Some(held) if held.eq_ignore_ascii_case(key) => return Err(refused),
            Some(_) => {
                let details = vec![format!("possible match: {id}")];
                return Err(RemoteError { class: Class::Rejected, sent: Sent::No, details, ..refused });
            }
            None => {}
        }
        let body = map.with_key(map.encode(action, fields, Purpose::Again)?, key);
        let mut call = Call::patch(action, format!("/sobjects/{}/{id}", map.object), &body);
        call.unmodified_since = row["LastModifiedDate"].as_str().map(|seen| http_date(action, seen)).transpose()?;
        self.session.call(&call).await.map_err(|error| map.translate(error))?;
        Ok(WriteAck { id, created: Some(false) })
    }

    /// Writes `patch` onto a record, if it has not moved since `expected`.
    pub(super) async fn patch(
        &self,
        module: ModuleId,
        id: &RecordId,
        patch: &Fields,
        expected: Option<&str>,
    ) -> Result<WriteAck, RemoteError> {
        let map = self.map(module);
        let action = "update";
        check_id(action, id)?;
        let mut body = map.encode(action, patch, Purpose::Change)?;
        let shared = map.shared(patch);
        if !shared.is_empty() {
            body = map.with_others(body, &self.row(map, id, &shared).await?);
        }
        let mut call = Call::patch(action, format!("/sobjects/{}/{id}", map.object), &body);
        call.unmodified_since = expected.map(|version| http_date(action, version)).transpose()?;
        self.session.call(&call).await.map_err(|error| match error.code.as_deref() {
            // Here nothing was created: another record has the value of a unique field, and keeps it.
            Some(refusal::DUPLICATE_VALUE) => {
                RemoteError { class: Class::Rejected, sent: Sent::No, ..map.translate(error) }
            }
            _ => map.translate(error),
        })?;
        Ok(WriteAck { id: id.clone(), created: Some(false) })
    }

    /// Some fields of a record as they stand.
    async fn row(&self, map: &FieldMap, id: &RecordId, fields: &[&str]) -> Result<Json, RemoteError> {
        let soql = format!("SELECT {} FROM {} WHERE Id = {}", fields.join(", "), map.object, soql::string(id.as_str()));
        let mut answer = self.query("query", "query", &soql).await?;
        let row = answer.body["records"].get_mut(0).map(Json::take);
        row.ok_or_else(|| failure(SYSTEM, "query", Class::Missing, Sent::No, "the record does not exist any more"))
    }

    /// The fields that could be mapped.
    pub(super) async fn describe(&self, module: ModuleId) -> Result<Vec<FieldDefinition>, RemoteError> {
        let map = self.map(module);
        let answer = self.session.call(&Call::get("describe", format!("/sobjects/{}/describe", map.object))).await?;
        let definitions = map.definitions(&answer.body);
        definitions.ok_or_else(|| failure(SYSTEM, "describe", Class::Malformed, Sent::No, "no fields in the answer"))
    }

    /// Tests log-in, API access and the right to read contacts.
    pub(super) async fn ping(&self) -> Result<Probe, RemoteError> {
        // Logs in first, so that the log-in is not part of the time measured.
        self.query("query", "query", "SELECT Id FROM Account LIMIT 1").await?;
        let sent = self.clock.now();
        let answer = self.query("query", "query", "SELECT Id FROM Contact LIMIT 1").await?;
        let received = self.clock.now();
        Ok(Probe {
            system: format!("Salesforce, API {}", self.api_version),
            clock_skew_ms: answer.server_time.map(|server| exchange::clock_skew(server, sent, received)),
            round_trip_ms: u64::try_from(received.since(sent).as_millis()).unwrap_or(u64::MAX),
            ..Probe::default()
        })
    }
}

fn decode_all(map: &FieldMap, action: &str, body: &Json) -> Result<Vec<Record>, RemoteError> {
    let rows = body["records"].as_array();
    let rows = rows.ok_or_else(|| failure(SYSTEM, action, Class::Malformed, Sent::No, "no records in the answer"))?;
    rows.iter().map(|row| map.decode(action, row)).collect()
}

fn check_id(action: &str, id: &RecordId) -> Result<(), RemoteError> {
    if soql::is_id(id.as_str()) {
        return Ok(());
    }
    Err(failure(SYSTEM, action, Class::Rejected, Sent::No, "this is not the id of a Salesforce record"))
}

/// `LastModifiedDate` as `If-Unmodified-Since` takes it.
fn http_date(action: &str, version: &str) -> Result<String, RemoteError> {
    let at = parse_stamp(version).ok_or_else(|| {
        failure(SYSTEM, action, Class::Malformed, Sent::No, "the version seen is not a LastModifiedDate")
    })?;
    Ok(httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(at.sort_key())))
}
