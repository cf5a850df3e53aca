//! Retention: events that have expired are deleted, unless a legal hold keeps them.
//!
//! A segment has one date, so it expires for a tenant as a whole. What is left of it (other
//! tenants, held events) is written as a new segment, compared, and put in its place in one commit.
//! Each commit is recorded as events of the store's own tenant, before it is made and after it is
//! done. The old files stay for a day, as after a merge.
//!
//! The policy is read again by the thread that commits, right before the commit: a hold that was
//! placed meanwhile stops the deletion.

use crate::access::{Actor, SYSTEM_TENANT};
use crate::engine::failpoint::Failpoint;
use crate::engine::maintain::turns::SegmentWork;
use crate::engine::write::seal::put;
use crate::engine::{Engine, Shared, Writer};
use crate::error::{Error, Result};
use crate::event::{Event, Timestamp};
use crate::ingest::Cleared;
use crate::maintain::{Fingerprinter, Hold, Policy, SplitEvents, part, write_left};
use crate::query::Filter;
use crate::storage::segment::{Segment, SegmentOptions};
use arrow::array::RecordBatch;
use serde::Serialize;
use serde_json::json;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, PoisonError};

/// The most segments that one commit deletes from.
const SEGMENTS_AT_A_TIME: usize = 16;

/// What a run of retention deleted, or would delete.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Expired {
    /// Events that were deleted.
    pub events: u64,
    /// Events that have expired and are held.
    pub held: u64,
    /// Events that were deleted, by tenant.
    pub tenants: BTreeMap<String, u64>,
    /// Segments that were removed or rewritten.
    pub segments: usize,
    /// Records that were deleted from quarantine.
    pub quarantined: u64,
    /// Records in quarantine that have expired and are held.
    pub quarantined_held: u64,
}

/// Segments whose expired events are all held, each with the expired tenants and the policy version
/// for which that was found.
pub(in crate::engine) type AllHeld = HashMap<String, Vec<String>>;

/// The outcome of retention for one segment.
struct SegmentFate {
    segment: Arc<Segment>,
    /// The segment written for what is left; none if events are only counted, or nothing is left.
    left: Option<Arc<Segment>>,
    deleted: BTreeMap<String, u64>,
    held: u64,
}

/// The policy that a run applies, and who asked for it.
struct RetentionRun<'a> {
    actor: &'a Actor,
    policy: &'a Policy,
    holds: Vec<(&'a Hold, Filter)>,
    now: Timestamp,
}

impl Engine {
    /// Deletes everything that has expired and is not held.
    ///
    /// # Errors
    /// If the disk fails; what was not committed stays.
    pub fn expire(&self, actor: &Actor) -> Result<Expired> {
        self.writer()?.expire(actor)
    }

    /// Returns what [`Engine::expire`] would delete now.
    ///
    /// # Errors
    /// If a segment cannot be read.
    pub fn expirable(&self) -> Result<Expired> {
        let (policy, now) = (self.policy(), self.shared.clock.now());
        let actor = Actor::store();
        let rule = RetentionRun::of(&actor, &policy, now)?;
        let mut expired = Expired::default();
        for segment in self
            .snapshot()
            .segments
            .iter()
            .filter(|segment| !rule.expired_tenants(segment).is_empty())
        {
            expired.add(&SegmentFate::of(segment, rule.part(segment, false)?));
        }
        expired.add_cleared(&self.shared.clearable(&policy, now));
        Ok(expired)
    }
}

impl Expired {
    fn add_cleared(&mut self, cleared: &Cleared) {
        self.quarantined += cleared.records();
        self.quarantined_held += cleared.held;
    }

