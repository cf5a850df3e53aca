//! A simulated disk in memory that loses, tears and reorders writes that were not synced, fails on
//! demand, and can be copied.

use super::disk::LogDisk;
use super::frame::BLOCK_BYTES;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

#[derive(Debug, Clone, Default)]
pub(super) struct SimFile {
    /// What a reader sees.
    bytes: Vec<u8>,
    /// What survives any stop.
    durable: Vec<u8>,
}

pub(super) type SharedSimFile = Arc<Mutex<SimFile>>;

/// The name of a file.
#[derive(Debug, Clone)]
struct SimName {
    file: SharedSimFile,
    /// Whether the name survives any stop.
    durable: bool,
}

#[derive(Debug, Default)]
struct Inner {
    files: BTreeMap<String, SimName>,
    /// Names whose removal is not durable.
    removed: Vec<(String, SharedSimFile)>,
    /// The number of operations until the disk fails for good; `None` for never.
    fuse: Option<u64>,
    /// The number of operations done.
    done: u64,
    /// The number of syncs until one fails: after that the pages are gone, and the next sync of
    /// that file reports success.
    failing_sync: Option<u64>,
}

/// Random numbers that are determined by a seed (splitmix64).
#[derive(Debug, Clone)]
pub(super) struct Chance(pub(super) u64);

impl Chance {
    /// Returns a number below `limit`.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// A simulated disk; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct SimDisk(Arc<Mutex<Inner>>);

impl SimDisk {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no test panics while it holds the disk")
    }

    fn step(&self) -> io::Result<MutexGuard<'_, Inner>> {
        let mut inner = self.inner();
        inner.done += 1;
        match &mut inner.fuse {
            Some(0) => Err(io::Error::other("the machine has stopped")),
            Some(left) => {
                *left -= 1;
                Ok(inner)
            }
            None => Ok(inner),
        }
    }

    /// Returns the number of operations done so far.
    pub(super) fn done(&self) -> u64 {
        self.inner().done
    }

    /// Stops the machine after this many more operations.
    pub(super) fn stop_after(&self, operations: u64) {
        self.inner().fuse = Some(operations);
    }

    /// Makes one sync fail, after this many others.
    pub(super) fn fail_sync_after(&self, syncs: u64) {
        self.inner().failing_sync = Some(syncs);
    }

    /// Returns what a new machine finds: of the writes that were not synced, any blocks in any
    /// order, cut anywhere.
    pub(super) fn after_power_cut(&self, chance: &mut Chance) -> Self {
        let inner = self.inner();
        let mut files = BTreeMap::new();
        for (name, file) in &inner.files {
            if !file.durable && chance.below(2) == 0 {
                continue;
            }
            files.insert(name.clone(), cut(&lock(&file.file), chance));
        }
        for (name, file) in &inner.removed {
            if chance.below(2) == 0 {
                files.insert(name.clone(), cut(&lock(file), chance));
            }
        }
        Self(Arc::new(Mutex::new(Inner { files, ..Inner::default() })))
    }

    /// Returns what a new process finds: everything that was written.
    pub(super) fn after_kill(&self) -> Self {
        let copy = |name: &SimName| SimName {
            file: Arc::new(Mutex::new(lock(&name.file).clone())),
            durable: name.durable,
        };
        let files =
            self.inner().files.iter().map(|(name, file)| (name.clone(), copy(file))).collect();
        Self(Arc::new(Mutex::new(Inner { files, ..Inner::default() })))
    }

    /// Changes the bytes of a file, to damage it.
    pub(super) fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let inner = self.inner();
        let mut file = lock(&inner.files.get(name).expect("the file").file);
        change(&mut file.bytes);
        file.durable = file.bytes.clone();
    }
}

/// Returns a file of which an arbitrary part of the unsynced writes reached the disk.
fn cut(file: &SimFile, chance: &mut Chance) -> SimName {
    let mut bytes = file.durable.clone();
    // Data that was overwritten in place reached the disk, or did not.
    if file.bytes.get(..bytes.len()).is_some_and(|written| written != bytes) && chance.below(2) == 0
    {
        let length = bytes.len();
        bytes.copy_from_slice(&file.bytes[..length]);
    }
    let more = file.bytes.len().saturating_sub(bytes.len());
    let kept = if more == 0 { 0 } else { chance.below(more as u64 + 1) as usize };
    let durable = bytes.len();
    bytes.resize(durable + kept, 0);
    let mut start = durable;
    while start < bytes.len() {
        let end = ((start / BLOCK_BYTES + 1) * BLOCK_BYTES).min(bytes.len());
        if chance.below(3) > 0 {
            bytes[start..end].copy_from_slice(&file.bytes[start..end]);
        }
        start = end;
    }
    SimName { file: Arc::new(Mutex::new(SimFile { durable: bytes.clone(), bytes })), durable: true }
}

fn lock(file: &SharedSimFile) -> MutexGuard<'_, SimFile> {
    file.lock().expect("no test panics while it holds a file")
}

impl LogDisk for SimDisk {
    type File = SharedSimFile;

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.step()?.files.keys().cloned().collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.step()?
            .files
            .get(name)
            .map(|name| lock(&name.file).bytes.clone())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn create(&self, name: &str) -> io::Result<SharedSimFile> {
        let mut inner = self.step()?;
        if inner.files.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = SharedSimFile::default();
        inner.files.insert(name.to_owned(), SimName { file: Arc::clone(&file), durable: false });
        Ok(file)
    }

    fn append(&self, file: &mut SharedSimFile, bytes: &[u8]) -> io::Result<()> {
        let stopping = self.inner().fuse == Some(0);
        if stopping {
            // Half of it was written when the machine stopped.
            lock(file).bytes.extend_from_slice(&bytes[..bytes.len() / 2]);
        }
        let _inner = self.step()?;
        lock(file).bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&self, file: &mut SharedSimFile) -> io::Result<()> {
        let mut inner = self.step()?;
        let fails = inner.failing_sync == Some(0);
        inner.failing_sync = inner.failing_sync.and_then(|left| left.checked_sub(1));
        if fails {
            // Readers still see the pages; the disk does not have them, and the kernel will not
            // write them again.
            return Err(io::Error::other("the disk failed"));
        }
        let mut file = lock(file);
        file.durable = file.bytes.clone();
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut inner = self.step()?;
        inner.files.values_mut().for_each(|name| name.durable = true);
        inner.removed.clear();
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut inner = self.step()?;
        let SimName { file, durable } = inner.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        if durable {
            inner.removed.push((from.to_owned(), Arc::clone(&file)));
        }
        inner.files.insert(to.to_owned(), SimName { file, durable: false });
        Ok(())
    }

    fn overwrite(&self, name: &str, at: u64, bytes: &[u8]) -> io::Result<()> {
        let inner = self.step()?;
        let mut file = lock(&inner.files.get(name).ok_or(io::ErrorKind::NotFound)?.file);
        let at = at as usize;
        file.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut inner = self.step()?;
        let SimName { file, durable } = inner.files.remove(name).ok_or(io::ErrorKind::NotFound)?;
        if durable {
            inner.removed.push((name.to_owned(), file));
        }
        Ok(())
    }
}
