//! The audit log pane.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::layout::{Room, lines_above_list};
use super::paint::{Brush, Spans, lines};
use super::time;
use crate::model::AuditRow;
use crate::text::Safe;
use crate::tui::app::{App, Tab};
use crate::tui::log::sentence;
use crate::tui::theme::Tone;

pub(super) fn draw(app: &App, brush: Brush<'_>, frame: &mut Frame<'_>, area: Rect) {
    let zone = app.settings.zone.label(app.now);
    let title = match app.log.item {
        Some(id) => format!("  Log of item #{id}, newest first, {zone} (Esc: everything)"),
        None => format!("  Everything that happened, newest first; times in {zone}"),
    };
    lines(frame, area, [Line::from(brush.say(Tone::Dim, title))]);
    let above = lines_above_list(Tab::Log);
    let list = Rect { y: area.y + above, height: area.height - above, ..area };
    if app.log.rows().is_empty() {
        let text = if app.log.loaded() { "Nothing yet.".to_owned() } else { format!("loading{}", brush.signs.more) };
        lines(frame, list, [Line::from(brush.say(Tone::Dim, format!("  {text}")))]);
        return;
    }
    let room = Room::of(area.width);
    let rows: Vec<Line<'static>> = app
        .log
        .visible(usize::from(list.height))
        .map(|(at, entry)| {
            let mut spans = vec![brush.marker(at == app.log.cursor()), Span::raw(" ")];
            spans.extend(row(app, brush, entry, room, usize::from(list.width).saturating_sub(2)));
            Line::from(spans)
        })
        .collect();
    lines(frame, list, rows);
}

/// One row of the log in `columns`; also used by the history of an item.
pub(super) fn row(app: &App, brush: Brush<'_>, entry: &AuditRow, room: Room, columns: usize) -> Spans {
    let mut spans = brush.word(Tone::Dim, &time::stamp(&app.settings.zone, entry.at, app.now), 12);
    if room > Room::Narrow {
        spans.extend(brush.fit(Tone::Text, &Safe::limited(&entry.actor.name, 40), 11));
        spans.push(Span::raw(" "));
        let item = entry.item.map(|id| format!("#{id}")).unwrap_or_default();
        spans.extend(brush.word(Tone::Dim, &item, 8));
        spans.push(Span::raw(" "));
    }
    let used = super::paint::width(&spans);
    spans.extend(brush.fit(
        Tone::Text,
        &Safe::limited(&sentence(&entry.what, brush.names), 400),
        columns.saturating_sub(used),
    ));
    spans
}
