//! Decodes records into events, and builds segments from accepted events.

use super::split::RECORD_BYTES_MAX;
use crate::access::check_producer;
use crate::decode::{self, Format};
use crate::error::{Error, Result};
use crate::event::{DAY_MS, Event, clip, row_order};
use crate::redact::{Redacted, Redactor};
use crate::storage::segment::{Manifest, SegmentFiles, SegmentOptions, write_segment};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// A record as it was received, and its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomingRecord {
    /// The line on which it began, from 1.
    pub line: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
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
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether it decoded, but has the trace id of another record.
    pub conflict: bool,
}

impl Rejected {
    /// Creates the rejection of a record whose trace id belongs to another record.
    pub fn conflict(event: &Event, line: u64) -> Self {
        let shown = clip(event.trace_id(), 100);
        let reason = format!(
            "trace id {shown} was taken by another record of the same time: a trace id is accepted once"
        );
        Self {
            tenant: Some(event.tenant.to_string()),
            line,
            reason: reason.into(),
            bytes: event.original.as_bytes().to_vec(),
            conflict: true,
        }
    }
}

/// How the tenant of records is determined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantRule {
    /// All records belong to one tenant.
    Is(String),
    /// Each record names its own tenant, at this path.
    At(String),
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
}

impl TenantRule {
    /// Builds the rule from a tenant or a path, exactly one of which must be given.
    ///
    /// # Errors
    /// Neither or both, or a name that is not a valid tenant name.
    pub fn new(tenant: Option<&str>, tenant_from: Option<&str>) -> Result<Self> {
        match (tenant, tenant_from) {
            (Some(tenant), None) => Ok(Self::Is(check_producer(tenant)?.to_owned())),
            (None, Some("")) => Err(Error::parameter(
                "tenant_from",
                "must name a path in the records, such as project_id",
            )),
            (None, Some(path)) => Ok(Self::At(path.to_owned())),
            (None, None) => Err(Error::parameter(
                "tenant",
                "name the tenant of the records: tenant, or tenant_from with a path such as project_id",
            )),
            (Some(_), Some(_)) => {
                Err(Error::parameter("tenant_from", "tenant and tenant_from exclude each other"))
            }
        }
    }
}

/// How many records are decoded before the outcomes are separated.
const DECODED_AT_A_TIME: usize = 16_384;

/// Decodes records on all cores, keeping their order. `redactor` replaces secrets before anything
/// else sees the records.
pub fn decode_records(
    records: Vec<IncomingRecord>,
    format: Option<Format>,
    rule: &TenantRule,
    redactor: Option<&Redactor>,
) -> DecodedBatch {
    let (mut batch, mut reasons): (DecodedBatch, HashSet<Arc<str>>) =
        (DecodedBatch::default(), HashSet::new());
    let mut records = records.into_iter();
    loop {
        // An outcome takes the room of an event even if the record was refused, so only a limited
        // number of outcomes is held at a time.
        let some: Vec<IncomingRecord> = records.by_ref().take(DECODED_AT_A_TIME).collect();
        if some.is_empty() {
            return batch;
        }
        let decoded: Vec<(u64, Result<Event, Rejected>)> = some
            .into_par_iter()
            .with_min_len(256)
            .map(|record| (record.line, decode_record(record, format, rule, redactor)))
            .collect();
        batch.add(decoded, &mut reasons);
    }
}

