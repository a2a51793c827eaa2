//! Match tables kept up to date (C-08 to C-25): who lists what, when it is listed again, and what a
//! listing changes. Creation of lead sources is in [`create`], their update in [`update`], decisions of people in
//! [`decide`].
//!
//! * Rows and what changed are one transaction with one audit row, which holds ids and states only.
//! * A listing that fails, or has shrunk as if half of it were lost, changes nothing: the rows stay and
//!   the failure is shown. Only a person who says so has a shrunken one taken.
//! * What a side declares decides: without both lists there are no staff; lead sources can do with one
//!   list and a create call on the other side, whose answers are then the only memory (C-19). A list that
//!   is refused is as good as none until it answers again; but a side that was listed before is never
//!   written to as if it were empty.
//!
//! The planner asks [`Reads::counterpart_of`], and [`create::need`] for sources, inside its own transaction,
//! and leaves a field without a counterpart out (C-13, C-24). Both sides keeping what they have counts as
//! agreed, so a match made later changes nothing by itself: it is offered, see [`resend`] (C-15).

pub(super) mod create;
mod decide;
pub(super) mod lookup;
mod operate;
mod owner;
mod resend;
#[cfg(test)]
mod tests;
mod told;
mod update;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::Notify;

use super::core::Core;
use super::decide::account_note;
use super::wait::{self, Outcome, Shutdown};
use crate::merge::people;
use crate::model::matching::{Entry, MatchRow, MatchState};
use crate::model::{Actor, AuditEvent, FieldKind, Fingerprint, MatchKind, ModuleId, RecordId, Side, Timestamp};
use crate::remote::{Class, Lane};
use crate::store::{Reads, StoreError, Tx};

pub use self::create::SourceNeed;
pub use self::operate::{MatchRefusal, MatchStatus};
pub(super) use self::owner::{by_policy as owner_by_policy, may_own};
pub use self::told::{define_source, resolve_told, tell_entry};
pub use self::update::MatchDifference;

/// Which side cannot be listed and was given its lead sources by us: the number of the side.
const MASTERED: &str = "lead_sources_mastered";
/// Longest sleep of the schedule: forgives a clock that was set back.
const LONGEST: Duration = Duration::from_secs(60);
/// Least time between two listings that nobody asked for.
const LEAST: Duration = Duration::from_secs(60);
/// Tables smaller than this may shrink as they like.
const SMALL: usize = 10;
/// Longest id taken from a listing, in bytes; longer ones are no ids of any system we know.
const LONGEST_ID: usize = 255;
/// Bytes of a name kept from a listing: no system we know has longer ones. A table of thousands stays small
/// whatever a system lists.
const LONGEST_NAME: usize = 512;
/// Longest e-mail address taken from a listing, in bytes (RFC 5321 allows 254).
const LONGEST_EMAIL: usize = 320;
/// Changed rows named in one audit row.
const NAMED: usize = 20;

/// How a kind is matched between these two systems.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MatchMode {
    /// Not at all, and why: records travel without.
    Off(String),
    /// Both sides are listed.
    Both,
    /// Only this side can be listed, and is master: each of its sources is created once on the other (C-19).
    Master(Side),
}

/// What the two sides declare, and what they then let us do, comes to.
pub(super) fn mode(core: &Core, kind: MatchKind) -> MatchMode {
    let refused = core.matching.of(kind).refused;
    let support = Side::BOTH.map(|side| core.remotes.declared(side).match_support(kind));
    let sources = kind == MatchKind::LeadSource;
    // Sources of a side that was listed once are known, so nothing is created there blindly.
    let blank = |side: Side| refused[side as usize].as_ref().is_none_or(|refused| refused.blank);
    match Side::BOTH.map(|side| support[side as usize].list && refused[side as usize].is_none()) {
        [true, true] => MatchMode::Both,
        [true, false] if sources && support[1].create && blank(Side::Crm) => MatchMode::Master(Side::Ivvy),
        [false, true] if sources && support[0].create && blank(Side::Ivvy) => MatchMode::Master(Side::Crm),
        lists => {
            let why = |side: Side| match &refused[side as usize] {
                Some(refused) => format!("{} refuses to list them ({})", side.title(), refused.why),
                None => format!("no list of them in {}", side.title()),
            };
            let without: Vec<String> =
                Side::BOTH.into_iter().zip(lists).filter(|(_, list)| !list).map(|(side, _)| why(side)).collect();
            MatchMode::Off(format!("{} not matched: {}; records travel without", kind.title(), without.join(", ")))
        }
    }
}

