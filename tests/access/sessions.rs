//! Sessions of the screen: begun with a token, carried by a cookie that only the own page can use.

use super::server::{Answer, Guarded};
use axum::body::Body;
use axum::http::Request;
use axum::http::request::Builder;
use serde_json::json;

/// A request as this server's own page sends it.
pub(super) fn page(method: &str, path: &str) -> Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost")
        .header("origin", "http://localhost")
        .header("sec-fetch-site", "same-origin")
        .header("sec-fetch-mode", "cors")
        .header("sec-fetch-dest", "empty")
}

pub(super) fn sign_in(server: &Guarded, token: &str, cookie: Option<&str>) -> Answer {
    let mut request = page("POST", "/auth/login").header("content-type", "application/json");
    if let Some(cookie) = cookie {
        request = request.header("cookie", cookie);
    }
    let body = json!({ "token": token }).to_string();
    server.send(request.body(body.into()).expect("a request"))
}

/// The name and value of the cookie that an answer sets.
pub(super) fn cookie_of(answer: &Answer) -> String {
    let set = answer.headers["set-cookie"].to_str().expect("text");
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(set.contains(attribute), "{set}");
    }
    set.split(';').next().expect("a cookie").to_owned()
}

fn with_cookie(server: &Guarded, method: &str, path: &str, cookie: &str) -> Answer {
    let request = page(method, path).header("cookie", cookie);
    server.send(request.body(Body::empty()).expect("a request"))
}

fn reader() -> serde_json::Value {
    json!({ "name": "li", "roles": ["reader"], "tenants": ["t"] })
}

#[test]
fn a_user_signs_in_asks_and_signs_out() {
    let server = Guarded::new();
    let token = server.principal(&reader());
    let answer = sign_in(&server, &format!(" {token}\n"), None);
    assert_eq!((answer.status.as_u16(), &answer.json()["name"]), (200, &"li".into()));
    let cookie = cookie_of(&answer);
    assert!(!cookie.contains(&token[20..40]), "the cookie is not the token");
    let status = |path: &str| with_cookie(&server, "GET", path, &cookie).status.as_u16();
    assert_eq!((status("/api/v1/me"), status("/api/v1/count?tenant=t")), (200, 200));
    assert_eq!(status("/api/v1/count?tenant=other"), 403);
    assert_eq!(with_cookie(&server, "POST", "/auth/logout", &cookie).status, 204);
    assert_eq!(status("/api/v1/me"), 401);
    for wrong in ["", "annals_x", &format!("{token}x"), "Bearer x"] {
        let answer = sign_in(&server, wrong, None);
        assert_eq!(answer.status, 401, "{wrong}");
        assert!(!answer.headers.contains_key("set-cookie"));
    }
    for body in ["", "{}", "[]", "{\"token\":7}", "{\"token\":\"a\",\"name\":\"b\"}"] {
        let request = page("POST", "/auth/login").header("content-type", "application/json");
        let answer = server.send(request.body(body.into()).expect("a request"));
        assert_eq!(answer.status, 400, "{body}");
    }
}

#[test]
fn cookies_are_secure_where_browsers_know_an_address_of_https() {
    let options =
        annals::api::RouterOptions { credentials: true, public_https: true, ..Default::default() };
    let server = Guarded::with_options(crate::support::store::TestStore::new(), &options);
    let token = server.principal(&reader());
    // The connection is plain: a proxy that nobody named is in between.
    let answer = sign_in(&server, &token, None);
    let set = answer.headers["set-cookie"].to_str().expect("text");
    assert!(set.starts_with("__Host-annals_session=") && set.contains("; Secure"), "{set}");
    let cookie = cookie_of(&answer);
    assert_eq!(with_cookie(&server, "GET", "/api/v1/me", &cookie).status, 200);
    let planted = cookie.replace("__Host-", "");
    assert_eq!(with_cookie(&server, "GET", "/api/v1/me", &planted).status, 401);
    let ended = with_cookie(&server, "POST", "/auth/logout", &cookie);
    let set = ended.headers["set-cookie"].to_str().expect("text");
    assert!(set.starts_with("__Host-annals_session=;") && set.contains("; Secure"), "{set}");
    assert_eq!(with_cookie(&server, "GET", "/api/v1/me", &cookie).status, 401);
}

