//! Who is not to be written to (V-21, `contracts/ivvy.md` 9): `status` of a contact.
//!
//! Only the wish travels, never its absence: iVvy's "subscribed" says nothing about what a person has told
//! the people behind the CRM. Nothing here is ever written to iVvy.

use serde_json::Value as Json;

use super::contacts::GET;
use super::fields::{self, put};
use super::listing::{self, Query};
use super::{Ivvy, loose};
use crate::model::module::EMAIL_OPT_OUT;
use crate::model::{Record, Value};
use crate::remote::{Page, PageRequest, RemoteError};

/// `status` of those who do not want to be written to: unsubscribed, and no marketing. An address that
/// bounced is no wish.
const UNWANTED: [i64; 2] = [2, 5];

/// The record, with what its row tells.
pub(super) fn told(mut record: Record, row: &Json) -> Record {
    let unwanted = row.get("status").and_then(loose::as_int).is_some_and(|status| UNWANTED.contains(&status));
    put(&mut record.fields, EMAIL_OPT_OUT, unwanted.then_some(Value::Bool(true)));
    record
}

/// One page of contacts. The documentation does not say that the list tells `status`, so a row without it is
/// read alone: otherwise list and single read would disagree about every such contact.
pub(super) async fn page(
    ivvy: &Ivvy,
    query: &Query,
    request: &PageRequest,
    record: impl Fn(&Json) -> Option<Record> + Send,
) -> Result<Page, RemoteError> {
    let mut page = ivvy.rows(query, request.position.as_deref()).await?;
    for row in &mut page.rows {
        if row.get("status").is_some() {
            continue;
        }
        let alone = match fields::id(row) {
            Some(id) => ivvy.row(&GET, &id).await?,
            None => None,
        };
        // Deleted since it was listed: the next sweep finds that out.
        if let (Some(status), Some(row)) = (alone.and_then(|row| row.get("status").cloned()), row.as_object_mut()) {
            row.insert("status".to_owned(), status);
        }
    }
    let records = listing::records(&query.action, &page.rows, |row| Some(told(record(row)?, row)))?;
    Ok(Page { records, next: page.next, total: page.total, server_time: page.server_time })
}
