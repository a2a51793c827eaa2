//! Entries of a match table that a system tells us of because it cannot be listed: the sources it defines with us,
//! and the people and sources of ours it names. They are kept beside the rows and belong to what it lists, until it
//! lists them itself: then they are forgotten with that listing, and it is the list that says what is there.
//!
//! Being told is no reason to create staff, and no name that is told is ever pushed anywhere (P-07, P-09).

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

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

/// An entry that was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    #[serde(flatten)]
    entry: Entry,
    /// It stands for one of ours, whom the teller names by our id. Its own entries share these ids.
    #[serde(default)]
    ours: bool,
}

fn meta_key(kind: MatchKind, side: Side) -> String {
    format!("told {kind} {}", side as u8)
}

/// What `side` has told of `kind`, in the order it was first told.
///
/// # Errors
/// The store fails, or does not hold what was written.
fn told_entries(reads: &impl Reads, kind: MatchKind, side: Side) -> Result<Vec<Entry>, StoreError> {
    Ok(all_told(reads, kind, side)?.into_iter().map(|told| told.entry).collect())
}

/// What a listing of `side` and what it told come to: all that it lists, and those told that it does not. One it
/// lists by now is one: a second entry of the same key would match nobody (C-23).
pub(super) fn with_told(
    reads: &impl Reads,
    kind: MatchKind,
    side: Side,
    listed: Vec<Entry>,
) -> Result<Vec<Entry>, StoreError> {
    let ids: BTreeSet<RecordId> = listed.iter().map(|entry| entry.id.clone()).collect();
    let keys: BTreeSet<String> = listed.iter().filter_map(|entry| key_of(kind, entry)).collect();
    let is_listed =
        |entry: &Entry| ids.contains(&entry.id) || key_of(kind, entry).is_some_and(|key| keys.contains(&key));
    let told = told_entries(reads, kind, side)?.into_iter().filter(|entry| !is_listed(entry)).map(super::capped);
    Ok(listed.into_iter().chain(told).collect())
}

/// What an entry is matched by: the address of staff, the name of a source, neither with regard to case.
fn key_of(kind: MatchKind, entry: &Entry) -> Option<String> {
    let text = match kind {
        MatchKind::Staff => entry.email.as_deref().unwrap_or_default(),
        MatchKind::LeadSource => &entry.name,
    };
    let folded = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    Some(folded).filter(|folded| !folded.is_empty())
}

/// Forgets what `side` told and now lists under the same id. One it lists under another id stays: it may go on
/// naming it as it was told.
pub(super) fn forget_listed(
    tx: &mut Tx<'_>,
    kind: MatchKind,
    side: Side,
    listed: &BTreeSet<RecordId>,
) -> Result<(), StoreError> {
    let mut told = all_told(tx, kind, side)?;
    let before = told.len();
    told.retain(|told| !listed.contains(&told.entry.id));
    if told.len() < before {
        // Invariant: as where they are told.
        tx.put_meta(&meta_key(kind, side), &serde_json::to_vec(&told).unwrap_or_default())?;
    }
    Ok(())
}

fn all_told(reads: &impl Reads, kind: MatchKind, side: Side) -> Result<Vec<Told>, StoreError> {
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
    tell(tx, kind, side, entry, false, now)
}

