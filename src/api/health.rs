//! `GET /livez`, whether the process makes progress, and `GET /readyz`, whether the store ingests
//! and answers.
//!
//! Both are answered immediately: they wait for no thread of the pool and for no lock, because
//! exactly those may be what is wrong.

use super::App;
use crate::access::{Caller, Permission};
use crate::engine::{HealthStatus, Problem, Stuck};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde_json::{Value, json};

pub(super) fn routes() -> Router<App> {
    let mut routes = Router::new();
    for prefix in ["", "/api/v1"] {
        routes = routes
            .route(&format!("{prefix}/livez"), get(live))
            .route(&format!("{prefix}/readyz"), get(ready));
    }
    routes
}

async fn live(State(app): State<App>) -> (StatusCode, Json<Value>) {
    live_of(&app.engine.stuck())
}

/// A process that is not alive is restarted, so only problems that nothing else can solve count
/// here.
fn live_of(stuck: &[Stuck]) -> (StatusCode, Json<Value>) {
    let vital: Vec<Value> = stuck
        .iter()
        .filter(|stuck| stuck.part.is_vital())
        .map(|stuck| {
            json!({ "part": stuck.part.name(), "seconds": stuck.since.as_secs(),
            "waiting": stuck.waiting })
        })
        .collect();
    if vital.is_empty() {
        return (StatusCode::OK, Json(json!({ "status": "ok" })));
    }
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "stuck", "stuck": vital })))
}

async fn ready(
    State(app): State<App>,
    caller: Option<Extension<Caller>>,
) -> (StatusCode, Json<Value>) {
    let problems = app.engine.problems();
    let (status, name) = status_of(&problems);
    // Who merely balances load need not know what is stored here.
    if !caller.is_some_and(|Extension(caller)| caller.may(Permission::ManageStore)) {
        let mut body = json!({ "status": name });
        say_if_open(&app, &mut body);
        return (status, Json(body));
    }
    let stats = app.engine.stats();
    let of_sources = app.collector.troubles();
    let shown = |problem: &Problem| {
        let mut shown = json!({ "part": problem.part, "what": problem.what,
            "refuses": problem.condition == HealthStatus::Unavailable });
        if !problem.segments.is_empty() {
            shown["segments"] = json!(problem.segments);
        }
        shown
    };
    let mut body = json!({
        "status": name, "version": env!("CARGO_PKG_VERSION"), "table_version": stats.version,
        "segments": stats.segments,
        "events": stats.events, "buffered": stats.buffered,
        "problems": problems.iter().map(shown).collect::<Vec<_>>(),
    });
    // Nothing is refused because of a source, so it is a warning and no problem.
    if !of_sources.is_empty() {
        body["warnings"] = json!(of_sources);
    }
    say_if_open(&app, &mut body);
    (status, Json(body))
}

/// Says that nobody is asked for a credential.
fn say_if_open(app: &App, body: &mut Value) {
    if !app.credentials {
        body["auth"] = "none".into();
    }
}

fn status_of(problems: &[Problem]) -> (StatusCode, &'static str) {
    match problems.iter().map(|problem| problem.condition).max().unwrap_or(HealthStatus::Sound) {
        HealthStatus::Sound => (StatusCode::OK, "ok"),
        HealthStatus::Degraded => (StatusCode::OK, "degraded"),
        HealthStatus::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::WatchedPart;
    use std::time::Duration;

    #[test]
    fn only_a_vital_part_that_is_stuck_ends_the_process() {
        let stuck = |part| Stuck { part, since: Duration::from_secs(75), waiting: 3 };
        assert_eq!(live_of(&[]).0, StatusCode::OK);
        assert_eq!(
            live_of(&[stuck(WatchedPart::Calls), stuck(WatchedPart::Seal)]).0,
            StatusCode::OK
        );
        let (status, body) = live_of(&[stuck(WatchedPart::Calls), stuck(WatchedPart::Intake)]);
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(body.0["stuck"], json!([{ "part": "intake", "seconds": 75, "waiting": 3 }]));
    }

    #[test]
    fn the_worst_problem_decides() {
        let problem = |condition| Problem {
            condition,
            part: "disk",
            what: String::new(),
            segments: Vec::new(),
        };
        assert_eq!(status_of(&[]), (StatusCode::OK, "ok"));
        assert_eq!(status_of(&[problem(HealthStatus::Degraded)]), (StatusCode::OK, "degraded"));
        let both = [problem(HealthStatus::Unavailable), problem(HealthStatus::Degraded)];
        assert_eq!(status_of(&both), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"));
    }
}
