//! The matrix of routes and roles, cell by cell, and that no cell tells of another tenant.

use super::server::{Answer, Guarded};
use crate::support::store::TestStore;
use annals::access::Role;
use annals::api::route_needs;
use axum::body::Body;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// A path of a route, with its parameters filled in.
fn filled(path: &str) -> String {
    path.replace("{tenant}", "mine")
        .replace("{project_id}", "mine")
        .replace("{tracker_name}", "system")
        .replace("{index}", "mine")
        .replace("{kind}", "_doc")
        .replace("{name}", "somebody")
        .replace("{trace_id}", "canary-of-mine")
        .replace("{id}", "x1")
}

/// What a request has besides its path, so that it is refused for nothing but its caller.
pub(super) fn asked(method: &str, path: &str) -> (String, &'static str) {
    let path = filled(path);
    let query = match path.as_str() {
        "/api/v1/facets" | "/api/v1/facets/query" => "?tenant=mine&fields=source",
        "/api/v1/top" | "/api/v1/top/query" | "/api/v1/values" | "/api/v1/values/query" => {
            "?tenant=mine&field=source"
        }
        path if path.starts_with("/api/v1/events")
            || path.starts_with("/api/v1/count")
            || path.starts_with("/api/v1/histogram")
            || path.starts_with("/api/v1/stats")
            || path.starts_with("/api/v1/quarantine")
            || path == "/cloudevents"
            || path == "/v1/logs" =>
        {
            "?tenant=mine"
        }
        _ => "",
    };
    let body = if method == "GET" { "" } else { "{}" };
    (format!("{path}{query}"), body)
}

fn server() -> (Guarded, BTreeMap<&'static str, String>) {
    let server = Guarded::new();
    for tenant in ["mine", "theirs"] {
        let record = json!({ "trace_id": format!("canary-of-{tenant}"), "source": tenant,
            "event_name": format!("name-of-{tenant}"), "time": "2026-06-01T00:00:00Z" });
        server.store.ingest(tenant, &[record.to_string()]);
        server.store.ingest(tenant, &[format!("no record of {tenant}")]);
    }
    let mut tokens = BTreeMap::new();
    for role in Role::ALL {
        let principal = json!({ "name": format!("a-{role}"), "roles": [role],
            "tenants": match role {
                Role::SystemAdministrator
                | Role::SecurityAdministrator
                | Role::AuditAdministrator => json!([]),
                _ => json!(["mine"]),
            } });
        tokens.insert(role.name(), server.principal(&principal));
    }
    (server, tokens)
}

/// The matrix as it is kept for review: a route a line, with the roles that may call it.
const EXPECTED: &str = "tests/access/matrix.txt";

#[test]
fn every_route_lets_in_the_roles_that_it_is_for_and_no_others() {
    let (server, tokens) = server();
    let mut matrix = String::new();
    for (method, path) in route_needs() {
        let (path_asked, body) = asked(method, path);
        let anybody = server.call(None, method, &path_asked, body);
        let mut may = Vec::new();
        if anybody.status != 401 {
            may.push("anybody");
        }
        for (role, token) in &tokens {
            let answer = server.call(Some(token), method, &path_asked, body);
            match answer.status.as_u16() {
                // The route was reached, whatever it found.
                403 => {}
                401 => panic!("{method} {path} does not know {role}: {}", answer.text()),
                500 => panic!("{method} {path} fails for {role}: {}", answer.text()),
                _ => may.push(role),
            }
            let theirs = answer.text().contains("theirs");
            assert!(
                !theirs || path.starts_with("/api/v1/tenants"),
                "{method} {path} tells {role} of another tenant: {}",
                answer.text()
            );
        }
        let may = if may.first() == Some(&"anybody") { vec!["anybody"] } else { may };
        let _ = writeln!(matrix, "{method} {path}: {}", may.join(" "));
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(EXPECTED);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &matrix).expect("the file can be written");
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(matrix, expected, "{EXPECTED} says otherwise; UPDATE_GOLDEN=1 writes it again");
}

/// What routes are added by besides their text: the files of the screen, which anybody may have,
/// and paths that calls know. The rows of these are seen to be routes by asking them.
const NAMED: &[&str] = &[
    "CALLBACK",
    "DOMAINS",
    "PROJECTS",
    "RECORDS",
    "QuarantineCall::",
    "call.",
    "path",
    "file.path",
    "&format!(",
    "&route",
];

/// The arguments of each `.route(` in the sources of a folder, without tests.
fn routes_of(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(routes_of(&path));
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a source");
        let code = text.split("#[cfg(test)]").next().expect("code");
        let routes = code.split(".route(").skip(1).map(str::trim_start);
        // A call that is asked for its route adds none.
        found.extend(routes.filter(|rest| !rest.starts_with(')')).map(str::to_owned));
    }
    found
}

