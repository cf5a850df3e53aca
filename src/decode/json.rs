//! Values of records as they are written, because the type that a producer chose for a field cannot
//! be relied on.
//!
//! A field is read as a slice of the record's text and interpreted when it is used. So a number
//! stays exact, a number that no type can hold does no harm, an unused field costs one pass over
//! its bytes, and only what is kept is copied.

use crate::error::{Error, Result};
use crate::event::{Event, Field, Timestamp};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// How far the zone of Huawei Cloud's dates is ahead of UTC.
pub(super) const UTC_8_MINUTES: i64 = 8 * 60;

/// Declares an object of a record by the keys that are read. Other keys are skipped, and a key that
/// is read may occur only once.
macro_rules! loose_object {
    ($(#[$meta:meta])* $name:ident { $( $field:ident $(= $key:literal)? ),* $(,)? }) => {
        #[derive(Debug, Default, serde::Deserialize)]
        #[serde(default)]
        $(#[$meta])*
        struct $name<'a> {
            $( #[serde(borrow $(, rename = $key)?)] $field: $crate::decode::json::Loose<'a>, )*
        }
    };
}
pub(super) use loose_object;

/// A value of any JSON type, or absent; `null` counts as absent.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Loose<'a>(Option<&'a str>);

impl<'de: 'a, 'a> Deserialize<'de> for Loose<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        Ok(Self((raw != "null").then_some(raw)))
    }
}

impl<'a> Loose<'a> {
    /// Returns whether there is a value.
    pub(super) fn is_some(self) -> bool {
        self.0.is_some()
    }

    /// Returns whether the value is an object.
    pub(super) fn is_object(self) -> bool {
        self.0.is_some_and(|raw| raw.starts_with('{'))
    }

    /// Returns whether the value is an object or an array.
    pub(super) fn is_composite(self) -> bool {
        self.0.is_some_and(|raw| raw.starts_with(['{', '[']))
    }

    /// Returns the value as text: a string, or a number or truth value as it is written. Objects,
    /// arrays and `""` have none, because real records write `{}` and `""` where they mean nothing.
    ///
    /// # Errors
    /// A string with an invalid escape; the error names `key`.
    pub(super) fn text(self, key: &str) -> Result<Option<Cow<'a, str>>> {
        let Some(raw) = self.0 else { return Ok(None) };
        let text = match raw.as_bytes() {
            [b'"', .., b'"'] => {
                let inner = &raw[1..raw.len() - 1];
                if inner.contains('\\') {
                    Cow::Owned(serde_json::from_str(raw).map_err(|cause| fault(&cause).at(key))?)
                } else {
                    Cow::Borrowed(inner)
                }
            }
            [b'{' | b'[', ..] => return Ok(None),
            _ => Cow::Borrowed(raw),
        };
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    /// Returns the text of an optional value, which is ignored if it cannot be read.
    pub(super) fn text_lossy(self) -> Option<Cow<'a, str>> {
        self.text("").ok().flatten()
    }

    /// Returns a truth value, even if it is written as a string.
    pub(super) fn flag(self) -> Option<bool> {
        let text = self.0?.trim_matches('"');
        match text {
            _ if text.eq_ignore_ascii_case("true") => Some(true),
            _ if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    /// Returns the time, in any form that [`Timestamp::parse`] knows.
    ///
    /// # Errors
    /// A value in another form; the error names `key`.
    pub(super) fn time(self, key: &str) -> Result<Option<Timestamp>> {
        match self.text(key)? {
            Some(text) => Timestamp::parse(&text).map(Some).map_err(|error| error.at(key)),
            None if self.is_composite() => Err(Error::invalid("is no time").at(key)),
            None => Ok(None),
        }
    }

    /// Returns the time in a record of Huawei Cloud, whose interfaces define a date alone as a day
    /// in UTC+8.
    ///
    /// # Errors
    /// As [`Loose::time`].
    pub(super) fn time_of_huawei(self, key: &str) -> Result<Option<Timestamp>> {
        match self.text(key)? {
            Some(text) => Timestamp::parse_with_date_zone(&text, UTC_8_MINUTES)
                .map(Some)
                .map_err(|error| error.at(key)),
            None => self.time(key),
        }
    }

    /// Returns the time; one without a zone is `minutes_ahead` of UTC.
    ///
    /// # Errors
    /// As [`Loose::time`].
    pub(super) fn time_in_zone(self, key: &str, minutes_ahead: i64) -> Result<Option<Timestamp>> {
        match self.text(key)? {
            Some(text) => Timestamp::parse_local(&text, minutes_ahead)
                .map(Some)
                .map_err(|error| error.at(key)),
            None => self.time(key),
        }
    }

    /// Returns the value as an object.
    ///
    /// # Errors
    /// An object that repeats a key that is read; the error names `key`.
    pub(super) fn object<T: Deserialize<'a>>(self, key: &str) -> Result<Option<T>> {
        match self.0 {
            Some(raw) if raw.starts_with('{') => {
                parse(raw).map(Some).map_err(|error| error.at(key))
            }
            _ => Ok(None),
        }
    }

    /// Returns the items of an array; none if the value is absent.
    pub(super) fn items(self) -> Vec<Loose<'a>> {
        match self.0 {
            Some(raw) if raw.starts_with('[') => serde_json::from_str(raw).unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    /// Returns the JSON of an object or an array that is there directly or as a string, as CTS
    /// writes requests.
    pub(super) fn embedded(self) -> Option<Cow<'a, str>> {
        let json = match self.0 {
            Some(raw) if raw.starts_with(['{', '[']) => Cow::Borrowed(raw),
            _ => self.text_lossy()?,
        };
        Some(json).filter(|json| json.starts_with(['{', '[']))
    }

    /// Returns the value's own text, quotes and escapes included.
    pub(super) fn raw(self) -> Option<&'a str> {
        self.0
    }
}

