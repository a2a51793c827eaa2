//! Single records: read from S-360 where it may be asked, from the shelf where not; looked for by name; written.
//!
//! Whatever S-360 answers goes on the shelf before it is handed on, so that the shelf is never older than what
//! the engine knows. Nothing is written twice: a create looks for the very person first (S-24).

use serde_json::{Value as Json, json};

use super::client::{self, GET_CONTACT, GET_ORDER, Method, SAVE_PERSON, SAVE_STRUCTURE, SEARCH_CONTACT};
use super::listing::disk;
use super::{Place, S360, SYSTEM, contacts, fail, listing, orders, payload};
use crate::model::{Fields, ModuleId, Record, RecordId, Shelved, Side, Timestamp};
use crate::remote::exchange::failure;
use crate::remote::{Class, Read, RemoteError, Sent, WriteAck};

/// The parts of a contact that are read; the same that are usually posted (contract 2.2).
const DETAILS: [&str; 4] = ["GENERAL", "ADDRESSES", "AUTHORIZATIONS", "COM_MEANS"];
/// Contacts per page of a search.
const FOUND_PER_PAGE: usize = 100;
/// Pages of a search that are read. More people with one address than this are nobody's.
const MOST_PAGES: usize = 5;

/// The contact a record belongs to: who bought, or a relay's structure.
pub(super) fn parent(place: &Place, row: &Shelved) -> Option<RecordId> {
    let body: Json = serde_json::from_str(&row.body).ok()?;
    let number = match row.module {
        ModuleId::Orders => orders::purchaser(&body)?,
        ModuleId::Contacts => contacts::plain(body.get(contacts::STRUCTURE_NUMBER)?)?,
        _ => return None,
    };
    Some(payload::record_id(&place.code, &number))
}

impl S360 {
    /// A row of the shelf as a record.
    pub(super) fn record(&self, place: &Place, row: &Shelved) -> Result<Record, RemoteError> {
        let body: Json = serde_json::from_str(&row.body)
            .map_err(|_| fail("read the shelf", Class::Malformed, "a record on the shelf is not JSON"))?;
        let fields = match row.module {
            ModuleId::Orders => {
                let number = listing::split(&row.id).map_or("", |(_, number)| number);
                let mut fields = orders::fields(number, place.currency.as_deref(), &body);
                self.put_purchaser(place, &body, &mut fields)?;
                fields
            }
            module => contacts::fields(module, &place.code, &body),
        };
        Ok(Record { id: row.id.clone(), fields, modified: Some(row.at), archived: row.gone, ..Record::default() })
    }

    /// Who bought: a structure is the opportunity's company; so is the structure a relay belongs to. Of whom nothing
    /// is known yet is taken for a person.
    fn put_purchaser(&self, place: &Place, body: &Json, fields: &mut Fields) -> Result<(), RemoteError> {
        let Some(number) = orders::purchaser(body) else { return Ok(()) };
        let id = payload::record_id(&place.code, &number);
        let known = self.shelved_contact(&id)?;
        let name = match &known {
            Some(row) if row.module == ModuleId::Companies => "company",
            _ => "contact",
        };
        fields.insert(name.to_owned(), id.as_str().into());
        if let Some(company) = known.filter(|row| row.module == ModuleId::Contacts).and_then(|row| parent(place, &row))
        {
            fields.insert("company".to_owned(), company.as_str().into());
        }
        Ok(())
    }

