//! Which permission each route needs: the whole of it in one table.
//!
//! A route that has no row here is refused to everyone, so that a new route is not open by being
//! forgotten.

use crate::access::Permission::{
    self, DecodeQuarantine, Export, Ingest, ManageAccess, ManageStore, ManageTenant, Read,
    ReadQuarantine, ReadTrail,
};
use crate::engine::RecordSafety;
use axum::http::Method;

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing: anyone may call it.
    Nothing,
    /// The page needs nothing; programs need a credential.
    PageOrCredential,
    /// A credential of any principal.
    Credential,
    /// One of these permissions. For which tenants, the call itself looks.
    OneOf(&'static [Permission]),
}

use Need::{Credential, Nothing, OneOf, PageOrCredential};

/// How a call is recorded in the trail. What changes something is recorded with its change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum Recorded {
    /// Somebody asked about events.
    Question,
    /// Somebody exported events.
    Export,
    /// Somebody saw records in quarantine.
    Quarantine,
    /// Somebody saw who has access.
    Access,
    /// Somebody saw how the store is kept: its tenants, state, retention, holds, or saved views.
    Store,
    /// Somebody let retention run, or looked what a run would delete.
    Retention,
    /// Somebody signed in, or could not.
    SignIn,
    /// Somebody signed out.
    SignOut,
    /// An administrator ended a session.
    EndSession,
}

impl Recorded {
    /// Returns the name of the event.
    pub(in crate::api) fn event_name(self) -> &'static str {
        match self {
            Self::Question => "askQuestion",
            Self::Export => "exportEvents",
            Self::Quarantine => "readQuarantine",
            Self::Access => "readAccess",
            Self::Store => "readStore",
            Self::Retention => "runRetention",
            Self::SignIn => "signIn",
            Self::SignOut => "signOut",
            Self::EndSession => "endSession",
        }
    }

    /// Returns whether what was sent is a question, and no secret.
    pub(in crate::api) fn has_question(self) -> bool {
        !matches!(self, Self::SignIn | Self::SignOut)
    }

    /// Returns how safe the record is before the answer leaves.
    pub(in crate::api) fn safety(self) -> RecordSafety {
        match self {
            Self::Question | Self::Access | Self::Store => RecordSafety::Written,
            _ => RecordSafety::Synced,
        }
    }
}

/// Methods, path and need. `GET` stands for `HEAD` too.
type Row = (&'static str, &'static str, Need);

const QUESTION: Need = OneOf(&[Read, ReadTrail]);
const EXPORT: Need = OneOf(&[Export, ReadTrail]);
const DECODE: Need = OneOf(&[DecodeQuarantine]);
const QUARANTINE: Need = OneOf(&[ReadQuarantine]);
pub(super) const DELIVER: Need = OneOf(&[Ingest]);
const POLICY: Need = OneOf(&[Read, ManageTenant, ManageStore, ManageAccess]);
const TENANT: Need = OneOf(&[ManageTenant, ManageStore]);
const STORE: Need = OneOf(&[ManageStore]);
const ACCESS: Need = OneOf(&[ManageAccess]);
const SOURCES: Need = OneOf(&[ManageStore, ManageAccess]);

/// Routes below `/es/{tenant}` are those without that beginning.
const ELASTIC_PREFIX: &str = "/es/{tenant}";

