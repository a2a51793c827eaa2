//! Paired once, by constant ids (acceptance C: V-12, V-13, V-21, V-74).

use tandem::model::{Choice, ModuleId, PairKey, Reason, Side, State, Verb, Why};
use tandem::sim::fault::{FaultKind, FaultSpec};
use tandem::sync::Refusal;

use super::hand::CrmHand;
use super::world::{Pair, World, choose, id};

const CONTACTS: ModuleId = ModuleId::Contacts;
const COMPANIES: ModuleId = ModuleId::Companies;

pub async fn a_rename_with_a_new_address_updates_the_same_record_v12(world: &World) {
    for from in Side::BOTH {
        let (pair, other) = (world.take(), world.take());
        let people = world.pairs(CONTACTS).len();
        let renamed = [("first_name", "Renata"), ("last_name", "Oyelaran-Holm"), ("email", "renata@new.example.org")];
        match from {
            Side::Ivvy => world.ivvy.edit(CONTACTS, &pair.ivvy, &renamed),
            Side::Crm => world.crm.edit(CONTACTS, &pair.crm, &renamed).await,
        }
        world.settle().await;
        for (name, text) in renamed {
            assert_eq!(world.ivvy.read(CONTACTS, &pair.ivvy)[name], text, "from {from}");
            assert_eq!(world.crm.read(CONTACTS, &pair.crm).await[name], text, "from {from}");
        }
        assert_eq!(world.pairs(CONTACTS).len(), people);
        assert_eq!(world.pair_of(CONTACTS, Side::Ivvy, &pair.ivvy).unwrap().crm, pair.crm);

        // Not even taking somebody else's name and address moves a pair.
        match from {
            Side::Ivvy => world.ivvy.edit(CONTACTS, &other.ivvy, &renamed),
            Side::Crm => world.crm.edit(CONTACTS, &other.crm, &renamed).await,
        }
        world.settle().await;
        assert_eq!(world.ivvy.read(CONTACTS, &other.ivvy)["email"], "renata@new.example.org");
        assert_eq!(world.pair_of(CONTACTS, Side::Ivvy, &other.ivvy).unwrap().crm, other.crm);
        assert_eq!(world.pairs(CONTACTS).len(), people);
        // The next test finds its own people by address, so these two get theirs back.
        for (pair, email) in [(&pair, "renata.one@example.org"), (&other, "renata.two@example.org")] {
            world.ivvy.edit(CONTACTS, &pair.ivvy, &[("email", email), ("first_name", email)]);
        }
        world.settle().await;
        assert_eq!(world.crm.read(CONTACTS, &other.crm).await["email"], "renata.two@example.org");
    }
}

/// A person in both systems whose iVvy record names a third system's id already.
async fn spoken_for(world: &World, name: &str) -> (String, String) {
    let email = format!("{name}@taken.example.org");
    let fields = [("first_name", name), ("last_name", "Takenname"), ("email", email.as_str())];
    let ivvy = world.ivvy.insert(CONTACTS, &[fields.as_slice(), &[("external_id", "LEGACY-77")]].concat());
    world.settle().await;
    let crm = world.crm.insert(CONTACTS, &fields).await;
    world.settle().await;
    (ivvy, crm)
}

pub async fn an_external_id_that_is_taken_is_a_question_and_never_overwritten_v13(world: &World) {
    for (name, choice) in [("Abel", Choice::Ivvy), ("Bela", Choice::Crm)] {
        let writes = world.writes();
        let (ivvy, crm) = spoken_for(world, name).await;
        assert_eq!(world.writes(), writes, "nothing is written before a person has looked");
        for (side, record) in [(Side::Ivvy, &ivvy), (Side::Crm, &crm)] {
            let item = world.open(CONTACTS, &PairKey::Lone(side, id(record))).expect("a question");
            assert_eq!((item.state, item.reasons), (State::Held, tandem::model::Reasons::one(Reason::Ambiguous)));
        }
        let item = world.open(CONTACTS, &PairKey::Lone(Side::Ivvy, id(&ivvy))).unwrap();
        world.decide(&item, Verb::Pair, |decision| decision.record = Some(id(&crm))).await.unwrap();
        world.idle().await;
        let pair = world.pair_of(CONTACTS, Side::Ivvy, &ivvy).unwrap();
        assert_eq!(pair.crm, crm);
        let item = world.held(&pair, Reason::Conflict);
        assert_eq!(item.plan.field("external_id").unwrap().why, Why::ConstantIdTaken);
        assert_eq!(world.writes(), writes, "pairing alone overwrites nothing");

        world.decide(&item, Verb::Approve, choose("external_id", choice.clone())).await.unwrap();
        world.settle().await;
        let kept = world.ivvy.read(CONTACTS, &ivvy)["external_id"].clone();
        assert_eq!(kept, if choice == Choice::Ivvy { "LEGACY-77" } else { crm.as_str() });
        let open = world.open(CONTACTS, &PairKey::Link(pair.link));
        assert_eq!(open, None, "an accepted difference is not raised again");
        world.writes_nothing(world.settle()).await;
        // Nor by what is edited beside it.
        world.ivvy.edit(CONTACTS, &ivvy, &[("phone", "+61 2 5550 7777")]);
        world.settle().await;
        assert_eq!(world.crm.read(CONTACTS, &crm).await["phone"], "+61 2 5550 7777");
        assert_eq!(world.ivvy.read(CONTACTS, &ivvy)["external_id"], kept);
        assert_eq!(world.open(CONTACTS, &PairKey::Link(pair.link)), None, "what was accepted stays accepted");
    }
}

