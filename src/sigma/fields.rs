//! Field names of community rules, as the records have them.
//!
//! Rules name fields as the shipper of their time did: those for Google Cloud as Filebeat's module
//! does (`gcp.audit.method_name`) or below the `data` of an envelope, those for Kubernetes by the
//! last key of a path. Letter case does not matter, so `eventtype` needs no mapping to `eventType`.

use serde_json::{Map, Value as Json};
use std::borrow::Cow;

/// Fields of Kubernetes' rules that name the last key of a path only.
const KUBERNETES: &[(&str, &str)] = &[
    ("hostpath", "requestObject.spec.volumes.hostPath"),
    ("capabilities", "requestObject.spec.containers.securityContext.capabilities"),
    ("privileged", "requestObject.spec.containers.securityContext.privileged"),
    ("hostnetwork", "requestObject.spec.hostNetwork"),
    ("hostpid", "requestObject.spec.hostPID"),
];

/// Fields of Microsoft 365's rules, which name those of Cloud App Security.
const MICROSOFT_365: &[(&str, &str)] =
    &[("eventsource", "Workload"), ("eventname", "Operation"), ("status", "ResultStatus")];

/// Returns a detection with its fields named as the records of a log source name them.
pub(super) fn renamed(detection: &Map<String, Json>, product: &str) -> Map<String, Json> {
    let named = |(key, value): (&String, &Json)| (key.clone(), within(value, product));
    detection.iter().map(named).collect()
}

fn within(selection: &Json, product: &str) -> Json {
    match selection {
        Json::Object(fields) => {
            let named = |(key, value): (&String, &Json)| {
                let (field, modifiers) = key.split_at(key.find('|').unwrap_or(key.len()));
                let value = match value {
                    Json::String(other) if modifiers.split('|').any(|each| each == "fieldref") => {
                        path_of(other, product).into()
                    }
                    value => value.clone(),
                };
                (format!("{}{modifiers}", path_of(field, product)), value)
            };
            Json::Object(fields.iter().map(named).collect())
        }
        Json::Array(items) => items.iter().map(|item| within(item, product)).collect(),
        keyword => keyword.clone(),
    }
}

fn path_of<'a>(field: &'a str, product: &str) -> Cow<'a, str> {
    let listed = |list: &'static [(&str, &str)]| {
        let known = list.iter().find(|(name, _)| name.eq_ignore_ascii_case(field));
        known.map_or(Cow::Borrowed(field), |(_, path)| Cow::Borrowed(*path))
    };
    match product {
        "gcp" => match field.strip_prefix("gcp.audit.") {
            Some(rest) => Cow::Owned(format!("protoPayload.{}", camel_case(rest))),
            None => Cow::Borrowed(field.strip_prefix("data.").unwrap_or(field)),
        },
        "kubernetes" => listed(KUBERNETES),
        "m365" => listed(MICROSOFT_365),
        _ => Cow::Borrowed(field),
    }
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

#[cfg(test)]
mod tests {
    use super::path_of;

    #[test]
    fn fields_have_the_paths_of_the_records() {
        for (product, field, path) in [
            ("gcp", "gcp.audit.method_name", "protoPayload.methodName"),
            (
                "gcp",
                "gcp.audit.authentication_info.principal_email",
                "protoPayload.authenticationInfo.principalEmail",
            ),
            ("gcp", "data.protoPayload.methodName", "protoPayload.methodName"),
            ("gcp", "protoPayload.methodName", "protoPayload.methodName"),
            ("kubernetes", "hostPath", "requestObject.spec.volumes.hostPath"),
            ("kubernetes", "objectRef.resource", "objectRef.resource"),
            ("m365", "eventName", "Operation"),
            ("aws", "eventName", "eventName"),
        ] {
            assert_eq!(path_of(field, product), path);
        }
    }
}
