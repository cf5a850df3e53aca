//! Which rows may have an id: a sorted table of (hash, row), packed to about four bytes an entry.
//!
//! Ids are nearly unique, so as terms of a text index they would fill its dictionary (22 bytes and
//! 2 µs each were measured); here each is a 32-bit hash. Two ids may share a hash, so the result is
//! a list of candidates that the caller verifies against the rows.
//!
//! ```text
//! entries u32 │ directory: for each block of 128: first hash u32, offset u32,
//! │             bits of a hash gap u8, bits of a row u8 │ blocks
//! block: gaps to the hash before, packed │ rows, packed
//! ```

use crate::error::{Error, Result};
use crate::storage::segment::file::bitpacked::{bits_of, pack, packed_length};
use tantivy::HasLen;
use tantivy::directory::{FileSlice, OwnedBytes};
use tantivy_bitpacker::BitUnpacker;

const BLOCK: usize = 128;
const ENTRY: usize = 4 + 4 + 1 + 1;

/// Returns the hash of an id.
pub(in crate::storage::segment) fn hash_of(id: &str) -> u32 {
    crc32c::crc32c(id.as_bytes())
}

/// Collects (hash, row) pairs and writes the table.
#[derive(Debug, Default)]
pub(in crate::storage::segment) struct HashTableBuilder {
    pairs: Vec<u64>,
}

impl HashTableBuilder {
    pub(in crate::storage::segment) fn add(&mut self, id: &str, row: u32) {
        self.add_hash(hash_of(id), row);
    }

    pub(in crate::storage::segment) fn add_hash(&mut self, hash: u32, row: u32) {
        self.pairs.push((u64::from(hash) << 32) | u64::from(row));
    }

    pub(in crate::storage::segment) fn finish(mut self) -> Vec<u8> {
        self.pairs.sort_unstable();
        self.pairs.dedup();
        let mut directory = Vec::new();
        let mut body = Vec::new();
        for block in self.pairs.chunks(BLOCK) {
            let hashes: Vec<u64> = block.iter().map(|pair| pair >> 32).collect();
            let gaps: Vec<u64> = hashes.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let rows: Vec<u64> = block.iter().map(|pair| pair & 0xffff_ffff).collect();
            let (gap_bits, row_bits) = (bits_of(&gaps), bits_of(&rows));
            directory.extend_from_slice(&(hashes[0] as u32).to_le_bytes());
            directory.extend_from_slice(&(body.len() as u32).to_le_bytes());
            directory.extend_from_slice(&[gap_bits, row_bits]);
            pack(&gaps, gap_bits, &mut body);
            pack(&rows, row_bits, &mut body);
        }
        let mut table = (self.pairs.len() as u32).to_le_bytes().to_vec();
        table.extend_from_slice(&directory);
        table.extend_from_slice(&body);
        table
    }
}

/// A table of hashes in a mapped file.
#[derive(Debug)]
pub(in crate::storage::segment) struct HashTable {
    /// The number of entries and the directory.
    head: OwnedBytes,
    /// The blocks.
    body: FileSlice,
    entries: usize,
    blocks: usize,
}

impl HashTable {
    pub(in crate::storage::segment) fn open(file: FileSlice) -> Result<Self> {
        let damaged = || {
            Error::corrupt("a table of ids is damaged; `annals check --rebuild-index` rebuilds it")
        };
        if file.len() < 4 {
            return Err(damaged());
        }
        let entries = file.slice_to(4).read_bytes().map_err(|cause| damaged().because(cause))?;
        let entries = u32::from_le_bytes(entries[..].try_into().expect("four bytes")) as usize;
        let blocks = entries.div_ceil(BLOCK);
        if file.len() < 4 + blocks * ENTRY {
            return Err(damaged());
        }
        let (head, body) = file.split(4 + blocks * ENTRY);
        let table = Self {
            head: head.read_bytes().map_err(|cause| damaged().because(cause))?,
            body,
            entries,
            blocks,
        };
        for block in 0..blocks {
            let (_, offset, gap_bits, row_bits) = table.entry(block);
            let count = table.count(block);
            let end = offset + packed_length(count - 1, gap_bits) + packed_length(count, row_bits);
            if gap_bits > 32 || row_bits > 32 || end > table.body.len() {
                return Err(damaged());
            }
        }
        Ok(table)
    }

    /// Returns the rows whose id may be `id`, ascending.
    ///
    /// # Errors
    /// A table that is damaged.
    pub(in crate::storage::segment) fn candidates(&self, id: &str) -> Result<Vec<u32>> {
        let mut found = Vec::new();
        self.each_of([hash_of(id)], |_, rows| found.extend_from_slice(rows))?;
        Ok(found)
    }

