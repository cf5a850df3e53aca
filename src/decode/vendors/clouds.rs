//! Alibaba Cloud (ActionTrail event structure), Tencent Cloud (CloudAudit) and Oracle Cloud (Audit
//! log schema, also as Oracle Logging wraps it).

use super::table::{FailureSign, VENDOR, Vendor};
use crate::decode::Format;
use crate::decode::json::UTC_8_MINUTES;
use crate::decode::paths::Paths;
use crate::error::Result;
use crate::event::{Event, Field};

pub(super) const CLOUDS: &[Vendor] = &[
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
            (Field::Region, &["acsRegion"]),
        ],
        source: "aliyun",
        failed: &[("errorCode", FailureSign::AllBut(&["", "0", "200", "Success"]))],
        related: &[
            ("account", "userIdentity.accountId"),
            ("principal", "userIdentity.principalId"),
        ],
        reading: ("eventRW", "Read"),
        ..VENDOR
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
            (Field::Code, &["apiErrorCode", "errorCode"]),
            (Field::RequestId, &["requestID", "requestId"]),
            (Field::AccessKeyId, &["userIdentity.secretId"]),
            (Field::ApiVersion, &["apiVersion"]),
            (Field::Region, &["eventRegion", "EventRegion", "resourceRegion", "ResourceRegion"]),
        ],
        source: "tencentcloud",
        // Times are those of Beijing, and say no zone.
        zone_minutes: UTC_8_MINUTES,
        failed: &[
            ("errorCode", FailureSign::AllBut(&["", "0", "Success"])),
            ("apiErrorCode", FailureSign::AllBut(&["", "0", "Success"])),
        ],
        refine: prefer_error,
        related: &[
            ("account", "userIdentity.accountId"),
            ("principal", "userIdentity.principalId"),
        ],
        reading: ("actionType", "Read"),
        ..VENDOR
    },
    Vendor {
        format: Format::Oracle,
        times: &["eventTime"],
        other_times: &["time"],
        texts: &[
            (Field::TraceId, &["eventId", "eventID", "id"]),
            (Field::EventName, &["data.eventName", "eventName", "eventType", "type"]),
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
        related: &[
            ("account", "data.identity.tenantId"),
            ("account", "data.compartmentId"),
            ("principal", "data.identity.principalId"),
        ],
        reading: ("data.request.action", "GET"),
        ..VENDOR
    },
];

/// Takes the error of the gateway if the service of Tencent Cloud itself reported none.
fn prefer_error(paths: &Paths<'_>, event: &mut Event) -> Result<bool> {
    let code = event.text(Field::Code).unwrap_or_default();
    if matches!(code, "" | "0") {
        let error = paths.text(&["errorCode"])?;
        event.set_opt(Field::Code, error);
    }
    Ok(false)
}
