//! Up to where a list is read, and up to where it is settled.
//!
//! Records may appear late. So every moment is read twice: soon after it has passed, and again once
//! so much time has passed that nothing of it can still appear (the overlap). The list is read to
//! the first of these fronts and settled to the second; what was long past when it was read first
//! is settled by that. A list is complete up to where it is settled: this is what coverage tells.
//!
//! Each stretch is stored together with the fronts after it, so they are never ahead of what is
//! stored. A stretch that the source has no more is a gap, and is passed.

use super::window::Window;
use crate::event::Timestamp;
use serde::{Deserialize, Serialize};

/// How a list is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// How long records may appear late, in milliseconds.
    pub(super) overlap: i64,
    /// How long the source needs to show what has happened, in milliseconds.
    pub(super) settle: i64,
    /// The longest window, in milliseconds.
    pub(super) longest: i64,
    /// How long the source keeps what has happened, in milliseconds.
    pub(super) kept: Option<i64>,
}

/// A stretch of time that is not there, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Gap {
    /// Its first moment, in milliseconds since the epoch.
    pub(super) from: i64,
    /// The first moment after it.
    pub(super) to: i64,
    /// Why it is not there.
    pub(super) reason: String,
}

impl Gap {
    /// Returns what is left of it without a stretch of time.
    pub(super) fn without(self, from: i64, to: i64) -> impl Iterator<Item = Self> {
        let before = Self { to: self.to.min(from), ..self.clone() };
        let after = Self { from: self.from.max(to), ..self };
        [before, after].into_iter().filter(|part| part.from < part.to)
    }
}

/// How many gaps a list keeps apart; beyond it, the two that are nearest become one.
const GAPS_MAX: usize = 12;

/// Up to where a list is read; this is its cursor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fronts {
    /// What is read, as [`SourceList`](super::list::SourceList) tells it from others: a cursor is
    /// of that alone, whatever the source's name.
    #[serde(default)]
    pub(super) of: String,
    /// Where it begins, in milliseconds since the epoch.
    pub(super) since: i64,
    /// It is read up to here.
    pub(super) read: i64,
    /// It is complete up to here, but for the gaps.
    pub(super) settled: i64,
    /// What is not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) gaps: Vec<Gap>,
    /// What is read again, because an order says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    again: Option<Backfill>,
    /// When the last order was given that was carried out.
    #[serde(default)]
    backfilled: i64,
}

/// An order to read a stretch of time again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Backfill {
    /// When it was given, in milliseconds since the epoch.
    pub(super) at: i64,
    /// The first moment that is read again.
    pub(super) from: i64,
    /// The first moment after it.
    pub(super) to: i64,
}

impl Fronts {
    /// A list that was not read yet and begins here.
    pub(super) fn new(since: Timestamp) -> Self {
        let since = since.millis();
        Self {
            of: String::new(),
            since,
            read: since,
            settled: since,
            gaps: Vec::new(),
            again: None,
            backfilled: 0,
        }
    }

    /// Lets it begin earlier, with what the source has no more in between.
    pub(super) fn begin_earlier(&mut self, since: Timestamp) {
        let reason = "before the source was added, and it has no more of it".to_owned();
        self.add_gap(Gap { from: since.millis(), to: self.since, reason });
        self.since = since.millis();
    }

    /// Returns whether the source may have no more of what is to be settled next.
    pub(super) fn is_behind(&self, pace: &Pace, now: Timestamp) -> bool {
        pace.kept.is_some_and(|kept| self.settled < now.millis().saturating_sub(kept))
    }

    /// Passes over what the source has no more. Returns whether there is such a stretch.
    pub(super) fn pass_lost(&mut self, pace: &Pace, now: Timestamp) -> bool {
        let Some(kept) = pace.kept else { return false };
        let oldest = now.millis().saturating_sub(kept);
        if self.settled >= oldest {
            return false;
        }
        // What was read once is there, but what appeared late in it is not.
        let reason = if self.read > self.settled { "late records were lost" } else { "lost" };
        let reason = format!("{reason}: the source keeps {}", kept_for(pace));
        self.add_gap(Gap { from: self.settled, to: oldest, reason });
        self.settled = oldest;
        self.read = self.read.max(oldest);
        true
    }

