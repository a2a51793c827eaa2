//! Batches (contract 8).

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use serde_json::json;

use super::*;
use crate::sim::ivvy::Postman;
use crate::sim::ledger::Op;

#[tokio::test(start_paused = true)]
async fn a_batch_answers_later_and_calls_back_8() {
    let bench = Bench::new(Settings::default());
    let jobs = json!([
        {"namespace": "contact", "action": "addOrUpdateContact",
         "params": {"firstName": "A", "lastName": "B", "email": "a@b.co"}},
        {"namespace": "contact", "action": "getContact", "params": {"id": 1}},
        {"namespace": "test", "action": "ping", "params": []},
        {"namespace": "test", "action": "pong"},
        {"namespace": "batch", "action": "run", "params": {}},
    ]);
    let order = json!({"jobs": jobs, "callbackUrl": "http://caller.test/done?token=x"});
    let id = bench.ok("batch/run", order).await["asyncId"].as_str().unwrap().to_owned();
    assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()));
    let (letters, inbox) = tokio::sync::mpsc::unbounded_channel::<Value>();
    let caller = Router::new().route("/done", post(received)).with_state(letters);
    let postman = Postman::new(&bench.sim, Arc::new(InProcess { router: caller }));
    assert_eq!(postman.deliver().await, 0, "not before it is done");
    let asked = json!({ "async": id });
    assert_eq!(bench.refused("batch/results", asked.clone()).await, (400, 24114));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(bench.ok("batch/progress", asked.clone()).await, json!({"progress": 50.0}));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(bench.ok("batch/progress", asked.clone()).await, json!({"progress": 100.0}));

    let done = bench.ok("batch/results", asked.clone()).await;
    assert_eq!(done["asyncId"], id);
    let results = done["results"].as_array().unwrap();
    assert_eq!(results.len(), 5);
    let answer = |namespace: &str, action: &str| {
        results.iter().find(|job| job["namespace"] == namespace && job["action"] == action).unwrap()["response"].clone()
    };
    assert!(answer("contact", "addOrUpdateContact")["id"].is_u64());
    assert_eq!(answer("contact", "getContact")["errorCode"], 400);
    assert_eq!(answer("test", "ping")["ack"].as_str().unwrap().trim_end_matches(" UTC"), "2024-03-11 00:00:45");
    assert_eq!(answer("test", "pong")["errorCode"], 404);
    assert_eq!(answer("batch", "run")["errorCode"], 404, "no batch in a batch");
    assert_eq!(bench.sim.ledger().count("contact", Op::Create), 1);

    let mut inbox = inbox;
    assert_eq!(postman.deliver().await, 1);
    assert_eq!(inbox.recv().await.unwrap(), done, "the callback brings the same");
    assert_eq!(postman.deliver().await, 0, "once");
    assert_eq!(bench.ok("batch/repost", asked.clone()).await, json!({"reposted": true}));
    assert_eq!(postman.deliver().await, 1);
    assert_eq!(bench.ok("batch/restart", asked.clone()).await, json!({"restarted": true}));
    assert_eq!(bench.refused("batch/results", asked.clone()).await, (400, 24114), "not at once");
    tokio::time::advance(Duration::from_secs(2)).await;
    let done = bench.ok("batch/results", asked.clone()).await;
    let add = |job: &&Value| job["action"] == "addOrUpdateContact";
    let again = done["results"].as_array().unwrap().iter().find(add).unwrap();
    assert_eq!(again["response"]["success"], false, "the contact is there already");
    tokio::time::advance(Duration::from_secs(2 * 24 * 3600 + 1)).await;
    assert_eq!(bench.refused("batch/results", asked.clone()).await, (400, 24115), "gone after two days");
}

async fn received(State(letters): State<tokio::sync::mpsc::UnboundedSender<Value>>, body: String) {
    letters.send(serde_json::from_str(&body).unwrap()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn batches_are_refused_with_their_codes_8() {
    let bench = Bench::new(Settings::default());
    let job = json!({"namespace": "test", "action": "ping", "params": {}});
    let url = "http://caller.test/";
    for (action, wrong, code) in [
        ("run", json!({"jobs": [job]}), 23017),
        ("run", json!({"callbackUrl": url}), 23017),
        ("run", json!({"jobs": vec![job.clone(); 201], "callbackUrl": url}), 24448),
        ("run", json!({"jobs": ["ping"], "callbackUrl": url}), 24092),
        ("run", json!({"jobs": [{"namespace": "test", "action": 1}], "callbackUrl": url}), 24092),
        ("run", json!({"jobs": [{"namespace": "test"}], "callbackUrl": url}), 24093),
        ("progress", json!({"async": "0"}), 24105),
        ("progress", json!({}), 23017),
        ("results", json!({"async": "0"}), 24115),
    ] {
        assert_eq!(bench.refused(&format!("batch/{action}"), wrong.clone()).await, (400, code), "{action}");
    }
    assert_eq!(bench.refused("batch/result", json!({"async": "0"})).await, (404, 0), "the action is plural");
    bench.ok("batch/run", json!({"jobs": vec![job; 200], "callbackUrl": url})).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_the_key_may_not_do_is_forbidden_alone_8() {
    let bench = Bench::new(Settings::default());
    bench.sim.permit("getLeadList", false);
    let jobs = json!([{"namespace": "crm", "action": "getLeadList"}, {"namespace": "test", "action": "ping"}]);
    let id =
        bench.ok("batch/run", json!({"jobs": jobs, "callbackUrl": "http://caller.test/"})).await["asyncId"].clone();
    tokio::time::advance(Duration::from_secs(2)).await;
    let done = bench.ok("batch/results", json!({ "async": id })).await;
    let mut codes: Vec<u64> = done["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| job["response"]["errorCode"].as_u64().unwrap_or(200))
        .collect();
    codes.sort_unstable();
    assert_eq!(codes, [200, 403]);
}
