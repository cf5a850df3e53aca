//! Messages about logins in documents of log shippers: records of journald, the JSON of rsyslog,
//! syslog-ng and Fluent Bit, and Filebeat's documents that no pipeline has read.
//!
//! A program is what journald or the shipper says it is. Any user can write under the name of
//! `sshd`, and name a program so, so where a record has both names, both must be known. What is not
//! of root is believed only of `sudo` and `su`, which run for their users.

use super::json::Loose;
use super::logins;
use super::paths::Paths;
use crate::event::{Event, Field};

/// Where records name the program, what the program says of itself first.
const PROGRAMS: [&str; 12] = [
    "SYSLOG_IDENTIFIER",
    "syslog.identifier",
    "log.syslog.appname",
    "process.name",
    "PROGRAM",
    "programname",
    "app-name",
    "appname",
    "ident",
    "syslogtag",
    "_COMM",
    "journald.process.name",
];
/// Where records have the user that the program runs for.
const USERS: [&str; 4] = ["_UID", "journald.uid", "journald.user.id", "user.id"];
/// Programs that run for their users, and may still be believed.
const SETUID_PROGRAMS: [&str; 6] =
    ["/usr/bin/sudo", "/bin/sudo", "/usr/local/bin/sudo", "/usr/bin/su", "/bin/su", "/sbin/su"];
/// Where the message is.
const MESSAGES: [&str; 3] = ["MESSAGE", "message", "msg"];

/// Fills the event from the message, unless the document tells itself what happened. Returns
/// whether the message tells of a failure.
pub(super) fn fill(paths: &Paths<'_>, event: &mut Event) -> bool {
    // A key that is written twice tells nothing.
    let text = |name: &str| paths.text(&[name]).ok().flatten();
    let mut programs = PROGRAMS.iter().filter_map(|name| text(name)).peekable();
    let Some(program) = programs.peek().map(|name| bare_name(name).to_owned()) else {
        return false;
    };
    if !programs.all(|name| logins::is_known(bare_name(&name))) || text("event.action").is_some() {
        return false;
    }
    let is_of_root = USERS.iter().filter_map(|name| text(name)).all(|user| user == "0");
    let is_forgeable = !is_of_root && !is_setuid(&program, text);
    let message = MESSAGES.iter().find_map(|name| message_of(paths.first(&[name]).ok()?));
    let (false, Some(message)) = (is_forgeable, message) else { return false };
    let Some(fact) = logins::read(&program, &message) else { return false };
    event.set(Field::EventName, fact.action);
    // What else there is tells who ran the program, and which machine passed the message on.
    event.set_opt(Field::Operator, fact.user);
    event.set_opt(Field::SourceIp, fact.address);
    event.set_opt(Field::ResourceName, fact.target);
    event.relate("target", fact.target.unwrap_or_default());
    fact.outcome == Some("failure")
}

/// Returns whether a program that runs for a user is the one it says it is. journald has its path
/// beside the name that the kernel knows; a record without it was made shorter by a shipper.
fn is_setuid(program: &str, text: impl Fn(&str) -> Option<String>) -> bool {
    let is_one = |name: &str| matches!(name, "sudo" | "su");
    let is_path = match text("_EXE").or_else(|| text("process.executable")) {
        Some(path) => SETUID_PROGRAMS.contains(&path.as_str()),
        None => text("_COMM").is_some_and(|name| is_one(&name)),
    };
    is_one(program) && is_path
}

/// Returns the name in `sshd[7]:`.
fn bare_name(name: &str) -> &str {
    name.split(['[', ':']).next().unwrap_or_default()
}

