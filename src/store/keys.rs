//! How keys are spelled.
//!
//! Numbers are big-endian. A text in the middle of a key carries its length, so that no text can be
//! taken for the start of another; a record id at the end of a key stands bare.

use std::ops::Bound;

use super::error::{Result, StoreError};
use crate::model::{Fingerprint, ItemId, LinkId, ModuleId, PairKey, RecordId, Side, State, Timestamp};

/// Longest record id accepted, in bytes. No remote we know comes near it; it bounds keys.
pub(super) const MAX_RECORD_ID: usize = 1024;

/// Longest indexed text kept as it is; longer ones are indexed by their fingerprint.
const MAX_INDEXED: usize = 512;

/// A key being put together.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(Vec<u8>);

impl Key {
    pub(super) fn new() -> Self {
        Self(Vec::with_capacity(32))
    }

    pub(super) fn byte(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }

    pub(super) fn module(self, module: ModuleId) -> Self {
        self.byte(module.number())
    }

    pub(super) fn side(self, side: Side) -> Self {
        self.byte(side as u8)
    }

    pub(super) fn u32(mut self, number: u32) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    pub(super) fn u64(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    pub(super) fn item(self, id: ItemId) -> Self {
        self.u64(id.0)
    }

    pub(super) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn text(self, text: &[u8]) -> Self {
        // Invariant: every text put in the middle of a key is bounded by MAX_RECORD_ID or MAX_INDEXED.
        self.raw(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes()).raw(text)
    }

    pub(super) fn pair(self, pair: &PairKey) -> Self {
        match pair {
            PairKey::Link(link) => self.byte(0).u64(link.0),
            PairKey::Lone(side, record) => self.byte(1).side(*side).text(record.as_str().as_bytes()),
        }
    }

    pub(super) fn done(self) -> Vec<u8> {
        self.0
    }
}

/// module·side·id, the key of everything known about one record.
pub(super) fn record(module: ModuleId, side: Side, record: &RecordId) -> Vec<u8> {
    Key::new().module(module).side(side).raw(record.as_str().as_bytes()).done()
}

/// module·pair.
pub(super) fn pair(module: ModuleId, pair: &PairKey) -> Vec<u8> {
    Key::new().module(module).pair(pair).done()
}

/// Refuses an id no key may hold.
pub(super) fn check_record(record: &RecordId) -> Result<()> {
    if record.as_str().len() > MAX_RECORD_ID {
        return Err(StoreError::invariant(format!("a record id of {} bytes", record.as_str().len())));
    }
    Ok(())
}

/// Refuses a pair no key may hold.
pub(super) fn check_pair(pair: &PairKey) -> Result<()> {
    match pair {
        PairKey::Link(_) => Ok(()),
        PairKey::Lone(_, record) => check_record(record),
    }
}

/// What stands for `text` in an index: the text itself, or its fingerprint when it is very long.
/// The leading byte keeps a long text from ever meeting a short one.
pub(super) fn indexed(text: &str) -> Vec<u8> {
    if text.len() <= MAX_INDEXED {
        Key::new().byte(0).raw(text.as_bytes()).done()
    } else {
        Key::new().byte(1).raw(&Fingerprint::of_bytes(text.as_bytes()).0.to_be_bytes()).done()
    }
}

/// Splits `bytes` after `n`, or reports damage.
pub(super) fn split(bytes: &[u8], n: usize) -> Result<(&[u8], &[u8])> {
    bytes.split_at_checked(n).ok_or_else(|| StoreError::corrupt("a key is too short"))
}

/// A number from the 8 bytes it is spelled in.
pub(super) fn number(bytes: &[u8]) -> Result<u64> {
    let bytes = bytes.try_into().map_err(|_| StoreError::corrupt("a number has the wrong length"))?;
    Ok(u64::from_be_bytes(bytes))
}

/// The number at the end of a key.
pub(super) fn tail_number(key: &[u8]) -> Result<u64> {
    let start = key.len().checked_sub(8).ok_or_else(|| StoreError::corrupt("a key is too short"))?;
    number(&key[start..])
}

/// The record id that is the rest of a key.
pub(super) fn rest_record(rest: &[u8]) -> Result<RecordId> {
    let text = std::str::from_utf8(rest).map_err(|_| StoreError::corrupt("a record id is not text"))?;
    Ok(RecordId::from(text))
}

/// The side with this number.
pub(super) fn side_of(number: u8) -> Result<Side> {
    Side::BOTH.into_iter().find(|side| *side as u8 == number).ok_or_else(|| StoreError::corrupt("no such side"))
}

/// The module with this number.
pub(super) fn module_of(number: u8) -> Result<ModuleId> {
    ModuleId::from_number(number).ok_or_else(|| StoreError::corrupt("no such module"))
}

/// Reads a pair from the start of `bytes`; also returns what follows it.
pub(super) fn read_pair(bytes: &[u8]) -> Result<(PairKey, &[u8])> {
    let (kind, rest) = split(bytes, 1)?;
    if kind[0] == 0 {
        let (link, rest) = split(rest, 8)?;
        return Ok((PairKey::Link(LinkId(number(link)?)), rest));
    }
    let (head, rest) = split(rest, 3)?;
    let (record, rest) = split(rest, usize::from(u16::from_be_bytes([head[1], head[2]])))?;
    Ok((PairKey::Lone(side_of(head[0])?, rest_record(record)?), rest))
}

/// How many ranks are open states.
pub(super) const OPEN_RANKS: u8 = 8;

/// The place of a state in the list, as used in keys: what needs a person first, then what moves, then
/// what waits; closed states come last, so that the open ones are one unbroken range.
pub(super) fn rank(state: State) -> u8 {
    match state {
        State::Held => 0,
        State::Dead => 1,
        State::Unknown => 2,
        State::Inflight => 3,
        State::Retry => 4,
        State::Ready => 5,
        State::Blocked => 6,
        State::New => 7,
        State::Skipped => 8,
        State::Done => 9,
        State::Superseded => 10,
    }
}

/// Where an item stands in the queue: by state, then priority, then the state's own time, then id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) rank: u8,
    pub(super) priority: u8,
    pub(super) sort: u64,
    pub(super) id: ItemId,
}

