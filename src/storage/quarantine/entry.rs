//! A record in quarantine as it is stored in a file, and the blocks that contain several.

use super::bytes::{ByteReader, put_bytes};
use super::{
    BLOCK_HEADER_BYTES, BLOCK_MAGIC, HEAD_BYTES, QuarantineId, RECORD_OVERHEAD, UNPACKED_MAX,
};
use std::collections::HashSet;
use std::sync::Arc;

/// A record in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineEntry {
    /// Identifies it: the same bytes for the same tenant have the same id.
    pub id: QuarantineId,
    /// Its number: records are numbered as they come.
    pub seq: u64,
    /// When it came, in milliseconds.
    pub time: i64,
    /// The tenant, if it is known.
    pub tenant: Option<Arc<str>>,
    /// Whether who delivered it may deliver for certain tenants only, so that a tenant that is
    /// named in it proves nothing.
    pub is_bound: bool,
    /// The kind of its reason.
    pub kind: Arc<str>,
    /// Where it came from.
    pub source: Arc<str>,
    /// The line it began on.
    pub line: u64,
    /// Why it could not be decoded.
    pub reason: Arc<str>,
    /// The length of the whole record.
    pub length: u64,
    /// The SHA-256 of the whole record, if only its beginning is stored.
    pub sha256: Option<[u8; 32]>,
    /// The record, or its beginning.
    pub head: Vec<u8>,
}

impl QuarantineEntry {
    /// Returns the bytes that it is charged with. Earlier versions stored whole records: those are
    /// charged as if they were stored today.
    pub fn charge(&self) -> u64 {
        self.head.len().min(HEAD_BYTES) as u64 + RECORD_OVERHEAD
    }

    /// Returns the bytes that it takes before compression.
    pub fn size(&self) -> u64 {
        self.head.len() as u64 + RECORD_OVERHEAD
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.id);
        out.extend(self.seq.to_le_bytes());
        out.extend(self.time.to_le_bytes());
        let flags = [self.tenant.is_some(), self.sha256.is_some(), self.is_bound];
        out.push((0..).zip(flags).map(|(bit, is_set)| u8::from(is_set) << bit).sum());
        put_bytes(out, self.tenant.as_deref().unwrap_or_default().as_bytes());
        put_bytes(out, self.kind.as_bytes());
        put_bytes(out, self.source.as_bytes());
        out.extend(self.line.to_le_bytes());
        put_bytes(out, self.reason.as_bytes());
        out.extend(self.length.to_le_bytes());
        out.extend(self.sha256.iter().flatten());
        put_bytes(out, &self.head);
    }

    fn decode(from: &mut ByteReader<'_>, texts: &mut SharedTexts) -> Option<Self> {
        let (id, seq, time, flags) = (from.id()?, from.u64()?, from.i64()?, from.u8()?);
        let tenant = texts.shared(from.text()?);
        Some(Self {
            id,
            seq,
            time,
            tenant: (flags & 1 != 0).then_some(tenant),
            is_bound: flags & 4 != 0,
            kind: texts.shared(from.text()?),
            source: texts.shared(from.text()?),
            line: from.u64()?,
            reason: texts.shared(from.text()?),
            length: from.u64()?,
            sha256: if flags & 2 != 0 { Some(from.take(32)?.try_into().ok()?) } else { None },
            head: from.bytes()?.to_vec(),
        })
    }
}

/// Shares texts that many records of a block have.
#[derive(Debug, Default)]
struct SharedTexts(HashSet<Arc<str>>);

impl SharedTexts {
    fn shared(&mut self, text: &str) -> Arc<str> {
        if let Some(there) = self.0.get(text) {
            return Arc::clone(there);
        }
        let text: Arc<str> = text.into();
        self.0.insert(Arc::clone(&text));
        text
    }
}

/// The header in front of a block's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockHeader {
    pub(super) records: u32,
    pub(super) packed: u32,
    pub(super) unpacked: u32,
    crc: u32,
}

impl BlockHeader {
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut from = ByteReader(bytes);
        if from.take(BLOCK_MAGIC.len())? != BLOCK_MAGIC {
            return None;
        }
        let header = Self {
            records: from.u32()?,
            packed: from.u32()?,
            unpacked: from.u32()?,
            crc: from.u32()?,
        };
        ((header.unpacked as usize) <= UNPACKED_MAX).then_some(header)
    }
}

/// Compresses entries into one block.
pub(super) fn encode_block(entries: &[QuarantineEntry]) -> std::io::Result<Vec<u8>> {
    let mut payload = Vec::new();
    entries.iter().for_each(|entry| entry.encode(&mut payload));
    let packed = zstd::bulk::compress(&payload, 1)?;
    let mut block = Vec::with_capacity(BLOCK_HEADER_BYTES + packed.len());
    block.extend(BLOCK_MAGIC);
    for number in [entries.len(), packed.len(), payload.len()] {
        block.extend((number as u32).to_le_bytes());
    }
    let crc = crc32c::crc32c_append(crc32c::crc32c(&block), &packed);
    block.extend(crc.to_le_bytes());
    block.extend(packed);
    Ok(block)
}

/// Decodes the entries of a whole block; `None` if it is not what was written.
pub(super) fn decode_block(block: &[u8]) -> Option<Vec<QuarantineEntry>> {
    let header = BlockHeader::decode(block)?;
    let packed = block.get(BLOCK_HEADER_BYTES..BLOCK_HEADER_BYTES + header.packed as usize)?;
    if crc32c::crc32c_append(crc32c::crc32c(&block[..BLOCK_HEADER_BYTES - 4]), packed) != header.crc
    {
        return None;
    }
    let payload = zstd::bulk::decompress(packed, header.unpacked as usize).ok()?;
    let (mut from, mut texts) = (ByteReader(&payload), SharedTexts::default());
    let entries: Vec<QuarantineEntry> = (0..header.records)
        .map(|_| QuarantineEntry::decode(&mut from, &mut texts))
        .collect::<Option<_>>()?;
    from.0.is_empty().then_some(entries)
}
