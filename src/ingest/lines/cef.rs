//! Common Event Format of ArcSight, versions 0 and 1, bare or as the message of a syslog line:
//! `CEF:0|Vendor|Product|Version|Signature ID|Name|Severity|key=value …`.
//! Source: Micro Focus Security ArcSight Common Event Format, Implementation Standard.
//!
//! The keys of the extension dictionary that have a meaning in ECS are translated; all keys are
//! kept under `cef.extensions`. A custom field is two keys, `cs1=…` and `cs1Label=…`, and is also
//! kept by its label. `externalId` is no id of the event: firewalls put that of a session there.
//! The action is what the device did (`act`); most products leave it out, and then it is the name
//! of the event.

use super::ecs_object::{EcsObject, LineContext, is_address, level_of_ten, outcome_of};
use super::fields::{behind_head, blank_separated, header_fields, without_escapes};
use super::syslog_header::SyslogHeader;
use super::times;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

/// Keys that mean the same as a field of ECS; the first one that has a value sets the field.
const TEXTS: [(&str, &[&str]); 13] = [
    ("event.reason", &["reason"]),
    ("message", &["msg", "message"]),
    ("user.name", &["suser", "sourceUserName"]),
    ("user.id", &["suid", "sourceUserId"]),
    ("user.target.name", &["duser", "destinationUserName"]),
    ("user.target.id", &["duid", "destinationUserId"]),
    ("file.path", &["filePath", "fname", "fileName"]),
    ("file.hash.value", &["fileHash"]),
    ("url.full", &["request", "requestUrl"]),
    ("http.request.method", &["requestMethod"]),
    ("user_agent.original", &["requestClientApplication"]),
    ("process.name", &["sproc", "sourceProcessName"]),
    ("network.transport", &["proto", "transportProtocol"]),
];
const TIMES: [&str; 6] = ["rt", "deviceReceiptTime", "end", "endTime", "start", "startTime"];
const PORTS: [(&str, &[&str]); 2] =
    [("source.port", &["spt", "sourcePort"]), ("destination.port", &["dpt", "destinationPort"])];

/// The extension of a line: its keys and what they hold.
struct CefExtension {
    values: Map<String, Value>,
}

impl CefExtension {
    fn of(text: &str) -> Self {
        let mut values = Map::new();
        for (key, value) in blank_separated(text) {
            values.entry(key).or_insert_with(|| Value::from(without_escapes(value)));
        }
        Self { values }
    }

    /// Returns the text of the first of these keys that has one.
    fn text(&self, keys: &[&str]) -> Option<&str> {
        let value = |key: &&str| self.values.get(*key)?.as_str();
        keys.iter().filter_map(value).find(|text| !text.is_empty())
    }

    fn time(&self, now_ms: i64) -> Option<DateTime<Utc>> {
        TIMES.iter().find_map(|key| times::of_text(self.text(&[key])?, now_ms))
    }

    /// Returns the values of custom fields by their labels.
    fn labels(&self) -> Map<String, Value> {
        let labelled = |(key, label): (&String, &Value)| {
            let value = self.values.get(key.strip_suffix("Label")?)?;
            let label = label.as_str().filter(|label| !label.is_empty())?;
            Some((label.to_owned(), value.clone()))
        };
        self.values.iter().filter_map(labelled).collect()
    }
}

/// Returns the part of a line that is in this format, if its head is of no known form.
pub(super) fn embedded(line: &str) -> Option<&str> {
    behind_head(line, &["CEF:0|", "CEF: 0|", "CEF:1|"])
}

/// Reads a message in this format.
pub(super) fn read(
    message: &str,
    header: &SyslogHeader<'_>,
    line: &LineContext<'_>,
) -> Option<Value> {
    let text = message.trim_start().strip_prefix("CEF:")?.trim_start();
    let (fields, extension) = header_fields(text, 7)?;
    let [version, vendor, product, device_version, signature, name, severity] =
        <[String; 7]>::try_from(fields).ok()?;
    if version.is_empty() || !version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let extension = CefExtension::of(extension);
    let mut object = EcsObject::of(line.original);
    object.set_text("event.action", extension.text(&["act", "deviceAction"]).or(Some(&name)));
    let outcome = extension.text(&["outcome", "eventOutcome"]).and_then(outcome_of);
    object.set_text("event.outcome", outcome);
    object.set_text("event.code", Some(&signature));
    object.set_text("event.provider", Some(format!("{vendor} {product}").trim()));
    object.set_time(extension.time(line.now_ms).or(header.time));
    object.set_text("log.level", level_of_ten(&severity));
    let host = extension.text(&["dvchost", "deviceHostName", "dvc", "deviceAddress"]);
    object.set_text("host.name", host);
    put_translated(&extension, &mut object);
    header.put_origin(&mut object);
    for (key, value) in [
        ("version", version),
        ("vendor", vendor),
        ("product", product),
        ("device_version", device_version),
        ("name", name),
        ("severity", severity),
    ] {
        object.place(&["cef", key], Value::from(value));
    }
    let labels = extension.labels();
    if !labels.is_empty() {
        object.place(&["cef", "labels"], Value::Object(labels));
    }
    object.place(&["cef", "extensions"], Value::Object(extension.values));
    Some(object.into_value())
}

