//! Collects the texts of records by path while a segment is written: each distinct text once, with
//! the rows that have it.
//!
//! A path with few values keeps them whole. For other paths the [`shape`]s of the values are kept,
//! and where even those are too many, only the rows that have any. Texts that occur in the same
//! rows, as most keys of one kind of record do, share one list of rows.

use crate::storage::segment::index::text::text_table::{
    GroupHead, KEYS, OTHERS, TextList, TextStorage, write_texts,
};
use crate::text::{TokenKind, fold, shape, tokens};
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use std::hash::BuildHasher;

/// Maximum number of values of a path that are kept whole.
const WHOLE_MAX: usize = 2_048;
/// Maximum number of values of a path that look like ids and are kept whole: where there are more,
/// each record has a different one.
const IDS_MAX: usize = 64;
/// If a path has fewer rows per value than this, on average, its values are not kept whole.
const ROWS_OF_A_VALUE: usize = 4;
/// This many values are kept whole in any case.
const FEW: usize = 16;
/// Maximum number of shapes that are kept of the texts at one path.
const SHAPES_MAX: usize = 1_024;
/// Texts longer than this, in bytes, are not kept.
const TEXT_BYTES_MAX: usize = 512;
/// Maximum number of bytes of texts that are kept for a segment.
const BYTES_MAX: usize = 4 << 20;
/// Maximum number of paths that are distinguished.
const PATHS_MAX: usize = 2_048;

/// The entry of a text that does not need one.
pub(in crate::storage::segment) const NONE: u32 = u32::MAX;

/// The texts at one path, or those of all keys, or those of all paths that are not distinguished.
#[derive(Debug)]
struct PathTexts {
    path: Box<str>,
    form: TextStorage,
    whole: HashMap<Box<str>, u32>,
    /// How many of the whole values look like ids.
    ids: usize,
    shapes: HashMap<Box<str>, u32>,
    /// Rows with a text at this path that is not kept.
    open: Vec<u32>,
    /// Rows with an object or an array at this path, or JSON in a string.
    composite: Vec<u32>,
}

impl PathTexts {
    fn new(path: &str, form: TextStorage) -> Self {
        let path = path.into();
        Self {
            path,
            form,
            whole: HashMap::new(),
            ids: 0,
            shapes: HashMap::new(),
            open: Vec::new(),
            composite: Vec::new(),
        }
    }
}

/// Collects the texts of records in the order of their rows.
#[derive(Debug)]
pub(in crate::storage::segment) struct TextsBuilder {
    groups: Vec<PathTexts>,
    /// The group of each folded path.
    paths: HashMap<Box<str>, u32>,
    /// The rows of each entry.
    rows: Vec<Vec<u32>>,
    bytes: usize,
}

impl Default for TextsBuilder {
    fn default() -> Self {
        let groups =
            vec![PathTexts::new("", TextStorage::Shapes), PathTexts::new("", TextStorage::Open)];
        Self { groups, paths: HashMap::new(), rows: Vec::new(), bytes: 0 }
    }
}

/// How a text is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::storage::segment) enum KeptText {
    /// Under this entry, or [`NONE`].
    As(u32),
    /// Not at all; its row is open.
    Not,
}

impl TextsBuilder {
    /// Returns the group of a path, adding one if the path is new.
    pub(in crate::storage::segment) fn group(&mut self, path: &str) -> u32 {
        let folded = fold(path);
        if let Some(group) = self.paths.get(folded.as_ref()) {
            return *group;
        }
        // Beyond the limits all paths share one group, so that hostile records cannot grow the
        // table.
        if self.groups.len() == PATHS_MAX || folded.len() > TEXT_BYTES_MAX {
            return OTHERS;
        }
        let group = self.groups.len() as u32;
        self.groups.push(PathTexts::new(&folded, TextStorage::Whole));
        self.paths.insert(folded.into(), group);
        group
    }

    /// Returns how a folded text of a group is kept, adding an entry for it if necessary.
    pub(in crate::storage::segment) fn entry(&mut self, group: u32, folded: &str) -> KeptText {
        let index = group as usize;
        // Paths that are not distinguished keep no texts, only their rows.
        if group == OTHERS {
            return KeptText::Not;
        }
        if self.groups[index].form == TextStorage::Whole {
            if let Some(entry) = self.groups[index].whole.get(folded) {
                return KeptText::As(*entry);
            }
            // Too long, or the table is full: the row becomes open, so that no match is lost.
            if !self.fits(folded) {
                return KeptText::Not;
            }
            // While the path has few values, a new one is kept whole. Ids are limited more
            // strictly, because they seldom come again.
            let id = is_id(folded);
            if self.groups[index].whole.len() < WHOLE_MAX
                && !(id && self.groups[index].ids == IDS_MAX)
            {
                let entry = self.add(folded);
                self.groups[index].ids += usize::from(id);
                self.groups[index].whole.insert(folded.into(), entry);
                return KeptText::As(entry);
            }
            // Too many distinct values: from here on the path keeps shapes. The values that it has
            // already are converted in `finish_group`.
            self.groups[index].form = TextStorage::Shapes;
        }
        // A text without a shape contains no phrase that shapes could decide, so it needs no entry.
        let Some(shape) = shape(folded) else { return KeptText::As(NONE) };
        if let Some(entry) = self.groups[index].shapes.get(shape.as_str()) {
            return KeptText::As(*entry);
        }
        // As above: a row whose text is not kept is open and will be verified.
        if self.groups[index].form == TextStorage::Open || !self.fits(&shape) {
            return KeptText::Not;
        }
        // Even the shapes are too many: from here on only the rows are kept.
        if self.groups[index].shapes.len() == SHAPES_MAX {
            self.groups[index].form = TextStorage::Open;
            return KeptText::Not;
        }
        let entry = self.add(&shape);
        self.groups[index].shapes.insert(shape.into(), entry);
        KeptText::As(entry)
    }

