//! Duplicate detection: whether the same trace id of the same tenant and time was accepted before.
//!
//! The time that counts is the one that the record claims. An event with an absurd time is filed
//! under the time it arrived, and whether a time is absurd depends on when that was. A record that
//! arrives again later is compared with what the first one claimed, so it is recognized however far
//! the clock has moved on.

use crate::decode::{self, Format};
use crate::error::{Error, Result};
use crate::event::{Columns, Event, Field, Timestamp};
use crate::storage::segment::{Codes, IndexReader, Segment, TenantRows};
use rayon::prelude::*;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// Whether an event was accepted before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DedupVerdict {
    /// It was not.
    New,
    /// Its trace id was, at the same time, with another record.
    Conflict,
    /// It was, byte for byte.
    Duplicate,
}

/// Decides which of the events, decoded but not accepted yet, are known: an event with the same
/// trace id, tenant and time comes earlier in the batch, is `unsealed`, or lies in a segment.
///
/// The same event has the same time, so only segments that cover it are searched, and in those only
/// rows of that very millisecond are read. Events that were filed under their time of arrival are
/// searched in every segment that has such events. The work grows with the size of the batch plus
/// the rows that share a trace id with it, not with their product.
///
/// # Errors
/// A segment that cannot be read.
pub fn known_events(
    events: &[Event],
    unsealed: &Unsealed,
    segments: &[Arc<Segment>],
) -> Result<Vec<DedupVerdict>> {
    let mut known = vec![DedupVerdict::New; events.len()];
    // Hashes are keyed at random, so that nobody can choose trace ids that collide.
    let mut seen: HashMap<(&str, &str, Timestamp), usize> = HashMap::with_capacity(events.len());
    for (position, event) in events.iter().enumerate() {
        let first = *seen.entry((&event.tenant, event.trace_id(), event.time)).or_insert(position);
        let in_batch = if first == position {
            DedupVerdict::New
        } else {
            likeness(event, &events[first].original)
        };
        known[position] = in_batch.max(unsealed.known(event));
    }
    let asked = asked(events);
    let ask = |segment: &Arc<Segment>| known_in(segment, events, &asked);
    // A few events are compared right here: on the shared threads they would wait behind large
    // batches.
    let found: Vec<Vec<(usize, DedupVerdict)>> = if events.len() <= FEW {
        segments.iter().map(ask).collect::<Result<_>>()
    } else {
        segments.par_iter().map(ask).collect()
    }?;
    found
        .into_iter()
        .flatten()
        .for_each(|(position, found)| known[position] = known[position].max(found));
    Ok(known)
}

/// Compares an event with one of the same trace id and time that has this record.
fn likeness(event: &Event, original: &str) -> DedupVerdict {
    if *event.original == *original { DedupVerdict::Duplicate } else { DedupVerdict::Conflict }
}

/// Returns the time that an accepted event's record claims, if it can be determined.
fn claimed(original: &str, format: Option<&str>) -> Option<Timestamp> {
    decode::decode(original, format.and_then(Format::from_name)).ok().map(|event| event.time)
}

/// Hashes the identity of an event: tenant, trace id and the time that the record claims. The hash
/// is keyed at random, so that nobody can choose trace ids that collide.
#[derive(Debug, Clone, Default)]
pub struct IdentityHasher(RandomState);

impl IdentityHasher {
    /// Hashes an event that is decoded but not accepted yet.
    pub fn hash(&self, event: &Event) -> u64 {
        self.hash_at(event, event.time)
    }

    fn hash_at(&self, event: &Event, claimed: Timestamp) -> u64 {
        self.0.hash_one((&event.tenant, event.trace_id(), claimed))
    }
}

/// The accepted events that are not in a segment yet, by tenant, trace id and claimed time.
///
/// They are kept in generations. A generation is what one seal takes, so it is dropped as a whole
/// once it is in segments.
#[derive(Debug, Default)]
pub struct Unsealed {
    generations: Vec<Generation>,
    hasher: IdentityHasher,
}

/// The events that were accepted between the starts of two seals.
#[derive(Debug, Default)]
pub struct Generation {
    events: HashMap<u64, Same>,
    last_seq: u64,
}

/// The events of one hash, with the times that they claim; there is nearly always one.
#[derive(Debug)]
enum Same {
    One(Timestamp, Arc<Event>),
    Several(Vec<(Timestamp, Arc<Event>)>),
}

