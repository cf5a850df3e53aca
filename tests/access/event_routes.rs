//! Which routes answer about events, and what each is asked: the table that the matrix of cells
//! ([`super::cells`]) and the refusals under masks ([`super::masked`]) walk.

use super::server::{Answer, Guarded};
use axum::body::Bytes;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Map, Value as Json};
use std::fmt::Write;

/// Fields that are masked in turn.
pub(super) const MASKED: &[&str] =
    &["operator", "resource_id", "source_ip", "related_ids", "event_name"];
/// How they are masked.
pub(super) const MASKS: &[&str] = &["hide", "hash", "last4"];

/// The value that a maskable field has in the records of a tenant, and nothing else has.
pub(super) fn canary(field: &str, tenant: &str) -> String {
    match (field, tenant) {
        ("source_ip", "mine") => "203.0.113.77".to_owned(),
        ("source_ip", _) => "198.51.100.66".to_owned(),
        _ => format!("{}-canary-of-{tenant}", field.replace('_', "-")),
    }
}

/// Routes that answer about events, with what they are asked. `TENANT` stands for the parameter
/// that names a tenant, `PROJECT` for a tenant in a path; what is asked without either is asked
/// once. Routes that take a question as JSON are asked the same.
const ABOUT_EVENTS: &[(&str, &str, &[&str])] = &[
    ("GET", "/metrics", &["/metrics"]),
    ("GET", "/api/v1/metrics", &["/api/v1/metrics"]),
    ("GET", "/api/v1/status", &["/api/v1/status"]),
    ("GET", "/api/v1/me", &["/api/v1/me"]),
    ("GET", "/api/v1/events", EVENTS),
    ("POST", "/api/v1/events/query", EVENTS),
    (
        "GET",
        "/api/v1/events/{trace_id}",
        &[
            "/api/v1/events/native?TENANT",
            "/api/v1/events/cts?TENANT",
            "/api/v1/events/quota-record:1?TENANT",
            "/api/v1/events/nothing?TENANT",
        ],
    ),
    ("GET", "/api/v1/count", COUNT),
    ("POST", "/api/v1/count/query", COUNT),
    ("GET", "/api/v1/facets", FACETS),
    ("POST", "/api/v1/facets/query", FACETS),
    ("GET", "/api/v1/histogram", HISTOGRAM),
    ("POST", "/api/v1/histogram/query", HISTOGRAM),
    ("GET", "/api/v1/top", TOP),
    ("POST", "/api/v1/top/query", TOP),
    ("GET", "/api/v1/stats", STATS),
    ("POST", "/api/v1/stats/query", STATS),
    ("GET", "/api/v1/values", VALUES),
    ("POST", "/api/v1/values/query", VALUES),
    ("GET", "/api/v1/events.csv", CSV),
    ("POST", "/api/v1/events.csv", CSV),
    ("GET", "/api/v1/events.ndjson", NDJSON),
    ("POST", "/api/v1/events.ndjson", NDJSON),
    ("GET", "/api/v1/events.parquet", PARQUET),
    ("POST", "/api/v1/events.parquet", PARQUET),
    ("GET", "/api/v1/views", &["/api/v1/views?TENANT"]),
    (
        "GET",
        "/api/v1/views/{id}",
        &[
            "/api/v1/views/of-canaries?TENANT",
            "/api/v1/views/of-theirs?TENANT",
            "/api/v1/views/nothing?TENANT",
        ],
    ),
    (
        "PUT",
        "/api/v1/views/{id}",
        &["/api/v1/views/of-canaries?TENANT", "/api/v1/views/of-theirs?TENANT"],
    ),
    (
        "DELETE",
        "/api/v1/views/{id}",
        &["/api/v1/views/nothing?TENANT", "/api/v1/views/of-theirs?TENANT"],
    ),
    (
        "GET",
        "/api/v1/quarantine",
        &["/api/v1/quarantine?TENANT", "/api/v1/quarantine?TENANT&substring=canary&limit=1"],
    ),
    ("GET", "/api/v1/quarantine/reasons", &["/api/v1/quarantine/reasons?TENANT"]),
    ("POST", "/api/v1/quarantine/decode", &["/api/v1/quarantine/decode?TENANT&dry_run=true"]),
    ("GET", "/api/v1/retention", &["/api/v1/retention"]),
    ("PUT", "/api/v1/retention", &["/api/v1/retention?TENANT&days=4000"]),
    ("POST", "/api/v1/retention/run", &["/api/v1/retention/run?dry_run=true"]),
    ("GET", "/api/v1/holds", &["/api/v1/holds"]),
    (
        "PUT",
        "/api/v1/holds/{name}",
        &["/api/v1/holds/probe?TENANT&reason=r&operator=operator-canary-of-mine"],
    ),
    (
        "DELETE",
        "/api/v1/holds/{name}",
        &["/api/v1/holds/nothing?reason=r", "/api/v1/holds/of-theirs?reason=r"],
    ),
    ("GET", "/api/v1/tenants", &["/api/v1/tenants?TENANT"]),
    ("GET", "/api/v1/tenants/{name}", &["/api/v1/tenants/PROJECT"]),
    ("PATCH", "/api/v1/tenants/{name}", &["/api/v1/tenants/PROJECT?undated=accept"]),
    (
        "GET",
        "/api/v1/relationships",
        &[
            "/api/v1/relationships",
            "/api/v1/relationships?customer=related-ids-canary-of-mine",
            "/api/v1/relationships?partner=q",
        ],
    ),
    ("POST", "/api/v1/relationships", &["/api/v1/relationships"]),
    ("PATCH", "/api/v1/relationships/{id}", &["/api/v1/relationships/rel-000001"]),
    ("POST", "/api/v1/relationships/{id}/confirm", &["/api/v1/relationships/rel-000001/confirm"]),
    ("POST", "/api/v1/relationships/{id}/withdraw", &["/api/v1/relationships/rel-000001/withdraw"]),
    (
        "GET",
        "/v3/{project_id}/traces",
        &[
            "/v3/PROJECT/traces?from=1600000000000",
            "/v3/PROJECT/traces?from=1600000000000&limit=1",
            "/v3/PROJECT/traces?trace_id=native",
            "/v3/PROJECT/traces?trace_id=cts",
            "/v3/PROJECT/traces?from=1600000000000&next=nothing",
            "/v3/PROJECT/traces?from=1600000000000&next=native",
            "/v3/PROJECT/traces?from=1600000000000&service_type=ECS",
        ],
    ),
    ("GET", "/v3/{project_id}/resources", &["/v3/PROJECT/resources"]),
    (
        "GET",
        "/v3/{project_id}/operations",
        &["/v3/PROJECT/operations", "/v3/PROJECT/operations?service_type=source-canary-of-mine"],
    ),
    ("GET", "/v3/{project_id}/user-resources", &["/v3/PROJECT/user-resources"]),
    (
        "GET",
        "/v2.0/{project_id}/{tracker_name}/trace",
        &["/v2.0/PROJECT/system/trace?from=1600000000000"],
    ),
    (
        "GET",
        "/v1.0/{project_id}/{tracker_name}/trace",
        &["/v1.0/PROJECT/system/trace?from=1600000000000"],
    ),
    (
        "GET",
        "/v2/partners/coupon-quotas/records",
        &["/v2/partners/coupon-quotas/records", "/v2/partners/coupon-quotas/records?offset=1"],
    ),
];

