//! A cache of what the keys and values of records consist of, for those that repeat: one table
//! lookup instead of folding and tokenizing.
//!
//! A record lists its keys in the same order as a previous one like it, so the key that followed
//! the last time is tried first; and a path often has the same value as before. Both cost a
//! comparison and no lookup at all.

use crate::storage::segment::index::text::text_table_writer::KeptText;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;
use std::ops::Range;

/// Texts longer than this, in bytes, are not cached: they rarely repeat.
const TEXT_BYTES_MAX: usize = 64;
/// Keys with longer paths, in bytes, are not cached either.
const PATH_BYTES_MAX: usize = 256;
/// Maximum number of cached texts; when there are more, all are dropped and the frequent ones come
/// back.
const TEXTS_MAX: usize = 1 << 15;
/// No position.
const NOWHERE: u32 = u32::MAX;

/// What is known about a text at a path: how it is kept, and the numbers of its terms.
#[derive(Debug, Clone)]
pub(in crate::storage::segment) struct CachedText {
    pub(in crate::storage::segment) kept: KeptText,
    terms: Range<u32>,
}

/// What is known about a key, by its path; a key that contains dots can have the same path as
/// another.
#[derive(Debug)]
struct CachedKey {
    path: Box<str>,
    key: Box<str>,
    group: u32,
    known: CachedText,
    /// The position of the key that followed the last time.
    next: u32,
}

/// The values of a group.
#[derive(Debug)]
struct CachedValues {
    texts: Vec<(Box<str>, CachedText)>,
    indexes: HashTable<u32>,
    /// The position of the value that was met last.
    last: u32,
}

impl Default for CachedValues {
    fn default() -> Self {
        Self { texts: Vec::new(), indexes: HashTable::new(), last: NOWHERE }
    }
}

/// The cached texts.
#[derive(Debug)]
pub(in crate::storage::segment) struct TokenCache {
    keys: Vec<CachedKey>,
    indexes: HashTable<u32>,
    /// The position of the key that was met last.
    last: u32,
    /// By group.
    values: Vec<CachedValues>,
    terms: Vec<u32>,
    count: usize,
    hasher: DefaultHashBuilder,
}

impl Default for TokenCache {
    fn default() -> Self {
        let (keys, indexes, values, terms) = Default::default();
        Self {
            keys,
            indexes,
            last: NOWHERE,
            values,
            terms,
            count: 0,
            hasher: DefaultHashBuilder::default(),
        }
    }
}

impl TokenCache {
    /// Returns the group of a key's path, and what the key consists of.
    pub(in crate::storage::segment) fn key(
        &mut self,
        path: &str,
        key: &str,
    ) -> Option<(u32, &CachedText)> {
        let before = std::mem::replace(&mut self.last, NOWHERE);
        let guess = self.keys.get(before as usize).map_or(NOWHERE, |before| before.next);
        let index = match self.keys.get(guess as usize) {
            Some(guessed) if *guessed.path == *path => guess,
            _ => *self.indexes.find(self.hasher.hash_one(path), |index| {
                *self.keys[*index as usize].path == *path
            })?,
        };
        if *self.keys[index as usize].key != *key {
            return None;
        }
        if let Some(before) = self.keys.get_mut(before as usize) {
            before.next = index;
        }
        self.last = index;
        let found = &self.keys[index as usize];
        Some((found.group, &found.known))
    }

    /// Returns what a value of a group consists of.
    pub(in crate::storage::segment) fn value(
        &mut self,
        group: u32,
        text: &str,
    ) -> Option<&CachedText> {
        let values = self.values.get_mut(group as usize)?;
        if values.texts.get(values.last as usize).is_none_or(|(last, _)| **last != *text) {
            values.last = *values.indexes.find(self.hasher.hash_one(text), |index| {
                *values.texts[*index as usize].0 == *text
            })?;
        }
        Some(&values.texts[values.last as usize].1)
    }

    /// Returns the numbers of the terms of a text.
    pub(in crate::storage::segment) fn terms(&self, known: &CachedText) -> &[u32] {
        &self.terms[known.terms.start as usize..known.terms.end as usize]
    }

    /// Makes room for one more text and stores its terms.
    fn known(&mut self, kept: KeptText, terms: &[u32]) -> CachedText {
        if self.count == TEXTS_MAX {
            *self = Self::default();
        }
        self.count += 1;
        let start = self.terms.len() as u32;
        self.terms.extend_from_slice(terms);
        CachedText { kept, terms: start..self.terms.len() as u32 }
    }

