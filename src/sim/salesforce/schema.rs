//! Which objects and fields the simulated org has: the standard ones Tandem works with, the custom
//! fields an administrator adds for it, and any further custom fields a test asks for.

mod campaigns;
mod people;
mod sales;

pub use campaigns::MEMBER_STATUSES;

use serde_json::{Value, json};

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The record's own id.
    Id,
    /// The id of a record of another object, read through `relationship` in SOQL.
    Reference {
        /// The object pointed at.
        to: &'static str,
        /// The name of the way there, such as `Account` for `AccountId`.
        relationship: &'static str,
    },
    /// The id of a record of one of several objects (`WhoId`). Queries cannot go through it.
    Polymorphic(
        /// The objects pointed at.
        &'static [&'static str],
    ),
    /// A line of text of at most this many characters.
    Text(usize),
    /// Several lines.
    TextArea(usize),
    /// An e-mail address, at most 80 characters.
    Email,
    /// A telephone number, at most 40 characters.
    Phone,
    /// A web address, at most 255 characters.
    Url,
    /// A tick box; never null.
    Boolean,
    /// An instant.
    DateTime,
    /// A calendar day.
    Date,
    /// A number.
    Double,
    /// An amount of money: a number of at most 16 digits before the point and two behind it.
    Currency,
    /// One of these values; anything else is refused when restricted.
    Picklist {
        /// The values in their defined order.
        values: Vec<String>,
        /// Whether other values are refused.
        restricted: bool,
    },
    /// Several of these values, joined by `;` in their defined order.
    MultiPicklist {
        /// The values in their defined order.
        values: Vec<String>,
        /// Whether other values are refused.
        restricted: bool,
    },
}

impl Kind {
    /// A picklist that accepts only these.
    pub fn picklist(values: &[&str]) -> Self {
        Self::Picklist { values: values.iter().map(|value| (*value).to_owned()).collect(), restricted: true }
    }

    /// A multi-select picklist that accepts only these.
    pub fn multi_picklist(values: &[&str]) -> Self {
        Self::MultiPicklist { values: values.iter().map(|value| (*value).to_owned()).collect(), restricted: true }
    }

    /// Most characters a value may have, if it is text.
    pub fn length(&self) -> Option<usize> {
        match self {
            Self::Text(length) | Self::TextArea(length) => Some(*length),
            Self::Email => Some(80),
            Self::Phone => Some(40),
            Self::Url => Some(255),
            Self::Id | Self::Reference { .. } | Self::Polymorphic(_) => Some(18),
            // What real picklists hold of values nobody defined.
            Self::Picklist { restricted: false, .. } => Some(255),
            Self::Boolean | Self::DateTime | Self::Date | Self::Double | Self::Currency => None,
            Self::Picklist { .. } | Self::MultiPicklist { .. } => None,
        }
    }

    fn describe_type(&self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Reference { .. } | Self::Polymorphic(_) => "reference",
            Self::Text(_) => "string",
            Self::TextArea(_) => "textarea",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Url => "url",
            Self::Boolean => "boolean",
            Self::DateTime => "datetime",
            Self::Date => "date",
            Self::Double => "double",
            Self::Currency => "currency",
            Self::Picklist { .. } => "picklist",
            Self::MultiPicklist { .. } => "multipicklist",
        }
    }
}

/// What callers may do with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The org sets it.
    Read,
    /// Given with a new record or never.
    Create,
    /// At any time.
    Write,
}

/// One field of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// API name; custom ones end in `__c`.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// Whether and when callers may write it.
    pub access: Access,
    /// Whether a record must have it.
    pub required: bool,
    /// Whether upserts may address records by it.
    pub external_id: bool,
    /// Whether no two living records may share a value, ignoring case.
    pub unique: bool,
    /// What a new record gets when its creator says nothing.
    pub default: Option<Value>,
    /// Picklist values that records may still have and new ones cannot be given.
    pub inactive: Vec<String>,
}

