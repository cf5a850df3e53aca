//! The parts of one line of the Linux audit system (audit.rules(7), "Audit Event Fields").
//!
//! After the stamp come pairs of a key and a value. A value that anyone could have chosen is quoted
//! if it is plain, and else written as hexadecimal digits without quotes, so that nobody can forge
//! a pair. Programs put their own pairs in `msg='…'`; the daemon adds, behind a group separator,
//! names for numbers. All three are pairs of the line here; their keys do not collide, because the
//! daemon writes its own in capitals.

use super::text_cursor::TextCursor;
use chrono::{DateTime, Utc};

/// What stands between the pairs of the kernel and those of the daemon.
const GROUP_SEPARATOR: char = '\u{1d}';
/// The same as rsyslog writes it.
const ESCAPED_SEPARATOR: &str = "#035";
/// Keys whose unquoted values are hexadecimal digits, beside the arguments of a program.
const ENCODED: [&str; 16] = [
    "name",
    "comm",
    "exe",
    "cwd",
    "acct",
    "key",
    "cmd",
    "path",
    "dir",
    "file",
    "watch",
    "ocomm",
    "grp",
    "vm",
    "proctitle",
    "data",
];

/// A value as it is written.
#[derive(Debug, Clone, Copy)]
struct WrittenValue<'a> {
    text: &'a str,
    is_quoted: bool,
}

/// The head of a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct AuditHead<'a> {
    pub(super) node: Option<&'a str>,
    /// The type: a name or a number.
    pub(super) name: &'a str,
    /// `1364481363.243:24287`, which the lines of one event have in common.
    pub(super) stamp: &'a str,
    /// What comes after the stamp.
    pub(super) body: &'a str,
}

impl<'a> AuditHead<'a> {
    /// Reads `node=host type=SYSCALL msg=audit(1364481363.243:24287): `.
    pub(super) fn of(line: &'a str) -> Option<Self> {
        let mut cursor = TextCursor::new(line);
        let node = cursor.skip("node=").and_then(|()| cursor.word());
        cursor.skip("type=")?;
        let is_part = |found: char| found.is_ascii_alphanumeric() || "_-[]".contains(found);
        let name = cursor.take_while(is_part);
        cursor.gap()?;
        // The kernel's own log has no key here.
        cursor.skip("msg=").unwrap_or_default();
        cursor.skip("audit(")?;
        let (stamp, rest) = cursor.rest.split_once(')')?;
        time_of(stamp).filter(|_| !name.is_empty())?;
        let body = rest.strip_prefix(':').unwrap_or(rest);
        Some(Self { node, name, stamp, body })
    }

    /// Returns the time of the stamp.
    pub(super) fn time(&self) -> Option<DateTime<Utc>> {
        time_of(self.stamp)
    }
}

/// Reads the time of `1364481363.243:24287`.
fn time_of(stamp: &str) -> Option<DateTime<Utc>> {
    let mut cursor = TextCursor::new(stamp);
    let seconds: i64 = cursor.digits(11)?.parse().ok()?;
    cursor.skip(".")?;
    let millis = cursor.number(1, 3)?;
    cursor.skip(":")?;
    cursor.digits(20)?;
    let time = DateTime::from_timestamp(seconds, millis * 1_000_000);
    time.filter(|_| cursor.rest.is_empty())
}

/// Returns the pairs of what comes after the stamp, at most this many, with decoded values.
pub(super) fn pairs_of<'a>(name: &str, body: &'a str, most: usize) -> Vec<(&'a str, String)> {
    let escaped = || body.rsplit_once(ESCAPED_SEPARATOR).filter(|(_, rest)| is_of_daemon(rest));
    let parts = body.split_once(GROUP_SEPARATOR).or_else(escaped);
    let (of_kernel, of_daemon) = parts.unwrap_or((body, ""));
    let (before, of_program) = of_kernel.split_once("msg='").unwrap_or((of_kernel, ""));
    // Quotes inside belong to the program; the last one ends its part.
    let (of_program, after) = of_program.rsplit_once('\'').unwrap_or((of_program, ""));
    [before, of_program, after, of_daemon]
        .into_iter()
        .flat_map(|text| WrittenPairs { cursor: TextCursor::new(text) })
        .take(most)
        .map(|(key, value)| (key, decoded(name, key, value)))
        .collect()
}

