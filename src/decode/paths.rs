//! The values of a record by their dotted paths, for formats that write `user.name` nested, flat,
//! or a mixture of both.

use super::json::{self, Loose};
use crate::error::{Error, Result};
use std::collections::{HashMap, HashSet};

/// All values of a record except objects, by the path that leads to them. A path that is written
/// nested and flat at once has two values; the first one counts.
#[derive(Debug, Default)]
pub(super) struct Paths<'a> {
    values: HashMap<String, Loose<'a>>,
    /// Paths to keys that occur more than once in one object.
    repeated: HashSet<String>,
}

impl<'a> Paths<'a> {
    /// Collects the paths of an object.
    ///
    /// # Errors
    /// A text that is not an object.
    pub(super) fn of(json: &'a str) -> Result<Self> {
        let mut paths = Self::default();
        paths.add("", json)?;
        Ok(paths)
    }

    fn add(&mut self, above: &str, json: &'a str) -> Result<()> {
        let mut broken = None;
        let mut keys: HashSet<String> = HashSet::new();
        json::each_member(json, |key, value| {
            let path = if above.is_empty() { key.to_owned() } else { format!("{above}.{key}") };
            if !keys.insert(key.to_owned()) {
                self.repeated.insert(path.clone());
            }
            match value.raw() {
                // The nesting of objects was checked before any decoder began.
                Some(inner) if inner.starts_with('{') => {
                    if let Err(error) = self.add(&path, inner) {
                        broken = Some(error);
                    }
                }
                Some(list) if list.starts_with('[') => {
                    let first = value.items().first().filter(|item| item.is_object()).copied();
                    match first.and_then(Loose::raw) {
                        // Of a list of objects, the first one is what an event is about.
                        Some(item) => {
                            if let Err(error) = self.add(&format!("{path}.0"), item) {
                                broken = Some(error);
                            }
                            self.values.entry(path).or_insert(value);
                        }
                        None => self.keep(path, value),
                    }
                }
                _ => self.keep(path, value),
            }
        })?;
        broken.map_or(Ok(()), Err)
    }

    /// Keeps a value, unless the path has one already.
    fn keep(&mut self, path: String, value: Loose<'a>) {
        let known = self.values.entry(path).or_insert(value);
        if !known.is_some() {
            *known = value;
        }
    }

    /// Returns the value at the first of these paths that has one.
    ///
    /// # Errors
    /// A key on the path that occurs twice in its object: a parser that reads the other value would
    /// disagree.
    pub(super) fn first(&self, names: &[&str]) -> Result<Loose<'a>> {
        for name in names {
            let is_below = |above: &String| {
                name.strip_prefix(above.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            if self.repeated.iter().any(is_below) {
                return Err(Error::invalid(format!("duplicate field `{name}`")));
            }
            if let Some(value) = self.values.get(*name).filter(|value| value.is_some()) {
                return Ok(*value);
            }
        }
        Ok(Loose::default())
    }

    /// Returns the names of the members of the object at a path, except of those that are empty
    /// objects.
    pub(super) fn names_below(&self, above: &str) -> HashSet<&str> {
        let mut names = HashSet::new();
        for path in self.values.keys() {
            let rest = path.strip_prefix(above).and_then(|rest| rest.strip_prefix('.'));
            names.extend(rest.and_then(|rest| rest.split('.').next()));
        }
        names
    }

    /// Returns the text at the first of these paths that has one; for an array, its first item.
    ///
    /// # Errors
    /// As [`Paths::first`].
    pub(super) fn text(&self, names: &[&str]) -> Result<Option<String>> {
        for name in names {
            let value = self.first(&[name])?;
            let value = value.items().first().copied().unwrap_or(value);
            if let Some(text) = value.text(name)? {
                return Ok(Some(text.into_owned()));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_and_flat_keys_are_the_same_path() {
        let paths = Paths::of(r#"{"user":{"name":"a","id":null},"event.action":"x","event":{"kind":["k","l"]},"n":1}"#).expect("an object");
        let text = |names: &[&str]| paths.text(names).expect("no path twice");
        assert_eq!(text(&["user.id", "user.name"]).as_deref(), Some("a"));
        assert_eq!(text(&["event.action"]).as_deref(), Some("x"));
        assert_eq!(text(&["event.kind"]).as_deref(), Some("k"));
        assert_eq!(text(&["n"]).as_deref(), Some("1"));
        assert_eq!(text(&["user"]), None);
    }

    #[test]
    fn a_key_that_is_written_twice_is_refused_where_it_is_read() {
        for json in [
            r#"{"user":{"name":"a","name":"a"},"x":1}"#,
            r#"{"user":{"name":"a"},"user":{"id":"b"},"x":1}"#,
            r#"{"user.name":"a","user.name":"b","x":1}"#,
        ] {
            let paths = Paths::of(json).expect("an object");
            assert!(paths.text(&["user.name"]).is_err(), "{json}");
            assert_eq!(paths.text(&["x"]).expect("only once").as_deref(), Some("1"));
        }
    }

    #[test]
    fn a_path_may_be_written_nested_and_flat_at_once() {
        let paths =
            Paths::of(r#"{"log.level":"a","log":{"level":"b","x":1},"n":null,"m":{"n":2}}"#)
                .expect("an object");
        let text = |name: &str| paths.text(&[name]).expect("no key twice");
        assert_eq!(text("log.level").as_deref(), Some("a"));
        assert_eq!(text("log.x").as_deref(), Some("1"));
    }
}
