use super::*;
use proptest::prelude::*;

fn decoded(record: &str) -> Event {
    decode(record, None).expect(record)
}

fn refused(record: &str, words: &str) {
    let error = decode(record, None).expect_err(record).to_string();
    assert!(error.contains(words), "{error:?} does not say {words:?}");
    assert!(!error.ends_with('.') && error.len() < 400, "{error}");
}

const CTS: &str = r#"{"trace_id":"t1","trace_name":"createServer","service_type":"ECS","time":1700000000000,"code":200,"user":"{\"name\":\"n\",\"domain\":{\"name\":\"d\",\"id\":\"i\"}}","request":"{\"quota_id\":\"q1\"}","trace_status":"Warning"}"#;

#[test]
fn formats_are_told_by_their_keys() {
    for (record, format) in [
        (CTS, Format::Cts),
        (r#"{"cts":{"time":1}}"#, Format::Cts),
        (r#"{"eventName":"x","eventSource":"s"}"#, Format::CloudTrail),
        (r#"{"auditID":"a","stage":"b"}"#, Format::K8s),
        (r#"{"protoPayload":{}}"#, Format::Gcp),
        (r#"{"operation_type":"10","quota_id":"q"}"#, Format::Partner),
        (r#"{"budget_type":"MONTHLY"}"#, Format::Partner),
        (r#"{"event_name":"x","time":1}"#, Format::Native),
    ] {
        assert_eq!(detect(record), Some(format), "{record}");
    }
    assert_eq!(detect(r#"{"a":1}"#), None);
    assert_eq!(detect("[1]"), None);
}

#[test]
fn a_trace_keeps_its_record_and_gets_its_columns() {
    let event = decoded(CTS);
    assert_eq!(event.original.as_ref(), CTS);
    assert_eq!(event.text(Field::Operator), Some("n"));
    assert_eq!(event.text(Field::Level), Some("warning"));
    assert_eq!(event.text(Field::Code), Some("200"));
    let related: Vec<&str> = event.related_ids.iter().map(AsRef::as_ref).collect();
    assert_eq!(related, ["account:i", "quota:q1"]);
}

#[test]
fn the_console_rule_names_operators() {
    let user = |user: &str| decoded(&format!(r#"{{"trace_name":"x","time":1700000000000,"user":{user}}}"#));
    let agency = user(r#"{"name":"s","domain":{"name":"dom"},"principal_urn":"sts::acc:assumed-agency:ag/session"}"#);
    assert_eq!(agency.text(Field::Operator), Some("dom/ag"));
    let federated = user(r#"{"principal_urn":"sts::acc:external-user:idp/session"}"#);
    assert_eq!(federated.text(Field::Operator), Some("idp/session"));
    assert_eq!(user(r#""plain""#).text(Field::Operator), Some("plain"));
    assert_eq!(user("null").text(Field::Operator), None);
    let assumed = user(r#"{"name":"x","assumedBy":{"user":{"name":"admin","domain":{"name":"op"}}}}"#);
    assert_eq!(assumed.text(Field::Operator), Some("x"));
    assert!(assumed.related_ids.iter().any(|id| id.as_ref() == "assumed_by:op/admin"));
}

#[test]
fn one_filter_finds_every_unbind() {
    for record in [
        r#"{"id":"1","operation_type":"3","coupon_id":"c","customer_id":"u","operation_amount":5.10,"operation_time":"2026-03-01T00:00:00Z","result":"0"}"#,
        r#"{"customer_id":"u","operation_type":"SOURCE_OPERATION_BEUNBIND","amount":"5","trans_id":"t","operation_time":"2026-03-01T00:00:00Z"}"#,
        r#"{"customer_id":"u","operation_type":"SOURCE_OPERAIION_BEUNBIND","amount":"5","trans_id":"t","operation_time":"2026-03-01T00:00:00Z"}"#,
        r#"{"customer_id":"u","operation_type":"DELETE","budget_type":"MONTHLY","operation_time":"2026-03-01T00:00:00Z"}"#,
        r#"{"customer_id":"u","account_change_id":"a","trade_detail_type":"BEUNBIND","trade_time":"2026-03-01","type":2,"change_amount":1}"#,
        r#"{"trace_name":"applyUnbindOrSwitchCooperation","service_type":"PartnerCenter","resource_id":"u","time":1700000000000,"request":"{}"}"#,
    ] {
        let event = decoded(record);
        let has = |id: &str| event.related_ids.iter().any(|related| related.as_ref() == id);
        assert!(has("relation:unbind") && has("customer:u"), "{record}: {:?}", event.related_ids);
    }
}

#[test]
fn amounts_are_exact_and_dates_are_days_in_china() {
    let event = decoded(r#"{"id":"1","operation_type":1,"coupon_id":"c","operation_amount":0.1,"operation_time":"2026-03-01"}"#);
    assert_eq!(event.amount.map(|amount| amount.to_string()).as_deref(), Some("0.10"));
    assert_eq!(event.time.to_string(), "2026-02-28T16:00:00.000Z");
    refused(r#"{"operation_type":"1","coupon_id":"c","operation_amount":1e999999,"operation_time":"2026-03-01"}"#, "amount");
    refused(r#"{"operation_type":"77","coupon_id":"c","operation_time":"2026-03-01"}"#, "77");
}

#[test]
fn hostile_records_are_refused_with_a_reason_or_taken_whole() {
    refused("", "not a JSON object");
    refused("nonsense", "not a JSON object");
    refused("[]", "not a JSON object");
    refused(&"[".repeat(1_000_000), "nested deeper than 64");
    refused(r#"{"a":1}"#, "no decoder knows");
    refused(r#"{"trace_name":"x","time":"yesterday"}"#, "time");
    refused(r#"{"trace_name":"x","time":1,"time":2}"#, "duplicate field");
    let half = decoded(r#"{"trace_name":"x\ud800","time":1700000000000,"request":"\ud800"}"#);
    assert_eq!(half.text(Field::EventName), Some("x\\ud800"));
    let many: String = (0..100_000).map(|key| format!("\"k{key}\":{key},")).collect();
    decoded(&format!("{{{many}\"trace_name\":\"x\",\"time\":1700000000000}}"));
    decoded(r#"{"trace_name":"x","time":1700000000000,"request":{"n":1e999999,"a":1,"a":2}}"#);
    for year in ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"] {
        decoded(&format!(r#"{{"trace_name":"x","time":"{year}"}}"#));
    }
}

#[test]
fn paths_reach_into_records() {
    let record = r#"{"a":{"b":[{"c":7},{"c":"x"}]},"d":true}"#;
    assert_eq!(text_at(record, "a.b.1.c").as_deref(), Some("x"));
    assert_eq!(text_at(record, "a.b.0.c").as_deref(), Some("7"));
    assert_eq!(text_at(record, "d").as_deref(), Some("true"));
    assert_eq!(text_at(record, "a.b"), None);
    assert_eq!(text_at(record, "a.b.2.c"), None);
}

proptest! {
    #[test]
    fn no_text_makes_a_decoder_panic(text in "\\PC{0,200}") {
        for format in Format::ALL {
            let _ = decode(&text, Some(*format));
        }
        let _ = (decode(&text, None), text_at(&text, "a.b"));
    }

    #[test]
    fn no_damage_makes_a_decoder_panic(cut in 0_usize..300, place in 0_usize..300, letter in any::<char>()) {
        let mut letters: Vec<char> = CTS.chars().collect();
        if let Some(place) = letters.get_mut(place) {
            *place = letter;
        }
        letters.truncate(cut.max(1));
        let text: String = letters.into_iter().collect();
        let _ = decode(&text, None);
        let _ = decode(&text, Some(Format::Cts));
    }
}
