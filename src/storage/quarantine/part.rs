//! A quarantine file that is open for reading.

use super::entry::decode_block;
use super::index::{ID_BYTES, Index, QuarantineRow, QuarantineSummary, decode_rows};
use super::sections::{Section, Trailer};
use super::{HEADER_BYTES, QuarantineEntry, QuarantineId, TRAILER_BYTES, reading};
use crate::error::{Error, Result};
use crate::storage::Store;
use crate::storage::quarantine::sections::{durable_length, header};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

/// If more ids than this are looked up, all ids of the file are read at once.
const IDS_APART: usize = 64;
/// Number of ids that are read around the expected position of one: ids are evenly distributed.
const IDS_AROUND: u64 = 512;

/// A quarantine file. Files with an index are read on demand; only their summary is in memory.
#[derive(Debug)]
pub struct QuarantineFile {
    path: String,
    shown: String,
    file: File,
    numbers: (u64, u64),
    index: Where,
    /// The damage that was found when it was opened.
    damage: Vec<String>,
    /// The number of bytes at its end that do not form a whole block, as an interrupted write
    /// leaves them.
    torn: u64,
    /// Whether it is a log with records, and nothing says how much of it was durable.
    unproved: bool,
}

#[derive(Debug)]
enum Where {
    Memory { index: RwLock<Index>, lines: Option<fn(&str) -> String> },
    Disk { trailer: Trailer, charged: u64, times: (i64, i64) },
}

impl QuarantineFile {
    /// Opens a log that contains nothing but its header.
    pub(super) fn log(store: &Store, path: &str, first: u64) -> Result<Self> {
        let index = Where::Memory { index: RwLock::default(), lines: None };
        Self::new(store, path, (first, first), index)
    }

    fn new(store: &Store, path: &str, numbers: (u64, u64), index: Where) -> Result<Self> {
        let shown = store.path(path).display().to_string();
        Ok(Self {
            path: path.to_owned(),
            shown,
            file: store.open(path)?,
            numbers,
            index,
            damage: Vec::new(),
            torn: 0,
            unproved: false,
        })
    }

    /// Opens a file with an index; returns `None` if that is not what was written.
    ///
    /// # Errors
    /// A file that does not exist.
    pub(super) fn kept(store: &Store, path: &str) -> Result<Option<Self>> {
        let mut part = Self::log(store, path, 0)?;
        let Some(trailer) = part.trailer() else { return Ok(None) };
        let Some(summary) =
            part.section(&trailer.summary).ok().and_then(|bytes| QuarantineSummary::decode(&bytes))
        else {
            return Ok(None);
        };
        let charged = summary.counts.iter().map(|count| count.bytes).sum();
        part.numbers = (trailer.first, trailer.last);
        part.index = Where::Disk { trailer, charged, times: (summary.oldest, summary.newest) };
        Ok(Some(part))
    }

    fn trailer(&self) -> Option<Trailer> {
        let length = self.file.metadata().ok()?.len();
        let at = length.checked_sub(TRAILER_BYTES as u64)?;
        let trailer = Trailer::decode(&self.read(at, TRAILER_BYTES as u64).ok()?)?;
        let sections = [trailer.summary, trailer.rows, trailer.ids];
        let whole = sections
            .iter()
            .all(|section| section.offset.checked_add(section.length).is_some_and(|end| end <= at));
        (whole && self.read(0, HEADER_BYTES as u64).ok()? == header()).then_some(trailer)
    }

    /// Opens a log, or a file whose index is damaged: what can be read of it is indexed in memory.
    pub(super) fn scanned(store: &Store, path: &str, numbers: (u64, Option<u64>)) -> Result<Self> {
        // The length is read first, because another process may be appending.
        let noted = durable_length(store, path)?;
        let durable = noted.unwrap_or_default();
        let bytes = store.read(path)?;
        let mut scanned = reading::scan(&bytes, numbers.1.is_some());
        let there = bytes.len() as u64;
        if there < durable {
            scanned.damage.push(format!(
                "it is cut: {durable} bytes of it were durable, and {there} are there"
            ));
        }
        let last =
            numbers.1.or_else(|| scanned.index.rows.last().map(|row| row.seq)).unwrap_or(numbers.0);
        let mut part = Self::new(
            store,
            path,
            (numbers.0, last),
            Where::Memory { index: RwLock::new(scanned.index), lines: None },
        )?;
        part.damage = scanned.damage.iter().map(|what| format!("{}: {what}", part.shown)).collect();
        part.torn = scanned.torn;
        // A process may die between creating the two files; then there is no record yet.
        part.unproved = numbers.1.is_none() && noted.is_none() && there > HEADER_BYTES as u64;
        Ok(part)
    }