const EVENTS: &[&str] = &[
    "/api/v1/events?TENANT&original=true&total=true",
    "/api/v1/events?TENANT&limit=1&order=asc",
    "/api/v1/events?TENANT&around=2026-06-27T00:00:00Z&limit=1",
    "/api/v1/events?TENANT&fields=trace_id,operator,resource_id,source_ip,\
     related_ids,event_name&cut=5",
    // Nothing matches, so there are hints.
    "/api/v1/events?TENANT&source=canary&hints=true",
    "/api/v1/events?TENANT&to=2020-01-01T00:00:00Z&level=normal&hints=true",
    "/api/v1/events?TENANT&explain=true",
    "/api/v1/events?TENANT&cursor=AAAA",
];
const COUNT: &[&str] = &[
    "/api/v1/count?TENANT",
    "/api/v1/count?TENANT&level=normal",
    "/api/v1/count?TENANT&partial=true",
];
const FACETS: &[&str] = &["/api/v1/facets?TENANT&fields=source,code,level,format"];
const HISTOGRAM: &[&str] = &["/api/v1/histogram?TENANT&by=source"];
const TOP: &[&str] = &["/api/v1/top?TENANT&field=resource_name"];
const STATS: &[&str] = &["/api/v1/stats?TENANT&by=source"];
const VALUES: &[&str] = &["/api/v1/values?TENANT&field=source&contains=canary"];
const CSV: &[&str] = &[
    "/api/v1/events.csv?TENANT",
    "/api/v1/events.csv?TENANT&columns=operator,resource_id,source_ip,\
     related_ids,event_name,original",
];
const NDJSON: &[&str] = &[
    "/api/v1/events.ndjson?TENANT&closing=true",
    "/api/v1/events.ndjson?TENANT&columns=operator,resource_id,source_ip,\
     related_ids,event_name,original",
];
const PARQUET: &[&str] = &[
    "/api/v1/events.parquet?TENANT",
    "/api/v1/events.parquet?TENANT&columns=operator,resource_id,source_ip,\
     related_ids,event_name,original",
];