pub async fn an_external_id_changed_behind_our_back_is_a_question_v13(world: &World) {
    let pair = world.take();
    world.ivvy.edit(CONTACTS, &pair.ivvy, &[("external_id", "LEGACY-99")]);
    let writes = world.writes();
    world.settle().await;
    assert_eq!(world.writes(), writes);
    assert_eq!(world.ivvy.read(CONTACTS, &pair.ivvy)["external_id"], "LEGACY-99");
    let item = world.held(&pair, Reason::Conflict);
    let rows: Vec<_> = item.plan.fields.iter().filter(|row| row.unsolved()).map(|row| (&row.field, row.why)).collect();
    assert_eq!(rows, [(&"external_id".to_owned(), Why::ConstantIdTaken)]);
    // The pair itself stands, whatever the field says.
    assert_eq!(world.pair_of(CONTACTS, Side::Ivvy, &pair.ivvy).unwrap().crm, pair.crm);
    world.decide(&item, Verb::Approve, choose("external_id", Choice::Crm)).await.unwrap();
    world.settle().await;
    assert_eq!(world.ivvy.read(CONTACTS, &pair.ivvy)["external_id"], pair.crm);
    assert!(world.in_order(&pair));

    // Emptied, it is filled again without a question.
    world.ivvy.edit(CONTACTS, &pair.ivvy, &[("external_id", "")]);
    world.settle().await;
    assert_eq!(world.ivvy.read(CONTACTS, &pair.ivvy)["external_id"], pair.crm);
    assert!(world.in_order(&pair));
}

pub async fn an_anonymised_person_is_never_refilled_v21(world: &World) {
    let pair = world.take();
    world.ivvy.anonymise(&pair.ivvy);
    let erased = world.ivvy.read(CONTACTS, &pair.ivvy);
    let there = world.crm.read(CONTACTS, &pair.crm).await;
    let writes = world.writes();
    world.settle().await;
    let item = world.held(&pair, Reason::Anonymised);

    world.crm.edit(CONTACTS, &pair.crm, &[("phone", "+61 2 5550 6666"), ("first_name", "Again")]).await;
    world.settle().await;
    let item = world.open(CONTACTS, &PairKey::Link(pair.link)).unwrap_or(item);
    let approved = world.decide(&item, Verb::Approve, |decision| decision.side = Some(Side::Crm)).await;
    assert!(matches!(&approved, Err(Refusal::Invalid(..))), "{approved:?}");
    for side in Side::BOTH {
        let forced = world
            .decide(&item, Verb::Force, |decision| {
                decision.side = Some(side);
                decision.reason = Some("try".to_owned());
            })
            .await;
        assert!(matches!(&forced, Err(Refusal::Invalid(..))), "{forced:?}");
    }
    world.decide(&item, Verb::Skip, |_| {}).await.unwrap();
    world.crm.edit(CONTACTS, &pair.crm, &[("email", "again@example.org")]).await;
    world.settle().await;
    world.sweep(true).await;
    world.idle().await;
    assert_eq!(world.ivvy.read(CONTACTS, &pair.ivvy), erased, "erased stays erased");
    let now = world.crm.read(CONTACTS, &pair.crm).await;
    assert_eq!(
        (&now["last_name"], now["first_name"].as_str()),
        (&there["last_name"], "Again"),
        "the CRM keeps its own"
    );
    assert_eq!(world.writes(), writes);
    // Out of the way of whoever comes next on this world.
    if let Some(item) = world.open(CONTACTS, &PairKey::Link(pair.link)) {
        world.decide(&item, Verb::Skip, |_| {}).await.unwrap();
    }
}

async fn company_of(world: &World, pair: &Pair) -> (String, String) {
    let (here, there) = (world.ivvy.read(CONTACTS, &pair.ivvy), world.crm.read(CONTACTS, &pair.crm).await);
    (here["company"].clone(), there["company"].clone())
}

