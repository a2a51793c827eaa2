//! Flows over tables that match the two systems: staff and lead sources, and custom fields.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests are tests

#[path = "../src/tui/fixture.rs"]
#[allow(dead_code)]
mod fixture;
mod tui_support;

use std::time::Duration;

use tandem::error::{Error, ErrorKind};
use tandem::model::{Role, Side, Value};
use tandem::tui::BackendEvent;
use tandem::wire::{MatchVerb, Request};
// The fixture is shared with the library's unit tests and speaks of `crate::…`.
#[allow(unused_imports)]
use tandem::{error, model, wire};
use tui_support::{Console, Fake, conflicts};

const SIZE: (u16, u16) = (120, 40);

/// C-10, C-12: staff without a match are paired by hand, and a stray Enter pairs nobody.
#[tokio::test]
async fn a_person_is_paired_by_key_and_never_by_accident_c12() {
    let world = tui_support::World {
        status: tui_support::status(0),
        matches: tui_support::staff(1_000),
        ..tui_support::World::default()
    };
    let mut console = Console::start(Fake::new(fixture::hello(), world), SIZE).await;
    console.press("5 j j j").await;
    assert!(console.shows("no e-mail address"), "{}", console.text());
    console.press("Enter").await;
    assert!(console.shows("12 records were sent without it"), "{}", console.text());
    console.press("Enter").await;
    let decided = |console: &Console| {
        let asked = &console.fake.world.lock().unwrap().asked;
        asked.iter().filter(|request| matches!(request, Request::MatchDecide { .. })).cloned().collect::<Vec<_>>()
    };
    assert!(decided(&console).is_empty() && console.shows("Counterpart in CRM"), "nothing was chosen");
    console.press("Down Down Enter").await;
    let [Request::MatchDecide { entry, verb: MatchVerb::Pair, other }] = &decided(&console)[..] else {
        panic!("{:?}", decided(&console));
    };
    assert_eq!((entry.side, entry.id.as_str(), other.as_ref().unwrap().as_str()), (Side::Ivvy, "3", "0051"));
    console.press("+").await;
    assert!(console.shows("staff are never created"), "{}", console.text());
    console.press("G").await;
    assert!(console.shows("Person 0999"), "{}", console.text());
}

/// P-09: what would be sent to the counterpart is shown as old and new, and asked for; a stray key sends nothing.
#[tokio::test]
async fn a_source_that_differs_is_sent_after_old_and_new_were_shown_p09() {
    let matches = tui_support::sources_that_differ();
    let world = tui_support::World { status: tui_support::status(0), matches, ..tui_support::World::default() };
    let mut console = Console::start(Fake::new(fixture::hello(), world), SIZE).await;
    let sent = |console: &Console| {
        let asked = &console.fake.world.lock().unwrap().asked;
        asked.iter().filter(|request| matches!(request, Request::MatchUpdate { .. })).cloned().collect::<Vec<_>>()
    };
    console.press("5 m u").await;
    assert!(console.shows("name: Web > Internet"), "{}", console.text());
    assert!(console.shows("state: active > inactive"), "{}", console.text());
    console.press("Esc").await;
    assert!(sent(&console).is_empty(), "nothing was confirmed");
    console.press("u C-d").await;
    let [Request::MatchUpdate { entry, expect: Some(change) }] = &sent(&console)[..] else {
        panic!("{:?} {}", sent(&console), console.text());
    };
    assert_eq!((entry.side, entry.id.as_str()), (Side::Ivvy, "1"));
    assert_eq!((change.name.as_deref(), change.active), (Some("Internet"), Some(false)));
    console.press("j u").await;
    assert!(console.shows("it is like its counterpart"), "{}", console.text());
    assert_eq!(sent(&console).len(), 1);
}

