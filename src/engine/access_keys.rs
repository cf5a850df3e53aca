//! Access keys of principals: what the administrative state says of them, and changes of it.

use super::access::{deed, is_of, no_principal, put, remove};
use crate::access::{AccessKeyRecord, Caller, NewAccessKey, SealKey, open_secret};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::admin::RecordKind;
use serde_json::json;

/// The most access keys of a principal.
const ACCESS_KEYS_MAX: usize = 10;

impl Engine {
    /// Makes an access key of a principal, and stores its secret sealed.
    ///
    /// # Errors
    /// No seal key; no such principal; too many access keys; a disk that fails.
    pub fn create_access_key(
        &self,
        caller: &Caller,
        record: &AccessKeyRecord,
    ) -> Result<NewAccessKey> {
        let seal = self.seal_key().ok_or_else(|| {
            Error::invalid(
                "there is no seal key, without which the secret of an access key cannot be kept: \
                annals init --seal-key-file FILE makes one, and annals serve takes the same option",
            )
        })?;
        let (key, name) = (NewAccessKey::generate()?, record.principal.as_str());
        let sealed = key.sealed(seal, name)?;
        let deed = deed("createAccessKey", "access_key", name, Some(&key.id), json!(record));
        self.change_admin(&caller.actor(), &deed, |state| {
            state.get(RecordKind::Principal, name).ok_or_else(no_principal)?;
            let own = state.all(RecordKind::AccessKey).filter(|(_, key)| is_of(&key.body, name));
            if own.count() >= ACCESS_KEYS_MAX {
                return Err(Error::invalid(format!(
                    "{name} already has {ACCESS_KEYS_MAX} access keys: withdraw one first"
                )));
            }
            Ok(vec![put(RecordKind::AccessKey, &key.id, json!(record), Some(sealed))])
        })?;
        Ok(key)
    }

    /// Returns the access keys of a principal, by their ids.
    ///
    /// # Errors
    /// A record that cannot be read.
    pub fn access_keys_of(&self, name: &str) -> Result<Vec<(String, AccessKeyRecord)>> {
        let state = self.admin();
        let own = state.all(RecordKind::AccessKey).filter(|(_, key)| is_of(&key.body, name));
        own.map(|(id, key)| {
            let record = serde_json::from_value(key.body.clone()).map_err(|cause| {
                Error::corrupt(format!("the access key {id} cannot be read")).because(cause)
            });
            Ok((id.to_owned(), record?))
        })
        .collect()
    }

    /// Withdraws an access key of a principal: nothing that it signs is accepted when this returns.
    ///
    /// # Errors
    /// No such access key; a disk that fails.
    pub fn remove_access_key(&self, caller: &Caller, name: &str, id: &str) -> Result<()> {
        let deed = deed("removeAccessKey", "access_key", name, Some(id), json!({}));
        self.change_admin(&caller.actor(), &deed, |state| {
            let own = state.get(RecordKind::AccessKey, id).filter(|key| is_of(&key.body, name));
            own.ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no such access key"))?;
            Ok(vec![remove(RecordKind::AccessKey, id)])
        })?;
        Ok(())
    }

    /// Returns the key that seals the secrets of access keys, if the store was opened with one.
    pub fn seal_key(&self) -> Option<&SealKey> {
        self.settings().seal_key.as_ref()
    }

    /// Fails if the seal key is not the one that the secrets of this store are sealed with.
    pub(super) fn check_seal_key(&self) -> Result<()> {
        let Some(seal) = self.seal_key() else { return Ok(()) };
        for (id, key) in self.admin().all(RecordKind::AccessKey) {
            let principal = key.body["principal"].as_str().unwrap_or_default();
            let Some(sealed) = &key.secret else { continue };
            open_secret(sealed, seal, (id, principal)).map_err(|cause| {
                let what = "the seal key (--seal-key-file) is another one than the secrets of \
                            access keys were sealed with";
                Error::invalid(what).because(cause)
            })?;
        }
        Ok(())
    }
}