/// The routes, but those of the screen's files.
const ROUTES: &[Row] = &[
    ("GET", "/", PageOrCredential),
    ("GET", "/livez", Nothing),
    ("GET", "/readyz", Nothing),
    ("GET", "/api/v1/livez", Nothing),
    ("GET", "/api/v1/readyz", Nothing),
    ("GET", "/api/v1/openapi.json", Nothing),
    ("GET", "/metrics", STORE),
    ("GET", "/api/v1/metrics", STORE),
    ("GET", "/api/v1/status", STORE),
    ("POST", "/api/v1/backups", STORE),
    ("GET, POST", "/auth/login", Nothing),
    ("GET", "/auth/callback", Nothing),
    ("GET", "/auth/methods", Nothing),
    ("POST", "/auth/logout", Nothing),
    ("GET", "/api/v1/me", Credential),
    ("GET", "/api/v1/fields", Credential),
    // Questions.
    ("GET", "/api/v1/events", QUESTION),
    ("POST", "/api/v1/events/query", QUESTION),
    ("GET", "/api/v1/events/{trace_id}", QUESTION),
    ("GET", "/api/v1/count", QUESTION),
    ("POST", "/api/v1/count/query", QUESTION),
    ("GET", "/api/v1/facets", QUESTION),
    ("POST", "/api/v1/facets/query", QUESTION),
    ("GET", "/api/v1/histogram", QUESTION),
    ("POST", "/api/v1/histogram/query", QUESTION),
    ("GET", "/api/v1/top", QUESTION),
    ("POST", "/api/v1/top/query", QUESTION),
    ("GET", "/api/v1/stats", QUESTION),
    ("POST", "/api/v1/stats/query", QUESTION),
    ("GET", "/api/v1/values", QUESTION),
    ("POST", "/api/v1/values/query", QUESTION),
    ("GET, POST", "/api/v1/events.csv", EXPORT),
    ("GET, POST", "/api/v1/events.ndjson", EXPORT),
    ("GET, POST", "/api/v1/events.parquet", EXPORT),
    ("GET", "/api/v1/views", QUESTION),
    ("GET, PUT, DELETE", "/api/v1/views/{id}", QUESTION),
    // Administration.
    ("GET", "/api/v1/quarantine", QUARANTINE),
    ("GET", "/api/v1/quarantine/reasons", QUARANTINE),
    ("POST", "/api/v1/quarantine/decode", DECODE),
    ("GET", "/api/v1/retention", POLICY),
    ("PUT", "/api/v1/retention", TENANT),
    ("POST", "/api/v1/retention/run", STORE),
    ("GET", "/api/v1/holds", POLICY),
    ("PUT, DELETE", "/api/v1/holds/{name}", TENANT),
    ("GET", "/api/v1/tenants", OneOf(&[Read, ReadTrail, ManageTenant, ManageStore, ManageAccess])),
    ("GET", "/api/v1/tenants/{name}", ACCESS),
    ("PATCH", "/api/v1/tenants/{name}", OneOf(&[ManageTenant, ManageStore, ManageAccess])),
    ("GET", "/api/v1/relationships", OneOf(&[Read, ManageAccess])),
    ("POST", "/api/v1/relationships", ACCESS),
    ("PATCH", "/api/v1/relationships/{id}", ACCESS),
    ("POST", "/api/v1/relationships/{id}/confirm", ACCESS),
    ("POST", "/api/v1/relationships/{id}/withdraw", ACCESS),
    ("GET, POST", "/api/v1/principals", ACCESS),
    ("GET, PATCH, DELETE", "/api/v1/principals/{name}", ACCESS),
    ("GET, POST", "/api/v1/principals/{name}/tokens", ACCESS),
    ("DELETE", "/api/v1/principals/{name}/tokens/{id}", ACCESS),
    ("POST", "/api/v1/principals/{name}/tokens/{id}/rotate", ACCESS),
    ("GET, POST", "/api/v1/principals/{name}/access-keys", ACCESS),
    ("DELETE", "/api/v1/principals/{name}/access-keys/{id}", ACCESS),
    ("GET, POST", "/api/v1/sources", SOURCES),
    ("GET, PATCH, DELETE", "/api/v1/sources/{name}", SOURCES),
    ("POST", "/api/v1/sources/{name}/pause", SOURCES),
    ("POST", "/api/v1/sources/{name}/resume", SOURCES),
    ("POST", "/api/v1/sources/{name}/backfill", SOURCES),
    ("POST", "/api/v1/sources/{name}/gaps", SOURCES),
    ("POST", "/api/v1/sources/{name}/test", SOURCES),
    ("POST", "/api/v1/sources/{name}/run", SOURCES),
    ("GET", "/api/v1/coverage", OneOf(&[Read, ReadTrail, ManageStore, ManageAccess])),
    ("GET", "/api/v1/sessions", ACCESS),
    ("DELETE", "/api/v1/sessions/{id}", ACCESS),
    // Doors.
    ("POST", "/api/v1/events", DELIVER),
    ("POST", "/v1/logs", DELIVER),
    ("POST", "/otlp/{tenant}/v1/logs", DELIVER),
    ("POST, OPTIONS", "/cloudevents", DELIVER),
    ("POST, OPTIONS", "/cloudevents/{tenant}", DELIVER),
    ("POST", "/k8s/audit/{tenant}", DELIVER),
    ("POST, PUT", "/_bulk", DELIVER),
    ("POST, PUT", "/_bulk/", DELIVER),
    ("POST, PUT", "/{index}/_bulk", DELIVER),
    ("POST, PUT", "/{index}/_bulk/", DELIVER),
    ("POST, PUT", "/{index}/{kind}/_bulk", DELIVER),
    ("POST, PUT", "/{index}/_doc/_bulk", DELIVER),
    ("POST, PUT", "/{index}/_create/_bulk", DELIVER),
    ("POST, PUT, DELETE", "/{index}/_doc", DELIVER),
    ("POST, PUT, DELETE", "/{index}/_doc/", DELIVER),
    ("POST, PUT, DELETE", "/{index}/_doc/{id}", DELIVER),
    ("POST, PUT, DELETE", "/{index}/_create/{id}", DELIVER),
    ("POST", "/{index}/_update/{id}", DELIVER),
    // What shippers ask before they write tells nothing about the store.
    ("GET", "/es/{tenant}/", Credential),
    ("GET", "/_license", Credential),
    ("GET", "/_xpack", Credential),
    ("GET", "/_cluster/health", Credential),
    ("GET", "/_cat/health", Credential),
    ("GET", "/_nodes/http", Credential),
    ("GET", "/_nodes/_all/http", Credential),
    ("GET, PUT, POST", "/_ilm/policy/{name}", Credential),
    ("GET, PUT, POST", "/_index_template/{name}", Credential),
    ("GET, PUT, POST", "/_component_template/{name}", Credential),
    ("GET, PUT, POST", "/_template/{name}", Credential),
    ("GET, PUT, POST", "/_ingest/pipeline/{name}", Credential),
    ("GET, PUT, POST", "/_data_stream/{name}", Credential),
    // The façade of CTS.
    ("GET", "/v3/{project_id}/traces", QUESTION),
    ("GET", "/v3/{project_id}/resources", QUESTION),
    ("GET", "/v3/{project_id}/operations", QUESTION),
    ("GET", "/v3/{project_id}/user-resources", QUESTION),
    ("GET", "/v2.0/{project_id}/{tracker_name}/trace", QUESTION),
    ("GET", "/v1.0/{project_id}/{tracker_name}/trace", QUESTION),
    // What clients of the partner centre ask; of whom, the call itself looks.
    ("GET", "/v2/partners/coupon-quotas/records", QUESTION),
    // What clients of Huawei Cloud ask IAM.
    ("POST", "/v3/auth/tokens", Nothing),
    ("GET", "/v3/auth/domains", Credential),
    ("GET", "/v3/projects", Credential),
];

