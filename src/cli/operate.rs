//! Commands that run the engine: status, pause, resume, guard, check, doctor.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Context;
use super::args::GuardCommand;
use super::hooks::{Diagnosis, Hooks};
use super::output::{Out, Paint, plain};
use crate::client::Client;
use crate::error::{ErrorKind, Result};
use crate::model::{ModuleId, Side};
use crate::wire::{
    Answer, CheckRow, GuardPlan, MatchStatus, ModuleStatus, Rate, RemoteStatus, Request, SideNames, Status,
};

/// Module states that ask for a person.
pub(super) const TROUBLE: [&str; 3] = ["tripped", "failing", "stopped"];

pub(super) async fn status_of(client: &Client) -> Result<Status> {
    match client.call(Request::Status).await? {
        Answer::Status(status) => Ok(status),
        _ => Err(super::strange_answer()),
    }
}

pub(super) async fn status(context: &mut Context) -> Result<u8> {
    let client = context.client().await?;
    let status = status_of(&client).await?;
    let out = &mut context.out;
    if out.is_json() {
        out.json(&status_shape(&status))?;
    } else {
        status_text(out, &status)?;
    }
    Ok(u8::from(status.modules.iter().any(|module| TROUBLE.contains(&module.state.as_str()))))
}

fn status_shape(status: &Status) -> Value {
    json!({
        "account": status.account,
        "daemon": status.daemon,
        "modules": status.modules.iter().map(module_shape).collect::<Vec<_>>(),
        "remotes": status.remotes,
        "matches": status.matches,
        "streams": status.streams.iter().map(super::streams::shape).collect::<Vec<_>>(),
        "seq": status.seq,
    })
}

pub(super) fn module_shape(module: &ModuleStatus) -> Value {
    json!({
        "name": module.name,
        "state": module.state,
        "direction": module.direction,
        "cursor_lag_s": module.cursor_lag_s,
        "counts": module.counts,
        "rate_per_min": module.rate_per_min,
        "last_error": module.last_error,
        "waits": module.waits,
        "next_run_s": module.next_run_s,
        "reasons": module.reasons,
        "drifted": module.drifted,
        "progress": module.progress,
        "guard": module.guard,
    })
}

fn status_text(out: &mut Out, status: &Status) -> Result<()> {
    let daemon = &status.daemon;
    out.line(format!(
        "{} · daemon {} (process {}) · {} attached",
        plain(&status.account),
        plain(&daemon.version),
        daemon.pid,
        daemon.clients
    ))?;
    if let Some(error) = &daemon.last_error {
        let line = out.paint(Paint::Red, &format!("error: {}", plain(error)));
        out.line(line)?;
    }
    let seconds = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds}s"));
    let rows: Vec<[String; 7]> = status
        .modules
        .iter()
        .map(|module| {
            let counts: Vec<String> = module.counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
            [
                module.name.to_string(),
                module.state.clone(),
                module.direction.clone(),
                seconds(module.cursor_lag_s),
                seconds(module.next_run_s),
                module.rate_per_min.to_string(),
                counts.join(", "),
            ]
            .map(|cell| plain(&cell))
        })
        .collect();
    out.line("")?;
    out.table(["MODULE", "STATE", "DIRECTION", "LAG", "NEXT", "PER MIN", "ITEMS"], &rows)?;
    for module in &status.modules {
        if module.drifted > 0 {
            let records = if module.drifted == 1 { "record differs" } else { "records differ" };
            let how = "`tandem queue list --reason drift` lists them";
            out.line(format!("{} drift: {} {records} in the CRM; {how}", module.name, module.drifted))?;
        }
        for (what, text) in [("guard", &module.guard), ("waits", &module.waits), ("error", &module.last_error)] {
            if let Some(text) = text {
                let line = out.paint(Paint::Yellow, &format!("{} {what}: {}", module.name, plain(text)));
                out.line(line)?;
            }
        }
    }
    if !status.streams.is_empty() {
        out.line("")?;
        super::streams::text(out, &status.streams)?;
    }
    for line in matches_text(&status.matches, out.names()) {
        out.line(line)?;
    }
    out.line("")?;
    let rows: Vec<[String; 7]> = status
        .remotes
        .iter()
        .map(|remote| {
            [
                remote.name.clone(),
                remote.breaker.clone(),
                remote.calls_per_min.to_string(),
                remote.errors_per_min.to_string(),
                rate(remote.rate),
                today(remote),
                remote.last_error.clone().unwrap_or_else(|| "-".to_owned()),
            ]
            .map(|cell| plain(&cell))
        })
        .collect();
    out.table(["REMOTE", "BREAKER", "CALLS/MIN", "ERRORS/MIN", "RATE/MIN", "TODAY", "LAST ERROR"], &rows)?;
    for remote in &status.remotes {
        for held in &remote.held {
            let text =
                format!("{}: {} calls wait until {}", plain(&remote.name), plain(&held.lane), out.when(held.until));
            let line = out.paint(Paint::Yellow, &text);
            out.line(line)?;
        }
    }
    Ok(())
}

