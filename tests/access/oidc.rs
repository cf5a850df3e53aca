//! Tokens of an OpenID provider, and signing in at one.

use super::oidc_provider::StubProvider;
use super::server::{Answer, Guarded};
use crate::support::pki::TestAuthority;
use crate::support::process::annals;
use crate::support::store::{NOW, TestStore};
use annals::api::{KeyTimes, OidcProvider, OidcSettings, RouterOptions};
use annals::event::Timestamp;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value as Json, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use url::Url;

const SECONDS: i64 = NOW / 1_000;

/// A server that believes a provider, and the provider.
pub(super) struct Federated {
    pub(super) server: Guarded,
    provider: StubProvider,
    _secret: tempfile::NamedTempFile,
}

fn times(rest: u64) -> KeyTimes {
    KeyTimes { rest: Duration::from_millis(rest), ..KeyTimes::default() }
}

impl Federated {
    fn new() -> Self {
        Self::with(times(30_000), &json!({}))
    }

    fn with(times: KeyTimes, metadata: &Json) -> Self {
        Self::over(TestStore::new(), times, |provider, _| provider.say(metadata.clone()))
    }

    /// Over a store, which is served once the provider is prepared.
    pub(super) fn over(
        store: TestStore,
        times: KeyTimes,
        prepare: impl FnOnce(&StubProvider, &Runtime),
    ) -> Self {
        let provider = StubProvider::start(&store.runtime);
        prepare(&provider, &store.runtime);
        let secret = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(secret.path(), "s cret/\n").expect("a file");
        let settings = OidcSettings {
            issuer: provider.issuer.clone(),
            client_id: "annals:1".to_owned(),
            client_secret_file: Some(secret.path().to_owned()),
            public_url: Some("https://annals.example".to_owned()),
            times,
            ..OidcSettings::default()
        };
        let oidc = OidcProvider::new(&settings, "http://localhost").expect("a provider");
        store.runtime.spawn(Arc::clone(&oidc).keep_current());
        let options = RouterOptions {
            credentials: true,
            trail: true,
            oidc: Some(oidc),
            ..RouterOptions::default()
        };
        Self { server: Guarded::with_options(store, &options), provider, _secret: secret }
    }

    fn claims(&self, change: &Json) -> Json {
        let mut claims = json!({ "iss": self.provider.issuer, "sub": "1234", "aud": "annals:1",
            "exp": SECONDS + 300, "iat": SECONDS });
        for (name, value) in change.as_object().expect("an object") {
            claims[name] = value.clone();
        }
        claims
    }

    /// A token of the provider.
    pub(super) fn token(&self, change: &Json) -> String {
        self.provider.sign(&self.claims(change))
    }

    fn member(&self, sub: &str, group: &str) -> String {
        self.token(&json!({ "sub": sub, "groups": [group], "email_verified": true,
            "email": format!("{sub}@example.com") }))
    }

    /// Asks who one is.
    fn me(&self, token: &str) -> Answer {
        self.server.get(token, "/api/v1/me")
    }

    fn status(&self, token: &str) -> u16 {
        self.me(token).status.as_u16()
    }
}

fn reader(name: &str, identities: &[&str]) -> Json {
    json!({ "name": name, "roles": ["reader"], "tenants": ["t"], "identities": identities })
}

