//! Trace objects: an event as CTS v3 writes it, in the types that Huawei's SDK declares.
//!
//! A record of format cts keeps its own keys; only types that changed over the years are restored
//! to those of the SDK. Any other record is described with the names of CTS. Values that need no
//! change are passed on as they are written, so that large numbers and the order of keys are
//! preserved.

use crate::decode::Format;
use crate::event::{Event, FIELDS, Field, FieldKind, Value};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::BTreeMap;

/// Keys of a trace that are strings, whatever type the record has.
const TEXTS: &[&str] = &[
    "api_version",
    "code",
    "endpoint",
    "enterprise_project_id",
    "location_info",
    "message",
    "operation_id",
    "request",
    "request_id",
    "resource_account_id",
    "resource_id",
    "resource_name",
    "resource_type",
    "resource_url",
    "response",
    "service_type",
    "source_ip",
    "trace_name",
    "trace_type",
    "tracker_name",
];
/// Keys of a user that are strings.
const USER_TEXTS: &[&str] = &[
    "access_key_id",
    "account_id",
    "id",
    "name",
    "principal_id",
    "principal_is_root_user",
    "principal_urn",
    "type",
    "user_name",
];
const DOMAIN_TEXTS: &[&str] = &["id", "name"];
const SESSION_TEXTS: &[&str] = &["created_at", "mfa_authenticated"];

/// A trace object.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Trace(Object);

/// A JSON object that is written to the client.
type Object = BTreeMap<String, Box<RawValue>>;
/// A JSON object of a record.
type RecordFields<'a> = BTreeMap<String, &'a RawValue>;

impl Trace {
    /// Returns the event as a trace object.
    pub(super) fn of(event: &Event) -> Self {
        let is_cts = event.text(Field::Format) == Some(Format::Cts.name());
        let told = if is_cts { of_record(event) } else { None };
        let mut trace = told.unwrap_or_else(|| of_fields(event));
        put(&mut trace, "project_id", &event.tenant);
        put(&mut trace, "trace_id", event.trace_id());
        put(&mut trace, "time", &event.time.millis());
        put(
            &mut trace,
            "event_type",
            if event.text(Field::EventType) == Some("data") { "data" } else { "system" },
        );
        Self(trace)
    }
}

/// Returns the record's own keys; `None` if it cannot be parsed.
fn of_record(event: &Event) -> Option<Object> {
    let outer = keys(&event.original)?;
    let inner = outer.get("cts").and_then(|inner| keys(inner.get()));
    let mut trace = normalised(inner.unwrap_or(outer), TEXTS);
    replace(&mut trace, "record_time", event.record_time.map(|time| json(&time.millis())));
    replace(&mut trace, "read_only", event.read_only.map(|flag| json(&flag)));
    let level = event.text(Field::Level).map(json);
    let own = ["trace_rating", "trace_status"].into_iter().find_map(|key| text(trace.get(key)?));
    replace(&mut trace, "trace_rating", level.or(own.map(|own| json(&own))));
    let user = trace.get("user").and_then(|raw| user(raw));
    replace(&mut trace, "user", user);
    Some(trace)
}

/// Builds a trace from the event's fields, for records of other formats.
fn of_fields(event: &Event) -> Object {
    let mut trace = Object::new();
    for def in FIELDS.iter().filter(|def| !def.cts.is_empty()) {
        let value = match event.value(def.field) {
            Value::Text(text) => json(text),
            Value::Bool(flag) => json(&flag),
            Value::Time(time) => json(&time.millis()),
            _ => continue,
        };
        debug_assert!(
            !matches!(def.kind, FieldKind::List | FieldKind::Decimal),
            "CTS has no such values"
        );
        trace.insert(def.cts.to_owned(), value);
    }
    let access_key = trace.remove("access_key_id");
    if let Some(name) = trace.remove("user") {
        let user =
            Object::from([("name".to_owned(), name.clone()), ("user_name".to_owned(), name)]);
        put(&mut trace, "user", &with(user, "access_key_id", access_key));
    } else if let Some(access_key) = access_key {
        put(&mut trace, "user", &Object::from([("access_key_id".to_owned(), access_key)]));
    }
    // The time at which CTS recorded a trace corresponds to the time of acceptance here.
    trace.entry("record_time".to_owned()).or_insert_with(|| json(&event.ingest_time.millis()));
    trace.entry("tracker_name".to_owned()).or_insert_with(|| json("system"));
    trace
}

