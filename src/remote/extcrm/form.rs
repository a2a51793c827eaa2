//! How a record is written: which member of the JSON object holds which field. The head of [`super`] shows the
//! result. Knows no address and no store.

use serde_json::{Map, Value as Json};

use super::thousandths::{Unfit, thousandths};
use crate::model::{Fields, ModuleId, StreamKind, Value};

/// A field and where it is written: member by member, from the outside.
#[derive(Clone, Copy, Debug)]
struct Member {
    field: &'static str,
    path: &'static [&'static str],
    /// Written in thousandths.
    money: bool,
}

const fn at(field: &'static str, path: &'static [&'static str]) -> Member {
    Member { field, path, money: false }
}

const fn money(field: &'static str, path: &'static [&'static str]) -> Member {
    Member { field, path, money: true }
}

/// How the records of one module are written.
#[derive(Debug)]
pub(super) struct Form {
    /// The stream they go on.
    pub stream: StreamKind,
    /// The member that holds our key.
    id: &'static str,
    /// A member that says what kind of record it is, if the module alone tells.
    kind: Option<(&'static str, &'static str)>,
    members: &'static [Member],
}

/// The member that holds an address; S-360 has a list of them.
const ADDRESSES: &str = "addresses";
/// The member that holds mapped custom fields.
const CUSTOM: &str = "custom";

const COMPANY: Form = Form {
    stream: StreamKind::PushContacts,
    id: "contactNumber",
    kind: Some(("type", "STRUCTURE")),
    members: &[
        at("name", &["structure", "name"]),
        at("website", &["structure", "website"]),
        at("email", &["email"]),
        at("phone", &["phone"]),
        at("street", &[ADDRESSES, "street1"]),
        at("city", &[ADDRESSES, "town"]),
        at("postal_code", &[ADDRESSES, "zipCode"]),
        at("country", &[ADDRESSES, "countryCode"]),
        at("parent", &["parentNumber"]),
    ],
};

const CONTACT: Form = Form {
    stream: StreamKind::PushContacts,
    id: "contactNumber",
    kind: Some(("type", "INDIVIDUAL")),
    members: &[
        at("first_name", &["individualContact", "firstName"]),
        at("last_name", &["individualContact", "lastName"]),
        at("email", &["email"]),
        at("phone", &["phone"]),
        at("company", &["structureNumber"]),
        at("groups", &["groups"]),
        at("email_opt_out", &["emailOptOut"]),
    ],
};

const REGISTRATION: Form = Form {
    stream: StreamKind::PushOrders,
    id: "orderId",
    kind: Some(("kind", "registration")),
    members: &[
        at("name", &["name"]),
        at("contact", &["contactNumber"]),
        at("status", &["state"]),
        at("stage", &["stage"]),
        money("amount", &["amount"]),
        money("paid", &["paidAmount"]),
        at("paid_in_full", &["paidInFull"]),
        at("currency", &["currency"]),
        at("exhibitor", &["exhibitor"]),
        at("close_date", &["closeDate"]),
    ],
};

const BOOKING: Form = Form {
    stream: StreamKind::PushOrders,
    id: "orderId",
    kind: Some(("kind", "booking")),
    members: &[
        at("name", &["name"]),
        at("code", &["code"]),
        at("contact", &["contactNumber"]),
        at("company", &["structureNumber"]),
        at("status", &["state"]),
        at("stage", &["stage"]),
        money("amount", &["amount"]),
        money("outstanding", &["outstandingAmount"]),
        at("currency", &["currency"]),
        at("starts_at", &["startDateTime"]),
        at("ends_at", &["endDateTime"]),
        at("close_date", &["closeDate"]),
        at("confidential", &["confidential"]),
    ],
};

const ORDER: Form = Form {
    stream: StreamKind::PushOrders,
    id: "orderId",
    kind: None,
    members: &[
        at("kind", &["kind"]),
        at("name", &["name"]),
        at("contact", &["contactNumber"]),
        at("company", &["structureNumber"]),
        at("status", &["state"]),
        at("stage", &["stage"]),
        money("amount", &["amount"]),
        at("currency", &["currency"]),
        at("created_at", &["creationDateTime"]),
        at("close_date", &["closeDate"]),
        at("lines", &["lines"]),
    ],
};

/// The form of a module's records; none for a module that has no place there.
pub(super) fn form(module: ModuleId) -> Option<&'static Form> {
    match module {
        ModuleId::Companies => Some(&COMPANY),
        ModuleId::Contacts => Some(&CONTACT),
        ModuleId::Registrations => Some(&REGISTRATION),
        ModuleId::QuotesAndBookings => Some(&BOOKING),
        ModuleId::Orders => Some(&ORDER),
        ModuleId::Leads | ModuleId::Events | ModuleId::Attendees | ModuleId::ContactEmails => None,
    }
}

/// A field that cannot be written as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// Which one.
    pub field: String,
    /// What is wrong with it.
    pub why: Unfit,
}