/// Returns the message, which journald writes as a list of bytes if it is not plain text.
fn message_of(value: Loose<'_>) -> Option<String> {
    let bytes: Option<Vec<u8>> =
        value.items().into_iter().map(|item| item.text_lossy()?.parse().ok()).collect();
    match bytes.filter(|bytes| !bytes.is_empty()) {
        Some(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        None => value.text_lossy().map(Into::into),
    }
}

#[cfg(test)]
mod tests {
    use crate::decode::decode;
    use crate::event::Field;

    /// Returns name, operator, address, target and level of a record, separated by blanks.
    fn told(record: &str) -> String {
        let event = decode(record, None).unwrap_or_else(|error| panic!("{error}: {record}"));
        [Field::EventName, Field::Operator, Field::SourceIp, Field::ResourceName, Field::Level]
            .map(|field| event.text(field).unwrap_or("-").to_owned())
            .join(" ")
    }

    const FAILED: &str = "Failed password for invalid user bob from 192.0.2.7 port 22 ssh2";

    #[test]
    fn whichever_shipper_names_the_program_the_message_is_read() {
        for (members, message) in [
            (r#""SYSLOG_IDENTIFIER":"sshd","_COMM":"sshd-session","PRIORITY":"6""#, "MESSAGE"),
            (r#""SYSLOG_IDENTIFIER":"sshd","_UID":"0""#, "MESSAGE"),
            (r#""process":{"name":"sshd","pid":7},"log":{"level":"info"}"#, "message"),
            (r#""log":{"syslog":{"appname":"sshd"}},"user":{"id":"0"}"#, "message"),
            (r#""programname":"sshd","fromhost-ip":"192.0.2.99""#, "msg"),
            (r#""syslogtag":"sshd[7]:""#, "msg"),
            (r#""ident":"sshd","pid":"7""#, "message"),
            (r#""PROGRAM":"sshd","SOURCEIP":"192.0.2.99""#, "MESSAGE"),
        ] {
            let time = r#""@timestamp":"2026-03-01T08:00:00Z""#;
            let record = format!(r#"{{{time},{members},"{message}":" {FAILED}"}}"#);
            assert_eq!(told(&record), "ssh_login bob 192.0.2.7 - warning", "{record}");
        }
    }

    #[test]
    fn who_may_have_forged_the_name_of_a_program_is_not_believed() {
        for members in [
            r#""SYSLOG_IDENTIFIER":"sshd","_COMM":"logger","_UID":"0""#,
            r#""SYSLOG_IDENTIFIER":"sshd","_UID":"1000""#,
            r#""SYSLOG_IDENTIFIER":"sshd","_COMM":"sshd","_UID":"1000""#,
            r#""SYSLOG_IDENTIFIER":"sudo","_COMM":"sudo","_EXE":"/tmp/sudo","_UID":"1000""#,
            r#""SYSLOG_IDENTIFIER":"sshd","_COMM":"sudo","_EXE":"/usr/bin/sudo","_UID":"1000""#,
            r#""syslog":{"identifier":"sshd"},"journald":{"uid":1000}"#,
            r#""syslog":{"identifier":"sshd"},"process":{"name":"logger"}"#,
            r#""process":{"name":"nginx"}"#,
            r#""programname":"sshd","programname2":"x","process.name":"app""#,
            r#""x":1"#,
        ] {
            let record = format!(r#"{{{members},"MESSAGE":"{FAILED}"}}"#);
            assert_eq!(told(&record), "- - - - normal", "{record}");
        }
        // It is of a user, whoever is named in it.
        let record = format!(
            r#"{{"syslog":{{"identifier":"sshd"}},"user":{{"id":"1000"}},"MESSAGE":"{FAILED}"}}"#
        );
        assert_eq!(told(&record), "- 1000 - - normal");
        let read = format!(
            r#"{{"event":{{"action":"login"}},"user":{{"name":"a"}},"process":{{"name":"sshd"}},"message":"{FAILED}"}}"#
        );
        assert_eq!(told(&read), "login a - - normal");
    }

    #[test]
    fn a_message_of_bytes_is_read() {
        let bytes: Vec<String> = FAILED.bytes().map(|byte| byte.to_string()).collect();
        let record = |bytes: &str| {
            format!(r#"{{"SYSLOG_IDENTIFIER":"sshd","_COMM":"sshd","MESSAGE":[{bytes}]}}"#)
        };
        assert_eq!(told(&record(&bytes.join(", "))), "ssh_login bob 192.0.2.7 - warning");
        assert_eq!(told(&record("300, 1")), "- - - - normal");
    }
}
