//! Verification of candidates: tests the clauses that the index cannot settle on the columns and
//! the record of each row.

use crate::decode;
use crate::error::Result;
use crate::event::{Columns, Field};
use crate::filter::{Clause, FieldCondition, FilterSubject, Probe, RecordTest, cost_of};
use crate::query::VerifyWork;
use crate::query::budget::{EVENT_WORK, VALUE_WORK};
use crate::query::rows::events;
use crate::query::rows::lookup::escapes::EscapeSearch;
use crate::storage::segment::Segment;
use memchr::memmem::Finder;

/// A row of columns to be tested.
#[derive(Debug)]
pub(in crate::query) struct ColumnRow<'a> {
    pub(in crate::query) columns: &'a Columns,
    pub(in crate::query) row: usize,
}

impl FilterSubject for ColumnRow<'_> {
    fn holds(&self, condition: &FieldCondition) -> bool {
        condition.holds(self.columns.value(condition.field, self.row))
    }

    fn record(&self) -> &str {
        self.columns.text(Field::Original, self.row).unwrap_or_default()
    }
}

/// Returns the columns that clauses need, each once, in the order of the table of fields.
pub(in crate::query) fn fields_of<'a>(clauses: impl IntoIterator<Item = &'a Clause>) -> Vec<Field> {
    fn gather(clause: &Clause, fields: &mut Vec<Field>) {
        match clause {
            Clause::Field(condition) => fields.push(condition.field),
            Clause::Record(_) => fields.push(Field::Original),
            Clause::Any(clauses) | Clause::All(clauses) => {
                clauses.iter().for_each(|clause| gather(clause, fields))
            }
            Clause::Not(clause) => gather(clause, fields),
        }
    }
    let mut fields = Vec::new();
    clauses.into_iter().for_each(|clause| gather(clause, &mut fields));
    fields.sort_unstable();
    fields.dedup();
    fields
}

/// Up to this many candidates are verified by decoding their records: that reads one page of
/// records for each, instead of one page of every column and the setup of their readers.
const DECODED_ROWS: usize = 64;

/// Appends those of `rows` that satisfy the clauses to `found`.
pub(in crate::query) fn verify(
    segment: &Segment,
    clauses: &[&Clause],
    rows: &[u32],
    found: &mut Vec<u32>,
    work: &mut VerifyWork<'_>,
) -> Result<()> {
    work.examined += rows.len() as u64;
    let fields = fields_of(clauses.iter().copied());
    if fields == [Field::Original] && by_record(segment, clauses, rows, found, work)? {
        return Ok(());
    }
    if rows.len() <= DECODED_ROWS
        && segment.manifest().decoders == decode::VERSION
        && let Some(events) = events::events_from_index(segment, rows, &mut work.bytes)?
    {
        work.pace.step(rows.len() as u64 * EVENT_WORK)?;
        let holding = rows.iter().zip(&events).filter(|(_, event)| {
            let probe = Probe::new(*event);
            clauses.iter().all(|clause| probe.holds(clause))
        });
        found.extend(holding.map(|(row, _)| *row));
        return Ok(());
    }
    let (mut index, cost) = (0, cost_of(clauses.iter().copied()));
    let VerifyWork { bytes, pace, .. } = work;
    segment.visit(rows, &fields, bytes, |columns| {
        for row in 0..columns.rows() {
            let subject = ColumnRow { columns: &columns, row };
            pace.step(fields.len() as u64 * VALUE_WORK + cost.of(subject.record().len()))?;
            let probe = Probe::new(&subject);
            if clauses.iter().all(|clause| probe.holds(clause)) {
                found.push(rows[index]);
            }
            index += 1;
        }
        Ok(())
    })
}

/// A record that is tested by clauses that need nothing else.
struct RawRecord<'a>(&'a str);

impl FilterSubject for RawRecord<'_> {
    fn holds(&self, _: &FieldCondition) -> bool {
        // Clauses on fields do not come here.
        false
    }

    fn record(&self) -> &str {
        self.0
    }
}

/// Up to this many tests are applied to a record one by one; for more, its texts are extracted
/// first, once for all of them.
const TESTS_ALONE: usize = 3;

/// Returns the number of record tests in a clause.
fn tests_of(clause: &Clause) -> usize {
    match clause {
        Clause::Field(_) | Clause::Record(_) => 1,
        Clause::Any(clauses) | Clause::All(clauses) => clauses.iter().map(tests_of).sum(),
        Clause::Not(clause) => tests_of(clause),
    }
}

/// Returns whether a clause that needs nothing but the record holds.
fn holds_alone(clause: &Clause, record: &str) -> bool {
    match clause {
        // Clauses on fields do not come here.
        Clause::Field(_) => false,
        Clause::Record(test) => test.holds_alone(record),
        Clause::Any(clauses) => clauses.iter().any(|clause| holds_alone(clause, record)),
        Clause::All(clauses) => clauses.iter().all(|clause| holds_alone(clause, record)),
        Clause::Not(clause) => !holds_alone(clause, record),
    }
}

/// Verifies clauses that need nothing but the record, page by page; returns `false` if the file
/// cannot be read this way.
fn by_record(
    segment: &Segment,
    clauses: &[&Clause],
    rows: &[u32],
    found: &mut Vec<u32>,
    work: &mut VerifyWork<'_>,
) -> Result<bool> {
    let data = segment.data()?;
    let Some(mut records) = data.records(rows.len())? else { return Ok(false) };
    // The searcher of a substring is built once, not once per record.
    let substring = match clauses {
        [Clause::Record(RecordTest::Substring(text))] => {
            Some((Finder::new(text.as_bytes()), EscapeSearch::of(text)))
        }
        _ => None,
    };
    let cost = cost_of(clauses.iter().copied());
    let little = clauses.iter().map(|clause| tests_of(clause)).sum::<usize>() <= TESTS_ALONE;
    for row in rows {
        if let Some((wanted, hiding)) = &substring {
            let record = records.bytes(*row)?;
            work.pace.step(cost.of(record.len()))?;
            let there = wanted.find(record).is_some();
            if there {
                found.push(*row);
            }
            // A text that is not in the bytes may be in the texts, if it was written with escapes.
            if there || !hiding.is_possible(record) {
                continue;
            }
        }
        let record = records.record(*row)?;
        work.pace.step(cost.of(record.len()))?;
        if little {
            if clauses.iter().all(|clause| holds_alone(clause, record)) {
                found.push(*row);
            }
            continue;
        }
        let subject = RawRecord(record);
        let probe = Probe::new(&subject);
        if clauses.iter().all(|clause| probe.holds(clause)) {
            found.push(*row);
        }
    }
    work.bytes += records.bytes_read();
    Ok(true)
}
