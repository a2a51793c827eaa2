//! `tandem sync` and `tandem watch`: start a sweep, follow what happens.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use super::args::SyncArgs;
use super::operate::{TROUBLE, done, plan_of, print_plan, status_of};
use super::output::plain;
use super::{Context, audit};
use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{ModuleId, Timestamp};
use crate::wire::{Event, ModuleStatus, Request, Status};

/// Time between two looks at the status while waiting.
const LOOK: Duration = Duration::from_millis(250);

/// `cursor_lag_s` is cut to whole seconds, so a sweep's end is known to that.
const RESOLUTION: Duration = Duration::from_secs(1);

pub(super) async fn run(context: &mut Context, args: SyncArgs) -> Result<u8> {
    let client = context.client().await?;
    let named: Vec<ModuleId> = if args.modules.is_empty() {
        client.hello().modules.iter().map(|def| def.id).collect()
    } else {
        args.modules.clone()
    };
    if args.plan {
        for module in named {
            let plan = plan_of(&client, module).await?;
            print_plan(&mut context.out, &plan)?;
        }
        return Ok(0);
    }
    if let Some(hash) = &args.approve {
        approve(context, &client, &args.modules, hash, args.note.clone()).await?;
    }
    let before = if args.wait { Some(status_of(&client).await?) } else { None };
    let targets: Vec<Option<ModuleId>> =
        if args.modules.is_empty() { vec![None] } else { args.modules.iter().copied().map(Some).collect() };
    for module in targets {
        let answer = client.call(Request::Sync { module, full: args.full }).await?;
        done(context, module, answer)?;
    }
    match before {
        Some(before) => wait(context, &client, &before, named.into_iter().collect()).await,
        None => Ok(0),
    }
}

/// Releases a plan, provided it is still the one whose hash was seen.
async fn approve(
    context: &mut Context,
    client: &Client,
    modules: &[ModuleId],
    hash: &str,
    note: Option<String>,
) -> Result<()> {
    let [module] = modules else {
        return Err(Error::config("--approve goes with exactly one module").hint("tandem sync MODULE --approve HASH"));
    };
    let plan = plan_of(client, *module).await?;
    if plan.hash.to_string() != hash {
        return Err(Error::new(ErrorKind::Stale, format!("the plan of {module} is another one by now"))
            .hint(format!("look at it again: tandem sync {module} --plan")));
    }
    if plan.tripped.is_some() {
        let (expect, plan) = (plan.held, Some(plan.hash));
        let request = Request::GuardRelease { module: *module, sample: None, expect, plan, note };
        let answer = client.call(request).await?;
        done(context, Some(*module), answer)?;
    }
    Ok(())
}

/// Looks until every module has ended a sweep that began after `before`, or is in trouble.
async fn wait(context: &mut Context, client: &Client, before: &Status, mut waiting: BTreeSet<ModuleId>) -> Result<u8> {
    let mut exit = 0;
    loop {
        let now = status_of(client).await?;
        for module in &now.modules {
            if !waiting.contains(&module.name) {
                continue;
            }
            let earlier = before.modules.iter().find(|earlier| earlier.name == module.name);
            let Some(well) = ended(earlier, before.daemon.now, module, now.daemon.now) else { continue };
            waiting.remove(&module.name);
            if !well {
                exit = 1;
            }
            let out = &mut context.out;
            if out.is_json() {
                let error = module.last_error.as_ref().or(module.waits.as_ref());
                out.json(&json!({ "module": module.name, "ok": well, "state": module.state, "last_error": error }))?;
            } else {
                let error = module.last_error.as_deref().or(module.waits.as_deref());
                let error = error.map(|error| format!(": {}", plain(error)));
                out.line(format!("{}: {}{}", module.name, plain(&module.state), error.unwrap_or_default()))?;
            }
        }
        if waiting.is_empty() {
            return Ok(exit);
        }
        if waiting.iter().all(|module| now.modules.iter().all(|status| status.name != *module)) {
            return Err(
                Error::new(ErrorKind::Refused, "the daemon does not know the module").hint("see `tandem status`")
            );
        }
        context.clock.sleep(LOOK).await;
    }
}