/// Returns the operator, which is sometimes an object, sometimes JSON in a string, and sometimes
/// plain text.
fn user(raw: &RawValue) -> Option<Box<RawValue>> {
    let text = text(raw).filter(|text| !text.is_empty())?;
    let mut user = match keys(&text) {
        Some(keys) => normalised(keys, USER_TEXTS),
        None => Object::from([("name".to_owned(), json(&text))]),
    };
    if user.get("user_name").is_none_or(|name| name.get() == "\"\"")
        && let Some(name) = user.get("name").cloned()
    {
        user.insert("user_name".to_owned(), name);
    }
    let domain = user.get("domain").and_then(|raw| domain(raw));
    replace(&mut user, "domain", domain);
    let invoked_by =
        user.get("invoked_by").map(|raw| match serde_json::from_str::<Vec<&RawValue>>(raw.get()) {
            Ok(items) => json(&items.into_iter().filter_map(self::text).collect::<Vec<_>>()),
            Err(_) => json(&self::text(raw).into_iter().collect::<Vec<_>>()),
        });
    replace(&mut user, "invoked_by", invoked_by);
    let session = user.get("session_context").and_then(|raw| session(raw));
    replace(&mut user, "session_context", session);
    Some(json(&user))
}

fn domain(raw: &RawValue) -> Option<Box<RawValue>> {
    let text = text(raw).filter(|text| !text.is_empty())?;
    Some(match keys(&text) {
        Some(keys) => json(&normalised(keys, DOMAIN_TEXTS)),
        None => json(&BTreeMap::from([("name", text)])),
    })
}

fn session(raw: &RawValue) -> Option<Box<RawValue>> {
    let text = text(raw)?;
    let mut session = normalised(keys(&text)?, &[]);
    let attributes = session.get("attributes").and_then(|raw| {
        let text = self::text(raw)?;
        Some(json(&normalised(keys(&text)?, SESSION_TEXTS)))
    });
    replace(&mut session, "attributes", attributes);
    Some(json(&session))
}

/// Parses the keys of a JSON object.
fn keys(json: &str) -> Option<RecordFields<'_>> {
    serde_json::from_str(json).ok()
}

/// Removes keys that have no value, and converts to strings those that `texts` selects.
fn normalised(keys: RecordFields<'_>, texts: &[&str]) -> Object {
    let value = |key: &str, raw: &RawValue| {
        if texts.contains(&key) { text(raw).map(|text| json(&text)) } else { Some(raw.to_owned()) }
    };
    keys.into_iter()
        .filter(|(_, raw)| raw.get() != "null")
        .filter_map(|(key, raw)| value(&key, raw).map(|value| (key, value)))
        .collect()
}

/// Returns a value as a string: strings as they are, anything else as compact JSON, null not at
/// all.
fn text(raw: &RawValue) -> Option<String> {
    let json = raw.get();
    match json.as_bytes().first()? {
        b'n' => None,
        // A string that is not valid Unicode (half of a surrogate pair) is shown as it is written,
        // which is also how filters see it.
        b'"' => {
            Some(serde_json::from_str(json).unwrap_or_else(|_| json[1..json.len() - 1].to_owned()))
        }
        _ => Some(compact(json)),
    }
}

/// Removes the spaces between the parts of JSON.
fn compact(json: &str) -> String {
    let (mut in_text, mut escaped) = (false, false);
    let keep = |letter: &char| {
        if in_text {
            match letter {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => in_text = false,
                _ => {}
            }
            return true;
        }
        in_text = *letter == '"';
        !letter.is_ascii_whitespace()
    };
    json.chars().filter(keep).collect()
}

fn json<T: Serialize + ?Sized>(value: &T) -> Box<RawValue> {
    to_raw_value(value).expect("texts, numbers, flags and maps of them by name are always JSON")
}

fn put<T: Serialize + ?Sized>(object: &mut Object, key: &str, value: &T) {
    object.insert(key.to_owned(), json(value));
}

/// Replaces a value of the record, or removes it.
fn replace(object: &mut Object, key: &str, value: Option<Box<RawValue>>) {
    match value {
        Some(value) => object.insert(key.to_owned(), value),
        None => object.remove(key),
    };
}

fn with(mut object: Object, key: &str, value: Option<Box<RawValue>>) -> Object {
    replace(&mut object, key, value);
    object
}
