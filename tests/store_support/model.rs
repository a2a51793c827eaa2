//! The reference: maps and full sorts, nothing clever. Says what every operation must do and what
//! every question must answer.

use std::collections::{BTreeMap, BTreeSet};

use tandem::model::link::PairKey;
use tandem::model::{
    Base, Decision, Intent, Item, ItemId, Link, LinkId, ModuleId, Observation, Operation, Reason, RecordId, Side,
    State, Timestamp,
};
use tandem::store::{Reads, Store, StoreError, TITLE_BYTES, Tx};
use tandem::wire::{Anchor, AuditQuery, Filter, PageQuery, Row};

use super::{at, note};

/// One operation, as data.
#[derive(Clone, Debug)]
pub enum Op {
    Item(Box<Item>),
    /// State change with its intent, as a claim does it.
    Claim(Box<Item>, Box<Intent>),
    /// The reverse.
    Settle(Box<Item>),
    /// An intent alone: breaks I4 unless its item is under way already.
    Intent(Box<Intent>),
    Decide(Decision),
    Link(Link),
    Alias(ModuleId, Side, RecordId, LinkId),
    Base(LinkId, Base),
    Observe(Box<Observation>),
    Mark(ModuleId, Side, RecordId),
    Unmark(ModuleId, Side, RecordId),
    /// A finished item is forgotten.
    Forget(ItemId),
    /// Writes something, then gives up.
    Fail(Box<Item>),
}

/// Runs `op` on the real store.
pub fn run(op: &Op, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    match op {
        Op::Item(item) => tx.put_item(item, note()).map(drop),
        Op::Claim(item, intent) => {
            tx.put_item(item, note())?;
            tx.put_intent(intent)
        }
        Op::Settle(item) => {
            tx.remove_intent(item.id)?;
            tx.put_item(item, note()).map(drop)
        }
        Op::Intent(intent) => tx.put_intent(intent),
        Op::Decide(decision) => tx.put_decision(decision),
        Op::Link(link) => tx.put_link(link, note()).map(drop),
        Op::Alias(module, side, record, link) => tx.put_alias(*module, *side, record, *link),
        Op::Base(link, base) => tx.put_base(*link, base),
        Op::Observe(observation) => tx.put_observation(observation),
        Op::Mark(module, side, record) => tx.mark_dirty(*module, *side, record),
        Op::Unmark(module, side, record) => tx.clear_dirty(*module, *side, record),
        Op::Forget(id) => tx.forget_item(*id).map(drop),
        Op::Fail(item) => {
            tx.put_item(item, note())?;
            tx.mark_dirty(item.module, Side::Crm, &RecordId::from("ghost"))?;
            Err(StoreError::Invariant("given up".to_owned()))
        }
    }
}

/// The whole store in maps.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub items: BTreeMap<ItemId, Item>,
    pub intents: BTreeMap<ItemId, Intent>,
    pub decisions: BTreeMap<(ItemId, u32), Decision>,
    pub links: BTreeMap<LinkId, Link>,
    pub aliases: BTreeMap<(ModuleId, Side, RecordId), LinkId>,
    pub bases: BTreeMap<LinkId, Base>,
    pub observations: BTreeMap<(ModuleId, Side, RecordId), Observation>,
    pub marks: Vec<(ModuleId, Side, RecordId)>,
    /// Item of each audit row.
    pub audit: Vec<Option<ItemId>>,
}

/// Refused, and nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

impl Model {
    /// What `op` must do.
    pub fn apply(&mut self, op: &Op) -> Result<(), Refused> {
        let before = self.clone();
        let result = self.try_apply(op);
        if result.is_err() {
            *self = before;
        }
        result
    }