/// Returns whether a text begins with a key of the daemon, which are in capitals, and not within a
/// quoted value: whoever chose that could forge a pair.
fn is_of_daemon(text: &str) -> bool {
    if text.bytes().filter(|byte| *byte == b'"').count() % 2 == 1 || text.contains('\'') {
        return false;
    }
    let key = text.split('=').next().unwrap_or_default();
    !key.is_empty() && key.len() < text.len() && key.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// The pairs of a text; words without a value are passed over.
struct WrittenPairs<'a> {
    cursor: TextCursor<'a>,
}

impl<'a> Iterator for WrittenPairs<'a> {
    type Item = (&'a str, WrittenValue<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let cursor = &mut self.cursor;
        loop {
            cursor.take_while(is_between);
            if cursor.rest.is_empty() {
                return None;
            }
            let key = cursor.take_while(is_key);
            if !key.is_empty() && cursor.skip("=").is_some() {
                return Some((key, value(key, cursor)));
            }
            // A character that no key has is passed over, and with it the rest of its word.
            cursor.take_while(|found| !is_between(found));
        }
    }
}

fn is_between(found: char) -> bool {
    found.is_ascii_whitespace() || matches!(found, ',' | '(' | ')' | GROUP_SEPARATOR)
}

fn is_key(found: char) -> bool {
    found.is_ascii_alphanumeric() || matches!(found, '_' | '-' | '.' | '[' | ']')
}

fn value<'a>(key: &str, cursor: &mut TextCursor<'a>) -> WrittenValue<'a> {
    for (begin, end) in [("\"", '"'), ("'", '\''), ("{", '}')] {
        if cursor.skip(begin).is_some() {
            let text = cursor.take_while(|found| found != end);
            cursor.one_of(&[end]);
            return WrittenValue { text: text.trim(), is_quoted: true };
        }
    }
    // A security context may have categories behind a comma, so a comma ends a value only as
    // programs write it, before a blank.
    let begin = cursor.rest;
    let mut text = cursor.take_while(|found| !found.is_ascii_whitespace());
    // Programs that manage accounts write `op=adding user to group id=1000`.
    while key == "op" && is_plain_word(first_word(cursor.rest)) {
        cursor.take_while(|found| found.is_ascii_whitespace());
        cursor.take_while(|found| !found.is_ascii_whitespace());
        text = &begin[..begin.len() - cursor.rest.len()];
    }
    // `(null)` and `(none)` are values by themselves.
    let ends: &[char] = if text.starts_with('(') { &[',', '\''] } else { &[',', '\'', ')'] };
    WrittenValue { text: text.trim_end_matches(ends), is_quoted: false }
}

fn first_word(text: &str) -> &str {
    text.split_ascii_whitespace().next().unwrap_or_default()
}

fn is_plain_word(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-')
}

