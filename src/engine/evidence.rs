//! Evidence of relationships: what events of authoritative tenants say of them, and what comes of
//! it.
//!
//! What a delivery says is weighed once its events are durable, and before the delivery is
//! answered. Statements of many deliveries that arrive together are weighed in one change. If the
//! process ends in between, the delivery was not answered: its sender sends it again, and what it
//! says is weighed then. Events that are there are not searched for evidence: who delivered them,
//! and what that one was trusted with at the time, is not known of them.
//!
//! **Invariant:** only what a trusted caller says and the store has is weighed. Where some of a
//! delivery were duplicates or conflicts, the stored events must say the same.

use super::access::put;
use super::relationships::{check_room, deed, next_id};
use super::{Engine, Outcome};
use crate::access::{
    Actor, Caller, Relationship, Relationships, Scope, SpokenOf, Statement, weigh,
};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Field, clip};
use crate::filter::Filter;
use crate::ingest::{DecodedBatch, Rejected};
use crate::query::{PAGE_ROWS_MAX, PageQuery};
use crate::storage::admin::RecordKind;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// How many statements are weighed in one change: what it changes is one record.
const WEIGHED_AT_ONCE: usize = 200;
/// The most bytes of relationships in one change, whose record has at most a megabyte.
const CHANGED_BYTES_MAX: usize = 256 << 10;
/// How many statements are compared with what is stored at a time.
const READ_AT_ONCE: usize = 500;

/// Statements that wait to be weighed.
#[derive(Debug, Default)]
pub(super) struct EvidenceQueue(Mutex<Vec<Heard>>);

/// What one delivery says, and what has become of it.
#[derive(Debug)]
struct Heard {
    actor: Actor,
    said: Vec<Statement>,
    done: EvidenceTicket,
}

/// Tells whether what a delivery says has been weighed.
#[derive(Debug, Clone, Default)]
pub struct EvidenceTicket(Arc<OnceLock<std::result::Result<(), (ErrorKind, String)>>>);

impl EvidenceTicket {
    /// Returns what came of it; `None` while it waits.
    pub fn outcome(&self) -> Option<Result<()>> {
        self.0.get().map(|done| done.clone().map_err(|(kind, what)| Error::new(kind, what)))
    }
}

/// What a delivery says of relationships, and the record of what was refused of it. Both count once
/// the delivery is stored: one that is refused as a whole is sent again.
#[derive(Debug, Default)]
pub struct HeardStatements {
    said: Vec<Statement>,
    refused: Option<Json>,
}

impl HeardStatements {
    /// Returns whether there is nothing that counts.
    pub fn is_empty(&self) -> bool {
        self.said.is_empty() && self.refused.is_none()
    }
}

