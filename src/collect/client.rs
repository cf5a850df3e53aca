//! Calls of a cloud's API: signed or with a token, no faster than it allows, never for ever, never
//! elsewhere.
//!
//! What may pass is tried again: an answer that is lost or cut off, a server that fails, flow
//! control (429, `CBC.0250`), for as long as `Retry-After` says. What does not pass by itself is
//! said in words and at once: a key that is wrong or expired, a permission that is missing, a clock
//! that is off, a parameter.

use super::retry::Retry;
use crate::access::{
    DATE_HEADER, SKEW_MS, SentRequest, SigningSecret, authorization, body_hash, signature_date,
};
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::event::clip;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{
    AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, StatusCode};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

/// How long the cloud may take to answer as a whole, and to be connected to.
const PATIENCE: Duration = Duration::from_secs(60);
const CONNECTING: Duration = Duration::from_secs(10);
/// The largest answer.
const ANSWER_BYTES_MAX: usize = 32 << 20;
/// How much of a message of the cloud is told.
const MESSAGE_LETTERS: usize = 300;
/// What stays as it is in a query.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// The code of flow control, whatever the status.
const FLOW_CONTROL: &str = "CBC.0250";
/// Codes of a signature whose time is over.
const EXPIRED: [&str; 2] = ["APIGW.0303", "APIG.0303"];

/// What a call proves itself with.
pub(super) enum CloudCredential {
    /// An access key, which signs each call.
    AccessKey(String, SigningSecret),
    /// A token of IAM.
    Token(SigningSecret),
}

/// Why something was not read.
#[derive(Debug)]
pub(super) enum ReadFailure {
    /// The credential is not accepted, or does not permit the call: nothing helps but an
    /// administrator.
    Refused(String),
    /// It may pass: it was tried as often as it is worth.
    Unavailable(String),
    /// There are too many records for one reading: shorter stretches of time are to be read.
    TooMany,
    /// The store does not take it.
    Store(Error),
}

impl fmt::Display for ReadFailure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) | Self::Unavailable(why) => out.write_str(why),
            Self::TooMany => out.write_str("there are too many records"),
            Self::Store(error) => write!(out, "the store does not take it: {error}"),
        }
    }
}

impl ReadFailure {
    /// Returns it as an error of the list that was read.
    pub(super) fn of_list(self, list: &str) -> Error {
        let error = match self {
            Self::Refused(why) => Error::invalid(why),
            Self::Unavailable(why) => Error::new(ErrorKind::Unavailable, why),
            Self::TooMany => Error::new(ErrorKind::Unavailable, "there are too many records"),
            Self::Store(error) => error,
        };
        error.at(format!("the list {list}"))
    }
}

impl From<Error> for ReadFailure {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

/// A call: what is asked.
#[derive(Debug, Clone)]
pub(super) struct CloudCall<'a> {
    pub(super) endpoint: &'a Url,
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) query: Vec<(&'static str, String)>,
    /// The JSON that is sent, if any is.
    pub(super) body: Option<String>,
    /// Headers beside the usual ones, such as `x-project-id`; they are signed, too.
    pub(super) headers: Vec<(&'static str, String)>,
}

/// A client for one source.
pub(super) struct CloudClient {
    client: Client,
    credential: Option<CloudCredential>,
    clock: Arc<dyn Clock>,
    /// The least time between two calls, and when the next one may begin.
    spacing: Duration,
    next: Mutex<Instant>,
}

impl fmt::Debug for CloudClient {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("CloudClient")
    }
}

/// What the cloud says when it refuses. Its interfaces spell it in three ways.
#[derive(Debug, Default, Deserialize)]
struct CloudError {
    #[serde(default, alias = "errorCode", alias = "code")]
    error_code: Option<String>,
    #[serde(default, alias = "errorMsg", alias = "message")]
    error_msg: Option<String>,
}

/// What an answer that succeeded must not have.
#[derive(Deserialize)]
struct Succeeded {
    #[serde(default)]
    error_code: Option<IgnoredAny>,
}

/// What became of one try.
enum Tried {
    Answered(Vec<u8>),
    /// It may pass, after this time at least.
    Failed(String, Option<Duration>),
    Refused(String),
}

