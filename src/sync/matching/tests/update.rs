//! Sending what a matched lead source is to its counterpart (P-09).

use std::time::Duration;

use super::super::MatchDifference;
use super::super::operate::MatchRefusal;
use super::world::{Manner, World, person, sam, source};
use super::{SETTLE, SOURCE, STAFF};
use crate::model::Side;
use crate::model::matching::{MatchState, SourceChange, SourceSent};
use crate::remote::Class;
use crate::remote::port::{MatchSupport, SourceUpdate};

const BOTH: SourceUpdate = SourceUpdate { name: true, active: true, because: "" };

fn change(name: Option<&str>, active: Option<bool>) -> SourceChange {
    SourceChange { name: name.map(str::to_owned), active }
}

impl World {
    async fn update(&self, side: Side, id: &str, expect: Option<SourceChange>) -> Result<SourceChange, MatchRefusal> {
        self.engine.match_update(SOURCE, side, id.into(), expect, sam()).await.unwrap()
    }

    fn differs(&self, side: Side, id: &str, other: &str) -> MatchDifference {
        self.engine.match_difference(&self.row(SOURCE, side, id), &self.row(SOURCE, side.other(), other))
    }

    fn updates(&self, side: Side) -> usize {
        self.on(side).updates.len()
    }

    fn sent(&self, id: &str) -> Option<SourceSent> {
        self.row(SOURCE, Side::Ivvy, id).sent
    }
}

/// Two sources that matched, and differ since: ours has another name and is no longer used.
async fn differing(takes: SourceUpdate) -> World {
    let world =
        World::started(&[source("s1", "Web"), source("s2", "TV")], &[source("t1", "WEB"), source("t2", "TV")]).await;
    world.on(Side::Crm).source_support.update = takes;
    {
        let mut ivvy = world.on(Side::Ivvy);
        (ivvy.sources[0].name, ivvy.sources[0].active) = ("Internet".to_owned(), false);
    }
    world.refresh(SOURCE).await;
    world
}

#[tokio::test(start_paused = true)]
async fn a_source_that_differs_says_so_and_is_sent_once_when_asked_and_proved_by_the_listing_p09() {
    let world = differing(BOTH).await;
    let ours = change(Some("Internet"), Some(false));
    let differs = world.differs(Side::Ivvy, "s1", "t1");
    assert_eq!(differs.change, Some(ours.clone()));
    assert_eq!(differs.because, "the names differ; active in CRM, inactive in iVvy");
    assert_eq!(world.differs(Side::Ivvy, "s2", "t2"), MatchDifference::default());
    world.release().await;
    world.pass(Duration::from_secs(7200)).await;
    assert_eq!((world.updates(Side::Crm), world.updates(Side::Ivvy)), (0, 0), "nothing is sent unasked");

    // What was seen is not what it is any more.
    let seen = change(Some("Netz"), Some(false));
    let refused = world.update(Side::Ivvy, "s1", Some(seen)).await.unwrap_err();
    assert!(refused.to_string().contains("look again"), "{refused}");
    assert_eq!(world.updates(Side::Crm), 0);

    assert_eq!(world.update(Side::Ivvy, "s1", Some(ours.clone())).await, Ok(ours.clone()));
    assert_eq!(world.on(Side::Crm).updates, [("t1".to_owned(), Some("Internet".to_owned()), Some(false))]);
    assert_eq!(world.sent("s1").map(|sent| (sent.by, sent.failed)), Some(("sam".to_owned(), None)));
    // The proof does not wait for the schedule.
    world.until(|world| world.sent("s1").is_none()).await;
    assert_eq!(world.differs(Side::Ivvy, "s1", "t1"), MatchDifference::default());
    assert_eq!(world.stands(SOURCE, Side::Ivvy, "s1"), (MatchState::Matched, Some("t1".to_owned())));
    let audit = world.audit();
    assert!(audit.contains("send name and active state of lead source s1 of iVvy to t1 of CRM"), "{audit}");
    assert!(audit.contains("t1 of CRM shows the name and active state that sam sent"), "{audit}");
    assert!(!audit.contains("Internet"), "ids only");

    let again = world.update(Side::Ivvy, "s1", None).await.unwrap_err();
    assert!(again.to_string().contains("nothing to send"), "{again}");
    world.pass(Duration::from_secs(7200)).await;
    assert_eq!(world.updates(Side::Crm), 1);
}

