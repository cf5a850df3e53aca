//! Messages of syslog that tell who logged in or took another user's rights: those of OpenSSH,
//! `sudo`, `su`, the PAM modules and `systemd-logind`, as their sources write them.
//!
//! Only these are read, because they are what an audit asks for, and their wording has not changed
//! for many years. The name of a user who failed to log in is whatever a stranger typed, blanks and
//! `from` included; therefore an address is searched for from the end of the message.

use super::ecs_object::EcsObject;

/// What a message tells.
#[derive(Debug, Clone, Copy, Default)]
struct LoginFact<'a> {
    action: &'static str,
    outcome: Option<&'static str>,
    user: Option<&'a str>,
    /// The user whose rights are taken.
    target: Option<&'a str>,
    address: Option<&'a str>,
    port: Option<u16>,
    command: Option<&'a str>,
    directory: Option<&'a str>,
}

/// The order in which a message names who acts and whose rights are taken.
#[derive(Debug, Clone, Copy)]
enum NameOrder {
    UserFirst,
    TargetFirst,
}

/// The messages of `su`: how they begin, what is between the names, their order, and the outcome.
const SU_FORMS: [(&str, &str, NameOrder, &str); 6] = [
    ("(to ", ") ", NameOrder::TargetFirst, "success"),
    ("FAILED SU (to ", ") ", NameOrder::TargetFirst, "failure"),
    ("Successful su for ", " by ", NameOrder::TargetFirst, "success"),
    ("FAILED su for ", " by ", NameOrder::TargetFirst, "failure"),
    ("'su ", "' failed for ", NameOrder::TargetFirst, "failure"),
    ("BAD SU ", " to ", NameOrder::UserFirst, "failure"),
];

/// Sets what the message of this program tells, if it is one of those that are known.
pub(super) fn put(program: &str, message: &str, object: &mut EcsObject) {
    let message = message.trim();
    let fact = pam(message).or_else(|| match program {
        "sshd" | "sshd-session" | "sshd-auth" => ssh(message),
        "sudo" => sudo(message),
        "su" => su(message),
        "systemd-logind" | "elogind-daemon" => logind(message),
        _ => None,
    });
    let Some(fact) = fact else { return };
    object.set("event.action", fact.action);
    object.set_text("event.outcome", fact.outcome);
    object.set_text("user.name", fact.user);
    object.set_text("user.target.name", fact.target.filter(|target| Some(*target) != fact.user));
    object.set_address("source", fact.address);
    if let Some(port) = fact.port {
        object.set("source.port", port);
    }
    object.set_text("process.command_line", fact.command);
    object.set_text("process.working_directory", fact.directory);
}

/// Reads the messages of OpenSSH.
fn ssh(message: &str) -> Option<LoginFact<'_>> {
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let login =
        |outcome| LoginFact { action: "ssh_login", outcome: Some(outcome), ..LoginFact::default() };
    if let Some(rest) = message.strip_prefix("Accepted ") {
        let (_method, rest) = rest.split_once(" for ")?;
        return from_whom(rest, login("success"));
    }
    if let Some(rest) = message.strip_prefix("Failed ") {
        let (_method, rest) = rest.split_once(" for ")?;
        return from_whom(rest, login("failure"));
    }
    if let Some(rest) = message.strip_prefix("maximum authentication attempts exceeded for ") {
        return from_whom(rest, login("failure"));
    }
    if message.starts_with("Invalid user ") {
        return from_whom(message, login("failure"));
    }
    if let Some(rest) = message.strip_prefix("User ")
        && let Some((who, _)) = rest.rsplit_once(" not allowed because")
    {
        return from_whom(who, login("failure"));
    }
    let leaving = ["Disconnected from ", "Connection closed by ", "Connection reset by "];
    let rest = leaving.iter().find_map(|begin| message.strip_prefix(begin))?;
    let is_of_user = ["user ", "invalid user ", "authenticating user "]
        .iter()
        .find_map(|begin| rest.strip_prefix(begin));
    let fact = LoginFact { action: "ssh_disconnect", ..LoginFact::default() };
    match is_of_user {
        Some(rest) => {
            // The name may hold anything, so the address is the last one.
            let (before, port) = rest.rsplit_once(" port ")?;
            let (name, address) = before.rsplit_once(' ')?;
            let port = port.split_ascii_whitespace().next().and_then(|port| port.parse().ok());
            Some(LoginFact { user: Some(name), address: Some(address), port, ..fact })
        }
        None => Some(at(rest, fact)),
    }
}

/// Reads `alice from 10.0.0.1 port 22 ssh2`.
fn from_whom<'a>(text: &'a str, fact: LoginFact<'a>) -> Option<LoginFact<'a>> {
    let text = ["invalid user ", "Invalid user ", "illegal user "]
        .iter()
        .find_map(|begin| text.strip_prefix(begin))
        .unwrap_or(text);
    let (user, address) = match text.strip_prefix("from ") {
        Some(address) => ("", address),
        None => text.rsplit_once(" from ")?,
    };
    Some(at(address, LoginFact { user: Some(user.trim()), ..fact }))
}

