//! Files as such: many parts in one, checksums by block, numbers in few bits.

pub(super) mod bitpacked;
pub(super) mod bundle;
pub(super) mod checksums;
pub(super) mod positioned;
