//! What is shown may be stale: what to ask again, and when. Nothing is asked while nothing changes,
//! for what is not on the screen, or more often than a person can read.

use std::time::Duration;

use super::{App, Effect, Link, Tab, Tag};
use crate::model::Timestamp;
use crate::wire::Request;

const STATUS_EVERY: Duration = Duration::from_secs(1);
const QUEUE_EVERY: Duration = Duration::from_millis(500);
const ITEM_EVERY: Duration = Duration::from_millis(300);
const LOG_EVERY: Duration = Duration::from_millis(500);
const STREAM_EVERY: Duration = Duration::from_secs(1);
const MODULE_EVERY: Duration = Duration::from_secs(1);
/// It costs calls to both remotes, so nothing but a person or a change of ours asks for it again.
const MAP_EVERY: Duration = Duration::from_millis(500);
const MATCHES_EVERY: Duration = Duration::from_millis(500);

/// Wait after a question that failed because something was not available.
const RETRY_AFTER: Duration = Duration::from_secs(3);

/// One thing that can be stale.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slot {
    stale: bool,
    asked: bool,
    not_before: Timestamp,
}

impl Slot {
    pub(super) fn due(&self, now: Timestamp) -> bool {
        self.stale && !self.asked && now >= self.not_before
    }

    pub(super) fn ask(&mut self) {
        self.stale = false;
        self.asked = true;
    }

    /// The answer is there; the next question waits.
    pub(super) fn answered(&mut self, not_before: Timestamp) {
        self.asked = false;
        self.not_before = not_before;
    }

    /// The answer is there and useless; ask again then.
    pub(super) fn retry(&mut self, at: Timestamp) {
        *self = Self { stale: true, asked: false, not_before: at };
    }

    /// Ask at once.
    pub(super) fn now(&mut self) {
        self.stale = true;
        self.not_before = Timestamp::EPOCH;
    }

    /// Ask when its time has come.
    pub(super) fn soon(&mut self) {
        self.stale = true;
    }

    /// What was asked does not count any more; ask at once.
    pub(super) fn forget(&mut self) {
        *self = Self { stale: true, ..Self::default() };
    }
}

/// Everything that can be stale.
#[derive(Clone, Debug, Default)]
pub struct Refresh {
    pub(super) status: Slot,
    pub(super) queue: Slot,
    pub(super) item: Slot,
    pub(super) log: Slot,
    pub(super) matches: Slot,
    pub(super) module: Slot,
    pub(super) stream: Slot,
    pub(super) map: Slot,
    /// Further rows of queue and log: never stale, but not asked again at once after a failure.
    more_not_before: Timestamp,
}

impl Refresh {
    /// Nothing that was asked counts any more; ask for all of it.
    pub(super) fn everything(&mut self) {
        self.status.forget();
        self.queue.forget();
        self.item.forget();
        self.log.forget();
        self.matches.forget();
        self.module.forget();
        self.stream.forget();
        self.map.forget();
    }

    /// Ask for all of it at once, without asking twice.
    pub(super) fn all_now(&mut self) {
        self.status.now();
        self.queue.now();
        self.item.now();
        self.log.now();
        self.matches.now();
        self.module.now();
        self.stream.now();
        self.map.now();
    }
}

impl App {
    pub(super) fn live(&self) -> bool {
        !self.frozen && self.link == Link::Up
    }

    /// Asks for what is stale and shown, and for rows the cursor is coming near.
    pub(super) fn pump(&mut self, effects: &mut Vec<Effect>) {
        if self.link != Link::Up {
            return;
        }
        let (now, height) = (self.now, self.list_height());
        if self.live() && self.refresh.status.due(now) {
            self.refresh.status.ask();
            effects.push(Effect::Call(Tag::Status, Request::Status));
        }
        if self.tab == Tab::Queue || self.queue.seeking() {
            self.pump_queue(height, effects);
        }
        // Frozen is what is on the screen; an item that is opened meanwhile is read once.
        let wanted = self.live() || self.triage.view().is_none();
        if self.tab == Tab::Diff && wanted && self.refresh.item.due(now) {
            match self.triage.wanted() {
                Some(id) => {
                    self.refresh.item.ask();
                    effects.push(Effect::Call(Tag::Item(id), Request::Item { id }));
                }
                None if !self.queue.loaded() && !self.queue.loading() => self.pump_queue(height, effects),
                None => {}
            }
        }
        if self.tab == Tab::Dashboard {
            self.pump_module(effects);
            self.pump_stream(effects);
        }
        if self.tab == Tab::Match {
            self.pump_matches(height, effects);
        }
        self.pump_map(effects);
        if self.tab == Tab::Log {
            let due = self.refresh.log.due(now) && (self.live() || !self.log.loaded());
            let more = self.log.loaded() && now >= self.refresh.more_not_before;
            let query = match due {
                true => self.log.newest(),
                false if more => self.log.prefetch(height),
                false => None,
            };
            if let Some((generation, query)) = query {
                if due {
                    self.refresh.log.ask();
                }
                effects.push(Effect::Call(Tag::Audit { generation, before: query.before }, Request::Audit(query)));
            }
        }
    }

