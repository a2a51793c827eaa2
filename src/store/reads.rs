//! Every question that can be put to the store, answered the same from a snapshot and from inside a
//! transaction. The answers live in the files named after what they are about.

use std::collections::BTreeMap;

use super::deliveries::{self, Nudge};
use super::error::Result;
use super::inbox::{self, Checks};
use super::matching::{self, MatchFilter};
use super::meta;
use super::source::{Source, View};
use super::tx::Tx;
use super::{audit, intents, items, links, mapping, outbox, page, records, runs, shelf};
use crate::model::guard::Guard;
use crate::model::matching::{MatchRow, MatchState, SourceIntent};
use crate::model::query::{AuditQuery, PageQuery, Rows};
use crate::model::{
    AuditRow, Base, Cursor, Decision, FieldMap, Intent, Item, ItemId, Link, LinkId, MatchKind, ModuleId, Observation,
    OutboxCounts, Outgoing, PairKey, Post, Quarantined, Reason, RecordId, RunRow, Seq, Shelved, Side, State, StreamId,
    StreamKind, StreamState, Timestamp,
};

/// Read access. Implemented by [`View`] (a snapshot) and [`Tx`] (which sees its own writes). Every
/// method can fail on damage or a dead disk.
pub trait Reads {
    /// The tables behind it.
    #[doc(hidden)]
    fn source(&self) -> &dyn Source;

    /// The item with this id.
    fn item(&self, id: ItemId) -> Result<Option<Item>> {
        items::item(self.source(), id)
    }

    /// The open item of a pair (I3).
    fn open_item(&self, module: ModuleId, pair: &PairKey) -> Result<Option<ItemId>> {
        items::open_item(self.source(), module, pair)
    }

    /// The newest item of a pair, open or closed.
    fn last_item(&self, module: ModuleId, pair: &PairKey) -> Result<Option<ItemId>> {
        items::last_item(self.source(), module, pair)
    }

    /// The link with this id.
    fn link(&self, id: LinkId) -> Result<Option<Link>> {
        links::link(self.source(), id)
    }

    /// The link a record belongs to; an id that was merged away leads to the survivor's link.
    fn link_of(&self, module: ModuleId, side: Side, record: &RecordId) -> Result<Option<LinkId>> {
        links::link_of(self.source(), module, side, record)
    }

    /// Links of a module in id order, from the one after `after`.
    fn links(&self, module: ModuleId, after: Option<LinkId>, limit: usize) -> Result<Vec<Link>> {
        links::links(self.source(), module, after, limit)
    }

    /// What a link last agreed on; empty when it never has.
    fn base(&self, link: LinkId) -> Result<Base> {
        links::base(self.source(), link)
    }

    /// The last thing seen of a record.
    fn observation(&self, module: ModuleId, side: Side, record: &RecordId) -> Result<Option<Observation>> {
        records::observation(self.source(), module, side, record)
    }

    /// Observed records in id order (by bytes), from the one after `after`.
    fn observed_ids(
        &self,
        module: ModuleId,
        side: Side,
        after: Option<&RecordId>,
        limit: usize,
    ) -> Result<Vec<RecordId>> {
        records::observed_ids(self.source(), module, side, after, limit)
    }

    /// Records whose folded identity is this, in id order.
    fn by_identity(&self, module: ModuleId, side: Side, identity: &str, limit: usize) -> Result<Vec<RecordId>> {
        records::by_identity(self.source(), module, side, identity, limit)
    }

    /// Records that name this counterpart, in id order.
    fn by_external_key(&self, module: ModuleId, side: Side, key: &str, limit: usize) -> Result<Vec<RecordId>> {
        records::by_external_key(self.source(), module, side, key, limit)
    }

    /// Leads that are about this contact of their own system, or became it, in id order.
    fn by_person(&self, module: ModuleId, side: Side, person: &RecordId, limit: usize) -> Result<Vec<RecordId>> {
        records::by_person(self.source(), module, side, person, limit)
    }

    /// Records to look at, oldest mark first, each at most once.
    fn dirty(&self, module: ModuleId, limit: usize) -> Result<Vec<(Side, RecordId)>> {
        records::dirty(self.source(), module, limit)
    }

