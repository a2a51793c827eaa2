//! What each screen looks like, at each size, with each kind of data; and what reaches the terminal
//! when the data is hostile.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests are tests

#[path = "../src/tui/fixture.rs"]
#[allow(dead_code)]
mod fixture;
mod tui_support;

use std::collections::BTreeMap;
use std::sync::Arc;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Modifier;
// The fixture is shared with the library's unit tests and speaks of `crate::…`.
use tandem::model::{ItemId, ModuleId, Reason, Reasons, RecordId, Side, State};
use tandem::wire::{Hello, ModuleStatus};
#[allow(unused_imports)]
use tandem::{error, model, wire};
use tui_support::{Console, Fake, World, conflicts, keys, play, typed};

const SIZES: [(u16, u16); 4] = [(120, 40), (80, 24), (60, 20), (40, 10)];

fn picture(terminal: &Terminal<TestBackend>) -> String {
    let buffer = terminal.backend().buffer();
    let area = buffer.area;
    let mut text = String::new();
    for y in 0..area.height {
        let mut line = String::new();
        let mut skip = 0;
        for x in 0..area.width {
            let symbol = buffer[(x, y)].symbol();
            if skip > 0 {
                skip -= 1;
                continue;
            }
            line.push_str(symbol);
            skip = tandem::text::width(symbol).saturating_sub(1);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

async fn at_all_sizes(fake: impl Fn() -> Arc<Fake>, presses: &str) -> String {
    let mut all = String::new();
    for size in SIZES {
        let terminal = play(&fake(), size, keys(presses)).await;
        all += &format!("=== {}x{}\n{}", size.0, size.1, picture(&terminal));
    }
    all
}

/// Records that look ordinary, foreign, long and hostile.
fn odd_world() -> World {
    world_of(&[
        "漢字カタカナ株式会社 東京オフィス",
        "👩‍👩‍👧 Family & 🏳️‍🌈 Friends",
        "شركة المثال للفعاليات",
        "pay\u{202e}lap\u{200b} \x1b]0;owned\x07\x1b[31mred",
        "\u{9b}2J\u{9d}52;c;AAAA\u{9c} \r\n\t null\0",
    ])
}

/// A world in which every text is one of these.
fn world_of(titles: &[&str]) -> World {
    let mut world = conflicts(titles.len() as u64);
    for (row, title) in world.rows.iter_mut().zip(titles) {
        row.title = (*title).into();
        row.summary = format!("summary {title}");
        row.assigned = Some((*title).into());
    }
    let long = "a very long value ".repeat(570);
    for (at, title) in titles.iter().copied().enumerate() {
        let fields = vec![
            fixture::field("first_name", "x", title, &format!("{title} two")),
            fixture::field("last_name", "", &long, "short"),
        ];
        let mut view = fixture::view(at as u64 + 1, title, fields);
        view.authors = BTreeMap::from([(Side::Ivvy, title.to_owned()), (Side::Crm, title.to_owned())]);
        view.item.plan.ivvy = Some(RecordId::from(title));
        view.item.plan.summary = title.into();
        for row in &mut view.history {
            row.actor.name = title.into();
            row.what = model::AuditEvent::Moved { state: State::Held, cause: title.into() };
        }
        world.views.insert(ItemId(at as u64 + 1), view);
    }
    for (row, title) in world.audit.iter_mut().zip(titles.iter().cycle()) {
        row.actor.name = (*title).into();
        row.what = model::AuditEvent::Operated { what: (*title).into() };
    }
    for (remote, title) in world.status.remotes.iter_mut().zip(titles.iter().rev()) {
        remote.name = (*title).into();
        remote.last_error = Some((*title).into());
    }
    for (module, title) in world.status.modules.iter_mut().zip(titles.iter().rev()) {
        module.last_error = Some((*title).into());
        module.guard = Some((*title).into());
        module.state = (*title).into();
    }
    for (run, title) in world.runs.iter_mut().zip(titles.iter().cycle()) {
        (run.end, run.error) = (model::RunEnd::Failed, Some((*title).into()));
    }
    world.status.daemon.last_error = titles.last().map(|title| (*title).into());
    world
}

fn hostile_hello() -> Hello {
    let bad = "\x1b]0;owned\x07\u{202e}";
    Hello {
        account: bad.into(),
        environment: format!("prod{bad}"),
        operator: bad.into(),
        crm: bad.into(),
        guarantees: BTreeMap::from([(Side::Ivvy, bad.into()), (Side::Crm, bad.into())]),
        ..fixture::hello()
    }
}

#[tokio::test]
async fn dashboard() {
    insta::assert_snapshot!(at_all_sizes(|| Fake::with_conflicts(88_123), "1").await);
}

/// With all eight modules the row under the cursor and what is wrong with a remote are seen at any size.
#[tokio::test]
async fn dashboard_of_every_module() {
    let fake = || {
        let mut status = tui_support::status(12);
        let last = status.modules.pop().unwrap();
        // Orders are S-360's alone.
        let others = ModuleId::ALL[1..].iter().filter(|name| **name != ModuleId::Orders);
        status.modules.extend(others.map(|name| ModuleStatus { name: *name, ..last.clone() }));
        for quiet in status.modules.iter_mut().skip(3).step_by(2) {
            quiet.counts.clear();
        }
        Fake::new(fixture::hello(), World { status, ..World::default() })
    };
    let mut all = at_all_sizes(fake, "1").await;
    all += &at_all_sizes(fake, "1 G").await;
    for size in SIZES {
        for presses in ["1", "1 j j j j", "1 G"] {
            let shown = picture(&play(&fake(), size, keys(presses)).await);
            let seen =
                shown.lines().any(|line| line.starts_with('>')) && shown.contains("odoo") && shown.contains("resting");
            assert!(seen, "{presses} at {size:?}\n{shown}");
        }
    }
    insta::assert_snapshot!(all);
}

#[tokio::test]
async fn queue() {
    insta::assert_snapshot!(at_all_sizes(|| Fake::with_conflicts(1_234), "2 j j Space").await);
}

#[tokio::test]
async fn diff() {
    insta::assert_snapshot!(at_all_sizes(|| Fake::with_conflicts(3), "2 Enter i").await);
}

/// A page that would take the terminal over, hide words and run scripts, if anything here let it.
const HOSTILE_PAGE: &str = "<html><head><title>Hidden</title><style>p{color:red}</style><script>steal('\x1b]52;c;QQ==\x07')\
    </script></head><body onload='x()'><table><tr><td><h1>Your booking</h1><p>Dear Zo&euml; \u{202e}evil\u{200b} &#27;[31m\
    \x1b]0;owned\x07&#x9b;2J,</p><p>see <a href='https://venue.example/b?id=1&amp;t=2'>the booking</a> or \
    <a href='javascript:alert(1)'>this</a>.<img src='http://track.example/pixel.gif'></p><pre>a\tb\r\n漢字カタカナ</pre>\
    <p>Write to <a href='mailto:desk@venue.example'>the desk</a>.</p></td></tr></table></body></html>";

#[tokio::test]
async fn long_values_v33() {
    let mut all = String::new();
    for presses in ["2 Enter j Enter", "2 Enter j Enter s", "2 Enter j Enter w"] {
        all += &format!("##### {presses}\n{}", at_all_sizes(|| tui_support::mail(HOSTILE_PAGE), presses).await);
    }
    for hidden in ["\x1b", "\u{9b}", "\u{202e}", "\u{200b}"] {
        assert!(!all.contains(hidden), "{hidden:?}");
    }
    insta::assert_snapshot!(all);
}

#[tokio::test]
async fn log() {
    insta::assert_snapshot!(at_all_sizes(|| Fake::with_conflicts(120), "4 j").await);
}

#[tokio::test]
async fn match_tables() {
    let fake = || {
        let matches = tui_support::staff(40);
        Fake::new(fixture::hello(), World { status: tui_support::status(0), matches, ..World::default() })
    };
    let mut all = at_all_sizes(fake, "5 j j").await;
    all += &at_all_sizes(fake, "5 j j j e Down Down").await;
    for presses in ["5 m", "5 l l", "5 w j j +"] {
        all += &format!("=== {presses}\n{}", picture(&play(&fake(), (100, 16), keys(presses)).await));
    }
    insta::assert_snapshot!(all);
}

fn mapped(map: wire::MapView) -> Arc<Fake> {
    Fake::new(fixture::hello(), World { map: Some(map), ..conflicts(12) })
}

/// V-19: the field map, the choice of a counterpart, the form and the question before it is done.
#[tokio::test]
async fn field_map_v19() {
    let mut all = String::new();
    for presses in ["M", "M j j", "M j j j", "M j j j Enter Down", "M j j j Enter Down Enter", "M j -", "M v"] {
        all += &format!("##### {presses}\n{}", at_all_sizes(|| mapped(fixture::field_map()), presses).await);
    }
    let sure = [keys("M j j j Enter Down Enter"), typed("\t\tg"), keys("C-d")].concat();
    let terminal = play(&mapped(fixture::field_map()), (40, 10), sure).await;
    all += &format!("##### the question at 40x10\n{}", picture(&terminal));
    let mut unknown = fixture::field_map();
    unknown.errors = BTreeMap::from([(Side::Crm, "odoo fields_get: 403 Forbidden".to_owned())]);
    unknown.definitions.remove(&Side::Crm);
    all += &format!("##### one side does not answer\n{}", picture(&play(&mapped(unknown), (80, 24), keys("M")).await));
    insta::assert_snapshot!(all);
}

#[tokio::test]
async fn a_field_map_of_hostile_names_is_harmless_at_any_size_v19() {
    let names = [
        "漢字カタカナ株式会社",
        "شركة المثال",
        "pay\u{202e}lap\u{200b} \x1b]0;owned\x07\x1b[31m",
        "\u{9b}2J\u{9d}52;c;AAAA\u{9c} \r\n\t\0",
    ];
    let hostile = || {
        let mut map = fixture::field_map();
        for definitions in map.definitions.values_mut() {
            for (definition, name) in definitions.iter_mut().zip(names.iter().cycle()) {
                definition.title = (*name).to_owned();
            }
        }
        for (line, name) in map.mapped.iter_mut().zip(names.iter().rev()) {
            line.field.title = Some((*name).to_owned());
            line.findings.iter_mut().for_each(|finding| finding.text = (*name).to_owned());
        }
        map.last.as_mut().unwrap().by.name = names[2].to_owned();
        map.suggestions[0].crm = names[3].to_owned();
        mapped(map)
    };
    let mut all = String::new();
    for presses in ["M", "M j j", "M j j j", "M j j j Enter Down", "M j e", "M v"] {
        all += &format!("##### {presses}\n{}", at_all_sizes(hostile, presses).await);
    }
    for hidden in ["\x1b", "\u{9b}", "\u{9d}", "\u{202e}", "\u{200b}", "\x07", "\0"] {
        assert!(!all.contains(hidden), "{hidden:?}");
    }
    for size in [(40, 10), (41, 11), (57, 13), (200, 60)] {
        play(&hostile(), size, keys("M G k e Esc Esc")).await;
    }
}

#[tokio::test]
async fn nothing_to_do() {
    let empty = || Fake::new(fixture::hello(), World { status: tui_support::status(0), ..World::default() });
    let mut all = String::new();
    for tab in ["1", "2", "3", "4", "5"] {
        all += &format!("=== tab {tab}\n{}", picture(&play(&empty(), (80, 24), keys(tab)).await));
    }
    insta::assert_snapshot!(all);
}

#[tokio::test]
async fn odd_records() {
    let mut all = String::new();
    for presses in ["1", "2", "2 Enter", "2 j j j Enter", "4"] {
        let fake = Fake::new(fixture::hello(), odd_world());
        all += &format!("=== {presses}\n{}", picture(&play(&fake, (100, 20), keys(presses)).await));
    }
    insta::assert_snapshot!(all);
}

#[tokio::test]
async fn a_module_looked_at_closely() {
    let mut all = at_all_sizes(|| Fake::with_conflicts(88_123), "Enter").await;
    all += "=== and further down, 40x10\n";
    all += &picture(&play(&Fake::with_conflicts(88_123), (40, 10), keys("Enter Tab j j")).await);
    // A one-way module that follows another one's switch, and tripped.
    let mut world = conflicts(3);
    world.status.modules[0].name = ModuleId::Attendees;
    let fake = Fake::new(fixture::hello(), world);
    all += &format!("=== attendees\n{}", picture(&play(&fake, (120, 40), keys("G Enter")).await));
    insta::assert_snapshot!(all);
}

#[tokio::test]
async fn dialogs() {
    let mut all = String::new();
    for presses in ["2 ?", "2 :", "2 x", "2 Enter F", "2 Space Space s", "d", "2 Enter e", "2 g", "2 Enter z"] {
        let fake = Fake::with_conflicts(12);
        all += &format!("=== {presses}\n{}", picture(&play(&fake, (80, 24), keys(presses)).await));
    }
    let check = [keys(":"), typed("check"), keys("Enter")].concat();
    all += &format!("=== :check\n{}", picture(&play(&Fake::with_conflicts(1), (80, 24), check).await));
    insta::assert_snapshot!(all);
}

#[tokio::test]
async fn candidates_for_a_first_pairing() {
    let anna = |side, id: &str, title: &str| model::plan::Candidate { side, id: id.into(), title: title.into() };
    let fake = || {
        let mut world = conflicts(1);
        let view = world.views.get_mut(&ItemId(1)).unwrap();
        view.item.plan.fields.clear();
        view.item.reasons = Reasons::one(Reason::Ambiguous);
        view.verbs.insert(model::Verb::Pair, None);
        view.item.plan.candidates = ["77", "78", "79"].map(|id| anna(Side::Crm, id, "Anna Smith")).to_vec();
        let known = |facts: &[&str], paired| wire::CandidateView {
            facts: facts.iter().map(|fact| (*fact).to_owned()).collect(),
            paired,
        };
        view.candidates = vec![
            known(&["anna@a.example", "+61 2 5550 1000", "Harbour Ltd"], None),
            known(&["anna@b.example"], Some(anna(Side::Ivvy, "12", "Anna Smith"))),
            known(&[], None),
        ];
        Fake::new(fixture::hello(), world)
    };
    let mut all = at_all_sizes(fake, "2 Enter").await;
    all += &at_all_sizes(fake, "2 Enter j j Enter").await;
    insta::assert_snapshot!(all);
}

#[tokio::test]
async fn too_small_a_terminal_gets_one_calm_sentence() {
    let terminal = play(&Fake::with_conflicts(5), (30, 8), keys("2 j")).await;
    assert!(picture(&terminal).contains("needs 40×10; now 30×8"), "{}", picture(&terminal));
}

#[tokio::test]
async fn no_size_and_no_dialog_panics() {
    let tours = [
        "1",
        "2 Space",
        "2 Enter",
        "4",
        "2 ?",
        "2 Enter F",
        "d",
        "Enter G",
        "Enter Tab j G",
        "2 g",
        "2 Space Space s",
        "2 Enter e",
        "3 Tab",
        "2 /",
    ];
    for (width, height) in
        (0..6).flat_map(|w| (0..6).map(move |h| (w, h))).chain([(40, 10), (41, 11), (59, 12), (300, 5), (5, 300)])
    {
        for presses in tours {
            play(&Fake::new(fixture::hello(), odd_world()), (width, height), keys(presses)).await;
        }
    }
}

#[tokio::test]
async fn a_small_screen_still_shows_every_field_of_a_form() {
    let terminal = play(&Fake::with_conflicts(3), (40, 10), keys("2 Enter F")).await;
    let shown = picture(&terminal);
    for needed in ["winning side", "type 1:", "reason:", "cancel"] {
        assert!(shown.contains(needed), "{needed} is missing:\n{shown}");
    }
}

/// Where each attribute is used: letters of a compact map, one per cell.
fn styles(terminal: &Terminal<TestBackend>, line: u16) -> String {
    let buffer = terminal.backend().buffer();
    (0..buffer.area.width)
        .map(|x| {
            let modifier = buffer[(x, line)].modifier;
            match (
                modifier.contains(Modifier::REVERSED),
                modifier.contains(Modifier::UNDERLINED),
                modifier.contains(Modifier::BOLD),
            ) {
                (true, ..) => 'R',
                (_, true, _) => 'U',
                (_, _, true) => 'B',
                _ => '.',
            }
        })
        .collect()
}

#[tokio::test]
async fn the_selection_is_one_marked_cell_and_changed_words_stand_out() {
    let terminal = play(&Fake::with_conflicts(9), (120, 40), keys("2 j")).await;
    assert!(
        styles(&terminal, 5).starts_with("R...") && !styles(&terminal, 4).contains('R'),
        "{}",
        styles(&terminal, 5)
    );
    let terminal = play(&Fake::with_conflicts(9), (120, 40), keys("2 Enter")).await;
    let shown = picture(&terminal);
    let line = shown.lines().position(|line| line.contains("Last name")).unwrap();
    let map = styles(&terminal, line as u16);
    let text = shown.lines().nth(line).unwrap();
    let at = text.find("Smith-Lee").map(|byte| text[..byte].chars().count()).unwrap();
    assert_eq!(&map[at..at + 9], ".....UUUU", "{text}\n{map}");
}

#[tokio::test]
async fn production_is_worded_and_drawn_differently() {
    let hello = Hello { environment: "production".into(), ..fixture::hello() };
    let terminal = play(&Fake::new(hello, conflicts(3)), (80, 24), keys("2")).await;
    let shown = picture(&terminal);
    assert!(shown.starts_with(" PRODUCTION ") && shown.lines().nth(1).unwrap().starts_with("════"), "{shown}");
    let sandbox = picture(&play(&Fake::with_conflicts(3), (80, 24), keys("2")).await);
    assert!(sandbox.lines().nth(1).unwrap().starts_with("────"));
}

fn trimmed(console: &Console) -> Vec<String> {
    console.text().lines().map(|line| line.trim_end().to_owned()).collect()
}

/// The escape sequences our own backend uses, and nothing else.
fn foreign_sequences(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8(bytes.to_vec()).expect("the stream is UTF-8");
    let mut foreign = Vec::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find(|c: char| c.is_control() || matches!(c as u32, 0x80..=0x9f)) {
        rest = &rest[at..];
        let end = match rest.strip_prefix("\x1b[") {
            Some(body) => body.find(|c: char| ('@'..='~').contains(&c)).map(|end| end + 3),
            None => None,
        };
        let Some(end) = end else {
            foreign.push(rest.chars().take(12).collect());
            rest = &rest[rest.chars().next().map_or(1, char::len_utf8)..];
            continue;
        };
        let sequence = &rest[..end];
        let ours =
            matches!(sequence, "\x1b[?2026h" | "\x1b[?2026l" | "\x1b[?25l" | "\x1b[?25h" | "\x1b[2J" | "\x1b[2K")
                || ["H", "m"].iter().any(|last| {
                    let body = sequence[2..].strip_suffix(last);
                    body.is_some_and(|body| body.chars().all(|c| c.is_ascii_digit() || c == ';'))
                });
        if !ours {
            foreign.push(sequence.to_owned());
        }
        rest = &rest[end..];
    }
    foreign
}

#[tokio::test]
async fn hostile_records_write_no_sequence_of_their_own() {
    let tours = [
        "1 d Esc Enter j Tab j G Esc",
        "2 j j j j Enter Enter Esc Tab Esc",
        "4 j",
        "2 j j j Space j Space s Esc g m Esc",
        "2 j j j Enter F Esc e Esc i",
    ];
    for presses in tours {
        let mut console = Console::start(Fake::new(hostile_hello(), odd_world()), (100, 30)).await;
        for step in presses.split(' ') {
            console.press(step).await;
            // What was drawn piece by piece is what a full repaint draws.
            let incremental = trimmed(&console);
            console.give(crossterm::event::Event::Resize(100, 30)).await;
            for (drawn, repainted) in incremental.iter().zip(trimmed(&console)) {
                // Emulators disagree with each other about the width of joined emoji.
                if !repainted.contains('\u{200d}') {
                    assert_eq!(*drawn, repainted, "after {step} of {presses}");
                }
            }
            for bad in ["\u{202e}", "\u{200b}", "\x07"] {
                assert!(!console.text().contains(bad), "{step}: {bad:?} on the screen");
            }
        }
        console.event(tandem::tui::BackendEvent::Disconnected("\x1b]52;c;AAAA\x07".into())).await;
        let bytes = console.screen.bytes.lock().unwrap().clone();
        assert_eq!(foreign_sequences(&bytes), Vec::<String>::new(), "{presses}");
        let emulated = console.screen.emulated.lock().unwrap();
        assert_eq!(emulated.callbacks().seen, Vec::<String>::new(), "{presses}");
    }
}

/// Every name and body of the hostile corpus, in every screen and in each way of reading a body (V-33).
#[tokio::test]
async fn the_hostile_corpus_is_shown_safely_everywhere() {
    let corpus: Vec<&str> =
        tandem::sim::people::HOSTILE.iter().chain(tandem::sim::ivvy::HOSTILE_BODIES).copied().collect();
    let mut shown = Vec::new();
    for half in corpus.chunks(corpus.len() / 2 + 1) {
        let mut world = world_of(half);
        world.matches = tui_support::staff(half.len());
        for (row, text) in world.matches.iter_mut().zip(half.iter().cycle()) {
            row.name = (*text).into();
            row.email = Some((*text).into());
        }
        shown.push((
            Fake::new(hostile_hello(), world),
            "1 2 Enter j Enter Esc 2 j Enter Tab 3 4 j Enter Esc 5 j e Esc".to_owned(),
        ));
    }
    for body in &corpus {
        for way in ["", " s", " w", " v"] {
            shown.push((tui_support::mail(&body.repeat(50)), format!("2 Enter j Enter{way} PageDown End Esc")));
        }
    }
    for (fake, presses) in shown {
        let mut console = Console::start(fake, (100, 30)).await;
        for step in presses.split(' ') {
            console.press(step).await;
            assert!(
                !console.text().chars().any(|c| c != '\n' && tandem::text::is_revealed(c)),
                "after {step} of {presses}"
            );
        }
        let bytes = console.screen.bytes.lock().unwrap().clone();
        assert_eq!(foreign_sequences(&bytes), Vec::<String>::new(), "{presses}");
        let emulated = console.screen.emulated.lock().unwrap();
        assert_eq!(emulated.callbacks().seen, Vec::<String>::new(), "{presses}");
    }
}

#[test]
fn the_check_for_foreign_sequences_can_fail() {
    assert_eq!(foreign_sequences(b"\x1b[3;4Hok\x1b[31m").len(), 0);
    for bad in ["\x1b]0;t\x07", "\u{9b}2J", "a\x07", "\x1b[?1049l", "\x1b[6n", "\r"] {
        assert!(!foreign_sequences(bad.as_bytes()).is_empty(), "{bad:?}");
    }
}
