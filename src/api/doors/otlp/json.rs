//! Converts OTLP's own JSON form into the protobuf messages.
//!
//! It differs from protobuf's usual JSON: ids are hexadecimal, enums are numbers, and 64-bit
//! numbers are strings or numbers. Names of severities and base64 ids are accepted too, because
//! programs that print protobuf as JSON send them, and so are the names that OTLP had before 1.0
//! (`instrumentationLibraryLogs`, `logs`).
//!
//! Only what tells records apart can make a request unreadable. Whatever is wrong within a record
//! is kept as text where it stands: exporters drop a batch that is refused, and one value would
//! take all the records of the batch with it.

use super::messages::{
    Any, AnyValue, ArrayValue, ExportLogsServiceRequest, InstrumentationScope, KeyValue,
    KeyValueList, LogRecord, Resource, ResourceLogs, ScopeLogs,
};
use crate::error::{Error, Result, without_values};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json};
use std::borrow::Cow;

/// Names of severities; each stands for four numbers.
const SEVERITIES: &[&str] = &["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];

/// Parses a request.
///
/// # Errors
/// A body in which the records cannot be told apart.
pub(super) fn parse(body: &[u8]) -> Result<ExportLogsServiceRequest> {
    if body.trim_ascii().is_empty() {
        return Ok(ExportLogsServiceRequest::default());
    }
    let body = parse_object(body)?;
    if !body.is_empty() && !body.contains_key("resourceLogs") {
        return Err(Error::invalid(
            "the body has no resourceLogs: OTLP's JSON names are in lowerCamelCase",
        ));
    }
    Ok(ExportLogsServiceRequest { resource_logs: list(&body, &["resourceLogs"], resource_logs)? })
}

/// Parses the body; a second time without what is not Unicode, if that is what is wrong with it.
fn parse_object(body: &[u8]) -> Result<Map<String, Json>> {
    serde_json::from_slice(body).or_else(|cause| {
        let text = String::from_utf8_lossy(body);
        serde_json::from_str(&without_lone_surrogates(&text)).map_err(|_| {
            Error::invalid("the body is not a JSON object").because(without_values(&cause))
        })
    })
}

/// Replaces each escape of half a surrogate pair by that of U+FFFD.
fn without_lone_surrogates(json: &str) -> Cow<'_, str> {
    let mut mended = String::new();
    let (mut kept, mut at) = (0, 0);
    while let Some(found) = json[at..].find('\\') {
        at += found;
        let unit = |from: usize| {
            let digits = json.get(from..from + 6)?.strip_prefix("\\u")?;
            u16::from_str_radix(digits, 16).ok()
        };
        let length = match (unit(at), unit(at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                mended.push_str(&json[kept..at]);
                mended.push_str("\\ufffd");
                kept = at + 6;
                6
            }
            (Some(_), _) => 6,
            (None, _) => 2,
        };
        at = json.ceil_char_boundary(at + length);
    }
    if kept == 0 {
        return Cow::Borrowed(json);
    }
    mended.push_str(&json[kept..]);
    Cow::Owned(mended)
}

fn resource_logs(logs: &Map<String, Json>) -> Result<ResourceLogs> {
    let resource = |resource: &Map<String, Json>| Resource {
        attributes: attributes(resource),
        dropped_attributes_count: number(resource, "droppedAttributesCount") as u32,
    };
    Ok(ResourceLogs {
        resource: object(logs, &["resource"]).map(resource),
        scope_logs: list(logs, &["scopeLogs", "instrumentationLibraryLogs"], scope_logs)?,
        schema_url: text(logs, "schemaUrl"),
    })
}

fn scope_logs(logs: &Map<String, Json>) -> Result<ScopeLogs> {
    let scope = |scope: &Map<String, Json>| InstrumentationScope {
        name: text(scope, "name"),
        version: text(scope, "version"),
        attributes: attributes(scope),
        dropped_attributes_count: number(scope, "droppedAttributesCount") as u32,
    };
    Ok(ScopeLogs {
        scope: object(logs, &["scope", "instrumentationLibrary"]).map(scope),
        log_records: list(logs, &["logRecords", "logs"], |record| Ok(log_record(record)))?,
        schema_url: text(logs, "schemaUrl"),
    })
}

fn log_record(record: &Map<String, Json>) -> LogRecord {
    LogRecord {
        time_unix_nano: number(record, "timeUnixNano"),
        observed_time_unix_nano: number(record, "observedTimeUnixNano"),
        severity_number: severity(record),
        severity_text: text(record, "severityText"),
        event_name: text(record, "eventName"),
        body: record.get("body").map(any),
        attributes: attributes(record),
        dropped_attributes_count: number(record, "droppedAttributesCount") as u32,
        flags: number(record, "flags") as u32,
        trace_id: id(&text(record, "traceId"), 16),
        span_id: id(&text(record, "spanId"), 8),
    }
}