/// Returns the method and path of every route that programs call.
pub fn route_needs() -> impl Iterator<Item = (&'static str, &'static str)> {
    ROUTES.iter().flat_map(|(methods, path, _)| methods.split(", ").map(|method| (method, *path)))
}

/// Returns what a route needs: `None` if it has no row. A method that a path does not take needs a
/// credential, before it is told so.
pub(super) fn need_of(method: &Method, path: &str) -> Option<Need> {
    let path = match path.strip_prefix(ELASTIC_PREFIX) {
        Some("" | "/") => "/es/{tenant}/",
        Some(rest) => rest,
        None => path,
    };
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    let mut rows = ROUTES.iter().filter(|(_, known, _)| *known == path).peekable();
    rows.peek()?;
    let row = rows.find(|(methods, _, _)| methods.split(", ").any(|known| known == method));
    Some(row.map_or(Credential, |(_, _, need)| *need))
}

/// What tells how the store is kept, and filled. Not `/metrics`: it has numbers of the process
/// alone, and is asked every few seconds by a machine.
const OF_STORE: &[&str] = &[
    "/api/v1/status",
    "/api/v1/tenants",
    "/api/v1/retention",
    "/api/v1/holds",
    "/api/v1/views",
    "/api/v1/views/{id}",
    "/api/v1/sources",
    "/api/v1/sources/{name}",
    "/api/v1/coverage",
    "/v3/projects",
];

