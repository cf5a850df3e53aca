//! Retention: what is past its time is deleted, unless a legal hold keeps it.
//!
//! Segments are of one date, so a segment expires for a tenant as a whole. What is left of it (other tenants, what is
//! held) is written as a new segment, compared, and put in its place in one commit. Each commit is recorded as events of
//! the store's own tenant, before it is made and when it is done. The files stay for a day, as after a merge.

use super::compact::free_id;
use super::seal::put;
use super::step::Step;
use super::{Core, Engine, WriteSide};
use crate::access::SYSTEM_TENANT;
use crate::error::{Error, Result};
use crate::event::{Event, Timestamp};
use crate::ingest::Cleared;
use crate::maintain::{Fingerprint, Hold, Policy, events_of};
use crate::query::Filter;
use crate::storage::segment::{Form, Segment, write_segment};
use serde::Serialize;
use serde_json::json;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, PoisonError};

/// Segments that one commit deletes from at most: what is left of them is in memory until then.
const SEGMENTS_AT_A_TIME: usize = 16;

/// What a run of retention deleted, or would delete.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Expired {
    /// Events deleted.
    pub events: u64,
    /// Events that are past their time and held.
    pub held: u64,
    /// Events deleted, by tenant.
    pub tenants: BTreeMap<String, u64>,
    /// Segments that were taken out or written anew.
    pub segments: usize,
    /// Records deleted from quarantine.
    pub quarantined: u64,
    /// Records in quarantine that are past their time and held.
    pub quarantined_held: u64,
}

/// Segments of which all that is past its time is held, with what was so when that was found out.
pub(super) type AllHeld = HashMap<String, Vec<String>>;

/// What is to become of a segment.
struct Fate {
    segment: Arc<Segment>,
    left: Vec<Event>,
    deleted: BTreeMap<String, u64>,
    held: u64,
}

impl Engine {
    /// Deletes everything that is past its time and not held.
    ///
    /// # Errors
    /// A disk that fails; what was not committed stays.
    pub fn expire(&self) -> Result<Expired> {
        self.core.write()?.expire(&self.core)
    }

    /// What [`Engine::expire`] would delete now.
    ///
    /// # Errors
    /// A segment that cannot be read.
    pub fn expirable(&self) -> Result<Expired> {
        let (policy, now) = (self.policy(), self.core.clock.now());
        let holds = Core::holds(&policy, now)?;
        let mut expired = Expired::default();
        for segment in self.snapshot().segments.iter().filter(|segment| !expired_tenants(segment, &policy, now).is_empty()) {
            expired.add(&fate(segment, &policy, &holds, now)?);
        }
        expired.add_cleared(&self.core.clearable(&policy, now));
        Ok(expired)
    }
}

impl Expired {
    fn add_cleared(&mut self, cleared: &Cleared) {
        self.quarantined += cleared.records();
        self.quarantined_held += cleared.held;
    }

    fn add(&mut self, fate: &Fate) {
        self.held += fate.held;
        if fate.deleted.is_empty() {
            return;
        }
        self.segments += 1;
        for (tenant, events) in &fate.deleted {
            *self.tenants.entry(tenant.clone()).or_default() += events;
            self.events += events;
        }
    }
}

/// The tenants of a segment whose events in it are past their time.
fn expired_tenants<'a>(segment: &'a Segment, policy: &Policy, now: Timestamp) -> Vec<&'a str> {
    let manifest = segment.manifest();
    let tenants = manifest.tenants.iter().map(|rows| rows.tenant.as_ref());
    tenants.filter(|tenant| policy.is_expired(tenant, &manifest.date, now)).collect()
}

/// Tells the events of a segment that are deleted from those that stay.
fn fate(segment: &Arc<Segment>, policy: &Policy, holds: &[(&Hold, Filter)], now: Timestamp) -> Result<Fate> {
    let expired: HashSet<&str> = expired_tenants(segment, policy, now).into_iter().collect();
    let mut fate = Fate { segment: Arc::clone(segment), left: Vec::new(), deleted: BTreeMap::new(), held: 0 };
    let any_held = holds.iter().any(|(hold, _)| expired.iter().any(|tenant| hold.covers(tenant)));
    if !any_held && expired.len() == segment.manifest().tenants.len() {
        // Nothing is left: it needs not be read.
        fate.deleted = segment.manifest().tenants.iter().map(|rows| (rows.tenant.to_string(), u64::from(rows.rows))).collect();
        return Ok(fate);
    }
    for event in events_of(segment)? {
        if !expired.contains(event.tenant.as_ref()) {
            fate.left.push(event);
        } else if holds.iter().any(|(hold, filter)| hold.covers(&event.tenant) && filter.matches(&event)) {
            fate.held += 1;
            fate.left.push(event);
        } else {
            *fate.deleted.entry(event.tenant.to_string()).or_default() += 1;
        }
    }
    Ok(fate)
}

