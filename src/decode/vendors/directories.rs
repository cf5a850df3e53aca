//! Okta (System Log API) and Google Workspace (Reports API).

use super::table::{FailureSign, VENDOR, Vendor};
use crate::decode::Format;
use crate::decode::json::Loose;
use crate::decode::paths::Paths;
use crate::error::Result;
use crate::event::{Event, Field};

/// How many events of an activity are read. Real ones have fewer than a hundred.
const EVENTS_MAX: usize = 1_000;

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
        refine: read_events,
        related: &[("account", "id.customerId"), ("user", "actor.profileId")],
        ..VENDOR
    },
];

/// Parameters that name whom something is done to.
const TARGETS: &[&str] = &["user_email", "group_email", "target_user", "affected_email_address"];

/// One of the events of an activity of Workspace: its name and type, and its parameters, which are
/// a list of names and values.
struct WorkspaceEvent {
    name: Option<String>,
    kind: Option<String>,
    parameters: Vec<(String, String)>,
}

impl WorkspaceEvent {
    fn of(json: &str) -> Result<Self> {
        let paths = Paths::of(json)?;
        let mut parameters = Vec::new();
        for inner in paths.first(&["parameters"])?.items().into_iter().filter_map(Loose::raw) {
            let Ok(parameter) = Paths::of(inner) else { continue };
            let value = parameter.text(&["value", "boolValue"])?;
            if let (Some(name), Some(value)) = (parameter.text(&["name"])?, value) {
                parameters.push((name.to_ascii_lowercase(), value));
            }
        }
        Ok(Self { name: paths.text(&["name"])?, kind: paths.text(&["type"])?, parameters })
    }

    fn value(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| {
            self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
        })
    }

    fn is_primary(&self) -> bool {
        self.value(&["primary_event"]).is_some_and(|value| value == "true")
    }

    fn is_failure(&self) -> bool {
        let status = self.value(&["login_challenge_status"]).unwrap_or_default();
        let name = self.name.as_deref().unwrap_or_default();
        name.eq_ignore_ascii_case("login_failure") || status.to_ascii_lowercase().contains("failed")
    }
}

/// Reads the events of an activity of Workspace. One action may have several, such as the sharing
/// of a folder with several users: the activity is called after the one that is marked as primary,
/// or else after the first, and is about what that is about. What the others name is related.
fn read_events(paths: &Paths<'_>, event: &mut Event) -> Result<bool> {
    let listed = paths.first(&["events"])?.items();
    let mut events = Vec::new();
    for inner in listed.into_iter().take(EVENTS_MAX).filter_map(Loose::raw) {
        // What is no object is no event; the record has it.
        if inner.starts_with('{') {
            events.push(WorkspaceEvent::of(inner)?);
        }
    }
    let main = events.iter().position(WorkspaceEvent::is_primary).unwrap_or_default();
    let Some(first) = events.get(main) else { return Ok(false) };
    event.set_opt(Field::EventName, first.name.as_ref());
    event.set_opt(Field::ResourceType, first.kind.as_ref());
    let target = first.value(&["doc_id", "user_email", "group_email", "affected_email_address"]);
    event.set_opt(Field::ResourceId, target.clone());
    event.set_opt(Field::ResourceName, first.value(&["doc_title"]).or(target.clone()));
    let ids = |kind: &[&str]| -> Vec<String> {
        let all = events.iter().flat_map(|event| kind.iter().map(|name| event.value(&[name])));
        all.flatten().collect()
    };
    event.relate_all("target", ids(TARGETS));
    let others = ids(&["doc_id"]).into_iter().filter(|id| Some(id) != target.as_ref());
    event.relate_all("resource", others);
    Ok(events.iter().any(WorkspaceEvent::is_failure))
}
