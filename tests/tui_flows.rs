//! Flows through the real loop on an emulated terminal: keys in, bytes and requests out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests are tests

#[path = "../src/tui/fixture.rs"]
#[allow(dead_code)]
mod fixture;
mod tui_support;

use std::sync::Arc;
use std::time::Duration;

use crossterm::event::Event;
use tandem::model::{Choice, ItemId, Role, Side, State, Timestamp, Value, Verb};
use tandem::tui::BackendEvent;
use tandem::wire::Request;
// The fixture is shared with the library's unit tests and speaks of `crate::…`.
#[allow(unused_imports)]
use tandem::{error, model, wire};
use tui_support::{Console, Fake, TestClock, conflicts};

const SIZE: (u16, u16) = (120, 40);

#[tokio::test]
async fn the_first_frame_is_painted_before_any_answer() {
    let mut world = tui_support::conflicts(0);
    world.silent = true;
    let fake = Fake::new(fixture::hello(), world);
    let emulated = tui_support::app(&fake, ratatui::layout::Size { width: 80, height: 24 });
    let mut terminal = ratatui::Terminal::new(ratatui::backend::TestBackend::new(80, 24)).unwrap();
    let (mut parts, _told) = tui_support::parts(&fake, "mono", TestClock::new(true));
    parts.stop = Box::pin(async {});
    tandem::tui::drive(&mut terminal, futures::stream::pending(), emulated, parts).await.unwrap();
    let shown = terminal.backend().to_string();
    assert!(shown.contains("SANDBOX") && shown.contains("asking the daemon"), "{shown}");
}

#[tokio::test]
async fn nothing_wakes_the_console_while_nothing_happens() {
    let mut console = Console::start(Fake::with_conflicts(40), SIZE).await;
    console.press("2 j j").await;
    let (before, bytes) = (console.settle().await, console.screen.bytes.lock().unwrap().len());
    console.pass(Duration::from_secs(3_600)).await;
    assert_eq!(console.idle().wakeups, before.wakeups);
    assert_eq!(console.screen.bytes.lock().unwrap().len(), bytes);
}

#[tokio::test]
async fn choices_stay_local_until_approval_which_names_the_version_seen_i5() {
    let mut console = Console::start(Fake::with_conflicts(3), SIZE).await;
    console.press("2 j Enter").await;
    assert!(console.shows("#2 contact") && console.shows("? choose i, c or e"), "{}", console.text());
    console.press("a").await;
    assert!(console.shows("2 fields still need a choice"), "{}", console.text());
    console.press("i c").await;
    assert_eq!(console.decisions(), [], "nothing is sent on i and c");
    assert!(console.shows("1 not sent"));
    console.press("a").await;
    let [decision] = console.decisions().try_into().unwrap();
    assert_eq!((decision.item, decision.ver, decision.verb), (ItemId(2), Some(3), Verb::Approve));
    assert_eq!(decision.seen, Some(fixture::conflict(2).item.seen));
    let choices: Vec<(&str, &Choice)> = decision.choices.iter().map(|(name, choice)| (name.as_str(), choice)).collect();
    assert_eq!(choices, [("email", &Choice::Ivvy), ("phone", &Choice::Crm)]);
    assert!(console.shows("u takes it back"), "{}", console.text());
    assert!(console.shows("#3 contact"), "and the next one that needs a person is open: {}", console.text());
}

#[tokio::test]
async fn a_stale_decision_names_who_was_faster_and_keeps_the_choices() {
    let mut console = Console::start(Fake::with_conflicts(3), SIZE).await;
    console.press("2 Enter i c").await;
    console.fake.world.lock().unwrap().faster = Some("Bob".into());
    console.press("a").await;
    assert!(console.shows("Bob was faster"), "{}", console.text());
    assert!(console.shows("version 4"));
    assert!(console.shows("1 not sent"), "the values did not move, so the choices stand");
    console.pass(Duration::from_secs(30)).await;
    assert!(console.shows("Bob was faster"), "an error stays longer than a note");
    console.press("Esc").await;
    assert!(!console.shows("Bob was faster"));
    console.press("a").await;
    assert_eq!(console.decisions().last().unwrap().ver, Some(4));
}

