//! The queue at a million items: time to the painted frame through store, daemon, socket and console,
//! bytes on the line, decisions, intake, memory, crashes; each beside its floor in the same run.
//!
//! `cargo bench --bench queue` prints the table that opens `docs/PERFORMANCE.md`. It asserts nothing:
//! a shared machine would make it lie. `TANDEM_BENCH_ITEMS` and `TANDEM_BENCH_SAMPLES` shrink it.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing is what it is for")]

mod console;
mod crash;
mod data;
mod floor;
mod serve;
mod stats;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use console::{Console, Pressed};
use crossterm::event::KeyCode;
use data::{Recipe, mix};
use futures::future::join_all;
use stats::{Goal, Samples, Table, ms, sample};
use tandem::client::Client;
use tandem::model::{Cursor, ModuleId, Reason, Side, State};
use tandem::store::{Options, Reads as _, Store};
use tandem::wire::{Anchor, Answer, Filter, PageQuery, Request, Row, Rows};

/// Result of anything here.
pub type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What an operator takes for "at once".
const BUDGET: Goal = Goal::P99(Duration::from_millis(50));

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["generate", items] => data::generate(items.parse()?),
        ["write-until-killed", path, round] => crash::write_until_killed(Path::new(path), round.parse()?),
        _ => {
            let items = number("TANDEM_BENCH_ITEMS", 1_000_000)?;
            let samples = usize::try_from(number("TANDEM_BENCH_SAMPLES", 200)?)?;
            let made = Command::new(std::env::current_exe()?).args(["generate", &items.to_string()]).status()?;
            if !made.success() {
                return Err("the store could not be made".into());
            }
            tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(items, samples))
        }
    }
}

fn number(name: &str, usual: u64) -> Outcome<u64> {
    Ok(std::env::var(name).map_or(Ok(usual), |text| text.parse())?)
}

