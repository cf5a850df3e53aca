//! Choosing the segments that are merged next. These are pure functions of the segments that exist.

use super::cut::Most;
use std::collections::BTreeMap;

/// The number of segments of one size that are left alone.
const LEFT_ALONE: usize = 4;
/// The most segments that are merged at a time.
const MERGED_AT_A_TIME: usize = 64;
/// The most rows of segments that are cut by tenant together.
const SETTLED_ROWS_MAX: u64 = 4_000_000;
/// A date whose segments are all older than this is settled; a younger one only when there is
/// nothing else to do.
const SETTLED_AFTER_MS: i64 = 3_600_000;

/// What the choice needs to know about a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its id; ids ascend with time.
    pub id: String,
    /// The date of its events.
    pub date: String,
    /// Its rows.
    pub rows: u32,
    /// Bytes of its records.
    pub bytes: u64,
    /// The version of its decoders: segments of different versions are not merged.
    pub decoders: u32,
    /// How many tenants have rows in it.
    pub tenants: usize,
    /// When it was written.
    pub written: i64,
}

/// What the choice to settle a date depends on, besides its segments.
#[derive(Debug, Clone, Copy)]
pub struct SettleOccasion<'a> {
    /// The current time, in milliseconds since 1970.
    pub now: i64,
    /// The current date; it and later ones are still being filled.
    pub today: &'a str,
    /// Whether nothing has come in for a while.
    pub quiet: bool,
    /// Whether to settle whatever can be settled.
    pub all: bool,
}

/// Returns the segments to merge next, oldest first; none when the store is as it should be.
///
/// Segments of one date and of similar size (a power of four) are merged when there are more than
/// four of them, so an event is rewritten once for each step in size, not for each seal. `all`
/// merges whatever can be merged. A merged segment stays within `most`, since it is held in memory.
pub fn choose(segments: &[Candidate], most: Most, all: bool) -> Vec<String> {
    let mut groups: BTreeMap<(&str, u32, u32), Vec<&Candidate>> = BTreeMap::new();
    for segment in
        segments.iter().filter(|segment| segment.rows < most.rows && segment.bytes < most.bytes)
    {
        let size = if all { 0 } else { segment.rows.max(1).ilog2() / 2 };
        groups.entry((&segment.date, segment.decoders, size)).or_default().push(segment);
    }
    // Fewer than two would only be rewritten.
    let least = if all { 2 } else { LEFT_ALONE + 1 };
    let chosen = groups
        .into_values()
        .map(|group| fitting(group, most))
        .filter(|group| group.len() >= least)
        // The longest group removes the most segments with one merge.
        .max_by_key(Vec::len);
    chosen.unwrap_or_default().into_iter().map(|segment| segment.id.clone()).collect()
}

/// Returns the segments of a date to cut again by tenant, once the date is complete: a question
/// about a tenant then reads one of them, or a few, however many the date has. `runs_when_cut`
/// returns how many runs (a tenant in a segment) a set of segments would have after the cut.
///
/// A date is settled when its segments are an hour old, or when nothing else is to be done and what
/// is new is at least a quarter of the largest segment: so an event is not rewritten for each late
/// one. The cut must save a fifth of the runs.
pub fn settle(
    segments: &[Candidate],
    occasion: SettleOccasion<'_>,
    runs_when_cut: impl Fn(&[&Candidate]) -> usize,
) -> Vec<String> {
    let mut groups: BTreeMap<(&str, u32), Vec<&Candidate>> = BTreeMap::new();
    for segment in segments.iter().filter(|segment| occasion.all || *segment.date < *occasion.today)
    {
        groups.entry((&segment.date, segment.decoders)).or_default().push(segment);
    }
    let mut best: (usize, Vec<&Candidate>) = (0, Vec::new());
    for mut group in groups.into_values() {
        group.sort_by(|left, right| left.id.cmp(&right.id));
        let mut rows = 0;
        // Oldest first, up to a bound: the cut holds only some of a date's rows at a time.
        group.retain(|segment| {
            rows += u64::from(segment.rows);
            rows <= SETTLED_ROWS_MAX
        });
        let runs: usize = group.iter().map(|segment| segment.tenants).sum();
        if group.len() < 2 || runs <= best.0 || !is_due(&group, occasion) {
            continue;
        }
        let saved = runs.saturating_sub(runs_when_cut(&group));
        if saved > best.0 && saved * 5 >= runs {
            best = (saved, group);
        }
    }
    best.1.into_iter().map(|segment| segment.id.clone()).collect()
}

