//! Changes of the policy: retention, legal holds, and what tenants refuse. The policy is one record
//! of the administrative state.

use crate::access::Actor;
use crate::engine::maintain::admin::Deed;
use crate::engine::{Engine, Shared};
use crate::error::{Error, Result};
use crate::event::Timestamp;
use crate::filter::{Filter, parse_filter};
use crate::maintain::{Hold, Policy};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// A change of how long events are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retention {
    /// The days of a tenant, or of all tenants that have none of their own; `None` is for ever.
    Days(Option<String>, Option<u32>),
    /// The fewest days that any tenant may have.
    Floor(u32),
}

impl Engine {
    /// Changes how long events are kept. Events that have then expired are deleted by the next run
    /// of retention.
    ///
    /// # Errors
    /// If there are fewer days than the floor, or the disk fails.
    pub fn set_retention(&self, actor: &Actor, change: &Retention) -> Result<Arc<Policy>> {
        let deed = |event_name, resource_name, details| Deed {
            event_name,
            resource_type: "retention",
            resource_id: None,
            resource_name: Some(resource_name),
            details,
        };
        match change {
            Retention::Days(tenant, days) => {
                let details = json!({ "tenant": tenant, "days": days });
                let name = tenant.as_deref().unwrap_or("default");
                let deed = deed("setRetention", name, details);
                self.change_policy(actor, &deed, |policy| policy.set_days(tenant.as_deref(), *days))
            }
            Retention::Floor(days) => {
                let deed = deed("raiseRetentionFloor", "floor", json!({ "floor_days": days }));
                self.change_policy(actor, &deed, |policy| policy.raise_floor(*days))
            }
        }
    }

    /// Sets whether a tenant takes records without a time, which are filed under their arrival and
    /// flagged, or refuses them, which puts them into quarantine.
    ///
    /// # Errors
    /// If the name is not a tenant's, or the disk fails.
    pub fn set_undated(&self, actor: &Actor, tenant: &str, accepted: bool) -> Result<Arc<Policy>> {
        let deed = Deed {
            event_name: "setTenant",
            resource_type: "tenant",
            resource_id: None,
            resource_name: Some(tenant),
            details: json!({ "undated": if accepted { "accept" } else { "refuse" } }),
        };
        self.change_policy(actor, &deed, |policy| policy.set_undated(tenant, accepted))
    }

    /// Places a legal hold. Once this returns, nothing that matches it is deleted.
    ///
    /// # Errors
    /// If the name is taken, if the filter is invalid or relative to now, or if the disk fails.
    pub fn place_hold(
        &self,
        actor: &Actor,
        name: &str,
        tenants: Vec<String>,
        filter: Vec<(String, String)>,
        reason: &str,
    ) -> Result<Arc<Policy>> {
        let now = self.shared.clock.now();
        if let Some((name, _)) = filter.iter().find(|(name, _)| name == "last") {
            return Err(Error::parameter(
                name,
                "a hold does not move with the time: give from and to",
            ));
        }
        parse_filter(&filter, &[], now)?;
        let hold = Hold { tenants, filter, reason: reason.to_owned(), placed: now.to_string() };
        let deed = deed_of_hold("placeHold", name, json!(hold));
        self.change_policy(actor, &deed, |policy| policy.place(name, hold))
    }

    /// Lifts a legal hold.
    ///
    /// # Errors
    /// If there is no such hold, or the disk fails.
    pub fn lift_hold(&self, actor: &Actor, name: &str, reason: &str) -> Result<Arc<Policy>> {
        let deed = deed_of_hold("liftHold", name, json!({ "reason": reason }));
        self.change_policy(actor, &deed, |policy| policy.lift(name, reason).map(drop))
    }

    /// Records a change of the policy and puts it in force. A deletion that is being committed
    /// under the old one has ended when this returns.
    fn change_policy(
        &self,
        actor: &Actor,
        deed: &Deed<'_>,
        change: impl FnOnce(&mut Policy) -> Result<()>,
    ) -> Result<Arc<Policy>> {
        self.change_recorded(actor, |_| {
            let mut policy = (*self.policy()).clone();
            change(&mut policy)?;
            if policy == *self.policy() {
                return Ok(None);
            }
            policy.version += 1;
            Ok(Some((deed.record(), vec![policy.record()])))
        })?;
        Ok(self.policy())
    }
}

fn deed_of_hold<'a>(event_name: &'a str, name: &'a str, details: Json) -> Deed<'a> {
    Deed {
        event_name,
        resource_type: "hold",
        resource_id: None,
        resource_name: Some(name),
        details,
    }
}

impl Shared {
    /// Returns the holds of a policy with their filters.
    pub(in crate::engine) fn holds(
        policy: &Policy,
        now: Timestamp,
    ) -> Result<Vec<(&Hold, Filter)>> {
        policy
            .holds
            .iter()
            .map(|(name, hold)| {
                // An earlier version may have taken what this one refuses.
                let filter = parse_filter(&hold.filter, &[], now);
                Ok((hold, filter.map_err(|error| error.at(format!("the hold {name}")))?))
            })
            .collect()
    }
}
