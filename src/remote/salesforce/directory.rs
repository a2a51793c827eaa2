//! What leads are matched with: the org's users and its lead sources. Read only; both are an
//! administrator's to change.

use serde_json::Value as Json;

use super::session::Call;
use super::{PAGE_SIZE, SYSTEM, Salesforce, soql};
use crate::model::RecordId;
use crate::remote::exchange::failure;
use crate::remote::{Class, Entry, RemoteError, Sent};

/// No org has more users than this many pages; a walk that goes on is going in circles.
const MOST_PAGES: usize = 1_000;

impl Salesforce {
    /// Every user, those who left included.
    pub(super) async fn users(&self) -> Result<Vec<Entry>, RemoteError> {
        let malformed = |what: &str| failure(SYSTEM, "query", Class::Malformed, Sent::No, what);
        let mut users: Vec<Entry> = Vec::new();
        for _ in 0..MOST_PAGES {
            let behind =
                users.last().map_or_else(String::new, |last| format!(" WHERE Id > {}", soql::string(last.id.as_str())));
            let soql = format!("SELECT Id, Name, Email, IsActive FROM User{behind} ORDER BY Id LIMIT {PAGE_SIZE}");
            let answer = self.query("query", "query", &soql).await?;
            let rows = answer.body["records"].as_array().ok_or_else(|| malformed("no records in the answer"))?;
            let more = rows.len() >= PAGE_SIZE || answer.body["done"] == false;
            for row in rows {
                users.push(user(row).ok_or_else(|| malformed("a user without an Id"))?);
            }
            if !more {
                return Ok(users);
            }
            if rows.is_empty() {
                return Err(malformed("an empty page that claims to go on"));
            }
        }
        Err(malformed("the list of users does not end"))
    }

    /// The users with this e-mail address, which Salesforce compares without regard to case.
    pub(super) async fn users_with(&self, email: &str) -> Result<Vec<Entry>, RemoteError> {
        let malformed = |what: &str| failure(SYSTEM, "query", Class::Malformed, Sent::No, what);
        let email = soql::string(email);
        let soql = format!("SELECT Id, Name, Email, IsActive FROM User WHERE Email = {email} LIMIT {PAGE_SIZE}");
        let answer = self.query("query", "query", &soql).await?;
        let rows = answer.body["records"].as_array().ok_or_else(|| malformed("no records in the answer"))?;
        rows.iter().map(|row| user(row).ok_or_else(|| malformed("a user without an Id"))).collect()
    }

    /// The values of the leads' source picklist, retired ones included. A value is its own id.
    pub(super) async fn lead_sources(&self) -> Result<Vec<Entry>, RemoteError> {
        let answer = self.session.call(&Call::get("describe", "/sobjects/Lead/describe".to_owned())).await?;
        let fields = answer.body["fields"].as_array().into_iter().flatten();
        let field = fields.into_iter().find(|field| field["name"] == "LeadSource");
        let values = field
            .and_then(|field| field["picklistValues"].as_array())
            .ok_or_else(|| failure(SYSTEM, "describe", Class::Malformed, Sent::No, "no lead sources in the answer"))?;
        Ok(values.iter().filter_map(source).collect())
    }
}

fn user(row: &Json) -> Option<Entry> {
    let id = row["Id"].as_str().filter(|id| soql::is_id(id))?;
    Some(Entry {
        id: RecordId::from(id),
        name: row["Name"].as_str().unwrap_or_default().to_owned(),
        email: row["Email"].as_str().map(str::to_owned),
        active: row["IsActive"] == true,
    })
}

fn source(value: &Json) -> Option<Entry> {
    let text = value["value"].as_str()?;
    Some(Entry {
        id: RecordId::from(text),
        name: value["label"].as_str().unwrap_or(text).to_owned(),
        email: None,
        active: value["active"] != false,
    })
}
