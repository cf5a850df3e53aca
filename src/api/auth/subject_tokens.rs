//! Tokens of a day that clients of Huawei Cloud ask for (`POST /v3/auth/tokens`): they stand for
//! the credential that they were given for.
//!
//! They are kept in memory, as hashes: they end with the server at the latest, and with the
//! credential behind them. A client whose token has ended asks for another one.

use crate::access::{Caller, CallerBasis, DAY_TOKEN_PREFIX, Directory};
use crate::error::{Error, Result};
use crate::event::{Timestamp, hex};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// How long a token is valid, as at Huawei Cloud.
const AGE_MS: i64 = 24 * 3_600_000;
/// The most tokens of the server, and of one principal; the oldest makes room for a new one.
const TOKENS_MAX: usize = 10_000;
const OF_PRINCIPAL_MAX: usize = 100;

/// A token that was given.
#[derive(Debug)]
struct SubjectToken {
    principal: String,
    /// The id of the token or access key behind it.
    credential: String,
    began: Timestamp,
    /// The only tenant that it is for, if one was named.
    project: Option<String>,
}

/// The tokens that were given.
#[derive(Default)]
pub(in crate::api) struct SubjectTokens(Mutex<HashMap<[u8; 32], SubjectToken>>);

impl fmt::Debug for SubjectTokens {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SubjectTokens")
    }
}

impl SubjectTokens {
    /// Gives a token to a caller that has shown a credential. Returns it, and when it ends.
    ///
    /// # Errors
    /// A system without random numbers.
    pub(in crate::api) fn give(
        &self,
        caller: &Caller,
        (credential, project): (&str, Option<&str>),
        now: Timestamp,
    ) -> Result<(String, Timestamp)> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)
            .map_err(|cause| Error::internal("there are no random numbers").because(cause))?;
        let text = format!("{DAY_TOKEN_PREFIX}{}", hex(&secret));
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|_, token| !token.is_over(now));
        let is_own = |token: &SubjectToken| token.principal == caller.name();
        let own_is_full = tokens.values().filter(|token| is_own(token)).count() >= OF_PRINCIPAL_MAX;
        if own_is_full || tokens.len() >= TOKENS_MAX {
            let candidates = tokens.iter().filter(|(_, token)| !own_is_full || is_own(token));
            let oldest = candidates.min_by_key(|(_, token)| token.began).map(|(key, _)| *key);
            oldest.map(|key| tokens.remove(&key));
        }
        let token = SubjectToken {
            principal: caller.name().to_owned(),
            credential: credential.to_owned(),
            began: now,
            project: project.map(str::to_owned),
        };
        tokens.insert(hash_of(&text), token);
        Ok((text, Timestamp::from_millis(now.millis() + AGE_MS)))
    }

    /// Returns the caller that a token stands for, and the id of the credential behind it.
    pub(super) fn caller(
        &self,
        text: &str,
        directory: &Directory,
        now: Timestamp,
    ) -> Option<(Caller, String)> {
        if !text.starts_with(DAY_TOKEN_PREFIX) {
            return None;
        }
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let token = tokens.get(&hash_of(text)).filter(|token| !token.is_over(now))?;
        let caller = directory.by_credential(&token.credential, now)?;
        let until = Timestamp::from_millis(token.began.millis() + AGE_MS);
        let caller = caller.standing_on(CallerBasis::until(until));
        let caller = match &token.project {
            Some(project) => caller.confined_to(project),
            None => caller,
        };
        Some((caller, token.credential.clone()))
    }
}

impl SubjectToken {
    fn is_over(&self, now: Timestamp) -> bool {
        now.millis() - self.began.millis() >= AGE_MS
    }
}

fn hash_of(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}
