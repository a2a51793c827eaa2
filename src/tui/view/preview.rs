//! A long value over the body.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::layout::above_preview;
use super::paint::{Brush, lines};
use super::time;
use crate::model::Side;
use crate::text::Safe;
use crate::tui::dialog::Preview;
use crate::tui::theme::Tone;
use crate::wire::{PreviewAs, PreviewOf, SideNames};

pub(super) fn draw(brush: Brush<'_>, frame: &mut Frame<'_>, area: Rect, preview: &Preview) {
    let head = Safe::new(&head(brush.names, preview));
    lines(frame, area, [Line::from(brush.fit(Tone::Dim, &head, usize::from(area.width)))]);
    let (y, height) = (area.y + above_preview(), area.height.saturating_sub(above_preview()));
    let below = Rect { y, height, ..area };
    let mut rows = preview.rows().peekable();
    if rows.peek().is_some() {
        lines(frame, below, rows.map(|row| Line::from(brush.say(Tone::Text, row.to_owned()))));
        return;
    }
    let text = match (preview.loading(), preview.mode()) {
        (true, _) => format!("loading{}", brush.signs.more),
        (false, PreviewAs::Links) => "There is no web or mail address in it.".to_owned(),
        (false, PreviewAs::Text | PreviewAs::Html) => "There is nothing to read in it.".to_owned(),
    };
    lines(frame, below, [Line::from(brush.say(Tone::Dim, text))]);
}

/// What is looked at, how, and where one is.
fn head(names: &SideNames, preview: &Preview) -> String {
    let of = match preview.of() {
        _ if preview.is_stream() => {
            if preview.is_post() {
                "as we send it"
            } else {
                "as it came"
            }
        }
        PreviewOf::Ivvy => names.of(Side::Ivvy),
        PreviewOf::Crm => "CRM",
        PreviewOf::Base => "last agreed",
        PreviewOf::Result => "result",
    };
    let mode = match preview.mode() {
        PreviewAs::Text => "as text",
        PreviewAs::Html => "source",
        PreviewAs::Links => "addresses in it; none is opened",
    };
    let place = preview.place().map(|(total, above)| {
        let percent = match preview.is_whole() {
            true => String::new(),
            false => format!("{} % of ", above * 100 / total.max(1)),
        };
        format!(", {percent}{} bytes", time::count(total))
    });
    format!("{of}, {mode}{}", place.unwrap_or_default())
}
