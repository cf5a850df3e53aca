//! What reads manifests of earlier versions. Version 1 had no checksums of blocks, version 2 had
//! blocks of 64 KiB, with version 3 indexes had hashes of all ids and no tables of values, and with
//! version 4 they had no parts of names and no words of fields, and with version 5 no regions.
//!
//! Parquet files differ in the columns that were added (`data::added_columns`). An index of an
//! earlier version is not read: its segment is answered from the Parquet file until the index is
//! rebuilt, and the manifest with it.

use crate::error::{Error, ErrorKind, Result};

/// The block size of files whose manifests do not name one.
pub(super) const BLOCK_BYTES: u32 = 64 << 10;

/// The same, for serde.
pub(super) fn block_bytes() -> u32 {
    BLOCK_BYTES
}

/// Fails unless a build that writes version `newest` reads manifests of this version.
///
/// # Errors
/// A version of the future.
pub(super) fn check_version(version: u32, newest: u32) -> Result<()> {
    if (1..=newest).contains(&version) {
        return Ok(());
    }
    let what = format!("the manifest has version {version}, this annals reads 1 to {newest}");
    Err(Error::new(ErrorKind::Version, what))
}
