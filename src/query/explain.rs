//! How a question was answered, run by run.

use super::Filter;
use super::filter::Clause;
use super::rows::plan::AnswerPath;

/// How one run answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedRun {
    /// The segment.
    pub segment: String,
    /// The tenant.
    pub tenant: String,
    /// Rows of the tenant in the period.
    pub rows: u32,
    /// How it was answered.
    pub path: AnswerPath,
    /// Why so.
    pub why: String,
    /// Rows whose columns or record were read to verify a clause.
    pub examined: u64,
    /// Bytes read from the data file to do so. Indexes are mapped memory and not counted.
    pub bytes: u64,
    /// Rows that matched (of a list: that were gathered).
    pub matched: u64,
    /// How long it took, in microseconds.
    pub micros: u64,
}

/// How a question was answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explain {
    /// Segments of the table.
    pub segments: usize,
    /// Segments that no row of could be in the answer, by their manifest alone.
    pub untouched: usize,
    /// One step for each run that was looked at.
    pub steps: Vec<ExplainedRun>,
}

/// The conditions of a filter as one text, for explanations.
pub fn describe(filter: &Filter) -> String {
    if filter.clauses.is_empty() {
        "everything".to_owned()
    } else {
        filter.clauses.iter().map(Clause::to_string).collect::<Vec<_>>().join(" and ")
    }
}
