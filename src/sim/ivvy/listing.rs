//! Lists: filter, order, page (contract 7).

use serde_json::{Value, json};

use super::answer::{Refusal, parse_stamp};
use super::company::Company;
use super::contact::Contact;
use super::params::{Form, Params};
use super::settings::{Filtering, Order, Settings};
use super::world::Record;
use crate::model::Timestamp;

/// Largest page; asking for more is silently cut to this.
const PER_PAGE: u64 = 100;

/// A kind of record with its documented filter properties.
pub(super) trait Listed: Record {
    /// Properties `filter` may name.
    const FILTERS: &'static [&'static str];

    /// Whether it is linked to company `id`.
    fn in_company(&self, id: u64) -> bool;
}

impl Listed for Contact {
    const FILTERS: &'static [&'static str] =
        &["fromModifiedDate", "toModifiedDate", "externalId", "venueId", "venueGroupId", "companyId"];

    fn in_company(&self, id: u64) -> bool {
        self.companies.contains(&id)
    }
}

impl Listed for Company {
    const FILTERS: &'static [&'static str] = &["fromModifiedDate", "toModifiedDate", "venueId", "venueGroupId"];

    fn in_company(&self, id: u64) -> bool {
        self.id == id
    }
}

/// A list call after validation.
#[derive(Debug)]
pub(super) struct Query {
    per_page: u64,
    start: u64,
    filter: Filter,
}

#[derive(Debug, Default)]
struct Filter {
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    inclusive: bool,
    external_id: Option<String>,
    company: Option<u64>,
    /// A venue or venue group: nothing here belongs to one.
    venue: bool,
}

impl Query {
    /// Reads `perPage`, `start` and `filter`.
    pub(super) fn read<T: Listed>(params: &Params<'_>, settings: &Settings) -> Result<Self, Refusal> {
        params.require(&["perPage", "start"])?;
        let per_page = params.whole("perPage")?.unwrap_or(PER_PAGE).min(PER_PAGE);
        if per_page == 0 {
            return Err(Refusal::invalid("perPage", "Value must be larger than zero"));
        }
        let start = params.whole("start")?.unwrap_or(0);
        let filter = match params.object("filter")? {
            None => Filter::default(),
            Some(_) if settings.filtering == Filtering::Ignore => Filter::default(),
            Some(_) if settings.filtering == Filtering::Reject => {
                return Err(Refusal::invalid("filter", "filter: is not supported"));
            }
            Some(filter) => Filter::read(&filter, T::FILTERS, settings.inclusive_bounds)?,
        };
        if settings.strict_params {
            params.only(&["perPage", "start", "filter"])?;
        }
        Ok(Self { per_page, start, filter })
    }

    /// The page out of `rows`; `salt` decides the random orders.
    pub(super) fn page<'w, T: Listed + 'w>(
        &self,
        rows: impl Iterator<Item = &'w T>,
        order: Order,
        salt: u64,
        show: impl Fn(&T) -> Value,
    ) -> Value {
        let mut rows: Vec<&T> = rows.filter(|row| self.filter.admits(*row)).collect();
        match order {
            Order::Id => {}
            Order::ModifiedDesc => rows.sort_by_key(|row| std::cmp::Reverse((row.modified(), row.id()))),
            Order::Shuffled | Order::Arbitrary => rows.sort_by_cached_key(|row| scatter(row.id(), salt)),
        }
        let total = rows.len();
        let (start, per_page) = (usize::try_from(self.start).unwrap_or(usize::MAX), usize::try_from(self.per_page));
        let page: Vec<Value> = rows.into_iter().skip(start).take(per_page.unwrap_or(usize::MAX)).map(show).collect();
        json!({
            "meta": {"totalResults": total, "start": self.start, "perPage": self.per_page, "count": page.len()},
            "results": page,
        })
    }
}

impl Filter {
    fn read(filter: &Params<'_>, known: &[&str], inclusive: bool) -> Result<Self, Refusal> {
        filter.only(known).map_err(|_| Refusal::invalid("filter", "filter: unknown property"))?;
        let stamp = |name: &str| match filter.text(name, Form::Free)? {
            None => Ok(None),
            Some(text) => match parse_stamp(&text) {
                Some(at) => Ok(Some(at)),
                None => Err(Refusal::invalid("filter", format!("{name}: is not a date"))),
            },
        };
        Ok(Self {
            from: stamp("fromModifiedDate")?,
            to: stamp("toModifiedDate")?,
            inclusive,
            external_id: filter.text("externalId", Form::Key)?,
            company: filter.whole("companyId")?,
            venue: filter.get("venueId").or(filter.get("venueGroupId")).is_some(),
        })
    }

    fn admits<T: Listed>(&self, row: &T) -> bool {
        let at = row.modified();
        let beyond = |from: Timestamp, to: Timestamp| if self.inclusive { from <= to } else { from < to };
        !self.venue
            && self.from.is_none_or(|from| beyond(from, at))
            && self.to.is_none_or(|to| beyond(at, to))
            && self.company.is_none_or(|id| row.in_company(id))
            && self.external_id.as_deref().is_none_or(|key| match key {
                "__ISNULL__" => row.external_id().is_empty(),
                key => row.external_id() == key,
            })
    }
}

/// A number that has nothing to do with `id`'s neighbours (the splitmix64 finaliser).
fn scatter(id: u64, salt: u64) -> u64 {
    let mut z = id.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(salt.wrapping_mul(0xd1b5_4a32_d192_ed03));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
