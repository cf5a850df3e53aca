//! Relationships of partners: what administrators set, and what is heard of them from authoritative
//! tenants.

use super::access::put;
use crate::access::{
    Caller, Relationship, RelationshipEvidence, RelationshipState, Relationships, Says, Statement,
    TenantStanding, check_party, check_producer, weigh,
};
use crate::engine::Engine;
use crate::engine::maintain::admin::Deed;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Timestamp, clip};
use crate::ingest::{DecodedBatch, Rejected};
use crate::storage::admin::RecordKind;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// The most relationships of a store.
const RELATIONSHIPS_MAX: usize = 100_000;
/// The most customers that a tenant belongs to, and the most partners that it states relationships
/// of.
const PARTIES_MAX: usize = 1_000;
/// How many statements are weighed in one change: what it changes is one record.
const WEIGHED_AT_ONCE: usize = 200;
/// The most bytes of relationships in one change, whose record has at most a megabyte.
const CHANGED_BYTES_MAX: usize = 256 << 10;
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
            check_apart(&known, &stated)?;
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
            after.evidence.push(RelationshipEvidence::of_administrator(
                caller.name(),
                says,
                at,
                now,
            ));
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

    /// Takes out of a batch what a caller may not deliver because its tenant is authoritative for
    /// relationships, and returns what the rest says of them.
    ///
    /// # Errors
    /// A batch of which nothing may be delivered.
    pub fn statements_of(
        &self,
        caller: &Caller,
        batch: &mut DecodedBatch,
    ) -> Result<Vec<Statement>> {
        let known = self.relationships();
        let authoritative: HashSet<&str> = known.authoritative().collect();
        if authoritative.is_empty() {
            return Ok(Vec::new());
        }
        let may = |tenant: &str| caller.may_state_relationships(tenant);
        let of_events = batch.events.iter().map(|event| &*event.tenant);
        let of_rejected = batch.rejected.iter().filter_map(|record| record.tenant.as_deref());
        let refused: BTreeSet<&str> = of_events
            .chain(of_rejected)
            .filter(|tenant| authoritative.contains(tenant) && !may(tenant))
            .collect();
        if let Some(first) = refused.first() {
            let what = format!(
                "{} is authoritative for relationships: the principal must name it in \
                authoritative to deliver for it",
                clip(first, 40)
            );
            let is_refused = |tenant: Option<&str>| tenant.is_some_and(|own| refused.contains(own));
            if batch.events.iter().all(|event| is_refused(Some(&event.tenant)))
                && batch.rejected.iter().all(|record| is_refused(record.tenant.as_deref()))
            {
                return Err(Error::new(ErrorKind::Forbidden, what).with_parameter("tenant"));
            }
            let refused = refused.into_iter().map(str::to_owned).collect();
            self.refuse_statements(caller, batch, &refused, &what)?;
        }
        let heard = batch.events.iter().filter(|event| authoritative.contains(&*event.tenant));
        Ok(heard.filter_map(Statement::of).collect())
    }

    /// Moves the events of tenants into quarantine, and records that somebody tried it.
    fn refuse_statements(
        &self,
        caller: &Caller,
        batch: &mut DecodedBatch,
        refused: &BTreeSet<String>,
        why: &str,
    ) -> Result<()> {
        let reason: Arc<str> = why.into();
        let events = std::mem::take(&mut batch.events);
        let lines = std::mem::take(&mut batch.lines);
        let mut count = 0_u64;
        for record in &mut batch.rejected {
            if record.tenant.as_ref().is_some_and(|tenant| refused.contains(tenant)) {
                count += 1;
                (record.tenant, record.is_bound) = (None, true);
            }
        }
        for (event, line) in events.into_iter().zip(lines) {
            if refused.contains(&*event.tenant) {
                count += 1;
                batch.rejected.push(Rejected::of_forbidden(&event, line, &reason));
            } else {
                batch.events.push(event);
                batch.lines.push(line);
            }
        }
        self.writer()?.record_deed(
            &caller.actor(),
            json!({ "event_name": "refuseRecords", "resource_type": "tenant", "level": "warning",
                "resource_name": refused.first(), "details": { "tenants": refused,
                "records": count, "reason": why } }),
        )
    }

    /// Weighs what was heard, and changes relationships accordingly. What was heard before changes
    /// nothing.
    ///
    /// # Errors
    /// A disk that fails: the sender is told so, and sends it again.
    pub fn hear(&self, caller: &Caller, heard: &[Statement]) -> Result<()> {
        // What was first comes first: lists are delivered in any order.
        let mut heard: Vec<&Statement> = heard.iter().collect();
        heard.sort_by_key(|said| said.at);
        let mut rest = heard.as_slice();
        while !rest.is_empty() {
            let mut count = rest.len().min(WEIGHED_AT_ONCE);
            self.change_recorded(&caller.actor(), |_| {
                let now = self.shared.clock.now();
                let mut changed = weighed(&self.relationships(), &rest[..count], now);
                while count > 1 && size_of_changes(&changed) > CHANGED_BYTES_MAX {
                    count /= 2;
                    changed = weighed(&self.relationships(), &rest[..count], now);
                }
                let some = &rest[..count];
                if changed.is_empty() {
                    return Ok(None);
                }
                let ids: Vec<&String> = changed.keys().collect();
                let said = some.iter().map(|said| json!([said.tenant, said.trace_id]));
                let deed = deed(
                    "changeRelationships",
                    "evidence",
                    json!({ "relationships": ids, "evidence": said.collect::<Vec<_>>() }),
                );
                let changes = changed
                    .iter()
                    .map(|(id, known)| put(RecordKind::Relationship, id, json!(known), None));
                Ok(Some((deed.record(), changes.collect())))
            })?;
            rest = &rest[count..];
        }
        Ok(())
    }
}

