//! Audit log entries of Google Cloud, and the findings of its Security Command Center.
//!
//! Google treats two entries of one log as the same if insert id and timestamp are equal, so an
//! event's id is `insertId@timestamp`.

use super::json::{self, Loose, fill, loose_object};
use crate::error::{Error, Result};
use crate::event::{Event, Field};

loose_object!(
    #[serde(rename_all = "camelCase")]
    Entry {
        insert_id,
        log_name,
        timestamp,
        receive_timestamp,
        severity,
        resource,
        operation,
        proto_payload,
        finding
    }
);
loose_object!(
    #[serde(rename_all = "camelCase")]
    Payload {
        service_name,
        method_name,
        resource_name,
        authentication_info,
        request_metadata,
        status
    }
);
loose_object!(
    #[serde(rename_all = "camelCase")]
    Authentication { principal_email, principal_subject, service_account_key_name }
);
loose_object!(
    #[serde(rename_all = "camelCase")]
    Request { caller_ip }
);
loose_object!(Status { code });
loose_object!(
    #[serde(rename_all = "camelCase")]
    Resource { kind = "type", labels, name, project_display_name }
);
loose_object!(Labels { region, location, zone });
loose_object!(Operation { id });
loose_object!(
    #[serde(rename_all = "camelCase")]
    Finding { name, category, event_time, create_time, severity, resource_name }
);

/// Fills the event from an entry or a finding.
pub(super) fn decode(record: &str, event: &mut Event) -> Result<()> {
    let entry: Entry<'_> = json::parse(record)?;
    event.set(Field::EventType, "system");
    match entry.finding.object::<Finding<'_>>("finding")? {
        Some(finding) if !entry.proto_payload.is_some() => decode_finding(&entry, &finding, event),
        _ => decode_entry(&entry, event),
    }
}

fn decode_entry(entry: &Entry<'_>, event: &mut Event) -> Result<()> {
    event.record_time = entry.receive_timestamp.time("receiveTimestamp").ok().flatten();
    let time = entry.timestamp.time("timestamp")?.or(event.record_time);
    event.time = time.ok_or_else(|| Error::invalid("timestamp: is missing"))?;
    set_id(
        event,
        entry.insert_id.text("insertId")?.as_deref(),
        entry.timestamp.text("timestamp")?.as_deref(),
    );

    let payload = entry.proto_payload.object::<Payload<'_>>("protoPayload")?.unwrap_or_default();
    fill(
        event,
        [
            (Field::Source, "serviceName", payload.service_name),
            (Field::EventName, "methodName", payload.method_name),
            (Field::ResourceName, "resourceName", payload.resource_name),
        ],
    )?;
    fill_caller(&payload, event)?;
    fill_kinds(entry, &payload, event)?;
    let operation = entry.operation.object::<Operation<'_>>("operation")?.unwrap_or_default();
    event.set_opt(Field::OperationId, operation.id.text("operation.id")?);
    event.relate("operation", operation.id.text("operation.id")?.unwrap_or_default());

    let resource = entry.resource.object::<Resource<'_>>("resource")?.unwrap_or_default();
    event.set_opt(Field::ResourceType, resource.kind.text("resource.type")?);
    fill_region(resource.labels, event)?;
    fill_resource_id(resource.labels, event)
}

/// The region is a label of the resource; a zone is its region and a letter, as `us-central1-a`.
fn fill_region(labels: Loose<'_>, event: &mut Event) -> Result<()> {
    let labels = labels.object::<Labels<'_>>("resource.labels").ok().flatten().unwrap_or_default();
    let named = labels.region.text("region")?.or(labels.location.text("location")?);
    let Some(place) = named.or(labels.zone.text("zone")?) else { return Ok(()) };
    let region = match place.rsplit_once('-') {
        Some((region, zone)) if zone.len() == 1 && region.contains('-') => region,
        _ => &place,
    };
    event.set(Field::Region, region);
    Ok(())
}

fn decode_finding(entry: &Entry<'_>, finding: &Finding<'_>, event: &mut Event) -> Result<()> {
    event.record_time = finding.create_time.time("finding.createTime").ok().flatten();
    let time = finding.event_time.time("finding.eventTime")?.or(event.record_time);
    event.time = time.ok_or_else(|| Error::invalid("finding.eventTime: is missing"))?;
    set_id(
        event,
        finding.name.text("finding.name")?.as_deref(),
        finding.event_time.text("finding.eventTime")?.as_deref(),
    );
    event.set(Field::Source, "securitycenter.googleapis.com");
    event.set(Field::ResourceType, "finding");
    event.set(Field::TraceType, "SystemAction");
    let resource = entry.resource.object::<Resource<'_>>("resource")?.unwrap_or_default();
    fill(
        event,
        [
            (Field::EventName, "finding.category", finding.category),
            (Field::ResourceId, "finding.name", finding.name),
            (Field::ResourceName, "resource.name", resource.name),
            (Field::ResourceName, "finding.resourceName", finding.resource_name),
        ],
    )?;
    event.set(
        Field::Level,
        match finding.severity.text("finding.severity")?.as_deref() {
            Some("HIGH" | "CRITICAL") => "incident",
            Some("MEDIUM") => "warning",
            _ => "normal",
        },
    );
    event.relate(
        "project",
        resource.project_display_name.text("resource.projectDisplayName")?.unwrap_or_default(),
    );
    Ok(())
}

