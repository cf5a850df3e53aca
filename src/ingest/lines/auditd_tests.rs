//! Events of the Linux audit system, from its documents and from machines.

use super::{LineContent, audit_stamp, read as read_line};
use serde_json::{Value, json};

/// 2026-11-29T02:00:00Z
const NOW_MS: i64 = 1_795_917_600_000;

fn read(line: &str) -> Value {
    match read_line(line, NOW_MS) {
        Some(LineContent::Object(object)) => object,
        other => panic!("{line}: {other:?}"),
    }
}

/// The example of Red Hat's Security Guide: `cat /etc/ssh/sshd_config` by a user who may not.
const REFUSED_OPEN: [&str; 4] = [
    "type=SYSCALL msg=audit(1364481363.243:24287): arch=c000003e syscall=2 success=no exit=-13 \
     a0=7fffd19c5592 a1=0 a2=7fffd19c4b50 a3=a items=1 ppid=2686 pid=3538 auid=1000 uid=1000 \
     gid=1000 tty=pts0 ses=1 comm=\"cat\" exe=\"/bin/cat\" \
     subj=unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023 key=\"sshd_config\"",
    "type=CWD msg=audit(1364481363.243:24287):  cwd=\"/home/shadowman\"",
    "type=PATH msg=audit(1364481363.243:24287): item=0 name=\"/etc/ssh/sshd_config\" \
     inode=409248 dev=fd:00 mode=0100600 ouid=0 nametype=NORMAL cap_fp=none",
    "type=PROCTITLE msg=audit(1364481363.243:24287) : \
     proctitle=636174002F6574632F7373682F737368645F636F6E666967",
];

#[test]
fn the_example_of_the_security_guide() {
    let text = REFUSED_OPEN.join("\n");
    let expected = json!({
        "event": {
            "original": text,
            "action": "syscall",
            "outcome": "failure",
            "provider": "auditd",
            "category": ["file"]
        },
        "error": {"code": "-13"},
        "@timestamp": "2013-03-28T14:36:03.243Z",
        "user": {"id": "1000"},
        "process": {
            "executable": "/bin/cat",
            "name": "cat",
            "pid": 3538,
            "parent": {"pid": 2686},
            "title": "cat /etc/ssh/sshd_config",
            "working_directory": "/home/shadowman"
        },
        "file": {"path": "/etc/ssh/sshd_config"},
        "auditd": {"data": {
            "syscall": {
                "arch": "c000003e", "syscall": "2", "success": "no", "exit": "-13",
                "a0": "7fffd19c5592", "a1": "0", "a2": "7fffd19c4b50", "a3": "a", "items": "1",
                "ppid": "2686", "pid": "3538", "auid": "1000", "uid": "1000", "gid": "1000",
                "tty": "pts0", "ses": "1", "comm": "cat", "exe": "/bin/cat",
                "subj": "unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023",
                "key": "sshd_config"
            },
            "cwd": {"cwd": "/home/shadowman"},
            "path": {
                "item": "0", "name": "/etc/ssh/sshd_config", "inode": "409248", "dev": "fd:00",
                "mode": "0100600", "ouid": "0", "nametype": "NORMAL", "cap_fp": "none"
            },
            "proctitle": {"proctitle": "cat /etc/ssh/sshd_config"}
        }}
    });
    assert_eq!(read(&text), expected);
    for line in REFUSED_OPEN {
        assert_eq!(audit_stamp(line), Some((None, "1364481363.243:24287")));
    }
}

#[test]
fn a_login_that_failed() {
    let line = "node=web-1 type=USER_AUTH msg=audit(1364475353.159:24270): user pid=3280 uid=0 \
                auid=4294967295 ses=4294967295 msg='op=PAM:authentication acct=\"root\" \
                exe=\"/usr/sbin/sshd\" hostname=10.0.0.1 addr=10.0.0.1 terminal=ssh \
                res=failed'\u{1d}UID=\"root\" AUID=\"unset\"";
    let expected = json!({
        "event": {
            "original": line,
            "action": "pam:authentication",
            "outcome": "failure",
            "provider": "auditd",
            "category": ["authentication"]
        },
        "@timestamp": "2013-03-28T12:55:53.159Z",
        "user": {"name": "root"},
        "source": {"ip": "10.0.0.1"},
        "process": {"executable": "/usr/sbin/sshd", "pid": 3280},
        "host": {"name": "web-1"},
        "auditd": {"data": {"user_auth": {
            "pid": "3280", "uid": "0", "auid": "4294967295", "ses": "4294967295",
            "op": "PAM:authentication", "acct": "root", "exe": "/usr/sbin/sshd",
            "hostname": "10.0.0.1", "addr": "10.0.0.1", "terminal": "ssh", "res": "failed",
            "UID": "root", "AUID": "unset"
        }}}
    });
    assert_eq!(read(line), expected);
}

