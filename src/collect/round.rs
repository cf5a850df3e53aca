//! A round: what is new in the lists of a source is read and stored.

use super::client::{CloudClient, ReadFailure};
use super::fronts::Fronts;
use super::list::ListPlan;
use super::source::{Source, SourcePlan};
use super::stored::stored_source;
use super::window::Window;
use crate::access::{Caller, SKEW_MS};
use crate::engine::{Engine, Outcome};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Timestamp;
use crate::ingest::{DecodedBatch, IncomingRecord, LoggedCursor, TenantRule};
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc::{Receiver, channel};

/// How many batches wait for their turn while the next ones are fetched.
const WAITING: usize = 2;
/// A window with fewer records makes the next one longer, one with more makes it shorter.
const FEW: u64 = 2_000;
const MANY: u64 = 20_000;
/// The shortest and the longest window, in milliseconds.
const SHORTEST_MS: i64 = 60_000;
/// How often states are read, in milliseconds.
const STATES_EVERY_MS: i64 = 600_000;
/// A list that has too many records even for a window of this length cannot be read.
const LEAST_MS: i64 = 1_000;
const LONGEST_MS: i64 = 86_400_000;

/// What a round has brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RoundCounts {
    /// Records that are new.
    pub accepted: u64,
    /// Records that were there already.
    pub duplicates: u64,
    /// Records that were set aside, because they cannot be read.
    pub quarantined: u64,
}

impl RoundCounts {
    /// Adds what a batch has brought.
    fn add(&mut self, outcome: &Outcome) {
        self.accepted += outcome.accepted;
        self.duplicates += outcome.duplicates;
        self.quarantined += outcome.quarantined.total();
    }

    /// How many records there were.
    fn records(&self) -> u64 {
        self.accepted + self.duplicates + self.quarantined
    }

    /// Adds what another list has brought.
    pub(super) fn add_all(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.duplicates += other.duplicates;
        self.quarantined += other.quarantined;
    }
}

/// Where a list of a source is read to, and how.
pub(super) struct ListReader<'a> {
    pub(super) engine: &'a Arc<Engine>,
    pub(super) client: &'a CloudClient,
    pub(super) source: &'a Source,
    pub(super) plan: &'a SourcePlan,
    pub(super) list: &'a ListPlan,
    /// Set when the rest is left for another time.
    pub(super) is_over: &'a AtomicBool,
}