    fn add(&mut self, fate: &SegmentFate) {
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

impl<'a> RetentionRun<'a> {
    fn of(actor: &'a Actor, policy: &'a Policy, now: Timestamp) -> Result<Self> {
        Ok(Self { actor, policy, holds: Shared::holds(policy, now)?, now })
    }

    /// Returns the tenants of a segment whose events in it have expired.
    fn expired_tenants<'s>(&self, segment: &'s Segment) -> Vec<&'s str> {
        let manifest = segment.manifest();
        let tenants = manifest.tenants.iter().map(|rows| rows.tenant.as_ref());
        tenants.filter(|tenant| self.policy.is_expired(tenant, &manifest.date, self.now)).collect()
    }

    /// Separates the events of a segment that are deleted from those that stay.
    fn part(&self, segment: &Segment, kept: bool) -> Result<SplitEvents> {
        let expired: HashSet<&str> = self.expired_tenants(segment).into_iter().collect();
        let may_hold = |tenant: &str| self.holds.iter().any(|(hold, _)| hold.covers(tenant));
        let held = |event: &Event| {
            self.holds
                .iter()
                .any(|(hold, filter)| hold.covers(&event.tenant) && filter.matches(event))
        };
        part(segment, &expired, may_hold, held, kept)
    }
}

impl SegmentFate {
    fn of(segment: &Arc<Segment>, parted: SplitEvents) -> Self {
        Self {
            segment: Arc::clone(segment),
            left: None,
            deleted: parted.deleted,
            held: parted.held,
        }
    }
}

impl Writer {
    pub(in crate::engine) fn expire(&self, actor: &Actor) -> Result<Expired> {
        let mut expired = Expired::default();
        // If the policy changes during a run, the run starts again with the new one.
        while !self.expire_by(actor, &self.shared.admin.policy(), &mut expired)? {
            if self.trigger.stopping() {
                break;
            }
        }
        let (policy, now) = (self.shared.admin.policy(), self.shared.clock.now());
        expired.add_cleared(&self.clear_quarantine(actor, &policy, now)?);
        Ok(expired)
    }

    /// Deletes by a policy. Returns false if another came into force before every segment was
    /// looked at.
    fn expire_by(&self, actor: &Actor, policy: &Policy, expired: &mut Expired) -> Result<bool> {
        let rule = RetentionRun::of(actor, policy, self.shared.clock.now())?;
        let snapshot = self.settled()?;
        let mut work = self.in_work.begin();
        let mut batch: Vec<SegmentFate> = Vec::new();
        let mut number = snapshot.version;
        expired.held = 0;
        for segment in snapshot.segments.iter() {
            let tenants = rule.expired_tenants(segment);
            let id = &segment.manifest().id;
            let seen = || {
                tenants
                    .iter()
                    .map(|tenant| (*tenant).to_owned())
                    .chain([policy.version.to_string()])
                    .collect::<Vec<_>>()
            };
            if tenants.is_empty() || self.all_held().get(id) == Some(&seen()) {
                continue;
            }
            let fate = self.decide(&mut work, &rule, segment, &mut number)?;
            if fate.deleted.is_empty() {
                expired.add(&fate);
                self.all_held().insert(id.clone(), seen());
                continue;
            }
            batch.push(fate);
            if batch.len() == SEGMENTS_AT_A_TIME {
                if !self.delete(&rule, &batch, expired)? {
                    return Ok(false);
                }
                batch.clear();
            }
        }
        Ok(batch.is_empty() || self.delete(&rule, &batch, expired)?)
    }

    fn all_held(&self) -> std::sync::MutexGuard<'_, AllHeld> {
        self.all_held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Deletes from some segments in one commit. Returns false, and deletes nothing, if the policy
    /// is no longer in force.
    fn delete(
        &self,
        rule: &RetentionRun<'_>,
        fates: &[SegmentFate],
        expired: &mut Expired,
    ) -> Result<bool> {
        let policy = rule.policy;
        self.check_disk()?;
        self.shared.reach(Failpoint::DeletionWritten)?;
        if self.shared.admin.policy().version != policy.version {
            return Ok(false);
        }
        self.record_deletion(rule, fates, "begun")?;
        self.shared.reach(Failpoint::DeletionRecorded)?;
        let old: Vec<Arc<Segment>> = fates.iter().map(|fate| Arc::clone(&fate.segment)).collect();
        let left = fates.iter().filter_map(|fate| fate.left.clone()).collect();
        // The committing thread checks the policy right before: a hold that is placed after that
        // waits for this one commit.
        if self
            .table
            .delete_if(old.clone(), left, self.shared.admin.still(policy.version))?
            .is_none()
        {
            self.record_deletion(rule, fates, "stopped")?;
            return Ok(false);
        }
        fates.iter().for_each(|fate| expired.add(fate));
        self.retire(&old)?;
        self.record_deletion(rule, fates, "done")?;
        Ok(true)
    }