impl CloudClient {
    /// A client that makes at most so many calls a second; 0 is as many as it can.
    ///
    /// # Errors
    /// A system without what TLS needs.
    pub(super) fn new(
        credential: Option<CloudCredential>,
        calls_a_second: u32,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let client = Client::builder()
            .redirect(Policy::none())
            // An environment that names a proxy is of somebody's shell, and none of the source.
            .no_proxy()
            .connect_timeout(CONNECTING)
            .timeout(PATIENCE)
            .user_agent(concat!("annals/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|cause| Error::internal("there is no client for TLS").because(cause))?;
        let spacing = Duration::from_secs(1).checked_div(calls_a_second).unwrap_or_default();
        let next = Mutex::new(Instant::now());
        Ok(Self { client, credential, clock, spacing, next })
    }

    /// Makes a call, again and again as long as that is worth it, and returns the JSON of its
    /// answer.
    ///
    /// # Errors
    /// What the cloud refuses; what did not pass.
    pub(super) async fn call(&self, call: &CloudCall<'_>) -> Result<Vec<u8>, ReadFailure> {
        let mut retry = Retry::default();
        loop {
            self.wait_for_turn().await;
            let (why, asked) = match self.try_once(call).await {
                Tried::Answered(body) => return Ok(body),
                Tried::Refused(why) => return Err(ReadFailure::Refused(why)),
                Tried::Failed(why, asked) => (why, asked),
            };
            let Some(pause) = retry.next(asked, random_part()) else {
                return Err(ReadFailure::Unavailable(why));
            };
            tracing::debug!(why, ?pause, "a call of a source is tried again");
            tokio::time::sleep(pause).await;
        }
    }

    /// Calls keep a distance, so that the cloud's flow control has nothing to do. The lock is held
    /// for no longer than it takes to look at the clock.
    async fn wait_for_turn(&self) {
        if self.spacing.is_zero() {
            return;
        }
        let turn = {
            let mut next = self.next.lock().await;
            let turn = (*next).max(Instant::now());
            *next = turn + self.spacing;
            turn
        };
        tokio::time::sleep_until(turn).await;
    }

    async fn try_once(&self, call: &CloudCall<'_>) -> Tried {
        let request = match self.request(call) {
            Ok(request) => request,
            Err(error) => return Tried::Refused(error.to_string()),
        };
        match self.client.execute(request).await {
            Ok(response) => self.read(response).await,
            Err(error) if error.is_timeout() => {
                Tried::Failed(format!("no answer within {} s", PATIENCE.as_secs()), None)
            }
            Err(error) => Tried::Failed(format!("it cannot be reached: {}", root_of(&error)), None),
        }
    }

    /// Builds the request, and signs it for this moment.
    fn request(&self, call: &CloudCall<'_>) -> Result<reqwest::Request> {
        let method = Method::from_bytes(call.method.as_bytes())
            .map_err(|_| Error::internal("a call without a method"))?;
        let mut query = call.query.clone();
        query.sort();
        let encoded = |text: &str| utf8_percent_encode(text, PLAIN).to_string();
        let pairs: Vec<String> =
            query.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let query = pairs.join("&");
        let mut url = call.endpoint.clone();
        url.set_path(&format!("{}{}", url.path().trim_end_matches('/'), call.path));
        url.set_query(Some(query.as_str()).filter(|query| !query.is_empty()));
        let host = host_of(&url)?;
        let body = call.body.clone().unwrap_or_default();
        let date = signature_date(self.clock.now());
        let mut headers: Vec<(&str, &[u8])> = vec![
            ("content-type", b"application/json"),
            ("host", host.as_bytes()),
            (DATE_HEADER, date.as_bytes()),
        ];
        headers.extend(call.headers.iter().map(|(name, value)| (*name, value.as_bytes())));
        let mut sent = HeaderMap::new();
        for (name, value) in &headers {
            // The host is sent by whoever speaks HTTP.
            if *name != "host" {
                sent.insert(HeaderName::from_static(static_name(name)?), value_of(value)?);
            }
        }
        match &self.credential {
            None => {}
            Some(CloudCredential::Token(token)) => {
                let mut value = value_of(token.reveal().as_bytes())?;
                value.set_sensitive(true);
                sent.insert(HeaderName::from_static("x-auth-token"), value);
            }
            Some(CloudCredential::AccessKey(id, secret)) => {
                let request = SentRequest {
                    method: call.method,
                    path: url.path(),
                    query: url.query().unwrap_or_default(),
                    headers,
                };
                let hash = body_hash(body.as_bytes());
                let value = authorization(&request, &hash, (id, secret))
                    .map_err(|refusal| Error::invalid(format!("{refusal:?}")))?;
                sent.insert(AUTHORIZATION, value_of(value.as_bytes())?);
            }
        }
        let request = self.client.request(method, url).headers(sent).body(body);
        request.build().map_err(|cause| Error::internal("a call cannot be built").because(cause))
    }

    /// Reads an answer, and decides what it is.
    async fn read(&self, mut response: Response) -> Tried {
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(piece)) if body.len() + piece.len() > ANSWER_BYTES_MAX => {
                    let most = ANSWER_BYTES_MAX >> 20;
                    return Tried::Refused(format!("an answer has more than {most} MiB"));
                }
                Ok(Some(piece)) => body.extend_from_slice(&piece),
                Ok(None) => break,
                Err(error) => {
                    let why = format!("the answer was cut off: {}", root_of(&error));
                    return Tried::Failed(why, None);
                }
            }
        }
        let asked = waiting_time(&headers);
        if status.is_success() {
            return match serde_json::from_slice::<Succeeded>(&body) {
                Ok(Succeeded { error_code: None }) => Tried::Answered(body),
                // It says that it has failed, whatever the status.
                Ok(_) => Tried::Failed(self.told(words(status, &error_of(&body))), asked),
                Err(_) => Tried::Failed("the answer is no whole JSON".to_owned(), asked),
            };
        }
        let error = error_of(&body);
        let code = error.error_code.as_deref().unwrap_or_default();
        let words = self.told(words(status, &error));
        if status == StatusCode::TOO_MANY_REQUESTS || code == FLOW_CONTROL {
            return Tried::Failed(format!("flow control: {words}"), asked);
        }
        if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
            return Tried::Failed(words, asked);
        }
        if status.is_redirection() {
            return Tried::Refused(format!("it leads elsewhere, which is not followed: {words}"));
        }
        Tried::Refused(match status.as_u16() {
            401 | 403 => self.why_refused(&headers, code, &words),
            404 => format!("there is nothing at this endpoint: {words}"),
            _ => format!("the parameters are not accepted: {words}"),
        })
    }

    /// Returns what the cloud says without the credential, which it may repeat.
    fn told(&self, words: String) -> String {
        let secret = match &self.credential {
            Some(CloudCredential::AccessKey(_, secret) | CloudCredential::Token(secret)) => secret,
            None => return words,
        };
        words.replace(secret.reveal(), "…")
    }

    /// Says what is wrong with a credential: its time, the key, or what it permits.
    fn why_refused(&self, headers: &HeaderMap, code: &str, words: &str) -> String {
        let theirs = headers.get(DATE).and_then(|date| date.to_str().ok());
        let theirs = theirs.and_then(|date| chrono::DateTime::parse_from_rfc2822(date).ok());
        let ahead =
            theirs.map(|theirs| self.clock.now().millis() - theirs.timestamp_millis()).unwrap_or(0);
        if ahead.abs() > SKEW_MS {
            let minutes = (ahead.abs() + 30_000) / 60_000;
            let side = if ahead > 0 { "ahead of" } else { "behind" };
            return format!(
                "this machine's clock is {minutes} minutes {side} the cloud's: set it right \
                ({words})"
            );
        }
        if EXPIRED.contains(&code) {
            return format!("the signature's time is not accepted: is the clock right? ({words})");
        }
        let is_permission = words.starts_with("403");
        if is_permission {
            format!("the credential does not permit this call: grant it the permission ({words})")
        } else {
            format!("the key or token is wrong, withdrawn or expired ({words})")
        }
    }
}

