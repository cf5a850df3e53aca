//! Cutting merged segments by tenant, so that a tenant's events of a date lie in as few of them as
//! possible, however many segments the date has.

use crate::error::{Error, Result};
use crate::event::{EventKey, Timestamp};
use crate::storage::segment::{Manifest, Segment};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// How large a merged segment may be, approximately: what is merged is held in memory, and records
/// can be a MiB each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Most {
    /// Rows.
    pub rows: u32,
    /// Bytes of records.
    pub bytes: u64,
}

/// The events that go into one merged segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentPiece {
    /// The first and the last tenant, both included.
    tenants: (Box<str>, Box<str>),
    /// For a tenant that fills several segments: the keys in its list from which on, and before
    /// which, events belong here; each may be open. The bounds are keys and not times, because any
    /// number of events may have the same time.
    positions: Option<(Option<EventKey>, Option<EventKey>)>,
}

/// The totals of a tenant over several segments.
struct TenantTotal {
    rows: u64,
    /// Bytes of its records, assuming the average record length of their segments.
    bytes: u64,
    oldest: i64,
    newest: i64,
    /// No event of its segments has a higher sequence number.
    last_seq: u64,
}

/// Divides these segments into pieces of at most `most.rows` events and about `most.bytes` bytes
/// each. A tenant with more is cut into parts of equally many events.
///
/// # Errors
/// If an index cannot be read.
pub fn cut(segments: &[Arc<Segment>], most: Most) -> Result<Vec<SegmentPiece>> {
    let manifests: Vec<&Manifest> = segments.iter().map(|segment| segment.manifest()).collect();
    let before = |tenant: &str, key: EventKey| {
        let rows =
            segments.iter().filter_map(|segment| Some((segment, segment.tenant(tenant)?.range())));
        let counts =
            rows.map(|(segment, rows)| Ok(u64::from(rows.end - segment.seek(&rows, key, false)?)));
        counts.sum::<Result<u64>>()
    };
    pieces(&manifests, most, &before)
}

/// Divides segments as [`cut`] does; `before` counts the events of a tenant that precede a key in
/// its list.
fn pieces(
    segments: &[&Manifest],
    most: Most,
    before: &dyn Fn(&str, EventKey) -> Result<u64>,
) -> Result<Vec<SegmentPiece>> {
    let mut pieces = Vec::new();
    // The first and last tenant of the piece that is being filled, its rows and their bytes.
    let mut open: Option<(Box<str>, Box<str>, u64, u64)> = None;
    let close = |open: &mut Option<(Box<str>, Box<str>, u64, u64)>,
                 pieces: &mut Vec<SegmentPiece>| {
        pieces.extend(
            open.take()
                .map(|(first, last, ..)| SegmentPiece { tenants: (first, last), positions: None }),
        );
    };
    for (tenant, total) in totals(segments) {
        let parts = parts_of(&total, most);
        // A tenant that fills several segments shares none of them with others.
        if parts > 1 {
            close(&mut open, &mut pieces);
            let mut from = None;
            for part in 1..=parts {
                let wanted = (u128::from(total.rows) * u128::from(part) / u128::from(parts)) as u64;
                let to = if part < parts {
                    Some(position(&total, wanted, |key| before(tenant, key))?)
                } else {
                    None
                };
                pieces.push(SegmentPiece {
                    tenants: (tenant.into(), tenant.into()),
                    positions: Some((from, to)),
                });
                from = to;
            }
            continue;
        }
        match &mut open {
            Some((_, last, sum, bytes))
                if *sum + total.rows <= u64::from(most.rows)
                    && *bytes + total.bytes <= most.bytes =>
            {
                *last = tenant.into();
                (*sum, *bytes) = (*sum + total.rows, *bytes + total.bytes);
            }
            _ => {
                close(&mut open, &mut pieces);
                open = Some((tenant.into(), tenant.into(), total.rows, total.bytes));
            }
        }
    }
    close(&mut open, &mut pieces);
    Ok(pieces)
}

