//! Leads, with owner and source through the match tables (C-08 to C-25, P-05 to P-12).

use serde_json::{Value as Json, json};
use tandem::model::{MatchKind, MatchState, ModuleId, RecordId, Side, State, Verb};
use tandem::sim::control::Edit;
use tandem::sim::ledger::Op;

use super::first_sync::two_idle_sweeps_write_nothing;
use super::hand::CrmHand;
use super::population::Shape;
use super::world::{Setup, World, operator};

/// Sources and people that every simulated iVvy account begins with are left alone: tests bring their own.
pub struct Office {
    pub world: World,
}

impl Office {
    pub async fn open() -> Self {
        let setup = Setup::salesforce(Shape::pairs(2)).also(&[ModuleId::Leads]);
        Self { world: World::in_step(setup).await }
    }

    pub fn user(&self, name: &str, email: &str) -> u64 {
        let user = json!({
            "firstName": name, "lastName": "Staff", "email": email, "currentStatus": 1, "userType": 1,
        });
        self.enter("user", user)
    }

    pub fn enter(&self, object: &str, fields: Json) -> u64 {
        self.world.ivvy.0.edit(&Edit::create(object, fields)).unwrap().parse().unwrap()
    }

    /// Active people of the org: id and address.
    pub fn crm_users(&self) -> Vec<(String, String)> {
        let text = |row: &Json, name: &str| row[name].as_str().unwrap().to_owned();
        let users = self.sim().records("User").unwrap();
        let active = users.iter().filter(|row| row["IsActive"] == true);
        active.map(|row| (text(row, "Id"), text(row, "Email"))).collect()
    }

    pub fn sim(&self) -> &tandem::sim::salesforce::SalesforceSim {
        let CrmHand::Salesforce(sim) = &self.world.crm else { panic!("these tests look into the simulated org") };
        sim
    }

    pub fn lead(&self, name: &str, owner: Option<u64>, source: u64) -> u64 {
        let contact = self.enter(
            "contact",
            json!({"firstName": name, "lastName": "Prospect", "email": format!("{name}@prospect.example")}),
        );
        let mut lead = json!({"name": format!("{name}'s wedding"), "contactId": contact, "sourceId": source});
        if let Some(owner) = owner {
            lead["ownerUserId"] = json!(owner);
        }
        self.enter("lead", lead)
    }

    pub fn there(&self, lead: u64) -> Option<Json> {
        let rows = self.sim().records("Lead").unwrap();
        let mut rows = rows.into_iter().filter(|row| row["Ivvy_Id__c"] == format!("lead-{lead}"));
        let found = rows.next();
        assert!(rows.next().is_none(), "lead {lead} exists once");
        found
    }

    pub async fn refresh(&self, kind: MatchKind) {
        let before = self.world.engine.match_status(kind).refreshed_at;
        self.world.engine.match_refresh(kind, false).unwrap();
        self.world
            .until("the match table", async || {
                let status = self.world.engine.match_status(kind);
                !status.running && status.refreshed_at > before
            })
            .await;
    }

    pub async fn drain(&self) {
        self.world.settle().await;
        self.world.release().await;
        self.world.settle().await;
    }

    /// An entry that is active and has no counterpart.
    pub fn unmatched(&self, kind: MatchKind, side: Side) -> String {
        use tandem::store::Reads as _;
        let rows = self.world.engine.store().read(|view| view.match_table(kind)).unwrap();
        let free =
            |row: &&tandem::model::MatchRow| row.side == side && row.alive() && row.state == MatchState::Unmatched;
        rows.iter().find(free).expect("one without a counterpart").id.0.clone()
    }

    pub fn state(&self, kind: MatchKind, side: Side, id: impl ToString) -> Option<MatchState> {
        use tandem::store::Reads as _;
        let id = RecordId::from(id.to_string());
        let row = self.world.engine.store().read(|view| view.match_row(kind, side, &id)).unwrap();
        row.map(|row| row.state)
    }
}

