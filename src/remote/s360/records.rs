//! Single records: read from S-360 where it may be asked, from the shelf where not; looked for by name; written.
//!
//! Whatever S-360 answers goes on the shelf before it is handed on, so that the shelf is never older than what
//! the engine knows; what is posted meanwhile stands. Nothing is written twice: a create looks for the very person
//! first (S-24), and takes nobody for it whom it did not make itself.

use serde_json::{Value as Json, json};

use super::client::{self, GET_CONTACT, GET_ORDER, Method, SAVE_PERSON, SAVE_STRUCTURE, SEARCH_CONTACT};
use super::contacts::Alike;
use super::listing::disk;
use super::{Place, S360, SYSTEM, bookings, contacts, fail, listing, orders, payload};
use crate::model::{Fields, ModuleId, Record, RecordId, Shelved, Side, Timestamp};
use crate::remote::exchange::failure;
use crate::remote::{Class, Read, RemoteError, Sent, WriteAck};

/// The parts of a contact that are read; the same that are usually posted (contract 2.2).
const DETAILS: [&str; 4] = ["GENERAL", "ADDRESSES", "AUTHORIZATIONS", "COM_MEANS"];
/// Contacts per page of a search.
const FOUND_PER_PAGE: usize = 100;
/// Pages of a search that are read. More people with one address than this are nobody's.
const MOST_PAGES: usize = 5;
/// Contacts of one search that are read because the search does not tell enough of them.
const MOST_ASKED: usize = 10;
/// How often a row is laid over what was posted meanwhile.
const MOST_PUTS: usize = 8;
/// Longest chain of merges that is followed.
const LONGEST_CHAIN: usize = 8;
/// Our own member on the row of a contact that is gone: the number it was merged into.
const MERGED_INTO: &str = "tandemMergedInto";
const CANNOT_TELL: contacts::Refused = (
    "email",
    "S-360 has somebody with this address and does not tell enough to say who; look there, and pair or create by hand",
);

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
        let mut version = None;
        let fields = match row.module {
            ModuleId::Orders => {
                let number = listing::split(&row.id).map_or("", |(_, number)| number);
                let mut fields = orders::fields(number, place.currency.as_deref(), &body);
                self.put_purchaser(place, &body, &mut fields)?;
                version = bookings::show(&self.reference, &body, &mut fields);
                fields
            }
            module => {
                let mut fields = contacts::fields(module, &place.code, &body);
                if let Some(company) = fields.get("company").and_then(|value| value.as_text()).map(RecordId::from) {
                    fields.insert("company".to_owned(), self.head(company)?.0.as_str().into());
                }
                fields
            }
        };
        let (id, modified) = (row.id.clone(), Some(row.at));
        Ok(Record { id, fields, modified, version, archived: row.gone, ..Record::default() })
    }

    /// Who bought: a structure is the opportunity's company; so is the structure a relay belongs to. Of whom nothing
    /// is known yet is taken for a person.
    fn put_purchaser(&self, place: &Place, body: &Json, fields: &mut Fields) -> Result<(), RemoteError> {
        let Some(number) = orders::purchaser(body) else { return Ok(()) };
        let (id, known) = self.head(payload::record_id(&place.code, &number))?;
        let name = match &known {
            Some(row) if row.module == ModuleId::Companies => "company",
            _ => "contact",
        };
        fields.insert(name.to_owned(), id.as_str().into());
        if let Some(company) = known.filter(|row| row.module == ModuleId::Contacts).and_then(|row| parent(place, &row))
        {
            fields.insert("company".to_owned(), self.head(company)?.0.as_str().into());
        }
        Ok(())
    }

    /// The contact that `id` was merged into, as far as the shelf tells, or itself; and what lies there of it.
    pub(super) fn head(&self, id: RecordId) -> Result<(RecordId, Option<Shelved>), RemoteError> {
        let mut id = id;
        let mut known = self.shelved_contact(&id)?;
        for _ in 0..LONGEST_CHAIN {
            let Some(next) = known.as_ref().and_then(merged_into) else { break };
            known = self.shelved_contact(&next)?;
            id = next;
        }
        Ok((id, known))
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

    pub(super) fn shelved(&self, module: ModuleId, id: &RecordId) -> Result<Option<Shelved>, RemoteError> {
        self.shelf.get(module, id).map_err(|why| disk("read the shelf", &why))
    }

    /// One record, as fresh as can be. That it takes no part is no proof of anything, least of all that it is gone.
    pub(super) async fn read(&self, module: ModuleId, id: &RecordId) -> Result<Read, RemoteError> {
        if super::held(module).is_empty() {
            return Err(fail("read", Class::Unsupported, "S-360 has no such records"));
        }
        let Some((place, number)) = self.place(id) else {
            return Err(fail("read", Class::Unsupported, "it belongs to no institution of this account"));
        };
        let since = self.since(module)?;
        if !since.contains_key(&place.code) {
            return Err(fail("read", Class::Unsupported, &place.not_begun()));
        }
        let row = match (&place.client, module) {
            (None, _) => self.shelved(module, id)?,
            (Some(_), ModuleId::Orders) => self.fetch_order(place, id, number).await?,
            (Some(_), _) => match self.fetch_contact(place, id).await {
                Ok(Some(Fetched::Row(row))) => Some(row),
                Ok(Some(Fetched::Head(head))) => return Ok(Read::MergedInto(head)),
                Ok(None) => None,
                // S-360 itself said once that it is gone, and has posted nothing since.
                Err(error) => Some(self.shelved(module, id)?.filter(|row| row.gone).ok_or(error)?),
            },
        };
        if let Some(head) = row.as_ref().and_then(merged_into) {
            return Ok(Read::MergedInto(head));
        }
        let Some(row) = row.filter(|row| !row.gone && row.module == module) else { return Ok(Read::Missing) };
        // An order of before the first day is no business of ours, also if somebody looks at it (S-29).
        if module == ModuleId::Orders && !listing::takes_part(&since, place, &row) {
            return Err(fail("read", Class::Unsupported, "the order was made before the day of the first sync"));
        }
        Ok(Read::Found(Box::new(self.record(place, &row)?)))
    }

    /// Asks for a contact. What it is decides in which module it is put on the shelf; `None` if there is none.
    pub(super) async fn fetch_contact(&self, place: &Place, id: &RecordId) -> Result<Option<Fetched>, RemoteError> {
        let Some((_, number)) = listing::split(id) else { return Ok(None) };
        // What is posted while the answer is under way is newer than the answer.
        let before = [self.shelved(ModuleId::Contacts, id)?, self.shelved(ModuleId::Companies, id)?];
        let body = json!({"contactNumber": number, "details": DETAILS});
        let Some(told) = place.told(GET_CONTACT, &body, "contactData").await? else {
            return self.forget_contact(id, before.into_iter().flatten().next()).await;
        };
        let found = payload::identify(crate::model::StreamKind::S360Contacts, &told);
        let (Ok(found), false) = (found, told.is_null()) else {
            return Err(place.fail(GET_CONTACT, Class::Malformed, "the answer is not a contact"));
        };
        let Some(module) = found.module else { return Ok(None) };
        let told_id = payload::record_id(&place.code, &found.number);
        if told_id == *id {
            let before = before.into_iter().flatten().find(|row| row.module == module);
            return self.put(module, id, told, before).await.map(|row| Some(Fetched::Row(row)));
        }
        // It answers with the one that another was merged into. What is known of that one may be newer.
        if self.shelved(module, &told_id)?.is_none() {
            self.put(module, &told_id, told, None).await?;
        }
        self.bury(module, id, &found.number, before.into_iter().flatten().next()).await?;
        Ok(Some(Fetched::Head(told_id)))
    }

    /// Notes that a contact was merged into the one with the number `head`, unless it was posted again since.
    async fn bury(
        &self,
        module: ModuleId,
        id: &RecordId,
        head: &str,
        before: Option<Shelved>,
    ) -> Result<(), RemoteError> {
        let known_at = before.as_ref().map(|row| row.at);
        let mut row = before.unwrap_or_else(|| Shelved {
            module,
            side: Side::Ivvy,
            id: id.clone(),
            key: None,
            at: Timestamp::default(),
            gone: true,
            body: "{}".to_owned(),
        });
        let mut body: Json = serde_json::from_str(&row.body).unwrap_or_default();
        if let Some(members) = body.as_object_mut() {
            members.insert(MERGED_INTO.to_owned(), json!(head));
        }
        (row.gone, row.body) = (true, body.to_string());
        self.shelve(row, known_at).await.map(drop)
    }

    async fn fetch_order(&self, place: &Place, id: &RecordId, number: &str) -> Result<Option<Shelved>, RemoteError> {
        // Ids are 64 bits; anything else was never S-360's.
        let Ok(order) = number.parse::<u64>() else { return Ok(None) };
        let before = self.shelved(ModuleId::Orders, id)?;
        let Some(told) = place.told(GET_ORDER, &json!({"orderId": order}), "orderDetailsData").await? else {
            // What is past may be out of its reach, and was an order all the same.
            return self.shelved(ModuleId::Orders, id);
        };
        if payload::identify(crate::model::StreamKind::S360Orders, &told).map(|found| found.number).ok().as_deref()
            != Some(number)
        {
            return Err(place.fail(GET_ORDER, Class::Malformed, "the answer is about another order"));
        }
        self.put(ModuleId::Orders, id, told, before).await.map(Some)
    }

    /// Lays what was told over what is known, and puts it on the shelf. `before` is what was known when it was asked
    /// for: whatever was posted since stays.
    pub(super) async fn put(
        &self,
        module: ModuleId,
        id: &RecordId,
        told: Json,
        before: Option<Shelved>,
    ) -> Result<Shelved, RemoteError> {
        for _ in 0..MOST_PUTS {
            let now = self.shelved(module, id)?;
            let moved = now.as_ref().map(|row| row.at) != before.as_ref().map(|row| row.at);
            let parse = |row: &Option<Shelved>| {
                row.as_ref().and_then(|row| serde_json::from_str::<Json>(&row.body).ok()).unwrap_or_default()
            };
            let posted = parse(&now);
            let mut body = if posted.is_object() { payload::merge(posted.clone(), told.clone()) } else { told.clone() };
            if let (true, Json::Object(posted), Json::Object(body)) = (moved, posted, &mut body) {
                let old = parse(&before);
                body.extend(posted.into_iter().filter(|(name, value)| old.get(name) != Some(value)));
            }
            let row = Shelved {
                module,
                side: Side::Ivvy,
                id: id.clone(),
                key: now.as_ref().and_then(|row| row.key.clone()),
                at: Timestamp::default(),
                gone: moved && now.as_ref().is_some_and(|row| row.gone),
                body: body.to_string(),
            };
            if let Some(row) = self.shelve(row, now.map(|row| row.at)).await? {
                return Ok(row);
            }
        }
        Err(fail("write the shelf", Class::Throttled, "a record is posted faster than it can be read"))
    }

    /// Puts a row, unless the one there has moved since `known_at`.
    async fn shelve(&self, row: Shelved, known_at: Option<Timestamp>) -> Result<Option<Shelved>, RemoteError> {
        let at = self.shelf.put_if(row.clone(), known_at).await.map_err(|why| disk("write the shelf", &why))?;
        Ok(at.map(|at| Shelved { at, ..row }))
    }

    /// S-360 knows no such contact any more: deleted, or merged into one that it does not name. What was posted since
    /// it was asked for stands.
    async fn forget_contact(&self, id: &RecordId, before: Option<Shelved>) -> Result<Option<Fetched>, RemoteError> {
        let known_at = before.as_ref().map(|row| row.at);
        if let Some(row) = before.filter(|row| !row.gone) {
            self.shelve(Shelved { gone: true, ..row }, known_at).await?;
        }
        Ok(self.shelved_contact(id)?.filter(|row| !row.gone).map(Fetched::Row))
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
        self.begun(module, place, method)?;
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

    /// # Errors
    /// Nothing is written to an institution before somebody has said from which day on it takes part (S-28).
    pub(super) fn begun(&self, module: ModuleId, place: &Place, method: Method) -> Result<(), RemoteError> {
        if self.since(module)?.contains_key(&place.code) {
            return Ok(());
        }
        Err(place.fail(method, Class::Rejected, &place.not_begun()))
    }

    /// Creates a contact. One that is there already is not taken for it: what it holds nobody here has seen.
    pub(super) async fn make(&self, module: ModuleId, fields: &Fields) -> Result<WriteAck, RemoteError> {
        let method = save_method(module)?;
        let place = self.place_for(method, fields)?;
        self.begun(module, place, method)?;
        let given = given(fields);
        let body = contacts::save(module, &place.code, None, &given).map_err(|why| place.no(method, why))?;
        if let Some(number) = self.twin(module, place, method, &given).await? {
            let why = format!(
                "S-360 has somebody just like this, number {number}: pair the two, or wait until S-360 posts that one"
            );
            return Err(place.fail(method, Class::Rejected, &why));
        }
        let answer = place.call(method, &Json::Object(body)).await?;
        let Some(number) = answer.get("contactNumber").and_then(contacts::plain) else {
            return Err(place.lost(method, "the answer does not tell the new contact's number"));
        };
        Ok(WriteAck { id: payload::record_id(&place.code, &number), created: Some(true) })
    }

    /// Whom a create with these fields would have made, if it was made.
    pub(super) async fn made(&self, module: ModuleId, fields: &Fields) -> Result<Option<Vec<Record>>, RemoteError> {
        let Ok(method) = save_method(module) else { return Ok(None) };
        let place = self.place_for(method, fields)?;
        let Some(number) = self.twin(module, place, method, &given(fields)).await? else { return Ok(Some(Vec::new())) };
        match self.fetch_contact(place, &payload::record_id(&place.code, &number)).await? {
            Some(Fetched::Row(row)) => Ok(Some(vec![self.record(place, &row)?])),
            _ => Ok(Some(Vec::new())),
        }
    }

    /// The number of the one who is just like who is to be created.
    async fn twin(
        &self,
        module: ModuleId,
        place: &Place,
        method: Method,
        wanted: &Fields,
    ) -> Result<Option<String>, RemoteError> {
        let Some(email) = wanted.get("email").and_then(|value| value.as_text()) else {
            // If its answer were lost, nothing could tell whether it is there.
            let why = ("email", "S-360 finds nobody without an e-mail address, so a create could not be proved");
            return Err(place.no(method, why));
        };
        let mut twin = None;
        let mut asked = 0;
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
            for body in found {
                let Some(number) = body.get("contactNumber").and_then(contacts::plain) else {
                    return Err(place.no(method, CANNOT_TELL));
                };
                let mut alike = contacts::alike(module, body, wanted);
                if alike == Alike::Unknown && asked < MOST_ASKED {
                    asked += 1;
                    let whole = json!({"contactNumber": number, "details": DETAILS});
                    let whole = place.told(GET_CONTACT, &whole, "contactData").await?;
                    alike = whole.map_or(Alike::Other, |body| contacts::alike(module, &body, wanted));
                }
                match alike {
                    Alike::Other => {}
                    Alike::Unknown => return Err(place.no(method, CANNOT_TELL)),
                    Alike::Same if twin.is_none() => twin = Some(number),
                    Alike::Same => {
                        let why = "several in S-360 have exactly these names and this address; pair one by hand";
                        return Err(place.no(method, ("email", why)));
                    }
                }
            }
            if found.len() < FOUND_PER_PAGE {
                return Ok(twin);
            }
        }
        Err(place.no(method, ("email", "hundreds in S-360 share this address, so nobody can be told apart by it")))
    }

    /// Where a new contact goes: where its company is, or else to the only institution that is written to.
    pub(super) fn place_for(&self, method: Method, fields: &Fields) -> Result<&Place, RemoteError> {
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

/// The fields of a create that hold anything.
fn given(fields: &Fields) -> Fields {
    let held = fields.iter().filter(|(_, value)| !value.is_empty());
    held.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The contact that the one of this row was merged into. Only what we noted ourselves counts: S-360's own rows are
/// never gone when they are posted.
fn merged_into(row: &Shelved) -> Option<RecordId> {
    if !row.gone {
        return None;
    }
    let body: Json = serde_json::from_str(&row.body).ok()?;
    let (code, _) = listing::split(&row.id)?;
    Some(payload::record_id(code, &contacts::plain(body.get(MERGED_INTO)?)?))
}

pub(super) fn save_method(module: ModuleId) -> Result<Method, RemoteError> {
    match module {
        ModuleId::Contacts => Ok(SAVE_PERSON),
        ModuleId::Companies => Ok(SAVE_STRUCTURE),
        _ => Err(fail("write", Class::Unsupported, "nothing but contacts is written to S-360")),
    }
}

pub(super) fn rejected(action: &str, field: &str, why: &str) -> RemoteError {
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

    fn not_begun(&self) -> String {
        format!("institution {} takes no part before the day of its first sync is set; set it first", self.code)
    }

    pub(super) async fn call(&self, method: Method, body: &Json) -> Result<serde_json::Map<String, Json>, RemoteError> {
        match &self.client {
            Some(client) => client.call(method, body).await.map(|answer| answer.content),
            None => Err(self.fail(method, Class::Unsupported, "the institution has no operator")),
        }
    }

    /// The answer's member `name`; `None` if S-360 knows no such record.
    pub(super) async fn told(&self, method: Method, body: &Json, name: &str) -> Result<Option<Json>, RemoteError> {
        match self.call(method, body).await {
            Ok(mut answer) => match answer.shift_remove(name) {
                Some(told) => Ok(Some(told)),
                None => Err(self.fail(method, Class::Malformed, &format!("the answer has no {name}"))),
            },
            Err(error) if error.class == Class::Missing => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn fail(&self, method: Method, class: Class, why: &str) -> RemoteError {
        failure(SYSTEM, &client::action(&self.code, method), class, Sent::No, why)
    }

    /// A write that was done, with an answer that does not tell what.
    pub(super) fn lost(&self, method: Method, why: &str) -> RemoteError {
        RemoteError { sent: Sent::Maybe, ..self.fail(method, Class::Malformed, why) }
    }

    pub(super) fn no(&self, method: Method, (field, why): contacts::Refused) -> RemoteError {
        rejected(&client::action(&self.code, method), field, why)
    }
}
