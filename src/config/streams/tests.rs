//! What the sections of systems that post, or are posted to, accept, and how they refuse the rest.

use std::collections::BTreeSet;
use std::path::Path;

use super::super::{Config, CrmSystem};
use super::*;

const HEAD: &str = "version = 1\naccount = \"acme\"\ndata_dir = \"d\"\nsocket = \"s\"\n";

const IVVY: &str = "[ivvy]\nurl = \"https://api.example.com\"\nkey = \"abc\"\nsecret = { env = \"I\" }\n";

const ODOO: &str =
    "[crm]\nkind = \"odoo\"\nurl = \"https://odoo.example.com\"\ndatabase = \"prod\"\nkey = { env = \"K\" }\n";

const INBOUND: &str = "[inbound]\nlisten = \"127.0.0.1:8467\"\n";

const S360: &str = r#"[s360]
partner = "TANDEM"
[s360.institutions.ACME]
operator = "OP"
secret = { env = "S" }
contacts = { auth = { kind = "basic", user = "u", passwords = [{ env = "P" }] } }
orders = { auth = { kind = "api_key", keys = [{ env = "A" }, { env = "B" }] }, every = "5m" }
"#;

const CONNECTOR: &str = r#"[crm]
kind = "connector"
url = "https://connector.example.com"
provider = "P"
client = "C"
club = "HARBOUR"
[crm.profile]
agreed_by = "Ann Example"
agreed_on = "2026-01-31"
direction = "both"
entities = ["prospects", "members"]
owner = true
source = false
[crm.facade]
auth = { kind = "basic", user = "u", passwords = [{ env = "P" }] }
"#;

const PUSH: &str = r#"[crm]
kind = "push"
contacts_url = "https://crm.example.com/contacts"
auth = { kind = "api_key", keys = [{ env = "A" }] }
"#;

fn parse(parts: &[&str]) -> crate::error::Result<Config> {
    Config::parse(&format!("{HEAD}{}", parts.concat()), Path::new("/etc/tandem/acme.toml"))
}

/// Sentence and hint of a refusal, which is one line.
#[track_caller]
fn refused(parts: &[&str]) -> String {
    let error = parse(parts).unwrap_err();
    assert_eq!(error.kind, crate::error::ErrorKind::Config);
    assert!(!error.message.contains('\n'), "one sentence: {error}");
    let hint = error.hint.clone().expect("every configuration error has a hint");
    format!("{error} | {hint}")
}

#[track_caller]
fn refuses(parts: &[&str], says: &str) {
    let said = refused(parts);
    assert!(said.contains(says), "{said}");
}

#[test]
fn what_is_not_said_is_as_agreed_with_s360_s09_s23() {
    let config = parse(&[S360, ODOO, INBOUND]).unwrap();
    let acme = &config.s360().unwrap().institutions["ACME"];
    let contacts = acme.contacts.as_ref().unwrap();
    assert_eq!((contacts.every.as_secs(), contacts.per_run, contacts.per_payload, contacts.tries), (900, 500, 50, 12));
    assert_eq!(acme.orders.as_ref().unwrap().every.as_secs(), 300);
    assert!(matches!(&acme.orders.as_ref().unwrap().auth, Auth::ApiKey { header, .. } if header == "X-API-Key"));
    assert_eq!(acme.calls_per_minute.get(), 180);
}

#[test]
fn an_account_has_one_origin() {
    refuses(&[IVVY, S360, ODOO, INBOUND], "both [ivvy] and [s360] are there");
    refuses(&[ODOO], "neither [ivvy] nor [s360]");
}

#[test]
fn none_must_be_meant_and_secrets_are_one_or_two_s18_s19() {
    let with = |auth: &str| {
        S360.replace("{ kind = \"basic\", user = \"u\", passwords = [{ env = \"P\" }] }", &format!("{{ {auth} }}"))
    };
    let all = |auth: &str| refused(&[&with(auth), ODOO, INBOUND]);
    let said = all("kind = \"none\"");
    assert!(said.contains("s360.institutions.ACME.contacts.auth: kind = \"none\" lets anybody write"), "{said}");
    assert!(said.contains("unprotected = true"), "{said}");
    assert!(parse(&[&with("kind = \"none\", unprotected = true"), ODOO, INBOUND]).is_ok());
    for secrets in ["", "{ env = \"A\" }, { env = \"B\" }, { env = \"C\" }"] {
        let said = all(&format!("kind = \"basic\", user = \"u\", passwords = [{secrets}]"));
        assert!(said.contains("needs one secret, or two while they are being changed"), "{said}");
    }
    let said = all("kind = \"basic\", user = \"a:b\", passwords = [{ env = \"A\" }]");
    assert!(said.contains("a user name without `:`"), "{said}");
    let said = all("kind = \"api_key\", header = \"X Key\", keys = [{ env = \"A\" }]");
    assert!(said.contains("is not the name of a header"), "{said}");
    let said = all("kind = \"hmac\"");
    assert!(said.contains("unknown value `hmac`"), "{said}");
    let said = all("kind = \"basic\", user = \"u\", passwords = [\"hunter2\"]");
    assert!(!said.contains("hunter2"), "a secret is never repeated: {said}");
}

