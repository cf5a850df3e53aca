//! Lines of containers as the Container Runtime Interface of Kubernetes has them written to disk:
//! `2016-10-06T00:17:09.669794202Z stdout F text`.
//!
//! What the program wrote is the record if it is JSON. Otherwise it is the message of an object. A
//! line that was too long is written in parts, all of which have the tag `P` but the last; whoever
//! reads the file joins them with line feeds between, because a line cannot know its neighbours.

use super::ecs_object::{EcsObject, LineContext};
use super::text_cursor::TextCursor;
use super::{LineContent, carried_json, times};
use chrono::{DateTime, Utc};
use std::borrow::Cow;

/// A line of a container, which may be a part of what the program wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ingest) struct ContainerLine<'a> {
    /// What stands before the text.
    head: &'a str,
    /// Where the program wrote it: `stdout` or `stderr`.
    pub(in crate::ingest) stream: &'a str,
    /// Whether it goes on in another line.
    pub(in crate::ingest) is_partial: bool,
    pub(in crate::ingest) time: DateTime<Utc>,
    pub(in crate::ingest) message: &'a str,
}

impl<'a> ContainerLine<'a> {
    /// Reads one line, without its line feed.
    pub(in crate::ingest) fn of(line: &'a str) -> Option<Self> {
        let mut cursor = TextCursor::new(line);
        let time = times::rfc3339(&mut cursor)?;
        cursor.skip(" ")?;
        let stream = cursor.word().filter(|word| matches!(*word, "stdout" | "stderr"))?;
        // Other tags may follow the first one after a colon.
        let tags = cursor.word()?;
        let is_partial = match tags.split(':').next() {
            Some("F") => false,
            Some("P") => true,
            _ => return None,
        };
        let message = cursor.rest;
        let head = line[..line.len() - message.len()].trim_end();
        Some(Self { head, stream, is_partial, time, message })
    }
}

/// Returns the lines that a text is, all of one stream; `None` if it is anything else.
fn lines_of(text: &str) -> Option<Vec<ContainerLine<'_>>> {
    let mut lines: Vec<ContainerLine<'_>> = Vec::new();
    for line in text.split('\n') {
        let line = ContainerLine::of(line)?;
        let fits = |last: &ContainerLine<'_>| last.is_partial && last.stream == line.stream;
        if !lines.last().is_none_or(fits) {
            return None;
        }
        lines.push(line);
    }
    Some(lines)
}

/// Returns the heads of lines whose texts were joined.
pub(super) fn heads(text: &str) -> Option<String> {
    let lines = lines_of(text)?;
    Some(lines.iter().map(|line| line.head).collect::<Vec<_>>().join("\n"))
}

