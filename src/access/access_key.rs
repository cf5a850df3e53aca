//! Access keys: an id (AK) and a secret (SK) that signs requests and is never sent with them.
//!
//! Whoever checks a signature needs the secret itself, so a hash of it would not do: the store
//! keeps it sealed with a [`SealKey`], which is not in the store.

use super::caller::Caller;
use super::principal::Grant;
use super::seal_key::SealKey;
use super::token::{BASE62, note_work, random_letters};
use crate::error::{Error, Result};
use crate::event::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use zeroize::Zeroizing;

/// The letters of ids: those that Huawei Cloud uses.
const ID_LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const ID_LENGTH: usize = 20;
const SECRET_LENGTH: usize = 40;
/// How often the last use of a key is noted, in milliseconds.
const USED_STEP_MS: i64 = 1_000;
/// Stands for the secret of a key that there is not, so that a signature by it is refused after the
/// same work.
const NO_SECRET: &str = "0000000000000000000000000000000000000000";

/// Stands for what is sealed of it: as long, and in the same form.
const NO_SEALED: [u8; 69] = [1; 69];

/// What is known of an access key besides its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKeyRecord {
    /// Whose it is.
    pub principal: String,
    /// When it was made.
    pub created: String,
    /// The principal that made it.
    pub created_by: String,
    /// What it is for, as whoever made it says.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// The secret of an access key, or what stands for that of a key that there is not: nothing is it,
/// and nothing is signed with it.
pub struct SigningSecret {
    text: Zeroizing<String>,
    is_somebodys: bool,
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SigningSecret")
    }
}

impl SigningSecret {
    /// Returns what stands for the secret of a key that there is not, after the work of opening
    /// one.
    pub fn of_nobody(key: &SealKey) -> Self {
        // It does not open, and is not believed if it did.
        drop(open_secret(&NO_SEALED, key, ("", "")));
        Self { text: Zeroizing::new(NO_SECRET.to_owned()), is_somebodys: false }
    }

    /// The secret of a key of another service, with which requests to that are signed.
    pub fn of_service(text: String) -> Self {
        Self::somebodys(text)
    }

    fn somebodys(text: String) -> Self {
        Self { text: Zeroizing::new(text), is_somebodys: true }
    }

    /// A secret that is known, for tests.
    #[cfg(test)]
    pub(super) fn for_tests(text: &str) -> Self {
        Self::somebodys(text.to_owned())
    }

    /// Returns the text, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// Returns whether a text is this secret; how long that takes does not tell where they differ.
    pub fn is(&self, text: &str) -> bool {
        let expected = self.mac(b"annals access key").finalize();
        let sent = Self::somebodys(text.to_owned()).mac(b"annals access key");
        sent.verify_slice(&expected.into_bytes()).is_ok() & self.is_somebodys
    }

    /// Returns the signature of a text.
    pub(super) fn signature(&self, text: &[u8]) -> [u8; 32] {
        self.mac(text).finalize().into_bytes().into()
    }

    /// Returns whether a signature is that of a text with this secret.
    pub(super) fn has_signed(&self, text: &[u8], signature: &[u8]) -> bool {
        self.mac(text).verify_slice(signature).is_ok() & self.is_somebodys
    }

    fn mac(&self, text: &[u8]) -> Hmac<Sha256> {
        note_work();
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(self.text.as_bytes())
            .expect("a key of any length will do");
        mac.update(text);
        mac
    }
}

/// A new access key, whose secret is shown once.
#[derive(Debug)]
pub struct NewAccessKey {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: SigningSecret,
}

impl NewAccessKey {
    /// Makes a new access key.
    ///
    /// # Errors
    /// A system without random numbers.
    pub fn generate() -> Result<Self> {
        let secret = SigningSecret::somebodys(random_letters(BASE62, SECRET_LENGTH)?);
        Ok(Self { id: random_letters(ID_LETTERS, ID_LENGTH)?, secret })
    }

    /// Returns the secret as the store keeps it.
    ///
    /// # Errors
    /// A system without random numbers.
    pub fn sealed(&self, key: &SealKey, principal: &str) -> Result<Vec<u8>> {
        key.seal(self.secret.reveal().as_bytes(), &place(&self.id, principal))
    }
}

