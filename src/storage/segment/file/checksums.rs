//! Checksums of a file by block of 16 KiB: a block is verified before anything in it is used, once
//! per process.
//!
//! Neither Parquet nor tantivy notices every flipped bit: a changed page may unpack into other
//! values, a changed posting list into other rows. The SHA-256 of a file detects that, but takes
//! reading the whole file; a block takes a few microseconds. A question reads a few hundred bytes
//! of many parts, so blocks are small; each costs four bytes of checksum.

use crate::error::{Error, Result};
use crate::event::hex;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// The block size of files that are written now.
pub(in crate::storage::segment) const BLOCK_BYTES: u32 = 16 << 10;

/// Computes the checksums (CRC32C) of the blocks of a file, as text.
pub(in crate::storage::segment) fn checksums(bytes: &[u8]) -> String {
    let sums: Vec<u8> = bytes
        .chunks(BLOCK_BYTES as usize)
        .flat_map(|block| crc32c::crc32c(block).to_le_bytes())
        .collect();
    STANDARD.encode(sums)
}

/// The blocks of a file, and which of them were verified.
#[derive(Debug)]
pub(in crate::storage::segment) struct Blocks {
    length: u64,
    /// The size of each block but the last.
    size: u64,
    sums: Vec<u32>,
    seen: Vec<AtomicU64>,
}

impl Blocks {
    /// Creates the blocks of a file. Without checksums, as in the first version of manifests,
    /// everything is trusted.
    ///
    /// Checksums that do not fit such a file.
    pub(in crate::storage::segment) fn of(mark: &FileMark) -> Result<Self> {
        let wrong = || Error::corrupt("the manifest's checksums are not those of its file");
        let (length, size) = (mark.bytes, u64::from(mark.block_bytes));
        let sums = STANDARD.decode(&mark.blocks).map_err(|_| wrong())?;
        let sums: Vec<u32> = sums
            .chunks_exact(4)
            .map(|sum| u32::from_le_bytes(sum.try_into().expect("four bytes")))
            .collect();
        if !sums.is_empty() && (size == 0 || sums.len() as u64 != length.div_ceil(size)) {
            return Err(wrong());
        }
        let seen = sums.chunks(64).map(|_| AtomicU64::new(0)).collect();
        Ok(Self { length, size, sums, seen })
    }

    /// Returns the range of whole blocks that contains a range, if any of them was not verified
    /// yet.
    pub(in crate::storage::segment) fn span(&self, range: &Range<u64>) -> Option<Range<u64>> {
        if self.sums.is_empty() || range.is_empty() || range.end > self.length {
            return None;
        }
        let (first, last) = (range.start / self.size, (range.end - 1) / self.size);
        let new = (first..=last).any(|block| !self.was_compared(block));
        new.then(|| self.range(first).start..self.range(last).end)
    }

    fn was_compared(&self, block: u64) -> bool {
        self.seen[block as usize / 64].load(Ordering::Relaxed) & (1_u64 << (block % 64)) != 0
    }

    /// Verifies the blocks of a range that were not verified yet; `read` provides their bytes.
    ///
    /// # Errors
    /// A block that is not what was written, or cannot be read.
    pub(in crate::storage::segment) fn check<B: AsRef<[u8]>>(
        &self,
        range: Range<u64>,
        read: impl Fn(Range<u64>) -> io::Result<B>,
    ) -> io::Result<()> {
        if self.sums.is_empty() || range.is_empty() {
            return Ok(());
        }
        if range.end > self.length {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "a range beyond the end of the file",
            ));
        }
        for block in range.start / self.size..=(range.end - 1) / self.size {
            if !self.was_compared(block) {
                let bytes = self.range(block);
                if crc32c::crc32c(read(bytes.clone())?.as_ref()) != self.sums[block as usize] {
                    let what =
                        format!("bytes {} to {} are not what was written", bytes.start, bytes.end);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, what));
                }
                self.seen[block as usize / 64].fetch_or(1_u64 << (block % 64), Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Returns every block that is not what was written.
    pub(in crate::storage::segment) fn damaged<B: AsRef<[u8]>>(
        &self,
        read: impl Fn(Range<u64>) -> io::Result<B>,
    ) -> Vec<Range<u64>> {
        let ranges = (0..self.sums.len() as u64).map(|block| self.range(block));
        let same = |(sum, range): &(&u32, Range<u64>)| {
            read(range.clone()).is_ok_and(|bytes| crc32c::crc32c(bytes.as_ref()) == **sum)
        };
        self.sums.iter().zip(ranges).filter(|block| !same(block)).map(|(_, range)| range).collect()
    }

    fn range(&self, block: u64) -> Range<u64> {
        block * self.size..((block + 1) * self.size).min(self.length)
    }
}

