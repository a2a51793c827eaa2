//! Configuration as the command line sees it: every mistake is one sentence with a hint, and exit code 2.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const CONFIG: &str = r#"version = 1
account = "acme"
data_dir = "data"
socket = "run/t.sock"

[ivvy]
url = "http://127.0.0.1:9"
key = "abc"
secret = { file = "ivvy.secret" }

[crm]
kind = "odoo"
url = "http://127.0.0.1:9"
database = "prod"
key = { env = "TEST_ODOO_KEY" }
"#;

struct Home(tempfile::TempDir);

impl Home {
    fn new(config: &str) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        std::fs::write(home.path("acme.toml"), config).unwrap();
        home.secret("ivvy.secret", 0o600);
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn secret(&self, name: &str, mode: u32) {
        std::fs::write(self.path(name), "hunter2\n").unwrap();
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn tandem(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
        command.env_clear().env("HOME", self.0.path()).env("TEST_ODOO_KEY", "hunter3").current_dir(self.0.path());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.tandem().args(["--config", "acme.toml"]).args(args).output().unwrap()
    }
}

fn refused(output: &Output, code: i32, sentence: &str, hint: &str) {
    let error = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{error}");
    let first = error.lines().next().unwrap();
    assert!(first.starts_with("error: ") && first.contains(sentence), "{error}");
    let hints: Vec<&str> = error.lines().filter(|line| line.starts_with("  hint: ")).collect();
    assert!(matches!(hints.as_slice(), [only] if only.contains(hint)), "{error}");
    assert!(!error.contains("hunter"), "a secret is repeated: {error}");
    assert!(output.stdout.is_empty());
}

#[test]
fn an_unknown_key_is_refused() {
    let home = Home::new(&format!("{CONFIG}\n[sync]\nintervall = \"5m\"\n"));
    refused(&home.run(&["run"]), 2, "acme.toml, line 18: unknown key `intervall`", "did you mean `interval`?");
    refused(&home.run(&["status"]), 2, "unknown key", "interval"); // a client does not look away either
}

#[test]
fn a_wrong_type_is_refused() {
    let home = Home::new(&format!("{CONFIG}\n[sync]\nrate = \"fast\"\n"));
    refused(&home.run(&["run"]), 2, "line 18: invalid type", "tandem.example.toml");
}

#[test]
fn a_missing_file_is_refused() {
    let home = Home::new(CONFIG);
    let output = home.tandem().args(["--config", "other.toml", "run"]).output().unwrap();
    refused(&output, 2, "other.toml cannot be read", "tandem init");
}

#[test]
fn a_missing_secret_is_refused() {
    let home = Home::new(CONFIG);
    let output = home.tandem().args(["--config", "acme.toml", "run"]).env_remove("TEST_ODOO_KEY").output().unwrap();
    refused(&output, 2, "crm.key: the environment variable TEST_ODOO_KEY is not set", "set it");
    std::fs::remove_file(home.path("ivvy.secret")).unwrap();
    refused(&home.run(&["run"]), 2, "ivvy.secret: the secret file", "install -m 600");
}

#[test]
fn a_secret_file_open_to_others_is_refused() {
    let home = Home::new(CONFIG);
    home.secret("ivvy.secret", 0o644);
    refused(&home.run(&["run"]), 2, "is open to others (mode 0644)", "chmod 600");
}

#[test]
fn a_credential_is_read_from_the_service_managers_directory() {
    let home = Home::new(&CONFIG.replace("{ file = \"ivvy.secret\" }", "{ credential = \"ivvy\" }"));
    refused(&home.run(&["run"]), 2, "$CREDENTIALS_DIRECTORY is not set", "LoadCredential=");
    std::fs::create_dir(home.path("cred")).unwrap();
    let run = || {
        let mut tandem = home.tandem();
        tandem.args(["--config", "acme.toml", "run"]).env("CREDENTIALS_DIRECTORY", "cred").env_remove("TEST_ODOO_KEY");
        tandem.output().unwrap()
    };
    refused(&run(), 2, "there is no credential ivvy", "LoadCredential=ivvy:PATH");
    home.secret("cred/ivvy", 0o440);
    // iVvy's secret is there now: the complaint moves on to the CRM's.
    refused(&run(), 2, "crm.key: the environment variable TEST_ODOO_KEY is not set", "set it");
}

#[test]
fn errors_are_json_when_json_is_wanted() {
    let home = Home::new(&CONFIG.replace("\"prod\"", "7"));
    let output = home.run(&["--json", "run"]);
    let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!((&error["error"]["kind"], &error["error"]["exit_code"]), (&"config".into(), &2.into()));
    assert!(error["error"]["hint"].is_string());
}

#[test]
fn usage_errors_exit_with_two() {
    let home = Home::new(CONFIG);
    for args in [
        &["brew"][..],
        &["queue", "approve"],
        &["queue", "approve", "x"],
        &["queue", "force", "1", "--take", "sideways"],
        &["sim", "ivvy", "--listen", "0.0.0.0:80"],
        &["queue", "list", "--limit", "0"],
        &["--account", "../x", "status"],
        &["guard", "release", "contacts"],
        &["queue", "list", "--state", "asleep"],
    ] {
        assert_eq!(home.run(args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn a_wrong_name_is_answered_with_the_right_ones() {
    let home = Home::new(CONFIG);
    let error = String::from_utf8(home.run(&["pause", "contatcs"]).stderr).unwrap();
    assert!(error.contains("companies, contacts") && error.contains("'contacts'"), "{error}");
}

#[test]
fn no_daemon_is_four_with_a_hint() {
    let home = Home::new(CONFIG);
    refused(&home.run(&["status"]), 4, "no daemon answers on", "tandem run");
}

#[test]
fn the_environment_mirrors_the_options() {
    let home = Home::new(CONFIG);
    let output = home.tandem().env("TANDEM_CONFIG", "acme.toml").arg("status").output().unwrap();
    refused(&output, 4, "run/t.sock", "tandem run");
    let output = home.tandem().env("TANDEM_SOCKET", "/nonexistent/s").arg("status").output().unwrap();
    refused(&output, 4, "/nonexistent/s", "tandem run");
    let output = home.tandem().env("TANDEM_CONFIG", "acme.toml").env("TANDEM_ACCOUNT", "other").arg("run").output();
    refused(&output.unwrap(), 2, "configuration of `acme`, not of `other`", "--account");
}

fn init(home: &Home, more: &[&str]) -> Output {
    let mut args = vec![
        "--account",
        "acme",
        "--config",
        "new/acme.toml",
        "init",
        "--non-interactive",
        "--ivvy-url",
        "https://api.example.com",
        "--ivvy-key",
        "k\"1",
        "--ivvy-secret-file",
        "ivvy.secret",
        "--crm",
        "salesforce",
        "--crm-url",
        "https://acme.my.salesforce.com",
        "--crm-client-id",
        "id",
        "--crm-secret-file",
        "ivvy.secret",
        "--first-sync",
        "2026-01-01",
    ];
    args.extend(more);
    home.tandem().args(args).output().unwrap()
}

#[test]
fn init_writes_a_private_file_that_loads_and_never_overwrites() {
    let home = Home::new(CONFIG);
    let output = init(&home, &["--skip-test", "--json"]);
    assert!(output.status.success(), "{output:?}");
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&said["account"], &said["enabled"]), (&"acme".into(), &false.into()));
    let path = home.path("new/acme.toml");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let config = tandem::config::Config::load(Path::new(&path)).unwrap();
    assert_eq!(config.ivvy().unwrap().key, "k\"1");
    assert!(!config.modules.enabled(tandem::model::ModuleId::Contacts), "nothing is enabled before a test");
    assert!(config.secrets().is_ok(), "relative to where it was typed");
    let before = std::fs::read(&path).unwrap();
    refused(&init(&home, &["--skip-test"]), 2, "exists already", "--config");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn init_asks_for_what_is_missing_by_name() {
    let home = Home::new(CONFIG);
    let output = home.tandem().args(["--config", "n.toml", "init", "--non-interactive"]).output().unwrap();
    refused(&output, 2, "--ivvy-url is missing", "terminal");
    assert!(!home.path("n.toml").exists(), "nothing is written by halves");
    home.secret("ivvy.secret", 0o666);
    refused(&init(&home, &["--skip-test"]), 2, "open to others", "chmod");
    assert!(!home.path("new/acme.toml").exists());
}

/// Runs `init` with these answers, and reads what it wrote.
fn written(home: &Home, answers: &[&str]) -> tandem::config::Config {
    let mut args = vec!["--config", "new.toml", "init", "--non-interactive", "--skip-test"];
    args.extend(answers);
    let output = home.tandem().args(args).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let config = tandem::config::Config::load(&home.path("new.toml")).unwrap();
    assert!(config.secrets().is_ok());
    std::fs::remove_file(home.path("new.toml")).unwrap();
    config
}

const S360: [&str; 8] = [
    "--origin",
    "s360",
    "--s360-partner",
    "TANDEM",
    "--s360-institution",
    "ACME",
    "--s360-password-file",
    "ivvy.secret",
];
const IVVY: [&str; 6] =
    ["--ivvy-url", "https://api.example.com", "--ivvy-key", "k", "--ivvy-secret-file", "ivvy.secret"];
const ODOO: [&str; 8] = [
    "--crm",
    "odoo",
    "--crm-url",
    "https://odoo.example.com",
    "--crm-database",
    "d",
    "--crm-secret-file",
    "ivvy.secret",
];
const PUSH: [&str; 8] = [
    "--crm",
    "push",
    "--push-orders-url",
    "https://crm.example.com/o",
    "--push-user",
    "u",
    "--push-password-file",
    "ivvy.secret",
];
const CONNECTOR: [&str; 18] = [
    "--crm",
    "connector",
    "--crm-url",
    "https://connector.example.com",
    "--connector-provider",
    "P",
    "--connector-client",
    "C",
    "--connector-club",
    "HARBOUR",
    "--connector-agreed-by",
    "Ann Example",
    "--connector-agreed-on",
    "2026-01-31",
    "--connector-direction",
    "both",
    "--connector-key-file",
    "ivvy.secret",
];

/// Every origin with every CRM is a file that loads.
#[test]
fn init_writes_a_valid_file_for_every_origin_and_crm_c04_s01() {
    let home = Home::new(CONFIG);
    for (origin, answers) in [("ivvy", &IVVY[..]), ("s360", &S360[..])] {
        for (crm, more) in [("odoo", &ODOO[..]), ("connector", &CONNECTOR[..]), ("push", &PUSH[..])] {
            let config = written(&home, &[answers, more].concat());
            assert_eq!((config.s360().is_some(), config.crm.kind().to_string()), (origin == "s360", crm.to_owned()));
            assert_eq!(config.inbound.is_some(), origin == "s360" || crm == "connector", "{origin} {crm}");
        }
    }
    let institution = written(&home, &[&S360[..], &ODOO[..]].concat());
    let institution = &institution.s360().unwrap().institutions["ACME"];
    assert!(institution.operator.is_none() && institution.contacts.is_some() && institution.orders.is_some());
    let operated = ["--s360-operator", "TANDEM_OP", "--s360-secret-file", "ivvy.secret"];
    let config = written(&home, &[&S360[..], &ODOO[..], &operated].concat());
    assert_eq!(config.s360().unwrap().institutions["ACME"].operator.as_deref(), Some("TANDEM_OP"));
    let mut send = CONNECTOR.to_vec();
    send[15] = "send";
    let config = written(&home, &[&IVVY[..], &send[..16]].concat());
    assert!(config.inbound.is_none(), "it calls nothing here then, and no key is asked for");
}

#[test]
fn init_asks_for_what_a_stream_needs_by_name_s18() {
    let home = Home::new(CONFIG);
    let refuses = |answers: &[&str], missing: &str| {
        let mut args = vec!["--config", "n.toml", "init", "--non-interactive", "--skip-test"];
        args.extend(answers);
        refused(&home.tandem().args(args).output().unwrap(), 2, missing, "terminal");
        assert!(!home.path("n.toml").exists());
    };
    refuses(&[&S360[..6], &ODOO[..]].concat(), "--s360-password-file is missing");
    refuses(&[&IVVY[..], &CONNECTOR[..16]].concat(), "--connector-key-file is missing");
    refuses(&[&IVVY[..], &CONNECTOR[..10]].concat(), "--connector-agreed-by is missing");
    refuses(&[&IVVY[..], &PUSH[..4]].concat(), "--push-key-file is missing");
}

/// C-24: iVvy takes no lead without a source, so nothing starts that could not give it one.
#[test]
fn the_daemon_does_not_start_with_leads_on_and_no_defaults_for_them_c24() {
    let home = Home::new(&format!("{CONFIG}\n[modules.leads]\nenabled = true\n"));
    refused(&home.run(&["run"]), 2, "ivvy.leads does not say what a new lead gets", "[ivvy.leads]");
    assert!(!home.path("data").exists(), "nothing was begun");
}
