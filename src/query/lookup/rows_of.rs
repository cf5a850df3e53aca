//! Sets of rows as the index gives them, and their intersection in ascending order.

use std::ops::Range;
use tantivy::postings::SegmentPostings;
use tantivy::{DocSet, TERMINATED};

/// Rows that a clause of the filter has.
pub(super) struct Served {
    pub(super) docs: Docs,
    pub(super) negated: bool,
    /// At most this many rows.
    pub(super) size: u32,
}

/// A set of rows.
pub(super) enum Docs {
    /// One posting list.
    Postings(Box<SegmentPostings>),
    /// Those of any of these, and these rows.
    Union(Vec<SegmentPostings>, Vec<u32>),
    /// These rows, ascending.
    List(Vec<u32>),
}

impl Docs {
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
            Self::Union(postings, rows) => postings.iter().map(DocSet::size_hint).fold(rows.len() as u32, u32::saturating_add),
            Self::List(rows) => rows.len() as u32,
        }
    }

    /// The same rows as one ascending walk within `rows`.
    fn walk(self, rows: &Range<u32>) -> Walk {
        match self {
            Self::Postings(postings) => Walk::Postings(postings),
            Self::List(list) => Walk::List { list, at: 0 },
            Self::Union(union, mut list) => {
                for mut postings in union {
                    let mut doc = seek(&mut postings, rows.start);
                    while doc < rows.end {
                        list.push(doc);
                        doc = postings.advance();
                    }
                }
                list.sort_unstable();
                list.dedup();
                Walk::List { list, at: 0 }
            }
        }
    }
}

fn seek(postings: &mut SegmentPostings, target: u32) -> u32 {
    let here = postings.doc();
    // A posting list must not be asked to go back.
    if here >= target { here } else { postings.seek(target) }
}

/// An ascending walk over rows that can skip ahead.
enum Walk {
    Postings(Box<SegmentPostings>),
    List { list: Vec<u32>, at: usize },
}

impl Walk {
    /// The first row at or after `target`; [`TERMINATED`] when there is none. Targets must not descend.
    fn seek(&mut self, target: u32) -> u32 {
        match self {
            Self::Postings(postings) => seek(postings, target),
            Self::List { list, at } => {
                if list.get(*at).is_some_and(|row| *row < target) {
                    *at += list[*at..].partition_point(|row| *row < target);
                }
                list.get(*at).copied().unwrap_or(TERMINATED)
            }
        }
    }
}

/// The intersection of all served conditions, in ascending order.
pub(super) struct Candidates {
    required: Vec<Walk>,
    excluded: Vec<Walk>,
    next: u32,
    end: u32,
}

impl Candidates {
    pub(super) fn new(mut served: Vec<Served>, rows: Range<u32>) -> Self {
        // The shortest list leads, the others are asked only at its rows.
        served.sort_by_key(|served| served.size);
        let (mut required, mut excluded) = (Vec::new(), Vec::new());
        for served in served {
            let walk = served.docs.walk(&rows);
            if served.negated { excluded.push(walk) } else { required.push(walk) }
        }
        Self { required, excluded, next: rows.start, end: rows.end }
    }

    /// The next rows, at most `limit`.
    pub(super) fn take(&mut self, limit: usize) -> Vec<u32> {
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
