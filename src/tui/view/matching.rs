//! The match tables: filter line, column titles, the visible window; and the pairing dialog.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::layout::{Room, lines_above_list};
use super::paint::{Brush, lines, width};
use super::time;
use crate::model::{MatchKind, MatchState};
use crate::text::Safe;
use crate::tui::app::{App, Tab};
use crate::tui::dialog::Pairing;
use crate::tui::theme::Tone;
use crate::wire::MatchLine;

/// Characters of a name looked at per row.
const NAME_LIMIT: usize = 120;
/// Columns of the state word.
const STATE: usize = 10;

pub(super) fn draw(app: &App, brush: Brush<'_>, frame: &mut Frame<'_>, area: Rect) {
    let above = lines_above_list(Tab::Match);
    let columns = Columns::of(area.width);
    let titles = columns.line(brush, Tone::Dim, [" NAME", "E-MAIL", "STATE", "COUNTERPART", "WHY"].map(Safe::own));
    let titles = match &app.matching.error {
        None => titles,
        Some(error) => {
            let text = Safe::limited(&format!(" {error}"), 300);
            brush.fit(Tone::Error, &text, usize::from(area.width))
        }
    };
    lines(frame, area, [filter_line(app, brush, usize::from(area.width)), Line::from(titles)]);
    let list = Rect { y: area.y + above, height: area.height - above, ..area };
    if let Some(off) = &app.matching.off {
        let text = crate::text::wrap(&format!("  Not in use: {off}"), usize::from(area.width));
        lines(frame, list, text.into_iter().map(|row| Line::from(brush.say(Tone::Warn, row))));
        return;
    }
    if app.matching.rows().is_empty() {
        let text = match app.matching.loaded() {
            false => format!("loading{}", brush.signs.more),
            true if app.matching.state.is_some() || app.matching.text.is_some() => {
                "Nothing matches the filter. h l and / change it.".to_owned()
            }
            true => "Nothing is listed yet.".to_owned(),
        };
        lines(frame, list, [Line::default(), Line::from(brush.say(Tone::Dim, format!("  {text}")))]);
        return;
    }
    let rows: Vec<Line<'static>> = app
        .matching
        .visible(usize::from(list.height))
        .map(|(at, line)| row(brush, &columns, line, at == app.matching.cursor()))
        .collect();
    lines(frame, list, rows);
}

