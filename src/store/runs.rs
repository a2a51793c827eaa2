//! The last sweeps of each module, and how they ended. Numbers of a module are consecutive, so what is too
//! old is found without counting.

use std::ops::ControlFlow;

use super::codec;
use super::error::Result;
use super::keys::{self, Key, Span};
use super::source::{self, Direction, Source};
use super::tables::Tab;
use super::tx::Tx;
use crate::model::run::RUNS_KEPT;
use crate::model::{ModuleId, RunEnd, RunRow};

fn key(module: ModuleId, number: u64) -> Vec<u8> {
    Key::new().module(module).u64(number).done()
}

fn of_module(module: ModuleId) -> Span {
    Span::prefix(Key::new().module(module).done())
}

pub(super) fn runs(source: &dyn Source, module: ModuleId, before: Option<u64>, limit: usize) -> Result<Vec<RunRow>> {
    let mut span = of_module(module);
    if let Some(before) = before {
        span = span.before(key(module, before));
    }
    let mut found = Vec::new();
    if limit > 0 {
        source.scan(Tab::Runs, &span, Direction::Down, &mut |_, value| {
            found.push(codec::decode(value)?);
            Ok(if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
    }
    Ok(found)
}

impl Tx<'_> {
    /// Writes a run; one that is not on record yet gets its number, and the oldest one goes when there are
    /// too many. Returns it as it is on record.
    pub fn put_run(&mut self, run: &RunRow) -> Result<RunRow> {
        let mut run = run.clone();
        if run.number == 0 {
            let newest = source::edge(self, Tab::Runs, &of_module(run.module), Direction::Down, |key, _| {
                keys::tail_number(key)
            })?;
            run.number = newest.unwrap_or(0) + 1;
            let first = key(run.module, (run.number + 1).saturating_sub(RUNS_KEPT));
            let span = of_module(run.module).before(first);
            for old in source::collect(self, Tab::Runs, &span, usize::MAX, |key, _| Ok(key.to_vec()))? {
                self.remove(Tab::Runs, &old)?;
            }
        }
        self.insert(Tab::Runs, &key(run.module, run.number), &codec::encode(&run)?)?;
        Ok(run)
    }

    /// Takes note that what was under way is so no longer: at a start, nothing can be. Returns how many
    /// runs that were.
    pub fn interrupt_runs(&mut self) -> Result<usize> {
        let all: Vec<RunRow> =
            source::collect(self, Tab::Runs, &Span::all(), usize::MAX, |_, value| codec::decode(value))?;
        let open: Vec<RunRow> = all.into_iter().filter(|run| run.end == RunEnd::Running).collect();
        for run in &open {
            self.put_run(&RunRow { end: RunEnd::Interrupted, ..run.clone() })?;
        }
        Ok(open.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{RunKind, Side, Timestamp};
    use crate::store::{Options, Reads as _, Store};

    fn store() -> Store {
        Store::open_backend(redb::backends::InMemoryBackend::new(), Options::default()).unwrap()
    }

    fn run(module: ModuleId, second: i64) -> RunRow {
        RunRow::begin(module, Side::Crm, RunKind::Changes, false, Timestamp::from_secs(second))
    }

    #[test]
    fn the_newest_are_kept_and_read_backwards_in_pages() {
        let store = store();
        let kept = i64::try_from(RUNS_KEPT).unwrap();
        store
            .write_blocking(move |tx| {
                (1..=kept + 7).try_for_each(|at| tx.put_run(&run(ModuleId::Contacts, at)).map(drop))?;
                tx.put_run(&run(ModuleId::Companies, 1)).map(drop)
            })
            .unwrap();
        let all = store.read(|view| view.runs(ModuleId::Contacts, None, usize::MAX)).unwrap();
        let numbers: Vec<u64> = all.iter().map(|run| run.number).collect();
        let expected: Vec<u64> = (8..=RUNS_KEPT + 7).rev().collect();
        assert_eq!(numbers, expected, "the bound is {RUNS_KEPT}, newest first");
        let page = |before| store.read(|view| view.runs(ModuleId::Contacts, before, 2)).unwrap();
        assert_eq!(page(None)[..], all[..2]);
        assert_eq!(page(Some(all[1].number))[..], all[2..4]);
        assert_eq!(page(Some(8)), [], "before the oldest there is nothing");
        assert_eq!(store.read(|view| view.runs(ModuleId::Companies, None, 9)).unwrap().len(), 1, "modules apart");
    }

    #[test]
    fn writing_a_run_again_replaces_it_and_what_was_open_is_interrupted() {
        let store = store();
        let (open, done) = store
            .write_blocking(move |tx| {
                let open = tx.put_run(&run(ModuleId::Contacts, 1))?;
                let done = tx.put_run(&run(ModuleId::Contacts, 2))?;
                let done = RunRow { rows: 9, ..done.ended(RunEnd::Done, Timestamp::from_secs(3)) };
                Ok((open, tx.put_run(&done)?))
            })
            .unwrap();
        assert_eq!((open.number, done.number), (1, 2));
        assert_eq!(store.write_blocking(|tx| tx.interrupt_runs()).unwrap(), 1);
        let all = store.read(|view| view.runs(ModuleId::Contacts, None, 9)).unwrap();
        assert_eq!(all, [done, RunRow { end: RunEnd::Interrupted, ..open }]);
        assert_eq!(store.write_blocking(|tx| tx.interrupt_runs()).unwrap(), 0);
    }
}