    /// Opens a file of JSON lines from an earlier version; its records are numbered from `first`.
    pub(super) fn lines(
        store: &Store,
        path: &str,
        first: u64,
        kind: fn(&str) -> String,
    ) -> Result<Self> {
        let (index, damage) = reading::scan_lines(store, path, first, kind)?;
        let last = index.rows.last().map_or(first, |row| row.seq);
        let mut part = Self::new(
            store,
            path,
            (first, last),
            Where::Memory { index: RwLock::new(index), lines: Some(kind) },
        )?;
        part.damage = damage.iter().map(|what| format!("{}: {what}", part.shown)).collect();
        Ok(part)
    }

    pub(super) fn add_block(&self, entries: &[QuarantineEntry], start: u64, end: u64) {
        if let Where::Memory { index, .. } = &self.index {
            index.write().unwrap_or_else(PoisonError::into_inner).add_block(entries, start, end);
        }
    }

    /// Returns its path in the data directory.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns its path as it is shown in messages.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Returns the damage that was found when it was opened.
    pub fn damage(&self) -> &[String] {
        &self.damage
    }

    /// Returns the number of bytes at its end that do not form a whole block, as an interrupted
    /// write leaves them.
    pub fn torn(&self) -> u64 {
        self.torn
    }

    /// Returns a description of the missing length of a log, without which nothing tells that the
    /// log was cut.
    pub(super) fn without_length(&self) -> Option<String> {
        self.unproved.then(|| {
            format!("{}: its length is not noted beside it, so a cut would not show", self.shown)
        })
    }

    /// Returns whether it has an index on disk, and so is complete and never changed.
    pub fn is_kept(&self) -> bool {
        matches!(self.index, Where::Disk { .. })
    }

    /// Returns the numbers that it covers.
    pub fn numbers(&self) -> (u64, u64) {
        match &self.index {
            Where::Memory { index, .. } => {
                let last = read(index).rows.last().map_or(self.numbers.1, |row| row.seq);
                (self.numbers.0, last.max(self.numbers.1))
            }
            Where::Disk { .. } => self.numbers,
        }
    }

    /// Returns the number of its records.
    pub fn records(&self) -> u64 {
        match &self.index {
            Where::Memory { index, .. } => read(index).rows.len() as u64,
            Where::Disk { trailer, .. } => trailer.records,
        }
    }

    /// Returns the bytes that its records are charged with.
    pub fn charged(&self) -> u64 {
        match &self.index {
            Where::Memory { index, .. } => read(index).charged,
            Where::Disk { charged, .. } => *charged,
        }
    }

    /// Returns when its oldest and its newest record came, in milliseconds.
    pub fn times(&self) -> (i64, i64) {
        match &self.index {
            Where::Memory { index, .. } => {
                let index = read(index);
                (index.summary.oldest, index.summary.newest)
            }
            Where::Disk { times, .. } => *times,
        }
    }

    /// Returns what it contains, in numbers.
    ///
    /// # Errors
    /// A file that cannot be read or is damaged.
    pub fn summary(&self) -> Result<QuarantineSummary> {
        match &self.index {
            Where::Memory { index, .. } => Ok(read(index).summary.clone()),
            Where::Disk { trailer, .. } => {
                QuarantineSummary::decode(&self.section(&trailer.summary)?)
                    .ok_or_else(|| self.damaged(trailer.summary.offset))
            }
        }
    }

    /// Returns its records, oldest first.
    ///
    /// # Errors
    /// As [`QuarantineFile::summary`].
    pub fn rows(&self) -> Result<Vec<QuarantineRow>> {
        match &self.index {
            Where::Memory { index, .. } => Ok(read(index).rows.clone()),
            Where::Disk { trailer, .. } => {
                decode_rows(&self.section(&trailer.rows)?, self.numbers.0)
                    .ok_or_else(|| self.damaged(trailer.rows.offset))
            }
        }
    }

