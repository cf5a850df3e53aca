//! Saved views of the screen: a name, and the question and layout from the page's URL.
//!
//! As with the policy, a change is recorded as an event of the store's own tenant before it is
//! made, and is made at the next start if the process ends in between. A view has a version;
//! callers that change one say which version they have seen.

use crate::access::{SYSTEM_TENANT, Scope};
use crate::engine::failpoint::Failpoint;
use crate::engine::maintain::turns::Turns;
use crate::engine::{Engine, Writer};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::storage::{Marked, Store, paths, put_guarded, read_guarded};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The most views of a store.
const VIEWS_MAX: usize = 1_000;
/// The most characters of an id, of a name and of an owner, and the most bytes of a query.
const ID_MAX: usize = 64;
const NAME_MAX: usize = 100;
const QUERY_MAX: usize = 8 << 10;

/// The part of a view that its author writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewText {
    /// What people call it.
    pub name: String,
    /// The owner, as the author states it; there are no credentials yet.
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
    /// Starts at 1 and grows by one with each change.
    pub version: u64,
    /// When it was first saved.
    pub created: String,
    /// When it was last changed.
    pub changed: String,
}

/// The version of a view that a caller has seen before changing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeenVersion {
    /// The caller does not say.
    Unsaid,
    /// This one.
    Version(u64),
    /// Any version, but the view must exist.
    Any,
}

/// All views.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Views {
    /// The number of changes so far.
    changes: u64,
    views: BTreeMap<String, View>,
}

/// A change of one view: its new content, or none if it is deleted.
#[derive(Debug, Serialize, Deserialize)]
struct Change {
    id: String,
    view: Option<View>,
}

/// The views in memory.
#[derive(Debug)]
pub(in crate::engine) struct Saved {
    views: Mutex<Arc<Views>>,
    /// Changes are made one at a time.
    change: Turns,
}

impl Saved {
    pub(in crate::engine) fn read(store: &Store) -> Result<Self> {
        let views = match read_guarded(store, paths::VIEWS_FILE)? {
            Marked::Sound(bytes) => serde_json::from_slice(&bytes)
                .context(ErrorKind::Corrupt, || {
                    store.path(paths::VIEWS_FILE).display().to_string()
                })?,
            Marked::Changed(_) => {
                // Every change is recorded as an event before it is made, so all of them can be
                // made again, from the first.
                let file = store.path(paths::VIEWS_FILE);
                tracing::error!(file = %file.display(), "the file of saved views is damaged; it is \
                                                        rebuilt from the recorded changes");
                Views::default()
            }
            Marked::Gone => {
                tracing::warn!(file = %store.path(paths::VIEWS_FILE).display(), "the file of saved \
                    views is missing; it is rebuilt from the recorded changes");
                Views::default()
            }
            Marked::Absent => Views::default(),
        };
        Ok(Self { views: Mutex::new(Arc::new(views)), change: Turns::default() })
    }

