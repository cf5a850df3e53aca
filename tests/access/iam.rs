//! What clients of Huawei Cloud ask IAM, and the errors of the CTS façade to callers it refuses.

use super::server::{Answer, Guarded};
use super::signatures::{principal, sealed_server};
use super::signer::{Call, Key};
use annals::access::SealKey;
use annals::event::Timestamp;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value as Json, json};

fn server() -> Guarded {
    sealed_server(&SealKey::generate().expect("a key"))
}

fn ask(server: &Guarded, body: &Json) -> Answer {
    server.call(None, "POST", "/v3/auth/tokens", body.to_string())
}

fn password(name: &str, token: &str) -> Json {
    json!({ "auth": { "identity": { "methods": ["password"], "password": { "user": {
        "name": name, "password": token, "domain": { "name": "d" } } } } } })
}

fn by_key(key: &Key) -> Json {
    json!({ "auth": { "identity": { "methods": ["hw_ak_sk"], "hw_ak_sk": {
        "access": { "key": key.id }, "secret": { "key": key.secret } } },
        "scope": { "project": { "name": "t" } } } })
}

/// The status of a question with a token of IAM.
fn status(server: &Guarded, token: &str) -> u16 {
    let request = Request::get("/v3/t/traces?trace_type=system").header("host", "localhost");
    let request = request.header("x-auth-token", token).header("x-project-id", "t");
    server.send(request.body(Body::empty()).expect("a request")).status.as_u16()
}

fn subject(answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.headers["x-subject-token"].to_str().expect("a text").to_owned()
}

#[test]
fn a_token_of_a_day_stands_for_the_credential_that_it_was_given_for() {
    let server = server();
    let key = principal(&server, "li", &["reader"]);
    let token = server.token("li", &json!({}));
    let given = ask(&server, &password("li", &token));
    let first = subject(&given);
    let body = given.json();
    assert_eq!(body["token"]["user"]["name"], "li");
    assert_eq!(body["token"]["expires_at"], "2026-07-01T00:00:00.000Z");
    let by_key = ask(&server, &by_key(&key));
    assert_eq!(by_key.json()["token"]["project"]["id"], "t");
    let second = subject(&by_key);
    assert_ne!(first, second);
    assert_eq!((status(&server, &first), status(&server, &second)), (200, 200));
    // It is no token to begin a session with, nor to get another with.
    let login = json!({ "token": first }).to_string();
    assert_eq!(server.call(None, "POST", "/auth/login", login).status, 401);
    assert_eq!(ask(&server, &password("li", &first)).status, 401);
    let id = token.split('_').nth(1).expect("an id");
    let operator = annals::access::Caller::operator();
    server.store.engine().remove_token(&operator, "li", id).expect("withdrawn");
    assert_eq!((status(&server, &first), status(&server, &second)), (401, 200));
    server.store.clock.set(Timestamp::from_millis(crate::support::store::NOW + 86_400_000));
    assert_eq!(status(&server, &second), 401);
}

#[test]
fn what_gets_no_token_is_told_so_in_the_form_of_iam() {
    let server = server();
    let key = principal(&server, "li", &["reader"]);
    let token = server.token("li", &json!({}));
    let mut other_project = by_key(&key);
    other_project["auth"]["scope"]["project"]["name"] = "other".into();
    for (body, status) in [
        (password("wang", &token), 401),
        (password("li", "annals_made_up"), 401),
        (by_key(&Key { secret: "x".repeat(40), ..key.clone() }), 401),
        (by_key(&Key { id: "A".repeat(20), ..key.clone() }), 401),
        (other_project, 403),
        (json!({ "auth": { "identity": { "methods": ["token"] } } }), 400),
        (json!({ "auth": {} }), 400),
        (json!([]), 400),
    ] {
        let answer = ask(&server, &body);
        assert_eq!(answer.status.as_u16(), status, "{body}: {}", answer.text());
        assert_eq!(answer.json()["error"]["code"], status, "{}", answer.text());
        assert!(answer.json()["error"]["message"].is_string() && !answer.text().contains(&token));
    }
    for path in ["/v3/projects", "/v3/auth/domains"] {
        let answer = server.call(None, "GET", path, Body::empty());
        assert_eq!(
            (answer.status.as_u16(), answer.json()["error"]["code"].clone()),
            (401, json!(401))
        );
    }
    let wrong = Call::get("/v3/projects").send(&server, &Key { secret: "x".repeat(40), ..key });
    assert_eq!(wrong.json()["error"]["code"], 401, "{}", wrong.text());
}

