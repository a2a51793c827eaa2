//! Match tables at their edges: fields that are switched off (C-07), lists that a system does not give away
//! (C-09, C-19), and a store that was lost.

use serde_json::{Value as Json, json};
use tandem::model::{MatchKind, MatchState, ModuleId, RecordId, Side, State};
use tandem::sim::control::Edit;
use tandem::sim::fault::{FaultKind, FaultSpec, Faults};
use tandem::sim::ledger::Op;
use tandem::sync::MatchMode;

use super::first_sync::two_idle_sweeps_write_nothing;
use super::leads::Office;
use super::population::{Known, Shape};
use super::world::{Setup, World, operator};

/// Counts calls that contain `text`, and breaks none.
fn watch(faults: &Faults, text: &str) {
    let spec = FaultSpec { matching: text.to_owned(), ms: Some(0), ..FaultSpec::per_mille(FaultKind::Slow, 1000) };
    faults.arm(spec).unwrap();
}

fn refuse(faults: &Faults, text: &str) {
    let spec = FaultSpec { matching: text.to_owned(), ..FaultSpec::per_mille(FaultKind::Forbid, 1000) };
    faults.arm(spec).unwrap();
}

/// Both systems filled, the engine not yet running.
async fn closed(setup: Setup) -> Office {
    let known = Known::of(setup.shape, setup.seed);
    let world = World::prepare(setup, known.clone()).await;
    world.ivvy.0.load(&known.ivvy);
    world.crm.load(&known.crm).await;
    Office { world }
}

fn with_leads() -> Setup {
    Setup::salesforce(Shape::pairs(2)).also(&[ModuleId::Leads])
}

impl Office {
    async fn start(&mut self) {
        self.world.start();
        self.world.first_plan().await;
    }

    fn crm_lead(&self, name: &str, source: &str) -> String {
        let lead = json!({
            "FirstName": name, "LastName": "Prospect", "Company": "Fair guests",
            "Email": format!("{name}@prospect.example"), "LeadSource": source,
        });
        self.sim().insert("Lead", lead).unwrap()
    }

    fn sources_created(&self) -> usize {
        let effects = self.world.effects(Side::Ivvy);
        effects.iter().filter(|effect| effect.object == "leadSource" && effect.op == Op::Create).count()
    }

    fn ivvy_leads(&self) -> Vec<Json> {
        use tandem::sim::control::Simulated as _;
        self.world.ivvy.0.records("lead").unwrap()
    }
}

/// C-07, C-08, C-16: switched off, neither field is read or written, and nothing is listed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owner_and_source_switched_off_are_never_read_written_or_listed_c07() {
    let setup = with_leads().key("/modules/leads/owner", json!(false)).key("/modules/leads/source", json!(false));
    let mut office = closed(setup).await;
    for list in ["getUserList", "getLeadSourceList"] {
        watch(office.world.ivvy.0.faults(), list);
    }
    for read in ["FROM+User", "Lead/describe", "OwnerId", "LeadSource"] {
        watch(office.sim().faults(), read);
    }
    let (_, address) = office.crm_users().remove(0);
    let ada = office.user("Ada", &address);
    let web = office.enter("leadSource", json!({"name": "Web"}));
    let lead = office.lead("Mia", Some(ada), web);
    office.crm_lead("Noa", "Web");
    office.start().await;
    for module in office.world.modules().collect::<Vec<_>>() {
        office.world.engine.guard_release(module, None, operator("ada")).await.unwrap();
        office.world.idle().await;
    }
    office.drain().await;
    let there = office.there(lead).expect("the lead itself is sent");
    assert!(there["LeadSource"].is_null());
    assert_eq!(there["OwnerId"], there["CreatedById"], "Salesforce's own choice");
    let [came] = office
        .ivvy_leads()
        .into_iter()
        .filter(|row| row["name"] == "Noa Prospect")
        .collect::<Vec<_>>()
        .try_into()
        .expect("it came over once");
    assert!(came["ownerUser"].is_null() || came["ownerUser"] == json!({}), "{came}");
    assert_eq!(came["sourceId"].to_string().trim_matches('"'), "2", "the default, as iVvy asks for one");
    for kind in MatchKind::ALL {
        let why = office.world.engine.match_status(kind).unused.expect("hidden");
        assert!(why.contains("[modules.leads]"), "{why}");
        assert!(office.world.engine.match_refresh(kind, false).is_err());
    }
    two_idle_sweeps_write_nothing(&office.world).await;
    assert_eq!(office.world.ivvy.0.faults().fired(FaultKind::Slow), 0, "nothing was listed in iVvy");
    assert_eq!(office.sim().faults().fired(FaultKind::Slow), 0, "nothing of it was read in Salesforce");
    office.world.end().await;
}