#[test]
fn every_route_has_a_row_and_every_row_is_a_route() {
    let rows: Vec<(&str, &str)> = route_needs().collect();
    let routes = routes_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api"));
    assert!(routes.len() > 60, "{}", routes.len());
    for route in &routes {
        let Some(rest) = route.strip_prefix('"') else {
            let is_known = NAMED.iter().any(|name| route.starts_with(name));
            assert!(is_known, "a route that this test cannot see: {route:.40}");
            continue;
        };
        let path = rest.split('"').next().expect("a path");
        assert!(rows.iter().any(|(_, row)| *row == path), "{path} has no row in permissions.rs");
    }
    let server = Guarded::over(TestStore::new(), false);
    let nothing = |answer: &Answer| {
        answer.status == 405 || answer.text().contains("there is nothing at this path")
    };
    assert!(nothing(&server.call(None, "GET", "/api/v1/zzz", "")));
    for (method, path) in rows {
        let (asked, body) = asked(method, path);
        let answer = server.call(None, method, &asked, body);
        assert!(!nothing(&answer), "{method} {path}: {}", answer.text());
    }
}

#[test]
fn a_question_about_another_tenant_is_refused_in_the_same_words_whether_it_exists_or_not() {
    let (server, tokens) = server();
    let told = |tenant: &str, text: String| text.replace(tenant, "TENANT");
    let mut refused = 0;
    for (method, path) in route_needs() {
        let (path, body) = asked(method, path);
        let of = |tenant: &str| path.replace("mine", tenant);
        // Handshakes say the same to everybody, and a producer of one tenant has indices of any
        // name in it.
        let says_nothing = method == "OPTIONS" || path == "/es/mine/";
        if of("theirs") == path || says_nothing || path.starts_with("/mine/") {
            continue;
        }
        for (role, token) in &tokens {
            let ask = |tenant: &str| server.call(Some(token), method, &of(tenant), body);
            let (there, not_there) = (ask("theirs"), ask("nobodys"));
            let context = format!("{method} {path} by {role}: {}", there.text());
            assert_eq!(there.status, not_there.status, "{context}");
            assert_eq!(
                told("theirs", there.text()),
                told("nobodys", not_there.text()),
                "{context}"
            );
            assert!(!there.status.is_success() || *role == "system_administrator", "{context}");
            refused += usize::from(there.status == 403);
        }
    }
    assert!(refused > 100, "only {refused} were refused");
}

#[test]
fn a_list_of_all_tenants_has_only_ones_own() {
    let (server, tokens) = server();
    for role in ["reader", "auditor", "tenant_administrator"] {
        let token = &tokens[role];
        for path in [
            "/api/v1/events?tenant=*&original=true",
            "/api/v1/facets?tenant=*&fields=source,event_name",
            "/api/v1/top?tenant=*&field=source",
            "/api/v1/values?tenant=*&field=source&contains=th",
            "/api/v1/tenants",
            "/api/v1/retention",
            "/api/v1/views",
        ] {
            let answer = server.json(token, path);
            let text = answer.to_string();
            assert!(!text.contains("of-theirs") && !text.contains("\"theirs\""), "{path}: {text}");
        }
        assert_eq!(server.json(token, "/api/v1/count?tenant=*"), json!({ "count": 1 }));
        // What is offered on no hit is the same whether another tenant has such events or not.
        for query in ["tenant=*&source=SOUGHT", "event_name.prefix=name-of-SOUGHT"] {
            let ask = |sought: &str| {
                let path = format!("/api/v1/events?{}", query.replace("SOUGHT", sought));
                server.json(token, &path).to_string().replace(sought, "SOUGHT")
            };
            assert_eq!(ask("theirs"), ask("nobodys"), "{query}");
        }
        let one = server.get(token, "/api/v1/events/canary-of-theirs?tenant=*");
        let none = server.get(token, "/api/v1/events/canary-of-nobodys?tenant=*");
        assert_eq!((one.status.as_u16(), none.status.as_u16()), (404, 404));
        assert_eq!(one.text().replace("theirs", "x"), none.text().replace("nobodys", "x"));
    }
    let quarantine = server.json(&tokens["auditor"], "/api/v1/quarantine?tenant=*");
    assert_eq!(quarantine["total"], 1, "{quarantine}");
}

