//! Loose JSON: values whose type differs from record to record, read without building trees.

use crate::error::{Error, Result};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Text in JSON, borrowed where it has no escapes.
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// A value that is a text, a number or a flag, as text; anything else is none.
pub(super) fn scalar(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let json = raw?.get();
    match json.as_bytes().first()? {
        // A text that is no Unicode (half of a surrogate pair) is shown as it is written.
        b'"' => Some(serde_json::from_str::<Text<'_>>(json).map_or(Cow::Borrowed(&json[1..json.len() - 1]), |text| text.0)),
        b'{' | b'[' | b'n' => None,
        _ => Some(Cow::Borrowed(json)),
    }
}

/// A flag, or its text.
pub(super) fn flag(raw: Option<&RawValue>) -> Option<bool> {
    match scalar(raw)?.as_ref() {
        "true" | "True" => Some(true),
        "false" | "False" => Some(false),
        _ => None,
    }
}

/// A value that holds an object or list, directly or as text; JSON texts are unpacked once.
pub(super) fn structure(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let json = raw?.get();
    match json.as_bytes().first()? {
        b'{' | b'[' => Some(Cow::Borrowed(json)),
        b'"' => {
            let text = serde_json::from_str::<Text<'_>>(json).ok()?.0;
            matches!(text.trim_start().as_bytes().first(), Some(b'{' | b'[')).then_some(text)
        }
        _ => None,
    }
}

/// Reads a record into the shape of its format.
pub(super) fn shape<'a, T: Deserialize<'a>>(format: &str, record: &'a str) -> Result<T> {
    serde_json::from_str(record).map_err(|cause| Error::invalid(format!("{format}: {}", describe(&cause))))
}

/// serde_json's message without its full stop and with the place in words.
pub(super) fn describe(cause: &serde_json::Error) -> String {
    cause.to_string().replace(" at line 1 column ", " at byte ")
}

/// The value at a path of keys (and numbers, for lists), as text.
pub(super) struct AtPath<'a>(pub(super) &'a [&'a str]);

impl<'de> DeserializeSeed<'de> for AtPath<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Self::Value, D::Error> {
        if self.0.is_empty() {
            let raw = <&RawValue>::deserialize(input)?;
            return Ok(scalar(Some(raw)).map(Cow::into_owned));
        }
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AtPath<'_> {
    type Value = Option<String>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<Text<'de>>()? {
            if key.0 == self.0[0] && found.is_none() {
                found = map.next_value_seed(AtPath(&self.0[1..]))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let wanted: Option<usize> = self.0[0].parse().ok();
        let mut found = None;
        let mut place = 0;
        loop {
            if Some(place) == wanted {
                match list.next_element_seed(AtPath(&self.0[1..]))? {
                    Some(value) => found = value,
                    None => return Ok(found),
                }
            } else if list.next_element::<IgnoredAny>()?.is_none() {
                return Ok(found);
            }
            place += 1;
        }
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}
