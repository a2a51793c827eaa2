//! A module's screen: the settings in effect beside its last sweeps, or above them where it is narrow.

use std::collections::BTreeMap;
use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Rect, Size};
use ratatui::text::{Line, Span};

use super::layout::Room;
use super::paint::{Brush, Signs, gauge, lines, width};
use super::time::{self, count, span};
use crate::model::{Drift, FieldDef, Flow, ModuleDef, ModuleId, RunEnd, RunKind, RunRow, State};
use crate::text::{Safe, wrap};
use crate::tui::app::App;
use crate::tui::module::{Pane, Screen};
use crate::tui::theme::Tone;
use crate::wire::{Failures, GuardLimit, ModuleView, SideNames};

/// Columns of the settings, where they stand beside the runs.
const SETTINGS: u16 = 52;
/// Columns of what a setting is called.
const LABEL: usize = 11;
/// Columns of a run's time, and of its side.
const AT: usize = 12;
const SIDE: usize = 5;
/// Characters of one setting that are shown.
const LONGEST: usize = 1_000;

/// One line: a label in its own columns, and what there is to say.
struct Row {
    label: (Tone, String),
    text: (Tone, String),
}

impl Row {
    fn title(text: String, front: bool) -> Self {
        Self { label: (if front { Tone::TabActive } else { Tone::Dim }, text), text: (Tone::Text, String::new()) }
    }