    /// Returns the row of each id that it contains.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn find(&self, ids: &[QuarantineId]) -> Result<Vec<Option<u32>>> {
        let (section, all) = match &self.index {
            Where::Memory { index, .. } => {
                let index = read(index);
                return Ok(ids.iter().map(|id| index.ids.get(id).copied()).collect());
            }
            Where::Disk { trailer, .. } if ids.len() > IDS_APART => {
                (trailer.ids, self.section(&trailer.ids)?)
            }
            Where::Disk { trailer, .. } => (trailer.ids, Vec::new()),
        };
        ids.iter()
            .map(|id| {
                if all.is_empty() { self.find_one(&section, id) } else { Ok(search(&all, id).ok()) }
            })
            .collect()
    }

    /// Searches for an id at its expected position, and around it.
    fn find_one(&self, section: &Section, id: &QuarantineId) -> Result<Option<u32>> {
        let count = section.length / ID_BYTES as u64;
        let (mut from, mut to) = (0, count);
        let share = u64::from_be_bytes([id[0], id[1], id[2], id[3], id[4], id[5], id[6], id[7]]);
        let mut guess = ((u128::from(share) * u128::from(count)) >> 64) as u64;
        while from < to {
            guess = guess.clamp(from, to - 1);
            let (low, high) =
                (guess.saturating_sub(IDS_AROUND).max(from), (guess + IDS_AROUND).min(to));
            let ids =
                self.read(section.offset + low * ID_BYTES as u64, (high - low) * ID_BYTES as u64)?;
            match search(&ids, id) {
                Ok(row) => return Ok(Some(row)),
                Err(0) if low > from => to = low,
                Err(position) if position as u64 == high - low && high < to => from = high,
                Err(_) => return Ok(None),
            }
            guess = from.midpoint(to);
        }
        Ok(None)
    }

    /// Returns consecutive rows with the entries of their blocks. `wanted` are ascending rows;
    /// whatever cannot be read is reported through `damaged` and left out.
    ///
    /// As [`QuarantineFile::summary`].
    pub fn entries(
        &self,
        wanted: &[u32],
        damaged: &mut Vec<String>,
    ) -> Result<Vec<QuarantineEntry>> {
        let summary = self.summary()?;
        let mut found = Vec::with_capacity(wanted.len());
        let mut wanted = wanted.iter().peekable();
        while let Some(row) = wanted.next() {
            let number = summary.block_of(*row as usize);
            let first = summary.blocks[number].1;
            let mut block: Vec<Option<QuarantineEntry>> = match self.block(&summary, number) {
                Ok(block) => block.into_iter().map(Some).collect(),
                Err(error) => {
                    damaged.push(error.to_string());
                    Vec::new()
                }
            };
            let mut take = |row: u32| block.get_mut((row - first) as usize).and_then(Option::take);
            found.extend(take(*row));
            while let Some(row) = wanted.next_if(|row| summary.block_of(**row as usize) == number) {
                found.extend(take(*row));
            }
        }
        Ok(found)
    }

    /// Returns all its entries, oldest first.
    ///
    /// # Errors
    /// A file that cannot be read or is damaged.
    pub fn all(&self) -> Result<Vec<QuarantineEntry>> {
        let summary = self.summary()?;
        let mut entries = Vec::new();
        for number in 0..summary.blocks.len() {
            entries.extend(self.block(&summary, number)?);
        }
        Ok(entries)
    }

    fn block(&self, summary: &QuarantineSummary, number: usize) -> Result<Vec<QuarantineEntry>> {
        let (offset, length) = summary.block(number);
        let bytes = self.read(offset, length)?;
        let entries = match &self.index {
            Where::Memory { lines: Some(kind), .. } => {
                let seq = self.numbers.0 + u64::from(summary.blocks[number].1);
                reading::line(&bytes, seq, *kind).map(|entry| vec![entry])
            }
            _ => decode_block(&bytes),
        };
        entries.ok_or_else(|| self.damaged(offset))
    }

    /// Reads the whole file and returns the problems found.
    ///
    /// # Errors
    /// A disk that fails.
    pub fn verify(&self) -> Result<Vec<String>> {
        let mut found = self.damage.clone();
        let sections = match &self.index {
            Where::Disk { trailer, .. } => vec![trailer.summary, trailer.rows, trailer.ids],
            Where::Memory { .. } => Vec::new(),
        };
        for section in sections {
            found.extend(self.section(&section).err().map(|error| error.to_string()));
        }
        if let Ok(summary) = self.summary() {
            for number in 0..summary.blocks.len() {
                found.extend(self.block(&summary, number).err().map(|error| error.to_string()));
            }
        }
        Ok(found)
    }

    fn section(&self, section: &Section) -> Result<Vec<u8>> {
        let bytes = self.read(section.offset, section.length)?;
        if section.is_of(&bytes) { Ok(bytes) } else { Err(self.damaged(section.offset)) }
    }

    fn damaged(&self, offset: u64) -> Error {
        Error::corrupt(format!(
            "{}: what stands at byte {offset} is not what was written",
            self.shown
        ))
    }

    fn read(&self, offset: u64, length: u64) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length as usize];
        match self.file.read_exact_at(&mut bytes, offset) {
            Ok(()) => Ok(bytes),
            Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => Err(self.damaged(offset)),
            Err(cause) => Err(Error::io(&self.shown, cause)),
        }
    }
}

fn read(index: &RwLock<Index>) -> RwLockReadGuard<'_, Index> {
    index.read().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the row of an id among encoded ids, or the number of ids before it.
fn search(ids: &[u8], id: &QuarantineId) -> Result<u32, usize> {
    let (ids, _) = ids.as_chunks::<ID_BYTES>();
    let position = ids.partition_point(|entry| entry[..16] < id[..]);
    match ids.get(position) {
        Some(entry) if entry[..16] == id[..] => {
            Ok(u32::from_le_bytes([entry[16], entry[17], entry[18], entry[19]]))
        }
        _ => Err(position),
    }
}
