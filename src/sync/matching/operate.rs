//! What operators can ask of the match tables, as methods of the engine.

use std::collections::{BTreeMap, BTreeSet};

use super::create::SourceNeed;
use super::{MatchDifference, MatchMode, create, decide, is_hopeless, lists, mode, unused, update, users};
use crate::merge::people;
use crate::model::matching::{MatchRow, MatchState};
use crate::model::{Actor, MatchKind, RecordId, Side, SourceChange, Timestamp};
use crate::remote::Lane;
use crate::store::{MatchFilter, Reads as _, StoreError};
use crate::sync::Engine;

/// Why nothing was changed. Sentences may hold a remote's text: sanitise before display.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MatchRefusal {
    /// No such entry is known.
    #[error("{} has no entry {id} that Tandem has seen", side.title())]
    Unknown {
        /// Where it was looked for.
        side: Side,
        /// What was looked for.
        id: RecordId,
    },
    /// It does not fit, or the other system refused.
    #[error("{0}")]
    Refused(String),
    /// It could not be done now; it is tried again.
    #[error("{0}")]
    Later(String),
    /// The call may have had an effect. It is looked up before anything else happens.
    #[error("{0}")]
    Unclear(String),
}

/// How one match table is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchStatus {
    /// How it is matched, or why not.
    pub mode: MatchMode,
    /// Why no module that is on carries such entries, if none does: nothing is listed then.
    pub unused: Option<String>,
    /// A listing is under way.
    pub running: bool,
    /// When both sides were last listed, since the start.
    pub refreshed_at: Option<Timestamp>,
    /// When they are listed next by themselves.
    pub next_at: Option<Timestamp>,
    /// What to know before the first sync is released (C-19).
    pub warning: Option<String>,
    /// What went wrong on iVvy's and on the CRM's side the last time. Remote text: sanitise before display.
    pub errors: [Option<String>; 2],
}

impl Engine {
    /// How the match table of `kind` is doing.
    pub fn match_status(&self, kind: MatchKind) -> MatchStatus {
        // A store that cannot be read says so elsewhere.
        let warning = create::warning(&self.core(), kind).ok().flatten();
        let progress = self.core().matching.of(kind);
        MatchStatus {
            mode: mode(&self.core(), kind),
            unused: users(&self.core(), kind).next().is_none().then(|| unused(&self.core(), kind)),
            running: progress.running,
            refreshed_at: progress.refreshed_at,
            next_at: Some(progress.next_at).filter(|at| *at > Timestamp::EPOCH),
            warning,
            errors: progress.errors,
        }
    }

    /// Whether `side` lists its own entries of `kind`, so that not to be among them means something.
    pub fn match_lists(&self, kind: MatchKind, side: Side) -> bool {
        let core = &self.core();
        lists(core, kind, side) && !core.remotes.declared(side).match_support(kind).only_told
    }

    /// How many iVvy users are configured to own leads without an owner, and which of them are not active
    /// as far as is known (C-14).
    pub fn lead_owners(&self) -> Result<(usize, Vec<RecordId>), StoreError> {
        let core = &self.core();
        let named: BTreeSet<&RecordId> = core.settings.lead_owner.users().collect();
        let mut gone = Vec::new();
        for user in &named {
            if !core.store.read(|view| super::may_own(core, view, user))? {
                gone.push((*user).clone());
            }
        }
        Ok((named.len(), gone))
    }

    /// Rows of one side by name, from the one after `after`; fewer than `limit` at the end.
    pub fn match_rows(
        &self,
        kind: MatchKind,
        side: Side,
        filter: MatchFilter<'_>,
        after: Option<&RecordId>,
        limit: usize,
    ) -> Result<Vec<MatchRow>, StoreError> {
        self.core().store.read(|view| view.match_rows(kind, side, filter, after, limit))
    }

    /// How many rows of one side are in each state.
    pub fn match_counts(&self, kind: MatchKind, side: Side) -> Result<BTreeMap<MatchState, u64>, StoreError> {
        self.core().store.read(|view| view.match_counts(kind, side))
    }

