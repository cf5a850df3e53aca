//! Requests that are signed with an access key: what is accepted, what is not, and that nothing is
//! carried out twice.

use super::server::{Answer, Guarded};
use super::signer::{Call, Key, date, sha256};
use crate::support::store::{NOW, TestStore};
use annals::access::{Caller, SealKey};
use annals::calls::PrincipalCall;
use annals::engine::Settings;
use annals::event::Timestamp;
use axum::body::{Body, Bytes, HttpBody};
use hyper::body::Frame;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

/// A server over a store that is open with a seal key.
pub(super) fn sealed_server(seal: &SealKey) -> Guarded {
    let mut store = TestStore::new();
    let settings = Settings { compact: false, seal_key: Some(seal.clone()), ..Settings::default() };
    store.reopen_with(settings);
    Guarded::over(store, true)
}

fn server() -> Guarded {
    sealed_server(&SealKey::generate().expect("a key"))
}

/// Makes an access key for a principal that there is.
pub(super) fn key_of(server: &Guarded, name: &str) -> Key {
    let call = PrincipalCall::CreateAccessKey(name.to_owned());
    let made = call.answer(server.store.engine(), &Caller::operator(), Json::Null);
    let made = made.expect("an access key");
    let text = |name: &str| made[name].as_str().expect("a text").to_owned();
    Key { id: text("id"), secret: text("secret") }
}

/// Makes a principal with these roles for the tenant `t`, and an access key of it.
pub(super) fn principal(server: &Guarded, name: &str, roles: &[&str]) -> Key {
    let tenants = if roles.contains(&"security_administrator") { json!([]) } else { json!(["t"]) };
    server.principal(&json!({ "name": name, "roles": roles, "tenants": tenants }));
    key_of(server, name)
}

fn status(answer: &Answer) -> u16 {
    answer.status.as_u16()
}

