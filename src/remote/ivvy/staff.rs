//! The match tables: staff and lead sources (`contracts/ivvy.md` 10, 13; C-08 to C-24).
//!
//! Staff can only be read. A referral source is never given to a lead: iVvy wants to know then who referred.

use serde_json::{Value as Json, json};

use super::action::Action;
use super::listing::Query;
use super::{Ivvy, answer, fields, loose, malformed};
use crate::model::{MatchKind, RecordId};
use crate::remote::port::{Entry, MatchSupport};
use crate::remote::{Class, RemoteError, Sent};

const USERS: Action = Action::read("account", "getUserList");
const SOURCES: Action = Action::read("crm", "getLeadSourceList");
const ADD_SOURCE: Action = Action::write("crm", "addOrUpdateLeadSource");

/// `currentStatus` of a user who may work.
const ACTIVE: i64 = 1;
/// `userType` of a person of the house; the others are reviewers, clients, connectors.
const NORMAL: i64 = 1;

/// What there is of `kind`.
pub(super) fn support(kind: MatchKind) -> MatchSupport {
    MatchSupport { list: true, create: kind == MatchKind::LeadSource, staff_by_email: false }
}

/// Every entry of `kind`.
pub(super) async fn entries(ivvy: &Ivvy, kind: MatchKind) -> Result<Vec<Entry>, RemoteError> {
    let (action, entry): (Action, fn(&Json) -> Option<Entry>) = match kind {
        MatchKind::Staff => (USERS, person),
        MatchKind::LeadSource => (SOURCES, source),
    };
    let (rows, _) = ivvy.all_rows(&Query::new(action)).await?;
    let no_entry = || malformed(&action, "a row is not an entry with an id");
    rows.iter().map(|row| entry(row).ok_or_else(no_entry)).collect()
}

/// Creates a lead source, one call; its id.
pub(super) async fn create_lead_source(ivvy: &Ivvy, name: &str) -> Result<RecordId, RemoteError> {
    if name.trim().is_empty() {
        return Err(answer::failure(&ADD_SOURCE, Class::Rejected, Sent::No, "a lead source needs a name"));
    }
    let answer = ivvy.client.call(&ADD_SOURCE, &json!({ "name": name })).await?;
    answer::acknowledgement(&ADD_SOURCE, &answer.json, None).map(|written| written.id)
}

fn person(row: &Json) -> Option<Entry> {
    let is = |property: &str, number: i64| row.get(property).and_then(loose::as_int) == Some(number);
    let email = fields::text(row, "email");
    Some(Entry {
        id: fields::id(row)?,
        name: fields::person(row),
        email: (!email.is_empty()).then(|| email.into_owned()),
        active: is("currentStatus", ACTIVE) && is("userType", NORMAL),
    })
}

fn source(row: &Json) -> Option<Entry> {
    let referral = row.get("isReferral").and_then(loose::as_flag).unwrap_or_default();
    Some(Entry { id: fields::id(row)?, name: fields::text(row, "name").into_owned(), email: None, active: !referral })
}
