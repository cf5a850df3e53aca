//! The head of a syslog line: what RFC 5424 and RFC 3164 have in common, as ECS names it.
//!
//! Both formats fill the same structure, and formats that travel as the message of a syslog line
//! take from it what their own message lacks. A bare line has an empty head.

use super::ecs_object::EcsObject;
use super::text_cursor::TextCursor;
use chrono::{DateTime, Utc};
use serde_json::Value;

/// The names of the severities of RFC 5424, section 6.2.1.
const SEVERITIES: [&str; 8] =
    ["emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug"];
/// The highest priority: facility 23, severity 7.
const PRIORITY_MAX: u32 = 191;

/// A parameter of the structured data of RFC 5424.
#[derive(Debug)]
pub(super) struct StructuredParameter<'a> {
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) value: String,
}

/// What stands before the message.
#[derive(Debug, Default)]
pub(super) struct SyslogHeader<'a> {
    pub(super) priority: Option<u32>,
    pub(super) time: Option<DateTime<Utc>>,
    pub(super) host: Option<&'a str>,
    /// The tag of RFC 3164, the app-name of RFC 5424.
    pub(super) program: Option<&'a str>,
    pub(super) process_id: Option<&'a str>,
    pub(super) message_id: Option<&'a str>,
    pub(super) parameters: Vec<StructuredParameter<'a>>,
    pub(super) message: &'a str,
}

impl SyslogHeader<'_> {
    /// Sets where the line comes from and what structured data it has.
    pub(super) fn put_origin(&self, object: &mut EcsObject) {
        object.set_text("host.name", self.host);
        if let Some(priority) = self.priority {
            object.set("log.syslog.severity.code", priority % 8);
            object.set("log.syslog.facility.code", priority / 8);
        }
        for StructuredParameter { id, name, value } in &self.parameters {
            let path = ["log", "syslog", "structured_data", id, name];
            object.place(&path, Value::from(value.as_str()));
        }
    }

    /// Sets which program wrote the line.
    pub(super) fn put_program(&self, object: &mut EcsObject) {
        object.set_text("service.name", self.program);
        object.set_text("process.name", self.program);
        match self.process_id.map(str::parse::<u32>) {
            Some(Ok(number)) => object.set("process.pid", number),
            // RFC 5424 allows any text.
            Some(Err(_)) => object.set_text("log.syslog.procid", self.process_id),
            None => {}
        }
    }

    /// Returns the name of the severity.
    pub(super) fn level(&self) -> Option<&'static str> {
        severity_name(self.priority? % 8)
    }
}

/// Returns the name of a severity from 0 to 7.
pub(super) fn severity_name(code: u32) -> Option<&'static str> {
    SEVERITIES.get(usize::try_from(code).ok()?).copied()
}

/// Reads `<34>`.
pub(super) fn priority(cursor: &mut TextCursor<'_>) -> Option<u32> {
    let mut ahead = *cursor;
    ahead.skip("<")?;
    let priority = ahead.number(1, 3).filter(|priority| *priority <= PRIORITY_MAX)?;
    ahead.skip(">")?;
    *cursor = ahead;
    Some(priority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities() {
        for (text, expected) in [
            ("<34>x", Some(34)),
            ("<0>", Some(0)),
            ("<191>", Some(191)),
            ("<192>", None),
            ("<>", None),
            ("<1234>", None),
            ("<é>", None),
            ("34>", None),
        ] {
            assert_eq!(priority(&mut TextCursor::new(text)), expected, "{text}");
        }
    }

    #[test]
    fn a_process_id_that_is_no_number_is_kept_as_text() {
        let header = SyslogHeader { process_id: Some("web.3"), ..SyslogHeader::default() };
        let mut object = EcsObject::of("");
        header.put_program(&mut object);
        let expected = r#"{"event":{"original":""},"log":{"syslog":{"procid":"web.3"}}}"#;
        assert_eq!(object.into_value().to_string(), expected);
    }
}
