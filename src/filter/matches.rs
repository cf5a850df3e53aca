//! The meaning of a filter, event by event: the oracle that every faster path is compared with.

use super::{Clause, FieldCondition, Filter, Test};
use crate::event::{Event, Value, parse_address};
use crate::text::{RecordTexts, fold, holds_words};
use std::cell::OnceCell;

/// An event to be tested, in whatever form it is available.
pub trait FilterSubject {
    /// Returns whether a condition on a field holds.
    fn holds(&self, condition: &FieldCondition) -> bool;
    /// Returns the record as received.
    fn record(&self) -> &str;
}

impl FilterSubject for Event {
    fn holds(&self, condition: &FieldCondition) -> bool {
        condition.holds(self.value(condition.field))
    }

    fn record(&self) -> &str {
        &self.original
    }
}

/// A subject, together with the texts of its record once a clause has asked for them.
#[derive(Debug)]
pub struct Probe<'a, S> {
    subject: &'a S,
    texts: OnceCell<RecordTexts>,
}

impl<'a, S: FilterSubject> Probe<'a, S> {
    /// Creates a probe of a subject.
    pub fn new(subject: &'a S) -> Self {
        Self { subject, texts: OnceCell::new() }
    }

    /// Returns whether a clause holds.
    pub fn holds(&self, clause: &Clause) -> bool {
        match clause {
            Clause::Field(condition) => self.subject.holds(condition),
            Clause::Record(test) => {
                let record = self.subject.record();
                test.holds(record, || self.texts.get_or_init(|| RecordTexts::of(record)))
            }
            Clause::Any(clauses) => clauses.iter().any(|clause| self.holds(clause)),
            Clause::All(clauses) => clauses.iter().all(|clause| self.holds(clause)),
            Clause::Not(clause) => !self.holds(clause),
        }
    }
}

impl Filter {
    /// Returns whether the event matches the filter.
    pub fn matches(&self, event: &Event) -> bool {
        let probe = Probe::new(event);
        self.from.is_none_or(|from| event.time >= from)
            && self.to.is_none_or(|to| event.time < to)
            && self.clauses.iter().all(|clause| probe.holds(clause))
    }
}

impl FieldCondition {
    /// Returns whether the condition holds for a value of its field.
    pub fn holds(&self, value: Value<'_>) -> bool {
        self.test.holds(value) != self.negated
    }
}

impl Test {
    /// Returns whether the test holds for a value.
    pub fn holds(&self, value: Value<'_>) -> bool {
        match value {
            Value::Absent => false,
            Value::Text(text) => self.holds_text(text),
            Value::Bool(flag) => self.holds_text(if flag { "true" } else { "false" }),
            Value::Decimal(amount) => match self {
                Self::Present => true,
                Self::Amounts(values) => values.contains(&amount),
                Self::Between(min, max) => {
                    min.is_none_or(|min| amount >= min) && max.is_none_or(|max| amount <= max)
                }
                _ => false,
            },
            Value::List(items) => match self {
                Self::Present => !items.is_empty(),
                _ => items.iter().any(|item| self.holds_text(item)),
            },
            Value::Time(moment) => match self {
                Self::During(from, to) => {
                    from.is_none_or(|from| moment >= from) && to.is_none_or(|to| moment < to)
                }
                _ => matches!(self, Self::Present),
            },
            Value::Integer(_) => matches!(self, Self::Present),
        }
    }

    fn holds_text(&self, text: &str) -> bool {
        match self {
            Self::Present => true,
            Self::OneOf(values) => values.contains(text),
            Self::Prefix(prefixes) => {
                prefixes.iter().any(|prefix| text.starts_with(prefix.as_str()))
            }
            Self::Address(values, networks) => {
                values.iter().any(|value| value == text)
                    || parse_address(text).is_some_and(|address| {
                        networks.iter().any(|network| network.contains(&address))
                    })
            }
            Self::Words(needle) => holds_words(needle, text, &fold(text)),
            Self::Amounts(_) | Self::Between(..) | Self::During(..) => false,
        }
    }
}
