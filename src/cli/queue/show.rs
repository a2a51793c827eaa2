//! `queue show`: one record pair, field by field.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::cli::output::{Paint, plain};
use crate::cli::{Context, audit};
use crate::client::Client;
use crate::error::Result;
use crate::model::plan::Candidate;
use crate::model::{Choice, FieldPlan, ItemId, Side, State, Value, Verdict};
use crate::wire::{Answer, CandidateView, ItemView, Request};

pub(super) async fn run(context: &mut Context, client: &Client, id: ItemId) -> Result<u8> {
    let Answer::Item(view) = client.call(Request::Item { id }).await? else {
        return Err(crate::cli::strange_answer());
    };
    if context.out.is_json() {
        context.out.json(&shape(&view))?;
    } else {
        text(context, &view)?;
    }
    Ok(0)
}

fn shape(view: &ItemView) -> Json {
    let item = &view.item;
    let mut shape = json!({
        "id": item.id,
        "module": item.module,
        "kind": item.kind,
        "state": item.state,
        "reasons": item.reasons,
        "version": item.ver,
        "title": item.title,
        "priority": item.priority,
        "since": item.created_at,
        "ready_at": item.ready_at,
        "summary": item.plan.summary,
        "records": { "ivvy": item.plan.ivvy, "crm": item.plan.crm },
        "modified": { "ivvy": view.ivvy_modified, "crm": view.crm_modified },
        "authors": view.authors,
        "fields": item.plan.fields.iter().map(field_shape).collect::<Vec<_>>(),
        "candidates": candidates(view).map(|(candidate, known)| candidate_shape(candidate, known)).collect::<Vec<_>>(),
        "waits_for": view.waits_for,
        "verbs": view.verbs,
        "decided_by": item.decided_by,
        "assigned": item.assigned,
        "error": item.error,
        "successor": item.successor,
        "history": view.history,
    });
    // Only where something is cut: a script must not take a part for the whole.
    if let Some(shape) = shape.as_object_mut().filter(|_| !view.cut.is_empty()) {
        shape.insert("cut".to_owned(), json!(view.cut));
    }
    shape
}

/// The candidates with what tells them apart.
fn candidates(view: &ItemView) -> impl Iterator<Item = (&Candidate, Option<&CandidateView>)> {
    let known = view.candidates.iter().map(Some).chain(std::iter::repeat(None));
    view.item.plan.candidates.iter().zip(known)
}

fn candidate_shape(candidate: &Candidate, known: Option<&CandidateView>) -> Json {
    let (facts, paired) = known.map_or((&[][..], None), |known| (&known.facts[..], known.paired.as_ref()));
    json!({ "side": candidate.side, "id": candidate.id, "title": candidate.title, "facts": facts, "paired": paired })
}

/// A candidate on one line, and why it cannot be chosen if it cannot.
fn candidate_line<'a>(candidate: &Candidate, known: Option<&CandidateView>, name: impl Fn(Side) -> &'a str) -> String {
    let mut line = format!("candidate {} {}: {}", candidate.side, candidate.id.as_str(), candidate.title);
    if let Some(known) = known {
        known.facts.iter().for_each(|fact| line += &format!(" · {fact}"));
        if let Some(other) = &known.paired {
            line += &format!(" · paired with {} {}", name(other.side), other.id.as_str());
        }
    }
    plain(&line)
}

/// `base` is what both sides last agreed on; `base_crm` is there only where the CRM spells it otherwise.
fn field_shape(row: &FieldPlan) -> Json {
    let mut shape = json!({
        "name": row.field,
        "base": row.base_ivvy.as_ref().or(row.base_crm.as_ref()),
        "ivvy": row.ivvy,
        "crm": row.crm,
        "result": result(row),
        "verdict": row.verdict,
        "why": row.why,
        "choice": row.choice,
    });
    if row.base_crm.is_some()
        && row.base_ivvy.is_some()
        && row.base_crm != row.base_ivvy
        && let Some(fields) = shape.as_object_mut()
    {
        fields.insert("base_crm".to_owned(), json!(row.base_crm));
    }
    shape
}

