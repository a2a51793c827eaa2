//! The engine and the gates together: who goes first, and what happens when a day's calls are used up.
//! Order and numbers of calls are what counts here, not times.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::disk::Disk;
use super::remote::World;
use crate::model::{
    Actor, Choice, Decision, Fields, Item, ModuleId, RecordId, Role, Side, State, Timestamp, Value, Verb,
};
use crate::remote::gate::{Gate, GateSettings, GatedTransport};
use crate::remote::transport::{Limits, Transport, TransportError};
use crate::remote::{
    Capabilities, Class, FieldDefinition, Lane, Listing, Page, PageRequest, Probe, Read, Remote, RemoteError, Sent,
    WriteAck,
};
use crate::seam::{Clock, Entropy, TokioClock};
use crate::store::{Options, Reads as _, Store, StoreError};
use crate::sync::settings::{GuardLimits, Limit};
use crate::sync::{Ask, Engine, Remotes, Settings};

/// Companies on iVvy alone: what the first sync has to create.
const COMPANIES: usize = 60;

/// Who came through the gates, in order.
type Log = Arc<Mutex<Vec<(Side, Lane)>>>;

/// Stands for the network: takes a moment, and notes who came.
#[derive(Debug)]
struct Wire {
    side: Side,
    lane: Lane,
    clock: Arc<dyn Clock>,
    log: Log,
}

impl Transport for Wire {
    fn send(&self, _: http::Request<Bytes>, _: Limits) -> BoxFuture<'_, Result<http::Response<Bytes>, TransportError>> {
        Box::pin(async {
            self.log.lock().unwrap().push((self.side, self.lane));
            self.clock.sleep(Duration::from_millis(100)).await;
            Ok(http::Response::new(Bytes::new()))
        })
    }
}

/// A simulated remote behind its gate, in one lane.
#[derive(Debug)]
struct Gated {
    world: World,
    gate: GatedTransport,
}

impl Gated {
    async fn pass(&self, action: &str) -> Result<(), RemoteError> {
        let passed = self.gate.send(http::Request::new(Bytes::new()), Limits::default()).await;
        let Err(error) = passed else { return Ok(()) };
        let TransportError::Held { wait, .. } = error else { panic!("nothing else fails here: {error}") };
        Err(RemoteError {
            system: self.world.system().to_owned(),
            action: action.to_owned(),
            class: Class::Quota,
            sent: Sent::No,
            code: None,
            message: error.to_string(),
            details: Vec::new(),
            retry_after: Some(wait),
        })
    }
}

impl Remote for Gated {
    fn system(&self) -> &'static str {
        self.world.system()
    }

    fn capabilities(&self, module: ModuleId) -> Capabilities {
        self.world.capabilities(module)
    }

    fn fields(&self, module: ModuleId) -> Vec<String> {
        self.world.fields(module)
    }

    fn fields_after_creation(&self, module: ModuleId) -> &'static [&'static str] {
        self.world.fields_after_creation(module)
    }

    fn probe(&self) -> BoxFuture<'_, Result<Probe, RemoteError>> {
        self.world.probe()
    }

    fn definitions(&self, module: ModuleId) -> BoxFuture<'_, Result<Vec<FieldDefinition>, RemoteError>> {
        self.world.definitions(module)
    }

    fn list<'a>(&'a self, module: ModuleId, request: &'a PageRequest) -> BoxFuture<'a, Result<Page, RemoteError>> {
        Box::pin(async move {
            self.pass("list").await?;
            self.world.list(module, request).await
        })
    }

    fn get<'a>(&'a self, module: ModuleId, id: &'a RecordId) -> BoxFuture<'a, Result<Read, RemoteError>> {
        Box::pin(async move {
            self.pass("get").await?;
            self.world.get(module, id).await
        })
    }

    fn find_by_key<'a>(
        &'a self,
        module: ModuleId,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<crate::model::Record>>, RemoteError>> {
        Box::pin(async move {
            self.pass("find").await?;
            self.world.find_by_key(module, key).await
        })
    }

    fn create<'a>(
        &'a self,
        module: ModuleId,
        key: &'a str,
        fields: &'a Fields,
    ) -> BoxFuture<'a, Result<WriteAck, RemoteError>> {
        Box::pin(async move {
            self.pass("create").await?;
            self.world.create(module, key, fields).await
        })
    }

    fn update<'a>(
        &'a self,
        module: ModuleId,
        id: &'a RecordId,
        patch: &'a Fields,
        expected: Option<&'a str>,
    ) -> BoxFuture<'a, Result<WriteAck, RemoteError>> {
        Box::pin(async move {
            self.pass("update").await?;
            self.world.update(module, id, patch, expected).await
        })
    }
}

