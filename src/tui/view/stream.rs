//! A stream's screen: how it is doing and how it is set up, above what it set aside or gave up.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::paint::{Brush, lines};
use super::time;
use crate::model::Timestamp;
use crate::text::{Safe, wrap};
use crate::tui::app::App;
use crate::tui::stream::{Pane, Screen};
use crate::tui::theme::Tone;
use crate::wire::StreamRow;

/// Columns of what a setting is called.
const LABEL: usize = 12;
/// Characters of one setting that are shown.
const LONGEST: usize = 600;

/// What a stream's state is drawn in.
pub(super) fn tone(row: &StreamRow) -> Tone {
    let health = &row.health;
    if health.possible_loss || row.is_unprotected() || row.dead > 0 {
        Tone::Error
    } else if row.words() == ["ok"] {
        Tone::Good
    } else {
        Tone::Warn
    }
}

/// `S-360 contacts ACME`.
pub(super) fn title(row: &StreamRow) -> String {
    format!("{} {}", row.title, row.id.tenant).trim_end().to_owned()
}

/// How long ago something was.
pub(super) fn ago(at: Option<Timestamp>, now: Timestamp) -> String {
    at.map_or_else(|| "never".to_owned(), |at| format!("{} ago", time::span(now.since(at))))
}

/// When the next run is expected.
pub(super) fn next(row: &StreamRow, now: Timestamp) -> String {
    match row.health.next_expected {
        None => "-".to_owned(),
        Some(at) if at <= now => "due".to_owned(),
        Some(at) => format!("in {}", time::span(at.since(now))),
    }
}

/// `10 posts, 500`: what came together last (S-23).
pub(super) fn run(row: &StreamRow) -> String {
    row.state.run.map_or_else(
        || "-".to_owned(),
        |run| {
            let posts = if run.posts == 1 { "post" } else { "posts" };
            format!("{} {posts}, {}", time::count(run.posts.into()), time::count(run.records.into()))
        },
    )
}

pub(super) fn draw(app: &App, screen: &Screen, brush: Brush<'_>, frame: &mut Frame<'_>, area: Rect) {
    let (columns, height) = (usize::from(area.width), usize::from(area.height));
    let Some(row) = app.streams().iter().find(|row| row.id == screen.stream) else {
        let text = format!("  {} is no stream of this account any more", screen.stream);
        lines(frame, area, [Line::from(brush.fit(Tone::Dim, &Safe::limited(&text, 200), columns))]);
        return;
    };
    let mut heading = vec![Span::raw("  ")];
    heading.extend(brush.fit(Tone::Title, &Safe::limited(&title(row), 80), columns.saturating_sub(2)));
    let settings = settings(app, row, brush, columns);
    if screen.pane == Pane::Settings {
        let below = settings.into_iter().skip(screen.scroll);
        lines(frame, area, std::iter::once(Line::from(heading)).chain(below).take(height));
        return;
    }
    // The list keeps a third of the screen; what of the settings has no room is behind Tab.
    let checks = screen.pane == Pane::Checks;
    let wanted = if checks { screen.checks.rows().len() } else { screen.items().len() }.max(1) + 1;
    let reserved = wanted.min((height / 3).max(3));
    let above = settings.len().min(height.saturating_sub(1 + reserved));
    let room = height.saturating_sub(1 + above);
    let mut shown: Vec<Line<'static>> = std::iter::once(Line::from(heading)).collect();
    shown.extend(settings.into_iter().take(above));
    shown.extend(match checks {
        true => gates(app, screen, row, brush, columns, room),
        false => items(app, screen, row, brush, columns, room),
    });
    lines(frame, area, shown);
}

