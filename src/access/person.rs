//! People and programs that an OpenID provider vouches for, and the principals that they stand for.

use crate::event::hex;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use sha2::{Digest, Sha256};

/// The kinds of identities, as they are written in a principal's `identities`.
const SUBJECT: &str = "oidc:sub:";
const EMAIL: &str = "oidc:email:";
const GROUP: &str = "oidc:group:";
/// The most characters of what follows the kind.
const VALUE_LETTERS_MAX: usize = 255;
/// The most characters of a name that the provider gave, before its hash takes its place.
const NAME_LETTERS_MAX: usize = 120;
/// What a name must not have as it is: it stands in texts that end at a space.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'/');

/// Somebody for whom the provider vouches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The claim `sub`: what the provider knows them by, for ever and for nobody else.
    pub subject: String,
    /// The address, if the provider has verified it.
    pub email: Option<String>,
    /// The groups.
    pub groups: Vec<String>,
}

/// Why a person stands for no principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonRefusal {
    /// No principal has one of the identities.
    Unknown,
    /// The groups are those of different principals.
    SeveralGroups,
    /// The person is a principal that is disabled, or several by one address.
    Disabled,
}

impl Person {
    /// Returns the identity of the subject.
    pub(super) fn subject_identity(&self) -> String {
        format!("{SUBJECT}{}", self.subject)
    }

    /// Returns the identity of the address.
    pub(super) fn email_identity(&self) -> Option<String> {
        self.email.as_ref().map(|email| format!("{EMAIL}{email}"))
    }

    /// Returns the identities of the groups.
    pub(super) fn group_identities(&self) -> impl Iterator<Item = String> {
        self.groups.iter().map(|group| format!("{GROUP}{group}"))
    }

    /// Returns the identities of the person alone, for whoever is to let them in.
    pub fn own_identities(&self) -> String {
        let own = [Some(self.subject_identity()), self.email_identity()];
        own.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// Returns the name under which the person is recorded as a member of a group: the address or,
    /// without one, `sub:` and the subject. An address has no colon, so one is not taken for the
    /// other.
    pub(super) fn name(&self) -> String {
        let name = match &self.email {
            Some(email) => email.clone(),
            None => format!("sub:{}", utf8_percent_encode(&self.subject, ESCAPED)),
        };
        if name.len() <= NAME_LETTERS_MAX {
            return name;
        }
        format!("sub:sha256:{}", hex(&Sha256::digest(self.subject.as_bytes())))
    }
}

/// Returns an identity as it is compared: addresses without case, as far as ASCII has it.
pub(super) fn compared(identity: &str) -> String {
    if identity.starts_with(EMAIL) { identity.to_ascii_lowercase() } else { identity.to_owned() }
}

/// Returns whether a text is an address that may stand for a person: no spaces, no colon, no slash.
pub(super) fn is_address(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b':' | b'/' | b'"' | b',');
    let parts = text.split_once('@');
    text.len() <= VALUE_LETTERS_MAX
        && text.bytes().all(plain)
        && parts
            .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && !host.contains('@'))
}

/// Returns whether a text can be among the identities of a principal.
pub(super) fn is_identity(text: &str) -> bool {
    let value = [SUBJECT, EMAIL, GROUP].iter().find_map(|kind| text.strip_prefix(kind));
    value.is_some_and(|value| {
        let letters = value.chars().count();
        (1..=VALUE_LETTERS_MAX).contains(&letters) && !value.chars().any(char::is_control)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_has_a_kind_and_a_value() {
        for good in ["oidc:sub:1", "oidc:email:li@example.com", "oidc:group:审计", "oidc:group:a b"]
        {
            assert!(is_identity(good), "{good}");
        }
        let long = format!("oidc:sub:{}", "x".repeat(256));
        for wrong in ["", "oidc:", "oidc:sub:", "sub:1", "oidc:name:x", "oidc:group:a\nb", &long] {
            assert!(!is_identity(wrong), "{wrong}");
        }
    }

    #[test]
    fn people_of_one_group_have_names_of_their_own() {
        let person = |subject: &str, email: Option<&str>| Person {
            subject: subject.to_owned(),
            email: email.map(str::to_owned),
            groups: Vec::new(),
        };
        assert_eq!(person("1", Some("li@example.com")).name(), "li@example.com");
        assert_eq!(person("1", None).name(), "sub:1");
        // Another person whose subject is somebody's address is not taken for them.
        assert_eq!(person("li@example.com", None).name(), "sub:li@example.com");
        assert_eq!(person("CN=Li, O=A/B %2F", None).name(), "sub:CN=Li,%20O=A%2FB%20%252F");
        let (one, two) = ("x".repeat(250), format!("{}y", "x".repeat(249)));
        assert_ne!(person(&one, None).name(), person(&two, None).name());
        assert!(person(&one, None).name().len() < NAME_LETTERS_MAX);
    }

    #[test]
    fn an_address_is_plain() {
        assert!(is_address("li@example.com") && is_address("li.x+a@example.co.uk"));
        for wrong in ["", "li", "@example.com", "li@", "a@b@c", "sub:li@x", "a b@c", "a/b@c", "é@c"]
        {
            assert!(!is_address(wrong), "{wrong}");
        }
    }
}