#[tokio::test]
async fn an_edited_value_is_sent_as_typed() {
    let mut console = Console::start(Fake::with_conflicts(2), SIZE).await;
    console.press("2 Enter e").await;
    for _ in 0.."anna@ivvy.example".len() {
        console.press("Backspace").await;
    }
    console.type_text("no address").await;
    console.press("Enter").await;
    assert!(console.shows("an e-mail address has an @"), "{}", console.text());
    console.type_text("@x.example").await;
    console.press("Enter c a").await;
    let decision = console.decisions().pop().unwrap();
    assert_eq!(decision.choices["email"], Choice::Custom(Value::text("no address@x.example")));
}

#[tokio::test]
async fn force_push_needs_side_typed_id_and_reason_and_shows_the_guarantee() {
    let mut console = Console::start(Fake::with_conflicts(3), SIZE).await;
    console.press("2 j Enter F").await;
    assert!(console.shows("cannot refuse a stale write"), "{}", console.text());
    console.press("Enter").await;
    assert!(console.shows("choose a side"));
    console.press("Right Enter Enter").await;
    assert!(console.shows("type 2 to confirm"), "{}", console.text());
    console.type_text("2").await;
    console.press("Enter Enter").await;
    assert!(console.shows("reason is needed"));
    assert_eq!(console.decisions(), []);
    console.type_text("agreed by phone").await;
    console.press("Enter").await;
    let [decision] = console.decisions().try_into().unwrap();
    assert_eq!((decision.verb, decision.side), (Verb::Force, Some(Side::Crm)));
    assert_eq!(decision.reason.as_deref(), Some("agreed by phone"));
}

#[tokio::test]
async fn a_bulk_decision_is_frozen_and_reports_what_it_left_out() {
    let mut console = Console::start(Fake::with_conflicts(30), SIZE).await;
    console.press("2 Space Space Space").await;
    assert!(console.shows("3 marked"));
    // Item 2 moves on after it was marked; item 31 arrives and must not be swept along.
    {
        let mut world = console.fake.world.lock().unwrap();
        world.rows[1].version += 1;
        world.rows.push(fixture::row(31));
    }
    console.changed(&[2]).await;
    assert!(console.text().lines().any(|line| line.contains(" !  ") || line.starts_with(" !")), "{}", console.text());
    console.press("s").await;
    assert!(console.shows("3 items") && console.shows("[>cancel<]"), "{}", console.text());
    console.press("s").await;
    assert_eq!(console.decisions(), [], "the trigger key does not confirm");
    console.press("y").await;
    let sent: Vec<(u64, Option<u32>)> = console.decisions().iter().map(|d| (d.item.0, d.ver)).collect();
    assert_eq!(sent, [(1, Some(3)), (2, Some(3)), (3, Some(3))]);
    assert!(console.shows("2 done, 1 left out"), "{}", console.text());
    console.press("Esc Esc u").await;
    let undone: Vec<(u64, Option<u32>, Verb)> =
        console.decisions().iter().skip(3).map(|d| (d.item.0, d.ver, d.verb)).collect();
    assert_eq!(undone, [(1, Some(4), Verb::Reopen), (3, Some(4), Verb::Reopen)]);
}

#[tokio::test]
async fn more_than_a_hundred_need_the_number_typed() {
    let mut console = Console::start(Fake::with_conflicts(150), SIZE).await;
    console.press("2 G *").await;
    console.press("g g *").await;
    assert!(console.shows("150 marked"), "{}", console.text());
    console.press("s y").await;
    assert_eq!(console.decisions(), [], "a letter is not enough: {}", console.text());
    console.press("Backspace").await;
    console.type_text("150").await;
    console.press("Enter").await;
    console.type_text("spring cleaning").await;
    console.press("Enter").await;
    assert_eq!(console.decisions().len(), 150, "{}", console.text());
}

