//! Log records of OpenTelemetry, as the OTLP door writes them: one JSON object with the record's
//! fields named as in OTLP's JSON form, attributes as a plain object, and the resource and scope
//! that it came with.
//!
//! The mapping from attributes to fields follows the semantic conventions, then their deprecated
//! names, then those of Elastic Common Schema. A W3C trace id is not an event id: it is related as
//! `trace:…`. If the body is a record of a known format, its decoder produces the event.

use super::paths::Paths;
use super::severity;
use crate::error::Result;
use crate::event::{Event, Field, Timestamp};

/// The first path that has a value sets the field.
const TEXTS: &[(Field, &[&str])] = &[
    (Field::TraceId, &["attributes.log.record.uid", "attributes.event.id"]),
    (Field::EventName, &["eventName", "attributes.event.name", "attributes.event.action"]),
    (Field::Source, &["resource.attributes.service.name", "scope.name"]),
    (
        Field::ResourceType,
        &[
            "attributes.resource.type",
            "attributes.cloud.platform",
            "resource.attributes.cloud.platform",
        ],
    ),
    (
        Field::ResourceId,
        &[
            "attributes.cloud.resource_id",
            "attributes.resource.id",
            "resource.attributes.cloud.resource_id",
        ],
    ),
    (
        Field::ResourceName,
        &[
            "attributes.resource.name",
            "attributes.url.path",
            "attributes.http.route",
            "resource.attributes.host.name",
        ],
    ),
    (
        Field::Operator,
        &[
            "attributes.user.name",
            "attributes.user.id",
            "attributes.enduser.id",
            "attributes.user.email",
            "attributes.user.full_name",
            "attributes.enduser.pseudo.id",
        ],
    ),
    (Field::Code, &["attributes.http.response.status_code", "attributes.error.type"]),
    (
        Field::SourceIp,
        &[
            "attributes.client.address",
            "attributes.source.address",
            "attributes.network.peer.address",
            "attributes.http.client_ip",
            "attributes.net.peer.ip",
        ],
    ),
    (Field::RequestId, &["attributes.http.request.id", "attributes.request.id"]),
    (Field::ApiVersion, &["resource.attributes.service.version"]),
    (Field::Region, &["resource.attributes.cloud.region", "attributes.cloud.region"]),
];

/// Fills the event from a log record.
pub(super) fn decode(record: &str, event: &mut Event) -> Result<()> {
    let paths = Paths::of(record)?;
    for name in ["body", "attributes.log.record.original"] {
        if super::decode_carried(paths.first(&[name])?, event)? {
            return Ok(());
        }
    }
    for (field, names) in TEXTS {
        event.set_opt(*field, paths.text(names)?);
    }
    event.record_time = time(&paths, "observedTimeUnixNano")?;
    event.time = time(&paths, "timeUnixNano")?.or(event.record_time).unwrap_or_default();
    event.set(Field::EventType, "system");
    event.set(Field::TraceType, "Others");
    let told = paths.text(&["severityNumber"])?.as_deref().and_then(severity::of_otel);
    let word = paths.text(&["severityText"])?.as_deref().and_then(severity::of_word);
    let outcome = paths.text(&["attributes.event.outcome"])?;
    let failed = outcome.is_some_and(|outcome| outcome.eq_ignore_ascii_case("failure"));
    let level = told.or(word).unwrap_or("normal");
    event.set(Field::Level, if level == "normal" && failed { "warning" } else { level });
    for (kind, name) in [
        ("trace", "traceId"),
        ("span", "spanId"),
        ("user", "attributes.user.id"),
        ("session", "attributes.session.id"),
        ("account", "attributes.cloud.account.id"),
        ("account", "resource.attributes.cloud.account.id"),
        ("host", "resource.attributes.host.name"),
        ("instance", "resource.attributes.service.instance.id"),
        ("namespace", "resource.attributes.service.namespace"),
    ] {
        event.relate(kind, paths.text(&[name])?.unwrap_or_default());
    }
    Ok(())
}

/// Parses nanoseconds as a number of any size; zero means absent.
fn time(paths: &Paths<'_>, name: &str) -> Result<Option<Timestamp>> {
    let nanos =
        paths.text(&[name])?.and_then(|text| text.parse::<u64>().ok()).filter(|nanos| *nanos > 0);
    Ok(nanos.map(|nanos| Timestamp::from_millis((nanos / 1_000_000).cast_signed())))
}
