//! Decodes records into events, finds those that are known already, and seals the rest into segments.

use super::split::RECORD_BYTES_MAX;
use crate::access::check_producer;
use crate::decode::{self, Format};
use crate::error::{Error, Result};
use crate::event::{Event, Field, Timestamp, clip, row_order};
use crate::redact::Redactor;
use crate::storage::segment::{Form, Segment, SegmentFiles, TenantRows, write_segment};
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
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

/// Whether an event was here before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Known {
    /// It was not.
    New,
    /// Its trace id was, at the same time, with another record.
    Conflict,
    /// It was, byte for byte.
    Duplicate,
}

/// Which of the events are known: the same trace id of the same tenant and time came earlier in the batch, is among the
/// `unsealed`, or lies in a segment.
///
/// The same event has the same time, so only segments that cover it are asked, and of those only rows of that very
/// moment are read. Records whose time was absurd were filed under the time they came, so those are looked for in every
/// segment that has such records.
///
/// # Errors
/// A segment that cannot be read.
pub fn known_events(events: &[Event], unsealed: &Unsealed, segments: &[Arc<Segment>], now: Timestamp) -> Result<Vec<Known>> {
    let mut known = vec![Known::New; events.len()];
    let mut seen: HashMap<(&str, &str), Vec<usize>> = HashMap::with_capacity(events.len());
    for (place, event) in events.iter().enumerate() {
        let same = seen.entry((&event.tenant, event.trace_id())).or_default();
        let suspect = event.time.is_suspect(now);
        for other in same.iter().map(|other| &events[*other]) {
            if other.time == event.time || (suspect && other.time.is_suspect(now)) {
                known[place] = known[place].max(likeness(event, other));
            }
        }
        if known[place] == Known::New {
            same.push(place);
            known[place] = unsealed.known(event, suspect);
        }
    }
    let wanted = Wanted::new(events, now);
    let found: Vec<Vec<(usize, Known)>> = segments.par_iter().map(|segment| known_in(segment, events, &wanted)).collect::<Result<_>>()?;
    found.into_iter().flatten().for_each(|(place, found)| known[place] = known[place].max(found));
    Ok(known)
}

/// What one of two events with the same trace id and time is to the other.
fn likeness(event: &Event, other: &Event) -> Known {
    if event.original == other.original { Known::Duplicate } else { Known::Conflict }
}

/// The accepted events that are in no segment yet, by tenant and trace id.
#[derive(Debug, Default)]
pub struct Unsealed {
    events: HashMap<u64, Vec<Arc<Event>>>,
    hasher: RandomState,
}

impl Unsealed {
    fn hash(&self, event: &Event) -> u64 {
        self.hasher.hash_one((&event.tenant, event.trace_id()))
    }

    fn known(&self, event: &Event, suspect: bool) -> Known {
        let same = self.events.get(&self.hash(event)).map(Vec::as_slice).unwrap_or_default();
        let same = same.iter().filter(|other| other.tenant == event.tenant && other.trace_id() == event.trace_id());
        let same = same.filter(|other| if suspect { other.time_suspect } else { other.time == event.time });
        same.map(|other| likeness(event, other)).max().unwrap_or(Known::New)
    }

    /// Adds accepted events.
    pub fn extend(&mut self, events: &[Arc<Event>]) {
        for event in events {
            let hash = self.hash(event);
            self.events.entry(hash).or_default().push(Arc::clone(event));
        }
    }

    /// Keeps those whose number passes; returns the bytes of their records.
    pub fn retain(&mut self, keep: impl Fn(u64) -> bool) -> usize {
        let mut bytes = 0;
        self.events.retain(|_, same| {
            same.retain(|event| keep(event.seq));
            bytes += same.iter().map(|event| event.original.len()).sum::<usize>();
            !same.is_empty()
        });
        bytes
    }
}

/// Events of a batch by tenant and time, so that a segment is asked only about those that it could hold.
struct Wanted<'a> {
    tenants: HashSet<&'a str>,
    /// By tenant: time and place in the batch, ascending.
    timed: HashMap<&'a str, Vec<(Timestamp, usize)>>,
    /// By tenant: places of events whose time is absurd.
    suspect: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Wanted<'a> {
    fn new(events: &'a [Event], now: Timestamp) -> Self {
        let tenants = events.iter().map(|event| event.tenant.as_ref()).collect();
        let mut wanted = Self { tenants, timed: HashMap::new(), suspect: HashMap::new() };
        for (place, event) in events.iter().enumerate() {
            if event.time.is_suspect(now) {
                wanted.suspect.entry(&event.tenant).or_default().push(place);
            } else {
                wanted.timed.entry(&event.tenant).or_default().push((event.time, place));
            }
        }
        wanted.timed.values_mut().for_each(|events| events.sort_unstable());
        wanted
    }

    /// Those that lie within the rows of a tenant, by their time.
    fn within(&self, rows: &TenantRows) -> &[(Timestamp, usize)] {
        let Some(events) = self.timed.get(rows.tenant.as_ref()) else { return &[] };
        let from = events.partition_point(|(time, _)| *time < rows.oldest());
        let to = events.partition_point(|(time, _)| *time <= rows.newest());
        &events[from..to]
    }

    /// Those that a tenant's rows of a segment could hold, with the time that the row must have; any time where theirs is absurd.
    fn of(&self, segment: &Segment, rows: &TenantRows) -> impl Iterator<Item = (Option<Timestamp>, usize)> {
        let suspects = if segment.manifest().suspects > 0 { self.suspect.get(rows.tenant.as_ref()) } else { None };
        let timed = self.within(rows).iter().map(|(time, place)| (Some(*time), *place));
        timed.chain(suspects.into_iter().flatten().map(|place| (None, *place)))
    }
}

