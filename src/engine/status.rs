//! The state of the store: how much comes in and waits, how much room there is, what time it
//! covers.

use crate::access::{SYSTEM_TENANT, Scope};
use crate::engine::{Engine, Shared, Writer};
use crate::error::{Error, Result};
use crate::event::Timestamp;
use crate::filter::Filter;
use crate::ingest::QuarantineUsage;
use crate::query::{PageQuery, QueryBudget, SnapshotReader, SortOrder};
use crate::storage::segment::OpenParts;
use crate::storage::{Memory, memory, paths};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Seconds over which the rate of accepted events is measured.
pub const PACE_SECONDS: u64 = 60;

/// The state of the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreStatus {
    /// How long the store has been open.
    pub uptime: Duration,
    /// The sequence number of the last event that is shown.
    pub last_seq: u64,
    /// Events that were accepted within the last [`PACE_SECONDS`].
    pub accepted_lately: u64,
    /// When an event was last accepted since the start.
    pub last_accepted: Option<Timestamp>,
    /// When a segment was last written.
    pub last_segment: Option<Timestamp>,
    /// Bytes of records that are not in a segment.
    pub buffered_bytes: u64,
    /// The write-ahead log.
    pub log: LogUsage,
    /// The quarantine.
    pub quarantine: QuarantineUsage,
    /// Bytes that are free on the disk.
    pub free_bytes: u64,
    /// The time of the oldest event.
    pub oldest: Option<Timestamp>,
    /// The time of the newest event.
    pub newest: Option<Timestamp>,
    /// Why events are refused, if they are.
    pub refusing: Option<String>,
    /// The parts of segments that are open.
    pub open: OpenParts,
    /// The memory of this process; absent where the system does not report it.
    pub memory: Option<Memory>,
}

/// How much there is of the write-ahead log, with the files beside it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogUsage {
    /// The number of files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The events of one tenant, in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantTotals {
    /// The tenant.
    pub tenant: Box<str>,
    /// Its events.
    pub events: u64,
    /// The time of its newest event.
    pub newest: Timestamp,
    /// The time of its oldest event.
    pub oldest: Timestamp,
}

/// The number of events accepted in each of the last seconds.
#[derive(Debug)]
pub(in crate::engine) struct AcceptRate {
    start: Instant,
    seconds: Mutex<Seconds>,
}

#[derive(Debug)]
struct Seconds {
    /// Indexed by second modulo [`PACE_SECONDS`]: the second that was counted, and its count.
    counts: [(u64, u64); PACE_SECONDS as usize],
    last: Option<Timestamp>,
}

impl AcceptRate {
    pub(in crate::engine) fn new() -> Self {
        Self { start: Instant::now(), seconds: Mutex::default() }
    }

    pub(in crate::engine) fn add(&self, accepted: u64, now: Timestamp) {
        if accepted > 0 {
            self.seconds.lock().unwrap_or_else(PoisonError::into_inner).add(
                self.start.elapsed().as_secs(),
                accepted,
                now,
            );
        }
    }

    fn lately(&self) -> (u64, Option<Timestamp>) {
        let seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        (seconds.lately(self.start.elapsed().as_secs()), seconds.last)
    }
}

impl Default for Seconds {
    fn default() -> Self {
        Self { counts: [(0, 0); PACE_SECONDS as usize], last: None }
    }
}

impl Seconds {
    fn add(&mut self, second: u64, accepted: u64, now: Timestamp) {
        let count = &mut self.counts[(second % PACE_SECONDS) as usize];
        if count.0 != second {
            *count = (second, 0);
        }
        count.1 += accepted;
        self.last = Some(now);
    }

    fn lately(&self, second: u64) -> u64 {
        self.counts
            .iter()
            .filter(|(counted, _)| counted + PACE_SECONDS > second)
            .map(|(_, count)| count)
            .sum()
    }
}

impl Engine {
    /// Returns the tenants of a scope that have events, those with the most first.
    ///
    /// # Errors
    /// Where only some events are visible, those are counted: a segment that cannot be read, or
    /// more work than the budget allows.
    pub fn tenants(
        &self,
        scope: &Scope,
        budget: Option<&QueryBudget>,
    ) -> Result<Vec<TenantTotals>> {
        let snapshot = self.snapshot();
        let segments =
            snapshot.segments.iter().map(|segment| segment.manifest().tenants.as_slice());
        let mut totals: HashMap<&str, TenantTotals> = HashMap::new();
        for rows in segments
            .chain(snapshot.buffered().map(|part| part.tenants()))
            .flatten()
            .filter(|rows| scope.covers(&rows.tenant))
        {
            let first = || TenantTotals {
                tenant: rows.tenant.clone(),
                events: 0,
                newest: rows.newest(),
                oldest: rows.oldest(),
            };
            let total = totals.entry(&rows.tenant).or_insert_with(first);
            total.events += u64::from(rows.rows);
            total.newest = total.newest.max(rows.newest());
            total.oldest = total.oldest.min(rows.oldest());
        }
        let mut totals: Vec<TenantTotals> = totals.into_values().collect();
        if scope.is_restricted() {
            let reader = self.reader(&snapshot, None);
            let reader = budget.into_iter().fold(reader, SnapshotReader::within);
            totals = visible_totals(&reader, scope, totals)?;
        }
        totals.sort_unstable_by(|left, right| {
            right.events.cmp(&left.events).then_with(|| left.tenant.cmp(&right.tenant))
        });
        Ok(totals)
    }