    /// Caches a value of a group that is not cached yet.
    pub(in crate::storage::segment) fn add_value(
        &mut self,
        group: u32,
        text: &str,
        kept: KeptText,
        terms: &[u32],
    ) {
        if text.len() > TEXT_BYTES_MAX {
            return;
        }
        let known = self.known(kept, terms);
        if self.values.len() <= group as usize {
            self.values.resize_with(group as usize + 1, CachedValues::default);
        }
        let Self { values, hasher, .. } = self;
        let CachedValues { texts, indexes, .. } = &mut values[group as usize];
        let index = texts.len() as u32;
        texts.push((text.into(), known));
        indexes.insert_unique(hasher.hash_one(text), index, |index| {
            hasher.hash_one(&*texts[*index as usize].0)
        });
    }

    /// Caches a key that is not cached yet; another key with the same path is dropped.
    pub(in crate::storage::segment) fn add_key(
        &mut self,
        path: &str,
        key: &str,
        group: u32,
        kept: KeptText,
        terms: &[u32],
    ) {
        if path.len() > PATH_BYTES_MAX {
            return;
        }
        let new = CachedKey {
            path: path.into(),
            key: key.into(),
            group,
            known: self.known(kept, terms),
            next: NOWHERE,
        };
        let Self { keys, indexes, hasher, .. } = self;
        let hash = hasher.hash_one(path);
        if let Some(index) = indexes.find(hash, |index| *keys[*index as usize].path == *path) {
            keys[*index as usize] = new;
            return;
        }
        let index = keys.len() as u32;
        keys.push(new);
        indexes.insert_unique(hash, index, |index| hasher.hash_one(&*keys[*index as usize].path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what is known about a key, as group and terms.
    fn key(known: &mut TokenCache, path: &str, key: &str) -> Option<(u32, Vec<u32>)> {
        let (group, found) = known.key(path, key).map(|(group, found)| (group, found.clone()))?;
        Some((group, known.terms(&found).to_vec()))
    }

    #[test]
    fn keys_and_values_come_back_in_any_order() {
        let mut known = TokenCache::default();
        assert!(known.key("a", "a").is_none() && known.value(3, "x").is_none());
        known.add_key("a", "a", 2, KeptText::As(7), &[1]);
        known.add_key("a.b", "b", 3, KeptText::Not, &[1, 2]);
        known.add_key("c", "c", 4, KeptText::Not, &[]);
        for path in ["a", "a.b", "c", "a", "c", "a.b", "a.b", "a", "a.b", "c"] {
            let expected = match path {
                "a" => (2, vec![1]),
                "a.b" => (3, vec![1, 2]),
                _ => (4, vec![]),
            };
            assert_eq!(
                key(&mut known, path, path.trim_start_matches("a.")),
                Some(expected),
                "{path}"
            );
        }
        // The key `a.b` has the same path as `b` in `a`, but other terms.
        assert_eq!(key(&mut known, "a.b", "a.b"), None);
        known.add_key("a.b", "a.b", 3, KeptText::Not, &[9]);
        assert_eq!(
            (key(&mut known, "a.b", "b"), key(&mut known, "a.b", "a.b")),
            (None, Some((3, vec![9])))
        );
        known.add_value(3, "x", KeptText::As(1), &[5]);
        known.add_value(3, "y", KeptText::As(2), &[6]);
        for (text, kept) in [("x", 1), ("x", 1), ("y", 2), ("x", 1)] {
            assert_eq!(known.value(3, text).map(|known| known.kept), Some(KeptText::As(kept)));
        }
        assert!(known.value(3, "z").is_none() && known.value(2, "x").is_none());
    }

    #[test]
    fn what_is_too_much_is_forgotten_and_comes_back() {
        let mut known = TokenCache::default();
        for number in 0..=TEXTS_MAX as u32 {
            known.add_value(number % 5, &number.to_string(), KeptText::As(number), &[number]);
        }
        assert!(known.value(0, "0").is_none(), "all were forgotten but the last");
        let last =
            known.value(TEXTS_MAX as u32 % 5, &TEXTS_MAX.to_string()).cloned().expect("the last");
        assert_eq!(known.terms(&last), &[TEXTS_MAX as u32]);
    }
}
