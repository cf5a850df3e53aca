//! The façade of CTS: `GET /v3/{project_id}/traces` and its related read calls, so that programs
//! written for Huawei's Cloud Trace Service work here unchanged. The tenant is the project id.
//! Lists of v1 and v2 are those of v3 without the parameters that were added later.
//!
//! Where it differs from the native API it follows CTS: bounds of the period are exclusive, pages
//! continue after a trace id, errors are `{"error_code", "error_msg"}`.

mod dictionary;
mod ends;
mod request;
#[cfg(test)]
mod tests;
mod trace;

use super::App;
use super::error::ApiError;
use super::trail::AnswerRows;
use crate::access::{Caller, Scope};
use crate::calls::Pairs;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventKey, Timestamp, clip};
use crate::query::{PageCursor, PageQuery, QueryBudget, SnapshotReader, SortOrder};
use axum::extract::Request as HttpRequest;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
pub(super) use ends::PageEnds;
use request::{LIMIT_MAX, Request, WantedTraces};
use serde::Serialize;
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use trace::Trace;

/// Without a charset, Python's `requests` (and so Huawei's SDK) guesses one, and guesses wrong for
/// some Chinese texts.
const CONTENT_TYPE: &str = "application/json;charset=UTF-8";
/// "Query failed": what CTS answers to a query that it cannot interpret.
const QUERY_FAILED: &str = "CTS.0300";
/// "Authentication failed or no permission".
const FORBIDDEN: &str = "CTS.0002";
/// "Failed to read data".
const READ_FAILED: &str = "CTS.0005";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v3/{project_id}/traces", get(traces))
        .route("/v2.0/{project_id}/{tracker_name}/trace", get(old_traces))
        .route("/v1.0/{project_id}/{tracker_name}/trace", get(old_traces))
        .merge(dictionary::routes())
        .route_layer(middleware::from_fn(own_project))
}

/// The header by which clients name the project a second time.
const PROJECT_HEADER: &str = "x-project-id";
/// The path of the one call that names a domain in place of a project.
const OF_DOMAIN: &str = "/resources";

/// Refuses a request whose header names another project than its path: one of the two is wrong.
async fn own_project(request: HttpRequest, next: Next) -> Response {
    let path = request.uri().path();
    let segment = path.split('/').nth(2).unwrap_or_default();
    let named: Vec<u8> = percent_encoding::percent_decode_str(segment).collect();
    let mut sent = request.headers().get_all(PROJECT_HEADER).iter();
    if path.ends_with(OF_DOMAIN) || sent.all(|project| project.as_bytes() == named) {
        return next.run(request).await;
    }
    let what = "X-Project-Id is not the project in the path";
    CtsError(Error::new(ErrorKind::Forbidden, what)).into_response()
}

/// Parameters that v1 and v2 do not have.
const NEW_IN_V3: &[&str] =
    &["trace_type", "tracker_name", "access_key_id", "enterprise_project_id"];
/// The only tracker of v1 and v2.
const OLD_TRACKER: &str = "system";

/// The list of v1 and v2: management events.
async fn old_traces(
    State(app): State<App>,
    caller: Caller,
    path: Result<Path<(String, String)>, PathRejection>,
    pairs: Pairs,
) -> Result<Response, CtsError> {
    let Path((project, tracker)) =
        path.map_err(|_| Error::parameter("project_id", "is not UTF-8"))?;
    if tracker != OLD_TRACKER {
        return Err(Error::parameter(
            "tracker_name",
            format!("{:?} is not a tracker; the only one is {OLD_TRACKER}", clip(&tracker, 40)),
        )
        .into());
    }
    if let Some((name, _)) = pairs.0.iter().find(|(name, _)| NEW_IN_V3.contains(&name.as_str())) {
        return Err(Error::parameter(name, "came with v3: ask /v3/{project_id}/traces").into());
    }
    traces(State(app), caller, Ok(Path(project)), pairs).await
}

async fn traces(
    State(app): State<App>,
    caller: Caller,
    project: Result<Path<String>, PathRejection>,
    pairs: Pairs,
) -> Result<Response, CtsError> {
    let Path(project) = project.map_err(|_| Error::parameter("project_id", "is not UTF-8"))?;
    let ends = Arc::clone(&app.page_ends);
    let place = app.limits.place(&caller, &[&project]).await?;
    let body = app.ask(&place, move |engine, budget| {
        let request = Request::read(&caller, (&project, &pairs), engine.clock().now())?;
        answer(engine, &ends, (&request, &pairs), budget)
    });
    let (body, rows) = body.await?;
    place.gave(rows as u64);
    let mut response = ([(header::CONTENT_TYPE, CONTENT_TYPE)], body).into_response();
    response.extensions_mut().insert(AnswerRows(rows as u64));
    Ok(response)
}

#[derive(Serialize)]
struct CtsAnswer {
    traces: Vec<Trace>,
    meta_data: MetaData,
}

#[derive(Serialize)]
struct MetaData {
    count: usize,
    marker: Option<String>,
}

