use super::*;
use crate::decode::decode;

/// Records after the vendors' own examples, shortened to what is read.
const RECORDS: &[(&str, [&str; 7])] = &[
    (
        r#"{"@timestamp":1772352000123,"_document_id":"d1","action":"org.add_member","actor":"ann","actor_id":7,"actor_ip":"192.0.2.7","user":"bob","org":"acme","operation_type":"create"}"#,
        ["github", "org.add_member", "ann", "github.com", "acme", "192.0.2.7", "normal"],
    ),
    (
        r#"{"id":1,"author_id":5,"entity_id":6,"entity_type":"Project","event_type":"project_created","created_at":"2026-03-01T08:00:00.123Z","details":{"author_name":"Ann","target_details":"acme/app","ip_address":"192.0.2.7","entity_path":"acme/app"}}"#,
        ["gitlab", "project_created", "Ann", "gitlab", "6", "192.0.2.7", "normal"],
    ),
    (
        r#"{"uuid":"u1","published":"2026-03-01T08:00:00.123Z","eventType":"user.session.start","severity":"INFO","actor":{"id":"00u1","type":"User","alternateId":"ann@example.com","displayName":"Ann"},"client":{"ipAddress":"192.0.2.7"},"outcome":{"result":"FAILURE","reason":"INVALID_CREDENTIALS"},"target":[{"id":"0oa1","type":"AppInstance","displayName":"App"}],"transaction":{"id":"t1"}}"#,
        ["okta", "user.session.start", "ann@example.com", "okta", "0oa1", "192.0.2.7", "warning"],
    ),
    (
        r#"{"kind":"admin#reports#activity","id":{"time":"2026-03-01T08:00:00.123Z","uniqueQualifier":"-42","applicationName":"login","customerId":"C1"},"actor":{"email":"ann@example.com","profileId":"p1"},"ipAddress":"192.0.2.7","events":[{"type":"login","name":"login_failure","parameters":[{"name":"login_type","value":"google_password"}]}]}"#,
        ["workspace", "login_failure", "ann@example.com", "login", "", "192.0.2.7", "warning"],
    ),
    (
        r#"{"CreationTime":"2026-03-01T08:00:00.123","Id":"i1","Operation":"UserLoginFailed","OrganizationId":"o1","RecordType":15,"ResultStatus":"Failed","UserKey":"k1","Workload":"AzureActiveDirectory","ClientIP":"192.0.2.7:1234","ObjectId":"obj","UserId":"ann@example.com"}"#,
        [
            "m365",
            "UserLoginFailed",
            "ann@example.com",
            "AzureActiveDirectory",
            "obj",
            "192.0.2.7",
            "warning",
        ],
    ),
    (
        r#"{"time":"2026-03-01T08:00:00.1230000Z","resourceId":"/SUBSCRIPTIONS/S1/VM1","operationName":"MICROSOFT.COMPUTE/VIRTUALMACHINES/WRITE","category":"Administrative","resultType":"Success","callerIpAddress":"192.0.2.7","correlationId":"c1","identity":{"claims":{"name":"Ann"}},"level":"Information"}"#,
        [
            "azure",
            "MICROSOFT.COMPUTE/VIRTUALMACHINES/WRITE",
            "Ann",
            "Administrative",
            "/SUBSCRIPTIONS/S1/VM1",
            "192.0.2.7",
            "normal",
        ],
    ),
    (
        r#"{"time":"2026-03-01T08:00:00.123Z","resourceId":"/tenants/t1","operationName":"Sign-in activity","category":"SignInLogs","resultType":"50126","correlationId":"c1","identity":"Ann","properties":{"id":"p1","userPrincipalName":"ann@example.com","ipAddress":"192.0.2.7","appDisplayName":"Portal","status":{"errorCode":50126}}}"#,
        [
            "azure",
            "Sign-in activity",
            "ann@example.com",
            "SignInLogs",
            "/tenants/t1",
            "192.0.2.7",
            "warning",
        ],
    ),
    (
        r#"{"class_uid":3002,"class_name":"Authentication","activity_name":"Logon","time":1772352000123,"severity":"Informational","status":"Failure","metadata":{"uid":"m1","product":{"name":"Directory"}},"actor":{"user":{"name":"ann","uid":"u1"}},"user":{"name":"bob","uid":"u2"},"src_endpoint":{"ip":"192.0.2.7"}}"#,
        ["ocsf", "Logon", "ann", "Directory", "u2", "192.0.2.7", "warning"],
    ),
    (
        r#"{"eventId":"e1","eventVersion":1,"eventSource":"ecs.aliyuncs.com","serviceName":"Ecs","eventName":"DeleteInstance","eventType":"ApiCall","eventTime":"2026-03-01T08:00:00.123Z","eventRW":"Write","acsRegion":"cn-hangzhou","sourceIpAddress":"192.0.2.7","requestId":"r1","resourceType":"ACS::ECS::Instance","resourceName":"i-1","userIdentity":{"type":"ram-user","userName":"ann","accountId":"1","accessKeyId":"LTAI"}}"#,
        ["actiontrail", "DeleteInstance", "ann", "Ecs", "i-1", "192.0.2.7", "normal"],
    ),
    (
        r#"{"eventID":"e1","eventVersion":"1.0","eventSource":"cvm.tencentcloudapi.com","eventName":"RunInstances","eventTime":1772352000123,"eventRegion":"ap-guangzhou","actionType":"Write","errorCode":0,"sourceIPAddress":"192.0.2.7","requestID":"r1","resourceType":"cvm","resourceName":"ins-1","userIdentity":{"userName":"ann","accountId":"1","secretId":"AKID"}}"#,
        [
            "cloudaudit",
            "RunInstances",
            "ann",
            "cvm.tencentcloudapi.com",
            "ins-1",
            "192.0.2.7",
            "normal",
        ],
    ),
    (
        r#"{"eventType":"com.oraclecloud.ComputeApi.TerminateInstance","cloudEventsVersion":"0.1","eventTypeVersion":"2.0","source":"ComputeApi","eventId":"e1","eventTime":"2026-03-01T08:00:00.123Z","data":{"eventName":"TerminateInstance","compartmentId":"ocid1.c","resourceName":"vm","resourceId":"ocid1.i","identity":{"principalName":"ann","principalId":"ocid1.u","ipAddress":"192.0.2.7","tenantId":"ocid1.t"},"request":{"id":"r1","action":"DELETE"},"response":{"status":"404"}}}"#,
        ["oci", "TerminateInstance", "ann", "ComputeApi", "ocid1.i", "192.0.2.7", "warning"],
    ),
    (
        r#"{"time":"2026-03-01T08:00:00.123456789Z","type":"response","auth":{"display_name":"ann","entity_id":"e1"},"request":{"id":"r1","operation":"update","path":"secret/app","mount_type":"kv","remote_address":"192.0.2.7"},"error":"permission denied"}"#,
        ["vault", "update", "ann", "vault", "secret/app", "192.0.2.7", "warning"],
    ),
    (
        r##"{"Event":{"System":{"EventID":4625,"Channel":"Security","Computer":"pc1","TimeCreated":{"#attributes":{"SystemTime":"2026-03-01T08:00:00.123000Z"}}},"EventData":{"SubjectUserName":"ann","TargetUserName":"bob","IpAddress":"192.0.2.7"}}}"##,
        ["windows", "4625", "bob", "Security", "pc1", "192.0.2.7", "warning"],
    ),
    (
        r#"{"EventTime":"2026-03-01 08:00:00.123","Hostname":"pc1","EventID":4624,"Channel":"Security","SubjectUserName":"ann","TargetUserName":"bob","IpAddress":"192.0.2.7","EventType":"AUDIT_SUCCESS"}"#,
        ["windows", "4624", "bob", "Security", "pc1", "192.0.2.7", "normal"],
    ),
];