/// An account in the middle of its first sync.
struct Scene {
    clock: Arc<dyn Clock>,
    crm: World,
    crm_gate: Arc<Gate>,
    engine: Engine,
    log: Log,
    running: JoinHandle<Result<(), StoreError>>,
    shutdown: CancellationToken,
}

impl Scene {
    /// Sixty companies to create and one person whose two records contradict each other, all planned and
    /// held by the guard.
    async fn planned(daily_calls: Option<u64>) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(Timestamp::from_secs(1_795_000_000)));
        let entropy = Entropy::seeded(1);
        let worlds = Side::BOTH.map(|side| World::new(side, Listing::Keyset, Arc::clone(&clock), entropy.clone()));
        for number in 0..COMPANIES {
            create(&worlds[0], ModuleId::Companies, &[("name", &format!("Firm {number}"))]);
        }
        for (world, phone) in worlds.iter().zip(["011", "022"]) {
            let person = [("first_name", "Ann"), ("last_name", "Lee"), ("email", "ann@x.example"), ("phone", phone)];
            create(world, ModuleId::Contacts, &person);
        }
        let log = Log::default();
        let settings = GateSettings {
            per_call: Duration::from_millis(250),
            max_in_flight: NonZeroU32::MIN.saturating_add(3),
            ..GateSettings::default()
        };
        let gates = Side::BOTH.map(|side| {
            let settings = GateSettings { daily_calls: daily_calls.filter(|_| side == Side::Crm), ..settings };
            Gate::new(side.to_string(), settings, Arc::clone(&clock), entropy.clone())
        });
        let remotes = Remotes::new(|side, lane| {
            let wire = Wire { side, lane, clock: Arc::clone(&clock), log: Arc::clone(&log) };
            let gate = GatedTransport::new(Arc::new(wire), Arc::clone(&gates[side as usize]), lane);
            Arc::new(Gated { world: worlds[side as usize].clone(), gate })
        });
        let store = Store::open_backend(Disk::default().open(), Options::default()).unwrap();
        let generous = Limit { count: 10_000, per_mille: 1000 };
        let settings = Settings {
            interval: Duration::from_secs(60 * 60),
            full_interval: Duration::from_secs(365 * 24 * 60 * 60),
            guard: GuardLimits { creates: generous, updates: generous, conflicts: generous, ..GuardLimits::default() },
            ..Settings::default()
        };
        let engine = Engine::new(store, remotes, Arc::clone(&clock), entropy, settings).unwrap();
        let shutdown = CancellationToken::new();
        let running = {
            let (engine, shutdown) = (engine.clone(), shutdown.clone());
            tokio::spawn(async move { engine.run(shutdown).await })
        };
        let [_, crm] = worlds;
        let [_, crm_gate] = gates;
        let scene = Self { clock, crm, crm_gate, engine, log, running, shutdown };
        scene
            .until("the plan stands", |scene| {
                let held = |module| scene.items(module, State::Held).len();
                held(ModuleId::Companies) == COMPANIES && held(ModuleId::Contacts) == 1
            })
            .await;
        scene
    }

    fn items(&self, module: ModuleId, state: State) -> Vec<Item> {
        let read = self.engine.store().read(|view| {
            let ids = view.in_state(module, state, None, 100)?;
            ids.into_iter().map(|id| Ok(view.item(id)?.expect("listed"))).collect::<Result<Vec<_>, StoreError>>()
        });
        read.unwrap()
    }

    async fn until(&self, what: &str, reached: impl Fn(&Self) -> bool) {
        for round in 0..100_000 {
            assert!(!self.running.is_finished(), "the engine ended: {what}");
            if reached(self) {
                return;
            }
            // What takes longer than minutes takes days.
            let pause = if round < 1_000 { Duration::from_millis(200) } else { Duration::from_secs(60) };
            self.clock.sleep(pause).await;
        }
        panic!("waited in vain: {what}");
    }

    fn actor() -> Actor {
        Actor { name: "op".to_owned(), uid: None, role: Role::Admin }
    }

    async fn release(&self) {
        for module in ModuleId::PEOPLE {
            self.engine.guard_release(module, None, Self::actor()).await.unwrap();
        }
    }

    /// The operator settles Ann's telephone number as iVvy has it.
    async fn approve(&self) {
        let item = self.items(ModuleId::Contacts, State::Held).pop().expect("the conflict waits");
        assert!(item.plan.fields.iter().any(|row| row.field == "phone" && row.unsolved()), "{:?}", item.plan);
        let decision = Decision {
            item: item.id,
            ver: item.ver,
            seen: item.seen,
            verb: Verb::Approve,
            choices: [("phone".to_owned(), Choice::Ivvy)].into(),
            side: None,
            until: None,
            record: None,
            reason: None,
            actor: Self::actor(),
            at: self.clock.now(),
        };
        let ask = Ask { ver: Some(item.ver), seen: Some(item.seen), decision };
        self.engine.decide(ask).await.unwrap().unwrap();
    }

    /// Whether the CRM has what the operator chose.
    fn is_settled(&self) -> bool {
        let phone = |record: &crate::model::Record| record.fields.get("phone").cloned();
        self.crm.records(ModuleId::Contacts).iter().any(|record| phone(record) == Some(Value::text("011")))
    }

    fn created(&self) -> usize {
        self.crm.records(ModuleId::Companies).len()
    }

    fn passed(&self) -> usize {
        self.log.lock().unwrap().len()
    }

    async fn end(self) {
        self.shutdown.cancel();
        self.running.await.unwrap().unwrap();
    }
}

