//! Traces of Huawei Cloud's Cloud Trace Service, in every form it has used since 2016.
//!
//! The operator is what the console shows in its operator column: an IAM user by name, an agency as
//! `domain/agency`, a federated user as `provider/session`. If one account acts for another
//! (`assumedBy`, the partner's case), the operator stays the user that CTS names and filters by;
//! the party that really acted is related as `assumed_by:domain/name`, and users and accounts of
//! both sides are related, so a search for either finds the event.
//!
//! A trace that has neither `time` nor `record_time`, as some published ones do, claims the year
//! 1970: it is accepted, flagged as suspect and filed under its ingest time. One whose time cannot
//! be parsed is refused.

use super::json::{self, Loose, fill, loose_object, one_of};
use super::{UNBIND, related};
use crate::error::Result;
use crate::event::{Event, Field, LEVELS, TRACE_TYPES};
use std::borrow::Cow;

loose_object!(Trace {
    trace_id, trace_name, trace_rating, trace_status, trace_type, event_type, service_type,
    resource_type, resource_name,
    resource_id, user, source_ip, request, response, code, api_version, time, record_time,
    request_id, operation_id,
    enterprise_project_id, resource_account_id, read_only, access_key_id, tracker_name,
    envelope = "cts",
});
loose_object!(User {
    id, name, user_name, domain, account_id, access_key_id, principal_urn, principal_id,
    kind = "type", assumed_by = "assumedBy",
});
loose_object!(Domain { id, name });
loose_object!(AssumedBy { user });

/// The trace name of a customer's or partner's request to end or change their association.
const LEAVING: &str = "applyUnbindOrSwitchCooperation";

/// Fills the event from a trace, or from the trace in an envelope `{"cts": {…}}`.
pub(super) fn decode(record: &str, event: &mut Event) -> Result<()> {
    let trace: Trace<'_> = json::parse(record)?;
    match trace.envelope.object("cts")? {
        Some(inner) if !trace.trace_name.is_some() => fill_event(&inner, event),
        _ => fill_event(&trace, event),
    }
}

fn fill_event(trace: &Trace<'_>, event: &mut Event) -> Result<()> {
    fill(
        event,
        [
            (Field::TraceId, "trace_id", trace.trace_id),
            (Field::Source, "service_type", trace.service_type),
            (Field::ResourceType, "resource_type", trace.resource_type),
            (Field::EventName, "trace_name", trace.trace_name),
            (Field::ResourceId, "resource_id", trace.resource_id),
            (Field::ResourceName, "resource_name", trace.resource_name),
            (Field::Code, "code", trace.code),
            (Field::SourceIp, "source_ip", trace.source_ip),
            (Field::AccessKeyId, "access_key_id", trace.access_key_id),
            (Field::OperationId, "operation_id", trace.operation_id),
            (Field::EnterpriseProjectId, "enterprise_project_id", trace.enterprise_project_id),
            (Field::TrackerName, "tracker_name", trace.tracker_name),
            (Field::ApiVersion, "api_version", trace.api_version),
        ],
    )?;
    event.read_only = trace.read_only.flag();
    fill_times(trace, event)?;
    fill_kinds(trace, event)?;
    // CTS writes the word null where a request has no id.
    event.set_opt(Field::RequestId, trace.request_id.text("request_id")?.filter(|id| id != "null"));
    fill_user(trace.user, event)?;
    relate_opt(event, "account", trace.resource_account_id.text("resource_account_id")?);
    fill_mission(trace, event);
    Ok(())
}

fn fill_times(trace: &Trace<'_>, event: &mut Event) -> Result<()> {
    // The recording time is optional and ignored if it cannot be parsed; the time of the event must
    // be valid.
    event.record_time = trace.record_time.time_of_huawei("record_time").ok().flatten();
    event.time = match trace.time.time_of_huawei("time")? {
        Some(time) => time,
        None => event
            .record_time
            .or(trace.record_time.time_of_huawei("record_time")?)
            .unwrap_or_default(),
    };
    Ok(())
}

fn fill_kinds(trace: &Trace<'_>, event: &mut Event) -> Result<()> {
    let rating = trace.trace_rating.text("trace_rating")?.and_then(|text| one_of(LEVELS, &text));
    let status = trace.trace_status.text("trace_status")?.and_then(|text| one_of(LEVELS, &text));
    event.set_opt(Field::Level, rating.or(status));

    let trace_type = trace
        .trace_type
        .text("trace_type")?
        .map(|text| one_of(TRACE_TYPES, &text).unwrap_or("Others"));
    event.set_opt(Field::TraceType, trace_type);

    let event_type = match trace.event_type.text("event_type")?.as_deref() {
        Some(text) if text.eq_ignore_ascii_case("data") => "data",
        Some(text)
            if text.eq_ignore_ascii_case("system") || text.eq_ignore_ascii_case("management") =>
        {
            "system"
        }
        _ if matches!(trace_type, Some("ObsSDK" | "ObsAPI")) => "data",
        _ => "system",
    };
    event.set(Field::EventType, event_type);
    Ok(())
}

