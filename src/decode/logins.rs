//! Messages of programs that tell who logged in or took another user's rights: those of OpenSSH,
//! `sudo`, `su`, `login`, the PAM modules and `systemd-logind`, as their sources write them.
//!
//! Only these are read, because they are what an audit asks for, and their wording has not changed
//! for many years. Any other program may quote what strangers sent, so its messages tell nothing.
//!
//! The name of a user who failed to log in is whatever a stranger typed, blanks and `from`
//! included; therefore an address is searched for from the end of the message. Where strangers may
//! write on both sides of it, neither name nor address is told.

/// What a message tells.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LoginFact<'a> {
    pub(crate) action: &'static str,
    pub(crate) outcome: Option<&'static str>,
    pub(crate) user: Option<&'a str>,
    /// The user whose rights are taken.
    pub(crate) target: Option<&'a str>,
    pub(crate) address: Option<&'a str>,
    pub(crate) port: Option<u16>,
    pub(crate) command: Option<&'a str>,
    pub(crate) directory: Option<&'a str>,
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

/// Programs that let PAM write for them, by the name that they log under or that the kernel cuts
/// to 15 bytes.
const PAM_PROGRAMS: [&str; 31] = [
    "(systemd)",
    "atd",
    "chpasswd",
    "chsh",
    "cockpit-session",
    "cron",
    "crond",
    "gdm",
    "gdm-autologin",
    "gdm-password",
    "gdm-session-wor",
    "gdm-session-worker",
    "kdm",
    "lightdm",
    "passwd",
    "pkexec",
    "polkit-agent-he",
    "polkit-agent-helper-1",
    "polkitd",
    "pure-ftpd",
    "runuser",
    "sddm",
    "sddm-helper",
    "sudo-i",
    "su-l",
    "systemd",
    "systemd-user",
    "vsftpd",
    "xdm",
    "xrdp-sesman",
    "xscreensaver",
];

/// A program whose messages are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LoginProgram {
    Ssh,
    Sudo,
    Su,
    Login,
    Logind,
    /// It has only the messages of PAM.
    Pam,
}

impl LoginProgram {
    /// Returns the program that logs under this name, which may be a path.
    fn of(name: &str) -> Option<Self> {
        let name = name.rsplit('/').next().unwrap_or_default();
        // Old versions of PAM write `sshd(pam_unix)`.
        let name = name.strip_suffix("(pam_unix)").unwrap_or(name);
        // gdm writes `gdm-password]`.
        let name = name.trim_end_matches(']').to_ascii_lowercase();
        Some(match name.as_str() {
            "sshd" | "sshd-session" | "sshd-auth" => Self::Ssh,
            "sudo" => Self::Sudo,
            "su" => Self::Su,
            "login" => Self::Login,
            "systemd-logind" | "elogind-daemon" | "elogind" => Self::Logind,
            other if PAM_PROGRAMS.contains(&other) => Self::Pam,
            _ => return None,
        })
    }
}

/// Returns whether a program of this name is one whose messages are read.
pub(super) fn is_known(program: &str) -> bool {
    LoginProgram::of(program).is_some()
}

/// Reads the message of this program, if it is one of those that are known.
pub(crate) fn read<'a>(program: &str, message: &'a str) -> Option<LoginFact<'a>> {
    let program = LoginProgram::of(program)?;
    let message = unrepeated(message.trim());
    let fact = pam(message, program).or_else(|| match program {
        LoginProgram::Ssh => ssh(message),
        LoginProgram::Sudo => sudo(message),
        LoginProgram::Su => su(message),
        LoginProgram::Login => login(message),
        LoginProgram::Logind => logind(message),
        LoginProgram::Pam => None,
    })?;
    let some = |text: &&str| !text.is_empty();
    let user = fact.user.filter(some);
    let target = fact.target.filter(|target| some(target) && Some(*target) != user);
    Some(LoginFact { user, target, address: fact.address.filter(some), ..fact })
}

/// Returns what a syslog daemon says was repeated: `message repeated 5 times: [ … ]`.
fn unrepeated(message: &str) -> &str {
    message
        .strip_prefix("message repeated ")
        .and_then(|rest| rest.split_once(" times: [ ")?.1.strip_suffix(']'))
        .map_or(message, str::trim)
}