async fn run(items: u64, samples: usize) -> Outcome {
    let path = data::scratch(items)?;
    let folder = path.parent().ok_or("no folder")?;
    let socket = folder.join("s");
    let size = std::fs::metadata(&path)?.len();
    println!("{items} items, {} MiB on disk, {samples} samples or more of each\n", size >> 20);

    let open = opened(samples, || {
        let store = Store::open(&path, Options::default())?;
        first_page(&store)?;
        Ok(store)
    })?;

    // Everything an operator's machine runs, in this one process; floors come after its memory was read.
    let service = serve::open(folder)?;
    let daemon = serve::listen(Arc::clone(&service), &socket)?;
    let store = service.engine().store();
    remember("with the store open and served")?;
    let paged = pages(store, &socket, samples).await?;
    remember("after pages everywhere")?;
    let free = walk(&socket, samples, false).await?;
    let gated = walk(&socket, samples, true).await?;
    let lone = lone_match(&socket).await?;
    remember("after the walk")?;
    let decided = decide(store, &socket, samples).await?;
    let observed = observe(store, samples).await?;
    remember("after the writes")?;
    let (rss, peak) = stats::memory()?;
    daemon.shutdown().await;
    drop((daemon, service));

    let bare = floors(&path, samples)?;
    let trip = floor::round_trips(&folder.join("t"), samples, 200, paged.bytes).await?;
    let (crashed, crashed_bare) = crash::reopen(&path, samples)?;

    let mut table = Table::default();
    table.heading("times in ms, p50 / p99");
    table.times("open the store, first page of 50", &open, Some(&bare.open), &BUDGET);
    table.times("reopen after kill -9, first page of 50 (G11)", &crashed, Some(&crashed_bare), &BUDGET);
    table.times("page of 50 anywhere, store only", &paged.store, Some(&bare.page), &Goal::None);
    let both = bare.page.plus(&trip);
    table.times("page of 50 anywhere, through daemon and socket (G6)", &paged.socket, Some(&both), &Goal::Times(2.0));
    table.heading("key to painted frame, 120×40, through daemon and socket; floor: bare page + bare table");
    let frame = bare.page.plus(&bare.table_page);
    table.times("attach, first frame (G1)", &free.first_frame, None, &Goal::None);
    table.times("attach, dashboard with data (G1)", &free.first_data, None, &Goal::P99(Duration::from_millis(60)));
    table.times("open the queue", &free.open, Some(&frame), &BUDGET);
    table.times("move the selection (G2)", &free.moves.first(), Some(&bare.table_move), &Goal::Times(2.0));
    table.times("scroll by a row (G2)", &free.scrolls.first(), Some(&bare.table_scroll), &Goal::Times(2.0));
    table.times("page down, rows at hand", &free.pages.first(), Some(&bare.table_page), &Goal::Times(2.0));
    table.times("page down, and the next rows fetched", &free.pages.settled(), Some(&frame), &BUDGET);
    table.times("filter by module", &free.module.settled(), Some(&frame), &BUDGET);
    table.times("filter by state", &free.state.settled(), Some(&frame), &BUDGET);
    table.times("jump to the end", &free.end.settled(), Some(&frame), &BUDGET);
    table.times("jump to the start", &free.start.settled(), Some(&frame), &BUDGET);
    table.times("text filter, common text", &free.text.settled(), Some(&frame), &BUDGET);
    table.times("text filter, one step of 2,000 rows without a match (socket)", &paged.absent, None, &BUDGET);
    table.heading("the same with the console's frame gate as shipped");
    table.times("open the queue", &gated.open, Some(&frame), &BUDGET);
    table.times("filter by state", &gated.state.settled(), Some(&frame), &BUDGET);
    table.times("jump to the end", &gated.end.settled(), Some(&frame), &BUDGET);
    table.heading("bytes to the terminal (median)");
    table.numbers("selection moved (G3)", gated.moves.bytes(), Some(bare.bytes[0]), &Goal::Most(60.0));
    table.numbers("scrolled by a row (G3)", gated.scrolls.bytes(), Some(bare.bytes[1]), &Goal::Most(320.0));
    table.numbers("page (G3)", gated.pages.bytes(), Some(bare.bytes[2]), &Goal::Most(2_900.0));
    table.numbers(
        "held key at 30 Hz, bytes/s (G3)",
        gated.scrolls.bytes() * 30.0,
        Some(bare.bytes[1] * 30.0),
        &Goal::Most(9_000.0),
    );
    table.numbers("idle for 3 s, bytes (G4)", gated.idle.0 as f64, None, &Goal::Most(0.0));
    table.numbers("idle for 3 s, wake-ups of the loop (G4)", gated.idle.1 as f64, None, &Goal::Most(0.0));
    table.numbers("idle for 3 s, processor time in ms (G4)", gated.idle.2 as f64 * 10.0, None, &Goal::None);
    table.heading("writes; floor: bare redb commits of as many rows and bytes in the same file");
    table.times("commit one small value, store only", &decided.value, Some(&bare.commit_value), &Goal::None);
    table.times("decide one item, through the socket", &decided.one, Some(&bare.commit_one), &BUDGET);
    table.times("decide 50 items, 50 calls at once", &decided.fifty, Some(&bare.commit_fifty), &BUDGET);
    table.times("decide 50 items, one call", &decided.many, Some(&bare.commit_fifty), &BUDGET);
    let rate = observed.per_second(100);
    table.numbers(
        "observations/s, 100 a commit; floor: one table (G7)",
        rate,
        Some(bare.observe_one.per_second(100)),
        &Goal::Least(0.7),
    );
    table.numbers(
        "observations/s, 100 a commit; floor: the same five tables",
        rate,
        Some(bare.observe_five.per_second(100)),
        &Goal::Least(0.7),
    );
    table.heading("memory of console, daemon and store in one process, MiB");
    table.numbers("after the walk (VmRSS)", rss as f64 / 1024.0, None, &Goal::Most(200.0));
    table.numbers("at its greatest (VmHWM)", peak as f64 / 1024.0, None, &Goal::Most(200.0));
    println!("{table}");
    println!("round trip of {} bytes over a Unix socket: {trip} ms", paged.bytes);
    println!("text that no title has: {} steps of 2,000 rows until all was searched", paged.absent.len());
    println!("text that one title has, typed into the console: {lone}");
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

/// Tells on the side how much memory is in use: where a peak comes from.
fn remember(when: &str) -> Outcome {
    let (rss, peak) = stats::memory()?;
    eprintln!("memory {when}: {} MiB, peak {} MiB", rss >> 10, peak >> 10);
    Ok(())
}

/// Times of opening something; closing it again is not counted.
fn opened<T>(samples: usize, open: impl Fn() -> Outcome<T>) -> Outcome<Samples> {
    let mut times = Samples::default();
    for _ in 0..samples {
        let start = Instant::now();
        let handle = open()?;
        times.push(start.elapsed());
        drop(handle);
    }
    Ok(times)
}

/// The first screenful of everything that is open.
pub fn first_page(store: &Store) -> Outcome {
    let rows = store.read(|view| view.page(&page(Filter::default(), Anchor::Start, 50)))?;
    if rows.rows.len() == 50 { Ok(()) } else { Err("the first page is not full".into()) }
}

fn page(filter: Filter, anchor: Anchor, limit: u32) -> PageQuery {
    PageQuery { filter, anchor, limit }
}

/// Pages of 50 anywhere in the queue.
struct Paged {
    socket: Samples,
    store: Samples,
    /// Steps of a search for a text that is nowhere.
    absent: Samples,
    /// Bytes of one answer.
    bytes: usize,
}

async fn pages(store: &Store, socket: &Path, samples: usize) -> Outcome<Paged> {
    let client = Client::connect(socket).await?;
    let mut tokens = Vec::new();
    let mut anchor = Anchor::Start;
    // The last row of each thousand: places all over the queue.
    while let Some(token) = ask(&client, page(Filter::default(), anchor, 1_000)).await?.rows.pop().map(|row| row.token)
    {
        tokens.push(token.clone());
        anchor = Anchor::After(token);
    }
    let (mut through, mut bytes) = (Samples::default(), 0);
    let queries: Vec<PageQuery> = places(tokens.len(), samples)
        .map(|at| page(Filter::default(), Anchor::After(tokens[at].clone()), 50))
        .collect();
    // Once to warm the caches, as the floor does; then each way by itself.
    queries.iter().try_for_each(|query| store.read(|view| view.page(query)).map(drop))?;
    let inside = sample(queries.len(), |n| store.read(|view| view.page(&queries[n])).map(drop))?;
    for query in queries {
        let start = Instant::now();
        let rows = ask(&client, query).await?;
        through.push(start.elapsed());
        bytes = bytes.max(serde_json::to_vec(&rows)?.len());
    }
    let (mut absent, mut anchor) = (Samples::default(), Some(Anchor::Start));
    let filter = Filter { text: Some("nobody is called this".to_owned()), ..Filter::default() };
    while let Some(from) = anchor.take() {
        let start = Instant::now();
        let rows = ask(&client, page(filter.clone(), from, 50)).await?;
        absent.push(start.elapsed());
        anchor = rows.continue_at.map(Anchor::After);
    }
    Ok(Paged { socket: through, store: inside, absent, bytes })
}

/// Places in a list of `length`, the same for Tandem and for the floor.
fn places(length: usize, samples: usize) -> impl Iterator<Item = usize> {
    (0..samples.max(400) as u64).map(move |n| usize::try_from(mix(n)).unwrap_or(0) % length.max(1))
}

async fn ask(client: &Client, query: PageQuery) -> Outcome<Rows> {
    match client.call(Request::Page(query)).await.map_err(|failed| failed.error)? {
        Answer::Rows(rows) => Ok(rows),
        _ => Err("not a page".into()),
    }
}

/// Key presses of one kind.
#[derive(Default)]
struct Presses(Vec<Pressed>);

impl Presses {
    fn first(&self) -> Samples {
        self.times(|pressed| pressed.first)
    }

    fn settled(&self) -> Samples {
        self.times(|pressed| pressed.settled)
    }

    fn times(&self, of: impl Fn(&Pressed) -> Duration) -> Samples {
        let mut samples = Samples::default();
        self.0.iter().for_each(|pressed| samples.push(of(pressed)));
        samples
    }

    fn bytes(&self) -> f64 {
        let mut bytes: Vec<usize> = self.0.iter().map(|pressed| pressed.bytes).collect();
        bytes.sort_unstable();
        bytes.get(bytes.len() / 2).copied().unwrap_or(0) as f64
    }
}

/// A walk through the queue with the real console.
#[derive(Default)]
struct Walk {
    first_frame: Samples,
    first_data: Samples,
    open: Samples,
    moves: Presses,
    scrolls: Presses,
    pages: Presses,
    module: Presses,
    state: Presses,
    end: Presses,
    start: Presses,
    text: Presses,
    /// Bytes, wake-ups and processor ticks of three seconds in which nothing happened.
    idle: (usize, u64, u64),
}

/// Texts many titles contain.
const COMMON: [&str; 4] = ["an", "ar", "ma", "el"];

async fn walk(socket: &Path, samples: usize, gated: bool) -> Outcome<Walk> {
    let mut walk = Walk::default();
    for _ in 0..samples {
        let mut console = Console::start(socket, gated).await?;
        walk.first_frame.push(console.first_frame);
        walk.first_data.push(console.first_data);
        walk.open.push(console.press(KeyCode::Char('2')).await?.settled);
        console.stop().await?;
    }
    let mut console = Console::start(socket, gated).await?;
    console.press(KeyCode::Char('2')).await?;
    for n in 0..samples {
        let key = if n / 20 % 2 == 0 { 'j' } else { 'k' };
        walk.moves.0.push(console.press(KeyCode::Char(key)).await?);
    }
    console.press(KeyCode::Home).await?;
    // From here every step is below the last line of the list.
    for _ in 0..40 {
        console.press(KeyCode::Char('j')).await?;
    }
    for _ in 0..samples {
        walk.scrolls.0.push(console.press(KeyCode::Char('j')).await?);
    }
    for _ in 0..samples {
        walk.pages.0.push(console.press(KeyCode::PageDown).await?);
    }
    for _ in 0..samples {
        walk.end.0.push(console.press(KeyCode::Char('G')).await?);
        walk.start.0.push(console.press(KeyCode::Home).await?);
    }
    for _ in 0..samples {
        walk.module.0.push(console.press(KeyCode::Char('m')).await?);
    }
    console.press(KeyCode::Backspace).await?;
    for _ in 0..samples {
        walk.state.0.push(console.press(KeyCode::Char('l')).await?);
    }
    for n in 0..samples {
        console.press(KeyCode::Backspace).await?;
        console.press(KeyCode::Char('/')).await?;
        console.type_text(COMMON[n % COMMON.len()]).await?;
        walk.text.0.push(console.press(KeyCode::Enter).await?);
    }
    let before = stats::ticks()?;
    let (bytes, wakeups) = console.idle(Duration::from_secs(3)).await;
    walk.idle = (bytes, wakeups, stats::ticks()? - before);
    console.stop().await?;
    Ok(walk)
}

/// Filters by the whole title of one row. Whether the console then comes to rest, in words.
async fn lone_match(socket: &Path) -> Outcome<String> {
    let client = Client::connect(socket).await?;
    let first = ask(&client, page(Filter::default(), Anchor::Start, 1)).await?;
    let title = first.rows.first().map(|row| row.title.clone()).ok_or("the queue is empty")?;
    let mut console = Console::start(socket, true).await?;
    console.press(KeyCode::Char('2')).await?;
    console.press(KeyCode::Char('/')).await?;
    console.type_text(&title).await?;
    Ok(match console.press(KeyCode::Enter).await {
        Ok(pressed) => format!("at rest after {} ms", ms(pressed.settled)),
        Err(error) => error.to_string(),
    })
}

/// Decisions through the socket, and how long until they were durable and answered.
struct Decided {
    /// A commit of one small value, store only: what the writer thread and the disk take of it.
    value: Samples,
    one: Samples,
    /// Fifty calls at once.
    fifty: Samples,
    /// Fifty in one call.
    many: Samples,
}

async fn decide(store: &Store, socket: &Path, samples: usize) -> Outcome<Decided> {
    let client = Client::connect(socket).await?;
    let mut held: Vec<Row> = Vec::new();
    let filter = Filter { state: Some(State::Held), reason: Some(Reason::Conflict), ..Filter::default() };
    let mut anchor = Anchor::Start;
    while held.len() < samples * 101 {
        let rows = store.read(|view| view.page(&page(filter.clone(), anchor.clone(), 1_000)))?.rows;
        let Some(last) = rows.last() else { break };
        anchor = Anchor::After(last.token.clone());
        held.extend(rows);
    }
    let value = sample(samples, |n| store.write_blocking(move |tx| tx.put_meta("bench", &n.to_be_bytes())))?;
    let mut decided = Decided { value, one: Samples::default(), fifty: Samples::default(), many: Samples::default() };
    let (ones, rest) = held.split_at(samples.min(held.len()));
    for row in ones {
        let start = Instant::now();
        client.call(Request::Decide(serve::approve(row))).await.map_err(|failed| failed.error)?;
        decided.one.push(start.elapsed());
    }
    for (n, rows) in rest.chunks_exact(50).enumerate() {
        let start = Instant::now();
        if n % 2 == 0 {
            let calls = rows.iter().map(|row| client.call(Request::Decide(serve::approve(row))));
            for answer in join_all(calls).await {
                answer.map_err(|failed| failed.error)?;
            }
            decided.fifty.push(start.elapsed());
        } else {
            let decisions = rows.iter().map(serve::approve).collect();
            let answer = client.call(Request::DecideMany { decisions }).await.map_err(|failed| failed.error)?;
            decided.many.push(start.elapsed());
            let Answer::DecidedMany { results } = answer else { return Err("not results".into()) };
            if let Some(error) = results.into_iter().find_map(|result| result.error) {
                return Err(error.into());
            }
        }
    }
    Ok(decided)
}

/// Commits of a hundred new observations each, with mark and cursor, as a sweep makes them.
async fn observe(store: &Store, samples: usize) -> Outcome<Samples> {
    let recipe = Arc::new(Recipe::new());
    let (module, side) = (ModuleId::Contacts, Side::Ivvy);
    let mut times = Samples::default();
    for batch in 0..samples as u64 {
        let recipe = Arc::clone(&recipe);
        let seen: Vec<_> = (0..100).map(|n| recipe.observation(1 + mix(batch * 100 + n) % 1_000_000, 1)).collect();
        let start = Instant::now();
        store
            .write(move |tx| {
                for observation in &seen {
                    // Looked at before it is replaced, as the intake does.
                    tx.observation(module, side, &observation.record.id)?;
                    tx.put_observation(observation)?;
                    tx.mark_dirty(module, side, &observation.record.id)?;
                }
                tx.put_cursor(module, side, &Cursor { sweeps: batch, ..Cursor::default() })
            })
            .await?;
        times.push(start.elapsed());
    }
    Ok(times)
}

/// The floors.
struct Floors {
    open: Samples,
    page: Samples,
    table_move: Samples,
    table_scroll: Samples,
    table_page: Samples,
    /// Bytes of a move, a scrolled row and a page.
    bytes: [f64; 3],
    commit_value: Samples,
    commit_one: Samples,
    commit_fifty: Samples,
    observe_one: Samples,
    observe_five: Samples,
}

fn floors(path: &Path, samples: usize) -> Outcome<Floors> {
    let open = opened(samples, || {
        let db = floor::open(path)?;
        floor::page(&db, &[0], 50)?;
        Ok(db)
    })?;
    let db = floor::open(path)?;
    let keys = floor::keys(&db, 1_000)?;
    let places: Vec<&[u8]> = places(keys.len(), samples).map(|at| keys[at].as_slice()).collect();
    places.iter().try_for_each(|place| floor::page(&db, place, 50).map(drop))?;
    let page = sample(places.len(), |n| floor::page(&db, places[n], 50).map(drop))?;
    let commit_value = floor::commits(&db, samples, 1, 1, 20)?;
    // A decision writes about ten rows in as many tables; header and body make up most of the bytes.
    let commit_one = floor::commits(&db, samples, 2, 5, 900)?;
    let commit_fifty = floor::commits(&db, samples, 100, 5, 900)?;
    let length = serde_json::to_vec(&Recipe::new().observation(1, 1))?.len();
    let observe_one = floor::commits(&db, samples, 100, 1, length)?;
    let observe_five = floor::commits(&db, samples, 100, 5, length)?;
    let mut bare = floor::Bare::new()?;
    bare.go(0)?;
    let table_move = presses((1..=samples).map(|n| bare.go(if n / 20 % 2 == 0 { n % 20 } else { 20 - n % 20 })))?;
    let table_scroll = presses((0..samples).map(|n| bare.go(500_000 + n)).skip(1))?;
    let table_page = presses((0..samples).map(|n| bare.go(1_000 + n * 34)).skip(1))?;
    let bytes = [&table_move, &table_scroll, &table_page].map(|floor| floor.bytes());
    Ok(Floors {
        open,
        page,
        table_move: table_move.first(),
        table_scroll: table_scroll.first(),
        table_page: table_page.first(),
        bytes,
        commit_value,
        commit_one,
        commit_fifty,
        observe_one,
        observe_five,
    })
}

fn presses(drawn: impl Iterator<Item = Outcome<(Duration, usize)>>) -> Outcome<Presses> {
    let pressed = |(time, bytes)| Pressed { first: time, settled: time, bytes };
    Ok(Presses(drawn.map(|drawn| drawn.map(pressed)).collect::<Outcome<_>>()?))
}
