//! Events of the Linux audit system, as `auditd` writes them into `audit.log` and as `audispd` and
//! the kernel send them through syslog.
//!
//! An event is one line or several with the same stamp, joined by the caller. One of them, the main
//! one, says what happened; the others add arguments, paths and addresses. The action is what the
//! program calls its operation, or else the type of the main record. All keys are kept under
//! `auditd.data.<type>`; a type that occurs more than once has a list of objects there.
//!
//! The stamp is no id of the event: where its lines were torn apart, by another event's lines in
//! between, the end of a file or a relay, each part is an event, and none may be lost for it.

use super::audit_fields::{AuditHead, bytes_of, pairs_of};
use super::audit_types::{category_of, is_account_change, is_addition, name_of};
use super::ecs_object::{EcsObject, KEYS_MAX, LineContext, is_address, outcome_of};
use super::syslog_header::SyslogHeader;
use serde_json::{Map, Value};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The user id that stands for "nobody logged in".
const UNSET_ID: [&str; 2] = ["4294967295", "-1"];
/// System calls whose address is the one that is reached, by name and number (x86-64, arm64).
const REACHING_OUT: [&str; 8] = ["connect", "sendto", "sendmsg", "42", "44", "46", "203", "206"];

/// One line of an event.
struct AuditLine<'a> {
    name: String,
    pairs: Vec<(&'a str, String)>,
    body: &'a str,
}

impl AuditLine<'_> {
    /// Returns the value of this key, unless it is one of the signs for "no value".
    fn text(&self, key: &str) -> Option<&str> {
        let (_, value) = self.pairs.iter().find(|(known, _)| *known == key)?;
        let is_none = matches!(value.as_str(), "" | "?" | "(null)" | "(none)");
        Some(value.as_str()).filter(|_| !is_none)
    }
}

/// The lines of one event.
struct AuditEvent<'a> {
    lines: Vec<AuditLine<'a>>,
    main: usize,
}

impl<'a> AuditEvent<'a> {
    /// Reads lines that must all have this stamp.
    fn of(text: &'a str, stamp: &str) -> Option<Self> {
        let mut lines: Vec<AuditLine<'a>> = Vec::new();
        let mut room = KEYS_MAX;
        for line in text.split('\n').map(str::trim).filter(|line| !line.is_empty()) {
            let head = AuditHead::of(line).filter(|head| head.stamp == stamp)?;
            if room == 0 {
                continue;
            }
            let name = match name_of(head.name) {
                Some(name) => name.to_owned(),
                None => head.name.to_ascii_uppercase(),
            };
            let pairs = pairs_of(&name, head.body, room);
            // A line without pairs takes room as well, so that there cannot be too many of them.
            room = room.saturating_sub(pairs.len().max(1));
            lines.push(AuditLine { name, pairs, body: head.body });
        }
        let is_own = |line: &AuditLine<'_>| !is_addition(&line.name) && line.name != "SYSCALL";
        let main = lines.iter().position(is_own);
        let main = main.or_else(|| lines.iter().position(|line| line.name == "SYSCALL"));
        (!lines.is_empty()).then_some(Self { lines, main: main.unwrap_or_default() })
    }

