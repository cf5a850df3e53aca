//! Principals and their tokens: what the administrative state says of them, and changes of it.

use crate::access::{
    ApiToken, Caller, Directory, Principal, Role, TokenRecord, TokenRefusal, token_hash,
};
use crate::engine::maintain::admin::Deed;
use crate::engine::maintain::directory::credentials_key;
use crate::engine::{Engine, View};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Timestamp;
use crate::storage::admin::{AdminRecord, AdminSnapshot, RecordChange, RecordKind};
use crate::storage::paths;
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// The most principals of a store, and the most tokens of a principal.
const PRINCIPALS_MAX: usize = 10_000;
const TOKENS_MAX: usize = 100;

impl Engine {
    /// Returns the principals and tokens.
    pub fn directory(&self) -> Arc<Directory> {
        self.shared.admin.directory()
    }

    fn credentials_key(&self) -> [u8; 32] {
        credentials_key(&self.cursor_key())
    }

    /// Fails if a caller has lost its credential, or was granted something else, since its request
    /// began: a body may take its time.
    ///
    /// # Errors
    /// What the caller is no longer.
    pub fn check_current(&self, caller: &Caller) -> Result<()> {
        if self.directory().is_current(caller, self.shared.clock.now()) {
            return Ok(());
        }
        let what = "your credential or what it permits has changed since the request began";
        Err(Error::new(ErrorKind::Forbidden, what))
    }

    /// Fails if a certificate of a principal is another's already.
    fn check_certificates(&self, principal: &Principal) -> Result<()> {
        let directory = self.directory();
        for name in &principal.certificates {
            if directory.of_certificate(name).is_some_and(|other| other.name != principal.name) {
                let what = format!("{name:?} stands for another principal already");
                return Err(Error::new(ErrorKind::Exists, what).with_parameter("certificates"));
            }
        }
        Ok(())
    }

    /// Creates the first administrator of a store, together with its token.
    ///
    /// # Errors
    /// As [`Engine::create_principal`]; a store that has somebody who grants access.
    pub fn create_first_administrator(
        &self,
        caller: &Caller,
        principal: &Principal,
        token: &ApiToken,
        record: &TokenRecord,
    ) -> Result<()> {
        principal.check(self.credentials_key())?;
        let name = principal.name.as_str();
        let hash = token_hash(&self.credentials_key(), token.reveal());
        let deed = deed("createPrincipal", "principal", name, None, json!(principal));
        self.change_admin(&caller.actor(), &deed, |state| {
            let other = |there: &Arc<AdminRecord>| !grants_access(&there.body);
            if self.directory().has_security_administrator() {
                return Err(Error::new(
                    ErrorKind::Exists,
                    "the store has an administrator already",
                ));
            }
            // One that was half made, or has lost its credentials, is made again.
            if state.get(RecordKind::Principal, name).is_some_and(other) {
                let what = format!("there is a principal {name} that is no administrator");
                return Err(Error::new(ErrorKind::Exists, what));
            }
            Ok(vec![
                put(RecordKind::Principal, name, json!(principal), None),
                put(RecordKind::Token, token.id(), json!(record), Some(hash.to_vec())),
            ])
        })?;
        Ok(())
    }

    /// Fails if an identity of a principal is another's already.
    fn check_identities(&self, principal: &Principal) -> Result<()> {
        let directory = self.directory();
        for identity in &principal.identities {
            let other = directory.of_identity(identity);
            if other.is_some_and(|other| other.name != principal.name) {
                let what = format!("{identity:?} stands for another principal already");
                return Err(Error::new(ErrorKind::Exists, what).with_parameter("identities"));
            }
        }
        Ok(())
    }

    /// Creates a principal. When this returns, it is durable.
    ///
    /// # Errors
    /// A setting that is wrong, by its name; a principal of that name; a disk that fails.
    pub fn create_principal(&self, caller: &Caller, principal: &Principal) -> Result<Principal> {
        principal.check(self.credentials_key())?;
        let name = principal.name.as_str();
        let deed = deed("createPrincipal", "principal", name, None, json!(principal));
        self.change_admin(&caller.actor(), &deed, |state| {
            if state.get(RecordKind::Principal, name).is_some() {
                let what = "there is a principal of this name: change it, or take another name";
                return Err(Error::new(ErrorKind::Exists, what));
            }
            self.check_certificates(principal)?;
            self.check_identities(principal)?;
            if state.all(RecordKind::Principal).count() >= PRINCIPALS_MAX {
                return Err(Error::invalid(format!(
                    "there are already {PRINCIPALS_MAX} principals"
                )));
            }
            Ok(vec![put(RecordKind::Principal, name, json!(principal), None)])
        })?;
        Ok(principal.clone())
    }

