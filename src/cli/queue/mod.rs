//! `tandem queue`: look at items and decide, with the same words as the console.

pub mod args;
mod decide;
mod preview;
mod show;

use serde_json::{Value, json};

use self::args::{ListArgs, On, QueueCommand, Until};
use super::Context;
use super::output::{Out, plain};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::model::{ItemId, Reason, Verb};
use crate::wire::{Anchor, Answer, Decide, Filter, PageQuery, PreviewQuery, Request, Row};

/// Runs a queue command.
pub(super) async fn run(context: &mut Context, command: QueueCommand) -> Result<u8> {
    let client = context.client().await?;
    match command {
        QueueCommand::List(args) => list(context, &client, args).await,
        QueueCommand::Show { id } => show::run(context, &client, id).await,
        QueueCommand::Preview { id, field, mode, of } => {
            preview::run(context, &client, PreviewQuery { item: id, field, of, mode, from: 0, stream: None }).await
        }
        other => {
            let now = context.clock.now();
            let order = order(other, now)?;
            decide::run(context, &client, order).await
        }
    }
}

/// A verb with everything it takes.
struct Order {
    on: On,
    /// The decision, still without item and version.
    decide: Decide,
    fields: Vec<args::FieldChoice>,
    /// They know that approving makes a record beside others that may be the same.
    create: bool,
}

fn order(command: QueueCommand, now: crate::model::Timestamp) -> Result<Order> {
    let plain_order = |verb: Verb, on: On| {
        let decide = Decide {
            item: ItemId::default(),
            ver: None,
            seen: None,
            verb,
            choices: Default::default(),
            side: None,
            until: None,
            record: None,
            reason: on.reason.clone(),
        };
        Order { on, decide, fields: Vec::new(), create: false }
    };
    let order = match command {
        QueueCommand::Approve { on, choices, create } => {
            let mut order = Order { create, ..plain_order(Verb::Approve, on) };
            order.decide.side = choices.take;
            order.fields = choices.fields;
            order
        }
        QueueCommand::Skip { on } => plain_order(Verb::Skip, on),
        QueueCommand::Snooze { on, until } => {
            let mut order = plain_order(Verb::Snooze, on);
            order.decide.until = Some(match until {
                Until::In(duration) => now.plus(duration),
                Until::At(at) => at,
            });
            order
        }
        QueueCommand::Force { on, take } => {
            if on.reason.as_deref().is_none_or(|reason| reason.trim().is_empty()) {
                return Err(Error::config("force needs a reason").hint("add --reason TEXT: it goes into the audit log"));
            }
            let mut order = plain_order(Verb::Force, on);
            order.decide.side = Some(take);
            order
        }
        QueueCommand::Edit { on, fields } => Order { fields, ..plain_order(Verb::Edit, on) },
        QueueCommand::Hold { on } => plain_order(Verb::Hold, on),
        QueueCommand::Undo { on } => plain_order(Verb::Undo, on),
        QueueCommand::Retry { on } => plain_order(Verb::Retry, on),
        QueueCommand::Reopen { on } => plain_order(Verb::Reopen, on),
        QueueCommand::Pair { on, record } => {
            let mut order = plain_order(Verb::Pair, on);
            order.decide.record = Some(record);
            order
        }
        QueueCommand::Arrived { on, record } => {
            let mut order = plain_order(Verb::Arrived, on);
            order.decide.record = record;
            order
        }
        QueueCommand::Resend { on } => plain_order(Verb::Resend, on),
        QueueCommand::Claim { on } => plain_order(Verb::Claim, on),
        QueueCommand::List(_) | QueueCommand::Show { .. } | QueueCommand::Preview { .. } => {
            return Err(Error::internal("a command that decides nothing was taken for one that does"));
        }
    };
    Ok(order)
}

async fn list(context: &mut Context, client: &Client, args: ListArgs) -> Result<u8> {
    let ListArgs { module, state, reason, filter, after, limit } = args;
    // Without a state the open ones are listed, and some reasons are not among those.
    let state = state.or(reason.map(Reason::state).filter(|state| !state.is_open()));
    let filter = Filter { module, state, reason, text: filter };
    let anchor = after.map_or(Anchor::Start, Anchor::After);
    let answer = client.call(Request::Page(PageQuery { filter, anchor, limit })).await?;
    let Answer::Rows(page) = answer else { return Err(super::strange_answer()) };
    let next = match (&page.continue_at, page.rows.last()) {
        (Some(token), _) => Some(token.clone()),
        (None, Some(last)) if page.more_after => Some(last.token.clone()),
        _ => None,
    };
    let out = &mut context.out;
    if out.is_json() {
        for row in &page.rows {
            out.json(&row_shape(row))?;
        }
        if let Some(token) = next {
            out.json(&json!({ "next": token }))?;
        }
        return Ok(0);
    }
    if page.rows.is_empty() {
        return out.line("no items").map(|()| 0);
    }
    let rows: Vec<[String; 8]> = page.rows.iter().map(|row| row_cells(out, row)).collect();
    out.table(["ID", "MODULE", "STATE", "REASONS", "VER", "SINCE", "TITLE", "WHAT"], &rows)?;
    if let Some(token) = next {
        out.line(format!("more: --after {}", plain(&token)))?;
    }
    Ok(0)
}

fn row_shape(row: &Row) -> Value {
    json!({
        "id": row.id,
        "module": row.module,
        "state": row.state,
        "reasons": row.reasons,
        "version": row.version,
        "title": row.title,
        "priority": row.priority,
        "since": row.since,
        "kind": row.kind,
        "summary": row.summary,
        "unsolved": row.unsolved,
        "ready_at": row.ready_at,
        "assigned": row.assigned,
        "waits_for": row.waits_for,
    })
}

/// What will be done, and what it waits for.
fn what(row: &Row) -> String {
    row.waits_for
        .as_ref()
        .map_or_else(|| row.summary.clone(), |awaited| format!("{}; {}", awaited.sentence(), row.summary))
}

fn row_cells(out: &Out, row: &Row) -> [String; 8] {
    let reasons: Vec<String> = row.reasons.iter().map(|reason| reason.to_string()).collect();
    [
        row.id.to_string(),
        row.module.to_string(),
        row.state.to_string(),
        if reasons.is_empty() { "-".to_owned() } else { reasons.join(",") },
        row.version.to_string(),
        out.when(row.since),
        plain(&row.title),
        plain(&what(row)),
    ]
}
