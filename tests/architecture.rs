//! The shape of the source tree, enforced: which layer may use which, which crate is used where, and
//! a few habits. `docs/ARCHITECTURE.md` says why; this file says what, and fails when it stops being so.
//!
//! Test code is exempt from the layers (a test may look at anything), not from the rest.

mod rust_source;

use rust_source::{Named, Source, read_tree};

/// What each layer's production code may use of this package, besides itself. A name with `::` allows
/// only that part. Rows are in order: a layer is allowed nothing that stands below it.
const LAYERS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("text", &["model"]),
    ("merge", &["model", "text"]),
    ("error", &["model"]),
    ("seam", &["model"]),
    ("store", &["model", "error", "seam"]),
    ("remote", &["model", "text", "error", "seam"]),
    ("sync", &["model", "text", "merge", "error", "seam", "store", "remote"]),
    // Listens, puts what came on the shelf, and tells the engine where to look. It calls nobody but for keys, hence
    // only the transport; of the adapters of S-360 and the Connector it shares how a posted record is read and told, and no more.
    ("inbound", &["model", "error", "seam", "store", "remote::transport", "remote::s360", "remote::connector", "sync"]),
    ("wire", &["model", "error"]),
    ("config", &["model", "text", "error"]),
    ("client", &["model", "error", "seam", "wire"]),
    // Puts an account together, hence everything down to the adapters; but no pixel and no command line.
    (
        "daemon",
        &["model", "text", "merge", "error", "seam", "store", "remote", "sync", "inbound", "wire", "config", "client"],
    ),
    // Simulated remotes are judged by outsiders: knowing the engine would let them agree with its mistakes.
    ("sim", &["model", "error", "seam", "remote::transport"]),
    ("tui", &["model", "text", "merge::explain", "error", "seam", "wire", "client"]),
    ("cli", &["model", "text", "merge::explain", "error", "seam", "wire", "config", "client"]),
];

/// Layers that put the others together and may use all of them.
const ASSEMBLY: &[&str] = &["app", "main", "lib"];

/// Where each dependency may be used. A dependency without a row fails the test: adding a crate means
/// deciding where it belongs.
const CRATES: &[(&str, &[&str])] = &[
    // Vocabulary: no I/O, no opinion about who uses it.
    ("bytes", ANYWHERE),
    ("chrono", ANYWHERE),
    ("data_encoding", ANYWHERE),
    ("serde", ANYWHERE),
    ("serde_json", ANYWHERE),
    ("strum", ANYWHERE),
    ("thiserror", ANYWHERE),
    ("url", ANYWHERE),
    // Asynchrony and logs: everywhere that acts, hence not in the pure layers.
    ("futures", ACTING),
    ("tokio", ACTING),
    ("tokio_util", ACTING),
    ("tracing", ACTING),
    // The terminal.
    ("crossterm", &["tui"]),
    ("nucleo_matcher", &["tui"]),
    ("ratatui", &["tui"]),
    ("tui_textarea", &["tui"]),
    ("html2text", &["text"]),
    ("similar", &["text"]),
    ("unicode_normalization", &["text", "merge"]),
    ("unicode_segmentation", &["text"]),
    ("unicode_width", &["text", "cli"]),
    // The disk.
    ("redb", &["store"]),
    // HTTP, outgoing.
    ("reqwest", &["remote"]),
    ("rustls", &["remote", "inbound"]),
    // HTTP, incoming: notifications, and the simulated remotes, for themselves or for the demo.
    ("axum", &["inbound", "sim", "app"]),
    ("tower", &["sim"]),
    ("http", &["remote", "inbound", "sim"]),
    ("httpdate", &["remote", "sim"]),
    ("subtle", &["inbound", "sim"]),
    // XML is the Connector's; the simulated one has its own reader and writer, apart from any adapter's.
    ("quick_xml", &["remote", "sim"]),
    // Digests: signing (remote, and sim to check it), fingerprints, the audit chain.
    ("hmac", &["remote", "sim"]),
    ("md5", &["remote", "sim"]),
    ("sha1", &["remote", "inbound", "sim"]),
    // RSA: notifications are signed with it; only the simulator holds a private key.
    ("ring", &["inbound"]),
    ("webpki", &["inbound"]),
    ("rsa", &["sim"]),
    ("sha2", &["model", "store", "inbound", "config", "remote", "sim"]),
    ("secrecy", &["config", "remote", "inbound", "daemon", "sim", "app"]),
    // The machine: file modes, signals to oneself, user names.
    ("rustix", &["store", "config", "daemon", "tui", "cli"]),
    ("uzers", &["config", "daemon"]),
    ("sd_notify", &["daemon"]),
    ("rand", &["seam"]),
    // Where a day begins, by the name of the zone (S-29).
    ("chrono_tz", &["seam"]),
    // The command line and its configuration.
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("etcetera", &["config"]),
    ("strsim", &["merge", "config", "cli"]),
    ("toml", &["config", "cli", "tui", "app"]),
    ("tracing_subscriber", &["cli"]),
];

