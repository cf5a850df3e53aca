//! Audit logs that are lines of text, from the file to the answer.

use crate::support::store::TestStore;
use annals::event::Timestamp;
use serde_json::Value as Json;

const AUDITD: &str = "\
type=SYSCALL msg=audit(1364481363.243:24287): arch=c000003e syscall=2 success=no exit=-13 a0=7fffd19c5592 ppid=2686 pid=3538 auid=1000 uid=1000 comm=\"cat\" exe=\"/bin/cat\" key=\"sshd_config\"
type=CWD msg=audit(1364481363.243:24287):  cwd=\"/home/shadowman\"
type=PATH msg=audit(1364481363.243:24287): item=0 name=\"/etc/ssh/sshd_config\" inode=409248 nametype=NORMAL
type=USER_AUTH msg=audit(1364475353.159:24270): user pid=3280 uid=1000 auid=1000 ses=1 msg='op=PAM:authentication acct=\"root\" exe=\"/bin/su\" hostname=? addr=10.0.0.9 terminal=pts/0 res=failed'
";
const CEF: &str = "\
CEF:0|Security|threatmanager|1.0|100|worm successfully stopped|10|src=10.0.0.1 dst=2.1.2.2 spt=1232 suser=alice act=blocked rt=1795860000000 msg=a \\= b
<134>Nov 28 10:00:00 gate CEF:0|Fortinet|Fortigate|v7|0419016384|ips signature|3|deviceExternalId=FG1 src=10.0.0.2 suser=bob outcome=success
";
const LEEF: &str = "LEEF:2.0|Lancope|StealthWatch|1.0|41|^|src=10.0.1.8^dst=10.0.0.5^sev=9^usrName=carol^devTime=1795860001000\n";
const SYSLOG: &str = "\
<86>Nov 28 10:00:01 web1 sshd[4711]: Failed password for invalid user oracle from 10.9.8.7 port 50522 ssh2
<34>1 2026-11-28T10:00:02.003Z web2 su - ID47 [origin@1 ip=\"10.1.1.1\"] 'su root' failed for lonvick
<134>1 2026-11-28T10:00:03Z api gateway 1 - - {\"time\":\"2026-11-28T09:59:59Z\",\"action\":\"grant\",\"user\":\"dora\"}
<134>1 2026-11-28T10:00:04Z api gateway 1 - - {\"action\":\"no time of its own\"}
";
const CRI: &str = "\
2026-11-28T10:00:05.5Z stdout F {\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",\"level\":\"Metadata\",\"auditID\":\"a-1\",\"stage\":\"ResponseComplete\",\"requestURI\":\"/api/v1/pods\",\"verb\":\"list\",\"user\":{\"username\":\"eve\"},\"requestReceivedTimestamp\":\"2026-11-28T10:00:05.000000Z\",\"stageTimestamp\":\"2026-11-28T10:00:05.100000Z\"}
2026-11-28T10:00:06.5Z stderr F plain words of a container
";

struct Lines(TestStore);

impl Lines {
    fn take(text: &str) -> Self {
        let store = TestStore::new();
        store.clock.set(Timestamp::parse("2026-11-28T12:00:00Z").expect("a time"));
        let answer = store.post("/api/v1/events?tenant=t", text.to_owned());
        assert_eq!(answer["quarantined"], serde_json::json!([]), "{answer}");
        Self(store)
    }

    /// The events, oldest first: time, name, source, operator, level, address.
    fn told(&self) -> Vec<[String; 6]> {
        let page = self.0.get("/api/v1/events?tenant=t&order=asc&limit=100");
        let tell = |event: &Json| {
            ["time", "event_name", "source", "operator", "level", "source_ip"]
                .map(|name| event[name].as_str().unwrap_or_default().to_owned())
        };
        page["events"].as_array().expect("a list").iter().map(tell).collect()
    }

    fn count(&self, question: &str) -> u64 {
        let answer = self.0.get(&format!("/api/v1/count?tenant=t&{question}"));
        answer["count"].as_u64().expect("a count")
    }
}

#[test]
fn records_of_the_linux_audit_system_are_joined_by_their_stamp() {
    let lines = Lines::take(AUDITD);
    assert_eq!(
        lines.told(),
        [
            [
                "2013-03-28T12:55:53.159Z",
                "pam:authentication",
                "auditd",
                "root",
                "warning",
                "10.0.0.9"
            ],
            ["2013-03-28T14:36:03.243Z", "syscall", "auditd", "1000", "warning", ""],
        ]
    );
    assert_eq!(lines.count("text=sshd_config"), 1);
    assert_eq!(lines.count("trace_id=1364481363.243:24287"), 1);
    assert_eq!(lines.count("substring=type%3DCWD%20msg"), 1, "the lines are kept as they came");
    let again = lines.0.post("/api/v1/events?tenant=t", AUDITD);
    assert_eq!((&again["accepted"], &again["duplicates"]), (&0.into(), &2.into()), "{again}");
}

#[test]
fn events_of_cef_and_leef_tell_who_and_what() {
    assert_eq!(
        Lines::take(CEF).told(),
        [
            [
                "2026-11-28T10:00:00.000Z",
                "blocked",
                "Security threatmanager",
                "alice",
                "incident",
                "10.0.0.1"
            ],
            [
                "2026-11-28T10:00:00.000Z",
                "ips signature",
                "Fortinet Fortigate",
                "bob",
                "normal",
                "10.0.0.2"
            ],
        ]
    );
    assert_eq!(
        Lines::take(LEEF).told(),
        [[
            "2026-11-28T10:00:01.000Z",
            "41",
            "Lancope StealthWatch",
            "carol",
            "incident",
            "10.0.1.8"
        ]]
    );
}

#[test]
fn syslog_lines_are_events_and_carry_records() {
    let lines = Lines::take(SYSLOG);
    assert_eq!(
        lines.told(),
        [
            ["2026-11-28T09:59:59.000Z", "grant", "", "dora", "normal", ""],
            ["2026-11-28T10:00:01.000Z", "ssh_login", "sshd", "oracle", "warning", "10.9.8.7"],
            ["2026-11-28T10:00:02.003Z", "su", "su", "lonvick", "incident", ""],
            ["2026-11-28T10:00:04.000Z", "", "gateway", "", "normal", ""],
        ]
    );
}

#[test]
fn lines_of_containers_are_unwrapped() {
    let lines = Lines::take(CRI);
    let told = lines.told();
    assert_eq!((told.len(), told[0][3].as_str()), (2, "eve"), "{told:?}");
    assert_eq!(lines.count("format=k8s"), 1);
    assert_eq!(lines.count("text=container"), 1);
}

#[test]
fn other_text_is_kept_with_what_would_be_read() {
    let store = TestStore::new();
    let answer = store.post("/api/v1/events?tenant=t", "Traceback (most recent call last):\n");
    assert_eq!(answer["accepted"], 0);
    let reason = answer["quarantined"][0]["reason"].as_str().expect("a reason");
    for form in ["JSON", "CEF", "auditd", "syslog"] {
        assert!(reason.contains(form), "{reason}");
    }
}
