//! Azure, Entra and Microsoft 365. Diagnostic settings keep what a service says under `properties`,
//! the Graph API has the same at the top, and rules name either, or columns of the portal.

use serde_json::{Value as Json, json};

/// Fields of Azure's rules that records name otherwise, for the services whose names begin so. Each
/// also stands under `properties`.
const AZURE: &[(&str, &str, &[&str])] = &[
    ("activitylogs", "operationname", &["operationName.value"]),
    ("activitylogs", "operationnamevalue", &["operationName", "operationName.value"]),
    ("activitylogs", "categoryvalue", &["category", "category.value", "properties.eventCategory"]),
    ("activitylogs", "resourceprovidervalue", &["resourceProviderName.value"]),
    ("activitylogs", "properties.message", &["operationName", "operationName.value"]),
    ("auditlogs", "operationname", &["activityDisplayName"]),
    ("auditlogs", "properties.message", &["activityDisplayName", "operationName"]),
    ("auditlogs", "activitydisplayname", &["operationName"]),
    ("auditlogs", "activitytype", &["activityDisplayName", "operationName"]),
    ("auditlogs", "status", &["result"]),
    ("auditlogs", "target", &["targetResources"]),
    ("auditlogs", "failure_status_reason", &["resultReason", "resultDescription"]),
    ("signinlogs", "resulttype", &["status.errorCode"]),
    ("signinlogs", "resultdescription", &["status.failureReason"]),
    ("signinlogs", "status", &["status.failureReason", "status.additionalDetails"]),
    ("signinlogs", "properties.message", &["authenticationProtocol"]),
    ("signinlogs", "clientapp", &["clientAppUsed"]),
    ("signinlogs", "username", &["userPrincipalName"]),
];

/// Fields of Microsoft 365's rules, which name those of Cloud App Security.
const MICROSOFT_365: &[(&str, &[&str])] = &[
    ("eventsource", &["Workload"]),
    // Of an alert, the operation is AlertTriggered and the name is what rules mean.
    ("eventname", &["Operation", "Name"]),
    ("status", &["ResultStatus"]),
    ("operation", &["Operations"]),
    ("requesttype", &["ExtendedProperties.Value"]),
];

pub(super) fn azure_paths_of(field: &str, service: &str) -> Vec<String> {
    let name = field.to_lowercase();
    let listed = AZURE.iter().find(|(of, known, _)| service == *of && *known == name);
    let others = listed.map(|(_, _, others)| *others).unwrap_or_default();
    let mut paths = Vec::new();
    for path in std::iter::once(field).chain(others.iter().copied()) {
        paths.push(path.to_owned());
        paths.push(match strip_properties(path) {
            Some(rest) => rest.to_owned(),
            None => format!("properties.{path}"),
        });
    }
    paths
}

/// Returns a path below `properties`.
fn strip_properties(path: &str) -> Option<&str> {
    let (first, rest) = path.split_once('.')?;
    first.eq_ignore_ascii_case("properties").then_some(rest)
}

/// Returns the test for what the portal shows of a sign-in in other words than its record: the
/// number of an error is zero for a success, and protocols have names.
pub(super) fn azure_otherwise(field: &str, value: &str, service: &str) -> Option<Json> {
    if service != "signinlogs" {
        return None;
    }
    match (field, &*value.to_lowercase()) {
        ("status" | "properties.status", "success") => {
            let paths = ["resultType", "properties.status.errorCode", "status.errorCode"];
            Some(json!({ "path": paths, "like": ["0"] }))
        }
        ("properties.message", "device code") => {
            let paths = ["properties.authenticationProtocol", "authenticationProtocol"];
            Some(json!({ "path": paths, "like": ["deviceCode"] }))
        }
        _ => None,
    }
}

pub(super) fn m365_paths_of(field: &str) -> Vec<String> {
    let name = field.to_lowercase();
    let listed = MICROSOFT_365.iter().find(|(known, _)| *known == name);
    let others = listed.map(|(_, others)| *others).unwrap_or_default();
    let each = || std::iter::once(field).chain(others.iter().copied());
    // `Search-UnifiedAuditLog` prints the record as text within another.
    let carried = each().map(|path| format!("AuditData.{path}"));
    each().map(str::to_owned).chain(carried).collect()
}

/// Returns the test for the other words that services of Microsoft 365 have for an outcome.
pub(super) fn m365_otherwise(field: &str, value: &str) -> Option<Json> {
    if !matches!(field, "status" | "resultstatus") {
        return None;
    }
    let words: &[&str] = match value.to_lowercase().as_str() {
        "success" => &["Succeeded", "True"],
        "failure" | "failed" => &["Failed", "Failure", "False"],
        _ => return None,
    };
    Some(json!({ "path": ["ResultStatus", "AuditData.ResultStatus"], "like": words }))
}
