//! The head of syslog lines as RFC 3164 describes them, `<34>Oct 11 22:14:15 host tag[7]: `, and as
//! programs really write them.
//!
//! Files have no priority; rsyslog's default file format has a time of RFC 3339; Cisco's devices
//! add a counter, `*` or `.` for a clock that is not set, a year or a zone; local programs leave
//! out time and host. The less of a head is there, the more is asked of the rest, so that a line of
//! some other text is not taken for syslog.

use super::cisco;
use super::ecs_object::is_address;
use super::syslog_header::{SyslogHeader, priority};
use super::text_cursor::TextCursor;
use super::times;

/// Words in the place of a host by which the logs of programs differ from syslog.
const LEVELS: [&str; 16] = [
    "trace",
    "debug",
    "info",
    "information",
    "notice",
    "warn",
    "warning",
    "error",
    "err",
    "crit",
    "critical",
    "fatal",
    "severe",
    "alert",
    "emerg",
    "fine",
];
/// What the messages of formats with a reader of their own begin with.
const PAYLOADS: [&str; 3] = ["CEF:", "LEEF:", "@cee:"];
/// No host and no tag is longer, in bytes.
const NAME_MAX: usize = 255;

/// Reads the head of a line. `None` if it is of another form.
pub(super) fn read(body: &str, now_ms: i64) -> Option<SyslogHeader<'_>> {
    let mut cursor = TextCursor::new(body);
    let mut header = SyslogHeader { priority: priority(&mut cursor), ..Default::default() };
    if cisco::counters(&mut cursor, &mut header) && header.priority.is_none() {
        // Without a priority only the sign of the message tells these from other text.
        cisco_time(&mut cursor, &mut header, now_ms)?;
        cursor.rest = cursor.rest.trim_start_matches([':', ' ']);
        return cisco::is_signed(cursor.rest).then(|| finished(header, cursor.rest));
    }
    let mut ahead = cursor;
    if times::year_first(&mut ahead).is_some() {
        return with_full_time(cursor, header, now_ms);
    }
    let time = cisco_time(&mut cursor, &mut header, now_ms);
    if time.is_none() {
        header.priority?;
        if tag(&mut cursor, &mut header).is_none() && !is_payload(cursor.rest) {
            return None;
        }
        return Some(finished(header, cursor.rest));
    }
    // A colon ends the time where a device writes no host.
    if cursor.skip(":").is_none() {
        cursor.gap()?;
        host(&mut cursor, &mut header);
    }
    cursor.blanks();
    if tag(&mut cursor, &mut header).is_none() {
        cursor.skip(": ").unwrap_or_default();
    }
    let has_more = !cursor.rest.is_empty() || header.program.is_some();
    has_more.then(|| finished(header, cursor.rest))
}

fn finished<'a>(mut header: SyslogHeader<'a>, message: &'a str) -> SyslogHeader<'a> {
    header.message = message.trim_start_matches(' ');
    header
}

/// Reads the rest of a head whose time begins with the year. Such times are common in all kinds of
/// logs, so host and tag must follow, or, behind a priority, a host.
fn with_full_time<'a>(
    mut cursor: TextCursor<'a>,
    mut header: SyslogHeader<'a>,
    now_ms: i64,
) -> Option<SyslogHeader<'a>> {
    header.time = times::rfc3339(&mut cursor);
    if header.time.is_none() {
        header.priority?;
        header.time = Some(times::year_first(&mut cursor)?.instant(now_ms)?);
    }
    cursor.gap()?;
    host(&mut cursor, &mut header);
    cursor.blanks();
    let is_tagged = tag(&mut cursor, &mut header).is_some();
    let is_named = header.host.is_some() || header.priority.is_some();
    let is_syslog = is_named && (is_tagged || is_payload(cursor.rest) || header.priority.is_some());
    (is_syslog && !(cursor.rest.is_empty() && header.program.is_none()))
        .then(|| finished(header, cursor.rest))
}

/// Reads a time that begins with the month, and the zone that Cisco's devices write after it.
fn cisco_time(
    cursor: &mut TextCursor<'_>,
    header: &mut SyslogHeader<'_>,
    now_ms: i64,
) -> Option<()> {
    let mut ahead = *cursor;
    ahead.blanks();
    ahead.one_of(&['*', '.']);
    let mut date = times::month_first(&mut ahead)?;
    let mut behind = ahead;
    if behind.gap().is_some()
        && let Some(seconds) = times::zone(&mut behind)
        && behind.rest.starts_with(':')
    {
        date.zone = seconds;
        ahead = behind;
    }
    header.time = Some(date.instant(now_ms)?);
    *cursor = ahead;
    Some(())
}

/// Reads the host, unless the next word is the tag or the message.
fn host<'a>(cursor: &mut TextCursor<'a>, header: &mut SyslogHeader<'a>) {
    let mut ahead = *cursor;
    let Some(word) = ahead.word() else { return };
    let is_name = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_/@".contains(&byte));
    let is_level = LEVELS.iter().any(|level| word.eq_ignore_ascii_case(level));
    if word.len() <= NAME_MAX && (is_address(word) || is_name && !is_level) {
        header.host = Some(word);
        *cursor = ahead;
    }
}

/// Returns whether a message shows by its beginning what format it has, without any tag.
fn is_payload(message: &str) -> bool {
    PAYLOADS.iter().any(|sign| message.starts_with(sign)) || cisco::is_signed(message)
}

