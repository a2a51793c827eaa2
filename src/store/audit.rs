//! The audit log: append-only, each row carrying the hash of the one before (I24).
//!
//! A row is hashed as the bytes that are stored, with its own hash left empty, so that later
//! programs which know more kinds of event verify old rows all the same. The chain starts from the
//! name of the account: a log cannot be passed off as another account's.

use std::ops::{Bound, ControlFlow};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::codec::{self, VERSION};
use super::error::{Result, StoreError};
use super::keys::{self, Key, Span};
use super::meta;
use super::source::{self, Direction, Source};
use super::tables::Tab;
use super::tx::{Note, Tx};
use crate::model::query::AuditQuery;
use crate::model::{AuditRow, Seq};

const HASH: usize = 32;

/// Most rows one question returns.
const MAX_ROWS: u32 = 1000;

type Hash = [u8; HASH];

fn genesis(instance: &str) -> Hash {
    Sha256::new().chain_update(b"tandem audit log of ").chain_update(instance.as_bytes()).finalize().into()
}

fn chain(before: &Hash, json: &[u8]) -> Hash {
    Sha256::new().chain_update(before).chain_update(json).finalize().into()
}

/// Splits a stored row into hash and JSON.
fn unpack(row: &[u8]) -> Result<(Hash, &[u8])> {
    let (hash, json) = keys::split(codec::body(row)?, HASH)?;
    Ok((hash.try_into().map_err(|_| StoreError::corrupt("an audit hash is too short"))?, json))
}

fn read(row: &[u8]) -> Result<AuditRow> {
    let (hash, json) = unpack(row)?;
    Ok(AuditRow { hash: HEXLOWER.encode(&hash), ..codec::json(json)? })
}

pub(super) fn newest(source: &dyn Source) -> Result<Seq> {
    let seq = source::edge(source, Tab::Audit, &Span::all(), Direction::Down, |key, _| keys::number(key))?;
    Ok(Seq(seq.unwrap_or(0)))
}

pub(super) fn rows(source: &dyn Source, query: &AuditQuery) -> Result<Vec<AuditRow>> {
    let limit = usize::try_from(query.limit.min(MAX_ROWS)).unwrap_or(0);
    let (tab, prefix) = match query.item {
        Some(item) => (Tab::ItemAudit, Key::new().item(item)),
        None => (Tab::Audit, Key::new()),
    };
    let mut span = Span::prefix(prefix.clone().done());
    if let Some(before) = query.before {
        span = span.before(prefix.u64(before.0).done());
    }
    let mut found = Vec::new();
    if limit == 0 {
        return Ok(found);
    }
    source.scan(tab, &span, Direction::Down, &mut |key, value| {
        if query.item.is_none() {
            found.push(read(value)?);
        } else {
            let seq = &key[key.len().saturating_sub(8)..];
            let row = source::get(source, Tab::Audit, seq, read)?;
            found.push(row.ok_or_else(|| StoreError::corrupt("an audit row is missing"))?);
        }
        Ok(if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok(found)
}

pub(super) fn verify(source: &dyn Source) -> Result<(u64, Option<Seq>)> {
    let mut before = genesis(&meta::instance(source)?);
    let mut checked = 0_u64;
    let mut broken = None;
    source.scan(Tab::Audit, &Span::all(), Direction::Up, &mut |key, value| {
        let seq = Seq(keys::number(key)?);
        checked += 1;
        // A row that cannot even be taken apart breaks the chain like one that was changed.
        let fits = unpack(value).is_ok_and(|(hash, json)| {
            seq.0 == checked
                && hash == chain(&before, json)
                && codec::json::<AuditRow>(json).is_ok_and(|row| row.seq == seq)
        });
        if !fits {
            broken = Some(seq);
            return Ok(ControlFlow::Break(()));
        }
        before = unpack(value)?.0;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok((checked, broken))
}

/// The item-index row of an audit row, if it names an item.
pub(super) fn index_key(row: &[u8]) -> Result<Option<Vec<u8>>> {
    let row = read(row)?;
    Ok(row.item.map(|item| Key::new().item(item).u64(row.seq.0).done()))
}

impl Tx<'_> {
    /// Appends a row to the audit log and returns its position.
    pub fn audit(&mut self, note: Note) -> Result<Seq> {
        let (last, before) = match self.audit_tail {
            Some(tail) => tail,
            None => {
                let span = Span { lower: Bound::Unbounded, upper: Bound::Unbounded };
                let tail = source::edge(self, Tab::Audit, &span, Direction::Down, |key, value| {
                    Ok((Seq(keys::number(key)?), unpack(value)?.0))
                })?;
                match tail {
                    Some(tail) => tail,
                    None => (Seq(0), genesis(&meta::instance(self)?)),
                }
            }
        };
        let Note { at, actor, module, item, link, what } = note;
        let row = AuditRow { seq: Seq(last.0 + 1), at, actor, module, item, link, what, hash: String::new() };
        let mut json = Vec::with_capacity(256);
        codec::append_json(&mut json, &row)?;
        let hash = chain(&before, &json);

        let stored = Key::new().byte(VERSION).raw(&hash).raw(&json).done();
        self.insert(Tab::Audit, &row.seq.0.to_be_bytes(), &stored)?;
        if let Some(item) = row.item {
            self.insert(Tab::ItemAudit, &Key::new().item(item).u64(row.seq.0).done(), &[])?;
        }
        self.audit_tail = Some((row.seq, hash));
        Ok(row.seq)
    }
}
