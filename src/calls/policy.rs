//! Calls about retention, holds and tenants: how long events are kept, what is kept regardless of
//! its age, and what a tenant refuses.

use super::Pairs;
use super::params::segment;
use crate::access::{Caller, Permission, Scope};
use crate::engine::{Engine, Retention, TenantTotals};
use crate::error::{Error, ErrorKind, Result};
use crate::maintain::{Hold, Policy};
use crate::query::QueryBudget;
use serde_json::{Map, Value, json};

/// The value of a number of days that means no limit.
const FOREVER: &str = "forever";

/// A call about the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyCall {
    /// Show the policy.
    Show,
    /// Set the `days` of a `tenant` or of all others, or `floor_days`.
    Retain,
    /// Delete events past their retention; with `dry_run=true`, only report them.
    Run,
    /// Place a hold: `tenant`, `reason` and a filter.
    Place(String),
    /// Lift a hold: `reason`.
    Lift(String),
    /// List the tenants that have events, or these of them.
    Tenants,
    /// Set what a tenant does with `undated` records.
    Tenant(String),
}

impl PolicyCall {
    /// Returns the method and path over HTTP.
    pub fn route(&self) -> (&'static str, String) {
        match self {
            Self::Show => ("GET", "/api/v1/retention".to_owned()),
            Self::Retain => ("PUT", "/api/v1/retention".to_owned()),
            Self::Run => ("POST", "/api/v1/retention/run".to_owned()),
            Self::Place(name) => ("PUT", format!("/api/v1/holds/{}", segment(name))),
            Self::Lift(name) => ("DELETE", format!("/api/v1/holds/{}", segment(name))),
            Self::Tenants => ("GET", "/api/v1/tenants".to_owned()),
            Self::Tenant(name) => ("PATCH", format!("/api/v1/tenants/{}", segment(name))),
        }
    }

    /// Carries out the call.
    ///
    /// # Errors
    /// A parameter that is wrong, by its name; a disk that fails.
    pub fn answer(&self, engine: &Engine, caller: &Caller, pairs: &Pairs) -> Result<Value> {
        engine.check_current(caller)?;
        match self {
            Self::Show => pairs.only(&[]).and_then(|()| shown(&engine.policy(), caller)),
            Self::Retain => {
                pairs.only(&["tenant", "days", "floor_days"])?;
                let change = retention(pairs)?;
                match &change {
                    Retention::Days(Some(tenant), _) => check_owner(caller, tenant)?,
                    _ => caller.check_store(Permission::ManageStore)?,
                }
                shown(&*engine.set_retention(&caller.actor(), &change)?, caller)
            }
            Self::Run => {
                pairs.only(&["dry_run"])?;
                caller.check_store(Permission::ManageStore)?;
                let dry = pairs.flag("dry_run")?;
                let expired =
                    if dry { engine.expirable()? } else { engine.expire(&caller.actor())? };
                Ok(json!({ "dry_run": dry, "events": expired.events, "held": expired.held,
                        "tenants": expired.tenants, "segments": expired.segments,
                        "quarantined": expired.quarantined,
                        "quarantined_held": expired.quarantined_held }))
            }
            Self::Place(name) => {
                let tenants = pairs.all("tenant");
                tenants.iter().try_for_each(|tenant| check_owner(caller, tenant))?;
                let tenants = tenants.into_iter().map(str::to_owned).collect();
                let filter = pairs
                    .0
                    .iter()
                    .filter(|(name, _)| name != "tenant" && name != "reason")
                    .cloned()
                    .collect();
                let reason = pairs.one("reason")?.unwrap_or_default();
                shown(&*engine.place_hold(&caller.actor(), name, tenants, filter, reason)?, caller)
            }
            Self::Lift(name) => {
                pairs.only(&["reason"])?;
                let is_others = |hold: &Hold| {
                    hold.tenants.iter().any(|tenant| check_owner(caller, tenant).is_err())
                };
                // A hold of another tenant is none, as far as the caller can see.
                if engine.policy().holds.get(name).is_some_and(is_others) {
                    let what = "there is no hold with this name";
                    return Err(Error::new(ErrorKind::NotFound, what));
                }
                let reason = pairs.one("reason")?.unwrap_or_default();
                shown(&*engine.lift_hold(&caller.actor(), name, reason)?, caller)
            }
            Self::Tenants => tenants(engine, caller, pairs, None),
            Self::Tenant(name) => {
                pairs.only(&["undated"])?;
                let accepted = match pairs.one("undated")? {
                    Some("accept") => true,
                    Some("refuse") => false,
                    _ => return Err(Error::parameter("undated", "is accept or refuse")),
                };
                check_owner(caller, name)?;
                let policy = engine.set_undated(&caller.actor(), name, accepted)?;
                Ok(json!({ "tenant": name, "undated": undated(&policy, name) }))
            }
        }
    }
}

