//! The key that seals what must be read again, such as the secret of an access key. It is in no
//! data directory and no backup: whoever has those alone has no secrets.

use crate::error::{Error, ErrorKind, Result};
use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
/// The first byte of what is sealed: how it is sealed.
const VERSION: u8 = 1;
/// What ends a text that is padded to a multiple of so many bytes.
const PAD: u8 = 0x80;
const PAD_BYTES: usize = 32;

/// A key that seals secrets with AES-256-GCM-SIV.
#[derive(Clone)]
pub struct SealKey(Arc<Zeroizing<[u8; KEY_BYTES]>>);

impl fmt::Debug for SealKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SealKey")
    }
}

/// Two keys are the same if they are one: their bytes are not compared.
impl PartialEq for SealKey {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for SealKey {}

impl SealKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// A system without random numbers.
    pub fn generate() -> Result<Self> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        fill(key.as_mut_slice())?;
        Ok(Self(Arc::new(key)))
    }

    /// Reads a key that is written in hexadecimal digits or in base64.
    ///
    /// # Errors
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        let is_hex = text.len() == 2 * KEY_BYTES && text.bytes().all(|b| b.is_ascii_hexdigit());
        if is_hex {
            for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
                *byte = digits.iter().fold(0, |byte, digit| byte << 4 | nibble(*digit));
            }
            return Ok(Self(Arc::new(key)));
        }
        // One byte more shows a text that is too long.
        let mut bytes = Zeroizing::new([0; KEY_BYTES + 1]);
        let text = text.trim_end_matches('=');
        match STANDARD_NO_PAD.decode_slice(text, bytes.as_mut_slice()) {
            Ok(KEY_BYTES) => key.copy_from_slice(&bytes[..KEY_BYTES]),
            _ => {
                return Err(Error::invalid(format!(
                    "a seal key is {KEY_BYTES} random bytes, written as {} hexadecimal digits or \
                    in base64",
                    2 * KEY_BYTES
                )));
            }
        }
        Ok(Self(Arc::new(key)))
    }

    /// Returns the key in hexadecimal digits, to be kept in a file.
    pub fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(crate::event::hex(self.0.as_slice()))
    }

    /// Seals a secret for a place: it does not open at another one.
    ///
    /// # Errors
    /// A system without random numbers.
    pub(super) fn seal(&self, secret: &[u8], place: &[u8]) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE_BYTES];
        fill(&mut nonce)?;
        let sealed =
            self.cipher().encrypt(&Nonce::from(nonce), Payload { msg: secret, aad: place });
        let sealed = sealed.map_err(|_| Error::internal("a secret cannot be sealed"))?;
        Ok([&[VERSION], nonce.as_slice(), &sealed].concat())
    }

    /// Opens what [`SealKey::seal`] made for the same place.
    ///
    /// # Errors
    /// Anything else: another key, another place, or damage.
    pub(super) fn open(&self, sealed: &[u8], place: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let refused = || Error::new(ErrorKind::Corrupt, "it is not sealed with this seal key");
        let (version, rest) = sealed.split_first().ok_or_else(refused)?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE_BYTES>().ok_or_else(refused)?;
        if *version != VERSION {
            return Err(refused());
        }
        let opened = self.cipher().decrypt(&Nonce::from(*nonce), Payload { msg: rest, aad: place });
        opened.map(Zeroizing::new).map_err(|_| refused())
    }

    /// Makes a key of one that was derived from another.
    pub(super) fn derived(key: [u8; KEY_BYTES]) -> Self {
        Self(Arc::new(Zeroizing::new(key)))
    }

    /// Seals a text so that equal ones are equal when sealed: it tells whether two are the same,
    /// and about how long they are, and nothing else. That is what SIV is for (RFC 8452).
    pub(super) fn seal_alike(&self, text: &str) -> String {
        let mut padded = text.as_bytes().to_vec();
        padded.push(PAD);
        padded.resize(padded.len().next_multiple_of(PAD_BYTES), 0);
        let sealed = self.cipher().encrypt(&Nonce::from([0; NONCE_BYTES]), padded.as_slice());
        // Only texts of many gigabytes are too long for the cipher.
        URL_SAFE_NO_PAD.encode(sealed.unwrap_or_default())
    }

    /// Opens what [`SealKey::seal_alike`] made.
    pub(super) fn open_alike(&self, sealed: &str) -> Option<String> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let nonce = Nonce::from([0; NONCE_BYTES]);
        let mut text = self.cipher().decrypt(&nonce, sealed.as_slice()).ok()?;
        let end = text.iter().rposition(|byte| *byte == PAD)?;
        text.truncate(end);
        String::from_utf8(text).ok()
    }

    fn cipher(&self) -> Aes256GcmSiv {
        let key: &[u8; KEY_BYTES] = &self.0;
        Aes256GcmSiv::new(key.into())
    }
}

fn fill(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes)
        .map_err(|cause| Error::internal("there are no random numbers").because(cause))
}

/// Returns the value of a hexadecimal digit.
pub(super) fn nibble(digit: u8) -> u8 {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_written() {
        let key = SealKey::generate().expect("a key");
        let again = SealKey::parse(&format!(" {}\n", *key.reveal())).expect("the same");
        assert_eq!(*again.reveal(), *key.reveal());
        let base64 = base64::engine::general_purpose::STANDARD.encode(key.0.as_slice());
        for text in [base64.as_str(), base64.trim_end_matches('='), &key.reveal().to_uppercase()] {
            assert_eq!(*SealKey::parse(text).expect("the same").reveal(), *key.reveal(), "{text}");
        }
        let longer = format!("{}00", *key.reveal());
        for wrong in ["", "x", &key.reveal()[1..], &longer, "0123456789abcdef0123456789abcdef"] {
            assert!(SealKey::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(format!("{key:?}"), "SealKey");
    }

    #[test]
    fn what_is_sealed_opens_with_the_same_key_in_the_same_place_and_as_it_is() {
        let (key, other) = (SealKey::generate().expect("a key"), SealKey::generate().expect("one"));
        let sealed = key.seal(b"secret", b"here").expect("sealed");
        assert_eq!(key.open(&sealed, b"here").expect("opened").as_slice(), b"secret");
        assert!(key.open(&sealed, b"there").is_err() && other.open(&sealed, b"here").is_err());
        for at in 0..sealed.len() {
            let mut wrong = sealed.clone();
            wrong[at] ^= 1;
            assert!(key.open(&wrong, b"here").is_err(), "{at}");
            assert!(key.open(&sealed[..at], b"here").is_err(), "{at}");
        }
        assert_ne!(key.seal(b"secret", b"here").expect("sealed"), sealed, "a nonce of its own");
    }
}
