//! Persons, relays and structures: the parts of a contact (contract 2.3, 2.4) in the catalogue's names, and back.
//!
//! A part that was not sent is absent. Within a part that was sent, a member that is missing is empty: S-360 leaves
//! out what holds nothing. The title is no field of the catalogue: it is kept as it is and never set.
//!
//! Writing never sends null, and sends a part as a whole, as it was read a moment ago, with nothing but the change in
//! it: what S-360 makes of a missing member is not documented.

use serde_json::{Map, Value as Json, json};

use super::payload::record_id;
use crate::model::{Fields, ModuleId, Value};

/// Fields of a person that have a place.
pub(super) const PERSON: &[&str] = &["first_name", "last_name", "email", "phone", "company"];
/// Fields of a structure that have a place.
pub(super) const STRUCTURE: &[&str] = &["name", "phone", "email", "street", "city", "postal_code", "country"];

const MEANS: &str = "communicationMeans";
const ADDRESSES: &str = "addresses";
/// The number of the structure that a relay belongs to.
pub(super) const STRUCTURE_NUMBER: &str = "structureContactNumber";
const STREETS: [&str; 4] = ["street1", "street2", "street3", "street4"];
/// Longest postal code S-360 holds.
const POSTAL_CODE: usize = 8;
/// The title that stands for one S-360 does not know; it is not sent back (contract 2.4).
const NO_TITLE: &str = "UNDEFINED";

/// Members that S-360 works out itself (contract 2.3). Everything else that was read is written back as it was, also
/// what nobody here knows: what S-360 makes of a missing member is not documented.
const READ_ONLY: &[&str] = &["formattedAddress", "normalizationState", "normalizationRating"];

/// Why a value cannot be written: the field, and a sentence without the value.
pub(super) type Refused = (&'static str, &'static str);

const UNREAD: &str =
    "S-360 did not tell what this part holds now, so writing it could wipe something; look at the operator's rights";

/// What one kind of contact is called there.
#[derive(Clone, Copy, Debug)]
struct Part {
    name: &'static str,
    /// Our field and the member that holds it.
    texts: &'static [(&'static str, &'static str)],
}

const PERSON_PART: Part =
    Part { name: "individualContact", texts: &[("first_name", "firstName"), ("last_name", "lastName")] };
const STRUCTURE_PART: Part = Part { name: "structureContact", texts: &[("name", "name")] };

fn part(module: ModuleId) -> Part {
    if module == ModuleId::Companies { STRUCTURE_PART } else { PERSON_PART }
}

/// The fields that `body` speaks of.
pub(super) fn fields(module: ModuleId, institution: &str, body: &Json) -> Fields {
    let mut fields = Fields::new();
    let part = part(module);
    if let Some(own) = body.get(part.name).and_then(Json::as_object) {
        fields.extend(part.texts.iter().map(|(field, member)| ((*field).to_owned(), text(own.get(*member)))));
    }
    if let Some(means) = body.get(MEANS).and_then(Json::as_array) {
        for (field, kinds) in [("email", EMAIL), ("phone", PHONE)] {
            let value = chosen(means, kinds).map_or(Value::Null, |at| text(means[at].get("value")));
            fields.insert(field.to_owned(), value);
        }
    }
    if module == ModuleId::Contacts {
        match body.get(STRUCTURE_NUMBER) {
            Some(Json::Null) => drop(fields.insert("company".to_owned(), Value::Null)),
            number => {
                if let Some(number) = number.and_then(plain) {
                    let company = record_id(institution, &number).to_string();
                    fields.insert("company".to_owned(), Value::Text(company));
                }
            }
        }
    } else if let Some(addresses) = body.get(ADDRESSES).and_then(Json::as_array) {
        fields.extend(address_fields(addresses));
    }
    flat(module, body, &mut fields);
    fields
}