/// Reads `10.0.0.1 port 22`.
fn at<'a>(text: &'a str, fact: LoginFact<'a>) -> LoginFact<'a> {
    let mut words = text.split_ascii_whitespace();
    let address = words.next();
    let port = words.next().filter(|word| *word == "port").and(words.next());
    LoginFact { address, port: port.and_then(|port| port.parse().ok()), ..fact }
}

/// Reads `alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/bin/ls`, in which a reason
/// comes before the pairs if `sudo` refused.
fn sudo(message: &str) -> Option<LoginFact<'_>> {
    let (user, rest) = message.split_once(" : ")?;
    let mut fact = LoginFact { action: "sudo", user: Some(user.trim()), ..LoginFact::default() };
    let mut is_refused = false;
    // The command is the last pair, and may contain what separates them.
    let (pairs, command) = match rest.split_once("COMMAND=") {
        Some((pairs, command)) => (pairs, Some(command)),
        None => (rest, None),
    };
    for part in pairs.split(" ; ").map(|part| part.trim().trim_end_matches(';').trim_end()) {
        match part.split_once('=') {
            Some(("PWD", directory)) => fact.directory = Some(directory),
            Some(("USER", target)) => fact.target = Some(target),
            Some(_) => {}
            None => is_refused |= !part.is_empty(),
        }
    }
    if command.is_none() && fact.target.is_none() {
        return None;
    }
    fact.command = command;
    fact.outcome = Some(if is_refused { "failure" } else { "success" });
    Some(fact)
}

/// Reads the messages of the several programs of this name.
fn su(message: &str) -> Option<LoginFact<'_>> {
    let (begin, between, order, outcome) =
        SU_FORMS.iter().find(|(begin, ..)| message.starts_with(begin))?;
    let (first, second) = message.strip_prefix(begin)?.split_once(between)?;
    let second = second.split_once(" on ").map_or(second, |(name, _terminal)| name);
    let (user, target) = match order {
        NameOrder::UserFirst => (first, second),
        NameOrder::TargetFirst => (second, first),
    };
    Some(LoginFact {
        action: "su",
        outcome: Some(outcome),
        user: Some(user),
        target: Some(target),
        ..LoginFact::default()
    })
}

/// Reads the messages of PAM modules, which begin with the module: `pam_unix(sshd:session): `.
fn pam(message: &str) -> Option<LoginFact<'_>> {
    if !message.starts_with("pam_") {
        return None;
    }
    let (_module, rest) = message.split_once("): ")?;
    for (begin, action) in [
        ("session opened for user ", "session_opened"),
        ("session closed for user ", "session_closed"),
    ] {
        if let Some(rest) = rest.strip_prefix(begin) {
            return Some(session(rest, action));
        }
    }
    let rest = rest.strip_prefix("authentication failure; ")?;
    let value = |key: &str| {
        rest.split_ascii_whitespace().find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
    };
    Some(LoginFact {
        action: "authentication",
        outcome: Some("failure"),
        user: value("user"),
        address: value("rhost"),
        ..LoginFact::default()
    })
}

