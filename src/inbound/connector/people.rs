//! Saving prospects and members (P-01 to P-05).
//!
//! Our id of a person follows from the sender's four ids, so that the same save can never make two, not even for a
//! store that was lost. A prospect who is saved as a member keeps it: the lead is converted into the contact of
//! the same id.

use bytes::Bytes;

use super::answer::{Refusal, our_id};
use super::{Desk, Named, Outcome};
use crate::model::{Fingerprint, MatchKind, ModuleId, RecordId, Shelved, Side, StreamKind, Timestamp};
use crate::remote::connector::{Kept, member_type};
use crate::store::{Reads as _, StoreError, Tx};
use crate::sync::resolve_told;

/// Longest value of a person's, in bytes.
const LONGEST: usize = 64 * 1024;
/// Most elements of a person's.
const MOST: usize = 200;

/// Which of the three calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// Creates or updates.
    Save,
    /// The person must be new.
    Create,
    /// The person must be known.
    Update,
}

/// A person as they were sent.
#[derive(Clone, Debug)]
struct Sent {
    named: Named,
    /// Our id of the person, where the sender says it knows one.
    ours: Option<RecordId>,
    person: Kept,
    /// Elements that were there and empty: what they held is gone.
    emptied: Vec<String>,
    member: bool,
    /// Whom they name as owner and where they came from, with the element that says so.
    links: Vec<(MatchKind, String, Option<RecordId>)>,
}

/// What became of a save.
enum Saved {
    /// It is on disk, under this id. The modules that have something new.
    As(RecordId, Vec<ModuleId>),
    Refused(Refusal),
}

impl Desk {
    /// A save, from its bytes to our id.
    pub(super) async fn save(&self, call: Call, body: Bytes) -> Outcome {
        let sent = self.read_person(&body)?;
        let (stream, now) = (self.stream(StreamKind::ConnectorPeople), self.clock.now());
        let write = move |tx: &mut Tx<'_>| {
            let mut state = tx.stream(&stream)?;
            let saved = take(tx, call, &sent, &mut state.unresolved, now)?;
            if let Saved::As(_, modules) = &saved {
                (state.payloads, state.records) = (state.payloads + 1, state.records + 1);
                state.repeated += u64::from(modules.is_empty());
                state.last_at = Some(now.max(state.last_at.unwrap_or(now)));
                tx.put_stream(&stream, &state)?;
            }
            Ok(saved)
        };
        match self.engine.store().write(write).await? {
            Saved::As(id, modules) => {
                self.told(&modules);
                Ok(our_id(id.as_str()))
            }
            Saved::Refused(refusal) => Err(refusal),
        }
    }

    fn read_person(&self, body: &[u8]) -> Result<Sent, Refusal> {
        let (user, named) = self.document(body, "user")?;
        let info = user.child("userInfo").ok_or_else(|| Refusal::validation("<userInfo> is missing"))?;
        if info.children.len() > MOST || info.children.iter().any(|element| element.text.len() > LONGEST) {
            return Err(Refusal::validation("<userInfo> holds too much"));
        }
        let mut person = Kept { told: true, ..Kept::of_info(info) };
        for name in ["firstname", "lastname", "userStatus", "userType"] {
            if person.value(name).is_empty() {
                return Err(Refusal::validation(format!("<{name}> is missing or empty")));
            }
        }
        if !["ACTIVE", "INACTIVE"].contains(&person.value("userStatus")) {
            return Err(Refusal::validation("<userStatus> is neither ACTIVE nor INACTIVE"));
        }
        // Staff among them: they are looked up, never saved (P-08).
        let member = member_type(person.value("userType"))
            .ok_or_else(|| Refusal::validation("<userType> is neither a prospect's nor a member's"))?;
        match member {
            true if !self.terms.members => return Err(Refusal::validation("members are no part of what was agreed")),
            false if !self.terms.prospects => {
                return Err(Refusal::validation("prospects are no part of what was agreed"));
            }
            _ => {}
        }
        let kinds =
            [(MatchKind::Staff, &self.terms.elements.owner), (MatchKind::LeadSource, &self.terms.elements.source)];
        let links = kinds.into_iter().filter_map(|(kind, element)| Some((kind, element.clone()?)));
        let links: Vec<_> = links
            .map(|(kind, element)| {
                let id = person.values.remove(&element).map(RecordId::from);
                (kind, element, id)
            })
            .collect();
        let emptied =
            info.children.iter().filter(|element| element.text.trim().is_empty() && element.children.is_empty());
        let emptied = emptied.map(|element| element.name.clone()).collect();
        let ours = user.child("extraProviderIDs").and_then(|ids| ids.text_of("ourID"));
        let ours = ours.filter(|id| !id.is_empty() && id.len() <= super::LONGEST_ID).map(RecordId::from);
        Ok(Sent { named, ours, person, emptied, member, links })
    }
}

