//! Subscription groups of a contact (`contracts/ivvy.md` 9, V-18).
//!
//! Memberships are joined and left by the group actions, one contact and one group a call, and never by
//! `groups` in `addOrUpdateContact`: that replaces them all. Groups without a configured name are neither
//! read nor touched. A group that iVvy refuses does not keep the contact out of the others.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::action::Action;
use super::{Ivvy, answer, loose, own_id};
use crate::model::module::GROUPS;
use crate::model::{RecordId, Value};
use crate::remote::{Class, RemoteError, Sent};

const JOIN: Action = Action::write("contact", "addContactsToSubscriptionGroup");
const LEAVE: Action = Action::write("contact", "removeContactsFromSubscriptionGroup");

/// The groups that are kept in step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    /// iVvy's number of each group and its name in records, which is the CRM's.
    pub names: BTreeMap<u64, String>,
    /// Whether contacts may be taken out of a group.
    pub removals: bool,
}

impl Groups {
    /// The configured groups among the `groups` of a row; `None` if the row does not speak of them.
    pub(super) fn read(&self, row: &Json) -> Option<Value> {
        if self.names.is_empty() {
            return None;
        }
        let given = row.get("groups")?;
        let rows = loose::noted(loose::as_list(given), given)?;
        let ids = rows.into_iter().filter_map(|group| loose::as_int(group.get("groupId")?));
        let known = ids.filter_map(|id| self.names.get(&u64::try_from(id).ok()?));
        Some(Value::Set(known.cloned().collect()))
    }

    /// The calls that bring a contact from the groups it is in to the `wanted` ones.
    fn steps(&self, now: &Value, wanted: &Value) -> Vec<Step<'_>> {
        let (now, wanted) = (members(now), members(wanted));
        self.names
            .iter()
            .filter_map(|(group, name)| match (now.contains(name.as_str()), wanted.contains(name.as_str())) {
                (false, true) => Some(Step { group: *group, name, action: &JOIN }),
                (true, false) => Some(Step { group: *group, name, action: &LEAVE }),
                _ => None,
            })
            .collect()
    }
}

/// One call.
#[derive(Clone, Copy, Debug)]
struct Step<'a> {
    group: u64,
    name: &'a str,
    action: &'static Action,
}

fn members(value: &Value) -> BTreeSet<&str> {
    match value {
        Value::Set(members) => members.iter().map(|member| member.trim()).collect(),
        Value::Text(one) if !one.trim().is_empty() => BTreeSet::from([one.trim()]),
        _ => BTreeSet::new(),
    }
}

/// Brings the contact `id`, which is in the groups `now`, into the `wanted` ones and, where that is allowed,
/// out of the others. `applied` says whether an earlier call of the same write has already had an effect:
/// then no failure here leaves everything as it was.
///
/// # Errors
/// [`Class::Rejected`] naming the groups that iVvy refused, after all others were joined or left; whatever
/// made a call fail, at once.
pub(super) async fn bring(
    ivvy: &Ivvy,
    id: &RecordId,
    now: &Value,
    wanted: &Value,
    mut applied: bool,
) -> Result<(), RemoteError> {
    let groups = &ivvy.groups;
    let contact = own_id(&JOIN, id)?;
    let mut refused: Vec<(&'static Action, String)> = Vec::new();
    for step in groups.steps(now, wanted) {
        if step.action.name == LEAVE.name && !groups.removals {
            let why = "leaving a group is not carried to iVvy (mirror_group_removals); take the contact out there";
            refused.push((&LEAVE, format!("{}: {why}", step.name)));
            continue;
        }
        let body = json!({ "contacts": [contact], "group": step.group });
        match ivvy.client.call(step.action, &body).await {
            Ok(answer) if status(&answer.json, id) == Some(true) => applied = true,
            Ok(answer) if status(&answer.json, id) == Some(false) => {
                refused.push((step.action, format!("{}: iVvy did not take the contact", step.name)));
            }
            Ok(_) => {
                return Err(answer::failure(step.action, Class::Malformed, Sent::Maybe, "the answer names no outcome"));
            }
            // About this group alone: it does not keep the contact out of the others.
            Err(error) if error.sent == Sent::No && about_the_group(error.class) => {
                refused.push((step.action, format!("{}: {}", step.name, error.message)));
            }
            Err(error) if applied => return Err(RemoteError { sent: Sent::Maybe, ..error }),
            Err(error) => return Err(error),
        }
    }
    let Some((action, first)) = refused.first().cloned() else { return Ok(()) };
    let sent = if applied { Sent::Maybe } else { Sent::No };
    let message = format!("subscription group {first}");
    let details = refused.into_iter().skip(1).map(|(_, why)| format!("{GROUPS}: {why}")).collect();
    Err(RemoteError { details, ..answer::failure(action, Class::Rejected, sent, message) })
}

/// Whether such a refusal concerns the group, or the right to change it, rather than iVvy as a whole.
fn about_the_group(class: Class) -> bool {
    matches!(class, Class::Rejected | Class::Forbidden | Class::Missing | Class::Unsupported | Class::Conflict)
}

/// What the bare array of outcomes says about one contact.
fn status(answer: &Json, id: &RecordId) -> Option<bool> {
    let rows = loose::as_list(answer)?;
    let own = rows.into_iter().find(|row| row.get("contactId").and_then(loose::as_id).as_ref() == Some(id))?;
    loose::as_flag(own.get("status")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups() -> Groups {
        Groups { names: [(1, "News".to_owned()), (2, "VIP".to_owned())].into(), removals: false }
    }

    fn set(names: &[&str]) -> Value {
        Value::Set(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn only_configured_groups_are_read_and_silence_is_no_change_v18() {
        let row = json!({"groups": {"0": {"groupId": "1"}, "1": {"groupId": 9}, "2": {"groupId": 2}}});
        assert_eq!(groups().read(&row), Some(set(&["News", "VIP"])));
        assert_eq!(groups().read(&json!({"groups": []})), Some(set(&[])));
        assert_eq!(groups().read(&json!({"id": 7})), None);
        assert_eq!(groups().read(&json!({"groups": "?"})), None);
        assert_eq!(Groups::default().read(&row), None, "off unless configured");
    }

    #[test]
    fn an_outcome_is_found_by_its_contact() {
        let id = RecordId::from("7");
        assert_eq!(status(&json!([{"contactId": "7", "status": 1}]), &id), Some(true));
        assert_eq!(
            status(&json!([{"contactId": 8, "status": true}, {"contactId": 7, "status": false}]), &id),
            Some(false)
        );
        assert_eq!(status(&json!([{"contactId": 8, "status": true}]), &id), None);
        assert_eq!(status(&json!({"success": true}), &id), None);
    }
}
