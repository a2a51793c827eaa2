//! Colleagues in both systems: every value they type is typed once, so that a value tells its edit.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tandem::model::{ModuleId, Side};
use tandem::seam::Entropy;
use tandem::sim::control::Edit;

use super::Town;

/// The fields colleagues change, as iVvy and Salesforce name them.
pub const CONTACT: [(&str, &str, &str); 4] = [
    ("first_name", "firstName", "FirstName"),
    ("last_name", "lastName", "LastName"),
    ("email", "email", "Email"),
    ("phone", "phone", "Phone"),
];
pub const COMPANY: [(&str, &str, &str); 3] =
    [("name", "businessName", "Name"), ("website", "website", "Website"), ("phone", "phone", "Phone")];

/// One field of one record.
pub type Place = (ModuleId, Side, String, &'static str);

/// The edits so far.
#[derive(Debug)]
pub struct Hands {
    pub made: u64,
    pub created: u64,
    /// Values typed into each place, with the number of the edit, oldest first.
    pub typed: BTreeMap<Place, Vec<(u64, String)>>,
    entropy: Entropy,
}

impl Hands {
    pub fn new(entropy: Entropy) -> Self {
        Self { made: 0, created: 0, typed: BTreeMap::new(), entropy }
    }

    /// Edits until dropped; `made` tells others how many there are.
    pub async fn work(&mut self, town: &Town, made: &AtomicU64) {
        loop {
            made.store(self.made, Ordering::Relaxed);
            tokio::time::sleep(self.entropy.duration_up_to(Duration::from_millis(60))).await;
            match self.entropy.below(10) {
                0 => self.create(town),
                1 => self.quarrel(town),
                _ => self.edit(town),
            }
        }
    }

    fn value(&mut self, field: &str) -> String {
        self.made += 1;
        let n = self.made;
        match field {
            "email" => format!("edit{n}@example.net"),
            "phone" => format!("+61 2 {n:08}"),
            "website" => format!("https://www.edit{n}.example"),
            "first_name" => format!("Given{n}"),
            _ => format!("Name{n}"),
        }
    }

    fn note(&mut self, module: ModuleId, side: Side, id: &str, field: &'static str, value: String) {
        self.typed.entry((module, side, id.to_owned(), field)).or_default().push((self.made, value));
    }

    fn any<T>(&self, all: &[T]) -> usize {
        usize::try_from(self.entropy.below(all.len() as u64)).unwrap()
    }

    fn edit(&mut self, town: &Town) {
        let side = Side::BOTH[self.any(&Side::BOTH)];
        let contact = !self.entropy.chance(1, 8);
        let (module, fields) =
            if contact { (ModuleId::Contacts, &CONTACT[..]) } else { (ModuleId::Companies, &COMPANY[..]) };
        let field = fields[self.any(fields)];
        let (id, paired) = match (side, contact) {
            (Side::Ivvy, true) => {
                let all = town.ivvy.contacts();
                let one = &all[self.any(&all)];
                (one.id.to_string(), !one.external_id.is_empty())
            }
            (Side::Ivvy, false) => {
                let all = town.ivvy.companies();
                let one = &all[self.any(&all)];
                (one.id.to_string(), !one.external_id.is_empty())
            }
            (Side::Crm, _) => {
                let all = town.crm.records(if contact { "Contact" } else { "Account" }).unwrap();
                let one = &all[self.any(&all)];
                (one["Id"].as_str().unwrap().to_owned(), one["Ivvy_Id__c"].is_string())
            }
        };
        // Names and addresses say who somebody is until the two records name each other (V-11): whoever
        // is called otherwise before that is somebody else to everybody, and the oracle counts people.
        let field = if paired { field } else { fields[fields.len() - 1] };
        self.set(town, module, side, &id, field);
    }

    /// Two people change the same phone number at the same time.
    fn quarrel(&mut self, town: &Town) {
        let paired: Vec<_> = town.ivvy.contacts().into_iter().filter(|one| !one.external_id.is_empty()).collect();
        let contact = &paired[self.any(&paired)];
        self.set(town, ModuleId::Contacts, Side::Ivvy, &contact.id.to_string(), CONTACT[3]);
        self.set(town, ModuleId::Contacts, Side::Crm, &contact.external_id, CONTACT[3]);
    }

    fn set(
        &mut self,
        town: &Town,
        module: ModuleId,
        side: Side,
        id: &str,
        (field, on_ivvy, on_crm): (&'static str, &str, &str),
    ) {
        let value = self.value(field);
        match side {
            Side::Ivvy => {
                town.ivvy.edit(&Edit::update(module.singular(), id, json!({ on_ivvy: value }))).unwrap();
            }
            Side::Crm => town.crm.edit(object(module), id, json!({ on_crm: value })).unwrap(),
        }
        self.note(module, side, id, field, value);
    }

    fn create(&mut self, town: &Town) {
        let side = Side::BOTH[self.any(&Side::BOTH)];
        let module = if self.entropy.chance(1, 5) { ModuleId::Companies } else { ModuleId::Contacts };
        let fields = if module == ModuleId::Contacts { &CONTACT[..] } else { &COMPANY[..] };
        let mut body = serde_json::Map::new();
        let mut typed = Vec::new();
        for (field, on_ivvy, on_crm) in fields {
            let value = self.value(field);
            let name = if side == Side::Ivvy { on_ivvy } else { on_crm };
            body.insert((*name).to_owned(), Value::from(value.clone()));
            typed.push((*field, value));
        }
        let id = match side {
            Side::Ivvy => town.ivvy.edit(&Edit::create(module.singular(), Value::Object(body))).unwrap(),
            Side::Crm => {
                if module == ModuleId::Contacts && self.entropy.chance(1, 2) {
                    let firms = town.crm.records("Account").unwrap();
                    body.insert("AccountId".to_owned(), firms[self.any(&firms)]["Id"].clone());
                }
                town.crm.insert(object(module), Value::Object(body)).unwrap()
            }
        };
        self.created += 1;
        for (field, value) in typed {
            self.note(module, side, &id, field, value);
        }
    }
}

/// What Salesforce calls the module's records.
pub fn object(module: ModuleId) -> &'static str {
    match module {
        ModuleId::Contacts => "Contact",
        _ => "Account",
    }
}
