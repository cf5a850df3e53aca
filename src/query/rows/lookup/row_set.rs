//! Sets of rows as the index provides them, and their intersection in ascending order.

use crate::error::Result;
use crate::event::Field;
use crate::query::dictionary::vocabulary::TestedCodes;
use crate::storage::segment::{Codes, IndexReader};
use std::ops::Range;
use tantivy::postings::SegmentPostings;
use tantivy::{DocSet, TERMINATED};

/// Rows that satisfy (or, if negated, do not satisfy) one clause of the filter.
pub(super) struct Conjunct<'a> {
    pub(super) set: RowSet<'a>,
    pub(super) negated: bool,
    /// An upper bound on the number of rows.
    pub(super) size: u32,
}

impl<'a> Conjunct<'a> {
    /// Creates a required set: every match is one of these rows.
    pub(super) fn of(set: RowSet<'a>) -> Self {
        Self { size: set.size(), set, negated: false }
    }
}

/// A set of rows.
pub(super) enum RowSet<'a> {
    /// One posting list.
    Postings(Box<SegmentPostings>),
    /// The union of these posting lists and these rows.
    Union(Vec<SegmentPostings>, Vec<u32>),
    /// An ascending list of rows.
    List(Vec<u32>),
    /// The rows whose code is one of the wanted ones.
    Coded(CodedRows<'a>),
}

/// Rows by their codes in a field with few values. Reading a row's code is cheaper than looking the
/// row up in a posting list, so posting lists are opened only when they lead the intersection.
pub(super) struct CodedRows<'a> {
    pub(super) codes: &'a Codes,
    pub(super) wanted: WantedCodes,
    /// An upper bound on the number of rows of the segment that have one of the codes.
    pub(super) size: u32,
    pub(super) index: &'a IndexReader,
    pub(super) field: Field,
    /// The terms of the codes, if there are only a few; empty otherwise.
    pub(super) terms: Vec<String>,
}

/// Which codes satisfy a condition.
#[derive(Debug, Clone)]
pub(in crate::query) enum WantedCodes {
    /// Exactly this one.
    One(u32),
    /// A contiguous range of codes.
    Range(Range<u32>),
    /// The codes whose entry is `true`.
    Set(Vec<bool>),
    /// The codes of the requested addresses.
    Tested(TestedCodes),
}

impl WantedCodes {
    /// Returns whether a code is one of the wanted ones.
    #[inline]
    pub(in crate::query) fn has(&self, code: u32) -> bool {
        match self {
            Self::One(wanted) => *wanted == code,
            Self::Range(range) => range.contains(&code),
            Self::Set(set) => set[code as usize],
            Self::Tested(tested) => tested.has(code),
        }
    }

    /// Appends the rows of a range whose code is wanted.
    fn gather(&self, codes: &Codes, rows: Range<u32>, found: &mut Vec<u32>) {
        // The match is outside the loops, so each loop tests one kind of set.
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
            Self::Tested(tested) => codes.each(rows, |code| {
                if tested.has(code) {
                    found.push(row);
                }
                row += 1;
            }),
        }
    }
}

impl<'a> RowSet<'a> {
    /// Creates the union of these posting lists.
    pub(super) fn of(mut postings: Vec<SegmentPostings>) -> Self {
        match postings.len() {
            1 => Self::Postings(Box::new(postings.remove(0))),
            _ => Self::Union(postings, Vec::new()),
        }
    }

    /// Returns an upper bound on the number of rows.
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

    /// Turns the set into an iterator over its rows within `rows`, in ascending order. `leads` is
    /// set for the one iterator that proposes rows; the others only confirm them.
    fn walk(self, rows: &Range<u32>, leads: bool) -> Result<RowIterator<'a>> {
        Ok(match self {
            Self::Postings(postings) => RowIterator::Postings(postings),
            Self::List(list) => RowIterator::List { list, at: 0 },
            Self::Union(union, mut list) => {
                // Several lists are merged into one now, so that the intersection seeks in a single
                // list.
                let several = union.len() + usize::from(!list.is_empty()) > 1;
                for mut postings in union {
                    // Only the part within the range is read.
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
                // A rare value has a short posting list, which finds its rows without reading any
                // codes.
                let sparse = coded.size <= coded.index.rows() / SPARSE_SHARE;
                if sparse && !coded.terms.is_empty() {
                    let postings =
                        coded.terms.iter().map(|term| coded.index.postings(coded.field, term));
                    let postings: Vec<SegmentPostings> =
                        postings.filter_map(Result::transpose).collect::<Result<_>>()?;
                    return RowSet::of(postings).walk(rows, true);
                }
                // A frequent value leads by its codes: they are scanned in growing steps, as far as
                // needed.
                RowIterator::Gathered {
                    coded,
                    found: Vec::new(),
                    at: 0,
                    next: rows.start,
                    end: rows.end,
                    step: GATHER_ROWS,
                }
            }
            // A set that does not lead only answers whether it has a row, which takes one code.
            Self::Coded(coded) => RowIterator::Coded(coded),
        })
    }
}

