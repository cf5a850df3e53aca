//! Asking the provider over HTTP: never long, never much, never elsewhere.

use super::current::Known;
use super::metadata::Metadata;
use crate::access::KeySet;
use crate::error::{Context, Error, ErrorKind, Result};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, RequestBuilder, StatusCode};
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;
use url::Url;

/// How long the provider may take to answer, and to be connected to.
const PATIENCE: Duration = Duration::from_secs(5);
const CONNECTING: Duration = Duration::from_secs(3);
/// The largest answer.
const ANSWER_BYTES_MAX: usize = 256 << 10;

/// A client of one provider.
pub(super) struct ProviderClient {
    issuer: String,
    client: Client,
}

impl ProviderClient {
    /// Makes a client that trusts the authorities in a file or, without one, those of the system.
    pub(super) fn new(issuer: &str, ca: Option<&Path>) -> Result<Self> {
        // A redirect could lead to an address that nobody has checked, and a proxy of the
        // environment would see what is secret.
        let builder = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECTING)
            .timeout(PATIENCE);
        let builder = match ca {
            Some(file) => builder.tls_certs_only(authorities(file)?),
            // Plain HTTP works on a system that trusts nobody, too.
            None if issuer.starts_with("http:") => builder.tls_certs_only([]),
            None => builder,
        };
        let client = builder
            .build()
            .context(ErrorKind::Unavailable, || "cannot start a client".to_owned())?;
        Ok(Self { issuer: issuer.to_owned(), client })
    }

    /// Fetches what the provider publishes.
    pub(super) async fn published(&self) -> Result<Known> {
        let place = Metadata::place(&self.issuer);
        let metadata = Metadata::parse(&self.get(&place).await?, &self.issuer)?;
        let keys = KeySet::parse(&self.get(metadata.keys.as_str()).await?)
            .map_err(|refusal| Error::invalid(refusal.to_string()))?;
        Ok(Known { metadata, keys, fetched: Instant::now() })
    }

    async fn get(&self, place: &str) -> Result<Vec<u8>> {
        match self.answer(self.client.get(place)).await? {
            (StatusCode::OK, body) => Ok(body),
            (status, _) => {
                let what = format!("{place} answers {status}");
                Err(Error::new(ErrorKind::Unavailable, what))
            }
        }
    }

    /// Sends a form, with the name and secret of this server if it has one (RFC 6749, 2.3.1).
    pub(super) async fn post_form(
        &self,
        place: &Url,
        form: String,
        (name, secret): (&str, Option<&str>),
    ) -> Result<(StatusCode, Vec<u8>)> {
        let mut request = self
            .client
            .post(place.as_str())
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json")
            .body(form);
        if let Some(secret) = secret {
            let encoded = |text: &str| -> String {
                url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
            };
            request = request.basic_auth(encoded(name), Some(encoded(secret)));
        }
        self.answer(request).await
    }

    async fn answer(&self, request: RequestBuilder) -> Result<(StatusCode, Vec<u8>)> {
        let lost = || format!("no answer from {}", self.issuer);
        let mut response = request.send().await.context(ErrorKind::Unavailable, lost)?;
        let (status, mut body) = (response.status(), Vec::new());
        while let Some(piece) = response.chunk().await.context(ErrorKind::Unavailable, lost)? {
            if body.len() + piece.len() > ANSWER_BYTES_MAX {
                return Err(Error::invalid(format!("{} answers too much", self.issuer)));
            }
            body.extend_from_slice(&piece);
        }
        Ok((status, body))
    }
}

fn authorities(file: &Path) -> Result<Vec<Certificate>> {
    let shown = file.display();
    let refused = |what: &str| Error::parameter("--oidc-ca", format!("{shown} {what}"));
    let pem = std::fs::read(file).map_err(|cause| refused("cannot be read").because(cause))?;
    let certificates =
        Certificate::from_pem_bundle(&pem).map_err(|cause| refused("is not PEM").because(cause))?;
    if certificates.is_empty() {
        return Err(refused("has no certificate (PEM)"));
    }
    Ok(certificates)
}