    fn try_apply(&mut self, op: &Op) -> Result<(), Refused> {
        match op {
            Op::Item(item) => {
                self.put_item(item)?;
                self.i4(item.id)
            }
            Op::Claim(item, intent) => {
                self.put_item(item)?;
                self.put_intent(intent)?;
                self.i4(item.id)?;
                self.i4(intent.item)
            }
            Op::Settle(item) => {
                self.intents.remove(&item.id);
                self.put_item(item)?;
                self.i4(item.id)
            }
            Op::Intent(intent) => {
                self.put_intent(intent)?;
                self.i4(intent.item)
            }
            Op::Decide(decision) => {
                let old = self.decisions.insert((decision.item, decision.ver), decision.clone());
                old.map_or(Ok(()), |_| Err(Refused))
            }
            Op::Link(link) => self.put_link(link),
            Op::Alias(module, side, record, link) => {
                let ours = self.links.get(link).is_some_and(|link| link.module == *module);
                let taken = self.own_link(*module, *side, record).is_some_and(|other| other != *link);
                if !ours || taken {
                    return Err(Refused);
                }
                self.aliases.insert((*module, *side, record.clone()), *link);
                Ok(())
            }
            Op::Base(link, base) => {
                self.bases.insert(*link, base.clone());
                Ok(())
            }
            Op::Observe(observation) => {
                let key = (observation.module, observation.side, observation.record.id.clone());
                self.observations.insert(key, (**observation).clone());
                Ok(())
            }
            Op::Mark(module, side, record) => {
                let mark = (*module, *side, record.clone());
                if !self.marks.contains(&mark) {
                    self.marks.push(mark);
                }
                Ok(())
            }
            Op::Unmark(module, side, record) => {
                self.marks.retain(|mark| *mark != (*module, *side, record.clone()));
                Ok(())
            }
            Op::Forget(id) => {
                if self.items.get(id).is_some_and(|item| !matches!(item.state, State::Done | State::Superseded)) {
                    return Err(Refused);
                }
                if self.items.remove(id).is_some() {
                    self.decisions.retain(|(item, _), _| item != id);
                }
                Ok(())
            }
            Op::Fail(_) => Err(Refused),
        }
    }

    fn put_item(&mut self, item: &Item) -> Result<(), Refused> {
        if let Some(old) = self.items.get(&item.id) {
            let seen = |item: &Item| {
                let Item { kind, pair, state, reasons, seen, plan, decided, forced, .. } = item.clone();
                (kind, pair, state, reasons, seen, plan, decided, forced)
            };
            let moved = old.state.successors().contains(&item.state);
            let fits = if item.ver == old.ver { seen(old) == seen(item) } else { item.ver > old.ver && moved };
            if old.module != item.module || !fits {
                return Err(Refused);
            }
        } else if !State::New.successors().contains(&item.state) {
            return Err(Refused);
        }
        let rival = self.open_item(item.module, &item.pair).is_some_and(|open| open != item.id);
        if item.state.is_open() && rival {
            return Err(Refused);
        }
        self.items.insert(item.id, item.clone());
        self.audit.push(Some(item.id));
        Ok(())
    }

    fn put_intent(&mut self, intent: &Intent) -> Result<(), Refused> {
        let same = |old: &Intent| {
            (old.module, old.side, old.attempt, &old.operation)
                == (intent.module, intent.side, intent.attempt, &intent.operation)
        };
        let second = self.intents.get(&intent.item).is_some_and(|old| !same(old));
        let rival = self.intent_on(intent.module, intent.side, &target(intent)).is_some_and(|id| id != intent.item);
        if second || rival {
            return Err(Refused);
        }
        self.intents.insert(intent.item, intent.clone());
        Ok(())
    }

    fn i4(&self, id: ItemId) -> Result<(), Refused> {
        let under_way = self.items.get(&id).is_some_and(|item| item.state.has_intent());
        if under_way == self.intents.contains_key(&id) { Ok(()) } else { Err(Refused) }
    }

    fn put_link(&mut self, link: &Link) -> Result<(), Refused> {
        if self.links.get(&link.id).is_some_and(|old| old.module != link.module) {
            return Err(Refused);
        }
        for side in Side::BOTH {
            let own = self.own_link(link.module, side, link.on(side));
            let alias = self.aliases.get(&(link.module, side, link.on(side).clone())).copied();
            if own.into_iter().chain(alias).any(|other| other != link.id) {
                return Err(Refused);
            }
        }
        self.links.insert(link.id, link.clone());
        self.audit.push(None);
        Ok(())
    }

    fn own_link(&self, module: ModuleId, side: Side, record: &RecordId) -> Option<LinkId> {
        self.links.values().find(|link| link.module == module && link.on(side) == record).map(|link| link.id)
    }

    fn open_item(&self, module: ModuleId, pair: &PairKey) -> Option<ItemId> {
        let mut found = self.items.values().filter(|item| item.module == module && item.pair == *pair);
        found.find(|item| item.state.is_open()).map(|item| item.id)
    }

    fn intent_on(&self, module: ModuleId, side: Side, record: &RecordId) -> Option<ItemId> {
        let mut intents = self.intents.values();
        intents.find(|i| i.module == module && i.side == side && target(i) == *record).map(|intent| intent.item)
    }

