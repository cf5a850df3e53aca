//! Decoders: turn one record of any known format into an [`Event`].
//!
//! A decoder is a pure function of the record's text. It reads no clock and keeps no state, so a
//! record decodes to the same event when it is accepted and years later when a page shows it. A
//! field that it cannot find stays absent. It refuses a record only where guessing would falsify
//! the list: text that is not a JSON object, a duplicate of a key that it reads, a time or an
//! amount of money in an unknown form, an operation that it has no name for. Refused records go to
//! quarantine with the reason. An object of no format that is known is a document: its fields are
//! those that the usual keys name, and all of it can be searched.
//!
//! ```text
//!  record ─► detect (top-level keys) ─► cts │ partner │ cloudtrail │ k8s │ gcp │ native │ otlp │
//! cloudevents │ ecs │ document │ vendors ─► Event
//!                                        └──── json: loose values ── related: ids in bodies
//! ```
//!
//! `related_ids` holds every id that a record names, as `kind:id`. Kinds: `quota`, `parent_quota`,
//! `coupon`, `customer`, `reseller`, `order`, `job`, `trade`, `transaction` (partner centre and
//! mission events of CTS); `account`, `user`, `assumed_by` (the party that acted as the operator);
//! `resource` (also Workspace), `principal`, `shared_event` (CloudTrail); `namespace`, `uid`,
//! `impersonated` (Kubernetes); `project`, `operation` (Google Cloud); `event`, `trace`, `span`,
//! `session`, `instance`, `host`, `ip`, `hash`, `target` (CloudEvents, OpenTelemetry, Elastic
//! Common Schema).
//! `relation:unbind` marks everything that the end of a customer's association with a partner
//! caused, whichever interface reported it.

mod cloudevents;
mod cloudtrail;
mod cts;
mod detect;
mod document;
mod gcp;
mod json;
mod k8s;
mod login_documents;
pub(crate) mod logins;
mod native;
mod otlp;
mod partner;
mod paths;
mod related;
mod severity;
mod vendors;

pub(crate) use document::joined_id;

use crate::error::{Error, Result};
use crate::event::{Event, Field, hex};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// The version of the decoders. Raise it with every change to what they make of a record: columns
/// filled by another version are not mixed with what this one decodes.
pub const VERSION: u32 = 5;

/// Set in the version of a segment whose columns have more than its records say, because ids stand
/// beside them.
pub const PLACED_VERSION: u32 = 1 << 31 | VERSION;

/// The maximum nesting of objects and arrays in a record.
pub const DEPTH_MAX: usize = 64;

/// The prefix of the id given to a record that has none.
pub const HASH_ID: &str = "sha256:";

/// The related id of everything that the end of a customer's association with a partner caused.
const UNBIND: (&str, &str) = ("relation", "unbind");

/// A record format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Traces of Huawei Cloud's Cloud Trace Service.
    Cts,
    /// Operation records of Huawei Cloud's partner centre.
    Partner,
    /// Events of AWS CloudTrail.
    CloudTrail,
    /// Audit events of Kubernetes.
    K8s,
    /// Audit log entries of Google Cloud.
    Gcp,
    /// Objects with our own field names.
    Native,
    /// Log records of OpenTelemetry.
    Otlp,
    /// CloudEvents.
    CloudEvents,
    /// Documents of log shippers, in Elastic Common Schema as far as they follow it.
    Ecs,
    /// Any other JSON object.
    Document,
    /// The audit log of GitHub.
    GitHub,
    /// Audit events of GitLab.
    GitLab,
    /// The System Log of Okta.
    Okta,
    /// Activities of Google Workspace.
    Workspace,
    /// The unified audit log of Microsoft 365.
    Microsoft365,
    /// Activity, sign-in and audit logs of Azure and Entra.
    Azure,
    /// Events in the Open Cybersecurity Schema Framework.
    Ocsf,
    /// Events of Alibaba Cloud ActionTrail.
    Alibaba,
    /// Events of Tencent CloudAudit.
    Tencent,
    /// Audit events of Oracle Cloud.
    Oracle,
    /// The audit log of HashiCorp Vault.
    Vault,
    /// Event logs of Windows.
    Windows,
}