    fn draw(&self, brush: Brush<'_>, indent: usize) -> Line<'static> {
        let mut spans = vec![Span::raw(" ".repeat(indent)), brush.say(self.label.0, self.label.1.clone())];
        spans.push(brush.say(self.text.0, self.text.1.clone()));
        Line::from(spans)
    }
}

pub(super) fn draw(app: &App, screen: &Screen, brush: Brush<'_>, frame: &mut Frame<'_>, area: Rect) {
    lines(frame, area, [heading(screen, brush, usize::from(area.width))]);
    let Some(view) = screen.view() else {
        let below = Rect { y: area.y + 1, height: area.height - 1, ..area };
        lines(frame, below, [Line::from(brush.say(Tone::Dim, format!("  loading{}", brush.signs.more)))]);
        return;
    };
    for (pane, part) in parts(area).into_iter().enumerate().filter(|(_, part)| !part.is_empty()) {
        let rows = rows(app, screen, view, &brush.signs, part, pane);
        lines(frame, part, rows.iter().skip(screen.scroll[pane]).map(|row| row.draw(brush, 2)));
    }
}

/// How far each half can be scrolled; the second not at all where they are stacked.
pub(in crate::tui) fn furthest(app: &App, screen: &Screen) -> [usize; 2] {
    let Some(view) = screen.view() else { return [0; 2] };
    let mut furthest = [0; 2];
    for (pane, part) in parts(body(app.size)).into_iter().enumerate().filter(|(_, part)| !part.is_empty()) {
        let all = rows(app, screen, view, &Signs::of(app.settings.ascii), part, pane).len();
        furthest[pane] = all.saturating_sub(usize::from(part.height));
    }
    furthest
}

/// Whether the halves stand side by side.
pub(in crate::tui) fn side_by_side(size: Size) -> bool {
    Room::of(size.width) == Room::Wide
}

/// The line on which the runs begin where they are stacked.
pub(in crate::tui) fn runs_begin(app: &App, screen: &Screen) -> usize {
    let columns = usize::from(app.size.width).saturating_sub(2);
    screen.view().map_or(0, |view| settings(app, view, &Signs::of(app.settings.ascii), columns).len())
}

fn body(size: Size) -> Rect {
    Rect { x: 0, y: 0, width: size.width, height: size.height.saturating_sub(4) }
}

/// Where settings and runs go; one empty where they are stacked.
fn parts(area: Rect) -> [Rect; 2] {
    let below = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    if Room::of(area.width) != Room::Wide {
        return [below, Rect { width: 0, ..below }];
    }
    let right = Rect { x: below.x + SETTINGS, width: below.width - SETTINGS, ..below };
    [Rect { width: SETTINGS, ..below }, right]
}

fn rows(app: &App, screen: &Screen, view: &ModuleView, signs: &Signs, part: Rect, pane: usize) -> Vec<Row> {
    let columns = usize::from(part.width).saturating_sub(2);
    let stacked = !side_by_side(app.size);
    let front = |pane: Pane| !stacked && screen.pane == pane;
    let mut rows = Vec::new();
    if pane == 0 {
        if !stacked {
            rows.push(Row::title("Settings".to_owned(), front(Pane::Settings)));
        }
        rows.extend(settings(app, view, signs, columns));
    }
    if stacked || pane == 1 {
        let zone = app.settings.zone.label(app.now);
        rows.push(Row::title(format!("Sweeps, newest first; times in {zone}"), front(Pane::Runs)));
        rows.extend(screen.runs().iter().map(|run| run_row(app, run, signs, columns)));
        if screen.runs().is_empty() {
            rows.push(Row::title("none yet".to_owned(), false));
        }
    }
    rows
}

/// Module, group, state and what comes next.
fn heading(screen: &Screen, brush: Brush<'_>, columns: usize) -> Line<'static> {
    let title = format!("  {}", screen.module.title());
    let mut spans = vec![brush.say(Tone::Title, title), brush.say(Tone::Dim, format!(" ({})", screen.module.group()))];
    if let Some(view) = screen.view() {
        let status = &view.status;
        spans.push(Span::raw("  "));
        spans.extend(brush.safe(super::dashboard::state_tone(&status.state), &Safe::limited(&status.state, 20)));
        let next =
            status.next_run_s.map(|at| if at == 0 { "next now".into() } else { format!("next in {}", secs(at)) });
        let lag = status.cursor_lag_s.map(|lag| format!("lag {}", secs(lag)));
        for part in [next, lag].into_iter().flatten() {
            if width(&spans) + part.len() + 2 <= columns {
                spans.push(brush.say(Tone::Dim, format!("  {part}")));
            }
        }
    }
    Line::from(spans)
}

fn secs(seconds: u64) -> String {
    span(Duration::from_secs(seconds))
}

/// Every setting, wrapped to `columns`.
fn settings(app: &App, view: &ModuleView, signs: &Signs, columns: usize) -> Vec<Row> {
    let (status, def, settings) = (&view.status, &view.def, &view.settings);
    let mut rows = Vec::new();
    let mut say = |label: &str, tone: Tone, text: &str| {
        let text = Safe::limited(text, LONGEST);
        for (at, line) in wrap(text.as_str(), columns.saturating_sub(LABEL)).into_iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            rows.push(Row { label: (Tone::Dim, format!("{label:LABEL$}")), text: (tone, line) });
        }
    };
    if let Some((read, total)) = status.progress {
        say("Reading", Tone::Text, &reading(signs, read, total));
    }
    let notes = [("Error", Tone::Error, &status.last_error), ("Guard", Tone::Warn, &status.guard)];
    for (label, tone, text) in notes.into_iter().chain([("Waits", Tone::Warn, &status.waits)]) {
        if let Some(text) = text {
            say(label, tone, text);
        }
    }
    say("Items", Tone::Text, &items(status));
    let (tone, text) = failures(&view.failures);
    say("Failures", tone, &text);
    let names = &app.hello.sides;
    say("Direction", Tone::Text, &names.say(&direction(def)));
    say("Switch", Tone::Text, &switch(def.id));
    let (often, all) = (secs(settings.interval_s), secs(settings.full_interval_s));
    say("Schedule", Tone::Text, &format!("changes every {often}, everything every {all}"));
    let first = settings.first_sync.map_or_else(
        || "everything there is".to_owned(),
        |at| format!("what was changed since {}", app.settings.zone.at(at).format("%Y-%m-%d %H:%M")),
    );
    say("First sync", Tone::Text, &first);
    if def.only.is_empty() {
        say("Only", Tone::Text, "no filter");
    }
    for (field, values) in &def.only {
        let title = def.field(field).map_or(field.as_str(), |def| def.title.as_ref());
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        say("Only", Tone::Text, &format!("{title} is {}", values.join(" or ")));
    }
    if def.fields.iter().any(|field| field.flow == Flow::ToCrm) {
        say("Drift", Tone::Text, &names.say(drift(def.drift)));
    }
    for (at, limit) in settings.guard.iter().enumerate() {
        say(if at == 0 { "Limits" } else { "" }, Tone::Text, &guard(limit));
    }
    let shrunk = format!("a side that lists less than {} % of before", settings.shrink_percent);
    say("", Tone::Text, &format!("{shrunk}; all of it within {}", secs(settings.guard_window_s)));
    say("Mapping", Tone::Text, &format!("version {}, {} fields", def.mapping_version, def.fields.len()));
    let own: Vec<String> = def.id.def().fields.iter().map(|field| field.name.to_string()).collect();
    for field in &def.fields {
        let custom = !own.iter().any(|name| *name == field.name);
        say("", Tone::Dim, &names.say(&field_line(def, field, custom)));
    }
    rows
}

/// Progress as a bar where the total is known (V-15).
pub(super) fn reading(signs: &Signs, read: u64, total: Option<u64>) -> String {
    match total.filter(|total| *total > 0) {
        Some(total) => {
            let (bar, percent) = gauge(signs, read, total, 10);
            format!("reading {bar} {percent} % of {} rows", count(total))
        }
        None => format!("reading {} rows", count(read)),
    }
}

fn items(status: &crate::wire::ModuleStatus) -> String {
    let open = |(state, number): (&State, &u64)| (*number > 0).then(|| format!("{} {state}", count(*number)));
    let states: Vec<String> = status.counts.iter().filter_map(open).collect();
    let reasons: Vec<String> = status
        .reasons
        .iter()
        .map(|(reason, number)| format!("{} {}", count(*number), reason.to_string().replace('_', " ")))
        .collect();
    match (states.is_empty(), reasons.is_empty()) {
        (true, _) => "none".to_owned(),
        (false, true) => states.join(", "),
        (false, false) => format!("{}; held: {}", states.join(", "), reasons.join(", ")),
    }
}

/// What failed, and how large a part that is.
fn failures(failures: &Failures) -> (Tone, String) {
    let tried = u64::from(failures.writes_hour) + u64::from(failures.written_hour);
    let percent = (u64::from(failures.writes_hour) * 100).checked_div(tried).unwrap_or(0);
    let text = format!(
        "{} of {} writes ({percent} %) and {} in the last hour; {} and {} in the last minute",
        count(failures.writes_hour.into()),
        count(tried),
        number(failures.sweeps_hour, "sweep"),
        number(failures.writes_minute, "write"),
        number(failures.sweeps_minute, "sweep"),
    );
    let lately = failures.writes_minute + failures.sweeps_minute;
    (if lately > 0 { Tone::Warn } else { Tone::Text }, text)
}

fn number(number: u32, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", count(number.into()))
}

fn direction(def: &ModuleDef) -> String {
    match (def.flow, def.one_way()) {
        (Flow::Both, _) => "both ways".to_owned(),
        (_, Some(why)) => format!("to the CRM only: {why}"),
        (Flow::ToCrm, None) => "to the CRM only".to_owned(),
        (Flow::ToIvvy, None) => "to iVvy only".to_owned(),
    }
}

fn switch(module: ModuleId) -> String {
    match module.follows() {
        Some(other) => format!("follows {}: [modules.{other}] enabled = true", other.title()),
        None => format!("[modules.{module}] enabled = true"),
    }
}

fn drift(drift: Drift) -> &'static str {
    match drift {
        Drift::Ignore => "a CRM edit of what iVvy owns stays until iVvy's own value changes",
        Drift::Revert => "a CRM edit of what iVvy owns is put back",
        Drift::Hold => "a CRM edit of what iVvy owns waits for a person",
    }
}

