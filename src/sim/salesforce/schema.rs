//! Which objects and fields the simulated org has: the standard ones Tandem works with, the custom
//! fields an administrator adds for it, and any further custom fields a test asks for.

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
    /// A number.
    Double,
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
            Self::Id | Self::Reference { .. } => Some(18),
            Self::Boolean | Self::DateTime | Self::Double | Self::Picklist { .. } | Self::MultiPicklist { .. } => None,
        }
    }

    fn describe_type(&self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Reference { .. } => "reference",
            Self::Text(_) => "string",
            Self::TextArea(_) => "textarea",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Url => "url",
            Self::Boolean => "boolean",
            Self::DateTime => "datetime",
            Self::Double => "double",
            Self::Picklist { .. } => "picklist",
            Self::MultiPicklist { .. } => "multipicklist",
        }
    }
}

/// One field of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// API name; custom ones end in `__c`.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// Whether callers may write it.
    pub writable: bool,
    /// Whether a record must have it.
    pub required: bool,
    /// Whether upserts may address records by it.
    pub external_id: bool,
    /// Whether no two living records may share a value, ignoring case.
    pub unique: bool,
}

impl Field {
    /// An ordinary writable field.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self { name: name.into(), kind, writable: true, required: false, external_id: false, unique: false }
    }

    fn system(name: &str, kind: Kind) -> Self {
        Self { writable: false, ..Self::new(name, kind) }
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
        let picklist: Vec<Value> = values
            .iter()
            .map(|value| json!({ "active": true, "defaultValue": false, "label": value, "validFor": null, "value": value }))
            .collect();
        let (reference_to, relationship) = match &self.kind {
            Kind::Reference { to, relationship } => (vec![*to], Some(*relationship)),
            _ => (Vec::new(), None),
        };
        let multi = matches!(self.kind, Kind::MultiPicklist { .. });
        json!({
            "name": self.name,
            "label": self.name.trim_end_matches("__c").replace('_', " "),
            "type": self.kind.describe_type(),
            "length": self.kind.length().unwrap_or(0),
            "createable": self.writable,
            "updateable": self.writable,
            "nillable": !self.required && !matches!(self.kind, Kind::Id | Kind::Boolean),
            "defaultedOnCreate": !self.writable || self.kind == Kind::Boolean,
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
            "createable": self.name != "User",
            "updateable": self.name != "User",
            "deletable": self.name != "User",
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
        let mut objects = vec![account(), contact(), user()];
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

fn ivvy_key() -> Field {
    Field { external_id: true, unique: true, ..Field::new("Ivvy_Id__c", Kind::Text(64)) }
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

fn account() -> Object {
    let mut fields = vec![
        Field::system("Id", Kind::Id),
        Field::system("MasterRecordId", Kind::Reference { to: "Account", relationship: "MasterRecord" }),
        Field::new("Name", Kind::Text(255)).required(),
        Field::new("Phone", Kind::Phone),
        Field::new("Website", Kind::Url),
        Field::new("Description", Kind::TextArea(32_000)),
        Field::new("BillingStreet", Kind::TextArea(255)),
        Field::new("BillingCity", Kind::Text(40)),
        Field::new("BillingState", Kind::Text(80)),
        Field::new("BillingPostalCode", Kind::Text(20)),
        Field::new("BillingCountry", Kind::Text(80)),
        Field::new("NumberOfEmployees", Kind::Double),
        Field::new("Email__c", Kind::Email),
        ivvy_key(),
    ];
    fields.extend(system_fields());
    Object { name: "Account", plural: "Accounts", prefix: "001", fields }
}

fn contact() -> Object {
    let mut fields = vec![
        Field::system("Id", Kind::Id),
        Field::system("MasterRecordId", Kind::Reference { to: "Contact", relationship: "MasterRecord" }),
        Field::new("AccountId", Kind::Reference { to: "Account", relationship: "Account" }),
        Field::new("LastName", Kind::Text(80)).required(),
        Field::new("FirstName", Kind::Text(40)),
        Field::system("Name", Kind::Text(121)),
        Field::new("Title", Kind::Text(128)),
        Field::new("Email", Kind::Email),
        Field::new("Phone", Kind::Phone),
        Field::new("MobilePhone", Kind::Phone),
        Field::new("Description", Kind::TextArea(32_000)),
        Field::new("MailingStreet", Kind::TextArea(255)),
        Field::new("MailingCity", Kind::Text(40)),
        Field::new("MailingState", Kind::Text(80)),
        Field::new("MailingPostalCode", Kind::Text(20)),
        Field::new("MailingCountry", Kind::Text(80)),
        Field::new("HasOptedOutOfEmail", Kind::Boolean),
        Field::new(
            "LeadSource",
            Kind::Picklist {
                values: [
                    "Web",
                    "Website",
                    "Trade Show",
                    "Phone Inquiry",
                    "Partner Referral",
                    "Purchased List",
                    "Other",
                ]
                .map(str::to_owned)
                .to_vec(),
                restricted: false,
            },
        ),
        Field::new("Diet__c", Kind::picklist(&["None", "Vegetarian", "Vegan", "Gluten free", "Halal", "Kosher"])),
        Field::new("Tags__c", Kind::multi_picklist(&["VIP", "Speaker", "Sponsor", "Press", "Alumni", "Newsletter"])),
        ivvy_key(),
    ];
    fields.extend(system_fields());
    Object { name: "Contact", plural: "Contacts", prefix: "003", fields }
}

fn user() -> Object {
    let mut fields = vec![
        Field::system("Id", Kind::Id),
        Field::system("Username", Kind::Text(80)),
        Field::system("LastName", Kind::Text(80)),
        Field::system("FirstName", Kind::Text(40)),
        Field::system("Name", Kind::Text(121)),
        Field::system("Email", Kind::Email),
        Field::system("IsActive", Kind::Boolean),
    ];
    // A User is never deleted, only deactivated, so it has no IsDeleted.
    fields.extend(system_fields().into_iter().filter(|field| field.name != "IsDeleted"));
    Object { name: "User", plural: "Users", prefix: "005", fields }
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
}