fn retention(pairs: &Pairs) -> Result<Retention> {
    let tenant = pairs.one("tenant")?.map(str::to_owned);
    match (pairs.one("days")?, pairs.number("floor_days")?) {
        (None, Some(floor)) if tenant.is_none() => {
            Ok(Retention::Floor(u32::try_from(floor).unwrap_or(u32::MAX)))
        }
        (Some(FOREVER), None) => Ok(Retention::Days(tenant, None)),
        (Some(days), None) => {
            let days = days.parse().map_err(|_| {
                Error::parameter("days", format!("is a number of days, or {FOREVER}"))
            })?;
            Ok(Retention::Days(tenant, Some(days)))
        }
        (None, None) => Err(Error::parameter(
            "days",
            format!("say for how many days events are kept, or {FOREVER}"),
        )),
        _ => Err(Error::parameter("floor_days", "stands alone: it is about every tenant")),
    }
}

/// Fails unless the caller may change a setting of a tenant: who runs the store may for any, `*`
/// included.
fn check_owner(caller: &Caller, tenant: &str) -> Result<()> {
    match caller.may(Permission::ManageStore) {
        true => Ok(()),
        false => caller.check(Permission::ManageTenant, tenant),
    }
}

/// Answers [`PolicyCall::Tenants`] within a budget: whoever sees only some events is told of those,
/// which must be counted.
///
/// # Errors
/// A parameter that is wrong, by its name; more work than the budget allows.
pub fn tenants(
    engine: &Engine,
    caller: &Caller,
    pairs: &Pairs,
    budget: Option<&QueryBudget>,
) -> Result<Value> {
    pairs.only(&["tenant"])?;
    let scope = caller.scope_or_all(&pairs.all("tenant"))?;
    let policy = engine.policy();
    let shown = |total: &TenantTotals| {
        json!({ "tenant": total.tenant, "events": total.events,
            "newest": total.newest.to_string(), "oldest": total.oldest.to_string(),
            "undated": undated(&policy, &total.tenant) })
    };
    Ok(json!({ "tenants": engine.tenants(&scope, budget)?.iter().map(shown).collect::<Vec<_>>() }))
}

/// Says what a tenant does with records without a time.
pub(super) fn undated(policy: &Policy, tenant: &str) -> &'static str {
    if policy.refusing_undated.contains(tenant) { "refuse" } else { "accept" }
}

/// Formats the policy as the API shows it: days as numbers, or the word for no limit. A caller sees
/// what is about its own tenants.
fn shown(policy: &Policy, caller: &Caller) -> Result<Value> {
    let sees_all = caller.may(Permission::ManageStore) || caller.may(Permission::ManageAccess);
    let scope = match sees_all {
        true => None,
        false => Some(caller.scope_or_all(&[])?),
    };
    let sees = |tenant: &str| match &scope {
        None => true,
        Some(scope) if tenant == "*" => scope.named().is_none(),
        Some(scope) => scope.covers(tenant),
    };
    let days = |days: Option<u32>| days.map_or_else(|| Value::from(FOREVER), Value::from);
    let tenants: Map<String, Value> = policy
        .tenants
        .iter()
        .filter(|(tenant, _)| sees(tenant))
        .map(|(tenant, own)| (tenant.clone(), days(*own)))
        .collect();
    let is_restricted = scope.as_ref().is_some_and(Scope::is_restricted);
    // Who sees a part of a tenant's events is not told what is investigated, nor that something is.
    let sees_whole = |tenant: &str| {
        let is_whole = || caller.scope(&[tenant]).is_ok_and(|own| !own.is_restricted());
        sees(tenant) && (!is_restricted || is_whole())
    };
    let hold = |(name, hold): (&String, &Hold)| {
        let tenants: Vec<&String> =
            hold.tenants.iter().filter(|tenant| sees_whole(tenant)).collect();
        // Filter and reason may be about what the caller does not see.
        if tenants.len() < hold.tenants.len() {
            let shown = json!({ "tenant": tenants, "filter": {}, "reason": "",
                "placed": hold.placed, "withheld": true });
            return (name.clone(), shown);
        }
        let mut filter = Map::new();
        for (name, value) in &hold.filter {
            let values = filter.entry(name.clone()).or_insert_with(|| json!([]));
            values.as_array_mut().expect("just made").push(value.as_str().into());
        }
        (
            name.clone(),
            json!({ "tenant": tenants, "filter": filter, "reason": hold.reason,
                "placed": hold.placed }),
        )
    };
    let visible =
        |(_, hold): &(&String, &Hold)| hold.tenants.iter().any(|tenant| sees_whole(tenant));
    let holds: Map<String, Value> = policy.holds.iter().filter(visible).map(hold).collect();
    let refusing: Vec<&String> =
        policy.refusing_undated.iter().filter(|tenant| sees(tenant)).collect();
    Ok(json!({
        "version": policy.version, "floor_days": policy.floor_days,
        "default_days": days(policy.default_days), "tenants": tenants,
        "holds": holds, "refusing_undated": refusing,
    }))
}
