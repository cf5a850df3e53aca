//! Sessions of the screen: a user shows a token once, and the browser keeps a cookie in its place.
//!
//! The cookie is `HttpOnly` (no script reads it) and `SameSite=Strict` (no other site's page sends
//! it); what changes something must besides come from this server's own page. A session is kept in
//! memory, so it ends with the server at the latest; it ends too when what it began with does,
//! after [`IDLE_MS`] without a call, and after [`AGE_MS`].

use crate::access::{Caller, CallerBasis, Directory, Person};
use crate::error::{Error, Result};
use crate::event::{Timestamp, hex};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The name of the cookie, over TLS and without. No other host, and nobody on a plain connection,
/// can set a cookie that begins with `__Host-` (RFC 6265bis, section 4.1.3.2).
pub(super) const COOKIE_OVER_TLS: &str = "__Host-annals_session";
pub(super) const COOKIE: &str = "annals_session";
/// How long a session lasts without a call.
const IDLE_MS: i64 = 30 * 60_000;
/// How long a session lasts at most: a working day.
const AGE_MS: i64 = 12 * 3_600_000;
/// The most sessions of the server, and of one principal. The one that has been idle longest makes
/// room for a new one.
const SESSIONS_MAX: usize = 10_000;
const OF_PRINCIPAL_MAX: usize = 20;

/// The hash of a cookie's value.
type SessionKey = [u8; 32];

/// What a session began with. It ends when this does not stand for its principal any more.
#[derive(Debug, Clone)]
pub(super) enum SessionProof {
    /// The token with this id.
    Token(String),
    /// A sign-in at the OpenID provider.
    Person(Person),
}

/// A session, as administrators see it.
#[derive(Debug, Clone)]
pub(super) struct UserSession {
    /// Its name in the API, which is not secret.
    id: Arc<str>,
    /// Whose it is.
    principal: String,
    proof: SessionProof,
    address: Option<IpAddr>,
    began: Timestamp,
    used: Timestamp,
    /// Set when it is ended: what is under way then ends with it. That it is idle ends nothing.
    ended: Arc<AtomicBool>,
}

/// The sessions of a server.
#[derive(Default)]
pub(in crate::api) struct Sessions(Mutex<HashMap<SessionKey, UserSession>>);

impl fmt::Debug for Sessions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Sessions")
    }
}

impl UserSession {
    /// Returns the session as the API shows it.
    pub(super) fn shown(&self) -> Json {
        let token = match &self.proof {
            SessionProof::Token(id) => Some(id),
            SessionProof::Person(_) => None,
        };
        json!({ "id": &*self.id, "principal": self.principal, "token": token,
            "created": self.began.to_string(), "last_used": self.used.to_string(),
            "address": self.address })
    }

    /// Returns the caller that it is of now.
    fn caller(&self, directory: &Directory, now: Timestamp) -> Option<Caller> {
        let caller = match &self.proof {
            SessionProof::Token(id) => directory.by_token_id(id, now),
            SessionProof::Person(person) => {
                directory.by_person(person).ok().filter(|caller| caller.name() == self.principal)
            }
        };
        let until = Some(Timestamp::from_millis(self.began.millis() + AGE_MS));
        let ended = Some(Arc::clone(&self.ended));
        let session = Some(Arc::clone(&self.id));
        caller.map(|caller| caller.standing_on(CallerBasis { until, ended, session }))
    }

    fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    fn is_over(&self, now: Timestamp) -> bool {
        now.millis() - self.used.millis() >= IDLE_MS || now.millis() - self.began.millis() >= AGE_MS
    }
}

fn key_of(value: &str) -> SessionKey {
    Sha256::digest(value.as_bytes()).into()
}

