//! Asking a server instead of a data directory.

use crate::calls::Pairs;
use crate::error::{Context, Error, ErrorKind, Result};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, Method, StatusCode};
use serde_json::Value as Json;
use std::io::Write;
use std::path::Path;
use std::time::Duration;
use tokio::runtime::Runtime;

/// How many times a body is sent while the server has no room, and how long to wait in between.
const TRIES_MAX: u32 = 12;
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// A server.
pub(super) struct Remote<'a> {
    runtime: &'a Runtime,
    url: String,
    client: Client,
}

impl<'a> Remote<'a> {
    /// Names a server. Its certificate must be signed by an authority in the file `ca`, or, without
    /// one, by an authority that the system trusts. The token, if there is one, goes with every
    /// request, and to no other server.
    pub(super) fn new(
        runtime: &'a Runtime,
        url: &str,
        ca: Option<&Path>,
        token: Option<&str>,
    ) -> Result<Self> {
        let known = |parsed: &url::Url| matches!(parsed.scheme(), "http" | "https");
        let parsed = url::Url::parse(url).ok().filter(known).ok_or_else(|| {
            let what = format!("{url:?} is not an address such as http://127.0.0.1:7400");
            Error::parameter("--url", what)
        })?;
        if token.is_some() && parsed.scheme() == "http" && !is_this_machine(&parsed) {
            return Err(Error::parameter(
                "--url",
                "a token goes over https only, or to this machine: others could read it",
            ));
        }
        let mut builder = Client::builder().no_proxy().redirect(Policy::none());
        if let Some(token) = token {
            builder = builder.default_headers(bearer(token)?);
        }
        let builder = match (parsed.scheme() == "https", ca) {
            (true, Some(ca)) => trusting(builder, ca)?,
            (true, None) => builder,
            // Plain HTTP works on a system that trusts nobody, too.
            (false, _) => builder.tls_certs_only([]),
        };
        let client = builder
            .build()
            .context(ErrorKind::Unavailable, || "cannot start a client".to_owned())?;
        Ok(Self { runtime, url: url.trim_end_matches('/').to_owned(), client })
    }

    /// Sends a `GET` request for a path.
    pub(super) fn get(&self, path: &str, pairs: &Pairs) -> Result<Json> {
        self.send(self.client.get(format!("{}{path}?{}", self.url, pairs.to_query())))
    }

    /// Sends a `POST` request with a body to a path.
    pub(super) fn post(&self, path: &str, pairs: &Pairs, body: Vec<u8>) -> Result<Json> {
        self.send(self.client.post(format!("{}{path}?{}", self.url, pairs.to_query())).body(body))
    }

    /// Sends a request without a body, with the given method.
    pub(super) fn call(&self, method: &str, path: &str, pairs: &Pairs) -> Result<Json> {
        let method = Method::from_bytes(method.as_bytes())
            .context(ErrorKind::Internal, || format!("{method} is not an HTTP method"))?;
        self.send(self.client.request(method, format!("{}{path}?{}", self.url, pairs.to_query())))
    }