/// The checks at the gates, the cursor's row among what is shown.
fn gates(
    app: &App,
    screen: &Screen,
    row: &StreamRow,
    brush: Brush<'_>,
    columns: usize,
    room: usize,
) -> Vec<Line<'static>> {
    let checks = &screen.checks;
    let now = app.status.as_ref().map_or(app.now, |status| status.daemon.now);
    if checks.rows().is_empty() {
        let none = match (checks.loaded(), checks.has_more()) {
            (true, false) => "  No check has come yet.".to_owned(),
            _ => format!("  loading{}", brush.signs.more),
        };
        return vec![Line::from(brush.say(Tone::Dim, none))];
    }
    let more = if checks.has_more() { "the newest" } else { "all" };
    let aside = if row.aside > 0 { format!("; Tab: {} set aside", time::count(row.aside)) } else { String::new() };
    let title = format!("  Checks, newest first: {more} {}{aside}", time::count(checks.rows().len() as u64));
    let mut all = vec![Line::from(brush.fit(Tone::Dim, &Safe::limited(&title, 200), columns))];
    let last = checks.is_full() && checks.cursor + 1 == checks.rows().len();
    let room = room.saturating_sub(1 + usize::from(last)).max(1);
    let top = (checks.cursor + 1).saturating_sub(room);
    for (at, check) in checks.rows().iter().enumerate().skip(top).take(room) {
        let mut spans = vec![brush.marker(at == checks.cursor), Span::raw(" ")];
        let safe = |text: &str| Safe::limited(text, 100).as_str().to_owned();
        let told = |text: &Option<String>| text.as_deref().map(safe).unwrap_or_default();
        let when = check.at.as_deref().map_or_else(|| time::stamp(&app.settings.zone, check.told_at, now), safe);
        spans.push(brush.say(Tone::Dim, format!("{when}  {}  ", safe(&check.institution))));
        let result = check.result.as_deref().map_or_else(|| "?".to_owned(), safe);
        let tone = if result == "OK" { Tone::Good } else { Tone::Warn };
        let result = format!("{} {result}", told(&check.flow));
        let room = columns.saturating_sub(super::paint::width(&spans));
        spans.extend(brush.fit(tone, &Safe::limited(result.trim(), 40), room.min(12)));
        let said = |label: &str, text: &Option<String>| match text {
            Some(_) => format!("  {label}{}", told(text)),
            None => String::new(),
        };
        let rest = said("", &check.failure) + &said("ticket ", &check.ticket) + &said("barcode ", &check.barcode);
        let used = super::paint::width(&spans);
        spans.extend(brush.fit(Tone::Text, &Safe::limited(&rest, 320), columns.saturating_sub(used)));
        all.push(Line::from(spans));
    }
    if last {
        let text = "  Older ones: tandem streams access --institution".to_owned();
        all.push(Line::from(brush.say(Tone::Dim, format!("{text} {}", Safe::limited(&row.id.tenant, 40).as_str()))));
    }
    all
}

/// How far the settings can be scrolled.
pub(in crate::tui) fn furthest(app: &App, row: &StreamRow) -> usize {
    let columns = usize::from(app.size.width);
    let height = usize::from(app.size.height.saturating_sub(5));
    said(app, row, columns).len().saturating_sub(height)
}