/// A line per side of a match table; one for both when it is off.
fn matches_text(sides: &[MatchStatus], names: &SideNames) -> Vec<String> {
    let told =
        |at: usize| sides[..at].iter().any(|before| before.kind == sides[at].kind && before.off == sides[at].off);
    let line = |(at, side): (usize, &MatchStatus)| match &side.off {
        Some(_) if told(at) => None,
        Some(off) => Some(plain(off)),
        None => {
            let counts: Vec<String> = side.counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
            Some(format!("{} in {}: {}", side.kind.title(), plain(names.of(side.side)), counts.join(", ")))
        }
    };
    sides.iter().enumerate().filter_map(line).collect()
}

/// `240`, or `60 of 240` after the remote complained.
fn rate(rate: Option<Rate>) -> String {
    match rate {
        None => "-".to_owned(),
        Some(rate) if rate.now_per_min < rate.configured_per_min => {
            format!("{} of {}", rate.now_per_min, rate.configured_per_min)
        }
        Some(rate) => rate.configured_per_min.to_string(),
    }
}

/// Calls of the day, and of how many.
fn today(remote: &RemoteStatus) -> String {
    remote.quota.map_or_else(|| remote.calls_today.to_string(), |quota| format!("{} of {}", quota.used, quota.limit))
}

/// Sends one request per named module, or one for all, and prints what the daemon says.
pub(super) async fn for_modules(
    context: &mut Context,
    modules: &[ModuleId],
    request: impl Fn(Option<ModuleId>) -> Request,
) -> Result<u8> {
    let client = context.client().await?;
    let targets: Vec<Option<ModuleId>> =
        if modules.is_empty() { vec![None] } else { modules.iter().copied().map(Some).collect() };
    for target in targets {
        done(context, target, client.call(request(target)).await?)?;
    }
    Ok(0)
}

pub(super) fn done(context: &mut Context, module: Option<ModuleId>, answer: Answer) -> Result<()> {
    let Answer::Done { message } = answer else { return Err(super::strange_answer()) };
    let out = &mut context.out;
    if out.is_json() {
        return out.json(&json!({ "ok": true, "module": module, "message": message }));
    }
    let who = module.map(|module| format!("{module}: ")).unwrap_or_default();
    out.line(format!("{who}{}", plain(&message)))
}

pub(super) async fn plan_of(client: &Client, module: ModuleId) -> Result<GuardPlan> {
    match client.call(Request::GuardPlan { module }).await? {
        Answer::Guard(plan) => Ok(plan),
        _ => Err(super::strange_answer()),
    }
}

pub(super) async fn guard(context: &mut Context, command: GuardCommand) -> Result<u8> {
    let client = context.client().await?;
    let (module, request) = match command {
        GuardCommand::List => {
            let modules: Vec<ModuleId> = client.hello().modules.iter().map(|def| def.id).collect();
            let mut held = false;
            for module in modules {
                let plan = plan_of(&client, module).await?;
                held |= plan.tripped.is_some();
                print_plan(&mut context.out, &plan)?;
            }
            return Ok(u8::from(held));
        }
        GuardCommand::Release { module, expect, sample, note } => {
            (module, Request::GuardRelease { module, sample, expect, plan: None, note })
        }
        GuardCommand::Discard { module, expect } => (module, Request::GuardDiscard { module, expect }),
    };
    let answer = client.call(request).await?;
    done(context, Some(module), answer)?;
    Ok(0)
}

