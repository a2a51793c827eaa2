//! How single values look on each side: one shape per way Odoo keeps them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime, SecondsFormat, Utc};
use serde_json::Value as Json;

use super::cell::Cell;
use super::groups::Tags;
use super::html;
use super::place::Mapped;
use crate::model::{Timestamp, Value};

/// How Odoo writes an instant: UTC, whole seconds.
const STAMP: &str = "%Y-%m-%d %H:%M:%S";

/// How a value is kept in Odoo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// char, text, html as it is, date, selection: a string, or `false` for none.
    Text,
    /// The title of a campaign, from which Odoo derives a unique `name`.
    Title,
    /// html that a person reads as plain text.
    Description,
    /// A number; Odoo has no empty number.
    Integer,
    /// An amount; Odoo has no empty amount, so none is zero.
    Money,
    /// The same in a monetary field, which Odoo rounds to the cents of its currency.
    Cents,
    /// A flag; Odoo has no empty flag.
    Boolean,
    /// A datetime, in UTC.
    Instant,
    /// `country_id`: the country's two-letter code on our side.
    Country,
    /// The id of another record.
    Related,
    /// `parent_id` of a company, whose `type` then says that it keeps an address of its own.
    Parent,
    /// `res_id`: the id of the record a message belongs to, 0 for none.
    Document,
    /// `stage_id`, `active` and `probability`: what an opportunity has come to (`stage`).
    Stage,
    /// The customer of an opportunity, if it is a person (`customer`).
    CustomerContact,
    /// The customer of an opportunity, if it is a company.
    CustomerCompany,
    /// `category_id`: names of the tags that stand for groups (`groups`).
    Tags,
    /// A char field with iVvy's word, and `state` with the nearest of Odoo's own.
    Status,
}

impl Shape {
    /// What else of the row must be read.
    pub(super) fn also_reads(self) -> &'static [&'static str] {
        match self {
            Self::Stage => &["won_status"],
            Self::Status => &["state"],
            _ => &[],
        }
    }

    /// Whether `load` names the value by database id.
    pub(super) fn is_related(self) -> bool {
        matches!(
            self,
            Self::Country | Self::Related | Self::Parent | Self::Stage | Self::CustomerContact | Self::CustomerCompany
        )
    }
}

/// `res.country`: id → two-letter code.
pub(super) type Countries = BTreeMap<i64, String>;

/// What values refer to, as far as the rows or fields at hand need it.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    pub(super) countries: Arc<Countries>,
    /// Tags that stand for groups.
    pub(super) tags: Tags,
    /// Which of the partners named are companies.
    pub(super) companies: BTreeSet<i64>,
    /// The catalogue's word → name of the tenant's stage.
    pub(super) stage_names: Arc<BTreeMap<String, String>>,
}

/// The value of `mapped` in `row`; `None` if it is not there or makes no sense.
pub(super) fn decode(mapped: &Mapped, row: &Json, tables: &Tables) -> Option<Value> {
    let raw = row.get(&mapped.odoo)?;
    match (mapped.shape, raw) {
        (Shape::Boolean, Json::Bool(flag)) => Some(Value::Bool(*flag)),
        (Shape::Integer, Json::Number(number)) => number.as_i64().map(Value::Int),
        (Shape::Money | Shape::Cents, Json::Number(number)) => number.as_f64().map(|amount| Value::Text(money(amount))),
        (Shape::Document, Json::Number(id)) if id.as_i64() != Some(0) => {
            id.as_i64().map(|id| Value::Text(id.to_string()))
        }
        (Shape::Document, Json::Number(_)) => Some(Value::Null),
        (Shape::Status, word) => decode_status(word.as_str(), row.get("state")?.as_str()?),
        (Shape::Stage, _) if is_lost(row) => Some(Value::text("lost")),
        (Shape::Tags, Json::Array(ids)) => {
            let names = ids.iter().filter_map(|id| tables.tags.get(&id.as_i64()?));
            Some(Value::Set(names.cloned().collect()))
        }
        (_, Json::Bool(false)) => Some(Value::Null),
        (Shape::Text | Shape::Title, Json::String(text)) => Some(Value::text(text)),
        (Shape::Description, Json::String(html)) => Some(Value::Text(html::to_text(html))),
        (Shape::Instant, Json::String(text)) => {
            let at = NaiveDateTime::parse_from_str(text, STAMP).ok()?.and_utc();
            Some(Value::Text(at.to_rfc3339_opts(SecondsFormat::Secs, true)))
        }
        // A related record comes as [id, label].
        (Shape::Country, pair) => tables.countries.get(&related(pair)?).map(Value::text),
        (Shape::Related | Shape::Parent, pair) => Some(Value::Text(related(pair)?.to_string())),
        (Shape::Stage, pair) => {
            let name = pair.get(1)?.as_str()?;
            let word = tables.stage_names.iter().find(|(_, known)| known.as_str() == name).map(|(word, _)| word);
            Some(Value::text(word.map_or(name, String::as_str)))
        }
        (Shape::CustomerContact | Shape::CustomerCompany, pair) => {
            let id = related(pair)?;
            match (mapped.shape == Shape::CustomerCompany, tables.companies.contains(&id)) {
                (true, true) | (false, false) => Some(Value::Text(id.to_string())),
                (false, true) => Some(Value::Null),
                // Odoo keeps one customer, and the person stands before their company: nothing is known of it.
                (true, false) => None,
            }
        }
        _ => None,
    }
}

