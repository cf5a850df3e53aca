//! Reading audit logs that are lines of text: the audit system of Linux, the Common Event Format,
//! the Log Event Extended Format, syslog with either head, and the logs of containers.
//!
//! Every such line becomes one JSON object with the names of Elastic Common Schema, which the
//! decoder of documents turns into an event. The line itself is kept in it. A line that only wraps
//! JSON yields that JSON. What is in none of these formats is left to the caller: to call any text
//! an event would fill a store with stack traces.
//!
//! No input makes this fail. It takes time in proportion to the line, does not recurse, and keeps
//! at most a thousand keys.

mod audit_fields;
mod audit_types;
mod auditd;
mod cef;
mod cisco;
mod cri;
mod ecs_object;
mod fields;
mod java_dates;
mod leef;
mod rfc3164;
mod rfc5424;
mod syslog;
mod syslog_header;
mod text_cursor;
mod times;

pub(super) use cri::ContainerLine;

use ecs_object::LineContext;
use serde_json::{Map, Value};
use std::borrow::Cow;
use syslog_header::SyslogHeader;

/// What a line of text holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum LineContent<'a> {
    /// The object that stands for the line.
    Object(Value),
    /// JSON that the line carries, which may be a record of its own, and the object that stands for
    /// the line if it is none.
    Carrier(Cow<'a, str>, Value),
}

/// Reads a line, or lines joined by line feeds: those of one event of the Linux audit system, or
/// the parts of a line of a container.
///
/// The present decides the year of times that have none. `None` if the text is of no known form.
pub(super) fn read(text: &str, now_ms: i64) -> Option<LineContent<'_>> {
    let line = LineContext { original: text, now_ms };
    let body = text.trim_end_matches(['\r', '\n']);
    let body = body.strip_prefix('\u{feff}').unwrap_or(body);
    let bare = SyslogHeader::default();
    let object = auditd::read(body, &bare, &line)
        .or_else(|| cef::read(body, &bare, &line))
        .or_else(|| leef::read(body, &bare, &line));
    if let Some(object) = object {
        return Some(LineContent::Object(object));
    }
    let read = cri::read(body, &line).or_else(|| syslog::read(body, &line));
    read.or_else(|| Some(LineContent::Object(behind_any_head(body, &bare, &line)?)))
}

/// Reads CEF or LEEF behind a head of any form.
fn behind_any_head(text: &str, header: &SyslogHeader<'_>, line: &LineContext<'_>) -> Option<Value> {
    let cef = cef::embedded(text).and_then(|text| cef::read(text, header, line));
    cef.or_else(|| leef::read(leef::embedded(text)?, header, line))
}

/// Returns whether a line has one of the forms that are read.
pub(super) fn is_line(text: &str) -> bool {
    // No line of a JSON document begins like one, except inside a string.
    let may_begin = |first: char| first.is_ascii_alphanumeric() || first == '<';
    text.starts_with(may_begin) && read(text, 0).is_some()
}

/// Returns the JSON object that a line carries, with the head of the line, so that equal objects of
/// different lines are different records, and with those of these members of the line's own object
/// that it does not have.
pub(super) fn with_head(carried: &str, line: &str, object: &Value, members: &[&str]) -> String {
    let known: Map<String, Value> = serde_json::from_str(carried).unwrap_or_default();
    let head = match line.split_once(carried) {
        Some((head, _)) => head.trim_end().to_owned(),
        None => cri::heads(line.trim_end_matches(['\r', '\n'])).unwrap_or_default(),
    };
    let mut added = Map::new();
    added.insert("line_head".to_owned(), head.into());
    for member in members {
        if let Some(value) = object.get(*member) {
            added.insert((*member).to_owned(), value.clone());
        }
    }
    added.retain(|key, _| !known.contains_key(key));
    if added.is_empty() {
        return carried.to_owned();
    }
    // What is there is kept byte for byte.
    let added = Value::Object(added).to_string();
    let separator = if known.is_empty() { "" } else { "," };
    let open = carried.strip_suffix('}').unwrap_or(carried);
    format!("{open}{separator}{}", &added[1..])
}

/// Returns the node and the stamp of a line of `audit.log`, such as `1700000000.123:456`. Adjacent
/// lines with the same node and stamp are one event.
pub(super) fn audit_stamp(line: &str) -> Option<(Option<&str>, &str)> {
    auditd::stamp(line)
}

/// Returns the JSON object that a text is, without blanks around it.
fn carried_json(text: &str) -> Option<&str> {
    let text = text.trim();
    let is_object = text.starts_with('{')
        && text.ends_with('}')
        && serde_json::from_str::<Map<String, Value>>(text).is_ok();
    is_object.then_some(text)
}

#[cfg(test)]
mod auditd_tests;
#[cfg(test)]
mod tests;
