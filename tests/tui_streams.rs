//! Streams in the console: rows on the dashboard, a stream looked at closely, and what is done about it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests are tests

#[path = "../src/tui/fixture.rs"]
#[allow(dead_code)]
mod fixture;
mod tui_support;

use std::sync::Arc;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::{Color, Modifier};
use tandem::model::{AccessCheck, Role, Side, StreamId};
use tandem::wire::{Request, SideNames, StreamVerb};
// The fixture is shared with the library's unit tests and speaks of `crate::…`.
#[allow(unused_imports)]
use tandem::{error, model, wire};
use tui_support::{Console, Fake, World, conflicts, keys, play};

const SIZE: (u16, u16) = (120, 40);
const SIZES: [(u16, u16); 4] = [(120, 40), (80, 24), (60, 20), (40, 10)];

fn id(stream: &str) -> StreamId {
    stream.parse().unwrap()
}

fn world() -> World {
    let mut world = conflicts(5);
    let now = world.status.daemon.now;
    world.status.streams = fixture::streams(now);
    for number in 1..=3 {
        let item = fixture::stream_item(number, &format!("10{number}"), "the contact has no number we can keep");
        world.items.push((id("s360_contacts/ACME"), item));
    }
    let mut dead = fixture::stream_item(4, "order-9", "answered 500 twelve times");
    dead.index = None;
    world.items.push((id("push_orders"), dead));
    world
}

fn fake() -> Arc<Fake> {
    Fake::new(fixture::hello(), world())
}