/// Parses a whole JSON text.
///
/// # Errors
/// What is wrong with it, and where.
pub(super) fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T> {
    serde_json::from_str(json).map_err(|cause| fault(&cause))
}

/// Parses the JSON in a text; returns `None` if the text is not JSON, which is not an error here.
///
/// # Errors
/// A repeated key that is read.
pub(super) fn parse_embedded<'a, T: Deserialize<'a>>(text: &'a str) -> Result<Option<T>> {
    if !text.starts_with('{') {
        return Ok(None);
    }
    match serde_json::from_str(text) {
        Ok(value) => Ok(Some(value)),
        Err(cause) if cause.classify() == Category::Data => Err(fault(&cause)),
        Err(_) => Ok(None),
    }
}

/// Calls `visit` with each member of an object, in order, up to where the text stops being JSON.
///
/// # Errors
/// A text that is not an object, or is malformed.
pub(super) fn each_member<'a>(json: &'a str, mut visit: impl FnMut(&str, Loose<'a>)) -> Result<()> {
    struct Members<F>(F);
    impl<'de, F: FnMut(&str, Loose<'de>)> Visitor<'de> for Members<F> {
        type Value = ();

        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
            while let Some(ObjectKey(key)) = members.next_key()? {
                (self.0)(&key, members.next_value()?);
            }
            Ok(())
        }
    }
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let outcome =
        deserializer.deserialize_map(Members(&mut visit)).and_then(|()| deserializer.end());
    outcome.map_err(|cause| fault(&cause))
}

/// A key of an object, borrowed unless it has escapes. (Serde always copies into a plain `Cow`.)
struct ObjectKey<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for ObjectKey<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = ObjectKey<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, key: &'de str) -> Result<ObjectKey<'de>, E> {
                Ok(ObjectKey(Cow::Borrowed(key)))
            }

            fn visit_str<E>(self, key: &str) -> Result<ObjectKey<'de>, E> {
                Ok(ObjectKey(Cow::Owned(key.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Sets text fields from values; the error names the key of a value that cannot be read.
pub(super) fn fill<const N: usize>(
    event: &mut Event,
    fields: [(Field, &str, Loose<'_>); N],
) -> Result<()> {
    for (field, key, value) in fields {
        event.set_opt(field, value.text(key)?);
    }
    Ok(())
}

/// Returns the one of `allowed` that equals the text, ignoring case.
pub(super) fn one_of(allowed: &'static [&'static str], text: &str) -> Option<&'static str> {
    allowed.iter().copied().find(|known| known.eq_ignore_ascii_case(text))
}

/// Rephrases a parser's error: most records are one line, so the position is given as a byte and
/// not as line and column.
pub(super) fn fault(cause: &serde_json::Error) -> Error {
    let text = crate::error::without_values(cause);
    let path = format!(" at line {} column {}", cause.line(), cause.column());
    match text.strip_suffix(&path) {
        Some(what) if cause.line() == 1 => {
            Error::invalid(format!("{what} at byte {}", cause.column()))
        }
        _ => Error::invalid(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loose(json: &str) -> Loose<'_> {
        parse(json).expect("the test's value is JSON")
    }

    #[test]
    fn a_value_is_text_as_it_is_written() {
        for (json, text) in [
            (r#""a""#, Some("a")),
            (r#""a\u00e9\n""#, Some("aé\n")),
            ("1.50", Some("1.50")),
            ("1e999999", Some("1e999999")),
            ("true", Some("true")),
            ("null", None),
            (r#""""#, None),
            ("{}", None),
            ("[1]", None),
        ] {
            assert_eq!(loose(json).text("key").expect(json).as_deref(), text, "{json}");
        }
    }

    #[test]
    fn a_lone_surrogate_is_an_error_that_names_the_field() {
        let error =
            loose(r#""\ud800""#).text("resource_name").expect_err("a lone surrogate is no text");
        assert!(error.to_string().starts_with("resource_name: "), "{error}");
    }

    #[test]
    fn a_date_alone_is_a_day_in_utc_but_in_records_of_huawei() {
        let date = loose("\"2026-03-01\"");
        assert_eq!(
            date.time("time").expect("a date").expect("a time").to_string(),
            "2026-03-01T00:00:00.000Z"
        );
        assert_eq!(
            date.time_of_huawei("time").expect("a date").expect("a time").to_string(),
            "2026-02-28T16:00:00.000Z"
        );
        let time = loose("\"2026-03-01 00:00:00\"");
        assert_eq!(
            time.time_of_huawei("time").expect("a time").expect("a time").to_string(),
            "2026-03-01T00:00:00.000Z"
        );
        assert!(loose("\"2026-13-01\"").time_of_huawei("time").is_err());
    }
}