fn answer(
    engine: &Engine,
    ends: &PageEnds,
    (request, pairs): (&Request, &Pairs),
    budget: &QueryBudget,
) -> Result<(Vec<u8>, usize)> {
    // A marker that was given to one caller tells another nothing.
    let list = request.scope.canonical();
    let snapshot = engine.snapshot();
    let reader = engine.reader(&snapshot, None).within(budget);
    let mut marker = None;
    let events = match &request.wanted {
        WantedTraces::One(trace_id) => reader.get(&request.scope, trace_id, LIMIT_MAX)?,
        WantedTraces::Page { filter, limit, next } => {
            let after = |next: &str| match ends.find(&list, pairs, next) {
                Some(key) => Ok(PageCursor { key, backward: false }),
                None => after(reader, &request.scope, next),
            };
            let cursor = next.as_deref().map(after).transpose()?;
            let query =
                PageQuery { limit: *limit, order: SortOrder::Descending, cursor, around: None };
            let page = reader.list(&request.scope, filter, &query)?;
            let (mut events, more) = (page.events, page.next.is_some());
            if more {
                marker = match clear_end(reader, &request.scope, &events)? {
                    Some(end) => {
                        events.truncate(end);
                        events.last().map(|event| event.trace_id().to_owned())
                    }
                    None => events.last().map(placed),
                };
            }
            if let (Some(marker), Some(last)) = (&marker, events.last()) {
                // Clients that work out `next` themselves take the id in any case.
                for marker in [marker.as_str(), last.trace_id()] {
                    ends.note(&list, pairs, marker, last.key());
                }
            }
            events
        }
    };
    let meta_data = MetaData { count: events.len(), marker };
    let answer = CtsAnswer { traces: events.iter().map(Trace::of).collect(), meta_data };
    let body = serde_json::to_vec(&answer)
        .map_err(|cause| Error::internal("cannot write the traces").because(cause))?;
    Ok((body, events.len()))
}

/// Returns the cursor after the event with a trace id; if there are several, after the oldest, so
/// that paging always makes progress. A marker made by [`placed`] names one of them.
fn after(reader: SnapshotReader<'_>, scope: &Scope, marker: &str) -> Result<PageCursor> {
    let key = match oldest(reader, scope, marker)? {
        Some(key) => key,
        None => place_of(marker).ok_or_else(|| {
            Error::parameter(
                "next",
                format!("no trace of the project has the id {:?}", clip(marker, 100)),
            )
        })?,
    };
    Ok(PageCursor { key, backward: false })
}

/// Returns the oldest event with a trace id. By an id that a caller with masks may not ask for,
/// such as one that is shown hashed, none is found.
fn oldest(reader: SnapshotReader<'_>, scope: &Scope, id: &str) -> Result<Option<EventKey>> {
    match reader.oldest(scope, id) {
        Err(error) if error.kind() == ErrorKind::Forbidden => Ok(None),
        found => found,
    }
}

/// Returns the marker of an event that shares its id with an older one: the id and the event's
/// position in the list.
fn placed(event: &Event) -> String {
    let key = event.key();
    format!("{}@{}.{}", event.trace_id(), key.time.millis(), key.seq)
}

fn place_of(marker: &str) -> Option<EventKey> {
    let (time, seq) = marker.rsplit_once('@')?.1.split_once('.')?;
    Some(EventKey { time: Timestamp::from_millis(time.parse().ok()?), seq: seq.parse().ok()? })
}

/// Returns how many of these rows a page can have so that its last row's id is a usable marker. If
/// an older record shares that id, the next page would continue after that record and skip
/// everything in between; such rows are left for the next page, since pages of CTS may be short.
/// `None` if the page consists of such rows alone.
fn clear_end(reader: SnapshotReader<'_>, scope: &Scope, events: &[Event]) -> Result<Option<usize>> {
    let mut known: HashMap<&str, Option<EventKey>> = HashMap::new();
    for (index, event) in events.iter().enumerate().rev() {
        let id = event.trace_id();
        let oldest = match known.get(id) {
            Some(oldest) => *oldest,
            None => *known.entry(id).or_insert(oldest(reader, scope, id)?),
        };
        if oldest == Some(event.key()) {
            return Ok(Some(index + 1));
        }
    }
    Ok(None)
}

/// An error to be sent to a client of CTS.
#[derive(Debug)]
struct CtsError(Error);

impl From<Error> for CtsError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for CtsError {
    fn into_response(self) -> Response {
        let message = self.0.to_string();
        let wrong_question = self.0.kind() == ErrorKind::Invalid;
        let forbidden = self.0.kind() == ErrorKind::Forbidden;
        // The native answer has the status of the kind, and says when to try again.
        let mut response = ApiError::from(self.0).into_response();
        if !wrong_question && !forbidden && !response.status().is_server_error() {
            // To a client of CTS, 404 means that the project's tracker does not exist; here a file
            // of the store is missing.
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        }
        let code = match (forbidden, wrong_question) {
            (true, _) => FORBIDDEN,
            (_, true) => QUERY_FAILED,
            _ => READ_FAILED,
        };
        let (mut head, _) = response.into_parts();
        head.headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(CONTENT_TYPE));
        let body = json!({ "error_code": code, "error_msg": message }).to_string();
        head.headers.remove(header::CONTENT_LENGTH);
        Response::from_parts(head, body.into())
    }
}
