//! How a kind of record is described: one table of fields per object, read by every generic action.
//!
//! From its table follow the parameters a write takes and how they are checked, the fields another user
//! can edit, and both faces of the record: a row of a list and a single read. A new kind of record is one
//! table and a line in [`super::objects::ALL`].

use serde_json::{Map, Value, json};

use super::answer::{Refusal, loose_list, loose_text, or_null, parse_stamp, plain, suffixed};
use super::params::{Form, Params};
use super::row::Row;
use super::world::World;
use crate::model::Timestamp;

/// A kind of record.
#[derive(Debug)]
pub(super) struct Object {
    /// Name in the ledger and in the control API.
    pub name: &'static str,
    /// The id its first record gets.
    pub first_id: u64,
    /// Fields in the order of the answers; in groups, so that kinds can share some.
    pub fields: &'static [&'static [Field]],
    /// What a `filter` may name.
    pub filters: &'static [Property],
    /// The codes of its actions.
    pub codes: Codes,
    /// Whether two records are the same to `updateIfExists`. Without it that parameter does not exist.
    pub same: Option<fn(&Row, &Row) -> bool>,
    /// Conditions over several fields, checked last. Sees the record as it would become.
    pub rules: Rules,
}

/// See [`Object::rules`]: the record as it would become, as it is (unless it is new), and around it.
pub(super) type Rules = fn(&mut Row, Option<&Row>, &Scene<'_>) -> Result<(), Refusal>;

/// What an object has unless it says otherwise.
pub(super) const PLAIN: Object = Object {
    name: "",
    first_id: 1,
    fields: &[],
    filters: &[],
    codes: Codes { missing: 23016, empty: None, invalid: None },
    same: None,
    rules: |_, _, _| Ok(()),
};

/// Specific codes of one object's actions (contract 6).
#[derive(Clone, Copy, Debug)]
pub(super) struct Codes {
    /// No such record, or no longer.
    pub missing: u32,
    /// A write that names a record and nothing to write.
    pub empty: Option<u32>,
    /// A value the account cannot take; 23016 where the contract has no own code.
    pub invalid: Option<u32>,
}

impl Codes {
    /// A value of the right type that the account cannot take.
    pub(super) fn refuse(self, name: &str, why: impl std::fmt::Display) -> Refusal {
        let refusal = Refusal::invalid(name, format!("{name}: {why}"));
        match self.invalid {
            None => refusal,
            Some(code) => Refusal { message: "The data does not validate".into(), ..refusal.specific(code) },
        }
    }
}

/// What a `filter` may name (contract 7).
#[derive(Clone, Copy, Debug)]
pub(super) enum Property {
    /// A field, with any modifier.
    Field(&'static str),
    /// A field nobody documented as filterable; see [`super::Settings::inferred_filters`].
    Inferred(&'static str),
    /// A lower bound on the time in a field.
    From(&'static str, &'static str),
    /// An upper bound on the time in a field.
    To(&'static str, &'static str),
    /// The id a field links to, alone or among others.
    Linked(&'static str, &'static str),
    /// A list of codes, one of which a field has.
    Among(&'static str, &'static str),
    /// Something that no record here belongs to.
    Foreign(&'static str),
}

/// What stands around a write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene<'a> {
    pub world: &'a World,
    pub now: Timestamp,
    /// Whether another user writes, not the API.
    pub by_user: bool,
}

/// Which of the two faces of a record is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Face {
    List,
    Single,
}

/// How a value is spelled in an answer (contract 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// As it is: numbers as numbers, flags as flags, times without suffix, nothing as `""` or null.
    Plain,
    /// Text of digits as a number.
    Digits,
    /// A number as text.
    Text,
    /// A flag as 0 or 1.
    Bit,
    /// A time with ` UTC`.
    Utc,
    /// Nothing as null.
    OrNull,
    /// Not at all.
    Absent,
}

/// Reads a parameter into the value kept; nothing when the parameter is not there.
pub(super) type Take = fn(&Params<'_>, &Row, &Scene<'_>) -> Result<Option<Value>, Refusal>;

/// Composes a value of an answer.
pub(super) type Show = fn(&Row, &World) -> Value;

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Id,
    Created,
    Modified,
    Text(Form),
    Whole,
    /// An amount of money.
    Amount,
    Flag,
    /// One of these numbers; another user's edit may leave them.
    Code(&'static [u64]),
    /// One of these words.
    Word(&'static [&'static str]),
    Stamp,
    Date,
    /// The id of a record of that kind.
    Link(&'static str),
    /// As a link, where one that leads nowhere has its own code.
    Parent(&'static str, u32),
    /// Ids of records of that kind.
    Links(&'static str),
    /// A list kept as it is given.
    Items,
    /// With its own way in and out.
    Own(Take, Show),
    /// Composed from others.
    Shown(Show),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Fixed,
    Open,
    Required,
}

/// One field of an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub name: &'static str,
    kind: Kind,
    access: Access,
    list: Look,
    single: Look,
}

impl Field {
    /// A field that a write may set, shown plainly on both faces.
    pub(super) const fn of(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, access: Access::Open, list: Look::Plain, single: Look::Plain }
    }

    /// A text without a form.
    pub(super) const fn text(name: &'static str) -> Self {
        Self::of(name, Kind::Text(Form::Free))
    }

    /// Text that is HTML, of any length.
    pub(super) const fn html(name: &'static str) -> Self {
        Self::of(name, Kind::Text(Form::Html))
    }

    /// A field that is only shown.
    pub(super) const fn shown(name: &'static str, show: Show) -> Self {
        Self::of(name, Kind::Shown(show))
    }

    /// Only the system and other users set it.
    pub(super) const fn fixed(mut self) -> Self {
        self.access = Access::Fixed;
        self
    }

    /// An added record must have it (23017).
    pub(super) const fn required(mut self) -> Self {
        self.access = Access::Required;
        self
    }

    /// How it looks on both faces.
    pub(super) const fn look(mut self, look: Look) -> Self {
        self.list = look;
        self.single = look;
        self
    }

    /// How it looks on a single read.
    pub(super) const fn single(mut self, look: Look) -> Self {
        self.single = look;
        self
    }

    /// Shown on a single read only.
    pub(super) const fn only_single(mut self) -> Self {
        self.list = Look::Absent;
        self
    }

    fn writable(&self) -> bool {
        self.access != Access::Fixed && self.editable()
    }

    fn editable(&self) -> bool {
        !matches!(self.kind, Kind::Id | Kind::Created | Kind::Modified | Kind::Shown(_))
    }

    fn show(&self, row: &Row, world: &World, look: Look) -> Value {
        match self.kind {
            Kind::Id => number(&json!(row.id), look),
            Kind::Created => stamp(row.created, look),
            Kind::Modified => stamp(row.modified, look),
            Kind::Own(_, show) | Kind::Shown(show) => show(row, world),
            Kind::Text(_) | Kind::Word(_) | Kind::Date => text(row.text(self.name), look),
            Kind::Items => json!(row.items(self.name)),
            Kind::Flag if look == Look::Bit => json!(u8::from(row.flag(self.name))),
            Kind::Flag => json!(row.flag(self.name)),
            Kind::Whole | Kind::Amount | Kind::Code(_) | Kind::Link(_) | Kind::Parent(..) => {
                number(row.get(self.name), look)
            }
            Kind::Links(object) => {
                let there = |id: &&Value| id.as_u64().is_some_and(|id| world.get(object, id).is_some());
                loose_list(row.id, row.items(self.name).iter().filter(there).cloned().collect())
            }
            Kind::Stamp => match parse_stamp(row.text(self.name)) {
                Some(at) => stamp(at, look),
                None => text("", look),
            },
        }
    }

    /// The value of the parameter, ready to be kept; null clears.
    fn take(&self, codes: Codes, params: &Params<'_>, row: &Row, scene: &Scene<'_>) -> Result<Option<Value>, Refusal> {
        let name = self.name;
        // Another user's edit may name what is not there: parents that come late, or never.
        let unknown = |object: &str, id: u64| params.checked() && scene.world.get(object, id).is_none();
        let clears = params.get(name).and_then(Value::as_str) == Some("");
        match self.kind {
            Kind::Id | Kind::Created | Kind::Modified | Kind::Shown(_) => Ok(None),
            Kind::Own(take, _) => take(params, row, scene),
            Kind::Text(form) => Ok(params.text(name, form)?.map(Value::String)),
            _ if clears => Ok(Some(Value::Null)),
            Kind::Whole => Ok(params.whole(name)?.map(|number| json!(number))),
            Kind::Amount => Ok(params.amount(name)?.map(|number| json!(number))),
            Kind::Items => Ok(params.items(name)?.map(|items| json!(items))),
            Kind::Flag => Ok(params.flag(name)?.map(Value::Bool)),
            Kind::Code(allowed) => Ok(params.one_of(name, allowed)?.map(|code| json!(code))),
            Kind::Word(allowed) => Ok(params.word(name, allowed)?.map(Value::String)),
            Kind::Stamp => Ok(params.stamp(name)?.map(|at| json!(plain(at)))),
            Kind::Date => Ok(params.date(name)?.map(Value::String)),
            Kind::Link(object) => match params.whole(name)? {
                Some(id) if unknown(object, id) => Err(codes.refuse(name, format!("{object} {id} does not exist"))),
                id => Ok(id.map(|id| json!(id))),
            },
            Kind::Parent(object, missing) => match params.whole(name)? {
                Some(id) if unknown(object, id) => Err(Refusal::missing(object, missing)),
                id => Ok(id.map(|id| json!(id))),
            },
            Kind::Links(object) => {
                let Some(ids) = params.ids(name)? else { return Ok(None) };
                match ids.iter().find(|id| unknown(object, **id)) {
                    Some(id) => Err(codes.refuse(name, format!("{object} {id} does not exist"))),
                    None => Ok(Some(json!(ids))),
                }
            }
        }
    }
}

impl Object {
    /// Its fields, in the order of the answers.
    pub(super) fn every_field(&self) -> impl Iterator<Item = &'static Field> {
        self.fields.iter().copied().flatten()
    }

    /// What an add must carry.
    pub(super) fn required(&self) -> Vec<&'static str> {
        self.every_field().filter(|field| field.access == Access::Required).map(|field| field.name).collect()
    }

    /// Everything a write may name.
    pub(super) fn writable(&self) -> Vec<&'static str> {
        self.every_field().filter(|field| field.writable()).map(|field| field.name).collect()
    }

    /// Everything another user may change.
    pub(super) fn editable(&self) -> Vec<&'static str> {
        self.every_field().filter(|field| field.editable()).map(|field| field.name).collect()
    }

    /// Overlays what `params` name; the row is spoilt when this fails.
    pub(super) fn overlay(&self, row: &mut Row, params: &Params<'_>, scene: &Scene<'_>) -> Result<(), Refusal> {
        for field in self.every_field().filter(|field| !params.checked() || field.writable()) {
            if let Some(value) = field.take(self.codes, params, row, scene)? {
                row.set(field.name, value);
            }
        }
        Ok(())
    }

    /// Trims and lower-cases every address.
    pub(super) fn normalise_emails(&self, row: &mut Row) {
        for field in self.every_field() {
            if matches!(field.kind, Kind::Text(Form::Email | Form::MaybeEmail)) {
                let address = row.text(field.name).trim().to_lowercase();
                row.set(field.name, address);
            }
        }
    }

    /// The record as an answer shows it.
    pub(super) fn show(&self, row: &Row, world: &World, face: Face) -> Value {
        let look = |field: &Field| if face == Face::List { field.list } else { field.single };
        let shown = self.every_field().filter(|field| look(field) != Look::Absent);
        Value::Object(
            shown.map(|field| (field.name.into(), field.show(row, world, look(field)))).collect::<Map<_, _>>(),
        )
    }

    /// Names of the objects its fields link to.
    #[cfg(test)]
    pub(super) fn links(&self) -> impl Iterator<Item = &'static str> {
        self.every_field().filter_map(|field| match field.kind {
            Kind::Link(object) | Kind::Links(object) | Kind::Parent(object, _) => Some(object),
            _ => None,
        })
    }

    /// No such record, or no longer.
    pub(super) fn missing(&self) -> Refusal {
        Refusal::missing(self.name, self.codes.missing)
    }
}

fn text(text: &str, look: Look) -> Value {
    match look {
        Look::Digits => loose_text(text),
        Look::OrNull => or_null(text),
        _ => json!(text),
    }
}

fn number(value: &Value, look: Look) -> Value {
    if look == Look::Text && !value.is_null() { json!(value.to_string()) } else { value.clone() }
}

fn stamp(at: Timestamp, look: Look) -> Value {
    json!(if look == Look::Utc { suffixed(at) } else { plain(at) })
}