/// Where a module's fields are written otherwise than the form says: (field, member).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    /// Catalogue fields with a member of their own.
    pub renamed: Vec<(String, String)>,
    /// Custom fields, below `custom`.
    pub custom: Vec<(String, String)>,
}

impl Form {
    /// The catalogue fields it has a member for.
    pub fn fields(&self) -> impl Iterator<Item = &'static str> {
        self.members.iter().map(|member| member.field)
    }

    /// Whether `name` is taken at the outermost level.
    pub fn takes(&self, name: &str) -> bool {
        let own = self.members.iter().map(|member| member.path[0]);
        [self.id, CUSTOM].into_iter().chain(self.kind.map(|(kind, _)| kind)).chain(own).any(|taken| taken == name)
    }

    /// The record as it is sent. Members whose field is absent are left out; so are amounts that are not there,
    /// which a number cannot say.
    pub fn write(&self, key: &str, fields: &Fields, wishes: &Wishes) -> Result<String, Refused> {
        let mut object = Map::new();
        object.insert(self.id.to_owned(), Json::from(key));
        if let Some((name, kind)) = self.kind {
            object.insert(name.to_owned(), Json::from(kind));
        }
        for member in self.members {
            let Some(value) = fields.get(member.field) else { continue };
            let Some(value) = written(member, value)? else { continue };
            match wishes.renamed.iter().find(|(field, _)| field == member.field) {
                Some((_, name)) => put(&mut object, &[name], value),
                None => put(&mut object, member.path, value),
            }
        }
        for (field, name) in &wishes.custom {
            if let Some(value) = fields.get(field) {
                put(&mut object, &[CUSTOM, name], plain(value));
            }
        }
        if let Some(Json::Object(address)) = object.get_mut(ADDRESSES).map(Json::take) {
            let mut first = Map::from_iter([("main".to_owned(), Json::Bool(true))]);
            first.extend(address);
            object.insert(ADDRESSES.to_owned(), Json::Array(vec![Json::Object(first)]));
        }
        Ok(Json::Object(object).to_string())
    }
}

