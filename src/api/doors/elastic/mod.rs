//! The Elasticsearch door: `_bulk`, single documents, and what clients ask before they write.
//!
//! Elasticsearch's own clients (7, 8 and 9), OpenSearch's, Logstash, Beats, Fluent Bit, Vector,
//! rsyslog and syslog-ng can write to it. A document may be a record of any known format, or
//! anything else (`ecs`). The contents of its action are written into the record:
//! `{"_index":"…","_id":"…",` and then the document's own bytes.
//!
//! An `_id` belongs to its index without the date at its end: `app-2026.11.01` and `app-2026.11.02`
//! have their ids together, `app` and `audit` each have their own. Where the index is the tenant,
//! `_id` is the trace id. Where the request names the tenant, which several indices may share, the
//! record has that name as `_id_of` too, and the trace id is both: `app/7`.
//!
//! The store is append-only. `index` and `create` add a document. The same document under the same
//! id is a duplicate (`noop`, not an error). Another document under that id is a conflict (409) and
//! is kept in quarantine. `update` and `delete` are refused. A document that cannot be decoded is
//! kept in quarantine and counts as created, because most shippers drop what is refused.

mod answer;
mod bulk;
mod cluster;

use super::super::App;
use super::body::{Bounds, PackedBody};
use super::{tell_repeats_apart, tenant_rule};
use crate::access::{Caller, Permission, check_producer};
use crate::calls::Pairs;
use crate::decode::joined_id;
use crate::engine::{Engine, Outcome, Refused};
use crate::error::{Error, ErrorKind, Result};
use crate::event::clip;
use crate::ingest::{DecodedBatch, IncomingRecord, TenantRule};
use answer::{BulkAnswer, ElasticError, Item, ItemResult, respond};
use axum::Router;
use axum::body::Body;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware;
use axum::response::Response;
use axum::routing::{get, post};
use bulk::{Action, BulkOperation};
use serde_json::json;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Instant;

/// The limit of Elasticsearch itself (`http.max_content_length`), which some clients use up.
const BOUNDS: Bounds = Bounds { wire: 100 << 20, unpacked: 512 << 20, growth: 1 };
/// The longest name of an index.
const INDEX_BYTES_MAX: usize = 255;
/// The longest id of a document.
const ID_BYTES_MAX: usize = 512;

/// The routes, at the root and below `/es/{tenant}`, for clients that can only set a URL prefix.
pub(super) fn routes() -> Router<App> {
    let writing = || {
        let put_post = || post(bulk_call).put(bulk_call);
        let document = || post(document_call).put(document_call).delete(append_only);
        Router::new()
            .route("/_bulk", put_post())
            .route("/_bulk/", put_post())
            .route("/{index}/_bulk", put_post())
            .route("/{index}/_bulk/", put_post())
            .route("/{index}/{kind}/_bulk", put_post())
            .route("/{index}/_doc/_bulk", put_post())
            .route("/{index}/_create/_bulk", put_post())
            .route("/{index}/_doc", document())
            .route("/{index}/_doc/", document())
            .route("/{index}/_doc/{id}", document())
            .route("/{index}/_create/{id}", document())
            .route("/{index}/_update/{id}", post(append_only))
            .merge(cluster::routes())
    };
    let below = writing().route("/", get(cluster::root)).fallback(async || {
        ElasticError::from(Error::new(ErrorKind::NotFound, "there is nothing at this path"))
    });
    let here = writing().nest("/es/{tenant}", below).route("/es/{tenant}/", get(cluster::root));
    here.layer(middleware::map_response(as_elasticsearch))
}

/// Answers Elasticsearch clients at the root, where browsers get the screen.
pub(in crate::api) async fn root(app: State<App>) -> Response {
    as_elasticsearch(cluster::root(app).await).await
}

/// Clients that do not find this header reject the answer after their documents were stored, and
/// send them again.
async fn as_elasticsearch(mut response: Response) -> Response {
    response.headers_mut().insert("x-elastic-product", HeaderValue::from_static("Elasticsearch"));
    response
}