/// The flat form, which has no parts (contract 2.3).
fn flat(module: ModuleId, body: &Json, fields: &mut Fields) {
    let names: &[(&str, &str)] = match module {
        ModuleId::Companies => &[("name", "structureName"), ("email", "email"), ("phone", "cellPhoneNumber")],
        _ => &[
            ("first_name", "individualFirstname"),
            ("last_name", "individualLastname"),
            ("email", "email"),
            ("phone", "cellPhoneNumber"),
        ],
    };
    for (field, member) in names {
        if let Some(value) = body.get(*member).filter(|_| !fields.contains_key(*field)) {
            fields.insert((*field).to_owned(), text(Some(value)));
        }
    }
}

fn address_fields(addresses: &[Json]) -> Fields {
    let main = main_address(addresses).map(|at| &addresses[at]);
    let member = |name: &str| text(main.and_then(|address| address.get(name)));
    let lines: Vec<String> = STREETS.iter().filter_map(|name| member(name).as_text().map(str::to_owned)).collect();
    let street = if lines.is_empty() { Value::Null } else { Value::Text(lines.join(", ")) };
    let rest = [("city", "town"), ("postal_code", "zipCode"), ("country", "countryCode")];
    let mut fields: Fields = rest.iter().map(|(field, name)| ((*field).to_owned(), member(name))).collect();
    fields.insert("street".to_owned(), street);
    fields
}

/// Text as it is, without what is blank around it; numbers as they are written. Anything else is nothing.
fn text(value: Option<&Json>) -> Value {
    value.and_then(plain).map_or(Value::Null, Value::Text)
}

/// A text or a whole number, if it says anything.
pub(super) fn plain(value: &Json) -> Option<String> {
    let text = match value {
        Json::String(text) => text.trim().to_owned(),
        Json::Number(number) if !number.is_f64() => number.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

const EMAIL: &[&str] = &["EMAIL"];
/// Mobile numbers are people's own, so they come first.
const PHONE: &[&str] = &["MOBILE", "PHONE"];

/// Which of the means stands for a field: of the first kind there is one of, the main one, or else the first.
fn chosen(means: &[Json], kinds: &[&str]) -> Option<usize> {
    let is = |one: &Json, kind: &str| {
        let named = one.get("type").and_then(Json::as_str).unwrap_or_default().to_ascii_uppercase();
        named.contains(kind) && one.get("value").is_some()
    };
    kinds.iter().find_map(|kind| {
        let of_kind = || means.iter().enumerate().filter(|(_, one)| is(one, kind));
        of_kind().find(|(_, one)| one.get("main") == Some(&json!(true))).or_else(|| of_kind().next()).map(|(at, _)| at)
    })
}

fn main_address(addresses: &[Json]) -> Option<usize> {
    let main = addresses.iter().position(|address| address.get("main") == Some(&json!(true)));
    main.or((!addresses.is_empty()).then_some(0))
}

/// The parts of a save that makes `known` (the contact as just read; nothing for a new one) hold `patch`.
///
/// # Errors
/// The first value S-360 would not hold as it is.
pub(super) fn save(
    module: ModuleId,
    institution: &str,
    known: Option<&Json>,
    patch: &Fields,
) -> Result<Map<String, Json>, Refused> {
    // A part that was not read just now would be replaced unseen.
    let unread = |name: &str| {
        known.is_some_and(|known| !known.get(name).is_some_and(|part| part.is_object() || part.is_array()))
    };
    let nothing = json!({});
    let known = known.unwrap_or(&nothing);
    let mut body = Map::new();
    let part = part(module);
    if let Some((field, _)) = part.texts.iter().find(|(field, _)| patch.contains_key(*field)) {
        if unread(part.name) {
            return Err((field, UNREAD));
        }
        let mut own = kept(known.get(part.name));
        if own.get("title").and_then(Json::as_str) == Some(NO_TITLE) {
            own.shift_remove("title");
        }
        for (field, member) in part.texts {
            match given(patch, field) {
                Given::Nothing => {}
                Given::Text(text) => drop(own.insert((*member).to_owned(), json!(text))),
                Given::Empty => return Err((field, "S-360 does not let go of a name")),
            }
        }
        body.insert(part.name.to_owned(), Json::Object(own));
    }
    if let Some(field) = ["email", "phone"].into_iter().find(|field| patch.contains_key(*field)) {
        if unread(MEANS) {
            return Err((field, UNREAD));
        }
        body.insert(MEANS.to_owned(), Json::Array(means(known, patch)?));
    }
    if module == ModuleId::Contacts {
        match given(patch, "company") {
            Given::Nothing => {}
            Given::Text(company) => {
                let number = company.strip_prefix(institution).and_then(|rest| rest.strip_prefix('-'));
                let number = number.ok_or(("company", "the company belongs to another institution"))?;
                body.insert(STRUCTURE_NUMBER.to_owned(), json!(number));
            }
            Given::Empty => return Err(("company", "S-360 keeps a relay with its structure")),
        }
    } else if let Some(addresses) = addresses(known, patch)? {
        if unread(ADDRESSES) {
            return Err(("street", UNREAD));
        }
        body.insert(ADDRESSES.to_owned(), Json::Array(addresses));
    }
    Ok(body)
}

enum Given<'a> {
    /// The patch does not speak of it.
    Nothing,
    Text(&'a str),
    /// It is to be emptied.
    Empty,
}

fn given<'a>(patch: &'a Fields, field: &str) -> Given<'a> {
    match patch.get(field) {
        None => Given::Nothing,
        Some(value) => match value.as_text().map(str::trim).filter(|text| !text.is_empty()) {
            Some(text) => Given::Text(text),
            None => Given::Empty,
        },
    }
}

