//! CTS traces, of every age and shape that has been published.
//!
//! Over the years the user was an object, a JSON text or a plain text; the level was `trace_rating` or `trace_status`; the
//! code a number or a text; request and response objects, JSON texts, plain texts or empty; the time one of six forms.

use super::json::{flag, scalar, shape, structure};
use super::related::relate_structure;
use crate::error::{Error, Result};
use crate::event::{Event, Field, LEVELS, TRACE_TYPES, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

type Raw<'a> = Option<&'a RawValue>;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    cts: Raw<'a>,
}

/// The parts of a trace that columns are made of.
#[derive(Deserialize)]
struct Trace<'a> {
    #[serde(borrow)]
    trace_id: Raw<'a>,
    #[serde(borrow)]
    trace_name: Raw<'a>,
    #[serde(borrow)]
    trace_rating: Raw<'a>,
    #[serde(borrow)]
    trace_status: Raw<'a>,
    #[serde(borrow)]
    trace_type: Raw<'a>,
    #[serde(borrow)]
    event_type: Raw<'a>,
    #[serde(borrow)]
    service_type: Raw<'a>,
    #[serde(borrow)]
    resource_type: Raw<'a>,
    #[serde(borrow)]
    resource_name: Raw<'a>,
    #[serde(borrow)]
    resource_id: Raw<'a>,
    #[serde(borrow)]
    resource_account_id: Raw<'a>,
    #[serde(borrow)]
    user: Raw<'a>,
    #[serde(borrow)]
    source_ip: Raw<'a>,
    #[serde(borrow)]
    request: Raw<'a>,
    #[serde(borrow)]
    response: Raw<'a>,
    #[serde(borrow)]
    code: Raw<'a>,
    #[serde(borrow)]
    api_version: Raw<'a>,
    #[serde(borrow)]
    time: Raw<'a>,
    #[serde(borrow)]
    record_time: Raw<'a>,
    #[serde(borrow)]
    request_id: Raw<'a>,
    #[serde(borrow)]
    operation_id: Raw<'a>,
    #[serde(borrow)]
    enterprise_project_id: Raw<'a>,
    #[serde(borrow)]
    tracker_name: Raw<'a>,
    #[serde(borrow)]
    access_key_id: Raw<'a>,
    #[serde(borrow)]
    read_only: Raw<'a>,
}

#[derive(Deserialize, Default)]
struct User<'a> {
    #[serde(borrow)]
    name: Raw<'a>,
    #[serde(borrow)]
    user_name: Raw<'a>,
    #[serde(borrow)]
    access_key_id: Raw<'a>,
    #[serde(borrow)]
    account_id: Raw<'a>,
    #[serde(borrow)]
    principal_urn: Raw<'a>,
    #[serde(borrow)]
    domain: Raw<'a>,
    #[serde(borrow, rename = "assumedBy")]
    assumed_by: Raw<'a>,
}

#[derive(Deserialize)]
struct Domain<'a> {
    #[serde(borrow)]
    name: Raw<'a>,
    #[serde(borrow)]
    id: Raw<'a>,
}

#[derive(Deserialize)]
struct AssumedBy<'a> {
    #[serde(borrow)]
    user: Raw<'a>,
}

pub(super) fn decode(record: &str) -> Result<Event> {
    let envelope: Envelope<'_> = if record.contains("\"cts\"") { shape("cts", record)? } else { Envelope { cts: None } };
    let inner = envelope.cts.map(RawValue::get).filter(|inner| inner.starts_with('{')).unwrap_or(record);
    let trace: Trace<'_> = shape("cts", inner)?;
    let mut event = Event::default();
    times(&trace, &mut event)?;
    let texts = [
        (Field::TraceId, trace.trace_id),
        (Field::EventName, trace.trace_name),
        (Field::Source, trace.service_type),
        (Field::ResourceType, trace.resource_type),
        (Field::ResourceName, trace.resource_name),
        (Field::ResourceId, trace.resource_id),
        (Field::SourceIp, trace.source_ip),
        (Field::Code, trace.code),
        (Field::ApiVersion, trace.api_version),
        (Field::OperationId, trace.operation_id),
        (Field::EnterpriseProjectId, trace.enterprise_project_id),
        (Field::TrackerName, trace.tracker_name),
        (Field::AccessKeyId, trace.access_key_id),
    ];
    for (field, raw) in texts {
        event.set_opt(field, scalar(raw));
    }
    // Services without a request id write the word.
    event.set_opt(Field::RequestId, scalar(trace.request_id).filter(|id| id != "null"));
    event.read_only = flag(trace.read_only);
    event.set_opt(Field::Level, scalar(trace.trace_rating).or(scalar(trace.trace_status)).and_then(|text| known(LEVELS, &text)));
    kinds(&trace, &mut event);
    user(trace.user, &mut event);
    if let Some(account) = scalar(trace.resource_account_id) {
        event.relate("account", account);
    }
    for part in [trace.request, trace.response] {
        if let Some(json) = structure(part) {
            relate_structure(&mut event, &json);
        }
    }
    relationship(&trace, &mut event);
    Ok(event)
}

