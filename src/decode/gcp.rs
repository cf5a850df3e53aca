//! Google Cloud audit log entries.
//!
//! Google takes entries of one log with the same time and insert id for one; so the trace id is `insertId@timestamp`.

use super::json::{scalar, shape};
use crate::error::{Error, Result};
use crate::event::{Event, Field, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

type Raw<'a> = Option<&'a RawValue>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    #[serde(borrow)]
    insert_id: Raw<'a>,
    #[serde(borrow)]
    timestamp: Raw<'a>,
    #[serde(borrow)]
    receive_timestamp: Raw<'a>,
    #[serde(borrow)]
    severity: Raw<'a>,
    #[serde(borrow)]
    log_name: Raw<'a>,
    resource: Option<Resource<'a>>,
    operation: Option<Operation<'a>>,
    proto_payload: Payload<'a>,
}

#[derive(Deserialize)]
struct Resource<'a> {
    #[serde(borrow, rename = "type")]
    kind: Raw<'a>,
    #[serde(borrow)]
    labels: Option<BTreeMap<Cow<'a, str>, &'a RawValue>>,
}

#[derive(Deserialize)]
struct Operation<'a> {
    #[serde(borrow)]
    id: Raw<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    #[serde(borrow)]
    service_name: Raw<'a>,
    #[serde(borrow)]
    method_name: Raw<'a>,
    #[serde(borrow)]
    resource_name: Raw<'a>,
    authentication_info: Option<Authentication<'a>>,
    request_metadata: Option<Metadata<'a>>,
    status: Option<Status<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Authentication<'a> {
    #[serde(borrow)]
    principal_email: Raw<'a>,
    #[serde(borrow)]
    principal_subject: Raw<'a>,
    #[serde(borrow)]
    service_account_key_name: Raw<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow)]
    caller_ip: Raw<'a>,
}

#[derive(Deserialize)]
struct Status<'a> {
    #[serde(borrow)]
    code: Raw<'a>,
}

pub(super) fn decode(record: &str) -> Result<Event> {
    let entry: Entry<'_> = shape("gcp", record)?;
    let payload = &entry.proto_payload;
    let mut event = Event::default();
    let received = scalar(entry.receive_timestamp);
    let time = scalar(entry.timestamp).or_else(|| received.clone()).ok_or_else(|| Error::invalid("gcp: the entry has no timestamp"))?;
    event.time = Timestamp::parse(&time).map_err(|error| Error::invalid(format!("gcp: timestamp: {error}")))?;
    event.record_time = received.and_then(|received| Timestamp::parse(&received).ok());
    if let Some(id) = scalar(entry.insert_id) {
        event.set(Field::TraceId, format!("{id}@{time}"));
        event.relate("insert", id);
    }
    event.set_opt(Field::Source, scalar(payload.service_name));
    event.set_opt(Field::EventName, scalar(payload.method_name));
    if let Some(authentication) = &payload.authentication_info {
        event.set_opt(Field::Operator, scalar(authentication.principal_email).or_else(|| scalar(authentication.principal_subject)));
        event.set_opt(Field::AccessKeyId, scalar(authentication.service_account_key_name));
    }
    event.set_opt(Field::SourceIp, payload.request_metadata.as_ref().and_then(|metadata| scalar(metadata.caller_ip)));
    event.set_opt(Field::OperationId, entry.operation.as_ref().and_then(|operation| scalar(operation.id)));
    kinds(&entry, &mut event);
    resource(&entry, &mut event);
    Ok(event)
}

fn kinds(entry: &Entry<'_>, event: &mut Event) {
    let log = scalar(entry.log_name).unwrap_or_default();
    event.set(Field::EventType, if log.ends_with("data_access") { "data" } else { "system" });
    event.set(Field::TraceType, if log.ends_with("system_event") { "SystemAction" } else { "ApiCall" });
    let code = entry.proto_payload.status.as_ref().and_then(|status| scalar(status.code));
    let failed = code.as_deref().is_some_and(|code| code != "0");
    event.set_opt(Field::Code, code);
    let level = match scalar(entry.severity).as_deref() {
        Some("CRITICAL" | "ALERT" | "EMERGENCY") => "incident",
        Some("ERROR" | "WARNING") => "warning",
        _ if failed => "warning",
        _ => "normal",
    };
    event.set(Field::Level, level);
}

fn resource(entry: &Entry<'_>, event: &mut Event) {
    event.set_opt(Field::ResourceName, scalar(entry.proto_payload.resource_name));
    let Some(resource) = &entry.resource else { return };
    let kind = scalar(resource.kind).unwrap_or_default();
    let empty = BTreeMap::new();
    let labels = resource.labels.as_ref().unwrap_or(&empty);
    let label = |name: &str| labels.get(name).and_then(|raw| scalar(Some(raw)));
    if let Some(project) = label("project_id") {
        event.relate("project", project);
    }
    // The label that names the resource is called after its type: gce_instance has instance_id.
    let own = |suffix: &str| labels.keys().find(|key| key.ends_with(suffix) && key.as_ref() != "project_id").and_then(|key| label(key));
    let id = own("_id").or_else(|| own("_name")).or_else(|| scalar(entry.proto_payload.resource_name));
    event.set_opt(Field::ResourceId, id);
    event.set(Field::ResourceType, kind);
}
