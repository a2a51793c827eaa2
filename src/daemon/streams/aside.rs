//! What a stream set aside and, where we post, its dead posts: windows of them, and one body part by part.
//!
//! Only shows; what is done about them is `act`'s. Bodies are remote text: an answer fits a frame whatever they are.

use super::{Streams, refuse};
use crate::daemon::ServiceError;
use crate::model::{Post, Quarantined, StreamId, StreamKind, Timestamp};
use crate::remote::s360::access;
use crate::store::Reads as _;
use crate::sync::Engine;
use crate::text;
use crate::wire::{
    AccessChecks, AccessQuery, Answer, Preview, PreviewAs, PreviewOf, StreamItem, StreamItems, StreamPart,
};

/// Items per answer at most.
const LARGEST_PAGE: u32 = 500;
/// Checks at gates per answer at most: as many as fit a frame, whatever they hold.
const MOST_CHECKS: u32 = 200;
/// Bytes of a body in a list; the rest is read in parts.
pub(super) const MOST_BODY: usize = 2 * 1024;

impl Streams {
    /// A window of what a stream set aside.
    pub(in crate::daemon) fn items(
        &self,
        engine: &Engine,
        stream: &StreamId,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Answer, ServiceError> {
        self.find(stream)?;
        let limit = limit.clamp(1, LARGEST_PAGE) as usize;
        let mut items: Vec<StreamItem> = engine.store().read(|view| match stream.kind.is_inbound() {
            true => Ok(view.quarantined(stream, after, limit + 1)?.into_iter().map(item).collect()),
            false => {
                let dead = view.posts(stream.kind, true, after, limit + 1)?.into_iter();
                dead.map(|post| Ok(dead_post(&view.post_body(stream.kind, post.number)?.unwrap_or_default(), post)))
                    .collect()
            }
        })?;
        let more = items.len() > limit;
        items.truncate(limit);
        // An answer fits a frame, whatever the bodies are.
        for most in [MOST_BODY, MOST_BODY / 8, 0] {
            let bytes: usize = items.iter().map(|item| item.body.len() * 2 + item.why.len() + 200).sum();
            if bytes <= crate::wire::MAX_FRAME / 2 {
                break;
            }
            items.iter_mut().for_each(|item| item.body.truncate(item.body.floor_char_boundary(most)));
        }
        Ok(Answer::StreamItems(StreamItems { items, more }))
    }

    /// A window of the checks at gates.
    pub(in crate::daemon) fn checks(&self, engine: &Engine, query: &AccessQuery) -> Result<Answer, ServiceError> {
        let stream = query.institution.as_ref().map(|code| StreamId::new(StreamKind::S360Access, code));
        if let Some(stream) = &stream {
            self.find(stream)?;
        }
        let limit = query.limit.clamp(1, MOST_CHECKS) as usize;
        let (since, before) = (query.since, query.before.as_deref());
        let page = engine.store().read(|view| view.access_checks(stream.as_ref(), since, before, limit))?;
        let read =
            |(of, number, at, body): (StreamId, u64, Timestamp, String)| access::read(&of.tenant, number, at, &body);
        Ok(Answer::AccessChecks(AccessChecks { checks: page.rows.into_iter().map(read).collect(), more: page.more }))
    }

    /// A part of a body.
    pub(in crate::daemon) fn part(
        &self,
        engine: &Engine,
        part: &StreamPart,
        mode: PreviewAs,
        from: u64,
    ) -> Result<Answer, ServiceError> {
        self.find(&part.id)?;
        let body = engine.store().read(|view| match part.id.kind.is_inbound() {
            true => Ok(view.quarantined_one(&part.id, part.number)?.map(|row| row.body)),
            false => view.post_body(part.id.kind, part.number),
        })?;
        let body = body.ok_or_else(|| gone(&part.id, part.number))?;
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(body.len());
        let page = match mode {
            PreviewAs::Links => text::address_page(&body, from),
            PreviewAs::Text | PreviewAs::Html => text::source_page(&body, from),
        };
        Ok(Answer::Preview(Preview {
            of: PreviewOf::Result,
            ver: 0,
            text: page.text,
            total_bytes: body.len() as u64,
            next: page.next.map(|at| at as u64),
        }))
    }
}

fn item(row: Quarantined) -> StreamItem {
    let Quarantined { number, at, index, id, why, mut body, .. } = row;
    let bytes = body.len() as u64;
    body.truncate(body.floor_char_boundary(MOST_BODY));
    let id = id.map(|mut id| {
        id.truncate(id.floor_char_boundary(200));
        id
    });
    StreamItem { number, index: Some(index), at, id, why, bytes, body }
}

fn dead_post(body: &str, post: Post) -> StreamItem {
    let count = post.records.len();
    let records = if count == 1 { "record" } else { "records" };
    let tries = if post.tries == 1 { "try" } else { "tries" };
    let why = post.last_error.unwrap_or_else(|| "it was not answered 200".to_owned());
    StreamItem {
        number: post.number,
        index: None,
        at: post.last_try_at.unwrap_or(post.created_at),
        id: None,
        why: format!("{count} {records}, {} {tries}: {why}", post.tries),
        bytes: post.bytes,
        body: body[..body.floor_char_boundary(MOST_BODY)].to_owned(),
    }
}

pub(super) fn gone(stream: &StreamId, number: u64) -> ServiceError {
    refuse(format!("{stream}: there is no record {number} set aside"), "`tandem streams show STREAM` lists them")
}
