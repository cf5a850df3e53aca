//! Whose limits a question and a delivery count for, and which questions take a place.

use super::limits::{NONE, event, principal, server};
use super::matrix::asked;
use super::server::Guarded;
use crate::support::store::TestStore;
use annals::access::CallLimits;
use annals::api::{RouterOptions, ServerLimits, route_needs};
use annals::engine::Settings;
use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use std::time::Duration;
use tower::ServiceExt;

/// Limits of which one question runs at a time.
const ONE: CallLimits = CallLimits { questions: Some(1), ..NONE };

/// A server whose questions wait for no place, with more events of two tenants than what waits for
/// a client that does not read.
fn impatient(principal: CallLimits, tenant: CallLimits) -> Guarded {
    let mut store = TestStore::new();
    let question_wait = Duration::from_millis(10);
    store.reopen_with(Settings { question_wait, ..Settings::default() });
    let limits = ServerLimits { principal, tenant };
    let options = RouterOptions { credentials: true, limits, ..Default::default() };
    let server = Guarded::with_options(store, &options);
    for tenant in ["mine", "other"] {
        let records: Vec<String> =
            (0..8_000).map(|number| event(number, 500).to_string()).collect();
        server.store.ingest(tenant, &records);
    }
    server
}

/// Begins an export, of which nothing is read.
fn begin_export(server: &Guarded, token: &str, tenant: &str) -> Response {
    let request = Request::get(format!("/api/v1/events.ndjson?tenant={tenant}"))
        .header("host", "localhost")
        .header("authorization", format!("Bearer {token}"))
        .body(Body::empty())
        .expect("a request");
    let answer = server.router.clone().oneshot(request);
    server.store.runtime.block_on(answer).expect("an answer")
}

#[test]
fn an_export_of_all_tenants_keeps_no_place_of_any_and_one_of_a_tenant_does() {
    let server = impatient(NONE, ONE);
    let both = principal(&server, "both", "auditor", &["mine", "other"]);
    let one = principal(&server, "one", "auditor", &["mine"]);
    let count = |token: &str, query: &str| {
        server.get(token, &format!("/api/v1/count?{query}")).status.as_u16()
    };
    let of_all = begin_export(&server, &both, "*");
    assert_eq!(of_all.status(), 200);
    assert_eq!([count(&one, "tenant=mine"), count(&both, "tenant=other")], [200; 2]);
    drop(of_all);
    // `*` of a caller of one tenant is about that tenant.
    let of_one = begin_export(&server, &one, "*");
    assert_eq!(of_one.status(), 200);
    assert_eq!(count(&both, "tenant=mine"), 503);
    assert_eq!([count(&both, "tenant=other"), count(&both, "tenant=*")], [200; 2]);
    drop(of_one);
}

/// The routes that answer without a place: they tell what is known without looking at anything that
/// grows with what callers store, or are for those who run the store.
const WITHOUT_PLACE: &[&str] = &[
    "/",
    "/livez",
    "/readyz",
    "/api/v1/livez",
    "/api/v1/readyz",
    "/api/v1/openapi.json",
    "/metrics",
    "/api/v1/metrics",
    "/api/v1/status",
    "/auth/methods",
    "/api/v1/me",
    "/api/v1/fields",
    "/es/{tenant}/",
    "/_license",
    "/_xpack",
    "/_cluster/health",
    "/_cat/health",
    "/_nodes/http",
    "/_nodes/_all/http",
    "/_ilm/policy/{name}",
    "/_index_template/{name}",
    "/_component_template/{name}",
    "/_template/{name}",
    "/_ingest/pipeline/{name}",
    "/_data_stream/{name}",
    "/v3/auth/domains",
];

#[test]
fn every_question_takes_a_place_of_its_principal() {
    let server = impatient(ONE, NONE);
    let all = principal(&server, "all", "tenant_administrator", &["mine"]);
    let under_way = std::cell::RefCell::new(None);
    // The place of an answer may be given back a moment after it has arrived.
    let settled = |ask: &dyn Fn() -> u16| {
        (0..500).map(|_| ask()).find(|status| {
            std::thread::sleep(Duration::from_millis(u64::from(*status == 503) * 10));
            *status != 503
        })
    };
    let questions: Vec<String> = route_needs()
        .filter(|(method, path)| *method == "GET" && !WITHOUT_PLACE.contains(path))
        .map(|(method, path)| asked(method, path).0)
        .filter(|path| settled(&|| server.get(&all, path).status.as_u16()) == Some(200))
        .collect();
    assert!(questions.len() >= 15, "{questions:?}");
    let begin = || {
        let begun = settled(&|| {
            let export = begin_export(&server, &all, "mine");
            let status = export.status().as_u16();
            *under_way.borrow_mut() = Some(export);
            status
        });
        assert_eq!(begun, Some(200));
    };
    begin();
    for path in &questions {
        let takes_one = || server.get(&all, path).status == 503;
        if !takes_one() {
            // An export whose client does not read has an end, and this machine may be slow.
            assert_eq!(server.get(&all, "/api/v1/count?tenant=mine").status, 200, "{path}");
            begin();
            assert!(takes_one(), "{path} takes no place");
        }
    }
}

#[test]
fn who_asks_takes_nothing_from_those_who_deliver_nor_they_from_it() {
    let server = server(NONE, CallLimits { requests: Some(2), ..NONE });
    let reader = principal(&server, "partner", "reader", &["mine"]);
    let shipper = principal(&server, "shipper", "ingest", &["mine"]);
    let mut number = 0;
    let mut deliver = || {
        number += 1;
        let body = event(number, 1).to_string();
        server.call(Some(&shipper), "POST", "/api/v1/events?tenant=mine", body).status.as_u16()
    };
    let ask = || server.get(&reader, "/api/v1/count?tenant=mine").status.as_u16();
    assert_eq!(deliver(), 200);
    // Whether a request comes in time for the rate is known only of one that is refused.
    let asked: Vec<u16> = (0..20).map(|_| ask()).collect();
    assert!(asked.contains(&503), "{asked:?}");
    assert_eq!(deliver(), 200, "after many questions");
    let delivered: Vec<u16> = (0..20).map(|_| deliver()).collect();
    assert!(delivered.contains(&503), "{delivered:?}");
    std::thread::sleep(Duration::from_secs(1));
    let delivered: Vec<u16> = (0..20).map(|_| deliver()).collect();
    assert!(delivered.contains(&503), "{delivered:?}");
    assert_eq!(ask(), 200, "after many deliveries");
}

#[test]
fn names_that_no_tenant_has_count_nothing() {
    let server = server(NONE, CallLimits { requests: Some(1), ..NONE });
    server.store.ingest("mine", &[event(1, 1).to_string()]);
    let reader = principal(&server, "reader", "reader", &["*"]);
    let statuses = |tenant: &str| -> Vec<u16> {
        let path = format!("/api/v1/count?tenant={tenant}");
        (0..10).map(|_| server.get(&reader, &path).status.as_u16()).collect()
    };
    assert_eq!(statuses("made-up"), [200; 10], "nothing is kept of them");
    assert!(statuses("mine").contains(&503));
    let shipper = principal(&server, "shipper", "ingest", &["*"]);
    let refused = (0..10).map(|_| {
        let path = "/api/v1/events?tenant=junk";
        server.call(Some(&shipper), "POST", path, "no record").status.as_u16()
    });
    assert_eq!(refused.collect::<Vec<_>>(), [200; 10], "what is in quarantine makes no tenant");
}