    /// Sends a request with JSON as its body; without a body if it is null. An answer without a
    /// body is null.
    pub(super) fn call_with(&self, method: &str, path: &str, body: &Json) -> Result<Json> {
        let method = Method::from_bytes(method.as_bytes())
            .context(ErrorKind::Internal, || format!("{method} is not an HTTP method"))?;
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if !body.is_null() {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        self.send(request)
    }

    /// Sends a `POST` request, and sends it again when the server has no room. This is safe: the
    /// server accepts a record once, however often it arrives.
    pub(super) fn post_patiently(&self, path: &str, pairs: &Pairs, body: Vec<u8>) -> Result<Json> {
        let body = bytes::Bytes::from(body);
        let mut tries = 1;
        loop {
            let request = self
                .client
                .post(format!("{}{path}?{}", self.url, pairs.to_query()))
                .body(body.clone());
            match self.exchange(request)? {
                (StatusCode::SERVICE_UNAVAILABLE, json) if tries < TRIES_MAX => {
                    let refusal = refusal(StatusCode::SERVICE_UNAVAILABLE, &json);
                    super::output::note(&format!(
                        "annals: {refusal}; trying again in {} s",
                        RETRY_AFTER.as_secs()
                    ));
                    std::thread::sleep(RETRY_AFTER);
                    tries += 1;
                }
                (status, json) if status.is_success() => return Ok(json),
                (status, json) => return Err(refusal(status, &json)),
            }
        }
    }

    /// Writes the body of a `GET` to `out` as it arrives.
    ///
    /// # Errors
    /// A refusal, or a body that breaks off: what was written is then incomplete.
    pub(super) fn download(&self, path: &str, pairs: &Pairs, out: &mut impl Write) -> Result<()> {
        let lost = || format!("the answer from {} broke off and is incomplete", self.url);
        let mut response = self.runtime.block_on(async {
            let request = self.client.get(format!("{}{path}?{}", self.url, pairs.to_query()));
            request.send().await.map_err(|cause| self.unanswered(cause))
        })?;
        if !response.status().is_success() {
            let status = response.status();
            let body =
                self.runtime.block_on(response.bytes()).context(ErrorKind::Unavailable, lost)?;
            return Err(refusal(status, &serde_json::from_slice(&body).unwrap_or_default()));
        }
        let missing =
            response.headers().get("x-annals-missing").and_then(|told| told.to_str().ok());
        for one in missing.into_iter().flat_map(|told| told.split(", ")) {
            super::output::note(&format!("annals: events may be missing: {one}"));
        }
        while let Some(piece) =
            self.runtime.block_on(response.chunk()).context(ErrorKind::Unavailable, lost)?
        {
            out.write_all(&piece)
                .context(ErrorKind::Unavailable, || "cannot write the export".to_owned())?;
        }
        Ok(())
    }

    fn send(&self, request: reqwest::RequestBuilder) -> Result<Json> {
        match self.exchange(request)? {
            (status, json) if status.is_success() => Ok(json),
            (status, json) => Err(refusal(status, &json)),
        }
    }

    /// Says why there was no answer.
    fn unanswered(&self, cause: reqwest::Error) -> Error {
        let mut source = std::error::Error::source(&cause);
        let mut is_unknown = false;
        while let Some(inner) = source {
            let text = inner.to_string();
            // An authority may have the name of one that is trusted, so there are several errors.
            is_unknown |= text.contains("invalid peer certificate")
                && !["expired", "not valid for name"].iter().any(|other| text.contains(other));
            source = inner.source();
        }
        let advice = if is_unknown {
            " (if its certificate is that of a private authority, --ca FILE names it)"
        } else {
            ""
        };
        let what = format!("no answer from {}{advice}", self.url);
        Error::new(ErrorKind::Unavailable, what).because(cause)
    }

    fn exchange(&self, request: reqwest::RequestBuilder) -> Result<(StatusCode, Json)> {
        let lost = || format!("no answer from {}", self.url);
        self.runtime.block_on(async {
            let response = request.send().await.map_err(|cause| self.unanswered(cause))?;
            let status = response.status();
            let body = response.bytes().await.context(ErrorKind::Unavailable, lost)?;
            if status == StatusCode::NO_CONTENT {
                return Ok((status, Json::Null));
            }
            let json: Json = serde_json::from_slice(&body)
                .context(ErrorKind::Unavailable, || {
                    format!("{} is not an Annals server", self.url)
                })?;
            Ok((status, json))
        })
    }
}

/// Trusts the authorities in a file, and no others.
fn trusting(builder: ClientBuilder, file: &Path) -> Result<ClientBuilder> {
    let shown = file.display();
    let refused = |what: &str| Error::parameter("--ca", format!("{shown} {what}"));
    let pem = std::fs::read(file).map_err(|cause| refused("cannot be read").because(cause))?;
    let certificates =
        Certificate::from_pem_bundle(&pem).map_err(|cause| refused("is not PEM").because(cause))?;
    if certificates.is_empty() {
        return Err(refused("has no certificate (PEM)"));
    }
    Ok(builder.tls_certs_only(certificates))
}

/// Returns whether an address is one of this machine.
fn is_this_machine(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Returns the header that sends a token.
fn bearer(token: &str) -> Result<HeaderMap> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
        .map_err(|_| Error::parameter("--token", "is not a token: it has other characters"))?;
    value.set_sensitive(true);
    Ok(HeaderMap::from_iter([(AUTHORIZATION, value)]))
}

/// Converts a problem details document into an error.
fn refusal(status: StatusCode, json: &Json) -> Error {
    let detail = json["detail"].as_str().unwrap_or("the server refused").to_owned();
    match (status.is_client_error(), json["parameter"].as_str()) {
        _ if status == StatusCode::PAYLOAD_TOO_LARGE => Error::new(ErrorKind::TooLarge, detail),
        (true, Some(parameter)) => {
            let detail =
                detail.strip_prefix(&format!("{parameter}: ")).unwrap_or(&detail).to_owned();
            Error::parameter(parameter, detail)
        }
        (true, None) => Error::invalid(detail),
        _ => Error::new(ErrorKind::Unavailable, format!("{status}: {detail}")),
    }
}
