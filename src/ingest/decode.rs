//! Decodes records into events, after secrets were replaced, and determines their tenants.

use super::record::{CutRecord, DecodedBatch, IncomingRecord, RECORD_BYTES_MAX, Rejected};
use crate::access::check_producer;
use crate::decode::{self, Format};
use crate::error::{Error, Result};
use crate::event::{Event, Field, Timestamp, clip};
use crate::ingest::lines::{self, LineContent};
use crate::redact::{Redacted, Redactor};
use rayon::prelude::*;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// How the tenant of records is determined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantRule {
    /// All records belong to one tenant.
    Is(String),
    /// Each record names its own tenant, at this path.
    At(String),
    /// Each record names its own tenant, at this path, and it is one of these.
    Among(String, Arc<BTreeSet<String>>),
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
                "name the tenant of the records: tenant, or tenant_from with a path such as \
                project_id",
            )),
            (Some(_), Some(_)) => {
                Err(Error::parameter("tenant_from", "tenant and tenant_from exclude each other"))
            }
        }
    }

    /// Returns whether a record may belong to a tenant.
    fn permits(&self, tenant: &str) -> bool {
        match self {
            Self::Is(_) | Self::At(_) => true,
            Self::Among(_, tenants) => tenants.contains(tenant),
        }
    }
}

/// How many records are decoded before the outcomes are separated.
const DECODED_AT_A_TIME: usize = 16_384;

/// Decodes records on all cores, keeping their order. `redactor` replaces secrets before anything
/// else sees the records; `now` decides the year of times that have none.
pub fn decode_records(
    records: Vec<IncomingRecord>,
    format: Option<Format>,
    rule: &TenantRule,
    redactor: Option<&Redactor>,
    now: Timestamp,
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
            .map(|record| (record.line, decode_line(record, format, rule, redactor, now)))
            .collect();
        batch.add(decoded, &mut reasons);
    }
}

/// Decodes a record that may be a line of text, which is read as the object that stands for it.
fn decode_line(
    record: IncomingRecord,
    format: Option<Format>,
    rule: &TenantRule,
    redactor: Option<&Redactor>,
    now: Timestamp,
) -> Result<Event, Rejected> {
    let is_text = !matches!(record.bytes.first(), None | Some(b'{' | b'['));
    let may_be_read = is_text && format.is_none() && record.cut.is_none();
    let content = may_be_read
        .then(|| std::str::from_utf8(&record.bytes).ok())
        .flatten()
        .and_then(|text| lines::read(text, now.millis()));
    let decode =
        |text: &str| decode_record(IncomingRecord::new(record.line, text), None, rule, redactor);
    match content {
        None => decode_record(record, format, rule, redactor),
        Some(LineContent::Object(object)) => decode(&object.to_string()),
        Some(LineContent::Carrier(carried, object)) => {
            let line = String::from_utf8_lossy(&record.bytes);
            let with = |members: &[&str]| lines::with_head(&carried, &line, &object, members);
            match decode(&with(&[])) {
                // It has an id of its own, so it is the same record however it came.
                Ok(event) if has_own_id(&event) && has_time(&event) => decode(&carried),
                Ok(event) => {
                    let has = |member: &&str| object.get(*member).is_some();
                    let missing = missing_of(&event).into_iter().filter(has).collect::<Vec<_>>();
                    let told = match missing.is_empty() {
                        true => Ok(event),
                        false => decode(&with(&missing)),
                    };
                    // A format that has its time elsewhere does not see that of the line.
                    match told {
                        Ok(event) if has_time(&event) || !has(&"@timestamp") => Ok(event),
                        _ => decode(&object.to_string()),
                    }
                }
                // With the head it may have become too large.
                Err(_) => decode(&carried).or_else(|_| decode(&object.to_string())),
            }
        }
    }
}

fn has_own_id(event: &Event) -> bool {
    !event.trace_id().starts_with(decode::HASH_ID)
}

fn has_time(event: &Event) -> bool {
    event.time != Timestamp::default()
}

/// Returns the members that tell what an event does not: its time, what it is of, and where.
fn missing_of(event: &Event) -> Vec<&'static str> {
    [
        ("@timestamp", !has_time(event)),
        ("service", event.text(Field::Source).is_none()),
        ("host", event.text(Field::ResourceName).is_none()),
    ]
    .into_iter()
    .filter_map(|(member, is_missing)| is_missing.then_some(member))
    .collect()
}

