//! The real binary against a daemon without an engine: shapes and exit codes that scripts rely on.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod shell;

use std::process::{Command, Output};
use std::sync::Arc;

use serde_json::{Value, json};
use shell::{Fake, Place, audit_row, place, start, until};
use tandem::daemon::DaemonHandle;
use tandem::model::plan::Candidate;
use tandem::model::{Choice, ItemId, Kind, ModuleId, PairKey, Role, Seq, Side, SourceChange, Verb};
use tandem::wire::{Event, Request};

struct Rig {
    place: Place,
    fake: Arc<Fake>,
    handle: DaemonHandle,
}

impl Rig {
    fn new(role: Role) -> Self {
        let (place, fake) = (place(), Fake::new());
        let handle = start(&fake, &place.socket, role);
        Self { place, fake, handle }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
        command.env_clear().env("HOME", self.place.directory.path()).arg("--socket").arg(&self.place.socket).args(args);
        command
    }

    /// Runs the binary; the daemon lives on the other thread of the test's runtime.
    fn run(&self, args: &[&str]) -> Output {
        let mut command = self.command(args);
        tokio::task::block_in_place(|| command.output().unwrap())
    }

    fn json(&self, code: i32, args: &[&str]) -> Vec<Value> {
        let output = self.run(&[&["--json"], args].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn text(&self, code: i32, args: &[&str]) -> (String, String) {
        let output = self.run(args);
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(code), "{args:?}: {out}{err}");
        (out, err)
    }

    fn last_decision(&self) -> tandem::wire::Decide {
        match self.fake.asked().pop() {
            Some(Request::Decide(decide)) => decide,
            other => panic!("{other:?}"),
        }
    }
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queue_list_has_the_documented_shape_and_pages() {
    let rig = Rig::new(Role::Viewer);
    let lines = rig.json(0, &["queue", "list", "--limit", "2"]);
    assert_eq!(lines.len(), 3, "two items and the token");
    assert_eq!(
        &keys(&lines[0])[..8],
        ["id", "module", "state", "reasons", "version", "title", "priority", "since"],
        "documented keys, in the documented order"
    );
    assert_eq!(lines[0]["reasons"], json!(["conflict"]));
    assert_eq!(lines[0]["since"], "2026-11-18T11:06:40.000Z");
    let token = lines[2]["next"].as_str().unwrap();
    let lines = rig.json(0, &["queue", "list", "--limit", "3", "--after", token]);
    assert_eq!(lines.iter().map(|line| &line["id"]).collect::<Vec<_>>(), [&json!(3), &json!(4), &json!(5)]);
    let lines = rig.json(0, &["queue", "list", "--module", "companies", "--filter", "Ann"]);
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["module"], "companies");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_item_that_waits_says_for_what_v42() {
    let rig = Rig::new(Role::Viewer);
    let parent = PairKey::Lone(Side::Ivvy, "7".into());
    rig.fake.items.lock().unwrap().get_mut(&ItemId(1)).unwrap().waits_for = Some((ModuleId::Companies, parent));
    for args in [&["queue", "list", "--limit", "1"][..], &["queue", "show", "1"]] {
        let (text, _) = rig.text(0, args);
        assert!(text.contains("waits for #4 Acme␛[2J (company, held)") && !text.contains('\u{1b}'), "{text}");
    }
    let lines = rig.json(0, &["queue", "list", "--limit", "2"]);
    assert_eq!((&lines[0]["waits_for"]["item"], &lines[1]["waits_for"]), (&json!(4), &Value::Null));
    assert_eq!(rig.json(0, &["queue", "show", "1"])[0]["waits_for"]["module"], "companies");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_titles_never_reach_the_terminal_raw() {
    let rig = Rig::new(Role::Viewer);
    for args in [
        &["queue", "list"][..],
        &["queue", "show", "1"],
        &["--json", "queue", "list"],
        &["--json", "queue", "show", "1"],
    ] {
        let (out, _) = rig.text(0, args);
        assert!(!out.contains(['\u{1b}', '\u{202e}', '\u{9b}']), "{args:?}: {out:?}");
    }
    let lines = rig.json(0, &["queue", "list", "--limit", "1"]);
    assert_eq!(lines[0]["title"], "Ann 1\u{1b}[31m\u{202e}\u{9b}", "JSON carries the value itself, escaped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queue_show_has_the_documented_shape() {
    let rig = Rig::new(Role::Viewer);
    let shown = rig.json(0, &["queue", "show", "1"]).remove(0);
    let field = &shown["fields"][0];
    assert_eq!(&keys(field)[..7], ["name", "base", "ivvy", "crm", "result", "verdict", "why"]);
    assert_eq!(field["base"], "old@example.com");
    assert_eq!(
        (&field["result"], &field["verdict"], &field["why"]),
        (&Value::Null, &json!("conflict"), &json!("both_changed"))
    );
    assert_eq!(shown["history"][0]["seq"], 7);
    let (text, _) = rig.text(0, &["queue", "show", "1"]);
    assert!(text.contains("CHOOSE (both_changed)") && text.contains("not approve: 1 field needs a choice"), "{text}");
    let (_, error) = rig.text(1, &["queue", "show", "99"]);
    assert!(error.contains("no item 99"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn choices_are_typed_and_reach_the_daemon() {
    let rig = Rig::new(Role::Force);
    let args = ["queue", "approve", "1", "--version", "3", "--field", "email=crm", "--field", "phone=+49 1"];
    let done = rig.json(0, &args).remove(0);
    assert_eq!(done, json!({"id": 1, "ok": true, "state": "ready", "version": 4}));
    let decide = rig.last_decision();
    assert_eq!((decide.verb, decide.ver), (Verb::Approve, Some(3)));
    assert_eq!(decide.choices["email"], Choice::Crm);
    assert_eq!(decide.choices["phone"], Choice::Custom("+49 1".into()));

    rig.json(0, &["queue", "force", "2", "--take", "ivvy", "--reason", "asked by phone"]);
    let decide = rig.last_decision();
    assert_eq!(
        (decide.verb, decide.side, decide.reason.as_deref()),
        (Verb::Force, Some(Side::Ivvy), Some("asked by phone"))
    );
    rig.json(0, &["queue", "snooze", "2", "--until", "2026-12-01T08:00:00Z"]);
    assert_eq!(rig.last_decision().until.unwrap().to_string(), "2026-12-01T08:00:00.000Z");
    rig.json(0, &["queue", "pair", "3", "--record", "003xx"]);
    assert_eq!(rig.last_decision().record.unwrap().as_str(), "003xx");

    let (_, error) = rig.text(2, &["queue", "force", "2", "--take", "ivvy"]);
    assert!(error.contains("force needs a reason"), "{error}");
    let (_, error) = rig.text(2, &["queue", "edit", "1", "--field", "emial=crm"]);
    assert!(error.contains("no field `emial`") && error.contains("did you mean `email`?"), "{error}");
}

/// What is asked in the console is asked here: no record is ever deleted again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_record_beside_candidates_is_said_to_be_meant_v11() {
    let rig = Rig::new(Role::Triage);
    {
        let mut items = rig.fake.items.lock().unwrap();
        let item = items.get_mut(&ItemId(2)).unwrap();
        item.kind = Kind::Link;
        let twin = Candidate { side: Side::Crm, id: "003xx".into(), title: "Ann".to_owned() };
        item.plan.candidates = vec![twin];
    }
    let (shown, _) = rig.text(0, &["queue", "show", "2"]);
    let line = "candidate crm 003xx: Ann · ann@else.example · ␛[31m+49 7 · paired with iVvy 77";
    assert!(shown.contains(line) && !shown.contains('\u{1b}'), "{shown}");
    let shown = rig.json(0, &["queue", "show", "2"]).remove(0);
    assert_eq!(shown["candidates"][0]["facts"][0], "ann@else.example");
    assert_eq!(shown["candidates"][0]["paired"]["id"], "77");
    let (_, error) = rig.text(2, &["queue", "approve", "2"]);
    assert!(error.contains("makes a new contact beside one that may be the same"), "{error}");
    assert!(error.contains("tandem queue pair 2 --record RECORD") && error.contains("--create"), "{error}");
    assert!(!rig.fake.asked().iter().any(|asked| matches!(asked, Request::Decide(_))), "nothing was decided");
    rig.json(5, &["queue", "approve", "2@9"]);
    rig.json(0, &["queue", "approve", "2", "--create", "--take", "ivvy"]);
    assert_eq!(rig.last_decision().verb, Verb::Approve);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_version_is_five_and_shows_the_winner() {
    let rig = Rig::new(Role::Triage);
    rig.json(0, &["queue", "skip", "1", "--version", "3"]);
    let (_, error) = rig.text(5, &["queue", "skip", "1", "--version", "3"]);
    assert!(error.contains("it is now skipped by tess, version 4"), "{error}");
    let failed = rig.json(5, &["queue", "skip", "1", "--version", "3"]).remove(0);
    assert_eq!((&failed["ok"], &failed["error"]["kind"]), (&json!(false), &json!("stale")));
    assert_eq!(failed["current"]["version"], 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_items_give_a_result_each_and_the_worst_code() {
    let rig = Rig::new(Role::Triage);
    let lines = rig.json(5, &["queue", "skip", "1@3", "2@7", "99", "3"]);
    let ids: Vec<&Value> = lines.iter().map(|line| &line["id"]).collect();
    assert_eq!(ids, [1, 2, 99, 3].map(|id| json!(id)).iter().collect::<Vec<_>>(), "in the order given");
    let ok: Vec<bool> = lines.iter().map(|line| line["ok"].as_bool().unwrap()).collect();
    assert_eq!(ok, [true, false, false, true]);
    let (_, error) = rig.text(2, &["queue", "skip", "1", "2", "--version", "3"]);
    assert!(error.contains("exactly one item") && error.contains("ID@VERSION"), "{error}");
    rig.text(2, &["queue", "skip", "1", "1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_may_not_is_three() {
    let rig = Rig::new(Role::Viewer);
    let (_, error) = rig.text(3, &["queue", "skip", "1"]);
    assert!(error.contains("needs the role triage; tess has viewer"), "{error}");
    rig.text(3, &["pause"]);
    rig.text(3, &["check"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_has_the_documented_shape_and_tells_trouble() {
    let rig = Rig::new(Role::Viewer);
    let status = rig.json(0, &["status"]).remove(0);
    assert_eq!(&keys(&status)[..3], ["account", "daemon", "modules"]);
    assert_eq!(
        &keys(&status["modules"][0])[..7],
        ["name", "state", "direction", "cursor_lag_s", "counts", "rate_per_min", "last_error"]
    );
    assert_eq!(status["modules"][0]["counts"], json!({"held": 5}));
    assert_eq!(status["daemon"]["clients"], 1);
    *rig.fake.module_state.lock().unwrap() = "tripped".to_owned();
    let (text, _) = rig.text(1, &["status"]);
    assert!(text.contains("tripped") && text.contains("5 held"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_module_is_shown_closely_with_its_sweeps_in_pages() {
    let rig = Rig::new(Role::Viewer);
    let view = rig.json(0, &["status", "contacts", "--runs", "2"]).remove(0);
    assert_eq!((&view["module"], &view["group"], &view["next"]), (&json!("contacts"), &json!("common"), &json!(29)));
    let numbers = |view: &Value| -> Vec<u64> {
        view["runs"].as_array().unwrap().iter().map(|run| run["number"].as_u64().unwrap()).collect()
    };
    assert_eq!(numbers(&view), [30, 29]);
    assert_eq!((&view["runs"][0]["end"], &view["runs"][0]["times"]), (&json!("failed"), &json!(3)));
    let custom: Vec<&Value> =
        view["fields"].as_array().unwrap().iter().filter(|field| field["custom"] == true).collect();
    assert_eq!((custom.len(), &custom[0]["name"]), (1, &json!("shoe_size")));
    let older = rig.json(0, &["status", "contacts", "--before", "3"]).remove(0);
    assert_eq!((numbers(&older), &older["next"]), (vec![2, 1], &Value::Null));

    let (text, _) = rig.text(0, &["status", "contacts"]);
    assert!(text.contains("Contacts (Common) running") && text.contains("2 of 40 writes"), "{text}");
    assert!(text.contains("failed 3 times: 503 ␛]0;owned␇") && text.contains("more: --before 11"), "{text}");
    assert!(text.contains("[modules.contacts] enabled = true") && text.contains("Shoe size"), "{text}");
    *rig.fake.module_state.lock().unwrap() = "failing".to_owned();
    rig.text(1, &["status", "contacts"]);
    rig.text(1, &["status", "leads"]);
    rig.text(2, &["status", "--runs", "5"]);
    rig.text(2, &["status", "people"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn audit_is_listed_shown_and_verified() {
    let rig = Rig::new(Role::Viewer);
    let rows = rig.json(0, &["audit", "list", "--limit", "1"]);
    assert_eq!((rows.len(), &rows[0]["seq"]), (1, &json!(8)));
    assert_eq!(rig.json(0, &["audit", "show", "7"])[0]["seq"], 7);
    rig.text(1, &["audit", "show", "3"]);
    assert_eq!(rig.json(0, &["audit", "verify"])[0], json!({"ok": true, "rows": 8, "broken_at": null}));
    *rig.fake.broken_at.lock().unwrap() = Some(Seq(4));
    assert_eq!(rig.json(1, &["audit", "verify"])[0]["broken_at"], 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_of_a_source_is_shown_first_and_sent_as_it_was_shown_p09() {
    let rig = Rig::new(Role::Triage);
    let sent = |rig: &Rig| -> Vec<Option<SourceChange>> {
        let asked = rig.fake.asked().into_iter();
        asked
            .filter_map(|request| match request {
                Request::MatchUpdate { expect, .. } => Some(expect),
                _ => None,
            })
            .collect()
    };
    let update = ["match", "update", "lead_source", "ivvy:8"];
    let (text, _) = rig.text(1, &update);
    assert!(text.contains("name in CRM: Fete > Fair") && text.contains("state in CRM: active > inactive"), "{text}");
    assert!(text.contains("nothing was sent; --yes sends it") && !text.contains('\u{1b}'), "{text}");
    let shown = rig.json(1, &update);
    assert_eq!((&shown[0]["sent"], &shown[0]["change"]["active"]), (&json!(false), &json!(false)));
    assert_eq!(sent(&rig), [], "it was only shown");
    rig.json(0, &[&update[..], &["--yes"]].concat());
    let change = SourceChange { name: Some("Fair\u{1b}[31m".to_owned()), active: Some(false) };
    assert_eq!(sent(&rig), [Some(change)], "another one by then is not sent");
    // Without --yes nothing is ever sent, whatever there is by then. Why it cannot be the daemon says.
    rig.text(1, &["match", "update", "lead_source", "ivvy:7"]);
    assert_eq!(sent(&rig).len(), 1);
    rig.text(0, &["match", "update", "lead_source", "ivvy:9", "--yes"]);
    assert_eq!(sent(&rig)[1..], [None]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_of_a_map_are_paged_and_the_rest_is_counted_v19() {
    let rig = Rig::new(Role::Viewer);
    let (text, _) = rig.text(0, &["map", "history", "contacts"]);
    assert!(text.contains("version 10") && text.contains("version 1 ") && !text.contains("more:"), "{text}");
    let (text, _) = rig.text(0, &["map", "history", "contacts", "--limit", "4"]);
    assert!(text.contains("version 7") && !text.contains("version 6") && text.contains("6 more: --before 7"), "{text}");
    let lines = rig.json(0, &["map", "history", "contacts", "--before", "7", "--limit", "2"]);
    assert_eq!((&lines[0]["version"], &lines[1]["version"]), (&json!(6), &json!(5)));
    assert_eq!(lines[2], json!({ "next": 5, "more": 4 }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_says_who_agreed_on_both_ways_there_are_s11() {
    let rig = Rig::new(Role::Admin);
    let (text, _) = rig.text(1, &["guard", "list"]);
    assert!(text.contains("S-360 must have agreed (--note)"), "{text}");
    let plan = &rig.json(0, &["sync", "contacts", "--plan"])[0];
    assert_eq!(plan["approval"], json!("S-360 must have agreed"));
    let said = "Ann of S-360, 3 March";
    let notes = |rig: &Rig| -> Vec<Option<String>> {
        let asked = rig.fake.asked().into_iter();
        asked
            .filter_map(|request| match request {
                Request::GuardRelease { note, .. } => Some(note),
                _ => None,
            })
            .collect()
    };
    rig.json(0, &["guard", "release", "contacts", "--expect", "5", "--note", said]);
    rig.json(0, &["sync", "contacts", "--approve", plan["hash"].as_str().unwrap(), "--note", said]);
    rig.json(0, &["guard", "release", "contacts", "--expect", "5"]);
    assert_eq!(
        notes(&rig),
        [Some(said.to_owned()), Some(said.to_owned()), None],
        "whether it is needed says the daemon"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sync_plans_approves_and_waits() {
    let rig = Rig::new(Role::Admin);
    let plans = rig.json(0, &["sync", "--plan"]);
    assert_eq!(plans.len(), 2, "one per module");
    assert_eq!((&plans[1]["module"], &plans[1]["creates"]), (&json!("contacts"), &json!({"crm": 4})));
    assert!(
        rig.fake.asked().iter().all(|request| matches!(request, Request::GuardPlan { .. })),
        "a plan starts nothing"
    );
    let hash = plans[1]["hash"].as_str().unwrap();
    let (_, error) = rig.text(5, &["sync", "contacts", "--approve", &"0".repeat(32)]);
    assert!(error.contains("another one by now"), "{error}");
    rig.json(0, &["sync", "contacts", "--approve", hash]);
    let module = ModuleId::Contacts;
    let release = Request::GuardRelease {
        module,
        sample: None,
        expect: 5,
        plan: Some(tandem::model::Fingerprint(0xabc)),
        note: None,
    };
    let sync = Request::Sync { module: Some(module), full: false };
    assert!(rig.fake.asked().ends_with(&[release, sync]), "{:?}", rig.fake.asked());
    rig.text(2, &["sync", "--approve", hash]);
    rig.text(2, &["sync", "contacts", "--note", "nobody asked"]);

    let rig = Rig::new(Role::Triage);
    let lines = rig.json(0, &["sync", "--wait", "--full"]);
    assert_eq!(lines[0]["message"], "started");
    let waited: Vec<(&str, bool)> =
        lines[1..].iter().map(|line| (line["module"].as_str().unwrap(), line["ok"].as_bool().unwrap())).collect();
    assert_eq!(waited, [("companies", true), ("contacts", true)]);
    *rig.fake.module_state.lock().unwrap() = "failing".to_owned();
    rig.json(1, &["sync", "contacts", "--wait"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_answer_and_judge() {
    let rig = Rig::new(Role::Admin);
    let done = rig.json(0, &["pause", "contacts"]).remove(0);
    assert_eq!(done, json!({"ok": true, "module": "contacts", "message": "done"}));
    rig.json(0, &["resume"]);
    assert_eq!(rig.fake.asked().pop(), Some(Request::Resume { module: None }));
    let guards = rig.json(1, &["guard", "list"]);
    assert_eq!(guards.iter().map(|guard| &guard["tripped"]).collect::<Vec<_>>(), [&Value::Null, &json!("first sync")]);
    rig.json(0, &["guard", "release", "contacts", "--expect", "5", "--sample", "2"]);
    rig.text(5, &["guard", "discard", "contacts", "--expect", "4"]);
    assert_eq!(rig.json(0, &["check"])[1]["ok"], true);
    *rig.fake.module_state.lock().unwrap() = "failing".to_owned();
    let (text, _) = rig.text(1, &["check"]);
    assert!(text.contains("FAIL") && text.contains("check the key"), "{text}");
    let doctor = rig.json(1, &["doctor"]).remove(0);
    assert_eq!(doctor, json!({"ok": false, "findings": ["index held differs"], "rebuilt": false}));
    rig.json(0, &["doctor", "--rebuild"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watch_prints_events_until_the_daemon_stops() {
    let rig = Rig::new(Role::Viewer);
    let mut command = rig.command(&["--json", "watch", "--module", "contacts"]);
    let child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    until("it watches", || rig.fake.events.receiver_count() == 1).await;
    rig.fake.events.send(Event::Changed { seq: Seq(5), items: vec![ItemId(1)], overflow: false }).unwrap();
    rig.fake.events.send(Event::Audit(audit_row(6))).unwrap();
    let mut other = audit_row(7);
    other.module = Some(ModuleId::Companies);
    rig.fake.events.send(Event::Audit(other)).unwrap();
    rig.handle.shutdown().await;
    let output = tokio::task::block_in_place(|| child.wait_with_output().unwrap());
    assert!(output.status.success());
    let lines: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!((&lines[0]["event"], &lines[0]["seq"]), (&json!("audit"), &json!(6)));
    assert_eq!(lines[1]["event"], "bye");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn colour_is_only_where_it_was_asked_for() {
    let rig = Rig::new(Role::Viewer);
    let (plain, _) = rig.text(0, &["status"]);
    assert!(!plain.contains('\u{1b}'), "a pipe is no terminal");
    let (painted, _) = rig.text(0, &["--color", "always", "status"]);
    assert!(painted.contains("\u{1b}[1mMODULE"), "{painted:?}");
    let (json, _) = rig.text(0, &["--color", "always", "--json", "status"]);
    assert!(!json.contains('\u{1b}'));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_account_than_the_daemons_is_refused() {
    let rig = Rig::new(Role::Viewer);
    let (_, error) = rig.text(2, &["--account", "other", "status"]);
    assert!(error.contains("the daemon serves `acme`, not `other`"), "{error}");
    rig.text(0, &["--account", "acme", "status"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preview_is_read_to_its_end_and_never_raw_v33() {
    let rig = Rig::new(Role::Viewer);
    let (out, _) = rig.text(0, &["queue", "preview", "1", "--field", "body", "--as", "html"]);
    assert_eq!(
        out.lines().collect::<Vec<_>>(),
        ["Dear Ann␛]0;owned␇,", "see the ⟨U+202E⟩programme⟨U+009B⟩2J.", "<script>x</script>"],
        "parts are joined, and what would steer the terminal is shown"
    );
    let asked = rig.fake.asked();
    let queries: Vec<_> = asked
        .iter()
        .filter_map(|request| match request {
            Request::Preview(query) => Some((query.mode, query.of, query.from)),
            _ => None,
        })
        .collect();
    let html = tandem::wire::PreviewAs::Html;
    assert_eq!(queries, [(html, None, 0), (html, Some(tandem::wire::PreviewOf::Crm), 30)]);

    let parts = rig.json(0, &["queue", "preview", "1", "--field", "body", "--of", "ivvy"]);
    assert_eq!(parts.len(), 2);
    let documented = ["id", "field", "of", "as", "version", "from", "next", "total_bytes", "text"];
    assert_eq!(keys(&parts[0]), documented);
    assert_eq!((&parts[0]["of"], &parts[0]["as"], &parts[0]["next"]), (&json!("ivvy"), &json!("text"), &json!(30)));
    assert_eq!(parts[1]["next"], Value::Null);

    let (_, error) = rig.text(5, &["queue", "preview", "1", "--field", "moving"]);
    assert!(error.contains("moved on while it was read"), "{error}");
    rig.text(2, &["queue", "preview", "1", "--field", "body", "--as", "picture"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_map_that_no_longer_fits_is_one_and_hostile_names_stay_text_v19() {
    let rig = Rig::new(Role::Triage);
    let (shown, _) = rig.text(1, &["map", "show", "contacts"]);
    assert!(shown.contains("diet") && shown.contains("has no field"), "{shown}");
    assert!(!shown.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{shown:?}");
    assert!(shown.contains("2 more mapped fields") && shown.contains("7 more fields of CRM"), "{shown}");
    let lines = rig.json(1, &["map", "contacts"]);
    assert_eq!(lines[0]["left_out"], json!({ "mapped": 2, "fields": { "crm": 7 }, "suggestions": 0 }));
    let documented = ["module", "version", "in_force", "mapped", "suggestions", "ivvy", "crm", "errors"];
    assert!(documented.iter().all(|key| keys(&lines[0]).contains(key)), "{lines:?}");
    assert_eq!(
        (&lines[0]["mapped"][0]["transform"], &lines[0]["mapped"][0]["origin"]),
        (&json!("trim"), &json!("store"))
    );
    rig.text(3, &["map", "remove", "contacts", "diet"]);
    rig.text(3, &["map", "add", "contacts", "--ivvy", "13", "--crm", "x_tier"]);
    let rig = Rig::new(Role::Admin);
    rig.text(5, &["map", "remove", "contacts", "diet", "--version", "2"]);
    let (done, _) = rig.text(0, &["map", "add", "contacts", "--ivvy", "13", "--crm", "x_tier", "--value", "g=Guest"]);
    assert!(done.contains("old values are not touched"), "{done}");
    match rig.fake.asked().pop() {
        Some(Request::MapChange(change)) => {
            assert_eq!((change.expect, change.module), (3, ModuleId::Contacts), "the version that was looked at");
            assert!(
                matches!(change.verb, tandem::wire::MapVerb::Add(field) if field.ivvy == 13 && field.name == "di_0_owned_et")
            );
        }
        other => panic!("{other:?}"),
    }
}
