//! The match tables: staff and lead sources (`contracts/ivvy.md` 10, 13; C-08 to C-24).
//!
//! Staff can only be read. A referral source is never given to a lead: iVvy wants to know then who referred.

use serde_json::{Value as Json, json};

use super::action::Action;
use super::listing::Query;
use super::{Ivvy, answer, fields, loose, malformed};
use crate::model::{MatchKind, RecordId};
use crate::remote::port::{Entry, MatchSupport, SourceUpdate};
use crate::remote::{Class, RemoteError, Sent};

const USERS: Action = Action::read("account", "getUserList");
const SOURCES: Action = Action::read("crm", "getLeadSourceList");
const ADD_SOURCE: Action = Action::write("crm", "addOrUpdateLeadSource");

/// `currentStatus` of a user who may work.
const ACTIVE: i64 = 1;
/// Why a source cannot be switched off: what we take for inactive is a referral programme.
const NO_STATE: &str = "iVvy's lead sources have no active state";
/// `userType` of a person of the house; the others are reviewers, clients, connectors.
const NORMAL: i64 = 1;

/// What there is of `kind`.
pub(super) fn support(kind: MatchKind) -> MatchSupport {
    let update = match kind {
        MatchKind::LeadSource => SourceUpdate { name: true, active: false, because: NO_STATE },
        MatchKind::Staff => SourceUpdate::default(),
    };
    MatchSupport { list: true, create: kind == MatchKind::LeadSource, update, ..MatchSupport::default() }
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

/// Gives a lead source another name, one call. Those that iVvy brings along refuse it (24326).
pub(super) async fn rename_lead_source(ivvy: &Ivvy, id: &RecordId, name: &str) -> Result<(), RemoteError> {
    let number = id.as_str().parse::<u64>().ok().filter(|_| !name.trim().is_empty());
    let Some(number) = number else {
        let why = "a lead source has a number for an id, and needs a name";
        return Err(answer::failure(&ADD_SOURCE, Class::Rejected, Sent::No, why));
    };
    let answer = ivvy.client.call(&ADD_SOURCE, &json!({ "id": number, "name": name.trim() })).await?;
    answer::acknowledgement(&ADD_SOURCE, &answer.json, Some(id)).map(drop)
}

/// The refusal of any other change.
pub(super) fn no_state() -> RemoteError {
    answer::failure(&ADD_SOURCE, Class::Unsupported, Sent::No, NO_STATE)
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
