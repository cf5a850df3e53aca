//! The head of syslog lines of RFC 5424:
//! `<34>1 2003-10-11T22:14:15.003Z host app 7 ID47 [a b="c"] message`.
//!
//! Heroku and others leave out the structured data; their message then begins where it would be.
//! Structured data that is not well formed is left in the message, where nothing of it is lost. The
//! byte order mark that says that the message is UTF-8 is not part of the message.

use super::ecs_object::KEYS_MAX;
use super::syslog_header::{StructuredParameter, SyslogHeader, priority};
use super::text_cursor::TextCursor;
use super::times;

/// Reads the head of a line. `None` if it is of another form.
pub(super) fn read(body: &str) -> Option<SyslogHeader<'_>> {
    let mut cursor = TextCursor::new(body);
    let mut header = SyslogHeader { priority: Some(priority(&mut cursor)?), ..Default::default() };
    cursor.skip("1 ")?;
    if cursor.skip("-").is_none() {
        header.time = Some(times::rfc3339(&mut cursor)?);
    }
    cursor.skip(" ")?;
    header.host = value(cursor.word()?);
    let mut parts = [None; 3];
    for part in &mut parts {
        // QRadar's documents put LEEF behind the host.
        let rest = cursor.rest.trim_start();
        if rest.starts_with("LEEF:") || rest.starts_with("CEF:") {
            header.message = rest;
            return Some(header);
        }
        *part = value(cursor.word()?);
    }
    [header.program, header.process_id, header.message_id] = parts;
    if cursor.skip("-").is_none()
        && let Some(parameters) = structured_data(&mut cursor)
    {
        header.parameters = parameters;
    }
    let message = cursor.rest.strip_prefix(' ').unwrap_or(cursor.rest);
    header.message = message.strip_prefix('\u{feff}').unwrap_or(message);
    Some(header)
}

/// Returns a part of the head, unless it is the sign for "no value".
fn value(part: &str) -> Option<&str> {
    Some(part).filter(|part| *part != "-")
}

/// Reads `[id name="value" …][…]`; the cursor only moves if all of it is well formed.
fn structured_data<'a>(cursor: &mut TextCursor<'a>) -> Option<Vec<StructuredParameter<'a>>> {
    let mut ahead = *cursor;
    let mut parameters = Vec::new();
    while ahead.skip("[").is_some() {
        let id = ahead.take_while(is_name);
        if id.is_empty() {
            return None;
        }
        while ahead.skip("]").is_none() {
            ahead.gap()?;
            // Some writers leave a blank before the bracket.
            if ahead.rest.starts_with(']') {
                continue;
            }
            let name = ahead.take_while(is_name);
            ahead.skip("=\"")?;
            let value = quoted(&mut ahead)?;
            if parameters.len() < KEYS_MAX {
                parameters.push(StructuredParameter { id, name, value });
            }
        }
    }
    let is_whole = !parameters.is_empty() || ahead.rest.len() < cursor.rest.len();
    if !is_whole || !(ahead.rest.is_empty() || ahead.rest.starts_with(' ')) {
        return None;
    }
    *cursor = ahead;
    Some(parameters)
}

fn is_name(found: char) -> bool {
    found.is_ascii_graphic() && !matches!(found, '=' | ']' | '"')
}