fn create(world: &World, module: ModuleId, given: &[(&str, &str)]) {
    let foreign = if world.side == Side::Ivvy { "ivvy_key" } else { "external_id" };
    let mut fields: Fields =
        module.def().fields.iter().map(|field| (field.name.clone().into_owned(), Value::text(""))).collect();
    fields.remove(foreign);
    fields.extend(given.iter().map(|(name, value)| ((*name).to_owned(), Value::text(*value))));
    world.user_creates(module, fields);
}

#[tokio::test(start_paused = true)]
async fn an_approval_is_pushed_in_the_middle_of_a_first_sync() {
    let scene = Scene::planned(None).await;
    scene.release().await;
    scene.until("the first sync is under way", |scene| scene.created() >= 5).await;
    let before = scene.passed();
    scene.approve().await;
    scene.until("the approval is pushed", Scene::is_settled).await;
    let left = COMPANIES - scene.created();
    assert!(left > COMPANIES / 2, "{left} companies left: it waited for them");
    // The reservation, in calls: for each of its own at most four others of that remote went ahead.
    let log = scene.log.lock().unwrap()[before..].to_vec();
    let on_crm = |lane: Lane| log.iter().filter(|passed| **passed == (Side::Crm, lane)).count();
    let (own, others) = (on_crm(Lane::Operator), on_crm(Lane::Live) + on_crm(Lane::Backfill));
    assert!(own >= 2, "read before, write: {log:?}");
    assert!(others <= 4 * own, "{others} others went before {own}: {log:?}");
    scene.until("the first sync ends", |scene| scene.created() == COMPANIES).await;
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_first_sync_stops_at_its_part_of_the_day_and_goes_on_the_next_without_losing_anything() {
    const DAILY: u64 = 200;
    let scene = Scene::planned(Some(DAILY)).await;
    scene.release().await;
    scene.until("the quota stops it", |scene| scene.engine.waits_for_quota(ModuleId::Companies).is_some()).await;
    let why = scene.engine.waits_for_quota(ModuleId::Companies).unwrap();
    assert!(why.contains("backfill calls wait until 00:00 UTC: 60 % of the 200 calls a day are used"), "{why}");
    assert!(scene.created() < COMPANIES);
    let passed = scene.crm_gate.status();
    assert_eq!(passed.held.iter().map(|(lane, _)| *lane).collect::<Vec<_>>(), [Lane::Backfill]);
    // A person is not kept waiting by it.
    scene.approve().await;
    scene.until("the approval is pushed", Scene::is_settled).await;
    assert!(scene.created() < COMPANIES);
    // Nor are the sides kept apart: what a full sweep may not read today, an incremental one does.
    let live = |scene: &Scene| scene.log.lock().unwrap().iter().filter(|who| **who == (Side::Crm, Lane::Live)).count();
    let before = live(&scene);
    scene.engine.sync_now(Some(ModuleId::Contacts), true);
    scene.until("what changed is read", |scene| live(scene) > before).await;
    assert!(scene.engine.waits_for_quota(ModuleId::Contacts).is_some(), "and why not everything can be seen");
    scene.until("it goes on the next day", |scene| scene.created() == COMPANIES).await;
    scene.until("it is done", |scene| scene.items(ModuleId::Companies, State::Done).len() == COMPANIES).await;
    assert_eq!(scene.engine.waits_for_quota(ModuleId::Companies), None, "the wait is over");
    let creates = scene.crm.effects().iter().filter(|effect| effect.created).count();
    assert_eq!(creates, COMPANIES, "each once");
    assert!(scene.items(ModuleId::Companies, State::Dead).is_empty());
    scene.end().await;
}
