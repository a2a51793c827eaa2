//! Loaded data, edits at random and the control API.

use super::*;
use crate::sim::people::Population;

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_world_without_a_trace() {
    let world = |seed| {
        let sim = sim(|_| ());
        sim.load(&Population::generate(seed, 300, 30), seed);
        assert!(sim.ledger().is_empty() && sim.queue("ACME", Stream::Contacts).unwrap().fresh.is_empty());
        ["ACME.contact", "GLOBE.contact", "ACME.order"].map(|object| sim.records(object).unwrap())
    };
    let [acme, globe, orders] = world(3);
    assert!(world(3) == [acme.clone(), globe.clone(), orders.clone()] && world(4)[0] != acme);
    assert_eq!((acme.len(), globe.len(), orders.len()), (330, 330, 100));
    assert!(acme[200]["contactNumber"] == globe[200]["contactNumber"] && acme[200] != globe[200]);
    assert!(acme.iter().any(|one| one["role"] == "RELAY" && one["structureContactNumber"].is_string()));
    assert!(orders.iter().any(|one| one["orderType"] == "SEASON_SWAP"));
}

#[tokio::test(start_paused = true)]
async fn the_editor_edits() {
    let sim = sim(|_| ());
    let editor = Editor::new(&sim, 1);
    assert!((0..200).all(|_| editor.edit_once().is_some()));
    assert_eq!(sim.ledger().len(), 200);
    assert!(!sim.queue("GLOBE", Stream::Orders).unwrap().fresh.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_control_api_steers_the_push_and_shows_no_secret() {
    let (sim, ear) = (sim(|_| ()), Ear::default());
    let router = sim.router_with(ear.pusher(&sim));
    let call = |verb: &str, path: &str, body: Value| {
        let request = Request::builder().method(verb).uri(path).header("Content-Type", "application/json");
        let request = request.body(Body::from(body.to_string())).unwrap();
        let router = router.clone();
        async move {
            let response = router.oneshot(request).await.unwrap();
            let status = response.status().as_u16();
            let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
            (status, String::from_utf8(body.to_vec()).unwrap())
        }
    };
    let basic = json!({"institution": "ACME", "url": "http://r.test/", "auth": {"kind": "basic", "user": "u", "password": "hush"}});
    assert_eq!(call("POST", "/_sim/s360/receiver", basic).await.0, 200);
    assert_eq!(call("POST", "/_sim/s360/receiver", json!({"institution": "x", "url": "y"})).await.0, 404);
    assert_eq!(call("POST", "/_sim/s360/knobs", json!({"per_payload": 1})).await.0, 200);
    assert_eq!(call("POST", "/_sim/s360/knobs", json!({"per_paylod": 1})).await.0, 400);
    assert_eq!((sim.knobs().per_payload, sim.knobs().per_run), (1, 500));
    for name in ["One", "Two"] {
        let edit = json!({"object": "ACME.contact", "fields": person(name)});
        assert_eq!(call("POST", "/_sim/edit", edit).await.0, 200);
    }
    assert_eq!(call("POST", "/_sim/edit", json!({"object": "ACME.unicorn"})).await.0, 404);
    let (status, runs) = call("POST", "/_sim/s360/run", json!({"stream": "contacts"})).await;
    assert!(status == 200 && runs.contains(r#""posts":[{"records":1,"status":200,"attempt":1},{"#), "{runs}");
    assert_eq!(ear.calls()[0].0, "/s360/contacts/ACME");
    let (_, queue) = call("GET", "/_sim/s360/queue", Value::Null).await;
    assert!(queue.contains(r#""accepted":2"#), "{queue}");
    let (_, overview) = call("GET", "/_sim/s360", Value::Null).await;
    assert!(overview.contains(r#""institutions":["ACME","GLOBE"]"#) && !(overview + &queue).contains("hush"));
    assert_eq!(call("GET", "/_sim/records/ACME.contact", Value::Null).await.0, 200);
    assert!(!format!("{sim:?}").contains("Sim-S360"));
}