/// Reads `root(uid=0) by alice(uid=1000)`. Without a name after `by`, the user did it.
fn session<'a>(text: &'a str, action: &'static str) -> LoginFact<'a> {
    let (whose, by) = text.split_once(" by ").unwrap_or((text, ""));
    let name = |text: &'a str| text.split('(').next().unwrap_or_default().trim();
    let (owner, actor) = (name(whose), name(by));
    let user = if actor.is_empty() { owner } else { actor };
    LoginFact {
        action,
        outcome: Some("success"),
        user: Some(user),
        target: Some(owner),
        ..LoginFact::default()
    }
}

/// Reads `New session 3 of user alice.`
fn logind(message: &str) -> Option<LoginFact<'_>> {
    let (_session, user) = message.strip_prefix("New session ")?.split_once(" of user ")?;
    // Newer versions go on with the class of the session.
    let user = user.split(' ').next().unwrap_or_default();
    Some(LoginFact {
        action: "session_opened",
        outcome: Some("success"),
        user: Some(user.trim_end_matches('.')),
        ..LoginFact::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns action, outcome, user, target and address, separated by blanks; `-` is none.
    fn facts(program: &str, message: &str) -> String {
        let mut object = EcsObject::of("");
        put(program, message, &mut object);
        let object = object.into_value();
        let paths =
            ["/event/action", "/event/outcome", "/user/name", "/user/target/name", "/source/ip"];
        let text = |path: &&str| object.pointer(path).and_then(|value| value.as_str());
        let texts: Vec<_> = paths.iter().map(|path| text(path).unwrap_or("-")).collect();
        texts.join(" ")
    }

    #[test]
    fn messages_of_ssh() {
        for (message, expected) in [
            (
                "Failed password for root from 10.0.0.1 port 4242 ssh2",
                "ssh_login failure root - 10.0.0.1",
            ),
            (
                "Failed password for invalid user bob from 10.0.0.1 port 4242 ssh2",
                "ssh_login failure bob - 10.0.0.1",
            ),
            (
                "Failed none for invalid user  from 10.0.0.1 port 4242 ssh2",
                "ssh_login failure - - 10.0.0.1",
            ),
            (
                "Failed password for x from 6.6.6.6 from 10.0.0.1 port 1 ssh2",
                "ssh_login failure x from 6.6.6.6 - 10.0.0.1",
            ),
            (
                "Accepted publickey for zoë from fe80::1 port 1 ssh2: RSA SHA256:a",
                "ssh_login success zoë - fe80::1",
            ),
            ("Accepted password for bob from 10.0.0.1", "ssh_login success bob - 10.0.0.1"),
            ("Invalid user admin from 10.0.0.1 port 22", "ssh_login failure admin - 10.0.0.1"),
            ("Invalid user from 10.0.0.1", "ssh_login failure - - 10.0.0.1"),
            (
                "User bob from 10.0.0.1 not allowed because not listed in AllowUsers",
                "ssh_login failure bob - 10.0.0.1",
            ),
            (
                "error: maximum authentication attempts exceeded for root \
                 from 10.0.0.1 port 1 ssh2 [preauth]",
                "ssh_login failure root - 10.0.0.1",
            ),
            ("Disconnected from user bob 10.0.0.1 port 1", "ssh_disconnect - bob - 10.0.0.1"),
            ("Connection closed by 10.0.0.1 port 1 [preauth]", "ssh_disconnect - - - 10.0.0.1"),
            ("Server listening on 0.0.0.0 port 22.", "- - - - -"),
            ("Failed", "- - - - -"),
        ] {
            assert_eq!(facts("sshd", message), expected, "{message}");
        }
        let mut object = EcsObject::of("");
        put("sshd", "Accepted password for a from gate.example port 65 ssh2", &mut object);
        let source = object.into_value()["source"].to_string();
        assert_eq!(source, r#"{"address":"gate.example","port":65}"#);
    }

    #[test]
    fn messages_of_sudo() {
        for (message, expected) in [
            (
                "   alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/bin/ls ; x : y",
                "sudo success alice root -",
            ),
            (
                "alice : command not allowed ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh",
                "sudo failure alice root -",
            ),
            (
                "alice : 3 incorrect password attempts ; TTY=p ; USER=root ; COMMAND=/bin/sh",
                "sudo failure alice root -",
            ),
            (
                "bob : user NOT in sudoers ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh",
                "sudo failure bob root -",
            ),
            ("é : nothing", "- - - - -"),
        ] {
            assert_eq!(facts("sudo", message), expected, "{message}");
        }
        let mut object = EcsObject::of("");
        put("sudo", "a : TTY=p ; PWD=/h ; USER=root ; COMMAND=/bin/ls ; x", &mut object);
        let process = object.into_value()["process"].to_string();
        assert_eq!(process, r#"{"command_line":"/bin/ls ; x","working_directory":"/h"}"#);
    }

    #[test]
    fn messages_of_su() {
        for (message, expected) in [
            ("(to root) alice on pts/0", "su success alice root -"),
            ("FAILED SU (to root) alice on pts/0", "su failure alice root -"),
            ("'su root' failed for lonvick on /dev/pts/8", "su failure lonvick root -"),
            ("BAD SU alice to root on /dev/ttyp0", "su failure alice root -"),
            ("Successful su for root by alice", "su success alice root -"),
            ("FAILED su for root by alice", "su failure alice root -"),
            ("'su", "- - - - -"),
            ("(to", "- - - - -"),
        ] {
            assert_eq!(facts("su", message), expected, "{message}");
        }
    }

    #[test]
    fn messages_of_sessions() {
        for (message, expected) in [
            (
                "pam_unix(sshd:session): session opened for user bob by (uid=0)",
                "session_opened success bob - -",
            ),
            (
                "pam_unix(sshd:session): session opened for user bob(uid=1000) by (uid=0)",
                "session_opened success bob - -",
            ),
            (
                "pam_unix(su:session): session opened for user root by bob(uid=1000)",
                "session_opened success bob root -",
            ),
            (
                "pam_unix(cron:session): session closed for user root",
                "session_closed success root - -",
            ),
            (
                "pam_unix(sshd:auth): authentication failure; logname= uid=0 \
                 euid=0 tty=ssh ruser= rhost=10.0.0.1  user=root",
                "authentication failure root - 10.0.0.1",
            ),
            ("pam_unix(sshd:auth): check pass; user unknown", "- - - - -"),
            ("pam_", "- - - - -"),
        ] {
            assert_eq!(facts("any", message), expected, "{message}");
        }
        assert_eq!(
            facts("systemd-logind", "New session 3 of user alice."),
            "session_opened success alice - -"
        );
    }
}
