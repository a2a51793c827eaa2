//! What the configuration accepts, and how it refuses the rest.

use super::*;
use crate::model::FieldKind;
use crate::model::Transform;
use crate::model::module::GROUPS;

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
        "groups",
        "mirror_group_removals",
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
        "venues",
        "only",
        "crm_fields",
        "currency",
        "stages",
        "confidential",
        "email_opt_out",
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
    assert_eq!(config.second_person, SecondPerson::default());
    assert_eq!(config.default_role, None);
    assert_eq!(config.guard.emptied, Limit { count: 20, per_mille: 5 });
}

#[test]
fn every_module_but_contacts_is_off_unless_told_v03_v40_v50_v80() {
    let on = |text: &str| {
        let config = parse(text).unwrap();
        ModuleId::ALL.into_iter().filter(|module| config.modules.enabled(*module)).collect::<Vec<_>>()
    };
    assert_eq!(on(GOOD), [ModuleId::Contacts]);
    assert_eq!(parse(GOOD).unwrap().catalogue().len(), 1, "nothing else is read or written at all");
    for module in ModuleId::ALL.into_iter().filter(|module| module.follows().is_none()) {
        // A section that says something else than `enabled` switches nothing on.
        let section = format!("{GOOD}\n[modules.{module}]\ndrift = \"ignore\"\n");
        assert_eq!(on(&section), [ModuleId::Contacts], "{module}");
        let off = format!("{GOOD}\n[modules.{module}]\nenabled = false\n");
        assert!(!on(&off).contains(&module), "{module}");
    }
}

#[test]
fn attendees_have_no_switch_of_their_own_v61() {
    for events in ["", "\n[modules.events]\nenabled = true\n"] {
        for own in ["true", "false"] {
            let (message, hint) = refused(&format!("{GOOD}{events}\n[modules.attendees]\nenabled = {own}\n"));
            assert!(message.contains("attendees is part of events and has no switch of its own"), "{message}");
            assert!(hint.contains("remove the key"), "{hint}");
        }
    }
    let config = parse(&format!("{GOOD}\n[modules.events]\nenabled = true\n")).unwrap();
    assert!(config.modules.enabled(ModuleId::Attendees));
    let config = parse(&format!("{GOOD}\n[modules.events]\nenabled = false\n")).unwrap();
    assert!(!config.modules.enabled(ModuleId::Attendees));
}

#[test]
fn a_module_may_begin_at_a_date_of_its_own_v03() {
    let text = "\n[sync]\nfirst_sync = \"2026-01-01\"\n[modules.events]\nfirst_sync = \"2026-05-01\"\n";
    let config = parse(&format!("{GOOD}{text}")).unwrap();
    let settings = crate::daemon::account::engine_settings(&config);
    let day = |text: &str| Some(parse_day(text).unwrap());
    assert_eq!(settings.first_sync(ModuleId::Contacts), day("2026-01-01"));
    assert_eq!(settings.first_sync(ModuleId::Events), day("2026-05-01"));
    assert_eq!(settings.first_sync(ModuleId::Attendees), day("2026-05-01"), "part of Events");
    let (message, _) = refused(&format!("{GOOD}\n[modules.events]\nfirst_sync = \"May\"\n"));
    assert!(message.contains("not a date like"), "{message}");
}

