//! Randomness: one seeded stream of random numbers, and draws from weighted tables.
//!
//! The draws are written here instead of using `rand`, whose conversion of bits to numbers may
//! change between versions: the same plan must produce the same bytes for as long as benches are
//! compared.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Scatters the bits of a number. This is a permutation, so different numbers stay different (the
/// finalizer of splitmix64).
pub(super) fn mix(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A stream of random numbers.
#[derive(Debug)]
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    /// Creates the stream of `seed`.
    pub(super) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Returns 64 random bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Returns a number from 0 to `bound` - 1; 0 for a bound of 0.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.0.next_u32()) * u64::from(bound)) >> 32) as u32
    }

    /// Returns true in `per_ten_thousand` of 10,000 cases.
    pub(super) fn chance(&mut self, per_ten_thousand: u32) -> bool {
        self.below(10_000) < per_ten_thousand
    }

    /// Returns a number from 0 to `bound` - 1 that is small more often than not: half of all draws
    /// fall into the first tenth or so.
    pub(super) fn low(&mut self, bound: u32) -> u32 {
        let near = self.below(bound);
        let nearer = self.below(near + 1);
        self.below(nearer + 1)
    }

    /// Returns one of `choices`, each with equal probability.
    pub(super) fn one<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len() as u32) as usize]
    }

    /// Returns a fraction in [0, 1).
    pub(super) fn fraction(&mut self) -> f64 {
        f64::from(self.0.next_u32()) / 4_294_967_296.0
    }
}

/// A table of weights from which an index is drawn in constant time (Vose's alias method, in whole
/// numbers).
#[derive(Debug)]
pub(super) struct Weighted {
    /// For each index: the 32 bit number below which it stands for itself, and the index that it
    /// stands for otherwise.
    cells: Vec<(u32, u32)>,
}

impl Weighted {
    /// Builds a table of these weights, at least one of which is not 0.
    pub(super) fn new(weights: &[u64]) -> Self {
        let count = weights.len() as u128;
        let total: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
        // Scaled so that the mean is `total`: an index with more than that gives some away to one
        // with less.
        let mut scaled: Vec<u128> =
            weights.iter().map(|weight| u128::from(*weight) * count).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) =
            (0..weights.len()).partition(|index| scaled[*index] < total);
        let mut cells: Vec<_> = (0..weights.len()).map(|index| (u32::MAX, index as u32)).collect();
        while let (Some(poor), Some(rich)) = (small.pop(), large.last().copied()) {
            cells[poor] = (((scaled[poor] << 32) / total) as u32, rich as u32);
            scaled[rich] -= total - scaled[poor];
            if scaled[rich] < total {
                large.pop();
                small.push(rich);
            }
        }
        Self { cells }
    }

    /// Builds a table of `count` indexes whose weights fall with their rank: 1 / rank ^ (`exponent`
    /// / 1000).
    pub(super) fn zipf(count: usize, exponent: u32) -> Self {
        let power = -f64::from(exponent) / 1000.0;
        // Rounded to whole numbers, so that the last bit of `powf`, which differs between systems,
        // does not matter.
        let weights: Vec<_> =
            (1..=count).map(|rank| ((rank as f64).powf(power) * 1e9) as u64 + 1).collect();
        Self::new(&weights)
    }

    /// Draws an index.
    pub(super) fn pick(&self, dice: &mut Dice) -> usize {
        let bits = dice.bits();
        let index = (((bits >> 32) * self.cells.len() as u64) >> 32) as usize;
        let (own, other) = self.cells[index];
        if (bits as u32) < own { index } else { other as usize }
    }
}
