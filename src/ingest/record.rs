//! Records on their way in, and those that were refused.

use crate::event::{Event, Timestamp, clip};
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// How many tenants are told that somebody may not deliver for.
const FOREIGN_MAX: usize = 20;

/// A record as it was received, and its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomingRecord {
    /// The line on which it began, from 1.
    pub line: u64,
    /// Its bytes; only the first ones if it was cut.
    pub bytes: Vec<u8>,
    /// What is known of the whole, if it was too long to be kept.
    pub cut: Option<CutRecord>,
}

/// A record of which only the beginning was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutRecord {
    /// The bytes that it had.
    pub length: u64,
    /// The SHA-256 of all of them.
    pub sha256: [u8; 32],
}

impl IncomingRecord {
    /// Creates a record that began on this line.
    pub fn new(line: u64, bytes: impl Into<Vec<u8>>) -> Self {
        Self { line, bytes: bytes.into(), cut: None }
    }

    /// Notes the length and the hash of the whole, if more was read than is kept.
    pub(super) fn cut_short(mut self, whole: Option<(u64, Sha256)>) -> Self {
        self.cut = whole.map(|(length, hash)| CutRecord { length, sha256: hash.finalize().into() });
        self
    }
}

/// A record that could not be decoded, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The tenant, if it is known.
    pub tenant: Option<String>,
    /// The line on which it began.
    pub line: u64,
    /// The reason; records that were refused for the same reason share the text.
    pub reason: Arc<str>,
    /// Its bytes; only the first ones if it was cut.
    pub bytes: Vec<u8>,
    /// What is known of the whole, if it was too long to be kept.
    pub cut: Option<Box<CutRecord>>,
    /// Whether it decoded, but has the trace id of another record.
    pub conflict: bool,
    /// Whether who delivered it may deliver for certain tenants only, so that a tenant that is
    /// named in it proves nothing.
    pub is_bound: bool,
    /// The tenant that is named in it, if whoever delivered it may not deliver for that.
    pub foreign: Option<String>,
}

impl Rejected {
    /// Creates the rejection of a record whose trace id belongs to another record.
    pub fn conflict(event: &Event, line: u64) -> Self {
        let shown = clip(event.trace_id(), 100);
        let reason = format!(
            "trace id {shown} was taken by another record of the same time: a trace id is accepted \
            once"
        );
        Self {
            tenant: Some(event.tenant.to_string()),
            line,
            reason: reason.into(),
            bytes: event.original.as_bytes().to_vec(),
            cut: None,
            conflict: true,
            is_bound: false,
            foreign: None,
        }
    }

    /// Creates the rejection of a record that whoever delivered it may not deliver for its tenant.
    pub fn of_forbidden(event: &Event, line: u64, reason: &Arc<str>) -> Self {
        Self {
            tenant: None,
            line,
            reason: Arc::clone(reason),
            bytes: event.original.as_bytes().to_vec(),
            cut: None,
            conflict: false,
            is_bound: true,
            foreign: None,
        }
    }
}

/// Tenants that records were delivered for by somebody who may not. Only the first ones are told.
#[derive(Debug, Default)]
pub struct ForeignTenants(BTreeSet<String>);

impl ForeignTenants {
    /// Notes the tenant of a record.
    pub fn note(&mut self, tenant: &str) {
        if self.0.len() < FOREIGN_MAX {
            self.0.insert(clip(tenant, 100));
        }
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns their names.
    pub fn names(&self) -> &BTreeSet<String> {
        &self.0
    }
}

/// The outcome of decoding records.
#[derive(Debug, Default)]
pub struct DecodedBatch {
    /// The events, in the order of their records.
    pub events: Vec<Event>,
    /// The line on which each event's record began.
    pub lines: Vec<u64>,
    /// The records that could not be decoded.
    pub rejected: Vec<Rejected>,
    /// The tenants of records that whoever delivered them may not deliver for.
    pub foreign: ForeignTenants,
}

impl DecodedBatch {
    /// Refuses records without a time for tenants that want none.
    pub fn refuse_undated(&mut self, refusing: &BTreeSet<String>) {
        let is_refused = |event: &Event| {
            event.time == Timestamp::default() && refusing.contains(event.tenant.as_ref())
        };
        if refusing.is_empty() || !self.events.iter().any(is_refused) {
            return;
        }
        let reason: Arc<str> = "has no time, and its tenant refuses records without one".into();
        let events = std::mem::take(&mut self.events);
        let lines = std::mem::take(&mut self.lines);
        for (event, line) in events.into_iter().zip(lines) {
            if is_refused(&event) {
                self.rejected.push(Rejected {
                    tenant: Some(event.tenant.to_string()),
                    line,
                    reason: Arc::clone(&reason),
                    bytes: event.original.as_bytes().to_vec(),
                    cut: None,
                    conflict: false,
                    is_bound: false,
                    foreign: None,
                });
            } else {
                self.events.push(event);
                self.lines.push(line);
            }
        }
    }

    pub(super) fn add(
        &mut self,
        decoded: Vec<(u64, Result<Event, Rejected>)>,
        reasons: &mut HashSet<Arc<str>>,
    ) {
        for (line, outcome) in decoded {
            match outcome {
                Ok(event) => {
                    self.events.push(event);
                    self.lines.push(line);
                }
                Err(mut rejected) => {
                    if let Some(tenant) = &rejected.foreign {
                        self.foreign.note(tenant);
                    }
                    match reasons.get(&rejected.reason) {
                        Some(reason) => rejected.reason = Arc::clone(reason),
                        None => drop(reasons.insert(Arc::clone(&rejected.reason))),
                    }
                    self.rejected.push(rejected);
                }
            }
        }
    }
}

/// The largest record, in bytes: 1 MiB.
pub const RECORD_BYTES_MAX: usize = 1 << 20;
