//! Quarantine: keeps records that could not be decoded, with the reason, the line and the source.
//!
//! Only the beginning of a record is kept ([`HEAD_BYTES`]), with the length and the hash of the
//! whole record. One thread owns the files. It makes all waiting records durable in one write, and
//! only then confirms them. A record that is sent again is not kept twice.
//!
//! The bytes of all records together are bounded, and so is the share of one tenant. A request
//! whose records exceed either is refused, while those of other tenants go on (see [`shares`]). The
//! file formats are in [`crate::storage::quarantine`].

mod ask;
mod expire;
mod kind;
mod rewrite;
mod shares;
mod tidy;
mod writer;

#[cfg(test)]
mod tests;

pub use ask::{EntryPage, QuarantineAsk, QuarantinePage, Quarantined, ReasonCount};
pub use expire::{Cleared, Clearing};
pub use kind::kind_of;
pub use shares::QUARANTINE_BYTES;

use super::record::Rejected;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::event::Timestamp;
use crate::storage::quarantine::{
    Folder, HEAD_BYTES, QuarantineEntry, QuarantineFile, QuarantineId,
};
use crate::storage::{AccessMode, Store};
use sha2::{Digest, Sha256};
use shares::Shares;
use std::collections::HashSet;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use writer::{QuarantineWriter, WriterOrder};

/// The number of orders that may wait for the writer thread.
const ORDERS_WAITING: usize = 64;
/// How many records, and how many of their bytes, are handed to the writer at a time.
const HANDED: (usize, usize) = (10_000, 4 << 20);

/// The quarantine of a data directory.
#[derive(Debug)]
pub struct Quarantine {
    shared: Arc<SharedQuarantine>,
    /// Sends orders to the writer thread; without it the quarantine is read-only.
    orders: Option<SyncSender<WriterOrder>>,
    thread: Option<JoinHandle<()>>,
}

/// How much is in quarantine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QuarantineUsage {
    /// The number of records.
    pub records: u64,
    /// The bytes that they count as.
    pub bytes: u64,
    /// The most bytes that they may count as.
    pub bound: u64,
}

/// State shared by readers and the writer.
#[derive(Debug)]
struct SharedQuarantine {
    folder: Folder,
    parts: Mutex<Arc<Vec<Arc<QuarantineFile>>>>,
    shares: Mutex<Shares>,
    /// Whether files are being rewritten.
    rewriting: AtomicBool,
    /// Files that were found missing when the quarantine was opened.
    damage: Vec<String>,
}