fn severity(record: &Map<String, Json>) -> i32 {
    let Some(Json::String(name)) = record.get("severityNumber") else {
        return number(record, "severityNumber") as i32;
    };
    let name = name.strip_prefix("SEVERITY_NUMBER_").unwrap_or(name);
    let step = name.trim_start_matches(|letter: char| letter.is_ascii_alphabetic());
    let index = SEVERITIES.iter().position(|known| *known == &name[..name.len() - step.len()]);
    let step: i32 = step.parse().unwrap_or(1);
    index.map_or_else(
        || name.parse().unwrap_or_default(),
        |index| index as i32 * 4 + step.clamp(1, 4),
    )
}

/// Parses an id of this many bytes; none if it is anything else.
fn id(text: &[u8], bytes: usize) -> Vec<u8> {
    if text.len() == 2 * bytes {
        let digit = |index: usize| char::from(text[index]).to_digit(16);
        let byte = |index: usize| Some((digit(2 * index)? << 4 | digit(2 * index + 1)?) as u8);
        return (0..bytes).map(byte).collect::<Option<_>>().unwrap_or_default();
    }
    STANDARD.decode(text).ok().filter(|id| id.len() == bytes).unwrap_or_default()
}

/// Returns the attributes: a list of keys and values, or an object, as some programs write them.
fn attributes(object: &Map<String, Json>) -> Vec<KeyValue> {
    object.get("attributes").map(pairs).unwrap_or_default()
}

fn pairs(value: &Json) -> Vec<KeyValue> {
    let pair =
        |key: &str, value: AnyValue| KeyValue { key: key.as_bytes().to_vec(), value: Some(value) };
    match value {
        Json::Null => Vec::new(),
        Json::Array(items) => {
            let read = |item: &Json| match item {
                Json::Object(object) => {
                    KeyValue { key: text(object, "key"), value: object.get("value").map(any) }
                }
                other => pair("", as_text(other)),
            };
            items.iter().map(read).collect()
        }
        Json::Object(object) => object.iter().map(|(key, value)| pair(key, plain(value))).collect(),
        other => vec![pair("", as_text(other))],
    }
}

/// Returns an OTLP value. What has none of its forms is kept as text.
fn any(value: &Json) -> AnyValue {
    let Json::Object(object) = value else { return plain(value) };
    let Some((name, inner)) = object.iter().next() else { return AnyValue::default() };
    let read = match (name.as_str(), inner) {
        ("stringValue", Json::String(text)) => Some(Any::String(text.as_bytes().to_vec())),
        ("boolValue", Json::Bool(flag)) => Some(Any::Bool(*flag)),
        ("intValue", Json::String(text)) => text.parse().ok().map(Any::Int),
        // A number beyond the range, which JavaScript sends, would become another one.
        ("intValue", Json::Number(number)) => number.as_i64().map(Any::Int),
        ("doubleValue", Json::Number(number)) => number.as_f64().map(Any::Double),
        ("doubleValue", Json::String(text)) => {
            text.replace("Infinity", "inf").parse().ok().map(Any::Double)
        }
        ("arrayValue", Json::Object(array)) => {
            let values = array.get("values").and_then(Json::as_array);
            let values = values.map(Vec::as_slice).unwrap_or_default();
            Some(Any::Array(ArrayValue { values: values.iter().map(any).collect() }))
        }
        ("kvlistValue", Json::Object(list)) => {
            let values = list.get("values").map(pairs).unwrap_or_default();
            Some(Any::Map(KeyValueList { values }))
        }
        ("bytesValue", Json::String(text)) => STANDARD.decode(text).ok().map(Any::Bytes),
        _ => None,
    };
    match read {
        Some(read) => AnyValue { value: Some(read) },
        None if name.ends_with("Value") && object.len() == 1 => as_text(inner),
        None => as_text(value),
    }
}

/// Returns the value that plain JSON stands for.
fn plain(value: &Json) -> AnyValue {
    let value = match value {
        Json::Null => return AnyValue::default(),
        Json::Bool(flag) => Any::Bool(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Any::Int(whole),
            None => return as_text(value),
        },
        Json::String(text) => Any::String(text.as_bytes().to_vec()),
        Json::Array(items) => Any::Array(ArrayValue { values: items.iter().map(plain).collect() }),
        Json::Object(_) => Any::Map(KeyValueList { values: pairs(value) }),
    };
    AnyValue { value: Some(value) }
}

fn as_text(value: &Json) -> AnyValue {
    let text = match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    AnyValue { value: Some(Any::String(text.into_bytes())) }
}

/// Returns the value under the first of these names that the object has.
fn named<'a>(object: &'a Map<String, Json>, names: &[&str]) -> Option<&'a Json> {
    names.iter().find_map(|name| object.get(*name)).filter(|value| !value.is_null())
}