/// Routes that say nothing about events: they take them in, or are about access and health.
const NOT_ABOUT_EVENTS: &[(&str, &str)] = &[
    ("GET", "/"),
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/api/v1/livez"),
    ("GET", "/api/v1/readyz"),
    ("GET", "/api/v1/openapi.json"),
    ("POST", "/api/v1/backups"),
    ("GET, POST", "/auth/login"),
    ("GET", "/auth/callback"),
    ("GET", "/auth/methods"),
    ("POST", "/auth/logout"),
    ("GET", "/api/v1/fields"),
    ("GET, POST", "/api/v1/principals"),
    ("GET, PATCH, DELETE", "/api/v1/principals/{name}"),
    ("GET, POST", "/api/v1/principals/{name}/tokens"),
    ("DELETE", "/api/v1/principals/{name}/tokens/{id}"),
    ("POST", "/api/v1/principals/{name}/tokens/{id}/rotate"),
    ("GET, POST", "/api/v1/principals/{name}/access-keys"),
    ("DELETE", "/api/v1/principals/{name}/access-keys/{id}"),
    ("GET", "/api/v1/sessions"),
    ("DELETE", "/api/v1/sessions/{id}"),
    ("POST", "/api/v1/events"),
    ("POST", "/v1/logs"),
    ("POST", "/otlp/{tenant}/v1/logs"),
    ("POST, OPTIONS", "/cloudevents"),
    ("POST, OPTIONS", "/cloudevents/{tenant}"),
    ("POST", "/k8s/audit/{tenant}"),
    ("POST, PUT", "/_bulk"),
    ("POST, PUT", "/_bulk/"),
    ("POST, PUT", "/{index}/_bulk"),
    ("POST, PUT", "/{index}/_bulk/"),
    ("POST, PUT", "/{index}/{kind}/_bulk"),
    ("POST, PUT", "/{index}/_doc/_bulk"),
    ("POST, PUT", "/{index}/_create/_bulk"),
    ("POST, PUT, DELETE", "/{index}/_doc"),
    ("POST, PUT, DELETE", "/{index}/_doc/"),
    ("POST, PUT, DELETE", "/{index}/_doc/{id}"),
    ("POST, PUT, DELETE", "/{index}/_create/{id}"),
    ("POST", "/{index}/_update/{id}"),
    ("GET", "/es/{tenant}/"),
    ("GET", "/_license"),
    ("GET", "/_xpack"),
    ("GET", "/_cluster/health"),
    ("GET", "/_cat/health"),
    ("GET", "/_nodes/http"),
    ("GET", "/_nodes/_all/http"),
    ("GET, PUT, POST", "/_ilm/policy/{name}"),
    ("GET, PUT, POST", "/_index_template/{name}"),
    ("GET, PUT, POST", "/_component_template/{name}"),
    ("GET, PUT, POST", "/_template/{name}"),
    ("GET, PUT, POST", "/_ingest/pipeline/{name}"),
    ("GET, PUT, POST", "/_data_stream/{name}"),
    ("GET, POST", "/api/v1/sources"),
    ("GET, PATCH, DELETE", "/api/v1/sources/{name}"),
    ("POST", "/api/v1/sources/{name}/pause"),
    ("POST", "/api/v1/sources/{name}/resume"),
    ("POST", "/api/v1/sources/{name}/backfill"),
    ("POST", "/api/v1/sources/{name}/gaps"),
    ("POST", "/api/v1/sources/{name}/test"),
    ("POST", "/api/v1/sources/{name}/run"),
    ("GET", "/api/v1/coverage"),
    ("POST", "/v3/auth/tokens"),
    ("GET", "/v3/auth/domains"),
    ("GET", "/v3/projects"),
];

