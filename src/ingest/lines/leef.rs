//! Log Event Extended Format of IBM QRadar (LEEF 1.0 and 2.0):
//! `LEEF:1.0|Vendor|Product|Version|EventID|key=value<tab>key=value`. LEEF 2.0 may name another
//! separator in a sixth field, as a character or as the hexadecimal number of one.
//!
//! The predefined attributes that have a meaning in ECS are translated; all attributes are kept
//! under `leef.attributes`. The format has no field for the action, so the id of the event is both
//! the action and the code. Tabs do not survive every transport: rsyslog writes them as `#011`, and
//! what people paste has blanks, so both are accepted where no tab is.

use super::ecs_object::{EcsObject, LineContext, is_address, level_of_ten, outcome_of};
use super::fields::{behind_head, blank_separated, header_fields, separated_by};
use super::syslog_header::SyslogHeader;
use super::{java_dates, times};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

/// Attributes that mean the same as a field of ECS; the first one that has a value sets the field.
const TEXTS: [(&str, &[&str]); 12] = [
    ("event.category", &["cat"]),
    ("message", &["msg"]),
    ("user.name", &["usrName", "accountName", "suser"]),
    ("user.domain", &["domain"]),
    ("user.roles", &["role"]),
    ("user.target.name", &["duser"]),
    ("resource.name", &["resource"]),
    ("rule.name", &["policy"]),
    ("url.full", &["url"]),
    ("network.transport", &["proto"]),
    ("host.name", &["dvchost", "devName", "dvc"]),
    ("user.group.name", &["groupID"]),
];
const PORTS: [(&str, &str); 2] = [("source.port", "srcPort"), ("destination.port", "dstPort")];
/// What tabs have become in lines that contain none.
const FORMER_TABS: [&str; 3] = ["#011", "\\0x09", "<009>"];

/// The attributes of a line.
struct LeefAttributes {
    values: Map<String, Value>,
}

impl LeefAttributes {
    fn of(text: &str, separator: Option<char>) -> Self {
        let pairs = match separator {
            Some(separator) => separated_by(text, separator.encode_utf8(&mut [0; 4])),
            None if text.contains('\t') => separated_by(text, "\t"),
            None => match FORMER_TABS.iter().find(|former| text.contains(*former)) {
                Some(former) => separated_by(text, former),
                None => blank_separated(text),
            },
        };
        let mut values = Map::new();
        for (key, value) in pairs {
            values.entry(key).or_insert_with(|| Value::from(value));
        }
        Self { values }
    }

    /// Returns the text of the first of these attributes that has one.
    fn text(&self, keys: &[&str]) -> Option<&str> {
        let value = |key: &&str| self.values.get(*key)?.as_str();
        keys.iter().filter_map(value).find(|text| !text.is_empty())
    }

    fn address(&self, keys: &[&str]) -> Option<&str> {
        let value = |key: &&str| self.values.get(*key)?.as_str();
        keys.iter().filter_map(value).find(|text| is_address(text))
    }

    fn time(&self, now_ms: i64) -> Option<DateTime<Utc>> {
        let time = self.text(&["devTime"])?;
        let by_pattern = self
            .text(&["devTimeFormat"])
            .and_then(|form| java_dates::of_pattern(form, time, now_ms));
        by_pattern.or_else(|| times::of_text(time, now_ms))
    }
}

/// Returns the part of a line that is in this format, if its head is of no known form.
pub(super) fn embedded(line: &str) -> Option<&str> {
    behind_head(line, &["LEEF:1.0|", "LEEF:2.0|", "LEEF:1|", "LEEF:2|"])
}

