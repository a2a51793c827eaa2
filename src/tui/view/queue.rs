//! The queue pane: filter line, column titles, the visible window.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::layout::{Room, lines_above_list};
use super::paint::{Brush, Spans, lines, width};
use super::time;
use crate::model::{Reason, State};
use crate::text::Safe;
use crate::tui::app::{App, STATE_FILTERS, Tab};
use crate::tui::queue::Entry;
use crate::tui::theme::Tone;

/// Characters of a title looked at per row; rows are one line.
const TITLE_LIMIT: usize = 200;

pub(super) fn draw(app: &App, brush: Brush<'_>, frame: &mut Frame<'_>, area: Rect) {
    let above = lines_above_list(Tab::Queue);
    let room = Room::of(area.width);
    let columns = Columns::of(area.width);
    lines(frame, area, [filter_line(app, brush, usize::from(area.width)), columns.titles(brush, room)]);
    let list = Rect { y: area.y + above, height: area.height - above, ..area };
    if app.queue.rows().is_empty() {
        let text = if app.queue.loaded() { empty_text(app) } else { format!("loading{}", brush.signs.more) };
        lines(frame, list, [Line::default(), Line::from(brush.say(Tone::Dim, format!("  {text}")))]);
        return;
    }
    let range = app.queue.range_rows();
    let height = usize::from(list.height);
    let rows: Vec<Line<'static>> = app
        .queue
        .visible(height)
        .map(|(at, entry)| {
            let mark = mark_sign(app, brush, entry, range.contains(&at));
            row(app, brush, &columns, entry, at == app.queue.cursor(), mark)
        })
        .collect();
    lines(frame, list, rows);
}

fn empty_text(app: &App) -> String {
    if app.queue.searching() {
        return "Searching the queue…".to_owned();
    }
    match app.queue.filter == crate::wire::Filter::default() {
        true => "Nothing is waiting. Both sides agree.".to_owned(),
        false => "Nothing matches the filter. Backspace drops it.".to_owned(),
    }
}

