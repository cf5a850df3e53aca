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
                "1000",
                "warning",
                "10.0.0.9"
            ],
            ["2013-03-28T14:36:03.243Z", "syscall", "auditd", "1000", "warning", ""],
        ]
    );
    assert_eq!(lines.count("text=sshd_config"), 1);
    assert_eq!(lines.count("substring=1364481363.243:24287"), 1);
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
            ["2026-11-28T09:59:59.000Z", "grant", "gateway", "dora", "normal", ""],
            ["2026-11-28T10:00:01.000Z", "ssh_login", "sshd", "oracle", "warning", "10.9.8.7"],
            ["2026-11-28T10:00:02.003Z", "su", "su", "lonvick", "incident", ""],
            ["2026-11-28T10:00:04.000Z", "no time of its own", "gateway", "", "normal", "",],
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

/// What containerd writes of two long lines, one of which another stream interrupts.
const PARTS: &str = "\
2026-11-28T10:00:05.1Z stdout P {\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",\"level\":\"Metadata\",\"auditID\":\"a-1\",\"stage\":\"ResponseComplete\",\"requestURI\":\"/api/v1/pods\",\"verb\":\"li
2026-11-28T10:00:05.2Z stderr F plain words
2026-11-28T10:00:05.3Z stdout F st\",\"user\":{\"username\":\"eve\"},\"requestReceivedTimestamp\":\"2026-11-28T10:00:05.000000Z\",\"stageTimestamp\":\"2026-11-28T10:00:05.100000Z\"}
2026-11-28T10:00:06.1Z stdout P the long s
2026-11-28T10:00:06.2Z stdout F tory
2026-11-28T10:00:07.1Z stdout P never ended
";

