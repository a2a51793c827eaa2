//! Guests of an event whom iVvy names without saying which contact they are (V-60, V-67): who has their name
//! and e-mail there, if it is just one person.
//!
//! Nobody is guessed: where several have that name and address, or the person is among the event's people
//! anyway, a person decides. Once a guest has a counterpart, they stay who they were taken for.

use crate::merge::matching;
use crate::model::{LinkId, ModuleId, Record, RecordId, Side, Value};
use crate::store::{Reads, StoreError, Tx};

/// How many people of one name and address are looked at, and how many guests are woken by one person.
const ALIKE: usize = 8;
const WOKEN: usize = 1000;

const CONTACT: &str = "contact";

/// `view` with the contact of a guest who was named without one.
pub(in crate::sync) fn named(
    reads: &impl Reads,
    module: ModuleId,
    side: Side,
    mut view: Record,
    link: Option<LinkId>,
) -> Result<Record, StoreError> {
    if let Some(contact) = contact_of(reads, module, side, &view, link)? {
        view.fields.insert(CONTACT.to_owned(), contact);
    }
    Ok(view)
}

fn contact_of(
    reads: &impl Reads,
    module: ModuleId,
    side: Side,
    view: &Record,
    link: Option<LinkId>,
) -> Result<Option<Value>, StoreError> {
    let nameless = view.fields.get(CONTACT).is_none_or(Value::is_empty);
    if module != ModuleId::Attendees || side != Side::Ivvy || !nameless {
        return Ok(None);
    }
    if let Some(link) = link {
        let base = reads.base(link)?;
        return Ok(base.fields.get(CONTACT).and_then(|agreed| agreed.on(side)).cloned());
    }
    let Some(identity) = matching::identity(module, &view.fields) else {
        return Ok(None);
    };
    let mut alike = Vec::new();
    for id in reads.by_identity(ModuleId::Contacts, side, &identity, ALIKE)? {
        let known = reads.observation(ModuleId::Contacts, side, &id)?;
        if known.is_some_and(|known| !known.absent && !known.record.archived && !known.record.anonymised) {
            alike.push(id);
        }
    }
    let [only] = alike.as_slice() else {
        return Ok(None);
    };
    let event = view.fields.get("event").and_then(Value::as_text).unwrap_or_default();
    let listed = reads.observation(module, side, &RecordId(format!("{event}-{only}")))?;
    Ok(listed.is_none_or(|known| known.absent).then(|| Value::Text(only.0.clone())))
}

/// A person became known under this name and address: guests who have both are looked at again.
pub(in crate::sync) fn wake(tx: &mut Tx<'_>, module: ModuleId, side: Side, identity: &str) -> Result<(), StoreError> {
    if module != ModuleId::Contacts || side != Side::Ivvy {
        return Ok(());
    }
    for guest in tx.by_identity(ModuleId::Attendees, side, identity, WOKEN)? {
        tx.mark_dirty(ModuleId::Attendees, side, &guest)?;
    }
    Ok(())
}
