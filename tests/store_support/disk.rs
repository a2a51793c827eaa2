//! Disks that fail: power cuts that lose, tear and reorder whatever was not synced, and full ones.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use redb::StorageBackend;
use tandem::seam::Entropy;

/// What a sector-sized write unit is to the disk: it lands whole or not at all.
const SECTOR: usize = 512;

#[derive(Debug, Default)]
struct State {
    /// What the machine reads.
    now: Vec<u8>,
    /// What is on the platter for sure.
    synced: Vec<u8>,
    /// Sectors written since the last sync; each may or may not be on the platter.
    loose: BTreeMap<usize, ()>,
    /// Calls until the power goes; `None`: never.
    fuse: Option<u64>,
    dead: bool,
    /// Bytes the disk holds.
    capacity: Option<u64>,
}

/// A disk that outlives the store on it. Clones share it.
#[derive(Clone, Debug)]
pub struct Disk {
    state: Arc<Mutex<State>>,
    entropy: Entropy,
}

impl Disk {
    pub fn new(seed: u64) -> Self {
        Self { state: Arc::default(), entropy: Entropy::seeded(seed) }
    }

    /// A disk of `bytes` bytes.
    pub fn limited(bytes: u64) -> Self {
        let disk = Self::new(0);
        disk.state.lock().unwrap().capacity = Some(bytes);
        disk
    }

    /// Cuts the power at the `calls`-th change from now.
    pub fn arm(&self, calls: u64) {
        self.state.lock().unwrap().fuse = Some(calls);
    }

    /// The power stays from now on.
    pub fn disarm(&self) {
        self.state.lock().unwrap().fuse = None;
    }

    /// Whether the power is gone.
    pub fn is_dead(&self) -> bool {
        self.state.lock().unwrap().dead
    }

    /// The disk after the cut: every loose sector is there, gone, or half of its write is.
    pub fn after_the_cut(&self) -> Self {
        let state = self.state.lock().unwrap();
        let mut image = state.synced.clone();
        // The file's length is metadata of its own: old, new, or anything the journal made of it.
        if state.now.len() > image.len() && self.entropy.chance(1, 2) {
            image.resize(state.now.len(), 0);
        }
        for start in state.loose.keys().copied() {
            let end = (start + SECTOR).min(image.len()).min(state.now.len());
            if start < end && self.entropy.chance(1, 2) {
                image[start..end].copy_from_slice(&state.now[start..end]);
            }
        }
        let next = State { now: image.clone(), synced: image, ..State::default() };
        Self { state: Arc::new(Mutex::new(next)), entropy: self.entropy.clone() }
    }

    /// The same content on a disk of another size.
    pub fn moved_to(&self, capacity: Option<u64>) -> Self {
        let image = self.state.lock().unwrap().synced.clone();
        let next = State { now: image.clone(), synced: image, capacity, ..State::default() };
        Self { state: Arc::new(Mutex::new(next)), entropy: self.entropy.clone() }
    }

    fn change(&self, change: impl FnOnce(&mut State) -> io::Result<()>) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        if let Some(fuse) = &mut state.fuse {
            *fuse = fuse.saturating_sub(1);
            state.dead |= state.fuse == Some(0);
        }
        if state.dead {
            return Err(io::Error::other("no power"));
        }
        change(&mut state)
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state.lock().unwrap().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state.lock().unwrap();
        if state.dead {
            return Err(io::Error::other("no power"));
        }
        let start = offset as usize;
        let bytes = state.now.get(start..start + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(|state| {
            if state.capacity.is_some_and(|capacity| len > capacity) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            state.now.resize(len as usize, 0);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.change(|state| {
            state.synced = state.now.clone();
            state.loose.clear();
            Ok(())
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(|state| {
            let start = offset as usize;
            let target = state.now.get_mut(start..start + data.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
            target.copy_from_slice(data);
            let first = start / SECTOR * SECTOR;
            state.loose.extend((first..start + data.len()).step_by(SECTOR).map(|sector| (sector, ())));
            Ok(())
        })
    }
}
