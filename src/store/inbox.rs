//! What streams brought: which payloads were taken, what could not be, and how each stream is doing.
//!
//! A payload and everything it brings are written in one transaction, so that "taken" never means half of it.

use std::ops::ControlFlow;

use super::StoreError;
use super::codec;
use super::error::Result;
use super::header::IndexRow;
use super::keys::{self, Key, Span};
use super::source::{self, Direction, Source};
use super::tables::Tab;
use super::tx::Tx;
use crate::model::{Quarantined, StreamId, StreamKind, StreamState, Timestamp};

/// Numbers of records that could not be taken: never used again.
const LAST_QUARANTINED: &str = "last_quarantined";

/// Checks that are looked at for one window: one institution's among those of many others.
const CHECKS_LOOKED_AT: usize = 10_000;

fn of_stream(stream: &StreamId) -> Key {
    Key::new().byte(stream.kind.number()).text(stream.tenant.as_bytes())
}

/// Reads a stream from the start of a key; also returns what follows it.
fn read_stream(key: &[u8]) -> Result<(StreamId, &[u8])> {
    let (head, rest) = keys::split(key, 3)?;
    let (tenant, rest) = keys::split(rest, usize::from(u16::from_be_bytes([head[1], head[2]])))?;
    let kind = StreamKind::from_number(head[0]).ok_or_else(|| StoreError::corrupt("no such stream"))?;
    Ok((StreamId { kind, tenant: keys::rest_record(tenant)?.to_string() }, rest))
}

/// The row of the index by time that belongs to a payload.
pub(super) fn index_row(key: &[u8], value: &[u8]) -> Result<IndexRow> {
    let at: Timestamp = codec::decode(value)?;
    Ok(IndexRow::bare(Tab::PayloadTimes, Key::new().u64(at.sort_key()).raw(key)))
}

/// The row of the index by time that belongs to a check at a gate.
pub(super) fn check_index_row(key: &[u8], value: &[u8]) -> Result<IndexRow> {
    let (at, _): (Timestamp, String) = codec::decode(value)?;
    Ok(IndexRow::bare(Tab::CheckTimes, Key::new().u64(at.sort_key()).raw(key)))
}

pub(super) fn access_check(source: &dyn Source, stream: &StreamId, number: u64) -> Result<Option<String>> {
    let key = of_stream(stream).u64(number).done();
    Ok(source::get(source, Tab::Checks, &key, codec::decode::<(Timestamp, String)>)?.map(|(_, body)| body))
}

/// A window of checks at gates, in the order they were first told, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checks {
    /// Each with its stream, its number, when it was first told, and what was told. Personal data.
    pub rows: Vec<(StreamId, u64, Timestamp, String)>,
    /// Where it goes on; none at the end. There may be more although there is no row: what is rare among others
    /// is looked for in parts.
    pub more: Option<String>,
}