    /// Takes up the next order to read something again, if none is under way.
    pub(super) fn take_order(&mut self, orders: &[Backfill]) {
        if self.again.is_none() {
            let next = orders.iter().filter(|order| order.at > self.backfilled);
            self.again = next.min_by_key(|order| order.at).copied();
        }
    }

    /// Notes that a stretch was read again: it is no gap.
    fn fill(&mut self, window: &Window, oldest: i64) {
        let to = window.to.millis();
        let from = window.from.millis().max(oldest).min(to);
        let gaps = std::mem::take(&mut self.gaps).into_iter();
        self.gaps = gaps.flat_map(|gap| gap.without(from, to)).collect();
        self.unite_gaps();
        if let Some(again) = &mut self.again {
            again.from = to;
            if again.from >= again.to {
                self.backfilled = again.at;
                self.again = None;
            }
        }
    }

    /// Notes a stretch that is not there.
    pub(super) fn add_gap(&mut self, gap: Gap) {
        if gap.to <= gap.from {
            return;
        }
        match self.gaps.iter_mut().find(|known| known.reason == gap.reason && known.to >= gap.from)
        {
            Some(known) if known.from <= gap.from => known.to = known.to.max(gap.to),
            _ => self.gaps.push(gap),
        }
        self.unite_gaps();
    }

    /// Makes one of the two nearest gaps until they are few: a cursor has a bound.
    fn unite_gaps(&mut self) {
        self.gaps.sort_by_key(|gap| gap.from);
        while self.gaps.len() > GAPS_MAX {
            let nearest = (1..self.gaps.len())
                .min_by_key(|at| self.gaps[*at].from - self.gaps[at - 1].to)
                .unwrap_or(1);
            let later = self.gaps.remove(nearest);
            self.gaps[nearest - 1].to = self.gaps[nearest - 1].to.max(later.to);
        }
    }

    /// Returns the next window to read at this moment; nothing if there is none. What is new comes
    /// before what is read again.
    pub(super) fn next(&self, pace: &Pace, now: Timestamp) -> Option<Window> {
        let shown = now.millis().saturating_sub(pace.settle);
        let past = shown.saturating_sub(pace.overlap);
        let cut = |from: i64, end: i64| {
            let to = from.saturating_add(pace.longest.max(1)).min(end);
            (to > from).then(|| Window::of(from, to))
        };
        let again = || {
            let order = self.again?;
            // An order about what is not there yet ends where that is.
            let to = order.from.saturating_add(pace.longest.max(1)).min(order.to);
            Some(Window { is_again: true, ..Window::of(order.from, to.max(order.from)) })
        };
        cut(self.read, shown).or_else(|| cut(self.settled, past.min(self.read))).or_else(again)
    }

    /// Returns the fronts after a window that was read from the first of these moments to the
    /// second. What the source had no more when it was read is not there.
    pub(super) fn after(
        &self,
        window: &Window,
        pace: &Pace,
        (begun, done): (Timestamp, Timestamp),
    ) -> Self {
        let mut after = self.clone();
        let oldest = pace.kept.map_or(i64::MIN, |kept| done.millis().saturating_sub(kept));
        if window.is_again {
            after.fill(window, oldest);
            return after;
        }
        if window.from.millis() < oldest && window.from.millis() >= after.settled {
            let to = window.to.millis().min(oldest);
            let reason = format!("lost while it was read: the source keeps {}", kept_for(pace));
            after.add_gap(Gap { from: window.from.millis(), to, reason });
        }
        let (from, to) = (window.from.millis(), window.to.millis());
        if from <= after.read {
            after.read = after.read.max(to);
        }
        let past = begun.millis().saturating_sub(pace.settle).saturating_sub(pace.overlap);
        if from <= after.settled {
            after.settled = after.settled.max(to.min(past));
        }
        after
    }
}

