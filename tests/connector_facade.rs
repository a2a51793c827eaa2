//! The facade while the disk fails: what was answered is kept, what could not be stored is said to come again, and
//! the same call afterwards is one person (scenario 8 for the Connector's calls, P-02).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail loudly")]

#[allow(dead_code, reason = "not every test binary cuts the power in every way")]
#[path = "store_support/disk.rs"]
mod disk;

use std::sync::Arc;
use std::time::Duration;

use disk::Disk;
use tandem::inbound::connector::{Desk, Terms, routes};
use tandem::inbound::{Guard, Receiver};
use tandem::model::{ModuleId, Side};
use tandem::remote::connector::{Agreed, Connector, Elements, Settings};
use tandem::remote::http::{HttpSettings, ReqwestTransport};
use tandem::remote::shelf::EmptyShelf;
use tandem::remote::transport::Limits;
use tandem::seam::{Clock, Entropy, SystemClock};
use tandem::sim::connector::{self, Auth, ConnectorSim, Facade, Hub, HubError, Lead};
use tandem::store::{Options, Reads as _, Store};
use tandem::sync::{Engine, Remotes};
use tokio_util::sync::CancellationToken;

/// The facade on `disk`, and the hub that calls it. Leads are on.
fn facade(disk: Disk) -> (Engine, Receiver, Hub) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let http = Arc::new(ReqwestTransport::new(&HttpSettings::default()).unwrap());
    let settings = Settings {
        base_url: "http://127.0.0.1:9".to_owned(),
        version: "2011-11".to_owned(),
        provider: "TANDEM".to_owned(),
        client: "client-1".to_owned(),
        club: "club-1".to_owned(),
        agreed: Agreed { receives: true, prospects: true, members: true, ..Agreed::default() },
        elements: Elements::default(),
        settle: Duration::ZERO,
        limits: Limits::default(),
    };
    let adapter = Connector::new(settings, http.clone(), Arc::new(EmptyShelf), Arc::clone(&clock)).unwrap();
    let adapter: Arc<dyn tandem::remote::Remote> = Arc::new(adapter);
    let store = Store::open_backend(disk, Options::default()).unwrap();
    let remotes = Remotes::new(|_, _| Arc::clone(&adapter));
    let modules = [(ModuleId::Leads, ModuleId::Leads.def())].into();
    let settings = tandem::sync::Settings { modules, interval: Duration::from_secs(3_600), ..Default::default() };
    let engine = Engine::new(store, remotes, Arc::clone(&clock), Entropy::seeded(1), settings).unwrap();
    let terms = Terms {
        provider: "TANDEM".to_owned(),
        client: "client-1".to_owned(),
        club: "club-1".to_owned(),
        prospects: true,
        members: true,
        ..Terms::default()
    };
    let desk = Desk::new(engine.clone(), Guard::open("connector", Arc::clone(&clock)), terms, Arc::clone(&clock));
    let receiver = Receiver::listen(routes(Arc::new(desk)), ([127, 0, 0, 1], 0).into(), Arc::clone(&clock)).unwrap();
    let sim = ConnectorSim::new(connector::Settings::default(), clock, Entropy::seeded(2));
    let hub = sim.hub(http, Facade::at(&format!("http://{}", receiver.addr()), Auth::None));
    (engine, receiver, hub)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_stored_is_answered_503_and_comes_again_as_one_person_scenario_08() {
    let disk = Disk::new(7);
    let (engine, receiver, hub) = facade(disk.clone());
    let [mia, noa] = ["Mia", "Noa"].map(|name| Lead::prospect(&format!("GUID-{name}"), name, "Prospect"));
    let kept = hub.save_prospect(&mia).await.unwrap();
    disk.arm(1);
    let refused = hub.save_prospect(&noa).await.unwrap_err();
    let HubError::Refused { status, reason, .. } = refused else { panic!("{refused:?}") };
    assert_eq!((status, reason.as_str()), (503, "DATABASE"));
    receiver.stop().await;
    drop(engine);

    let (engine, receiver, hub) = facade(disk.after_the_cut());
    let store = engine.store();
    let rows = store.read(|view| view.shelf(ModuleId::Leads, Side::Crm, None, None, 10)).unwrap();
    assert_eq!(
        rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(),
        [kept.as_str()],
        "what was answered is kept"
    );
    let later = hub.save_prospect(&noa).await.unwrap();
    assert_eq!(hub.save_prospect(&noa).await.unwrap(), later);
    assert_eq!(hub.save_prospect(&mia).await.unwrap(), kept);
    let rows = store.read(|view| view.shelf(ModuleId::Leads, Side::Crm, None, None, 10)).unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(store.read(tandem::store::doctor::check).unwrap(), Vec::<String>::new());
    receiver.stop().await;
}

/// A save that says something new has the leads read at once; the same one again, as the hub sends it ten times,
/// has nothing read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_save_is_read_at_once_and_a_repeated_one_has_nothing_read_p02() {
    let (engine, receiver, hub) = facade(Disk::new(7));
    let (running, stop) = (engine.clone(), CancellationToken::new());
    let until = stop.clone();
    let running = tokio::spawn(async move { running.run(until).await });
    let sweeps = || engine.store().read(|view| view.cursor(ModuleId::Leads, Side::Crm)).unwrap().sweeps;
    let swept = async |times: u64| {
        let reached = async {
            while sweeps() < times || engine.polling(ModuleId::Leads, Side::Crm).progress.is_some() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), reached).await.unwrap();
        assert_eq!(sweeps(), times);
    };
    swept(1).await;
    let [mia, noa] = ["Mia", "Noa"].map(|name| Lead::prospect(&format!("GUID-{name}"), name, "Prospect"));
    let id = hub.save_prospect(&mia).await.unwrap();
    swept(2).await;
    for _ in 0..10 {
        assert_eq!(hub.save_prospect(&mia).await.unwrap(), id);
    }
    hub.save_prospect(&noa).await.unwrap();
    swept(3).await;
    stop.cancel();
    running.await.unwrap().unwrap();
    receiver.stop().await;
}