/// Whether the sweep has ended, and if so whether well.
fn ended(earlier: Option<&ModuleStatus>, asked: Timestamp, module: &ModuleStatus, now: Timestamp) -> Option<bool> {
    if module.state == "syncing" || module.progress.is_some() {
        return None;
    }
    let last_end =
        |status: &ModuleStatus, now: Timestamp| status.cursor_lag_s.map(|lag| now.minus(Duration::from_secs(lag)));
    let new_end = last_end(module, now).is_some_and(|end| {
        let old_end = earlier.and_then(|earlier| last_end(earlier, asked));
        end >= asked && old_end.is_none_or(|old| end >= old.plus(RESOLUTION))
    });
    if new_end {
        return Some(!TROUBLE.contains(&module.state.as_str()));
    }
    // A sweep that fails or is held moves no cursor. The first moment may still show the old state.
    let stuck = TROUBLE.contains(&module.state.as_str()) || matches!(module.state.as_str(), "paused" | "waiting");
    (stuck && now.since(asked) >= RESOLUTION).then_some(false)
}

pub(super) async fn watch(context: &mut Context, only: Option<ModuleId>) -> Result<u8> {
    let client = context.client().await?;
    let mut events = client.events();
    client.call(Request::Watch).await?;
    while let Some(event) = events.next().await {
        let out = &mut context.out;
        match &event {
            Event::Audit(row) if only.is_some() && row.module != only => continue,
            // Numbers of items do not tell the module.
            Event::Changed { overflow: false, .. } if only.is_some() => continue,
            _ if out.is_json() => out.json(&event)?,
            Event::Audit(row) => {
                let item = row.item.map(|item| format!(" item {item}")).unwrap_or_default();
                let what = audit::sentence(&row.what, out.names());
                let at = out.when(row.at);
                out.line(format!("{at} {}{item} {}", plain(&row.actor.name), plain(&what)))?;
            }
            Event::Changed { overflow: true, .. } => out.line("(more happened than could be listed)")?,
            // People read the audit row that goes with it.
            Event::Changed { .. } => {}
            Event::Bye { reason } => out.line(format!("(end: {})", plain(reason)))?,
        }
        if matches!(event, Event::Bye { .. }) || out.is_closed() {
            return Ok(0);
        }
    }
    Err(Error::unavailable("the connection to the daemon broke").hint("see `tandem status`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(state: &str, lag: Option<u64>) -> ModuleStatus {
        ModuleStatus {
            name: ModuleId::Contacts,
            state: state.to_owned(),
            direction: "both".to_owned(),
            cursor_lag_s: lag,
            next_run_s: None,
            counts: Default::default(),
            reasons: Default::default(),
            drifted: 0,
            rate_per_min: 0,
            rates: Vec::new(),
            progress: None,
            guard: None,
            last_error: None,
            waits: None,
        }
    }

    #[test]
    fn the_end_of_the_new_sweep_is_told_from_that_of_the_old_one() {
        let asked = Timestamp::from_secs(1_000);
        let after = |millis: u64| asked.plus(Duration::from_millis(millis));
        let old = module("running", Some(30));
        let end = |state: &str, lag, at| ended(Some(&old), asked, &module(state, lag), after(at));
        assert_eq!(end("running", Some(31), 1_500), None, "still the old one");
        assert_eq!(end("syncing", Some(0), 1_500), None, "one side has ended, the module has not");
        assert_eq!(end("running", Some(0), 300), Some(true), "a quick one");
        assert_eq!(end("running", None, 5_000), None, "never ended yet");
        assert_eq!(end("failing", Some(31), 200), None, "may be the state of before");
        assert_eq!(end("failing", Some(32), 2_000), Some(false));
        assert_eq!(end("waiting", Some(32), 2_000), Some(false), "for tomorrow: nobody waits for that");
        assert_eq!(end("waiting", Some(0), 1_500), Some(true), "only what is less urgent waits");
        // The old sweep ended in the very second of asking: only a later look can tell them apart.
        let fresh = module("running", Some(0));
        let end = |lag, at| ended(Some(&fresh), asked, &module("running", lag), after(at));
        assert_eq!(end(Some(0), 350), None);
        assert_eq!(end(Some(1), 1_200), None, "that was the old one");
        assert_eq!(end(Some(0), 1_200), Some(true));
    }
}
