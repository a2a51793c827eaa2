//! The dashboard: modules, remotes, the daemon.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::layout::Room;
use super::paint::{Brush, Signs, Spans, lines};
use super::time;
use crate::model::{MatchKind, MatchState, ModuleId, Reason, State, Timestamp};
use crate::seam::Zone;
use crate::text::Safe;
use crate::tui::action::ActionId;
use crate::tui::app::App;
use crate::tui::theme::Tone;
use crate::wire::{MatchStatus, ModuleStatus, NotificationStatus, RemoteStatus, Status, StreamRow};

pub(super) fn draw(app: &App, brush: Brush<'_>, frame: &mut Frame<'_>, area: Rect) {
    let Some(status) = &app.status else {
        lines(frame, area, [Line::from(brush.say(Tone::Dim, format!("  asking the daemon{}", brush.signs.more)))]);
        return;
    };
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    let room = Room::of(area.width);
    // What is wrong with a remote must be seen whatever the size; so must the row under the cursor.
    let candidates =
        [(Detail::All, true), (Detail::Speaking, true), (Detail::Speaking, false), (Detail::Cursor, false)];
    let mut rows = Vec::new();
    for (detail, whole) in candidates {
        let modules = modules(app, brush, status, room, detail);
        let below = remotes(app, brush, status, width, whole);
        let above = height.saturating_sub(below.len());
        let fits = modules.len() <= above;
        rows = window(modules, app.module, above);
        rows.extend(below);
        if fits {
            break;
        }
    }
    lines(frame, area, rows.into_iter().map(|(_, line)| line));
}

/// How much is said below each module.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// Always a line, so that a sweep that begins or ends moves nothing.
    All,
    /// Only what somebody should know.
    Speaking,
    /// As before, and only of the module under the cursor.
    Cursor,
}