/// Reads the messages of OpenSSH.
fn ssh(message: &str) -> Option<LoginFact<'_>> {
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let login =
        |outcome| LoginFact { action: "ssh_login", outcome: Some(outcome), ..LoginFact::default() };
    if let Some(rest) = message.strip_prefix("Accepted ") {
        let rest = behind_method(rest)?;
        // Who got in has an account, whose name has no blanks; what follows may quote a key.
        return match quotes_a_certificate(rest) {
            true => Some(from_whom_at(rest, rest.find(" from ")?, login("success"))),
            false => from_whom(rest, login("success")),
        };
    }
    if let Some(rest) = message.strip_prefix("Failed ") {
        let rest = behind_method(rest)?;
        // Both the name and the id of a certificate are whatever a stranger sent.
        return match quotes_a_certificate(rest) && rest.matches(" from ").count() > 1 {
            true => Some(login("failure")),
            false => from_whom(rest, login("failure")),
        };
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
    ssh_disconnect(message)
}

/// Returns what follows `publickey for `. Other messages begin with the same word and quote texts
/// of strangers: `Accepted certificate ID "…" (serial 0) signed by …`.
fn behind_method(text: &str) -> Option<&str> {
    let (_method, rest) = text.split_once(' ')?;
    rest.strip_prefix("for ")
}

/// Reads the messages of OpenSSH about the end of a connection.
fn ssh_disconnect(message: &str) -> Option<LoginFact<'_>> {
    let fact = LoginFact { action: "ssh_disconnect", ..LoginFact::default() };
    if let Some(rest) = message.strip_prefix("Received disconnect from ") {
        // The reason at the end is the other side's; old versions put it right behind the address.
        let end = rest.find(' ').unwrap_or(rest.len());
        return match rest[..end].strip_suffix(':') {
            Some(address) => at(address, fact),
            None => at(rest, fact),
        };
    }
    let leaving = ["Disconnected from ", "Connection closed by ", "Connection reset by "];
    let rest = leaving.iter().find_map(|begin| message.strip_prefix(begin))?;
    let is_of_user = ["user ", "invalid user ", "authenticating user "]
        .iter()
        .find_map(|begin| rest.strip_prefix(begin));
    let Some(rest) = is_of_user else { return at(rest, fact) };
    // The name may hold anything, so the address is the last one.
    let (before, port) = rest.rsplit_once(" port ")?;
    let (name, address) = before.rsplit_once(' ').unwrap_or(("", before));
    Some(LoginFact { user: Some(name), address: Some(address), port: port_of(port), ..fact })
}

/// Returns whether the end of a message about a login quotes a certificate, whose id may be any
/// text: `ssh2: ED25519-CERT SHA256:… ID alice (serial 7) CA …`.
fn quotes_a_certificate(text: &str) -> bool {
    text.rsplit_once(" (serial ").is_some_and(|(_, end)| !end.contains(" port "))
}

/// Reads `alice from 10.0.0.1 port 22 ssh2`.
fn from_whom<'a>(text: &'a str, fact: LoginFact<'a>) -> Option<LoginFact<'a>> {
    Some(from_whom_at(text, text.rfind(" from ")?, fact))
}

/// Reads the name before ` from ` and the address behind it.
fn from_whom_at<'a>(text: &'a str, begin: usize, fact: LoginFact<'a>) -> LoginFact<'a> {
    let (user, rest) = text.split_at(begin);
    // Without a name, the only blank is the one before `from`.
    let user = ["invalid user", "Invalid user", "illegal user"]
        .iter()
        .find_map(|begin| user.strip_prefix(begin))
        .filter(|rest| rest.is_empty() || rest.starts_with(' '))
        .unwrap_or(user);
    let fact = LoginFact { user: Some(user.trim()), ..fact };
    at(&rest[" from ".len()..], fact).unwrap_or(fact)
}

/// Reads `10.0.0.1 port 22`; only an address of the Internet Protocol may stand alone.
fn at<'a>(text: &'a str, fact: LoginFact<'a>) -> Option<LoginFact<'a>> {
    let (address, rest) = text.split_once(' ').unwrap_or((text, ""));
    let port = rest.strip_prefix("port ");
    let is_alone = address.parse::<std::net::IpAddr>().is_ok() || fact.user.is_some();
    let is_told = port.is_some() || is_alone;
    // A side that was gone before it was asked has no address.
    (is_told && address != "UNKNOWN").then(|| LoginFact {
        address: Some(address),
        port: port.and_then(port_of),
        ..fact
    })
}

/// Reads the number at the beginning of `22 ssh2` and `22:11: bye`.
fn port_of(text: &str) -> Option<u16> {
    text.split(|found: char| !found.is_ascii_digit()).next()?.parse().ok()
}