/// C-08, C-16: without leads nobody asks for staff or sources.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_leads_off_neither_staff_nor_sources_are_listed_c08_c16() {
    let mut office = closed(Setup::salesforce(Shape::pairs(2))).await;
    for list in ["getUserList", "getLeadSourceList"] {
        watch(office.world.ivvy.0.faults(), list);
    }
    for list in ["FROM+User", "Lead"] {
        watch(office.sim().faults(), list);
    }
    office.start().await;
    office.world.release().await;
    two_idle_sweeps_write_nothing(&office.world).await;
    assert_eq!(office.world.ivvy.0.faults().fired(FaultKind::Slow), 0);
    assert_eq!(office.sim().faults().fired(FaultKind::Slow), 0);
    office.world.end().await;
}

/// Scenario 2: the CRM does not let us list its users. Owner sync is off with its reason, leads flow without
/// an owner, and once the list is there it goes on by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_2_without_a_staff_list_leads_flow_ownerless_and_the_status_says_why_c09() {
    let mut office = closed(with_leads()).await;
    let (ada_there, address) = office.crm_users().remove(0);
    let ada = office.user("Ada", &address);
    let source = office.enter("leadSource", json!({"name": "Web"}));
    refuse(office.sim().faults(), "FROM+User");
    office.start().await;
    let lead = office.lead("Mia", Some(ada), source);
    office.drain().await;
    let there = office.there(lead).expect("never held for an owner");
    assert_eq!(there["OwnerId"], there["CreatedById"], "Salesforce's own choice, not a guess of ours");
    assert_eq!(there["LeadSource"], "Web", "sources are another list");
    let MatchMode::Off(why) = office.world.engine.match_status(MatchKind::Staff).mode else {
        panic!("owners cannot be matched")
    };
    assert!(why.contains("CRM refuses to list them") && why.contains("records travel without"), "{why}");
    assert_eq!(office.world.items(ModuleId::Leads, State::Held), []);
    two_idle_sweeps_write_nothing(&office.world).await;
    office.sim().faults().clear();
    office.refresh(MatchKind::Staff).await;
    assert_eq!(office.world.engine.match_status(MatchKind::Staff).mode, MatchMode::Both);
    assert_eq!(office.state(MatchKind::Staff, Side::Ivvy, ada), Some(MatchState::Matched));
    let second = office.lead("Noa", Some(ada), source);
    office.drain().await;
    assert_eq!(office.there(second).unwrap()["OwnerId"], ada_there.as_str());
    office.world.end().await;
}

