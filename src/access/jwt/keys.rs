//! The public keys of a provider (RFC 7517), and which of them a token may be signed with.

use super::{JwtAlgorithm, JwtRefusal};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde::Deserialize;
use serde_json::Value as Json;
use std::fmt;

/// The most keys of a provider.
const KEYS_MAX: usize = 100;

/// What kind of signature a key can verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyForm {
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// A key as it is published. Private parts, if somebody publishes them, are not read.
#[derive(Deserialize)]
struct PublishedKey {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// A key that signatures can be verified with.
struct SigningKey {
    kid: Option<String>,
    /// The one algorithm that it is for, if the provider says so.
    algorithm: Option<String>,
    /// `None` for a key of another use or kind: a token that names it is refused, and the provider
    /// is not asked again.
    usable: Option<(KeyForm, DecodingKey)>,
}

/// The public keys of a provider.
#[derive(Default)]
pub struct KeySet(Vec<SigningKey>);

impl fmt::Debug for KeySet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "KeySet of {}", self.0.len())
    }
}

impl KeySet {
    /// Reads the keys that a provider publishes. Keys of other uses and of unknown kinds are not an
    /// error: nothing can be signed with them.
    ///
    /// # Errors
    /// What is no set of keys.
    pub fn parse(bytes: &[u8]) -> Result<Self, JwtRefusal> {
        #[derive(Deserialize)]
        struct Published {
            keys: Vec<Json>,
        }
        let wrong = JwtRefusal::Wrong("what the provider publishes is not a set of keys");
        let published: Published = serde_json::from_slice(bytes).map_err(|_| wrong)?;
        if published.keys.len() > KEYS_MAX {
            return Err(JwtRefusal::Wrong("the provider publishes too many keys"));
        }
        let read = |key| serde_json::from_value::<PublishedKey>(key).ok();
        Ok(Self(published.keys.into_iter().filter_map(read).map(SigningKey::of).collect()))
    }

    /// Returns whether the key that a token names is known; without a name, whether any is.
    pub fn knows(&self, kid: Option<&str>) -> bool {
        match kid {
            Some(kid) => self.0.iter().any(|key| key.kid.as_deref() == Some(kid)),
            None => !self.0.is_empty(),
        }
    }

    /// Verifies a signature (base64url) with the one key that fits the token's header.
    pub(super) fn verify(
        &self,
        kid: Option<&str>,
        algorithm: JwtAlgorithm,
        signed: &str,
        signature: &str,
    ) -> Result<(), JwtRefusal> {
        if !self.knows(kid) {
            return Err(JwtRefusal::UnknownKey);
        }
        let named = self.0.iter().filter(|key| kid.is_none() || key.kid.as_deref() == kid);
        let mut fitting = named.filter_map(|key| key.fitting(algorithm));
        let wrong = "the key that the token names is for another algorithm or use";
        let key = fitting.next().ok_or(JwtRefusal::Wrong(wrong))?;
        if fitting.next().is_some() {
            return Err(JwtRefusal::Wrong("several keys of the provider fit the token"));
        }
        let is_signed = crypto::verify(signature, signed.as_bytes(), key, algorithm.foreign);
        match is_signed {
            Ok(true) => Ok(()),
            _ => Err(JwtRefusal::Wrong("the signature of the token is wrong")),
        }
    }
}

impl SigningKey {
    fn of(key: PublishedKey) -> Self {
        let is_for_signatures = key.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
            && key.key_ops.as_ref().is_none_or(|all| all.iter().any(|one| one == "verify"));
        let usable = is_for_signatures.then(|| key.decoding()).flatten();
        Self { kid: key.kid, algorithm: key.alg, usable }
    }

    fn fitting(&self, algorithm: JwtAlgorithm) -> Option<&DecodingKey> {
        let (form, key) = self.usable.as_ref()?;
        let is_for_it = self.algorithm.as_deref().is_none_or(|own| own == algorithm.name);
        (is_for_it && *form == form_for(algorithm.foreign)?).then_some(key)
    }
}

impl PublishedKey {
    fn decoding(&self) -> Option<(KeyForm, DecodingKey)> {
        let bytes = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref()?).ok();
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", None) => {
                let key = DecodingKey::from_rsa_raw_components(&bytes(&self.n)?, &bytes(&self.e)?);
                Some((KeyForm::Rsa, key))
            }
            ("EC", Some(curve @ ("P-256" | "P-384"))) => {
                let (form, length) =
                    if curve == "P-256" { (KeyForm::P256, 32) } else { (KeyForm::P384, 48) };
                let (x, y) = (bytes(&self.x)?, bytes(&self.y)?);
                let is_whole = x.len() == length && y.len() == length;
                is_whole.then(|| (form, DecodingKey::from_ec_der(&[&[4], &x[..], &y[..]].concat())))
            }
            ("OKP", Some("Ed25519")) => {
                let x = bytes(&self.x)?;
                (x.len() == 32).then(|| (KeyForm::Ed25519, DecodingKey::from_ed_der(&x)))
            }
            _ => None,
        }
    }
}

/// Returns the form of the keys of an algorithm; none for one with a shared secret.
fn form_for(algorithm: Algorithm) -> Option<KeyForm> {
    match algorithm {
        Algorithm::RS256
        | Algorithm::RS384
        | Algorithm::RS512
        | Algorithm::PS256
        | Algorithm::PS384
        | Algorithm::PS512 => Some(KeyForm::Rsa),
        Algorithm::ES256 => Some(KeyForm::P256),
        Algorithm::ES384 => Some(KeyForm::P384),
        Algorithm::EdDSA => Some(KeyForm::Ed25519),
        _ => None,
    }
}
