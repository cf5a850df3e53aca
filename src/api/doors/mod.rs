//! The doors: every protocol by which producers deliver records. Each reports the outcome in its
//! own protocol.
//!
//! All doors hand records to the engine in the same way, and answer when the records are durable.
//! Records that cannot be decoded go to quarantine instead of being refused, because most shippers
//! drop a refused record or repeat it forever. Overload is answered with 503 and `Retry-After`; all
//! of them retry later.
//!
//! The tenant of the records is determined by the first of these: the door's path, `tenant=` or
//! `tenant_from=` in the URL, the header `X-Annals-Tenant`, the only tenant of the caller. If none
//! is given, the Elasticsearch door uses the name of the index without its date. A caller delivers
//! for its own tenants only.

mod body;
mod chunks;
mod cloudevents;
mod elastic;
mod kubernetes;
mod native;
mod otlp;
mod room;

pub(super) use body::HeldBody;
pub(super) use elastic::root as elastic_root;
pub(super) use room::BodyRoom;

use super::App;
use crate::access::{Caller, Permission};
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
use std::sync::Arc;

/// The header by which clients that cannot change their URL name the tenant.
const TENANT_HEADER: &str = "x-annals-tenant";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .merge(native::routes())
        .merge(elastic::routes())
        .merge(otlp::routes())
        .merge(cloudevents::routes())
        .merge(kubernetes::routes())
}

/// Determines the tenant of a request's records; `None` if the request does not name one.
fn tenant_rule(
    caller: &Caller,
    path: Option<&str>,
    pairs: &Pairs,
    headers: &HeaderMap,
) -> Result<Option<TenantRule>> {
    let (named, from) = (pairs.one("tenant")?, pairs.one("tenant_from")?);
    let header = headers.get(TENANT_HEADER).map(|value| value.to_str().unwrap_or_default());
    let tenant = path.or(named).or(header.filter(|_| from.is_none()));
    let tenant = tenant.or(caller.only_tenant().filter(|_| from.is_none()));
    if tenant.is_none() && from.is_none() {
        return Ok(None);
    }
    if let Some(tenant) = tenant {
        caller.check(Permission::Ingest, tenant)?;
    }
    let rule = match (TenantRule::new(tenant, from)?, caller.deliverable()) {
        (TenantRule::At(path), Some(own)) => TenantRule::Among(path, Arc::new(own.clone())),
        (rule, _) => rule,
    };
    Ok(Some(rule))
}

/// The path of a door, which may name the tenant.
type TenantPath = std::result::Result<Option<Path<String>>, PathRejection>;

/// Determines the tenant for doors that require one.
fn required_tenant(
    caller: &Caller,
    path: TenantPath,
    pairs: &Pairs,
    headers: &HeaderMap,
) -> Result<TenantRule> {
    let path =
        path.map_err(|cause| Error::parameter("tenant", "is not UTF-8 text").because(cause))?;
    let path = path.as_ref().map(|Path(tenant)| tenant.as_str());
    match tenant_rule(caller, path, pairs, headers)? {
        Some(rule) => Ok(rule),
        None => TenantRule::new(None, None),
    }
}

/// Marks the second and later of equal records without ids in one request, so that each becomes a
/// separate event: logs may contain the same line twice. If the whole request is sent again, it
/// gets the same marks, and its records are duplicates.
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
    // A record that decoded also decodes with one more key; if not, it stays a duplicate.
    let marked = record.and_then(|record| decode::decode(&record, format).ok());
    let Some(mut marked) = marked else { return event.clone() };
    marked.tenant = event.tenant.clone();
    marked
}
