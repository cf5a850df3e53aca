//! Lookup: the rows that match, from posting lists and tables of ids, verified against the columns where the index
//! cannot tell for certain.

use super::filter::{Condition, Filter, Test};
use super::plan::Facts;
use super::rows::Rows;
use crate::error::Result;
use crate::event::{Columns, Field, IndexKind, Value};
use crate::storage::segment::{IndexReader, Segment};
use ipnet::IpNet;
use std::net::IpAddr;
use std::ops::Range;
use tantivy::postings::SegmentPostings;
use tantivy::{DocSet, TERMINATED};

/// More terms than this for one condition are not gathered: the columns are read instead.
const TERMS_MAX: usize = 4_096;
/// Terms of a field that are looked through to find those in a network.
const TERMS_SEEN_MAX: usize = 65_536;
/// Candidates that are verified first while a page fills; twice as many each time, for a page that does not fill soon.
const VERIFY_ROWS: usize = 512;
/// Candidates that are verified at a time at most.
const VERIFY_ROWS_MAX: usize = 32_768;

/// A filter prepared against the index of one segment.
pub(super) struct Lookup<'a> {
    segment: &'a Segment,
    served: Vec<Served>,
    residual: Vec<&'a Condition>,
    facts: Facts,
}

/// Rows that a condition of the filter has.
struct Served {
    docs: Docs,
    negated: bool,
    /// At most this many rows.
    size: u32,
}

enum Docs {
    Postings(Box<SegmentPostings>),
    Union(Vec<SegmentPostings>),
    List(Vec<u32>),
}

impl<'a> Lookup<'a> {
    /// Asks the index what it knows of the filter's conditions, for the rows in question.
    pub(super) fn prepare(segment: &'a Segment, filter: &'a Filter, rows: &Range<u32>) -> Result<Self> {
        let index = segment.index()?;
        let mut lookup =
            Self { segment, served: Vec::new(), residual: Vec::new(), facts: Facts { rows: rows.len() as u32, ..Facts::default() } };
        for condition in &filter.conditions {
            let Some((docs, exact)) = serve(index, condition)? else {
                lookup.residual.push(condition);
                continue;
            };
            let size = docs.size();
            if !condition.negated {
                lookup.facts.narrowest = Some(lookup.facts.narrowest.map_or(size, |narrowest| narrowest.min(size)));
                if size == 0 {
                    lookup.facts.absent.get_or_insert_with(|| condition.to_string());
                }
            }
            lookup.served.push(Served { docs, negated: condition.negated, size });
            if !exact {
                lookup.residual.push(condition);
            }
        }
        lookup.facts.residual = lookup.residual.iter().map(ToString::to_string).collect();
        Ok(lookup)
    }

    /// What is known before any row is read.
    pub(super) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The first `limit` rows of `rows` that match, or all of them. Adds to `examined` the rows that were verified.
    pub(super) fn rows(self, rows: Range<u32>, limit: Option<usize>, examined: &mut u64) -> Result<Rows> {
        if self.served.is_empty() && self.residual.is_empty() {
            let end = limit.map_or(rows.end, |limit| rows.end.min(rows.start.saturating_add(limit as u32)));
            return Ok(Rows::Range(rows.start..end));
        }
        let mut candidates = Candidates::new(self.served, rows);
        if self.residual.is_empty() {
            return Ok(Rows::List(candidates.take(limit.unwrap_or(usize::MAX))));
        }
        let mut found = Vec::new();
        let mut step = if limit.is_some() { VERIFY_ROWS } else { VERIFY_ROWS_MAX };
        loop {
            let batch = candidates.take(step);
            step = VERIFY_ROWS_MAX.min(step * 2);
            *examined += batch.len() as u64;
            if batch.is_empty() {
                return Ok(Rows::List(found));
            }
            verify(self.segment, &self.residual, &batch, &mut found)?;
            if let Some(limit) = limit
                && found.len() >= limit
            {
                found.truncate(limit);
                return Ok(Rows::List(found));
            }
        }
    }
}

