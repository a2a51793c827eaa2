//! Match tables: internal users as staff, `utm.source` as lead sources.

use serde_json::{Value as Json, json};

use super::records::number;
use super::wire::{arguments, malformed};
use super::{Odoo, SYSTEM, keys, refusal};
use crate::model::{MatchKind, RecordId};
use crate::remote::exchange::{Effect, failure};
use crate::remote::port::Entry;
use crate::remote::{Class, RemoteError, Sent};

/// Rows per call. Both tables are small; this bounds one answer.
const ROWS: usize = 500;
/// No table has more pages than this; a walk that goes on is going in circles.
const MOST_PAGES: usize = 1_000;

/// Why a source cannot be switched off.
pub(super) const NO_STATE: &str = "Odoo's lead sources (utm.source) have no active state";

impl Odoo {
    /// Every entry of `kind`.
    pub(super) async fn match_entries(&self, kind: MatchKind) -> Result<Vec<Entry>, RemoteError> {
        match kind {
            // Portal users (`share`) own no leads. The one behind the machine (`__system__`) is archived.
            MatchKind::Staff => {
                let domain = [json!(["share", "=", false]), json!(["active", "in", [true, false]])];
                self.rows("res.users", &domain, &["name", "login", "email", "active"], staff).await
            }
            MatchKind::LeadSource => self.rows("utm.source", &[], &["name"], source).await,
        }
    }

    /// The users with this e-mail address, as the listing shows them.
    pub(super) async fn staff_with(&self, email: &str) -> Result<Vec<Entry>, RemoteError> {
        // `=ilike` is the comparison without regard to case, and has wildcards.
        let pattern = email.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        let domain = [
            json!(["share", "=", false]),
            json!(["active", "in", [true, false]]),
            json!("|"),
            json!(["email", "=ilike", pattern]),
            json!(["login", "=ilike", pattern]),
        ];
        let mut found = self.rows("res.users", &domain, &["name", "login", "email", "active"], staff).await?;
        found.retain(|user| user.email.as_deref().is_some_and(|known| known.eq_ignore_ascii_case(email)));
        Ok(found)
    }

    /// The lead source of this name, created if there is none.
    ///
    /// Measured: `create` and `load` of a name that exists silently make `name [2]`, and the second `load`
    /// under the same external id finds the first one's record. So: look first, and create under an id
    /// made from the name.
    pub(super) async fn lead_source(&self, name: &str) -> Result<RecordId, RemoteError> {
        let action = "utm.source.load";
        let name = name.trim();
        let wanted = fold(name);
        if wanted.is_empty() {
            return Err(failure(SYSTEM, action, Class::Rejected, Sent::No, "a lead source needs a name"));
        }
        if let Some(id) = self.lead_source_named(&wanted).await? {
            return Ok(id);
        }
        let row = json!([[keys::external_id(&source_key(name)), name]]);
        let call = arguments([("fields", json!(["id", "name"])), ("data", row)]);
        let answer = self.wire.call("utm.source", "load", call, Effect::Writes).await?.body;
        match answer["ids"].get(0).and_then(Json::as_i64) {
            Some(id) => Ok(RecordId(id.to_string())),
            None if answer["ids"] == Json::Bool(false) => {
                let error = refusal::of_load(action, &answer["messages"], str::to_owned);
                // Measured: who loses a race for the name is told that it must be unique.
                match error.class {
                    Class::Rejected => self.lead_source_named(&wanted).await?.ok_or(error),
                    _ => Err(error),
                }
            }
            None => Err(failure(SYSTEM, action, Class::Malformed, Sent::Maybe, "the answer names no record")),
        }
    }

