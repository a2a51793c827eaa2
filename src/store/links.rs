//! Links, aliases and what links last agreed on.

use super::codec;
use super::error::{Result, StoreError};
use super::header::IndexRow;
use super::keys::{self, Key, Span};
use super::meta;
use super::source::{self, Source};
use super::tables::Tab;
use super::tx::{Note, Tx};
use crate::model::{Base, Link, LinkId, ModuleId, RecordId, Seq, Side};

fn key(id: LinkId) -> [u8; 8] {
    id.0.to_be_bytes()
}

pub(super) fn link(source: &dyn Source, id: LinkId) -> Result<Option<Link>> {
    source::get(source, Tab::Links, &key(id), codec::decode)
}

/// The link a record stands in itself, aliases aside.
fn own_link(source: &dyn Source, module: ModuleId, side: Side, record: &RecordId) -> Result<Option<LinkId>> {
    lookup(source, Tab::LinkSides, module, side, record)
}

fn alias(source: &dyn Source, module: ModuleId, side: Side, record: &RecordId) -> Result<Option<LinkId>> {
    lookup(source, Tab::Aliases, module, side, record)
}

fn lookup(source: &dyn Source, tab: Tab, module: ModuleId, side: Side, record: &RecordId) -> Result<Option<LinkId>> {
    source::get(source, tab, &keys::record(module, side, record), |id| Ok(LinkId(keys::number(id)?)))
}

pub(super) fn link_of(source: &dyn Source, module: ModuleId, side: Side, record: &RecordId) -> Result<Option<LinkId>> {
    match own_link(source, module, side, record)? {
        Some(link) => Ok(Some(link)),
        None => alias(source, module, side, record),
    }
}

pub(super) fn links(source: &dyn Source, module: ModuleId, after: Option<LinkId>, limit: usize) -> Result<Vec<Link>> {
    let mut span = Span::prefix(Key::new().module(module).done());
    if let Some(after) = after {
        span = span.after(Key::new().module(module).u64(after.0).done());
    }
    let ids = source::collect(source, Tab::ModuleLinks, &span, limit, |key, _| keys::tail_number(key))?;
    ids.into_iter()
        .map(|id| link(source, LinkId(id))?.ok_or_else(|| StoreError::corrupt(format!("link {id} is missing"))))
        .collect()
}

pub(super) fn base(source: &dyn Source, link: LinkId) -> Result<Base> {
    Ok(source::get(source, Tab::Bases, &key(link), codec::decode)?.unwrap_or_default())
}

/// Every index row of a link.
pub(super) fn index_rows(link: &Link) -> Vec<IndexRow> {
    let side = |side| IndexRow {
        tab: Tab::LinkSides,
        key: keys::record(link.module, side, link.on(side)),
        value: key(link.id).to_vec(),
    };
    let module = IndexRow::bare(Tab::ModuleLinks, Key::new().module(link.module).u64(link.id.0));
    vec![side(Side::Ivvy), side(Side::Crm), module]
}

impl Tx<'_> {
    /// Inserts or replaces a link and appends `note` to the audit log.
    ///
    /// # Errors
    /// [`StoreError::Invariant`] if either record already stands in another link of the module, in
    /// force or closed, or was merged into another link's record (I2); or if the link changes its module.
    pub fn put_link(&mut self, link: &Link, mut note: Note) -> Result<Seq> {
        let id = link.id;
        let old = self::link(self, id)?;
        if old.as_ref().is_some_and(|old| old.module != link.module) {
            return Err(StoreError::invariant(format!("link {id}: a link never changes its module")));
        }
        for side in Side::BOTH {
            let record = link.on(side);
            keys::check_record(record)?;
            let own = own_link(self, link.module, side, record)?.filter(|other| *other != id);
            let merged = alias(self, link.module, side, record)?.filter(|other| *other != id);
            if let Some(other) = own.or(merged) {
                let side = side.title();
                return Err(StoreError::invariant(format!("link {id}: its {side} record is in link {other} (I2)")));
            }
        }

        let after = index_rows(link);
        match &old {
            Some(old) => {
                for row in index_rows(old).iter().filter(|row| !after.contains(row)) {
                    self.remove(row.tab, &row.key)?;
                }
            }
            None => self.use_number(meta::LAST_LINK, id.0)?,
        }
        for row in &after {
            self.insert(row.tab, &row.key, &row.value)?;
        }
        self.insert(Tab::Links, &key(id), &codec::encode(link)?)?;
        note.link = Some(id);
        note.module = Some(link.module);
        self.audit(note)
    }

    /// Remembers that `old` was merged away: it now means `link`'s record on that side.
    ///
    /// # Errors
    /// [`StoreError::Invariant`] if there is no such link, or `old` stands in another one (I2).
    pub fn put_alias(&mut self, module: ModuleId, side: Side, old: &RecordId, link: LinkId) -> Result<()> {
        keys::check_record(old)?;
        if self::link(self, link)?.is_none_or(|link| link.module != module) {
            return Err(StoreError::invariant(format!("an alias for link {link}, which does not exist")));
        }
        if let Some(other) = own_link(self, module, side, old)?.filter(|other| *other != link) {
            return Err(StoreError::invariant(format!("an alias for link {link} on a record of link {other} (I2)")));
        }
        self.insert(Tab::Aliases, &keys::record(module, side, old), &key(link))
    }

    /// Forgets that `old` was merged away: it lives again. Returns whether it was known.
    ///
    /// # Errors
    /// Only what the disk says.
    pub fn remove_alias(&mut self, module: ModuleId, side: Side, old: &RecordId) -> Result<bool> {
        self.remove(Tab::Aliases, &keys::record(module, side, old))
    }

    /// Replaces what a link last agreed on.
    pub fn put_base(&mut self, link: LinkId, base: &Base) -> Result<()> {
        self.insert(Tab::Bases, &key(link), &codec::encode(base)?)
    }
}
