//! What a notification is about: its subject and the record it names, and nothing else of its data.

use serde_json::Value as Json;

use crate::model::{ModuleId, RecordId};

/// The subjects that concern a module, and what a deletion calls the record.
const SUBJECTS: &[(ModuleId, &str, &[&str], &str)] = &[
    (ModuleId::Contacts, "Contact", &["Added", "Updated", "Deleted"], "contactId"),
    (ModuleId::Companies, "Company", &["Added", "Updated", "Deleted"], "companyId"),
    (ModuleId::QuotesAndBookings, "Booking", &["Added", "Updated", "Moved", "Deleted"], "bookingId"),
];

/// The record that a notification of this subject says changed; nothing for subjects that concern no
/// module, and for a body that names no record.
pub(super) fn record(subject: &str, body: &str) -> Option<(ModuleId, RecordId)> {
    let (module, what, deleted_as) = SUBJECTS.iter().find_map(|(module, object, what, deleted_as)| {
        let what = subject.strip_prefix(object).filter(|rest| what.contains(rest))?;
        Some((*module, what, *deleted_as))
    })?;
    let body: Json = serde_json::from_str(body).ok()?;
    let id = if what == "Deleted" { body.get(deleted_as) } else { body.get("data").and_then(|data| data.get("id")) };
    Some((module, id_of(id?)?))
}

/// iVvy's ids are positive numbers, now and then spelled as text (`contracts/ivvy.md` 4).
fn id_of(value: &Json) -> Option<RecordId> {
    let number = match value {
        Json::Number(number) => number.as_u64(),
        Json::String(text) => text.parse().ok(),
        _ => None,
    };
    number.filter(|number| *number > 0).map(|number| RecordId::from(number.to_string().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_of_our_modules_name_their_record_and_others_none_n07() {
        let about = |subject, body| record(subject, body).map(|(module, id)| (module, id.0));
        let some = |module, id: &str| Some((module, id.to_owned()));
        assert_eq!(about("ContactAdded", r#"{"data":{"id":7}}"#), some(ModuleId::Contacts, "7"));
        assert_eq!(
            about("CompanyUpdated", r#"{"data":{"id":"8"},"previousData":{"id":9}}"#),
            some(ModuleId::Companies, "8")
        );
        assert_eq!(about("ContactDeleted", r#"{"contactId":7}"#), some(ModuleId::Contacts, "7"));
        assert_eq!(about("BookingMoved", r#"{"data":{"id":3}}"#), some(ModuleId::QuotesAndBookings, "3"));
        assert_eq!(
            about("BookingDeleted", r#"{"venueId":1,"bookingId":5,"sessionIds":[]}"#),
            some(ModuleId::QuotesAndBookings, "5")
        );
        for subject in ["ContactNoteAdded", "OpportunityAdded", "BookingSessionAdded", "ContactMoved", "Contact", ""] {
            assert_eq!(about(subject, r#"{"data":{"id":7}}"#), None, "{subject}");
        }
        for body in ["", "[]", "{}", r#"{"data":{"id":-1}}"#, r#"{"data":{"id":"x"}}"#, r#"{"contactId":7}"#] {
            assert_eq!(about("ContactAdded", body), None, "{body}");
        }
    }
}
