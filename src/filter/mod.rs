//! The filter: what an event must satisfy to be in the answer.
//!
//! A filter is a list of clauses that must all hold, and a period. A clause is a condition on a
//! field, a test of the record's text, or a group of clauses: any of them, all of them, or the
//! negation of one. [`Filter::matches`] defines its meaning; lookup, scan and summary must agree
//! with it on every event, which a property test checks.

mod builder;
mod cost;
mod decided;
mod matches;
mod parse;
mod parse_json;
mod parse_text;
mod period;
mod record;
mod repeated_key;
mod value_set;

pub use builder::{DEPTH_MAX, VALUES_MAX};
pub(crate) use cost::cost_of;
pub use decided::TenantPeriod;
pub use matches::{FilterSubject, Probe};
pub use parse::parse_filter;
pub use parse_text::TEXT_BYTES_MAX;
pub use period::parse_duration;
pub(crate) use record::hiding_escape;
pub use record::{Pattern, RecordTest, ValueMatch, ValueTest};
pub(crate) use repeated_key::repeated_key;
pub use value_set::ValueSet;

use crate::event::{Amount, Field, Timestamp, WORD_FIELDS};
use crate::text::{fold, spaced};
use ipnet::IpNet;
use std::fmt;

/// How many values of a condition are shown. It may have many thousands.
const SHOWN_MAX: usize = 20;

/// Clauses that must all hold, within a period.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// The clauses.
    pub clauses: Vec<Clause>,
    /// The start of the period, inclusive.
    pub from: Option<Timestamp>,
    /// The end of the period, exclusive.
    pub to: Option<Timestamp>,
    /// If `from` was counted back from the moment of asking: by how many milliseconds.
    pub last: Option<i64>,
}

/// A part of a filter, which an event satisfies or not.
#[derive(Debug, Clone, PartialEq)]
pub enum Clause {
    /// A condition on a field.
    Field(FieldCondition),
    /// A test of the record's text.
    Record(RecordTest),
    /// At least one of these holds.
    Any(Vec<Self>),
    /// All of these hold.
    All(Vec<Self>),
    /// This does not hold.
    Not(Box<Self>),
}

/// A condition on one field.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldCondition {
    /// The field.
    pub field: Field,
    /// Whether the test must fail instead of succeed. An event without a value fails every test, so
    /// it passes every negated one.
    pub negated: bool,
    /// The test.
    pub test: Test,
}

impl FieldCondition {
    /// The condition that an event has an amount.
    pub(crate) const HAS_AMOUNT: Self =
        Self { field: Field::Amount, negated: false, test: Test::Present };
}

/// A test of a value. An absent value fails it.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// The value is one of these texts (for a list: one of its items is).
    OneOf(ValueSet),
    /// The value begins with one of these.
    Prefix(Vec<String>),
    /// There is a value.
    Present,
    /// The value is one of these texts, or an address in one of these networks.
    Address(Vec<String>, Vec<IpNet>),
    /// This word or phrase (folded, spaced) occurs in the value.
    Words(String),
    /// The value is one of these amounts.
    Amounts(Vec<Amount>),
    /// The value is an amount between these bounds, both inclusive.
    Between(Option<Amount>, Option<Amount>),
    /// The value is a moment from the first of these on, and before the second.
    During(Option<Timestamp>, Option<Timestamp>),
}

impl Filter {
    /// Returns the filter with one more condition: the field has this value.
    #[must_use]
    pub fn and_equal(self, field: Field, value: impl Into<String>) -> Self {
        self.and_one_of(field, [value.into()])
    }

    /// Returns the same filter with the further condition that a field has one of some values.
    #[must_use]
    pub fn and_one_of(mut self, field: Field, values: impl IntoIterator<Item = String>) -> Self {
        let test = Test::OneOf(values.into_iter().collect());
        self.clauses.push(Clause::Field(FieldCondition { field, negated: false, test }));
        self
    }
}

