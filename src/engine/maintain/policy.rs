//! Changes of the policy of retention and legal holds. Each is recorded as an event of the store's
//! own tenant before it is in force, and carried out at the next start if the process ends in
//! between.

use crate::access::{SYSTEM_TENANT, Scope};
use crate::decode::Format;
use crate::engine::failpoint::Failpoint;
use crate::engine::maintain::turns::Turns;
use crate::engine::{Engine, Shared, Writer};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::event::Timestamp;
use crate::ingest::{IncomingRecord, TenantRule, decode_records};
use crate::maintain::{Hold, Policy};
use crate::query::Filter;
use crate::query::filter::parse_filter;
use crate::storage::{Marked, Store, changed, paths, put_guarded, read_guarded};
use serde_json::{Value as Json, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The policy in force.
#[derive(Debug)]
pub(in crate::engine) struct InForce {
    policy: Mutex<Arc<Policy>>,
    /// Its version, for the thread that commits deletions.
    version: Arc<AtomicU64>,
    /// Held while the policy is changed.
    change: Turns,
}

/// A change of how long events are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retention {
    /// The days of a tenant, or of all tenants that have none of their own; `None` is for ever.
    Days(Option<String>, Option<u32>),
    /// The fewest days that any tenant may have.
    Floor(u32),
}

impl InForce {
    /// Reads the policy of a store, or returns that of a new store if it has none.
    pub(in crate::engine) fn read(store: &Store) -> Result<Self> {
        let policy = match read_guarded(store, paths::POLICY_FILE)? {
            Marked::Sound(bytes) => Policy::decode(&bytes)
                .map_err(|error| error.at(store.path(paths::POLICY_FILE).display()))?,
            Marked::Changed(_) => return Err(changed(store, paths::POLICY_FILE)),
            Marked::Gone => {
                tracing::warn!(file = %store.path(paths::POLICY_FILE).display(), "the file of the \
                    policy is missing; it is rebuilt from the recorded changes");
                Policy::default()
            }
            Marked::Absent => Policy::default(),
        };
        let version = Arc::new(AtomicU64::new(policy.version));
        Ok(Self { policy: Mutex::new(Arc::new(policy)), version, change: Turns::default() })
    }

    pub(in crate::engine) fn get(&self) -> Arc<Policy> {
        Arc::clone(&self.lock())
    }

