//! GitHub (audit log events) and GitLab (audit event schema and `audit_json.log`).

use super::table::{FailureSign, VENDOR, Vendor};
use crate::decode::Format;
use crate::decode::paths::Paths;
use crate::error::Result;
use crate::event::{Event, Field};

pub(super) const CODE_HOSTS: &[Vendor] = &[
    Vendor {
        format: Format::GitHub,
        times: &["@timestamp", "created_at"],
        texts: &[
            (Field::TraceId, &["_document_id"]),
            (Field::EventName, &["action"]),
            (Field::Operator, &["actor", "external_identity_nameid"]),
            (Field::ResourceId, &["repo", "team", "org", "business"]),
            (Field::ResourceName, &["repo", "team", "org", "business"]),
            (Field::SourceIp, &["actor_ip"]),
            (Field::Code, &["status_code"]),
            (Field::RequestId, &["request_id"]),
        ],
        source: "github.com",
        failed: &[
            ("operation_type", FailureSign::Words(&["authentication_failure"])),
            (
                "action",
                FailureSign::Words(&[
                    "user.failed_login",
                    "user.two_factor_challenge_failure",
                    "protected_branch.rejected_ref_update",
                ]),
            ),
            ("status_code", FailureSign::From(400)),
            ("conclusion", FailureSign::Words(&["failure", "timed_out", "startup_failure"])),
        ],
        related: &[("target", "user"), ("account", "org"), ("user", "actor_id")],
        reading: ("operation_type", "access"),
        ..VENDOR
    },
    Vendor {
        format: Format::GitLab,
        times: &["created_at"],
        other_times: &["time"],
        texts: &[
            (Field::TraceId, &["id"]),
            (
                Field::EventName,
                &["event_type", "event_name", "details.event_name", "details.custom_message"],
            ),
            (Field::Operator, &["author_name", "details.author_name", "author_id"]),
            (Field::ResourceType, &["target_type", "details.target_type", "entity_type"]),
            (Field::ResourceId, &["target_id", "details.target_id", "entity_id"]),
            (Field::ResourceName, &["target_details", "details.target_details", "entity_path"]),
            (Field::SourceIp, &["ip_address", "details.ip_address", "meta.remote_ip"]),
        ],
        source: "gitlab",
        failed: &[("details.failed_login", FailureSign::AllBut(&[""]))],
        refine: name_change,
        related: &[("user", "author_id"), ("account", "entity_path")],
        ..VENDOR
    },
];

/// Names an event of GitLab that has no name by what it says was changed: `add user_access`,
/// `change visibility`.
fn name_change(paths: &Paths<'_>, event: &mut Event) -> Result<bool> {
    if event.text(Field::EventName).is_some() {
        return Ok(false);
    }
    for (verb, names) in [
        ("add", &["details.add", "add"][..]),
        ("change", &["details.change", "change"]),
        ("remove", &["details.remove", "remove"]),
        ("sign in with", &["details.with", "with"]),
    ] {
        if let Some(what) = paths.text(names)? {
            event.set(Field::EventName, format!("{verb} {what}"));
            return Ok(false);
        }
    }
    event.set_opt(Field::EventName, paths.text(&["meta.caller_id", "entity_type"])?);
    Ok(false)
}
