//! What the configuration accepts, and how it refuses the rest.

use super::*;
use crate::model::Transform;

const GOOD: &str = r#"version = 1
account = "acme"

[ivvy]
url = "https://api.us-west-2.ivvy.com"
key = "abc"
secret = { file = "ivvy.secret" }

[crm]
kind = "odoo"
url = "http://127.0.0.1:8069"
database = "prod"
key = { env = "TANDEM_ODOO_KEY" }
"#;

fn parse(text: &str) -> Result<Config> {
    Config::parse(text, Path::new("/etc/tandem/acme.toml"))
}

fn refused(text: &str) -> (String, String) {
    let error = parse(text).unwrap_err();
    assert_eq!(error.kind, crate::error::ErrorKind::Config);
    assert!(!error.message.contains('\n'), "one sentence: {error}");
    (error.to_string(), error.hint.expect("every configuration error has a hint"))
}

#[test]
fn the_annotated_example_is_accepted_and_complete() {
    let text = include_str!("../../docs/tandem.example.toml");
    let config = parse(text).unwrap();
    assert_eq!(config.sync, Sync { first_sync: Some(parse_day("2026-01-01").unwrap()), ..Sync::default() });
    assert_eq!(config.guard, GuardLimits::default(), "the example shows the defaults");
    assert_eq!(config.modules.of(ModuleId::Contacts).fields.len(), 1);
    assert_eq!(config.operators.len(), 2);
    for key in [
        "account",
        "environment",
        "data_dir",
        "socket",
        "socket_group",
        "default_role",
        "database",
        "client_id",
        "secret",
        "key",
        "api_version",
        "key_scope",
        "interval",
        "first_sync",
        "settle",
        "overlap",
        "keep_done",
        "rate",
        "daily_calls",
        "inbound",
        "listen",
        "exposed",
        "public_url",
        "sns_hosts",
        "key_url",
        "enabled",
        "fields",
        "title",
        "kind",
        "flow",
        "creates",
        "updates",
        "conflicts",
        "emptied",
        "same_value",
        "shrink_percent",
        "second_person",
        "force",
        "close_pair",
        "release",
        "uid",
        "login",
        "role",
        "credential",
        "env",
        "file",
    ] {
        assert!(text.contains(key), "the example does not show `{key}`");
    }
}