/// The cells that hold `value`. None for shapes that take more than the value itself.
pub(super) fn encode(mapped: &Mapped, value: &Value, tables: &Tables) -> Result<Vec<(String, Cell)>, &'static str> {
    let cell = match (mapped.shape, value) {
        (Shape::Stage | Shape::CustomerContact | Shape::CustomerCompany | Shape::Tags, _) => return Ok(Vec::new()),
        (Shape::Boolean, Value::Bool(flag)) => Cell::Flag(*flag),
        (Shape::Boolean, empty) if empty.is_empty() => Cell::Flag(false),
        (Shape::Boolean, _) => return Err("not a flag"),
        (Shape::Integer, Value::Int(number)) => Cell::Number(*number),
        (Shape::Integer, empty) if empty.is_empty() => Cell::Number(0),
        (Shape::Integer, Value::Text(text)) => Cell::Number(text.trim().parse().map_err(|_| "not a whole number")?),
        (Shape::Money | Shape::Cents, empty) if empty.is_empty() => Cell::Decimal("0".to_owned()),
        (Shape::Money | Shape::Cents, Value::Int(amount)) => decimal_cell(&amount.to_string(), mapped.shape)?,
        (Shape::Money | Shape::Cents, Value::Text(text)) => decimal_cell(text.trim(), mapped.shape)?,
        (Shape::Money | Shape::Cents, _) => return Err("not an amount"),
        (Shape::Status, value) => {
            let word = value.as_text().map(str::trim).filter(|word| !word.is_empty()).ok_or("Odoo needs a status")?;
            let state = Cell::Text(state_of(word).to_owned());
            return Ok(vec![(mapped.odoo.clone(), Cell::Text(word.to_owned())), ("state".to_owned(), state)]);
        }
        (Shape::Parent, Value::Text(id)) if !id.trim().is_empty() => {
            let parent = Cell::Related(id.trim().parse().map_err(|_| "not the id of an Odoo record")?);
            return Ok(vec![(mapped.odoo.clone(), parent), ("type".to_owned(), Cell::Text("other".to_owned()))]);
        }
        (_, empty) if empty.is_empty() => Cell::Empty,
        (Shape::Text | Shape::Title, Value::Text(text)) => Cell::Text(text.clone()),
        (Shape::Text, Value::Int(number)) => Cell::Text(number.to_string()),
        (Shape::Description, Value::Text(text)) => Cell::Text(html::from_text(text)),
        (Shape::Instant, Value::Text(text)) => {
            let at = DateTime::parse_from_rfc3339(text.trim()).map_err(|_| "not an instant")?;
            Cell::Text(at.with_timezone(&Utc).format(STAMP).to_string())
        }
        (Shape::Country, Value::Text(code)) => {
            let known = tables.countries.iter().find(|(_, known)| known.eq_ignore_ascii_case(code.trim()));
            Cell::Related(*known.ok_or("Odoo knows no country with this code")?.0)
        }
        (Shape::Related, Value::Text(id)) => Cell::Related(id.parse().map_err(|_| "not the id of an Odoo record")?),
        (Shape::Document, Value::Text(id)) => Cell::Number(id.parse().map_err(|_| "not the id of an Odoo record")?),
        _ => return Err("Odoo cannot hold a value of this type"),
    };
    Ok(vec![(mapped.odoo.clone(), cell)])
}