#[tokio::test]
async fn the_cursor_stays_on_its_item_and_line_while_the_list_changes() {
    let mut console = Console::start(Fake::with_conflicts(100), SIZE).await;
    console.press("2 j j j j j").await;
    let (line, text) = console.marked_line().unwrap();
    assert!(text.contains("#6"));
    console.fake.world.lock().unwrap().rows.drain(1..3);
    console.changed(&[2, 3]).await;
    let (line_after, text_after) = console.marked_line().unwrap();
    assert!(text_after.contains("#6"), "{text_after}");
    assert!(line_after <= line);
    console.fake.world.lock().unwrap().rows.retain(|row| row.id != ItemId(6));
    console.changed(&[6]).await;
    let (_, text) = console.marked_line().unwrap();
    assert!(text.contains("#6") && text.contains("left"), "{text}");
    console.press("s").await;
    assert_eq!(console.decisions(), []);
    assert!(console.shows("left this list"));
}

#[tokio::test]
async fn a_frozen_view_asks_nothing() {
    let mut console = Console::start(Fake::with_conflicts(10), SIZE).await;
    console.press("2 p").await;
    assert!(console.shows("FROZEN"));
    let asked = console.fake.asked().len();
    console
        .event(BackendEvent::Event(wire::Event::Changed { seq: model::Seq(9), items: vec![], overflow: true }))
        .await;
    console.pass(Duration::from_secs(60)).await;
    assert_eq!(console.fake.asked().len(), asked);
    console.press("p").await;
    assert!(console.fake.asked().len() > asked, "what was missed is asked when it goes on");
}

#[tokio::test]
async fn a_lost_connection_is_shown_and_everything_is_asked_again_afterwards() {
    let mut console = Console::start(Fake::with_conflicts(10), SIZE).await;
    console.press("2").await;
    console.event(BackendEvent::Disconnected("the socket was closed".into())).await;
    assert!(console.shows("NO CONNECTION, trying again"), "{}", console.text());
    console.press("s").await;
    assert_eq!(console.decisions(), []);
    console.fake.world.lock().unwrap().asked.clear();
    console.event(BackendEvent::Reconnected(Box::new(fixture::hello()))).await;
    console.settle().await;
    let asked = console.fake.asked();
    assert!(asked.contains(&Request::Watch) && asked.contains(&Request::Status), "{asked:?}");
    assert!(asked.iter().any(|request| matches!(request, Request::Page(_))), "{asked:?}");
    assert!(console.shows("connected"));
}

#[tokio::test]
async fn a_viewer_sees_every_action_with_the_reason_why_not() {
    let hello = wire::Hello { role: Role::Viewer, ..fixture::hello() };
    let mut console = Console::start(Fake::new(hello, conflicts(5)), SIZE).await;
    console.press("2 s").await;
    assert!(console.shows("needs the role triage; you are viewer"), "{}", console.text());
    console.press("Esc x").await;
    console.type_text("force").await;
    assert!(console.shows("not now: needs the role force"), "{}", console.text());
}

#[tokio::test]
async fn a_pasted_text_never_runs_keys() {
    let mut console = Console::start(Fake::with_conflicts(5), SIZE).await;
    console.press("2").await;
    console.give(Event::Paste("ssFq\x1b".into())).await;
    assert_eq!(console.decisions(), []);
    assert!(console.shows("pasted text was ignored"));
    console.press("/").await;
    console.give(Event::Paste("contact 3\r\n\x1b]0;x\x07".into())).await;
    console.press("Enter").await;
    let filters: Vec<Option<String>> = console
        .fake
        .asked()
        .into_iter()
        .filter_map(|request| match request {
            Request::Page(query) => Some(query.filter.text),
            _ => None,
        })
        .collect();
    assert_eq!(filters.last().unwrap().as_deref(), Some("contact 3 ]0;x"));
}

#[tokio::test]
async fn whoever_said_go_is_told_when_it_was_not_written() {
    let mut console = Console::start(Fake::with_conflicts(5), SIZE).await;
    console.press("2 Enter I a").await;
    let id = console.decisions()[0].item;
    assert!(!console.shows("was not written"), "{}", console.text());
    console.changed(&[id.0]).await;
    assert!(!console.shows("was not written"), "still on its way");
    let fake = std::sync::Arc::clone(&console.fake);
    {
        let mut world = fake.world.lock().unwrap();
        let item = &mut world.views.get_mut(&id).unwrap().item;
        item.state = State::Held;
        item.ver += 1;
        let message = "such a contact exists already".to_owned();
        item.error = Some(model::item::ItemError { message, hint: None, at: Timestamp::EPOCH });
    }
    console.changed(&[id.0]).await;
    assert!(console.shows("was not written: such a contact exists already"), "{}", console.text());
}

