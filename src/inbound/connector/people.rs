//! Saving prospects and members (P-01 to P-05).
//!
//! Our id of a person follows from the sender's four ids, so that the same save can never make two, not even for a
//! store that was lost. A person of ours whom the sender names, by our id or by the id it answered, stays that one. A prospect who is saved as a member keeps it: the lead is converted into the contact of
//! the same id.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::answer::{Refusal, our_id};
use super::{Desk, Named, Outcome};
use crate::model::{Fingerprint, MatchKind, ModuleId, RecordId, Shelved, Side, StreamKind, Timestamp};
use crate::remote::connector::{HUB, Kept, member_type};
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
    /// As a save: an answer that was lost must not leave the sender without our id.
    Create,
    /// The person must be known.
    Update,
}

/// A person as they were sent.
#[derive(Clone, Debug)]
struct Sent {
    named: Named,
    /// The sender's own name of the person; none where it names them by our id.
    key: Option<String>,
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
                state.went_through(now);
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
        // Under our own name its recordID is our id (contract 1.2).
        let (key, ours) = match named.provider == self.terms.provider {
            true => (None, Some(RecordId::from(named.record.as_str()))),
            false => (Some(named.key()), ours),
        };
        Ok(Sent { named, key, ours, person, emptied, member, links })
    }
}

/// Puts the person on the shelf, under the id that is theirs.
fn take(tx: &mut Tx<'_>, call: Call, sent: &Sent, unresolved: &mut u64, now: Timestamp) -> Result<Saved, StoreError> {
    let (id, known) = who(tx, sent)?;
    if call == Call::Update && known.is_none() {
        return Ok(Saved::Refused(Refusal::unknown("nobody was saved under this recordID")));
    }
    let before = known.and_then(|row| Kept::read(&row.body)).unwrap_or_default();
    let person = whole(tx, sent, &before, unresolved, now)?;
    // A name that another record bears already stays where it is.
    let mut keys = BTreeMap::new();
    for module in [ModuleId::Leads, ModuleId::Contacts] {
        if let Some(key) = &sent.key
            && tx.shelved_by_key(module, Side::Crm, key)?.is_none_or(|bearer| bearer.id == id)
        {
            keys.insert(module, key.clone());
        }
    }
    let row = |module: ModuleId, kept: &Kept| Shelved {
        module,
        side: Side::Crm,
        id: id.clone(),
        key: keys.get(&module).cloned(),
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

/// Our id of the person who was sent, and the newest that is known of them: by the sender's own id; else by ours,
/// unless another record of the sender's bears it. Whoever is new gets the id the sender knows as ours, or one that
/// follows from its own.
fn who(tx: &Tx<'_>, sent: &Sent) -> Result<(RecordId, Option<Shelved>), StoreError> {
    // The module it was saved as comes first, should its name ever have come to two records.
    let modules = match sent.member {
        true => [ModuleId::Contacts, ModuleId::Leads],
        false => [ModuleId::Leads, ModuleId::Contacts],
    };
    let newest = |tx: &Tx<'_>, id: &RecordId| -> Result<Option<Shelved>, StoreError> {
        let mut rows = Vec::new();
        for module in modules {
            rows.extend(tx.shelved(module, Side::Crm, id)?);
        }
        Ok(rows.into_iter().max_by_key(|row| row.at))
    };
    if let Some(key) = &sent.key {
        for module in modules {
            if let Some(row) = tx.shelved_by_key(module, Side::Crm, key)? {
                let known = newest(tx, &row.id)?;
                return Ok((row.id, known));
            }
        }
    }
    if let Some(ours) = &sent.ours {
        let mut anothers = false;
        for module in modules {
            let bearer = tx.shelved(module, Side::Crm, ours)?;
            // Its own id, as it answered a save of ours, is a name that it may replace.
            anothers |= sent.key.is_some()
                && bearer.is_some_and(|row| {
                    let uuid = Kept::read(&row.body).and_then(|kept| kept.uuid);
                    row.key.is_some_and(|key| uuid.is_none_or(|uuid| key != sent.named.with(HUB, &uuid).key()))
                });
        }
        if !anothers {
            return Ok((ours.clone(), newest(tx, ours)?));
        }
    }
    Ok((RecordId::from(format!("c-{}", Fingerprint::of_bytes(sent.named.key().as_bytes()))), None))
}

/// The person with everything that is known of them: an element that was not sent erases nothing, owner and source
/// included. One who is nobody we know stays as sent, and matches nobody (C-13).
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
        let Some(id) = id else { continue };
        if let Some(there) = resolve_told(tx, *kind, Side::Crm, id, now)? {
            person.values.insert(element.clone(), there.0);
            continue;
        }
        *unresolved += 1;
        // Unless it would be read as somebody of its own who happens to have this id.
        if tx.match_row(*kind, Side::Crm, id)?.is_none() {
            person.values.insert(element.clone(), id.0.clone());
        }
    }
    Ok(person)
}