#[test]
fn a_token_of_the_provider_stands_for_a_principal() {
    let federated = Federated::new();
    let server = &federated.server;
    server.principal(&reader("li", &["oidc:sub:1234", "oidc:email:li@example.com"]));
    server.principal(&reader("auditors", &["oidc:group:auditors"]));
    server.principal(&reader("others", &["oidc:group:others"]));
    let me = federated.me(&federated.token(&json!({}))).json();
    assert_eq!((&me["name"], &me["principal"]), (&"li".into(), &Json::Null), "{me}");
    let me = federated.me(&federated.member("zhao", "auditors")).json();
    assert_eq!(
        (&me["name"], &me["principal"]),
        (&"auditors/zhao@example.com".into(), &"auditors".into())
    );
    let token = federated.token(&json!({}));
    assert_eq!(server.get(&token, "/api/v1/count").status, 200);
    assert_eq!(server.get(&token, "/api/v1/count?tenant=other").status, 403);
    for (change, why) in [
        (json!({ "aud": "others" }), "(aud)"),
        (json!({ "iss": "https://login.example.com" }), "(iss)"),
        (json!({ "exp": SECONDS - 61 }), "expired"),
        (json!({ "sub": "5" }), "no principal has oidc:sub:5 or one of your groups"),
        (
            json!({ "sub": "5", "email": "li@example.com", "email_verified": false }),
            "no principal has oidc:sub:5 or",
        ),
        (json!({ "sub": "5", "groups": ["auditors", "others"] }), "several principals"),
    ] {
        let answer = federated.me(&federated.token(&change));
        assert_eq!(answer.status, 401, "{change}");
        assert!(answer.text().contains(why), "{change}: {}", answer.text());
        assert!(answer.headers.contains_key("www-authenticate"));
    }
    let forged = StubProvider::start(&server.store.runtime).sign(&federated.claims(&json!({})));
    assert!(federated.me(&forged).text().contains("signature"), "another key of the same name");
    assert_eq!(federated.status(&format!("{token}x")), 401);
    // It is no password, and no token of other clients.
    for (name, value) in [
        ("x-auth-token", token.clone()),
        ("authorization", format!("Basic {}", base64(&format!("token:{token}")))),
        ("authorization", format!("ApiKey {}", base64(&format!("id:{token}")))),
    ] {
        let request = Request::get("/api/v1/me").header("host", "localhost").header(name, value);
        assert_eq!(server.send(request.body(Body::empty()).expect("a request")).status, 401);
    }
    let body = json!({ "token": token }).to_string();
    assert_eq!(server.call(None, "POST", "/auth/login", body).status, 401);
    server.store.clock.set(Timestamp::from_millis(NOW + 360_000));
    assert_eq!(federated.status(&token), 401, "it has expired meanwhile");
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn without_a_provider_and_for_what_looks_like_a_token_nothing_changes() {
    let federated = Federated::new();
    let plain = Guarded::new();
    for server in [&federated.server, &plain] {
        let own = server.principal(&reader("li", &["oidc:sub:1234"]));
        assert_eq!(server.get(&own, "/api/v1/me").status, 200);
    }
    let token = federated.token(&json!({}));
    assert_eq!(federated.status(&token), 200);
    assert_eq!(plain.get(&token, "/api/v1/me").status, 401);
    let methods =
        |server: &Guarded| server.call(None, "GET", "/auth/methods", Body::empty()).json();
    assert_eq!(methods(&plain), json!({ "token": true, "oidc": null }));
    assert_eq!(
        methods(&federated.server),
        json!({ "token": true, "oidc": { "name": "127.0.0.1" } })
    );
    for path in ["/auth/login", "/auth/callback"] {
        assert_eq!(plain.call(None, "GET", path, Body::empty()).status, 404, "{path}");
    }
}

#[test]
fn an_identity_is_of_one_principal_and_a_change_of_it_holds_at_once() {
    let federated = Federated::new();
    let server = &federated.server;
    let admin = server.principal(&json!({ "name": "sec", "roles": ["security_administrator"] }));
    server.principal(&reader("li", &["oidc:sub:1234"]));
    let create = |settings: &Json| {
        server.call(Some(&admin), "POST", "/api/v1/principals", settings.to_string())
    };
    let answer = create(&reader("wang", &["oidc:sub:1", "oidc:sub:1234"]));
    assert_eq!((answer.status.as_u16(), &answer.json()["parameter"]), (409, &"identities".into()));
    assert_eq!(create(&reader("wang", &["sub:1"])).status, 400);
    assert_eq!(create(&reader("wang", &["oidc:sub:1"])).status, 201);
    let change = |name: &str, identities: &Json| {
        let path = format!("/api/v1/principals/{name}");
        let body = json!({ "identities": identities }).to_string();
        server.call(Some(&admin), "PATCH", &path, body).status.as_u16()
    };
    let token = federated.token(&json!({}));
    assert_eq!(change("wang", &json!(["oidc:sub:1234"])), 409);
    assert_eq!(change("li", &Json::Null), 200);
    assert_eq!(federated.status(&token), 401);
    assert_eq!(change("wang", &json!(["oidc:sub:1234"])), 200);
    assert_eq!(federated.me(&token).json()["name"], "wang");
}

#[test]
fn members_of_a_group_are_recorded_by_name_and_have_what_is_their_own() {
    let federated = Federated::new();
    let server = &federated.server;
    server.principal(&reader("auditors", &["oidc:group:auditors"]));
    server.principal(&json!({ "name": "shippers", "roles": ["ingest"], "tenants": ["t"],
        "identities": ["oidc:group:shippers"] }));
    server.principal(&json!({ "name": "admins", "roles": ["security_administrator"],
        "identities": ["oidc:group:admins"] }));
    let audit = server.principal(&json!({ "name": "audit", "roles": ["audit_administrator"] }));
    // A saved view is the member's.
    let (one, two) = (federated.member("one", "auditors"), federated.member("two", "auditors"));
    let view = json!({ "name": "n", "query": "tenant=t" }).to_string();
    let put = |token: &str| server.call(Some(token), "PUT", "/api/v1/views/v", view.clone());
    let saved = put(&one);
    assert_eq!(
        (saved.status.as_u16(), &saved.json()["owner"]),
        (201, &"auditors/one@example.com".into())
    );
    assert_eq!(put(&two).status, 403);
    // So is a key of a delivery: another member's is another one.
    let deliver = |token: &str, record: &str| {
        let request = Request::post("/api/v1/events?tenant=t")
            .header("host", "localhost")
            .header("authorization", format!("Bearer {token}"))
            .header("idempotency-key", "k");
        let record = json!({ "trace_id": record, "time": NOW, "event_name": "e" }).to_string();
        server.send(request.body(record.into()).expect("a request")).status.as_u16()
    };
    let (one, two) = (federated.member("one", "shippers"), federated.member("two", "shippers"));
    assert_eq!((deliver(&one, "a"), deliver(&one, "b")), (200, 422));
    assert_eq!(deliver(&two, "b"), 200);
    // What a member does is recorded under its name, and nobody changes what they are themselves.
    let one = federated.member("one", "admins");
    let created =
        server.call(Some(&one), "POST", "/api/v1/principals", reader("new", &[]).to_string());
    assert_eq!(created.status, 201, "{}", created.text());
    let trail = server.json(&audit, "/api/v1/events?resource_name=new");
    assert_eq!(trail["events"][0]["operator"], "admins/one@example.com", "{trail}");
    let body = json!({ "roles": ["security_administrator", "audit_administrator"] }).to_string();
    assert_eq!(server.call(Some(&one), "PATCH", "/api/v1/principals/admins", body).status, 403);
}

#[test]
fn a_new_key_is_asked_for_and_an_old_answer_holds_while_the_provider_is_away() {
    let times = KeyTimes {
        rest: Duration::from_millis(300),
        kept: Duration::from_secs(4),
        ..KeyTimes::default()
    };
    let federated = Federated::with(times, &json!({}));
    federated.server.principal(&reader("li", &["oidc:sub:1234"]));
    let old = federated.token(&json!({}));
    assert_eq!(federated.status(&old), 200);
    assert_eq!(federated.provider.asked(), 1);
    std::thread::sleep(Duration::from_millis(400));
    federated.provider.rotate("k2");
    let new = federated.token(&json!({}));
    assert_eq!(federated.status(&old), 200, "nobody has asked yet");
    assert_eq!(federated.status(&new), 200, "the request waits for the new key");
    assert_eq!(federated.provider.asked(), 2);
    let answer = federated.me(&old);
    assert_eq!(answer.status, 401);
    assert!(answer.text().contains("does not publish"), "{}", answer.text());
    // However many unknown keys are named, the provider is left alone.
    for _ in 0..50 {
        assert_eq!(federated.status(&old), 401);
    }
    assert!(federated.provider.asked() <= 3);
    federated.provider.fail(Some(StatusCode::INTERNAL_SERVER_ERROR));
    assert_eq!(federated.status(&new), 200);
    std::thread::sleep(Duration::from_millis(4_500));
    let answer = federated.me(&new);
    assert_eq!(answer.status, 503, "{}", answer.text());
    federated.provider.fail(None);
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(federated.status(&new), 200);
}

#[test]
fn a_provider_that_calls_itself_otherwise_is_not_believed() {
    for metadata in [
        json!({ "issuer": "https://login.example.com" }),
        json!({ "jwks_uri": "http://10.0.0.1/keys" }),
        json!({ "x": "y".repeat(300_000) }),
    ] {
        let times = KeyTimes { patience: Duration::from_millis(500), ..times(30_000) };
        let federated = Federated::with(times, &metadata);
        federated.server.principal(&reader("li", &["oidc:sub:1234"]));
        assert_eq!(federated.status(&federated.token(&json!({}))), 503);
        assert_eq!(federated.provider.asked(), 0);
        let begun = federated.server.call(None, "GET", "/auth/login", Body::empty());
        assert!(begun.text().contains("/#sign_in=unavailable"), "{}", begun.text());
    }
}

#[test]
fn no_redirect_of_the_provider_is_followed() {
    let metadata = "/.well-known/openid-configuration";
    for status in [StatusCode::FOUND, StatusCode::TEMPORARY_REDIRECT] {
        for path in [metadata, "/keys", "/token"] {
            let times = KeyTimes { patience: Duration::from_millis(500), ..times(30_000) };
            // Another origin that would answer, and whose keys are not the provider's.
            let mut elsewhere = None;
            let federated = Federated::over(TestStore::new(), times, |provider, runtime| {
                let other = StubProvider::start(runtime);
                other.say(json!({ "issuer": provider.issuer }));
                provider.redirect(status, path, &other.issuer);
                elsewhere = Some(other);
            });
            let elsewhere = elsewhere.expect("another origin");
            federated.server.principal(&reader("li", &["oidc:sub:1234"]));
            if path == "/token" {
                let answer = federated.sign_in(&federated.leave("/store"), &json!({}));
                assert_eq!(leads_to(&answer), "/store#sign_in=failed", "{status}");
                assert!(session_of(&answer).is_none());
            } else {
                let begun = federated.server.call(None, "GET", "/auth/login", Body::empty());
                let text = begun.text();
                assert!(text.contains("/#sign_in=unavailable"), "{status} {path}: {text}");
                for provider in [&federated.provider, &elsewhere] {
                    let answer = federated.me(&provider.sign(&federated.claims(&json!({}))));
                    let told = (answer.status.as_u16(), answer.text());
                    assert_eq!(told.0, 503, "{status} {path}: {}", told.1);
                    assert!(told.1.contains("has not answered"), "{status} {path}: {}", told.1);
                }
            }
            assert!(federated.provider.requests().1 > 0, "{path} was not redirected");
            assert_eq!(elsewhere.requests(), (0, 0), "{status} {path}: the other origin was asked");
        }
    }
}

/// A browser on its way: what it was sent to the provider with, and its cookie.
struct OnTheWay {
    asked: HashMap<String, String>,
    cookie: String,
}

impl Federated {
    fn leave(&self, return_to: &str) -> OnTheWay {
        let query: String = url::form_urlencoded::byte_serialize(return_to.as_bytes()).collect();
        let path = format!("/auth/login?return_to={query}");
        let answer = self.server.call(None, "GET", &path, Body::empty());
        assert_eq!(answer.status, 303, "{}", answer.text());
        assert_eq!(answer.headers["cache-control"], "no-store");
        let place = answer.headers["location"].to_str().expect("text");
        assert!(place.starts_with(&format!("{}/authorize?of=stub&", self.provider.issuer)));
        let asked = Url::parse(place).expect("an address").query_pairs().into_owned().collect();
        let cookie = answer.headers["set-cookie"].to_str().expect("text");
        for attribute in ["__Host-", "HttpOnly", "SameSite=Lax", "Path=/; Secure", "Max-Age=600"] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        OnTheWay { asked, cookie: cookie.split(';').next().expect("a cookie").to_owned() }
    }

    /// Comes back as a browser does, with a query.
    fn come_back(&self, cookie: &str, query: &[(&str, &str)]) -> Answer {
        let query: String =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let request = Request::get(format!("/auth/callback?{query}"))
            .header("host", "localhost")
            .header("cookie", cookie)
            .header("accept", "text/html")
            .header("sec-fetch-site", "cross-site")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document");
        self.server.send(request.body(Body::empty()).expect("a request"))
    }

    /// Lets the provider sign somebody in, and comes back.
    fn sign_in(&self, way: &OnTheWay, claims: &Json) -> Answer {
        let mut claims = self.claims(claims);
        if claims.get("nonce").is_none() {
            claims["nonce"] = way.asked["nonce"].as_str().into();
        }
        let answer = json!({ "id_token": self.provider.sign(&claims), "access_token": "a",
            "token_type": "Bearer" });
        self.provider.issue("c0de", &way.asked["code_challenge"], answer);
        let issuer = self.provider.issuer.clone();
        let query = [("code", "c0de"), ("state", &way.asked["state"]), ("iss", &issuer)];
        self.come_back(&way.cookie, &query)
    }

    fn me_by(&self, cookie: &str) -> Answer {
        let request =
            Request::get("/api/v1/me").header("host", "localhost").header("cookie", cookie);
        self.server.send(request.body(Body::empty()).expect("a request"))
    }
}

/// The page that an answer leads on to.
fn leads_to(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers["referrer-policy"], "no-referrer");
    assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8");
    let text = answer.text();
    let (_, rest) = text.split_once("content=\"0;url=").expect("a page that leads on");
    rest.split('"').next().expect("an address").replace("&amp;", "&")
}

