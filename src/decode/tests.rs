//! The traps: shapes that have broken readers of these formats, and records made to break them.

use super::*;
use crate::event::{FORMATS, Timestamp};

fn event(record: &str) -> Event {
    decode(record, None).unwrap_or_else(|error| panic!("{error}: {record}"))
}

fn refusal(record: &str) -> String {
    decode(record, None).expect_err(record).to_string()
}

fn related(event: &Event) -> Vec<&str> {
    event.related_ids.iter().map(AsRef::as_ref).collect()
}

/// A CTS trace with these members besides the required ones.
fn trace(members: &str) -> String {
    format!(
        r#"{{"trace_id":"t1","trace_name":"createServer","service_type":"ECS","time":1767225660000{members}}}"#
    )
}

#[test]
fn formats_have_the_names_of_the_field_table() {
    let names: Vec<&str> = Format::ALL.into_iter().map(Format::name).collect();
    assert_eq!(names, FORMATS);
    assert!(Format::ALL.into_iter().all(|format| Format::from_name(format.name()) == Some(format)));
    assert_eq!(Format::from_name("CTS"), None);
}

#[test]
fn formats_are_told_by_top_level_keys() {
    for (record, format) in [
        (r#"{"trace_name":"a"}"#, Some(Format::Cts)),
        (r#"{"cts":{"trace_name":"a"}}"#, Some(Format::Cts)),
        (r#"{"trace_id":"a","trace_rating":"normal"}"#, Some(Format::Cts)),
        (
            r#"{"trace_id":"a","event_name":"b","time":1,"trace_type":"ApiCall"}"#,
            Some(Format::Native),
        ),
        (r#"{"operation_type":"10","quota_id":"q"}"#, Some(Format::Partner)),
        (r#"{"quota_id":"q","quota_status":0}"#, Some(Format::Partner)),
        (r#"{"eventSource":"s3.amazonaws.com","eventName":"x"}"#, Some(Format::CloudTrail)),
        (r#"{"auditID":"a","verb":"get"}"#, Some(Format::K8s)),
        (r#"{"protoPayload":{},"insertId":"a"}"#, Some(Format::Gcp)),
        (r#"{"traces":[{"trace_name":"a"}],"meta_data":{}}"#, None),
        (r#"{"Records":[{"eventSource":"a","eventName":"b"}]}"#, None),
        (r#"{"x":{"trace_name":"a"}}"#, None),
        (r#"["trace_name"]"#, None),
        ("{}", None),
        ("", None),
    ] {
        assert_eq!(detect(record), format, "{record}");
    }
}

#[test]
fn what_is_no_record_is_refused_with_a_reason() {
    for (record, reason) in [
        ("", NO_OBJECT),
        ("[1]", NO_OBJECT),
        ("{\"time\":", "EOF while parsing a value at byte 8"),
        (
            r#"{"trace_name":"a","time":"yesterday"}"#,
            concat!(
                r#"cts: time: "yesterday" is in no known form: write it as 2026-03-01T08:00:00Z, "#,
                "or as seconds or milliseconds since 1970"
            ),
        ),
        (r#"{"trace_name":"a","time":1,"time":2}"#, "cts: duplicate field `time` at byte 33"),
        (
            r#"{"trace_name":"\ud800","time":1}"#,
            "cts: trace_name: unexpected end of hex escape at byte 8",
        ),
        (r#"{"trace_name":"\x","time":1}"#, "invalid escape at byte 17"),
        (r#"{"trace_name":"a","time":1} x"#, "trailing characters at byte 29"),
        (r#"{"eventSource":"a","eventName":"b"}"#, "cloudtrail: eventTime: is missing"),
        (r#"{"auditID":"a","verb":"b"}"#, "k8s: requestReceivedTimestamp: is missing"),
        (r#"{"protoPayload":{}}"#, "gcp: timestamp: is missing"),
        (r#"{"operation_type":"10","quota_id":"q"}"#, "partner: operation_time: is missing"),
    ] {
        assert_eq!(refusal(record), reason, "{record}");
    }
}

#[test]
fn nesting_is_bounded_and_does_not_use_the_stack() {
    let nested = |levels: usize| {
        trace(&format!(r#","request":{}{}"#, "[".repeat(levels), "]".repeat(levels)))
    };
    assert!(decode(&nested(DEPTH_MAX - 1), None).is_ok());
    assert_eq!(refusal(&nested(DEPTH_MAX)), "record is nested deeper than 64 levels");
    assert_eq!(
        refusal(&trace(&format!(r#","request":{}"#, "[".repeat(1_000_000)))),
        "record is nested deeper than 64 levels"
    );
    assert_eq!(detect(&"[".repeat(1_000_000)), None);
    assert_eq!(text_at(&"[".repeat(1_000_000), "0.0"), None);

    let brackets_in_text =
        trace(&format!(r#","request":"{}""#, "[{\\\"quota_id\\\":".repeat(100_000)));
    assert!(decode(&brackets_in_text, None).is_ok());
}

#[test]
fn numbers_no_type_can_hold_and_a_hundred_thousand_keys_spoil_nothing() {
    let record = trace(
        r#","request":{"quota_id":1e999999,"amount":1e999999,"face_value":"2.50"},"code":1e999999"#,
    );
    let decoded = event(&record);
    assert_eq!(decoded.text(Field::Code), Some("1e999999"));
    assert_eq!(related(&decoded), ["quota:1e999999"]);
    assert_eq!(decoded.amount.map(|amount| amount.to_string()).as_deref(), Some("2.50"));

    let keys: String = (0..100_000).map(|number| format!(r#","key{number}":{number}"#)).collect();
    assert_eq!(event(&trace(&keys)).text(Field::EventName), Some("createServer"));
    let twice = trace(r#","unread":1,"unread":2"#);
    assert!(decode(&twice, None).is_ok());
}

#[test]
fn a_flood_of_ids_is_bounded() {
    let ids: Vec<String> = (0..50_000).map(|number| format!("\"c{number}\"")).collect();
    let flood = event(&trace(&format!(r#","request":{{"customer_ids":[{}]}}"#, ids.join(","))));
    assert_eq!(flood.related_ids.len(), 1_000);
}

#[test]
fn times_at_the_edge_of_the_calendar_are_times() {
    for (time, millis) in [
        ("\"9999-12-31T23:59:59Z\"", 253_402_300_799_000),
        ("\"0001-01-01T00:00:00Z\"", -62_135_596_800_000),
    ] {
        let record = format!(r#"{{"trace_name":"a","time":{time}}}"#);
        assert_eq!(event(&record).time, Timestamp::from_millis(millis));
    }
    assert!(
        refusal(r#"{"trace_name":"a","time":"2016-12-15 15:27:40 GMT+2147483647:00"}"#)
            .starts_with("cts: time: ")
    );
}

#[test]
fn a_trace_without_any_time_claims_1970_and_one_with_record_time_uses_that() {
    assert_eq!(event(r#"{"trace_name":"a"}"#).time, Timestamp::default());
    assert_eq!(
        event(r#"{"trace_name":"a","record_time":1767225660000}"#).time.millis(),
        1_767_225_660_000
    );
    assert_eq!(event(&trace(r#","record_time":"soon""#)).record_time, None);
    assert_eq!(
        refusal(r#"{"trace_name":"a","record_time":"soon"}"#),
        concat!(
            r#"cts: record_time: "soon" is in no known form: write it as 2026-03-01T08:00:00Z, "#,
            "or as seconds or milliseconds since 1970"
        )
    );
}

#[test]
fn a_record_without_an_id_gets_the_same_one_every_time() {
    let record = r#"{"trace_name":"a","time":1767225660000}"#;
    let id = event(record).trace_id().to_owned();
    assert!(id.starts_with("sha256:") && id.len() == "sha256:".len() + 32);
    assert_eq!(event(record).trace_id(), id);
    assert_ne!(event(&format!("{record} ")).trace_id(), id);
}

#[test]
fn the_operator_of_a_trace_follows_the_console() {
    for (user, operator) in [
        (r#"{"user_name":"zhang","name":"old"}"#, Some("zhang")),
        (r#""{\"name\":\"zhang\"}""#, Some("zhang")),
        (r#""some opaque text""#, Some("some opaque text")),
        (r#""{some crazy used struct}""#, Some("{some crazy used struct}")),
        ("null", None),
        (r#""null""#, None),
        (r#""""#, None),
        (r#"{"name":"aaa/op_service","domain":{"name":"aaa"}}"#, Some("aaa/op_service")),
        (r#"{"principal_urn":"iam::a1:user:li","domain":{"name":"d"}}"#, Some("li")),
        (
            r#"{"principal_urn":"sts::a1:assumed-agency:ops/s1","domain":{"name":"d"}}"#,
            Some("d/ops"),
        ),
        (r#"{"principal_urn":"sts::a1:assumed-agency:ops/s1"}"#, Some("a1/ops")),
        (r#"{"principal_urn":"sts::a1:external-user:idp/s1","name":"x"}"#, Some("idp/s1")),
        (r#"{"type":"AssumedAgency","name":"ops","domain":{"name":"d"}}"#, Some("d/ops")),
        (r#"{"type":"ExternalUser","principal_id":"idp:s1:2"}"#, Some("idp/s1:2")),
    ] {
        let record = trace(&format!(r#","user":{user}"#));
        assert_eq!(event(&record).text(Field::Operator), operator, "{user}");
    }
    assert_eq!(
        refusal(&trace(r#","user":{"name":"a","name":"b"}"#)),
        "cts: user: duplicate field `name` at byte 18"
    );
    assert_eq!(
        refusal(&trace(r#","user":"{\"name\":\"a\",\"name\":\"b\"}""#)),
        "cts: user: duplicate field `name` at byte 18"
    );
}

#[test]
fn who_acts_for_another_account_is_related_with_both_sides() {
    let actor = r#"{"name":"li","id":"u2","domain":{"name":"partner","id":"d2"}}"#;
    let user = format!(
        r#"{{"name":"tenant-admin","id":"u1","domain":{{"name":"acme","id":"d1"}},"assumedBy":{{"user":{actor}}}}}"#
    );
    let decoded = event(&trace(&format!(r#","user":{user}"#)));
    assert_eq!(decoded.text(Field::Operator), Some("tenant-admin"));
    assert_eq!(
        related(&decoded),
        ["assumed_by:partner/li", "user:u2", "account:d2", "user:u1", "account:d1"]
    );
}

#[test]
fn loose_values_of_a_trace_are_read_for_what_they_mean() {
    let decoded = event(&trace(concat!(
        r#","trace_status":"Warning","trace_type":"consoleaction","event_type":"management","resource_id":{}"#,
        r#","request_id":"null","read_only":"true","code":404"#
    )));
    let text = |field| decoded.text(field);
    assert_eq!(text(Field::Level), Some("warning"));
    assert_eq!(text(Field::TraceType), Some("ConsoleAction"));
    assert_eq!(text(Field::EventType), Some("system"));
    assert_eq!((text(Field::ResourceId), text(Field::RequestId)), (None, None));
    assert_eq!((decoded.read_only, text(Field::Code)), (Some(true), Some("404")));

    let other = event(&trace(r#","trace_rating":"awful","trace_type":"ObsSDK","resource_id":42"#));
    assert_eq!((other.text(Field::Level), other.text(Field::EventType)), (None, Some("data")));
    assert_eq!(other.text(Field::ResourceId), Some("42"));
    assert_eq!(event(&trace(r#","trace_type":"New""#)).text(Field::TraceType), Some("Others"));
    assert_eq!(event(&trace("")).text(Field::TraceType), None);
}

#[test]
fn a_request_tells_ids_and_money_as_object_and_as_text() {
    let body = r#"{"order":{"quotaId":"q1","customer_ids":["c1","c2"],"parent_quota_id":7},"amount":5,"face_value":1.25,"currency":"CNY"}"#;
    let as_text = serde_json::to_string(body).expect("a text can be written");
    for request in [body, &as_text] {
        let decoded =
            event(&trace(&format!(r#","request":{request},"response":{{"job_id":"j1"}}"#)));
        assert_eq!(
            related(&decoded),
            ["quota:q1", "customer:c1", "customer:c2", "parent_quota:7", "job:j1"]
        );
        assert_eq!(decoded.amount.map(|amount| amount.to_string()).as_deref(), Some("1.25"));
        assert_eq!(decoded.text(Field::Currency), Some("CNY"));
    }
}

#[test]
fn one_related_id_finds_everything_an_unbind_caused() {
    for record in [
        r#"{"id":"1","operation_type":3,"coupon_id":"p","customer_id":"c","operation_time":"2026-01-01T00:00:00Z"}"#,
        r#"{"trans_id":"1","operation_type":"SOURCE_OPERAIION_BEUNBIND","customer_id":"c","operation_time":"2026-01-01T00:00:00Z"}"#,
        r#"{"account_change_id":"1","trade_detail_type":"SOURCE_OPERATION_BEUNBIND","customer_id":"c","trade_time":"2026-01-01"}"#,
        r#"{"budget_type":"MONTHLY","operation_type":"DELETE","customer_id":"c","operation_time":"2026-01-01T00:00:00Z"}"#,
        r#"{"trace_name":"applyUnbindOrSwitchCooperation","resource_id":"c","time":1767225660000}"#,
    ] {
        let decoded = event(record);
        assert!(related(&decoded).contains(&"relation:unbind"), "{record}");
        assert!(related(&decoded).contains(&"customer:c"), "{record}");
    }
}

#[test]
fn partner_records_that_cannot_be_told_are_refused() {
    let coupon = |members: &str| {
        format!(r#"{{"coupon_id":"p","operation_time":"2026-01-01T00:00:00Z",{members}}}"#)
    };
    let no_name = refusal(&coupon(r#""operation_type":"77""#));
    assert_eq!(no_name, r#"partner: operation_type: "77" is no known operation"#);
    let no_amount = refusal(&coupon(r#""operation_type":"1","operation_amount":"much""#));
    assert_eq!(no_amount, r#"partner: operation_amount: amount "much" is not a decimal number"#);
    assert!(
        refusal(&coupon(r#""operation_type":1,"operation_amount":1e999999"#))
            .starts_with("partner: operation_amount: ")
    );
    let exact = event(&coupon(r#""operation_type":1,"operation_amount":99999999999999999999.99"#));
    assert_eq!(
        exact.amount.map(|amount| amount.to_string()).as_deref(),
        Some("99999999999999999999.99")
    );
}

#[test]
fn cloudtrail_may_leave_out_or_rewrite_what_it_likes() {
    let base = r#""eventSource":"s3.amazonaws.com","eventName":"GetObject","eventTime":"2024-01-01T00:00:00Z","eventID":"e1""#;
    let bare = event(&format!("{{{base}}}"));
    assert_eq!((bare.text(Field::Operator), bare.text(Field::Level)), (None, Some("normal")));
    let full = event(&format!(
        concat!(
            r#"{{{base},"userIdentity":{{"type":"Root","accountId":"1"}},"requestParameters":"{{\"bucketName\":\"b\"}}","#,
            r#""readOnly":"true","eventCategory":"Data","errorCode":"AccessDenied"}}"#
        ),
        base = base
    ));
    assert_eq!(
        (full.text(Field::Operator), full.text(Field::ResourceName)),
        (Some("root"), Some("b"))
    );
    assert_eq!(
        (full.text(Field::EventType), full.text(Field::Level), full.read_only),
        (Some("data"), Some("warning"), Some(true))
    );
}

#[test]
fn stages_and_impersonation_of_kubernetes_are_told_apart() {
    let record = |stage: &str| {
        format!(
            concat!(
                r#"{{"auditID":"a","stage":"{stage}","verb":"get","requestReceivedTimestamp":"2024-01-01T00:00:00.123456Z","#,
                r#""user":{{"username":"li"}},"impersonatedUser":{{"username":"root"}},"responseStatus":{{"code":403}},"#,
                r#""objectRef":{{"resource":"pods","subresource":"exec","namespace":"n","name":"p"}}}}"#
            ),
            stage = stage
        )
    };
    let complete = event(&record("ResponseComplete"));
    assert_ne!(complete.trace_id(), event(&record("RequestReceived")).trace_id());
    assert_eq!(
        (complete.text(Field::Operator), complete.text(Field::Level)),
        (Some("li"), Some("warning"))
    );
    assert_eq!(
        (complete.text(Field::ResourceType), complete.text(Field::ResourceId)),
        (Some("pods/exec"), Some("n/p"))
    );
    assert_eq!(related(&complete), ["impersonated:root", "namespace:n"]);
    assert_eq!(event(&record("Panic")).text(Field::Level), Some("incident"));
}

#[test]
fn native_records_are_checked_field_by_field() {
    let good = event(
        r#"{"event_name":"a","time":"2026-01-01","amount":1.10,"level":"incident","related_ids":["quota:q:1"],"seq":9,"tenant":"b"}"#,
    );
    assert_eq!((good.seq, &*good.tenant, related(&good)), (0, "", vec!["quota:q:1"]));
    assert_eq!(good.amount.map(|amount| amount.to_string()).as_deref(), Some("1.10"));
    for (members, reason) in [
        (r#""level":"bad""#, r#"native: level: "bad" is none of normal, warning, incident"#),
        (r#""source":{}"#, "native: source: is no text"),
        (r#""related_ids":["q"]"#, r#"native: related_ids: "q" is not of the form kind:id"#),
        (r#""related_ids":"q:1""#, "native: related_ids: is no list"),
        (r#""read_only":1"#, "native: read_only: is neither true nor false"),
        (r#""code":1,"code":2"#, "native: duplicate field `code`"),
    ] {
        assert_eq!(
            refusal(&format!(r#"{{"event_name":"a","time":1767225660000,{members}}}"#)),
            reason
        );
    }
    assert_eq!(
        decode(r#"{"event_name":"a"}"#, Some(Format::Native)).expect_err("no time").to_string(),
        "native: time: is missing"
    );
    assert_eq!(refusal(r#"{"event_name":"","time":1}"#), "native: event_name: is missing");
}

#[test]
fn a_path_leads_to_the_text_of_a_value() {
    let record = r#"{"project_id":"p","n":7,"user":"{\"domain\":{\"id\":\"d\"}}","list":[{"id":true}],"twice":1,"twice":2,"none":null}"#;
    for (path, text) in [
        ("project_id", Some("p")),
        ("n", Some("7")),
        ("user.domain.id", Some("d")),
        ("list.0.id", Some("true")),
        ("list.1.id", None),
        ("list", None),
        ("twice", None),
        ("none", None),
        ("project_id.x", None),
        ("", None),
    ] {
        assert_eq!(text_at(record, path).as_deref(), text, "{path}");
        // Found on the way to the format it is the same.
        let event =
            format!(r#"{{"trace_id":"t","trace_name":"a","time":1767225660000,{}"#, &record[1..]);
        let (decoded, found) = decode_with_text_at(&event, None, path).expect("a trace");
        assert_eq!(
            (found.as_deref(), decoded),
            (text, decode(&event, None).expect("a trace")),
            "{path}"
        );
    }
}

#[test]
fn entering_a_container_is_not_reading() {
    let read_only = |subresource: &str| {
        let object = format!(r#""objectRef":{{"resource":"pods","name":"p"{subresource}}}"#);
        event(&format!(
            r#"{{"auditID":"a","stage":"ResponseComplete","verb":"get","requestReceivedTimestamp":"2026-03-01T00:00:00Z",{object}}}"#
        ))
        .read_only
    };
    assert_eq!(read_only(""), Some(true));
    assert_eq!(read_only(r#","subresource":"log""#), Some(true));
    assert_eq!(read_only(r#","subresource":"exec""#), Some(false));
}

/// Brackets in a string are not counted with those of the record, so what a record carries is
/// checked again.
#[test]
fn what_a_record_carries_is_not_nested_deeper_either() {
    let deep = format!("{}1{}", "{\\\"a\\\":".repeat(30_000), "}".repeat(30_000));
    for record in [
        format!("{{\"EventID\":1,\"Channel\":\"x\",\"Payload\":\"{deep}\"}}"),
        format!(
            "{{\"message\":\"{{\\\"Workload\\\":1,\\\"Operation\\\":\\\"x\\\",\\\"d\\\":{deep}}}\"}}"
        ),
    ] {
        decode(&record, None).expect("an event");
    }
}

#[test]
fn ordinary_documents_stay_documents_and_keep_their_time() {
    for record in [
        r#"{"action":"delete","actor":"bob","actor_ip":"1.2.3.4","org":"acme","timestamp":"2026-11-28T10:00:00Z"}"#,
        r#"{"EventId":"e-9","Channel":"mobile","UserName":"bob","Action":"transfer","Timestamp":"2026-11-28T10:00:00Z"}"#,
        r#"{"event":"{\"event_name\":\"x\",\"time\":\"garbage\"}","time":"2026-11-28T10:00:00Z"}"#,
        r#"{"createdDateTime":"2026-11-28T10:00:00Z","isInteractive":true}"#,
    ] {
        let event = decode(record, None).expect("an event");
        assert_eq!(event.text(Field::Format), Some("document"), "{record}");
    }
    let wrong = r#"{"action":"delete","actor":"bob","actor_ip":"1.2.3.4","org":"acme","created_at":"?","timestamp":"2026-11-28T10:00:00Z"}"#;
    assert!(decode(wrong, None).is_err(), "its own time is wrong");
    let event =
        decode(r#"{"operationName":"o","caller":"c","timestamp":"2026-11-28T10:00:00Z"}"#, None)
            .expect("an event");
    assert_eq!(event.time.to_string(), "2026-11-28T10:00:00.000Z");
}
