//! Encodes headers and frames, and classifies what is left of them after a crash.

use crc32c::{crc32c, crc32c_append};

/// The version of the log format that this build writes and reads.
pub(super) const VERSION: u32 = 1;
/// The length of a file's header, in bytes.
pub(super) const HEADER_BYTES: usize = 36;
/// The length of a frame before its payload, in bytes.
pub(super) const FRAME_BYTES: usize = 68;
/// The unit in which a disk writes or loses data.
pub(super) const BLOCK_BYTES: usize = 512;

const FILE_MAGIC: &[u8; 8] = b"ANNALWAL";
const FRAME_MAGIC: &[u8; 4] = b"FRAM";
/// The last byte of a frame. If it is zero, it was never written.
const END: u8 = 0xA5;
/// The only kind of frame there is.
const KIND_BATCH: u32 = 1;

/// A batch in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The sequence number of its first event.
    pub first_seq: u64,
    /// The number of its events; may be zero.
    pub events: u32,
    /// Identifies the batch.
    pub batch: u128,
    /// The events, in an encoding that the log does not inspect.
    pub payload: Vec<u8>,
}

/// The header of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) epoch: u64,
    pub(super) first_seq: u64,
}

/// The result of reading a file's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HeaderRead {
    Whole(Header),
    /// The file was being created when the machine stopped; nothing in it was ever acknowledged.
    Unborn,
    /// The file is of another version.
    Version(u32),
    Damaged,
}

/// A frame was expected here and could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadFrame {
    /// The offset at which it begins.
    pub(super) at: usize,
    /// Whether it was being written when the machine stopped.
    pub(super) torn: bool,
}

impl Header {
    pub(super) fn encode(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(FILE_MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.epoch.to_le_bytes());
        bytes.extend_from_slice(&self.first_seq.to_le_bytes());
        bytes.extend_from_slice(&0_u32.to_le_bytes());
        let crc = crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> HeaderRead {
        let Some(header) = bytes.get(..HEADER_BYTES) else {
            // Shorter than its header: it was never synced, because that is done before its first
            // use.
            return HeaderRead::Unborn;
        };
        let (body, crc) = header.split_at(HEADER_BYTES - 4);
        if crc32c(body).to_le_bytes() != crc {
            return if bytes.iter().all(|byte| *byte == 0) {
                HeaderRead::Unborn
            } else {
                HeaderRead::Damaged
            };
        }
        if &body[..8] != FILE_MAGIC {
            return HeaderRead::Damaged;
        }
        let version = number(body, 8) as u32;
        if version != VERSION {
            return HeaderRead::Version(version);
        }
        HeaderRead::Whole(Self { epoch: number64(body, 12), first_seq: number64(body, 20) })
    }
}

impl Frame {
    /// Returns the sequence number after that of its last event.
    pub fn end_seq(&self) -> u64 {
        self.first_seq + u64::from(self.events)
    }

    /// Appends the frame's bytes. `durable` is the offset up to which its file is synced.
    pub(super) fn encode(&self, epoch: u64, durable: u64, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(FRAME_MAGIC);
        out.extend_from_slice(&KIND_BATCH.to_le_bytes());
        out.extend_from_slice(&epoch.to_le_bytes());
        out.extend_from_slice(&durable.to_le_bytes());
        out.extend_from_slice(&self.first_seq.to_le_bytes());
        out.extend_from_slice(&self.batch.to_le_bytes());
        out.extend_from_slice(&self.events.to_le_bytes());
        out.extend_from_slice(&(self.payload.len() as u64).to_le_bytes());
        out.extend_from_slice(&crc32c(&self.payload).to_le_bytes());
        let crc = crc32c_append(0, &out[start..]);
        out.extend_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(&self.payload);
        out.push(END);
    }
}

/// The head of a frame whose checksum is right.
struct FrameHead {
    durable: usize,
    first_seq: u64,
    batch: u128,
    events: u32,
    length: usize,
    payload_crc: u32,
}

fn head(bytes: &[u8], at: usize, epoch: u64) -> Option<FrameHead> {
    let head = bytes.get(at..at.checked_add(FRAME_BYTES)?)?;
    let (body, crc) = head.split_at(FRAME_BYTES - 4);
    let sound = &body[..4] == FRAME_MAGIC
        && crc32c(body).to_le_bytes() == crc
        && number(body, 4) == u64::from(KIND_BATCH);
    // A frame of another file, in a block that was used before, does not belong to this one.
    let own = sound && number64(body, 8) == epoch;
    own.then(|| FrameHead {
        durable: number64(body, 16) as usize,
        first_seq: number64(body, 24),
        batch: u128::from_le_bytes(body[32..48].try_into().expect("sixteen bytes")),
        events: number(body, 48) as u32,
        length: number64(body, 52) as usize,
        payload_crc: number(body, 60) as u32,
    })
}

/// Returns the frame at an offset of a file, and the offset after it; `None` at the end of the
/// file.
pub(super) fn frame_at(
    bytes: &[u8],
    at: usize,
    epoch: u64,
) -> Option<Result<(Frame, usize), BadFrame>> {
    if at == bytes.len() {
        return None;
    }
    let Some(head) = head(bytes, at, epoch) else {
        return Some(Err(bad(bytes, at, at.saturating_add(FRAME_BYTES), epoch)));
    };
    let end = (at + FRAME_BYTES).saturating_add(head.length).saturating_add(1);
    match bytes.get(at + FRAME_BYTES..end).and_then(<[u8]>::split_last) {
        Some((&END, payload)) if crc32c(payload) == head.payload_crc => {
            let frame = Frame {
                first_seq: head.first_seq,
                events: head.events,
                batch: head.batch,
                payload: payload.to_vec(),
            };
            Some(Ok((frame, end)))
        }
        _ => Some(Err(bad(bytes, at, end, epoch))),
    }
}

/// Classifies the bad frame at `at`, whose `end` is known.
fn bad(bytes: &[u8], at: usize, end: usize, epoch: u64) -> BadFrame {
    let rest = &bytes[at..];
    let synced_later = memchr::memmem::find_iter(rest, FRAME_MAGIC)
        .filter_map(|offset| head(bytes, at + offset, epoch))
        .any(|later| later.durable > at);
    BadFrame { at, torn: !synced_later && (end > bytes.len() || has_lost_block(bytes, at)) }
}

/// Returns whether a block of the file from `at` on consists of zeros only, which means that it was
/// never written.
fn has_lost_block(bytes: &[u8], at: usize) -> bool {
    let mut start = at;
    while start < bytes.len() {
        let end = ((start / BLOCK_BYTES + 1) * BLOCK_BYTES).min(bytes.len());
        if bytes[start..end].iter().all(|byte| *byte == 0) {
            return true;
        }
        start = end;
    }
    false
}

fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")))
}

fn number64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
