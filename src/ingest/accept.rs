//! Decodes records into events, and seals accepted ones into segments.

use super::split::RECORD_BYTES_MAX;
use crate::access::check_producer;
use crate::decode::{self, Format};
use crate::error::{Error, Result};
use crate::event::{DAY_MS, Event, clip, row_order};
use crate::redact::Redactor;
use crate::storage::segment::{Form, SegmentFiles, write_segment};
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// A record as it came, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The line it began on, from 1.
    pub line: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A record that could not be decoded, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The tenant, where it is known.
    pub tenant: Option<String>,
    /// The line it began on.
    pub line: u64,
    /// Why.
    pub reason: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// It decoded, and its trace id is that of another record.
    pub conflict: bool,
}

/// Whose records they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantRule {
    /// All of one tenant.
    Is(String),
    /// Each record names its own, at this path.
    At(String),
}

/// What became of records.
#[derive(Debug, Default)]
pub struct Batch {
    /// Those that decoded, in the order they came.
    pub events: Vec<Event>,
    /// The line that each event began on.
    pub lines: Vec<u64>,
    /// Those that did not.
    pub rejected: Vec<Rejected>,
}

impl TenantRule {
    /// Exactly one of a tenant and a path.
    ///
    /// # Errors
    /// Neither or both, or a name that no tenant can have.
    pub fn new(tenant: Option<&str>, tenant_from: Option<&str>) -> Result<Self> {
        match (tenant, tenant_from) {
            (Some(tenant), None) => Ok(Self::Is(check_producer(tenant)?.to_owned())),
            (None, Some("")) => Err(Error::parameter("tenant_from", "names a path of the records, such as project_id")),
            (None, Some(path)) => Ok(Self::At(path.to_owned())),
            (None, None) => {
                Err(Error::parameter("tenant", "say whose records they are: tenant, or tenant_from with a path such as project_id"))
            }
            (Some(_), Some(_)) => Err(Error::parameter("tenant_from", "tenant and tenant_from exclude each other")),
        }
    }
}

/// Decodes records, on all cores, keeping their order. What `redactor` finds is replaced before anything else sees it.
pub fn decode_records(records: Vec<Record>, format: Option<Format>, rule: &TenantRule, redactor: Option<&Redactor>) -> Batch {
    let decoded: Vec<(u64, Result<Event, Rejected>)> = records
        .into_par_iter()
        .with_min_len(256)
        .map(|record| (record.line, decode_record(redacted(record, redactor), format, rule)))
        .collect();
    let mut batch = Batch { events: Vec::with_capacity(decoded.len()), lines: Vec::with_capacity(decoded.len()), rejected: Vec::new() };
    for (line, outcome) in decoded {
        match outcome {
            Ok(event) => {
                batch.events.push(event);
                batch.lines.push(line);
            }
            Err(rejected) => batch.rejected.push(rejected),
        }
    }
    batch
}

fn redacted(record: Record, redactor: Option<&Redactor>) -> Record {
    let Some(redactor) = redactor else { return record };
    // What is no UTF-8 is no record; its secrets are searched in what can be read of it.
    let text = String::from_utf8_lossy(&record.bytes);
    match (&text, redactor.redact(&text)) {
        (Cow::Borrowed(_), Cow::Borrowed(_)) => record,
        (_, redacted) => Record { line: record.line, bytes: redacted.into_owned().into_bytes() },
    }
}

fn decode_record(record: Record, format: Option<Format>, rule: &TenantRule) -> Result<Event, Rejected> {
    let outcome = (|| {
        if record.bytes.len() > RECORD_BYTES_MAX {
            return Err(Error::invalid(format!("the record has {} bytes, more than {RECORD_BYTES_MAX}", record.bytes.len())));
        }
        let text = std::str::from_utf8(&record.bytes)
            .map_err(|cause| Error::invalid(format!("invalid UTF-8 after {} bytes", cause.valid_up_to())))?;
        match rule {
            TenantRule::Is(tenant) => {
                let mut event = decode::decode(text, format)?;
                event.tenant = tenant.as_str().into();
                Ok(event)
            }
            TenantRule::At(path) => {
                let (mut event, tenant) = decode::decode_with_text_at(text, format, path)?;
                let tenant = tenant.ok_or_else(|| Error::invalid(format!("the record has no tenant at {path}")))?;
                check_producer(&tenant)?;
                event.tenant = tenant.into();
                Ok(event)
            }
        }
    })();
    outcome.map_err(|error: Error| {
        let tenant = match rule {
            TenantRule::Is(tenant) => Some(tenant.clone()),
            TenantRule::At(path) => std::str::from_utf8(&record.bytes)
                .ok()
                .filter(|text| text.len() <= RECORD_BYTES_MAX)
                .and_then(|text| decode::text_at(text, path))
                .filter(|tenant| check_producer(tenant).is_ok()),
        };
        Rejected { tenant, line: record.line, reason: clip(&error.to_string(), 500), bytes: record.bytes, conflict: false }
    })
}