/// Reads a message in this format.
pub(super) fn read(
    message: &str,
    header: &SyslogHeader<'_>,
    line: &LineContext<'_>,
) -> Option<Value> {
    let text = message.trim_start().strip_prefix("LEEF:")?.trim_start();
    let (fields, rest) = header_fields(text, 5)?;
    let [version, vendor, product, product_version, event_id] =
        <[String; 5]>::try_from(fields).ok()?;
    let (separator, attributes) = match version.as_str() {
        "1.0" | "1" => (None, rest),
        "2.0" | "2" => separator_field(rest),
        _ => return None,
    };
    let attributes = LeefAttributes::of(attributes, separator);
    let mut object = EcsObject::of(line.original);
    object.set_text("event.action", Some(&event_id));
    let outcome = attributes.text(&["outcome", "result", "status"]).and_then(outcome_of);
    object.set_text("event.outcome", outcome);
    object.set_text("event.code", Some(&event_id));
    object.set_text("event.provider", Some(format!("{vendor} {product}").trim()));
    object.set_time(attributes.time(line.now_ms).or(header.time));
    object.set_text("log.level", attributes.text(&["sev"]).and_then(level_of_ten));
    for (field, keys) in TEXTS {
        object.set_text(field, attributes.text(keys));
    }
    for (field, key) in PORTS {
        if let Some(port) = attributes.text(&[key]).and_then(|text| text.parse::<u16>().ok()) {
            object.set(field, port);
        }
    }
    object.set_text("source.ip", attributes.address(&["src", "identSrc"]));
    object.set_text("source.address", attributes.text(&["src"]));
    object.set_text("destination.ip", attributes.address(&["dst"]));
    object.set_text("destination.address", attributes.text(&["dst"]));
    header.put_origin(&mut object);
    for (key, value) in [
        ("version", version),
        ("vendor", vendor),
        ("product", product),
        ("product_version", product_version),
    ] {
        object.place(&["leef", key], Value::from(value));
    }
    object.place(&["leef", "attributes"], Value::Object(attributes.values));
    Some(object.into_value())
}

