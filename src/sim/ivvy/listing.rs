//! Lists: parent, filter, order, page (contract 7).

use serde_json::{Value, json};

use super::answer::Refusal;
use super::filter::{Filter, compared};
use super::object::{Face, Object, Property};
use super::params::Params;
use super::row::Row;
use super::settings::{Filtering, Order, Settings};
use super::world::World;
use crate::model::Timestamp;

/// Largest page; asking for more is silently cut to this.
const PER_PAGE: u64 = 100;

/// A list action.
#[derive(Debug)]
pub(super) struct List {
    pub object: &'static Object,
    /// Parameters it cannot do without.
    pub required: &'static [&'static str],
    /// The parent whose records alone it lists.
    pub scope: Option<Scope>,
    /// Parameters it takes and that change nothing here.
    pub idle: &'static [&'static str],
    /// Values of `orderBy` and the fields they mean.
    pub sorts: &'static [(&'static str, &'static str)],
    /// Fields of the object this list leaves out.
    pub omitted: &'static [&'static str],
    /// What its filter may name beside the object's properties.
    pub filters: &'static [Property],
    /// A bare array of everything, without pages and filter.
    pub bare: bool,
    /// Whether the contract documents the cap of a page.
    pub capped: bool,
}

/// A parent that a list or a read is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope {
    /// The parameter, which is also the field that links to it.
    pub name: &'static str,
    /// Another spelling of the parameter.
    pub other: Option<&'static str>,
    /// Kind of the parent.
    pub parent: &'static str,
    /// Whether the parameter is needed.
    pub needed: bool,
    /// Code of a parent that is not there.
    pub missing: u32,
}

/// The parents named by a call: any of those ids in that field.
#[derive(Debug)]
pub(super) struct Within {
    field: &'static str,
    ids: Vec<u64>,
}

impl Scope {
    /// A parent that has to be named.
    pub(super) const fn needed(name: &'static str, parent: &'static str, missing: u32) -> Self {
        Self { name, other: None, parent, needed: true, missing }
    }

    /// A parent that may be named.
    pub(super) const fn optional(name: &'static str, parent: &'static str, missing: u32) -> Self {
        Self { name, other: None, parent, needed: false, missing }
    }

    /// The same under another spelling as well.
    pub(super) const fn or(mut self, other: &'static str) -> Self {
        self.other = Some(other);
        self
    }

    /// What has to be there.
    pub(super) fn required(&self) -> &[&'static str] {
        if self.needed { std::slice::from_ref(&self.name) } else { &[] }
    }

    /// Every spelling.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        [self.name].into_iter().chain(self.other)
    }

    /// The parents named: one id or a list of them.
    pub(super) fn read(&self, params: &Params<'_>, world: &World) -> Result<Option<Within>, Refusal> {
        let name = self.other.filter(|other| params.get(other).is_some()).unwrap_or(self.name);
        let ids = match params.get(name) {
            Some(Value::Array(_)) => params.ids(name)?,
            _ => params.whole(name)?.map(|id| vec![id]),
        };
        match ids {
            Some(ids) if ids.iter().any(|id| world.get(self.parent, *id).is_none()) => {
                Err(Refusal::missing(self.parent, self.missing))
            }
            ids => Ok(ids.map(|ids| Within { field: self.name, ids })),
        }
    }
}

impl Within {
    pub(super) fn admits(&self, row: &Row) -> bool {
        self.ids.iter().any(|id| row.holds(self.field, *id))
    }
}

/// A list call after validation.
#[derive(Debug)]
pub(super) struct Query<'l> {
    list: &'l List,
    per_page: u64,
    /// Whether the caller said how much it wants.
    paged: bool,
    start: u64,
    within: Option<Within>,
    sort: Option<(&'static str, bool)>,
    filter: Filter,
}

