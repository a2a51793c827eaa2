//! An iVvy whose pages do not hold still, while people go on working (`engine.md` 5.7, I12).

use std::time::Duration;

use serde_json::json;
use tandem::model::{ModuleId, RecordId, Side};
use tandem::sim::control::Edit;
use tandem::sim::ivvy::Order;
use tandem::store::Reads as _;
use tokio_util::sync::CancellationToken;

use super::population::{Known, Shape};
use super::world::{Setup, World};

/// Enough people for a dozen pages.
const CROWD: Shape =
    Shape { both: 0, only_ivvy: 1_200, only_crm: 0, companies_both: 0, companies_only_ivvy: 3, companies_only_crm: 0 };

/// Reads everything twice while somebody saves a contact 25 times a second, and proves that the
/// sweeps end and that nobody was missed. Returns the pages the engine asked of iVvy.
async fn nobody_is_missed(order: Order) -> u64 {
    let setup = Setup { order, ..Setup::salesforce(CROWD) };
    let mut world = World::prepare(setup, Known::of(CROWD, 7)).await;
    world.ivvy.0.load(&world.known.ivvy.clone());
    let before = world.ivvy.all(ModuleId::Contacts);
    let stop = CancellationToken::new();
    let (hand, stopped, ids) = (world.ivvy.clone(), stop.clone(), before.keys().cloned().collect::<Vec<_>>());
    let busy = tokio::spawn(async move {
        for (turn, id) in ids.iter().cycle().step_by(7).enumerate() {
            hand.0.edit(&Edit::update("contact", id, json!({"phone": format!("+61 2 5555 {turn:04}")}))).unwrap();
            tokio::select! {
                () = stopped.cancelled() => return turn,
                () = tokio::time::sleep(Duration::from_millis(40)) => {}
            }
        }
        0
    });
    world.start();
    world.first_plan().await;
    let newcomer = world.ivvy.insert(ModuleId::Contacts, &[("first_name", "New"), ("last_name", "Comer")]);
    world.sweep(true).await;
    stop.cancel();
    assert!(busy.await.unwrap() > 10, "people kept working");

    let known = |id: &str| {
        let id = RecordId::from(id);
        world.engine.store().read(|view| view.observation(ModuleId::Contacts, Side::Ivvy, &id)).unwrap()
    };
    for id in before.keys().chain([&newcomer]) {
        assert!(known(id).is_some_and(|known| !known.absent && known.missed_sweeps == 0), "contact {id} was missed");
    }
    // What was saved last arrives with the next ordinary sweep: the watermark has not run ahead.
    world.sweep(false).await;
    for (id, row) in world.ivvy.all(ModuleId::Contacts) {
        let phone = known(&id).and_then(|known| known.record.fields["phone"].as_text().map(str::to_owned));
        assert_eq!(phone.unwrap_or_default(), row["phone"], "contact {id}");
    }
    let pages = world.calls(Side::Ivvy).pages;
    world.end().await;
    pages
}

/// Every save moves a record to the front.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_modified_come_first_and_nobody_is_missed_i12() {
    nobody_is_missed(Order::ModifiedDesc).await;
}

/// Every page comes in an order of its own: without slices no sweep of more than one page would ever end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_is_shuffled_and_nobody_is_missed_i12() {
    let pages = nobody_is_missed(Order::Shuffled).await;
    assert!(pages < 500, "{pages} pages for a dozen pages of people: the slices are cut badly");
}
