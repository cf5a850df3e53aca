//! Checksums of a file by blocks of 64 KiB: what is read is compared before it is believed, once for each block.
//!
//! Neither Parquet nor tantivy notices every flipped bit: a changed page may unpack into other values, a changed posting list
//! into other rows. The SHA-256 of a file finds that, but takes the whole file; a block takes a few microseconds.

use crate::error::{Error, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of a block.
const BLOCK_BYTES: u64 = 64 << 10;

/// The checksums (CRC32C) of the blocks of a file, as a text.
pub(super) fn checksums(bytes: &[u8]) -> String {
    let sums: Vec<u8> = bytes.chunks(BLOCK_BYTES as usize).flat_map(|block| crc32c::crc32c(block).to_le_bytes()).collect();
    STANDARD.encode(sums)
}

/// The blocks of a file, and which of them were compared.
#[derive(Debug)]
pub(super) struct Blocks {
    length: u64,
    sums: Vec<u32>,
    seen: Vec<AtomicU64>,
}

impl Blocks {
    /// The blocks of a file of this length. Without checksums, as files were written at first, everything is believed.
    ///
    /// # Errors
    /// Checksums that are not those of such a file.
    pub(super) fn new(text: &str, length: u64) -> Result<Self> {
        let wrong = || Error::corrupt("the manifest's checksums are not those of its file");
        let sums = STANDARD.decode(text).map_err(|_| wrong())?;
        let sums: Vec<u32> = sums.chunks_exact(4).map(|sum| u32::from_le_bytes(sum.try_into().expect("four bytes"))).collect();
        if !sums.is_empty() && sums.len() as u64 != length.div_ceil(BLOCK_BYTES) {
            return Err(wrong());
        }
        let seen = sums.chunks(64).map(|_| AtomicU64::new(0)).collect();
        Ok(Self { length, sums, seen })
    }

    /// Compares the blocks of a range that were not compared yet; `read` gives their bytes.
    ///
    /// # Errors
    /// A block that is not what was written, or cannot be read.
    pub(super) fn check<B: AsRef<[u8]>>(&self, range: Range<u64>, read: impl Fn(Range<u64>) -> io::Result<B>) -> io::Result<()> {
        if self.sums.is_empty() || range.is_empty() {
            return Ok(());
        }
        if range.end > self.length {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a range beyond the end of the file"));
        }
        for block in range.start / BLOCK_BYTES..=(range.end - 1) / BLOCK_BYTES {
            let (word, bit) = (&self.seen[block as usize / 64], 1_u64 << (block % 64));
            if word.load(Ordering::Relaxed) & bit == 0 {
                let bytes = self.range(block);
                if crc32c::crc32c(read(bytes.clone())?.as_ref()) != self.sums[block as usize] {
                    let what = format!("bytes {} to {} are not what was written", bytes.start, bytes.end);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, what));
                }
                word.fetch_or(bit, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Every block that is not what was written.
    pub(super) fn damaged<B: AsRef<[u8]>>(&self, read: impl Fn(Range<u64>) -> io::Result<B>) -> Vec<Range<u64>> {
        let ranges = (0..self.sums.len() as u64).map(|block| self.range(block));
        let same = |(sum, range): &(&u32, Range<u64>)| read(range.clone()).is_ok_and(|bytes| crc32c::crc32c(bytes.as_ref()) == **sum);
        self.sums.iter().zip(ranges).filter(|block| !same(block)).map(|(_, range)| range).collect()
    }

    fn range(&self, block: u64) -> Range<u64> {
        block * BLOCK_BYTES..((block + 1) * BLOCK_BYTES).min(self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_block_is_compared_once_and_a_flipped_bit_is_found() {
        let mut file: Vec<u8> = (0..200_000_u32).map(|number| number as u8).collect();
        let blocks = Blocks::new(&checksums(&file), file.len() as u64).expect("our own checksums");
        let reads = Cell::new(0);
        let check = |file: &[u8], range: Range<u64>| {
            blocks.check(range, |range| {
                reads.set(reads.get() + 1);
                Ok(file[range.start as usize..range.end as usize].to_vec())
            })
        };
        check(&file, 0..10).expect("whole");
        check(&file, 5..65_536).expect("whole");
        assert_eq!(reads.get(), 1, "the first block, once");
        check(&file, 65_535..65_537).expect("whole");
        assert_eq!(reads.get(), 2);
        file[150_000] ^= 4;
        assert!(check(&file, 131_072..131_073).is_err(), "its block is not believed, whichever bytes of it are read");
        check(&file, 199_999..200_000).expect("the last block is whole");
        assert!(check(&file, 199_999..200_001).is_err());
        check(&file, 7..7).expect("nothing");
        let damaged = blocks.damaged(|range| Ok(file[range.start as usize..range.end as usize].to_vec()));
        assert_eq!((damaged.len(), damaged.first()), (1, Some(&(131_072..196_608))));
    }

    #[test]
    fn checksums_of_another_file_are_refused() {
        assert!(Blocks::new(&checksums(&[1; 70_000]), 1_000).is_err());
        assert!(Blocks::new("?", 1_000).is_err());
        let none = Blocks::new("", 1_000).expect("an old manifest");
        none.check(0..1_000, |_| -> io::Result<Vec<u8>> { unreachable!("nothing to compare with") }).expect("believed");
    }
}
