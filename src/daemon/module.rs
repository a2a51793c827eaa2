//! One module looked at closely: a translation of its settings, failures and runs to the wire.

use super::{ServiceError, report};
use crate::error::{Error, ErrorKind};
use crate::model::{ModuleId, Side};
use crate::store::Reads as _;
use crate::sync::{Engine, Limit};
use crate::wire::{Failures, GuardLimit, ModuleSettings, ModuleView};

/// Runs per answer at most: all that are kept.
const LARGEST: u32 = 500;

/// Settings in effect, failures, and a page of runs from the one before `before`.
///
/// # Errors
/// [`ErrorKind::Refused`] for a module that is off.
pub(super) fn view(
    engine: &Engine,
    module: ModuleId,
    before: Option<u64>,
    limit: u32,
) -> Result<ModuleView, ServiceError> {
    let Some(def) = engine.modules().into_iter().find(|def| def.id == module) else {
        return Err(Error::new(ErrorKind::Refused, format!("{} is off", module.title()))
            .hint(format!(
                "switch it on: [modules.{}] enabled = true, then restart the daemon",
                module.follows().unwrap_or(module)
            ))
            .into());
    };
    let limit = limit.clamp(1, LARGEST) as usize;
    let (mut runs, records) = engine.store().read(|view| {
        let mut records = 0;
        for side in Side::BOTH {
            records = records.max(view.cursor(module, side)?.last_full_rows);
        }
        Ok((view.runs(module, before, limit + 1)?, records))
    })?;
    let more = runs.len() > limit;
    runs.truncate(limit);
    Ok(ModuleView {
        status: report::module(engine, &def)?,
        settings: settings(engine, records),
        failures: failures(engine, module),
        def,
        runs,
        more,
    })
}

fn settings(engine: &Engine, records: u64) -> ModuleSettings {
    let settings = engine.settings();
    let guard = &settings.guard;
    let limit = |what: &str, limit: Limit| GuardLimit {
        what: what.to_owned(),
        count: limit.count,
        per_mille: limit.per_mille,
        allowed: limit.allowed(records),
    };
    ModuleSettings {
        interval_s: settings.interval.as_secs(),
        full_interval_s: settings.full_interval.as_secs(),
        first_sync: settings.first_sync,
        guard: vec![
            limit("creates", guard.creates),
            limit("updates", guard.updates),
            limit("conflicts", guard.conflicts),
            limit("emptied", guard.emptied),
            limit("same_value", guard.same_value),
        ],
        guard_window_s: guard.window.as_secs(),
        shrink_percent: guard.shrink_percent,
    }
}

fn failures(engine: &Engine, module: ModuleId) -> Failures {
    let lately = engine.failures(module);
    Failures {
        writes_minute: lately.writes.0,
        writes_hour: lately.writes.1,
        written_hour: lately.written_hour,
        sweeps_minute: lately.sweeps.0,
        sweeps_hour: lately.sweeps.1,
    }
}
