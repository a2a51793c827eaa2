//! What changed and what went.

use super::*;

async fn ids(desk: &Desk, feed: &str, start: &str, end: &str) -> (Vec<String>, Value) {
    let path = format!("/sobjects/Contact/{feed}?{}&{}", encoded("start", start), encoded("end", end));
    let answer = desk.get(&path).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let body = answer.json();
    let list = if feed.starts_with("updated") { &body["ids"] } else { &body["deletedRecords"] };
    let text = |entry: &Value| entry.as_str().or_else(|| entry["id"].as_str()).unwrap().to_owned();
    (list.as_array().unwrap().iter().map(text).collect(), body)
}

#[tokio::test(start_paused = true)]
async fn windows_are_whole_minutes_with_and_without_a_trailing_slash() {
    let desk = Desk::standard().await;
    let early = desk.contact(json!({"LastName": "Early"})).await;
    advance(90).await;
    let late = desk.contact(json!({"LastName": "Late"})).await;
    advance(60).await;
    for feed in ["updated", "updated/"] {
        let (found, body) = ids(&desk, feed, "2026-11-21T08:00:00+00:00", "2026-11-21T08:01:59+00:00").await;
        assert_eq!(found, std::slice::from_ref(&early), "seconds of the end are ignored");
        assert_eq!(body["latestDateCovered"], "2026-11-21T08:01:00.000+0000");
    }
    let (found, _) = ids(&desk, "updated", "2026-11-21T09:01:30+0100", "2026-11-21T08:03:00Z").await;
    assert_eq!(found, std::slice::from_ref(&late));
    desk.sim.delete("Contact", &early).unwrap();
    let (gone, body) = ids(&desk, "deleted", "2026-11-21T08:00:00Z", "2026-11-21T08:05:00Z").await;
    assert_eq!(gone, [early]);
    assert_eq!(body["deletedRecords"][0]["deletedDate"], "2026-11-21T08:02:30.000+0000");
    assert_eq!(body["latestDateCovered"], "2026-11-21T08:02:30.000+0000", "never beyond now");
    let (left, _) = ids(&desk, "updated", "2026-11-21T08:00:00Z", "2026-11-21T08:05:00Z").await;
    assert_eq!(left, [late]);
}

#[tokio::test(start_paused = true)]
async fn impossible_windows_are_refused() {
    let desk = Desk::standard().await;
    for (start, end) in [
        ("2026-11-21T07:00:00Z", "2026-11-21T07:00:59Z"),
        ("2026-11-21T07:00:00Z", "2026-11-21T06:00:00Z"),
        ("2026-10-01T07:00:00Z", "2026-11-21T06:00:00Z"),
        ("2026-11-21T09:00:00Z", "2026-11-21T10:00:00Z"),
    ] {
        let path = format!("/sobjects/Contact/updated?{}&{}", encoded("start", start), encoded("end", end));
        assert_eq!(desk.get(&path).await.refused(), (400, "INVALID_REPLICATION_DATE".into()), "{start} {end}");
    }
    assert_eq!(desk.get("/sobjects/Contact/deleted?start=x&end=y").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(desk.get("/sobjects/Contact/deleted").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test(start_paused = true)]
async fn late_commits_carry_older_stamps_and_hold_back_the_cover() {
    let desk = Desk::standard().await;
    desk.sim.set_knobs(|knobs| knobs.commit_late = Duration::from_secs(120));
    let id = desk.sim.insert("Contact", json!({"LastName": "Slow"})).unwrap();
    let row = &desk.sim.records("Contact").unwrap()[0];
    assert_eq!((&row["Id"], &row["SystemModstamp"]), (&json!(id), &json!("2026-11-21T07:58:00.000+0000")));
    assert_ne!(row["LastModifiedById"], json!(desk.sim.integration.as_str()));
    let (_, body) = ids(&desk, "updated", "2026-11-21T07:00:00Z", "2026-11-21T08:00:00Z").await;
    assert_eq!(body["latestDateCovered"], "2026-11-21T07:58:00.000+0000");
    // Within one record stamps never run backwards, and a second edit is told from the first.
    advance(10).await;
    desk.sim.edit("Contact", &id, json!({"FirstName": "Very"})).unwrap();
    desk.patch(&format!("/sobjects/Contact/{id}"), json!({"FirstName": "Quick"})).await;
    desk.sim.edit("Contact", &id, json!({"FirstName": "Again"})).unwrap();
    let row = &desk.sim.records("Contact").unwrap()[0];
    assert_eq!(row["SystemModstamp"], "2026-11-21T08:00:10.000+0000");
}

#[tokio::test(start_paused = true)]
async fn a_purged_log_says_from_when_it_knows() {
    let desk = Desk::standard().await;
    let id = desk.contact(json!({"LastName": "A"})).await;
    desk.sim.delete("Contact", &id).unwrap();
    advance(600).await;
    desk.sim.set_knobs(|knobs| knobs.deletes_known_from = Some("2026-11-21T08:05:00Z".parse().unwrap()));
    let (gone, body) = ids(&desk, "deleted", "2026-11-21T07:00:00Z", "2026-11-21T08:10:00Z").await;
    assert!(gone.is_empty());
    assert_eq!(body["earliestDateAvailable"], "2026-11-21T08:05:00.000+0000");
}