#[test]
fn an_institution_is_named_by_its_code_and_written_to_as_an_operator_s01_s20() {
    let code = |code: &str| S360.replace("institutions.ACME", &format!("institutions.{code}"));
    for wrong in ["acme", "\"A-B\"", "\"A/B\"", "\"\"", "ABCDEFGHIJKLMNOPQRSTU"] {
        refuses(&[&code(wrong), ODOO, INBOUND], "not an institution code");
    }
    assert!(parse(&[&code("A_1"), ODOO, INBOUND]).is_ok());
    refuses(
        &[&S360.replace("secret = { env = \"S\" }\n", ""), ODOO, INBOUND],
        "`operator` and `secret` belong together",
    );
    refuses(&[&S360.replace("operator = \"OP\"\n", ""), ODOO, INBOUND], "`operator` and `secret` belong together");
    let currency = S360.replace("operator", "currency = \"euro\"\noperator");
    refuses(&[&currency, ODOO, INBOUND], "currency is not a currency code");
    refuses(&["[s360]\npartner = \"\"\n[s360.institutions.ACME]\n", ODOO], "names no partner or no institution");
    refuses(&["[s360]\npartner = \"T\"\n[s360.institutions]\n", ODOO], "names no partner or no institution");
    refuses(&[&S360.replace("every = \"5m\"", "per_run = 0"), ODOO, INBOUND], "are at least 1");
}

#[test]
fn bookings_are_off_unless_somewhere_takes_them_and_fields_ask_for_them_s07_s27() {
    let s360 = S360.replace("operator", "bookings = { point_of_sales = 7, payment_method = 3 }\noperator");
    let fields = "[modules.orders]\nenabled = true\ncrm_fields = { booking = \"x_b\", product = \"x_p\", \
                  quantity = \"x_q\", unit_price = \"x_u\" }\n";
    let orders = |config: &Config| config.catalogue().into_iter().find(|def| def.id == ModuleId::Orders).unwrap();

    let off = orders(&parse(&[S360, ODOO, INBOUND, "[modules.orders]\nenabled = true\n"]).unwrap());
    assert_eq!((off.flow, off.request.as_deref(), off.field(BOOKING)), (Flow::ToCrm, None, None));
    assert!(off.one_way().is_some());

    let on = orders(&parse(&[&s360, ODOO, INBOUND, fields]).unwrap());
    assert_eq!((on.flow, on.request.as_deref(), on.one_way()), (Flow::Both, Some(BOOKING), None));
    assert!(on.fields.iter().all(|field| field.flow != Flow::Both), "each field has one owner");
    assert!(on.field("performance").is_none(), "nobody named a field for it");
    assert_ne!(on.mapping_version, off.mapping_version, "the guard looks again");

    refuses(&[S360, ODOO, INBOUND, fields], "no institution takes bookings");
    refuses(&[&s360, ODOO, INBOUND], "no CRM field is named for `booking`");
    refuses(&[&s360, ODOO, INBOUND, &fields.replace("quantity", "lines")], "no CRM field is named for `quantity`");
    refuses(&[&s360, PUSH, INBOUND], "cannot ask for bookings");
    let alone = s360.replace("operator = \"OP\"\nsecret = { env = \"S\" }\n", "");
    refuses(&[&alone, ODOO, INBOUND, fields], "nothing can be booked without an `operator`");
}

#[test]
fn what_is_posted_needs_a_place_to_be_posted_to_and_that_is_this_machine_s18() {
    refuses(&[S360, ODOO], "records are posted to us, but [inbound] does not say where");
    refuses(&[IVVY, CONNECTOR], "[inbound] does not say where");
    let silent = "[s360]\npartner = \"T\"\n[s360.institutions.ACME]\noperator = \"O\"\nsecret = { env = \"S\" }\n";
    assert!(parse(&[silent, ODOO]).is_ok(), "nothing is posted there");
    let open = INBOUND.replace("127.0.0.1", "0.0.0.0");
    refuses(&[S360, ODOO, &open], "other machines could reach 0.0.0.0:8467");
    assert!(parse(&[S360, ODOO, &format!("{open}exposed = true\n")]).is_ok());
}

