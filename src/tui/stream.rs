//! A stream looked at closely: what it set aside, or gave up, as a list that grows as one scrolls; and, of the
//! checks at the gates, what came.

mod checks;

pub use self::checks::Checks;
use crate::model::{StreamId, StreamKind};
use crate::wire::{Request, StreamItem, StreamItems};

/// Items asked for at once.
const PAGE: u32 = 50;
/// Items a refresh asks for at most.
const REFRESHED: u32 = 500;

/// What the screen is about most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pane {
    /// The list, with as much of the settings above it as there is room.
    #[default]
    Items,
    /// The settings, whole.
    Settings,
    /// Checks at the gates, where those are what comes.
    Checks,
}

impl Pane {
    /// Those of a stream, in the order Tab goes through them; the first is shown first.
    fn of(kind: StreamKind) -> &'static [Self] {
        match kind {
            StreamKind::S360Access => &[Self::Checks, Self::Items, Self::Settings],
            _ => &[Self::Items, Self::Settings],
        }
    }
}

/// The state of a stream's screen.
#[derive(Clone, Debug)]
pub struct Screen {
    /// Which stream.
    pub stream: StreamId,
    /// What has the room.
    pub pane: Pane,
    /// The item under the cursor.
    pub cursor: usize,
    /// First line shown of the settings.
    pub scroll: usize,
    /// The checks, where there are any.
    pub checks: Checks,
    items: Vec<StreamItem>,
    more: bool,
    loaded: bool,
    loading: bool,
}

impl Screen {
    /// A screen that has asked nothing yet.
    pub fn new(stream: StreamId) -> Self {
        let pane = Pane::of(stream.kind).first().copied().unwrap_or_default();
        Self {
            stream,
            pane,
            cursor: 0,
            scroll: 0,
            checks: Checks::default(),
            items: Vec::new(),
            more: false,
            loaded: false,
            loading: false,
        }
    }

    /// What is loaded, oldest first.
    pub fn items(&self) -> &[StreamItem] {
        &self.items
    }

    /// Whether there are more than are loaded.
    pub fn has_more(&self) -> bool {
        self.more
    }

    /// Whether anything has been answered yet.
    pub fn loaded(&self) -> bool {
        match self.pane {
            Pane::Checks => self.checks.loaded(),
            Pane::Items | Pane::Settings => self.loaded,
        }
    }

    /// The item under the cursor; none while something else is listed.
    pub fn current(&self) -> Option<&StreamItem> {
        self.items.get(self.cursor).filter(|_| self.pane != Pane::Checks)
    }

    /// Whether checks at the gates are what is listed.
    pub fn lists_checks(&self) -> bool {
        self.pane == Pane::Checks
    }

    /// Goes to the next pane, or back.
    pub fn turn(&mut self, by: isize) {
        let panes = Pane::of(self.stream.kind);
        let at = panes.iter().position(|pane| *pane == self.pane).unwrap_or(0);
        let next = (at as isize + by).rem_euclid(panes.len() as isize);
        self.pane = panes.get(next as usize).copied().unwrap_or_default();
    }

    /// The first rows of what is listed, as many as are loaded already.
    pub fn newest(&mut self) -> Option<Request> {
        if self.pane == Pane::Checks {
            return self.checks.newest(&self.stream.tenant);
        }
        let loaded = u32::try_from(self.items.len()).unwrap_or(REFRESHED);
        self.ask(None, loaded.clamp(PAGE, REFRESHED))
    }

    /// Further rows, when the cursor comes near the end.
    pub fn prefetch(&mut self) -> Option<Request> {
        if self.pane == Pane::Checks {
            return self.checks.prefetch(&self.stream.tenant);
        }
        let near = self.items.len() - self.cursor.min(self.items.len()) <= PAGE as usize / 2;
        let last = self.items.last().map(|item| item.number).filter(|_| self.more && near)?;
        self.ask(Some(last), PAGE)
    }

    fn ask(&mut self, after: Option<u64>, limit: u32) -> Option<Request> {
        if self.loading {
            return None;
        }
        self.loading = true;
        Some(Request::StreamItems { stream: self.stream.clone(), after, limit })
    }

    /// Takes an answer to a question for the items after `after`. The cursor stays on its item.
    pub fn receive(&mut self, after: Option<u64>, page: StreamItems) {
        (self.loading, self.loaded) = (false, true);
        let under = self.items.get(self.cursor).map(|item| item.number);
        match after {
            None => (self.items, self.more) = (page.items, page.more),
            Some(after) if self.items.last().is_some_and(|last| last.number == after) => {
                self.items.extend(page.items);
                self.more = page.more;
            }
            Some(_) => {}
        }
        let same = self.items.iter().position(|item| under.is_none_or(|number| item.number >= number));
        self.cursor = same.unwrap_or(self.items.len().saturating_sub(1));
    }

    /// A failed question: the next one may try again.
    pub fn failed(&mut self) {
        self.loading = false;
        self.checks.failed();
    }

    /// Moves the cursor, or scrolls the settings, to `furthest` at most.
    pub fn step(&mut self, lines: isize, furthest: usize) {
        match self.pane {
            Pane::Items => {
                let last = self.items.len().saturating_sub(1);
                self.cursor = self.cursor.saturating_add_signed(lines).min(last);
            }
            Pane::Checks => self.checks.step(lines),
            Pane::Settings => self.scroll = self.scroll.saturating_add_signed(lines).min(furthest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{StreamKind, Timestamp};

    fn page(numbers: std::ops::RangeInclusive<u64>, more: bool) -> StreamItems {
        let item = |number| StreamItem {
            number,
            index: Some(0),
            at: Timestamp::from_secs(1),
            id: None,
            why: "no number".to_owned(),
            bytes: 2,
            body: "{}".to_owned(),
        };
        StreamItems { items: numbers.map(item).collect(), more }
    }

    #[test]
    fn items_grow_as_one_scrolls_and_the_cursor_stays_on_its_item_s15() {
        let mut screen = Screen::new(StreamId::new(StreamKind::S360Contacts, "ACME"));
        let request =
            |after, limit| Request::StreamItems { stream: "s360_contacts/ACME".parse().unwrap(), after, limit };
        assert!(screen.prefetch().is_none(), "nothing is known to follow nothing");
        assert_eq!(screen.newest(), Some(request(None, 50)));
        assert_eq!(screen.newest(), None, "one question at a time");
        screen.receive(None, page(1..=50, true));
        screen.step(10, 0);
        assert!(screen.prefetch().is_none(), "the end is far");
        screen.step(30, 0);
        assert_eq!(screen.prefetch(), Some(request(Some(50), 50)));
        screen.receive(Some(50), page(51..=60, false));
        assert_eq!((screen.items().len(), screen.has_more()), (60, false));
        assert_eq!(screen.current().unwrap().number, 41);
        // Somebody else dismissed the first twenty meanwhile.
        assert_eq!(screen.newest(), Some(request(None, 60)));
        screen.receive(None, page(21..=60, false));
        assert_eq!(screen.current().unwrap().number, 41);
        screen.newest();
        screen.receive(None, page(70..=70, false));
        assert_eq!(screen.current().unwrap().number, 70, "its own is gone: the next one");
        screen.newest();
        screen.receive(None, StreamItems::default());
        assert!(screen.current().is_none() && screen.loaded());
    }
}