/// The user is an object, JSON in a string, or a text of unknown form, which is then all that is
/// known of the operator.
fn fill_user(value: Loose<'_>, event: &mut Event) -> Result<()> {
    if let Some(user) = value.object::<User<'_>>("user")? {
        return identify(&user, event).map_err(|error| error.at("user"));
    }
    let Some(text) = value.text("user")?.filter(|text| text != "null") else { return Ok(()) };
    match json::parse_embedded::<User<'_>>(&text).map_err(|error| error.at("user"))? {
        Some(user) => identify(&user, event).map_err(|error| error.at("user")),
        None => {
            event.set(Field::Operator, text);
            Ok(())
        }
    }
}

fn identify(user: &User<'_>, event: &mut Event) -> Result<()> {
    let domain = user.domain.object::<Domain<'_>>("domain")?.unwrap_or_default();
    let name = operator(user, &domain)?;
    event.set_opt(Field::Operator, name);
    event.set_opt(Field::AccessKeyId, user.access_key_id.text("access_key_id")?);
    let assumed_by = user.assumed_by.object::<AssumedBy<'_>>("assumedBy")?;
    let actor =
        assumed_by.map(|by| by.user.object::<User<'_>>("assumedBy.user")).transpose()?.flatten();
    if let Some(actor) = actor {
        let home = actor.domain.object::<Domain<'_>>("assumedBy.user.domain")?.unwrap_or_default();
        relate_opt(event, "assumed_by", in_domain(&home, operator(&actor, &home)?)?);
        relate_identity(&actor, &home, event)?;
    }
    relate_identity(user, &domain, event)
}

fn relate_identity(user: &User<'_>, domain: &Domain<'_>, event: &mut Event) -> Result<()> {
    relate_opt(event, "user", user.id.text("id")?);
    relate_opt(event, "account", domain.id.text("domain.id")?);
    relate_opt(event, "account", user.account_id.text("account_id")?);
    Ok(())
}

fn relate_opt(event: &mut Event, kind: &str, id: Option<Cow<'_, str>>) {
    if let Some(id) = id {
        event.relate(kind, id);
    }
}

/// Returns the operator as the console writes it.
fn operator<'a>(user: &User<'a>, domain: &Domain<'a>) -> Result<Option<Cow<'a, str>>> {
    let urn = user.principal_urn.text("principal_urn")?;
    let urn = urn.as_deref().unwrap_or_default();
    if let Some((account, agent)) = urn.split_once(":assumed-agency:") {
        let agency = agent.split('/').next().unwrap_or(agent);
        let account = account.rsplit(':').next().unwrap_or(account);
        let owner = domain.name.text("domain.name")?.unwrap_or(Cow::Owned(account.to_owned()));
        return Ok(Some(Cow::Owned(format!("{owner}/{agency}"))));
    }
    if let Some((_, session)) = urn.split_once(":external-user:") {
        return Ok(Some(Cow::Owned(session.to_owned())));
    }
    let name = match user.user_name.text("user_name")? {
        Some(name) => Some(name),
        None => user.name.text("name")?,
    };
    match user.kind.text("type")?.as_deref() {
        Some("AssumedAgency") => in_domain(domain, name),
        Some("ExternalUser") => match user.principal_id.text("principal_id")? {
            Some(id) if id.contains(':') => Ok(Some(Cow::Owned(id.replacen(':', "/", 1)))),
            _ => Ok(name),
        },
        _ if name.is_none() => {
            Ok(urn.split_once(":user:").map(|(_, name)| Cow::Owned(name.to_owned())))
        }
        _ => Ok(name),
    }
}

/// Returns a name as `domain/name`, unless it already includes its domain.
fn in_domain<'a>(domain: &Domain<'a>, name: Option<Cow<'a, str>>) -> Result<Option<Cow<'a, str>>> {
    Ok(match (domain.name.text("domain.name")?, name) {
        (Some(domain), Some(name)) if !name.contains('/') => {
            Some(Cow::Owned(format!("{domain}/{name}")))
        }
        (_, name) => name,
    })
}

/// Adds the quotas, coupons and customers that a trace of the partner centre concerns, and the
/// money it moves.
fn fill_mission(trace: &Trace<'_>, event: &mut Event) {
    let resource_id = event.text(Field::ResourceId).map(str::to_owned);
    let kind = match event.text(Field::ResourceType) {
        _ if event.text(Field::EventName) == Some(LEAVING) => Some("customer"),
        Some("couponQuota") => Some("quota"),
        Some("coupon") => Some("coupon"),
        _ => None,
    };
    if let (Some(kind), Some(id)) = (kind, resource_id) {
        event.relate(kind, id);
    }
    if event.text(Field::EventName) == Some(LEAVING) {
        // The same operation can request another mode of cooperation, which unbinds nobody.
        let switches =
            trace.request.embedded().is_some_and(|request| request.contains("\"SWITCH\""));
        event.relate(UNBIND.0, if switches { "switch" } else { UNBIND.1 });
    }
    related::relate_bodies(event, [trace.request, trace.response]);
}