fn list<T>(
    object: &Map<String, Json>,
    names: &[&str],
    item: impl Fn(&Map<String, Json>) -> Result<T>,
) -> Result<Vec<T>> {
    let wrong = || Error::invalid(format!("{} is not a list of objects", names[0]));
    match named(object, names) {
        None => Ok(Vec::new()),
        Some(Json::Array(items)) => {
            items.iter().map(|value| item(value.as_object().ok_or_else(wrong)?)).collect()
        }
        Some(_) => Err(wrong()),
    }
}

fn object<'a>(outer: &'a Map<String, Json>, names: &[&str]) -> Option<&'a Map<String, Json>> {
    named(outer, names).and_then(Json::as_object)
}

fn text(object: &Map<String, Json>, name: &str) -> Vec<u8> {
    match object.get(name) {
        None | Some(Json::Null) => Vec::new(),
        Some(Json::String(text)) => text.as_bytes().to_vec(),
        Some(other) => other.to_string().into_bytes(),
    }
}

/// Returns a whole number that is not negative, written as a number or a string; 0 if there is
/// none. A time of 0 is suspect, and filed under its arrival.
fn number(object: &Map<String, Json>, name: &str) -> u64 {
    match object.get(name) {
        Some(Json::String(text)) => text.parse().unwrap_or_default(),
        Some(Json::Number(number)) => number.as_u64().unwrap_or_default(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;

    fn read(record: &str) -> LogRecord {
        let body = format!(
            r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{record},{{"eventName":"good"}}]}}]}}]}}"#
        );
        let mut request = parse(body.as_bytes()).expect("records can be told apart");
        let mut records = request.resource_logs.remove(0).scope_logs.remove(0).log_records;
        assert_eq!(records.remove(1).event_name, b"good", "{record}");
        records.remove(0)
    }

    fn value(json: &str) -> Any {
        let record = read(&format!(r#"{{"attributes":[{{"key":"a","value":{json}}}]}}"#));
        record.attributes.into_iter().next().and_then(|pair| pair.value?.value).expect("a value")
    }

    #[test]
    fn one_bad_value_takes_no_other_with_it() {
        let text = |text: &str| Any::String(text.as_bytes().to_vec());
        for (json, expected) in [
            (r#"{"intValue":"-5"}"#, Any::Int(-5)),
            (r#"{"intValue":9223372036854775807}"#, Any::Int(i64::MAX)),
            (r#"{"intValue":9223372036854775808}"#, text("9223372036854775808")),
            (r#"{"intValue":"9223372036854776000"}"#, text("9223372036854776000")),
            (r#"{"intValue":1e+21}"#, text("1e+21")),
            (r#"{"intValue":"many"}"#, text("many")),
            (r#"{"intValue":[1]}"#, text("[1]")),
            (r#"{"stringValue":5}"#, text("5")),
            (r#"{"stringValue":"cut \ud83d"}"#, text("cut \u{fffd}")),
            (r#"{"stringValue":"\\ud83d \ud83d\ude00"}"#, text("\\ud83d \u{1f600}")),
            (r#"{"newValue":"x"}"#, text("x")),
            (r#"{"a":1,"b":2}"#, text(r#"{"a":1,"b":2}"#)),
            (r#""plain""#, text("plain")),
            ("7", Any::Int(7)),
        ] {
            assert_eq!(value(json), expected, "{json}");
        }
    }

    #[test]
    fn what_is_no_text_or_no_time_costs_only_itself() {
        let record = read(concat!(
            r#"{"timeUnixNano":"soon","severityNumber":{},"eventName":5,"#,
            r#""attributes":{"k":"v"},"body":"b"}"#
        ));
        assert_eq!((record.time_unix_nano, record.severity_number), (0, 0));
        assert_eq!(record.event_name, b"5");
        assert_eq!(record.attributes[0].key, b"k");
    }

    #[test]
    fn bytes_that_are_no_text_cost_only_themselves() {
        let mut body = br#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"eventName":""#.to_vec();
        body.extend(b"\xff\"}]}]}]}");
        let request = parse(&body).expect("records can be told apart");
        let name = &request.resource_logs[0].scope_logs[0].log_records[0].event_name;
        assert_eq!(name, "\u{fffd}".as_bytes());
        let written = request.encode_to_vec();
        assert_eq!(ExportLogsServiceRequest::decode(written.as_slice()).expect("ours"), request);
    }

    #[test]
    fn the_names_before_1_0_are_read() {
        let body = concat!(
            r#"{"resourceLogs":[{"instrumentationLibraryLogs":[{"#,
            r#""instrumentationLibrary":{"name":"n"},"logs":[{"eventName":"old"}]}]}]}"#
        );
        let request = parse(body.as_bytes()).expect("records can be told apart");
        let scope = &request.resource_logs[0].scope_logs[0];
        assert_eq!(scope.scope.as_ref().expect("a scope").name, b"n");
        assert_eq!(scope.log_records[0].event_name, b"old");
    }
}