fn decode_record(
    record: IncomingRecord,
    format: Option<Format>,
    rule: &TenantRule,
    redactor: Option<&Redactor>,
) -> Result<Event, Rejected> {
    let IncomingRecord { line, cut, .. } = record;
    let Some(redactor) = redactor else {
        return decode_bytes(&record.bytes, cut, format, rule)
            .map_err(|error| rejected(line, cut, &error, record.bytes, rule));
    };
    let Redacted { bytes, unreadable_at } = redactor.redact(&record.bytes);
    let outcome = match unreadable_at {
        None => decode_bytes(&bytes, cut, format, rule),
        Some(at) => Err(unreadable(&record.bytes, cut, at)),
    };
    outcome.map_err(|error| {
        let kept = redactor.redact_refused(&record.bytes);
        // The reason may quote the record, so it is computed from the bytes that are kept.
        let error = match unreadable_at {
            None if kept != bytes => decode_bytes(&kept, cut, format, rule)
                .err()
                .unwrap_or_else(|| Error::invalid("the record was refused")),
            _ => error,
        };
        rejected(line, cut, &error, kept.into_owned(), rule)
    })
}

/// Returns the reason for refusing a record that is not JSON when only its masked form may be
/// shown.
fn unreadable(record: &[u8], cut: Option<CutRecord>, at: usize) -> Error {
    if let Err(error) = check_size(record, cut).and_then(|()| text_of(record).map(drop)) {
        return error;
    }
    Error::invalid(format!(
        "record is not one JSON object: it goes wrong after {at} bytes, so it is kept masked"
    ))
}

fn check_size(record: &[u8], cut: Option<CutRecord>) -> Result<()> {
    let length = cut.map_or(record.len() as u64, |cut| cut.length);
    if length <= RECORD_BYTES_MAX as u64 {
        return Ok(());
    }
    Err(Error::invalid(format!("the record has {length} bytes, more than {RECORD_BYTES_MAX}")))
}

fn text_of(record: &[u8]) -> Result<&str> {
    std::str::from_utf8(record).map_err(|cause| {
        Error::invalid(format!("invalid UTF-8 after {} bytes", cause.valid_up_to()))
    })
}

fn decode_bytes(
    record: &[u8],
    cut: Option<CutRecord>,
    format: Option<Format>,
    rule: &TenantRule,
) -> Result<Event> {
    check_size(record, cut)?;
    let text = text_of(record)?;
    match rule {
        TenantRule::Is(tenant) => {
            let mut event = decode::decode(text, format)?;
            event.tenant = tenant.as_str().into();
            Ok(event)
        }
        TenantRule::At(path) | TenantRule::Among(path, _) => {
            let (mut event, tenant) = decode::decode_with_text_at(text, format, path)?;
            let tenant = tenant
                .ok_or_else(|| Error::invalid(format!("the record has no tenant at {path}")))?;
            check_producer(&tenant)?;
            if !rule.permits(&tenant) {
                let shown = clip(&tenant, 40);
                return Err(Error::invalid(format!(
                    "whoever delivered the record may not deliver for its tenant {shown:?}"
                )));
            }
            event.tenant = tenant.into();
            Ok(event)
        }
    }
}

fn rejected(
    line: u64,
    cut: Option<CutRecord>,
    error: &Error,
    bytes: Vec<u8>,
    rule: &TenantRule,
) -> Rejected {
    let named = match rule {
        TenantRule::Is(tenant) => Some(tenant.clone()),
        TenantRule::At(path) | TenantRule::Among(path, _) => std::str::from_utf8(&bytes)
            .ok()
            .filter(|text| text.len() <= RECORD_BYTES_MAX)
            .and_then(|text| decode::text_at(text, path))
            .filter(|tenant| check_producer(tenant).is_ok()),
    };
    let (tenant, foreign) = match named {
        Some(named) if !rule.permits(&named) => (None, Some(named)),
        named => (named, None),
    };
    let reason = clip(&error.to_string(), 500).into();
    let is_bound = matches!(rule, TenantRule::Among(..));
    let cut = cut.map(Box::new);
    Rejected { tenant, line, reason, bytes, cut, conflict: false, is_bound, foreign }
}