/// The rows that may be one of these events, with its place in the batch: as the index has them, or, where it is damaged, as the columns
/// have. A damaged index must not refuse what is new.
fn candidates(segment: &Segment, events: &[Event], wanted: &Wanted<'_>) -> Result<Vec<(u32, usize)>> {
    match candidates_by_index(segment, events, wanted) {
        Ok(Some(pairs)) => Ok(pairs),
        Err(error) if !segment.index_is_damaged() => Err(error),
        Ok(None) | Err(_) => candidates_by_columns(segment, events, wanted),
    }
}

fn candidates_by_columns(segment: &Segment, events: &[Event], wanted: &Wanted<'_>) -> Result<Vec<(u32, usize)>> {
    let mut pairs = Vec::new();
    for rows in wanted.tenants.iter().filter_map(|name| segment.tenant(name)) {
        let mut asked: HashMap<&str, Vec<(Option<Timestamp>, usize)>> = HashMap::new();
        for (time, place) in wanted.of(segment, rows) {
            asked.entry(events[place].trace_id()).or_default().push((time, place));
        }
        if asked.is_empty() {
            continue;
        }
        for (row, at, id) in segment.rows_with_trace_ids(rows.range(), &asked.keys().copied().collect())? {
            let same = asked.get(id.as_ref()).into_iter().flatten().filter(|(time, _)| time.is_none_or(|time| time == at));
            pairs.extend(same.map(|(_, place)| (row, *place)));
        }
    }
    Ok(pairs)
}

fn candidates_by_index(segment: &Segment, events: &[Event], wanted: &Wanted<'_>) -> Result<Option<Vec<(u32, usize)>>> {
    let mut pairs: Vec<(u32, usize)> = Vec::new();
    // A batch has few tenants, a segment may have many, and there are many segments.
    for rows in wanted.tenants.iter().filter_map(|name| segment.tenant(name)) {
        for (time, place) in wanted.of(segment, rows) {
            let Some(index) = segment.sound_index()? else { return Ok(None) };
            for row in index.candidates(Field::TraceId, events[place].trace_id())? {
                if rows.range().contains(&row) && time.is_none_or(|time| index.time(row) == time) {
                    pairs.push((row, place));
                }
            }
        }
    }
    Ok(Some(pairs))
}

fn known_in(segment: &Segment, events: &[Event], wanted: &Wanted<'_>) -> Result<Vec<(usize, Known)>> {
    let mut pairs = candidates(segment, events, wanted)?;
    pairs.sort_unstable();
    let mut rows: Vec<u32> = pairs.iter().map(|(row, _)| *row).collect();
    rows.dedup();
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut known = Vec::new();
    let mut next = pairs.into_iter().peekable();
    let mut numbers = rows.iter();
    for columns in segment.read(&rows, &[Field::TraceId, Field::Original], &mut 0)? {
        for place in 0..columns.rows() {
            let number = *numbers.next().ok_or_else(|| Error::internal("more rows than were asked for"))?;
            while let Some((_, event)) = next.next_if(|(row, _)| *row == number) {
                if columns.text(Field::TraceId, place) == Some(events[event].trace_id()) {
                    let same = columns.text(Field::Original, place) == Some(events[event].original.as_ref());
                    known.push((event, if same { Known::Duplicate } else { Known::Conflict }));
                }
            }
        }
    }
    Ok(known)
}

/// Makes segments of accepted events: one for each event date. `next_id` names them.
///
/// # Errors
/// None that input can cause.
pub fn seal(events: Vec<Arc<Event>>, form: Form, mut next_id: impl FnMut() -> String) -> Result<Vec<SegmentFiles>> {
    let mut dates: BTreeMap<String, Vec<Arc<Event>>> = BTreeMap::new();
    let (mut day, mut date) = (i64::MIN, String::new());
    for event in events {
        let event_day = event.time.millis().div_euclid(crate::event::DAY_MS);
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