    /// Items in list order.
    fn sorted(&self, keep: impl Fn(&Item) -> bool) -> Vec<&Item> {
        let mut items: Vec<&Item> = self.items.values().filter(|item| keep(item)).collect();
        items.sort_by_key(|item| (list_place(item.state), item.priority, item.sort_key(), item.id));
        items
    }

    fn matching(&self, filter: &Filter) -> Vec<&Item> {
        let text = filter.text.as_ref().map(|text| text.to_lowercase());
        self.sorted(|item| {
            filter.module.is_none_or(|module| item.module == module)
                && filter.state.map_or(item.state.is_open(), |state| item.state == state)
                && filter.reason.is_none_or(|reason| item.reasons.contains(reason))
                && text.as_ref().is_none_or(|text| item.title.to_lowercase().contains(text))
        })
    }

    fn ids(items: Vec<&Item>) -> Vec<ItemId> {
        items.into_iter().map(|item| item.id).collect()
    }

    fn waits(item: &Item) -> bool {
        match item.state {
            State::Retry | State::Unknown => true,
            State::Held => item.reasons.contains(Reason::Parked) && item.ready_at > Timestamp::EPOCH,
            _ => false,
        }
    }
}

fn target(intent: &Intent) -> RecordId {
    match &intent.operation {
        Operation::Create { key, .. } => RecordId::from(key.as_str()),
        Operation::Update { id, .. } => id.clone(),
    }
}

fn list_place(state: State) -> usize {
    use State::*;
    let order = [Held, Dead, Unknown, Inflight, Retry, Ready, Blocked, New, Skipped, Done, Superseded];
    order.iter().position(|other| *other == state).unwrap()
}

/// [`compare`] on a fresh snapshot, at the time the tests' items move around.
pub fn compare_snapshot(store: &Store, model: &Model) {
    let looked = store.read(|view| {
        compare(view, model, at(3));
        Ok(())
    });
    looked.unwrap();
}

/// Asks every question of both and compares the answers.
pub fn compare(store: &impl Reads, model: &Model, now: Timestamp) {
    compare_items(store, model, now);
    compare_records(store, model);
    for module in ModuleId::PEOPLE.map(Some).into_iter().chain([None]) {
        for filter in filters(module) {
            compare_pages(store, model, &filter);
        }
    }
    assert_eq!(store.seq().unwrap().0, model.audit.len() as u64);
    assert_eq!(store.audit_verify().unwrap(), (model.audit.len() as u64, None), "the audit chain verifies (I24)");
    let newest = store.audit(&AuditQuery { limit: 1000, ..AuditQuery::default() }).unwrap();
    let items: Vec<Option<ItemId>> = newest.iter().rev().map(|row| row.item).collect();
    assert_eq!(items, model.audit);
}