/// 5,000 on each side: to the end at one key, and a filter that finds one of them.
#[tokio::test]
async fn five_thousand_staff_are_paged_to_the_end_and_filtered() {
    let world = tui_support::World {
        status: tui_support::status(0),
        matches: tui_support::staff(5_000),
        ..tui_support::World::default()
    };
    let mut console = Console::start(Fake::new(fixture::hello(), world), SIZE).await;
    let asked = |console: &Console| {
        let asked = console.fake.asked().into_iter();
        asked.filter(|request| matches!(request, Request::Matches(_))).count()
    };
    console.press("5 G").await;
    let (_, line) = console.marked_line().unwrap();
    assert!(line.contains("Person 4999"), "{}", console.text());
    let before = asked(&console);
    assert!(before <= 8, "{before} questions");
    // Whatever happens meanwhile moves nobody.
    console.changed(&[]).await;
    assert!(console.marked_line().unwrap().1.contains("Person 4999"), "{}", console.text());
    assert_eq!(asked(&console), before + 1, "only what is looked at is read again");
    console.press("/").await;
    console.type_text("person 4323").await;
    console.press("Enter").await;
    assert!(console.marked_line().unwrap().1.contains("Person 4323"), "{}", console.text());
    // While one types in the pairing dialog nothing is counted again.
    console.press("Enter").await;
    console.type_text("Person").await;
    assert!(console.shows("12 records were sent without it"), "{}", console.text());
    let texts: Vec<String> = console
        .fake
        .asked()
        .into_iter()
        .filter_map(|request| match request {
            Request::MatchOptions { text, .. } => Some(text),
            _ => None,
        })
        .collect();
    assert_eq!(texts, ["", "P", "Pe", "Per", "Pers", "Perso", "Person"]);
}

