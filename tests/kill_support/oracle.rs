//! What must be true once everything has come to rest (`engine.md` 8, `reliability.md` 1.4). It believes
//! the systems' own records and ledgers; the engine's store is only asked what it shows to people.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use tandem::model::{AuditEvent, ItemId, Link, LinkId, ModuleId, PairKey, RecordId, Seq, Side, State, Verb};
use tandem::sim::ledger::{By, Effect, Ledger, Op};
use tandem::store::{Options, Reads, Store, View};
use tandem::wire::AuditQuery;

use super::hands::{COMPANY, CONTACT, Hands, object};
use super::operator::{Operator, Sent};
use super::{Home, Town};

/// What was counted on the way.
#[derive(Debug, Default)]
pub struct Found {
    pub pairs: usize,
    pub in_step: usize,
    pub shown: usize,
    pub decisions: usize,
    /// Fields whose value was proved to be the one an operator chose.
    pub choices: usize,
    pub creates: u64,
    pub writes: u64,
}

/// A record's fields under the engine's names.
type Fields = BTreeMap<&'static str, String>;

/// Both systems as they are, by module, side and id, with the constant id each record carries.
struct Records(BTreeMap<(ModuleId, Side), BTreeMap<String, (Fields, String)>>);

impl Records {
    fn of(town: &Town) -> Self {
        let mut all: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        let text = |value: &Json| value.as_str().unwrap_or_default().trim().to_owned();
        for (module, fields) in [(ModuleId::Contacts, &CONTACT[..]), (ModuleId::Companies, &COMPANY[..])] {
            for record in town.crm.records(object(module)).unwrap() {
                let values = fields.iter().map(|(field, _, name)| (*field, text(&record[*name]))).collect();
                all.entry((module, Side::Crm))
                    .or_default()
                    .insert(text(&record["Id"]), (values, text(&record["Ivvy_Id__c"])));
            }
        }
        for contact in town.ivvy.contacts() {
            let values = [
                ("first_name", contact.first_name),
                ("last_name", contact.last_name),
                ("email", contact.email),
                ("phone", contact.phone),
            ];
            let values = values.map(|(field, value)| (field, value.trim().to_owned())).into();
            let key = contact.external_id;
            all.entry((ModuleId::Contacts, Side::Ivvy)).or_default().insert(contact.id.to_string(), (values, key));
        }
        for company in town.ivvy.companies() {
            let values = [("name", company.business_name), ("website", company.website), ("phone", company.phone)];
            let values = values.map(|(field, value)| (field, value.trim().to_owned())).into();
            let key = company.external_id;
            all.entry((ModuleId::Companies, Side::Ivvy)).or_default().insert(company.id.to_string(), (values, key));
        }
        Self(all)
    }

    fn on(&self, module: ModuleId, side: Side) -> &BTreeMap<String, (Fields, String)> {
        &self.0[&(module, side)]
    }
}

/// Values from before the first edit, by module, side, id and field.
pub struct Beginning(Records);

impl Beginning {
    pub fn of(town: &Town) -> Self {
        Self(Records::of(town))
    }
}

/// Checks everything, with the daemon stopped.
pub fn check(home: &Home, town: &Town, beginning: &Beginning, hands: &Hands, operator: &Operator) -> Found {
    let options = Options { instance: "town".to_owned(), ..Options::default() };
    let store = Store::open(&home.store(), options).unwrap();
    let mut found = Found::default();
    let records = Records::of(town);
    store
        .read(|view| {
            assert!(view.intents()?.is_empty(), "writes under way at rest");
            decisions(view, operator, &mut found);
            pairs(view, &records, beginning, hands, operator, &mut found);
            Ok(())
        })
        .unwrap();
    for (side, ledger) in [(Side::Ivvy, town.ivvy.ledger()), (Side::Crm, town.crm.ledger())] {
        no_doubles(side, ledger, &mut found);
        no_idle_writes(side, ledger);
    }
    nobody_twice(&records);
    found
}

