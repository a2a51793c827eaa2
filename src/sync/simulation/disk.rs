//! A disk that loses what was not synced when the power goes.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::seam::Entropy;

/// What survives, and what is only in the cache. Shared between the "machine" and its open store.
#[derive(Clone, Debug, Default)]
pub(in crate::sync) struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    durable: Vec<u8>,
    cached: Vec<u8>,
    /// Writes since the last sync, in order.
    pending: Vec<(usize, Vec<u8>)>,
    /// Which opening of the disk may still write: a crashed store's destructor must not.
    epoch: u64,
}

/// One opening of the disk.
#[derive(Debug)]
pub(in crate::sync) struct Backend {
    disk: Disk,
    epoch: u64,
}

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the disk as it stands.
    pub fn open(&self) -> Backend {
        Backend { disk: self.clone(), epoch: self.state().epoch }
    }

    /// The power goes: each unsynced write survives or not, by chance, and openings so far are dead.
    pub fn crash(&self, entropy: &Entropy) {
        let mut state = self.state();
        state.epoch += 1;
        let pending = std::mem::take(&mut state.pending);
        let mut survived = std::mem::take(&mut state.durable);
        for (offset, bytes) in pending {
            if entropy.chance(1, 2) {
                put(&mut survived, offset, &bytes);
            }
        }
        state.cached.clone_from(&survived);
        state.durable = survived;
    }
}

fn put(image: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if image.len() < end {
        image.resize(end, 0);
    }
    image[offset..end].copy_from_slice(bytes);
}

fn position(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput.into())
}

impl Backend {
    fn live(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.state();
        if state.epoch == self.epoch { Ok(state) } else { Err(io::Error::other("the machine crashed")) }
    }
}

impl redb::StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.live()?.cached.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.live()?;
        let start = position(offset)?;
        let bytes = state.cached.get(start..start + out.len());
        out.copy_from_slice(bytes.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.live()?;
        let len = position(len)?;
        state.cached.resize(len, 0);
        // Metadata is journalled by the file system: sizes survive in order.
        state.durable.resize(len, 0);
        state.pending.retain(|(offset, bytes)| offset + bytes.len() <= len);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.live()?;
        let pending = std::mem::take(&mut state.pending);
        for (offset, bytes) in pending {
            put(&mut state.durable, offset, &bytes);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.live()?;
        let offset = position(offset)?;
        put(&mut state.cached, offset, data);
        state.pending.push((offset, data.to_vec()));
        Ok(())
    }
}