#[tokio::test]
async fn the_guard_is_released_only_with_the_number_typed() {
    let mut console = Console::start(Fake::with_conflicts(5), SIZE).await;
    console.press("j d").await;
    assert!(console.shows("1,240 items held"), "{}", console.text());
    console.press("R").await;
    console.type_text("124").await;
    console.press("Enter").await;
    assert!(console.shows("type 1240 to confirm"));
    console.type_text("0").await;
    // A note is not needed here.
    console.press("Enter Enter").await;
    let released = console.fake.asked().into_iter().find(|request| matches!(request, Request::GuardRelease { .. }));
    assert_eq!(
        released,
        Some(Request::GuardRelease {
            module: model::ModuleId::Companies,
            sample: None,
            expect: 1_240,
            plan: None,
            note: None
        })
    );
}

#[tokio::test]
async fn a_load_that_s360_has_to_agree_to_is_released_with_who_did_s11() {
    let fake = Fake::with_conflicts(5);
    fake.world.lock().unwrap().approval = Some("S-360 must have agreed to a large load".to_owned());
    let mut console = Console::start(std::sync::Arc::clone(&fake), SIZE).await;
    console.press("j d R").await;
    assert!(console.shows("S-360 must have agreed to a large load."), "{}", console.text());
    console.type_text("1240").await;
    console.press("Enter Enter").await;
    assert!(console.shows("who agreed, and when is needed"), "{}", console.text());
    console.type_text("no").await;
    console.press("Enter").await;
    assert!(console.shows("3 to 200 characters, not 2"), "{}", console.text());
    let released = || fake.asked().into_iter().find(|request| matches!(request, Request::GuardRelease { .. }));
    assert_eq!(released(), None, "nothing is sent without it");
    console.type_text("rah of S-360, 3 March").await;
    console.press("Enter").await;
    let (module, note) = (model::ModuleId::Companies, Some("norah of S-360, 3 March".to_owned()));
    assert_eq!(released(), Some(Request::GuardRelease { module, sample: None, expect: 1_240, plan: None, note }));
    // A sample needs it as well, and its count is not taken for it.
    console.press("d S").await;
    console.type_text("5").await;
    console.press("Enter").await;
    console.type_text("1240").await;
    console.press("Enter Enter").await;
    assert!(console.shows("who agreed, and when is needed"), "{}", console.text());
}

#[tokio::test]
async fn resize_redraws_everything_also_at_the_same_size() {
    let mut console = Console::start(Fake::with_conflicts(30), SIZE).await;
    console.press("2").await;
    console.screen.emulated.lock().unwrap().process(b"\x1b[2J");
    assert!(!console.shows("Contact 3"));
    console.give(Event::Resize(SIZE.0, SIZE.1)).await;
    assert!(console.shows("Contact 3"), "a terminal that was attached elsewhere is painted anew");
}

#[tokio::test]
async fn leaving_with_choices_that_were_not_sent_asks_first() {
    let mut console = Console::start(Fake::with_conflicts(5), SIZE).await;
    console.press("2 Enter i q").await;
    assert!(console.shows("would be lost") && console.shows("[>cancel<]"), "{}", console.text());
    console.press("Esc").await;
    assert!(!console.shows("would be lost"));
    console.give(Event::Key(tui_support::keys("q").remove(0))).await;
    assert!(console.shows("would be lost"));
}

#[tokio::test]
async fn a_move_writes_few_bytes_and_one_synchronized_frame_g3() {
    let mut console = Console::start(Fake::with_conflicts(1_000), SIZE).await;
    console.press("2 j j").await;
    console.screen.bytes.lock().unwrap().clear();
    console.press("j").await;
    let bytes = console.screen.bytes.lock().unwrap().clone();
    let begins = bytes.windows(8).filter(|w| *w == b"\x1b[?2026h").count();
    assert_eq!(begins, 1, "{:?}", String::from_utf8_lossy(&bytes));
    assert!(bytes.ends_with(b"\x1b[?2026l"));
    assert!(bytes.len() <= 90, "{} bytes: {:?}", bytes.len(), String::from_utf8_lossy(&bytes));
}

