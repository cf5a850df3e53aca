//! Queries of quarantine: pages of records, newest first, and counts by kind of reason.

use super::Quarantine;
use crate::error::{Error, Result};
use crate::event::{Timestamp, hex};
use crate::storage::quarantine::{
    HEAD_BYTES, QuarantineEntry, QuarantineFile, QuarantineId, QuarantineRow, QuarantineSummary,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// The most bytes of records on a page; the page ends early then.
const PAGE_BYTES: usize = 8 << 20;
/// The most bytes of records that one search reads; it ends early then and says where to continue.
const SEARCH_BYTES: usize = 64 << 20;
/// How many records are read at a time.
const STRIDE: usize = 64;

/// A record in quarantine, as it is shown to clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Quarantined {
    /// Identifies the record: the same bytes of the same tenant have the same id.
    pub id: String,
    /// The tenant, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Arc<str>>,
    /// When it arrived.
    pub time: String,
    /// Its source: a file, or the name of a door.
    pub source: Arc<str>,
    /// The line on which it began.
    pub line: u64,
    /// Why it could not be decoded.
    pub reason: Arc<str>,
    /// The kind of reason: the reason without the parts that are specific to this record.
    pub kind: Arc<str>,
    /// The length of the whole record.
    pub length: u64,
    /// The SHA-256 of the whole record.
    pub sha256: String,
    /// Whether only its beginning is shown.
    pub cut: bool,
    /// The record or its beginning, if it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// The record or its beginning in base64, if it is not text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_base64: Option<String>,
}

/// Selects records in quarantine.
#[derive(Clone, Copy)]
pub struct QuarantineAsk<'a> {
    /// Tenants whose records match.
    pub tenant: &'a dyn Fn(Option<&str>) -> bool,
    /// Records that arrived at or after this time.
    pub from: Option<Timestamp>,
    /// Records that arrived before this time.
    pub to: Option<Timestamp>,
    /// Records with this kind of reason.
    pub reason: Option<&'a str>,
    /// Records from this source.
    pub source: Option<&'a str>,
    /// Records with this text in the part that is kept.
    pub substring: Option<&'a str>,
    /// Continues after this record: the `next` of the previous page.
    pub after: Option<&'a str>,
    /// Maximum number of records on the page.
    pub limit: usize,
}

impl fmt::Debug for QuarantineAsk<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("QuarantineAsk")
            .field("after", &self.after)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// A page of records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuarantinePage {
    /// The number of matching records on all pages; unknown when a text is searched for.
    pub total: Option<u64>,
    /// The records.
    pub records: Vec<Quarantined>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
    /// Files or blocks that could not be read.
    pub damaged: Vec<String>,
}

/// A page of records as they are stored.
#[derive(Debug, Default)]
pub struct EntryPage {
    /// The records, newest first.
    pub entries: Vec<QuarantineEntry>,
    /// Where the next page begins, if there is one: unlike the id of a record, it stays valid when
    /// records are removed.
    pub next: Option<String>,
    /// Files or blocks that could not be read.
    pub damaged: Vec<String>,
}

/// The number of records that were refused for one kind of reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReasonCount {
    /// The kind.
    pub reason: Arc<str>,
    /// The number of records.
    pub count: u64,
}

/// Which texts of a file are selected, by their indexes.
struct Chosen<'a> {
    ask: &'a QuarantineAsk<'a>,
    tenants: Vec<bool>,
    unknown: bool,
    kinds: Vec<bool>,
    sources: Vec<bool>,
}

impl<'a> Chosen<'a> {
    fn new(ask: &'a QuarantineAsk<'a>, summary: &QuarantineSummary) -> Self {
        let each =
            |passes: &dyn Fn(&str) -> bool| summary.texts.iter().map(|text| passes(text)).collect();
        Self {
            ask,
            tenants: each(&|text| (ask.tenant)(Some(text))),
            unknown: (ask.tenant)(None),
            kinds: each(&|text| ask.reason.is_none_or(|reason| reason == text)),
            sources: each(&|text| ask.source.is_none_or(|source| source == text)),
        }
    }

    fn pair(&self, tenant: u32, kind: u32) -> bool {
        self.tenants.get(tenant as usize).copied().unwrap_or(self.unknown)
            && self.kinds.get(kind as usize) == Some(&true)
    }

