//! Reopening after a crash: a child process writes until it is killed without warning; then the clock
//! starts, and stops at the first page.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tandem::model::{ModuleId, Side};
use tandem::store::{Options, Store};

use crate::data::{self, Recipe, mix};
use crate::stats::Samples;
use crate::{Outcome, first_page, floor};

/// Opens after a crash, through the store and through bare redb in turns.
pub fn reopen(path: &Path, samples: usize) -> Outcome<(Samples, Samples)> {
    let (mut ours, mut bare) = (Samples::default(), Samples::default());
    for round in 0..samples * 2 {
        kill_a_writer(path, round as u64)?;
        let start = Instant::now();
        if round % 2 == 0 {
            let store = Store::open(path, Options::default())?;
            first_page(&store)?;
            ours.push(start.elapsed());
        } else {
            let db = floor::open(path)?;
            floor::page(&db, &[0], 50)?;
            bare.push(start.elapsed());
        }
    }
    Ok((ours, bare))
}

/// Lets a child write for a moment after its first durable commit, then kills it.
fn kill_a_writer(path: &Path, round: u64) -> Outcome {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["write-until-killed", &path.display().to_string(), &round.to_string()])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    let out = child.stdout.take().ok_or("the child has no output")?;
    BufReader::new(out).read_line(&mut line)?;
    std::thread::sleep(Duration::from_micros(mix(round) % 20_000));
    child.kill()?;
    child.wait()?;
    Ok(())
}

/// The child: commits observations until somebody ends it.
pub fn write_until_killed(path: &Path, round: u64) -> Outcome {
    let store = Store::open(path, Options { instance: data::ACCOUNT.to_owned(), ..Options::default() })?;
    let recipe = std::sync::Arc::new(Recipe::new());
    for batch in 0_u64.. {
        let recipe = std::sync::Arc::clone(&recipe);
        store.write_blocking(move |tx| {
            (0..20).try_for_each(|n| {
                let observation = recipe.observation(1 + mix(batch * 20 + n) % 1_000_000, round);
                tx.put_observation(&observation)?;
                tx.mark_dirty(ModuleId::Contacts, Side::Ivvy, &observation.record.id)
            })
        })?;
        let mut out = std::io::stdout();
        let _ = writeln!(out, "durable").and_then(|()| out.flush());
    }
    Ok(())
}
