//! The console's state and the one function that changes it.
//!
//! [`App::update`] is pure: a message in, effects out. It draws nothing, waits for nothing and asks
//! nobody; the loop in `tui::run` carries the effects out and brings the answers back as messages.

mod available;
mod decide;
mod input;
pub(super) mod mapping;
mod matching;
mod module;
mod operate;
mod perform;
mod preview;
mod refresh;
mod replies;
mod stream;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crossterm::event::KeyEvent;
use ratatui::layout::Size;

use super::action::{ActionId, Scope};
use super::backend::{BackendEvent, CallError};
use super::dialog::{Dialog, Guard};
use super::keys::{Chord, Keymap};
use super::log::Log;
use super::matching::Matching;
use super::module::Screen;
use super::queue::{Load, Queue};
use super::toast::{Severity, Toasts};
use super::triage::Triage;
use super::view::layout;
use crate::error::Result;
use crate::model::{Fingerprint, ItemId, Kind, ModuleId, Seq, StreamId, Timestamp, Verb};
use crate::seam::Zone;
use crate::wire::{Answer, Hello, MatchEntry, PreviewQuery, Request, Status};

pub use decide::Bulk;
pub(super) use perform::STATE_FILTERS;
pub use refresh::Refresh;

/// The tabs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, strum::EnumIter)]
pub enum Tab {
    /// Modules and remotes.
    #[default]
    Dashboard,
    /// The queue.
    Queue,
    /// One item under triage.
    Diff,
    /// The audit log.
    Log,
    /// The match tables.
    Match,
}

impl Tab {
    /// Its name on the screen.
    pub fn title(self) -> &'static str {
        match self {
            Self::Dashboard => "Dashboard",
            Self::Queue => "Queue",
            Self::Diff => "Diff",
            Self::Log => "Log",
            Self::Match => "Match",
        }
    }

    /// Its key scope.
    pub fn scope(self) -> Scope {
        match self {
            Self::Dashboard => Scope::Dashboard,
            Self::Queue => Scope::Queue,
            Self::Diff => Scope::Diff,
            Self::Log => Scope::Log,
            Self::Match => Scope::Match,
        }
    }
}

/// An item on the version the operator saw: the only way to name one in a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Which.
    pub id: ItemId,
    /// The version seen.
    pub version: u32,
    /// The fingerprint seen, where it is known.
    pub seen: Option<Fingerprint>,
    /// Title, raw.
    pub title: String,
    /// Module.
    pub module: ModuleId,
    /// Kind of work: deciding which record is meant is another thing than sending values.
    pub kind: Kind,
}

/// Something decided in this session that can be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undoable {
    /// The verb that takes it back.
    pub verb: Verb,
    /// On which items, on the versions they have since.
    pub targets: Vec<Target>,
}

/// What happens to the application.
#[derive(Clone, Debug)]
pub enum Msg {
    /// The console has started.
    Start,
    /// A key was pressed.
    Key(KeyEvent),
    /// Text was pasted.
    Paste(String),
    /// The terminal has this size now; it may be the same one.
    Resize(Size),
    /// A call was answered.
    Reply(Tag, Box<std::result::Result<Answer, CallError>>),
    /// Something arrived unasked.
    Backend(BackendEvent),
    /// A moment [`App::deadline`] asked for has come.
    Tick,
}

/// What the loop shall do.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant)] // a handful at a time, gone at once
pub enum Effect {
    /// Ask the daemon; the answer comes back with the tag.
    Call(Tag, Request),
    /// Paint the whole screen anew.
    Repaint,
    /// Give the terminal to the shell for a while.
    Suspend,
    /// Leave.
    Quit,
}

