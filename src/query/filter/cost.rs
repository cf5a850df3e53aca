//! What it costs to put a filter to an event, about: so that a question's work is known while it is
//! done, and some before.

use super::{Clause, Filter, RecordTest, ValueMatch, ValueTest};

/// What a test of a field costs, in nanoseconds.
const FIELD: u64 = 20;
/// What a record costs beside its bytes.
const RECORD: u64 = 200;
/// What a regular expression costs for each byte.
const PATTERN_BYTE: u64 = 4;

/// What putting a filter to an event costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::query) struct Cost {
    event: u64,
    byte: u64,
}

impl Cost {
    /// For an event whose record has so many bytes.
    pub(in crate::query) fn of(self, record: usize) -> u64 {
        self.of_all(1, record as u64)
    }

    /// For so many events whose records have so many bytes together.
    pub(in crate::query) fn of_all(self, events: u64, records: u64) -> u64 {
        events.saturating_mul(self.event).saturating_add(records.saturating_mul(self.byte))
    }
}

/// What it costs to put clauses to an event.
pub(in crate::query) fn cost_of<'a>(clauses: impl IntoIterator<Item = &'a Clause>) -> Cost {
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
            .map(|wanted| if matches!(wanted, ValueMatch::Pattern(_)) { PATTERN_BYTE } else { 1 })
            .sum(),
    }
}

impl Filter {
    /// Whether every record in question must be read, because no condition leaves an index anything
    /// to narrow them down by.
    pub(in crate::query) fn reads_all_records(&self) -> bool {
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

/// Whether an index may know of rows that a match is among.
fn narrows(clause: &Clause) -> bool {
    match clause {
        Clause::Field(condition) => !condition.negated,
        Clause::Record(RecordTest::Value(test)) => {
            test.path.is_some()
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