/// A plan: what would be written, and the hash it is released by.
pub(super) fn print_plan(out: &mut Out, plan: &GuardPlan) -> Result<()> {
    if out.is_json() {
        return out.json(&json!({
            "module": plan.module,
            "tripped": plan.tripped,
            "held": plan.held,
            "ready": plan.ready,
            "as_of": plan.as_of,
            "creates": plan.creates,
            "updates": plan.updates,
            "conflicts": plan.conflicts,
            "approval": plan.approval,
            "samples": plan.samples.iter().map(|row| json!({
                "id": row.id, "title": row.title, "kind": row.kind, "summary": row.summary,
            })).collect::<Vec<_>>(),
            "hash": plan.hash,
        }));
    }
    let count = |counts: &BTreeMap<Side, u64>, side| counts.get(&side).copied().unwrap_or(0);
    let title = out.paint(Paint::Bold, plan.module.title());
    out.line(title)?;
    match &plan.tripped {
        Some(cause) => {
            let line = out.paint(Paint::Yellow, &format!("  holds {} items: {}", plan.held, plain(cause)));
            out.line(line)?;
        }
        None => out.line(format!("  open: {} items go by themselves", plan.ready))?,
    }
    for side in Side::BOTH {
        let (creates, updates) = (count(&plan.creates, side), count(&plan.updates, side));
        out.line(format!("  {}: {creates} creates, {updates} updates", plain(out.names().of(side))))?;
    }
    out.line(format!("  {} need a person", plan.conflicts))?;
    if let Some(approval) = &plan.approval {
        let line = out.paint(Paint::Yellow, &format!("  {} (--note)", plain(approval)));
        out.line(line)?;
    }
    if let Some(at) = plan.as_of {
        let at = out.when(at);
        out.line(format!("  as of {at}: looking reads no remote and writes nothing"))?;
    }
    for row in &plan.samples {
        out.line(format!("    {} {}: {}", row.id, plain(&row.title), plain(&row.summary)))?;
    }
    out.line(format!("  plan {}", plan.hash))
}

pub(super) async fn check(context: &mut Context, hooks: &dyn Hooks) -> Result<u8> {
    let rows = match context.client().await {
        Ok(client) => match client.call(Request::Check).await? {
            Answer::Check { rows } => rows,
            _ => return Err(super::strange_answer()),
        },
        // No daemon: then the remotes at least can be tested from here.
        Err(error) if error.kind == ErrorKind::Unavailable => {
            let config = context.config()?;
            hooks.check(&config, &config.secrets()?).await?
        }
        Err(error) => return Err(error),
    };
    print_check(&mut context.out, &rows)
}

/// Prints check rows; 1 when one fails.
pub(super) fn print_check(out: &mut Out, rows: &[CheckRow]) -> Result<u8> {
    if out.is_json() {
        for row in rows {
            let CheckRow { what, ok, found, hint } = row;
            out.json(&json!({ "what": what, "ok": ok, "found": found, "hint": hint }))?;
        }
    } else {
        let cells: Vec<[String; 3]> = rows
            .iter()
            .map(|row| {
                let verdict = if row.ok { "ok" } else { "FAIL" };
                [verdict.to_owned(), plain(&row.what), plain(&row.found)]
            })
            .collect();
        out.table(["", "CHECKED", "FOUND"], &cells)?;
        for row in rows {
            if let Some(hint) = &row.hint {
                out.line(format!("{}: {}", plain(&row.what), plain(hint)))?;
            }
        }
    }
    Ok(u8::from(rows.iter().any(|row| !row.ok)))
}

pub(super) async fn doctor(context: &mut Context, hooks: &dyn Hooks, rebuild: bool) -> Result<u8> {
    let diagnosis = match context.client().await {
        Ok(client) => match client.call(Request::Doctor { rebuild }).await? {
            Answer::Doctor { findings, rebuilt } => Diagnosis { findings, rebuilt },
            _ => return Err(super::strange_answer()),
        },
        // No daemon holds the store, so it can be opened here.
        Err(error) if error.kind == ErrorKind::Unavailable => hooks.doctor(&context.config()?, rebuild).await?,
        Err(error) => return Err(error),
    };
    let Diagnosis { findings, rebuilt } = diagnosis;
    let out = &mut context.out;
    if out.is_json() {
        out.json(&json!({ "ok": findings.is_empty(), "findings": findings, "rebuilt": rebuilt }))?;
    } else if findings.is_empty() {
        out.line("everything fits")?;
    } else {
        for finding in &findings {
            let line = out.paint(Paint::Red, &plain(finding));
            out.line(line)?;
        }
        out.line(if rebuilt { "rebuilt" } else { "run `tandem doctor --rebuild` to write what is derivable anew" })?;
    }
    Ok(u8::from(!findings.is_empty() && !rebuilt))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MatchKind, MatchState};

    #[test]
    fn a_match_table_that_is_off_is_told_once() {
        let side = |kind, side, off: Option<&str>| MatchStatus {
            kind,
            side,
            counts: [(MatchState::Unmatched, 2)].into(),
            off: off.map(str::to_owned),
        };
        let sides = [
            side(MatchKind::Staff, Side::Ivvy, Some("staff are not listed")),
            side(MatchKind::Staff, Side::Crm, Some("staff are not listed")),
            side(MatchKind::LeadSource, Side::Ivvy, None),
            side(MatchKind::LeadSource, Side::Crm, None),
        ];
        let lines = matches_text(&sides, &SideNames::default());
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert_eq!(lines[0], "staff are not listed");
        assert!(lines[1].starts_with("Lead sources in iVvy: 2 "), "{lines:?}");
    }
}
