//! What is known about the records of a file without decompressing them: counts, rows, and the row
//! of each id.
//!
//! ```text
//! summary = texts:u32 (length:u32 text)* counts:u32 (tenant:u32 kind:u32 records:u32 bytes:u64)*
//!           blocks:u32 (offset:u64 row:u32)* oldest:i64 newest:i64 end:u64
//! rows    = (seq:u32 tenant:u32 kind:u32 source:u32 time:i64)*
//!           (seq relative to the file's first number; texts by index)
//! ids     = (id:16 row:u32)*                                      (ascending)
//! ```

use super::bytes::{ByteReader, put_bytes};
use super::{QuarantineEntry, QuarantineId};
use std::collections::HashMap;
use std::sync::Arc;

/// A text that is not there.
pub(super) const NONE: u32 = u32::MAX;
const ROW_BYTES: usize = 24;
pub(super) const ID_BYTES: usize = 20;

/// One record of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuarantineRow {
    /// Its number.
    pub seq: u64,
    /// When it came, in milliseconds.
    pub time: i64,
    /// The index of its tenant among the texts; see [`QuarantineSummary::text`].
    pub tenant: u32,
    /// The index of the kind of its reason.
    pub kind: u32,
    /// The index of its source.
    pub source: u32,
}

/// The records of one tenant and kind in a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// The index of the tenant among the texts.
    pub tenant: u32,
    /// The index of the kind.
    pub kind: u32,
    /// The number of records.
    pub records: u32,
    /// The bytes that they are charged with.
    pub bytes: u64,
}

/// What a file contains, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuarantineSummary {
    /// Tenants, kinds and sources.
    pub texts: Vec<Arc<str>>,
    /// Records by tenant and kind.
    pub counts: Vec<Count>,
    /// The offset and first row of each block.
    pub(super) blocks: Vec<(u64, u32)>,
    /// When the oldest record came, in milliseconds.
    pub oldest: i64,
    /// When the newest record came, in milliseconds.
    pub newest: i64,
    /// The offset at which the last block ends.
    pub(super) end: u64,
}

impl QuarantineSummary {
    /// Returns the text at an index; `None` for an unknown tenant.
    pub fn text(&self, index: u32) -> Option<&Arc<str>> {
        self.texts.get(index as usize)
    }

    /// Returns the number of the block that contains a row.
    pub(super) fn block_of(&self, row: usize) -> usize {
        self.blocks.partition_point(|(_, first)| *first as usize <= row).saturating_sub(1)
    }

    /// Returns the offset and length of a block.
    pub(super) fn block(&self, number: usize) -> (u64, u64) {
        let start = self.blocks[number].0;
        let end = self.blocks.get(number + 1).map_or(self.end, |next| next.0);
        (start, end.saturating_sub(start))
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend((self.texts.len() as u32).to_le_bytes());
        self.texts.iter().for_each(|text| put_bytes(&mut out, text.as_bytes()));
        out.extend((self.counts.len() as u32).to_le_bytes());
        for count in &self.counts {
            [count.tenant, count.kind, count.records]
                .iter()
                .for_each(|number| out.extend(number.to_le_bytes()));
            out.extend(count.bytes.to_le_bytes());
        }
        out.extend((self.blocks.len() as u32).to_le_bytes());
        for (offset, row) in &self.blocks {
            out.extend(offset.to_le_bytes());
            out.extend(row.to_le_bytes());
        }
        [self.oldest, self.newest].iter().for_each(|time| out.extend(time.to_le_bytes()));
        out.extend(self.end.to_le_bytes());
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut from = ByteReader(bytes);
        let texts = (0..from.u32()?).map(|_| from.text().map(Into::into)).collect::<Option<_>>()?;
        let count = |from: &mut ByteReader<'_>| {
            Some(Count {
                tenant: from.u32()?,
                kind: from.u32()?,
                records: from.u32()?,
                bytes: from.u64()?,
            })
        };
        let counts = (0..from.u32()?).map(|_| count(&mut from)).collect::<Option<_>>()?;
        let blocks =
            (0..from.u32()?).map(|_| Some((from.u64()?, from.u32()?))).collect::<Option<_>>()?;
        Some(Self {
            texts,
            counts,
            blocks,
            oldest: from.i64()?,
            newest: from.i64()?,
            end: from.u64()?,
        })
    }
}

/// The whole index of a file in memory, for a file that is being written or has no index.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) summary: QuarantineSummary,
    pub(super) rows: Vec<QuarantineRow>,
    pub(super) ids: HashMap<QuarantineId, u32>,
    indexes: HashMap<Arc<str>, u32>,
    counted: HashMap<(u32, u32), usize>,
    /// The bytes that its records are charged with.
    pub(super) charged: u64,
}

impl Index {
    /// Adds a block that begins at `offset` and ends at `end`.
    pub(super) fn add_block(&mut self, entries: &[QuarantineEntry], offset: u64, end: u64) {
        self.summary.blocks.push((offset, self.rows.len() as u32));
        self.summary.end = end;
        for entry in entries {
            self.add(entry);
        }
    }

    fn add(&mut self, entry: &QuarantineEntry) {
        let tenant = entry.tenant.as_ref().map_or(NONE, |tenant| self.index(tenant));
        let (kind, source) = (self.index(&entry.kind), self.index(&entry.source));
        if self.rows.is_empty() {
            (self.summary.oldest, self.summary.newest) = (entry.time, entry.time);
        }
        self.summary.oldest = self.summary.oldest.min(entry.time);
        self.summary.newest = self.summary.newest.max(entry.time);
        let counts = &mut self.summary.counts;
        let at = *self.counted.entry((tenant, kind)).or_insert_with(|| {
            counts.push(Count { tenant, kind, ..Count::default() });
            counts.len() - 1
        });
        counts[at].records += 1;
        counts[at].bytes += entry.charge();
        self.charged += entry.charge();
        self.ids.insert(entry.id, self.rows.len() as u32);
        self.rows.push(QuarantineRow { seq: entry.seq, time: entry.time, tenant, kind, source });
    }

    fn index(&mut self, text: &Arc<str>) -> u32 {
        let texts = &mut self.summary.texts;
        *self.indexes.entry(Arc::clone(text)).or_insert_with(|| {
            texts.push(Arc::clone(text));
            (texts.len() - 1) as u32
        })
    }

    pub(super) fn encode_rows(&self, first: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.rows.len() * ROW_BYTES);
        for row in &self.rows {
            let numbers = [(row.seq - first) as u32, row.tenant, row.kind, row.source];
            numbers.iter().for_each(|number| out.extend(number.to_le_bytes()));
            out.extend(row.time.to_le_bytes());
        }
        out
    }

    pub(super) fn encode_ids(&self) -> Vec<u8> {
        let mut ids: Vec<(&QuarantineId, &u32)> = self.ids.iter().collect();
        ids.sort_unstable();
        let mut out = Vec::with_capacity(ids.len() * ID_BYTES);
        for (id, row) in ids {
            out.extend(id);
            out.extend(row.to_le_bytes());
        }
        out
    }
}

pub(super) fn decode_rows(bytes: &[u8], first: u64) -> Option<Vec<QuarantineRow>> {
    let mut from = ByteReader(bytes);
    let mut rows = Vec::with_capacity(bytes.len() / ROW_BYTES);
    while !from.0.is_empty() {
        let (seq, tenant, kind, source) = (from.u32()?, from.u32()?, from.u32()?, from.u32()?);
        rows.push(QuarantineRow {
            seq: first + u64::from(seq),
            tenant,
            kind,
            source,
            time: from.i64()?,
        });
    }
    Some(rows)
}
