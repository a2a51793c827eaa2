//! A body taken apart: an array of objects, each with its place, its id and what is wrong with it (S-13, S-15).
//!
//! What is no batch of this stream at all is refused whole; what is wrong with one record stays with that record.

use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::model::{StreamId, StreamKind};
use crate::remote::s360::payload::{Identified, belongs, identify, unwrapped};

/// Largest body read.
pub(super) const LARGEST: usize = 8 * 1024 * 1024;
/// Most records in one body: two hundred times what was agreed (S-23), and still one transaction.
const MOST: usize = 10_000;
/// Largest record. An order with a thousand tickets is a tenth of it.
const LARGEST_RECORD: usize = 1024 * 1024;
/// Longest claimed id that is kept with a record that cannot be taken.
const LONGEST_CLAIM: usize = 40;

/// A batch of one stream.
#[derive(Debug)]
pub(super) struct Batch {
    /// Of stream, institution and every byte of the body.
    pub digest: [u8; 32],
    /// It was one object instead of an array.
    pub bare: bool,
    /// In their order.
    pub records: Vec<Record>,
}

/// One record of a batch.
#[derive(Debug)]
pub(super) struct Record {
    /// Its place, from 0.
    pub index: u32,
    /// What it says, as it came.
    pub raw: Box<str>,
    /// Which it is and what it says; or why that cannot be told.
    pub read: Result<(Identified, Value), Broken>,
}

/// A record that cannot be taken.
#[derive(Debug)]
pub(super) struct Broken {
    /// The id it claims.
    pub id: Option<String>,
    /// One sentence of ours.
    pub why: &'static str,
}

/// A body that is no batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unusable {
    /// It is larger than we take, and not merely wrong.
    pub too_large: bool,
    /// One sentence of ours.
    pub why: &'static str,
}

const fn wrong(why: &'static str) -> Unusable {
    Unusable { too_large: false, why }
}

/// Takes a body apart.
///
/// # Errors
/// It is no batch of this stream.
pub(super) fn batch(stream: &StreamId, body: &[u8]) -> Result<Batch, Unusable> {
    let text = std::str::from_utf8(body).map_err(|_| wrong("the body is not JSON in UTF-8"))?;
    let text = text.trim_start_matches('\u{feff}').trim_ascii_start();
    let bare = text.starts_with('{');
    let not_json = |_| wrong("the body is not one JSON document");
    let raws: Vec<&RawValue> = if bare {
        vec![serde_json::from_str(text).map_err(not_json)?]
    } else if text.starts_with('[') {
        serde_json::from_str(text).map_err(not_json)?
    } else {
        return Err(wrong("the body is not a JSON array of objects"));
    };
    if raws.len() > MOST {
        return Err(Unusable { too_large: true, why: "the array holds more than 10000 records" });
    }
    if !raws.is_empty() && raws.iter().all(|raw| !raw.get().starts_with('{')) {
        return Err(wrong("the array holds no objects"));
    }
    let mut any = raws.is_empty();
    let records = raws.iter().zip(0..).map(|(raw, index)| {
        let (ours, read) = record(stream.kind, raw.get());
        any |= ours;
        Record { index, raw: raw.get().into(), read }
    });
    let records = records.collect();
    if !any {
        return Err(wrong("no record of the batch is one of this stream"));
    }
    Ok(Batch { digest: digest(stream, body), bare, records })
}

/// Which record this is; and whether it is one of this stream at all, good or broken.
pub(super) fn record(kind: StreamKind, raw: &str) -> (bool, Result<(Identified, Value), Broken>) {
    let broken = |id, why| Err(Broken { id, why });
    if raw.len() > LARGEST_RECORD {
        // Whatever it is, it came where records of this stream come.
        return (true, broken(None, "it is larger than 1 MiB"));
    }
    let Ok(value) = serde_json::from_str::<Value>(raw) else {
        return (raw.starts_with('{'), broken(None, "it is nested too deeply, or a number in it is too large"));
    };
    let value = unwrapped(kind, value);
    match identify(kind, &value) {
        Ok(identified) => (true, Ok((identified, value))),
        Err(why) => (belongs(kind, &value), broken(claimed(kind, &value), why)),
    }
}

fn claimed(kind: StreamKind, value: &Value) -> Option<String> {
    let name = match kind {
        StreamKind::S360Contacts => "contactNumber",
        StreamKind::S360Orders => "orderId",
        _ => "ticket_check_id",
    };
    let id = match value.get(name)? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!id.is_empty()).then(|| id.chars().take(LONGEST_CLAIM).collect())
}