/// Puts the person on the shelf, under the id that is theirs.
fn take(tx: &mut Tx<'_>, call: Call, sent: &Sent, unresolved: &mut u64, now: Timestamp) -> Result<Saved, StoreError> {
    let key = sent.named.key();
    // By the sender's own id; else by ours, unless another record of its bears that already.
    let find = |tx: &Tx<'_>, module: ModuleId| -> Result<Option<Shelved>, StoreError> {
        if let Some(row) = tx.shelved_by_key(module, Side::Crm, &key)? {
            return Ok(Some(row));
        }
        let Some(ours) = &sent.ours else { return Ok(None) };
        Ok(tx.shelved(module, Side::Crm, ours)?.filter(|row| row.key.is_none()))
    };
    let (lead, contact) = (find(tx, ModuleId::Leads)?, find(tx, ModuleId::Contacts)?);
    let known = contact.as_ref().or(lead.as_ref());
    if call == Call::Update && known.is_none() {
        return Ok(Saved::Refused(Refusal::unknown("nobody was saved under this recordID")));
    }
    let id = known
        .map_or_else(|| RecordId::from(format!("c-{}", Fingerprint::of_bytes(key.as_bytes()))), |row| row.id.clone());
    let before = known.and_then(|row| Kept::read(&row.body)).unwrap_or_default();
    let person = whole(tx, sent, &before, unresolved, now)?;
    if call == Call::Create && known.is_some() && person.values != before.values {
        return Ok(Saved::Refused(Refusal::known("somebody else was created under this recordID")));
    }
    let row = |module: ModuleId, kept: &Kept| Shelved {
        module,
        side: Side::Crm,
        id: id.clone(),
        key: Some(key.clone()),
        at: now,
        gone: false,
        body: kept.body(),
    };
    let mut rows = Vec::new();
    if sent.member {
        // First the contact, so that nobody sees a lead that was converted into nobody.
        rows.push(row(ModuleId::Contacts, &Kept { converted: false, ..person.clone() }));
        // The engine may know the person as a prospect that we saved there.
        if tx.shelved(ModuleId::Leads, Side::Crm, &id)?.is_some() {
            rows.push(row(ModuleId::Leads, &Kept { converted: true, ..person }));
        }
    } else {
        rows.push(row(ModuleId::Leads, &Kept { converted: false, ..person }));
    }
    let mut modules = Vec::new();
    for row in rows {
        if tx.shelve(&row, now)?.is_some() {
            modules.push(row.module);
        }
    }
    Ok(Saved::As(id, modules))
}

/// The person with everything that is known of them: an element that was not sent erases nothing; owner and
/// source are those that were sent, or none (C-13).
fn whole(
    tx: &mut Tx<'_>,
    sent: &Sent,
    before: &Kept,
    unresolved: &mut u64,
    now: Timestamp,
) -> Result<Kept, StoreError> {
    let mut person = Kept { uuid: before.uuid.clone(), ..sent.person.clone() };
    for (name, value) in &before.values {
        if !sent.emptied.contains(name) {
            person.values.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    for (kind, element, id) in &sent.links {
        person.values.remove(element);
        let Some(id) = id else { continue };
        match resolve_told(tx, *kind, Side::Crm, id, now)? {
            Some(there) => {
                person.values.insert(element.clone(), there.0);
            }
            None => *unresolved += 1,
        }
    }
    Ok(person)
}