fn guard(limit: &GuardLimit) -> String {
    let what = match limit.what.as_str() {
        "emptied" => "records with one field emptied",
        "same_value" => "records with one field set to one value",
        other => other,
    };
    let share = format!("{}.{} %", limit.per_mille / 10, limit.per_mille % 10).replace(".0 %", " %");
    let now = if limit.allowed == limit.count { String::new() } else { format!(", now {}", count(limit.allowed)) };
    format!("more than {} {what}, or {share} of the records{now}", count(limit.count))
}

fn field_line(def: &ModuleDef, field: &FieldDef, custom: bool) -> String {
    let way = match (field.flow == def.flow, field.flow) {
        (true, _) => "",
        (false, Flow::Both) => ", both ways",
        (false, Flow::ToCrm) => ", to the CRM only",
        (false, Flow::ToIvvy) => ", to iVvy only",
    };
    format!("{}{way}{}", field.title, if custom { ", custom" } else { "" })
}

fn run_row(app: &App, run: &RunRow, signs: &Signs, columns: usize) -> Row {
    let at = time::stamp(&app.settings.zone, run.started_at, app.now);
    let (tone, text) = outcome(run, signs);
    let text = Safe::limited(&text, 400);
    let room = columns.saturating_sub(AT + SIDE);
    let text = crate::text::truncate(text.as_str(), room);
    Row { label: (Tone::Dim, format!("{at:AT$}{:SIDE$}", app.hello.sides.of(run.side))), text: (tone, text) }
}