/// At most one record was ever created under one counterpart's id.
fn no_doubles(side: Side, ledger: &Ledger, found: &mut Found) {
    let counts = ledger.report().counts;
    for (object, keys) in &counts.creations {
        for (key, count) in keys {
            assert_eq!(*count, 1, "{side}: {object} created {count} times under {key}");
        }
        let keyed: u64 = keys.values().sum();
        assert_eq!(keyed, ledger.count(object, Op::Create), "{side}: an {object} was created without a key");
        found.creates += keyed;
    }
    found.writes += counts.by_op.values().sum::<u64>();
}

/// No write of ours left a record as it was: nothing is applied twice, and nothing comes back as an echo.
fn no_idle_writes(side: Side, ledger: &Ledger) {
    let mut before: BTreeMap<(String, String), Effect> = BTreeMap::new();
    for effect in ledger.effects() {
        let last = before.insert((effect.object.clone(), effect.id.clone()), effect.clone());
        let idle = effect.by == By::Api && last.as_ref().is_some_and(|last| last.hash == effect.hash);
        assert!(!idle, "{side}: a write that changed nothing\n{last:?}\n{effect:?}");
    }
}

/// All addresses in the town differ, so two records of a side with one address are one person twice.
fn nobody_twice(records: &Records) {
    for side in Side::BOTH {
        let mut seen = BTreeMap::new();
        for (id, (fields, _)) in records.on(ModuleId::Contacts, side) {
            let other = seen.insert(fields["email"].to_lowercase(), id);
            assert!(
                other.is_none() || fields["email"].is_empty(),
                "{side}: {} is there twice: {other:?}, {id}: {:?} {fields:?}",
                fields["email"],
                other.and_then(|other| records.on(ModuleId::Contacts, side).iter().find(|(id, _)| *id == other))
            );
        }
    }
}

/// Every acknowledged decision is in the audit exactly once, no other is there that was not sent, and
/// none is there twice (I5).
fn decisions(view: &View, operator: &Operator, found: &mut Found) {
    let mut audited: BTreeMap<(ItemId, u32), Vec<Verb>> = BTreeMap::new();
    let mut before: Option<Seq> = None;
    loop {
        let rows = view.audit(&AuditQuery { item: None, before, limit: 1_000 }).unwrap();
        let Some(last) = rows.last() else { break };
        before = Some(last.seq);
        for row in rows {
            if let AuditEvent::Decided { verb, ver, .. } = row.what {
                audited.entry((row.item.unwrap(), ver)).or_default().push(verb);
            }
        }
    }
    // What was broken off and not carried out may have been sent again on the same version.
    let mut sent: BTreeMap<(ItemId, u32), Vec<&Sent>> = BTreeMap::new();
    for one in &operator.sent {
        sent.entry((one.item, one.ver)).or_default().push(one);
    }
    for ((item, ver), sent) in sent {
        let entries = audited.remove(&(item, ver)).unwrap_or_default();
        let stored = view.decisions(item).unwrap().iter().filter(|one| one.ver == ver).count();
        assert_eq!(entries.len(), stored, "audit and decisions differ: {sent:?}");
        let acknowledged: Vec<Verb> = sent.iter().filter(|one| one.acknowledged).map(|one| one.verb).collect();
        match (acknowledged.as_slice(), entries.as_slice()) {
            ([], []) => {}
            ([], [verb]) => assert!(sent.iter().any(|one| one.verb == *verb), "{verb} instead of {sent:?}"),
            ([asked], [verb]) => assert_eq!(asked, verb, "{sent:?}"),
            (_, []) => panic!("an acknowledged decision is lost: {sent:?}"),
            _ => panic!("one version, several decisions: {sent:?}, {entries:?}"),
        }
        found.decisions += acknowledged.len();
    }
    assert!(audited.is_empty(), "decisions that nobody made: {audited:?}");
}

