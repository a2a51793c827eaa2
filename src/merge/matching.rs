//! First pairing: which record on the other side is the same person or company (V-11, V-71).
//!
//! Identity is used once, to make the link; afterwards only the constant ids count (V-12).

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use super::canonical::canonical;
use crate::model::{FieldKind, Fields, ModuleId, Value};

/// The folded identity of a record, equal for spellings that differ only in case, accents and
/// spacing; `None` when a part that identifies is missing, or nothing does.
///
/// Contacts and leads: whole name and e-mail. First and last name are joined, so that systems which keep one
/// name field and split it differently still meet. Companies: the business name.
pub fn identity(module: ModuleId, fields: &Fields) -> Option<String> {
    let text = |name: &str| fields.get(name).and_then(Value::as_text).unwrap_or_default();
    let with_email = |name: String| {
        let Value::Text(email) = canonical(FieldKind::Email, &Value::text(text("email"))) else {
            return None;
        };
        (!name.is_empty()).then(|| format!("{name}\u{1f}{email}"))
    };
    match module {
        ModuleId::Contacts | ModuleId::Leads => {
            with_email(fold(&format!("{} {}", text("first_name"), text("last_name"))))
        }
        ModuleId::Companies => Some(fold(text("name"))).filter(|name| !name.is_empty()),
        // Of a guest who is named without a contact: that of the contact they must be (V-67).
        ModuleId::Attendees if fields.get("contact").is_none_or(Value::is_empty) => with_email(fold(text("name"))),
        ModuleId::Events
        | ModuleId::Attendees
        | ModuleId::Registrations
        | ModuleId::QuotesAndBookings
        | ModuleId::ContactEmails
        | ModuleId::Orders => None,
    }
}

/// What a person calls the record, for queue rows. Remote text: sanitise before display.
pub fn title(module: ModuleId, fields: &Fields) -> String {
    let text = |name: &str| fields.get(name).and_then(Value::as_text).unwrap_or_default().trim();
    let parts: Vec<&str> = module.titled_by().iter().map(|name| text(name)).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { text("email").to_owned() } else { parts.join(" ") }
}

/// Case, accents and spacing removed. Lower-casing is Unicode's simple one: `ß` stays itself and the
/// Turkish dotless i is not folded; both are documented in `docs/decisions/0004`.
pub fn fold(text: &str) -> String {
    let bare: String = text.nfkd().filter(|c| !is_combining_mark(*c)).collect();
    bare.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(first: &str, last: &str, email: &str) -> Fields {
        [("first_name", first), ("last_name", last), ("email", email)]
            .map(|(name, value)| (name.to_owned(), Value::text(value)))
            .into()
    }

    #[test]
    fn identity_ignores_case_accents_and_spacing_v11() {
        let identity = |fields: Fields| identity(ModuleId::Contacts, &fields);
        let zoe = identity(contact("Zoë", "O'Brien", "Zoe@X.example"));
        assert!(zoe.is_some());
        assert_eq!(zoe, identity(contact(" zoe ", "O'BRIEN", "zoe@x.example")));
        assert_eq!(zoe, identity(contact("", "Zoe O'Brien", "zoe@x.example")), "one name field");
        assert_ne!(zoe, identity(contact("Zoe", "OBrien", "zoe@x.example")));
        assert_ne!(zoe, identity(contact("Zoe", "O'Brien", "other@x.example")));
    }

    #[test]
    fn no_identity_without_email_or_name_v11() {
        assert_eq!(identity(ModuleId::Contacts, &contact("Ann", "Lee", " ")), None);
        assert_eq!(identity(ModuleId::Contacts, &contact("", "", "a@b.example")), None);
        assert_eq!(identity(ModuleId::Companies, &Fields::new()), None);
    }

    #[test]
    fn titles_fall_back_to_the_address() {
        assert_eq!(title(ModuleId::Contacts, &contact("", "", "a@b.example")), "a@b.example");
    }
}
