//! How a question was answered, run by run.

use super::rows::plan::AnswerPath;

/// How one run was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedRun {
    /// The segment.
    pub segment: String,
    /// The tenant.
    pub tenant: String,
    /// The number of rows of the tenant in the period.
    pub rows: u32,
    /// The path that answered it.
    pub path: AnswerPath,
    /// Why this path was chosen.
    pub why: String,
    /// The number of rows whose columns or record were read to verify a clause.
    pub examined: u64,
    /// The number of bytes read from the data file for that. Indexes are mapped memory and not
    /// counted.
    pub bytes: u64,
    /// The number of rows that matched (for a list: that were gathered).
    pub matched: u64,
    /// The time it took, in microseconds.
    pub micros: u64,
}

/// How a question was answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explain {
    /// The number of segments that hold events of the tenants that were asked about.
    pub segments: usize,
    /// How many of these could be excluded by their manifest alone.
    pub untouched: usize,
    /// One step for each run that was visited.
    pub steps: Vec<ExplainedRun>,
}
