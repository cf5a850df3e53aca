//! The table of texts of a segment: which texts occur in its records at which paths, and which list
//! of rows has each. Phrases and values at paths are searched for in the table, which contains each
//! distinct text once, instead of in the records.
//!
//! ```text
//! groups u32 │ texts u32 │ bytes of paths u32
//! │ for each group: end of its path u32, end of its texts u32, form u32, list of open rows u32,
//! │                 list of rows with composite values u32
//! │ for each text: its end u32, list u32 │ paths │ texts
//! ```
//! Numbers are little-endian; an end is where the next item begins. A list is the number, counted
//! from 1, of a posting list of the index; 0 is an empty one. The first group holds the keys, the
//! second the rows with values at paths that are not distinguished; the others are paths in order.

use crate::error::{Error, Result};
use crate::text::{longest_run, stands_in};
use memchr::memmem;
use std::ops::Range;
use tantivy::directory::{FileSlice, OwnedBytes};

/// The group of all keys.
pub(in crate::storage::segment) const KEYS: u32 = 0;
/// The group of paths that are not distinguished.
pub(in crate::storage::segment) const OTHERS: u32 = 1;

const HEAD: usize = 12;
const GROUP: usize = 20;
const TEXT: usize = 8;

/// How the texts of a group are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::storage::segment) enum TextStorage {
    /// As they are (folded).
    Whole,
    /// By their shapes.
    Shapes,
    /// Not at all; only the rows are known.
    Open,
}

/// The number of a list of rows; `None` for an empty one.
pub(in crate::storage::segment) type TextList = Option<u32>;

/// A group, as it is written.
#[derive(Debug)]
pub(in crate::storage::segment) struct GroupHead {
    pub(in crate::storage::segment) path: Box<str>,
    pub(in crate::storage::segment) form: TextStorage,
    /// In ascending order.
    pub(in crate::storage::segment) texts: Vec<(Box<str>, TextList)>,
    /// Rows with texts that are not in the table.
    pub(in crate::storage::segment) open: TextList,
    /// Rows with an object or an array, or JSON in a string.
    pub(in crate::storage::segment) composite: TextList,
}

/// Writes a table.
pub(in crate::storage::segment) fn write_texts(groups: &[GroupHead]) -> Vec<u8> {
    let texts = || groups.iter().flat_map(|group| &group.texts);
    let path_bytes: usize = groups.iter().map(|group| group.path.len()).sum();
    let mut bytes = Vec::new();
    let number = |bytes: &mut Vec<u8>, number: usize| {
        bytes.extend_from_slice(&(number as u32).to_le_bytes())
    };
    let list = |list: TextList| list.map_or(0, |list| list as usize + 1);
    number(&mut bytes, groups.len());
    number(&mut bytes, texts().count());
    number(&mut bytes, path_bytes);
    let (mut path_end, mut texts_end) = (0, 0);
    for group in groups {
        path_end += group.path.len();
        texts_end += group.texts.len();
        let form = match group.form {
            TextStorage::Whole => 0,
            TextStorage::Shapes => 1,
            TextStorage::Open => 2,
        };
        [path_end, texts_end, form, list(group.open), list(group.composite)]
            .into_iter()
            .for_each(|each| number(&mut bytes, each));
    }
    let mut end = 0;
    for (text, rows) in texts() {
        end += text.len();
        number(&mut bytes, end);
        number(&mut bytes, list(*rows));
    }
    groups.iter().for_each(|group| bytes.extend_from_slice(group.path.as_bytes()));
    texts().for_each(|(text, _)| bytes.extend_from_slice(text.as_bytes()));
    bytes
}

/// A table of texts in a mapped file.
#[derive(Debug)]
pub(in crate::storage::segment) struct TextTable {
    bytes: OwnedBytes,
    groups: usize,
    texts: usize,
    paths_at: usize,
    texts_at: usize,
}

/// Numbers of the lists of rows that answer a question.
#[derive(Debug, Default)]
pub(in crate::storage::segment) struct TextMatch {
    /// Every row of these lists matches.
    pub(in crate::storage::segment) sure: Vec<u32>,
    /// Rows of these lists may match; no other row does.
    pub(in crate::storage::segment) maybe: Vec<u32>,
}

impl TextTable {
    pub(in crate::storage::segment) fn open(file: &FileSlice) -> Result<Self> {
        let damaged = || {
            Error::corrupt(
                "the table of texts is damaged; `annals check --rebuild-index` rebuilds it",
            )
        };
        let bytes = file.read_bytes().map_err(|cause| damaged().because(cause))?;
        if bytes.len() < HEAD {
            return Err(damaged());
        }
        let (groups, texts, path_bytes) =
            (u32_at(&bytes, 0) as usize, u32_at(&bytes, 4) as usize, u32_at(&bytes, 8) as usize);
        let paths_at = HEAD + groups * GROUP + texts * TEXT;
        let table = Self { bytes, groups, texts, paths_at, texts_at: paths_at + path_bytes };
        if groups <= OTHERS as usize || !table.is_whole() {
            return Err(damaged());
        }
        Ok(table)
    }