#[test]
fn a_signed_request_is_answered_as_one_with_a_token_is() {
    let server = server();
    let key = principal(&server, "li", &["auditor"]);
    let record = json!({ "trace_id": "x", "event_name": "名 a+b/c*d~e", "source": "s",
        "time": "2026-06-01T00:00:00Z" });
    server.store.ingest("t", &[record.to_string()]);
    for call in [
        Call::get("/api/v1/count?tenant=t"),
        Call::get("/api/v1/count"),
        Call::get("/api/v1/count?tenant=t&event_name=名 a+b/c*d~e"),
        Call::get("/api/v1/count?source=x&tenant=t&source=s&event_name=名 a+b/c*d~e"),
        Call::new("POST", "/api/v1/count/query?tenant=t", r#"{ "source": "s" }"#),
        Call::new("POST", "/api/v1/count/query", r#"{ "source": "s" }"#)
            .with("x-sdk-content-sha256", &sha256(br#"{ "source": "s" }"#)),
    ] {
        let answer = call.send(&server, &key);
        assert_eq!((status(&answer), answer.json()), (200, json!({ "count": 1 })), "{call:?}");
    }
    let traces = Call::get("/v3/t/traces?trace_type=system&from=1000000000000&to=1782777600000");
    let answer = traces.send(&server, &key);
    assert_eq!(answer.json()["meta_data"]["count"], 1, "{}", answer.text());
    let me = Call::get("/api/v1/me").send(&server, &key);
    assert_eq!(me.json()["name"], "li");
    // What its roles do not permit is refused to it as to anybody.
    assert_eq!(status(&Call::get("/api/v1/principals").send(&server, &key)), 403);
    assert_eq!(status(&Call::get("/api/v1/count?tenant=other").send(&server, &key)), 403);
}

/// A part of a request.
#[derive(Debug, Clone, Copy)]
enum Part {
    Method,
    Path,
    Name(usize),
    Value(usize),
    Header(usize),
    Body,
}

/// Changes one letter of a part; returns whether that is another request.
fn change(call: &mut Call, part: Part, at: usize, letter: char) -> bool {
    let before = call.clone();
    let put = |text: &mut String| {
        let mut letters: Vec<char> = text.chars().collect();
        let at = at % letters.len();
        letters[at] = letter;
        *text = letters.into_iter().collect();
    };
    match part {
        Part::Method => {
            call.method = ["GET", "PUT", "DELETE", "PATCH", "POSS"][at % 5].to_owned();
        }
        Part::Path => put(&mut call.path),
        Part::Name(pair) => {
            let pair = pair % call.query.len();
            put(&mut call.query[pair].0);
        }
        Part::Value(pair) => {
            let pair = pair % call.query.len();
            put(&mut call.query[pair].1);
        }
        Part::Header(header) => {
            let header = header % call.headers.len();
            put(&mut call.headers[header].1);
        }
        Part::Body => {
            let mut body = String::from_utf8(call.body.clone()).expect("a text");
            put(&mut body);
            call.body = body.into_bytes();
        }
    }
    format!("{before:?}") != format!("{call:?}") && call.path.starts_with('/')
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        Just(Part::Method),
        Just(Part::Path),
        (0_usize..8).prop_map(Part::Name),
        (0_usize..8).prop_map(Part::Value),
        (0_usize..8).prop_map(Part::Header),
        Just(Part::Body),
    ]
}

#[test]
fn any_change_of_what_is_signed_is_refused_and_of_what_is_not_is_none() {
    let server = server();
    let key = principal(&server, "li", &["reader"]);
    let mut good = Call::new("POST", "/api/v1/count/query?tenant=t&source=ab", r#"{"level":"x"}"#)
        .with("x-signed", "value")
        .with("accept", "text/plain");
    good.body = br#"{"level":"normal"}"#.to_vec();
    good.unsigned = vec!["accept".to_owned()];
    let signature = good.signature(&key);
    assert_eq!(status(&server.send(good.request(&signature))), 200);
    let unsigned = good.clone().with("accept", "text/html").with("x-new", "1");
    assert_eq!(status(&server.send(unsigned.request(&signature))), 200);
    proptest!(ProptestConfig::with_cases(400), |(
        part in part(), at in 0_usize..40, letter in "[a-z0-9]"
    )| {
        let mut call = good.clone();
        // The header that is not signed is the last.
        call.headers.retain(|(name, _)| name != "accept");
        let letter = letter.chars().next().expect("a letter");
        if change(&mut call, part, at, letter) {
            let answer = server.send(call.request(&signature));
            prop_assert_eq!(status(&answer), 401, "{:?}: {}", call, answer.text());
        }
    });
    let mut cut = good.clone();
    cut.body.pop();
    let mut more = good.clone();
    more.query.push(("source".to_owned(), "c".to_owned()));
    let mut turned = good;
    turned.path = "/api/v1/count%2Fquery".to_owned();
    for call in [cut, more, turned] {
        assert_eq!(status(&server.send(call.request(&signature))), 401, "{call:?}");
    }
}

#[test]
fn a_signature_is_good_for_a_quarter_of_an_hour_on_both_sides() {
    let server = server();
    let key = principal(&server, "li", &["reader"]);
    let quarter = 15 * 60_000;
    for (offset, expected) in [
        (-quarter + 1_000, 200),
        (quarter - 1_000, 200),
        (0, 200),
        (-quarter - 1_000, 401),
        (quarter + 1_000, 401),
        (-86_400_000, 401),
    ] {
        for path in ["/api/v1/count", "/v3/t/traces?trace_type=system"] {
            let call = Call::get(path).with("x-sdk-date", &date(NOW + offset));
            let answer = call.send(&server, &key);
            assert_eq!(status(&answer), expected, "{offset} {path}: {}", answer.text());
            if expected == 401 && path.starts_with("/v3/") {
                assert_eq!(answer.json()["error_code"], "APIGW.0303", "{}", answer.text());
            }
        }
    }
    for wrong in ["", "now", "2026-06-30T00:00:00Z", "20260630T000000"] {
        let answer = Call::get("/v3/t/traces").with("x-sdk-date", wrong).send(&server, &key);
        assert_eq!(answer.json()["error_code"], "APIGW.0301", "{wrong}: {}", answer.text());
    }
}

#[test]
fn a_key_that_is_unknown_is_refused_as_a_signature_that_is_wrong_is() {
    let server = server();
    let key = principal(&server, "li", &["reader"]);
    let unknown = Key { id: "A".repeat(20), ..key.clone() };
    let wrong = Key { secret: "x".repeat(40), ..key };
    for call in [
        Call::get("/api/v1/count"),
        Call::get("/v3/t/traces?trace_type=system"),
        Call::new("POST", "/api/v1/count/query", "{}"),
    ] {
        let (first, second) = (call.send(&server, &unknown), call.send(&server, &wrong));
        assert_eq!((status(&first), status(&second)), (401, 401));
        assert_eq!(first.text(), second.text());
        let names = |answer: &Answer| answer.headers.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&first), names(&second));
    }
}

#[test]
fn what_is_not_signed_as_it_must_be_is_refused_in_words() {
    let server = server();
    let key = principal(&server, "li", &["reader", "ingest"]);
    let token = server.token("li", &json!({}));
    let good = || Call::get("/api/v1/count?tenant=t");
    let unsigned = |call: Call, name: &str| Call { unsigned: vec![name.to_owned()], ..call };
    let post = || Call::new("POST", "/api/v1/events?tenant=t", "{}");
    for (call, says) in [
        (unsigned(good(), "host"), "host must be"),
        (unsigned(good(), "x-sdk-date"), "x-sdk-date must be"),
        (unsigned(good().with("x-annals-tenant", "t"), "x-annals-tenant"), "x-annals-tenant"),
        (unsigned(post().with("content-encoding", "gzip"), "content-encoding"), "encoding"),
        (unsigned(post().with("idempotency-key", "k"), "idempotency-key"), "idempotency-key"),
        (unsigned(post().with("ce-id", "k"), "ce-id"), "ce-id"),
        (good().with("x-sdk-content-sha256", "UNSIGNED-PAYLOAD"), "UNSIGNED-PAYLOAD"),
        (post().with("x-sdk-content-sha256", "UNSIGNED-PAYLOAD"), "UNSIGNED-PAYLOAD"),
        (post().with("x-sdk-content-sha256", &sha256(b"[]")), "does not fit"),
        (good().with("x-auth-token", &token), "several credentials"),
    ] {
        let answer = call.send(&server, &key);
        assert_eq!(status(&answer), 401, "{call:?}: {}", answer.text());
        assert!(answer.text().contains(says), "{says}: {}", answer.text());
    }
    let signature = good().signature(&key);
    for (from, to) in [
        ("SDK-HMAC-SHA256", "SDK-HMAC-SM3"),
        ("SDK-HMAC-SHA256", "SDK-ECDSA-P256-SHA256"),
        ("SDK-HMAC-SHA256", "SDK-SM2-SM3"),
        ("SDK-HMAC-SHA256", "V11-HMAC-SHA256"),
        ("SignedHeaders=content-type;", "SignedHeaders=absent;content-type;"),
        ("SignedHeaders=content-type;host", "SignedHeaders=host;content-type"),
    ] {
        let answer = server.send(good().request(&signature.replacen(from, to, 1)));
        assert_eq!(status(&answer), 401, "{to}");
        if to.len() < 30 {
            assert!(answer.text().contains(to), "{to}: {}", answer.text());
        }
    }
    // A signed header that comes twice may mean two things.
    let mut twice = good().request(&signature);
    twice.headers_mut().append("content-type", "application/json".parse().expect("a value"));
    assert!(server.send(twice).text().contains("twice"));
    let mut both = good().request(&signature);
    both.headers_mut().append("authorization", format!("Bearer {token}").parse().expect("one"));
    assert_eq!(status(&server.send(both)), 401);
}

#[test]
fn a_body_is_whole_as_it_was_signed_before_anything_is_done_with_it() {
    let server = server();
    let key = principal(&server, "li", &["ingest"]);
    let record = json!({ "event_name": "n", "source": "s", "time": "2026-06-01T00:00:00Z" });
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, record.to_string().as_bytes()).expect("packed");
    let mut call =
        Call::new("POST", "/api/v1/events?tenant=t", "").with("content-encoding", "gzip");
    call.body = packed.finish().expect("packed");
    let signature = call.signature(&key);
    let mut damaged = call.clone();
    *damaged.body.last_mut().expect("a byte") ^= 1;
    assert_eq!(status(&server.send(damaged.request(&signature))), 401);
    assert!(server.store.everything().iter().all(|event| &*event.tenant != "t"));
    let answer = server.send(call.request(&signature));
    assert_eq!((status(&answer), &answer.json()["accepted"]), (200, &json!(1)));
    // The largest body, and one byte more.
    let mut large = Call::new("POST", "/api/v1/events?tenant=t", "");
    large.body = format!("{record}{}", " ".repeat((12 << 20) - record.to_string().len())).into();
    let answer = large.send(&server, &key);
    assert_eq!(status(&answer), 200, "{}", answer.text());
    large.body.push(b' ');
    let answer = large.send(&server, &key);
    assert_eq!(status(&answer), 413, "{}", answer.text());
    assert!(answer.text().contains("12582912"), "{}", answer.text());
}

/// A body that says whether it was read.
struct Watched {
    bytes: Option<Bytes>,
    is_read: Arc<AtomicBool>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.is_read.store(true, Ordering::SeqCst);
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }
}