    /// Returns whether a tenant has events.
    pub fn has_tenant(&self, name: &str) -> bool {
        let snapshot = self.snapshot();
        snapshot.buffered().any(|part| part.tenant(name).is_some())
            || snapshot.segments.iter().any(|segment| segment.manifest().tenant(name).is_some())
    }

    /// Returns a text that changes whenever what a scope shows may have changed, and does not
    /// change for what happens to tenants outside it; `None` if it would tell of events that the
    /// scope does not show.
    pub fn state_of(&self, scope: &Scope) -> Option<String> {
        if scope.is_restricted() {
            return None;
        }
        let snapshot = self.snapshot();
        let named = scope.named().filter(|_| scope.is_of_principal());
        let Some(tenants) = named else {
            let last = match scope.covers(SYSTEM_TENANT) {
                true => snapshot.last_seq,
                false => snapshot.delivered_seq,
            };
            return Some(format!("{} {last}", snapshot.version));
        };
        let mut state = String::new();
        for tenant in tenants {
            let of_segments = snapshot.segments.iter().filter_map(|segment| segment.tenant(tenant));
            let of_buffer = snapshot.buffered().filter_map(|part| part.tenant(tenant));
            let (mut events, mut ends) = (0, (i64::MAX, i64::MIN));
            for rows in of_segments.chain(of_buffer) {
                events += u64::from(rows.rows);
                ends = (ends.0.min(rows.oldest), ends.1.max(rows.newest));
            }
            state.push_str(&format!("{} {tenant} {events} {ends:?} ", tenant.len()));
        }
        // Retention may take as many events as have come since, between the oldest and the newest.
        Some(format!("{state}{}", self.policy().version))
    }

    /// Returns the parts of segments that are open.
    pub fn open_parts(&self) -> OpenParts {
        self.shared.data.store().opened().now()
    }

    /// Returns the state of the store.
    ///
    /// # Errors
    /// If the data directory cannot be read.
    pub fn status(&self) -> Result<StoreStatus> {
        let shared = &self.shared;
        let snapshot = self.snapshot();
        let (accepted_lately, last_accepted) = shared.pace.lately();
        let parts = snapshot.segments.iter().map(|segment| segment.manifest().tenants.as_slice());
        let times =
            || parts.clone().chain(snapshot.buffered().map(|part| part.tenants())).flatten();
        let refusing = match &self.writer {
            Some(writer) => writer.refusing(),
            None => Some("the data directory is open for reading only".to_owned()),
        };
        Ok(StoreStatus {
            uptime: shared.pace.start.elapsed(),
            last_seq: snapshot.last_seq,
            accepted_lately,
            last_accepted,
            last_segment: snapshot
                .segments
                .iter()
                .filter_map(|segment| segment.manifest().written())
                .max(),
            buffered_bytes: snapshot.buffered().map(|part| part.bytes() as u64).sum(),
            log: shared.log_usage()?,
            quarantine: shared.quarantine.usage(),
            free_bytes: shared.data.store().free_bytes()?,
            oldest: times().map(|tenant| tenant.oldest()).min(),
            newest: times().map(|tenant| tenant.newest()).max(),
            refusing,
            open: self.open_parts(),
            memory: memory(),
        })
    }
}

/// Replaces the totals of tenants by those of the events that the scope shows; tenants without
/// any are left out.
fn visible_totals(
    reader: &SnapshotReader<'_>,
    scope: &Scope,
    totals: Vec<TenantTotals>,
) -> Result<Vec<TenantTotals>> {
    let all = Filter::default();
    let mut visible = Vec::new();
    for total in totals {
        let scope = scope.only(&total.tenant);
        let (events, _) = reader.count(&scope, &all)?;
        let end = |order| {
            let query = PageQuery { limit: 1, order, ..PageQuery::default() };
            Ok::<_, Error>(
                reader.list(&scope, &all, &query)?.events.first().map(|event| event.time),
            )
        };
        if let (Some(oldest), Some(newest)) =
            (end(SortOrder::Ascending)?, end(SortOrder::Descending)?)
        {
            visible.push(TenantTotals { events, oldest, newest, ..total });
        }
    }
    Ok(visible)
}

impl Shared {
    /// Returns how much there is of the write-ahead log.
    fn log_usage(&self) -> Result<LogUsage> {
        let store = self.data.store();
        let mut log = LogUsage::default();
        for folder in [paths::LOG, paths::BESIDE] {
            for name in store.names(folder)?.iter().filter(|name| name.contains('.')) {
                // A file that was removed since it was listed is not counted.
                if let Some(bytes) = store.length(&format!("{folder}/{name}"))? {
                    log = LogUsage { files: log.files + 1, bytes: log.bytes + bytes };
                }
            }
        }
        Ok(log)
    }
}

impl Writer {
    /// Returns why events are refused, if they are.
    fn refusing(&self) -> Option<String> {
        let stopped = || {
            (!self.intake.is_running())
                .then(|| "the thread that numbers events has ended; restart to recover".to_owned())
        };
        self.check_disk().err().map(|error| error.to_string()).or_else(stopped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_forgotten_after_a_minute() {
        let mut seconds = Seconds::default();
        let now = Timestamp::from_millis(1);
        seconds.add(0, 5, now);
        seconds.add(0, 5, now);
        seconds.add(59, 1, now);
        assert_eq!(
            (
                seconds.lately(0),
                seconds.lately(59),
                seconds.lately(60),
                seconds.lately(118),
                seconds.lately(119)
            ),
            (11, 11, 1, 1, 0)
        );
        seconds.add(60, 3, now);
        assert_eq!(seconds.lately(60), 4, "the place of second 0 is taken");
        assert_eq!(seconds.last, Some(now));
    }
}
