//! What is shown beside an item and is not in it: what it waits for, and what tells its candidates apart.
//!
//! Read from the store when somebody looks, so that it is never older than that. It decides nothing.

use crate::merge::matching;
use crate::model::plan::Candidate;
use crate::model::query::{Awaited, Rows};
use crate::model::{
    FieldDef, FieldKind, Item, Kind, ModuleDef, ModuleId, Observation, PairKey, Reason, RecordId, Side, State, Value,
};
use crate::store::{Reads as _, StoreError, View};
use crate::wire::CandidateView;

/// Values per candidate: more would not be read.
const FACTS: usize = 5;

/// Fills in what blocked rows wait for.
pub(super) fn of_rows(view: &View, rows: &mut Rows) -> Result<(), StoreError> {
    let waits =
        |state, reasons: crate::model::Reasons| state == State::Blocked || reasons.contains(Reason::UnmatchedRef);
    for row in rows.rows.iter_mut().filter(|row| waits(row.state, row.reasons)) {
        if let Some(item) = view.item(row.id)? {
            row.waits_for = awaited(view, &item)?;
        }
    }
    Ok(())
}

/// The record an item waits for, and the item about that.
pub(super) fn awaited(view: &View, item: &Item) -> Result<Option<Awaited>, StoreError> {
    // What a merge notes here is the survivor, and nobody waits for that.
    let Some((module, pair)) = item.waits_for.as_ref().filter(|_| item.kind != Kind::Merge) else {
        return Ok(None);
    };
    let known = match view.last_item(*module, pair)? {
        Some(id) => view.item(id)?,
        None => None,
    };
    let title = match (&known, pair) {
        (Some(known), _) => known.title.clone(),
        (None, PairKey::Lone(side, id)) => named(view, *module, *side, id)?,
        (None, PairKey::Link(link)) => match view.link(*link)? {
            Some(link) => named(view, *module, Side::Ivvy, &link.ivvy)?,
            None => String::new(),
        },
    };
    let (item, state) = known.map(|known| (known.id, known.state)).unzip();
    Ok(Some(Awaited { module: *module, item, state, title }))
}

/// What is known of each candidate of the item's plan.
pub(super) fn candidates(view: &View, defs: &[ModuleDef], item: &Item) -> Result<Vec<CandidateView>, StoreError> {
    let Some(def) = defs.iter().find(|def| def.id == item.module) else { return Ok(Vec::new()) };
    item.plan.candidates.iter().map(|candidate| beside(view, def, candidate)).collect()
}

fn beside(view: &View, def: &ModuleDef, candidate: &Candidate) -> Result<CandidateView, StoreError> {
    let (side, id) = (candidate.side, &candidate.id);
    let facts = match view.observation(def.id, side, id)? {
        Some(seen) => facts(view, def, &seen)?,
        None => Vec::new(),
    };
    let link = match view.link_of(def.id, side, id)? {
        Some(link) => view.link(link)?,
        None => None,
    };
    let paired = match link.map(|link| link.on(side.other()).clone()) {
        Some(id) => Some(Candidate { side: side.other(), title: named(view, def.id, side.other(), &id)?, id }),
        None => None,
    };
    Ok(CandidateView { facts, paired })
}

/// The first values that are not in the title, in the order of the catalogue; of a record it belongs to, that
/// one's title.
fn facts(view: &View, def: &ModuleDef, seen: &Observation) -> Result<Vec<String>, StoreError> {
    let mut facts = Vec::new();
    for field in def.fields.iter().filter(|field| tells(def.id, field)) {
        let Some(text) = seen.record.fields.get(field.name.as_ref()).filter(|value| !value.is_empty()) else {
            continue;
        };
        facts.push(match (field.kind, text) {
            (FieldKind::Reference(parent), Value::Text(id)) => {
                named(view, parent, seen.side, &RecordId::from(id.as_str()))?
            }
            (_, text) => text.to_string(),
        });
        if facts.len() == FACTS {
            break;
        }
    }
    Ok(facts)
}

fn tells(module: ModuleId, field: &FieldDef) -> bool {
    let short = matches!(
        field.kind,
        FieldKind::Text
            | FieldKind::Email
            | FieldKind::Phone
            | FieldKind::Url
            | FieldKind::Reference(_)
            | FieldKind::Date
    );
    short && !module.titled_by().contains(&field.name.as_ref())
}

