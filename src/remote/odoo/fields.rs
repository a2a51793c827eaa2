//! Catalogue fields ↔ `res.partner` fields: which there are, and how values look on each side.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;
use serde_json::{Map, Value as Json, json};

use super::SYSTEM;
use super::name::Halves;
use crate::model::module::{FieldDef, FieldKind};
use crate::model::{Fields, ModuleId, Record, RecordId, Timestamp, Value};
use crate::remote::exchange::failure;
use crate::remote::{Class, RemoteError, Sent};

/// How a value is kept in Odoo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// char, text, date, selection: a string, or `false` for none.
    Text,
    /// A number; Odoo has no empty number.
    Integer,
    /// A flag; Odoo has no empty flag.
    Boolean,
    /// `country_id`: the country's two-letter code on our side.
    Country,
    /// `parent_id`: the id of another partner.
    Partner,
}

/// One mapped field.
#[derive(Clone, Debug)]
struct Mapped {
    name: String,
    odoo: String,
    shape: Shape,
}

/// A value on its way into Odoo. `write` and `load` spell the same value differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Empty,
    Flag(bool),
    Number(i64),
    Text(String),
    /// The database id of a related record.
    Related(i64),
}

impl Cell {
    /// As `write` takes it.
    pub(super) fn for_write(&self) -> Json {
        match self {
            Self::Empty => json!(false),
            Self::Flag(flag) => json!(flag),
            Self::Number(number) | Self::Related(number) => json!(number),
            Self::Text(text) => json!(text),
        }
    }

    /// As `load` takes it: text throughout.
    pub(super) fn for_load(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Flag(flag) => u8::from(*flag).to_string(),
            Self::Number(number) | Self::Related(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }

    /// The column that carries it in `load`: related records are named by database id.
    pub(super) fn load_column(&self, field: &str, related: bool) -> String {
        if related || matches!(self, Self::Related(_)) { format!("{field}/.id") } else { field.to_owned() }
    }
}

/// The names of the two fields that hold the halves of a name, if Odoo has them.
pub(super) type HalfFields<'a> = Option<(&'a str, &'a str)>;

/// `res.country`: id → two-letter code.
pub(super) type Countries = BTreeMap<i64, String>;

/// The field map of one module.
#[derive(Clone, Debug)]
pub(super) struct FieldMap {
    module: ModuleId,
    mapped: Vec<Mapped>,
}

impl FieldMap {
    pub(super) fn new(module: ModuleId, custom: &[(FieldDef, String)]) -> Self {
        let field = |name: &str, odoo: &str, shape| Mapped { name: name.to_owned(), odoo: odoo.to_owned(), shape };
        let mut mapped = match module {
            ModuleId::Contacts => vec![
                field("email", "email", Shape::Text),
                field("phone", "phone", Shape::Text),
                field("company", "parent_id", Shape::Partner),
            ],
            ModuleId::Companies => vec![
                field("email", "email", Shape::Text),
                field("phone", "phone", Shape::Text),
                field("name", "name", Shape::Text),
                field("website", "website", Shape::Text),
                field("street", "street", Shape::Text),
                field("city", "city", Shape::Text),
                field("postal_code", "zip", Shape::Text),
                field("country", "country_id", Shape::Country),
            ],
            _ => Vec::new(),
        };
        mapped.extend(custom.iter().map(|(def, odoo)| {
            let shape = match def.kind {
                FieldKind::Int => Shape::Integer,
                FieldKind::Bool => Shape::Boolean,
                _ => Shape::Text,
            };
            field(&def.name, odoo, shape)
        }));
        Self { module, mapped }
    }

    /// The catalogue names, for the port.
    pub(super) fn names(&self) -> Vec<String> {
        let halves = ["first_name", "last_name"].into_iter().filter(|_| self.has_person_name());
        halves.map(str::to_owned).chain(self.mapped.iter().map(|field| field.name.clone())).collect()
    }

