//! File formats shared by the parts of a segment: bundles of many parts, checksums by block, and
//! bit-packed numbers.

pub(super) mod bitpacked;
pub(super) mod bundle;
pub(super) mod checksums;
pub(super) mod leb128;
pub(super) mod positioned;