pub(super) fn access_checks(
    source: &dyn Source,
    stream: Option<&StreamId>,
    since: Option<Timestamp>,
    before: Option<&str>,
    limit: usize,
) -> Result<Checks> {
    let mut span = Span::all();
    if let Some(since) = since {
        span = span.from(Key::new().u64(since.sort_key()).done());
    }
    if let Some(token) = before {
        span = span.before(check_place(token)?);
    }
    let (mut found, mut passed, mut looked, mut more) = (Vec::new(), Vec::new(), 0, None);
    source.scan(Tab::CheckTimes, &span, Direction::Down, &mut |key, _| {
        if found.len() >= limit || looked >= CHECKS_LOOKED_AT {
            more = Some(data_encoding::HEXLOWER.encode(&passed));
            return Ok(ControlFlow::Break(()));
        }
        looked += 1;
        passed = key.to_vec();
        let (_, check) = keys::split(key, 8)?;
        let (of, number) = read_stream(check)?;
        if stream.is_none_or(|stream| *stream == of) {
            found.push((of, keys::number(number)?, check.to_vec()));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let mut rows = Vec::with_capacity(found.len());
    for (of, number, key) in found {
        let told: Option<(Timestamp, String)> = source::get(source, Tab::Checks, &key, codec::decode)?;
        let (at, body) = told.ok_or_else(|| StoreError::corrupt(format!("check {number} of {of} is missing")))?;
        rows.push((of, number, at, body));
    }
    Ok(Checks { rows, more })
}

/// The key of the index by time that a token of [`Checks::more`] stands for.
fn check_place(token: &str) -> Result<Vec<u8>> {
    let key = data_encoding::HEXLOWER.decode(token.as_bytes()).map_err(|_| StoreError::BadToken)?;
    let place = keys::split(&key, 8).and_then(|(_, check)| keys::number(read_stream(check)?.1));
    place.map_err(|_| StoreError::BadToken)?;
    Ok(key)
}

pub(super) fn is_known(source: &dyn Source, stream: &StreamId, digest: &[u8; 32]) -> Result<bool> {
    source.with(Tab::Payloads, &of_stream(stream).raw(digest).done(), &mut |_| Ok(()))
}

pub(super) fn state(source: &dyn Source, stream: &StreamId) -> Result<Option<StreamState>> {
    source::get(source, Tab::Streams, &of_stream(stream).done(), codec::decode)
}

pub(super) fn states(source: &dyn Source) -> Result<Vec<(StreamId, StreamState)>> {
    source::collect(source, Tab::Streams, &Span::all(), usize::MAX, |key, value| {
        Ok((read_stream(key)?.0, codec::decode(value)?))
    })
}

pub(super) fn quarantined(
    source: &dyn Source,
    stream: &StreamId,
    after: Option<u64>,
    limit: usize,
) -> Result<Vec<Quarantined>> {
    let mut span = Span::prefix(of_stream(stream).done());
    if let Some(after) = after {
        span = span.after(of_stream(stream).u64(after).done());
    }
    source::collect(source, Tab::Quarantine, &span, limit, |_, value| codec::decode(value))
}

/// How many records of a stream are set aside. Reads none of them.
pub(super) fn count_quarantined(source: &dyn Source, stream: &StreamId) -> Result<u64> {
    let span = Span::prefix(of_stream(stream).done());
    let mut count = 0;
    source.scan(Tab::Quarantine, &span, Direction::Up, &mut |_, _| {
        count += 1;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(count)
}

/// One record that was set aside.
pub(super) fn quarantined_one(source: &dyn Source, stream: &StreamId, number: u64) -> Result<Option<Quarantined>> {
    source::get(source, Tab::Quarantine, &of_stream(stream).u64(number).done(), codec::decode)
}

fn check_tenant(stream: &StreamId) -> Result<()> {
    if stream.tenant.len() > keys::MAX_RECORD_ID {
        return Err(StoreError::invariant(format!("a tenant of {} bytes", stream.tenant.len())));
    }
    Ok(())
}

impl Tx<'_> {
    /// Takes note of a payload by its digest. False if it was taken before on this stream: then nothing was
    /// written, and nothing else of it may be.
    pub fn take_payload(&mut self, stream: &StreamId, digest: &[u8; 32], at: Timestamp) -> Result<bool> {
        check_tenant(stream)?;
        let key = of_stream(stream).raw(digest).done();
        if is_known(self, stream, digest)? {
            return Ok(false);
        }
        let value = codec::encode(&at)?;
        let row = index_row(&key, &value)?;
        self.insert(row.tab, &row.key, &row.value)?;
        self.insert(Tab::Payloads, &key, &value)?;
        Ok(true)
    }

    /// Forgets at most `limit` payloads that were taken before `until`; returns how many went.
    pub fn forget_payloads(&mut self, until: Timestamp, limit: usize) -> Result<usize> {
        let span = Span::all().before(Key::new().u64(until.sort_key()).done());
        let old = source::collect(self, Tab::PayloadTimes, &span, limit, |key, _| Ok(key.to_vec()))?;
        for key in &old {
            let (_, payload) = keys::split(key, 8)?;
            self.remove(Tab::Payloads, payload)?;
            self.remove(Tab::PayloadTimes, key)?;
        }
        Ok(old.len())
    }

    /// Keeps a check at a gate. Told again, it stays one; what is told last counts. Returns whether it was new, or
    /// says something new.
    pub fn put_check(&mut self, stream: &StreamId, number: u64, body: &str, at: Timestamp) -> Result<bool> {
        check_tenant(stream)?;
        let key = of_stream(stream).u64(number).done();
        let known: Option<(Timestamp, String)> = source::get(self, Tab::Checks, &key, codec::decode)?;
        let first = match known {
            Some((_, known)) if known == body => return Ok(false),
            Some((first, _)) => first,
            None => at,
        };
        let value = codec::encode(&(first, body))?;
        let row = check_index_row(&key, &value)?;
        self.insert(row.tab, &row.key, &row.value)?;
        self.insert(Tab::Checks, &key, &value)?;
        Ok(true)
    }

    /// Forgets at most `limit` checks that were first told before `until`; returns how many went.
    pub fn forget_checks(&mut self, until: Timestamp, limit: usize) -> Result<usize> {
        let span = Span::all().before(Key::new().u64(until.sort_key()).done());
        let old = source::collect(self, Tab::CheckTimes, &span, limit, |key, _| Ok(key.to_vec()))?;
        for key in &old {
            let (_, check) = keys::split(key, 8)?;
            self.remove(Tab::Checks, check)?;
            self.remove(Tab::CheckTimes, key)?;
        }
        Ok(old.len())
    }

    /// Sets a record aside. Returns its number.
    pub fn quarantine(&mut self, record: &Quarantined) -> Result<u64> {
        check_tenant(&record.stream)?;
        let number = self.next_number(LAST_QUARANTINED)?;
        let row = Quarantined { number, ..record.clone() };
        self.insert(Tab::Quarantine, &of_stream(&row.stream).u64(number).done(), &codec::encode(&row)?)?;
        Ok(number)
    }

    /// Removes a record that was set aside. Returns whether it was there.
    pub fn release_quarantined(&mut self, stream: &StreamId, number: u64) -> Result<bool> {
        self.remove(Tab::Quarantine, &of_stream(stream).u64(number).done())
    }

    /// Writes how a stream is doing.
    pub fn put_stream(&mut self, stream: &StreamId, state: &StreamState) -> Result<()> {
        check_tenant(stream)?;
        self.insert(Tab::Streams, &of_stream(stream).done(), &codec::encode(state)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Options, Reads as _, Store, doctor};

    fn store() -> Store {
        Store::open_backend(redb::backends::InMemoryBackend::new(), Options::default()).unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_secs(1_795_000_000 + second)
    }

    #[test]
    fn a_payload_is_taken_once_per_stream_until_it_is_forgotten_s16() {
        let store = store();
        let acme = StreamId::new(StreamKind::S360Contacts, "ACME");
        let globe = StreamId::new(StreamKind::S360Contacts, "GLOBE");
        let take = |stream: &StreamId, digest: u8, second| {
            let stream = stream.clone();
            store.write_blocking(move |tx| tx.take_payload(&stream, &[digest; 32], at(second))).unwrap()
        };
        assert!(take(&acme, 1, 10));
        assert!(!take(&acme, 1, 20), "the same payload again");
        assert!(take(&acme, 2, 20));
        assert!(take(&globe, 1, 30), "another institution's is another payload");
        assert_eq!(store.read(doctor::check).unwrap(), Vec::<String>::new());
        doctor::rebuild(&store).unwrap();
        assert_eq!(store.read(doctor::check).unwrap(), Vec::<String>::new());
        let forget = |until, limit| store.write_blocking(move |tx| tx.forget_payloads(at(until), limit)).unwrap();
        assert_eq!((forget(20, 9), forget(40, 1)), (1, 1));
        let known = |stream, digest| store.read(|view| view.is_payload_known(stream, &[digest; 32])).unwrap();
        assert!(!known(&acme, 1) && !known(&acme, 2) && known(&globe, 1));
    }

    #[test]
    fn what_could_not_be_taken_is_kept_per_stream_and_numbers_are_never_used_again_s15() {
        let store = store();
        let streams = ["ACME", "GLOBE"].map(|tenant| StreamId::new(StreamKind::S360Orders, tenant));
        let set_aside = |stream: &StreamId| {
            let record = Quarantined {
                number: 0,
                stream: stream.clone(),
                at: at(1),
                index: 7,
                id: None,
                why: "it has no number".to_owned(),
                body: "{}".to_owned(),
            };
            store.write_blocking(move |tx| tx.quarantine(&record)).unwrap()
        };
        let numbers: Vec<u64> = [0, 1, 0].iter().map(|index| set_aside(&streams[*index])).collect();
        assert_eq!(numbers, [1, 2, 3]);
        let of = |index: usize, after| -> Vec<u64> {
            let page = store.read(|view| view.quarantined(&streams[index], after, 9)).unwrap();
            page.into_iter().map(|row| row.number).collect()
        };
        assert_eq!((of(0, None), of(0, Some(1)), of(1, None)), (vec![1, 3], vec![3], vec![2]));
        let counts = [0, 1].map(|index: usize| store.read(|view| view.count_quarantined(&streams[index])).unwrap());
        assert_eq!(counts, [2, 1]);
        let one = |index: usize| store.read(|view| view.quarantined_one(&streams[index], 3)).unwrap();
        assert!(one(0).is_some() && one(1).is_none());
        let release = |index: usize, number| {
            let stream = streams[index].clone();
            store.write_blocking(move |tx| tx.release_quarantined(&stream, number)).unwrap()
        };
        assert!(!release(1, 3), "another institution's");
        assert!(release(0, 3));
        assert_eq!(set_aside(&streams[0]), 4);
    }

    #[test]
    fn a_check_is_kept_once_per_institution_until_it_is_forgotten_s12() {
        let store = store();
        let streams = ["ACME", "GLOBE"].map(|tenant| StreamId::new(StreamKind::S360Access, tenant));
        let put = |index: usize, number, body: &'static str, second| {
            let stream: StreamId = streams[index].clone();
            store.write_blocking(move |tx| tx.put_check(&stream, number, body, at(second))).unwrap()
        };
        assert!(put(0, 7, "{}", 10));
        assert!(!put(0, 7, "{}", 20), "the same again");
        assert!(put(1, 7, "{}", 30), "another institution's");
        assert!(put(0, 7, "{\"result\":\"OK\"}", 40), "what is told last counts");
        let known = |index: usize| store.read(|view| view.access_check(&streams[index], 7)).unwrap();
        assert_eq!((known(0).as_deref(), known(1).as_deref()), (Some("{\"result\":\"OK\"}"), Some("{}")));
        assert_eq!(store.read(doctor::check).unwrap(), Vec::<String>::new());
        doctor::rebuild(&store).unwrap();
        assert_eq!(store.read(doctor::check).unwrap(), Vec::<String>::new());
        assert_eq!(store.write_blocking(|tx| tx.forget_checks(at(30), 9)).unwrap(), 1);
        assert_eq!((known(0), known(1).as_deref()), (None, Some("{}")));
        assert_eq!(store.read(doctor::check).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn checks_are_listed_newest_first_of_one_institution_or_all_in_bounded_parts_s12() {
        let store = store();
        let streams = ["ACME", "GLOBE"].map(|tenant| StreamId::new(StreamKind::S360Access, tenant));
        let all = streams.clone();
        store
            .write_blocking(move |tx| {
                // Told in posts: several at one moment, the institutions in turn.
                for number in 1..=6_u64 {
                    let second = 10 * i64::try_from(number.div_ceil(2)).unwrap();
                    tx.put_check(&all[0], number, &format!("{{\"n\":{number}}}"), at(second))?;
                }
                tx.put_check(&all[1], 1, "{}", at(20)).map(drop)
            })
            .unwrap();
        let of = |stream: Option<usize>, since: Option<i64>, before: Option<&str>, limit| {
            let stream = stream.map(|index| &streams[index]);
            let page = store.read(|view| view.access_checks(stream, since.map(at), before, limit)).unwrap();
            let rows: Vec<String> = page.rows.iter().map(|(of, number, ..)| format!("{}{number}", of.tenant)).collect();
            (rows.join(" "), page.more)
        };
        assert_eq!(of(None, None, None, 9).0, "ACME6 ACME5 GLOBE1 ACME4 ACME3 ACME2 ACME1");
        assert_eq!(of(Some(0), Some(20), None, 9), ("ACME6 ACME5 ACME4 ACME3".to_owned(), None));
        assert_eq!(of(Some(1), None, None, 9), ("GLOBE1".to_owned(), None), "nobody else's");
        let (first, more) = of(Some(0), None, None, 3);
        let (second, end) = of(Some(0), None, more.as_deref(), 3);
        assert_eq!((first.as_str(), second.as_str(), end), ("ACME6 ACME5 ACME4", "ACME3 ACME2 ACME1", None));
        // What comes meanwhile neither moves nor doubles what is below.
        let acme = streams[0].clone();
        store.write_blocking(move |tx| tx.put_check(&acme, 7, "{}", at(90))).unwrap();
        assert_eq!(of(Some(0), None, more.as_deref(), 3).0, second);
        let (row, body) = store
            .read(|view| view.access_checks(Some(&streams[0]), None, None, 9))
            .map(|page| (page.rows[1].2, page.rows[1].3.clone()))
            .unwrap();
        assert_eq!((row, body.as_str()), (at(30), "{\"n\":6}"));
        for token in ["", "zz", "00", "0011223344556677", "001122334455667703000141"] {
            let read = store.read(|view| view.access_checks(None, None, Some(token), 9));
            assert!(matches!(read, Err(StoreError::BadToken)), "{token}");
        }
    }

    #[test]
    fn one_institution_among_many_others_is_looked_for_in_parts_s12() {
        let store = store();
        let streams = ["ACME", "GLOBE"].map(|tenant| StreamId::new(StreamKind::S360Access, tenant));
        let [acme, globe] = streams.clone();
        store
            .write_blocking(move |tx| {
                tx.put_check(&acme, 1, "{}", at(1))?;
                let others = u64::try_from(CHECKS_LOOKED_AT).unwrap();
                (1..=others).try_for_each(|number| tx.put_check(&globe, number, "{}", at(2)).map(drop))
            })
            .unwrap();
        let read =
            |before: Option<&str>| store.read(|view| view.access_checks(Some(&streams[0]), None, before, 9)).unwrap();
        let nothing_yet = read(None);
        assert_eq!((nothing_yet.rows.len(), nothing_yet.more.is_some()), (0, true));
        let found = read(nothing_yet.more.as_deref());
        assert_eq!((found.rows.len(), found.more), (1, None));
    }

    #[test]
    fn every_stream_keeps_its_own_state() {
        let store = store();
        let acme = StreamId::new(StreamKind::S360Access, "ACME");
        assert_eq!(store.read(|view| view.stream(&acme)).unwrap(), StreamState::default());
        let state = StreamState { payloads: 3, last_at: Some(at(5)), ..StreamState::default() };
        let (stream, kept) = (acme.clone(), state.clone());
        store.write_blocking(move |tx| tx.put_stream(&stream, &kept)).unwrap();
        assert_eq!(store.read(|view| view.streams()).unwrap(), [(acme, state)]);
    }
}