    fn pump_module(&mut self, effects: &mut Vec<Effect>) {
        let left = self.module_left();
        let due = self.refresh.module.due(self.now) && (self.live() || left.is_none());
        let more = self.now >= self.refresh.more_not_before;
        let Some(screen) = &mut self.screen else { return };
        let request = match left {
            _ if due => screen.newest(),
            Some(left) if more => screen.prefetch(left),
            _ => None,
        };
        if let Some(request) = request {
            if due {
                self.refresh.module.ask();
            }
            let Request::Module { module, before, .. } = request else { return };
            effects.push(Effect::Call(Tag::Module { module, before }, request));
        }
    }

    fn pump_matches(&mut self, height: usize, effects: &mut Vec<Effect>) {
        let due = self.refresh.matches.due(self.now) && (self.live() || !self.matching.loaded());
        let more = self.now >= self.refresh.more_not_before;
        let query = match due {
            true => self.matching.refresh(height),
            false if more => self.matching.prefetch(height),
            false => None,
        };
        if let Some((generation, query)) = query {
            if due {
                self.refresh.matches.ask();
            }
            let further = query.after.is_some();
            effects.push(Effect::Call(Tag::Matches { generation, further }, Request::Matches(query)));
        }
    }

    fn pump_queue(&mut self, height: usize, effects: &mut Vec<Effect>) {
        let now = self.now;
        let more = if now >= self.refresh.more_not_before { self.queue.prefetch(height) } else { None };
        let query = match more {
            Some(query) => Some(query),
            None if !self.refresh.queue.due(now) || self.queue.loading() => None,
            None if !self.queue.loaded() => Some(self.queue.jump(super::Load::Start, height)),
            None if self.live() => self.queue.refresh(height),
            None => None,
        };
        if let Some((generation, load, page)) = query {
            if matches!(load, super::Load::Start | super::Load::End | super::Load::Refresh) {
                self.refresh.queue.ask();
            }
            effects.push(Effect::Call(Tag::Page { generation, load }, Request::Page(page)));
        }
    }

    /// When something stale and shown may be asked again.
    pub(super) fn refresh_deadline(&self) -> Option<Timestamp> {
        if !self.live() {
            return None;
        }
        let Refresh { status, queue, item, log, matches, module, stream, map, .. } = &self.refresh;
        let shown = [
            Some(status),
            (self.tab == Tab::Queue).then_some(queue),
            (self.tab == Tab::Diff && self.triage.wanted().is_some()).then_some(item),
            (self.tab == Tab::Log).then_some(log),
            (self.tab == Tab::Match).then_some(matches),
            (self.tab == Tab::Dashboard && self.screen.is_some()).then_some(module),
            (self.tab == Tab::Dashboard && self.stream.is_some()).then_some(stream),
            self.mapping().is_some().then_some(map),
        ];
        shown.into_iter().flatten().filter(|slot| slot.stale && !slot.asked).map(|slot| slot.not_before).min()
    }

    /// Whether rows beyond the window may be asked for.
    pub(super) fn may_ask_for_more(&self) -> bool {
        self.now >= self.refresh.more_not_before
    }

    /// Rows beyond the window could not be had; not again for a moment.
    pub(super) fn more_failed(&mut self) {
        self.refresh.more_not_before = self.now.plus(RETRY_AFTER);
    }

    /// When to ask again for what could not be had.
    pub(super) fn retry_at(&self) -> Timestamp {
        self.now.plus(RETRY_AFTER)
    }

    pub(super) fn status_answered(&mut self) {
        self.refresh.status.answered(self.settle(STATUS_EVERY));
    }

    pub(super) fn queue_answered(&mut self) {
        self.refresh.queue.answered(self.settle(QUEUE_EVERY));
    }

    pub(super) fn item_answered(&mut self) {
        self.refresh.item.answered(self.settle(ITEM_EVERY));
    }

    pub(super) fn matches_answered(&mut self) {
        self.refresh.matches.answered(self.settle(MATCHES_EVERY));
    }

    pub(super) fn module_answered(&mut self) {
        self.refresh.module.answered(self.settle(MODULE_EVERY));
    }

    pub(super) fn stream_answered(&mut self) {
        self.refresh.stream.answered(self.settle(STREAM_EVERY));
    }

    pub(super) fn map_answered(&mut self) {
        self.refresh.map.answered(self.settle(MAP_EVERY));
    }

    pub(super) fn log_answered(&mut self) {
        self.refresh.log.answered(self.settle(LOG_EVERY));
    }
}
