//! `tandem streams`: what other systems post to us, or are posted by us, with the same words as the console.

mod access;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

pub use self::access::AccessArgs;
use super::Context;
use super::output::{Out, Paint, plain};
use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{FirstSync, ItemId, StreamId, Timestamp};
use crate::text::Safe;
use crate::wire::{
    Answer, PreviewAs, PreviewQuery, Request, StreamItem, StreamItems, StreamPart, StreamRow, StreamVerb,
};

/// `streams`.
#[derive(Clone, Debug, Args)]
pub struct StreamsArgs {
    /// What to do; lists the streams when absent
    #[command(subcommand)]
    pub command: Option<StreamsCommand>,
}

/// What can be done about streams.
#[derive(Clone, Debug, Subcommand)]
pub enum StreamsCommand {
    /// List the streams and how they are doing (exit 1 when one needs a person)
    List,
    /// Show one stream: settings, health, and what it set aside or gave up
    Show(ShowArgs),
    /// List checks at the gates as S-360 told them, newest first; of a barcode only the end
    Access(AccessArgs),
    /// Take a record that was set aside as if it came now
    Retry(NumberArgs),
    /// Throw a record away that was set aside (force)
    Dismiss(NumberArgs),
    /// Say from which day on records take part; a connection test must have passed (admin)
    FirstSync {
        /// Which stream, as `tandem streams` writes it
        #[arg(value_name = "STREAM")]
        stream: StreamId,
        /// The first day: year, month, day, with dashes
        #[arg(value_name = "DATE")]
        date: String,
        /// Whose day it is: an IANA name like Europe/Paris
        #[arg(long, value_name = "ZONE")]
        zone: String,
    },
    /// Test the connection; without an operator, see that an authenticated post has come
    Test(StreamArgs),
    /// Read again every record of the stream that we know, after a possible loss
    Reconcile(StreamArgs),
    /// A possible loss was dealt with (force)
    Settle(StreamArgs),
    /// Read, or post, what waits now
    RunNow(StreamArgs),
    /// Post a dead post again
    Revive(NumberArgs),
    /// Throw a dead post away (force)
    Drop(NumberArgs),
}

/// One stream.
#[derive(Clone, Debug, Args)]
pub struct StreamArgs {
    /// Which stream, as `tandem streams` writes it
    #[arg(value_name = "STREAM")]
    pub stream: StreamId,
}

/// One record or post of a stream.
#[derive(Clone, Debug, Args)]
pub struct NumberArgs {
    /// Which stream, as `tandem streams` writes it
    #[arg(value_name = "STREAM")]
    pub stream: StreamId,
    /// The number that `tandem streams show` tells
    #[arg(value_name = "NUMBER")]
    pub number: u64,
}

/// `streams show`.
#[derive(Clone, Debug, Args)]
pub struct ShowArgs {
    /// Which stream, as `tandem streams` writes it
    #[arg(value_name = "STREAM")]
    pub stream: StreamId,
    /// Only the records that were set aside
    #[arg(long, conflicts_with = "dead")]
    pub quarantine: bool,
    /// Only the posts that were given up
    #[arg(long)]
    pub dead: bool,
    /// Go on after this number
    #[arg(long, value_name = "NUMBER")]
    pub after: Option<u64>,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub limit: u32,
    /// Print the whole body of one record or post instead
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["quarantine", "dead", "after"])]
    pub body: Option<u64>,
}

