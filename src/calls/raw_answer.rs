//! Answers whose list is written as it is produced. A page has fifty events of two dozen fields and
//! a histogram has thousands of buckets; in a tree of JSON, each of their keys would be a separate
//! string.

use crate::error::{Error, Result};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value as Json;
use serde_json::value::{RawValue, to_raw_value};

/// An answer: an object, one member of which may be JSON that is already written.
#[derive(Debug)]
pub(crate) struct RawAnswer {
    object: Json,
    list: Option<(&'static str, Box<RawValue>)>,
    /// How many events it shows.
    rows: usize,
}

impl RawAnswer {
    /// Creates an object with one more member, which is serialized now.
    ///
    /// # Errors
    /// A value that cannot be serialized as JSON: a defect.
    pub(crate) fn with_list(
        object: Json,
        name: &'static str,
        list: &impl Serialize,
    ) -> Result<Self> {
        let list = to_raw_value(list)
            .map_err(|cause| Error::internal("an answer cannot be written").because(cause))?;
        Ok(Self { object, list: Some((name, list)), rows: 0 })
    }

    /// Returns the same answer, which shows this many events.
    #[must_use]
    pub(crate) fn showing(self, rows: usize) -> Self {
        Self { rows, ..self }
    }

    /// Returns how many events the answer shows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Adds a member.
    pub(crate) fn set(&mut self, name: &str, value: Json) {
        self.object[name] = value;
    }

    /// Converts the answer into a tree.
    ///
    /// # Errors
    /// None that input can cause.
    pub(crate) fn into_json(self) -> Result<Json> {
        match self.list {
            None => Ok(self.object),
            Some(_) => serde_json::to_value(&self)
                .map_err(|cause| Error::internal("an answer cannot be read").because(cause)),
        }
    }
}

impl From<Json> for RawAnswer {
    fn from(object: Json) -> Self {
        Self { object, list: None, rows: 0 }
    }
}

impl Serialize for RawAnswer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some((name, list)) = &self.list else { return self.object.serialize(serializer) };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(name, list)?;
        for (name, value) in self.object.as_object().into_iter().flatten() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use crate::calls::*;
    use serde_json::json;

    #[test]
    fn a_written_list_is_a_member_like_others() {
        let mut answer =
            RawAnswer::with_list(json!({ "total": 2 }), "events", &["a", "b"]).expect("an answer");
        answer.set("more", true.into());
        assert_eq!(
            serde_json::to_string(&answer).expect("text"),
            r#"{"events":["a","b"],"more":true,"total":2}"#
        );
        assert_eq!(
            answer.into_json().expect("a tree"),
            json!({ "events": ["a", "b"], "more": true, "total": 2 })
        );
        assert_eq!(
            RawAnswer::from(json!({ "count": 1 })).into_json().expect("a tree"),
            json!({ "count": 1 })
        );
    }
}
