//! An event as a trace of CTS v3, with the types that the SDK reads.
//!
//! A record that came from CTS is shown as it came, its loose values made regular: codes and ids are texts, times
//! milliseconds, request and response texts, the user an object. Other records are put together from their columns.

use crate::event::{Event, FIELDS, Field, Value};
use serde_json::{Map, Value as Json, json};

/// Keys of a trace that the SDK reads as text.
const TEXTS: &[&str] = &[
    "trace_id",
    "trace_name",
    "trace_rating",
    "trace_type",
    "event_type",
    "service_type",
    "resource_type",
    "resource_name",
    "resource_id",
    "source_ip",
    "request",
    "response",
    "code",
    "api_version",
    "message",
    "request_id",
    "location_info",
    "endpoint",
    "resource_url",
    "enterprise_project_id",
    "resource_account_id",
    "operation_id",
    "tracker_name",
    "domain_id",
    "project_id",
    "user_agent",
];

/// The event as a trace.
pub(super) fn render(event: &Event) -> Json {
    let mut trace = if event.text(Field::Format) == Some("cts") { record(event) } else { Map::new() };
    trace.remove("trace_status");
    for key in TEXTS {
        if let Some(value) = trace.get_mut(*key) {
            *value = as_text(value.take());
        }
    }
    // A text that the record does not have at all, and that a column knows, is told by the column.
    for def in FIELDS.iter().filter(|def| !def.cts.is_empty() && def.is_text() && def.field != Field::Operator) {
        let missing = trace.get(def.cts).is_none_or(|value| value.is_null() || value == "");
        if let (true, Value::Text(text)) = (missing, event.value(def.field)) {
            trace.insert(def.cts.to_owned(), text.into());
        }
    }
    trace.remove("access_key_id");
    // What the list is filtered by must be what it shows.
    for field in [Field::Level, Field::EventType, Field::TraceType] {
        if let Some(text) = event.text(field) {
            trace.insert(field.def().cts.to_owned(), text.into());
        }
    }
    trace.insert("trace_id".to_owned(), event.trace_id().into());
    trace.insert("project_id".to_owned(), event.tenant.as_ref().into());
    trace.insert("time".to_owned(), event.time.millis().into());
    trace.insert("record_time".to_owned(), event.record_time.unwrap_or(event.time).millis().into());
    match event.read_only {
        Some(flag) => trace.insert("read_only".to_owned(), flag.into()),
        None => trace.remove("read_only"),
    };
    match user(trace.remove("user"), event) {
        Some(user) => trace.insert("user".to_owned(), user),
        None => None,
    };
    trace.retain(|_, value| !value.is_null());
    Json::Object(trace)
}

/// The record's own keys, out of its envelope if it has one.
fn record(event: &Event) -> Map<String, Json> {
    // A number that no float can hold is no JSON to this parser; then the columns tell what they know.
    let Ok(Json::Object(mut record)) = serde_json::from_str(&event.original) else { return Map::new() };
    match record.remove("cts") {
        Some(Json::Object(inner)) if !record.contains_key("trace_name") => inner,
        _ => record,
    }
}

fn as_text(value: Json) -> Json {
    match value {
        Json::String(_) | Json::Null => value,
        // A resource id that is `{}` is none.
        Json::Object(ref object) if object.is_empty() => Json::Null,
        other => Json::String(other.to_string()),
    }
}

/// The user as an object: it may have been one, JSON in a text, or a mere name.
fn user(value: Option<Json>, event: &Event) -> Option<Json> {
    let value = match value {
        Some(Json::String(text)) => serde_json::from_str(&text).ok().filter(Json::is_object).unwrap_or_else(|| json!({ "name": text })),
        Some(value) => value,
        None => Json::Null,
    };
    let mut user = match value {
        Json::Object(user) => user,
        _ => Map::new(),
    };
    let name = user.get("name").or(user.get("user_name")).and_then(Json::as_str).or(event.text(Field::Operator)).map(str::to_owned);
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        user.entry("name").or_insert_with(|| name.as_str().into());
        user.entry("user_name").or_insert_with(|| name.into());
    }
    if let Some(key) = event.text(Field::AccessKeyId) {
        user.entry("access_key_id").or_insert_with(|| key.into());
    }
    (!user.is_empty()).then_some(Json::Object(user))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::decode;

    fn rendered(record: &str) -> Json {
        let mut event = decode(record, None).expect(record);
        event.tenant = "p".into();
        render(&event)
    }

    #[test]
    fn loose_values_become_what_the_sdk_reads() {
        let trace = rendered(
            r#"{"trace_id":"t","trace_name":"n","service_type":"S","time":1700000000,"record_time":"2016-12-15 15:27:40 GMT+08:00","code":200,
                "request":{"a":1},"response":"","user":"{\"name\":\"x\",\"domain\":{\"id\":\"d\"}}","trace_status":"warning","resource_id":{},"read_only":"true"}"#,
        );
        let expected = json!({
            "trace_id": "t", "trace_name": "n", "service_type": "S", "time": 1_700_000_000_000_i64, "record_time": 1_481_786_860_000_i64,
            "code": "200", "request": "{\"a\":1}", "response": "", "user": {"name": "x", "user_name": "x", "domain": {"id": "d"}},
            "trace_rating": "warning", "event_type": "system", "read_only": true, "project_id": "p",
        });
        assert_eq!(trace, expected);
    }

    #[test]
    fn an_envelope_is_taken_off_and_other_formats_are_put_together() {
        assert_eq!(rendered(r#"{"cts":{"trace_name":"n","service_type":"S","time":1700000000000}}"#)["trace_name"], "n");
        let trace =
            rendered(r#"{"event_name":"e","time":1700000000000,"source":"S","operator":"o","access_key_id":"k","level":"incident"}"#);
        assert_eq!(trace["trace_name"], "e");
        assert_eq!(trace["user"], json!({ "name": "o", "user_name": "o", "access_key_id": "k" }));
        assert_eq!(trace["trace_rating"], "incident");
    }

    #[test]
    fn an_opaque_user_is_a_name_and_no_user_is_absent() {
        assert_eq!(rendered(r#"{"trace_name":"n","time":1700000000000,"user":"bob"}"#)["user"]["name"], "bob");
        assert_eq!(rendered(r#"{"trace_name":"n","time":1700000000000,"user":null}"#).get("user"), None);
    }
}