/// A record by its title, or by its id where it has none.
fn named(view: &View, module: ModuleId, side: Side, id: &RecordId) -> Result<String, StoreError> {
    let seen = view.observation(module, side, id)?;
    let title = seen.map(|seen| matching::title(module, &seen.record.fields)).unwrap_or_default();
    Ok(if title.trim().is_empty() { id.to_string() } else { title })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::query::{Anchor, Filter, PageQuery};
    use crate::model::record::Source;
    use crate::model::{Actor, AuditEvent, ItemId, Link, LinkId, LinkState, Plan, Reasons, Record, Timestamp};
    use crate::store::{Note, Options, Store, Tx};

    const AT: Timestamp = Timestamp::EPOCH;

    fn note() -> Note {
        let what = AuditEvent::Operated { what: "test".to_owned() };
        Note { at: AT, actor: Actor::engine(), module: None, item: None, link: None, what }
    }

    fn put(tx: &mut Tx<'_>, module: ModuleId, side: Side, id: &str, fields: &[(&str, &str)]) -> Result<(), StoreError> {
        let fields = fields.iter().map(|(name, text)| ((*name).to_owned(), Value::text(*text))).collect();
        let record = Record { id: id.into(), fields, ..Record::default() };
        tx.put_observation(&Observation {
            module,
            side,
            hash: record.fingerprint(),
            seen_at: AT,
            source: Source::Poll,
            identity: None,
            external_key: None,
            missed_sweeps: 0,
            absent: false,
            merged_into: None,
            record,
        })
    }

    /// Two people of one name can be told apart, and one who is taken says by whom.
    #[test]
    fn candidates_show_what_tells_them_apart_and_who_is_taken_v11() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(&place.path().join("acme.redb"), Options::default()).unwrap();
        let candidate = |id: &str| Candidate { side: Side::Crm, id: id.into(), title: "Anna Smith".to_owned() };
        store
            .write_blocking(|tx| {
                let anna = |email, phone, company| {
                    [
                        ("first_name", "Anna"),
                        ("last_name", "Smith"),
                        ("email", email),
                        ("phone", phone),
                        ("company", company),
                    ]
                };
                put(tx, ModuleId::Companies, Side::Crm, "5", &[("name", "Harbour Ltd")])?;
                put(tx, ModuleId::Contacts, Side::Crm, "77", &anna("anna@a.example", "+61 2 1", "5"))?;
                put(tx, ModuleId::Contacts, Side::Crm, "78", &anna("anna@b.example", "", "6"))?;
                put(tx, ModuleId::Contacts, Side::Ivvy, "12", &anna("anna@b.example", "", ""))?;
                let link = Link {
                    id: LinkId(1),
                    module: ModuleId::Contacts,
                    ivvy: "12".into(),
                    crm: "78".into(),
                    state: LinkState::Linked,
                    created_at: AT,
                    reason: "same e-mail".to_owned(),
                };
                tx.put_link(&link, note()).map(drop)
            })
            .unwrap();
        let pair = PairKey::Lone(Side::Ivvy, "9".into());
        let plan = Plan { candidates: ["77", "78", "79"].map(candidate).to_vec(), ..Plan::default() };
        let item = Item { plan, ..Item::new(ItemId(1), ModuleId::Contacts, pair, Kind::Link, AT) };
        let shown = store.read(|view| candidates(view, &[ModuleId::Contacts.def()], &item)).unwrap();
        let facts: Vec<String> = shown.iter().map(|shown| shown.facts.join(" | ")).collect();
        assert_eq!(facts, ["anna@a.example | +61 2 1 | Harbour Ltd", "anna@b.example | 6", ""]);
        let paired: Vec<_> = shown.iter().map(|shown| shown.paired.as_ref().map(|other| other.id.as_str())).collect();
        assert_eq!(paired, [None, Some("12"), None]);
        assert_eq!(shown[1].paired.as_ref().unwrap().title, "Anna Smith");
    }

    #[test]
    fn a_blocked_item_names_the_item_it_waits_for_v42() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(&place.path().join("acme.redb"), Options::default()).unwrap();
        let anna = PairKey::Lone(Side::Ivvy, "7".into());
        let key = anna.clone();
        store
            .write_blocking(move |tx| {
                let (state, reasons) = (State::Held, Reasons::one(Reason::Conflict));
                let held = Item::new(ItemId(44), ModuleId::Contacts, key.clone(), Kind::Create, AT);
                tx.put_item(&Item { state, reasons, title: "Anna Smith".to_owned(), ..held }, note())?;
                let order = PairKey::Lone(Side::Ivvy, "O-1".into());
                let order = Item::new(ItemId(50), ModuleId::Orders, order, Kind::Create, AT);
                let waits_for = Some((ModuleId::Contacts, key.clone()));
                tx.put_item(&Item { state: State::Blocked, waits_for, ..order }, note()).map(drop)
            })
            .unwrap();
        let query = PageQuery { filter: Filter::default(), anchor: Anchor::Start, limit: 10 };
        let mut rows = store.read(|view| view.page_at(&query, AT)).unwrap();
        store.read(|view| of_rows(view, &mut rows)).unwrap();
        let said =
            |id| rows.rows.iter().find(|row| row.id == ItemId(id)).unwrap().waits_for.as_ref().map(Awaited::sentence);
        assert_eq!((said(50).as_deref(), said(44)), (Some("waits for #44 Anna Smith (contact, held)"), None));
        let nobody = Some((ModuleId::Contacts, PairKey::Lone(Side::Ivvy, "8".into())));
        let item = Item { waits_for: nobody, ..Item::new(ItemId(51), ModuleId::Orders, anna, Kind::Create, AT) };
        let said = store.read(|view| awaited(view, &item)).unwrap().unwrap().sentence();
        assert_eq!(said, "waits for the contact 8, which has not been planned yet");
    }
}
