//! What a version of the table contains, in numbers that each commit carries.
//!
//! `files` is a sum over the files of the version. So it can be maintained by adding and
//! subtracting, and compared with the sum that a reader of the log computes: a log that lost a
//! line, or a checkpoint that lost a file, gives a different sum.

use super::super::segment::Manifest;
use crate::error::{Error, Result};
use crate::event::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What a version of the table contains.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The number of events.
    pub rows: u64,
    /// The number of bytes of the data files.
    pub bytes: u64,
    /// The number of data files.
    pub segments: u64,
    /// The sequence number of the last event ever committed.
    pub last_seq: u64,
    /// The sum of the files' hashes.
    pub files: FileSum,
}

/// The sum of the hashes of files, each computed from its path and length.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct FileSum(u128);

impl From<FileSum> for String {
    fn from(sum: FileSum) -> Self {
        format!("{:032x}", sum.0)
    }
}

impl TryFrom<String> for FileSum {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> std::result::Result<Self, Self::Error> {
        u128::from_str_radix(&text, 16).map(Self)
    }
}

fn file_hash(path: &str, bytes: u64) -> u128 {
    let digest = Sha256::digest(format!("{path}\n{bytes}"));
    u128::from_be_bytes(digest[..16].try_into().expect("a digest has 32 bytes"))
}

impl Account {
    /// Adds one file.
    pub(super) fn add(&mut self, path: &str, bytes: u64, rows: u64) {
        self.rows += rows;
        self.add_file(path, bytes);
    }

    pub(super) fn add_file(&mut self, path: &str, bytes: u64) {
        self.bytes = self.bytes.wrapping_add(bytes);
        self.segments = self.segments.wrapping_add(1);
        self.files.0 = self.files.0.wrapping_add(file_hash(path, bytes));
    }

    pub(super) fn remove_file(&mut self, path: &str, bytes: u64) {
        self.bytes = self.bytes.wrapping_sub(bytes);
        self.segments = self.segments.wrapping_sub(1);
        self.files.0 = self.files.0.wrapping_sub(file_hash(path, bytes));
    }

    /// Returns the account after segments were removed and others added.
    pub(super) fn after(&self, removed: &[&Manifest], added: &[&Manifest]) -> Result<Self> {
        let mut account = self.clone();
        for manifest in added {
            let path = super::super::paths::data_in_table(&manifest.date, &manifest.id);
            account.add(&path, manifest.data.bytes, u64::from(manifest.rows));
        }
        for manifest in removed {
            account.remove_file(
                &super::super::paths::data_in_table(&manifest.date, &manifest.id),
                manifest.data.bytes,
            );
            let left = account.rows.checked_sub(u64::from(manifest.rows));
            account.rows = left.ok_or_else(|| {
                Error::internal("more events are taken out of the table than are in it")
            })?;
        }
        Ok(account)
    }

    /// Returns whether two accounts are of the same files; events and numbers are compared
    /// separately.
    pub(super) fn same_files(&self, other: &Self) -> bool {
        (self.files, self.segments, self.bytes) == (other.files, other.segments, other.bytes)
    }
}

/// Returns the SHA-256 of bytes, hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
