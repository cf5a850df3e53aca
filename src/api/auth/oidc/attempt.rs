//! An attempt to sign in: what the way back from the provider must fit.
//!
//! The browser keeps it in a cookie until then, so that nobody can fill the server's memory by
//! beginning sign-ins. The `state` that goes to the provider and comes back is a keyed hash of the
//! cookie: an answer of the provider is taken only from the browser that asked for it.

use crate::error::{Error, Result};
use crate::event::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How long a sign-in may take.
pub(super) const ATTEMPT_SECONDS: i64 = 600;
/// The longest address to go back to.
const RETURN_BYTES_MAX: usize = 2_048;

/// The key of a server's attempts, which ends with it.
pub(super) struct AttemptKey([u8; 32]);

/// An attempt to sign in. It cannot be printed: the verifier proves who began.
#[derive(Serialize, Deserialize)]
pub(super) struct Attempt {
    /// What the token must repeat.
    pub(super) nonce: String,
    /// What proves to the provider that whoever began is who ends (PKCE, RFC 7636).
    pub(super) verifier: String,
    /// The page to show afterwards.
    pub(super) return_to: String,
    /// When it ends, in milliseconds.
    until: i64,
}

/// An attempt, as the browser keeps it and as the provider repeats it.
pub(super) struct SealedAttempt {
    pub(super) cookie: String,
    pub(super) state: String,
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|cause| Error::internal("there are no random numbers").because(cause))?;
    Ok(bytes)
}

impl Attempt {
    /// Begins an attempt, after which a page of the screen is shown.
    ///
    /// # Errors
    /// No random numbers.
    pub(super) fn begin(return_to: &str, now: Timestamp) -> Result<Self> {
        Ok(Self {
            nonce: URL_SAFE_NO_PAD.encode(random::<32>()?),
            verifier: URL_SAFE_NO_PAD.encode(random::<32>()?),
            return_to: return_to.to_owned(),
            until: now.millis() + ATTEMPT_SECONDS * 1_000,
        })
    }

    /// Returns what the provider is told of the verifier.
    pub(super) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier.as_bytes()))
    }
}

impl AttemptKey {
    pub(super) fn new() -> Result<Self> {
        random().map(Self)
    }

    fn hash(&self, cookie: &str) -> Hmac<Sha256> {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0)
            .expect("a key of any length will do");
        mac.update(cookie.as_bytes());
        mac
    }

    /// Seals an attempt.
    pub(super) fn seal(&self, attempt: &Attempt) -> SealedAttempt {
        let json = serde_json::to_vec(attempt).expect("texts are JSON");
        let cookie = URL_SAFE_NO_PAD.encode(json);
        let state = URL_SAFE_NO_PAD.encode(self.hash(&cookie).finalize().into_bytes());
        SealedAttempt { cookie, state }
    }

    /// Returns the attempt of a cookie, if the provider's answer is the answer to it and it has not
    /// ended.
    pub(super) fn open(&self, sealed: &SealedAttempt, now: Timestamp) -> Option<Attempt> {
        let state = URL_SAFE_NO_PAD.decode(&sealed.state).ok()?;
        self.hash(&sealed.cookie).verify_slice(&state).ok()?;
        let json = URL_SAFE_NO_PAD.decode(&sealed.cookie).ok()?;
        let attempt: Attempt = serde_json::from_slice(&json).ok()?;
        (now.millis() < attempt.until).then_some(attempt)
    }
}

/// Returns whether an address is one of this server that a page may be shown at: a path and perhaps
/// a query, and nothing that a browser could read as another host.
pub(super) fn is_own_address(address: &str, is_page: impl Fn(&str) -> bool) -> bool {
    let path = address.split('?').next().unwrap_or_default();
    address.len() <= RETURN_BYTES_MAX
        && address.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'#'))
        && !address.starts_with("//")
        && is_page(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_780_000_000_000);

    #[test]
    fn an_answer_fits_its_own_attempt_and_no_other() {
        let key = AttemptKey::new().expect("a key");
        let begin = || Attempt::begin("/store", NOW).expect("an attempt");
        let (one, two) = (begin(), begin());
        assert!(one.nonce != two.nonce && one.verifier != two.verifier);
        assert_eq!(one.verifier.len(), 43, "RFC 7636 wants 43 characters or more");
        let (first, second) = (key.seal(&one), key.seal(&two));
        let open = |cookie: &str, state: &str, after: i64| {
            let sealed = SealedAttempt { cookie: cookie.to_owned(), state: state.to_owned() };
            let opened = key.open(&sealed, Timestamp::from_millis(NOW.millis() + after));
            opened.map(|attempt| (attempt.nonce, attempt.verifier, attempt.return_to))
        };
        let expected = (one.nonce.clone(), one.verifier.clone(), "/store".to_owned());
        assert_eq!(open(&first.cookie, &first.state, 0), Some(expected));
        assert!(open(&first.cookie, &first.state, ATTEMPT_SECONDS * 1_000 - 1).is_some());
        assert_eq!(open(&first.cookie, &first.state, ATTEMPT_SECONDS * 1_000), None);
        assert_eq!(open(&first.cookie, &second.state, 0), None);
        assert_eq!(open(&second.cookie, &first.state, 0), None);
        assert_eq!(open(&first.cookie, "", 0), None);
        assert_eq!(open("", &first.state, 0), None);
        // Another server, or this one after its next start.
        assert!(AttemptKey::new().expect("a key").open(&first, NOW).is_none());
    }

    #[test]
    fn only_pages_of_this_server_are_gone_back_to() {
        let is_page = |path: &str| matches!(path, "/" | "/store");
        for good in ["/", "/store", "/?tenant=a&last=7d", "/store?next=https://evil.example"] {
            assert!(is_own_address(good, is_page), "{good}");
        }
        let long = format!("/?{}", "x".repeat(3_000));
        for wrong in [
            "",
            "//evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/ /evil.example",
            "/\t/evil.example",
            "/?a\\b",
            "/?a\r\nset-cookie: x",
            "/#a",
            "/api/v1/me",
            "store",
            "?a",
            "/é",
            &long,
        ] {
            assert!(!is_own_address(wrong, is_page), "{wrong}");
        }
    }
}
