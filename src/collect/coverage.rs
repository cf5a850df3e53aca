//! Coverage: from when on, and up to when, the events of a source are complete, and what is not
//! there. Who reads that there is no such event knows by it whether that means anything.

use super::fronts::Gap;
use super::round::fronts_of;
use super::source::Source;
use crate::engine::Engine;
use crate::error::Result;
use crate::event::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// How far a source is complete for a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceCoverage {
    /// The source.
    pub source: String,
    /// The tenant.
    pub tenant: String,
    /// It is complete from here on.
    pub from: String,
    /// It is complete up to here, but for the gaps; nothing yet if this is null.
    pub to: Option<String>,
    /// What is not there.
    pub gaps: Vec<ShownGap>,
    /// How long ago what was read last was, in seconds.
    pub lag_s: i64,
    /// Why it is not read, if it is not.
    pub error: Option<String>,
}

/// A gap as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownGap {
    /// Its first moment.
    pub from: String,
    /// The first moment after it.
    pub to: String,
    /// Why it is not there.
    pub reason: String,
}

/// Several lists for one tenant: it is complete where all of them are.
struct Together {
    since: i64,
    read: i64,
    settled: i64,
    gaps: Vec<Gap>,
}

/// Returns how far a source is complete, by tenant.
///
/// # Errors
/// A source or a cursor that cannot be read.
pub(super) fn covered(
    engine: &Engine,
    source: &Source,
    failed: Option<&str>,
    now: Timestamp,
) -> Result<Vec<SourceCoverage>> {
    let plan = source.plan()?;
    let mut tenants: BTreeMap<&str, Together> = BTreeMap::new();
    for list in &plan.lists {
        let fronts = fronts_of(engine, &source.name, list, &plan)?;
        let together = tenants.entry(&list.tenant).or_insert_with(|| Together {
            since: fronts.since,
            read: fronts.read,
            settled: fronts.settled,
            gaps: Vec::new(),
        });
        together.since = together.since.max(fronts.since);
        together.read = together.read.min(fronts.read);
        together.settled = together.settled.min(fronts.settled);
        together.gaps.extend(fronts.gaps);
    }
    let text = |millis: i64| Timestamp::from_millis(millis).to_string();
    let error = source.paused.as_ref().map(|pause| format!("paused: {}", pause.reason));
    let error = error.or_else(|| failed.map(str::to_owned));
    let shown = |(tenant, together): (&str, Together)| {
        let gap = |gap: &Gap| ShownGap {
            from: text(gap.from),
            to: text(gap.to),
            reason: gap.reason.clone(),
        };
        SourceCoverage {
            source: source.name.clone(),
            tenant: tenant.to_owned(),
            from: text(together.since),
            to: (together.settled > together.since).then(|| text(together.settled)),
            gaps: united(together.gaps).iter().map(gap).collect(),
            lag_s: (now.millis() - together.read).max(0) / 1_000,
            error: error.clone(),
        }
    };
    Ok(tenants.into_iter().map(shown).collect())
}

/// Returns gaps in the order of time; those that are the same stretch of several lists are one.
fn united(mut gaps: Vec<Gap>) -> Vec<Gap> {
    gaps.sort_by_key(|gap| (gap.from, gap.to));
    gaps.dedup();
    gaps
}