/// Returns how a call is recorded, if it is recorded by itself.
pub(in crate::api) fn recorded_as(method: &Method, path: &str) -> Option<Recorded> {
    let is_get = method == Method::GET || method == Method::HEAD;
    if OF_STORE.contains(&path) {
        return is_get.then_some(Recorded::Store);
    }
    match (path, need_of(method, path)?) {
        ("/auth/login" | "/v3/auth/tokens", _) if method == Method::POST => Some(Recorded::SignIn),
        ("/auth/callback", _) => Some(Recorded::SignIn),
        ("/api/v1/retention/run", _) if method == Method::POST => Some(Recorded::Retention),
        ("/api/v1/relationships", _) if is_get => Some(Recorded::Access),
        // These use the credential of a source, and change nothing that would be recorded.
        ("/api/v1/sources/{name}/test" | "/api/v1/sources/{name}/run", _) => Some(Recorded::Store),
        ("/auth/logout", _) if method == Method::POST => Some(Recorded::SignOut),
        ("/api/v1/sessions/{id}", need) if need == ACCESS => Some(Recorded::EndSession),
        (_, need) if need == QUESTION => Some(Recorded::Question),
        (_, need) if need == EXPORT => Some(Recorded::Export),
        (_, need) if need == QUARANTINE || need == DECODE => Some(Recorded::Quarantine),
        (_, need) if need == ACCESS && is_get => Some(Recorded::Access),
        _ => None,
    }
}

/// Returns whether a call changes something, which is recorded with the change; by itself it is
/// recorded when it fails. What a delivery comes to stands in its events and in quarantine.
pub(in crate::api) fn changes_something(method: &Method, path: &str) -> bool {
    let of_permission = matches!(need_of(method, path), Some(OneOf(_)));
    of_permission
        && need_of(method, path) != Some(DELIVER)
        && recorded_as(method, path).is_none()
        && method != Method::GET
        && method != Method::HEAD
}

/// Returns whether what a route needs shows that it asks something, by whatever method but `PUT`
/// and `DELETE`.
pub(super) fn is_question(need: Need) -> bool {
    need == QUESTION || need == EXPORT
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_method_of_a_path_has_one_row() {
        let mut seen = HashSet::new();
        for (methods, path, _) in ROUTES {
            for method in methods.split(", ") {
                assert!(seen.insert((method, path)), "{method} {path}");
            }
        }
    }

    #[test]
    fn a_route_without_a_row_needs_what_nobody_has() {
        assert_eq!(need_of(&Method::GET, "/api/v1/secrets"), None);
        assert_eq!(need_of(&Method::HEAD, "/api/v1/events"), Some(QUESTION));
        assert_eq!(need_of(&Method::POST, "/api/v1/events"), Some(DELIVER));
        assert_eq!(need_of(&Method::PUT, "/api/v1/events"), Some(Credential));
        assert_eq!(need_of(&Method::PUT, "/es/{tenant}/_bulk"), Some(DELIVER));
        assert_eq!(need_of(&Method::GET, "/es/{tenant}"), Some(Credential));
    }
}
