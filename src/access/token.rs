//! API tokens: random texts that stand for a principal.
//!
//! ```text
//! annals_k3v9x0q2m1ba_4Fz…43 characters…_9kQ2xZ
//!        id           secret: 256 bits     checksum
//! ```
//!
//! The prefix lets scanners of repositories find tokens that were committed by mistake (as those of
//! other vendors do), and the checksum tells a mistyped token from a withdrawn one without asking
//! the store. The store keeps an HMAC of the whole token with its own key; because a secret has 256
//! random bits, a slow hash would protect nothing more and would let anyone keep the server busy.

use crate::error::{Error, Result};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

/// How every token begins.
pub const TOKEN_PREFIX: &str = "annals_";
/// How every token of a day begins, which clients of Huawei Cloud get for another credential.
pub const DAY_TOKEN_PREFIX: &str = "annals-subject-";
/// The length of an id and of a secret, in characters.
const ID_LETTERS: usize = 12;
const SECRET_LETTERS: usize = 43;
const CHECKSUM_LETTERS: usize = 6;
/// The fewest and the most characters of a token that somebody chose.
const CHOSEN_LETTERS: std::ops::RangeInclusive<usize> = 24..=1_024;
/// The fewest different characters of such a token: a letter that is repeated is no secret.
const DIFFERENT_LETTERS_MIN: usize = 8;
pub(super) const BASE62: &[u8; 62] =
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Ids are in lower case: they are shown, typed and compared by people.
const BASE36: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// A token, which is shown once and never stored.
#[derive(Clone)]
pub struct ApiToken {
    id: String,
    text: String,
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Token({})", self.id)
    }
}

/// The hash of a token.
pub type TokenHash = [u8; 32];

impl ApiToken {
    /// Makes a new token.
    ///
    /// # Errors
    /// A system without random numbers.
    pub fn new() -> Result<Self> {
        let id = random_letters(BASE36, ID_LETTERS)?;
        let body = format!("{TOKEN_PREFIX}{id}_{}", random_letters(BASE62, SECRET_LETTERS)?);
        let text = format!("{body}_{}", checksum(&body));
        Ok(Self { id, text })
    }

    /// Takes a text that somebody chose as a token, with a new id.
    ///
    /// # Errors
    /// A text that is too short to be a secret, or that no header can carry.
    pub fn chosen(text: &str) -> Result<Self> {
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        if !CHOSEN_LETTERS.contains(&text.len()) || !plain {
            return Err(Error::invalid(format!(
                "a token has {} to {} ASCII characters without spaces",
                CHOSEN_LETTERS.start(),
                CHOSEN_LETTERS.end()
            )));
        }
        if text.bytes().collect::<BTreeSet<u8>>().len() < DIFFERENT_LETTERS_MIN {
            return Err(Error::invalid(format!(
                "a token has at least {DIFFERENT_LETTERS_MIN} different characters"
            )));
        }
        if is_mistyped(text) {
            return Err(Error::invalid(format!(
                "a text that begins with {TOKEN_PREFIX} and is no token of Annals would be taken \
                for a mistyped one: choose another"
            )));
        }
        Ok(Self { id: random_letters(BASE36, ID_LETTERS)?, text: text.to_owned() })
    }

    /// Returns the id, which is not secret.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the whole text, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.text
    }
}

/// Returns whether a text cannot be a token: it begins as one and its checksum is another.
pub(super) fn is_mistyped(text: &str) -> bool {
    let Some((body, sum)) = text.rsplit_once('_').filter(|_| text.starts_with(TOKEN_PREFIX)) else {
        return false;
    };
    checksum(body) != sum
}

/// Returns a text with `…` in place of the secrets of tokens in it: whoever puts a token into an
/// address or a search shows it to the server, and to nobody who reads what was asked.
pub fn without_secrets(text: &str) -> Cow<'_, str> {
    match without_day_tokens(text) {
        Cow::Borrowed(text) => without_api_tokens(text),
        Cow::Owned(text) => Cow::Owned(without_api_tokens(&text).into_owned()),
    }
}

/// Returns a text without the digits of tokens of a day.
fn without_day_tokens(text: &str) -> Cow<'_, str> {
    if !text.contains(DAY_TOKEN_PREFIX) {
        return Cow::Borrowed(text);
    }
    let mut parts = text.split(DAY_TOKEN_PREFIX);
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|letter: char| letter.is_ascii_hexdigit());
        clean = clean + DAY_TOKEN_PREFIX + if rest.len() < part.len() { "…" } else { "" } + rest;
    }
    Cow::Owned(clean)
}

fn without_api_tokens(text: &str) -> Cow<'_, str> {
    let mut parts = text.split(TOKEN_PREFIX);
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        clean += TOKEN_PREFIX;
        let letters = |from: usize, count: usize| {
            let letters = part.as_bytes().get(from..from + count);
            letters.is_some_and(|letters| letters.iter().all(u8::is_ascii_alphanumeric))
        };
        let secret = ID_LETTERS + 1;
        if letters(0, ID_LETTERS) && letters(secret, SECRET_LETTERS) {
            clean = clean + &part[..secret] + "…" + &part[secret + SECRET_LETTERS..];
        } else {
            clean += part;
        }
    }
    if clean == text { Cow::Borrowed(text) } else { Cow::Owned(clean) }
}

