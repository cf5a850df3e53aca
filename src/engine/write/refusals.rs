//! What an answer reports about records that went to quarantine: the first hundred, and how many
//! there were of each kind of reason.

use crate::ingest::{Rejected, kind_of};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use std::cmp::Reverse;
use std::sync::Arc;

/// The most refused records that an answer lists.
const LISTED: usize = 100;
/// The most kinds of reasons that are counted separately.
const KINDS: usize = 100;
/// The kind that stands for all others.
const OTHERS: &str = "other reasons";

/// A record that went to quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The line on which it began.
    pub line: u64,
    /// Why it was refused.
    pub reason: Arc<str>,
    /// Whether it was decoded but has the trace id of another record.
    #[serde(skip)]
    pub conflict: bool,
}

impl From<&Rejected> for Refused {
    fn from(rejected: &Rejected) -> Self {
        Self {
            line: rejected.line,
            reason: Arc::clone(&rejected.reason),
            conflict: rejected.conflict,
        }
    }
}

/// How many records were refused for one kind of reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedFor {
    /// The kind of reason.
    pub reason: Arc<str>,
    /// How many records.
    pub count: u64,
}

/// The records of a request or a file that went to quarantine. For one batch all are listed, for
/// doors that answer for each record; for several batches, and as JSON, only the first hundred.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "RefusalsJson")]
pub struct Refusals {
    listed: Vec<Refused>,
    total: u64,
    reasons: Vec<RefusedFor>,
}

/// The JSON form; earlier versions wrote only the list, and all of it.
#[derive(Debug, Deserialize)]
struct RefusalsJson {
    quarantined: Vec<Refused>,
    #[serde(default)]
    quarantined_total: u64,
    #[serde(default)]
    quarantined_reasons: Vec<RefusedFor>,
}

impl Refusals {
    /// Returns how many records were refused.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Returns whether no record was refused.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Returns the listed records, by line.
    pub fn listed(&self) -> &[Refused] {
        &self.listed
    }

    /// Returns how many records were refused for each kind of reason, most frequent first.
    pub fn reasons(&self) -> &[RefusedFor] {
        &self.reasons
    }

    /// Returns whether there are more than the JSON form lists.
    pub fn has_more(&self) -> bool {
        self.total > self.listed.len().min(LISTED) as u64
    }

    /// Returns the same refusals with line numbers mapped by `line`.
    #[must_use]
    pub fn with_lines(mut self, line: impl Fn(u64) -> u64) -> Self {
        self.listed.iter_mut().for_each(|refused| refused.line = line(refused.line));
        self
    }

    /// Adds records of the same batch: all are listed, by line.
    pub(in crate::engine) fn extend(&mut self, more: impl Iterator<Item = Refused>) {
        let mut more = more.peekable();
        if more.peek().is_some() {
            let mut listed = std::mem::take(&mut self.listed);
            listed.extend(more);
            listed.sort_by_key(|refused| refused.line);
            *self = listed.into_iter().collect();
        }
    }

    /// Adds the refusals of the next batch.
    pub fn add(&mut self, more: Self) {
        self.listed.truncate(LISTED);
        let room = LISTED - self.listed.len();
        self.listed.extend(more.listed.into_iter().take(room));
        self.total += more.total;
        more.reasons.into_iter().for_each(|reason| self.count(reason.reason, reason.count));
        self.reasons.sort_by_key(|reason| Reverse(reason.count));
    }

    fn count(&mut self, reason: Arc<str>, count: u64) {
        let known = |counted: &&mut RefusedFor| counted.reason == reason;
        if let Some(counted) = self.reasons.iter_mut().find(known) {
            counted.count += count;
        } else if self.reasons.len() < KINDS || &*reason == OTHERS {
            self.reasons.push(RefusedFor { reason, count });
        } else {
            self.count(OTHERS.into(), count);
        }
    }
}

impl FromIterator<Refused> for Refusals {
    fn from_iter<I: IntoIterator<Item = Refused>>(refused: I) -> Self {
        let mut refusals = Self { listed: refused.into_iter().collect(), ..Self::default() };
        refusals.total = refusals.listed.len() as u64;
        let mut last: Option<(Arc<str>, Arc<str>)> = None;
        for refused in std::mem::take(&mut refusals.listed) {
            // Reasons are shared: the same text need not be classified again.
            let kind = match &last {
                Some((reason, kind)) if Arc::ptr_eq(reason, &refused.reason) => Arc::clone(kind),
                _ => kind_of(&refused.reason).into(),
            };
            last = Some((Arc::clone(&refused.reason), Arc::clone(&kind)));
            refusals.count(kind, 1);
            refusals.listed.push(refused);
        }
        refusals.reasons.sort_by_key(|reason| Reverse(reason.count));
        refusals
    }
}

impl From<RefusalsJson> for Refusals {
    fn from(written: RefusalsJson) -> Self {
        if written.quarantined_total == 0 {
            return written.quarantined.into_iter().collect();
        }
        Self {
            listed: written.quarantined,
            total: written.quarantined_total,
            reasons: written.quarantined_reasons,
        }
    }
}

impl Serialize for Refusals {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut written = to.serialize_struct("Refusals", 3)?;
        written.serialize_field("quarantined", &self.listed[..self.listed.len().min(LISTED)])?;
        written.serialize_field("quarantined_total", &self.total)?;
        written.serialize_field("quarantined_reasons", &self.reasons)?;
        written.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(line: u64, reason: &str) -> Refused {
        Refused { line, reason: reason.into(), conflict: false }
    }

    #[test]
    fn the_first_hundred_are_listed_and_all_are_counted() {
        let mut all: Refusals =
            (1..=150).map(|line| refused(line, "record is no JSON object")).collect();
        assert_eq!(
            (all.total(), all.listed().len(), all.has_more()),
            (150, 150, true),
            "a door answers for each"
        );
        all.add(
            (151..=153)
                .map(|line| refused(line, &format!("expected value at byte {line}")))
                .collect(),
        );
        let written = serde_json::to_value(&all).expect("JSON");
        assert_eq!(written["quarantined"].as_array().map(Vec::len), Some(100));
        assert_eq!(written["quarantined_total"], 153);
        let reasons = json!([{ "reason": "record is no JSON object", "count": 150 },
            { "reason": "expected value at byte …", "count": 3 }]);
        assert_eq!(written["quarantined_reasons"], reasons);
        let read: Refusals = serde_json::from_value(written).expect("our own");
        assert_eq!((read.total(), read.reasons(), read.has_more()), (153, all.reasons(), true));
        // What an earlier version has logged for a request.
        let old: Refusals =
            serde_json::from_value(json!({ "quarantined": [{ "line": 1, "reason": "x" }] }))
                .expect("the old form");
        assert_eq!((old.total(), old.reasons().len(), old.has_more()), (1, 1, false));
    }

    #[test]
    fn kinds_are_bounded() {
        let word = |number: u64| {
            "abcdefghij"
                .chars()
                .cycle()
                .skip(number as usize % 10)
                .take(number as usize / 10 + 1)
                .collect::<String>()
        };
        let mut many: Refusals = (0..500).map(|line| refused(line, &word(line))).collect();
        many.add((0..500).map(|line| refused(line, &word(line + 500))).collect());
        assert!(many.reasons().len() <= KINDS + 1, "{}", many.reasons().len());
        assert_eq!(many.reasons().iter().map(|reason| reason.count).sum::<u64>(), 1_000);
    }
}
