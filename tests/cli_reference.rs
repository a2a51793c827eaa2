//! What is generated: the reference, manual pages, completions.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::process::Command;

fn tandem() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
    command.env_clear().env("HOME", "/nonexistent");
    command
}

#[test]
fn the_reference_is_what_the_definitions_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CLI.md");
    let generated = tandem::cli::reference::markdown();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    assert!(kept == generated, "docs/CLI.md is out of date: UPDATE_DOCS=1 cargo test --test cli_reference");
    for name in ["tandem demo", "tandem queue approve ID…", "tandem guard release MODULE", "tandem audit verify"] {
        assert!(generated.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn the_definitions_are_consistent() {
    use clap::CommandFactory as _;
    tandem::cli::args::Cli::command().debug_assert();
}

#[test]
fn completions_are_made_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = tandem().args(["completions", shell]).output().unwrap();
        assert!(output.status.success());
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.contains("tandem") && script.contains("approve"), "{shell}");
    }
}

#[test]
fn manual_pages_are_made() {
    let output = tandem().arg("man").output().unwrap();
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(page.contains(".TH tandem 1") && page.contains("queue"), "{page}");
    let directory = tempfile::tempdir().unwrap();
    assert!(tandem().args(["man", "--dir"]).arg(directory.path()).output().unwrap().status.success());
    assert!(directory.path().join("tandem-queue-approve.1").exists());
}

#[test]
fn a_reader_that_hangs_up_is_not_an_error() {
    use std::io::Read as _;
    use std::process::Stdio;
    let mut child =
        tandem().args(["completions", "zsh"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert!(child.wait().unwrap().success(), "{errors}");
    assert_eq!(errors, "");
}

#[test]
fn the_version_names_protocol_schema_and_the_documentation_it_follows_n09() {
    let output = tandem().args(["--version", "--json"]).output().unwrap();
    let version: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(version["protocol"], tandem::wire::PROTOCOL);
    assert!(version.as_object().unwrap().contains_key("schema"));
    assert_eq!(version["follows"]["ivvy"], tandem::remote::ivvy::API_DOCS);
    let text = String::from_utf8(tandem().arg("-V").output().unwrap().stdout).unwrap();
    assert!(text.starts_with(&format!("tandem {} (protocol", env!("CARGO_PKG_VERSION"))));
    assert!(text.contains("follows ivvy: ivvycode/apidocs @ ec72b6c"), "N-09: {text}");
}