const ANYWHERE: &[&str] = &["*"];
const ACTING: &[&str] =
    &["seam", "store", "remote", "sync", "inbound", "wire", "client", "daemon", "sim", "tui", "cli"];

/// Single items of a crate used outside its place, with the reason.
const CRATE_EXCEPTIONS: &[(&str, &str)] = &[
    // How wide a table may be. Nothing else of the terminal.
    ("crossterm::terminal::size", "src/cli/output.rs"),
];

/// Crates used by test code outside their place, with the reason.
const CRATES_IN_TESTS: &[(&str, &str)] = &[
    // The simulated disk implements redb's storage backend.
    ("redb", "src/sync/simulation/disk.rs"),
    // A store in memory, without a thread that paused time would run ahead of.
    ("redb", "src/inbound/s360/mod.rs"),
    // A store in memory, for what is one transaction's business.
    ("redb", "src/sync/matching/told.rs"),
    ("redb", "src/sync/nudge/tests.rs"),
    ("redb", "src/daemon/streams/tests/reading.rs"),
    // Simulated remotes behind real gates, whose calls are HTTP exchanges.
    ("http", "src/sync/simulation/lanes.rs"),
    // A receiver of what is posted, behind the transport's seam.
    ("http", "src/daemon/push/tests.rs"),
];

/// Endings of paths that ask the machine for the time or wait for it. They belong behind `seam::Clock`.
const TIME: &[&str] = &[
    "SystemTime::now",
    "Instant::now",
    "Utc::now",
    "Local::now",
    "time::sleep",
    "time::sleep_until",
    "time::interval",
    "time::timeout",
    "time::timeout_at",
    "thread::sleep",
];

/// Where production code may do so nevertheless, with the reason.
const TIME_ALLOWED: &[(&str, &str)] = &[
    // The seam itself.
    ("src/seam.rs", "*"),
    // After job control hands the terminal back; about this process and its shell, not about the data.
    ("src/tui/terminal.rs", "time::timeout"),
    // A caller's limit and a stopping server's grace, on tokio's timer, which a test can pause.
    ("src/sim/inprocess.rs", "time::timeout"),
    ("src/sim/server.rs", "time::timeout"),
    ("src/app/host.rs", "time::timeout"),
];

const PRINTING: &[&str] = &["print", "println", "eprint", "eprintln", "dbg"];
const NO_NAMES: &[&str] = &["util", "utils", "helper", "helpers", "common", "misc"];
const LONGEST_FILE: usize = 700;

