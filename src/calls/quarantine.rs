//! Calls about quarantine: which records could not be decoded, why, and decoding them again.

use super::{Pairs, parse_format};
use crate::access::{Caller, Permission};
use crate::engine::{DecodeAgain, Engine};
use crate::error::{Error, Result};
use crate::event::Timestamp;
use crate::ingest::{QuarantineAsk, TenantRule};
use serde_json::{Value, json};

/// Records on a page by default, and at most.
const ROWS: (usize, usize) = (100, 1_000);
/// Records that one call decodes again by default, and at most.
const AGAIN: (usize, usize) = (10_000, 100_000);
/// The longest text that can be searched for, in bytes.
const SUBSTRING_BYTES_MAX: usize = 1_000;
/// Parameters that select records by what is known of them without reading them.
const FILTER: &[&str] = &["tenant", "from", "to", "reason", "source"];
/// Further parameters of a page.
const PAGED: &[&str] = &["substring", "limit", "after"];
/// Further parameters of decoding again.
const DECODED: &[&str] = &["format", "unknown_tenant", "tenant_from", "dry_run"];

/// A call about quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuarantineCall {
    /// List records, newest first.
    List,
    /// Count records by kind of reason.
    Reasons,
    /// Decode records again.
    Decode,
}

impl QuarantineCall {
    /// Returns the method and path over HTTP.
    pub fn route(self) -> (&'static str, &'static str) {
        match self {
            Self::List => ("GET", "/api/v1/quarantine"),
            Self::Reasons => ("GET", "/api/v1/quarantine/reasons"),
            Self::Decode => ("POST", "/api/v1/quarantine/decode"),
        }
    }

    /// Carries out the call.
    ///
    /// # Errors
    /// A parameter that is wrong, by its name; a disk that fails.
    pub fn answer(self, engine: &Engine, caller: &Caller, pairs: &Pairs) -> Result<Value> {
        engine.check_current(caller)?;
        match self {
            Self::List => {
                pairs.only(&[FILTER, PAGED].concat())?;
                asked((caller, pairs), ROWS, |ask| {
                    let page = engine.quarantine(ask)?;
                    Ok(with_damage(
                        json!({ "total": page.total, "records": page.records, "next": page.next }),
                        page.damaged,
                    ))
                })
            }
            Self::Reasons => {
                pairs.only(FILTER)?;
                asked((caller, pairs), ROWS, |ask| {
                    let (reasons, damaged) = engine.quarantine_reasons(ask)?;
                    let total: u64 = reasons.iter().map(|reason| reason.count).sum();
                    Ok(with_damage(json!({ "total": total, "reasons": reasons }), damaged))
                })
            }
            Self::Decode => {
                pairs.only(&[FILTER, PAGED, DECODED].concat())?;
                asked((caller, pairs), AGAIN, |ask| {
                    let done = engine.decode_again(
                        &caller.actor(),
                        &DecodeAgain {
                            ask: *ask,
                            format: pairs.one("format")?.map_or(Ok(None), parse_format)?,
                            unknown: unknown(caller, pairs)?,
                            dry_run: pairs.flag("dry_run")?,
                        },
                    )?;
                    Ok(json!(done))
                })
            }
        }
    }
}

/// Returns the rule for records whose tenant is unknown, if there is one.
fn unknown(caller: &Caller, pairs: &Pairs) -> Result<Option<TenantRule>> {
    let (tenant, path) = (pairs.one("unknown_tenant")?, pairs.one("tenant_from")?);
    if tenant.is_none() && path.is_none() {
        return Ok(None);
    }
    let named = |error: Error| {
        let at = if path.is_none() { "unknown_tenant" } else { "tenant_from" };
        error.with_parameter(at)
    };
    if let Some(tenant) = tenant {
        caller.check(Permission::DecodeQuarantine, tenant)?;
    }
    TenantRule::new(tenant, path).map(Some).map_err(named)
}

/// Builds the selection from the parameters; `limits` are its default and its maximum.
fn asked(
    (caller, pairs): (&Caller, &Pairs),
    limits: (usize, usize),
    ask: impl FnOnce(&QuarantineAsk<'_>) -> Result<Value>,
) -> Result<Value> {
    let limit = pairs.number("limit")?.unwrap_or(limits.0);
    if !(1..=limits.1).contains(&limit) {
        return Err(Error::parameter("limit", format!("is 1 to {}", limits.1)));
    }
    let substring = pairs.one("substring")?;
    if substring.is_some_and(|text| text.is_empty() || text.len() > SUBSTRING_BYTES_MAX) {
        return Err(Error::parameter(
            "substring",
            format!("must be a text of 1 to {SUBSTRING_BYTES_MAX} bytes"),
        ));
    }
    let scope = caller.scope(&pairs.all("tenant"))?;
    scope.check_whole("records that could not be decoded")?;
    // Only who sees all tenants sees records whose tenant is unknown.
    let tenant = |tenant: Option<&str>| {
        tenant.map_or(scope.named().is_none(), |tenant| scope.covers(tenant))
    };
    let moment = |name: &str| {
        let parsed = pairs
            .one(name)?
            .map(|text| Timestamp::parse(text).map_err(|error| error.with_parameter(name)));
        parsed.transpose()
    };
    ask(&QuarantineAsk {
        tenant: &tenant,
        from: moment("from")?,
        to: moment("to")?,
        reason: pairs.one("reason")?,
        source: pairs.one("source")?,
        substring,
        after: pairs.one("after")?,
        limit,
    })
}

/// Reports what could not be read; the rest is answered.
fn with_damage(mut answer: Value, damaged: Vec<String>) -> Value {
    if !damaged.is_empty() {
        answer["damaged"] = damaged.into();
    }
    answer
}