#[test]
fn a_body_is_not_read_for_a_request_that_is_refused_whatever_it_is() {
    let server = server();
    let key = principal(&server, "li", &["ingest"]);
    let wrong = Key { secret: "x".repeat(40), ..key.clone() };
    let unknown = Key { id: "A".repeat(20), ..key.clone() };
    let good = || Call::new("POST", "/api/v1/events?tenant=t", r#"{"event_name":"n"}"#);
    let hash = sha256(&good().body);
    let declared = || good().with("x-sdk-content-sha256", &hash);
    let late = date(NOW - 16 * 60_000);
    for (call, key, is_read, expected) in [
        (good(), &key, true, 200),
        (declared(), &key, true, 200),
        (good(), &wrong, true, 401),
        (declared(), &wrong, false, 401),
        (good(), &unknown, false, 401),
        (good().with("x-sdk-date", &late), &key, false, 401),
        (Call { unsigned: vec!["host".to_owned()], ..good() }, &key, false, 401),
        (declared().with("x-sdk-content-sha256", "UNSIGNED-PAYLOAD"), &key, false, 401),
    ] {
        // The server would read and drop a body that was sent already.
        let call = call.with("expect", "100-continue");
        let mut request = call.request(&call.signature(key));
        let watch = Arc::new(AtomicBool::new(false));
        let bytes = Some(Bytes::from(call.body.clone()));
        *request.body_mut() = Body::new(Watched { bytes, is_read: Arc::clone(&watch) });
        let answer = server.send(request);
        let was_read = watch.load(Ordering::SeqCst);
        assert_eq!((status(&answer), was_read), (expected, is_read), "{call:?}: {}", answer.text());
    }
}

#[test]
fn events_that_are_sent_again_are_answered_as_before_and_stored_once() {
    let server = server();
    let key = principal(&server, "li", &["ingest", "reader"]);
    // Without an id and a time of its own, nothing else tells that it is the same.
    let call = Call::new("POST", "/api/v1/events?tenant=t", r#"{"event_name":"n","source":"s"}"#);
    let first = call.send(&server, &key);
    assert_eq!(status(&first), 200, "{}", first.text());
    server.store.clock.set(Timestamp::from_millis(NOW + 60_000));
    let second = call.send(&server, &key);
    assert_eq!((status(&second), second.text()), (200, first.text()));
    let count = Call::get("/api/v1/count").with("x-sdk-date", &date(NOW + 60_000));
    assert_eq!(count.send(&server, &key).json()["count"], 1);
    // Its own key counts where there is one.
    let keyed = call.with("idempotency-key", "mine");
    let (first, second) = (keyed.send(&server, &key), keyed.send(&server, &key));
    assert_eq!((status(&first), second.text()), (200, first.text()));
}

#[test]
fn what_changes_something_is_carried_out_once_and_what_asks_as_often_as_it_is_sent() {
    let server = server();
    let admin = principal(&server, "sec", &["security_administrator"]);
    let li = principal(&server, "li", &["ingest", "reader"]);
    let settings = json!({ "name": "new", "roles": ["reader"], "tenants": ["t"] }).to_string();
    let create = Call::new("POST", "/api/v1/principals", &settings);
    assert_eq!(status(&create.send(&server, &admin)), 201);
    let again = create.send(&server, &admin);
    assert_eq!(status(&again), 409);
    assert!(again.text().contains("come before"), "{}", again.text());
    let remove = Call::new("DELETE", "/api/v1/principals/new", "");
    assert_eq!(status(&remove.send(&server, &admin)), 204);
    // What was removed does not come back with an old request, as long as that is good.
    server.store.clock.set(Timestamp::from_millis(NOW + 14 * 60_000));
    assert_eq!(status(&create.send(&server, &admin)), 409);
    assert_eq!(status(&remove.send(&server, &admin)), 409);
    let signed_again = create.with("x-sdk-date", &date(NOW + 14 * 60_000));
    assert_eq!(status(&signed_again.send(&server, &admin)), 201);
    for call in [
        Call::get("/api/v1/count"),
        Call::new("HEAD", "/api/v1/count", ""),
        Call::new("POST", "/api/v1/count/query", "{}"),
    ] {
        for _ in 0..2 {
            assert_eq!(status(&call.send(&server, &li)), 200, "{call:?}");
        }
    }
    // Doors whose protocols have no answer to a repeated request.
    let bulk = "{\"index\":{}}\n{\"event_name\":\"n\",\"source\":\"s\"}\n";
    let bulk = Call::new("POST", "/es/t/x/_bulk", bulk);
    assert_eq!(status(&bulk.send(&server, &li)), 200);
    assert_eq!(status(&bulk.send(&server, &li)), 409);
}

#[test]
fn what_was_refused_for_a_limit_may_be_sent_again_as_it_is() {
    let server = server();
    let admin = principal(&server, "sec", &["security_administrator"]);
    let settings = json!({ "name": "busy", "roles": ["security_administrator"],
        "limits": { "requests": 1 } });
    server.principal(&settings);
    let busy = key_of(&server, "busy");
    let create = |name: &str| {
        let settings = json!({ "name": name, "roles": ["reader"], "tenants": ["t"] });
        Call::new("POST", "/api/v1/principals", &settings.to_string())
    };
    let mut answers = Vec::new();
    let refused = loop {
        let call = create(&format!("n{}", answers.len()));
        let answer = call.send(&server, &busy);
        if answer.status == 503 {
            break call;
        }
        answers.push(answer);
        assert!(answers.len() < 1_000, "one a second");
    };
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let answer = loop {
        let answer = refused.send(&server, &busy);
        if answer.status != 503 || std::time::Instant::now() > deadline {
            break answer;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    assert_eq!(status(&answer), 201, "{}", answer.text());
    assert_eq!(status(&create("other").send(&server, &admin)), 201);
}

#[test]
fn a_signature_whose_time_ends_while_its_body_comes_is_refused() {
    let server = server();
    let admin = principal(&server, "sec", &["security_administrator"]);
    let settings = json!({ "name": "new", "roles": ["reader"], "tenants": ["t"] }).to_string();
    let call = Call::new("POST", "/api/v1/principals", &settings);
    let (clock, text) = (Arc::clone(&server.store.clock), settings.clone());
    let request = call.request(&call.signature(&admin));
    let (parts, _) = request.into_parts();
    // The head is read in time, and the body has taken longer than the signature is good.
    let body = futures::stream::once(async move {
        clock.set(Timestamp::from_millis(NOW + 15 * 60_000 + 1_000));
        Ok::<_, std::io::Error>(text)
    });
    let answer = server.send(axum::http::Request::from_parts(parts, Body::from_stream(body)));
    assert_eq!(status(&answer), 401, "{}", answer.text());
    assert!(answer.text().contains("signed at"), "{}", answer.text());
}

#[test]
fn a_server_that_has_started_anew_carries_out_nothing_that_was_signed_before() {
    let mut server = server();
    let admin = principal(&server, "sec", &["security_administrator"]);
    let settings = json!({ "name": "new", "roles": ["reader"], "tenants": ["t"] }).to_string();
    let create = Call::new("POST", "/api/v1/principals", &settings);
    assert_eq!(status(&create.send(&server, &admin)), 201);
    server.store.clock.set(Timestamp::from_millis(NOW + 60_000));
    server.restart();
    let answer = create.send(&server, &admin);
    assert_eq!(status(&answer), 401);
    assert!(answer.text().contains("sign it again"), "{}", answer.text());
    let get = Call::get("/api/v1/principals/new").send(&server, &admin);
    assert_eq!(status(&get), 200, "a question may be older");
    let fresh = Call::new("DELETE", "/api/v1/principals/new", "");
    let fresh = fresh.with("x-sdk-date", &date(NOW + 60_000));
    assert_eq!(status(&fresh.send(&server, &admin)), 204);
}

/// A signed request whose body never comes, with the hash of its body among what is signed or not.
fn stalled(call: &Call, key: &Key) -> axum::http::Request<Body> {
    let request = call.request(&call.signature(key));
    let body = futures::stream::pending::<Result<Bytes, std::convert::Infallible>>();
    request.map(|_| Body::from_stream(body))
}

#[test]
fn bodies_that_nobody_is_proved_to_have_signed_keep_no_one_else_out() {
    let server = server();
    let (known, other) =
        (principal(&server, "li", &["ingest"]), principal(&server, "wang", &["ingest"]));
    let event = |number: usize| {
        json!({ "trace_id": format!("e{number}"), "event_name": "n", "source": "s",
            "time": "2026-06-01T00:00:00Z" })
        .to_string()
    };
    let post = |number: usize| Call::new("POST", "/api/v1/events?tenant=t", &event(number));
    // Whoever knows the id only takes all places of the key.
    let forger = Key { id: known.id.clone(), secret: "guessed".to_owned() };
    let signed = |call: &Call, key: &Key| call.request(&call.signature(key));
    let send = |request| {
        let router = server.router.clone();
        Box::pin(async move { tower::ServiceExt::oneshot(router, request).await })
    };
    server.store.runtime.block_on(async {
        let mut forged: Vec<_> =
            (0..8).map(|number| send(stalled(&post(number), &forger))).collect();
        for request in &mut forged {
            assert!(futures::poll!(request).is_pending());
        }
        // Others, and who says what the body is, go on.
        let answer = send(signed(&post(1), &other)).await.expect("an answer");
        assert_eq!(answer.status(), 200);
        let declared = post(2).with("x-sdk-content-sha256", &sha256(event(2).as_bytes()));
        let answer = send(signed(&declared, &known)).await.expect("an answer");
        assert_eq!(answer.status(), 200);
        let mut undeclared = send(signed(&post(3), &known));
        assert!(futures::poll!(&mut undeclared).is_pending(), "it waits for a place");
        forged.pop();
        assert_eq!(undeclared.await.expect("an answer").status(), 200);
    });
}
