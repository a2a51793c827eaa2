//! The match tables at 5,000 staff and 5,000 lead sources on each side: first listing, matching anew, pages,
//! filters, suggestions, and the console on top; each beside its floor in the same run.
//!
//! `cargo bench --bench matching` prints a table. It asserts nothing: a shared machine would make it lie.
//! `TANDEM_BENCH_ENTRIES`, `TANDEM_BENCH_LEADS` and `TANDEM_BENCH_SAMPLES` shrink it.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing is what it is for")]

#[path = "../queue/console.rs"]
#[allow(dead_code, reason = "shared with the queue's bench, which uses all of it")]
mod console;
#[path = "../queue/data.rs"]
#[allow(dead_code, reason = "shared with the queue's bench, which uses all of it")]
mod data;
#[path = "../queue/floor.rs"]
#[allow(dead_code, reason = "shared with the queue's bench, which uses all of it")]
mod floor;
#[path = "../queue/stats.rs"]
#[allow(dead_code, reason = "shared with the queue's bench, which uses all of it")]
mod stats;
mod table;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use console::{Console, Pressed};
use crossterm::event::KeyCode;
use data::mix;
use stats::{Goal, Samples, Table, sample};
use tandem::client::Client;
use tandem::config::{Config, Secrets};
use tandem::daemon::account::Account;
use tandem::daemon::service::AccountService;
use tandem::daemon::{self, DaemonHandle, Limits, Options, Roster};
use tandem::merge::people;
use tandem::model::{MatchKind, MatchState, RecordId, Side};
use tandem::seam::{Clock, Entropy, SystemClock};
use tandem::store::{self, MatchFilter, Reads as _, Store};
use tandem::wire::{Answer, MatchEntry, MatchPage, MatchQuery, Request};
use tokio_util::sync::CancellationToken;

/// Result of anything here.
pub type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What an operator takes for "at once".
const BUDGET: Goal = Goal::P99(Duration::from_millis(50));
/// A listing comes every hour; nobody waits for it, but other writes do.
const HOURLY: Goal = Goal::P99(Duration::from_secs(1));
const PAGE: u32 = 200;

fn main() -> Outcome {
    let entries = number("TANDEM_BENCH_ENTRIES", 5_000)?;
    let leads = number("TANDEM_BENCH_LEADS", 5_000)?;
    let samples = number("TANDEM_BENCH_SAMPLES", 200)?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(entries, leads, samples))
}

fn number(name: &str, usual: usize) -> Outcome<usize> {
    Ok(std::env::var(name).map_or(Ok(usual), |text| text.parse())?)
}