impl Position {
    /// Bytes a position takes at the end of a key.
    pub(super) const LEN: usize = 18;

    pub(super) fn bytes(self) -> Vec<u8> {
        Key::new().byte(self.rank).byte(self.priority).u64(self.sort).item(self.id).done()
    }

    /// From the end of a queue key.
    pub(super) fn of_key(key: &[u8]) -> Result<Self> {
        let start = key.len().checked_sub(Self::LEN).ok_or_else(|| StoreError::corrupt("a key is too short"))?;
        let (head, rest) = split(&key[start..], 2)?;
        let (sort, id) = split(rest, 8)?;
        Ok(Self { rank: head[0], priority: head[1], sort: number(sort)?, id: ItemId(number(id)?) })
    }

    /// As an opaque page token.
    pub(super) fn token(self) -> String {
        data_encoding::HEXLOWER.encode(&self.bytes())
    }

    /// From a page token.
    pub(super) fn from_token(token: &str) -> Result<Self> {
        let bytes = data_encoding::HEXLOWER.decode(token.as_bytes()).map_err(|_| StoreError::BadToken)?;
        if bytes.len() != Self::LEN {
            return Err(StoreError::BadToken);
        }
        Self::of_key(&bytes)
    }
}

/// time·item.
pub(super) fn due(at: Timestamp, id: ItemId) -> Vec<u8> {
    Key::new().u64(at.sort_key()).item(id).done()
}

/// A range of keys.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) lower: Bound<Vec<u8>>,
    pub(super) upper: Bound<Vec<u8>>,
}

impl Span {
    /// Every key.
    pub(super) fn all() -> Self {
        Self { lower: Bound::Unbounded, upper: Bound::Unbounded }
    }

    /// Every key that starts with `prefix`.
    pub(super) fn prefix(prefix: Vec<u8>) -> Self {
        Self { upper: successor(&prefix), lower: Bound::Included(prefix) }
    }

    /// Whether no key can lie inside.
    pub(super) fn is_empty(&self) -> bool {
        match (&self.lower, &self.upper) {
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
            (Bound::Included(lower), Bound::Included(upper)) => lower > upper,
            (Bound::Included(lower) | Bound::Excluded(lower), Bound::Excluded(upper) | Bound::Included(upper)) => {
                lower >= upper
            }
        }
    }

    /// Narrowed to keys greater than `key`.
    pub(super) fn after(mut self, key: Vec<u8>) -> Self {
        self.lower = Bound::Excluded(key);
        self
    }

    /// Narrowed to keys from `key` on.
    pub(super) fn from(mut self, key: Vec<u8>) -> Self {
        self.lower = Bound::Included(key);
        self
    }

    /// Narrowed to keys smaller than `key`.
    pub(super) fn before(mut self, key: Vec<u8>) -> Self {
        self.upper = Bound::Excluded(key);
        self
    }
}

/// The end of the range of keys that start with `prefix`.
fn successor(prefix: &[u8]) -> Bound<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Bound::Excluded(end);
        }
    }
    Bound::Unbounded
}

#[cfg(test)]
mod tests {
    use super::*;
    use strum::IntoEnumIterator as _;

    #[test]
    fn every_state_has_its_own_rank_and_open_ones_come_first() {
        let mut states: Vec<State> = State::iter().collect();
        states.sort_by_key(|state| rank(*state));
        for (index, state) in states.into_iter().enumerate() {
            assert_eq!(usize::from(rank(state)), index);
            assert_eq!(state.is_open(), rank(state) < OPEN_RANKS);
        }
    }

    #[test]
    fn no_text_is_taken_for_the_start_of_another() {
        let module = ModuleId::Contacts;
        let lone = |id: &str| PairKey::Lone(Side::Crm, RecordId::from(id));
        let short = Span::prefix(pair(module, &lone("a")));
        let Bound::Excluded(end) = short.upper else { panic!("a bounded range") };
        let foreign = Key::new().module(module).pair(&lone("a\0\0\0\0\0\0\0\0")).item(ItemId(1)).done();
        assert!(foreign >= end);
        assert_ne!(indexed(&"x".repeat(513)), indexed(&"x".repeat(514)));
    }

    #[test]
    fn pairs_and_positions_read_back() {
        for pair in [PairKey::Link(LinkId(7)), PairKey::Lone(Side::Ivvy, RecordId::from("é-1"))] {
            let bytes = Key::new().pair(&pair).item(ItemId(9)).done();
            let (read, rest) = read_pair(&bytes).unwrap();
            assert_eq!((read, number(rest).unwrap()), (pair, 9));
        }
        let position = Position { rank: 3, priority: 1, sort: 77, id: ItemId(5) };
        assert_eq!(Position::from_token(&position.token()).unwrap(), position);
        assert!(matches!(Position::from_token("zz"), Err(StoreError::BadToken)));
        assert!(matches!(Position::from_token("00"), Err(StoreError::BadToken)));
    }

    #[test]
    fn the_end_of_a_prefix_of_high_bytes_is_open() {
        assert_eq!(successor(&[1, 255]), Bound::Excluded(vec![2]));
        assert_eq!(successor(&[255]), Bound::Unbounded);
    }
}
