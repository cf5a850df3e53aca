//! Documents of log shippers, and any other JSON object: the fields of Elastic Common Schema,
//! nested or dotted, what rsyslog, syslog-ng, Fluent Bit and Vector write by default, and the keys
//! that programs commonly use.
//!
//! A shipper often carries another system's record: as text in `message`, as EventBridge and
//! CloudWatch Logs do in `detail` and `message`, or as `aws cloudtrail lookup-events` does in
//! `CloudTrailEvent`. If that is a record of a known format, its decoder produces the event. A
//! document without any time is accepted, flagged as suspect and filed under its ingest time.
//!
//! A document that arrived through the Elasticsearch door begins with the contents of its action:
//! `{"_index":"…","_id":"…",…`. Its `_id` is then the event's id, together with the name of the
//! index that it belongs to if the door wrote one (`_id_of`), and the index is its source if the
//! document names none. No document can have these keys by itself: Elasticsearch refuses them.

use super::json::{self, Loose, loose_object};
use super::login_documents;
use super::paths::Paths;
use super::severity;
use crate::error::Result;
use crate::event::{Event, Field, Timestamp};

/// The beginning of a document that has its action written into it.
const ADDRESSED: &str = "{\"_index\":\"";

/// How far into a record `_source` is searched for, in bytes: what comes before it is short.
const ENVELOPE_HEAD: usize = 1_024;

loose_object!(Address { index = "_index", id = "_id", of = "_id_of", source = "_source" });

/// The first path that has a value sets the field.
const TEXTS: &[(Field, &[&str])] = &[
    (Field::TraceId, &["event.id"]),
    (
        Field::EventName,
        &[
            "event.action",
            "action",
            "event_name",
            "eventName",
            "EventName",
            "event",
            "operation",
            "operationName",
            "MSGID",
            "msgid",
            "event.type",
            "event_type",
            "eventType",
            "detail-type",
            "type",
        ],
    ),
    (
        Field::Source,
        &[
            "event.provider",
            "service.name",
            "event.module",
            "event.dataset",
            "data_stream.dataset",
            "PROGRAM",
            "programname",
            "app-name",
            "appname",
            "ident",
            "SYSLOG_IDENTIFIER",
            "_SYSTEMD_UNIT",
            "service",
            "source",
            "logger",
            "app",
            "application",
        ],
    ),
    (Field::ResourceType, &["resource.type", "orchestrator.resource.type", "event.category"]),
    (
        Field::ResourceId,
        &[
            "resource.id",
            "cloud.resource_id",
            "orchestrator.resource.id",
            "user.target.id",
            "cloud.instance.id",
            "host.id",
            "file.path",
        ],
    ),
    (
        Field::ResourceName,
        &[
            "resource.name",
            "orchestrator.resource.name",
            "user.target.name",
            "cloud.instance.name",
            "host.name",
            "host.hostname",
            "host",
            "HOST",
            "hostname",
            "fromhost",
            "_HOSTNAME",
        ],
    ),
    (
        Field::Operator,
        &[
            "user.name",
            "user.email",
            "user.id",
            "actor",
            "actor.name",
            "user",
            "client.user.name",
            "source.user.name",
            "username",
            "userName",
            "operator",
            "principal",
            "actor.user.email",
            "actor.user.name",
            "actor.email",
            "actor.displayName",
            "actor.id",
            "actor_email",
            "ActorEmail",
            "user_email",
            "userEmail",
        ],
    ),
    (Field::Code, &["http.response.status_code", "event.code", "error.code"]),
    (
        Field::SourceIp,
        &[
            "source.ip",
            "client.ip",
            "source.address",
            "client.address",
            "fromhost-ip",
            "SOURCEIP",
            "source_ip",
            "sourceIPAddress",
            "client_ip",
            "remote_addr",
            "ip",
            "actor.ip",
            "actor_ip",
            "ActorIP",
            "sourceIP",
            "client.ipAddress",
            "context.ip_address",
            "ip_address",
            "ipAddress",
            "clientIp",
        ],
    ),
    (Field::RequestId, &["http.request.id", "transaction.id"]),
    (Field::AccessKeyId, &["cloud.access_key.id"]),
    (Field::Region, &["cloud.region", "region", "awsRegion", "aws_region", "region_id"]),
];
const TIMES: &[&str] =
    &["@timestamp", "timestamp", "time", "date", "event.start", "timereported", "ISODATE"];