/// The members of `part` that may be written, without those that hold nothing.
fn kept(part: Option<&Json>) -> Map<String, Json> {
    let Some(Json::Object(part)) = part else { return Map::new() };
    let writable = part.iter().filter(|(name, value)| !READ_ONLY.contains(&name.as_str()) && !value.is_null());
    writable.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn list(known: &Json, name: &str) -> Vec<Json> {
    let items = known.get(name).and_then(Json::as_array).into_iter().flatten();
    items.map(|item| Json::Object(kept(Some(item)))).collect()
}

/// All means with the change in them: the list is replaced as a whole.
fn means(known: &Json, patch: &Fields) -> Result<Vec<Json>, Refused> {
    let mut means = list(known, MEANS);
    for (field, kinds, new) in [("email", EMAIL, "EMAIL"), ("phone", PHONE, "MOBILE")] {
        let at = chosen(&means, kinds);
        match (given(patch, field), at) {
            (Given::Nothing, _) | (Given::Empty, None) => {}
            (Given::Text(text), Some(at)) => means[at]["value"] = json!(text),
            (Given::Text(text), None) => means.push(json!({"type": new, "value": text, "main": true})),
            (Given::Empty, Some(_)) if field == "email" => {
                return Err(("email", "S-360 finds people by their e-mail address and does not let go of it"));
            }
            (Given::Empty, Some(at)) => drop(means.remove(at)),
        }
    }
    Ok(means)
}

/// All addresses with the change in the main one; `None` if nothing of it is to change.
fn addresses(known: &Json, patch: &Fields) -> Result<Option<Vec<Json>>, Refused> {
    const LINES: [(&str, &str); 3] = [("city", "town"), ("postal_code", "zipCode"), ("country", "countryCode")];
    if !patch.contains_key("street") && !LINES.iter().any(|(field, _)| patch.contains_key(*field)) {
        return Ok(None);
    }
    let mut addresses = list(known, ADDRESSES);
    let at = main_address(&addresses);
    let mut main = match at.map(|at| addresses[at].take()) {
        Some(Json::Object(main)) => main,
        _ => Map::from_iter([("main".to_owned(), json!(true))]),
    };
    if patch.contains_key("street") {
        for name in STREETS {
            main.shift_remove(name);
        }
        if let Given::Text(street) = given(patch, "street") {
            main.insert(STREETS[0].to_owned(), json!(street));
        }
    }
    for (field, member) in LINES {
        match given(patch, field) {
            Given::Nothing => {}
            Given::Text(country) if field == "country" => {
                let code = country.to_ascii_uppercase();
                if !is_country(&code) {
                    return Err((
                        "country",
                        "not a country's two-letter code (ISO 3166), and S-360 takes nothing else",
                    ));
                }
                main.insert(member.to_owned(), json!(code));
            }
            Given::Text(text) if field == "postal_code" && text.chars().count() > POSTAL_CODE => {
                return Err(("postal_code", "longer than the 8 characters S-360 holds"));
            }
            Given::Text(text) => drop(main.insert(member.to_owned(), json!(text))),
            Given::Empty => drop(main.shift_remove(member)),
        }
    }
    let lines = STREETS.iter().chain(&["town", "zipCode"]);
    let says_nothing = !lines.clone().any(|name| main.contains_key(*name)) && !main.contains_key("countryCode");
    match (at, says_nothing) {
        (Some(at), true) => drop(addresses.remove(at)),
        (None, true) => return Ok(None),
        _ if !main.contains_key("countryCode") => {
            return Err(("country", "S-360 takes no address without its country"));
        }
        (Some(at), false) => addresses[at] = Json::Object(main),
        (None, false) => addresses.push(Json::Object(main)),
    }
    Ok(Some(addresses))
}

/// Whether this is a code of ISO 3166-1 alpha-2.
fn is_country(code: &str) -> bool {
    code.len() == 2 && COUNTRIES.split_ascii_whitespace().any(|known| known == code)
}

const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR \
    BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET \
    FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ \
    IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML \
    MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS \
    PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL \
    TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

/// Whether a contact is the one that is to be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alike {
    Same,
    Other,
    /// It does not tell enough.
    Unknown,
}

