//! What the dashboard, the guard's screen and `check` show, gathered from engine, store and gates.

use std::collections::BTreeMap;
use std::sync::Arc;

use strum::IntoEnumIterator as _;

use super::account::Account;
use super::roles::least_role_for;
use super::service::applies;
use crate::inbound::Seen;
use crate::model::{Actor, Item, Kind, ModuleDef, ModuleId, Reason, RecordId, Side, State, Timestamp, Verb};
use crate::remote::gate::Gate;
use crate::remote::{Class, Lane, PageRequest, Probe, RemoteError};
use crate::store::{Reads as _, StoreError, View};
use crate::sync::{Engine, Remotes};
use crate::wire::{
    Anchor, CheckRow, DaemonStatus, Filter, GuardPlan, HeldLane, ModuleStatus, NotificationStatus, PageQuery, Quota,
    Rate, RemoteStatus, Row, Status,
};

/// The dashboard.
pub(super) fn status(account: &Account, name: &str, started_at: Timestamp) -> Result<Status, StoreError> {
    let engine = &account.engine;
    let modules = engine.modules();
    Ok(Status {
        account: name.to_owned(),
        daemon: DaemonStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started_at,
            now: engine.now(),
            clients: 0,
            last_error: engine.store().latched_error(),
        },
        modules: modules.iter().map(|def| module(engine, def)).collect::<Result<_, _>>()?,
        remotes: gates(account).map(|gate| remote(&gate.status())).collect(),
        matches: super::matching::status(engine)?,
        streams: Vec::new(),
        notifications: None,
        seq: engine.store().read(|view| view.seq())?,
    })
}

/// The gates before both systems: S-360 has one before each institution that is called.
fn gates(account: &Account) -> impl Iterator<Item = &Arc<Gate>> {
    let institutions = account.blueprint.institutions();
    let shared = account.gates.iter().filter(|(side, _)| **side == Side::Crm || institutions.is_empty());
    institutions.values().chain(shared.map(|(_, gate)| gate))
}

/// Notifications that came.
pub(super) fn notifications(seen: Seen) -> NotificationStatus {
    let Seen { received, duplicate, unknown, refused, last_at } = seen;
    NotificationStatus { received, duplicate, unknown, refused, last_at }
}

fn remote(status: &crate::remote::gate::GateStatus) -> RemoteStatus {
    RemoteStatus {
        name: status.name.clone(),
        breaker: status.breaker.to_string(),
        calls_per_min: status.calls_per_min,
        errors_per_min: status.errors_per_min,
        last_error: status.last_error.clone(),
        rate: status.rate.map(|rate| Rate { now_per_min: rate.now, configured_per_min: rate.configured }),
        calls_today: status.calls_today,
        quota: status.quota.map(|usage| Quota { used: usage.used, limit: usage.limit }),
        held: status.held.iter().map(|(lane, until)| HeldLane { lane: lane.to_string(), until: *until }).collect(),
    }
}

/// One row of the dashboard.
pub(super) fn module(engine: &Engine, def: &ModuleDef) -> Result<ModuleStatus, StoreError> {
    let id = def.id;
    let now = engine.now();
    let (counts, reasons, drifted, guard, swept) = engine.store().read(|view| {
        Ok((view.counts(id)?, view.reason_counts(id)?, view.drifted(id)?, view.guard(id)?, slower(view, id)?))
    })?;
    let polls = Side::BOTH.map(|side| engine.polling(id, side));
    let progress = polls.iter().filter_map(|poll| poll.progress).max();
    let next_at = polls.iter().filter_map(|poll| poll.next_at).min();
    let tripped = guard.and_then(|guard| guard.tripped).map(|trip| trip.sentence());
    let stopped = engine.stopped(id);
    let waits = engine.waits_for_quota(id);
    let last_error = stopped.clone().or_else(|| engine.last_error(id));
    let state = if engine.is_paused(id) {
        "paused"
    } else if stopped.is_some() {
        "stopped"
    } else if tripped.is_some() {
        "tripped"
    } else if polls.iter().any(|poll| poll.failures > 0) {
        "failing"
    } else if waits.is_some() {
        "waiting"
    } else if progress.is_some() {
        "syncing"
    } else {
        "running"
    };
    let rates = engine.rates(id);
    Ok(ModuleStatus {
        name: id,
        state: state.to_owned(),
        direction: def.flow.to_string(),
        cursor_lag_s: swept.map(|at| now.since(at).as_secs()),
        next_run_s: next_at.map(|at| at.since(now).as_secs()),
        counts,
        reasons,
        drifted,
        rate_per_min: rates.iter().rev().take(2).copied().max().unwrap_or(0),
        rates,
        progress,
        guard: tripped,
        last_error,
        waits,
    })
}

