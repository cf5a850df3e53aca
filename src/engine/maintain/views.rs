//! Changes of the saved views of the screen: a name, and the question and layout from the page's
//! URL.
//!
//! A view has a version of its own; callers that change one say which version they have seen.

use crate::access::{Caller, Permission};
use crate::engine::Engine;
use crate::engine::maintain::admin::Deed;
use crate::engine::maintain::saved_views::{View, ViewText, Views};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::admin::{RecordChange, RecordKind};
use serde_json::json;

/// The most views of a store, and of one principal.
const VIEWS_MAX: usize = 1_000;
const OF_PRINCIPAL_MAX: usize = 100;
/// The most bytes of queries of one principal: they change together when it is removed.
const OF_PRINCIPAL_BYTES: usize = 200 << 10;
/// The most characters of an id, of a name and of an owner (a principal and one of its members),
/// and the most bytes of a query.
const ID_MAX: usize = 64;
const NAME_MAX: usize = 100;
const OWNER_MAX: usize = 300;
const QUERY_MAX: usize = 8 << 10;

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

impl Views {
    /// Returns the view that is to be changed, provided the caller has seen its current version.
    fn as_seen(&self, id: &str, seen: SeenVersion) -> Result<Option<&View>> {
        let there = self.get(id);
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
        if self.owner.chars().count() > OWNER_MAX || !plain(&self.owner) {
            return Err(Error::parameter(
                "owner",
                format!("is at most {OWNER_MAX} letters, without control characters"),
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

/// Fails unless a caller may change a view: its own, or any as administrator of tenants.
fn check_owner(caller: &Caller, view: &View) -> Result<()> {
    if caller.grant().is_none() || view.is_of(caller) || caller.may(Permission::ManageTenant) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Forbidden, "the view is somebody else's: save another one"))
}

/// Fails if a principal has its share of views, besides the one of this id, and another query would
/// be more: one that saves more would leave none to others.
fn check_share(views: &Views, principal: Option<&str>, (id, query): (&str, &str)) -> Result<()> {
    if principal.is_none() {
        return Ok(());
    }
    let own = views.all().filter(|view| view.principal.as_deref() == principal && view.id != id);
    let (count, bytes) =
        own.fold((1, query.len()), |sum, view| (sum.0 + 1, sum.1 + view.text.query.len()));
    if count > OF_PRINCIPAL_MAX || bytes > OF_PRINCIPAL_BYTES {
        let what = format!(
            "you already have {} views, and may have {OF_PRINCIPAL_MAX} with {} KiB of queries \
            together: delete one first",
            count - 1,
            OF_PRINCIPAL_BYTES >> 10
        );
        return Err(Error::invalid(what));
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
    /// Saves a view: a new one, or another version of the one that was seen. When this returns, it
    /// is durable. A view belongs to the principal that saved it first.
    ///
    /// # Errors
    /// If the text is not valid, if the view exists and was not seen or has another version, if it
    /// is somebody else's, or if the disk fails.
    pub fn save_view(
        &self,
        caller: &Caller,
        id: &str,
        mut text: ViewText,
        seen: SeenVersion,
    ) -> Result<View> {
        check_id(id)?;
        text.check()?;
        let now = self.shared.clock.now().to_string();
        let change = move |views: &Views| {
            let there = views.as_seen(id, seen)?;
            there.map_or(Ok(()), |view| check_owner(caller, view))?;
            let principal = match there {
                Some(view) => view.principal.clone(),
                None => caller.grant().map(|_| caller.name().to_owned()),
            };
            // Who has a name need not say it.
            if let Some(principal) = &principal {
                text.owner.clone_from(principal);
            }
            match there {
                Some(view) if view.text == text => return Ok(ViewChange::Nothing),
                Some(_) if seen == SeenVersion::Unsaid => {
                    return Err(Error::new(
                        ErrorKind::Exists,
                        "a view with this id already exists: give the version you have seen in \
                        If-Match",
                    ));
                }
                None if views.count() >= VIEWS_MAX => {
                    return Err(Error::invalid(format!(
                        "there are already {VIEWS_MAX} views: delete one first"
                    )));
                }
                _ => check_share(views, principal.as_deref(), (id, &text.query))?,
            }
            let version = there.map_or(0, |view| view.version) + 1;
            let created = there.map_or_else(|| now.clone(), |view| view.created.clone());
            let id = id.to_owned();
            Ok(ViewChange::Save(View { id, text, principal, version, created, changed: now }))
        };
        self.change_views(caller, "saveView", id, change)?;
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
    /// If there is no such view or it has another version than was seen, if it is somebody else's,
    /// or if the disk fails.
    pub fn delete_view(&self, caller: &Caller, id: &str, seen: SeenVersion) -> Result<()> {
        self.change_views(caller, "deleteView", id, |views| match views.as_seen(id, seen)? {
            Some(view) => check_owner(caller, view).map(|()| ViewChange::Delete),
            None => Err(Error::new(ErrorKind::NotFound, "there is no such view")),
        })
    }

    /// Records a change and makes it.
    fn change_views(
        &self,
        caller: &Caller,
        event_name: &str,
        id: &str,
        change: impl FnOnce(&Views) -> Result<ViewChange>,
    ) -> Result<()> {
        self.change_recorded(&caller.actor(), |_| {
            let views = self.views();
            let view = match change(&views)? {
                ViewChange::Nothing => return Ok(None),
                ViewChange::Save(view) => Some(view),
                ViewChange::Delete => None,
            };
            let named = view.as_ref().or_else(|| views.get(id));
            let deed = Deed {
                event_name,
                resource_type: "view",
                resource_id: Some(id),
                resource_name: named.map(|view| view.text.name.as_str()),
                details: json!({ "id": id, "view": view }),
            };
            let removed = || RecordChange {
                kind: RecordKind::View,
                key: id.to_owned(),
                body: None,
                secret: None,
            };
            let record = view.as_ref().map_or_else(removed, View::record);
            Ok(Some((deed.record(), vec![record])))
        })
        .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::admin::AdminSnapshot;

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
            principal: None,
            version: 3,
            created: String::new(),
            changed: String::new(),
        };
        let state = AdminSnapshot::default().with(&[view.record()]).expect("a state");
        let views = Views::of(&state, &Views::default()).expect("views");
        let kind = |id: &str, seen| views.as_seen(id, seen).err().map(|error| error.kind());
        assert_eq!(kind("a", SeenVersion::Version(3)), None);
        assert_eq!(kind("a", SeenVersion::Version(2)), Some(ErrorKind::Outdated));
        assert_eq!(kind("b", SeenVersion::Version(1)), Some(ErrorKind::Outdated));
        assert_eq!(kind("b", SeenVersion::Any), Some(ErrorKind::Outdated));
        assert_eq!(kind("b", SeenVersion::Unsaid), None);
    }
}
