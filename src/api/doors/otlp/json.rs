//! Converts OTLP's own JSON form into the protobuf messages.
//!
//! It differs from protobuf's usual JSON: ids are hexadecimal, enums are numbers, and 64-bit
//! numbers are strings or numbers. Names of severities and base64 ids are accepted too, because
//! programs that print protobuf as JSON send them.

use super::messages::{
    Any, AnyValue, ArrayValue, ExportLogsServiceRequest, InstrumentationScope, KeyValue,
    KeyValueList, LogRecord, Resource, ResourceLogs, ScopeLogs,
};
use crate::error::{Error, Result, without_values};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json};

/// Names of severities; each stands for four numbers.
const SEVERITIES: &[&str] = &["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];

/// Parses a request.
///
/// # Errors
/// Anything that does not have this form; the message says where.
pub(super) fn parse(body: &[u8]) -> Result<ExportLogsServiceRequest> {
    if body.trim_ascii().is_empty() {
        return Ok(ExportLogsServiceRequest::default());
    }
    let body: Map<String, Json> = serde_json::from_slice(body).map_err(|cause| {
        Error::invalid("the body is not a JSON object").because(without_values(&cause))
    })?;
    if !body.is_empty() && !body.contains_key("resourceLogs") {
        return Err(Error::invalid(
            "the body has no resourceLogs: OTLP's JSON names are in lowerCamelCase",
        ));
    }
    Ok(ExportLogsServiceRequest { resource_logs: list(&body, "resourceLogs", resource_logs)? })
}

fn resource_logs(logs: &Map<String, Json>) -> Result<ResourceLogs> {
    let resource = |resource: &Map<String, Json>| {
        Ok(Resource {
            attributes: list(resource, "attributes", key_value)?,
            dropped_attributes_count: number(resource, "droppedAttributesCount")?
                .unwrap_or_default() as u32,
        })
    };
    Ok(ResourceLogs {
        resource: object(logs, "resource")?.map(resource).transpose()?,
        scope_logs: list(logs, "scopeLogs", scope_logs)?,
        schema_url: text(logs, "schemaUrl")?,
    })
}

fn scope_logs(logs: &Map<String, Json>) -> Result<ScopeLogs> {
    let scope = |scope: &Map<String, Json>| {
        Ok(InstrumentationScope {
            name: text(scope, "name")?,
            version: text(scope, "version")?,
            attributes: list(scope, "attributes", key_value)?,
            dropped_attributes_count: number(scope, "droppedAttributesCount")?.unwrap_or_default()
                as u32,
        })
    };
    Ok(ScopeLogs {
        scope: object(logs, "scope")?.map(scope).transpose()?,
        log_records: list(logs, "logRecords", log_record)?,
        schema_url: text(logs, "schemaUrl")?,
    })
}

fn log_record(record: &Map<String, Json>) -> Result<LogRecord> {
    Ok(LogRecord {
        time_unix_nano: number(record, "timeUnixNano")?.unwrap_or_default().cast_unsigned(),
        observed_time_unix_nano: number(record, "observedTimeUnixNano")?
            .unwrap_or_default()
            .cast_unsigned(),
        severity_number: severity(record)?,
        severity_text: text(record, "severityText")?,
        event_name: text(record, "eventName")?,
        body: record.get("body").map(any).transpose()?,
        attributes: list(record, "attributes", key_value)?,
        dropped_attributes_count: number(record, "droppedAttributesCount")?.unwrap_or_default()
            as u32,
        flags: number(record, "flags")?.unwrap_or_default() as u32,
        trace_id: id(&text(record, "traceId")?, 16),
        span_id: id(&text(record, "spanId")?, 8),
    })
}

fn severity(record: &Map<String, Json>) -> Result<i32> {
    let Some(Json::String(name)) = record.get("severityNumber") else {
        return Ok(number(record, "severityNumber")?.unwrap_or_default() as i32);
    };
    let name = name.strip_prefix("SEVERITY_NUMBER_").unwrap_or(name);
    let step = name.trim_start_matches(|letter: char| letter.is_ascii_alphabetic());
    let index = SEVERITIES.iter().position(|known| *known == &name[..name.len() - step.len()]);
    let step: i32 = step.parse().unwrap_or(1);
    Ok(index.map_or_else(
        || name.parse().unwrap_or_default(),
        |index| index as i32 * 4 + step.clamp(1, 4),
    ))
}

/// Parses an id of this many bytes; `None` if it is anything else.
fn id(text: &str, bytes: usize) -> Vec<u8> {
    if text.len() == 2 * bytes {
        let byte = |index: usize| {
            text.get(2 * index..2 * index + 2)
                .and_then(|digits| u8::from_str_radix(digits, 16).ok())
        };
        return (0..bytes).map(byte).collect::<Option<_>>().unwrap_or_default();
    }
    STANDARD.decode(text).ok().filter(|id| id.len() == bytes).unwrap_or_default()
}

fn key_value(pair: &Map<String, Json>) -> Result<KeyValue> {
    Ok(KeyValue { key: text(pair, "key")?, value: pair.get("value").map(any).transpose()? })
}

fn any(value: &Json) -> Result<AnyValue> {
    let wrong = || {
        Error::invalid(
            "a value is an object of one of stringValue, boolValue, intValue, doubleValue, \
            arrayValue, kvlistValue, bytesValue",
        )
    };
    let object = match value {
        Json::Object(object) => object,
        Json::Null => return Ok(AnyValue::default()),
        _ => return Err(wrong()),
    };
    let Some((name, value)) = object.iter().next() else { return Ok(AnyValue::default()) };
    let inner = || value.as_object().ok_or_else(wrong);
    let value = match (name.as_str(), value) {
        ("stringValue", Json::String(text)) => Any::String(text.clone()),
        ("boolValue", Json::Bool(flag)) => Any::Bool(*flag),
        ("intValue", _) => Any::Int(number(object, "intValue")?.unwrap_or_default()),
        ("doubleValue", Json::Number(number)) => Any::Double(number.as_f64().unwrap_or(f64::NAN)),
        ("doubleValue", Json::String(text)) => {
            Any::Double(text.replace("Infinity", "inf").parse().map_err(|_| wrong())?)
        }
        ("arrayValue", _) => {
            let values = inner()?
                .get("values")
                .and_then(Json::as_array)
                .map(Vec::as_slice)
                .unwrap_or_default();
            Any::Array(ArrayValue { values: values.iter().map(any).collect::<Result<_>>()? })
        }
        ("kvlistValue", _) => {
            Any::Map(KeyValueList { values: list(inner()?, "values", key_value)? })
        }
        ("bytesValue", Json::String(text)) => {
            Any::Bytes(STANDARD.decode(text).map_err(|_| wrong())?)
        }
        _ => return Err(wrong()),
    };
    Ok(AnyValue { value: Some(value) })
}

fn wrong(name: &str, what: &str) -> Error {
    Error::invalid(format!("{name} is {what}"))
}

fn list<T>(
    object: &Map<String, Json>,
    name: &str,
    item: impl Fn(&Map<String, Json>) -> Result<T>,
) -> Result<Vec<T>> {
    match object.get(name) {
        None | Some(Json::Null) => Ok(Vec::new()),
        Some(Json::Array(items)) => {
            let read = |value: &Json| {
                item(value.as_object().ok_or_else(|| wrong(name, "no list of objects"))?)
            };
            items.iter().map(read).collect()
        }
        Some(_) => Err(wrong(name, "not a list")),
    }
}

fn object<'a>(outer: &'a Map<String, Json>, name: &str) -> Result<Option<&'a Map<String, Json>>> {
    match outer.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Object(object)) => Ok(Some(object)),
        Some(_) => Err(wrong(name, "not an object")),
    }
}

fn text(object: &Map<String, Json>, name: &str) -> Result<String> {
    match object.get(name) {
        None | Some(Json::Null) => Ok(String::new()),
        Some(Json::String(text)) => Ok(text.clone()),
        Some(_) => Err(wrong(name, "not a text")),
    }
}

/// Parses a whole number, written as a number or a string; unsigned ones beyond the signed range
/// keep their bits.
fn number(object: &Map<String, Json>, name: &str) -> Result<Option<i64>> {
    let text = match object.get(name) {
        None | Some(Json::Null) => return Ok(None),
        Some(Json::String(text)) => text.clone(),
        Some(Json::Number(number)) => number.to_string(),
        Some(_) => return Err(wrong(name, "not a number")),
    };
    let signed = text.parse::<i64>().ok();
    let number = signed.or_else(|| text.parse::<u64>().ok().map(u64::cast_signed));
    number.map(Some).ok_or_else(|| wrong(name, "no whole number"))
}