#[test]
fn every_vendor_tells_who_did_what_to_what_and_whether() {
    for (record, expected) in RECORDS {
        let event = decode(record, None).unwrap_or_else(|error| panic!("{error}: {record}"));
        let fields = [
            Field::Format,
            Field::EventName,
            Field::Operator,
            Field::Source,
            Field::ResourceId,
            Field::SourceIp,
            Field::Level,
        ];
        let told = fields.map(|field| event.text(field).unwrap_or_default());
        assert_eq!(told, *expected, "{record}");
        assert_eq!(event.time.to_string(), "2026-03-01T08:00:00.123Z", "{record}");
    }
    let known: Vec<&str> = RECORDS.iter().map(|(_, expected)| expected[0]).collect();
    let missing = vendors().find(|vendor| !known.contains(&vendor.format.name()));
    assert!(missing.is_none(), "no sample of {}", missing.map_or("", |it| it.format.name()));
}

#[test]
fn who_is_acted_upon_is_related_and_is_not_the_operator() {
    for (record, target) in [(RECORDS[0].0, "target:bob"), (RECORDS[13].0, "target:bob")] {
        let event = decode(record, None).expect("a record");
        assert!(event.related_ids.iter().any(|id| &**id == target), "{:?}", event.related_ids);
    }
}