    /// Rows of the other side most like this one, best first, with a likeness from 0 to 1. Only proposals.
    pub fn match_suggest(
        &self,
        kind: MatchKind,
        side: Side,
        id: &RecordId,
    ) -> Result<Vec<(MatchRow, f64)>, StoreError> {
        let (row, others) = self.core().store.read(|view| {
            // Only what could be paired: in a table that is in order those are few.
            let open = [MatchState::Unmatched, MatchState::Ambiguous].into_iter().map(|state| {
                let filter = MatchFilter { state: Some(state), needle: None };
                view.match_rows(kind, side.other(), filter, None, usize::MAX)
            });
            Ok((view.match_row(kind, side, id)?, open.collect::<Result<Vec<_>, StoreError>>()?.concat()))
        })?;
        let Some(row) = row else {
            return Ok(Vec::new());
        };
        let found = people::suggest(&row, &others)
            .into_iter()
            .filter_map(|(id, alike)| others.iter().find(|other| other.id == id).map(|other| (other.clone(), alike)));
        Ok(found.collect())
    }

    /// Lists both sides of `kind` now, in the operators' lane. With `accept` what comes is taken even if it
    /// is much less than was known; otherwise such a table stays as it was, and its status says why.
    ///
    /// # Errors
    /// [`MatchRefusal::Refused`] when the kind is off or no module that is on carries it.
    pub fn match_refresh(&self, kind: MatchKind, accept: bool) -> Result<(), MatchRefusal> {
        if let MatchMode::Off(why) = mode(&self.core(), kind)
            && is_hopeless(&self.core(), kind)
        {
            return Err(MatchRefusal::Refused(why));
        }
        if users(&self.core(), kind).next().is_none() {
            return Err(MatchRefusal::Refused(unused(&self.core(), kind)));
        }
        self.core().matching.change(kind, |progress| (progress.requested, progress.accept) = (true, accept));
        self.core().matching.wake.notify_one();
        Ok(())
    }

    /// Pairs two entries for good; returns iVvy's row.
    pub async fn match_pair(
        &self,
        kind: MatchKind,
        ivvy: RecordId,
        crm: RecordId,
        actor: Actor,
    ) -> Result<Result<MatchRow, MatchRefusal>, StoreError> {
        decide::pair(&self.core(), kind, ivvy, crm, actor).await
    }

    /// Parts an entry from its counterpart; the two are not matched again unasked.
    pub async fn match_unpair(
        &self,
        kind: MatchKind,
        side: Side,
        id: RecordId,
        actor: Actor,
    ) -> Result<Result<MatchRow, MatchRefusal>, StoreError> {
        decide::unpair(&self.core(), kind, side, id, actor).await
    }

    /// Sets an entry aside, or takes it back.
    pub async fn match_ignore(
        &self,
        kind: MatchKind,
        side: Side,
        id: RecordId,
        ignored: bool,
        actor: Actor,
    ) -> Result<Result<MatchRow, MatchRefusal>, StoreError> {
        decide::ignore(&self.core(), kind, side, id, ignored, actor).await
    }

    /// Creates the counterpart of the entry `id` of `side` on the other side, in the operators' lane, and
    /// returns its id: an existing one if the other side has it by now. Staff are never created (P-07).
    pub async fn match_create(
        &self,
        kind: MatchKind,
        side: Side,
        id: RecordId,
        actor: Actor,
    ) -> Result<Result<RecordId, MatchRefusal>, StoreError> {
        create::create(&self.core(), kind, side, &id, actor, Lane::Operator).await
    }

    /// How a lead source differs from its counterpart, and what of it can be sent there (P-09).
    pub fn match_difference(&self, ours: &MatchRow, other: &MatchRow) -> MatchDifference {
        update::difference(&self.core(), ours, other)
    }

    /// Sends the name and the active state of the entry `id` of `side` to its counterpart, as far as they differ and
    /// that system lets them be changed, in the operators' lane; once, after both were listed anew. With `expect`,
    /// only if that is still what would be sent. Returns what was sent; the next listing proves it (P-09).
    pub async fn match_update(
        &self,
        kind: MatchKind,
        side: Side,
        id: RecordId,
        expect: Option<SourceChange>,
        actor: Actor,
    ) -> Result<Result<SourceChange, MatchRefusal>, StoreError> {
        update::update(&self.core(), kind, side, &id, expect, actor).await
    }

    /// What a record that carries the lead source `id` of `side` can be given on the other side; has it
    /// created there when it may be (C-23).
    pub async fn ensure_source(&self, side: Side, id: RecordId) -> Result<SourceNeed, StoreError> {
        create::ensure_source(&self.core(), side, id).await
    }
}