#[test]
fn nothing_is_assumed_about_the_connector_that_nobody_agreed_to_c04_c05_c06() {
    let config = parse(&[IVVY, CONNECTOR, INBOUND]).unwrap();
    let CrmSystem::Connector(connector) = &config.crm.system else { panic!() };
    assert_eq!((connector.version.as_str(), connector.profile.can), ("2011-11", Abilities::default()));
    assert!(connector.facade.as_ref().unwrap().offers.list_staff, "what it may call is all there unless said");
    assert_eq!(config.modules.of(crate::model::ModuleId::Leads).source, Some(false), "as agreed (C-07)");
    let (head, profile) = CONNECTOR.split_once("[crm.profile]").unwrap();
    let (_, facade) = profile.split_once("[crm.facade]").unwrap();
    let without = format!("{head}[crm.facade]{facade}");
    refuses(&[IVVY, &without, INBOUND], "`profile` is missing, which kind = \"connector\" needs");
    for (key, says) in [
        ("agreed_by = \"Ann Example\"\n", "missing key"),
        ("direction = \"both\"\n", "missing key"),
        ("owner = true\n", "missing key"),
        ("provider = \"P\"\n", "`provider` is missing"),
        ("club = \"HARBOUR\"\n", "`club` is missing"),
        ("url = \"https://connector.example.com\"\n", "`url` is missing"),
    ] {
        let said = refused(&[IVVY, &CONNECTOR.replace(key, ""), INBOUND]);
        let named = key.split(' ').next().unwrap();
        assert!(said.contains(says) || said.contains(&format!("`{named}`")), "{said}");
    }
    let changed = |from: &str, to: &str| refused(&[IVVY, &CONNECTOR.replace(from, to), INBOUND]);
    assert!(changed("Ann Example", " ").contains("who agreed to it, and when"));
    assert!(changed("2026-01-31", "31.01.2026").contains("who agreed to it, and when"));
    assert!(changed("[\"prospects\", \"members\"]", "[]").contains("entities is empty"));
    assert!(changed("[\"prospects\", \"members\"]", "[\"staff\"]").contains("unknown value `staff`"));
}

#[test]
fn the_path_of_the_connectors_service_is_not_part_of_its_address_p13() {
    for path in ["/connector/api/", "/connector/api/2011-11/", "/x/connector/api"] {
        let given = CONNECTOR.replace("https://connector.example.com", &format!("https://connector.example.com{path}"));
        refuses(&[IVVY, &given, INBOUND], "crm.url holds the path");
    }
    let below = CONNECTOR.replace("https://connector.example.com", "https://connector.example.com/tenant");
    assert!(parse(&[IVVY, &below, INBOUND]).is_ok(), "a path before it is one's own");
}

#[test]
fn a_facade_goes_with_the_direction_c05() {
    let send = CONNECTOR.replace("\"both\"", "\"send\"");
    refuses(&[IVVY, &send, INBOUND], "direction is \"send\", but there is a [crm.facade]");
    let (closed, _) = CONNECTOR.split_once("[crm.facade]").unwrap();
    for direction in ["both", "receive"] {
        let closed = closed.replace("\"both\"", &format!("\"{direction}\""));
        refuses(&[IVVY, &closed, INBOUND], "but there is no [crm.facade] for it to call");
    }
    assert!(parse(&[IVVY, &closed.replace("\"both\"", "\"send\"")]).is_ok(), "and needs no place to listen");
    let open =
        CONNECTOR.replace("{ kind = \"basic\", user = \"u\", passwords = [{ env = \"P\" }] }", "{ kind = \"none\" }");
    refuses(&[IVVY, &open, INBOUND], "crm.facade.auth: kind = \"none\"");
}

#[test]
fn a_pushed_crm_takes_one_stream_or_both() {
    assert!(parse(&[IVVY, PUSH]).is_ok(), "it needs no [inbound]");
    let without = |line: &str| {
        let kept: Vec<&str> = PUSH.lines().filter(|kept| !kept.starts_with(line)).collect();
        kept.join("\n")
    };
    refuses(&[IVVY, &without("contacts_url")], "`contacts_url` is missing");
    refuses(&[IVVY, &without("auth")], "`auth` is missing");
    refuses(&[IVVY, &format!("{PUSH}per_run = 10\nper_payload = 50\n")], "a run holds a payload");
    refuses(&[IVVY, &PUSH.replace("https://crm", "http://crm")], "not encrypted");
}