/// Reads `tag[7]:` or `tag:`.
fn tag<'a>(cursor: &mut TextCursor<'a>, header: &mut SyslogHeader<'a>) -> Option<()> {
    // The signs of formats end in a colon as well.
    if is_payload(cursor.rest) {
        return None;
    }
    let mut ahead = *cursor;
    let is_part = |found: char| found.is_ascii_graphic() && !matches!(found, ':' | '[' | '"' | '<');
    let name = ahead.take_while(is_part);
    if name.is_empty() || name.len() > NAME_MAX || name.starts_with(['{', '=', '%']) {
        return None;
    }
    let mut process_id = None;
    if ahead.skip("[").is_some() {
        process_id = Some(ahead.take_while(|found| found.is_ascii_graphic() && found != ']'));
        ahead.skip("]")?;
    }
    ahead.skip(":")?;
    // A name of C++ or an address goes on without a blank.
    if process_id.is_none()
        && !(ahead.rest.is_empty() || ahead.rest.starts_with([' ', '\t', '{', '@']))
    {
        return None;
    }
    header.program = Some(name);
    header.process_id = process_id.filter(|text| !text.is_empty());
    *cursor = ahead;
    Some(())
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
    fn the_first_example_of_the_standard() {
        let line = "<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8";
        let expected = json!({
            "event": {"original": line, "action": "su", "outcome": "failure"},
            "user": {"name": "lonvick", "target": {"name": "root"}},
            "@timestamp": "2026-10-11T22:14:15.000Z",
            "log": {
                "level": "critical",
                "syslog": {"severity": {"code": 2}, "facility": {"code": 4}}
            },
            "host": {"name": "mymachine"},
            "service": {"name": "su"},
            "process": {"name": "su"},
            "message": "'su root' failed for lonvick on /dev/pts/8"
        });
        assert_eq!(read(line), expected);
    }

    #[test]
    fn a_line_of_a_file() {
        let line = "2026-11-28T10:00:00.123456+08:00 web-1 systemd[1]: Started größe 漢.\n";
        let expected = json!({
            "event": {"original": line},
            "@timestamp": "2026-11-28T02:00:00.123456Z",
            "host": {"name": "web-1"},
            "service": {"name": "systemd"},
            "process": {"name": "systemd", "pid": 1},
            "message": "Started größe 漢."
        });
        assert_eq!(read(line), expected);
    }

    /// Asserts time, host, program, process id and message of a line.
    fn assert_parts(line: &str, parts: [&str; 5]) {
        let object = read(line);
        let text = |value: &Value| match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let found = [
            text(&object["@timestamp"]),
            text(&object["host"]["name"]),
            text(&object["process"]["name"]),
            text(&object["process"]["pid"]),
            text(&object["message"]),
        ];
        assert_eq!(found, parts, "{line}");
    }

    #[test]
    fn heads_with_more_and_with_less() {
        let time = "2026-10-11T22:14:15.000Z";
        for (line, parts) in [
            ("Oct 11 22:14:15 host cron[12]: a: b", [time, "host", "cron", "12", "a: b"]),
            ("<13>Oct 11 22:14:15 host cron: ", [time, "host", "cron", "", ""]),
            (
                "Oct 11 22:14:15 host last message repeated",
                [time, "host", "", "", "last message repeated"],
            ),
            ("Oct 11 22:14:15 cron[12]: a", [time, "", "cron", "12", "a"]),
            (
                "Oct 11 22:14:15 fe80::1 postfix/smtpd[9]: é",
                [time, "fe80::1", "postfix/smtpd", "9", "é"],
            ),
            ("Oct 11 22:14:15  host  cron[12]:a", [time, "host", "cron", "12", "a"]),
            (
                "<13>Oct 11 22:14:15.250 host (systemd)[1]:  a",
                ["2026-10-11T22:14:15.250Z", "host", "(systemd)", "1", "a"],
            ),
            (
                "<13>Oct  1 22:14:15 2025 host a: b",
                ["2025-10-01T22:14:15.000Z", "host", "a", "", "b"],
            ),
            ("<13>Feb 29 22:14:15 host a: b", ["2024-02-29T22:14:15.000Z", "host", "a", "", "b"]),
            ("<6>kernel: [ 1.5] up", ["", "", "kernel", "", "[ 1.5] up"]),
            ("<13>cron[12]: a", ["", "", "cron", "12", "a"]),
            ("<13>@cee: x", ["", "", "", "", "@cee: x"]),
            ("<13>2026-10-11 22:14:15 host a[x]: b", [time, "host", "a", "", "b"]),
            ("<13>2026-10-11T22:14:15Z host some text", [time, "host", "", "", "some text"]),
            ("2026-10-11T22:14:15Z host a: Foo::bar", [time, "host", "a", "", "Foo::bar"]),
            ("Oct 11 22:14:15 host Foo::bar: x", [time, "host", "", "", "Foo::bar: x"]),
        ] {
            assert_parts(line, parts);
        }
    }

    #[test]
    fn other_text() {
        for line in [
            "Oct 32 22:14:15 host cron[12]: a",
            "Oct 11 22:14 host cron[12]: a",
            "October 11 22:14:15 host a: b",
            "May the force be with you",
            "Mar 3 was a good day: a",
            "Oct 11 22:14:15",
            "Oct 11 22:14:15é host a: b",
            "<13>",
            "<13>no tag here",
            "<html>: x",
            "<500>Oct 11 22:14:15 host a: b",
            "2026-10-11T22:14:15Z INFO server: started",
            "2026-10-11T22:14:15Z host some text",
            "2026-10-11 22:14:15 host a: b",
            "2026-10-11T22:14:15 host a: b",
            "2026-10-11T22:14:15Z [main] ERROR a: b",
        ] {
            assert!(read_line(line, NOW_MS).is_none(), "{line}");
        }
    }
}