/// The cookie of a session that an answer sets.
fn session_of(answer: &Answer) -> Option<String> {
    let mut cookies = answer.headers.get_all("set-cookie").iter();
    let session = cookies.find(|cookie| {
        cookie.to_str().is_ok_and(|text| text.starts_with("__Host-annals_session="))
    })?;
    let session = session.to_str().expect("text");
    for attribute in ["HttpOnly", "SameSite=Strict", "; Secure"] {
        assert!(session.contains(attribute), "{session}");
    }
    session.split(';').next().map(str::to_owned)
}

#[test]
fn somebody_signs_in_at_the_provider_and_has_a_session() {
    let federated = Federated::new();
    let server = &federated.server;
    let admin = server.principal(&json!({ "name": "sec", "roles": ["security_administrator"] }));
    server.principal(&reader("auditors", &["oidc:group:auditors"]));
    let way = federated.leave("/?tenant=t&last=7d");
    let asked = |name: &str| way.asked[name].as_str();
    assert_eq!(asked("response_type"), "code");
    assert_eq!(asked("client_id"), "annals:1");
    assert_eq!(asked("redirect_uri"), "https://annals.example/auth/callback");
    assert_eq!(asked("scope"), "openid email groups");
    assert_eq!(asked("code_challenge_method"), "S256");
    let claims = json!({ "groups": ["auditors"], "email": "li@example.com",
        "email_verified": true });
    let answer = federated.sign_in(&way, &claims);
    assert_eq!(leads_to(&answer), "/?tenant=t&last=7d");
    let session = session_of(&answer).expect("a session");
    let me = federated.me_by(&session);
    assert_eq!((me.status.as_u16(), &me.json()["name"]), (200, &"auditors/li@example.com".into()));
    let listed = server.json(&admin, "/api/v1/sessions");
    let listed = &listed["sessions"][0];
    assert_eq!(
        (&listed["principal"], &listed["token"]),
        (&"auditors/li@example.com".into(), &Json::Null)
    );
    // Each sign-in is a session of its own, whatever the browser had before.
    let again = federated.leave("/");
    let both = OnTheWay { cookie: format!("{}; {session}", again.cookie), ..again };
    let other = session_of(&federated.sign_in(&both, &claims)).expect("a session");
    assert_ne!(other, session);
    // It ends with what the person was let in for.
    let change = json!({ "identities": null }).to_string();
    let path = "/api/v1/principals/auditors";
    assert_eq!(server.call(Some(&admin), "PATCH", path, change).status, 200);
    assert_eq!(federated.me_by(&session).status, 401);
}