    fn main(&self) -> &AuditLine<'a> {
        &self.lines[self.main]
    }

    /// Returns the value of this key in the main line, or else in any other.
    fn text(&self, key: &str) -> Option<&str> {
        let found = self.main().text(key);
        found.or_else(|| self.lines.iter().find_map(|line| line.text(key)))
    }

    fn text_of(&self, name: &str, key: &str) -> Option<&str> {
        self.lines.iter().filter(|line| line.name == name).find_map(|line| line.text(key))
    }

    fn action(&self) -> String {
        let operation = self.main().text("op").or(self.main().text("operation"));
        operation.unwrap_or(&self.main().name).to_ascii_lowercase()
    }

    fn outcome(&self) -> Option<&'static str> {
        let verdict = self.main().body;
        let is_permitted = self.main().text("permissive") == Some("1");
        if self.main().text("apparmor").is_some_and(|word| word.eq_ignore_ascii_case("denied"))
            || self.main().name.ends_with("AVC") && verdict.contains("denied") && !is_permitted
        {
            return Some("failure");
        }
        let told =
            ["res", "success", "result"].iter().find_map(|key| self.text(key).and_then(outcome_of));
        told.or_else(|| {
            let exit: i64 = self.text("exit")?.parse().ok()?;
            Some(if exit < 0 { "failure" } else { "success" })
        })
    }

    /// Returns the arguments of the program that was run. Long ones come in parts.
    fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = Vec::new();
        let lines = self.lines.iter().filter(|line| line.name == "EXECVE");
        for (key, value) in lines.flat_map(|line| &line.pairs) {
            let Some(number) = key.strip_prefix('a') else { continue };
            let (number, part) = number.split_once('[').unwrap_or((number, "0]"));
            if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
                continue;
            }
            match arguments.last_mut().filter(|_| part != "0]") {
                Some(last) => last.push_str(value),
                None => arguments.push(value.clone()),
            }
        }
        arguments
    }

    /// Returns the path that the event is about: not the folder that something happened in.
    fn path(&self) -> Option<&str> {
        let of_path = self
            .lines
            .iter()
            .filter(|line| line.name == "PATH" && line.text("nametype") != Some("PARENT"))
            .find_map(|line| line.text("name"));
        // SELinux names a path, AppArmor writes it as a name.
        let named = self.main().text("name").filter(|name| name.starts_with('/'));
        of_path.or(self.main().text("path")).or(named)
    }

    /// Returns the address that the system call was given.
    fn socket_address(&self) -> Option<String> {
        let bytes = bytes_of(self.text_of("SOCKADDR", "saddr")?)?;
        // The family in the order of bytes of the machine, a port, and for IPv6 a flow.
        match *bytes.as_slice() {
            [2, 0, _, _, a, b, c, d, ..] => Some(Ipv4Addr::new(a, b, c, d).to_string()),
            [10, 0, ref rest @ ..] => {
                let address: [u8; 16] = rest.get(6..22)?.try_into().ok()?;
                Some(IpAddr::V6(Ipv6Addr::from(address)).to_string())
            }
            _ => None,
        }
    }

    fn is_reaching_out(&self) -> bool {
        let call = self.text_of("SYSCALL", "SYSCALL").or(self.text_of("SYSCALL", "syscall"));
        call.is_some_and(|call| REACHING_OUT.contains(&call))
    }

    fn category(&self) -> Option<&'static str> {
        category_of(&self.main().name).or_else(|| {
            // A system call is about what its other records describe.
            ["EXECVE", "SOCKADDR", "PATH"]
                .into_iter()
                .find(|name| self.lines.iter().any(|line| line.name == *name))
                .and_then(category_of)
        })
    }

    /// Returns all keys, by type.
    fn into_data(self) -> Map<String, Value> {
        let mut data = Map::new();
        for AuditLine { name, pairs, .. } in self.lines {
            let mut record = Map::new();
            for (key, value) in pairs {
                record.entry(key).or_insert_with(|| Value::from(value));
            }
            let known = data.entry(name.to_ascii_lowercase()).or_insert(Value::Null);
            *known = match known.take() {
                Value::Null => Value::Object(record),
                Value::Array(mut records) => {
                    records.push(Value::Object(record));
                    Value::Array(records)
                }
                first => Value::Array(vec![first, Value::Object(record)]),
            };
        }
        data
    }
}

/// Returns the node and the stamp of a line of `audit.log`.
pub(super) fn stamp(line: &str) -> Option<(Option<&str>, &str)> {
    AuditHead::of(line).map(|head| (head.node, head.stamp))
}