/// Scenario 5: iVvy takes new sources and does not tell which it has, so the other side is master: each is
/// made once, whatever restarts. A lost store is warned about before anything is made again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_5_create_without_a_list_makes_each_source_once_and_warns_of_a_lost_store_c19() {
    let mut office = closed(with_leads()).await;
    office.world.ivvy.0.permit("getLeadSourceList", false);
    let lead = office.crm_lead("Mia", "Trade Show");
    office.start().await;
    let source = RecordId::from("Trade Show");
    let status = |office: &Office| office.world.engine.match_status(MatchKind::LeadSource);
    assert_eq!(status(&office).mode, MatchMode::Master(Side::Crm));
    assert!(status(&office).warning.expect("a new store").contains("If an earlier store was lost"));
    let [waiting] = office.world.items(ModuleId::Leads, State::Blocked).try_into().expect("the lead is to be seen");
    let error = waiting.error.expect("why it waits");
    assert_eq!(error.message, "waits for its lead source to be created in iVvy");
    assert!(error.hint.unwrap().contains("released"));
    assert_eq!(office.sources_created(), 0);

    office.drain().await;
    let sources = office.world.engine.match_counts(MatchKind::LeadSource, Side::Crm).unwrap();
    let made = office.sources_created();
    assert_eq!(sources.get(&MatchState::Matched).copied(), Some(made as u64), "{sources:?}");
    assert!(made > 1, "all of them, not only the one that is carried");
    assert_eq!(status(&office).warning, None);
    assert_eq!(office.ivvy_leads().len(), 1, "{lead} is there, with its source");
    assert_eq!(office.state(MatchKind::LeadSource, Side::Crm, &source), Some(MatchState::Matched));
    two_idle_sweeps_write_nothing(&office.world).await;

    // The same data base in a new process: the ids it was told are all there is, and they are enough.
    office.world.restart(false).await;
    office.refresh(MatchKind::LeadSource).await;
    office.crm_lead("Noa", "Trade Show");
    office.drain().await;
    assert_eq!(status(&office).mode, MatchMode::Master(Side::Crm));
    assert_eq!((office.sources_created(), office.ivvy_leads().len()), (made, 2));

    // The data base is lost. Nothing is made before a person has read the warning and released.
    office.world.restart(true).await;
    office.world.first_plan().await;
    assert!(status(&office).warning.is_some());
    office.crm_lead("Zoe", "Web");
    office.world.settle().await;
    assert_eq!(office.sources_created(), made);
    // Somebody gives us the list: everything is found again by its name, and nothing is made twice.
    office.world.ivvy.0.permit("getLeadSourceList", true);
    office.refresh(MatchKind::LeadSource).await;
    assert_eq!((status(&office).mode, status(&office).warning), (MatchMode::Both, None));
    office.drain().await;
    assert_eq!((office.sources_created(), office.ivvy_leads().len()), (made, 3));
    two_idle_sweeps_write_nothing(&office.world).await;
    office.world.end().await;
}

/// A list that was there and is refused for a while is no reason to create anything blindly.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_is_refused_for_a_while_makes_nobody_master_c19() {
    let office = Office::open().await;
    office.refresh(MatchKind::LeadSource).await;
    let rare = office.unmatched(MatchKind::LeadSource, Side::Crm);
    office.world.ivvy.0.permit("getLeadSourceList", false);
    office.world.engine.match_refresh(MatchKind::LeadSource, false).unwrap();
    let off = async || matches!(office.world.engine.match_status(MatchKind::LeadSource).mode, MatchMode::Off(_));
    office.world.until("the refusal", off).await;
    office.crm_lead("Mia", &rare);
    office.drain().await;
    assert_eq!((office.sources_created(), office.ivvy_leads().len()), (0, 1), "the lead goes without");
    office.world.ivvy.0.permit("getLeadSourceList", true);
    office.refresh(MatchKind::LeadSource).await;
    assert_eq!(office.world.engine.match_status(MatchKind::LeadSource).mode, MatchMode::Both);
    office.world.end().await;
}

/// C-25, P-09: a matched source keeps its pair through a rename, and the new name is not pushed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renamed_source_keeps_its_pair_and_the_name_is_not_pushed_c25_p09() {
    let office = Office::open().await;
    let web = office.enter("leadSource", json!({"name": "Web"}));
    office.refresh(MatchKind::LeadSource).await;
    assert_eq!(office.state(MatchKind::LeadSource, Side::Ivvy, web), Some(MatchState::Matched));
    office.world.ivvy.0.edit(&Edit::update("leadSource", web, json!({"name": "Internet"}))).unwrap();
    let writes = Side::BOTH.map(|side| office.world.effects(side).len());
    office.refresh(MatchKind::LeadSource).await;
    assert_eq!(office.state(MatchKind::LeadSource, Side::Ivvy, web), Some(MatchState::Matched));
    assert_eq!(Side::BOTH.map(|side| office.world.effects(side).len()), writes, "no system is told of the name");
    let lead = office.lead("Mia", None, web);
    office.drain().await;
    assert_eq!(office.there(lead).unwrap()["LeadSource"], "Web", "the pair, not the name");
    two_idle_sweeps_write_nothing(&office.world).await;
    office.world.end().await;
}

