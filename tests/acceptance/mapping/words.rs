//! Values that have another word on each side: what goes over, and what has no word there.

use tandem::model::{Choice, CustomField, CustomKind, Decision, Item, Reason, Side, Transform, Value, Verb};
use tandem::sync::Refusal;
use tandem::wire::MapVerb;

use super::{CONTACTS, DIET, Mapping, diet};
use crate::world::{Pair, choose};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn options_travel_by_their_table_and_unknown_ones_are_held_v19() {
    let mapping = Mapping::begin().await;
    let world = &mapping.world;
    let (pair, other, lone) = (world.take(), world.take(), world.take());
    let pairs = [("g", "Vegan"), ("s", "Halal")].map(|(ivvy, crm)| (ivvy.to_owned(), crm.to_owned()));
    let badge = CustomField {
        name: "badge".to_owned(),
        kind: CustomKind::Choice,
        ivvy: 102,
        transform: Transform::Values(pairs.into()),
        default: Some(Value::text("s")),
        ..diet()
    };
    let changed = mapping.take_up(0, MapVerb::Add(badge)).await;
    assert!(changed.findings.iter().any(|finding| finding.text.contains("`c`")), "{:?}", changed.findings);
    let badge_of = |id: &str| {
        let all = world.ivvy.0.contacts();
        let contact = all.into_iter().find(|contact| contact.id.to_string() == id).unwrap();
        contact.custom.get(&102).and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
    };
    world.ivvy.edit(CONTACTS, &pair.ivvy, &[("custom.102", "g")]);
    world.crm.edit(CONTACTS, &other.crm, &[(DIET, "Halal")]).await;
    world.settle().await;
    assert_eq!(world.crm.read(CONTACTS, &pair.crm).await[DIET], "Vegan");
    assert_eq!(badge_of(&other.ivvy), "s");
    world.ivvy.edit(CONTACTS, &lone.ivvy, &[("custom.102", "c")]);
    world.settle().await;
    let item = world.held(&lone, Reason::Conflict);
    assert_eq!(item.plan.field("custom.102").unwrap().why, tandem::model::Why::OptionUnknown);
    assert_eq!(world.crm.read(CONTACTS, &lone.crm).await[DIET], "");
    // A new record gets the default, in the other side's words, and its source stays as it is.
    let fields = [("first_name", "Nora"), ("last_name", "Newcomer"), ("email", "nora@example.net")];
    let id = world.ivvy.insert(CONTACTS, &fields);
    world.settle().await;
    let made = world.pair_of(CONTACTS, Side::Ivvy, &id).expect("created");
    assert_eq!(world.crm.read(CONTACTS, &made.crm).await[DIET], "Halal");
    world.settle().await;
    assert_eq!(badge_of(&id), "");
    mapping.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decisions_speak_the_words_of_each_side_and_what_has_no_word_is_refused_v19() {
    const BADGE: &str = "custom.102";
    let mapping = Mapping::begin().await;
    let world = &mapping.world;
    let (pair, odd) = (world.take(), world.take());
    let pairs = [("g", "Vegan"), ("s", "Halal")].map(|(ivvy, crm)| (ivvy.to_owned(), crm.to_owned()));
    let transform = Transform::Values(pairs.into());
    let badge = CustomField { name: "badge".to_owned(), kind: CustomKind::Choice, ivvy: 102, transform, ..diet() };
    mapping.take_up(0, MapVerb::Add(badge)).await;
    let badges = async |pair: &Pair| -> [String; 2] {
        let all = world.ivvy.0.contacts();
        let contact = all.into_iter().find(|contact| contact.id.to_string() == pair.ivvy).unwrap();
        let here = contact.custom.get(&102).and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default();
        [here, world.crm.read(CONTACTS, &pair.crm).await[DIET].clone()]
    };

    // What an undo puts back was read in the CRM, and goes to both.
    for option in ["g", "s"] {
        world.ivvy.edit(CONTACTS, &pair.ivvy, &[(BADGE, option)]);
        world.settle().await;
    }
    assert_eq!(badges(&pair).await, ["s", "Halal"]);
    let undo = world.decide(&world.last(&pair).unwrap(), Verb::Undo, |_| {}).await.unwrap();
    assert_eq!(undo.plan.field(BADGE).unwrap().choice, Some(Choice::Custom(Value::text("g"))));
    world.decide(&undo, Verb::Approve, |_| {}).await.unwrap();
    world.idle().await;
    assert_eq!(badges(&pair).await, ["g", "Vegan"]);

    // An option that cannot be carried over is not agreed on in silence.
    let phone = "+61 2 5550 4441";
    world.ivvy.edit(CONTACTS, &odd.ivvy, &[(BADGE, "c"), ("phone", phone)]);
    world.crm.edit(CONTACTS, &odd.crm, &[("phone", "+61 2 5550 4442")]).await;
    world.settle().await;
    let item = world.held(&odd, Reason::Conflict);
    let lacks = |refused: Result<Item, Refusal>| match refused {
        Err(Refusal::Invalid(_, why)) => assert!(why.contains("the value table of Diet"), "{why}"),
        other => panic!("{other:?}"),
    };
    let ours = |decision: &mut Decision| {
        decision.side = Some(Side::Ivvy);
        decision.reason = Some("we asked them".to_owned());
    };
    for choice in [Choice::Ivvy, Choice::Custom(Value::text("c"))] {
        lacks(world.decide(&item, Verb::Edit, choose(BADGE, choice)).await);
    }
    lacks(world.decide(&item, Verb::Approve, ours).await);
    // Of a whole record, the rest is taken and that stays a question.
    let drafted = world.decide(&item, Verb::Edit, ours).await.unwrap();
    assert_eq!(drafted.plan.field("phone").unwrap().choice, Some(Choice::Ivvy));
    assert!(drafted.plan.field(BADGE).unwrap().unsolved());
    world.decide(&drafted, Verb::Force, ours).await.unwrap();
    world.idle().await;
    assert_eq!(world.crm.read(CONTACTS, &odd.crm).await["phone"], phone);
    let left = world.held(&odd, Reason::Conflict);
    assert_eq!((left.plan.unsolved(), badges(&odd).await), (1, ["c".to_owned(), String::new()]));
    lacks(world.decide(&left, Verb::Force, ours).await);
    world.decide(&left, Verb::Approve, choose(BADGE, Choice::Custom(Value::text("s")))).await.unwrap();
    world.idle().await;
    assert_eq!(badges(&odd).await, ["s", "Halal"]);
    mapping.end().await;
}