impl<'l> Query<'l> {
    /// Reads the parent, `perPage`, `start`, `filter` and the order.
    pub(super) fn read(
        list: &'l List,
        params: &Params<'_>,
        world: &World,
        settings: &Settings,
    ) -> Result<Self, Refusal> {
        params.require(list.required)?;
        params.require(list.scope.as_ref().map_or(&[], Scope::required))?;
        let asked = params.whole("perPage")?;
        if asked == Some(0) {
            return Err(Refusal::invalid("perPage", "Value must be larger than zero"));
        }
        if list.capped && settings.strict_pages && asked.is_some_and(|asked| asked > PER_PAGE) {
            return Err(Refusal::invalid("perPage", "Value must not be larger than 100"));
        }
        let start = params.whole("start")?.unwrap_or(0);
        let filter = match params.object("filter")? {
            None => Filter::default(),
            Some(_) if settings.filtering == Filtering::Ignore => Filter::default(),
            Some(_) if settings.filtering == Filtering::Reject => {
                return Err(Refusal::invalid("filter", "filter: is not supported"));
            }
            Some(filter) => Filter::read(&filter, &[list.object.filters, list.filters].concat(), settings)?,
        };
        let sort = list.sort(params)?;
        if settings.strict_params {
            params.only(&list.params())?;
        }
        let within = match &list.scope {
            None => None,
            Some(scope) => scope.read(params, world)?,
        };
        let per_page = asked.unwrap_or(PER_PAGE).min(PER_PAGE);
        Ok(Self { list, per_page, paged: asked.is_some(), start, within, sort, filter })
    }

    /// The page out of what lists see at `now`; `salt` decides the random orders.
    pub(super) fn page(&self, world: &World, now: Timestamp, order: Order, salt: u64) -> Value {
        let object = self.list.object;
        let rows = world.table(object.name).seen_at(world.horizon(now));
        let mut rows: Vec<&Row> = rows.filter(|row| self.admits(row)).collect();
        match (self.sort, order) {
            (Some((field, descending)), _) => rows.sort_by(|a, b| {
                let by_field = compared(a.text(field), b.text(field)).then(a.id.cmp(&b.id));
                if descending { by_field.reverse() } else { by_field }
            }),
            (None, Order::Id) => {}
            (None, Order::ModifiedDesc) => rows.sort_by_key(|row| std::cmp::Reverse((row.modified, row.id))),
            (None, Order::Shuffled | Order::Arbitrary) => rows.sort_by_cached_key(|row| scatter(row.id, salt)),
        }
        let total = rows.len();
        let show = |row: &Row| {
            let mut shown = object.show(row, world, Face::List);
            if let Value::Object(shown) = &mut shown {
                shown.retain(|name, _| !self.list.omitted.contains(&name.as_str()));
            }
            shown
        };
        if self.list.bare {
            return rows.into_iter().map(show).collect();
        }
        let (start, per_page) = (usize::try_from(self.start).unwrap_or(usize::MAX), usize::try_from(self.per_page));
        let page: Vec<Value> = rows.into_iter().skip(start).take(per_page.unwrap_or(usize::MAX)).map(show).collect();
        let per_page = if self.paged { json!(self.per_page) } else { Value::Null };
        json!({
            "meta": {"totalResults": total, "start": self.start, "perPage": per_page, "count": page.len()},
            "results": page,
        })
    }

    fn admits(&self, row: &Row) -> bool {
        self.within.as_ref().is_none_or(|within| within.admits(row)) && self.filter.admits(row)
    }
}

impl List {
    /// Everything the action takes.
    fn params(&self) -> Vec<&'static str> {
        let paging: &[&str] = if self.bare { &[] } else { &["perPage", "start", "filter"] };
        let sorting: &[&str] = if self.sorts.is_empty() { &[] } else { &["orderBy", "orderDir"] };
        let scope = self.scope.iter().flat_map(Scope::names);
        [paging, sorting, self.idle].concat().into_iter().chain(scope).collect()
    }

    /// The field to sort by and whether downwards.
    fn sort(&self, params: &Params<'_>) -> Result<Option<(&'static str, bool)>, Refusal> {
        if self.sorts.is_empty() {
            return Ok(None);
        }
        let names: Vec<&str> = self.sorts.iter().map(|(name, _)| *name).collect();
        let name = params.word("orderBy", &names)?;
        let descending = params.word("orderDir", &["asc", "desc"])?.as_deref() == Some("desc");
        let field = name.and_then(|name| self.sorts.iter().find(|(sort, _)| *sort == name)).map(|(_, field)| *field);
        Ok(field.map(|field| (field, descending)))
    }
}

/// A number that has nothing to do with `id`'s neighbours (the splitmix64 finaliser).
pub(super) fn scatter(id: u64, salt: u64) -> u64 {
    let mut z = id.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(salt.wrapping_mul(0xd1b5_4a32_d192_ed03));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
