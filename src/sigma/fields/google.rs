//! Google Cloud and Google Workspace. Rules for Workspace name fields as an old export did; records
//! are activities of the Reports API or come through Cloud Logging.

use serde_json::{Value as Json, json};

/// What stands in the envelope of a log entry; rules look for it in the payload, too.
const OF_ENTRY: &[&str] = &["logName", "resource.type", "resource.labels", "severity"];
/// The ending that names of services have in Cloud Logging.
const SERVICE: &str = ".googleapis.com";

pub(super) fn cloud_paths_of(field: &str) -> Vec<String> {
    let path = match field.strip_prefix("gcp.audit.") {
        Some(rest) => format!("protoPayload.{}", camel_case(rest)),
        None => field.strip_prefix("data.").unwrap_or(field).to_owned(),
    };
    let rest = path.strip_prefix("protoPayload.").unwrap_or_default();
    let is_below = |known: &str| {
        rest.strip_prefix(known).is_some_and(|after| after.is_empty() || after.starts_with('.'))
    };
    match OF_ENTRY.iter().any(|known| is_below(known)) {
        true => vec![rest.to_owned(), path],
        false => vec![path],
    }
}

pub(super) fn workspace_paths_of(field: &str) -> Vec<String> {
    let others: &[&str] = match field.to_lowercase().as_str() {
        "eventname" | "protopayload.metadata.event.eventname" => {
            &["events.name", "protoPayload.metadata.event.eventName"]
        }
        "eventservice" => &["protoPayload.serviceName"],
        // Only the names of settings are told from other values by how they look.
        "setting_name" => {
            &["events.parameters.value", "protoPayload.metadata.event.parameter.value"]
        }
        _ => &[],
    };
    let each = std::iter::once(field).chain(others.iter().copied());
    each.map(str::to_owned).collect()
}

/// Returns the test for the application of an activity, which is a service of another name.
pub(super) fn workspace_otherwise(field: &str, value: &str) -> Option<Json> {
    if !matches!(field, "eventservice" | "protopayload.servicename") {
        return None;
    }
    let application = value.strip_suffix(SERVICE)?;
    Some(json!({ "path": "id.applicationName", "like": [application] }))
}

fn camel_case(path: &str) -> String {
    let mut camel = String::with_capacity(path.len());
    let mut is_start = false;
    for letter in path.chars() {
        match letter {
            '_' => is_start = true,
            _ if is_start => {
                camel.push(letter.to_ascii_uppercase());
                is_start = false;
            }
            _ => camel.push(letter),
        }
    }
    camel
}