#[test]
fn projects_are_tenants_and_the_domain_is_the_principal() {
    let server = server();
    let li = principal(&server, "li", &["reader"]);
    let admin = principal(&server, "sec", &["security_administrator"]);
    let all = server.principal(&json!({ "name": "all", "roles": ["reader"], "tenants": ["*"] }));
    server.store.ingest("a", &[json!({ "event_name": "n", "source": "s" }).to_string()]);
    let ids = |answer: &Json| -> Vec<String> {
        let projects = answer["projects"].as_array().expect("projects");
        projects.iter().map(|one| one["id"].as_str().expect("an id").to_owned()).collect()
    };
    let of_key = |path: &str, key: &Key| Call::get(path).send(&server, key).json();
    assert_eq!(ids(&of_key("/v3/projects", &li)), ["t"]);
    assert_eq!(ids(&of_key("/v3/projects?name=t", &li)), ["t"]);
    assert!(ids(&of_key("/v3/projects?name=a", &li)).is_empty());
    assert!(ids(&of_key("/v3/projects", &admin)).is_empty());
    assert_eq!(ids(&server.json(&all, "/v3/projects")), ["a"]);
    // A partner has those that it sees events of.
    let event = json!({ "event_name": "n", "source": "s", "related_ids": ["customer:c"],
        "time": "2026-06-01T00:00:00Z" });
    server.store.ingest("seen", &[event.to_string()]);
    server.store.ingest("unseen", &[event.to_string()]);
    let root = server.principal(&json!({ "name": "root", "roles": ["security_administrator"] }));
    for (tenant, customer) in [("seen", "c"), ("empty", "d")] {
        let related = json!({ "partner": "p", "customer": customer, "tenants": [tenant],
            "from": "2026-01-01T00:00:00Z" });
        let path = "/api/v1/relationships";
        let made = server.call(Some(&root), "POST", path, related.to_string());
        assert_eq!(made.status, 201, "{}", made.text());
    }
    let partner = json!({ "name": "anna", "roles": ["reader"], "partner": "p" });
    let partner = server.principal(&partner);
    assert_eq!(ids(&server.json(&partner, "/v3/projects")), ["seen"]);
    // They are the projects that a token of a day may be for.
    for (project, status) in [("seen", 201), ("unseen", 403), ("empty", 201)] {
        let mut wish = password("anna", &partner);
        wish["auth"]["scope"]["project"]["name"] = project.into();
        let answer = ask(&server, &wish);
        assert_eq!(answer.status.as_u16(), status, "{project}: {}", answer.text());
    }
    let tenants = server.json(&partner, "/api/v1/tenants");
    assert_eq!(tenants["tenants"][0]["tenant"], "seen", "{tenants}");
    let token = {
        let mut wish = password("anna", &partner);
        wish["auth"]["scope"]["project"]["name"] = "seen".into();
        subject(&ask(&server, &wish))
    };
    assert_eq!(ids(&server.json(&token, "/v3/projects")), ["seen"]);
    let domains = of_key("/v3/auth/domains", &li);
    assert_eq!(
        (&domains["domains"][0]["id"], &domains["domains"][0]["name"]),
        (&json!("li"), &json!("li"))
    );
}