/// When the slower side of a module was last read to its end.
fn slower(view: &View, module: ModuleId) -> Result<Option<Timestamp>, StoreError> {
    let mut slowest = Some(Timestamp::MAX);
    for side in module.swept_sides() {
        slowest = slowest.zip(view.cursor(module, *side)?.last_sweep).map(|(one, other)| one.min(other));
    }
    Ok(slowest)
}

/// What a module would write, with its first items: what its guard holds or, while that is open, what goes
/// by itself. Nothing is read from a remote and nothing written.
pub(super) fn guard_plan(engine: &Engine, module: ModuleId) -> Result<GuardPlan, StoreError> {
    let mut held = engine.guard_held(module)?;
    let open = held.tripped.is_none();
    let ready = if open { engine.ready(module)? } else { crate::sync::Ready::default() };
    for (all, more) in [(&mut held.creates, &ready.creates), (&mut held.updates, &ready.updates)] {
        more.iter().for_each(|(side, count)| *all.entry(*side).or_default() += count);
    }
    let which = match open && held.held == 0 {
        true => Filter { module: Some(module), state: Some(State::Ready), ..Filter::default() },
        false => Filter { module: Some(module), reason: Some(Reason::Guard), ..Filter::default() },
    };
    let query = PageQuery { filter: which, anchor: Anchor::Start, limit: 10 };
    let samples: Vec<Row> = engine.store().read(|view| view.page(&query))?.rows;
    Ok(GuardPlan {
        module,
        tripped: held.tripped,
        held: held.held,
        ready: ready.items,
        as_of: engine.store().read(|view| slower(view, module))?,
        creates: held.creates,
        updates: held.updates,
        conflicts: held.conflicts,
        approval: None,
        samples,
        hash: held.hash,
    })
}

/// Every verb, with the reason why not where it cannot be asked for.
pub(super) fn verbs(actor: &Actor, item: &Item) -> BTreeMap<Verb, Option<String>> {
    Verb::iter().map(|verb| (verb, refusal(actor, item, verb))).collect()
}

fn refusal(actor: &Actor, item: &Item, verb: Verb) -> Option<String> {
    if let Err(why) = applies(verb, item) {
        return Some(why);
    }
    let least = least_role_for(verb);
    if actor.role < least {
        return Some(format!("needs the role {least}; you have {}", actor.role));
    }
    let held = |reason: Reason| item.reasons.contains(reason);
    let why = match verb {
        Verb::Approve if held(Reason::Guard) => "the bulk guard holds it; release the guard first",
        Verb::Approve if item.pending.as_ref().is_some_and(|pending| pending.by.is(actor)) => {
            "you asked for it; a second person must confirm"
        }
        Verb::Approve if held(Reason::Unproven) => "settle the unproven write first",
        Verb::Approve if held(Reason::Anonymised) => "the person was anonymised; nothing can be written",
        Verb::Force if !matches!(item.kind, Kind::Update | Kind::Undo) => "only a linked pair can be forced",
        Verb::Force if held(Reason::Anonymised) => "the person was anonymised; nothing can be written",
        Verb::Force if held(Reason::Unproven) => "settle the unproven write first",
        Verb::Edit if matches!(item.kind, Kind::Delete | Kind::Merge) => {
            "one of the records is gone; nothing is written"
        }
        Verb::Pair if item.kind == Kind::Merge => "it is paired; approve closes the pair, or merge the two there",
        Verb::Pair if item.plan.candidates.is_empty() && !held(Reason::Ambiguous) => "there is nothing to pair with",
        Verb::Arrived | Verb::Resend if !held(Reason::Unproven) => "its outcome is not in doubt",
        Verb::Undo if item.state == crate::model::State::Done && item.pushed.is_empty() => {
            "this item changed no existing record"
        }
        _ => return None,
    };
    Some(why.to_owned())
}

/// Modules that a side has no place for.
pub(super) fn impossible(remotes: &Remotes) -> Vec<ModuleId> {
    let nowhere = |module: &ModuleId| Side::BOTH.iter().any(|side| remotes.declared(*side).fields(*module).is_empty());
    ModuleId::ALL.into_iter().filter(nowhere).collect()
}

/// Tests both remotes and, with an engine, the store.
pub(crate) async fn check(remotes: &Remotes, modules: &[ModuleId], engine: Option<&Engine>) -> Vec<CheckRow> {
    let mut rows = Vec::new();
    for side in Side::BOTH {
        rows.extend(check_remote(remotes, modules, side).await);
    }
    if let Some(engine) = engine {
        let broken = engine.store().latched_error();
        rows.push(CheckRow {
            what: "store".to_owned(),
            ok: broken.is_none(),
            found: broken.clone().unwrap_or_else(|| "opens and commits".to_owned()),
            hint: broken.map(|_| "free the disk, then restart the daemon".to_owned()),
        });
        rows.extend(check_lead_owners(engine));
    }
    rows
}