/// Returns the first key in a tenant's list that at least `wanted` of its events precede. It is
/// found by binary search: first for the time, then for the sequence number among equal times.
fn position(
    total: &TenantTotal,
    wanted: u64,
    before: impl Fn(EventKey) -> Result<u64>,
) -> Result<EventKey> {
    let at = |time: i64, seq: u64| EventKey { time: Timestamp::from_millis(time), seq };
    // The events of a millisecond are those before the next one, so the time is the first whose
    // next millisecond has enough events before it.
    let (mut low, mut high) = (total.oldest, total.newest);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(at(middle + 1, 0))? >= wanted { high = middle } else { low = middle + 1 }
    }
    let time = low;
    let (mut low, mut high) = (0, total.last_seq + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(at(time, middle))? >= wanted { high = middle } else { low = middle + 1 }
    }
    Ok(at(time, low))
}

/// Returns how many runs (a tenant in a segment) there would be if these segments were cut again.
pub fn runs_when_cut(segments: &[&Manifest], most: Most) -> usize {
    totals(segments).values().map(|total| parts_of(total, most) as usize).sum()
}

/// Returns into how many segments a tenant has to be cut.
fn parts_of(total: &TenantTotal, most: Most) -> u64 {
    total.rows.div_ceil(u64::from(most.rows.max(1))).max(total.bytes.div_ceil(most.bytes.max(1)))
}

/// Sums up the rows and bytes of each tenant over these segments.
fn totals<'a>(segments: &[&'a Manifest]) -> BTreeMap<&'a str, TenantTotal> {
    let mut totals: BTreeMap<&str, TenantTotal> = BTreeMap::new();
    for (segment, tenant) in segments
        .iter()
        .flat_map(|segment| segment.tenants.iter().map(move |tenant| (segment, tenant)))
    {
        let (oldest, newest) = (tenant.oldest().millis(), tenant.newest().millis());
        let total = totals.entry(&tenant.tenant).or_insert(TenantTotal {
            rows: 0,
            bytes: 0,
            oldest,
            newest,
            last_seq: 0,
        });
        total.rows += u64::from(tenant.rows);
        total.bytes +=
            u64::from(tenant.rows) * segment.record_bytes / u64::from(segment.rows.max(1));
        (total.oldest, total.newest) = (total.oldest.min(oldest), total.newest.max(newest));
        total.last_seq = total.last_seq.max(segment.last_seq);
    }
    totals
}