fn set_id(event: &mut Event, id: Option<&str>, time: Option<&str>) {
    if let Some(id) = id {
        event
            .set(Field::TraceId, time.map_or_else(|| id.to_owned(), |time| format!("{id}@{time}")));
    }
}

fn fill_caller(payload: &Payload<'_>, event: &mut Event) -> Result<()> {
    let caller = payload
        .authentication_info
        .object::<Authentication<'_>>("authenticationInfo")?
        .unwrap_or_default();
    let email = caller.principal_email.text("principalEmail")?;
    event.set_opt(Field::Operator, email.or(caller.principal_subject.text("principalSubject")?));
    let key = caller.service_account_key_name.text("serviceAccountKeyName")?;
    event.set_opt(Field::AccessKeyId, key.as_deref().and_then(|name| name.rsplit('/').next()));
    let request =
        payload.request_metadata.object::<Request<'_>>("requestMetadata")?.unwrap_or_default();
    event.set_opt(Field::SourceIp, request.caller_ip.text("callerIp")?);
    Ok(())
}

fn fill_kinds(entry: &Entry<'_>, payload: &Payload<'_>, event: &mut Event) -> Result<()> {
    let log = entry.log_name.text("logName")?.unwrap_or_default();
    let log = log.rsplit('/').next().unwrap_or_default();
    let log = log.rsplit("%2F").next().unwrap_or_default();
    if log == "data_access" {
        event.set(Field::EventType, "data");
    }
    event.set(Field::TraceType, if log == "system_event" { "SystemAction" } else { "ApiCall" });
    // Admin activity is always a change; data access may be either, and only the name of the method
    // tells which.
    let method = event
        .text(Field::EventName)
        .and_then(|method| method.rsplit('.').next())
        .unwrap_or_default();
    event.read_only = match log {
        "activity" => Some(false),
        _ if ["get", "list", "Get", "List"].iter().any(|start| method.starts_with(start)) => {
            Some(true)
        }
        _ => None,
    };

    let status = payload.status.object::<Status<'_>>("status")?.unwrap_or_default();
    let code = status.code.text("status.code")?;
    let failed = code.as_deref().is_some_and(|code| code != "0");
    event.set(
        Field::Level,
        match entry.severity.text("severity")?.as_deref() {
            Some("CRITICAL" | "ALERT" | "EMERGENCY") => "incident",
            Some("WARNING" | "ERROR") => "warning",
            _ if failed => "warning",
            _ => "normal",
        },
    );
    event.set_opt(Field::Code, code);
    Ok(())
}

/// Returns the resource's id: the label that its type is named after, else the first label that
/// does not name the project, else the resource's name.
fn fill_resource_id(labels: Loose<'_>, event: &mut Event) -> Result<()> {
    let kind = event.text(Field::ResourceType).unwrap_or_default().replace('_', "");
    let mut best: Option<(u8, String)> = None;
    let mut project = None;
    if let Some(labels) = labels.embedded() {
        json::each_member(&labels, |key, value| {
            let Some(text) = value.text_lossy() else { return };
            if key == "project_id" {
                project = Some(text.into_owned());
                return;
            }
            let (stem, by_name) = match (key.strip_suffix("_id"), key.strip_suffix("_name")) {
                (Some(stem), _) => (stem, 0),
                (_, Some(stem)) => (stem, 1),
                _ if key == "name" => ("", 1),
                _ => return,
            };
            let is_named_after = !stem.is_empty() && kind.contains(&stem.replace('_', ""));
            let rank = if is_named_after { by_name } else { by_name + 2 };
            if best.as_ref().is_none_or(|(known, _)| rank < *known) {
                best = Some((rank, text.into_owned()));
            }
        })?;
    }
    event.relate("project", project.unwrap_or_default());
    let name = event.text(Field::ResourceName).map(str::to_owned);
    event.set_opt(Field::ResourceId, best.map(|(_, id)| id).or(name));
    Ok(())
}
