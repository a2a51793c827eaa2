//! `tandem sim ivvy` as a process would run it: serves, answers, and stops cleanly on SIGTERM.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tandem::remote::http::{HttpSettings, ReqwestTransport};
use tandem::sim::command::{SimOptions, run_connector, run_extcrm, run_ivvy};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn transport() -> tandem::error::Result<Arc<ReqwestTransport>> {
    ReqwestTransport::new(&HttpSettings::default()).map(Arc::new)
}

async fn get(addr: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = tokio::net::TcpStream::connect(addr).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn the_simulated_ivvy_serves_and_stops_on_sigterm() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = free.local_addr().unwrap();
    drop(free);
    let faults = vec!["throttle,match=ping,times=2".to_owned()];
    let options = SimOptions { listen, records: 30, seed: 5, edits_per_minute: 6000, faults };
    let running = tokio::spawn(run_ivvy(options, transport().unwrap()));
    let serving = async {
        // Until it listens, and until the editor has made an edit.
        while !get(listen, "/_sim/ledger").await.is_ok_and(|ledger| ledger.contains(r#""by":"user""#)) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), serving).await.unwrap();
    assert!(get(listen, "/_sim/fault").await.unwrap().contains(r#""match":"ping","times":2"#));
    assert!(get(listen, "/_sim/records/contact").await.unwrap().matches(r#""firstName""#).count() > 20);
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM).unwrap();
    running.await.unwrap().unwrap();
    assert!(get(listen, "/_sim/health").await.is_err(), "nothing listens any more");
}

#[tokio::test]
async fn a_senseless_fault_is_refused_with_a_hint() {
    let listen = ([127, 0, 0, 1], 0).into();
    let faults = vec!["explode".to_owned()];
    let error = run_ivvy(SimOptions { listen, records: 0, seed: 1, edits_per_minute: 0, faults }, transport().unwrap())
        .await
        .unwrap_err();
    assert_eq!(error.kind.exit_code(), 2);
    assert!(error.hint.unwrap().contains("KIND"));
}

/// One request as it comes over a socket: its head and body, answered with 200.
async fn heard(listener: &tokio::net::TcpListener) -> std::io::Result<(String, String)> {
    let (mut stream, _) = listener.accept().await?;
    let mut text = Vec::new();
    loop {
        if stream.read_buf(&mut text).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let whole = String::from_utf8_lossy(&text).into_owned();
        let Some((head, body)) = whole.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        if body.len() >= length.unwrap_or(0) {
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            stream.write_all(answer).await?;
            return Ok((head.to_lowercase(), body.to_owned()));
        }
    }
}

#[tokio::test]
async fn the_simulated_s360_pushes_with_a_key_from_a_file_and_stops_on_sigterm_s19() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("auth.json");
    std::fs::write(&file, r#"{"kind":"apikey","header":"X-Box","value":"hush-1"}"#).unwrap();
    let receiver = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", receiver.local_addr().unwrap());
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_tandem"))
        .args(["sim", "s360", "--records", "20", "--push-every", "1s", "--first-sync", "2020-01-01"])
        .args(["--receiver", &url, "--receiver-auth", file.to_str().unwrap()])
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (head, body) = tokio::time::timeout(Duration::from_secs(20), heard(&receiver)).await.unwrap().unwrap();
    assert!(head.starts_with("post /s360/contacts/acme ") && head.contains("x-box: hush-1"), "{head}");
    assert!(body.starts_with(r#"[{"contactNumber":"100001""#), "{body}");
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let mut printed = String::new();
    child.stdout.take().unwrap().read_to_string(&mut printed).await.unwrap();
    assert!(child.wait().await.unwrap().success());
    let line: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(line["institutions"][1]["operator"], "GLOBE_TANDEM");
    let url = format!("{}/acme", line["url"].as_str().unwrap());
    assert_eq!(line["institutions"][0]["url"], url.as_str(), "each has an address of its own");
    assert!(!printed.contains("hush-1"));
}

#[tokio::test]
async fn a_file_that_says_nothing_and_a_remote_that_pushes_nothing_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("auth.json");
    std::fs::write(&file, r#"{"kind":"apikey","hush-2":1}"#).unwrap();
    let file = file.to_str().unwrap();
    let somewhere = ["--receiver", "http://127.0.0.1:9"];
    for (args, why) in [
        (&["s360", "--receiver-auth", file, somewhere[0], somewhere[1]][..], "says nothing about how"),
        (&["s360", "--receiver-auth", file], "nowhere to push to"),
        (&["s360", "--push-every", "10s"], "nowhere to push to"),
        (&["ivvy", "--receiver-auth", file], "pushes nothing"),
    ] {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_tandem"));
        let output = command.arg("sim").args(args).output().await.unwrap();
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("hush-2") && said.contains(why), "{said}");
    }
}

/// docs/SYSTEMS.md, "Try it on this machine": typed as it stands, on ports that are free here.
#[tokio::test]
async fn the_documented_trial_works_as_it_is_typed_s28() {
    let page = include_str!("../docs/SYSTEMS.md");
    let mut script = page.split("```").find_map(|part| part.strip_prefix("sh\n")).unwrap().to_owned();
    for port in ["4360", "4370", "8467"] {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(script.contains(port));
        script = script.replace(port, &free.local_addr().unwrap().port().to_string());
    }
    let directory = tempfile::tempdir().unwrap();
    let told = directory.path().join("told");
    let ours = std::path::Path::new(env!("CARGO_BIN_EXE_tandem")).parent().unwrap();
    let mut shell = tokio::process::Command::new("sh")
        .args(["-e", "-c", &script])
        .current_dir(directory.path())
        .env_clear()
        .env("HOME", directory.path())
        .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", ours.display()))
        .stdout(std::fs::File::create(&told).unwrap())
        // Simulators and daemon are ended with the shell that started them.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let group = rustix::process::Pid::from_raw(i32::try_from(shell.id().unwrap()).unwrap()).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(120), shell.wait()).await;
    rustix::process::kill_process_group(group, rustix::process::Signal::TERM).unwrap();
    let told = std::fs::read_to_string(told).unwrap();
    assert!(ended.unwrap().unwrap().success(), "{told}");
    assert_eq!(told.matches("records take part from 2020-01-01 Europe/Paris on").count(), 2, "{told}");
}

#[tokio::test]
async fn simulators_without_other_users_refuse_to_pretend_edits() {
    let options = |edits_per_minute, faults: &[&str]| SimOptions {
        listen: ([127, 0, 0, 1], 0).into(),
        records: 1,
        seed: 1,
        edits_per_minute,
        faults: faults.iter().map(|fault| (*fault).to_owned()).collect(),
    };
    for error in [run_connector(options(1, &[])).await, run_extcrm(options(1, &[])).await] {
        assert!(error.unwrap_err().hint.unwrap().contains("/_sim/edit"));
    }
    for error in [run_connector(options(0, &["explode"])).await, run_extcrm(options(0, &["explode"])).await] {
        assert!(error.unwrap_err().hint.unwrap().contains("KIND"));
    }
}

/// As processes of their own, so that the signal ends nothing else.
#[test]
fn connector_and_crm_print_one_line_serve_and_stop_on_sigterm() {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::process::{Command, Stdio};
    for (system, keys, path) in [
        ("connector", &["url", "api", "provider", "client", "club"][..], "/_sim/records/leadSource"),
        ("extcrm", &["url", "contacts", "orders", "key_header", "key", "max_payload"][..], "/_sim/payloads"),
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tandem"))
            .env_clear()
            .env("HOME", "/nonexistent")
            .args(["sim", system, "--records", "3", "--fault", "throttle,match=/user"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line.as_object().unwrap().keys().collect::<Vec<_>>(), keys);
        let host = line["url"].as_str().unwrap().trim_start_matches("http://").to_owned();
        let mut stream = std::net::TcpStream::connect(&host).unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(child.wait().unwrap().success(), "{system}");
    }
}
