//! `tandem streams access`: checks at the gates, as S-360 told them (S-12).

use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::super::Context;
use super::super::output::plain;
use crate::client::Client;
use crate::config::duration;
use crate::error::Result;
use crate::model::{AccessCheck, Timestamp};
use crate::seam::{Clock as _, SystemClock};
use crate::wire::{AccessChecks, AccessQuery, Answer, Request};

/// `streams access`.
#[derive(Clone, Debug, Args)]
pub struct AccessArgs {
    /// Only this institution's
    #[arg(long, value_name = "CODE")]
    pub institution: Option<String>,
    /// Only those told since: a duration like 2h, or an instant like 2026-12-01T08:00:00Z
    #[arg(long, value_name = "WHEN")]
    pub since: Option<Since>,
    /// Go on beyond this place
    #[arg(long, value_name = "TOKEN")]
    pub before: Option<String>,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
}

/// `--since`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// So long ago.
    Ago(Duration),
    /// Then.
    At(Timestamp),
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        if let Ok(at) = text.parse() {
            return Ok(Self::At(at));
        }
        duration::parse(text)
            .map(Self::Ago)
            .map_err(|_| "a duration like 2h, or an instant like 2026-12-01T08:00:00Z".to_owned())
    }
}

/// Prints checks as they come, window by window, until there are as many as were asked for.
pub(super) async fn run(context: &mut Context, client: &Client, args: AccessArgs) -> Result<u8> {
    let AccessArgs { institution, since, before, limit } = args;
    let since = since.map(|since| match since {
        Since::Ago(ago) => SystemClock.now().minus(ago),
        Since::At(at) => at,
    });
    let mut query = AccessQuery { institution, since, before, limit };
    let mut all: Vec<AccessCheck> = Vec::new();
    let more = loop {
        let Answer::AccessChecks(AccessChecks { checks, more }) =
            client.call(Request::AccessChecks(query.clone())).await?
        else {
            return Err(super::super::strange_answer());
        };
        all.extend(checks);
        let left = limit.saturating_sub(u32::try_from(all.len()).unwrap_or(u32::MAX));
        match more {
            // A window may be short, or empty, although there is more.
            Some(place) if left > 0 => (query.before, query.limit) = (Some(place), left),
            more => break more,
        }
    };
    let out = &mut context.out;
    if out.is_json() {
        all.iter().try_for_each(|check| out.json(check))?;
        return match more {
            Some(more) => out.json(&json!({ "next": more })).map(|()| 0),
            None => Ok(0),
        };
    }
    if all.is_empty() {
        out.line("no check was told")?;
    } else {
        let told = |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), plain);
        let cells: Vec<[String; 8]> = all
            .iter()
            .map(|check| {
                [
                    out.when(check.told_at),
                    told(&check.at),
                    plain(&check.institution),
                    told(&check.flow),
                    told(&check.result),
                    told(&check.failure),
                    told(&check.ticket),
                    told(&check.barcode),
                ]
            })
            .collect();
        out.table(["TOLD", "AT THE GATE", "INSTITUTION", "WAY", "RESULT", "WHY", "TICKET", "BARCODE"], &cells)?;
    }
    if let Some(place) = more {
        out.line(format!("more: --before {}", plain(&place)))?;
    }
    Ok(0)
}
