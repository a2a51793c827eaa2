//! `tandem audit`: who decided what, and whether the chain is whole.

use serde_json::json;

use super::Context;
use super::args::AuditCommand;
use super::output::{Out, Paint, plain};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{AuditEvent, AuditRow, Seq};
use crate::wire::{Answer, AuditQuery, Request, SideNames};

pub(super) async fn run(context: &mut Context, command: AuditCommand) -> Result<u8> {
    let client = context.client().await?;
    match command {
        AuditCommand::List { item, before, limit } => {
            let rows = rows(client.call(Request::Audit(AuditQuery { item, before, limit })).await?)?;
            if !context.out.is_json() {
                table(&mut context.out, &rows)?;
                return Ok(0);
            }
            for row in &rows {
                context.out.json(row)?;
            }
            Ok(0)
        }
        AuditCommand::Show { seq } => {
            let query = AuditQuery { item: None, before: Some(Seq(seq.0.saturating_add(1))), limit: 1 };
            let rows = rows(client.call(Request::Audit(query)).await?)?;
            let Some(row) = rows.into_iter().find(|row| row.seq == seq) else {
                return Err(Error::new(ErrorKind::Refused, format!("there is no audit row {seq}"))
                    .hint("see `tandem audit list`"));
            };
            if context.out.is_json() {
                context.out.json(&row)?;
            } else {
                table(&mut context.out, std::slice::from_ref(&row))?;
                // The whole row, as it is hashed; JSON is the one form that leaves nothing out.
                context.out.line(super::output::json_line(&row))?;
            }
            Ok(0)
        }
        AuditCommand::Verify => {
            let Answer::AuditVerified { rows, broken_at } = client.call(Request::AuditVerify).await? else {
                return Err(super::strange_answer());
            };
            let out = &mut context.out;
            if out.is_json() {
                out.json(&json!({ "ok": broken_at.is_none(), "rows": rows, "broken_at": broken_at }))?;
            } else if let Some(seq) = broken_at {
                let line = out.paint(Paint::Red, &format!("the chain is broken at row {seq} ({rows} rows checked)"));
                out.line(line)?;
            } else {
                out.line(format!("the chain is whole: {rows} rows"))?;
            }
            Ok(u8::from(broken_at.is_some()))
        }
    }
}

fn rows(answer: Answer) -> Result<Vec<AuditRow>> {
    match answer {
        Answer::Audit { rows } => Ok(rows),
        _ => Err(super::strange_answer()),
    }
}

/// Rows for people.
pub(super) fn table(out: &mut Out, rows: &[AuditRow]) -> Result<()> {
    let cells: Vec<[String; 5]> = rows
        .iter()
        .map(|row| {
            [
                row.seq.to_string(),
                out.when(row.at),
                plain(&row.actor.name),
                row.item.map_or_else(|| "-".to_owned(), |item| item.to_string()),
                plain(&sentence(&row.what, out.names())),
            ]
        })
        .collect();
    out.table(["SEQ", "WHEN", "WHO", "ITEM", "WHAT"], &cells)
}

/// What happened, in words.
pub(super) fn sentence(event: &AuditEvent, names: &SideNames) -> String {
    match event {
        AuditEvent::Planned { state, summary } => format!("planned, {state}: {}", names.say(summary)),
        AuditEvent::Decided { verb, ver, reason, overridden } => {
            let mut text = format!("{verb} on version {ver}");
            if !overridden.is_empty() {
                let fields: Vec<&str> = overridden.iter().map(|(field, _, _)| field.as_str()).collect();
                text.push_str(&format!(", over {}", fields.join(", ")));
            }
            if let Some(reason) = reason {
                text.push_str(&format!(": {reason}"));
            }
            text
        }
        AuditEvent::Claimed { side, attempt, fields } => {
            format!("writing to {}, attempt {attempt}: {}", names.of(*side), fields.join(", "))
        }
        AuditEvent::Pushed { side, record, created, fields } => {
            let done = if *created { "created" } else { "updated" };
            let fields: Vec<&str> = fields.iter().map(|(field, _, _)| field.as_str()).collect();
            format!("{done} {record} on {}: {}", names.of(*side), fields.join(", "))
        }
        AuditEvent::PushFailed { side, state, error } => {
            format!("write to {} failed, {state}: {error}", names.of(*side))
        }
        AuditEvent::Linked { reason } => format!("linked: {reason}"),
        AuditEvent::Unlinked { reason } => format!("unlinked: {reason}"),
        AuditEvent::Moved { state, cause } => format!("{state}: {}", names.say(cause)),
        AuditEvent::GuardTripped { cause } => format!("guard tripped: {cause}"),
        AuditEvent::GuardReleased { scope, note } => {
            let note = note.as_ref().map(|note| format!("; agreed: {note}")).unwrap_or_default();
            format!("guard released: {scope}{note}")
        }
        AuditEvent::Operated { what } => what.clone(),
        AuditEvent::Mapped { version, what, reason } => {
            let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("field map, version {version}: {what}{reason}")
        }
        AuditEvent::Started { version, epoch } => format!("daemon {version} started, epoch {epoch}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_says_who_agreed_s11() {
        let names = SideNames::default();
        let note = Some("Ann of S-360, 3 March".to_owned());
        let event = AuditEvent::GuardReleased { scope: "all".to_owned(), note };
        let told = "guard released: all; agreed: Ann of S-360, 3 March";
        assert_eq!(sentence(&event, &names), told);
        let event = AuditEvent::GuardReleased { scope: "all".to_owned(), note: None };
        assert_eq!(sentence(&event, &names), "guard released: all");
    }
}