    /// A contact on the shelf, whichever kind it is.
    pub(super) fn shelved_contact(&self, id: &RecordId) -> Result<Option<Shelved>, RemoteError> {
        for module in [ModuleId::Contacts, ModuleId::Companies] {
            if let Some(row) = self.shelved(module, id)? {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    fn shelved(&self, module: ModuleId, id: &RecordId) -> Result<Option<Shelved>, RemoteError> {
        self.shelf.get(module, id).map_err(|why| disk("read the shelf", &why))
    }

    /// One record, as fresh as can be.
    pub(super) async fn read(&self, module: ModuleId, id: &RecordId) -> Result<Read, RemoteError> {
        let Some((place, number)) = self.place(id).filter(|_| !super::held(module).is_empty()) else {
            return Ok(Read::Missing);
        };
        let row = match (&place.client, module) {
            (None, _) => self.shelved(module, id)?,
            (Some(_), ModuleId::Orders) => self.fetch_order(place, id, number).await?,
            (Some(_), _) => match self.fetch_contact(place, id).await? {
                Some(Fetched::Row(row)) => Some(row),
                Some(Fetched::Head(head)) => return Ok(Read::MergedInto(head)),
                None => None,
            },
        };
        let Some(row) = row.filter(|row| !row.gone && row.module == module) else { return Ok(Read::Missing) };
        // An order of before the first day is no business of ours, also if somebody looks at it (S-29).
        if module == ModuleId::Orders && !listing::takes_part(&self.since(module)?, place, &row) {
            return Ok(Read::Missing);
        }
        Ok(Read::Found(Box::new(self.record(place, &row)?)))
    }

    /// Asks for a contact. What it is decides in which module it is put on the shelf; `None` if there is none.
    pub(super) async fn fetch_contact(&self, place: &Place, id: &RecordId) -> Result<Option<Fetched>, RemoteError> {
        let Some((_, number)) = listing::split(id) else { return Ok(None) };
        let body = json!({"contactNumber": number, "details": DETAILS});
        let Some(told) = place.told(GET_CONTACT, &body, "contactData").await? else {
            self.forget_contact(id).await?;
            return Ok(None);
        };
        let found = payload::identify(crate::model::StreamKind::S360Contacts, &told);
        let (Ok(found), false) = (found, told.is_null()) else {
            return Err(place.fail(GET_CONTACT, Class::Malformed, "the answer is not a contact"));
        };
        let Some(module) = found.module else { return Ok(None) };
        let told_id = payload::record_id(&place.code, &found.number);
        let row = self.put(module, &told_id, told).await?;
        // It answers with the one that another was merged into.
        Ok(Some(if told_id == *id { Fetched::Row(row) } else { Fetched::Head(told_id) }))
    }

    async fn fetch_order(&self, place: &Place, id: &RecordId, number: &str) -> Result<Option<Shelved>, RemoteError> {
        // Ids are 64 bits; anything else was never S-360's.
        let Ok(order) = number.parse::<u64>() else { return Ok(None) };
        let Some(told) = place.told(GET_ORDER, &json!({"orderId": order}), "orderDetailsData").await? else {
            // What is past may be out of its reach, and was an order all the same.
            return self.shelved(ModuleId::Orders, id);
        };
        if payload::identify(crate::model::StreamKind::S360Orders, &told).map(|found| found.number).ok().as_deref()
            != Some(number)
        {
            return Err(place.fail(GET_ORDER, Class::Malformed, "the answer is about another order"));
        }
        self.put(ModuleId::Orders, id, told).await.map(Some)
    }

    /// Lays what was told over what is known, and puts it on the shelf.
    async fn put(&self, module: ModuleId, id: &RecordId, told: Json) -> Result<Shelved, RemoteError> {
        let known = self.shelved(module, id)?;
        let old = known.as_ref().and_then(|row| serde_json::from_str(&row.body).ok());
        let body = match old {
            Some(old) => payload::merge(old, told),
            None => told,
        };
        let row = Shelved {
            module,
            side: Side::Ivvy,
            id: id.clone(),
            key: known.and_then(|row| row.key),
            at: Timestamp::default(),
            gone: false,
            body: body.to_string(),
        };
        self.shelve(row).await
    }

    async fn shelve(&self, row: Shelved) -> Result<Shelved, RemoteError> {
        let at = self.shelf.put(row.clone()).await.map_err(|why| disk("write the shelf", &why))?;
        Ok(Shelved { at, ..row })
    }

    /// S-360 knows no such contact any more: deleted, or merged into one that it does not name.
    async fn forget_contact(&self, id: &RecordId) -> Result<(), RemoteError> {
        if let Some(row) = self.shelved_contact(id)?.filter(|row| !row.gone) {
            self.shelve(Shelved { gone: true, ..row }).await?;
        }
        Ok(())
    }

    /// Writes `patch`. The contact is read right before: lists are replaced as a whole there.
    pub(super) async fn change(
        &self,
        module: ModuleId,
        id: &RecordId,
        patch: &Fields,
    ) -> Result<WriteAck, RemoteError> {
        let method = save_method(module)?;
        let Some((place, number)) = self.place(id) else {
            return Err(fail(method.name, Class::Missing, "it belongs to no institution of this account"));
        };
        place.writable(method)?;
        let read = json!({"contactNumber": number, "details": DETAILS});
        let Some(known) = place.told(GET_CONTACT, &read, "contactData").await? else {
            return Err(place.fail(method, Class::Missing, "there is no such contact"));
        };
        let mut body = contacts::save(module, &place.code, Some(&known), patch).map_err(|why| place.no(method, why))?;
        if body.is_empty() {
            return Ok(WriteAck { id: id.clone(), created: Some(false) });
        }
        body.insert("contactNumber".to_owned(), json!(number));
        place.call(method, &Json::Object(body)).await?;
        Ok(WriteAck { id: id.clone(), created: Some(false) })
    }

    /// Creates a contact, unless exactly the same one is there: an earlier create whose answer was lost.
    pub(super) async fn make(&self, module: ModuleId, fields: &Fields) -> Result<WriteAck, RemoteError> {
        let method = save_method(module)?;
        let place = self.place_for(method, fields)?;
        let given: Fields = fields
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let body = contacts::save(module, &place.code, None, &given).map_err(|why| place.no(method, why))?;
        let twins = self.twins(module, place, method, &given).await?;
        match twins.as_slice() {
            [] => {}
            [one] => return Ok(WriteAck { id: payload::record_id(&place.code, one), created: Some(false) }),
            _ => {
                let why = ("email", "several in S-360 have exactly these names and this address; pair one by hand");
                return Err(place.no(method, why));
            }
        }
        let answer = place.call(method, &Json::Object(body)).await?;
        let Some(number) = answer.get("contactNumber").and_then(contacts::plain) else {
            return Err(place.lost(method, "the answer does not tell the new contact's number"));
        };
        Ok(WriteAck { id: payload::record_id(&place.code, &number), created: Some(true) })
    }

    /// The numbers of all that are exactly who is to be created.
    async fn twins(
        &self,
        module: ModuleId,
        place: &Place,
        method: Method,
        wanted: &Fields,
    ) -> Result<Vec<String>, RemoteError> {
        let Some(email) = wanted.get("email").and_then(|value| value.as_text()) else {
            // If its answer were lost, nothing could tell whether it is there.
            let why = ("email", "S-360 finds nobody without an e-mail address, so a create could not be proved");
            return Err(place.no(method, why));
        };
        let mut twins = Vec::new();
        for page in 0..MOST_PAGES {
            let search = json!({
                "criteria": {"email": email.trim()},
                "minIndex": page * FOUND_PER_PAGE,
                "nbMaxResults": FOUND_PER_PAGE,
            });
            let answer = place.call(SEARCH_CONTACT, &search).await?;
            let Some(found) = answer.get("contacts").and_then(Json::as_array) else {
                return Err(place.fail(SEARCH_CONTACT, Class::Malformed, "the answer has no list of contacts"));
            };
            let same = found.iter().filter(|body| contacts::is_same(module, body, wanted));
            twins.extend(same.filter_map(|body| body.get("contactNumber").and_then(contacts::plain)));
            if found.len() < FOUND_PER_PAGE {
                return Ok(twins);
            }
        }
        Err(place.no(method, ("email", "hundreds in S-360 share this address, so nobody can be told apart by it")))
    }

    /// Where a new contact goes: where its company is, or else to the only institution that is written to.
    fn place_for(&self, method: Method, fields: &Fields) -> Result<&Place, RemoteError> {
        let company = fields.get("company").and_then(|value| value.as_text()).map(RecordId::from);
        if let Some((place, _)) = company.as_ref().and_then(|company| self.place(company)) {
            return place.writable(method).map(|()| place);
        }
        let mut writable = self.places.values().filter(|place| place.client.is_some());
        match (writable.next(), writable.next()) {
            (Some(place), None) => Ok(place),
            (None, _) => {
                Err(rejected(method.name, "company", "no institution has an operator: nothing is written there"))
            }
            (Some(_), Some(_)) => {
                let why = "nothing tells which institution it belongs to; give it a company of one, or create it there";
                Err(rejected(method.name, "company", why))
            }
        }
    }
}

/// What S-360 answered about a contact.
#[derive(Debug)]
pub(super) enum Fetched {
    /// Itself, as it now lies on the shelf.
    Row(Shelved),
    /// Another: it was merged into that one.
    Head(RecordId),
}

fn save_method(module: ModuleId) -> Result<Method, RemoteError> {
    match module {
        ModuleId::Contacts => Ok(SAVE_PERSON),
        ModuleId::Companies => Ok(SAVE_STRUCTURE),
        _ => Err(fail("write", Class::Unsupported, "nothing but contacts is written to S-360")),
    }
}

fn rejected(action: &str, field: &str, why: &str) -> RemoteError {
    let error = failure(SYSTEM, action, Class::Rejected, Sent::No, why);
    RemoteError { details: vec![format!("{field}: {why}")], ..error }
}

impl Place {
    /// # Errors
    /// Nothing is written to an institution we only receive from.
    fn writable(&self, method: Method) -> Result<(), RemoteError> {
        if self.client.is_some() {
            return Ok(());
        }
        let why = format!("institution {} is receive-only: it has no operator, so nothing is written there", self.code);
        Err(self.fail(method, Class::Rejected, &why))
    }

    async fn call(&self, method: Method, body: &Json) -> Result<serde_json::Map<String, Json>, RemoteError> {
        match &self.client {
            Some(client) => client.call(method, body).await.map(|answer| answer.content),
            None => Err(self.fail(method, Class::Unsupported, "the institution has no operator")),
        }
    }

    /// The answer's member `name`; `None` if S-360 knows no such record.
    async fn told(&self, method: Method, body: &Json, name: &str) -> Result<Option<Json>, RemoteError> {
        match self.call(method, body).await {
            Ok(mut answer) => match answer.shift_remove(name) {
                Some(told) => Ok(Some(told)),
                None => Err(self.fail(method, Class::Malformed, &format!("the answer has no {name}"))),
            },
            Err(error) if error.class == Class::Missing => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn fail(&self, method: Method, class: Class, why: &str) -> RemoteError {
        failure(SYSTEM, &client::action(&self.code, method), class, Sent::No, why)
    }

    /// A write that was done, with an answer that does not tell what.
    fn lost(&self, method: Method, why: &str) -> RemoteError {
        RemoteError { sent: Sent::Maybe, ..self.fail(method, Class::Malformed, why) }
    }

    fn no(&self, method: Method, (field, why): contacts::Refused) -> RemoteError {
        rejected(&client::action(&self.code, method), field, why)
    }
}