#[test]
fn defaults_are_the_documented_ones() {
    let config = parse(&GOOD.replace("account = \"acme\"\n", "data_dir = \"d\"\nsocket = \"s\"\n")).unwrap();
    assert_eq!((config.account.as_str(), config.environment.as_str()), ("default", "production"));
    assert_eq!(config.data_dir, Path::new("/etc/tandem/d"), "relative to the file");
    assert_eq!(config.sync.interval.as_secs(), 900);
    assert!(config.modules.enabled(ModuleId::Contacts) && !config.modules.enabled(ModuleId::Companies), "V-03");
    assert_eq!(config.second_person, SecondPerson::default());
    assert_eq!(config.default_role, None);
    assert_eq!(config.guard.emptied, Limit { count: 20, per_mille: 5 });
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_name() {
    let (message, hint) = refused(&format!("{GOOD}\n[sync]\nintervall = \"5m\"\n"));
    assert!(message.contains("line 16") && message.contains("unknown key `intervall`"), "{message}");
    assert_eq!(hint, "did you mean `interval`?");
    let (_, hint) = refused(&format!("{GOOD}\n[weather]\n"));
    assert!(hint.starts_with("known here: version, account"), "{hint}");
    let (message, hint) = refused(&GOOD.replace("\"odoo\"", "\"oddo\""));
    assert!(message.contains("line 10: unknown value `oddo`"), "{message}");
    assert_eq!(hint, "did you mean `odoo`?");
}

#[test]
fn notifications_are_received_on_this_machine_unless_said_otherwise_n07() {
    let with = |lines: &str| format!("{GOOD}\n[inbound]\n{lines}\n");
    assert_eq!(parse(GOOD).unwrap().inbound, None);
    let inbound = parse(&with("listen = \"127.0.0.1:8467\"")).unwrap().inbound.unwrap();
    assert_eq!((inbound.public_url, inbound.key_url, inbound.exposed), (None, None, false));
    let (message, hint) = refused(&with("listen = \"0.0.0.0:8467\""));
    assert!(message.contains("0.0.0.0:8467") && hint.contains("exposed = true"), "{message} {hint}");
    assert!(parse(&with("listen = \"0.0.0.0:8467\"\nexposed = true")).is_ok());
    let (message, _) = refused(&with("listen = \"127.0.0.1:8467\"\npublic_url = \"http://tandem.example.com/\""));
    assert!(message.contains("not encrypted"), "{message}");
}

#[test]
fn a_wrong_type_and_a_wrong_duration_are_explained() {
    let (message, _) = refused(&format!("{GOOD}\n[sync]\ninterval = 15\n"));
    assert!(message.contains("line 16") && message.contains("a duration in quotes"), "{message}");
    let (message, _) = refused(&format!("{GOOD}\n[sync]\ninterval = \"15\"\n"));
    assert!(message.contains("lacks a unit"), "{message}");
    let (message, _) = refused(&format!("{GOOD}\n[sync]\nfirst_sync = \"01.02.2026\"\n"));
    assert!(message.contains("not a date like"), "{message}");
    let (message, _) = refused(&GOOD.replace("version = 1", "version = 2"));
    assert!(message.contains("configuration version 2"), "{message}");
    let (message, hint) = refused("account = \"x\"");
    assert!(message.contains("`version` is missing") && hint.contains("version = 1"));
}

#[test]
fn a_limit_of_calls_a_day_is_optional_per_remote_and_checked() {
    let config = parse(GOOD).unwrap();
    assert_eq!((config.ivvy.daily_calls, config.crm.daily_calls), (None, None));
    let limited = |ivvy: &str, crm: &str| {
        let limits = [("[ivvy]\n", ivvy), ("[crm]\n", crm)];
        limits.iter().fold(GOOD.to_owned(), |text, (head, line)| text.replace(head, &format!("{head}{line}\n")))
    };
    let config = parse(&limited("daily_calls = 50_000", "daily_calls = 100")).unwrap();
    assert_eq!((config.ivvy.daily_calls, config.crm.daily_calls), (Some(50_000), Some(100)));
    let (message, hint) = refused(&limited("daily_calls = 0", ""));
    assert!(message.contains("ivvy.daily_calls is below 100") && hint.contains("leave it out"), "{message} {hint}");
    let (message, _) = refused(&limited("", "daily_calls = 99"));
    assert!(message.contains("crm.daily_calls is below 100"), "{message}");
    let (message, _) = refused(&limited("", "daily_calls = \"many\""));
    assert!(message.contains("line 11"), "{message}");
    let (_, hint) = refused(&limited("daily_call = 500", ""));
    assert_eq!(hint, "did you mean `daily_calls`?");
}

#[test]
fn a_pasted_secret_is_refused_without_repeating_it() {
    let (message, hint) = refused(&GOOD.replace("{ file = \"ivvy.secret\" }", "\"hunter2\""));
    assert!(message.contains("a secret is not written here") && !message.contains("hunter2"), "{message}");
    assert!(!hint.contains("hunter2"));
    let (message, _) = refused(&GOOD.replace("https://api.", "https://me:hunter2@api."));
    assert!(message.contains("must not hold") && !message.contains("hunter2"), "{message}");
    let (message, _) = refused(&GOOD.replace("{ file = \"ivvy.secret\" }", "{ file = \"a\", env = \"B\" }"));
    assert!(message.contains("exactly one of"), "{message}");
}

#[test]
fn plain_http_is_for_loopback_only() {
    let (message, _) = refused(&GOOD.replace("http://127.0.0.1:8069", "http://odoo.example.com"));
    assert!(message.contains("not encrypted"), "{message}");
    assert!(parse(&GOOD.replace("http://127.0.0.1:8069", "http://localhost:8069")).is_ok());
}

#[test]
fn every_crm_gets_exactly_the_keys_it_needs() {
    let (message, _) = refused(&GOOD.replace("database = \"prod\"\n", ""));
    assert!(message.contains("`database` is missing"), "{message}");
    let (message, _) = refused(&GOOD.replace("\"odoo\"", "\"salesforce\""));
    assert!(message.contains("`database` means nothing"), "{message}");
    let (message, _) = refused(&format!("{GOOD}key_scope = \"a b\"\n"));
    assert!(message.contains("key_scope"), "{message}");
}

#[test]
fn custom_fields_are_checked_and_reach_the_catalogue_v19() {
    let field = |name: &str, ivvy: u32, crm: &str, kind: &str| {
        format!("\n[[modules.contacts.fields]]\nname = \"{name}\"\nkind = \"{kind}\"\nivvy = {ivvy}\ncrm = \"{crm}\"\n")
    };
    let diet = field("diet", 12, "x_diet", "text");
    let config = parse(&format!("{GOOD}{diet}")).unwrap();
    let contacts = config.catalogue().into_iter().find(|def| def.id == ModuleId::Contacts).unwrap();
    assert_eq!(contacts.field("custom.12").unwrap().title, "diet");
    assert_ne!(contacts.mapping_version, ModuleId::Contacts.def().mapping_version);
    let other = parse(&format!("{GOOD}{}", field("diet", 13, "x_diet", "text"))).unwrap();
    assert_ne!(other.catalogue(), config.catalogue(), "another mapping is another version");
    let table = parse(&format!(
        "{GOOD}{}transform = {{ values = {{ g = \"Guest\" }} }}\ndefault = \"g\"\n",
        field("badge", 13, "x_badge", "choice")
    ));
    let contacts = table.unwrap().catalogue().into_iter().find(|def| def.id == ModuleId::Contacts).unwrap();
    let badge = contacts.field("custom.13").unwrap();
    assert!(
        matches!(&badge.transform, Transform::Values(table) if table["g"] == "Guest")
            && badge.default == Some("g".into())
    );

    for (second, expected) in [
        (field("diet", 13, "x_other", "text"), "the name `diet` is used twice"),
        (field("food", 12, "x_other", "text"), "iVvy's field 12 is used twice"),
        (field("food", 13, "x_diet", "text"), "the CRM's field `x_diet` is used twice"),
        (field("email", 13, "x_mail", "email"), "built-in"),
        (field("Diet!", 13, "x_other", "text"), "not a field name"),
        (field("food", 13, "x_other", "reference"), "unknown value `reference`"),
        (field("food", 13, "x_other", "int") + "transform = \"upper\"\n", "upper does not go with the type int"),
        (field("food", 13, "x_other", "int") + "default = \"many\"\n", "the default of `food` is not of the type int"),
    ] {
        let (message, _) = refused(&format!("{GOOD}{diet}{second}"));
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn operators_are_known_by_uid_or_login() {
    let (message, _) = refused(&format!("{GOOD}\n[operators]\nada = {{ role = \"admin\" }}\n"));
    assert!(message.contains("operators.ada"), "{message}");
    let (message, hint) = refused(&format!("{GOOD}\n[operators]\nada = {{ uid = 1, role = \"root\" }}\n"));
    assert!(message.contains("unknown value `root`") && hint.contains("viewer, triage, force, admin"), "{hint}");
}

#[test]
fn a_missing_file_says_how_to_get_one() {
    let error = Config::load(Path::new("/nonexistent/tandem.toml")).unwrap_err();
    assert_eq!(error.kind.exit_code(), 2);
    assert!(error.hint.unwrap().contains("tandem init"));
}

#[test]
fn the_display_says_where_secrets_are() {
    let shown = parse(GOOD).unwrap().to_string();
    assert!(shown.contains("file ivvy.secret") && shown.contains("environment variable TANDEM_ODOO_KEY"), "{shown}");
}
