//! Writes quarantine files: records appended to a log, and complete files with an index.

use super::entry::{BlockHeader, encode_block};
use super::index::Index;
use super::part::QuarantineFile;
use super::sections::{Section, Trailer};
use super::{BLOCK_BYTES, FILE_BYTES, FILE_RECORDS, HEADER_BYTES, QuarantineEntry};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::storage::quarantine::sections::{encode_length, header};
use crate::storage::{PutMode, Store, paths};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// The log that new records are appended to.
#[derive(Debug)]
pub struct Appender {
    file: File,
    length: File,
    part: Arc<QuarantineFile>,
    at: u64,
}

impl Appender {
    /// Creates a log whose first record has the number `first`. It is durable when this returns.
    ///
    /// # Errors
    /// A disk that fails.
    pub fn create(store: &Store, first: u64) -> Result<Self> {
        let path = paths::quarantine_log(first);
        store.put(&path, &header(), PutMode::Create)?;
        let at = HEADER_BYTES as u64;
        let beside = paths::quarantine_length(&path).unwrap_or_default();
        store.put(&beside, &encode_length(at), PutMode::Replace)?;
        let part = Arc::new(QuarantineFile::log(store, &path, first)?);
        let (file, length) = (store.open_to_write(&path)?, store.open_to_write(&beside)?);
        Ok(Self { file, length, part, at })
    }

    /// Returns the log as it is read.
    pub fn part(&self) -> &Arc<QuarantineFile> {
        &self.part
    }

    /// Returns whether the log is full, so that nothing more should be appended.
    pub fn is_full(&self) -> bool {
        self.part.records() as usize >= FILE_RECORDS || self.part.charged() >= FILE_BYTES
    }

    /// Appends entries. When this returns they are durable and visible to readers of the file.
    /// After an error, the log must not be appended to any more.
    ///
    /// A disk that fails; then none of the entries is visible.
    pub fn append(&mut self, entries: &[QuarantineEntry]) -> Result<()> {
        let (bytes, spans) = pack(entries, self.at)?;
        let failed = |cause| Error::io(format!("cannot write {}", self.part.shown()), cause);
        self.file.write_all_at(&bytes, self.at).map_err(failed)?;
        self.file.sync_data().map_err(failed)?;
        let mut rest = entries;
        for (start, end, records) in spans {
            let (block, left) = rest.split_at(records);
            self.part.add_block(block, start, end);
            rest = left;
        }
        self.at += bytes.len() as u64;
        // Written after the records and not forced to disk, so it never claims more than there is.
        if let Err(error) = self.length.write_all_at(&encode_length(self.at), 0) {
            tracing::warn!(%error, "the length of quarantine's log cannot be noted");
        }
        Ok(())
    }
}

/// The start and end of a block, and the number of its entries.
type Span = (u64, u64, usize);

/// Packs entries into blocks that begin at `at`.
fn pack(entries: &[QuarantineEntry], at: u64) -> Result<(Vec<u8>, Vec<Span>)> {
    let (mut bytes, mut spans) = (Vec::new(), Vec::new());
    let mut rest = entries;
    while !rest.is_empty() {
        let mut held = 0;
        let fits = |entry: &&QuarantineEntry| {
            held += entry.size() as usize;
            held <= BLOCK_BYTES
        };
        let (block, left) = rest.split_at(rest.iter().take_while(fits).count().max(1));
        let start = at + bytes.len() as u64;
        let packed = encode_block(block)
            .context(ErrorKind::Internal, || "cannot pack records of quarantine".to_owned())?;
        debug_assert!(
            BlockHeader::decode(&packed)
                .is_some_and(|header| header.records as usize == block.len())
        );
        bytes.extend(packed);
        spans.push((start, at + bytes.len() as u64, block.len()));
        rest = left;
    }
    Ok((bytes, spans))
}

/// Writes entries, ascending by number, as one file that covers the numbers `first` to `last`; a
/// file with the same numbers is replaced. It is durable when this returns.
///
/// # Errors
/// A disk that fails.
pub fn write_kept(
    store: &Store,
    (first, last): (u64, u64),
    entries: &[QuarantineEntry],
) -> Result<QuarantineFile> {
    let mut file = header().to_vec();
    let (blocks, spans) = pack(entries, file.len() as u64)?;
    file.extend(blocks);
    let (mut index, mut rest) = (Index::default(), entries);
    for (start, end, records) in spans {
        let (block, left) = rest.split_at(records);
        index.add_block(block, start, end);
        rest = left;
    }
    let mut section = |bytes: Vec<u8>| {
        let section = Section::of(file.len() as u64, &bytes);
        file.extend(bytes);
        section
    };
    let trailer = Trailer {
        summary: section(index.summary.encode()),
        rows: section(index.encode_rows(first)),
        ids: section(index.encode_ids()),
        first,
        last,
        records: entries.len() as u64,
    };
    file.extend(trailer.encode());
    let path = paths::quarantine_kept(first, last);
    store.put(&path, &file, PutMode::Replace)?;
    QuarantineFile::kept(store, &path)?
        .ok_or_else(|| Error::internal(format!("{path} is not what was written")))
}