    /// Changes a principal. What it may do and see changes with its next call.
    ///
    /// # Errors
    /// As [`Engine::create_principal`]; no such principal; the caller itself; the last principal
    /// that may grant access.
    pub fn change_principal(
        &self,
        caller: &Caller,
        name: &str,
        change: impl FnOnce(&Principal) -> Result<Principal>,
    ) -> Result<Principal> {
        check_other(caller, name)?;
        let before = self.directory().get(name).cloned().ok_or_else(no_principal)?;
        let after = change(&before)?;
        after.check(self.credentials_key())?;
        let details = json!({ "before": before, "after": after });
        let deed = deed("changePrincipal", "principal", name, None, details);
        self.change_admin(&caller.actor(), &deed, |state| {
            let there = state.get(RecordKind::Principal, name).ok_or_else(no_principal)?;
            if there.body != json!(before) {
                let what = "somebody else has changed this principal meanwhile: try again";
                return Err(Error::new(ErrorKind::Outdated, what));
            }
            if before == after {
                return Ok(Vec::new());
            }
            self.check_certificates(&after)?;
            self.check_identities(&after)?;
            if after.disabled || !after.roles.contains(&Role::SecurityAdministrator) {
                check_not_last(state, name)?;
            }
            Ok(vec![put(RecordKind::Principal, name, json!(after), None)])
        })?;
        Ok(after)
    }

    /// Removes a principal and its credentials, which are no longer accepted when this returns. Its
    /// views stay, and belong to nobody.
    ///
    /// # Errors
    /// No such principal; the caller itself; the last principal that may grant access; a disk that
    /// fails.
    pub fn remove_principal(&self, caller: &Caller, name: &str) -> Result<()> {
        check_other(caller, name)?;
        let deed = deed("removePrincipal", "principal", name, None, json!({}));
        self.change_admin(&caller.actor(), &deed, |state| {
            state.get(RecordKind::Principal, name).ok_or_else(no_principal)?;
            check_not_last(state, name)?;
            let credentials =
                [RecordKind::Token, RecordKind::AccessKey].into_iter().flat_map(|kind| {
                    let own = state.all(kind).filter(|(_, record)| is_of(&record.body, name));
                    own.map(move |(id, _)| (kind, id))
                });
            let removed = credentials.chain([(RecordKind::Principal, name)]);
            let removed = removed.map(|(kind, key)| remove(kind, key));
            let views = self.views();
            let is_own = |owner: &str| owner.split('/').next() == Some(name);
            let own = views.all().filter(|view| view.principal.as_deref().is_some_and(is_own));
            Ok(removed.chain(own.map(View::left_behind)).collect())
        })?;
        self.remove_first_token(None);
        Ok(())
    }

    /// Stores a token of a principal, as its hash.
    ///
    /// # Errors
    /// No such principal; too many tokens; a disk that fails.
    pub fn add_token(&self, caller: &Caller, token: &ApiToken, record: &TokenRecord) -> Result<()> {
        let (id, name) = (token.id(), record.principal.as_str());
        let hash = token_hash(&self.credentials_key(), token.reveal());
        let deed = deed("createToken", "token", name, Some(id), json!(record));
        self.change_admin(&caller.actor(), &deed, |state| {
            state.get(RecordKind::Principal, name).ok_or_else(no_principal)?;
            check_room(state, name)?;
            // A text that somebody chose may be the token of somebody else.
            if state.all(RecordKind::Token).any(|(_, token)| token.secret.as_deref() == Some(&hash))
            {
                return Err(Error::new(ErrorKind::Exists, "this token is in use: choose another"));
            }
            Ok(vec![put(RecordKind::Token, id, json!(record), Some(hash.to_vec()))])
        })?;
        Ok(())
    }

    /// Stores a token in the place of another of the same principal, which ends when the overlap
    /// does, or by itself before. `made` says what the new one is, given the other.
    ///
    /// # Errors
    /// No such token, or one that has ended; too many tokens; a disk that fails.
    pub fn rotate_token(
        &self,
        caller: &Caller,
        (name, id): (&str, &str),
        token: &ApiToken,
        overlap_until: Timestamp,
        made: impl Fn(TokenRecord) -> TokenRecord,
    ) -> Result<TokenRecord> {
        let hash = token_hash(&self.credentials_key(), token.reveal());
        let now = self.shared.clock.now();
        let old_of = |state: &AdminSnapshot| {
            let own = state.get(RecordKind::Token, id).filter(|token| is_of(&token.body, name));
            let own = own.ok_or_else(no_token)?;
            Ok((read_token_record(id, &own.body)?, own.secret.clone()))
        };
        let (old, _) = old_of(&self.admin())?;
        let record = made(old);
        let details = json!({ "token": record, "in_place_of": id,
            "which_ends": overlap_until.to_string() });
        let deed = deed("rotateToken", "token", name, Some(token.id()), details);
        self.change_admin(&caller.actor(), &deed, |state| {
            let (mut old, secret) = old_of(state)?;
            let ends = old.expires.as_deref().map(Timestamp::parse).transpose()?;
            if ends.is_some_and(|ends| ends <= now) {
                return Err(Error::invalid("this token has ended: make another"));
            }
            check_room(state, name)?;
            let ends = ends.map_or(overlap_until, |ends| ends.min(overlap_until));
            old.expires = Some(ends.to_string());
            Ok(vec![
                put(RecordKind::Token, id, json!(old), secret),
                put(RecordKind::Token, token.id(), json!(record), Some(hash.to_vec())),
            ])
        })?;
        self.remove_first_token(Some(id));
        Ok(record)
    }