/// Every rule, over the whole tree.
#[test]
fn the_tree_keeps_its_rules() {
    let sources = read_tree(&["src", "tests", "benches"]);
    assert!(sources.len() > 100, "only {} files found: looking in the wrong place", sources.len());
    let complaints = sources.iter().flat_map(check).collect::<Vec<_>>();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn layers_stand_in_their_order_and_only_on_what_exists() {
    let position = |name: &str| LAYERS.iter().position(|(layer, _)| name.split("::").next() == Some(layer));
    for (index, (layer, uses)) in LAYERS.iter().enumerate() {
        for used in *uses {
            let below = position(used).unwrap_or_else(|| panic!("{layer} may use {used}, which is no layer"));
            assert!(below < index, "{layer} may use {used}, which stands above it");
        }
    }
    for source in read_tree(&["src"]) {
        let layer = layer(&source.path).expect("below src");
        assert!(position(layer).is_some() || ASSEMBLY.contains(&layer), "{}: {layer} has no row", source.path);
    }
}

#[test]
fn every_dependency_has_its_place_and_every_place_its_dependency() {
    let manifest = include_str!("../Cargo.toml").parse::<toml::Table>().expect("Cargo.toml is TOML");
    let dependencies = manifest["dependencies"].as_table().expect("a table");
    let mut names = dependencies
        .iter()
        // A crate may be named otherwise than its package.
        .map(|(name, _)| if name == "md-5" { "md5".to_owned() } else { name.replace('-', "_") })
        .collect::<Vec<_>>();
    names.sort();
    let mut placed = CRATES.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>();
    placed.sort();
    assert_eq!(placed, names);
}

/// Where an amount passes on its way from a payload to a CRM.
const MONEY: &[&str] = &[
    "src/inbound/",
    "src/remote/s360/",
    "src/remote/connector/",
    "src/remote/extcrm/",
    "src/remote/push/",
    "src/remote/salesforce/",
    "src/remote/odoo/",
    "src/remote/shelf.rs",
    "src/remote/port.rs",
    "src/model/",
    "src/merge/canonical.rs",
    "src/merge/compare.rs",
    "src/merge/plan.rs",
    "src/merge/transform.rs",
    "src/store/",
    "src/sync/",
];

/// Where a fraction type may stand on that way, with the reason.
const FRACTIONS: &[(&str, &str)] = &[
    // JSON knows no other numbers than doubles. Both refuse what a double does not hold to the last digit:
    // `words_without_a_value_are_refused_not_guessed`, `money_survives_to_the_cent`.
    ("src/remote/salesforce/shape.rs", "Amount"),
    // `an_amount_that_would_lose_a_digit_is_refused_s25`, `money_keeps_its_cents`.
    ("src/remote/odoo/values.rs", "expected_revenue"),
    ("src/remote/odoo/cell.rs", "expected_revenue"),
    // How alike two names are, between 0 and 1.
    ("src/sync/matching/operate.rs", "likeness"),
];

#[test]
fn money_never_meets_a_float_s25() {
    const WORDS: &[&str] = &["f32", "f64", "as_f64", "from_f64"];
    let sources = read_tree(&["src"]);
    let on_the_way = || sources.iter().filter(|source| MONEY.iter().any(|place| source.path.starts_with(place)));
    assert!(on_the_way().count() > 100, "looking in the wrong place");
    let floats = |source: &Source| {
        let path = source.path.clone();
        source.spells(WORDS).map(move |(word, line)| format!("{path}:{line}: `{word}`")).collect::<Vec<_>>()
    };
    let allowed = |source: &&Source| FRACTIONS.iter().any(|(path, _)| *path == source.path);
    let complaints: Vec<String> = on_the_way().filter(|source| !allowed(source)).flat_map(floats).collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
    for (path, _) in FRACTIONS {
        let source = sources.iter().find(|source| source.path == *path);
        assert!(source.is_some_and(|source| !floats(source).is_empty()), "{path} needs no exception any more");
    }
}

/// Everything that is wrong with one file, each with its line.
fn check(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut complain = |line: usize, what: String| complaints.push(format!("{}:{line}: {what}", source.path));
    let stems = source.path.trim_end_matches(".rs").split('/');
    for stem in stems.filter(|stem| NO_NAMES.contains(stem)) {
        complain(1, format!("`{stem}` says nothing about what it holds"));
    }
    if source.lines > LONGEST_FILE {
        complain(LONGEST_FILE, format!("{} lines; split it by responsibility (at most {LONGEST_FILE})", source.lines));
    }
    if !source.has_head {
        complain(1, "no module head (`//!`) that says what it is and what it refuses to do".to_owned());
    }
    let Some(layer) = layer(&source.path) else { return complaints };
    for path in source.paths() {
        if let Some(what) = misplaced(layer, &path).filter(|_| !path.test) {
            complain(path.line, what);
        }
        if let Some(what) = misused(layer, &source.path, &path) {
            complain(path.line, what);
        }
        if let Some(what) = untimely(&source.path, &path) {
            complain(path.line, what);
        }
    }
    for (name, line, test) in source.macros() {
        if PRINTING.contains(&name) && !test && !["cli", "app"].contains(&layer) {
            complain(line, format!("`{name}!` in {layer}: only the command line prints"));
        }
    }
    complaints
}

/// `store` for `src/store/audit.rs`, `seam` for `src/seam.rs`, nothing outside `src`.
fn layer(path: &str) -> Option<&str> {
    let below = path.strip_prefix("src/")?;
    Some(below.split('/').next()?.trim_end_matches(".rs"))
}

/// A path into another layer that this one must not know.
fn misplaced(layer: &str, path: &Named) -> Option<String> {
    let [root, part, rest @ ..] = &path.segments[..] else { return None };
    if !["crate", "tandem"].contains(&root.as_str()) || ASSEMBLY.contains(&layer) || part == layer {
        return None;
    }
    let (_, uses) = LAYERS.iter().find(|(name, _)| *name == layer)?;
    let deeper = rest.first().map(|next| format!("{part}::{next}"));
    let allowed = uses.iter().any(|used| used == part || Some(*used) == deeper.as_deref());
    (!allowed).then(|| format!("{layer} must not know `{}`", path.segments.join("::")))
}

/// A crate used outside its place.
fn misused(layer: &str, file: &str, path: &Named) -> Option<String> {
    let name = path.segments.first()?;
    let (_, places) = CRATES.iter().find(|(known, _)| known == name)?;
    let allowed = *places == ANYWHERE
        || places.contains(&layer)
        || ASSEMBLY.contains(&layer) && *places == ACTING
        // Modules may bear a crate's name; inside their parent that name is theirs.
        || (layer == "remote" && name == "http")
        || CRATE_EXCEPTIONS.contains(&(path.segments.join("::").as_str(), file))
        || path.test && (*places == ACTING || CRATES_IN_TESTS.contains(&(name.as_str(), file)));
    (!allowed).then(|| format!("the crate `{name}` has no business in {layer}"))
}

/// Asking for the time, or waiting, past the seam. Tests may wait on a paused clock.
fn untimely(file: &str, path: &Named) -> Option<String> {
    let spelled = path.segments.join("::");
    let what = TIME.iter().find(|ending| spelled == **ending || spelled.ends_with(&format!("::{ending}")))?;
    let allowed =
        path.test || TIME_ALLOWED.iter().any(|(allowed, call)| *allowed == file && (*call == "*" || call == what));
    (!allowed).then(|| format!("`{what}` past `seam::Clock`"))
}

/// The rules themselves, on small snippets: each must catch what it is there for, and nothing else.
mod rules {
    use super::rust_source::mark_test_files;
    use super::{Source, check};

    fn complaints(path: &str, text: &str) -> Vec<String> {
        check(&Source::parse(path, &format!("//! Head.\n{text}")))
    }

    #[track_caller]
    fn caught(path: &str, text: &str, what: &str) {
        let found = complaints(path, text);
        assert!(!found.is_empty() && found.iter().all(|one| one.contains(what)), "{text}\n{found:#?}");
    }

    #[track_caller]
    fn clean(path: &str, text: &str) {
        assert_eq!(complaints(path, text), Vec::<String>::new(), "{text}");
    }

    #[test]
    fn a_layer_that_reaches_up_is_caught_however_it_is_written() {
        caught("src/model/item.rs", "use crate::store::Store;", "model must not know `crate::store::Store`");
        caught("src/store/tx.rs", "fn f() -> crate::wire::Row { todo() }", ":2: store must not know");
        caught("src/sync/push.rs", "use crate::{model::Item, tui};", "`crate::tui`");
        caught(
            "src/sync/push.rs",
            "use crate::{\n    model::{Item, Side},\n    daemon::{self, Daemon as D},\n};",
            "sync",
        );
        caught("src/tui/app/mod.rs", "use crate::merge::compare::Verdict;", "tui must not know");
        caught("src/sim/odoo.rs", "use crate::remote::port::Page;", "sim must not know");
        caught("src/cli/mod.rs", "use tandem::tui::run;", "cli must not know");
        caught("src/wire/mod.rs", "pub use crate::sync::Engine as E;", "wire must not know");
    }

    #[test]
    fn what_is_allowed_stays_quiet() {
        clean("src/sync/push.rs", "use crate::{merge, model::{self, Item}, store::*};");
        clean("src/tui/app/mod.rs", "use crate::merge::explain::sentence;");
        clean("src/sim/odoo.rs", "use crate::remote::transport::{Limits, Transport as _};");
        clean("src/main.rs", "use tandem::{cli, daemon, tui};");
        clean("src/app/demo.rs", "use crate::sim::Control; use crate::daemon::Daemon;");
        clean("src/text/safe.rs", "fn f(text: &str) -> Vec<char> { text.chars().collect::<Vec<_>>() }");
        clean("tests/any.rs", "use tandem::store::Store; use redb::Database;");
    }

    #[test]
    fn comments_and_literals_are_not_code() {
        clean("src/model/item.rs", "// use crate::store::Store;\n/* crate::tui::x /* redb::y */ crate::tui::x */");
        clean("src/model/item.rs", r##"const A: &str = "crate::store::Store \" crate::tui::X";"##);
        clean("src/model/item.rs", "const A: &str = r#\"say \"crate::store::S\" twice\"#;");
        clean("src/model/item.rs", "fn f<'a>(q: char) -> bool { q == '\"' || q == '\\'' } // crate::store::x \"");
        caught("src/model/item.rs", "const A: char = '\"'; use crate::store::Store; const B: char = '\"';", "store");
    }

    #[test]
    fn test_code_may_look_anywhere_and_ends_where_it_ends() {
        clean("src/model/item.rs", "#[cfg(test)]\nmod tests { use crate::store::Store; fn f() { crate::tui::x(); } }");
        clean("src/model/item.rs", "#[cfg(test)]\npub fn made<A, B>(a: A) -> crate::store::Store { x }");
        clean(
            "src/model/item.rs",
            "#[tokio::test]\nasync fn f() { crate::store::open(); tokio::time::sleep(x).await; }",
        );
        caught("src/model/item.rs", "#[cfg(test)]\nmod tests { }\nuse crate::store::Store;", "store");
        caught("src/model/item.rs", "#[cfg(test)]\nuse crate::store::Store;\nuse crate::tui::Tui;", "tui");
        caught("src/model/item.rs", "#[cfg(not(test))]\nuse crate::store::Store;", "store");
        caught("src/model/item.rs", "struct S { #[cfg(test)] a: crate::store::S, b: crate::tui::T }", "tui");
    }

    #[test]
    fn a_file_is_test_code_when_its_declaration_is() {
        let mut sources = [
            Source::parse("src/sync/mod.rs", "//! Head.\n#[cfg(test)]\nmod trial;\nmod trial_run;"),
            Source::parse("src/sync/trial.rs", "//! Head.\nuse crate::tui::A;"),
            Source::parse("src/sync/trial/disk.rs", "//! Head.\nuse crate::tui::A;"),
            Source::parse("src/sync/trial_run.rs", "//! Head.\nuse crate::tui::A;"),
        ];
        mark_test_files(&mut sources);
        let found = sources.iter().map(|source| check(source).len()).collect::<Vec<_>>();
        assert_eq!(found, [0, 0, 0, 1]);
    }

    #[test]
    fn a_crate_outside_its_place_is_caught() {
        caught("src/tui/run.rs", "use redb::Database;", "`redb` has no business in tui");
        caught("src/sync/push.rs", "fn f(c: reqwest::Client) {}", "`reqwest` has no business in sync");
        caught("src/cli/mod.rs", "use ratatui::{Frame, style::Style};", "ratatui");
        caught("src/sync/plan.rs", "fn f() { rand::random() }", "rand");
        caught("src/model/time.rs", "use tokio;", "tokio");
        caught(
            "src/cli/output.rs",
            "fn f() { crossterm::terminal::size(); crossterm::cursor::position(); }",
            "crossterm",
        );
        clean("src/cli/output.rs", "fn f() { crossterm::terminal::size(); }");
        caught("src/sync/core.rs", "#[cfg(test)]\nmod tests { use redb::Database; }", "redb");
        clean("src/store/tx.rs", "use redb::{ReadableTable as _, WriteTransaction};");
        clean("src/sim/server.rs", "use axum::Router;");
        clean("src/model/x.rs", "fn f(a: B) { a.redb::<u8>(); self::redb::x(); }");
    }

    #[test]
    fn time_past_the_seam_is_caught() {
        caught("src/sync/due.rs", "fn f() { std::time::Instant::now(); }", "`Instant::now` past");
        caught("src/sync/due.rs", "use std::time::SystemTime;\nfn f() { SystemTime::now() }", ":3: `SystemTime::now`");
        caught("src/remote/gate.rs", "use tokio::time::{self, sleep};", "`time::sleep`");
        caught("src/cli/sync.rs", "fn f() { chrono::Utc::now() }", "`Utc::now`");
        caught("src/tui/terminal.rs", "fn f() { tokio::time::sleep(x) }", "`time::sleep`");
        clean("src/sync/due.rs", "fn f(clock: &dyn Clock) { clock.now(); clock.sleep(x); Timestamp::now; }");
        clean("src/seam.rs", "fn f() { SystemTime::now() }");
    }

    #[test]
    fn printing_names_length_and_heads_are_caught() {
        caught("src/sync/push.rs", "fn f() { println!(\"x\"); }", "`println!` in sync");
        caught("src/tui/run.rs", "fn f() { dbg!(x) }", "`dbg!`");
        clean("src/cli/output.rs", "fn f() { println!(\"x\"); }");
        clean("src/tui/run.rs", "fn f() { if print != (x) {} }");
        caught("src/sync/utils.rs", "", "`utils` says nothing");
        caught("src/sync/helpers/mod.rs", "", "`helpers` says nothing");
        caught("src/sync/long.rs", &"\n".repeat(700), "701 lines");
        clean("src/sync/long.rs", &"\n".repeat(699));
        assert_eq!(check(&Source::parse("src/sync/x.rs", "use std::fmt;\n")).len(), 1);
    }
}