/// Whether `side` can be asked for its entries of `kind`.
fn lists(core: &Core, kind: MatchKind, side: Side) -> bool {
    core.remotes.declared(side).match_support(kind).list && core.matching.of(kind).refused[side as usize].is_none()
}

/// Whether nothing could ever be matched: what the sides declare does not allow it.
fn is_hopeless(core: &Core, kind: MatchKind) -> bool {
    let refused = core.matching.of(kind).refused.iter().any(Option::is_some);
    !refused && matches!(mode(core, kind), MatchMode::Off(_))
}

/// Modules that are on and carry entries of `kind`.
fn users(core: &Core, kind: MatchKind) -> impl Iterator<Item = ModuleId> + '_ {
    core.modules().filter(move |module| {
        let fields = core.def(*module).into_iter().flat_map(|def| &def.fields);
        fields.into_iter().any(|field| field.kind == FieldKind::Match(kind))
    })
}

/// Why nobody needs the table of `kind`.
fn unused(core: &Core, kind: MatchKind) -> String {
    let what = kind.title().to_lowercase();
    let switch = match kind {
        MatchKind::Staff => "owner",
        MatchKind::LeadSource => "source",
    };
    match core.def(ModuleId::Leads) {
        Some(_) => format!("off: leads travel without ([modules.leads] {switch}); {what} are not listed"),
        None => format!("no module that is on carries {what}"),
    }
}

/// Whether `kind` is listed at all.
fn is_on(core: &Core, kind: MatchKind) -> bool {
    users(core, kind).next().is_some() && !matches!(mode(core, kind), MatchMode::Off(_))
}

/// Whether "has no match" can be known of `kind`: its table has been listed once, or that was tried and
/// failed. Nothing waits longer: a record is never held up for an owner or source (E2).
pub(super) fn has_been_listed(core: &Core, reads: &impl Reads, kind: MatchKind) -> Result<bool, StoreError> {
    let progress = core.matching.of(kind);
    if !is_on(core, kind) || progress.refreshed_at.is_some() || progress.errors.iter().any(Option::is_some) {
        return Ok(true);
    }
    Ok(!reads.match_counts(kind, Side::Ivvy)?.is_empty() || !reads.match_counts(kind, Side::Crm)?.is_empty())
}

/// Schedule and health of the match tables.
#[derive(Debug, Default)]
pub(super) struct Matching {
    pub wake: Notify,
    progress: Mutex<BTreeMap<MatchKind, Progress>>,
    /// The planner wants something created or looked up, and has yet to commit that.
    asked: AtomicBool,
    lookups: Mutex<lookup::Lookups>,
    /// Creations take turns: two of one name would be a double.
    creating: tokio::sync::Mutex<()>,
}

/// How one kind is doing.
#[derive(Clone, Debug, Default)]
struct Progress {
    /// A person asked for a listing.
    requested: bool,
    running: bool,
    refreshed_at: Option<Timestamp>,
    /// When each side's last complete listing was asked for.
    listed_at: [Option<Timestamp>; 2],
    /// When to list again by itself; at once in the beginning.
    next_at: Timestamp,
    /// No creation before this: the last one failed in a way that passes.
    create_at: Timestamp,
    /// Failed listings, and failed creations, in a row.
    failures: u32,
    create_failures: u32,
    errors: [Option<String>; 2],
    /// Sides that do not let us list, since the start or the last listing that went through.
    refused: [Option<Refused>; 2],
    /// A person takes the next listing even if it is much smaller.
    accept: bool,
}

/// A list call that a side does not let us make.
#[derive(Clone, Debug)]
struct Refused {
    why: String,
    /// Nothing is known of that side but what we created there.
    blank: bool,
}

impl Matching {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<MatchKind, Progress>> {
        // A poisoned lock only means a panic elsewhere; what it guards is valid at every step.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the planner wants is to be looked at once it has been committed, see [`Matching::committed`].
    pub fn wants(&self) {
        self.asked.store(true, Ordering::SeqCst);
    }

    /// The planner has committed.
    pub fn committed(&self) {
        if self.asked.swap(false, Ordering::SeqCst) {
            self.wake.notify_one();
        }
    }

    fn lookups(&self) -> MutexGuard<'_, lookup::Lookups> {
        // As above.
        self.lookups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, kind: MatchKind) -> Progress {
        self.lock().get(&kind).cloned().unwrap_or_default()
    }