    /// Whether a record is marked.
    fn is_dirty(&self, module: ModuleId, side: Side, record: &RecordId) -> Result<bool> {
        records::is_dirty(self.source(), module, side, record)
    }

    /// The intent of an item.
    fn intent(&self, item: ItemId) -> Result<Option<Intent>> {
        intents::intent(self.source(), item)
    }

    /// Every intent, in item order. There are never more than pushes in flight or unproven.
    fn intents(&self) -> Result<Vec<Intent>> {
        intents::intents(self.source())
    }

    /// The item whose intent writes this record, or creates one under this key.
    fn intent_on(&self, module: ModuleId, side: Side, record: &RecordId) -> Result<Option<ItemId>> {
        intents::intent_on(self.source(), module, side, record)
    }

    /// How far one side of a module has been read; the default before the first page.
    fn cursor(&self, module: ModuleId, side: Side) -> Result<Cursor> {
        records::cursor(self.source(), module, side)
    }

    /// The guard of a module, once there is one.
    fn guard(&self, module: ModuleId) -> Result<Option<Guard>> {
        records::guard(self.source(), module)
    }

    /// Ready items whose time has come, by priority, then time, then id: the claim order.
    fn ready(&self, module: ModuleId, now: Timestamp, limit: usize) -> Result<Vec<ItemId>> {
        items::up_to(self.source(), module, State::Ready, now, limit)
    }

    /// Closed items of one state that ended up to `until`, by priority, then end.
    fn ended(&self, module: ModuleId, state: State, until: Timestamp, limit: usize) -> Result<Vec<ItemId>> {
        items::up_to(self.source(), module, state, until, limit)
    }

    /// The earliest time after `now` at which a ready item of the module may be claimed.
    fn next_ready(&self, module: ModuleId, now: Timestamp) -> Result<Option<Timestamp>> {
        items::next_ready(self.source(), module, now)
    }

    /// Items the clock moves on (retry, unknown, and parked with a time) whose time has come, earliest first.
    fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<ItemId>> {
        items::due(self.source(), now, limit)
    }

    /// When the next of those is due.
    fn next_due(&self) -> Result<Option<Timestamp>> {
        items::next_due(self.source())
    }

    /// Open items that wait for this parent, in id order.
    fn waiting_on(&self, module: ModuleId, pair: &PairKey, after: Option<ItemId>, limit: usize) -> Result<Vec<ItemId>> {
        items::waiting_on(self.source(), module, pair, after, limit)
    }

    /// Held items with this reason, in queue order.
    ///
    /// `after` is the last id of the call before. If it has left the state meanwhile, the walk goes on
    /// where it stood.
    fn held_by(&self, module: ModuleId, reason: Reason, after: Option<ItemId>, limit: usize) -> Result<Vec<ItemId>> {
        items::held_by(self.source(), module, reason, after, limit)
    }

    /// Items in this state, in queue order.
    ///
    /// `after` is the last id of the call before. If it has left the state meanwhile and the state
    /// sorts by a time that moves (ready, retry, closed states), the walk starts again: rows may be
    /// seen twice, none is skipped.
    fn in_state(&self, module: ModuleId, state: State, after: Option<ItemId>, limit: usize) -> Result<Vec<ItemId>> {
        items::in_state(self.source(), module, state, after, limit)
    }

    /// How many items are in each state. Exact, and no more work with more items; empty states are left out.
    fn counts(&self, module: ModuleId) -> Result<BTreeMap<State, u64>> {
        items::counts(self.source(), module)
    }

    /// How many held items have each reason. Exact; reasons without items are left out.
    fn reason_counts(&self, module: ModuleId) -> Result<BTreeMap<Reason, u64>> {
        items::reason_counts(self.source(), module)
    }

    /// How many pairs differ because the CRM changed what iVvy owns, and may (V-43).
    fn drifted(&self, module: ModuleId) -> Result<u64> {
        items::drifted(self.source(), module)
    }

    /// A window of the queue; see [`Reads::page_at`]. Advisory claims are shown even when run out.
    fn page(&self, query: &PageQuery) -> Result<Rows> {
        self.page_at(query, Timestamp::EPOCH)
    }

