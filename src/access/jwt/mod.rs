//! JSON Web Tokens (RFC 7519) of an OpenID provider: what is read of one before it is believed, and
//! how it comes to be believed.
//!
//! Nothing here asks the network or the clock: keys and the time are handed in. Only [`ALGORITHMS`]
//! are known, all of them with a public key, so that neither `none` nor a signature with the public
//! key as a shared secret can pass (RFC 8725, 2.1 and 3.1). A key must fit the algorithm by its
//! kind, its curve, its `alg` and its `use`. Keys that a token brings along (`jwk`, `jku`, `x5c`,
//! `x5u`) are not looked at.

mod claims;
mod keys;

pub use claims::{ExpectedClaims, JwtPurpose};
pub use keys::KeySet;

use super::person::Person;
use crate::event::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde_json::Value as Json;
use std::fmt;

/// The largest token.
const JWT_BYTES_MAX: usize = 16 << 10;

/// Why a token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwtRefusal {
    /// None of the keys is the one that it names; the provider may have a new one.
    UnknownKey,
    /// What is wrong with it, in words for whoever sent it.
    Wrong(&'static str),
}

impl fmt::Display for JwtRefusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::UnknownKey => "the token is signed with a key that the provider does not publish",
            Self::Wrong(what) => what,
        })
    }
}

/// The algorithms that tokens may be signed with.
const ALGORITHMS: [(&str, Algorithm); 9] = [
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
];

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct JwtAlgorithm {
    name: &'static str,
    foreign: Algorithm,
}

impl JwtAlgorithm {
    fn named(wanted: &str) -> Option<Self> {
        let (name, foreign) = *ALGORITHMS.iter().find(|(name, _)| *name == wanted)?;
        Some(Self { name, foreign })
    }
}

/// What a token says of itself.
#[derive(Deserialize)]
struct JwtHeader {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Json>,
}

/// A token of which nothing has been verified yet.
pub struct UnverifiedJwt<'a> {
    algorithm: JwtAlgorithm,
    kid: Option<String>,
    /// Whether its type says that it is an access token (RFC 9068).
    is_access_token: bool,
    /// Header and claims, which are signed.
    signed: &'a str,
    claims: &'a str,
    signature: &'a str,
}

impl fmt::Debug for UnverifiedJwt<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "UnverifiedJwt of {}", self.algorithm.name)
    }
}

/// Returns whether a credential has the form of a token of a provider: the header is JSON in
/// base64url, so it begins like this.
pub fn is_jwt(text: &str) -> bool {
    text.starts_with("eyJ") && text.bytes().filter(|byte| *byte == b'.').count() == 2
}

impl<'a> UnverifiedJwt<'a> {
    /// Reads a token.
    ///
    /// # Errors
    /// What cannot be believed whoever signed it: an algorithm that is not known, extensions that
    /// must be understood.
    pub fn parse(text: &'a str) -> Result<Self, JwtRefusal> {
        if text.len() > JWT_BYTES_MAX {
            return Err(JwtRefusal::Wrong("the token is larger than 16 KiB"));
        }
        let malformed = JwtRefusal::Wrong("the token is not a JSON Web Token");
        let (signed, signature) = text.rsplit_once('.').ok_or(malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(malformed)?;
        let header: JwtHeader = decoded(header).ok_or(malformed)?;
        let unknown = "the token is not signed with RS256, RS384, RS512, PS256, PS384, PS512, \
                       ES256, ES384 or EdDSA";
        let algorithm = JwtAlgorithm::named(&header.alg).ok_or(JwtRefusal::Wrong(unknown))?;
        if header.crit.is_some() {
            let what = "the token has extensions that must be understood (crit), and are not";
            return Err(JwtRefusal::Wrong(what));
        }
        let is_access_token = match header.typ.map(|kind| kind.to_ascii_lowercase()).as_deref() {
            None | Some("jwt" | "application/jwt") => false,
            Some("at+jwt" | "application/at+jwt") => true,
            // A token for another purpose, such as one that ends sessions (RFC 8725, 3.11).
            Some(_) => return Err(JwtRefusal::Wrong("the token is of another type (typ)")),
        };
        Ok(Self { algorithm, kid: header.kid, is_access_token, signed, claims, signature })
    }

    /// Returns the name of the key that it is signed with.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Returns until when the token is accepted, by what it says; it says so truly if it is
    /// verified.
    pub fn until(&self) -> Option<Timestamp> {
        #[derive(Deserialize)]
        struct Expiry {
            exp: f64,
        }
        let expiry: Expiry = decoded(self.claims)?;
        let until = (expiry.exp + claims::SKEW_SECONDS) * 1_000.0;
        // Beyond what a time can be, it does not end.
        (until.is_finite() && until < 1e15).then(|| Timestamp::from_millis(until as i64))
    }

    /// Returns whom the token stands for, once everything about it is verified.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn verify(
        &self,
        keys: &KeySet,
        expected: &ExpectedClaims<'_>,
        now: Timestamp,
    ) -> Result<Person, JwtRefusal> {
        keys.verify(self.kid(), self.algorithm, self.signed, self.signature)?;
        let claims = decoded(self.claims).ok_or(JwtRefusal::Wrong(
            "the claims of the token are missing iss, sub, aud, exp or iat, or are of another type",
        ))?;
        expected.check(claims, self, now)
    }
}

/// Reads a part of a token.
fn decoded<T: for<'de> Deserialize<'de>>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[cfg(test)]
mod tests;