/// Which question an answer belongs to.
#[derive(Clone, Debug, PartialEq)]
pub enum Tag {
    /// Live events.
    Watch,
    /// Modules and remotes.
    Status,
    /// Rows of the queue.
    Page {
        /// Of which query.
        generation: u64,
        /// Where they go.
        load: Load,
    },
    /// The item under triage.
    Item(ItemId),
    /// A part of a long value.
    Preview(PreviewQuery),
    /// What became of an item decided here.
    Outcome(ItemId),
    /// Rows of the log.
    Audit {
        /// Of which query.
        generation: u64,
        /// Older than this; the newest when absent.
        before: Option<Seq>,
    },
    /// Rows of a match table.
    Matches {
        /// Of which query.
        generation: u64,
        /// Further rows, not the first.
        further: bool,
    },
    /// A module looked at closely.
    Module {
        /// Which.
        module: ModuleId,
        /// Runs before this one; the newest when absent.
        before: Option<u64>,
    },
    /// What a stream set aside.
    StreamItems {
        /// Which stream.
        stream: StreamId,
        /// After this number; from the first on when absent.
        after: Option<u64>,
    },
    /// Checks at the gates.
    AccessChecks {
        /// Of which stream.
        stream: StreamId,
        /// Beyond this place; the newest when absent.
        before: Option<String>,
    },
    /// What an entry could be paired with, of what contains a text.
    MatchOptions(MatchEntry, String),
    /// The field map that is shown.
    Map,
    /// A change of it.
    MapChanged,
    /// Its versions.
    MapHistory,
    /// A decision.
    Decide {
        /// What.
        verb: Verb,
        /// On what.
        target: Target,
    },
    /// A part of a bulk decision.
    Bulk,
    /// What a guard holds.
    Guard(ModuleId),
    /// Something that only succeeds.
    Done,
    /// Findings to read.
    Report(&'static str),
}

/// The state of the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// There is one.
    Up,
    /// There is none, because of this.
    Lost(String),
}

/// What the console was started with.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Draw with ASCII only.
    pub ascii: bool,
    /// The zone times are shown in.
    pub zone: Zone,
    /// Keys that differ from the catalogue, by action name.
    pub keys: BTreeMap<String, Vec<String>>,
}

/// The console's state.
#[derive(Clone, Debug)]
pub struct App {
    pub(super) hello: Hello,
    pub(super) settings: Settings,
    pub(super) keymap: Keymap,
    pub(super) size: Size,
    pub(super) now: Timestamp,
    pub(super) tab: Tab,
    pub(super) link: Link,
    pub(super) frozen: bool,
    pub(super) status: Option<Status>,
    pub(super) module: usize,
    /// The module that is looked at closely, over the dashboard.
    pub(super) screen: Option<Screen>,
    /// The stream looked at closely, if one is.
    pub stream: Option<super::stream::Screen>,
    pub(super) queue: Queue,
    pub(super) triage: Triage,
    pub(super) log: Log,
    pub(super) matching: Matching,
    pub(super) dialogs: Vec<Dialog>,
    pub(super) toasts: Toasts,
    pub(super) pressed: Vec<Chord>,
    pub(super) bulk: Option<Bulk>,
    journal: Vec<Undoable>,
    /// Items this console decided that are not written yet: whoever said "go" is told when it does not.
    awaited: BTreeSet<ItemId>,
    refresh: Refresh,
    calls: usize,
    /// Go on with the next unsolved item once the decision under way has been taken.
    advance: bool,
    /// A question that is asked again and again has failed, and the operator was told.
    trouble: bool,
}

impl App {
    /// A console that has asked nothing yet.
    ///
    /// # Errors
    /// The configured keys conflict.
    pub fn new(hello: Hello, settings: Settings, size: Size, now: Timestamp) -> Result<Self> {
        let keymap = Keymap::new(&settings.keys)?;
        Ok(Self {
            hello,
            settings,
            keymap,
            size,
            now,
            tab: Tab::default(),
            link: Link::Up,
            frozen: false,
            status: None,
            module: 0,
            screen: None,
            stream: None,
            queue: Queue::default(),
            triage: Triage::default(),
            log: Log::default(),
            matching: Matching::default(),
            dialogs: Vec::new(),
            toasts: Toasts::default(),
            pressed: Vec::new(),
            bulk: None,
            journal: Vec::new(),
            awaited: BTreeSet::new(),
            refresh: Refresh::default(),
            calls: 0,
            advance: false,
            trouble: false,
        })
    }

    /// Says something before anything else was asked.
    pub fn welcome(&mut self, text: &str) {
        let messages = self.key_hint(ActionId::Messages);
        self.toast(Severity::Info, &format!("{text} ({messages} shows this again)"));
    }

