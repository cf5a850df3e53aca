//! What an answer may miss: the stretches of a period that sources have not brought. Who reads that
//! there is no such event knows by it whether that means anything.

use super::coverage::SourceCoverage;
use crate::event::Timestamp;
use serde::Serialize;

/// Why a stretch is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingKind {
    /// It was before the source began.
    Before,
    /// The source did not have it when it was read.
    Gap,
    /// It is not read to the end yet: records may still appear.
    Uncollected,
}

impl MissingKind {
    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::Gap => "gap",
            Self::Uncollected => "uncollected",
        }
    }
}

/// A stretch of a period that a source has not brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MissingStretch {
    /// The source.
    pub source: String,
    /// The tenant.
    pub tenant: String,
    /// Why it is not there.
    pub kind: MissingKind,
    /// Its first moment within the period; nothing if the period has no beginning.
    pub from: Option<String>,
    /// The first moment after it.
    pub to: String,
    /// What is known of the reason.
    pub reason: Option<String>,
}

impl std::fmt::Display for MissingStretch {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let from = self.from.as_deref().map_or_else(String::new, |from| format!(" from {from}"));
        let why = match self.kind {
            MissingKind::Before => "before the source begins",
            MissingKind::Gap => self.reason.as_deref().unwrap_or("a gap"),
            MissingKind::Uncollected => "not collected to the end yet",
        };
        let Self { source, tenant, to, .. } = self;
        write!(out, "{tenant}: events{from} to {to} may be missing (source {source}: {why})")
    }
}

/// Returns what sources have not brought of a period, which ends now if it has no end.
pub fn missing(
    covered: &[SourceCoverage],
    (from, to): (Option<Timestamp>, Option<Timestamp>),
    now: Timestamp,
) -> Vec<MissingStretch> {
    let end = to.map_or(now, |to| to.min(now));
    let mut all = Vec::new();
    for own in covered {
        let mut tell =
            |kind, first: Option<Timestamp>, last: Timestamp, reason: Option<&String>| {
                let (first, last) = (first.max(from), last.min(end));
                if first.is_none_or(|first| first < last) && from.is_none_or(|from| from < last) {
                    let from = first.map(|first| first.to_string());
                    let (source, tenant) = (own.source.clone(), own.tenant.clone());
                    let (to, reason) = (last.to_string(), reason.cloned());
                    all.push(MissingStretch { source, tenant, kind, from, to, reason });
                }
            };
        let moment = |text: &str| Timestamp::parse(text).ok();
        let Some(begin) = moment(&own.from) else { continue };
        // A question without a beginning is not about what was before everything.
        if from.is_some() {
            tell(MissingKind::Before, None, begin, None);
        }
        for gap in &own.gaps {
            if let (first, Some(last)) = (moment(&gap.from), moment(&gap.to)) {
                tell(MissingKind::Gap, first, last, Some(&gap.reason));
            }
        }
        let complete = own.to.as_deref().and_then(moment).unwrap_or(begin);
        tell(MissingKind::Uncollected, Some(complete), end, own.error.as_ref());
    }
    // Gaps come first: where not all is told, what is told least is what is not collected yet.
    all.sort_by_key(|one| match one.kind {
        MissingKind::Gap => 0,
        MissingKind::Before => 1,
        MissingKind::Uncollected => 2,
    });
    all
}

#[cfg(test)]
mod tests {
    use super::super::coverage::ShownGap;
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect("a time")
    }

    #[test]
    fn what_is_told_is_what_of_the_period_was_not_brought() {
        let gap = ShownGap {
            from: "2026-06-03T00:00:00.000Z".into(),
            to: "2026-06-04T00:00:00.000Z".into(),
            reason: "lost".into(),
        };
        let covered = [SourceCoverage {
            source: "cloud".into(),
            tenant: "acme".into(),
            from: "2026-06-01T00:00:00.000Z".into(),
            to: Some("2026-06-10T00:00:00.000Z".into()),
            gaps: vec![gap],
            lag_s: 0,
            error: None,
        }];
        let told = |from: Option<&str>, to: Option<&str>| -> Vec<(&str, Option<String>, String)> {
            let period = (from.map(at), to.map(at));
            let told = missing(&covered, period, at("2026-06-11T00:00:00Z"));
            told.into_iter().map(|one| (one.kind.name(), one.from, one.to)).collect()
        };
        let moment = |text: &str| at(text).to_string();
        assert_eq!(told(Some("2026-06-05"), Some("2026-06-09")), []);
        assert_eq!(
            told(Some("2026-06-03T12:00:00Z"), Some("2026-06-09")),
            [("gap", Some(moment("2026-06-03T12:00:00Z")), moment("2026-06-04"))]
        );
        assert_eq!(
            told(Some("2026-05-01"), Some("2026-06-02")),
            [("before", Some(moment("2026-05-01")), moment("2026-06-01"))]
        );
        let open = told(None, None);
        assert_eq!(open.iter().map(|one| one.0).collect::<Vec<_>>(), ["gap", "uncollected"]);
        assert_eq!(open[1].1, Some(moment("2026-06-10")));
        assert_eq!(told(Some("2026-06-10T12:00:00Z"), None).len(), 1);
        assert_eq!(told(Some("2026-06-12"), None), [], "nothing has happened there yet");
    }
}