impl Same {
    fn add(&mut self, time: Timestamp, event: Arc<Event>) {
        match self {
            Self::Several(events) => events.push((time, event)),
            Self::One(first_time, first) => {
                *self = Self::Several(vec![(*first_time, Arc::clone(first)), (time, event)]);
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = (Timestamp, &Arc<Event>)> {
        let (one, several) = match self {
            Self::One(time, event) => (Some((*time, event)), &[][..]),
            Self::Several(events) => (None, events.as_slice()),
        };
        one.into_iter().chain(several.iter().map(|(time, event)| (*time, event)))
    }

    /// Removes events that never became durable; returns whether any is left.
    fn forget_after(&mut self, durable_seq: u64) -> bool {
        match self {
            Self::One(_, event) => event.seq <= durable_seq,
            Self::Several(events) => {
                events.retain(|(_, event)| event.seq <= durable_seq);
                !events.is_empty()
            }
        }
    }
}

impl Unsealed {
    /// Returns the hasher to use for events that are looked up or added.
    pub fn hasher(&self) -> IdentityHasher {
        self.hasher.clone()
    }

    fn known(&self, event: &Event) -> DedupVerdict {
        self.known_by(self.hasher.hash(event), event)
    }

    /// Returns whether it contains an event with this hash.
    pub fn known_by(&self, hash: u64, event: &Event) -> DedupVerdict {
        let same = self
            .generations
            .iter()
            .filter_map(|generation| generation.events.get(&hash))
            .flat_map(Same::iter);
        let is_same = |(time, other): &(Timestamp, &Arc<Event>)| {
            *time == event.time
                && other.tenant == event.tenant
                && other.trace_id() == event.trace_id()
        };
        same.filter(is_same)
            .map(|(_, other)| likeness(event, &other.original))
            .max()
            .unwrap_or(DedupVerdict::New)
    }

    /// Adds events that were found at startup. For those filed under another time, the claimed time
    /// is read from the record again.
    pub fn extend(&mut self, events: &[Arc<Event>]) {
        for event in events {
            let claimed = if event.time_suspect {
                claimed(&event.original, event.text(Field::Format))
            } else {
                None
            };
            let time = claimed.unwrap_or(event.time);
            self.add(self.hasher.hash_at(event, time), time, Arc::clone(event));
        }
    }

    /// Reserves room for this many more events.
    pub fn reserve(&mut self, events: usize) {
        self.newest().events.reserve(events);
    }

    /// Adds an accepted event by its hash and by the time that it had before acceptance.
    pub fn add(&mut self, hash: u64, claimed: Timestamp, event: Arc<Event>) {
        let generation = self.newest();
        generation.last_seq = generation.last_seq.max(event.seq);
        match generation.events.entry(hash) {
            Entry::Vacant(position) => drop(position.insert(Same::One(claimed, event))),
            Entry::Occupied(mut same) => same.get_mut().add(claimed, event),
        }
    }

    fn newest(&mut self) -> &mut Generation {
        if self.generations.is_empty() {
            self.generations.push(Generation::default());
        }
        let newest = self.generations.len() - 1;
        &mut self.generations[newest]
    }

    /// Begins a seal: what is added from now on belongs to another generation.
    pub fn begin_generation(&mut self) {
        if self.generations.last().is_some_and(|generation| !generation.events.is_empty()) {
            self.generations.push(Generation::default());
        }
    }

    /// Removes the generations whose events are all in segments. They are returned so that the
    /// caller can free them when it has the time: freeing many events takes a while.
    pub fn take_sealed(&mut self, last_seq: u64) -> Vec<Generation> {
        let (sealed, left) = std::mem::take(&mut self.generations)
            .into_iter()
            .partition(|generation| generation.last_seq <= last_seq);
        self.generations = left;
        sealed
    }

    /// Removes events that never became durable.
    pub fn forget_after(&mut self, durable_seq: u64) {
        for generation in &mut self.generations {
            generation.last_seq = generation.last_seq.min(durable_seq);
            generation.events.retain(|_, same| same.forget_after(durable_seq));
        }
    }
}

/// The events of a batch by tenant, so that a segment is searched only for those it could hold.
type EventsByTenant<'a> = HashMap<&'a str, TenantEvents<'a>>;

/// The events of a tenant: time and index in the batch, ascending.
#[derive(Default)]
struct TenantEvents<'a> {
    all: Vec<(Timestamp, usize)>,
    /// The same, by trace id.
    ids: HashMap<&'a str, Vec<(Timestamp, usize)>>,
}

fn asked(events: &[Event]) -> EventsByTenant<'_> {
    let mut asked = EventsByTenant::new();
    for (position, event) in events.iter().enumerate() {
        let tenant = asked.entry(&*event.tenant).or_default();
        tenant.all.push((event.time, position));
        tenant.ids.entry(event.trace_id()).or_default().push((event.time, position));
    }
    for tenant in asked.values_mut() {
        tenant.all.sort_unstable();
        tenant.ids.values_mut().for_each(|events| events.sort_unstable());
    }
    asked
}

impl TenantEvents<'_> {
    /// Returns the indexes of the events that could be among a tenant's rows: those within the
    /// rows' time range, or, where some rows were filed under another time than they claim, those
    /// that would have been too.
    fn within(&self, rows: &TenantRows, suspects: bool) -> Vec<usize> {
        let events = &self.all;
        if suspects {
            let timed = |time: Timestamp| rows.oldest() <= time && time <= rows.newest();
            let wanted =
                events.iter().filter(|(time, _)| timed(*time) || time.is_suspect(rows.oldest()));
            return wanted.map(|(_, position)| *position).collect();
        }
        let from = events.partition_point(|(time, _)| *time < rows.oldest());
        let to = events.partition_point(|(time, _)| *time <= rows.newest());
        events[from..to].iter().map(|(_, position)| *position).collect()
    }

