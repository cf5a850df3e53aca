//! Changes of administrative state, and what is made of it in memory.
//!
//! A change takes its turn, is recorded as an event of the store's own tenant, is committed, and
//! is shown. If the process ends after it was recorded, the next start commits it: the event holds
//! the changed records, but not their secrets. Readers share what is shown and wait for none of
//! this.

use crate::access::{Actor, Directory, Relationships, SYSTEM_TENANT, Scope};
use crate::decode::Format;
use crate::engine::failpoint::Failpoint;
use crate::engine::maintain::directory::{OF_DIRECTORY, directory_of, relationships_of};
use crate::engine::maintain::saved_views::Views;
use crate::engine::maintain::turns::Turns;
use crate::engine::{Engine, Writer};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::ingest::{DecodedBatch, IncomingRecord, TenantRule, decode_records};
use crate::maintain::{POLICY_KEY, Policy};
use crate::storage::Store;
use crate::storage::admin::{AdminFile, AdminSnapshot, AdminState, RecordChange, RecordKind};
use serde_json::{Value as Json, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// What was done, as it is recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Deed<'a> {
    /// The name of the event, such as `placeHold`.
    pub event_name: &'a str,
    /// What kind of thing it was done to.
    pub resource_type: &'a str,
    /// The id of that thing, if it has one.
    pub resource_id: Option<&'a str>,
    /// Its name, if it has one.
    pub resource_name: Option<&'a str>,
    /// What else is to be known of it; no secrets.
    pub details: Json,
}

impl Deed<'_> {
    /// Returns the event, without what is the same for all.
    pub(in crate::engine) fn record(&self) -> Json {
        let mut record = json!({
            "event_name": self.event_name, "resource_type": self.resource_type,
            "details": self.details,
        });
        let named = [("resource_id", self.resource_id), ("resource_name", self.resource_name)];
        for (key, value) in named {
            if let Some(value) = value {
                record[key] = value.into();
            }
        }
        record
    }
}

/// The administrative state of an open store.
#[derive(Debug)]
pub(in crate::engine) struct Administration {
    /// Absent only while the store is opened, or if it is open for reading and comes from an
    /// earlier version.
    file: OnceLock<AdminFile>,
    shown: Mutex<ShownState>,
    /// The version of the policy in force, for the thread that commits deletions.
    policy_version: Arc<AtomicU64>,
    /// The version of the policy that no commit under an earlier one outlives.
    settled_version: AtomicU64,
    /// Held while the state is changed.
    change: Turns,
    /// The key of tokens and hashed fields.
    key: [u8; 32],
}

/// A state, and what is read from it all the time.
#[derive(Debug, Clone, Default)]
struct ShownState {
    state: Arc<AdminSnapshot>,
    policy: Arc<Policy>,
    views: Arc<Views>,
    relationships: Arc<Relationships>,
    directory: Arc<Directory>,
}

impl Administration {
    /// Opens the administrative state of a data directory. What it shows is empty until
    /// [`Engine::begin_admin`].
    pub(in crate::engine) fn open(store: &Store, key: [u8; 32]) -> Result<Self> {
        let opened = AdminFile::open(store)?;
        Ok(Self {
            file: opened.map_or_else(OnceLock::new, OnceLock::from),
            shown: Mutex::default(),
            policy_version: Arc::default(),
            settled_version: AtomicU64::new(0),
            change: Turns::default(),
            key,
        })
    }

    pub(super) fn file(&self) -> Option<&AdminFile> {
        self.file.get()
    }

    /// Returns the policy in force.
    pub(in crate::engine) fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.shown().policy)
    }

    /// Returns the principals and tokens.
    pub(in crate::engine) fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.shown().directory)
    }

    /// Returns the relationships of partners.
    pub(in crate::engine) fn relationships(&self) -> Arc<Relationships> {
        Arc::clone(&self.shown().relationships)
    }

    /// Returns a function that tells whether the policy of a version is still in force.
    pub(in crate::engine) fn still(&self, version: u64) -> impl Fn() -> bool + Send + 'static {
        let in_force = Arc::clone(&self.policy_version);
        move || in_force.load(Ordering::Acquire) == version
    }

    fn shown(&self) -> MutexGuard<'_, ShownState> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows a state. Its policy is in force when this returns.
    pub(super) fn show(&self, state: Arc<AdminSnapshot>) -> Result<()> {
        let now = self.shown().clone();
        if Arc::ptr_eq(&state, &now.state) {
            return Ok(());
        }
        let (there, before) =
            [&state, &now.state].map(|state| state.get(RecordKind::Policy, POLICY_KEY)).into();
        let policy = match (there, before) {
            (Some(there), Some(before)) if Arc::ptr_eq(there, before) => now.policy,
            _ => Arc::new(Policy::of(&state)?),
        };
        let views = Arc::new(Views::of(&state, &now.views)?);
        self.policy_version.store(policy.version, Ordering::Release);
        let is_same = |kind: &RecordKind| state.is_same(&now.state, *kind);
        let relationships = match [RecordKind::Relationship, RecordKind::Tenant].iter().all(is_same)
        {
            true => now.relationships,
            false => Arc::new(relationships_of(&state, &now.state, &now.relationships)?),
        };
        let directory = match OF_DIRECTORY.iter().all(is_same) {
            true => now.directory,
            false => Arc::new(directory_of(self.key, &state, &relationships, &now.directory)),
        };
        *self.shown() = ShownState { state, policy, views, relationships, directory };
        Ok(())
    }
}