    fn change(&self, kind: MatchKind, change: impl FnOnce(&mut Progress)) {
        change(self.lock().entry(kind).or_default());
    }

    /// The lane of a listing that is due now.
    fn take_due(&self, kind: MatchKind, now: Timestamp) -> Option<Lane> {
        let mut due = None;
        self.change(kind, |progress| {
            if std::mem::take(&mut progress.requested) {
                due = Some(Lane::Operator);
            } else if progress.next_at <= now {
                due = Some(Lane::Backfill);
            }
        });
        due
    }

    /// A listing was given up: what a person asked for is still to be done, after a renewal by the next engine.
    fn cut(&self, kind: MatchKind, lane: Lane, accept: bool) {
        self.change(kind, |progress| {
            progress.running = false;
            progress.requested |= lane == Lane::Operator;
            progress.accept |= accept;
        });
    }

    /// Something refers to an entry that no listing has shown yet.
    fn ask(&self, kind: MatchKind, now: Timestamp) {
        self.change(kind, |progress| {
            let soon = progress.refreshed_at.map_or(now, |last| last.plus(LEAST)).max(now);
            // After a failure the schedule knows better.
            if progress.failures == 0 {
                progress.next_at = progress.next_at.min(soon);
            }
        });
    }
}

/// Lists on schedule and on demand, and creates what is wanted, until shutdown. Ends at once when no
/// module that is on carries anything that could ever be matched here.
pub(super) async fn run(core: &Arc<Core>, shutdown: &Shutdown) -> Result<(), StoreError> {
    // Also where nothing is matched: what waited before that was switched off waits for nothing now.
    create::recover(core).await?;
    // A list that was refused before the engine was renewed is asked for again all the same.
    let listed = |kind: &MatchKind| users(core, *kind).next().is_some() && !is_hopeless(core, *kind);
    let kinds: Vec<MatchKind> = MatchKind::ALL.into_iter().filter(listed).collect();
    if kinds.is_empty() {
        return Ok(());
    }
    loop {
        for kind in &kinds {
            if let Some(lane) = core.matching.take_due(*kind, core.now()) {
                let accept = core.matching.of(*kind).accept;
                tokio::select! {
                    biased;
                    () = shutdown.cancelled() => {
                        core.matching.cut(*kind, lane, accept);
                        return Ok(());
                    }
                    refreshed = refresh(core, *kind, lane) => refreshed?,
                }
            }
        }
        // Not cut short by a shutdown: a call under way is seen to its end.
        create::all_wanted(core, shutdown).await?;
        lookup::all_due(core, shutdown).await?;
        let now = core.now();
        let next = kinds.iter().map(|kind| core.matching.of(*kind)).map(|progress| match progress.create_at > now {
            true => progress.next_at.min(progress.create_at),
            false => progress.next_at,
        });
        let next = next.chain(core.matching.lookups().next());
        let pause = next.min().map_or(LONGEST, |next| next.since(now)).clamp(Duration::from_millis(1), LONGEST);
        if wait::until(core, &core.matching.wake, pause, shutdown).await == Outcome::Shutdown {
            return Ok(());
        }
    }
}

/// A complete listing of one side.
#[derive(Clone, Debug)]
struct Listed {
    side: Side,
    /// With what it told besides.
    entries: Vec<Entry>,
    /// What it lists itself of what it tells.
    own: BTreeSet<RecordId>,
    asked_at: Timestamp,
}

/// Lists what can be listed of `kind` and matches anew.
pub(super) async fn refresh(core: &Arc<Core>, kind: MatchKind, lane: Lane) -> Result<(), StoreError> {
    if is_hopeless(core, kind) {
        return Ok(());
    }
    // One that was refused is asked again: what it answers decides how matching goes on.
    let declares = |side: &Side| core.remotes.declared(*side).match_support(kind).list;
    let sides: Vec<Side> = Side::BOTH.into_iter().filter(declares).collect();
    core.matching.change(kind, |progress| progress.running = true);
    let mut trust = false;
    core.matching.change(kind, |progress| trust = std::mem::take(&mut progress.accept));
    let listed = join_all(sides.into_iter().map(|side| list(core, kind, side, lane, trust))).await;
    core.matching.change(kind, |progress| progress.running = false);
    let mut complete = Vec::new();
    for outcome in listed {
        complete.extend(outcome?);
    }
    let errors = core.matching.of(kind).errors;
    let failed = match mode(core, kind) {
        MatchMode::Both => errors.iter().any(Option::is_some),
        MatchMode::Master(side) => errors[side as usize].is_some(),
        MatchMode::Off(_) => true,
    };
    if !failed {
        record(core, kind, complete, None).await?;
    }
    if let Some(warning) = create::warning(core, kind)? {
        tracing::warn!("{warning}");
    }
    let now = core.now();
    let every = core.settings.match_interval;
    core.matching.change(kind, |progress| {
        if failed {
            progress.failures += 1;
            let pause = core.settings.retry.ceiling(progress.failures).clamp(LEAST, every.max(LEAST));
            progress.next_at = now.plus(pause);
        } else {
            progress.failures = 0;
            progress.refreshed_at = Some(now);
            progress.next_at = next_slot(now, every);
        }
    });
    core.signals.plan.notify_one();
    Ok(())
}