fn put_translated(extension: &CefExtension, object: &mut EcsObject) {
    for (field, keys) in TEXTS {
        object.set_text(field, extension.text(keys));
    }
    for (field, keys) in PORTS {
        if let Some(port) = extension.text(keys).and_then(|text| text.parse::<u16>().ok()) {
            object.set(field, port);
        }
    }
    // The version 6 addresses are custom fields whose numbers the dictionary fixes.
    let address = |keys: &[&str]| extension.text(keys).filter(|text| is_address(text));
    object.set_text("source.ip", address(&["src", "sourceAddress"]).or(address(&["c6a2"])));
    object.set_text("source.address", extension.text(&["src"]));
    object.set_text("source.domain", extension.text(&["shost", "sourceHostName"]));
    let destination = address(&["dst", "destinationAddress"]).or(address(&["c6a3"]));
    object.set_text("destination.ip", destination);
    let destination = extension.text(&["dst", "dhost", "destinationHostName"]);
    object.set_text("destination.address", destination);
}

#[cfg(test)]
mod tests {
    use super::super::{LineContent, read as read_line};
    use serde_json::{Value, json};

    /// 2026-11-29T02:00:00Z
    const NOW_MS: i64 = 1_795_917_600_000;

    fn read(line: &str) -> Value {
        match read_line(line, NOW_MS) {
            Some(LineContent::Object(object)) => object,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn the_example_of_the_standard() {
        let line = "Sep 19 08:26:10 host CEF:0|Security|threatmanager|1.0|100|worm successfully \
                    stopped|10|src=10.0.0.1 dst=2.1.2.2 spt=1232";
        let expected = json!({
            "event": {
                "original": line,
                "action": "worm successfully stopped",
                "code": "100",
                "provider": "Security threatmanager"
            },
            "@timestamp": "2026-09-19T08:26:10.000Z",
            "log": {"level": "critical"},
            "source": {"port": 1232, "ip": "10.0.0.1", "address": "10.0.0.1"},
            "destination": {"ip": "2.1.2.2", "address": "2.1.2.2"},
            "host": {"name": "host"},
            "cef": {
                "version": "0",
                "vendor": "Security",
                "product": "threatmanager",
                "device_version": "1.0",
                "name": "worm successfully stopped",
                "severity": "10",
                "extensions": {"src": "10.0.0.1", "dst": "2.1.2.2", "spt": "1232"}
            }
        });
        assert_eq!(read(line), expected);
    }

    #[test]
    fn a_line_of_an_analyzer() {
        let line = "CEF: 0|Trend Micro|Deep Discovery Analyzer|6.0.0.1119|300999|Log Settings: \
                    Settings modified by 'admin' from 10.204.1.2|3|rt=Nov 07 2017 10:05:58 \
                    GMT+00:00 dvc=10.204.1.1 dvchost=DDAN dvcmac=00:0C:29:2F:3B:6B \
                    cs1Label=eventType cs1=System Setting duser=admin src=10.204.1.2 \
                    outcome=Success";
        let object = read(line);
        assert_eq!(object["@timestamp"], "2017-11-07T10:05:58.000Z");
        assert_eq!(object["event"]["outcome"], "success");
        assert_eq!(object["event"]["code"], "300999");
        assert_eq!(object["user"], json!({"target": {"name": "admin"}}));
        assert_eq!(object["host"]["name"], "DDAN");
        assert_eq!(object["log"]["level"], "info");
        assert_eq!(object["cef"]["labels"], json!({"eventType": "System Setting"}));
        assert_eq!(object["cef"]["extensions"]["cs1"], "System Setting");
    }

    #[test]
    fn escapes_in_the_header_and_in_the_extension() {
        let head = r"CEF:0|security|threatmanager|1.0|100|detected a \| in message \\|10|";
        let extension =
            r"src=10.0.0.1 act=blocked a | and a \= dst=1.1.1.1 msg=one\ntwo fname=C:\\a\b";
        let line = format!("{head}{extension}");
        let object = read(&line);
        assert_eq!(object["cef"]["name"], r"detected a | in message \");
        assert_eq!(object["event"]["action"], "blocked a | and a =");
        assert_eq!(object["message"], "one\ntwo");
        assert_eq!(object["file"]["path"], r"C:\a\b");
        assert_eq!(object["event"]["original"], line);
    }

    #[test]
    fn the_time_is_the_best_one_of_the_line() {
        for (head, extension, expected) in [
            ("", "rt=1364481363243 end=1", json!("2013-03-28T14:36:03.243Z")),
            ("", "end=1364481363243 start=1364481360000", json!("2013-03-28T14:36:03.243Z")),
            ("", "start=Apr 16 2018 10:35:09.123 PDT", json!("2018-04-16T17:35:09.123Z")),
            ("", "rt=2018-06-28 03:22:31", json!("2018-06-28T03:22:31.000Z")),
            // A zone that nobody knows makes the time useless.
            (
                "<14>Sep 19 08:26:10 h ",
                "rt=Apr 16 2018 10:35:09 QQQ",
                json!("2026-09-19T08:26:10.000Z"),
            ),
            ("<14>1 2026-09-19T08:26:10Z h a - - - ", "", json!("2026-09-19T08:26:10.000Z")),
            ("", "rt= x=1", Value::Null),
        ] {
            let line = format!("{head}CEF:0|v|p|1|2|n|Low|{extension}");
            assert_eq!(read(&line)["@timestamp"], expected, "{line}");
        }
    }

    #[test]
    fn levels_and_outcomes() {
        for (severity, level) in
            [("0", "info"), ("5", "warning"), ("High", "error"), ("Very-High", "critical")]
        {
            let object = read(&format!("CEF:0|v|p|1|2|n|{severity}|outcome=failed"));
            assert_eq!(object["log"]["level"], level);
            assert_eq!(object["event"]["outcome"], "failure");
        }
        assert_eq!(read("CEF:0|v|p|1|2|n|Unknown|").get("log"), None);
    }

    #[test]
    fn behind_heads_of_many_forms() {
        for head in [
            "",
            "<134>",
            "<134>Oct 11 22:14:15 fw01 ",
            "Oct 11 22:14:15 fw01 agent[12]: ",
            "<134>1 2026-10-11T22:14:15Z fw01 agent 1 - - \u{feff}",
            "2026-10-11T22:14:15+00:00 fw01 ",
            "2026-10-11 22:14:15 unusual head ",
        ] {
            let line = format!("{head}CEF:0|v|p|1|2|naïve 名|5|suser=Zoë suid=7");
            let object = read(&line);
            assert_eq!(object["event"]["action"], "naïve 名", "{line}");
            assert_eq!(object["user"], json!({"name": "Zoë", "id": "7"}), "{line}");
            if head.contains("fw01") {
                assert_eq!(object["host"]["name"], "fw01", "{line}");
                assert_eq!(object["@timestamp"], "2026-10-11T22:14:15.000Z", "{line}");
            }
        }
    }

    #[test]
    fn other_addresses() {
        let object = read("CEF:0|v|p|1|2|n|5|c6a2=2620:0101:4002:0401::131 src=IPV4 dhost=d");
        assert_eq!(object["source"]["ip"], "2620:0101:4002:0401::131");
        assert_eq!(object["source"]["address"], "IPV4");
        assert_eq!(object["destination"], json!({"address": "d"}));
    }

    #[test]
    fn a_header_that_is_too_short_is_another_thing() {
        for line in
            ["CEF:0|v|p|1|2|n", "CEF:", "CEF:x|v|p|1|2|n|5|", "CEF is a format", "CEF:|||||||"]
        {
            assert!(read_line(line, NOW_MS).is_none(), "{line}");
        }
        // A header without an extension is a complete one.
        assert_eq!(
            read("CEF:0|Red Hat|RHEL|8.0.0|100|SSH login|5")["event"]["action"],
            "SSH login"
        );
    }
}