/// Splits off the field that names the separator. Lines that lack it begin with an attribute.
fn separator_field(text: &str) -> (Option<char>, &str) {
    let Some((field, attributes)) = text.split_once('|') else { return (None, text) };
    let mut characters = field.chars();
    match (characters.next(), characters.next()) {
        (None, _) => (None, attributes),
        (Some(separator), None) => (Some(separator), attributes),
        _ => {
            let digits = field.strip_prefix("0x").or(field.strip_prefix('x'));
            let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
            match number.and_then(char::from_u32) {
                Some(separator) => (Some(separator), attributes),
                None => (None, text),
            }
        }
    }
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
    fn a_line_of_version_one() {
        let line = "Jan 18 11:07:53 192.168.1.1 LEEF:1.0|Microsoft|MSExchange|2016|15345|\
                    src=10.50.1.1\tdst=2.10.20.20\tsrcPort=1200\tsev=5\tcat=Logon\t\
                    usrName=joe black";
        let expected = json!({
            "event": {
                "original": line,
                "action": "15345",
                "code": "15345",
                "provider": "Microsoft MSExchange",
                "category": "Logon"
            },
            "@timestamp": "2026-01-18T11:07:53.000Z",
            "log": {"level": "warning"},
            "user": {"name": "joe black"},
            "source": {"port": 1200, "ip": "10.50.1.1", "address": "10.50.1.1"},
            "destination": {"ip": "2.10.20.20", "address": "2.10.20.20"},
            "host": {"name": "192.168.1.1"},
            "leef": {
                "version": "1.0",
                "vendor": "Microsoft",
                "product": "MSExchange",
                "product_version": "2016",
                "attributes": {
                    "src": "10.50.1.1",
                    "dst": "2.10.20.20",
                    "srcPort": "1200",
                    "sev": "5",
                    "cat": "Logon",
                    "usrName": "joe black"
                }
            }
        });
        assert_eq!(read(line), expected);
    }

    #[test]
    fn separators_of_version_two() {
        for (field, separator) in [
            ("^|", "^"),
            ("x5E|", "^"),
            ("0x5E|", "^"),
            ("0x5e|", "^"),
            ("x09|", "\t"),
            ("\t|", "\t"),
            ("|", "\t"),
            ("", "\t"),
            ("¦|", "¦"),
            ("x7c|", "|"),
        ] {
            let line = format!(
                "LEEF:2.0|ABC Company|SystemDefender|1.13|console_login|{field}\
                 devTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ{separator}\
                 devTime=2017-10-18T11:26:03.060+0200{separator}usrName=flastname{separator}\
                 name=Firstname Lastname{separator}src=192.168.0.1{separator}sev=9"
            );
            let object = read(&line);
            assert_eq!(object["event"]["action"], "console_login", "{line}");
            assert_eq!(object["@timestamp"], "2017-10-18T09:26:03.060Z", "{line}");
            assert_eq!(object["user"]["name"], "flastname", "{line}");
            assert_eq!(object["leef"]["attributes"]["name"], "Firstname Lastname", "{line}");
            assert_eq!(object["source"]["ip"], "192.168.0.1", "{line}");
            assert_eq!(object["log"]["level"], "critical", "{line}");
        }
    }

    #[test]
    fn times_with_and_without_a_pattern() {
        for (time, expected) in [
            ("devTime=1783085000000", json!("2026-07-03T13:23:20.000Z")),
            ("devTime=Apr 13 2015 06:52:00 GMT+00:00", json!("2015-04-13T06:52:00.000Z")),
            (
                "devTime=06/06/2016 10:00:00 EST\tdevTimeFormat=MM/dd/yyyy HH:mm:ss z",
                json!("2016-06-06T15:00:00.000Z"),
            ),
            ("devTime=1783085000000\tdevTimeFormat=epoch", json!("2026-07-03T13:23:20.000Z")),
            ("devTime=yesterday\tdevTimeFormat=yyyy", Value::Null),
        ] {
            let line = format!("LEEF:1.0|v|p|1|e|{time}\tsev=1");
            assert_eq!(read(&line)["@timestamp"], expected, "{line}");
        }
    }

    #[test]
    fn tabs_that_were_lost() {
        for separator in ["#011", "\\0x09", "<009>", " "] {
            let line = format!(
                "<13>May 15 16:00:47 localhost LEEF:1.0|Trend Micro|Discovery|2.5|SYSTEM_EVENT|\
                 sev=3{separator}msg=Logout: 'admin' logged off{separator}dvchost=internal"
            );
            let object = read(&line);
            assert_eq!(object["message"], "Logout: 'admin' logged off", "{line}");
            assert_eq!(object["host"]["name"], "internal", "{line}");
        }
    }

    #[test]
    fn attributes_with_a_meaning() {
        let line = "LEEF:2.0|v|p|1|é|^|resource=db1^policy=p 1^identSrc=10.1.1.1^domain=corp^\
                    url=http://x?a=b^result=FAIL";
        let object = read(line);
        assert_eq!(object["resource"]["name"], "db1");
        assert_eq!(object["rule"]["name"], "p 1");
        assert_eq!(object["source"], json!({"ip": "10.1.1.1"}));
        assert_eq!(object["user"]["domain"], "corp");
        assert_eq!(object["url"]["full"], "http://x?a=b");
        assert_eq!(object["event"]["outcome"], "failure");
    }

    #[test]
    fn other_versions_and_short_headers_are_nothing() {
        for line in ["LEEF:3.0|a|b|c|d|x=1", "LEEF:1.0|a|b|c", "LEEF:", "LEEF|1.0|a|b|c|d|"] {
            assert!(read_line(line, NOW_MS).is_none(), "{line}");
        }
        assert_eq!(read("LEEF:1.0|a|b|c|d|")["event"]["action"], "d");
        assert_eq!(read("LEEF: 1.0|a|b|c|d")["event"]["code"], "d");
    }
}
