//! Decoders: from a record as received to an event, one file for each format.
//!
//! A decoder is a pure function of the record's text, and fast: list pages run it again to show an event. Nothing but
//! the text decides what the columns hold, so a change of any decoder must raise [`VERSION`]; segments of another version
//! answer from their columns instead.

mod cloudtrail;
mod cts;
mod gcp;
mod json;
mod k8s;
mod native;
mod partner;
mod related;

use crate::error::{Error, Result};
use crate::event::{Event, Field, clip, hex};
use json::AtPath;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use sha2::{Digest, Sha256};
use std::fmt;

/// The version of the decoders: it changes whenever any record would decode to another event.
pub const VERSION: u32 = 1;
/// How deep a record's JSON may be nested.
pub const DEPTH_MAX: usize = 64;

/// A record format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Traces of Huawei's Cloud Trace Service, of every age.
    Cts,
    /// Operation records of the partner centre (BSS).
    Partner,
    /// AWS CloudTrail.
    CloudTrail,
    /// Kubernetes audit.
    K8s,
    /// Google Cloud audit logs.
    Gcp,
    /// Our own field names.
    Native,
}

impl Format {
    /// Every format.
    pub const ALL: &[Self] = &[Self::Cts, Self::Partner, Self::CloudTrail, Self::K8s, Self::Gcp, Self::Native];

    /// The name, as the field `format` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cts => "cts",
            Self::Partner => "partner",
            Self::CloudTrail => "cloudtrail",
            Self::K8s => "k8s",
            Self::Gcp => "gcp",
            Self::Native => "native",
        }
    }

    /// The format of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|format| format.name() == name)
    }
}

/// The format of a record, told by the keys of its object; `None` if no decoder knows it.
pub fn detect(record: &str) -> Option<Format> {
    check_depth(record).ok()?;
    keys_of(record).ok()?.format()
}

/// Decodes one record: one JSON object. Without a format, its keys tell it.
///
/// The event has no tenant, sequence number and ingest time yet.
///
/// # Errors
/// Text that is no JSON object, is nested deeper than [`DEPTH_MAX`], is of no known format, or lacks what its format
/// cannot do without. The message names the format and the field.
pub fn decode(record: &str, format: Option<Format>) -> Result<Event> {
    check_depth(record)?;
    let format = match format {
        Some(format) => format,
        None => detect_or_explain(record)?,
    };
    let mut event = match format {
        Format::Cts => cts::decode(record),
        Format::Partner => partner::decode(record),
        Format::CloudTrail => cloudtrail::decode(record),
        Format::K8s => k8s::decode(record),
        Format::Gcp => gcp::decode(record),
        Format::Native => native::decode(record),
    }?;
    event.set(Field::Format, format.name());
    event.original = record.into();
    if event.text(Field::TraceId).is_none() {
        let digest = hex(&Sha256::digest(record.as_bytes())[..16]);
        event.set(Field::TraceId, format!("sha256:{digest}"));
    }
    Ok(event)
}

/// The text at a path of a record, such as `project_id` or `user.domain.id`; numbers select items of lists. Numbers and
/// flags come as text.
pub fn text_at(record: &str, path: &str) -> Option<String> {
    check_depth(record).ok()?;
    let path: Vec<&str> = path.split('.').collect();
    AtPath(&path).deserialize(&mut serde_json::Deserializer::from_str(record)).ok().flatten()
}

fn detect_or_explain(record: &str) -> Result<Format> {
    let keys = keys_of(record).map_err(|cause| Error::invalid(format!("not a JSON object: {}", json::describe(&cause))))?;
    keys.format().ok_or_else(|| {
        let seen = if keys.seen.is_empty() { "none".to_owned() } else { keys.seen.join(", ") };
        Error::invalid(format!("no decoder knows a record with the keys {}", clip(&seen, 200)))
    })
}

fn check_depth(record: &str) -> Result<()> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in record.bytes() {
        if in_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(Error::invalid(format!("the JSON is nested deeper than {DEPTH_MAX}")));
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// Which of the telling keys a record has.
#[derive(Debug, Default)]
struct Keys {
    flags: u64,
    /// The first few keys, for the message.
    seen: Vec<String>,
}

macro_rules! telling {
    ($($name:ident $key:literal),* $(,)?) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "named as the keys are")]
        enum Key { $($name),* }
        fn key_of(name: &str) -> Option<Key> {
            match name { $($key => Some(Key::$name),)* _ => None }
        }
    };
}

telling! {
    cts "cts", trace_id "trace_id", trace_name "trace_name", service_type "service_type", resource_type "resource_type",
    event_name_aws "eventName", event_source "eventSource", event_time "eventTime", event_id "eventID",
    audit_id "auditID", verb "verb", stage "stage", proto_payload "protoPayload",
    operation_type "operation_type", quota_id "quota_id", coupon_id "coupon_id", trans_id "trans_id", customer_id "customer_id",
    budget_amount "budget_amount", budget_type "budget_type", account_change_id "account_change_id", trade_time "trade_time", quota_value "quota_value",
    time "time", event_name "event_name", api_version "api_version", trace_type "trace_type", trace_rating "trace_rating", trace_status "trace_status",
}

impl Keys {
    fn has(&self, key: Key) -> bool {
        self.flags & (1 << key as u64) != 0
    }

    fn format(&self) -> Option<Format> {
        if self.has(Key::proto_payload) {
            return Some(Format::Gcp);
        }
        if self.has(Key::event_name_aws) && (self.has(Key::event_source) || self.has(Key::event_id) || self.has(Key::event_time)) {
            return Some(Format::CloudTrail);
        }
        if self.has(Key::audit_id) && (self.has(Key::verb) || self.has(Key::stage)) {
            return Some(Format::K8s);
        }
        let trace = self.has(Key::trace_name) && (self.has(Key::trace_id) || self.has(Key::service_type) || self.has(Key::time));
        if trace || self.has(Key::cts) {
            return Some(Format::Cts);
        }
        if self.has(Key::event_name) && self.has(Key::time) {
            return Some(Format::Native);
        }
        let operated = self.has(Key::operation_type)
            && (self.has(Key::quota_id) || self.has(Key::coupon_id) || self.has(Key::trans_id) || self.has(Key::customer_id));
        let budget = self.has(Key::budget_amount) || self.has(Key::budget_type);
        let changed = self.has(Key::account_change_id) && self.has(Key::trade_time);
        if operated || budget || changed || (self.has(Key::quota_id) && self.has(Key::quota_value)) {
            return Some(Format::Partner);
        }
        // A trace without a name still says which service it is of.
        (self.has(Key::service_type) && self.has(Key::time)).then_some(Format::Cts)
    }
}

/// The keys of a record.
fn keys_of(record: &str) -> serde_json::Result<Keys> {
    let mut keys = Keys::default();
    let mut input = serde_json::Deserializer::from_str(record);
    input.deserialize_map(&mut keys)?;
    input.end()?;
    Ok(keys)
}

impl<'de> Visitor<'de> for &mut Keys {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<json::Text<'de>>()? {
            match key_of(&key.0) {
                Some(key) => self.flags |= 1 << key as u64,
                None if self.seen.len() < 8 => self.seen.push(clip(&key.0, 40)),
                None => {}
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
