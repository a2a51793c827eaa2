//! Direct reads, and what they prove: that a record is gone, or lives on in another (`engine.md` 5.8).
//!
//! A merge is followed to its end before anything is noted, so that the store never knows that a record
//! was merged away without knowing the record it was merged into.

use std::sync::Arc;

use super::core::Core;
use super::observe::{observe, observe_gone};
use crate::model::record::Source;
use crate::model::{ModuleId, RecordId, Side, Timestamp};
use crate::remote::{Lane, Read, RemoteError};
use crate::store::{StoreError, Tx};

/// Longest chain of merges that is followed. People merge two or three records at a time.
const LONGEST_CHAIN: usize = 8;

/// What a direct read showed, and when it was asked for.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub side: Side,
    pub id: RecordId,
    pub read: Read,
    pub asked_at: Timestamp,
}

/// Reads a record, and the one it was merged into.
pub(super) async fn look(
    core: &Arc<Core>,
    module: ModuleId,
    side: Side,
    lane: Lane,
    id: &RecordId,
) -> Result<Vec<Look>, RemoteError> {
    let asked_at = core.now();
    let read = core.remotes.on(side, lane).get(module, id).await?;
    follow(core, module, lane, Look { side, id: id.clone(), read, asked_at }).await
}

/// Goes on from a read that may have ended in a merge. The survivor comes last, so that its partner is
/// planned before it could be taken for a record without one.
pub(super) async fn follow(
    core: &Arc<Core>,
    module: ModuleId,
    lane: Lane,
    look: Look,
) -> Result<Vec<Look>, RemoteError> {
    let Read::MergedInto(first) = &look.read else {
        return Ok(vec![look]);
    };
    let mut id = first.clone();
    for _ in 0..LONGEST_CHAIN {
        let asked_at = core.now();
        match core.remotes.on(look.side, lane).get(module, &id).await? {
            Read::MergedInto(next) => id = next,
            read @ Read::Found(_) => {
                let survivor = Look { side: look.side, id: id.clone(), read, asked_at };
                return Ok(vec![Look { read: Read::MergedInto(id), ..look }, survivor]);
            }
            Read::Missing => break,
        }
    }
    // The survivor is gone too, or the chain leads in a circle: nothing of the record is left.
    Ok(vec![Look { read: Read::Missing, ..look }])
}

/// Takes note of what was read.
pub(super) fn note(core: &Core, tx: &mut Tx<'_>, module: ModuleId, look: &Look) -> Result<(), StoreError> {
    let Look { side, id, read, asked_at } = look;
    match read {
        Read::Found(record) => observe(core, tx, module, *side, record, Source::Read, *asked_at).map(drop),
        Read::Missing => observe_gone(tx, module, *side, id, None, core.now()),
        Read::MergedInto(survivor) => observe_gone(tx, module, *side, id, Some(survivor), core.now()),
    }
}
