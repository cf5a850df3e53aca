//! The approximate cost of testing an event against a filter, so that the work of a question is
//! known while it is done, and some of it before.

use super::{Clause, Filter, RecordTest, Test, ValueMatch, ValueTest};

/// The cost of testing a field, in nanoseconds.
const FIELD: u64 = 20;
/// The cost of comparing it with one more value.
const COMPARISON: u64 = 5;
/// The cost of deciding about a clause for some rows, and of looking one value up in an index.
const PART: u64 = 20;
const VALUE: u64 = 200;
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
        Clause::Field(condition) => {
            let more = match &condition.test {
                Test::OneOf(values) => values.comparisons().saturating_sub(1),
                _ => 0,
            };
            Cost { event: FIELD + more * COMPARISON, byte: 0 }
        }
        Clause::Record(test) => Cost { event: RECORD, byte: bytes_of(test) },
        Clause::Any(clauses) | Clause::All(clauses) => cost_of(clauses),
        Clause::Not(clause) => cost_of([clause.as_ref()]),
    };
    clauses.into_iter().map(cost).fold(Cost::default(), add)
}

/// Counts the parts of a clause, each with what is added for its test.
fn parts(clause: &Clause, more: &impl Fn(&Test) -> u64) -> u64 {
    match clause {
        Clause::Field(condition) => 1 + more(&condition.test),
        Clause::Record(_) => 1,
        Clause::Any(clauses) | Clause::All(clauses) => {
            1 + clauses.iter().map(|clause| parts(clause, more)).sum::<u64>()
        }
        Clause::Not(clause) => 1 + parts(clause, more),
    }
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
    /// Returns the cost of deciding what is left of the filter for some rows.
    pub(crate) fn deciding(&self) -> u64 {
        self.clauses.iter().map(|clause| parts(clause, &|_| 0)).sum::<u64>() * PART
    }

    /// Returns the cost of looking its values up in an index, but for the first of each condition.
    pub(crate) fn looking_up(&self) -> u64 {
        let more = |test: &Test| match test {
            Test::OneOf(values) => (values.len() as u64).saturating_sub(1),
            _ => 0,
        };
        let values = |clause| parts(clause, &more) - parts(clause, &|_| 0);
        self.clauses.iter().map(values).sum::<u64>() * VALUE
    }

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
    use super::super::{FieldCondition, parse_filter};
    use super::*;
    use crate::event::{Field, Timestamp};

    fn filter(query: &[(&str, &str)]) -> Filter {
        let pairs: Vec<_> =
            query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        parse_filter(&pairs, &[], Timestamp::default()).expect("a filter")
    }

    #[test]
    fn many_values_and_many_parts_cost_what_they_take() {
        let one_of = |count: usize| {
            let values = (0..count).map(|number| format!("customer:{number}"));
            let test = Test::OneOf(values.collect());
            Clause::Field(FieldCondition { field: Field::RelatedIds, negated: false, test })
        };
        let cost = |count| cost_of(&[one_of(count)]).of(0);
        assert_eq!(cost(1), FIELD);
        assert_eq!(cost(10), FIELD + 9 * COMPARISON);
        assert!(cost(50_000) <= FIELD + 16 * COMPARISON, "they are searched");
        let share = || Clause::All(vec![one_of(1), one_of(1_000)]);
        let clauses = vec![Clause::Any((0..100).map(|_| share()).collect())];
        let filter = Filter { clauses, ..Filter::default() };
        assert_eq!(filter.deciding(), (1 + 100 * 3) * PART);
        assert_eq!(filter.looking_up(), 100 * 999 * VALUE);
        let shown = one_of(50_000).to_string();
        assert!(shown.len() < 500 && shown.ends_with("(50000 values)"), "{shown}");
        assert_eq!(one_of(2).to_string(), "related_ids=customer:0|customer:1");
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