    /// Adds a row whose text is a single id. No shape describes an id, so it needs an entry only
    /// while values are kept whole.
    pub(in crate::storage::segment) fn add_id(&mut self, group: u32, folded: &str, row: u32) {
        let kept = match self.groups[group as usize].form {
            TextStorage::Whole => self.entry(group, folded),
            _ if group == OTHERS => KeptText::Not,
            _ => KeptText::As(NONE),
        };
        self.add_row(group, kept, row);
    }

    fn fits(&self, text: &str) -> bool {
        text.len() <= TEXT_BYTES_MAX && self.bytes + text.len() <= BYTES_MAX
    }

    fn add(&mut self, text: &str) -> u32 {
        self.bytes += text.len();
        self.rows.push(Vec::new());
        self.rows.len() as u32 - 1
    }

    /// Adds a row that has a text of a group.
    pub(in crate::storage::segment) fn add_row(&mut self, group: u32, kept: KeptText, row: u32) {
        match kept {
            KeptText::As(NONE) => {}
            KeptText::As(entry) => push(&mut self.rows[entry as usize], row),
            KeptText::Not => push(&mut self.groups[group as usize].open, row),
        }
    }

    /// Adds a row with an object or an array at the path of a group, or JSON in a string.
    pub(in crate::storage::segment) fn add_composite(&mut self, group: u32, row: u32) {
        push(&mut self.groups[group as usize].composite, row);
    }

    /// Returns the lists of rows, and the bytes of the table of texts.
    pub(in crate::storage::segment) fn finish(self) -> (Vec<Vec<u32>>, Vec<u8>) {
        let Self { mut groups, mut rows, .. } = self;
        // Readers find a path by binary search. The first two groups are fixed.
        groups[OTHERS as usize + 1..].sort_unstable_by(|left, right| left.path.cmp(&right.path));
        debug_assert!(groups[KEYS as usize].whole.is_empty());
        let mut lists = Lists::default();
        let mut heads = Vec::with_capacity(groups.len());
        for group in groups {
            heads.push(finish_group(group, &mut rows, &mut lists));
        }
        (lists.lists, write_texts(&heads))
    }
}

/// Finishes a group and numbers its lists of rows. Values that were kept whole before there were
/// too many are now kept by their shapes.
fn finish_group(mut group: PathTexts, rows: &mut [Vec<u32>], lists: &mut Lists) -> GroupHead {
    // Values that hardly repeat are not worth keeping whole: each has only a few rows.
    let mut values = group.whole.values().map(|entry| rows[*entry as usize].len());
    if group.form == TextStorage::Whole
        && group.whole.len() > FEW.max(values.by_ref().sum::<usize>() / ROWS_OF_A_VALUE)
    {
        group.form = TextStorage::Shapes;
    }
    let mut take = |entry: u32| std::mem::take(&mut rows[entry as usize]);
    let mut texts: Vec<(Box<str>, Vec<u32>)> = Vec::new();
    if group.form == TextStorage::Whole {
        texts = group.whole.into_iter().map(|(text, entry)| (text, take(entry))).collect();
    } else {
        let mut shapes: HashMap<Box<str>, Vec<u32>> =
            group.shapes.into_iter().map(|(shape, entry)| (shape, take(entry))).collect();
        for (text, entry) in group.whole {
            let Some(shape) = shape(&text) else { continue };
            // These rows are not in order until all of them are there; they are sorted below.
            shapes.entry(shape.into()).or_default().extend(take(entry));
        }
        for (shape, mut rows) in shapes {
            rows.sort_unstable();
            rows.dedup();
            // The shapes are dropped and their rows become open: readers verify them.
            if group.form == TextStorage::Open {
                group.open.extend(rows);
            } else {
                texts.push((shape, rows));
            }
        }
        group.open.sort_unstable();
        group.open.dedup();
    }
    texts.sort_unstable_by(|left, right| left.0.cmp(&right.0));
    let texts: Vec<(Box<str>, TextList)> =
        texts.into_iter().map(|(text, rows)| (text, lists.number(rows))).collect();
    GroupHead {
        path: group.path,
        form: group.form,
        texts,
        open: lists.number(group.open),
        composite: lists.number(group.composite),
    }
}

/// Returns whether a text is a single word that looks like an id.
fn is_id(folded: &str) -> bool {
    let mut all = 0;
    let mut id = false;
    tokens(folded, &mut |token| {
        all += 1;
        id = token.kind == TokenKind::Id;
    });
    all == 1 && id
}

/// Adds a row unless it was the last one added.
fn push(rows: &mut Vec<u32>, row: u32) {
    if rows.last() != Some(&row) {
        rows.push(row);
    }
}

/// Distinct lists of rows; equal ones are stored once.
#[derive(Default)]
struct Lists {
    lists: Vec<Vec<u32>>,
    known: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Lists {
    fn number(&mut self, rows: Vec<u32>) -> TextList {
        if rows.is_empty() {
            return None;
        }
        let Self { lists, known, hasher } = self;
        let hash = hasher.hash_one(&rows);
        let found = known.find(hash, |known| lists[*known as usize] == rows).copied();
        Some(found.unwrap_or_else(|| {
            let number = lists.len() as u32;
            lists.push(rows);
            known.insert_unique(hash, number, |known| hasher.hash_one(&lists[*known as usize]));
            number
        }))
    }
}