/// Reads a line of a container, or the parts of one.
pub(super) fn read<'a>(body: &'a str, line: &LineContext<'_>) -> Option<LineContent<'a>> {
    let lines = lines_of(body)?;
    let (first, last) = (lines.first()?, lines.last()?);
    let message: Cow<'a, str> = match lines.as_slice() {
        [line] => line.message.into(),
        lines => lines.iter().map(|line| line.message).collect::<String>().into(),
    };
    if message.trim().is_empty() {
        return None;
    }
    let mut object = EcsObject::of(line.original);
    object.set_time(Some(first.time));
    object.set("message", message.as_ref());
    object.set("stream", first.stream);
    if last.is_partial {
        object.set("log.flags", vec!["partial"]);
    }
    let object = object.into_value();
    let json = match message {
        Cow::Borrowed(message) => carried_json(message).map(Cow::Borrowed),
        Cow::Owned(message) => carried_json(&message).map(|json| Cow::Owned(json.to_owned())),
    };
    Some(match json {
        Some(json) => LineContent::Carrier(json, object),
        None => LineContent::Object(object),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{LineContent, read as read_line, with_head};
    use serde_json::{Value, json};

    fn object(line: &str) -> Value {
        match read_line(line, 0) {
            Some(LineContent::Object(object)) => object,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn text_becomes_a_message() {
        let line = "2016-10-06T00:17:09.669794202Z stdout F log content 1";
        let expected = json!({
            "event": {"original": line},
            "@timestamp": "2016-10-06T00:17:09.669794202Z",
            "message": "log content 1",
            "stream": "stdout"
        });
        assert_eq!(object(line), expected);
        let line = "2016-10-06T00:17:10.113242941Z stderr P größe 漢";
        let expected = json!({
            "event": {"original": line},
            "@timestamp": "2016-10-06T00:17:10.113242941Z",
            "message": "größe 漢",
            "stream": "stderr",
            "log": {"flags": ["partial"]}
        });
        assert_eq!(object(line), expected);
    }

    #[test]
    fn the_head_may_vary() {
        for (line, time, message) in [
            ("2016-10-06T08:17:09+08:00 stdout F a", "2016-10-06T00:17:09.000Z", "a"),
            ("2016-10-06T00:17:09.1Z stdout F:x a", "2016-10-06T00:17:09.100Z", "a"),
            ("2016-10-06T00:17:09Z stdout F   a ", "2016-10-06T00:17:09.000Z", "  a "),
            ("2016-10-06T00:17:09Z stdout F {\"a\":", "2016-10-06T00:17:09.000Z", "{\"a\":"),
            ("2016-10-06T00:17:09Z stdout F [1]", "2016-10-06T00:17:09.000Z", "[1]"),
        ] {
            let object = object(line);
            assert_eq!(object["@timestamp"], time, "{line}");
            assert_eq!(object["message"], message, "{line}");
        }
    }

    #[test]
    fn json_is_carried() {
        let line = "2016-10-06T00:17:09.669794202Z stdout F  {\"a\":\"é\"} \n";
        let Some(LineContent::Carrier(json, _)) = read_line(line, 0) else { panic!("carried") };
        assert_eq!(json, "{\"a\":\"é\"}");
    }

    #[test]
    fn other_lines() {
        for line in [
            "2016-10-06T00:17:09.669794202Z stdout F",
            "2016-10-06T00:17:09.669794202Z stdout F  ",
            "2016-10-06T00:17:09.669794202Z stdout X a",
            "2016-10-06T00:17:09.669794202Z stdin F a",
            "2016-10-06T00:17:09.669794202 stdout F a",
            "2016-13-06T00:17:09.669794202Z stdout F a",
            "2016-10-06T00:17:09é stdout F a",
        ] {
            assert!(read_line(line, 0).is_none(), "{line}");
        }
    }

    #[test]
    fn parts_are_one_text() {
        let lines = "2016-10-06T00:17:09.1Z stdout P größ\n2016-10-06T00:17:09.2Z stdout P e \n\
                     2016-10-06T00:17:09.3Z stdout F 漢";
        let expected = json!({
            "event": {"original": lines},
            "@timestamp": "2016-10-06T00:17:09.100Z",
            "message": "größe 漢",
            "stream": "stdout"
        });
        assert_eq!(object(lines), expected);
        let lines = "2016-10-06T00:17:09.1Z stdout P {\"a\":\"x \n\
                     2016-10-06T00:17:09.2Z stdout P y\"}\n2016-10-06T00:17:09.2Z stdout F\n";
        let Some(LineContent::Carrier(json, object)) = read_line(lines, 0) else { panic!("JSON") };
        assert_eq!(json, "{\"a\":\"x y\"}");
        let expected = "{\"a\":\"x y\",\"line_head\":\"2016-10-06T00:17:09.1Z stdout P\\n\
                        2016-10-06T00:17:09.2Z stdout P\\n2016-10-06T00:17:09.2Z stdout F\"}";
        assert_eq!(with_head(&json, lines, &object, &[]), expected);
    }

    #[test]
    fn lines_that_are_no_parts_of_one_text() {
        let part = "2016-10-06T00:17:09.1Z stdout P a";
        for other in ["x", "", "2016-10-06T00:17:09Z stderr F b"] {
            assert!(read_line(&format!("{part}\n{other}\n{part}"), 0).is_none(), "{other}");
        }
        let whole = part.replace('P', "F");
        assert!(read_line(&format!("{whole}\n{part}"), 0).is_none());
    }
}
