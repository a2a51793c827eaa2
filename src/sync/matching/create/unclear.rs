//! Creations whose outcome is not on record: the process ended, or the answer never came.
//!
//! Never sends again what may have arrived. The other side is listed once a write must show there; where there is
//! no list, a person settles it.

use std::sync::Arc;
use std::time::Duration;

use super::wanted::wake_waiting;
use super::{KIND, failure, give_up, put_off};
use crate::model::matching::SourceIntent;
use crate::model::{Actor, AuditEvent, Side};
use crate::remote::Lane;
use crate::store::{Reads as _, StoreError};
use crate::sync::core::Core;
use crate::sync::decide::account_note;
use crate::sync::matching::operate::MatchRefusal;
use crate::sync::matching::{list, lists, record, users};

/// At start: whatever was under way when the process ended has an unknown outcome from now on.
pub(in crate::sync::matching) async fn recover(core: &Arc<Core>) -> Result<(), StoreError> {
    let shared = Arc::clone(core);
    core.store
        .write(move |tx| {
            for mut intent in tx.source_intents()? {
                intent.unknown_since = Some(shared.now());
                tx.put_source_intent(&intent)?;
            }
            // What waited for a look-up waits for nothing now.
            wake_waiting(tx)
        })
        .await
}

/// Finds out what became of a creation whose outcome is not on record, if there is one under this name.
pub(super) async fn settle(
    core: &Arc<Core>,
    there: Side,
    folded: &str,
    lane: Lane,
    actor: &Actor,
) -> Result<Result<(), MatchRefusal>, StoreError> {
    let Some(mut intent) = core.store.read(|view| view.source_intent(there, folded))? else {
        return Ok(Ok(()));
    };
    let now = core.now();
    if !lists(core, KIND, there) {
        return unprovable(core, intent, actor).await;
    }
    let since = match intent.unknown_since {
        Some(since) => since,
        None => {
            // Whoever sent it went away before the answer came; the call may still be under way.
            intent.unknown_since = Some(now);
            core.store.write(move |tx| tx.put_source_intent(&intent)).await?;
            now
        }
    };
    let shows_at = since.plus(settle_time(core, there));
    if shows_at > now {
        core.matching.change(KIND, |progress| progress.create_at = progress.create_at.max(shows_at));
        let why = "it is not known yet whether it was created; it is being looked up".to_owned();
        return Ok(Err(MatchRefusal::Unclear(why)));
    }
    match list(core, KIND, there, lane, false).await? {
        Some(listed) => {
            record(core, KIND, vec![listed], Some((there, folded.to_owned()))).await?;
            Ok(Ok(()))
        }
        None => {
            put_off(core, None);
            Ok(Err(MatchRefusal::Unclear(failure(core, there))))
        }
    }
}

/// Without a list nothing can be looked up: a person who asks again has looked, the engine gives up.
async fn unprovable(
    core: &Arc<Core>,
    intent: SourceIntent,
    actor: &Actor,
) -> Result<Result<(), MatchRefusal>, StoreError> {
    let known = core.store.read(|view| view.match_row(KIND, intent.side.other(), &intent.of))?;
    let answered = known.as_ref().is_some_and(|row| row.state.is_paired());
    if answered || actor.name != Actor::engine().name {
        let (at, actor) = (core.now(), actor.clone());
        core.store
            .write(move |tx| {
                tx.remove_source_intent(intent.side, &intent.folded)?;
                let by = if answered { "was paired by hand" } else { "is sent again, its outcome unknown" };
                let what = format!("Lead source {} {by}", intent.of);
                tx.audit(account_note(AuditEvent::Operated { what }, at, actor.clone())).map(drop)
            })
            .await?;
        return Ok(Ok(()));
    }
    let why = format!(
        "it is not known whether it was created, and {} cannot be asked: look there, then pair or create by hand",
        intent.side.title()
    );
    if known.is_some_and(|row| row.wanted) {
        give_up(core, intent.side.other(), &intent.of, why.clone(), actor).await?;
    }
    Ok(Err(MatchRefusal::Unclear(why)))
}

/// How long a sent write may stay invisible on `side`.
pub(in crate::sync::matching) fn settle_time(core: &Core, side: Side) -> Duration {
    users(core, KIND).map(|module| core.settle_time(module, side)).max().unwrap_or_default()
}