#[tokio::test(start_paused = true)]
async fn what_the_other_side_cannot_change_is_refused_with_its_reason_before_any_call_p09() {
    // A picklist: nothing at all.
    let world = differing(SourceUpdate { because: "they are a picklist", ..SourceUpdate::default() }).await;
    let differs = world.differs(Side::Ivvy, "s1", "t1");
    let why = "the name and active state cannot be changed in CRM: they are a picklist";
    assert_eq!(differs.change, None);
    assert!(differs.because.starts_with("the names differ") && differs.because.ends_with(why), "{differs:?}");
    let listings = world.on(Side::Crm).listings;
    assert_eq!(world.update(Side::Ivvy, "s1", None).await, Err(MatchRefusal::Refused(why.to_owned())));
    assert_eq!(world.on(Side::Crm).listings, listings);
    assert_eq!(world.updates(Side::Crm), 0);
    assert_eq!(world.sent("s1"), None);

    // Names fixed once saved, as at the Connector: the state is sent, the name is not.
    let takes = SourceUpdate { active: true, because: "names are fixed once saved", ..SourceUpdate::default() };
    world.on(Side::Crm).source_support.update = takes;
    let differs = world.differs(Side::Ivvy, "s1", "t1");
    assert_eq!(differs.change, Some(change(None, Some(false))));
    assert!(differs.because.ends_with("the name cannot be changed in CRM: names are fixed once saved"), "{differs:?}");
    assert_eq!(world.update(Side::Ivvy, "s1", None).await, Ok(change(None, Some(false))));
    assert_eq!(world.on(Side::Crm).updates, [("t1".to_owned(), None, Some(false))]);
    world.until(|world| world.sent("s1").is_none()).await;
    let left = world.update(Side::Ivvy, "s1", None).await.unwrap_err();
    assert!(left.to_string().contains("names are fixed once saved"), "{left}");

    // Staff, strangers, and who has no counterpart.
    let refused = world.engine.match_update(STAFF, Side::Ivvy, "1".into(), None, sam()).await.unwrap().unwrap_err();
    assert!(refused.to_string().starts_with("staff are never changed"), "{refused}");
    assert!(matches!(world.update(Side::Ivvy, "s9", None).await, Err(MatchRefusal::Unknown { .. })));
    world.engine.match_unpair(SOURCE, Side::Ivvy, "s2".into(), sam()).await.unwrap().unwrap();
    let apart = world.update(Side::Ivvy, "s2", None).await.unwrap_err();
    assert!(apart.to_string().contains("no counterpart"), "{apart}");
    assert_eq!(world.updates(Side::Crm), 1);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_another_source_there_has_is_not_sent_p09() {
    let world = differing(BOTH).await;
    world.on(Side::Crm).sources.push(source("t3", "INTERNET"));
    let refused = world.update(Side::Ivvy, "s1", None).await.unwrap_err();
    assert!(refused.to_string().contains("another lead source of this name"), "{refused}");
    assert_eq!(world.updates(Side::Crm), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_stays_on_the_row_until_somebody_asks_again_p09() {
    let world = differing(BOTH).await;
    world.on(Side::Crm).manner = Manner::Refuses(Class::Rejected);
    let refused = world.update(Side::Ivvy, "s1", None).await.unwrap_err();
    assert!(matches!(&refused, MatchRefusal::Refused(why) if why.contains("says rejected")), "{refused:?}");
    world.refresh(SOURCE).await;
    let because = world.differs(Side::Ivvy, "s1", "t1").because;
    assert!(because.contains("sent, but not taken") && because.contains("says rejected"), "{because}");
    world.pass(Duration::from_secs(7200)).await;
    assert_eq!(world.updates(Side::Crm), 1, "nobody tries again by themselves");
    world.on(Side::Crm).manner = Manner::Answers;
    world.update(Side::Ivvy, "s1", None).await.unwrap();
    world.until(|world| world.sent("s1").is_none()).await;
    assert_eq!(world.updates(Side::Crm), 2);
}

/// The answer is lost, or the power goes while the call is under way: the listing tells, and nothing is sent again.
#[tokio::test(start_paused = true)]
async fn an_unclear_update_is_looked_up_and_never_sent_again_unasked_p09() {
    for (arrives, crash) in [(true, false), (false, false), (true, true), (false, true)] {
        let mut world = differing(BOTH).await;
        world.on(Side::Crm).manner = if crash { Manner::Hangs(arrives) } else { Manner::AnswerLost(arrives) };
        if crash {
            let engine = world.engine.clone();
            let call =
                tokio::spawn(async move { engine.match_update(SOURCE, Side::Ivvy, "s1".into(), None, sam()).await });
            world.until(|world| world.updates(Side::Crm) == 1).await;
            call.abort();
            world.crash().await;
        } else {
            let unclear = world.update(Side::Ivvy, "s1", None).await.unwrap_err();
            assert!(matches!(unclear, MatchRefusal::Unclear(_)), "{unclear:?}");
        }
        world.on(Side::Crm).manner = Manner::Answers;
        if !arrives {
            let early = world.update(Side::Ivvy, "s1", None).await.unwrap_err();
            assert!(matches!(&early, MatchRefusal::Unclear(why) if why.contains("does not show yet")), "{early:?}");
        }
        world.pass(SETTLE + Duration::from_secs(4000)).await;
        assert_eq!(world.updates(Side::Crm), 1, "arrives {arrives}, crash {crash}");
        match arrives {
            true => assert_eq!(world.sent("s1"), None),
            false => {
                let because = world.differs(Side::Ivvy, "s1", "t1").because;
                assert!(because.contains("sent, but CRM does not show it"), "{because}");
                world.update(Side::Ivvy, "s1", None).await.unwrap();
                world.until(|world| world.sent("s1").is_none()).await;
            }
        }
    }
}

/// C-19: where nothing is listed the answer is the proof, and what is remembered of that side cannot be sent back.
#[tokio::test(start_paused = true)]
async fn with_no_list_there_the_answer_is_remembered_p09_c19() {
    let mut world = World::new(&[source("s1", "Web"), person("1", "ann@x.example")], &[]);
    world.on(Side::Crm).source_support = MatchSupport { create: true, update: BOTH, ..MatchSupport::default() };
    world.start();
    world.until(|world| world.refreshed(SOURCE)).await;
    world.release().await;
    world.until(|world| world.stands(SOURCE, Side::Ivvy, "s1").0 == MatchState::Matched).await;
    world.on(Side::Ivvy).sources[0].name = "Internet".to_owned();
    world.refresh(SOURCE).await;
    let back = world.update(Side::Crm, "new-0", None).await.unwrap_err();
    assert!(back.to_string().contains("made in iVvy only"), "{back}");
    world.on(Side::Crm).manner = Manner::AnswerLost(true);
    assert!(matches!(world.update(Side::Ivvy, "s1", None).await, Err(MatchRefusal::Unclear(_))));
    assert!(world.differs(Side::Ivvy, "s1", "new-0").because.contains("cannot be asked"));
    // Who asks again has looked.
    world.on(Side::Crm).manner = Manner::Answers;
    world.update(Side::Ivvy, "s1", None).await.unwrap();
    assert_eq!((world.sent("s1"), world.row(SOURCE, Side::Crm, "new-0").name.as_str()), (None, "Internet"));
    assert_eq!(world.updates(Side::Crm), 2);
}