/// Reads `alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/bin/ls`, in which a reason
/// comes before the pairs if `sudo` refused.
fn sudo(message: &str) -> Option<LoginFact<'_>> {
    let (user, rest) = message.split_once(" : ")?;
    let fact = LoginFact { action: "sudo", user: Some(user.trim()), ..LoginFact::default() };
    // The rest of a long command, which is anything, comes in lines of its own.
    let has_pairs = rest.contains("USER=") || rest.contains("COMMAND=");
    if rest.starts_with("(command continued)") || !has_pairs {
        return None;
    }
    let is_pair = rest.split_once('=').is_some_and(|(key, _)| {
        !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_uppercase())
    });
    let fact = LoginFact { outcome: Some(if is_pair { "success" } else { "failure" }), ..fact };
    // The command is the last pair, and may contain what separates them.
    let (pairs, command) = match rest.split_once("COMMAND=") {
        Some((pairs, command)) => (pairs, Some(command)),
        None => (rest, None),
    };
    // A directory may have any name. If it looks like more pairs, nobody can tell which are true.
    let is_twice = command.is_some_and(|command| command.contains(" COMMAND="));
    if is_twice || pairs.matches(" USER=").count() > 1 {
        return Some(fact);
    }
    let mut fact = LoginFact { command, ..fact };
    for part in pairs.split(" ; ").map(|part| part.trim().trim_end_matches(';').trim_end()) {
        match part.split_once('=') {
            Some(("PWD", directory)) => fact.directory = Some(directory),
            Some(("USER", target)) => fact.target = Some(target),
            _ => {}
        }
    }
    Some(fact)
}

/// Reads the messages of the several programs of this name.
fn su(message: &str) -> Option<LoginFact<'_>> {
    let (begin, between, order, outcome) =
        SU_FORMS.iter().find(|(begin, ..)| message.starts_with(begin))?;
    // The target is what somebody typed; the name of who typed it has no blanks.
    let names = message.strip_prefix(begin)?;
    let (first, second) = match order {
        NameOrder::UserFirst => names.split_once(between)?,
        NameOrder::TargetFirst => names.rsplit_once(between)?,
    };
    let second = second.rsplit_once(" on ").map_or(second, |(name, _terminal)| name);
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
fn pam(message: &str, program: LoginProgram) -> Option<LoginFact<'_>> {
    // Old versions name the module with the program, and OpenSSH counts further failures.
    let counted = message.strip_prefix("PAM ").and_then(|rest| {
        let (count, rest) = rest.split_once(" more authentication failure")?;
        count.parse::<u32>().ok()?;
        rest.trim_start_matches('s').strip_prefix("; ")
    });
    if let Some(rest) = counted.or_else(|| message.strip_prefix("authentication failure; ")) {
        return pam_failure(rest, program);
    }
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
    pam_failure(rest.strip_prefix("authentication failure; ")?, program)
}

/// Reads `logname= uid=0 euid=0 tty=ssh ruser= rhost=10.0.0.1  user=root`.
fn pam_failure(text: &str, program: LoginProgram) -> Option<LoginFact<'_>> {
    let failure =
        LoginFact { action: "authentication", outcome: Some("failure"), ..LoginFact::default() };
    // Names may be what a stranger typed, with further pairs in them. OpenSSH has only the last
    // one.
    let is_twice = |key: &&str| text.matches(*key).count() > 1;
    let may_be_forged = [" ruser=", " rhost=", " user="].iter().any(is_twice);
    if may_be_forged && program != LoginProgram::Ssh {
        return Some(failure);
    }
    // The user is last, and may be any text.
    let (pairs, user) = match text.split_once(" user=") {
        Some((pairs, user)) => (pairs, Some(user.trim())),
        None => (text, None),
    };
    let value = |key: &str| {
        pairs
            .split_ascii_whitespace()
            .find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
            .filter(|value| !value.is_empty())
    };
    let (local, address) = (value("ruser"), value("rhost"));
    // Who asks on the machine itself is known; over the network it is a claim.
    let actor = local.filter(|_| address.is_none()).or(user);
    Some(LoginFact { user: actor, target: user, address, ..failure })
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

