//! Where segments are cut that are made of several others: by tenant, so that a tenant's events of a date lie in as few of them
//! as can be, however many segments the date has.

use crate::error::{Error, Result};
use crate::event::{EventKey, Timestamp};
use crate::storage::segment::{Manifest, Segment};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// How large a merged segment may be, about: what is merged is held in memory, and records can be a MiB each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Most {
    /// Rows.
    pub rows: u32,
    /// Bytes of records.
    pub bytes: u64,
}

/// What goes into one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The tenants: from the first to the last, both included.
    tenants: (Box<str>, Box<str>),
    /// Of a tenant that fills several segments: the time from which on, and before which, events belong here; each may be open.
    times: Option<(Option<Timestamp>, Option<Timestamp>)>,
}

/// What is known of a tenant over several segments.
struct Total {
    rows: u64,
    /// Bytes of its records, if they are as long as others of their segments.
    bytes: u64,
    oldest: i64,
    newest: i64,
}

/// The pieces of these segments, of at most about so many events and bytes each. A tenant with more is cut into equal
/// parts of its time.
pub fn cut(segments: &[&Manifest], most: Most) -> Vec<Piece> {
    let mut pieces = Vec::new();
    // The tenants of the piece that is being filled, its rows and their bytes.
    let mut open: Option<(Box<str>, Box<str>, u64, u64)> = None;
    let close = |open: &mut Option<(Box<str>, Box<str>, u64, u64)>, pieces: &mut Vec<Piece>| {
        pieces.extend(open.take().map(|(first, last, ..)| Piece { tenants: (first, last), times: None }));
    };
    for (tenant, total) in totals(segments) {
        let parts = parts_of(&total, most);
        if parts > 1 {
            close(&mut open, &mut pieces);
            let span = (total.newest - total.oldest) / parts as i64 + 1;
            let bound = |part: u64| Some(Timestamp::from_millis(total.oldest + part as i64 * span));
            for part in 0..parts {
                let (from, to) = (bound(part).filter(|_| part > 0), bound(part + 1).filter(|_| part + 1 < parts));
                pieces.push(Piece { tenants: (tenant.into(), tenant.into()), times: Some((from, to)) });
            }
            continue;
        }
        match &mut open {
            Some((_, last, sum, bytes)) if *sum + total.rows <= u64::from(most.rows) && *bytes + total.bytes <= most.bytes => {
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
    pieces
}

/// How many runs (a tenant in a segment) there would be if these segments were cut anew.
pub fn runs_when_cut(segments: &[&Manifest], most: Most) -> usize {
    totals(segments).values().map(|total| parts_of(total, most) as usize).sum()
}

fn parts_of(total: &Total, most: Most) -> u64 {
    total.rows.div_ceil(u64::from(most.rows.max(1))).max(total.bytes.div_ceil(most.bytes.max(1)))
}

fn totals<'a>(segments: &[&'a Manifest]) -> BTreeMap<&'a str, Total> {
    let mut totals: BTreeMap<&str, Total> = BTreeMap::new();
    for (segment, tenant) in segments.iter().flat_map(|segment| segment.tenants.iter().map(move |tenant| (segment, tenant))) {
        let (oldest, newest) = (tenant.oldest().millis(), tenant.newest().millis());
        let total = totals.entry(&tenant.tenant).or_insert(Total { rows: 0, bytes: 0, oldest, newest });
        total.rows += u64::from(tenant.rows);
        total.bytes += u64::from(tenant.rows) * segment.record_bytes / u64::from(segment.rows.max(1));
        (total.oldest, total.newest) = (total.oldest.min(oldest), total.newest.max(newest));
    }
    totals
}