/// Sorts the rows of a range and removes duplicates. When there are many, they are marked in a
/// bitmap of the range, which is cheaper than sorting.
pub(super) fn in_order(mut list: Vec<u32>, rows: &Range<u32>) -> Vec<u32> {
    let inside = list.iter().all(|row| rows.contains(row));
    // A sparse list would leave most of the bitmap empty, and rows outside the range do not fit in
    // it.
    if list.len() < rows.len() / MAPPED_SHARE || !inside {
        list.sort_unstable();
        list.dedup();
        return list;
    }
    let mut map = vec![0_u64; rows.len().div_ceil(64)];
    for row in &list {
        let position = row - rows.start;
        map[position as usize / 64] |= 1 << (position % 64);
    }
    // The set bits are read back from the lowest up, which gives each row once and in order.
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

/// Rows are sorted with a bitmap if there is at least one row in this many.
const MAPPED_SHARE: usize = 64;
/// A value leads by its posting list if at most one row in this many has it, otherwise by its
/// codes.
const SPARSE_SHARE: u32 = 8;
/// Number of rows whose codes are scanned first when codes lead; doubled each time.
const GATHER_ROWS: u32 = 1_024;
/// Maximum number of rows whose codes are scanned in one step.
const GATHER_ROWS_MAX: u32 = 65_536;

fn seek(postings: &mut SegmentPostings, target: u32) -> u32 {
    let here = postings.doc();
    // A posting list must not be asked to move backwards.
    if here >= target { here } else { postings.seek(target) }
}

/// An ascending iterator over rows that can skip ahead.
enum RowIterator<'a> {
    Postings(Box<SegmentPostings>),
    List {
        list: Vec<u32>,
        at: usize,
    },
    /// Codes that are only asked whether a row is in the set.
    Coded(CodedRows<'a>),
    /// Rows found by scanning codes, one step at a time.
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
    /// Returns the first row at or after `target`, or [`TERMINATED`] if there is none. Targets must
    /// not descend. For codes that do not lead, returns `target` if it is in the set and the row
    /// after it otherwise.
    #[inline]
    fn seek(&mut self, target: u32) -> u32 {
        match self {
            Self::Postings(postings) => seek(postings, target),
            Self::List { list, at } => skip(list, at, target),
            // The next row that may be in the set is not searched for: the leader proposes it
            // anyway.
            Self::Coded(coded) => target + u32::from(!coded.wanted.has(coded.codes.get(target))),
            Self::Gathered { coded, found, at, next, end, step } => loop {
                let row = skip(found, at, target);
                if row != TERMINATED {
                    return row;
                }
                // Everything found so far lies before the target, so the scan goes on from there.
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

/// Advances `at` to the first item of an ascending list that is at or after `target`, and returns
/// it.
#[inline]
fn skip(list: &[u32], at: &mut usize, target: u32) -> u32 {
    match list.get(*at) {
        Some(row) if *row >= target => return *row,
        Some(_) => {}
        None => return TERMINATED,
    }
    // Gallop first: most targets are the next item or one of the next few.
    let mut stride = 1;
    while list.get(*at + stride).is_some_and(|row| *row < target) {
        *at += stride;
        stride *= 2;
    }
    // The item lies within the last stride, which is searched by bisection.
    let end = list.len().min(*at + stride + 1);
    *at += list[*at..end].partition_point(|row| *row < target);
    list.get(*at).copied().unwrap_or(TERMINATED)
}

/// The intersection of all sets that the index provides, in ascending order of rows.
pub(super) struct Intersection<'a> {
    required: Vec<RowIterator<'a>>,
    excluded: Vec<RowIterator<'a>>,
    next: u32,
    end: u32,
}

impl<'a> Intersection<'a> {
    pub(super) fn new(mut conjuncts: Vec<Conjunct<'a>>, rows: Range<u32>) -> Result<Self> {
        // The smallest set leads; the others are asked only about its rows.
        conjuncts.sort_by_key(|conjuncts| conjuncts.size);
        let (mut required, mut excluded) = (Vec::new(), Vec::new());
        for conjuncts in conjuncts {
            // A negated set cannot lead: it says which rows are out, not which are in.
            let walk = conjuncts.set.walk(&rows, !conjuncts.negated && required.is_empty())?;
            if conjuncts.negated { excluded.push(walk) } else { required.push(walk) }
        }
        Ok(Self { required, excluded, next: rows.start, end: rows.end })
    }

    /// Returns the next rows, at most `limit`.
    pub(super) fn take(&mut self, limit: usize) -> Vec<u32> {
        // If a single list is all there is and no limit applies, it is the answer.
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
            // Excluded sets are asked last, and only about rows that all required sets have.
            if !self.excluded.iter_mut().any(|walk| walk.seek(row) == row) {
                rows.push(row);
            }
            self.next = row + 1;
        }
        rows
    }

    /// Returns whether a row is in the intersection. Rows must be asked for in ascending order.
    pub(super) fn has(&mut self, row: u32) -> bool {
        self.next = row;
        self.agree() == row
    }

    /// Returns the first row from `next` on that every required set has.
    fn agree(&mut self) -> u32 {
        let mut row = self.next;
        'again: loop {
            for walk in &mut self.required {
                let found = walk.seek(row);
                if found >= self.end {
                    return TERMINATED;
                }
                // This set has skipped ahead, so the others must catch up, beginning with the
                // leader.
                if found > row {
                    row = found;
                    continue 'again;
                }
            }
            return row;
        }
    }
}

/// A set of rows that contains every match.
pub(super) struct ClauseRows<'a> {
    /// Every match is in all of these sets; without sets, every row may match.
    pub(super) required: Vec<RowSet<'a>>,
    /// Whether every row that is in all of them matches.
    pub(super) exact: bool,
    /// If not exact: rows that match for certain, if any are known.
    pub(super) sure: Option<RowSet<'a>>,
}

impl<'a> ClauseRows<'a> {
    /// Returns whether no row matches.
    pub(super) fn is_empty(&self) -> bool {
        self.required.iter().any(|set| set.size() == 0)
    }

    pub(super) fn of(set: RowSet<'a>, exact: bool) -> Self {
        Self { required: vec![set], exact, sure: None }
    }
}
