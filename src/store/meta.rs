//! Names in the `meta` table, the schema version, and the free-form keys of the layers above.

use super::codec;
use super::error::{Result, StoreError};
use super::keys;
use super::source::{self, Source};
use super::tables::Tab;
use super::tx::Tx;
use crate::model::{ItemId, LinkId};

/// Format of the file. Raised with every change an older program could not read.
pub const SCHEMA: u32 = 1;

pub(super) const SCHEMA_KEY: &[u8] = b"schema";
pub(super) const INSTANCE_KEY: &[u8] = b"instance";
const EPOCH: &str = "epoch";
pub(super) const LAST_ITEM: &str = "last_item";
pub(super) const LAST_LINK: &str = "last_link";

/// Keys of the layers above live under this prefix, so that none can hit one of ours.
const FREE: &str = "free:";

/// The format of the file; `None` when it is no store at all.
pub(super) fn schema(source: &dyn Source) -> Result<Option<u32>> {
    source::get(source, Tab::Meta, SCHEMA_KEY, |bytes| {
        bytes.try_into().map(u32::from_be_bytes).map_err(|_| StoreError::corrupt("the schema number is no number"))
    })
}

/// The account the file was made for.
pub(super) fn instance(source: &dyn Source) -> Result<String> {
    let name = source::get(source, Tab::Meta, INSTANCE_KEY, |bytes| Ok(String::from_utf8_lossy(bytes).into_owned()))?;
    name.ok_or_else(|| StoreError::corrupt("the account name is missing"))
}

pub(super) fn get(source: &dyn Source, key: &str) -> Result<Option<Vec<u8>>> {
    source::get(source, Tab::Meta, format!("{FREE}{key}").as_bytes(), |bytes| Ok(codec::body(bytes)?.to_vec()))
}

pub(super) fn epoch(source: &dyn Source) -> Result<u64> {
    Ok(source::get(source, Tab::Meta, EPOCH.as_bytes(), keys::number)?.unwrap_or(0))
}

impl Tx<'_> {
    /// A new item id, never used before.
    pub fn new_item_id(&mut self) -> Result<ItemId> {
        Ok(ItemId(self.next_number(LAST_ITEM)?))
    }

    /// A new link id, never used before.
    pub fn new_link_id(&mut self) -> Result<LinkId> {
        Ok(LinkId(self.next_number(LAST_LINK)?))
    }

    /// Sets a free-form value.
    pub fn put_meta(&mut self, key: &str, value: &[u8]) -> Result<()> {
        let mut bytes = vec![codec::VERSION];
        bytes.extend_from_slice(value);
        self.insert(Tab::Meta, format!("{FREE}{key}").as_bytes(), &bytes)
    }

    /// Starts a new writer epoch: whoever still holds an older one is stale (I31).
    pub fn bump_epoch(&mut self) -> Result<u64> {
        self.next_number(EPOCH)
    }
}
