//! `GET /api/v1/quarantine` lists records that could not be decoded, and `GET
//! /api/v1/quarantine/reasons` counts them by kind of reason.

use super::App;
use super::error::ApiError;
use crate::access::Scope;
use crate::calls::Pairs;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::event::Timestamp;
use crate::ingest::QuarantineAsk;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

/// Records on a page by default, and at most.
const ROWS: (usize, usize) = (100, 1_000);
/// The longest text that can be searched for, in bytes.
const SUBSTRING_BYTES_MAX: usize = 1_000;
/// Parameters that select records.
const FILTER: &[&str] = &["tenant", "from", "to", "reason", "source"];
/// Further parameters of a page.
const PAGED: &[&str] = &["substring", "limit", "after"];

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/quarantine", get(records))
        .route("/api/v1/quarantine/reasons", get(reasons))
}

/// Returns records in quarantine, newest first; `after` takes the `next` of the previous page.
async fn records(State(app): State<App>, pairs: Pairs) -> Result<Json<Value>, ApiError> {
    let answer = app.run(move |engine| {
        only(&pairs, &[FILTER, PAGED].concat())?;
        let limit = pairs.number("limit")?.unwrap_or(ROWS.0);
        if !(1..=ROWS.1).contains(&limit) {
            return Err(Error::parameter("limit", format!("is 1 to {}", ROWS.1)));
        }
        let substring = pairs.one("substring")?;
        if substring.is_some_and(|text| text.is_empty() || text.len() > SUBSTRING_BYTES_MAX) {
            return Err(Error::parameter(
                "substring",
                format!("must be a text of 1 to {SUBSTRING_BYTES_MAX} bytes"),
            ));
        }
        asked(engine, &pairs, |engine, ask| {
            let page = engine.quarantine(&QuarantineAsk {
                substring,
                after: pairs.one("after")?,
                limit,
                ..*ask
            })?;
            Ok(with_damage(
                json!({ "total": page.total, "records": page.records, "next": page.next }),
                page.damaged,
            ))
        })
    });
    Ok(Json(answer.await?))
}

/// Counts refused records by kind of reason, most frequent first.
async fn reasons(State(app): State<App>, pairs: Pairs) -> Result<Json<Value>, ApiError> {
    let answer = app.run(move |engine| {
        only(&pairs, FILTER)?;
        asked(engine, &pairs, |engine, ask| {
            let (reasons, damaged) = engine.quarantine_reasons(ask)?;
            let total: u64 = reasons.iter().map(|reason| reason.count).sum();
            Ok(with_damage(json!({ "total": total, "reasons": reasons }), damaged))
        })
    });
    Ok(Json(answer.await?))
}

fn only(pairs: &Pairs, allowed: &[&str]) -> Result<()> {
    match pairs.0.iter().find(|(name, _)| !allowed.contains(&name.as_str())) {
        Some((name, _)) => Err(Error::parameter(
            name,
            format!("unknown parameter; this call takes {}", allowed.join(", ")),
        )),
        None => Ok(()),
    }
}

/// Builds the query from the parameters.
fn asked(
    engine: &Engine,
    pairs: &Pairs,
    ask: impl FnOnce(&Engine, &QuarantineAsk<'_>) -> Result<Value>,
) -> Result<Value> {
    let scope = Scope::of_operator(&pairs.all("tenant"))?;
    // Only the operator may see records whose tenant is unknown.
    let tenant = |tenant: Option<&str>| {
        tenant.map_or(scope.named().is_none(), |tenant| scope.covers(tenant))
    };
    let moment = |name: &str| {
        let parsed = pairs
            .one(name)?
            .map(|text| Timestamp::parse(text).map_err(|error| error.with_parameter(name)));
        parsed.transpose()
    };
    let (from, to, reason, source) =
        (moment("from")?, moment("to")?, pairs.one("reason")?, pairs.one("source")?);
    ask(
        engine,
        &QuarantineAsk {
            tenant: &tenant,
            from,
            to,
            reason,
            source,
            substring: None,
            after: None,
            limit: ROWS.0,
        },
    )
}

/// Reports what could not be read; the rest is answered.
fn with_damage(mut answer: Value, damaged: Vec<String>) -> Value {
    if !damaged.is_empty() {
        answer["damaged"] = damaged.into();
    }
    answer
}
