//! The simulated iVvy before an independent witness: a client in another language, written from the
//! contract and not from our code.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use tandem::remote::http::{HttpSettings, ReqwestTransport};
use tandem::seam::{Entropy, SystemClock};
use tandem::sim::ivvy::{IvvySim, Postman, Settings};
use tandem::sim::ledger::Op;
use tandem::sim::people::Population;
use tokio_util::sync::CancellationToken;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_independent_client_agrees_with_the_simulated_ivvy() {
    if Command::new("python3").arg("--version").output().is_err() {
        println!("skipped: python3 is not installed, so the independent witness cannot run");
        return;
    }
    let settings = Settings { batch_time: Duration::from_secs(1), ..Settings::default() };
    let sim = IvvySim::new(settings, Arc::new(SystemClock), Entropy::seeded(1));
    sim.load(&Population::generate(1, 10, 2));
    sim.furnish(false);
    let served = tandem::sim::serve(sim.router(), ([127, 0, 0, 1], 0).into()).await.unwrap();
    let transport = Arc::new(ReqwestTransport::new(&HttpSettings::default()).unwrap());
    let cancel = CancellationToken::new();
    let posting = tokio::spawn(Postman::new(&sim, transport).run(cancel.clone()));
    let (url, key) = (served.url(), sim.settings().key.clone());
    let secret = sim.settings().secret.expose_secret().to_owned();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/witness/ivvy.py");
    let witness = move || Command::new("python3").args([script, &url, &key, &secret]).output();
    let output = tokio::task::spawn_blocking(witness).await.unwrap().unwrap();
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{words}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(words.contains(" passed, 0 failed"), "{words}");
    // What the witness did, and nothing of what it was refused.
    assert_eq!(sim.ledger().count("contact", Op::Create), 1);
    assert_eq!(sim.ledger().count("contact", Op::Update), 3, "a phone number, in and out of a group");
    assert_eq!(sim.ledger().count("leadSource", Op::Create), 1);
    assert_eq!(sim.ledger().count("lead", Op::Create), 1);
    assert_eq!(sim.ledger().len(), 6);
    cancel.cancel();
    posting.await.unwrap();
    served.stop().await.unwrap();
}