impl Clause {
    /// Creates the clause for a word or phrase as it was typed: it occurs in the record, or in one
    /// of the fields that are searched for words.
    pub fn words(typed: &str) -> Self {
        let needle = spaced(fold(typed).trim()).into_owned();
        let in_field = |field: &Field| {
            let test = Test::Words(needle.clone());
            Self::Field(FieldCondition { field: *field, negated: false, test })
        };
        let in_fields = WORD_FIELDS.iter().map(in_field);
        let in_record = Self::Record(RecordTest::Words(needle.clone()));
        Self::Any(std::iter::once(in_record).chain(in_fields).collect())
    }

    /// Returns the word or phrase of a clause that [`Clause::words`] made.
    pub(crate) fn as_words(&self) -> Option<&str> {
        let Self::Any(clauses) = self else { return None };
        let (Self::Record(RecordTest::Words(needle)), in_fields) = clauses.split_first()? else {
            return None;
        };
        let is_same = |(clause, field): (&Self, &Field)| {
            matches!(clause, Self::Field(FieldCondition { field: this, negated: false, test })
                if this == field && matches!(test, Test::Words(words) if words == needle))
        };
        let are_same =
            in_fields.len() == WORD_FIELDS.len() && in_fields.iter().zip(WORD_FIELDS).all(is_same);
        are_same.then_some(needle)
    }
}

impl From<FieldCondition> for Clause {
    fn from(condition: FieldCondition) -> Self {
        Self::Field(condition)
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |out: &mut fmt::Formatter<'_>, clauses: &[Self], between: &str| {
            out.write_str("(")?;
            for (index, clause) in clauses.iter().enumerate() {
                if index > 0 {
                    out.write_str(between)?;
                }
                write!(out, "{clause}")?;
            }
            out.write_str(")")
        };
        match self {
            Self::Field(condition) => write!(out, "{condition}"),
            Self::Record(test) => write!(out, "{test}"),
            Self::Any(_) if let Some(words) = self.as_words() => write!(out, "text={words:?}"),
            Self::Any(clauses) => list(out, clauses, " or "),
            Self::All(clauses) => list(out, clauses, " and "),
            Self::Not(clause) => write!(out, "not {clause}"),
        }
    }
}

impl fmt::Display for FieldCondition {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.field;
        let not = if self.negated { ".not" } else { "" };
        match &self.test {
            Test::OneOf(values) if values.len() > SHOWN_MAX => {
                let first = values[..SHOWN_MAX].join("|");
                write!(out, "{field}{not}={first}|… ({} values)", values.len())
            }
            Test::OneOf(values) => write!(out, "{field}{not}={}", values.join("|")),
            Test::Prefix(values) => write!(out, "{field}.prefix{not}={}", values.join("|")),
            Test::Present => write!(out, "{field}.exists={}", !self.negated),
            Test::Words(words) => write!(out, "{field}.words{not}={words:?}"),
            Test::Address(values, networks) => {
                let networks = networks.iter().map(ToString::to_string);
                write!(
                    out,
                    "{field}{not}={}",
                    values.iter().cloned().chain(networks).collect::<Vec<_>>().join("|")
                )
            }
            Test::Amounts(values) => {
                write!(
                    out,
                    "{field}{not}={}",
                    values.iter().map(ToString::to_string).collect::<Vec<_>>().join("|")
                )
            }
            Test::Between(min, max) => {
                let bound = |bound: &Option<Amount>| {
                    bound.map(|amount| amount.to_string()).unwrap_or_default()
                };
                write!(out, "{field}={}..{}", bound(min), bound(max))
            }
            Test::During(from, to) => {
                let bound = |bound: &Option<Timestamp>| {
                    bound.map(|moment| moment.to_string()).unwrap_or_default()
                };
                write!(out, "{field}{not}={}..{}", bound(from), bound(to))
            }
        }
    }
}

impl Filter {
    /// Returns a text that is the same for equal filters and differs for different ones.
    pub fn canonical(&self) -> String {
        let mut parts: Vec<String> =
            self.clauses.iter().map(|clause| format!("{clause:?}")).collect();
        parts.sort_unstable();
        match self.last {
            // A relative period stands for itself: the same question is asked again later.
            Some(last) => parts.push(format!("last {last}..{:?}", self.to)),
            None => parts.push(format!("{:?}..{:?}", self.from, self.to)),
        }
        parts.join("&")
    }
}
