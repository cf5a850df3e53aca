//! Reads files without an index: a log, a file whose index is damaged, JSON lines of an earlier
//! version.

use super::entry::{BlockHeader, decode_block};
use super::index::Index;
use super::{BLOCK_HEADER_BYTES, BLOCK_MAGIC, HEADER_BYTES, QuarantineEntry};
use crate::error::{Error, Result};
use crate::event::Timestamp;
use crate::storage::Store;
use crate::storage::quarantine::sections::header;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::io::{BufRead, BufReader};

/// The result of a scan.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    pub(super) index: Index,
    pub(super) damage: Vec<String>,
    /// The number of bytes at the end of a log that do not form a whole block, as an interrupted
    /// write leaves them.
    pub(super) torn: u64,
}

/// Reads block after block; after damage it continues at the next sound block.
pub(super) fn scan(bytes: &[u8], whole: bool) -> Scanned {
    let mut scanned = Scanned::default();
    if whole {
        scanned.damage.push("its index is not what was written".to_owned());
    }
    if bytes.get(..HEADER_BYTES) != Some(&header()) {
        scanned
            .damage
            .push("it does not begin as such a file does: it is cut, or overwritten".to_owned());
    }
    let mut at = HEADER_BYTES.min(bytes.len());
    while at < bytes.len() {
        if let Some((entries, end)) = block_at(bytes, at) {
            scanned.index.add_block(&entries, at as u64, end as u64);
            at = end;
            continue;
        }
        let magic = memchr::memmem::find_iter(&bytes[at + 1..], BLOCK_MAGIC)
            .map(|position| at + 1 + position);
        match magic.into_iter().find(|position| block_at(bytes, *position).is_some()) {
            Some(next) => {
                scanned.damage.push(format!("bytes {at} to {next} are not what was written"));
                at = next;
            }
            None => {
                end(&mut scanned, bytes, at, whole);
                break;
            }
        }
    }
    scanned
}

/// Judges what follows the last sound block.
fn end(scanned: &mut Scanned, bytes: &[u8], at: usize, whole: bool) {
    let rest = &bytes[at..];
    let cut = match BlockHeader::decode(rest) {
        Some(header) => rest.len() < BLOCK_HEADER_BYTES + header.packed as usize,
        None => rest.len() < BLOCK_HEADER_BYTES,
    };
    // A power cut leaves pages that were never written as zeros; compressed records do not contain
    // that many zeros.
    let zeros = rest.chunks(512).any(|sector| sector.iter().all(|byte| *byte == 0));
    if !whole && (cut || zeros) {
        scanned.torn = rest.len() as u64;
    } else if !whole {
        scanned.damage.push(format!("bytes {at} to {} are not what was written", bytes.len()));
    }
}

fn block_at(bytes: &[u8], at: usize) -> Option<(Vec<QuarantineEntry>, usize)> {
    let header = BlockHeader::decode(&bytes[at..])?;
    let end = at.checked_add(BLOCK_HEADER_BYTES)?.checked_add(header.packed as usize)?;
    Some((decode_block(bytes.get(at..end)?)?, end))
}

/// A line of an earlier version.
#[derive(Debug, Deserialize)]
struct Line {
    id: String,
    tenant: Option<String>,
    time: String,
    source: String,
    line: u64,
    reason: String,
    record: Option<String>,
    record_base64: Option<String>,
}

/// Returns the entry of a line of an earlier version; `None` if it is not one.
pub(super) fn line(bytes: &[u8], seq: u64, kind: fn(&str) -> String) -> Option<QuarantineEntry> {
    let line: Line = serde_json::from_slice(bytes.split(|byte| *byte == b'\n').next()?).ok()?;
    let head = match (line.record, line.record_base64) {
        (Some(text), _) => text.into_bytes(),
        (None, packed) => STANDARD.decode(packed?).ok()?,
    };
    Some(QuarantineEntry {
        id: id(&line.id)?,
        seq,
        time: Timestamp::parse(&line.time).ok()?.millis(),
        tenant: line.tenant.map(Into::into),
        kind: kind(&line.reason).into(),
        source: line.source.into(),
        line: line.line,
        reason: line.reason.into(),
        length: head.len() as u64,
        sha256: None,
        is_bound: false,
        head,
    })
}

fn id(text: &str) -> Option<[u8; 16]> {
    u128::from_str_radix(text, 16).ok().filter(|_| text.len() == 32).map(u128::to_be_bytes)
}

/// Reads line after line; lines that are not records are reported and skipped.
pub(super) fn scan_lines(
    store: &Store,
    path: &str,
    first: u64,
    kind: fn(&str) -> String,
) -> Result<(Index, Vec<String>)> {
    let (mut index, mut damage) = (Index::default(), Vec::new());
    let mut file = BufReader::new(store.open(path)?);
    let (mut at, mut bytes) = (0_u64, Vec::new());
    loop {
        bytes.clear();
        let read =
            file.read_until(b'\n', &mut bytes)
                .map_err(|cause| Error::io(store.path(path).display(), cause))? as u64;
        if read == 0 {
            return Ok((index, damage));
        }
        let seq = first + index.rows.len() as u64;
        match line(&bytes, seq, kind) {
            Some(entry) => index.add_block(std::slice::from_ref(&entry), at, at + read),
            None if bytes.trim_ascii().is_empty() => {}
            None => damage.push(format!("bytes {at} to {} are not a quarantine record", at + read)),
        }
        at += read;
    }
}
