//! What `check` makes of a connection test.

use std::sync::Arc;

use super::*;
use crate::remote::stub::Stub;
use crate::remote::{Probe, Remote};
use crate::seam::SystemClock;

/// The rows about one side, as lines.
async fn rows(probe: Result<Probe, Class>) -> Vec<String> {
    rows_of(probe, &[]).await
}

/// The same of a system with tenants, some of which refuse.
async fn rows_of(probe: Result<Probe, Class>, tenants: &[(&str, Option<Class>)]) -> Vec<String> {
    let stub = Stub::new(Arc::new(SystemClock));
    *stub.tenants.lock().unwrap() = tenants.iter().map(|(tenant, refuses)| ((*tenant).to_owned(), *refuses)).collect();
    *stub.probe.lock().unwrap() = probe;
    let stub = Arc::new(stub);
    let remotes = Remotes::new(|_, _| Arc::clone(&stub) as Arc<dyn Remote>);
    let rows = check_remote(&remotes, &[ModuleId::Contacts], Side::Crm).await;
    let line = |row: CheckRow| {
        let hint = row.hint.unwrap_or_else(|| "-".to_owned());
        format!("{} {}: {} | {hint}", if row.ok { "ok" } else { "FAIL" }, row.what, row.found)
    };
    rows.into_iter().map(line).collect()
}

#[tokio::test]
async fn a_connection_that_passed_a_doubt_and_a_failure_are_told_apart_p13_s28() {
    let fine = Probe { system: "Box".to_owned(), ..Probe::default() };
    assert_eq!(
        rows(Ok(fine.clone())).await,
        ["ok stub: connection: Box, 0 ms | -", "ok stub: read contacts: permitted | -"]
    );
    let doubted = rows(Ok(Probe { doubt: Some("nothing but 404".to_owned()), ..fine.clone() })).await;
    assert_eq!(
        doubted[1],
        "ok stub: address: not proved: nothing but 404 | wrong settings could be answered the same: compare address and credentials with what you were given"
    );
    assert_eq!(doubted.len(), 3);
    let told = Probe { unasked: true, unread: true, ..fine.clone() };
    assert_eq!(
        rows(Ok(told)).await,
        ["ok stub: connection: not tested: it is never asked, it posts; Box | -"],
        "nothing is said to be read where nothing may be"
    );
    let skewed = rows(Ok(Probe { clock_skew_ms: Some(-61_000), ..fine })).await;
    assert!(skewed[1].starts_with("FAIL stub: clock: -61000 ms"), "{skewed:?}");
    let failed = rows(Err(Class::Unsupported)).await;
    assert_eq!(
        failed,
        ["FAIL stub: connection: stub call: as told | check the address, the version and the names of custom fields"],
        "nothing else is asked of what is not there"
    );
}

#[tokio::test]
async fn every_institution_is_tested_for_itself_s18() {
    let fine = Probe { system: "Box".to_owned(), ..Probe::default() };
    let refused = Some(Class::Unauthorized);
    assert_eq!(
        rows_of(Ok(fine.clone()), &[("ACME", refused), ("GLOBE", None)]).await,
        [
            "FAIL stub ACME: connection: stub call: as told | check the key and its secret",
            "ok stub GLOBE: connection: Box, 0 ms | -",
            "ok stub: read contacts: permitted | -",
        ],
        "the trouble of one is not the others'"
    );
    assert_eq!(
        rows_of(Ok(fine), &[("ACME", refused), ("GLOBE", refused)]).await.len(),
        2,
        "nobody is left to read from"
    );
}