/// Every record has its one counterpart and shows the same values, or a person is shown why not; and
/// what both show is what was typed last, or what an operator chose.
fn pairs(view: &View, records: &Records, beginning: &Beginning, hands: &Hands, operator: &Operator, found: &mut Found) {
    for (module, fields) in [(ModuleId::Contacts, &CONTACT[..]), (ModuleId::Companies, &COMPANY[..])] {
        let chosen = choices(view, module, operator);
        let mut counterparts = BTreeSet::new();
        for side in Side::BOTH {
            for (id, (_, key)) in records.on(module, side) {
                let record = RecordId::from(id.as_str());
                let Some(link) = view.link_of(module, side, &record).unwrap() else {
                    let lone = PairKey::Lone(side, record);
                    assert!(
                        shown(view, module, &lone),
                        "{side} {module} {id} (key {key:?}) has no counterpart, and nobody is told"
                    );
                    found.shown += 1;
                    continue;
                };
                if side == Side::Crm {
                    continue;
                }
                let link = view.link(link).unwrap().unwrap();
                assert!(counterparts.insert(link.crm.clone()), "{link:?}: its counterpart has another one too");
                let (ours, our_key) = &records.on(module, Side::Ivvy)[id];
                let (theirs, their_key) = &records.on(module, Side::Crm)[link.crm.as_str()];
                let shown = shown(view, module, &PairKey::Link(link.id));
                found.pairs += 1;
                found.in_step += usize::from(!shown);
                found.shown += usize::from(shown);
                let stamped = *our_key == link.crm.0 && *their_key == format!("{}-{id}", module.singular());
                let told = stamped || shown || !explain(view, records, &link, hands, "email");
                assert!(told, "{link:?}: constant ids {our_key:?} and {their_key:?}");
                for (field, ..) in fields {
                    let (ours, theirs) = (&ours[field], &theirs[field]);
                    if ours != theirs {
                        let told = shown || !explain(view, records, &link, hands, field);
                        assert!(told, "{link:?} {field}: {ours:?} here, {theirs:?} there, and nobody is told");
                        continue;
                    }
                    let origin = |side: Side, id: &str| {
                        beginning.0.on(module, side).get(id).map(|(fields, _)| fields[field].clone())
                    };
                    let typed = |side: Side, id: &str| {
                        hands.typed.get(&(module, side, id.to_owned(), *field)).cloned().unwrap_or_default()
                    };
                    let mut all = typed(Side::Ivvy, id);
                    all.extend(typed(Side::Crm, link.crm.as_str()));
                    all.sort();
                    let first: Vec<String> =
                        [origin(Side::Ivvy, id), origin(Side::Crm, link.crm.as_str())].into_iter().flatten().collect();
                    // An edit that the operator had not seen is not overruled by the choice.
                    let seen = |last: &&Sent| {
                        let (wins, loses) = last.results.get(*field)?;
                        let known = |value: &String| [wins, loses].iter().any(|seen| seen.as_text() == Some(value));
                        let ours = typed(Side::Ivvy, id);
                        let theirs = typed(Side::Crm, link.crm.as_str());
                        let all = [ours.last(), theirs.last()].into_iter().flatten().all(|(_, value)| known(value));
                        all.then(|| wins.as_text().unwrap_or_default().trim().to_owned())
                    };
                    let last = chosen.get(&link.id);
                    match (last, all.last()) {
                        (Some(decided), Some((n, last))) if *n > decided.after_edit => {
                            let kept = ours == last || !explain(view, records, &link, hands, field);
                            assert!(kept, "{link:?} {field}: edit {n} was lost, both show {ours:?}; {decided:?}");
                        }
                        (Some(decided), _) => {
                            let known = first.contains(ours) || all.iter().any(|(_, value)| value == ours);
                            assert!(known, "{link:?} {field}: nobody ever typed {ours:?}");
                            if let Some(wanted) = last.as_ref().and_then(seen) {
                                found.choices += 1;
                                let kept = *ours == wanted || !explain(view, records, &link, hands, field);
                                assert!(kept, "{link:?} {field}: the choice was lost, both show {ours:?}; {decided:?}");
                            }
                        }
                        (None, Some((n, last))) => {
                            let kept = ours == last || !explain(view, records, &link, hands, field);
                            assert!(kept, "{link:?} {field}: edit {n} was lost, both show {ours:?}");
                        }
                        (None, None) => assert!(first.contains(ours), "{link:?} {field}: {ours:?} out of nothing"),
                    }
                }
            }
        }
    }
}