/// Whether a row of `crm.lead` counts as lost: inactive with a probability of nought.
pub(super) fn is_lost(row: &Json) -> bool {
    row.get("won_status").and_then(Json::as_str) == Some("lost")
}

/// The id in `[id, label]`.
pub(super) fn related(pair: &Json) -> Option<i64> {
    pair.get(0)?.as_i64()
}

/// Odoo's state for iVvy's word. A word we do not know promises nothing: unconfirmed.
fn state_of(word: &str) -> &'static str {
    match word {
        "registered" => "open",
        "attended" | "session_attended" => "done",
        "declined" | "no_show" => "cancel",
        _ => "draft",
    }
}

/// The word last written, as long as the state still follows from it. Otherwise somebody moved the state in
/// Odoo, and the plainest word for that state says so.
fn decode_status(word: Option<&str>, state: &str) -> Option<Value> {
    let plain = match state {
        "draft" => "invited",
        "open" => "registered",
        "done" => "attended",
        "cancel" => "declined",
        _ => return None,
    };
    Some(Value::text(word.filter(|word| !word.is_empty() && state_of(word) == state).unwrap_or(plain)))
}

/// An amount that Odoo's number holds to its last digit: 15 significant ones survive a double unchanged (S-25).
fn decimal_cell(text: &str, shape: Shape) -> Result<Cell, &'static str> {
    if !is_decimal(text) {
        return Err("not an amount");
    }
    let digits = text.trim_start_matches('-');
    let (units, places) = digits.split_once('.').unwrap_or((digits, ""));
    let (units, places) = (units.trim_start_matches('0'), places.trim_end_matches('0'));
    if shape == Shape::Cents && places.len() > 2 {
        return Err("Odoo would round it to cents");
    }
    if units.len() + places.len() > 15 {
        return Err("more digits than Odoo's number holds exactly");
    }
    Ok(Cell::Decimal(text.to_owned()))
}

/// Digits with at most one point and a sign: what both JSON and `load` read as the same number.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, cents) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    plain(whole) && plain(cents) && !(whole.is_empty() && cents.is_empty())
}

/// An amount as Odoo's float, with at least two decimals.
fn money(amount: f64) -> String {
    let shortest = amount.to_string();
    match shortest.split_once('.') {
        Some((_, cents)) if cents.len() > 2 => shortest,
        _ => format!("{amount:.2}"),
    }
}

/// An Odoo `write_date`.
pub(super) fn parse_stamp(text: &str) -> Option<Timestamp> {
    Some(Timestamp::from(NaiveDateTime::parse_from_str(text, STAMP).ok()?.and_utc()))
}