    /// Calls `take` with the rows, ascending, of each of these hashes that has any. The hashes must
    /// ascend; however many there are, no block is unpacked twice, except where one hash ends and
    /// the next begins in it.
    ///
    /// # Errors
    /// A table that is damaged.
    pub(in crate::storage::segment) fn each_of(
        &self,
        hashes: impl IntoIterator<Item = u32>,
        mut take: impl FnMut(u32, &[u32]),
    ) -> Result<()> {
        let (mut unpacked, mut pairs, mut rows) = (usize::MAX, Vec::new(), Vec::new());
        let mut from = 0;
        for hash in hashes {
            rows.clear();
            // The entries of a hash may begin in the block before the first one that starts with
            // it.
            from = self.partition_point(from, |first| first < hash).saturating_sub(1).max(from);
            for block in from..self.blocks {
                if self.entry(block).0 > hash {
                    break;
                }
                if block != unpacked {
                    self.unpack(block, &mut pairs)?;
                    unpacked = block;
                }
                let first = pairs.partition_point(|(other, _)| *other < hash);
                rows.extend(
                    pairs[first..]
                        .iter()
                        .take_while(|(other, _)| *other == hash)
                        .map(|(_, row)| *row),
                );
            }
            if !rows.is_empty() {
                take(hash, &rows);
            }
        }
        Ok(())
    }

    /// Returns the first block from `from` on for whose first hash `before` is false.
    fn partition_point(&self, from: usize, before: impl Fn(u32) -> bool) -> usize {
        let (mut low, mut high) = (from, self.blocks);
        while low < high {
            let middle = usize::midpoint(low, high);
            if before(self.entry(middle).0) { low = middle + 1 } else { high = middle }
        }
        low
    }

    fn entry(&self, block: usize) -> (u32, usize, u8, u8) {
        let at = 4 + block * ENTRY;
        let number =
            |at: usize| u32::from_le_bytes(self.head[at..at + 4].try_into().expect("four bytes"));
        (number(at), number(at + 4) as usize, self.head[at + 8], self.head[at + 9])
    }

    fn count(&self, block: usize) -> usize {
        if block + 1 == self.blocks { self.entries - block * BLOCK } else { BLOCK }
    }

    /// Unpacks the hashes and rows of a block.
    fn unpack(&self, block: usize, pairs: &mut Vec<(u32, u32)>) -> Result<()> {
        let (mut hash, offset, gap_bits, row_bits) = self.entry(block);
        let count = self.count(block);
        let gaps_length = packed_length(count - 1, gap_bits);
        let body = self
            .body
            .slice(offset..offset + gaps_length + packed_length(count, row_bits))
            .read_bytes();
        let body =
            body.map_err(|cause| Error::corrupt("a table of ids is damaged").because(cause))?;
        let (gaps, packed_rows) = body.split_at(gaps_length);
        let (gap_at, row_at) = (BitUnpacker::new(gap_bits), BitUnpacker::new(row_bits));
        pairs.clear();
        for entry in 0..count {
            if entry > 0 {
                hash = hash.wrapping_add(gap_at.get(entry as u32 - 1, gaps) as u32);
            }
            pairs.push((hash, row_at.get(entry as u32, packed_rows) as u32));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn table(ids: &[(String, u32)]) -> HashTable {
        let mut builder = HashTableBuilder::default();
        for (id, row) in ids {
            builder.add(id, *row);
        }
        HashTable::open(FileSlice::from(builder.finish())).expect("our own table")
    }

    #[test]
    fn an_empty_table_finds_nothing() {
        assert!(table(&[]).candidates("x").expect("whole").is_empty());
    }

    #[test]
    fn one_id_in_many_rows_crosses_blocks() {
        let ids: Vec<_> = (0..1000).map(|row| ("same".to_owned(), row)).collect();
        assert_eq!(table(&ids).candidates("same").expect("whole"), (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn a_cut_table_is_refused() {
        let mut builder = HashTableBuilder::default();
        (0..300).for_each(|row| builder.add(&format!("id{row}"), row));
        let bytes = builder.finish();
        for length in 0..bytes.len() {
            assert!(
                HashTable::open(FileSlice::from(bytes[..length].to_vec())).is_err(),
                "{length}"
            );
        }
    }

    proptest! {
        #[test]
        fn every_row_of_an_id_is_a_candidate(
            ids in proptest::collection::vec(("[a-d]{1,3}", 0_u32..5_000_000), 0..600),
        ) {
            let table = table(&ids);
            for (id, _) in &ids {
                let rows: BTreeSet<u32> =
                    ids.iter().filter(|(other, _)| other == id).map(|(_, row)| *row).collect();
                let found = table.candidates(id).expect("whole");
                prop_assert!(found.is_sorted());
                let found: BTreeSet<u32> = found.into_iter().collect();
                // No two of these short ids collide, so candidates are exact here.
                prop_assert_eq!(&found, &rows);
            }
            // Asking for all of them at once, with some that do not occur, gives the same.
            let mut hashes: Vec<u32> =
                ids.iter().map(|(id, _)| hash_of(id)).chain([0, 7, u32::MAX]).collect();
            hashes.sort_unstable();
            hashes.dedup();
            let mut all = BTreeMap::new();
            table
                .each_of(hashes, |hash, rows| drop(all.insert(hash, rows.to_vec())))
                .expect("whole");
            let alone: BTreeMap<u32, Vec<u32>> = ids
                .iter()
                .map(|(id, _)| (hash_of(id), table.candidates(id).expect("whole")))
                .collect();
            prop_assert_eq!(all, alone);
        }
    }
}
