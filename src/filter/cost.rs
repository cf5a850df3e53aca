//! The approximate cost of testing an event against a filter, so that the work of a question is
//! known while it is done, and some of it before.

use super::{Clause, Filter, RecordTest, ValueMatch, ValueTest};

/// The cost of testing a field, in nanoseconds.
const FIELD: u64 = 20;
/// The cost of a record in addition to its bytes.
const RECORD: u64 = 200;
/// The cost of a regular expression per byte.
const PATTERN_BYTE: u64 = 4;

/// The cost of testing an event against a filter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    event: u64,
    byte: u64,
}

impl Cost {
    /// Returns the cost for an event whose record has `record` bytes.
    pub(crate) fn of(self, record: usize) -> u64 {
        self.of_all(1, record as u64)
    }

    /// Returns the cost for a number of events whose records have `records` bytes together.
    pub(crate) fn of_all(self, events: u64, records: u64) -> u64 {
        events.saturating_mul(self.event).saturating_add(records.saturating_mul(self.byte))
    }
}

/// Returns the cost of testing an event against clauses.
pub(crate) fn cost_of<'a>(clauses: impl IntoIterator<Item = &'a Clause>) -> Cost {
    let add =
        |sum: Cost, next: Cost| Cost { event: sum.event + next.event, byte: sum.byte + next.byte };
    let cost = |clause: &Clause| match clause {
        Clause::Field(_) => Cost { event: FIELD, byte: 0 },
        Clause::Record(test) => Cost { event: RECORD, byte: bytes_of(test) },
        Clause::Any(clauses) | Clause::All(clauses) => cost_of(clauses),
        Clause::Not(clause) => cost_of([clause.as_ref()]),
    };
    clauses.into_iter().map(cost).fold(Cost::default(), add)
}

fn bytes_of(test: &RecordTest) -> u64 {
    match test {
        RecordTest::Words(_) | RecordTest::Substring(_) => 1,
        RecordTest::Value(ValueTest { any, .. }) => any
            .iter()
            .map(|wanted| match wanted {
                ValueMatch::Pattern(_) => PATTERN_BYTE,
                // The record is read twice.
                ValueMatch::SameAs(_) => 2,
                _ => 1,
            })
            .sum(),
    }
}

impl Filter {
    /// Returns whether every record in question must be read because no condition lets an index
    /// narrow them down.
    pub(crate) fn reads_all_records(&self) -> bool {
        self.clauses.iter().any(asks_record) && !self.clauses.iter().any(narrows)
    }
}

fn asks_record(clause: &Clause) -> bool {
    match clause {
        Clause::Field(_) => false,
        Clause::Record(_) => true,
        Clause::Any(clauses) | Clause::All(clauses) => clauses.iter().any(asks_record),
        Clause::Not(clause) => asks_record(clause),
    }
}

/// Returns whether an index may know a set of rows that contains every match.
fn narrows(clause: &Clause) -> bool {
    match clause {
        Clause::Field(condition) => !condition.negated,
        Clause::Record(RecordTest::Value(test)) => {
            !test.paths.is_empty()
                || test.any.iter().all(|wanted| matches!(wanted, ValueMatch::Glob(_)))
        }
        Clause::Record(_) => true,
        Clause::Any(clauses) => clauses.iter().all(narrows),
        Clause::All(clauses) => clauses.iter().any(narrows),
        Clause::Not(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse_filter;
    use super::*;
    use crate::event::Timestamp;

    fn filter(query: &[(&str, &str)]) -> Filter {
        let pairs: Vec<_> =
            query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        parse_filter(&pairs, &[], Timestamp::default()).expect("a filter")
    }

    #[test]
    fn what_reads_every_record_is_known_before() {
        let regex = ("filter", r#"{"record":{"regex":"a.*b"}}"#);
        for (query, reads) in [
            (&[regex][..], true),
            (&[regex, ("source", "ECS")], false),
            (&[regex, ("source.not", "ECS")], true),
            (&[("substring.not", "x")], true),
            (&[("text", "word")], false),
            (&[("source.not", "ECS")], false),
            (&[("filter", r#"{"any":[{"source":"ECS"},{"record":{"regex":"a"}}]}"#)], true),
            (&[("filter", r#"{"record":{"path":"a.b","regex":"a"}}"#)], false),
            (&[], false),
        ] {
            assert_eq!(filter(query).reads_all_records(), reads, "{query:?}");
        }
    }

    #[test]
    fn regular_expressions_cost_more_than_words() {
        let cost = |query| cost_of(&filter(query).clauses).of(1_000);
        let (word, regex) =
            (cost(&[("text", "word")]), cost(&[("filter", r#"{"record":{"regex":"a.*b"}}"#)]));
        assert!(regex > 2 * word && word > cost(&[("source", "ECS")]), "{regex} {word}");
    }
}
