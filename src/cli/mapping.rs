//! `tandem map`: which custom field of iVvy is which field of the CRM, with the same words as the console.

use clap::{Args, Subcommand};
use serde_json::json;

use super::Context;
use super::args::one_of;
use super::output::{Out, plain};
use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::model::mapping::{flow_for, kind_for, short_name};
use crate::model::{
    CustomField, CustomKind, FieldDefinition, FieldMap, Finding, Flow, ModuleId, Side, Transform, Value,
};
use crate::wire::{Answer, MapChange, MapVerb, MapView, Request};

/// `map`.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct MapArgs {
    /// What to do; `show` when absent
    #[command(subcommand)]
    pub command: Option<MapCommand>,
    /// What to show
    #[command(flatten)]
    pub show: ShowArgs,
}

/// `map …`.
#[derive(Clone, Debug, Subcommand)]
pub enum MapCommand {
    /// Show what is mapped, what could be, and what no longer fits (exit 1 when something does not); also
    /// `tandem map [MODULE]`
    Show(ShowArgs),
    /// Map a custom field; values that are there already are not touched
    Add(FieldArgs),
    /// Map a field that is mapped otherwise: what is not given stays as it is; values that are there already
    /// are not touched
    Change(FieldArgs),
    /// Take a field out of the map; both sides keep their values
    Remove {
        /// Which module
        #[arg(value_name = "MODULE", value_parser = one_of::<ModuleId>())]
        module: ModuleId,
        /// The field's short name
        name: String,
        /// Why, for the audit log
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// The version you looked at; another one by now is refused (exit 5)
        #[arg(long, value_name = "V")]
        version: Option<u32>,
    },
    /// Versions of a module's map, newest first; without their fields where those are too many
    History {
        /// Which module
        #[arg(value_name = "MODULE", value_parser = one_of::<ModuleId>())]
        module: ModuleId,
        /// Only versions before this one
        #[arg(long, value_name = "V")]
        before: Option<u32>,
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
    /// Plan what differs in a mapped field now; the guard holds it until it is released
    Resync {
        /// Which module
        #[arg(value_name = "MODULE", value_parser = one_of::<ModuleId>())]
        module: ModuleId,
        /// The field's short name
        name: String,
        /// Only count what it would look at
        #[arg(long)]
        dry_run: bool,
    },
}

/// `map show`.
#[derive(Clone, Debug, Args)]
pub struct ShowArgs {
    /// Which modules; all that are on when absent
    #[arg(value_name = "MODULE", value_parser = one_of::<ModuleId>())]
    pub modules: Vec<ModuleId>,
}

/// A field to be mapped.
#[derive(Clone, Debug, Args)]
pub struct FieldArgs {
    /// Which module
    #[arg(value_name = "MODULE", value_parser = one_of::<ModuleId>())]
    pub module: ModuleId,
    /// iVvy's number of the field
    #[arg(long, value_name = "NUMBER")]
    pub ivvy: u64,
    /// The CRM's name of the field
    #[arg(long, value_name = "FIELD")]
    pub crm: String,
    /// Short name; when absent: made of iVvy's label (`change`: of the field that is mapped)
    #[arg(long)]
    pub name: Option<String>,
    /// What people read; when absent: iVvy's label (`change`: as it is)
    #[arg(long)]
    pub title: Option<String>,
    /// Type; when absent: the one both sides can hold (`change`: as it is)
    #[arg(long, value_parser = one_of::<CustomKind>())]
    pub kind: Option<CustomKind>,
    /// Direction; when absent: both ways, as far as both sides can be written (`change`: as it is)
    #[arg(long, value_parser = one_of::<Flow>())]
    pub flow: Option<Flow>,
    /// What becomes of text on its way; when absent: nothing (`change`: as it is, a table of options too)
    #[arg(long, value_name = "HOW", value_parser = ["none", "trim", "upper", "lower"], conflicts_with = "values")]
    pub transform: Option<String>,
    /// An option of iVvy and the CRM's for it; may be repeated, and all of them are the table. Options without
    /// one are held, not guessed
    #[arg(long = "value", value_name = "IVVY=CRM", value_parser = pair)]
    pub values: Vec<(String, String)>,
    /// What a new record gets where there is no value, in iVvy's words; several options are parted by `;`. When
    /// absent: nothing (`change`: as it is; `--default ''` takes it away)
    #[arg(long, value_name = "VALUE")]
    pub default: Option<String>,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// The version you looked at; another one by now is refused (exit 5)
    #[arg(long, value_name = "V")]
    pub version: Option<u32>,
    /// Only check it
    #[arg(long)]
    pub dry_run: bool,
}

fn pair(text: &str) -> std::result::Result<(String, String), String> {
    let (ivvy, crm) = text.split_once('=').ok_or_else(|| "a pair like g=Guest".to_owned())?;
    Ok((ivvy.trim().to_owned(), crm.trim().to_owned()))
}

/// Runs a map command.
pub(super) async fn run(context: &mut Context, args: MapArgs) -> Result<u8> {
    let client = context.client().await?;
    match args.command.unwrap_or(MapCommand::Show(args.show)) {
        MapCommand::Show(args) => show(context, &client, args.modules).await,
        MapCommand::Add(args) => map(context, &client, args, false).await,
        MapCommand::Change(args) => map(context, &client, args, true).await,
        MapCommand::Remove { module, name, reason, version } => {
            let expect = match version {
                Some(version) => version,
                None => view_of(&client, module).await?.version,
            };
            let verb = MapVerb::Remove(name);
            change(context, &client, MapChange { module, expect, verb, dry_run: false, reason }).await
        }
        MapCommand::History { module, before, limit } => history(context, &client, module, before, limit).await,
        MapCommand::Resync { module, name, dry_run } => {
            let answer = client.call(Request::MapResync { module, field: name, dry_run }).await?;
            super::operate::done(context, Some(module), answer).map(|()| 0)
        }
    }
}

async fn view_of(client: &Client, module: ModuleId) -> Result<MapView> {
    match client.call(Request::MapShow { module }).await? {
        Answer::Map(view) => Ok(*view),
        _ => Err(super::strange_answer()),
    }
}

/// Puts the field together from what was said and what the two sides say, and maps it.
async fn map(context: &mut Context, client: &Client, args: FieldArgs, changes: bool) -> Result<u8> {
    let module = args.module;
    let view = view_of(client, module).await?;
    let flow = client.hello().modules.iter().find(|def| def.id == module).map_or(Flow::Both, |def| def.flow);
    let field = if changes { changed(&args, &view, flow)? } else { added(&args, &view, flow)? };
    let expect = args.version.unwrap_or(view.version);
    let verb = if changes { MapVerb::Change(field) } else { MapVerb::Add(field) };
    change(context, client, MapChange { module, expect, verb, dry_run: args.dry_run, reason: args.reason }).await
}

/// A field that is not mapped yet: what is not given is what the two sides suggest.
fn added(args: &FieldArgs, view: &MapView, module: Flow) -> Result<CustomField> {
    let find = |side: Side, name: &str| {
        view.definitions.get(&side).and_then(|all| all.iter().find(|found| found.name == name))
    };
    let (ivvy, crm) = (find(Side::Ivvy, &args.ivvy.to_string()), find(Side::Crm, &args.crm));
    let both = ivvy.zip(crm);
    let kind = args.kind.or(both.and_then(|(ivvy, crm)| kind_for(ivvy, crm)));
    // Without a type the daemon could not say what is wrong; any will do for it to say so.
    let kind = kind.unwrap_or(CustomKind::Text);
    let flow = args.flow.or(both.and_then(|(ivvy, crm)| flow_for(module, ivvy, crm))).unwrap_or(Flow::Both);
    let label = ivvy.map(|found| found.title.clone());
    let short = || short_name(args.module, label.as_deref().unwrap_or_default(), args.ivvy);
    Ok(CustomField {
        name: args.name.clone().unwrap_or_else(short),
        kind,
        ivvy: args.ivvy,
        crm: args.crm.clone(),
        flow,
        transform: transform_of(args).unwrap_or_default(),
        default: args.default.as_deref().map(|text| default_of(kind, text)).transpose()?,
        title: args.title.clone().or(label),
    })
}

/// A field that is mapped, known by its short name or by iVvy's number: what is not given stays as it is. One
/// that is not mapped is the daemon's to refuse.
fn changed(args: &FieldArgs, view: &MapView, module: Flow) -> Result<CustomField> {
    let mut mapped = view.mapped.iter().map(|line| &line.field);
    let now = mapped.find(|field| match &args.name {
        Some(name) => field.name == *name,
        None => field.ivvy == args.ivvy,
    });
    let Some(now) = now else {
        if view.left_out.mapped > 0 {
            // It may be mapped all the same, and what is not given would be lost.
            return Err(Error::new(
                ErrorKind::Refused,
                "the map is too large to be shown whole, and the field is not shown",
            )
            .hint("remove it with `tandem map remove`, then add it"));
        }
        return added(args, view, module);
    };
    let kind = args.kind.unwrap_or(now.kind);
    let default = match args.default.as_deref().map(str::trim) {
        None => now.default.clone(),
        Some("") => None,
        Some(text) => Some(default_of(kind, text)?),
    };
    Ok(CustomField {
        name: now.name.clone(),
        title: args.title.clone().or_else(|| now.title.clone()),
        kind,
        ivvy: args.ivvy,
        crm: args.crm.clone(),
        flow: args.flow.unwrap_or(now.flow),
        transform: transform_of(args).unwrap_or_else(|| now.transform.clone()),
        default,
    })
}

fn default_of(kind: CustomKind, text: &str) -> Result<Value> {
    kind.parse(text).map_err(|takes| {
        Error::config(format!("the default of a field of the type {kind} is {takes}")).hint("correct --default")
    })
}

/// What was said of the value's way, if anything.
fn transform_of(args: &FieldArgs) -> Option<Transform> {
    if !args.values.is_empty() {
        return Some(Transform::Values(args.values.iter().cloned().collect()));
    }
    Some(match args.transform.as_deref()? {
        "trim" => Transform::Trim,
        "upper" => Transform::Upper,
        "lower" => Transform::Lower,
        _ => Transform::None,
    })
}

async fn change(context: &mut Context, client: &Client, change: MapChange) -> Result<u8> {
    let (module, dry_run) = (change.module, change.dry_run);
    let Answer::MapChanged(changed) = client.call(Request::MapChange(change)).await? else {
        return Err(super::strange_answer());
    };
    let out = &mut context.out;
    if out.is_json() {
        out.json(&json!({
            "module": module,
            "version": changed.version,
            "findings": changed.findings,
            "message": changed.message,
        }))?;
        return Ok(0);
    }
    for finding in &changed.findings {
        out.line(format!("note: {}", plain(&finding.text)))?;
    }
    if !dry_run {
        out.line(format!("{module}: map version {}", changed.version))?;
    }
    out.line(plain(&changed.message))?;
    Ok(0)
}

async fn show(context: &mut Context, client: &Client, modules: Vec<ModuleId>) -> Result<u8> {
    let all = modules.is_empty();
    let modules = if all { client.hello().modules.iter().map(|def| def.id).collect() } else { modules };
    if modules.is_empty() {
        return Err(Error::new(ErrorKind::Refused, "no module is switched on").hint("see the configuration"));
    }
    let mut exit = 0;
    for module in modules {
        let view = view_of(client, module).await?;
        let faulty = view.mapped.iter().flat_map(|line| &line.findings).any(|finding| finding.fault);
        exit = exit.max(u8::from(faulty || !view.errors.is_empty()));
        if context.out.is_json() {
            context.out.json(&shape(&view))?;
        } else {
            text(context, &view)?;
        }
    }
    Ok(exit)
}

fn shape(view: &MapView) -> serde_json::Value {
    let mapped: Vec<_> = view
        .mapped
        .iter()
        .map(|line| {
            let field = &line.field;
            json!({
                "name": field.name, "title": field.title(), "kind": field.kind, "ivvy": field.ivvy, "crm": field.crm,
                "flow": field.flow, "transform": field.transform, "default": field.default, "origin": line.origin,
                "findings": line.findings,
            })
        })
        .collect();
    json!({
        "module": view.module,
        "version": view.version,
        "in_force": view.in_force,
        "mapped": mapped,
        "suggestions": view.suggestions,
        "ivvy": view.definitions.get(&Side::Ivvy),
        "crm": view.definitions.get(&Side::Crm),
        "errors": view.errors,
        "left_out": view.left_out,
    })
}

fn text(context: &mut Context, view: &MapView) -> Result<()> {
    let out = &mut context.out;
    let last = view.last.as_ref().map(|last| format!(", by {} at {}", plain(&last.by.name), out.when(last.at)));
    let version = match view.version {
        0 => "nothing in the store".to_owned(),
        version => format!("version {version}{}", last.unwrap_or_default()),
    };
    out.line(format!("{}: {version}", view.module))?;
    for (side, error) in &view.errors {
        out.line(format!("{}'s fields are not known: {}", plain(out.names().of(*side)), plain(error)))?;
    }
    if !view.mapped.is_empty() {
        let rows: Vec<[String; 8]> = view
            .mapped
            .iter()
            .map(|line| {
                let field = &line.field;
                let default = field.default.as_ref().map_or_else(|| "-".to_owned(), |value| plain(&value.to_string()));
                [
                    plain(&field.name),
                    field.ivvy.to_string(),
                    plain(&field.crm),
                    field.kind.to_string(),
                    field.flow.to_string(),
                    field.transform.to_string(),
                    default,
                    format!("{}; {}", line.origin, sentence(&line.findings)),
                ]
            })
            .collect();
        out.table(["NAME", "IVVY", "CRM", "TYPE", "FLOW", "TRANSFORM", "DEFAULT", "FROM; CHECK"], &rows)?;
    }
    for (count, what) in [(view.left_out.mapped, "mapped fields"), (view.left_out.suggestions, "suggestions")] {
        if count > 0 {
            out.line(format!("{count} more {what} have no room in an answer"))?;
        }
    }
    for found in &view.suggestions {
        let label = |side: Side, name: &str| {
            let all = view.definitions.get(&side);
            all.and_then(|all| all.iter().find(|one| one.name == name))
                .map_or_else(String::new, |one| plain(&one.title))
        };
        out.line(format!(
            "perhaps: {} `{}` and `{}` `{}` ({} % alike, {}): tandem map add {} --ivvy {} --crm {}",
            found.ivvy,
            label(Side::Ivvy, &found.ivvy.to_string()),
            plain(&found.crm),
            label(Side::Crm, &found.crm),
            found.alike,
            found.kind,
            view.module,
            found.ivvy,
            plain(&found.crm)
        ))?;
    }
    for side in Side::BOTH {
        let free = |definition: &&FieldDefinition| {
            let mut fields = view.mapped.iter().map(|line| &line.field);
            !fields.any(|field| match side {
                Side::Ivvy => field.ivvy.to_string() == definition.name,
                Side::Crm => field.crm == definition.name,
            })
        };
        let free = view.definitions.get(&side).into_iter().flatten().filter(free);
        let rows: Vec<[String; 4]> = free
            .map(|definition| {
                let kind = definition.kind.and_then(CustomKind::of).map_or("cannot be mapped", Into::into);
                let written = if definition.writable { "" } else { "read only" };
                [plain(&definition.name), plain(&definition.title), kind.to_owned(), written.to_owned()]
            })
            .collect();
        if !rows.is_empty() {
            out.line(format!("not mapped in {}:", plain(out.names().of(side))))?;
            out.table(["FIELD", "LABEL", "TYPE", ""], &rows)?;
        }
        if let Some(count) = view.left_out.fields.get(&side) {
            out.line(format!("{count} more fields of {} have no room in an answer", plain(out.names().of(side))))?;
        }
    }
    Ok(())
}

fn sentence(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "fits".to_owned();
    }
    findings.iter().map(|finding| plain(&finding.text)).collect::<Vec<_>>().join("; ")
}

