//! `POST /api/v1/events`: records in every form that the splitter supports, and CloudEvents whose
//! attributes are headers.

use super::super::App;
use super::super::error::ApiError;
use super::body::{Bounds, PackedBody};
use super::cloudevents::Binary;
use super::{required_tenant, tell_repeats_apart};
use crate::access::Caller;
use crate::calls::{Pairs, parse_format};
use crate::decode::Format;
use crate::engine::{Engine, Outcome, RequestKey};
use crate::error::{Error, Result};
use crate::ingest::{DecodedBatch, TenantRule};
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use axum::{Json, Router};
use serde::Serialize;
use sha2::{Digest, Sha256};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/api/v1/events", post(ingest))
}

async fn ingest(
    State(app): State<App>,
    caller: Caller,
    pairs: Pairs,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<IngestAnswer>, ApiError> {
    let request = IngestRequest::read(&caller, &pairs, &headers)?;
    let body = PackedBody::read(&app, &headers, body, Bounds::default()).await?;
    let of_tenant = match &request.rule {
        TenantRule::Is(tenant) => tenant.clone(),
        TenantRule::At(_) | TenantRule::Among(..) => "*".to_owned(),
    };
    let decode = move |engine: &Engine, body: &mut PackedBody| {
        let (batch, key) = request.decode(engine, body)?;
        Ok((batch, key, ()))
    };
    let (outcome, ()) = app.take_in("POST /api/v1/events", &caller, body, decode).await?;
    let query = || Pairs(vec![("tenant".to_owned(), of_tenant)]).to_query();
    let quarantined_more =
        outcome.quarantined.has_more().then(|| format!("/api/v1/quarantine?{}", query()));
    Ok(Json(IngestAnswer { outcome, quarantined_more }))
}

/// The outcome of a request.
#[derive(Debug, Serialize)]
struct IngestAnswer {
    #[serde(flatten)]
    outcome: Outcome,
    /// A link to all quarantined records, if there are more than are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    quarantined_more: Option<String>,
}

/// The names of the parameters.
const PARAMETERS: &[&str] = &["format", "tenant", "tenant_from", "repeats"];

/// The parameters of `POST /api/v1/events`.
struct IngestRequest {
    format: Option<Format>,
    rule: TenantRule,
    /// The parameters that distinguish requests, and the request's own key.
    key: Option<String>,
    /// Whether equal records without ids in one request are events of their own. Readers of files,
    /// which may read a part of a file again, say that they are not.
    repeats_are_events: bool,
    /// A CloudEvent whose body is its data.
    binary: Option<Binary>,
}

impl IngestRequest {
    fn read(caller: &Caller, pairs: &Pairs, headers: &HeaderMap) -> Result<Self> {
        if let Some((name, _)) =
            pairs.0.iter().find(|(name, _)| !PARAMETERS.contains(&name.as_str()))
        {
            let known = PARAMETERS.join(", ");
            let what = format!("unknown parameter; this call takes {known}");
            return Err(Error::parameter(name, what));
        }
        let repeats_are_events = match pairs.one("repeats")? {
            None | Some("events") => true,
            Some("duplicates") => false,
            Some(_) => return Err(Error::parameter("repeats", "is events or duplicates")),
        };
        let format = parse_format(pairs.one("format")?.unwrap_or("auto"))?;
        let rule = required_tenant(caller, Ok(None), pairs, headers)?;
        let key = match headers.get("idempotency-key") {
            Some(value) => Some(idempotency_key(value.to_str().unwrap_or_default())?),
            None => None,
        };
        // Two principals may happen to take the same key.
        let key = key.map(|key| format!("{} {rule:?} {format:?} {key}", caller.name()));
        Ok(Self { format, rule, key, repeats_are_events, binary: Binary::read(headers) })
    }

    fn decode(
        &self,
        engine: &Engine,
        body: &mut PackedBody,
    ) -> Result<(DecodedBatch, Option<RequestKey>)> {
        let records = match &self.binary {
            Some(binary) => vec![binary.record(&body.whole()?)],
            None => body.records()?,
        };
        let batch = engine.decode(records, self.format, &self.rule);
        let batch = if self.repeats_are_events { tell_repeats_apart(batch) } else { batch };
        let request =
            self.key.as_ref().map(|key| RequestKey { key: key.clone(), body: digest(&batch) });
        Ok((batch, request))
    }
}

/// The longest `Idempotency-Key`, in bytes.
const KEY_BYTES_MAX: usize = 255;

/// Returns the key of a request, with or without the header's quotes
/// (draft-ietf-httpapi-idempotency-key-header).
fn idempotency_key(value: &str) -> Result<String> {
    let key = value.trim();
    let key = key.strip_prefix('"').and_then(|key| key.strip_suffix('"')).unwrap_or(key);
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(Error::parameter(
            "Idempotency-Key",
            format!("must be 1 to {KEY_BYTES_MAX} visible ASCII characters"),
        ));
    }
    Ok(key.to_owned())
}

/// Hashes the content of a request, however it was compressed: the records, and where each ends.
/// The hash is stored, so it is computed from the records as they are kept, after redaction: an
/// attacker with the hash of a whole record that lacks only a secret could test guesses of the
/// secret.
fn digest(batch: &DecodedBatch) -> String {
    let events =
        batch.lines.iter().copied().zip(batch.events.iter().map(|event| event.original.as_bytes()));
    let rejected = batch.rejected.iter().map(|rejected| (rejected.line, rejected.bytes.as_slice()));
    let mut records: Vec<(u64, &[u8])> = events.chain(rejected).collect();
    records.sort_by_key(|(line, _)| *line);
    let mut digest = Sha256::new();
    for (_, record) in records {
        digest.update((record.len() as u64).to_le_bytes());
        digest.update(record);
    }
    crate::event::hex(&digest.finalize())
}
