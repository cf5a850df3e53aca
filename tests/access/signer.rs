//! A signer of requests, as clients of Huawei Cloud are, written apart from what checks them.

use super::server::{Answer, Guarded};
use annals::event::Timestamp;
use axum::body::Body;
use axum::http::{Method, Request};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// An access key and its secret.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) id: String,
    pub(super) secret: String,
}

/// A request to be signed and sent.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: String,
    /// The path and query as they are sent; of the characters that are encoded, only those that
    /// need no second thought.
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: Vec<(String, String)>,
    /// Names of headers that are sent and not signed.
    pub(super) unsigned: Vec<String>,
    pub(super) body: Vec<u8>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a text");
        text
    })
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            byte => write!(out, "%{byte:02X}").expect("a text"),
        }
        out
    })
}

/// The form of times in signatures.
pub(super) fn date(millis: i64) -> String {
    let text = Timestamp::from_millis(millis).to_string();
    let digits: String = text[..19].chars().filter(|letter| !"-:".contains(*letter)).collect();
    digits + "Z"
}

impl Call {
    pub(super) fn new(method: &str, path: &str, body: &str) -> Self {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name.to_owned(), value.to_owned())
        };
        let headers = [
            ("host", "localhost".to_owned()),
            ("content-type", "application/json".to_owned()),
            ("x-sdk-date", date(crate::support::store::NOW)),
        ];
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: pairs.map(pair).collect(),
            headers: headers.map(|(name, value)| (name.to_owned(), value)).to_vec(),
            unsigned: Vec::new(),
            body: body.as_bytes().to_vec(),
        }
    }

    pub(super) fn get(path: &str) -> Self {
        Self::new("GET", path, "")
    }

    /// Sets a header.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The value of `Authorization`.
    pub(super) fn signature(&self, key: &Key) -> String {
        let mut names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.retain(|name| !self.unsigned.iter().any(|other| other == name));
        names.sort_unstable();
        let mut query = self.query.clone();
        query.sort();
        let query: Vec<String> = query
            .iter()
            .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
            .collect();
        let value = |name: &str| {
            let found = self.headers.iter().find(|(other, _)| other == name);
            found.expect("a header").1.trim().to_owned()
        };
        let lines: String = names.iter().map(|name| format!("{name}:{}\n", value(name))).collect();
        let slash = if self.path.ends_with('/') { "" } else { "/" };
        let form = format!(
            "{}\n{}{slash}\n{}\n{lines}\n{}\n{}",
            self.method,
            self.path,
            query.join("&"),
            names.join(";"),
            sha256(&self.body)
        );
        let text = format!("SDK-HMAC-SHA256\n{}\n{}", value("x-sdk-date"), sha256(form.as_bytes()));
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key.secret.as_bytes())
            .expect("a key of any length");
        mac.update(text.as_bytes());
        format!(
            "SDK-HMAC-SHA256 Access={}, SignedHeaders={}, Signature={}",
            key.id,
            names.join(";"),
            hex(&mac.finalize().into_bytes())
        )
    }

    /// The request with a signature, which may be that of another one.
    pub(super) fn request(&self, authorization: &str) -> Request<Body> {
        let query: Vec<String> = self
            .query
            .iter()
            .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
            .collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let method = Method::from_bytes(self.method.as_bytes()).expect("a method");
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{mark}{}", self.path, query.join("&")))
            .header("authorization", authorization);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Body::from(self.body.clone())).expect("a request")
    }

    /// Signs and sends the request.
    pub(super) fn send(&self, server: &Guarded, key: &Key) -> Answer {
        server.send(self.request(&self.signature(key)))
    }
}
