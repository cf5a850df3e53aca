//! The quarantine as the engine offers it to surfaces, and its retention.

use super::{Engine, Shared, Writer};
use crate::access::{Actor, SYSTEM_TENANT};
use crate::error::Result;
use crate::event::Timestamp;
use crate::ingest::{
    Cleared, Clearing, QuarantineAsk, QuarantinePage, QuarantineUsage, Quarantined, ReasonCount,
};
use crate::maintain::Policy;
use serde_json::json;

impl Engine {
    /// Returns a page of the records in quarantine, newest first.
    ///
    /// # Errors
    /// If `after` names no record, or the disk fails.
    pub fn quarantine(&self, ask: &QuarantineAsk<'_>) -> Result<QuarantinePage> {
        self.shared.quarantine.page(ask)
    }

    /// Returns how many records in quarantine were refused for each kind of reason, most frequent
    /// first, and a description of whatever could not be read.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn quarantine_reasons(
        &self,
        ask: &QuarantineAsk<'_>,
    ) -> Result<(Vec<ReasonCount>, Vec<String>)> {
        self.shared.quarantine.reasons(ask)
    }

    /// Returns how much is in quarantine.
    pub fn quarantine_usage(&self) -> QuarantineUsage {
        self.shared.quarantine.usage()
    }

    /// Returns all records in quarantine, newest first: for stores that are known to have few.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn quarantined(&self) -> Result<Vec<Quarantined>> {
        let mut all = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let ask = QuarantineAsk {
                tenant: &|_| true,
                from: None,
                to: None,
                reason: None,
                source: None,
                substring: None,
                after: after.as_deref(),
                limit: 1_000,
            };
            let page = self.quarantine(&ask)?;
            all.extend(page.records);
            match page.next {
                None => return Ok(all),
                next => after = next,
            }
        }
    }
}

impl Shared {
    /// Returns what retention would delete from the quarantine.
    pub(super) fn clearable(&self, policy: &Policy, now: Timestamp) -> Cleared {
        let past = |tenant: Option<&str>, time: Timestamp| past(policy, tenant, time, now);
        self.quarantine.clearable(&Clearing { past: &past, held: &|tenant| held(policy, tenant) })
    }
}

impl Writer {
    /// Deletes from the quarantine what has expired and is not held, and records the deletion
    /// before and after.
    pub(super) fn clear_quarantine(
        &self,
        actor: &Actor,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<Cleared> {
        let past = |tenant: Option<&str>, time: Timestamp| past(policy, tenant, time, now);
        let clearing = Clearing { past: &past, held: &|tenant| held(policy, tenant) };
        let cleared = self.shared.quarantine.clear(&clearing, |cleared| {
            self.record_cleared(actor, policy, cleared, "begun", now)
        })?;
        self.record_cleared(actor, policy, &cleared, "done", now)?;
        Ok(cleared)
    }

    fn record_cleared(
        &self,
        actor: &Actor,
        policy: &Policy,
        cleared: &Cleared,
        state: &str,
        now: Timestamp,
    ) -> Result<()> {
        for (tenant, records) in &cleared.tenants {
            let name = tenant.as_deref().unwrap_or_default();
            let record = json!({
                "trace_id": format!("delete-quarantined-{name}-{state}-{}", now.millis()),
                "event_name": "deleteQuarantined",
                "code": state, "level": "warning", "resource_type": "quarantine",
                "resource_name": tenant,
                "details": {
                    "tenant": tenant, "kept_from": policy.kept_from(name, now),
                    "days": policy.days_of(name),
                    "policy_version": policy.version, "records": records,
                },
            });
            self.record_deed(actor, record)?;
        }
        Ok(())
    }
}

/// Returns whether a record that came at `time` has expired. The default applies to a record whose
/// tenant is unknown.
fn past(policy: &Policy, tenant: Option<&str>, time: Timestamp, now: Timestamp) -> bool {
    tenant != Some(SYSTEM_TENANT)
        && policy.is_expired(tenant.unwrap_or_default(), &time.date(), now)
}

/// Returns whether a hold keeps a record. The record could not be decoded, so no filter can tell
/// whether it matches: a hold keeps every record of its tenants, and every record whose tenant is
/// unknown.
pub(super) fn held(policy: &Policy, tenant: Option<&str>) -> bool {
    policy.holds.values().any(|hold| tenant.is_none_or(|tenant| hold.covers(tenant)))
}
