//! One module's place in Odoo: its model, its rows, its fields, and how a whole row is read and written.
//!
//! Refuses to make calls: what must be looked up first comes in as [`Tables`].

use serde_json::Value as Json;

use super::SYSTEM;
use super::cell::Cell;
use super::name::{self, HalfFields};
use super::values::{self, Shape, Tables};
use super::wire::malformed;
use crate::model::{Fields, ModuleId, Record, RecordId, Value};
use crate::remote::exchange::failure;
use crate::remote::{Class, RemoteError, Sent};

/// One mapped field.
#[derive(Clone, Debug)]
pub(super) struct Mapped {
    /// Name in the catalogue.
    pub(super) name: String,
    /// Technical name in Odoo.
    pub(super) odoo: String,
    pub(super) shape: Shape,
}

impl Mapped {
    pub(super) fn new(name: &str, odoo: &str, shape: Shape) -> Self {
        Self { name: name.to_owned(), odoo: odoo.to_owned(), shape }
    }
}

/// Where one module lives.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) module: ModuleId,
    pub(super) model: &'static str,
    /// Which rows of the model belong to the module, besides archived ones.
    pub(super) domain: Vec<Json>,
    /// Whether rows can be archived: the model has a field `active`.
    pub(super) archives: bool,
    /// The field that holds a person's whole name; the catalogue has its two halves.
    pub(super) person: Option<&'static str>,
    pub(super) mapped: Vec<Mapped>,
    /// Catalogue fields held only where the settings name a field of the model's for them.
    pub(super) optional: Vec<(&'static str, Shape)>,
    /// `load` columns for every new row, unless a field says otherwise.
    pub(super) at_creation: Vec<(&'static str, &'static str)>,
    /// What writes of this model say in their context besides what all writes say.
    pub(super) context: Vec<(&'static str, bool)>,
}

impl Place {
    /// A place without fields.
    pub(super) fn new(module: ModuleId, model: &'static str) -> Self {
        Self {
            module,
            model,
            domain: Vec::new(),
            archives: true,
            person: None,
            mapped: Vec::new(),
            optional: Vec::new(),
            at_creation: Vec::new(),
            context: Vec::new(),
        }
    }

    /// `model.method`, as errors name the action.
    pub(super) fn action(&self, method: &str) -> String {
        format!("{}.{method}", self.model)
    }

    /// [`Place::context`] as JSON.
    pub(super) fn write_context(&self) -> Json {
        self.context.iter().map(|(name, flag)| ((*name).to_owned(), Json::Bool(*flag))).collect()
    }

    /// The catalogue names, for the port.
    pub(super) fn names(&self) -> Vec<String> {
        let halves = ["first_name", "last_name"].into_iter().filter(|_| self.person.is_some());
        halves.map(str::to_owned).chain(self.mapped.iter().map(|field| field.name.clone())).collect()
    }

    /// Whether a field of this shape is mapped.
    pub(super) fn has(&self, shape: Shape) -> bool {
        self.mapped.iter().any(|field| field.shape == shape)
    }

    /// Every Odoo field to be read.
    pub(super) fn to_read(&self, halves: HalfFields<'_>) -> Vec<String> {
        let mut fields = Vec::new();
        let mut add = |field: &str| {
            if !fields.iter().any(|known| known == field) {
                fields.push(field.to_owned());
            }
        };
        if let Some(person) = self.person {
            add(person);
            halves.iter().flat_map(|(first, last)| [*first, *last]).for_each(&mut add);
        }
        if self.archives {
            add("active");
        }
        ["write_date", "write_uid"].into_iter().for_each(&mut add);
        if self.module == ModuleId::Leads {
            ["type", "partner_id"].into_iter().for_each(&mut add);
        }
        for field in &self.mapped {
            add(&field.odoo);
            field.shape.also_reads().iter().copied().for_each(&mut add);
        }
        fields
    }

    /// Our name of an Odoo field, for messages; its own if it has none.
    pub(super) fn name_of(&self, odoo: &str, halves: HalfFields<'_>) -> String {
        match halves.filter(|_| self.person.is_some()) {
            Some((first, _)) if odoo == first => return "first_name".to_owned(),
            Some((_, last)) if odoo == last => return "last_name".to_owned(),
            _ if self.person == Some(odoo) => return "last_name".to_owned(),
            _ => {}
        }
        self.mapped.iter().find(|mapped| mapped.odoo == odoo).map_or(odoo, |mapped| &mapped.name).to_owned()
    }

    /// Whether the Odoo field is already spoken for by a field of ours. Custom fields are not: whoever checks a
    /// map must see what has become of them.
    pub(super) fn maps(&self, odoo: &str, halves: HalfFields<'_>) -> bool {
        let half = halves.is_some_and(|(first, last)| odoo == first || odoo == last);
        odoo == "name" || self.person.is_some_and(|person| odoo == person || half) || {
            self.mapped_as(odoo).is_some_and(|mapped| !mapped.name.starts_with("custom."))
        }
    }

    fn mapped_as(&self, odoo: &str) -> Option<&Mapped> {
        self.mapped.iter().find(|mapped| mapped.odoo == odoo)
    }

    /// Whether `load` names this Odoo field's value by database id.
    pub(super) fn is_related(&self, odoo: &str) -> bool {
        self.mapped_as(odoo).is_some_and(|mapped| mapped.shape.is_related())
    }

    /// A row as `read` and `search_read` give it. Values of another type than expected stay absent:
    /// absent never means a change (I27).
    pub(super) fn decode(&self, row: &Json, halves: HalfFields<'_>, tables: &Tables) -> Result<Record, RemoteError> {
        let id = row
            .get("id")
            .and_then(Json::as_i64)
            .ok_or_else(|| malformed(&self.action("read"), "a row without an id"))?;
        let mut fields = Fields::new();
        if let Some(person) = self.person {
            let halves = name::decode_halves(row, person, halves);
            fields.insert("first_name".to_owned(), Value::Text(halves.first));
            fields.insert("last_name".to_owned(), Value::Text(halves.last));
        }
        for mapped in &self.mapped {
            if let Some(value) = values::decode(mapped, row, tables) {
                fields.insert(mapped.name.clone(), value);
            }
        }
        // An opportunity that was lost is inactive because of that, and its stage says so.
        let lost = self.has(Shape::Stage) && values::is_lost(row);
        // What becomes of the opportunity then, lost included, is no business of the lead's.
        let converted = self.module == ModuleId::Leads && row["type"] == "opportunity";
        Ok(Record {
            id: RecordId(id.to_string()),
            fields,
            version: None,
            modified: row.get("write_date").and_then(Json::as_str).and_then(values::parse_stamp),
            author: row.get("write_uid").and_then(|user| user.get(1)).and_then(Json::as_str).map(str::to_owned),
            anonymised: false,
            archived: row.get("active") == Some(&Json::Bool(false)) && !lost && !converted,
            person: row
                .get("partner_id")
                .filter(|_| converted)
                .and_then(values::related)
                .map(|id| RecordId(id.to_string())),
            converted,
        })
    }

    /// The cells for `fields`, in the order given, without what takes more than the value itself: a person's
    /// name, a stage, a customer.
    pub(super) fn encode(
        &self,
        action: &str,
        fields: &Fields,
        tables: &Tables,
    ) -> Result<Vec<(String, Cell)>, RemoteError> {
        let mut cells = Vec::new();
        for (name, value) in fields {
            if self.person.is_some() && matches!(name.as_str(), "first_name" | "last_name") {
                continue;
            }
            let mapped = self.mapped.iter().find(|mapped| mapped.name == *name).ok_or_else(|| {
                failure(SYSTEM, action, Class::Unsupported, Sent::No, &format!("no Odoo field is mapped to {name}"))
            })?;
            cells.extend(values::encode(mapped, value, tables).map_err(|why| refused(action, name, why))?);
        }
        Ok(cells)
    }
}

/// A value that cannot be written. `why` must not quote it.
pub(super) fn refused(action: &str, field: &str, why: &str) -> RemoteError {
    let message = format!("{field}: {why}");
    RemoteError { details: vec![message.clone()], ..failure(SYSTEM, action, Class::Rejected, Sent::No, &message) }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use secrecy::SecretString;
    use serde_json::json;

    use super::super::values::Countries;
    use super::super::{Settings, modules};
    use super::*;
    use crate::model::{FieldDef, FieldKind, Flow};

    fn place(module: ModuleId) -> Place {
        let def = |name: &'static str, kind| FieldDef {
            name: Cow::Borrowed(name),
            title: Cow::Borrowed(name),
            kind,
            flow: Flow::Both,
            required_on: None,
            at_creation: false,
            enforced: false,
            membership: None,
            transform: Default::default(),
            default: None,
        };
        let mut settings = Settings::new("https://odoo.example", "crm", SecretString::from("k"));
        let custom = vec![
            (def("custom.diet", FieldKind::Text), "x_diet".to_owned()),
            (def("custom.seats", FieldKind::Int), "x_seats".to_owned()),
            (def("custom.vip", FieldKind::Bool), "x_vip".to_owned()),
        ];
        settings.custom.insert(module, custom);
        modules::place(module, &settings).unwrap()
    }

    #[test]
    fn a_row_becomes_a_record_and_wrong_types_stay_absent_i27() {
        let row = json!({
            "id": 7, "name": "Maria van Dyke", "x_first": "Mary", "x_last": "van Dyke", "active": false,
            "write_date": "2026-11-21 09:13:55", "write_uid": [2, "Admin"], "email": false, "phone": 5,
            "parent_id": [11, "Acme"], "x_diet": "", "x_seats": 0, "x_vip": false,
        });
        let record = place(ModuleId::Contacts).decode(&row, Some(("x_first", "x_last")), &Tables::default()).unwrap();
        assert_eq!(record.fields["first_name"], Value::text("Maria"));
        assert_eq!(record.fields["last_name"], Value::text("van Dyke"));
        assert_eq!(record.fields["company"], Value::text("11"));
        assert_eq!((&record.fields["email"], record.fields.get("phone")), (&Value::Null, None));
        assert_eq!(
            (&record.fields["custom.seats"], &record.fields["custom.vip"]),
            (&Value::Int(0), &Value::Bool(false))
        );
        assert!(record.archived && record.author.as_deref() == Some("Admin"));
        assert_eq!(record.modified.unwrap().to_string(), "2026-11-21T09:13:55.000Z");
    }

    #[test]
    fn countries_are_codes_here_and_ids_there() {
        let tables = Tables { countries: Countries::from([(13, "AU".to_owned())]).into(), ..Tables::default() };
        let place = place(ModuleId::Companies);
        let fields = Fields::from([("country".to_owned(), Value::text("au"))]);
        assert_eq!(place.encode("a", &fields, &tables).unwrap(), [("country_id".to_owned(), Cell::Related(13))]);
        let row = json!({"id": 1, "name": "x", "country_id": [13, "Australia"]});
        assert_eq!(place.decode(&row, None, &tables).unwrap().fields["country"], Value::text("AU"));
        let unknown = Fields::from([("country".to_owned(), Value::text("Atlantis"))]);
        let error = place.encode("a", &unknown, &tables).unwrap_err();
        assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No));
        assert!(!error.to_string().contains("Atlantis"));
    }

    #[test]
    fn clearing_writes_false_and_loads_an_empty_cell() {
        let fields = Fields::from([
            ("email".to_owned(), Value::text(" ")),
            ("company".to_owned(), Value::Null),
            ("custom.vip".to_owned(), Value::Bool(false)),
        ]);
        let cells = place(ModuleId::Contacts).encode("a", &fields, &Tables::default()).unwrap();
        let written: Vec<_> =
            cells.iter().map(|(field, cell)| (field.as_str(), cell.for_write(), cell.for_load())).collect();
        assert_eq!(
            written,
            [
                ("parent_id", json!(false), String::new()),
                ("x_vip", json!(false), "0".to_owned()),
                ("email", json!(false), String::new()),
            ]
        );
    }

    #[test]
    fn a_lost_opportunity_is_not_an_archived_one() {
        let place = place(ModuleId::Registrations);
        let row = |status: &str| json!({"id": 1, "active": false, "won_status": status, "stage_id": [1, "New"]});
        assert!(!place.decode(&row("lost"), None, &Tables::default()).unwrap().archived);
        assert!(place.decode(&row("pending"), None, &Tables::default()).unwrap().archived);
    }

    #[test]
    fn fields_without_one_of_odoos_own_are_kept_in_the_tenants_v41() {
        let keep = |module: ModuleId, name: &str, odoo: &str| ((module, name.to_owned()), odoo.to_owned());
        let mut settings = Settings::new("https://odoo.example", "crm", SecretString::from("k"));
        settings.extra_fields.extend([
            keep(ModuleId::Registrations, "paid", "x_paid"),
            keep(ModuleId::Registrations, "currency", "x_currency"),
            keep(ModuleId::QuotesAndBookings, "starts_at", "x_starts"),
            keep(ModuleId::Contacts, "email_opt_out", "x_opt_out"),
        ]);
        settings.check().unwrap();
        let place = modules::place(ModuleId::Registrations, &settings).unwrap();
        for (paid, number) in [("-40.10", -40.1), ("0.00", 0.0), ("1200.50", 1200.5)] {
            let fields =
                Fields::from([("paid".to_owned(), Value::text(paid)), ("currency".to_owned(), Value::text("NZD"))]);
            let cells = place.encode("a", &fields, &Tables::default()).unwrap();
            let row: serde_json::Map<String, Json> =
                cells.iter().map(|(name, cell)| (name.clone(), cell.for_write())).collect();
            assert_eq!(row, *json!({"x_paid": number, "x_currency": "NZD"}).as_object().unwrap());
            let mut row = Json::Object(row);
            row["id"] = json!(1);
            assert_eq!(place.decode(&row, None, &Tables::default()).unwrap().fields, fields);
        }
        assert!(
            !modules::place(ModuleId::Registrations, &super::super::Settings::new("x", "y", SecretString::from("k")))
                .unwrap()
                .names()
                .contains(&"paid".to_owned())
        );

        for (module, name, odoo, expected) in [
            (ModuleId::Registrations, "outstanding", "x_due", "outstanding cannot be kept"),
            (ModuleId::Registrations, "paid_in_full", "x_paid", "two fields are mapped to x_paid"),
            (ModuleId::Registrations, "paid_in_full", "expected_revenue", "two fields are mapped to expected_revenue"),
            (ModuleId::Companies, "currency", "x_currency", "currency cannot be kept"),
            (ModuleId::Registrations, "status", "x-status", "not the technical name"),
        ] {
            let mut settings = settings.clone();
            settings.extra_fields.extend([keep(module, name, odoo)]);
            let error = settings.check().unwrap_err();
            assert!(error.message.contains(expected), "{error}");
        }
    }

    #[test]
    fn every_field_of_a_place_is_one_of_the_catalogue() {
        for module in ModuleId::ALL {
            let def = module.def();
            let on_request = module.fields_on_request();
            let known = |name: &str| def.field(name).is_some() || on_request.iter().any(|field| field.name == name);
            let catalogued = |name: &str| name.starts_with("custom.") || known(name);
            let place = place(module);
            let names = place.names();
            assert!(names.iter().all(|name| catalogued(name)), "{module}: {names:?}");
            for (name, _) in &place.optional {
                assert!(catalogued(name) && !names.iter().any(|mapped| mapped == name), "{module}: {name}");
            }
        }
    }
}
