//! The simulated iVvy before an independent witness: a client in another language, written from the
//! contract and not from our code.

use std::process::Command;
use std::sync::Arc;

use secrecy::ExposeSecret as _;
use tandem::seam::{Entropy, SystemClock};
use tandem::sim::ivvy::{IvvySim, Settings};
use tandem::sim::ledger::Op;
use tandem::sim::people::Population;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_independent_client_agrees_with_the_simulated_ivvy() {
    if Command::new("python3").arg("--version").output().is_err() {
        println!("skipped: python3 is not installed, so the independent witness cannot run");
        return;
    }
    let sim = IvvySim::new(Settings::default(), Arc::new(SystemClock), Entropy::seeded(1));
    sim.load(&Population::generate(1, 10, 2));
    sim.furnish(false);
    let served = tandem::sim::serve(sim.router(), ([127, 0, 0, 1], 0).into()).await.unwrap();
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
    served.stop().await.unwrap();
}
