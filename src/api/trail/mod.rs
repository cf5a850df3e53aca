//! Records questions, exports and other reads before their answers leave: see
//! [`crate::engine::RecordedCall`]. Which route is recorded, and how, the table of
//! [`permissions`](super::auth) says; refused credentials are recorded where they are refused.

mod bodies;

use super::App;
use super::auth::{Recorded, changes_something, recorded_as};
use super::error::FailureReason;
use super::limits::LimitReached;
use super::params::QUESTION_BYTES_MAX;
use super::peer::Peer;
use super::refusal::Refusal;
use crate::access::{Actor, Caller, without_secrets};
use crate::calls::Pairs;
use crate::engine::{CallCost, CallHandle, Engine, RecordSafety, RecordedCall};
use crate::error::{Error, Result};
use crate::ingest::ForeignTenants;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
pub(super) use bodies::WrittenRows;
use bodies::{CountedBody, OverheardBody};
use hyper::body::Body as _;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// How much of anything but a question stands in a record, in bytes. Of a longer text there is its
/// beginning, its length and its hash. A question is there as a whole: what somebody asks for first
/// must not hide the rest.
const SHOWN_BYTES_MAX: usize = 4 << 10;
/// Numbers may be longer as they are written here than as they were sent.
const QUESTION_SHOWN_MAX: usize = QUESTION_BYTES_MAX + (64 << 10);
/// Parameters that say where a page begins: the pages of a list are one question.
const PAGES: &[&str] = &["cursor", "after", "marker", "next"];
/// How often the ends of recorded calls are recorded.
const SWEEP: Duration = Duration::from_secs(2);

/// The number of events in an answer, for its record.
#[derive(Debug, Clone, Copy)]
pub(super) struct AnswerRows(pub(super) u64);

/// Records a call once it is answered, and lets the answer go then.
pub(super) async fn record(State(app): State<App>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let Some(route) = route.filter(|_| app.has_trail) else { return next.run(request).await };
    let recorded = recorded_as(request.method(), route.as_str());
    let begun = Instant::now();
    let mut noted = NotedCall::of(&app.engine, recorded, &request, &route);
    let has_question = recorded.is_some_and(Recorded::has_question);
    let method = request.method().clone();
    let request =
        if has_question && method == Method::POST { noted.overhear(request) } else { request };
    let mut response = next.run(request).await;
    if let Some(caller) = response.extensions_mut().remove::<Caller>() {
        noted.caller = Some(caller);
    }
    let mut status = response.status();
    if recorded == Some(Recorded::SignIn) && noted.caller.is_none() && status.is_success() {
        // The page that says why somebody could not sign in is an answer, and no sign-in.
        status = StatusCode::UNAUTHORIZED;
    }
    if recorded == Some(Recorded::SignIn) && status == StatusCode::UNAUTHORIZED {
        app.refused_credentials.note_sign_in();
    }
    let reached = response.extensions().get::<LimitReached>().copied();
    noted.reason = reached.map(|reached| reached.words());
    if recorded.is_none() && reached.is_none() {
        let has_failed = status.is_client_error() || status.is_server_error();
        let is_failed_change = has_failed && changes_something(&method, route.as_str());
        if !is_failed_change && status != StatusCode::FORBIDDEN {
            noted.is_done = true;
            return response;
        }
        let reason = response.extensions().get::<FailureReason>();
        noted.reason = reason.map(|reason| without_secrets(&reason.0).into_owned());
    }
    // The answer to `HEAD` has no body, and its length is that of another.
    let is_made = method == Method::HEAD || response.body().size_hint().exact().is_some();
    let (cost, path) = (cost_of(&response, begun), noted.path.clone());
    // The record is made even if the client does not wait for it.
    match noted.made(status, cost, is_made).await {
        Ok(handle) if !is_made => {
            let (parts, body) = response.into_parts();
            let engine = Arc::clone(&app.engine);
            let written = parts.extensions.get::<WrittenRows>().cloned();
            let counted = CountedBody {
                body,
                engine,
                handle,
                begun,
                cost: CallCost::default(),
                written,
                is_whole: false,
            };
            Response::from_parts(parts, Body::new(counted))
        }
        Ok(_) => response,
        Err(error) => not_recorded(&path, &error),
    }
}

/// Records that a credential, or what it may do, did not suffice. Answers wait for it.
pub(super) async fn record_refusal(
    app: &App,
    request: &RefusedRequest,
    status: StatusCode,
    reason: &str,
) -> std::result::Result<(), Response> {
    if !app.has_trail {
        return Ok(());
    }
    let mut details = json!({ "reason": reason });
    if let Some(caller) = &request.caller {
        put_credential(caller, &mut details);
        details["asked"] = json!({ "path": shown(&without_secrets(&request.path).into()) });
    }
    let call = RecordedCall {
        event_name: "refuseCall",
        actor: actor(request.caller.as_ref(), request.address),
        call: request.call.clone(),
        details,
        status: status.as_u16(),
    };
    let recorded = spawn_record(&app.engine, call, CallCost::default(), RecordSafety::Synced, true);
    recorded.await.map(drop).map_err(|error| not_recorded(&request.path, &error))
}