async fn run(entries: usize, leads: usize, samples: usize) -> Outcome {
    let folder = data::folder().join(format!("matching-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{}.redb", data::ACCOUNT));
    println!("{entries} staff and {entries} lead sources on each side, {leads} leads, {samples} samples or more\n");

    let listing = listings(&path, entries, samples.min(40))?;
    table::put_leads(&open(&path)?, leads)?;

    let service = serve(&folder)?;
    let socket = folder.join("s");
    let daemon = listen(Arc::clone(&service), &socket)?;
    let asked = questions(&socket, entries, samples).await?;
    let walk = walk(&socket, samples).await?;
    daemon.shutdown().await;
    drop((daemon, service));
    let bare = table::floors(&path, samples)?;

    let mut out = Table::default();
    out.heading("times in ms, p50 / p99");
    out.times("first listing of a kind, all of it new", &listing.first, Some(&bare.commit), &HOURLY);
    out.times("listed again, nothing changed: read, match, compare", &listing.again, Some(&bare.read_all), &HOURLY);
    out.heading("through daemon and socket; floor: a bare redb scan of the same tables");
    out.times("page of 200 anywhere", &asked.page, Some(&bare.page), &BUDGET);
    out.times("filter by state", &asked.state, Some(&bare.page), &BUDGET);
    out.times("filter by a text many names have", &asked.common, Some(&bare.page), &BUDGET);
    out.times("filter by a text no name has", &asked.absent, Some(&bare.scan), &BUDGET);
    out.times("suggestions, and leads without the entry counted", &asked.suggest, Some(&bare.scan), &Goal::None);
    out.times("options by text, one key typed", &asked.typed, Some(&bare.scan), &BUDGET);
    out.heading("key to painted frame, 120×40; floor: bare page + bare table");
    let frame = bare.page.plus(&bare.frame);
    out.times("open the tables", &walk.open, Some(&frame), &BUDGET);
    out.times("page down", &walk.down, Some(&frame), &BUDGET);
    out.times("state filter", &walk.state, Some(&frame), &BUDGET);
    out.times("text filter", &walk.text, Some(&frame), &BUDGET);
    out.times(
        "go to the last of all rows, first time",
        &walk.end,
        Some(&bare.read_all),
        &Goal::P99(Duration::from_millis(250)),
    );
    println!("{out}");
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

fn open(path: &Path) -> Outcome<Store> {
    let options = store::Options { instance: data::ACCOUNT.to_owned(), ..store::Options::default() };
    Ok(Store::open(path, options)?)
}

/// What a listing of one kind costs besides the listing itself.
struct Listing {
    first: Samples,
    again: Samples,
}

fn listings(path: &Path, entries: usize, samples: usize) -> Outcome<Listing> {
    let mut first = Samples::default();
    let now = SystemClock.now();
    for _ in 0..samples.clamp(1, 5) {
        let _ = std::fs::remove_file(path);
        let store = open(path)?;
        for kind in MatchKind::ALL {
            let [ivvy, crm] = Side::BOTH.map(|side| table::entries(kind, side, entries));
            let start = Instant::now();
            store.write_blocking(move |tx| {
                let before = tx.match_table(kind)?;
                tx.put_match_rows(&people::rematch(kind, &ivvy, &crm, &before, now))
            })?;
            first.push(start.elapsed());
        }
    }
    let store = open(path)?;
    let kind = MatchKind::Staff;
    let [ivvy, crm] = Side::BOTH.map(|side| table::entries(kind, side, entries));
    let again = sample(samples, |_| {
        let before = store.read(|view| view.match_table(kind))?;
        let after = people::rematch(kind, &ivvy, &crm, &before, now);
        match people::changes(&before, &after).is_empty() {
            true => Ok(()),
            false => Outcome::Err("the same listing changed something".into()),
        }
    })?;
    Ok(Listing { first, again })
}

/// Serves the account whose store lies in `folder`. Its engine does not run, so nobody is called.
fn serve(folder: &Path) -> Outcome<Arc<AccountService>> {
    let text = format!(
        r#"version = 1
account = "{}"
data_dir = "{}"

[ivvy]
url = "https://ivvy.invalid"
key = "key"
secret = {{ env = "UNUSED" }}

[ivvy.leads]
source = 3
type = 1
stage = 1

[modules.leads]
enabled = true

[crm]
kind = "odoo"
url = "https://odoo.invalid"
database = "db"
key = {{ env = "UNUSED" }}
"#,
        data::ACCOUNT,
        folder.display()
    );
    let config = Config::parse(&text, &folder.join("bench.toml"))?;
    let secrets = Secrets::default().with("ivvy.secret", "unused".into()).with("crm.secret", "unused".into());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let account = Account::open(&config, secrets, &clock, &Entropy::seeded(1))?;
    Ok(Arc::new(AccountService::new(account, data::ACCOUNT, "bench")))
}

fn listen(service: Arc<AccountService>, socket: &Path) -> Outcome<DaemonHandle> {
    let options = Options {
        socket: socket.to_owned(),
        group: None,
        roster: Roster::of(Default::default(), None),
        limits: Limits::default(),
        clock: Arc::new(SystemClock),
        shutdown: CancellationToken::new(),
    };
    Ok(daemon::start(service, options)?)
}

/// Questions as the console asks them.
struct Asked {
    page: Samples,
    state: Samples,
    common: Samples,
    absent: Samples,
    suggest: Samples,
    typed: Samples,
}

async fn questions(socket: &Path, entries: usize, samples: usize) -> Outcome<Asked> {
    let client = Client::connect(socket).await?;
    let anywhere = |n: usize| Some(format!("{}", usize::try_from(mix(n as u64)).unwrap_or(0) % entries));
    let query = |filter: MatchFilter<'_>, after: Option<String>| MatchQuery {
        kind: MatchKind::Staff,
        side: Side::Ivvy,
        state: filter.state,
        text: filter.needle.map(str::to_owned),
        after,
        limit: PAGE,
    };
    let state = |state| MatchFilter { state: Some(state), needle: None };
    let text = |needle| MatchFilter { state: None, needle: Some(needle) };
    let all = MatchFilter::default();
    Ok(Asked {
        page: timed(samples, async |n| ask(&client, query(all, anywhere(n))).await.map(drop)).await?,
        state: timed(samples, async |_| ask(&client, query(state(MatchState::Unmatched), None)).await.map(drop))
            .await?,
        common: timed(samples, async |_| ask(&client, query(text("an"), None)).await.map(drop)).await?,
        absent: timed(samples, async |_| ask(&client, query(text("nobody is called this"), None)).await.map(drop))
            .await?,
        suggest: timed(samples.min(50), async |n| options(&client, anywhere(n), "").await).await?,
        typed: timed(samples, async |n| options(&client, anywhere(n), "person 1").await).await?,
    })
}