#[test]
fn keys_of_single_modules_mean_nothing_elsewhere_v41_v47_v84() {
    let with = |module: &str, line: &str| format!("{GOOD}\n[modules.{module}]\n{line}\n");
    for (module, line, expected) in [
        ("quotes_and_bookings", "currency = \"AUD\"", "currency means nothing here"),
        ("registrations", "currency = \"dollars\"", "`dollars` is not a currency code"),
        ("registrations", "confidential = \"mask\"", "confidential means nothing here"),
        ("quotes_and_bookings", "confidential = \"hide\"", "unknown value `hide`"),
        ("quotes_and_bookings", "confidential = \"mask\"\nonly = { confidential = [] }", "say the same thing"),
        ("events", "stages = { launched = \"won\" }", "stages means nothing here"),
        ("registrations", "stages = { cancelled = \"gone\" }", "`gone` is not a stage"),
    ] {
        let (message, _) = refused(&with(module, line));
        assert!(message.contains(expected), "{message}");
    }
    let def = |line: &str| {
        let config = parse(&with("quotes_and_bookings", &format!("enabled = true\n{line}"))).unwrap();
        let catalogue = config.catalogue();
        catalogue.into_iter().find(|def| def.id == ModuleId::QuotesAndBookings).unwrap()
    };
    assert!(
        def("").only.contains_key("confidential") && def("confidential = \"skip\"").only.contains_key("confidential")
    );
    assert!(!def("confidential = \"mask\"").only.contains_key("confidential"));
    // A field that somebody has to ask for is not in the catalogue until then.
    let opt_out = |line: &str| {
        let contacts = parse(&with("contacts", line)).unwrap().catalogue().remove(0);
        contacts.field(crate::model::module::EMAIL_OPT_OUT).is_some()
    };
    assert!(!opt_out("enabled = true") && opt_out("crm_fields = { email_opt_out = \"x_opt_out\" }"));
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
    assert_eq!((config.ivvy().unwrap().daily_calls, config.crm.daily_calls), (None, None));
    let limited = |ivvy: &str, crm: &str| {
        let limits = [("[ivvy]\n", ivvy), ("[crm]\n", crm)];
        limits.iter().fold(GOOD.to_owned(), |text, (head, line)| text.replace(head, &format!("{head}{line}\n")))
    };
    let config = parse(&limited("daily_calls = 50_000", "daily_calls = 100")).unwrap();
    assert_eq!((config.ivvy().unwrap().daily_calls, config.crm.daily_calls), (Some(50_000), Some(100)));
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
fn subscription_groups_are_off_unless_named_and_then_a_field_of_contacts_v18() {
    let contacts = |text: &str| parse(text).unwrap().catalogue().into_iter().find(|def| def.id == ModuleId::Contacts);
    assert!(contacts(GOOD).unwrap().field(GROUPS).is_none(), "an optional sub-feature");
    let named = format!("{GOOD}\n[modules.contacts.groups]\n11 = \"Newsletter\"\n\"12\" = \" VIP \"\n");
    let def = contacts(&named).unwrap();
    let field = def.field(GROUPS).unwrap();
    assert_eq!((field.kind, field.membership), (FieldKind::Choices, Some(Membership { mirror_removals: false })));
    assert_ne!(def.mapping_version, ModuleId::Contacts.def().mapping_version);
    let names: Vec<_> = parse(&named).unwrap().modules.of(ModuleId::Contacts).groups.clone().into_iter().collect();
    assert_eq!(names, [(11, "Newsletter".to_owned()), (12, "VIP".to_owned())]);
    let mirrored = named.replace("[modules.contacts.groups]", "[modules.contacts]\nmirror_group_removals = true\n$&");
    let mirrored = mirrored.replace("$&", "[modules.contacts.groups]");
    assert!(contacts(&mirrored).unwrap().field(GROUPS).unwrap().membership.unwrap().mirror_removals);

    let salesforce = GOOD
        .replace("kind = \"odoo\"", "kind = \"salesforce\"")
        .replace("database = \"prod\"", "client_id = \"c\"")
        .replace("key = { env", "secret = { env");
    let field = "\n[modules.contacts.crm_fields]\ngroups = \"Groups__c\"\n";
    let news = "\n[modules.contacts.groups]\n11 = \"News\"\n";
    assert!(parse(&format!("{salesforce}{news}{field}")).is_ok());
    for (text, expected) in [
        (format!("{GOOD}\n[modules.contacts.groups]\nnews = \"News\"\n"), "`news` is not the number"),
        (format!("{GOOD}\n[modules.contacts.groups]\n11 = \"\"\n"), "cannot be the name of group 11"),
        (format!("{GOOD}{news}12 = \"news\"\n"), "is the name of two groups"),
        (format!("{GOOD}\n[modules.companies.groups]\n11 = \"News\"\n"), "only contacts are in subscription groups"),
        (format!("{GOOD}\n[modules.contacts]\nmirror_group_removals = true\n"), "no group is kept in step"),
        (format!("{salesforce}{field}"), "no group is kept in step"),
        (format!("{salesforce}{news}"), "Salesforce has no field"),
        (format!("{salesforce}{field}\n[modules.contacts.groups]\n11 = \"a;b\"\n"), "cannot be the name of group 11"),
    ] {
        let (message, _) = refused(&text);
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

const LEADS: &str = "\n[modules.leads]\nenabled = true\n";
const LEAD_DEFAULTS: &str = "\n[ivvy.leads]\nsource = 2\ntype = 1\nstage = 1\n";

#[test]
fn leads_need_to_know_what_ivvy_asks_of_a_new_one_c24() {
    let (message, hint) = refused(&format!("{GOOD}{LEADS}"));
    assert!(message.contains("modules.leads is enabled") && hint.contains("[ivvy.leads]"), "{message} {hint}");
    assert!(parse(&format!("{GOOD}{LEADS}{LEAD_DEFAULTS}")).is_ok());
    let (message, _) = refused(&format!("{GOOD}{LEADS}\n[ivvy.leads]\ntype = 1\nstage = 1\n"));
    assert!(message.contains("source"), "{message}");
}

#[test]
fn owner_and_source_of_leads_can_be_left_out_and_only_theirs_c07() {
    let fields = |switches: &str| {
        let config = parse(&format!("{GOOD}{LEADS}{switches}{LEAD_DEFAULTS}")).unwrap();
        let leads = config.catalogue().into_iter().find(|def| def.id == ModuleId::Leads).unwrap();
        (leads.field("owner").is_some(), leads.field("source").is_some(), config.modules.left_out().len())
    };
    assert_eq!(fields(""), (true, true, 0));
    assert_eq!(fields("owner = false\n"), (false, true, 1));
    assert_eq!(fields("owner = true\nsource = false\n"), (true, false, 1));
    let (message, _) = refused(&format!("{GOOD}\n[modules.events]\nowner = false\n"));
    assert!(message.contains("modules.events.owner"), "{message}");
    let owned = format!("{LEAD_DEFAULTS}owner = 301\n");
    let (message, _) = refused(&format!("{GOOD}{LEADS}owner = false\n{owned}"));
    assert!(message.contains("names an owner"), "{message}");
}

#[test]
fn owners_of_leads_in_turn_are_several_and_exclude_the_one_for_all_c14() {
    let with = |keys: &str| format!("{GOOD}{LEADS}{LEAD_DEFAULTS}{keys}");
    let config = parse(&with("owners = [301, 302]\nowner_by_source = { \"12\" = 303 }\n")).unwrap();
    assert_eq!(config.ivvy().unwrap().leads.as_ref().unwrap().owners, [301, 302]);
    let (message, hint) = refused(&with("owner = 301\nowners = [302]\n"));
    assert!(message.contains("both owner and owners") && hint.contains("in turn"), "{message} {hint}");
    let (message, _) = refused(&with("owners = [301, 302, 301]\n"));
    assert!(message.contains("301 twice"), "{message}");
    let (message, _) = refused(&with("owners = [\"Ann\"]\n"));
    assert!(message.contains("owners") || message.contains("string"), "{message}");
    let (message, _) = refused(&format!("{GOOD}{LEADS}owner = false\n{LEAD_DEFAULTS}owners = [301]\n"));
    assert!(message.contains("names an owner"), "{message}");
}

#[test]
fn the_match_tables_have_a_schedule_and_a_switch() {
    let matching = |section: &str| parse(&format!("{GOOD}{section}")).unwrap().matching;
    assert_eq!(matching(""), Matching { interval: Duration::from_secs(3600), create_lead_sources: true });
    let set = matching("\n[matching]\ninterval = \"15m\"\ncreate_lead_sources = false\n");
    assert_eq!(set, Matching { interval: Duration::from_secs(900), create_lead_sources: false });
    let (message, _) = refused(&format!("{GOOD}\n[matching]\ninterval = \"5s\"\n"));
    assert!(message.contains("matching.interval"), "{message}");
    let (message, _) = refused(&format!("{GOOD}{LEAD_DEFAULTS}owner_by_source = {{ web = 3 }}\n"));
    assert!(message.contains("`web` is not the id"), "{message}");
}

#[test]
fn a_connector_is_confined_to_the_direction_and_says_what_was_agreed_c04_c05() {
    let config = |direction: &str| {
        let start = GOOD.find("[crm]").unwrap();
        let end = GOOD[start + 1..].find("\n[").map_or(GOOD.len(), |end| start + 1 + end);
        let facade =
            if direction == "send" { "" } else { "[crm.facade]\nauth = { kind = \"none\", unprotected = true }\n" };
        let inbound = if direction == "send" { "" } else { "[inbound]\nlisten = \"127.0.0.1:0\"\n" };
        let crm = format!(
            "[crm]\nkind = \"connector\"\nurl = \"https://hub.example\"\nprovider = \"P\"\nclient = \"C\"\nclub = \"1\"\n\
             [crm.profile]\nagreed_by = \"Ada\"\nagreed_on = \"2026-01-31\"\ndirection = \"{direction}\"\n\
             entities = [\"prospects\", \"members\"]\nowner = true\nsource = false\n{facade}{inbound}"
        );
        parse(&format!("{}{crm}{}", &GOOD[..start], &GOOD[end..])).unwrap()
    };
    let contacts =
        |direction: &str| config(direction).catalogue().into_iter().find(|def| def.id == ModuleId::Contacts).unwrap();
    for (direction, flow) in [("receive", Flow::ToIvvy), ("send", Flow::ToCrm), ("both", Flow::Both)] {
        let def = contacts(direction);
        assert_eq!((def.flow, def.field("email").unwrap().flow), (flow, flow), "{direction}");
        assert_eq!(def.field("external_id").is_some(), direction != "send", "{direction}");
    }
    let CrmSystem::Connector(connector) = config("send").crm.system else { panic!("a connector") };
    let lines = connector.profile.lines();
    assert_eq!(lines[..2], ["agreed by Ada on 2026-01-31", "direction: send"]);
    assert!(lines[3].contains("go without an owner") && lines[4].starts_with("lead source: no"), "{lines:?}");
}
