//! `queue preview`: one long value, part by part, to its end or until the reader hangs up.

use serde_json::json;

use crate::cli::Context;
use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::text::Safe;
use crate::wire::{Answer, PreviewQuery, Request};

pub(super) async fn run(context: &mut Context, client: &Client, mut query: PreviewQuery) -> Result<u8> {
    let out = &mut context.out;
    let mut version = None;
    // The end of a part may be in the middle of a line.
    let mut line = String::new();
    loop {
        let Answer::Preview(part) = client.call(Request::Preview(query.clone())).await? else {
            return Err(crate::cli::strange_answer());
        };
        if version.is_some_and(|version| version != part.ver) {
            return Err(Error::new(ErrorKind::Stale, format!("item {} moved on while it was read", query.item))
                .hint("read it again"));
        }
        version = Some(part.ver);
        if out.is_json() {
            out.json(&json!({
                "id": query.item,
                "field": query.field,
                "of": part.of,
                "as": query.mode,
                "version": part.ver,
                "from": query.from,
                "next": part.next,
                "total_bytes": part.total_bytes,
                "text": part.text,
            }))?;
        } else {
            line += &part.text;
            if let Some(end) = line.rfind('\n') {
                let rest = line.split_off(end + 1);
                print(out, &line)?;
                line = rest;
            }
        }
        match part.next {
            // What is read later must be of the value that was read first.
            Some(next) if !out.is_closed() => (query.from, query.of) = (next, Some(part.of)),
            _ => break,
        }
    }
    print(out, &line)?;
    Ok(0)
}

fn print(out: &mut crate::cli::output::Out, text: &str) -> Result<()> {
    text.lines().try_for_each(|line| out.line(Safe::limited(&line.replace('\t', "    "), usize::MAX).as_str()))
}