impl DecodedBatch {
    fn add(
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

fn decode_record(
    record: IncomingRecord,
    format: Option<Format>,
    rule: &TenantRule,
    redactor: Option<&Redactor>,
) -> Result<Event, Rejected> {
    let Some(redactor) = redactor else {
        return decode_bytes(&record.bytes, format, rule)
            .map_err(|error| rejected(record.line, &error, record.bytes, rule));
    };
    let Redacted { bytes, unreadable_at } = redactor.redact(&record.bytes);
    let outcome = match unreadable_at {
        None => decode_bytes(&bytes, format, rule),
        Some(at) => Err(unreadable(&record.bytes, at)),
    };
    outcome.map_err(|error| {
        let kept = redactor.redact_refused(&record.bytes);
        // The reason may quote the record, so it is computed from the bytes that are kept.
        let error = match unreadable_at {
            None if kept != bytes => decode_bytes(&kept, format, rule)
                .err()
                .unwrap_or_else(|| Error::invalid("the record was refused")),
            _ => error,
        };
        rejected(record.line, &error, kept.into_owned(), rule)
    })
}

/// Returns the reason for refusing a record that is not JSON when only its masked form may be
/// shown.
fn unreadable(record: &[u8], at: usize) -> Error {
    if let Err(error) = check_size(record).and_then(|()| text_of(record).map(drop)) {
        return error;
    }
    Error::invalid(format!(
        "record is not one JSON object: it goes wrong after {at} bytes, so it is kept masked"
    ))
}

fn check_size(record: &[u8]) -> Result<()> {
    if record.len() <= RECORD_BYTES_MAX {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "the record has {} bytes, more than {RECORD_BYTES_MAX}",
        record.len()
    )))
}

fn text_of(record: &[u8]) -> Result<&str> {
    std::str::from_utf8(record).map_err(|cause| {
        Error::invalid(format!("invalid UTF-8 after {} bytes", cause.valid_up_to()))
    })
}

fn decode_bytes(record: &[u8], format: Option<Format>, rule: &TenantRule) -> Result<Event> {
    check_size(record)?;
    let text = text_of(record)?;
    match rule {
        TenantRule::Is(tenant) => {
            let mut event = decode::decode(text, format)?;
            event.tenant = tenant.as_str().into();
            Ok(event)
        }
        TenantRule::At(path) => {
            let (mut event, tenant) = decode::decode_with_text_at(text, format, path)?;
            let tenant = tenant
                .ok_or_else(|| Error::invalid(format!("the record has no tenant at {path}")))?;
            check_producer(&tenant)?;
            event.tenant = tenant.into();
            Ok(event)
        }
    }
}

fn rejected(line: u64, error: &Error, bytes: Vec<u8>, rule: &TenantRule) -> Rejected {
    let tenant = match rule {
        TenantRule::Is(tenant) => Some(tenant.clone()),
        TenantRule::At(path) => std::str::from_utf8(&bytes)
            .ok()
            .filter(|text| text.len() <= RECORD_BYTES_MAX)
            .and_then(|text| decode::text_at(text, path))
            .filter(|tenant| check_producer(tenant).is_ok()),
    };
    Rejected { tenant, line, reason: clip(&error.to_string(), 500).into(), bytes, conflict: false }
}

/// Builds segments from accepted events, one per event date. `next_id` names each segment, and
/// `put` takes its files as soon as they are built, so that the files of thousands of dates are not
/// in memory at once.
///
/// # Errors
/// The errors of `put`.
pub fn seal(
    events: Vec<Arc<Event>>,
    form: SegmentOptions,
    mut next_id: impl FnMut() -> String,
    put: impl Fn(&SegmentFiles) -> Result<()> + Sync,
) -> Result<Vec<Manifest>> {
    let mut dates: BTreeMap<String, Vec<Arc<Event>>> = BTreeMap::new();
    let (mut day, mut date) = (i64::MIN, String::new());
    for event in events {
        let event_day = event.time.millis().div_euclid(DAY_MS);
        if event_day != day {
            (day, date) = (event_day, event.time.date());
        }
        match dates.get_mut(&date) {
            Some(events) => events.push(event),
            None => {
                dates.insert(date.clone(), vec![event]);
            }
        }
    }
    let named: Vec<(String, String, Vec<Arc<Event>>)> =
        dates.into_iter().map(|(date, events)| (next_id(), date, events)).collect();
    named
        .into_par_iter()
        .map(|(id, date, mut events)| {
            events.par_sort_unstable_by(|left, right| row_order(left, right));
            let files = write_segment(&id, &date, form, &events)?;
            put(&files)?;
            Ok(files.manifest)
        })
        .collect()
}
