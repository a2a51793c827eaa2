//! Entries of a match table that a system tells us of because it cannot be listed: the sources it defines with us,
//! and the people and sources of ours it names. They are kept beside the rows, so that its adapter can list
//! them as any other would.
//!
//! Being told is no reason to create staff, and no name that is told is ever pushed anywhere (P-07, P-09).

use std::time::Duration;

use super::{Listed, list, record, store_changes};
use crate::merge::matching::fold;
use crate::merge::people;
use crate::model::matching::{Entry, MatchRow};
use crate::model::{Actor, Fingerprint, MatchKind, RecordId, Side, Timestamp};
use crate::remote::Lane;
use crate::store::{Reads, StoreError, Tx};
use crate::sync::Engine;

/// A listing this young is not asked for again: a system that looks its people up one by one asks each time.
const FRESH: Duration = Duration::from_secs(10);

fn meta_key(kind: MatchKind, side: Side) -> String {
    format!("told {kind} {}", side as u8)
}

/// What `side` has told of `kind`, in the order it was first told.
///
/// # Errors
/// The store fails, or does not hold what was written.
pub fn told_entries(reads: &impl Reads, kind: MatchKind, side: Side) -> Result<Vec<Entry>, StoreError> {
    match reads.meta(&meta_key(kind, side))? {
        Some(bytes) => serde_json::from_slice(&bytes).map_err(|_| StoreError::corrupt("told entries cannot be read")),
        None => Ok(Vec::new()),
    }
}

/// Takes note of an entry of `side`, new or changed, and matches the table anew. Returns whether it said anything
/// new.
///
/// # Errors
/// The store fails.
pub fn tell_entry(
    tx: &mut Tx<'_>,
    kind: MatchKind,
    side: Side,
    entry: &Entry,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut told = told_entries(tx, kind, side)?;
    match told.iter_mut().find(|known| known.id == entry.id) {
        Some(known) if known == entry => return Ok(false),
        Some(known) => known.clone_from(entry),
        None => told.push(entry.clone()),
    }
    // Invariant: entries serialise without error.
    tx.put_meta(&meta_key(kind, side), &serde_json::to_vec(&told).unwrap_or_default())?;
    let before = tx.match_table(kind)?;
    let mut rows = before.clone();
    let entry = super::capped(entry.clone());
    match rows.iter_mut().find(|row| row.side == side && row.id == entry.id) {
        Some(row) => {
            (row.name, row.email, row.active) = (entry.name, entry.email, entry.active);
            row.gone = false;
        }
        None => rows.push(MatchRow::new(kind, side, &entry, now)),
    }
    let [ivvy, crm] = Side::BOTH.map(|side| people::entries_of(&rows, side));
    let after = people::rematch(kind, &ivvy, &crm, &rows, now);
    store_changes(tx, kind, &before, &after, &Actor::engine(), "told")?;
    Ok(true)
}

/// A lead source that `side` defines with us under a name of its own, `key`: an id for it, the same one for the same
/// key and for the same name without regard to case, however often it is defined (C-19, C-21).
///
/// # Errors
/// The store fails.
pub fn define_source(
    tx: &mut Tx<'_>,
    side: Side,
    key: &str,
    name: &str,
    active: bool,
    now: Timestamp,
) -> Result<RecordId, StoreError> {
    let kind = MatchKind::LeadSource;
    let meta = format!("defined {kind} {} {}", side as u8, Fingerprint::of_bytes(key.as_bytes()));
    if let Some(known) = tx.meta(&meta)? {
        return Ok(RecordId::from(String::from_utf8_lossy(&known).as_ref()));
    }
    let (folded, table) = (fold(name), tx.match_table(kind)?);
    let id = match (people::named(&table, side, &folded).first(), people::named(&table, side.other(), &folded).first())
    {
        (Some(told), _) => told.id.clone(),
        (None, Some(ours)) => ours.other.clone().unwrap_or_else(|| ours.id.clone()),
        // Follows from the name, so that a lost store does not make another one of it.
        (None, None) => RecordId::from(format!("s-{}", Fingerprint::of_bytes(folded.as_bytes()))),
    };
    if told_entries(tx, kind, side)?.iter().all(|entry| entry.id != id) {
        let entry = Entry { id: id.clone(), name: name.trim().to_owned(), email: None, active };
        tell_entry(tx, kind, side, &entry, now)?;
    }
    tx.put_meta(&meta, id.as_str().as_bytes())?;
    Ok(id)
}

