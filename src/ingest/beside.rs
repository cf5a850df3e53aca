//! Files for large batches, beside the write-ahead log.
//!
//! The records of a large batch are written durably into a file of its own before the batch gets
//! its numbers; the log then stores only a few bytes that name the file. The log's thread, for
//! which every producer waits, therefore writes no more for a large batch than for a small one, and
//! one frame makes the whole batch accepted or none of it.

use super::log_record::encode_event;
use crate::error::{Error, Result};
use crate::event::{Event, Timestamp};
use crate::storage::{Store, paths};
use std::collections::HashSet;
use std::io::Write;

/// The file of a large batch. Dropping this value removes the file unless the log refers to it.
#[derive(Debug)]
pub struct Beside {
    store: Store,
    /// Its name.
    pub(super) name: String,
    /// Its length in bytes.
    pub(super) bytes: u64,
    /// The checksum of its content.
    pub(super) crc32c: u32,
    /// The number of events in it.
    pub(super) events: u32,
    kept: bool,
}

impl Beside {
    /// Writes the records of events. When this returns they are durable, but nothing refers to them
    /// yet.
    ///
    /// # Errors
    /// A full or failing disk.
    pub fn write(store: &Store, now: Timestamp, events: &[Event]) -> Result<Self> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|cause| {
            Error::internal(format!("the system provides no random bytes: {cause}"))
        })?;
        let name = ulid::Ulid::from_parts(
            now.millis().max(0).cast_unsigned(),
            u128::from_le_bytes(random),
        )
        .to_string();
        let (mut bytes, mut crc32c) = (0, 0);
        let mut piece = Vec::new();
        store.put_in_pieces(&paths::beside(&name), |out: &mut dyn Write| {
            for event in events {
                piece.clear();
                encode_event(event, &mut piece);
                bytes += piece.len() as u64;
                crc32c = crc32c::crc32c_append(crc32c, &piece);
                out.write_all(&piece)?;
            }
            Ok(())
        })?;
        let events = u32::try_from(events.len())
            .map_err(|_| Error::invalid("a batch has at most 4,294,967,295 records"))?;
        Ok(Self { store: store.clone(), name, bytes, crc32c, events, kept: false })
    }

    /// Marks the file as referred to by the log: it stays until it is removed.
    pub fn keep(&mut self) {
        self.kept = true;
    }

    /// Marks the file as no longer referred to: its events are in segments, or never became
    /// durable.
    pub fn give_up(&mut self) {
        self.kept = false;
    }

    /// Returns the file that a frame of the log refers to, as found at startup.
    pub fn found(store: &Store, name: &str) -> Self {
        Self {
            store: store.clone(),
            name: name.to_owned(),
            bytes: 0,
            crc32c: 0,
            events: 0,
            kept: true,
        }
    }

    /// Removes files that the log does not refer to: their batches were never accepted.
    ///
    /// # Errors
    /// A failing disk.
    pub fn remove_others(store: &Store, kept: &HashSet<&str>) -> Result<()> {
        for file in store.all_names(paths::BESIDE)? {
            let name = file.split('.').next().unwrap_or_default();
            if !kept.contains(name) || file.contains('#') {
                store.remove(&format!("{}/{file}", paths::BESIDE))?;
            }
        }
        Ok(())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = self.store.remove(&paths::beside(&self.name))
        {
            tracing::warn!(%error, "a file beside the log is not needed and cannot be removed; the \
                                   next start tries again");
        }
    }
}