impl Format {
    /// Every format, in the order of [`crate::event::FORMATS`].
    pub const ALL: [Self; 22] = [
        Self::Cts,
        Self::Partner,
        Self::CloudTrail,
        Self::K8s,
        Self::Gcp,
        Self::Native,
        Self::Otlp,
        Self::CloudEvents,
        Self::Ecs,
        Self::Document,
        Self::GitHub,
        Self::GitLab,
        Self::Okta,
        Self::Workspace,
        Self::Microsoft365,
        Self::Azure,
        Self::Ocsf,
        Self::Alibaba,
        Self::Tencent,
        Self::Oracle,
        Self::Vault,
        Self::Windows,
    ];

    /// Returns the name, as in the field `format`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cts => "cts",
            Self::Partner => "partner",
            Self::CloudTrail => "cloudtrail",
            Self::K8s => "k8s",
            Self::Gcp => "gcp",
            Self::Native => "native",
            Self::Otlp => "otlp",
            Self::CloudEvents => "cloudevents",
            Self::Ecs => "ecs",
            Self::Document => "document",
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::Okta => "okta",
            Self::Workspace => "workspace",
            Self::Microsoft365 => "m365",
            Self::Azure => "azure",
            Self::Ocsf => "ocsf",
            Self::Alibaba => "actiontrail",
            Self::Tencent => "cloudaudit",
            Self::Oracle => "oci",
            Self::Vault => "vault",
            Self::Windows => "windows",
        }
    }

    /// Returns the format with a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// Detects the format of a record from its top-level keys; `None` if only [`Format::Document`]
/// fits.
pub fn detect(record: &str) -> Option<Format> {
    detect::detect(record).ok().flatten()
}

/// Decodes one record, a JSON object as text. Without a `format`, [`detect`] determines it.
///
/// The event's tenant, seq and ingest time are left at their defaults; its `original` is the record
/// exactly as given. A record without an id gets one derived from its SHA-256, so that it is
/// recognized when it is sent again.
///
/// # Errors
/// A record that is not a JSON object, is nested deeper than [`DEPTH_MAX`], or is refused by its
/// decoder; the message names the field.
pub fn decode(record: &str, format: Option<Format>) -> Result<Event> {
    check_shape(record)?;
    let format = match format {
        Some(format) => format,
        None => detect::detect(record)?.unwrap_or(Format::Document),
    };
    decode_as(record, format)
}

/// Decodes a record and also returns the text at a path, as [`text_at`] does. If the path is one
/// key, finding it is free where the format has to be detected anyway.
///
/// # Errors
/// As [`decode`].
pub fn decode_with_text_at(
    record: &str,
    format: Option<Format>,
    path: &str,
) -> Result<(Event, Option<String>)> {
    if format.is_some() || path.contains('.') {
        return Ok((decode(record, format)?, text_at(record, path)));
    }
    check_shape(record)?;
    let (format, text) = detect::detect_with(record, path)?;
    let event = decode_as(record, format.unwrap_or(Format::Document))?;
    Ok((event, text.and_then(json::Loose::text_lossy).map(Cow::into_owned)))
}

fn decode_as(record: &str, format: Format) -> Result<Event> {
    let mut event = Event::default();
    event.original = record.into();
    fill(record, format, &mut event).map_err(|error| error.at(format.name()))?;
    document::fill_address(record, &mut event)?;
    if event.text(Field::TraceId).is_none() {
        event.set(Field::TraceId, hash_id(record));
    }
    if event.text(Field::Format).is_none() {
        event.set(Field::Format, format.name());
    }
    Ok(event)
}

/// Fills the event with the decoder of a format.
fn fill(record: &str, format: Format, event: &mut Event) -> Result<()> {
    match format {
        Format::Cts => cts::decode(record, event),
        Format::Partner => partner::decode(record, event),
        Format::CloudTrail => cloudtrail::decode(record, event),
        Format::K8s => k8s::decode(record, event),
        Format::Gcp => gcp::decode(record, event),
        Format::Native => native::decode(record, event),
        Format::Otlp => otlp::decode(record, event),
        Format::CloudEvents => cloudevents::decode(record, event),
        Format::Ecs | Format::Document => document::decode(record, event),
        vendor => vendors::decode(record, vendor, event),
    }
}

