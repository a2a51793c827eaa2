//! Where the CRM keeps a person as one record: nobody is a prospect and a member at once, nor planned while that
//! is open. One store, no call is made.

use std::sync::Arc;

use super::*;
use crate::model::record::Source;
use crate::model::{Cursor, Fields, Intent, Item, Operation, Record, Timestamp, Value};
use crate::remote::Remote;
use crate::remote::stub::Stub;
use crate::seam::{Entropy, TokioClock};
use crate::store::{Options, Store};
use crate::sync::observe::observation;
use crate::sync::plan::{Cause, link_records, record};
use crate::sync::simulation::disk::Disk;
use crate::sync::{Engine, Remotes, Settings};

const CONTACTS: ModuleId = ModuleId::Contacts;
const LEADS: ModuleId = ModuleId::Leads;

fn now() -> Timestamp {
    Timestamp::from_secs(1_795_000_000)
}

/// An engine that does not run, between iVvy and a CRM of this conversion. Both sides have been read after whatever
/// is seen here.
struct Bench(Engine);

impl Bench {
    async fn of(conversion: Conversion) -> Self {
        Self::with(conversion, &[CONTACTS, LEADS]).await
    }

    async fn with(conversion: Conversion, modules: &[ModuleId]) -> Self {
        let clock = Arc::new(TokioClock::starting_at(now()));
        let remotes = Remotes::new(|side, _| {
            let mut stub = Stub::new(clock.clone());
            if side == Side::Crm {
                stub.conversion = conversion;
            }
            Arc::new(stub) as Arc<dyn Remote>
        });
        let modules = modules.iter().map(|module| (*module, module.def())).collect();
        let store = Store::open_backend(Disk::default().open(), Options::default()).unwrap();
        let settings = Settings { modules, ..Settings::default() };
        let bench = Self(Engine::new(store, remotes, clock, Entropy::seeded(1), settings).unwrap());
        for side in Side::BOTH {
            bench.read_at(CONTACTS, side, 60).await;
            bench.read_at(LEADS, side, 60).await;
        }
        bench
    }

