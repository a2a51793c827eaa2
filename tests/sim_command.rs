//! `tandem sim ivvy` as a process would run it: serves, answers, and stops cleanly on SIGTERM.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tandem::remote::http::{HttpSettings, ReqwestTransport};
use tandem::sim::command::{SimOptions, run_ivvy};
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