fn decoded(name: &str, key: &str, value: WrittenValue<'_>) -> String {
    let is_argument = name == "EXECVE"
        && key
            .strip_prefix('a')
            .is_some_and(|rest| rest.starts_with(|next: char| next.is_ascii_digit()))
        && !key.ends_with("_len");
    if value.is_quoted || !(is_argument || ENCODED.contains(&key)) {
        return value.text.to_owned();
    }
    let Some(mut bytes) = bytes_of(value.text) else { return value.text.to_owned() };
    // What needs no encoding is not encoded: such digits are a name or a number.
    let is_plain = |byte: &u8| (0x21..=0x7e).contains(byte) && *byte != b'"';
    if bytes.iter().all(is_plain) && !matches!(key, "data" | "proctitle") {
        return value.text.to_owned();
    }
    // Arguments end with a zero; several keys of a rule are separated by a one.
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    for byte in &mut bytes {
        *byte = match *byte {
            0 => b' ',
            1 if key == "key" => b',',
            other => other,
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns the bytes that hexadecimal digits stand for. The system writes them in capitals.
pub(super) fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte);
    if digits.is_empty() || !digits.len().is_multiple_of(2) || !digits.bytes().all(is_digit) {
        return None;
    }
    let nibble = |byte: u8| if byte.is_ascii_digit() { byte - b'0' } else { byte - b'A' + 10 };
    Some(
        digits.as_bytes().chunks_exact(2).map(|two| nibble(two[0]) << 4 | nibble(two[1])).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(name: &str, body: &str) -> Vec<String> {
        let pairs = pairs_of(name, body, 100);
        pairs.into_iter().map(|(key, value)| format!("{key}={value}")).collect()
    }

    #[test]
    fn heads() {
        let head = AuditHead::of("node=h type=EOE msg=audit(1.5:7): ").expect("a head");
        assert_eq!((head.node, head.name, head.stamp, head.body), (Some("h"), "EOE", "1.5:7", " "));
        assert!(AuditHead::of("type=1400 audit(1364481363.243:24287): x").is_some());
        assert!(AuditHead::of("type=UNKNOWN[1337] msg=audit(1364481363.243:24287):").is_some());
        for line in [
            "type=EOE msg=audit(1.5:7",
            "type=EOE msg=audit(1.5:x)",
            "type=EOE msg=audit(1.5)",
            "type=EOE msg=audit(é)",
            "type= msg=audit(1.5:7)",
            "node= type=EOE msg=audit(1.5:7)",
            "type=EOE",
            "msg=audit(1.5:7): type=EOE",
        ] {
            assert!(AuditHead::of(line).is_none(), "{line}");
        }
    }

    #[test]
    fn values_of_all_forms() {
        assert_eq!(
            pairs(
                "SYSCALL",
                "a0=41 exit=-13 comm=\"cat x\" key=(null) s=a:s0-s0:c0.c1,c3 , é=1 b="
            ),
            ["a0=41", "exit=-13", "comm=cat x", "key=(null)", "s=a:s0-s0:c0.c1,c3", "b="]
        );
        assert_eq!(
            pairs(
                "USER_AUTH",
                "pid=1 msg='op=PAM:x acct=\"it's\" res=failed'\u{1d}UID=\"root\" S={ a=b }"
            ),
            ["pid=1", "op=PAM:x", "acct=it's", "res=failed", "UID=root", "S=a=b"]
        );
        assert_eq!(
            pairs(
                "USER_AUTH",
                "msg='PAM: authentication acct=\"a\" : exe=\"/x\" \
                 (hostname=h, addr=1.2.3.4, res=failed)'"
            ),
            ["acct=a", "exe=/x", "hostname=h", "addr=1.2.3.4", "res=failed"]
        );
        assert_eq!(pairs("AVC", "avc:  denied  { read } for  pid=1 x"), ["pid=1"]);
        assert_eq!(pairs("X", "a=\"open"), ["a=open"]);
    }

    #[test]
    fn encoded_values() {
        for (name, pair, expected) in [
            ("EXECVE", "a1=2F746D702F6120C3A9", "a1=/tmp/a é"),
            ("EXECVE", "a1[0]=2F746D702F6120", "a1[0]=/tmp/a "),
            ("EXECVE", "a1_len=2020", "a1_len=2020"),
            ("SYSCALL", "a1=2F746D702F6120", "a1=2F746D702F6120"),
            ("PROCTITLE", "proctitle=6C73002D6C00", "proctitle=ls -l"),
            ("SYSCALL", "key=6101620A", "key=a,b\n"),
            ("USER_AUTH", "acct=28756E6B6E6F776E207573657229", "acct=(unknown user)"),
            ("USER_AUTH", "acct=4142", "acct=4142"),
            ("USER_AUTH", "acct=root", "acct=root"),
            ("PATH", "name=FF20", "name=\u{fffd} "),
            ("PATH", "name=ff20", "name=ff20"),
            ("PATH", "name=\"FF20\"", "name=FF20"),
            ("TTY", "data=6C730D", "data=ls\r"),
        ] {
            assert_eq!(pairs(name, pair), [expected], "{pair}");
        }
    }

    #[test]
    fn no_more_pairs_than_asked_for() {
        assert_eq!(pairs_of("X", &"a=1 ".repeat(5_000), 1_000).len(), 1_000);
    }
}