fn filter_line(app: &App, brush: Brush<'_>, room: usize) -> Line<'static> {
    let matching = &app.matching;
    let mut spans = vec![Span::raw(" ")];
    for (key, text) in [("m ", matching.kind.title()), ("w ", brush.names.of(matching.side))] {
        spans.push(brush.say(Tone::Key, key));
        spans.push(brush.say(Tone::TabActive, text.to_owned()));
        spans.push(Span::raw("  "));
    }
    spans.push(brush.say(Tone::Key, "h l "));
    let everything = matching.state.is_none();
    spans.push(brush.say(if everything { Tone::TabActive } else { Tone::TabIdle }, "all"));
    let mut chosen = Vec::new();
    if let Some(text) = &matching.text {
        chosen.push(brush.say(Tone::Key, "  / "));
        chosen.extend(brush.safe(Tone::TabActive, &Safe::limited(text, 40)));
    }
    let position = match matching.total() {
        _ if matching.rows().is_empty() => String::new(),
        Some(total) => format!("{}/{} ", matching.cursor() + 1, time::count(total)),
        None => format!("{} ", matching.cursor() + 1),
    };
    let reserved = width(&chosen) + position.len() + 1;
    for state in MatchState::ALL {
        let number = matching.counts.get(&state).copied().unwrap_or(0);
        let is_chosen = matching.state == Some(state);
        let chip = format!("  {state} {}", time::count(number));
        let fits = width(&spans) + chip.len() + reserved <= room;
        if is_chosen || (number > 0 && fits) {
            spans.push(brush.say(if is_chosen { Tone::TabActive } else { tone(state) }, chip));
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

/// The colour of a state; the word says the same.
fn tone(state: MatchState) -> Tone {
    match state {
        MatchState::Matched | MatchState::Manual => Tone::Good,
        MatchState::Unmatched | MatchState::Ambiguous => Tone::Warn,
        MatchState::Ignored => Tone::Dim,
    }
}

/// Widths of the columns; zero leaves one out.
struct Columns {
    name: usize,
    email: usize,
    other: usize,
    why: usize,
}

impl Columns {
    fn of(width: u16) -> Self {
        let rest = usize::from(width).saturating_sub(STATE + 3);
        match Room::of(width) {
            Room::Narrow => Self { name: rest, email: 0, other: 0, why: 0 },
            Room::Medium => Self { name: rest / 2, email: 0, other: rest - rest / 2 - 1, why: 0 },
            Room::Wide => {
                let part = (rest - 3) / 4;
                Self { name: part, email: part, other: part, why: rest - 3 - 3 * part }
            }
        }
    }

    fn line(&self, brush: Brush<'_>, rest: Tone, cells: [Safe; 5]) -> Vec<Span<'static>> {
        let widths = [self.name, self.email, STATE, self.other, self.why];
        let mut spans = vec![Span::raw(" ")];
        for (cell, columns) in cells.iter().zip(widths).filter(|(_, columns)| *columns > 0) {
            spans.extend(brush.fit(rest, cell, columns));
            spans.push(Span::raw(" "));
        }
        spans
    }
}

fn row(brush: Brush<'_>, columns: &Columns, line: &MatchLine, here: bool) -> Line<'static> {
    let entry = &line.row;
    let known = if entry.alive() { Tone::Text } else { Tone::Dim };
    let error = entry.error.as_deref().map(|error| format!("{}; {error}", line.because));
    let why = error.as_deref().unwrap_or(&line.because);
    let cells = [
        (known, Safe::limited(&entry.name, NAME_LIMIT), columns.name),
        (Tone::Dim, Safe::limited(entry.email.as_deref().unwrap_or_default(), NAME_LIMIT), columns.email),
        (tone(entry.state), Safe::own(entry.state.into()), STATE),
        (known, Safe::limited(line.other.as_deref().unwrap_or_default(), NAME_LIMIT), columns.other),
        (Tone::Dim, Safe::limited(why, 200), columns.why),
    ];
    let mut spans = vec![brush.marker(here)];
    for (tone, cell, columns) in cells.into_iter().filter(|(_, _, columns)| *columns > 0) {
        spans.extend(brush.fit(tone, &cell, columns));
        spans.push(Span::raw(" "));
    }
    Line::from(spans)
}

/// The inside of the pairing dialog.
pub(super) fn pairing(brush: Brush<'_>, frame: &mut Frame<'_>, area: Rect, pairing: &Pairing) {
    let columns = usize::from(area.width);
    let mut rows = vec![Line::from(brush.fit(Tone::Title, &Safe::limited(&pairing.name, NAME_LIMIT), columns))];
    if let Some(without) = pairing.without.filter(|without| *without > 0) {
        let text = format!("{} records were sent without it", time::count(without));
        rows.push(Line::from(brush.word(Tone::Dim, &text, columns)));
    }
    let height = usize::from(area.height).saturating_sub(rows.len() + 1);
    match pairing.options.as_deref() {
        _ if pairing.failed => rows.push(Line::from(brush.say(Tone::Error, "Not available now; Enter asks again."))),
        None => rows.push(Line::from(brush.say(Tone::Dim, format!("loading{}", brush.signs.more)))),
        Some([]) => rows.push(Line::from(brush.say(Tone::Dim, "Nothing similar; type a part of the name."))),
        Some(options) => {
            let top = pairing.selected.map_or(0, |at| (at + 1).saturating_sub(height));
            let email = pairing.entry.kind == MatchKind::Staff && columns >= 50;
            rows.extend(options.iter().enumerate().skip(top).take(height).map(|(at, line)| {
                let half = if email { columns / 2 } else { columns };
                let mut spans = vec![brush.marker(pairing.selected == Some(at)), Span::raw(" ")];
                spans.extend(brush.fit(Tone::Text, &Safe::limited(&line.row.name, NAME_LIMIT), half.saturating_sub(3)));
                if email {
                    let address = Safe::limited(line.row.email.as_deref().unwrap_or_default(), NAME_LIMIT);
                    spans.push(Span::raw(" "));
                    spans.extend(brush.fit(Tone::Dim, &address, columns - half));
                }
                Line::from(spans)
            }));
        }
    }
    lines(frame, area, rows);
}