/// Runs a command about streams.
pub(super) async fn run(context: &mut Context, args: StreamsArgs) -> Result<u8> {
    let client = context.client().await?;
    let (stream, verb) = match args.command.unwrap_or(StreamsCommand::List) {
        StreamsCommand::List => return list(context, &client).await,
        StreamsCommand::Show(ShowArgs { stream, body: Some(number), .. }) => {
            return body(context, &client, stream, number).await;
        }
        StreamsCommand::Access(args) => return access::run(context, &client, args).await,
        StreamsCommand::Show(args) => return show(context, &client, args).await,
        StreamsCommand::Retry(NumberArgs { stream, number }) => (stream, StreamVerb::Retry { number }),
        StreamsCommand::Dismiss(NumberArgs { stream, number }) => (stream, StreamVerb::Dismiss { number }),
        StreamsCommand::FirstSync { stream, date, zone } => (stream, StreamVerb::FirstSync { date, zone }),
        StreamsCommand::Test(StreamArgs { stream }) => (stream, StreamVerb::Test),
        StreamsCommand::Reconcile(StreamArgs { stream }) => (stream, StreamVerb::Reconcile),
        StreamsCommand::Settle(StreamArgs { stream }) => (stream, StreamVerb::LossSettled),
        StreamsCommand::RunNow(StreamArgs { stream }) => (stream, StreamVerb::RunNow),
        StreamsCommand::Revive(NumberArgs { stream, number }) => (stream, StreamVerb::Revive { number }),
        StreamsCommand::Drop(NumberArgs { stream, number }) => (stream, StreamVerb::Drop { number }),
    };
    let answer = client.call(Request::StreamDo { stream: stream.clone(), verb }).await?;
    let Answer::Done { message } = answer else { return Err(super::strange_answer()) };
    let out = &mut context.out;
    match out.is_json() {
        true => out.json(&json!({ "ok": true, "stream": stream.to_string(), "message": message }))?,
        false => out.line(format!("{stream}: {}", plain(&message)))?,
    }
    Ok(0)
}

async fn rows(client: &Client) -> Result<Vec<StreamRow>> {
    match client.call(Request::Streams).await? {
        Answer::Streams { rows } => Ok(rows),
        _ => Err(super::strange_answer()),
    }
}

/// Whether somebody should look.
fn needs_person(row: &StreamRow) -> bool {
    row.health.possible_loss
        || row.health.waits_for_first_sync
        || row.aside > 0
        || row.dead > 0
        || row.inbound && row.state.refused_since > 0
}

async fn list(context: &mut Context, client: &Client) -> Result<u8> {
    let rows = rows(client).await?;
    let out = &mut context.out;
    if out.is_json() {
        rows.iter().try_for_each(|row| out.json(&shape(row)))?;
    } else if rows.is_empty() {
        out.line("nothing is posted to this account, and nothing by it")?;
    } else {
        text(out, &rows)?;
    }
    Ok(u8::from(rows.iter().any(needs_person)))
}

/// The table of streams.
pub(super) fn text(out: &mut Out, rows: &[StreamRow]) -> Result<()> {
    let cells: Vec<[String; 6]> = rows
        .iter()
        .map(|row| {
            let run = run_words(row);
            let when = |at: Option<_>| at.map_or_else(|| "-".to_owned(), |at| out.when(at));
            [
                plain(&row.id.to_string()),
                plain(&row.words().join(", ")),
                when(row.state.last_at),
                when(row.health.next_expected),
                run,
                counts(row),
            ]
        })
        .collect();
    out.table(["STREAM", "STATE", "LAST", "NEXT EXPECTED", "LAST RUN", "COUNTS"], &cells)
}

fn counts(row: &StreamRow) -> String {
    let state = &row.state;
    let all = [
        (row.pending, "pending"),
        (state.records, if state.records == 1 { "record" } else { "records" }),
        (state.payloads, if state.payloads == 1 { "post" } else { "posts" }),
        (state.repeated, "repeated"),
        (state.refused, "refused"),
        (state.unstored, "not stored"),
    ];
    let some: Vec<String> =
        all.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if some.is_empty() { "-".to_owned() } else { some.join(", ") }
}

/// A stream as scripts see it; stable keys, times in UTC, durations in seconds.
pub(super) fn shape(row: &StreamRow) -> Value {
    let StreamRow { state, health, .. } = row;
    json!({
        "stream": row.id.to_string(),
        "kind": row.id.kind,
        "tenant": row.id.tenant,
        "title": row.title,
        "direction": if row.inbound { "in" } else { "out" },
        "words": row.words(),
        "auth": row.auth,
        "unprotected": row.is_unprotected(),
        "secrets": row.secrets,
        "place": row.place,
        "operator": row.operator,
        "modules": row.modules,
        "rhythm": row.rhythm.map(|rhythm| json!({
            "every_s": rhythm.every.as_secs(),
            "per_run": rhythm.per_run,
            "per_payload": rhythm.per_payload,
            "tries": rhythm.tries,
        })),
        "health": health,
        "payloads": state.payloads,
        "records": state.records,
        "repeated": state.repeated,
        "refused": state.refused,
        "unstored": state.unstored,
        "set_aside": row.aside,
        "pending": row.pending,
        "unfinished": row.unfinished,
        "dead": row.dead,
        "last_at": state.last_at,
        "run": state.run,
        "possible_loss": state.possible_loss,
        "first_sync": state.first_sync,
        "tested_at": state.tested_at,
        "refused_since_last": state.refused_since,
        "last_error": state.last_error,
        "last_error_at": state.last_error_at,
        "reconciling": row.reconciling,
    })
}

