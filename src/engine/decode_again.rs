//! Decoding records in quarantine again: after an upgrade, or with the format or the tenant that
//! the sender did not name.
//!
//! A record leaves quarantine only when all of it is durable elsewhere: every event in it was
//! accepted or was stored already. A crash in between leaves it in both, and the next call finds
//! duplicates and removes it.

use super::quarantine::held;
use super::{Engine, Outcome};
use crate::access::check_producer;
use crate::decode::Format;
use crate::error::Result;
use crate::event::hex;
use crate::ingest::{
    DecodedBatch, IncomingRecord, QuarantineAsk, RecordSplitter, Rejected, TenantRule,
};
use crate::storage::quarantine::{QuarantineEntry, QuarantineId};
use serde::Serialize;
use serde_json::json;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many records are decoded at a time.
const PAGE_RECORDS: usize = 1_000;
/// How long one call goes on before it says where to continue: far less than callers wait.
const CALL_TIME: Duration = Duration::from_secs(10);
/// The source under which what is accepted is counted.
const SOURCE: &str = "quarantine";

/// How records in quarantine are decoded again.
#[derive(Debug, Clone)]
pub struct DecodeAgain<'a> {
    /// Which records; `limit` is the most that one call reads.
    pub ask: QuarantineAsk<'a>,
    /// The format of the records; `None` to tell it by the record.
    pub format: Option<Format>,
    /// The tenant of records whose tenant is unknown; without it they stay.
    pub unknown: Option<TenantRule>,
    /// Whether nothing is changed.
    pub dry_run: bool,
}

/// What became of records that were decoded again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DecodedAgain {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// How many records were read.
    pub records: u64,
    /// How many events were accepted, or would be, unless they are stored already.
    pub accepted: u64,
    /// How many events were stored already.
    pub duplicates: u64,
    /// How many records could not be decoded this time either.
    pub refused: u64,
    /// How many records cannot be decoded because only their beginning is kept.
    pub cut: u64,
    /// How many records have no tenant, and none was named.
    pub without_tenant: u64,
    /// How many records were taken out of quarantine.
    pub removed: u64,
    /// How many records became events and stay in quarantine, because a hold keeps them.
    pub held: u64,
    /// Where to continue, if there are more records.
    pub next: Option<String>,
    /// Files of quarantine that could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<String>,
}

/// The records of a page that are decoded under one rule.
struct SameRule<'a> {
    rule: TenantRule,
    entries: Vec<&'a QuarantineEntry>,
}

impl Engine {
    /// Decodes records in quarantine again, newest first. What decodes is accepted as events and
    /// leaves quarantine, unless a hold keeps it; the rest stays as it is.
    ///
    /// # Errors
    /// As [`Engine::ingest`] and [`Engine::quarantine`]; records of earlier pages are events then,
    /// and the next call removes them from quarantine.
    pub fn decode_again(&self, again: &DecodeAgain<'_>) -> Result<DecodedAgain> {
        let writer = self.writer()?;
        let begun = Instant::now();
        let mut done = DecodedAgain { dry_run: again.dry_run, ..DecodedAgain::default() };
        let mut after = again.ask.after.map(str::to_owned);
        let mut became_events: HashSet<QuarantineId> = HashSet::new();
        loop {
            let left = again.ask.limit - done.records as usize;
            let ask = QuarantineAsk {
                after: after.as_deref(),
                limit: left.min(PAGE_RECORDS),
                ..again.ask
            };
            let page = self.shared.quarantine.entries(&ask)?;
            done.records += page.entries.len() as u64;
            done.damaged.extend(page.damaged);
            for same in done.by_rule(&page.entries, again.unknown.as_ref()) {
                became_events.extend(self.decode_same(&same, again, &mut done)?);
            }
            after = page.next;
            let is_full = done.records as usize >= again.ask.limit;
            if after.is_none() || is_full || begun.elapsed() > CALL_TIME {
                break;
            }
        }
        done.next = after;
        done.damaged.sort();
        done.damaged.dedup();
        if let Some(first) = became_events.iter().min() {
            // Recorded before anything is removed, as every deletion is. Two calls may end within a
            // millisecond, but never with the same records.
            let now = self.shared.clock.now().millis();
            writer.record(json!({
                "trace_id": format!("decode-quarantined-{}-{now}", hex(first)),
                "event_name": "decodeQuarantined", "resource_type": "quarantine",
                "details": { "format": again.format.map_or("auto", Format::name), "outcome": done,
                    "leaving": became_events.len() },
            }))?;
            done.removed = self.shared.quarantine.remove(&became_events)?;
        }
        Ok(done)
    }