    /// Whether records carry a person's name in two halves.
    pub(super) fn has_person_name(&self) -> bool {
        self.module == ModuleId::Contacts
    }

    /// Whether values refer to the table of countries.
    pub(super) fn has_country(&self) -> bool {
        self.mapped.iter().any(|field| field.shape == Shape::Country)
    }

    /// Every Odoo field to be read.
    pub(super) fn to_read(&self, halves: HalfFields<'_>) -> Vec<String> {
        let mut fields: Vec<String> = ["name", "active", "write_date", "write_uid"].map(str::to_owned).to_vec();
        if let (true, Some((first, last))) = (self.has_person_name(), halves) {
            fields.extend([first.to_owned(), last.to_owned()]);
        }
        fields.extend(self.mapped.iter().filter(|field| field.odoo != "name").map(|field| field.odoo.clone()));
        fields
    }

    /// Our name of an Odoo field, for messages; its own if it has none.
    pub(super) fn name_of(&self, odoo: &str, halves: HalfFields<'_>) -> String {
        match (odoo, halves) {
            ("name", _) if self.has_person_name() => "last_name".to_owned(),
            (field, Some((first, _))) if field == first => "first_name".to_owned(),
            (field, Some((_, last))) if field == last => "last_name".to_owned(),
            (field, _) => {
                self.mapped.iter().find(|mapped| mapped.odoo == field).map_or(field, |mapped| &mapped.name).to_owned()
            }
        }
    }

    /// Whether the Odoo field is already spoken for.
    pub(super) fn maps(&self, odoo: &str, halves: HalfFields<'_>) -> bool {
        let half = halves.is_some_and(|(first, last)| odoo == first || odoo == last);
        odoo == "name" || (half && self.has_person_name()) || self.mapped.iter().any(|mapped| mapped.odoo == odoo)
    }

    /// A row as `read` and `search_read` give it. Values of another type than expected stay absent:
    /// absent never means a change (I27).
    pub(super) fn decode(
        &self,
        action: &str,
        row: &Json,
        halves: HalfFields<'_>,
        countries: &Countries,
    ) -> Result<Record, RemoteError> {
        let id = row.get("id").and_then(Json::as_i64).ok_or_else(|| malformed(action, "a row without an id"))?;
        let mut fields = Fields::new();
        if self.has_person_name() {
            let halves = decode_halves(row, halves);
            fields.insert("first_name".to_owned(), Value::Text(halves.first));
            fields.insert("last_name".to_owned(), Value::Text(halves.last));
        }
        for mapped in &self.mapped {
            if let Some(value) = row.get(&mapped.odoo).and_then(|raw| decode_value(mapped.shape, raw, countries)) {
                fields.insert(mapped.name.clone(), value);
            }
        }
        Ok(Record {
            id: RecordId(id.to_string()),
            fields,
            version: None,
            modified: row.get("write_date").and_then(Json::as_str).and_then(parse_stamp),
            author: row.get("write_uid").and_then(|user| user.get(1)).and_then(Json::as_str).map(str::to_owned),
            anonymised: false,
            archived: row.get("active") == Some(&Json::Bool(false)),
        })
    }

    /// The Odoo cells for `fields`, without a person's name, in the order given.
    pub(super) fn encode(
        &self,
        action: &str,
        fields: &Fields,
        countries: &Countries,
    ) -> Result<Vec<(String, Cell)>, RemoteError> {
        let mut cells = Vec::new();
        for (name, value) in fields {
            if self.has_person_name() && matches!(name.as_str(), "first_name" | "last_name") {
                continue;
            }
            let mapped = self.mapped.iter().find(|mapped| mapped.name == *name).ok_or_else(|| {
                failure(SYSTEM, action, Class::Unsupported, Sent::No, &format!("no Odoo field is mapped to {name}"))
            })?;
            let cell = encode_value(mapped.shape, value, countries).map_err(|why| RemoteError {
                details: vec![format!("{name}: {why}")],
                ..failure(SYSTEM, action, Class::Rejected, Sent::No, &format!("{name}: {why}"))
            })?;
            cells.push((mapped.odoo.clone(), cell));
        }
        Ok(cells)
    }