/// The entry with a name that is not longer than it may be. A cut name carries the fingerprint of the whole, so
/// that two that begin alike are never taken for one; half an address is nobody's, so it goes.
fn capped(mut entry: Entry) -> Entry {
    if entry.name.len() > LONGEST_NAME {
        let start = &entry.name[..entry.name.floor_char_boundary(LONGEST_NAME)];
        entry.name = format!("{start}… ({})", Fingerprint::of_bytes(entry.name.as_bytes()));
    }
    entry.email = entry.email.filter(|email| email.len() <= LONGEST_EMAIL);
    entry
}

/// Whether [`capped`] has cut this name: then nobody knows the whole of it, and nothing is created under it.
pub(super) fn is_cut(name: &str) -> bool {
    name.len() > LONGEST_NAME
}

/// The next multiple of `every`: with an hour, the next full hour.
fn next_slot(now: Timestamp, every: Duration) -> Timestamp {
    let every = i64::try_from(every.as_millis()).unwrap_or(i64::MAX).max(1);
    Timestamp::from_millis((now.millis() / every).saturating_add(1).saturating_mul(every))
}

/// One side's listing; `None` when it failed, which is noted.
async fn list(
    core: &Arc<Core>,
    kind: MatchKind,
    side: Side,
    lane: Lane,
    trust: bool,
) -> Result<Option<Listed>, StoreError> {
    let asked_at = core.now();
    let answer = core.remotes.on(side, lane).entries(kind).await;
    let known = core.store.read(|view| view.match_table(kind))?;
    let empty = !known.iter().any(|row| row.side == side);
    let known = known.iter().filter(|row| row.side == side && !row.gone).count();
    let mut refused = None;
    let outcome = match answer {
        Err(error) => {
            if matches!(error.class, Class::Forbidden | Class::Unsupported | Class::Missing | Class::Rejected) {
                let mastered = core.store.read(|view| view.meta(MASTERED))?;
                let blank = empty || mastered.is_some_and(|side_of| side_of == [side as u8]);
                refused = Some(Refused { why: error.to_string(), blank });
            }
            Err(error.to_string())
        }
        Ok(entries) => {
            let usable = |entry: &Entry| (1..=LONGEST_ID).contains(&entry.id.as_str().len());
            let mut entries: Vec<Entry> = entries.into_iter().filter(usable).map(capped).collect();
            let mut own = BTreeSet::new();
            if core.remotes.declared(side).match_support(kind).told {
                own.extend(entries.iter().map(|entry| entry.id.clone()));
                entries = core.store.read(|view| told::with_told(view, kind, side, entries))?;
            }
            let least = known as u64 * core.settings.guard.shrink_percent / 100;
            let shrunk = (entries.len() as u64) < least && known >= SMALL || entries.is_empty() && known > 0;
            match shrunk && !trust {
                true => Err(format!(
                    "{} lists only {} of {known} known {}: nothing was changed; if that is right, accept it with \
                     `tandem match refresh {kind} --accept`",
                    side.title(),
                    entries.len(),
                    kind.title().to_lowercase(),
                )),
                false => Ok(Listed { side, entries, own, asked_at }),
            }
        }
    };
    if outcome.is_err() {
        tracing::warn!(%kind, %side, "listing failed");
    }
    let before = mode(core, kind);
    core.matching.change(kind, |progress| {
        progress.errors[side as usize] = outcome.as_ref().err().cloned();
        // Another failure says nothing about whether the list may be asked for.
        if refused.is_some() || outcome.is_ok() {
            progress.refused[side as usize] = refused;
        }
    });
    if mode(core, kind) != before {
        // What waits for a source to be created may wait for what nobody does any more.
        core.store.write(create::wake_waiting).await?;
        core.signals.plan.notify_one();
    }
    Ok(outcome.ok())
}