/// Returns a message of the kernel without the time since the start of the machine, and without
/// the name of the system that wrote it.
pub(super) fn behind_kernel_time(message: &str) -> &str {
    let message = match message.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        Some((time, rest)) if time.bytes().all(|byte| b" .0123456789".contains(&byte)) => rest,
        _ => message,
    };
    message.strip_prefix("audit: ").unwrap_or(message)
}

/// Reads one or several lines of one event.
pub(super) fn read(text: &str, header: &SyslogHeader<'_>, line: &LineContext<'_>) -> Option<Value> {
    let head = AuditHead::of(text)?;
    let event = AuditEvent::of(text, head.stamp)?;
    let mut object = EcsObject::of(line.original);
    object.set_text("event.action", Some(&event.action()));
    object.set_text("event.outcome", event.outcome());
    object.set("event.provider", "auditd");
    if let Some(category) = event.category() {
        object.set("event.category", vec![category]);
    }
    let exit = event.text("exit").filter(|exit| exit.starts_with('-'));
    object.set_text("error.code", exit);
    object.set_time(head.time());
    put_user(&event, &mut object);
    put_addresses(&event, &mut object);
    put_process(&event, &mut object);
    object.set_text("file.path", event.path());
    object.set_text("host.name", head.node);
    header.put_origin(&mut object);
    object.place(&["auditd", "data"], Value::Object(event.into_data()));
    Some(object.into_value())
}

/// Programs that act as another user: the account that they name is the one they change to.
const CHANGING_USER: [&str; 6] = ["su", "sudo", "doas", "pkexec", "runuser", "sg"];

/// Sets who did it, by name if the line has one, and to whom.
///
/// Who logged in is in `auid`. Many events name an account beside it: whom a change is made to,
/// whom a program changes to, or else the same user by name.
fn put_user(event: &AuditEvent<'_>, object: &mut EcsObject) {
    let account = event.text("acct");
    let name = |key: &str| {
        event.text(key).filter(|name| *name != "unset" && !name.starts_with("unknown("))
    };
    let id = |key: &str| event.text(key).filter(|id| !UNSET_ID.contains(id));
    let program = event.text("exe").and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    let is_login_known = name("AUID").is_some() || id("auid").is_some();
    let changes_user = CHANGING_USER.contains(&program) && is_login_known;
    if is_account_change(&event.main().name) || changes_user {
        object.set_text("user.target.name", account);
    } else if account.is_some() {
        object.set_text("user.name", account);
        return;
    }
    // Name and number must be those of one user: who logged in, or else who the process runs as.
    for (name, id) in [(name("AUID"), id("auid")), (name("UID"), id("uid"))] {
        if name.is_some() || id.is_some() {
            object.set_text("user.name", name);
            object.set_text("user.id", id);
            return;
        }
    }
}

fn put_addresses(event: &AuditEvent<'_>, object: &mut EcsObject) {
    let address = |key: &str| event.text(key).filter(|text| is_address(text));
    object.set_text("source.ip", address("addr").or(address("hostname")));
    let side = if event.is_reaching_out() { "destination.ip" } else { "source.ip" };
    object.set_text(side, event.socket_address().as_deref());
}

fn put_process(event: &AuditEvent<'_>, object: &mut EcsObject) {
    object.set_text("process.executable", event.text("exe"));
    object.set_text("process.name", event.text("comm"));
    for (field, key) in [("process.pid", "pid"), ("process.parent.pid", "ppid")] {
        if let Some(number) = event.text(key).and_then(|text| text.parse::<u32>().ok()) {
            object.set(field, number);
        }
    }
    let arguments = event.arguments();
    if !arguments.is_empty() {
        object.set("process.args", arguments);
    }
    object.set_text("process.title", event.text_of("PROCTITLE", "proctitle"));
    object.set_text("process.command_line", event.text("cmd"));
    object.set_text("process.working_directory", event.text("cwd"));
}