/// Returns how many bytes of the record of a change its relationships take.
fn size_of_changes(changed: &BTreeMap<String, Relationship>) -> usize {
    changed.values().map(|known| json!(known).to_string().len()).sum()
}

/// Weighs statements one after the other. Returns the relationships that are new or changed. Where
/// there is no room for a new one, the others still change.
fn weighed(
    known: &Relationships,
    heard: &[&Statement],
    now: Timestamp,
) -> BTreeMap<String, Relationship> {
    let mut changed: BTreeMap<String, Relationship> = BTreeMap::new();
    let mut made = 0;
    for said in heard {
        let Some(partner) = known.partner_of(said) else {
            tracing::warn!(
                tenant = said.tenant,
                trace_id = said.trace_id,
                "evidence of a relationship names no partner that its tenant is authoritative for"
            );
            continue;
        };
        let about = known.about(&said.subject).iter().map(|known| &**known);
        let about = about.filter(|known| !changed.contains_key(&known.id));
        let pair: Vec<&Relationship> = about
            .chain(changed.values().filter(|known| known.subject().as_ref() == Some(&said.subject)))
            .filter(|known| known.partner == partner && known.manager == said.manager)
            .collect();
        for mut next in weigh(&pair, &partner, said, now) {
            if next.id.is_empty() {
                if let Err(error) = check_room(known, made + 1) {
                    tracing::error!(%error, "a relationship that evidence states is not recorded");
                    continue;
                }
                next.id = next_id(known, made);
                made += 1;
            }
            changed.insert(next.id.clone(), next);
        }
    }
    changed
}

/// Returns the id of the next relationship after `more` others. They are never removed, so their
/// number tells.
fn next_id(known: &Relationships, more: usize) -> String {
    format!("rel-{:06}", known.len() + more + 1)
}

fn check_room(known: &Relationships, more: usize) -> Result<()> {
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

fn deed<'a>(event_name: &'a str, partner: &'a str, details: Json) -> Deed<'a> {
    Deed {
        event_name,
        resource_type: "relationship",
        resource_id: None,
        resource_name: Some(partner),
        details,
    }
}