/// The expected length and checksums of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMark {
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
    /// CRC32C of each block of it, little-endian, in base64.
    #[serde(default)]
    pub blocks: String,
    /// The block size.
    #[serde(default = "crate::storage::segment::earlier::block_bytes")]
    pub block_bytes: u32,
}

impl FileMark {
    /// Returns whether the mark is that of these bytes.
    pub fn is_of(&self, bytes: &[u8]) -> bool {
        self.bytes == bytes.len() as u64 && self.sha256 == hex(&Sha256::digest(bytes))
    }

    /// Computes the mark of a file with these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.len() as u64,
            sha256: hex(&Sha256::digest(bytes)),
            blocks: checksums(bytes),
            block_bytes: BLOCK_BYTES,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::segment::earlier::BLOCK_BYTES as EARLIER_BLOCK_BYTES;
    use std::cell::Cell;

    #[test]
    fn a_block_is_compared_once_and_a_flipped_bit_is_found() {
        let mut file: Vec<u8> = (0..50_000_u32).map(|number| number as u8).collect();
        let blocks = Blocks::of(&FileMark::of(&file)).expect("our own checksums");
        let reads = Cell::new(0);
        let check = |file: &[u8], range: Range<u64>| {
            blocks.check(range, |range| {
                reads.set(reads.get() + 1);
                Ok(file[range.start as usize..range.end as usize].to_vec())
            })
        };
        check(&file, 0..10).expect("whole");
        check(&file, 5..16_384).expect("whole");
        assert_eq!(reads.get(), 1, "the first block, once");
        check(&file, 16_383..16_385).expect("whole");
        assert_eq!(reads.get(), 2);
        assert_eq!(
            (blocks.span(&(7..20_000)), blocks.span(&(7..7)), blocks.span(&(0..60_000))),
            (None, None, None)
        );
        assert_eq!(
            (blocks.span(&(16_383..32_769)), blocks.span(&(49_999..50_000))),
            (Some(0..49_152), Some(49_152..50_000))
        );
        file[37_500] ^= 4;
        assert!(
            check(&file, 32_768..32_769).is_err(),
            "its block is not believed, whichever bytes of it are read"
        );
        check(&file, 49_999..50_000).expect("the last block is whole");
        assert!(check(&file, 49_999..50_001).is_err());
        check(&file, 7..7).expect("nothing");
        let damaged =
            blocks.damaged(|range| Ok(file[range.start as usize..range.end as usize].to_vec()));
        assert_eq!((damaged.len(), damaged.first()), (1, Some(&(32_768..49_152))));
    }

    #[test]
    fn checksums_of_another_file_are_refused() {
        let mark = FileMark::of(&[1; 70_000]);
        assert!(Blocks::of(&FileMark { bytes: 1_000, ..mark.clone() }).is_err());
        assert!(
            Blocks::of(&FileMark { block_bytes: EARLIER_BLOCK_BYTES, ..mark.clone() }).is_err()
        );
        assert!(Blocks::of(&FileMark { block_bytes: 0, ..mark.clone() }).is_err());
        assert!(Blocks::of(&FileMark { blocks: "?".to_owned(), ..mark.clone() }).is_err());
        let none =
            Blocks::of(&FileMark { blocks: String::new(), ..mark }).expect("an old manifest");
        none.check(0..1_000, |_| -> io::Result<Vec<u8>> {
            unreachable!("nothing to compare with")
        })
        .expect("believed");
    }

    #[test]
    fn files_of_an_earlier_version_have_blocks_of_64_kib() {
        let file = vec![7; 200_000];
        let sums: Vec<u8> =
            file.chunks(64 << 10).flat_map(|block| crc32c::crc32c(block).to_le_bytes()).collect();
        let mark = serde_json::json!({ "bytes": file.len(), "sha256": "",
            "blocks": STANDARD.encode(sums) });
        let blocks =
            Blocks::of(&serde_json::from_value(mark).expect("an old mark")).expect("its checksums");
        let read = |range: Range<u64>| Ok(file[range.start as usize..range.end as usize].to_vec());
        blocks.check(0..200_000, read).expect("whole");
    }
}
