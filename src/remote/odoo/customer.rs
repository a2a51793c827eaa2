//! Contact and company of a booking share Odoo's one `partner_id`: the contact stands there, or the company
//! if there is no contact. Odoo finds a person's company through the person.

use super::cell::Cell;
use crate::model::Fields;

const CONTACT: &str = "contact";
const COMPANY: &str = "company";

/// Whether `fields` say anything of the customer.
pub(super) fn concerns(fields: &Fields) -> bool {
    fields.contains_key(CONTACT) || fields.contains_key(COMPANY)
}

/// Whether the answer depends on who stands there now: the company alone does not displace a person.
pub(super) fn depends_on_now(fields: &Fields) -> bool {
    fields.contains_key(COMPANY) && !fields.contains_key(CONTACT)
}

/// The cell for `partner_id`; `None` if it stays. `person_stands` says who is there now, as far as
/// [`depends_on_now`].
///
/// # Errors
/// The field whose value is no id.
pub(super) fn cell(fields: &Fields, person_stands: bool) -> Result<Option<Cell>, &'static str> {
    if depends_on_now(fields) && person_stands {
        return Ok(None);
    }
    for name in [CONTACT, COMPANY] {
        if let Some(value) = fields.get(name).filter(|value| !value.is_empty()) {
            let id = value.as_text().and_then(|id| id.parse().ok()).ok_or(name)?;
            return Ok(Some(Cell::Related(id)));
        }
    }
    Ok(concerns(fields).then_some(Cell::Empty))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Value;

    #[test]
    fn the_contact_stands_before_the_company() {
        let fields = |pairs: &[(&str, Value)]| -> Fields {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
        };
        let (contact, company) = ((CONTACT, Value::text("7")), (COMPANY, Value::text("8")));
        assert_eq!(cell(&fields(&[contact.clone(), company.clone()]), false), Ok(Some(Cell::Related(7))));
        assert_eq!(cell(&fields(&[(CONTACT, Value::Null), company.clone()]), true), Ok(Some(Cell::Related(8))));
        assert_eq!(cell(&fields(std::slice::from_ref(&company)), true), Ok(None));
        assert_eq!(cell(&fields(&[company]), false), Ok(Some(Cell::Related(8))));
        assert_eq!(cell(&fields(&[(CONTACT, Value::Null)]), true), Ok(Some(Cell::Empty)));
        assert_eq!(cell(&fields(&[]), false), Ok(None));
        assert_eq!(cell(&fields(&[(CONTACT, Value::text("x"))]), false), Err(CONTACT));
    }
}
