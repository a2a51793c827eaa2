//! What the port's methods come down to: which calls, in which order, whatever the module.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

use super::cell::Cell;
use super::listing::Position;
use super::name::{self, HalfFields, Halves};
use super::place::{Place, refused};
use super::values::{self, Shape};
use super::wire::{arguments, malformed};
use super::{NameFields, Odoo, PAGE_SIZE, SYSTEM, customer, keys, refusal, stage};
use crate::model::module::BOOKING;
use crate::model::{Fields, Record, RecordId, Value};
use crate::remote::exchange::{self, Effect, failure};
use crate::remote::{Class, Page, PageRequest, RemoteError, Sent, WriteAck};

impl Odoo {
    /// The fields that hold the halves of a person's name, asked for once per module.
    pub(super) async fn half_fields(&self, place: &Place) -> Result<HalfFields<'_>, RemoteError> {
        let Some(cell) = self.detected_names.get(&place.module) else { return Ok(None) };
        let (first, last) = match &self.configured_names {
            NameFields::Split => return Ok(None),
            NameFields::Custom { first, last } if place.model == "res.partner" => return Ok(Some((first, last))),
            NameFields::Custom { first, last } => (first.as_str(), last.as_str()),
            NameFields::Detect => ("x_first_name", "x_last_name"),
        };
        let detect = async || {
            let question = arguments([("allfields", json!([first, last])), ("attributes", json!(["type"]))]);
            let answer = self.wire.call(place.model, "fields_get", question, Effect::Reads).await?;
            let is_char = |field: &str| answer.body[field]["type"] == "char";
            Ok((is_char(first) && is_char(last)).then(|| (first.to_owned(), last.to_owned())))
        };
        let detected = cell.get_or_try_init(detect).await?;
        Ok(detected.as_ref().map(|(first, last)| (first.as_str(), last.as_str())))
    }

    /// Rows as `read` and `search_read` give them, as records.
    async fn decode(&self, place: &Place, action: &str, rows: &Json) -> Result<Vec<Record>, RemoteError> {
        let rows = rows.as_array().ok_or_else(|| malformed(action, "the answer is not a list"))?;
        let halves = self.half_fields(place).await?;
        let tables = self.tables_for_rows(place, rows).await?;
        rows.iter().map(|row| place.decode(row, halves, &tables)).collect()
    }

    /// One page of the listing.
    pub(super) async fn page(&self, place: &Place, request: &PageRequest) -> Result<Page, RemoteError> {
        let action = place.action("search_read");
        let position = Position::of(request)
            .ok_or_else(|| malformed(&action, "the stored position is not one of this adapter's"))?;
        let domain = position.domain(place, request.to);
        let question = arguments([
            ("domain", domain.clone()),
            ("fields", json!(place.to_read(self.half_fields(place).await?))),
            ("order", json!(position.order())),
            ("limit", json!(PAGE_SIZE)),
        ]);
        let answer = self.wire.call(place.model, "search_read", question, Effect::Reads).await?;
        let mut records = self.decode(place, &action, &answer.body).await?;
        let last = match records.last() {
            None => None,
            Some(record) => {
                let id = record.id.as_str().parse().map_err(|_| malformed(&action, "an id is not a number"))?;
                Some((record.modified.ok_or_else(|| malformed(&action, "a row without write_date"))?, id))
            }
        };
        let next = position.next(last, records.len() >= PAGE_SIZE as usize);
        // Other people's rows are counted along, so a total would promise too much.
        let first_of_all = request.position.is_none() && request.from.is_none() && !keys::marks(place);
        let total = match next {
            Some(_) if first_of_all => {
                let count = arguments([("domain", domain)]);
                self.wire.call(place.model, "search_count", count, Effect::Reads).await?.body.as_u64()
            }
            _ => None,
        };
        if keys::marks(place) {
            let mut ours = self.mark(place, &mut records).await?.into_iter();
            // One that asks for a booking has no key of ours yet.
            let asks = |record: &Record| record.fields.get(BOOKING).is_some_and(|value| !value.is_empty());
            records.retain(|record| ours.next().unwrap_or_default() || asks(record));
        }
        Ok(Page { records, next: next.map(|next| next.to_string()), total, server_time: answer.server_time })
    }

    /// The record with this id, if it exists.
    pub(super) async fn read(&self, place: &Place, id: i64) -> Result<Option<Record>, RemoteError> {
        let mut found = self.read_row(place, id).await?;
        if keys::marks(place) {
            self.mark(place, found.as_mut_slice()).await?;
        }
        Ok(found)
    }

    /// The same without its key.
    pub(super) async fn read_row(&self, place: &Place, id: i64) -> Result<Option<Record>, RemoteError> {
        let fields = place.to_read(self.half_fields(place).await?);
        let question = arguments([("ids", json!([id])), ("fields", json!(fields))]);
        let answer = self.wire.call(place.model, "read", question, Effect::Reads).await?;
        Ok(self.decode(place, &place.action("read"), &answer.body).await?.pop())
    }

    /// Creates the record under its key, or finds the one that has it.
    pub(super) async fn load(&self, place: &Place, key: &str, fields: &Fields) -> Result<WriteAck, RemoteError> {
        let action = place.action("load");
        exchange::check_key(SYSTEM, &action, key)?;
        let halves = self.half_fields(place).await?;
        let given = self.cells(place, &action, fields, None).await?;
        let given = given
            .into_iter()
            .map(|(field, cell)| (cell.load_column(&field, place.is_related(&field)), cell.for_load()));
        let given: Vec<(String, String)> = given.collect();
        let mut columns = vec!["id".to_owned()];
        let mut row = vec![keys::external_id(key)];
        for (column, text) in &place.at_creation {
            if !given.iter().any(|(known, _)| known == column) {
                columns.push((*column).to_owned());
                row.push((*text).to_owned());
            }
        }
        for (column, text) in given {
            columns.push(column);
            row.push(text);
        }
        let call = arguments([("fields", json!(columns)), ("data", json!([row])), ("context", place.write_context())]);
        let answer = self.wire.call(place.model, "load", call, Effect::Writes).await?.body;
        match answer["ids"].get(0).and_then(Json::as_i64) {
            // `load` does not tell a new record from one that had the key already.
            Some(id) => Ok(WriteAck { id: RecordId(id.to_string()), created: None }),
            None if answer["ids"] == Json::Bool(false) => {
                let error = refusal::of_load(&action, &answer["messages"], |field| place.name_of(field, halves));
                // Measured: only an administrator may `load` a message a second time, because that writes
                // the record it belongs to. History does not change, so the one that is there is the one.
                if place.module.appends()
                    && error.class == Class::Rejected
                    && let Some(record) = self.by_key(place, key).await?.pop()
                {
                    return Ok(WriteAck { id: record.id, created: Some(false) });
                }
                Err(error)
            }
            None => Err(failure(SYSTEM, &action, Class::Malformed, Sent::Maybe, "the answer names no record")),
        }
    }

    /// Writes `patch` onto an existing record.
    pub(super) async fn write(&self, place: &Place, id: &RecordId, patch: &Fields) -> Result<WriteAck, RemoteError> {
        let action = place.action("write");
        let number = number(&action, id)?;
        let cells = self.cells(place, &action, patch, Some(number)).await?;
        let values: Map<String, Json> = cells.into_iter().map(|(field, cell)| (field, cell.for_write())).collect();
        if !values.is_empty() {
            let call = arguments([
                ("ids", json!([number])),
                ("vals", Json::Object(values)),
                ("context", place.write_context()),
            ]);
            self.wire.call(place.model, "write", call, Effect::Writes).await?;
        }
        Ok(WriteAck { id: id.clone(), created: Some(false) })
    }

    /// The cells that bring a record to what `fields` say: the one with id `stands`, or a new one. Of an
    /// existing one is read first what the cells depend on.
    async fn cells(
        &self,
        place: &Place,
        action: &str,
        fields: &Fields,
        stands: Option<i64>,
    ) -> Result<Vec<(String, Cell)>, RemoteError> {
        let tables = self.tables_for_fields(place, fields).await?;
        let mut cells = place.encode(action, fields, &tables)?;
        let halves = self.half_fields(place).await?;
        let given = name::halves_given(fields);
        let has_customer = place.has(Shape::CustomerContact);
        let stage = place.mapped.iter().find(|field| field.shape == Shape::Stage && fields.contains_key(&field.name));

        let mut wanted: Vec<&str> = Vec::new();
        if let Some(person) = place.person.filter(|_| given == 1) {
            wanted.push(person);
            wanted.extend(halves.iter().flat_map(|(first, last)| [*first, *last]));
        }
        if stage.is_some() {
            wanted.extend(["stage_id", "won_status"]);
        }
        if has_customer && customer::depends_on_now(fields) {
            wanted.push("partner_id");
        }
        let now = match stands {
            Some(id) if !wanted.is_empty() => Some(self.row(place, action, id, &wanted).await?),
            _ => None,
        };

        if let Some(person) = place.person.filter(|_| given > 0 || stands.is_none()) {
            let known = match &now {
                Some(row) if given == 1 => unambiguous_halves(place, action, row, person, halves)?,
                _ => Halves::default(),
            };
            cells.extend(name::encode_halves(&name::halves_in(fields, &known), person, halves));
        }
        if let Some(field) = stage {
            let word = fields.get(&field.name).and_then(Value::as_text).unwrap_or_default();
            let stages = self.stages(word).await?;
            let stage = stage::cells(word, &self.stage_names, &stages, now.as_ref());
            cells.extend(stage.map_err(|why| refused(action, &field.name, why))?);
        }
        if let Some(tags) = place.mapped.iter().find(|field| field.shape == Shape::Tags)
            && let Some(wanted) = fields.get(&tags.name)
        {
            cells.push((tags.odoo.clone(), self.tag_commands(action, wanted).await?));
        }
        if let (Some(id), Some(title)) = (stands, place.mapped.iter().find(|field| field.shape == Shape::Title))
            && let Some(text) = fields.get(&title.name).and_then(Value::as_text)
        {
            cells.push(("name".to_owned(), Cell::Text(format!("{} #{id}", text.trim()))));
        }
        if has_customer && customer::concerns(fields) {
            let partner: BTreeSet<i64> = now.iter().filter_map(|row| values::related(row.get("partner_id")?)).collect();
            let person_stands = !partner.is_empty() && self.companies_among(&partner).await?.is_empty();
            let customer = customer::cell(fields, person_stands);
            let customer = customer.map_err(|field| refused(action, field, "not the id of an Odoo partner"))?;
            cells.extend(customer.map(|cell| ("partner_id".to_owned(), cell)));
        }
        Ok(cells)
    }

    /// Some fields of one existing row.
    async fn row(&self, place: &Place, action: &str, id: i64, fields: &[&str]) -> Result<Json, RemoteError> {
        let question = arguments([("ids", json!([id])), ("fields", json!(fields))]);
        let mut answer = self.wire.call(place.model, "read", question, Effect::Reads).await?;
        let row = answer.body.get_mut(0).map(Json::take);
        row.ok_or_else(|| {
            failure(SYSTEM, action, Class::Missing, Sent::No, "the record does not exist or has been deleted")
        })
    }
}

/// The halves of the name as they stand, to complete the one half a patch speaks of.
fn unambiguous_halves(
    place: &Place,
    action: &str,
    row: &Json,
    person: &str,
    halves: HalfFields<'_>,
) -> Result<Halves, RemoteError> {
    let whole = row[person].as_str().unwrap_or_default();
    if halves.is_none() && name::is_ambiguous(whole) {
        let why = format!(
            "the name has more than two words and Odoo does not keep its halves apart; \
             write both, or add the fields x_first_name and x_last_name to {}",
            place.model
        );
        return Err(failure(SYSTEM, action, Class::Rejected, Sent::No, &why));
    }
    Ok(name::decode_halves(row, person, halves))
}

/// An id of ours as Odoo's number.
pub(super) fn number(action: &str, id: &RecordId) -> Result<i64, RemoteError> {
    let number = id.as_str().parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| failure(SYSTEM, action, Class::Rejected, Sent::No, "this is not the id of an Odoo record"))
}
