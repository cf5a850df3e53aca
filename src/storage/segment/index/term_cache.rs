//! A cache of lookups in a segment's dictionaries. A question asks every segment for each of its
//! values, most segments are asked for the same values again and again, and a dictionary is slower
//! than a hash table.

use crate::error::Result;
use crate::event::{FIELDS, Field};
use hashbrown::{Equivalent, HashMap};
use std::sync::{PoisonError, RwLock};

/// Maximum number of values that are cached per segment; when there are more, all are dropped and
/// the frequent ones come back.
const REMEMBERED: usize = 512;
/// Values longer than this, in bytes, are not cached.
const REMEMBERED_BYTES: usize = 128;

/// The code of a value and the number of rows that have it, if any has.
type TermHit = Option<(u32, u32)>;

/// Values and the results of looking them up.
#[derive(Debug, Default)]
pub(in crate::storage::segment) struct TermCache {
    values: RwLock<HashMap<(Field, Box<str>), TermHit>>,
}

/// A value that is looked up.
#[derive(Hash)]
struct TermKey<'a>(Field, &'a str);

impl Equivalent<(Field, Box<str>)> for TermKey<'_> {
    fn equivalent(&self, key: &(Field, Box<str>)) -> bool {
        self.0 == key.0 && *self.1 == *key.1
    }
}

impl TermCache {
    /// Returns the result for a value, from the cache or from `find`.
    pub(in crate::storage::segment) fn get(
        &self,
        field: Field,
        value: &str,
        find: impl FnOnce() -> Result<TermHit>,
    ) -> Result<TermHit> {
        if let Some(found) =
            self.values.read().unwrap_or_else(PoisonError::into_inner).get(&TermKey(field, value))
        {
            return Ok(*found);
        }
        let found = find()?;
        if value.len() <= REMEMBERED_BYTES {
            let mut values = self.values.write().unwrap_or_else(PoisonError::into_inner);
            if values.len() >= REMEMBERED {
                values.clear();
            }
            values.insert((field, value.into()), found);
        }
        Ok(found)
    }
}

/// One item for each of some of the fields.
#[derive(Debug)]
pub(in crate::storage::segment) struct ByField<T>(Vec<Option<T>>);

impl<T> Default for ByField<T> {
    fn default() -> Self {
        Self(FIELDS.iter().map(|_| None).collect())
    }
}

impl<T> ByField<T> {
    pub(in crate::storage::segment) fn insert(&mut self, field: Field, value: T) {
        self.0[field as usize] = Some(value);
    }

    #[inline]
    pub(in crate::storage::segment) fn get(&self, field: Field) -> Option<&T> {
        self.0[field as usize].as_ref()
    }

    pub(in crate::storage::segment) fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use std::cell::Cell;

    #[test]
    fn a_value_is_looked_up_once_and_never_more_are_remembered_than_there_is_room_for() {
        let looked_up = TermCache::default();
        let finds = Cell::new(0);
        let get = |field: Field, value: &str, found: TermHit| {
            let find = || {
                finds.set(finds.get() + 1);
                Ok(found)
            };
            looked_up.get(field, value, find).expect("found")
        };
        assert_eq!(get(Field::Source, "ECS", Some((3, 70))), Some((3, 70)));
        assert_eq!(get(Field::Source, "ECS", None), Some((3, 70)));
        assert_eq!(get(Field::Operator, "ECS", None), None, "of another field it is another value");
        assert_eq!(
            get(Field::Operator, "ECS", Some((1, 1))),
            None,
            "that it is absent is remembered too"
        );
        assert_eq!(finds.get(), 2);
        assert!(
            looked_up
                .get(Field::Source, "VPC", || Err(Error::internal("a disk that fails")))
                .is_err()
        );
        assert_eq!(get(Field::Source, "VPC", Some((1, 2))), Some((1, 2)), "an error is not");
        for number in 0..2_000 {
            get(Field::SourceIp, &format!("10.0.{number}"), Some((number + 1, 1)));
        }
        assert!(looked_up.values.read().expect("a lock").len() <= REMEMBERED);
        let long = "x".repeat(REMEMBERED_BYTES + 1);
        let before = finds.get();
        get(Field::Operator, &long, None);
        get(Field::Operator, &long, None);
        assert_eq!(finds.get(), before + 2);
    }
}
