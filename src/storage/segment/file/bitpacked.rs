//! Integers packed into as few bits as the largest one needs; each can be read individually.

use crate::error::{Error, Result};
use tantivy::directory::OwnedBytes;
use tantivy_bitpacker::{BitPacker, BitUnpacker};

/// Returns the number of bits that the largest of these values needs.
pub(in crate::storage::segment) fn bits_of(values: &[u64]) -> u8 {
    let bits = values.iter().max().map_or(0, |max| (64 - max.leading_zeros()) as u8);
    // Wider numbers can only be read where they begin at a byte boundary.
    if bits > 56 { 64 } else { bits }
}

/// Returns the number of bytes that `count` packed numbers take.
pub(in crate::storage::segment) fn packed_length(count: usize, bits: u8) -> usize {
    (count * usize::from(bits)).div_ceil(8)
}

/// Appends packed numbers.
pub(in crate::storage::segment) fn pack(values: &[u64], bits: u8, out: &mut Vec<u8>) {
    let mut packer = BitPacker::new();
    for value in values {
        packer.write(*value, bits, out).expect("writing to memory does not fail");
    }
    packer.flush(out).expect("writing to memory does not fail");
}

/// Bytes before the packed numbers: the number of values, the smallest value, and the bits of each
/// value's difference from it.
const HEAD: usize = 4 + 8 + 1;

/// Appends a list of numbers that [`PackedNumbers`] reads.
pub(in crate::storage::segment) fn write_packed(values: &[i64], out: &mut Vec<u8>) {
    let least = values.iter().min().copied().unwrap_or_default();
    let above: Vec<u64> = values.iter().map(|value| value.wrapping_sub(least) as u64).collect();
    let bits = bits_of(&above);
    out.extend_from_slice(&(values.len() as u32).to_le_bytes());
    out.extend_from_slice(&least.to_le_bytes());
    out.push(bits);
    pack(&above, bits, out);
}

/// A list of packed numbers in a mapped file.
#[derive(Debug, Clone)]
pub(in crate::storage::segment) struct PackedNumbers {
    count: u32,
    least: i64,
    unpacker: BitUnpacker,
    bytes: OwnedBytes,
}

impl PackedNumbers {
    /// Splits off the list at the beginning of `bytes`; returns it and what follows.
    ///
    /// # Errors
    /// Bytes that are not such a list.
    pub(in crate::storage::segment) fn split(bytes: OwnedBytes) -> Result<(Self, OwnedBytes)> {
        let damaged = || {
            Error::corrupt(
                "a list of numbers in the index is damaged; `annals check --rebuild-index` \
                 rebuilds it",
            )
        };
        if bytes.len() < HEAD {
            return Err(damaged());
        }
        let (head, rest) = bytes.split(HEAD);
        let count = u32::from_le_bytes(head[..4].try_into().expect("four bytes"));
        let least = i64::from_le_bytes(head[4..12].try_into().expect("eight bytes"));
        let bits = head[12];
        if !(bits <= 56 || bits == 64) || rest.len() < packed_length(count as usize, bits) {
            return Err(damaged());
        }
        let (bytes, rest) = rest.split(packed_length(count as usize, bits));
        Ok((Self { count, least, unpacker: BitUnpacker::new(bits), bytes }, rest))
    }

    /// Returns the number of values.
    pub(in crate::storage::segment) fn len(&self) -> u32 {
        self.count
    }

    /// Returns the number at an index, which must be below [`PackedNumbers::len`].
    #[inline]
    pub(in crate::storage::segment) fn get(&self, index: u32) -> i64 {
        self.least.wrapping_add(self.unpacker.get(index, &self.bytes) as i64)
    }

    /// Returns the index of the first number for which `before` is false, in a list where those for
    /// which it is true come first.
    pub(in crate::storage::segment) fn partition_point(&self, before: impl Fn(i64) -> bool) -> u32 {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = u32::midpoint(low, high);
            if before(self.get(middle)) { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// Calls `take` with the numbers of a range of indexes, in order.
    #[inline]
    pub(in crate::storage::segment) fn each(
        &self,
        indexes: std::ops::Range<u32>,
        mut take: impl FnMut(i64),
    ) {
        const STEP: u32 = 256;
        let mut buffer = [0_u64; STEP as usize];
        let mut start = indexes.start;
        while start < indexes.end {
            let count = STEP.min(indexes.end - start) as usize;
            self.unpacker.get_range(start, &self.bytes, &mut buffer[..count]);
            buffer[..count].iter().for_each(|above| take(self.least.wrapping_add(*above as i64)));
            start += count as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back(
            values in proptest::collection::vec(prop_oneof![any::<i64>(), -5_i64..5_000], 0..700),
            from in 0_usize..700,
        ) {
            let mut bytes = Vec::new();
            write_packed(&values, &mut bytes);
            bytes.push(77);
            let (list, rest) = PackedNumbers::split(OwnedBytes::new(bytes)).expect("our own list");
            prop_assert_eq!(&rest[..], &[77]);
            prop_assert_eq!(list.len() as usize, values.len());
            for (index, value) in values.iter().enumerate() {
                prop_assert_eq!(list.get(index as u32), *value);
            }
            let from = from.min(values.len());
            let mut read = Vec::new();
            list.each(from as u32..values.len() as u32, |value| read.push(value));
            prop_assert_eq!(&read[..], &values[from..]);
        }
    }

    #[test]
    fn a_cut_list_is_refused() {
        let mut bytes = Vec::new();
        write_packed(&[5, 900, 17], &mut bytes);
        for length in 0..bytes.len() {
            assert!(
                PackedNumbers::split(OwnedBytes::new(bytes[..length].to_vec())).is_err(),
                "{length}"
            );
        }
    }
}