/// The rows that a condition has according to the index, and whether that is certain. `None`: the index cannot tell.
fn serve(index: &IndexReader, condition: &Condition) -> Result<Option<(Docs, bool)>> {
    let field = condition.field;
    match (field.def().index, &condition.test) {
        (IndexKind::Term, Test::OneOf(values)) => Ok(Some((union(index, field, values)?, true))),
        (IndexKind::Term, Test::Prefix(prefixes)) => {
            let mut terms = Vec::new();
            for prefix in prefixes {
                // A long value's term is its beginning and a hash, so a prefix that reaches into the hash proves nothing.
                let found = if prefix.len() < 1_000 { index.values_with_prefix(field, prefix, TERMS_MAX)? } else { None };
                let Some(found) = found else { return Ok(None) };
                terms.extend(found);
            }
            Ok(Some((union_of_terms(index, field, terms)?, true)))
        }
        (IndexKind::Term, Test::Present) => match index.values_with_prefix(field, "", TERMS_MAX)? {
            Some(terms) => Ok(Some((union_of_terms(index, field, terms)?, true))),
            None => Ok(None),
        },
        (IndexKind::Term, Test::Address(values, networks)) => {
            if networks.is_empty() {
                return Ok(Some((union(index, field, values)?, true)));
            }
            let mut terms = values.clone();
            for network in networks {
                let Some(near) = index.values_with_prefix(field, &shared_text(network), TERMS_SEEN_MAX)? else { return Ok(None) };
                terms.extend(near.into_iter().filter(|term| term.parse::<IpAddr>().is_ok_and(|address| network.contains(&address))));
            }
            if terms.len() > TERMS_MAX {
                return Ok(None);
            }
            Ok(Some((union_of_terms(index, field, terms)?, true)))
        }
        (IndexKind::Hash, Test::OneOf(values)) if !condition.negated => {
            let mut rows = Vec::new();
            for value in values {
                rows.extend(index.candidates(field, value)?);
            }
            rows.sort_unstable();
            rows.dedup();
            Ok(Some((Docs::List(rows), false)))
        }
        _ => Ok(None),
    }
}

/// How the text of every address in a network begins: the octets that all share. IPv6 has too many ways to write one.
fn shared_text(network: &IpNet) -> String {
    match network {
        IpNet::V4(network) => {
            let octets = network.network().octets();
            let shared = usize::from(network.prefix_len() / 8);
            let text: Vec<String> = octets[..shared].iter().map(ToString::to_string).collect();
            if (1..4).contains(&shared) { format!("{}.", text.join(".")) } else { text.join(".") }
        }
        IpNet::V6(_) => String::new(),
    }
}

fn union(index: &IndexReader, field: Field, values: &[String]) -> Result<Docs> {
    let mut postings = Vec::new();
    for value in values {
        postings.extend(index.postings(field, value)?);
    }
    Ok(Docs::of(postings))
}

fn union_of_terms(index: &IndexReader, field: Field, mut terms: Vec<String>) -> Result<Docs> {
    terms.sort_unstable();
    terms.dedup();
    let mut postings = Vec::new();
    for term in &terms {
        postings.extend(index.postings_of_term(field, term)?);
    }
    Ok(Docs::of(postings))
}

impl Docs {
    fn of(mut postings: Vec<SegmentPostings>) -> Self {
        match postings.len() {
            1 => Self::Postings(Box::new(postings.remove(0))),
            _ => Self::Union(postings),
        }
    }

    fn size(&self) -> u32 {
        match self {
            Self::Postings(postings) => postings.size_hint(),
            Self::Union(postings) => postings.iter().map(DocSet::size_hint).fold(0, u32::saturating_add),
            Self::List(rows) => rows.len() as u32,
        }
    }

    /// The same rows as one ascending walk within `rows`.
    fn walk(self, rows: &Range<u32>) -> Walk {
        match self {
            Self::Postings(postings) => Walk::Postings(postings),
            Self::List(list) => Walk::List { list, at: 0 },
            Self::Union(union) => {
                let mut list = Vec::new();
                for mut postings in union {
                    let mut doc = seek(&mut postings, rows.start);
                    while doc < rows.end {
                        list.push(doc);
                        doc = postings.advance();
                    }
                }
                list.sort_unstable();
                list.dedup();
                Walk::List { list, at: 0 }
            }
        }
    }
}

fn seek(postings: &mut SegmentPostings, target: u32) -> u32 {
    let here = postings.doc();
    // A posting list must not be asked to go back.
    if here >= target { here } else { postings.seek(target) }
}