/// Whoever is configured to own leads without an owner must be there (C-14).
fn check_lead_owners(engine: &Engine) -> Option<CheckRow> {
    let (named, gone) = engine.lead_owners().ok()?;
    (named > 0).then(|| CheckRow {
        what: "ivvy: configured owners of leads".to_owned(),
        ok: gone.is_empty(),
        found: match gone.as_slice() {
            [] => format!("{named}, none known to be inactive"),
            gone => {
                let gone: Vec<&str> = gone.iter().map(RecordId::as_str).collect();
                format!("not active: {}; leads go without an owner instead", gone.join(", "))
            }
        },
        hint: (!gone.is_empty()).then(|| "correct owner, owners and owner_by_source in [ivvy.leads]".to_owned()),
    })
}

async fn check_remote(remotes: &Remotes, modules: &[ModuleId], side: Side) -> Vec<CheckRow> {
    let remote = remotes.on(side, Lane::Operator);
    let name = remote.system();
    let mut rows = vec![];
    // Each tenant for itself: the trouble of one says nothing of the others.
    let mut probes = Vec::new();
    for tenant in remote.tenants() {
        probes.push((format!("{name} {tenant}"), remote.probe_tenant(&tenant).await));
    }
    if probes.is_empty() {
        probes.push((name.to_owned(), remote.probe().await));
    }
    let unread =
        probes.iter().filter_map(|(_, probed)| probed.as_ref().ok()).map(|probe| probe.unread).reduce(|a, b| a && b);
    rows.extend(probes.into_iter().flat_map(|(name, probed)| connection(&name, probed)));
    // Nothing else is asked of what is not there.
    let Some(unread) = unread else { return rows };
    for module in modules.iter().copied().filter(|module| module.swept_sides().contains(&side)) {
        if remote.fields(module).is_empty() {
            rows.push(CheckRow {
                what: format!("{name}: {module}"),
                ok: false,
                found: "it has no place for them".to_owned(),
                hint: Some(format!("switch it off: [modules.{}] enabled = false", module.follows().unwrap_or(module))),
            });
            continue;
        }
        if unread {
            continue;
        }
        let request = PageRequest {
            from: Some(Timestamp::MAX.minus(std::time::Duration::from_secs(86_400))),
            ..PageRequest::default()
        };
        let answer = remote.list(module, &request).await;
        rows.push(match answer {
            Ok(_) => {
                CheckRow { what: format!("{name}: read {module}"), ok: true, found: "permitted".to_owned(), hint: None }
            }
            Err(error) => CheckRow {
                what: format!("{name}: read {module}"),
                ok: false,
                found: error.to_string(),
                hint: Some(hint(error.class).to_owned()),
            },
        });
    }
    rows
}

/// What a connection test says of address, answer and clock.
fn connection(name: &str, probed: Result<Probe, RemoteError>) -> Vec<CheckRow> {
    let probe = match probed {
        Ok(probe) => probe,
        Err(error) => {
            return vec![CheckRow {
                what: format!("{name}: connection"),
                ok: false,
                found: error.to_string(),
                hint: Some(hint(error.class).to_owned()),
            }];
        }
    };
    let found = match probe.unasked {
        true => format!("not tested: it is never asked, it posts; {}", probe.system),
        false => format!("{}, {} ms", probe.system, probe.round_trip_ms),
    };
    let mut rows = vec![CheckRow { what: format!("{name}: connection"), ok: true, found, hint: None }];
    if let Some(why) = probe.doubt {
        rows.push(CheckRow {
            what: format!("{name}: address"),
            ok: true,
            found: format!("not proved: {why}"),
            hint: Some(
                "wrong settings could be answered the same: compare address and credentials with what you were given"
                    .to_owned(),
            ),
        });
    }
    if let Some(skew) = probe.clock_skew_ms {
        let ok = skew.abs() < 60_000;
        rows.push(CheckRow {
            what: format!("{name}: clock"),
            ok,
            found: format!("{skew:+} ms against this machine"),
            hint: (!ok).then(|| "set this machine's clock; Tandem corrects for it meanwhile".to_owned()),
        });
    }
    rows
}

fn hint(class: Class) -> &'static str {
    match class {
        Class::Unauthorized => "check the key and its secret",
        Class::Forbidden => "give the key permission for this action",
        Class::Unreachable | Class::Server | Class::Throttled => {
            "check the address and the network, or try again later"
        }
        Class::Quota => "raise `daily_calls`, or wait until the day is over",
        Class::Unsupported => "check the address, the version and the names of custom fields",
        _ => "see the message; the remote answered something unexpected",
    }
}

#[cfg(test)]
mod tests;
