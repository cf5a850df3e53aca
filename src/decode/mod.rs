//! Decoders: one record of any known format becomes an [`Event`].
//!
//! A decoder is a pure function of the record's text: it asks no clock and keeps no state, so a
//! record decodes to the same event when it is accepted and years later when a page shows it. What
//! it does not find it leaves absent; it refuses a record only where guessing would falsify the
//! list: no JSON object, a key that it reads given twice, a time or an amount of money in no known
//! form, an operation that it has no name for. Refused records go to quarantine with the reason.
//!
//! ```text
//!  record ─► detect (top-level keys) ─► cts │ partner │ cloudtrail │ k8s │ gcp │ native │ otlp │ cloudevents │ ecs ─► Event
//!                                        └──── json: loose values ── related: ids in bodies
//! ```
//!
//! `related_ids` hold every id that a record names, as `kind:id`. Kinds: `quota`, `parent_quota`,
//! `coupon`, `customer`, `reseller`, `order`, `job`, `trade`, `transaction` (partner centre and
//! mission events of CTS); `account`, `user`, `assumed_by` (who acted in the operator's place);
//! `resource`, `principal`, `shared_event` (CloudTrail); `namespace`, `uid`, `impersonated`
//! (Kubernetes); `project`, `operation` (Google Cloud); `event`, `trace`, `span`, `session`,
//! `instance`, `host`, `ip`, `hash`, `target` (CloudEvents, OpenTelemetry, Elastic Common Schema).
//! `relation:unbind` marks everything that the end of a customer's association with a partner
//! caused, whichever interface told of it.

mod cloudevents;
mod cloudtrail;
mod cts;
mod detect;
mod document;
mod gcp;
mod json;
mod k8s;
mod native;
mod otlp;
mod partner;
mod paths;
mod related;
mod severity;

use crate::error::{Error, Result};
use crate::event::{Event, Field, hex};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// The version of the decoders, to be raised with every change of what they make of a record:
/// columns that other decoders filled are not mixed with what these make.
pub const VERSION: u32 = 2;

/// How many objects and arrays may lie in each other.
pub const DEPTH_MAX: usize = 64;

/// How the id of a record begins that brought none.
pub const HASH_ID: &str = "sha256:";

/// The related id of everything that the end of a customer's association with a partner caused.
const UNBIND: (&str, &str) = ("relation", "unbind");

/// A format of records.
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
}

impl Format {
    /// Every format, in the order of [`crate::event::FORMATS`].
    pub const ALL: [Self; 9] = [
        Self::Cts,
        Self::Partner,
        Self::CloudTrail,
        Self::K8s,
        Self::Gcp,
        Self::Native,
        Self::Otlp,
        Self::CloudEvents,
        Self::Ecs,
    ];

    /// The name, as in the field `format`.
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
        }
    }

    /// The format of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// Which format a record has, judged by its top-level keys; `None` if no decoder knows it.
pub fn detect(record: &str) -> Option<Format> {
    detect::detect(record).ok().flatten()
}

/// Decodes one record, a JSON object as text; without a `format`, [`detect`] tells it.
///
/// The event's tenant, seq and ingest time are left at their defaults; its `original` is the record
/// exactly as given. A record without an id gets one made of its SHA-256, so that a record that is
/// sent again is known again.
///
/// # Errors
/// A record that is no JSON object, is nested deeper than [`DEPTH_MAX`], is of no known format, or
/// that its decoder refuses; the message says which field.
pub fn decode(record: &str, format: Option<Format>) -> Result<Event> {
    check_shape(record)?;
    let format = match format {
        Some(format) => format,
        None => detect::detect(record)?.ok_or_else(unknown)?,
    };
    decode_as(record, format)
}

/// The same, and the text at a path of the record as [`text_at`] gives it. If the path is one key,
/// finding it costs nothing where the format is to be told.
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
    let event = decode_as(record, format.ok_or_else(unknown)?)?;
    Ok((event, text.and_then(json::Loose::text_lossy).map(Cow::into_owned)))
}

fn unknown() -> Error {
    Error::invalid("record has the keys of no known format")
}

fn decode_as(record: &str, format: Format) -> Result<Event> {
    let mut event = Event::default();
    event.original = record.into();
    fill(record, format, &mut event).map_err(|error| error.at(format.name()))?;
    document::fill_address(record, &mut event)?;
    if event.text(Field::TraceId).is_none() {
        event.set(Field::TraceId, hash_id(record));
    }
    event.set(Field::Format, format.name());
    Ok(event)
}

/// Fills the event by the decoder of a format.
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
        Format::Ecs => document::decode(record, event),
    }
}

/// Fills the event from a record that another one carries, as an object or written into a text;
/// `false` if what it carries is no record of a cloud's own format, and nothing is filled then.
fn decode_carried(value: json::Loose<'_>, event: &mut Event) -> Result<bool> {
    let Some(inner) = value.embedded() else { return Ok(false) };
    let format = match detect::detect(&inner) {
        Ok(Some(format)) if !matches!(format, Format::Otlp | Format::CloudEvents | Format::Ecs) => {
            format
        }
        _ => return Ok(false),
    };
    fill(&inner, format, event).map_err(|error| error.at(format.name()))?;
    Ok(true)
}

/// The text at a path of the record, such as `project_id`, `user.domain.id` or
/// `resources.0.accountId`; numbers and truth values as they are written. A path leads into JSON
/// that is written into a text, as CTS writes `user`.
///
/// `None` if there is no such value, or if a key on the path occurs twice: who reads the other one
/// would disagree.
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

/// The member or item of this name.
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

/// Refuses what is no object, and what is nested too deep to be shown, searched and exported by
/// programs that recurse.
fn check_shape(record: &str) -> Result<()> {
    if !record.trim_ascii_start().starts_with('{') {
        return Err(Error::invalid("record is no JSON object"));
    }
    // Most records do not hold as many brackets in all as may lie in each other, and counting is
    // faster than nesting.
    let opening = record.bytes().filter(|byte| byte | 0x20 == b'{').count();
    if opening > DEPTH_MAX && depth(record.as_bytes()) > DEPTH_MAX {
        return Err(Error::invalid(format!("record is nested deeper than {DEPTH_MAX} levels")));
    }
    Ok(())
}

/// How many objects and arrays lie in each other at most, brackets in texts not counted.
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

/// The id of a record that has none: 32 hexadecimal digits of the SHA-256 of its text.
fn hash_id(record: &str) -> String {
    format!("{HASH_ID}{}", hex(&Sha256::digest(record.as_bytes())[..16]))
}

#[cfg(test)]
mod tests;