#[test]
fn a_body_under_way_ends_with_the_token_that_it_came_with() {
    let federated = Federated::new();
    let server = &federated.server;
    server.principal(&json!({ "name": "p", "roles": ["ingest"], "tenants": ["t"],
        "identities": ["oidc:sub:1234"] }));
    let token = federated.token(&json!({}));
    let post = |after: i64| {
        let clock = Arc::clone(&server.store.clock);
        let event = json!({ "event_name": "n", "source": "s", "time": "2026-06-01T00:00:00Z" });
        let pieces = futures::stream::iter([event.to_string(), "\n".to_owned()]);
        let body = futures::StreamExt::map(pieces, move |piece| {
            if piece == "\n" {
                clock.set(Timestamp::from_millis((SECONDS + after) * 1_000));
            }
            Ok::<_, std::convert::Infallible>(piece)
        });
        let body = Body::from_stream(body);
        server.call(Some(&token), "POST", "/api/v1/events?tenant=t", body).status.as_u16()
    };
    // It is accepted for a minute longer than it says.
    assert_eq!(post(359), 200);
    assert_eq!(post(360), 403);
    assert_eq!(server.store.get("/api/v1/count?tenant=t"), json!({ "count": 1 }));
}

#[test]
fn an_attempt_asks_the_provider_once_and_bogus_ones_keep_nobody_out() {
    let federated = Federated::new();
    federated.server.principal(&reader("li", &["oidc:sub:1234"]));
    let way = federated.leave("/");
    assert!(session_of(&federated.sign_in(&way, &json!({}))).is_some());
    let asked = federated.provider.exchanges();
    let again = federated.sign_in(&way, &json!({}));
    assert_eq!(leads_to(&again), "/#sign_in=expired");
    assert_eq!(federated.provider.exchanges(), asked, "the code is not even tried");
    // As many as there are turns, and more.
    let bogus: Vec<OnTheWay> = (0..40).map(|_| federated.leave("/")).collect();
    let honest = federated.leave("/store");
    std::thread::scope(|threads| {
        for way in &bogus {
            let federated = &federated;
            threads.spawn(move || {
                let issuer = federated.provider.issuer.as_str();
                let query = [("code", "wrong"), ("state", &way.asked["state"]), ("iss", issuer)];
                assert_eq!(leads_to(&federated.come_back(&way.cookie, &query)), "/#sign_in=failed");
            });
        }
        let answer = federated.sign_in(&honest, &json!({}));
        assert_eq!(leads_to(&answer), "/store");
    });
}