fn settings(app: &App, row: &StreamRow, brush: Brush<'_>, columns: usize) -> Vec<Line<'static>> {
    let line = |(label, tone, text): (String, Tone, String)| {
        let label = brush.say(Tone::Dim, format!("  {label:LABEL$}"));
        Line::from(vec![label, brush.say(tone, text)])
    };
    said(app, row, columns).into_iter().map(line).collect()
}

/// Everything there is to say, wrapped: label, tone, text; what matters most first.
fn said(app: &App, row: &StreamRow, columns: usize) -> Vec<(String, Tone, String)> {
    let status = app.status.as_ref();
    let now = status.map_or(app.now, |status| status.daemon.now);
    let zone = &app.settings.zone;
    let mut all: Vec<(String, Tone, String)> = Vec::new();
    let mut say = |label: &str, tone: Tone, text: &str| {
        let text = Safe::limited(text, LONGEST);
        for (at, part) in wrap(text.as_str(), columns.saturating_sub(LABEL + 3)).into_iter().enumerate() {
            all.push((if at == 0 { label.to_owned() } else { String::new() }, tone, part));
        }
    };
    let state = &row.state;
    say("State", tone(row), &row.words().join(", "));
    row.explained().iter().for_each(|sentence| say("", Tone::Text, sentence));
    if let Some((done, total)) = row.reconciling {
        say("Reconciling", Tone::Text, &format!("{} of {} records", time::count(done), time::count(total)));
    }
    if let Some(gap) = state.possible_loss {
        let between = format!("{} and {}", time::stamp(zone, gap.from, now), time::stamp(zone, gap.to, now));
        say("Outage", Tone::Warn, &format!("nothing was taken between {between}"));
    }
    if let Some(error) = &state.last_error {
        let at = state.last_error_at.map_or_else(String::new, |at| format!("{}: ", time::stamp(zone, at, now)));
        say("Last error", Tone::Error, &format!("{at}{error}"));
    }
    if row.needs_first_sync {
        let text = match &state.first_sync {
            Some(set) => format!("{}, set by {} on {}", set.entered, set.by, zone.at(set.at).format("%Y-%m-%d")),
            None => "not set".to_owned(),
        };
        say("First sync", if state.first_sync.is_some() { Tone::Text } else { Tone::Warn }, &text);
    }
    let tested = state.tested_at.map_or_else(|| "never".to_owned(), |at| time::stamp(zone, at, now));
    let expected = if row.rhythm.is_some() { format!(", next {}", next(row, now)) } else { String::new() };
    say("Last", Tone::Text, &format!("{}{expected}; last run {}", ago(state.last_at, now), run(row)));
    say(if row.inbound { "Comes in at" } else { "Goes to" }, Tone::Text, &row.place);
    let secrets = if row.secrets > 1 { ", two secrets are valid while they are changed" } else { "" };
    match row.is_unprotected() {
        true => say("Auth", Tone::Error, "none: UNPROTECTED"),
        false => say("Auth", Tone::Text, &format!("{}{secrets}", row.auth)),
    }
    if let Some(rhythm) = row.rhythm {
        let (per_run, per_payload) = (time::count(rhythm.per_run.into()), time::count(rhythm.per_payload.into()));
        let text = format!(
            "every {}, up to {per_run} a run in posts of {per_payload}, given up after {} runs",
            time::span(rhythm.every),
            rhythm.tries
        );
        say("Rhythm", Tone::Text, &text);
    }
    say("Counts", Tone::Text, &counts(row));
    let operator = match (row.inbound, row.operator) {
        (true, true) => "its system can be asked, too",
        (true, false) => "receive-only: nothing is asked of its system",
        (false, _) => "we post",
    };
    say("Way", Tone::Text, &format!("{operator}; tested {tested}"));
    let modules: Vec<&str> = row.modules.iter().map(|module| module.title()).collect();
    say("Modules", Tone::Text, &if modules.is_empty() { "none".to_owned() } else { modules.join(", ") });
    all
}

fn counts(row: &StreamRow) -> String {
    let state = &row.state;
    let records = if state.records == 1 { "record" } else { "records" };
    let posts = if state.payloads == 1 { "post" } else { "posts" };
    let taken = format!("{} {records} in {} {posts}", time::count(state.records), time::count(state.payloads));
    let others = [
        (row.pending, "waiting"),
        (row.unfinished, "unanswered"),
        (state.repeated, "repeated"),
        (state.refused, "refused"),
        (state.unstored, "not stored"),
    ];
    let others = others.iter().filter(|(count, _)| *count > 0);
    others.fold(taken, |text, (count, what)| format!("{text}, {} {what}", time::count(*count)))
}

/// The list with its title, the cursor's row among what is shown.
fn items(
    app: &App,
    screen: &Screen,
    row: &StreamRow,
    brush: Brush<'_>,
    columns: usize,
    room: usize,
) -> Vec<Line<'static>> {
    let now = app.status.as_ref().map_or(app.now, |status| status.daemon.now);
    let (number, what) = if row.inbound { (row.aside, "Set aside") } else { (row.dead, "Dead posts") };
    let none = match (screen.loaded(), row.inbound) {
        (false, _) => format!("  loading{}", brush.signs.more),
        (true, true) => "  Nothing is set aside.".to_owned(),
        (true, false) => "  No post is dead.".to_owned(),
    };
    if screen.items().is_empty() {
        return vec![Line::from(brush.say(Tone::Dim, none))];
    }
    let title = format!("  {what}: {}, oldest first", time::count(number.max(screen.items().len() as u64)));
    let mut all = vec![Line::from(brush.say(Tone::Dim, title))];
    let room = room.saturating_sub(1).max(1);
    let top = (screen.cursor + 1).saturating_sub(room);
    for (at, item) in screen.items().iter().enumerate().skip(top).take(room) {
        let mut spans = vec![brush.marker(at == screen.cursor), Span::raw(" ")];
        let place = item.index.map_or_else(String::new, |index| format!(" place {}", index + 1));
        let at = time::stamp(&app.settings.zone, item.at, now);
        let id = item.id.as_deref().map_or_else(String::new, |id| format!("  {}", Safe::limited(id, 40).as_str()));
        spans.push(brush.say(Tone::Dim, format!("{} {at}{place}", item.number)));
        spans.push(brush.say(Tone::Title, id));
        let used = super::paint::width(&spans);
        let why = Safe::limited(&format!("  {}", item.why), 300);
        spans.extend(brush.fit(Tone::Text, &why, columns.saturating_sub(used)));
        all.push(Line::from(spans));
    }
    all
}
