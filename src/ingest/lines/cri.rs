//! Lines of containers as the Container Runtime Interface of Kubernetes has them written to disk:
//! `2016-10-06T00:17:09.669794202Z stdout F text`.
//!
//! What the program wrote is the record if it is JSON. Otherwise it is the message of an object. A
//! line that was too long is written in parts that have the tag `P`; the parts stay apart, because
//! a line cannot know its neighbours.

use super::ecs_object::{EcsObject, LineContext};
use super::text_cursor::TextCursor;
use super::{LineContent, carried_json, times};

/// Reads a line of a container.
pub(super) fn read<'a>(body: &'a str, line: &LineContext<'_>) -> Option<LineContent<'a>> {
    let mut cursor = TextCursor::new(body);
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
    if message.trim().is_empty() {
        return None;
    }
    let mut object = EcsObject::of(line.original);
    object.set_time(Some(time));
    object.set("message", message);
    object.set("stream", stream);
    if is_partial {
        object.set("log.flags", vec!["partial"]);
    }
    let object = object.into_value();
    Some(match carried_json(message) {
        Some(json) => LineContent::Carrier(json, object),
        None => LineContent::Object(object),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{LineContent, read as read_line};
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
}