#[test]
fn who_is_disabled_is_let_in_neither_by_name_nor_by_group() {
    let federated = Federated::new();
    let server = &federated.server;
    let admin = server.principal(&json!({ "name": "sec", "roles": ["security_administrator"] }));
    server.principal(&reader("li", &["oidc:email:Li@Example.com"]));
    server.principal(&reader("auditors", &["oidc:group:auditors"]));
    let claims = json!({ "email": "li@example.com", "email_verified": true,
        "groups": ["auditors"] });
    let token = federated.token(&claims);
    assert_eq!(federated.me(&token).json()["name"], "li", "an address has no case");
    let session = session_of(&federated.sign_in(&federated.leave("/"), &claims));
    let session = session.expect("a session");
    assert_eq!(federated.me_by(&session).status, 200);
    let own = server.token("li", &json!({}));
    let change = |name: &str, disabled: bool| {
        let body = json!({ "disabled": disabled }).to_string();
        server.call(Some(&admin), "PATCH", &format!("/api/v1/principals/{name}"), body)
    };
    assert_eq!(change("li", true).json()["disabled"], true);
    for answer in [federated.me(&token), federated.me(&own), federated.me_by(&session)] {
        assert_eq!(answer.status, 401, "{}", answer.text());
    }
    assert!(federated.me(&own).text().contains("disabled"));
    let refused = federated.sign_in(&federated.leave("/"), &claims);
    assert_eq!(leads_to(&refused), "/#sign_in=unknown");
    assert_eq!(change("li", false).status, 200);
    assert_eq!(federated.me(&own).status, 200);
    // Two principals have no address that differs in case only.
    let body = reader("wang", &["oidc:email:LI@example.com"]).to_string();
    let answer = server.call(Some(&admin), "POST", "/api/v1/principals", body);
    assert_eq!((answer.status.as_u16(), &answer.json()["parameter"]), (409, &"identities".into()));
    // Somebody must be left who grants access.
    let other = server.principal(&json!({ "name": "sec2", "roles": ["security_administrator"] }));
    assert_eq!(change("sec2", true).status, 200);
    assert_eq!(federated.status(&other), 401);
    let operator = annals::access::Caller::operator();
    let last = server.store.engine().change_principal(&operator, "sec", |principal| {
        Ok(annals::access::Principal { disabled: true, ..principal.clone() })
    });
    assert!(last.expect_err("the last").to_string().contains("is the last"));
}