impl WriteSide {
    pub(super) fn expire(&self, core: &Core) -> Result<Expired> {
        let mut expired = Expired::default();
        let _one_at_a_time = self.compacting.lock().unwrap_or_else(PoisonError::into_inner);
        let (policy, now) = (core.policy.get(), core.clock.now());
        let holds = Core::holds(&policy, now)?;
        let snapshot = self.settled(core)?;
        let mut batch: Vec<Fate> = Vec::new();
        for segment in snapshot.segments.iter() {
            let tenants = expired_tenants(segment, &policy, now);
            let id = &segment.manifest().id;
            let seen = || tenants.iter().map(|tenant| (*tenant).to_owned()).chain([policy.version.to_string()]).collect::<Vec<_>>();
            if tenants.is_empty() || self.all_held().get(id) == Some(&seen()) {
                continue;
            }
            let fate = fate(segment, &policy, &holds, now)?;
            expired.add(&fate);
            if fate.deleted.is_empty() {
                self.all_held().insert(id.clone(), seen());
                continue;
            }
            batch.push(fate);
            if batch.len() == SEGMENTS_AT_A_TIME {
                self.delete(core, &policy, &batch, now)?;
                batch.clear();
            }
        }
        if !batch.is_empty() {
            self.delete(core, &policy, &batch, now)?;
        }
        expired.add_cleared(&core.clear_quarantine(&policy, now)?);
        Ok(expired)
    }

    fn all_held(&self) -> std::sync::MutexGuard<'_, AllHeld> {
        self.all_held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Deletes from some segments in one commit.
    fn delete(&self, core: &Core, policy: &Policy, fates: &[Fate], now: Timestamp) -> Result<()> {
        WriteSide::check_disk(core)?;
        let version = core.published.get().version;
        let mut left = Vec::new();
        for (number, fate) in fates.iter().enumerate().filter(|(_, fate)| !fate.left.is_empty()) {
            left.push(write_left(core, fate, version + number as u64)?);
        }
        core.reach(Step::DeletionWritten)?;
        record(core, policy, fates, "begun", now)?;
        core.reach(Step::DeletionRecorded)?;

        let old: Vec<Arc<Segment>> = fates.iter().map(|fate| Arc::clone(&fate.segment)).collect();
        self.table.delete(old, left)?;
        self.retire(core, &fates.iter().map(|fate| Arc::clone(&fate.segment)).collect::<Vec<_>>())?;
        record(core, policy, fates, "done", now)
    }
}

/// Writes what is left of a segment, and compares it.
fn write_left(core: &Core, fate: &Fate, mut version: u64) -> Result<Arc<Segment>> {
    let manifest = fate.segment.manifest();
    let id = free_id(core, manifest.last_seq, &mut version);
    let files = write_segment(&id, &manifest.date, Form { decoders: manifest.decoders, summary: core.settings.summary }, &fate.left)?;
    put(core.data.store(), &files)?;
    let segment = Arc::new(Segment::new(core.data.store(), files.manifest));
    if Fingerprint::of_segment(&segment)? != Fingerprint::of(&fate.left)? {
        return Err(Error::internal(format!("the segment {id} does not hold what is left of {}", manifest.id)));
    }
    Ok(segment)
}

/// Records a deletion, one event for each tenant.
fn record(core: &Core, policy: &Policy, fates: &[Fate], state: &str, now: Timestamp) -> Result<()> {
    let mut tenants: BTreeMap<&str, (u64, Vec<serde_json::Value>)> = BTreeMap::new();
    for fate in fates {
        let manifest = fate.segment.manifest();
        for (tenant, events) in &fate.deleted {
            let entry = tenants.entry(tenant).or_default();
            entry.0 += events;
            entry.1.push(json!({ "segment": manifest.id, "date": manifest.date, "sha256": manifest.data.sha256, "events": events }));
        }
    }
    for (tenant, (events, segments)) in tenants {
        let first = segments.first().map(|segment| segment["segment"].as_str().unwrap_or_default().to_owned()).unwrap_or_default();
        core.record(json!({
            "trace_id": format!("delete-{tenant}-{first}-{state}-{}", now.millis()), "event_name": "deleteEvents", "code": state, "level": "warning",
            "resource_type": "events", "resource_name": tenant,
            "details": {
                "tenant": tenant, "kept_from": policy.kept_from(tenant, now), "days": policy.days_of(tenant), "policy_version": policy.version,
                "events": events, "segments": segments,
            },
        }))?;
    }
    debug_assert!(fates.iter().all(|fate| !fate.deleted.contains_key(SYSTEM_TENANT)));
    Ok(())
}