    async fn write<T: Send + 'static>(
        &self,
        act: impl Fn(&Core, &mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> T {
        let core = self.0.core();
        self.0.store().write(move |tx| act(&core, tx)).await.unwrap()
    }

    /// The last sweep of a side began and ended that many seconds from now.
    async fn read_at(&self, module: ModuleId, side: Side, seconds: i64) {
        let at = Some(Timestamp::from_millis(now().millis() + seconds * 1000));
        let cursor = Cursor { last_full: at, last_sweep: at, ..Cursor::default() };
        self.write(move |_, tx| tx.put_cursor(module, side, &cursor)).await;
    }

    async fn see(&self, module: ModuleId, side: Side, record: Record) {
        let seen = observation(&self.0.core(), module, side, record, Source::Poll);
        self.write(move |_, tx| tx.put_observation(&seen)).await;
    }

    /// A person of a module, with what every system asks for.
    async fn person(&self, module: ModuleId, side: Side, id: &str) {
        self.see(module, side, named(id)).await;
    }

    /// A lead of iVvy's about contact 100.
    async fn lead(&self, id: &str, converted: bool) {
        self.see(LEADS, Side::Ivvy, Record { person: Some("100".into()), converted, ..named(id) }).await;
    }

    async fn link(&self, module: ModuleId, ivvy: &'static str, crm: &'static str) {
        self.write(move |_, tx| link_records(tx, module, &ivvy.into(), &crm.into(), "test", now()).map(drop)).await;
    }

    /// A write is under way for `pair`.
    async fn under_way(&self, pair: PairKey) {
        self.write(move |_, tx| {
            let mut item = Item::new(tx.new_item_id()?, LEADS, pair.clone(), Kind::Create, now());
            let note = |state| Note {
                at: now(),
                actor: Actor::engine(),
                module: None,
                item: None,
                link: None,
                what: AuditEvent::Moved { state, cause: "test".to_owned() },
            };
            item.state = State::Ready;
            tx.put_item(&item, note(item.state))?;
            let operation =
                Operation::Create { key: "lead-7".to_owned(), fields: Fields::new(), source: RecordId::from("7") };
            tx.put_intent(&Intent {
                item: item.id,
                module: LEADS,
                side: Side::Crm,
                source_values: Fields::new(),
                attempt: 1,
                claimed_at: now(),
                unknown_since: None,
                decided: false,
                operation,
            })?;
            item.state = State::Inflight;
            item.ver += 1;
            tx.put_item(&item, note(item.state)).map(drop)
        })
        .await;
    }

    /// Plans a record; whether that left something to do.
    async fn plan(&self, module: ModuleId, side: Side, id: &'static str) -> (Planned, bool) {
        self.write(move |core, tx| {
            let planned = record(core, tx, module, side, &id.into(), Cause::Seen)?;
            let open = tx.open_item(module, &PairKey::Lone(side, id.into()))?.is_some();
            Ok((planned, open))
        })
        .await
    }

    async fn counterpart(&self, id: &'static str) -> Counterpart {
        self.write(move |core, tx| {
            let seen = tx.observation(CONTACTS, Side::Crm, &id.into())?.unwrap();
            counterpart(core, tx, &seen)
        })
        .await
    }

    async fn standing(&self) -> Standing {
        self.write(|core, tx| {
            let seen = tx.observation(CONTACTS, Side::Ivvy, &"100".into())?.unwrap();
            standing_of(core, tx, &seen)
        })
        .await
    }
}

fn named(id: &str) -> Record {
    let fields = [("first_name", "Mia"), ("last_name", "Ada"), ("name", "Mia Ada"), ("email", "mia@x.example")];
    let fields = fields.map(|(name, value)| (name.to_owned(), Value::text(value)));
    Record { id: id.into(), fields: fields.into(), modified: Some(now()), ..Record::default() }
}

const WRITTEN: (Planned, bool) = (Planned::Settled, true);
const LEFT: (Planned, bool) = (Planned::Settled, false);

#[tokio::test]
async fn a_contact_is_no_member_while_a_lead_about_them_is_open_p05() {
    // Control: where a person may be two records, the lead is in nobody's way.
    let other = Bench::of(Conversion::NewContact).await;
    other.person(CONTACTS, Side::Ivvy, "100").await;
    other.lead("7", false).await;
    assert_eq!(other.standing().await, Standing::Free);
    assert_eq!(other.plan(CONTACTS, Side::Ivvy, "100").await, WRITTEN);

    let bench = Bench::of(Conversion::SameRecord).await;
    bench.person(CONTACTS, Side::Ivvy, "100").await;
    assert_eq!(bench.standing().await, Standing::Free);
    bench.lead("7", false).await;
    assert_eq!(bench.standing().await, Standing::Prospect);
    assert_eq!(bench.plan(CONTACTS, Side::Ivvy, "100").await, LEFT);
    // One of two leads converted: the other still makes them a prospect.
    bench.lead("8", true).await;
    bench.person(LEADS, Side::Crm, "lead-8").await;
    bench.link(LEADS, "8", "lead-8").await;
    assert_eq!(bench.standing().await, Standing::Prospect);
    assert_eq!(bench.plan(CONTACTS, Side::Ivvy, "100").await, LEFT);
    // An archived lead stands in nobody's way.
    bench.see(LEADS, Side::Ivvy, Record { person: Some("100".into()), archived: true, ..named("7") }).await;
    assert_eq!(bench.standing().await, Standing::Under("lead-8".into()));
    assert_eq!(bench.plan(CONTACTS, Side::Ivvy, "100").await, WRITTEN);
}

#[tokio::test]
async fn a_contact_planned_before_its_lead_came_is_let_go_p05() {
    let bench = Bench::of(Conversion::SameRecord).await;
    bench.person(CONTACTS, Side::Ivvy, "100").await;
    assert_eq!(bench.plan(CONTACTS, Side::Ivvy, "100").await, WRITTEN);
    bench.lead("7", false).await;
    assert_eq!(bench.plan(CONTACTS, Side::Ivvy, "100").await, LEFT);
}

#[tokio::test]
async fn an_id_that_is_a_members_already_is_given_to_nobody_else_p05() {
    let bench = Bench::of(Conversion::SameRecord).await;
    bench.person(CONTACTS, Side::Ivvy, "100").await;
    bench.lead("8", true).await;
    assert_eq!(bench.standing().await, Standing::Free, "it never stood there");
    bench.person(LEADS, Side::Crm, "lead-8").await;
    bench.link(LEADS, "8", "lead-8").await;
    assert_eq!(bench.standing().await, Standing::Under("lead-8".into()));
    bench.person(CONTACTS, Side::Ivvy, "200").await;
    bench.person(CONTACTS, Side::Crm, "lead-8").await;
    bench.link(CONTACTS, "200", "lead-8").await;
    assert_eq!(bench.standing().await, Standing::Free);
}

#[tokio::test]
async fn a_lead_about_a_member_makes_no_second_record_of_them_p05() {
    for (conversion, modules, wanted) in [
        (Conversion::SameRecord, [CONTACTS, LEADS].as_slice(), LEFT),
        // Controls: two records are allowed, and without the other module nobody is one.
        (Conversion::NewContact, &[CONTACTS, LEADS], WRITTEN),
        (Conversion::SameRecord, &[LEADS], WRITTEN),
    ] {
        let bench = Bench::with(conversion, modules).await;
        bench.person(CONTACTS, Side::Ivvy, "100").await;
        bench.person(CONTACTS, Side::Crm, "contact-100").await;
        bench.link(CONTACTS, "100", "contact-100").await;
        bench.lead("9", false).await;
        assert_eq!(bench.plan(LEADS, Side::Ivvy, "9").await, wanted, "{conversion:?} {modules:?}");
    }
}

/// While the write of a lead is under way its outcome decides whose member the record of its id is, in each of the
/// ways it can be under way.
#[tokio::test]
async fn a_member_waits_while_the_lead_of_its_id_is_being_written_p05() {
    for (name, linked, pair) in [
        ("made there", false, PairKey::Lone(Side::Ivvy, "7".into())),
        ("one of its own", false, PairKey::Lone(Side::Crm, "lead-7".into())),
        ("changed there", true, PairKey::Link(crate::model::LinkId(1))),
    ] {
        let bench = Bench::of(Conversion::SameRecord).await;
        bench.person(CONTACTS, Side::Crm, "lead-7").await;
        bench.person(CONTACTS, Side::Crm, "lead-70").await;
        if linked {
            bench.person(LEADS, Side::Ivvy, "7").await;
            bench.person(LEADS, Side::Crm, "lead-7").await;
            bench.link(LEADS, "7", "lead-7").await;
        }
        assert_eq!(bench.counterpart("lead-7").await, Counterpart::None, "{name}");
        bench.under_way(pair.clone()).await;
        assert_eq!(bench.counterpart("lead-7").await, Counterpart::UnderWay, "{name}");
        assert_eq!(bench.counterpart("lead-70").await, Counterpart::None, "{name}: another id");
        assert_eq!(bench.plan(CONTACTS, Side::Crm, "lead-7").await, (Planned::Deferred, false), "{name}");
        // Control: where a person may be two records, nobody waits.
        let other = Bench::of(Conversion::NewContact).await;
        other.person(CONTACTS, Side::Crm, "lead-7").await;
        if linked {
            other.person(LEADS, Side::Ivvy, "7").await;
            other.person(LEADS, Side::Crm, "lead-7").await;
            other.link(LEADS, "7", "lead-7").await;
        }
        other.under_way(pair).await;
        assert_eq!(other.counterpart("lead-7").await, Counterpart::None, "{name}");
    }
}

/// Until the leads of its system have been read since, a contact may be one of them: also one that bears a key, which
/// everybody does there, and one of iVvy's, whose lead may just have been entered.
#[tokio::test]
async fn nobody_is_planned_as_a_member_before_the_leads_are_read_p05() {
    for (side, id) in [(Side::Crm, "lead-7"), (Side::Ivvy, "100")] {
        for (conversion, bears_key, waits) in [
            (Conversion::SameRecord, false, true),
            (Conversion::SameRecord, true, true),
            (Conversion::NewContact, false, side == Side::Crm),
            (Conversion::NewContact, true, false),
            (Conversion::None, false, false),
        ] {
            let bench = Bench::of(conversion).await;
            bench.read_at(LEADS, side, -1).await;
            bench.person(CONTACTS, side, id).await;
            let unread = |key: Option<String>| {
                bench.write(move |core, tx| {
                    let mut seen = tx.observation(CONTACTS, side, &id.into())?.unwrap();
                    seen.external_key.clone_from(&key);
                    leads_unread(core, tx, &seen)
                })
            };
            let key = bears_key.then(|| "key".to_owned());
            // With iVvy nobody's lead bears the CRM's id, so who has one is no news.
            let waits = waits && !(side == Side::Ivvy && bears_key);
            assert_eq!(unread(key.clone()).await, waits, "{side:?} {conversion:?} {bears_key}");
            bench.read_at(LEADS, side, 1).await;
            assert!(!unread(key).await, "{side:?} {conversion:?}: they are read");
        }
    }
}