impl Piece {
    /// The rows of a segment that belong here: they are one range, since rows are sorted by tenant and time.
    ///
    /// # Errors
    /// An index that cannot be read.
    pub fn rows_of(&self, segment: &Arc<Segment>) -> Result<Range<u32>> {
        let tenants = &segment.manifest().tenants;
        let (first, last) = &self.tenants;
        let from = tenants.partition_point(|tenant| tenant.tenant < *first);
        let to = tenants.partition_point(|tenant| tenant.tenant <= *last);
        let inside = tenants.get(from..to).ok_or_else(|| Error::internal("tenants out of order"))?;
        let (Some(head), Some(tail)) = (inside.first(), inside.last()) else { return Ok(0..0) };
        let mut rows = head.range().start..tail.range().end;
        if let Some((from, to)) = self.times {
            let whole = rows.clone();
            let before = |moment: Timestamp| EventKey { time: moment, seq: 0 };
            if let Some(to) = to {
                rows.start = segment.seek(&whole, before(to), false)?;
            }
            if let Some(from) = from {
                rows.end = segment.seek(&whole, before(from), false)?;
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
            TenantRows { tenant: (*tenant).into(), first: first - rows, rows: *rows, newest: 9_999, oldest: 0 }
        };
        Manifest {
            version: Manifest::VERSION,
            id: String::new(),
            date: String::new(),
            tenants: tenants.iter().map(rows).collect(),
            rows: 0,
            first_seq: 0,
            last_seq: 0,
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

    fn shown(pieces: &[Piece]) -> Vec<String> {
        let times =
            |piece: &Piece| piece.times.map(|(from, to)| format!(" {:?}..{:?}", from.map(Timestamp::millis), to.map(Timestamp::millis)));
        pieces.iter().map(|piece| format!("{}-{}{}", piece.tenants.0, piece.tenants.1, times(piece).unwrap_or_default())).collect()
    }

    #[test]
    fn tenants_stay_whole_and_large_ones_are_cut_by_time() {
        let (one, two) = (manifest(&[("a", 30), ("b", 50), ("d", 10)]), manifest(&[("a", 20), ("c", 250), ("d", 10)]));
        let both = [&one, &two];
        assert_eq!(shown(&cut(&both, rows(1_000))), ["a-d"]);
        assert_eq!(runs_when_cut(&both, rows(1_000)), 4);
        assert_eq!(
            shown(&cut(&both, rows(100))),
            ["a-b", "c-c None..Some(3334)", "c-c Some(3334)..Some(6668)", "c-c Some(6668)..None", "d-d"]
        );
        assert_eq!(runs_when_cut(&both, rows(100)), 6);
        assert_eq!(
            shown(&cut(&both, rows(60))),
            [
                "a-a",
                "b-b",
                "c-c None..Some(2000)",
                "c-c Some(2000)..Some(4000)",
                "c-c Some(4000)..Some(6000)",
                "c-c Some(6000)..Some(8000)",
                "c-c Some(8000)..None",
                "d-d"
            ]
        );
        assert!(cut(&[], rows(100)).is_empty());
    }

    #[test]
    fn long_records_are_not_held_in_memory_together() {
        let long = |tenants: &[(&str, u32)], mib: u64| Manifest { rows: 100, record_bytes: mib << 20, ..manifest(tenants) };
        let (short, long) = (long(&[("a", 50), ("b", 50)], 1), long(&[("a", 50), ("b", 10), ("c", 40)], 500));
        assert_eq!(shown(&cut(&[&short], rows(1_000))), ["a-b"]);
        assert_eq!(shown(&cut(&[&short, &long], rows(1_000))), ["a-a", "b-c"]);
        let longer = Manifest { record_bytes: 1_000 << 20, ..long.clone() };
        assert_eq!(
            shown(&cut(&[&short, &longer], rows(1_000))),
            ["a-a None..Some(5000)", "a-a Some(5000)..None", "b-b", "c-c None..Some(5000)", "c-c Some(5000)..None"]
        );
        assert_eq!(runs_when_cut(&[&short, &longer], rows(1_000)), 5);
    }
}
