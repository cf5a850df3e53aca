//! Formats of no cloud: OCSF 1.x, and HashiCorp Vault (audit device entry format).

use super::table::{FailureSign, VENDOR, Vendor};
use crate::decode::Format;
use crate::decode::paths::Paths;
use crate::error::Result;
use crate::event::{Event, Field};

pub(super) const NEUTRAL: &[Vendor] = &[
    Vendor {
        format: Format::Ocsf,
        times: &["time", "time_dt", "start_time"],
        texts: &[
            (Field::TraceId, &["metadata.uid"]),
            (Field::EventName, &["api.operation", "activity_name", "type_name", "class_name"]),
            (Field::Source, &["api.service.name", "metadata.product.name", "class_name"]),
            (
                Field::Operator,
                &["actor.user.name", "actor.user.email_addr", "actor.user.uid", "user.name"],
            ),
            (Field::ResourceType, &["resources.0.type", "resource.type"]),
            (Field::ResourceId, &["resources.0.uid", "resource.uid", "user.uid"]),
            (Field::ResourceName, &["resources.0.name", "resource.name", "user.name"]),
            (Field::SourceIp, &["src_endpoint.ip"]),
            (Field::Code, &["status_code", "api.response.code", "api.response.error"]),
            (Field::RequestId, &["api.request.uid", "metadata.correlation_uid"]),
            (Field::Region, &["cloud.region", "resources.0.region"]),
        ],
        source: "ocsf",
        failed: &[
            ("status", FailureSign::Words(&["Failure"])),
            ("status_id", FailureSign::Words(&["2"])),
        ],
        levels: &["severity"],
        related: &[
            ("account", "cloud.account.uid"),
            ("user", "actor.user.uid"),
            ("target", "user.uid"),
            ("session", "session.uid"),
        ],
        ..VENDOR
    },
    Vendor {
        format: Format::Vault,
        times: &["time"],
        texts: &[
            (Field::EventName, &["request.operation"]),
            (Field::Operator, &["auth.display_name", "auth.metadata.username", "auth.entity_id"]),
            (Field::ResourceType, &["request.mount_type"]),
            (Field::ResourceId, &["request.path"]),
            (Field::ResourceName, &["request.path"]),
            (Field::SourceIp, &["request.remote_address"]),
            (Field::RequestId, &["request.id"]),
        ],
        source: "vault",
        failed: &[("error", FailureSign::AllBut(&[""]))],
        refine: is_answer_of_vault_an_error,
        related: &[("user", "auth.entity_id"), ("namespace", "request.namespace.path")],
        reading: ("request.operation", "read"),
        ..VENDOR
    },
];

/// Returns whether the answer of Vault is an error although the entry has none, as that to a login
/// with a wrong password is. Vault itself tells such answers by their data (`Response.IsError`):
/// they have nothing but the error, or the error and `data`. A secret may have a key of that name.
fn is_answer_of_vault_an_error(paths: &Paths<'_>, _: &mut Event) -> Result<bool> {
    let errors = paths.first(&["response.data.errors"])?;
    let is_told = match errors.is_composite() {
        true => !errors.items().is_empty(),
        false => paths.text(&["response.data.error"])?.is_some(),
    };
    let names = paths.names_below("response.data");
    Ok(is_told && names.iter().all(|name| matches!(*name, "error" | "errors" | "data")))
}
