//! `tandem match`: the match tables of staff and lead sources, with the same words as the console.

use clap::{Args, Subcommand};
use serde_json::json;

use super::Context;
use super::args::{one_of, side, side_of};
use super::output::plain;
use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{MatchKind, MatchState, RecordId, Side};
use crate::wire::{Answer, MatchEntry, MatchLine, MatchQuery, MatchVerb, Request};

/// Entries asked for at once while one is looked for.
const LOOKED_AT: u32 = 500;

/// `match`.
#[derive(Clone, Debug, Subcommand)]
pub enum MatchCommand {
    /// List entries by name (exit 1 when the table is not in use)
    List(ListArgs),
    /// Show what an entry could be paired with, the most similar first
    Options {
        /// Which entry
        #[command(flatten)]
        entry: EntryArgs,
        /// Only names and addresses that contain this
        #[arg(long, value_name = "TEXT", default_value = "")]
        filter: String,
    },
    /// Pair an entry with one of the other side by hand
    Pair {
        /// Which entry
        #[command(flatten)]
        entry: EntryArgs,
        /// The id of its counterpart
        #[arg(value_name = "OTHER")]
        other: String,
    },
    /// Part an entry from its counterpart; the two are never matched again unasked
    Unpair(EntryArgs),
    /// Set an entry aside: it takes part in no matching
    Ignore(EntryArgs),
    /// Let an entry take part again
    Include(EntryArgs),
    /// Create a lead source in the other system; staff are never created
    Create(EntryArgs),
    /// Send a lead source's name and active state to its counterpart, as far as they differ; without --yes it only
    /// shows what would be sent (exit 1)
    Update {
        /// Which entry
        #[command(flatten)]
        entry: EntryArgs,
        /// Send it
        #[arg(long)]
        yes: bool,
    },
    /// Look again at the records that were sent without an entry
    Resend(EntryArgs),
    /// List both systems again and match anew
    Refresh {
        /// Which table; both when absent
        #[arg(value_name = "KIND", value_parser = one_of::<MatchKind>())]
        kind: Option<MatchKind>,
        /// Take what is listed even if it is much less than before (admin)
        #[arg(long)]
        accept: bool,
    },
}

/// `match list`.
#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// Which table
    #[arg(long, value_name = "KIND", default_value = "staff", value_parser = one_of::<MatchKind>())]
    pub kind: MatchKind,
    /// Whose entries; s360 is another word for ivvy, and odoo, salesforce, connector and push for crm
    #[arg(long, value_name = "SIDE", default_value = "ivvy", value_parser = side())]
    pub side: Side,
    /// Only this state
    #[arg(long, value_name = "STATE", value_parser = one_of::<MatchState>())]
    pub state: Option<MatchState>,
    /// Only names and addresses that contain this
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,
    /// Go on after this place
    #[arg(long, value_name = "TOKEN")]
    pub after: Option<String>,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: u32,
}

/// One entry of a match table.
#[derive(Clone, Debug, Args)]
pub struct EntryArgs {
    /// Which table
    #[arg(value_name = "KIND", value_parser = one_of::<MatchKind>())]
    pub kind: MatchKind,
    /// Whose entry, and its id there: ivvy:12 (or s360:ACME-12), crm:005xx (or odoo:7)
    #[arg(value_name = "SIDE:ID", value_parser = side_and_id)]
    pub entry: (Side, String),
}

impl EntryArgs {
    fn entry(self) -> MatchEntry {
        let (side, id) = self.entry;
        MatchEntry { kind: self.kind, side, id: RecordId::from(id) }
    }
}

fn side_and_id(text: &str) -> std::result::Result<(Side, String), String> {
    let parts = text.split_once(':').filter(|(_, id)| !id.is_empty());
    let (side, id) = parts.ok_or_else(|| "a side and an id like ivvy:12".to_owned())?;
    let wrong = || format!("`{side}` is not a side: ivvy (or s360), crm (or odoo, salesforce, connector, push)");
    Ok((side_of(side).ok_or_else(wrong)?, id.to_owned()))
}

/// Runs a match command.
pub(super) async fn run(context: &mut Context, command: MatchCommand) -> Result<u8> {
    let client = context.client().await?;
    let (entry, verb, other) = match command {
        MatchCommand::List(args) => return list(context, &client, args).await,
        MatchCommand::Options { entry, filter } => return options(context, &client, entry.entry(), filter).await,
        MatchCommand::Update { entry, yes } => return update(context, &client, entry.entry(), yes).await,
        MatchCommand::Refresh { kind, accept } => {
            let answer = client.call(Request::MatchRefresh { kind, accept }).await?;
            return super::operate::done(context, None, answer).map(|()| 0);
        }
        MatchCommand::Pair { entry, other } => (entry, MatchVerb::Pair, Some(RecordId::from(other))),
        MatchCommand::Unpair(entry) => (entry, MatchVerb::Unpair, None),
        MatchCommand::Ignore(entry) => (entry, MatchVerb::Ignore, None),
        MatchCommand::Include(entry) => (entry, MatchVerb::Include, None),
        MatchCommand::Create(entry) => (entry, MatchVerb::Create, None),
        MatchCommand::Resend(entry) => (entry, MatchVerb::Resend, None),
    };
    let answer = client.call(Request::MatchDecide { entry: entry.entry(), verb, other }).await?;
    super::operate::done(context, None, answer).map(|()| 0)
}