/// Makes segments of accepted events: one for each event date. `next_id` names them.
///
/// # Errors
/// None that input can cause.
pub fn seal(events: Vec<Arc<Event>>, form: Form, mut next_id: impl FnMut() -> String) -> Result<Vec<SegmentFiles>> {
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
    let named: Vec<(String, String, Vec<Arc<Event>>)> = dates.into_iter().map(|(date, events)| (next_id(), date, events)).collect();
    named
        .into_par_iter()
        .map(|(id, date, mut events)| {
            events.par_sort_unstable_by(|left, right| row_order(left, right));
            write_segment(&id, &date, form, &events)
        })
        .collect()
}

/// Which events of the buffer to seal now, and which later: the `most` dates with the most bytes of records, the earlier one of
/// two with equally many. A seal writes a file for each date, so a batch that is spread over thousands of them is sealed in portions
/// while the rest stays in the log and the buffer.
pub fn dates_to_seal(events: Vec<Arc<Event>>, most: usize) -> (Vec<Arc<Event>>, Vec<Arc<Event>>) {
    let day = |event: &Event| event.time.millis().div_euclid(DAY_MS);
    let mut bytes: HashMap<i64, usize> = HashMap::new();
    for event in &events {
        *bytes.entry(day(event)).or_default() += event.original.len();
    }
    if bytes.len() <= most {
        return (events, Vec::new());
    }
    let mut days: Vec<(i64, usize)> = bytes.into_iter().collect();
    days.sort_unstable_by_key(|(day, bytes)| (std::cmp::Reverse(*bytes), *day));
    let chosen: HashSet<i64> = days.into_iter().take(most).map(|(day, _)| day).collect();
    events.into_iter().partition(|event| chosen.contains(&day(event)))
}

/// How many dates these events have: a seal writes a segment for each.
pub fn dates_of<'a>(events: impl IntoIterator<Item = &'a Event>) -> usize {
    events.into_iter().map(|event| event.time.millis().div_euclid(DAY_MS)).collect::<HashSet<i64>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Timestamp;

    fn of_days(days: &[i64]) -> Vec<Arc<Event>> {
        let event = |(seq, day): (u64, &i64)| {
            let mut event = Event::default();
            (event.seq, event.time, event.original) = (seq, Timestamp::from_millis(day * DAY_MS + 5), "{}".into());
            Arc::new(event)
        };
        (1..).zip(days).map(event).collect()
    }

    fn numbers(events: &[Arc<Event>]) -> Vec<u64> {
        events.iter().map(|event| event.seq).collect()
    }

    #[test]
    fn the_largest_dates_are_sealed_first_and_nothing_is_left_out() {
        let events = of_days(&[3, 1, 2, 2, -1, 3, 2]);
        assert_eq!(dates_of(events.iter().map(AsRef::as_ref)), 4);
        let (now, later) = dates_to_seal(events.clone(), 2);
        assert_eq!((numbers(&now), numbers(&later)), (vec![1, 3, 4, 6, 7], vec![2, 5]));
        let (now, later) = dates_to_seal(later, 1);
        assert_eq!((numbers(&now), numbers(&later)), (vec![5], vec![2]), "the earlier of two dates of one size");
        let (now, later) = dates_to_seal(events, 4);
        assert_eq!((now.len(), later.len()), (7, 0));
    }

    #[test]
    fn many_dates_come_to_an_end_in_portions() {
        let mut left = of_days(&(0..9_828).collect::<Vec<_>>());
        let mut portions = 0;
        while !left.is_empty() {
            let (now, later) = dates_to_seal(left, 256);
            assert!((1..=256).contains(&dates_of(now.iter().map(AsRef::as_ref))));
            (left, portions) = (later, portions + 1);
        }
        assert_eq!(portions, 39);
    }
}
