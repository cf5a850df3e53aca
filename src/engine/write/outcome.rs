//! The outcome of a request: what was accepted, under which numbers, and what was refused.

use crate::engine::write::refusals::{Refusals, Refused};
use crate::ingest::Rejected;
use serde::{Deserialize, Serialize};

/// The outcome of the records of a request or a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Events that were accepted: they are durable and visible now.
    pub accepted: u64,
    /// Records that were already stored.
    pub duplicates: u64,
    /// Records that were refused and are kept in quarantine.
    #[serde(flatten)]
    pub quarantined: Refusals,
    /// The proof of acceptance.
    pub receipt: Receipt,
    /// The lines of the duplicates, for doors that answer for each record.
    #[serde(skip)]
    pub duplicate_lines: Vec<u64>,
    /// Whether this is the answer that the request was given before.
    #[serde(skip)]
    pub replayed: bool,
}

/// The batch and the sequence numbers under which events were accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The id of the batch; of the last one if there were several.
    pub batch: String,
    /// The sequence number of the first accepted event, if any.
    pub first_seq: Option<u64>,
    /// The sequence number of the last accepted event, if any.
    pub last_seq: Option<u64>,
    /// The version of the Delta table that has all of them; absent while they are only in the
    /// write-ahead log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_version: Option<u64>,
}

impl Outcome {
    pub(in crate::engine) fn add(&mut self, more: Self) {
        self.accepted += more.accepted;
        self.duplicates += more.duplicates;
        self.quarantined.add(more.quarantined);
        self.duplicate_lines.extend(more.duplicate_lines);
        self.receipt = Receipt {
            first_seq: self.receipt.first_seq.or(more.receipt.first_seq),
            last_seq: more.receipt.last_seq.or(self.receipt.last_seq),
            ..more.receipt
        };
    }

    /// Adds refused records to the outcome.
    pub(in crate::engine) fn refuse(&mut self, rejected: &[Rejected]) {
        self.quarantined.extend(rejected.iter().map(Refused::from));
    }

    /// Sets what was accepted and the receipt; duplicates are counted.
    pub(in crate::engine) fn accept(&mut self, batch: &str, first_seq: u64, accepted: u64) {
        self.accepted = accepted;
        self.duplicate_lines.sort_unstable();
        self.duplicates = self.duplicate_lines.len() as u64;
        self.receipt = Receipt {
            batch: batch.to_owned(),
            first_seq: (accepted > 0).then_some(first_seq),
            last_seq: (accepted > 0).then(|| first_seq + accepted - 1),
            table_version: None,
        };
    }
}