/// Returns the host as it is sent and signed: with the port if it is not the usual one.
fn host_of(url: &Url) -> Result<String> {
    let host = url.host_str().ok_or_else(|| Error::parameter("endpoint", "names no host"))?;
    Ok(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// Returns the name of a header that is sent.
fn static_name(name: &str) -> Result<&'static str> {
    [CONTENT_TYPE.as_str(), DATE_HEADER, "x-project-id", "x-domain-id", "x-language"]
        .into_iter()
        .find(|known| *known == name)
        .ok_or_else(|| Error::internal(format!("the header {name} is not one that is sent")))
}

fn value_of(bytes: &[u8]) -> Result<HeaderValue> {
    HeaderValue::from_bytes(bytes)
        .map_err(|cause| Error::invalid("a setting cannot be sent as a header").because(cause))
}

/// Returns how long the cloud asks to wait: `Retry-After` in seconds.
fn waiting_time(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// Reads what the cloud says of an error, be it one level down.
fn error_of(body: &[u8]) -> CloudError {
    let Ok(json) = serde_json::from_slice::<serde_json::Value>(body) else {
        return CloudError::default();
    };
    let inner = json.get("error").cloned();
    let read = |json| serde_json::from_value::<CloudError>(json).unwrap_or_default();
    let outer = read(json);
    if outer.error_code.is_some() { outer } else { inner.map(read).unwrap_or_default() }
}

/// The status, the code and the message, on one line and not too long.
fn words(status: StatusCode, error: &CloudError) -> String {
    let code = error.error_code.as_deref().unwrap_or_default();
    let message = error.error_msg.as_deref().unwrap_or_default();
    let text = format!("{} {code} {message}", status.as_u16());
    let plain: String =
        text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    clip(plain.split_whitespace().collect::<Vec<_>>().join(" ").as_str(), MESSAGE_LETTERS)
}

/// The innermost cause of an error, which says what went wrong; the outer ones repeat the address.
fn root_of(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    clip(&cause.to_string(), MESSAGE_LETTERS)
}

/// A number between 0 and 1, at random: those that failed together do not come together again.
fn random_part() -> f64 {
    let mut bytes = [0; 4];
    // Without random numbers the whole pause is as good.
    if getrandom::fill(&mut bytes).is_err() {
        return 1.0;
    }
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}
