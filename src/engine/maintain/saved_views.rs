//! Saved views as they are kept: each is a record of the administrative state.

use crate::access::Caller;
use crate::error::{Context, ErrorKind, Result};
use crate::storage::admin::{AdminRecord, AdminSnapshot, RecordChange, RecordKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The part of a view that its author writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewText {
    /// What people call it.
    pub name: String,
    /// Its author, as shown: the principal, or who an author without credentials says to be.
    #[serde(default)]
    pub owner: String,
    /// The query of the page's URL, without the question mark.
    pub query: String,
}

/// A saved view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Its name in the API.
    pub id: String,
    /// Its name, owner and query.
    #[serde(flatten)]
    pub text: ViewText,
    /// The principal that saved it; none if it was saved without a credential, or if its principal
    /// is gone: another one of the same name does not inherit it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// Starts at 1 and grows by one with each change.
    pub version: u64,
    /// When it was first saved.
    pub created: String,
    /// When it was last changed.
    pub changed: String,
}

/// All views.
#[derive(Debug, Clone, Default)]
pub struct Views {
    /// Each with the record that it was read from.
    views: BTreeMap<String, (Arc<AdminRecord>, Arc<View>)>,
}

impl Views {
    /// Returns how many there are.
    pub(super) fn count(&self) -> usize {
        self.views.len()
    }

    /// Reads the views of a state. Those that are the same in `earlier` are taken from there.
    pub(super) fn of(state: &AdminSnapshot, earlier: &Self) -> Result<Self> {
        let read = |(id, record): (&str, &Arc<AdminRecord>)| {
            let view = match earlier.views.get(id) {
                Some((there, view)) if Arc::ptr_eq(there, record) => Arc::clone(view),
                _ => Arc::new(
                    serde_json::from_value(record.body.clone())
                        .context(ErrorKind::Corrupt, || format!("the saved view {id}"))?,
                ),
            };
            Ok((id.to_owned(), (Arc::clone(record), view)))
        };
        Ok(Self { views: state.all(RecordKind::View).map(read).collect::<Result<_>>()? })
    }

    /// Returns a view by its id.
    pub fn get(&self, id: &str) -> Option<&View> {
        self.views.get(id).map(|(_, view)| &**view)
    }

    /// Returns every view, in the order of ids.
    pub fn all(&self) -> impl Iterator<Item = &View> {
        self.views.values().map(|(_, view)| &**view)
    }
}

impl View {
    /// Returns whether the view is a caller's own.
    pub fn is_of(&self, caller: &Caller) -> bool {
        caller.grant().is_some() && self.principal.as_deref() == Some(caller.name())
    }

    /// Returns the record of the view once its principal is gone.
    pub(in crate::engine) fn left_behind(&self) -> RecordChange {
        let version = self.version + 1;
        Self { principal: None, version, ..self.clone() }.record()
    }

    /// Returns the record that the view is kept in.
    pub(super) fn record(&self) -> RecordChange {
        let body = serde_json::to_value(self).expect("texts and numbers are valid JSON");
        let (kind, key) = (RecordKind::View, self.id.clone());
        RecordChange { kind, key, body: Some(body), secret: None }
    }
}
