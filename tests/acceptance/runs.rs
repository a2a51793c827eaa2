//! What the history of a module tells of its sweeps, and what its screen is given (issue 3, dashboard).

use tandem::daemon::Service as _;
use tandem::daemon::service::AccountService;
use tandem::error::ErrorKind;
use tandem::model::{MatchKind, MatchState, ModuleId, RunEnd, RunKind, RunRow, Side, State, Verb};
use tandem::sim::control::Edit;
use tandem::sim::fault::{FaultKind, FaultSpec};
use tandem::store::Reads as _;
use tandem::wire::{Answer, GuardPlan, ModuleView, Request, Status};

use super::population::{Known, Shape};
use super::world::{Setup, World, operator};

const CONTACTS: ModuleId = ModuleId::Contacts;

fn runs(world: &World, side: Side) -> Vec<RunRow> {
    let all = world.engine.store().read(|view| view.runs(CONTACTS, None, 500)).unwrap();
    all.into_iter().filter(|run| run.side == side).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_sweep_is_on_record_with_what_it_read_and_how_it_ended() {
    let world = World::in_step(Setup::salesforce(Shape::pairs(6))).await;
    let first = runs(&world, Side::Ivvy).pop().unwrap();
    assert_eq!((first.kind, first.end, first.number <= 2, first.asked), (RunKind::Full, RunEnd::Done, true, false));
    assert_eq!((first.changed, first.rows), (first.rows, 6), "six people nobody knew");
    assert!(first.ended_at.unwrap() >= first.started_at);

    let pair = world.take();
    world.ivvy.edit(CONTACTS, &pair.ivvy, &[("phone", "+61 2 5558 1000")]);
    world.settle().await;
    let seen = runs(&world, Side::Ivvy).into_iter().find(|run| run.changed == 1).expect("one row had changed");
    assert_eq!((seen.kind, seen.end), (RunKind::Changes, RunEnd::Done));
    assert!(runs(&world, Side::Ivvy).iter().any(|run| run.asked), "settle() asks for sweeps");

    let faults = world.ivvy.0.faults();
    let failing = FaultSpec { per_mille: Some(1000), ..FaultSpec::times(FaultKind::ErrorBefore, "Contact", 0) };
    faults.arm(FaultSpec { times: None, ..failing }).unwrap();
    world.engine.sync_now(Some(CONTACTS), false);
    world
        .until("it failed again and again", async || {
            let newest = runs(&world, Side::Ivvy).swap_remove(0);
            if newest.times < 3 {
                world.engine.sync_now(Some(CONTACTS), false);
            }
            newest.end == RunEnd::Failed && newest.times >= 3
        })
        .await;
    let failed = runs(&world, Side::Ivvy);
    assert_eq!(failed[1].end, RunEnd::Done, "one row for the same failure: {failed:?}");
    assert!(failed[0].error.as_ref().unwrap().contains("getContactList"), "{:?}", failed[0].error);
    assert!(world.engine.failures(CONTACTS).sweeps.1 >= 3);
    assert_eq!(world.engine.failures(ModuleId::Companies).sweeps, (0, 0), "each module by itself");
    faults.clear();
    world.settle().await;
    assert_eq!(runs(&world, Side::Ivvy)[0].end, RunEnd::Done);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_cut_off_half_way_is_interrupted_after_the_restart() {
    let shape = Shape::pairs(220);
    let known = Known::of(shape, 7);
    let mut world = World::prepare(Setup::salesforce(shape), known.clone()).await;
    world.ivvy.0.load(&known.ivvy);
    world.crm.load(&known.crm).await;
    let slow = FaultSpec::times(FaultKind::Slow, "getContactList", 100);
    world.ivvy.0.faults().arm(FaultSpec { ms: Some(400), ..slow }).unwrap();
    world.start();
    let half = |run: &RunRow| run.end == RunEnd::Running && run.rows > 0;
    world.until("half of it is read", async || runs(&world, Side::Ivvy).first().is_some_and(half)).await;
    world.crash().await;
    let cut = runs(&world, Side::Ivvy);
    assert!(half(&cut[0]), "nobody was there to say so: {cut:?}");
    world.ivvy.0.faults().clear();
    world.start();
    world.first_plan().await;
    let after = runs(&world, Side::Ivvy);
    let cut = after.iter().find(|run| run.number == cut[0].number).unwrap();
    assert_eq!((cut.end, cut.ended_at), (RunEnd::Interrupted, None));
    assert!(cut.rows < 220 && cut.total == Some(220), "{cut:?}");
    assert_eq!((after[0].end, after[0].rows), (RunEnd::Done, 220), "the next one read everything");
    world.end().await;
}

async fn module(service: &AccountService, before: Option<u64>, limit: u32) -> ModuleView {
    let request = Request::Module { module: CONTACTS, before, limit };
    match service.answer(&operator("vic"), request).await.unwrap() {
        Answer::Module(view) => *view,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_module_tells_its_settings_and_pages_its_runs() {
    let world = World::in_step(Setup::salesforce(Shape::pairs(4)).also(&[ModuleId::Events])).await;
    for _ in 0..3 {
        world.settle().await;
    }
    let service = AccountService::new(world.account.clone(), "acceptance", "test");
    let all = module(&service, None, 500).await;
    assert_eq!(all.status.name, CONTACTS);
    assert!(all.runs.len() >= 8 && !all.more, "{}", all.runs.len());
    assert!(all.runs.windows(2).all(|pair| pair[0].number == pair[1].number + 1), "newest first");
    let first = module(&service, None, 3).await;
    assert!(first.more && first.runs[..] == all.runs[..3]);
    let next = module(&service, Some(first.runs[2].number), 3).await;
    assert_eq!(next.runs[..], all.runs[3..6]);
    let creates = all.settings.guard.iter().find(|limit| limit.what == "creates").unwrap();
    assert_eq!((creates.count, creates.allowed >= creates.count), (200, true));
    assert!(all.def.field("email").is_some() && all.settings.full_interval_s > 0);

    let off = Request::Module { module: ModuleId::Leads, before: None, limit: 1 };
    let refused = service.answer(&operator("vic"), off).await.unwrap_err().error;
    assert_eq!(refused.kind, ErrorKind::Refused);
    assert!(refused.hint.unwrap().contains("[modules.leads] enabled = true"));
    world.end().await;
}

async fn dry_run(service: &AccountService) -> GuardPlan {
    match service.answer(&operator("vic"), Request::GuardPlan { module: CONTACTS }).await.unwrap() {
        Answer::Guard(plan) => plan,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_tells_what_would_be_written_and_writes_nothing() {
    let world = World::in_step(Setup::salesforce(Shape::pairs(4))).await;
    let service = AccountService::new(world.account.clone(), "acceptance", "test");
    let nothing = dry_run(&service).await;
    assert_eq!((nothing.tripped, nothing.held, nothing.ready), (None, 0, 0));
    assert_eq!(nothing.updates.values().sum::<u64>(), 0);

    // It cannot be written for a while, then somebody says: again, while the module is paused.
    let failing = FaultSpec { per_mille: Some(1000), ..FaultSpec::times(FaultKind::ErrorBefore, "addOrUpdate", 0) };
    world.ivvy.0.faults().arm(FaultSpec { times: None, ..failing }).unwrap();
    let pair = world.take();
    world.crm.edit(CONTACTS, &pair.crm, &[("phone", "+61 2 5558 7000")]).await;
    world.engine.sync_now(Some(CONTACTS), false);
    world.until("it is given up", async || world.items(CONTACTS, State::Dead).len() == 1).await;
    world.engine.set_paused(Some(CONTACTS), true, operator("ada")).await.unwrap();
    let item = world.items(CONTACTS, State::Dead).remove(0);
    let item = world.decide(&item, Verb::Retry, |_| {}).await.unwrap();
    assert_eq!(item.state, State::Ready);
    let before = (world.engine.store().read(|view| view.seq()).unwrap(), world.writes());
    let plan = dry_run(&service).await;
    assert_eq!((plan.tripped, plan.held, plan.ready, plan.conflicts), (None, 0, 1, 0));
    assert_eq!((plan.updates.get(&Side::Ivvy), plan.creates.is_empty()), (Some(&1), true));
    assert_eq!(plan.samples.len(), 1);
    assert!(plan.as_of.is_some());
    assert_eq!(
        (world.engine.store().read(|view| view.seq()).unwrap(), world.writes()),
        before,
        "looking writes nothing"
    );
    assert!(world.engine.failures(CONTACTS).writes.1 >= 1);

    world.ivvy.0.faults().clear();
    world.engine.set_paused(Some(CONTACTS), false, operator("ada")).await.unwrap();
    world.settle().await;
    assert_eq!(dry_run(&service).await.ready, 0, "it went");
    world.end().await;
}

/// Scenario 1 on the dashboard: one more person whom nobody knows there, one more in the count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_unmatched_person_is_one_more_in_the_status_c12() {
    let world = World::in_step(Setup::salesforce(Shape::pairs(2)).also(&[ModuleId::Leads])).await;
    let service = AccountService::new(world.account.clone(), "acceptance", "test");
    let unmatched = async || {
        let Answer::Status(Status { matches, .. }) = service.answer(&operator("vic"), Request::Status).await.unwrap()
        else {
            panic!("another answer")
        };
        let staff = matches.iter().filter(|row| row.kind == MatchKind::Staff && row.side == Side::Ivvy);
        staff.filter_map(|row| row.counts.get(&MatchState::Unmatched)).sum::<u64>()
    };
    let before = unmatched().await;
    let user = serde_json::json!({
        "firstName": "Cleo", "lastName": "Staff", "email": "cleo@elsewhere.example", "currentStatus": 1, "userType": 1,
    });
    world.ivvy.0.edit(&Edit::create("user", user)).unwrap();
    world.engine.match_refresh(MatchKind::Staff).unwrap();
    world.until("it is counted", async || unmatched().await == before + 1).await;
    world.end().await;
}
