//! Asking a server instead of a data directory.

use crate::api::Pairs;
use crate::error::{Context, Error, ErrorKind, Result};
use reqwest::Client;
use serde_json::Value as Json;
use tokio::runtime::Runtime;

/// A server.
pub(super) struct Remote<'a> {
    runtime: &'a Runtime,
    url: String,
    client: Client,
}

impl<'a> Remote<'a> {
    pub(super) fn new(runtime: &'a Runtime, url: &str) -> Result<Self> {
        let parsed = url::Url::parse(url).ok().filter(|parsed| parsed.scheme() == "http");
        if parsed.is_none() {
            return Err(Error::parameter("--url", format!("{url:?} is no address such as http://127.0.0.1:7400")));
        }
        let client = Client::builder().no_proxy().build().context(ErrorKind::Unavailable, || "cannot start a client".to_owned())?;
        Ok(Self { runtime, url: url.trim_end_matches('/').to_owned(), client })
    }

    /// `GET` of a path.
    pub(super) fn get(&self, path: &str, pairs: &Pairs) -> Result<Json> {
        self.send(self.client.get(format!("{}{path}?{}", self.url, pairs.to_query())))
    }

    /// `POST` of a body to a path.
    pub(super) fn post(&self, path: &str, pairs: &Pairs, body: Vec<u8>) -> Result<Json> {
        self.send(self.client.post(format!("{}{path}?{}", self.url, pairs.to_query())).body(body))
    }

    fn send(&self, request: reqwest::RequestBuilder) -> Result<Json> {
        let lost = || format!("no answer from {}", self.url);
        self.runtime.block_on(async {
            let response = request.send().await.context(ErrorKind::Unavailable, lost)?;
            let status = response.status();
            let body = response.bytes().await.context(ErrorKind::Unavailable, lost)?;
            let json: Json = serde_json::from_slice(&body).context(ErrorKind::Unavailable, || format!("{} is no annals", self.url))?;
            if status.is_success() {
                return Ok(json);
            }
            let detail = json["detail"].as_str().unwrap_or("the server refused").to_owned();
            match (status.is_client_error(), json["parameter"].as_str()) {
                (true, Some(parameter)) => {
                    let detail = detail.strip_prefix(&format!("{parameter}: ")).unwrap_or(&detail).to_owned();
                    Err(Error::parameter(parameter, detail))
                }
                (true, None) => Err(Error::invalid(detail)),
                _ => Err(Error::new(ErrorKind::Unavailable, format!("{status}: {detail}"))),
            }
        })
    }
}