fn put(object: &mut Map<String, Json>, path: &[&str], value: Json) {
    match path {
        [] => {}
        [last] => {
            object.insert((*last).to_owned(), value);
        }
        [first, rest @ ..] => {
            let inner = object.entry((*first).to_owned()).or_insert_with(|| Json::Object(Map::new()));
            if let Json::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

fn written(member: &Member, value: &Value) -> Result<Option<Json>, Refused> {
    if !member.money {
        return Ok(Some(plain(value)));
    }
    let amount = thousandths(value).map_err(|why| Refused { field: member.field.to_owned(), why })?;
    Ok(amount.map(Json::from))
}

/// A value as it is: text stays text.
fn plain(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => Json::Bool(*flag),
        Value::Int(number) => Json::from(*number),
        Value::Text(text) => Json::from(text.as_str()),
        Value::Set(members) => members.iter().map(|member| Json::from(member.as_str())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FieldKind;
    use crate::model::Side;
    use crate::model::module::IVVY_KEY;
    use serde_json::json;

    fn fields(pairs: &[(&str, Value)]) -> Fields {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    #[test]
    fn records_are_written_as_documented() {
        let wishes = Wishes {
            renamed: vec![("email_opt_out".to_owned(), "noMail".to_owned())],
            custom: vec![("custom.7".to_owned(), "diet".to_owned())],
        };
        let contact = fields(&[
            ("first_name", Value::text("Zoë \"Z\"")),
            ("last_name", Value::text(" Ünal\n")),
            ("phone", Value::Null),
            ("company", Value::text("company-5")),
            ("email_opt_out", Value::Bool(true)),
            ("groups", Value::Set(["News".to_owned(), "VIP".to_owned()].into())),
            ("custom.7", Value::text("vegan")),
            (IVVY_KEY, Value::text("contact-1")),
        ]);
        let text = form(ModuleId::Contacts).unwrap().write("contact-1", &contact, &wishes).unwrap();
        let expected = json!({
            "contactNumber": "contact-1",
            "type": "INDIVIDUAL",
            "individualContact": {"firstName": "Zoë \"Z\"", "lastName": " Ünal\n"},
            "phone": null,
            "structureNumber": "company-5",
            "groups": ["News", "VIP"],
            "noMail": true,
            "custom": {"diet": "vegan"},
        });
        assert_eq!(text, expected.to_string(), "member by member, in this order");
        let company = fields(&[("name", Value::text("Pier")), ("city", Value::text("Ely")), ("country", "GB".into())]);
        let text = form(ModuleId::Companies).unwrap().write("company-5", &company, &Wishes::default()).unwrap();
        let expected = json!({
            "contactNumber": "company-5",
            "type": "STRUCTURE",
            "structure": {"name": "Pier"},
            "addresses": [{"main": true, "town": "Ely", "countryCode": "GB"}],
        });
        assert_eq!(text, expected.to_string());
    }

    #[test]
    fn the_documented_examples_are_what_is_sent() {
        let blocks: Vec<Vec<Json>> = include_str!("../../../docs/PUSH.md")
            .split("```")
            .filter_map(|part| part.strip_prefix("json"))
            .map(|block| serde_json::from_str(block).unwrap())
            .collect();
        let text = |pairs: &[(&str, &str)]| -> Fields {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), Value::text(*value))).collect()
        };
        let company = text(&[
            ("name", "Pier One"),
            ("website", "https://pier.example"),
            ("email", "office@pier.example"),
            ("phone", "+61 2 5550 0001"),
            ("street", "1 Quay St"),
            ("city", "Sydney"),
            ("postal_code", "2000"),
            ("country", "AU"),
            ("parent", "company-2"),
        ]);
        let mut contact = text(&[
            ("first_name", "Ada"),
            ("last_name", "Example"),
            ("email", "ada@pier.example"),
            ("company", "company-5"),
            ("custom.7", "vegan"),
        ]);
        contact.insert("phone".to_owned(), Value::Null);
        contact.insert("groups".to_owned(), Value::Set(["News".to_owned()].into()));
        contact.insert("email_opt_out".to_owned(), Value::Bool(true));
        let mut booking = text(&[
            ("name", "Spring dinner"),
            ("code", "B-7"),
            ("contact", "contact-7"),
            ("company", "company-5"),
            ("status", "confirmed"),
            ("stage", "won"),
            ("amount", "9000.00"),
            ("outstanding", "0"),
            ("currency", "AUD"),
            ("starts_at", "2027-03-01T08:00:00Z"),
            ("ends_at", "2027-03-01T12:00:00Z"),
            ("close_date", "2027-03-01"),
        ]);
        booking.insert("confidential".to_owned(), Value::Bool(false));
        let wishes = Wishes { custom: vec![("custom.7".to_owned(), "diet".to_owned())], ..Wishes::default() };
        let sent = |module, key: &str, fields: &Fields| -> Json {
            serde_json::from_str(&form(module).unwrap().write(key, fields, &wishes).unwrap()).unwrap()
        };
        let contacts =
            vec![sent(ModuleId::Companies, "company-5", &company), sent(ModuleId::Contacts, "contact-7", &contact)];
        let orders = vec![sent(ModuleId::QuotesAndBookings, "booking-9", &booking)];
        assert_eq!(blocks, [contacts, orders]);
    }

    #[test]
    fn amounts_are_thousandths_or_left_out_or_refused() {
        let form = form(ModuleId::QuotesAndBookings).unwrap();
        let write = |amount: Value| {
            form.write("booking-1", &fields(&[("amount", amount), ("stage", "won".into())]), &Wishes::default())
        };
        let expected =
            json!({"orderId": "booking-1", "kind": "booking", "stage": "won", "amount": 9_007_199_254_740_993_i64});
        let read: Json = serde_json::from_str(&write("9007199254740.993".into()).unwrap()).unwrap();
        assert_eq!(read, expected);
        assert!(!write(Value::Null).unwrap().contains("amount"));
        let refused = Refused { field: "amount".to_owned(), why: Unfit::TooFine };
        assert_eq!(write("0.0001".into()), Err(refused));
    }

    #[test]
    fn every_field_of_a_form_is_the_catalogues_and_money_is_thousandths() {
        for module in ModuleId::ALL {
            let Some(form) = form(module) else { continue };
            let mut def = module.def();
            def.fields.extend(module.fields_on_request());
            for member in form.members {
                let known = def.field(member.field).map(|field| field.kind);
                assert_eq!(known == Some(FieldKind::Money), member.money, "{module} {}", member.field);
                assert!(known.is_some() || member.field == crate::model::module::GROUPS, "{module} {}", member.field);
            }
            // What a CRM asks for cannot be asked for where nothing is read.
            let sent = def.fields.iter().filter(|field| field.flow.may_write(Side::Crm));
            let left: Vec<_> = sent.filter(|field| form.fields().all(|held| held != field.name)).collect();
            assert!(left.iter().all(|field| matches!(field.kind, FieldKind::ConstantId) || field.name == "event"));
        }
    }
}
