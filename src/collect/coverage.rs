//! Coverage: from when on, and up to when, the events of a source are complete, and what is not
//! there. Who reads that there is no such event knows by it whether that means anything.

use super::fronts::Gap;
use super::round::{cursor_name, fronts_of};
use super::source::{Source, SourcePlan, Stretch};
use crate::engine::Engine;
use crate::error::Result;
use crate::event::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

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
    let resellers = resellers_read(engine, source, &plan);
    let lists = source.lists_of_resellers(resellers.iter())?;
    // States say nothing of what has happened.
    let of_events = plan.lists.iter().chain(&lists).filter(|list| !list.list.is_state());
    for list in of_events {
        let fronts = fronts_of(engine, source, list, (&plan, now))?;
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
    let declared: Vec<Gap> = source.declared.iter().filter_map(declared_gap).collect();
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
            gaps: united(told(together.gaps, &declared)).iter().map(gap).collect(),
            lag_s: (now.millis() - together.read).max(0) / 1_000,
            error: error.clone(),
        }
    };
    Ok(tenants.into_iter().map(shown).collect())
}

/// Returns the resellers whose lists were begun, of those that are found by asking.
fn resellers_read(engine: &Engine, source: &Source, plan: &SourcePlan) -> BTreeSet<String> {
    if plan.resellers.is_none() {
        return BTreeSet::new();
    }
    let cursors = engine.cursors_of(&cursor_name(&source.name, ""));
    let reseller = |list: &String| Some(list.split_once('@')?.1.to_owned());
    let found = cursors.keys().filter_map(reseller);
    found.filter(|id| !source.resellers.contains(id)).collect()
}

/// Returns gaps in the order of time; those that are the same stretch of several lists are one.
fn united(mut gaps: Vec<Gap>) -> Vec<Gap> {
    gaps.sort_by_key(|gap| (gap.from, gap.to));
    gaps.dedup();
    gaps
}

/// A gap that somebody has declared, with who and why.
fn declared_gap(stretch: &Stretch) -> Option<Gap> {
    let (from, to) = stretch.ends().ok()?;
    let reason = format!("declared by {}: {}", stretch.by, stretch.reason);
    Some(Gap { from, to, reason })
}

/// Returns gaps and those that were declared: what was declared is told as that.
fn told(gaps: Vec<Gap>, declared: &[Gap]) -> Vec<Gap> {
    let mut left = gaps;
    for known in declared {
        let cut = |gap: Gap| gap.without(known.from, known.to);
        left = left.into_iter().flat_map(cut).collect();
    }
    left.extend(declared.iter().cloned());
    left
}