#[test]
fn some_keys_of_a_vendor_make_no_record_of_it() {
    let record = r#"{"time":"2026-03-01T08:00:00.123Z","type":"note","auth":"none","request":"x"}"#;
    let event = decode(record, None).expect("a document");
    assert_eq!(event.text(Field::Format), Some("document"));
    assert_eq!(event.text(Field::EventName), Some("note"));
}

#[test]
fn an_answer_of_vault_that_is_only_an_error_is_a_failure() {
    for (data, level) in [
        (r#"{"error":"hmac-sha256:1"}"#, "warning"),
        (r#"{"error":"hmac-sha256:1","data":{"a":{"b":1}}}"#, "warning"),
        (r#"{"errors":["hmac-sha256:1"]}"#, "warning"),
        (r#"{"error":"hmac-sha256:1","error_count":1}"#, "normal"),
        (r#"{"errors":[]}"#, "normal"),
        (r#"{"errors":"hmac-sha256:1"}"#, "normal"),
        (r#"{"error":null}"#, "normal"),
        (r#"{"error":""}"#, "normal"),
        (r#"{"data":{"error":"hmac-sha256:1"}}"#, "normal"),
        ("{}", "normal"),
        ("null", "normal"),
    ] {
        let record = format!(
            r#"{{"time":"2026-03-01T08:00:00Z","type":"response","auth":{{}},"request":{{"id":"r1","operation":"update","path":"auth/approle/login"}},"response":{{"data":{data}}}}}"#
        );
        let event = decode(&record, None).expect("a record");
        assert_eq!(event.text(Field::Format), Some("vault"), "{data}");
        assert_eq!(event.text(Field::Level), Some(level), "{data}");
    }
}

#[test]
fn an_activity_of_workspace_is_called_after_its_primary_event_and_relates_the_others() {
    let activity = |events: &str| {
        format!(
            r#"{{"kind":"admin#reports#activity","id":{{"time":"2026-03-01T08:00:00Z","uniqueQualifier":"1","applicationName":"drive","customerId":"C1"}},"actor":{{"email":"ann@example.com"}},"events":[{events}]}}"#
        )
    };
    let moved = |name: &str, doc: &str, more: &str| {
        format!(
            r#"{{"type":"access","name":"{name}","parameters":[{{"name":"doc_id","value":"{doc}"}}{more}]}}"#
        )
    };
    let primary = r#",{"name":"primary_event","boolValue":true}"#;
    let target = r#",{"name":"target_user","value":"bob@example.com"}"#;
    let (first, second) = (moved("move", "d1", ""), moved("share", "d2", target));
    let third = moved("view", "d3", primary);
    for (events, name, id, related) in [
        (
            vec![&first, &second],
            "move",
            "d1",
            &["account:C1", "target:bob@example.com", "resource:d2"][..],
        ),
        (
            vec![&first, &second, &third],
            "view",
            "d3",
            &["account:C1", "target:bob@example.com", "resource:d1", "resource:d2"],
        ),
        (vec![&first, &"7".to_owned(), &"null".to_owned()], "move", "d1", &["account:C1"]),
    ] {
        let events: Vec<&str> = events.into_iter().map(String::as_str).collect();
        let event = decode(&activity(&events.join(",")), None).expect("a record");
        assert_eq!(event.text(Field::EventName), Some(name));
        assert_eq!(event.text(Field::ResourceId), Some(id));
        let mut told: Vec<&str> = event.related_ids.iter().map(|id| &**id).collect();
        told.sort_unstable();
        let mut related = related.to_vec();
        related.sort_unstable();
        assert_eq!(told, related, "{name}");
    }
}