fn compare_items(store: &impl Reads, model: &Model, now: Timestamp) {
    let pairs: BTreeSet<(ModuleId, PairKey)> = model.items.values().map(|i| (i.module, i.pair.clone())).collect();
    for (id, item) in &model.items {
        assert_eq!(store.item(*id).unwrap().as_ref(), Some(item));
        let decided: Vec<Decision> =
            model.decisions.range((*id, 0)..=(*id, u32::MAX)).map(|(_, decision)| decision.clone()).collect();
        assert_eq!(store.decisions(*id).unwrap(), decided);
        let history = store.audit(&AuditQuery { item: Some(*id), before: None, limit: 1000 }).unwrap();
        let expected = model.audit.iter().filter(|of| **of == Some(*id)).count();
        assert_eq!(history.len(), expected);
        assert!(history.windows(2).all(|rows| rows[0].seq > rows[1].seq), "newest first");
    }
    for (module, pair) in &pairs {
        assert_eq!(store.open_item(*module, pair).unwrap(), model.open_item(*module, pair));
        let of_pair = model.items.values().filter(|item| item.module == *module && item.pair == *pair);
        assert_eq!(store.last_item(*module, pair).unwrap(), of_pair.map(|item| item.id).max());
        let mut waiting: Vec<ItemId> = model
            .items
            .values()
            .filter(|item| item.state.is_open() && item.waits_for == Some((*module, pair.clone())))
            .map(|item| item.id)
            .collect();
        waiting.sort();
        let mut walked: Vec<ItemId> = Vec::new();
        while let page = store.waiting_on(*module, pair, walked.last().copied(), 2).unwrap()
            && !page.is_empty()
        {
            walked.extend(page);
        }
        assert_eq!(walked, waiting);
    }
    let intents: Vec<Intent> = model.intents.values().cloned().collect();
    assert_eq!(store.intents().unwrap(), intents);
    for intent in &intents {
        assert_eq!(store.intent(intent.item).unwrap().as_ref(), Some(intent));
        assert_eq!(store.intent_on(intent.module, intent.side, &target(intent)).unwrap(), Some(intent.item));
    }

    let mut due: Vec<&Item> = model.items.values().filter(|item| Model::waits(item)).collect();
    due.sort_by_key(|item| (item.ready_at, item.id));
    assert_eq!(store.next_due().unwrap(), due.first().map(|item| item.ready_at));
    due.retain(|item| item.ready_at <= now);
    assert_eq!(store.due(now, 1000).unwrap(), Model::ids(due));

    for module in ModuleId::PEOPLE {
        let ready = model.sorted(|i| i.module == module && i.state == State::Ready && i.ready_at <= now);
        assert_eq!(store.ready(module, now, 1000).unwrap(), Model::ids(ready.clone()));
        assert_eq!(store.ready(module, now, 2).unwrap(), Model::ids(ready.into_iter().take(2).collect()));
        let later = model.sorted(|i| i.module == module && i.state == State::Ready && i.ready_at > now);
        let next = later.iter().map(|item| item.ready_at).min();
        assert_eq!(store.next_ready(module, now).unwrap(), next);

        let mut counts: BTreeMap<State, u64> = BTreeMap::new();
        let mut reasons: BTreeMap<Reason, u64> = BTreeMap::new();
        for item in model.items.values().filter(|item| item.module == module) {
            *counts.entry(item.state).or_default() += 1;
            for reason in item.reasons.iter().filter(|_| item.state == State::Held) {
                *reasons.entry(reason).or_default() += 1;
            }
        }
        assert_eq!(store.counts(module).unwrap(), counts, "counters equal a recount (I22)");
        assert_eq!(store.reason_counts(module).unwrap(), reasons, "counters equal a recount (I22)");
        for state in counts.into_keys() {
            let expected = Model::ids(model.sorted(|item| item.module == module && item.state == state));
            assert_eq!(walk(|after| store.in_state(module, state, after, 2).unwrap()), expected);
        }
        for reason in reasons.into_keys() {
            let held = model.sorted(|i| i.module == module && i.state == State::Held && i.reasons.contains(reason));
            assert_eq!(walk(|after| store.held_by(module, reason, after, 2).unwrap()), Model::ids(held));
        }
    }
}

/// Everything a paged question returns, page by page.
fn walk(mut page: impl FnMut(Option<ItemId>) -> Vec<ItemId>) -> Vec<ItemId> {
    let mut all = Vec::new();
    loop {
        let next = page(all.last().copied());
        if next.is_empty() {
            return all;
        }
        all.extend(next);
    }
}

fn compare_records(store: &impl Reads, model: &Model) {
    for (id, link) in &model.links {
        assert_eq!(store.link(*id).unwrap().as_ref(), Some(link));
        for side in Side::BOTH {
            assert_eq!(store.link_of(link.module, side, link.on(side)).unwrap(), Some(*id), "one-to-one (I2)");
        }
    }
    for ((module, side, record), link) in &model.aliases {
        let expected = model.own_link(*module, *side, record).or(Some(*link));
        assert_eq!(store.link_of(*module, *side, record).unwrap(), expected);
    }
    for (link, base) in &model.bases {
        assert_eq!(store.base(*link).unwrap(), *base);
    }
    for module in ModuleId::PEOPLE {
        let expected: Vec<Link> = model.links.values().filter(|link| link.module == module).cloned().collect();
        let mut links: Vec<Link> = Vec::new();
        loop {
            let next = store.links(module, links.last().map(|link| link.id), 2).unwrap();
            if next.is_empty() {
                break;
            }
            links.extend(next);
        }
        assert_eq!(links, expected);
        let marks: Vec<(Side, RecordId)> = model
            .marks
            .iter()
            .filter(|(of, ..)| *of == module)
            .map(|(_, side, record)| (*side, record.clone()))
            .collect();
        assert_eq!(store.dirty(module, 1000).unwrap(), marks);
        assert!(marks.iter().all(|(side, record)| store.is_dirty(module, *side, record).unwrap()));
        for side in Side::BOTH {
            compare_observations(store, model, module, side);
        }
    }
}

