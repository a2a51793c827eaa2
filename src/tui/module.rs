//! A module looked at closely: the settings in effect, and its runs as a window that grows backwards in time.

use crate::model::{ModuleId, RunRow};
use crate::wire::{ModuleView, Request};

/// Runs asked for at once.
const PAGE: u32 = 50;
/// Runs a refresh asks for at most; what lies behind them does not change.
const REFRESHED: u32 = 200;

/// The two halves of the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pane {
    /// The settings in effect.
    #[default]
    Settings,
    /// The last sweeps.
    Runs,
}

/// The state of a module's screen.
#[derive(Clone, Debug)]
pub struct Screen {
    /// Which module.
    pub module: ModuleId,
    /// The half that scrolls, where they stand side by side.
    pub pane: Pane,
    /// First line shown of each half; of everything, in the first, where they are stacked.
    pub scroll: [usize; 2],
    view: Option<ModuleView>,
    runs: Vec<RunRow>,
    more: bool,
    loading: bool,
}

impl Screen {
    /// A screen that has asked nothing yet.
    pub fn new(module: ModuleId) -> Self {
        Self {
            module,
            pane: Pane::default(),
            scroll: [0; 2],
            view: None,
            runs: Vec::new(),
            more: false,
            loading: false,
        }
    }

    /// What the daemon told, once it has.
    pub fn view(&self) -> Option<&ModuleView> {
        self.view.as_ref()
    }

    /// The loaded runs, newest first.
    pub fn runs(&self) -> &[RunRow] {
        &self.runs
    }

    /// The newest runs and everything else, as many as are loaded already.
    pub fn newest(&mut self) -> Option<Request> {
        let loaded = u32::try_from(self.runs.len()).unwrap_or(REFRESHED);
        self.ask(None, loaded.clamp(PAGE, REFRESHED))
    }

    /// Older runs, when `left` lines or fewer follow below the screen.
    pub fn prefetch(&mut self, left: usize) -> Option<Request> {
        let last = self.runs.last().map(|run| run.number).filter(|_| self.more && left < PAGE as usize / 2)?;
        self.ask(Some(last), PAGE)
    }

    fn ask(&mut self, before: Option<u64>, limit: u32) -> Option<Request> {
        if self.loading {
            return None;
        }
        self.loading = true;
        Some(Request::Module { module: self.module, before, limit })
    }

    /// Takes an answer to a question for the runs before `before`.
    pub fn receive(&mut self, before: Option<u64>, mut view: ModuleView) {
        self.loading = false;
        let mut runs = std::mem::take(&mut view.runs);
        match before {
            Some(before) if self.runs.last().is_some_and(|last| last.number == before) => {
                self.more = view.more;
                self.runs.append(&mut runs);
            }
            Some(_) => {}
            None => {
                // Older rows stay where they follow without a gap.
                let joined =
                    runs.last().zip(self.runs.first()).is_some_and(|(last, first)| last.number <= first.number);
                let oldest = runs.last().map_or(0, |last| last.number);
                let kept = self.runs.drain(..).filter(|run| joined && run.number < oldest);
                let kept: Vec<RunRow> = kept.collect();
                if kept.is_empty() {
                    self.more = view.more;
                }
                self.runs = runs;
                self.runs.extend(kept);
            }
        }
        self.view = Some(view);
    }

    /// A failed question: the next one may try again.
    pub fn failed(&mut self) {
        self.loading = false;
    }

    /// Scrolls the half in front by `lines`, to `furthest` at most.
    pub fn step(&mut self, lines: isize, furthest: [usize; 2]) {
        let pane = self.pane as usize;
        self.scroll[pane] = self.scroll[pane].saturating_add_signed(lines).min(furthest[pane]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{RunKind, Side, Timestamp};
    use crate::tui::fixture;

    fn view(numbers: std::ops::RangeInclusive<u64>, more: bool) -> ModuleView {
        let runs = numbers.rev().map(|number| RunRow {
            number,
            ..RunRow::begin(ModuleId::Contacts, Side::Ivvy, RunKind::Full, false, Timestamp::from_secs(number as i64))
        });
        ModuleView { runs: runs.collect(), more, ..fixture::module_view(ModuleId::Contacts) }
    }

    fn numbers(screen: &Screen) -> Vec<u64> {
        screen.runs().iter().map(|run| run.number).collect()
    }

    #[test]
    fn runs_are_read_backwards_in_pages_and_grow_at_the_top() {
        let mut screen = Screen::new(ModuleId::Contacts);
        assert!(screen.prefetch(0).is_none(), "nothing is known to be behind nothing");
        assert_eq!(screen.newest(), Some(Request::Module { module: ModuleId::Contacts, before: None, limit: PAGE }));
        assert_eq!(screen.newest(), None, "one question at a time");
        screen.receive(None, view(51..=100, true));
        let older = screen.prefetch(3).unwrap();
        assert_eq!(older, Request::Module { module: ModuleId::Contacts, before: Some(51), limit: PAGE });
        screen.receive(Some(51), view(1..=50, false));
        assert_eq!(numbers(&screen), (1..=100).rev().collect::<Vec<_>>());
        assert!(screen.prefetch(0).is_none(), "that was all");
        screen.receive(None, view(62..=102, true));
        assert_eq!(numbers(&screen), (1..=102).rev().collect::<Vec<_>>(), "what was behind is there still");
        screen.receive(None, view(300..=340, true));
        assert_eq!(numbers(&screen), (300..=340).rev().collect::<Vec<_>>(), "a gap is never hidden");
        assert!(screen.prefetch(0).is_some());
    }
}
