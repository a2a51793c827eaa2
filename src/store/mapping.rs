//! Versions of the field maps: appended whole, never rewritten (V-19).

use std::ops::ControlFlow;

use super::codec;
use super::error::{Result, StoreError};
use super::keys::{Key, Span};
use super::source::{self, Direction, Source};
use super::tables::Tab;
use super::tx::{Note, Tx};
use crate::model::{FieldMap, ModuleId, Seq};

fn key(module: ModuleId, version: u32) -> Vec<u8> {
    Key::new().module(module).u32(version).done()
}

pub(super) fn newest(source: &dyn Source, module: ModuleId) -> Result<Option<FieldMap>> {
    let span = Span::prefix(Key::new().module(module).done());
    let mut found = None;
    source.scan(Tab::FieldMaps, &span, Direction::Down, &mut |_, value| {
        found = Some(codec::decode(value)?);
        Ok(ControlFlow::Break(()))
    })?;
    Ok(found)
}

pub(super) fn version(source: &dyn Source, module: ModuleId, version: u32) -> Result<Option<FieldMap>> {
    source::get(source, Tab::FieldMaps, &key(module, version), codec::decode)
}

pub(super) fn newest_first(
    source: &dyn Source,
    module: ModuleId,
    before: Option<u32>,
    limit: usize,
) -> Result<Vec<FieldMap>> {
    let mut span = Span::prefix(Key::new().module(module).done());
    if let Some(before) = before {
        span = span.before(key(module, before));
    }
    let mut found = Vec::new();
    source.scan(Tab::FieldMaps, &span, Direction::Down, &mut |_, value| {
        if found.len() == limit {
            return Ok(ControlFlow::Break(()));
        }
        found.push(codec::decode(value)?);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}

impl Tx<'_> {
    /// Appends a version of a module's map, with its audit row.
    ///
    /// # Errors
    /// [`StoreError::Invariant`] if it is not the one after the newest: versions are neither rewritten nor
    /// left out.
    pub fn append_field_map(&mut self, module: ModuleId, map: &FieldMap, mut note: Note) -> Result<Seq> {
        let before = newest(self, module)?.map_or(0, |map| map.version);
        if Some(map.version) != before.checked_add(1) {
            return Err(StoreError::invariant(format!(
                "version {} of the map of {module} does not follow version {before}",
                map.version
            )));
        }
        self.insert(Tab::FieldMaps, &key(module, map.version), &codec::encode(map)?)?;
        note.module = Some(module);
        self.audit(note)
    }
}