/// Scenario 1: a lead whose owner has no match is delivered without one; a match made later is offered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_1_a_lead_without_a_matched_owner_is_sent_at_once_and_offered_again_c12_to_c15() {
    let office = Office::open().await;
    let users = office.crm_users();
    let (ada_there, address) = users[0].clone();
    let ada = office.user("Ada", &address.to_uppercase());
    let ben = office.user("Ben", "ben@elsewhere.example");
    let source = office.enter("leadSource", json!({"name": "Web"}));
    office.refresh(MatchKind::Staff).await;
    assert_eq!(office.state(MatchKind::Staff, Side::Ivvy, ada), Some(MatchState::Matched), "case does not count");
    assert_eq!(office.state(MatchKind::Staff, Side::Ivvy, ben), Some(MatchState::Unmatched));
    let ben_there = office.unmatched(MatchKind::Staff, Side::Crm);
    let (owned, orphan) = (office.lead("Mia", Some(ada), source), office.lead("Noa", Some(ben), source));
    office.drain().await;
    assert_eq!(office.there(owned).expect("sent")["OwnerId"], ada_there.as_str());
    let sent = office.there(orphan).expect("sent at once, never held");
    assert_ne!(sent["OwnerId"], ben_there.as_str());
    assert_eq!(office.world.items(ModuleId::Leads, State::Held), []);
    let id = RecordId::from(ben.to_string());
    let created = office.sim().ledger().effects().iter().filter(|e| e.object == "User" && e.op == Op::Create).count();
    office
        .world
        .engine
        .match_pair(MatchKind::Staff, id.clone(), ben_there.as_str().into(), operator("ada"))
        .await
        .unwrap()
        .unwrap();
    office.drain().await;
    assert_ne!(
        office.there(orphan).unwrap()["OwnerId"],
        ben_there.as_str(),
        "a later match is offered, not carried out"
    );
    two_idle_sweeps_write_nothing(&office.world).await;
    let again = office.world.engine.match_resend(MatchKind::Staff, Side::Ivvy, id, operator("ada")).await.unwrap();
    assert_eq!(again, Ok(1));
    office.drain().await;
    // Salesforce gave it an owner of its own choice, so it is a question, not an overwrite (C-14).
    let [item] = office.world.items(ModuleId::Leads, State::Held).try_into().unwrap();
    office.world.decide(&item, Verb::Approve, |decision| decision.side = Some(Side::Ivvy)).await.unwrap();
    office.drain().await;
    assert_eq!(office.there(orphan).unwrap()["OwnerId"], ben_there.as_str(), "asked for, it is sent again");
    two_idle_sweeps_write_nothing(&office.world).await;
    let after = office.sim().ledger().effects().iter().filter(|e| e.object == "User" && e.op == Op::Create).count();
    assert_eq!(after, created, "staff are never created (P-07)");
    office.world.end().await;
}

/// Scenarios 4 and 6: a source matches whatever its case; one without a match travels as none, and a CRM
/// lead without one gets iVvy's configured default.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenarios_4_and_6_sources_match_without_regard_to_case_and_none_is_invented_c21_c24() {
    let office = Office::open().await;
    let web = office.enter("leadSource", json!({"name": "wEB"}));
    let rare = office.enter("leadSource", json!({"name": "Aunt Emma's fair"}));
    office.refresh(MatchKind::LeadSource).await;
    assert_eq!(office.state(MatchKind::LeadSource, Side::Ivvy, web), Some(MatchState::Matched));
    assert_eq!(office.state(MatchKind::LeadSource, Side::Ivvy, rare), Some(MatchState::Unmatched));
    let (known, unknown) = (office.lead("Mia", None, web), office.lead("Noa", None, rare));
    let person = json!({
        "FirstName": "Zed", "LastName": "Prospect", "Email": "zed@prospect.example", "Company": "Zed & Co",
    });
    office.sim().insert("Lead", person).unwrap();
    office.drain().await;
    assert_eq!(office.there(known).unwrap()["LeadSource"], "Web");
    assert!(office.there(unknown).unwrap()["LeadSource"].is_null(), "none rather than a wrong one");
    let created = office.world.effects(Side::Ivvy).into_iter().filter(|e| e.object == "lead" && e.op == Op::Create);
    assert_eq!(created.count(), 1, "the CRM's own lead is in iVvy, with the default source");
    two_idle_sweeps_write_nothing(&office.world).await;
    office.world.end().await;
}

/// Scenario 3, towards iVvy: ten leads with one new source create it there once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_3_ten_parallel_leads_create_a_new_source_once_c23() {
    let office = Office::open().await;
    office.refresh(MatchKind::LeadSource).await;
    let source = office.unmatched(MatchKind::LeadSource, Side::Crm);
    for number in 0..10 {
        let lead = json!({
            "FirstName": format!("P{number}"), "LastName": "Prospect", "Company": "Fair guests",
            "Email": format!("p{number}@prospect.example"), "LeadSource": source,
        });
        office.sim().insert("Lead", lead).unwrap();
    }
    office.drain().await;
    let effects = office.world.effects(Side::Ivvy);
    let count = |object: &str| effects.iter().filter(|e| e.object == object && e.op == Op::Create).count();
    assert_eq!((count("leadSource"), count("lead")), (1, 10), "{effects:?}");
    two_idle_sweeps_write_nothing(&office.world).await;
    office.world.end().await;
}
