//! Published clients judge the simulated Salesforce: simple-salesforce and jsforce, installed by
//! `scripts/witnesses`. Without them the tests say so and pass, unless `TANDEM_WITNESSES=1`.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "shared parts of tests")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::json;
use tandem::seam::{Entropy, SystemClock};
use tandem::sim::command::SimOptions;
use tandem::sim::salesforce::{SalesforceSim, Settings, run_salesforce};
use tandem::sim::serve;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Where `scripts/witnesses` puts the clients.
fn cache() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::env::var_os("TANDEM_CACHE").map_or_else(|| root.join("target"), PathBuf::from).join("witness")
}

/// Runs `program script` against a fresh org, if what it `needs` is installed.
async fn judge(program: &Path, script: &str, needs: &Path) {
    if !needs.exists() {
        let told = format!("{} is missing: run scripts/witnesses", needs.display());
        assert!(std::env::var_os("TANDEM_WITNESSES").is_none_or(|value| value != "1"), "{told}");
        eprintln!("skipped: {told}");
        return;
    }
    let sim = SalesforceSim::new(Settings::default(), Arc::new(SystemClock), Entropy::seeded(1));
    let served = serve(sim.router(), ([127, 0, 0, 1], 0).into()).await.unwrap();
    let Settings { client_id, client_secret, .. } = sim.settings();
    let line = json!({"url": served.url(), "client_id": client_id, "client_secret": client_secret.expose_secret()});
    let mut witness = Command::new(program);
    witness
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/witness").join(script))
        .env("TANDEM_SIM", line.to_string())
        .env("TANDEM_WITNESS", cache())
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || witness.output()).await.unwrap().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains(" 0 failed"), "{said}");
    println!("{script}: {}", said.trim());
    // The client's own word is not enough: what it did must stand in the ledger.
    assert!(sim.ledger().len() > 250, "{} effects", sim.ledger().len());
    served.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn simple_salesforce_finds_nothing_amiss() {
    let python = cache().join("venv/bin/python");
    judge(&python, "salesforce.py", &python).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jsforce_finds_nothing_amiss() {
    judge(&cache().join("node"), "salesforce.mjs", &cache().join("npm/node_modules/jsforce/package.json")).await;
}

#[tokio::test]
async fn the_command_serves_and_stops_on_sigterm() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = free.local_addr().unwrap();
    drop(free);
    let options = SimOptions { listen, records: 30, seed: 5, edits_per_minute: 6000, faults: Vec::new() };
    let running = tokio::spawn(run_salesforce(options));
    let serving = async {
        while !get(listen, "/_sim/ledger").await.is_ok_and(|ledger| ledger.contains(r#""by":"user""#)) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), serving).await.unwrap();
    assert!(get(listen, "/_sim/records/Contact").await.unwrap().matches(r#""LastName""#).count() > 20);
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM).unwrap();
    running.await.unwrap().unwrap();
    assert!(get(listen, "/_sim/health").await.is_err(), "nothing listens any more");
}

async fn get(addr: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = tokio::net::TcpStream::connect(addr).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
