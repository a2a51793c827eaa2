//! The service: listings, decisions, and that a lead source is created once whatever happens.

mod update;
mod waiting;
mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;

use self::world::{Manner, World, person, sam, source};
use super::operate::MatchRefusal;
use super::{MatchMode, SourceNeed, tell_entry};
use crate::model::matching::{Entry, MatchState};
use crate::model::{MatchKind, Side, Timestamp};
use crate::remote::Class;
use crate::remote::port::MatchSupport;
use crate::seam::Clock as _;
use crate::store::{MatchFilter, Reads as _, Tx};

const STAFF: MatchKind = MatchKind::Staff;
const SOURCE: MatchKind = MatchKind::LeadSource;
/// How long a write may take to show in the fake systems.
const SETTLE: Duration = Duration::from_secs(30);

#[tokio::test(start_paused = true)]
async fn both_tables_are_matched_at_the_start_and_every_full_hour_c10_c20() {
    let ivvy = [person("1", "ann@x.example"), person("2", "bob@x.example"), source("s1", "Facebook")];
    let crm = [person("a", "ANN@x.example"), person("b", "bob@x.example"), person("c", "Bob@x.example")];
    let world = World::started(&ivvy, &[crm.as_slice(), &[source("t1", "FACEBOOK")]].concat()).await;
    assert_eq!(world.stands(STAFF, Side::Ivvy, "1"), (MatchState::Matched, Some("a".to_owned())));
    assert_eq!(world.stands(STAFF, Side::Ivvy, "2"), (MatchState::Ambiguous, None));
    assert_eq!(world.stands(SOURCE, Side::Crm, "t1"), (MatchState::Matched, Some("s1".to_owned())));
    let counts = world.engine.match_counts(STAFF, Side::Crm).unwrap();
    assert_eq!(counts, BTreeMap::from([(MatchState::Matched, 1), (MatchState::Ambiguous, 2)]));
    assert_eq!(world.engine.match_status(STAFF).next_at, Some("2026-11-21T10:00:00Z".parse().unwrap()));

    world.on(Side::Crm).staff.retain(|entry| entry.id.as_str() != "c");
    world.on(Side::Crm).staff[0].active = false;
    world.until(|world| world.stands(STAFF, Side::Ivvy, "2").0 == MatchState::Matched).await;
    assert!(world.clock.now() >= "2026-11-21T10:00:00Z".parse::<Timestamp>().unwrap());
    assert_eq!(world.stands(STAFF, Side::Ivvy, "1"), (MatchState::Unmatched, None), "inactive there");
    assert!(world.row(STAFF, Side::Crm, "c").gone);
    let of = |id: &str| world.engine.store().read(|view| view.counterpart_of(STAFF, Side::Ivvy, &id.into())).unwrap();
    assert_eq!((of("1"), of("2")), (None, Some("b".into())));

    let audit = world.audit();
    assert!(audit.contains("ivvy 2 ambiguous > matched with b"), "{audit}");
    assert!(!audit.contains("x.example") && !audit.contains("Person") && !audit.contains("FACEBOOK"), "{audit}");
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_fails_or_loses_half_changes_nothing_and_says_so() {
    let list = |prefix: &str| -> Vec<Entry> {
        (0..20).map(|n| source(&format!("{prefix}{n}"), &format!("Source {n}"))).collect()
    };
    let (ivvy, crm): (Vec<Entry>, Vec<Entry>) = (list("i"), list("c"));
    let world = World::started(&ivvy, &crm).await;
    let before = world.table(SOURCE);
    assert!(before.iter().all(|row| row.state == MatchState::Matched));

    world.on(Side::Crm).lists_fail = Some(Class::Server);
    world.until(|world| world.engine.match_status(SOURCE).errors[1].is_some()).await;
    assert_eq!(world.table(SOURCE), before);
    assert!(world.engine.match_status(SOURCE).errors[0].is_none());
    {
        let mut crm = world.on(Side::Crm);
        crm.lists_fail = None;
        crm.sources.truncate(3);
    }
    let shrunk =
        |world: &World| world.engine.match_status(SOURCE).errors[1].as_ref().is_some_and(|e| e.contains("3 of 20"));
    world.until(shrunk).await;
    assert_eq!(world.table(SOURCE), before);
    // Asking again is not accepting, and a table of nothing is no small change however small it was.
    world.on(Side::Crm).sources.clear();
    world.engine.match_refresh(SOURCE, false).unwrap();
    let empty =
        |world: &World| world.engine.match_status(SOURCE).errors[1].as_ref().is_some_and(|e| e.contains("0 of 20"));
    world.until(empty).await;
    assert_eq!(world.table(SOURCE), before);
    world.on(Side::Crm).sources = list("c");
    world.on(Side::Crm).sources.truncate(3);
    world.accept(SOURCE).await;
    assert_eq!(world.engine.match_status(SOURCE).errors, [None, None]);
    assert_eq!(world.engine.match_counts(SOURCE, Side::Ivvy).unwrap()[&MatchState::Unmatched], 17);
    assert_eq!(world.called(Side::Crm), 0, "nothing is created unasked");
}

#[tokio::test(start_paused = true)]
async fn without_a_list_a_kind_is_off_with_its_reason_c09() {
    let mut world = World::new(&[person("1", "ann@x.example"), source("s1", "Web")], &[]);
    world.on(Side::Crm).staff_support = MatchSupport::default();
    world.on(Side::Crm).source_support = MatchSupport::default();
    world.start();
    world.pass(Duration::from_secs(7200)).await;
    for kind in MatchKind::ALL {
        let MatchMode::Off(why) = world.engine.match_status(kind).mode else { panic!("{kind} is on") };
        assert!(why.contains("no list of them in CRM"), "{why}");
        assert_eq!(world.engine.match_refresh(kind, false), Err(MatchRefusal::Refused(why)));
        assert_eq!(world.table(kind), []);
    }
    assert_eq!(world.on(Side::Ivvy).listings + world.on(Side::Crm).listings, 0);
    assert_eq!(world.engine.ensure_source(Side::Ivvy, "s1".into()).await.unwrap(), SourceNeed::Without);
}

/// An empty list is no proof where the other system lists nothing itself.
#[tokio::test(start_paused = true)]
async fn nobody_is_said_to_be_missing_where_nobody_is_listed_c09() {
    let world = World::started(&[person("1", "ann@x.example"), source("s1", "Web")], &[]).await;
    let because = |kind, id: &str| {
        let listed = world.engine.match_lists(kind, Side::Crm);
        world.row(kind, Side::Ivvy, id).because(listed)
    };
    assert_eq!(because(STAFF, "1"), "nobody on the other side has this e-mail address");
    assert_eq!(because(SOURCE, "s1"), "nothing on the other side has this name");
    let told = MatchSupport { list: true, told: true, only_told: true, ..MatchSupport::default() };
    (world.on(Side::Crm).staff_support, world.on(Side::Crm).source_support) = (told, told);
    assert!(because(STAFF, "1").contains("the other system lists no staff"), "{}", because(STAFF, "1"));
    assert!(because(SOURCE, "s1").contains("lists no lead sources"), "{}", because(SOURCE, "s1"));
    assert!(world.engine.match_lists(STAFF, Side::Ivvy));
}

#[tokio::test(start_paused = true)]
async fn staff_are_never_created_p07() {
    let world = World::started(&[person("1", "ann@x.example")], &[]).await;
    let refused = world.engine.match_create(STAFF, Side::Ivvy, "1".into(), sam()).await.unwrap().unwrap_err();
    assert!(refused.to_string().starts_with("staff are never created"), "{refused}");
    assert_eq!(world.called(Side::Crm), 0);
}

#[tokio::test(start_paused = true)]
async fn ten_at_once_create_one_source_c23() {
    let world = World::started(&[source("s1", "Web")], &[]).await;
    world.release().await;
    let wanted = join_all((0..10).map(|_| world.engine.ensure_source(Side::Ivvy, "s1".into()))).await;
    assert!(wanted.into_iter().all(|need| need.unwrap() == SourceNeed::Coming));
    let created = join_all((0..10).map(|_| world.create("s1"))).await;
    assert!(created.iter().all(|id| *id == Ok("new-0".into())), "{created:?}");
    world.pass(Duration::from_secs(7200)).await;
    assert_eq!((world.called(Side::Crm), world.named(Side::Crm, "Web")), (1, 1));
    let need = world.engine.ensure_source(Side::Ivvy, "s1".into()).await.unwrap();
    assert_eq!(need, SourceNeed::Counterpart("new-0".into()));
    assert!(!world.audit().contains("Web"), "ids only");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_created_unasked_before_the_first_release_or_when_switched_off() {
    let world = World::started(&[source("s1", "Web")], &[]).await;
    assert_eq!(world.engine.ensure_source(Side::Ivvy, "s1".into()).await.unwrap(), SourceNeed::Coming);
    world.pass(Duration::from_secs(7200)).await;
    assert_eq!(world.called(Side::Crm), 0);
    world.release().await;
    world.until(|world| world.stands(SOURCE, Side::Ivvy, "s1").0 == MatchState::Matched).await;
    assert_eq!(world.called(Side::Crm), 1);

    let mut off = World::new(&[source("s1", "Web")], &[]);
    off.settings.create_lead_sources = false;
    off.crash().await;
    off.release().await;
    off.until(|world| world.refreshed(SOURCE)).await;
    assert_eq!(off.engine.ensure_source(Side::Ivvy, "s1".into()).await.unwrap(), SourceNeed::Without);
    off.pass(Duration::from_secs(7200)).await;
    assert_eq!(off.called(Side::Crm), 0);
    assert_eq!(off.create("s1").await, Ok("new-0".into()), "a person may");
}

/// The process dies while the call is under way: before it reached the other side, or after.
#[tokio::test(start_paused = true)]
async fn after_a_crash_the_other_side_is_listed_before_anything_is_sent_c23() {
    for arrives in [false, true] {
        let mut world = World::started(&[source("s1", "Web")], &[]).await;
        world.release().await;
        world.on(Side::Crm).manner = Manner::Hangs(arrives);
        assert_eq!(world.engine.ensure_source(Side::Ivvy, "s1".into()).await.unwrap(), SourceNeed::Coming);
        world.until(|world| world.called(Side::Crm) == 1).await;
        world.pass(Duration::from_secs(1)).await;
        world.on(Side::Crm).manner = Manner::Answers;
        world.crash().await;
        world.until(|world| world.stands(SOURCE, Side::Ivvy, "s1").0 == MatchState::Matched).await;
        world.pass(Duration::from_secs(7200)).await;
        assert_eq!(world.called(Side::Crm), if arrives { 1 } else { 2 }, "arrives: {arrives}");
        assert_eq!(world.named(Side::Crm, "Web"), 1, "arrives: {arrives}");
        assert_eq!(world.engine.store().read(|view| view.source_intents()).unwrap(), []);
    }
}

/// A person's call is dropped with its connection: the intent stays, and the service looks.
#[tokio::test(start_paused = true)]
async fn a_dropped_call_is_looked_up_not_repeated() {
    for arrives in [false, true] {
        let world = World::started(&[source("s1", "Web")], &[]).await;
        world.on(Side::Crm).manner = Manner::Hangs(arrives);
        let limit = world.clock.sleep(Duration::from_secs(1));
        tokio::select! {
            _ = world.create("s1") => panic!("the call hangs"),
            () = limit => {}
        }
        world.on(Side::Crm).manner = Manner::Answers;
        let unclear = world.create("s1").await;
        assert!(matches!(unclear, Err(MatchRefusal::Unclear(_))), "{unclear:?}");
        assert_eq!(world.called(Side::Crm), 1);
        world.pass(SETTLE + Duration::from_secs(5)).await;
        assert!(world.create("s1").await.is_ok());
        assert_eq!((world.called(Side::Crm), world.named(Side::Crm, "Web")), (if arrives { 1 } else { 2 }, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_looked_up_after_the_time_a_write_may_take_to_show() {
    for arrives in [false, true] {
        let world = World::started(&[source("s1", "Web")], &[]).await;
        world.release().await;
        world.on(Side::Crm).manner = Manner::AnswerLost(arrives);
        let lost_at = world.clock.now();
        let unclear = world.create("s1").await;
        assert!(matches!(unclear, Err(MatchRefusal::Unclear(_))), "{unclear:?}");
        world.on(Side::Crm).manner = Manner::Answers;
        world.until(|world| world.stands(SOURCE, Side::Ivvy, "s1").0 == MatchState::Matched).await;
        assert!(world.clock.now().since(lost_at) >= SETTLE);
        assert_eq!((world.called(Side::Crm), world.named(Side::Crm, "Web")), (if arrives { 1 } else { 2 }, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_kept_with_the_row_and_asked_again_only_by_a_person_c24() {
    let world = World::started(&[source("s1", "Web")], &[]).await;
    world.release().await;
    world.on(Side::Crm).manner = Manner::Refuses(Class::Rejected);
    assert_eq!(world.engine.ensure_source(Side::Ivvy, "s1".into()).await.unwrap(), SourceNeed::Coming);
    world.until(|world| world.row(SOURCE, Side::Ivvy, "s1").error.is_some()).await;
    let row = world.row(SOURCE, Side::Ivvy, "s1");
    assert_eq!((row.state, row.wanted), (MatchState::Unmatched, false));
    assert!(row.error.unwrap().contains("says rejected"));
    assert_eq!(world.engine.ensure_source(Side::Ivvy, "s1".into()).await.unwrap(), SourceNeed::Without);
    world.pass(Duration::from_secs(7200)).await;
    assert_eq!(world.called(Side::Crm), 1);
    world.on(Side::Crm).manner = Manner::Answers;
    assert_eq!(world.create("s1").await, Ok("new-0".into()));
    assert_eq!(world.row(SOURCE, Side::Ivvy, "s1").error, None);
}

#[tokio::test(start_paused = true)]
async fn a_passing_failure_is_tried_again_by_itself() {
    let world = World::started(&[source("s1", "Web")], &[]).await;
    world.release().await;
    world.on(Side::Crm).manner = Manner::Refuses(Class::Throttled);
    world.engine.ensure_source(Side::Ivvy, "s1".into()).await.unwrap();
    world.until(|world| world.called(Side::Crm) >= 3).await;
    assert_eq!(world.engine.ensure_source(Side::Ivvy, "s1".into()).await.unwrap(), SourceNeed::Coming);
    world.on(Side::Crm).manner = Manner::Answers;
    world.until(|world| world.stands(SOURCE, Side::Ivvy, "s1").0 == MatchState::Matched).await;
    assert_eq!(world.named(Side::Crm, "Web"), 1);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_made_meanwhile_is_matched_instead_of_doubled() {
    let world = World::started(&[source("s1", "Web"), source("s2", "TV")], &[]).await;
    world.pass(Duration::from_secs(120)).await;
    world.on(Side::Crm).sources.push(source("t1", "WEB"));
    world.on(Side::Crm).sources.push(Entry { active: false, ..source("t2", "tv") });
    assert_eq!(world.create("s1").await, Ok("t1".into()));
    let refused = world.create("s2").await.unwrap_err();
    assert!(refused.to_string().contains("inactive or taken"), "{refused}");
    assert_eq!(world.called(Side::Crm), 0);
}

#[tokio::test(start_paused = true)]
async fn decisions_of_people_survive_listings_and_bear_their_name_c25() {
    let ivvy = [source("s1", "Web"), source("s2", "TV"), source("s3", "Radio")];
    let world = World::started(&ivvy, &[source("t1", "web"), source("t2", "Television"), source("t3", "radio")]).await;
    let suggested = world.engine.match_suggest(SOURCE, Side::Ivvy, &"s2".into()).unwrap();
    assert!(suggested.iter().all(|(row, _)| row.id.as_str() == "t2"), "the others are taken");
    let pair = |ivvy: &str, crm: &str| world.engine.match_pair(SOURCE, ivvy.into(), crm.into(), sam());
    assert!(matches!(pair("s2", "t1").await.unwrap(), Err(MatchRefusal::Refused(_))), "t1 is taken");
    assert!(matches!(pair("s2", "t9").await.unwrap(), Err(MatchRefusal::Unknown { .. })));
    assert_eq!(pair("s2", "t2").await.unwrap().unwrap().decided_by.as_deref(), Some("sam"));
    world.engine.match_unpair(SOURCE, Side::Crm, "t1".into(), sam()).await.unwrap().unwrap();
    world.engine.match_ignore(SOURCE, Side::Ivvy, "s3".into(), true, sam()).await.unwrap().unwrap();
    world.on(Side::Crm).sources[1].name = "Broadcast".to_owned();
    world.refresh(SOURCE).await;
    assert_eq!(world.stands(SOURCE, Side::Ivvy, "s2"), (MatchState::Manual, Some("t2".to_owned())));
    assert_eq!(world.stands(SOURCE, Side::Ivvy, "s1"), (MatchState::Unmatched, None));
    assert_eq!(world.stands(SOURCE, Side::Ivvy, "s3"), (MatchState::Ignored, None));
    assert_eq!(world.stands(SOURCE, Side::Crm, "t3"), (MatchState::Unmatched, None));
    assert!(world.audit().contains("\"sam\""));
    world.engine.match_ignore(SOURCE, Side::Ivvy, "s3".into(), false, sam()).await.unwrap().unwrap();
    assert_eq!(world.stands(SOURCE, Side::Ivvy, "s3"), (MatchState::Matched, Some("t3".to_owned())));
    let filter = MatchFilter { state: Some(MatchState::Manual), needle: Some("BROAD") };
    assert_eq!(world.engine.match_rows(SOURCE, Side::Crm, filter, None, 10).unwrap().len(), 1);
    assert!(world.create("s1").await.is_err(), "its namesake was parted from it by a person");
}

#[tokio::test(start_paused = true)]
async fn what_was_told_counts_until_it_is_listed_and_then_the_list_decides_c23() {
    let mut world = World::new(&[source("s1", "Radio"), source("s2", "Fair")], &[]);
    world.on(Side::Crm).source_support = MatchSupport { list: true, told: true, ..MatchSupport::default() };
    world.start();
    world.until(|world| world.refreshed(SOURCE)).await;
    let now = world.engine.now();
    let tell = move |tx: &mut Tx<'_>| {
        [source("t1", "Radio"), source("t2", "Fair")]
            .iter()
            .try_for_each(|entry| tell_entry(tx, SOURCE, Side::Crm, entry, now).map(drop))
    };
    world.engine.store().write(tell).await.unwrap();
    let pairs = |world: &World| ["s1", "s2"].map(|id| world.stands(SOURCE, Side::Ivvy, id).1);
    let both = [Some("t1".to_owned()), Some("t2".to_owned())];
    for listed in [Vec::new(), vec![source("t1", "Radio")]] {
        world.on(Side::Crm).sources = listed;
        world.pass(Duration::from_secs(60)).await;
        world.refresh(SOURCE).await;
        assert_eq!(pairs(&world), both, "told or listed is the same");
    }
    world.on(Side::Crm).sources.clear();
    world.pass(Duration::from_secs(60)).await;
    world.refresh(SOURCE).await;
    assert!(world.row(SOURCE, Side::Crm, "t1").gone, "it listed it, and lists it no more");
    assert_eq!(pairs(&world)[1], both[1], "that was only told, and still counts");
}

#[tokio::test(start_paused = true)]
async fn with_create_but_no_list_ours_is_master_and_each_source_is_made_once_c19() {
    let mut world = World::new(&[source("s1", "Web"), source("s2", "TV")], &[]);
    world.on(Side::Crm).source_support = MatchSupport { create: true, ..MatchSupport::default() };
    world.start();
    world.until(|world| world.refreshed(SOURCE)).await;
    assert_eq!(world.engine.match_status(SOURCE).mode, MatchMode::Master(Side::Ivvy));
    assert_eq!(world.called(Side::Crm), 0, "a lost store would look like this one");
    world.release().await;
    let matched = |world: &World| world.table(SOURCE).iter().filter(|row| row.state == MatchState::Matched).count();
    world.until(|world| matched(world) == 4).await;
    world.on(Side::Ivvy).sources[0].name = "Internet".to_owned();
    world.crash().await;
    world.until(|world| world.refreshed(SOURCE)).await;
    world.pass(Duration::from_secs(7200)).await;
    assert_eq!((world.called(Side::Crm), matched(&world)), (2, 4), "the returned ids are remembered");

    // Without a list nobody can look: the engine stops, a person says what became of it.
    world.on(Side::Crm).manner = Manner::AnswerLost(true);
    world.on(Side::Ivvy).sources.push(source("s3", "Radio"));
    world.refresh(SOURCE).await;
    world.until(|world| world.row(SOURCE, Side::Ivvy, "s3").error.is_some()).await;
    world.pass(Duration::from_secs(7200)).await;
    assert_eq!(world.called(Side::Crm), 3);
    world.engine.match_pair(SOURCE, "s3".into(), "new-2".into(), sam()).await.unwrap().unwrap();
    world.until(|world| world.engine.store().read(|view| view.source_intents()).unwrap().is_empty()).await;
    assert_eq!(world.stands(SOURCE, Side::Crm, "new-2"), (MatchState::Manual, Some("s3".to_owned())));
    assert_eq!(world.called(Side::Crm), 3);
}

#[tokio::test(start_paused = true)]
async fn a_source_no_listing_has_shown_yet_brings_the_next_listing_forward() {
    let world = World::started(&[source("s1", "Web")], &[source("t1", "Web")]).await;
    world.on(Side::Ivvy).sources.push(source("s2", "TV"));
    world.on(Side::Crm).sources.push(source("t2", "TV"));
    assert_eq!(world.engine.ensure_source(Side::Ivvy, "s2".into()).await.unwrap(), SourceNeed::Without);
    world.pass(Duration::from_secs(65)).await;
    assert_eq!(world.stands(SOURCE, Side::Ivvy, "s2"), (MatchState::Matched, Some("t2".to_owned())));
}

/// A server error leaves the outcome unknown: it is looked up, and sent again, less and less often.
#[tokio::test(start_paused = true)]
async fn creations_that_fail_on_the_other_side_back_off_c23() {
    let world = World::started(&[source("s1", "Web")], &[]).await;
    world.release().await;
    world.on(Side::Crm).manner = Manner::AnswerLost(false);
    world.engine.ensure_source(Side::Ivvy, "s1".into()).await.unwrap();
    world.until(|world| world.called(Side::Crm) >= 3).await;
    world.pass(Duration::from_secs(4 * 3600)).await;
    let calls = world.called(Side::Crm);
    assert!((10..40).contains(&calls), "{calls} in four hours");
    world.on(Side::Crm).manner = Manner::Answers;
    world.until(|world| world.stands(SOURCE, Side::Ivvy, "s1").0 == MatchState::Matched).await;
    assert_eq!(world.named(Side::Crm, "Web"), 1);
}

/// Somebody was hired since the last listing: one call finds them. Nobody is asked for right after a listing,
/// twice within the time an answer is good for, or where it cannot be done.
#[tokio::test(start_paused = true)]
async fn one_person_is_looked_up_by_email_and_an_error_is_not_nobody_c11() {
    let world = World::started(&[person("1", "ann@x.example"), person("2", "bob@x.example")], &[]).await;
    world.on(Side::Crm).staff_support.staff_by_email = true;
    assert!(!world.wants_person("1").await, "just listed");
    world.pass(Duration::from_secs(11 * 60)).await;
    world.on(Side::Crm).staff.push(person("a", "ANN@x.example"));
    let listings = world.on(Side::Crm).listings;
    assert!(world.wants_person("1").await);
    world.until(|world| world.stands(STAFF, Side::Ivvy, "1").0 == MatchState::Matched).await;
    assert_eq!(world.on(Side::Crm).finds, 1);
    assert_eq!(world.on(Side::Crm).listings, listings, "without a listing");

    world.on(Side::Crm).finds_fail = Some(Class::Server);
    assert!(world.wants_person("2").await);
    world.until(|world| world.on(Side::Crm).finds >= 2).await;
    world.pass(Duration::from_secs(1)).await;
    assert!(!world.wants_person("2").await, "the lead goes without meanwhile");
    world.on(Side::Crm).staff.push(person("b", "bob@x.example"));
    world.on(Side::Crm).finds_fail = None;
    world.until(|world| world.stands(STAFF, Side::Ivvy, "2").0 == MatchState::Matched).await;
    assert_eq!(world.on(Side::Crm).listings, listings, "tried again, not given up as nobody");
}

#[tokio::test(start_paused = true)]
async fn a_look_up_that_is_refused_is_not_repeated_by_itself_c11() {
    let world = World::started(&[person("1", "ann@x.example")], &[]).await;
    world.on(Side::Crm).staff_support.staff_by_email = true;
    world.pass(Duration::from_secs(11 * 60)).await;
    for class in [Class::Forbidden, Class::Unsupported] {
        world.on(Side::Crm).finds_fail = Some(class);
        let before = world.on(Side::Crm).finds;
        assert!(world.wants_person("1").await);
        world.until(|world| world.on(Side::Crm).finds > before).await;
        world.pass(Duration::from_secs(9 * 60)).await;
        assert!(!world.wants_person("1").await, "nobody waits");
        assert_eq!(world.on(Side::Crm).finds, before + 1, "{class}");
        world.pass(Duration::from_secs(2 * 60)).await;
    }
}

/// A change of the field map while a list is refused: it is asked for again all the same.
#[tokio::test(start_paused = true)]
async fn a_list_refused_before_a_renewal_is_asked_for_again_after_it_c09() {
    let world = World::started(&[person("1", "ann@x.example")], &[person("a", "ann@x.example")]).await;
    world.on(Side::Crm).lists_fail = Some(Class::Forbidden);
    let off = |world: &World| matches!(world.engine.match_status(STAFF).mode, MatchMode::Off(_));
    world.engine.match_refresh(STAFF, false).unwrap();
    world.until(off).await;
    world.renew().await;
    assert!(off(&world), "what was refused is remembered");
    world.on(Side::Crm).lists_fail = None;
    world.until(|world| world.engine.match_status(STAFF).mode == MatchMode::Both).await;
}

/// A person has a shrunken table taken, and the engine is renewed while it is being listed.
#[tokio::test(start_paused = true)]
async fn a_listing_cut_by_a_renewal_is_made_again_as_it_was_asked_for() {
    let list: Vec<Entry> = (0..20).map(|n| source(&format!("c{n}"), &format!("Source {n}"))).collect();
    let world = World::started(&[], &list).await;
    {
        let mut crm = world.on(Side::Crm);
        crm.sources.truncate(3);
        crm.lists_hang = true;
    }
    let (begun, listings) = (world.clock.now(), world.on(Side::Crm).listings);
    world.engine.match_refresh(SOURCE, true).unwrap();
    world.until(|world| world.on(Side::Crm).listings > listings).await;
    assert!(world.engine.match_status(SOURCE).running);
    world.on(Side::Crm).lists_hang = false;
    world.renew().await;
    world.until(|world| world.table(SOURCE).iter().filter(|row| row.gone).count() == 17).await;
    assert!(world.clock.now().since(begun) < Duration::from_secs(60), "at once, not when it is due again");
    world.until(|world| !world.engine.match_status(SOURCE).running).await;
}

#[tokio::test(start_paused = true)]
async fn nobody_is_remembered_for_a_while_c11() {
    let world = World::started(&[person("1", "ann@x.example")], &[]).await;
    world.on(Side::Crm).staff_support.staff_by_email = true;
    world.pass(Duration::from_secs(11 * 60)).await;
    assert!(world.wants_person("1").await);
    world.until(|world| world.on(Side::Crm).finds == 1).await;
    world.pass(Duration::from_secs(60)).await;
    assert!(!world.wants_person("1").await);
    world.pass(Duration::from_secs(11 * 60)).await;
    assert!(world.wants_person("1").await, "asked again later");
    world.until(|world| world.on(Side::Crm).finds == 2).await;
}

#[tokio::test(start_paused = true)]
async fn names_longer_than_any_system_has_are_cut_and_never_taken_for_each_other() {
    let long = "x".repeat(2 * 1024 * 1024);
    let same = [source("i1", &long), source("i2", &format!("{long}one"))];
    let there = [source("c1", &long.to_uppercase()), source("c2", &format!("{long}two")), source("c3", &long)];
    let mail = format!("{}@x.example", "m".repeat(400));
    let people = [person("1", &mail)];
    let world =
        World::started(&[same.as_slice(), &people].concat(), &[there.as_slice(), &[person("a", &mail)]].concat()).await;
    assert_eq!(world.stands(SOURCE, Side::Ivvy, "i1"), (MatchState::Matched, Some("c3".to_owned())));
    for (side, id) in [(Side::Ivvy, "i2"), (Side::Crm, "c1"), (Side::Crm, "c2")] {
        assert_eq!(world.stands(SOURCE, side, id), (MatchState::Unmatched, None), "{id} begins like others");
        assert!(world.row(SOURCE, side, id).name.len() < 600);
    }
    assert_eq!(world.row(STAFF, Side::Ivvy, "1").email, None, "half an address is nobody's");
    let actor = crate::model::Actor::engine();
    let refused = world.engine.match_create(SOURCE, Side::Ivvy, "i2".into(), actor).await.unwrap().unwrap_err();
    assert!(refused.to_string().contains("too long"), "{refused}");
    assert_eq!(world.on(Side::Crm).calls, 0);
}