    /// Decodes and accepts records under one rule. Returns the ids of those that may leave
    /// quarantine.
    fn decode_same(
        &self,
        same: &SameRule<'_>,
        again: &DecodeAgain<'_>,
        done: &mut DecodedAgain,
    ) -> Result<Vec<QuarantineId>> {
        let (records, pieces) = same.split()?;
        let mut batch = self.decode(records, again.format, &same.rule);
        let rejected = std::mem::take(&mut batch.rejected);
        let mut stays: HashSet<u64> = rejected
            .iter()
            .map(|rejected| rejected.line)
            .filter(|line| pieces[*line as usize - 1] == 1)
            .collect();
        if again.dry_run {
            done.accepted += batch.events.len() as u64;
            done.refused += stays.len() as u64;
            return Ok(Vec::new());
        }
        // Of a record that holds several, those that are refused again are kept on their own.
        self.keep_pieces(same, &pieces, rejected)?;
        let outcome = self.accept_again(batch)?;
        done.accepted += outcome.accepted;
        done.duplicates += outcome.duplicates;
        // A conflict has a trace id that another record has; it is in quarantine again.
        stays.extend(outcome.quarantined.listed().iter().map(|refused| refused.line));
        done.refused += stays.len() as u64;
        let policy = self.policy();
        let mut leaves = Vec::new();
        for (line, entry) in (1_u64..).zip(&same.entries) {
            if stays.contains(&line) {
                continue;
            }
            if held(&policy, entry.tenant.as_deref()) {
                done.held += 1;
            } else {
                leaves.push(entry.id);
            }
        }
        Ok(leaves)
    }

    fn accept_again(&self, batch: DecodedBatch) -> Result<Outcome> {
        if batch.events.is_empty() { Ok(Outcome::default()) } else { self.ingest(batch, SOURCE) }
    }

    fn keep_pieces(
        &self,
        same: &SameRule<'_>,
        pieces: &[usize],
        rejected: Vec<Rejected>,
    ) -> Result<()> {
        let now = self.shared.clock.now();
        for mut rejected in rejected {
            let index = rejected.line as usize - 1;
            if pieces[index] > 1 {
                let entry = same.entries[index];
                rejected.line = entry.line;
                self.shared.quarantine.keep(&entry.source, now, &[rejected])?;
            }
        }
        Ok(())
    }
}

impl DecodedAgain {
    /// Groups the records of a page by the rule that says whose they are, and counts those that
    /// cannot be decoded.
    fn by_rule<'a>(
        &mut self,
        entries: &'a [QuarantineEntry],
        unknown: Option<&TenantRule>,
    ) -> Vec<SameRule<'a>> {
        let mut groups: BTreeMap<Option<&Arc<str>>, Vec<&QuarantineEntry>> = BTreeMap::new();
        for entry in entries {
            if entry.length > entry.head.len() as u64 {
                self.cut += 1;
            } else {
                groups.entry(entry.tenant.as_ref()).or_default().push(entry);
            }
        }
        let mut same = Vec::new();
        for (tenant, entries) in groups {
            let named = tenant.filter(|tenant| check_producer(tenant).is_ok());
            let rule = named.map(|tenant| TenantRule::Is(tenant.to_string()));
            match rule.or_else(|| unknown.cloned()) {
                Some(rule) => same.push(SameRule { rule, entries }),
                None => self.without_tenant += entries.len() as u64,
            }
        }
        same
    }
}

impl SameRule<'_> {
    /// Splits the records as a stream of them would be today, and returns how many each holds. The
    /// line of each is the number of the record in quarantine that it is from, from 1.
    fn split(&self) -> Result<(Vec<IncomingRecord>, Vec<usize>)> {
        let (mut records, mut pieces) = (Vec::new(), Vec::new());
        for (line, entry) in (1_u64..).zip(&self.entries) {
            let before = records.len();
            let mut splitter = RecordSplitter::new(entry.head.as_slice());
            while let Some(record) = splitter.next_record()? {
                records.push(IncomingRecord { line, ..record });
            }
            if records.len() == before {
                // Nothing but blanks today: it stays what it is.
                records.push(IncomingRecord::new(line, entry.head.clone()));
            }
            pieces.push(records.len() - before);
        }
        Ok((records, pieces))
    }
}