#[tokio::test]
async fn live_events_draw_at_most_twenty_frames_a_second() {
    let mut console = Console::start(Fake::with_conflicts(10), SIZE).await;
    console.press("2").await;
    let before = console.settle().await.frames;
    for _ in 0..200 {
        let changed = wire::Event::Changed { seq: model::Seq(3), items: vec![], overflow: true };
        console.post(BackendEvent::Event(changed), Duration::from_millis(5)).await;
    }
    let frames = console.settle().await.frames - before;
    assert!((2..=22).contains(&frames), "{frames} frames in one second");
}

#[tokio::test]
async fn the_input_ending_ends_the_console() {
    let console = Console::start(Fake::with_conflicts(1), SIZE).await;
    assert!(Arc::strong_count(&console.fake) > 1);
    console.ended().await.unwrap();
}

#[tokio::test]
async fn failing_questions_are_not_asked_in_a_hot_loop() {
    let mut world = conflicts(300);
    world.broken = Some(error::Error::unavailable("the store is busy"));
    let mut console = Console::start(Fake::new(fixture::hello(), world), SIZE).await;
    console.press("2 j j").await;
    assert!(console.fake.asked().len() <= 4, "{:?}", console.fake.asked());
    assert!(console.shows("the store is busy"), "{}", console.text());
    console.fake.world.lock().unwrap().broken = None;
    console.pass(Duration::from_secs(4)).await;
    console.pass(Duration::from_secs(4)).await;
    assert!(console.shows("Contact 1"), "it tries again by itself: {}", console.text());
    console.fake.world.lock().unwrap().broken = Some(error::Error::unavailable("the store is busy"));
    let before = console.fake.asked().len();
    console.press("PageDown PageDown PageDown PageDown j").await;
    assert!(console.fake.asked().len() <= before + 2, "rows beyond the window, too");
}

#[tokio::test]
async fn next_unsolved_goes_through_fields_and_then_through_the_queue() {
    let mut world = conflicts(10);
    for row in &mut world.rows[1..8] {
        row.state = model::State::Ready;
        row.unsolved = 0;
    }
    let mut console = Console::start(Fake::new(fixture::hello(), world), SIZE).await;
    console.press("2 Enter").await;
    assert!(console.marked_line().unwrap().1.contains("E-mail"));
    console.press("n").await;
    assert!(console.marked_line().unwrap().1.contains("Phone"));
    console.press("n").await;
    assert!(console.shows("#9 contact"), "{}", console.text());
    console.press("N").await;
    assert!(console.shows("#1 contact"), "{}", console.text());
    console.press("N").await;
    assert!(console.shows("nothing more needs a person"), "{}", console.text());
}

#[tokio::test]
async fn retry_reopen_and_snooze_send_their_verb() {
    let mut world = conflicts(3);
    world.rows[0].state = model::State::Dead;
    world.rows[1].state = model::State::Skipped;
    let mut console = Console::start(Fake::new(fixture::hello(), world), SIZE).await;
    console.press("2 R").await;
    console.press("g g j o").await;
    console.press("G z").await;
    assert!(console.shows("[1 hour]"), "{}", console.text());
    console.press("Right Enter").await;
    let verbs: Vec<Verb> = console.decisions().iter().map(|decision| decision.verb).collect();
    assert_eq!(verbs, [Verb::Retry, Verb::Reopen, Verb::Snooze], "{}", console.text());
    let until = console.decisions().pop().unwrap().until.unwrap();
    assert!(until.since(fixture::now()) >= Duration::from_secs(4 * 3_600));
}

#[tokio::test]
async fn the_history_key_filters_the_log_by_item_and_back() {
    let mut console = Console::start(Fake::with_conflicts(30), SIZE).await;
    console.press("2 j j Enter g h").await;
    assert!(console.shows("Log of item #3"), "{}", console.text());
    assert!(console.text().lines().filter(|line| line.contains("planned")).all(|line| line.contains("#3")));
    console.press("Esc").await;
    assert!(console.shows("Everything that happened"), "{}", console.text());
}