/// Keys that other programs use for the time. What they hold is not always one, and then it is
/// passed over.
const OTHER_TIMES: &[&str] = &[
    "__REALTIME_TIMESTAMP",
    "ts",
    "datetime",
    "eventTime",
    "event_time",
    "EventTime",
    "created_at",
    "createdAt",
    "creationTime",
    "CreationTime",
    "CreationDate",
    "TimeGenerated",
    "TimeCreated",
    "Timestamp",
    "Time",
    "_time",
    "occurred_at",
    "published",
    "startTime",
    "start_time",
    "logged_at",
    "asctime",
    "created",
    "When",
    "Datetime",
    "date_create",
    "createdDateTime",
    "generatedDateTime",
    "CreatedAt",
    "creationDate",
    "created_time",
    "event_timestamp",
    "EVENT_TIMESTAMP",
    "TIMESTAMP_DERIVED",
    "messageTime",
    "unixTime",
];
const RECORD_TIMES: &[&str] = &["event.created", "event.ingested", "timegenerated"];
const LEVELS: &[&str] = &[
    "log.level",
    "level",
    "severity",
    "log.syslog.severity.name",
    "PRIORITY",
    "priority",
    "syslogseverity-text",
];
const SYSLOG_LEVELS: &[&str] = &["log.syslog.severity.code", "syslogseverity"];
/// Where shippers put the record that they carry.
const CARRIED: &[&str] = &["event.original", "message", "MESSAGE", "log", "CloudTrailEvent"];
/// Where ActionTrail's delivery to Log Service and the answers of CloudAudit put it. Other records
/// have other things there, so what is refused is only a value.
const MAY_CARRY: &[&str] = &["event", "CloudAuditEvent"];
// EventBridge puts it there as an object, and so does Oracle Logging.
loose_object!(Carrier { detail });
loose_object!(Logging { log_content = "logContent" });
/// Where programs say how something ended, and their words for a failure…
const OUTCOMES: &[&str] =
    &["event.outcome", "outcome", "outcome.result", "result", "status", "action_result"];
const FAILURES: &[&str] = &[
    "failure",
    "failed",
    "fail",
    "denied",
    "forbidden",
    "unauthorized",
    "unsuccessful",
    "rejected",
];
/// …and where they say whether it went well.
const SUCCESSES: &[&str] = &["success", "IS_SUCCESS", "succeeded"];
/// Words that programs write where they have no value.
const PLACEHOLDERS: &[&str] = &["-", "<null>", "N/A"];
/// Values of `event.type` for operations that change something.
const CHANGES: &[&str] = &["creation", "change", "deletion", "admin", "installation"];

/// Fills the event from a document.
///
/// What was copied out of Elasticsearch, as elasticdump does, has the document in `_source`.
pub(super) fn decode(record: &str, event: &mut Event) -> Result<()> {
    let head = &record[..record.floor_char_boundary(ENVELOPE_HEAD)];
    if !head.contains("\"_source\"") {
        return decode_document(record, event);
    }
    let address: Address<'_> = json::parse(record)?;
    match address.source.raw().filter(|_| address.source.is_object()) {
        Some(source) => {
            decode_document(source, event)?;
            event.set_opt(Field::TraceId, address.id.text("_id")?);
            Ok(())
        }
        None => decode_document(record, event),
    }
}

