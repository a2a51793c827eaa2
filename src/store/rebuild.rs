//! Writes every derived table anew, in one transaction: either all of it or none.

use super::error::Result;
use super::header::{Header, IndexRow};
use super::keys::Span;
use super::source::{self, Source as _};
use super::tables::Tab;
use super::tx::Tx;
use super::{Store, audit, codec, deliveries, inbox, intents, links, records, shelf};
use crate::model::{Intent, Item, Link};

/// Rows read before their derived rows are written.
const CHUNK: usize = 1000;

/// What was gone through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Items.
    pub items: u64,
    /// Links.
    pub links: u64,
    /// Observations.
    pub observations: u64,
    /// Intents.
    pub intents: u64,
    /// Match rows.
    pub match_rows: u64,
    /// Audit rows.
    pub audit_rows: u64,
}

/// Writes everything derivable anew. Blocks until it is durable; other writes wait meanwhile.
///
/// # Errors
/// [`super::StoreError::Corrupt`] if something that is not derivable is damaged: then nothing changes.
pub fn rebuild(store: &Store) -> Result<Rebuilt> {
    store.write_blocking(|tx| {
        tx.forget_counters();
        for tab in Tab::DERIVED {
            tx.clear(tab)?;
        }
        each(tx, Tab::Bodies, |tx, key, body| {
            let item: Item = codec::decode(body)?;
            let header = Header::of(&item);
            tx.insert(Tab::Items, key, &header.encode())?;
            tx.add_indexes(&item, &header)
        })?;
        each(tx, Tab::Links, |tx, _, row| {
            let link: Link = codec::decode(row)?;
            insert_all(tx, links::index_rows(&link))
        })?;
        each(tx, Tab::Observations, |tx, key, row| insert_all(tx, records::observation_index_rows(key, row)?))?;
        each(tx, Tab::Dirty, |tx, key, _| insert_all(tx, vec![records::dirty_index_row(key)?]))?;
        each(tx, Tab::Intents, |tx, _, row| {
            let intent: Intent = codec::decode(row)?;
            insert_all(tx, vec![intents::index_row(&intent)])
        })?;
        each(tx, Tab::MatchRows, |tx, _, row| tx.add_match_indexes(&codec::decode(row)?))?;
        each(tx, Tab::Deliveries, |tx, key, at| insert_all(tx, vec![deliveries::index_row(key, at)?]))?;
        each(tx, Tab::Shelf, |tx, _, row| insert_all(tx, shelf::index_rows(&codec::decode(row)?)))?;
        each(tx, Tab::Payloads, |tx, key, at| insert_all(tx, vec![inbox::index_row(key, at)?]))?;
        each(tx, Tab::Checks, |tx, key, row| insert_all(tx, vec![inbox::check_index_row(key, row)?]))?;
        each(tx, Tab::Audit, |tx, _, row| match audit::index_key(row)? {
            Some(key) => tx.insert(Tab::ItemAudit, &key, &[]),
            None => Ok(()),
        })?;
        Ok(Rebuilt {
            items: tx.rows(Tab::Bodies)?,
            links: tx.rows(Tab::Links)?,
            observations: tx.rows(Tab::Observations)?,
            intents: tx.rows(Tab::Intents)?,
            match_rows: tx.rows(Tab::MatchRows)?,
            audit_rows: tx.rows(Tab::Audit)?,
        })
    })
}

fn insert_all(tx: &mut Tx<'_>, rows: Vec<IndexRow>) -> Result<()> {
    rows.into_iter().try_for_each(|row| tx.insert(row.tab, &row.key, &row.value))
}

/// Visits every row of a table in chunks, so that the visitor may write.
fn each(tx: &mut Tx<'_>, tab: Tab, mut visit: impl FnMut(&mut Tx<'_>, &[u8], &[u8]) -> Result<()>) -> Result<()> {
    let mut span = Span::all();
    loop {
        let rows = source::collect(tx, tab, &span, CHUNK, |key, value| Ok((key.to_vec(), value.to_vec())))?;
        let Some((last, _)) = rows.last() else { return Ok(()) };
        span = Span::all().after(last.clone());
        for (key, value) in &rows {
            visit(tx, key, value)?;
        }
    }
}
