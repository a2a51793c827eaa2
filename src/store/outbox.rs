//! The outbox: what a CRM that takes arrays is still to be told. Records wait in line, in their newest state
//! only; payloads are frozen and sent unchanged until they are answered with 200, or given up.
//!
//! Two promises are kept here, whoever sends. The bytes of a payload are written once. And no state of a record
//! overtakes another: while a payload that is still sent holds a record, none with a newer state is frozen; and
//! a dead payload only comes back without the records that have been told anew.
//!
//! What is in a record is its adapter's business; here it is text.

use super::StoreError;
use super::codec;
use super::error::Result;
use super::header::{CounterKey, IndexRow};
use super::keys::{self, Key, Span};
use super::source::{self, Source};
use super::tables::Tab;
use super::tx::Tx;
use crate::model::{
    ModuleId, OutboxCounts, Outgoing, Post, PostEnd, PostRecord, PostTry, PushRun, RecordId, Revived, Shelved, Side,
    StreamId, StreamKind, Timestamp,
};
use crate::store::Reads as _;

use std::ops::ControlFlow;

/// Places in line: never used again.
const LAST_SEQ: &str = "last_outgoing";
/// Numbers of payloads: never used again.
const LAST_POST: &str = "last_post";

/// First byte of a counter of the outbox is this plus the stream; module numbers and match tables stay apart.
const COUNTERS: u8 = 0xD0;

/// Bytes after which a payload takes no more records: receivers have limits too.
const PAYLOAD_BYTES: usize = 4 * 1024 * 1024;

/// What is counted of a stream.
#[derive(Clone, Copy)]
enum Counted {
    Pending = 0,
    Unfinished = 1,
    Dead = 2,
}

fn counter(stream: StreamKind, what: Counted) -> CounterKey {
    [COUNTERS | stream.number(), 0, what as u8]
}

fn of_stream(stream: StreamKind) -> Key {
    Key::new().byte(stream.number())
}

fn numbered(stream: StreamKind, number: u64) -> Vec<u8> {
    of_stream(stream).u64(number).done()
}

fn record_key(stream: StreamKind, module: ModuleId, id: &RecordId) -> Vec<u8> {
    of_stream(stream).module(module).raw(id.as_str().as_bytes()).done()
}

fn outgoing_index(stream: StreamKind, row: &Outgoing) -> IndexRow {
    let key = record_key(stream, row.module, &row.id);
    IndexRow { tab: Tab::OutboxIds, key, value: row.seq.to_be_bytes().to_vec() }
}

/// Counter and index row of a record that waits.
pub(super) fn derived(key: &[u8], value: &[u8]) -> Result<(CounterKey, IndexRow)> {
    let stream = key.first().and_then(|number| StreamKind::from_number(*number));
    let stream = stream.ok_or_else(|| StoreError::corrupt("no such stream"))?;
    Ok((counter(stream, Counted::Pending), outgoing_index(stream, &codec::decode(value)?)))
}

/// The counter a payload is counted in.
pub(super) fn post_counter(post: &Post) -> CounterKey {
    counter(post.stream, if post.dead { Counted::Dead } else { Counted::Unfinished })
}

/// Rows of the index by record; none for a dead payload, which holds nobody up.
pub(super) fn post_rows(post: &Post) -> Vec<IndexRow> {
    let row = |record: &PostRecord| IndexRow {
        tab: Tab::PostRecords,
        key: record_key(post.stream, record.module, &record.id),
        value: post.number.to_be_bytes().to_vec(),
    };
    if post.dead { Vec::new() } else { post.records.iter().map(row).collect() }
}

pub(super) fn counts(source: &dyn Source, stream: StreamKind) -> Result<OutboxCounts> {
    let of = |what| source.counter(counter(stream, what));
    Ok(OutboxCounts { pending: of(Counted::Pending)?, unfinished: of(Counted::Unfinished)?, dead: of(Counted::Dead)? })
}

fn after_number(stream: StreamKind, after: Option<u64>) -> Span {
    let span = Span::prefix(of_stream(stream).done());
    match after {
        Some(after) => span.after(numbered(stream, after)),
        None => span,
    }
}

pub(super) fn outgoing(
    source: &dyn Source,
    stream: StreamKind,
    after: Option<u64>,
    limit: usize,
) -> Result<Vec<Outgoing>> {
    source::collect(source, Tab::Outbox, &after_number(stream, after), limit, |_, row| codec::decode(row))
}

