//! What the network devices of Cisco add to syslog (Cisco IOS "System Message Logging", ASA
//! "Syslog Messages"): counters before the time, and the code that begins every message,
//! `%SYS-5-CONFIG_I: …` or `%ASA-6-305011: …`.
//!
//! The code names the part of the system, the severity and the message. It makes a better action
//! than a text would, and gives lines in files, which have no priority, their level.

use super::ecs_object::EcsObject;
use super::syslog_header::{SyslogHeader, severity_name};
use super::text_cursor::TextCursor;

/// The code of a message.
#[derive(Debug)]
pub(super) struct CiscoCode<'a> {
    whole: &'a str,
    part: &'a str,
    severity: u32,
    name: &'a str,
}

/// Moves over `29: ` and `29: host: ` before a time, and returns whether there was one, or the `*`
/// or `.` of a clock that is not set.
pub(super) fn counters<'a>(cursor: &mut TextCursor<'a>, header: &mut SyslogHeader<'a>) -> bool {
    let mut ahead = *cursor;
    ahead.blanks();
    if ahead.digits(10).is_none() || ahead.skip(": ").is_none() {
        return cursor.rest.starts_with(['*', '.']);
    }
    *cursor = ahead;
    let is_name = |found: char| found.is_ascii_alphanumeric() || matches!(found, '.' | '-' | '_');
    let host = ahead.take_while(is_name);
    if !host.is_empty() && ahead.skip(": ").is_some() {
        header.host = Some(host);
        *cursor = ahead;
    }
    true
}

/// Returns whether a message begins with a code.
pub(super) fn is_signed(message: &str) -> bool {
    code(message).is_some()
}

/// Returns the code that the message of a line begins with.
pub(super) fn mnemonic<'a>(header: &SyslogHeader<'a>) -> Option<CiscoCode<'a>> {
    code(header.message)
}

fn code(message: &str) -> Option<CiscoCode<'_>> {
    let (whole, _) = message.strip_prefix('%')?.split_once(':')?;
    let (above, name) = whole.rsplit_once('-')?;
    let (part, severity) = above.rsplit_once('-')?;
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let is_code = !part.is_empty() && !name.is_empty() && whole.bytes().all(is_part);
    let severity = severity.parse().ok().filter(|severity| is_code && *severity < 8)?;
    Some(CiscoCode { whole, part, severity, name })
}

impl CiscoCode<'_> {
    /// Sets the action and the part of the system.
    pub(super) fn put(&self, object: &mut EcsObject) {
        // The firewalls number their messages; a number alone says too little.
        let is_number = self.name.bytes().all(|byte| byte.is_ascii_digit());
        object.set("event.action", if is_number { self.whole } else { self.name });
        object.set("event.code", self.whole);
        object.set("service.name", self.part);
    }

    pub(super) fn level(&self) -> Option<&'static str> {
        severity_name(self.severity)
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
    fn a_line_of_a_router() {
        let line = "<189>29: *Mar  1 18:46:11.123: %SYS-5-CONFIG_I: Configured from console by \
                    vty2 (10.34.195.36)";
        let expected = json!({
            "event": {"original": line, "action": "CONFIG_I", "code": "SYS-5-CONFIG_I"},
            "service": {"name": "SYS"},
            "@timestamp": "2026-03-01T18:46:11.123Z",
            "log": {
                "level": "notice",
                "syslog": {"severity": {"code": 5}, "facility": {"code": 23}}
            },
            "message": "%SYS-5-CONFIG_I: Configured from console by vty2 (10.34.195.36)"
        });
        assert_eq!(read(line), expected);
    }

    #[test]
    fn heads_of_many_devices() {
        for (head, time, host) in [
            ("<189>29: r1: Mar  1 18:46:11: ", "2026-03-01T18:46:11.000Z", json!("r1")),
            ("<189>29: .Mar  1 18:46:11.5 CET: ", "2026-03-01T17:46:11.500Z", Value::Null),
            ("000123: *Mar  1 18:46:11.123: ", "2026-03-01T18:46:11.123Z", Value::Null),
            ("*Mar  1 18:46:11.123: ", "2026-03-01T18:46:11.123Z", Value::Null),
            ("<166>Oct 10 2018 12:34:56: ", "2018-10-10T12:34:56.000Z", Value::Null),
            ("<166>Oct 10 2018 12:34:56 fw : ", "2018-10-10T12:34:56.000Z", json!("fw")),
            ("<166>Oct 10 2018 12:34:56 10.1.1.1 ", "2018-10-10T12:34:56.000Z", json!("10.1.1.1")),
            ("Mar  1 18:46:11 PST: ", "2026-03-02T02:46:11.000Z", Value::Null),
            ("<189>2018 Mar 10 16:00:00 UTC: ", "2018-03-10T16:00:00.000Z", Value::Null),
        ] {
            let line = format!("{head}%ASA-6-305011: Built dynamic TCP translation é");
            let object = read(&line);
            assert_eq!(object["@timestamp"], time, "{head}");
            assert_eq!(object["host"]["name"], host, "{head}");
            assert_eq!(object["event"]["action"], "ASA-6-305011", "{head}");
            let level = if head.starts_with("<189>") { "notice" } else { "informational" };
            assert_eq!(object["log"]["level"], level, "{head}");
        }
    }

    #[test]
    fn without_a_priority_the_sign_must_be_there() {
        for line in [
            "000123: *Mar  1 18:46:11.123: Configured",
            "12: a list of things",
            "* a list of things",
            "*Mar  1 18:46:11.123: 50% done",
            ".hidden: x",
            "29: %SYS-5-CONFIG_I: no time",
        ] {
            assert!(read_line(line, NOW_MS).is_none(), "{line}");
        }
    }
}