/// An ascending walk over rows that can skip ahead.
enum Walk {
    Postings(Box<SegmentPostings>),
    List { list: Vec<u32>, at: usize },
}

impl Walk {
    /// The first row at or after `target`; [`TERMINATED`] when there is none. Targets must not descend.
    fn seek(&mut self, target: u32) -> u32 {
        match self {
            Self::Postings(postings) => seek(postings, target),
            Self::List { list, at } => {
                if list.get(*at).is_some_and(|row| *row < target) {
                    *at += list[*at..].partition_point(|row| *row < target);
                }
                list.get(*at).copied().unwrap_or(TERMINATED)
            }
        }
    }
}

/// The intersection of all served conditions, in ascending order.
struct Candidates {
    required: Vec<Walk>,
    excluded: Vec<Walk>,
    next: u32,
    end: u32,
}

impl Candidates {
    fn new(mut served: Vec<Served>, rows: Range<u32>) -> Self {
        // The shortest list leads, the others are asked only at its rows.
        served.sort_by_key(|served| served.size);
        let (mut required, mut excluded) = (Vec::new(), Vec::new());
        for served in served {
            let walk = served.docs.walk(&rows);
            if served.negated { excluded.push(walk) } else { required.push(walk) }
        }
        Self { required, excluded, next: rows.start, end: rows.end }
    }

    fn take(&mut self, limit: usize) -> Vec<u32> {
        let mut rows = Vec::with_capacity(limit.min(1_024));
        while rows.len() < limit && self.next < self.end {
            let row = self.agree();
            if row >= self.end {
                self.next = self.end;
                break;
            }
            if !self.excluded.iter_mut().any(|walk| walk.seek(row) == row) {
                rows.push(row);
            }
            self.next = row + 1;
        }
        rows
    }

    /// The first row from `next` on that every required walk has.
    fn agree(&mut self) -> u32 {
        let mut row = self.next;
        'again: loop {
            for walk in &mut self.required {
                let found = walk.seek(row);
                if found >= self.end {
                    return TERMINATED;
                }
                if found > row {
                    row = found;
                    continue 'again;
                }
            }
            return row;
        }
    }
}

/// Appends to `found` those of `rows` that hold the conditions, read from their columns.
fn verify(segment: &Segment, conditions: &[&Condition], rows: &[u32], found: &mut Vec<u32>) -> Result<()> {
    let mut fields: Vec<Field> = conditions.iter().map(|condition| condition.field).collect();
    fields.sort_unstable();
    fields.dedup();
    let mut place = 0;
    for columns in segment.read(rows, &fields)? {
        for row in 0..columns.rows() {
            if conditions.iter().all(|condition| holds(condition, &columns, row)) {
                found.push(rows[place]);
            }
            place += 1;
        }
    }
    Ok(())
}

/// Whether a condition holds in a row of columns.
pub(super) fn holds(condition: &Condition, columns: &Columns, row: usize) -> bool {
    use crate::event::Kind;
    let field = condition.field;
    match field.def().kind {
        Kind::Text | Kind::Enum(_) => condition.holds(columns.text(field, row).map_or(Value::Absent, Value::Text)),
        Kind::Bool => condition.holds(columns.flag(field, row).map_or(Value::Absent, Value::Bool)),
        Kind::Time => condition.holds(columns.time(field, row).map_or(Value::Absent, Value::Time)),
        Kind::Integer => condition.holds(columns.seq(row).map_or(Value::Absent, Value::Integer)),
        Kind::Decimal => condition.holds(columns.amount(row).map_or(Value::Absent, Value::Decimal)),
        Kind::List => condition.holds(Value::List(&columns.list(field, row))),
    }
}

#[cfg(test)]
mod tests {
    use super::shared_text;

    #[test]
    fn addresses_of_a_network_share_their_whole_octets() {
        for (network, text) in [
            ("10.0.0.0/8", "10."),
            ("10.1.0.0/15", "10."),
            ("10.1.2.0/24", "10.1.2."),
            ("10.1.2.3/32", "10.1.2.3"),
            ("0.0.0.0/0", ""),
            ("fe80::/10", ""),
        ] {
            assert_eq!(shared_text(&network.parse().expect(network)), text, "{network}");
        }
    }
}
