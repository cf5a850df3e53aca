//! The manifest of a segment: what it contains, and the hashes that its files must have.
//!
//! There is one small JSON file per segment, followed by a line with the CRC32C of that JSON.
//! Opening a table only reads the manifests; segments themselves are opened when a question needs
//! them.

use super::earlier::check_version;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::event::Timestamp;
use crate::storage::segment::FileMark;
use serde::{Deserialize, Serialize};

/// The manifest version that this build writes; for the ones it reads, see
/// [`earlier`](super::earlier).
const VERSION: u32 = 6;

/// What a segment contains and what its files must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this structure.
    pub version: u32,
    /// The segment's id, a ULID.
    pub id: String,
    /// The event date (UTC), which is the partition of the Delta table.
    pub date: String,
    /// How many events it contains.
    pub rows: u32,
    /// The lowest sequence number in it.
    pub first_seq: u64,
    /// The highest sequence number in it.
    pub last_seq: u64,
    /// How many of its events have an implausible time.
    pub suspects: u32,
    /// The number of bytes of its records; 0 in manifests from before this was counted.
    #[serde(default)]
    pub record_bytes: u64,
    /// The version of the decoders that derived its columns from the records.
    pub decoders: u32,
    /// The tenants, in the order of their rows.
    pub tenants: Vec<TenantRows>,
    /// The data file.
    pub data: FileMark,
    /// The index file.
    pub index: FileMark,
}

/// The rows of one tenant in a segment: contiguous, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantRows {
    /// The tenant.
    pub tenant: Box<str>,
    /// Its first row.
    pub first: u32,
    /// How many rows it has.
    pub rows: u32,
    /// The time of its newest event, ms.
    pub newest: i64,
    /// The time of its oldest event, ms.
    pub oldest: i64,
}

impl TenantRows {
    /// Returns the rows, from the first to one past the last.
    pub fn range(&self) -> std::ops::Range<u32> {
        self.first..self.first + self.rows
    }

    /// Returns the time of the newest event.
    pub fn newest(&self) -> Timestamp {
        Timestamp::from_millis(self.newest)
    }

    /// Returns the time of the oldest event.
    pub fn oldest(&self) -> Timestamp {
        Timestamp::from_millis(self.oldest)
    }
}

impl Manifest {
    /// Returns when the segment was written, which its id contains.
    pub fn written(&self) -> Option<Timestamp> {
        let id = ulid::Ulid::from_string(&self.id).ok()?;
        Some(Timestamp::from_millis(id.timestamp_ms().cast_signed()))
    }

    /// The version that new manifests have.
    pub const VERSION: u32 = VERSION;

    /// Returns the rows of a tenant, if it has any here.
    pub fn tenant(&self, tenant: &str) -> Option<&TenantRows> {
        let position =
            self.tenants.binary_search_by(|rows| rows.tenant.as_ref().cmp(tenant)).ok()?;
        Some(&self.tenants[position])
    }

    /// Encodes the manifest's file.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("texts and numbers are valid JSON");
        let mark = format!("\n{:08x}\n", crc32c::crc32c(&bytes));
        bytes.extend_from_slice(mark.as_bytes());
        bytes
    }

    /// Decodes a manifest's file.
    ///
    /// # Errors
    /// Bytes that are not what was written, or of a future version.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let damaged = || Error::corrupt("the manifest is damaged");
        let (body, mark) =
            bytes.split_at_checked(bytes.len().wrapping_sub(10)).ok_or_else(damaged)?;
        if mark != format!("\n{:08x}\n", crc32c::crc32c(body)).as_bytes() {
            return Err(damaged());
        }
        let manifest: Self = serde_json::from_slice(body)
            .context(ErrorKind::Corrupt, || "the manifest is damaged".to_owned())?;
        check_version(manifest.version, VERSION)?;
        Ok(manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_comes_back_and_no_flipped_bit_passes() {
        let manifest = Manifest {
            version: VERSION,
            id: "01J".into(),
            date: "2026-06-30".into(),
            rows: 2,
            first_seq: 1,
            last_seq: 2,
            suspects: 0,
            record_bytes: 0,
            decoders: 1,
            tenants: vec![TenantRows {
                tenant: "a".into(),
                first: 0,
                rows: 2,
                newest: 5,
                oldest: 4,
            }],
            data: FileMark::of(b"data"),
            index: FileMark::of(b"index"),
        };
        let bytes = manifest.encode();
        assert_eq!(Manifest::decode(&bytes).expect("our own manifest"), manifest);
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Manifest::decode(&bad).is_err(), "bit {bit}");
        }
        assert!(Manifest::decode(b"").is_err());
        assert_eq!(manifest.tenant("a").map(TenantRows::range), Some(0..2));
        assert_eq!(manifest.tenant("b"), None);
    }
}
