//! Who owns a lead that is about to be created in iVvy without an owner (C-14).
//!
//! * Nobody rather than somebody who is no longer there; and once a lead is there nothing here looks at it again.
//! * Whose turn it is, and who was given to which lead, is written in the transaction that writes the intent: a
//!   restart does not begin anew, and a lead whose creation is repeated neither changes hands nor takes a turn twice.

use serde::{Deserialize, Serialize};

use crate::model::{MatchKind, ModuleId, RecordId, Side};
use crate::store::{Reads, StoreError, Tx};
use crate::sync::core::Core;

/// Who was given last, and to which leads that are not there yet.
const TURN: &str = "lead_owner_turn";
/// Leads remembered at most: so many creations at a time fail at once, or their writes are in flight.
const REMEMBERED: usize = 500;

/// What is kept of the turn.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Turn {
    /// Who was given last.
    last: Option<RecordId>,
    /// The CRM's leads on their way, and who was given to them; oldest first.
    given: Vec<(RecordId, RecordId)>,
}

impl Turn {
    /// What cannot be read begins anew: a turn is no reason to hold a lead up.
    fn read(tx: &Tx<'_>) -> Result<Self, StoreError> {
        let kept = tx.meta(TURN)?;
        Ok(kept.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
    }

    fn write(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        match serde_json::to_vec(self) {
            Ok(bytes) => tx.put_meta(TURN, &bytes),
            Err(error) => {
                // Ids are text, so this cannot happen; and if it did the turn would only stand still.
                tracing::error!(%error, "whose turn it is could not be kept");
                Ok(())
            }
        }
    }
}

/// Who owns the CRM's lead `record` of the iVvy source `source`.
pub(in crate::sync) fn by_policy(
    core: &Core,
    tx: &mut Tx<'_>,
    record: &RecordId,
    source: Option<&RecordId>,
) -> Result<Option<RecordId>, StoreError> {
    let policy = &core.settings.lead_owner;
    if let Some(owner) = policy.of(source) {
        if may_own(core, tx, owner)? {
            return Ok(Some(owner.clone()));
        }
        tracing::warn!(user = %owner, "the owner configured for leads is not active in iVvy: a lead goes without");
        return Ok(None);
    }
    if policy.rota.is_empty() {
        return Ok(None);
    }
    let mut turn = Turn::read(tx)?;
    if let Some((_, owner)) = turn.given.iter().find(|(lead, _)| lead == record)
        && policy.rota.contains(owner)
        && may_own(core, tx, owner)?
    {
        return Ok(Some(owner.clone()));
    }
    let mut next = None;
    for user in policy.turn(turn.last.as_ref()) {
        if may_own(core, tx, user)? {
            next = Some(user.clone());
            break;
        }
        tracing::warn!(%user, "an owner configured for leads is not active in iVvy and is passed over");
    }
    let Some(owner) = next else { return Ok(None) };
    let mut waiting = Vec::new();
    for (lead, user) in turn.given {
        // What is there is linked, and is never given to anybody again.
        if lead != *record && tx.link_of(ModuleId::Leads, Side::Crm, &lead)?.is_none() {
            waiting.push((lead, user));
        }
    }
    waiting.drain(..(waiting.len() + 1).saturating_sub(REMEMBERED));
    waiting.push((record.clone(), owner.clone()));
    turn = Turn { last: Some(owner.clone()), given: waiting };
    turn.write(tx)?;
    Ok(Some(owner))
}

/// Whether this iVvy user is there and active, as far as is known.
pub(in crate::sync) fn may_own(core: &Core, reads: &impl Reads, user: &RecordId) -> Result<bool, StoreError> {
    match reads.match_row(MatchKind::Staff, Side::Ivvy, user)? {
        Some(row) => Ok(row.alive()),
        None => Ok(core.matching.of(MatchKind::Staff).listed_at[Side::Ivvy as usize].is_none()),
    }
}