/// Of stream, institution and every byte of the body.
pub(super) fn digest(stream: &StreamId, body: &[u8]) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update([stream.kind.number()]);
    // A zero is no part of an institution's code.
    digest.update(stream.tenant.as_bytes());
    digest.update([0]);
    digest.update(body);
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: StreamKind, body: &str) -> Result<Batch, Unusable> {
        batch(&StreamId::new(kind, "ACME"), body.as_bytes())
    }

    fn broken(kind: StreamKind, body: &str) -> Vec<(u32, Option<String>, &'static str)> {
        let records = of(kind, body).unwrap().records.into_iter();
        records.filter_map(|record| record.read.err().map(|why| (record.index, why.id, why.why))).collect()
    }

    const CONTACTS: StreamKind = StreamKind::S360Contacts;
    const ORDERS: StreamKind = StreamKind::S360Orders;

    #[test]
    fn arrays_of_objects_are_batches_and_single_objects_too_s13() {
        let one = r#"{"contactNumber":"5"}"#;
        for (body, bare, count) in
            [("[]", false, 0), (" [ ] ", false, 0), (one, true, 1), (&format!("\u{feff}[{one},{one}]\n"), false, 2)]
        {
            let batch = of(CONTACTS, body).unwrap();
            assert_eq!((batch.bare, batch.records.len()), (bare, count), "{body}");
        }
        let fifty_one = format!("[{}]", vec![one; 51].join(","));
        assert_eq!(of(CONTACTS, &fifty_one).unwrap().records.len(), 51, "more than agreed is taken");
    }

    #[test]
    fn what_is_no_batch_is_refused_whole_s13_s12() {
        for body in [
            "",
            "hello",
            "null",
            "7",
            "\"x\"",
            "[1,2]",
            "[[]]",
            "[null]",
            "[{\"contactNumber\":\"5\"}] trailing",
            "[{\"contactNumber\":\"5\"}",
            "[{\"contactNumber\":\"5\"}][]",
            "{\"contactNumber\":\"5\"}{}",
            "[{\"orderId\":7,\"orderState\":\"CLOSED\"}]",
            "[{\"orderDetailsData\":{\"orderId\":7}}]",
            "[{}]",
        ] {
            assert!(!of(CONTACTS, body).expect_err(body).too_large, "{body}");
        }
        assert!(batch(&StreamId::new(CONTACTS, "ACME"), b"[\"\xff\"]").is_err());
        let many = format!("[{}]", vec!["{}"; MOST + 1].join(","));
        assert!(of(CONTACTS, &many).unwrap_err().too_large);
    }

    #[test]
    fn one_bad_record_stays_alone_with_its_place_and_reason_s15_scenario_07() {
        let deep = format!("{}1{}", "{\"contactNumber\":".repeat(200), "}".repeat(200));
        let body = format!(
            r#"[{{"contactNumber":"1"}},{{"contactNumber":"a b"}},7,{{"individualContact":{{}}}},{deep},{{"contactNumber":5e9}}]"#
        );
        let found = broken(CONTACTS, &body);
        let places: Vec<(u32, Option<&str>)> = found.iter().map(|(index, id, _)| (*index, id.as_deref())).collect();
        assert_eq!(places, [(1, Some("a b")), (2, None), (3, None), (4, None), (5, Some("5000000000.0"))]);
        assert!(found.iter().all(|(_, _, why)| why.starts_with("it")), "{found:?}");
        let orders = broken(ORDERS, r#"[{"orderId":9007199254740993},{"orderId":1.5,"orderState":"CLOSED"}]"#);
        assert_eq!(orders.len(), 1);
        let record = of(ORDERS, r#"[ {"orderId" : 1.50} ]"#).unwrap().records.remove(0);
        assert_eq!(&*record.raw, r#"{"orderId" : 1.50}"#, "kept as it came");
    }

    #[test]
    fn the_digest_tells_streams_institutions_and_every_byte_apart_s16() {
        let body = "[{\"contactNumber\":\"5\",\"orderId\":5}]";
        let digest_of = |kind, tenant, body: &str| digest(&StreamId::new(kind, tenant), body.as_bytes());
        let first = digest_of(CONTACTS, "ACME", body);
        assert_eq!(first, digest_of(CONTACTS, "ACME", body));
        assert_ne!(first, digest_of(ORDERS, "ACME", body));
        assert_ne!(first, digest_of(CONTACTS, "ACM", body));
        assert_ne!(first, digest_of(CONTACTS, "ACME", &format!("{body} ")));
    }
}
