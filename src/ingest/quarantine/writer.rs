//! The thread that owns the quarantine files: it makes all waiting records durable together.

use super::SharedQuarantine;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::quarantine::{
    Appender, QuarantineEntry, QuarantineFile, QuarantineId, write_kept,
};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};

/// The most bytes of records that are written at a time.
const GROUP_BYTES: u64 = 8 << 20;
/// The most kinds of reasons that are distinguished.
const KINDS_MAX: usize = 1_000;

/// Orders to the thread.
#[derive(Debug)]
pub(super) enum WriterOrder {
    /// Make entries durable that are not in quarantine yet.
    Keep { entries: Vec<QuarantineEntry>, done: SyncSender<Result<()>> },
    /// Turn the log into a kept file.
    Close { done: SyncSender<Result<()>> },
    /// Replace files by others, and remove the replaced ones.
    Exchange {
        old: Vec<Arc<QuarantineFile>>,
        new: Vec<Arc<QuarantineFile>>,
        done: SyncSender<Result<()>>,
    },
}

#[derive(Debug)]
pub(super) struct QuarantineWriter {
    shared: Arc<SharedQuarantine>,
    log: Option<Appender>,
    next: u64,
    kinds: HashSet<Arc<str>>,
}

/// Entries that are written together, and the callers that wait for them.
#[derive(Debug, Default)]
struct WriteGroup {
    entries: Vec<QuarantineEntry>,
    indexes: HashSet<QuarantineId>,
    bytes: u64,
    waiting: Vec<SyncSender<Result<()>>>,
}

impl QuarantineWriter {
    pub(super) fn new(shared: Arc<SharedQuarantine>, next: u64) -> Self {
        Self { shared, log: None, next, kinds: HashSet::new() }
    }

    pub(super) fn run(&mut self, orders: &Receiver<WriterOrder>) {
        let mut order = orders.recv().ok();
        while let Some(first) = order.take() {
            let mut group = WriteGroup::default();
            let mut behind = Vec::new();
            let mut taken = Some(first);
            while let Some(next) = taken {
                match next {
                    WriterOrder::Keep { entries, done } => self.take(&mut group, entries, done),
                    other => behind.push(other),
                }
                taken = if group.bytes < GROUP_BYTES && behind.is_empty() {
                    orders.try_recv().ok()
                } else {
                    None
                };
            }
            self.write(group);
            for order in behind {
                let (done, answer) = match order {
                    WriterOrder::Close { done } => (done, self.close()),
                    WriterOrder::Exchange { old, new, done } => (done, self.exchange(&old, new)),
                    WriterOrder::Keep { .. } => continue,
                };
                let _ = done.send(answer);
            }
            order = orders.recv().ok();
        }
        if let Err(error) = self.close() {
            tracing::warn!(%error, "cannot close the log of quarantine; the next start does it");
        }
    }

    /// Adds the unknown ones of these entries to a group, if there is room for all of them.
    fn take(
        &mut self,
        group: &mut WriteGroup,
        entries: Vec<QuarantineEntry>,
        done: SyncSender<Result<()>>,
    ) {
        let fresh = self.unknown(group, entries);
        let mut shares = self.shared.shares();
        let refused = fresh
            .iter()
            .enumerate()
            .find_map(|(index, entry)| shares.add(entry).err().map(|error| (index, error)));
        if let Some((index, error)) = refused {
            fresh[..index].iter().for_each(|entry| shares.remove(entry));
            let _ = done.send(Err(error));
            return;
        }
        drop(shares);
        for entry in fresh {
            group.bytes += entry.charge();
            group.indexes.insert(entry.id);
            group.entries.push(entry);
        }
        group.waiting.push(done);
    }

    fn unknown(
        &mut self,
        group: &WriteGroup,
        mut entries: Vec<QuarantineEntry>,
    ) -> Vec<QuarantineEntry> {
        entries.retain(|entry| !group.indexes.contains(&entry.id));
        for part in self.shared.parts().iter().rev() {
            if entries.is_empty() {
                break;
            }
            let ids: Vec<QuarantineId> = entries.iter().map(|entry| entry.id).collect();
            // Entries that a damaged index cannot find are kept a second time.
            let Ok(found) = part.find(&ids) else { continue };
            let mut found = found.into_iter();
            entries.retain(|_| found.next().flatten().is_none());
        }
        entries
    }

    fn write(&mut self, mut group: WriteGroup) {
        let written =
            if group.entries.is_empty() { Ok(()) } else { self.append(&mut group.entries) };
        if let Err(error) = &written {
            let mut shares = self.shared.shares();
            group.entries.iter().for_each(|entry| shares.remove(entry));
            drop(shares);
            // What follows the last whole block in the log is unknown, so nothing is appended to it
            // any more.
            self.log = None;
            self.next += 1;
            tracing::error!(%error, "cannot write to quarantine");
        }
        for done in group.waiting {
            let again = |error: &Error| Err(Error::new(ErrorKind::Unavailable, error.to_string()));
            let _ = done.send(written.as_ref().map_or_else(again, |()| Ok(())));
        }
        if self.log.as_ref().is_some_and(Appender::is_full)
            && let Err(error) = self.close()
        {
            tracing::warn!(%error, "cannot close the log of quarantine; the next start does it");
        }
    }

    fn append(&mut self, entries: &mut [QuarantineEntry]) -> Result<()> {
        for (seq, entry) in (self.next..).zip(entries.iter_mut()) {
            entry.seq = seq;
            if !self.kinds.contains(&entry.kind) {
                if self.kinds.len() < KINDS_MAX {
                    self.kinds.insert(Arc::clone(&entry.kind));
                } else {
                    entry.kind = "another reason".into();
                }
            }
        }
        if self.log.is_none() {
            let log = Appender::create(self.shared.folder.store(), self.next)?;
            // A file that is listed must exist, whatever happens next.
            self.shared.list(&[], &[log.part().path()])?;
            self.shared.exchange(&[], [Arc::clone(log.part())]);
            self.log = Some(log);
        }
        if let Some(log) = &mut self.log {
            log.append(entries)?;
        }
        self.next += entries.len() as u64;
        Ok(())
    }

    /// Turns the log into a kept file. If that fails, the log stays as it is.
    fn close(&mut self) -> Result<()> {
        let Some(log) = self.log.take() else { return Ok(()) };
        let old = Arc::clone(log.part());
        drop(log);
        let kept = Arc::new(write_kept(self.shared.folder.store(), old.numbers(), &old.all()?)?);
        self.exchange(&[old], vec![kept])
    }

    fn exchange(&self, old: &[Arc<QuarantineFile>], new: Vec<Arc<QuarantineFile>>) -> Result<()> {
        let paths: Vec<String> = new.iter().map(|part| part.path().to_owned()).collect();
        self.shared.list(old, &paths.iter().map(String::as_str).collect::<Vec<_>>())?;
        self.shared.exchange(old, new);
        // A file that was rewritten keeps its name.
        let gone =
            old.iter().map(|part| part.path()).filter(|path| !paths.iter().any(|new| new == path));
        gone.into_iter().try_for_each(|path| self.shared.folder.remove(path))
    }
}
