//! Evidence of relationships that producers forge: whatever the kind of credential by which it is
//! delivered, it shows nobody more or less.

use super::client_certificates::serve_client;
use super::oidc::Federated;
use super::relationships::{Stage, bind, forgeries, range, unbind};
use super::server::Guarded;
use super::sessions::{cookie_of, page, sign_in};
use super::signatures::key_of;
use super::signer::{Call, Key};
use crate::support::pki::Secured;
use crate::support::store::TestStore;
use annals::access::SealKey;
use annals::api::KeyTimes;
use annals::engine::Settings;
use axum::body::Body;
use axum::http::Request;
use axum::http::request::Builder;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::ClientConfig;
use serde_json::{Value as Json, json};
use std::path::Path;
use std::sync::Arc;

/// The name of each producer, which is the kind of its credential.
const KINDS: [&str; 10] = [
    "bearer",
    "basic",
    "basic-any-name",
    "api-key",
    "auth-token",
    "subject-token",
    "signed",
    "certificate",
    "openid",
    "session",
];

/// What a producer sends with its requests.
enum Shown {
    Header(&'static str, String),
    Signature(Key),
    /// The address of a server over TLS, and a client with a certificate.
    Certificate(String, Arc<ClientConfig>),
    /// A cookie, with what a browser says of a request of this server's own page.
    Cookie(String),
}

impl Shown {
    /// Delivers a body, and returns the status and the text of the answer.
    fn deliver(&self, server: &Guarded, path: &str, kind: &str, body: &str) -> (u16, String) {
        let request = |builder: Builder| {
            let request = builder.header("content-type", kind);
            request.body(Body::from(body.to_owned())).expect("a request")
        };
        let answer = match self {
            Self::Header(name, value) => {
                let builder = Request::post(path).header("host", "localhost");
                server.send(request(builder.header(*name, value)))
            }
            Self::Cookie(cookie) => {
                server.send(request(page("POST", path).header("cookie", cookie)))
            }
            Self::Signature(key) => {
                Call::new("POST", path, body).with("content-type", kind).send(server, key)
            }
            Self::Certificate(address, config) => {
                let mut connection = Secured::dial(address, config).expect("a handshake");
                let answer = connection.post(path, kind, body).expect("an answer");
                let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
                return (status.expect("a status"), answer);
            }
        };
        (answer.status.as_u16(), answer.text())
    }
}

/// The producers, each of partner `p` for the tenant `d` and one of its own, by what they show.
fn producers(stage: &Stage, openid: &str, folder: &Path) -> Vec<Shown> {
    let server = &stage.server;
    let shown = |kind: &'static str| {
        let token = server.principal(&json!({ "name": kind, "roles": ["ingest"], "partner": "p",
            "tenants": ["d", "mine"], "identities": [format!("oidc:sub:{kind}")],
            "certificates": [format!("cn:{kind}")] }));
        let id = token.split('_').nth(1).expect("an id");
        let encoded = |name: &str| STANDARD.encode(format!("{name}:{token}"));
        match kind {
            "basic" => Shown::Header("authorization", format!("Basic {}", encoded(kind))),
            "basic-any-name" => {
                Shown::Header("authorization", format!("Basic {}", encoded("token")))
            }
            "api-key" => Shown::Header("authorization", format!("ApiKey {}", encoded(id))),
            "auth-token" => Shown::Header("x-auth-token", token),
            "subject-token" => {
                let user = json!({ "name": kind, "password": token });
                let body = json!({ "auth": { "identity": { "methods": ["password"],
                    "password": { "user": user } } } });
                let answer = server.call(None, "POST", "/v3/auth/tokens", body.to_string());
                assert_eq!(answer.status, 201, "{}", answer.text());
                let given = answer.headers["x-subject-token"].to_str().expect("text");
                Shown::Header("x-auth-token", given.to_owned())
            }
            "signed" => Shown::Signature(key_of(server, kind)),
            "certificate" => {
                let (address, config) = serve_client(server, folder, kind);
                Shown::Certificate(address, config)
            }
            "openid" => Shown::Header("authorization", format!("Bearer {openid}")),
            "session" => Shown::Cookie(cookie_of(&sign_in(server, &token, None))),
            _ => Shown::Header("authorization", format!("Bearer {token}")),
        }
    };
    KINDS.map(shown).into()
}