#[test]
fn an_answer_is_taken_only_by_the_browser_that_asked_for_it() {
    let federated = Federated::new();
    federated.server.principal(&reader("li", &["oidc:sub:1234"]));
    let issuer = federated.provider.issuer.clone();
    let (mine, theirs) = (federated.leave("/store"), federated.leave("/"));
    let state = mine.asked["state"].as_str();
    // Of another browser, of none, of one with two, without a state.
    for (cookie, query) in [
        (theirs.cookie.as_str(), vec![("code", "c0de"), ("state", state)]),
        ("", vec![("code", "c0de"), ("state", state)]),
        (&format!("{}; {}", mine.cookie, theirs.cookie), vec![("code", "c0de"), ("state", state)]),
        (&mine.cookie, vec![("code", "c0de")]),
        (&mine.cookie, vec![("code", "c0de"), ("state", state), ("state", state)]),
        (&mine.cookie, vec![("error", "access_denied"), ("state", "x")]),
    ] {
        let answer = federated.come_back(cookie, &query);
        assert_eq!(leads_to(&answer), "/#sign_in=expired", "{query:?}");
        assert!(session_of(&answer).is_none());
    }
    // Of another provider; refused by the user; without a code, or with one that is not ours.
    for (query, failure) in [
        (vec![("iss", "https://evil.example"), ("code", "c0de")], "failed"),
        (vec![("error", "access_denied"), ("iss", &issuer)], "denied"),
        (vec![("error", "server_error"), ("error_description", "<b>x</b>")], "failed"),
        (vec![], "failed"),
        (vec![("code", "unheard-of")], "failed"),
    ] {
        let query = [&query[..], &[("state", state)]].concat();
        let answer = federated.come_back(&mine.cookie, &query);
        assert_eq!(leads_to(&answer), format!("/store#sign_in={failure}"), "{query:?}");
        assert!(session_of(&answer).is_none() && !answer.text().contains("<b>"));
    }
    for (claims, failure) in [
        (json!({ "nonce": "another" }), "failed"),
        (json!({ "aud": "another" }), "failed"),
        (json!({ "azp": "another" }), "failed"),
        (json!({ "iss": "https://evil.example" }), "failed"),
        (json!({ "exp": SECONDS - 61 }), "failed"),
        (json!({ "at_hash": "AAAA" }), "failed"),
        (json!({ "sub": "5" }), "unknown"),
    ] {
        let answer = federated.sign_in(&federated.leave("/store"), &claims);
        assert_eq!(leads_to(&answer), format!("/store#sign_in={failure}"), "{claims}");
        assert!(session_of(&answer).is_none());
    }
    // A code that was stolen from another attempt: the provider compares the verifier.
    let mine = federated.leave("/store");
    let nonce = mine.asked["nonce"].as_str();
    let token = federated.token(&json!({ "nonce": nonce }));
    let answer = json!({ "id_token": token });
    federated.provider.issue("stolen", &theirs.asked["code_challenge"], answer);
    let answer =
        federated.come_back(&mine.cookie, &[("code", "stolen"), ("state", &mine.asked["state"])]);
    assert_eq!(leads_to(&answer), "/store#sign_in=failed");
    federated.provider.fail(Some(StatusCode::BAD_GATEWAY));
    let away = federated.sign_in(&federated.leave("/store"), &json!({}));
    assert_eq!(leads_to(&away), "/store#sign_in=failed");
    federated.provider.fail(None);
    let mine = federated.leave("/store");
    assert!(session_of(&federated.sign_in(&mine, &json!({}))).is_some());
    let mine = federated.leave("/store");
    federated.server.store.clock.set(Timestamp::from_millis(NOW + 600_000));
    assert_eq!(leads_to(&federated.sign_in(&mine, &json!({}))), "/#sign_in=expired");
}