    /// Returns the events with a trace id.
    fn of(&self, trace_id: &str) -> &[(Timestamp, usize)] {
        self.ids.get(trace_id).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Returns the events of one time from a list in time order.
fn at(events: &[(Timestamp, usize)], time: Timestamp) -> &[(Timestamp, usize)] {
    let from = events.partition_point(|(other, _)| *other < time);
    let to = from + events[from..].partition_point(|(other, _)| *other == time);
    &events[from..to]
}

/// Returns whether an event of one of these times, which ascend, would have been filed under
/// another time at `now`.
fn any_suspect(times: impl DoubleEndedIterator<Item = Timestamp>, now: Timestamp) -> bool {
    let mut times = times;
    let oldest = times.next();
    [oldest, times.next_back().or(oldest)].into_iter().flatten().any(|time| time.is_suspect(now))
}

/// The number of events that are compared on one thread.
const FEW: usize = 256;

/// How many rows' trace ids are read at a time, and how many rows' records.
const ID_ROWS: usize = 65_536;
const RECORD_ROWS: usize = 2_048;

fn known_in(
    segment: &Segment,
    events: &[Event],
    asked: &EventsByTenant<'_>,
) -> Result<Vec<(usize, DedupVerdict)>> {
    let suspects = segment.manifest().suspects > 0;
    let mut rows: Vec<(u32, &str)> = Vec::new();
    // A batch has few tenants, but a segment may have many, and there are many segments.
    for (name, of_tenant) in asked {
        let Some(tenant) = segment.tenant(name) else { continue };
        let positions = of_tenant.within(tenant, suspects);
        if !positions.is_empty() {
            rows.extend(candidates(segment, tenant, events, &positions)?);
        }
    }
    rows.sort_unstable();
    if rows.len() > RECORD_ROWS {
        rows = confirmed(segment, asked, &rows)?;
    }
    let mut known = Vec::new();
    for rows in rows.chunks(RECORD_ROWS) {
        each_row(
            segment,
            rows,
            &[Field::TraceId, Field::Format, Field::TimeSuspect, Field::Original],
            |columns, position, time, tenant| {
                let same =
                    asked[tenant].of(columns.text(Field::TraceId, position).unwrap_or_default());
                let original = columns.text(Field::Original, position).unwrap_or_default();
                let same = match columns.flag(Field::TimeSuspect, position) {
                    Some(true) if !any_suspect(same.iter().map(|(time, _)| *time), time) => &[],
                    Some(true) => claimed(original, columns.text(Field::Format, position))
                        .map_or(&[][..], |claimed| at(same, claimed)),
                    _ => at(same, time),
                };
                known.extend(
                    same.iter()
                        .map(|(_, position)| (*position, likeness(&events[*position], original))),
                );
            },
        )?;
    }
    Ok(known)
}

/// Returns the rows of a tenant that may be one of the events at these indexes, from the index or,
/// where that is damaged, from the columns. A damaged index must not cause new events to be
/// refused.
fn candidates<'a>(
    segment: &Segment,
    tenant: &'a TenantRows,
    events: &[Event],
    positions: &[usize],
) -> Result<Vec<(u32, &'a str)>> {
    let mut rows = Vec::new();
    if let Some(index) = segment.sound_index()? {
        let found = CandidateRows::new(index, tenant, segment.manifest().suspects > 0)
            .and_then(|by| by.find(events, positions, &mut rows));
        match found {
            Ok(()) => return Ok(rows),
            Err(error) if !segment.index_is_unusable() => return Err(error),
            Err(_) => rows.clear(),
        }
    }
    let ids = positions.iter().map(|position| events[*position].trace_id()).collect();
    let found = segment.rows_with_trace_ids(tenant.range(), &ids)?;
    rows.extend(found.into_iter().map(|(row, _, _)| (row, tenant.tenant.as_ref())));
    Ok(rows)
}

/// Narrows many candidates down to those with one of the trace ids: a producer can craft ids that
/// share a hash, and records are long.
fn confirmed<'a>(
    segment: &Segment,
    asked: &EventsByTenant<'_>,
    rows: &[(u32, &'a str)],
) -> Result<Vec<(u32, &'a str)>> {
    let mut kept = Vec::new();
    for rows in rows.chunks(ID_ROWS) {
        let mut numbers = rows.iter();
        each_row(segment, rows, &[Field::TraceId], |columns, position, _, tenant| {
            let here = columns
                .text(Field::TraceId, position)
                .is_some_and(|id| !asked[tenant].of(id).is_empty());
            kept.extend(numbers.next().filter(|_| here));
        })?;
    }
    Ok(kept)
}

/// Reads some columns of rows, and passes each row on with its time and its tenant.
fn each_row<'a>(
    segment: &Segment,
    rows: &[(u32, &'a str)],
    fields: &[Field],
    mut take: impl FnMut(&Columns, usize, Timestamp, &'a str),
) -> Result<()> {
    let keys = segment.row_keys()?;
    let numbers: Vec<u32> = rows.iter().map(|(row, _)| *row).collect();
    let mut rows = rows.iter();
    for columns in segment.read(&numbers, fields, &mut 0)? {
        for position in 0..columns.rows() {
            let (row, tenant) =
                *rows.next().ok_or_else(|| Error::internal("more rows than were asked for"))?;
            take(&columns, position, keys.time(row), tenant);
        }
    }
    Ok(())
}

/// Finds the rows of a tenant that may be events of a batch.
struct CandidateRows<'a> {
    tenant: &'a TenantRows,
    index: Arc<IndexReader>,
    suspects: bool,
    /// The code of rows that were filed under another time; 0 if the index does not record them.
    suspect: u32,
}

impl<'a> CandidateRows<'a> {
    fn new(index: Arc<IndexReader>, tenant: &'a TenantRows, suspects: bool) -> Result<Self> {
        let told = suspects && index.codes(Field::TimeSuspect)?.is_some();
        let suspect = if told {
            index.code_of(Field::TimeSuspect, "true")?.map_or(0, |(code, _)| code)
        } else {
            0
        };
        Ok(Self { tenant, index, suspects, suspect })
    }

    /// Appends the rows that may be the events at these indexes.
    fn find(
        &self,
        events: &[Event],
        positions: &[usize],
        found: &mut Vec<(u32, &'a str)>,
    ) -> Result<()> {
        let codes = if self.suspect > 0 { self.index.codes(Field::TimeSuspect)? } else { None };
        let ids: Vec<&str> =
            positions.iter().map(|position| events[*position].trace_id()).collect();
        self.index.each_candidates(Field::TraceId, &ids, &mut |which, rows| {
            let mut times: Vec<Timestamp> =
                which.iter().map(|id| events[positions[*id]].time).collect();
            times.sort_unstable();
            let rows =
                within(rows, self.tenant).iter().filter(|row| self.may_be(**row, codes, &times));
            found.extend(rows.map(|row| (*row, self.tenant.tenant.as_ref())));
        })
    }

    /// Returns whether a row may be an event of one of these times, which ascend.
    fn may_be(&self, row: u32, codes: Option<&Codes>, times: &[Timestamp]) -> bool {
        let here = self.index.time(row);
        let suspect = self.suspects && codes.is_none_or(|codes| codes.get(row) == self.suspect);
        suspect && any_suspect(times.iter().copied(), here) || times.binary_search(&here).is_ok()
    }
}

/// Returns those of the rows, which ascend, that belong to a tenant.
fn within<'r>(rows: &'r [u32], tenant: &TenantRows) -> &'r [u32] {
    let range = tenant.range();
    let from = rows.partition_point(|row| *row < range.start);
    let to = rows.partition_point(|row| *row < range.end);
    &rows[from..to]
}