#[test]
fn parts_of_a_line_of_a_container_are_one_event() {
    let lines = Lines::take(PARTS);
    assert_eq!((lines.told().len(), lines.count("format=k8s&operator=eve")), (4, 1));
    assert_eq!((lines.count("text=story"), lines.count("text=ended")), (1, 1));
    for kept in ["10:00:06.1Z", "10:00:06.2Z", "stdout%20P%20the%20long%20s", "stdout%20F%20tory"] {
        assert_eq!(lines.count(&format!("substring={kept}")), 1, "{kept}");
    }
    let again = lines.0.post("/api/v1/events?tenant=t", PARTS);
    assert_eq!((&again["accepted"], &again["duplicates"]), (&0.into(), &4.into()), "{again}");
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

/// The lines of two events as two processors write them at once.
const MIXED: &str = "\
type=SYSCALL msg=audit(1795860000.001:1): success=yes auid=1000 comm=\"a\"
type=SYSCALL msg=audit(1795860000.001:2): success=no exit=-13 auid=1001 comm=\"b\"
type=PATH msg=audit(1795860000.001:1): item=0 name=\"/etc/passwd\" nametype=NORMAL
type=PATH msg=audit(1795860000.001:2): item=0 name=\"/etc/shadow\" nametype=NORMAL
type=EOE msg=audit(1795860000.001:1):
type=EOE msg=audit(1795860000.001:2):
";

#[test]
fn mixed_lines_of_audit_events_are_put_in_order() {
    for text in [MIXED.to_owned(), format!("\u{feff}{MIXED}"), MIXED.replace('\n', "\n\n")] {
        let lines = Lines::take(&text);
        assert_eq!(lines.told().len(), 2, "{text}");
        assert_eq!((lines.count("operator=1000&text=passwd"), lines.count("text=shadow")), (1, 1));
        assert_eq!(lines.count("operator=1001&text=passwd"), 0);
    }
}

#[test]
fn no_part_of_an_audit_event_that_was_torn_apart_is_lost() {
    let rows: Vec<&str> = AUDITD.lines().collect();
    for cut in 1..rows.len() {
        let lines = Lines::take(&(rows[..cut].join("\n") + "\n"));
        let answer = lines.0.post("/api/v1/events?tenant=t", rows[cut..].join("\n") + "\n");
        assert_eq!(answer["quarantined"], serde_json::json!([]), "{answer}");
        let found = lines.count("text=shadowman") + lines.count("text=sshd_config");
        assert!(found >= 2, "cut at {cut}: {found}");
    }
    let head = "<14>Nov 28 10:00:00 web1 audispd: node=web1 ";
    let relayed: String = rows.iter().map(|row| format!("{head}{row}\n")).collect();
    assert_eq!(Lines::take(&relayed).told().len(), rows.len());
}

#[test]
fn a_json_line_that_was_cut_takes_no_text_line_with_it() {
    let text: String =
        (0..50).map(|number| format!("Nov 28 10:00:00 h a: line {number}\n")).collect();
    for cut in ["{\"time\":\"2026-11-28T10:00:00Z\",\"msg\":\"cut he", "{\"a\":", "[\"", "{\"a"] {
        let store = TestStore::new();
        let body = format!("{{\"a\":1}}\n{cut}\n{text}{AUDITD}{CEF}{{\"a\":2}}\n");
        let answer = store.post("/api/v1/events?tenant=t", body);
        assert_eq!(
            (&answer["accepted"], &answer["quarantined_total"]),
            (&serde_json::json!(56), &serde_json::json!(1)),
            "{cut}: {answer}"
        );
    }
}

#[test]
fn equal_json_in_different_lines_is_different_records() {
    let json =
        "{\"time\":\"2026-11-28T10:00:00Z\",\"user\":\"bob\",\"msg\":\"login failed\",\"n\":1.0}";
    let first = format!("2026-11-28T10:00:00.100000000Z stdout F {json}\n");
    let second = format!("2026-11-28T10:00:00.900000000Z stdout F {json}\n");
    let relayed = format!("<134>1 2026-11-28T10:00:03Z api gateway 1 - - {json}\n");
    let lines = Lines::take(&format!("{first}{second}{relayed}"));
    assert_eq!(lines.count("operator=bob&text=login"), 3);
    assert_eq!(lines.count("resource_name=api"), 1, "the host of the head");
    let again = lines.0.post("/api/v1/events?tenant=t", first);
    assert_eq!((&again["accepted"], &again["duplicates"]), (&0.into(), &1.into()));
    // A record with an id of its own is the same one, however it came.
    let own =
        "{\"event\":{\"id\":\"e1\"},\"@timestamp\":\"2026-11-28T10:00:00Z\",\"message\":\"m\"}";
    let answer = lines.0.post(
        "/api/v1/events?tenant=t",
        format!("2026-11-28T10:00:01Z stdout F {own}\n2026-11-28T10:00:02Z stderr F {own}\n"),
    );
    assert_eq!((&answer["accepted"], &answer["duplicates"]), (&1.into(), &1.into()));
}

#[test]
fn heads_of_relays_and_of_qradar_are_passed_over() {
    let cef = "CEF:0|v|p|1|2|n|5|suser=kim src=10.0.0.1 msg=hello there world";
    let leef =
        "LEEF:2.0|Lancope|StealthWatch|1.0|41|^|src=10.0.0.1^usrName=kim^msg=some words here";
    for head in [
        "<134>1 2026-11-28T10:00:00Z host ",
        "<13>1 2019-01-18T11:07:53.520+07:00 192.168.1.1 ",
        "<134>Nov 28 10:00:00 relay Nov 28 09:59:59 host ",
        "<134>Nov 28 10:00:00 10.0.0.9 <134>Nov 28 10:00:00 host ",
        "<134>Nov 28 10:00:00 host myapp ",
        "2026-11-28 10:00:00 unusual head ",
    ] {
        for text in [cef, leef] {
            let lines = Lines::take(&format!("{head}{text}\n"));
            assert_eq!(lines.count("operator=kim&source_ip=10.0.0.1"), 1, "{head}{text}");
        }
    }
}

#[test]
fn what_a_stranger_types_forges_no_address() {
    let lines = Lines::take(
        "Nov 28 10:00:00 web1 sshd[123]: Disconnected from invalid user x 6.6.6.6 port 1 10.0.0.1 port 22 [preauth]\n\
        Nov 28 10:00:01 web1 sshd[123]: Connection closed by invalid user a b 10.0.0.1 port 22 [preauth]\n",
    );
    let told: Vec<_> = lines.told().into_iter().map(|[_, _, _, who, _, ip]| (who, ip)).collect();
    let from = |who: &str| (who.to_owned(), "10.0.0.1".to_owned());
    assert_eq!(told, [from("x 6.6.6.6 port 1"), from("a b")]);
    let forged = "Nov 28 10:00:00 web1 sshd[1]: Invalid user x CEF:0|v|p|1|2|n|5|suser=root src=10.0.0.9 act=accepted from 6.6.6.6 port 22\n";
    let lines = Lines::take(forged);
    assert_eq!((lines.count("source_ip=6.6.6.6"), lines.count("operator=root")), (1, 0));
    let forged = "type=USER_AUTH msg=audit(1795860000.001:1): pid=1 uid=1000 auid=1000 msg='op=PAM:authentication acct=\"x#035AUID={root}\" exe=\"/usr/bin/su\" res=failed'\n";
    assert_eq!(Lines::take(forged).count("operator=1000"), 1);
}

#[test]
fn a_session_of_a_firewall_has_several_events() {
    let head = "<134>Nov 28 10:00:00 gate CEF:0|Fortinet|Fortigate|v7|";
    let lines = Lines::take(&format!(
        "{head}13|traffic:forward|3|externalId=402 src=10.0.0.2 act=accept\n\
        {head}28|utm:app-ctrl|3|externalId=402 src=10.0.0.2 act=pass\n\
        {head}17|utm:webfilter|4|externalId=402 src=10.0.0.2 act=blocked suser=bob\n"
    ));
    assert_eq!((lines.told().len(), lines.count("operator=bob&event_name=blocked")), (3, 1));
}

/// A carriage return within the operation once kept a thread for ever.
#[test]
fn no_blank_within_an_operation_stops_anything() {
    for blank in ["\r", "\u{c}", " \r ", "\t"] {
        let line = format!("type=X msg=audit(1795860000.001:7): op=a{blank}b c=d\n");
        assert_eq!(Lines::take(&line).told().len(), 1);
    }
}

#[test]
fn a_line_gives_its_time_to_what_it_carries() {
    for (line, time) in [
        (
            "2026-03-01T10:00:01Z stdout F {\"event\":{\"id\":\"e1\"},\"message\":\"m\"}\n",
            "2026-03-01T10:00:01.000Z",
        ),
        (
            "<134>Nov 28 10:00:00 h app: {\"operationName\":\"Login\",\"callerIpAddress\":\"1.2.3.4\"}\n",
            "2026-11-28T10:00:00.000Z",
        ),
        (
            "2026-03-01T10:00:02Z stdout F {\"@timestamp\":null,\"a\":1}\n",
            "2026-03-01T10:00:02.000Z",
        ),
    ] {
        assert_eq!(Lines::take(line).told()[0][0], time, "{line}");
    }
}