async fn show(context: &mut Context, client: &Client, args: ShowArgs) -> Result<u8> {
    let ShowArgs { stream, quarantine, dead, after, limit, .. } = args;
    let found = rows(client).await?.into_iter().find(|row| row.id == stream).ok_or_else(|| {
        Error::new(ErrorKind::Refused, format!("there is no stream {stream} in this account"))
            .hint("`tandem streams` lists them")
    })?;
    if dead && found.inbound || quarantine && !found.inbound {
        let (what, hint) = match dead {
            true => ("posts nothing", "--quarantine shows what it set aside"),
            false => ("takes nothing", "--dead shows what it gave up"),
        };
        return Err(Error::new(ErrorKind::Refused, format!("{stream} {what}")).hint(hint));
    }
    let answer = client.call(Request::StreamItems { stream, after, limit }).await?;
    let Answer::StreamItems(StreamItems { items, more }) = answer else { return Err(super::strange_answer()) };
    let out = &mut context.out;
    let whole = !quarantine && !dead;
    if out.is_json() {
        if whole {
            out.json(&shape(&found))?;
        }
        items.iter().try_for_each(|item| out.json(&item_shape(item)))?;
        if more {
            out.json(&json!({ "next": items.last().map(|item| item.number) }))?;
        }
        return Ok(u8::from(needs_person(&found)));
    }
    if whole {
        about(out, &found)?;
    }
    if items.is_empty() {
        out.line(if found.inbound { "nothing is set aside" } else { "no post is dead" })?;
    } else {
        let cells: Vec<[String; 6]> = items
            .iter()
            .map(|item| {
                let place = item.index.map_or_else(|| "-".to_owned(), |index| (index + 1).to_string());
                let id = item.id.as_deref().map_or_else(|| "-".to_owned(), plain);
                [item.number.to_string(), out.when(item.at), place, id, item.bytes.to_string(), plain(&item.why)]
            })
            .collect();
        out.table(["NUMBER", "WHEN", "PLACE", "ID", "BYTES", "WHY"], &cells)?;
    }
    if let Some(last) = items.last().filter(|_| more) {
        out.line(format!("more: --after {}", last.number))?;
    }
    Ok(u8::from(needs_person(&found)))
}

/// Width of the labels of `show`.
const LABEL: usize = 13;

/// Everything there is to say about a stream, what matters most first: the same as on its screen.
fn about(out: &mut Out, row: &StreamRow) -> Result<()> {
    let title = out.paint(Paint::Bold, &format!("{} ({})", plain(&row.title), plain(&row.id.to_string())));
    let said = said(out, row);
    out.line(title)?;
    said.into_iter().try_for_each(|(label, text)| out.line(format!("  {label:LABEL$}{}", plain(&text))))
}