/// The last choosing decision per link, carried out or perhaps carried out. `results` stays only if it
/// is certain that it was the last and was carried out.
fn choices(view: &View, module: ModuleId, operator: &Operator) -> BTreeMap<LinkId, Sent> {
    let mut chosen: BTreeMap<LinkId, Sent> = BTreeMap::new();
    for sent in operator.sent.iter().filter(|sent| !matches!(sent.verb, Verb::Claim | Verb::Retry)) {
        let Some(item) = view.item(sent.item).unwrap().filter(|item| item.module == module) else { continue };
        let link = match item.pair {
            PairKey::Link(link) => Some(link),
            PairKey::Lone(side, record) => view.link_of(module, side, &record).unwrap(),
        };
        let Some(link) = link else { continue };
        let mut sent = sent.clone();
        // Only a decision that ran to its end has chosen: one taken back, or overtaken by an edit that
        // was seen only later, leaves the item to be decided again.
        let carried_out = sent.acknowledged && item.state == State::Done && item.decided_by.is_some();
        let later = operator.sent.iter().any(|other| other.item == sent.item && other.ver > sent.ver);
        if !carried_out || later {
            sent.results.clear();
        }
        chosen.insert(link, sent);
    }
    chosen
}

/// Prints what led to a failure. Always true, so that it can stand in a condition.
fn explain(view: &View, records: &Records, link: &Link, hands: &Hands, field: &'static str) -> bool {
    for (side, id) in [(Side::Ivvy, &link.ivvy), (Side::Crm, &link.crm)] {
        eprintln!("{side} {:?}", records.on(link.module, side)[id.as_str()]);
        eprintln!("  typed {:?}", hands.typed.get(&(link.module, side, id.0.clone(), field)));
        eprintln!("  seen {:?}", view.observation(link.module, side, id).unwrap());
        eprintln!("  dirty {}", view.is_dirty(link.module, side, id).unwrap());
        eprintln!("  cursor {:?}", view.cursor(link.module, side).unwrap());
    }
    eprintln!("base {:?}", view.base(link.id).unwrap());
    if let Some(item) = view.last_item(link.module, &PairKey::Link(link.id)).unwrap() {
        eprintln!("item {:?}", view.item(item).unwrap());
        eprintln!("decisions {:?}", view.decisions(item).unwrap());
    }
    let mut after = Seq(0);
    let newest = view.seq().unwrap();
    while after < newest {
        let before = Some(Seq(after.0 + 1_000));
        for row in view.audit(&AuditQuery { item: None, before, limit: 1_000 }).unwrap().into_iter().rev() {
            if row.seq > after && row.link == Some(link.id) {
                eprintln!("{} {} {:?} {:?}", row.seq, row.at, row.item, row.what);
            }
        }
        after = Seq(after.0 + 999);
    }
    true
}

/// Whether a person can see that something stands between the two: an unfinished or skipped item.
fn shown(view: &View, module: ModuleId, pair: &PairKey) -> bool {
    let Some(item) = view.last_item(module, pair).unwrap() else { return false };
    let item = view.item(item).unwrap().unwrap();
    matches!(item.state, State::Held | State::Blocked | State::Dead | State::Skipped)
}