impl Field {
    /// An ordinary writable field.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self {
            name: name.into(),
            kind,
            access: Access::Write,
            required: false,
            external_id: false,
            unique: false,
            default: None,
            inactive: Vec::new(),
        }
    }

    fn system(name: &str, kind: Kind) -> Self {
        Self { access: Access::Read, ..Self::new(name, kind) }
    }

    fn at_creation(self) -> Self {
        Self { access: Access::Create, ..self }
    }

    fn or(self, default: impl Into<Value>) -> Self {
        Self { default: Some(default.into()), ..self }
    }

    fn required(self) -> Self {
        Self { required: true, ..self }
    }

    fn describe(&self) -> Value {
        let custom = self.name.ends_with("__c");
        let (values, restricted) = match &self.kind {
            Kind::Picklist { values, restricted } | Kind::MultiPicklist { values, restricted } => {
                (values.as_slice(), *restricted)
            }
            _ => (&[][..], false),
        };
        let entry = |value: &String, active: bool| {
            let default = self.default.as_ref().is_some_and(|default| default == value.as_str());
            json!({ "active": active, "defaultValue": default, "label": value, "validFor": null, "value": value })
        };
        let active = values.iter().map(|value| entry(value, true));
        let picklist: Vec<Value> = active.chain(self.inactive.iter().map(|value| entry(value, false))).collect();
        let (reference_to, relationship) = match &self.kind {
            Kind::Reference { to, relationship } => (vec![*to], Some(*relationship)),
            Kind::Polymorphic(to) => (to.to_vec(), None),
            _ => (Vec::new(), None),
        };
        let multi = matches!(self.kind, Kind::MultiPicklist { .. });
        json!({
            "name": self.name,
            "label": self.name.trim_end_matches("__c").replace('_', " "),
            "type": self.kind.describe_type(),
            "length": self.kind.length().unwrap_or(0),
            "scale": if self.kind == Kind::Currency { 2 } else { 0 },
            "createable": self.access != Access::Read,
            "updateable": self.access == Access::Write,
            "nillable": !self.required && !matches!(self.kind, Kind::Id | Kind::Boolean),
            "defaultedOnCreate": self.access == Access::Read || self.kind == Kind::Boolean || self.default.is_some(),
            "custom": custom,
            "externalId": self.external_id,
            "idLookup": self.external_id || matches!(self.kind, Kind::Id | Kind::Email),
            "unique": self.unique,
            "caseSensitive": false,
            "filterable": !matches!(self.kind, Kind::TextArea(length) if length > 255),
            "sortable": !multi,
            "picklistValues": picklist,
            "restrictedPicklist": restricted,
            "referenceTo": reference_to,
            "relationshipName": relationship,
            "deprecatedAndHidden": false,
        })
    }
}

/// One object (a table).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// API name.
    pub name: &'static str,
    /// What it is called in the plural, for `describe`.
    plural: &'static str,
    /// The first three characters of its ids.
    pub prefix: &'static str,
    /// Whether it is set up by an administrator and closed to API writes.
    pub read_only: bool,
    /// Its fields in describe order.
    pub fields: Vec<Field>,
}

impl Object {
    /// The field of exactly this name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The field of this name in any case, as SOQL reads it.
    pub fn field_folded(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// The reference field behind a relationship name, with the object it leads to.
    pub fn relationship(&self, name: &str) -> Option<(&Field, &'static str)> {
        self.fields.iter().find_map(|field| match &field.kind {
            Kind::Reference { to, relationship } if relationship.eq_ignore_ascii_case(name) => Some((field, *to)),
            _ => None,
        })
    }

    /// The `describe` answer of `/services/data/v{version}`.
    pub fn describe(&self, version: &str) -> Value {
        let mut about = self.summary(version);
        about["fields"] = self.fields.iter().map(Field::describe).collect();
        about["recordTypeInfos"] = json!([]);
        about["childRelationships"] = json!([]);
        about
    }

    /// The entry of the global describe.
    pub fn summary(&self, version: &str) -> Value {
        let base = format!("/services/data/v{version}/sobjects/{}", self.name);
        json!({
            "name": self.name,
            "label": self.name,
            "labelPlural": self.plural,
            "keyPrefix": self.prefix,
            "custom": false,
            "createable": !self.read_only,
            "updateable": !self.read_only,
            "deletable": !self.read_only,
            "queryable": true,
            "replicateable": true,
            "retrieveable": true,
            "urls": {
                "sobject": base,
                "describe": format!("{base}/describe"),
                "rowTemplate": format!("{base}/{{ID}}"),
            },
        })
    }
}

/// All objects of the org.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    objects: Vec<Object>,
}