fn times(trace: &Trace<'_>, event: &mut Event) -> Result<()> {
    let record_time = scalar(trace.record_time).and_then(|text| Timestamp::parse(&text).ok());
    event.record_time = record_time;
    event.time = match scalar(trace.time).filter(|text| !text.is_empty()) {
        Some(text) => Timestamp::parse(&text).map_err(|error| Error::invalid(format!("cts: time: {error}")))?,
        None => record_time.ok_or_else(|| Error::invalid("cts: the trace has neither time nor record_time"))?,
    };
    Ok(())
}

/// The value of an enumeration, whatever its case.
fn known(values: &[&'static str], text: &str) -> Option<&'static str> {
    values.iter().copied().find(|value| value.eq_ignore_ascii_case(text))
}

fn kinds(trace: &Trace<'_>, event: &mut Event) {
    let trace_type = scalar(trace.trace_type).filter(|text| !text.is_empty()).map(|text| known(TRACE_TYPES, &text).unwrap_or("Others"));
    event.set_opt(Field::TraceType, trace_type);
    let data = match scalar(trace.event_type).as_deref() {
        Some(text) if !text.is_empty() => text.eq_ignore_ascii_case("data"),
        _ => matches!(trace_type, Some("ObsSDK" | "ObsAPI")),
    };
    event.set(Field::EventType, if data { "data" } else { "system" });
}

/// Who did it, by the rule of the console: a user by name, an agency as `domain/agency`, a federated user as
/// `provider/session`. When one account acted for another, who really acted is a related id, `assumed_by:domain/name`.
fn user(raw: Raw<'_>, event: &mut Event) {
    let Some(json) = structure(raw) else {
        event.set_opt(Field::Operator, scalar(raw));
        return;
    };
    let Ok(user) = serde_json::from_str::<User<'_>>(&json) else { return };
    let (domain_name, domain_id) = domain(user.domain);
    let name = scalar(user.user_name).filter(|name| !name.is_empty()).or_else(|| scalar(user.name));
    let by_urn = scalar(user.principal_urn).and_then(|urn| operator_of_urn(&urn, domain_name.as_deref()));
    event.set_opt(Field::Operator, by_urn.map(Cow::Owned).or(name));
    if event.text(Field::AccessKeyId).is_none() {
        event.set_opt(Field::AccessKeyId, scalar(user.access_key_id));
    }
    if let Some(account) = scalar(user.account_id).or(domain_id) {
        event.relate("account", account);
    }
    let assumed = user.assumed_by.and_then(|raw| serde_json::from_str::<AssumedBy<'_>>(raw.get()).ok());
    let actor = assumed.and_then(|assumed| assumed.user).and_then(|raw| serde_json::from_str::<User<'_>>(raw.get()).ok());
    if let Some(actor) = actor {
        let (domain_name, domain_id) = domain(actor.domain);
        let name = scalar(actor.name).unwrap_or_default();
        event.relate("assumed_by", domain_name.map_or_else(|| name.to_string(), |domain| format!("{domain}/{name}")));
        if let Some(account) = domain_id {
            event.relate("account", account);
        }
    }
}

fn domain(raw: Raw<'_>) -> (Option<Cow<'_, str>>, Option<Cow<'_, str>>) {
    match raw.and_then(|raw| serde_json::from_str::<Domain<'_>>(raw.get()).ok()) {
        Some(domain) => (scalar(domain.name), scalar(domain.id)),
        None => (None, None),
    }
}

/// `sts::<account>:assumed-agency:<agency>/<session>` and `sts::<account>:external-user:<provider>/<session>`.
fn operator_of_urn(urn: &str, domain: Option<&str>) -> Option<String> {
    let (_, principal) = urn.strip_prefix("sts::")?.split_once(':')?;
    if let Some(agency) = principal.strip_prefix("assumed-agency:") {
        let agency = agency.split('/').next().unwrap_or(agency);
        return Some(domain.map_or_else(|| agency.to_owned(), |domain| format!("{domain}/{agency}")));
    }
    principal.strip_prefix("external-user:").map(str::to_owned)
}

/// Requests to end the relationship of a customer and a partner: marked, so that all unbinds are one filter.
fn relationship(trace: &Trace<'_>, event: &mut Event) {
    if event.text(Field::EventName) != Some("applyUnbindOrSwitchCooperation") {
        return;
    }
    if let Some(customer) = scalar(trace.resource_id) {
        event.relate("customer", customer);
    }
    let switched = structure(trace.request).is_some_and(|request| request.contains("\"SWITCH\""));
    event.relate("relation", if switched { "switch" } else { "unbind" });
}