/// Whether `body` is somebody with these names and this e-mail address: the same, but for case and for blanks around
/// and between words. What `body` leaves out is no difference.
pub(super) fn alike(module: ModuleId, body: &Json, wanted: &Fields) -> Alike {
    let part = part(module);
    let other = if part.name == PERSON_PART.name { STRUCTURE_PART } else { PERSON_PART };
    if body.get(part.name).is_none() && body.get(other.name).is_some_and(Json::is_object) {
        return Alike::Other;
    }
    let there = fields(module, "", body);
    let told = |field: &str| there.get(field).map(folded);
    let wanted = |field: &str| wanted.get(field).map(folded).unwrap_or_default();
    if part.texts.iter().any(|(field, _)| told(field).is_some_and(|told| told != wanted(field))) {
        return Alike::Other;
    }
    let means = body.get(MEANS).and_then(Json::as_array);
    let addresses = means.map(|means| means.iter().filter_map(|one| one.get("value")).map(|one| text(Some(one))));
    let has_address = match addresses {
        Some(mut values) => Some(values.any(|value| folded(&value) == wanted("email"))),
        None => told("email").map(|told| told == wanted("email")),
    };
    match has_address {
        Some(false) => Alike::Other,
        Some(true) if part.texts.iter().all(|(field, _)| told(field).is_some()) => Alike::Same,
        _ => Alike::Unknown,
    }
}