/// Records that records were delivered for tenants that whoever delivered them may not deliver for,
/// by an interface that answers for each record.
///
/// # Errors
/// A log that cannot be written.
pub(super) async fn record_foreign(
    app: &App,
    caller: &Caller,
    (interface, foreign): (&str, &ForeignTenants),
) -> Result<()> {
    if !app.has_trail || foreign.is_empty() {
        return Ok(());
    }
    let what = "these are not tenants that the principal delivers for";
    let mut details = json!({ "tenants": foreign.names(), "reason": what });
    put_credential(caller, &mut details);
    let call = RecordedCall {
        event_name: "refuseRecords",
        actor: actor(Some(caller), caller.address()),
        call: interface.to_owned(),
        details,
        status: StatusCode::FORBIDDEN.as_u16(),
    };
    let cost = CallCost::default();
    spawn_record(&app.engine, call, cost, RecordSafety::Synced, true).await.map(drop)
}

/// What is known of a request that is refused.
pub(super) struct RefusedRequest {
    pub(super) call: String,
    pub(super) path: String,
    pub(super) caller: Option<Caller>,
    pub(super) address: Option<IpAddr>,
    /// Whether it had any credential, be it a wrong one.
    pub(super) has_credential: bool,
    /// Whether a page of a browser sent it.
    pub(super) is_page: bool,
}

/// Records the ends of calls until the server ends, and then those of all.
pub(super) async fn record_ends(engine: Arc<Engine>, stop: impl Future<Output = ()>) {
    tokio::pin!(stop);
    loop {
        let is_over = tokio::select! {
            () = &mut stop => true,
            () = tokio::time::sleep(SWEEP) => false,
        };
        if let Err(error) = engine.record_ends(is_over).await {
            tracing::error!(%error, "the ends of questions cannot be recorded");
        }
        if is_over {
            return;
        }
    }
}

/// What must not be answered, because it cannot be recorded.
fn not_recorded(path: &str, error: &Error) -> Response {
    tracing::error!(%error, "a call cannot be recorded, and is not answered");
    let detail = format!("the call cannot be recorded, and so not answered: {error}");
    let mut response =
        Refusal::at(path, StatusCode::SERVICE_UNAVAILABLE, &detail, None).into_response();
    let again = axum::http::HeaderValue::from_static("5");
    response.headers_mut().insert(axum::http::header::RETRY_AFTER, again);
    response
}

/// Says with which token or access key, and in which session, a call was made.
fn put_credential(caller: &Caller, details: &mut Json) {
    if let Some(token) = caller.token() {
        details["token"] = token.into();
    }
    if let Some(session) = caller.session() {
        details["session"] = session.into();
    }
}

fn actor(caller: Option<&Caller>, address: Option<IpAddr>) -> Actor {
    match caller {
        Some(caller) => caller.clone().at(address.or(caller.address())).actor(),
        None => Actor::unknown(address),
    }
}

fn cost_of(response: &Response, begun: Instant) -> CallCost {
    let rows = response.extensions().get::<AnswerRows>().map_or(0, |rows| rows.0);
    let bytes = response.body().size_hint().exact().unwrap_or(0);
    CallCost { rows, bytes, millis: begun.elapsed().as_millis() as u64 }
}

/// Records a call in a task of its own, which goes on if nobody waits for it any longer.
async fn spawn_record(
    engine: &Arc<Engine>,
    call: RecordedCall,
    cost: CallCost,
    safety: RecordSafety,
    is_made: bool,
) -> Result<CallHandle> {
    let engine = Arc::clone(engine);
    let record = Handle::current()
        .spawn(async move { engine.record_call(call, cost, safety, is_made).await });
    record.await.map_err(|cause| Error::internal("a call cannot be recorded").because(cause))?
}

/// Returns the name of a method for records: callers may invent others.
fn method_of(method: &Method) -> &str {
    let known = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    if known.contains(method) { method.as_str() } else { "OTHER" }
}

/// Returns the method and path of a request as they are recorded.
pub(super) fn call_of(method: &Method, route: Option<&MatchedPath>) -> String {
    format!("{} {}", method_of(method), route.map_or("elsewhere", MatchedPath::as_str))
}

/// A call that is under way. If its client goes away before it is answered, it is recorded too.
struct NotedCall {
    engine: Arc<Engine>,
    /// How it is recorded; `None` for what is recorded only if it is refused.
    recorded: Option<Recorded>,
    call: String,
    path: String,
    query: String,
    /// The body, as far as it was read.
    body: Arc<Mutex<Vec<u8>>>,
    caller: Option<Caller>,
    address: Option<IpAddr>,
    /// Why it failed: the limit that was reached, or what a change that was not made says.
    reason: Option<String>,
    is_done: bool,
}

