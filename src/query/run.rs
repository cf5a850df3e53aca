//! Runs: the rows of one tenant in one segment, or in a part of the buffer. Every question is
//! answered run by run.

use super::rows::plan::AnswerPath;
use super::source::RowSource;
use super::{ExplainedRun, Filter};
use crate::error::Result;
use crate::event::{EventKey, Timestamp};
use crate::filter::TenantPeriod;
use crate::storage::segment::TenantRows;
use std::borrow::Cow;
use std::ops::Range;
use std::time::Instant;

/// What stands for the tenant of a run that has the rows of all tenants of its source.
const ALL_TENANTS: &str = "*";

/// The rows of one tenant in one segment, or in a part of the buffer, that a question is about.
#[derive(Debug, Clone)]
pub(super) struct Run<'a> {
    pub(super) source: RowSource<'a>,
    pub(super) tenant: Cow<'a, TenantRows>,
}

impl<'a> Run<'a> {
    /// Combines the runs of all tenants of a source into one run.
    pub(super) fn of_all(source: RowSource<'a>, own: &[Run<'a>]) -> Self {
        let newest = own.iter().map(|run| run.tenant.newest).max().unwrap_or_default();
        let oldest = own.iter().map(|run| run.tenant.oldest).min().unwrap_or_default();
        let tenant = TenantRows {
            tenant: ALL_TENANTS.into(),
            first: 0,
            rows: source.rows(),
            newest,
            oldest,
        };
        Self { source, tenant: Cow::Owned(tenant) }
    }

    /// Returns whether the run has all tenants of its source, so that its rows are in time order
    /// only within each of them.
    pub(super) fn is_wide(&self) -> bool {
        self.tenant.rows == self.source.rows() && self.source.tenants().len() > 1
    }

    /// Returns the filter without what the tenant and the period of the run decide about it; `None`
    /// if none of its rows can match.
    pub(super) fn filter<'f>(&self, filter: &'f Filter) -> Option<Cow<'f, Filter>> {
        if *self.tenant.tenant == *ALL_TENANTS {
            return Some(Cow::Borrowed(filter));
        }
        filter.for_rows(TenantPeriod {
            tenant: &self.tenant.tenant,
            oldest: self.tenant.oldest(),
            newest: self.tenant.newest(),
        })
    }

    /// Returns the explanation of a run that was answered without reading rows.
    pub(super) fn step(&self, path: AnswerPath, why: String, started: Instant) -> ExplainedRun {
        ExplainedRun {
            segment: self.source.name().to_owned(),
            tenant: self.tenant.tenant.to_string(),
            rows: self.tenant.rows,
            path,
            why,
            examined: 0,
            bytes: 0,
            matched: 0,
            micros: started.elapsed().as_micros() as u64,
        }
    }

    /// Returns the rows of the tenant that lie in the filter's period.
    pub(super) fn range(&self, filter: &Filter) -> Result<Range<u32>> {
        let mut range = self.tenant.range();
        // No event has sequence number 0, so this key lies after every event of the moment itself.
        let before = |moment: Timestamp| EventKey { time: moment, seq: 0 };
        if let Some(to) = filter.to
            && self.tenant.newest() >= to
        {
            range.start = self.source.seek(&range, before(to), false)?;
        }
        if let Some(from) = filter.from
            && self.tenant.oldest() < from
        {
            range.end = self.source.seek(&range, before(from), false)?;
        }
        Ok(range)
    }
}
