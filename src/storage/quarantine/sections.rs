//! The end of a kept file: where its index is, and which numbers the file covers.

use super::bytes::ByteReader;
use super::{END_MAGIC, TRAILER_BYTES, VERSION};
use crate::error::Result;
use crate::storage::quarantine::{HEADER_BYTES, MAGIC};
use crate::storage::{Store, paths};

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

/// Returns the first bytes of every file.
pub(super) fn header() -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    let crc = crc32c::crc32c(&header[..12]);
    header[12..].copy_from_slice(&crc.to_le_bytes());
    header
}

/// Returns how many bytes of a log are durable according to the file beside it.
///
/// # Errors
/// A disk that fails.
pub(super) fn durable_length(store: &Store, log: &str) -> Result<Option<u64>> {
    let Some(path) = paths::quarantine_length(log).filter(|path| store.exists(path)) else {
        return Ok(None);
    };
    let bytes = store.read(&path)?;
    let Some((length, crc)) = bytes.split_first_chunk::<8>() else { return Ok(None) };
    Ok((crc == crc32c::crc32c(length).to_le_bytes()).then(|| u64::from_le_bytes(*length)))
}

/// Encodes the length of a log.
pub(super) fn encode_length(length: u64) -> Vec<u8> {
    let length = length.to_le_bytes();
    [&length[..], &crc32c::crc32c(&length).to_le_bytes()].concat()
}