/// What became of a run.
fn outcome(run: &RunRow, signs: &Signs) -> (Tone, String) {
    let what = match run.kind {
        RunKind::Changes => "changes",
        RunKind::Full => "full",
    };
    let asked = if run.asked { ", asked for" } else { "" };
    let rows = match run.total.filter(|total| *total > run.rows) {
        Some(total) => format!("{} of {} rows", count(run.rows), count(total)),
        None => format!("{} rows", count(run.rows)),
    };
    match run.end {
        RunEnd::Running => (Tone::Text, format!("{what}: {}{asked}", reading(signs, run.rows, run.total))),
        RunEnd::Done => {
            let took = run.ended_at.map(|end| end.since(run.started_at)).unwrap_or_default();
            let tone = if run.changed > 0 { Tone::Text } else { Tone::Dim };
            (tone, format!("{what}: {rows}, {} changed, {}{asked}", count(run.changed), span(took)))
        }
        RunEnd::Failed => {
            let times = if run.times > 1 { format!(" {} times", count(run.times.into())) } else { String::new() };
            let read = if run.rows > 0 { format!(" after {rows}") } else { String::new() };
            let error = run.error.as_deref().unwrap_or("no reason was given");
            (Tone::Error, format!("{what} failed{times}{read}: {error}{asked}"))
        }
        RunEnd::Interrupted => (Tone::Warn, format!("{what} interrupted after {rows}{asked}")),
    }
}