/// V-19: a stray Enter maps nothing, what is sent names the version seen, and it is said that old values stay.
#[tokio::test]
async fn a_custom_field_is_mapped_by_key_after_a_question_v19() {
    let world = tui_support::World { map: Some(fixture::field_map()), ..conflicts(3) };
    let fake = Fake::new(fixture::hello(), world);
    let mut console = Console::start(fake, SIZE).await;
    let changes = |console: &Console| {
        let asked = console.fake.asked();
        asked
            .into_iter()
            .filter_map(|request| match request {
                Request::MapChange(change) => Some(change),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    console.press("M").await;
    assert!(
        console.shows("Field map of Contacts") && console.shows("1 mapped field(s) no longer fit"),
        "{}",
        console.text()
    );
    console.press("Enter").await;
    assert!(console.shows("it comes from the configuration"), "{}", console.text());
    // Badge: the suggestion is offered first, and nothing is chosen beforehand.
    console.press("j j j Enter Enter").await;
    assert!(console.shows("Counterpart in CRM") && console.shows("100 % alike"), "{}", console.text());
    console.press("Down Enter").await;
    assert!(console.shows("Badge = x_badge") && console.shows("Others are held, not guessed"), "{}", console.text());
    console.press("l Tab g = G u e s t Tab x C-d").await;
    assert!(console.shows("Old values are not touched"), "{}", console.text());
    console.press("Enter").await;
    assert_eq!(changes(&console), [], "the dialog starts on Cancel");
    console.press("Enter Down Enter Tab g = G u e s t Tab x C-d y").await;
    let [change] = changes(&console).try_into().unwrap();
    let wire::MapVerb::Add(field) = &change.verb else { panic!("{change:?}") };
    let table = [("g".to_owned(), "Guest".to_owned())].into();
    assert_eq!((change.expect, field.ivvy, field.crm.as_str(), field.name.as_str()), (3, 13, "x_badge", "badge"));
    assert_eq!((&field.transform, &field.default), (&model::Transform::Values(table), &Some(Value::text("x"))));
    assert!(console.shows("map version 4"), "{}", console.text());
    assert!(
        console.fake.asked().iter().filter(|request| matches!(request, Request::MapShow { .. })).count() >= 2,
        "shown anew"
    );
}

#[tokio::test]
async fn a_map_that_is_not_shown_whole_says_how_much_is_left_out_v19() {
    let mut map = fixture::field_map();
    map.left_out = wire::MapLeftOut { mapped: 1, fields: [(model::Side::Crm, 1_500)].into(), suggestions: 0 };
    let world = tui_support::World { map: Some(map), ..conflicts(3) };
    let mut console = Console::start(Fake::new(fixture::hello(), world), SIZE).await;
    console.press("M").await;
    assert!(console.shows("no longer fit · 1,501 more not shown"), "{}", console.text());
    console.press("v").await;
    assert!(console.shows("2 more: tandem map history MODULE --before 3"), "{}", console.text());
}

#[tokio::test]
async fn whoever_changed_the_map_first_is_named_and_the_map_is_read_again_v19() {
    let world = tui_support::World { map: Some(fixture::field_map()), faster: Some("bob".into()), ..conflicts(3) };
    let mut console = Console::start(Fake::new(fixture::hello(), world), SIZE).await;
    console.press("M j - y").await;
    assert!(console.shows("bob was faster"), "{}", console.text());
    let shown = |console: &Console| {
        console.fake.asked().iter().filter(|request| matches!(request, Request::MapShow { .. })).count()
    };
    console.pass(Duration::from_secs(2)).await;
    assert_eq!(shown(&console), 2);
    console.press("R y").await;
    let resync = console.fake.asked().into_iter().find(|request| matches!(request, Request::MapResync { .. }));
    assert!(matches!(resync, Some(Request::MapResync { field, dry_run: false, .. }) if field == "diet"));
    console.press("Esc").await;
    assert!(!console.shows("Field map of"), "{}", console.text());
}

#[tokio::test]
async fn a_viewer_learns_why_the_map_is_not_shown_and_a_default_of_another_type_is_not_sent_v19() {
    let viewer = wire::Hello { role: Role::Viewer, ..fixture::hello() };
    let world = || tui_support::World { map: Some(fixture::field_map()), ..conflicts(3) };
    let mut console = Console::start(Fake::new(viewer, world()), SIZE).await;
    console.press("M").await;
    assert!(console.shows("needs the role triage"), "{}", console.text());
    let mut console = Console::start(Fake::new(fixture::hello(), world()), SIZE).await;
    console.press("M j j j j Enter Down Enter Tab m a n y C-d").await;
    assert!(console.shows("the default is a whole number"), "{}", console.text());
    assert!(!console.fake.asked().iter().any(|request| matches!(request, Request::MapChange(_))));
}

/// A form answered after somebody else changed the map is stale, though the map was read anew below it.
#[tokio::test]
async fn a_form_opened_on_an_older_map_is_stale_v19() {
    for open in ["j Enter", "j j j Enter Down Enter"] {
        let world = tui_support::World { map: Some(fixture::field_map()), ..conflicts(3) };
        let mut console = Console::start(Fake::new(fixture::hello(), world), SIZE).await;
        console.press("M").await;
        console.press(open).await;
        assert!(console.shows("go on"), "{open}: {}", console.text());
        console.fake.world.lock().unwrap().map.as_mut().unwrap().version = 4;
        console.fake.world.lock().unwrap().faster = Some("bob".into());
        console.event(BackendEvent::Disconnected("a new map".into())).await;
        console.event(BackendEvent::Reconnected(Box::new(fixture::hello()))).await;
        console.pass(Duration::from_secs(2)).await;
        let shown = console.fake.asked().iter().filter(|request| matches!(request, Request::MapShow { .. })).count();
        assert_eq!(shown, 2, "read anew below the form");
        console.press("C-d y").await;
        let sent = console.fake.asked().into_iter().find_map(|request| match request {
            Request::MapChange(change) => Some(change.expect),
            _ => None,
        });
        assert_eq!(sent, Some(3), "{open}: {}", console.text());
    }
}

/// The view is made anew below the cursor, which stays on its field.
#[tokio::test]
async fn the_cursor_stays_on_its_field_when_the_map_changes_v19() {
    let world = tui_support::World { map: Some(fixture::field_map()), ..conflicts(3) };
    let mut console = Console::start(Fake::new(fixture::hello(), world), SIZE).await;
    console.press("M j").await;
    assert!(console.shows("diet: both ways"), "{}", console.text());
    // First another field is no longer mapped, then the field itself.
    for below in ["diet: both ways", "Dietary needs: not mapped"] {
        console.fake.world.lock().unwrap().map.as_mut().unwrap().mapped.remove(0);
        console.event(BackendEvent::Disconnected("a new map".into())).await;
        console.event(BackendEvent::Reconnected(Box::new(fixture::hello()))).await;
        console.pass(Duration::from_secs(2)).await;
        assert!(console.shows(below), "{}", console.text());
    }
}

/// The other system not answering for a moment is no reason to lose the dialog.
#[tokio::test]
async fn a_pairing_that_could_not_be_searched_is_asked_again_c12() {
    let world = tui_support::World {
        status: tui_support::status(0),
        matches: tui_support::staff(50),
        ..tui_support::World::default()
    };
    let mut console = Console::start(Fake::new(fixture::hello(), world), SIZE).await;
    console.press("5 j j j").await;
    console.fake.world.lock().unwrap().broken = Some(Error::unavailable("the store is busy"));
    console.press("Enter").await;
    assert!(console.shows("Counterpart in CRM") && console.shows("Enter asks again"), "{}", console.text());
    console.fake.world.lock().unwrap().broken = None;
    console.press("Enter").await;
    assert!(console.shows("Person 0001") && !console.shows("Enter asks again"), "{}", console.text());
    console.fake.world.lock().unwrap().broken = Some(Error::new(ErrorKind::Refused, "there is no such entry"));
    console.press("x").await;
    assert!(!console.shows("Counterpart in CRM") && console.shows("there is no such entry"), "{}", console.text());
}