    fn row(&self, row: &QuarantineRow) -> bool {
        self.pair(row.tenant, row.kind)
            && self.sources.get(row.source as usize) == Some(&true)
            && self.ask.from.is_none_or(|from| from.millis() <= row.time)
            && self.ask.to.is_none_or(|to| row.time < to.millis())
    }

    /// Returns whether the file can have matching records.
    fn any(&self, summary: &QuarantineSummary) -> bool {
        summary.counts.iter().any(|count| self.pair(count.tenant, count.kind))
            && (self.ask.source.is_none() || self.sources.contains(&true))
            && self.ask.from.is_none_or(|from| from.millis() <= summary.newest)
            && self.ask.to.is_none_or(|to| summary.oldest < to.millis())
    }

    /// Returns whether the counts by tenant and kind suffice to count the matching records.
    fn counts_tell(&self, summary: &QuarantineSummary) -> bool {
        self.ask.source.is_none()
            && self.ask.from.is_none_or(|from| from.millis() <= summary.oldest)
            && self.ask.to.is_none_or(|to| summary.newest < to.millis())
    }
}

/// Counts the matching records of a file, by the index of their kind.
fn counts(part: &QuarantineFile, ask: &QuarantineAsk<'_>) -> Result<HashMap<Arc<str>, u64>> {
    let summary = part.summary()?;
    let chosen = Chosen::new(ask, &summary);
    let mut counts: HashMap<u32, u64> = HashMap::new();
    if !chosen.any(&summary) {
        return Ok(HashMap::new());
    }
    if chosen.counts_tell(&summary) {
        for count in summary.counts.iter().filter(|count| chosen.pair(count.tenant, count.kind)) {
            *counts.entry(count.kind).or_default() += u64::from(count.records);
        }
    } else {
        for row in part.rows()?.iter().filter(|row| chosen.row(row)) {
            *counts.entry(row.kind).or_default() += 1;
        }
    }
    Ok(counts
        .into_iter()
        .filter_map(|(kind, count)| Some((Arc::clone(summary.text(kind)?), count)))
        .collect())
}

impl Quarantine {
    /// Returns a page of records, newest first. Its cost depends on the page alone. Beyond that,
    /// only the summaries of the files are read, and the rows of files that match a time range or a
    /// source in part.
    ///
    /// # Errors
    /// An `after` that names no record; a disk that fails. Damaged parts are reported and left out.
    pub fn page(&self, ask: &QuarantineAsk<'_>) -> Result<QuarantinePage> {
        let EntryPage { entries, mut next, mut damaged } = self.entries(ask)?;
        let (reasons, unread) = self.reasons(ask)?;
        damaged.extend(unread);
        damaged.sort();
        damaged.dedup();
        let total =
            ask.substring.is_none().then(|| reasons.iter().map(|reason| reason.count).sum());
        let records: Vec<Quarantined> = entries.iter().map(shown).collect();
        if ask.substring.is_none() {
            // Its number, and not its id: the record may have left when the next page is asked for.
            next = next.and_then(|_| entries.last().map(|entry| format!("@{}", entry.seq)));
        }
        Ok(QuarantinePage { total, records, next, damaged })
    }

    /// Returns a page of records as they are stored, newest first.
    ///
    /// # Errors
    /// As [`Quarantine::page`].
    pub fn entries(&self, ask: &QuarantineAsk<'_>) -> Result<EntryPage> {
        let parts = self.shared.parts();
        let before =
            ask.after.map_or(Ok(u64::MAX), |after| number_of(&parts, after, ask.tenant))?;
        let mut filling =
            Filling { ask, page: EntryPage::default(), bytes: 0, read: 0, full: false };
        for part in parts.iter().rev().filter(|part| part.numbers().0 < before) {
            if let Err(error) = filling.add(part, before) {
                filling.page.damaged.push(error.to_string());
            }
            if filling.full {
                break;
            }
        }
        Ok(filling.page)
    }

    /// Counts the matching records by kind of reason, most frequent first, and returns what could
    /// not be read.
    ///
    /// # Errors
    /// None so far: damaged parts are reported and left out.
    pub fn reasons(&self, ask: &QuarantineAsk<'_>) -> Result<(Vec<ReasonCount>, Vec<String>)> {
        let (mut kinds, mut damaged): (HashMap<Arc<str>, u64>, Vec<String>) =
            (HashMap::new(), self.shared.damage.clone());
        for part in self.shared.parts().iter() {
            damaged.extend(part.damage().iter().cloned());
            match counts(part, ask) {
                Ok(found) => found
                    .into_iter()
                    .for_each(|(kind, count)| *kinds.entry(kind).or_default() += count),
                Err(error) => damaged.push(error.to_string()),
            }
        }
        let mut reasons: Vec<ReasonCount> =
            kinds.into_iter().map(|(reason, count)| ReasonCount { reason, count }).collect();
        reasons.sort_unstable_by(|left, right| {
            right.count.cmp(&left.count).then_with(|| left.reason.cmp(&right.reason))
        });
        Ok((reasons, damaged))
    }
}

