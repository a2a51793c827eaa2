//! Tests of a connection, and reconciliations whose records are read: over an engine that runs between two stubs, on a
//! paused clock.

use tokio_util::sync::CancellationToken;

use super::*;
use crate::remote::stub::Stub;
use crate::remote::{Class, Probe, Remote};
use crate::seam::TokioClock;
use crate::store::{Options, Store};
use crate::sync::{Remotes, Settings};

const ACME: &str = "s360_contacts/ACME";

struct Reading {
    world: World,
    stub: Arc<Stub>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
}

impl Reading {
    fn start() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at("2026-11-21T09:20:00Z".parse().unwrap()));
        let stub = Arc::new(Stub::new(Arc::clone(&clock)));
        let remotes = Remotes::new(|_, _| Arc::clone(&stub) as Arc<dyn Remote>);
        let modules = [ModuleId::Companies, ModuleId::Contacts].map(|module| (module, module.def())).into();
        let settings = Settings { modules, ..Settings::default() };
        let store = Store::open_backend(redb::backends::InMemoryBackend::new(), Options::default()).unwrap();
        let engine = Engine::new(store, remotes, Arc::clone(&clock), Entropy::seeded(1), settings).unwrap();
        let (running, stop) = (engine.clone(), CancellationToken::new());
        let until = stop.clone();
        tokio::spawn(async move { running.run(until).await });
        let streams = Streams::of(&config(&[S360, ODOO, INBOUND]), Arc::clone(&clock));
        Self { world: World { streams, engine, _place: tempfile::tempdir().unwrap() }, stub, clock, stop }
    }

    /// Contacts of ACME on the shelf, one of GLOBE's, and a possible loss at ACME, which takes part.
    async fn lost(&self, contacts: u32) {
        let now = self.clock.now();
        let ids = (0..contacts).map(|number| format!("ACME-{number}")).chain(["GLOBE-1".to_owned()]);
        for id in ids {
            let row = Shelved {
                module: ModuleId::Contacts,
                side: Side::Ivvy,
                id: RecordId::from(id),
                key: None,
                at: Timestamp::default(),
                gone: false,
                body: "{}".to_owned(),
            };
            self.world.engine.store().write(move |tx| tx.shelve(&row, now)).await.unwrap();
        }
        let first =
            FirstSync { from: Timestamp::EPOCH, entered: "1970-01-01 UTC".to_owned(), by: "ada".to_owned(), at: now };
        let gap = Gap { from: now.minus(Duration::from_secs(20_000)), to: now };
        let state = StreamState { possible_loss: Some(gap), first_sync: Some(first), ..StreamState::default() };
        self.world.put(ACME, state).await;
    }

    async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        for _ in 0..100_000 {
            if holds() {
                return;
            }
            self.clock.sleep(Duration::from_secs(5)).await;
        }
        panic!("waited in vain: {what}");
    }

    async fn reconcile(&self, told: &str) {
        assert_eq!(self.world.act(ACME, StreamVerb::Reconcile).await.unwrap(), told);
    }

    async fn reconciled(&self) {
        self.until("the end", || self.world.row(ACME).reconciling.is_none()).await;
    }

    async fn settle(&self) -> Result<String, Error> {
        self.world.act(ACME, StreamVerb::LossSettled).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_reconciliation_ends_with_a_row_that_says_what_could_not_be_read_and_so_does_settling_s17() {
    let reading = Reading::start();
    reading.lost(5).await;
    reading.stub.fails.lock().unwrap().extend([Class::Rejected, Class::Throttled, Class::Malformed]);
    reading.reconcile("5 records are read again").await;
    reading.reconciled().await;
    assert_eq!(
        reading.world.audited()[..2],
        [
            "engine: stream s360_contacts/ACME: reconciled 5 records, of which 2 could not be read".to_owned(),
            "ada: stream s360_contacts/ACME: reconcile 5 records".to_owned(),
        ]
    );
    assert_eq!(reading.stub.reads().len(), 6, "one of them again, and GLOBE's not");
    let row = reading.world.row(ACME);
    assert_eq!(row.state.last_error.as_deref(), Some("2 of 5 records could not be read again"));
    assert!(row.health.possible_loss, "who dealt with it says so");
    assert_eq!(reading.settle().await.unwrap(), "the possible loss is settled; 2 could not be read");
    assert!(reading.settle().await.unwrap_err().message.contains("no loss is suspected"));

    // All of them are read the next time: nothing is left over from the time before.
    reading.lost(5).await;
    reading.stub.fails.lock().unwrap().push_back(Class::Rejected);
    reading.world.engine.look_at(ModuleId::Contacts, Side::Ivvy, "ACME-none".into()).await.unwrap();
    reading.clock.sleep(Duration::from_secs(60)).await;
    reading.reconcile("5 records are read again").await;
    reading.reconciled().await;
    assert!(
        reading.world.audited()[0].ends_with("reconciled 5 records, of which 0 could not be read"),
        "not one of these"
    );
    assert_eq!(
        reading.settle().await.unwrap(),
        "the possible loss is settled; 1 could not be read",
        "but one of theirs"
    );
    reading.stop.cancel();
}

#[tokio::test(start_paused = true)]
async fn a_reconciliation_waits_for_what_cannot_be_read_now_and_ends_when_it_is_given_up_s17() {
    let reading = Reading::start();
    reading.lost(3).await;
    *reading.stub.goes_on_failing.lock().unwrap() = Some(Class::Unreachable);
    let began = reading.clock.now();
    reading.reconcile("3 records are read again").await;
    reading.clock.sleep(Duration::from_secs(48 * 3_600)).await;
    assert_eq!(reading.world.row(ACME).reconciling, Some((0, 3)), "none of them has been read");
    assert_eq!(reading.settle().await.unwrap(), "the possible loss is settled; 3 records still wait to be read again");
    reading.reconciled().await;
    assert!(reading.clock.now().since(began) > Duration::from_secs(3 * 24 * 3_600));
    assert!(reading.world.audited()[0].ends_with("reconciled 3 records, of which 3 could not be read"));
    assert_eq!(reading.world.row(ACME).state.last_error.as_deref(), Some("3 of 3 records could not be read again"));
    reading.stop.cancel();
}

#[tokio::test(start_paused = true)]
async fn a_test_that_an_operator_passed_opens_its_stream_and_no_other_s28() {
    let reading = Reading::start();
    let world = &reading.world;
    *reading.stub.probe.lock().unwrap() = Err(Class::Unauthorized);
    assert!(world.act(ACME, StreamVerb::Test).await.unwrap_err().message.contains("connection test failed"));
    assert!(world.act(ACME, first_sync("2026-01-31", "UTC")).await.is_err());
    *reading.stub.probe.lock().unwrap() = Ok(Probe { system: "S-360: ACME".to_owned(), ..Probe::default() });
    let told = world.act(ACME, StreamVerb::Test).await.unwrap();
    assert_eq!(told, "the connection test passed: S-360: ACME answered in 0 ms");
    assert_eq!(*reading.stub.probed.lock().unwrap(), ["ACME", "ACME"], "this institution is tested, and no other");
    assert_eq!(world.row(ACME).state.tested_at, Some(reading.clock.now()));
    assert!(world.audited()[0].starts_with("ada: stream s360_contacts/ACME: connection test passed"));
    let refused = world.act("s360_orders/ACME", first_sync("2026-01-31", "UTC")).await.unwrap_err();
    assert!(refused.message.contains("no connection test has passed"), "each stream is tested: {refused}");
    // What came before the date was said is read at once.
    reading.clock.sleep(Duration::from_secs(60)).await;
    let pages = reading.stub.pages(ModuleId::Contacts).len();
    world.act(ACME, first_sync("2026-01-31", "UTC")).await.unwrap();
    reading.clock.sleep(Duration::from_millis(10)).await;
    assert!(reading.stub.pages(ModuleId::Contacts).len() > pages);
    assert!(!world.row(ACME).health.waits_for_first_sync);
    // Later trouble does not take the date back, and a doubt is said.
    *reading.stub.probe.lock().unwrap() = Err(Class::Unreachable);
    assert!(world.act(ACME, StreamVerb::Test).await.is_err());
    let row = world.row(ACME);
    assert!(row.state.tested_at.is_some() && row.state.first_sync.is_some());
    *reading.stub.probe.lock().unwrap() =
        Ok(Probe { system: "Box".to_owned(), doubt: Some("only 404".to_owned()), ..Probe::default() });
    let told = world.act(ACME, StreamVerb::Test).await.unwrap();
    assert!(told.ends_with("Box answered in 0 ms; not proved: only 404"), "{told}");
    reading.stop.cancel();
}

/// What was set aside is taken after all where that can be done now, and otherwise stays with its reason.
#[tokio::test(start_paused = true)]
async fn a_record_set_aside_is_taken_after_all_or_stays_with_its_reason_s15() {
    let reading = Reading::start();
    let world = &reading.world;
    let good = r#"{"contactNumber":"123","role":"PUBLIC","individualContact":{"firstName":"Ada","lastName":"King"}}"#;
    let taken = world.set_aside(ACME, good).await;
    let broken = world.set_aside(ACME, r#"{"individualContact":{"lastName":"King"}}"#).await;
    let refused = world.act(ACME, StreamVerb::Retry { number: broken }).await.unwrap_err();
    assert!(refused.message.contains("still cannot be taken") && refused.hint.unwrap().contains("dismiss"));
    assert_eq!(world.row(ACME).aside, 2);
    let told = world.act(ACME, StreamVerb::Retry { number: taken }).await.unwrap();
    assert_eq!((told, world.row(ACME).aside), (format!("record {taken} is taken now"), 1));
    let there = world.engine.store().read(|view| view.shelved(ModuleId::Contacts, Side::Ivvy, &"ACME-123".into()));
    assert!(there.unwrap().unwrap().body.contains("King"));
    assert!(world.audited()[0].starts_with(&format!("ada: take after all record {taken}")), "{:?}", world.audited());
    let refused = world.act(ACME, StreamVerb::Retry { number: taken }).await.unwrap_err();
    assert!(refused.message.contains("no record"), "{refused}");
    reading.stop.cancel();
}
