//! Relationships of partners: what administrators set, and what is heard of them from authoritative
//! tenants.

use super::access::put;
use crate::access::{
    Caller, EvidenceEffect, Relationship, RelationshipEvidence, RelationshipState, Relationships,
    Says, TenantStanding, check_party, check_producer,
};
use crate::engine::Engine;
use crate::engine::maintain::admin::Deed;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::admin::RecordKind;
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// The most relationships of a store.
const RELATIONSHIPS_MAX: usize = 100_000;
/// The most customers that a tenant belongs to, and the most partners that it states relationships
/// of.
const PARTIES_MAX: usize = 1_000;
/// How many words of administrators about one relationship are kept.
const ADMINISTRATORS_KEPT: usize = 20;

impl Engine {
    /// Returns the relationships of partners.
    pub fn relationships(&self) -> Arc<Relationships> {
        self.shared.admin.relationships()
    }

    /// Records a relationship that an administrator states.
    ///
    /// # Errors
    /// A setting that is wrong, by its name; a period that the pair has already; a disk that fails.
    pub fn record_relationship(
        &self,
        caller: &Caller,
        mut stated: Relationship,
    ) -> Result<Relationship> {
        stated.check()?;
        let now = self.shared.clock.now();
        let says = if stated.to.is_some() { Says::Ended } else { Says::Began };
        let at = stated.to.unwrap_or(stated.from);
        stated.evidence =
            vec![RelationshipEvidence::of_administrator(caller.name(), says, at, now)];
        let mut made = stated.clone();
        let shown = json!(stated);
        let deed = deed("createRelationship", &stated.partner, shown);
        self.change_admin(&caller.actor(), &deed, |_| {
            let known = self.relationships();
            check_room(&known, 1)?;
            known.end_as_stated(&mut made);
            check_apart(&known, &made)?;
            made.id = next_id(&known, 0);
            Ok(vec![put(RecordKind::Relationship, &made.id, json!(made), None)])
        })?;
        Ok(made)
    }

    /// Changes a relationship as an administrator says; `change` gets it as it is.
    ///
    /// # Errors
    /// No such relationship; what `change` returns; a setting that is wrong; a disk that fails.
    pub fn change_relationship(
        &self,
        caller: &Caller,
        id: &str,
        event_name: &str,
        change: impl FnOnce(&mut Relationship) -> Result<()>,
    ) -> Result<Relationship> {
        let before = self.relationships().get(id).cloned().ok_or_else(no_relationship)?;
        let mut after = (*before).clone();
        change(&mut after)?;
        let now = self.shared.clock.now();
        if after != *before {
            let says = if after.to.is_some() { Says::Ended } else { Says::Began };
            let at = after.to.unwrap_or(after.from);
            after.forget_administrators(ADMINISTRATORS_KEPT - 1);
            let word = RelationshipEvidence::of_administrator(caller.name(), says, at, now);
            let is_put_in_force = before.state != after.state;
            let effect = match after.to != before.to && !is_put_in_force {
                true => EvidenceEffect::Moved,
                false => EvidenceEffect::Agrees,
            };
            after.evidence.push(RelationshipEvidence { effect, ..word });
            if is_put_in_force && after.state == RelationshipState::Recorded {
                self.relationships().end_as_stated(&mut after);
            }
        }
        let deed = Deed {
            resource_id: Some(id),
            ..deed(event_name, &before.partner, json!({ "before": *before, "after": after }))
        };
        self.change_admin(&caller.actor(), &deed, |_| {
            let known = self.relationships();
            if known.get(id).ok_or_else(no_relationship)? != &before {
                let what = "the relationship has changed meanwhile: look at it, and try again";
                return Err(Error::new(ErrorKind::Outdated, what));
            }
            if after == *before {
                return Ok(Vec::new());
            }
            check_apart(&known, &after)?;
            Ok(vec![put(RecordKind::Relationship, id, json!(after), None)])
        })?;
        Ok(after)
    }

    /// Sets what a tenant is to relationships.
    ///
    /// # Errors
    /// A setting that is wrong, by its name; a disk that fails.
    pub fn set_standing(
        &self,
        caller: &Caller,
        tenant: &str,
        change: impl FnOnce(&mut TenantStanding),
    ) -> Result<TenantStanding> {
        check_producer(tenant)?;
        let before = self.relationships().tenant(tenant).cloned().unwrap_or_default();
        let mut after = before.clone();
        change(&mut after);
        for (name, parties) in [
            ("customers", after.customers.iter().collect::<Vec<_>>()),
            ("partners", after.partners.iter().collect()),
        ] {
            if parties.len() > PARTIES_MAX {
                return Err(Error::parameter(name, format!("are at most {PARTIES_MAX}")));
            }
            parties.into_iter().try_for_each(|party| check_party(name, party))?;
        }
        let details = json!({ "before": before, "after": after });
        let deed = Deed {
            event_name: "setTenant",
            resource_type: "tenant",
            resource_id: None,
            resource_name: Some(tenant),
            details,
        };
        self.change_admin(&caller.actor(), &deed, |_| {
            if self.relationships().tenant(tenant).cloned().unwrap_or_default() != before {
                let what = "somebody else has changed this tenant meanwhile: try again";
                return Err(Error::new(ErrorKind::Outdated, what));
            }
            let is_new = after != before;
            Ok(is_new
                .then(|| put(RecordKind::Tenant, tenant, json!(after), None))
                .into_iter()
                .collect())
        })?;
        Ok(after)
    }
}

/// Returns the id of the next relationship after `more` others. They are never removed, so their
/// number tells.
pub(super) fn next_id(known: &Relationships, more: usize) -> String {
    format!("rel-{:06}", known.len() + more + 1)
}

pub(super) fn check_room(known: &Relationships, more: usize) -> Result<()> {
    if known.len() + more <= RELATIONSHIPS_MAX {
        return Ok(());
    }
    Err(Error::invalid(format!("there are already {RELATIONSHIPS_MAX} relationships")))
}

/// Fails if a pair has a recorded period that overlaps.
fn check_apart(known: &Relationships, stated: &Relationship) -> Result<()> {
    if stated.state != RelationshipState::Recorded {
        return Ok(());
    }
    let overlaps = |other: &&Arc<Relationship>| {
        other.id != stated.id
            && other.state == RelationshipState::Recorded
            && other.is_same_pair(stated)
            && other.overlaps(stated)
    };
    let Some(other) = known.all().find(overlaps) else { return Ok(()) };
    let what =
        format!("{} is of the same pair, and its period overlaps: change that one", other.id);
    Err(Error::new(ErrorKind::Exists, what).with_parameter("from"))
}

fn no_relationship() -> Error {
    Error::new(ErrorKind::NotFound, "there is no such relationship")
}

pub(super) fn deed<'a>(event_name: &'a str, partner: &'a str, details: Json) -> Deed<'a> {
    Deed {
        event_name,
        resource_type: "relationship",
        resource_id: None,
        resource_name: Some(partner),
        details,
    }
}
