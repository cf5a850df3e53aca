//! The matrix of routes, roles, tenants and masks, cell by cell: what each is answered, and that no
//! answer tells of another tenant or of what is masked.

use super::event_routes::{Asked, MASKED, MASKS, canary, questions, told};
use super::server::{Answer, Guarded};
use crate::support::store::{NOW, TestStore};
use annals::access::{Caller, maskable};
use annals::api::route_needs;
use annals::calls::RelationshipCall;
use annals::event::Timestamp;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// Who asks: by name, with roles and tenants.
pub(super) const CALLERS: &[(&str, &str)] = &[
    ("reader", r#"{"roles":["reader"],"tenants":["mine"]}"#),
    ("auditor", r#"{"roles":["auditor"],"tenants":["mine"]}"#),
    ("tenant_administrator", r#"{"roles":["tenant_administrator"],"tenants":["mine"]}"#),
    ("distributor", r#"{"roles":["reader"],"tenants":[],"partner":"p","distributor":true}"#),
    ("audit_administrator", r#"{"roles":["audit_administrator"],"tenants":[]}"#),
];
/// Whose events are asked about: by the name in the matrix.
const TENANTS: &[(&str, Option<&str>)] = &[
    ("own", Some("mine")),
    ("another", Some("theirs")),
    ("absent", Some("nobodys")),
    ("all", Some("*")),
    ("unsaid", None),
];
/// The matrix as it is kept for review: a line for each route and caller.
const EXPECTED: &str = "tests/access/cells.txt";

/// A moment of the days before now.
fn moment(hours: i64) -> String {
    Timestamp::from_millis(NOW - 96 * 3_600_000 + hours * 3_600_000).to_string()
}

/// The values of all maskable fields of a tenant, as a record's request or response holds them.
fn payload(tenant: &str) -> String {
    maskable().map(|field| canary(field, tenant)).collect::<Vec<_>>().join(" ")
}

/// A record of CTS, one of the partner centre and one with our own names, of a tenant. Their ids
/// are those of the other tenant's records.
fn records(tenant: &str) -> [Json; 3] {
    let value = |field: &str| Json::from(canary(field, tenant));
    let body = json!({ "note": payload(tenant) }).to_string();
    let cts = json!({ "trace_id": "cts", "trace_name": value("event_name"),
        "trace_rating": "normal", "trace_type": "ConsoleAction",
        "time": moment(1), "record_time": moment(1),
        "service_type": value("source"), "resource_type": value("resource_type"),
        "resource_name": value("resource_name"), "resource_id": value("resource_id"),
        "user": { "name": value("operator"), "access_key_id": value("access_key_id") },
        "source_ip": value("source_ip"), "code": value("code"), "request": body,
        "response": body, "api_version": value("api_version"),
        "request_id": value("request_id"), "operation_id": value("operation_id"),
        "enterprise_project_id": value("enterprise_project_id"),
        "tracker_name": value("tracker_name") });
    let quota = json!({ "id": "1", "operator": value("operator"), "operation_type": "10",
        "quota_id": value("resource_id"), "parent_quota_id": value("related_ids"),
        "amount": "7654321.25", "operation_time": format!("{}Z", &moment(2)[..19]),
        "result": "0", "indirect_partner_id": value("related_ids"),
        "indirect_partner_account_name": "acct", "indirect_partner_name": value("resource_name"),
        "remark": payload(tenant) });
    let mut native = json!({ "trace_id": "native", "time": moment(3), "project_id": tenant,
        "level": "normal", "amount": "7654321.25", "request": body, "response": body });
    for field in maskable().filter(|field| *field != "amount") {
        native[field] = value(field);
    }
    native["related_ids"] = json!([format!("customer:{}", canary("related_ids", tenant))]);
    [cts, quota, native]
}

/// A server over two tenants whose every maskable field has a value of its own, with views, holds,
/// records in quarantine and relationships that name these, too.
pub(super) fn canary_server() -> Guarded {
    let server = Guarded::over(TestStore::new(), true);
    let operator = Caller::operator();
    for (tenant, partner) in [("mine", "p"), ("theirs", "q")] {
        let [cts, quota, native] = records(tenant);
        server.store.ingest(tenant, &[cts.to_string(), quota.to_string()]);
        server.store.buffer_from(&[native], "project_id");
        server.store.ingest(tenant, &[format!("no record: {}", payload(tenant))]);
        for party in ["customer", "reseller"] {
            let body = json!({ "partner": partner, party: canary("related_ids", tenant),
                "tenants": [tenant], "from": moment(0) });
            let made = RelationshipCall::Create.answer(server.store.engine(), &operator, body);
            made.expect("a relationship");
        }
        let administrator = server.principal(&json!({ "name": format!("runs-{tenant}"),
            "roles": ["tenant_administrator"], "tenants": [tenant] }));
        let conditions: String =
            MASKED[..3].iter().map(|field| format!("&{field}={}", canary(field, tenant))).collect();
        let id = if tenant == "mine" { "of-canaries" } else { "of-theirs" };
        let view = json!({ "name": canary("operator", tenant), "query":
            format!("tenant={tenant}{conditions}") });
        let path = format!("/api/v1/views/{id}");
        let saved = server.call(Some(&administrator), "PUT", &path, view.to_string());
        assert_eq!(saved.status, 201, "{}", saved.text());
        let reason = canary("operator", tenant);
        let path = format!("/api/v1/holds/{id}?tenant={tenant}&reason={reason}{conditions}");
        let placed = server.call(Some(&administrator), "PUT", &path, "");
        assert_eq!(placed.status, 200, "{}", placed.text());
    }
    server
}

/// Returns whether a caller can have masks: who decides about all events of a tenant cannot.
pub(super) fn can_be_masked(caller: &str) -> bool {
    caller != "tenant_administrator"
}

/// Makes a caller's principal, with a mask if one is given, and returns a token of it.
pub(super) fn masked_caller(
    server: &Guarded,
    (name, settings): (&str, &str),
    mask: Option<(&str, &str)>,
) -> String {
    let mut settings: Json = serde_json::from_str(settings).expect("settings");
    let (field, how) = mask.unwrap_or(("whole", ""));
    settings["name"] = format!("{name}-{field}-{how}").into();
    let mut masks: Map<String, Json> =
        mask.iter().map(|(field, how)| ((*field).to_owned(), Json::from(*how))).collect();
    // Among the related ids of a quota is its own.
    if let Some(how) = masks.get("resource_id").cloned() {
        masks.insert("related_ids".to_owned(), how);
    }
    settings["masks"] = masks.into();
    server.principal(&settings)
}

/// The statuses of a route's questions, by the name of the tenant.
type Statuses = BTreeMap<&'static str, String>;

/// Fails if an answer tells of another tenant, or of a field that is masked.
fn check_told(answer: &Answer, asked: &Asked, who: &str, masked: Option<&str>) {
    let told = told(answer);
    let context = || format!("{who}: {} {} {}: {told}", asked.method, asked.path, asked.body);
    assert!(answer.status != 500, "{}", context());
    let theirs = ["-of-theirs", &canary("source_ip", "theirs")];
    // A name that was asked for may come back in a refusal.
    let spoken = told.replace("\"of-theirs\"", "");
    assert!(theirs.iter().all(|canary| !spoken.contains(canary)), "{}", context());
    if let Some(field) = masked {
        assert!(!told.contains(&canary(field, "mine")), "{field} is masked: {}", context());
    }
}

/// What a caller is answered on a route, having been checked for what it tells.
fn statuses(
    server: &Guarded,
    route: (&'static str, &'static str),
    (who, token): (&str, &str),
    masked: Option<&str>,
) -> Statuses {
    let mut found = Statuses::new();
    for question in questions(route.0, route.1) {
        let is_of_tenants = question.contains("TENANT") || question.contains("PROJECT");
        let tenants = if is_of_tenants { TENANTS } else { &[("any", None)] };
        for (name, tenant) in tenants {
            let Some(asked) = Asked::of(route, question, *tenant) else { continue };
            let answer = asked.answer(server, token);
            // The trail is about all tenants, and no tenant's masks are its own.
            let is_trail = who.starts_with("audit_administrator") && tenant.is_none();
            if !is_trail {
                check_told(&answer, &asked, who, masked);
            }
            let told = found.entry(name).or_default();
            let status = answer.status.as_str();
            if !told.is_empty() {
                told.push('/');
            }
            told.push_str(status);
            follow(server, token, (&asked, &answer), (who, masked));
        }
    }
    for told in found.values_mut() {
        let mut each: Vec<&str> = told.split('/').collect();
        each.dedup();
        *told = each.join("/");
    }
    found
}

/// Asks for the page after an answer.
fn follow(
    server: &Guarded,
    token: &str,
    (asked, answer): (&Asked, &Answer),
    (who, masked): (&str, Option<&str>),
) {
    let json = answer.json();
    let next = |name: &str| json[name].as_str().map(str::to_owned);
    let marker = json["meta_data"]["marker"].as_str().map(str::to_owned);
    let (parameter, next) = match (next("next_cursor"), marker) {
        (Some(cursor), _) if asked.method == "GET" && !asked.path.contains("around=") => {
            ("cursor", cursor)
        }
        (_, Some(marker)) => ("next", marker),
        _ => return,
    };
    let path = format!("{}&{parameter}={next}", asked.path);
    let page = Asked { method: asked.method, path, body: String::new() };
    let answer = page.answer(server, token);
    assert_eq!(answer.status, 200, "{} by {who}: {}", page.path, answer.text());
    check_told(&answer, &page, who, masked);
}

fn shown(statuses: &Statuses) -> String {
    let each = statuses.iter().map(|(tenant, status)| format!("{tenant} {status}"));
    each.collect::<Vec<_>>().join(", ")
}

#[test]
fn every_cell_is_answered_as_the_table_says_and_tells_nothing_that_is_not_to_be_seen() {
    let server = canary_server();
    let mut tokens = BTreeMap::new();
    for caller in CALLERS {
        tokens.insert((caller.0, "", ""), masked_caller(&server, *caller, None));
        if !can_be_masked(caller.0) {
            continue;
        }
        for (field, how) in MASKED.iter().flat_map(|field| MASKS.iter().map(|how| (*field, *how))) {
            let token = masked_caller(&server, *caller, Some((field, how)));
            tokens.insert((caller.0, field, how), token);
        }
    }
    let mut matrix = String::new();
    for (method, path) in route_needs().filter(|(method, path)| !questions(method, path).is_empty())
    {
        for (name, _) in CALLERS {
            let whole = statuses(&server, (method, path), (name, &tokens[&(*name, "", "")]), None);
            let mut lines: BTreeMap<String, Vec<&str>> = BTreeMap::new();
            for field in MASKED.iter().filter(|_| can_be_masked(name)) {
                let of = |how: &str| {
                    let token = &tokens[&(*name, *field, how)];
                    let who = format!("{name} with {field} as {how}");
                    statuses(&server, (method, path), (&who, token), Some(field))
                };
                let hidden = of("hide");
                for how in &MASKS[1..] {
                    assert_eq!(hidden, of(how), "{method} {path} by {name}: {field} as {how}");
                }
                if hidden != whole {
                    lines.entry(shown(&hidden)).or_default().push(field);
                }
            }
            let _ = writeln!(matrix, "{method} {path} {name}: {}", shown(&whole));
            for (statuses, fields) in lines {
                let _ = writeln!(matrix, "  without {}: {statuses}", fields.join(" "));
            }
        }
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(EXPECTED);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &matrix).expect("the file can be written");
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(matrix, expected, "{EXPECTED} says otherwise; UPDATE_GOLDEN=1 writes it again");
}

#[test]
fn what_masks_hide_is_told_to_who_has_none() {
    let server = canary_server();
    let token = masked_caller(&server, CALLERS[1], None);
    let all = "/api/v1/events?TENANT&original=true&total=true";
    let asked = Asked::of(("GET", "/api/v1/events"), all, Some("mine")).expect("a question");
    let answer = asked.answer(&server, &token).json();
    let events = answer["events"].as_array().expect("events");
    let formats: Vec<&str> = events.iter().filter_map(|event| event["format"].as_str()).collect();
    assert_eq!(formats, ["native", "partner", "cts"]);
    for field in maskable().filter(|field| *field != "amount") {
        let canary = canary(field, "mine");
        for event in events {
            let original = event["original"].as_str().expect("a record");
            assert!(original.contains(&canary), "{field}: {event}");
        }
        assert!(events[0][field].to_string().contains(&canary), "{field}: {}", events[0]);
    }
    for path in [
        "/api/v1/events.parquet?TENANT",
        "/api/v1/events.csv?TENANT",
        "/api/v1/events.ndjson?TENANT",
        "/v3/PROJECT/traces?from=1600000000000",
        "/api/v1/quarantine?TENANT",
        "/api/v1/views?TENANT",
        "/api/v1/holds",
    ] {
        let asked = Asked::of(("GET", path), path, Some("mine")).expect("a question");
        let told = told(&asked.answer(&server, &token));
        assert!(told.contains(&canary("operator", "mine")), "{path}: {told}");
    }
}