#[test]
fn every_kind_of_crm_has_its_own_keys_only() {
    for (crm, key) in [
        (ODOO, "provider = \"P\""),
        (ODOO, "contacts_url = \"https://a.example/\""),
        (ODOO, "tries = 3"),
        (PUSH, "url = \"https://a.example/\""),
        (PUSH, "database = \"d\""),
        (PUSH, "club = \"X\""),
        (PUSH, "stages = { won = \"W\" }"),
    ] {
        let name = key.split(' ').next().unwrap();
        refuses(&[IVVY, crm, key], &format!("`{name}` means nothing for kind"));
    }
    for key in ["database = \"d\"\n", "orders_url = \"https://a.example/\"\n", "every = \"1h\"\n"] {
        let name = key.split(' ').next().unwrap();
        let connector = CONNECTOR.replace("[crm.profile]", &format!("{key}[crm.profile]"));
        refuses(&[IVVY, &connector, INBOUND], &format!("`{name}` means nothing for kind"));
    }
}

/// The example with one of its alternatives in force: lines that begin with `#:` below the heading that begins so,
/// in place of the section that has the heading `instead`.
fn alternative(heading: &str, instead: &str) -> String {
    let text = include_str!("../../../docs/tandem.example.toml");
    let (mut out, mut section) = (String::new(), "");
    let mut found = [false; 2];
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("# --- ") {
            section = title;
        }
        let (is_it, is_other) = (section.starts_with(heading), section.starts_with(instead));
        found = [found[0] || is_it, found[1] || is_other];
        match line.strip_prefix("#:") {
            Some(line) if is_it => out.push_str(line.trim_start()),
            _ if is_other => {}
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    assert_eq!(found, [true; 2], "{heading}, {instead}");
    out
}

/// Every key of a table and of those below it.
fn keys(value: &toml::Value, into: &mut BTreeSet<String>) {
    match value {
        toml::Value::Table(table) => table.iter().for_each(|(key, value)| {
            into.insert(key.clone());
            keys(value, into);
        }),
        toml::Value::Array(values) => values.iter().for_each(|value| keys(value, into)),
        _ => {}
    }
}

#[test]
fn the_annotated_examples_alternatives_are_accepted_and_complete() {
    let inflow = ["auth", "kind", "every", "per_run", "per_payload", "tries"];
    for (heading, instead, wanted) in [
        (
            "S-360",
            "iVvy",
            &[
                "partner",
                "institutions",
                "url",
                "operator",
                "secret",
                "calls_per_minute",
                "currency",
                "contacts",
                "orders",
                "access",
                "user",
                "passwords",
                "header",
                "keys",
                "unprotected",
                "listen",
            ][..],
        ),
        (
            "the Connector",
            "the CRM",
            &[
                "url",
                "version",
                "provider",
                "client",
                "club",
                "owner_element",
                "source_element",
                "profile",
                "agreed_by",
                "agreed_on",
                "direction",
                "entities",
                "owner",
                "source",
                "can",
                "list_staff",
                "staff_by_email",
                "list_sources",
                "create_source",
                "update_source",
                "facade",
                "offers",
                "auth",
                "listen",
            ],
        ),
        ("any other CRM", "the CRM", &["contacts_url", "orders_url", "auth", "user", "passwords"]),
    ] {
        let text = alternative(heading, instead);
        let config =
            Config::parse(&text, Path::new("/etc/tandem/acme.toml")).unwrap_or_else(|e| panic!("{heading}: {e}"));
        assert_eq!(config.s360().is_some(), heading == "S-360");
        let mut shown = BTreeSet::new();
        keys(&toml::Value::Table(text.parse().unwrap()), &mut shown);
        let missing: Vec<_> = wanted.iter().filter(|key| !shown.contains(**key)).collect();
        assert!(missing.is_empty(), "{heading} does not show {missing:?}");
        if heading != "the Connector" {
            assert!(inflow.iter().all(|key| shown.contains(*key)), "{heading}");
        }
    }
    // As they stand they are one file, in which none of them is in force.
    assert!(Config::parse(include_str!("../../../docs/tandem.example.toml"), Path::new("x")).unwrap().ivvy().is_some());
}