async fn timed(samples: usize, mut what: impl AsyncFnMut(usize) -> Outcome) -> Outcome<Samples> {
    let mut times = Samples::default();
    what(0).await?; // to warm the caches, as the floor does
    for n in 0..samples {
        let start = Instant::now();
        what(n).await?;
        times.push(start.elapsed());
    }
    Ok(times)
}

async fn ask(client: &Client, query: MatchQuery) -> Outcome<MatchPage> {
    match client.call(Request::Matches(query)).await.map_err(|failed| failed.error)? {
        Answer::Matches(page) => Ok(page),
        _ => Err("not a page".into()),
    }
}

async fn options(client: &Client, id: Option<String>, text: &str) -> Outcome {
    let id = RecordId(id.unwrap_or_default());
    let entry = MatchEntry { kind: MatchKind::Staff, side: Side::Ivvy, id };
    let request = Request::MatchOptions { entry, text: text.to_owned() };
    match client.call(request).await.map_err(|failed| failed.error)? {
        Answer::MatchOptions { .. } => Ok(()),
        _ => Err("not options".into()),
    }
}

/// A walk through the tables with the real console.
#[derive(Default)]
struct Walk {
    open: Samples,
    down: Samples,
    state: Samples,
    text: Samples,
    end: Samples,
}

async fn walk(socket: &Path, samples: usize) -> Outcome<Walk> {
    let mut walk = Walk::default();
    let settled = |pressed: Pressed| pressed.settled;
    for _ in 0..samples.min(20) {
        let mut console = Console::start(socket, false).await?;
        walk.open.push(settled(console.press(KeyCode::Char('5')).await?));
        walk.end.push(settled(console.press(KeyCode::Char('G')).await?));
        console.stop().await?;
    }
    let mut console = Console::start(socket, false).await?;
    console.press(KeyCode::Char('5')).await?;
    for _ in 0..samples {
        walk.down.push(settled(console.press(KeyCode::PageDown).await?));
    }
    for _ in 0..samples {
        walk.state.push(settled(console.press(KeyCode::Char('l')).await?));
    }
    for n in 0..samples.min(50) {
        console.press(KeyCode::Char('/')).await?;
        for _ in 0..20 {
            console.press(KeyCode::Backspace).await?;
        }
        console.type_text(["an", "person 12", "zz"][n % 3]).await?;
        walk.text.push(settled(console.press(KeyCode::Enter).await?));
    }
    console.stop().await?;
    Ok(walk)
}