/// Returns whether a text begins as the tokens that this program makes. Nobody guesses those, and
/// one with a wrong checksum is not even looked up.
pub fn is_generated(text: &str) -> bool {
    text.starts_with(TOKEN_PREFIX) || text.starts_with(DAY_TOKEN_PREFIX)
}

#[cfg(test)]
thread_local! {
    /// How often this thread has hashed something with a secret, or opened one.
    static WORK: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Counts work that takes as long as a secret needs, for tests that compare refusals by it.
pub(super) fn note_work() {
    #[cfg(test)]
    WORK.with(|work| work.set(work.get() + 1));
}

/// Returns how much of such work something does.
#[cfg(test)]
pub(super) fn work_of<T>(something: impl FnOnce() -> T) -> u64 {
    let before = WORK.get();
    something();
    WORK.get() - before
}

/// Hashes a token with the key of the store.
pub fn token_hash(key: &[u8; 32], text: &str) -> TokenHash {
    note_work();
    let mut mac =
        <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("a key of any length will do");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

pub(super) fn random_letters(letters: &[u8], count: usize) -> Result<String> {
    let mut text = String::with_capacity(count);
    while text.len() < count {
        let mut bytes = [0; 64];
        getrandom::fill(&mut bytes)
            .map_err(|cause| Error::internal("there are no random numbers").because(cause))?;
        // Bytes above the last multiple are left out, so that every letter is as likely.
        let limit = 256 / letters.len() * letters.len();
        let usable = bytes.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < limit);
        text.extend(
            usable.take(count - text.len()).map(|byte| char::from(letters[byte % letters.len()])),
        );
    }
    Ok(text)
}

fn checksum(body: &str) -> String {
    let mut rest = crc32c::crc32c(body.as_bytes()) as usize;
    let mut letters = [b'0'; CHECKSUM_LETTERS];
    for letter in letters.iter_mut().rev() {
        *letter = BASE62[rest % BASE62.len()];
        rest /= BASE62.len();
    }
    String::from_utf8_lossy(&letters).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_an_id_a_secret_and_a_checksum_that_finds_every_wrong_letter() {
        let token = ApiToken::new().expect("a token");
        let text = token.reveal();
        assert!(text.starts_with(&format!("{TOKEN_PREFIX}{}_", token.id())), "{text}");
        assert_eq!(text.len(), 7 + ID_LETTERS + 1 + SECRET_LETTERS + 1 + CHECKSUM_LETTERS);
        assert!(!is_mistyped(text));
        for at in TOKEN_PREFIX.len()..text.len() {
            let mut wrong = text.to_owned().into_bytes();
            wrong[at] = if wrong[at] == b'x' { b'y' } else { b'x' };
            assert!(is_mistyped(&String::from_utf8(wrong).expect("text")), "{at}");
        }
        assert_ne!(ApiToken::new().expect("a token").reveal(), text);
        assert!(!format!("{token:?}").contains(&text[21..40]));
    }

    #[test]
    fn a_chosen_token_is_long_and_can_be_carried_by_a_header() {
        assert!(ApiToken::chosen("a-text-that-somebody-chose").is_ok());
        let no_token = format!("{TOKEN_PREFIX}{}", "x".repeat(40) + "_abc");
        for wrong in [
            &no_token,
            "short",
            "with a space in it, and long",
            "中文中文中文中文中文中文中文中文",
            "",
        ] {
            assert!(ApiToken::chosen(wrong).is_err(), "{wrong}");
        }
        assert!(!is_mistyped("a-text-that-somebody_chose"));
    }

    #[test]
    fn a_text_is_shown_without_the_secrets_of_tokens() {
        let (one, two) = (ApiToken::new().expect("a token"), ApiToken::new().expect("a token"));
        let text = format!("a={}&b=中{}%20annals_x_y", one.reveal(), two.reveal());
        let shown = without_secrets(&text);
        for token in [&one, &two] {
            let secret = token.reveal().split('_').nth(2).expect("a secret");
            assert!(shown.contains(token.id()) && !shown.contains(secret), "{shown}");
        }
        assert!(shown.starts_with("a=annals_") && shown.ends_with("%20annals_x_y"), "{shown}");
        let shown = without_secrets("text=annals-subject-0aF9&b=annals-subject-").into_owned();
        assert_eq!(shown, "text=annals-subject-…&b=annals-subject-");
        assert!(is_generated("annals-subject-00") && !is_generated("annals"));
        for plain in ["", "annals_", "tenant=_annals_&x", "annals_k3v9x0q2m1b中_x"] {
            assert_eq!(without_secrets(plain), plain);
        }
    }

    #[test]
    fn hashes_depend_on_key_and_text() {
        let hash = token_hash(&[1; 32], "a");
        assert_ne!(hash, token_hash(&[2; 32], "a"));
        assert_ne!(hash, token_hash(&[1; 32], "b"));
        assert_eq!(hash, token_hash(&[1; 32], "a"));
    }
}