/// A page that is being filled.
struct Filling<'a> {
    ask: &'a QuarantineAsk<'a>,
    page: EntryPage,
    bytes: usize,
    read: usize,
    full: bool,
}

impl Filling<'_> {
    /// Adds the records of a file, newest first.
    fn add(&mut self, part: &QuarantineFile, before: u64) -> Result<()> {
        let summary = part.summary()?;
        let chosen = Chosen::new(self.ask, &summary);
        if !chosen.any(&summary) {
            return Ok(());
        }
        let rows = part.rows()?;
        let wanted = (0_u32..).zip(&rows).filter(|(_, row)| row.seq < before && chosen.row(row));
        let wanted: Vec<u32> = wanted.map(|(index, _)| index).collect();
        for stride in wanted.rchunks(STRIDE) {
            if self.page.entries.len() >= self.ask.limit
                || self.bytes >= PAGE_BYTES
                || self.read >= SEARCH_BYTES
            {
                self.stop(rows[stride[stride.len() - 1] as usize].seq);
                return Ok(());
            }
            for entry in part.entries(stride, &mut self.page.damaged)?.into_iter().rev() {
                self.add_entry(entry);
                if self.full {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn add_entry(&mut self, entry: QuarantineEntry) {
        if self.page.entries.len() >= self.ask.limit || self.bytes >= PAGE_BYTES {
            // When searching for a text, this record may not match; the next page finds out.
            self.stop(entry.seq);
            return;
        }
        if let Some(text) = self.ask.substring {
            self.read += entry.head.len();
            if memchr::memmem::find(&entry.head, text.as_bytes()).is_none() {
                return;
            }
        }
        self.bytes += entry.head.len().min(HEAD_BYTES);
        self.page.entries.push(entry);
    }

    /// Ends the page: the record of this number is the first candidate for the next page.
    fn stop(&mut self, seq: u64) {
        self.full = true;
        self.page.next = Some(format!("@{}", seq + 1));
    }
}

/// Returns the number of the record after which a page begins. A record of other tenants does not
/// exist: its id can be computed from its bytes, so it would tell whether they came.
fn number_of(
    parts: &[Arc<QuarantineFile>],
    after: &str,
    tenant: &dyn Fn(Option<&str>) -> bool,
) -> Result<u64> {
    let wrong =
        || Error::parameter("after", "no such record in quarantine: begin again without it");
    if let Some(number) = after.strip_prefix('@') {
        return number.parse().map_err(|_| wrong());
    }
    let id: QuarantineId = u128::from_str_radix(after, 16)
        .ok()
        .filter(|_| after.len() == 32)
        .map(u128::to_be_bytes)
        .ok_or_else(wrong)?;
    for part in parts.iter().rev() {
        if let [Some(row)] = part.find(&[id])?[..]
            && let Some(row) = part.rows()?.get(row as usize)
            && tenant(part.summary()?.text(row.tenant).map(AsRef::as_ref))
        {
            return Ok(row.seq);
        }
    }
    Err(wrong())
}

fn shown(entry: &QuarantineEntry) -> Quarantined {
    let head =
        if entry.head.len() > HEAD_BYTES { super::head_of(&entry.head) } else { &entry.head };
    let text = std::str::from_utf8(head).ok();
    let hash = entry.sha256.unwrap_or_else(|| Sha256::digest(&entry.head).into());
    Quarantined {
        id: hex(&entry.id),
        tenant: entry.tenant.clone(),
        time: Timestamp::from_millis(entry.time).to_string(),
        source: Arc::clone(&entry.source),
        line: entry.line,
        reason: Arc::clone(&entry.reason),
        kind: Arc::clone(&entry.kind),
        length: entry.length,
        sha256: hex(&hash),
        cut: (head.len() as u64) < entry.length,
        record: text.map(str::to_owned),
        record_base64: text.is_none().then(|| STANDARD.encode(head)),
    }
}