impl ListReader<'_> {
    /// Reads what there is up to now, window by window; each is durable, together with how far the
    /// list was read, before the next one is.
    ///
    /// # Errors
    /// What is not read; what was read before it stays.
    pub(super) async fn read(
        &self,
        counts: &mut RoundCounts,
    ) -> std::result::Result<(), ReadFailure> {
        if self.list.list.is_state() {
            return self.read_state(counts).await;
        }
        let mut pace = self.plan.pace;
        let mut fronts = self.fronts()?;
        // What happens meanwhile is for the next round: this one has an end.
        let begun = self.engine.clock().now();
        if fronts.read > begun.millis() + SKEW_MS {
            let what = "it was read up to a moment that is still to come: has the clock gone back?";
            return Err(ReadFailure::Unavailable(what.to_owned()));
        }
        // A clock that is off is found out by a call, before anything is given up for lost.
        if fronts.is_behind(&pace, begun) {
            self.list.list.test(self.client, begun.millis()).await?;
            fronts.pass_lost(&pace, begun);
            let batch = DecodedBatch::default();
            counts.add(&self.store(batch, Some(self.cursor(&fronts)?)).await?);
        }
        while !self.is_over.load(Ordering::Relaxed) && self.is_unchanged() {
            fronts.take_order(&self.plan.backfills);
            let Some(window) = fronts.next(&pace, begun) else { return Ok(()) };
            let after = |done| fronts.after(&window, &pace, (begun, done));
            let of_window = match self.read_window(&window, after).await {
                Err(ReadFailure::TooMany) if window.length() > LEAST_MS => {
                    pace.longest = window.length() / 2;
                    continue;
                }
                read => read?,
            };
            counts.add_all(of_window.0);
            pace.longest = longest_after(pace.longest, of_window.0.records());
            fronts = of_window.1;
        }
        Ok(())
    }

    /// Returns whether the source is still what it was when the round began: one that was changed
    /// or paused is left to the next one.
    fn is_unchanged(&self) -> bool {
        stored_source(self.engine, &self.source.name).is_ok_and(|source| source == *self.source)
    }

    /// Returns up to where the list is read.
    fn fronts(&self) -> Result<Fronts> {
        let now = self.engine.clock().now();
        fronts_of(self.engine, self.source, self.list, (self.plan, now))
    }

    /// Notes that the list is to be read, if it never was: coverage knows of it from then on.
    pub(super) async fn begin(&self) -> Result<()> {
        let name = cursor_name(&self.source.name, &self.list.name);
        if !self.engine.cursors_of(&name).contains_key("") {
            let cursor = self.cursor(&self.fronts()?)?;
            self.store(DecodedBatch::default(), Some(cursor)).await?;
        }
        Ok(())
    }

    /// Reads states as they are now, unless that was a short time ago. One that has not changed is
    /// known by its text.
    async fn read_state(&self, counts: &mut RoundCounts) -> std::result::Result<(), ReadFailure> {
        let fronts = self.fronts()?;
        let now = self.engine.clock().now().millis();
        let was_read = fronts.read != fronts.since;
        if was_read && (fronts.read..fronts.read + STATES_EVERY_MS).contains(&now) {
            return Ok(());
        }
        let mut after = fronts;
        (after.read, after.settled) = (now, now);
        let window = Window::of(now - 1, now);
        counts.add_all(self.read_window(&window, |_| after).await?.0);
        Ok(())
    }

    /// Reads a window, and stores what it has; the last of it together with the fronts after it.
    async fn read_window(
        &self,
        window: &Window,
        after: impl FnOnce(Timestamp) -> Fronts,
    ) -> std::result::Result<(RoundCounts, Fronts), ReadFailure> {
        let (sender, receiver) = channel(WAITING);
        let reading = self.list.list.read(self.client, window, sender);
        let (read, stored) = tokio::join!(reading, self.store_all_but_last(receiver));
        let (last, outcomes) = stored?;
        read?;
        let after = after(self.engine.clock().now());
        let mut counts = RoundCounts::default();
        outcomes.iter().for_each(|outcome| counts.add(outcome));
        let batch = self.decoded(last).await?;
        counts.add(&self.store(batch, Some(self.cursor(&after)?)).await?);
        Ok((counts, after))
    }

    /// Stores records as they come, but for the last of them, which are returned.
    async fn store_all_but_last(
        &self,
        mut records: Receiver<Vec<String>>,
    ) -> Result<(Vec<String>, Vec<Outcome>)> {
        let (mut last, mut outcomes): (Vec<String>, _) = (Vec::new(), Vec::new());
        while let Some(next) = records.recv().await {
            let earlier = std::mem::replace(&mut last, next);
            if !earlier.is_empty() {
                let batch = self.decoded(earlier).await?;
                outcomes.push(self.store(batch, None).await?);
            }
        }
        Ok((last, outcomes))
    }

    fn cursor(&self, fronts: &Fronts) -> Result<LoggedCursor> {
        let value = serde_json::to_value(fronts)
            .map_err(|cause| Error::internal("a cursor cannot be written").because(cause))?;
        Ok(LoggedCursor { name: cursor_name(&self.source.name, &self.list.name), value })
    }

    async fn decoded(&self, records: Vec<String>) -> Result<DecodedBatch> {
        let (engine, tenant) = (Arc::clone(self.engine), self.list.tenant.clone());
        let beside = self.list.list.beside();
        blocking(move || {
            let lines = (1_u64..).zip(records);
            let records = lines.map(|(line, text)| IncomingRecord::new(line, text)).collect();
            let mut batch = engine.decode(records, None, &TenantRule::Is(tenant));
            if let Some(beside) = beside {
                batch.events.iter_mut().for_each(|event| event.place(&beside));
            }
            Ok(batch)
        })
        .await
    }

    /// Stores a batch, and moves the cursor with it. What the batch says of relationships is
    /// weighed before the cursor moves: after a restart it is read again and weighed then.
    async fn store(
        &self,
        mut batch: DecodedBatch,
        cursor: Option<LoggedCursor>,
    ) -> Result<Outcome> {
        let (engine, source) = (Arc::clone(self.engine), format!("source {}", self.source.name));
        let (tenant, may_move) = (self.list.tenant.clone(), self.source.moves_relationships);
        blocking(move || {
            let caller = Caller::operator();
            if !may_move && engine.relationships().authoritative().any(|own| own == tenant) {
                let what = format!(
                    "{tenant} has become authoritative for relationships: a security \
                    administrator must resume this source"
                );
                return Err(Error::new(ErrorKind::Forbidden, what));
            }
            let said = engine.statements_of(&caller, &mut batch)?;
            if said.is_empty() {
                return match cursor {
                    Some(cursor) => engine.ingest_with_cursor(batch, &source, &cursor),
                    None => engine.ingest(batch, &source),
                };
            }
            let outcome = engine.ingest(batch, &source)?;
            if let Some(ticket) = engine.hear(&caller, said, &outcome)? {
                engine.weigh_evidence(&ticket)?;
            }
            if let Some(cursor) = cursor {
                engine.ingest_with_cursor(DecodedBatch::default(), &source, &cursor)?;
            }
            Ok(outcome)
        })
        .await
    }
}

/// Returns how long the next window may be after one that had so many records: a quiet month is
/// read in few calls, and of a busy hour not much is read again if the process dies.
fn longest_after(longest: i64, records: u64) -> i64 {
    match records {
        0..FEW => (longest * 2).min(LONGEST_MS),
        FEW..=MANY => longest,
        _ => (longest / 2).max(SHORTEST_MS),
    }
}

/// Returns the name of the cursor of a list.
pub(super) fn cursor_name(source: &str, list: &str) -> String {
    format!("{source}/{list}")
}

/// Returns up to where a list was read. A cursor of something else, such as another tenant,
/// endpoint or account, is none.
pub(super) fn fronts_of(
    engine: &Engine,
    source: &Source,
    list: &ListPlan,
    (plan, now): (&SourcePlan, Timestamp),
) -> Result<Fronts> {
    let name = cursor_name(&source.name, &list.name);
    let of = list.list.identity(&list.tenant, source.access_key.as_deref());
    let mut new = Fronts::new(plan.since);
    new.of.clone_from(&of);
    let Some(value) = engine.cursors_of(&name).remove("") else { return Ok(new) };
    let mut fronts: Fronts = serde_json::from_value(value).map_err(|cause| {
        Error::corrupt(format!("the cursor {name} cannot be read")).because(cause)
    })?;
    if fronts.of != of {
        return Ok(new);
    }
    if plan.since.millis() < fronts.since {
        let is_kept = plan.pace.kept.is_none_or(|kept| plan.since.millis() >= now.millis() - kept);
        if is_kept {
            // It is to begin earlier: all of it is read, and what is there is known.
            return Ok(new);
        }
        fronts.begin_earlier(plan.since);
    }
    Ok(fronts)
}

/// Runs blocking work on a thread where blocking is allowed.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|cause| Error::internal("a batch of a source failed").because(cause))?
}