    /// Whether `load` names this Odoo field's value by database id.
    pub(super) fn is_related(&self, odoo: &str) -> bool {
        let related = |shape| matches!(shape, Shape::Country | Shape::Partner);
        self.mapped.iter().any(|mapped| mapped.odoo == odoo && related(mapped.shape))
    }
}

/// The halves of a row's name.
pub(super) fn decode_halves(row: &Json, fields: HalfFields<'_>) -> Halves {
    let text = |field: &str| row.get(field).and_then(Json::as_str).unwrap_or_default().to_owned();
    let name = text("name");
    match fields {
        Some((first, last)) => Halves::align(&name, &Halves { first: text(first), last: text(last) }),
        None => Halves::split(&name),
    }
}

/// The cells that write a person's name.
pub(super) fn encode_halves(halves: &Halves, fields: HalfFields<'_>) -> Vec<(String, Cell)> {
    let cell = |text: &str| if text.trim().is_empty() { Cell::Empty } else { Cell::Text(text.trim().to_owned()) };
    let mut cells = vec![("name".to_owned(), cell(&halves.join()))];
    if let Some((first, last)) = fields {
        cells.push((first.to_owned(), cell(&halves.first)));
        cells.push((last.to_owned(), cell(&halves.last)));
    }
    cells
}

fn decode_value(shape: Shape, raw: &Json, countries: &Countries) -> Option<Value> {
    match (shape, raw) {
        (Shape::Boolean, Json::Bool(flag)) => Some(Value::Bool(*flag)),
        (Shape::Integer, Json::Number(number)) => number.as_i64().map(Value::Int),
        (_, Json::Bool(false)) => Some(Value::Null),
        (Shape::Text, Json::String(text)) => Some(Value::text(text)),
        // A related record comes as [id, label].
        (Shape::Country, pair) => countries.get(&pair.get(0)?.as_i64()?).map(Value::text),
        (Shape::Partner, pair) => Some(Value::Text(pair.get(0)?.as_i64()?.to_string())),
        _ => None,
    }
}

fn encode_value(shape: Shape, value: &Value, countries: &Countries) -> Result<Cell, &'static str> {
    match (shape, value) {
        (Shape::Boolean, Value::Bool(flag)) => Ok(Cell::Flag(*flag)),
        (Shape::Boolean, empty) if empty.is_empty() => Ok(Cell::Flag(false)),
        (Shape::Boolean, _) => Err("not a flag"),
        (Shape::Integer, Value::Int(number)) => Ok(Cell::Number(*number)),
        (Shape::Integer, empty) if empty.is_empty() => Ok(Cell::Number(0)),
        (Shape::Integer, Value::Text(text)) => text.trim().parse().map(Cell::Number).map_err(|_| "not a whole number"),
        (_, empty) if empty.is_empty() => Ok(Cell::Empty),
        (Shape::Text, Value::Text(text)) => Ok(Cell::Text(text.clone())),
        (Shape::Text, Value::Int(number)) => Ok(Cell::Text(number.to_string())),
        (Shape::Country, Value::Text(code)) => {
            let known = countries.iter().find(|(_, known)| known.eq_ignore_ascii_case(code.trim()));
            known.map(|(id, _)| Cell::Related(*id)).ok_or("Odoo knows no country with this code")
        }
        (Shape::Partner, Value::Text(id)) => id.parse().map(Cell::Related).map_err(|_| "not the id of an Odoo partner"),
        _ => Err("Odoo cannot hold a value of this type"),
    }
}

/// An Odoo `write_date`: UTC, `YYYY-MM-DD HH:MM:SS`.
pub(super) fn parse_stamp(text: &str) -> Option<Timestamp> {
    let at = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").ok()?;
    Some(Timestamp::from(at.and_utc()))
}