    /// Returns a function that tells whether the policy of a version is still in force.
    pub(in crate::engine) fn still(&self, version: u64) -> impl Fn() -> bool + Send + 'static {
        let in_force = Arc::clone(&self.version);
        move || in_force.load(Ordering::Acquire) == version
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Policy>> {
        self.policy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Returns how long events are kept, and what is held.
    pub fn policy(&self) -> Arc<Policy> {
        self.shared.policy.get()
    }

    /// Changes how long events are kept. Events that have then expired are deleted by the next run
    /// of retention.
    ///
    /// # Errors
    /// If there are fewer days than the floor, or the disk fails.
    pub fn set_retention(&self, change: &Retention) -> Result<Arc<Policy>> {
        match change {
            Retention::Days(tenant, days) => {
                let details = json!({ "tenant": tenant, "days": days });
                let name = tenant.as_deref().unwrap_or("default");
                self.change_policy("setRetention", "retention", name, &details, |policy| {
                    policy.set_days(tenant.as_deref(), *days)
                })
            }
            Retention::Floor(days) => {
                let details = json!({ "floor_days": days });
                self.change_policy(
                    "raiseRetentionFloor",
                    "retention",
                    "floor",
                    &details,
                    |policy| policy.raise_floor(*days),
                )
            }
        }
    }

    /// Sets whether a tenant takes records without a time, which are filed under their arrival and
    /// flagged, or refuses them, which puts them into quarantine.
    ///
    /// # Errors
    /// If the name is not a tenant's, or the disk fails.
    pub fn set_undated(&self, tenant: &str, accepted: bool) -> Result<Arc<Policy>> {
        let details = json!({ "undated": if accepted { "accept" } else { "refuse" } });
        self.change_policy("setTenant", "tenant", tenant, &details, |policy| {
            policy.set_undated(tenant, accepted)
        })
    }

    /// Places a legal hold. Once this returns, nothing that matches it is deleted.
    ///
    /// # Errors
    /// If the name is taken, if the filter is invalid or relative to now, or if the disk fails.
    pub fn place_hold(
        &self,
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
        let details = serde_json::to_value(&hold).unwrap_or_default();
        self.change_policy("placeHold", "hold", name, &details, |policy| policy.place(name, hold))
    }

    /// Lifts a legal hold.
    ///
    /// # Errors
    /// If there is no such hold, or the disk fails.
    pub fn lift_hold(&self, name: &str, reason: &str) -> Result<Arc<Policy>> {
        let details = json!({ "reason": reason });
        self.change_policy("liftHold", "hold", name, &details, |policy| {
            policy.lift(name, reason).map(drop)
        })
    }

    /// Records a change of the policy, puts it in force, and waits for a deletion that is being
    /// committed under the old one.
    fn change_policy(
        &self,
        what: &str,
        kind: &str,
        name: &str,
        details: &Json,
        change: impl FnOnce(&mut Policy) -> Result<()>,
    ) -> Result<Arc<Policy>> {
        let writer = self.writer()?;
        let _turn = self.shared.policy.change.take();
        // A change that was recorded but then failed must be in force before the next one is made.
        self.catch_up()?;
        let mut policy = (*self.policy()).clone();
        change(&mut policy)?;
        if policy == *self.policy() {
            return Ok(self.policy());
        }
        policy.version += 1;
        let record = json!({
            "trace_id": trace_id(policy.version), "event_name": what, "resource_type": kind,
            "resource_name": name, "details": details,
            "policy": policy,
        });
        writer.record(record)?;
        self.shared.reach(Failpoint::PolicyRecorded)?;
        let policy = writer.enforce(policy)?;
        // The committing thread checks the policy right before each deletion, so only a commit that
        // is already running has to be waited for.
        writer.table.settle()?;
        Ok(policy)
    }

    /// Carries out the changes that were recorded but not put in force.
    pub(in crate::engine) fn catch_up(&self) -> Result<()> {
        loop {
            let id = trace_id(self.policy().version + 1);
            let snapshot = self.snapshot();
            let scope = Scope::of_operator(&[SYSTEM_TENANT])?;
            let found = self.reader(&snapshot, None).get(&scope, &id, 1)?;
            let Some(event) = found.first() else { return Ok(()) };
            let record: Json =
                serde_json::from_str(&event.original).context(ErrorKind::Corrupt, || id.clone())?;
            let policy: Policy = serde_json::from_value(record["policy"].clone())
                .context(ErrorKind::Corrupt, || id.clone())?;
            self.writer()?.enforce(policy)?;
        }
    }
}

fn trace_id(version: u64) -> String {
    format!("policy-{version}")
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

impl Writer {
    /// Writes a policy and puts it in force.
    fn enforce(&self, policy: Policy) -> Result<Arc<Policy>> {
        put_guarded(self.shared.data.store(), paths::POLICY_FILE, &policy.encode())?;
        self.shared.reach(Failpoint::PolicyWritten)?;
        let policy = Arc::new(policy);
        self.shared.policy.version.store(policy.version, Ordering::Release);
        *self.shared.policy.lock() = Arc::clone(&policy);
        Ok(policy)
    }

    /// Records something that was done to the store, as an event of the store's own tenant. It is
    /// durable when this returns.
    pub(in crate::engine) fn record(&self, mut record: Json) -> Result<()> {
        let now = self.shared.clock.now();
        for (key, value) in [
            ("time", now.to_string()),
            ("source", "annals".to_owned()),
            ("trace_type", "SystemAction".to_owned()),
        ] {
            record[key] = value.into();
        }
        if record["level"].is_null() {
            record["level"] = "normal".into();
        }
        let records = vec![IncomingRecord::new(1, record.to_string())];
        let batch = decode_records(
            records,
            Some(Format::Native),
            &TenantRule::Is(SYSTEM_TENANT.to_owned()),
            None,
            now,
        );
        if let Some(rejected) = batch.rejected.first() {
            return Err(Error::internal(format!(
                "a record that the store made itself cannot be decoded: {}",
                rejected.reason
            )));
        }
        let outcome = self.ingest(batch, "annals", None, self.shared.settings.room_wait)?;
        // What is in quarantine is no record: the deed must not go on without one.
        match outcome.quarantined.listed().first() {
            Some(refused) => Err(Error::internal(format!(
                "what was to be done could not be recorded: {}",
                refused.reason
            ))),
            None => Ok(()),
        }
    }
}
