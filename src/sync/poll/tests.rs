//! When a side is swept, and what proves a deletion.

use super::*;
use crate::remote::stub::Stub;
use crate::remote::{Remote, Sent};
use crate::seam::{Clock, Entropy, TokioClock};
use crate::store::{Options, Store};
use crate::sync::simulation::disk::Disk;
use crate::sync::{Engine, Remotes, Settings};

#[test]
fn what_cannot_be_asked_for_proves_no_deletion_and_stops_no_sweep_s28_s30() {
    let error = |class| RemoteError {
        system: "s360".to_owned(),
        action: "read".to_owned(),
        class,
        sent: Sent::No,
        code: None,
        message: "no".to_owned(),
        details: Vec::new(),
        retry_after: None,
    };
    assert!(proves_nothing(&error(Class::Unsupported)));
    for class in [Class::Missing, Class::Server, Class::Unauthorized] {
        assert!(!proves_nothing(&error(class)));
    }
}

/// However often a system tells that it has something new, one sweep follows; what it tells during that sweep, one
/// more. Nothing that was told is left unread until the next one on schedule.
#[tokio::test(start_paused = true)]
async fn what_is_told_in_a_burst_is_read_in_one_sweep_and_nothing_is_missed_p02() {
    const CONTACTS: ModuleId = ModuleId::Contacts;
    let clock = TokioClock::starting_at(Timestamp::from_secs(1_795_000_000));
    let stub = |side| {
        let mut stub = Stub::new(Arc::new(clock.clone()));
        if side == Side::Crm {
            // So that there is a time during the sweep.
            stub.page_takes = Duration::from_secs(10);
        }
        Arc::new(stub)
    };
    let sides = Side::BOTH.map(stub);
    let remotes = Remotes::new(|side, _| Arc::clone(&sides[side as usize]) as Arc<dyn Remote>);
    let modules = [CONTACTS, ModuleId::Leads].map(|module| (module, module.def())).into();
    let settings = Settings { modules, interval: Duration::from_secs(3_600), ..Settings::default() };
    let store = Store::open_backend(Disk::default().open(), Options::default()).unwrap();
    let engine = Engine::new(store, remotes, Arc::new(clock.clone()), Entropy::seeded(1), settings).unwrap();
    let (running, stop) = (engine.clone(), wait::Shutdown::new());
    let until = stop.clone();
    let running = tokio::spawn(async move { running.run(until).await });
    let crm = &sides[Side::Crm as usize];
    // The schedule's own sweeps are over.
    clock.sleep(Duration::from_secs(600)).await;
    let before = crm.pages(CONTACTS).len();
    let others = || [sides[Side::Ivvy as usize].pages(CONTACTS).len(), crm.pages(ModuleId::Leads).len()];
    let untold = others();
    let last_full = || engine.store().read(|view| view.cursor(CONTACTS, Side::Crm)).unwrap().last_full;
    let read_whole = last_full();
    for _ in 0..100 {
        engine.told(CONTACTS, Side::Crm);
    }
    clock.sleep(Duration::from_secs(5)).await;
    assert_eq!(crm.pages(CONTACTS).len(), before + 1, "one for all of them, at once");
    for _ in 0..100 {
        engine.told(CONTACTS, Side::Crm);
    }
    clock.sleep(Duration::from_secs(300)).await;
    let pages = crm.pages(CONTACTS);
    assert_eq!(pages.len(), before + 2, "and one for those that came meanwhile");
    assert!(pages[before + 1].since(pages[before]) >= Duration::from_secs(10), "one after the other");
    assert_eq!(others(), untold, "nobody else is asked");
    assert_eq!(last_full(), read_whole, "only what changed is read");
    stop.cancel();
    running.await.unwrap().unwrap();
}
