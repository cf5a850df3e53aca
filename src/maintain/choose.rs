//! Which segments are merged next.

use std::collections::BTreeMap;

/// Rows of a merged segment at most: what is merged is held in memory.
const MERGED_ROWS_MAX: u32 = 200_000;
/// Segments of one size that are left alone.
const LEFT_ALONE: usize = 4;
/// Segments that are merged at a time at most.
const MERGED_AT_A_TIME: usize = 64;

/// A segment, as far as the choice depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its id; ids ascend with time.
    pub id: String,
    /// The date of its events.
    pub date: String,
    /// Its rows.
    pub rows: u32,
    /// The version of its decoders: segments of different ones do not mix.
    pub decoders: u32,
}

/// The next segments to make one of, oldest first; none when the store is as it should be.
///
/// Segments of one date and about one size (a power of four) are merged when there are more than four of them, so
/// an event is written again once for each step in size, not for each seal. `all` merges whatever can be.
pub fn choose(segments: &[Candidate], all: bool) -> Vec<String> {
    let mut groups: BTreeMap<(&str, u32, u32), Vec<&Candidate>> = BTreeMap::new();
    for segment in segments.iter().filter(|segment| segment.rows < MERGED_ROWS_MAX) {
        let size = if all { 0 } else { segment.rows.max(1).ilog2() / 2 };
        groups.entry((&segment.date, segment.decoders, size)).or_default().push(segment);
    }
    let least = if all { 2 } else { LEFT_ALONE + 1 };
    let chosen = groups.into_values().map(fitting).filter(|group| group.len() >= least).max_by_key(Vec::len);
    chosen.unwrap_or_default().into_iter().map(|segment| segment.id.clone()).collect()
}

/// As many segments of a group as fit into one, smallest first, in the order of their ids.
fn fitting(mut group: Vec<&Candidate>) -> Vec<&Candidate> {
    group.sort_by(|left, right| left.rows.cmp(&right.rows).then_with(|| left.id.cmp(&right.id)));
    let mut rows = 0;
    let fits = group.iter().take(MERGED_AT_A_TIME).take_while(|segment| {
        rows += segment.rows;
        rows <= MERGED_ROWS_MAX
    });
    let mut chosen: Vec<&Candidate> = fits.copied().collect();
    chosen.sort_by(|left, right| left.id.cmp(&right.id));
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(of: &[(&str, u32)]) -> Vec<Candidate> {
        let candidate = |(place, (date, rows)): (usize, &(&str, u32))| Candidate {
            id: format!("{place:03}"),
            date: (*date).to_owned(),
            rows: *rows,
            decoders: 1,
        };
        of.iter().enumerate().map(candidate).collect()
    }

    #[test]
    fn a_few_of_a_size_are_left_alone_and_more_become_one() {
        assert_eq!(choose(&[], false), [""; 0]);
        assert_eq!(choose(&segments(&[("a", 10); 4]), false), [""; 0]);
        assert_eq!(choose(&segments(&[("a", 10); 5]), false).len(), 5);
        assert_eq!(choose(&segments(&[("a", 10), ("b", 10), ("a", 9), ("b", 9), ("a", 8), ("b", 8)]), false), [""; 0]);
        // One large segment is not written again for five small ones.
        assert_eq!(
            choose(&segments(&[("a", 100_000), ("a", 9), ("a", 9), ("a", 9), ("a", 9), ("a", 9)]), false),
            ["001", "002", "003", "004", "005"]
        );
        // The longest group first.
        let mixed = [&[("a", 10); 5][..], &[("b", 10); 7]].concat();
        assert_eq!(choose(&segments(&mixed), false).len(), 7);
        assert_eq!(choose(&segments(&[("a", 10); 500]), false).len(), MERGED_AT_A_TIME);
    }

    #[test]
    fn all_that_can_be_merged_is_and_then_nothing_is() {
        assert_eq!(choose(&segments(&[("a", 10), ("a", 50_000), ("b", 5)]), true), ["000", "001"]);
        assert_eq!(choose(&segments(&[("a", MERGED_ROWS_MAX), ("a", 5)]), true), [""; 0]);
        assert_eq!(choose(&segments(&[("a", 150_000), ("a", 150_000), ("a", 150_000)]), true), [""; 0]);
        let mut mixed = segments(&[("a", 10), ("a", 10)]);
        mixed[1].decoders = 2;
        assert_eq!(choose(&mixed, true), [""; 0]);
    }

    #[test]
    fn choosing_and_merging_comes_to_an_end_and_every_row_is_kept() {
        let sizes: Vec<(&str, u32)> = (0..400).map(|number| (["a", "b"][number % 2], 1 + (number as u32 * 7_919) % 30_000)).collect();
        let mut left = segments(&sizes);
        let rows = |left: &[Candidate]| left.iter().map(|segment| u64::from(segment.rows)).sum::<u64>();
        let (all, mut steps) = (rows(&left), 0);
        loop {
            let chosen = choose(&left, false);
            if chosen.is_empty() {
                break;
            }
            let (merged, kept): (Vec<_>, Vec<_>) = left.into_iter().partition(|segment| chosen.contains(&segment.id));
            assert!(merged.iter().all(|segment| segment.date == merged[0].date));
            left = kept;
            steps += 1;
            left.push(Candidate { id: format!("m{steps:03}"), rows: merged.iter().map(|segment| segment.rows).sum(), ..merged[0].clone() });
            assert!(left.iter().all(|segment| segment.rows <= MERGED_ROWS_MAX));
        }
        assert_eq!(rows(&left), all);
        assert!(left.len() < 120 && steps < 150, "{} segments after {steps} steps", left.len());
    }
}