/// Opens the sealed secret of the access key of a principal.
///
/// # Errors
/// A secret that was sealed with another key, for another access key or principal, or is damaged.
pub fn open_secret(
    sealed: &[u8],
    key: &SealKey,
    (id, principal): (&str, &str),
) -> Result<SigningSecret> {
    note_work();
    let opened = key.open(sealed, &place(id, principal));
    let opened = opened.map_err(|error| error.at(format!("the access key {id} of {principal}")))?;
    let text = std::str::from_utf8(&opened)
        .map_err(|_| Error::corrupt(format!("the access key {id} has a secret that is no text")))?;
    Ok(SigningSecret::somebodys(text.to_owned()))
}

/// What a sealed secret is bound to. Neither ids nor names have a line's end.
fn place(id: &str, principal: &str) -> Vec<u8> {
    format!("annals access key v1\n{id}\n{principal}").into_bytes()
}

/// An access key that stands for a principal.
#[derive(Debug)]
pub struct AccessKey {
    pub(super) id: Arc<str>,
    pub(super) grant: Arc<Grant>,
    pub(super) sealed: Vec<u8>,
    pub(super) used: Arc<AtomicI64>,
}

impl AccessKey {
    /// Returns the secret.
    ///
    /// # Errors
    /// A seal key that is not the one that the secret was sealed with.
    pub fn secret(&self, key: &SealKey) -> Result<SigningSecret> {
        open_secret(&self.sealed, key, (&self.id, &self.grant.principal().name))
    }

    /// Returns the caller that a good signature with this key stands for.
    pub fn caller(&self, now: Timestamp) -> Caller {
        if now.millis() - self.used.load(Ordering::Relaxed) >= USED_STEP_MS {
            self.used.store(now.millis(), Ordering::Relaxed);
        }
        Caller::principal(Arc::clone(&self.grant)).with_token(&self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::token::work_of;

    #[test]
    fn a_key_that_there_is_and_one_that_there_is_not_are_the_same_work() {
        let seal = SealKey::generate().expect("a key");
        let key = NewAccessKey::generate().expect("an access key");
        let sealed = key.sealed(&seal, "li").expect("sealed");
        let there = || open_secret(&sealed, &seal, (&key.id, "li")).expect("opened");
        let nobody = || SigningSecret::of_nobody(&seal);
        for sent in ["", "another", key.secret.reveal()] {
            let works = [work_of(|| there().is(sent)), work_of(|| nobody().is(sent))];
            assert_eq!(works, [3, 3], "an opening and two hashes, whatever was sent");
        }
        let good = there().mac(b"text").finalize().into_bytes();
        let mut near = good;
        near[31] ^= 1;
        for signature in [&good[..], &near, &[0; 32], b"short"] {
            let works = [
                work_of(|| there().has_signed(b"text", signature)),
                work_of(|| nobody().has_signed(b"text", signature)),
            ];
            assert_eq!(works, [2, 2], "an opening and a hash, wherever the signature differs");
        }
        assert!(there().has_signed(b"text", &good) && !there().has_signed(b"text", &near));
    }

    #[test]
    fn a_secret_opens_for_its_own_key_and_principal_only() {
        let seal = SealKey::generate().expect("a key");
        let key = NewAccessKey::generate().expect("an access key");
        assert_eq!((key.id.len(), key.secret.reveal().len()), (ID_LENGTH, SECRET_LENGTH));
        let sealed = key.sealed(&seal, "li").expect("sealed");
        assert_eq!((sealed.len(), sealed[0]), (NO_SEALED.len(), NO_SEALED[0]));
        let nobody = SigningSecret::of_nobody(&seal);
        assert_eq!(nobody.reveal().len(), SECRET_LENGTH);
        let signature = nobody.mac(b"text").finalize().into_bytes();
        assert!(!nobody.is(nobody.reveal()) && !nobody.has_signed(b"text", &signature));
        let opened = open_secret(&sealed, &seal, (&key.id, "li")).expect("opened");
        assert!(opened.is(key.secret.reveal()) && !opened.is("another") && !opened.is(""));
        assert!(open_secret(&sealed, &seal, (&key.id, "wang")).is_err());
        assert!(open_secret(&sealed, &seal, ("AKOFSOMEBODYELSE0000", "li")).is_err());
        let other = SealKey::generate().expect("a key");
        let error = open_secret(&sealed, &other, (&key.id, "li")).expect_err("another seal key");
        assert!(!error.to_string().contains(key.secret.reveal()), "{error}");
        let shown = format!("{key:?}{opened:?}");
        assert!(!shown.contains(key.secret.reveal()), "{shown}");
    }
}