/// The value both sides will hold; an object when each gets its own back.
fn result(row: &FieldPlan) -> serde_json::Value {
    match row.choice {
        Some(Choice::Each { .. } | Choice::Keep) => {
            json!({ "ivvy": row.result_on(Side::Ivvy), "crm": row.result_on(Side::Crm) })
        }
        _ => json!(row.result()),
    }
}

fn text(context: &mut Context, view: &ItemView) -> Result<()> {
    let item = &view.item;
    let out = &mut context.out;
    let title = out.paint(Paint::Bold, &format!("{} {}", item.id, plain(&item.title)));
    out.line(title)?;
    out.line(format!("{} {} · {} · version {}", item.module.singular(), item.kind, item.state, item.ver))?;
    for reason in item.reasons.iter() {
        let what = if item.state == State::Held { "held" } else { "because" };
        let reason = out.paint(Paint::Yellow, &format!("{what}: {}", out.names().say(reason.explain())));
        out.line(reason)?;
    }
    if let Some(pending) = &item.pending {
        out.line(plain(&pending.sentence()))?;
    }
    out.line(plain(&item.plan.summary))?;
    if let Some(awaited) = &view.waits_for {
        out.line(plain(&format!("it {}", awaited.sentence())))?;
    }
    if let Some(error) = &item.error {
        let message = out.paint(Paint::Red, &format!("failed {}: {}", out.when(error.at), plain(&error.message)));
        out.line(message)?;
        if let Some(hint) = &error.hint {
            out.line(format!("  hint: {}", plain(hint)))?;
        }
    }
    out.line("")?;
    let rows: Vec<[String; 6]> = item.plan.fields.iter().map(field_cells).collect();
    let origin = plain(out.names().of(Side::Ivvy));
    let (title, label) = (origin.to_uppercase(), origin.to_lowercase());
    let head = ["FIELD", "BASE", &title, "CRM", "RESULT", "VERDICT"];
    if out.fits(head, &rows) {
        out.table(head, &rows)?;
    } else {
        // Values are what this command is for, so they are never cut: one below the other then.
        for [field, base, ivvy, crm, result, verdict] in &rows {
            let line = out.paint(Paint::Bold, &format!("{field}: {verdict}"));
            out.line(line)?;
            for (name, value) in [("base", base), (&label, ivvy), ("crm", crm), ("result", result)] {
                out.line(format!("  {name:<6}  {value}"))?;
            }
        }
    }
    for (candidate, known) in candidates(view) {
        let line = candidate_line(candidate, known, |side| out.names().of(side));
        out.line(line)?;
    }
    let allowed: Vec<String> =
        view.verbs.iter().filter(|(_, why_not)| why_not.is_none()).map(|(verb, _)| verb.to_string()).collect();
    if !allowed.is_empty() {
        out.line(format!("\nyou may: {}", allowed.join(", ")))?;
    }
    let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (verb, why_not) in &view.verbs {
        if let Some(why_not) = why_not {
            reasons.entry(why_not).or_default().push(verb.to_string());
        }
    }
    for (why_not, verbs) in reasons {
        out.line(format!("you may not {}: {}", verbs.join(", "), plain(why_not)))?;
    }
    out.line("")?;
    audit::table(out, &view.history)
}

fn field_cells(row: &FieldPlan) -> [String; 6] {
    let cell = |value: Option<&Value>| match value {
        None => "·".to_owned(), // not spoken of
        Some(Value::Null) => "-".to_owned(),
        Some(value) => plain(&value.to_string()),
    };
    let verdict = match (row.unsolved(), row.verdict) {
        (true, _) => format!("CHOOSE ({})", row.why),
        (false, Verdict::Same) => "same".to_owned(),
        (false, verdict) => format!("{verdict} ({})", row.why),
    };
    [
        plain(&row.field),
        cell(row.base_ivvy.as_ref().or(row.base_crm.as_ref())),
        cell(row.ivvy.as_ref()),
        cell(row.crm.as_ref()),
        match row.choice {
            Some(Choice::Each { .. } | Choice::Keep) => {
                format!("ivvy {}, crm {}", cell(row.result_on(Side::Ivvy)), cell(row.result_on(Side::Crm)))
            }
            _ => cell(row.result()),
        },
        verdict,
    ]
}