/// As [`tell_entry`]; `ours` if it stands for one of ours. What an entry stands for stays.
fn tell(
    tx: &mut Tx<'_>,
    kind: MatchKind,
    side: Side,
    entry: &Entry,
    ours: bool,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut told = all_told(tx, kind, side)?;
    match told.iter_mut().find(|known| known.entry.id == entry.id) {
        Some(known) if known.entry == *entry => return Ok(false),
        Some(known) => known.entry.clone_from(entry),
        None => told.push(Told { entry: entry.clone(), ours }),
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
/// key and for the same name without regard to case, however often it is defined (C-19, C-21). Defined anew, it is
/// hidden or shown.
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
    let (folded, table) = (fold(name), tx.match_table(kind)?);
    if let Some(known) = tx.meta(&meta)? {
        let id = RecordId::from(String::from_utf8_lossy(&known).as_ref());
        let row = tx.match_row(kind, side, &id)?;
        // It was listed, then no more: it is told again, under the name that was fixed, unless another one has that.
        if !show(tx, side, &id, active, now)?
            && let Some(row) = row.filter(|row| row.gone)
            && people::named(&table, side, &fold(&row.name)).is_empty()
        {
            let ours = tx.match_row(kind, side.other(), &id)?;
            let stands = ours.is_some_and(|ours| !ours.gone && fold(&ours.name) == fold(&row.name));
            tell(tx, kind, side, &Entry { active, ..row.entry() }, stands, now)?;
        }
        return Ok(id);
    }
    let minted = || RecordId::from(format!("s-{}", Fingerprint::of_bytes(folded.as_bytes())));
    let (id, stands) =
        match (people::named(&table, side, &folded).first(), people::named(&table, side.other(), &folded).first()) {
            (Some(told), _) => (told.id.clone(), false),
            (None, Some(MatchRow { other: Some(other), .. })) => (other.clone(), false),
            // Our id of it, unless that is the id of another one of its own.
            (None, Some(ours)) if tx.match_row(kind, side, &ours.id)?.is_none() => (ours.id.clone(), true),
            // Follows from the name, so that a lost store does not make another one of it.
            (None, _) => (minted(), false),
        };
    if !show(tx, side, &id, active, now)? && tx.match_row(kind, side, &id)?.is_none_or(|row| row.gone) {
        let entry = Entry { id: id.clone(), name: name.trim().to_owned(), email: None, active };
        tell(tx, kind, side, &entry, stands, now)?;
    }
    tx.put_meta(&meta, id.as_str().as_bytes())?;
    Ok(id)
}

/// Hides a source that was told, or shows it again; its name is fixed (P-09). Whether it was told.
fn show(tx: &mut Tx<'_>, side: Side, id: &RecordId, active: bool, now: Timestamp) -> Result<bool, StoreError> {
    let kind = MatchKind::LeadSource;
    let Some(known) = told_entries(tx, kind, side)?.into_iter().find(|entry| entry.id == *id) else {
        return Ok(false);
    };
    tell_entry(tx, kind, side, &Entry { active, ..known }, now)?;
    Ok(true)
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
    let own = tx.match_row(kind, side, id)?;
    match (own, ours) {
        (None, None) => Ok(None),
        // One of its own.
        (Some(_), None) => Ok(Some(id.clone())),
        (_, Some(MatchRow { other: Some(other), .. })) if other != *id => Ok(Some(other)),
        // It names whom we listed, and somebody else of its own has that id: nobody rather than the wrong one.
        (Some(_), Some(MatchRow { other: None, .. })) if !stands(tx, kind, side, id)? => Ok(None),
        (own, Some(ours)) => {
            // Named before: name and address are ours, as they are now. What it lists itself stays as it says.
            if own.is_none() || stands(tx, kind, side, id)? {
                tell(tx, kind, side, &Entry { active: true, ..ours.entry() }, true, now)?;
            }
            Ok(Some(id.clone()))
        }
    }
}

/// Whether `id` was told and stands for one of ours.
fn stands(reads: &impl Reads, kind: MatchKind, side: Side, id: &RecordId) -> Result<bool, StoreError> {
    Ok(all_told(reads, kind, side)?.iter().any(|told| told.ours && told.entry.id == *id))
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
    fn a_source_that_is_defined_again_is_hidden_or_shown_and_keeps_its_name_p09() {
        let store = store(&[("7", "Fair")]);
        let again = |key: &'static str, name: &'static str, active| {
            let now = Timestamp::from_secs(7);
            store.write_blocking(move |tx| define_source(tx, Side::Crm, key, name, active, now)).unwrap().0
        };
        let row = |id: &str| {
            store
                .read(|view| view.match_row(KIND, Side::Crm, &RecordId::from(id)))
                .unwrap()
                .map(|row| (row.name, row.active))
        };
        for (key, other, name) in [("hub/1", "hub/3", "Radio"), ("hub/2", "hub/4", "Fair")] {
            let id = again(key, name, true);
            assert_eq!(again(key, "Renamed", false), id);
            assert_eq!(row(&id), Some((name.to_owned(), false)), "by its key");
            assert_eq!(again(other, name, true), id);
            assert_eq!(row(&id), Some((name.to_owned(), true)), "by its name");
        }
    }

    #[test]
    fn what_it_lists_itself_is_never_taken_for_one_of_ours_with_the_same_id_c13() {
        let store = store(&[("7", "Fair"), ("8", "Web")]);
        let listed = Entry { id: "8".into(), name: "Radio".to_owned(), email: None, active: true };
        let row = MatchRow::new(KIND, Side::Crm, &listed, Timestamp::from_secs(1));
        store.write_blocking(move |tx| tx.put_match_rows(std::slice::from_ref(&row))).unwrap();
        assert_eq!(resolve(&store, "8"), None, "our 8 has nobody there, and its 8 is another one");
        let web = define(&store, "hub/8", "Web");
        assert_ne!(web, "8");
        assert_eq!(resolve(&store, "8"), Some(web), "who it defined for it");
        for _ in 0..2 {
            assert_eq!(resolve(&store, "7").as_deref(), Some("7"));
        }
        let rows = store.read(|view| view.match_table(KIND)).unwrap();
        let name =
            |id: &str| rows.iter().find(|row| row.side == Side::Crm && row.id.as_str() == id).unwrap().name.clone();
        assert_eq!((name("8").as_str(), name("7").as_str()), ("Radio", "Fair"));
        // Ours is renamed: only what stands for it follows.
        store
            .write_blocking(move |tx| {
                let known = tx.match_row(KIND, Side::Ivvy, &RecordId::from("7"))?.unwrap();
                tx.put_match_rows(&[MatchRow { name: "Big fair".to_owned(), ..known }])
            })
            .unwrap();
        resolve(&store, "7");
        let told = store.read(|view| told_entries(view, KIND, Side::Crm)).unwrap();
        assert!(told.iter().any(|entry| entry.name == "Big fair"), "{told:?}");
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

    #[test]
    fn what_it_tells_and_lists_by_now_is_one_entry_c23() {
        let joined = |kind, told: &[(&str, &str, Option<&str>)], listed: (&str, &str, Option<&str>)| {
            let entry = |(id, name, email): &(&str, &str, Option<&str>)| Entry {
                id: (*id).into(),
                name: (*name).to_owned(),
                email: email.map(str::to_owned),
                active: true,
            };
            let (store, told): (_, Vec<Entry>) = (store(&[]), told.iter().map(entry).collect());
            let tell = move |tx: &mut Tx<'_>| {
                told.iter().try_for_each(|one| tell_entry(tx, kind, Side::Crm, one, Timestamp::default()).map(drop))
            };
            store.write_blocking(tell).unwrap();
            let all = store.read(|view| with_told(view, kind, Side::Crm, vec![entry(&listed)])).unwrap();
            all.into_iter().map(|entry| entry.id.0).collect::<Vec<_>>()
        };
        let sources = [("7", "Web fair", None), ("8", "Radio", None), ("s-9", "Old name", None)];
        assert_eq!(joined(MatchKind::LeadSource, &sources, ("s-9", " web  FAIR", None)), ["s-9", "8"]);
        let staff = [("7", "Ada", Some("ada@x.example ")), ("8", "Ada", None)];
        assert_eq!(joined(MatchKind::Staff, &staff, ("u-9", "Ada", Some("ADA@x.example"))), ["u-9", "8"]);
    }

    #[test]
    fn what_it_lists_itself_is_forgotten_and_told_again_once_it_lists_it_no_more_c23() {
        let store = store(&[]);
        let (radio, fair) = (define(&store, "hub/1", "Radio"), define(&store, "hub/2", "Fair"));
        let told = || store.read(|view| told_entries(view, KIND, Side::Crm)).unwrap();
        let listed = BTreeSet::from([RecordId::from(radio.as_str())]);
        store.write_blocking(move |tx| forget_listed(tx, KIND, Side::Crm, &listed)).unwrap();
        assert_eq!(told().iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(), [fair.as_str()]);
        assert_eq!(define(&store, "hub/1", "Radio"), radio);
        assert_eq!(told().len(), 1, "it is there: the list says how it is");
        let id = RecordId::from(radio.as_str());
        store
            .write_blocking(move |tx| {
                let row = tx.match_row(KIND, Side::Crm, &id)?.unwrap();
                tx.put_match_rows(&[MatchRow { gone: true, ..row }])
            })
            .unwrap();
        assert_eq!(define(&store, "hub/1", "Renamed"), radio);
        let again = told().into_iter().find(|entry| entry.id.as_str() == radio);
        assert_eq!(again.map(|entry| entry.name).as_deref(), Some("Radio"), "names are fixed once saved (P-09)");
    }
}