    /// Decides what happens to a segment, and writes what is left of it, one segment at a time;
    /// that is not in the table yet.
    fn decide(
        &self,
        work: &mut SegmentWork<'_>,
        rule: &RetentionRun<'_>,
        segment: &Arc<Segment>,
        number: &mut u64,
    ) -> Result<SegmentFate> {
        let parted = rule.part(segment, true)?;
        let mut fate = SegmentFate {
            segment: Arc::clone(segment),
            left: None,
            deleted: parted.deleted,
            held: parted.held,
        };
        work.hold(&segment.manifest().id);
        if !fate.deleted.is_empty() && !parted.left.is_empty() {
            self.check_disk()?;
            fate.left = Some(self.put_left(work, segment, &parted.left, number)?);
        }
        Ok(fate)
    }

    /// Writes what is left of a segment, and verifies it.
    fn put_left(
        &self,
        work: &mut SegmentWork<'_>,
        segment: &Segment,
        left: &[RecordBatch],
        number: &mut u64,
    ) -> Result<Arc<Segment>> {
        let manifest = segment.manifest();
        let id = work.new_id(&self.shared, manifest.last_seq, number);
        let form =
            SegmentOptions { decoders: manifest.decoders, summary: self.shared.settings.summary };
        let fingerprinter = Fingerprinter::default();
        let (files, before) = write_left(&id, &manifest.date, form, left, &fingerprinter)?;
        put(self.shared.data.store(), &files)?;
        let segment = Arc::new(Segment::new(self.shared.data.store(), files.manifest));
        if fingerprinter.of_segment(&segment)? != before {
            return Err(Error::internal(format!(
                "the segment {id} does not hold what is left of {}",
                manifest.id
            )));
        }
        Ok(segment)
    }

    /// Records a deletion, one event for each tenant.
    fn record_deletion(
        &self,
        rule: &RetentionRun<'_>,
        fates: &[SegmentFate],
        state: &str,
    ) -> Result<()> {
        let (policy, now) = (rule.policy, rule.now);
        let mut tenants: BTreeMap<&str, (u64, Vec<serde_json::Value>)> = BTreeMap::new();
        for fate in fates {
            let manifest = fate.segment.manifest();
            for (tenant, events) in &fate.deleted {
                let entry = tenants.entry(tenant).or_default();
                entry.0 += events;
                entry.1.push(json!({ "segment": manifest.id, "date": manifest.date,
                    "sha256": manifest.data.sha256, "events": events }));
            }
        }
        for (tenant, (events, segments)) in tenants {
            let first = segments
                .first()
                .map(|segment| segment["segment"].as_str().unwrap_or_default().to_owned())
                .unwrap_or_default();
            let record = json!({
                "trace_id": format!("delete-{tenant}-{first}-{state}-{}-{}", policy.version,
                    now.millis()), "event_name": "deleteEvents", "code": state, "level": "warning",
                "resource_type": "events", "resource_name": tenant,
                "details": {
                    "tenant": tenant, "kept_from": policy.kept_from(tenant, now),
                    "days": policy.days_of(tenant), "policy_version": policy.version,
                    "events": events, "segments": segments,
                },
            });
            self.record_deed(rule.actor, record)?;
        }
        debug_assert!(fates.iter().all(|fate| !fate.deleted.contains_key(SYSTEM_TENANT)));
        Ok(())
    }
}
