//! Scenario 25: a prospect becomes a customer, and stays one person (P-05). A person of Salesforce converts
//! the lead; how iVvy and Odoo show it is tested at their adapters.

use serde_json::{Value as Json, json};
use tandem::model::link::LinkState;
use tandem::model::query::AuditQuery;
use tandem::model::{Link, ModuleId, Reason, Side, State};
use tandem::sim::control::{Edit, Simulated as _};
use tandem::store::Reads as _;

use super::first_sync::two_idle_sweeps_write_nothing;
use super::leads::Office;
use super::population::Shape;
use super::world::{Setup, World, operator};

impl Office {
    /// A lead in both systems; its contact too, unless contacts still wait for their release.
    async fn prospect(&self, name: &str) -> (u64, String) {
        let source = self.enter("leadSource", json!({"name": format!("{name}'s")}));
        let lead = self.lead(name, None, source);
        self.world.settle().await;
        self.world.engine.guard_release(ModuleId::Leads, None, operator("ada")).await.unwrap();
        self.world.settle().await;
        let there = self.there(lead).expect("the lead is in Salesforce");
        (lead, there["Id"].as_str().unwrap().to_owned())
    }

    fn contact_of(&self, lead: u64) -> String {
        let rows = self.world.ivvy.0.records("lead").unwrap();
        let row = rows.iter().find(|row| row["id"].to_string().trim_matches('"') == lead.to_string()).unwrap();
        row["contact"]["id"].to_string().trim_matches('"').to_owned()
    }

    fn edit_lead(&self, lead: u64, description: &str) {
        self.world.ivvy.0.edit(&Edit::update("lead", lead, json!({"description": description}))).unwrap();
    }

    fn link(&self, lead: u64) -> Link {
        let links = self.world.engine.store().read(|view| view.links(ModuleId::Leads, None, 100)).unwrap();
        links.into_iter().find(|link| link.ivvy.0 == lead.to_string()).expect("the lead keeps its pair")
    }

    fn history(&self) -> String {
        let query = AuditQuery { limit: 1_000, ..AuditQuery::default() };
        let rows = self.world.engine.store().read(|view| view.audit(&query)).unwrap();
        serde_json::to_string(&rows).unwrap()
    }

    /// How many people there are: iVvy's contacts, Salesforce's contacts, Salesforce's leads.
    fn people(&self) -> [usize; 3] {
        let count = |object: &str| self.sim().records(object).unwrap().len();
        [self.world.ivvy.0.contacts().len(), count("Contact"), count("Lead")]
    }

    fn nothing_failed(&self) {
        for module in self.world.modules() {
            for state in [State::Dead, State::Retry, State::Unknown] {
                assert_eq!(self.world.items(module, state), [], "{module} {state}");
            }
        }
    }
}

/// The lead is converted while its person is not in Salesforce yet, and the new contact gets another name
/// at that: still one person, and one pair.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_25_a_lead_converted_before_its_contact_was_synced_becomes_that_contact_p05() {
    let setup = Setup::salesforce(Shape::pairs(2)).also(&[ModuleId::Leads]);
    let office = Office { world: World::begin(setup).await };
    let (lead, there) = office.prospect("Mia").await;
    let person = office.contact_of(lead);
    let before = office.people();
    let became = office.sim().convert_lead(&there, true).unwrap();
    office.sim().edit("Contact", &became.contact, json!({"Email": "mia.married@prospect.example"})).unwrap();
    assert_eq!(office.people(), [before[0], before[1] + 1, before[2]]);
    office.drain().await;
    office.drain().await;
    assert_eq!(office.people(), [before[0], before[1] + 1, before[2]], "nobody was made a second time");
    let pair = office.world.pair_of(ModuleId::Contacts, Side::Ivvy, &person).expect("they are one person");
    assert_eq!(pair.crm, became.contact);
    assert_eq!(office.link(lead).state, LinkState::Converted);
    let history = office.history();
    assert!(history.contains("converted in Salesforce: the pair is at rest"));
    assert!(history.contains("the lead about the person was converted into the contact"));
    let question = office.world.held(&pair, Reason::FirstSync);
    assert!(question.plan.field("email").is_some_and(tandem::model::FieldPlan::unsolved), "nothing is overwritten");
    two_idle_sweeps_write_nothing(&office.world).await;
    office.nothing_failed();
    office.world.end().await;
}