fn compare_observations(store: &impl Reads, model: &Model, module: ModuleId, side: Side) {
    let seen: Vec<&Observation> =
        model.observations.values().filter(|seen| seen.module == module && seen.side == side).collect();
    let ids: Vec<RecordId> = seen.iter().map(|seen| seen.record.id.clone()).collect();
    let mut walked: Vec<RecordId> = Vec::new();
    loop {
        let next = store.observed_ids(module, side, walked.last(), 2).unwrap();
        if next.is_empty() {
            break;
        }
        walked.extend(next);
    }
    assert_eq!(walked, ids);
    for one in &seen {
        assert_eq!(store.observation(module, side, &one.record.id).unwrap().as_ref(), Some(*one));
        let same = |part: fn(&Observation) -> &Option<String>| -> Vec<RecordId> {
            let same = seen.iter().filter(|other| part(other) == part(one));
            same.map(|other| other.record.id.clone()).collect()
        };
        if let Some(identity) = &one.identity {
            assert_eq!(store.by_identity(module, side, identity, 1000).unwrap(), same(|seen| &seen.identity));
        }
        if let Some(key) = &one.external_key {
            assert_eq!(store.by_external_key(module, side, key, 1000).unwrap(), same(|seen| &seen.external_key));
        }
    }
}

fn filters(module: Option<ModuleId>) -> Vec<Filter> {
    let base = Filter { module, ..Filter::default() };
    vec![
        base.clone(),
        Filter { state: Some(State::Held), ..base.clone() },
        Filter { state: Some(State::Done), ..base.clone() },
        Filter { reason: Some(Reason::Guard), ..base.clone() },
        Filter { state: Some(State::Held), reason: Some(Reason::Parked), ..base.clone() },
        Filter { text: Some("PERSON 1".to_owned()), ..base.clone() },
        Filter { text: Some("é".to_owned()), reason: Some(Reason::Guard), ..base },
    ]
}

/// Every walk over the pages equals the full sort, without skip or repeat (I23).
pub fn compare_pages(store: &impl Reads, model: &Model, filter: &Filter) {
    let expected = Model::ids(model.matching(filter));
    let page = |anchor: Anchor, limit: u32| store.page(&PageQuery { filter: filter.clone(), anchor, limit }).unwrap();
    let total = filter.text.is_none().then_some(expected.len() as u64);
    for limit in [1, 3, 1000] {
        let mut forward: Vec<Row> = Vec::new();
        let mut anchor = Anchor::Start;
        loop {
            let rows = page(anchor.clone(), limit);
            assert_eq!(rows.total, total);
            assert_eq!(rows.more_before, !forward.is_empty(), "{filter:?}");
            forward.extend(rows.rows);
            assert_eq!(rows.more_after, forward.len() < expected.len());
            match forward.last().filter(|_| rows.more_after) {
                Some(last) => anchor = Anchor::After(last.token.clone()),
                None => break,
            }
        }
        assert_eq!(forward.iter().map(|row| row.id).collect::<Vec<_>>(), expected);
        for row in &forward {
            let item = &model.items[&row.id];
            assert_eq!((row.state, row.version, row.priority), (item.state, item.ver, item.priority));
            assert_eq!((row.reasons, row.since, row.ready_at), (item.reasons, item.created_at, item.ready_at));
            assert_eq!(row.title, item.title[..item.title.floor_char_boundary(TITLE_BYTES)]);
        }

        let mut backward: Vec<ItemId> = Vec::new();
        let mut anchor = Anchor::End;
        loop {
            let rows = page(anchor.clone(), limit);
            assert_eq!(rows.more_after, !backward.is_empty());
            backward.splice(0..0, rows.rows.iter().map(|row| row.id));
            assert_eq!(rows.more_before, backward.len() < expected.len());
            match rows.rows.first().filter(|_| rows.more_before) {
                Some(first) => anchor = Anchor::Before(first.token.clone()),
                None => break,
            }
        }
        assert_eq!(backward, expected);

        for (place, row) in forward.iter().enumerate().filter(|_| limit == 3) {
            let rows = page(Anchor::At(row.token.clone()), limit);
            let end = expected.len().min(place + limit as usize);
            assert_eq!(rows.rows.iter().map(|row| row.id).collect::<Vec<_>>(), expected[place..end]);
            assert_eq!((rows.more_before, rows.more_after), (place > 0, end < expected.len()));
        }
    }
}
