//! Where each vendor's records have what an event has.

use crate::decode::Format;
use crate::event::Field;

/// Where a vendor's records have what an event has. Of several paths, the first that has a value
/// counts.
pub(super) struct Vendor {
    pub(super) format: Format,
    pub(super) times: &'static [&'static str],
    pub(super) texts: &'static [(Field, &'static [&'static str])],
    /// The source, if the records do not name theirs.
    pub(super) source: &'static str,
    /// Paths and the words there that tell of a failure.
    pub(super) failed: &'static [(&'static str, FailureSign)],
    /// Where a severity is told in words.
    pub(super) levels: &'static [&'static str],
    pub(super) related: &'static [(&'static str, &'static str)],
    /// Where it is told whether something was only read, and the word for that.
    pub(super) reading: (&'static str, &'static str),
}

/// What a value says about failure.
pub(super) enum FailureSign {
    /// Any of these words, whatever their case.
    Words(&'static [&'static str]),
    /// Any value but these.
    AllBut(&'static [&'static str]),
    /// A number from this one on.
    From(u32),
}

impl FailureSign {
    pub(super) fn is_told_by(&self, text: &str) -> bool {
        let is = |word: &&str| word.eq_ignore_ascii_case(text);
        match self {
            Self::Words(words) => words.iter().any(is),
            Self::AllBut(words) => !words.iter().any(is),
            Self::From(least) => text.parse::<u32>().is_ok_and(|number| number >= *least),
        }
    }
}

const NO_READING: (&str, &str) = ("", "");

