//! What the claims of a token must say: who issued it, for whom, and when.

use super::{JwtRefusal, UnverifiedJwt};
use crate::access::person::{Person, is_address};
use crate::event::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256, Sha384, Sha512};

/// How far the clocks of the provider and of this server may differ, in seconds.
pub(super) const SKEW_SECONDS: f64 = 60.0;
/// The most characters of a subject (OpenID Connect Core, 2).
const SUBJECT_LETTERS_MAX: usize = 255;

/// What a token is for.
#[derive(Debug, Clone, Copy)]
pub enum JwtPurpose<'a> {
    /// It comes with a request, as its credential.
    Request,
    /// The provider answers a sign-in with it.
    SignIn {
        /// What the sign-in was begun with.
        nonce: &'a str,
        /// The access token that came along.
        access_token: Option<&'a str>,
    },
}

/// What the claims must say.
#[derive(Debug, Clone, Copy)]
pub struct ExpectedClaims<'a> {
    /// The provider.
    pub issuer: &'a str,
    /// Whom the token must be for.
    pub audience: &'a str,
    /// What this server is called at the provider.
    pub client_id: &'a str,
    /// The claim with the groups.
    pub groups_claim: &'a str,
    /// What the token is for.
    pub purpose: JwtPurpose<'a>,
}

/// Whom a token is for: one name, or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audiences {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
pub(super) struct JwtClaims {
    iss: String,
    sub: String,
    aud: Audiences,
    azp: Option<String>,
    exp: f64,
    iat: f64,
    nbf: Option<f64>,
    nonce: Option<String>,
    at_hash: Option<String>,
    email: Option<String>,
    email_verified: Option<Json>,
    #[serde(flatten)]
    others: Map<String, Json>,
}

fn refuse<T>(what: &'static str) -> Result<T, JwtRefusal> {
    Err(JwtRefusal::Wrong(what))
}

impl ExpectedClaims<'_> {
    pub(super) fn check(
        &self,
        claims: JwtClaims,
        jwt: &UnverifiedJwt<'_>,
        now: Timestamp,
    ) -> Result<Person, JwtRefusal> {
        if claims.iss != self.issuer {
            return refuse("the token is of another issuer (iss)");
        }
        self.check_audience(&claims)?;
        check_time(&claims, now)?;
        // A token that ends sessions has events, and one that is bound to a key is for whoever
        // holds the key: neither is a credential by itself.
        if ["events", "cnf"].iter().any(|claim| claims.others.contains_key(*claim)) {
            return refuse(
                "the token is for another use: it has events or is bound to a key (cnf)",
            );
        }
        if let JwtPurpose::SignIn { nonce, access_token } = self.purpose {
            if jwt.is_access_token {
                return refuse("the token is of another type (typ)");
            }
            if claims.nonce.as_deref() != Some(nonce) {
                return refuse("the token is the answer to another sign-in (nonce)");
            }
            check_access_token(&claims, access_token, jwt.algorithm.foreign)?;
        }
        self.person(claims)
    }

    /// Core 3.1.3.7, 3 to 5.
    fn check_audience(&self, claims: &JwtClaims) -> Result<(), JwtRefusal> {
        let all = match &claims.aud {
            Audiences::One(one) => std::slice::from_ref(one),
            Audiences::Many(all) => all.as_slice(),
        };
        if !all.iter().any(|one| one == self.audience) {
            return refuse("the token is for somebody else (aud)");
        }
        let must_be_ours = all.len() > 1 || matches!(self.purpose, JwtPurpose::SignIn { .. });
        match &claims.azp {
            Some(party) if must_be_ours && party != self.client_id => {
                refuse("the token was issued to another client (azp)")
            }
            None if all.len() > 1 => {
                refuse("the token is for several, and does not say to whom it was issued (azp)")
            }
            _ => Ok(()),
        }
    }

    fn person(&self, claims: JwtClaims) -> Result<Person, JwtRefusal> {
        let letters = claims.sub.chars().count();
        let is_plain = !claims.sub.chars().any(char::is_control);
        if !(1..=SUBJECT_LETTERS_MAX).contains(&letters) || !is_plain {
            return refuse("the subject of the token (sub) is no name");
        }
        // Only `true` is: a text that says so is not what the standard has, and an address that
        // nobody has verified is anybody's.
        let is_verified = claims.email_verified == Some(Json::Bool(true));
        let email = claims.email.filter(|email| is_verified && is_address(email));
        let groups = match claims.others.get(self.groups_claim) {
            None | Some(Json::Null) => Vec::new(),
            Some(groups) => match Vec::<String>::deserialize(groups) {
                Ok(groups) => groups,
                Err(_) => return refuse("the groups of the token are not a list of texts"),
            },
        };
        Ok(Person { subject: claims.sub, email, groups })
    }
}

fn check_time(claims: &JwtClaims, now: Timestamp) -> Result<(), JwtRefusal> {
    let now = now.millis() as f64 / 1_000.0;
    if now >= claims.exp + SKEW_SECONDS {
        return refuse("the token has expired (exp)");
    }
    if claims.nbf.is_some_and(|begin| begin > now + SKEW_SECONDS) {
        return refuse("the token is not valid yet (nbf)");
    }
    if claims.iat > now + SKEW_SECONDS {
        return refuse("the token was issued in the future (iat)");
    }
    Ok(())
}

/// Core 3.1.3.8: the left half of the hash that belongs to the algorithm.
fn check_access_token(
    claims: &JwtClaims,
    access_token: Option<&str>,
    algorithm: Algorithm,
) -> Result<(), JwtRefusal> {
    let Some(expected) = &claims.at_hash else { return Ok(()) };
    let token = access_token.unwrap_or_default().as_bytes();
    let hash = match algorithm {
        Algorithm::RS384 | Algorithm::PS384 | Algorithm::ES384 => Sha384::digest(token).to_vec(),
        Algorithm::RS512 | Algorithm::PS512 | Algorithm::EdDSA => Sha512::digest(token).to_vec(),
        _ => Sha256::digest(token).to_vec(),
    };
    if URL_SAFE_NO_PAD.encode(&hash[..hash.len() / 2]) != *expected {
        return refuse("the access token is not the one that the token belongs to (at_hash)");
    }
    Ok(())
}