#[tokio::test]
async fn in_production_even_two_need_the_number_and_a_reason() {
    let hello = wire::Hello { environment: "production".into(), ..fixture::hello() };
    let mut console = Console::start(Fake::new(hello, conflicts(5)), SIZE).await;
    console.press("2 Space Space s").await;
    assert!(console.shows("type 2:") && console.shows("reason:"), "{}", console.text());
    console.press("Enter y").await;
    assert_eq!(console.decisions(), []);
}

#[tokio::test]
async fn a_bulk_decision_that_loses_its_answer_says_how_far_it_came() {
    let mut console = Console::start(Fake::with_conflicts(5), SIZE).await;
    console.press("2 Space Space s").await;
    console.fake.world.lock().unwrap().broken = Some(error::Error::unavailable("the socket was closed"));
    console.press("y").await;
    console.pass(Duration::from_secs(3)).await;
    assert!(console.shows("skip stopped after 0 of 2"), "{}", console.text());
    assert!(console.shows("2 marked"), "the marks are kept for a second look");
}

#[tokio::test]
async fn pausing_a_module_asks_first() {
    let mut console = Console::start(Fake::with_conflicts(5), SIZE).await;
    console.press("P").await;
    assert!(console.shows("pause Contacts?"), "{}", console.text());
    console.press("P Enter").await;
    let paused =
        |console: &Console| console.fake.asked().iter().any(|request| matches!(request, Request::Pause { .. }));
    assert!(!paused(&console), "the trigger key and Enter do nothing: the dialog starts on Cancel");
    console.press("P y").await;
    assert!(paused(&console));
}

#[tokio::test]
async fn a_body_of_five_megabytes_is_read_without_a_frozen_frame_v33() {
    let paragraph = |n| format!("<p class=\"MsoNormal\">Paragraph <b>{n}</b> of many words \x1b[31m</p>\n");
    let body: String = (0..90_000).map(paragraph).collect();
    assert!(body.len() > 5_000_000);
    let mut console = Console::start(tui_support::mail(&body), (80, 24)).await;
    console.press("2 Enter j").await;
    assert!(console.shows("Enter reads it whole"), "{}", console.text());
    console.press("e").await;
    assert!(console.shows("too long to be edited here"), "{}", console.text());
    let asked = |console: &Console| {
        let requests = console.fake.asked();
        requests.iter().filter(|request| matches!(request, Request::Preview(_))).count()
    };
    console.press("Enter").await;
    assert!(console.shows("Paragraph 0 of many words"), "{}", console.text());
    assert_eq!(asked(&console), 1, "only what is near the screen is loaded");
    console.press("C-f C-f C-d j j k").await;
    assert_eq!(asked(&console), 1);
    assert!(!console.shows("Paragraph 1 of"), "{}", console.text());
    console.press("G").await;
    assert!(console.shows("Paragraph 89999 of many words") && console.shows("99 %"), "{}", console.text());
    let loaded = asked(&console);
    assert!(loaded > 20, "{loaded}");

    // With all of it loaded, a key costs what a screen costs, not what the value costs.
    let keys = 40;
    let started = std::time::Instant::now();
    for _ in 0..keys {
        console.press("k").await;
    }
    let each = started.elapsed() / keys;
    assert!(each < Duration::from_millis(50), "{each:?} for a key and its frame");
    assert_eq!(asked(&console), loaded, "nothing is loaded twice");

    console.press("g g s").await;
    assert!(console.shows("<p class=\"MsoNormal\">Paragraph <b>0</b>"), "{}", console.text());
    console.press("v").await;
    assert!(console.shows("the field has one value only"), "{}", console.text());
    console.press("Esc").await;
    assert!(console.shows("Enter reads it whole"), "the diff is below: {}", console.text());
    assert_eq!(console.screen.emulated.lock().unwrap().callbacks().seen, Vec::<String>::new());
}

#[tokio::test]
async fn a_preview_that_cannot_be_read_says_so_and_asks_again_only_when_told_v33() {
    let fake = tui_support::mail("<p>short</p>");
    fake.world.lock().unwrap().bodies.clear();
    let mut console = Console::start(fake, SIZE).await;
    console.press("2 Enter j Enter").await;
    assert!(console.shows("there is no such value"), "{}", console.text());
    let previews = |console: &Console| {
        let requests = console.fake.asked();
        requests.iter().filter(|request| matches!(request, Request::Preview(_))).count()
    };
    console.pass(Duration::from_secs(1)).await;
    assert_eq!(previews(&console), 1);
    console.fake.world.lock().unwrap().bodies.insert(ItemId(1), "<p>found again</p>".into());
    console.press("j").await;
    assert!(console.shows("found again"), "{}", console.text());
}