/// P-09: a name that differs is sent when a person asks for it, once, to the system that takes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_name_is_sent_only_when_asked_for_and_never_to_a_picklist_p09() {
    let office = Office::open().await;
    let web = office.enter("leadSource", json!({"name": "Web"}));
    office.refresh(MatchKind::LeadSource).await;
    office.world.ivvy.0.edit(&Edit::update("leadSource", web, json!({"name": "Internet"}))).unwrap();
    office.refresh(MatchKind::LeadSource).await;
    let writes = || Side::BOTH.map(|side| office.world.effects(side).len());
    let before = writes();
    let update = async |side: Side, id: &str| {
        let engine = &office.world.engine;
        engine.match_update(MatchKind::LeadSource, side, id.into(), None, operator("ada")).await.unwrap()
    };
    let refused = update(Side::Ivvy, &web.to_string()).await.unwrap_err().to_string();
    assert!(refused.contains("picklist"), "{refused}");
    assert_eq!(writes(), before);
    assert_eq!(update(Side::Crm, "Web").await.unwrap().name.as_deref(), Some("Web"));
    let sent = || {
        use tandem::store::Reads as _;
        let store = office.world.engine.store();
        let row = store.read(|view| view.match_row(MatchKind::LeadSource, Side::Crm, &"Web".into()));
        row.unwrap().unwrap().sent
    };
    office.world.until("a listing shows it", async || sent().is_none()).await;
    assert_eq!(writes(), [before[0] + 1, before[1]], "written once");
    let again = update(Side::Crm, "Web").await.unwrap_err().to_string();
    assert!(again.contains("nothing to send"), "{again}");
    office.world.end().await;
}

/// C-14: a lead whose owner has no match gets the one configured by its source, or for all; nobody who has
/// left, and nothing of it goes back to the CRM.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leads_without_an_owner_get_the_configured_one_unless_that_one_has_left_c14() {
    let by_source = json!({"3": 302});
    let setup = with_leads().key("/ivvy/leads/owner", json!(301)).key("/ivvy/leads/owner_by_source", by_source);
    let mut office = closed(setup).await;
    let users = office.crm_users();
    let edit = |object: &str, id: u64, fields: Json| {
        office.world.ivvy.0.edit(&Edit::update(object, id, fields)).unwrap();
    };
    // The configured owner has a counterpart, who must not be made the owner in Salesforce.
    edit("user", 301, json!({"email": users[0].1, "currentStatus": 1, "userType": 1}));
    edit("user", 302, json!({"currentStatus": 2}));
    edit("leadSource", 3, json!({"name": "Partner Referral"}));
    office.start().await;
    office.world.release().await;
    let [plain, fair] = [("Mia", "Phone Inquiry"), ("Noa", "Partner Referral")].map(|(name, source)| {
        let lead = office.crm_lead(name, source);
        office.sim().edit("Lead", &lead, json!({"OwnerId": users[1].0})).unwrap();
        lead
    });
    office.drain().await;
    let owner = |name: &str| {
        let rows = office.ivvy_leads();
        let row = rows.iter().find(|row| row["name"] == format!("{name} Prospect")).expect("it came over");
        row["ownerUser"]["id"].to_string().trim_matches('"').to_owned()
    };
    assert_eq!(owner("Mia"), "301");
    assert_eq!(office.world.engine.lead_owners().unwrap(), (2, vec![RecordId::from("302")]), "`check` says so");
    assert_eq!(owner("Noa"), "null", "302 has left: nobody rather than somebody else");
    for lead in [plain, fair] {
        let rows = office.sim().records("Lead").unwrap();
        let row = rows.iter().find(|row| row["Id"] == lead.as_str()).unwrap();
        assert_eq!(row["OwnerId"], users[1].0.as_str(), "the owner there is left alone");
    }
    assert_eq!(office.world.items(ModuleId::Leads, State::Held), []);
    two_idle_sweeps_write_nothing(&office.world).await;
    office.world.end().await;
}