/// Lines with the index of the module they belong to.
type Rows = Vec<(Option<usize>, Line<'static>)>;

fn modules(app: &App, brush: Brush<'_>, status: &Status, room: Room, detail: Detail) -> Rows {
    let width = usize::from(app.size.width);
    let mut rows = vec![(None, titles(brush, room, width))];
    for (at, module) in status.modules.iter().enumerate() {
        let here = at == app.module;
        let posts = dead_posts(status, module.name);
        rows.push((Some(at), module_line(brush, room, width, module, posts, here)));
        if here || detail != Detail::Cursor {
            let notes = module_notes(app, brush, module, posts, width, detail != Detail::All);
            rows.extend(notes.into_iter().map(|line| (Some(at), line)));
        }
    }
    if status.modules.is_empty() {
        rows.push((None, Line::from(brush.say(Tone::Dim, "  no module is switched on"))));
    }
    rows.extend(streams(app, brush, status, room, detail));
    rows
}

/// Posts of a module's records that nobody took. Their records are handed over, so no item is dead.
fn dead_posts(status: &Status, module: ModuleId) -> u64 {
    let own = status.streams.iter().filter(|row| !row.inbound && row.modules.contains(&module));
    own.map(|row| row.dead).sum()
}

/// One row per stream; nothing where there is none.
fn streams(app: &App, brush: Brush<'_>, status: &Status, room: Room, detail: Detail) -> Rows {
    if status.streams.is_empty() {
        return Vec::new();
    }
    let columns = stream_columns(room, usize::from(app.size.width));
    let mut titles: Spans = vec![Span::raw("  ")];
    for (title, columns) in columns {
        titles.extend(brush.word(Tone::Dim, title, columns));
    }
    let mut rows: Rows = Vec::new();
    if detail == Detail::All {
        rows.push((None, Line::default()));
    }
    rows.push((None, Line::from(titles)));
    for (at, row) in status.streams.iter().enumerate() {
        let at = status.modules.len() + at;
        rows.push((Some(at), stream_line(brush, row, status.daemon.now, columns, at == app.module)));
    }
    rows
}

/// Title and width of each column of a stream; the last shown ones are left out where there is no room.
fn stream_columns(room: Room, width: usize) -> [(&'static str, usize); 6] {
    let widths = match room {
        Room::Wide if width < 118 => [26, width.saturating_sub(2 + 26 + 12 + 11 + 12), 12, 11, 0, 12],
        Room::Wide => [30, 34, 12, 11, 17, 12],
        Room::Medium if width < 76 => [23, width.saturating_sub(2 + 23 + 10), 0, 10, 0, 0],
        Room::Medium => [24, width.saturating_sub(2 + 24 + 11 + 10), 11, 10, 0, 0],
        Room::Narrow => [20, width.saturating_sub(2 + 20), 0, 0, 0, 0],
    };
    let titles = ["Stream", "State", "Last", "Next", "Last run", "Records"];
    std::array::from_fn(|at| (titles[at], widths[at]))
}

fn stream_line(
    brush: Brush<'_>,
    row: &StreamRow,
    now: Timestamp,
    columns: [(&'static str, usize); 6],
    here: bool,
) -> Line<'static> {
    use super::stream;
    let mut spans: Spans = vec![brush.marker(here), Span::raw(" ")];
    let cells = [
        (Tone::Title, stream::title(row)),
        (stream::tone(row), row.words().join(", ")),
        (Tone::Text, stream::ago(row.state.last_at, now)),
        (Tone::Text, stream::next(row, now)),
        (Tone::Text, stream::run(row)),
        (Tone::Text, time::count(row.state.records)),
    ];
    for ((tone, text), (_, columns)) in cells.into_iter().zip(columns).filter(|(_, (_, columns))| *columns > 0) {
        spans.extend(brush.fit(tone, &Safe::limited(&text, 200), columns - 1));
        spans.push(Span::raw(" "));
    }
    Line::from(spans)
}

/// The titles and as many of the other rows as there is room for, those of the module under the cursor
/// among them.
fn window(mut rows: Rows, cursor: usize, height: usize) -> Rows {
    let last = rows.iter().rposition(|(module, _)| *module == Some(cursor)).unwrap_or(0);
    let first = rows.iter().position(|(module, _)| *module == Some(cursor)).unwrap_or(0);
    // Its own line goes before its notes when there is not even room for those.
    let above = (last + 1).saturating_sub(height.max(1)).min(first.saturating_sub(1));
    rows.drain(1..=above);
    rows.truncate(height);
    rows
}

/// Remotes, notifications and the daemon; `whole` with titles, notes and space around.
fn remotes(app: &App, brush: Brush<'_>, status: &Status, width: usize, whole: bool) -> Rows {
    let mut rows = Vec::new();
    if whole {
        rows.extend([Line::default(), Line::from(brush.say(Tone::Dim, "  Remote"))]);
    }
    for remote in &status.remotes {
        rows.push(remote_line(brush, remote, width));
        let note =
            remote_note(remote, &app.settings.zone, status.daemon.now).filter(|_| whole || !remote.held.is_empty());
        if let Some(note) = note {
            let mut spans = vec![Span::raw("    ")];
            let tone = if remote.held.is_empty() { Tone::Dim } else { Tone::Warn };
            spans.extend(brush.fit(tone, &Safe::limited(&note, 200), width.saturating_sub(4)));
            rows.push(Line::from(spans));
        }
    }
    if let Some(seen) = status.notifications.as_ref().filter(|seen| whole || seen.refused > 0) {
        let text = format!("  {}", notifications(seen, status.daemon.now));
        let tone = if seen.refused > 0 { Tone::Warn } else { Tone::Dim };
        rows.push(Line::from(brush.fit(tone, &Safe::limited(&text, 200), width)));
    }
    for (tone, text) in matches(status).into_iter().filter(|(tone, _)| whole || *tone == Tone::Warn) {
        rows.push(Line::from(brush.fit(tone, &Safe::limited(&format!("  {text}"), 400), width)));
    }
    if whole {
        let on: Vec<ModuleId> = status.modules.iter().map(|module| module.name).collect();
        if let Some((what, how)) = super::module::off(&on, brush.names, &app.hello.impossible) {
            let room = width.saturating_sub(2);
            let mut parts = crate::text::wrap(&what, room);
            // What is to be typed is not broken while it fits a line of its own.
            match parts.last_mut() {
                Some(last) if last.len() + 1 + how.len() <= room => *last = format!("{last} {how}"),
                _ => parts.extend(crate::text::wrap(&how, room)),
            }
            rows.extend(parts.into_iter().map(|part| Line::from(brush.say(Tone::Dim, format!("  {part}")))));
        }
        rows.extend([Line::default(), daemon_line(app, brush, width)]);
    }
    rows.into_iter().map(|line| (None, line)).collect()
}

/// Title and width of each column of figures that has room as a whole: half a number says another one.
fn figures(room: Room, width: usize) -> impl Iterator<Item = (&'static str, usize)> {
    let columns: &'static [(&'static str, usize)] = match room {
        Room::Wide => &[
            ("Direction", 10),
            ("Held", 7),
            ("Ready", 7),
            ("Retry", 6),
            ("Dead", 6),
            ("Lag", 8),
            ("Next", 8),
            ("Writes/min", 11),
        ],
        Room::Medium => &[("Held", 7), ("Ready", 7), ("Dead", 6), ("Lag", 8), ("Next", 8)],
        Room::Narrow => &[("Held", 9), ("Dead", 7)],
    };
    let mut left = width.saturating_sub(2 + group_columns(width) + NAME + STATE);
    columns.iter().copied().take_while(move |(_, columns)| {
        let fits = *columns <= left;
        left = left.saturating_sub(*columns);
        fits
    })
}

const NAME: usize = 18;
const STATE: usize = 9;
/// Columns of the group, where there is room for it (V-02).
const GROUP: usize = 8;

fn group_columns(width: usize) -> usize {
    if width >= 76 { GROUP } else { 0 }
}

/// What a state word is drawn in.
pub(super) fn state_tone(state: &str) -> Tone {
    match state {
        "running" | "syncing" => Tone::Good,
        "failing" | "stopped" => Tone::Error,
        _ => Tone::Warn,
    }
}

fn titles(brush: Brush<'_>, room: Room, width: usize) -> Line<'static> {
    let mut spans: Spans = vec![Span::raw("  ")];
    spans.extend(brush.word(Tone::Dim, "Group", group_columns(width)));
    spans.extend(brush.word(Tone::Dim, "Module", NAME));
    spans.extend(brush.word(Tone::Dim, "State", STATE));
    for (title, columns) in figures(room, width) {
        spans.push(brush.say(Tone::Dim, crate::text::fit(title, columns, crate::text::Fit::Right)));
    }
    Line::from(spans)
}

fn module_line(
    brush: Brush<'_>,
    room: Room,
    width: usize,
    module: &ModuleStatus,
    posts: u64,
    here: bool,
) -> Line<'static> {
    let tone = state_tone(&module.state);
    let mut spans: Spans = vec![brush.marker(here), Span::raw(" ")];
    spans.extend(brush.word(Tone::Dim, &module.name.group().to_string(), group_columns(width)));
    spans.extend(brush.word(Tone::Title, module.name.title(), NAME));
    spans.extend(brush.fit(tone, &Safe::limited(&module.state, 20), STATE));
    let seconds = |value: Option<u64>| value.map_or_else(|| "never".to_owned(), |s| time::span(Duration::from_secs(s)));
    for (title, columns) in figures(room, width) {
        let state = |state: State| module.counts.get(&state).copied().unwrap_or(0);
        let (tone, text) = match title {
            "Direction" => (Tone::Dim, brush.names.say(&direction(&module.direction)).into_owned()),
            "Held" => (Tone::StateHeld, count(state(State::Held))),
            "Ready" => (Tone::StateReady, count(state(State::Ready))),
            "Retry" => (Tone::StateUnknown, count(state(State::Retry))),
            "Dead" => (Tone::StateFailed, count(state(State::Dead) + posts)),
            "Lag" => (Tone::Text, seconds(module.cursor_lag_s)),
            "Next" => (Tone::Text, module.next_run_s.map_or_else(String::new, next)),
            _ => (Tone::Text, module.rate_per_min.to_string()),
        };
        let text = crate::text::fit(Safe::limited(&text, 20).as_str(), columns - 1, crate::text::Fit::Right);
        spans.push(brush.say(tone, format!(" {text}")));
    }
    if room == Room::Wide {
        spans.push(Span::raw("  "));
        spans.push(brush.say(Tone::Chart, sparkline(&brush.signs, &module.rates)));
    }
    Line::from(spans)
}

/// A reason in a word or two.
fn words(reason: Reason) -> String {
    reason.to_string().replace('_', " ")
}

fn direction(word: &str) -> String {
    match word {
        "both" => "both ways".to_owned(),
        "to_crm" => "to CRM".to_owned(),
        "to_ivvy" => "to iVvy".to_owned(),
        other => other.to_owned(),
    }
}

/// When the next sweep starts.
fn next(seconds: u64) -> String {
    if seconds == 0 { "now".to_owned() } else { time::span(Duration::from_secs(seconds)) }
}

fn count(number: u64) -> String {
    if number == 0 { "-".to_owned() } else { time::count(number) }
}

/// The last rates as bars, the highest one full.
fn sparkline(signs: &Signs, rates: &[u32]) -> String {
    let shown = &rates[rates.len().saturating_sub(20)..];
    let highest = shown.iter().copied().max().unwrap_or(0).max(1);
    shown
        .iter()
        .map(|rate| match rate {
            0 => " ",
            _ => {
                let step = (u64::from(*rate) * 8).div_ceil(u64::from(highest)) as usize;
                signs.bars.get(step.saturating_sub(1)).copied().unwrap_or(" ")
            }
        })
        .collect()
}

/// Progress, guard and error of a module, each on a line of its own.
fn module_notes(
    app: &App,
    brush: Brush<'_>,
    module: &ModuleStatus,
    posts: u64,
    width: usize,
    speaking: bool,
) -> Vec<Line<'static>> {
    let mut notes: Vec<(Tone, String)> = Vec::new();
    let reasons: Vec<String> =
        module.reasons.iter().map(|(reason, count)| format!("{} {}", time::count(*count), words(*reason))).collect();
    let held = module.counts.get(&State::Held).copied().unwrap_or(0);
    let mut text = match reasons.is_empty() {
        true if held == 0 => "nothing waits for a person".to_owned(),
        true => format!("waits for you: {}", time::count(held)),
        false => format!("waits for you: {}", reasons.join(", ")),
    };
    let blocked = module.counts.get(&State::Blocked).copied().unwrap_or(0);
    if blocked > 0 {
        let others = if blocked == 1 { "1 waits" } else { &format!("{} wait", time::count(blocked)) };
        text += &format!("; {others} for another record, which the queue names");
    }
    if let Some((read, total)) = module.progress.filter(|(read, _)| *read > 0) {
        text += &format!("; {}", super::module::reading(&brush.signs, read, total));
    }
    if !speaking || held + blocked > 0 {
        notes.push((Tone::Dim, text));
    }
    if posts > 0 {
        let what = if posts == 1 { "1 post is".to_owned() } else { format!("{} posts are", time::count(posts)) };
        notes.push((Tone::Error, format!("{what} dead: open the stream below to see why")));
    }
    if module.drifted > 0 {
        let count = time::count(module.drifted);
        let text = format!("drift: {count} changed in the CRM, where iVvy's word is not enforced");
        notes.push((Tone::Dim, brush.names.say(&text).into_owned()));
    }
    if let Some(guard) = &module.guard {
        let (key, _) = app.labelled(ActionId::Plan).unwrap_or_default();
        notes.push((Tone::Warn, format!("guard holds: {guard} ({key} to look)")));
    }
    if let Some(waits) = &module.waits {
        notes.push((Tone::Warn, format!("waits: {waits}")));
    }
    if let Some(error) = &module.last_error {
        notes.push((Tone::Error, format!("error: {error}")));
    }
    notes
        .into_iter()
        .map(|(tone, text)| {
            let mut spans = vec![Span::raw("    ")];
            spans.extend(brush.fit(tone, &Safe::limited(&text, 400), width.saturating_sub(4)));
            Line::from(spans)
        })
        .collect()
}