async fn history(
    context: &mut Context,
    client: &Client,
    module: ModuleId,
    before: Option<u32>,
    limit: u32,
) -> Result<u8> {
    let (mut all, mut before) = (Vec::new(), before);
    let more = loop {
        let left = limit.saturating_sub(u32::try_from(all.len()).unwrap_or(u32::MAX));
        let Answer::MapHistory { versions, more } =
            client.call(Request::MapHistory { module, before, limit: left }).await?
        else {
            return Err(super::strange_answer());
        };
        let (came, asked) = (u32::try_from(versions.len()).unwrap_or(u32::MAX), before);
        before = versions.last().map(|oldest: &FieldMap| oldest.version).or(asked);
        all.extend(versions);
        // An answer may hold fewer than were asked for.
        if more == 0 || came == 0 || came >= left {
            break more;
        }
    };
    let out = &mut context.out;
    let next = all.last().map(|oldest| oldest.version).filter(|_| more > 0);
    if out.is_json() {
        all.iter().try_for_each(|version| out.json(version))?;
        return match next {
            Some(next) => out.json(&json!({ "next": next, "more": more })).map(|()| 0),
            None => Ok(0),
        };
    }
    if all.is_empty() {
        out.line(format!("the map of {module} in the store has never been changed"))?;
        return Ok(0);
    }
    let rows: Vec<[String; 5]> = all.iter().map(|map| row(out, map)).collect();
    out.table(["VERSION", "AT", "BY", "WHAT", "WHY"], &rows)?;
    if let Some(next) = next {
        out.line(format!("{more} more: --before {next}"))?;
    }
    Ok(0)
}