/// Text for comparing: lower case, single blanks.
fn folded(value: &Value) -> String {
    let words = value.as_text().unwrap_or_default().split_whitespace();
    words.collect::<Vec<_>>().join(" ").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(pairs: &[(&str, &str)]) -> Fields {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), Value::text(*text))).collect()
    }

    fn ada() -> Json {
        json!({
            "contactNumber": "100001",
            "individualContact": {"title": "MRS", "firstName": "Ada", "lastName": "King", "dateOfBirth": "1980-12-31"},
            "communicationMeans": [
                {"type": "PHONE", "value": "+33 1", "main": true},
                {"type": "EMAIL", "value": "old@x.example"},
                {"type": "EMAIL", "value": " ada@x.example ", "main": true},
                {"type": "MOBILE", "value": "+33 6", "main": false},
            ],
            "structureContactNumber": "100009",
        })
    }

    #[test]
    fn a_part_that_was_not_sent_is_absent_and_an_empty_one_is_empty_s22() {
        let fields = |body: Json| super::fields(ModuleId::Contacts, "ACME", &body);
        let expected = patch(&[
            ("first_name", "Ada"),
            ("last_name", "King"),
            ("email", "ada@x.example"),
            ("phone", "+33 6"),
            ("company", "ACME-100009"),
        ]);
        assert_eq!(fields(ada()), expected);
        assert_eq!(fields(json!({"contactNumber": "1", "authorizations": []})), Fields::new());
        let bare = fields(json!({"contactNumber": "1", "individualContact": {"lastName": "King"}}));
        assert_eq!(bare["first_name"], Value::Null, "a part is sent as a whole");
        assert_eq!(bare.get("email"), None);
        let emptied = fields(json!({"contactNumber": "1", "communicationMeans": []}));
        assert_eq!((&emptied["email"], &emptied["phone"]), (&Value::Null, &Value::Null));
        let flat = json!({"contactNumber": "1", "individualFirstname": "Ada", "email": "a@x.example"});
        assert_eq!(fields(flat), patch(&[("first_name", "Ada"), ("email", "a@x.example")]));
    }

    #[test]
    fn a_structure_is_a_company_with_its_main_address_s03() {
        let hall = json!({"contactNumber": "9", "structureContact": {"name": "Hall"}, "addresses": [
            {"street1": "Rear", "countryCode": "FR"},
            {"main": true, "street1": "1 Quay", "street3": "2nd floor", "town": "Łódź", "zipCode": "90", "countryCode": "PL"},
        ]});
        let expected = patch(&[
            ("name", "Hall"),
            ("street", "1 Quay, 2nd floor"),
            ("city", "Łódź"),
            ("postal_code", "90"),
            ("country", "PL"),
        ]);
        assert_eq!(fields(ModuleId::Companies, "ACME", &hall), expected);
    }

    #[test]
    fn a_change_is_sent_within_its_part_and_nothing_is_ever_null_s24() {
        let save = |changes: &[(&str, &str)]| save(ModuleId::Contacts, "ACME", Some(&ada()), &patch(changes)).unwrap();
        let body = save(&[("first_name", "Augusta")]);
        let person = json!({"title": "MRS", "firstName": "Augusta", "lastName": "King", "dateOfBirth": "1980-12-31"});
        assert_eq!(Json::Object(body), json!({"individualContact": person}));
        let body = save(&[("email", "new@x.example"), ("phone", "")]);
        let means = json!([
            {"type": "PHONE", "value": "+33 1", "main": true},
            {"type": "EMAIL", "value": "old@x.example"},
            {"type": "EMAIL", "value": "new@x.example", "main": true},
        ]);
        assert_eq!(Json::Object(body), json!({"communicationMeans": means}));
        assert_eq!(Json::Object(save(&[("company", "ACME-12-3")])), json!({"structureContactNumber": "12-3"}));

        let mut nobody = ada();
        nobody["individualContact"]["title"] = json!("UNDEFINED");
        nobody["individualContact"]["dateOfBirth"] = Json::Null;
        let body = super::save(ModuleId::Contacts, "ACME", Some(&nobody), &patch(&[("last_name", "Byron")])).unwrap();
        assert_eq!(Json::Object(body), json!({"individualContact": {"firstName": "Ada", "lastName": "Byron"}}));
    }

    #[test]
    fn what_s360_would_not_hold_is_refused_before_it_is_sent_s24() {
        let refused = |module, changes: &[(&str, &str)]| {
            save(module, "ACME", Some(&ada()), &patch(changes)).err().map(|(field, _)| field)
        };
        assert_eq!(refused(ModuleId::Contacts, &[("last_name", " ")]), Some("last_name"));
        assert_eq!(refused(ModuleId::Contacts, &[("email", "")]), Some("email"));
        assert_eq!(refused(ModuleId::Contacts, &[("company", "GLOBE-7")]), Some("company"));
        assert_eq!(refused(ModuleId::Contacts, &[("company", "")]), Some("company"));
        for country in ["France", "XX", "F", ""] {
            assert_eq!(refused(ModuleId::Companies, &[("city", "Lyon"), ("country", country)]), Some("country"));
        }
        let long = [("postal_code", "123456789"), ("country", "FR")];
        assert_eq!(refused(ModuleId::Companies, &long), Some("postal_code"));
        let body = save(ModuleId::Companies, "ACME", None, &patch(&[("city", "Lyon"), ("country", "fr")])).unwrap();
        let address = json!([{"main": true, "town": "Lyon", "countryCode": "FR"}]);
        assert_eq!(Json::Object(body), json!({"addresses": address}));
    }

    #[test]
    fn only_the_same_names_and_address_are_the_same_person_s24() {
        let same = |changes: &[(&str, &str)]| alike(ModuleId::Contacts, &ada(), &patch(changes));
        assert_eq!(same(&[("first_name", "Ada "), ("last_name", "King"), ("email", "OLD@x.example")]), Alike::Same);
        assert_eq!(same(&[("first_name", "aDA"), ("last_name", "KING"), ("email", "ada@x.example")]), Alike::Same);
        for changes in [
            [("first_name", "Adam"), ("last_name", "King"), ("email", "ada@x.example")],
            [("first_name", "Ada"), ("last_name", "Kingsley"), ("email", "ada@x.example")],
            [("first_name", "Ada"), ("last_name", "King"), ("email", "else@x.example")],
        ] {
            assert_eq!(same(&changes), Alike::Other);
        }
        let hall = patch(&[("name", "Ada"), ("email", "ada@x.example")]);
        assert_eq!(alike(ModuleId::Companies, &ada(), &hall), Alike::Other);
    }

    #[test]
    fn what_a_row_leaves_out_makes_nobody_somebody_else_s24() {
        let wanted = patch(&[("first_name", "Ada"), ("last_name", "King"), ("email", "ada@x.example")]);
        for part in ["individualContact", "communicationMeans"] {
            let mut row = ada();
            row.as_object_mut().unwrap().shift_remove(part);
            assert_eq!(alike(ModuleId::Contacts, &row, &wanted), Alike::Unknown, "{part}");
        }
    }

    #[test]
    fn what_was_read_is_written_back_whole_and_an_unread_part_is_not_written_s24() {
        let mut known = ada();
        known["individualContact"]["middleName"] = json!("Maria");
        known["communicationMeans"][0]["remark"] = json!("evenings");
        known["addresses"] = json!([{"main": true, "town": "Lyon", "countryCode": "FR", "building": "B",
            "formattedAddress": "Lyon FR", "normalizationState": "OK", "normalizationRating": 3}]);
        let body = save(ModuleId::Contacts, "ACME", Some(&known), &patch(&[("first_name", "Augusta"), ("phone", "1")]));
        let body = Json::Object(body.unwrap());
        assert_eq!(body["individualContact"]["middleName"], "Maria");
        assert_eq!(body["communicationMeans"][0]["remark"], "evenings");
        let body = save(ModuleId::Companies, "ACME", Some(&known), &patch(&[("city", "Nice")])).unwrap();
        let address = json!([{"main": true, "town": "Nice", "countryCode": "FR", "building": "B"}]);
        assert_eq!(body["addresses"], address, "without what S-360 works out itself");

        let bare = json!({"contactNumber": "1"});
        for (module, change) in [
            (ModuleId::Contacts, ("first_name", "Ada")),
            (ModuleId::Contacts, ("phone", "1")),
            (ModuleId::Companies, ("street", "1 Quay")),
        ] {
            let change = patch(&[change, ("country", "FR")]);
            assert_eq!(save(module, "ACME", Some(&bare), &change).err().map(|(_, why)| why), Some(UNREAD));
        }
    }
}
