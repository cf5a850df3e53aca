//! Quarantine as the engine gives it to surfaces, and its retention.

use super::{Core, Engine};
use crate::access::SYSTEM_TENANT;
use crate::error::Result;
use crate::event::Timestamp;
use crate::ingest::{Cleared, Clearing, QuarantineAsk, QuarantinePage, Quarantined, ReasonCount};
use crate::maintain::Policy;
use serde_json::json;

impl Engine {
    /// A page of the records in quarantine, newest first.
    ///
    /// # Errors
    /// An `after` that names nothing; a disk that fails.
    pub fn quarantine(&self, ask: &QuarantineAsk<'_>) -> Result<QuarantinePage> {
        self.core.quarantine.page(ask)
    }

    /// How many records in quarantine were refused for which kind of reason, most first; and what
    /// could not be read.
    ///
    /// # Errors
    /// A disk that fails.
    pub fn quarantine_reasons(
        &self,
        ask: &QuarantineAsk<'_>,
    ) -> Result<(Vec<ReasonCount>, Vec<String>)> {
        self.core.quarantine.reasons(ask)
    }

    /// How many records are in quarantine; the bytes that they are counted with, and how many they
    /// may be.
    pub fn quarantine_size(&self) -> (u64, (u64, u64)) {
        (self.core.quarantine.len(), self.core.quarantine.bytes())
    }

    /// All records in quarantine, newest first: for stores that are known to have few.
    ///
    /// # Errors
    /// A disk that fails.
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

impl Core {
    /// What retention would delete of quarantine.
    pub(super) fn clearable(&self, policy: &Policy, now: Timestamp) -> Cleared {
        let past = |tenant: Option<&str>, time: Timestamp| past(policy, tenant, time, now);
        self.quarantine.clearable(&Clearing { past: &past, held: &|tenant| held(policy, tenant) })
    }

    /// Deletes from quarantine what is past its time and not held, and records it, before and
    /// after.
    pub(super) fn clear_quarantine(&self, policy: &Policy, now: Timestamp) -> Result<Cleared> {
        let past = |tenant: Option<&str>, time: Timestamp| past(policy, tenant, time, now);
        let clearing = Clearing { past: &past, held: &|tenant| held(policy, tenant) };
        let cleared = self
            .quarantine
            .clear(&clearing, |cleared| self.record_cleared(policy, cleared, "begun", now))?;
        self.record_cleared(policy, &cleared, "done", now)?;
        Ok(cleared)
    }

    fn record_cleared(
        &self,
        policy: &Policy,
        cleared: &Cleared,
        state: &str,
        now: Timestamp,
    ) -> Result<()> {
        for (tenant, records) in &cleared.tenants {
            let name = tenant.as_deref().unwrap_or_default();
            self.record(json!({
                "trace_id": format!("delete-quarantined-{name}-{state}-{}", now.millis()), "event_name": "deleteQuarantined",
                "code": state, "level": "warning", "resource_type": "quarantine", "resource_name": tenant,
                "details": {
                    "tenant": tenant, "kept_from": policy.kept_from(name, now), "days": policy.days_of(name),
                    "policy_version": policy.version, "records": records,
                },
            }))?;
        }
        Ok(())
    }
}

/// Whether a record that came then is past its time; one whose tenant is not known goes by the
/// default.
fn past(policy: &Policy, tenant: Option<&str>, time: Timestamp, now: Timestamp) -> bool {
    tenant != Some(SYSTEM_TENANT)
        && policy.is_expired(tenant.unwrap_or_default(), &time.date(), now)
}

/// Whether a hold keeps a record. It could not be decoded, so no filter tells whether it is meant:
/// a hold keeps all of its tenants, and all whose tenant is not known.
fn held(policy: &Policy, tenant: Option<&str>) -> bool {
    policy.holds.values().any(|hold| tenant.is_none_or(|tenant| hold.covers(tenant)))
}