#[tokio::test]
async fn an_item_opened_while_the_view_is_frozen_is_read() {
    let mut console = Console::start(Fake::with_conflicts(3), SIZE).await;
    console.press("2 p j Enter").await;
    assert!(console.shows("FROZEN") && console.shows("#2 contact"), "{}", console.text());
}

/// A world whose first item asks which of two people is meant; the second is taken.
fn ambiguous() -> Arc<Fake> {
    let mut world = conflicts(2);
    let view = world.views.get_mut(&ItemId(1)).unwrap();
    view.item.kind = model::Kind::Link;
    view.item.reasons = model::Reasons::one(model::Reason::Ambiguous);
    let mut row = fixture::field("email", "", "anna@a.example", "");
    (row.verdict, row.why, row.crm) = (model::Verdict::ToCrm, model::Why::Create, None);
    view.item.plan.fields = vec![row];
    view.verbs.insert(Verb::Pair, None);
    let anna = |side, id: &str| model::plan::Candidate { side, id: id.into(), title: "Anna Smith".into() };
    view.item.plan.candidates = ["77", "78"].map(|id| anna(Side::Crm, id)).to_vec();
    let facts = |all: &[&str]| all.iter().map(|fact| (*fact).to_owned()).collect();
    view.candidates = vec![
        wire::CandidateView { facts: facts(&["anna@a.example", "+61 2 5550 1000", "Harbour Ltd"]), paired: None },
        wire::CandidateView { facts: facts(&["anna@b.example"]), paired: Some(anna(Side::Ivvy, "12")) },
    ];
    world.rows[0].kind = model::Kind::Link;
    world.rows[0].unsolved = 0;
    Fake::new(fixture::hello(), world)
}

#[tokio::test]
async fn a_new_record_beside_candidates_is_made_only_after_a_question_v11() {
    let mut console = Console::start(ambiguous(), SIZE).await;
    console.press("2 Enter a").await;
    assert_eq!(console.decisions(), [], "nothing is made by one key");
    let said = console.text().replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ");
    for sentence in
        ["A new contact \"Anna Smith\" is made in CRM, beside the 2 that may be the same.", "cannot be undone"]
    {
        assert!(said.contains(sentence), "{sentence}: {said}");
    }
    console.press("Esc").await;
    assert_eq!(console.decisions(), []);
    console.press("a y").await;
    assert_eq!(console.decisions().len(), 1, "{}", console.text());
    assert!(console.shows("takes it back until it is written"), "{}", console.text());
    // From the list, too, and among others.
    let mut console = Console::start(ambiguous(), SIZE).await;
    console.press("2 a").await;
    assert!(console.shows("A new record is made on the other side"), "{}", console.text());
    console.press("Esc Space a").await;
    assert!(console.shows("Create a new record?"), "{}", console.text());
    assert_eq!(console.decisions(), []);
}

#[tokio::test]
async fn candidates_can_be_told_apart_and_one_that_is_taken_cannot_be_chosen_v11() {
    let mut console = Console::start(ambiguous(), SIZE).await;
    console.press("2 Enter").await;
    for said in ["anna@a.example, +61 2 5550 1000, Harbour Ltd", "paired with iVvy 12  Anna Smith", "Tab history"] {
        assert!(console.shows(said), "{said}: {}", console.text());
    }
    console.press("j Enter").await;
    assert!(console.shows("paired with iVvy 12 Anna Smith already"), "{}", console.text());
    console.press("Tab Tab").await;
    assert!(console.shows("Tab candidates"), "{}", console.text());
    console.press("Tab Enter y").await;
    let [decision] = console.decisions().try_into().unwrap();
    assert_eq!((decision.verb, decision.record), (Verb::Pair, Some("77".into())));
}