fn decode_document(record: &str, event: &mut Event) -> Result<()> {
    let paths = Paths::of(record)?;
    for value in CARRIED.iter().map(|name| paths.first(&[name])) {
        if super::decode_carried(value?, event)? {
            return Ok(());
        }
    }
    for value in MAY_CARRY.iter().map(|name| paths.first(&[name])) {
        if super::decode_if_carried(value?, event) {
            return Ok(());
        }
    }
    if record.contains("\"detail\"") {
        let carrier: Carrier<'_> = json::parse(record)?;
        if super::decode_carried(carrier.detail, event)? {
            return Ok(());
        }
    }
    if record.contains("\"logContent\"")
        && let Ok(Logging { log_content }) = json::parse(record)
        && super::decode_if_carried(log_content, event)
    {
        return Ok(());
    }
    for (field, names) in TEXTS {
        for name in *names {
            let text = paths.text(&[name])?.filter(|text| !is_placeholder(text));
            if text.is_some() {
                event.set_opt(*field, text);
                break;
            }
        }
    }
    super::vendors::fill_winlog(&paths, event)?;
    let is_failed_login = login_documents::fill(&paths, event);
    event.time = time_of(&paths)?.unwrap_or_default();
    event.record_time =
        RECORD_TIMES.iter().find_map(|name| paths.first(&[name]).ok()?.time(name).ok().flatten());
    event.set(Field::EventType, "system");
    event.set(Field::TraceType, "Others");
    let kinds: Vec<_> =
        paths.first(&["event.type"])?.items().into_iter().filter_map(Loose::text_lossy).collect();
    event.read_only = match () {
        () if kinds.iter().any(|kind| CHANGES.contains(&kind.as_ref())) => Some(false),
        () if kinds.iter().any(|kind| kind == "access") => Some(true),
        () => None,
    };
    event.set(Field::Level, level(&paths, is_failed_login)?);
    for (kind, names) in [
        ("user", &["user.id"][..]),
        ("account", &["cloud.account.id"]),
        ("host", &["host.name", "host.hostname", "host", "HOST", "hostname"]),
        ("trace", &["trace.id"]),
        ("target", &["user.target.name", "user.target.id"]),
    ] {
        event.relate(kind, paths.text(names)?.unwrap_or_default());
    }
    for (kind, name) in [
        ("user", "related.user"),
        ("host", "related.hosts"),
        ("ip", "related.ip"),
        ("hash", "related.hash"),
    ] {
        event.relate_all(
            kind,
            paths.first(&[name])?.items().into_iter().filter_map(Loose::text_lossy),
        );
    }
    Ok(())
}

/// Returns the trace id of a document whose index shares its tenant with others. The name of an
/// index has no slash.
pub(crate) fn joined_id(of: &str, id: &str) -> String {
    format!("{of}/{id}")
}

/// Returns the action of a document, if it is written into the document.
pub(super) fn fill_address(record: &str, event: &mut Event) -> Result<()> {
    if !record.starts_with(ADDRESSED) {
        return Ok(());
    }
    let address: Address<'_> = json::parse(record)?;
    let id = address.id.text("_id")?;
    // A member of the document that has this name stands behind the id.
    let before_id = format!("{{\"_index\":{},\"_id_of\":", address.index.raw().unwrap_or_default());
    let of = address.of.text("_id_of").ok().flatten().filter(|_| record.starts_with(&before_id));
    match of {
        Some(of) => event.set_opt(Field::TraceId, id.map(|id| joined_id(&of, &id))),
        None => event.set_opt(Field::TraceId, id),
    }
    if event.text(Field::Source).is_none() {
        event.set_opt(Field::Source, address.index.text("_index")?);
    }
    Ok(())
}

pub(super) fn time_of(paths: &Paths<'_>) -> Result<Option<Timestamp>> {
    for name in TIMES {
        if let Some(time) = paths.first(&[name])?.time(name)? {
            return Ok(Some(time));
        }
    }
    for name in OTHER_TIMES {
        if let Some(time) = paths.first(&[name])?.time(name).ok().flatten() {
            return Ok(Some(time));
        }
    }
    Ok(None)
}

/// Returns whether a text stands for no value.
pub(super) fn is_placeholder(text: &str) -> bool {
    PLACEHOLDERS.contains(&text)
}

/// Returns whether a document says itself that something failed.
fn says_failed(paths: &Paths<'_>) -> bool {
    let is = |words: &[&str], text: &str| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    for (names, words) in [(OUTCOMES, FAILURES), (SUCCESSES, &["false", "no"])] {
        for name in names {
            // What is written twice says nothing, and is no reason to refuse a record.
            if paths.text(&[name]).ok().flatten().is_some_and(|text| is(words, &text)) {
                return true;
            }
        }
    }
    false
}

fn level(paths: &Paths<'_>, is_failed: bool) -> Result<&'static str> {
    let told = match paths.text(LEVELS)?.as_deref().and_then(severity::of_word) {
        Some(level) => Some(level),
        None => paths.text(SYSLOG_LEVELS)?.as_deref().and_then(severity::of_syslog),
    };
    let audited = paths.text(&["AUDIT_FIELD_RES"])?;
    let failed = is_failed
        || says_failed(paths)
        || audited.is_some_and(|result| matches!(result.as_str(), "failed" | "0" | "no"));
    Ok(match told {
        Some("normal") | None if failed => "warning",
        Some(level) => level,
        None => "normal",
    })
}