/// Returns whether a format is that of a source, and not of those who pass records on.
fn is_of_a_cloud(format: Format) -> bool {
    !matches!(format, Format::Otlp | Format::CloudEvents | Format::Ecs | Format::Document)
}

/// Fills the event from a record that another one carries, as an object or as JSON in a string.
/// Returns `false` and fills nothing if what it carries is not a record of a cloud's own format.
fn decode_carried(value: json::Loose<'_>, event: &mut Event) -> Result<bool> {
    let Some(inner) = value.embedded() else { return Ok(false) };
    // Brackets in a string were not counted with those of the record.
    if depth(inner.as_bytes()) > DEPTH_MAX {
        return Ok(false);
    }
    let format = match detect::detect(&inner) {
        Ok(Some(format)) if is_of_a_cloud(format) => format,
        _ => return Ok(false),
    };
    fill(&inner, format, event).map_err(|error| error.at(format.name()))?;
    // The format is that of the record as it came, which is how it is decoded again.
    event.set(Field::Format, "");
    Ok(true)
}

/// As [`decode_carried`], where a record that is refused is only a value like others.
fn decode_if_carried(value: json::Loose<'_>, event: &mut Event) -> bool {
    let before = event.clone();
    let is_carried = decode_carried(value, event).unwrap_or(false);
    if !is_carried {
        *event = before;
    }
    is_carried
}

/// Returns the text at a path of the record, such as `project_id`, `user.domain.id` or
/// `resources.0.accountId`; numbers and truth values as they are written. A path may lead into JSON
/// in a string, as CTS writes `user`.
///
/// Returns `None` if there is no such value, or if a key on the path occurs twice: a parser that
/// reads the other one would disagree.
pub fn text_at(record: &str, path: &str) -> Option<String> {
    if path.split('.').count() > DEPTH_MAX {
        return None;
    }
    let mut json = Cow::Borrowed(record);
    let mut keys = path.split('.').peekable();
    while let Some(key) = keys.next() {
        let value = step(&json, key)?;
        if keys.peek().is_none() {
            return value.text_lossy().map(Cow::into_owned);
        }
        let inner = value.embedded()?.into_owned();
        json = Cow::Owned(inner);
    }
    None
}

/// Returns the member or item with this name.
fn step<'a>(json: &'a str, key: &str) -> Option<json::Loose<'a>> {
    if json.trim_ascii_start().starts_with('[') {
        let items: Vec<json::Loose<'a>> = json::parse(json).ok()?;
        return items.get(key.parse::<usize>().ok()?).copied();
    }
    let mut found = None;
    let mut count = 0;
    json::each_member(json, |name, value| {
        if name == key {
            found = Some(value);
            count += 1;
        }
    })
    .ok()?;
    found.filter(|_| count == 1)
}

/// Why a record is refused that is no object: the forms of text are read before.
const NO_OBJECT: &str = "record is no JSON object, and no line of auditd, CEF, LEEF, syslog or CRI";

/// Refuses records that are not objects, and records nested too deep to be shown, searched and
/// exported by programs that recurse.
fn check_shape(record: &str) -> Result<()> {
    if !record.trim_ascii_start().starts_with('{') {
        return Err(Error::invalid(NO_OBJECT));
    }
    // Most records have fewer brackets in total than may be nested, and counting brackets is faster
    // than computing the nesting.
    let opening = record.bytes().filter(|byte| byte | 0x20 == b'{').count();
    if opening > DEPTH_MAX && depth(record.as_bytes()) > DEPTH_MAX {
        return Err(Error::invalid(format!("record is nested deeper than {DEPTH_MAX} levels")));
    }
    Ok(())
}

/// Returns the maximum nesting of objects and arrays, ignoring brackets in strings.
fn depth(json: &[u8]) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    let mut in_text = false;
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if in_text => {
                bytes.next();
            }
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                now += 1;
                most = most.max(now);
            }
            b'}' | b']' if !in_text => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

/// Returns the id of a record that has none: 32 hexadecimal digits of the SHA-256 of its text.
fn hash_id(record: &str) -> String {
    format!("{HASH_ID}{}", hex(&Sha256::digest(record.as_bytes())[..16]))
}

#[cfg(test)]
mod tests;