impl SharedQuarantine {
    fn parts(&self) -> Arc<Vec<Arc<QuarantineFile>>> {
        Arc::clone(&self.parts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces some parts by others; parts are sorted oldest first.
    fn exchange(
        &self,
        old: &[Arc<QuarantineFile>],
        new: impl IntoIterator<Item = Arc<QuarantineFile>>,
    ) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let stays = |part: &&Arc<QuarantineFile>| !old.iter().any(|gone| Arc::ptr_eq(gone, part));
        let mut now: Vec<Arc<QuarantineFile>> =
            parts.iter().filter(stays).cloned().chain(new).collect();
        now.sort_by_key(|part| part.numbers().0);
        *parts = Arc::new(now);
    }

    /// Records which files must exist: the present ones, without `gone` and with `coming`.
    fn list(&self, gone: &[Arc<QuarantineFile>], coming: &[&str]) -> Result<()> {
        let parts = self.parts();
        let stays = parts.iter().filter(|part| !gone.iter().any(|gone| Arc::ptr_eq(gone, part)));
        self.folder.list(
            stays
                .map(|part| part.path().to_owned())
                .chain(coming.iter().map(|path| (*path).to_owned())),
        )
    }

    fn shares(&self) -> std::sync::MutexGuard<'_, Shares> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Quarantine {
    /// Opens the quarantine of a store, in which records may take `bound` bytes. Damaged files are
    /// opened as far as they can be read. Only the summary of each file is read, unless the file
    /// was not closed or is of an earlier version.
    ///
    /// # Errors
    /// A folder that cannot be read, or, for writing, a disk that fails.
    pub fn open(store: &Store, access: AccessMode, bound: u64) -> Result<Self> {
        let mut folder = Folder::new(store);
        let mut found = folder.open(kind_of)?;
        for part in found.parts.iter().filter(|part| part.torn() > 0) {
            tracing::warn!(
                file = part.shown(),
                bytes = part.torn(),
                "quarantine ends in records that are incomplete and were not acknowledged"
            );
        }
        for what in found.parts.iter().flat_map(|part| part.damage()).chain(&found.damage) {
            tracing::error!("quarantine is damaged: {what}; the rest of it is answered");
        }
        let next = found.next;
        let damage = std::mem::take(&mut found.damage);
        if access == AccessMode::Write {
            tidy::at_start(&folder, &mut found)?;
        }
        let shares = Mutex::new(Shares::of(&found.parts, bound));
        let parts = Mutex::new(Arc::new(found.parts));
        let shared = Arc::new(SharedQuarantine {
            folder,
            parts,
            shares,
            rewriting: AtomicBool::default(),
            damage,
        });
        if access == AccessMode::Read {
            return Ok(Self { shared, orders: None, thread: None });
        }
        let (orders, received) = sync_channel(ORDERS_WAITING);
        let mut writer = QuarantineWriter::new(Arc::clone(&shared), next);
        let spawned = std::thread::Builder::new()
            .name("annals-quarantine".into())
            .spawn(move || writer.run(&received));
        let thread =
            spawned.context(ErrorKind::Unavailable, || "cannot start a thread".to_owned())?;
        Ok(Self { shared, orders: Some(orders), thread: Some(thread) })
    }

    /// Returns the damage that was found when it was opened.
    pub fn damage(&self) -> Vec<String> {
        let parts = self.shared.parts();
        let of_parts = parts.iter().flat_map(|part| part.damage().iter().cloned());
        self.shared.damage.iter().cloned().chain(of_parts).collect()
    }

    /// Returns the number of records.
    pub fn len(&self) -> u64 {
        self.shared.parts().iter().map(|part| part.records()).sum()
    }

    /// Returns whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how much is in it.
    pub fn usage(&self) -> QuarantineUsage {
        let records = self.len();
        let (bytes, bound) = self.shared.shares().bytes();
        QuarantineUsage { records, bytes, bound }
    }

    /// Keeps records. When this returns, they are durable. No lock is needed, and any number of
    /// callers may call it at once: what waits is written together. Records that are there already
    /// are not kept again.
    ///
    /// # Errors
    /// A disk that fails, or a quarantine that is full. Some of the records may have been kept
    /// then; they are recognized when they are sent again.
    pub fn keep(&self, source: &str, now: Timestamp, rejected: &[Rejected]) -> Result<()> {
        let source: Arc<str> = source.into();
        let mut seen: HashSet<QuarantineId> = HashSet::new();
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for rejected in rejected {
            let digest = id(rejected);
            if !seen.insert(digest) {
                continue;
            }
            let entry = entry(digest, rejected, &source, now);
            bytes += entry.head.len();
            entries.push(entry);
            if entries.len() >= HANDED.0 || bytes >= HANDED.1 {
                self.hand_over(std::mem::take(&mut entries))?;
                bytes = 0;
            }
        }
        if entries.is_empty() { Ok(()) } else { self.hand_over(entries) }
    }

    fn hand_over(&self, entries: Vec<QuarantineEntry>) -> Result<()> {
        self.ordered(|done| WriterOrder::Keep { entries, done })
    }

    /// Sends an order to the thread and waits until it is done.
    fn ordered(&self, order: impl FnOnce(SyncSender<Result<()>>) -> WriterOrder) -> Result<()> {
        let (done, answer) = sync_channel(1);
        self.orders.as_ref().and_then(|orders| orders.send(order(done)).ok()).ok_or_else(gone)?;
        answer.recv().unwrap_or_else(|_| Err(gone()))
    }

    /// Reads every file and reports what differs from what was written.
    ///
    /// # Errors
    /// A disk that fails.
    pub fn check(&self) -> Result<Vec<String>> {
        let mut found = self.shared.damage.clone();
        for part in self.shared.parts().iter() {
            found.extend(part.verify()?);
        }
        Ok(found)
    }
}

impl Drop for Quarantine {
    /// Lets the thread finish its orders and end: it then closes the log.
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn gone() -> Error {
    Error::internal("the thread that writes quarantine has ended; restart the server")
}

fn id(rejected: &Rejected) -> QuarantineId {
    let tenant = rejected.tenant.as_deref().unwrap_or_default();
    let digest = Sha256::new()
        .chain_update((tenant.len() as u64).to_le_bytes())
        .chain_update(tenant)
        .chain_update(&rejected.bytes)
        .chain_update(rejected.cut.as_ref().map_or(&[][..], |cut| &cut.sha256))
        .finalize();
    let mut id = QuarantineId::default();
    id.copy_from_slice(&digest[..16]);
    id
}

fn entry(
    id: QuarantineId,
    rejected: &Rejected,
    source: &Arc<str>,
    now: Timestamp,
) -> QuarantineEntry {
    let bytes = &rejected.bytes;
    let is_cut = bytes.len() > HEAD_BYTES;
    let head = if is_cut { head_of(bytes) } else { bytes };
    QuarantineEntry {
        id,
        // The writer assigns the number.
        seq: 0,
        time: now.millis(),
        tenant: rejected.tenant.as_deref().map(Into::into),
        is_bound: rejected.is_bound,
        kind: kind_of(&rejected.reason).into(),
        source: Arc::clone(source),
        line: rejected.line,
        reason: Arc::clone(&rejected.reason),
        length: rejected.cut.as_ref().map_or(bytes.len() as u64, |cut| cut.length),
        sha256: match &rejected.cut {
            Some(cut) => Some(cut.sha256),
            None => is_cut.then(|| Sha256::digest(bytes).into()),
        },
        head: head.to_vec(),
    }
}

/// Returns the beginning of a record; text is not cut within a character.
fn head_of(bytes: &[u8]) -> &[u8] {
    let head = &bytes[..HEAD_BYTES.min(bytes.len())];
    match std::str::from_utf8(head) {
        Err(cause) if cause.error_len().is_none() => &head[..cause.valid_up_to()],
        _ => head,
    }
}