pub(super) fn posts(
    source: &dyn Source,
    stream: StreamKind,
    dead: bool,
    after: Option<u64>,
    limit: usize,
) -> Result<Vec<Post>> {
    let mut found = Vec::new();
    if limit == 0 {
        return Ok(found);
    }
    let span = after_number(stream, after);
    source.scan(Tab::Posts, &span, source::Direction::Up, &mut |_, row| {
        let post: Post = codec::decode(row)?;
        if post.dead == dead {
            found.push(post);
        }
        Ok(if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok(found)
}

fn post(source: &dyn Source, stream: StreamKind, number: u64) -> Result<Option<Post>> {
    source::get(source, Tab::Posts, &numbered(stream, number), codec::decode)
}

pub(super) fn body(source: &dyn Source, stream: StreamKind, number: u64) -> Result<Option<String>> {
    source::get(source, Tab::PostBodies, &numbered(stream, number), |bytes| {
        String::from_utf8(bytes.to_vec()).map_err(|_| StoreError::corrupt("a payload is not text"))
    })
}

/// What became of a record that was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handed {
    /// It is on the shelf and in line, as of then.
    Over {
        /// When it last said something new.
        at: Timestamp,
        /// Nothing was known of it before.
        created: bool,
    },
    /// It is not what the caller believed it to be, and nothing was written.
    Moved,
}

impl Tx<'_> {
    /// Takes a record over: as `shelved` on the shelf, and as `body` in line for `stream`, both or neither. One
    /// that waits already keeps its place and takes this state. One that says nothing new is left as it is.
    /// With `expected`, only if the shelf's row is of that time.
    ///
    /// # Errors
    /// As [`Tx::shelve`]; and for a stream that is posted *to* us.
    pub fn hand_over(
        &mut self,
        stream: StreamKind,
        shelved: &Shelved,
        body: &str,
        expected: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Handed> {
        if stream.is_inbound() {
            return Err(StoreError::invariant(format!("{stream} is not a stream of ours")));
        }
        let known = self.shelved(shelved.module, shelved.side, &shelved.id)?;
        if expected.is_some_and(|expected| known.as_ref().map(|known| known.at) != Some(expected)) {
            return Ok(Handed::Moved);
        }
        let created = known.is_none();
        let Some(at) = self.shelve(shelved, now)? else {
            return Ok(Handed::Over { at: known.map_or(now, |known| known.at), created });
        };
        self.put_in_line(stream, shelved.module, &shelved.id, at, body)?;
        Ok(Handed::Over { at, created })
    }

    fn put_in_line(
        &mut self,
        stream: StreamKind,
        module: ModuleId,
        id: &RecordId,
        at: Timestamp,
        body: &str,
    ) -> Result<()> {
        let waiting = source::get(self, Tab::OutboxIds, &record_key(stream, module, id), keys::number)?;
        let seq = match waiting {
            Some(seq) => seq,
            None => self.next_number(LAST_SEQ)?,
        };
        let row = Outgoing { seq, module, id: id.clone(), at, body: body.to_owned() };
        if waiting.is_none() {
            self.count(counter(stream, Counted::Pending), true)?;
            let index = outgoing_index(stream, &row);
            self.insert(index.tab, &index.key, &index.value)?;
        }
        self.insert(Tab::Outbox, &numbered(stream, seq), &codec::encode(&row)?)
    }

    /// Freezes the next payload of at most `limit` records: the first in line that are not in a payload which is
    /// still sent. `None` if there are none.
    pub fn freeze(&mut self, stream: StreamKind, limit: usize, now: Timestamp) -> Result<Option<Post>> {
        let mut taken: Vec<Outgoing> = Vec::new();
        let mut size = 2;
        let mut after = None;
        'line: while taken.len() < limit {
            let page = outgoing(self, stream, after, limit)?;
            let Some(last) = page.last() else { break };
            after = Some(last.seq);
            for row in page {
                let key = record_key(stream, row.module, &row.id);
                if self.with(Tab::PostRecords, &key, &mut |_| Ok(()))? {
                    continue;
                }
                size += row.body.len() + 1;
                if taken.len() == limit || size > PAYLOAD_BYTES && !taken.is_empty() {
                    break 'line;
                }
                taken.push(row);
            }
        }
        if taken.is_empty() {
            return Ok(None);
        }
        let mut payload = String::with_capacity(size);
        let mut records = Vec::with_capacity(taken.len());
        for row in &taken {
            payload.push(if payload.is_empty() { '[' } else { ',' });
            payload.push_str(&row.body);
            let bytes = u32::try_from(row.body.len()).map_err(|_| StoreError::invariant("a record of 4 GB"))?;
            records.push(PostRecord { module: row.module, id: row.id.clone(), at: row.at, bytes });
            self.remove(Tab::Outbox, &numbered(stream, row.seq))?;
            self.remove(Tab::OutboxIds, &record_key(stream, row.module, &row.id))?;
            self.count(counter(stream, Counted::Pending), false)?;
        }
        payload.push(']');
        let post = Post {
            stream,
            number: self.next_number(LAST_POST)?,
            records,
            bytes: payload.len() as u64,
            created_at: now,
            tries: 0,
            last_try_at: None,
            last_error: None,
            dead: false,
            revived: false,
        };
        self.insert(Tab::PostBodies, &numbered(stream, post.number), payload.as_bytes())?;
        self.put_post(None, Some(&post))?;
        Ok(Some(post))
    }

    /// Puts what came of sending a payload on record, and on the stream's state. Returns the payload as it stands
    /// then: `None` once it was taken, or if it is no longer there.
    pub fn settle_post(&mut self, stream: StreamKind, number: u64, tried: &PostTry) -> Result<Option<Post>> {
        let Some(old) = post(self, stream, number)?.filter(|post| !post.dead) else {
            return Ok(None);
        };
        let id = StreamId::new(stream, "");
        let mut state = self.stream(&id)?;
        let records = u32::try_from(old.records.len()).unwrap_or(u32::MAX);
        state.repeated += u64::from(old.last_try_at.is_some());
        state.run = Some(match state.run.filter(|run| run.started_at == tried.run) {
            Some(run) => PushRun {
                last_at: tried.at,
                posts: run.posts.saturating_add(1),
                records: run.records.saturating_add(records),
                ..run
            },
            None => PushRun { started_at: tried.run, last_at: tried.at, posts: 1, records },
        });
        let new = match &tried.end {
            PostEnd::Taken => {
                state.payloads += 1;
                state.records += u64::from(records);
                state.went_through(tried.at);
                None
            }
            PostEnd::Failed(why) => {
                state.unstored += 1;
                state.fail(why.clone(), tried.at);
                let tries = old.tries.saturating_add(1);
                Some(Post {
                    tries,
                    last_try_at: Some(tried.at),
                    last_error: Some(why.clone()),
                    dead: tries >= tried.tries,
                    ..old.clone()
                })
            }
        };
        self.put_stream(&id, &state)?;
        self.put_post(Some(&old), new.as_ref())?;
        if new.is_none() {
            self.remove(Tab::PostBodies, &numbered(stream, number))?;
        }
        Ok(new)
    }

    /// Has a dead payload sent after all, with all its tries before it. Records that have a newer state by now are
    /// left out, and the others then wait for a payload again. What is revived a second time comes back record by
    /// record, each in a payload of its own. `None` if there is no such dead payload.
    pub fn revive_post(&mut self, stream: StreamKind, number: u64) -> Result<Option<Revived>> {
        let Some(old) = post(self, stream, number)?.filter(|post| post.dead) else {
            return Ok(None);
        };
        let mut newest = Vec::with_capacity(old.records.len());
        for record in &old.records {
            let known = self.shelved(record.module, Side::Crm, &record.id)?;
            newest.push(known.is_none_or(|known| known.at <= record.at));
        }
        let apart = old.revived && old.records.len() > 1;
        if !apart && newest.iter().all(|newest| *newest) {
            let new = Post { tries: 0, dead: false, revived: true, ..old.clone() };
            self.put_post(Some(&old), Some(&new))?;
            return Ok(Some(Revived::Whole));
        }
        let payload = body(self, stream, number)?.ok_or_else(|| StoreError::corrupt("a payload has no bytes"))?;
        let (mut start, mut back) = (1, 0);
        for (record, newest) in old.records.iter().zip(newest) {
            let end = start + record.bytes as usize;
            if newest {
                let text = payload.get(start..end).ok_or_else(|| StoreError::corrupt("a payload is cut"))?.to_owned();
                match apart {
                    true => self.put_alone(&old, record, &text)?,
                    false => self.put_in_line(stream, record.module, &record.id, record.at, &text)?,
                }
                back += 1;
            }
            start = end + 1;
        }
        self.put_post(Some(&old), None)?;
        self.remove(Tab::PostBodies, &numbered(stream, number))?;
        Ok(Some(match back {
            0 => Revived::Outdated,
            back if apart => Revived::Apart(back),
            back => Revived::Parts(back),
        }))
    }

    /// Freezes a record of a dead payload as one of its own. It is the newest state, so nothing is overtaken.
    fn put_alone(&mut self, old: &Post, record: &PostRecord, text: &str) -> Result<()> {
        let payload = format!("[{text}]");
        let post = Post {
            number: self.next_number(LAST_POST)?,
            records: vec![record.clone()],
            bytes: payload.len() as u64,
            tries: 0,
            last_try_at: None,
            last_error: None,
            dead: false,
            ..old.clone()
        };
        self.insert(Tab::PostBodies, &numbered(old.stream, post.number), payload.as_bytes())?;
        self.put_post(None, Some(&post))
    }

    /// Forgets a dead payload: what is in it is never told. Returns what it was; `None` if there is no such dead
    /// payload.
    pub fn drop_post(&mut self, stream: StreamKind, number: u64) -> Result<Option<Post>> {
        let Some(old) = post(self, stream, number)?.filter(|post| post.dead) else {
            return Ok(None);
        };
        self.put_post(Some(&old), None)?;
        self.remove(Tab::PostBodies, &numbered(stream, number))?;
        Ok(Some(old))
    }

    /// Replaces a payload's row, with its counters and index rows. Never its bytes.
    fn put_post(&mut self, old: Option<&Post>, new: Option<&Post>) -> Result<()> {
        if let Some(old) = old {
            self.count(post_counter(old), false)?;
            for row in post_rows(old) {
                self.remove(row.tab, &row.key)?;
            }
            self.remove(Tab::Posts, &numbered(old.stream, old.number))?;
        }
        if let Some(new) = new {
            self.count(post_counter(new), true)?;
            for row in post_rows(new) {
                self.insert(row.tab, &row.key, &row.value)?;
            }
            self.insert(Tab::Posts, &numbered(new.stream, new.number), &codec::encode(new)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
