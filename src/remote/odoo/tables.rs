//! What Odoo's values refer to: countries, stages, which partners are companies. Small tables are kept and
//! read again when something is missing from them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::{Value as Json, json};

use super::Odoo;
use super::place::Place;
use super::stage::{self, Stage, Stages};
use super::values::{self, Countries, Shape, Tables};
use super::wire::{arguments, malformed};
use crate::model::{Fields, Value};
use crate::remote::RemoteError;
use crate::remote::exchange::Effect;

/// A table as it was read last.
#[derive(Debug, Default)]
pub(super) struct Cached<T>(RwLock<Arc<T>>);

impl<T> Cached<T> {
    fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, fresh: T) -> Arc<T> {
        let fresh = Arc::new(fresh);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&fresh);
        fresh
    }
}

impl Odoo {
    /// What reading `rows` takes.
    pub(super) async fn tables_for_rows(&self, place: &Place, rows: &[Json]) -> Result<Tables, RemoteError> {
        let ids =
            |field: &str| -> BTreeSet<i64> { rows.iter().filter_map(|row| values::related(row.get(field)?)).collect() };
        let mut tables = self.bare_tables();
        if place.has(Shape::Country) {
            let wanted = ids("country_id");
            tables.countries = self.countries(|known| wanted.iter().all(|id| known.contains_key(id))).await?;
        }
        if place.has(Shape::Tags) {
            tables.tags = self.tags_of(rows).await?;
        }
        if place.has(Shape::CustomerCompany) {
            tables.companies = self.companies_among(&ids("partner_id")).await?;
        }
        Ok(tables)
    }

    /// What writing `fields` takes.
    pub(super) async fn tables_for_fields(&self, place: &Place, fields: &Fields) -> Result<Tables, RemoteError> {
        let mut tables = self.bare_tables();
        let country = place.mapped.iter().find(|mapped| mapped.shape == Shape::Country);
        let code = country.and_then(|mapped| fields.get(&mapped.name)).and_then(Value::as_text).unwrap_or_default();
        if !code.trim().is_empty() {
            let known = |known: &Countries| known.values().any(|known| known.eq_ignore_ascii_case(code.trim()));
            tables.countries = self.countries(known).await?;
        }
        Ok(tables)
    }

    fn bare_tables(&self) -> Tables {
        Tables { stage_names: Arc::clone(&self.stage_names), ..Tables::default() }
    }

    async fn countries(&self, sufficient: impl Fn(&Countries) -> bool) -> Result<Arc<Countries>, RemoteError> {
        let known = self.countries.get();
        if !known.is_empty() && sufficient(&known) {
            return Ok(known);
        }
        let parse = |row: &Json| Some((row.get("id")?.as_i64()?, row.get("code")?.as_str()?.to_owned()));
        Ok(self.countries.set(self.table("res.country", json!([]), &["code"], parse).await?))
    }

    /// The stages, with the one `word` stands for if there is one.
    pub(super) async fn stages(&self, word: &str) -> Result<Arc<Stages>, RemoteError> {
        let known = self.stages.get();
        if stage::suffices(&known, &self.stage_names, word) {
            return Ok(known);
        }
        let parse = |row: &Json| {
            let stage = Stage { name: row.get("name")?.as_str()?.to_owned(), won: row.get("is_won")?.as_bool()? };
            Some((row.get("id")?.as_i64()?, stage))
        };
        Ok(self.stages.set(self.table("crm.stage", json!([]), &["name", "is_won"], parse).await?))
    }

    /// Those of `partners` that are companies. Asked anew each time: a partner can become one.
    pub(super) async fn companies_among(&self, partners: &BTreeSet<i64>) -> Result<BTreeSet<i64>, RemoteError> {
        if partners.is_empty() {
            return Ok(BTreeSet::new());
        }
        let companies = json!([["id", "in", partners], ["is_company", "=", true]]);
        let table: BTreeMap<i64, ()> =
            self.table("res.partner", companies, &["is_company"], |row| Some((row.get("id")?.as_i64()?, ()))).await?;
        Ok(table.into_keys().collect())
    }

    /// Rows of `model` in `domain`. Rows that make no sense are left out.
    async fn table<T>(
        &self,
        model: &str,
        domain: Json,
        fields: &[&str],
        parse: impl Fn(&Json) -> Option<(i64, T)>,
    ) -> Result<BTreeMap<i64, T>, RemoteError> {
        let question = arguments([("domain", domain), ("fields", json!(fields))]);
        let answer = self.wire.call(model, "search_read", question, Effect::Reads).await?;
        let rows = answer.body.as_array();
        let rows = rows.ok_or_else(|| malformed(&format!("{model}.search_read"), "the answer is not a list"))?;
        Ok(rows.iter().filter_map(parse).collect())
    }
}
