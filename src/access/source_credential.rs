//! Credentials of other services, with which sources are read: sealed as the secrets of access keys
//! are.
//!
//! A credential is bound to the source and to its endpoint. Whoever changes the endpoint must bring
//! the credential again, so nobody has it sent to an address of his own.

use super::access_key::SigningSecret;
use super::seal_key::SealKey;
use crate::error::{Error, Result};

/// Seals the credential of a source.
///
/// # Errors
/// A system without random numbers.
pub fn seal_source_credential(
    secret: &SigningSecret,
    key: &SealKey,
    source: (&str, &str),
) -> Result<Vec<u8>> {
    key.seal(secret.reveal().as_bytes(), &place(source))
}

/// Opens the sealed credential of a source with this name and endpoint.
///
/// # Errors
/// One that was sealed with another key, or for another source or endpoint, or is damaged.
pub fn open_source_credential(
    sealed: &[u8],
    key: &SealKey,
    source: (&str, &str),
) -> Result<SigningSecret> {
    let opened = key.open(sealed, &place(source));
    let opened = opened.map_err(|error| error.at(format!("the source {}", source.0)))?;
    let text = std::str::from_utf8(&opened)
        .map_err(|_| Error::corrupt(format!("the credential of {} is no text", source.0)))?;
    Ok(SigningSecret::of_service(text.to_owned()))
}

/// What a credential is bound to. Neither names nor endpoints have a line's end.
fn place((name, endpoint): (&str, &str)) -> Vec<u8> {
    format!("annals source v1\n{name}\n{endpoint}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_opens_for_its_source_and_endpoint_alone() {
        let seal = SealKey::generate().expect("a key");
        let secret = SigningSecret::of_service("a secret".to_owned());
        let own = ("cloud", "https://cts.example");
        let sealed = seal_source_credential(&secret, &seal, own).expect("sealed");
        let opened = open_source_credential(&sealed, &seal, own).expect("opened");
        assert_eq!(opened.reveal(), "a secret");
        for other in [("cloud2", own.1), (own.0, "https://evil.example")] {
            assert!(open_source_credential(&sealed, &seal, other).is_err(), "{other:?}");
        }
        let other = SealKey::generate().expect("a key");
        assert!(open_source_credential(&sealed, &other, own).is_err());
    }
}