/// Reads the messages of `login`: `LOGIN ON pts/0 BY alice FROM host`, and
/// `FAILED LOGIN 1 FROM tty1 FOR alice, Authentication failure`.
fn login(message: &str) -> Option<LoginFact<'_>> {
    let fact =
        |outcome| LoginFact { action: "login", outcome: Some(outcome), ..LoginFact::default() };
    let place = |text: &'_ str| text.parse::<std::net::IpAddr>().is_ok() || text.contains('.');
    if let Some(rest) = message.strip_prefix("ROOT LOGIN ON ") {
        let address = rest.split_once(" FROM ").map(|(_terminal, host)| host);
        return Some(LoginFact { user: Some("root"), address, ..fact("success") });
    }
    if let Some(rest) = message.strip_prefix("LOGIN ON ") {
        let (_terminal, who) = rest.split_once(" BY ")?;
        let (user, address) = match who.split_once(" FROM ") {
            Some((user, host)) => (user, Some(host)),
            None => (who, None),
        };
        return Some(LoginFact { user: Some(user), address, ..fact("success") });
    }
    let failed = ["FAILED LOGIN ", "TOO MANY LOGIN TRIES "];
    let rest = failed.iter().find_map(|begin| message.strip_prefix(begin))?;
    // The place comes first; the name is what a stranger typed.
    let (count, rest) = rest.split_once("FROM ")?;
    // Another `login` puts the name first.
    let is_count = |text: &str| text.is_empty() || text.parse::<u32>().is_ok();
    if !is_count(count.trim().trim_matches(['(', ')'])) && count.trim() != "SESSION" {
        return None;
    }
    let (from, rest) = rest.split_once(" FOR ")?;
    let (user, _reason) = rest.rsplit_once(", ")?;
    let user = Some(user).filter(|user| *user != "(unknown)");
    Some(LoginFact { user, address: Some(from).filter(|from| place(from)), ..fact("failure") })
}