/// Reads to the quote that ends a value. Only a quote, a backslash and a bracket can be escaped.
fn quoted(cursor: &mut TextCursor<'_>) -> Option<String> {
    let mut value = String::new();
    loop {
        value.push_str(cursor.take_while(|found| !matches!(found, '"' | '\\')));
        if cursor.skip("\"").is_some() {
            return Some(value);
        }
        cursor.skip("\\")?;
        match cursor.one_of(&['"', '\\', ']']) {
            Some(escaped) => value.push(escaped),
            None => value.push('\\'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LineContent, read as read_line};
    use serde_json::{Value, json};

    fn read(line: &str) -> Value {
        match read_line(line, 0) {
            Some(LineContent::Object(object)) => object,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn the_first_example_of_the_standard() {
        let line = "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \
                    \u{feff}'su root' failed for lonvick on /dev/pts/8";
        let expected = json!({
            "event": {"original": line, "action": "su", "outcome": "failure"},
            "user": {"name": "lonvick", "target": {"name": "root"}},
            "@timestamp": "2003-10-11T22:14:15.003Z",
            "log": {
                "level": "critical",
                "syslog": {"severity": {"code": 2}, "facility": {"code": 4}}
            },
            "host": {"name": "mymachine.example.com"},
            "service": {"name": "su"},
            "process": {"name": "su"},
            "message": "'su root' failed for lonvick on /dev/pts/8"
        });
        assert_eq!(read(line), expected);
    }

    #[test]
    fn the_third_example_of_the_standard() {
        let line = "<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 \
                    [exampleSDID@32473 iut=\"3\" eventSource=\"Application\" eventID=\"1011\"]\
                    [examplePriority@32473 class=\"high\"] \u{feff}An application event log entry";
        let expected = json!({
            "event": {"original": line, "action": "ID47"},
            "@timestamp": "2003-10-11T22:14:15.003Z",
            "log": {"level": "notice", "syslog": {
                "severity": {"code": 5},
                "facility": {"code": 20},
                "structured_data": {
                    "exampleSDID@32473":
                        {"iut": "3", "eventSource": "Application", "eventID": "1011"},
                    "examplePriority@32473": {"class": "high"}
                }
            }},
            "host": {"name": "mymachine.example.com"},
            "service": {"name": "evntslog"},
            "process": {"name": "evntslog"},
            "message": "An application event log entry"
        });
        assert_eq!(read(line), expected);
    }

    #[test]
    fn escapes_in_structured_data() {
        let line = r#"<165>1 2003-10-11T22:14:15Z h a 12 - [x@1 a="q\"b\\s\]e\n" b="漢 ]["] m"#;
        let data = &read(line)["log"]["syslog"]["structured_data"];
        assert_eq!(*data, json!({"x@1": {"a": r#"q"b\s]e\n"#, "b": "漢 ]["}}));
        assert_eq!(read(line)["process"]["pid"], 12);
    }

    #[test]
    fn the_times_of_the_standard() {
        for (time, expected) in [
            ("1985-04-12T23:20:50.52Z", "1985-04-12T23:20:50.520Z"),
            ("1985-04-12T19:20:50.52-04:00", "1985-04-12T23:20:50.520Z"),
            ("2003-08-24T05:14:15.000003-07:00", "2003-08-24T12:14:15.000003Z"),
        ] {
            assert_eq!(read(&format!("<0>1 {time} h a 1 - - m"))["@timestamp"], expected);
        }
    }

    #[test]
    fn parts_that_are_missing() {
        let object = read("<13>1 - - - - - -");
        assert_eq!(object.as_object().map(serde_json::Map::len), Some(2), "{object}");
        let heroku =
            "<40>1 2012-11-30T06:45:29+00:00 host app web.3 - State changed from up to down";
        let object = read(heroku);
        assert_eq!(object["message"], "State changed from up to down");
        assert_eq!(object["log"]["syslog"]["procid"], "web.3");
        assert_eq!(read("<13>1 - h a - - [x@1] [y] m")["message"], "[y] m");
        assert_eq!(read("<13>1 - h a - - [x@1 a=\"1\" ] m")["message"], "m");
    }

    #[test]
    fn broken_structured_data_stays_in_the_message() {
        for message in ["[x@1 a=\"1", "[x@1 a=1] m", "[] m", "[x@1 a=\"1\"]m", "[é b=\"1\"]", "[x"]
        {
            let object = read(&format!("<13>1 - h a - - {message}"));
            assert_eq!(object["message"], message);
            assert_eq!(object["log"]["syslog"].get("structured_data"), None);
        }
    }

    #[test]
    fn other_versions_and_broken_heads_are_nothing() {
        for line in [
            "<34>2 2003-10-11T22:14:15.003Z h a - - -",
            "<34>1 2003-10-11T22:14:15.003 h a - - -",
            "<34>1 2003-10-11T24:14:15.003Z h a - - -",
            "<34>1 2003-10-11T22:14:15.003Z h a -",
            "<999>1 2003-10-11T22:14:15.003Z h a - - -",
        ] {
            assert!(read_line(line, 0).is_none(), "{line}");
        }
    }
}
