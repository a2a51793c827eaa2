//! Runs of the simulated S-360's pusher into the intake.

use super::*;

/// A simulated S-360 that pushes to `life`.
fn town(life: &Life, codes: &[&str], knobs: Knobs) -> Arc<S360Sim> {
    let settings = Settings {
        institutions: codes
            .iter()
            .map(|code| Account {
                receiver: Some(Target { url: life.url(), auth: PushAuth::None }),
                ..Account::invented(code)
            })
            .collect(),
        knobs,
        ..Settings::default()
    };
    S360Sim::new(settings, clock(), Entropy::seeded(3))
}

fn fill(sim: &S360Sim, code: &str, people: usize) {
    for index in 0..people {
        let name = json!({"individualContact": {"firstName": format!("Ada{index}"), "lastName": "Example"}});
        sim.add_contact(code, name, clock().now()).unwrap();
    }
    sim.first_sync(code).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_of_five_hundred_comes_in_ten_posts_and_means_more_to_come_s23_scenario_12() {
    let life = life(&["ACME"]);
    let sim = town(&life, &["ACME"], Knobs::default());
    fill(&sim, "ACME", 520);
    let pusher = sim.pusher(Arc::clone(&life.http) as Arc<dyn Transport>);
    let run = pusher.run_once("ACME", Pushed::Contacts).await;
    assert_eq!((run.posts.len(), run.accepted()), (10, 500), "{run:?}");
    let state = life.state(CONTACTS, "ACME");
    assert_eq!((state.payloads, state.records, state.quarantined), (10, 500, 0));
    assert_eq!(state.run.map(|run| (run.posts, run.records)), Some((10, 500)));
    assert!(state.health(clock().now(), &RHYTHM).backlog_likely);
    assert_eq!(life.shelf(ModuleId::Contacts).len(), 500);
    assert_eq!(pusher.run_once("ACME", Pushed::Contacts).await.accepted(), 20);
    assert_eq!(life.shelf(ModuleId::Contacts).len(), 520);
    life.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_taken_comes_with_the_next_run_and_is_taken_once_s14_scenario_08() {
    let life = life(&["ACME"]);
    let sim = town(&life, &["ACME"], Knobs::default());
    fill(&sim, "ACME", 120);
    let pusher = sim.pusher(Arc::clone(&life.http) as Arc<dyn Transport>);
    life.intake.pause(true);
    let run = pusher.run_once("ACME", Pushed::Contacts).await;
    assert!(run.posts.iter().all(|post| post.status == 503) && run.accepted() == 0, "{run:?}");
    assert_eq!(life.shelf(ModuleId::Contacts), []);
    life.intake.pause(false);
    let run = pusher.run_once("ACME", Pushed::Contacts).await;
    assert!(run.posts.iter().all(|post| (post.status, post.attempt) == (200, 2)), "{run:?}");
    let state = life.until(CONTACTS, "ACME", |state| state.unstored == 3).await;
    assert_eq!((state.payloads, state.records, state.repeated), (3, 120, 0));
    assert_eq!(life.shelf(ModuleId::Contacts).len(), 120);
    life.end().await;
}

/// A network that loses every answer while it is told to.
#[derive(Debug)]
struct Deaf {
    inner: Arc<dyn Transport>,
    deaf: std::sync::atomic::AtomicBool,
}

impl Transport for Deaf {
    fn send(&self, request: Request<Bytes>, limits: Limits) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        Box::pin(async move {
            let answer = self.inner.send(request, limits).await?;
            if self.deaf.load(std::sync::atomic::Ordering::SeqCst) {
                return Ok(Response::builder().status(502).body(Bytes::new()).unwrap());
            }
            Ok(answer)
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_make_a_run_come_again_without_a_second_effect_s16_scenario_09_scenario_10() {
    let place = Place::new();
    let clock = clock();
    let first = Life::begin(place.open(), &clock, all_open(&["ACME"], &clock));
    let sim = town(&first, &["ACME"], Knobs::default());
    fill(&sim, "ACME", 100);
    let deaf = Arc::new(Deaf {
        inner: Arc::clone(&first.http) as Arc<dyn Transport>,
        deaf: std::sync::atomic::AtomicBool::new(true),
    });
    let pusher = sim.pusher(Arc::clone(&deaf) as Arc<dyn Transport>);
    assert_eq!(pusher.run_once("ACME", Pushed::Contacts).await.accepted(), 0, "no answer arrived");
    let taken = first.shelf(ModuleId::Contacts);
    assert_eq!(taken.len(), 100, "and everything was taken");
    first.end().await;

    let second = Life::begin(place.open(), &clock, all_open(&["ACME"], &clock));
    sim.set_receiver("ACME", Some(Target { url: second.url(), auth: PushAuth::None }));
    deaf.deaf.store(false, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(pusher.run_once("ACME", Pushed::Contacts).await.accepted(), 100);
    let state = second.state(CONTACTS, "ACME");
    assert_eq!((state.payloads, state.records, state.repeated), (2, 100, 2));
    assert_eq!(second.shelf(ModuleId::Contacts), taken, "nothing moved");
    tokio::time::timeout(PATIENCE, second.end()).await.unwrap();
}