    /// Returns whether all ends ascend to where the next part begins and none lies within a
    /// character.
    fn is_whole(&self) -> bool {
        let Some(paths) = self
            .bytes
            .get(self.paths_at..self.texts_at)
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
        else {
            return false;
        };
        let Some(texts) =
            self.bytes.get(self.texts_at..).and_then(|bytes| std::str::from_utf8(bytes).ok())
        else {
            return false;
        };
        let ascend = |number: usize, last: usize, end: &dyn Fn(usize) -> usize| {
            let mut before = 0;
            (0..number).all(|each| std::mem::replace(&mut before, end(each)) <= before)
                && before == last
        };
        ascend(self.groups, paths.len(), &|group| self.of_group(group, 0))
            && ascend(self.groups, self.texts, &|group| self.of_group(group, 1))
            && ascend(self.texts, texts.len(), &|text| self.of_text(text, 0))
            && (0..self.groups).all(|group| paths.is_char_boundary(self.of_group(group, 0)))
            && (0..self.texts).all(|text| texts.is_char_boundary(self.of_text(text, 0)))
    }

    fn of_group(&self, group: usize, which: usize) -> usize {
        u32_at(&self.bytes, HEAD + group * GROUP + which * 4) as usize
    }

    fn of_text(&self, text: usize, which: usize) -> usize {
        u32_at(&self.bytes, HEAD + self.groups * GROUP + text * TEXT + which * 4) as usize
    }

    fn path(&self, group: usize) -> &[u8] {
        let start = if group == 0 { 0 } else { self.of_group(group - 1, 0) };
        &self.bytes[self.paths_at + start..self.paths_at + self.of_group(group, 0)]
    }

    fn texts_of(&self, group: usize) -> Range<usize> {
        let start = if group == 0 { 0 } else { self.of_group(group - 1, 1) };
        start..self.of_group(group, 1)
    }

    fn text(&self, text: usize) -> &str {
        let start = if text == 0 { 0 } else { self.of_text(text - 1, 0) };
        let bytes = &self.bytes[self.texts_at + start..self.texts_at + self.of_text(text, 0)];
        // This was checked when the table was opened.
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// Returns the rows whose texts contain a phrase of more than one token that shapes can decide.
    pub(in crate::storage::segment) fn standing(&self, needle: &str) -> TextMatch {
        let mut told = TextMatch::default();
        let all = &self.bytes[self.texts_at..];
        // The white space of texts is unchanged, so the phrase is searched for by one of its words.
        let word = memmem::Finder::new(longest_run(needle));
        let (mut at, mut text) = (0, 0);
        while let Some(found) = word.find(&all[at..]) {
            let index = at + found;
            text = first(text..self.texts, |text| self.of_text(text, 0) > index);
            if stands_in(needle, self.text(text)) {
                told.sure.extend(list_of(self.of_text(text, 1)));
            }
            at = self.of_text(text, 0);
        }
        told.maybe.extend((0..self.groups).filter_map(|group| list_of(self.of_group(group, 3))));
        told.tidy()
    }

    /// Returns the rows that have a value at a path (folded) that passes a test of folded texts;
    /// `None` if the table cannot decide.
    pub(in crate::storage::segment) fn at_path(
        &self,
        path: &str,
        passes: impl Fn(&str) -> bool,
    ) -> Option<TextMatch> {
        let mut told = TextMatch::default();
        let mut doubtful = |group| {
            told.maybe
                .extend([3, 4].into_iter().filter_map(|which| list_of(self.of_group(group, which))))
        };
        doubtful(OTHERS as usize);
        let group =
            first(OTHERS as usize + 1..self.groups, |group| self.path(group) >= path.as_bytes());
        if group < self.groups && self.path(group) == path.as_bytes() {
            if self.of_group(group, 2) != 0 {
                return None;
            }
            doubtful(group);
            let passing = self.texts_of(group).filter(|text| passes(self.text(*text)));
            told.sure.extend(passing.filter_map(|text| list_of(self.of_text(text, 1))));
        }
        Some(told.tidy())
    }
}

impl TextMatch {
    fn tidy(mut self) -> Self {
        for lists in [&mut self.sure, &mut self.maybe] {
            lists.sort_unstable();
            lists.dedup();
        }
        self
    }
}

/// Returns the first number of a range from which on `holds` is true; the end of the range if it is
/// true nowhere.
fn first(range: Range<usize>, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (range.start, range.end);
    while low < high {
        let middle = usize::midpoint(low, high);
        if holds(middle) { high = middle } else { low = middle + 1 }
    }
    low
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .map_or(0, |bytes| u32::from_le_bytes(bytes.try_into().expect("four bytes")))
}

fn list_of(number: usize) -> Option<u32> {
    (number > 0).then(|| number as u32 - 1)
}