/// What a route is asked: nothing if it says nothing about events.
pub(super) fn questions(method: &str, path: &str) -> &'static [&'static str] {
    let about = ABOUT_EVENTS.iter().find(|(known, row, _)| (*known, *row) == (method, path));
    let says_nothing = NOT_ABOUT_EVENTS
        .iter()
        .any(|(methods, row)| *row == path && methods.split(", ").any(|known| known == method));
    match about {
        Some((_, _, asked)) if !says_nothing => asked,
        None if says_nothing => &[],
        _ => panic!(
            "{method} {path}: say in this table what it is asked about events, or that it \
            says nothing about them"
        ),
    }
}

/// A question as it is sent.
pub(super) struct Asked {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) body: String,
}

impl Asked {
    /// Fills a tenant into a question of a route: none is said if none is given. `None` if the
    /// question has no place for what is given.
    pub(super) fn of(
        (method, route): (&'static str, &str),
        question: &str,
        tenant: Option<&str>,
    ) -> Option<Self> {
        let named = tenant.map(|tenant| format!("tenant={tenant}")).unwrap_or_default();
        let filled = match (question.contains("PROJECT"), tenant) {
            (true, None) => return None,
            (true, Some(tenant)) => question.replace("PROJECT", tenant),
            (false, _) => question.replace("TENANT", &named),
        };
        let takes_json =
            method == "POST" && (route.ends_with("/query") || route.contains("/events."));
        if takes_json {
            let (path, query) = filled.split_once('?').unwrap_or((&filled, ""));
            let path =
                if route.ends_with("/query") { format!("{path}/query") } else { path.into() };
            return Some(Self { method, path, body: as_json(query) });
        }
        let body = match (method, route) {
            ("PUT", "/api/v1/views/{id}") => {
                format!("{{\"name\":\"n\",\"query\":\"{named}\"}}")
            }
            _ => String::new(),
        };
        let path = match filled.split_once('?') {
            Some((path, query)) => {
                let mut encoded = url::form_urlencoded::Serializer::new(format!("{path}?"));
                let pairs = url::form_urlencoded::parse(query.as_bytes());
                encoded.extend_pairs(pairs).finish().replace("?&", "?")
            }
            None => filled,
        };
        Some(Self { method, path, body })
    }

    pub(super) fn answer(&self, server: &Guarded, token: &str) -> Answer {
        server.call(Some(token), self.method, &self.path, self.body.clone())
    }
}

/// The parameters of a query as a JSON object.
fn as_json(query: &str) -> String {
    let mut body = Map::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if name == "filter" {
            let groups: Map<String, Json> = serde_json::from_str(&value).expect("a filter");
            body.extend(groups);
        } else {
            body.insert(name.into_owned(), value.into_owned().into());
        }
    }
    Json::Object(body).to_string()
}

/// Everything that an answer tells: status, headers, body, what its cursors hold and, of Parquet,
/// what is decoded.
pub(super) fn told(answer: &Answer) -> String {
    let mut told = format!("{} {:?} {}", answer.status, answer.headers, answer.text());
    let json = answer.json();
    for name in ["next_cursor", "prev_cursor", "others_cursor"] {
        if let Some(cursor) = json[name].as_str() {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).expect("a cursor");
            let _ = write!(told, " {}", String::from_utf8_lossy(&bytes));
        }
    }
    if answer.body.starts_with(b"PAR1") {
        told += &decoded(&answer.body);
    }
    told
}

/// What a Parquet file holds, and says of itself.
pub(super) fn decoded(file: &Bytes) -> String {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file.clone()).expect("a Parquet file");
    let mut text = format!("{:?}", reader.metadata());
    for batch in reader.build().expect("a reader") {
        let _ = write!(text, "{:?}", batch.expect("rows"));
    }
    text
}
