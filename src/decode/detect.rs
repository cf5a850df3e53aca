//! Detects the format of a record from its top-level keys, in one pass that evaluates no value.

use super::Format;
use super::json::{self, Loose};
use crate::error::Result;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::fmt;

const PROTO_PAYLOAD: u64 = 1;
const FINDING: u64 = 1 << 1;
const FINDING_CONFIG: u64 = 1 << 2;
const AUDIT_ID: u64 = 1 << 3;
const AUDIT_DETAIL: u64 = 1 << 4;
const EVENT_SOURCE: u64 = 1 << 5;
const EVENT_DETAIL: u64 = 1 << 6;
const CTS_ENVELOPE: u64 = 1 << 7;
const TRACE_NAME: u64 = 1 << 8;
const TRACE_ID: u64 = 1 << 9;
const TRACE_DETAIL: u64 = 1 << 10;
const EVENT_NAME: u64 = 1 << 11;
const TIME: u64 = 1 << 12;
const CHANGE: u64 = 1 << 13;
const OPERATION: u64 = 1 << 14;
const SUBJECT: u64 = 1 << 15;
const QUOTA_STATE: u64 = 1 << 16;
const SPEC_VERSION: u64 = 1 << 17;
const TYPE: u64 = 1 << 18;
const LOG_TIME: u64 = 1 << 19;
const DOCUMENT: u64 = 1 << 20;
const GITHUB: u64 = 1 << 21;
const ENTITY_TYPE: u64 = 1 << 22;
const AUTHOR: u64 = 1 << 23;
const PUBLISHED: u64 = 1 << 24;
const EVENT_KIND: u64 = 1 << 25;
const OUTCOME: u64 = 1 << 26;
const ACTOR: u64 = 1 << 27;
const EVENTS: u64 = 1 << 28;
const WORKLOAD: u64 = 1 << 29;
const OPERATION_WORD: u64 = 1 << 30;
const OPERATION_NAME: u64 = 1 << 31;
const AZURE_DETAIL: u64 = 1 << 32;
const CLASS: u64 = 1 << 33;
const ALIBABA: u64 = 1 << 34;
const TENCENT: u64 = 1 << 35;
const ORACLE: u64 = 1 << 36;
const AUTH: u64 = 1 << 37;
const REQUEST: u64 = 1 << 38;
const EVENT_NUMBER: u64 = 1 << 39;
const CHANNEL: u64 = 1 << 40;
const WINDOWS: u64 = 1 << 41;
const METADATA: u64 = 1 << 42;
const ACTIVITY: u64 = 1 << 43;
const ACTIVITY_DETAIL: u64 = 1 << 44;
const ORACLE_LOGGING: u64 = 1 << 45;
const DATA: u64 = 1 << 46;
const EVTX: u64 = 1 << 47;
const ACTION: u64 = 1 << 48;
const GITHUB_SCOPE: u64 = 1 << 49;
const GITHUB_DETAIL: u64 = 1 << 50;
const CREATED: u64 = 1 << 51;
const TIME_CREATED: u64 = 1 << 52;

/// Returns the bit of a key; 0 if the key says nothing about the format.
fn bit(key: &str) -> u64 {
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
        "_document_id" => GITHUB,
        "entity_type" => ENTITY_TYPE,
        "author_id" => AUTHOR,
        "published" => PUBLISHED,
        "eventType" => EVENT_KIND,
        "outcome" | "legacyEventType" => OUTCOME,
        "actor" => ACTOR,
        "events" => EVENTS,
        "Workload" | "RecordType" => WORKLOAD,
        "Operation" | "Operations" => OPERATION_WORD,
        "operationName" => OPERATION_NAME,
        "resourceId" | "caller" | "callerIpAddress" | "correlationId" => AZURE_DETAIL,
        "class_uid" => CLASS,
        "metadata" => METADATA,
        "acsRegion" | "eventRW" => ALIBABA,
        "actionType" | "eventRegion" | "resourceRegion" | "apiErrorCode" => TENCENT,
        "cloudEventsVersion" => ORACLE,
        "auth" => AUTH,
        "request" => REQUEST,
        "EventID" => EVENT_NUMBER,
        "Channel" | "SourceName" | "EventRecordID" => CHANNEL,
        "Event" => WINDOWS,
        "EventId" => EVTX,
        "activityDateTime" | "createdDateTime" => ACTIVITY,
        "activityDisplayName" | "conditionalAccessStatus" | "isInteractive" => ACTIVITY_DETAIL,
        "oracle" => ORACLE_LOGGING,
        "created_at" => CREATED,
        "TimeCreated" => TIME_CREATED,
        "data" => DATA,
        "action" => ACTION,
        "org" | "business" | "repo" => GITHUB_SCOPE,
        "actor_location" | "actor_id" | "actor_ip" => GITHUB_DETAIL,
        _ => 0,
    }
}

/// Reads the members of a record: collects known keys as bits, and the value of the key that is
/// wanted.
struct Members<'k>(Option<&'k str>);

/// What a key says about the format.
enum Evidence {
    Bit(u64),
    /// Whether it is the wanted key.
    Wanted(u64),
}

/// What the keys of a record say.
#[derive(Default)]
struct KeyEvidence<'a> {
    bits: u64,
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

fn format_of(keys: u64) -> Option<Format> {
    let has = |bits: u64| keys & bits == bits;
    // A key that only one format has takes precedence over keys that several may have.
    match () {
        () if has(SPEC_VERSION | ORACLE_LOGGING | DATA) => Some(Format::Oracle),
        () if has(SPEC_VERSION | TYPE) => Some(Format::CloudEvents),
        () if has(PROTO_PAYLOAD) || has(FINDING | FINDING_CONFIG) => Some(Format::Gcp),
        () if has(AUDIT_ID | AUDIT_DETAIL) => Some(Format::K8s),
        () if has(EVENT_SOURCE | TENCENT) => Some(Format::Tencent),
        () if has(EVENT_SOURCE | ALIBABA) => Some(Format::Alibaba),
        () if has(ORACLE) => Some(Format::Oracle),
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
        () if has(GITHUB) || has(ACTION | ACTOR | GITHUB_SCOPE | GITHUB_DETAIL | CREATED) => {
            Some(Format::GitHub)
        }
        () if has(CLASS | METADATA) => Some(Format::Ocsf),
        () if has(ENTITY_TYPE | AUTHOR) => Some(Format::GitLab),
        () if has(PUBLISHED | EVENT_KIND | OUTCOME) => Some(Format::Okta),
        () if has(ACTOR | EVENTS) => Some(Format::Workspace),
        () if has(WORKLOAD | OPERATION_WORD) => Some(Format::Microsoft365),
        () if has(OPERATION_NAME | AZURE_DETAIL) || has(ACTIVITY | ACTIVITY_DETAIL) => {
            Some(Format::Azure)
        }
        () if has(AUTH | REQUEST | TYPE) => Some(Format::Vault),
        () if has(EVENT_NUMBER | CHANNEL)
            || has(EVTX | CHANNEL | TIME_CREATED)
            || keys == WINDOWS =>
        {
            Some(Format::Windows)
        }
        () if has(DOCUMENT) => Some(Format::Ecs),
        () => None,
    }
}
