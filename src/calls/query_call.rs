//! The calls that ask questions, and the parameters that each takes.

/// A call that asks a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryCall {
    /// `GET /api/v1/events`.
    Events,
    /// `GET /api/v1/count`.
    Count,
    /// `GET /api/v1/facets`.
    Facets,
    /// `GET /api/v1/histogram`.
    Histogram,
    /// `GET /api/v1/top`.
    Top,
    /// `GET /api/v1/stats`.
    Stats,
    /// `GET /api/v1/values`.
    Values,
}

/// All calls that ask a question.
pub const CALLS: &[QueryCall] = &[
    QueryCall::Events,
    QueryCall::Count,
    QueryCall::Histogram,
    QueryCall::Facets,
    QueryCall::Top,
    QueryCall::Stats,
    QueryCall::Values,
];

impl QueryCall {
    /// Returns the path of the call.
    pub fn path(self) -> &'static str {
        match self {
            Self::Events => "/api/v1/events",
            Self::Count => "/api/v1/count",
            Self::Facets => "/api/v1/facets",
            Self::Histogram => "/api/v1/histogram",
            Self::Top => "/api/v1/top",
            Self::Stats => "/api/v1/stats",
            Self::Values => "/api/v1/values",
        }
    }

    /// Returns its parameters besides those of the filter.
    pub(crate) fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Events => &[
                "tenant", "explain", "partial", "path", "limit", "order", "cursor", "around",
                "original", "fields", "cut", "total", "hints",
            ],
            Self::Count => &["tenant", "explain", "partial", "path"],
            Self::Facets => &["tenant", "explain", "partial", "path", "fields", "size"],
            Self::Histogram => {
                &["tenant", "explain", "partial", "path", "interval", "by", "time_zone"]
            }
            Self::Top => &["tenant", "explain", "partial", "path", "field", "size"],
            Self::Stats => &["tenant", "explain", "partial", "path", "field", "by", "size"],
            Self::Values => &["tenant", "explain", "partial", "path", "field", "contains", "size"],
        }
    }
}
