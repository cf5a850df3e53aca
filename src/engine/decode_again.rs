//! Decoding records in quarantine again: after an upgrade, or with the format or the tenant that
//! the sender did not name.
//!
//! A record leaves quarantine only when all of it is durable elsewhere: every event in it was
//! accepted or was stored already. A crash in between leaves it in both, and the next call finds
//! duplicates and removes it.

use super::quarantine::held;
use super::{Engine, Outcome, Writer};
use crate::access::{Actor, check_producer};
use crate::decode::Format;
use crate::error::Result;
use crate::event::{DAY_MS, Timestamp, hex};
use crate::ingest::{
    DecodedBatch, IncomingRecord, QuarantineAsk, RecordSplitter, Rejected, TenantRule,
    decode_records,
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
    /// How many records, or parts of them, could not be decoded this time either.
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

/// The records of a page that are decoded under one rule, and as of one day: the day of arrival
/// decides the year of times that have none.
struct SameRule<'a> {
    rule: TenantRule,
    entries: Vec<&'a QuarantineEntry>,
}

/// A record in quarantine of which every part is an event now.
struct BecameEvents {
    id: QuarantineId,
    tenant: Option<Arc<str>>,
}

impl Engine {
    /// Decodes records in quarantine again, newest first. What decodes is accepted as events and
    /// leaves quarantine, unless a hold keeps it; the rest stays as it is.
    ///
    /// # Errors
    /// As [`Engine::ingest`] and [`Engine::quarantine`]; records of earlier pages are events then,
    /// and the next call removes them from quarantine.
    pub fn decode_again(&self, actor: &Actor, again: &DecodeAgain<'_>) -> Result<DecodedAgain> {
        let writer = self.writer()?;
        let begun = Instant::now();
        let mut done = DecodedAgain { dry_run: again.dry_run, ..DecodedAgain::default() };
        let mut after = again.ask.after.map(str::to_owned);
        let mut became_events: Vec<BecameEvents> = Vec::new();
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
        self.take_out(actor, writer, again, &became_events, &mut done)?;
        Ok(done)
    }

    /// Takes records that became events out of quarantine, unless a hold keeps them now.
    fn take_out(
        &self,
        actor: &Actor,
        writer: &Writer,
        again: &DecodeAgain<'_>,
        became_events: &[BecameEvents],
        done: &mut DecodedAgain,
    ) -> Result<()> {
        let policy = self.policy();
        let leaves: HashSet<QuarantineId> = became_events
            .iter()
            .filter(|record| !held(&policy, record.tenant.as_deref()))
            .map(|record| record.id)
            .collect();
        done.held = (became_events.len() - leaves.len()) as u64;
        let Some(first) = leaves.iter().min() else { return Ok(()) };
        // Recorded before anything is removed, as every deletion is. It has no id of its own: a
        // record may leave, come again and leave again within a millisecond.
        let record = json!({
            "event_name": "decodeQuarantined", "resource_type": "quarantine",
            "details": { "format": again.format.map_or("auto", Format::name), "outcome": done,
                "first": hex(first), "leaving": leaves.len() },
        });
        writer.record_deed(actor, record)?;
        done.removed = self.shared.quarantine.remove(&leaves)?;
        Ok(())
    }

    /// Decodes and accepts records under one rule. Returns those that may leave quarantine.
    fn decode_same(
        &self,
        same: &SameRule<'_>,
        again: &DecodeAgain<'_>,
        done: &mut DecodedAgain,
    ) -> Result<Vec<BecameEvents>> {
        let records = same.split()?;
        let arrived = same.entries.first().map_or(0, |entry| entry.time);
        let mut batch = decode_records(
            records,
            again.format,
            &same.rule,
            self.shared.redactor.as_ref(),
            Timestamp::from_millis(arrived),
        );
        batch.refuse_undated(&self.policy().refusing_undated);
        let rejected = std::mem::take(&mut batch.rejected);
        let decoded: HashSet<u64> = batch.lines.iter().copied().collect();
        // A record of which nothing decodes stays as it is. Of one that holds several, those that
        // are refused again are kept on their own.
        let (pieces, mut stays): (Vec<Rejected>, HashSet<u64>) = {
            let (pieces, whole): (Vec<Rejected>, Vec<Rejected>) =
                rejected.into_iter().partition(|rejected| decoded.contains(&rejected.line));
            (pieces, whole.iter().map(|rejected| rejected.line).collect())
        };
        done.refused += pieces.len() as u64;
        if again.dry_run {
            done.accepted += batch.events.len() as u64;
            done.refused += stays.len() as u64;
            return Ok(Vec::new());
        }
        self.keep_pieces(same, pieces)?;
        let outcome = self.accept_again(batch)?;
        done.accepted += outcome.accepted;
        done.duplicates += outcome.duplicates;
        // A conflict has a trace id that another record has; it is in quarantine again.
        stays.extend(outcome.quarantined.listed().iter().map(|refused| refused.line));
        done.refused += stays.len() as u64;
        let leaves = (1_u64..).zip(&same.entries).filter(|(line, _)| !stays.contains(line));
        Ok(leaves
            .map(|(_, entry)| BecameEvents { id: entry.id, tenant: entry.tenant.clone() })
            .collect())
    }

    fn accept_again(&self, batch: DecodedBatch) -> Result<Outcome> {
        if batch.events.is_empty() { Ok(Outcome::default()) } else { self.ingest(batch, SOURCE) }
    }

    fn keep_pieces(&self, same: &SameRule<'_>, pieces: Vec<Rejected>) -> Result<()> {
        let now = self.shared.clock.now();
        for mut piece in pieces {
            let entry = same.entries[piece.line as usize - 1];
            piece.line = entry.line;
            self.shared.quarantine.keep(&entry.source, now, &[piece])?;
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
        let mut groups: BTreeMap<_, Vec<&QuarantineEntry>> = BTreeMap::new();
        for entry in entries {
            if entry.length > entry.head.len() as u64 {
                self.cut += 1;
            } else {
                let day = entry.time.div_euclid(DAY_MS);
                let group = (entry.tenant.as_ref(), entry.is_bound, day);
                groups.entry(group).or_default().push(entry);
            }
        }
        let mut same = Vec::new();
        for ((tenant, is_bound, _), entries) in groups {
            let rule = match tenant {
                // What is of the system itself is no event of anybody.
                Some(tenant) => {
                    check_producer(tenant).ok().map(|tenant| TenantRule::Is(tenant.to_owned()))
                }
                // What such a record says of its tenant is the word of who may not deliver for it.
                None => {
                    unknown.filter(|rule| !is_bound || matches!(rule, TenantRule::Is(_))).cloned()
                }
            };
            match rule {
                Some(rule) => same.push(SameRule { rule, entries }),
                None => self.without_tenant += entries.len() as u64,
            }
        }
        same
    }
}

impl SameRule<'_> {
    /// Splits the records as a stream of them would be today. The line of each is the number of
    /// the record in quarantine that it is from, from 1.
    fn split(&self) -> Result<Vec<IncomingRecord>> {
        let mut records = Vec::new();
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
        }
        Ok(records)
    }
}
