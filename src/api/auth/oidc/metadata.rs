//! What a provider says of itself (OpenID Connect Discovery 1.0).

use super::settings::is_confidential;
use crate::error::{Error, Result};
use serde::Deserialize;
use url::Url;

/// What is asked for, if the provider has it: who somebody is, their address, their groups.
const SCOPES: [&str; 3] = ["openid", "email", "groups"];

#[derive(Deserialize)]
struct PublishedMetadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    scopes_supported: Option<Vec<String>>,
    code_challenge_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// Where a provider is asked for what.
#[derive(Debug, Clone)]
pub(super) struct Metadata {
    pub(super) authorization: Url,
    pub(super) token: Url,
    pub(super) keys: Url,
    /// What to ask for.
    pub(super) scope: String,
    /// Whether its answers to sign-ins name it (RFC 9207).
    pub(super) names_itself: bool,
}

impl Metadata {
    /// Returns where a provider publishes it.
    pub(super) fn place(issuer: &str) -> String {
        format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
    }

    /// Reads it.
    ///
    /// # Errors
    /// Another issuer's, or addresses that secrets must not go to.
    pub(super) fn parse(bytes: &[u8], issuer: &str) -> Result<Self> {
        let published: PublishedMetadata = serde_json::from_slice(bytes)
            .map_err(|cause| Error::invalid("what it publishes is not metadata").because(cause))?;
        if published.issuer != issuer {
            // Tokens would be those of whoever is named (Discovery, 4.3).
            let what = format!("it calls itself {:?}, and not {issuer:?}", published.issuer);
            return Err(Error::invalid(what));
        }
        let methods = published.code_challenge_methods_supported;
        if methods.is_some_and(|methods| methods.iter().all(|method| method != "S256")) {
            return Err(Error::invalid("it does not know PKCE with S256"));
        }
        let address = |name: &str, text: &str| {
            Url::parse(text).ok().filter(is_confidential).ok_or_else(|| {
                Error::invalid(format!("its {name} is not an address over TLS: {text:?}"))
            })
        };
        let supported = published.scopes_supported;
        let has = |scope: &&str| match &supported {
            _ if *scope == "openid" => true,
            // A provider that says nothing knows the scopes of the standard.
            None => *scope == "email",
            Some(all) => all.iter().any(|one| one == scope),
        };
        Ok(Self {
            authorization: address("authorization_endpoint", &published.authorization_endpoint)?,
            token: address("token_endpoint", &published.token_endpoint)?,
            keys: address("jwks_uri", &published.jwks_uri)?,
            scope: SCOPES.into_iter().filter(has).collect::<Vec<_>>().join(" "),
            names_itself: published.authorization_response_iss_parameter_supported,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    const ISSUER: &str = "https://login.example.com/a";

    fn parse(change: &Json) -> Result<Metadata> {
        let mut published = json!({ "issuer": ISSUER,
            "authorization_endpoint": "https://login.example.com/authorize",
            "token_endpoint": "https://login.example.com/token",
            "jwks_uri": "https://login.example.com/keys" });
        for (name, value) in change.as_object().expect("changes") {
            published[name] = value.clone();
        }
        Metadata::parse(published.to_string().as_bytes(), ISSUER)
    }

    #[test]
    fn metadata_are_those_of_the_issuer_and_lead_where_secrets_may_go() {
        let metadata = parse(&json!({})).expect("metadata");
        assert_eq!((metadata.scope.as_str(), metadata.names_itself), ("openid email", false));
        let scopes = json!({ "scopes_supported": ["groups", "openid", "x"],
            "authorization_response_iss_parameter_supported": true });
        let metadata = parse(&scopes).expect("metadata");
        assert_eq!((metadata.scope.as_str(), metadata.names_itself), ("openid groups", true));
        for change in [
            json!({ "issuer": "https://login.example.com/a/" }),
            json!({ "issuer": "https://login.example.com/b" }),
            json!({ "token_endpoint": "http://login.example.com/token" }),
            json!({ "jwks_uri": "http://10.0.0.1/keys" }),
            json!({ "jwks_uri": "file:///etc/passwd" }),
            json!({ "authorization_endpoint": "javascript:alert(1)" }),
            json!({ "token_endpoint": null }),
            json!({ "code_challenge_methods_supported": ["plain"] }),
        ] {
            assert!(parse(&change).is_err(), "{change}");
        }
        assert_eq!(Metadata::place("https://a/b/"), "https://a/b/.well-known/openid-configuration");
    }
}
