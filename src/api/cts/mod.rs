//! The façade of CTS v3: `GET /v3/{project_id}/traces`, as Huawei's SDKs, Terraform and scripts call it.
//!
//! What is as in CTS: bounds of the period are exclusive; `trace_id` overrides every other condition; a page is followed
//! by giving any trace id as `next`; the page after the last is `[]`; for data events the conditions that CTS calls
//! effective for management events only have no effect. What is better: the period is not limited to seven days. What is
//! stricter: an unknown parameter is an error, for a condition that is ignored would make the answer wrong.
//!
//! A trace is listed at the time it happened, as in our own lists; CTS lists by the time it was recorded.

mod trace;

use super::App;
use super::error::status_of;
use super::params::Pairs;
use crate::access::Scope;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{EVENT_TYPES, Event, Field, LEVELS, Timestamp};
use crate::query::filter::{Condition, Test};
use crate::query::{Cursor, Filter, Order, PageQuery};
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

/// Traces on a page unless `limit` says otherwise.
const LIMIT_DEFAULT: usize = 10;
/// The most traces on a page.
const LIMIT_MAX: usize = 200;
/// How far back a list goes unless `from` says otherwise: one hour.
const PERIOD_DEFAULT_MS: i64 = 3_600_000;

/// The conditions: CTS's parameter, our field, and whether it is effective for data events too.
const CONDITIONS: &[(&str, Field, bool)] = &[
    ("service_type", Field::Source, false),
    ("resource_type", Field::ResourceType, false),
    ("trace_name", Field::EventName, false),
    ("resource_id", Field::ResourceId, false),
    ("resource_name", Field::ResourceName, false),
    ("user", Field::Operator, false),
    ("trace_rating", Field::Level, false),
    ("access_key_id", Field::AccessKeyId, true),
    ("enterprise_project_id", Field::EnterpriseProjectId, true),
];
/// The other parameters.
const PARAMETERS: &[&str] = &["trace_type", "limit", "from", "to", "next", "tracker_name", "trace_id"];

pub(super) fn routes() -> Router<App> {
    Router::new().route("/v3/{project_id}/traces", get(traces))
}

async fn traces(State(app): State<App>, Path(project): Path<String>, pairs: Pairs) -> Result<Json<Value>, CtsError> {
    Ok(Json(app.run(move |engine| list(engine, &project, pairs)).await?))
}

/// A page of traces, as CTS answers it.
fn list(engine: &Engine, project: &str, pairs: Pairs) -> Result<Value> {
    let scope = Scope::of_operator(&[project])?;
    if scope.named().is_none() {
        return Err(Error::parameter("project_id", "names one project"));
    }
    // SDKs send parameters that were not set as empty.
    let pairs = Pairs(pairs.0.into_iter().filter(|(_, value)| !value.is_empty()).collect());
    let known = |name: &str| PARAMETERS.contains(&name) || CONDITIONS.iter().any(|(condition, ..)| *condition == name);
    if let Some((name, _)) = pairs.0.iter().find(|(name, _)| !known(name)) {
        return Err(Error::parameter(name, "unknown parameter"));
    }
    if let Some(trace_id) = pairs.one("trace_id")? {
        let snapshot = engine.snapshot();
        let events = engine.reader(&snapshot, None).get(&scope, trace_id)?;
        return Ok(page(&events[..events.len().min(LIMIT_MAX)], false));
    }
    let filter = filter(engine, &pairs)?;
    let limit = pairs.number("limit")?.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Error::parameter("limit", format!("is 1 to {LIMIT_MAX}")));
    }
    let snapshot = engine.snapshot();
    let reader = engine.reader(&snapshot, None);
    let cursor = match pairs.one("next")? {
        None => None,
        Some(trace_id) => {
            // Should several records have the id, the page goes on after the oldest of them.
            let last = reader.get(&scope, trace_id)?.pop();
            let last = last.ok_or_else(|| Error::parameter("next", "is the id of no trace of this project"))?;
            Some(Cursor { key: last.key(), backward: false })
        }
    };
    let query = PageQuery { limit, order: Order::Descending, cursor, around: None };
    let found = reader.list(&scope, &filter, &query)?;
    Ok(page(&found.events, found.next.is_some()))
}

fn page(events: &[Event], more: bool) -> Value {
    let marker = events.last().filter(|_| more).map(Event::trace_id);
    let traces: Vec<Value> = events.iter().map(trace::render).collect();
    json!({ "traces": traces, "meta_data": { "count": events.len(), "marker": marker } })
}

fn filter(engine: &Engine, pairs: &Pairs) -> Result<Filter> {
    let trace_type = pairs.one("trace_type")?.unwrap_or("system");
    if !EVENT_TYPES.contains(&trace_type) {
        return Err(Error::parameter("trace_type", "is system or data"));
    }
    let data = trace_type == "data";
    let mut filter = Filter::default().and_equal(Field::EventType, trace_type);
    for (name, field, for_data) in CONDITIONS {
        let Some(value) = pairs.one(name)? else { continue };
        if *field == Field::Level && !LEVELS.contains(&value) {
            return Err(Error::parameter(*name, format!("is one of {}", LEVELS.join(", "))));
        }
        if data && !for_data {
            continue;
        }
        let test =
            if *field == Field::SourceIp { Test::Address(vec![value.to_owned()], vec![]) } else { Test::OneOf(vec![value.to_owned()]) };
        filter.conditions.push(Condition { field: *field, negated: false, test });
    }
    match pairs.one("tracker_name")? {
        // The one tracker of management events, whose name many traces do not carry.
        Some("system") if !data => {}
        Some(tracker) => filter = filter.and_equal(Field::TrackerName, tracker),
        None => {}
    }
    let now = engine.clock().now().millis();
    // Exclusive bounds: the first moment that counts is the one after `from`; `to` itself does not count either way.
    let from = millis(pairs, "from")?.unwrap_or(now - PERIOD_DEFAULT_MS).saturating_add(1);
    let to = millis(pairs, "to")?.unwrap_or(now + 1);
    if from > to {
        return Err(Error::parameter("from", "the period ends before it begins; from and to go together"));
    }
    filter.from = Some(Timestamp::from_millis(from));
    filter.to = Some(Timestamp::from_millis(to));
    Ok(filter)
}

fn millis(pairs: &Pairs, name: &str) -> Result<Option<i64>> {
    let parse = |text: &str| {
        let digits = text.len() == 13 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| digits).ok_or_else(|| Error::parameter(name, "is a time in milliseconds, 13 digits"))
    };
    pairs.one(name)?.map(parse).transpose()
}

/// An error as CTS writes it.
struct CtsError(Error);

impl From<Error> for CtsError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for CtsError {
    fn into_response(self) -> Response {
        let status = status_of(self.0.kind());
        let code = match self.0.kind() {
            ErrorKind::Invalid | ErrorKind::TooLarge | ErrorKind::NotFound => "CTS.0300",
            _ => "CTS.0005",
        };
        if status.is_server_error() {
            tracing::error!(error = %self.0, "a request of CTS failed");
        }
        let mut response = (status, Json(json!({ "error_code": code, "error_msg": self.0.to_string() }))).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}