impl NotedCall {
    fn of(
        engine: &Arc<Engine>,
        recorded: Option<Recorded>,
        request: &Request,
        route: &MatchedPath,
    ) -> Self {
        Self {
            engine: Arc::clone(engine),
            recorded,
            call: call_of(request.method(), Some(route)),
            path: request.uri().path().to_owned(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            body: Arc::default(),
            // Whoever signs in is not yet, or no longer, who a credential beside it says.
            caller: request
                .extensions()
                .get::<Caller>()
                .filter(|_| recorded != Some(Recorded::SignIn))
                .cloned(),
            address: request.extensions().get::<Peer>().map(|peer| peer.client),
            reason: None,
            is_done: false,
        }
    }

    /// Keeps what is read of the body.
    fn overhear(&self, request: Request) -> Request {
        let (parts, body) = request.into_parts();
        let heard = Arc::clone(&self.body);
        Request::from_parts(parts, Body::new(OverheardBody { body, heard }))
    }

    /// Records the call, which has been answered.
    async fn made(
        mut self,
        status: StatusCode,
        cost: CallCost,
        is_made: bool,
    ) -> Result<CallHandle> {
        self.is_done = true;
        let (call, engine) = (self.recorded_call(status), Arc::clone(&self.engine));
        spawn_record(&engine, call, cost, self.safety(), is_made).await
    }

    fn safety(&self) -> RecordSafety {
        self.recorded.map_or(RecordSafety::Synced, Recorded::safety)
    }

    fn recorded_call(&self, status: StatusCode) -> RecordedCall {
        let mut details = json!({});
        if let Some(caller) = &self.caller {
            put_credential(caller, &mut details);
            if let Some(grant) = caller.grant() {
                let mut seen = grant.seen();
                if let Some(confined) = caller.confined() {
                    seen["tenants"] = json!(confined);
                }
                details["may_see"] = shown(&seen);
            }
        }
        if let Some(reason) = &self.reason {
            details["reason"] = shown(&reason.as_str().into());
        }
        match self.recorded {
            Some(recorded) if recorded.has_question() => {
                // What was refused told nothing, and may be sent again and again.
                let was_answered = !status.is_client_error();
                let most = if was_answered { QUESTION_SHOWN_MAX } else { SHOWN_BYTES_MAX };
                details["asked"] = self.asked(most);
            }
            Some(_) => {}
            // What a refused call was about is in its path.
            None => {
                let path = shown(&without_secrets(&self.path).into());
                details["asked"] = json!({ "path": path });
            }
        }
        RecordedCall {
            event_name: self.recorded.map_or("refuseCall", Recorded::event_name),
            actor: actor(self.caller.as_ref(), self.address),
            call: self.call.clone(),
            details,
            status: status.as_u16(),
        }
    }

    /// Returns the path, the parameters, and the JSON of the body, without what says which page is
    /// wanted. Blanks, and members that are null, say nothing: they would only hide the rest.
    fn asked(&self, most: usize) -> Json {
        let told = |text: &str| shown_up_to(&without_secrets(text).into(), most);
        let mut asked = json!({ "path": told(&self.path) });
        let pairs = Pairs::from_query(&self.query);
        let pairs: Vec<(String, String)> =
            pairs.0.into_iter().filter(|(name, _)| !PAGES.contains(&name.as_str())).collect();
        if !pairs.is_empty() {
            asked["query"] = told(&Pairs(pairs).to_query());
        }
        let body = self.body.lock().unwrap_or_else(PoisonError::into_inner);
        if !body.is_empty() {
            let text = match serde_json::from_slice::<Json>(&body) {
                Ok(mut json) => {
                    if let Json::Object(object) = &mut json {
                        object.retain(|name, _| !PAGES.contains(&name.as_str()));
                    }
                    drop_nulls(&mut json);
                    // As text: its keys are not fields of the event.
                    told(&json.to_string())
                }
                // It was refused, whatever it says.
                Err(_) => shown(&without_secrets(&String::from_utf8_lossy(&body)).into()),
            };
            asked["body"] = text;
        }
        asked
    }
}

/// Removes members that are null.
fn drop_nulls(json: &mut Json) {
    match json {
        Json::Object(object) => {
            object.retain(|_, value| !value.is_null());
            object.values_mut().for_each(drop_nulls);
        }
        Json::Array(values) => values.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Returns a value as it stands in a record: of a long one its beginning, its length and its hash.
fn shown(value: &Json) -> Json {
    shown_up_to(value, SHOWN_BYTES_MAX)
}

fn shown_up_to(value: &Json, most: usize) -> Json {
    let text = match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.len() <= most {
        return value.clone();
    }
    let hash = crate::event::hex(&Sha256::digest(text.as_bytes()));
    let mut end = most;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    json!({ "begins": text[..end], "bytes": text.len(), "sha256": hash })
}

impl Drop for NotedCall {
    /// Records a call whose client went away: its time may have told something.
    fn drop(&mut self) {
        if self.is_done || self.recorded.is_none() {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        let status = StatusCode::from_u16(499).unwrap_or(StatusCode::REQUEST_TIMEOUT);
        let (engine, call, safety) =
            (Arc::clone(&self.engine), self.recorded_call(status), self.safety());
        runtime.spawn(async move {
            if let Err(error) = engine.record_call(call, CallCost::default(), safety, true).await {
                tracing::error!(%error, "a call that its client gave up cannot be recorded");
            }
        });
    }
}