fn remote_line(brush: Brush<'_>, remote: &RemoteStatus, width: usize) -> Line<'static> {
    let (tone, word) = match remote.breaker.as_str() {
        "closed" => (Tone::Good, "working"),
        "open" => (Tone::Error, "resting"),
        _ => (Tone::Warn, "probing"),
    };
    let mut spans: Spans = vec![Span::raw("  ")];
    spans.extend(brush.fit(Tone::Title, &Safe::limited(&remote.name, 40), NAME - 1));
    spans.push(Span::raw(" "));
    spans.extend(brush.word(tone, word, STATE));
    let calls = format!("{} calls/min, {} failed  ", remote.calls_per_min, remote.errors_per_min);
    spans.push(brush.say(if remote.errors_per_min > 0 { Tone::Warn } else { Tone::Text }, calls));
    if let Some(error) = &remote.last_error {
        let used = super::paint::width(&spans);
        spans.extend(brush.fit(Tone::Error, &Safe::limited(error, 400), width.saturating_sub(used)));
    }
    Line::from(spans)
}

/// What limits calls to a remote, if anything does: a rate that gave way, the day's calls, lanes that wait.
fn remote_note(remote: &RemoteStatus, zone: &Zone, now: Timestamp) -> Option<String> {
    let mut parts = Vec::new();
    if let Some(last) = remote.held.last() {
        let lanes: Vec<&str> = remote.held.iter().map(|held| held.lane.as_str()).collect();
        let verb = if lanes.len() == 1 { "waits" } else { "wait" };
        parts.push(format!("{} {verb} until {}", lanes.join(", "), time::stamp(zone, last.until, now)));
    }
    if let Some(rate) = remote.rate.filter(|rate| rate.now_per_min < rate.configured_per_min) {
        parts.push(format!("rate {}/{}", rate.now_per_min, rate.configured_per_min));
    }
    if let Some(quota) = remote.quota {
        parts.push(format!("{}/{} today", time::count(quota.used), time::count(quota.limit)));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Entries of the match tables that nobody has a counterpart for, of both systems together: leads travel
/// without them (C-12, C-22). A table that is not in use says why (C-09).
fn matches(status: &Status) -> Vec<(Tone, String)> {
    let mut lines = Vec::new();
    let mut counted: Vec<String> = Vec::new();
    let mut open = false;
    for kind in MatchKind::ALL {
        let rows: Vec<&MatchStatus> = status.matches.iter().filter(|row| row.kind == kind).collect();
        let what = kind.title();
        if let Some(off) = rows.iter().find_map(|row| row.off.as_deref()) {
            let sync = match kind {
                MatchKind::Staff => "owner sync",
                MatchKind::LeadSource => "lead source sync",
            };
            let why = off.strip_prefix(what).and_then(|rest| rest.strip_prefix(" not matched: ")).unwrap_or(off);
            lines.push((Tone::Warn, format!("{sync} off: {why}")));
            continue;
        }
        let count = |state| rows.iter().filter_map(|row| row.counts.get(&state)).sum::<u64>();
        let (unmatched, ambiguous) = (count(MatchState::Unmatched), count(MatchState::Ambiguous));
        open |= unmatched + ambiguous > 0;
        match (rows.is_empty(), unmatched, ambiguous) {
            (true, ..) => {}
            (_, 0, 0) if rows.iter().all(|row| row.counts.is_empty()) => counted.push(format!("{what} not listed yet")),
            (_, 0, 0) => counted.push(format!("{what} all matched")),
            (_, _, 0) => counted.push(format!("{what} {} unmatched", time::count(unmatched))),
            (_, 0, _) => counted.push(format!("{what} {} ambiguous", time::count(ambiguous))),
            _ => counted.push(format!(
                "{what} {} unmatched, {} ambiguous",
                time::count(unmatched),
                time::count(ambiguous)
            )),
        }
    }
    if !counted.is_empty() {
        lines.insert(0, (if open { Tone::Warn } else { Tone::Dim }, counted.join("; ")));
    }
    lines
}

/// What came by itself, beside what polling finds.
fn notifications(seen: &NotificationStatus, now: Timestamp) -> String {
    let last = seen.last_at.map_or_else(String::new, |at| format!(", last {} ago", time::span(now.since(at))));
    let others = [("duplicate", seen.duplicate), ("unknown", seen.unknown), ("refused", seen.refused)];
    let others = others.iter().filter(|(_, count)| *count > 0);
    let others: String = others.map(|(what, count)| format!(", {} {what}", time::count(*count))).collect();
    format!("notifications: {} received{others}{last}", time::count(seen.received))
}

fn daemon_line(app: &App, brush: Brush<'_>, width: usize) -> Line<'static> {
    let Some(status) = &app.status else { return Line::default() };
    let daemon = &status.daemon;
    let text = format!(
        "  daemon {}, up {}, {}; CRM: {}; times in {}",
        daemon.version,
        time::span(daemon.now.since(daemon.started_at)),
        if daemon.clients == 1 { "1 client".to_owned() } else { format!("{} clients", daemon.clients) },
        app.hello.crm,
        app.settings.zone.label(daemon.now),
    );
    Line::from(brush.fit(Tone::Dim, &Safe::limited(&text, 300), width))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Side;
    use crate::wire::{HeldLane, Quota, Rate};

    #[test]
    fn every_group_has_its_whole_name_and_a_space_in_its_column_v02() {
        for group in ModuleId::ALL.map(ModuleId::group) {
            assert!(group.to_string().len() < GROUP, "{group}");
        }
    }

    #[test]
    fn a_remote_says_what_limits_it_and_otherwise_nothing() {
        let now = Timestamp::from_secs(1_795_000_000);
        let rate = |now_per_min| Some(Rate { now_per_min, configured_per_min: 240 });
        let free = RemoteStatus { rate: rate(240), calls_today: 70, ..RemoteStatus::default() };
        assert_eq!(remote_note(&free, &Zone::Utc, now), None);
        let slowed =
            RemoteStatus { rate: rate(120), quota: Some(Quota { used: 1_204, limit: 50_000 }), ..free.clone() };
        assert_eq!(remote_note(&slowed, &Zone::Utc, now).unwrap(), "rate 120/240; 1,204/50,000 today");
        let until = Timestamp::from_secs(1_795_046_400);
        let lane = |lane: &str| HeldLane { lane: lane.to_owned(), until };
        let quota = Some(Quota { used: 30_000, limit: 50_000 });
        let held =
            |held: Vec<HeldLane>| remote_note(&RemoteStatus { held, quota, ..free.clone() }, &Zone::Utc, now).unwrap();
        let backfill = held(vec![lane("backfill")]);
        assert_eq!(backfill, "backfill waits until 11-19 00:00; 30,000/50,000 today");
        assert!(held(vec![lane("live"), lane("backfill")]).starts_with("live, backfill wait until"));
    }

    #[test]
    fn notifications_are_one_line_that_says_only_what_is_n07() {
        let now = Timestamp::from_secs(1_795_000_000);
        let none = NotificationStatus::default();
        assert_eq!(notifications(&none, now), "notifications: 0 received");
        let last_at = Some(now.minus(Duration::from_secs(120)));
        let some = NotificationStatus { received: 1_204, duplicate: 300, unknown: 0, refused: 2, last_at };
        assert_eq!(
            notifications(&some, now),
            "notifications: 1,204 received, 300 duplicate, 2 refused, last 2 min ago"
        );
    }

    #[test]
    fn unmatched_entries_are_counted_and_a_table_that_is_off_says_why_c09_c12() {
        let side = |kind, side, counts: &[(MatchState, u64)], off: Option<&str>| MatchStatus {
            kind,
            side,
            counts: counts.iter().copied().collect(),
            off: off.map(str::to_owned),
        };
        let say = |rows: Vec<MatchStatus>| matches(&Status { matches: rows, ..Status::default() });
        assert_eq!(say(Vec::new()), []);
        let staff = |ivvy: &[(MatchState, u64)], crm: &[(MatchState, u64)]| {
            [(Side::Ivvy, ivvy), (Side::Crm, crm)].map(|(of, counts)| side(MatchKind::Staff, of, counts, None))
        };
        let source = side(MatchKind::LeadSource, Side::Ivvy, &[(MatchState::Unmatched, 1_204)], None);
        let all = [
            staff(
                &[(MatchState::Unmatched, 1), (MatchState::Matched, 9)],
                &[(MatchState::Unmatched, 2), (MatchState::Ambiguous, 1)],
            )
            .to_vec(),
            vec![source],
        ]
        .concat();
        assert_eq!(say(all), [(Tone::Warn, "Staff 3 unmatched, 1 ambiguous; Lead sources 1,204 unmatched".to_owned())]);
        assert_eq!(
            say(staff(&[(MatchState::Matched, 4)], &[]).to_vec()),
            [(Tone::Dim, "Staff all matched".to_owned())]
        );
        assert_eq!(say(staff(&[], &[]).to_vec()), [(Tone::Dim, "Staff not listed yet".to_owned())]);
        let off = "Staff not matched: no list of them in CRM; records travel without";
        let off = say(Side::BOTH.map(|of| side(MatchKind::Staff, of, &[], Some(off))).to_vec());
        assert_eq!(off, [(Tone::Warn, "owner sync off: no list of them in CRM; records travel without".to_owned())]);
    }

    #[test]
    fn the_sparkline_scales_to_its_highest_bar() {
        let theme = crate::tui::Theme::named("mono").unwrap();
        let signs = Brush::new(&theme, false, &Default::default()).signs;
        assert_eq!(sparkline(&signs, &[0, 1, 4, 8]), " ▁▄█");
        assert_eq!(sparkline(&signs, &[0, 0]), "  ");
        assert_eq!(sparkline(&signs, &[]), "");
    }
}