/// What the observers see, and what is recorded.
fn seen(stage: &Stage, observers: &[String]) -> (Vec<Json>, Vec<Vec<i64>>, Json) {
    let days =
        observers.iter().flat_map(|token| ["c1", "c2"].map(|customer| stage.days(token, customer)));
    let stored = stage.server.store.get("/api/v1/count?tenant=d");
    (stage.relationships(), days.collect(), stored)
}

#[test]
fn forged_evidence_by_any_kind_of_credential_shows_nobody_more_or_less() {
    let mut store = TestStore::new();
    let seal_key = Some(SealKey::generate().expect("a key"));
    store.reopen_with(Settings { compact: false, seal_key, ..Settings::default() });
    let federated = Federated::over(store, KeyTimes::default(), |_, _| {});
    let openid = federated.token(&json!({ "sub": "openid" }));
    let folder = tempfile::tempdir().expect("a temporary directory");
    // The provider goes on: what it published is known.
    let stage = Stage::over(federated.server);
    for (partner, customer, from, to) in [("p", "c1", 50, None), ("q", "c2", 10, Some(60))] {
        let mut body = json!({ "partner": partner, "customer": customer, "tenants": ["d"],
            "from": super::relationships::day(from) });
        if let Some(to) = to {
            body["to"] = super::relationships::day(to).into();
        }
        stage.relate(&body);
    }
    let managed = json!({ "partner": "p", "customer": "c1", "manager": "m", "tenants": ["d"],
        "from": super::relationships::day(70) });
    stage.relate(&managed);
    let observers = [
        ("anna", json!({ "partner": "p" })),
        ("mia", json!({ "partner": "p", "manager": "m" })),
        ("quentin", json!({ "partner": "q" })),
        ("stranger", json!({ "partner": "s" })),
        ("whole", json!({ "tenants": ["d"] })),
    ]
    .map(|(name, settings)| stage.partner(name, &settings));
    let before = seen(&stage, &observers);
    assert_eq!(before.1[0], range(50, 100), "there is something to widen and to narrow");

    for (kind, shown) in KINDS.iter().zip(producers(&stage, &openid, folder.path())) {
        let send = |path: &str, content: &str, body: &str| {
            shown.deliver(&stage.server, path, content, body)
        };
        // An earlier beginning and an end of its own customer, for the tenant that counts.
        let forged = [bind(&format!("{kind}-bind"), 5), unbind(&format!("{kind}-unbind"), 60)];
        for record in &forged {
            let text = record.to_string();
            let (status, said) = send("/api/v1/events?tenant=d", "application/json", &text);
            assert_eq!(status, 403, "{kind}: {said}");
            assert!(said.contains("authoritative"), "{kind}: {said}");
        }
        // In every form and by every door.
        for (path, content, body) in [forgeries(5), forgeries(60)].concat() {
            let (status, said) = send(&path, content, &body);
            assert!(status != 401 && status < 500, "{kind} {path}: {status} {said}");
        }
        // For its own tenant it is an event, so the credential does deliver, and no evidence.
        for record in &forged {
            let text = record.to_string();
            let (status, said) = send("/api/v1/events?tenant=mine", "application/json", &text);
            assert_eq!(status, 200, "{kind}: {said}");
            assert!(said.contains("\"accepted\":1"), "{kind}: {said}");
        }
        assert_eq!(seen(&stage, &observers), before, "{kind}");
        let path = format!("/api/v1/count?tenant=_annals&event_name=refuseCall&operator={kind}");
        let recorded = stage.server.json(&stage.auditor, &path)["count"].as_u64();
        assert!(recorded >= Some(1), "{kind}: the attempt is not in the trail");
    }

    // The same records of whom the tenant's word is count.
    stage.deliver(&stage.collector, &[unbind("true-unbind", 60)]);
    assert_eq!(stage.days(&observers[0], "c1"), range(50, 60));
}
