//! What earlier versions left of administrative state: two files of JSON, and events that record
//! each change of them as `policy-N` and `view-N`. It is carried over into `admin.redb` when a
//! store is first opened for writing, and made again from the events if that file is lost.

use crate::engine::Engine;
use crate::engine::maintain::saved_views::View;
use crate::error::{Context, ErrorKind, Result};
use crate::maintain::Policy;
use crate::storage::admin::{AdminFile, AdminSnapshot};
use crate::storage::{Marked, Store, changed, paths, raise_version, read_guarded, remove_guarded};
use serde::Deserialize;
use std::collections::BTreeMap;

/// All views, as earlier versions kept them.
#[derive(Debug, Clone, Default, Deserialize)]
struct EarlierViews {
    /// The number of changes so far.
    changes: u64,
    views: BTreeMap<String, View>,
}

/// A recorded change of one view: its new content, or none if it was deleted.
#[derive(Debug, Deserialize)]
struct EarlierChange {
    id: String,
    view: Option<View>,
}

/// What the two files held.
#[derive(Debug, Clone, Default)]
struct EarlierState {
    policy: Policy,
    views: EarlierViews,
}

impl EarlierState {
    fn read(store: &Store) -> Result<Self> {
        let policy = match read_guarded(store, paths::POLICY_FILE)? {
            Marked::Sound(bytes) => Policy::decode(&bytes)
                .map_err(|error| error.at(store.path(paths::POLICY_FILE).display()))?,
            Marked::Changed(_) => return Err(changed(store, paths::POLICY_FILE)),
            Marked::Gone => {
                warn_of(store, paths::POLICY_FILE, "missing");
                Policy::default()
            }
            Marked::Absent => Policy::default(),
        };
        let views = match read_guarded(store, paths::VIEWS_FILE)? {
            Marked::Sound(bytes) => serde_json::from_slice(&bytes)
                .context(ErrorKind::Corrupt, || {
                    store.path(paths::VIEWS_FILE).display().to_string()
                })?,
            Marked::Changed(_) => {
                warn_of(store, paths::VIEWS_FILE, "damaged");
                EarlierViews::default()
            }
            Marked::Gone => {
                warn_of(store, paths::VIEWS_FILE, "missing");
                EarlierViews::default()
            }
            Marked::Absent => EarlierViews::default(),
        };
        Ok(Self { policy, views })
    }

    /// Returns the administrative state that this amounts to.
    fn state(&self) -> Result<AdminSnapshot> {
        let mut records: Vec<_> = self.views.views.values().map(View::record).collect();
        if self.policy.version > 0 {
            records.push(self.policy.record());
        }
        AdminSnapshot::carried(self.policy.version + self.views.changes, &records)
    }
}

fn warn_of(store: &Store, file: &str, what: &str) {
    tracing::warn!(file = %store.path(file).display(), "a file of administrative state is {what}; \
        it is rebuilt from the recorded changes");
}

impl Engine {
    /// Carries over what earlier versions left, or what was recorded of a file that is lost, into a
    /// new file.
    pub(super) fn carry_over(&self) -> Result<AdminFile> {
        let store = self.shared.data.store();
        let state = self.brought_up_to_date(EarlierState::read(store)?)?;
        // First of all, so that no earlier version changes what it has no longer.
        raise_version(store)?;
        let file = AdminFile::create(store, state)?;
        self.remove_earlier_files()?;
        Ok(file)
    }

    /// Removes the files that were carried over.
    pub(super) fn remove_earlier_files(&self) -> Result<()> {
        let store = self.shared.data.store();
        raise_version(store)?;
        remove_guarded(store, paths::POLICY_FILE)?;
        remove_guarded(store, paths::VIEWS_FILE)
    }

    /// Returns the administrative state of a store without a file of it that is open for reading.
    pub(super) fn state_of_earlier_files(&self) -> Result<AdminSnapshot> {
        let earlier = EarlierState::read(self.shared.data.store())?;
        self.brought_up_to_date(earlier.clone()).or_else(|error| {
            tracing::warn!(%error, "what was recorded of the policy and of saved views cannot be \
                read; what their files hold is shown");
            earlier.state()
        })
    }

    /// Returns the administrative state that all recorded changes amount to.
    pub(super) fn recorded_state(&self) -> Result<AdminSnapshot> {
        self.brought_up_to_date(EarlierState::default())
    }

    fn brought_up_to_date(&self, mut earlier: EarlierState) -> Result<AdminSnapshot> {
        self.add_recorded_policies(&mut earlier.policy)?;
        if self.are_views_ahead(&earlier.views) {
            earlier.views = EarlierViews::default();
        }
        self.add_recorded_views(&mut earlier.views)?;
        self.with_recorded(earlier.state()?)
    }

    fn add_recorded_policies(&self, policy: &mut Policy) -> Result<()> {
        loop {
            let id = format!("policy-{}", policy.version + 1);
            let Some(record) = self.recorded(&id)? else { return Ok(()) };
            *policy = serde_json::from_value(record["policy"].clone())
                .context(ErrorKind::Corrupt, || id)?;
        }
    }

    fn add_recorded_views(&self, views: &mut EarlierViews) -> Result<()> {
        loop {
            let id = view_id(views.changes + 1);
            let Some(record) = self.recorded(&id)? else { return Ok(()) };
            let change: EarlierChange = serde_json::from_value(record["details"].clone())
                .context(ErrorKind::Corrupt, || id)?;
            views.changes += 1;
            match change.view {
                Some(view) => views.views.insert(change.id, view),
                None => views.views.remove(&change.id),
            };
        }
    }

    /// Returns whether the last change in the views was not recorded here: earlier versions copied
    /// their file into backups as it was at the end.
    fn are_views_ahead(&self, views: &EarlierViews) -> bool {
        views.changes > 0
            // If records cannot be read, the file is all there is.
            && self.recorded(&view_id(views.changes)).is_ok_and(|found| found.is_none())
    }
}

fn view_id(change: u64) -> String {
    format!("view-{change}")
}
