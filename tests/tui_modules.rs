//! Flows over modules: the dashboard, a module looked at closely, what is off, what is unmatched.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests are tests

#[path = "../src/tui/fixture.rs"]
#[allow(dead_code)]
mod fixture;
mod tui_support;

use tandem::model::{Role, Side};
use tandem::wire::Request;
// The fixture is shared with the library's unit tests and speaks of `crate::…`.
#[allow(unused_imports)]
use tandem::{error, model, wire};
use tui_support::{Console, Fake, conflicts};

const SIZE: (u16, u16) = (120, 40);

/// The questions about a module that were asked: runs before which one.
fn looked_at(console: &Console, module: model::ModuleId) -> Vec<Option<u64>> {
    let asked = console.fake.asked().into_iter();
    asked
        .filter_map(|request| match request {
            Request::Module { module: of, before, .. } if of == module => Some(before),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn enter_looks_closely_at_a_module_and_once_more_goes_to_its_queue() {
    let mut console = Console::start(Fake::with_conflicts(5), SIZE).await;
    assert!(console.shows("Enter open") && console.shows("d dry run"), "{}", console.text());
    console.press("Enter").await;
    assert!(console.shows("Contacts (Common)  running"), "{}", console.text());
    assert!(console.shows("both ways") && console.shows("[modules.contacts] enabled = true"), "{}", console.text());
    assert!(console.shows("full failed 4 times: odoo search_read: 503"), "{}", console.text());
    assert!(console.shows("full interrupted") || console.shows("changes interrupted"), "{}", console.text());
    assert!(console.shows("Enter queue"), "{}", console.text());
    console.press("Esc").await;
    assert!(console.shows("Remote") && !console.shows("Sweeps, newest"), "{}", console.text());
    console.press("j Enter Enter").await;
    let mut pages = console.fake.asked().into_iter().filter_map(|request| match request {
        Request::Page(query) => query.filter.module,
        _ => None,
    });
    assert_eq!(pages.next_back(), Some(model::ModuleId::Companies));
    console.press("Esc Esc").await;
    assert!(console.shows("Companies (Venues)"), "back is where one came from: {}", console.text());
}

#[tokio::test]
async fn a_modules_runs_are_paged_and_follow_what_happens() {
    let contacts = model::ModuleId::Contacts;
    let mut console = Console::start(Fake::with_conflicts(5), SIZE).await;
    console.press("Enter").await;
    assert_eq!(looked_at(&console, contacts), [None, Some(71)], "the end of fifty is near on a high screen");
    console.press("Tab G G").await;
    assert_eq!(looked_at(&console, contacts), [None, Some(71), Some(21)], "older ones when the end comes near");
    let oldest = console.text().lines().rfind(|line| line.contains("rows,")).unwrap().to_owned();
    assert!(oldest.contains("full: 41 rows"), "the first run of all: {oldest}");
    // What happens is shown on top, and what was loaded stays.
    let mut newest = fixture::runs(120).swap_remove(0);
    (newest.number, newest.rows, newest.end) = (121, 777, model::RunEnd::Done);
    console.fake.world.lock().unwrap().runs.insert(0, newest);
    console.press("g g").await;
    console.changed(&[]).await;
    assert!(console.shows("777 of 1,200 rows"), "{}", console.text());
    console.press("G").await;
    assert!(console.shows("full: 41 rows"), "{}", console.text());
    // Another module starts anew, and nothing is asked while nobody looks.
    console.press("Esc j Enter").await;
    assert_eq!(looked_at(&console, model::ModuleId::Companies)[0], None);
    let before = looked_at(&console, contacts).len();
    console.changed(&[1]).await;
    assert_eq!(looked_at(&console, contacts).len(), before);
}

#[tokio::test]
async fn a_module_is_operated_from_its_own_screen() {
    let mut console = Console::start(Fake::with_conflicts(5), SIZE).await;
    console.press("j Enter y").await;
    console.press("P").await;
    assert!(console.shows("pause Companies?"), "{}", console.text());
    console.press("y Y").await;
    assert!(console.shows("Read every company"), "{}", console.text());
    console.press("y d").await;
    assert!(console.shows("1,240 items held"), "{}", console.text());
    let module = model::ModuleId::Companies;
    let asked = console.fake.asked();
    for request in [
        Request::Sync { module: Some(module), full: false },
        Request::Pause { module: Some(module) },
        Request::Sync { module: Some(module), full: true },
        Request::GuardPlan { module },
    ] {
        assert!(asked.contains(&request), "{request:?}");
    }
}

/// A viewer may look, and is told why not more.
#[tokio::test]
async fn a_viewer_looks_closely_and_at_the_plan_but_operates_nothing() {
    let hello = wire::Hello { role: Role::Viewer, ..fixture::hello() };
    let mut console = Console::start(Fake::new(hello, conflicts(5)), SIZE).await;
    console.press("Enter y").await;
    assert!(console.shows("needs the role triage"), "{}", console.text());
    console.press("d").await;
    assert!(console.shows("1,240 items held"), "{}", console.text());
    assert!(!console.fake.asked().iter().any(|request| matches!(request, Request::Sync { .. })));
}

/// Scenario 1 (C-12): one more unmatched, and the dashboard counts one more.
#[tokio::test]
async fn an_unmatched_person_raises_the_count_of_the_dashboard_c12() {
    let staff = |unmatched: u64| {
        let row = |side, unmatched| wire::MatchStatus {
            kind: model::MatchKind::Staff,
            side,
            counts: [(model::MatchState::Unmatched, unmatched), (model::MatchState::Matched, 9)].into(),
            off: None,
        };
        vec![row(Side::Ivvy, unmatched), row(Side::Crm, 0)]
    };
    let mut world = conflicts(5);
    world.status.matches = staff(2);
    for size in [SIZE, (80, 24), (60, 20), (40, 10)] {
        let mut world = conflicts(5);
        world.status.matches = staff(2);
        let mut console = Console::start(Fake::new(fixture::hello(), world), size).await;
        assert!(console.shows("Staff 2 unmatched"), "{size:?}\n{}", console.text());
        console.fake.world.lock().unwrap().status.matches = staff(3);
        console.changed(&[]).await;
        assert!(console.shows("Staff 3 unmatched"), "{size:?}\n{}", console.text());
    }
    world.status.matches[0].off = Some("Staff not matched: no list of them in CRM; records travel without".into());
    let console = Console::start(Fake::new(fixture::hello(), world), SIZE).await;
    assert!(console.shows("owner sync off: no list of them in CRM"), "{}", console.text());
}

/// V-03: what is off is not listed, and one line says so.
#[tokio::test]
async fn modules_that_are_off_are_one_line_and_no_rows_v03() {
    let console = Console::start(Fake::with_conflicts(5), SIZE).await;
    let text = console.text();
    assert!(text.contains("6 modules off: Leads, Contact Emails (Common); Events,"), "{text}");
    assert!(text.contains("[modules.leads] enabled = true"), "{text}");
    let rows: Vec<&str> = text.lines().filter(|line| line.contains("running") || line.contains("tripped")).collect();
    assert_eq!(rows.len(), 2, "{text}");
    assert!(rows[0].contains("Common") && rows[0].contains("Contacts"), "common ones first: {text}");
    assert!(rows[1].contains("Venues") && rows[1].contains("Companies"), "{text}");
}
