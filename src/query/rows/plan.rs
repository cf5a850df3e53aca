//! Decides how a segment answers: pruned, by lookup, or by scan. Everything here is a pure function
//! of a few numbers, so every rule has a table test.

use crate::error::{Error, Result};
use std::fmt;

/// Up to this many candidates, a lookup verifies without further consideration: reading their
/// columns costs less than planning a scan.
const CANDIDATES_FEW: u32 = 65_536;
/// Above [`CANDIDATES_FEW`], a lookup must leave less than one row in this many to verify;
/// otherwise a scan is cheaper.
const CANDIDATES_SHARE: u32 = 16;

/// A way to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnswerPath {
    /// No row can match.
    Pruned,
    /// The summary of the segment has the counts.
    Summary,
    /// Posting lists and tables of ids provide the rows; what they cannot settle is verified on
    /// those rows.
    Lookup,
    /// The columns of all rows in question are read.
    Scan,
    /// Events that are not in a segment yet are tested one by one.
    Buffer,
}

impl AnswerPath {
    /// Parses the name of a path that may be requested.
    ///
    /// # Errors
    /// Any other name.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "lookup" => Ok(Self::Lookup),
            "scan" => Ok(Self::Scan),
            _ => Err(Error::parameter("path", "is lookup or scan")),
        }
    }
}

impl fmt::Display for AnswerPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Pruned => "pruned",
            Self::Summary => "summary",
            Self::Lookup => "lookup",
            Self::Scan => "scan",
            Self::Buffer => "buffer",
        })
    }
}

/// What is known about a filter in a segment before any row is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The number of rows of the tenant in the period.
    pub rows: u32,
    /// The smallest number of rows that any condition served by the index can have in the segment;
    /// `None` if the index serves none.
    pub narrowest: Option<u32>,
    /// A condition whose value does not occur in the segment, as text.
    pub absent: Option<String>,
    /// The conditions that only the columns can verify, as text.
    pub residual: Vec<String>,
    /// Whether all of those are about the record alone, which is read page by page in either case.
    pub records_only: bool,
}

/// A decision and its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The way to answer.
    pub path: AnswerPath,
    /// The reason, in words.
    pub why: String,
}

/// Decides how a segment answers. `forced` is the path requested by a test or a curious user. A
/// forced scan runs even if the index excludes all rows; only a period without rows is always
/// pruned.
pub fn choose(facts: &Facts, forced: Option<AnswerPath>) -> Choice {
    let choice = |path, why: String| Choice { path, why };
    if facts.rows == 0 {
        return choice(AnswerPath::Pruned, "no row of the tenant lies in the period".to_owned());
    }
    if let (Some(condition), None | Some(AnswerPath::Lookup)) = (&facts.absent, forced) {
        return choice(AnswerPath::Pruned, format!("no row has {condition}"));
    }
    if let Some(path) = forced {
        return choice(path, "asked for".to_owned());
    }
    if facts.residual.is_empty() {
        return choice(AnswerPath::Lookup, "the index answers every condition".to_owned());
    }
    let columns = facts.residual.join(" and ");
    if facts.records_only {
        return choice(AnswerPath::Lookup, format!("the records are searched for {columns}"));
    }
    match facts.narrowest {
        Some(candidates) if candidates <= CANDIDATES_FEW.max(facts.rows / CANDIDATES_SHARE) => {
            choice(
                AnswerPath::Lookup,
                format!("the index leaves at most {candidates} rows to verify {columns}"),
            )
        }
        Some(candidates) => choice(
            AnswerPath::Scan,
            format!("the index would leave up to {candidates} rows to verify {columns}"),
        ),
        None if facts.rows <= CANDIDATES_FEW => {
            choice(AnswerPath::Lookup, format!("only {} rows to verify {columns}", facts.rows))
        }
        None => choice(AnswerPath::Scan, format!("no index serves {columns}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(facts: &Facts, forced: Option<AnswerPath>, expected: AnswerPath) {
        assert_eq!(choose(facts, forced).path, expected, "{facts:?} {forced:?}");
    }

    #[test]
    fn the_cheapest_path_is_chosen() {
        let residual = || vec!["amount=5..".to_owned()];
        check(&Facts::default(), None, AnswerPath::Pruned);
        check(
            &Facts {
                rows: 10,
                absent: Some("source=X".into()),
                narrowest: Some(0),
                ..Facts::default()
            },
            None,
            AnswerPath::Pruned,
        );
        check(&Facts { rows: 1_000_000, ..Facts::default() }, None, AnswerPath::Lookup);
        check(
            &Facts { rows: 1_000_000, narrowest: Some(900_000), ..Facts::default() },
            None,
            AnswerPath::Lookup,
        );
        check(
            &Facts {
                rows: 1_000_000,
                narrowest: Some(900),
                residual: residual(),
                ..Facts::default()
            },
            None,
            AnswerPath::Lookup,
        );
        check(
            &Facts {
                rows: 1_000_000,
                narrowest: Some(900_000),
                residual: residual(),
                ..Facts::default()
            },
            None,
            AnswerPath::Scan,
        );
        check(
            &Facts { rows: 1_000_000, residual: residual(), ..Facts::default() },
            None,
            AnswerPath::Scan,
        );
        check(
            &Facts { rows: 100, residual: residual(), ..Facts::default() },
            None,
            AnswerPath::Lookup,
        );
    }

    #[test]
    fn a_forced_path_is_taken_where_rows_are_left() {
        let facts = Facts {
            rows: 100,
            absent: Some("source=X".into()),
            narrowest: Some(0),
            ..Facts::default()
        };
        check(&facts, Some(AnswerPath::Scan), AnswerPath::Scan);
        check(&facts, Some(AnswerPath::Lookup), AnswerPath::Pruned);
        check(&Facts::default(), Some(AnswerPath::Scan), AnswerPath::Pruned);
    }
}
