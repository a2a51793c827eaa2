//! Companies below companies: iVvy's `parentCompanyId` becomes the CRM's parent, parents first, and what
//! cannot be said yet waits without holding anything up (V-72, V-74).

use tandem::model::{Choice, ModuleId, PairKey, Reason, Side, State, Verb};
use tandem::sim::ledger::{Effect, Op};

use super::first_sync::{nothing_was_created_twice, two_idle_sweeps_write_nothing};
use super::population::{Known, Shape};
use super::world::{Pair, Setup, World, choose};

const FIRMS: ModuleId = ModuleId::Companies;

impl World {
    /// A new company in iVvy, below another one or on its own.
    pub fn firm(&self, name: &str, parent: &str) -> String {
        self.ivvy.insert(FIRMS, &[("name", name), ("parent", parent)])
    }

    fn put_below(&self, firm: &str, parent: &str) {
        self.ivvy.edit(FIRMS, firm, &[("parent", parent)]);
    }

    pub fn firm_pair(&self, ivvy: &str) -> Pair {
        self.pair_of(FIRMS, Side::Ivvy, ivvy).unwrap_or_else(|| panic!("company {ivvy} has a counterpart"))
    }

    /// The company in the CRM, and the iVvy company that is above it there.
    pub async fn parent_there(&self, ivvy: &str) -> Option<String> {
        let parent = self.crm.read(FIRMS, &self.firm_pair(ivvy).crm).await.remove("parent").unwrap_or_default();
        (!parent.is_empty()).then(|| self.pair_of(FIRMS, Side::Crm, &parent).expect("a parent with a pair").ivvy)
    }

    fn account_writes(&self, op: Op) -> Vec<Effect> {
        let all = self.effects(Side::Crm).into_iter();
        all.filter(|effect| effect.object == "Account" && effect.op == op).collect()
    }
}

