//! The bytes of a body, as they are gathered: in pieces, none of which is ever moved. A buffer that
//! grows would be copied into larger and larger ones, and an allocator keeps each of those for a
//! while, so that a body would take several times its bytes in memory.

use super::room::TakenRoom;
use crate::error::Result;
use axum::body::Bytes;
use std::io::{self, BufRead, Read};

/// The size of the first piece, unless more comes at once, and the largest.
const FIRST_BYTES: usize = 4 << 10;
const PIECE_BYTES_MAX: usize = 1 << 20;

/// Bytes in pieces. A piece is as large as all before it, within bounds, so that small bodies take
/// little room and large ones few pieces.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    full: Vec<Bytes>,
    /// The piece that is being filled, which never grows beyond its capacity.
    last: Vec<u8>,
    length: usize,
}

impl Chunks {
    /// Returns the number of bytes.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Returns the first bytes: of more than 4 KiB, at least so many.
    pub(super) fn start(&self) -> &[u8] {
        self.full.first().map_or(&self.last, AsRef::as_ref)
    }

    /// Returns how much memory the next bytes need in addition; 0 if there is room for them.
    pub(super) fn needed(&self, bytes: usize) -> usize {
        let left = self.last.capacity() - self.last.len();
        bytes.checked_sub(left).filter(|more| *more > 0).map_or(0, |more| self.piece_for(more))
    }

    /// Returns the size of a new piece that takes these bytes.
    fn piece_for(&self, bytes: usize) -> usize {
        self.length.clamp(FIRST_BYTES, PIECE_BYTES_MAX).max(bytes)
    }

    /// Adds bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let left = self.last.capacity() - self.last.len();
        let (now, rest) = bytes.split_at(bytes.len().min(left));
        self.last.extend_from_slice(now);
        if !rest.is_empty() {
            let next = Vec::with_capacity(self.piece_for(rest.len()));
            let full = std::mem::replace(&mut self.last, next);
            self.full.extend((!full.is_empty()).then(|| full.into()));
            self.last.extend_from_slice(rest);
        }
        self.length += bytes.len();
    }

    /// Returns a stream of the bytes.
    pub(super) fn reader(&self) -> ChunksReader<'_> {
        ChunksReader { next: self.full.iter(), last: &self.last, current: &[] }
    }

    /// Returns whether the bytes lie one after another already.
    fn is_whole(&self) -> bool {
        self.full.len() + usize::from(!self.last.is_empty()) <= 1
    }

    /// Returns how much memory it takes beyond these bytes to put them one after another, while
    /// that is done.
    fn joining(&self) -> u64 {
        if self.is_whole() { 0 } else { self.length as u64 }
    }

    /// Puts the bytes one after another, and returns them. The room for that must be there.
    pub(super) fn join(&mut self) -> Bytes {
        if !self.is_whole() {
            let mut whole = Vec::with_capacity(self.length);
            for piece in self.full.drain(..) {
                whole.extend_from_slice(&piece);
            }
            whole.extend_from_slice(&self.last);
            self.last = whole;
        }
        if !self.last.is_empty() {
            self.full.push(std::mem::take(&mut self.last).into());
        }
        self.full.first().cloned().unwrap_or_default()
    }

    /// The same, for a request that has `held` bytes of room beside that of the bytes themselves;
    /// what it takes in addition meanwhile is reserved.
    ///
    /// # Errors
    /// No room for it.
    pub(super) fn join_blocking(&mut self, taken: &mut TakenRoom, held: u64) -> Result<Bytes> {
        let more = self.joining().saturating_sub(held);
        taken.grow_blocking(more)?;
        let whole = self.join();
        taken.shrink(more);
        Ok(whole)
    }

    /// The same for a request that may wait for the room.
    ///
    /// # Errors
    /// No room for it.
    pub(super) async fn join_in(&mut self, taken: &mut TakenRoom) -> Result<Bytes> {
        let more = self.joining();
        taken.grow(more).await?;
        let whole = self.join();
        taken.shrink(more);
        Ok(whole)
    }
}

/// A stream of bytes in pieces.
#[derive(Debug)]
pub(super) struct ChunksReader<'a> {
    next: std::slice::Iter<'a, Bytes>,
    last: &'a [u8],
    current: &'a [u8],
}

impl Read for ChunksReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for ChunksReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.current.is_empty() {
            let next = self.next.next().map(AsRef::as_ref);
            self.current = next.unwrap_or_else(|| std::mem::take(&mut self.last));
        }
        Ok(self.current)
    }

    fn consume(&mut self, count: usize) {
        self.current = &self.current[count..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(length: usize) -> Vec<u8> {
        (0..length).map(|number| (number % 251) as u8).collect()
    }

    #[test]
    fn what_was_gathered_is_read_in_order_and_no_piece_moves() {
        let all = text(3 << 20);
        let mut chunks = Chunks::default();
        assert_eq!(chunks.join(), Bytes::new());
        let (mut memory, mut start, mut step) = (0, 0, 1);
        while start < all.len() {
            let part = &all[start..all.len().min(start + step)];
            memory += chunks.needed(part.len());
            chunks.push(part);
            (start, step) = (start + step, step * 2 % 100_003 + 1);
        }
        assert_eq!(chunks.len(), all.len());
        let pieces = chunks.full.iter().map(Bytes::len).sum::<usize>() + chunks.last.capacity();
        assert_eq!(memory, pieces, "all memory was foreseen");
        assert!(memory < all.len() + PIECE_BYTES_MAX, "{memory}");
        assert!(chunks.full.iter().all(|piece| piece.len() <= PIECE_BYTES_MAX));
        let mut read = Vec::new();
        chunks.reader().read_to_end(&mut read).expect("memory");
        assert!(read == all);
        assert_eq!(chunks.joining(), all.len() as u64);
        assert!(chunks.join() == all && chunks.join() == all, "as often as it is asked");
        assert_eq!(chunks.joining(), 0);
        read.clear();
        chunks.reader().read_to_end(&mut read).expect("memory");
        assert!(read == all);
    }

    #[test]
    fn a_small_body_takes_little_more_than_its_bytes() {
        let mut chunks = Chunks::default();
        assert_eq!(chunks.needed(10), FIRST_BYTES);
        chunks.push(&text(10));
        assert_eq!(chunks.needed(100), 0);
        chunks.push(&text(100));
        assert_eq!((chunks.len(), chunks.full.len()), (110, 0));
        let mut one = Chunks::default();
        assert_eq!(one.needed(50_000), 50_000);
        one.push(&text(50_000));
        assert_eq!(one.joining(), 0);
    }
}