#[test]
fn a_program_that_was_run() {
    let text = "type=SYSCALL msg=audit(1.000:1): syscall=59 success=yes exit=0 auid=1000 uid=0 \
                comm=\"touch\" exe=\"/usr/bin/touch\" key=(null)\u{1d}AUID=\"alice\" UID=\"root\"\n\
                type=EXECVE msg=audit(1.000:1): argc=4 a0=\"touch\" a1=2F746D702F6120C3A9 \
                a2_len=6 a2[0]=612062 a2[1]=632064 a3=\"-v\"\n\
                type=PATH msg=audit(1.000:1): item=0 name=\"/tmp/\" nametype=PARENT\n\
                type=PATH msg=audit(1.000:1): item=1 name=2F746D702F6120C3A9 nametype=CREATE\n\
                type=EOE msg=audit(1.000:1): \r\n";
    let object = read(text);
    assert_eq!(object["process"]["args"], json!(["touch", "/tmp/a é", "a bc d", "-v"]));
    assert_eq!(object["file"]["path"], "/tmp/a é");
    assert_eq!(object["user"], json!({"name": "alice", "id": "1000"}));
    assert_eq!(object["event"]["category"], json!(["process"]));
    assert_eq!(object["auditd"]["data"]["path"][1]["nametype"], "CREATE");
    assert_eq!(object["event"]["original"], text);
}