/// An instant as Odoo writes it.
pub(super) fn stamp_text(at: Timestamp) -> String {
    at.to_datetime().format(STAMP).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field(odoo: &str, shape: Shape) -> Mapped {
        Mapped::new("field", odoo, shape)
    }

    fn cell(shape: Shape, value: &Value) -> Result<Cell, &'static str> {
        encode(&field("x", shape), value, &Tables::default()).map(|mut cells| cells.remove(0).1)
    }

    #[test]
    fn instants_travel_in_utc() {
        let there = cell(Shape::Instant, &Value::text("2027-03-01T20:00:00.750+11:00"));
        assert_eq!(there, Ok(Cell::Text("2027-03-01 09:00:00".to_owned())));
        let back = decode(&field("x", Shape::Instant), &json!({"x": "2027-03-01 09:00:00"}), &Tables::default());
        assert_eq!(back, Some(Value::text("2027-03-01T09:00:00Z")));
        assert!(cell(Shape::Instant, &Value::text("tomorrow")).is_err());
    }

    #[test]
    fn money_keeps_its_cents() {
        for (text, number, back) in
            [("1234.50", 1234.5, "1234.50"), ("0", 0.0, "0.00"), ("-7.1", -7.1, "-7.10"), ("3.125", 3.125, "3.125")]
        {
            assert_eq!(cell(Shape::Money, &Value::text(text)).unwrap().for_write(), json!(number), "{text}");
            let read = decode(&field("x", Shape::Money), &json!({"x": number}), &Tables::default());
            assert_eq!(read, Some(Value::text(back)));
        }
        assert_eq!(cell(Shape::Money, &Value::Null), Ok(Cell::Decimal("0".to_owned())));
        for junk in ["1,234.50", "1e5", "NaN", "inf", ".", "12 AUD"] {
            assert!(cell(Shape::Money, &Value::text(junk)).is_err(), "{junk}");
        }
    }

    #[test]
    fn an_amount_that_would_lose_a_digit_is_refused_s25() {
        for good in ["9999999999999.99", "-9999999999999.99", "000123456789012345.000", "0.10"] {
            assert!(cell(Shape::Cents, &Value::text(good)).is_ok(), "{good}");
        }
        for bad in ["9223372036854775.807", "9007199254740993", "12345678901234.567"] {
            assert!(cell(Shape::Money, &Value::text(bad)).is_err(), "{bad}");
            assert!(cell(Shape::Cents, &Value::text(bad)).is_err(), "{bad}");
        }
        assert!(cell(Shape::Money, &Value::text("4.005")).is_ok());
        assert!(cell(Shape::Cents, &Value::text("4.005")).is_err(), "Odoo rounds it to 4.01, or 4.00");
        assert!(cell(Shape::Money, &Value::Int(9_007_199_254_740_993)).is_err());
    }

    #[test]
    fn every_word_of_a_status_survives_and_a_moved_state_shows_v65() {
        let shape = field("x", Shape::Status);
        for word in
            ["invited", "accepted", "declined", "registered", "attended", "session_attended", "no_show", "response X"]
        {
            let cells = encode(&shape, &Value::text(word), &Tables::default()).unwrap();
            let row = json!({"x": cells[0].1.for_write(), "state": cells[1].1.for_write()});
            assert_eq!(decode(&shape, &row, &Tables::default()), Some(Value::text(word)));
        }
        let moved = |word: Json, state: &str| decode(&shape, &json!({"x": word, "state": state}), &Tables::default());
        assert_eq!(moved(json!("accepted"), "done"), Some(Value::text("attended")));
        assert_eq!(moved(json!(false), "cancel"), Some(Value::text("declined")));
        assert_eq!(moved(json!("accepted"), "new state"), None);
    }

    #[test]
    fn a_customer_is_a_person_or_a_company() {
        let tables = Tables { companies: BTreeSet::from([8]), ..Tables::default() };
        let read = |shape, raw: Json| decode(&field("partner_id", shape), &json!({"partner_id": raw}), &tables);
        assert_eq!(read(Shape::CustomerContact, json!([7, "Ada"])), Some(Value::text("7")));
        assert_eq!(read(Shape::CustomerCompany, json!([7, "Ada"])), None);
        assert_eq!(read(Shape::CustomerContact, json!([8, "Acme"])), Some(Value::Null));
        assert_eq!(read(Shape::CustomerCompany, json!([8, "Acme"])), Some(Value::text("8")));
        assert_eq!(read(Shape::CustomerCompany, json!(false)), Some(Value::Null));
    }

    #[test]
    fn a_stage_is_a_word_a_foreign_one_its_name() {
        let names = BTreeMap::from([("quote".to_owned(), "Proposition".to_owned())]);
        let tables = Tables { stage_names: names.into(), ..Tables::default() };
        let read = |row: Json| decode(&field("stage_id", Shape::Stage), &row, &tables);
        assert_eq!(read(json!({"stage_id": [3, "Proposition"], "won_status": "pending"})), Some(Value::text("quote")));
        assert_eq!(read(json!({"stage_id": [3, "Proposition"], "won_status": "lost"})), Some(Value::text("lost")));
        assert_eq!(read(json!({"stage_id": [9, "On ice"], "won_status": "pending"})), Some(Value::text("On ice")));
    }
}
