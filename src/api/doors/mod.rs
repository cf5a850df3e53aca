//! The doors: every protocol by which producers deliver records. Each says in its own protocol what
//! became of them.
//!
//! All doors hand records to the engine in the same way and answer when these are durable. What
//! cannot be decoded goes to quarantine instead of being refused: most shippers drop what is
//! refused, or repeat it for ever. Overload is 503 with `Retry-After`, which they all repeat later.
//!
//! Whose records they are is said by the first of: the door's path, `tenant=` or `tenant_from=` in
//! the URL, the header `X-Annals-Tenant`. The Elasticsearch door takes the name of the index,
//! without its date, where nothing else says it.

mod body;
mod cloudevents;
mod elastic;
mod kubernetes;
mod native;
mod otlp;
mod room;

pub(super) use body::read_body;
pub(super) use elastic::root as elastic_root;
pub(super) use room::BodyRoom;

use super::App;
use crate::calls::Pairs;
use crate::decode::{self, Format};
use crate::error::{Error, Result};
use crate::event::{Event, Field};
use crate::ingest::{DecodedBatch, TenantRule};
use axum::Router;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::HeaderMap;
use std::collections::HashMap;

/// The header by which clients that cannot change their URL say whose records they send.
const TENANT_HEADER: &str = "x-annals-tenant";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .merge(native::routes())
        .merge(elastic::routes())
        .merge(otlp::routes())
        .merge(cloudevents::routes())
        .merge(kubernetes::routes())
}

/// Whose records a request delivers; `None` if it does not say.
fn tenant_rule(
    path: Option<&str>,
    pairs: &Pairs,
    headers: &HeaderMap,
) -> Result<Option<TenantRule>> {
    let (named, from) = (pairs.one("tenant")?, pairs.one("tenant_from")?);
    let header = headers.get(TENANT_HEADER).map(|value| value.to_str().unwrap_or_default());
    let tenant = path.or(named).or(header.filter(|_| from.is_none()));
    if tenant.is_none() && from.is_none() {
        return Ok(None);
    }
    TenantRule::new(tenant, from).map(Some)
}

/// A door's path, which may say whose records they are.
type TenantPath = std::result::Result<Option<Path<String>>, PathRejection>;

/// The same for doors that must be told.
fn required_tenant(path: TenantPath, pairs: &Pairs, headers: &HeaderMap) -> Result<TenantRule> {
    let path = path.map_err(|cause| Error::parameter("tenant", "is no text").because(cause))?;
    match tenant_rule(path.as_ref().map(|Path(tenant)| tenant.as_str()), pairs, headers)? {
        Some(rule) => Ok(rule),
        None => TenantRule::new(None, None),
    }
}

/// Marks the second and later of equal records without ids in one request, so that each is an event
/// of its own: log lines may say the same thing twice. The whole request sent again gets the same
/// marks, and is known.
fn tell_repeats_apart(mut batch: DecodedBatch) -> DecodedBatch {
    let mut seen: HashMap<(Box<str>, Box<str>), u32> = HashMap::new();
    for event in &mut batch.events {
        if !event.trace_id().starts_with(decode::HASH_ID) {
            continue;
        }
        let count = seen.entry((event.tenant.clone(), event.trace_id().into())).or_default();
        *count += 1;
        if *count > 1 {
            *event = marked(event, *count);
        }
    }
    batch
}

fn marked(event: &Event, count: u32) -> Event {
    let record = event
        .original
        .trim_end()
        .strip_suffix('}')
        .map(|record| format!("{record},\"_repeat\":{count}}}"));
    let format = event.text(Field::Format).and_then(Format::from_name);
    // What decoded once decodes with one key more; if not, it stays a duplicate.
    let marked = record.and_then(|record| decode::decode(&record, format).ok());
    let Some(mut marked) = marked else { return event.clone() };
    marked.tenant = event.tenant.clone();
    marked
}