impl SegmentPiece {
    /// Returns the rows of a segment that belong to this piece: they are one range, since rows are
    /// sorted by tenant and time.
    ///
    /// # Errors
    /// If an index cannot be read.
    pub fn rows_of(&self, segment: &Arc<Segment>) -> Result<Range<u32>> {
        let tenants = &segment.manifest().tenants;
        let (first, last) = &self.tenants;
        let from = tenants.partition_point(|tenant| tenant.tenant < *first);
        let to = tenants.partition_point(|tenant| tenant.tenant <= *last);
        let inside =
            tenants.get(from..to).ok_or_else(|| Error::internal("tenants out of order"))?;
        let (Some(head), Some(tail)) = (inside.first(), inside.last()) else { return Ok(0..0) };
        let mut rows = head.range().start..tail.range().end;
        if let Some((from, to)) = self.positions {
            let whole = rows.clone();
            // Rows are sorted newest first: the later key bounds the start.
            if let Some(to) = to {
                rows.start = segment.seek(&whole, to, false)?;
            }
            if let Some(from) = from {
                rows.end = segment.seek(&whole, from, false)?;
            }
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::segment::{FileMark, TenantRows};

    fn manifest(tenants: &[(&str, u32)]) -> Manifest {
        let mut first = 0;
        let rows = |(tenant, rows): &(&str, u32)| {
            first += rows;
            TenantRows {
                tenant: (*tenant).into(),
                first: first - rows,
                rows: *rows,
                newest: 9_999,
                oldest: 0,
            }
        };
        Manifest {
            version: Manifest::VERSION,
            id: String::new(),
            date: String::new(),
            tenants: tenants.iter().map(rows).collect(),
            rows: 0,
            first_seq: 0,
            last_seq: 1_000_000,
            suspects: 0,
            record_bytes: 0,
            decoders: 1,
            data: FileMark::of(&[]),
            index: FileMark::of(&[]),
        }
    }

    fn rows(rows: u32) -> Most {
        Most { rows, bytes: 256 << 20 }
    }

    /// The pieces, and of those that are cut out of one tenant how many events are in each: the
    /// n-th event of a tenant has the n-th of `times`.
    fn shown(segments: &[&Manifest], most: Most, time_of: &dyn Fn(u64, u64) -> u64) -> Vec<String> {
        let totals = totals(segments);
        let before = |tenant: &str, key: EventKey| {
            let rows = totals[tenant].rows;
            Ok((0..rows)
                .filter(|n| (time_of(*n, rows) as i64, *n) < (key.time.millis(), key.seq))
                .count() as u64)
        };
        let pieces = pieces(segments, most, &before).expect("nothing is read");
        let count = |piece: &SegmentPiece| {
            let (from, to) = piece.positions?;
            let tenant = &piece.tenants.0;
            let first = from.map_or(0, |from| before(tenant, from).expect("nothing is read"));
            Some(
                to.map_or(totals[&**tenant].rows, |to| {
                    before(tenant, to).expect("nothing is read")
                }) - first,
            )
        };
        let counted = |piece: &SegmentPiece| {
            count(piece).map(|count| format!(" {count}")).unwrap_or_default()
        };
        pieces
            .iter()
            .map(|piece| format!("{}-{}{}", piece.tenants.0, piece.tenants.1, counted(piece)))
            .collect()
    }

    /// Times that are spread evenly.
    fn even(n: u64, rows: u64) -> u64 {
        n * 10_000 / rows
    }

    #[test]
    fn tenants_stay_whole_and_large_ones_are_cut_into_equal_parts() {
        let (one, two) = (
            manifest(&[("a", 30), ("b", 50), ("d", 10)]),
            manifest(&[("a", 20), ("c", 250), ("d", 10)]),
        );
        let both = [&one, &two];
        assert_eq!(shown(&both, rows(1_000), &even), ["a-d"]);
        assert_eq!(runs_when_cut(&both, rows(1_000)), 4);
        assert_eq!(shown(&both, rows(100), &even), ["a-b", "c-c 83", "c-c 83", "c-c 84", "d-d"]);
        assert_eq!(runs_when_cut(&both, rows(100)), 6);
        assert_eq!(
            shown(&both, rows(60), &even),
            ["a-a", "b-b", "c-c 50", "c-c 50", "c-c 50", "c-c 50", "c-c 50", "d-d"]
        );
        assert!(shown(&[], rows(100), &even).is_empty());
    }

    #[test]
    fn events_of_one_time_are_cut_by_their_numbers() {
        let one = manifest(&[("a", 1_000)]);
        let all_equal = |_: u64, _: u64| 0;
        assert_eq!(shown(&[&one], rows(300), &all_equal), ["a-a 250"; 4]);
        let newest = |_: u64, _: u64| 9_999;
        assert_eq!(shown(&[&one], rows(300), &newest), ["a-a 250"; 4]);
        let most_equal = |n: u64, _: u64| if n < 100 { n } else { 5_000 };
        assert_eq!(shown(&[&one], rows(300), &most_equal), ["a-a 250"; 4]);
    }

    #[test]
    fn long_records_are_not_held_in_memory_together() {
        let long = |tenants: &[(&str, u32)], mib: u64| Manifest {
            rows: 100,
            record_bytes: mib << 20,
            ..manifest(tenants)
        };
        let (short, long) =
            (long(&[("a", 50), ("b", 50)], 1), long(&[("a", 50), ("b", 10), ("c", 40)], 500));
        assert_eq!(shown(&[&short], rows(1_000), &even), ["a-b"]);
        assert_eq!(shown(&[&short, &long], rows(1_000), &even), ["a-a", "b-c"]);
        let longer = Manifest { record_bytes: 1_000 << 20, ..long.clone() };
        assert_eq!(
            shown(&[&short, &longer], rows(1_000), &even),
            ["a-a 50", "a-a 50", "b-b", "c-c 20", "c-c 20"]
        );
        assert_eq!(runs_when_cut(&[&short, &longer], rows(1_000)), 5);
    }
}