fn filter_line(app: &App, brush: Brush<'_>, room: usize) -> Line<'static> {
    let filter = &app.queue.filter;
    let mut spans = vec![Span::raw(" ")];
    let module = filter.module.map_or("all modules", |module| module.title());
    spans.push(brush.say(Tone::Key, "m "));
    spans.push(brush.say(if filter.module.is_some() { Tone::TabActive } else { Tone::TabIdle }, module));
    spans.push(Span::raw("  "));
    spans.push(brush.say(Tone::Key, "h l "));
    let open = filter.state.is_none();
    spans.push(brush.say(if open { Tone::TabActive } else { Tone::TabIdle }, "all open"));
    let position = match (app.queue.position(), app.queue.total()) {
        _ if app.queue.rows().is_empty() => String::new(),
        (Some(at), Some(total)) => format!("{}/{} ", time::count(at), time::count(total)),
        (Some(at), None) => format!("{} ", time::count(at)),
        (None, Some(total)) => format!("of {} ", time::count(total)),
        (None, None) => String::new(),
    };
    // What filters now always shows; the other states with their counts as far as there is room.
    let mut chosen = Spans::new();
    if let Some(reason) = filter.reason {
        chosen.push(brush.say(Tone::TabActive, format!("  because {}", reason.explain_short())));
    }
    if let Some(text) = &filter.text {
        chosen.push(brush.say(Tone::Key, "  / "));
        chosen.extend(brush.safe(Tone::TabActive, &Safe::limited(text, 40)));
    }
    let reserved = width(&chosen) + position.len() + 1;
    for state in STATE_FILTERS {
        let number = state_count(app, state);
        let is_chosen = filter.state == Some(state);
        let chip = format!("  {} {state} {}", state.glyph(), time::count(number));
        let fits = width(&spans) + chip.len() + reserved <= room;
        if is_chosen || (number > 0 && fits) {
            spans.push(brush.say(if is_chosen { Tone::TabActive } else { Tone::state(state) }, chip));
        }
    }
    spans.extend(chosen);
    let used = width(&spans);
    if used + position.len() < room {
        spans.push(Span::raw(" ".repeat(room - used - position.len())));
        spans.push(brush.say(Tone::Dim, position));
    }
    Line::from(spans)
}

fn state_count(app: &App, state: State) -> u64 {
    let modules = app.status.as_ref().map(|status| status.modules.as_slice()).unwrap_or_default();
    let wanted = app.queue.filter.module;
    modules
        .iter()
        .filter(|module| wanted.is_none_or(|id| id == module.name))
        .filter_map(|module| module.counts.get(&state))
        .sum()
}

/// Reasons in a word or two.
trait Short {
    fn explain_short(self) -> String;
}

impl Short for Reason {
    fn explain_short(self) -> String {
        self.to_string().replace('_', " ")
    }
}

/// Widths of the columns; zero leaves one out.
struct Columns {
    id: usize,
    state: usize,
    module: usize,
    title: usize,
    summary: usize,
    since: usize,
}

impl Columns {
    fn of(width: u16) -> Self {
        let room = Room::of(width);
        let width = usize::from(width);
        let (id, state, module, since) = match room {
            Room::Wide => (8, 10, 9, 11),
            Room::Medium => (7, 10, 0, 11),
            Room::Narrow => (0, 2, 0, 0),
        };
        let fixed: usize = [id, state, module, since].iter().map(|columns| columns + usize::from(*columns > 0)).sum();
        let rest = width.saturating_sub(3 + fixed);
        let title = if room == Room::Narrow { rest } else { (rest * 2 / 5).min(30) };
        Self { id, state, module, title, summary: rest.saturating_sub(title + 1), since }
    }

    fn titles(&self, brush: Brush<'_>, room: Room) -> Line<'static> {
        let state = if room == Room::Narrow { "" } else { "State" };
        let names = [
            ("Item", self.id),
            (state, self.state),
            ("Module", self.module),
            ("Record", self.title),
            ("What", self.summary),
            ("Since", self.since),
        ];
        let mut spans: Spans = vec![Span::raw("   ")];
        for (name, columns) in names.into_iter().filter(|(_, columns)| *columns > 0) {
            spans.extend(brush.word(Tone::Dim, name, columns));
            spans.push(Span::raw(" "));
        }
        Line::from(spans)
    }
}

fn mark_sign(app: &App, brush: Brush<'_>, entry: &Entry, in_range: bool) -> Span<'static> {
    match app.queue.marks.get(&entry.row.id) {
        // Marked on an older version: a bulk decision will leave it out.
        Some(mark) if mark.version != entry.row.version => brush.say(Tone::Warn, "!"),
        Some(_) => brush.say(Tone::Mark, "*"),
        None if in_range => brush.say(Tone::Mark, "+"),
        None => Span::raw(" "),
    }
}

fn row(
    app: &App,
    brush: Brush<'_>,
    columns: &Columns,
    entry: &Entry,
    here: bool,
    mark: Span<'static>,
) -> Line<'static> {
    let row = &entry.row;
    let tone = if entry.gone { Tone::Disabled } else { Tone::Text };
    let mut spans: Spans = vec![brush.marker(here), mark, Span::raw(" ")];
    let mut cell = |columns: usize, cell: Spans| {
        if columns > 0 {
            spans.extend(cell);
            spans.push(Span::raw(" "));
        }
    };
    cell(columns.id, brush.word(Tone::Dim, &format!("#{}", row.id), columns.id));
    let state = match (entry.gone, columns.state) {
        (true, 0..=2) => "x".to_owned(),
        (true, _) => "x left".to_owned(),
        (false, 0..=2) => row.state.glyph().to_string(),
        (false, _) => format!("{} {}", row.state.glyph(), row.state),
    };
    let state_tone = if entry.gone { Tone::Disabled } else { Tone::state(row.state) };
    cell(columns.state, brush.word(state_tone, &state, columns.state));
    cell(columns.module, brush.word(Tone::Dim, row.module.title(), columns.module));
    cell(columns.title, brush.fit(tone, &Safe::limited(&row.title, TITLE_LIMIT), columns.title));
    cell(columns.summary, brush.fit(Tone::Dim, &Safe::limited(&what(app, entry), TITLE_LIMIT), columns.summary));
    cell(columns.since, brush.word(Tone::Dim, &time::stamp(&app.settings.zone, row.since, app.now), columns.since));
    Line::from(spans)
}

/// Why it waits, then what it would do.
fn what(app: &App, entry: &Entry) -> String {
    let row = &entry.row;
    if entry.gone {
        return "has left this list meanwhile".to_owned();
    }
    if row.reasons.contains(Reason::Parked) && row.ready_at > app.now {
        return format!("snoozed until {}; {}", time::stamp(&app.settings.zone, row.ready_at, app.now), row.summary);
    }
    // A validation says what is wrong itself, and "differ: …" what there is to choose.
    let spoken = |reason: &Reason| *reason != Reason::Validation || row.summary.is_empty();
    let reasons: Vec<String> = row.reasons.iter().filter(spoken).map(Short::explain_short).collect();
    let who = row.assigned.as_ref().map(|who| format!("[{who}] ")).unwrap_or_default();
    let who = match &row.waits_for {
        Some(awaited) => format!("{who}{}; ", awaited.sentence()),
        None => who,
    };
    // While it is blocked nobody can choose anything yet.
    let open = if row.unsolved > 0 && row.state != State::Blocked && !row.summary.starts_with("differ") {
        format!("{} to choose; ", row.unsolved)
    } else {
        String::new()
    };
    match reasons.is_empty() {
        true => format!("{who}{open}{}", row.summary),
        false => format!("{who}{}: {open}{}", reasons.join(", "), row.summary),
    }
}