/// An answer that does not make sense. Only for reads.
pub(super) fn malformed(action: &str, what: &str) -> RemoteError {
    failure(SYSTEM, action, Class::Malformed, Sent::No, what)
}

/// `values` as a JSON object.
pub(super) fn arguments<const N: usize>(values: [(&str, Json); N]) -> Map<String, Json> {
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::model::Flow;

    fn map(module: ModuleId) -> FieldMap {
        let def = |name: &'static str, kind| FieldDef {
            name: Cow::Borrowed(name),
            title: Cow::Borrowed(name),
            kind,
            flow: Flow::Both,
            required_on: None,
            at_creation: false,
        };
        let custom = [
            (def("custom.diet", FieldKind::Text), "x_diet".to_owned()),
            (def("custom.seats", FieldKind::Int), "x_seats".to_owned()),
            (def("custom.vip", FieldKind::Bool), "x_vip".to_owned()),
        ];
        FieldMap::new(module, &custom)
    }

    #[test]
    fn a_row_becomes_a_record_and_wrong_types_stay_absent_i27() {
        let row = json!({
            "id": 7, "name": "Maria van Dyke", "x_first": "Mary", "x_last": "van Dyke", "active": false,
            "write_date": "2026-11-21 09:13:55", "write_uid": [2, "Admin"], "email": false, "phone": 5,
            "parent_id": [11, "Acme"], "x_diet": "", "x_seats": 0, "x_vip": false,
        });
        let record = map(ModuleId::Contacts).decode("a", &row, Some(("x_first", "x_last")), &Countries::new()).unwrap();
        assert_eq!(record.fields["first_name"], Value::text("Maria"));
        assert_eq!(record.fields["last_name"], Value::text("van Dyke"));
        assert_eq!(record.fields["company"], Value::text("11"));
        assert_eq!((&record.fields["email"], record.fields.get("phone")), (&Value::Null, None));
        assert_eq!(
            (&record.fields["custom.seats"], &record.fields["custom.vip"]),
            (&Value::Int(0), &Value::Bool(false))
        );
        assert!(record.archived && record.author.as_deref() == Some("Admin"));
        assert_eq!(record.modified.unwrap().to_string(), "2026-11-21T09:13:55.000Z");
    }

    #[test]
    fn countries_are_codes_here_and_ids_there() {
        let countries = Countries::from([(13, "AU".to_owned())]);
        let map = map(ModuleId::Companies);
        let fields = Fields::from([("country".to_owned(), Value::text("au"))]);
        assert_eq!(map.encode("a", &fields, &countries).unwrap(), [("country_id".to_owned(), Cell::Related(13))]);
        let row = json!({"id": 1, "name": "x", "country_id": [13, "Australia"]});
        assert_eq!(map.decode("a", &row, None, &countries).unwrap().fields["country"], Value::text("AU"));
        let unknown = Fields::from([("country".to_owned(), Value::text("Atlantis"))]);
        let error = map.encode("a", &unknown, &countries).unwrap_err();
        assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No));
        assert!(!error.to_string().contains("Atlantis"));
    }

    #[test]
    fn clearing_writes_false_and_loads_an_empty_cell() {
        let map = map(ModuleId::Contacts);
        let fields = Fields::from([
            ("email".to_owned(), Value::text(" ")),
            ("company".to_owned(), Value::Null),
            ("custom.vip".to_owned(), Value::Bool(false)),
        ]);
        let cells = map.encode("a", &fields, &Countries::new()).unwrap();
        let written: Vec<_> =
            cells.iter().map(|(field, cell)| (field.as_str(), cell.for_write(), cell.for_load())).collect();
        assert_eq!(
            written,
            [
                ("parent_id", json!(false), String::new()),
                ("x_vip", json!(false), "0".to_owned()),
                ("email", json!(false), String::new()),
            ]
        );
    }
}
