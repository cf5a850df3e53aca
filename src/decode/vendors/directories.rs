//! Okta (System Log API) and Google Workspace (Reports API).

use super::table::{FailureSign, VENDOR, Vendor};
use crate::decode::Format;
use crate::decode::json::Loose;
use crate::decode::paths::Paths;
use crate::error::Result;
use crate::event::{Event, Field};

pub(super) const DIRECTORIES: &[Vendor] = &[
    Vendor {
        format: Format::Okta,
        times: &["published"],
        texts: &[
            (Field::TraceId, &["uuid"]),
            (Field::EventName, &["eventType"]),
            (Field::Operator, &["actor.alternateId", "actor.displayName", "actor.id"]),
            (Field::ResourceType, &["target.0.type"]),
            (Field::ResourceId, &["target.0.id"]),
            (Field::ResourceName, &["target.0.alternateId", "target.0.displayName"]),
            (Field::SourceIp, &["client.ipAddress"]),
            (Field::Code, &["outcome.reason"]),
            (Field::RequestId, &["debugContext.debugData.requestId", "transaction.id"]),
        ],
        source: "okta",
        failed: &[("outcome.result", FailureSign::Words(&["FAILURE", "DENY"]))],
        nothing: &["unknown"],
        levels: &["severity"],
        related: &[
            ("user", "actor.id"),
            ("target", "target.0.id"),
            ("session", "authenticationContext.externalSessionId"),
        ],
        ..VENDOR
    },
    Vendor {
        format: Format::Workspace,
        times: &["id.time"],
        texts: &[
            (Field::TraceId, &["id.uniqueQualifier"]),
            (Field::EventName, &["events.0.name"]),
            (Field::Source, &["id.applicationName"]),
            (Field::ResourceType, &["events.0.type"]),
            (Field::Operator, &["actor.email", "actor.key", "actor.profileId"]),
            (Field::SourceIp, &["ipAddress"]),
        ],
        source: "workspace.google.com",
        failed: &[("events.0.name", FailureSign::Words(&["login_failure"]))],
        refine: read_parameters,
        related: &[("account", "id.customerId"), ("user", "actor.profileId")],
        ..VENDOR
    },
];

/// Reads the parameters of the first event of an activity of Workspace, which are a list of names
/// and values: whom or what it was done to, and whether a check was passed.
fn read_parameters(paths: &Paths<'_>, event: &mut Event) -> Result<bool> {
    let listed = paths.first(&["events.0.parameters"])?.items();
    let mut parameters: Vec<(String, String)> = Vec::new();
    for inner in listed.into_iter().filter_map(Loose::raw) {
        let Ok(parameter) = Paths::of(inner) else { continue };
        if let (Some(name), Some(value)) = (parameter.text(&["name"])?, parameter.text(&["value"])?)
        {
            parameters.push((name.to_ascii_lowercase(), value));
        }
    }
    let value = |names: &[&str]| {
        names.iter().find_map(|name| {
            parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
        })
    };
    let target = value(&["doc_id", "user_email", "group_email", "affected_email_address"]);
    event.set_opt(Field::ResourceId, target.clone());
    event.set_opt(Field::ResourceName, value(&["doc_title"]).or(target));
    for name in ["user_email", "group_email", "target_user", "affected_email_address"] {
        event.relate("target", value(&[name]).unwrap_or_default());
    }
    let verified = value(&["login_challenge_status"]);
    Ok(verified.is_some_and(|status| status.to_ascii_lowercase().contains("failed")))
}