/// What is off and could be on, by group, and how to switch it on (V-03).
pub(super) fn off(on: &[ModuleId], names: &SideNames, impossible: &[ModuleId]) -> Option<(String, String)> {
    let mut groups: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    // What the account's origin does not have cannot be switched on.
    let ticketing = [ModuleId::Companies, ModuleId::Contacts, ModuleId::Orders];
    let has = |module: &ModuleId| match names.is_usual() {
        true => *module != ModuleId::Orders,
        false => ticketing.contains(module),
    };
    let off = |module: &ModuleId| !on.contains(module) && has(module) && !impossible.contains(module);
    ModuleId::ALL.into_iter().filter(off).for_each(|id| groups.entry(id.group()).or_default().push(id.title()));
    let number: usize = groups.values().map(Vec::len).sum();
    let first = ModuleId::ALL.into_iter().find(|id| off(id) && id.follows().is_none())?;
    let named: Vec<String> = groups.iter().map(|(group, titles)| format!("{} ({group})", titles.join(", "))).collect();
    let modules = if number == 1 { "module" } else { "modules" };
    let what = format!("{number} {modules} off: {}.", named.join("; "));
    Some((what, format!("Switch on: [modules.{first}] enabled = true")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Side, Timestamp};
    use crate::tui::fixture;

    #[test]
    fn a_run_says_how_it_ended_in_words() {
        let signs = Signs::of(true);
        let begin = RunRow::begin(ModuleId::Contacts, Side::Ivvy, RunKind::Full, false, Timestamp::from_secs(100));
        let say = |run: &RunRow| outcome(run, &signs).1;
        let half = RunRow { rows: 1_100, total: Some(2_000), changed: 3, ..begin };
        assert_eq!(say(&half), "full: reading #####..... 55 % of 2,000 rows");
        let interrupted = RunRow { end: RunEnd::Interrupted, asked: true, ..half.clone() };
        assert_eq!(say(&interrupted), "full interrupted after 1,100 of 2,000 rows, asked for");
        let done = RunRow { rows: 2_000, ..half.clone() }.ended(RunEnd::Done, Timestamp::from_secs(103));
        assert_eq!(say(&done), "full: 2,000 rows, 3 changed, 3 s");
        let error = Some("HTTP 503".to_owned());
        let failed = RunRow { error, times: 7, kind: RunKind::Changes, ..half }.ended(RunEnd::Failed, Timestamp::EPOCH);
        assert_eq!(say(&failed), "changes failed 7 times after 1,100 of 2,000 rows: HTTP 503");
    }

    #[test]
    fn an_error_rate_is_of_all_writes_that_were_tried() {
        let view = fixture::module_view(ModuleId::Contacts);
        let (tone, text) = failures(&view.failures);
        assert_eq!(text, "3 of 60 writes (5 %) and 2 sweeps in the last hour; 1 write and 0 sweeps in the last minute");
        assert_eq!((tone, failures(&Failures::default()).0), (Tone::Warn, Tone::Text));
    }

    #[test]
    fn what_is_off_is_named_by_group_and_how_to_switch_it_on_v03() {
        let names = SideNames::default();
        let venues = [ModuleId::Companies, ModuleId::Contacts, ModuleId::Leads, ModuleId::QuotesAndBookings];
        let venues = [venues.as_slice(), &[ModuleId::ContactEmails]].concat();
        assert_eq!(
            off(&venues, &names, &[]).unwrap(),
            (
                "3 modules off: Events, Attendees, Registrations (Events).".to_owned(),
                "Switch on: [modules.events] enabled = true".to_owned()
            )
        );
        assert_eq!(off(&ModuleId::ALL, &names, &[]), None);
        let (ticketing, _) = off(&[ModuleId::Contacts], &SideNames::with_origin("S-360"), &[]).unwrap();
        assert!(ticketing.starts_with("2 modules off: Companies (Venues); Orders (Tickets)"), "{ticketing}");
        // The Connector has contacts and leads, and no place for anything else.
        let nowhere: Vec<ModuleId> =
            ModuleId::ALL.into_iter().filter(|id| ![ModuleId::Contacts, ModuleId::Leads].contains(id)).collect();
        let (what, how) = off(&[ModuleId::Contacts], &names, &nowhere).unwrap();
        assert_eq!(
            (what.as_str(), how.as_str()),
            ("1 module off: Leads (Common).", "Switch on: [modules.leads] enabled = true")
        );
        assert_eq!(
            off(&[ModuleId::Contacts, ModuleId::Leads], &names, &nowhere),
            None,
            "no advice that cannot be followed"
        );
    }
}