pub(super) const VENDORS: &[Vendor] = &[
    Vendor {
        format: Format::GitHub,
        times: &["@timestamp", "created_at"],
        texts: &[
            (Field::TraceId, &["_document_id"]),
            (Field::EventName, &["action"]),
            (Field::Operator, &["actor", "external_identity_nameid"]),
            (Field::ResourceId, &["repo", "org", "business"]),
            (Field::ResourceName, &["repo", "org", "business"]),
            (Field::SourceIp, &["actor_ip"]),
            (Field::RequestId, &["request_id"]),
        ],
        source: "github.com",
        failed: &[("operation_type", FailureSign::Words(&["authentication_failure"]))],
        levels: &[],
        related: &[("target", "user"), ("account", "org"), ("user", "actor_id")],
        reading: ("operation_type", "access"),
    },
    Vendor {
        format: Format::GitLab,
        times: &["created_at"],
        texts: &[
            (Field::TraceId, &["id"]),
            (Field::EventName, &["event_type", "details.event_name", "details.custom_message"]),
            (Field::Operator, &["author_name", "details.author_name", "author_id"]),
            (Field::ResourceType, &["target_type", "details.target_type", "entity_type"]),
            (Field::ResourceId, &["target_id", "details.target_id", "entity_id"]),
            (Field::ResourceName, &["target_details", "details.target_details", "entity_path"]),
            (Field::SourceIp, &["ip_address", "details.ip_address"]),
        ],
        source: "gitlab",
        failed: &[],
        levels: &[],
        related: &[("user", "author_id"), ("account", "entity_path")],
        reading: NO_READING,
    },
    Vendor {
        format: Format::Okta,
        times: &["published"],
        texts: &[
            (Field::TraceId, &["uuid"]),
            (Field::EventName, &["eventType"]),
            (Field::Operator, &["actor.alternateId", "actor.displayName", "actor.id"]),
            (Field::ResourceType, &["target.0.type"]),
            (Field::ResourceId, &["target.0.id"]),
            (Field::ResourceName, &["target.0.alternateId", "target.0.displayName"]),
            (Field::SourceIp, &["client.ipAddress"]),
            (Field::Code, &["outcome.reason"]),
            (Field::RequestId, &["debugContext.debugData.requestId", "transaction.id"]),
        ],
        source: "okta",
        failed: &[("outcome.result", FailureSign::Words(&["FAILURE", "DENY"]))],
        levels: &["severity"],
        related: &[
            ("user", "actor.id"),
            ("target", "target.0.id"),
            ("session", "authenticationContext.externalSessionId"),
        ],
        reading: NO_READING,
    },
    Vendor {
        format: Format::Workspace,
        times: &["id.time"],
        texts: &[
            (Field::TraceId, &["id.uniqueQualifier"]),
            (Field::EventName, &["events.0.name"]),
            (Field::Source, &["id.applicationName"]),
            (Field::ResourceType, &["events.0.type"]),
            (Field::Operator, &["actor.email", "actor.key", "actor.profileId"]),
            (Field::SourceIp, &["ipAddress"]),
        ],
        source: "workspace.google.com",
        failed: &[("events.0.name", FailureSign::Words(&["login_failure"]))],
        levels: &[],
        related: &[("account", "id.customerId"), ("user", "actor.profileId")],
        reading: NO_READING,
    },
    Vendor {
        format: Format::Microsoft365,
        times: &["CreationTime", "CreationDate"],
        texts: &[
            (Field::TraceId, &["Id"]),
            (Field::EventName, &["Operation", "Operations"]),
            (Field::Source, &["Workload"]),
            (Field::Operator, &["UserId", "UserKey"]),
            (Field::ResourceType, &["ItemType"]),
            (Field::ResourceId, &["ObjectId"]),
            (Field::ResourceName, &["SourceFileName", "ObjectId"]),
            (Field::SourceIp, &["ClientIP", "ClientIPAddress", "ActorIpAddress"]),
            (Field::Code, &["LogonError", "ResultStatus"]),
        ],
        source: "m365",
        failed: &[
            (
                "ResultStatus",
                FailureSign::Words(&["Failed", "Failure", "False", "PartiallySucceeded"]),
            ),
            ("Operation", FailureSign::Words(&["UserLoginFailed"])),
        ],
        levels: &[],
        related: &[("account", "OrganizationId"), ("user", "UserKey"), ("session", "SessionId")],
        reading: NO_READING,
    },
    Vendor {
        format: Format::Azure,
        times: &["time", "eventTimestamp", "properties.createdDateTime", "submissionTimestamp"],
        texts: &[
            (Field::TraceId, &["eventDataId", "properties.eventDataId", "properties.id"]),
            (Field::EventName, &["operationName.value", "operationName", "activityDisplayName"]),
            (Field::Source, &["resourceProviderName.value", "category.value", "category"]),
            (
                Field::Operator,
                &[
                    "caller",
                    "properties.userPrincipalName",
                    "properties.initiatedBy.user.userPrincipalName",
                    "properties.initiatedBy.app.displayName",
                    "identity.claims.name",
                    "identity",
                ],
            ),
            (Field::ResourceType, &["resourceType.value", "properties.targetResources.0.type"]),
            (Field::ResourceId, &["properties.targetResources.0.id", "resourceId"]),
            (
                Field::ResourceName,
                &["properties.targetResources.0.displayName", "properties.appDisplayName"],
            ),
            (
                Field::SourceIp,
                &["callerIpAddress", "properties.ipAddress", "httpRequest.clientIpAddress"],
            ),
            (
                Field::Code,
                &[
                    "properties.status.errorCode",
                    "subStatus.value",
                    "resultSignature",
                    "resultType",
                ],
            ),
            (Field::RequestId, &["correlationId", "properties.correlationId"]),
            (Field::OperationId, &["operationId"]),
        ],
        source: "azure",
        failed: &[
            ("status.value", FailureSign::Words(&["Failed"])),
            ("properties.result", FailureSign::Words(&["failure"])),
            ("properties.status.errorCode", FailureSign::AllBut(&["0"])),
            (
                "resultType",
                FailureSign::Words(&["Failure", "Failed", "ClientError", "ServerError"]),
            ),
            // Sign-ins give the number of an error.
            ("resultType", FailureSign::From(1)),
        ],
        levels: &["level"],
        related: &[("account", "subscriptionId"), ("account", "tenantId")],
        reading: NO_READING,
    },
    Vendor {
        format: Format::Ocsf,
        times: &["time", "time_dt", "start_time"],
        texts: &[
            (Field::TraceId, &["metadata.uid"]),
            (Field::EventName, &["api.operation", "activity_name", "type_name", "class_name"]),
            (Field::Source, &["api.service.name", "metadata.product.name", "class_name"]),
            (
                Field::Operator,
                &["actor.user.name", "actor.user.email_addr", "actor.user.uid", "user.name"],
            ),
            (Field::ResourceType, &["resources.0.type", "resource.type"]),
            (Field::ResourceId, &["resources.0.uid", "resource.uid", "user.uid"]),
            (Field::ResourceName, &["resources.0.name", "resource.name", "user.name"]),
            (Field::SourceIp, &["src_endpoint.ip"]),
            (Field::Code, &["status_code", "api.response.code"]),
            (Field::RequestId, &["api.request.uid", "metadata.correlation_uid"]),
        ],
        source: "ocsf",
        failed: &[
            ("status", FailureSign::Words(&["Failure"])),
            ("status_id", FailureSign::Words(&["2"])),
        ],
        levels: &["severity"],
        related: &[
            ("account", "cloud.account.uid"),
            ("user", "actor.user.uid"),
            ("target", "user.uid"),
            ("session", "session.uid"),
        ],
        reading: NO_READING,
    },
    Vendor {
        format: Format::Alibaba,
        times: &["eventTime"],
        texts: &[
            (Field::TraceId, &["eventId"]),
            (Field::EventName, &["eventName"]),
            (Field::Source, &["serviceName", "eventSource"]),
            (Field::Operator, &["userIdentity.userName", "userIdentity.principalId"]),
            (Field::ResourceType, &["resourceType"]),
            (Field::ResourceId, &["resourceName"]),
            (Field::ResourceName, &["resourceName"]),
            (Field::SourceIp, &["sourceIpAddress"]),
            (Field::Code, &["errorCode"]),
            (Field::RequestId, &["requestId"]),
            (Field::AccessKeyId, &["userIdentity.accessKeyId"]),
            (Field::ApiVersion, &["apiVersion"]),
        ],
        source: "aliyun",
        failed: &[("errorCode", FailureSign::AllBut(&["", "0", "200", "Success"]))],
        levels: &[],
        related: &[
            ("account", "userIdentity.accountId"),
            ("principal", "userIdentity.principalId"),
        ],
        reading: ("eventRW", "Read"),
    },
    Vendor {
        format: Format::Tencent,
        times: &["eventTime", "EventTime"],
        texts: &[
            (Field::TraceId, &["eventID", "eventId"]),
            (Field::EventName, &["eventName"]),
            (Field::Source, &["eventSource", "resourceType"]),
            (Field::Operator, &["userIdentity.userName", "userIdentity.principalId"]),
            (Field::ResourceType, &["resourceType"]),
            (Field::ResourceId, &["resourceName"]),
            (Field::ResourceName, &["resourceName"]),
            (Field::SourceIp, &["sourceIPAddress", "sourceIpAddress"]),
            (Field::Code, &["errorCode", "apiErrorCode"]),
            (Field::RequestId, &["requestID", "requestId"]),
            (Field::AccessKeyId, &["userIdentity.secretId"]),
            (Field::ApiVersion, &["apiVersion"]),
        ],
        source: "tencentcloud",
        failed: &[
            ("errorCode", FailureSign::AllBut(&["", "0", "Success"])),
            ("apiErrorCode", FailureSign::AllBut(&["", "0", "Success"])),
        ],
        levels: &[],
        related: &[
            ("account", "userIdentity.accountId"),
            ("principal", "userIdentity.principalId"),
        ],
        reading: ("actionType", "Read"),
    },
    Vendor {
        format: Format::Oracle,
        times: &["eventTime"],
        texts: &[
            (Field::TraceId, &["eventId", "eventID"]),
            (Field::EventName, &["data.eventName", "eventName", "eventType"]),
            (Field::Source, &["source", "eventSource"]),
            (Field::Operator, &["data.identity.principalName", "data.identity.principalId"]),
            (Field::ResourceId, &["data.resourceId"]),
            (Field::ResourceName, &["data.resourceName"]),
            (Field::SourceIp, &["data.identity.ipAddress"]),
            (Field::Code, &["data.response.status"]),
            (Field::RequestId, &["data.request.id"]),
        ],
        source: "oci",
        failed: &[("data.response.status", FailureSign::From(400))],
        levels: &[],
        related: &[
            ("account", "data.identity.tenantId"),
            ("account", "data.compartmentId"),
            ("principal", "data.identity.principalId"),
        ],
        reading: ("data.request.action", "GET"),
    },
    Vendor {
        format: Format::Vault,
        times: &["time"],
        texts: &[
            (Field::EventName, &["request.operation"]),
            (Field::Operator, &["auth.display_name", "auth.metadata.username", "auth.entity_id"]),
            (Field::ResourceType, &["request.mount_type"]),
            (Field::ResourceId, &["request.path"]),
            (Field::ResourceName, &["request.path"]),
            (Field::SourceIp, &["request.remote_address"]),
            (Field::RequestId, &["request.id"]),
        ],
        source: "vault",
        failed: &[("error", FailureSign::AllBut(&[""]))],
        levels: &[],
        related: &[("user", "auth.entity_id"), ("namespace", "request.namespace.path")],
        reading: ("request.operation", "read"),
    },
    Vendor {
        format: Format::Windows,
        times: &[
            "Event.System.TimeCreated.#attributes.SystemTime",
            "Event.System.TimeCreated.SystemTime",
            "EventTime",
            "UtcTime",
            "TimeCreated",
            "@timestamp",
        ],
        texts: &[
            (Field::EventName, &["Event.System.EventID", "Event.System.EventID.#text", "EventID"]),
            (Field::Source, &["Event.System.Channel", "Channel", "SourceName"]),
            (
                Field::Operator,
                &[
                    "Event.EventData.SubjectUserName",
                    "Event.EventData.User",
                    "SubjectUserName",
                    "User",
                    "AccountName",
                ],
            ),
            (Field::ResourceName, &["Event.System.Computer", "Computer", "Hostname"]),
            (Field::ResourceId, &["Event.System.Computer", "Computer", "Hostname"]),
            (Field::SourceIp, &["Event.EventData.IpAddress", "IpAddress"]),
            (Field::Code, &["Event.EventData.Status", "Status"]),
        ],
        source: "windows",
        // 4625 is a failed logon; other audits tell it by a keyword.
        failed: &[
            ("Event.System.EventID", FailureSign::Words(&["4625"])),
            ("EventID", FailureSign::Words(&["4625"])),
            ("Keywords", FailureSign::Words(&["Audit Failure"])),
            ("EventType", FailureSign::Words(&["AUDIT_FAILURE"])),
        ],
        levels: &["Severity"],
        related: &[
            ("host", "Event.System.Computer"),
            ("host", "Hostname"),
            ("target", "Event.EventData.TargetUserName"),
            ("target", "TargetUserName"),
        ],
        reading: NO_READING,
    },
];
