//! Detects the format of a record from its top-level keys, in one pass that evaluates no value.

use super::Format;
use super::json::{self, Loose};
use crate::error::Result;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::fmt;

const PROTO_PAYLOAD: u32 = 1;
const FINDING: u32 = 1 << 1;
const FINDING_CONFIG: u32 = 1 << 2;
const AUDIT_ID: u32 = 1 << 3;
const AUDIT_DETAIL: u32 = 1 << 4;
const EVENT_SOURCE: u32 = 1 << 5;
const EVENT_DETAIL: u32 = 1 << 6;
const CTS_ENVELOPE: u32 = 1 << 7;
const TRACE_NAME: u32 = 1 << 8;
const TRACE_ID: u32 = 1 << 9;
const TRACE_DETAIL: u32 = 1 << 10;
const EVENT_NAME: u32 = 1 << 11;
const TIME: u32 = 1 << 12;
const CHANGE: u32 = 1 << 13;
const OPERATION: u32 = 1 << 14;
const SUBJECT: u32 = 1 << 15;
const QUOTA_STATE: u32 = 1 << 16;
const SPEC_VERSION: u32 = 1 << 17;
const TYPE: u32 = 1 << 18;
const LOG_TIME: u32 = 1 << 19;
const DOCUMENT: u32 = 1 << 20;

/// Returns the bit of a key; 0 if the key says nothing about the format.
fn bit(key: &str) -> u32 {
    match key {
        "protoPayload" => PROTO_PAYLOAD,
        "finding" => FINDING,
        "notificationConfigName" => FINDING_CONFIG,
        "auditID" => AUDIT_ID,
        "requestURI" | "objectRef" | "verb" | "stage" => AUDIT_DETAIL,
        "eventSource" | "insightDetails" => EVENT_SOURCE,
        "eventName" | "eventID" | "eventVersion" => EVENT_DETAIL,
        "cts" => CTS_ENVELOPE,
        "trace_name" => TRACE_NAME,
        "trace_id" => TRACE_ID,
        "service_type" | "trace_rating" | "trace_status" | "trace_type" | "tracker_name" => {
            TRACE_DETAIL
        }
        "event_name" => EVENT_NAME,
        "time" => TIME,
        "account_change_id" | "trade_detail_type" => CHANGE,
        "operation_type" => OPERATION,
        "quota_id" | "coupon_id" | "customer_id" | "trans_id" | "budget_type" | "budget_amount"
        | "operation_amount" => SUBJECT,
        "quota_status" | "quota_value" => QUOTA_STATE,
        "specversion" => SPEC_VERSION,
        "type" => TYPE,
        "timeUnixNano" | "observedTimeUnixNano" => LOG_TIME,
        "@timestamp" | "_index" => DOCUMENT,
        _ => 0,
    }
}

/// Reads the members of a record: collects known keys as bits, and the value of the key that is
/// wanted.
struct Members<'k>(Option<&'k str>);

/// What a key says about the format.
enum Evidence {
    Bit(u32),
    /// Whether it is the wanted key.
    Wanted(u32),
}

/// What the keys of a record say.
#[derive(Default)]
struct KeyEvidence<'a> {
    bits: u32,
    /// The value of the wanted key, and how often the key occurs.
    wanted: Option<Loose<'a>>,
    times: usize,
}

struct NameHint<'k>(Option<&'k str>);

impl<'de> DeserializeSeed<'de> for NameHint<'_> {
    type Value = Evidence;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Evidence, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameHint<'_> {
    type Value = Evidence;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Evidence, E> {
        Ok(if self.0 == Some(key) { Evidence::Wanted(bit(key)) } else { Evidence::Bit(bit(key)) })
    }
}

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = KeyEvidence<'de>;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<KeyEvidence<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = KeyEvidence<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<KeyEvidence<'de>, A::Error> {
        let mut keys = KeyEvidence::default();
        while let Some(told) = members.next_key_seed(NameHint(self.0))? {
            match told {
                Evidence::Bit(bit) => {
                    members.next_value::<IgnoredAny>()?;
                    keys.bits |= bit;
                }
                Evidence::Wanted(bit) => {
                    keys.wanted = Some(members.next_value()?);
                    keys.times += 1;
                    keys.bits |= bit;
                }
            }
        }
        Ok(keys)
    }
}

/// Detects the format of a record, and returns the value of one of its keys; `None` if the key is
/// absent or repeated.
///
/// # Errors
/// A record that is not a JSON object.
pub(super) fn detect_with<'a>(
    record: &'a str,
    key: &str,
) -> Result<(Option<Format>, Option<Loose<'a>>)> {
    let keys = read(record, Some(key))?;
    Ok((format_of(keys.bits), keys.wanted.filter(|_| keys.times == 1)))
}

fn read<'a>(record: &'a str, wanted: Option<&str>) -> Result<KeyEvidence<'a>> {
    let mut deserializer = serde_json::Deserializer::from_str(record);
    let keys = Members(wanted)
        .deserialize(&mut deserializer)
        .and_then(|keys| deserializer.end().map(|()| keys));
    keys.map_err(|cause| json::fault(&cause))
}

/// Detects the format of a record; returns `None` if its keys match no format.
///
/// # Errors
/// A record that is not a JSON object.
pub(super) fn detect(record: &str) -> Result<Option<Format>> {
    Ok(format_of(read(record, None)?.bits))
}

fn format_of(keys: u32) -> Option<Format> {
    let has = |bits: u32| keys & bits == bits;
    // A key that only one format has takes precedence over keys that several may have.
    match () {
        () if has(SPEC_VERSION | TYPE) => Some(Format::CloudEvents),
        () if has(PROTO_PAYLOAD) || has(FINDING | FINDING_CONFIG) => Some(Format::Gcp),
        () if has(AUDIT_ID | AUDIT_DETAIL) => Some(Format::K8s),
        () if has(EVENT_SOURCE | EVENT_DETAIL) => Some(Format::CloudTrail),
        () if has(TRACE_NAME) || has(TRACE_ID | TRACE_DETAIL) && !has(EVENT_NAME) => {
            Some(Format::Cts)
        }
        () if has(EVENT_NAME | TIME) => Some(Format::Native),
        () if has(CHANGE) || has(OPERATION | SUBJECT) || has(QUOTA_STATE | SUBJECT) => {
            Some(Format::Partner)
        }
        () if has(CTS_ENVELOPE) => Some(Format::Cts),
        () if has(LOG_TIME) => Some(Format::Otlp),
        () if has(DOCUMENT) => Some(Format::Ecs),
        () => None,
    }
}
