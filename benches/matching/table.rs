//! What the tables hold, and what the same work costs in bare redb.

use std::path::Path;

use redb::{ReadableDatabase as _, TableDefinition};
use tandem::model::matching::Entry;
use tandem::model::record::Source;
use tandem::model::{Fields, MatchKind, ModuleId, Observation, Record, Side, Timestamp, Value};
use tandem::store::Store;

use crate::Outcome;
use crate::data::mix;
use crate::floor::{Bare, commits, open};
use crate::stats::{Samples, sample};

type Bytes = TableDefinition<'static, &'static [u8], &'static [u8]>;

const NAMES: Bytes = TableDefinition::new("match_names");
const ROWS: Bytes = TableDefinition::new("match_rows");
/// Bytes of a row as it is stored.
const ROW: usize = 220;

/// People or sources of one side: four in five have a counterpart, some are double, some have no address.
pub fn entries(kind: MatchKind, side: Side, count: usize) -> Vec<Entry> {
    let first = ["Anna", "Ben", "Chiara", "Dimitri", "Élodie", "Fatima", "Goran", "Hana", "李", "Ömer"];
    (0..count)
        .map(|number| {
            let draw = mix(number as u64 ^ (kind as u64) << 32);
            let here = draw % 10 < 8 || (draw % 10 == 8) == (side == Side::Ivvy);
            let shared = if here { number } else { number + count };
            let name = format!("{} person {shared}", first[number % first.len()]);
            let email = match (kind, draw % 25) {
                (MatchKind::LeadSource, _) | (_, 24) => None,
                (_, 23) => Some("office@venue.example".to_owned()),
                _ => Some(format!("person{shared}@venue.example")),
            };
            Entry { id: number.to_string().into(), name, email, active: draw % 40 != 7 }
        })
        .collect()
}

/// Leads that carry an owner each, as sweeps would have put them there.
pub fn put_leads(store: &Store, count: usize) -> Outcome {
    let numbers: Vec<usize> = (0..count).collect();
    for numbers in numbers.chunks(500) {
        let leads: Vec<Observation> = numbers.iter().map(|number| lead(*number)).collect();
        store.write_blocking(move |tx| leads.iter().try_for_each(|lead| tx.put_observation(lead)))?;
    }
    Ok(())
}

fn lead(number: usize) -> Observation {
    let mut fields = Fields::default();
    fields.insert("name".to_owned(), Value::text(format!("Wedding {number}")));
    fields.insert("owner".to_owned(), Value::text((mix(number as u64) % 5_000).to_string()));
    let record = Record { id: format!("{number}").into(), fields, ..Record::default() };
    Observation {
        module: ModuleId::Leads,
        side: Side::Ivvy,
        hash: record.fingerprint(),
        seen_at: Timestamp::from_secs(1_795_000_000),
        source: Source::Poll,
        identity: None,
        external_key: None,
        missed_sweeps: 0,
        absent: false,
        merged_into: None,
        record,
    }
}

/// Times of bare redb and of a bare table.
pub struct Floors {
    /// 200 names and their rows.
    pub page: Samples,
    /// Every name of one side, searched for a text.
    pub scan: Samples,
    /// Every row of one kind.
    pub read_all: Samples,
    /// A commit of as many rows and index rows as a first listing.
    pub commit: Samples,
    /// A bare table of one screen.
    pub frame: Samples,
}

pub fn floors(path: &Path, samples: usize) -> Outcome<Floors> {
    let db = open(path)?;
    // Staff of iVvy, whatever their state.
    let side = [MatchKind::Staff as u8, Side::Ivvy as u8, 0];
    let keys = |from: usize, count: usize| -> Outcome<Vec<Vec<u8>>> {
        let names = db.begin_read()?.open_table(NAMES)?;
        let range = names.range::<&[u8]>(side.as_slice()..)?.skip(from).take(count);
        Ok(range.map(|row| row.map(|(key, _)| key.value().to_vec())).collect::<Result<_, _>>()?)
    };
    let starts: Vec<Vec<u8>> = keys(0, 4_000)?;
    let page = sample(samples.max(200), |n| -> Outcome {
        let txn = db.begin_read()?;
        let (names, rows) = (txn.open_table(NAMES)?, txn.open_table(ROWS)?);
        let from = &starts[n * 17 % starts.len().max(1)];
        for name in names.range::<&[u8]>(from.as_slice()..)?.take(200) {
            let (key, _) = name?;
            let id = key.value().rsplit(|byte| *byte == 0).next().unwrap_or_default();
            rows.get([&side[..2], id].concat().as_slice())?.map(|row| row.value().len());
        }
        Ok(())
    })?;
    let scan = sample(samples, |_| -> Outcome {
        let names = db.begin_read()?.open_table(NAMES)?;
        let mut found = 0;
        for name in names.range::<&[u8]>(side.as_slice()..)? {
            let (key, _) = name?;
            if key.value()[..3] != side {
                break;
            }
            found += usize::from(std::str::from_utf8(&key.value()[3..]).is_ok_and(|name| name.contains("nobody is")));
        }
        if found == 0 { Ok(()) } else { Err("somebody is called this".into()) }
    })?;
    let read_all = sample(samples.min(50), |_| -> Outcome {
        let rows = db.begin_read()?.open_table(ROWS)?;
        let mut bytes = 0;
        for row in rows.range::<&[u8]>(&side[..1]..&[side[0] + 1][..])? {
            bytes += row?.1.value().len();
        }
        if bytes > 0 { Ok(()) } else { Err("there are no rows".into()) }
    })?;
    let rows = starts.len() * 2;
    let commit = commits(&db, 5, rows, 3, ROW)?;
    let mut bare = Bare::new()?;
    let mut frame = Samples::default();
    for n in 0..samples.max(200) {
        frame.push(bare.go(n * 34)?.0);
    }
    Ok(Floors { page, scan, read_all, commit, frame })
}