#[tokio::test]
async fn a_blocked_item_says_what_it_waits_for_v42() {
    let mut world = conflicts(2);
    let awaited = model::query::Awaited {
        module: model::ModuleId::Contacts,
        item: Some(ItemId(44)),
        state: Some(State::Held),
        title: "Jo Lee".into(),
    };
    let view = world.views.get_mut(&ItemId(1)).unwrap();
    (view.item.state, view.item.reasons) = (State::Blocked, model::Reasons::NONE);
    view.waits_for = Some(awaited.clone());
    (world.rows[0].state, world.rows[0].reasons) = (State::Blocked, model::Reasons::NONE);
    (world.rows[0].waits_for, world.rows[0].summary) = (Some(awaited), "create in CRM".into());
    world.status.modules[1].counts = [(State::Blocked, 1)].into();
    let mut console = Console::start(Fake::new(fixture::hello(), world), SIZE).await;
    assert!(console.shows("1 waits for another record, which the queue names"), "{}", console.text());
    console.press("2").await;
    assert!(console.shows("waits for #44 Jo Lee (contact, held)"), "{}", console.text());
    let row = console.marked_line().unwrap().1;
    assert!(!row.contains("to choose"), "nobody can choose while it is blocked: {row}");
    console.press("Enter").await;
    assert!(console.shows("waits for #44 Jo Lee (contact, held)"), "{}", console.text());
    console.press("i").await;
    let said = console.text().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("while the item is blocked; it waits for #44 Jo Lee (contact, held)"), "{said}");
}

#[tokio::test]
async fn a_refused_field_is_shown_marked_and_has_the_cursor() {
    let mut world = conflicts(1);
    let view = world.views.get_mut(&ItemId(1)).unwrap();
    let same = |name: &str| fixture::field(name, "", "", "");
    view.item.plan.fields = vec![fixture::field("phone", "1", "2", "1"), same("last_name"), same("first_name")];
    view.item.reasons = model::Reasons::one(model::Reason::Validation);
    let message = "a first name is missing, and the Connector takes nobody without".to_owned();
    view.item.error = Some(model::item::ItemError { message, hint: None, at: Timestamp::EPOCH });
    let mut console = Console::start(Fake::new(fixture::hello(), world), SIZE).await;
    console.press("2 Enter").await;
    let row = console.marked_line().unwrap().1;
    assert!(row.contains("First name") && row.contains('!'), "{}", console.text());
    assert!(
        !console.shows("Last name") && console.shows("This is what was refused; e sets a value"),
        "{}",
        console.text()
    );
    console.press("e").await;
    console.type_text("Anna").await;
    console.press("Enter").await;
    assert!(!console.shows("This is what was refused"), "{}", console.text());
}

#[tokio::test]
async fn a_search_without_hits_says_so() {
    let mut console = Console::start(Fake::with_conflicts(1), SIZE).await;
    console.press(":").await;
    console.type_text("frobnicate").await;
    assert!(console.shows("No action is called that"), "{}", console.text());
}

#[tokio::test]
async fn an_error_is_gone_after_a_while_or_with_the_next_key_once_it_was_read() {
    for (seconds, then) in [(61, None), (5, Some("j"))] {
        let mut console = Console::start(Fake::with_conflicts(3), SIZE).await;
        console.press("2 Enter i c").await;
        console.fake.world.lock().unwrap().faster = Some("Bob".into());
        console.press("a").await;
        assert!(console.shows("Bob was faster"), "{}", console.text());
        console.pass(Duration::from_secs(seconds)).await;
        if let Some(key) = then {
            assert!(console.shows("Bob was faster"), "{}", console.text());
            console.press(key).await;
        }
        assert!(!console.shows("Bob was faster"), "{}", console.text());
        console.press("g m").await;
        assert!(console.shows("Bob was faster"), "the messages keep it: {}", console.text());
    }
}

#[tokio::test]
async fn what_is_booked_is_approved_where_it_is_seen_s07() {
    let mut hello = fixture::hello();
    hello.modules.iter_mut().for_each(|def| def.request = Some("booking".into()));
    let mut console = Console::start(Fake::new(hello, conflicts(3)), SIZE).await;
    console.press("2 a").await;
    assert!(console.shows("open the item: what is booked is approved as it was seen"), "{}", console.text());
    assert_eq!(console.decisions(), []);
    console.press("Enter i c a").await;
    assert_eq!(console.decisions().len(), 1, "{}", console.text());
}