/// Reads `New session 3 of user alice.`
fn logind(message: &str) -> Option<LoginFact<'_>> {
    let (_session, user) = message.strip_prefix("New session ")?.split_once(" of user ")?;
    // Newer versions go on with the class of the session, and quote the name.
    let user = user.split(' ').next().unwrap_or_default();
    Some(LoginFact {
        action: "session_opened",
        outcome: Some("success"),
        user: Some(user.trim_end_matches('.').trim_matches('\'')),
        ..LoginFact::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns action, outcome, user, target and address, separated by blanks; `-` is none.
    fn facts(program: &str, message: &str) -> String {
        let fact = read(program, message).unwrap_or_default();
        let action = Some(fact.action).filter(|action| !action.is_empty());
        [action, fact.outcome, fact.user, fact.target, fact.address]
            .map(|text| text.unwrap_or("-"))
            .join(" ")
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
            (
                "Received disconnect from 10.0.0.1 port 50022:11: bye from 6.6.6.6 port 1",
                "ssh_disconnect - - - 10.0.0.1",
            ),
            ("Disconnected from invalid user  10.0.0.1 port 1", "ssh_disconnect - - - 10.0.0.1"),
            ("Connection closed by UNKNOWN port 65535", "- - - - -"),
            ("Connection reset by peer", "- - - - -"),
            ("Server listening on 0.0.0.0 port 22.", "- - - - -"),
            ("Failed", "- - - - -"),
        ] {
            assert_eq!(facts("sshd", message), expected, "{message}");
        }
        let fact = read("sshd", "Accepted password for a from gate.example port 65 ssh2");
        let fact = fact.expect("a login");
        assert_eq!((fact.address, fact.port), (Some("gate.example"), Some(65)));
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
            ("alice : (command continued) ; USER=root ; COMMAND=/bin/sh", "- - - - -"),
            (
                "eve : TTY=p ; PWD=/tmp/x ; USER=bin ; COMMAND=y ; USER=root ; COMMAND=/bin/sh",
                "sudo success eve - -",
            ),
            ("eve : TTY=p ; PWD=/x ; USER=bin ; USER=root ; COMMAND=y", "sudo success eve - -"),
            (
                "eve : a password is required ; TTY=p ; USER=root ; COMMAND=y",
                "sudo failure eve root -",
            ),
        ] {
            assert_eq!(facts("sudo", message), expected, "{message}");
        }
        let fact = read("sudo", "a : TTY=p ; PWD=/h ; USER=root ; COMMAND=/bin/ls ; x");
        let fact = fact.expect("a use of sudo");
        assert_eq!((fact.command, fact.directory), (Some("/bin/ls ; x"), Some("/h")));
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
            ("FAILED SU (to x) root on) alice on pts/0", "su failure alice x) root on -"),
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
            (
                "pam_unix(su:auth): authentication failure; logname=bob uid=1000 euid=0 \
                 tty=pts/1 ruser=bob rhost=  user=root",
                "authentication failure bob root -",
            ),
            (
                "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh \
                 ruser= rhost=10.0.0.1  user=x rhost=6.6.6.6 user=root",
                "authentication failure x rhost=6.6.6.6 user=root - 10.0.0.1",
            ),
            ("pam_unix(sshd:auth): check pass; user unknown", "- - - - -"),
            ("pam_", "- - - - -"),
        ] {
            assert_eq!(facts("sshd-session", message), expected, "{message}");
        }
        let typed = "pam_unix(vsftpd:auth): authentication failure; logname= uid=0 euid=0 tty=ftp \
                     ruser=x rhost=6.6.6.6 user=root rhost=10.0.0.1";
        assert_eq!(facts("vsftpd", typed), "authentication failure - - -");
        let forged = "Accepted certificate ID \"x for root from 6.6.6.6 port 22 ssh2\" (serial 0) \
                      signed by CA ED25519 SHA256:a found at /home/eve/.ssh/authorized_keys:1";
        assert_eq!(facts("sshd", forged), "- - - - -");
        let other = "FAILED LOGIN (1) on '/dev/pts/0' FOR 'x FROM 6.6.6.6 FOR root', no";
        assert_eq!(facts("login", other), "- - - - -");
        assert_eq!(
            facts("systemd-logind", "New session 3 of user alice."),
            "session_opened success alice - -"
        );
    }

    #[test]
    fn messages_of_login_and_of_newer_logind() {
        for (program, message, expected) in [
            ("login", "LOGIN ON tty1 BY bob", "login success bob - -"),
            ("login", "LOGIN ON pts/0 BY bob FROM 10.0.0.1", "login success bob - 10.0.0.1"),
            ("login", "ROOT LOGIN ON tty1", "login success root - -"),
            (
                "login",
                "FAILED LOGIN 1 FROM tty1 FOR x FROM 6.6.6.6 FOR y, z, Authentication failure",
                "login failure x FROM 6.6.6.6 FOR y, z - -",
            ),
            (
                "login",
                "FAILED LOGIN SESSION FROM 10.0.0.1 FOR (unknown), User not known",
                "login failure - - 10.0.0.1",
            ),
            ("login", "FAILED LOGIN", "- - - - -"),
            (
                "systemd-logind",
                "New session '3' of user 'bob' with class 'user' and type 'tty'.",
                "session_opened success bob - -",
            ),
        ] {
            assert_eq!(facts(program, message), expected, "{message}");
        }
    }

    #[test]
    fn other_programs_tell_nothing() {
        let message = "Accepted password for root from 10.0.0.1 port 22 ssh2";
        let session = "pam_unix(x:session): session opened for user root by eve(uid=7)";
        for program in ["", "app", "sshd2", "nginx", "not-sshd", "sshd/x", "logger"] {
            assert_eq!(facts(program, message), "- - - - -", "{program}");
            assert_eq!(facts(program, session), "- - - - -", "{program}");
        }
        assert_eq!(facts("cron", message), "- - - - -");
        assert_eq!(facts("CRON", session), "session_opened success eve root -");
        assert_eq!(facts("/usr/sbin/sshd", message), "ssh_login success root - 10.0.0.1");
    }

    #[test]
    fn what_a_stranger_sends_forges_neither_name_nor_address() {
        let key = "ssh2: ED25519-CERT SHA256:a ID";
        for (message, expected) in [
            (
                "Failed password for invalid user root from 6.6.6.6 port 22 from 10.0.0.1 \
                 port 9 ssh2"
                    .to_owned(),
                "ssh_login failure root from 6.6.6.6 port 22 - 10.0.0.1",
            ),
            (
                format!(
                    "Failed publickey for invalid user x from 10.0.0.1 port 9 {key} y from \
                     6.6.6.6 port 1 {key} z (serial 0) CA RSA SHA256:b"
                ),
                "ssh_login failure - - -",
            ),
            (
                format!(
                    "Failed password for invalid user x from 6.6.6.6 port 9 {key} y (serial 0) \
                     CA RSA SHA256:b from 10.0.0.1 port 7 ssh2"
                ),
                "ssh_login failure x from 6.6.6.6 port 9 ssh2: ED25519-CERT SHA256:a ID y \
                 (serial 0) CA RSA SHA256:b - 10.0.0.1",
            ),
            (
                format!(
                    "Accepted publickey for bob from 10.0.0.1 port 9 {key} y from 6.6.6.6 port \
                     1 (serial 0) CA RSA SHA256:b"
                ),
                "ssh_login success bob - 10.0.0.1",
            ),
        ] {
            assert_eq!(facts("sshd", &message), expected, "{message}");
        }
    }
}