/// C-14: several users in turn. Whoever is not active is passed over, a restart does not begin anew, a creation
/// that is repeated takes no second turn, and a lead keeps its owner.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leads_without_an_owner_go_to_several_in_turn_and_stay_with_them_c14() {
    let setup = with_leads().key("/ivvy/leads/owners", json!([301, 303, 302]));
    let mut office = closed(setup).await;
    let status = |office: &Office, id: u64, status: u64| {
        let fields = json!({"currentStatus": status, "userType": 1});
        office.world.ivvy.0.edit(&Edit::update("user", id, fields)).unwrap();
    };
    for (id, of) in [(301, 1), (302, 1), (303, 2)] {
        status(&office, id, of);
    }
    office.start().await;
    office.world.release().await;
    // Salesforce gives every lead an owner: one who has no counterpart.
    let nobody = office.unmatched(MatchKind::Staff, Side::Crm);
    let unowned = |office: &Office, name: &str| {
        let lead = office.crm_lead(name, "Web");
        office.sim().edit("Lead", &lead, json!({"OwnerId": nobody})).unwrap();
        lead
    };
    let owner = |office: &Office, name: &str| {
        let rows = office.ivvy_leads();
        let row = rows.iter().find(|row| row["name"] == format!("{name} Prospect")).expect("it came over");
        row["ownerUser"]["id"].to_string().trim_matches('"').to_owned()
    };
    let mia = unowned(&office, "Mia");
    office.drain().await;
    assert_eq!(owner(&office, "Mia"), "301");

    // A new process on the same store; and the first attempt fails.
    office.world.restart(false).await;
    office.refresh(MatchKind::Staff).await;
    let faults = office.world.ivvy.0.faults();
    faults.arm(FaultSpec::times(FaultKind::ErrorBefore, "action=addOrUpdateLead", 1)).unwrap();
    unowned(&office, "Noa");
    office.drain().await;
    assert_eq!(office.world.ivvy.0.faults().armed(), [], "the first attempt failed");
    assert_eq!(owner(&office, "Noa"), "302", "303 is not active and passed over");
    unowned(&office, "Zoe");
    office.drain().await;
    assert_eq!(owner(&office, "Zoe"), "301");

    // Whoever leaves keeps what they have; what comes goes to the others.
    status(&office, 301, 2);
    status(&office, 303, 1);
    office.refresh(MatchKind::Staff).await;
    office.sim().edit("Lead", &mia, json!({"Company": "Fair guests and sons"})).unwrap();
    for name in ["Ida", "Eva", "Lea"] {
        unowned(&office, name);
        office.drain().await;
    }
    assert_eq!(["Ida", "Eva", "Lea"].map(|name| owner(&office, name)), ["303", "302", "303"]);
    assert_eq!(["Mia", "Noa", "Zoe"].map(|name| owner(&office, name)), ["301", "302", "301"]);
    assert_eq!(office.world.engine.lead_owners().unwrap(), (3, vec![RecordId::from("301")]), "`check` says so");
    two_idle_sweeps_write_nothing(&office.world).await;
    office.world.end().await;
}

/// C-11: Salesforce's look-up by e-mail, whatever the case, and never more than was asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn salesforce_looks_one_person_up_by_email_c11() {
    let office = Office::open().await;
    let remotes = office.world.engine.remotes();
    let remote = remotes.on(Side::Crm, tandem::remote::Lane::Live);
    assert!(remote.match_support(MatchKind::Staff).staff_by_email);
    assert!(!remote.match_support(MatchKind::LeadSource).staff_by_email);
    for (id, address) in office.crm_users() {
        let found = remote.find_staff(&address.to_uppercase()).await.unwrap();
        assert!(found.iter().any(|user| user.id.0 == id), "{address}");
        assert!(found.iter().all(|user| user.email.as_deref() == Some(address.as_str())));
    }
    assert_eq!(remote.find_staff("o'nobody@x.example").await.unwrap(), []);
    office.sim().faults().arm(FaultSpec::times(FaultKind::ErrorBefore, "FROM+User", 1)).unwrap();
    assert!(remote.find_staff("ann@x.example").await.is_err(), "an error is not nobody");
    office.world.end().await;
}