    /// A window of the queue as seen at `now`: advisory claims that have run out are left out.
    ///
    /// Order: state as in the list (held, dead, unknown, inflight, retry, ready, blocked, new; then
    /// skipped, done, superseded), then priority, then the state's own time (newest last), then id.
    /// Work is proportional to the window. A text filter looks at 2,000 rows at most and then says
    /// where to go on; until then "more" may mean "maybe more".
    fn page_at(&self, query: &PageQuery, now: Timestamp) -> Result<Rows> {
        page::page(self.source(), query, now)
    }

    /// What a system that cannot be listed last told us of a record.
    fn shelved(&self, module: ModuleId, side: Side, id: &RecordId) -> Result<Option<Shelved>> {
        shelf::shelved(self.source(), module, side, id)
    }

    /// The record on the shelf with this other name.
    fn shelved_by_key(&self, module: ModuleId, side: Side, key: &str) -> Result<Option<Shelved>> {
        shelf::by_key(self.source(), module, side, key)
    }

    /// Records on the shelf that were told to us from `from` on, in the order of [`Shelved::at`], after the one
    /// told at `after`.
    fn shelf(
        &self,
        module: ModuleId,
        side: Side,
        from: Option<Timestamp>,
        after: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Shelved>> {
        shelf::page(self.source(), module, side, from, after, limit)
    }

    /// Whether a payload with this digest was taken on this stream before.
    fn is_payload_known(&self, stream: &StreamId, digest: &[u8; 32]) -> Result<bool> {
        inbox::is_known(self.source(), stream, digest)
    }

    /// How a stream is doing; nothing yet is a state of its own.
    fn stream(&self, stream: &StreamId) -> Result<StreamState> {
        Ok(inbox::state(self.source(), stream)?.unwrap_or_default())
    }

    /// Every stream that something is known of.
    fn streams(&self) -> Result<Vec<(StreamId, StreamState)>> {
        inbox::states(self.source())
    }

    /// Records of a stream that could not be taken, oldest first, from the one after `after`.
    fn quarantined(&self, stream: &StreamId, after: Option<u64>, limit: usize) -> Result<Vec<Quarantined>> {
        inbox::quarantined(self.source(), stream, after, limit)
    }

    /// How many records of a stream are set aside.
    fn count_quarantined(&self, stream: &StreamId) -> Result<u64> {
        inbox::count_quarantined(self.source(), stream)
    }

    /// One record of a stream that was set aside.
    fn quarantined_one(&self, stream: &StreamId, number: u64) -> Result<Option<Quarantined>> {
        inbox::quarantined_one(self.source(), stream, number)
    }

    /// The check at a gate with this number, as it was told.
    fn access_check(&self, stream: &StreamId, number: u64) -> Result<Option<String>> {
        inbox::access_check(self.source(), stream, number)
    }

    /// Checks at gates, newest first by when they were first told: of one stream or of all, told since a moment,
    /// beyond the place `before` that an earlier window ended at.
    fn access_checks(
        &self,
        stream: Option<&StreamId>,
        since: Option<Timestamp>,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Checks> {
        inbox::access_checks(self.source(), stream, since, before, limit)
    }

    /// How much of a stream of ours is on its way. Exact, and no more work with more of it.
    fn outbox_counts(&self, stream: StreamKind) -> Result<OutboxCounts> {
        outbox::counts(self.source(), stream)
    }

    /// Records of a stream that wait for a payload, in line, from the one after number `after`.
    fn outgoing(&self, stream: StreamKind, after: Option<u64>, limit: usize) -> Result<Vec<Outgoing>> {
        outbox::outgoing(self.source(), stream, after, limit)
    }

    /// Payloads of a stream that were not answered with 200 yet, by number, from the one after `after`: the dead
    /// ones, or those that are still sent.
    fn posts(&self, stream: StreamKind, dead: bool, after: Option<u64>, limit: usize) -> Result<Vec<Post>> {
        outbox::posts(self.source(), stream, dead, after, limit)
    }

    /// The bytes of a payload, exactly as they are sent. Personal data.
    fn post_body(&self, stream: StreamKind, number: u64) -> Result<Option<String>> {
        outbox::body(self.source(), stream, number)
    }

    /// Whether a message with this id was delivered and is not forgotten yet.
    fn is_delivered(&self, message: &str) -> Result<bool> {
        deliveries::is_delivered(self.source(), message)
    }

    /// Records that are to be read directly, by module, side and id, from the one after `after`.
    fn nudges(&self, after: Option<(ModuleId, Side, &RecordId)>, limit: usize) -> Result<Vec<Nudge>> {
        deliveries::nudges(self.source(), after, limit)
    }

    /// The match row of an entry.
    fn match_row(&self, kind: MatchKind, side: Side, id: &RecordId) -> Result<Option<MatchRow>> {
        matching::row(self.source(), kind, side, id)
    }

    /// Every match row of a kind, by side and id: what matching anew starts from.
    fn match_table(&self, kind: MatchKind) -> Result<Vec<MatchRow>> {
        matching::all(self.source(), kind)
    }

    /// Match rows of one side by name, from the one after the row of `after`. A needle searches name and
    /// e-mail, and looks through the index, not the rows.
    fn match_rows(
        &self,
        kind: MatchKind,
        side: Side,
        filter: MatchFilter<'_>,
        after: Option<&RecordId>,
        limit: usize,
    ) -> Result<Vec<MatchRow>> {
        matching::rows(self.source(), kind, side, filter, after, limit)
    }

    /// Match rows of one side that are to be created on the other, by name.
    fn wanted_rows(&self, kind: MatchKind, side: Side) -> Result<Vec<MatchRow>> {
        matching::wanted(self.source(), kind, side)
    }

    /// How many match rows of one side are in each state. Exact; states without rows are left out.
    fn match_counts(&self, kind: MatchKind, side: Side) -> Result<BTreeMap<MatchState, u64>> {
        matching::counts(self.source(), kind, side)
    }

    /// What a new lead carries on the other side for this entry: its counterpart, if it is paired and
    /// neither of them is inactive or gone.
    fn counterpart_of(&self, kind: MatchKind, side: Side, id: &RecordId) -> Result<Option<RecordId>> {
        matching::counterpart_of(self.source(), kind, side, id)
    }

    /// The creation of a lead source on `side` under this folded name, while its outcome is not on record.
    fn source_intent(&self, side: Side, folded: &str) -> Result<Option<SourceIntent>> {
        matching::source_intent(self.source(), side, folded)
    }

    /// Every creation of a lead source whose outcome is not on record.
    fn source_intents(&self) -> Result<Vec<SourceIntent>> {
        matching::source_intents(self.source())
    }

    /// Decisions on an item, by version.
    fn decisions(&self, item: ItemId) -> Result<Vec<Decision>> {
        intents::decisions(self.source(), item)
    }

    /// Audit rows, newest first.
    fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditRow>> {
        audit::rows(self.source(), query)
    }

    /// Runs of a module, newest first, from the one before number `before`.
    fn runs(&self, module: ModuleId, before: Option<u64>, limit: usize) -> Result<Vec<RunRow>> {
        runs::runs(self.source(), module, before, limit)
    }

    /// Checks the audit chain: how many rows were checked, and the first that does not fit.
    fn audit_verify(&self) -> Result<(u64, Option<Seq>)> {
        audit::verify(self.source())
    }

    /// The newest version of a module's field map.
    fn newest_field_map(&self, module: ModuleId) -> Result<Option<FieldMap>> {
        mapping::newest(self.source(), module)
    }

    /// One version of a module's field map.
    fn field_map(&self, module: ModuleId, version: u32) -> Result<Option<FieldMap>> {
        mapping::version(self.source(), module, version)
    }

    /// Versions of a module's field map, newest first: those before `before`, or from the newest on.
    fn field_maps(&self, module: ModuleId, before: Option<u32>, limit: usize) -> Result<Vec<FieldMap>> {
        mapping::newest_first(self.source(), module, before, limit)
    }

    /// A free-form value.
    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>> {
        meta::get(self.source(), key)
    }

    /// The writer epoch in force; zero before the first.
    fn epoch(&self) -> Result<u64> {
        meta::epoch(self.source())
    }

    /// Newest audit position; zero before the first row.
    fn seq(&self) -> Result<Seq> {
        audit::newest(self.source())
    }
}

impl Reads for View {
    fn source(&self) -> &dyn Source {
        self
    }
}

impl Reads for Tx<'_> {
    fn source(&self) -> &dyn Source {
        self
    }
}
