//! What the same work costs without Tandem: bare redb calls on the very same file, a bare ratatui
//! table over as many virtual rows, a bare socket.

use std::io::BufWriter;
use std::ops::Bound;
use std::path::Path;
use std::time::Instant;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::widgets::{Row, Table, TableState};
use ratatui::{TerminalOptions, Viewport};
use redb::{Builder, Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use tandem::store::Options;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use crate::Outcome;
use crate::console::{SCREEN, Sink};
use crate::data::mix;
use crate::stats::{Samples, sample};

type Bytes = TableDefinition<'static, &'static [u8], &'static [u8]>;

const QUEUE: Bytes = TableDefinition::new("queue");
const HEADERS: Bytes = TableDefinition::new("items");
/// Tables of the floor's own in the same file, as many as one observation touches.
const OWN: [Bytes; 5] = [
    TableDefinition::new("floor_0"),
    TableDefinition::new("floor_1"),
    TableDefinition::new("floor_2"),
    TableDefinition::new("floor_3"),
    TableDefinition::new("floor_4"),
];

/// Opens the file with the cache the store has.
pub fn open(path: &Path) -> Outcome<Database> {
    Ok(Builder::new().set_cache_size(Options::default().cache_bytes).open(path)?)
}

/// `limit` keys of the queue from `from` on, and the header of each.
pub fn page(db: &Database, from: &[u8], limit: usize) -> Outcome<usize> {
    let txn = db.begin_read()?;
    let (queue, headers) = (txn.open_table(QUEUE)?, txn.open_table(HEADERS)?);
    let mut bytes = 0;
    for row in queue.range::<&[u8]>((Bound::Excluded(from), Bound::Unbounded))?.take(limit) {
        let (key, _) = row?;
        let id = &key.value()[key.value().len() - 8..];
        bytes += headers.get(id)?.map_or(0, |header| header.value().len());
    }
    Ok(bytes)
}

/// Every `step`th key of what is open in the queue: the first eight ranks of each module.
pub fn keys(db: &Database, step: usize) -> Outcome<Vec<Vec<u8>>> {
    let queue = db.begin_read()?.open_table(QUEUE)?;
    let is_open = |key: &[u8]| key.get(1).is_some_and(|rank| *rank < 8);
    let keys = queue.iter()?.filter(|row| row.as_ref().map_or(true, |(key, _)| is_open(key.value())));
    Ok(keys.step_by(step).map(|row| row.map(|(key, _)| key.value().to_vec())).collect::<Result<_, _>>()?)
}

/// Commits of `rows` rows of `length` bytes each into `tables` tables, safe against a crash in the
/// way the store is (quick repair). Keys are spread over the whole range.
pub fn commits(db: &Database, samples: usize, rows: usize, tables: usize, length: usize) -> Outcome<Samples> {
    let value = vec![b'x'; length];
    sample(samples, |n| {
        let mut txn = db.begin_write()?;
        txn.set_quick_repair(true);
        for (at, own) in OWN.into_iter().take(tables).enumerate() {
            let mut table = txn.open_table(own)?;
            for row in 0..rows {
                let key = mix((n * rows + row) as u64 ^ (at as u64) << 40).to_be_bytes();
                // The first table holds the values, the others are indexes.
                table.insert(key.as_slice(), if at == 0 { value.as_slice() } else { &[] })?;
            }
        }
        txn.commit()?;
        Ok(())
    })
}

/// Asks and answers as many bytes as a page takes, over a Unix socket, with nothing behind it.
pub async fn round_trips(socket: &Path, samples: usize, asked: usize, answered: usize) -> Outcome<Samples> {
    let listener = UnixListener::bind(socket)?;
    tokio::spawn(async move {
        let Ok((mut peer, _)) = listener.accept().await else { return };
        let (mut question, answer) = (vec![0; asked], vec![b'x'; answered]);
        while peer.read_exact(&mut question).await.is_ok() && peer.write_all(&answer).await.is_ok() {}
    });
    let mut stream = UnixStream::connect(socket).await?;
    let (question, mut answer) = (vec![b'x'; asked], vec![0; answered]);
    let mut times = Samples::default();
    for _ in 0..samples {
        let start = Instant::now();
        stream.write_all(&question).await?;
        stream.read_exact(&mut answer).await?;
        times.push(start.elapsed());
    }
    Ok(times)
}

/// A table over a million virtual rows that draws only its window.
pub struct Bare {
    terminal: Terminal<CrosstermBackend<BufWriter<Sink>>>,
    sink: Sink,
    top: usize,
    cursor: usize,
}

impl Bare {
    const HEIGHT: usize = 34;

    pub fn new() -> Outcome<Self> {
        let sink = Sink::default();
        let screen = Viewport::Fixed(Rect { x: 0, y: 0, width: SCREEN.width, height: SCREEN.height });
        let terminal = Terminal::with_options(
            CrosstermBackend::new(BufWriter::with_capacity(64 * 1024, sink.clone())),
            TerminalOptions { viewport: screen },
        );
        Ok(Self { terminal: terminal?, sink, top: 0, cursor: 0 })
    }

    /// Moves the cursor to `cursor` and draws; time and bytes.
    pub fn go(&mut self, cursor: usize) -> Outcome<(std::time::Duration, usize)> {
        self.sink.take();
        let start = Instant::now();
        self.cursor = cursor;
        self.top = self.top.clamp((cursor + 1).saturating_sub(Self::HEIGHT), cursor);
        let rows = (self.top..self.top + Self::HEIGHT).map(|n| {
            let state = ["held", "ready", "blocked"][n % 3];
            Row::new([
                format!("#{n}"),
                state.to_owned(),
                "Contacts".to_owned(),
                format!("Person number {n}"),
                format!("{} fields differ on both sides", n % 5),
                "11-18 11:06".to_owned(),
            ])
        });
        let widths = [9, 10, 10, 34, 40, 12].map(Constraint::Length);
        let table = Table::new(rows, widths).row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
        let mut state = TableState::default().with_selected(cursor - self.top);
        self.terminal.draw(|frame| frame.render_stateful_widget(table, frame.area(), &mut state))?;
        let frames = self.sink.take();
        Ok((start.elapsed(), frames.iter().map(|(_, bytes)| bytes).sum()))
    }
}