fn random(bytes: usize) -> Result<String> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random)
        .map_err(|cause| Error::internal("there are no random numbers").because(cause))?;
    Ok(hex(&random))
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, HashMap<SessionKey, UserSession>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a session of a caller that has shown who it is, and returns the cookie's value. It is
    /// always a new one: a value that a browser already had is not taken over.
    pub(super) fn begin(
        &self,
        caller: &Caller,
        proof: SessionProof,
        now: Timestamp,
    ) -> Result<String> {
        let value = random(32)?;
        let session = UserSession {
            id: random(8)?.into(),
            principal: caller.name().to_owned(),
            proof,
            address: caller.address(),
            began: now,
            used: now,
            ended: Arc::default(),
        };
        let mut sessions = self.lock();
        sessions.retain(|_, session| !session.is_over(now));
        let own = sessions.values().filter(|other| other.principal == session.principal).count();
        let is_full = sessions.len() >= SESSIONS_MAX;
        if own >= OF_PRINCIPAL_MAX || is_full {
            let of_all = own < OF_PRINCIPAL_MAX;
            let candidates =
                sessions.iter().filter(|(_, other)| of_all || other.principal == session.principal);
            let oldest = candidates.min_by_key(|(_, other)| other.used).map(|(key, _)| *key);
            let oldest = oldest.and_then(|key| sessions.remove(&key));
            oldest.iter().for_each(UserSession::end);
        }
        sessions.insert(key_of(&value), session);
        Ok(value)
    }

    /// Returns the caller of a session that goes on.
    pub(super) fn caller(
        &self,
        value: &str,
        directory: &Directory,
        now: Timestamp,
    ) -> Option<Caller> {
        let mut sessions = self.lock();
        let key = key_of(value);
        let session = sessions.get_mut(&key)?;
        if session.is_over(now) {
            sessions.remove(&key);
            return None;
        }
        let Some(caller) = session.caller(directory, now) else {
            session.end();
            sessions.remove(&key);
            return None;
        };
        session.used = now;
        Some(caller)
    }

    /// Ends the session of a cookie.
    pub(super) fn end(&self, value: &str) {
        let ended = self.lock().remove(&key_of(value));
        ended.iter().for_each(UserSession::end);
    }

    /// Ends the session with this id; returns whether there was one.
    pub(super) fn end_by_id(&self, id: &str) -> bool {
        let mut sessions = self.lock();
        let ended: Vec<UserSession> = sessions
            .extract_if(|_, session| *session.id == *id)
            .map(|(_, session)| session)
            .collect();
        ended.iter().for_each(UserSession::end);
        !ended.is_empty()
    }

    /// Returns the sessions that go on, the one used last first.
    pub(super) fn all(&self, now: Timestamp) -> Vec<UserSession> {
        let mut sessions = self.lock();
        sessions.retain(|_, session| !session.is_over(now));
        let mut all: Vec<UserSession> = sessions.values().cloned().collect();
        all.sort_unstable_by(|left, right| {
            right.used.cmp(&left.used).then_with(|| left.id.cmp(&right.id))
        });
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{ApiToken, token_hash};

    const KEY: [u8; 32] = [3; 32];
    const NOW: Timestamp = Timestamp::from_millis(1_780_000_000_000);

    fn later(millis: i64) -> Timestamp {
        Timestamp::from_millis(NOW.millis() + millis)
    }

    /// A directory with one principal and its token `t`.
    fn directory(token: &ApiToken) -> Directory {
        let hash = token_hash(&KEY, token.reveal());
        let principal = json!({ "name": "li", "roles": ["reader"], "tenants": ["a"] });
        let record = json!({ "principal": "li", "created": NOW.to_string(), "created_by": "s" });
        let tokens = [("t", &record, Some(&hash[..]))];
        Directory::of(KEY, [("li", 0, &principal)], tokens, &Arc::default(), &Directory::default())
    }

    #[test]
    fn a_session_ends_by_itself_with_its_token_and_when_it_is_ended() {
        let token = ApiToken::new().expect("a token");
        let (sessions, directory) = (Sessions::default(), directory(&token));
        let (caller, id) = directory.by_token(token.reveal(), NOW).expect("a caller");
        let proof = || SessionProof::Token(id.to_owned());
        let begin = || sessions.begin(&caller, proof(), NOW).expect("a session");
        let goes_on = |value: &str, at| sessions.caller(value, &directory, at).is_some();
        let idle = begin();
        assert!(goes_on(&idle, later(IDLE_MS - 1)) && goes_on(&idle, later(2 * IDLE_MS - 2)));
        assert!(!goes_on(&idle, later(3 * IDLE_MS)) && !goes_on(&idle, NOW), "and is gone");
        let old = begin();
        let mut at = 0;
        while at + IDLE_MS / 2 < AGE_MS {
            at += IDLE_MS / 2;
            assert!(goes_on(&old, later(at)), "{at}");
        }
        assert!(!goes_on(&old, later(AGE_MS)));
        let ended = begin();
        sessions.end(&ended);
        assert!(!goes_on(&ended, NOW) && !goes_on("", NOW));
        let revoked = begin();
        assert!(sessions.caller(&revoked, &Directory::default(), NOW).is_none());
    }

    #[test]
    fn sessions_have_a_bound_and_the_oldest_makes_room() {
        let token = ApiToken::new().expect("a token");
        let (sessions, directory) = (Sessions::default(), directory(&token));
        let (caller, id) = directory.by_token(token.reveal(), NOW).expect("a caller");
        let values: Vec<String> = (0..OF_PRINCIPAL_MAX as i64 + 3)
            .map(|number| {
                let proof = SessionProof::Token(id.to_owned());
                sessions.begin(&caller, proof, later(number)).expect("a session")
            })
            .collect();
        let all = sessions.all(later(100));
        assert_eq!(all.len(), OF_PRINCIPAL_MAX);
        assert!(sessions.caller(&values[0], &directory, later(100)).is_none());
        assert!(sessions.caller(&values[3], &directory, later(100)).is_some());
        assert!(sessions.end_by_id(&all[0].id) && !sessions.end_by_id(&all[0].id));
    }
}