#[test]
fn a_provider_that_names_itself_must_do_so() {
    let says = json!({ "authorization_response_iss_parameter_supported": true });
    let federated = Federated::with(times(30_000), &says);
    federated.server.principal(&reader("li", &["oidc:sub:1234"]));
    let way = federated.leave("/");
    let query = [("code", "c0de"), ("state", way.asked["state"].as_str())];
    assert_eq!(leads_to(&federated.come_back(&way.cookie, &query)), "/#sign_in=failed");
    // Nothing was asked of the provider, so the attempt still has its turn.
    assert!(session_of(&federated.sign_in(&way, &json!({}))).is_some());
}

#[test]
fn only_pages_of_this_server_are_gone_back_to_and_only_the_way_back_comes_from_elsewhere() {
    let federated = Federated::new();
    for evil in [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/%5Cevil.example",
        "javascript:alert(1)",
        "/api/v1/me",
        "/x",
        "/\r\nset-cookie: a=b",
    ] {
        let query: String = url::form_urlencoded::byte_serialize(evil.as_bytes()).collect();
        let path = format!("/auth/login?return_to={query}");
        let answer = federated.server.call(None, "GET", &path, Body::empty());
        assert_eq!(answer.status, 400, "{evil}");
        assert_eq!(answer.json()["parameter"], "return_to");
    }
    // What a page is led on to is text, whatever stands in it.
    let way = federated.leave("/?a='%22\"><script>");
    let answer = federated.come_back(&way.cookie, &[("state", way.asked["state"].as_str())]);
    assert!(!answer.text().contains("<script>"), "{}", answer.text());
    for path in ["/auth/login", "/auth/methods", "/api/v1/me"] {
        let request = Request::get(path)
            .header("host", "localhost")
            .header("sec-fetch-site", "cross-site")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document");
        let answer = federated.server.send(request.body(Body::empty()).expect("a request"));
        assert_eq!(answer.status, 403, "{path}");
    }
}

#[test]
fn a_server_that_others_reach_must_be_told_the_address_that_browsers_know() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data").to_string_lossy().into_owned();
    annals(&["init", "--data", &data]).ok();
    let (cert, key) = TestAuthority::new("authority").server("own").write(folder.path());
    let words = ["serve", "--data", &data, "--oidc-issuer", "https://login.example.com"];
    let with = |more: &[&str]| annals(&[&words[..], more].concat());
    let (cert, key) = (cert.to_string_lossy(), key.to_string_lossy());
    let tls = ["--tls-cert", &*cert, "--tls-key", &*key];
    let client = ["--oidc-client-id", "annals"];
    let reached = [&tls[..], &client, &["--listen", "0.0.0.0:0"]].concat();
    with(&reached).refused(2, &["--public-url"]);
    let proxy = [&client[..], &["--behind-proxy", "127.0.0.1"]].concat();
    with(&[&proxy[..], &["--listen", "127.0.0.1:0"]].concat()).refused(2, &["--public-url"]);
    with(&["--listen", "127.0.0.1:0"]).refused(2, &["--oidc-client-id"]);
    with(&[&client[..], &["--auth", "none"]].concat()).refused(2, &["--oidc-issuer"]);
}