#[test]
fn a_token_of_a_project_is_for_nothing_else() {
    let server = server();
    for tenant in ["a", "b"] {
        let event = json!({ "event_name": "n", "source": "s", "trace_id": tenant,
            "time": "2026-06-01T00:00:00Z" });
        server.store.ingest(tenant, &[event.to_string()]);
    }
    let own = server.principal(&json!({ "name": "wide", "tenants": ["a", "b"],
        "roles": ["auditor", "ingest", "system_administrator"] }));
    let token = |project: Option<&str>| {
        let mut wish = password("wide", &own);
        if let Some(project) = project {
            wish["auth"]["scope"]["project"]["id"] = project.into();
        }
        subject(&ask(&server, &wish))
    };
    let (whole, of_a) = (token(None), token(Some("a")));
    let event = json!({ "event_name": "m", "source": "s" }).to_string();
    for (method, path, body, with_whole, with_a) in [
        ("GET", "/api/v1/count?tenant=a", "", 200, 200),
        ("GET", "/api/v1/count?tenant=b", "", 200, 403),
        ("GET", "/api/v1/count?tenant=a&tenant=b", "", 200, 403),
        ("GET", "/api/v1/events/b?tenant=b", "", 200, 403),
        ("GET", "/api/v1/events/b?tenant=*", "", 200, 404),
        ("GET", "/api/v1/events.csv?tenant=b", "", 200, 403),
        ("GET", "/api/v1/quarantine?tenant=b", "", 200, 403),
        ("GET", "/v3/b/traces?trace_type=system", "", 200, 403),
        ("GET", "/api/v1/status", "", 200, 403),
        ("POST", "/api/v1/events?tenant=a", event.as_str(), 200, 200),
        ("POST", "/api/v1/events?tenant=b", event.as_str(), 200, 403),
    ] {
        for (token, wanted) in [(&whole, with_whole), (&of_a, with_a)] {
            let answer = server.call(Some(token), method, path, body.to_owned());
            assert_eq!(answer.status.as_u16(), wanted, "{method} {path}: {}", answer.text());
        }
    }
    // Nor is there one for the store's own tenant, whoever asks for it.
    let wide = server.principal(&json!({ "name": "all", "roles": ["auditor"], "tenants": ["*"] }));
    let mut wish = password("all", &wide);
    wish["auth"]["scope"]["project"]["id"] = "_annals".into();
    assert_eq!(ask(&server, &wish).status, 400);
    // What a partner sees by relationships it does not deliver for.
    let both = server.principal(&json!({ "name": "both", "roles": ["reader", "ingest"],
        "partner": "p", "tenants": ["own"] }));
    let root = server.principal(&json!({ "name": "root", "roles": ["security_administrator"] }));
    let related = json!({ "partner": "p", "customer": "c", "tenants": ["a"],
        "from": "2026-01-01T00:00:00Z" });
    let path = "/api/v1/relationships";
    assert_eq!(server.call(Some(&root), "POST", path, related.to_string()).status, 201);
    let mut wish = password("both", &both);
    wish["auth"]["scope"]["project"]["id"] = "a".into();
    let of_related = subject(&ask(&server, &wish));
    let forged = json!({ "event_name": "f", "source": "s", "project_id": "a" }).to_string();
    for path in ["/api/v1/events?tenant_from=project_id", "/api/v1/events?tenant=a", "/_bulk"] {
        server.call(Some(&of_related), "POST", path, forged.clone());
    }
    let bulk = format!("{{\"create\":{{\"_index\":\"a\"}}}}\n{forged}\n");
    server.call(Some(&of_related), "POST", "/_bulk", bulk);
    let forged = server.json(&wide, "/api/v1/count?tenant=*&event_name=f");
    assert_eq!(forged["count"], 0, "{forged}");
    let count = |token: &str| server.json(token, "/api/v1/count?tenant=*")["count"].clone();
    assert_eq!((count(&whole), count(&of_a)), (json!(4), json!(2)));
}

#[test]
fn a_project_that_is_named_twice_is_one_project() {
    let server = server();
    let key = principal(&server, "li", &["reader"]);
    let traces = || Call::get("/v3/t/traces?trace_type=system");
    assert_eq!(traces().with("x-project-id", "t").send(&server, &key).status, 200);
    let refused = traces().with("x-project-id", "other").send(&server, &key);
    assert_eq!(
        (refused.status.as_u16(), refused.json()["error_code"].clone()),
        (403, json!("CTS.0002"))
    );
    let wrong = Key { secret: "x".repeat(40), ..key.clone() };
    let refused = traces().send(&server, &wrong);
    assert_eq!(
        (refused.status.as_u16(), refused.json()["error_code"].clone()),
        (401, json!("APIGW.0301"))
    );
    // This one names a domain in its path.
    let resources = Call::get("/v3/t/resources").with("x-project-id", "other");
    assert_eq!(resources.send(&server, &key).status, 200);
}