    /// Gives a lead source another name.
    ///
    /// The model has no active state. A name that another one has is refused here: Odoo would refuse it, too, or
    /// make `name [2]` of it.
    pub(super) async fn change_lead_source(
        &self,
        id: &RecordId,
        name: Option<&str>,
        active: Option<bool>,
    ) -> Result<(), RemoteError> {
        let action = "utm.source.write";
        let refused = |class: Class, why: &str| failure(SYSTEM, action, class, Sent::No, why);
        let number = number(action, id)?;
        let (Some(name), None) = (name.map(str::trim).filter(|name| !name.is_empty()), active) else {
            return Err(refused(Class::Unsupported, NO_STATE));
        };
        if self.lead_source_named(&fold(name)).await?.is_some_and(|named| named != *id) {
            return Err(refused(Class::Rejected, "another lead source has this name"));
        }
        let call = arguments([("ids", json!([number])), ("vals", json!({ "name": name }))]);
        self.wire.call("utm.source", "write", call, Effect::Writes).await.map(drop)
    }

    /// The lead source of this folded name, if there is one.
    async fn lead_source_named(&self, wanted: &str) -> Result<Option<RecordId>, RemoteError> {
        let known = self.match_entries(MatchKind::LeadSource).await?;
        Ok(known.into_iter().find(|entry| fold(&entry.name) == wanted).map(|entry| entry.id))
    }

    /// All rows of a small model, by id, over as many pages as it takes.
    async fn rows(
        &self,
        model: &str,
        domain: &[Json],
        fields: &[&str],
        entry: fn(&Json) -> Option<Entry>,
    ) -> Result<Vec<Entry>, RemoteError> {
        let action = format!("{model}.search_read");
        let (mut entries, mut after) = (Vec::new(), 0);
        for _ in 0..MOST_PAGES {
            let mut domain = domain.to_vec();
            domain.push(json!(["id", ">", after]));
            let question = arguments([
                ("domain", Json::Array(domain)),
                ("fields", json!(fields)),
                ("order", json!("id")),
                ("limit", json!(ROWS)),
            ]);
            let answer = self.wire.call(model, "search_read", question, Effect::Reads).await?;
            let rows = answer.body.as_array().ok_or_else(|| malformed(&action, "the answer is not a list"))?;
            for row in rows {
                entries.push(entry(row).ok_or_else(|| malformed(&action, "a row without an id or a name"))?);
            }
            if rows.len() < ROWS {
                return Ok(entries);
            }
            let last = rows.last().and_then(|row| row.get("id")?.as_i64());
            let further = last.filter(|last| *last > after);
            after = further.ok_or_else(|| malformed(&action, "a full page that leads no further"))?;
        }
        Err(malformed(&action, "the table does not end"))
    }
}

/// A user. Many have no e-mail of their own and log in with it; every one has a login, and may have a blank
/// name.
fn staff(row: &Json) -> Option<Entry> {
    let text = |field: &str| row.get(field).and_then(Json::as_str).map(str::trim).filter(|text| !text.is_empty());
    Some(Entry {
        id: id(row)?,
        name: text("name").or_else(|| text("login"))?.to_owned(),
        email: text("email").or_else(|| text("login").filter(|login| login.contains('@'))).map(str::to_owned),
        active: row.get("active") != Some(&Json::Bool(false)),
    })
}

fn source(row: &Json) -> Option<Entry> {
    Some(Entry { id: id(row)?, name: row.get("name")?.as_str()?.to_owned(), email: None, active: true })
}

fn id(row: &Json) -> Option<RecordId> {
    Some(RecordId(row.get("id")?.as_i64()?.to_string()))
}

/// A name without regard to case and spacing.
fn fold(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// The key a lead source of this name is created under.
fn source_key(name: &str) -> String {
    keys::of_name("source", &fold(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_is_one_key() {
        assert_eq!(source_key("iVvy  Website"), source_key(" ivvy website "));
        assert_ne!(source_key("iVvy Website"), source_key("iVvy Web site"));
    }

    #[test]
    fn a_login_that_is_an_address_stands_in_for_the_email() {
        let user =
            |email: Json, login: &str| json!({"id": 5, "name": "Sam", "email": email, "login": login, "active": true});
        let email = |row: Json| staff(&row).unwrap().email;
        assert_eq!(email(user(json!("sam@a.example"), "sam@b.example")).as_deref(), Some("sam@a.example"));
        assert_eq!(email(user(json!(false), "sam@b.example")).as_deref(), Some("sam@b.example"));
        assert_eq!(email(user(json!(" "), "sam")), None);
    }
}