    /// Changes the state by one message and says what to do about it.
    pub fn update(&mut self, now: Timestamp, msg: Msg) -> Vec<Effect> {
        self.now = now;
        let mut effects = Vec::new();
        match msg {
            Msg::Start => self.start(&mut effects),
            Msg::Key(key) => self.key(key, &mut effects),
            Msg::Paste(text) => self.paste(&text, &mut effects),
            Msg::Resize(size) => {
                self.size = size;
                let height = self.list_height();
                self.queue.scroll_into_view(height);
                self.log.scroll_into_view(height);
                self.matching.scroll_into_view(height);
                self.scroll_module(0);
                effects.push(Effect::Repaint);
            }
            Msg::Reply(tag, reply) => {
                self.calls = self.calls.saturating_sub(1);
                self.reply(tag, *reply, &mut effects);
            }
            Msg::Backend(event) => self.backend_event(event, &mut effects),
            Msg::Tick => {}
        }
        self.pump(&mut effects);
        self.pump_preview(&mut effects);
        self.calls += effects.iter().filter(|effect| matches!(effect, Effect::Call(..))).count();
        effects
    }

    fn start(&mut self, effects: &mut Vec<Effect>) {
        effects.push(Effect::Call(Tag::Watch, Request::Watch));
        self.refresh.everything();
    }

    /// When [`Msg::Tick`] should come next, if nothing happens before.
    pub fn deadline(&self) -> Option<Timestamp> {
        let toast = self.toasts.deadline(self.now);
        let refresh = self.refresh_deadline();
        toast.into_iter().chain(refresh).min()
    }

    /// Calls not answered yet.
    pub fn calls(&self) -> usize {
        self.calls
    }

    /// The scopes keys are looked up in, innermost first.
    pub(super) fn chain(&self) -> Vec<Scope> {
        match self.dialogs.last() {
            Some(Dialog::Guard(_)) => vec![Scope::Guard, Scope::Global],
            Some(Dialog::Preview(_)) => vec![Scope::Preview, Scope::Global],
            Some(Dialog::Mapping(_)) => vec![Scope::FieldMap, Scope::Global],
            Some(_) => vec![Scope::Global],
            None if self.tab == Tab::Dashboard && self.stream.is_some() => vec![Scope::Stream, Scope::Global],
            None if self.tab == Tab::Dashboard && self.screen.is_some() => vec![Scope::Module, Scope::Global],
            // The row of a stream offers the stream's own keys.
            None if self.tab == Tab::Dashboard && self.current_stream().is_some() => {
                vec![Scope::Stream, Scope::Dashboard, Scope::Global]
            }
            None => vec![self.tab.scope(), Scope::Global],
        }
    }

    /// Lines a list has on this tab.
    pub(super) fn list_height(&self) -> usize {
        layout::list_height(self.size, self.tab)
    }

    pub(super) fn toast(&mut self, severity: Severity, text: &str) {
        self.toasts.push(self.now, severity, text);
    }

    /// The module that is looked at, or else the one under the cursor of the dashboard.
    pub(super) fn current_module(&self) -> Option<ModuleId> {
        if let Some(screen) = &self.screen {
            return Some(screen.module);
        }
        if self.stream.is_some() {
            return None;
        }
        self.status.as_ref().and_then(|status| status.modules.get(self.module)).map(|module| module.name)
    }

    pub(super) fn guard_dialog(&mut self) -> Option<&mut Guard> {
        self.dialogs.iter_mut().rev().find_map(|dialog| match dialog {
            Dialog::Guard(guard) => Some(guard),
            _ => None,
        })
    }

    /// The title of a field of the catalogue the daemon sent.
    pub(super) fn field_title(&self, module: ModuleId, field: &str) -> String {
        let def = self.hello.modules.iter().find(|def| def.id == module).and_then(|def| def.field(field));
        def.map_or_else(|| field.to_owned(), |def| def.title.to_string())
    }

    /// A key with the action's name, for messages.
    fn key_hint(&self, id: ActionId) -> String {
        self.keymap.key(id).unwrap_or_else(|| format!(": {id}"))
    }

    /// Ends a wait that has lasted long enough; part of every answer that refreshes something.
    fn settle(&self, interval: Duration) -> Timestamp {
        self.now.plus(interval)
    }
}
