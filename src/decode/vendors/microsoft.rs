//! Microsoft 365 (Office 365 Management Activity API), Azure (activity log, Entra logs as
//! diagnostic settings and as Microsoft Graph give them) and Windows (winevent as evtx_dump,
//! EvtxECmd and NXLog write it).

use super::table::{FailureSign, VENDOR, Vendor};
use super::windows;
use super::windows::AUDIT_FAILURE;
use crate::decode::Format;
use crate::decode::paths::Paths;
use crate::error::Result;
use crate::event::{Event, Field};

pub(super) const MICROSOFT: &[Vendor] = &[
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
        // `Search-UnifiedAuditLog` prints the record as text beside a few of its fields.
        carried: &["AuditData"],
        failed: &[
            (
                "ResultStatus",
                FailureSign::Words(&["Failed", "Failure", "False", "PartiallySucceeded"]),
            ),
            ("Operation", FailureSign::Words(&["UserLoginFailed"])),
        ],
        related: &[("account", "OrganizationId"), ("user", "UserKey"), ("session", "SessionId")],
        ..VENDOR
    },
    Vendor {
        format: Format::Azure,
        times: &["time", "eventTimestamp", "properties.createdDateTime", "submissionTimestamp"],
        other_times: &["activityDateTime", "createdDateTime", "timeStamp"],
        texts: &[
            (Field::TraceId, &["eventDataId", "properties.eventDataId"]),
            (Field::EventName, &["operationName.value", "operationName", "activityDisplayName"]),
            (Field::Source, &["resourceProviderName.value", "category.value", "category"]),
            (
                Field::Operator,
                &[
                    "caller",
                    "properties.userPrincipalName",
                    "properties.initiatedBy.user.userPrincipalName",
                    "properties.initiatedBy.app.displayName",
                    "properties.servicePrincipalName",
                    "properties.servicePrincipalId",
                    "userPrincipalName",
                    "initiatedBy.user.userPrincipalName",
                    "initiatedBy.app.displayName",
                    "initiatedBy.app.servicePrincipalId",
                    "servicePrincipalName",
                    "identity.claims.http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn",
                    "identity.claims.http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name",
                    "identity.claims.name",
                    "identity.claims.appid",
                    "identity.authorization.evidence.principalId",
                    "identity.claim.upn",
                    "identity.claim.http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn",
                    "identity.claim.oid",
                    "identity.claim.appid",
                    "identity.requester.upn",
                    "identity.requester.objectId",
                    "identity.requester.appId",
                    "properties.Actor.UPN",
                    "properties.Actor.ApplicationName",
                    "properties.userId",
                    "properties.UserPrincipalObjectID",
                    "UserPrincipalObjectID",
                    "properties.appId",
                    "identity",
                ],
            ),
            (
                Field::ResourceType,
                &[
                    "resourceType.value",
                    "properties.targetResources.0.type",
                    "targetResources.0.type",
                ],
            ),
            (
                Field::ResourceId,
                &["properties.targetResources.0.id", "targetResources.0.id", "resourceId"],
            ),
            (
                Field::ResourceName,
                &[
                    "properties.targetResources.0.displayName",
                    "targetResources.0.displayName",
                    "properties.appDisplayName",
                    "appDisplayName",
                ],
            ),
            (
                Field::SourceIp,
                &[
                    "callerIpAddress",
                    "properties.ipAddress",
                    "httpRequest.clientIpAddress",
                    "ipAddress",
                    "properties.initiatedBy.user.ipAddress",
                    "initiatedBy.user.ipAddress",
                    "properties.clientIp",
                    "properties.clientIP",
                    "identity.claims.ipaddr",
                    "claims.ipaddr",
                ],
            ),
            (
                Field::Code,
                &[
                    "properties.status.errorCode",
                    "status.errorCode",
                    "subStatus.value",
                    "properties.httpStatusCode",
                    "properties.responseStatusCode",
                    "responseStatusCode",
                    "statusCode",
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
            ("result", FailureSign::Words(&["failure"])),
            ("properties.status.errorCode", FailureSign::AllBut(&["0"])),
            ("status.errorCode", FailureSign::AllBut(&["0"])),
            (
                "resultType",
                FailureSign::Words(&["Failure", "Failed", "ClientError", "ServerError"]),
            ),
            // Sign-ins give the number of an error.
            ("resultType", FailureSign::From(1)),
            // A request may be refused and its logging a success.
            ("properties.httpStatusCode", FailureSign::From(400)),
            ("properties.responseStatusCode", FailureSign::From(400)),
            ("responseStatusCode", FailureSign::From(400)),
            ("statusCode", FailureSign::From(400)),
        ],
        // Kubernetes writes its audit events through Azure Monitor as text.
        carried: &["properties.log"],
        nothing: &["None", "See Actor details in properties"],
        levels: &["level"],
        refine: refine_azure,
        related: &[("account", "subscriptionId"), ("account", "tenantId")],
        ..VENDOR
    },
    Vendor {
        format: Format::Windows,
        times: &[
            "Event.System.TimeCreated.#attributes.SystemTime",
            "Event.System.TimeCreated.SystemTime",
            // Sysmon's own time is UTC; NXLog's `EventTime` is that of the host.
            "UtcTime",
            "EventTime",
            "TimeCreated",
            "@timestamp",
        ],
        other_times: &["Event.System.TimeCreated.@SystemTime"],
        texts: &[
            (
                Field::EventName,
                &["Event.System.EventID", "Event.System.EventID.#text", "EventID", "EventId"],
            ),
            (Field::Source, &["Event.System.Channel", "Channel", "SourceName"]),
            (
                Field::Operator,
                &[
                    "Event.EventData.SubjectUserName",
                    "Event.EventData.User",
                    "Event.UserData.LogFileCleared.SubjectUserName",
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
            ("EventId", FailureSign::Words(&["4625"])),
            ("Event.System.Keywords", FailureSign::Bit(AUDIT_FAILURE)),
            ("Keywords", FailureSign::Bit(AUDIT_FAILURE)),
            ("Keywords", FailureSign::Words(&["Audit Failure"])),
            ("EventType", FailureSign::Words(&["AUDIT_FAILURE"])),
        ],
        nothing: &["-"],
        levels: &["Severity"],
        zone: windows::zone_minutes,
        refine: windows::refine,
        related: &[
            ("host", "Event.System.Computer"),
            ("host", "Hostname"),
            ("target", "Event.EventData.TargetUserName"),
            ("target", "TargetUserName"),
        ],
        ..VENDOR
    },
];

/// Names a sign-in of Microsoft Graph, which has no name, as diagnostic settings name it, and sets
/// the region and the id.
fn refine_azure(paths: &Paths<'_>, event: &mut Event) -> Result<bool> {
    // Sign-ins have the country there, in two letters.
    let place = paths.text(&["location", "resourceLocation"])?;
    let is_value = |text: &String| text.len() > 2 && text != "None";
    event.set_opt(Field::Region, place.filter(is_value));
    for name in ["properties.id", "id"] {
        let id = paths.text(&[name])?.filter(is_value).unwrap_or_default();
        // Records of Key Vault have the address of what was asked for there.
        let field = if id.contains("://") { Field::ResourceName } else { Field::TraceId };
        if event.text(field).is_none() {
            event.set(field, id);
        }
    }
    if event.text(Field::EventName).is_none() && paths.first(&["status.errorCode"])?.is_some() {
        event.set(Field::EventName, "Sign-in activity");
        if event.text(Field::Source).is_none() {
            event.set(Field::Source, "SignInLogs");
        }
    }
    Ok(false)
}
