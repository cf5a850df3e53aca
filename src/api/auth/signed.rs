//! Requests that are signed with an access key.
//!
//! Nothing of a body is acted on before its signature is found good, so the whole of it is read
//! here, as it came over the wire, within a limit and in room of its own. What can be refused
//! without the body is refused before it is read.

use super::permissions::{DELIVER, Need, is_question};
use super::replay::{Noted, UsedSignature};
use super::{CallRefusal, permitted};
use crate::access::{
    Caller, SentRequest, SignatureHeader, SignatureRefusal, SigningSecret, body_hash, is_signature,
};
use crate::api::App;
use crate::api::error::status_of;
use crate::api::peer::Peer;
use crate::error::Error;
use crate::event::Timestamp;
use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use hyper::body::Body as _;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// The most bytes of a signed body, as at Huawei Cloud.
const BODY_BYTES_MAX: usize = 12 << 20;
/// What is answered to a signature that does not fit, whatever it is that does not fit.
const WRONG: &str = "the signature does not fit the request, or there is no such access key";
/// The code of a signature whose time is over.
pub(super) const EXPIRED_CODE: &str = "APIGW.0303";
/// Headers that decide what a request means: they are signed, or not sent.
const DECISIVE: [HeaderName; 4] = [
    HeaderName::from_static("x-annals-tenant"),
    HeaderName::from_static("idempotency-key"),
    header::CONTENT_ENCODING,
    header::IF_MATCH,
];
/// So do all that begin like this: the attributes of a CloudEvent.
const DECISIVE_START: &str = "ce-";
/// The route whose requests have keys under which their answers are remembered.
const KEYED_ROUTE: &str = "/api/v1/events";

impl From<SignatureRefusal> for CallRefusal {
    fn from(refusal: SignatureRefusal) -> Self {
        match refusal {
            SignatureRefusal::Malformed(detail) => Self::unauthorized(detail),
            SignatureRefusal::Skewed(detail) => {
                Self { code: Some(EXPIRED_CODE), ..Self::unauthorized(detail) }
            }
        }
    }
}

/// Returns whether a request has a signature, be it none that is accepted.
pub(super) fn is_signed(headers: &HeaderMap) -> bool {
    headers.get_all(header::AUTHORIZATION).iter().any(|value| is_signature(value.as_bytes()))
}

/// A signature that was found good.
struct GoodSignature {
    caller: Caller,
    header: SignatureHeader,
    date: Timestamp,
}

/// Finds out who has signed a request, and lets through what they may call, once.
pub(super) async fn admit(
    app: &App,
    request: &mut Request,
    need: Need,
) -> Result<Caller, CallRefusal> {
    let good = authenticate(app, request).await?;
    let caller = permitted(need, good.caller)?;
    let method = request.method();
    // What needs only a credential, such as the handshakes of shippers, changes nothing.
    let asks = method.is_safe()
        || need == Need::Credential
        || (*method == Method::POST && is_question(need));
    if asks {
        return Ok(caller);
    }
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    if route == Some(KEYED_ROUTE) {
        // What is sent again is answered as the first time, and stored once.
        let key = HeaderValue::from_str(&good.header.signature());
        if let (false, Ok(key)) = (request.headers().contains_key("idempotency-key"), key) {
            request.headers_mut().insert("idempotency-key", key);
        }
        return Ok(caller);
    }
    let is_delivery = need == DELIVER;
    let change = SignedChange { header: Arc::new(good.header), date: good.date, is_delivery };
    request.extensions_mut().insert(change);
    Ok(caller)
}

/// A signed request that is carried out once.
#[derive(Clone)]
pub(super) struct SignedChange {
    header: Arc<SignatureHeader>,
    date: Timestamp,
    is_delivery: bool,
}

/// Fails if a request was carried out before, as far as that can be known. It is the last that a
/// request is refused for: what was refused for a limit may be sent again as it is.
pub(super) fn check_once(
    app: &App,
    request: &mut Request,
    caller: &Caller,
) -> Result<(), CallRefusal> {
    let Some(change) = request.extensions_mut().remove::<SignedChange>() else { return Ok(()) };
    let SignedChange { header, date, is_delivery } = change;
    let now = app.engine.clock().now();
    // Its body may have taken long, and its signature is not remembered for longer than it is good.
    sent_request(request).check_date(now)?;
    // Times of signatures are whole seconds.
    if date.millis() + 1_000 <= app.started.millis() {
        return Err(CallRefusal::unauthorized(
            "the request was signed before the server was started, which does not know whether it \
            was carried out then: sign it again",
        ));
    }
    let mut used = Sha256::new();
    used.update(header.access_key().as_bytes());
    used.update(b"\n");
    used.update(header.signature().as_bytes());
    let used: UsedSignature = used.finalize().into();
    let principal = caller.grant().map_or("", |grant| grant.principal().name.as_str());
    let (status, detail) = match app.used_signatures.note(used, (principal, is_delivery), now) {
        Noted::New => return Ok(()),
        Noted::Again => (
            StatusCode::CONFLICT,
            "this very request has come before, and its answer said what became of it: sign it \
            again to send it again",
        ),
        Noted::Full => (
            StatusCode::SERVICE_UNAVAILABLE,
            "too many signed requests have changed something in the last half hour: send it again \
            later",
        ),
    };
    Err(CallRefusal::of(status, detail))
}