impl Engine {
    /// Returns the administrative state: the policy, saved views, and what else is set up.
    pub fn admin(&self) -> Arc<AdminSnapshot> {
        Arc::clone(&self.shared.admin.shown().state)
    }

    /// Returns how long events are kept, and what is held.
    pub fn policy(&self) -> Arc<Policy> {
        self.shared.admin.policy()
    }

    /// Returns the saved views.
    pub fn views(&self) -> Arc<Views> {
        Arc::clone(&self.shared.admin.shown().views)
    }

    /// Changes administrative state, and records who did what. `change` gets the newest state and
    /// returns the changes; if there are none, nothing is recorded. They are durable when this
    /// returns. The policy and views have calls of their own, which count their versions.
    ///
    /// # Errors
    /// What `change` returns; a disk that fails. What was recorded and then failed is made by the
    /// next change, or at the next start, without its secrets.
    pub fn change_admin(
        &self,
        actor: &Actor,
        deed: &Deed<'_>,
        change: impl FnOnce(&AdminSnapshot) -> Result<Vec<RecordChange>>,
    ) -> Result<Arc<AdminSnapshot>> {
        self.change_recorded(actor, |state| Ok(Some((deed.record(), change(state)?))))
    }

    /// Changes administrative state as [`Engine::change_admin`] does; `change` also returns the
    /// event.
    pub(in crate::engine) fn change_recorded(
        &self,
        actor: &Actor,
        change: impl FnOnce(&AdminSnapshot) -> Result<Option<(Json, Vec<RecordChange>)>>,
    ) -> Result<Arc<AdminSnapshot>> {
        let writer = self.writer()?;
        let admin = &self.shared.admin;
        let _turn = admin.change.take();
        // A change that was recorded but then failed must be made before the next one.
        let file = self.catch_up()?;
        let state = self.admin();
        if let Some((mut record, changes)) = change(&state)?.filter(|(_, made)| !made.is_empty()) {
            record["trace_id"] = trace_id(state.version() + 1).into();
            record["changes"] = changes.iter().map(RecordChange::shown).collect();
            writer.record_deed(actor, record)?;
            self.shared.reach(Failpoint::AdminRecorded)?;
            let state = file.change(state.version(), &changes)?;
            self.shared.reach(Failpoint::AdminWritten)?;
            admin.show(state)?;
        }
        // The committing thread checks the policy right before each deletion, so only a commit that
        // is already running has to be waited for.
        let version = self.policy().version;
        if admin.settled_version.load(Ordering::Acquire) != version {
            writer.table.settle()?;
            admin.settled_version.store(version, Ordering::Release);
        }
        Ok(self.admin())
    }

    /// Makes and shows the administrative state when the store is opened: what the file holds, or
    /// what earlier versions left, and in both cases what was recorded since.
    pub(in crate::engine) fn begin_admin(&self) -> Result<()> {
        let admin = &self.shared.admin;
        match (admin.file(), &self.writer) {
            (Some(file), None) => admin.show(file.snapshot())?,
            (Some(file), Some(_)) => {
                // A process may have died after it had carried them over.
                self.remove_earlier_files()?;
                let state = file.snapshot();
                if self.is_ahead(&state) {
                    let mut recorded = self.recorded_state()?;
                    recorded.take_secrets(&state)?;
                    file.replace(recorded)?;
                }
                self.catch_up()?;
            }
            (None, None) => admin.show(Arc::new(self.state_of_earlier_files()?))?,
            (None, Some(_)) => {
                let file = self.carry_over()?;
                admin.show(file.snapshot())?;
                // Nobody else opens the store at the same time.
                let _ = admin.file.set(file);
            }
        }
        // No deletion is running yet.
        admin.settled_version.store(self.policy().version, Ordering::Release);
        Ok(())
    }