/// Returns whether a date is to be settled now.
fn is_due(group: &[&Candidate], occasion: SettleOccasion<'_>) -> bool {
    let aged = group.iter().all(|segment| segment.written + SETTLED_AFTER_MS <= occasion.now);
    let largest = group.iter().map(|segment| u64::from(segment.rows)).max().unwrap_or_default();
    let rows: u64 = group.iter().map(|segment| u64::from(segment.rows)).sum();
    occasion.all || aged || (occasion.quiet && (rows - largest) * 4 >= largest)
}

/// Returns as many segments of a group as fit into one: the smallest ones, in the order of their
/// ids.
fn fitting(mut group: Vec<&Candidate>, most: Most) -> Vec<&Candidate> {
    group.sort_by(|left, right| left.rows.cmp(&right.rows).then_with(|| left.id.cmp(&right.id)));
    let (mut rows, mut bytes) = (0, 0);
    let fits = group.iter().take(MERGED_AT_A_TIME).take_while(|segment| {
        (rows, bytes) = (rows + segment.rows, bytes + segment.bytes);
        rows <= most.rows && bytes <= most.bytes
    });
    let mut chosen: Vec<&Candidate> = fits.copied().collect();
    chosen.sort_by(|left, right| left.id.cmp(&right.id));
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    const MERGED_ROWS_MAX: u32 = 200_000;
    const MERGED_BYTES_MAX: u64 = 256 << 20;

    fn choose(segments: &[Candidate], all: bool) -> Vec<String> {
        super::choose(segments, Most { rows: MERGED_ROWS_MAX, bytes: MERGED_BYTES_MAX }, all)
    }

    fn segments(of: &[(&str, u32)]) -> Vec<Candidate> {
        let candidate = |(index, (date, rows)): (usize, &(&str, u32))| Candidate {
            id: format!("{index:03}"),
            date: (*date).to_owned(),
            rows: *rows,
            bytes: u64::from(*rows) * 700,
            decoders: 1,
            tenants: 10,
            written: 0,
        };
        of.iter().enumerate().map(candidate).collect()
    }

    #[test]
    fn a_few_of_a_size_are_left_alone_and_more_become_one() {
        assert_eq!(choose(&[], false), [""; 0]);
        assert_eq!(choose(&segments(&[("a", 10); 4]), false), [""; 0]);
        assert_eq!(choose(&segments(&[("a", 10); 5]), false).len(), 5);
        assert_eq!(
            choose(
                &segments(&[("a", 10), ("b", 10), ("a", 9), ("b", 9), ("a", 8), ("b", 8)]),
                false
            ),
            [""; 0]
        );
        // One large segment is not written again for five small ones.
        assert_eq!(
            choose(
                &segments(&[("a", 100_000), ("a", 9), ("a", 9), ("a", 9), ("a", 9), ("a", 9)]),
                false
            ),
            ["001", "002", "003", "004", "005"]
        );
        // What is merged must fit into memory.
        let mut long = segments(&[("a", 10); 6]);
        long.iter_mut().for_each(|segment| segment.bytes = MERGED_BYTES_MAX / 6 + 1);
        assert_eq!(choose(&long, false).len(), 5);
        long.iter_mut().for_each(|segment| segment.bytes = MERGED_BYTES_MAX / 4);
        assert_eq!(choose(&long, false), [""; 0]);
        // The longest group first.
        let mixed = [&[("a", 10); 5][..], &[("b", 10); 7]].concat();
        assert_eq!(choose(&segments(&mixed), false).len(), 7);
        assert_eq!(choose(&segments(&[("a", 10); 500]), false).len(), MERGED_AT_A_TIME);
    }

    #[test]
    fn all_that_can_be_merged_is_and_then_nothing_is() {
        assert_eq!(choose(&segments(&[("a", 10), ("a", 50_000), ("b", 5)]), true), ["000", "001"]);
        assert_eq!(choose(&segments(&[("a", MERGED_ROWS_MAX), ("a", 5)]), true), [""; 0]);
        assert_eq!(
            choose(&segments(&[("a", 150_000), ("a", 150_000), ("a", 150_000)]), true),
            [""; 0]
        );
        let mut mixed = segments(&[("a", 10), ("a", 10)]);
        mixed[1].decoders = 2;
        assert_eq!(choose(&mixed, true), [""; 0]);
    }

    #[test]
    fn a_date_is_settled_when_it_saves_runs_and_is_not_written_again_for_every_late_event() {
        let hour = SETTLED_AFTER_MS;
        let at = |now, quiet| SettleOccasion { now, today: "b", quiet, all: false };
        let ten = |_: &[&Candidate]| 10;
        let two = segments(&[
            ("a", 100_000),
            ("a", 30_000),
            ("b", 100_000),
            ("b", 100_000),
            ("b", 100_000),
        ]);
        assert_eq!(settle(&two, at(5, false), ten), [""; 0], "neither old nor quiet");
        assert_eq!(
            settle(&two, at(5, true), ten),
            ["000", "001"],
            "yesterday; today is still being filled"
        );
        assert_eq!(settle(&two, at(hour, false), ten), ["000", "001"]);
        assert_eq!(
            settle(&two, SettleOccasion { all: true, ..at(5, false) }, ten),
            ["002", "003", "004"],
            "what saves most first"
        );
        assert_eq!(
            settle(&two, at(hour, true), |_| 17),
            [""; 0],
            "three runs of twenty are not worth it"
        );
        let late = segments(&[("a", 100_000), ("a", 24_999)]);
        assert_eq!(settle(&late, at(hour - 1, true), ten), [""; 0]);
        assert_eq!(settle(&late, at(hour, true), ten), ["000", "001"]);
        let mut other = two.clone();
        other[1].decoders = 2;
        assert_eq!(settle(&other, at(hour, true), ten), [""; 0]);
        let many = segments(&[("a", 200_000); 30]);
        assert_eq!(settle(&many, at(hour, true), ten).len(), 20, "some at a time");
    }

    #[test]
    fn choosing_and_merging_comes_to_an_end_and_every_row_is_kept() {
        let sizes: Vec<(&str, u32)> = (0..400)
            .map(|number| (["a", "b"][number % 2], 1 + (number as u32 * 7_919) % 30_000))
            .collect();
        let mut left = segments(&sizes);
        let rows =
            |left: &[Candidate]| left.iter().map(|segment| u64::from(segment.rows)).sum::<u64>();
        let (all, mut steps) = (rows(&left), 0);
        loop {
            let chosen = choose(&left, false);
            if chosen.is_empty() {
                break;
            }
            let (merged, kept): (Vec<_>, Vec<_>) =
                left.into_iter().partition(|segment| chosen.contains(&segment.id));
            assert!(merged.iter().all(|segment| segment.date == merged[0].date));
            left = kept;
            steps += 1;
            left.push(Candidate {
                id: format!("m{steps:03}"),
                rows: merged.iter().map(|segment| segment.rows).sum(),
                ..merged[0].clone()
            });
            assert!(left.iter().all(|segment| segment.rows <= MERGED_ROWS_MAX));
        }
        assert_eq!(rows(&left), all);
        assert!(left.len() < 120 && steps < 150, "{} segments after {steps} steps", left.len());
    }
}
