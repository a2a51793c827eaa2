//! `tandem status MODULE`: one module looked at closely, as the console's screen of it does.

use serde_json::{Value, json};

use super::Context;
use super::args::StatusArgs;
use super::operate::{TROUBLE, module_shape};
use super::output::{Out, Paint, plain};
use crate::error::Result;
use crate::model::{FieldDef, ModuleDef, ModuleId, RunRow};
use crate::wire::{Answer, Failures, ModuleView, Request};

pub(super) async fn status(context: &mut Context, module: ModuleId, args: &StatusArgs) -> Result<u8> {
    let client = context.client().await?;
    let request = Request::Module { module, before: args.before, limit: args.runs };
    let Answer::Module(view) = client.call(request).await? else { return Err(super::strange_answer()) };
    let out = &mut context.out;
    if out.is_json() {
        out.json(&shape(&view))?;
    } else {
        text(out, &view)?;
    }
    Ok(u8::from(TROUBLE.contains(&view.status.state.as_str())))
}

fn shape(view: &ModuleView) -> Value {
    let ModuleView { status, def, settings, failures, runs, more } = view;
    let fields: Vec<Value> = def
        .fields
        .iter()
        .map(|field| {
            json!({
                "name": field.name, "title": field.title, "kind": field.kind, "flow": field.flow,
                "required_on": field.required_on, "custom": is_custom(def, field),
            })
        })
        .collect();
    json!({
        "module": def.id,
        "group": def.group,
        "status": module_shape(status),
        "direction": def.flow,
        "one_way": def.one_way(),
        "follows": def.id.follows(),
        "settings": settings,
        "only": def.only,
        "drift": def.drift,
        "mapping_version": def.mapping_version,
        "fields": fields,
        "failures": failures,
        "runs": runs,
        "next": runs.last().filter(|_| *more).map(|run| run.number),
    })
}

/// Whether the configuration added the field (V-19).
fn is_custom(def: &ModuleDef, field: &FieldDef) -> bool {
    def.id.def().field(&field.name).is_none()
}

fn text(out: &mut Out, view: &ModuleView) -> Result<()> {
    let ModuleView { status, def, settings, failures, .. } = view;
    let title = out.paint(Paint::Bold, def.id.title());
    out.line(format!("{title} ({}) {}", def.group, plain(&status.state)))?;
    for (what, text) in [("guard", &status.guard), ("waits", &status.waits), ("error", &status.last_error)] {
        if let Some(text) = text {
            let line = out.paint(Paint::Yellow, &format!("{what}: {}", plain(text)));
            out.line(line)?;
        }
    }
    let why = def.one_way().map(|why| format!(": {why}")).unwrap_or_default();
    let switch = def.id.follows().unwrap_or(def.id);
    let first = settings.first_sync.map_or_else(|| "everything".to_owned(), |at| format!("since {}", out.when(at)));
    let only = def.only.iter().map(|(field, values)| {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        format!("{field} is {}", values.join(" or "))
    });
    let only: Vec<String> = only.collect();
    let guard: Vec<String> = settings.guard.iter().map(|limit| format!("{} {}", limit.allowed, limit.what)).collect();
    let settings = [
        ("direction", format!("{}{why}", def.flow)),
        ("switch", format!("[modules.{switch}] enabled = true")),
        (
            "schedule",
            format!("changes every {} s, everything every {} s", settings.interval_s, settings.full_interval_s),
        ),
        ("first sync", first),
        ("only", if only.is_empty() { "no filter".to_owned() } else { only.join("; ") }),
        ("drift", def.drift.to_string()),
        ("guard", format!("at more than {}, within {} s", guard.join(", "), settings.guard_window_s)),
        ("mapping", format!("version {}", def.mapping_version)),
        ("failures", failed(failures)),
    ];
    for (what, text) in settings {
        out.line(format!("  {what:10}  {}", plain(&text)))?;
    }
    out.line("")?;
    let fields: Vec<[String; 4]> = def
        .fields
        .iter()
        .map(|field| {
            let custom = if is_custom(def, field) { "custom" } else { "" };
            [plain(&field.name), plain(&field.title), field.flow.to_string(), custom.to_owned()]
        })
        .collect();
    out.table(["FIELD", "TITLE", "DIRECTION", ""], &fields)?;
    out.line("")?;
    if view.runs.is_empty() {
        return out.line("no sweeps on record");
    }
    let runs: Vec<[String; 7]> = view.runs.iter().map(|run| run_cells(out, run)).collect();
    out.table(["SWEEP", "STARTED", "SIDE", "READ", "ROWS", "CHANGED", "END"], &runs)?;
    match view.runs.last().filter(|_| view.more) {
        Some(last) => out.line(format!("more: --before {}", last.number)),
        None => Ok(()),
    }
}

fn failed(failures: &Failures) -> String {
    let tried = u64::from(failures.writes_hour) + u64::from(failures.written_hour);
    format!(
        "{} of {tried} writes and {} sweeps in the last hour; {} and {} in the last minute",
        failures.writes_hour, failures.sweeps_hour, failures.writes_minute, failures.sweeps_minute
    )
}

fn run_cells(out: &Out, run: &RunRow) -> [String; 7] {
    let rows = match run.total.filter(|total| *total > run.rows) {
        Some(total) => format!("{} of {total}", run.rows),
        None => run.rows.to_string(),
    };
    let times = if run.times > 1 { format!(" {} times", run.times) } else { String::new() };
    let error = run.error.as_ref().map(|error| format!(": {}", plain(error))).unwrap_or_default();
    [
        run.number.to_string(),
        out.when(run.started_at),
        plain(out.names().of(run.side)),
        run.kind.to_string(),
        rows,
        run.changed.to_string(),
        format!("{}{times}{error}", run.end),
    ]
}