    fn get(&self) -> Arc<Views> {
        Arc::clone(&self.views.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Views {
    /// Returns a view by its id.
    pub fn get(&self, id: &str) -> Option<&View> {
        self.views.get(id)
    }

    /// Returns every view, in the order of ids.
    pub fn all(&self) -> impl Iterator<Item = &View> {
        self.views.values()
    }

    fn apply(&mut self, change: Change) {
        self.changes += 1;
        match change.view {
            Some(view) => self.views.insert(change.id, view),
            None => self.views.remove(&change.id),
        };
    }

    /// Returns the view that is to be changed, provided the caller has seen its current version.
    fn as_seen(&self, id: &str, seen: SeenVersion) -> Result<Option<&View>> {
        let there = self.views.get(id);
        match (there, seen) {
            (Some(view), SeenVersion::Version(version)) if view.version != version => {
                let what = format!(
                    "the view is at version {}, not {version}: it was changed in between; read it \
                    again",
                    view.version
                );
                Err(Error::new(ErrorKind::Outdated, what))
            }
            (None, SeenVersion::Version(_) | SeenVersion::Any) => {
                Err(Error::new(ErrorKind::Outdated, "the view no longer exists"))
            }
            _ => Ok(there),
        }
    }
}

impl ViewText {
    fn check(&self) -> Result<()> {
        let plain = |text: &str| !text.chars().any(char::is_control);
        if self.name.trim().is_empty() || self.name.chars().count() > NAME_MAX || !plain(&self.name)
        {
            return Err(Error::parameter(
                "name",
                format!("is 1 to {NAME_MAX} letters, without control characters"),
            ));
        }
        if self.owner.chars().count() > NAME_MAX || !plain(&self.owner) {
            return Err(Error::parameter(
                "owner",
                format!("is at most {NAME_MAX} letters, without control characters"),
            ));
        }
        // The query is stored as it appears in a URL: what a browser puts there is ASCII.
        if self.query.len() > QUERY_MAX
            || !self.query.bytes().all(|byte| byte.is_ascii_graphic())
            || self.query.contains('#')
        {
            return Err(Error::parameter(
                "query",
                format!(
                    "is the query of a URL, encoded as in the URL, of at most {QUERY_MAX} bytes"
                ),
            ));
        }
        Ok(())
    }
}

fn check_id(id: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if id.is_empty() || id.len() > ID_MAX || !id.bytes().all(plain) {
        return Err(Error::parameter(
            "id",
            format!("is 1 to {ID_MAX} letters, digits or any of - _"),
        ));
    }
    Ok(())
}

/// What becomes of a view.
enum ViewChange {
    Nothing,
    Save(View),
    Delete,
}

impl Engine {
    /// Returns the saved views.
    pub fn views(&self) -> Arc<Views> {
        self.shared.views.get()
    }

    /// Saves a view: a new one, or another version of the one that was seen. When this returns, it
    /// is durable.
    ///
    /// # Errors
    /// If the text is not valid, if the view exists and was not seen or has another version, or if
    /// the disk fails.
    pub fn save_view(&self, id: &str, text: ViewText, seen: SeenVersion) -> Result<View> {
        check_id(id)?;
        text.check()?;
        let now = self.shared.clock.now().to_string();
        let change = move |views: &Views| {
            let there = views.as_seen(id, seen)?;
            match there {
                Some(view) if view.text == text => return Ok(ViewChange::Nothing),
                Some(_) if seen == SeenVersion::Unsaid => {
                    return Err(Error::new(
                        ErrorKind::Exists,
                        "a view with this id already exists: give the version you have seen in \
                        If-Match",
                    ));
                }
                None if views.views.len() >= VIEWS_MAX => {
                    return Err(Error::invalid(format!(
                        "there are already {VIEWS_MAX} views: delete one first"
                    )));
                }
                _ => {}
            }
            let version = there.map_or(0, |view| view.version) + 1;
            let created = there.map_or_else(|| now.clone(), |view| view.created.clone());
            Ok(ViewChange::Save(View { id: id.to_owned(), text, version, created, changed: now }))
        };
        self.change_views("saveView", id, change)?;
        self.views().get(id).cloned().ok_or_else(|| {
            Error::new(
                ErrorKind::Outdated,
                "the view was saved, but somebody else has deleted it since",
            )
        })
    }

    /// Deletes a view.
    ///
    /// # Errors
    /// If there is no such view or it has another version than was seen, or if the disk fails.
    pub fn delete_view(&self, id: &str, seen: SeenVersion) -> Result<()> {
        self.change_views("deleteView", id, |views| match views.as_seen(id, seen)? {
            Some(_) => Ok(ViewChange::Delete),
            None => Err(Error::new(ErrorKind::NotFound, "there is no such view")),
        })
    }

    /// Records a change and makes it.
    fn change_views(
        &self,
        what: &str,
        id: &str,
        change: impl FnOnce(&Views) -> Result<ViewChange>,
    ) -> Result<()> {
        let saved = &self.shared.views;
        let _turn = saved.change.take();
        // A change that was recorded but then failed must be made before the next one.
        self.catch_up_with_views()?;
        let views = self.views();
        let view = match change(&views)? {
            ViewChange::Nothing => return Ok(()),
            ViewChange::Save(view) => Some(view),
            ViewChange::Delete => None,
        };
        let name = view.as_ref().or_else(|| views.get(id)).map(|view| view.text.name.clone());
        let change = Change { id: id.to_owned(), view };
        self.writer()?.record(json!({
            "trace_id": trace_id(views.changes + 1), "event_name": what, "resource_type": "view",
            "resource_id": id,
            "resource_name": name, "details": change,
        }))?;
        self.shared.reach(Failpoint::ViewRecorded)?;
        let mut views = (*views).clone();
        views.apply(change);
        self.writer()?.keep(views)
    }

    /// Returns whether the last change in the views was not recorded here: then the file comes from
    /// a later time than the records, as in a store that was restored from a backup.
    fn are_ahead(&self, views: &Views) -> Result<bool> {
        if views.changes == 0 {
            return Ok(false);
        }
        let snapshot = self.snapshot();
        let scope = Scope::of_operator(&[SYSTEM_TENANT])?;
        // If records cannot be read, the file is all there is.
        let found = self.reader(&snapshot, None).get(&scope, &trace_id(views.changes), 1);
        Ok(found.is_ok_and(|found| found.is_empty()))
    }

    /// Makes the changes that were recorded but not made.
    pub(in crate::engine) fn catch_up_with_views(&self) -> Result<()> {
        let before = self.views();
        let mut views = if self.are_ahead(&before)? { Views::default() } else { (*before).clone() };
        loop {
            let id = trace_id(views.changes + 1);
            let snapshot = self.snapshot();
            let found =
                self.reader(&snapshot, None).get(&Scope::of_operator(&[SYSTEM_TENANT])?, &id, 1)?;
            let Some(event) = found.first() else { break };
            let record: Json =
                serde_json::from_str(&event.original).context(ErrorKind::Corrupt, || id.clone())?;
            views.apply(
                serde_json::from_value(record["details"].clone())
                    .context(ErrorKind::Corrupt, || id.clone())?,
            );
        }
        if views == *before { Ok(()) } else { self.writer()?.keep(views) }
    }
}

fn trace_id(change: u64) -> String {
    format!("view-{change}")
}

impl Writer {
    fn keep(&self, views: Views) -> Result<()> {
        let bytes = serde_json::to_vec_pretty(&views)
            .context(ErrorKind::Internal, || "cannot write JSON".to_owned())?;
        put_guarded(self.shared.data.store(), paths::VIEWS_FILE, &bytes)?;
        self.shared.reach(Failpoint::ViewWritten)?;
        *self.shared.views.views.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(views);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, query: &str) -> ViewText {
        ViewText { name: name.to_owned(), owner: String::new(), query: query.to_owned() }
    }

    #[test]
    fn only_what_can_stand_in_a_url_and_be_shown_is_a_view() {
        for good in ["", "source=ECS&last=7d&text=%22failed%20deploy%22", "cols=time,level"] {
            assert!(text("六月的回收", good).check().is_ok(), "{good}");
        }
        for (name, query, wrong) in [
            ("", "a=b", "name"),
            ("  ", "a=b", "name"),
            ("a\u{0}b", "a=b", "name"),
            ("a\nb", "a=b", "name"),
            (&"n".repeat(101), "a=b", "name"),
            ("n", "a b", "query"),
            ("n", "a=中", "query"),
            ("n", "a=b#c", "query"),
            ("n", "a\r\nb", "query"),
            ("n", &"q".repeat(QUERY_MAX + 1), "query"),
        ] {
            assert_eq!(text(name, query).check().expect_err("wrong").parameter_name(), Some(wrong));
        }
        for id in ["", "a/b", "..", "a.b", "中", "a b", &"i".repeat(65)] {
            assert!(check_id(id).is_err(), "{id}");
        }
    }

    #[test]
    fn a_view_that_was_not_seen_as_it_is_is_left_alone() {
        let view = View {
            id: "a".into(),
            text: text("n", ""),
            version: 3,
            created: String::new(),
            changed: String::new(),
        };
        let views = Views { changes: 3, views: [("a".to_owned(), view)].into() };
        let kind = |id: &str, seen| views.as_seen(id, seen).err().map(|error| error.kind());
        assert_eq!(kind("a", SeenVersion::Version(3)), None);
        assert_eq!(kind("a", SeenVersion::Version(2)), Some(ErrorKind::Outdated));
        assert_eq!(kind("b", SeenVersion::Version(1)), Some(ErrorKind::Outdated));
        assert_eq!(kind("b", SeenVersion::Any), Some(ErrorKind::Outdated));
        assert_eq!(kind("b", SeenVersion::Unsaid), None);
    }
}