    /// Returns the tokens of a principal, by their ids.
    ///
    /// # Errors
    /// A record that cannot be read.
    pub fn tokens_of(&self, name: &str) -> Result<Vec<(String, TokenRecord)>> {
        let state = self.admin();
        let own = state.all(RecordKind::Token).filter(|(_, token)| is_of(&token.body, name));
        own.map(|(id, token)| Ok((id.to_owned(), read_token_record(id, &token.body)?))).collect()
    }

    /// Withdraws a token of a principal: it is no longer accepted when this returns.
    ///
    /// # Errors
    /// No such token; a disk that fails.
    pub fn remove_token(&self, caller: &Caller, name: &str, id: &str) -> Result<()> {
        let deed = deed("removeToken", "token", name, Some(id), json!({}));
        self.change_admin(&caller.actor(), &deed, |state| {
            let own = state.get(RecordKind::Token, id).filter(|token| is_of(&token.body, name));
            own.ok_or_else(no_token)?;
            Ok(vec![remove(RecordKind::Token, id)])
        })?;
        self.remove_first_token(None);
        Ok(())
    }

    /// Removes the file with the first administrator's token, if the token is none any more, or the
    /// one with this id, which another has taken the place of.
    fn remove_first_token(&self, rotated: Option<&str>) {
        let store = self.shared.data.store();
        let Ok(text) = store.read(paths::FIRST_TOKEN_FILE) else { return };
        let text = String::from_utf8_lossy(&text);
        let directory = self.directory();
        let is_over = match directory.by_token(text.trim(), self.shared.clock.now()) {
            Ok((_, id)) => rotated == Some(id),
            Err(refusal) => {
                matches!(refusal, TokenRefusal::Unknown | TokenRefusal::Mistyped)
                    || rotated.is_some_and(|id| text.trim().split('_').nth(1) == Some(id))
            }
        };
        if is_over && let Err(error) = store.remove(paths::FIRST_TOKEN_FILE) {
            tracing::warn!(%error, "the file of a token that is none any more is left behind");
        }
    }
}

pub(super) fn deed<'a>(
    event_name: &'a str,
    resource_type: &'a str,
    name: &'a str,
    id: Option<&'a str>,
    details: Json,
) -> Deed<'a> {
    Deed { event_name, resource_type, resource_id: id, resource_name: Some(name), details }
}

pub(super) fn put(
    kind: RecordKind,
    key: &str,
    body: Json,
    secret: Option<Vec<u8>>,
) -> RecordChange {
    RecordChange { kind, key: key.to_owned(), body: Some(body), secret }
}

pub(super) fn remove(kind: RecordKind, key: &str) -> RecordChange {
    RecordChange { kind, key: key.to_owned(), body: None, secret: None }
}

pub(super) fn is_of(credential: &Json, principal: &str) -> bool {
    credential["principal"] == principal
}

fn no_token() -> Error {
    Error::new(ErrorKind::NotFound, "there is no such token")
}

fn read_token_record(id: &str, body: &Json) -> Result<TokenRecord> {
    serde_json::from_value(body.clone())
        .map_err(|cause| Error::corrupt(format!("the token {id} cannot be read")).because(cause))
}

/// Fails if a principal has as many tokens as it may.
fn check_room(state: &AdminSnapshot, name: &str) -> Result<()> {
    let own = state.all(RecordKind::Token).filter(|(_, token)| is_of(&token.body, name));
    if own.count() < TOKENS_MAX {
        return Ok(());
    }
    Err(Error::invalid(format!("{name} already has {TOKENS_MAX} tokens: withdraw one first")))
}

pub(super) fn no_principal() -> Error {
    Error::new(ErrorKind::NotFound, "there is no such principal")
}

/// Fails if a principal would change itself: what it may do is decided by others.
fn check_other(caller: &Caller, name: &str) -> Result<()> {
    // A member of a group is the principal, too.
    if caller.grant().is_none_or(|grant| grant.principal().name != name) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Forbidden, "nobody changes or removes himself: ask another"))
}

/// Returns whether the record of a principal permits it to grant access.
fn grants_access(principal: &Json) -> bool {
    let role = Role::SecurityAdministrator.name();
    principal["disabled"] != true
        && principal["roles"].as_array().is_some_and(|roles| roles.iter().any(|own| own == role))
}

/// Fails if a principal is the last one that may grant access.
fn check_not_last(state: &AdminSnapshot, name: &str) -> Result<()> {
    let mut others = state.all(RecordKind::Principal).filter(|(other, _)| *other != name);
    let is_one = state.get(RecordKind::Principal, name).is_some_and(|own| grants_access(&own.body));
    if !is_one || others.any(|(_, other)| grants_access(&other.body)) {
        return Ok(());
    }
    let role = Role::SecurityAdministrator;
    Err(Error::invalid(format!("{name} is the last {role}: create another one first")))
}