#[test]
fn a_producer_delivers_for_its_own_tenants_by_every_door() {
    let (server, tokens) = server();
    let token = &tokens["ingest"];
    let record = |id: &str, tenant: &str| {
        json!({ "trace_id": id, "event_name": "n", "source": "s", "project_id": tenant,
            "time": "2026-06-02T00:00:00Z" })
        .to_string()
    };
    for (method, path, body) in [
        ("POST", "/api/v1/events?tenant=theirs", record("a", "mine")),
        ("POST", "/cloudevents/theirs", record("a", "mine")),
        ("POST", "/k8s/audit/theirs", record("a", "mine")),
        ("POST", "/otlp/theirs/v1/logs", "{}".to_owned()),
        ("PUT", "/es/theirs/x/_doc/1", record("a", "mine")),
        ("POST", "/es/theirs/_bulk", "{\"index\":{}}\n{}\n".to_owned()),
        ("POST", "/api/v1/events?tenant=_annals", record("a", "mine")),
    ] {
        let answer = server.call(Some(token), method, path, body);
        assert_eq!(answer.status, 403, "{path}: {}", answer.text());
    }
    let header = axum::http::Request::post("/api/v1/events")
        .header("host", "localhost")
        .header("authorization", format!("Bearer {token}"))
        .header("x-annals-tenant", "theirs");
    let answer = server.send(header.body(record("a", "mine").into()).expect("a request"));
    assert_eq!(answer.status, 403, "{}", answer.text());

    // A record that names another tenant goes to quarantine, and not to that tenant's.
    let mixed = [record("b", "mine"), record("c", "theirs"), record("d", "_annals")].join("\n");
    let answer = server.call(Some(token), "POST", "/api/v1/events?tenant_from=project_id", mixed);
    let told = answer.json();
    assert_eq!(
        (&told["accepted"], told["quarantined"].as_array().map(Vec::len)),
        (&1.into(), Some(2))
    );
    let auditor = server.principal(&json!({ "name": "theirs-auditor", "roles": ["auditor"],
        "tenants": ["theirs"] }));
    assert_eq!(server.json(&auditor, "/api/v1/count"), json!({ "count": 1 }));
    assert_eq!(server.json(&auditor, "/api/v1/quarantine")["total"], 1, "only its own line");

    // A producer of one tenant need not name it: the index is then only an index.
    let bulk =
        format!("{{\"index\":{{\"_index\":\"theirs\",\"_id\":\"e\"}}}}\n{}\n", record("e", "x"));
    let answer = server.call(Some(token), "POST", "/_bulk", bulk);
    assert_eq!(answer.json()["errors"], false, "{}", answer.text());
    assert_eq!(server.json(&auditor, "/api/v1/count"), json!({ "count": 1 }));
    // One of two must, and may name only its own.
    let two = server.principal(&json!({ "name": "two", "roles": ["ingest"],
        "tenants": ["mine", "other"] }));
    let bulk = "{\"index\":{\"_index\":\"theirs\"}}\n{\"a\":1}\n{\"index\":{\"_index\":\"other\"}}\n{\"a\":1}\n";
    let answer = server.call(Some(&two), "POST", "/_bulk", bulk).json();
    assert_eq!(
        (&answer["items"][0]["index"]["status"], &answer["items"][1]["index"]["status"]),
        (&403.into(), &201.into()),
        "{answer}"
    );
}

#[test]
fn the_page_and_health_are_open_and_everything_else_is_not() {
    let server = Guarded::new();
    for path in ["/livez", "/readyz", "/api/v1/openapi.json"] {
        assert_eq!(server.call(None, "GET", path, Body::empty()).status, 200, "{path}");
    }
    // What is ready is told to anybody, what is in the store is not.
    let told = server.call(None, "GET", "/readyz", Body::empty()).json();
    assert_eq!(told, json!({ "status": "ok" }));
    // With a credential, only who runs the store is told more; that nobody is asked for one is told
    // to everybody, and only where it is so.
    for (role, tenants) in [
        ("reader", json!(["t"])),
        ("tenant_administrator", json!(["t"])),
        ("security_administrator", json!([])),
        ("audit_administrator", json!([])),
        ("system_administrator", json!([])),
    ] {
        let token = server.principal(&json!({ "name": role, "roles": [role], "tenants": tenants }));
        for path in ["/readyz", "/api/v1/readyz"] {
            let told = server.json(&token, path);
            assert_eq!(told["events"].is_u64(), role == "system_administrator", "{role}: {told}");
            assert_eq!(told.get("auth"), None, "{role}: {told}");
            if role != "system_administrator" {
                assert_eq!(told, json!({ "status": "ok" }), "{role}");
            }
        }
    }
    let wrong = server.get("annals_wrong", "/readyz");
    assert_eq!((wrong.status.as_u16(), wrong.json()), (200, json!({ "status": "ok" })));
    let open = Guarded::over(TestStore::new(), false).call(None, "GET", "/readyz", Body::empty());
    assert_eq!(open.json()["auth"], "none", "{}", open.text());
    for path in ["/", "/nothing", "/api/v1/nothing", "/es/t/nothing", "/metrics", "/api/v1/me"] {
        assert_eq!(server.call(None, "GET", path, Body::empty()).status, 401, "{path}");
    }
}