impl Schema {
    /// The standard objects, with `custom` fields added to the object named beside each.
    /// `unique_key` says whether `Ivvy_Id__c` was ticked "Unique", as it must be for upserts to be safe.
    pub fn new(custom: &[(String, Field)], unique_key: bool) -> Self {
        let mut objects = vec![people::account(), people::contact(), people::lead(), people::user()];
        objects.extend([campaigns::campaign(), campaigns::member(), campaigns::member_status()]);
        objects.extend([sales::opportunity(), sales::contact_role(), sales::task()]);
        for object in &mut objects {
            for (owner, field) in custom {
                if owner == object.name {
                    object.fields.retain(|known| known.name != field.name);
                    object.fields.push(field.clone());
                }
            }
            for field in &mut object.fields {
                field.unique &= unique_key || !field.external_id;
            }
        }
        Self { objects }
    }

    /// All objects.
    pub fn objects(&self) -> &[Object] {
        &self.objects
    }

    /// The object of exactly this name.
    pub fn object(&self, name: &str) -> Option<&Object> {
        self.objects.iter().find(|object| object.name == name)
    }

    /// The object of this name in any case, as SOQL reads it.
    pub fn object_folded(&self, name: &str) -> Option<&Object> {
        self.objects.iter().find(|object| object.name.eq_ignore_ascii_case(name))
    }
}

/// The field for Tandem's key, on every object it writes.
fn ivvy_key() -> Field {
    Field { external_id: true, unique: true, ..Field::new("Ivvy_Id__c", Kind::Text(64)) }
}

/// Who owns a record. Its creator, unless he says otherwise; never nobody.
fn owner() -> Field {
    Field::new("OwnerId", Kind::Reference { to: "User", relationship: "Owner" }).required()
}

/// A picklist that defines these and accepts anything.
fn suggestions(values: &[&str]) -> Kind {
    Kind::Picklist { values: values.iter().map(|value| (*value).to_owned()).collect(), restricted: false }
}

fn system_fields() -> Vec<Field> {
    let by = |name: &str, relationship| Field::system(name, Kind::Reference { to: "User", relationship });
    vec![
        Field::system("CreatedDate", Kind::DateTime),
        by("CreatedById", "CreatedBy"),
        Field::system("LastModifiedDate", Kind::DateTime),
        by("LastModifiedById", "LastModifiedBy"),
        Field::system("SystemModstamp", Kind::DateTime),
        Field::system("IsDeleted", Kind::Boolean),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn describe_tells_the_key_apart_from_ordinary_fields() {
        let schema = Schema::new(&[("Contact".to_owned(), Field::new("Badge__c", Kind::Text(20)))], true);
        let about = schema.object("Contact").unwrap().describe("60.0");
        let field =
            |name: &str| about["fields"].as_array().unwrap().iter().find(|f| f["name"] == name).unwrap().clone();
        assert_eq!(field("Ivvy_Id__c")["externalId"], true);
        assert_eq!(field("Ivvy_Id__c")["unique"], true);
        assert_eq!(field("Badge__c")["length"], 20);
        assert_eq!(field("Tags__c")["type"], "multipicklist");
        assert_eq!(field("Diet__c")["picklistValues"][1]["value"], "Vegetarian");
        assert_eq!(field("Name")["updateable"], false);
        assert_eq!(field("AccountId")["referenceTo"][0], "Account");
    }

    #[test]
    fn describe_tells_what_is_given_once_what_has_a_default_and_what_is_retired() {
        let schema = Schema::new(&[], true);
        let field = |object: &str, name: &str| schema.object(object).unwrap().field(name).unwrap().describe();
        let campaign = field("CampaignMember", "CampaignId");
        assert_eq!((&campaign["createable"], &campaign["updateable"]), (&json!(true), &json!(false)));
        assert_eq!(field("CampaignMember", "HasResponded")["createable"], false);
        assert_eq!(field("Task", "WhoId")["referenceTo"], json!(["Contact", "Lead"]));
        assert_eq!(field("Opportunity", "CloseDate")["type"], "date");
        assert_eq!(field("Opportunity", "Amount")["type"], "currency");
        let sources = field("Lead", "LeadSource");
        assert_eq!(sources["restrictedPicklist"], false);
        let sources = sources["picklistValues"].as_array().unwrap();
        assert!(sources.iter().any(|source| source["active"] == false) && sources[0]["active"] == true);
        let keyed = |object: &&Object| !object.read_only && object.name != "OpportunityContactRole";
        assert!(schema.objects().iter().filter(keyed).all(|object| object.field("Ivvy_Id__c").is_some()));
    }
}