/// The person is in both systems already, and the lead is converted into that contact. What is edited of the
/// lead in iVvy afterwards cannot reach Salesforce, and says so once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_25_a_lead_converted_into_its_own_contact_rests_and_takes_no_edits_p05() {
    let office = Office::open().await;
    let (lead, there) = office.prospect("Noa").await;
    let person = office.contact_of(lead);
    let pair = office.world.pair_of(ModuleId::Contacts, Side::Ivvy, &person).expect("in step");
    let before = office.people();
    // The edit and the conversion meet: whichever is seen first, nothing fails.
    office.edit_lead(lead, "a ballroom");
    office.sim().convert_lead_into(&there, &pair.crm).unwrap();
    office.drain().await;
    assert_eq!(office.people(), before);
    assert_eq!(office.world.pair_of(ModuleId::Contacts, Side::Ivvy, &person).unwrap().crm, pair.crm);
    assert_eq!(office.link(lead).state, LinkState::Converted);
    two_idle_sweeps_write_nothing(&office.world).await;

    office.edit_lead(lead, "no, a barn");
    let explained = |office: &Office| {
        let done = office.world.items(ModuleId::Leads, State::Done);
        done.into_iter().filter(|item| item.plan.summary.contains("converted in Salesforce")).count()
    };
    let once = explained(&office);
    office.drain().await;
    assert_eq!(explained(&office), once + 1, "the edit is settled with its explanation");
    two_idle_sweeps_write_nothing(&office.world).await;
    assert_eq!(explained(&office), once + 1, "said once");
    assert_eq!(office.world.items(ModuleId::Leads, State::Held), []);
    assert!(office.there(lead).unwrap()["Description"].is_null());
    office.nothing_failed();

    // Cleared away there, it is nobody's question and never made again.
    office.sim().delete("Lead", &there).unwrap();
    office.drain().await;
    two_idle_sweeps_write_nothing(&office.world).await;
    assert_eq!(office.people(), [before[0], before[1], before[2] - 1]);
    assert_eq!(office.link(lead).state, LinkState::Tombstone);
    assert_eq!(office.world.items(ModuleId::Leads, State::Held), []);
    office.world.end().await;
}

/// Salesforce made a second contact of somebody who is in step already: a person decides, and a merge there
/// is the answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_25_a_conversion_into_a_double_is_a_question_not_a_second_person_p05() {
    let office = Office::open().await;
    let (lead, there) = office.prospect("Zoe").await;
    let person = office.contact_of(lead);
    let pair = office.world.pair_of(ModuleId::Contacts, Side::Ivvy, &person).expect("in step");
    let before = office.people();
    let became = office.sim().convert_lead(&there, false).unwrap();
    office.drain().await;
    assert_eq!(office.people(), [before[0], before[1] + 1, before[2]], "iVvy gets no second person");
    assert_eq!(office.world.pair_of(ModuleId::Contacts, Side::Ivvy, &person).unwrap().crm, pair.crm, "unchanged");
    let [held] = office.world.items(ModuleId::Contacts, State::Held).try_into().unwrap();
    assert!(held.plan.summary.contains("is paired with another contact already"), "{}", held.plan.summary);
    two_idle_sweeps_write_nothing(&office.world).await;
    office.sim().merge("Contact", &pair.crm, &became.contact).unwrap();
    office.drain().await;
    assert_eq!(office.world.items(ModuleId::Contacts, State::Held), []);
    two_idle_sweeps_write_nothing(&office.world).await;
    assert_eq!(office.people(), before);
    office.world.end().await;
}

/// A lead that was converted before Tandem knew it is not carried over as one; its contact is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lead_converted_before_it_was_known_is_carried_over_as_a_contact_only_p05() {
    let office = Office::open().await;
    let before = office.people();
    let person: Json = json!({
        "FirstName": "Zed", "LastName": "Prospect", "Email": "zed@prospect.example", "Company": "Zed & Co",
    });
    let lead = office.sim().insert("Lead", person).unwrap();
    office.sim().convert_lead(&lead, true).unwrap();
    office.drain().await;
    assert_eq!(office.people(), before.map(|count| count + 1));
    assert_eq!(office.world.ivvy.0.records("lead").unwrap().len(), 0);
    two_idle_sweeps_write_nothing(&office.world).await;
    office.world.end().await;
}