pub async fn a_contacts_company_follows_the_link_both_ways_v74(world: &World) {
    let firms: Vec<Pair> = world.pairs(COMPANIES);
    for from in Side::BOTH {
        let pair = world.take();
        let before = company_of(world, &pair).await.0;
        let firm = firms.iter().find(|firm| firm.ivvy != before).unwrap();
        match from {
            Side::Ivvy => world.ivvy.edit(CONTACTS, &pair.ivvy, &[("company", &firm.ivvy)]),
            Side::Crm => world.crm.edit(CONTACTS, &pair.crm, &[("company", &firm.crm)]).await,
        }
        world.settle().await;
        assert_eq!(company_of(world, &pair).await, (firm.ivvy.clone(), firm.crm.clone()), "from {from}");

        // A company that is new itself comes first, even when it is read after its people.
        let name = format!("Brand New of {from}");
        let late = |list: &str| FaultSpec { ms: Some(500), ..FaultSpec::times(FaultKind::Slow, list, 1) };
        match (from, &world.crm) {
            (Side::Ivvy, _) => world.ivvy.0.faults().arm(late("getCompanyList")).unwrap(),
            (Side::Crm, CrmHand::Salesforce(sim)) => sim.faults().arm(late("FROM+Account")).unwrap(),
            // A real system is as fast as it is.
            (Side::Crm, CrmHand::Odoo(_)) => {}
        }
        match from {
            Side::Ivvy => {
                let new = world.ivvy.insert(COMPANIES, &[("name", &name)]);
                world.ivvy.edit(CONTACTS, &pair.ivvy, &[("company", &new)]);
            }
            Side::Crm => {
                let new = world.crm.insert(COMPANIES, &[("name", &name)]).await;
                world.crm.edit(CONTACTS, &pair.crm, &[("company", &new)]).await;
            }
        }
        world.settle().await;
        let (here, there) = company_of(world, &pair).await;
        assert_eq!(world.ivvy.read(COMPANIES, &here)["name"], name, "from {from}");
        if let CrmHand::Salesforce(sim) = &world.crm {
            assert_eq!((world.ivvy.0.faults().armed(), sim.faults().armed()), (Vec::new(), Vec::new()));
        }
        assert_eq!(world.pair_of(COMPANIES, Side::Ivvy, &here).unwrap().crm, there);

        match from {
            Side::Ivvy => world.ivvy.edit(CONTACTS, &pair.ivvy, &[("company", "")]),
            Side::Crm => world.crm.edit(CONTACTS, &pair.crm, &[("company", "")]).await,
        }
        world.settle().await;
        assert_eq!(company_of(world, &pair).await, (String::new(), String::new()), "from {from}");
        assert!(world.in_order(&pair));
    }
    world.writes_nothing(world.settle()).await;
}

/// Whichever side is read first, its record is not taken for a lone one before the other has been read.
pub async fn somebody_entered_in_both_systems_at_once_is_paired_and_not_doubled_v11(world: &World) {
    let mut slow = vec![(world.ivvy.0.faults().clone(), ["getContactList", "getCompanyList"])];
    if let CrmHand::Salesforce(sim) = &world.crm {
        slow.push((sim.faults().clone(), ["Contact", "Account"]));
    }
    for (number, (faults, lists)) in slow.into_iter().enumerate() {
        let (email, firm) = (format!("both{number}@at-once.example.org"), format!("At Once {number}"));
        let person = [("first_name", "Tamsin"), ("last_name", "Atonce"), ("email", email.as_str())];
        let here = world.ivvy.insert(CONTACTS, &person);
        let firm_here = world.ivvy.insert(COMPANIES, &[("name", &firm)]);
        let there = world.crm.insert(CONTACTS, &person).await;
        let firm_there = world.crm.insert(COMPANIES, &[("name", &firm)]).await;
        for list in lists {
            faults.arm(FaultSpec { ms: Some(700), ..FaultSpec::times(FaultKind::Slow, list, 1) }).unwrap();
        }
        let creates = Side::BOTH.map(|side| world.calls(side).creates);
        world.settle().await;
        assert_eq!(faults.armed(), [], "the listings came late");
        assert_eq!(Side::BOTH.map(|side| world.calls(side).creates), creates, "nobody was created");
        assert_eq!(world.pair_of(CONTACTS, Side::Ivvy, &here).map(|pair| pair.crm), Some(there));
        assert_eq!(world.pair_of(COMPANIES, Side::Ivvy, &firm_here).map(|pair| pair.crm), Some(firm_there));
    }
}

scenarios! {
    somebody_entered_in_both_systems_at_once_is_paired_and_not_doubled_v11,
    a_rename_with_a_new_address_updates_the_same_record_v12,
    an_external_id_that_is_taken_is_a_question_and_never_overwritten_v13,
    an_external_id_changed_behind_our_back_is_a_question_v13,
    an_anonymised_person_is_never_refilled_v21,
    a_contacts_company_follows_the_link_both_ways_v74,
}