#[test]
fn a_planted_cookie_is_not_taken_over_and_a_second_one_makes_both_useless() {
    let server = Guarded::new();
    let token = server.principal(&reader());
    let planted = format!("annals_session={}", "a".repeat(64));
    let cookie = cookie_of(&sign_in(&server, &token, Some(&planted)));
    assert_ne!(cookie, planted);
    assert_eq!(with_cookie(&server, "GET", "/api/v1/me", &planted).status, 401);
    for both in [format!("{planted}; {cookie}"), format!("{cookie}; {planted}")] {
        assert_eq!(with_cookie(&server, "GET", "/api/v1/me", &both).status, 401, "{both}");
    }
}

#[test]
fn no_other_page_acts_with_a_session() {
    let server = Guarded::new();
    let token = server.principal(&reader());
    let cookie = cookie_of(&sign_in(&server, &token, None));
    let view = json!({ "name": "n", "query": "tenant=t" }).to_string();
    let put = |headers: &[(&str, &str)]| {
        let mut request = Request::put("/api/v1/views/v").header("cookie", &cookie);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        server.send(request.body(view.clone().into()).expect("a request")).status.as_u16()
    };
    let (host, json) = (("host", "localhost"), ("content-type", "application/json"));
    for headers in [
        // As a foreign page, a form of one, a sandbox, a page of a neighbour, a program, and an
        // address that was typed send it. (A page after DNS rebinding has no cookie of this host.)
        &[host, json, ("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")][..],
        &[host, ("content-type", "text/plain"), ("origin", "https://evil.example")],
        &[host, json, ("origin", "null")],
        &[host, json, ("sec-fetch-site", "same-site")],
        &[host, json],
        &[host, json, ("sec-fetch-site", "none")],
    ] {
        assert_eq!(put(headers), 403, "{headers:?}");
    }
    assert_eq!(put(&[host, json, ("origin", "http://localhost")]), 201);
    // Nor does another page sign its user in as somebody else.
    let request = Request::post("/auth/login")
        .header("host", "localhost")
        .header("origin", "https://evil.example")
        .header("content-type", "application/json");
    let body = json!({ "token": token }).to_string();
    assert_eq!(server.send(request.body(body.into()).expect("a request")).status, 403);
}

#[test]
fn a_session_ends_with_its_token_and_when_an_administrator_ends_it() {
    let server = Guarded::new();
    let admin = server.principal(&json!({ "name": "sec", "roles": ["security_administrator"] }));
    let token = server.principal(&reader());
    let (first, second) =
        (cookie_of(&sign_in(&server, &token, None)), cookie_of(&sign_in(&server, &token, None)));
    let status = |cookie: &str| with_cookie(&server, "GET", "/api/v1/me", cookie).status.as_u16();
    let sessions = server.json(&admin, "/api/v1/sessions");
    let sessions = sessions["sessions"].as_array().expect("sessions").clone();
    assert_eq!(sessions.len(), 2);
    assert!(sessions.iter().all(|session| session["principal"] == "li"), "{sessions:?}");
    let secret = first.split('=').nth(1).expect("a value");
    assert!(!format!("{sessions:?}").contains(secret));
    for session in &sessions {
        let path = format!("/api/v1/sessions/{}", session["id"].as_str().expect("an id"));
        assert_eq!(server.call(Some(&token), "DELETE", &path, Body::empty()).status, 403);
    }
    let path = format!("/api/v1/sessions/{}", sessions[0]["id"].as_str().expect("an id"));
    assert_eq!(server.call(Some(&admin), "DELETE", &path, Body::empty()).status, 204);
    assert_eq!(server.call(Some(&admin), "DELETE", &path, Body::empty()).status, 404);
    let mut left = [status(&first), status(&second)];
    left.sort_unstable();
    assert_eq!(left, [200, 401]);
    let id = token.split('_').nth(1).expect("an id");
    let path = format!("/api/v1/principals/li/tokens/{id}");
    assert_eq!(server.call(Some(&admin), "DELETE", &path, Body::empty()).status, 204);
    assert_eq!([status(&first), status(&second)], [401, 401]);
}

#[test]
fn a_sign_out_ends_every_session_that_the_browser_has() {
    let server = Guarded::new();
    let token = server.principal(&reader());
    let begin = || cookie_of(&sign_in(&server, &token, None));
    let (first, second) = (begin(), begin());
    let both = format!("{first}; {second}");
    assert_eq!(with_cookie(&server, "GET", "/api/v1/me", &both).status, 401, "which one is it?");
    assert_eq!(with_cookie(&server, "POST", "/auth/logout", &both).status, 204);
    for cookie in [&first, &second] {
        assert_eq!(with_cookie(&server, "GET", "/api/v1/me", cookie).status, 401);
    }
}