fn said(out: &Out, row: &StreamRow) -> Vec<(&'static str, String)> {
    let when = |at: Option<Timestamp>, never: &str| at.map_or_else(|| never.to_owned(), |at| out.when(at));
    let state = &row.state;
    let mut all: Vec<(&'static str, String)> = Vec::new();
    let mut say = |label: &'static str, text: String| all.push((label, text));
    say("State", row.words().join(", "));
    row.explained().into_iter().for_each(|sentence| say("", sentence));
    if let Some((done, total)) = row.reconciling {
        say("Reconciling", format!("{done} of {total} records"));
    }
    if let Some(gap) = state.possible_loss {
        let (from, to) = (when(Some(gap.from), ""), when(Some(gap.to), ""));
        say("Outage", format!("nothing was taken between {from} and {to}"));
    }
    if let Some(error) = &state.last_error {
        let at = state.last_error_at.map_or_else(String::new, |at| format!(" ({})", out.when(at)));
        say("Last error", format!("{error}{at}"));
    }
    if row.needs_first_sync {
        let set = |first: &FirstSync| format!("{}, set by {} on {}", first.entered, first.by, when(Some(first.at), ""));
        say("First sync", state.first_sync.as_ref().map_or_else(|| "not set".to_owned(), set));
    }
    let next = if row.rhythm.is_some() {
        format!(", next expected {}", when(row.health.next_expected, "-"))
    } else {
        String::new()
    };
    say("Last", format!("{}{next}; last run {}", when(state.last_at, "never"), run_words(row)));
    say(if row.inbound { "Comes in at" } else { "Goes to" }, row.place.clone());
    let secrets = if row.secrets > 1 { "; two secrets are valid while they are changed" } else { "" };
    say(
        "Auth",
        format!("{}{secrets}", if row.is_unprotected() { "none: UNPROTECTED".into() } else { row.auth.to_string() }),
    );
    if let Some(rhythm) = row.rhythm {
        say("Rhythm", rhythm_words(&rhythm));
    }
    say("Counts", counts(row));
    let operator = match (row.inbound, row.operator) {
        (true, true) => "its system can be asked, too",
        (true, false) => "receive-only: nothing is asked of its system",
        (false, _) => "we post",
    };
    say("Way", format!("{operator}; tested {}", when(state.tested_at, "never")));
    let modules: Vec<&str> = row.modules.iter().map(|module| module.title()).collect();
    say("Modules", if modules.is_empty() { "none that is on".to_owned() } else { modules.join(", ") });
    all
}

/// `3 posts, 120 records`.
fn run_words(row: &StreamRow) -> String {
    row.state.run.map_or_else(
        || "-".to_owned(),
        |run| format!("{}, {}", many(run.posts.into(), "post"), many(run.records.into(), "record")),
    )
}

/// `1 post`, `2 posts`.
fn many(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// `every 15m, 500 a run in posts of 50, given up after 12 runs`.
fn rhythm_words(rhythm: &crate::model::Rhythm) -> String {
    format!(
        "every {}, up to {} a run in posts of {}, given up after {} runs",
        crate::config::duration::format(rhythm.every),
        rhythm.per_run,
        rhythm.per_payload,
        rhythm.tries
    )
}

fn item_shape(item: &StreamItem) -> Value {
    json!({
        "number": item.number,
        "index": item.index,
        "at": item.at,
        "id": item.id,
        "why": item.why,
        "bytes": item.bytes,
        "body": item.body,
    })
}

/// One body whole, part by part, or until the reader hangs up.
async fn body(context: &mut Context, client: &Client, stream: StreamId, number: u64) -> Result<u8> {
    let part = StreamPart { id: stream, number };
    let mut query = PreviewQuery {
        item: ItemId(0),
        field: "body".to_owned(),
        of: None,
        mode: PreviewAs::Html,
        from: 0,
        stream: Some(part),
    };
    let mut line = String::new();
    loop {
        let Answer::Preview(part) = client.call(Request::Preview(query.clone())).await? else {
            return Err(super::strange_answer());
        };
        let out = &mut context.out;
        if out.is_json() {
            out.json(&json!({
                "number": number,
                "from": query.from,
                "next": part.next,
                "total_bytes": part.total_bytes,
                "text": part.text,
            }))?;
        } else {
            line += &part.text;
        }
        match part.next {
            Some(next) if !out.is_closed() => query.from = next,
            _ => break,
        }
    }
    let safe = |line: &str| Safe::limited(&line.replace('\t', "    "), usize::MAX);
    line.lines().try_for_each(|line| context.out.line(safe(line).as_str()))?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[test]
    fn a_stream_is_named_as_it_is_written_and_others_are_told_how() {
        let parse = |text: &str| {
            let cli = super::super::args::Cli::try_parse_from(["tandem", "streams", "test", text]);
            cli.map(|cli| match cli.command {
                Some(super::super::args::Command::Streams(StreamsArgs {
                    command: Some(StreamsCommand::Test(args)),
                })) => args.stream.to_string(),
                other => panic!("{other:?}"),
            })
        };
        assert_eq!(parse("s360_contacts/ACME").unwrap(), "s360_contacts/ACME");
        assert_eq!(parse("push_orders").unwrap(), "push_orders");
        let wrong = parse("s360/ACME").unwrap_err().to_string();
        assert!(wrong.contains("`s360` is not a stream: s360_contacts, "), "{wrong}");
        assert!(parse("s360_contacts/").is_err());
    }
}