/// The parameters in the URL and the headers.
struct BulkCall {
    params: HashMap<String, String>,
    rule: Option<TenantRule>,
    caller: Caller,
}

impl BulkCall {
    fn read(
        caller: Caller,
        params: Result<RawPathParams, RawPathParamsRejection>,
        pairs: &Pairs,
        headers: &HeaderMap,
    ) -> Result<Self> {
        let params =
            params.map_err(|cause| Error::invalid("the path is not UTF-8 text").because(cause))?;
        let params: HashMap<String, String> =
            params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let rule = tenant_rule(&caller, params.get("tenant").map(String::as_str), pairs, headers)?;
        Ok(Self { params, rule, caller })
    }

    fn param(&self, name: &str) -> Option<&str> {
        self.params.get(name).map(String::as_str)
    }
}

async fn bulk_call(
    State(app): State<App>,
    caller: Caller,
    params: Result<RawPathParams, RawPathParamsRejection>,
    pairs: Pairs,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ElasticError> {
    let started = Instant::now();
    let call = BulkCall::read(caller.clone(), params, &pairs, &headers)?;
    let body = PackedBody::read(&app, &headers, body, BOUNDS).await?;
    let items = take(&app, &caller, body, move |engine, body| {
        let whole = body.whole()?;
        let actions = bulk::parse(&whole, call.param("index"))?;
        body.hold(actions.len(), whole.len())?;
        Ok(BulkRequest::of(engine, &actions, &call))
    });
    let items = items.await?;
    let answer = BulkAnswer {
        took: started.elapsed().as_millis() as u64,
        errors: items.iter().any(|item| item.done.error.is_some()),
        items,
    };
    Ok(respond(StatusCode::OK, json_text(&answer)?))
}

async fn append_only() -> ElasticError {
    Error::invalid("append-only: documents are neither changed nor deleted").into()
}

/// Ingests one document: the answer is that of its action, without the action around it.
async fn document_call(
    State(app): State<App>,
    caller: Caller,
    params: Result<RawPathParams, RawPathParamsRejection>,
    pairs: Pairs,
    request: Request,
) -> Result<Response, ElasticError> {
    let (parts, body) = request.into_parts();
    let call = BulkCall::read(caller.clone(), params, &pairs, &parts.headers)?;
    if let Some(id) = call.param("id").filter(|id| id.starts_with('_')) {
        // An interface that is not served, and no document of that name.
        let what = format!("{} is not supported: send [_bulk], or a document", clip(id, 40));
        return Err(Error::invalid(what).into());
    }
    let body = PackedBody::read(&app, &parts.headers, body, BOUNDS).await?;
    let items = take(&app, &caller, body, move |engine, body| {
        let whole = body.whole()?;
        let (index, id) = (call.param("index").map(Into::into), call.param("id").map(Into::into));
        let action =
            Action { operation: BulkOperation::Index, index, id, document: whole.trim_ascii() };
        Ok(BulkRequest::of(engine, &[action], &call))
    });
    let item = items.await?.pop().ok_or_else(|| Error::internal("a document without an answer"))?;
    let status =
        StatusCode::from_u16(item.done.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(cause) = &item.done.error {
        let cause = serde_json::to_value(cause).unwrap_or_default();
        let body = json!({ "error": { "root_cause": [cause], "type": cause["type"],
            "reason": cause["reason"] }, "status": item.done.status });
        return Ok(respond(status, body.to_string()));
    }
    // rsyslog would take a `status` key for a failure.
    let mut body = serde_json::to_value(&item.done).unwrap_or_default();
    body.as_object_mut().map(|body| body.remove("status"));
    Ok(respond(status, body.to_string()))
}

fn json_text(answer: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(answer)
        .map_err(|cause| Error::internal("cannot write JSON").because(cause))
}

/// Ingests the documents of a body's actions, and returns the outcome of each action.
async fn take(
    app: &App,
    caller: &Caller,
    body: PackedBody,
    mut ask: impl FnMut(&Engine, &mut PackedBody) -> Result<BulkRequest> + Send + 'static,
) -> Result<Vec<Item>> {
    let decode = move |engine: &Engine, body: &mut PackedBody| {
        let mut asked = ask(engine, body)?;
        Ok((std::mem::take(&mut asked.batch), None, asked))
    };
    let (outcome, asked) = app.take_in("Elasticsearch _bulk", caller, body, decode).await?;
    // There may be a hundred thousand of them.
    app.run(move |_| Ok(asked.answered(&outcome))).await
}

/// The actions of a request.
struct BulkRequest {
    /// The documents to ingest; each one's line is the number of its action, from 1.
    batch: DecodedBatch,
    /// The ids of their events, by line.
    ids: HashMap<u64, String>,
    actions: Vec<BulkAction>,
}

/// The parts of an action that the answer needs.
struct BulkAction {
    operation: BulkOperation,
    index: String,
    id: Option<String>,
    /// The answer, if it was refused without looking at its document.
    refused: Option<ItemResult>,
}

impl BulkRequest {
    fn of(engine: &Engine, actions: &[Action<'_>], call: &BulkCall) -> Self {
        let mut asked = Vec::with_capacity(actions.len());
        let mut wanted: BTreeMap<String, (TenantRule, Vec<IncomingRecord>)> = BTreeMap::new();
        let mut batch = DecodedBatch::default();
        for (line, action) in (1..).zip(actions) {
            let mut refused = None;
            match addressed(action, call) {
                Ok((rule, bytes)) => {
                    let group =
                        wanted.entry(format!("{rule:?}")).or_insert_with(|| (rule, Vec::new()));
                    group.1.push(IncomingRecord::new(line, bytes));
                }
                Err(refusal) => {
                    if let Some(tenant) = &refusal.foreign {
                        batch.foreign.note(tenant);
                    }
                    refused = Some(*refusal);
                }
            }
            let index = action.index.as_deref().unwrap_or_default().to_owned();
            asked.push(BulkAction {
                operation: action.operation,
                index,
                id: action.id.as_deref().map(str::to_owned),
                refused,
            });
        }
        for (rule, records) in wanted.into_values() {
            let decoded = engine.decode(records, None, &rule);
            batch.events.extend(decoded.events);
            batch.lines.extend(decoded.lines);
            batch.rejected.extend(decoded.rejected);
            decoded.foreign.names().iter().for_each(|tenant| batch.foreign.note(tenant));
        }
        let batch = tell_repeats_apart(in_order(batch));
        let ids = batch
            .lines
            .iter()
            .copied()
            .zip(batch.events.iter().map(|event| event.trace_id().to_owned()))
            .collect();
        Self { batch, ids, actions: asked }
    }

    /// The outcome of each action.
    fn answered(self, outcome: &Outcome) -> Vec<Item> {
        let Self { mut ids, actions, .. } = self;
        let mut next_seq = outcome.receipt.first_seq.unwrap_or_default();
        let refused: HashMap<u64, &Refused> =
            outcome.quarantined.listed().iter().map(|refused| (refused.line, refused)).collect();
        let known: HashSet<u64> = outcome.duplicate_lines.iter().copied().collect();
        let item = |(line, action): (u64, BulkAction)| {
            let BulkAction { operation, index, id, refused: refusal } = action;
            // The client knows its document by its own id, which may be a part of the trace id.
            let own = |trace_id: String| match &id {
                Some(id) if trace_id == joined_id(without_date(&index), id) => id.clone(),
                _ => trace_id,
            };
            let id = ids.remove(&line).map(own).or(id);
            let done = match (refusal, refused.get(&line)) {
                (Some(refusal), _) => refusal,
                (None, Some(refused)) if refused.conflict => {
                    let reason = format!(
                        "[{}]: version conflict: {}",
                        id.as_deref().unwrap_or_default(),
                        refused.reason
                    );
                    ItemResult::refused(index, id, 409, "version_conflict_engine_exception", reason)
                }
                (None, Some(_)) => ItemResult::created(index, id, 0),
                (None, None) if known.contains(&line) => ItemResult::noop(index, id),
                (None, None) => {
                    next_seq += 1;
                    ItemResult::created(index, id, next_seq - 1)
                }
            };
            Item { operation, done }
        };
        (1..).zip(actions).map(item).collect()
    }
}

/// Sorts a batch by line, which is the order in which its events are numbered.
fn in_order(batch: DecodedBatch) -> DecodedBatch {
    let mut events: Vec<_> = batch.lines.into_iter().zip(batch.events).collect();
    events.sort_by_key(|(line, _)| *line);
    let (lines, events) = events.into_iter().unzip();
    DecodedBatch { events, lines, rejected: batch.rejected, foreign: batch.foreign }
}

/// Returns the record of an action and its tenant.
fn addressed(
    action: &Action<'_>,
    call: &BulkCall,
) -> Result<(TenantRule, Vec<u8>), Box<ItemResult>> {
    let id = action.id.as_deref();
    let shown = action.index.as_deref().unwrap_or_default();
    let refuse = |kind: &'static str, reason: String| {
        Box::new(ItemResult::refused(
            clip(shown, 100),
            id.map(|id| clip(id, 100)),
            400,
            kind,
            reason,
        ))
    };
    if matches!(action.operation, BulkOperation::Update | BulkOperation::Delete) {
        let what =
            format!("append-only: [{}] is not supported, send [create]", action.operation.name());
        return Err(refuse("illegal_argument_exception", what));
    }
    let Some(index) = action.index.as_deref() else {
        return Err(refuse("action_request_validation_exception", "index is missing".to_owned()));
    };
    if index.len() > INDEX_BYTES_MAX {
        return Err(refuse(
            "invalid_index_name_exception",
            format!("the name of the index is longer than {INDEX_BYTES_MAX} bytes"),
        ));
    }
    // It stands before the id of a document where indices share a tenant.
    if index.contains('/') {
        return Err(refuse(
            "invalid_index_name_exception",
            "the name of an index has no slash".to_owned(),
        ));
    }
    if id.is_some_and(|id| id.len() > ID_BYTES_MAX) {
        return Err(refuse(
            "illegal_argument_exception",
            format!("_id is longer than {ID_BYTES_MAX} bytes"),
        ));
    }
    let rule = match &call.rule {
        Some(rule) => rule.clone(),
        None => match check_producer(without_date(index)) {
            Ok(tenant) => TenantRule::Is(tenant.to_owned()),
            Err(error) => {
                return Err(refuse(
                    "invalid_index_name_exception",
                    format!("no tenant is named, and the index gives none: {error}"),
                ));
            }
        },
    };
    if let TenantRule::Is(tenant) = &rule
        && let Err(error) = call.caller.check(Permission::Ingest, tenant)
    {
        let (index, id) = (clip(shown, 100), id.map(|id| clip(id, 100)));
        let reason = error.to_string();
        let mut refused = ItemResult::refused(index, id, 403, "security_exception", reason);
        refused.foreign = Some(tenant.clone());
        return Err(Box::new(refused));
    }
    // Indices that share a tenant have ids of their own.
    let name = without_date(index);
    let shared = !matches!(&rule, TenantRule::Is(tenant) if tenant == name);
    let id = id.map(|id| (id, shared.then_some(name)));
    Ok((rule, with_address(index, id, action.document)))
}

/// Returns the document with the contents of its action in front; its own bytes do not change.
///
/// An id may come with the name of the index that it belongs to.
fn with_address(index: &str, id: Option<(&str, Option<&str>)>, document: &[u8]) -> Vec<u8> {
    // A document that is not an object is kept as it is, and the decoder refuses it.
    let Some(rest) = document.strip_prefix(b"{") else { return document.to_vec() };
    let mut record = format!("{{\"_index\":{}", json!(index));
    if let Some((id, of)) = id {
        // It stands before the id, where no member of the document can.
        if let Some(of) = of {
            record.push_str(&format!(",\"_id_of\":{}", json!(of)));
        }
        record.push_str(&format!(",\"_id\":{}", json!(id)));
    }
    let mut record = record.into_bytes();
    if rest.trim_ascii() != b"}" {
        record.push(b',');
    }
    record.extend_from_slice(rest);
    record
}

/// Returns the name of an index without the date that shippers append: `logs-2026.11.23`,
/// `logs-2026.11`, `logs-2026-11-23`, `logs-2026.w47`, also with the number of a rollover after it
/// (`logs-2026.11.23-000001`).
///
/// A year alone is part of the name: `server-2016` and `server-2019` are two owners.
fn without_date(index: &str) -> &str {
    let bare = match index.rsplit_once('-') {
        Some((bare, number)) if number.len() == 6 && all_digits(number) => bare,
        _ => index,
    };
    let dates = ["-20", ".20", "_20"].into_iter().flat_map(|start| bare.rmatch_indices(start));
    let mut dates = dates.map(|(at, _)| at).filter(|at| *at > 0 && is_date(&bare[at + 1..]));
    dates.next().map_or(index, |at| &bare[..at])
}

/// Returns whether a text is a year with a month, a week, a date or an hour of a date.
fn is_date(text: &str) -> bool {
    let Some((year, rest)) = text.split_at_checked(4) else { return false };
    let Some(rest) = rest.strip_prefix(['.', '-', '_']) else { return false };
    let is_number = |part: &str| all_digits(part) && part.len() == 2;
    let parts: Vec<&str> = rest.split(['.', '-', '_']).collect();
    let is_week = |part: &str| part.strip_prefix(['w', 'W']).is_some_and(is_number);
    all_digits(year)
        && match parts.as_slice() {
            [week] if is_week(week) => true,
            parts => parts.len() <= 3 && parts.iter().all(|part| is_number(part)),
        }
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::{with_address, without_date};

    #[test]
    fn the_action_is_written_in_front_of_the_documents_own_bytes() {
        let text = |id, document: &str| {
            String::from_utf8(with_address("i", id, document.as_bytes())).expect("text")
        };
        assert_eq!(
            text(Some(("a\"b", None)), "{ \"x\": 1.50 }"),
            "{\"_index\":\"i\",\"_id\":\"a\\\"b\", \"x\": 1.50 }"
        );
        assert_eq!(
            text(Some(("a", Some("i"))), "{}"),
            "{\"_index\":\"i\",\"_id_of\":\"i\",\"_id\":\"a\"}"
        );
        assert_eq!(text(None, "{ }"), "{\"_index\":\"i\" }");
        assert_eq!(text(None, "[1]"), "[1]");
    }

    #[test]
    fn an_index_without_its_date_is_the_tenant() {
        for (index, name) in [
            ("audit", "audit"),
            ("logstash-2026.11.22", "logstash"),
            ("audit-2025", "audit-2025"),
            ("vector-2026-11", "vector"),
            ("team-20th", "team-20th"),
            ("-2026.11", "-2026.11"),
            ("server-2016-2026.11.20", "server-2016"),
            ("app-200-2026.11.20", "app-200"),
            ("logs-2026.w47", "logs"),
            ("logs-2026.11.20-000001", "logs"),
            ("logs-2026.11.20-06", "logs"),
            ("logs-2026.11.20-eu", "logs-2026.11.20-eu"),
            ("logs-000001", "logs-000001"),
            ("logs-2026.é7", "logs-2026.é7"),
        ] {
            assert_eq!(without_date(index), name);
        }
    }
}
