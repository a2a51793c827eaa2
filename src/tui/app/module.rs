//! A module looked at closely: opening it, its two halves, the way to its queue.

use super::{App, Tab};
use crate::model::ModuleId;
use crate::tui::module::{Pane, Screen};
use crate::tui::view::module::{furthest, runs_begin, side_by_side};
use crate::wire::{Filter, Status};

impl App {
    /// Opens a module's screen, or from there its queue.
    pub(super) fn open_module(&mut self, module: ModuleId) {
        if self.screen.is_none() {
            self.screen = Some(Screen::new(module));
            self.refresh.module.forget();
            return;
        }
        self.queue.filter = Filter { module: Some(module), ..Filter::default() };
        self.refilter();
        self.go(Tab::Queue);
    }

    /// A new dashboard: modules by group, the cursor on the module it was on.
    pub(super) fn take_status(&mut self, mut status: Status) {
        let under = self.status.as_ref().and_then(|old| old.modules.get(self.module)).map(|module| module.name);
        let stream = self.current_stream().map(|row| row.id.clone()).filter(|_| self.stream.is_none());
        status.modules.sort_by_key(|module| (module.name.group(), module.name));
        let modules = status.modules.len();
        let on_stream =
            || status.streams.iter().position(|row| Some(&row.id) == stream.as_ref()).map(|at| modules + at);
        let at = status.modules.iter().position(|module| Some(module.name) == under).or_else(on_stream);
        self.module = at.unwrap_or(self.module).min((modules + status.streams.len()).saturating_sub(1));
        self.status = Some(status);
    }

    /// Scrolls the module's screen; by nothing, only back to where there is something.
    pub(super) fn scroll_module(&mut self, lines: isize) {
        let Some(mut screen) = self.screen.take() else { return };
        let furthest = furthest(self, &screen);
        if !side_by_side(self.size) {
            // Stacked, all of it is one page.
            screen.pane = Pane::Settings;
        }
        screen.scroll = [0, 1].map(|pane| screen.scroll[pane].min(furthest[pane]));
        screen.step(lines, furthest);
        self.screen = Some(screen);
    }

    /// Goes to the other half: in front where they stand side by side, to its first line where not.
    pub(super) fn other_half(&mut self) {
        let Some(mut screen) = self.screen.take() else { return };
        if side_by_side(self.size) {
            screen.pane = match screen.pane {
                Pane::Settings => Pane::Runs,
                Pane::Runs => Pane::Settings,
            };
        } else {
            let begin = runs_begin(self, &screen).min(furthest(self, &screen)[0]);
            screen.scroll[0] = if screen.scroll[0] < begin { begin } else { 0 };
        }
        self.screen = Some(screen);
    }

    /// Lines below the screen that are still to come; nothing while the first answer is.
    pub(super) fn module_left(&self) -> Option<usize> {
        let screen = self.screen.as_ref().filter(|screen| screen.view().is_some())?;
        let pane = usize::from(side_by_side(self.size));
        Some(furthest(self, screen)[pane].saturating_sub(screen.scroll[pane]))
    }
}
