//! Kubernetes audit events (`audit.k8s.io`).
//!
//! One request gives an event for each stage, all with the same audit id, so the trace id is `auditID/stage`.

use super::json::{scalar, shape};
use crate::error::{Error, Result};
use crate::event::{Event, Field, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;

type Raw<'a> = Option<&'a RawValue>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Audit<'a> {
    #[serde(borrow, rename = "auditID")]
    audit_id: Raw<'a>,
    #[serde(borrow)]
    stage: Raw<'a>,
    #[serde(borrow)]
    verb: Raw<'a>,
    #[serde(borrow, rename = "requestURI")]
    request_uri: Raw<'a>,
    user: Option<User<'a>>,
    impersonated_user: Option<User<'a>>,
    #[serde(borrow, rename = "sourceIPs")]
    source_ips: Option<Vec<&'a RawValue>>,
    object_ref: Option<ObjectRef<'a>>,
    response_status: Option<ResponseStatus<'a>>,
    #[serde(borrow)]
    request_received_timestamp: Raw<'a>,
    #[serde(borrow)]
    stage_timestamp: Raw<'a>,
    #[serde(borrow)]
    timestamp: Raw<'a>,
}

#[derive(Deserialize)]
struct User<'a> {
    #[serde(borrow)]
    username: Raw<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ObjectRef<'a> {
    #[serde(borrow)]
    resource: Raw<'a>,
    #[serde(borrow)]
    subresource: Raw<'a>,
    #[serde(borrow)]
    namespace: Raw<'a>,
    #[serde(borrow)]
    name: Raw<'a>,
    #[serde(borrow)]
    uid: Raw<'a>,
    #[serde(borrow)]
    api_group: Raw<'a>,
    #[serde(borrow)]
    api_version: Raw<'a>,
}

#[derive(Deserialize)]
struct ResponseStatus<'a> {
    #[serde(borrow)]
    code: Raw<'a>,
}

pub(super) fn decode(record: &str) -> Result<Event> {
    let audit: Audit<'_> = shape("k8s", record)?;
    let mut event = Event::default();
    times(&audit, &mut event)?;
    if let Some(id) = scalar(audit.audit_id) {
        let stage = scalar(audit.stage).unwrap_or_default();
        event.set(Field::TraceId, if stage.is_empty() { id.to_string() } else { format!("{id}/{stage}") });
        event.relate("audit", id);
    }
    let verb = scalar(audit.verb).unwrap_or_default();
    event.set(Field::EventName, &verb);
    event.read_only = Some(matches!(verb.as_ref(), "get" | "list" | "watch"));
    event.set(Field::EventType, "system");
    let system = audit.user.as_ref().and_then(|user| scalar(user.username)).is_some_and(|name| name.starts_with("system:"));
    event.set(Field::TraceType, if system { "SystemAction" } else { "ApiCall" });
    event.set_opt(Field::Operator, audit.user.as_ref().and_then(|user| scalar(user.username)));
    if let Some(name) = audit.impersonated_user.as_ref().and_then(|user| scalar(user.username)) {
        event.relate("impersonated", name);
    }
    event.set_opt(Field::SourceIp, audit.source_ips.as_ref().and_then(|ips| scalar(ips.first().copied())));
    let code = audit.response_status.as_ref().and_then(|status| scalar(status.code));
    let failed = code.as_deref().and_then(|code| code.parse::<u16>().ok()).is_some_and(|code| code >= 400);
    event.set(Field::Level, if failed { "warning" } else { "normal" });
    event.set_opt(Field::Code, code);
    match &audit.object_ref {
        Some(object) => object_ref(object, &mut event),
        None => {
            event.set(Field::Source, "k8s");
            event.set(Field::ResourceType, "nonResourceURL");
            event.set_opt(Field::ResourceId, scalar(audit.request_uri));
        }
    }
    Ok(event)
}

fn times(audit: &Audit<'_>, event: &mut Event) -> Result<()> {
    let stage = scalar(audit.stage_timestamp);
    let time = scalar(audit.request_received_timestamp).or_else(|| scalar(audit.timestamp)).or_else(|| stage.clone());
    let time = time.ok_or_else(|| Error::invalid("k8s: the event has no requestReceivedTimestamp"))?;
    event.time = Timestamp::parse(&time).map_err(|error| Error::invalid(format!("k8s: requestReceivedTimestamp: {error}")))?;
    event.record_time = stage.and_then(|stage| Timestamp::parse(&stage).ok());
    Ok(())
}

/// The source is the API group; the core group has no name of its own.
fn object_ref(object: &ObjectRef<'_>, event: &mut Event) {
    event.set(Field::Source, scalar(object.api_group).filter(|group| !group.is_empty()).as_deref().unwrap_or("k8s"));
    event.set_opt(Field::ApiVersion, scalar(object.api_version));
    let resource = scalar(object.resource).unwrap_or_default();
    match scalar(object.subresource).filter(|subresource| !subresource.is_empty()) {
        Some(subresource) => event.set(Field::ResourceType, format!("{resource}/{subresource}")),
        None => event.set(Field::ResourceType, resource),
    }
    let (namespace, name) = (scalar(object.namespace), scalar(object.name));
    if let Some(namespace) = namespace.as_deref() {
        event.relate("namespace", namespace);
    }
    if let Some(uid) = scalar(object.uid) {
        event.relate("uid", uid);
    }
    if let Some(name) = name {
        event.set(Field::ResourceName, &name);
        event.set(Field::ResourceId, namespace.map_or_else(|| name.to_string(), |namespace| format!("{namespace}/{name}")));
    }
}
