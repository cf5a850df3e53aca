//! Audit events of Kubernetes (`audit.k8s.io`, v1 and the beta before it).
//!
//! One request produces an event for each stage it reaches, all with the same audit id, and an
//! aggregated API server logs what it passes on under the same audit id again. An event's id is
//! therefore `auditID/stage@requestReceivedTimestamp`, and the audit id is its request id. If a
//! user impersonates another, the operator is the user who authenticated; the other is related as
//! `impersonated:name`.

use super::json::{self, Loose, fill, loose_object};
use crate::error::{Error, Result};
use crate::event::{Event, Field};

loose_object!(#[serde(rename_all = "camelCase")] Audit {
    audit_id = "auditID", stage, verb, request_uri = "requestURI", user, impersonated_user,
    source_ips = "sourceIPs",
    object_ref, response_status, response_object, request_received_timestamp, stage_timestamp,
    timestamp, metadata,
});
loose_object!(User { username, uid });
loose_object!(
    #[serde(rename_all = "camelCase")]
    ObjectRef { resource, subresource, namespace, name, uid, api_group, api_version }
);
loose_object!(Status { code, status });
loose_object!(Object { metadata });
loose_object!(
    #[serde(rename_all = "camelCase")]
    Metadata { name, uid, creation_timestamp }
);

/// Verbs that change nothing.
const READING: &[&str] = &["get", "list", "watch", "head", "options"];
/// Subresources that let a user act inside a container or behind a service.
const ENTERING: &[&str] = &["exec", "attach", "portforward", "proxy"];

/// Fills the event from an audit event.
pub(super) fn decode(record: &str, event: &mut Event) -> Result<()> {
    let audit: Audit<'_> = json::parse(record)?;
    fill_times(&audit, event)?;
    fill(
        event,
        [(Field::EventName, "verb", audit.verb), (Field::RequestId, "auditID", audit.audit_id)],
    )?;
    let stage = audit.stage.text("stage")?;
    let received = audit.request_received_timestamp.text("requestReceivedTimestamp")?;
    if let Some(id) = audit.audit_id.text("auditID")? {
        let stage = stage.as_deref().map(|stage| format!("/{stage}")).unwrap_or_default();
        let received = received.map(|time| format!("@{time}")).unwrap_or_default();
        event.set(Field::TraceId, format!("{id}{stage}{received}"));
    }
    event.set(Field::EventType, "system");
    event.set(Field::TraceType, "ApiCall");
    event.read_only = event.text(Field::EventName).map(|verb| READING.contains(&verb));
    if let Some(address) = audit.source_ips.items().first() {
        event.set_opt(Field::SourceIp, address.text("sourceIPs")?);
    }
    fill_result(&audit, stage.as_deref(), event)?;
    fill_users(&audit, event)?;
    fill_object(&audit, event)?;
    // Entering a container uses the verb get, but may do anything.
    if event
        .text(Field::ResourceType)
        .and_then(|kind| kind.rsplit_once('/'))
        .is_some_and(|(_, below)| ENTERING.contains(&below))
    {
        event.read_only = Some(false);
    }
    Ok(())
}

fn fill_times(audit: &Audit<'_>, event: &mut Event) -> Result<()> {
    let metadata = audit.metadata.object::<Metadata<'_>>("metadata")?.unwrap_or_default();
    event.record_time = audit.stage_timestamp.time("stageTimestamp").ok().flatten();
    for (key, value) in [
        ("requestReceivedTimestamp", audit.request_received_timestamp),
        ("stageTimestamp", audit.stage_timestamp),
        ("timestamp", audit.timestamp),
        ("metadata.creationTimestamp", metadata.creation_timestamp),
    ] {
        if let Some(time) = value.time(key)? {
            event.time = time;
            return Ok(());
        }
    }
    Err(Error::invalid("requestReceivedTimestamp: is missing"))
}

fn fill_result(audit: &Audit<'_>, stage: Option<&str>, event: &mut Event) -> Result<()> {
    let status = audit.response_status.object::<Status<'_>>("responseStatus")?.unwrap_or_default();
    let code = status.code.text("responseStatus.code")?;
    let told = status.status.text("responseStatus.status")?;
    let failed = match code.as_deref().and_then(|code| code.parse::<u32>().ok()) {
        Some(code) => code >= 400,
        None => told.is_some_and(|status| status.eq_ignore_ascii_case("failure")),
    };
    event.set(
        Field::Level,
        match stage {
            Some("Panic") => "incident",
            _ if failed => "warning",
            _ => "normal",
        },
    );
    event.set_opt(Field::Code, code);
    Ok(())
}

fn fill_users(audit: &Audit<'_>, event: &mut Event) -> Result<()> {
    let user = audit.user.object::<User<'_>>("user")?.unwrap_or_default();
    event.set_opt(Field::Operator, user.username.text("user.username")?);
    event.relate("user", user.uid.text("user.uid")?.unwrap_or_default());
    if let Some(other) = audit.impersonated_user.object::<User<'_>>("impersonatedUser")? {
        event.relate(
            "impersonated",
            other.username.text("impersonatedUser.username")?.unwrap_or_default(),
        );
    }
    Ok(())
}

fn fill_object(audit: &Audit<'_>, event: &mut Event) -> Result<()> {
    let Some(object) = audit.object_ref.object::<ObjectRef<'_>>("objectRef")? else {
        // A request without a resource, such as /healthz, has only its path.
        let path = audit.request_uri.text("requestURI")?;
        event.set(Field::Source, "core");
        event.set_opt(
            Field::ResourceName,
            path.as_deref().map(|path| path.split('?').next().unwrap_or(path)),
        );
        return Ok(());
    };
    let text = |key: &str, value: Loose<'_>| Ok(value.text(key)?.map(|text| text.into_owned()));
    let group: Option<String> = text("objectRef.apiGroup", object.api_group)?;
    event.set(Field::Source, group.as_deref().unwrap_or("core"));
    event.set_opt(Field::ApiVersion, object.api_version.text("objectRef.apiVersion")?);
    let resource: Option<String> = text("objectRef.resource", object.resource)?;
    let subresource: Option<String> = text("objectRef.subresource", object.subresource)?;
    event.set_opt(
        Field::ResourceType,
        match (resource, subresource) {
            (Some(resource), Some(subresource)) => Some(format!("{resource}/{subresource}")),
            (resource, _) => resource,
        },
    );
    let namespace: Option<String> = text("objectRef.namespace", object.namespace)?;
    let mut name: Option<String> = text("objectRef.name", object.name)?;
    let mut uid: Option<String> = text("objectRef.uid", object.uid)?;
    // The name of a created object is known only from the response.
    if name.is_none() && event.text(Field::EventName) == Some("create") {
        let made =
            audit.response_object.object::<Object<'_>>("responseObject")?.unwrap_or_default();
        let made =
            made.metadata.object::<Metadata<'_>>("responseObject.metadata")?.unwrap_or_default();
        name = text("responseObject.metadata.name", made.name)?;
        uid = uid.or(text("responseObject.metadata.uid", made.uid)?);
    }
    event.relate("namespace", namespace.as_deref().unwrap_or_default());
    event.relate("uid", uid.as_deref().unwrap_or_default());
    let path = match (namespace, &name) {
        (Some(namespace), Some(name)) => Some(format!("{namespace}/{name}")),
        (None, name) => name.clone(),
        (namespace, None) => namespace,
    };
    event.set_opt(Field::ResourceName, name);
    event.set_opt(Field::ResourceId, uid.or(path));
    Ok(())
}