/// Takes note of listings, matches anew, and closes `settled`, the creation that the listing proves.
async fn record(
    core: &Arc<Core>,
    kind: MatchKind,
    listed: Vec<Listed>,
    settled: Option<(Side, String)>,
) -> Result<(), StoreError> {
    let (shared, mode) = (Arc::clone(core), mode(core, kind));
    let read: Vec<_> = listed.iter().map(|listed| (listed.side, listed.asked_at)).collect();
    let paired = core
        .store
        .write(move |tx| {
            let now = shared.now();
            for listed in &listed {
                told::forget_listed(tx, kind, listed.side, &listed.own)?;
            }
            let before = tx.match_table(kind)?;
            let entries = Side::BOTH.map(|side| match listed.iter().find(|listed| listed.side == side) {
                Some(listed) => with_newer(listed, &before),
                None => people::entries_of(&before, side),
            });
            let mut after = people::rematch(kind, &entries[0], &entries[1], &before, now);
            if let MatchMode::Master(master) = mode
                && shared.settings.create_lead_sources
            {
                let open = |row: &&mut MatchRow| row.side == master && create::is_open(row) && !row.wanted;
                for row in after.iter_mut().filter(open) {
                    (row.wanted, row.at) = (true, now);
                }
            }
            let asked: Vec<_> = listed.iter().map(|listed| (listed.side, listed.asked_at)).collect();
            update::prove(&shared, tx, &mut after, &asked)?;
            if let Some((side, folded)) = &settled {
                tx.remove_source_intent(*side, folded)?;
            }
            store_changes(tx, kind, &before, &after, &Actor::engine(), "listed")
        })
        .await?;
    // Only what is in the table counts as read: a creation looks there before it is sent.
    core.matching.change(kind, |progress| {
        for (side, asked_at) in read {
            progress.listed_at[side as usize] = Some(asked_at);
        }
    });
    if paired {
        core.signals.plan.notify_one();
    }
    Ok(())
}

/// The listing, and what came into being after it was asked for: a source created meanwhile is not gone.
fn with_newer(listed: &Listed, before: &[MatchRow]) -> Vec<Entry> {
    let ids: BTreeSet<&RecordId> = listed.entries.iter().map(|entry| &entry.id).collect();
    let newer =
        |row: &&MatchRow| row.side == listed.side && !row.gone && row.at >= listed.asked_at && !ids.contains(&row.id);
    listed.entries.iter().cloned().chain(before.iter().filter(newer).map(MatchRow::entry)).collect()
}

/// Writes the rows that changed with one audit row; whether any of them found a counterpart.
fn store_changes(
    tx: &mut Tx<'_>,
    kind: MatchKind,
    before: &[MatchRow],
    after: &[MatchRow],
    actor: &Actor,
    cause: &str,
) -> Result<bool, StoreError> {
    let changes = people::changes(before, after);
    let Some(at) = changes.iter().map(|(_, row)| row.at).max() else {
        return Ok(false);
    };
    let rows: Vec<MatchRow> = changes.iter().map(|(_, row)| (*row).clone()).collect();
    tx.put_match_rows(&rows)?;
    let mut named: Vec<String> = changes.iter().take(NAMED).map(|(old, row)| describe(*old, row)).collect();
    if changes.len() > NAMED {
        named.push(format!("and {} more", changes.len() - NAMED));
    }
    let what = format!("{} {cause}: {}", kind.title(), named.join(", "));
    tx.audit(account_note(AuditEvent::Operated { what }, at, actor.clone()))?;
    create::wake_waiting(tx)?;
    Ok(changes.iter().any(|(old, row)| row.state.is_paired() && !old.is_some_and(MatchState::is_paired)))
}

/// Ids and states only: names and addresses are nobody's business in the audit log.
fn describe(old: Option<MatchState>, row: &MatchRow) -> String {
    let old = old.map_or("new", Into::into);
    let with = row.other.as_ref().map(|other| format!(" with {other}")).unwrap_or_default();
    let gone = if row.gone { " (gone)" } else { "" };
    format!("{} {} {old} > {}{with}{gone}", row.side, row.id, row.state)
}
