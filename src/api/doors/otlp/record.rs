//! One log record with its resource and scope, as the JSON object that is kept. `decode::otlp`
//! describes it.

use super::messages::{Any, AnyValue, KeyValue, LogRecord, ResourceLogs, ScopeLogs};
use crate::event::hex;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value as Json, json};

/// Builds the record of a log record.
pub(super) fn json_of(record: &LogRecord, scope: &ScopeLogs, resource: &ResourceLogs) -> String {
    let mut object = Map::new();
    let mut add = |name: &str, value: Json| {
        let empty = match &value {
            Json::Null => true,
            Json::String(text) => text.is_empty(),
            Json::Number(number) => number.as_u64() == Some(0),
            Json::Object(object) => object.is_empty(),
            _ => false,
        };
        if !empty {
            object.insert(name.to_owned(), value);
        }
    };
    // 64-bit numbers are strings in OTLP's JSON, because many parsers cannot represent them. One of
    // the times identifies the format.
    add("timeUnixNano", record.time_unix_nano.to_string().into());
    add(
        "observedTimeUnixNano",
        if record.observed_time_unix_nano > 0 {
            record.observed_time_unix_nano.to_string().into()
        } else {
            Json::Null
        },
    );
    add("severityNumber", record.severity_number.into());
    add("severityText", text(&record.severity_text));
    add("eventName", text(&record.event_name));
    add("body", record.body.as_ref().map_or(Json::Null, any));
    attributes(&record.attributes, &mut add);
    add("droppedAttributesCount", record.dropped_attributes_count.into());
    add("flags", (record.flags & 0xff).into());
    add("traceId", id(&record.trace_id, 16));
    add("spanId", id(&record.span_id, 8));
    add("scope", scope_of(scope));
    add("resource", resource_of(resource));
    Json::Object(object).to_string()
}

fn scope_of(logs: &ScopeLogs) -> Json {
    let Some(scope) = &logs.scope else { return Json::Null };
    let mut object = Map::new();
    for (name, bytes) in
        [("name", &scope.name), ("version", &scope.version), ("schemaUrl", &logs.schema_url)]
    {
        if !bytes.is_empty() {
            object.insert(name.to_owned(), text(bytes));
        }
    }
    attributes(&scope.attributes, &mut |name, value| drop(object.insert(name.to_owned(), value)));
    if scope.dropped_attributes_count > 0 {
        object.insert("droppedAttributesCount".to_owned(), scope.dropped_attributes_count.into());
    }
    Json::Object(object)
}

fn resource_of(logs: &ResourceLogs) -> Json {
    let mut object = Map::new();
    if let Some(resource) = &logs.resource {
        attributes(&resource.attributes, &mut |name, value| {
            drop(object.insert(name.to_owned(), value))
        });
        if resource.dropped_attributes_count > 0 {
            object.insert(
                "droppedAttributesCount".to_owned(),
                resource.dropped_attributes_count.into(),
            );
        }
    }
    if !logs.schema_url.is_empty() {
        object.insert("schemaUrl".to_owned(), text(&logs.schema_url));
    }
    Json::Object(object)
}

/// Converts attributes to an object. A key that occurs twice is undefined in OTLP: the first value
/// is used, and the others are kept separately.
fn attributes(pairs: &[KeyValue], add: &mut impl FnMut(&str, Json)) {
    let (object, repeated) = object_of(pairs);
    if !object.is_empty() {
        add("attributes", Json::Object(object));
    }
    if !repeated.is_empty() {
        add("repeatedAttributes", Json::Array(repeated));
    }
}

fn object_of(pairs: &[KeyValue]) -> (Map<String, Json>, Vec<Json>) {
    let (mut object, mut repeated) = (Map::new(), Vec::new());
    for pair in pairs {
        let value = pair.value.as_ref().map_or(Json::Null, any);
        let key = String::from_utf8_lossy(&pair.key).into_owned();
        if object.contains_key(&key) {
            repeated.push(json!({ "key": key, "value": value }));
        } else {
            object.insert(key, value);
        }
    }
    (object, repeated)
}

fn any(value: &AnyValue) -> Json {
    match &value.value {
        None => Json::Null,
        Some(Any::String(bytes)) => text(bytes),
        Some(Any::Bool(flag)) => (*flag).into(),
        Some(Any::Int(number)) => (*number).into(),
        // Values that JSON numbers cannot express are written by name.
        Some(Any::Double(number)) => {
            Number::from_f64(*number).map_or_else(|| number.to_string().into(), Json::Number)
        }
        Some(Any::Array(array)) => array.values.iter().map(any).collect(),
        Some(Any::Map(map)) => {
            let (mut object, repeated) = object_of(&map.values);
            if !repeated.is_empty() {
                object.insert("repeatedAttributes".to_owned(), repeated.into());
            }
            Json::Object(object)
        }
        Some(Any::Bytes(bytes)) => json!({ "bytesValue": STANDARD.encode(bytes) }),
    }
}

/// Returns a text; bytes that are not UTF-8 become U+FFFD.
fn text(bytes: &[u8]) -> Json {
    String::from_utf8_lossy(bytes).into()
}

/// Returns an id of the right length that is not all zero, in hexadecimal.
fn id(bytes: &[u8], length: usize) -> Json {
    if bytes.len() != length || bytes.iter().all(|byte| *byte == 0) {
        return Json::Null;
    }
    hex(bytes).into()
}