/// Checks the signature of a request, and reads its body for that.
async fn authenticate(app: &App, request: &mut Request) -> Result<GoodSignature, CallRefusal> {
    let now = app.engine.clock().now();
    let (header, date, declared) = {
        let header = header_of(request.headers())?;
        let sent = sent_request(request);
        let date = sent.check_date(now)?;
        let declared = sent.declared_hash(&header)?.map(str::to_owned);
        (header, date, declared)
    };
    let Some(seal) = app.engine.seal_key() else {
        return Err(CallRefusal::unauthorized(
            "this server has no seal key, so it cannot check signatures: start annals serve with \
            --seal-key-file, or send a token",
        ));
    };
    let directory = app.engine.directory();
    let key = directory.access_key(header.access_key());
    let secret = key.and_then(|key| match key.secret(seal) {
        Ok(secret) => Some(secret),
        Err(error) => {
            tracing::error!(%error, "an access key is of no use");
            None
        }
    });
    let wrong = || CallRefusal::unauthorized(WRONG);
    let check = |request: &Request, hash: &str, secret: &SigningSecret| {
        let good = sent_request(request).is_signed(&header, hash, secret)?;
        if good { Ok(()) } else { Err(wrong()) }
    };
    let has_body = !request.body().is_end_stream();
    let (Some(key), Some(secret)) = (key, secret) else {
        // The same work as for a key that there is.
        let hash = declared.as_deref().map_or_else(|| body_hash(b""), Into::into);
        return check(request, &hash, &SigningSecret::of_nobody(seal)).and(Err(wrong()));
    };
    // With its hash among what is signed, a body need not be read for a signature that is wrong.
    if let Some(declared) = &declared {
        check(request, declared, &secret)?;
    } else if has_body {
        // What is wrong with anything but the body is found now.
        sent_request(request).canonical(&header, "")?;
    }
    match &declared {
        Some(declared) => {
            let hash = read_proved(app, request, has_body).await?;
            if *declared != hash {
                return Err(CallRefusal::unauthorized(
                    "X-Sdk-Content-Sha256 is not the SHA-256 of the body that came",
                ));
            }
        }
        None if has_body => {
            let body = std::mem::replace(request.body_mut(), Body::empty());
            let peer = request.extensions().get::<Peer>();
            let whose = (header.access_key(), peer);
            let unproved = app.read_unproved(body, BODY_BYTES_MAX, whose).await?;
            check(request, &body_hash(unproved.body.bytes()), &secret)?;
            // From here on it is as good as one that was proved before it came.
            let held = unproved
                .body
                .moved_to(&app.held_room)
                .await
                .map_err(|error| refused_body(&error))?;
            *request.body_mut() = Body::new(held);
        }
        None => check(request, &body_hash(b""), &secret)?,
    }
    // The key may have been withdrawn while the body came.
    let caller = key.caller(now);
    if !app.engine.directory().is_current(&caller, now) {
        return Err(wrong());
    }
    Ok(GoodSignature { caller, header, date })
}

/// Reads the signature, and checks that it covers what decides about the request.
fn header_of(headers: &HeaderMap) -> Result<SignatureHeader, CallRefusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, other) = (values.next(), values.next());
    let (Some(value), None, false) = (value, other, headers.contains_key("x-auth-token")) else {
        return Err(CallRefusal::unauthorized("there are several credentials: send one"));
    };
    let plain = || CallRefusal::unauthorized("the credential is not plain text");
    let signature = SignatureHeader::parse(value.to_str().map_err(|_| plain())?.trim())?;
    let decisive =
        |name: &&HeaderName| DECISIVE.contains(name) || name.as_str().starts_with(DECISIVE_START);
    match headers.keys().filter(decisive).find(|name| !signature.has_signed(name.as_str())) {
        None => Ok(signature),
        Some(name) => Err(CallRefusal::unauthorized(format!(
            "the header {name} is sent and must be among the SignedHeaders then"
        ))),
    }
}

/// Returns what is signed of a request. Behind a trusted proxy, the host is the one that the caller
/// addressed.
fn sent_request(request: &Request) -> SentRequest<'_> {
    let peer = request.extensions().get::<Peer>();
    let host = peer.and_then(|peer| peer.forwarded_host.as_deref());
    let value = |name: &HeaderName, value| match host {
        Some(host) if *name == header::HOST => host.as_bytes(),
        _ => HeaderValue::as_bytes(value),
    };
    let headers = request.headers();
    SentRequest {
        method: request.method().as_str(),
        path: request.uri().path(),
        query: request.uri().query().unwrap_or_default(),
        headers: headers.iter().map(|(name, sent)| (name.as_str(), value(name, sent))).collect(),
    }
}

fn refused_body(error: &Error) -> CallRefusal {
    CallRefusal::of(status_of(error.kind()), error.to_string())
}

/// Reads the whole body of a request whose signature is proved, and returns its hash. The body
/// stays with the request.
async fn read_proved(
    app: &App,
    request: &mut Request,
    has_body: bool,
) -> Result<String, CallRefusal> {
    if !has_body {
        return Ok(body_hash(b"").into_owned());
    }
    let body = std::mem::replace(request.body_mut(), Body::empty());
    let held = app
        .hold_body(body, BODY_BYTES_MAX, &app.held_room)
        .await
        .map_err(|error| refused_body(&error))?;
    let hash = body_hash(held.bytes()).into_owned();
    *request.body_mut() = Body::new(held);
    Ok(hash)
}