#[test]
fn a_view_is_changed_by_its_owner_and_seen_by_its_tenants() {
    let (server, tokens) = server();
    let save = |token: &str, id: &str, query: &str| {
        let view = json!({ "name": "n", "owner": "somebody-else", "query": query }).to_string();
        let path = format!("/api/v1/views/{id}");
        let request = axum::http::Request::put(path)
            .header("host", "localhost")
            .header("authorization", format!("Bearer {token}"))
            .header("if-match", "*");
        let first = server.call(Some(token), "PUT", &format!("/api/v1/views/{id}"), view.clone());
        match first.status.as_u16() {
            409 => server.send(request.body(view.into()).expect("a request")),
            _ => first,
        }
    };
    let (reader, auditor) = (&tokens["reader"], &tokens["auditor"]);
    let saved = save(reader, "v", "tenant=mine&source=a");
    assert_eq!((saved.status.as_u16(), &saved.json()["owner"]), (201, &"a-reader".into()));
    assert_eq!(server.json(auditor, "/api/v1/views/v")["name"], "n");
    assert_eq!(save(auditor, "v", "tenant=mine&source=b").status, 403);
    assert_eq!(server.call(Some(auditor), "DELETE", "/api/v1/views/v", Body::empty()).status, 403);
    for query in ["tenant=theirs", "tenant=mine&tenant=theirs", "tenant=*&tenant=theirs"] {
        assert_eq!(save(reader, "w", query).status, 403, "{query}");
    }
    // What names no tenant is only for whoever saved it.
    assert_eq!(save(reader, "w", "tenant=*").status, 201);
    assert_eq!(server.get(reader, "/api/v1/views/w").status, 200);
    assert_eq!(server.get(auditor, "/api/v1/views/w").status, 404);
    assert_eq!(save(&tokens["tenant_administrator"], "v", "tenant=mine&source=c").status, 200);
    assert_eq!(server.call(Some(reader), "DELETE", "/api/v1/views/v", Body::empty()).status, 204);
}

#[test]
fn who_reads_the_trail_exports_it_and_not_what_it_may_only_read() {
    let (server, _) = server();
    let both = server.principal(&json!({ "name": "both",
        "roles": ["reader", "audit_administrator"], "tenants": ["mine"] }));
    assert_eq!(server.get(&both, "/api/v1/events?tenant=mine").status, 200);
    assert_eq!(server.get(&both, "/api/v1/events.csv?tenant=mine").status, 403);
    assert_eq!(server.get(&both, "/api/v1/events.csv?tenant=_annals").status, 200);
}

#[test]
fn a_hold_tells_nobody_of_other_tenants_or_of_what_is_masked() {
    let (server, tokens) = server();
    let hold = "tenant=mine&tenant=theirs&operator=zhang&reason=of-a-case";
    let path = format!("/api/v1/holds/shared?{hold}");
    let placed = server.call(Some(&tokens["system_administrator"]), "PUT", &path, "");
    assert_eq!(placed.status, 200, "{}", placed.text());
    let path = "/api/v1/holds/own?tenant=mine&operator=zhang&reason=of-a-case";
    let placed = server.call(Some(&tokens["tenant_administrator"]), "PUT", path, "");
    assert_eq!(placed.status, 200, "{}", placed.text());
    let masked = server.principal(&json!({ "name": "masked", "roles": ["reader"],
        "tenants": ["mine"], "masks": { "operator": "hide" } }));
    let holds = server.json(&tokens["reader"], "/api/v1/holds")["holds"].clone();
    assert_eq!(holds["shared"]["tenant"], json!(["mine"]), "{holds}");
    assert_eq!(holds["shared"]["withheld"], true, "{holds}");
    assert!(holds["own"].to_string().contains("zhang"), "{holds}");
    let holds = server.json(&masked, "/api/v1/holds")["holds"].clone();
    assert_eq!(holds, json!({}), "nor that something is held");
}

#[test]
fn all_tenants_are_not_all_views() {
    let (server, _) = server();
    let all = |name: &str, role: &str| {
        server.principal(&json!({ "name": name, "roles": [role], "tenants": ["*"] }))
    };
    let (first, second) = (all("first", "reader"), all("second", "tenant_administrator"));
    let save = |token: &str, id: &str, query: &str| {
        let view = json!({ "name": "n", "query": query }).to_string();
        server.call(Some(token), "PUT", &format!("/api/v1/views/{id}"), view).status.as_u16()
    };
    assert_eq!(save(&first, "own", "tenant=*"), 201);
    assert_eq!(save(&first, "of-mine", "tenant=mine"), 201);
    for (id, status) in [("own", 404), ("of-mine", 200)] {
        assert_eq!(server.get(&second, &format!("/api/v1/views/{id}")).status, status, "{id}");
    }
}
