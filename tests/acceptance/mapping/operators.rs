//! What operators are told of maps: refusals, exit codes, what vanished, and a restart with a file that says otherwise.

use std::sync::Arc;

use tandem::error::ErrorKind;
use tandem::model::{AuditEvent, CustomField, CustomKind, FieldMap, MappedField};
use tandem::seam::SystemClock;
use tandem::store::Note;
use tandem::wire::{MapChange, MapVerb, Request};

use super::{CONTACTS, Mapping, diet};
use crate::world::operator;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_mapped_is_refused_and_what_vanished_is_told_v19() {
    let mapping = Mapping::begin().await;
    let world = &mapping.world;
    let refused = async |field: CustomField| mapping.change(0, MapVerb::Add(field)).await.unwrap_err();
    let list = refused(CustomField { kind: CustomKind::Int, ivvy: 103, name: "n".to_owned(), ..diet() }).await;
    assert!(list.kind == ErrorKind::Refused, "103 is mapped in the configuration: {list:?}");
    let vanished = refused(CustomField { ivvy: 999, ..diet() }).await;
    assert!(vanished.message.contains("iVvy has no field 999"), "{vanished:?}");
    let injected = refused(CustomField { crm: "Diet__c FROM User".to_owned(), ..diet() }).await;
    assert_eq!(injected.kind, ErrorKind::Refused);
    let configured = mapping.change(0, MapVerb::Remove("f103".to_owned())).await.unwrap_err();
    assert!(configured.message.contains("comes from the configuration"), "{configured:?}");
    let long = refused(CustomField { title: Some("x".repeat(121)), ..diet() }).await;
    assert!(long.message.contains("title has 121 characters"), "{long:?}");
    let verb = MapVerb::Add(diet());
    let wordy = MapChange { module: CONTACTS, expect: 0, verb, dry_run: false, reason: Some("x".repeat(1_001)) };
    let wordy = mapping.client.call(Request::MapChange(wordy)).await.unwrap_err().error;
    assert_eq!((wordy.kind, wordy.message.contains("1001 characters")), (ErrorKind::Refused, true), "{wordy:?}");
    assert_eq!(mapping.show().await.version, 0, "nothing was stored");

    // A field that was there when it was mapped, and is gone since.
    let map = FieldMap {
        version: 1,
        fields: vec![MappedField { field: CustomField { ivvy: 999, ..diet() }, since: 1 }],
        what: "mapped".to_owned(),
        reason: None,
        by: operator("ada"),
        at: world.engine.now(),
    };
    let what = AuditEvent::Mapped { version: 1, what: "mapped".to_owned(), reason: None };
    let note = Note { at: map.at, actor: operator("ada"), module: None, item: None, link: None, what };
    let stored = move |tx: &mut tandem::store::Tx<'_>| tx.append_field_map(CONTACTS, &map, note.clone()).map(drop);
    world.engine.store().write(stored).await.unwrap();
    let view = mapping.show().await;
    let line = view.mapped.iter().find(|line| line.field.name == "diet").unwrap();
    assert!(line.findings.iter().any(|finding| finding.fault && finding.text.contains("999")), "{line:?}");
    let row = mapping.check().await.into_iter().find(|row| row.what == "map of contacts: diet").expect("a row");
    assert!(!row.ok && row.found.contains("999") && row.hint.is_some(), "{row:?}");
    mapping.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_maps_and_its_exit_codes_are_the_documented_ones_v19() {
    let mapping = Mapping::begin().await;
    let world = &mapping.world;
    let text = |code: i32, args: &[&str]| -> String {
        let output = mapping.daemon.run(args);
        let all = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{args:?}: {all}");
        all
    };
    let shown = text(0, &["map", "contacts"]);
    assert!(
        shown.contains("configuration") && shown.contains("tandem map add contacts --ivvy 101 --crm Diet__c"),
        "{shown}"
    );
    let add = ["map", "add", "contacts", "--ivvy", "101", "--crm", "Diet__c"];
    let only_checked = text(0, &[&add[..], &["--dry-run"]].concat());
    assert!(only_checked.contains("nothing was changed"), "{only_checked}");
    let mapped = text(0, &[&add[..], &["--reason", "the kitchen asked"]].concat());
    assert!(
        mapped.contains("are not touched") && mapped.contains("tandem map resync contacts dietary_needs"),
        "{mapped}"
    );
    world.until("in force", async || world.engine.map_in_force(CONTACTS) == 1).await;
    let line = text(0, &["--json", "map", "show", "contacts"]);
    let view: serde_json::Value = serde_json::from_str(line.trim()).unwrap();
    let field = view["mapped"].as_array().unwrap().iter().find(|field| field["name"] == "dietary_needs").unwrap();
    // Text on one side, a list on the other: the stricter of the two, both ways.
    assert_eq!((&field["kind"], &field["flow"], &field["origin"]), (&"choice".into(), &"both".into(), &"store".into()));
    let upper =
        ["map", "change", "contacts", "--ivvy", "101", "--crm", "Diet__c", "--kind", "text", "--transform", "upper"];
    let late = text(5, &[&upper[..], &["--version", "0"]].concat());
    assert!(late.contains("moved on") && late.contains(&mapping.client.hello().operator), "{late}");
    text(0, &upper);
    // What a change is not told stays as it was.
    text(0, &["map", "change", "contacts", "--ivvy", "101", "--crm", "Diet__c", "--title", "Meals"]);
    let line = text(0, &["--json", "map", "show", "contacts"]);
    let view: serde_json::Value = serde_json::from_str(line.trim()).unwrap();
    let field = view["mapped"].as_array().unwrap().iter().find(|field| field["name"] == "dietary_needs").unwrap();
    assert_eq!(
        (&field["title"], &field["kind"], &field["transform"]),
        (&"Meals".into(), &"text".into(), &"upper".into())
    );
    text(1, &["map", "add", "contacts", "--ivvy", "104", "--crm", "Fax"]);
    text(2, &["map", "add", "contacts", "--ivvy", "101", "--crm", "Fax", "--kind", "int", "--default", "many"]);
    let history = text(0, &["map", "history", "contacts"]);
    assert!(history.contains("the kitchen asked") && history.contains("otherwise than before"), "{history}");
    let nothing = text(0, &["map", "resync", "contacts", "dietary_needs", "--dry-run"]);
    assert!(nothing.contains("nothing"), "{nothing}");
    text(0, &["map", "remove", "contacts", "dietary_needs"]);
    text(1, &["map", "remove", "contacts", "dietary_needs"]);
    mapping.end().await;
}

#[tokio::test]
async fn a_map_is_there_after_a_restart_and_a_field_of_the_file_as_well_is_a_clear_error_v19() {
    let place = tempfile::tempdir().unwrap();
    let configure = |fields: &str| {
        let text = format!(
            "version = 1\naccount = \"kept\"\ndata_dir = \"{0}\"\nsocket = \"{0}/tandem.sock\"\n\
             [ivvy]\nurl = \"http://127.0.0.1:1\"\nkey = \"k\"\nsecret = {{ env = \"NONE\" }}\n\
             [crm]\nkind = \"salesforce\"\nurl = \"http://127.0.0.1:1\"\nclient_id = \"c\"\nsecret = {{ env = \"NONE\" }}\n\
             [modules.contacts]\nenabled = true\n{fields}",
            place.path().display()
        );
        tandem::config::Config::parse(&text, &place.path().join("tandem.toml")).unwrap()
    };
    let open = |config: &tandem::config::Config| {
        let secret = || secrecy::SecretString::from("x".to_owned());
        let secrets = tandem::config::Secrets::default().with("ivvy.secret", secret()).with("crm.secret", secret());
        let clock: Arc<dyn tandem::seam::Clock> = Arc::new(SystemClock);
        tandem::daemon::account::Account::open(config, secrets, &clock, &tandem::seam::Entropy::seeded(1))
    };
    let names = |account: &tandem::daemon::account::Account| -> Vec<String> {
        let modules = account.engine.modules();
        let def = modules.into_iter().find(|def| def.id == CONTACTS).unwrap();
        def.fields.into_iter().map(|field| field.name.into_owned()).filter(|name| name.starts_with("custom.")).collect()
    };
    let diets = "[[modules.contacts.fields]]\nname = \"food\"\nkind = \"text\"\nivvy = 101\ncrm = \"Food__c\"\n";
    let other = diets.replace("101", "102");
    let account = open(&configure(&other)).unwrap();
    let before = account.engine.modules();
    let map = FieldMap {
        version: 1,
        fields: vec![MappedField { field: diet(), since: 1 }],
        what: "mapped".to_owned(),
        reason: None,
        by: operator("ada"),
        at: account.engine.now(),
    };
    let what = AuditEvent::Mapped { version: 1, what: "mapped".to_owned(), reason: None };
    let note = Note { at: map.at, actor: operator("ada"), module: None, item: None, link: None, what };
    let stored = move |tx: &mut tandem::store::Tx<'_>| tx.append_field_map(CONTACTS, &map, note.clone()).map(drop);
    account.engine.store().write(stored).await.unwrap();
    drop(account);
    let account = open(&configure(&other)).unwrap();
    assert_eq!(names(&account), ["custom.102", "custom.101"], "the file's first, the store's after them");
    let after = account.engine.modules();
    let versions =
        |modules: &[tandem::model::ModuleDef]| modules.iter().map(|def| def.mapping_version).collect::<Vec<_>>();
    assert_ne!(versions(&before), versions(&after), "plans of before are made anew");
    drop(account);
    let twice = open(&configure(diets)).unwrap_err();
    assert!(
        twice.message.contains("iVvy's field 101 is used twice") && twice.message.contains("in the store"),
        "{twice:?}"
    );
}
