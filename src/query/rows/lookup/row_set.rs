//! Sets of rows as the index gives them, and their intersection in ascending order.

use crate::error::Result;
use crate::event::Field;
use crate::query::dictionary::vocabulary::Addressed;
use crate::storage::segment::{Codes, IndexReader};
use std::ops::Range;
use tantivy::postings::SegmentPostings;
use tantivy::{DocSet, TERMINATED};

/// Rows that a clause of the filter has.
pub(super) struct Served<'a> {
    pub(super) docs: RowSet<'a>,
    pub(super) negated: bool,
    /// At most this many rows.
    pub(super) size: u32,
}

impl<'a> Served<'a> {
    /// Rows that a match is among.
    pub(super) fn of(docs: RowSet<'a>) -> Self {
        Self { size: docs.size(), docs, negated: false }
    }
}

/// A set of rows.
pub(super) enum RowSet<'a> {
    /// One posting list.
    Postings(Box<SegmentPostings>),
    /// Those of any of these, and these rows.
    Union(Vec<SegmentPostings>, Vec<u32>),
    /// These rows, ascending.
    List(Vec<u32>),
    /// Those whose code is one of these.
    Coded(CodedRows<'a>),
}

/// Rows by their codes in a field of few values. Asking a row for its code is less than looking for
/// the row in a posting list, so posting lists are only opened to lead.
pub(super) struct CodedRows<'a> {
    pub(super) codes: &'a Codes,
    pub(super) wanted: WantedCodes,
    /// How many rows of the segment have one of them at most.
    pub(super) size: u32,
    pub(super) index: &'a IndexReader,
    pub(super) field: Field,
    /// The terms of the codes, if they are few.
    pub(super) terms: Vec<String>,
}

/// Which codes count.
#[derive(Debug, Clone)]
pub(in crate::query) enum WantedCodes {
    /// This one.
    One(u32),
    /// All from one up to another.
    Range(Range<u32>),
    /// Those for which there is `true`.
    Set(Vec<bool>),
    /// Those of addresses that were asked for.
    Addressed(Addressed),
}

impl WantedCodes {
    /// Whether a code is one of these.
    #[inline]
    pub(in crate::query) fn has(&self, code: u32) -> bool {
        match self {
            Self::One(wanted) => *wanted == code,
            Self::Range(range) => range.contains(&code),
            Self::Set(set) => set[code as usize],
            Self::Addressed(addressed) => addressed.has(code),
        }
    }

    /// Appends the rows of a range that have a code that counts.
    fn gather(&self, codes: &Codes, rows: Range<u32>, found: &mut Vec<u32>) {
        let mut row = rows.start;
        match self {
            Self::One(wanted) => codes.each(rows, |code| {
                if code == *wanted {
                    found.push(row);
                }
                row += 1;
            }),
            Self::Range(range) => codes.each(rows, |code| {
                if range.contains(&code) {
                    found.push(row);
                }
                row += 1;
            }),
            Self::Set(set) => codes.each(rows, |code| {
                if set[code as usize] {
                    found.push(row);
                }
                row += 1;
            }),
            Self::Addressed(addressed) => codes.each(rows, |code| {
                if addressed.has(code) {
                    found.push(row);
                }
                row += 1;
            }),
        }
    }
}

impl<'a> RowSet<'a> {
    /// The rows of any of these posting lists.
    pub(super) fn of(mut postings: Vec<SegmentPostings>) -> Self {
        match postings.len() {
            1 => Self::Postings(Box::new(postings.remove(0))),
            _ => Self::Union(postings, Vec::new()),
        }
    }

    /// At most how many rows.
    pub(super) fn size(&self) -> u32 {
        match self {
            Self::Postings(postings) => postings.size_hint(),
            Self::Union(postings, rows) => {
                postings.iter().map(DocSet::size_hint).fold(rows.len() as u32, u32::saturating_add)
            }
            Self::List(rows) => rows.len() as u32,
            Self::Coded(coded) => coded.size,
        }
    }

    /// The same rows as one ascending walk within `rows`; `leads` if it is the one that proposes
    /// rows.
    fn walk(self, rows: &Range<u32>, leads: bool) -> Result<RowIterator<'a>> {
        Ok(match self {
            Self::Postings(postings) => RowIterator::Postings(postings),
            Self::List(list) => RowIterator::List { list, at: 0 },
            Self::Union(union, mut list) => {
                let several = union.len() + usize::from(!list.is_empty()) > 1;
                for mut postings in union {
                    let mut doc = seek(&mut postings, rows.start);
                    while doc < rows.end {
                        list.push(doc);
                        doc = postings.advance();
                    }
                }
                let list = if several { in_order(list, rows) } else { list };
                RowIterator::List { list, at: 0 }
            }
            Self::Coded(coded) if leads => {
                let sparse = coded.size <= coded.index.rows() / SPARSE_SHARE;
                if sparse && !coded.terms.is_empty() {
                    let postings =
                        coded.terms.iter().map(|term| coded.index.postings(coded.field, term));
                    let postings: Vec<SegmentPostings> =
                        postings.filter_map(Result::transpose).collect::<Result<_>>()?;
                    return RowSet::of(postings).walk(rows, true);
                }
                RowIterator::Gathered {
                    coded,
                    found: Vec::new(),
                    at: 0,
                    next: rows.start,
                    end: rows.end,
                    step: GATHER_ROWS,
                }
            }
            Self::Coded(coded) => RowIterator::Coded(coded),
        })
    }
}