async fn small() -> World {
    World::in_step(Setup::salesforce(Shape::pairs(2))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_generations_entered_from_the_bottom_up_arrive_parents_first_v72() {
    let world = small().await;
    let names = ["Branch", "Office", "Region", "Group"];
    let firms: Vec<String> = names.iter().map(|name| world.firm(name, "")).collect();
    for (child, parent) in firms.iter().zip(&firms[1..]) {
        world.put_below(child, parent);
    }
    let before = world.account_writes(Op::Create).len();
    world.settle().await;

    for (child, parent) in firms.iter().zip(&firms[1..]) {
        assert_eq!(world.parent_there(child).await.as_ref(), Some(parent));
    }
    assert_eq!(world.parent_there(&firms[3]).await, None);
    let created: Vec<Effect> = world.account_writes(Op::Create).split_off(before);
    let keys: Vec<String> = created.into_iter().filter_map(|effect| effect.external_id).collect();
    let parents_first: Vec<String> = firms.iter().rev().map(|firm| format!("company-{firm}")).collect();
    assert_eq!(keys, parents_first, "created once each, from the top");
    let amended = world.account_writes(Op::Update).into_iter().filter(|e| e.fields.contains(&"ParentId".to_owned()));
    assert_eq!(amended.count(), 0, "each was created below its parent");
    nothing_was_created_twice(&world);
    two_idle_sweeps_write_nothing(&world).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parent_that_turns_up_later_is_made_good_and_holds_nothing_up_v74() {
    let world = small().await;
    // iVvy counts its ids upwards: the parent will be the next company.
    let child = world.firm("Branch", "");
    let parent = (child.parse::<u64>().unwrap() + 1).to_string();
    world.put_below(&child, &parent);
    world.settle().await;
    let pair = world.firm_pair(&child);
    assert_eq!(world.parent_there(&child).await, None, "it is there, on its own so far");
    let held = world.held(&pair, Reason::UnmatchedRef);
    assert_eq!(held.waits_for, Some((FIRMS, PairKey::Lone(Side::Ivvy, parent.as_str().into()))));

    world.ivvy.edit(FIRMS, &child, &[("city", "Hobart")]);
    world.settle().await;
    assert_eq!(world.crm.read(FIRMS, &pair.crm).await["city"], "Hobart", "the rest of it goes on");
    world.held(&pair, Reason::UnmatchedRef);
    two_idle_sweeps_write_nothing(&world).await;

    // Another question about it is settled without a word to either side: the parent is waited for still.
    world.ivvy.edit(FIRMS, &child, &[("external_id", "LEGACY-5")]);
    world.settle().await;
    let asked = world.held(&pair, Reason::Conflict);
    world.decide(&asked, Verb::Approve, choose("external_id", Choice::Ivvy)).await.unwrap();
    world.settle().await;
    world.held(&pair, Reason::UnmatchedRef);

    assert_eq!(world.firm("Group", ""), parent);
    world.settle().await;
    assert_eq!(world.parent_there(&child).await, Some(parent));
    assert!(world.in_order(&pair));
    nothing_was_created_twice(&world);
    two_idle_sweeps_write_nothing(&world).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parent_that_a_person_must_see_to_first_is_not_waited_for_v74() {
    let world = small().await;
    // Longer than an account's name may be.
    let parent = world.firm(&"Long ".repeat(60), "");
    let child = world.firm("Branch", &parent);
    world.settle().await;
    let key = PairKey::Lone(Side::Ivvy, parent.as_str().into());
    assert_eq!(world.open(FIRMS, &key).map(|item| item.state), Some(State::Held), "the CRM refused the parent");
    let pair = world.firm_pair(&child);
    let waiting = world.open(FIRMS, &PairKey::Link(pair.link)).expect("the child waits, visibly");
    assert_eq!((waiting.state, waiting.waits_for), (State::Blocked, Some((FIRMS, key))));
    assert!(waiting.plan.summary.contains("waits: Parent company"), "{}", waiting.plan.summary);
    two_idle_sweeps_write_nothing(&world).await;

    world.ivvy.edit(FIRMS, &parent, &[("name", "Long enough")]);
    world.settle().await;
    assert_eq!(world.parent_there(&child).await, Some(parent));
    assert!(world.in_order(&pair));
    nothing_was_created_twice(&world);
    two_idle_sweeps_write_nothing(&world).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parent_that_a_filter_keeps_out_is_not_waited_for_v74() {
    let setup = Setup { only: Some((FIRMS, "city", "Hobart")), ..Setup::salesforce(Shape::pairs(2)) };
    let world = World::in_step(setup).await;
    let parent = world.firm("Group", "");
    let child = world.ivvy.insert(FIRMS, &[("name", "Branch"), ("parent", &parent), ("city", "Hobart")]);
    world.settle().await;
    let pair = world.firm_pair(&child);
    assert!(world.pair_of(FIRMS, Side::Ivvy, &parent).is_none(), "it stays out");
    assert_eq!(world.open(FIRMS, &PairKey::Link(pair.link)).map(|item| item.state), Some(State::Blocked));
    two_idle_sweeps_write_nothing(&world).await;
    world.ivvy.edit(FIRMS, &parent, &[("city", "Hobart")]);
    world.settle().await;
    assert_eq!(world.parent_there(&child).await, Some(parent));
    world.end().await;
}

/// No iVvy write takes `parentCompanyId`: what the CRM makes of the hierarchy stands as drift, shown and
/// unasked, until iVvy's own value changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parent_changed_in_the_crm_stands_until_ivvy_changes_it_v72() {
    let world = small().await;
    let [group, other] = ["Group", "Other"].map(|name| world.firm(name, ""));
    let branch = world.firm("Branch", &group);
    world.settle().await;
    assert_eq!(world.parent_there(&branch).await.as_ref(), Some(&group));

    let written = world.effects(Side::Ivvy).len();
    let pair = world.firm_pair(&branch);
    let elsewhere = world.firm_pair(&other).crm;
    world.crm.edit(FIRMS, &pair.crm, &[("parent", &elsewhere), ("city", "Perth")]).await;
    world.settle().await;
    assert_eq!(world.parent_there(&branch).await.as_ref(), Some(&other), "it stands");
    let there = world.ivvy.read(FIRMS, &branch);
    assert_eq!((&there["city"], &there["parent"]), (&"Perth".to_owned(), &group), "two-way fields go on");
    let fields: Vec<String> = world.effects(Side::Ivvy).split_off(written).into_iter().flat_map(|e| e.fields).collect();
    assert!(!fields.contains(&"parentCompanyId".to_owned()), "{fields:?}");
    assert!(world.in_order(&pair), "nobody is asked");
    two_idle_sweeps_write_nothing(&world).await;

    world.put_below(&branch, "");
    world.settle().await;
    assert_eq!(world.parent_there(&branch).await, None, "iVvy's own change goes over");
    two_idle_sweeps_write_nothing(&world).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_circle_of_parents_ends_with_one_refused_write_that_a_person_sees_v72() {
    let world = small().await;
    let [first, second, third, selfish] = ["First", "Second", "Third", "Selfish"].map(|name| world.firm(name, ""));
    for (child, parent) in [(&first, &second), (&second, &third), (&third, &first), (&selfish, &selfish)] {
        world.put_below(child, parent);
    }
    world.settle().await;
    for firm in [&first, &second, &third, &selfish] {
        world.firm_pair(firm);
    }
    nothing_was_created_twice(&world);
    let held = world.items(FIRMS, State::Held);
    assert_eq!(held.len(), 2, "one place where the circle does not close, and the one below itself: {held:?}");
    for item in &held {
        let error = item.error.as_ref().expect("what the CRM said");
        assert!(error.message.contains("circular account hierarchy"), "{}", error.message);
        assert!(item.reasons.contains(Reason::Validation) && error.hint.is_some(), "{item:?}");
    }
    two_idle_sweeps_write_nothing(&world).await;
    let calls = world.calls(Side::Crm).writes();
    world.ivvy.edit(FIRMS, &selfish, &[("city", "Cairns")]);
    world.settle().await;
    assert_eq!(world.calls(Side::Crm).writes(), calls + 1, "one more try, with what is new in it");

    for firm in [&first, &second, &third, &selfish] {
        world.put_below(firm, "");
    }
    world.settle().await;
    assert_eq!(world.items(FIRMS, State::Held), [], "once the circle is broken, nothing is left to decide");
    let selfish = world.firm_pair(&selfish);
    assert_eq!(world.crm.read(FIRMS, &selfish.crm).await["city"], "Cairns");
    two_idle_sweeps_write_nothing(&world).await;
    world.end().await;
}

/// A parent that nobody has touched since the first-sync date stays out, until a company below it comes
/// along: then it is needed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parent_from_before_the_first_sync_date_comes_along_when_a_child_needs_it_v72() {
    let shape = Shape { companies_only_ivvy: 1, ..Shape::pairs(2) };
    let known = Known::of(shape, 11);
    let mut setup = Setup::salesforce(shape);
    let today = tandem::seam::Clock::now(&tandem::seam::SystemClock).to_string();
    setup.first_sync = Some(today[..10].to_owned());
    let mut world = World::prepare(setup, known.clone()).await;
    world.ivvy.0.load(&known.ivvy);
    world.crm.load(&known.crm).await;
    world.start();
    world.first_plan().await;
    world.release().await;
    let old: Vec<String> = world.ivvy.all(FIRMS).into_keys().collect();
    let parent = old.iter().find(|id| world.pair_of(FIRMS, Side::Ivvy, id).is_none()).expect("one stays out").clone();

    let child = world.firm("Branch", &parent);
    world.settle().await;
    world.release().await;
    world.settle().await;
    assert_eq!(world.parent_there(&child).await, Some(parent));
    nothing_was_created_twice(&world);
    two_idle_sweeps_write_nothing(&world).await;
    world.end().await;
}