/// Returns action, outcome, name and id of the user, target and address, separated by blanks.
fn facts(line: &str) -> String {
    let object = read(line);
    let paths = [
        "/event/action",
        "/event/outcome",
        "/user/name",
        "/user/id",
        "/user/target/name",
        "/source/ip",
    ];
    let text = |path: &&str| object.pointer(path).and_then(Value::as_str);
    paths.iter().map(|path| text(path).unwrap_or("-")).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_lines_tell() {
    for (body, expected) in [
        (
            "type=USER_LOGIN msg=audit(1.5:1): pid=1 uid=0 auid=4294967295 msg='op=login \
             acct=28756E6B6E6F776E207573657229 exe=\"/x\" addr=::1 terminal=ssh res=failed'",
            "login failure (unknown user) - - ::1",
        ),
        (
            "type=ADD_USER msg=audit(1.5:1): pid=1 uid=0 auid=1000 msg='op=adding user \
             acct=\"bob\" exe=\"/usr/sbin/useradd\" hostname=? addr=? terminal=pts/0 res=success'",
            "adding user success - 1000 bob -",
        ),
        (
            "type=USER_CMD msg=audit(1.5:1): pid=1 uid=1000 auid=1000 msg='cwd=\"/\" \
             cmd=6C73202D6C terminal=pts/0 res=success'\u{1d}UID=\"al\" AUID=\"al\"",
            "user_cmd success al 1000 - -",
        ),
        (
            "type=CONFIG_CHANGE msg=audit(1.5:1): auid=4294967295 op=add_rule key=\"x\" res=1",
            "add_rule success - - - -",
        ),
        ("type=SERVICE_START msg=audit(1.5:1): uid=0 res=?", "service_start - - 0 - -"),
        ("type=SYSCALL msg=audit(1.5:1): exit=-2 uid=33", "syscall failure - 33 - -"),
        ("type=SYSCALL msg=audit(1.5:1): exit=2", "syscall success - - - -"),
        (
            "type=DAEMON_START msg=audit(1363713609.192:5426): auditd start, ver=2.2 format=raw \
             auid=1000 pid=4979 subj=a:b res=success",
            "daemon_start success - 1000 - -",
        ),
        (
            "type=AVC msg=audit(1.5:1): avc:  denied  { read } for  pid=1 comm=\"x\" permissive=0",
            "avc failure - - - -",
        ),
        (
            "type=USER_AUTH msg=audit(1.5:1): user pid=1 uid=0 msg='PAM: authentication \
             acct=\"zoë\" : exe=\"/x\" (hostname=h, addr=1.2.3.4, terminal=ssh res=failed)'",
            "user_auth failure zoë - - 1.2.3.4",
        ),
        ("type=SOCKADDR msg=audit(1.5:1): saddr=02000050C0A80001", "sockaddr - - - - 192.168.0.1"),
        (
            "type=SOCKADDR msg=audit(1.5:1): saddr=0A00005000000000FE80000000000000000000000000\
             000100000000",
            "sockaddr - - - - fe80::1",
        ),
        ("type=UNKNOWN[1399] msg=audit(1.5:1):", "unknown[1399] - - - - -"),
    ] {
        assert_eq!(facts(body), expected, "{body}");
    }
}

#[test]
fn an_address_that_is_reached_is_no_source() {
    let text = "type=SYSCALL msg=audit(1.5:1): syscall=42 success=yes\n\
                type=SOCKADDR msg=audit(1.5:1): saddr=02000050C0A80001";
    let object = read(text);
    assert_eq!(object["destination"], json!({"ip": "192.168.0.1"}));
    assert_eq!(object.get("source"), None);
    assert_eq!(object["event"]["category"], json!(["network"]));
}

#[test]
fn the_main_record_is_the_one_that_is_no_addition() {
    let text = "type=LOGIN msg=audit(1.5:1): pid=1 uid=0 old-auid=4294967295 auid=1000 res=1\n\
                type=SYSCALL msg=audit(1.5:1): success=yes exit=4 comm=\"sshd\"\n\
                type=PROCTITLE msg=audit(1.5:1): proctitle=\"sshd\"";
    let object = read(text);
    assert_eq!(object["event"]["action"], "login");
    assert_eq!(object["process"]["name"], "sshd");
}

#[test]
fn through_syslog() {
    let line = "type=USER_END msg=audit(1364481363.243:7): uid=0 msg='op=PAM:x res=success'";
    for head in [
        "<14>Oct 11 22:14:15 h audispd: ",
        "<14>Oct 11 22:14:15 h audispd: node=n ",
        "<14>1 2026-10-11T22:14:15Z h audisp-syslog 1 - - ",
        "2026-10-11T22:14:15+00:00 h audisp-syslog[1]: ",
    ] {
        let line = format!("{head}{line}");
        let object = read(&line);
        assert_eq!(object["@timestamp"], "2013-03-28T14:36:03.243Z", "{line}");
        assert_eq!(object["host"]["name"], if head.contains("node") { "n" } else { "h" });
        assert_eq!(object["event"]["action"], "pam:x", "{line}");
        assert_eq!(object["event"]["original"], line);
        assert_eq!(audit_stamp(&line), None);
    }
}

#[test]
fn from_the_kernel() {
    let denied = "apparmor=\"DENIED\" operation=\"open\" profile=\"/usr/sbin/named\" \
                  name=\"/etc/shadow\" pid=7 comm=\"named\"";
    for head in [
        "Oct 11 22:14:15 h kernel: [   12.345678] audit: type=1400 audit(1364481363.243:7): ",
        "Oct 11 22:14:15 h kernel: audit: type=1400 audit(1364481363.243:7): ",
        "<5>kernel: type=1400 audit(1364481363.243:7): ",
        "Oct 11 22:14:15 h audit: type=1400 audit(1364481363.243:7): ",
    ] {
        let object = read(&format!("{head}{denied}"));
        assert_eq!(object["event"]["action"], "open", "{head}");
        assert_eq!(object["event"]["outcome"], "failure", "{head}");
        assert_eq!(object["file"]["path"], "/etc/shadow", "{head}");
        assert_eq!(object["auditd"]["data"]["avc"]["apparmor"], "DENIED", "{head}");
    }
}

#[test]
fn other_lines() {
    for text in [
        "type=SYSCALL msg=audit(x): a=1",
        "type=SYSCALL",
        "node=a b",
        "type=SYSCALL msg=audit(1.5:1): a=1\ntype=SYSCALL msg=audit(1.5:2): a=1",
        "type=SYSCALL msg=audit(1.5:1): a=1\nsomething else",
    ] {
        assert!(read_line(text, NOW_MS).is_none(), "{text}");
    }
    assert_eq!(
        audit_stamp("node=h type=EOE msg=audit(1700000000.123:456): "),
        Some((Some("h"), "1700000000.123:456"))
    );
    assert_eq!(audit_stamp("Oct 11 22:14:15 h a: b"), None);
}

#[test]
fn keys_are_bounded_over_all_lines() {
    let line = format!("type=EXECVE msg=audit(1.5:1): {}", "a1=20 ".repeat(700));
    let text = [line.as_str(); 3].join("\n");
    let object = read(&text);
    assert_eq!(object["process"]["args"].as_array().map(Vec::len), Some(1_000));
    let many = "type=EOE msg=audit(1.5:1):\n".repeat(3_000);
    assert_eq!(read(&many)["auditd"]["data"]["eoe"].as_array().map(Vec::len), Some(1_000));
}
