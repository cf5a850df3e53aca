//! The shapes of what administrators ask and are answered: backups, retention, holds, health.

use super::shapes::*;
use serde_json::{Value as Json, json};

/// What a backup copied.
pub(super) fn backup() -> Json {
    object(
        &[
            ("version", count()),
            ("segments", count()),
            ("events", count()),
            ("copied", count()),
            ("bytes", count()),
            ("kept", count()),
            ("mended", list(&text())),
            ("aside", count()),
            ("removed", count()),
        ],
        &[],
    )
}

/// What retention deleted, or would delete.
pub(super) fn expired() -> Json {
    object(
        &[
            ("dry_run", flag()),
            ("events", count()),
            ("held", count()),
            ("tenants", map(&count())),
            ("segments", count()),
            ("quarantined", count()),
            ("quarantined_held", count()),
        ],
        &[],
    )
}

/// What `/livez` and `/readyz` say; with 503 too.
pub(super) fn health() -> Json {
    let problem = object(
        &[("part", text()), ("what", text()), ("refuses", json!({ "type": "boolean" }))],
        &[("segments", list(&text()))],
    );
    let stuck = object(&[("part", text()), ("seconds", count()), ("waiting", count())], &[]);
    let status = json!({ "type": "string", "enum": ["ok", "degraded", "unavailable", "stuck"] });
    let auth = json!({ "type": "string", "enum": ["none"],
        "description": "there if nobody is asked for a credential" });
    let properties = json!({ "status": status, "auth": auth, "problems": list(&problem),
        "stuck": list(&stuck) });
    json!({ "type": "object", "required": ["status"], "properties": properties })
}

/// Days, or the word for no end.
pub(super) fn days() -> Json {
    json!({ "anyOf": [{ "type": "integer", "minimum": 1, "maximum": 36_525 }, { "type": "string",
        "enum": ["forever"] }] })
}

pub(super) fn policy() -> Json {
    object(
        &[
            ("version", count()),
            ("floor_days", count()),
            ("default_days", days()),
            ("tenants", map(&days())),
            ("holds", map(&reference("Hold"))),
            ("refusing_undated", list(&text())),
        ],
        &[],
    )
}

/// What a tenant does with JSON objects without a time: file them under their arrival, flagged, or
/// put them into quarantine.
pub(super) fn undated() -> Json {
    json!({ "type": "string", "enum": ["accept", "refuse"] })
}

pub(super) fn tenant_settings() -> Json {
    object(&[], &standing(("undated", undated())))
}

/// What a tenant does with records without a time, and what it is to relationships.
fn standing(undated: (&'static str, Json)) -> Vec<(&'static str, Json)> {
    let parties = json!({ "type": "array", "uniqueItems": true, "maxItems": 1000,
        "items": { "type": "string", "pattern": "^[!-~]{1,128}$" } });
    let authoritative = ("authoritative", flag());
    vec![undated, authoritative, ("partners", parties.clone()), ("customers", parties)]
}

pub(super) fn tenant_changed() -> Json {
    object(&[("tenant", text()), ("undated", undated())], &standing(("undated", undated()))[1..])
}

pub(super) fn hold() -> Json {
    object(
        &[
            ("tenant", list(&text())),
            ("filter", map(&list(&text()))),
            ("reason", text()),
            ("placed", moment()),
        ],
        // Whether filter and reason are left out, because the caller does not see all of it.
        &[("withheld", flag())],
    )
}

pub(super) fn retention_change() -> Json {
    object(
        &[],
        &[
            ("tenant", text()),
            ("days", days()),
            ("floor_days", json!({ "type": "integer", "minimum": 1, "maximum": 36_525 })),
        ],
    )
}
