//! OpenID Connect: tokens of a provider as credentials of requests, and signing in at the provider.
//!
//! The provider is asked beside the requests ([`OidcProvider::keep_current`]): what it publishes is
//! fetched every [`KeyTimes::refresh`], so a request whose token names a known key waits for
//! nothing. One that names an unknown key waits until the provider was asked again, which happens
//! at most once in [`KeyTimes::rest`]; within that time the token is refused at once. While the
//! provider does not answer, what it said last holds for [`KeyTimes::kept`].

mod attempt;
mod client;
mod current;
mod exchanges;
mod metadata;
mod settings;
mod sign_in;

pub use settings::{KeyTimes, OidcSettings};
pub(in crate::api) use sign_in::CALLBACK;
pub(super) use sign_in::routes;

use super::CallRefusal;
use crate::access::{
    Caller, CallerBasis, Directory, ExpectedClaims, JwtPurpose, JwtRefusal, Person, PersonRefusal,
    UnverifiedJwt, is_jwt,
};
use crate::error::Result;
use crate::event::Timestamp;
use attempt::AttemptKey;
use axum::http::{HeaderMap, StatusCode, header};
use client::ProviderClient;
use current::{Current, Known};
use exchanges::Exchanges;
use settings::CheckedSettings;
use std::fmt;
use std::sync::Arc;

/// The provider that this server believes.
pub struct OidcProvider {
    settings: CheckedSettings,
    client: ProviderClient,
    current: Current,
    /// What attempts to sign in are sealed with.
    key: AttemptKey,
    exchanges: Exchanges,
}

/// Without the secret.
impl fmt::Debug for OidcProvider {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "OidcProvider {}", self.settings.issuer)
    }
}

impl OidcProvider {
    /// Names a provider; nothing is asked of it yet. `own` is the address of this server as
    /// browsers know it, unless the settings name another.
    ///
    /// # Errors
    /// A setting that is wrong, by its flag; a file that cannot be read.
    pub fn new(settings: &OidcSettings, own: &str) -> Result<Arc<Self>> {
        let checked = CheckedSettings::of(settings, own)?;
        Ok(Arc::new(Self {
            client: ProviderClient::new(&checked.issuer, settings.ca.as_deref())?,
            current: Current::new(settings.times),
            key: AttemptKey::new()?,
            exchanges: Exchanges::new(),
            settings: checked,
        }))
    }

    /// Keeps what the provider publishes current, for as long as this is awaited.
    pub async fn keep_current(self: Arc<Self>) {
        self.current.keep(|| self.client.published()).await;
    }

    /// Returns whether browsers know this server by an address of HTTPS.
    pub(in crate::api) fn is_public_https(&self) -> bool {
        self.settings.own.starts_with("https://")
    }

    /// Returns the name of the provider for people: its host.
    fn host(&self) -> &str {
        &self.settings.host
    }

    fn expected<'a>(&'a self, purpose: JwtPurpose<'a>) -> ExpectedClaims<'a> {
        let audience = match purpose {
            JwtPurpose::Request => &self.settings.audience,
            JwtPurpose::SignIn { .. } => &self.settings.client_id,
        };
        ExpectedClaims {
            issuer: &self.settings.issuer,
            audience,
            client_id: &self.settings.client_id,
            groups_claim: &self.settings.groups_claim,
            purpose,
        }
    }

    /// Waits until the provider was asked for the key that a request's token names, if it is not
    /// known.
    pub(super) async fn prepare(&self, headers: &HeaderMap) {
        let Some(text) = bearer_jwt(headers) else { return };
        if let Ok(jwt) = UnverifiedJwt::parse(text) {
            self.current.with_key(jwt.kid()).await;
        }
    }

    /// Returns the caller that a request's token stands for.
    pub(super) fn caller(
        &self,
        text: &str,
        directory: &Directory,
        now: Timestamp,
    ) -> Result<Caller, CallRefusal> {
        let refused = |refusal: JwtRefusal| CallRefusal::unauthorized(refusal.to_string());
        let jwt = UnverifiedJwt::parse(text).map_err(refused)?;
        let known = self.current.known().ok_or_else(|| {
            let detail = "the provider has not answered, so no token of it can be verified";
            CallRefusal::of(StatusCode::SERVICE_UNAVAILABLE, detail)
        })?;
        let person = jwt.verify(&known.keys, &self.expected(JwtPurpose::Request), now);
        let person = person.map_err(refused)?;
        let caller = directory.by_person(&person);
        let basis = CallerBasis { until: jwt.until(), ..CallerBasis::default() };
        caller
            .map(|caller| caller.standing_on(basis))
            .map_err(|refusal| CallRefusal::unauthorized(words(&person, refusal)))
    }

    /// Returns what the provider publishes, asking for it if nothing is known.
    async fn known(&self) -> Option<Arc<Known>> {
        self.current.with_key(None).await;
        self.current.known()
    }
}

/// Says why a person is not let in.
fn words(person: &Person, refusal: PersonRefusal) -> String {
    match refusal {
        PersonRefusal::Unknown => {
            let own = person.own_identities();
            format!("no principal has {own} or one of your groups among its identities")
        }
        PersonRefusal::SeveralGroups => {
            "your groups are those of several principals: a security administrator must decide \
             which one you are"
                .to_owned()
        }
        PersonRefusal::Disabled => {
            let own = person.own_identities();
            format!("the principal of {own} or of one of your groups is disabled")
        }
    }
}

/// Returns the token of a provider that a request sends as its credential: in `Authorization:
/// Bearer`, and nowhere else.
pub(super) fn bearer_jwt(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && is_jwt(token)).then_some(token)
}
