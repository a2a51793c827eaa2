//! E-mails: rows of the log → records (`contracts/ivvy.md` 10).
//!
//! Rows have no modification stamp; the time of sending stands for it, as nothing changes afterwards. No
//! filter is documented: a sweep asks for `sentTime` and compares for itself what comes. Where iVvy refuses
//! that, the first sweep reads the whole log and later ones go back from its end ([`super::tail`]). A page
//! whose bodies are too much for one answer is asked for again in smaller pages.

use serde_json::Value as Json;

use super::action::Action;
use super::fields::{self, Column};
use super::listing::Query;
use super::module::Module;
use super::{Answered, Ivvy, loose, search, tail, the_record};
use crate::model::{ModuleId, Record, RecordId, Value};
use crate::remote::{Page, PageRequest, Read};

const LIST: Action = Action::read("account", "getEmailLogList");

/// Largest body kept, in bytes, without the line that says it was cut.
const LONGEST_BODY: usize = 1024 * 1024;
/// What stands at the end of a body that was cut.
const CUT: &str = "\n<p>[cut here by Tandem: the e-mail is larger than 1 MiB]</p>";
/// Longest piece of a tag given up so that the cut does not fall inside it.
const LONGEST_TAG: usize = 4096;

const COLUMNS: &[Column] = &[
    ("contact", "contactId", loose::as_reference),
    ("subject", "subject", loose::as_text),
    ("from", "from", loose::as_text),
    ("to", "to", loose::as_text),
    ("sent_at", "sentTime", loose::as_instant),
    ("success", "success", loose::as_truth),
    ("body", "body", |json| loose::as_text(json).map(capped)),
];

/// E-mails, as iVvy has them.
pub(super) struct Emails;

impl Module for Emails {
    fn id(&self) -> ModuleId {
        ModuleId::ContactEmails
    }

    fn list<'a>(&'a self, ivvy: &'a Ivvy, request: &'a PageRequest) -> Answered<'a, Page> {
        let query = log().bounded("sentTime__GREATERTHAN", "sentTime__LESSTHAN", request).inferred();
        Box::pin(async move {
            if let Some(page) = tail::page(ivvy, &log(), ivvy.is_refused(&query), request, record).await? {
                return Ok(page);
            }
            ivvy.narrowed_page(&query, request, record).await
        })
    }

    fn get<'a>(&'a self, ivvy: &'a Ivvy, id: &'a RecordId) -> Answered<'a, Read> {
        Box::pin(async move {
            let row = search::find(ivvy, &log(), id).await?;
            row.map_or(Ok(Read::Missing), |row| the_record(&LIST, id, record(&row)))
        })
    }
}

fn log() -> Query {
    Query::new(LIST).bulky()
}

/// The record in a row of the log.
fn record(row: &Json) -> Option<Record> {
    Some(Record {
        id: fields::id(row)?,
        fields: fields::read(row, COLUMNS),
        modified: fields::stamp(row, "sentTime"),
        ..Record::default()
    })
}

/// The body, cut at a character and before an unfinished tag, and saying so.
fn capped(body: Value) -> Value {
    let Value::Text(mut text) = body else { return body };
    if text.len() > LONGEST_BODY {
        let mut end = text.floor_char_boundary(LONGEST_BODY);
        if let Some(open) = text[..end].rfind('<')
            && end - open < LONGEST_TAG
            && !text[open..end].contains('>')
        {
            end = open;
        }
        text.truncate(end);
        text.push_str(CUT);
    }
    Value::Text(text)
}