fn picture(terminal: &Terminal<TestBackend>) -> String {
    let buffer = terminal.backend().buffer();
    let area = buffer.area;
    let line = |y| (0..area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned() + "\n";
    (0..area.height).map(line).collect()
}

async fn at_all_sizes(presses: &str) -> String {
    let mut all = String::new();
    for size in SIZES {
        let terminal = play(&fake(), size, keys(presses)).await;
        all += &format!("=== {}x{}\n{}", size.0, size.1, picture(&terminal));
    }
    all
}

/// What was asked about streams.
fn done(console: &Console) -> Vec<(String, StreamVerb)> {
    let asked = console.fake.asked().into_iter();
    asked
        .filter_map(|request| match request {
            Request::StreamDo { stream, verb } => Some((stream.to_string(), verb)),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn dashboard_with_streams_s09_s23() {
    insta::assert_snapshot!(at_all_sizes("1").await);
}

#[tokio::test]
async fn a_stream_looked_at_closely_s15_s19() {
    insta::assert_snapshot!(at_all_sizes("j j Enter").await);
}

#[tokio::test]
async fn a_stream_that_may_have_lost_records_s17() {
    insta::assert_snapshot!(at_all_sizes("j j j j Enter Tab").await);
}

#[tokio::test]
async fn warnings_stand_out_whatever_the_colours_s19() {
    let terminal = play(&fake(), SIZE, keys("1")).await;
    let buffer = terminal.backend().buffer();
    let style_of = |word: &str| {
        let found = (0..buffer.area.height).find_map(|y| {
            let line: String = (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect();
            line.find(word).map(|at| (u16::try_from(line[..at].chars().count()).unwrap(), y))
        });
        buffer[found.unwrap_or_else(|| panic!("{word}"))].style()
    };
    let (loss, ok) = (style_of("possible loss"), style_of("ok  "));
    assert_ne!((loss.fg, loss.add_modifier), (ok.fg, ok.add_modifier), "a loss does not look like health");
    assert!(loss.fg != Some(Color::Reset) || loss.add_modifier != Modifier::empty(), "and is marked at all");
    assert_eq!(style_of("UNPROTECTED").fg, loss.fg, "as is an address that anybody may post to");
}

#[tokio::test]
async fn an_account_without_streams_shows_nothing_of_them() {
    let mut console = Console::start(Fake::with_conflicts(5), SIZE).await;
    assert!(!console.shows("Stream"), "{}", console.text());
    console.press("G Enter").await;
    assert!(console.shows("Sweeps, newest first"), "the last row is a module: {}", console.text());
}

#[tokio::test]
async fn what_was_set_aside_is_read_tried_again_and_thrown_away_by_number_s15() {
    let mut console = Console::start(fake(), SIZE).await;
    console.press("j j").await;
    console.press("Enter").await;
    assert!(console.shows("S-360 contacts ACME") && console.shows("two secrets are valid"), "{}", console.text());
    assert!(console.shows("Set aside: 3, oldest first"), "{}", console.text());
    console.press("j Enter").await;
    assert!(console.shows("Record 2 of s360_contacts/ACME") && console.shows("\"n\":2"), "{}", console.text());
    console.press("Esc R").await;
    console.press("D").await;
    assert!(console.shows("Throw record 2 away?"), "{}", console.text());
    console.press("Enter").await;
    assert_eq!(done(&console).len(), 1, "a stray Enter is Cancel");
    console.press("D y").await;
    let acme = |verb| ("s360_contacts/ACME".to_owned(), verb);
    let asked = [acme(StreamVerb::Retry { number: 2 }), acme(StreamVerb::Dismiss { number: 2 })];
    assert_eq!(done(&console), asked);
    console.press("Esc Esc").await;
    assert!(console.shows("Remote"), "back is the dashboard: {}", console.text());
    // Where we post, the same keys are about dead posts.
    console.press("G Enter R D y").await;
    let push = |verb| ("push_orders".to_owned(), verb);
    assert_eq!(done(&console)[2..], [push(StreamVerb::Revive { number: 4 }), push(StreamVerb::Drop { number: 4 })]);
}

#[tokio::test]
async fn the_first_sync_date_is_asked_with_its_zone_after_a_test_s28() {
    let mut console = Console::start(fake(), SIZE).await;
    console.press("j j j Enter f").await;
    assert!(console.shows("test the connection first"), "{}", console.text());
    console.press("t").await;
    assert_eq!(done(&console), [("s360_orders/ACME".to_owned(), StreamVerb::Test)]);
    console.fake.world.lock().unwrap().status.streams[1].state.tested_at = Some(fixture::now());
    console.changed(&[]).await;
    console.press("f").await;
    assert!(console.shows("From which day on do records take part?"), "{}", console.text());
    console.type_text("2026-01-31").await;
    console.press("Enter Enter").await;
    assert!(console.shows("zone (Europe/Paris) is needed"), "{}", console.text());
    console.type_text("Europe/Paris").await;
    console.press("Enter").await;
    let verb = StreamVerb::FirstSync { date: "2026-01-31".into(), zone: "Europe/Paris".into() };
    assert_eq!(done(&console)[1..], [("s360_orders/ACME".to_owned(), verb)]);
}

#[tokio::test]
async fn a_possible_loss_is_reconciled_and_settled_with_a_question_s17_scenario_14() {
    let mut console = Console::start(fake(), SIZE).await;
    console.press("j j j j Enter").await;
    assert!(console.shows("possible loss") && console.shows("120 of 1,200 records"), "{}", console.text());
    console.press("c").await;
    assert!(console.shows("it is being reconciled already"), "{}", console.text());
    console.fake.world.lock().unwrap().status.streams[2].reconciling = None;
    console.changed(&[]).await;
    console.press("c y").await;
    console.press("s y y").await;
    let globe = |verb| ("s360_contacts/GLOBE".to_owned(), verb);
    let asked = [StreamVerb::Reconcile, StreamVerb::LossSettled, StreamVerb::RunNow].map(globe);
    assert_eq!(done(&console), asked);
    // A receive-only institution has nobody to ask.
    console.press("Esc Esc k Enter c").await;
    assert!(console.shows("there is no operator to read with"), "{}", console.text());
}

/// The world with an institution that also posts checks at its gates, in front of the pushed stream.
fn with_checks(count: u64) -> Arc<Fake> {
    let mut world = world();
    let now = world.status.daemon.now;
    let mut access = world.status.streams[0].clone();
    (access.id, access.title, access.aside) = (id("s360_access/ACME"), "S-360 access checks".into(), 1);
    (access.needs_first_sync, access.modules) = (false, Vec::new());
    world.status.streams.insert(0, access);
    world.items.push((id("s360_access/ACME"), fixture::stream_item(7, "x", "it has no ticket_check_id")));
    let check = |number: u64| AccessCheck {
        number,
        institution: "ACME".into(),
        told_at: now,
        at: Some("2026-02-09 18:25:10".into()),
        flow: Some("IN".into()),
        result: Some(if number.is_multiple_of(2) { "OK".into() } else { "FAIL".into() }),
        failure: (!number.is_multiple_of(2)).then(|| "NO_MORE\u{1b}[31m\u{202e}_TODAY".into()),
        ticket: Some(format!("9{number}")),
        barcode: Some("…6789".into()),
    };
    world.checks = (1..=count).rev().map(check).collect();
    Fake::new(fixture::hello(), world)
}

#[tokio::test]
async fn checks_at_the_gates_newest_first_s12() {
    let mut all = String::new();
    for size in SIZES {
        let terminal = play(&with_checks(12), size, keys("j j Enter j")).await;
        all += &format!("=== {}x{}\n{}", size.0, size.1, picture(&terminal));
    }
    insta::assert_snapshot!(all);
}

#[tokio::test]
async fn checks_are_paged_and_what_was_set_aside_is_a_tab_away_s12_s15() {
    let fake = with_checks(120);
    let mut console = Console::start(Arc::clone(&fake), SIZE).await;
    console.press("j j Enter").await;
    assert!(console.shows("Checks, newest first: the newest 50") && console.shows("ticket 9120"), "{}", console.text());
    assert!(console.shows("1 set aside") && !console.text().contains('\u{1b}'), "{}", console.text());
    console.press("R").await;
    assert!(console.shows("checks are only looked at"), "{}", console.text());
    console.press("G").await;
    console.press("G").await;
    console.press("G").await;
    assert!(console.shows("Checks, newest first: all 120") && console.shows("ticket 92 "), "{}", console.text());
    // The next one is on top; the cursor stays where it is.
    {
        let mut world = fake.world.lock().unwrap();
        let newest = AccessCheck { number: 121, ticket: Some("9121".into()), ..world.checks[0].clone() };
        world.checks.insert(0, newest);
    }
    console.changed(&[]).await;
    assert!(console.shows("all 121") && console.shows("ticket 92 "), "{}", console.text());
    console.press("g g").await;
    assert!(console.shows("ticket 9121"), "{}", console.text());
    console.press("Tab").await;
    assert!(console.shows("it has no ticket_check_id"), "{}", console.text());
    console.press("R").await;
    assert_eq!(done(&console), [("s360_access/ACME".to_owned(), StreamVerb::Retry { number: 7 })]);
    console.press("BackTab").await;
    assert!(console.shows("Checks, newest first"), "{}", console.text());
}

#[tokio::test]
async fn a_viewer_reads_and_does_nothing() {
    let hello = wire::Hello { role: Role::Viewer, ..fixture::hello() };
    let mut console = Console::start(Fake::new(hello, world()), SIZE).await;
    console.press("j j Enter Enter").await;
    assert!(console.shows("Record 1 of"), "{}", console.text());
    console.press("Esc R D t y c s f").await;
    assert_eq!(done(&console), []);
    assert!(console.shows("needs the role"), "{}", console.text());
}

#[tokio::test]
async fn texts_name_the_origin_of_the_account_s01() {
    let sides = SideNames::with_origin("S-360");
    let hello = wire::Hello { sides, ..fixture::hello() };
    for size in SIZES {
        let mut console = Console::start(Fake::new(hello.clone(), world()), size).await;
        for presses in ["1", "Enter", "Esc 2", "Enter", "?", "Esc g h", "5", "1 d"] {
            console.press(presses).await;
            let text = console.text();
            // Guarantees and titles come from the daemon, which has its own names; the fixture's are iVvy's.
            assert!(!text.contains("iVvy"), "{size:?} {presses}\n{text}");
        }
    }
    let mut console = Console::start(Fake::new(hello, world()), SIZE).await;
    console.press("2 Enter").await;
    assert!(console.shows("S-360 8812") && console.shows("take S-360"), "{}", console.text());
    let asked = console.fake.asked();
    assert!(asked.iter().any(|request| matches!(request, Request::Item { .. })));
    assert_eq!(Side::Ivvy.to_string(), "ivvy", "in JSON the origin keeps its key");
}

#[tokio::test]
async fn hostile_text_in_a_stream_is_shown_safely() {
    let mut world = world();
    let bad = "\u{1b}]0;owned\u{7}\u{202e}\u{9b}2J";
    for row in &mut world.status.streams {
        row.title = format!("t{bad}");
        row.place = format!("p{bad}");
        row.state.last_error = Some(format!("e{bad}"));
    }
    for (_, item) in &mut world.items {
        (item.id, item.why, item.body) = (Some(bad.into()), bad.into(), bad.into());
    }
    for size in SIZES {
        let fake = Fake::new(
            fixture::hello(),
            World { items: world.items.clone(), status: world.status.clone(), ..conflicts(5) },
        );
        let terminal = play(&fake, size, keys("j j Enter Enter")).await;
        let text = picture(&terminal);
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}', '\u{9b}']), "{size:?}\n{text}");
    }
}

/// Decision 0019: a record is done once it is handed over. That nobody took it must be seen all the same.
#[tokio::test]
async fn dead_posts_are_seen_from_everywhere_and_counted_with_their_module_s17() {
    let mut console = Console::start(fake(), SIZE).await;
    assert!(console.shows("! dead 1, 2 posts"), "{}", console.text());
    let contacts = console.marked_line().unwrap().1;
    assert_eq!(contacts.split_whitespace().nth(9), Some("3"), "one dead item and two dead posts: {contacts}");
    assert!(console.shows("2 posts are dead: open the stream below to see why"), "{}", console.text());
    console.press("2").await;
    assert!(console.shows("! dead 1, 2 posts"), "{}", console.text());
}

#[tokio::test]
async fn the_row_of_a_stream_offers_the_streams_keys() {
    let mut console = Console::start(fake(), SIZE).await;
    console.press("j j").await;
    assert!(console.marked_line().unwrap().1.contains("S-360 contacts ACME"), "{}", console.text());
    let footer = console.text().lines().last().unwrap().to_owned();
    assert!(footer.contains("t test") && !footer.contains("sync now"), "{footer}");
    console.press("t").await;
    let done = console.fake.asked().into_iter().find(|request| matches!(request, Request::StreamDo { .. }));
    let stream = id("s360_contacts/ACME");
    assert_eq!(done, Some(Request::StreamDo { stream, verb: StreamVerb::Test }));
}

/// A column is there as a whole or not at all: "1" of "15 min" says another thing.
#[tokio::test]
async fn no_column_of_the_dashboard_is_cut_off() {
    let titles = ["Held", "Ready", "Dead", "Lag", "Next", "Writes/min", "Last", "Last run", "Records", "State"];
    let fake = || {
        let mut world = world();
        world.status.modules.iter_mut().for_each(|module| module.next_run_s = Some(900));
        Fake::new(fixture::hello(), world)
    };
    for width in (60..=130).step_by(5) {
        let shown = picture(&play(&fake(), (width, 30), keys("1")).await);
        let heads: Vec<&str> = shown.lines().filter(|line| line.contains("State")).collect();
        assert_eq!(heads.len(), 2, "{shown}");
        for word in heads.iter().flat_map(|line| line.split("  ").map(str::trim)).flat_map(|cell| cell.split(' ')) {
            let known = titles.iter().any(|title| title.split(' ').any(|part| part == word));
            assert!(
                known || ["", "Group", "Module", "Direction", "Retry", "Stream"].contains(&word),
                "{word} at {width}\n{shown}"
            );
        }
        let row = shown.lines().find(|line| line.contains("Contacts ")).unwrap();
        match heads[0].contains("Next") {
            true => assert!(row.contains("15 min"), "at {width}: {row}"),
            false => assert!(row.ends_with("12 s"), "at {width}: {row}"),
        }
        if width >= 100 {
            assert!(shown.contains("Records") && shown.contains("1,204"), "at {width}\n{shown}");
        }
    }
}
