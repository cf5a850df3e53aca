//! The end of a kept file: where its index is, and which numbers the file covers.

use super::bytes::ByteReader;
use super::{END_MAGIC, TRAILER_BYTES};

/// A section of the index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) offset: u64,
    pub(super) length: u64,
    crc: u32,
}

impl Section {
    pub(super) fn of(offset: u64, bytes: &[u8]) -> Self {
        Self { offset, length: bytes.len() as u64, crc: crc32c::crc32c(bytes) }
    }

    pub(super) fn is_of(&self, bytes: &[u8]) -> bool {
        bytes.len() as u64 == self.length && crc32c::crc32c(bytes) == self.crc
    }
}

/// The trailer of a kept file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Trailer {
    pub(super) summary: Section,
    pub(super) rows: Section,
    pub(super) ids: Section,
    /// The numbers that the file covers: the files it was made of lay within them.
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) records: u64,
}

impl Trailer {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = END_MAGIC.to_vec();
        for section in [self.summary, self.rows, self.ids] {
            out.extend(section.offset.to_le_bytes());
            out.extend(section.length.to_le_bytes());
            out.extend(section.crc.to_le_bytes());
        }
        for number in [self.first, self.last, self.records] {
            out.extend(number.to_le_bytes());
        }
        let crc = crc32c::crc32c(&out);
        out.extend(crc.to_le_bytes());
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, crc) = bytes.split_at_checked(TRAILER_BYTES - 4)?;
        let mut from = ByteReader(body);
        if crc != crc32c::crc32c(body).to_le_bytes() || from.take(END_MAGIC.len())? != END_MAGIC {
            return None;
        }
        let section = |from: &mut ByteReader<'_>| {
            Some(Section { offset: from.u64()?, length: from.u64()?, crc: from.u32()? })
        };
        let (summary, rows, ids) = (section(&mut from)?, section(&mut from)?, section(&mut from)?);
        Some(Self {
            summary,
            rows,
            ids,
            first: from.u64()?,
            last: from.u64()?,
            records: from.u64()?,
        })
    }
}