fn row(out: &Out, map: &FieldMap) -> [String; 5] {
    let reason = map.reason.as_deref().map_or_else(|| "-".to_owned(), plain);
    [map.version.to_string(), out.when(map.at), plain(&map.by.name), plain(&map.what), reason]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_of_options_is_parted_at_the_first_equals_sign() {
        assert_eq!(pair("g = Guest=VIP"), Ok(("g".to_owned(), "Guest=VIP".to_owned())));
        assert!(pair("guest").is_err());
    }

    #[test]
    fn a_change_leaves_what_it_is_not_told_v19() {
        let mut view = crate::tui::fixture::field_map();
        let diet = CustomField {
            title: Some("Meals".to_owned()),
            kind: CustomKind::Choice,
            flow: Flow::ToCrm,
            transform: Transform::Values([("g".to_owned(), "Guest".to_owned())].into()),
            default: Some(Value::text("g")),
            ..view.mapped[1].field.clone()
        };
        view.mapped[1].field = diet.clone();
        let args = FieldArgs {
            module: ModuleId::Contacts,
            ivvy: 12,
            crm: "x_diet".to_owned(),
            name: None,
            title: None,
            kind: None,
            flow: None,
            transform: None,
            values: Vec::new(),
            default: None,
            reason: None,
            version: None,
            dry_run: false,
        };
        let with = |args: &FieldArgs| changed(args, &view, Flow::Both).unwrap();
        assert_eq!(with(&args), diet);
        // A map that is not shown whole may hold it otherwise: nothing of it is lost by guessing.
        let mut cut = view.clone();
        cut.mapped.remove(1);
        cut.left_out.mapped = 1;
        assert!(changed(&args, &cut, Flow::Both).is_err());
        assert_eq!(
            with(&FieldArgs { flow: Some(Flow::Both), ..args.clone() }),
            CustomField { flow: Flow::Both, ..diet.clone() }
        );
        let bare = FieldArgs { transform: Some("none".to_owned()), default: Some(" ".to_owned()), ..args.clone() };
        assert_eq!(with(&bare), CustomField { transform: Transform::None, default: None, ..diet.clone() });
        // Known by its name, it may be another field of iVvy's from now on.
        let moved = FieldArgs { name: Some("diet".to_owned()), ivvy: 13, ..args.clone() };
        assert_eq!(with(&moved), CustomField { ivvy: 13, ..diet });
        assert_eq!(added(&args, &view, Flow::Both).unwrap().transform, Transform::None);
    }
}