/// Returns in words how long a source keeps what has happened.
fn kept_for(pace: &Pace) -> String {
    let millis = pace.kept.unwrap_or_default();
    match (millis + 3_600_000) / 86_400_000 {
        0 => format!("{} h", millis / 3_600_000),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    proptest! {
        /// A source whose records appear late, by the overlap at most: whatever the times of the
        /// rounds, each record that happened before the settled front was read.
        #[test]
        fn what_is_settled_has_been_read_after_it_appeared(
            records in proptest::collection::vec((0..100_000_i64, 0..1_000_i64), 0..60),
            waits in proptest::collection::vec(1..5_000_i64, 1..80),
            (settle, longest) in (0..500_i64, 1..20_000_i64),
        ) {
            let pace = Pace { overlap: 1_000, settle, longest, kept: None };
            let mut fronts = Fronts::new(at(0));
            let mut seen = std::collections::HashSet::new();
            let mut now = 0;
            for wait in waits {
                now += wait;
                while let Some(window) = fronts.next(&pace, at(now)) {
                    prop_assert!((1..=longest).contains(&(window.to.millis() - window.from.millis())));
                    let appeared = |(_, (time, late)): &(usize, &(i64, i64))| {
                        window.from <= at(*time) && at(*time) < window.to && time + late + settle <= now
                    };
                    seen.extend(records.iter().enumerate().filter(appeared).map(|(index, _)| index));
                    let after = fronts.after(&window, &pace, (at(now), at(now)));
                    prop_assert!(after != fronts, "it goes on");
                    fronts = after;
                }
                prop_assert!(fronts.settled <= fronts.read);
                for (index, (time, _)) in records.iter().enumerate() {
                    prop_assert!(*time >= fronts.settled || seen.contains(&index), "{time}");
                }
            }
            // Nothing stays behind.
            prop_assert!(fronts.read >= now - settle && fronts.settled >= now - settle - 1_000);
        }
    }

    #[test]
    fn what_the_source_has_no_more_is_a_gap() {
        let day = 86_400_000;
        let pace = Pace { overlap: 1_000, settle: 0, longest: day, kept: Some(7 * day) };
        let mut fronts = Fronts::new(at(0));
        assert!(fronts.pass_lost(&pace, at(30 * day)) && !fronts.pass_lost(&pace, at(30 * day)));
        assert_eq!(fronts.next(&pace, at(30 * day)).map(|window| window.from), Some(at(23 * day)));
        let gap = &fronts.gaps[0];
        assert_eq!((gap.from, gap.to), (0, 23 * day));
        assert!(gap.reason.contains("7 days"), "{gap:?}");
        // One that goes on is one.
        assert!(fronts.pass_lost(&pace, at(40 * day)));
        assert_eq!((fronts.gaps.len(), fronts.gaps[0].to), (1, 33 * day));
    }

    #[test]
    fn an_order_reads_a_stretch_again_once_and_fills_what_was_a_gap() {
        let pace = Pace { overlap: 0, settle: 0, longest: 400, kept: None };
        let mut fronts = Fronts { read: 10_000, settled: 10_000, ..Fronts::new(at(0)) };
        for (from, to) in [(500, 2_000), (4_000, 5_000)] {
            fronts.add_gap(Gap { from, to, reason: format!("r{from}") });
        }
        let orders = [Backfill { at: 7, from: 1_000, to: 3_000 }];
        let mut read = Vec::new();
        for _ in 0..2 {
            fronts.take_order(&orders);
            while let Some(window) = fronts.next(&pace, at(10_000)) {
                read.push((window.from.millis(), window.to.millis()));
                fronts = fronts.after(&window, &pace, (at(10_000), at(10_000)));
            }
        }
        let whole: Vec<_> = (0..5).map(|at| (1_000 + at * 400, 1_400 + at * 400)).collect();
        assert_eq!(read, whole);
        let gaps: Vec<_> = fronts.gaps.iter().map(|gap| (gap.from, gap.to)).collect();
        assert_eq!(gaps, [(500, 1_000), (4_000, 5_000)]);
    }

    #[test]
    fn many_gaps_become_fewer_and_lose_nothing() {
        let mut fronts = Fronts::new(at(0));
        for number in 0..100 {
            let reason = format!("r{number}");
            fronts.add_gap(Gap { from: number * 10, to: number * 10 + 2, reason });
        }
        assert_eq!(fronts.gaps.len(), GAPS_MAX);
        for number in 0..100 {
            let is_known = |gap: &Gap| gap.from <= number * 10 && number * 10 + 2 <= gap.to;
            assert!(fronts.gaps.iter().any(is_known), "{number}");
        }
    }
}
