//! Sources: where events are fetched from, as the administrative state has them. What a source is,
//! and how it is read, whoever reads it knows; here it is a record with a sealed credential.

use super::access::{deed, put, remove};
use crate::access::{
    Caller, SealKey, SigningSecret, open_source_credential, seal_source_credential,
};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::admin::{AdminRecord, RecordKind};
use serde_json::Value as Json;
use serde_json::json;

/// The most sources of a store.
const SOURCES_MAX: usize = 200;

/// What is to become of the credential of a source.
#[derive(Debug)]
pub enum CredentialChange {
    /// It stays.
    Keep,
    /// It is this one.
    Set(SigningSecret),
    /// There is none.
    Remove,
}

impl Engine {
    /// Adds a source. `body` has its `endpoint`, to which its credential is bound.
    ///
    /// # Errors
    /// A source of that name; too many; a credential without a seal key; a disk that fails.
    pub fn add_source(
        &self,
        caller: &Caller,
        name: &str,
        body: &Json,
        credential: CredentialChange,
    ) -> Result<()> {
        let sealed = self.sealed(name, body, credential, None)?;
        let deed = deed("addSource", "source", name, None, body.clone());
        self.change_admin(&caller.actor(), &deed, |state| {
            if state.get(RecordKind::Source, name).is_some() {
                let what = "there is a source of this name: change it, or take another name";
                return Err(Error::new(ErrorKind::Exists, what));
            }
            if state.all(RecordKind::Source).count() >= SOURCES_MAX {
                return Err(Error::invalid(format!("there are already {SOURCES_MAX} sources")));
            }
            Ok(vec![put(RecordKind::Source, name, body.clone(), sealed)])
        })?;
        Ok(())
    }

    /// Changes a source: `event_name` says what is done to it.
    ///
    /// # Errors
    /// No such source; another endpoint without a credential for it; as [`Engine::add_source`].
    pub fn change_source(
        &self,
        caller: &Caller,
        (event_name, name): (&str, &str),
        credential: CredentialChange,
        change: impl FnOnce(&Json) -> Result<Json>,
    ) -> Result<Json> {
        let state = self.admin();
        let before = state.get(RecordKind::Source, name).ok_or_else(no_source)?;
        let after = change(&before.body)?;
        let sealed = self.sealed(name, &after, credential, Some(before))?;
        let details = json!({ "before": before.body, "after": after });
        let deed = deed(event_name, "source", name, None, details);
        self.change_admin(&caller.actor(), &deed, |state| {
            let there = state.get(RecordKind::Source, name).ok_or_else(no_source)?;
            if there.version != before.version {
                let what = "somebody else has changed this source meanwhile: try again";
                return Err(Error::new(ErrorKind::Outdated, what));
            }
            if there.body == after && there.secret == sealed {
                return Ok(Vec::new());
            }
            Ok(vec![put(RecordKind::Source, name, after.clone(), sealed)])
        })?;
        Ok(after)
    }

    /// Removes a source and its credential. What it has brought stays.
    ///
    /// # Errors
    /// No such source; a disk that fails.
    pub fn remove_source(&self, caller: &Caller, name: &str) -> Result<()> {
        let deed = deed("removeSource", "source", name, None, json!({}));
        self.change_admin(&caller.actor(), &deed, |state| {
            state.get(RecordKind::Source, name).ok_or_else(no_source)?;
            Ok(vec![remove(RecordKind::Source, name)])
        })?;
        Ok(())
    }

    /// Returns the sources with the versions in which they last changed, in the order of names.
    pub fn sources(&self) -> Vec<(String, u64, Json)> {
        let state = self.admin();
        let all = state.all(RecordKind::Source);
        all.map(|(name, record)| (name.to_owned(), record.version, record.body.clone())).collect()
    }

    /// Returns the credential of a source, if it has one.
    ///
    /// # Errors
    /// No such source; no seal key, or another one.
    pub fn source_credential(&self, name: &str) -> Result<Option<SigningSecret>> {
        let state = self.admin();
        let record = state.get(RecordKind::Source, name).ok_or_else(no_source)?;
        let Some(sealed) = record.secret.as_ref().filter(|sealed| !sealed.is_empty()) else {
            return Ok(None);
        };
        let seal = self.seal_key().ok_or_else(no_seal_key)?;
        open_source_credential(sealed, seal, (name, &destination_of(&record.body))).map(Some)
    }

    /// Returns the sealed credential of a source after a change.
    fn sealed(
        &self,
        name: &str,
        body: &Json,
        credential: CredentialChange,
        before: Option<&AdminRecord>,
    ) -> Result<Option<Vec<u8>>> {
        let destination = destination_of(body);
        match credential {
            // A record without a secret keeps the one that it had: an empty one is none.
            CredentialChange::Remove => Ok(Some(Vec::new())),
            CredentialChange::Set(secret) => {
                let seal: &SealKey = self.seal_key().ok_or_else(no_seal_key)?;
                seal_source_credential(&secret, seal, (name, &destination)).map(Some)
            }
            CredentialChange::Keep => {
                let kept = before.and_then(|record| record.secret.clone());
                let is_moved =
                    before.is_some_and(|record| destination_of(&record.body) != destination);
                if kept.as_ref().is_some_and(|kept| !kept.is_empty()) && is_moved {
                    let what = "or access_key is another one: bring the credential again, which \
                                is for the one before alone";
                    return Err(Error::parameter("endpoint", what));
                }
                Ok(kept)
            }
        }
    }
}

/// Returns where a credential is sent and how it is used: what it is sealed for.
fn destination_of(body: &Json) -> String {
    let endpoint = body["endpoint"].as_str().unwrap_or_default();
    // A secret that signs is never sent, and a token is.
    let used =
        body["access_key"].as_str().map_or_else(|| "token".to_owned(), |id| format!("key {id}"));
    format!("{endpoint}\n{used}")
}

fn no_source() -> Error {
    Error::new(ErrorKind::NotFound, "there is no such source")
}

fn no_seal_key() -> Error {
    Error::invalid(
        "there is no seal key, without which the credential of a source cannot be kept: annals \
        init --seal-key-file FILE makes one, and annals serve takes the same option",
    )
}