    /// Makes the changes that were recorded but not made. Returns the file that has them.
    fn catch_up(&self) -> Result<&AdminFile> {
        let admin = &self.shared.admin;
        let missing = || Error::internal("the administrative state is not open");
        let file = admin.file().ok_or_else(missing)?;
        loop {
            // After a failure the file may have a change that is not shown.
            let state = file.snapshot();
            admin.show(Arc::clone(&state))?;
            let Some(changes) = self.recorded_changes(state.version() + 1)? else {
                return Ok(file);
            };
            match file.change(state.version(), &changes) {
                // The change that seemed to fail was made.
                Err(error)
                    if error.kind() == ErrorKind::Outdated
                        && file.snapshot().version() > state.version() => {}
                changed => {
                    changed?;
                    self.shared.reach(Failpoint::AdminWritten)?;
                }
            }
        }
    }

    /// Returns a state with the changes that were recorded after it.
    pub(super) fn with_recorded(&self, mut state: AdminSnapshot) -> Result<AdminSnapshot> {
        while let Some(changes) = self.recorded_changes(state.version() + 1)? {
            state = state.with(&changes)?;
        }
        Ok(state)
    }

    /// Returns whether the last change of a state was not recorded here: then the file comes from a
    /// later time than the records, as in a store that was restored from a backup.
    fn is_ahead(&self, state: &AdminSnapshot) -> bool {
        state.version() > state.carried_version()
            // If records cannot be read, the file is all there is.
            && self.recorded(&trace_id(state.version())).is_ok_and(|found| found.is_none())
    }

    /// Returns the changes that were recorded as the one that leads to a version.
    fn recorded_changes(&self, version: u64) -> Result<Option<Vec<RecordChange>>> {
        let id = trace_id(version);
        let Some(record) = self.recorded(&id)? else { return Ok(None) };
        let changes = record["changes"].as_array().map(Vec::as_slice).unwrap_or_default();
        let changes: Result<_> = changes.iter().map(RecordChange::from_shown).collect();
        changes.map(Some).map_err(|error| error.at(id))
    }

    /// Returns the event of the store's own tenant with this trace id, as it was recorded.
    pub(super) fn recorded(&self, trace_id: &str) -> Result<Option<Json>> {
        let snapshot = self.snapshot();
        let scope = Scope::of_operator(&[SYSTEM_TENANT])?;
        let found = self.reader(&snapshot, None).get(&scope, trace_id, 1)?;
        let Some(event) = found.first() else { return Ok(None) };
        serde_json::from_str(&event.original)
            .map(Some)
            .context(ErrorKind::Corrupt, || trace_id.to_owned())
    }
}

fn trace_id(version: u64) -> String {
    format!("admin-{version}")
}

impl Writer {
    /// Records something that somebody did to the store, as [`Writer::record`] does.
    pub(in crate::engine) fn record_deed(&self, actor: &Actor, mut record: Json) -> Result<()> {
        record["operator"] = actor.name.as_str().into();
        if let Some(address) = &actor.source_ip {
            record["source_ip"] = address.as_str().into();
        }
        self.record(record)
    }

    /// Records something that was done to the store, as an event of the store's own tenant. It is
    /// durable when this returns.
    pub(in crate::engine) fn record(&self, record: Json) -> Result<()> {
        self.record_unnoted(record).inspect_err(|_| self.shared.trail.note_failure())
    }

    fn record_unnoted(&self, record: Json) -> Result<()> {
        let batch = self.own_batch(vec![record])?;
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

    /// Returns events of the store's own tenant.
    pub(in crate::engine) fn own_batch(&self, records: Vec<Json>) -> Result<DecodedBatch> {
        let now = self.shared.clock.now();
        let complete = |mut record: Json| {
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
            record.to_string()
        };
        let records = (1..).zip(records.into_iter().map(complete));
        let batch = decode_records(
            records.map(|(line, record)| IncomingRecord::new(line, record)).collect(),
            Some(Format::Native),
            &TenantRule::Is(SYSTEM_TENANT.to_owned()),
            None,
            now,
        );
        match batch.rejected.first() {
            Some(rejected) => Err(Error::internal(format!(
                "a record that the store made itself cannot be decoded: {}",
                rejected.reason
            ))),
            None => Ok(batch),
        }
    }
}
