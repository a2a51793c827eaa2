//! One access-control check, as the data-export webhook has it (contract 2.3).

use serde_json::{Map, Value, json};

use super::answer::Refusal;
use super::shape::{Holds, Member, may, overlay};
use crate::model::Timestamp;

const CHECK: &[Member] = &[
    may("movement_id", Holds::Whole),
    may("ticket_id", Holds::Whole),
    may("barcode", Holds::Text(100)),
    may("access_time", Holds::Text(19)),
    may("check_flow", Holds::Text(20)),
    may("result", Holds::Text(20)),
    may("failure_reason", Holds::Text(60)),
];

/// The check `id` with `given` over what is usual: a way in, granted, at `at` without a zone.
///
/// # Errors
/// A member that is unknown or of a wrong kind.
pub(super) fn check(id: u64, given: &Map<String, Value>, at: Timestamp) -> Result<Value, Refusal> {
    let mut check = Map::new();
    check.insert("ticket_check_id".into(), json!(id));
    check.insert("access_time".into(), json!(at.to_datetime().format("%Y-%m-%d %H:%M:%S").to_string()));
    for (name, value) in [("check_flow", "IN"), ("result", "OK"), ("failure_reason", "NO_FAIL")] {
        check.insert(name.into(), json!(value));
    }
    overlay(&mut check, given, CHECK)?;
    Ok(Value::Object(check))
}
