//! External ids: `__tandem__.<key>` in `ir.model.data`, which Odoo keeps unique.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use sha1::{Digest as _, Sha1};

use super::place::Place;
use super::wire::{arguments, malformed};
use super::{Odoo, SYSTEM, refusal};
use crate::model::module::IVVY_KEY;
use crate::model::{Flow, ModuleId, Record, Value};
use crate::remote::exchange::{self, Effect};
use crate::remote::{Class, RemoteError};

/// Module part of the external ids Tandem gives.
const KEY_SPACE: &str = "__tandem__";

/// The external id for `key`, as `load` takes it.
pub(super) fn external_id(key: &str) -> String {
    format!("{KEY_SPACE}.{key}")
}

/// The key of a `kind` of record that is made here for its name's sake: the same for the same name, so that
/// two who make it at once make one, and another for any other, so that `load`, which writes the name onto
/// the record it finds, renames nothing. `name` is as names of the kind are compared; a digest, because an
/// external id cannot hold every character.
pub(super) fn of_name(kind: &str, name: &str) -> String {
    format!("{kind}_{}", data_encoding::HEXLOWER.encode(&Sha1::digest(name.as_bytes())))
}

/// Whether rows of the module are only ours if they carry our key.
pub(super) fn marks(place: &Place) -> bool {
    place.module.flow() == Flow::ToCrm
}

impl Odoo {
    /// The records that carry this key: one or none.
    pub(super) async fn by_key(&self, place: &Place, key: &str) -> Result<Vec<Record>, RemoteError> {
        exchange::check_key(SYSTEM, "ir.model.data.search_read", key)?;
        let owner = json!([["module", "=", KEY_SPACE], ["name", "=", key], ["model", "=", place.model]]);
        let question = arguments([("domain", owner), ("fields", json!(["res_id"]))]);
        let id = match self.wire.call("ir.model.data", "search_read", question, Effect::Reads).await {
            Ok(answer) => answer.body.get(0).and_then(|row| row["res_id"].as_i64()),
            Err(error) if error.class == Class::Forbidden => self.reference(place, key).await?,
            Err(error) => return Err(error),
        };
        let Some(id) = id else { return Ok(Vec::new()) };
        let mut found: Vec<Record> = self.read_row(place, id).await?.into_iter().collect();
        if marks(place) {
            found.iter_mut().for_each(|record| carry(record, key));
        }
        Ok(found)
    }

    /// The look-up by key that plain users may make. It goes through a cache which Odoo also fills
    /// from calls it then rolls back, and then answers `[model, false]` although there is no such
    /// record; a record hidden from the user looks the same. Taking both for "not found" is safe:
    /// the create that may follow carries the same key, and Odoo refuses it or finds the record.
    async fn reference(&self, place: &Place, key: &str) -> Result<Option<i64>, RemoteError> {
        let question = arguments([("module", json!(KEY_SPACE)), ("xml_id", json!(key))]);
        match self.wire.call("ir.model.data", "check_object_reference", question, Effect::Reads).await {
            Ok(answer) if answer.body[0] == place.model => Ok(answer.body[1].as_i64()),
            Ok(_) => {
                Err(malformed("ir.model.data.check_object_reference", "the key belongs to another kind of record"))
            }
            Err(error) if refusal::is_unknown_external_id(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes our keys into those of `records` that carry one of this module, and says which do.
    pub(super) async fn mark(&self, place: &Place, records: &mut [Record]) -> Result<Vec<bool>, RemoteError> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<i64> = records.iter().filter_map(|record| record.id.as_str().parse().ok()).collect();
        let answer =
            self.wire.call(place.model, "get_external_id", arguments([("ids", json!(ids))]), Effect::Reads).await?;
        let known = answer.body.as_object();
        let known = known.ok_or_else(|| malformed(&place.action("get_external_id"), "the answer is not an object"))?;
        let keys: BTreeMap<&str, &str> =
            known.iter().filter_map(|(id, name)| Some((id.as_str(), our_key(place.module, name)?))).collect();
        let ours = records.iter_mut().map(|record| {
            let key = keys.get(record.id.as_str()).copied();
            if let Some(key) = key {
                carry(record, key);
            }
            key.is_some()
        });
        Ok(ours.collect())
    }
}

fn carry(record: &mut Record, key: &str) {
    record.fields.insert(IVVY_KEY.to_owned(), Value::text(key));
}

/// The key in an external id of ours, if it is one of `module`: three modules share `crm.lead`. Whether the
/// account is the right one is the engine's to see.
fn our_key(module: ModuleId, external_id: &Json) -> Option<&str> {
    let key = external_id.as_str()?.strip_prefix(KEY_SPACE)?.strip_prefix('.')?;
    key.split('-').any(|part| part == module.singular()).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_makes_one_key_that_an_external_id_can_hold() {
        assert_eq!(of_name("group", "News"), of_name("group", "News"));
        for (kind, name) in [("group", "news"), ("group", "News "), ("source", "News")] {
            assert_ne!(of_name(kind, name), of_name("group", "News"));
        }
        assert!(of_name("group", "ä/../%").bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
    }

    #[test]
    fn only_keys_of_ours_and_of_the_module_count() {
        let key = |text: &str| our_key(ModuleId::Registrations, &Json::from(text)).map(str::to_owned);
        assert_eq!(key("__tandem__.registration-7").as_deref(), Some("registration-7"));
        assert_eq!(key("__tandem__.acme-registration-7").as_deref(), Some("acme-registration-7"));
        for foreign in ["__tandem__.booking-7", "__export__.registration-7", "registration-7", ""] {
            assert_eq!(key(foreign), None, "{foreign}");
        }
    }
}