/// Rows of a range in order and once each. Many are marked in a map of the range, which costs less
/// than sorting them.
pub(super) fn in_order(mut list: Vec<u32>, rows: &Range<u32>) -> Vec<u32> {
    let inside = list.iter().all(|row| rows.contains(row));
    if list.len() < rows.len() / MAPPED_SHARE || !inside {
        list.sort_unstable();
        list.dedup();
        return list;
    }
    let mut map = vec![0_u64; rows.len().div_ceil(64)];
    for row in &list {
        let place = row - rows.start;
        map[place as usize / 64] |= 1 << (place % 64);
    }
    list.clear();
    for (word, first) in map.into_iter().zip((rows.start..).step_by(64)) {
        let mut left = word;
        while left != 0 {
            list.push(first + left.trailing_zeros());
            left &= left - 1;
        }
    }
    list
}

/// Rows are put in order by a map where they are at least one in so many.
const MAPPED_SHARE: usize = 64;
/// A value that fewer rows than one in so many have leads by its posting list, others by their
/// codes.
const SPARSE_SHARE: u32 = 8;
/// Rows whose codes are looked at first when codes lead; twice as many each time.
const GATHER_ROWS: u32 = 1_024;
/// Rows whose codes are looked at in one go at most.
const GATHER_ROWS_MAX: u32 = 65_536;

fn seek(postings: &mut SegmentPostings, target: u32) -> u32 {
    let here = postings.doc();
    // A posting list must not be asked to go back.
    if here >= target { here } else { postings.seek(target) }
}

/// An ascending walk over rows that can skip ahead.
enum RowIterator<'a> {
    Postings(Box<SegmentPostings>),
    List {
        list: Vec<u32>,
        at: usize,
    },
    /// Asked only whether it has a row.
    Coded(CodedRows<'a>),
    /// Rows from codes, some at a time.
    Gathered {
        coded: CodedRows<'a>,
        found: Vec<u32>,
        at: usize,
        next: u32,
        end: u32,
        step: u32,
    },
}

impl RowIterator<'_> {
    /// The first row at or after `target`; [`TERMINATED`] when there is none. Targets must not
    /// descend. Of codes that do not lead: `target` or some row after it.
    #[inline]
    fn seek(&mut self, target: u32) -> u32 {
        match self {
            Self::Postings(postings) => seek(postings, target),
            Self::List { list, at } => skip(list, at, target),
            Self::Coded(coded) => target + u32::from(!coded.wanted.has(coded.codes.get(target))),
            Self::Gathered { coded, found, at, next, end, step } => loop {
                let row = skip(found, at, target);
                if row != TERMINATED {
                    return row;
                }
                *next = target.max(*next);
                if *next >= *end {
                    return TERMINATED;
                }
                let until = next.saturating_add(*step).min(*end);
                found.clear();
                *at = 0;
                coded.wanted.gather(coded.codes, *next..until, found);
                *next = until;
                *step = GATHER_ROWS_MAX.min(*step * 2);
            },
        }
    }
}

/// The first item of an ascending list at or after `target`, from a place on.
#[inline]
fn skip(list: &[u32], at: &mut usize, target: u32) -> u32 {
    match list.get(*at) {
        Some(row) if *row >= target => return *row,
        Some(_) => {}
        None => return TERMINATED,
    }
    // Near first: most targets are the next item or one of the next few.
    let mut stride = 1;
    while list.get(*at + stride).is_some_and(|row| *row < target) {
        *at += stride;
        stride *= 2;
    }
    let end = list.len().min(*at + stride + 1);
    *at += list[*at..end].partition_point(|row| *row < target);
    list.get(*at).copied().unwrap_or(TERMINATED)
}

/// The intersection of all served conditions, in ascending order.
pub(super) struct Intersection<'a> {
    required: Vec<RowIterator<'a>>,
    excluded: Vec<RowIterator<'a>>,
    next: u32,
    end: u32,
}

impl<'a> Intersection<'a> {
    pub(super) fn new(mut served: Vec<Served<'a>>, rows: Range<u32>) -> Result<Self> {
        // The shortest list leads, the others are asked only at its rows.
        served.sort_by_key(|served| served.size);
        let (mut required, mut excluded) = (Vec::new(), Vec::new());
        for served in served {
            let walk = served.docs.walk(&rows, !served.negated && required.is_empty())?;
            if served.negated { excluded.push(walk) } else { required.push(walk) }
        }
        Ok(Self { required, excluded, next: rows.start, end: rows.end })
    }

    /// The next rows, at most `limit`.
    pub(super) fn take(&mut self, limit: usize) -> Vec<u32> {
        // One list is all there is to it.
        if let ([RowIterator::List { list, .. }], [], usize::MAX) =
            (self.required.as_mut_slice(), self.excluded.as_slice(), limit)
        {
            let rows = list.partition_point(|row| *row < self.next)
                ..list.partition_point(|row| *row < self.end);
            self.next = self.end;
            let mut list = std::mem::take(list);
            list.truncate(rows.end);
            list.drain(..rows.start);
            return list;
        }
        let mut rows = Vec::with_capacity(limit.min(1_024));
        while rows.len() < limit && self.next < self.end {
            let row = self.agree();
            if row >= self.end {
                self.next = self.end;
                break;
            }
            if !self.excluded.iter_mut().any(|walk| walk.seek(row) == row) {
                rows.push(row);
            }
            self.next = row + 1;
        }
        rows
    }

    /// Whether a row is one of these. Rows must be asked for in ascending order.
    pub(super) fn has(&mut self, row: u32) -> bool {
        self.next = row;
        self.agree() == row
    }

    /// The first row from `next` on that every required walk has.
    fn agree(&mut self) -> u32 {
        let mut row = self.next;
        'again: loop {
            for walk in &mut self.required {
                let found = walk.seek(row);
                if found >= self.end {
                    return TERMINATED;
                }
                if found > row {
                    row = found;
                    continue 'again;
                }
            }
            return row;
        }
    }
}
