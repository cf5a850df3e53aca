//! Lines of syslog with either head, and what their messages hold.
//!
//! A message that is a JSON object is a record of its own (behind `@cee:` as rsyslog and
//! syslog-ng mark it, or bare). A message in a format that has a reader of its own goes to that
//! reader. Any other message stays text; if it is one that tells who logged in or changed users,
//! that is read from it as well.

use super::ecs_object::{EcsObject, LineContext};
use super::syslog_header::SyslogHeader;
use super::{
    LineContent, auditd, behind_any_head, carried_json, cef, cisco, leef, rfc3164, rfc5424,
};
use crate::decode::logins;
use serde_json::Value;

/// What marks a message of Common Event Expression, which is JSON.
const CEE_COOKIE: &str = "@cee:";

/// Reads a line with a head of either kind.
pub(super) fn read<'a>(body: &'a str, line: &LineContext<'_>) -> Option<LineContent<'a>> {
    let header = rfc5424::read(body).or_else(|| rfc3164::read(body, line.now_ms))?;
    let message = header.message.trim_start();
    let payload = message.strip_prefix(CEE_COOKIE).unwrap_or(message);
    if let Some(json) = carried_json(payload) {
        return Some(LineContent::Carrier(json.into(), plain(&header, line)));
    }
    let object = cef::read(message, &header, line)
        .or_else(|| leef::read(message, &header, line))
        .or_else(|| auditd::read(auditd::behind_kernel_time(message), &header, line))
        .or_else(|| {
            // What a known program says may quote what strangers typed.
            let is_relayed = header.program.is_none();
            is_relayed.then(|| behind_any_head(message, &header, line)).flatten()
        })
        .unwrap_or_else(|| plain(&header, line));
    Some(LineContent::Object(object))
}

/// Makes the object of a message that is text.
fn plain(header: &SyslogHeader<'_>, line: &LineContext<'_>) -> Value {
    let mut object = EcsObject::of(line.original);
    let cisco = cisco::mnemonic(header);
    put_login(header, &mut object);
    object.set_text("event.action", header.message_id);
    if let Some(cisco) = &cisco {
        cisco.put(&mut object);
    }
    object.set_time(header.time);
    object.set_text("log.level", header.level().or(cisco.as_ref().and_then(|known| known.level())));
    header.put_origin(&mut object);
    header.put_program(&mut object);
    object.set_text("message", Some(header.message));
    object.into_value()
}

/// Sets what the message tells of a login or of the use of another user's rights.
fn put_login(header: &SyslogHeader<'_>, object: &mut EcsObject) {
    let Some(fact) = logins::read(header.program.unwrap_or_default(), header.message) else {
        return;
    };
    object.set("event.action", fact.action);
    object.set_text("event.outcome", fact.outcome);
    object.set_text("user.name", fact.user);
    object.set_text("user.target.name", fact.target);
    object.set_address("source", fact.address);
    if let Some(port) = fact.port {
        object.set("source.port", port);
    }
    object.set_text("process.command_line", fact.command);
    object.set_text("process.working_directory", fact.directory);
}

#[cfg(test)]
mod tests {
    use super::super::{LineContent, read as read_line};
    use serde_json::json;

    #[test]
    fn a_message_of_json_is_carried() {
        for head in [
            "<34>Oct 11 22:14:15 host app[1]: ",
            "<34>Oct 11 22:14:15 host app[1]: @cee:",
            "<34>Oct 11 22:14:15 host app[1]: @cee: ",
            "<34>1 2003-10-11T22:14:15.003Z host app 1 ID47 - \u{feff}",
            "<34>1 2003-10-11T22:14:15.003Z host app 1 ID47 - @cee: ",
            "2026-11-28T10:00:00.123456+08:00 host app: ",
            "<34>app: ",
        ] {
            let line = format!("{head}{{\"a\": [\"é\"]}}");
            let Some(LineContent::Carrier(text, _)) = read_line(&line, 0) else { panic!("{line}") };
            assert_eq!(text, "{\"a\": [\"é\"]}");
        }
    }

    #[test]
    fn what_is_only_like_json_is_text() {
        for message in ["{\"a\": 1", "{a}", "[1]", "{\"a\": 1} {\"b\": 2}", "@cee: x"] {
            let line = format!("<34>Oct 11 22:14:15 host app[1]: {message}");
            let Some(LineContent::Object(object)) = read_line(&line, 0) else { panic!("{line}") };
            assert_eq!(object["message"], message);
        }
    }

    #[test]
    fn a_message_and_its_head_become_members() {
        let line = "<38>Oct 11 22:14:15 h sshd[7]: Invalid user a from 10.0.0.1";
        let Some(LineContent::Object(object)) = read_line(line, 1_795_917_600_000) else {
            panic!("{line}")
        };
        let expected = json!({
            "event": {"original": line, "action": "ssh_login", "outcome": "failure"},
            "user": {"name": "a"},
            "source": {"ip": "10.0.0.1"},
            "@timestamp": "2026-10-11T22:14:15.000Z",
            "log": {
                "level": "informational",
                "syslog": {"severity": {"code": 6}, "facility": {"code": 4}}
            },
            "host": {"name": "h"},
            "service": {"name": "sshd"},
            "process": {"name": "sshd", "pid": 7},
            "message": "Invalid user a from 10.0.0.1"
        });
        assert_eq!(object, expected);
    }
}
