//! The object that stands for a line, with the names of Elastic Common Schema (ECS 8).
//!
//! The line itself is one of its members, byte for byte, so that what the formats leave out is not
//! lost. A name that has a value keeps it: every format asks its best source first. Empty
//! texts and the signs for "no value" never get in.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value};

/// How many keys of one line are kept. Real lines have fewer than two hundred.
pub(super) const KEYS_MAX: usize = 1_000;

/// What every format needs to know about the line it reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct LineContext<'a> {
    /// The whole line, as it came.
    pub(super) original: &'a str,
    /// The present, which decides the year of times that have none.
    pub(super) now_ms: i64,
}

/// An object under construction.
#[derive(Debug)]
pub(super) struct EcsObject {
    members: Map<String, Value>,
}

impl EcsObject {
    /// Begins the object of a line.
    pub(super) fn of(original: &str) -> Self {
        let mut object = Self { members: Map::new() };
        object.place(&["event", "original"], Value::from(original));
        object
    }

    /// Sets the value at a dotted path, unless there is one.
    pub(super) fn set(&mut self, path: &str, value: impl Into<Value>) {
        let names: Vec<_> = path.split('.').collect();
        self.place(&names, value.into());
    }

    /// Sets the text at a dotted path, unless it is absent or empty or there is one.
    pub(super) fn set_text(&mut self, path: &str, text: Option<&str>) {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            self.set(path, text);
        }
    }

    /// Sets the time of the event, in UTC.
    pub(super) fn set_time(&mut self, time: Option<DateTime<Utc>>) {
        let Some(time) = time else { return };
        // Finer than milliseconds only where the line is.
        let form = match time.timestamp_subsec_nanos() % 1_000_000 {
            0 => SecondsFormat::Millis,
            _ => SecondsFormat::AutoSi,
        };
        self.place(&["@timestamp"], Value::from(time.to_rfc3339_opts(form, true)));
    }

    /// Sets an address: as `….ip` if it is one of the Internet Protocol, else as `….address`.
    pub(super) fn set_address(&mut self, side: &str, text: Option<&str>) {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return };
        match is_address(text) {
            true => self.set(&format!("{side}.ip"), text),
            false => self.set(&format!("{side}.address"), text),
        }
    }

    /// Sets the value at a path whose names may contain dots, unless there is one.
    pub(super) fn place(&mut self, names: &[&str], value: Value) {
        let Some((last, above)) = names.split_last() else { return };
        let mut level = &mut self.members;
        for name in above {
            let next = level.entry(*name).or_insert_with(|| Value::Object(Map::new()));
            let Some(next) = next.as_object_mut() else { return };
            level = next;
        }
        level.entry(*last).or_insert(value);
    }

    /// Finishes the object.
    pub(super) fn into_value(self) -> Value {
        Value::Object(self.members)
    }
}

/// Returns whether a text is an address of the Internet Protocol.
pub(super) fn is_address(text: &str) -> bool {
    text.parse::<std::net::IpAddr>().is_ok()
}

/// Returns the value of `event.outcome` for a word that systems use for it.
pub(super) fn outcome_of(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        "success" | "successful" | "succeeded" | "succeed" | "ok" | "yes" | "passed" | "pass"
        | "granted" | "allowed" | "1" => "success",
        "failure" | "failed" | "fail" | "error" | "no" | "denied" | "blocked" | "rejected"
        | "unsuccessful" | "0" => "failure",
        _ => return None,
    })
}

/// Returns the level of a severity from 0 to 10, or of the words that stand for parts of that
/// scale, as CEF defines it and LEEF uses it.
pub(super) fn level_of_ten(severity: &str) -> Option<&'static str> {
    Some(match severity.trim().to_ascii_lowercase().as_str() {
        "0" | "1" | "2" | "3" | "low" | "info" | "informational" => "info",
        "4" | "5" | "6" | "medium" | "warning" => "warning",
        "7" | "8" | "high" | "error" => "error",
        "9" | "10" | "very-high" | "very high" | "critical" => "critical",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_of_a_name_stays() {
        let mut object = EcsObject::of("line");
        object.set("user.name", "a");
        object.set("user.name", "b");
        object.set("user.name.below", "c");
        object.set_text("user.id", Some(""));
        object.place(&["labels", "a.b"], Value::from(1));
        let expected = serde_json::json!({
            "event": {"original": "line"}, "user": {"name": "a"}, "labels": {"a.b": 1}
        });
        assert_eq!(object.into_value(), expected);
    }

    #[test]
    fn a_time_is_as_fine_as_the_line() {
        for (nanos, expected) in [
            (0, "1970-01-01T00:00:01.000Z"),
            (5_000_000, "1970-01-01T00:00:01.005Z"),
            (5_001_000, "1970-01-01T00:00:01.005001Z"),
            (1, "1970-01-01T00:00:01.000000001Z"),
        ] {
            let mut object = EcsObject::of("");
            object.set_time(DateTime::from_timestamp(1, nanos));
            assert_eq!(object.into_value()["@timestamp"], expected);
        }
    }

    #[test]
    fn words_of_outcomes_and_levels() {
        assert_eq!(outcome_of("Success"), Some("success"));
        assert_eq!(outcome_of("FAILED"), Some("failure"));
        assert_eq!(outcome_of("maybe"), None);
        assert_eq!(level_of_ten("Very-High"), Some("critical"));
        assert_eq!(level_of_ten(" 5 "), Some("warning"));
        assert_eq!(level_of_ten("11"), None);
    }
}
