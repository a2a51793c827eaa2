//! Views: pure functions of the state into a frame. They change nothing and ask nobody.

mod chrome;
mod dashboard;
mod dialogs;
mod diff;
pub(super) mod layout;
mod log;
mod mapping;
mod matching;
pub(super) mod module;
mod paint;
mod preview;
mod queue;
pub(super) mod stream;
mod time;

use ratatui::Frame;
use ratatui::text::Line;

use super::app::{App, Tab};
use super::theme::{Theme, Tone};
use layout::{Regions, SMALLEST};
use paint::Brush;

/// Draws everything.
pub fn draw(app: &App, theme: &Theme, frame: &mut Frame<'_>) {
    let brush = Brush::new(theme, app.settings.ascii, &app.hello.sides);
    let area = frame.area();
    if area.width < SMALLEST.width || area.height < SMALLEST.height {
        let text = format!("tandem needs {}×{}; now {}×{}", SMALLEST.width, SMALLEST.height, area.width, area.height);
        let rows = crate::text::wrap(&text, usize::from(area.width));
        paint::lines(frame, area, rows.into_iter().map(|row| Line::from(brush.say(Tone::Text, row))));
        return;
    }
    let regions = Regions::of(area);
    chrome::header(app, brush, frame, regions);
    match app.tab {
        Tab::Dashboard => match (&app.screen, &app.stream) {
            (Some(screen), _) => module::draw(app, screen, brush, frame, regions.body),
            (None, Some(screen)) => stream::draw(app, screen, brush, frame, regions.body),
            (None, None) => dashboard::draw(app, brush, frame, regions.body),
        },
        Tab::Queue => queue::draw(app, brush, frame, regions.body),
        Tab::Diff => diff::draw(app, brush, frame, regions.body),
        Tab::Log => log::draw(app, brush, frame, regions.body),
        Tab::Match => matching::draw(app, brush, frame, regions.body),
    }
    chrome::status(app, brush, frame, regions.status);
    chrome::footer(app, brush, frame, regions.footer);
    dialogs::draw(app, brush, frame, regions.body);
    chrome::continuations(app, brush, frame, regions.body);
    chrome::toast(app, brush, frame, regions.body);
}