async fn list(context: &mut Context, client: &Client, args: ListArgs) -> Result<u8> {
    let ListArgs { kind, side, state, filter, after, limit } = args;
    let query = MatchQuery { kind, side, state, text: filter, after, limit };
    let Answer::Matches(page) = client.call(Request::Matches(query)).await? else {
        return Err(super::strange_answer());
    };
    let out = &mut context.out;
    if out.is_json() {
        for line in &page.rows {
            out.json(&shape(line))?;
        }
        let rest = json!({ "next": page.more, "counts": page.counts, "off": page.off, "error": page.error });
        out.json(&rest)?;
    } else if let Some(off) = &page.off {
        out.line(format!("not in use: {}", plain(off)))?;
    } else {
        table(context, &page.rows)?;
        if let Some(error) = &page.error {
            context.out.line(plain(error))?;
        }
        if let Some(token) = &page.more {
            context.out.line(format!("more: --after {}", plain(token)))?;
        }
    }
    Ok(u8::from(page.off.is_some()))
}

/// Shows what would be sent and, when told to, sends just that: it writes to the other system.
async fn update(context: &mut Context, client: &Client, entry: MatchEntry, yes: bool) -> Result<u8> {
    let line = find(client, &entry).await?;
    let expect = line.as_ref().and_then(|line| line.change.clone());
    if let (false, Some(line), None) = (yes, &line, &expect) {
        let why = Error::new(ErrorKind::Refused, format!("nothing of {} can be sent now", plain(&line.row.name)));
        return Err(why.hint(if line.because.is_empty() {
            "both say the same".to_owned()
        } else {
            line.because.clone()
        }));
    }
    let (false, Some(line), Some(change)) = (yes, line, &expect) else {
        // What cannot be sent, and who is not there, the daemon refuses with its reason.
        let answer = client.call(Request::MatchUpdate { entry, expect }).await?;
        return super::operate::done(context, None, answer).map(|()| 0);
    };
    let out = &mut context.out;
    let there = line.other.unwrap_or_default();
    if out.is_json() {
        let shown = json!({ "ok": false, "sent": false, "id": entry.id, "other_name": there, "change": change });
        return out.json(&shown).map(|()| 1);
    }
    let names = out.names().clone();
    out.line(format!("{} of {}:", plain(&line.row.name), plain(names.of(entry.side))))?;
    let target = plain(names.of(entry.side.other()));
    if let Some(name) = &change.name {
        out.line(format!("  name in {target}: {} > {}", plain(&there), plain(name)))?;
    }
    if let Some(active) = change.active {
        let word = |active: bool| if active { "active" } else { "inactive" };
        out.line(format!("  state in {target}: {} > {}", word(!active), word(active)))?;
    }
    out.line("nothing was sent; --yes sends it")?;
    Ok(1)
}

/// The line of one entry, looked for in its table.
async fn find(client: &Client, entry: &MatchEntry) -> Result<Option<MatchLine>> {
    let MatchEntry { kind, side, id } = entry;
    let mut after = None;
    loop {
        let query = MatchQuery { kind: *kind, side: *side, state: None, text: None, after, limit: LOOKED_AT };
        let Answer::Matches(page) = client.call(Request::Matches(query)).await? else {
            return Err(super::strange_answer());
        };
        let found = page.rows.into_iter().find(|line| line.row.id == *id);
        if found.is_some() || page.more.is_none() {
            return Ok(found);
        }
        after = page.more;
    }
}

async fn options(context: &mut Context, client: &Client, entry: MatchEntry, text: String) -> Result<u8> {
    let Answer::MatchOptions { options, without } = client.call(Request::MatchOptions { entry, text }).await? else {
        return Err(super::strange_answer());
    };
    if context.out.is_json() {
        let options: Vec<_> = options.iter().map(shape).collect();
        context.out.json(&json!({ "options": options, "without": without }))?;
    } else {
        table(context, &options)?;
        if let Some(without) = without {
            context.out.line(format!("{without} records were sent without it"))?;
        }
    }
    Ok(0)
}

fn table(context: &mut Context, lines: &[MatchLine]) -> Result<()> {
    if lines.is_empty() {
        return context.out.line("no entries");
    }
    let cells: Vec<[String; 6]> = lines
        .iter()
        .map(|line| {
            let row = &line.row;
            let why = row.error.as_ref().map_or_else(|| line.because.clone(), |e| format!("{}; {e}", line.because));
            [
                plain(row.id.as_str()),
                row.state.to_string(),
                plain(&row.name),
                plain(row.email.as_deref().unwrap_or("-")),
                plain(line.other.as_deref().unwrap_or("-")),
                plain(&why),
            ]
        })
        .collect();
    context.out.table(["ID", "STATE", "NAME", "E-MAIL", "COUNTERPART", "WHY"], &cells)
}

fn shape(line: &MatchLine) -> serde_json::Value {
    let row = &line.row;
    json!({
        "kind": row.kind,
        "side": row.side,
        "id": row.id,
        "name": row.name,
        "email": row.email,
        "active": row.active,
        "gone": row.gone,
        "state": row.state,
        "other": row.other,
        "other_name": line.other,
        "because": line.because,
        "change": line.change,
        "error": row.error,
        "decided_by": row.decided_by,
        "at": row.at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_named_by_side_and_id() {
        assert_eq!(side_and_id("crm:005:x"), Ok((Side::Crm, "005:x".to_owned())));
        assert!(side_and_id("crm:").is_err() && side_and_id("7").is_err() && side_and_id("dynamics:7").is_err());
        assert_eq!(side_and_id("s360:ACME-7"), Ok((Side::Ivvy, "ACME-7".to_owned())));
        assert_eq!(side_and_id("odoo:7"), Ok((Side::Crm, "7".to_owned())));
    }
}