/// The entry of `side` that a record of `side` names by `id`, which may be an id of the other side's: a system that
/// looks our entries up names them so. What it names is taken note of. `None` if nobody knows it.
///
/// # Errors
/// The store fails.
pub fn resolve_told(
    tx: &mut Tx<'_>,
    kind: MatchKind,
    side: Side,
    id: &RecordId,
    now: Timestamp,
) -> Result<Option<RecordId>, StoreError> {
    let ours = tx.match_row(kind, side.other(), id)?.filter(|row| !row.gone);
    match (tx.match_row(kind, side, id)?, ours) {
        (None, None) => return Ok(None),
        // One of its own.
        (Some(_), None) => {}
        (None, Some(MatchRow { other: Some(other), .. })) => return Ok(Some(other)),
        // Named before: name and address are ours, as they are now.
        (_, Some(ours)) => drop(tell_entry(tx, kind, side, &Entry { active: true, ..ours.entry() }, now)?),
    }
    Ok(Some(id.clone()))
}

impl Engine {
    /// What `side` lists of `kind`, asked for anew unless that was done a moment ago; what is known of it if it
    /// cannot be asked now. `None` if nothing ever was.
    ///
    /// # Errors
    /// The store fails.
    pub async fn listed(&self, kind: MatchKind, side: Side) -> Result<Option<Vec<Entry>>, StoreError> {
        let core = self.core();
        let last = core.matching.of(kind).listed_at[side as usize];
        let mut heard = last.is_some();
        if last.is_none_or(|last| core.now().since(last) > FRESH) {
            let listed: Option<Listed> = list(&core, kind, side, Lane::Live, false).await?;
            heard |= listed.is_some();
            if let Some(listed) = listed {
                record(&core, kind, vec![listed], None).await?;
                core.signals.plan.notify_one();
            }
        }
        let rows = core.store.read(|view| view.match_table(kind))?;
        let rows: Vec<Entry> = rows.iter().filter(|row| row.side == side && !row.gone).map(MatchRow::entry).collect();
        Ok((heard || !rows.is_empty()).then_some(rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MatchState;
    use crate::store::{Options, Store};

    const KIND: MatchKind = MatchKind::LeadSource;

    fn store(ivvy: &[(&str, &str)]) -> Store {
        let store = Store::open_backend(redb::backends::InMemoryBackend::new(), Options::default()).unwrap();
        let row = |(id, name): &(&str, &str)| {
            let entry = Entry { id: (*id).into(), name: (*name).to_owned(), email: None, active: true };
            MatchRow::new(KIND, Side::Ivvy, &entry, Timestamp::from_secs(1))
        };
        let rows: Vec<MatchRow> = ivvy.iter().map(row).collect();
        store.write_blocking(move |tx| tx.put_match_rows(&rows)).unwrap();
        store
    }

    fn define(store: &Store, key: &str, name: &str) -> String {
        let (key, name) = (key.to_owned(), name.to_owned());
        let now = Timestamp::from_secs(5);
        store.write_blocking(move |tx| define_source(tx, Side::Crm, &key, &name, true, now)).unwrap().0
    }

    fn resolve(store: &Store, id: &str) -> Option<String> {
        let (id, now) = (RecordId::from(id), Timestamp::from_secs(6));
        store.write_blocking(move |tx| resolve_told(tx, KIND, Side::Crm, &id, now)).unwrap().map(|id| id.0)
    }

    #[test]
    fn a_source_is_one_by_its_key_and_by_its_name_and_a_lost_store_makes_no_other_c19_c21() {
        let store = store(&[("7", "Fair")]);
        let radio = define(&store, "hub/1", "Radio");
        assert_eq!(define(&store, "hub/2", " RADIO "), radio);
        assert_eq!(define(&store, "hub/1", "Renamed"), radio, "names are fixed once saved (P-09)");
        assert_eq!(define(&store, "hub/3", "fair"), "7", "iVvy's own, by its name");
        let rows = store.read(|view| view.match_table(KIND)).unwrap();
        let pair = rows.iter().find(|row| row.side == Side::Ivvy && row.id.as_str() == "7").unwrap();
        assert_eq!((pair.state, pair.other.as_ref().map(RecordId::as_str)), (MatchState::Matched, Some("7")));
        let told = store.read(|view| told_entries(view, KIND, Side::Crm)).unwrap();
        assert_eq!(told.len(), 2, "each is kept once: {told:?}");
        assert_eq!(define(&self::store(&[]), "hub/9", "radio"), radio);
    }

    #[test]
    fn what_it_names_is_its_own_or_ours_or_nobody_c13() {
        let store = store(&[("7", "Fair"), ("8", "Web")]);
        assert_eq!(resolve(&store, "9"), None);
        assert_eq!(resolve(&store, "8").as_deref(), Some("8"));
        let radio = define(&store, "hub/1", "Radio");
        assert_eq!(resolve(&store, &radio), Some(radio));
        let rows = store.read(|view| view.match_table(KIND)).unwrap();
        let paired: Vec<&str> = rows
            .iter()
            .filter(|row| row.state.is_paired() && row.side == Side::Ivvy)
            .map(|row| row.id.as_str())
            .collect();
        assert_eq!(paired, ["8"], "what was named is matched; nothing else is");
    }
}