impl Engine {
    /// Takes out of a batch what a caller may not deliver because its tenant is authoritative for
    /// relationships, and returns what the rest says of them.
    ///
    /// # Errors
    /// A batch of which nothing may be delivered.
    pub fn statements_of(
        &self,
        caller: &Caller,
        batch: &mut DecodedBatch,
    ) -> Result<HeardStatements> {
        let known = self.relationships();
        let authoritative: HashSet<&str> = known.authoritative().collect();
        if authoritative.is_empty() {
            return Ok(HeardStatements::default());
        }
        let may = |tenant: &str| caller.may_state_relationships(tenant);
        let of_events = batch.events.iter().map(|event| &*event.tenant);
        let of_rejected = batch.rejected.iter().filter_map(|record| record.tenant.as_deref());
        let refused: BTreeSet<&str> = of_events
            .chain(of_rejected)
            .filter(|tenant| authoritative.contains(tenant) && !may(tenant))
            .collect();
        let mut record = None;
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
            record = Some(refuse_statements(batch, &refused, &what));
        }
        let heard = batch.events.iter().filter(|event| authoritative.contains(&*event.tenant));
        let now = self.shared.clock.now();
        let said = heard.filter_map(|event| Statement::of(event, now)).collect();
        Ok(HeardStatements { said, refused: record })
    }

    /// Takes in what a delivery says, once its events are durable: it is weighed by the next
    /// [`Engine::weigh_evidence`] of anybody. `None` if nothing of it is new. That something was
    /// refused is recorded.
    ///
    /// # Errors
    /// A segment that cannot be read.
    pub fn hear(
        &self,
        caller: &Caller,
        heard: HeardStatements,
        outcome: &Outcome,
    ) -> Result<Option<EvidenceTicket>> {
        let HeardStatements { mut said, refused } = heard;
        if let Some(record) = refused {
            self.writer()?.record_deed(&caller.actor(), record)?;
        }
        let is_all_new =
            outcome.duplicates == 0 && outcome.quarantined.is_empty() && !outcome.replayed;
        if is_all_new {
            let now = self.shared.clock.now();
            said.iter_mut().for_each(|said| said.known = now);
        } else {
            said = self.as_stored(said)?;
        }
        Ok((!said.is_empty()).then(|| self.shared.evidence.add(caller.actor(), said)))
    }

    /// Returns the statements that the stored events with their trace ids make, too, unless they
    /// were weighed before. Each counts as known since its event is.
    fn as_stored(&self, said: Vec<Statement>) -> Result<Vec<Statement>> {
        let known = self.relationships();
        let snapshot = self.snapshot();
        let reader = self.reader(&snapshot, None);
        let mut of_tenants: BTreeMap<String, Vec<Statement>> = BTreeMap::new();
        for said in said.into_iter().filter(|said| !known.has_weighed(said)) {
            of_tenants.entry(said.tenant.clone()).or_default().push(said);
        }
        let mut stored = Vec::new();
        for (tenant, said) in of_tenants {
            let scope = Scope::of_operator(&[&tenant])?;
            for said in said.chunks(READ_AT_ONCE) {
                let ids: BTreeSet<&String> = said.iter().map(|said| &said.trace_id).collect();
                let ids = ids.into_iter().cloned();
                let filter = Filter::default().and_one_of(Field::TraceId, ids);
                let mut made: Vec<Statement> = Vec::new();
                let mut query = PageQuery { limit: PAGE_ROWS_MAX, ..PageQuery::default() };
                loop {
                    let page = reader.list(&scope, &filter, &query)?;
                    let events = page.events.iter();
                    made.extend(events.filter_map(|event| Statement::of(event, event.ingest_time)));
                    query.cursor = page.next;
                    if query.cursor.is_none() {
                        break;
                    }
                }
                // Another record with the same id may have been there before.
                stored.extend(said.iter().filter_map(|said| {
                    let is_it = |made: &&Statement| {
                        Statement { known: made.known, ..said.clone() } == **made
                    };
                    made.iter().find(is_it).cloned()
                }));
            }
        }
        Ok(stored)
    }

    /// Weighs all that waits, and changes relationships accordingly, unless what the ticket is for
    /// has been weighed already. What was heard before changes nothing.
    ///
    /// # Errors
    /// A disk that fails: the sender is told so, and sends it again.
    pub fn weigh_evidence(&self, ticket: &EvidenceTicket) -> Result<()> {
        if ticket.outcome().is_none() {
            let mut waiting = self.shared.evidence.take();
            // What a caller said is recorded under its name.
            while let Some(first) = waiting.first() {
                let actor = first.actor.clone();
                let (own, others): (Vec<_>, Vec<_>) =
                    waiting.into_iter().partition(|heard| heard.actor == actor);
                let mut weighed = self.weigh_all(&actor, own.iter().flat_map(|heard| &heard.said));
                let is_of_several = own.len() > 1 && weighed.is_err();
                for heard in own {
                    if is_of_several {
                        // One that cannot be weighed is no reason why others are not.
                        weighed = self.weigh_all(&actor, heard.said.iter());
                    }
                    let done = match &weighed {
                        Ok(()) => Ok(()),
                        Err(error) => Err((error.kind(), error.to_string())),
                    };
                    let _ = heard.done.0.set(done);
                }
                waiting = others;
            }
        }
        // Whoever has taken it has also weighed it: they take turns.
        ticket.outcome().unwrap_or_else(|| Err(Error::internal("evidence was not weighed")))
    }

    fn weigh_all<'a>(
        &self,
        actor: &Actor,
        heard: impl Iterator<Item = &'a Statement>,
    ) -> Result<()> {
        // What was first comes first: lists are delivered in any order.
        let mut heard: Vec<&Statement> = heard.collect();
        heard.sort_by_key(|said| said.at);
        let mut rest = heard.as_slice();
        while !rest.is_empty() {
            let mut count = rest.len().min(WEIGHED_AT_ONCE);
            self.change_recorded(actor, |_| {
                let mut changed = weighed(&self.relationships(), &rest[..count]);
                while count > 1 && size_of_changes(&changed) > CHANGED_BYTES_MAX {
                    count /= 2;
                    changed = weighed(&self.relationships(), &rest[..count]);
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

/// Moves the events of tenants into quarantine, and returns the record that somebody tried it.
fn refuse_statements(batch: &mut DecodedBatch, refused: &BTreeSet<String>, why: &str) -> Json {
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
    json!({ "event_name": "refuseRecords", "resource_type": "tenant", "level": "warning",
        "resource_name": refused.first(),
        "details": { "tenants": refused, "records": count, "reason": why } })
}

/// Returns how many bytes of the record of a change its relationships take.
fn size_of_changes(changed: &BTreeMap<String, Relationship>) -> usize {
    changed.values().map(|known| json!(known).to_string().len()).sum()
}

/// Weighs statements one after the other. Returns the relationships that are new or changed. Where
/// there is no room for a new one, the others still change.
fn weighed(known: &Relationships, heard: &[&Statement]) -> BTreeMap<String, Relationship> {
    let mut changed: BTreeMap<String, Relationship> = BTreeMap::new();
    let mut made = 0;
    for said in heard {
        let Some(SpokenOf { partner, is_own }) = known.partner_of(said) else {
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
            // Of another's partner, a tenant speaks only where its own events are seen.
            .filter(|known| is_own || known.tenants.contains(&said.tenant))
            .collect();
        for mut next in weigh(&pair, &partner, said) {
            if next.id.is_empty() {
                if !is_own {
                    next.tenants = [said.tenant.clone()].into();
                }
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

impl EvidenceQueue {
    fn add(&self, actor: Actor, said: Vec<Statement>) -> EvidenceTicket {
        let done = EvidenceTicket::default();
        let heard = Heard { actor, said, done: done.clone() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(heard);
        done
    }

    fn take(&self) -> Vec<Heard> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
