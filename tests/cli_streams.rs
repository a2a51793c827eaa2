//! `tandem streams` against a daemon without an engine: shapes, exit codes and requests that scripts rely on.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod shell;

use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};
use shell::{Fake, Place, place, start};
use tandem::daemon::DaemonHandle;
use tandem::model::Role;
use tandem::seam::{Clock as _, SystemClock};
use tandem::wire::{Request, StreamVerb};

struct Rig {
    place: Place,
    fake: Arc<Fake>,
    _handle: DaemonHandle,
}

impl Rig {
    fn new(role: Role) -> Self {
        let (place, fake) = (place(), Fake::new());
        let handle = start(&fake, &place.socket, role);
        Self { place, fake, _handle: handle }
    }

    /// What it printed; the daemon lives on the other thread of the test's runtime.
    fn run(&self, code: i32, args: &[&str]) -> (String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
        command.env_clear().env("HOME", self.place.directory.path()).arg("--socket").arg(&self.place.socket).args(args);
        let output = tokio::task::block_in_place(|| command.output().unwrap());
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(code), "{args:?}: {out}{err}");
        (out, err)
    }

    fn json(&self, code: i32, args: &[&str]) -> Vec<Value> {
        let (out, _) = self.run(code, &[&["--json"], args].concat());
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn last(&self) -> (String, StreamVerb) {
        match self.fake.asked().pop() {
            Some(Request::StreamDo { stream, verb }) => (stream.to_string(), verb),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_listed_and_one_that_needs_a_person_is_exit_code_1_s09() {
    let rig = Rig::new(Role::Viewer);
    let rows = rig.json(1, &["streams"]);
    assert_eq!((&rows[0]["stream"], &rows[0]["direction"]), (&json!("s360_contacts/ACME"), &json!("in")));
    assert_eq!(rows[0]["words"], json!(["first-sync date missing", "3 set aside"]));
    assert_eq!(rows[0]["rhythm"], json!({ "every_s": 900, "per_run": 500, "per_payload": 50, "tries": 12 }));
    assert_eq!((&rows[0]["auth"], &rows[0]["secrets"], &rows[0]["set_aside"]), (&json!("basic"), &json!(2), &json!(3)));
    assert_eq!((&rows[1]["stream"], &rows[1]["words"]), (&json!("push_orders"), &json!(["ok"])));
    let (text, _) = rig.run(1, &["streams", "list"]);
    assert!(text.contains("s360_contacts/ACME") && text.contains("first-sync date missing, 3 set aside"), "{text}");
    let (text, _) = rig.run(0, &["status"]);
    assert!(text.contains("NEXT EXPECTED") && text.contains("push_orders"), "status shows them briefly: {text}");
    assert_eq!(rig.json(0, &["status"])[0]["streams"][0]["stream"], json!("s360_contacts/ACME"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_shown_with_what_it_set_aside_safely_s15() {
    let rig = Rig::new(Role::Viewer);
    let (text, _) = rig.run(1, &["streams", "show", "s360_contacts/ACME"]);
    assert!(text.contains("two secrets are valid") && text.contains("every 15m, up to 500 a run"), "{text}");
    for told in
        ["  Last         ", ", next expected ", "  Counts       ", "  Modules      ", "  Way          ", "; tested "]
    {
        assert!(text.contains(told), "as rich as the screen: {told:?}: {text}");
    }
    assert!(text.contains("it has no number") && !text.contains('\u{1b}'), "{text}");
    let rows = rig.json(1, &["streams", "show", "s360_contacts/ACME", "--quarantine", "--limit", "2"]);
    assert_eq!((rows.len(), &rows[0]["number"], &rows[2]), (3, &json!(1), &json!({ "next": 2 })));
    let rows = rig.json(0, &["streams", "show", "push_orders", "--dead"]);
    assert_eq!(rows[0]["number"], json!(9));
    let (_, error) = rig.run(1, &["streams", "show", "push_orders", "--quarantine"]);
    assert!(error.contains("push_orders takes nothing") && error.contains("--dead"), "{error}");
    let (_, error) = rig.run(1, &["streams", "show", "s360_orders/ACME"]);
    assert!(error.contains("there is no stream s360_orders/ACME"), "{error}");
    let (text, _) = rig.run(0, &["streams", "show", "s360_contacts/ACME", "--body", "1"]);
    assert!(text.contains("programme") && !text.contains('\u{1b}'), "{text}");
    rig.run(2, &["streams", "show", "s360/ACME"]);
    let (_, error) = rig.run(2, &["--json", "streams", "show", "s360/ACME"]);
    let error: Value = serde_json::from_str(&error).unwrap();
    assert_eq!(error["error"]["exit_code"], json!(2), "{error}");
    rig.run(2, &["streams", "show", "push_orders", "--dead", "--quarantine"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_at_the_gates_are_listed_newest_first_safely_and_whole_s12() {
    let rig = Rig::new(Role::Viewer);
    let (text, _) = rig.run(0, &["streams", "access"]);
    assert!(text.contains("2026-02-09 18:25:10") && text.contains("775") && text.contains("…6789"), "{text}");
    assert!(!text.contains('\u{1b}') && !text.contains("more:"), "{text}");
    assert_eq!(text.lines().count(), 5, "four and a heading, though they come in windows: {text}");
    let rows = rig.json(0, &["streams", "access", "--institution", "ACME", "--limit", "3"]);
    let numbers: Vec<_> = rows.iter().map(|row| row["number"].clone()).collect();
    assert_eq!(numbers, [json!(5), json!(4), json!(2), Value::Null], "the empty window between is passed");
    assert_eq!((&rows[0]["failure"], &rows[3]), (&json!("NO_\u{1b}[31mENTRY"), &json!({ "next": "2" })));
    let asked = |rig: &Rig| match rig.fake.asked().pop() {
        Some(Request::AccessChecks(query)) => query,
        other => panic!("{other:?}"),
    };
    assert_eq!(asked(&rig).institution.as_deref(), Some("ACME"));
    let (text, _) = rig.run(0, &["streams", "access", "--limit", "1", "--since", "2026-12-01T08:00:00Z"]);
    assert!(text.contains("more: --before 5"), "{text}");
    assert_eq!(asked(&rig).since, Some("2026-12-01T08:00:00Z".parse().unwrap()));
    let before = SystemClock.now().minus(std::time::Duration::from_secs(7_200));
    rig.run(0, &["streams", "access", "--since", "2h", "--before", "2"]);
    let since = asked(&rig).since.unwrap();
    assert!(since >= before && since <= SystemClock.now(), "{since}");
    rig.run(2, &["streams", "access", "--since", "yesterday"]);
    rig.run(2, &["streams", "access", "--limit", "0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_action_on_a_stream_has_a_command_s15_s17_s28() {
    let rig = Rig::new(Role::Admin);
    let acme = "s360_contacts/ACME";
    for (args, verb) in [
        (&["retry", acme, "3"][..], StreamVerb::Retry { number: 3 }),
        (&["dismiss", acme, "3"], StreamVerb::Dismiss { number: 3 }),
        (&["test", acme], StreamVerb::Test),
        (&["reconcile", acme], StreamVerb::Reconcile),
        (&["settle", acme], StreamVerb::LossSettled),
        (&["run-now", acme], StreamVerb::RunNow),
        (&["revive", acme, "4"], StreamVerb::Revive { number: 4 }),
        (&["drop", acme, "4"], StreamVerb::Drop { number: 4 }),
        (
            &["first-sync", acme, "2026-01-31", "--zone", "Europe/Paris"],
            StreamVerb::FirstSync { date: "2026-01-31".to_owned(), zone: "Europe/Paris".to_owned() },
        ),
    ] {
        let said = rig.json(0, &[&["streams"], args].concat());
        assert_eq!(said, [json!({ "ok": true, "stream": acme, "message": "done" })]);
        assert_eq!(rig.last(), (acme.to_owned(), verb));
    }
    let (_, error) = rig.run(1, &["streams", "first-sync", acme, "01/01/2019", "--zone", "UTC"]);
    assert!(error.contains("ambiguous") && error.contains("hint: 2026-01-31"), "{error}");
    rig.run(2, &["streams", "first-sync", acme, "2026-01-31"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_decide_who_may_do_what_about_a_stream() {
    let acme = "s360_contacts/ACME";
    let allowed = |role: Role| {
        let rig = Rig::new(role);
        let verbs = [&["test", acme][..], &["retry", acme, "1"], &["dismiss", acme, "1"], &["settle", acme]];
        let first_sync = &["first-sync", acme, "2026-01-31", "--zone", "UTC"][..];
        let try_it = |args: &&[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
            command.env_clear().env("HOME", rig.place.directory.path()).arg("--socket").arg(&rig.place.socket);
            let output = tokio::task::block_in_place(|| command.arg("streams").args(*args).output().unwrap());
            output.status.success()
        };
        verbs.iter().chain([&first_sync]).map(try_it).collect::<Vec<_>>()
    };
    assert_eq!(allowed(Role::Viewer), [false; 5]);
    assert_eq!(allowed(Role::Triage), [true, true, false, false, false]);
    assert_eq!(allowed(Role::Force), [true, true, true, true, false]);
    assert_eq!(allowed(Role::Admin), [true; 5]);
}
