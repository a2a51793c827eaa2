//! Where things are: pure functions of the terminal's size, used for drawing and for paging.

use ratatui::layout::{Rect, Size};

use crate::tui::app::Tab;

/// Below this the console says so and draws nothing else.
pub const SMALLEST: Size = Size { width: 40, height: 10 };

/// How much room a line has, in three steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    /// Under 60 columns: things are stacked.
    Narrow,
    /// Under 100 columns: the less important columns are left out.
    Medium,
    /// Everything.
    Wide,
}

impl Room {
    /// Of a line of this many columns.
    pub fn of(columns: u16) -> Self {
        match columns {
            0..60 => Self::Narrow,
            60..100 => Self::Medium,
            _ => Self::Wide,
        }
    }
}

/// The fixed regions of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Regions {
    /// Badge and tabs.
    pub header: Rect,
    /// The line below.
    pub rule: Rect,
    /// The tab.
    pub body: Rect,
    /// Always visible facts.
    pub status: Rect,
    /// Keys.
    pub footer: Rect,
}

impl Regions {
    /// Of a screen at least [`SMALLEST`].
    pub fn of(area: Rect) -> Self {
        let line = |y: u16| Rect { x: area.x, y: area.y + y, width: area.width, height: 1 };
        let height = area.height.max(SMALLEST.height);
        Self {
            header: line(0),
            rule: line(1),
            body: Rect { y: area.y + 2, height: height - 4, ..area },
            status: line(height - 2),
            footer: line(height - 1),
        }
    }
}

/// Lines a tab uses above its list.
pub fn lines_above_list(tab: Tab) -> u16 {
    match tab {
        Tab::Queue | Tab::Match => 2,
        Tab::Log | Tab::Dashboard => 1,
        Tab::Diff => 3,
    }
}

/// Rows a list shows on a screen of this size.
pub fn list_height(size: Size, tab: Tab) -> usize {
    let body = size.height.saturating_sub(4);
    usize::from(body.saturating_sub(lines_above_list(tab)).max(1))
}

/// Lines a preview has above its text.
pub fn above_preview() -> u16 {
    1
}

/// Where a preview shows its text: the body without the border, its margin and the line above.
pub fn preview_room(size: Size) -> Size {
    let area = Rect { x: 0, y: 0, width: size.width, height: size.height };
    let body = Regions::of(area).body;
    Size { width: body.width.saturating_sub(4), height: body.height.saturating_sub(2 + above_preview()) }
}

/// A box of at most this size in the middle of `area`.
pub fn centred(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height }
}
