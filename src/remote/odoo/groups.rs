//! Subscription groups are tags of a partner (`res.partner.category`), found by name (V-18).
//!
//! Only tags with a configured name are read, given and taken; every other tag of a partner stays as it is.
//! A tag that is missing is made under a key made from its name, so that two writes at once make one and
//! nobody's tag is ever renamed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::cell::Cell;
use super::place::refused;
use super::wire::{arguments, malformed};
use super::{Odoo, SYSTEM, keys, refusal};
use crate::model::Value;
use crate::model::module::GROUPS;
use crate::remote::exchange::{Effect, failure};
use crate::remote::{Class, RemoteError, Sent};

const MODEL: &str = "res.partner.category";

/// Tags of a configured name: id → name.
pub(super) type Tags = BTreeMap<i64, String>;

impl Odoo {
    /// Those of the tags on `rows` that stand for groups. Asked anew each time: people rename and delete tags.
    pub(super) async fn tags_of(&self, rows: &[Json]) -> Result<Tags, RemoteError> {
        let worn = rows.iter().filter_map(|row| row.get("category_id")?.as_array()).flatten();
        let worn: BTreeSet<i64> = worn.filter_map(Json::as_i64).collect();
        if worn.is_empty() { Ok(Tags::new()) } else { self.tags(Some(&worn)).await }
    }

    /// Every tag with the name of a group, or those among `ids`.
    async fn tags(&self, ids: Option<&BTreeSet<i64>>) -> Result<Tags, RemoteError> {
        let mut domain = vec![json!(["name", "in", self.groups.values().collect::<Vec<_>>()])];
        domain.extend(ids.map(|ids| json!(["id", "in", ids])));
        let question = arguments([("domain", json!(domain)), ("fields", json!(["name"]))]);
        let answer = self.wire.call(MODEL, "search_read", question, Effect::Reads).await?;
        let rows = answer.body.as_array();
        let rows = rows.ok_or_else(|| malformed(&format!("{MODEL}.search_read"), "the answer is not a list"))?;
        let tag = |row: &Json| Some((row.get("id")?.as_i64()?, row.get("name")?.as_str()?.to_owned()));
        // Odoo compares without regard to case where the database does; names here are exact.
        let ours = |(_, name): &(i64, String)| self.groups.values().any(|group| group == name);
        Ok(rows.iter().filter_map(tag).filter(ours).collect())
    }

    /// The commands that give a partner the `wanted` groups' tags and take the others' away.
    pub(super) async fn tag_commands(&self, action: &str, wanted: &Value) -> Result<Cell, RemoteError> {
        let wanted = match wanted {
            Value::Set(names) => names.clone(),
            empty if empty.is_empty() => BTreeSet::new(),
            _ => return Err(refused(action, GROUPS, "not a set of groups")),
        };
        if !wanted.iter().all(|name| self.groups.values().any(|group| group == name)) {
            return Err(refused(action, GROUPS, "not one of the groups that are kept in step"));
        }
        let mut tags = self.tags(None).await?;
        for name in self.groups.values() {
            if wanted.contains(name) && !tags.values().any(|tag| tag == name) {
                tags.insert(self.make_tag(name).await?, name.clone());
            }
        }
        Ok(Cell::Commands(commands(&tags, &wanted)))
    }

    /// Makes the tag of this name. Nothing of the partner is written yet when this fails.
    ///
    /// `load` writes the name onto a record that has the key already. One made from the name as it is compared
    /// here, exactly, is never that of another group or another account; a key with iVvy's number would be.
    async fn make_tag(&self, name: &str) -> Result<i64, RemoteError> {
        let action = format!("{MODEL}.load");
        let row = json!([[keys::external_id(&keys::of_name("group", name)), name]]);
        let call = arguments([("fields", json!(["id", "name"])), ("data", row)]);
        let answer = self.wire.call(MODEL, "load", call, Effect::Writes).await;
        // Whatever became of the tag, the partner is as it was.
        let answer = answer.map_err(|error| RemoteError { sent: Sent::No, ..error })?.body;
        match answer["ids"].get(0).and_then(Json::as_i64) {
            Some(id) => Ok(id),
            None if answer["ids"] == Json::Bool(false) => {
                Err(refusal::of_load(&action, &answer["messages"], str::to_owned))
            }
            None => Err(failure(SYSTEM, &action, Class::Malformed, Sent::No, "the answer names no record")),
        }
    }
}

/// `(4, id)` links a tag, `(3, id)` unlinks it; neither touches any other. Of several tags with one name the
/// first is given and all are taken.
fn commands(tags: &Tags, wanted: &BTreeSet<String>) -> Vec<(u8, i64)> {
    let mut given = BTreeSet::new();
    let command = |(id, name): (&i64, &String)| match wanted.contains(name) {
        true => given.insert(name.clone()).then_some((4, *id)),
        false => Some((3, *id)),
    };
    tags.iter().filter_map(command).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_tag_of_a_name_is_given_and_all_are_taken_v18() {
        let tags = Tags::from([(3, "News".to_owned()), (5, "VIP".to_owned()), (9, "News".to_owned())]);
        let wanted = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(commands(&tags, &wanted(&["News"])), [(4, 3), (3, 5)]);
        assert_eq!(commands(&tags, &wanted(&["VIP"])), [(3, 3), (4, 5), (3, 9)]);
        assert_eq!(commands(&Tags::new(), &wanted(&[])), []);
    }
}
